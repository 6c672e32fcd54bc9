//! From raw samples to at most a few hundred blocks of equal time: low, middle and high level of each, with the load beside it.
//!
//! The low level is the live-set proxy of a collected heap: a block longer than the collector's period has its minimum
//! near the live set. Which level a trend is read from depends on whether the series is a sawtooth at all.

use super::stats::{quantile_sorted, select, spread};

/// One run's samples: seconds from the window's start, ascending, finite values.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    pub t: Vec<f64>,
    pub v: Vec<f64>,
}

impl Samples {
    pub fn len(&self) -> usize {
        self.t.len()
    }

    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }

    pub fn span(&self) -> f64 {
        self.t.last().zip(self.t.first()).map_or(0.0, |(b, a)| b - a)
    }

    /// Median distance of samples in seconds.
    pub fn step(&self) -> f64 {
        let stride = self.len().div_ceil(2000).max(1);
        let mut d: Vec<f64> = self.t.windows(2).step_by(stride).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        if d.is_empty() { 0.0 } else { select(&mut d, 0.5) }
    }
}

/// A garbage collector's mark on a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sawtooth {
    /// Usual seconds between collections (upper quartile).
    pub period: f64,
    /// Usual height of a drop.
    pub height: f64,
}

/// Finds sudden drops that are not answered by equally sudden rises: allocation climbs, collection falls.
///
/// A drop counts when it is larger than 6 sd of the sample-to-sample noise (a normal series passes that once in 10⁸) and
/// at least 2 % of the level; rises of that size may be no more than half as many, else the series is spiky, not a sawtooth.
pub fn sawtooth(s: &Samples) -> Option<Sawtooth> {
    if s.len() < 60 {
        return None;
    }
    let d: Vec<f64> = s.v.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    let noise = spread(&d);
    let level = select(&mut s.v.clone(), 0.5).abs();
    let least = (6.0 * noise).max(0.02 * level);
    let mut drops = Vec::new();
    let mut at = Vec::new();
    let mut rises = 0usize;
    for (i, &x) in d.iter().enumerate() {
        // A drop that two steps share is one drop.
        if x < -least {
            if at.last().is_none_or(|&(j, _)| i > j + 1) {
                at.push((i, s.t.get(i).copied().unwrap_or(0.0)));
                drops.push(-x);
            }
        } else if x > least {
            rises += 1;
        }
    }
    if drops.len() < 5 || rises * 2 > drops.len() {
        return None;
    }
    let mut gaps: Vec<f64> = at.windows(2).filter_map(|w| Some(w.get(1)?.1 - w.first()?.1)).collect();
    Some(Sawtooth { period: select(&mut gaps, 0.75), height: select(&mut drops, 0.5) })
}

/// Blocks of one run.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    /// Middle of each block, seconds from the window's start.
    pub t: Vec<f64>,
    /// 10 % quantile, median, 95 % quantile, maximum.
    pub low: Vec<f64>,
    pub mid: Vec<f64>,
    pub high: Vec<f64>,
    pub top: Vec<f64>,
    pub width: f64,
}

impl Blocks {
    /// Cuts `s` into blocks of `width` seconds; blocks with fewer than a third of the usual samples are left out.
    pub fn cut(s: &Samples, width: f64) -> Blocks {
        let mut b = Blocks { width, ..Blocks::default() };
        let (Some(&start), true) = (s.t.first(), width > 0.0) else { return b };
        let usual = (width / s.step().max(1e-3)).max(1.0);
        let mut from = 0;
        let mut scratch = Vec::new();
        while from < s.len() {
            let t0 = s.t.get(from).copied().unwrap_or(start);
            let number = ((t0 - start) / width).floor();
            let end = start + (number + 1.0) * width;
            let to = from + s.t.get(from..).unwrap_or(&[]).partition_point(|&t| t < end).max(1);
            if (to - from) as f64 >= usual / 3.0 {
                scratch.clear();
                scratch.extend_from_slice(s.v.get(from..to).unwrap_or(&[]));
                scratch.sort_unstable_by(f64::total_cmp);
                b.t.push(start + (number + 0.5) * width);
                b.low.push(quantile_sorted(&scratch, 0.1));
                b.mid.push(quantile_sorted(&scratch, 0.5));
                b.high.push(quantile_sorted(&scratch, 0.95));
                b.top.push(scratch.last().copied().unwrap_or(f64::NAN));
            }
            from = to;
        }
        b
    }

    pub fn len(&self) -> usize {
        self.t.len()
    }

    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }
}

/// Mean of a step-like series (request rate) over each block, averaged over `lag` seconds before the block's end: memory
/// follows load with the time that requests, sessions and caches live.
pub fn load_of(blocks: &Blocks, rate: &Samples, lag: f64) -> Option<Vec<f64>> {
    if rate.len() < 8 {
        return None;
    }
    // Prefix integral of the rate, each sample standing for the time since the one before.
    let mut sum = Vec::with_capacity(rate.len());
    let mut total = 0.0;
    let mut before = None;
    for (&t, &v) in rate.t.iter().zip(&rate.v) {
        total += before.map_or(0.0, |b: f64| v * (t - b));
        before = Some(t);
        sum.push(total);
    }
    let integral = |t: f64| -> Option<f64> {
        let i = rate.t.partition_point(|&x| x <= t);
        if i == 0 {
            return Some(0.0);
        }
        let (t0, s0) = (*rate.t.get(i - 1)?, *sum.get(i - 1)?);
        Some(match (rate.t.get(i), rate.v.get(i)) {
            (Some(_), Some(v)) => s0 + v * (t - t0),
            _ => s0,
        })
    };
    let (first, last) = (*rate.t.first()?, *rate.t.last()?);
    // Blocks outside the load's own window have no load: then it cannot explain the run.
    let covered = blocks.t.iter().filter(|&&t| t >= first - blocks.width && t <= last + blocks.width).count();
    if covered * 10 < blocks.len() * 9 {
        return None;
    }
    let half = blocks.width / 2.0;
    let out: Vec<f64> = blocks
        .t
        .iter()
        .map(|&t| {
            let end = (t + half).clamp(first, last);
            let start = (t - half - lag).clamp(first, last);
            if end > start { Some((integral(end)? - integral(start)?) / (end - start)) } else { rate.v.first().copied() }
        })
        .collect::<Option<_>>()?;
    Some(out)
}
