//! How far off a sampled sum may be: the weight of every sample, from the sampling period and the block size.
//!
//! A profiler that samples by bytes takes a block of size S with probability p = 1 − exp(−S/period) and writes it down scaled
//! by 1/p. The number of blocks that were truly seen is therefore recoverable, and with it the variance of any sum.

use crate::model::profile::{HeapProfile, StackTable};

/// Sampling noise of an estimated sum: per sampled object of size S and sampling probability p, (S/p)²·(1−p) bytes²,
/// summed over the live objects and over all objects ever allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    pub live: f64,
    pub allocated: f64,
}

impl Spread {
    #[inline]
    pub fn add(&mut self, by: Spread) {
        self.live += by.live;
        self.allocated += by.allocated;
    }
}

/// Which measures carry the figures that sampling noise is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    period: f64,
    space: usize,
    objects: usize,
    allocated: Option<(usize, usize)>,
}

impl Sampling {
    /// Present where the profile was sampled by bytes: a period above one and live space with its object count.
    pub fn of(profile: &HeapProfile) -> Option<Self> {
        let find = |name: &str| profile.measures.iter().position(|m| m.name == name);
        (profile.period > 1).then_some(())?;
        let allocated = find("alloc_space").zip(find("alloc_objects"));
        Some(Sampling { period: profile.period as f64, space: find("inuse_space")?, objects: find("inuse_objects")?, allocated })
    }

    /// Weight of one sample. Values are already scaled up, so the sampled count k is `objects · p`, and
    /// k·(S/p)²·(1−p) is `objects · S²·(1−p)/p` for either column.
    pub fn spread(&self, table: &StackTable, s: usize, samples: usize) -> Spread {
        let value = |m: usize| table.values.get(m * samples + s).copied().unwrap_or(0) as f64;
        let labelled = table.block_size.get(s).copied().filter(|b| *b > 0).map(|b| b as f64);
        let weight = |size: f64| {
            let p = -(-size / self.period).exp_m1();
            if size > 0.0 { size * size * (1.0 - p) / p } else { 0.0 }
        };
        // With its block size labelled, both columns of a sample have one weight per object.
        let known = labelled.map(weight);
        let one = |(space, objects): (usize, usize)| {
            let objects = value(objects).abs();
            if objects > 0.0 { objects * known.unwrap_or_else(|| weight(value(space).abs() / objects)) } else { 0.0 }
        };
        let live = one((self.space, self.objects));
        let allocated = self.allocated.map_or(0.0, one);
        Spread { live, allocated }
    }
}
