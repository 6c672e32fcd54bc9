//! When memory reaches its limit: first passage of trend, daily cycle, expected load and collection peaks through the limit,
//! with an 80 % interval; or no date, when it would be a guess.

use super::blocks::Samples;
use super::regress::solve;
use super::shape::season;
use super::stats::{median, quantile, select};
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
    let noise = j.jitter;
    let excess = peaks_above(j, noise);
    let load = h.load.as_ref().filter(|_| fit.uses_load).map(Load::of);
    let k = fit.load_coefficient();
    let anchor = anchor(j, end);
    let level = |t: f64, scale: f64, shift: f64| {
        let trend = fit.trend(end) + (fit.trend(t) - fit.trend(end)) * scale;
        trend + fit.seasonal(t) + load.as_ref().map_or(0.0, |l| k * l.at(t)) + excess + anchor + shift
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

fn honest(e: Estimate, span: f64) -> Option<Estimate> {
    // A minute counts as now: below that the ratio of two small numbers means nothing.
    let wide = e.high > WIDEST * e.low.max(60.0).max(0.01 * span);
    (!wide).then_some(e)
}

/// How far the last blocks lie above the fit, as far as such offsets last (their autocorrelation).
fn anchor(j: &Judged, _end: f64) -> f64 {
    let fit = working_fit(j);
    let level = if j.saw.is_some() { &j.blocks.low } else { &j.blocks.mid };
    let n = level.len();
    let from = n.saturating_sub(6);
    let mut off: Vec<f64> = (from..n)
        .filter_map(|i| {
            let t = *j.blocks.t.get(i)?;
            let load = j.load.as_ref().and_then(|l| l.get(i)).copied().unwrap_or(0.0);
            Some(level.get(i)? - fit.trend(t) - fit.seasonal(t) - fit.load_coefficient() * load)
        })
        .collect();
    if off.is_empty() { 0.0 } else { median(&mut off) * fit.memory }
}

fn peaks_above(j: &Judged, noise: f64) -> f64 {
    let fit = working_fit(j);
    let base = |i: usize| -> Option<f64> {
        let t = *j.blocks.t.get(i)?;
        let load = j.load.as_ref().and_then(|l| l.get(i)).copied().unwrap_or(0.0);
        Some(fit.trend(t) + fit.seasonal(t) + fit.load_coefficient() * load)
    };
    let n = j.blocks.len();
    if j.saw.is_some() {
        // Between its 10 % and 95 % quantiles a sawtooth covers 85 % of its height; the peak is 5 % above.
        let from = n / 2;
        let mut above: Vec<f64> = (from..n)
            .filter_map(|i| {
                let (low, high) = (j.blocks.low.get(i)?, j.blocks.high.get(i)?);
                Some(high + (high - low) * 0.05 / 0.85 - base(i)?)
            })
            .collect();
        return if above.is_empty() { 0.0 } else { (select(&mut above, 0.75) - 1.2 * noise).max(0.0) };
    }
    // Spikes: block maxima that stand far above the middle, beyond what noise reaches in a block.
    let mut spikes: Vec<f64> =
        (0..n).filter_map(|i| Some(j.blocks.top.get(i)? - j.blocks.mid.get(i)?)).filter(|x| *x > 6.0 * noise + 2.0 * fit.noise).collect();
    // Three batches in a window are a habit, one is an event.
    if spikes.len() < 3 { 0.0 } else { (quantile(&mut spikes, 0.75) - 2.0 * noise).max(0.0) }
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
