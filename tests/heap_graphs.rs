//! Heap graphs end to end: what a snapshot says, what dominates what, what grew, and what a damaged file still gives.

use postmem::heap::{dominators::dominators, measure};
use postmem::model::delta::{Delta, RowOptions};
use postmem::model::graph::{GraphColumns, LOOSE, NodeKind, WideColumn};
use postmem::model::profile::ProfileBody;
use postmem::pipeline::{self, Options};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A graph of `n` nodes of one byte each with these edges; the bool says that an edge is loose.
fn graph(n: usize, edges: &[(u32, u32, bool)]) -> GraphColumns {
    let mut sorted = edges.to_vec();
    sorted.sort_by_key(|e| e.0);
    let mut first_edge = vec![0u32; n + 1];
    for e in &sorted {
        first_edge[e.0 as usize + 1] += 1;
    }
    for i in 0..n {
        first_edge[i + 1] += first_edge[i];
    }
    GraphColumns {
        kind: vec![0; n],
        kinds: vec![NodeKind::Object],
        id: WideColumn { low: (0..n as u32).collect(), wide: vec![] },
        self_size: WideColumn { low: vec![1; n], wide: vec![] },
        class: vec![0; n],
        classes: vec![Default::default()],
        to: sorted.iter().map(|e| e.1 | if e.2 || e.0 == e.1 { LOOSE } else { 0 }).collect(),
        label: vec![0; sorted.len()],
        first_edge,
        ..GraphColumns::default()
    }
}

/// Immediate dominators by node, and retained sizes.
fn figures(g: &GraphColumns) -> (Vec<u32>, Vec<u64>) {
    let tree = dominators(g);
    let retained = measure::retained(g, &tree);
    let (mut idom, mut size) = (vec![0; g.nodes()], vec![0; g.nodes()]);
    for (i, &v) in tree.order.iter().enumerate() {
        idom[v as usize] = tree.order[tree.idom[i] as usize];
        size[v as usize] = retained.get(i);
    }
    (idom, size)
}

/// By definition: `d` dominates `v` when `v` cannot be reached without `d`.
fn naive(g: &GraphColumns) -> Vec<Option<u32>> {
    let n = g.nodes();
    let reach = |without: Option<u32>| {
        let mut seen = vec![false; n];
        let mut todo = if without == Some(0) { vec![] } else { vec![0u32] };
        while let Some(v) = todo.pop() {
            if std::mem::replace(&mut seen[v as usize], true) {
                continue;
            }
            todo.extend(g.edges(v).filter(|&e| g.to[e] & LOOSE == 0).map(|e| g.target(e)).filter(|&t| Some(t) != without));
        }
        seen
    };
    let reached = reach(None);
    let without: Vec<Vec<bool>> = (0..n as u32).map(|d| reach(Some(d))).collect();
    let dominates = |d: usize, v: usize| d != v && reached[v] && !without[d][v];
    (0..n)
        .map(|v| {
            let doms: Vec<usize> = (0..n).filter(|&d| dominates(d, v)).collect();
            doms.iter().copied().find(|&d| doms.iter().all(|&o| o == d || dominates(o, d))).map(|d| d as u32)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn dominators_are_those_of_the_definition(n in 1usize..14, raw in prop::collection::vec((0u32..14, 0u32..14, prop::bool::weighted(0.15)), 0..50)) {
        let edges: Vec<_> = raw.into_iter().map(|(a, b, l)| (a % n as u32, b % n as u32, l)).collect();
        let g = graph(n, &edges);
        let (idom, retained) = figures(&g);
        // What loose edges alone lead to hangs under the root in any case; the definition speaks of what is reached.
        let reached: Vec<Option<u32>> = naive(&g);
        let all_reached = reached.iter().skip(1).all(Option::is_some);
        if all_reached {
            for v in 1..n {
                prop_assert_eq!(Some(idom[v]), reached[v], "node {} of {:?}", v, edges);
            }
        }
        prop_assert_eq!(retained[0], n as u64, "the root retains everything");
        for v in 1..n {
            prop_assert!(retained[v] >= 1 && retained[idom[v] as usize] > retained[v]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Each reference is led through 1,100 nodes of its own: what dominates what stays the same, and every node becomes a hub.
    #[test]
    fn hubs_are_dominated_as_the_definition_says(n in 1usize..10, raw in prop::collection::vec((0u32..10, 0u32..10), 0..25)) {
        let edges: Vec<_> = raw.into_iter().map(|(a, b)| (a % n as u32, b % n as u32, false)).collect();
        let naive = naive(&graph(n, &edges));
        let between = |k: usize| n as u32 + k as u32;
        let led = edges.iter().flat_map(|&(a, b, _)| (0..1_100).map(move |_| (a, b)));
        let wide: Vec<_> = led.clone().enumerate().flat_map(|(k, (a, b))| [(a, between(k), false), (between(k), b, false)]).collect();
        let (idom, _) = figures(&graph(n + led.count(), &wide));
        if naive.iter().skip(1).all(Option::is_some) {
            for v in 1..n {
                prop_assert_eq!(Some(idom[v]), naive[v], "node {} of {:?}", v, edges);
            }
        }
    }
}

#[test]
fn a_list_130_000_deep_and_a_hub_of_a_million_do_no_harm() {
    let n = 130_000u32;
    let list: Vec<_> = (0..n - 1).flat_map(|i| [(i, i + 1, false), (i + 1, i, false)]).collect();
    let (idom, retained) = figures(&graph(n as usize, &list));
    assert!((1..n).all(|v| idom[v as usize] == v - 1));
    assert_eq!(retained[65_000], u64::from(n) - 65_000);
    let n = 1_000_000u32;
    let hub: Vec<_> = (1..n).map(|i| (0, i, false)).collect();
    let (idom, retained) = figures(&graph(n as usize, &hub));
    assert!(idom.iter().all(|&d| d == 0) && retained[0] == u64::from(n));
}

#[test]
fn what_nothing_holds_hangs_under_the_root() {
    // 1 is held loosely and holds 2; 3 and 4 hold each other.
    let g = graph(5, &[(0, 1, true), (1, 2, false), (3, 4, false), (4, 3, false)]);
    assert_eq!(figures(&g), (vec![0, 0, 1, 0, 0], vec![5, 2, 1, 1, 1]));
}

/// A snapshot as V8 writes one, from nodes (type, name, id, size) and edges (from, type, name or index, to).
#[derive(Default)]
struct Written {
    nodes: Vec<(u32, String, u64, u64)>,
    edges: Vec<(usize, u32, String, usize)>,
    locations: Vec<(usize, u32)>,
}

const HIDDEN: u32 = 0;
const STRING: u32 = 2;
const OBJECT: u32 = 3;
const SYNTHETIC: u32 = 9;
const ELEMENT: u32 = 1;
const PROPERTY: u32 = 2;
const INTERNAL: u32 = 3;
const SHORTCUT: u32 = 5;
const WEAK: u32 = 6;

impl Written {
    fn node(&mut self, ty: u32, name: &str, id: u64, size: u64) -> usize {
        self.nodes.push((ty, name.into(), id, size));
        self.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, ty: u32, name: &str, to: usize) {
        self.edges.push((from, ty, name.into(), to));
    }

    fn text(&self) -> String {
        let mut strings: Vec<&str> = vec!["<dummy>"];
        let handle = |s: &'_ str, own: &mut Vec<String>| match own.iter().position(|o| o == s) {
            Some(i) => i + 1,
            None => {
                own.push(s.to_owned());
                own.len()
            }
        };
        let mut own: Vec<String> = Vec::new();
        let (mut nodes, mut edges) = (String::new(), String::new());
        for (i, (ty, name, id, size)) in self.nodes.iter().enumerate() {
            let mine: Vec<_> = self.edges.iter().filter(|e| e.0 == i).collect();
            let _ = writeln!(nodes, "{}{ty},{},{id},{size},{},0,0", if i == 0 { "" } else { "," }, handle(name, &mut own), mine.len());
            for (_, ty, name, to) in mine {
                let name = if *ty == ELEMENT { name.parse().unwrap() } else { handle(name, &mut own) };
                let _ = writeln!(edges, "{}{ty},{name},{}", if edges.is_empty() { "" } else { "," }, to * 7);
            }
        }
        strings.extend(own.iter().map(String::as_str));
        let locations: Vec<String> = self.locations.iter().map(|(n, line)| format!("{},82,{line},4", n * 7)).collect();
        format!(
            r#"{{"snapshot":{{"meta":{{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":[],"trace_node_fields":[],"sample_fields":["timestamp_us","last_assigned_id"],"location_fields":["object_index","script_id","line","column"]}},"node_count":{},"edge_count":{},"trace_function_count":0,"extra_native_bytes":100}},
"nodes":[{nodes}],
"edges":[{edges}],
"trace_function_infos":[],
"trace_tree":[],
"samples":[],
"locations":[{}],
"strings":{}}}"#,
            self.nodes.len(),
            self.edges.len(),
            locations.join(","),
            serde_json::to_string(&strings).unwrap(),
        )
    }
}

/// A program with a map that keeps `entries` sessions, a ring that keeps its last 200, and some strings.
fn program(entries: u64, turned: u64) -> Written {
    let mut w = Written::default();
    let root = w.node(SYNTHETIC, "", 1, 0);
    let gc = w.node(SYNTHETIC, "(GC roots)", 3, 0);
    let global = w.node(OBJECT, "global", 5, 64);
    w.edge(root, ELEMENT, "1", gc);
    w.edge(root, SHORTCUT, "global", global);
    let cache = w.node(OBJECT, "SessionCache", 7, 32);
    let map = w.node(OBJECT, "Map", 9, 32);
    let table = w.node(HIDDEN, "system / OrderedHashMap", 20_001 + 2 * entries, 16 * entries + 16);
    w.edge(global, PROPERTY, "cache", cache);
    w.edge(cache, PROPERTY, "entries", map);
    w.edge(map, INTERNAL, "table", table);
    let ring = w.node(OBJECT, "Array", 11, 32);
    w.edge(global, PROPERTY, "recent", ring);
    w.locations.push((cache, 3));
    for i in 0..entries {
        let s = w.node(OBJECT, "Session", 100_001 + 2 * i, 48);
        let text = w.node(STRING, "secret token", 500_001 + 2 * i, 200);
        w.edge(table, INTERNAL, &format!("{i}"), s);
        w.edge(s, PROPERTY, "token", text);
        w.locations.push((s, 9));
    }
    for i in 0..200 {
        let e = w.node(OBJECT, "RingEntry", 900_001 + 2 * (turned + i), 4000);
        w.edge(ring, ELEMENT, &format!("{i}"), e);
        w.locations.push((e, 30));
    }
    for i in 0..500 {
        let s = w.node(STRING, &format!("stable {i}"), 1001 + 2 * i, 16);
        w.edge(gc, ELEMENT, &format!("{i}"), s);
    }
    let weak = w.node(OBJECT, "Forgotten", 13, 24);
    w.edge(global, WEAK, "weak", weak);
    w
}

fn saved(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn diff(files: &[PathBuf]) -> Delta {
    let rows = RowOptions { top: Some(0), ..RowOptions::default() };
    pipeline::diff(files, &Options { rows, ..Options::default() }).unwrap()
}

#[test]
fn sizes_move_to_owners_and_weak_references_hold_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = saved(&dir, "a.heapsnapshot", program(10, 0).text().as_bytes());
    let rows = RowOptions { nodes: vec![9, 20_021, 13, 4], ..RowOptions::default() };
    let incident = pipeline::read(&[file], &Options { rows, ..Options::default() }).unwrap();
    let profile = &incident.profiles[0].what;
    let ProfileBody::Graph(g) = &profile.body else { panic!("no graph") };
    // The table's 176 bytes belong to the map; sessions and tokens hang below it.
    let map = &g.answers[0];
    assert_eq!((map.self_bytes, map.retained_bytes, map.distance, map.dominator_id), (32 + 176, Some(208 + 10 * 248), Some(3), Some(7)));
    assert_eq!(g.answers[1].self_bytes, 0);
    let forgotten = &g.answers[2];
    assert_eq!((forgotten.dominator_id, forgotten.distance), (Some(1), Some(-5)), "only a weak reference leads there");
    assert_eq!(g.unknown_ids, [4]);
    let session = g.rows.iter().find(|r| &*r.class.name == "Session").unwrap();
    assert_eq!(
        (session.class.key().as_str(), session.count, session.bytes, session.retained_bytes),
        ("82,9,4,Session", 10, 480, Some(2480))
    );
    let total: i64 = program(10, 0).nodes.iter().map(|n| n.3 as i64).sum();
    assert_eq!(profile.totals[0], total + 100, "bytes outside the heap count");
}

#[test]
fn a_map_that_grows_is_named_and_a_ring_that_turns_over_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = [(300, 0), (900, 400), (1500, 800)]
        .iter()
        .enumerate()
        .map(|(i, &(n, t))| saved(&dir, &format!("t{i}.heapsnapshot"), program(n, t).text().as_bytes()))
        .collect();
    let d = diff(&files);
    assert_eq!(d.same_process, Some(true));
    let session = d.rows.iter().find(|r| r.name == "Session").unwrap();
    assert_eq!((session.added_count, session.removed_count, session.trend.as_str()), (Some(1200), Some(0), "every-step"));
    let ring = d.rows.iter().find(|r| r.name == "RingEntry").unwrap();
    assert_eq!((ring.added_count, ring.removed_count, ring.bytes_delta, ring.trend.as_str()), (Some(200), Some(200), Some(0), "churn"));
    // The entries hold equal texts: a cause of its own, beside the map that keeps them.
    let patterns: Vec<&str> = d.suspects.iter().map(|s| s.pattern.as_str()).collect();
    assert_eq!(patterns, ["unbounded-cache", "duplicated-strings"], "{:?}", d.suspects);
    let repeated = d.repeated_strings.as_ref().unwrap();
    assert!(repeated.wasted_bytes > 0 && repeated.top.iter().all(|t| t.text.is_none()), "{repeated:?}");
    let s = &d.suspects[0];
    assert_eq!((s.pattern.as_str(), s.objects_added), ("unbounded-cache", Some(1200)));
    assert!(s.culprits.contains(&("retainer".into(), "SessionCache.entries".into())), "{:?}", s.culprits);
    let told = serde_json::to_string(&d).unwrap();
    assert!(!told.contains("secret"), "contents of strings stay hidden");
}

#[test]
fn a_snapshot_beside_itself_shows_nothing_and_another_process_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let a = saved(&dir, "a.heapsnapshot", program(300, 0).text().as_bytes());
    let d = diff(&[a.clone(), a.clone()]);
    assert!(d.rows.is_empty() && d.suspects.is_empty());
    let mut other = program(300, 0);
    for (i, n) in other.nodes.iter_mut().enumerate().skip(8) {
        n.1 = format!("else {}", i % 7);
    }
    let b = saved(&dir, "b.heapsnapshot", other.text().as_bytes());
    let d = diff(&[a, b]);
    assert_eq!(d.same_process, Some(false));
    assert!(d.suspects.is_empty() && !d.limits.is_empty());
}

#[test]
fn a_file_cut_anywhere_says_so_and_keeps_what_came_before() {
    let dir = tempfile::tempdir().unwrap();
    let text = program(60, 0).text();
    let edges = text.find("\"edges\"").unwrap();
    let earlier = saved(&dir, "earlier.heapsnapshot", text.as_bytes());
    let nodes = program(60, 0).nodes.len() as i64;
    let mut kept_before = 0;
    for cut in (0..text.len()).step_by(997).chain([edges + 2, text.len() - 3]) {
        let file = saved(&dir, "cut.heapsnapshot", &text.as_bytes()[..cut]);
        let incident = pipeline::read(std::slice::from_ref(&file), &Options::default()).unwrap();
        let troubles = incident.artifacts[0].diagnostics.iter().count();
        assert!(troubles > 0, "cut at {cut} is not told");
        let kept = incident.profiles.first().map_or(0, |p| p.what.totals.get(1).copied().unwrap_or(0));
        if cut >= edges {
            assert_eq!(kept, nodes, "all nodes stand before {cut}");
            let d = diff(&[earlier.clone(), file]);
            assert!(d.snapshots[1].truncated);
            assert_eq!(d.same_process, Some(true), "what is lost is no sign of another process");
            let session = d.rows.iter().find(|r| r.name == "Session");
            assert!(session.is_none_or(|r| r.count_delta == Some(0)), "names are borrowed from the earlier file: {session:?}");
        }
        kept_before = kept_before.max(kept);
    }
    assert_eq!(kept_before, nodes);
}

#[test]
fn damage_never_panics() {
    let text = program(12, 3).text().into_bytes();
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..400 {
        let mut bytes = text.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() as usize % bytes.len();
            bytes[at] = b"0123456789,[]{}\"\\x-\n"[random() as usize % 20];
        }
        let mut facts = postmem::model::Facts::default();
        read_snapshot(&bytes, &mut facts);
    }
}

/// What a fuzzer calls: parses and settles any bytes as a snapshot.
fn read_snapshot(bytes: &[u8], facts: &mut postmem::model::Facts) {
    use postmem::formats::{Format, v8_heapsnapshot::V8HeapSnapshot};
    let content = postmem::bundle::Content::memory(bytes.to_vec());
    let input = postmem::formats::Input {
        artifact: Default::default(),
        path: "x.heapsnapshot",
        len: Some(bytes.len() as u64),
        who: Default::default(),
        source: &content,
    };
    V8HeapSnapshot.parse(&input, facts);
    for p in &mut facts.profiles {
        if let ProfileBody::Graph(g) = &mut p.what.body {
            postmem::heap::settle::settle(g, postmem::heap::settle::Ask { ids: &[1], compare: true, ..Default::default() }, &[]);
        }
    }
}

#[test]
fn a_heapsnapshot_written_by_node_reads_whole() {
    let file = PathBuf::from("samples/formats/v8-heapsnapshot/listeners.heapsnapshot.gz");
    let incident = pipeline::read(&[file], &Options::default()).unwrap();
    let ProfileBody::Graph(g) = &incident.profiles[0].what.body else { panic!("no graph") };
    let count = |name: &str| g.rows.iter().filter(|r| &*r.class.name == name).map(|r| r.count).sum::<u64>();
    assert_eq!(count("Subscription"), 25);
    let own = g.rows.iter().find(|r| &*r.class.name == "Subscription").unwrap();
    assert_eq!(own.class.kind, postmem::model::graph::ClassKind::Program);
    assert!(incident.artifacts[0].diagnostics.iter().count() == 0);
}

#[test]
fn leaks_of_a_real_program_are_told_by_pattern_and_its_bounded_caches_are_not_blamed() {
    let files: Vec<PathBuf> =
        (0..3).map(|i| PathBuf::from(format!("samples/formats/v8-heapsnapshot/leaks.t{i}.heapsnapshot.gz"))).collect();
    let d = diff(&files);
    assert_eq!(d.same_process, Some(true));
    // (name, pattern, added in two steps) as the program that wrote them plants them.
    for (name, pattern, added) in [
        ("ChatMessage", "growing-array", 1200),
        ("RateWatcher", "listener-leak", 600),
        ("LeaseKeeper", "uncleared-timer", 600),
        ("Module", "module-cache", 120),
    ] {
        let s = d.suspects.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", d.suspects));
        assert_eq!((s.pattern.as_str(), s.objects_added), (pattern, Some(added)), "{}", s.why);
    }
    let waiting = d.suspects.iter().find(|s| s.pattern == "pending-promise").unwrap();
    assert!(waiting.name == "StockQuery" || waiting.name == "answer()", "{}", waiting.why);
    assert_eq!(waiting.objects_added, Some(400), "{}", waiting.why);
    let rooms = d.suspects.iter().find(|s| s.name == "ChatMessage").unwrap();
    assert!(rooms.why.starts_with("25 Arrays ChatRoom.messages"), "many small lists are one leak: {}", rooms.why);
    for bounded in ["RecentPage", "country", "{code, name}"] {
        assert!(!d.suspects.iter().any(|s| s.name.contains(bounded)), "{bounded} is bounded");
    }
}

#[test]
fn what_services_leak_is_told_in_their_own_words() {
    let files: Vec<PathBuf> =
        (0..3).map(|i| PathBuf::from(format!("samples/formats/v8-heapsnapshot/services.t{i}.heapsnapshot.gz"))).collect();
    let d = diff(&files);
    let told: Vec<(&str, &str)> = d.suspects.iter().map(|s| (s.pattern.as_str(), s.why.as_str())).collect();
    for (pattern, start) in [
        ("unbounded-cache", "Map tokens in services.js gained 150 strings a step"),
        // What is cut from a text keeps all of it.
        ("sliced-strings", "1.1"),
        ("listener-leak", "topic._subscribers in services.js gained 250 Viewer a step"),
        // A promise that has a result waits for nothing.
        ("unbounded-cache", "Map Loader.cache in services.js gained 300 {"),
        // Keys of dictionaries are data.
        ("growing-array", "14 Arrays rooms[key].members in services.js together gained 280 Member a step"),
        ("unbounded-cache", "MemoryStore.sessions in services.js gained 200 {user, seen} a step"),
        // A weak table above a list that grew is only on the way.
        ("growing-array", "Array Ledger.(weak entry) in services.js gained 300 Posting a step"),
    ] {
        assert!(told.iter().any(|(p, w)| *p == pattern && w.starts_with(start)), "no {pattern}: {start} in {told:#?}");
    }
    // Entries that hold several of what weighs most are counted as entries.
    let compiled = told.iter().find(|(_, w)| w.contains("validators")).unwrap();
    assert!(compiled.1.contains(" gained 40 "), "{compiled:?}");
    // Optimised code of functions that were there before and the table of unique strings are no leaks.
    assert!(d.suspects.iter().all(|s| !s.why.contains("the runtime itself")), "{told:#?}");
    let keys = |s: &str| s.len() == 24 && s.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(d.suspects.iter().flat_map(|s| &s.path).all(|p| !keys(&p.edge)), "a session's key is shown");
}

#[test]
fn dom_nodes_that_left_the_document_are_told_with_the_variable_that_keeps_them() {
    // Chromium's own file: 250 dialogs of five nodes and four texts were taken out of the document between the two.
    let sample = |name: &str| PathBuf::from(format!("samples/formats/v8-heapsnapshot/{name}.heapsnapshot.gz"));
    let d = diff(&[sample("panel.t0"), sample("panel.t1")]);
    assert_eq!(d.suspects.len(), 1, "{:?}", d.suspects.iter().map(|s| &s.why).collect::<Vec<_>>());
    let s = &d.suspects[0];
    assert_eq!((s.name.as_str(), s.pattern.as_str(), s.objects_added), ("Dialog", "detached-dom", Some(250)), "{}", s.why);
    assert!(s.why.starts_with("Array Dialogs.closed in globalThis.dialogs gained 250 Dialog"), "{}", s.why);
    assert!(s.sites[0].starts_with("file:///srv/panel/panel.html:"), "{:?}", s.sites);
    // As DevTools' comparison of the two has it.
    let row = |name: &str| d.rows.iter().find(|r| r.name == name).map(|r| (r.count_delta, r.bytes_delta));
    assert_eq!(row("Detached <p>"), Some((Some(1000), Some(104_000))));
    assert_eq!(row("Detached Text"), Some((Some(1000), Some(80_000))));
    assert_eq!(row("Detached <section>"), Some((Some(250), Some(26_000))));
    // The dialog that is still in the document is not detached.
    assert!(d.rows.iter().all(|r| r.name != "<section>" || r.count_delta == Some(0)));
}

#[test]
fn a_recording_names_the_function_that_allocated_what_grew() {
    let sample = |name: &str| {
        let format = if name.ends_with("heaptimeline") { "v8-heaptimeline" } else { "v8-heapsnapshot" };
        PathBuf::from(format!("samples/formats/{format}/{name}.gz"))
    };
    // The program that wrote them keeps 1,000 visits before the first file and 1,000 more before the second.
    let d = diff(&[sample("visits.t0.heapsnapshot"), sample("visits.t1.heaptimeline")]);
    let s = &d.suspects[0];
    assert_eq!((s.name.as_str(), s.pattern.as_str(), s.objects_added), ("Visit", "growing-array", Some(1000)), "{}", s.why);
    assert!(s.why.contains("1,000 of 1,000 whose allocation was recorded were made in remember()"), "{}", s.why);
    assert!(s.why.contains("called from handleRequest()"), "{}", s.why);
    assert!(s.sites[0].ends_with("record.js:17:18"), "{:?}", s.sites);
    assert!(s.culprits.contains(&("function".to_owned(), "remember".to_owned())), "{:?}", s.culprits);

    let incident = pipeline::read(&[sample("visits.t1.heaptimeline")], &Options::default()).unwrap();
    let ProfileBody::Graph(g) = &incident.profiles[0].what.body else { panic!("no graph") };
    let before = &g.births[0];
    assert_eq!(before.from_us, before.to_us, "what was there before stands alone");
    let during: u64 = g.births[1..].iter().map(|b| b.objects).sum();
    assert!((3000..4000).contains(&during), "a visit, its number and its text each: {during}");
    assert!(g.allocated.iter().any(|a| a.function == "remember" && a.callers[0] == "handleRequest"), "{:?}", g.allocated);

    let dir = tempfile::TempDir::new().unwrap();
    let page = dir.path().join("r.md");
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_postmem"))
        .args(["analyze".as_ref(), sample("visits.t1.heaptimeline").as_os_str(), "-o".as_ref(), page.as_os_str()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("**Allocations recorded**") && text.contains("are older than the recording"), "{text}");
    assert!(text.contains("| `remember()` `/srv/visits/record.js:17:18` |"), "{text}");
}

#[test]
fn two_processes_in_one_folder_are_told_apart_though_their_files_have_the_same_names_by_turns() {
    let dir = tempfile::TempDir::new().unwrap();
    for step in 0..3u64 {
        let one = program(300 + 200 * step, 50 * step).text();
        let other = program(900 - 100 * step, 30 * step).text().replace("stable ", "steady ").replace("Session", "Invoice");
        for (second, text) in [(2 * step, one), (2 * step + 1, other)] {
            saved(&dir, &format!("Heap.20260801.10000{second}.1.0.00{step}.heapsnapshot"), text.as_bytes());
        }
    }
    let incident = pipeline::read(&[dir.path().to_owned()], &Options::default()).unwrap();
    assert_eq!(incident.deltas.len(), 2, "one comparison for each process");
    for (d, seconds) in incident.deltas.iter().zip([[0, 2, 4], [1, 3, 5]]) {
        assert_eq!(d.what.same_process, Some(true));
        let files: Vec<&str> = d.what.snapshots.iter().map(|s| s.path.as_str()).collect();
        assert!(files.iter().zip(seconds).all(|(f, s)| f.contains(&format!("10000{s}."))), "{files:?}");
    }
    assert_eq!(incident.deltas[0].what.suspects[0].name, "Session");
    assert!(incident.deltas[1].what.suspects.is_empty(), "it shrank: {:?}", incident.deltas[1].what.suspects);
}

#[test]
fn texts_of_strings_are_shown_only_where_asked_for() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = saved(&dir, "a.heapsnapshot", program(10, 0).text().as_bytes());
    let ids = saved(&dir, "ids.txt", b"500001\n7\n");
    let inspect = |flags: &[&str]| {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_postmem"));
        run.arg("inspect").arg(&file).arg("--nodes").arg(&ids).args(flags);
        String::from_utf8(run.output().unwrap().stdout).unwrap()
    };
    let hidden = inspect(&[]);
    assert!(!hidden.contains("secret token") && hidden.contains("SessionCache"), "{hidden}");
    let shown: serde_json::Value = serde_json::from_str(&inspect(&["--no-redact"])).unwrap();
    assert_eq!(shown["profiles"][0]["nodes"][0]["name"], "secret token");
    assert_eq!(shown["profiles"][0]["repeated_strings"]["top"][0]["text"], "secret token");
}

#[test]
fn one_snapshot_alone_says_what_is_held_and_an_empty_one_why_it_is_empty() {
    let sample = PathBuf::from("samples/formats/v8-heapsnapshot/leaks.t2.heapsnapshot.gz");
    let report = pipeline::analyze(std::slice::from_ref(&sample), &Options::default()).expect("a report").document;
    let f = &report.findings[0];
    assert_eq!(f.cause, "inconclusive");
    assert!(f.sentence.contains("leaks.t2.heapsnapshot.gz holds") && f.sentence.contains("not what grows"), "{}", f.sentence);
    assert!(f.advice.iter().any(|a| a.command.as_deref().is_some_and(|c| c.starts_with("postmem diff"))), "{:?}", f.advice);
    let dir = tempfile::tempdir().expect("temporary folder");
    let empty = dir.path().join("empty.heapsnapshot");
    std::fs::write(&empty, "").expect("file");
    let why = pipeline::diff(&[sample, empty], &Options::default()).expect_err("nothing to compare").to_string();
    assert!(why.contains("empty.heapsnapshot") && why.contains("before the snapshot was written"), "{why}");
}
