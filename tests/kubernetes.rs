//! Kubernetes text and objects: every rendering of one cluster tells the same, imitations never become facts, pastes are
//! undone, and damage costs no more than what it hits.

use postmem::formats::{self, FORMATS, Head};
use postmem::model::Facts;
use postmem::model::pod::{ContainerKind, PodState};
use postmem::pipeline;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats/kube")
}

/// Detects and parses; gives the format's name.
fn parse_bytes(path: &str, bytes: &[u8]) -> (Option<&'static str>, Facts) {
    let head = Head { path, bytes: bytes.get(..Head::LEN).unwrap_or(bytes), complete: bytes.len() <= Head::LEN };
    match formats::detect(&head) {
        Some((format, _)) => (Some(format.name()), formats::parse_bytes(format, path, bytes)),
        None => (None, Facts::default()),
    }
}

/// Parses as the format `name`, whatever the bytes look like.
fn parse_as(name: &str, path: &str, bytes: &[u8]) -> Option<Facts> {
    FORMATS.iter().find(|f| f.name() == name).map(|f| formats::parse_bytes(*f, path, bytes))
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect("the sample is in the repository")
}

fn read(name: &str) -> Facts {
    let (format, facts) = parse_bytes(name, &sample(name));
    assert!(format.is_some(), "{name} is recognised");
    facts
}

fn pod<'a>(facts: &'a Facts, name: &str) -> &'a PodState {
    let mut found = facts.pods.iter().filter(|p| p.what.name == name);
    let first = found.next().unwrap_or_else(|| panic!("{name} is there"));
    assert!(found.next().is_none(), "{name} is there once");
    &first.what
}

const SAMPLES: [&str; 11] = [
    "describe-pods.txt",
    "describe-node.txt",
    "describe-deployment.txt",
    "pods.json",
    "pods.yaml",
    "events.json",
    "node.yaml",
    "get-pods-wide.txt",
    "get-pods-noheaders.txt",
    "top-pods.txt",
    "session.txt",
];

#[test]
fn text_json_and_yaml_of_one_cluster_tell_the_same() {
    let truth: serde_json::Value = serde_json::from_slice(&sample("truth.json")).unwrap();
    for name in ["describe-pods.txt", "pods.json", "pods.yaml"] {
        let facts = read(name);
        assert_eq!(facts.pods.len(), 4, "{name}");
        for (pod_name, want) in truth["pods"].as_object().unwrap() {
            let p = pod(&facts, pod_name);
            assert_eq!(p.namespace.as_deref(), want["namespace"].as_str(), "{name}: {pod_name}");
            assert_eq!(p.node.as_deref(), Some("node-a.test"));
            for (container, c) in want["containers"].as_object().unwrap() {
                let got = p.containers.iter().find(|g| g.name == *container).unwrap_or_else(|| panic!("{name}: {container}"));
                assert_eq!(got.restart_count, c["restarts"].as_u64(), "{name}: {container}");
                assert_eq!(got.now.state.as_deref(), c["state"].as_str(), "{name}: {container}");
                assert_eq!(got.last.as_ref().and_then(|l| l.reason.as_deref()), c["last"].as_str(), "{name}: {container}");
                assert_eq!(got.last.as_ref().and_then(|l| l.exit_code).map(i64::from), c["code"].as_i64(), "{name}: {container}");
            }
        }
        let api = pod(&facts, "api-5d9c7b6f4d-x2k9p");
        assert_eq!(api.containers[0].limits.memory_bytes, Some(256 << 20));
        assert_eq!(api.containers[0].limits.cpu_millis, Some(500));
        assert_eq!(api.containers[0].env.get("JAVA_OPTS").map(String::as_str), Some("-Xmx200m"));
        assert!(api.containers[0].env.get("DB").is_some_and(|v| v.starts_with("<set to the key 'password' in secret 'db'>")));
        assert!(api.containers[0].has_liveness_probe);
        assert_eq!(api.uid.as_deref(), truth["pods"]["api-5d9c7b6f4d-x2k9p"]["uid"].as_str(), "{name}: describe has it in an event");
        assert_eq!(pod(&facts, "loader-0").containers[0].kind, ContainerKind::Init);
        assert_eq!(pod(&facts, "batch-x1").reason.as_deref(), Some("Evicted"));
        assert_eq!(api.volumes[0].medium.as_deref(), Some("Memory"));
    }
}

#[test]
fn a_message_an_environment_and_arguments_that_imitate_kubectl_stay_text() {
    for name in ["describe-pods.txt", "pods.json", "pods.yaml"] {
        let facts = read(name);
        assert!(facts.pods.iter().all(|p| p.what.name != "impostor"), "{name}");
        let p = pod(&facts, "spoof-0");
        assert_eq!(p.qos.as_deref(), Some("Burstable"), "{name}");
        let c = &p.containers[0];
        assert_eq!((p.containers.len(), c.restart_count, c.ready), (1, Some(1), Some(true)), "{name}");
        assert_eq!(c.now.state.as_deref(), Some("running"), "{name}");
        let last = c.last.as_ref().unwrap();
        assert_eq!((last.reason.as_deref(), last.exit_code), (Some("Error"), Some(3)), "{name}");
        assert!(last.message.as_deref().unwrap().starts_with("heap full"), "{name}");
        assert!(last.started.is_some() && last.finished > last.started, "{name}");
        assert_eq!(c.limits.memory_bytes, Some(128_974_848), "{name}");
        assert_eq!(c.env.len(), 1, "{name}: {:?}", c.env);
        assert!(c.env["MULTI"].contains("OOMKilled"), "{name}");
    }
}

#[test]
fn node_deployment_tables_and_top_are_read() {
    for name in ["describe-node.txt", "node.yaml"] {
        let facts = read(name);
        let n = &facts.nodes[0].what;
        assert_eq!(n.capacity.memory_bytes, Some(8_031_244 << 10), "{name}");
        assert_eq!(n.allocatable.memory_bytes, Some(7_216_140 << 10), "{name}");
        assert_eq!(n.system.kernel.as_deref(), Some("5.10.0-30-amd64"), "{name}");
        let pressure = n.conditions.iter().find(|c| c.kind == "MemoryPressure").unwrap();
        assert_eq!((pressure.status.as_str(), pressure.reason.as_deref()), ("True", Some("KubeletHasInsufficientMemory")), "{name}");
        assert!(pressure.heartbeat > pressure.since, "{name}");
        assert_eq!(n.taints, ["dedicated=shop:NoSchedule"], "{name}");
    }
    assert!(read("describe-node.txt").events.iter().any(|e| e.what.reason == "SystemOOM"));
    let deploy = read("describe-deployment.txt");
    let w = &deploy.workloads[0].what;
    assert_eq!((w.kind.as_str(), w.name.as_str(), w.revision, w.replicas), ("Deployment", "api", Some(7), Some(1)));
    assert_eq!(w.template.iter().map(|c| c.limits.memory_bytes).collect::<Vec<_>>(), [Some(256 << 20), Some(64 << 20)]);
    let wide = read("get-pods-wide.txt");
    let p = pod(&wide, "loader-0");
    assert_eq!((p.status.as_deref(), p.restart_count, p.node.as_deref()), (Some("Init:CrashLoopBackOff"), Some(7), Some("node-a.test")));
    let bare = read("get-pods-noheaders.txt");
    assert_eq!((bare.pods.len(), pod(&bare, "batch-x1").status.as_deref()), (4, Some("Evicted")));
    let top = read("top-pods.txt");
    let got: Vec<_> = top.usage.iter().map(|u| (u.who.container.as_deref().unwrap_or(""), u.what.working_set_bytes)).collect();
    assert_eq!(got, [("api", Some(60 << 20)), ("proxy", Some(120 << 20)), ("spoof", Some(60 << 20))]);
}

#[test]
fn a_session_is_split_and_its_ages_are_solved_to_the_minute() {
    let incident = pipeline::read(&[folder().join("session.txt")], &pipeline::Options::default()).unwrap();
    let mut names: Vec<&str> = incident.pods.iter().map(|p| p.what.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["api-5d9c7b6f4d-x2k9p", "batch-x1", "loader-0", "spoof-0"], "describe and table copies are one");
    assert_eq!(incident.usage.len(), 3);
    let truth: serde_json::Value = serde_json::from_slice(&sample("truth.json")).unwrap();
    let made = postmem::model::pod::written_instant(truth["made"].as_str().unwrap()).unwrap();
    let capture = incident.capture.expect("the ages have anchors");
    let slack = 60_000_000_000;
    assert!(capture.earliest.0 - slack <= made.0 && made.0 <= capture.latest.0 + slack, "{capture:?} {made:?}");
    assert!(capture.width() <= 4 * slack, "{capture:?}");
    let started = incident.events.iter().find(|e| e.what.reason == "Started").unwrap();
    assert!(started.at.is_known() && started.what.count == Some(5));
}

/// What a file says, as strings that a damaged copy may lack but never change.
fn told(facts: &Facts) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for p in &facts.pods {
        let p = &p.what;
        let mut say = |what: &str, value: Option<String>| out.extend(value.map(|v| format!("{}: {what} {v}", p.name)));
        say("uid", p.uid.clone());
        say("node", p.node.clone());
        say("phase", p.phase.clone());
        say("qos", p.qos.clone());
        say("reason", p.reason.clone());
        say("restarts", p.restart_count.map(|r| r.to_string()));
        for c in &p.containers {
            let mut say = |what: &str, value: Option<String>| say(&format!("{} {what}", c.name), value);
            say("is", Some(format!("{:?}", c.kind)));
            say("id", c.container_id.clone());
            say("image", c.image.clone());
            say("restarts", c.restart_count.map(|r| r.to_string()));
            say("ready", c.ready.map(|r| r.to_string()));
            say("limit", c.limits.memory_bytes.map(|r| r.to_string()));
            say("request", c.requests.memory_bytes.map(|r| r.to_string()));
            for (which, r) in [("now", Some(&c.now)), ("last", c.last.as_ref())] {
                let Some(r) = r else { continue };
                say(&format!("{which} state"), r.state.clone());
                say(&format!("{which} reason"), r.reason.clone());
                say(&format!("{which} code"), r.exit_code.map(|c| c.to_string()));
                say(&format!("{which} end"), r.finished.map(|t| t.rfc3339()));
            }
        }
    }
    for n in &facts.nodes {
        let n = &n.what;
        out.extend(n.capacity.memory_bytes.map(|m| format!("{} capacity {m}", n.name)));
        out.extend(n.allocatable.memory_bytes.map(|m| format!("{} allocatable {m}", n.name)));
        out.extend(n.conditions.iter().map(|c| format!("{} {} {}", n.name, c.kind, c.status)));
    }
    for e in &facts.events {
        let e = &e.what;
        out.insert(format!("event {:?} {} {} {:?} {:?}", e.object_name, e.reason, e.message, e.last, e.count));
    }
    for u in &facts.usage {
        out.insert(format!("usage {:?} {:?} {:?}", u.who.pod, u.who.container, u.what.working_set_bytes));
    }
    out
}

#[test]
fn a_file_cut_anywhere_says_nothing_that_the_whole_does_not() {
    for name in SAMPLES.iter().filter(|n| **n != "session.txt") {
        let whole = sample(name);
        let all = told(&read(name));
        assert!(!all.is_empty() || *name == "describe-deployment.txt", "{name}");
        for i in 0..64 {
            let cut = whole.len() * i / 64 + i % 7;
            let part = &whole[..cut.min(whole.len())];
            let (_, facts) = parse_bytes(name, part);
            let new: Vec<String> = told(&facts).difference(&all).cloned().collect();
            assert!(new.is_empty(), "{name} cut at {cut}: {new:?}");
        }
    }
}

const FORCED: [&str; 5] = ["kube-describe", "kube-table", "kube-objects", "transcript", "collector-error"];

/// A small generator of numbers: the same every time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    }
}

#[test]
fn a_flipped_byte_costs_the_object_it_hits() {
    for name in ["pods.json", "pods.yaml"] {
        let whole = sample(name);
        let by_pod =
            |f: &Facts| -> BTreeMap<String, String> { f.pods.iter().map(|p| (p.what.name.clone(), format!("{:?}", p.what))).collect() };
        let strip = |m: BTreeMap<String, String>| m;
        let all = strip(by_pod(&read(name)));
        let text = String::from_utf8_lossy(&whole).into_owned();
        let (first, last) = (
            text.find("\"apiVersion\": \"v1\",\n            \"kind\"").or_else(|| text.find("- apiVersion")).unwrap(),
            text.rfind("phase").unwrap(),
        );
        let mut next = numbers(7);
        for _ in 0..300 {
            let at = first + next(last - first);
            let mut hurt = whole.clone();
            hurt[at] ^= 1 << next(7);
            if hurt[at] == b'\n' || whole[at] == b'\n' {
                // A moved line end shifts every later line number, which is part of the comparison.
                continue;
            }
            let (_, facts) = parse_bytes(name, &hurt);
            let got = by_pod(&facts);
            let same = all.iter().filter(|(n, p)| got.get(*n) == Some(p)).count();
            assert!(same + 2 >= all.len(), "{name}: bit flipped at {at} ({:?}) leaves {same} of {}", whole[at] as char, all.len());
        }
    }
}

#[test]
fn any_mutation_is_survived() {
    let mut next = numbers(99);
    for name in SAMPLES {
        let whole = sample(name);
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(8) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes[at] = next(256) as u8,
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, [b'\n', b' ', b'{', b'"', b':', 0xff, b'-', b'\t'][next(8)]),
                    _ => {
                        let end = (at + next(200)).min(bytes.len());
                        let piece = bytes[at..end].to_vec();
                        let to = next(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                }
            }
            let (_, facts) = parse_bytes(name, &bytes);
            assert!(facts.pods.len() < 100);
            // Every reader stands any text, its own or not.
            let forced = FORCED[next(FORCED.len())];
            assert!(parse_as(forced, name, &bytes).is_some_and(|f| f.pods.len() < 100), "{forced}");
        }
    }
}

#[test]
fn pastes_are_undone() {
    let whole = String::from_utf8(sample("describe-pods.txt")).unwrap();
    // The one pod without imitations in it: what a reader could tell from a flat text, too.
    let one: String = whole.split("\n\n\n").next().unwrap().to_owned() + "\n";
    let want = told(&parse_bytes("a.txt", one.as_bytes()).1);
    let keep = |s: &BTreeSet<String>| s.iter().filter(|f| !f.starts_with("event")).cloned().collect::<BTreeSet<_>>();
    let crlf = one.replace('\n', "\r\n");
    assert_eq!(told(&parse_bytes("a.txt", crlf.as_bytes()).1), want, "carriage returns");
    let tabs: String = one
        .lines()
        .map(|l| {
            let indent = l.len() - l.trim_start().len();
            format!("{}{}\n", "\t".repeat(indent.div_ceil(2)), l.trim_start())
        })
        .collect();
    assert_eq!(keep(&told(&parse_bytes("a.txt", tabs.as_bytes()).1)), keep(&want), "tabs");
    // What `unexpand` makes of it: every eight blanks at the start a tab, the rest blanks.
    let stops: String = one
        .lines()
        .map(|l| {
            let indent = l.len() - l.trim_start().len();
            format!("{}{}{}\n", "\t".repeat(indent / 8), " ".repeat(indent % 8), l.trim_start())
        })
        .collect();
    assert_eq!(keep(&told(&parse_bytes("a.txt", stops.as_bytes()).1)), keep(&want), "tab stops");
    let flat: String = one.lines().map(|l| format!("{}\n", l.trim())).collect();
    assert_eq!(keep(&told(&parse_bytes("a.txt", flat.as_bytes()).1)), keep(&want), "no indentation");
    let shifted: String = one.lines().map(|l| format!("    {l}\n")).collect();
    assert_eq!(keep(&told(&parse_bytes("a.txt", shifted.as_bytes()).1)), keep(&want), "indented as a whole");
    let wrapped: String = one
        .lines()
        .flat_map(|l| {
            let chars: Vec<char> = l.chars().collect();
            chars.chunks(80).map(|c| c.iter().collect::<String>() + "\n").collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(keep(&told(&parse_bytes("a.txt", wrapped.as_bytes()).1)), keep(&want), "wrapped at 80 columns");
}

#[test]
fn what_a_collector_could_not_get_is_missing_evidence() {
    let text = "Error from server (BadRequest): previous terminated container \"api\" in pod \"api-0\" not found\n";
    let (format, facts) = parse_bytes("logs/api-0_api.previous.log", text.as_bytes());
    assert_eq!(format, Some("collector-error"));
    let m = &facts.missing[0];
    assert_eq!((m.what.source.as_str(), m.who.pod.as_deref()), ("previous container log", Some("api-0")));
    assert_eq!(m.what.command.as_deref(), Some("kubectl logs api-0 -c api --previous > previous.log"));
    let (format, facts) = parse_bytes("bundle/events.json", b"");
    assert_eq!((format, facts.missing.len()), (Some("collector-error"), 1));
    let (_, facts) = parse_bytes("cluster-resources/pods/logs-errors.json", br#"["pods \"web-1\" not found"]"#);
    assert_eq!(facts.missing[0].who.pod.as_deref(), Some("web-1"));
}

#[test]
fn a_single_stream_dump_gives_its_objects_and_queues_its_logs() {
    let pods = String::from_utf8(sample("pods.json")).unwrap();
    let dump = format!(
        "{pods}==== START logs for container api of pod shop/api-5d9c7b6f4d-x2k9p ====\n{{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}}\nlast words\n==== END logs for container api of pod shop/api-5d9c7b6f4d-x2k9p ====\n{pods}"
    );
    let (_, facts) = parse_bytes("dump.txt", dump.as_bytes());
    assert_eq!(facts.pods.len(), 8);
    assert_eq!(facts.parts.len(), 1);
    assert_eq!(facts.parts[0].who.container.as_deref(), Some("api"));
    assert!(facts.parts[0].bytes.ends_with(b"last words\n"));
}

/// A dump in YAML: only the end that names the container again ends its log, as in a dump of JSON.
#[test]
fn a_log_in_a_dump_ends_at_its_own_marker_only() {
    for objects in ["pods.json", "pods.yaml"] {
        let pods = String::from_utf8(sample(objects)).unwrap();
        let quoted = "==== END logs for container other of pod shop/other-0 ====";
        let name = "container api of pod shop/api-5d9c7b6f4d-x2k9p ====";
        let dump = format!("{pods}==== START logs for {name}\n{quoted}\nlast words\n==== END logs for {name}\n");
        let (_, facts) = parse_bytes("dump.txt", dump.as_bytes());
        assert_eq!(facts.parts.len(), 1, "{objects}");
        assert_eq!(String::from_utf8_lossy(&facts.parts[0].bytes), format!("{quoted}\nlast words\n"), "{objects}");
    }
}

/// `kubectl get --raw` and `jq -c` write a list as one line: damage in it costs the object it is in, places stay right.
#[test]
fn a_compact_list_is_read_as_the_indented_one_and_loses_one_object_to_damage() {
    let list: serde_json::Value = serde_json::from_slice(&sample("events.json")).unwrap();
    let compact = serde_json::to_string(&list).unwrap();
    let told = |bytes: &[u8]| {
        let (_, facts) = parse_bytes("events.json", bytes);
        facts.events.iter().map(|e| (e.what.clone(), e.cite.span.line)).collect::<Vec<_>>()
    };
    let (wide, flat) = (read("events.json").events, told(compact.as_bytes()));
    assert!(wide.len() > 2);
    assert!(wide.iter().map(|e| &e.what).eq(flat.iter().map(|e| &e.0)));
    assert!(flat.iter().all(|e| e.1 == Some(1)));
    // The second object's type is torn out of its quotes.
    let at = compact.match_indices("\"type\":\"").nth(1).unwrap().0;
    let torn = format!("{}{}", &compact[..at + 7], &compact[at + 8..]);
    let left = told(torn.as_bytes());
    assert!(left.len() >= wide.len() - 1 && left.iter().any(|e| e.0 == wide[2].what), "{}", left.len());
}

#[test]
fn manifests_that_bound_sizes_are_read() {
    let text = b"apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: mem\n  namespace: shop\nspec:\n  limits:\n  - type: Container\n    default:\n      memory: 512Mi\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: api\n  namespace: shop\nspec:\n  scaleTargetRef:\n    kind: Deployment\n    name: api\n  minReplicas: 2\n  maxReplicas: 9\n";
    let (_, facts) = parse_bytes("policies.yaml", text);
    let got: Vec<_> = facts.policies.iter().map(|p| (p.what.kind.as_str(), p.what.name.as_str(), p.what.target.as_deref())).collect();
    assert_eq!(got, [("LimitRange", "mem", None), ("HorizontalPodAutoscaler", "api", Some("Deployment/api"))]);
    assert_eq!(facts.policies[0].what.values["limits.Container.default.memory"], "512Mi");
    assert_eq!(facts.policies[1].what.values["maxReplicas"], "9");
    assert_eq!(facts.policies[1].cite.span.line, Some(15));
}

#[test]
fn a_flat_text_with_an_argument_that_imitates_events_keeps_its_containers() {
    let text = "Name: a-0\nNamespace: shop\nNode: n1/10.0.0.1\nStatus: Running\nContainers:\napp:\nContainer ID: containerd://1\nImage: x\nArgs:\n-c\nEvents:\nType Reason Age From Message\nWarning OOMKilled 2m kubelet fake\nState: Running\nLast State: Terminated\nReason: OOMKilled\nExit Code: 137\nReady: True\nRestart Count: 3\nLimits:\nmemory: 64Mi\nQoS Class: Burstable\nEvents: <none>\n";
    let facts = parse_as("kube-describe", "flat.txt", text.as_bytes()).unwrap();
    assert!(facts.events.is_empty(), "{:?}", facts.events);
    let c = &facts.pods[0].what.containers[0];
    assert_eq!((c.name.as_str(), c.restart_count, c.last.as_ref().and_then(|l| l.exit_code)), ("app", Some(3), Some(137)));
    assert_eq!(c.limits.memory_bytes, Some(64 << 20));
}

#[test]
fn a_printed_status_is_a_kill_of_unknown_time_also_in_a_watch_and_in_own_columns() {
    for text in [
        "q-1   0/1   Init:OOMKilled   5 (67s ago)   9m31s\nq-2   1/1   Running   0   9d\n",
        "NAME   READY   STATUS      RESTARTS     AGE\nq-1    1/1     Running     0            3m\nq-1    0/1     OOMKilled   0            3m10s\nq-1    1/1     Running     1 (2s ago)   3m12s\n",
        "NAME   NS     REASON             CODE    RESTARTS\nq-1    shop   OOMKilled,<none>   137,0   3,0\nq-2    shop   <none>             0       0\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("get-pods.txt"), text).unwrap();
        let incident = pipeline::read(&[dir.path().to_path_buf()], &pipeline::Options::default()).unwrap();
        let kills: Vec<_> = incident.kills.iter().map(|k| (k.kind.word(), k.owner.pod.as_deref(), k.at, k.against.len())).collect();
        assert_eq!(kills, [("memcg-container", Some("q-1"), None, 1)], "{text}");
    }
}
