//! From exported series to one history per container: label history, several exporters and replicas, incarnations.

use crate::model::series::{NO_TIME, Series};
use crate::series::blocks::Samples;

/// A moment at which one run of a container ended and the next began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boundary {
    /// Unix ms of the last sample before and the first after.
    pub last: i64,
    pub first: i64,
    /// Unix ms between which a restart counter rose.
    pub counted: Option<(i64, i64)>,
}

/// Prometheus repeats the last value for this long when a series ends without a marker (default look-back), in ms.
const LOOK_BACK: i64 = 300_000;

/// All incarnations of one container and metric in one line.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    /// Indices of first samples of a new incarnation by its id.
    pub changes: Vec<usize>,
}

impl Joined {
    pub fn step(&self) -> i64 {
        let stride = self.times.len().div_ceil(2000).max(1);
        let mut d: Vec<i64> = self.times.windows(2).step_by(stride).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        d.sort_unstable();
        d.get(d.len() / 2).copied().unwrap_or(0)
    }

    /// Times in seconds after `origin` (Unix ms).
    pub fn seconds(&self, origin: i64) -> Vec<f64> {
        self.times.iter().map(|&t| (t - origin) as f64 / 1000.0).collect()
    }

    /// Samples `from..to` in seconds after `origin` (Unix ms).
    pub fn samples(&self, from: usize, to: usize, origin: i64) -> Samples {
        Samples {
            t: self.times.get(from..to).unwrap_or(&[]).iter().map(|&t| (t - origin) as f64 / 1000.0).collect(),
            v: self.values.get(from..to).unwrap_or(&[]).to_vec(),
        }
    }

    /// The part within `[from, to]` Unix ms.
    pub fn within(&self, from: i64, to: i64, origin: i64) -> Samples {
        let a = self.times.partition_point(|&t| t < from);
        let b = self.times.partition_point(|&t| t <= to);
        self.samples(a, b.max(a), origin)
    }
}

/// What tells one incarnation of a container from the next.
fn incarnation(s: &Series) -> Option<&str> {
    let id = s.label("id").filter(|i| i.len() > 1).map(|i| i.rsplit('/').next().unwrap_or(i));
    id.or_else(|| s.label("name").filter(|n| n.len() >= 12))
}

/// Joins series of one metric and container.
pub fn join(list: &[&Series]) -> Joined {
    struct Part<'a> {
        id: Option<&'a str>,
        first: i64,
        last: i64,
        series: &'a Series,
        finite: usize,
    }
    let mut parts: Vec<Part<'_>> = list
        .iter()
        .filter_map(|s| {
            let mut finite = s.finite().map(|(t, _)| t).filter(|&t| t != NO_TIME);
            let first = finite.next()?;
            let (n, last) = finite.fold((1, first), |(n, _), t| (n + 1, t));
            Some(Part { id: incarnation(s), first, last, series: s, finite: n })
        })
        .collect();
    // Series that name their incarnation tell more than the same values without it.
    let named = parts.iter().filter(|p| p.id.is_some()).map(|p| p.finite).sum::<usize>();
    let unnamed = parts.iter().filter(|p| p.id.is_none()).map(|p| p.finite).max().unwrap_or(0);
    if named > 0 && named * 5 >= unnamed * 4 {
        parts.retain(|p| p.id.is_some());
    } else if named > 0 {
        parts.retain(|p| p.id.is_none());
    }
    parts.sort_by(|a, b| (a.first, std::cmp::Reverse(a.finite), a.id).cmp(&(b.first, std::cmp::Reverse(b.finite), b.id)));
    let mut out = Joined::default();
    let mut id = None;
    for p in &parts {
        let reached = out.times.last().copied();
        if p.id == id || id.is_none() && p.id.is_none() {
            // A replica or another exporter of the same thing: only what the samples so far do not cover.
            append(&mut out, p.series, reached.map_or(i64::MIN, |t| t + 1), i64::MAX);
            id = p.id;
            continue;
        }
        if let Some(reached) = reached {
            // The old incarnation's tail after the new one's beginning is look-back fill; a longer overlap is another
            // container of the same name, and the one that came first stays.
            if reached - p.first > 2 * LOOK_BACK && p.last <= reached {
                continue;
            }
            if reached - p.first <= 2 * LOOK_BACK {
                let keep = out.times.partition_point(|&t| t < p.first);
                out.times.truncate(keep);
                out.values.truncate(keep);
            }
            trim_fill(&mut out);
        }
        if !out.times.is_empty() {
            out.changes.push(out.times.len());
        }
        let from = out.times.last().map_or(i64::MIN, |&t| t + 1);
        append(&mut out, p.series, from, i64::MAX);
        id = p.id;
    }
    out.changes.retain(|&c| c > 0 && c < out.times.len());
    out
}

fn append(out: &mut Joined, s: &Series, from: i64, to: i64) {
    let a = s.times.partition_point(|&t| t < from);
    out.times.reserve(s.times.len() - a);
    out.values.reserve(s.times.len() - a);
    for (&t, &v) in s.times.iter().zip(&s.values).skip(a) {
        if t > to {
            break;
        }
        if v.is_finite() && t != NO_TIME && out.times.last().is_none_or(|&l| t > l) {
            out.times.push(t);
            out.values.push(v);
        }
    }
}

/// Takes repeated values off the end: a plateau of up to five minutes before a change of incarnation is fill, not samples.
fn trim_fill(out: &mut Joined) {
    let (Some(&value), Some(&end)) = (out.values.last(), out.times.last()) else { return };
    let same = out.values.iter().rev().take_while(|&&v| v == value).count();
    let first = out.times.len() - same;
    if same > 1 && out.times.get(first).is_some_and(|&t| end - t <= LOOK_BACK) {
        out.times.truncate(first + 1);
        out.values.truncate(first + 1);
    }
}

/// Increases of a counter as (ms before, ms of the first sample with the new value, amount); a fall is a restart from 0.
pub fn increases(s: &Series) -> Vec<(i64, i64, f64)> {
    let mut out = Vec::new();
    let mut before: Option<(i64, f64)> = None;
    for (t, v) in s.finite().filter(|(t, _)| *t != NO_TIME) {
        if let Some((t0, v0)) = before
            && v != v0
        {
            out.push((t0, t, if v > v0 { v - v0 } else { v }));
        }
        before = Some((t, v));
    }
    out
}

/// Sum of several counters as one rate in units per second, on a grid of `step` ms; several replicas' worth of the same
/// label set has been taken out before. Intervals without samples have no rate.
pub fn rate(counters: &[&Series], step: i64, origin: i64) -> Option<Samples> {
    let first = counters.iter().filter_map(|s| s.times.first()).filter(|t| **t != NO_TIME).min()?;
    let last = counters.iter().filter_map(|s| s.times.last()).max()?;
    let n = usize::try_from(last.checked_sub(*first)? / step.max(1) + 1).ok().filter(|n| (4..=200_000).contains(n))?;
    let mut sum = vec![0.0; n];
    let mut seen = vec![false; n];
    for s in counters {
        for w in s.times.windows(2).zip(s.values.windows(2)) {
            let (&[t0, t1], &[v0, v1]) = w else { continue };
            if !v0.is_finite() || !v1.is_finite() || t1 <= t0 || t0 == NO_TIME {
                continue;
            }
            // After a reset the counter began at 0.
            let grown = if v1 >= v0 { v1 - v0 } else { v1 };
            let per_ms = grown / (t1 - t0) as f64;
            let (a, b) = (((t0 - first) / step) as usize, ((t1 - 1 - first) / step) as usize);
            for i in a..=b.min(n - 1) {
                let (from, to) = ((first + i as i64 * step).max(t0), (first + (i as i64 + 1) * step).min(t1));
                if let (Some(x), Some(y)) = (sum.get_mut(i), seen.get_mut(i)) {
                    *x += per_ms * (to - from).max(0) as f64;
                    *y = true;
                }
            }
        }
    }
    let mut out = Samples::default();
    for (i, (x, seen)) in sum.iter().zip(&seen).enumerate().take(n.saturating_sub(1)) {
        if *seen {
            out.t.push((first + (i as i64 + 1) * step - origin) as f64 / 1000.0);
            out.v.push(x * 1000.0 / step as f64);
        }
    }
    (out.len() >= 4).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn series(id: &str, samples: &[(i64, f64)]) -> Series {
        let labels: BTreeMap<String, String> = (!id.is_empty()).then(|| ("id".into(), format!("/kubepods/{id}"))).into_iter().collect();
        let (times, values) = samples.iter().copied().unzip();
        Series { times, values, ..Series::new(crate::model::series::WORKING_SET.into(), labels) }
    }

    #[test]
    fn incarnations_follow_each_other_and_fill_is_cut() {
        let a = series("a", &[(0, 1.0), (60_000, 2.0), (120_000, 3.0), (180_000, 3.0), (240_000, 3.0)]);
        let b = series("b", &[(180_000, 1.0), (240_000, 1.5)]);
        let plain = series("", &[(0, 1.0), (60_000, 2.0), (120_000, 3.0), (180_000, 1.0), (240_000, 1.5)]);
        let j = join(&[&plain, &a, &b]);
        assert_eq!(j.times, [0, 60_000, 120_000, 180_000, 240_000]);
        assert_eq!(j.values, [1.0, 2.0, 3.0, 1.0, 1.5]);
        assert_eq!(j.changes, [3]);
    }

    #[test]
    fn rates_add_up_and_survive_resets() {
        let a = series("", &[(0, 0.0), (60_000, 60.0), (120_000, 30.0), (180_000, 90.0), (240_000, 90.0)]);
        let r = rate(&[&a, &a], 60_000, 0).map(|s| s.v);
        assert_eq!(r, Some(vec![2.0, 1.0, 2.0, 0.0]));
    }
}
