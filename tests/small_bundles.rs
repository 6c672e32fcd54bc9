//! Small bundles as people send them, written on the spot and analysed whole: what the first sentence of the report must
//! and must not claim. Each is a pod's description, a series, or both, without the witness that would settle it.

use postmem::pipeline::{self, Options};
use postmem::report::document::{FindingDoc, ReportDoc};
use serde_json::{Value, json};

pub const MIB: u64 = 1 << 20;
/// 2026-02-20 00:00 UTC.
pub const START: u64 = 1_771_545_600;

/// A bundle under construction: one pod `svc-0` of StatefulSet `svc` with container `app`.
pub struct Bundle {
    pub pod: Value,
    pub events: Vec<Value>,
    series: Vec<(String, Vec<u64>, u64)>,
    pub files: Vec<(String, String)>,
}

pub fn bundle() -> Bundle {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "svc-0", "namespace": "shop", "uid": "0b7e5a1c-1111-4222-8333-123456789abc",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "svc", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "reg/svc:1",
            "resources": {"limits": {"memory": "512Mi"}, "requests": {"memory": "256Mi"}}}]},
        "status": {"phase": "Running", "startTime": "2026-02-18T00:00:00Z", "qosClass": "Burstable", "containerStatuses": [{
            "name": "app", "ready": true, "restartCount": 0, "image": "reg/svc:1", "imageID": "",
            "state": {"running": {"startedAt": "2026-02-18T00:00:05Z"}}}]}
    });
    Bundle { pod, events: Vec::new(), series: Vec::new(), files: Vec::new() }
}

impl Bundle {
    /// The last run ended so, after that many restarts.
    pub fn ended(mut self, reason: &str, code: i32, restarts: u64, finished: &str) -> Self {
        let status = &mut self.pod["status"]["containerStatuses"][0];
        status["restartCount"] = json!(restarts);
        status["lastState"] =
            json!({"terminated": {"reason": reason, "exitCode": code, "startedAt": "2026-02-18T00:00:05Z", "finishedAt": finished}});
        self
    }

    /// Values a minute apart, from [`START`] on.
    pub fn series(mut self, metric: &str, values: impl IntoIterator<Item = u64>) -> Self {
        self.series.push((metric.to_owned(), values.into_iter().collect(), 60));
        self
    }

    pub fn working_set(self, mib: impl IntoIterator<Item = u64>) -> Self {
        let values: Vec<u64> = mib.into_iter().map(|v| v * MIB).collect();
        self.series("container_memory_working_set_bytes", values)
    }

    pub fn report(self) -> ReportDoc {
        let dir = tempfile::tempdir().expect("temporary folder");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            std::fs::write(path, text).expect("file");
        };
        if !self.pod.is_null() {
            write(
                "pods.json",
                &serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": [self.pod]})).expect("json"),
            );
        }
        if !self.events.is_empty() {
            write(
                "events.json",
                &serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": self.events})).expect("json"),
            );
        }
        for (i, (metric, values, step)) in self.series.iter().enumerate() {
            let points: Vec<Value> = (0u64..).zip(values).map(|(k, v)| json!([START + k * step, v.to_string()])).collect();
            let labels = json!({"__name__": metric, "namespace": "shop", "pod": "svc-0", "container": "app"});
            let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": labels, "values": points}]}});
            write(&format!("prometheus/{i}.json"), &answer.to_string());
        }
        for (name, text) in &self.files {
            write(name, text);
        }
        pipeline::analyze(&[dir.path().to_owned()], &Options::default()).expect("a report").document
    }

    pub fn first(self) -> FindingDoc {
        self.report().findings.into_iter().next().expect("a finding")
    }
}

/// Climbs from 150 MiB to 505 MiB in `steps` minutes, again and again, `lives` times and a half.
fn saw(steps: u64, lives: u64) -> Vec<u64> {
    (0..steps * lives + steps / 2).map(|i| 150 + 355 * (i % steps) / steps).collect()
}

/// A level with a small wobble.
fn level(mib: u64) -> Vec<u64> {
    (0..600).map(|i| mib + (i * 7) % 5).collect()
}

#[test]
fn falls_from_the_limit_to_the_start_are_restarts_where_the_status_counts_them() {
    let f = bundle().ended("OOMKilled", 137, 3, "2026-02-20T09:59:30Z").working_set(saw(200, 3)).first();
    assert_eq!(f.cause, "heap-leak", "{}", f.sentence);
    // Without any status a saw-tooth whose tops are at the limit is no sign of health.
    let mut bare = bundle().working_set(saw(200, 3)).series("container_spec_memory_limit_bytes", vec![512 * MIB; 700]);
    bare.pod = Value::Null;
    let f = bare.first();
    assert!(f.cause != "no-problem" && f.cause != "limit-below-need", "{} {}", f.cause, f.sentence);
    // A status that knows of no restart is right: then it was the program itself.
    let f = bundle().working_set(saw(200, 3)).report();
    assert_eq!(f.trends[0]["restarts"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_native_sidecar_is_no_init_container() {
    let mut b = bundle();
    let mut side = b.pod["spec"]["containers"][0].clone();
    side["name"] = json!("shipper");
    side["restartPolicy"] = json!("Always");
    side["resources"]["limits"]["memory"] = json!("64Mi");
    b.pod["spec"]["initContainers"] = json!([side]);
    b.pod["status"]["initContainerStatuses"] = json!([{"name": "shipper", "ready": true, "restartCount": 9, "image": "", "imageID": "",
        "state": {"running": {"startedAt": "2026-02-20T10:00:00Z"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-02-20T09:00:00Z", "finishedAt": "2026-02-20T09:55:00Z"}}}]);
    let r = b.report();
    assert!(r.findings.iter().all(|f| f.cause != "startup-peak"), "{}", r.findings[0].sentence);
    assert!(r.findings[0].evidence.iter().chain(&r.findings[0].against).all(|e| !e.says.contains("init container")));
}

#[test]
fn a_flag_that_nothing_reads_is_no_cap() {
    let capped = |env: Value, args: Value| {
        let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
        b.pod["spec"]["containers"][0]["env"] = env;
        b.pod["spec"]["containers"][0]["args"] = args;
        b.first().cause
    };
    assert_eq!(capped(json!([{"name": "JAVA_OPTS", "value": "-Xmx4g"}]), json!([])), "runtime-cap-above-limit");
    assert_ne!(capped(json!([{"name": "BUILD_OPTS", "value": "-Xmx4g"}]), json!(["python", "main.py"])), "runtime-cap-above-limit");
    assert_ne!(capped(json!([{"name": "JAVA_OPTS", "value": "-Xmx4g"}]), json!(["python3", "main.py"])), "runtime-cap-above-limit");
    assert_ne!(capped(json!([]), json!(["java", "-Xmx1g", "-Xmx300m", "-jar", "a.jar"])), "runtime-cap-above-limit");
}

#[test]
fn a_jobs_worker_that_grows_for_days_leaks() {
    let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z").working_set((0..1500).map(|i| 100 + 405 * i / 1500));
    b.pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
    b.pod["spec"]["restartPolicy"] = json!("OnFailure");
    let f = b.first();
    assert_eq!(f.cause, "heap-leak", "{}", f.sentence);
    assert!(f.confidence < 0.7, "one life, and nothing beside it: {}", f.confidence);
}

#[test]
fn a_kill_without_a_limit_is_not_yet_a_node_out_of_memory() {
    let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
    b.pod["spec"]["containers"][0]["resources"] = json!({});
    let f = b.first();
    assert!(f.confidence < 0.55, "{} {} {}", f.cause, f.confidence, f.sentence);
    assert!(f.evidence.iter().all(|e| e.source != "Kernel"), "{:?}", f.evidence);
    assert!(f.advice.iter().all(|a| a.command.as_deref().is_none_or(|c| !c.contains("cordon"))), "{:?}", f.advice);
}

#[test]
fn cache_that_fills_the_limit_and_is_killed_there_is_files_in_memory() {
    let b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z").working_set((0..590).map(|i| 130 + 380 * i / 590));
    let b = b.series("container_memory_rss", (0..590).map(|i| (100 + i % 3) * MIB));
    let f = b.series("container_memory_cache", (0..590).map(|i| (30 + 380 * i / 590) * MIB)).first();
    assert_eq!(f.cause, "tmpfs-charge", "{}", f.sentence);
}

#[test]
fn evictions_for_other_things_than_memory_are_told_with_their_words() {
    let evicted = |message: &str| {
        let mut b = bundle();
        b.pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": message, "startTime": "2026-02-18T00:00:00Z"});
        b.first()
    };
    let memory = evicted("The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi.");
    assert_eq!(memory.cause, "node-overcommit", "{}", memory.sentence);
    for message in [
        "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Gi\". ",
        "Container app exceeded its local ephemeral storage limit \"1Gi\". ",
        "The node was low on resource: nodefs. ",
        "The node had condition: [PIDPressure]. ",
        "Preempted in order to admit critical pod",
    ] {
        let f = evicted(message);
        assert_eq!(f.cause, "not-memory-kill", "{message}: {}", f.sentence);
        let head: String = message.chars().take(20).collect();
        assert!(f.sentence.contains(&head), "{message}: {}", f.sentence);
    }
    let refused = evicted("Pod was rejected: The node had condition: [MemoryPressure]. ");
    assert_ne!(refused.cause, "node-overcommit", "it never ran");
}

/// The files of the container's own cgroup, as `cat` gives them.
fn with_cgroup(mut b: Bundle, files: &[(&str, &str)]) -> Bundle {
    let id = "ab".repeat(32);
    b.pod["status"]["containerStatuses"][0]["containerID"] = json!(format!("containerd://{id}"));
    let pod = "kubepods-burstable-pod0b7e5a1c_1111_4222_8333_123456789abc.slice";
    for (name, text) in files {
        let path = format!("sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/{pod}/cri-containerd-{id}.scope/{name}");
        b.files.push((path, (*text).to_owned()));
    }
    b
}

#[test]
fn a_container_that_is_slowed_at_memory_high_is_in_trouble_without_a_kill() {
    let files = [
        ("memory.current", "480000000\n"),
        ("memory.high", "483183820\n"),
        ("memory.max", "536870912\n"),
        ("memory.events", "low 0\nhigh 2189123\nmax 0\noom 0\noom_kill 0\n"),
        (
            "memory.pressure",
            "some avg10=78.12 avg60=70.20 avg300=66.01 total=918273645\nfull avg10=61.02 avg60=55.10 avg300=50.00 total=7182\n",
        ),
    ];
    let f = with_cgroup(bundle(), &files).first();
    assert_eq!(f.cause, "limit-below-need", "{}", f.sentence);
    assert!(f.sentence.contains("throttled at memory.high of 461 MiB") && f.sentence.contains("70 % of the last minute"), "{}", f.sentence);
    assert!(f.advice.iter().any(|a| a.kind == "size" && a.command.as_deref().is_some_and(|c| c.contains("set resources"))));
    // A counter of zero is how every such file looks.
    let calm = [("memory.high", "max\n"), ("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")];
    assert!(with_cgroup(bundle().working_set(level(200)), &calm).first().cause == "no-problem");
}

#[test]
fn the_cgroups_own_statistics_tell_what_filled_it() {
    let stat = |shmem: u64, anon: u64, slab: u64| {
        let text = format!("anon {}\nfile {}\nshmem {}\nslab {}\ninactive_file 0\n", anon * MIB, shmem * MIB, shmem * MIB, slab * MIB);
        let files = [("memory.current", "524288000\n"), ("memory.max", "536870912\n"), ("memory.stat", text.as_str())];
        with_cgroup(bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z"), &files).first().cause
    };
    assert_eq!(stat(350, 100, 10), "tmpfs-charge");
    assert_eq!(stat(5, 100, 380), "kernel-memory");
    assert_eq!(stat(5, 480, 10), "limit-below-need");
}

#[test]
fn a_crash_loop_after_one_good_life_does_not_start() {
    let mut b = bundle().working_set((0..100).map(|i| 300 + i % 7));
    b.pod["status"]["startTime"] = json!("2026-02-20T00:00:00Z");
    let status = &mut b.pod["status"]["containerStatuses"][0];
    status["restartCount"] = json!(25);
    status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    status["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137,
        "startedAt": "2026-02-20T03:10:00Z", "finishedAt": "2026-02-20T03:10:24Z"}});
    let f = b.first();
    assert_eq!(f.cause, "startup-peak", "{}", f.sentence);
    assert!(f.sentence.contains("its restart count stands at 25"), "{}", f.sentence);
}

/// A kubelet's log of one eviction, for this resource.
fn kubelet(resource: &str) -> (String, String) {
    let line = |text: &str| format!("I0220 09:59:30.123456    1234 eviction_manager.go:366] {text}\n");
    let text = [
        line(&format!("\"Eviction manager: attempting to reclaim\" resourceName=\"{resource}\"")),
        line("\"Eviction manager: pod is evicted successfully\" pod=\"shop/svc-0\""),
    ];
    ("nodes/n1/kubelet.log".to_owned(), text.concat())
}

#[test]
fn the_kubelets_log_says_for_what_it_evicted() {
    let evicted = |resource: &str| {
        let mut b = bundle();
        b.pod = Value::Null;
        b.files.push(kubelet(resource));
        b.first()
    };
    assert_eq!(evicted("memory").cause, "node-overcommit");
    for other in ["ephemeral-storage", "inodes", "pids"] {
        let f = evicted(other);
        assert_eq!(f.cause, "not-memory-kill", "{}", f.sentence);
        assert!(f.sentence.contains(other), "{}", f.sentence);
    }
}

#[test]
fn the_evictions_message_names_the_aggressor() {
    let message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. \
        Container app was using 6829936Ki, request is 128Mi, has larger consumption of memory. ";
    let mut b = bundle();
    b.pod["status"] = json!({"phase": "Failed", "reason": "Evicted", "message": message, "startTime": "2026-02-18T00:00:00Z"});
    let f = b.first();
    assert_eq!((f.cause.as_str(), f.culprits.first().map(|c| c.name.as_str())), ("node-overcommit", Some("svc-0")), "{}", f.sentence);
}

#[test]
fn a_gauge_that_does_not_grow_is_heard_whatever_its_name() {
    let leak = || bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z").working_set((0..590).map(|i| 130 + 380 * i / 590));
    let flat = |metric: &str| leak().series(metric, (0..590).map(|i| (100 + i % 3) * MIB)).first();
    assert_eq!(flat("jemalloc_allocated_bytes").cause, "native-growth");
    let unknown = flat("svc_heap_memory_bytes");
    assert!(unknown.cause == "native-growth" || unknown.confidence < 0.7, "{} {}", unknown.cause, unknown.confidence);
    let growing = leak().series("svc_heap_memory_bytes", (0..590).map(|i| (80 + 370 * i / 590) * MIB)).first();
    assert_eq!(growing.cause, "heap-leak", "{}", growing.sentence);
}

#[test]
fn kills_that_only_the_kernels_counter_tells_of_are_kills_of_children() {
    let rises = (0..600).map(|i: u64| u64::from(i >= 150) + u64::from(i >= 300) + u64::from(i >= 450));
    let r = bundle().working_set(level(480)).series("container_oom_events_total", rises).report();
    assert_eq!(r.kills.iter().map(|k| (k.kind.as_str(), k.count)).collect::<Vec<_>>(), [("child-process", 1); 3]);
    assert!(r.findings[0].cause != "no-problem" && r.findings[0].sentence.contains("child process 3 times"), "{}", r.findings[0].sentence);
    let standing = bundle().working_set(level(480)).series("container_oom_events_total", vec![4; 600]).report();
    assert_eq!(standing.kills.iter().map(|k| k.count).sum::<u64>(), 4);
}

#[test]
fn memory_that_follows_a_load_without_end_is_no_health() {
    let load = |i: u64| 100 + i * 300 / 600;
    let total = (0..600u64).scan(0, |sum, i| {
        *sum += load(i) * 60;
        Some(*sum)
    });
    let b = bundle().working_set((0..600).map(|i| load(i) + 20 + (i * 7) % 3)).series("http_requests_total", total);
    let f = b.first();
    assert_eq!(f.cause, "load-growth", "{}", f.sentence);
    assert!(f.confidence < 0.7 && f.sentence.contains("nothing was killed yet"), "{} {}", f.confidence, f.sentence);
}

#[test]
fn a_sidecar_of_a_finished_job_is_no_batch_that_outgrew_its_limit() {
    let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
    b.pod["metadata"]["ownerReferences"][0] = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "load", "controller": true});
    assert_eq!(bundle_of(&b).first().cause, "batch-peak");
    let mut main = b.pod["spec"]["containers"][0].clone();
    main["name"] = json!("main");
    b.pod["spec"]["containers"].as_array_mut().expect("containers").push(main);
    b.pod["status"]["containerStatuses"].as_array_mut().expect("statuses").push(json!({"name": "main", "ready": false, "restartCount": 0,
        "image": "", "imageID": "", "state": {"terminated": {"reason": "Completed", "exitCode": 0, "finishedAt": "2026-02-20T10:30:00Z"}}}));
    assert_eq!(b.first().cause, "limit-below-need");
}

fn bundle_of(b: &Bundle) -> Bundle {
    Bundle { pod: b.pod.clone(), events: b.events.clone(), series: b.series.clone(), files: b.files.clone() }
}

#[test]
fn what_ended_days_before_everything_else_is_dated_and_asks_for_no_stop() {
    let f = bundle().ended("OOMKilled", 137, 1, "2026-01-20T09:59:30Z").working_set(level(200)).report().findings;
    let old = f.iter().find(|f| f.cause == "limit-below-need").unwrap_or(&f[0]);
    assert!(old.sentence.contains("before the newest of the input"), "{}", old.sentence);
    assert!(old.advice.iter().all(|a| a.kind != "stop" && a.kind != "size"), "{:?}", old.advice);
}

#[test]
fn without_limit_and_restarts_nobody_knows_of_kills() {
    let mut b = bundle().working_set(level(200));
    b.pod = Value::Null;
    let f = b.first();
    assert!(!f.sentence.contains("nothing was killed") && f.sentence.contains("neither its limit nor its restarts"), "{}", f.sentence);
}

#[test]
fn a_level_far_below_the_limit_is_healthy_and_says_how_far() {
    let f = bundle().working_set(level(200)).first();
    assert_eq!(f.cause, "no-problem");
    assert!(f.sentence.contains("40 % of its limit"), "{}", f.sentence);
}

#[test]
fn what_a_burst_of_the_last_minutes_filled_is_no_cache() {
    // Two thirds are cache for hours; then RSS takes the limit within six minutes and the cache gives way.
    let rss = |i: u64| if i < 594 { 200 + i % 3 } else { 200 + 50 * (i - 593) };
    let cache = |i: u64| if i < 594 { 100 + i * 200 / 594 } else { 300 - 45 * (i - 593) };
    let b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z");
    let b =
        b.series("container_memory_rss", (0..600).map(|i| rss(i) * MIB)).series("container_memory_cache", (0..600).map(|i| cache(i) * MIB));
    let f = b.working_set((0..600).map(|i| (rss(i) + cache(i)).min(510))).first();
    assert!(f.cause != "tmpfs-charge" && f.cause != "page-cache", "{} {}", f.cause, f.sentence);
}

#[test]
fn growth_that_goes_to_swap_is_growth() {
    let swap = |i: u64| i.saturating_sub(100) * 600 / 500;
    let b = || bundle().working_set((0..600).map(|i| (300 + i * 2).min(505)));
    let f = b().series("container_memory_swap", (0..600).map(|i| swap(i) * MIB)).first();
    assert_eq!(f.cause, "heap-leak", "{}", f.sentence);
    assert!(f.confidence < 0.7 && f.sentence.contains("into swap"), "{} {}", f.confidence, f.sentence);
    assert!(f.quantities.get("growth_bytes_per_hour").is_some_and(|g| (g / MIB as f64 - 72.0).abs() < 8.0), "{:?}", f.quantities);
    assert!(!f.quantities.contains_key("recommended_limit_bytes") && f.advice.iter().all(|a| !a.text.contains("before the limit")));
    // A few idle pages that were put away once are no growth.
    let f = b().series("container_memory_swap", (0..600).map(|i| (i.min(50)) * MIB)).first();
    assert_eq!(f.cause, "limit-below-need", "{}", f.sentence);
}

#[test]
fn falls_to_the_start_that_nothing_counts_are_told_as_such() {
    let mut b = bundle().working_set(saw(200, 3));
    b.pod = Value::Null;
    let r = b.report();
    let f = &r.findings[0];
    assert!(f.cause == "heap-leak" && f.confidence < 0.5, "{} {} {}", f.cause, f.confidence, f.sentence);
    assert!(f.sentence.contains("3 times") && f.sentence.contains("nothing in the input counts its restarts"), "{}", f.sentence);
    assert_eq!(r.trends[0]["restarts_assumed"], json!(true));
    // Batches that begin minutes after one another are the program's own doing.
    let mut batches = bundle().working_set((0..700).map(|i| 150 + 355 * (i % 20) / 20));
    batches.pod = Value::Null;
    assert_eq!(batches.first().cause, "no-problem");
}

#[test]
fn a_series_that_is_too_short_still_shows_its_ends() {
    let mut b = bundle().working_set((0..19).map(|i| 200 + 25 * i));
    b.pod = Value::Null;
    let f = b.first();
    assert_eq!(f.cause, "inconclusive");
    assert!(f.sentence.contains("from 200 MiB to 650 MiB in 18 min, 19 samples"), "{}", f.sentence);
}

#[test]
fn process_tables_in_a_folder_named_after_the_node_show_what_grows_on_it() {
    let table = |kib: u64| {
        format!(
            "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\nroot 1100 1.2 9.9 9100000 {kib} ? Ssl Jun01 120:10 /usr/bin/containerd\nroot 1432 2.2 0.9 2100000 140000 ? Ssl Jun01 220:10 /usr/bin/kubelet\n"
        )
    };
    let mut b = bundle();
    b.pod = Value::Null;
    for (at, kib) in [("20260701T000000Z", 210_000), ("20260701T120000Z", 1_900_000), ("20260702T000000Z", 3_700_000)] {
        b.files.push((format!("shop/w-1/ps-{at}.txt"), table(kib)));
    }
    let f = b.first();
    assert_eq!((f.cause.as_str(), f.owner.node.as_deref()), ("node-agent-leak", Some("w-1")), "{}", f.sentence);
    assert!(f.confidence < 0.5 && f.sentence.contains("containerd"), "{} {}", f.confidence, f.sentence);
}

#[test]
fn a_size_that_its_own_record_refutes_is_not_given() {
    // Half the limit is climbed within the last minute before each kill.
    let life = |i: u64| if i % 30 == 29 { 480 } else { 200 + i % 3 };
    let b = bundle().ended("OOMKilled", 137, 19, "2026-02-20T09:59:30Z").working_set((0..600).map(life));
    let f = b.series("kube_pod_container_status_restarts_total", (0..600).map(|i| i / 30)).first();
    let size = f.advice.iter().find(|a| a.kind == "size").expect("a size");
    assert!(size.text.contains("still climbing at each of") && size.text.contains("Give it 1 GiB"), "{}", size.text);
}

#[test]
fn a_cap_that_nothing_sets_is_not_said_to_be_set() {
    // The runtime itself says what its heap may take: the pod names no flag.
    let b = bundle().ended("OOMKilled", 137, 3, "2026-02-20T09:59:30Z").working_set(saw(200, 3));
    let f = b.series("jvm_memory_max_bytes", vec![16384 * MIB; 700]).first();
    assert!(f.advice.iter().all(|a| !a.text.contains("the present flag")), "{:?}", f.advice);
}

/// Six lives under a limit of 512 MiB, then one under 1 GiB, at 400 MiB.
fn raised(life: impl Fn(u64) -> u64) -> FindingDoc {
    let mut b = bundle().working_set((0..1400).map(|i| if i < 600 { life(i % 100) } else { 400 + i % 5 }));
    b.pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
    let limit = (0..1400).map(|i| if i < 600 { 512 * MIB } else { 1024 * MIB });
    let b = b.series("kube_pod_container_resource_limits_memory_bytes", limit);
    b.series("kube_pod_container_status_restarts_total", (0..1400u64).map(|i| (i / 100).min(6))).first()
}

#[test]
fn a_limit_that_was_raised_since_needs_nothing_now() {
    let f = raised(|i| if i > 96 { 508 } else { 380 + i % 7 });
    assert_eq!(f.cause, "limit-below-need", "{}", f.sentence);
    assert!(f.sentence.contains("earlier limit"), "{}", f.sentence);
    assert!(f.advice.iter().all(|a| a.kind != "size") && !f.quantities.contains_key("recommended_limit_bytes"), "{:?}", f.advice);
}

#[test]
fn lives_are_told_with_the_limit_that_they_met() {
    let f = raised(|i| 150 + 355 * i / 100);
    assert_eq!(f.cause, "heap-leak", "{}", f.sentence);
    assert!(f.sentence.contains("6 times at its limit at the time, 512 MiB"), "{}", f.sentence);
}

#[test]
fn a_pinned_soft_cap_makes_a_program_too_slow_to_answer() {
    let mut b = bundle().working_set(level(498)).ended("Error", 137, 5, "2026-02-20T09:59:30Z");
    b.pod["spec"]["containers"][0]["env"] = json!([{"name": "GOMEMLIMIT", "value": "480MiB"}]);
    b.events.push(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "svc-0.1", "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "svc-0", "fieldPath": "spec.containers{app}"},
        "reason": "Killing", "message": "Container app failed liveness probe, will be restarted", "type": "Normal", "count": 5,
        "firstTimestamp": "2026-02-20T08:00:00Z", "lastTimestamp": "2026-02-20T09:59:00Z", "source": {"component": "kubelet"}}));
    let f = b.first();
    assert_eq!(f.cause, "not-memory-kill", "{}", f.sentence);
    assert!(f.advice.iter().any(|a| a.text.contains("Give it room first")), "{:?}", f.advice);
}

#[test]
fn one_kill_without_a_series_is_no_need_that_is_known() {
    let f = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z").first();
    assert!(f.sentence.contains("whether it needs more or grows without end") && !f.sentence.contains("needs more than"), "{}", f.sentence);
    assert!(f.advice.iter().any(|a| a.kind == "size" && a.text.starts_with("A stopgap")), "{:?}", f.advice);
}

#[test]
fn a_size_is_not_asked_of_a_container_beyond_what_its_pod_has() {
    let mut b = bundle().ended("OOMKilled", 137, 4, "2026-02-20T09:59:30Z").working_set(level(505));
    let sized = |b: &Bundle| bundle_of(b).first().advice.into_iter().find(|a| a.kind == "size").expect("a size");
    assert!(sized(&b).command.is_some_and(|c| c.contains("set resources")));
    b.pod["spec"]["resources"] = json!({"limits": {"memory": "512Mi"}});
    let whole = sized(&b);
    assert!(whole.command.is_none() && whole.text.contains("pod's own"), "the API would refuse it: {whole:?}");
}

#[test]
fn a_quiet_record_of_hours_lowers_no_limit() {
    let r = bundle().working_set(level(100)).report();
    assert!(r.trends[0]["recommended_limit_bytes"].as_f64().is_some_and(|l| l < 512.0 * MIB as f64), "{}", r.trends[0]["sizing"]);
    assert_eq!(r.trends[0]["sizing"]["command"], Value::Null);
}

#[test]
fn profiles_that_bear_their_pods_name_are_its() {
    let text = |kib: u64| {
        format!(
            "heap profile: 1: {0} [1: {0}] @ heap/1048576\n1: {0} [1: {0}] @ 0x4a1b2c\n#\t0x4a1b2b\tmain.grow+0x2b\t/src/main.go:12\n\n",
            kib << 10
        )
    };
    let mut b = bundle();
    for (at, kib) in [("20260220T003000Z", 40_000), ("20260220T053000Z", 240_000)] {
        b.files.push((format!("pprof/svc-0_heap_{at}.txt"), text(kib)));
    }
    let r = b.report();
    let owners: Vec<_> = r.deltas.iter().map(|d| d.owner.label()).collect();
    assert_eq!(owners, ["shop/svc-0/app"], "{:?}", r.artifacts);
}

#[test]
fn a_small_pod_took_no_node_though_it_is_the_largest_that_is_known() {
    let gib = 1024 * MIB;
    // 8 GiB: what is free falls to 80 MiB, and the kernel kills three by its own counter.
    let node = |metric: &str, value: &dyn Fn(u64) -> u64| {
        let points: Vec<Value> = (0..300u64).map(|k| json!([START + k * 60, value(k).to_string()])).collect();
        json!({"metric": {"__name__": metric, "instance": "10.0.0.5:9100", "job": "node-exporter"}, "values": points})
    };
    let result = json!([
        node("node_memory_MemTotal_bytes", &|_| 8 * gib),
        node("node_memory_MemAvailable_bytes", &|k| if k < 200 { 6 * gib - k * 30 * MIB } else { 5 * gib }.max(80 * MIB)),
        node("node_vmstat_oom_kill", &|k| if k < 200 { 0 } else { 3 }),
    ]);
    let mut b = bundle().working_set((0..300).map(|k| 600 + k % 5));
    b.pod = Value::Null;
    let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": result}});
    b.files.push(("prometheus/node.json".into(), answer.to_string()));
    let r = b.report();
    let f = &r.findings[0];
    assert_eq!(f.cause, "node-overcommit", "{}", f.sentence);
    assert!(f.culprits.is_empty() && !f.sentence.contains("svc-0"), "{}", f.sentence);
    assert!(f.sentence.contains("3 times"), "{}", f.sentence);
    assert_eq!(r.headline.figures.first().map(|f| f.value.as_str()), Some("3"));
}

#[test]
fn a_collectors_log_without_times_of_day_has_those_of_the_only_run() {
    let log: String = (0..300)
        .map(|k| {
            format!(
                "[1:0x5d2c000] {:>8} ms: Mark-Compact {}.0 (430.0) -> {}.0 (432.0) MB, 11.2 / 0.0 ms  (average mu = 0.98)\n",
                2_000 + k * 60_000,
                95 + k,
                80 + k
            )
        })
        .collect();
    let with = |restarts: u64| {
        let mut b = bundle();
        b.pod["status"]["containerStatuses"][0]["restartCount"] = json!(restarts);
        b.files.push(("logs/shop/svc-0/app.log".into(), log.clone()));
        b.report()
    };
    let r = with(0);
    assert_eq!(r.findings[0].cause, "heap-leak", "{}", r.findings[0].sentence);
    let from = |r: &ReportDoc| r.window.as_ref().and_then(|w| w.earliest).map(|t| t.human());
    assert!(from(&r).is_some_and(|t| t.starts_with("2026-02-18")), "{:?}", from(&r));
    // Of which run the log of a restarted container is nobody says: no time is made up, least of all one of 1970.
    assert!(from(&with(2)).is_none_or(|t| t.starts_with("2026-")), "{:?}", from(&with(2)));
}
