//! `series[]` of `postmem.inspect/1`: one row per exported series, never its samples.

use crate::model::series::{NO_TIME, SeriesKind};
use crate::model::{Incident, Timestamp};
use serde_json::{Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    incident
        .series
        .iter()
        .map(|p| {
            let s = &p.what;
            let time = |t: Option<&i64>| t.filter(|&&t| t != NO_TIME).map(|t| Timestamp(t.saturating_mul(1_000_000)));
            let mut finite = s.values.iter().copied().filter(|v| v.is_finite());
            let first = finite.next();
            let (mut min, mut max, mut last, mut resets) = (first, first, first, 0u64);
            for v in finite {
                resets += u64::from(last.is_some_and(|l| v < l));
                min = min.map(|m| m.min(v));
                max = max.map(|m| m.max(v));
                last = Some(v);
            }
            let counter = s.kind == SeriesKind::Counter;
            json!({
                "metric": s.metric,
                "labels": s.labels,
                "unit": s.unit,
                "kind": match s.kind { SeriesKind::Gauge => "gauge", SeriesKind::Counter => "counter", SeriesKind::Unknown => "unknown" },
                "samples": s.values.len(),
                "first_time": time(s.times.first()),
                "last_time": time(s.times.last()),
                "first": first,
                "last": last,
                "min": min,
                "max": max,
                // Only a counter starts over; a gauge merely falls.
                "resets": counter.then_some(resets),
            })
        })
        .collect()
}
