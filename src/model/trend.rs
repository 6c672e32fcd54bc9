//! What a memory series of one container, pod or node process did: an entry of `trends[]`, computed once.

use super::identity::Owner;
use super::source::Cite;
use super::time::Timestamp;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum TrendVerdict {
    Leak,
    Bounded,
    LoadFollowing,
    Step,
    #[default]
    InsufficientData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrendForm {
    Linear,
    Step,
    Accelerating,
    Cycles,
    LateOnset,
    GcMasked,
}

/// A value with its interval (80 %).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Estimate {
    pub low: f64,
    pub mid: f64,
    pub high: f64,
}

/// Why a life ended, as far as the series tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    Oom,
    Restart,
    #[default]
    Open,
}

impl Ended {
    /// The word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            Ended::Oom => "oom",
            Ended::Restart => "restart",
            Ended::Open => "open",
        }
    }
}

/// One life of a container between restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Run {
    pub start: Timestamp,
    pub end: Timestamp,
    pub first_bytes: f64,
    pub last_bytes: f64,
    pub peak_bytes: f64,
    /// Theil–Sen slope of the run's envelope; `None` when too short.
    pub slope_bytes_per_hour: Option<f64>,
    pub ended: Ended,
    /// The limit that stood when it ended, by the limit metric or else today's.
    #[serde(skip)]
    pub limit_bytes: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Percentiles {
    pub p50_bytes: f64,
    pub p90_bytes: f64,
    pub p95_bytes: f64,
    pub p99_bytes: f64,
    pub max_bytes: f64,
}

/// Another series of the same container or pod that tells where growth sits: heap, goroutines, threads, descriptors, RSS, cache.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Companion {
    pub metric: String,
    /// `bytes`, or empty for counts.
    pub unit: &'static str,
    /// Level at the window's start and end (medians of the first and last twentieth).
    pub first: f64,
    pub last: f64,
    /// Median of the runs' Theil–Sen slopes of the lower envelope, per hour.
    pub slope_per_hour: Option<f64>,
    /// Largest value seen; a heap's configured maximum where the metric is one.
    pub max: f64,
}

/// What a larger limit would buy a leak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct WhatIf {
    /// Times the present limit.
    pub factor: f64,
    pub limit_bytes: f64,
    pub time_to_oom_seconds: Option<Estimate>,
}

/// The recorded series against another limit: how many of the kills would have happened still.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Replay {
    pub limit_bytes: f64,
    pub kills: usize,
    pub kills_remaining: usize,
}

/// How a container works, which decides what size suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    #[default]
    Stateless,
    Stateful,
    Batch,
}

/// What one sizing policy says, and what the recorded series would have done under it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct PolicySize {
    pub policy: &'static str,
    pub words: &'static str,
    pub limit_bytes: f64,
    pub request_bytes: f64,
    /// Kills on record, and how many of them this limit would have left.
    pub kills: usize,
    pub kills_remaining: usize,
    /// Share of all samples above this limit.
    pub share_above: f64,
}

/// The recommended size in its context.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Sizing {
    pub kind: WorkloadKind,
    /// How the kind is known, in words.
    pub kind_from: &'static str,
    /// The policy that was chosen.
    pub policy: &'static str,
    pub policies: Vec<PolicySize>,
    /// QoS class of the pod at present and with the recommended size; `None` where it cannot be known.
    pub qos_now: Option<&'static str>,
    pub qos_then: Option<&'static str>,
    /// Pods of the workload that the input knows.
    pub replicas: usize,
    /// What the user said a GiB of requested memory costs a month, and what that makes per pod.
    pub price_per_gib_month: Option<f64>,
    pub month_now: Option<f64>,
    pub month_then: Option<f64>,
    /// The line that sets it.
    pub command: Option<String>,
}

/// A change of a series beside the rollout that it followed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tied {
    pub change: Timestamp,
    /// What changed, in words.
    pub what: &'static str,
    pub rollout: Timestamp,
    /// The rollout, in words.
    pub text: String,
    #[serde(skip)]
    pub cite: Cite,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trend {
    pub owner: Owner,
    pub metric: String,
    pub verdict: TrendVerdict,
    pub form: Option<TrendForm>,
    /// Slope over the last quarter of the window, in bytes per hour.
    pub slope: Option<Estimate>,
    /// Where the present growth began.
    pub onset: Option<Timestamp>,
    /// When it ended: the lives that memory killed grew, those since do not. There is no date for the next kill then.
    pub ceased: Option<Timestamp>,
    pub runs: Vec<Run>,
    pub restarts: Vec<Timestamp>,
    /// Nothing counts restarts; falls to where the series began were taken for them.
    pub restarts_assumed: bool,
    pub oom_times: Vec<Timestamp>,
    /// Metric that states the kills; `None` where they are read from runs that ended at the limit, or seen elsewhere.
    pub oom_from: Option<&'static str>,
    pub limit_bytes: Option<f64>,
    pub request_bytes: Option<f64>,
    /// Seconds from the last sample.
    pub time_to_oom: Option<Estimate>,
    pub percentiles: Percentiles,
    pub window: (Timestamp, Timestamp),
    pub samples: usize,
    /// Why this verdict, in words with numbers.
    pub why: String,
    /// Correlation of memory with load (requests per second), −1..1, where a load series exists.
    pub load_correlation: Option<f64>,
    /// Largest rise of load over its usual level, as a factor.
    pub load_factor: Option<f64>,
    /// Load at the end of the series as a multiple of that at their begin, where it still stands at its highest.
    pub load_rise: Option<f64>,
    /// When a load that rose by half or more first passed the middle between its usual and its highest level.
    pub load_rose: Option<Timestamp>,
    /// What the working set is made of at its end: rss share, cache share, where those series exist.
    pub rss_bytes: Option<f64>,
    pub cache_bytes: Option<f64>,
    /// RSS as the last sample of a run shows it, where it was highest: a burst before a kill is over too soon for any level.
    pub rss_end_bytes: Option<f64>,
    /// Their slopes, Theil–Sen over the runs, in bytes per hour.
    pub rss_slope_bytes_per_hour: Option<f64>,
    pub cache_slope_bytes_per_hour: Option<f64>,
    /// Usage less working set at the end: inactive file cache.
    pub inactive_file_bytes: Option<f64>,
    /// The working set grew but anonymous memory did not.
    pub cache_growth: bool,
    /// Where the level changed at once.
    pub change_points: Vec<Timestamp>,
    /// Those of them, and the onset, that followed a rollout.
    pub tied: Vec<Tied>,
    /// A garbage collector's sawtooth: usual seconds between collections.
    pub collection_period_seconds: Option<f64>,
    /// How much better growth explains the series than the best bounded curve (BIC units; 10 is needed).
    pub margin: Option<f64>,
    pub companions: Vec<Companion>,
    /// Companions that grow with a leak, in words with numbers.
    pub corroborated_by: Vec<String>,
    /// Spread of the growing runs' slopes as a part of their median: near 0, one defect repeats itself.
    pub slope_spread: Option<f64>,
    pub what_if: Vec<WhatIf>,
    pub replay: Option<Replay>,
    /// Recommended sizes by the default policy.
    pub recommended_limit_bytes: Option<f64>,
    pub recommended_request_bytes: Option<f64>,
    /// Absent for a leak, which has no right size.
    pub sizing: Option<Sizing>,
    /// First sample of the underlying series.
    pub cite: Cite,
    /// Index into `Incident.series` of the series this was computed from (all incarnations).
    pub series: Vec<usize>,
}

impl Trend {
    /// The limit of the life that ended at or just before a moment; today's where nothing tells of that one.
    pub fn limit_of_life(&self, end: Timestamp) -> Option<f64> {
        let life = self.runs.iter().filter(|r| r.start <= end).max_by_key(|r| if r.end <= end { r.end } else { r.start });
        life.and_then(|r| r.limit_bytes).or(self.limit_bytes)
    }
}
