//! What an object's sections mean: pod, node, or controller; and the events of any object.

use super::containers::resources;
use super::object::{Object, Section};
use super::paste::{Row, key_of};
use crate::formats::columns::{Columns, fields};
use crate::model::node::{CaptureHint, NodeState, SystemInfo};
use crate::model::pod::{Condition, PodState, Volume, WorkloadState};
use crate::model::quantity::parse_bytes;
use crate::model::time::{MINUTE, SECOND, parse_rfc1123};
use crate::model::{Cite, Claim, Facts, Observation, RawTime};
use std::collections::BTreeMap;

/// Kind of an object, from keys that only this kind prints.
fn kind(o: &Object) -> &'static str {
    let rules: [(&str, &str); 9] = [
        ("StrategyType", "Deployment"),
        ("Desired Number of Nodes Scheduled", "DaemonSet"),
        ("Update Strategy", "StatefulSet"),
        ("Parallelism", "Job"),
        ("Pods Statuses", "Job"),
        ("System Info", "Node"),
        ("Non-terminated Pods", "Node"),
        ("Roles", "Node"),
        ("Unschedulable", "Node"),
    ];
    if let Some((_, k)) = rules.iter().find(|(key, _)| o.has(key)) {
        return k;
    }
    if o.has("Pod Template") {
        return if o.has("Volume Claims") { "StatefulSet" } else { "ReplicaSet" };
    }
    if !o.containers.is_empty() || o.has("Node") || o.has("Start Time") || o.has("QoS Class") { "Pod" } else { "" }
}

pub fn push(rows: &[Row<'_>], o: Object, out: &mut Facts) {
    let cite = |out: &Facts, n: usize| rows.get(n).map_or_else(Cite::default, |r| out.cite(r.offset, Some(r.number), r.raw().as_bytes()));
    let Some(name) = o.value("Name").map(str::to_owned) else { return };
    let kind = kind(&o);
    let namespace = o.value("Namespace").map(str::to_owned);
    let at = cite(out, o.start);
    let some = |s: &Option<String>| s.as_deref().map(Into::into);
    let mut who = Claim { namespace: some(&namespace), ..Claim::default() };
    match kind {
        "Pod" => {
            let p = pod(rows, &o, &name, &namespace);
            who.pod = Some(name.as_str().into());
            who.node = some(&p.node);
            who.pod_uid = some(&p.uid);
            out.pods.push(Observation { at: RawTime::Absent, who: who.clone(), cite: at, what: p });
        }
        "Node" => {
            who = Claim { node: Some(name.as_str().into()), ..Claim::default() };
            let n = node(rows, &o, &name);
            let mut hints: Vec<_> = CaptureHint::of_heartbeats(&n.conditions).into_iter().collect();
            // A kubelet renews its lease every ten seconds; one that does not answer any more gives a lower bound only.
            if let Some(t) = child(rows, &o, "Lease", "RenewTime").and_then(parse_rfc1123) {
                let alive = hints.first().is_some_and(|(_, h)| h.slack_ns != i64::MAX);
                hints.push((t, CaptureHint { basis: "node lease", slack_ns: if alive { MINUTE } else { i64::MAX } }));
            }
            for (t, hint) in hints {
                let at = RawTime::Utc { at: t, precision: SECOND };
                out.captures.push(Observation { at, who: who.clone(), cite: cite(out, o.start), what: hint });
            }
            out.nodes.push(Observation { at: RawTime::Absent, who: who.clone(), cite: at, what: n });
        }
        "" => {}
        _ => {
            who.workload_hint = Some(name.as_str().into());
            let w = workload(rows, &o, kind, &name, &namespace);
            out.workloads.push(Observation { at: RawTime::Absent, who: who.clone(), cite: at, what: w });
        }
    }
    for f in o.events {
        let mut e = f.event;
        e.object_kind = (!kind.is_empty()).then(|| kind.to_owned());
        e.object_namespace = namespace.clone();
        e.object_name = Some(name.clone());
        let mut who = who.clone();
        who.container = e.container.as_deref().map(Into::into);
        let cite = cite(out, f.row);
        out.events.push(Observation { at: e.last.clone(), who, cite, what: e });
    }
}

fn body<'r, 'a>(rows: &'r [Row<'a>], s: Option<&Section>) -> &'r [Row<'a>] {
    s.and_then(|s| rows.get(s.body.clone())).unwrap_or(&[])
}

/// Value of `key` below the section `of`.
fn child<'r>(rows: &'r [Row<'_>], o: &Object, of: &str, key: &str) -> Option<&'r str> {
    body(rows, o.section(of)).iter().filter_map(Row::key).find(|(k, _)| *k == key).map(|(_, v)| v)
}

fn absent(v: &str) -> bool {
    v.is_empty() || v.starts_with('<') && v.ends_with('>')
}

fn owned(v: &str) -> Option<String> {
    (!absent(v)).then(|| v.to_owned())
}

/// `key=value` lines of `Labels:`; the first stands on the key's own line.
fn labels(rows: &[Row<'_>], s: Option<&Section>) -> BTreeMap<String, String> {
    let first = s.map(|s| s.value.as_str()).filter(|v| !absent(v));
    let pairs = first.into_iter().chain(body(rows, s).iter().map(Row::text));
    pairs.filter_map(|l| l.split_once('=')).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())).collect()
}

/// `key: value` lines of `Annotations:`; a value of several lines stands deeper than its key.
fn annotations(rows: &[Row<'_>], s: Option<&Section>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let Some(s) = s.filter(|s| !absent(&s.value) || !s.body.is_empty()) else { return out };
    let lines = body(rows, Some(s));
    let level = lines.iter().filter(|r| !r.is_blank()).map(|r| r.indent).min();
    let first = key_of(&s.value).filter(|_| !s.value.is_empty());
    let rest = lines.iter().filter(|r| Some(r.indent) == level).filter_map(Row::key);
    for (k, v) in first.into_iter().chain(rest) {
        out.insert(k.to_owned(), v.to_owned());
    }
    out
}

fn pod(rows: &[Row<'_>], o: &Object, name: &str, namespace: &Option<String>) -> PodState {
    let status = o.value("Status");
    let deleting = status.is_some_and(|s| s.starts_with("Terminating"));
    let mut p = PodState {
        namespace: namespace.clone(),
        name: name.to_owned(),
        node: o.value("Node").map(|n| n.split('/').next().unwrap_or(n).to_owned()),
        phase: status.map(|s| s.split(" (").next().unwrap_or(s).to_owned()),
        reason: o.value("Reason").map(str::to_owned),
        message: o.value("Message").map(str::to_owned),
        qos: o.value("QoS Class").map(str::to_owned),
        priority: o.value("Priority").and_then(|v| v.parse().ok()),
        controlled_by: o.value("Controlled By").map(str::to_owned),
        start_time: o.value("Start Time").and_then(parse_rfc1123),
        deleting,
        labels: labels(rows, o.section("Labels")),
        annotations: annotations(rows, o.section("Annotations")),
        containers: o.containers.clone(),
        volumes: volumes(rows, o.section("Volumes")),
        conditions: conditions(rows, o.section("Conditions")),
        ..PodState::default()
    };
    // Pod-level resources: `Limits:` and `Requests:` below `Resources:`.
    if let Some(s) = o.section("Resources") {
        for n in s.body.clone() {
            let Some(r) = rows.get(n) else { break };
            match r.key() {
                Some(("Limits", _)) => drop(resources(rows, n + 1, r.indent, &mut p.limits)),
                Some(("Requests", _)) => drop(resources(rows, n + 1, r.indent, &mut p.requests)),
                _ => {}
            }
        }
    }
    p.uid = o.events.iter().find_map(|f| uid_in(&f.event.message, name, namespace.as_deref()?));
    p
}

/// The kubelet's back-off messages end in `pod NAME_NAMESPACE(UID)`; describe shows the UID nowhere else. Events are looked
/// up by the object's UID, so it is this pod's.
fn uid_in(message: &str, name: &str, namespace: &str) -> Option<String> {
    let after = message.split(&format!("{name}_{namespace}(")).nth(1)?;
    let uid = after.split(')').next()?;
    (uid.len() >= 32 && uid.chars().all(|c| c.is_ascii_hexdigit() || c == '-')).then(|| uid.to_owned())
}

fn volumes(rows: &[Row<'_>], s: Option<&Section>) -> Vec<Volume> {
    let lines = body(rows, s);
    let Some(level) = lines.iter().find(|r| !r.is_blank()).map(|r| r.indent) else { return Vec::new() };
    let mut out: Vec<Volume> = Vec::new();
    for r in lines {
        if r.indent == level {
            if let Some(name) = r.text().strip_suffix(':') {
                out.push(Volume { name: name.to_owned(), ..Volume::default() });
            }
        } else if let (Some(v), Some((key, value))) = (out.last_mut(), r.key()) {
            match key {
                "Type" => v.kind = value.split(" (").next().and_then(owned),
                "Medium" => v.medium = owned(value),
                "SizeLimit" => v.size_limit_bytes = parse_bytes(value),
                _ => {}
            }
        }
    }
    out
}

/// `Type Status [LastHeartbeatTime LastTransitionTime Reason Message]`.
fn conditions(rows: &[Row<'_>], s: Option<&Section>) -> Vec<Condition> {
    let mut lines = body(rows, s).iter().filter(|r| !r.is_blank());
    let Some(header) = lines.next().filter(|r| r.text().starts_with("Type")) else { return Vec::new() };
    let columns = Columns::of(header.raw());
    let mut out = Vec::new();
    for r in lines.filter(|r| !r.text().starts_with("----")) {
        let cells = columns.cells(r.raw()).filter(|c| c.first().is_some_and(|f| !f.is_empty()));
        let Some(cells) = cells else {
            // A pod's rows have two cells, which a squeezed paste leaves a single blank apart.
            if let Some((kind, status)) = r.text().split_once(' ') {
                out.push(Condition { kind: kind.into(), status: status.trim().into(), ..Condition::default() });
            }
            continue;
        };
        let cell = |name: &str| columns.cell(&cells, name).and_then(owned);
        out.push(Condition {
            kind: cell("Type").unwrap_or_default(),
            status: cell("Status").unwrap_or_default(),
            reason: cell("Reason"),
            message: cell("Message"),
            since: cell("LastTransitionTime").and_then(|t| parse_rfc1123(&t)),
            heartbeat: cell("LastHeartbeatTime").and_then(|t| parse_rfc1123(&t)),
        });
    }
    out
}

fn node(rows: &[Row<'_>], o: &Object, name: &str) -> NodeState {
    let info = |key: &str| child(rows, o, "System Info", key).and_then(owned);
    let mut n = NodeState {
        name: name.to_owned(),
        conditions: conditions(rows, o.section("Conditions")),
        system: SystemInfo {
            kernel: info("Kernel Version"),
            os_image: info("OS Image"),
            container_runtime: info("Container Runtime Version"),
            kubelet: info("Kubelet Version"),
        },
        boot_id: info("Boot ID"),
        labels: labels(rows, o.section("Labels")),
        annotations: annotations(rows, o.section("Annotations")),
        ..NodeState::default()
    };
    let section = |key: &str| o.section(key).map(|s| s.body.start);
    let base = rows.get(o.start).map_or(0, |r| r.indent);
    if let Some(at) = section("Capacity") {
        resources(rows, at, base, &mut n.capacity);
    }
    if let Some(at) = section("Allocatable") {
        resources(rows, at, base, &mut n.allocatable);
    }
    if let Some(s) = o.section("Taints") {
        let more = body(rows, Some(s)).iter().map(Row::text);
        n.taints = std::iter::once(s.value.as_str()).chain(more).filter(|t| !absent(t)).map(str::to_owned).collect();
    }
    for r in body(rows, o.section("Non-terminated Pods")) {
        let mut f = fields(r.text());
        let (Some(ns), Some(pod)) = (f.next(), f.next()) else { continue };
        if f.count() >= 4 && ns != "Namespace" && !ns.starts_with("---") {
            n.pods.push(format!("{ns}/{pod}"));
        }
    }
    for r in body(rows, o.section("Allocated resources")) {
        // `memory   5355Mi (35%)  6932161089500m (43%)`
        let mut f = fields(r.text());
        if f.next() == Some("memory") {
            let mut amount = || f.next().and_then(|v| parse_bytes(v.split(" (").next().unwrap_or(v)));
            n.allocated_requests.memory_bytes = amount();
            n.allocated_limits.memory_bytes = amount();
        }
    }
    n
}

fn workload(rows: &[Row<'_>], o: &Object, kind: &str, name: &str, namespace: &Option<String>) -> WorkloadState {
    let annotations = annotations(rows, o.section("Annotations"));
    let number = |text: &str, word: &str| {
        // `2 desired | 2 updated`, `2 current / 2 desired`: the number stands before its word.
        text.split(['|', '/']).find_map(|p| p.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
    };
    let replicas = o.value("Replicas");
    let plain = |key: &str| o.value(key).and_then(|v| v.parse().ok());
    WorkloadState {
        kind: kind.to_owned(),
        namespace: namespace.clone(),
        name: name.to_owned(),
        created: o.value("CreationTimestamp").and_then(parse_rfc1123),
        revision: annotations.get("deployment.kubernetes.io/revision").and_then(|r| r.parse().ok()),
        controlled_by: o.value("Controlled By").map(str::to_owned),
        replicas: replicas.and_then(|r| number(r, "desired")).or_else(|| plain("Desired Number of Nodes Scheduled")),
        ready_replicas: replicas
            .and_then(|r| number(r, "available"))
            .or_else(|| o.value("Pods Status").and_then(|s| number(s, "Running")))
            .or_else(|| plain("Number of Nodes Scheduled with Available Pods")),
        template: o.containers.clone(),
        volumes: volumes(rows, o.template.iter().find(|s| s.key == "Volumes")),
        labels: labels(rows, o.section("Labels")),
        annotations,
        ..WorkloadState::default()
    }
}
