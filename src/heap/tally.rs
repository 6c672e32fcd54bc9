//! The pass over all samples of a profile that adds them up by group: own and cumulative values of every measure.
//!
//! This is where a big profile's time goes (tens of millions of frames), so measures are added four at a time as arrays,
//! a location with one group costs one look, and a long table is summed in two halves side by side. Integer sums do not
//! depend on the halves; those of sampling weights do not either, for the halves are the same on every machine.

use super::sites::{Sampling, Scale, Sieve, Spread};
use crate::model::profile::StackTable;
use std::ops::Range;

/// Stands for a location with several groups, or none.
pub const MANY: u32 = u32::MAX;
/// Samples from which on two halves are worth a second set of sums.
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
    pub scale: Scale<'a>,
    pub noise: Option<&'a Sampling>,
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
    let samples = p.table.samples();
    if samples < HALVES {
        return part(p, &heads, 0..samples);
    }
    let (mut a, b) = rayon::join(|| part(p, &heads, 0..samples / 2), || part(p, &heads, samples / 2..samples));
    a.absorb(&b);
    a
}

fn part(p: &Pass<'_>, heads: &[u32], range: Range<usize>) -> Sums {
    let spreads = if p.noise.is_some() { p.groups } else { 0 };
    let mut sums = Sums {
        own: Vec::new(),
        cumulative: Vec::new(),
        totals: vec![0; p.measures],
        spread: vec![Spread::default(); spreads],
        cumulative_spread: vec![Spread::default(); spreads],
    };
    for first in (0..p.measures).step_by(4) {
        match p.measures - first {
            1 => columns::<1>(p, heads, range.clone(), first, &mut sums),
            2 => columns::<2>(p, heads, range.clone(), first, &mut sums),
            _ => columns::<4>(p, heads, range.clone(), first, &mut sums),
        }
    }
    sums
}

#[inline]
fn plus<const M: usize>(sum: &mut [i64; M], row: &[i64; M]) {
    for (s, v) in sum.iter_mut().zip(row) {
        *s = s.saturating_add(*v);
    }
}

#[inline]
fn more(spreads: &mut [Spread], group: u32, by: Spread) {
    if let Some(s) = spreads.get_mut(group as usize) {
        s.live += by.live;
        s.allocated += by.allocated;
    }
}

/// Sums the measures `first..first + M` of the samples in `range`.
fn columns<const M: usize>(p: &Pass<'_>, heads: &[u32], range: Range<usize>, first: usize, out: &mut Sums) {
    let (table, samples) = (p.table, p.table.samples());
    let mut own = vec![[0i64; M]; p.groups];
    let mut cumulative = vec![[0i64; M]; p.groups];
    let mut totals = [0i64; M];
    let column = |i: usize| match first + i < p.measures {
        true => table.values.get((first + i) * samples..(first + i + 1) * samples).unwrap_or(&[]),
        false => &[],
    };
    let values: [&[i64]; M] = std::array::from_fn(column);
    let noise = p.noise.filter(|_| first == 0);
    // The last sample in which a group was counted.
    let mut stamp = vec![u32::MAX; p.once];
    for s in range {
        let mut row: [i64; M] = std::array::from_fn(|i| values.get(i).and_then(|c| c.get(s)).copied().unwrap_or(0));
        if let Some(scale) = p.scale {
            for (v, by) in row.iter_mut().zip(scale.iter().skip(first)) {
                *v = (*v as f64 * by).round() as i64;
            }
        }
        if row == [0; M] {
            continue;
        }
        let Some(stack) = p.sieve.pass(table.stack(s)) else { continue };
        plus(&mut totals, &row);
        let spread = noise.map(|n| n.spread(table, s, samples));
        let mut leaf = true;
        let mut one = |group: u32, once: u32| {
            if leaf {
                leaf = false;
                if let Some(sum) = own.get_mut(group as usize) {
                    plus(sum, &row);
                }
                if let Some(by) = spread {
                    more(&mut out.spread, group, by);
                }
            }
            let Some(mark) = stamp.get_mut(once as usize) else { return };
            if *mark == s as u32 && !p.every_frame {
                return;
            }
            *mark = s as u32;
            if let Some(sum) = cumulative.get_mut(group as usize) {
                plus(sum, &row);
            }
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
    if M == p.measures {
        // The same numbers in the same order: no second copy.
        (out.own, out.cumulative, out.totals) = (own.into_flattened(), cumulative.into_flattened(), totals.to_vec());
        return;
    }
    out.own.resize(p.groups * p.measures, 0);
    out.cumulative.resize(p.groups * p.measures, 0);
    let lay = |from: &[[i64; M]], to: &mut [i64]| {
        for (row, from) in to.chunks_exact_mut(p.measures).zip(from) {
            row.iter_mut().skip(first).zip(from).for_each(|(v, f)| *v = *f);
        }
    };
    lay(&own, &mut out.own);
    lay(&cumulative, &mut out.cumulative);
    lay(&[totals], &mut out.totals);
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

    /// Adds the sums of other samples of the same groups.
    fn absorb(&mut self, other: &Sums) {
        gather(&mut self.own, &other.own);
        gather(&mut self.cumulative, &other.cumulative);
        gather(&mut self.totals, &other.totals);
        for (mine, theirs) in [(&mut self.spread, &other.spread), (&mut self.cumulative_spread, &other.cumulative_spread)] {
            for (a, b) in mine.iter_mut().zip(theirs) {
                a.live += b.live;
                a.allocated += b.allocated;
            }
        }
    }
}

fn gather(sums: &mut [i64], by: &[i64]) {
    for (s, v) in sums.iter_mut().zip(by) {
        *s = s.saturating_add(*v);
    }
}
