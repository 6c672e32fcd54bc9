//! The container runtime interface as crictl prints it: protobuf's JSON, 64-bit numbers as strings, times in nanoseconds
//! (`inspect` turns them into RFC 3339). `info` is the runtime's own addition: containerd and CRI-O put the OCI runtime
//! specification there.

use super::names::Name;
use super::{Told, environment, instant, items, number, quota, size, text, words};
use crate::model::RawTime;
use crate::model::pod::{ContainerRun, ContainerState, Resources, bare_container_id};
use crate::model::time::SECOND;
use serde_json::Value;

/// The state's word in Kubernetes' terms.
fn state(word: &str) -> Option<String> {
    let word = match word {
        "CONTAINER_EXITED" => "terminated",
        "CONTAINER_RUNNING" => "running",
        "CONTAINER_CREATED" => "waiting",
        _ => return None,
    };
    Some(word.to_owned())
}

fn name(v: &Value) -> Name {
    let meta = &v["metadata"];
    let own = |key: &str| text(meta, key).map(str::to_owned);
    let mut name = Name::of_labels(&v["labels"]).unwrap_or_default();
    if meta.get("uid").is_some() {
        // A sandbox's metadata is the pod's.
        name.sandbox = true;
        name.container = None;
        (name.pod, name.namespace, name.pod_uid) = (own("name"), own("namespace"), own("uid"));
    } else {
        name.sandbox = false;
        name.container = name.container.or_else(|| own("name"));
        let counted = text(&v["annotations"], "io.kubernetes.container.restartCount").and_then(|n| n.parse().ok());
        name.attempt = counted.or_else(|| number(&meta["attempt"]).and_then(|n| u64::try_from(n).ok()));
    }
    name
}

/// An entry of `crictl ps` or `crictl pods`.
pub fn listed(told: &mut Told<'_, '_, '_>, v: &Value) {
    let Some(id) = text(v, "id") else { return };
    let name = name(v);
    let c = ContainerState {
        name: name.container.clone().unwrap_or_default(),
        image: image(v),
        now: ContainerRun { state: text(v, "state").and_then(state), ..ContainerRun::default() },
        restart_count: name.attempt,
        ..ContainerState::default()
    };
    told.container(name, c, id);
}

/// The image as the pod asked for it.
fn image(v: &Value) -> Option<String> {
    let image = &v["image"];
    text(image, "userSpecifiedImage").or_else(|| text(image, "image")).map(str::to_owned)
}

/// `crictl inspect` and `crictl inspectp`.
pub fn inspected(told: &mut Told<'_, '_, '_>, v: &Value) {
    let (status, spec) = (&v["status"], &v["info"]["runtimeSpec"]);
    let Some(id) = text(status, "id") else { return };
    let name = name(status);
    let state = text(status, "state").and_then(state);
    let ended = state.as_deref() == Some("terminated");
    let (set, oci) = (&status["resources"]["linux"], &spec["linux"]["resources"]);
    let limits = Resources {
        memory_bytes: size(&set["memoryLimitInBytes"]).or_else(|| size(&oci["memory"]["limit"])),
        cpu_millis: quota(set, "cpuQuota", "cpuPeriod").or_else(|| quota(&oci["cpu"], "quota", "period")),
    };
    let c = ContainerState {
        name: name.container.clone().unwrap_or_default(),
        image: image(status),
        now: ContainerRun {
            reason: text(status, "reason").filter(|_| ended).map(str::to_owned),
            message: text(status, "message").map(str::to_owned),
            exit_code: number(&status["exitCode"]).filter(|_| ended).and_then(|n| i32::try_from(n).ok()),
            signal: None,
            started: instant(&status["startedAt"]),
            finished: instant(&status["finishedAt"]).filter(|_| ended),
            state,
            container_id: bare_container_id(id).filter(|_| ended),
        },
        restart_count: name.attempt,
        limits,
        env: environment(items(&spec["process"], "env")),
        command: words(items(&spec["process"], "args")),
        ..ContainerState::default()
    };
    told.container(name, c, id);
}

/// An entry of `crictl stats`, or of `crictl statsp` with the pod's containers in it.
pub fn stats(told: &mut Told<'_, '_, '_>, v: &Value) {
    let containers = items(&v["linux"], "containers");
    for s in std::iter::once(v).filter(|_| containers.is_empty()).chain(containers) {
        let (whose, memory) = (&s["attributes"], &s["memory"]);
        let Some(id) = text(whose, "id") else { continue };
        let name = name(whose);
        let at = instant(&memory["timestamp"]).map_or(RawTime::Absent, |at| RawTime::Utc { at, precision: SECOND });
        if !name.sandbox {
            told.usage(&name, at, id, size(&memory["workingSetBytes"]["value"]));
        }
    }
}
