//! Logs and cgroup files without an owner. `kubectl logs api-0 --previous > previous.log` says nothing of its container,
//! nor does `cat memory.*` through `kubectl exec`; the bundle around such a file often does.
//!
//! In this order: the file is called as a pod, a container or a workload is; of the containers that are left exactly one
//! ended as the words tell (a code of its own choice, at that time); the input knows no other container. A log is never
//! given to a container that did not exist when it was written.

use crate::correlate::kills::SAME_ENDING;
use crate::model::incident::Join;
use crate::model::pod::{ContainerKind, ContainerRun, ContainerState, PodState};
use crate::model::{ArtifactId, Incident, Owner, Placed, When};
use std::collections::{BTreeMap, BTreeSet};

/// Formats whose artifacts are one container's, whoever it is.
const LOGS: [&str; 3] = ["app-log", "jvm-gc-log", "node-report"];

/// A container that something could belong to.
struct Seat<'a> {
    owner: Owner,
    pod: Option<&'a PodState>,
    state: Option<&'a ContainerState>,
}

/// Gives ownerless log words, heap series of logs, and cgroup readings to the containers they belong to.
pub fn files(incident: &mut Incident) {
    let orphans = orphans(incident);
    if orphans.is_empty() {
        return;
    }
    let seats = seats(incident);
    let adopted: BTreeMap<ArtifactId, (Owner, String)> =
        orphans.into_iter().filter_map(|id| Some((id, whose(incident, &seats, id)?))).collect();
    drop(seats);
    for (id, (owner, reason)) in &adopted {
        incident.joins.push(Join { left: incident.path(*id).to_owned(), right: owner.label(), reason: reason.clone() });
    }
    incident.joins.sort();
    incident.joins.dedup();
    let home = |owner: &Owner, id: ArtifactId| adopted.get(&id).filter(|_| nobodys(owner)).map(|(o, _)| o.clone());
    for l in &mut incident.logs {
        if let Some(o) = home(&l.owner, l.cite.span.artifact) {
            l.owner = o;
            l.who.inferred = true;
        }
    }
    for c in incident.cgroups.iter_mut().filter(|c| c.who.cgroup.is_none() && c.what.path.is_none()) {
        if let Some(o) = home(&c.owner, c.cite.span.artifact) {
            c.owner = o;
            c.who.inferred = true;
        }
    }
    for p in incident.processes.iter_mut().filter(|p| p.who.cgroup.is_none()) {
        if let Some(o) = home(&p.owner, p.cite.span.artifact) {
            p.owner = o;
            p.who.inferred = true;
        }
    }
    for s in &mut incident.series {
        if let Some(o) = home(&s.owner, s.cite.span.artifact) {
            s.owner = o;
        }
    }
}

fn nobodys(owner: &Owner) -> bool {
    owner.pod.is_none() && owner.container.is_none() && owner.node.is_none()
}

/// Artifacts with facts that nobody owns.
fn orphans(incident: &Incident) -> BTreeSet<ArtifactId> {
    let is_log = |id: ArtifactId| incident.artifacts.get(id.0 as usize).is_some_and(|a| LOGS.contains(&a.format));
    let logs = incident.logs.iter().filter(|l| nobodys(&l.owner)).map(|l| l.cite.span.artifact).filter(|id| is_log(*id));
    let series = incident.series.iter().filter(|s| nobodys(&s.owner)).map(|s| s.cite.span.artifact).filter(|id| is_log(*id));
    let cgroups = incident
        .cgroups
        .iter()
        .filter(|c| nobodys(&c.owner) && c.who.cgroup.is_none() && c.what.path.is_none() && c.what.identity.pod_uid.is_none())
        .map(|c| c.cite.span.artifact);
    logs.chain(series).chain(cgroups).collect()
}

/// Every container that pods, series or kernel reports name.
fn seats(incident: &Incident) -> Vec<Seat<'_>> {
    let mut seats: Vec<Seat<'_>> = Vec::new();
    for p in &incident.pods {
        for c in p.what.containers.iter().filter(|c| c.kind != ContainerKind::Ephemeral) {
            let owner = Owner { container: Some(c.name.clone()), ..p.owner.clone() };
            if !seats.iter().any(|s| s.owner.same_container(&owner)) {
                seats.push(Seat { owner, pod: Some(&p.what), state: Some(c) });
            }
        }
    }
    let named = |o: &&Owner| o.pod.is_some() && o.container.is_some();
    let others: BTreeSet<&Owner> =
        incident.series.iter().map(|s| &s.owner).chain(incident.oom_reports.iter().map(|r| &r.owner)).filter(named).collect();
    for owner in others {
        if !seats.iter().any(|s| s.owner.same_container(owner)) {
            seats.push(Seat { owner: owner.clone(), pod: None, state: None });
        }
    }
    seats
}

/// The one owner of an artifact, and why it is thought to be.
fn whose(incident: &Incident, seats: &[Seat<'_>], id: ArtifactId) -> Option<(Owner, String)> {
    let words: Vec<&Placed<_>> = incident.logs.iter().filter(|l| l.cite.span.artifact == id && nobodys(&l.owner)).collect();
    let last = words.iter().rev().find(|l| l.what.pattern.is_out_of_memory());
    let at = last.map(|l| l.at).filter(When::is_known).or_else(|| words.iter().map(|l| l.at).rfind(When::is_known));
    let possible: Vec<&Seat<'_>> = seats.iter().filter(|s| at.is_none_or(|a| existed(s, a))).collect();
    let stem = stem(incident.path(id));
    let mut named: Vec<&Seat<'_>> = possible.iter().copied().filter(|s| is_called(&s.owner, stem)).collect();
    // A pod's log is its main container's, unless a container is named.
    if named.iter().any(|s| s.state.is_some_and(|c| c.kind == ContainerKind::Main)) {
        named.retain(|s| s.state.is_none_or(|c| c.kind == ContainerKind::Main));
    }
    if let [one] = named[..] {
        return Some((one.owner.clone(), "inferred: the file is called as it is".into()));
    }
    let among = if named.is_empty() { &possible } else { &named };
    if let Some(word) = last {
        let fits: Vec<&Seat<'_>> = among.iter().copied().filter(|s| ended_so(s, word.at)).collect();
        if let [one] = fits[..] {
            return Some((
                one.owner.clone(),
                format!("inferred: the only container that ended as the log tells ({})", word.what.pattern.word()),
            ));
        }
    }
    let mains: Vec<&Seat<'_>> = seats.iter().filter(|s| s.state.is_none_or(|c| c.kind == ContainerKind::Main)).collect();
    match mains[..] {
        [one] if at.is_none_or(|a| existed(one, a)) && limit_fits(incident, one, id) => {
            Some((one.owner.clone(), "inferred: the only container in the input".into()))
        }
        _ => {
            let same: Vec<&Seat<'_>> = mains.into_iter().filter(|s| limit_known(incident, id) && limit_fits(incident, s, id)).collect();
            if let [one] = same[..] {
                Some((one.owner.clone(), "inferred: the only container with this memory limit".into()))
            } else {
                None
            }
        }
    }
}

/// File name without folders, endings and the marks of a previous run.
fn stem(path: &str) -> &str {
    let mut name = path.rsplit(['/', '!', '#']).next().unwrap_or(path);
    loop {
        let shorter = [
            ".gz",
            ".zst",
            ".xz",
            ".log",
            ".txt",
            ".out",
            ".stderr",
            ".stdout",
            ".json",
            "-previous",
            "_previous",
            ".previous",
            "-prev",
            "-current",
            ".current",
        ]
        .iter()
        .find_map(|e| name.strip_suffix(e));
        match shorter {
            Some(s) if !s.is_empty() => name = s,
            _ => return name,
        }
    }
}

/// Whether a file of this name is this container's: it is called as the workload, the pod, the container, or pod and
/// container together, with the namespace before it or not.
fn is_called(owner: &Owner, stem: &str) -> bool {
    let stem = stem.strip_prefix("logs-").or_else(|| stem.strip_prefix("logs_")).unwrap_or(stem);
    let bare = owner.namespace.as_deref().and_then(|n| stem.strip_prefix(n)).and_then(|s| s.strip_prefix(['-', '_', '.'])).unwrap_or(stem);
    let whole = |s: &str| {
        [&owner.workload, &owner.pod, &owner.container].into_iter().flatten().any(|n| n == s)
            || owner.pod.iter().chain(&owner.workload).any(|first| {
                let rest = s.strip_prefix(first.as_str()).and_then(|r| r.strip_prefix(['-', '_', '.']));
                rest.is_some() && rest == owner.container.as_deref()
            })
    };
    // What follows a dot says of which kind the file is: `POD_C.gc`.
    let kindless = |s: &'_ str| s.split_once('.').is_some_and(|(name, _)| whole(name));
    whole(stem) || whole(bare) || kindless(stem) || kindless(bare)
}

/// The container can have written something then: its pod was there, or a run of its own had begun.
fn existed(seat: &Seat<'_>, at: When) -> bool {
    let runs = seat.state.into_iter().flat_map(|c| c.last.iter().chain([&c.now]).chain(&c.past)).filter_map(|r| r.started);
    let made = seat.pod.and_then(|p| p.created.or(p.start_time));
    made.into_iter().chain(runs).min().is_none_or(|made| made <= at.latest)
}

/// The container ended by a code of its own choice, when the words were written as far as that is known.
fn ended_so(seat: &Seat<'_>, at: When) -> bool {
    let Some(c) = seat.state else { return false };
    let own = |r: &&ContainerRun| {
        let code = r.exit_code.is_some_and(|c| !matches!(c, 0 | 137 | 143)) && r.reason.as_deref() != Some("OOMKilled");
        let time = r.finished.is_none_or(|t| !at.is_known() || When::at(t).near(&at, SAME_ENDING));
        code && time
    };
    [c.last.as_ref(), Some(&c.now)].into_iter().flatten().chain(&c.past).any(|r| own(&r))
}

/// The limit that cgroup files of this artifact's folder state, if they do.
fn stated_limit(incident: &Incident, id: ArtifactId) -> Option<u64> {
    let folder = |id: ArtifactId| incident.path(id).rsplit_once('/').map_or("", |(d, _)| d);
    incident
        .cgroups
        .iter()
        .filter(|c| matches!(c.what.file.as_str(), "memory.max" | "memory.limit_in_bytes"))
        .filter(|c| c.cite.span.artifact == id || folder(c.cite.span.artifact) == folder(id))
        .find_map(|c| c.what.value)
}

fn limit_known(incident: &Incident, id: ArtifactId) -> bool {
    incident.cgroups.iter().any(|c| c.cite.span.artifact == id) && stated_limit(incident, id).is_some()
}

/// Nothing in the artifact's own cgroup files contradicts the container's limit.
fn limit_fits(incident: &Incident, seat: &Seat<'_>, id: ArtifactId) -> bool {
    if !incident.cgroups.iter().any(|c| c.cite.span.artifact == id) {
        return true;
    }
    match (stated_limit(incident, id), seat.state.and_then(|c| c.limits.memory_bytes)) {
        (Some(file), Some(spec)) => file == spec,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_what_they_came_from() {
        let owner = Owner {
            namespace: Some("shop".into()),
            workload: Some("orders-api".into()),
            pod: Some("orders-api-7bd9c6d5f4-k8wvx".into()),
            container: Some("app".into()),
            node: None,
        };
        for path in [
            "orders-api.log",
            "x/orders-api-7bd9c6d5f4-k8wvx-previous.log",
            "app.log.gz",
            "logs/shop_orders-api-7bd9c6d5f4-k8wvx_app.log",
            "orders-api-app.txt",
            "gc/orders-api-7bd9c6d5f4-k8wvx_app.gc.log",
        ] {
            assert!(is_called(&owner, stem(path)), "{path}");
        }
        for path in ["previous.log", "orders-api-v2.log", "application.log", "shop.log", ".log"] {
            assert!(!is_called(&owner, stem(path)), "{path}");
        }
    }
}
