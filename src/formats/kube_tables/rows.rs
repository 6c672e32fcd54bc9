//! Rows of a table whose header is known, and the facts they become.

use super::Kind;
use crate::formats::columns::Columns;
use crate::model::node::{NodeState, SystemInfo};
use crate::model::pod::{Condition, KubeEvent, PodState, UsageReading, WorkloadState};
use crate::model::quantity::{parse_bytes, parse_cpu_millis};
use crate::model::time::{parse_age, parse_age_or_instant};
use crate::model::{Cite, Claim, Facts, Observation, RawTime};

/// A row, understood.
pub enum Found {
    Pod(Box<PodState>),
    Node(NodeState),
    Event(KubeEvent),
    Usage(Claim, UsageReading),
    Workload(WorkloadState),
    /// A row of the table that states nothing: a rule, a sum.
    Nothing,
}

impl Found {
    /// `at` is the moment that a line of `date` before the table states, of which only readings are.
    pub fn push(self, at: &RawTime, cite: Cite, out: &mut Facts) {
        let some = |s: &Option<String>| s.as_deref().map(Into::into);
        match self {
            Found::Pod(p) => {
                let who =
                    Claim { namespace: some(&p.namespace), pod: Some(p.name.as_str().into()), node: some(&p.node), ..Claim::default() };
                out.pods.push(Observation { at: RawTime::Absent, who, cite, what: *p });
            }
            Found::Node(n) => {
                let who = Claim { node: Some(n.name.as_str().into()), ..Claim::default() };
                out.nodes.push(Observation { at: RawTime::Absent, who, cite, what: n });
            }
            Found::Event(e) => {
                let mut who = Claim { namespace: some(&e.object_namespace), ..Claim::default() };
                match e.object_kind.as_deref() {
                    Some("Pod") => {
                        who.pod = some(&e.object_name);
                        who.container = some(&e.container);
                    }
                    Some("Node") => {
                        who.namespace = None;
                        who.node = some(&e.object_name);
                    }
                    _ => who.workload_hint = some(&e.object_name),
                }
                out.events.push(Observation { at: e.last.clone(), who, cite, what: e });
            }
            Found::Usage(who, u) => out.usage.push(Observation { at: at.clone(), who, cite, what: u }),
            Found::Workload(w) => {
                let who = Claim { namespace: some(&w.namespace), workload_hint: Some(w.name.as_str().into()), ..Claim::default() };
                out.workloads.push(Observation { at: RawTime::Absent, who, cite, what: w });
            }
            Found::Nothing => {}
        }
    }
}

fn owned(v: &str) -> Option<String> {
    let placeholder = v.starts_with('<') && v.ends_with('>');
    (!v.is_empty() && !placeholder).then(|| v.to_owned())
}

/// `get all` writes the kind before the name: `pod/api-0`, `deployment.apps/api`.
fn bare(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, n)| n)
}

/// Names that users give to columns of restarts and exit codes.
pub const RESTARTS: [&str; 5] = ["RESTARTS", "RESTART", "RESTART_COUNT", "RESTARTCOUNT", "RESTART COUNT"];
pub const CODES: [&str; 6] = ["CODE", "EXIT", "EXITCODE", "EXIT_CODE", "EXIT-CODE", "EXIT CODE"];

pub fn read(kind: Kind, columns: &Columns<'_>, raw: &str) -> Option<Found> {
    if raw.trim_start().starts_with("____") {
        return Some(Found::Nothing);
    }
    let cells = columns.cells(raw)?;
    let cell = |name: &str| columns.cell(&cells, name);
    let namespace = cell("NAMESPACE").and_then(owned);
    let name = || cell("NAME").map(bare);
    match kind {
        Kind::Pods => {
            let status = cell("STATUS")?;
            let restarts = cell("RESTARTS")?;
            let mut p = pod(namespace, name()?, status, restarts)?;
            p.node = cell("NODE").and_then(owned);
            if let Some(labels) = cell("LABELS").and_then(owned) {
                p.labels = labels.split(',').filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            }
            Some(Found::Pod(Box::new(p)))
        }
        Kind::PodColumns => {
            let any = |names: &[&str]| names.iter().find_map(|n| cell(n)).and_then(owned);
            let mut p = PodState {
                namespace: any(&["NAMESPACE", "NS"]),
                name: any(&["NAME", "POD"]).map(|n| bare(&n).to_owned())?,
                ..PodState::default()
            };
            p.node = any(&["NODE", "NODENAME", "NODE_NAME"]);
            p.phase = any(&["PHASE"]);
            p.status = any(&["STATUS"]);
            p.qos = any(&["QOS", "QOSCLASS", "QOS_CLASS"]);
            // Several containers stand in one cell: `3,0`, `OOMKilled,<none>`; their sum and the kill are what is sure.
            p.restart_count =
                any(&RESTARTS).and_then(|r| r.split(',').try_fold(0u64, |all, n| Some(all.saturating_add(n.trim().parse().ok()?))));
            let reason = any(&["REASON", "LAST_REASON", "LAST REASON", "LASTREASON", "TERMINATED", "LAST STATE", "LASTSTATE"]);
            if p.status.is_none() && reason.is_some_and(|r| r.split(',').any(|r| r.trim() == "OOMKilled")) {
                p.status = Some("OOMKilled".into());
            }
            Some(Found::Pod(Box::new(p)))
        }
        Kind::Nodes => {
            let mut n = node(name()?, cell("STATUS")?, cell("VERSION")?);
            n.system.kernel = cell("KERNEL-VERSION").and_then(owned);
            n.system.os_image = cell("OS-IMAGE").and_then(owned);
            n.system.container_runtime = cell("CONTAINER-RUNTIME").and_then(owned);
            Some(Found::Node(n))
        }
        Kind::Events => {
            let object = cell("OBJECT").map(str::to_owned).or_else(|| {
                // Up to 1.13: the object's name and kind in columns of their own.
                Some(format!("{}/{}", cell("KIND")?, cell("NAME")?))
            })?;
            let age = cell("LAST SEEN").or_else(|| cell("LASTSEEN")).unwrap_or("");
            let mut e = event(namespace, age, cell("TYPE"), cell("REASON")?, &object, cell("MESSAGE").unwrap_or(""));
            e.source = cell("SOURCE").map(|s| s.split(',').next().unwrap_or(s).trim().to_owned());
            e.container = e.container.or_else(|| cell("SUBOBJECT").and_then(KubeEvent::container_of));
            if let Some(first) = cell("FIRST SEEN").or_else(|| cell("FIRSTSEEN")).and_then(parse_age_or_instant) {
                e.first = first;
            }
            if let Some(count) = cell("COUNT").and_then(|c| c.parse().ok()).filter(|&n: &u64| n > 0) {
                e.count = Some(count);
            }
            Some(Found::Event(e))
        }
        Kind::Top => {
            let (cpu, memory) = (cell("CPU(cores)").unwrap_or(""), cell("MEMORY(bytes)").unwrap_or(""));
            let percent = cell("MEMORY(%)").or_else(|| cell("MEMORY%"));
            let who = match (cell("POD"), cell("NAME")) {
                (Some(pod), Some(container)) => Claim::container(namespace.as_deref().unwrap_or(""), pod, container),
                (None, Some(node)) if percent.is_some() => Claim { node: Some(node.into()), ..Claim::default() },
                (None, Some(pod)) => Claim::container(namespace.as_deref().unwrap_or(""), pod, ""),
                // The sum below the rule has no name.
                _ => return Some(Found::Nothing),
            };
            usage(who, cpu, memory, percent)
        }
        Kind::Workload(kind) => {
            let count = |v: Option<&str>| v.and_then(|v| v.parse::<u64>().ok());
            let ready = cell("READY").unwrap_or("");
            let (ready, total) = ready.split_once('/').map_or((Some(ready), None), |(a, b)| (Some(a), Some(b)));
            Some(Found::Workload(WorkloadState {
                kind: kind.to_owned(),
                namespace,
                name: name()?.to_owned(),
                replicas: count(total).or_else(|| count(cell("DESIRED"))),
                ready_replicas: count(ready),
                ..WorkloadState::default()
            }))
        }
        Kind::Other => None,
    }
}

/// `RESTARTS` is `7` or `7 (3m ago)`.
pub fn pod(namespace: Option<String>, name: &str, status: &str, restarts: &str) -> Option<PodState> {
    let (count, ago) = restarts.split_once(" (").map_or((restarts, None), |(n, a)| (n, a.strip_suffix(" ago)")));
    let restart_count = count.trim().parse().ok()?;
    let plain = matches!(status, "Running" | "Pending" | "Succeeded" | "Failed" | "Unknown");
    Some(PodState {
        namespace,
        name: name.to_owned(),
        status: Some(status.to_owned()),
        // STATUS is made up from several fields; only these words can be nothing but the phase of a pod.
        phase: (plain && status != "Running").then(|| status.to_owned()),
        deleting: status == "Terminating",
        restart_count: Some(restart_count),
        last_restart: ago.and_then(parse_age).unwrap_or_default(),
        ..PodState::default()
    })
}

pub fn node(name: &str, status: &str, version: &str) -> NodeState {
    let ready = status.split(',').next().unwrap_or(status);
    let said = match ready {
        "Ready" => "True",
        "NotReady" => "False",
        _ => "Unknown",
    };
    NodeState {
        name: name.to_owned(),
        conditions: vec![Condition { kind: "Ready".into(), status: said.into(), ..Condition::default() }],
        system: SystemInfo { kubelet: owned(version), ..SystemInfo::default() },
        ..NodeState::default()
    }
}

pub fn event(namespace: Option<String>, age: &str, kind: Option<&str>, reason: &str, object: &str, message: &str) -> KubeEvent {
    let (object_kind, object_name) = object.split_once('/').unwrap_or(("", object));
    let mut e = KubeEvent {
        kind: kind.and_then(owned),
        reason: reason.to_owned(),
        object_kind: (!object_kind.is_empty()).then(|| proper_kind(object_kind)),
        object_name: owned(object_name),
        object_namespace: namespace,
        message: message.to_owned(),
        ..KubeEvent::default()
    };
    e.set_age(age);
    e.take_container_prefix();
    e
}

/// `get events` prints kinds in lower case.
fn proper_kind(kind: &str) -> String {
    let known = ["Pod", "Node", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "HorizontalPodAutoscaler"];
    known.iter().find(|k| k.eq_ignore_ascii_case(kind)).map_or_else(|| kind.to_owned(), |k| (*k).to_owned())
}

pub fn usage(who: Claim, cpu: &str, memory: &str, percent: Option<&str>) -> Option<Found> {
    if cpu == "<unknown>" || memory == "<unknown>" {
        return Some(Found::Nothing);
    }
    let reading = UsageReading {
        working_set_bytes: Some(parse_bytes(memory)?),
        cpu_millis: parse_cpu_millis(cpu),
        percent: percent.and_then(|p| p.trim_end_matches('%').parse().ok()),
        window_seconds: None,
    };
    Some(Found::Usage(who, reading))
}
