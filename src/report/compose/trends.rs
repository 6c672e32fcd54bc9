//! `trends[]` of the report, headline of each container first; those that grew come before those that did not.

use crate::model::trend::{Trend, TrendVerdict};
use crate::model::{Incident, Index};
use serde_json::{Value, json};

pub fn section(incident: &Incident, most: usize) -> Vec<Value> {
    let index = Index::of(incident);
    let killed = |t: &Trend| index.kills_of(&t.owner).any(|k| k.owner.same_container(&t.owner));
    let mut order: Vec<(bool, bool, usize)> =
        incident.trends.iter().enumerate().map(|(i, t)| (!killed(t), t.verdict != TrendVerdict::Leak, i)).collect();
    order.sort_unstable();
    order.into_iter().take(most).filter_map(|(_, _, i)| incident.trends.get(i)).map(trend).collect()
}

fn trend(t: &Trend) -> Value {
    let mut value = json!({
        "owner": t.owner,
        "metric": t.metric,
        "verdict": t.verdict,
        "form": t.form,
        "slope_bytes_per_hour": t.slope,
        "onset": t.onset,
        "runs": t.runs,
        "restarts": t.restarts,
        "oom_times": t.oom_times,
        "limit_bytes": t.limit_bytes,
        "request_bytes": t.request_bytes,
        "time_to_oom_seconds": t.time_to_oom,
        "percentiles": t.percentiles,
        "samples": t.samples,
        "why": t.why,
        "load_correlation": t.load_correlation,
        "load_factor": t.load_factor,
        "restarts_assumed": t.restarts_assumed,
        "rss_bytes": t.rss_bytes,
        "rss_end_bytes": t.rss_end_bytes,
        "cache_bytes": t.cache_bytes,
        "rss_slope_bytes_per_hour": t.rss_slope_bytes_per_hour,
        "cache_slope_bytes_per_hour": t.cache_slope_bytes_per_hour,
        "inactive_file_bytes": t.inactive_file_bytes,
        "cache_growth": t.cache_growth,
        "change_points": t.change_points,
        "rollouts": t.tied,
        "collection_period_seconds": t.collection_period_seconds,
        "margin": t.margin,
        "companions": t.companions,
        "corroborated_by": t.corroborated_by,
        "slope_spread": t.slope_spread,
        "what_if": t.what_if,
        "replay": t.replay,
        "recommended_limit_bytes": t.recommended_limit_bytes,
        "recommended_request_bytes": t.recommended_request_bytes,
        "sizing": t.sizing,
    });
    if let (Some(map), Some(at)) = (value.as_object_mut(), t.ceased) {
        map.insert("ceased".into(), json!(at));
    }
    whole(&mut value, false);
    value
}

/// Sizes, rates and durations are whole numbers in every document; what stands below such a key is one of them.
fn whole(value: &mut Value, sized: bool) {
    match value {
        Value::Number(n) if sized => {
            if let Some(f) = n.as_f64().filter(|f| f.is_finite() && n.is_f64()) {
                *value = json!(f.round() as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| whole(v, sized)),
        Value::Object(map) => {
            for (k, v) in map.iter_mut() {
                whole(v, sized || ["_bytes", "_per_hour", "_seconds"].iter().any(|e| k.ends_with(e)));
            }
        }
        _ => {}
    }
}
