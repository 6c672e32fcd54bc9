//! Nodes: conditions with heartbeats, capacity, versions (core/v1 Node).

use super::pod::{conditions, resources};
use super::tree::Value;
use super::{Extract, annotations};
use crate::model::node::{CaptureHint, NodeState, SystemInfo};
use crate::model::{Claim, Observation, RawTime};

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>) {
    let (meta, status) = (v.get("metadata"), v.get("status"));
    let Some(name) = meta.get("name").owned() else { return };
    let info = status.get("nodeInfo");
    let node = NodeState {
        uid: meta.get("uid").owned(),
        conditions: conditions(status),
        capacity: resources(status.get("capacity")),
        allocatable: resources(status.get("allocatable")),
        system: SystemInfo {
            kernel: info.get("kernelVersion").owned(),
            os_image: info.get("osImage").owned(),
            container_runtime: info.get("containerRuntimeVersion").owned(),
            kubelet: info.get("kubeletVersion").owned(),
        },
        boot_id: info.get("bootID").owned(),
        labels: meta.get("labels").string_map(),
        annotations: annotations(meta),
        taints: v
            .at(&["spec", "taints"])
            .items()
            .filter_map(|t| {
                let (key, effect) = (t.get("key").text()?, t.get("effect").text().unwrap_or(""));
                Some(match t.get("value").text().filter(|v| !v.is_empty()) {
                    Some(value) => format!("{key}={value}:{effect}"),
                    None => format!("{key}:{effect}"),
                })
            })
            .collect(),
        name,
        ..NodeState::default()
    };
    let who = Claim { node: Some(node.name.as_str().into()), ..Claim::default() };
    let cite = x.cite(meta.place("name").unwrap_or_default());
    if let Some((at, hint)) = CaptureHint::of_heartbeats(&node.conditions) {
        x.state.out.captures.push(Observation { at: RawTime::utc_s(at), who: who.clone(), cite: cite.clone(), what: hint });
    }
    x.state.out.nodes.push(Observation { at: RawTime::Absent, who, cite, what: node });
}
