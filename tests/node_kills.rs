//! Kills of a whole node: the balance of its RAM decides what is named, and who stands above its request, not who is large.

use crate::small_bundles::bundle;
use postmem::report::document::FindingDoc;
use serde_json::{Value, json};

/// Pages of a node of 16 GiB.
const RAM: u64 = 4_093_632;

struct Report {
    order: u32,
    /// Counts of pages by their words.
    pages: Vec<(&'static str, u64)>,
    /// `(pid, pages of rss, oom_score_adj, name)`; the last dies.
    tasks: Vec<(u32, u64, i32, &'static str)>,
    /// Lines before the task table.
    more: Vec<String>,
}

impl Report {
    fn text(&self) -> String {
        let mut out = String::new();
        let mut say = |m: &str| {
            out.push_str("2026-02-20T04:00:00+0000 n1 kernel: ");
            out.push_str(m);
            out.push('\n');
        };
        say(&format!("kubelet invoked oom-killer: gfp_mask=0x1100cca(GFP_HIGHUSER_MOVABLE), order={}, oom_score_adj=-999", self.order));
        say("Mem-Info:");
        let page = |w: &str| self.pages.iter().find(|p| p.0 == w).map_or(1_000, |p| p.1);
        let (anon, slab, shmem, tables) = (page("anon"), page("slab_unreclaimable"), page("shmem"), page("pagetables"));
        say(&format!("active_anon:1000 inactive_anon:{anon} isolated_anon:0"));
        say(" active_file:400 inactive_file:500 isolated_file:0");
        say(&format!(" unevictable:{} dirty:0 writeback:0", page("unevictable")));
        say(&format!(" slab_reclaimable:2000 slab_unreclaimable:{slab}"));
        say(&format!(" mapped:200 shmem:{shmem} pagetables:{tables}"));
        say(&format!(" free:{} free_pcp:100 free_cma:0", page("free")));
        say(&format!("Node 0 Normal free:{}kB boost:0kB min:54900kB low:68624kB high:82348kB", page("free") * 4));
        say(&format!("Node 0 Normal: {}*4kB (UME) 0*8kB 0*16kB 0*32kB = {}kB", page("free"), page("free") * 4));
        for m in &self.more {
            say(m);
        }
        say(&format!("{RAM} pages RAM"));
        say("0 pages reserved");
        say("Tasks state (memory values in pages):");
        say("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name");
        for (pid, rss, adj, name) in &self.tasks {
            say(&format!("[{pid:>7}]  1000 {pid:>5} {:>8} {rss:>8}   131072        0 {adj:>13} {name}", rss * 2));
        }
        if let Some((pid, rss, adj, name)) = self.tasks.last() {
            say(&format!(
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/system.slice/x.scope,task={name},pid={pid},uid=1000"
            ));
            say(&format!(
                "Out of memory: Killed process {pid} ({name}) total-vm:{}kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:100kB oom_score_adj:{adj}",
                rss * 8,
                rss * 4
            ));
        }
        out
    }

    fn first(&self, pods: Vec<Value>) -> FindingDoc {
        let mut b = bundle();
        b.pod = Value::Null;
        b.files.push(("n1/kern.log".into(), self.text()));
        b.files.push(("pods.json".into(), json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string()));
        b.report().findings.into_iter().next().expect("a finding")
    }
}

fn usual() -> Report {
    let tasks = vec![(1201, 17_500, -999, "kubelet"), (5001, 200_000, 968, "api")];
    Report { order: 0, pages: vec![("anon", 220_000), ("free", 16_750)], tasks, more: Vec::new() }
}

fn pod(name: &str, container: &str, request: Option<&str>, limit: Option<&str>, qos: &str) -> Value {
    let mut resources = json!({});
    if let Some(r) = request {
        resources["requests"] = json!({"memory": r});
    }
    if let Some(l) = limit {
        resources["limits"] = json!({"memory": l});
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ci"},
        "spec": {"nodeName": "n1", "containers": [{"name": container, "image": format!("reg/{container}:1"), "resources": resources}]},
        "status": {"phase": "Running", "qosClass": qos}})
}

#[test]
fn what_no_process_holds_is_named_before_any_process() {
    let cases: [(&str, u64, &str); 4] = [
        ("slab_unreclaimable", 3_500_000, "unreclaimable slab"),
        ("shmem", 3_400_000, "files in memory"),
        ("unevictable", 3_100_000, "locked memory"),
        ("pagetables", 2_400_000, "page tables"),
    ];
    for (word, pages, says) in cases {
        let mut r = usual();
        r.pages.push((word, pages));
        let f = r.first(Vec::new());
        assert_eq!(f.cause, "node-overcommit", "{word}");
        assert!(f.sentence.contains(says) && !f.sentence.contains("api"), "{word}: {}", f.sentence);
        assert!(!f.advice.iter().any(|a| a.text.contains("Find whose api")), "{word}");
    }
    let mut r = usual();
    r.more.push("Node 0 hugepages_total=6000 hugepages_free=6000 hugepages_surp=0 hugepages_size=2048kB".into());
    let f = r.first(Vec::new());
    assert!(f.sentence.contains("huge pages (none of them in use)"), "{}", f.sentence);
    let f = usual().first(Vec::new());
    assert!(f.sentence.contains("no counter of the kernel's report explains"), "the rest is a finding: {}", f.sentence);
}

#[test]
fn memory_in_small_pieces_is_no_want_of_memory() {
    let mut r = usual();
    r.order = 3;
    r.pages = vec![("anon", 2_200_000), ("free", 1_500_000)];
    let f = r.first(Vec::new());
    assert!(f.sentence.contains("did not run out of memory") && f.sentence.contains("in one piece"), "{}", f.sentence);
}

#[test]
fn the_aggressor_stands_above_its_request_and_is_a_pod() {
    let mut r = usual();
    r.pages = vec![("anon", 3_700_000), ("free", 16_750)];
    // The largest keeps within its request (adj -997), the overcommitter is smaller, the victim is smaller still.
    r.tasks = vec![(3001, 2_200_000, -997, "postgres"), (5001, 1_290_000, 996, "buildkitd"), (7001, 110_000, 984, "node")];
    let pods = vec![
        pod("pg-0", "postgres", Some("9Gi"), Some("9Gi"), "Guaranteed"),
        pod("buildkitd-0", "buildkitd", Some("64Mi"), None, "Burstable"),
        pod("front-0", "front", Some("256Mi"), Some("512Mi"), "Burstable"),
    ];
    let f = r.first(pods);
    assert_eq!(f.culprits.first().map(|c| (c.kind.as_str(), c.name.as_str())), Some(("pod", "ci/buildkitd-0")), "{}", f.sentence);
    assert!(f.sentence.contains("pod ci/buildkitd-0, on a memory request of 64 MiB"), "{}", f.sentence);
    assert!(!f.advice.iter().any(|a| a.text.starts_with("Find whose")), "{:?}", f.advice.iter().map(|a| &a.text).collect::<Vec<_>>());
}

#[test]
fn most_of_it_is_more_than_half_of_ram() {
    let mut r = usual();
    r.pages = vec![("anon", 3_700_000), ("free", 16_750)];
    r.tasks = vec![(3001, 1_500_000, 900, "a"), (3002, 600_000, 900, "b"), (5001, 1_400_000, 1000, "python3")];
    let f = r.first(Vec::new());
    assert!(!f.sentence.contains("most of it") && f.sentence.contains("of its 15.6 GiB"), "{}", f.sentence);
    r.tasks = vec![(3002, 600_000, 900, "b"), (5001, 3_000_000, 1000, "python3")];
    let f = r.first(vec![pod("train-0", "python3", None, None, "BestEffort")]);
    assert!(f.sentence.contains("most of it in pod ci/train-0 (11.4 GiB, without a memory request)"), "{}", f.sentence);
}
