//! The samples of a table added up by stack, once for all that look at them: one call site allocates blocks of many sizes,
//! each of them a sample of its own, and whose a sample is depends on its stack alone.
//!
//! Where every sample has a stack of its own the table's columns serve as they are. Sums saturate.

use super::sampling::{Sampling, Spread};
use super::sites::Scale;
use crate::model::profile::StackTable;
use std::borrow::Cow;

/// Values of every measure, and the sampling weight, of every stack.
pub struct ByStack<'t> {
    stacks: usize,
    /// One column per measure, as in the table.
    values: Cow<'t, [i64]>,
    spread: Vec<Spread>,
}

impl<'t> ByStack<'t> {
    /// Of all samples of `table`, scaled as asked; without `noise` no weights are made.
    pub fn new(table: &'t StackTable, measures: usize, scale: Scale<'_>, noise: Option<&Sampling>) -> Self {
        let (stacks, samples) = (table.stacks(), table.samples());
        let mut spread = vec![Spread::default(); if noise.is_some() { stacks } else { 0 }];
        if let Some(n) = noise {
            for s in 0..samples {
                if let Some(sum) = spread.get_mut(table.stack_number(s)) {
                    sum.add(n.spread(table, s, samples));
                }
            }
        }
        if table.stack_of.is_empty() && scale.is_none() {
            return ByStack { stacks, values: Cow::Borrowed(&table.values), spread };
        }
        let mut values = vec![0i64; stacks * measures];
        for (m, sums) in values.chunks_exact_mut(stacks.max(1)).enumerate() {
            let by = scale.and_then(|s| s.get(m)).copied();
            let column = table.values.get(m * samples..(m + 1) * samples).unwrap_or(&[]);
            for (s, v) in column.iter().enumerate().filter(|(_, v)| **v != 0) {
                if let Some(sum) = sums.get_mut(table.stack_number(s)) {
                    *sum = sum.saturating_add(by.map_or(*v, |by| (*v as f64 * by).round() as i64));
                }
            }
        }
        ByStack { stacks, values: Cow::Owned(values), spread }
    }

    /// The values of one measure, stack by stack.
    pub fn column(&self, measure: usize) -> &[i64] {
        self.values.get(measure * self.stacks..(measure + 1) * self.stacks).unwrap_or(&[])
    }

    /// Sampling weight of a stack; none where none was asked for.
    #[inline]
    pub fn spread(&self, stack: usize) -> Option<Spread> {
        self.spread.get(stack).copied()
    }

    pub fn has_spread(&self) -> bool {
        !self.spread.is_empty()
    }
}
