//! `cgroup[]`, `processes[]` and `logs[]` of `postmem.inspect/1`.

use crate::model::Incident;
use serde_json::{Value, json};

pub fn cgroup(incident: &Incident) -> Vec<Value> {
    incident
        .cgroups
        .iter()
        .map(|p| json!({"artifact": incident.path(p.cite.span.artifact), "time": p.at, "owner": p.owner, "file": p.what.file, "version": p.what.version, "value": p.what.value, "values": p.what.values, "pressure": p.what.pressure}))
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
