//! Builds a stack table from text, sample by sample: strings, functions, frames and whole stacks are kept once each.
//!
//! For readers whose input names its frames in words or addresses. Knows no format; sums samples of equal stack and labels.

use crate::model::profile::{Frame, Function, Mapping, StackTable};
use std::collections::HashMap;

/// Locations, block size and labels: what makes two samples one.
type SampleKey = (Vec<u32>, i64, Vec<(u32, u32)>);

/// A table that grows. Values are kept per sample and turned into columns at the end.
#[derive(Default)]
pub struct StackBuilder {
    t: StackTable,
    measures: usize,
    rows: Vec<i64>,
    strings: HashMap<Box<str>, u32>,
    functions: HashMap<Function, u32>,
    /// By frames and address.
    locations: HashMap<(Vec<Frame>, u64), u32>,
    /// By stack, block size and labels.
    samples: HashMap<SampleKey, u32>,
    sized: bool,
}

impl StackBuilder {
    pub fn new(measures: usize) -> Self {
        let mut b = StackBuilder { measures, ..StackBuilder::default() };
        b.t.loc_start.push(0);
        b.t.stack_start.push(0);
        b.string("");
        b
    }

    pub fn string(&mut self, text: &str) -> u32 {
        if let Some(&i) = self.strings.get(text) {
            return i;
        }
        let i = self.t.strings.len() as u32;
        self.t.strings.push(text.into());
        self.strings.insert(text.into(), i);
        i
    }

    pub fn frame(&mut self, name: &str, file: &str, line: u32) -> Frame {
        let f = Function { name: self.string(name), file: self.string(file) };
        let next = self.t.functions.len() as u32;
        let function = *self.functions.entry(f).or_insert(next);
        if function == next {
            self.t.functions.push(f);
        }
        Frame { function, line }
    }

    /// A location: its frames innermost first (none for a bare address).
    pub fn location(&mut self, frames: Vec<Frame>, address: u64) -> u32 {
        let next = self.t.loc_address.len() as u32;
        let key = (frames, address);
        if let Some(&l) = self.locations.get(&key) {
            return l;
        }
        self.t.loc_frames.extend_from_slice(&key.0);
        self.t.loc_start.push(self.t.loc_frames.len() as u32);
        self.t.loc_address.push(address);
        self.locations.insert(key, next);
        next
    }

    /// Adds values to the sample of this stack (leaf first), block size (0 where unknown) and sorted labels.
    pub fn sample(&mut self, stack: Vec<u32>, size: i64, labels: Vec<(u32, u32)>, values: &[i64]) {
        let next = self.t.samples() as u32;
        let key = (stack, size, labels);
        let s = match self.samples.get(&key) {
            Some(&s) => s,
            None => {
                self.t.stack_locs.extend_from_slice(&key.0);
                self.t.stack_start.push(self.t.stack_locs.len() as u32);
                self.t.block_size.push(size);
                self.t.labels.extend(key.2.iter().map(|(k, v)| (next, *k, *v)));
                self.sized |= size != 0;
                self.rows.resize(self.rows.len() + self.measures, 0);
                self.samples.insert(key, next);
                next
            }
        };
        let at = s as usize * self.measures;
        for (sum, v) in self.rows.get_mut(at..at + self.measures).unwrap_or(&mut []).iter_mut().zip(values) {
            *sum = sum.saturating_add(*v);
        }
    }

    pub fn samples(&self) -> usize {
        self.t.samples()
    }

    /// The table with `kept` of its measures, and the totals of those.
    pub fn finish(mut self, mappings: Vec<Mapping>, kept: &[usize]) -> (StackTable, Vec<i64>) {
        let mut totals = Vec::new();
        for m in kept {
            let column = self.rows.chunks_exact(self.measures.max(1)).map(|r| r.get(*m).copied().unwrap_or(0));
            let before = self.t.values.len();
            self.t.values.extend(column);
            totals.push(self.t.values.get(before..).unwrap_or(&[]).iter().fold(0i64, |a, v| a.saturating_add(*v)));
        }
        if !self.sized {
            self.t.block_size = Vec::new();
        }
        if !mappings.is_empty() {
            let mut order: Vec<usize> = (0..mappings.len()).collect();
            order.sort_by_key(|i| mappings.get(*i).map(|m| m.start));
            let find = |a: u64| {
                let n = order.partition_point(|i| mappings.get(*i).is_some_and(|m| m.start <= a));
                let i = n.checked_sub(1).and_then(|n| order.get(n)).copied()?;
                mappings.get(i).filter(|m| a < m.limit).map(|_| i as u32 + 1)
            };
            self.t.loc_mapping = self.t.loc_address.iter().map(|a| find(*a).unwrap_or(0)).collect();
            self.t.mappings = mappings;
        }
        (self.t, totals)
    }
}
