//! Kills by the kubelet after a failed probe: its own words, how often it counted them, and the deaths it noticed.

use super::gather::Kills;
use super::{SAME_ENDING, only_container};
use crate::model::kill::{Kill, Told, Witness};
use crate::model::log::LogPattern;
use crate::model::oom::KillKind;
use crate::model::pod::KubeEvent;
use crate::model::quantity::times;
use crate::model::time::MINUTE;
use crate::model::{Cite, Incident, Index, Owner, Placed, When};
use std::collections::BTreeMap;

/// The kubelet's `Killing` events count how often a probe ended a container, of which the status keeps the last time only:
/// what the events count beyond the entries that are there belongs to the entry that they confirm. The restart count bounds it.
pub(super) fn probe_counts(incident: &Incident, kills: &mut [Kill]) {
    let mut told: BTreeMap<Owner, (u64, Vec<(Cite, String)>)> = BTreeMap::new();
    for e in incident.events.iter().filter(|e| e.owner.pod.is_some() && is_probe_kill(&e.what)) {
        let Some(container) = e.what.container.clone().or_else(|| named_in(&e.what.message)) else { continue };
        let n = e.what.count.unwrap_or(1).max(1);
        let slot = told.entry(Owner { container: Some(container), workload: None, node: None, ..e.owner.clone() }).or_default();
        slot.0 = slot.0.saturating_add(n);
        slot.1.push((e.cite.clone(), format!("{} (event counted {})", e.what.message, times(n))));
    }
    for (owner, (counted, evidence)) in told {
        let containers = incident.pods.iter().filter(|p| p.owner.same_pod(&owner)).flat_map(|p| &p.what.containers);
        let restarts = containers.filter(|c| Some(&c.name) == owner.container.as_ref()).filter_map(|c| c.restart_count).max();
        let mut mine: Vec<&mut Kill> =
            kills.iter_mut().filter(|k| k.kind == KillKind::ProbeKill && k.owner.same_container(&owner)).collect();
        let have = mine.iter().map(|k| k.count.max(1)).fold(0, u64::saturating_add);
        let missing = counted.min(restarts.unwrap_or(u64::MAX)).saturating_sub(have);
        let Some(k) = mine.pop().filter(|_| missing > 0) else { continue };
        k.count = k.count.max(1).saturating_add(missing);
        for (cite, says) in evidence {
            match k.told.iter_mut().find(|t| t.cite.span == cite.span) {
                Some(have) => have.says = says,
                None => k.told.push(Told::aside(cite, says)),
            }
        }
    }
}

/// The event says that the kubelet ends a container because a probe failed.
pub(super) fn is_probe_kill(e: &KubeEvent) -> bool {
    e.reason == "Killing" && (e.message.contains("liveness probe") || e.message.contains("startup probe"))
}

/// The container in `Container api failed liveness probe, will be restarted`.
fn named_in(message: &str) -> Option<String> {
    message.split_once("ontainer ").and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned)
}

/// The kubelet's word that a probe killed this container, at a time that fits.
pub(super) fn probe_event<'a>(incident: &Index<'a>, owner: &Owner, at: Option<When>) -> Option<&'a Placed<KubeEvent>> {
    incident.events_of(owner).find(|e| {
        let w = &e.what;
        let fits = at.is_none_or(|a| !e.at.is_known() || e.at.near(&a, 10 * MINUTE) || w.count.is_some_and(|n| n > 1));
        is_probe_kill(w) && owner.container.as_deref().is_none_or(|c| w.names_container(c)) && fits
    })
}

/// `ContainerDied` and `TaskOOM` notices confirm an entry; for a container that a probe keeps killing they are the only
/// trace of the earlier kills.
pub(super) fn container_deaths(incident: &Index<'_>, kills: &mut Kills) {
    for l in incident
        .logs
        .iter()
        .filter(|l| matches!(l.what.pattern, LogPattern::ContainerDied | LogPattern::TaskOom) && l.owner.pod.is_some() && l.at.is_known())
    {
        let near = |k: &Kill| k.at.is_some_and(|w| w.near(&l.at, SAME_ENDING));
        if let Some(k) = kills.find(&l.owner, near) {
            let who = if l.what.pattern == LogPattern::TaskOom { Witness::RuntimeLog } else { Witness::KubeletLog };
            k.hear(who, l.cite.clone(), l.what.text.clone());
            continue;
        }
        let owner = match &l.owner.container {
            Some(_) => l.owner.clone(),
            None => Owner { container: only_container(incident, &l.owner), ..l.owner.clone() },
        };
        let Some(event) = probe_event(incident, &owner, Some(l.at)) else { continue };
        if owner.container.is_none() || !within(&event.what, l.at) {
            continue;
        }
        let says = format!("{} ({} times in all)", event.what.message, event.what.count.unwrap_or(1));
        kills.add(Kill {
            at: Some(l.at),
            kind: KillKind::ProbeKill,
            owner,
            count: 1,
            told: vec![
                Told::by(Witness::KubeletLog, l.cite.clone(), l.what.text.clone()),
                Told::by(Witness::Event, event.cite.clone(), says),
            ],
            ..Kill::default()
        });
    }
}

/// The kubelet's word that a probe failed and it is killing the container: of a container of which nothing else tells an
/// ending, that is the ending, as often as the event was counted (or once, where a counter of restarts tells the rest).
pub(super) fn probe_events(incident: &Index<'_>, kills: &mut Kills) {
    for e in incident.events.iter().filter(|e| e.owner.pod.is_some() && is_probe_kill(&e.what)) {
        let m = &e.what.message;
        let owner = Owner { container: e.what.container.clone().or_else(|| named_in(m)), ..e.owner.clone() };
        if kills.of_pod(&owner).any(|(_, k)| k.owner.container.is_none() || k.owner.container == owner.container) {
            continue;
        }
        let counter = |s: &&crate::model::incident::PlacedSeries| {
            s.what.metric == "kube_pod_container_status_restarts_total" && s.owner.same_container(&owner)
        };
        let folded = e.what.count.unwrap_or(1).max(1);
        kills.add(Kill {
            at: e.at.is_known().then_some(e.at),
            kind: KillKind::ProbeKill,
            count: if incident.series_of(&owner).any(|s| counter(&s)) { 1 } else { folded },
            owner,
            told: vec![Told::by(Witness::Event, e.cite.clone(), format!("{m} (event counted {})", times(folded)))],
            ..Kill::default()
        });
    }
}

/// Whether a death lies in the span in which an event was counted.
fn within(e: &KubeEvent, at: When) -> bool {
    let stated = |t: &crate::model::RawTime| if let crate::model::RawTime::Utc { at, .. } = t { Some(*at) } else { None };
    match (stated(&e.first), stated(&e.last)) {
        (Some(first), Some(last)) => at.latest >= first.saturating_sub(SAME_ENDING) && at.earliest <= last.saturating_add(SAME_ENDING),
        _ => true,
    }
}
