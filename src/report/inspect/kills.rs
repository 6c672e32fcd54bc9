//! `kills[]` of `postmem.inspect/1`: the kernel's reports in full, in the order they happened.

use crate::model::oom::{OomKill, Victim};
use crate::model::{Incident, Placed};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    let mut reports: Vec<&Placed<OomKill>> = incident.oom_reports.iter().collect();
    // Reports of one artifact stay in its order, also where their clocks are not known.
    reports.sort_by_key(|r| (r.at.earliest, r.cite.span.artifact, r.cite.span.offset));
    let sortable = reports.iter().all(|r| r.at.is_known());
    if !sortable {
        reports.sort_by_key(|r| (r.cite.span.artifact, r.cite.span.offset));
    }
    reports.into_iter().map(|r| kill(incident, r)).collect()
}

fn kill(incident: &Incident, r: &Placed<OomKill>) -> Value {
    let k = &r.what;
    let joined = incident.kills.iter().find(|j| j.report.and_then(|i| incident.oom_reports.get(i)).is_some_and(|o| o.cite == r.cite));
    let path = k.task_memcg.as_deref().or(k.oom_memcg.as_deref()).unwrap_or("");
    let evidence = json!({
        "artifact": incident.path(r.cite.span.artifact),
        "line": r.cite.span.line,
        "byte_offset": r.cite.span.offset,
        "byte_len": r.cite.span.len,
        "excerpt": r.cite.excerpt,
        "says": says(k),
    });
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
    json!({
        "time": r.at,
        "kind": joined.map_or_else(|| k.kind(), |j| j.kind).word(),
        "owner": r.owner,
        "victim": k.victims.first().map(victim),
        "limit_level": k.limit_level.map(|l| l.word()),
        "limit_bytes": k.limit_bytes,
        "usage_bytes": k.usage_bytes,
        "victims": k.victims.iter().map(victim).collect::<Vec<_>>(),
        "count": k.count,
        "evidence": [evidence],
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
        "cgroup": path,
        "budget": k.budget(),
        "tasks": tasks,
        "memcg_stats": stats,
    })
}

fn victim(v: &Victim) -> Value {
    json!({
        "pid": v.pid, "comm": v.comm, "uid": v.uid, "total_vm_bytes": v.total_vm_bytes, "anon_rss_bytes": v.anon_rss_bytes,
        "file_rss_bytes": v.file_rss_bytes, "shmem_rss_bytes": v.shmem_rss_bytes, "pgtables_bytes": v.pgtables_bytes,
        "oom_score_adj": v.oom_score_adj,
    })
}

/// What the cited line shows.
fn says(k: &OomKill) -> String {
    let name = k.victims.first().and_then(|v| v.comm.as_deref()).unwrap_or("a process");
    let pid = k.victims.first().and_then(|v| v.pid).map_or(String::new(), |p| format!(" ({p})"));
    match k.victims.len() {
        0 | 1 => format!("the kernel killed {name}{pid}"),
        n => format!("the kernel killed {name}{pid} and {} more of its group", n - 1),
    }
}
