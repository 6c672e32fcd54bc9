//! When memory reaches its limit: first passage of trend, daily cycle, expected load and collection peaks through the limit,
//! with an 80 % interval; or no date, when it would be a guess.

use super::blocks::Samples;
use super::regress::solve;
use super::shape::season;
use super::stats::{median, quantile};
use super::trend::{Ended, Found, History, Judged, working_fit};
use crate::model::trend::Estimate;

/// An interval wider than this (high over low) is no date.
const WIDEST: f64 = 10.0;
/// Nothing is projected further than this many spans of what was seen.
const HORIZON: f64 = 6.0;
/// Relative error of a projection that no fit shows: the curve may change its mind. Set so that the 80 % interval covers
/// four of five outcomes on labelled series.
const MODEL_ERROR: f64 = 0.06;

/// Seconds from the last sample until `limit`, for a leak.
pub fn time_to(limit: f64, h: &History, found: &Found) -> Option<Estimate> {
    let last = h.runs.last()?;
    let typical = {
        let mut spans: Vec<f64> = h.runs.iter().filter(|r| r.ended == Ended::Oom).map(|r| r.memory.span()).collect();
        if spans.is_empty() { 0.0 } else { median(&mut spans) }
    };
    let current = found.judged.iter().find(|j| j.run + 1 == h.runs.len()).filter(|j| working_fit(j).curve.grows());
    match current {
        Some(j) if last.memory.span() >= 0.35 * typical => by_fit(limit, h, found, j),
        _ => by_earlier_runs(limit, h),
    }
}

/// Expected load: level of its last day (or quarter) with the day's first harmonic, as far as it was seen.
struct Load {
    terms: Vec<f64>,
}

impl Load {
    fn of(load: &Samples) -> Load {
        let span = load.span();
        let stride = load.len().div_ceil(600).max(1);
        // The mean between the strides, so that a scrape's noise does not become the load.
        let (t, y): (Vec<f64>, Vec<f64>) = load
            .t
            .chunks(stride)
            .zip(load.v.chunks(stride))
            .filter_map(|(t, v)| Some((*t.get(t.len() / 2)?, v.iter().sum::<f64>() / v.len() as f64)))
            .unzip();
        let ones = vec![1.0; t.len()];
        if span < 0.8 * 86_400.0 {
            let tail = y.get(y.len() - y.len() / 4..).unwrap_or(&[]);
            return Load { terms: vec![if tail.is_empty() { 0.0 } else { tail.iter().sum::<f64>() / tail.len() as f64 }] };
        }
        let harmonics = if span >= 1.5 * 86_400.0 { 4 } else { 2 };
        let mut columns = vec![ones.clone()];
        columns.extend((0..harmonics).map(|k| t.iter().map(|&t| season(t)[k]).collect()));
        Load { terms: solve(&columns, &y, &ones).0 }
    }

    fn at(&self, t: f64) -> f64 {
        let mean = self.terms.first().copied().unwrap_or(0.0);
        mean + self.terms.iter().skip(1).zip(season(t)).map(|(c, s)| c * s).sum::<f64>()
    }
}

fn by_fit(limit: f64, h: &History, found: &Found, j: &Judged) -> Option<Estimate> {
    let fit = working_fit(j);
    let end = h.runs.last()?.memory.t.last().copied()?;
    let slope = found.slope?;
    // Peaks above the level that was fitted: collection cycles and batches count, sampling noise does not.
    let load = h.load.as_ref().filter(|_| fit.uses_load).map(Load::of);
    let excess = peaks_above(j, &h.runs.get(j.run)?.memory, load.as_ref());
    let phase = Phase::of(j, end, fit.span / 100.0);
    let k = fit.load_coefficient();
    // What the last blocks lie off the curve fades: it is load and chance, not trend.
    let anchor = anchor(j, load.as_ref());
    let fading = |t: f64| anchor * (-(t - end) / (0.1 * fit.span)).exp();
    let level = |t: f64, scale: f64, shift: f64| {
        let trend = fit.trend(end) + (fit.trend(t) - fit.trend(end)) * scale;
        trend + fit.seasonal(t) + load.as_ref().map_or(0.0, |l| k * l.at(t)) + excess * phase.at(t) + fading(t) + shift
    };
    let reach = HORIZON * fit.span.max(3600.0);
    let cross = |scale: f64, shift: f64| -> Option<f64> {
        let step = (fit.span / 400.0).max(1.0);
        let mut before = level(end, scale, shift);
        if before >= limit {
            return Some(0.0);
        }
        let mut t = end;
        while t < end + reach {
            let next = level(t + step, scale, shift);
            if next >= limit {
                return Some(t - end + step * ((limit - before) / (next - before)).clamp(0.0, 1.0));
            }
            before = next;
            t += step;
        }
        None
    };
    let mid = cross(1.0, 0.0)?;
    let relative = if slope.mid > 0.0 { (slope.high - slope.mid) / slope.mid } else { 1.0 };
    let relative = (relative * relative + (1.28 * MODEL_ERROR) * (1.28 * MODEL_ERROR)).sqrt();
    // The end's level is known to about the residual noise of a handful of blocks.
    let shift = 1.28 * fit.noise / 2.0;
    let low = cross(1.0 + relative, shift)?;
    let high = cross((1.0 - relative).max(0.02), -shift)?;
    honest(Estimate { low: low.min(mid), mid, high: high.max(mid) }, fit.span)
}

/// Where in a collection cycle memory is: a slow sawtooth reaches the limit at a cycle's end, not in its middle.
struct Phase {
    last: f64,
    next: f64,
    period: f64,
}

impl Phase {
    /// Cycles shorter than `least` seconds always have a peak at hand.
    fn of(j: &Judged, end: f64, least: f64) -> Phase {
        let (last, period) = j.saw.as_ref().map_or((end, 0.0), |s| {
            let mut gaps: Vec<f64> = s.drops.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
            (s.drops.last().copied().unwrap_or(end), if gaps.is_empty() { s.period } else { median(&mut gaps) })
        });
        let period = if period > least { period } else { 0.0 };
        // A cycle that is overdue ends any moment.
        Phase { last, next: (last + period).max(end), period }
    }

    /// Part of the cycle that has passed, 1 where there are no cycles to speak of.
    fn at(&self, t: f64) -> f64 {
        if self.period <= 0.0 {
            1.0
        } else if t <= self.next {
            ((t - self.last) / (self.next - self.last).max(1.0)).clamp(0.0, 1.0)
        } else {
            ((t - self.next) / self.period).fract()
        }
    }
}

fn honest(e: Estimate, span: f64) -> Option<Estimate> {
    // A minute counts as now: below that the ratio of two small numbers means nothing.
    let wide = e.high > WIDEST * e.low.max(60.0).max(0.01 * span);
    (!wide).then_some(e)
}

/// How far the last blocks lie above what the projection says for them.
fn anchor(j: &Judged, load: Option<&Load>) -> f64 {
    let fit = working_fit(j);
    let level = if j.low { &j.blocks.low } else { &j.blocks.mid };
    let n = level.len();
    let from = n.saturating_sub(6.min(n / 4));
    let mut off: Vec<f64> = (from..n)
        .filter_map(|i| {
            let t = *j.blocks.t.get(i)?;
            let age = j.saw.as_ref().filter(|_| fit.uses_age).map_or(0.0, |s| s.ages(&[t]).first().copied().unwrap_or(0.0));
            let load = load.map_or(0.0, |l| l.at(t)) * fit.load_coefficient();
            Some(level.get(i)? - fit.trend(t) - fit.seasonal(t) - load - fit.climb() * age)
        })
        .collect();
    if off.is_empty() { 0.0 } else { median(&mut off) }
}

/// How far collections' peaks and batches reach above the level that was fitted.
fn peaks_above(j: &Judged, run: &Samples, load: Option<&Load>) -> f64 {
    let fit = working_fit(j);
    if let Some(saw) = &j.saw {
        // The last sample before each drop, over the later half of the run; four in five stay below, and the first to cross
        // ends it.
        let half = fit.start + fit.span / 2.0;
        let mut above: Vec<f64> = saw
            .drops
            .iter()
            .filter(|d| **d >= half)
            .filter_map(|&d| {
                let i = run.t.partition_point(|&t| t < d).checked_sub(1)?;
                let before = run.v.get(i.saturating_sub(2)..=i)?.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let base = fit.trend(d) + fit.seasonal(d) + load.map_or(0.0, |l| fit.load_coefficient() * l.at(d));
                Some(before - base)
            })
            .collect();
        return if above.is_empty() { saw.height } else { quantile(&mut above, 0.8).max(0.0) };
    }
    j.batches
}

/// Every earlier run that ended at the limit is a labelled example: from the level reached now, how long did it take?
fn by_earlier_runs(limit: f64, h: &History) -> Option<Estimate> {
    let last = h.runs.last()?;
    let tail = last.memory.v.len().saturating_sub(5);
    let now = median(&mut last.memory.v.get(tail..)?.to_vec());
    let age = last.memory.span();
    let mut left: Vec<f64> = h
        .runs
        .iter()
        .rev()
        .skip(1)
        .filter(|r| r.ended == Ended::Oom && r.memory.span() > age)
        .filter_map(|r| {
            let (end, peak) = (*r.memory.t.last()?, *r.memory.v.last()?);
            // The run must have come near this limit, or it tells nothing about it.
            if peak < 0.85 * limit {
                return None;
            }
            let i = r.memory.v.iter().position(|&v| v >= now)?;
            Some(end - r.memory.t.get(i)?)
        })
        .collect();
    if left.is_empty() {
        return None;
    }
    let mid = median(&mut left);
    let (low, high) = (quantile(&mut left, 0.1), quantile(&mut left, 0.9));
    // Few runs say little about the spread: at least a tenth to either side.
    honest(Estimate { low: low.min(0.9 * mid), mid, high: high.max(1.1 * mid) }, age)
}
