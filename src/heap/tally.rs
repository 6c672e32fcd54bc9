//! The pass over all samples of a profile that adds them up by group: own and cumulative values of every measure.
//!
//! This is where a big profile's time goes (tens of millions of frames), so samples of one stack are added up first
//! ([`super::by_stack`]), stacks are walked only where inclusive values are wanted, measures are added four at a time as arrays, a location with one group costs one look, and a long table is summed in
//! two halves side by side. Integer sums do not depend on the halves; those of sampling weights do not either, for the
//! halves are the same on every machine.

use super::by_stack::ByStack;
use super::sampling::Spread;
use super::sieve::Sieve;
use crate::model::profile::StackTable;
use std::ops::Range;

/// Stands for a location with several groups, or none.
pub const MANY: u32 = u32::MAX;
/// Stacks from which on two halves are worth a second set of sums.
const HALVES: usize = 1 << 16;

/// What is to be summed.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub table: &'a StackTable,
    pub measures: usize,
    pub groups: usize,
    /// Bound of what [`Sieve::once`] gives.
    pub once: usize,
    /// A group counts as often as it stands in a stack.
    pub every_frame: bool,
    pub sieve: &'a Sieve,
    /// What is added up.
    pub stacks: &'a ByStack<'a>,
    /// Whether cumulative values are wanted, for which every frame has to be looked at.
    pub cumulative: bool,
}

/// Sums by group; values of a group stand together, one per measure.
#[derive(Default)]
pub struct Sums {
    pub own: Vec<i64>,
    pub cumulative: Vec<i64>,
    pub totals: Vec<i64>,
    /// Empty without noise.
    pub spread: Vec<Spread>,
    pub cumulative_spread: Vec<Spread>,
}

/// Sums all samples that pass the sieve.
pub fn run(p: &Pass<'_>) -> Sums {
    let heads = p.sieve.heads();
    let mut out = Sums { totals: vec![0; p.measures], ..Sums::default() };
    out.grow(p.groups, p.measures, p.stacks.has_spread());
    for first in (0..p.measures).step_by(4) {
        match p.measures - first {
            1 => columns::<1>(p, &heads, first, &mut out),
            2 => columns::<2>(p, &heads, first, &mut out),
            _ => columns::<4>(p, &heads, first, &mut out),
        }
    }
    out
}

/// The values of some measures, stack by stack.
struct Rows<'a, const M: usize> {
    values: [&'a [i64]; M],
    /// No sum of these can leave 64 bits, so that plain additions do.
    small: bool,
}

impl<'a, const M: usize> Rows<'a, M> {
    fn new(p: &Pass<'a>, first: usize) -> Self {
        let column = |i: usize| if first + i < p.measures { p.stacks.column(first + i) } else { &[] };
        let values: [&[i64]; M] = std::array::from_fn(column);
        let most = values.iter().map(|c| c.iter().fold(0u64, |a, v| a.saturating_add(v.unsigned_abs()))).max().unwrap_or(0);
        Rows { values, small: most <= i64::MAX as u64 && !p.every_frame }
    }

    #[inline]
    fn row(&self, k: usize) -> [i64; M] {
        std::array::from_fn(|i| self.values.get(i).and_then(|c| c.get(k)).copied().unwrap_or(0))
    }
}

#[inline]
fn plus<const M: usize, const SMALL: bool>(sum: &mut [i64; M], row: &[i64; M]) {
    for (s, v) in sum.iter_mut().zip(row) {
        *s = if SMALL { s.wrapping_add(*v) } else { s.saturating_add(*v) };
    }
}

#[inline]
fn more(spreads: &mut [Spread], group: u32, by: Spread) {
    if let Some(s) = spreads.get_mut(group as usize) {
        s.add(by);
    }
}

/// A group's cumulative values beside the last stack in which it was counted: one place in memory per frame.
#[derive(Clone, Copy)]
struct Cell<const M: usize> {
    sum: [i64; M],
    /// The stack's number plus one; 0 for none.
    mark: u32,
}

/// Sums of a part of the stacks.
struct Part<const M: usize> {
    own: Vec<[i64; M]>,
    cells: Vec<Cell<M>>,
    totals: [i64; M],
    spread: Vec<Spread>,
    cumulative_spread: Vec<Spread>,
}

/// Sums the measures `first..first + M`.
fn columns<const M: usize>(p: &Pass<'_>, heads: &[u32], first: usize, out: &mut Sums) {
    let rows = Rows::<M>::new(p, first);
    let stacks = p.table.stacks();
    let run =
        |range| if rows.small { part::<M, true>(p, heads, first, &rows, range) } else { part::<M, false>(p, heads, first, &rows, range) };
    let parts = if stacks < HALVES || !p.cumulative {
        vec![run(0..stacks)]
    } else {
        let (a, b) = rayon::join(|| run(0..stacks / 2), || run(stacks / 2..stacks));
        vec![a, b]
    };
    for part in parts {
        let lay = |sums: &mut [i64], from: &[i64; M]| {
            sums.iter_mut().skip(first).zip(from).for_each(|(s, v)| *s = s.saturating_add(*v));
        };
        lay(&mut out.totals, &part.totals);
        out.own.chunks_exact_mut(p.measures.max(1)).zip(&part.own).for_each(|(s, v)| lay(s, v));
        out.cumulative.chunks_exact_mut(p.measures.max(1)).zip(&part.cells).for_each(|(s, c)| lay(s, &c.sum));
        (0..).zip(&part.spread).for_each(|(g, by)| more(&mut out.spread, g, *by));
        (0..).zip(&part.cumulative_spread).for_each(|(g, by)| more(&mut out.cumulative_spread, g, *by));
    }
}

fn part<const M: usize, const SMALL: bool>(p: &Pass<'_>, heads: &[u32], first: usize, rows: &Rows<'_, M>, range: Range<usize>) -> Part<M> {
    let noisy = first == 0 && p.stacks.has_spread();
    let spreads = || vec![Spread::default(); if noisy { p.groups } else { 0 }];
    let mut out = Part {
        own: vec![[0i64; M]; p.groups],
        cells: vec![Cell { sum: [0i64; M], mark: 0 }; if p.cumulative { p.groups } else { 0 }],
        totals: [0i64; M],
        spread: spreads(),
        cumulative_spread: spreads(),
    };
    // Where something else than the group counts once per stack, the marks are its.
    let mut marks = vec![0u32; if p.sieve.counts_groups_once() { 0 } else { p.once }];
    let apart = !marks.is_empty();
    for k in range {
        let row = rows.row(k);
        if row == [0; M] {
            continue;
        }
        let Some(stack) = p.sieve.pass(p.table.locations_of(k)) else { continue };
        plus::<M, SMALL>(&mut out.totals, &row);
        let spread = if noisy { p.stacks.spread(k) } else { None };
        if let Some(&group) = stack.iter().find_map(|l| p.sieve.groups(*l).first()) {
            if let Some(sum) = out.own.get_mut(group as usize) {
                plus::<M, SMALL>(sum, &row);
            }
            if let Some(by) = spread {
                more(&mut out.spread, group, by);
            }
        }
        if !p.cumulative {
            continue;
        }
        let this = k as u32 + 1;
        let mut one = |group: u32, once: u32| {
            let Some(cell) = out.cells.get_mut(group as usize) else { return };
            let mark = if apart { marks.get_mut(once as usize) } else { Some(&mut cell.mark) };
            if let Some(mark) = mark {
                if *mark == this && !p.every_frame {
                    return;
                }
                *mark = this;
            }
            plus::<M, SMALL>(&mut cell.sum, &row);
            if let Some(by) = spread {
                more(&mut out.cumulative_spread, group, by);
            }
        };
        for &l in stack {
            match heads.get(l as usize) {
                Some(&head) if head != MANY => one(head, head),
                _ => p.sieve.groups(l).iter().zip(p.sieve.once(l)).for_each(|(&group, &once)| one(group, once)),
            }
        }
    }
    out
}

impl Sums {
    /// Makes room for `groups` groups.
    pub fn grow(&mut self, groups: usize, measures: usize, noise: bool) {
        self.own.resize(groups * measures, 0);
        self.cumulative.resize(groups * measures, 0);
        if noise {
            self.spread.resize(groups, Spread::default());
            self.cumulative_spread.resize(groups, Spread::default());
        }
    }

    /// Adds one sample to the totals.
    pub fn count(&mut self, row: &[i64]) {
        gather(&mut self.totals, row);
    }

    /// Adds one sample to a group's own and cumulative values.
    pub fn add(&mut self, group: u32, row: &[i64], spread: Option<Spread>) {
        let at = group as usize * row.len()..(group as usize + 1) * row.len();
        for sums in [self.own.get_mut(at.clone()), self.cumulative.get_mut(at)] {
            gather(sums.unwrap_or_default(), row);
        }
        if let Some(by) = spread {
            more(&mut self.spread, group, by);
            more(&mut self.cumulative_spread, group, by);
        }
    }
}

fn gather(sums: &mut [i64], by: &[i64]) {
    for (s, v) in sums.iter_mut().zip(by) {
        *s = s.saturating_add(*v);
    }
}
