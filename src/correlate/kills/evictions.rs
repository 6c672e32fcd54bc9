//! Evictions for memory: by events, by the pod's own status, by the kubelet's log. Evictions for anything else are no kills.

use super::gather::Kills;
use crate::correlate::reclaim;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::time::{Basis, SECOND};
use crate::model::{Cite, Index, Owner, When};

/// Evicted pods, from events, from the pod's own status, and from the kubelet's log.
pub(super) fn evictions(incident: &Index<'_>, kills: &mut Kills) {
    let mut add = |owner: &Owner, at: Option<When>, who: Witness, cite: &Cite, says: String| {
        let same = |k: &Kill| k.kind == KillKind::Eviction && k.owner.same_pod(owner);
        if let Some(k) = kills.find(owner, same) {
            let better = at.filter(|w| k.at.is_none_or(|old| w.width() < old.width()));
            k.at = better.or(k.at);
            k.hear(who, cite.clone(), says);
            return;
        }
        let owner = Owner { container: None, ..owner.clone() };
        kills.add(Kill {
            at,
            kind: KillKind::Eviction,
            owner,
            count: 1,
            told: vec![Told::by(who, cite.clone(), says)],
            limit_level: Some(LimitLevel::Node),
            ..Kill::default()
        });
    };
    for e in incident.events.iter().filter(|e| {
        let starved = e.what.annotations.get("starved_resource").is_some_and(|r| r.split(',').any(|r| r == "memory"));
        e.what.reason == "Evicted" && e.what.object_kind.as_deref() == Some("Pod") && (starved || about_memory(&e.what.message))
    }) {
        add(&e.owner, e.at.is_known().then_some(e.at), Witness::Event, &e.cite, format!("evicted: {}", e.what.message));
    }
    for p in
        incident.pods.iter().filter(|p| p.what.reason.as_deref() == Some("Evicted") && p.what.message.as_deref().is_none_or(about_memory))
    {
        let since = p.what.conditions.iter().filter(|c| c.kind == "DisruptionTarget" || c.kind == "Ready").filter_map(|c| c.since).max();
        let at = since.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
        add(
            &p.owner,
            at,
            Witness::PodStatus,
            &p.cite,
            format!("pod status Evicted: {}", p.what.message.as_deref().unwrap_or("no message")),
        );
    }
    // The pod's own status knows better what it was evicted for.
    let otherwise = |o: &Owner| {
        let mut own = incident.pods_of(o).filter(|p| p.what.reason.as_deref() == Some("Evicted"));
        own.any(|p| p.what.message.as_deref().is_some_and(|m| !about_memory(m)))
    };
    for (l, resource) in reclaim::evicted(incident).filter(|(l, r)| r.is_none_or(|r| r == "memory") && !otherwise(&l.owner)) {
        let short = resource.map_or(String::new(), |r| format!(" (to reclaim {r})"));
        add(&l.owner, l.at.is_known().then_some(l.at), Witness::KubeletLog, &l.cite, format!("{}{short}", l.what.text));
    }
}

/// Whether an eviction's message names memory (kubelet, eviction/helpers.go). Disk, process ids, quotas of volumes, preemption
/// and updaters evict, too. A pod that the node refused to start never ran and was not evicted.
pub(super) fn about_memory(message: &str) -> bool {
    let names = ["resource: memory", "MemoryPressure", "memory.available", "low on memory"];
    let refused = message.contains("was rejected") || message.contains("node had condition");
    names.iter().any(|w| message.contains(w)) && !refused
}
