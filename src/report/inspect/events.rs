//! `events[]` of `postmem.inspect/1`, and the readings of `top` and the metrics API as one-sample entries of `series[]`.

use crate::model::pod::KubeEvent;
use crate::model::series::WORKING_SET;
use crate::model::{Incident, Placed};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    incident.events.iter().map(|p| event(incident, p)).collect()
}

fn event(incident: &Incident, placed: &Placed<KubeEvent>) -> Value {
    let e = &placed.what;
    json!({
        "first": e.first_at,
        "last": placed.at,
        "count": e.count,
        "type": e.kind,
        "reason": e.reason,
        "object": {"kind": e.object_kind, "namespace": e.object_namespace, "name": e.object_name},
        "container": e.container,
        "source": e.source,
        "message": e.message,
        "artifact": incident.path(placed.cite.span.artifact),
        "line": placed.cite.span.line,
        "byte_offset": placed.cite.span.offset,
    })
}

/// Alerts as Prometheus or Alertmanager gave them.
pub fn alerts(incident: &Incident) -> Vec<Value> {
    incident
        .alerts
        .iter()
        .map(|p| {
            let a = &p.what;
            json!({
                "time": p.at,
                "ended": a.ended,
                "name": a.name,
                "state": a.state,
                "severity": a.severity,
                "summary": a.summary,
                "expression": a.expression,
                "source": a.source,
                "owner": p.owner,
                "artifact": incident.path(p.cite.span.artifact),
                "line": p.cite.span.line,
                "byte_offset": p.cite.span.offset,
            })
        })
        .collect()
}

/// Working sets read at one moment.
pub fn usage(incident: &Incident) -> Vec<Value> {
    incident
        .usage
        .iter()
        .filter_map(|p| {
            let bytes = p.what.working_set_bytes?;
            let mut labels = Map::new();
            let o = &p.owner;
            let on_pod = o.pod.is_some();
            for (key, value) in
                [("namespace", &o.namespace), ("pod", &o.pod), ("container", &o.container), ("node", if on_pod { &None } else { &o.node })]
            {
                if let Some(v) = value {
                    labels.insert(key.into(), json!(v));
                }
            }
            Some(json!({
                "metric": if on_pod { WORKING_SET } else { "node_memory_working_set_bytes" },
                "labels": labels,
                "unit": "bytes",
                "kind": "gauge",
                "samples": 1,
                "first_time": p.at.is_known().then_some(p.at.earliest),
                "last_time": p.at.is_known().then_some(p.at.latest),
                "first": bytes,
                "last": bytes,
                "min": bytes,
                "max": bytes,
                "resets": 0,
                "artifact": incident.path(p.cite.span.artifact),
                "line": p.cite.span.line,
            }))
        })
        .collect()
}
