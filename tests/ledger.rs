//! The kill ledger and the limit in force, end to end: bundles in which the witnesses differ in known ways.

use postmem::model::kill::Witness;
use postmem::model::{Incident, Verdict};
use postmem::pipeline::{self, Options};
use postmem::{diagnosis, report};
use std::fmt::Write as _;
use std::path::Path;

const UID: &str = "7d1f3c2a-52b4-4c67-9d0e-aa11bb22cc33";

fn id(c: char) -> String {
    c.to_string().repeat(64)
}

/// One whole report of a memory cgroup kill in container `c` at 10:`minute`.
fn report(out: &mut String, minute: u32, pid: u32, comm: &str, c: char, limit_kib: u64) {
    let path = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope",
        UID.replace('-', "_"),
        id(c)
    );
    for text in [
        format!("{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969"),
        format!("memory: usage {limit_kib}kB, limit {limit_kib}kB, failcnt 40"),
        format!(
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={path},task_memcg={path},task={comm},pid={pid},uid=0"
        ),
        format!(
            "Memory cgroup out of memory: Killed process {pid} ({comm}) total-vm:900000kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:400kB oom_score_adj:969",
            limit_kib - 900
        ),
    ] {
        let _ = writeln!(out, "2026-05-06T10:{minute:02}:11+0000 worker-3 kernel: {text}");
    }
}

fn pod(limit: &str, applied: Option<&str>, image: &str, c: char) -> String {
    let resources = applied.map_or(String::new(), |a| format!(r#","resources":{{"limits":{{"memory":"{a}"}}}}"#));
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"thumbs-5c7d9-kq2vw","namespace":"media","uid":"{UID}","resourceVersion":"77",
"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"thumbs-5c7d9","controller":true,"uid":"r"}}]}},
"spec":{{"nodeName":"worker-3","containers":[{{"name":"worker","image":"{image}","resources":{{"limits":{{"memory":"{limit}"}},"requests":{{"memory":"64Mi"}}}}}}]}},
"status":{{"phase":"Running","qosClass":"Burstable","startTime":"2026-05-06T08:00:00Z","containerStatuses":[{{"name":"worker","ready":true,"restartCount":1,
"containerID":"containerd://{}","state":{{"running":{{"startedAt":"2026-05-06T10:40:12Z"}}}},
"lastState":{{"terminated":{{"reason":"OOMKilled","exitCode":137,"startedAt":"2026-05-06T08:00:01Z","finishedAt":"2026-05-06T10:40:11Z","containerID":"containerd://{}"}}}}{resources}}}]}}}}
"#,
        id(c),
        id('b')
    )
}

fn analyze(dir: &Path) -> (Incident, Verdict) {
    let incident = pipeline::read(&[dir.to_path_buf()], &Options::default()).unwrap();
    let verdict = diagnosis::diagnose(&incident);
    (incident, verdict)
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Six children and one main process die in the log; the counter has nine; Kubernetes remembers one.
fn bundle(dir: &Path) {
    let mut log = String::new();
    for i in 0..6 {
        report(&mut log, 10 + i * 4, 4000 + i, "convert", 'a', 262_144);
    }
    report(&mut log, 40, 3999, "worker", 'b', 262_144);
    log += "2026-05-06T10:41:00+0000 worker-3 kernel: oom_kill_process: 14 callbacks suppressed\n";
    log += "2026-05-06T10:59:00+0000 worker-3 kernel: eth0: link up\n";
    write(dir, "nodes/worker-3/kern.log", &log);
    write(dir, "pods/thumbs.json", &pod("256Mi", None, "thumbs:1", 'a'));
    let cgroup = format!(
        "nodes/worker-3/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope/memory.events",
        UID.replace('-', "_"),
        id('a')
    );
    write(dir, &cgroup, "low 0\nhigh 0\nmax 70\noom 9\noom_kill 9\noom_group_kill 0\n");
}

#[test]
fn nine_by_the_counter_seven_in_the_log_one_in_kubernetes() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path());
    let (incident, verdict) = analyze(dir.path());
    let row = incident.ledger.iter().find(|r| r.owner.container.as_deref() == Some("worker")).expect("the container has a row");
    assert!(row.says.starts_with("9 by the counter, 7 in the log, 1 in Kubernetes: 2 lost, 6 invisible (lost: the log itself says that 14 messages were lost; invisible: a child process died and the container lived on)"), "{}", row.says);
    let doc = report::compose::report(&incident, &verdict);
    let json = report::json::document(&doc);
    assert!(json.contains("9 by the counter, 7 in the log, 1 in Kubernetes: 2 lost, 6 invisible"));
    let row = doc.ledger.iter().find(|r| r.owner.container.as_deref() == Some("worker")).unwrap();
    let differences: Vec<_> = row.differences.iter().map(|d| (d.kind.as_str(), d.count)).collect();
    assert_eq!(differences, [("lost", 2), ("invisible", 6)]);
    assert!(report::markdown::page(&doc, 1 << 20).contains("2 lost, 6 invisible"));
    let kinds: Vec<&str> = incident.kills.iter().map(|k| k.kind.word()).collect();
    assert_eq!(kinds, [vec!["child-process"; 6], vec!["memcg-container"]].concat());
}

#[test]
fn the_limit_of_a_kill_is_the_one_before_the_resize() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = String::new();
    report(&mut log, 40, 3999, "worker", 'b', 131_072);
    write(dir.path(), "nodes/worker-3/kern.log", &log);
    // Since then the pod was resized in place: describe, specification and status all show the new limit.
    write(dir.path(), "pods/thumbs.json", &pod("256Mi", Some("256Mi"), "thumbs:1", 'a'));
    let (incident, verdict) = analyze(dir.path());
    let k = &incident.kills[0];
    assert_eq!((k.limit_bytes, k.limit_basis), (Some(128 << 20), "kernel report"));
    assert_eq!(k.limit_now.as_ref().map(|n| n.bytes), Some(256 << 20));
    let doc = report::compose::report(&incident, &verdict);
    assert_eq!((doc.kills[0].limit_bytes, doc.kills[0].limit_now_bytes), (Some(128 << 20), Some(256 << 20)));
    assert!(report::markdown::page(&doc, 1 << 20).contains("limit at the kill 128 MiB (kernel report), now 256 MiB"));
}

#[test]
fn a_rollout_with_another_limit_does_not_rewrite_history() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "pods/thumbs.json", &pod("128Mi", None, "thumbs:1", 'a'));
    let workload = |kind: &str, name: &str, limit: &str, extra: &str| {
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"{kind}","metadata":{{"name":"{name}","namespace":"media","creationTimestamp":"2026-05-06T10:45:00Z"{extra}}},
"spec":{{"replicas":1,"selector":{{}},"template":{{"spec":{{"containers":[{{"name":"worker","image":"thumbs:2","resources":{{"limits":{{"memory":"{limit}"}}}}}}]}}}}}}}}
"#
        )
    };
    let owned = r#","annotations":{"deployment.kubernetes.io/revision":"8"},"ownerReferences":[{"kind":"Deployment","name":"thumbs","controller":true}]"#;
    let text = workload("Deployment", "thumbs", "512Mi", "") + &workload("ReplicaSet", "thumbs-6f8aa", "512Mi", owned);
    let old = r#","annotations":{"deployment.kubernetes.io/revision":"7"},"ownerReferences":[{"kind":"Deployment","name":"thumbs","controller":true}]"#;
    write(dir.path(), "workloads.json", &(text + &workload("ReplicaSet", "thumbs-5c7d9", "128Mi", old)));
    let incident = pipeline::read(&[dir.path().to_path_buf()], &Options::default()).unwrap();
    let k = &incident.kills[0];
    assert_eq!((k.limit_bytes, k.limit_basis), (Some(128 << 20), "pod specification"));
    let now = k.limit_now.as_ref().expect("the template sets another limit now");
    assert_eq!(now.bytes, 512 << 20);
    assert_eq!(now.why, "Deployment thumbs was rolled out with another limit at 2026-05-06 10:45:00 UTC, revision 8");
}

#[test]
fn a_kubelet_that_dies_of_its_own_growth_is_told_stage_by_stage() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = String::new();
    let line = |log: &mut String, at: &str, who: &str, text: &str| {
        let _ = writeln!(log, "2026-05-06T{at}+0000 worker-3 {who}: {text}");
    };
    for (n, minute) in [(0, 10), (1, 25)] {
        line(
            &mut log,
            &format!("10:{:02}:00", minute - 4),
            "kubelet[900]",
            "E0506 10:06:00.000000     900 kubelet.go:2347] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m5.3s ago; threshold is 3m0s\"",
        );
        for text in [
            "kubelet invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-999".to_owned(),
            "memory: usage 524288kB, limit 524288kB, failcnt 40".to_owned(),
            format!(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/system.slice/kubelet.service,task_memcg=/system.slice/kubelet.service,task=kubelet,pid={},uid=0",
                900 + n
            ),
            format!(
                "Memory cgroup out of memory: Killed process {} (kubelet) total-vm:2900000kB, anon-rss:510000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:2400kB oom_score_adj:-999",
                900 + n
            ),
        ] {
            line(&mut log, &format!("10:{minute:02}:00"), "kernel", &text);
        }
        line(
            &mut log,
            &format!("10:{minute:02}:00"),
            "systemd[1]",
            "kubelet.service: A process of this unit has been killed by the OOM killer.",
        );
        line(&mut log, &format!("10:{minute:02}:10"), "systemd[1]", "Started kubelet: The Kubernetes Node Agent.");
        line(
            &mut log,
            &format!("10:{minute:02}:12"),
            "kubelet[950]",
            "I0506 10:10:12.000000     950 kubelet.go:2430] \"SyncLoop ADD\" source=\"api\" pods=[\"a/b\",\"c/d\",\"e/f\"]",
        );
    }
    line(
        &mut log,
        "11:30:00",
        "kubelet[951]",
        "E0506 11:30:00.000000     951 kubelet.go:2347] \"Skipping pod synchronization\" err=\"PLEG is not healthy: pleg was last seen active 3m0.1s ago; threshold is 3m0s\"",
    );
    write(dir.path(), "nodes/worker-3/journal.log", &log);
    write(
        dir.path(),
        "nodes.json",
        r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"worker-3"},"status":{"nodeInfo":{"kubeletVersion":"v1.36.1","kernelVersion":"6.8.0","containerRuntimeVersion":"containerd://2.1.3","osImage":"x"},"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-05-06T11:59:00Z"}]}}"#,
    );
    let (incident, verdict) = analyze(dir.path());
    assert!(incident.kills.iter().all(|k| k.kind.word() == "memcg-service" && k.is_told_by(Witness::ServiceManager)));
    let outcomes: Vec<&str> = incident.agent_cycles.iter().map(|c| c.outcome).collect();
    assert_eq!(outcomes, ["re-oom", "recovery"]);
    let kinds: Vec<&str> = incident.agent_cycles[0].stages.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, ["pre-oom", "active", "reconciliation", "re-oom"]);
    assert_eq!(verdict.findings[0].cause.word(), "node-agent-leak");
    let used: Vec<&str> = verdict.defects.iter().filter(|d| d.used).map(|d| d.reference.as_str()).collect();
    assert_eq!(used, ["kubernetes/kubernetes#139823"]);
    let markdown = report::markdown::page(&report::compose::report(&incident, &verdict), 1 << 20);
    for word in ["reconciliation", "killed again", "unconfirmed claim, not used", "3 pods listed anew"] {
        assert!(markdown.contains(word), "{word}");
    }
}
