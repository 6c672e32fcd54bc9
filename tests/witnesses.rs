//! Several witnesses of one death: a log in local time, an event that quotes the kernel, a status and a count. Each is one
//! kill, at the time that is known best. Small bundles, written on the spot.

use postmem::model::Incident;
use postmem::model::kill::Witness;
use postmem::pipeline::{self, Analysis, Options};
use serde_json::{Value, json};

const UID: &str = "8ebc2a75-4ac0-4de8-aafc-6fa50b28483f";

fn id(c: char) -> String {
    c.to_string().repeat(64)
}

fn with<T>(files: &[(&str, String)], f: impl FnOnce(&std::path::Path) -> T) -> T {
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("file");
    }
    f(dir.path())
}

fn read(files: &[(&str, String)]) -> Incident {
    with(files, |dir| pipeline::read(&[dir.to_owned()], &Options::default()).expect("readable"))
}

fn analyze(files: &[(&str, String)]) -> Analysis {
    with(files, |dir| pipeline::analyze(&[dir.to_owned()], &Options::default()).expect("a report"))
}

/// Lines of one report of a kill at a limit of 512 MiB in container `c`, each behind `stamp`.
fn report(stamp: &str, comm: &str, c: char) -> String {
    let p = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope",
        UID.replace('-', "_"),
        id(c)
    );
    [
        format!("{comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969"),
        "memory: usage 524288kB, limit 524288kB, failcnt 40".to_owned(),
        format!("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={p},task_memcg={p},task={comm},pid=881,uid=0"),
        format!("Memory cgroup out of memory: Killed process 881 ({comm}) total-vm:900000kB, anon-rss:520000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:400kB oom_score_adj:969"),
    ]
    .map(|l| format!("{stamp} w-1 kernel: {l}\n"))
    .concat()
}

/// A pod `api-0` on `w-1` whose container ended at `finished` with this reason and code.
fn pod(reason: &str, code: i32, restarts: u64, finished: &str) -> String {
    let ended = json!({"reason": reason, "exitCode": code, "startedAt": "2026-06-10T06:00:00Z", "finishedAt": finished,
        "containerID": format!("containerd://{}", id('a'))});
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "api-0", "namespace": "shop", "uid": UID},
        "spec": {"nodeName": "w-1", "containers": [{"name": "api", "image": "a:1", "resources": {"limits": {"memory": "512Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "api", "ready": true, "restartCount": restarts,
            "containerID": format!("containerd://{}", id('b')), "image": "a:1", "imageID": "",
            "state": {"running": {"startedAt": "2026-06-10T09:00:10Z"}}, "lastState": {"terminated": ended}}]}});
    pod.to_string()
}

fn event(reason: &str, object: Value, message: &str, count: u64, at: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{reason}.1"), "namespace": "default"},
        "involvedObject": object, "reason": reason, "message": message, "type": "Warning", "count": count,
        "firstTimestamp": at, "lastTimestamp": at, "source": {"component": "kernel-monitor", "host": "w-1"}})
}

fn events(list: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": list}).to_string()
}

fn node() -> Value {
    json!({"kind": "Node", "name": "w-1"})
}

/// Time, container and count of every kill.
fn kills(i: &Incident) -> Vec<String> {
    i.kills
        .iter()
        .map(|k| {
            let at = k.at.map_or("-".into(), |w| w.earliest.rfc3339());
            format!("{at} {} {} x{}", k.kind.word(), k.owner.container.as_deref().unwrap_or("-"), k.count)
        })
        .collect()
}

const ONE: [&str; 1] = ["2026-06-10T09:00:00.000000Z memcg-container api x1"];

#[test]
fn a_container_dies_once_whatever_zone_its_log_is_written_in() {
    let status = || ("pod.json", pod("OOMKilled", 137, 1, "2026-06-10T09:00:00Z"));
    // Two hours, five and a half, nine and three quarters from UTC; the id in the cgroup's path is that of the status.
    for stamp in ["Jun 10 11:00:00", "2026-06-10T14:30:00", "Jun 10 18:45:00", "Jun 10 09:00:00"] {
        assert_eq!(kills(&read(&[("kern.log", report(stamp, "java", 'a')), status()])), ONE, "{stamp}");
    }
    // Without the id the only kill of the log and the only end that the status tells are one as well.
    let silent = pod("OOMKilled", 137, 1, "2026-06-10T09:00:00Z").replace(&id('a'), "");
    assert_eq!(kills(&read(&[("kern.log", report("Jun 10 11:00:00", "java", 'a')), ("pod.json", silent.clone())])), ONE);
    // Seven minutes are no zone, and of several restarts the status tells one only.
    let off = report("Jun 10 11:07:00", "java", 'c');
    assert_eq!(kills(&read(&[("kern.log", off), ("pod.json", silent.replace("\"restartCount\":1", "\"restartCount\":9"))])).len(), 2);
}

#[test]
fn a_kill_that_a_journal_read_late_is_dated_by_the_status_and_else_told_as_a_span() {
    let boot = "2026-06-10T09:00:00+0000 w-1 kernel: Linux version 6.1.0 (builder@example.com)\n".to_owned();
    let other = report("2026-06-10T09:00:00+0000", "node", 'd')
        .replace(UID, "0ebc2a75-4ac0-4de8-aafc-6fa50b28483f")
        .replace(&UID.replace('-', "_"), "0ebc2a75_4ac0_4de8_aafc_6fa50b28483f")
        .replace("881", "882");
    let log = boot + &report("2026-06-10T09:00:00+0000", "java", 'a') + &other;
    let read_late = read(&[("node.log", log.clone()), ("pod.json", pod("OOMKilled", 137, 1, "2026-06-10T04:10:00Z"))]);
    assert_eq!(kills(&read_late)[1], "2026-06-10T04:10:00.000000Z memcg-container api x1");
    let a = analyze(&[("node.log", log)]);
    let first = &a.document.headline.figures[0];
    assert!(first.note.starts_with("between 2026-06-09 09:00:00 and 2026-06-10 09:00:00"), "{}", first.note);
}

#[test]
fn a_probes_kills_are_as_many_as_the_event_and_the_restarts_count() {
    let killing = |n| {
        let object = json!({"kind": "Pod", "namespace": "shop", "name": "api-0", "uid": UID, "fieldPath": "spec.containers{api}"});
        let text = "Container api failed liveness probe, will be restarted";
        ("events.json", events(&[event("Killing", object, text, n, "2026-06-10T08:59:30Z")]))
    };
    let status = |restarts| ("pod.json", pod("Error", 137, restarts, "2026-06-10T09:00:00Z"));
    let count = |n, restarts| read(&[killing(n), status(restarts)]).kills.iter().map(|k| (k.kind.word(), k.count)).collect::<Vec<_>>();
    assert_eq!(count(9, 9), [("probe-kill", 9)]);
    // An event that outlived an earlier pod of the name counts no more than the restarts.
    assert_eq!(count(9, 4), [("probe-kill", 4)]);
    assert_eq!(count(1, 4), [("probe-kill", 1)]);
}

#[test]
fn an_event_that_quotes_the_kernel_confirms_the_status_of_the_same_second() {
    let quoted = |comm: &str, kib: u64, at: &str| {
        let text = format!(
            "Memory cgroup out of memory: Killed process 881 ({comm}) total-vm:900000kB, anon-rss:{kib}kB, file-rss:0kB, shmem-rss:0kB"
        );
        ("events.json", events(&[event("OOMKilling", node(), &text, 1, at)]))
    };
    let status = || ("pod.json", pod("OOMKilled", 137, 1, "2026-06-10T09:00:00Z"));
    for e in [quoted("api", 100, "2026-06-10T09:00:01Z"), quoted("java", 500_000, "2026-06-10T09:00:01Z")] {
        let i = read(&[e, status()]);
        assert_eq!(kills(&i), ONE);
        assert!(i.kills[0].is_told_by(Witness::Event) && i.kills[0].victims[0].pid == Some(881));
    }
    // Another name and another size, or another minute: another kill.
    for e in [quoted("java", 100, "2026-06-10T09:00:01Z"), quoted("api", 100, "2026-06-10T09:01:01Z")] {
        assert_eq!(read(&[e, status()]).kills.len(), 2);
    }
}

#[test]
fn a_containers_kill_and_the_nodes_are_two_findings() {
    let memcg =
        "Memory cgroup out of memory: Killed process 20313 (celery) total-vm:5023344kB, anon-rss:2090000kB, file-rss:0kB, shmem-rss:0kB";
    let list = [
        event("OOMKilling", node(), memcg, 1, "2026-06-10T02:00:00Z"),
        event("SystemOOM", node(), "System OOM encountered, victim process: clickhouse, pid: 3312", 1, "2026-06-10T03:00:00Z"),
    ];
    let a = analyze(&[("events.json", events(&list))]);
    let told: Vec<(&str, &str)> = a.document.findings.iter().map(|f| (f.cause.as_str(), f.sentence.as_str())).collect();
    assert_eq!(told[0].0, "node-overcommit");
    assert!(!told[0].1.contains("limit"), "{}", told[0].1);
    assert_eq!(told[1].0, "inconclusive");
    assert!(told[1].1.starts_with("on node w-1 the kernel killed celery once at its container's limit"), "{}", told[1].1);
}
