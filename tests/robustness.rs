//! Conformance of every format over `samples/formats/<format>/`: each sample is claimed most strongly by its own format,
//! and cut, flipped and lengthened samples never panic, point only into what there is, and a cut one gives no more facts of
//! any kind than the whole did. That facts before the damage stay is held format by format, in their own tests.

use postmem::formats::{FORMATS, Format, Head, detect, parse_bytes};
use postmem::model::Facts;
use postmem::model::profile::{HeapProfile, ProfileBody};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders whose files one program made in several formats.
const FAMILIES: &[(&str, &[&str])] = &[
    ("grafana", &["grafana-csv", "grafana-frames"]),
    ("host", &["cgroup-files", "proc-files", "ps-table"]),
    ("kube", &["kube-describe", "kube-objects", "kube-table", "transcript"]),
    ("memray", &["memray-csv", "memray-stats"]),
    ("node", &["node-report", "source-map", "v8-heapprofile", "v8-heapsnapshot"]),
    ("pprof", &["pprof", "go-goroutine-text", "heap-text"]),
    ("profile-text", &["heap-text", "java-heapz", "contention-text"]),
    ("prometheus", &["prometheus-api", "promtool-text", "tsdb-dump", "openmetrics", "alerts"]),
];

/// Whether a folder's files may be of this format: its own, or one of its family.
fn at_home(folder: &str, format: &str) -> bool {
    folder == format || FAMILIES.iter().any(|(f, members)| *f == folder && members.contains(&format))
}

pub struct Sample {
    /// The folder's name: a format's or a family's.
    pub format: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Every sample, unpacked. Scripts and expectations beside them are not samples.
pub fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/formats");
    let mut out = Vec::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    for folder in folders {
        let format = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
        files.sort();
        for f in files {
            let name = f.file_name().unwrap().to_string_lossy().into_owned();
            let script = [".sh", ".py", ".js", ".mjs", ".ts", ".go", ".java", ".rs", ".md", ".mod"].iter().any(|e| name.ends_with(e));
            if script || name.ends_with(".facts.json") || name == "truth.json" || name.ends_with(".snap") || name.starts_with('.') {
                continue;
            }
            let bytes = std::fs::read(&f).unwrap();
            let bytes = match bytes.as_slice() {
                [0x1f, 0x8b, ..] => {
                    let mut out = Vec::new();
                    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut out).unwrap();
                    out
                }
                _ => bytes,
            };
            out.push(Sample { format: format.clone(), name, bytes });
        }
    }
    out
}

fn claimed(name: &str, bytes: &[u8]) -> Option<&'static dyn Format> {
    let complete = bytes.len() < Head::LEN;
    detect(&Head { path: name, bytes: &bytes[..bytes.len().min(Head::LEN)], complete }).map(|(f, _)| f)
}

fn parse(format: &dyn Format, name: &str, bytes: &[u8]) -> Facts {
    parse_bytes(format, name, bytes)
}

#[test]
fn every_sample_is_claimed_by_its_own_format_and_gives_facts() {
    let mut wrong = Vec::new();
    for s in samples() {
        match claimed(&s.name, &s.bytes) {
            Some(f) if at_home(&s.format, f.name()) => {
                let facts = parse(f, &s.name, &s.bytes);
                // A text about something else than memory is named, and nothing is taken from it.
                // So is an uptime without the date that stands beside it in its folder.
                let named = facts.diagnostics.iter().any(|d| matches!(d.code, "not-memory" | "no-date"));
                if facts.count() + facts.missing.len() + facts.captures.len() == 0 && !named {
                    wrong.push(format!("{}/{}: no facts", s.format, s.name));
                }
            }
            other => wrong.push(format!("{}/{}: claimed by {}", s.format, s.name, other.map_or("nobody", |f| f.name()))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Parts of a server's own folders, whose samples stand under `prometheus/block` and `prometheus/head` and are read there by
/// the tests of series.
const IN_FOLDERS: [&str; 3] = ["tsdb-block", "tsdb-part", "tsdb-wal"];

#[test]
fn every_format_has_a_sample() {
    let shown: BTreeSet<&str> = samples().iter().filter_map(|s| claimed(&s.name, &s.bytes)).map(|f| f.name()).collect();
    let lacking: Vec<&str> = FORMATS.iter().map(|f| f.name()).filter(|n| !shown.contains(n) && !IN_FOLDERS.contains(n)).collect();
    assert!(lacking.is_empty(), "formats without a sample: {lacking:?}");
    for folder in ["prometheus/block", "prometheus/head"] {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/formats").join(folder).is_dir(), "{folder}");
    }
}

/// How many facts there are of each kind that a report counts.
fn tally(f: &Facts) -> [usize; 10] {
    [
        f.kills.len(),
        f.pods.len(),
        f.nodes.len(),
        f.events.len(),
        f.alerts.len(),
        f.usage.len(),
        f.series.len(),
        f.profiles.len(),
        f.cgroups.len(),
        f.processes.len(),
    ]
}

#[test]
fn parsing_twice_gives_the_same_facts() {
    for s in samples() {
        let Some(f) = claimed(&s.name, &s.bytes) else { continue };
        let (a, b) = (parse(f, &s.name, &s.bytes), parse(f, &s.name, &s.bytes));
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "{}/{}", s.format, s.name);
    }
}

#[test]
fn cut_flipped_and_lengthened_samples_are_survived_by_every_format() {
    let mut seed = 20_261_121u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n.max(1)
    };
    for s in samples() {
        // Big samples are cut down first: the mutations matter, not the megabytes.
        let whole = &s.bytes[..s.bytes.len().min(256 << 10)];
        let own = FORMATS.iter().copied().find(|f| f.name() == s.format);
        let of_whole = claimed(&s.name, whole).map(|f| (f.name(), tally(&parse(f, &s.name, whole))));
        let rounds = crate::rounds(if whole.len() > 64 << 10 { 12 } else { 40 });
        for round in 0..rounds {
            let mut bytes = whole.to_vec();
            match round % 4 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..=random(8)).for_each(|_| bytes[random(whole.len())] ^= 1 << random(8)),
                2 => bytes.extend((0..random(400)).map(|i| (i * 89 + 7) as u8)),
                _ => {
                    // A piece repeated or lost, as a careless copy does.
                    let (a, b) = (random(whole.len()), random(whole.len()));
                    let (a, b) = (a.min(b), a.max(b));
                    if round % 8 < 4 {
                        bytes.drain(a..b.min(a + 4096));
                    } else {
                        let piece = bytes[a..b.min(a + 4096)].to_vec();
                        bytes.splice(a..a, piece);
                    }
                }
            }
            for f in own.into_iter().chain(claimed(&s.name, &bytes)) {
                let facts = parse(f, &s.name, &bytes);
                if let Some((_, most)) = of_whole.filter(|(name, _)| round % 4 == 0 && *name == f.name()) {
                    let cut = tally(&facts);
                    assert!(
                        cut.iter().zip(most).all(|(c, w)| *c <= w),
                        "{}/{} cut at {}: {cut:?} of {most:?}",
                        s.format,
                        s.name,
                        bytes.len()
                    );
                }
                // Every fact points into what there was.
                for at in facts
                    .logs
                    .iter()
                    .map(|o| &o.cite)
                    .chain(facts.profiles.iter().map(|o| &o.cite))
                    .chain(facts.kills.iter().map(|o| &o.cite))
                {
                    assert!(at.span.offset <= bytes.len() as u64, "{}/{}: a cite beyond the end", s.format, s.name);
                }
            }
        }
    }
}

#[test]
fn foreign_samples_do_not_panic_any_format() {
    let all = samples();
    for s in &all {
        let bytes = &s.bytes[..s.bytes.len().min(16 << 10)];
        for f in FORMATS {
            parse(*f, "some.file", bytes);
        }
    }
}

#[test]
fn empty_and_tiny_inputs_do_not_panic_any_format() {
    for bytes in [&b""[..], b"\n", b"{", b"[", b"\x00", b"\x80\x04", b"\xff\xfe", b"PK", b"[ {", b"NAME", b"1:", b"Total: reserved="] {
        for f in FORMATS {
            parse(*f, "x", bytes);
        }
    }
}

/// What the tracemalloc reader holds back: names, calls and shapes that no snapshot has.
#[test]
fn hostile_pickles_are_refused_with_their_offset_and_never_used() {
    let f = FORMATS.iter().copied().find(|f| f.name() == "tracemalloc-pickle").unwrap();
    let hostile: [(&[u8], &str); 9] = [
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00idR.", "hostile-pickle"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031+1\x85R.", "hostile-pickle"),
        (b"\x80\x02ctracemalloc\nSnapshot\n)R.", "hostile-pickle"),
        (b"\x80\x02\x82\x01.", "hostile-pickle"),
        (b"\x80\x02h\x07.", "bad-pickle"),
        (b"\x80\x02aaaa.", "bad-pickle"),
        (b"\x80\x02X\xff\xff\xff\x7fabc", "bad-pickle"),
        (b"\x80\x63N.", "bad-pickle"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "bad-pickle"),
    ];
    for (bytes, code) in hostile {
        let facts = parse(f, "x.pickle", bytes);
        assert!(facts.profiles.is_empty());
        let told: Vec<_> = facts.diagnostics.iter().map(|d| (d.code, d.byte_offset.is_some())).collect();
        assert_eq!(told, [(code, true)], "{}", String::from_utf8_lossy(bytes));
    }
}

/// Stacks as text with their values, sorted: what two files of one snapshot share whatever they number first.
fn sites(p: &HeapProfile) -> Vec<String> {
    let ProfileBody::Stacks(t) = &p.body else { panic!("not a profile of stacks") };
    let place = |l: &u32| t.frames(*l).iter().map(|f| format!("{}:{}", t.function_file(f.function), f.line)).collect::<String>();
    let mut out: Vec<String> = (0..t.samples())
        .map(|s| format!("{} {} {}", t.stack(s).iter().map(place).collect::<Vec<_>>().join(";"), t.value(0, s), t.value(1, s)))
        .collect();
    out.sort();
    out
}

/// Every protocol of one snapshot reads the same, and CPython's own printed statistics agree.
#[test]
fn tracemalloc_protocols_agree() {
    let f = FORMATS.iter().copied().find(|f| f.name() == "tracemalloc-pickle").unwrap();
    let pickles: Vec<Sample> =
        samples().into_iter().filter(|s| s.format == "tracemalloc-pickle" && s.name.starts_with("cache.p")).collect();
    assert_eq!(pickles.len(), 6);
    let bodies: Vec<_> = pickles.iter().map(|s| parse(f, "x", &s.bytes).profiles.remove(0).what).collect();
    assert!(bodies.windows(2).all(|w| sites(&w[0]) == sites(&w[1])));
    assert!(sites(&bodies[0]).iter().any(|s| s.contains("/srv/app/cache.py:19")));
    assert!(bodies[0].totals[0] > 0 && !bodies[0].truncated);
    // Cut anywhere, totals only shrink, and the cut is told.
    let whole = &pickles[4].bytes;
    for cut in 2..whole.len() {
        let facts = parse(f, "x", &whole[..cut]);
        assert!(!facts.diagnostics.is_empty(), "cut at {cut}");
        if let Some(p) = facts.profiles.first() {
            assert!(p.what.truncated && p.what.totals[0] <= bodies[4].totals[0]);
        }
    }
}
