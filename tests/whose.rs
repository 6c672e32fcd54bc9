//! Whose an ending, a finding or a line is: replicas and nodes under a focus, sidecars, kills that name no node, pods of one
//! name, machines that share a log. Each of these once went to the wrong one.

use crate::kernel::Bytes;
use crate::rules::{MIB, Story, WS, hour, owner};
use crate::small_bundles::bundle;
use postmem::formats::{FORMATS, Input};
use postmem::model::finding::{Cause, Focus};
use postmem::model::kill::Kill;
use postmem::model::oom::{KillKind, LimitLevel};
use postmem::model::time::HOUR;
use postmem::model::trend::TrendVerdict;
use postmem::model::{ArtifactId, Claim, Facts, Owner, When};
use postmem::pipeline::{self, Options};
use postmem::report::document::ReportDoc;
use serde_json::{Value, json};

fn analyze(files: &[(&str, String)], options: &Options) -> ReportDoc {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    pipeline::analyze(&[dir.path().to_owned()], options).unwrap().document
}

fn focus(on: &str) -> Options {
    Options { focus: Some(on.into()), ..Options::default() }
}

/// A pod of Deployment-like `cart` whose only container was killed at its limit an hour apart.
fn replica(pod: &str, uid: u32, limit: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod, "namespace": "shop", "uid": format!("0b7e5a1c-1111-4222-8333-12345678{uid:04}"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "cart", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "reg/cart:1", "resources": {"limits": {"memory": limit}}}]},
        "status": {"phase": "Running", "startTime": "2026-02-18T00:00:00Z", "containerStatuses": [{
            "name": "app", "ready": true, "restartCount": 2, "image": "reg/cart:1", "imageID": "",
            "state": {"running": {"startedAt": "2026-02-20T10:00:05Z"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-02-20T01:00:00Z", "finishedAt": format!("2026-02-20T10:0{}:00Z", uid % 10)}}}]}})
}

#[test]
fn a_focus_on_any_replica_finds_the_finding_that_another_tells() {
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [replica("cart-0", 1, "512Mi"), replica("cart-1", 2, "512Mi")]});
    let files = [("pods.json", pods.to_string())];
    let all = analyze(&files, &Options::default());
    assert_eq!(all.findings.len(), 1, "two replicas, one finding");
    for pod in ["cart-0", "cart-1"] {
        let doc = analyze(&files, &focus(&format!("shop/{pod}")));
        assert_eq!(doc.findings.len(), 1, "{pod}: {}", doc.headline.sentence);
        assert_ne!(doc.headline.tone, "ok");
    }
}

#[test]
fn a_focus_on_a_victim_of_its_node_shows_the_nodes_finding_and_never_an_all_clear() {
    let kill = |pod: &str, kind: KillKind, node: Option<&str>| Kill {
        at: Some(When::at(hour(8))),
        kind,
        owner: Owner { pod: Some(pod.into()), node: node.map(str::to_owned), container: None, workload: None, ..owner() },
        limit_level: Some(LimitLevel::Node),
        count: 1,
        ..Kill::default()
    };
    let mut story = Story::new();
    story.kill(KillKind::NodeOom, 8, |o| {
        o.constraint = Some(postmem::model::oom::Constraint::None);
        o.limit_level = Some(LimitLevel::Node);
    });
    story.0.kills.push(kill("cart-evicted", KillKind::Eviction, Some("node-1")));
    let mut verdict = story.verdict();
    let nodes = verdict.findings.iter().filter(|f| f.owner == Owner::node("node-1")).count();
    assert!(nodes > 0, "the node has a finding");
    verdict.focus(Focus::new("shop/cart-evicted"), &story.0.kills);
    assert_eq!(verdict.findings.iter().filter(|f| f.owner == Owner::node("node-1")).count(), nodes);
    // A pod that nothing befell keeps none of it.
    let mut other = story.verdict();
    other.focus(Focus::new("shop/calm"), &story.0.kills);
    assert!(other.findings.is_empty());
    // An ending without a finding is no good news.
    let mut none = story.verdict();
    none.findings.clear();
    none.focus(Focus::new("shop/cart-evicted"), &story.0.kills);
    let doc = postmem::report::compose::report(&story.0, &none);
    assert_eq!((doc.headline.tone.as_str(), doc.headline.cause.as_str()), ("unknown", "inconclusive"));
}

#[test]
fn a_sidecars_kills_are_not_counted_as_the_containers() {
    let mut story = Story::new();
    story.trend(WS, TrendVerdict::Leak, |_| {}).kill(KillKind::MemcgContainer, 8, |_| {});
    for h in [3, 4, 5, 6, 7] {
        let sidecar = Owner { container: Some("shipper".into()), ..owner() };
        let mut kill = Kill { owner: sidecar, ..story.0.kills[0].clone() };
        kill.at = Some(When::at(hour(h)));
        story.0.kills.push(kill);
    }
    let verdict = story.verdict();
    let mut mine = verdict.clone();
    mine.findings.retain(|f| f.owner == owner());
    assert!(!mine.findings.is_empty());
    let doc = postmem::report::compose::report(&story.0, &mine);
    let kills = doc.headline.figures.iter().find(|f| f.label == "Memory kills").map(|f| f.value.clone());
    assert_eq!(kills.as_deref(), Some("1"), "{:?}", doc.headline.figures);
}

#[test]
fn a_node_kill_that_names_no_node_silences_no_pod() {
    let mut story = Story::new();
    story.0.pods[0].owner.node = None;
    story.trend(WS, TrendVerdict::Bounded, |t| {
        t.owner.node = None;
        (t.percentiles.p95_bytes, t.percentiles.p99_bytes, t.percentiles.max_bytes) = (511.0 * MIB, 511.5 * MIB, 512.0 * MIB);
    });
    let of_the_pod = |s: &Story| s.verdict().findings.iter().filter(|f| f.owner.pod.is_some()).map(|f| f.cause).collect::<Vec<_>>();
    let alone = of_the_pod(&story);
    assert_eq!(alone, [Cause::LimitBelowNeed]);
    story.kill(KillKind::NodeOom, 8, |o| {
        o.constraint = Some(postmem::model::oom::Constraint::None);
        o.limit_level = Some(LimitLevel::Node);
    });
    story.0.kills[0].owner = Owner::default();
    story.0.oom_reports[0].owner = Owner::default();
    assert!(story.verdict().findings.iter().any(|f| f.cause == Cause::NodeOvercommit), "it is the node's memory that ran out");
    assert_eq!(of_the_pod(&story), alone, "a kill somewhere else explains nothing of it");
}

#[test]
fn a_third_containers_own_leak_stays_when_a_neighbour_is_found_out() {
    let third = Owner { container: Some("index".into()), ..owner() };
    let mut story = Story::new();
    story.pod(|p| {
        for name in ["sync", "index"] {
            let mut c = p.containers[0].clone();
            c.name = name.into();
            p.containers.push(c);
        }
    });
    story.kill(KillKind::MemcgPod, 8, |o| o.limit_level = Some(LimitLevel::Pod));
    for (name, verdict) in [("app", TrendVerdict::Bounded), ("sync", TrendVerdict::Leak), ("index", TrendVerdict::Leak)] {
        story.trend(WS, verdict, |t| {
            t.owner.container = Some(name.into());
            if name == "sync" {
                t.slope = t.slope.map(|s| postmem::model::trend::Estimate { low: s.low * 4.0, mid: s.mid * 4.0, high: s.high * 4.0 });
            }
        });
    }
    let mut own = story.0.kills[0].clone();
    (own.owner, own.kind, own.at) = (third.clone(), KillKind::MemcgContainer, Some(When::at(hour(9))));
    story.0.kills.push(own);
    let found = story.verdict().findings;
    let told = found.iter().map(|f| (f.cause, f.owner.container.clone())).collect::<Vec<_>>();
    assert!(found.iter().any(|f| f.cause == Cause::NeighbourInPod && f.owner.container.as_deref() == Some("sync")), "{told:?}");
    assert!(found.iter().any(|f| f.owner == third && f.cause != Cause::NeighbourInPod), "{told:?}");
    assert!(!found.iter().any(|f| f.owner.container.as_deref() == Some("app")), "the victim is not to blame: {told:?}");
}

#[test]
fn a_pod_described_without_its_namespace_is_none_of_two_that_bear_its_name() {
    let pod = |ns: &str, node: &str, uid: u32| {
        let mut p = replica("web-0", uid, "512Mi");
        p["metadata"]["namespace"] = json!(ns);
        p["spec"]["nodeName"] = json!(node);
        p
    };
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [pod("shop", "n1", 1), pod("test", "n2", 2)]});
    let table = "NAME    READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES\nweb-0   1/1     Running   0          3d    10.0.0.9     n9     <none>           <none>\n";
    let doc = analyze(&[("pods.json", pods.to_string()), ("wide.txt", table.to_owned())], &Options::default());
    let mut nodes: Vec<_> = doc.kills.iter().map(|k| (k.owner.namespace.clone(), k.owner.node.clone())).collect();
    nodes.sort();
    let text = |s: &str| Some(s.to_owned());
    assert_eq!(nodes, [(text("shop"), text("n1")), (text("test"), text("n2"))]);
}

#[test]
fn an_ending_outside_the_window_is_left_out_in_whatever_state_it_is_shown() {
    let mut b = bundle();
    let status = &mut b.pod["status"]["containerStatuses"][0];
    let over =
        |at: &str| json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-02-18T00:00:05Z", "finishedAt": at}});
    status["state"] = over("2026-02-20T10:00:00Z");
    let before = {
        let mut p = b.pod.clone();
        p["status"]["containerStatuses"][0]["state"] = over("2026-02-19T10:00:00Z");
        p["metadata"]["resourceVersion"] = json!("1");
        p
    };
    b.pod["metadata"]["resourceVersion"] = json!("2");
    let files = [("before.json", before.to_string()), ("now.json", b.pod.to_string())];
    assert_eq!(analyze(&files, &Options::default()).kills.len(), 2);
    let mut late = Options::default();
    late.correlate.since = Some(postmem::model::Timestamp(1_771_632_000_000_000_000 + HOUR)); // 2026-02-21 01:00 UTC
    assert_eq!(analyze(&files, &late).kills.len(), 0);
}

#[test]
fn a_limit_of_nothing_proves_nothing() {
    let mut story = Story::new();
    story.pod(|p| p.containers[0].limits.memory_bytes = None);
    story.kill(KillKind::MemcgContainer, 8, |o| {
        o.limit_bytes = Some(0);
        o.memcg_stats = [("anon", 100u64 << 20), ("file", 1 << 20), ("shmem", 0), ("slab", 0)].map(|(k, v)| (k.to_owned(), v)).into();
    });
    let f = story.first();
    assert!(!matches!(f.cause, Cause::TmpfsCharge | Cause::KernelMemory), "{:?} {}", f.cause, f.sentence);
    assert!(f.evidence.iter().all(|e| !e.says.contains("inf")), "{:?}", f.evidence);
}

#[test]
fn one_kill_is_what_every_rule_about_its_parts_speaks_of() {
    let mut story = Story::new();
    let stats = |parts: [(&str, u64); 4]| parts.map(|(k, v)| (k.to_owned(), v << 20)).into();
    story.kill(KillKind::MemcgContainer, 8, |o| o.memcg_stats = stats([("anon", 50), ("file", 450), ("shmem", 0), ("slab", 2)]));
    story.kill(KillKind::MemcgContainer, 9, |o| o.memcg_stats = stats([("anon", 500), ("file", 4), ("shmem", 0), ("slab", 2)]));
    let f = story.first();
    assert!(f.evidence.iter().all(|e| !e.says.contains("at the kill file cache was 450")), "{:?}", f.evidence);
}

fn kernel_log(text: &str) -> Facts {
    let mut out = Facts::new(ArtifactId(0));
    let source = Bytes(text.as_bytes());
    let input = Input { artifact: ArtifactId(0), path: "syslog", len: None, who: Claim::default(), source: &source };
    FORMATS.iter().find(|f| f.name() == "kernel-log").unwrap().parse(&input, &mut out);
    out
}

/// A report as a central syslog has it, line by line: host and the kernel's own clock.
fn report(host: &str, uptime: u32, pid: u32) -> Vec<String> {
    let line = |i: u32, text: String| format!("2026-11-02T10:00:0{}+00:00 {host} kernel: [{}.{:06}] {text}", i, uptime, 100 + i);
    vec![
        line(0, "app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984".into()),
        line(1, "memory: usage 262144kB, limit 262144kB, failcnt 12".into()),
        line(
            2,
            format!(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods/pod{pid},task_memcg=/kubepods/pod{pid},task=app,pid={pid},uid=0"
            ),
        ),
        line(
            3,
            format!(
                "Memory cgroup out of memory: Killed process {pid} (app) total-vm:900000kB, anon-rss:250000kB, file-rss:1000kB, shmem-rss:0kB, UID:0 pgtables:800kB oom_score_adj:984"
            ),
        ),
    ]
}

#[test]
fn two_machines_in_one_log_do_not_cut_each_others_reports_or_boots() {
    let (a, b) = (report("a", 812, 11), report("b", 99_812, 22));
    let mixed: Vec<String> = a.iter().zip(&b).flat_map(|(x, y)| [x.clone(), y.clone()]).collect();
    let out = kernel_log(&(mixed.join("\n") + "\n"));
    assert_eq!(out.kills.len(), 2);
    for k in &out.kills {
        assert_eq!((k.what.limit_bytes, k.what.usage_bytes), (Some(256 << 20), Some(256 << 20)), "{:?}", k.what);
    }
    let boots: std::collections::BTreeSet<_> = out.kills.iter().map(|k| k.what.boot.clone()).collect();
    assert_eq!(boots.len(), 2, "one boot for each: {boots:?}");
    // A machine that boots again is told from one that others interrupt.
    let again = [a, b, report("a", 5, 33)].concat().join("\n") + "\n";
    let boots: std::collections::BTreeSet<_> = kernel_log(&again).kills.iter().map(|k| k.what.boot.clone()).collect();
    assert_eq!(boots.len(), 3, "{boots:?}");
}

#[test]
fn machines_beyond_the_bound_are_told_of_and_mixed_with_none() {
    let log: Vec<String> = (0..300).flat_map(|i| report(&format!("h{i}"), 1000 + i, 100 + i)).collect();
    let out = kernel_log(&(log.join("\n") + "\n"));
    assert_eq!(out.kills.len(), 256);
    assert!(out.diagnostics.iter().any(|d| d.code == "hosts-folded"), "{:?}", out.diagnostics);
}
