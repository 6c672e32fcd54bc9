//! What the lives of a container tell beside their present: one that climbed until memory ended it, and one that was ended before
//! any series began.

use super::case::Case;
use crate::model::Timestamp;
use crate::model::time::HOUR;
use crate::model::trend::Trend;

/// A last ending for memory that is older than all series, with its date where the start of the present run tells it.
pub fn earlier(case: &Case<'_>) -> String {
    let Some(t) = case.headline() else { return String::new() };
    let of = |metric: &str| case.incident.series.iter().find(|s| s.what.metric == metric && s.owner.same_container(&case.owner));
    let reason = case.incident.series.iter().find(|s| {
        s.what.metric == "kube_pod_container_status_last_terminated_reason"
            && s.what.label("reason") == Some("OOMKilled")
            && s.owner.same_container(&case.owner)
            && s.what.finite().next().is_some_and(|(_, v)| v > 0.0)
    });
    if reason.is_none() || !t.oom_times.is_empty() {
        return String::new();
    }
    let started = of("container_start_time_seconds").and_then(|s| s.what.finite().last()).map(|(_, v)| Timestamp((v * 1e9) as i64));
    match started.filter(|s| *s < t.window.0) {
        Some(s) => format!(" in the time that the series cover (an earlier run was OOM-killed by {} UTC)", s.human()),
        None => " in the time that the series cover (an earlier run was OOM-killed, before them)".into(),
    }
}

/// A life that memory ended climbed to it at one rate: a level that was reached early and kept has none.
pub fn climbed(t: &Trend) -> bool {
    let steady = |r: &crate::model::trend::Run| {
        let hours = r.end.0.saturating_sub(r.start.0) as f64 / HOUR as f64;
        let gained = r.peak_bytes - r.first_bytes;
        r.slope_bytes_per_hour.is_some_and(|s| s > 0.0 && gained > 0.0 && s * hours >= STEADY * gained && gained > 0.25 * r.peak_bytes)
    };
    t.runs.iter().any(|r| r.ended == crate::model::trend::Ended::Oom && steady(r))
}

/// Share of what a life gained that its usual rate explains, where it climbed at one rate.
const STEADY: f64 = 0.6;
