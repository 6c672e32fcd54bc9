//! `nodes[]` of `postmem.inspect/1`: one entry per node, later copies filling what earlier ones lack.

use crate::model::Incident;
use crate::model::node::NodeState;
use serde_json::{Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    incident
        .nodes
        .iter()
        .map(|p| {
            let n: &NodeState = &p.what;
            json!({
                "name": n.name,
                "conditions": n.conditions.iter().map(|c| json!({"type": c.kind, "status": c.status, "reason": c.reason, "since": c.since, "heartbeat": c.heartbeat, "message": c.message})).collect::<Vec<_>>(),
                "capacity": n.capacity,
                "allocatable": n.allocatable,
                "allocated_requests": n.allocated_requests,
                "allocated_limits": n.allocated_limits,
                "system": n.system,
                "boot_id": n.boot_id,
                "taints": n.taints,
                "artifact": incident.path(p.cite.span.artifact),
                "line": p.cite.span.line,
                "byte_offset": p.cite.span.offset,
            })
        })
        .collect()
}
