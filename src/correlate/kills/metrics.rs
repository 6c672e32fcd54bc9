//! Kills that only metrics tell of: `container_oom_events_total` rose, or a container came back with `OOMKilled` as its last
//! reason, and no log, status or event of the bundle knows of it. Nothing is added where the series merely end at the limit.

use crate::correlate::histories::increases;
use crate::correlate::kills::SAME_ENDING;
use crate::correlate::kills::untold::untold;
use crate::model::incident::PlacedSeries;
use crate::model::kill::{Kill, LimitNow, Told, Witness};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::quantity::human;
use crate::model::time::Basis;
use crate::model::{Incident, Index, Owner, Timestamp, When};

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
            // The limit of that life: a later one was given to those that came after.
            let limit = t.limit_of_life(at);
            let now = t.limit_bytes.filter(|now| limit.is_some_and(|then| *now != then));
            added.push(Kill {
                at: Some(when),
                kind: KillKind::MemcgContainer,
                owner: t.owner.clone(),
                limit_level: Some(LimitLevel::Container),
                limit_bytes: limit.map(|b| b as u64),
                limit_basis: if now.is_some() { "limit metric at the time" } else { "" },
                limit_now: now.map(|b| LimitNow {
                    bytes: b as u64,
                    why: "the limit metric shows another one since".into(),
                    cite: t.cite.clone(),
                }),
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
    nodes(incident, &mut added);
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

/// A node that had next to nothing left when its kernel's own counter of kills rose ran out: no limit of a container did that.
fn nodes(incident: &Incident, added: &mut Vec<Kill>) {
    for s in incident.series.iter().filter(|s| s.what.metric == "node_vmstat_oom_kill") {
        let instance = || s.what.label("instance").map(|i| i.rsplit_once(':').map_or(i, |(host, _)| host).to_owned());
        let Some(node) = s.owner.node.clone().or_else(instance) else { continue };
        let owner = Owner::node(&node);
        for (a, z, n) in increases(&s.what) {
            let when = When { earliest: stamp(a), latest: stamp(z), basis: Basis::Stated };
            let near = |k: &&Kill| {
                k.kind.is_memory()
                    && k.owner.node.as_ref().is_none_or(|have| *have == node)
                    && k.at.is_none_or(|w| w.near(&when, SAME_ENDING.saturating_add((z - a).saturating_mul(1_000_000))))
            };
            let Some((left, share)) = available(incident, s, a, z).filter(|(_, share)| *share < EMPTY) else { continue };
            if incident.kills.iter().chain(added.iter()).any(|k| near(&k)) {
                continue;
            }
            let says = format!(
                "node_vmstat_oom_kill of node {node} rose by {n:.0} by {} UTC, when {} ({:.0} %) were available",
                stamp(z).human(),
                human(left),
                share * 100.0
            );
            added.push(Kill {
                at: Some(when),
                kind: KillKind::NodeOom,
                owner: owner.clone(),
                limit_level: Some(LimitLevel::Node),
                count: n as u64,
                told: vec![Told::by(Witness::Metrics, s.cite.clone(), says)],
                ..Kill::default()
            });
        }
    }
}

/// Share of its memory below which a node is about to kill: what is available counts all that can be reclaimed.
const EMPTY: f64 = 0.05;

/// The least that was available on the counter's node about a rise, in bytes and as a share.
fn available(incident: &Incident, counter: &PlacedSeries, a: i64, z: i64) -> Option<(f64, f64)> {
    let instance = counter.what.label("instance");
    let of = |name: &str| incident.series.iter().find(|s| s.what.metric.starts_with(name) && s.what.label("instance") == instance);
    let slack = 2 * (z - a).max(60_000);
    let near = |t: i64| t >= a.saturating_sub(slack) && t <= z.saturating_add(slack);
    let left = of("node_memory_MemAvailable")?.what.finite().filter(|(t, _)| near(*t)).map(|(_, v)| v).min_by(f64::total_cmp)?;
    let total = of("node_memory_MemTotal")?.what.finite().last()?.1;
    (total > 0.0).then_some((left, left / total))
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
