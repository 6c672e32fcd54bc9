//! The Docker Engine's JSON (moby/api/types/container) and those who imitate it: podman, nerdctl in its docker-compatible and
//! its native mode. `OOMKilled` beside a running container tells of a child that was killed: the engine clears the word at
//! each start.

use super::names::Name;
use super::{Told, environment, instant, items, number, quota, size, text, words};
use crate::model::RawTime;
use crate::model::pod::{ContainerRun, ContainerState, Resources, bare_container_id};
use serde_json::Value;

/// The engine's state in Kubernetes' terms.
fn state(word: &str) -> Option<String> {
    let word = match word.to_ascii_lowercase().as_str() {
        "exited" | "dead" | "stopped" | "removing" => "terminated",
        "running" | "paused" => "running",
        "created" | "restarting" | "configured" | "initialized" => "waiting",
        _ => return None,
    };
    Some(word.to_owned())
}

fn name(labels: &Value, own: &str) -> Name {
    let from_name = Name::of_text(own);
    match Name::of_labels(labels) {
        Some(n) => Name { attempt: n.attempt.or(from_name.attempt), pod_uid: n.pod_uid.or(from_name.pod_uid), ..n },
        None => from_name,
    }
}

/// `docker inspect`, `podman inspect`, `nerdctl inspect`.
pub fn inspected(told: &mut Told<'_, '_, '_>, v: &Value) {
    let (s, host, config) = (&v["State"], &v["HostConfig"], &v["Config"]);
    let Some(id) = text(v, "Id") else { return };
    let name = name(&config["Labels"], text(v, "Name").unwrap_or(""));
    let state = text(s, "Status").and_then(state);
    let ended = state.as_deref() == Some("terminated");
    let killed = s["OOMKilled"] == true;
    let cpu = size(&host["NanoCpus"]).map(|n| n / 1_000_000).or_else(|| quota(host, "CpuQuota", "CpuPeriod"));
    // Podman writes the whole command line under Path and Args, docker under Entrypoint and Cmd as well.
    let mut command: Vec<String> = text(v, "Path").map(str::to_owned).into_iter().collect();
    command.extend(words(items(v, "Args")));
    let c = ContainerState {
        name: name.container.clone().unwrap_or_default(),
        image: text(config, "Image").or_else(|| text(v, "ImageName")).map(str::to_owned),
        now: ContainerRun {
            reason: killed.then(|| "OOMKilled".to_owned()),
            message: text(s, "Error").map(str::to_owned),
            exit_code: number(&s["ExitCode"]).filter(|_| ended).and_then(|n| i32::try_from(n).ok()),
            signal: None,
            started: instant(&s["StartedAt"]),
            finished: instant(&s["FinishedAt"]).filter(|_| ended),
            state,
            container_id: bare_container_id(id).filter(|_| ended),
        },
        restart_count: name.attempt.or_else(|| number(&v["RestartCount"]).and_then(|n| u64::try_from(n).ok())),
        limits: Resources { memory_bytes: size(&host["Memory"]), cpu_millis: cpu },
        env: environment(items(config, "Env")),
        command,
        ..ContainerState::default()
    };
    told.container(name, c, id);
}

/// `nerdctl inspect --mode=native`: containerd's own record with the OCI runtime specification.
pub fn native(told: &mut Told<'_, '_, '_>, v: &Value) {
    let Some(id) = text(v, "ID") else { return };
    let (spec, process) = (&v["Spec"], &v["Process"]["Status"]);
    let own = text(&v["Labels"], "nerdctl/name").unwrap_or(id);
    let name = name(&v["Labels"], own);
    let state = text(process, "Status").and_then(state);
    let ended = state.as_deref() == Some("terminated");
    let oci = &spec["linux"]["resources"];
    let c = ContainerState {
        name: name.container.clone().unwrap_or_default(),
        image: text(v, "Image").map(str::to_owned),
        now: ContainerRun {
            exit_code: number(&process["ExitStatus"]).filter(|_| ended).and_then(|n| i32::try_from(n).ok()),
            finished: instant(&process["ExitTime"]).filter(|_| ended),
            state,
            container_id: bare_container_id(id).filter(|_| ended),
            ..ContainerRun::default()
        },
        restart_count: name.attempt,
        limits: Resources { memory_bytes: size(&oci["memory"]["limit"]), cpu_millis: quota(&oci["cpu"], "quota", "period") },
        env: environment(items(&spec["process"], "env")),
        command: words(items(&spec["process"], "args")),
        ..ContainerState::default()
    };
    told.container(name, c, id);
}

/// An entry of `ps` as JSON: docker's with text in every field, podman's with numbers.
pub fn listed(told: &mut Told<'_, '_, '_>, v: &Value) {
    let Some(id) = text(v, "ID").or_else(|| text(v, "Id")) else { return };
    let own = v["Names"].as_str().or_else(|| v["Names"].get(0)?.as_str()).unwrap_or("");
    let labels = match &v["Labels"] {
        Value::String(s) => Value::Object(s.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.into())).collect()),
        other => other.clone(),
    };
    let name = name(&labels, own);
    let state = text(v, "State").and_then(state);
    let ended = state.as_deref() == Some("terminated");
    let seconds = |key: &str| number(&v[key]).filter(|&n| n > 0).map(crate::model::Timestamp::from_seconds);
    let code = number(&v["ExitCode"]).or_else(|| exit_code(text(v, "Status")?)).filter(|_| ended);
    let c = ContainerState {
        name: name.container.clone().unwrap_or_default(),
        image: text(v, "Image").map(str::to_owned),
        now: ContainerRun {
            exit_code: code.and_then(|n| i32::try_from(n).ok()),
            started: seconds("StartedAt"),
            finished: seconds("ExitedAt").filter(|_| ended),
            state,
            ..ContainerRun::default()
        },
        restart_count: name.attempt.or_else(|| number(&v["Restarts"]).and_then(|n| u64::try_from(n).ok())),
        ..ContainerState::default()
    };
    told.container(name, c, id);
}

/// The code in `Exited (137) 8 seconds ago`.
pub fn exit_code(status: &str) -> Option<i64> {
    status.strip_prefix("Exited (")?.split_once(')')?.0.parse().ok()
}

/// `stats`: a line's words (`70.7MiB / 96MiB`), or the engine's own answer, whose use counts the page cache.
pub fn stats(told: &mut Told<'_, '_, '_>, v: &Value) {
    let get = |keys: [&str; 4]| keys.into_iter().find_map(|k| text(v, k));
    let Some(id) = get(["ID", "id", "Container", "container_id"]) else { return };
    let name = Name::of_text(get(["Name", "name", "NAME", "container"]).unwrap_or(""));
    let memory = &v["memory_stats"];
    let (bytes, at) = if memory.is_object() {
        // As `docker stats` computes it: what can be dropped at once is not counted.
        let idle = size(&memory["stats"]["inactive_file"]).or_else(|| size(&memory["stats"]["total_inactive_file"])).unwrap_or(0);
        let at = instant(&v["read"]).map_or(RawTime::Absent, RawTime::utc_s);
        (size(&memory["usage"]).map(|u| u.saturating_sub(idle)), at)
    } else {
        (get(["MemUsage", "mem_usage", "", ""]).and_then(super::tables::size).filter(|&b| b > 0), RawTime::Absent)
    };
    told.usage(&name, at, id, bytes);
}
