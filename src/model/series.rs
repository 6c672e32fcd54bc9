//! Time series exactly as exported: never resampled, never joined on the way in.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SeriesKind {
    #[default]
    Gauge,
    Counter,
    Unknown,
}

/// One label set of one metric. `times` are Unix milliseconds, ascending as stored; `values` run beside them.
/// A staleness marker (NaN 0x7ff0000000000002) is kept as that very NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Metric name; empty for recording-rule results without one.
    pub metric: String,
    pub labels: BTreeMap<String, String>,
    /// `bytes`, `seconds`, … or empty.
    pub unit: &'static str,
    pub kind: SeriesKind,
    pub times: Vec<i64>,
    pub values: Vec<f64>,
}

impl Series {
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Finite samples as (Unix milliseconds, value).
    pub fn finite(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.times.iter().copied().zip(self.values.iter().copied()).filter(|(_, v)| v.is_finite())
    }
}
