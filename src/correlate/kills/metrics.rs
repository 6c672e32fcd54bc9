//! Kills that only metrics tell of: `container_oom_events_total` rose, or a container came back with `OOMKilled` as its last
//! reason, and no log, status or event of the bundle knows of it. Nothing is added where the series merely end at the limit.

use crate::correlate::histories::increases;
use crate::correlate::kills::SAME_ENDING;
use crate::correlate::kills::untold::untold;
use crate::model::incident::PlacedSeries;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::time::Basis;
use crate::model::{Incident, Index, Timestamp, When};

/// Adds them to [`Incident::kills`], once trends are known.
pub(super) fn add(incident: &mut Incident) {
    let added = found(&Index::of(incident));
    if !added.is_empty() {
        incident.kills.extend(added);
        incident.kills.sort_by_cached_key(|k| {
            (k.at.and_then(|w| w.mid()).unwrap_or(Timestamp::MAX), k.owner.clone(), k.kind, k.victims.first().and_then(|v| v.pid))
        });
    }
}

fn found(incident: &Index<'_>) -> Vec<Kill> {
    let mut added: Vec<Kill> = Vec::new();
    for t in incident.trends.iter().filter(|t| t.owner.container.is_some()) {
        let Some(metric) = t.oom_from else { continue };
        let step = (t.window.1.0.saturating_sub(t.window.0.0)) / i64::try_from(t.samples.max(1)).unwrap_or(i64::MAX);
        let slack = SAME_ENDING.saturating_add(step.saturating_mul(3));
        let mine = |k: &&Kill| k.owner.same_container(&t.owner) || (k.owner.same_pod(&t.owner) && k.owner.container.is_none());
        let known: Vec<&Kill> = incident.kills_of(&t.owner).filter(mine).collect();
        for at in untold(&t.oom_times, &known, slack) {
            let when = When { earliest: at.saturating_sub(step), latest: at.saturating_add(step), basis: Basis::Stated };
            added.push(Kill {
                at: Some(when),
                kind: KillKind::MemcgContainer,
                owner: t.owner.clone(),
                limit_level: Some(LimitLevel::Container),
                limit_bytes: t.limit_bytes.map(|b| b as u64),
                count: 1,
                exit_code: Some(137),
                told: vec![Told::by(
                    Witness::Metrics,
                    t.cite.clone(),
                    format!("{metric} tells of an out-of-memory kill about {} UTC", at.human()),
                )],
                ..Kill::default()
            });
        }
    }
    children(incident, &mut added);
    added
}

/// Rises of the kernel's counter that ended no run: processes beside the main one were killed, and the container lived on. A
/// counter that stands above zero from the first sample on counts kills since the container's start.
fn children(incident: &Index<'_>, added: &mut Vec<Kill>) {
    let counters = incident.series.iter().filter(|s| s.what.metric == "container_oom_events_total" && s.owner.container.is_some());
    for s in counters {
        let trend = incident.trends_of(&s.owner).find(|t| t.owner.same_container(&s.owner));
        let mine = |k: &&Kill| k.owner.same_container(&s.owner) || (k.owner.same_pod(&s.owner) && k.owner.container.is_none());
        let rises = increases(&s.what);
        for &(a, z, n) in &rises {
            let when = When { earliest: stamp(a), latest: stamp(z), basis: Basis::Stated };
            let slack = SAME_ENDING.saturating_add((z - a).saturating_mul(1_000_000));
            let known = |k: &&Kill| mine(k) && k.at.is_none_or(|w| w.near(&when, slack));
            let ended = trend.is_some_and(|t| t.restarts.iter().any(|r| When::at(*r).near(&when, slack)));
            if !ended && !incident.kills_of(&s.owner).chain(added.iter()).any(|k| known(&k)) {
                let says = format!("container_oom_events_total rose by {n:.0} about {} UTC while the container ran on", stamp(z).human());
                added.push(child(s, Some(when), n, says));
            }
        }
        let standing = s.what.finite().next().map_or(0.0, |(_, v)| v);
        if rises.is_empty() && standing >= 1.0 && !incident.kills_of(&s.owner).chain(added.iter()).any(|k| mine(&k)) {
            let says = format!("container_oom_events_total stands at {standing:.0}: so many kills since the container started");
            added.push(child(s, None, standing, says));
        }
    }
}

fn child(s: &PlacedSeries, at: Option<When>, n: f64, says: String) -> Kill {
    Kill {
        at,
        kind: KillKind::ChildProcess,
        owner: s.owner.clone(),
        limit_level: Some(LimitLevel::Container),
        count: n as u64,
        told: vec![Told::by(Witness::Metrics, s.cite.clone(), says)],
        ..Kill::default()
    }
}

fn stamp(ms: i64) -> Timestamp {
    Timestamp(ms.saturating_mul(1_000_000))
}
