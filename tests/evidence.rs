//! Evidence that names no container, or names it in an unusual way: logs saved under any name, words inside structured
//! lines, events of nodes, counters without a path. Every bundle here is a few lines in a temporary folder.

use postmem::model::Incident;
use postmem::model::kill::Witness;
use postmem::pipeline::{self, Options};
use std::path::Path;

const DEAD_NODE: &str =
    "2026-05-06T10:00:00Z listening\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n";
const DEAD_JAVA: &str = "2026-05-06T10:00:01Z ERROR boom\njava.lang.OutOfMemoryError: Java heap space\nTerminating due to java.lang.OutOfMemoryError: Java heap space\n";

/// A running pod with one container, which ended before with this code at 10:00:05.
fn pod(name: &str, container: &str, code: Option<(i32, &str)>) -> String {
    let last = code.map_or("{}".into(), |(c, reason)| {
        format!(r#"{{"terminated":{{"reason":"{reason}","exitCode":{c},"startedAt":"2026-05-06T09:00:00Z","finishedAt":"2026-05-06T10:00:05Z"}}}}"#)
    });
    let (restarts, since) = if code.is_some() { (1, "2026-05-06T10:00:06Z") } else { (0, "2026-05-06T09:00:00Z") };
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"shop","uid":"u-{name}","creationTimestamp":"2026-05-06T09:00:00Z"}},
"spec":{{"nodeName":"n1","containers":[{{"name":"{container}","image":"x:1","resources":{{"limits":{{"memory":"1Gi"}}}}}}]}},
"status":{{"phase":"Running","startTime":"2026-05-06T09:00:00Z","containerStatuses":[{{"name":"{container}","restartCount":{restarts},
"state":{{"running":{{"startedAt":"{since}"}}}},"lastState":{last}}}]}}}}"#
    )
}

fn read(files: &[(&str, &str)]) -> Incident {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    analyze(dir.path())
}

fn analyze(dir: &Path) -> Incident {
    pipeline::read(&[dir.to_path_buf()], &Options::default()).unwrap()
}

/// `kind pod/container witness+witness` of every kill.
fn kills(i: &Incident) -> Vec<String> {
    let s = |o: &Option<String>| o.clone().unwrap_or("-".into());
    i.kills
        .iter()
        .map(|k| {
            format!(
                "{} {}/{} {}",
                k.kind.word(),
                s(&k.owner.pod),
                s(&k.owner.container),
                k.witnesses().map(Witness::word).collect::<Vec<_>>().join("+")
            )
        })
        .collect()
}

#[test]
fn a_log_without_a_name_belongs_to_the_only_container() {
    let i = read(&[("pods.json", &pod("web-0", "web", Some((134, "Error")))), ("previous.log", DEAD_NODE)]);
    assert_eq!(kills(&i), ["runtime-abort web-0/web container status+application log"]);
    assert!(i.joins.iter().any(|j| j.left.ends_with("previous.log") && j.reason.starts_with("inferred")), "{:?}", i.joins);
}

#[test]
fn among_several_the_one_that_ended_so_or_is_called_so() {
    let (a, b, c) = (pod("web-0", "web", None), pod("api-0", "api", Some((3, "Error"))), pod("db-0", "db", Some((137, "OOMKilled"))));
    let three = |log: &str| read(&[("a.json", &a), ("b.json", &b), ("c.json", &c), (log, DEAD_JAVA)]);
    let expected = ["memcg-container db-0/db container status", "runtime-abort api-0/api container status+application log"];
    let sorted = |log: &str| {
        let mut k = kills(&three(log));
        k.sort();
        k
    };
    assert_eq!(sorted("crash.log"), expected);
    assert_eq!(sorted("api.log"), expected);
    // The name of a container that was never restarted says that the program went on; nothing is made of the words.
    assert_eq!(sorted("web.log"), ["memcg-container db-0/db container status"]);
}

#[test]
fn words_that_nobody_owns_are_an_ending_of_their_own() {
    let i = read(&[("dump.log", "time=2026-05-06T10:00:00Z level=INFO msg=x\nfatal error: runtime: out of memory\n")]);
    assert_eq!(kills(&i), ["runtime-abort -/- application log"]);
    let verdict = postmem::diagnosis::diagnose(&i);
    assert!(verdict.findings[0].sentence.contains("dump.log"), "{}", verdict.findings[0].sentence);
    // Options of the JVM, a quotation and a refused fork are not.
    for line in [
        "Picked up JAVA_TOOL_OPTIONS: -XX:+ExitOnOutOfMemoryError",
        r#"2026-05-06T10:00:00Z INFO indexed "How to fix java.lang.OutOfMemoryError: Java heap space""#,
        "2026-05-06T10:00:00Z bash: fork: Cannot allocate memory",
    ] {
        assert!(read(&[("app.log", &format!("2026-05-06T10:00:00Z started\n{line}\n"))]).kills.is_empty(), "{line}");
    }
}

#[test]
fn a_traceback_in_a_python_log_is_no_kernel_log() {
    let log = "2026-05-06 10:00:01,002 INFO start\n2026-05-06 10:00:04,771 INFO reading (11.2 GB)\nTraceback (most recent call last):\n  File \"/app/etl.py\", line 88, in <module>\nMemoryError\n";
    let i = read(&[("pods.json", &pod("etl-0", "etl", Some((1, "Error")))), ("etl.log", log)]);
    assert_eq!(i.artifacts.iter().find(|a| a.path.ends_with("etl.log")).map(|a| a.format), Some("app-log"));
    assert_eq!(kills(&i), ["runtime-abort etl-0/etl container status+application log"]);
}

#[test]
fn containers_that_share_a_log_keep_their_heaps_apart() {
    let mut log = String::new();
    for n in 0..10 {
        for (pod, mb) in [("web-1", 100 + n), ("web-5", 500 + n)] {
            log += &format!(
                "[pod/{pod}/app] 2026-05-06T10:{n:02}:00.000000000Z [1:0x5a1b2c0]    {n}4732 ms: Mark-Compact {}.2 (700.3) -> {mb}.0 (711.5) MB, 1.0 / 0.0 ms\n",
                mb + 9
            );
        }
    }
    let i = read(&[("logs.txt", &log)]);
    let mut ranges: Vec<(String, f64, f64)> = i
        .series
        .iter()
        .map(|s| {
            let v = &s.what.values;
            (s.owner.pod.clone().unwrap_or_default(), v.iter().copied().fold(f64::MAX, f64::min), v.iter().copied().fold(0.0, f64::max))
        })
        .collect();
    ranges.sort_by(|a, b| a.0.cmp(&b.0));
    let mib = 1_048_576.0;
    assert_eq!(ranges, [("web-1".into(), 100.0 * mib, 109.0 * mib), ("web-5".into(), 500.0 * mib, 509.0 * mib)]);
}

fn events(rows: &[(&str, &str)]) -> String {
    let mut out = "NAMESPACE   LAST SEEN   TYPE      REASON                 OBJECT        MESSAGE\n".to_owned();
    for (reason, message) in rows {
        out += &format!("default     10m         Warning   {reason:<22} node/n1       {message}\n");
    }
    out
}

#[test]
fn a_nodes_events_tell_of_kills_that_no_log_shows() {
    let killed = "Memory cgroup out of memory: Killed process 812 (worker) total-vm:900kB, anon-rss:300000kB, file-rss:0kB, shmem-rss:0kB";
    let i =
        read(&[("events.txt", &events(&[("OOMKilling", killed), ("SystemOOM", "System OOM encountered, victim process: etl, pid: 77")]))]);
    let mut k = kills(&i);
    k.sort();
    assert_eq!(k, ["memcg-container -/- event", "node-oom -/- event"]);
    // A supervisor's word tells whose child it was.
    let log = "[2026-05-06 09:40:00,112: ERROR/MainProcess] Process 'Pool-2' pid:42 exited with 'signal 9 (SIGKILL)'\n";
    let i = read(&[
        ("events.txt", &events(&[("OOMKilling", killed)])),
        ("pods.json", &pod("jobs-0", "jobs", None)),
        ("logs/jobs-0_jobs.log", log),
    ]);
    assert_eq!(kills(&i), ["child-process jobs-0/jobs event+application log"]);
}

#[test]
fn an_eviction_happened_on_the_node_that_was_short_of_memory() {
    let text = events(&[("EvictionThresholdMet", "Attempting to reclaim memory")])
        + "shop        10m         Warning   Evicted                pod/web-0     The node was low on resource: memory. Threshold quantity: 750Mi, available: 412Mi.\n";
    let i = read(&[("events.txt", &text)]);
    assert_eq!(i.kills.iter().map(|k| k.owner.node.as_deref()).collect::<Vec<_>>(), [Some("n1")]);
    let verdict = postmem::diagnosis::diagnose(&i);
    assert!(!verdict.findings[0].sentence.starts_with("Nothing"), "{}", verdict.findings[0].sentence);
}

#[test]
fn counters_printed_without_a_path_are_the_only_containers() {
    let text = "anon 951234560\nfile 20971520\nkernel 9437184\nlow 0\nhigh 0\nmax 1290\noom 9\noom_kill 9\noom_group_kill 0\n";
    let i = read(&[("pods.json", &pod("run-0", "run", None)), ("cgroup.txt", text)]);
    assert_eq!(kills(&i), ["child-process run-0/run cgroup counter"]);
    assert_eq!(i.kills[0].count, 9);
}

#[test]
fn the_folders_of_the_kubelet_say_whose_uid_it_is() {
    let uid = "3f1b2c4d-5e6f-4a8b-9c0d-e1f2a3b4c5d6";
    let path = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope",
        uid.replace('-', "_"),
        "ab".repeat(32)
    );
    let line = |text: &str| format!("2026-05-06T10:00:00.000000+00:00 n1 kernel: {text}\n");
    let log = [
        line("hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=900"),
        line("memory: usage 1048576kB, limit 1048576kB, failcnt 40"),
        line(&format!("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={path},task_memcg={path},task=hog,pid=9,uid=0")),
        line("Memory cgroup out of memory: Killed process 9 (hog) total-vm:2000000kB, anon-rss:1040000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:400kB oom_score_adj:900"),
    ]
    .concat();
    let folder = format!("var/log/pods/shop_hog-0_{uid}/hog/0.log");
    let i = read(&[("journal.log", &log), (&folder, "2026-05-06T09:59:00.000000000Z stdout F working\n")]);
    assert_eq!(kills(&i), ["memcg-container hog-0/hog kernel"]);
}

#[test]
fn two_signals_of_one_daemon_are_one_kill() {
    let line = |s: u32, text: &str| format!("2026-05-06T10:00:{s:02}+0000 n4 earlyoom[733]: {text}\n");
    let log = [
        line(1, "sending SIGTERM to process 20313 uid 1000 \"java\": badness 1122, VmRSS 9812 MiB"),
        line(9, "sending SIGKILL to process 20313 uid 1000 \"java\": badness 1122, VmRSS 9812 MiB"),
    ]
    .concat();
    let i = read(&[("journal.log", &log)]);
    assert_eq!(kills(&i), ["userspace-oomd -/- node log"]);
    assert_eq!(i.kills[0].told.len(), 2);
}

/// A Prometheus answer with one line of samples per series, one a minute from 09:00.
fn answer(series: &[(&str, Vec<f64>)]) -> String {
    let one = |(labels, values): &(&str, Vec<f64>)| {
        let samples: Vec<String> = values.iter().enumerate().map(|(n, v)| format!("[{},\"{v}\"]", 1_778_058_000 + 60 * n)).collect();
        format!("{{\"metric\":{{{labels}}},\"values\":[{}]}}", samples.join(","))
    };
    let all: Vec<String> = series.iter().map(one).collect();
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}", all.join(","))
}

fn ramp(from: f64, to: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| (from + (to - from) * i as f64 / n as f64) * 1_048_576.0).collect()
}

#[test]
fn a_report_and_a_status_of_one_end_are_one_kill_and_name_the_pods_earlier_ones() {
    let uid = "3f1b2c4d-5e6f-4a8b-9c0d-e1f2a3b4c5d6";
    let report = |time: &str, id: char| {
        let path = format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope",
            uid.replace('-', "_"),
            id.to_string().repeat(64)
        );
        [
            "svc invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=900".to_owned(),
            "memory: usage 1048576kB, limit 1048576kB, failcnt 40".to_owned(),
            format!("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={path},task_memcg={path},task=svc,pid=9{id},uid=0"),
            format!("Memory cgroup out of memory: Killed process 9{id} (svc) total-vm:2000000kB, anon-rss:1040000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:400kB oom_score_adj:900"),
        ]
        .map(|text| format!("{time}+00:00 n1 kernel: {text}\n"))
        .concat()
    };
    let log = report("2026-05-06T08:00:04.000000", '1') + &report("2026-05-06T10:00:04.500000", '2');
    let describe = "Name:             svc-0\nNamespace:        shop\nNode:             n1/10.0.0.1\nStart Time:       Wed, 06 May 2026 06:00:00 +0000\nStatus:           Running\nContainers:\n  svc:\n    Container ID:   containerd://cccc\n    State:          Running\n      Started:      Wed, 06 May 2026 10:00:06 +0000\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n      Started:      Wed, 06 May 2026 08:00:06 +0000\n      Finished:     Wed, 06 May 2026 10:00:05 +0000\n    Ready:          True\n    Restart Count:  2\n    Limits:\n      memory:  LIMIT\n";
    let i = read(&[("dmesg.log", &log), ("describe.txt", &describe.replace("LIMIT", "1Gi"))]);
    assert_eq!(kills(&i), ["memcg-container svc-0/svc kernel", "memcg-container svc-0/svc kernel+container status"]);
    // At another limit it was another container.
    let i = read(&[("dmesg.log", &log), ("describe.txt", &describe.replace("LIMIT", "2Gi"))]);
    assert_eq!(i.kills.iter().filter(|k| k.owner.pod.is_none()).count(), 2, "{:?}", kills(&i));
}

#[test]
fn restarts_at_the_limit_are_kills_where_kubernetes_remembers_only_the_last() {
    let labels = r#""__name__":"container_memory_working_set_bytes","namespace":"shop","pod":"svc-0","container":"svc""#;
    let mut values = [ramp(200.0, 1022.0, 40), ramp(200.0, 1022.0, 40), ramp(200.0, 1022.0, 40)].concat();
    values.extend(ramp(200.0, 400.0, 10));
    // The third life ends at 11:00, which the status knows.
    let pod = pod("svc-0", "svc", Some((137, "OOMKilled")))
        .replace("2026-05-06T10:00:05Z", "2026-05-06T11:00:05Z")
        .replace("\"restartCount\":1", "\"restartCount\":3");
    let restarts: Vec<f64> = (0..130).map(|n| f64::from(n / 40)).collect();
    let counter = r#""__name__":"kube_pod_container_status_restarts_total","namespace":"shop","pod":"svc-0","container":"svc""#;
    let i = read(&[("pods.json", &pod), ("p.json", &answer(&[(labels, values), (counter, restarts)]))]);
    assert_eq!(i.kills.len(), 3, "{:?}", kills(&i));
    assert!(i.kills.iter().all(|k| k.kind.word() == "memcg-container"));
}

#[test]
fn pods_of_one_name_in_two_clusters_are_two() {
    let labels = |c: &str| {
        format!(r#""__name__":"container_memory_working_set_bytes","namespace":"x","pod":"db-0","container":"db","cluster":"{c}""#)
    };
    let (eu, us) = (labels("eu"), labels("us"));
    let i = read(&[("p.json", &answer(&[(&eu, ramp(200.0, 800.0, 200)), (&us, ramp(300.0, 300.0, 200))]))]);
    let mut pods: Vec<_> = i.trends.iter().map(|t| t.owner.pod.clone().unwrap()).collect();
    pods.sort();
    assert_eq!(pods, ["db-0 (cluster eu)", "db-0 (cluster us)"]);
    let i = read(&[("p.json", &answer(&[(&eu, ramp(200.0, 800.0, 200))]))]);
    assert_eq!(i.trends[0].owner.pod.as_deref(), Some("db-0"));
}

#[test]
fn two_replicas_that_scrape_one_counter_count_once() {
    let labels = |r: &str| {
        format!(r#""__name__":"container_oom_events_total","namespace":"x","pod":"db-0","container":"db","prometheus_replica":"{r}""#)
    };
    let (a, b) = (labels("a"), labels("b"));
    let values: Vec<f64> = (0..60).map(|n| if n < 30 { 0.0 } else { 1.0 }).collect();
    let i = read(&[("p.json", &answer(&[(&a, values.clone()), (&b, values)]))]);
    let metric: Vec<u64> = i.ledger.iter().flat_map(|r| &r.counts).filter(|(w, _)| w.contains("Prometheus")).map(|c| c.1).collect();
    assert_eq!(metric, [1], "{:?}", i.ledger);
}

#[test]
fn memory_sampled_by_hand_is_a_series() {
    let mut top = String::new();
    for n in 0..8 {
        top += &format!(
            "Wed May  6 09:{:02}:00 UTC 2026\nNAME     CPU(cores)   MEMORY(bytes)\nweb-0    5m           {}Mi\n",
            n * 5,
            100 + n * 10
        );
    }
    let i = read(&[("top.txt", &top)]);
    let values: Vec<&Vec<f64>> = i.series.iter().map(|s| &s.what.values).collect();
    assert_eq!(values, [&(0..8).map(|n| f64::from(100 + n * 10) * 1_048_576.0).collect::<Vec<_>>()]);
    // One look is none.
    assert!(read(&[("top.txt", "NAME     CPU(cores)   MEMORY(bytes)\nweb-0    5m           100Mi\n")]).series.is_empty());
}

#[test]
fn a_recording_rules_prefix_hides_no_working_set() {
    let labels =
        r#""__name__":"node_namespace_pod_container:container_memory_working_set_bytes","namespace":"x","pod":"db-0","container":"db""#;
    let i = read(&[("p.json", &answer(&[(labels, ramp(200.0, 800.0, 200))]))]);
    assert_eq!(i.trends.iter().map(|t| t.metric.as_str()).collect::<Vec<_>>(), ["container_memory_working_set_bytes"]);
}

#[test]
fn text_in_utf_16_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(pod("web-0", "web", Some((137, "OOMKilled"))).encode_utf16().flat_map(u16::to_le_bytes));
    std::fs::write(dir.path().join("pods.json"), bytes).unwrap();
    let i = analyze(dir.path());
    assert_eq!(kills(&i), ["memcg-container web-0/web container status"]);
    assert!(i.artifacts[0].diagnostics.iter().any(|d| d.code == "utf-16"));
}

/// What a cite quotes stands at the byte and in the line that it names.
fn stands(bytes: &[u8], cite: &postmem::model::Cite) {
    let at = usize::try_from(cite.span.offset).unwrap();
    let quoted = String::from_utf8_lossy(&bytes[at..]).into_owned();
    assert!(quoted.starts_with(&*cite.excerpt), "{:?} does not stand at byte {at}: {quoted:.60?}", cite.excerpt);
    assert_eq!(bytes[..at].iter().filter(|b| **b == b'\n').count() + 1, cite.span.line.unwrap() as usize, "{:?}", cite.excerpt);
}

#[test]
fn a_series_of_a_table_is_cited_where_its_own_first_row_stands() {
    let rows = "\"Time\",\"pod\",\"Value\"\n2026-05-06 10:00:00,web-0,1000000\n2026-05-06 10:00:00,api-0,2000000\n2026-05-06 10:01:00,web-0,1100000\n";
    let i = read(&[("panel.csv", rows)]);
    assert_eq!(i.series.len(), 2);
    i.series.iter().for_each(|s| stands(rows.as_bytes(), &s.cite));
    assert!(i.series.iter().any(|s| s.cite.span.line == Some(3)), "the second series begins in the third line");
}

#[test]
fn bytes_that_are_no_text_do_not_shift_the_cites_behind_them() {
    let head = "CONTAINER           NAME      CPU %     MEM       DISK      INODES\n";
    let row = |id: char, name: &str| format!("{}       {name}      0.10      100MB     1kB       5\n", id.to_string().repeat(13));
    let mut bytes = head.as_bytes().to_vec();
    bytes.extend_from_slice(row('a', "web").as_bytes());
    bytes.extend_from_slice(b"\xff\xfe garbage \xff\n");
    bytes.extend_from_slice(row('b', "api").as_bytes());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("stats.txt"), &bytes).unwrap();
    let i = analyze(dir.path());
    assert_eq!(i.usage.len(), 2, "{:?}", i.artifacts);
    i.usage.iter().for_each(|u| stands(&bytes, &u.cite));
}
