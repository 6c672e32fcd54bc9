//! Pods and pod templates: specification and status of each container joined by name (core/v1 Pod).

use super::tree::{Place, Value};
use super::{Extract, annotations, config, controller};
use crate::model::pod::{Condition, ContainerKind, ContainerRun, ContainerState, PodState, Resources, Volume, bare_container_id};
use crate::model::quantity::{parse_bytes, parse_cpu_millis};
use crate::model::{Claim, Observation, RawTime};
use std::collections::BTreeMap;

const FLAVOURS: [(&str, &str, ContainerKind); 3] = [
    ("initContainers", "initContainerStatuses", ContainerKind::Init),
    ("containers", "containerStatuses", ContainerKind::Main),
    ("ephemeralContainers", "ephemeralContainerStatuses", ContainerKind::Ephemeral),
];

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>) {
    let (meta, spec, status) = (v.get("metadata"), v.get("spec"), v.get("status"));
    let Some(name) = meta.get("name").owned() else {
        return x.state.out.note("unnamed-object", None, None, || "a pod without a name (a manifest's template or a cut object)".into());
    };
    let mut containers = containers_of(spec);
    for (_, key, kind) in FLAVOURS {
        for s in status.get(key).items() {
            let Some(cname) = s.get("name").owned() else { continue };
            // Sidecars stand among the init containers.
            let listed = |k: ContainerKind| k == kind || (k == ContainerKind::Sidecar && kind == ContainerKind::Init);
            let known = containers.iter_mut().find(|c| c.name == cname && listed(c.kind));
            match known {
                Some(c) => status_of(s, c),
                None => {
                    let mut c = ContainerState { name: cname, kind, ..ContainerState::default() };
                    status_of(s, &mut c);
                    containers.push(c);
                }
            }
        }
    }
    let pod = PodState {
        namespace: meta.get("namespace").owned(),
        uid: meta.get("uid").owned(),
        resource_version: meta.get("resourceVersion").owned(),
        node: spec.get("nodeName").owned(),
        phase: status.get("phase").owned(),
        past_status: Vec::new(),
        status: None,
        reason: status.get("reason").owned(),
        message: status.get("message").owned(),
        qos: status.get("qosClass").owned(),
        priority: spec.get("priority").i64(),
        controlled_by: controller(meta),
        start_time: status.get("startTime").time(),
        created: meta.get("creationTimestamp").time(),
        deleting: meta.has("deletionTimestamp"),
        deleted_at: meta.get("deletionTimestamp").time(),
        grace_seconds: meta.get("deletionGracePeriodSeconds").u64(),
        labels: meta.get("labels").string_map(),
        annotations: annotations(meta),
        restart_count: None,
        last_restart: RawTime::Absent,
        limits: resources(spec.at(&["resources", "limits"])),
        requests: resources(spec.at(&["resources", "requests"])),
        containers,
        volumes: volumes_of(spec),
        configs: config::named_by(spec),
        conditions: conditions(status),
        name,
    };
    let some = |s: &Option<String>| s.as_deref().map(Into::into);
    let who = Claim {
        pod_uid: some(&pod.uid),
        namespace: some(&pod.namespace),
        pod: Some(pod.name.as_str().into()),
        node: some(&pod.node),
        ..Claim::default()
    };
    let cite = x.cite(meta.place("name").unwrap_or_default());
    x.state.out.pods.push(Observation { at: RawTime::Absent, who, cite, what: pod });
}

/// The containers that a pod specification lists, of all three flavours.
pub fn containers_of(spec: &Value<'_>) -> Vec<ContainerState> {
    let mut out = Vec::new();
    for (key, _, kind) in FLAVOURS {
        for c in spec.get(key).items() {
            let Some(name) = c.get("name").owned() else { continue };
            let place = c.place("name").unwrap_or_default();
            let beside = kind == ContainerKind::Init && c.get("restartPolicy").text() == Some("Always");
            let kind = if beside { ContainerKind::Sidecar } else { kind };
            out.push(ContainerState {
                name,
                kind,
                image: c.get("image").owned(),
                limits: resources(c.at(&["resources", "limits"])),
                requests: resources(c.at(&["resources", "requests"])),
                env: env(c),
                command: words(c.get("command")),
                args: words(c.get("args")),
                mounts: c.get("volumeMounts").items().filter_map(|m| Some((m.get("mountPath").owned()?, m.get("name").owned()?))).collect(),
                has_liveness_probe: c.get("livenessProbe").is_map(),
                line: Some(place.line),
                offset: Some(place.offset),
                ..ContainerState::default()
            });
        }
    }
    out
}

/// Fills in what a container status says.
fn status_of(s: &Value<'_>, c: &mut ContainerState) {
    c.container_id = s.get("containerID").text().and_then(bare_container_id);
    if c.image.is_none() {
        c.image = s.get("image").owned();
    }
    c.ready = s.get("ready").bool();
    c.restart_count = s.get("restartCount").u64();
    let (now, now_at) = run(s.get("state"));
    let (last, last_at) = run(s.get("lastState"));
    c.now = now;
    c.last = last.state.is_some().then_some(last);
    let in_force = resources(s.at(&["resources", "limits"]));
    c.limits_in_force = (in_force != Resources::default()).then_some(in_force);
    // The place that proves an ending is where its reason or exit code stands.
    let ended_now = c.now.state.as_deref() == Some("terminated");
    let place = if ended_now { now_at.or(last_at) } else { last_at.or(now_at) };
    if let Some(p) = place.or_else(|| s.place("name")) {
        c.line = Some(p.line);
        c.offset = Some(p.offset);
    }
}

fn run(state: &Value<'_>) -> (ContainerRun, Option<Place>) {
    for word in ["terminated", "running", "waiting"] {
        let s = state.get(word);
        if !s.is_map() {
            continue;
        }
        let code = |key: &str| s.get(key).i64().and_then(|v| i32::try_from(v).ok());
        let run = ContainerRun {
            state: Some(word.to_owned()),
            reason: s.get("reason").owned(),
            message: s.get("message").owned(),
            exit_code: code("exitCode"),
            signal: code("signal").filter(|&n| n != 0),
            started: s.get("startedAt").time(),
            finished: s.get("finishedAt").time(),
            container_id: s.get("containerID").text().and_then(bare_container_id),
        };
        return (run, s.place("reason").or_else(|| s.place("exitCode")).or_else(|| state.place(word)));
    }
    (ContainerRun::default(), None)
}

pub fn resources(v: &Value<'_>) -> Resources {
    Resources { memory_bytes: v.get("memory").text().and_then(parse_bytes), cpu_millis: v.get("cpu").text().and_then(parse_cpu_millis) }
}

fn words(v: &Value<'_>) -> Vec<String> {
    v.items().filter_map(|w| w.text().map(str::to_owned)).collect()
}

/// Plain values as written; a reference is told in kubectl's words, never resolved.
fn env(c: &Value<'_>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for e in c.get("env").items() {
        let Some(name) = e.get("name").owned() else { continue };
        let from = e.get("valueFrom");
        let value = if let Some(v) = e.get("value").text() {
            v.to_owned()
        } else if from.is_map() {
            reference(from)
        } else {
            String::new()
        };
        out.insert(name, value);
    }
    out
}

fn reference(from: &Value<'_>) -> String {
    let of = |r: &Value<'_>, what: &str| {
        format!("<set to the key '{}' {what} '{}'>", r.get("key").text().unwrap_or(""), r.get("name").text().unwrap_or(""))
    };
    let text = |v: &Value<'_>, key: &str| v.get(key).text().unwrap_or("").to_owned();
    if from.has("secretKeyRef") {
        of(from.get("secretKeyRef"), "in secret")
    } else if from.has("configMapKeyRef") {
        of(from.get("configMapKeyRef"), "of config map")
    } else if from.has("resourceFieldRef") {
        format!("<set to {}>", text(from.get("resourceFieldRef"), "resource"))
    } else {
        format!("<set to {}>", text(from.get("fieldRef"), "fieldPath"))
    }
}

pub fn volumes_of(spec: &Value<'_>) -> Vec<Volume> {
    spec.get("volumes")
        .items()
        .filter_map(|v| {
            let name = v.get("name").owned()?;
            let source = v.entries().iter().find(|e| e.key != "name");
            let empty = v.get("emptyDir");
            Some(Volume {
                name,
                kind: source.map(|e| {
                    let mut chars = e.key.chars();
                    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
                }),
                medium: empty.get("medium").owned(),
                size_limit_bytes: empty.get("sizeLimit").text().and_then(parse_bytes),
            })
        })
        .collect()
}

pub fn conditions(status: &Value<'_>) -> Vec<Condition> {
    status
        .get("conditions")
        .items()
        .filter_map(|c| {
            Some(Condition {
                kind: c.get("type").owned()?,
                status: c.get("status").owned().unwrap_or_default(),
                reason: c.get("reason").owned(),
                message: c.get("message").owned(),
                since: c.get("lastTransitionTime").time(),
                heartbeat: c.get("lastHeartbeatTime").time(),
            })
        })
        .collect()
}
