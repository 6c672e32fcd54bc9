//! The rules that make sizes of a series: ours, the common advice by kind of workload, VPA's and krr's.
//!
//! Back-tested in `benches/sizing.rs`: sized from the first 70 % of a series, held against the peak of the rest.

use super::super::stats::quantiles;
use crate::model::trend::{Percentiles, WorkloadKind};

/// A rule that makes a limit and a request of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Maximum and a margin from the series' own behaviour.
    #[default]
    Behaviour,
    /// The common advice, by the kind of workload: the three below.
    ByKind,
    /// p95 and 20 %.
    Stateless,
    /// p99 and 30 %.
    Stateful,
    /// Maximum and 50 %.
    Batch,
    /// Maximum and 15 %, after a kill the limit and 25 % (robusta-dev/krr, simple strategy).
    Krr,
    /// 90 % quantile of the days' peaks, weighted by age with a half-life of a day, and 15 %; a kill counts as a peak a fifth
    /// above its limit (kubernetes/autoscaler VPA, its target; without its floor of 250 MiB a pod).
    Vpa,
}

impl Policy {
    /// Every policy, ours first.
    pub const ALL: [Policy; 7] =
        [Policy::Behaviour, Policy::ByKind, Policy::Stateless, Policy::Stateful, Policy::Batch, Policy::Vpa, Policy::Krr];

    /// The word that chooses it.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Behaviour => "behaviour",
            Policy::ByKind => "by-kind",
            Policy::Stateless => "stateless",
            Policy::Stateful => "stateful",
            Policy::Batch => "batch",
            Policy::Krr => "krr",
            Policy::Vpa => "vpa",
        }
    }

    /// What it does, for a reader.
    pub fn words(self) -> &'static str {
        match self {
            Policy::Behaviour => "maximum and a margin from how the peaks behaved",
            Policy::ByKind => "common advice for this kind of workload",
            Policy::Stateless => "95th percentile and 20 %",
            Policy::Stateful => "99th percentile and 30 %",
            Policy::Batch => "maximum and 50 %",
            Policy::Krr => "maximum and 15 %, both alike",
            Policy::Vpa => "90 % of daily peaks and 15 %, both alike",
        }
    }
}

/// A limit and a request in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    pub limit: f64,
    pub request: f64,
}

/// Least and largest margin of [`Policy::Behaviour`] over the maximum seen. The least is what steady series of the back-test
/// needed once; above the most, a limit no longer protects a node from its container.
const MARGIN_LEAST: f64 = 0.12;
const MARGIN_MOST: f64 = 0.6;

/// A series to size: seconds and bytes, with the quantiles that all policies share.
pub struct Record {
    t: Vec<f64>,
    v: Vec<f64>,
    pub percentiles: Percentiles,
}

impl Record {
    pub fn new(t: Vec<f64>, v: Vec<f64>) -> Self {
        let [p50_bytes, p90_bytes, p95_bytes, p99_bytes, max_bytes] = quantiles(&mut v.clone(), [0.5, 0.9, 0.95, 0.99, 1.0]);
        Record { t, v, percentiles: Percentiles { p50_bytes, p90_bytes, p95_bytes, p99_bytes, max_bytes } }
    }

    pub fn len(&self) -> usize {
        self.v.len()
    }

    pub fn is_empty(&self) -> bool {
        self.v.is_empty()
    }

    /// Share of the samples above a limit.
    pub fn above(&self, limit: f64) -> f64 {
        if limit >= self.percentiles.max_bytes {
            return 0.0;
        }
        self.v.iter().filter(|v| **v > limit).count() as f64 / self.len().max(1) as f64
    }
}

/// Sizes by `policy`; `killed_at` is the limit of a kill that cut the series off. `None` for an empty series.
pub fn size(policy: Policy, kind: WorkloadKind, record: &Record, killed_at: Option<f64>) -> Option<Size> {
    let Record { t, v, percentiles: p } = record;
    let max = (!record.is_empty()).then_some(p.max_bytes)?;
    // p50 and 10 to 15 % is the common rule for requests.
    let usual = p.p50_bytes * 1.15;
    let advised = |kind: WorkloadKind| match kind {
        WorkloadKind::Stateless => p.p95_bytes * 1.2,
        WorkloadKind::Stateful => p.p99_bytes * 1.3,
        WorkloadKind::Batch => max * 1.5,
    };
    let (limit, request) = match policy {
        Policy::ByKind => (advised(kind), usual),
        Policy::Stateless => (advised(WorkloadKind::Stateless), usual),
        Policy::Stateful => (advised(WorkloadKind::Stateful), usual),
        Policy::Batch => (advised(WorkloadKind::Batch), usual),
        Policy::Krr => {
            let both = (max * 1.15).max(killed_at.unwrap_or(0.0) * 1.25);
            (both, both)
        }
        Policy::Vpa => {
            let both = vpa(t, v, killed_at)?;
            (both, both)
        }
        // The peaks were cut off at the limit: what was needed is unknown, and at least a quarter more.
        Policy::Behaviour => {
            let limit = (max * (1.0 + margin(t, v, p))).max(killed_at.unwrap_or(0.0) * 1.25);
            let request = match kind {
                // A node is planned for more than nights; a replica that is evicted is replaced.
                WorkloadKind::Stateless => usual.max(p.p90_bytes),
                // What exceeds its request is evicted first, and state is slow to move.
                WorkloadKind::Stateful => usual.max(p.p99_bytes),
                // A batch is only there to reach its peak.
                WorkloadKind::Batch => usual.max(max),
            };
            (limit, request)
        }
    };
    Some(Size { limit, request: request.min(limit) })
}

/// Margin over the maximum: a floor for chance, a part of how far the peaks stand above the usual level (what spiked once
/// spikes again, not equally high), and a part of how much later peaks have so far outgrown earlier ones.
fn margin(t: &[f64], v: &[f64], p: &Percentiles) -> f64 {
    let burst = (p.max_bytes / p.p50_bytes.max(1.0) - 1.0).max(0.0);
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
    // Weights from the back-test: a seventh of the burst and six tenths of the largest raise keep would-be kills below 2 %
    // with less than 30 % waste; more of either buys nothing but waste there.
    (MARGIN_LEAST + 0.15 * burst.min(2.0) + 0.6 * raises).min(MARGIN_MOST)
}

/// VPA's recommender on peaks per day.
fn vpa(t: &[f64], v: &[f64], killed_at: Option<f64>) -> Option<f64> {
    const BUMP: f64 = 100e6;
    let end = *t.last()?;
    let mut peaks: Vec<(f64, f64)> = Vec::new();
    for (&t, &v) in t.iter().zip(v) {
        let age = f64::from(((end - t) / 86_400.0) as u32);
        // Times ascend, so a day's samples stand together.
        match peaks.last_mut().filter(|p| p.0 == age) {
            Some(p) => p.1 = p.1.max(v),
            None => peaks.push((age, v)),
        }
    }
    peaks.extend(killed_at.map(|l| (0.0, (l + BUMP).max(l * 1.2))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_series_gets_a_small_margin_and_a_bursty_one_a_larger() {
        let t: Vec<f64> = (0..1000).map(f64::from).collect();
        let steady = vec![1e9; 1000];
        let bursty: Vec<f64> = (0..1000).map(|i| if i % 100 == 99 { 2e9 } else { 1e9 }).collect();
        let record = |v: &[f64]| Record::new(t.clone(), v.to_vec());
        let of = |p, v: &[f64]| size(p, WorkloadKind::Stateless, &record(v), None).map(|s| (s.limit / 1e6, s.request / 1e6));
        assert!(of(Policy::Behaviour, &steady).is_some_and(|(l, r)| (l - 1120.0).abs() < 1e-6 && r <= l));
        assert!(of(Policy::Behaviour, &bursty).is_some_and(|(l, _)| l > 2500.0 && l < 3000.0));
        assert_eq!(of(Policy::Krr, &steady), Some((1150.0, 1150.0)));
        assert_eq!(of(Policy::ByKind, &steady), Some((1200.0, 1150.0)));
        assert_eq!(size(Policy::Krr, WorkloadKind::Batch, &Record::new(Vec::new(), Vec::new()), None), None);
        // After a kill at 1 GB every rule that knows kills goes past it.
        for p in [Policy::Behaviour, Policy::Krr, Policy::Vpa] {
            assert!(size(p, WorkloadKind::Stateless, &record(&steady), Some(1e9)).is_some_and(|s| s.limit >= 1.25e9), "{p:?}");
        }
    }
}
