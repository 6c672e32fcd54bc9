//! When memory reaches its limit: first passage of trend, daily cycle, expected load and collection peaks through the limit,
//! with an 80 % interval; or no date, when it would be a guess.

use super::blocks::Samples;
use super::regress::solve;
use super::season::{Cycles, DAY_LEAST};
use super::shape::Judgement;
use super::stats::{median, quantile};
use super::trend::{Ended, Found, History, Judged, working_fit};
use crate::model::trend::Estimate;

/// An interval wider than this (high over low) is no date.
const WIDEST: f64 = 10.0;
/// Nothing is projected further than this many spans of what was seen.
const HORIZON: f64 = 6.0;
/// Relative error of a projection that no fit shows: the curve may change its mind. Set so that the 80 % interval covers
/// four of five outcomes on labelled series.
const MODEL_ERROR: f64 = 0.04;

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

/// Expected load: its level and day as far as they were seen, and where it goes.
struct Load {
    terms: Vec<f64>,
    cycles: Cycles,
    /// Change per second over the window, and the window's end.
    trend: f64,
    end: f64,
    /// How much of the trend is expected to go on.
    damped: f64,
}

/// A load that rose for days goes on rising, but forecasts that carry half of a trend on beat those that carry all or none
/// (Gardner and McKenzie's damped trend). Shorter windows cannot tell a trend from a morning.
const DAMPED: f64 = 0.5;

impl Load {
    fn of(load: &Samples, origin: Option<f64>) -> Load {
        let (span, end) = (load.span(), load.t.last().copied().unwrap_or(0.0));
        let stride = load.len().div_ceil(600).max(1);
        // The mean between the strides, so that a scrape's noise does not become the load.
        let (t, y): (Vec<f64>, Vec<f64>) = load
            .t
            .chunks(stride)
            .zip(load.v.chunks(stride))
            .filter_map(|(t, v)| Some((*t.get(t.len() / 2)?, v.iter().sum::<f64>() / v.len() as f64)))
            .unzip();
        let ones = vec![1.0; t.len()];
        let cycles = Cycles::possible(&t, span, origin).last().copied().unwrap_or_default();
        let since: Vec<f64> = t.iter().map(|t| (t - end) / span.max(1.0)).collect();
        let fit = |with_trend: bool| {
            let mut columns = vec![ones.clone()];
            columns.extend(cycles.columns(&t));
            columns.extend(with_trend.then(|| since.clone()));
            let terms = solve(&columns, &y, &ones).0;
            let off = (0..y.len()).map(|i| {
                let said: f64 = columns.iter().zip(&terms).map(|(c, k)| c.get(i).copied().unwrap_or(0.0) * k).sum();
                (y.get(i).copied().unwrap_or(0.0) - said).powi(2)
            });
            let spread = (off.sum::<f64>() / y.len().max(1) as f64).sqrt();
            (terms, spread)
        };
        let (mut terms, spread) = fit(true);
        let change = terms.pop().unwrap_or(0.0);
        // A change of less than twice what is left unexplained is none.
        if change.abs() < 2.0 * spread {
            terms = fit(false).0;
            return Load { terms, cycles, trend: 0.0, end, damped: 0.0 };
        }
        Load { terms, cycles, trend: change / span.max(1.0), end, damped: if span >= DAY_LEAST { DAMPED } else { 0.0 } }
    }

    /// Load at `t`, with `share` of its trend going on after the window.
    fn at(&self, t: f64, share: f64) -> f64 {
        let mean = self.terms.first().copied().unwrap_or(0.0);
        let cycle: f64 = self.terms.iter().skip(1).zip(self.cycles.at(t)).map(|(k, c)| k * c).sum();
        let past = t - self.end;
        mean + cycle + self.trend * if past > 0.0 { past * share } else { past }
    }

    /// Shares of the trend for the early, the expected and the late crossing.
    fn shares(&self) -> [f64; 3] {
        if self.trend > 0.0 { [1.0, self.damped, 0.0] } else { [0.0, self.damped, 1.0] }
    }
}

/// How a curve goes on beyond the run.
#[derive(Clone, Copy)]
enum Tail {
    /// As fitted.
    Same,
    /// By the same slope and bend at its end, but exponentially: what bends may grow by a part of itself.
    Exponential,
    /// The same, as a parabola.
    Parabola,
}

/// Growth over `after` seconds from the end of the run.
fn growth(fit: &Judgement, after: f64, tail: Tail) -> f64 {
    let end = fit.start + fit.span;
    let same = fit.trend(end + after) - fit.trend(end);
    match (tail, fit.speed()) {
        (Tail::Exponential, Some((slope, bend))) if slope > 0.0 && bend > 0.0 => {
            let rate = bend / slope;
            slope / rate * (rate * after).min(50.0).exp_m1()
        }
        (Tail::Parabola, Some((slope, bend))) => after * (slope + 0.5 * bend * after),
        _ => same,
    }
}

fn by_fit(limit: f64, h: &History, found: &Found, j: &Judged) -> Option<Estimate> {
    let fit = working_fit(j);
    let end = h.runs.last()?.memory.t.last().copied()?;
    let slope = found.slope?;
    // Peaks above the level that was fitted: collection cycles and batches count, sampling noise does not.
    let load = h.load.as_ref().filter(|_| fit.uses_load).map(|l| Load::of(l, h.origin));
    let excess = peaks_above(j, &h.runs.get(j.run)?.memory, load.as_ref());
    let phase = Phase::of(j, end, fit.span / 100.0);
    let k = fit.load_coefficient();
    // What the last blocks lie off the curve fades: it is load and chance, not trend.
    let anchor = anchor(j, load.as_ref());
    let fading = |t: f64| anchor * (-(t - end) / (0.1 * fit.span)).exp();
    let level = |t: f64, way: &Way| {
        let trend = fit.trend(end) + growth(fit, t - end, way.tail) * way.scale;
        let load = load.as_ref().map_or(0.0, |l| k * l.at(t, way.load));
        trend + fit.seasonal(t) + load + excess * phase.at(t) + fading(t) + way.shift
    };
    let reach = HORIZON * fit.span.max(3600.0);
    let cross = |way: Way| -> Option<f64> {
        let step = (fit.span / 400.0).max(1.0);
        let mut before = level(end, &way);
        if before >= limit {
            return Some(0.0);
        }
        let mut t = end;
        while t < end + reach {
            let next = level(t + step, &way);
            if next >= limit {
                return Some(t - end + step * ((limit - before) / (next - before)).clamp(0.0, 1.0));
            }
            before = next;
            t += step;
        }
        None
    };
    let [early, usual, late] = load.as_ref().map_or([0.0; 3], Load::shares);
    let mid = cross(Way { scale: 1.0, shift: 0.0, load: usual, tail: Tail::Same })?;
    let relative = if slope.mid > 0.0 { (slope.high - slope.mid) / slope.mid } else { 1.0 };
    let relative = (relative * relative + (1.28 * MODEL_ERROR) * (1.28 * MODEL_ERROR)).sqrt();
    // The end's level is known to about the residual noise of a handful of blocks.
    let shift = 1.28 * fit.noise / 2.0;
    let low = cross(Way { scale: 1.0 + relative, shift, load: early, tail: Tail::Exponential })?;
    let high = cross(Way { scale: (1.0 - relative).max(0.02), shift: -shift, load: late, tail: Tail::Parabola })?;
    honest(Estimate { low: low.min(mid), mid, high: high.max(mid) }, fit.span)
}

/// One supposition of how memory goes on.
struct Way {
    /// Times the fitted growth.
    scale: f64,
    /// Bytes above the fitted level.
    shift: f64,
    /// Share of the load's trend.
    load: f64,
    tail: Tail,
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
            let load = load.map_or(0.0, |l| l.at(t, 1.0)) * fit.load_coefficient();
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
                let base = fit.trend(d) + fit.seasonal(d) + load.map_or(0.0, |l| fit.load_coefficient() * l.at(d, 1.0));
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
