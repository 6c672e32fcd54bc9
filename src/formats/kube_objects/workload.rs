//! Controllers: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob and their pod templates, and the
//! ControllerRevisions that keep a StatefulSet's or DaemonSet's earlier ones (apps/v1, batch/v1).

use super::tree::Value;
use super::{Extract, annotations, controller, pod};
use crate::model::pod::WorkloadState;
use crate::model::{Claim, Observation, RawTime};

/// Kind of a list element that does not say it: by its fields, then by the file's name. Empty when only the list knows.
pub fn kind_of(v: &Value<'_>, path: &str) -> &'static str {
    let (spec, status) = (v.get("spec"), v.get("status"));
    if spec.has("jobTemplate") {
        return "CronJob";
    }
    if spec.has("volumeClaimTemplates") || spec.has("podManagementPolicy") {
        return "StatefulSet";
    }
    if status.has("desiredNumberScheduled") {
        return "DaemonSet";
    }
    if spec.has("strategy") || spec.has("progressDeadlineSeconds") {
        return "Deployment";
    }
    if spec.has("completions") || spec.has("backoffLimit") {
        return "Job";
    }
    let lower = path.to_ascii_lowercase();
    let named = [
        ("replicasets", "ReplicaSet"),
        ("replication-controllers", "ReplicationController"),
        ("deployments", "Deployment"),
        ("statefulsets", "StatefulSet"),
        ("daemonsets", "DaemonSet"),
        ("cronjobs", "CronJob"),
        ("jobs", "Job"),
    ];
    named.iter().find(|(word, _)| lower.contains(word)).map_or("", |&(_, kind)| kind)
}

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>, kind: &str) {
    let (meta, status) = (v.get("metadata"), v.get("status"));
    let spec = v.get("spec");
    let Some(name) = meta.get("name").owned() else { return };
    let template = match kind {
        "CronJob" => spec.at(&["jobTemplate", "spec", "template", "spec"]),
        "ControllerRevision" => v.at(&["data", "spec", "template", "spec"]),
        _ => spec.at(&["template", "spec"]),
    };
    let annotations = annotations(meta);
    let state = WorkloadState {
        kind: kind.to_owned(),
        namespace: meta.get("namespace").owned(),
        uid: meta.get("uid").owned(),
        created: meta.get("creationTimestamp").time(),
        revision: v.get("revision").u64().or_else(|| annotations.get("deployment.kubernetes.io/revision")?.parse().ok()),
        controlled_by: controller(meta),
        replicas: spec.get("replicas").u64().or_else(|| status.get("desiredNumberScheduled").u64()),
        ready_replicas: status.get("readyReplicas").u64().or_else(|| status.get("numberReady").u64()),
        template: pod::containers_of(template),
        volumes: pod::volumes_of(template),
        labels: meta.get("labels").string_map(),
        annotations,
        name,
    };
    let who = Claim {
        namespace: state.namespace.as_deref().map(Into::into),
        workload_hint: Some(state.name.as_str().into()),
        ..Claim::default()
    };
    let cite = x.cite(meta.place("name").unwrap_or_default());
    x.state.out.workloads.push(Observation { at: RawTime::Absent, who, cite, what: state });
}
