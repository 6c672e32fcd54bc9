//! Kills that only metrics tell of: `container_oom_events_total` rose, or a container came back with `OOMKilled` as its last
//! reason, and no log, status or event of the bundle knows of it. Nothing is added where the series merely end at the limit.

use crate::correlate::kills::SAME_ENDING;
use crate::model::incident::Kill;
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::time::Basis;
use crate::model::{Incident, When};

/// Adds them to [`Incident::kills`], once trends are known.
pub fn add(incident: &mut Incident) {
    let mut added: Vec<Kill> = Vec::new();
    for t in incident.trends.iter().filter(|t| t.owner.container.is_some()) {
        let Some(metric) = t.oom_from else { continue };
        let step = (t.window.1.0.saturating_sub(t.window.0.0)) / i64::try_from(t.samples.max(1)).unwrap_or(i64::MAX);
        let slack = SAME_ENDING.saturating_add(step.saturating_mul(3));
        for &at in &t.oom_times {
            let when = When { earliest: at.saturating_sub(step), latest: at.saturating_add(step), basis: Basis::Stated };
            let seen = |k: &Kill| {
                (k.owner.same_container(&t.owner) || (k.owner.same_pod(&t.owner) && k.owner.container.is_none()))
                    && k.at.is_none_or(|w| w.near(&when, slack))
            };
            if incident.kills.iter().chain(&added).any(seen) {
                continue;
            }
            added.push(Kill {
                at: Some(when),
                kind: KillKind::MemcgContainer,
                owner: t.owner.clone(),
                limit_level: Some(LimitLevel::Container),
                limit_bytes: t.limit_bytes.map(|b| b as u64),
                count: 1,
                exit_code: Some(137),
                witnesses: vec!["metrics"],
                evidence: vec![(t.cite.clone(), format!("{metric} tells of an out-of-memory kill about {} UTC", at.human()))],
                ..Kill::default()
            });
        }
    }
    if !added.is_empty() {
        incident.kills.extend(added);
        incident.kills.sort_by_cached_key(|k| {
            (
                k.at.and_then(|w| w.mid()).unwrap_or(crate::model::Timestamp::MAX),
                k.owner.clone(),
                k.kind,
                k.victims.first().and_then(|v| v.pid),
            )
        });
    }
}
