//! `pods[]` of `postmem.inspect/1`.

use crate::model::pod::{ContainerRun, ContainerState, PodState};
use crate::model::{Incident, Placed};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    incident.pods.iter().map(|p| pod(incident, p)).collect()
}

/// `policies[]`: what sets or bounds sizes.
pub fn policies(incident: &Incident) -> Vec<Value> {
    incident
        .policies
        .iter()
        .map(|p| {
            let w = &p.what;
            json!({"kind": w.kind, "namespace": w.namespace, "name": w.name, "target": w.target, "values": w.values,
                "artifact": incident.path(p.cite.span.artifact), "line": p.cite.span.line})
        })
        .collect()
}

fn pod(incident: &Incident, placed: &Placed<PodState>) -> Value {
    let p = &placed.what;
    let workload =
        placed.owner.workload.clone().or_else(|| p.controlled_by.as_deref().map(|c| c.rsplit('/').next().unwrap_or(c).to_owned()));
    json!({
        "namespace": p.namespace,
        "name": p.name,
        "uid": p.uid,
        "node": p.node,
        "phase": p.phase,
        "status": p.status,
        "restart_count": p.restart_count.or_else(|| p.containers.iter().filter_map(|c| c.restart_count).reduce(u64::saturating_add)),
        "qos": p.qos,
        "workload": workload,
        "controlled_by": p.controlled_by,
        "start_time": p.start_time,
        "created": p.created,
        "deleting": p.deleting,
        "reason": p.reason,
        "message": p.message,
        "limits": p.limits,
        "requests": p.requests,
        "containers": p.containers.iter().map(container).collect::<Vec<_>>(),
        "conditions": p.conditions,
        "artifact": incident.path(placed.cite.span.artifact),
        "line": placed.cite.span.line,
        "byte_offset": placed.cite.span.offset,
    })
}

fn container(c: &ContainerState) -> Value {
    // Values leave the program only through `redact`, which knows what of them may be read.
    let env: Map<String, Value> = c.env.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    json!({
        "name": c.name,
        "kind": c.kind,
        "container_id": c.container_id,
        "image": c.image,
        "state": c.now.state,
        "reason": c.now.reason,
        "exit_code": c.now.exit_code,
        "signal": c.now.signal,
        "started": c.now.started,
        "finished": c.now.finished,
        "last_state": c.last.as_ref().map(last),
        "ready": c.ready,
        "restart_count": c.restart_count,
        "limits": c.limits,
        "requests": c.requests,
        "limits_in_force": c.limits_in_force,
        "env": env,
        "line": c.line,
        "byte_offset": c.offset,
    })
}

fn last(r: &ContainerRun) -> Value {
    json!({"state": r.state, "reason": r.reason, "exit_code": r.exit_code, "signal": r.signal, "started": r.started, "finished": r.finished})
}
