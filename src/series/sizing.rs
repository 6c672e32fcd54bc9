//! Right-sizing from a recorded series: requests and limits by several policies, the series replayed against a limit.
//!
//! The default policy gives each series the margin that its own behaviour asks for: a steady one needs little, one whose
//! peaks stand far above its usual level, whose load varies or whose level wanders needs more. A leak has no right size:
//! for it there is only what a larger limit would buy in time (`Trend::what_if`).

use super::stats::quantile_sorted;
use super::trend::{Ended, History};
use crate::model::trend::{Replay, Trend, TrendVerdict};

/// A rule that makes a limit of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Maximum and a margin from the series' own behaviour.
    Behaviour,
    /// p95 and 20 %: common advice for stateless services.
    Stateless,
    /// p99 and 30 %: common advice for stateful services.
    Stateful,
    /// Maximum and 50 %: common advice for batch jobs.
    Batch,
    /// Maximum and 15 % (robusta-dev/krr, simple strategy).
    Krr,
    /// 90 % quantile of the days' peaks, weighted by age with a half-life of a day, and 15 % (kubernetes/autoscaler VPA).
    Vpa,
}

/// Least and largest margin of [`Policy::Behaviour`] over the maximum seen.
const MARGIN_LEAST: f64 = 0.12;
const MARGIN_MOST: f64 = 0.6;

/// Limit in bytes by `policy`; `t` are seconds, `v` bytes. `None` for an empty series.
pub fn limit(policy: Policy, t: &[f64], v: &[f64]) -> Option<f64> {
    let mut sorted = v.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let max = *sorted.last()?;
    let q = |q| quantile_sorted(&sorted, q);
    Some(match policy {
        Policy::Stateless => q(0.95) * 1.2,
        Policy::Stateful => q(0.99) * 1.3,
        Policy::Batch => max * 1.5,
        Policy::Krr => max * 1.15,
        Policy::Vpa => vpa(t, v)?,
        Policy::Behaviour => max * (1.0 + margin(t, v, &sorted)),
    })
}

/// Margin over the maximum: a floor for chance, a part of how far the peaks stand above the usual level (what spiked once
/// spikes again, not equally high), and a part of how much later peaks have so far outgrown earlier ones.
fn margin(t: &[f64], v: &[f64], sorted: &[f64]) -> f64 {
    let (usual, max) = (quantile_sorted(sorted, 0.5).max(1.0), sorted.last().copied().unwrap_or(0.0));
    let burst = (max / usual - 1.0).max(0.0);
    // Peaks of eight equal parts of the window: their spread says how well the past bounds the future.
    let (Some(&a), Some(&z)) = (t.first(), t.last()) else { return MARGIN_LEAST };
    let mut peaks = [f64::NEG_INFINITY; 8];
    for (&t, &v) in t.iter().zip(v) {
        let i = (((t - a) / (z - a).max(1.0) * 8.0) as usize).min(7);
        if let Some(p) = peaks.get_mut(i) {
            *p = p.max(v);
        }
    }
    let mut seen = f64::NEG_INFINITY;
    let mut raises = 0.0f64;
    for (i, &p) in peaks.iter().enumerate() {
        // The first quarter is start-up; what outgrew it is not news.
        if p.is_finite() {
            if i >= 2 && seen.is_finite() {
                raises = raises.max(p / seen.max(1.0) - 1.0);
            }
            seen = seen.max(p);
        }
    }
    (MARGIN_LEAST + 0.15 * burst.min(2.0) + 0.6 * raises).min(MARGIN_MOST)
}

/// VPA's recommender on peaks per day, without its floor of 250 MiB a pod.
fn vpa(t: &[f64], v: &[f64]) -> Option<f64> {
    let end = *t.last()?;
    let mut peaks: Vec<(f64, f64)> = Vec::new();
    for (&t, &v) in t.iter().zip(v) {
        let age = ((end - t) / 86_400.0).floor();
        match peaks.iter_mut().find(|p| p.0 == age) {
            Some(p) => p.1 = p.1.max(v),
            None => peaks.push((age, v)),
        }
    }
    peaks.retain(|p| p.0 < 8.0);
    peaks.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let weight = |age: f64| 0.5f64.powf(age);
    let total: f64 = peaks.iter().map(|p| weight(p.0)).sum();
    let mut sum = 0.0;
    for p in &peaks {
        sum += weight(p.0);
        if sum >= 0.9 * total {
            return Some(p.1 * 1.15);
        }
    }
    peaks.last().map(|p| p.1 * 1.15)
}

/// Request in bytes: what the container usually holds. p50 and 15 % is a common rule; p90 is used where that is more, so
/// that a node is not planned for nights only.
pub fn request(v: &[f64]) -> Option<f64> {
    let mut sorted = v.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.last()?;
    Some((quantile_sorted(&sorted, 0.5) * 1.15).max(quantile_sorted(&sorted, 0.9)))
}

/// How many of the recorded out-of-memory kills another limit would have left: a run that was cut off at its old limit
/// shows only that it wanted more, so a run that ended below the new limit is extended by its own slope to its usual
/// length before it counts as saved.
pub fn replay(h: &History, slopes: &[Option<f64>], leak: bool, limit: f64) -> Replay {
    let kills = h.runs.iter().filter(|r| r.ended == Ended::Oom).count();
    let remaining = h
        .runs
        .iter()
        .enumerate()
        .filter(|(_, r)| r.ended == Ended::Oom)
        .filter(|(i, r)| {
            let peak = r.memory.v.iter().copied().fold(0.0, f64::max);
            let slope = slopes.get(*i).copied().flatten().unwrap_or(0.0).max(0.0);
            // A leak goes on for as long as the next run lasted; anything else had reached its level.
            let next = h.runs.get(i + 1).map_or(0.0, |n| n.memory.span());
            let further = if leak { slope * next } else { 0.0 };
            peak + further >= limit
        })
        .count();
    Replay { limit_bytes: limit, kills, kills_remaining: remaining }
}

/// Rounds up to what one would write in a manifest: 16 MiB steps, from 1 GiB on 64 MiB.
fn tidy(bytes: f64) -> f64 {
    let step = if bytes >= (1u64 << 30) as f64 { (64u64 << 20) as f64 } else { (16u64 << 20) as f64 };
    (bytes / step).ceil() * step
}

/// Fills in the recommendations of a trend by the default policy.
pub fn recommend(h: &History, slopes: &[Option<f64>], trend: &mut Trend) {
    let mut t = Vec::new();
    let mut v = Vec::new();
    for r in &h.runs {
        t.extend_from_slice(&r.memory.t);
        v.extend_from_slice(&r.memory.v);
    }
    let leak = trend.verdict == TrendVerdict::Leak;
    // A page-cache charge needs room for what is not cache.
    let anonymous: Vec<f64> = h.runs.iter().filter_map(|r| r.anonymous.as_ref()).flat_map(|s| s.v.iter().copied()).collect();
    if trend.cache_growth && anonymous.len() * 2 > v.len() {
        trend.recommended_request_bytes = request(&anonymous).map(tidy);
    } else {
        trend.recommended_request_bytes = request(&v).map(tidy);
    }
    if leak || trend.verdict == TrendVerdict::InsufficientData {
        trend.recommended_request_bytes = trend.recommended_request_bytes.filter(|_| !leak);
        trend.replay = h.limit.filter(|_| leak && !trend.oom_times.is_empty()).map(|l| replay(h, slopes, true, 2.0 * l));
        return;
    }
    let Some(mut size) = limit(Policy::Behaviour, &t, &v) else { return };
    if !trend.oom_times.is_empty() {
        // The peaks were cut off at the limit: what was needed is unknown, and at least 25 % more (krr's rule after a kill).
        size = size.max(h.limit.unwrap_or(0.0) * 1.25);
    }
    let size = tidy(size);
    trend.recommended_limit_bytes = Some(size);
    trend.replay = (!trend.oom_times.is_empty()).then(|| replay(h, slopes, false, size));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::blocks::Samples;
    use crate::series::trend::Run;

    fn run(values: &[f64], ended: Ended) -> Run {
        let t = (0..values.len()).map(|i| i as f64 * 60.0).collect();
        Run { memory: Samples { t, v: values.to_vec() }, anonymous: None, derived: false, ended }
    }

    #[test]
    fn a_steady_series_gets_a_small_margin_and_a_bursty_one_a_larger() {
        let t: Vec<f64> = (0..1000).map(f64::from).collect();
        let steady = vec![1e9; 1000];
        let bursty: Vec<f64> = (0..1000).map(|i| if i % 100 == 99 { 2e9 } else { 1e9 }).collect();
        assert!(limit(Policy::Behaviour, &t, &steady).is_some_and(|l| (l / 1e9 - 1.12).abs() < 1e-9));
        assert!(limit(Policy::Behaviour, &t, &bursty).is_some_and(|l| l > 2.5e9 && l < 3.0e9));
        assert_eq!(limit(Policy::Krr, &t, &steady), Some(1.15e9));
        assert_eq!(limit(Policy::Krr, &[], &[]), None);
    }

    #[test]
    fn a_higher_limit_saves_peaks_but_not_leaks() {
        let h = History { runs: vec![run(&[1.0, 2.0, 3.0], Ended::Oom), run(&[1.0, 2.0, 3.0], Ended::Open)], load: None, limit: Some(3.0) };
        let slopes = [Some(1.0 / 60.0), None];
        assert_eq!(replay(&h, &slopes, false, 4.0).kills_remaining, 0);
        assert_eq!(replay(&h, &slopes, true, 4.0).kills_remaining, 1);
    }
}
