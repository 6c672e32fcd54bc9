//! The memory limit that was in force when something was killed, how it is known, and what became of it since.
//!
//! The kernel's own line is the witness of record. Then the limit metric at the time of the kill; then what the status says
//! is applied, which an in-place resize changes later than the specification; then the pod's own specification (into
//! which a LimitRange wrote its default); then the template of the ReplicaSet that a pod belonged to. What describe or the
//! Deployment say today is never taken for the limit of a kill: it is shown beside it where it differs.

use crate::model::incident::PlacedSeries;
use crate::model::kill::{Kill, LimitNow};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::pod::{ContainerState, PodState, WorkloadState};
use crate::model::quantity::{Bytes, human_bytes, parse_bytes};
use crate::model::time::{MINUTE, Timestamp};
use crate::model::{Incident, Index, Owner, Placed, When};

/// A memory limit, and how it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LimitInForce {
    pub bytes: Option<Bytes>,
    pub level: Option<LimitLevel>,
    pub basis: &'static str,
}

impl LimitInForce {
    fn of(bytes: Bytes, level: LimitLevel, basis: &'static str) -> Self {
        LimitInForce { bytes: Some(bytes), level: Some(level), basis }
    }
}

/// The kernel rounds a limit down to whole pages, of up to 64 KiB.
const ROUNDING: u64 = 65_536;
/// A sample of the limit metric speaks for this long after its scrape.
const FRESH: i64 = 15 * MINUTE;

/// The limit of a container at a moment, without the kernel's word.
pub fn in_force(incident: &Index<'_>, pod: &Placed<PodState>, c: &ContainerState, at: Option<When>) -> LimitInForce {
    let owner = Owner { container: Some(c.name.clone()), ..pod.owner.clone() };
    if let Some(bytes) = at.and_then(|at| recorded(incident, &owner, at)) {
        return LimitInForce::of(bytes, LimitLevel::Container, "limit metric at the time");
    }
    if let Some(bytes) = c.limits_in_force.as_ref().and_then(|l| l.memory_bytes) {
        return LimitInForce::of(bytes, LimitLevel::Container, "container status");
    }
    if let Some(bytes) = c.limits.memory_bytes {
        let basis = if defaulted(incident, pod, c, bytes) { "LimitRange default" } else { "pod specification" };
        return LimitInForce::of(bytes, LimitLevel::Container, basis);
    }
    match pod.what.limits.memory_bytes {
        Some(bytes) => LimitInForce::of(bytes, LimitLevel::Pod, "pod-level resources"),
        None => LimitInForce::default(),
    }
}

/// The admission plugin notes what it filled in: `LimitRanger plugin set: cpu, memory limit for container api`. Where a
/// paste lost the note, a template without a limit and a LimitRange with this default tell the same.
fn defaulted(incident: &Incident, pod: &Placed<PodState>, c: &ContainerState, bytes: Bytes) -> bool {
    let noted = pod.what.annotations.get("kubernetes.io/limit-ranger").is_some_and(|note| {
        note.split(';').any(|part| {
            part.contains("memory")
                && part.contains(" limit for ")
                && part.trim_end().rsplit(' ').next().is_some_and(|name| name.trim_end_matches('.') == c.name)
        })
    });
    let default = || {
        incident.policies.iter().any(|p| {
            p.what.kind == "LimitRange"
                && p.what.namespace == pod.what.namespace
                && p.what.values.get("limits.Container.default.memory").and_then(|v| parse_bytes(v)) == Some(bytes)
        })
    };
    noted || template(incident, pod.owner.workload.as_deref(), &pod.owner).is_some_and(|w| own_limit(&w.what, c).is_none()) && default()
}

/// The last sample of a limit metric before the end of `at`.
fn recorded(incident: &Index<'_>, owner: &Owner, at: When) -> Option<Bytes> {
    let mine = |s: &&PlacedSeries| {
        let m = s.what.metric.as_str();
        let memory = s.what.label("resource").is_none_or(|r| r == "memory");
        (m == "kube_pod_container_resource_limits" && memory
            || m == "kube_pod_container_resource_limits_memory_bytes"
            || m == "container_spec_memory_limit_bytes")
            && s.owner.same_container(owner)
    };
    let until = at.latest.0.div_euclid(1_000_000);
    let best = incident
        .series_of(owner)
        .filter(mine)
        .filter_map(|s| s.what.finite().take_while(|(t, _)| *t <= until).filter(|(_, v)| *v > 0.0).last())
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))?;
    let age = at.latest.0.saturating_sub(best.0.saturating_mul(1_000_000));
    // cAdvisor's word for no limit is near 2^63.
    (age <= FRESH && best.1 < 1e18).then_some(best.1 as Bytes)
}

/// Fills the limit of every kill that hit one, and notes where today's is another.
pub fn settle(incident: &mut Incident) {
    let mut kills = std::mem::take(&mut incident.kills);
    let index = Index::of(incident);
    for k in &mut kills {
        let level = matches!(k.limit_level, Some(LimitLevel::Container | LimitLevel::Pod));
        let by_limit =
            matches!(k.kind, KillKind::MemcgContainer | KillKind::MemcgPod | KillKind::OomGroup | KillKind::ChildProcess) || level;
        if by_limit {
            settle_one(&index, k);
        } else if k.limit_bytes.is_some() && k.limit_basis.is_empty() {
            k.limit_basis = if k.report.is_some() { "kernel report" } else { "pod specification" };
        }
    }
    incident.kills = kills;
}

fn settle_one(incident: &Index<'_>, k: &mut Kill) {
    let report = k.report(incident);
    let uid = report.and_then(|r| r.what.identity.pod_uid.as_deref());
    let pod = incident.pods_of(&k.owner).max_by_key(|p| p.what.containers.len());
    // A StatefulSet's pod comes back under its old name: the one that died was another.
    let recreated = pod.is_some_and(|p| uid.is_some() && p.what.uid.is_some() && p.what.uid.as_deref() != uid);
    let container = pod.and_then(|p| p.what.containers.iter().find(|c| Some(&c.name) == k.owner.container.as_ref()));
    if let Some(bytes) = report.and_then(|r| r.what.limit_bytes) {
        (k.limit_bytes, k.limit_basis) = (Some(bytes), "kernel report");
    } else {
        let known = match (pod, container) {
            (Some(p), Some(c)) if !recreated => in_force(incident, p, c, k.at),
            _ => k.at.and_then(|at| recorded(incident, &k.owner, at)).map_or_else(
                || replica_set(incident, &k.owner),
                |b| LimitInForce::of(b, LimitLevel::Container, "limit metric at the time"),
            ),
        };
        if known.bytes.is_some() {
            k.limit_bytes = known.bytes;
            k.limit_level = k.limit_level.or(known.level);
            k.limit_basis = known.basis;
        }
    }
    let Some(limit) = k.limit_bytes else { return };
    k.limit_now = changed(incident, k, limit, pod, container, recreated);
}

/// What the specification sets now, where that is another limit than the one that was hit.
fn changed(
    incident: &Incident,
    k: &Kill,
    limit: Bytes,
    pod: Option<&Placed<PodState>>,
    container: Option<&ContainerState>,
    recreated: bool,
) -> Option<LimitNow> {
    let differs = |b: &Bytes| b.abs_diff(limit) >= ROUNDING;
    let at_pod = k.limit_level == Some(LimitLevel::Pod);
    let stated = match (pod, container) {
        (Some(p), _) if at_pod => p.what.limits.memory_bytes,
        (_, Some(c)) => c.limits.memory_bytes,
        _ => None,
    };
    if let (Some(p), Some(now)) = (pod, stated.filter(differs)) {
        let applied = container.and_then(|c| c.limits_in_force.as_ref()).and_then(|l| l.memory_bytes);
        let why = if recreated {
            "the pod was created anew with another limit".to_owned()
        } else if applied.is_some_and(|a| differs(&a)) || applied.is_none() {
            "the pod's limit was changed in place after the kill".to_owned()
        } else {
            "the pod's specification was changed and the node has not applied it".to_owned()
        };
        return Some(LimitNow { bytes: now, why, cite: p.cite.clone() });
    }
    let c = container?;
    let w = template(incident, k.owner.workload.as_deref().or(pod?.owner.workload.as_deref()), &k.owner)?;
    let now = own_limit(&w.what, c).filter(differs)?;
    let when = incident
        .workloads
        .iter()
        .filter(|r| r.what.kind == "ReplicaSet" && r.what.namespace == w.what.namespace)
        .filter(|r| r.what.controlled_by.as_deref().and_then(|c| c.rsplit('/').next()) == Some(w.what.name.as_str()))
        .filter(|r| own_limit(&r.what, c) == Some(now))
        .filter_map(|r| Some((r.what.created?, r.what.revision)))
        .max();
    let since = when.map_or(String::new(), |(t, revision): (Timestamp, _)| {
        format!(" at {} UTC{}", t.human(), revision.map_or(String::new(), |r| format!(", revision {r}")))
    });
    Some(LimitNow {
        bytes: now,
        why: format!("{} {} was rolled out with another limit{since}", w.what.kind, w.what.name),
        cite: w.cite.clone(),
    })
}

/// The workload's own object, by its bare name; ReplicaSets are history.
fn template<'a>(incident: &'a Incident, workload: Option<&str>, owner: &Owner) -> Option<&'a Placed<WorkloadState>> {
    let name = workload?;
    incident.workloads.iter().find(|w| w.what.name == name && w.what.namespace == owner.namespace && w.what.kind != "ReplicaSet")
}

fn own_limit(w: &WorkloadState, c: &ContainerState) -> Option<Bytes> {
    w.template.iter().find(|t| t.name == c.name && t.kind == c.kind)?.limits.memory_bytes
}

/// A pod that is gone still names its ReplicaSet: `api-6d4f-x2k9p` is of `api-6d4f`.
fn replica_set(incident: &Incident, owner: &Owner) -> LimitInForce {
    let found = || {
        let (set, _) = owner.pod.as_deref()?.rsplit_once('-')?;
        let w =
            incident.workloads.iter().find(|w| w.what.kind == "ReplicaSet" && w.what.name == set && w.what.namespace == owner.namespace)?;
        w.what.template.iter().find(|t| Some(&t.name) == owner.container.as_ref())?.limits.memory_bytes
    };
    found().map_or_else(LimitInForce::default, |b| LimitInForce::of(b, LimitLevel::Container, "template of its ReplicaSet"))
}

/// `512 MiB by the pod's specification`, for sentences.
pub fn words(k: &Kill) -> Option<String> {
    let limit = k.limit_bytes?;
    let now = k.limit_now.as_ref().map_or(String::new(), |n| format!("; now {}: {}", human_bytes(n.bytes), n.why));
    Some(format!("limit in force {} ({}){now}", human_bytes(limit), k.limit_basis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::oom::{CgroupIdentity, OomKill};
    use crate::model::pod::{Resources, SizingPolicy};
    use crate::model::series::Series;
    use crate::model::time::{Basis, SECOND};
    use crate::model::{Cite, Claim};
    use std::collections::BTreeMap;

    fn owner() -> Owner {
        Owner {
            namespace: Some("shop".into()),
            workload: Some("api".into()),
            pod: Some("api-6d4f-x2k9p".into()),
            container: Some("api".into()),
            node: None,
        }
    }

    fn placed<T>(what: T) -> Placed<T> {
        Placed { at: When::unknown(), owner: Owner { container: None, ..owner() }, who: Claim::default(), cite: Cite::default(), what }
    }

    fn container(mib: Option<u64>) -> ContainerState {
        ContainerState {
            name: "api".into(),
            limits: Resources { memory_bytes: mib.map(|m| m << 20), cpu_millis: None },
            ..ContainerState::default()
        }
    }

    fn pod(mib: Option<u64>) -> Placed<PodState> {
        placed(PodState {
            name: "api-6d4f-x2k9p".into(),
            namespace: Some("shop".into()),
            containers: vec![container(mib)],
            ..PodState::default()
        })
    }

    fn workload(kind: &str, name: &str, mib: Option<u64>) -> Placed<WorkloadState> {
        placed(WorkloadState {
            kind: kind.into(),
            name: name.into(),
            namespace: Some("shop".into()),
            template: vec![container(mib)],
            ..WorkloadState::default()
        })
    }

    fn kill() -> Kill {
        let at = When { earliest: Timestamp(100 * SECOND), latest: Timestamp(101 * SECOND), basis: Basis::Stated };
        Kill { kind: KillKind::MemcgContainer, owner: owner(), at: Some(at), ..Kill::default() }
    }

    fn settled(mut incident: Incident, k: Kill) -> Kill {
        incident.kills.push(k);
        settle(&mut incident);
        incident.kills.remove(0)
    }

    #[test]
    fn a_rollout_after_the_kill_leaves_the_old_limit_and_is_told() {
        let mut incident = Incident { pods: vec![pod(Some(256))], ..Incident::default() };
        incident.workloads.push(workload("Deployment", "api", Some(512)));
        let k = settled(incident, kill());
        assert_eq!((k.limit_bytes, k.limit_basis), (Some(256 << 20), "pod specification"));
        let now = k.limit_now.map(|n| (n.bytes, n.why.contains("Deployment api was rolled out")));
        assert_eq!(now, Some((512 << 20, true)));
        // The pod is gone: its ReplicaSet still knows.
        let mut incident = Incident { workloads: vec![workload("ReplicaSet", "api-6d4f", Some(256))], ..Incident::default() };
        incident.workloads.push(workload("Deployment", "api", Some(512)));
        let k = settled(incident, kill());
        assert_eq!((k.limit_bytes, k.limit_basis), (Some(256 << 20), "template of its ReplicaSet"));
    }

    #[test]
    fn a_resize_after_the_kill_shows_in_the_specification_only() {
        let mut p = pod(Some(512));
        if let Some(c) = p.what.containers.first_mut() {
            c.limits_in_force = Some(Resources { memory_bytes: Some(256 << 20), cpu_millis: None });
        }
        let k = settled(Incident { pods: vec![p], ..Incident::default() }, kill());
        assert_eq!((k.limit_bytes, k.limit_basis), (Some(256 << 20), "container status"));
        assert!(k.limit_now.is_some_and(|n| n.bytes == 512 << 20 && n.why.contains("has not applied")));
        // The kernel's line against a resized pod.
        let report = OomKill { limit_bytes: Some(128 << 20), limit_level: Some(LimitLevel::Container), ..OomKill::default() };
        let incident = Incident { pods: vec![pod(Some(512))], oom_reports: vec![placed(report)], ..Incident::default() };
        let k = settled(incident, Kill { report: Some(0), limit_level: Some(LimitLevel::Container), ..kill() });
        assert_eq!((k.limit_bytes, k.limit_basis), (Some(128 << 20), "kernel report"));
        assert!(k.limit_now.is_some_and(|n| n.why.contains("changed in place")));
    }

    #[test]
    fn metric_limit_range_and_pod_level_are_told_apart() {
        let labels: BTreeMap<String, String> = [("resource".to_owned(), "memory".to_owned())].into();
        let series = Series {
            times: vec![40_000, 70_000, 130_000].into(),
            values: vec![200.0 * 1048576.0, 200.0 * 1048576.0, 400.0 * 1048576.0],
            ..Series::new("kube_pod_container_resource_limits".into(), labels)
        };
        let mut incident = Incident { pods: vec![pod(Some(400))], ..Incident::default() };
        incident.series.push(PlacedSeries { owner: owner(), cite: Cite::default(), what: series });
        let k = settled(incident, kill());
        assert_eq!((k.limit_bytes, k.limit_basis), (Some(200 << 20), "limit metric at the time"));

        let policy = SizingPolicy {
            kind: "LimitRange".into(),
            namespace: Some("shop".into()),
            name: "mem".into(),
            values: [("limits.Container.default.memory".to_owned(), "256Mi".to_owned())].into(),
            ..SizingPolicy::default()
        };
        let mut incident =
            Incident { pods: vec![pod(Some(256))], workloads: vec![workload("Deployment", "api", None)], ..Incident::default() };
        incident.policies.push(placed(policy));
        assert_eq!(settled(incident, kill()).limit_basis, "LimitRange default");

        let mut p = pod(None);
        p.what.limits.memory_bytes = Some(1 << 30);
        let k = settled(Incident { pods: vec![p], ..Incident::default() }, kill());
        assert_eq!((k.limit_bytes, k.limit_level, k.limit_basis), (Some(1 << 30), Some(LimitLevel::Pod), "pod-level resources"));
    }

    #[test]
    fn a_pod_that_came_back_under_its_name_does_not_lend_its_limit() {
        let mut p = pod(Some(512));
        p.what.uid = Some("new".into());
        let identity = CgroupIdentity { pod_uid: Some("old".into()), container_id: None };
        let report = OomKill { identity, report_lost: true, ..OomKill::default() };
        let incident = Incident { pods: vec![p], oom_reports: vec![placed(report)], ..Incident::default() };
        let k = settled(incident, Kill { report: Some(0), ..kill() });
        assert_eq!(k.limit_bytes, None);
    }
}
