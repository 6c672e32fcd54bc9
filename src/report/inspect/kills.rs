//! `kills[]` of `postmem.inspect/1`: every ending, the kernel's report in full where there is one, in the order they happened.

use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{OomKill, Victim};
use crate::model::{Incident, Placed};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    let mut kills: Vec<(&Kill, Option<&Placed<OomKill>>)> = incident.kills.iter().map(|k| (k, k.report(incident))).collect();
    // Reports of one artifact stay in its order, also where their clocks are not known.
    let place = |r: Option<&Placed<OomKill>>| r.map_or((u32::MAX, u64::MAX), |r| (r.cite.span.artifact.0, r.cite.span.offset));
    if kills.iter().all(|(k, _)| k.at.is_some_and(|w| w.is_known())) {
        kills.sort_by_key(|(k, r)| (k.at.map(|w| w.earliest), place(*r)));
    } else {
        kills.sort_by_key(|(k, r)| (place(*r), k.at.map(|w| w.earliest)));
    }
    kills.into_iter().map(|(k, r)| kill(incident, k, r)).collect()
}

fn kill(incident: &Incident, k: &Kill, report: Option<&Placed<OomKill>>) -> Value {
    let mut out = json!({
        "time": k.at,
        "kind": k.kind.word(),
        "owner": k.owner,
        "victim": k.victims.first().map(victim),
        "limit_level": k.limit_level.map(|l| l.word()),
        "limit_bytes": k.limit_bytes,
        "limit_basis": k.limit_basis,
        "limit_now_bytes": k.limit_now.as_ref().map(|n| n.bytes),
        "limit_now_why": k.limit_now.as_ref().map(|n| n.why.as_str()),
        "usage_bytes": k.usage_bytes,
        "last_time": k.last,
        "victims": k.victims.iter().map(victim).collect::<Vec<_>>(),
        "count": k.count,
        "exit_code": k.exit_code,
        "witnesses": k.witnesses().map(Witness::word).collect::<Vec<_>>(),
        "evidence": refs(incident, &k.told),
        "against": refs(incident, &k.against),
    });
    if let (Some(w), None, Some(map)) = (&k.written, k.at, out.as_object_mut()) {
        map.insert("time_written".into(), json!(w.text));
    }
    if let (Some(r), Some(map)) = (report, out.as_object_mut()) {
        map.extend(details(&r.what));
    }
    out
}

fn refs(incident: &Incident, list: &[Told]) -> Vec<Value> {
    list.iter()
        .map(|Told { cite, says, .. }| {
            json!({
                "artifact": incident.path(cite.span.artifact),
                "line": cite.span.line,
                "byte_offset": cite.span.offset,
                "byte_len": cite.span.len,
                "excerpt": cite.excerpt,
                "says": says,
            })
        })
        .collect()
}

/// What only the kernel's report tells.
fn details(k: &OomKill) -> Map<String, Value> {
    let tasks: Vec<Value> = k
        .tasks
        .iter()
        .map(|t| {
            json!({
                "pid": t.pid, "uid": t.uid, "tgid": t.tgid, "comm": t.comm,
                "total_vm_bytes": t.total_vm_bytes, "rss_bytes": t.rss_bytes, "anon_rss_bytes": t.anon_rss_bytes,
                "file_rss_bytes": t.file_rss_bytes, "shmem_rss_bytes": t.shmem_rss_bytes, "pgtables_bytes": t.pgtables_bytes,
                "swap_bytes": t.swap_bytes, "oom_score_adj": t.oom_score_adj,
            })
        })
        .collect();
    let stats: Map<String, Value> = k.memcg_stats.iter().map(|(key, v)| (key.clone(), json!(v))).collect();
    let fields = json!({
        "constraint": k.constraint,
        "kernel": k.kernel,
        "oom_memcg": k.oom_memcg,
        "task_memcg": k.task_memcg,
        "pod_uid": k.identity.pod_uid,
        "container_id": k.identity.container_id,
        "qos": k.qos,
        "runtime": k.runtime,
        "cgroup_driver": k.cgroup_driver,
        "triggered_by": {"comm": k.trigger_comm, "pid": k.trigger_pid},
        "gfp_order": k.gfp_order,
        "manual": k.sysrq,
        "report_lost": k.report_lost,
        "selected_pid": k.selected_pid,
        "failcnt": k.failcnt,
        "page_size": k.page_size,
        "boot": k.boot,
        "uptime_seconds": k.uptime_seconds,
        "budget": k.budget(),
        "ram": k.ram.values.iter().map(|(word, bytes)| ((*word).to_owned(), json!(bytes))).collect::<Map<String, Value>>(),
        "tasks": tasks,
        "memcg_stats": stats,
    });
    match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn victim(v: &Victim) -> Value {
    json!({
        "pid": v.pid, "comm": v.comm, "uid": v.uid, "total_vm_bytes": v.total_vm_bytes, "anon_rss_bytes": v.anon_rss_bytes,
        "file_rss_bytes": v.file_rss_bytes, "shmem_rss_bytes": v.shmem_rss_bytes, "pgtables_bytes": v.pgtables_bytes,
        "oom_score_adj": v.oom_score_adj,
    })
}
