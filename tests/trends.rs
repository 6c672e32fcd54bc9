//! Trends from exports made here: whose memory a series is over the label history, what stands beside a leak, pods, nodes
//! and their services as a whole, and changes of level beside the rollout that they followed.

use postmem::model::Incident;
use postmem::model::trend::{Trend, TrendForm, TrendVerdict};
use postmem::pipeline::{self, Options};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const START: i64 = 1_790_000_000;
const MIB: f64 = 1_048_576.0;

/// Answers of a server to `query_range`, written one below the other.
#[derive(Default)]
struct Export(Vec<String>);

impl Export {
    /// A series of one sample a minute; `None` where it has none.
    fn add(&mut self, labels: &[(&str, &str)], minutes: std::ops::Range<i64>, value: impl Fn(i64) -> Option<f64>) -> &mut Self {
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("\"{k}\":\"{v}\"")).collect();
        let mut text = format!("{{\"metric\":{{{}}},\"values\":[", labels.join(","));
        let mut between = "";
        for (m, v) in minutes.filter_map(|m| Some((m, value(m)?))) {
            let _ = write!(text, "{between}[{},\"{}\"]", START + m * 60, v.round());
            between = ",";
        }
        self.0.push(text + "]}");
        self
    }

    fn text(&self) -> String {
        format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}}}}", self.0.join(","))
    }
}

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trends").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    for (file, text) in files {
        std::fs::write(dir.join(file), text).unwrap();
    }
    dir
}

fn read(name: &str, export: &Export) -> Incident {
    pipeline::read(&[folder(name, &[("metrics.json", &export.text())])], &Options::default()).unwrap()
}

fn of<'a>(incident: &'a Incident, container: Option<&str>) -> Vec<&'a Trend> {
    incident.trends.iter().filter(|t| t.owner.container.as_deref() == container).collect()
}

/// A scrape's noise of half a MiB, the same on every run.
fn noise(m: i64) -> f64 {
    ((m * 7919 + 13) % 101 - 50) as f64 * 0.01 * MIB
}

const UID: &str = "26ce2389-73be-4175-8704-bcc741eba5d9";

fn cgroup(systemd: bool, container: u8) -> String {
    let id = format!("{container:064x}");
    match systemd {
        true => format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{id}.scope",
            UID.replace('-', "_")
        ),
        false => format!("/kubepods/burstable/pod{UID}/{id}"),
    }
}

#[test]
fn labels_of_every_age_and_driver_name_one_container() {
    for (old, systemd) in [(true, false), (false, false), (false, true)] {
        let (pod, container) = if old { ("pod_name", "container_name") } else { ("pod", "container") };
        let (first, second, pause) = (cgroup(systemd, 1), cgroup(systemd, 2), cgroup(systemd, 9));
        let whole = first.rsplit_once('/').unwrap().0;
        let name = ("__name__", "container_memory_working_set_bytes");
        let own = [name, ("namespace", "shop"), (pod, "cart-0"), (container, "app")];
        let with = |id: &'static str| [own[0], own[1], own[2], own[3], ("id", id)];
        let leak = |id: String| -> &'static str { Box::leak(id.into_boxed_str()) };
        let mut e = Export::default();
        // Two incarnations; the first one's value is repeated for five minutes after its end, as a range query does.
        e.add(&with(leak(first.clone())), 0..305, |m| Some(100.0 * MIB + m.min(299) as f64 * MIB + noise(m.min(299))));
        e.add(&with(leak(second)), 301..600, |m| Some(100.0 * MIB + (m - 300) as f64 * MIB + noise(m)));
        e.add(&[name, ("namespace", "shop"), (pod, "cart-0"), (container, "POD"), ("id", leak(pause))], 0..600, |_| Some(MIB));
        e.add(&[name, ("namespace", "shop"), (pod, "cart-0"), (container, ""), ("id", leak(whole.to_owned()))], 0..600, |m| {
            Some(101.0 * MIB + (m % 300) as f64 * MIB)
        });
        let incident = read(&format!("labels-{old}-{systemd}"), &e);
        let app = of(&incident, Some("app"));
        let what = format!("old {old} systemd {systemd}");
        assert_eq!(app.len(), 1, "{what}");
        let t = app[0];
        assert_eq!((t.verdict, t.form), (TrendVerdict::Leak, Some(TrendForm::Linear)), "{what}: {}", t.why);
        assert_eq!((t.restarts.len(), t.runs.len()), (1, 2), "{what}");
        assert!((t.slope.unwrap().mid / (60.0 * MIB) - 1.0).abs() < 0.03, "{what}: {:?}", t.slope);
        assert!(t.samples < 605, "{what}: the fill is no sample ({})", t.samples);
        assert!(of(&incident, Some("POD")).is_empty() && of(&incident, None).is_empty(), "{what}: one container is its pod");
        assert!(t.slope_spread.is_some_and(|s| s < 0.05) && t.why.contains("the runs' own slopes differ by"), "{what}: {}", t.why);
    }
}

#[test]
fn replicas_and_exporters_of_one_thing_are_one_series() {
    let level = |m: i64| Some(200.0 * MIB + noise(m));
    let name = ("__name__", "container_memory_working_set_bytes");
    let own = [name, ("namespace", "shop"), ("pod", "cart-0"), ("container", "app")];
    let mut e = Export::default();
    // Two Prometheus replicas with a gap each, and the kubelet's resource metrics with fewer labels.
    for (replica, gap) in [("a", 100..140), ("b", 300..330)] {
        let mut labels = own.to_vec();
        labels.extend([("prometheus_replica", replica), ("id", "/kubepods/burstable/pod26ce2389-73be-4175-8704-bcc741eba5d9/0000000000000000000000000000000000000000000000000000000000000001")]);
        e.add(&labels, 0..600, |m| level(m).filter(|_| !gap.contains(&m)));
    }
    e.add(&own, 0..600, level);
    let incident = read("replicas", &e);
    let app = of(&incident, Some("app"));
    assert_eq!(app.len(), 1);
    assert_eq!(app[0].verdict, TrendVerdict::Bounded, "{}", app[0].why);
    assert!(app[0].restarts.is_empty() && app[0].samples <= 600, "{} samples, {:?}", app[0].samples, app[0].restarts);
}

#[test]
fn what_grows_beside_a_leak_is_named() {
    let own = [("namespace", "shop"), ("pod", "cart-0"), ("container", "app")];
    let named = |metric: &'static str| [("__name__", metric), own[0], own[1], own[2]];
    let mut e = Export::default();
    e.add(&named("container_memory_working_set_bytes"), 0..720, |m| Some(200.0 * MIB + m as f64 * 0.5 * MIB + noise(m)));
    e.add(&named("container_spec_memory_limit_bytes"), 0..720, |_| Some(700.0 * MIB));
    for (metric, from, per_minute) in [
        ("go_goroutines", 100.0, 2.0),
        ("nodejs_heap_size_used_bytes", 80.0 * MIB, 0.45 * MIB),
        ("jvm_gc_live_data_size_bytes", 60.0 * MIB, 0.4 * MIB),
        ("jvm_threads_live_threads", 40.0, 0.5),
        ("process_open_fds", 30.0, 1.0),
        ("go_threads", 12.0, 0.0),
    ] {
        e.add(&named(metric), 0..720, |m| Some(from + m as f64 * per_minute));
    }
    let incident = read("companions", &e);
    let t = of(&incident, Some("app"))[0];
    assert_eq!(t.verdict, TrendVerdict::Leak);
    let said = t.corroborated_by.join("\n");
    for metric in [
        "go_goroutines rises",
        "nodejs_heap_size_used_bytes grows",
        "jvm_gc_live_data_size_bytes grows",
        "jvm_threads_live_threads rises",
        "process_open_fds rises",
    ] {
        assert!(said.contains(metric), "{metric} in {said}");
    }
    assert!(!said.contains("go_threads"), "a constant corroborates nothing: {said}");
    assert!(said.contains("90 % of the growth"), "{said}");
    // 700 MiB less 560 MiB at 30 MiB an hour; a larger limit buys what it adds at the same pace.
    let hours = |e: Option<postmem::model::trend::Estimate>| e.map_or(f64::NAN, |e| e.mid / 3600.0);
    assert!((hours(t.time_to_oom) - 140.0 / 30.0).abs() < 0.3, "{:?}", t.time_to_oom);
    let bought: Vec<(f64, f64)> = t.what_if.iter().map(|w| (w.factor, hours(w.time_to_oom_seconds))).collect();
    for ((factor, said), want) in bought.iter().zip([315.0 / 30.0, 490.0 / 30.0, 840.0 / 30.0]) {
        assert!((said / want - 1.0).abs() < 0.05, "{factor}: {said} h, want {want} h");
    }
    assert_eq!(bought.len(), 3);
}

#[test]
fn a_pod_is_looked_at_as_a_whole() {
    let name = ("__name__", "container_memory_working_set_bytes");
    let pod = [name, ("namespace", "shop"), ("pod", "cart-0")];
    let mut e = Export::default();
    // Each container alone grows within its noise; what the pod as a whole holds (a tmpfs beside them) does not.
    for c in ["app", "proxy"] {
        let mut labels = pod.to_vec();
        labels.push(("container", c));
        e.add(&labels, 0..720, |m| Some(100.0 * MIB + noise(m)));
    }
    let id = format!("/kubepods/burstable/pod{UID}");
    let mut labels = pod.to_vec();
    labels.push(("id", &id));
    e.add(&labels, 0..720, |m| Some(210.0 * MIB + m as f64 * 0.4 * MIB + noise(m)));
    let incident = read("pod", &e);
    let whole = of(&incident, None);
    assert_eq!(whole.len(), 1);
    assert_eq!((whole[0].verdict, whole[0].owner.pod.as_deref()), (TrendVerdict::Leak, Some("cart-0")), "{}", whole[0].why);
    assert!(["app", "proxy"].iter().all(|c| of(&incident, Some(c))[0].verdict == TrendVerdict::Bounded));
}

#[test]
fn nodes_and_their_services_have_trends_of_their_own() {
    let mut e = Export::default();
    let node = [("instance", "node-1:9100"), ("job", "node")];
    e.add(&[("__name__", "node_memory_MemTotal_bytes"), node[0], node[1]], 0..720, |_| Some(16_384.0 * MIB));
    e.add(&[("__name__", "node_memory_MemAvailable_bytes"), node[0], node[1]], 0..720, |m| {
        Some(12_000.0 * MIB - m as f64 * 5.0 * MIB + noise(m))
    });
    let agent = [("instance", "node-1:10250"), ("job", "kubelet")];
    e.add(&[("__name__", "process_resident_memory_bytes"), agent[0], agent[1]], 0..720, |m| {
        Some(100.0 * MIB + m as f64 * 0.3 * MIB + noise(m))
    });
    e.add(&[("__name__", "go_goroutines"), agent[0], agent[1]], 0..720, |m| Some(900.0 + m as f64 * 3.0));
    let incident = read("node", &e);
    let used = incident.trends.iter().find(|t| t.metric == "node_memory_used_bytes").expect("the node's");
    assert_eq!((used.verdict, used.owner.node.as_deref()), (TrendVerdict::Leak, Some("node-1")), "{}", used.why);
    assert_eq!(used.limit_bytes, Some(16_384.0 * MIB));
    assert!((used.slope.unwrap().mid / (300.0 * MIB) - 1.0).abs() < 0.03, "{:?}", used.slope);
    assert!(used.time_to_oom.is_some_and(|t| (t.mid / 3600.0 - 28.0).abs() < 1.0), "{:?}", used.time_to_oom);
    let kubelet = of(&incident, Some("kubelet"))[0];
    assert_eq!((kubelet.verdict, kubelet.owner.node.as_deref()), (TrendVerdict::Leak, Some("node-1")), "{}", kubelet.why);
    assert!(kubelet.corroborated_by.iter().any(|c| c.starts_with("go_goroutines rises by 180")), "{:?}", kubelet.corroborated_by);
}

/// As `kubectl get replicasets -o json` prints them: a Deployment's first revision, and one more in minute `at`.
fn rolled_out(at: i64) -> String {
    let set = |hash: &str, revision: i64, minute: i64| {
        let time = START + minute * 60;
        let clock = format!("2026-09-21T{:02}:{:02}:{:02}Z", (time % 86_400) / 3600, time % 3600 / 60, time % 60);
        format!(
            "{{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{{\"name\":\"cart-{hash}\",\"namespace\":\"shop\",\
             \"creationTimestamp\":\"{clock}\",\"annotations\":{{\"deployment.kubernetes.io/revision\":\"{revision}\"}},\
             \"ownerReferences\":[{{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"cart\",\"controller\":true}}]}},\
             \"spec\":{{\"replicas\":1,\"template\":{{\"spec\":{{\"containers\":[{{\"name\":\"app\",\"image\":\"cart:{revision}\"}}]}}}}}}}}"
        )
    };
    format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{},{}]}}", set("7d9f8b6c5", 6, -300), set("5f6d7c8b9", 7, at))
}

const POD: &str = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cart-7d9f8b6c5-x2x4k",
    "namespace":"shop","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"cart-7d9f8b6c5","controller":true}]},
    "spec":{"containers":[{"name":"app","image":"cart:6"}]},"status":{"phase":"Running"}}]}"#;

#[test]
fn a_change_of_level_is_tied_to_the_rollout_before_it() {
    let own =
        [("__name__", "container_memory_working_set_bytes"), ("namespace", "shop"), ("pod", "cart-7d9f8b6c5-x2x4k"), ("container", "app")];
    let mut e = Export::default();
    e.add(&own, 0..720, |m| Some(if m < 400 { 200.0 } else { 320.0 } * MIB + noise(m)));
    for (at, tied) in [(396, true), (100, false)] {
        let files = [("metrics.json", e.text()), ("replicasets.json", rolled_out(at)), ("pods.json", POD.to_owned())];
        let dir = folder(&format!("rollout-{at}"), &files.each_ref().map(|(name, text)| (*name, text.as_str())));
        let incident = pipeline::read(&[dir], &Options::default()).unwrap();
        let t = of(&incident, Some("app"))[0];
        assert_eq!(t.verdict, TrendVerdict::Step, "{}", t.why);
        assert!((t.change_points[0].0 / 1_000_000_000 - (START + 400 * 60)).abs() < 240, "{:?}", t.change_points);
        assert_eq!(t.why.contains("within minutes of a rollout"), tied, "{}", t.why);
        assert_eq!(t.tied.len(), usize::from(tied));
        if let Some(r) = t.tied.first() {
            assert_eq!(r.rollout.0 / 1_000_000_000, START + at * 60);
            assert!(r.text.contains("Deployment/cart revision 7 rolled out, image cart:7"), "{}", r.text);
        }
    }
}

#[test]
fn a_change_of_level_beside_a_leak_hides_neither() {
    let own = [("__name__", "container_memory_working_set_bytes"), ("namespace", "shop"), ("pod", "cart-0"), ("container", "app")];
    let mut e = Export::default();
    e.add(&own, 0..720, |m| Some((200.0 + m as f64 * 0.2 + if m < 300 { 0.0 } else { 150.0 }) * MIB + noise(m)));
    let incident = read("step-and-leak", &e);
    let t = of(&incident, Some("app"))[0];
    assert_eq!(t.verdict, TrendVerdict::Leak, "{}", t.why);
    assert!((t.slope.unwrap().mid / (12.0 * MIB) - 1.0).abs() < 0.05, "the jump is no slope: {:?}", t.slope);
    assert_eq!(t.change_points.len(), 1);
}
