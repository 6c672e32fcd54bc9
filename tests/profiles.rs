//! Profiles of call stacks: the reader against an independent decoder, comparisons with known causes, damage.

#[path = "../fuzz/profiles.rs"]
mod target;

use postmem::formats::pprof::{Pprof, proto, write};
use postmem::model::delta::{Delta, GroupBy, RowOptions};
use postmem::model::profile::{HeapProfile, ProfileBody};
use postmem::pipeline::{self, Options, Wants};
use postmem::report;
use prost::Message;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats/pprof").join(name)
}

fn raw(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(&std::fs::read(sample(name)).unwrap()[..]).read_to_end(&mut out).unwrap();
    out
}

fn heaps() -> Vec<PathBuf> {
    (0..4).map(|i| sample(&format!("heap_t{i}.pb.gz"))).collect()
}

fn only(bytes: &[u8]) -> HeapProfile {
    let mut facts = target::parse(&Pprof, bytes);
    assert_eq!(facts.profiles.len(), 1);
    facts.profiles.remove(0).what
}

/// Values by stack of function names and lines, leaf first, as prost decodes them.
fn by_prost(bytes: &[u8]) -> BTreeMap<Vec<(String, i64)>, Vec<i64>> {
    let p = proto::Profile::decode(bytes).unwrap();
    let mut out: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for s in &p.sample {
        let mut stack = Vec::new();
        for id in &s.location_id {
            for line in &p.location.iter().find(|l| l.id == *id).unwrap().line {
                let f = p.function.iter().find(|f| f.id == line.function_id).unwrap();
                stack.push((p.string_table[f.name as usize].clone(), line.line));
            }
        }
        let sum = out.entry(stack).or_insert_with(|| vec![0; s.value.len()]);
        sum.iter_mut().zip(&s.value).for_each(|(a, b)| *a += b);
    }
    out
}

fn by_reader(p: &HeapProfile) -> BTreeMap<Vec<(String, i64)>, Vec<i64>> {
    let ProfileBody::Stacks(t) = &p.body else { panic!("no stacks") };
    let mut out: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for s in 0..t.samples() {
        let frames = t.stack(s).iter().flat_map(|l| t.frames(*l));
        let stack = frames.map(|f| (t.function_name(f.function).to_owned(), i64::from(f.line))).collect();
        let sum = out.entry(stack).or_insert_with(|| vec![0; p.measures.len()]);
        sum.iter_mut().enumerate().for_each(|(m, a)| *a += t.value(m, s));
    }
    out
}

#[test]
fn wire_reader_and_prost_see_the_same_profile() {
    for name in ["heap_t0.pb.gz", "heap_t3.pb.gz", "goroutine_t3.pb.gz"] {
        let bytes = raw(name);
        assert_eq!(by_reader(&only(&bytes)), by_prost(&bytes), "{name}");
    }
}

#[test]
fn written_profiles_read_back_the_same() {
    let p = only(&raw("heap_t3.pb.gz"));
    let written = write::message(&p).unwrap().encode_to_vec();
    let again = only(&written);
    assert_eq!(by_reader(&again), by_reader(&p));
    assert_eq!((again.totals, again.default_measure, again.period), (p.totals, p.default_measure, p.period));
}

fn diff(rows: RowOptions) -> Delta {
    pipeline::diff(&heaps(), &Options { rows, ..Options::default() }).unwrap()
}

#[test]
fn the_leak_is_named_and_warm_up_and_sawtooth_are_not() {
    let delta = diff(RowOptions::default());
    let names: Vec<&str> = delta.suspects.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["main.(*basket).remember"]);
    let row = |name: &str| delta.rows.iter().find(|r| r.name == name).unwrap();
    assert_eq!(row("main.(*basket).remember").trend, "every-step");
    assert_eq!(row("main.fillCache").trend, "plateau");
    assert_ne!(row("main.batch").trend, "every-step");
    // 600 blocks of 4096 bytes were forgotten between the first and the last profile: within three standard errors.
    let leak = row("main.(*basket).remember");
    let error = leak.error_bytes.unwrap();
    assert!((leak.bytes_delta.unwrap() - 600 * 4096).abs() < 3 * error, "{leak:?}");
    assert_eq!(leak.steps.len(), 4);
    assert!(report::diff::terminal(&delta, 20).lines().all(|l| l.chars().count() <= 100));
}

#[test]
fn rows_add_up_by_every_grouping() {
    let total: i64 = {
        let ends = diff(RowOptions::default()).snapshots;
        ends.last().unwrap().total_bytes.unwrap() - ends[0].total_bytes.unwrap()
    };
    for by in
        [GroupBy::Function, GroupBy::FileFunction, GroupBy::Line, GroupBy::File, GroupBy::Address, GroupBy::Traceback, GroupBy::Package]
    {
        let delta = diff(RowOptions { by: Some(by), top: Some(0), ..RowOptions::default() });
        let sum: i64 = delta.rows.iter().map(|r| r.bytes_delta.unwrap()).sum();
        assert_eq!(sum, total, "{by:?}");
    }
}

#[test]
fn focus_and_ignore_split_the_whole() {
    let of = |focus: Option<&str>, ignore: Option<&str>| -> i64 {
        let rows = RowOptions { focus: focus.map(Into::into), ignore: ignore.map(Into::into), top: Some(0), ..RowOptions::default() };
        diff(rows).rows.iter().map(|r| r.bytes_delta.unwrap()).sum()
    };
    assert_eq!(of(Some("checkout"), None) + of(None, Some("checkout")), of(None, None));
    assert!(of(Some("checkout"), None) > 0);
}

#[test]
fn growth_as_a_profile_is_later_minus_earlier() {
    let c = pipeline::compare(&heaps(), &Options::default(), Wants { tree: true, difference: true }).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&c.growth_file().unwrap()[..]).read_to_end(&mut bytes).unwrap();
    let growth = only(&bytes);
    let (before, after) = (only(&raw("heap_t0.pb.gz")), only(&raw("heap_t3.pb.gz")));
    let want: Vec<i64> = after.totals.iter().zip(&before.totals).map(|(a, b)| a - b).collect();
    assert_eq!(growth.totals, want);
    let tree = c.tree.unwrap();
    let svg = report::flamegraph::differential(&tree);
    assert!(svg.contains("main.(*basket).remember") && !svg.contains("<script") && !svg.contains("style="));
    let root = &tree.nodes[0];
    assert_eq!((Some(root.before), Some(root.after)), (c.delta.snapshots[0].total_bytes, c.delta.snapshots[3].total_bytes));
}

#[test]
fn goroutines_are_counted_alike_in_all_three_forms() {
    let count = |name: &str| {
        let incident = pipeline::inspect(&[sample(name)], &Options::default()).unwrap();
        assert!(incident.artifacts.iter().all(|a| a.diagnostics.is_empty()), "{name}");
        incident.profiles[0].what.totals[0]
    };
    for name in ["goroutine_t3.pb.gz", "goroutine_t3.debug1.txt", "goroutine_t3.debug2.txt"] {
        // 40 that wait to send, and main.
        assert_eq!(count(name), 41, "{name}");
    }
    let dumps = [sample("goroutine_t0.debug2.txt"), sample("goroutine_t3.debug2.txt")];
    let delta = pipeline::diff(&dumps, &Options::default()).unwrap();
    let s = &delta.suspects[0];
    assert_eq!((s.name.as_str(), s.pattern.as_str(), s.objects_added), ("main.notify", "blocked-send", Some(30)));
    assert!(s.culprits.contains(&("goroutine".into(), "main.main".into())), "{:?}", s.culprits);
}

#[test]
fn heap_text_with_symbols_agrees_with_the_profile() {
    let incident = pipeline::inspect(&[sample("heap_t3.txt")], &Options::default()).unwrap();
    let text = &incident.profiles[0].what;
    let proto = only(&raw("heap_t3.pb.gz"));
    let total = |p: &HeapProfile| p.totals[p.measures.iter().position(|m| m.name == "inuse_space").unwrap()];
    // Taken one after the other: the second holds the first one's buffers.
    assert!((total(text) - total(&proto)).abs() < total(&proto) / 5, "{} {}", total(text), total(&proto));
    assert!(text.sites.iter().any(|r| r.name == "main.(*basket).remember"));
    assert!(text.extra["HeapInuse"] > 0 && text.extra["StackSys"] > 0);
}

#[test]
fn damage_is_told_and_what_is_whole_is_kept() {
    let whole = raw("heap_t3.pb.gz");
    let samples = |p: &HeapProfile| if let ProfileBody::Stacks(t) = &p.body { t.samples() } else { 0 };
    let mut last = 0;
    for cut in (200..whole.len()).step_by(97) {
        let facts = target::parse(&Pprof, &whole[..cut]);
        if let Some(p) = facts.profiles.first() {
            assert!(samples(&p.what) >= last, "a longer part holds fewer samples");
            last = samples(&p.what);
            assert!(!facts.diagnostics.is_empty() || cut == whole.len(), "cut at {cut} passes for whole");
        }
    }
    assert_eq!(last, samples(&only(&whole)));
}

#[test]
fn numeric_labels_keep_their_units_and_group() {
    let words = [
        "",
        "inuse_space",
        "bytes",
        "request",
        "latency",
        "milliseconds",
        "tenant",
        "acme",
        "kilobytes",
        "f",
        "f.go",
        "inuse_objects",
        "count",
    ];
    let label = |key, str, num, num_unit| proto::Label { key, str, num, num_unit };
    let sample = |label: Vec<proto::Label>, v: i64| proto::Sample { location_id: vec![1], value: vec![1, v], label };
    let p = proto::Profile {
        string_table: words.map(String::from).to_vec(),
        sample_type: [(11, 12), (1, 2)].map(|(t, u)| proto::ValueType { r#type: t, unit: u }).to_vec(),
        sample: vec![
            sample(vec![label(2, 0, 64, 0), label(4, 0, 250, 5), label(6, 7, 0, 0)], 64),
            sample(vec![label(2, 0, 4096, 2), label(3, 0, 16, 8), label(4, 0, 250, 5)], 4096),
            sample(vec![label(3, 0, 16, 8)], 100),
        ],
        location: vec![proto::Location { id: 1, line: vec![proto::Line { function_id: 1, line: 3, column: 0 }], ..Default::default() }],
        function: vec![proto::Function { id: 1, name: 9, filename: 10, ..Default::default() }],
        ..Default::default()
    };
    let profile = only(&p.encode_to_vec());
    let ProfileBody::Stacks(t) = &profile.body else { panic!("no stacks") };
    // One call site, three samples: the stack is kept once.
    assert_eq!((t.samples(), t.stacks()), (3, 1));
    let rows = RowOptions { by: Some(GroupBy::Label), top: Some(0), ..RowOptions::default() };
    let top = postmem::heap::sites::top(&profile, t, &rows, &postmem::heap::sites::Filter::default());
    let got: Vec<(&str, i64)> = top.iter().map(|r| (r.name.as_str(), r.own[1])).collect();
    assert_eq!(
        got,
        [
            ("request: 16 kilobytes", 4196),
            ("latency: 250 milliseconds", 4160),
            ("bytes: 4096 bytes", 4096),
            ("bytes: 64 bytes", 64),
            ("tenant: acme", 64)
        ]
    );
}

#[test]
fn a_sample_without_values_takes_no_place_among_the_others() {
    let words = ["", "space", "bytes", "f", "f.go"];
    let sample = |location: u64, value: Vec<i64>| proto::Sample { location_id: vec![location], value, label: Vec::new() };
    let location =
        |id: u64| proto::Location { id, line: vec![proto::Line { function_id: 1, line: id as i64, column: 0 }], ..Default::default() };
    let p = proto::Profile {
        string_table: words.map(String::from).to_vec(),
        sample_type: vec![proto::ValueType { r#type: 1, unit: 2 }],
        sample: vec![sample(1, Vec::new()), sample(2, vec![7]), sample(1, vec![5, 6])],
        location: vec![location(1), location(2)],
        function: vec![proto::Function { id: 1, name: 3, filename: 4, ..Default::default() }],
        ..Default::default()
    };
    let profile = only(&p.encode_to_vec());
    let ProfileBody::Stacks(t) = &profile.body else { panic!("no stacks") };
    assert_eq!((t.samples(), t.values.as_slice(), profile.totals.as_slice()), (1, &[7][..], &[7][..]));
    assert_eq!(t.frames(t.stack(0)[0])[0].line, 2, "the value stays with its own stack");
}

/// Deterministic random numbers (xorshift), so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// The top-level fields of a profile, some of them moved, repeated, dropped or given another field's number.
fn shuffled(profile: &[u8], r: &mut Random) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut rest = profile;
    while let Some((&key, mut after)) = rest.split_first() {
        let mut n = 0usize;
        for i in 0.. {
            let Some((b, more)) = after.split_first() else { break };
            after = more;
            n |= usize::from(b & 0x7f) << (7 * i).min(56);
            if *b < 0x80 {
                break;
            }
        }
        let inside = if key & 7 == 2 { n.min(after.len()) } else { 0 };
        let len = rest.len() - after.len() + inside;
        fields.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    for _ in 0..1 + r.below(6) {
        let (a, b) = (r.below(fields.len()), r.below(fields.len()));
        match r.below(4) {
            0 => fields.swap(a, b),
            1 => fields.insert(b, fields[a].clone()),
            2 => drop(fields.remove(a)),
            _ => fields[a][0] = (1 + r.below(15) as u8) << 3 | fields[a][0] & 7,
        }
    }
    fields.concat()
}

#[test]
fn mutated_profiles_never_panic() {
    let seeds = [
        raw("heap_t1.pb.gz"),
        raw("goroutine_t3.pb.gz"),
        std::fs::read(sample("heap_t3.txt")).unwrap(),
        std::fs::read(sample("goroutine_t3.debug2.txt")).unwrap(),
        raw("leaks/blocked-send/heap_t3.pb.gz"),
        raw("builds/heap_v2.pb.gz"),
        b"--- heapz 1 ---\nformat = java\nresolution = bytes\n 7048 1 @ 0x3 0x4\n 12 2 @ 0x4\n 0x3 a.B.c (B.java:3)\n 0x4 GC\n".to_vec(),
        b"--- contentionz 1 ---\nformat = java\n 10 1 @ 0x3\n".to_vec(),
        b"heap profile: 3: 30 [4: 40] @ heapz_v2/524288\n 3: 30 [4: 40] @ 0x1 0x2\n--- Memory map: ---\n 1-9: /x\n".to_vec(),
        b"heap_v2/4096\n  t*: 3: 300 [9: 900]\n@ 0x1 0x2\n  t*: 3: 300 [9: 900]\n\nMAPPED_LIBRARIES:\n0-3 r-xp 0 0 0 /x\n".to_vec(),
    ];
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..crate::rounds(600) {
        let mut data = seeds[round % seeds.len()].clone();
        for _ in 0..1 + r.below(8) {
            let at = r.below(data.len());
            match r.below(4) {
                0 => data[at] = r.below(256) as u8,
                1 => data.truncate(at.max(1)),
                2 => data.insert(at, r.below(256) as u8),
                _ => {
                    let end = (at + r.below(64)).min(data.len());
                    let piece = data[at..end].to_vec();
                    let to = r.below(data.len());
                    data.splice(to..to, piece);
                }
            }
        }
        target::profiles(&data);
        // Messages whole in themselves, in another order, twice or not at all: what a flipped bit seldom makes.
        if round % seeds.len() < 2 {
            target::profiles(&shuffled(&seeds[round % seeds.len()], &mut r));
        }
    }
}
