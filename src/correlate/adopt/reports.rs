//! Kernel reports of containers whose ids nobody names any more: a description printed by kubectl has no UID and shows the
//! container that runs now, so the report of the one before stays the node's. Where a container of that node ended in the
//! very seconds of the report and at the limit that the report states, they are one kill; the pod UID in the report's
//! cgroup path then names the pod's earlier reports too.

use crate::model::incident::Join;
use crate::model::oom::OomKill;
use crate::model::pod::ContainerRun;
use crate::model::time::SECOND;
use crate::model::{Incident, Owner, Placed, When};
use std::collections::BTreeSet;

/// The kubelet notices an end within this time.
const SAME_END: i64 = 3 * SECOND;

/// Gives ownerless reports of memory cgroups to the containers whose endings they are.
pub fn reports(incident: &mut Incident) {
    let mut found: Vec<(usize, Owner)> = Vec::new();
    for (i, r) in incident.oom_reports.iter().enumerate() {
        if r.owner.pod.is_some() || !r.at.is_known() || r.what.limit_bytes.is_none() || r.what.oom_memcg.is_none() {
            continue;
        }
        let owners: BTreeSet<Owner> = ended(incident, r);
        if let (Some(owner), 1) = (owners.first(), owners.len()) {
            found.push((i, owner.clone()));
        }
    }
    // The same pod's other reports, by its UID; two pods that claim one UID leave it alone.
    let uid = |r: &Placed<OomKill>| r.what.identity.pod_uid.clone();
    let mut named: Vec<(Box<str>, Owner)> = Vec::new();
    for (i, owner) in &found {
        if let Some(uid) = incident.oom_reports.get(*i).and_then(uid) {
            named.push((uid, owner.clone()));
        }
    }
    named.sort();
    named.dedup();
    for i in 0..incident.oom_reports.len() {
        let Some(r) = incident.oom_reports.get(i).filter(|r| r.owner.pod.is_none()) else { continue };
        let by_time =
            found.iter().find(|(f, _)| *f == i).map(|(_, o)| (o.clone(), "the container ended in the same seconds at the same limit"));
        let by_uid = || {
            let mut of_uid = named.iter().filter(|(u, _)| Some(u) == r.what.identity.pod_uid.as_ref()).map(|(_, o)| o);
            let first = of_uid.next()?;
            let container = of_uid.all(|o| o == first).then(|| first.container.clone()).flatten();
            Some((Owner { container, ..first.clone() }, "the pod UID of a report whose container is known"))
        };
        let Some((mut owner, reason)) = by_time.or_else(by_uid) else { continue };
        owner.node = owner.node.or_else(|| r.owner.node.clone());
        let left = r.what.identity.container_id.as_deref().or(r.what.identity.pod_uid.as_deref()).unwrap_or("a kernel report").to_owned();
        incident.joins.push(Join { left, right: owner.label(), reason: format!("inferred: {reason}") });
        if let Some(r) = incident.oom_reports.get_mut(i) {
            r.owner = owner;
        }
    }
    incident.joins.sort();
    incident.joins.dedup();
}

/// Containers of the node that were killed when the report was written, at its limit, and are not known to be others.
fn ended(incident: &Incident, r: &Placed<OomKill>) -> BTreeSet<Owner> {
    let mut out = BTreeSet::new();
    for p in incident.pods.iter().filter(|p| p.owner.node.is_some() && p.owner.node == r.owner.node) {
        let uid = p.what.uid.as_deref().zip(r.what.identity.pod_uid.as_deref());
        if uid.is_some_and(|(a, b)| a != b) {
            continue;
        }
        for c in p.what.containers.iter().filter(|c| c.limits.memory_bytes == r.what.limit_bytes) {
            let killed = |run: &ContainerRun| run.reason.as_deref() == Some("OOMKilled") || run.exit_code == Some(137);
            let then = |run: &ContainerRun| run.finished.is_some_and(|t| When::at(t).near(&r.at, SAME_END));
            if [c.last.as_ref(), Some(&c.now)].into_iter().flatten().chain(&c.past).any(|run| killed(run) && then(run)) {
                out.insert(Owner { container: Some(c.name.clone()), ..p.owner.clone() });
            }
        }
    }
    out
}
