//! `cgroup[]`, `processes[]` and `logs[]` of `postmem.inspect/1`.

use crate::model::Incident;
use serde_json::{Map, Value, json};

/// Readings of the memory controller. A one-number file states its value under the kernel's own key as well, `null` for
/// `max`; pressure is grouped as the kernel prints it.
pub fn cgroup(incident: &Incident) -> Vec<Value> {
    incident
        .cgroups
        .iter()
        .map(|p| {
            let w = &p.what;
            let mut values: Map<String, Value> = w.values.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            if w.values.is_empty() && w.pressure.is_empty() {
                values.insert(w.file.strip_prefix("memory.").unwrap_or(&w.file).to_owned(), json!(w.value));
            }
            let mut pressure = Map::new();
            for (key, v) in &w.pressure {
                let (group, name) = key.split_once('.').unwrap_or(("some", key));
                if let Some(Value::Object(o)) = pressure.get_mut(group) {
                    o.insert(name.to_owned(), json!(v));
                } else {
                    pressure.insert(group.to_owned(), json!({name: v}));
                }
            }
            json!({"artifact": incident.path(p.cite.span.artifact), "line": p.cite.span.line, "time": p.at, "owner": p.owner, "path": w.path,
                "pod_uid": w.identity.pod_uid, "container_id": w.identity.container_id, "file": w.file, "version": w.version,
                "value": w.value, "values": values, "pressure": pressure})
        })
        .collect()
}

/// `/proc/meminfo` of nodes, for `nodes[]`.
pub fn meminfo(incident: &Incident) -> Vec<Value> {
    incident
        .meminfo
        .iter()
        .map(|p| {
            json!({"name": p.owner.node, "time": p.at, "artifact": incident.path(p.cite.span.artifact), "line": p.cite.span.line, "meminfo": p.what.values})
        })
        .collect()
}

pub fn processes(incident: &Incident) -> Vec<Value> {
    incident
        .processes
        .iter()
        .map(|p| {
            let w = &p.what;
            json!({"artifact": incident.path(p.cite.span.artifact), "line": p.cite.span.line, "time": p.at, "owner": p.owner, "pid": w.pid, "comm": w.comm, "command": w.command, "user": w.user,
                "rss_bytes": w.rss_bytes, "vsz_bytes": w.vsz_bytes, "pss_bytes": w.pss_bytes, "anon_bytes": w.anon_bytes, "file_bytes": w.file_bytes, "shmem_bytes": w.shmem_bytes,
                "swap_bytes": w.swap_bytes, "threads": w.threads, "values": w.values})
        })
        .collect()
}

pub fn logs(incident: &Incident) -> Vec<Value> {
    incident
        .logs
        .iter()
        .map(|p| json!({"artifact": incident.path(p.cite.span.artifact), "line": p.cite.span.line, "time": p.at, "owner": p.owner, "pattern": p.what.pattern.word(), "text": p.what.text}))
        .collect()
}
