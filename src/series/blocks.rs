//! From raw samples to at most a few hundred blocks of equal time: low, middle and high level of each, with the load beside it.
//!
//! The low level is the live-set proxy of a collected heap: a block longer than the collector's period has its minimum
//! near the live set. Which level a trend is read from depends on whether the series is a sawtooth at all.

use super::stats::{correlation, quantile, quantiles, select, spread};

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

    /// The samples that `keep` marks.
    pub fn only(&self, keep: &[bool]) -> Samples {
        let pick = |list: &[f64]| list.iter().zip(keep).filter(|(_, k)| **k).map(|(x, _)| *x).collect();
        Samples { t: pick(&self.t), v: pick(&self.v) }
    }

    /// Spread of the differences between neighbouring samples.
    pub fn noise(&self) -> f64 {
        spread(&self.v.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect::<Vec<_>>())
    }

    /// Median distance of samples in seconds.
    pub fn step(&self) -> f64 {
        let stride = self.len().div_ceil(2000).max(1);
        let mut d: Vec<f64> = self.t.windows(2).step_by(stride).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        if d.is_empty() { 0.0 } else { select(&mut d, 0.5) }
    }
}

/// A garbage collector's mark on a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sawtooth {
    /// Usual seconds between collections (upper quartile).
    pub period: f64,
    /// Usual height of a drop.
    pub height: f64,
    /// When memory dropped, seconds from the window's start.
    pub drops: Vec<f64>,
}

impl Sawtooth {
    /// Seconds since the last collection at each of `t`; before the first one the usual period is counted back.
    pub fn ages(&self, t: &[f64]) -> Vec<f64> {
        t.iter()
            .map(|&t| {
                let i = self.drops.partition_point(|&d| d <= t);
                let before = match i.checked_sub(1) {
                    Some(k) => self.drops.get(k).copied().unwrap_or(t),
                    None => self.drops.first().map_or(t, |d| d - self.period * ((d - t) / self.period).ceil().max(1.0)),
                };
                t - before
            })
            .collect()
    }
}

/// What the repeated sudden drops of a series are.
#[derive(Debug, Clone, PartialEq)]
pub enum Drops {
    None,
    /// A collector's: memory climbs steadily and falls at once, again and again.
    Collections(Sawtooth),
    /// The ends of batches: memory stands at a base and rises for a while. `base` marks the samples outside them.
    Batches {
        base: Vec<bool>,
        height: f64,
    },
}

/// Finds repeated sudden drops and tells collections from batches.
///
/// A drop counts when it is larger than 6 sd of the sample-to-sample noise (a normal series passes that once in 10⁸) and
/// at least 2 % of the level. Between the drops of a collector memory climbs with time (correlation 0.7: half of its
/// variation is the climb) and its median is midway (a ramp's is at 0.5 of its range, a batch's near 0); else the drops are
/// the ends of spikes.
pub fn drops(s: &Samples, noise: f64) -> Drops {
    if s.len() < 60 {
        return Drops::None;
    }
    let level = select(&mut s.v.clone(), 0.5).abs();
    let least = (6.0 * noise).max(0.02 * level);
    let mut heights = Vec::new();
    let mut at: Vec<usize> = Vec::new();
    for (i, w) in s.v.windows(2).enumerate() {
        let &[before, after] = w else { continue };
        let x = after - before;
        // A drop that several steps share is one drop.
        if x < -least {
            if at.last().is_none_or(|&j| i > j + 2) {
                heights.push(-x);
                at.push(i);
            } else if let (Some(h), Some(last)) = (heights.last_mut(), at.last_mut()) {
                *h += -x;
                *last = i;
            }
        }
    }
    // Drops far below the usual height are something else: an outlier's end, a release by the program.
    let usual = if heights.is_empty() { 0.0 } else { select(&mut heights.clone(), 0.5) };
    let mut tall = heights.iter().map(|h| *h >= 0.4 * usual);
    at.retain(|_| tall.next().unwrap_or(false));
    heights.retain(|h| *h >= 0.4 * usual);
    if at.len() < 4 {
        return Drops::None;
    }
    let (mut climbs, mut middles) = (Vec::new(), Vec::new());
    let mut base = vec![true; s.len()];
    let ends = at.iter().map(|&i| i + 1).chain([s.len()]);
    let mut from = 0;
    for to in ends {
        let (t, v) = (s.t.get(from..to).unwrap_or(&[]), s.v.get(from..to).unwrap_or(&[]));
        if v.len() >= 6 {
            let [low, mid, high] = quantiles(&mut v.to_vec(), [0.02, 0.5, 0.98]);
            if high > low && from > 0 && to < s.len() {
                climbs.push(correlation(t, v));
                middles.push((mid - low) / (high - low));
            }
            if high - low > least {
                let cut = (low + high) / 2.0;
                for (b, x) in base.iter_mut().skip(from).zip(v) {
                    *b = *x <= cut;
                }
            }
        }
        from = to;
    }
    if climbs.len() * 2 < at.len() - 1 || climbs.is_empty() {
        return Drops::None;
    }
    let height = select(&mut heights, 0.5);
    let middle = select(&mut middles, 0.5);
    if select(&mut climbs, 0.5) >= 0.7 && middle >= 0.25 {
        let drops: Vec<f64> = at.iter().filter_map(|&i| s.t.get(i + 1).copied()).collect();
        let mut gaps: Vec<f64> = drops.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        return Drops::Collections(Sawtooth { period: select(&mut gaps, 0.75).max(1.0), height, drops });
    }
    let kept = base.iter().filter(|b| **b).count();
    // A base must be where the series mostly is.
    if middle < 0.25 && kept * 2 > s.len() { Drops::Batches { base, height } } else { Drops::None }
}

/// Blocks of one run.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    /// Middle of each block, seconds from the window's start.
    pub t: Vec<f64>,
    /// 10 % quantile, and median.
    pub low: Vec<f64>,
    pub mid: Vec<f64>,
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
            let number = ((s.t.get(from).copied().unwrap_or(start) - start) / width).floor();
            let end = start + (number + 1.0) * width;
            let to = from + s.t.get(from..).unwrap_or(&[]).partition_point(|&t| t < end).max(1);
            if (to - from) as f64 >= usual / 3.0 {
                scratch.clear();
                scratch.extend_from_slice(s.v.get(from..to).unwrap_or(&[]));
                b.t.push(start + (number + 0.5) * width);
                let [low, mid] = quantiles(&mut scratch, [0.1, 0.5]);
                b.low.push(low);
                b.mid.push(mid);
            }
            from = to;
        }
        b
    }

    /// One block per collection: the level right after it, the best view of the live set there is.
    pub fn after(s: &Samples, saw: &Sawtooth) -> Blocks {
        let mut b = Blocks { width: saw.period, ..Blocks::default() };
        for &d in &saw.drops {
            let i = s.t.partition_point(|&t| t < d);
            let mut near = s.v.get(i..(i + 3).min(s.len())).unwrap_or(&[]).to_vec();
            if near.is_empty() {
                continue;
            }
            let v = quantile(&mut near, 0.5);
            b.t.push(d);
            for list in [&mut b.low, &mut b.mid] {
                list.push(v);
            }
        }
        b
    }

    /// Leaves out blocks in which a drop happened: their middle is neither before nor after it.
    pub fn drop_around(&mut self, drops: &[f64]) {
        let half = self.width / 2.0;
        let keep: Vec<bool> = self
            .t
            .iter()
            .map(|&t| {
                let i = drops.partition_point(|&d| d < t - half);
                drops.get(i).is_none_or(|&d| d > t + half)
            })
            .collect();
        for list in [&mut self.t, &mut self.low, &mut self.mid] {
            let mut k = keep.iter();
            list.retain(|_| k.next().copied().unwrap_or(false));
        }
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
