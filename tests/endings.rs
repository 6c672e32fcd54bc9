//! Who ended it, where it was not the container's own memory limit: the pod's own condition, its deletion, a node that came up
//! anew, a notice of the container runtime. Each ending must reach the sentence, and none be put down to memory.

use crate::small_bundles::{Bundle, bundle};
use serde_json::{Value, json};

/// The pod's only run, ended by SIGKILL at 10:00.
fn sigkilled() -> Bundle {
    let mut b = bundle();
    b.pod["status"]["phase"] = json!("Failed");
    b.pod["status"]["containerStatuses"][0]["state"] = json!({"terminated": {"reason": "Error", "exitCode": 137,
        "startedAt": "2026-02-18T00:00:05Z", "finishedAt": "2026-02-20T10:00:00Z"}});
    b
}

fn disruption(reason: &str, at: &str) -> Bundle {
    let mut b = sigkilled();
    b.pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": reason,
        "message": "somebody else's wish", "lastTransitionTime": at}]);
    b
}

#[test]
fn the_condition_disruption_target_tells_who_had_the_pod_removed() {
    for (reason, says) in [
        ("DeletionByTaintManager", "tainted NoExecute"),
        ("PreemptionByScheduler", "higher priority"),
        ("EvictionByEvictionAPI", "eviction API"),
        ("DeletionByPodGC", "its node was gone"),
    ] {
        let f = disruption(reason, "2026-02-20T09:59:30Z").first();
        assert_eq!(f.cause, "not-memory-kill", "{reason}: {}", f.sentence);
        assert!(f.sentence.contains(says) && f.sentence.contains(reason), "{}", f.sentence);
        assert!(f.confidence < 0.7 && f.advice[0].text.contains("grace period"), "{:?}", f.advice);
    }
    // Another day's condition, and one that says nothing of who it was, leave the sender open.
    for (reason, at) in [("PreemptionByScheduler", "2026-02-19T09:59:30Z"), ("TerminationByKubelet", "2026-02-20T09:59:30Z")] {
        let f = disruption(reason, at).first();
        assert!(f.cause == "inconclusive" && f.sentence.contains("nothing here tells who"), "{reason} {} {}", f.cause, f.sentence);
    }
}

#[test]
fn a_pod_that_was_deleted_was_killed_when_its_grace_period_was_over() {
    let deleted = |grace: u64, at: &str| {
        let mut b = sigkilled();
        b.pod["metadata"]["deletionTimestamp"] = json!(at);
        b.pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        b.first()
    };
    let force = deleted(0, "2026-02-20T10:00:00Z");
    assert_eq!(force.cause, "not-memory-kill", "{}", force.sentence);
    assert!(force.sentence.contains("grace period of 0 s"), "{}", force.sentence);
    let slow = deleted(30, "2026-02-20T10:00:00Z");
    assert!(slow.sentence.contains("when its grace period was over"), "{}", slow.sentence);
    assert_eq!(deleted(30, "2026-02-20T16:00:00Z").cause, "inconclusive", "it was deleted hours after that end");
}

fn lost(node: &str) -> Bundle {
    let mut b = bundle().ended("Unknown", 255, 1, "2026-02-20T10:02:00Z");
    let object = json!({"kind": "Node", "name": node});
    b.events.push(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "n1.1", "namespace": "default"},
        "involvedObject": object, "reason": "Rebooted", "message": "Node has been rebooted, boot id: aa", "type": "Warning",
        "count": 1, "firstTimestamp": "2026-02-20T10:01:00Z", "lastTimestamp": "2026-02-20T10:01:00Z", "source": {"component": "kubelet"}}));
    b
}

#[test]
fn a_container_that_its_runtime_lost_did_not_end_by_itself() {
    let f = lost("n1").first();
    assert_eq!(f.cause, "not-memory-kill", "{}", f.sentence);
    assert!(f.sentence.contains("its node was rebooted") && !f.sentence.contains("by itself"), "{}", f.sentence);
    let other = lost("n2").first();
    assert_eq!(other.cause, "inconclusive", "another node's reboot: {}", other.sentence);
    assert!(other.sentence.contains("made its code 255 up"), "{}", other.sentence);
}

#[test]
fn a_program_that_ended_itself_is_named_and_its_log_asked_for() {
    let f = bundle().ended("Error", 2, 3, "2026-02-20T10:02:00Z").first();
    assert_eq!((f.cause.as_str(), f.owner.container.as_deref()), ("inconclusive", Some("app")), "{}", f.sentence);
    assert_eq!(f.advice[0].command.as_deref(), Some("kubectl -n shop logs svc-0 -c app --previous"));
}

/// containerd's journal on node `w-1`, with one notice for each of these containers.
fn notices(ids: &[&str]) -> Bundle {
    let line = |id: &&str| {
        let id = id.repeat(32);
        format!(
            "Sep 10 03:00:00 w-1 containerd[801]: time=\"2026-09-10T03:00:00.410Z\" level=info msg=\"TaskOOM event container_id:\\\"{id}\\\"\"\n"
        )
    };
    let mut b = bundle();
    b.pod = Value::Null;
    b.files.push(("w-1/containerd.log".into(), ids.iter().map(line).collect()));
    b
}

#[test]
fn a_notice_of_the_container_runtime_alone_is_a_kill() {
    let r = notices(&["ab", "ab", "cd"]).report();
    assert_eq!(r.kills.iter().map(|k| (k.owner.node.as_deref(), k.count)).collect::<Vec<_>>(), [(Some("w-1"), 1); 2], "doubled notices");
    let f = &r.findings[0];
    assert_eq!(f.cause, "inconclusive", "{}", f.sentence);
    assert!(
        f.sentence.contains("container abababababab at 2026-09-10 03:00:00 UTC") || f.sentence.contains("container cdcdcdcdcdcd"),
        "{}",
        f.sentence
    );
    assert!(f.advice.iter().filter_map(|a| a.command.as_deref()).any(|c| c.contains("crictl inspect ")), "{:?}", f.advice);
    // The kernel's own report is the witness of record.
    let mut b = notices(&["ab"]);
    b.files.push(("w-1/kern.log".into(), "2026-09-10T03:00:00+00:00 w-1 kernel: Memory cgroup out of memory: Killed process 881 (np) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n".into()));
    assert_eq!(b.report().kills.len(), 1);
}

#[test]
fn endings_without_a_time_and_those_of_other_causes_are_in_the_timeline() {
    let mut b = sigkilled();
    // Nothing dates a ring buffer that counts from a boot.
    b.pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = json!(1);
    b.files.push(("nodes/n1/dmesg".into(), "[270000.000000] Out of memory: Killed process 881 (np) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n".into()));
    let r = b.report();
    let kinds: Vec<&str> = r.timeline.iter().map(|t| t.kind.as_str()).collect();
    assert_eq!(kinds, ["ending", "kill"], "{:?}", r.timeline);
    let (ending, kill) = (&r.timeline[0], &r.timeline[1]);
    assert!(ending.text.contains("exit code 1") && ending.time.earliest.is_some());
    assert_eq!((kill.time.earliest, kill.time_written.as_deref()), (None, Some("270000.000 s after a boot of unknown time")));
    assert_eq!(r.kills[0].time_written, kill.time_written, "the ledger's entry says the same");
    assert_eq!(r.other_endings.iter().map(|o| (o.exit_code, o.known, o.stop)).collect::<Vec<_>>(), [(Some(1), true, false)]);
    assert!(r.window.is_some_and(|w| w.earliest == ending.time.earliest), "an unknown time is no end of the window");
    for page in [postmem::report::markdown::page(&r, 200_000), postmem::report::html::page(&r)] {
        assert!(page.contains("270000.000 s after a boot of unknown time") && page.contains("ending"), "{page}");
    }
}

#[test]
fn kills_that_repeat_are_one_row_on_the_pages_and_all_in_the_data() {
    let mut b = bundle();
    let line = |i: u64| {
        let (m, s) = (i * 2 / 60, i * 2 % 60);
        format!(
            "2026-02-20T03:{m:02}:{s:02}+00:00 n1 kernel: Memory cgroup out of memory: Killed process {} (np) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n",
            881 + i
        )
    };
    b.files.push(("nodes/n1/kern.log".into(), (0..60).map(line).collect()));
    let r = b.report();
    let n: u64 = r.kills.iter().map(|k| k.count).sum();
    assert_eq!(n, 60);
    let (md, html) = (postmem::report::markdown::page(&r, 200_000), postmem::report::html::page(&r));
    assert!(md.contains("× 60") && html.contains("× 60"), "{md}");
    assert!(md.lines().filter(|l| l.contains("`np`") || l.contains("(pid ")).count() < 6, "{md}");
}

#[test]
fn a_node_that_panicked_for_memory_is_told() {
    let mut b = bundle();
    b.pod = Value::Null;
    b.files.push(("n1/vmcore-dmesg.txt".into(), "[  811.120000] java invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0\n[  811.120100] Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled\n".into()));
    let f = b.first();
    assert!(f.cause == "inconclusive" && f.sentence.contains("Kernel panic"), "{} {}", f.cause, f.sentence);
}

#[test]
fn an_input_in_which_nothing_tells_of_anything_still_has_a_finding() {
    let mut b = bundle();
    b.pod = Value::Null;
    b.files.push(("pods.json".into(), "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}\n".into()));
    assert_eq!(b.first().cause, "inconclusive");
}

#[test]
fn an_ephemeral_container_is_not_its_pod() {
    let mut b = bundle();
    b.pod["spec"]["ephemeralContainers"] = json!([{"name": "debugger", "image": "busybox"}]);
    b.pod["status"]["ephemeralContainerStatuses"] = json!([{"name": "debugger", "ready": false, "restartCount": 0, "image": "", "imageID": "",
        "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-02-20T09:00:00Z", "finishedAt": "2026-02-20T09:55:00Z"}}}]);
    let f = b.first();
    assert!(f.sentence.contains("container debugger of svc"), "{}", f.sentence);
}

#[test]
fn a_kill_happened_on_the_node_whose_log_tells_it() {
    let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
    let uid = "0b7e5a1c_1111_4222_8333_123456789abc";
    let line = |node: &str, at: &str| {
        format!(
            "{at}+00:00 {node} kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods.slice/kubepods-pod{uid}.slice,task_memcg=/kubepods.slice/kubepods-pod{uid}.slice,task=app,pid=881,uid=0\n{at}+00:00 {node} kernel: Memory cgroup out of memory: Killed process 881 (app) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n"
        )
    };
    b.files.push(("nodes/n2/kern.log".into(), line("n2", "2026-02-20T02:00:00")));
    b.files.push(("nodes.json".into(), json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}}]}).to_string()));
    let nodes: Vec<_> = b.report().kills.into_iter().map(|k| k.owner.node).collect();
    assert_eq!(nodes, [Some("n2".to_owned()), Some("n1".to_owned())]);
}

#[test]
fn replicas_that_ended_alike_are_counted_together() {
    let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
    let mut other = b.pod.clone();
    other["metadata"]["name"] = json!("svc-1");
    other["metadata"]["uid"] = json!("0b7e5a1c-1111-4222-8333-123456789abd");
    b.files.push(("more.json".into(), other.to_string()));
    let r = b.report();
    assert!(r.findings[0].sentence.contains("the same in 1 more pod, 2 kills in all"), "{}", r.findings[0].sentence);
    assert_eq!(r.headline.figures[0].value, "2");
}

#[test]
fn ids_that_tables_cut_short_are_the_same_containers() {
    let mut b = bundle();
    b.pod["status"]["containerStatuses"][0]["containerID"] = json!("containerd://e8e4bcb54813a");
    let id = format!("e8e4bcb54813a{}", "7".repeat(51));
    let uid = "1b7e5a1c_1111_4222_8333_123456789abc";
    b.files.push(("nodes/n1/kern.log".into(), format!("2026-02-20T02:00:00+00:00 n1 kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods.slice/kubepods-pod{uid}.slice/crio-{id}.scope,task_memcg=/kubepods.slice/kubepods-pod{uid}.slice/crio-{id}.scope,task=java,pid=881,uid=0\n2026-02-20T02:00:00+00:00 n1 kernel: Memory cgroup out of memory: Killed process 881 (java) total-vm:900kB, anon-rss:800kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0\n")));
    let mut tabled = bundle();
    tabled.pod = Value::Null;
    tabled.files.clone_from(&b.files);
    tabled.files.push(("n1/crictl_ps_-a".into(), "CONTAINER           IMAGE               CREATED             STATE               NAME                ATTEMPT             POD ID              POD\ne8e4bcb54813a       3b5f1d2c4a6e8       2 days ago          Exited              app                 2                   a1b2c3d4e5f60       svc-0\n".into()));
    let r = b.report();
    assert_eq!(r.kills[0].owner.label(), "shop/svc-0/app", "{:?}", r.joins);
    let r = tabled.report();
    assert_eq!(r.kills[0].owner.container.as_deref(), Some("app"), "{:?}", r.joins);
}

#[test]
fn what_stood_in_swap_is_part_of_the_need() {
    let mut b = bundle();
    let group =
        "/kubepods.slice/kubepods-pod0b7e5a1c_1111_4222_8333_123456789abc.slice/cri-containerd-".to_owned() + &"ab".repeat(32) + ".scope";
    let line = |text: &str| format!("2026-02-20T02:00:00+00:00 n1 kernel: {text}\n");
    let text = [
        "app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985".to_owned(),
        "memory: usage 524288kB, limit 524288kB, failcnt 811".to_owned(),
        "swap: usage 1048576kB, limit 1048576kB, failcnt 12".to_owned(),
        format!("Memory cgroup stats for {group}:"),
        "anon 530000000".to_owned(),
        "file 0".to_owned(),
        format!("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg={group},task_memcg={group},task=app,pid=881,uid=0"),
        "Memory cgroup out of memory: Killed process 881 (app) total-vm:1900000kB, anon-rss:510000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:985".to_owned(),
    ];
    b.files.push(("nodes/n1/kern.log".into(), text.iter().map(|t| line(t)).collect()));
    let f = b.first();
    let size = f.advice.iter().find(|a| a.kind == "size").expect("a size");
    assert!(size.text.contains("1 GiB of it stood in swap"), "{}", size.text);
    assert!(f.quantities["recommended_limit_bytes"] >= 1.5 * 1024.0 * 1024.0 * 1024.0, "{:?}", f.quantities);
}
