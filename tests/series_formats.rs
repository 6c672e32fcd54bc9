//! Series and alerts as real servers write them (`samples/formats/prometheus/`): every carrier says the same, damage is
//! survived and stated; and the exports that have no server here, written out.

use postmem::formats::prometheus_api::PrometheusApi;
use postmem::formats::{alerts::Alerts, grafana::GrafanaCsv, grafana::GrafanaFrames, tsdb_block::TsdbBlock, tsdb_block::TsdbWal};
use postmem::model::trend::TrendVerdict;
use postmem::model::{Facts, Incident};
use postmem::pipeline::{self, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[path = "../fuzz/prometheus.rs"]
mod target;
#[path = "../benches/generate/tsdb.rs"]
mod tsdb;

use target::{Blob, Folder, parse_in};

const WORKING_SET: &str = "container_memory_working_set_bytes";

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/formats/prometheus").join(name)
}

fn read(name: &str) -> Incident {
    pipeline::read(&[sample(name)], &Options::default()).expect("readable")
}

type Samples = BTreeMap<(String, i64), u64>;

/// Bits of each finite sample of the working set by (container, time).
fn samples(incident: &Incident) -> Samples {
    let list = incident.series.iter().filter(|s| s.what.metric == WORKING_SET);
    list.flat_map(|s| {
        let key = format!("{}/{}", s.what.label("container").unwrap_or(""), s.what.label("id").unwrap_or(""));
        s.what.finite().map(|(t, v)| ((key.clone(), t), v.to_bits())).collect::<Vec<_>>()
    })
    .collect()
}

fn within(part: &Samples, whole: &Samples) -> bool {
    part.iter().all(|(k, v)| whole.get(k) == Some(v))
}

#[test]
fn block_dump_and_head_hold_the_same_samples() {
    let (block, dump, head) = (read("block"), read("dump.txt.gz"), read("head"));
    for i in [&block, &dump, &head] {
        assert!(
            i.artifacts.iter().all(|a| a.diagnostics.is_empty()),
            "{:?}",
            i.artifacts.iter().map(|a| (&a.path, &a.diagnostics)).collect::<Vec<_>>()
        );
    }
    let (block, dump, head) = (samples(&block), samples(&dump), samples(&head));
    assert!(block.len() > 300 && within(&block, &dump) && within(&dump, &head), "{} {} {}", block.len(), dump.len(), head.len());
}

#[test]
fn every_answer_of_the_api_says_the_same() {
    let (range, bare, text) = (samples(&read("query_range.json")), samples(&read("range.bare.json")), samples(&read("range.txt")));
    assert_eq!(bare, text);
    assert!(range.len() > bare.len() && bare.len() > 60);
    assert_eq!(samples(&read("query.json")).len(), 2);
    assert_eq!(samples(&read("instant.txt")).len(), 2);
    assert!(samples(&read("scrape.txt")).keys().all(|k| k.1 == i64::MIN), "a scrape has no times of its own");
    let scalar = read("scalar.json");
    assert!(scalar.series.len() == 1 && scalar.series[0].what.values[0].is_infinite());
    let error = read("errors/syntax.json");
    assert!(error.artifacts[0].diagnostics.iter().any(|d| d.code == "api-error"));
}

#[test]
fn restarts_are_found_in_a_crashed_server_s_head() {
    let incident = read("head");
    let t = incident.trends.iter().find(|t| t.owner.container.as_deref() == Some("app")).expect("a trend");
    assert_eq!((t.verdict, t.restarts.len(), t.owner.workload.as_deref()), (TrendVerdict::Leak, 2, Some("cart")));
    // 1.5 MB a second.
    assert!(t.slope.is_some_and(|s| (s.mid / 3600.0 / 1.5e6 - 1.0).abs() < 0.03), "{:?}", t.slope);
    assert!(t.slope_spread.is_some_and(|s| s < 0.05));
}

#[test]
fn alerts_and_rules_become_lines_of_the_timeline() {
    for name in ["alerts.json", "rules.json"] {
        let incident = read(name);
        assert_eq!(incident.alerts.len(), 1, "{name}");
        let line = incident.timeline.iter().find(|e| e.kind == "alert").expect("a line");
        assert!(line.text.starts_with("ContainerNearLimit (warning) firing: the working set is near the limit"), "{}", line.text);
        assert_eq!(line.owner.pod.as_deref(), Some("cart-7d9f8b6c5-x2x4k"));
    }
    let both = pipeline::read(&[sample("alerts.json"), sample("rules.json")], &Options::default()).expect("readable");
    assert_eq!(both.timeline.iter().filter(|e| e.kind == "alert").count(), 1, "one alert told twice");
    let managed = br#"[{"labels":{"alertname":"KubePodCrashLooping","namespace":"shop","pod":"cart-0","container":"app","severity":"warning"},
        "annotations":{"description":"restarting"},"startsAt":"2026-11-19T10:00:05.125Z","endsAt":"2026-11-19T11:04:05Z",
        "updatedAt":"2026-11-19T11:00:05Z","fingerprint":"9f","status":{"state":"active","silencedBy":[],"inhibitedBy":[]}},
        {"labels":{"alertname":"Old"},"startsAt":"2026-11-19T09:00:00Z","endsAt":"2026-11-19T09:10:00Z","updatedAt":"2026-11-19T09:10:00Z","status":{"state":"resol"#;
    let facts = memory(&Alerts, managed);
    assert!(facts.diagnostics.iter().any(|d| d.code == "truncated"));
    assert_eq!(facts.alerts.len(), 2, "what is whole of a cut answer is kept");
    assert!(facts.alerts[0].what.ended.is_none(), "endsAt of a firing alert is a time-out");
    assert!(facts.alerts[1].what.ended.is_some());
}

/// All alerts of one evaluation begin at the same instant; each is quoted where it stands itself.
#[test]
fn alerts_of_one_instant_are_quoted_each_in_its_own_place() {
    let body = r#"{"status":"success","data":{"alerts":[
{"labels":{"alertname":"First","pod":"web-1"},"annotations":{"summary":"says \"alertname\": {"},"state":"firing","activeAt":"2026-11-21T05:00:00Z"},
{"activeAt":"2026-11-21T05:00:00Z","labels":{"pod":"web-2","alertname":"Second"},"state":"firing"},
{"labels":{"alertname":"Third"},"activeAt":"0001-01-01 nothing"},
{"labels":{"alertname":"Fourth"},"state":"pending","activeAt":"2026-11-21T05:00:00Z"}]}}"#;
    let facts = memory(&Alerts, body.as_bytes());
    let quoted: Vec<_> = facts.alerts.iter().map(|a| (a.cite.span.line.unwrap(), &body[a.cite.span.offset as usize..][..20])).collect();
    assert_eq!(quoted, [(2, r#""alertname":"First","#), (3, r#""alertname":"Second""#), (5, r#""alertname":"Fourth""#)]);
}

#[test]
fn a_real_alertmanager_is_read_in_every_form() {
    let told = |name: &str| -> BTreeMap<String, String> {
        let incident = read(name);
        assert!(incident.artifacts[0].diagnostics.is_empty(), "{name}: {:?}", incident.artifacts[0].diagnostics);
        incident.alerts.iter().map(|a| (a.what.name.clone(), a.what.state.clone())).collect()
    };
    let all = told("alertmanager.json");
    let want = [("ContainerNearLimit", "suppressed"), ("NodeMemoryPressure", "active"), ("Silenced", "suppressed")];
    assert_eq!(all.iter().map(|(n, s)| (n.as_str(), s.as_str())).collect::<Vec<_>>(), want);
    assert_eq!(told("alertmanager.groups.json"), all);
    // amtool leaves out what is silenced or inhibited.
    assert_eq!(told("amtool.json").into_keys().collect::<Vec<_>>(), ["NodeMemoryPressure"]);
    let near = read("alertmanager.json");
    let near = near.alerts.iter().find(|a| a.what.name == "ContainerNearLimit").expect("listed");
    assert_eq!((near.owner.pod.as_deref(), near.owner.container.as_deref()), (Some("cart-7d9f8b6c5-x2x4k"), Some("app")));
}

fn memory(format: &dyn postmem::formats::Format, bytes: &[u8]) -> Facts {
    parse_in(format, &Folder::from([("export".to_owned(), Blob(bytes.to_vec()))]), "export")
}

/// Metric, pod and samples of one series.
type Told = (String, Option<String>, Vec<(i64, f64)>);

#[test]
fn grafana_in_every_layout_says_the_same() {
    let wide = "\u{feff}sep=,\n\"Time\",\"container_memory_working_set_bytes{container=\"\"app\"\", pod=\"\"cart-0\"\"}\",\"{pod=\"\"web-0\"\"}\"\n\
                2026-11-19 10:00:00,1.50 GiB,300 MiB\n2026-11-19 10:00:30,1.75 GiB,\n";
    let local = "\"Time\";\"container_memory_working_set_bytes{container=\"\"app\"\", pod=\"\"cart-0\"\"}\";\"{pod=\"\"web-0\"\"}\"\n\
                 19.11.2026 10:00:00;1,50 GiB;300 MiB\n19.11.2026 10:00:30;1,75 GiB;undefined\n";
    let rows = "Time,Metric,Value\n1795082400000,\"container_memory_working_set_bytes{container=\"\"app\"\", pod=\"\"cart-0\"\"}\",1610612736\n\
                1795082430000,\"container_memory_working_set_bytes{container=\"\"app\"\", pod=\"\"cart-0\"\"}\",1879048192\n\
                1795082400000,\"{pod=\"\"web-0\"\"}\",314572800\n";
    let table = "Time,__name__,container,pod,Value #A\n2026-11-19T10:00:00Z,container_memory_working_set_bytes,app,cart-0,1610612736\n\
                 2026-11-19T10:00:30Z,container_memory_working_set_bytes,app,cart-0,1879048192\n2026-11-19T10:00:00Z,,,web-0,314572800\n";
    let frames = r#"[{"schema":{"refId":"A","meta":{"executedQueryString":"Expr: container_memory_working_set_bytes{}\nStep: 30s"},
        "fields":[{"name":"Time","type":"time"},{"name":"Value","type":"number","labels":{"container":"app","pod":"cart-0"},"config":{"unit":"mbytes"}}]},
        "data":{"values":[[1795082400000,1795082430000],[1536,1792]]}},
        {"series":[{"refId":"B","fields":[{"name":"Time","type":"time","values":[1795082400000,1795082430000]},{"name":"x","type":"number","labels":{"pod":"web-0"},"values":[314572800,null]}]}]}]"#;
    let of = |format: &dyn postmem::formats::Format, text: &str| -> Vec<Told> {
        let facts = memory(format, text.as_bytes());
        assert!(facts.diagnostics.iter().all(|d| d.code == "no-zone"), "{:?}", facts.diagnostics);
        facts.series.iter().map(|s| (s.what.metric.clone(), s.what.label("pod").map(str::to_owned), s.what.finite().collect())).collect()
    };
    let want = vec![
        (
            WORKING_SET.to_owned(),
            Some("cart-0".to_owned()),
            vec![(1_795_082_400_000, 1_610_612_736.0), (1_795_082_430_000, 1_879_048_192.0)],
        ),
        (String::new(), Some("web-0".to_owned()), vec![(1_795_082_400_000, 314_572_800.0)]),
    ];
    for text in [wide, local, rows, table] {
        assert_eq!(of(&GrafanaCsv, text), want, "{text}");
    }
    assert_eq!(of(&GrafanaFrames, frames), want);
}

/// What Grafana's own code exports of one answer, in every form of its inspector (`samples/formats/grafana/make.js`).
#[test]
fn what_grafana_exports_says_what_prometheus_answered() {
    let read = |name: &str| std::fs::read(sample(name)).expect("read");
    let asked = parse_in(&PrometheusApi, &Folder::from([("e".to_owned(), Blob(read("query_range.json")))]), "e");
    let want: Vec<Vec<(i64, f64)>> = asked.series.iter().take(2).map(|s| s.what.finite().collect()).collect();
    let hour = 3_600_000;
    // Formatted values have three figures; of JSON numbers the last bit may differ.
    for (name, series, rounding, shift) in [
        ("raw-first.csv", 1, 0.0, 0),
        ("raw-joined.csv", 2, 1e-12, 0),
        ("formatted-joined.csv", 2, 0.006, 0),
        ("formatted-decbytes.csv", 2, 0.006, 0),
        ("formatted-berlin-excel.csv", 2, 0.006, hour),
        ("export-frames.json", 2, 1e-12, 0),
        ("panel-data.json", 2, 1e-12, 0),
        ("inspector.json", 2, 1e-12, 0),
    ] {
        let format: &dyn postmem::formats::Format = if name.ends_with("csv") { &GrafanaCsv } else { &GrafanaFrames };
        let facts = memory(format, &read(&format!("../grafana/{name}")));
        assert_eq!(facts.series.len(), series, "{name}");
        for (s, want) in facts.series.iter().zip(&want) {
            assert_eq!(s.who.pod.as_deref(), Some("cart-7d9f8b6c5-x2x4k"), "{name}");
            assert_eq!(s.who.container.as_deref(), Some("app"), "{name}");
            assert_eq!(s.what.times.len(), want.len(), "{name}");
            assert_eq!(s.what.unit, "bytes", "{name}");
            for ((t, v), (t0, v0)) in s.what.finite().zip(want) {
                assert!(t - shift == *t0 && (v - v0).abs() <= rounding * v0, "{name}: {t} {v} {t0} {v0}");
            }
        }
    }
}

#[test]
fn times_without_a_zone_are_placed_by_the_user_s_zone() {
    let dir = tempfile();
    std::fs::write(
        dir.join("memory.csv"),
        "Time,\"{pod=\"\"web-0\"\", container=\"\"app\"\"}\"\n2026-11-19 10:00:00,300 MiB\n2026-11-19 10:00:30,301 MiB\n",
    )
    .expect("written");
    let options =
        Options { correlate: postmem::correlate::Options { tz: Some("+02:00".into()), ..Default::default() }, ..Options::default() };
    let incident = pipeline::read(&[dir.join("memory.csv")], &options).expect("readable");
    std::fs::remove_dir_all(&dir).expect("removed");
    assert_eq!(incident.series[0].what.times[..], [1_795_075_200_000, 1_795_075_230_000]);
    assert_eq!(incident.trends[0].metric, WORKING_SET, "the file's name says what the query read");
}

fn tempfile() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grafana-zone");
    std::fs::create_dir_all(&dir).expect("made");
    dir
}

fn folder(name: &str, prefix: &str) -> Folder {
    let mut out = Folder::new();
    let mut todo = vec![sample(name)];
    while let Some(p) = todo.pop() {
        if p.is_dir() {
            todo.extend(std::fs::read_dir(&p).expect("listed").map(|e| e.expect("entry").path()));
        } else {
            let inner = p.strip_prefix(sample(name)).expect("below").to_string_lossy().into_owned();
            out.insert(format!("{prefix}{inner}"), Blob(std::fs::read(&p).expect("read")));
        }
    }
    out
}

fn count(f: &Facts) -> usize {
    f.series.iter().map(|s| s.what.times.len()).sum()
}

#[test]
fn a_damaged_block_gives_what_is_whole_and_says_what_is_not() {
    let whole = count(&parse_in(&TsdbBlock, &folder("block", "b/"), "b/index"));
    let damaged = |change: &dyn Fn(&mut Folder), code: &str| {
        let mut f = folder("block", "b/");
        change(&mut f);
        let facts = parse_in(&TsdbBlock, &f, "b/index");
        assert!(facts.diagnostics.iter().any(|d| d.code == code), "{code}: {:?}", facts.diagnostics);
        count(&facts)
    };
    let chunks = |f: &mut Folder| std::mem::take(&mut f.get_mut("b/chunks/000001").expect("chunks").0);
    let cut = damaged(
        &|f| {
            let mut b = chunks(f);
            b.truncate(b.len() / 2);
            f.insert("b/chunks/000001".into(), Blob(b));
        },
        "truncated",
    );
    assert!(cut > whole / 4 && cut < whole, "{cut} of {whole}");
    let flipped = damaged(
        &|f| {
            let mut b = chunks(f);
            let at = b.len() / 2;
            b[at] ^= 1;
            f.insert("b/chunks/000001".into(), Blob(b));
        },
        "bad-checksum",
    );
    assert!(flipped > whole / 2 && flipped < whole, "{flipped} of {whole}");
    let lost = damaged(
        &|f| {
            f.remove("b/chunks/000001");
        },
        "no-chunks",
    );
    assert_eq!(lost, 0);
}

#[test]
fn a_damaged_head_gives_what_is_whole_and_says_what_is_not() {
    let whole = count(&parse_in(&TsdbWal, &folder("head", "d/"), "d/wal/00000000"));
    let mut f = folder("head", "d/");
    f.get_mut("d/wal/00000000").expect("a segment").0.truncate(9000);
    let facts = parse_in(&TsdbWal, &f, "d/wal/00000000");
    assert!(facts.diagnostics.iter().any(|d| d.code == "truncated"), "{:?}", facts.diagnostics);
    // The chunks of the head outlive the cut log.
    assert!(count(&facts) > whole / 4 && count(&facts) < whole, "{} of {whole}", count(&facts));
    f.get_mut("d/chunks_head/000002").expect("chunks").0[60] ^= 1;
    let facts = parse_in(&TsdbWal, &f, "d/wal/00000000");
    assert!(facts.diagnostics.iter().any(|d| d.code == "bad-checksum"), "{:?}", facts.diagnostics);
}

#[test]
fn a_log_says_the_same_whichever_way_its_records_are_compressed() {
    let mut snappy = folder("head", "d/");
    snappy.retain(|path, _| path.starts_with("d/wal/"));
    let snappy = parse_in(&TsdbWal, &snappy, "d/wal/00000000");
    let zstd = parse_in(&TsdbWal, &folder("head.zstd", "d/"), "d/wal/00000000");
    assert!(zstd.diagnostics.is_empty(), "{:?}", zstd.diagnostics);
    // Staleness markers are not equal to themselves.
    let told = |f: &Facts| -> Vec<_> {
        f.series
            .iter()
            .map(|s| (s.what.labels.clone(), s.what.times.clone(), s.what.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>()))
            .collect()
    };
    assert_eq!(told(&snappy), told(&zstd));
    assert!(count(&zstd) > 300);
}

#[test]
fn generated_blocks_come_back_whole() {
    let rows: Vec<tsdb::Row> = (0..20)
        .map(|i| tsdb::Row {
            labels: vec![("__name__".into(), WORKING_SET.into()), ("pod".into(), format!("p-{i}"))],
            samples: (0..1000).map(|k| (1_790_000_000_000 + k * 15_000 + (k % 7), (k * i) as f64 * 4096.0)).collect(),
        })
        .collect();
    let (chunks, index) = tsdb::block(&rows);
    let f = Folder::from([("b/index".to_owned(), Blob(index)), ("b/chunks/000001".to_owned(), Blob(chunks))]);
    let facts = parse_in(&TsdbBlock, &f, "b/index");
    assert!(facts.diagnostics.is_empty(), "{:?}", facts.diagnostics);
    for (row, s) in rows.iter().zip(&facts.series) {
        assert_eq!(row.samples, s.what.finite().collect::<Vec<_>>());
    }
    assert_eq!(facts.series.len(), rows.len());
}

#[test]
fn changed_bytes_never_panic() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (which, name) in [
        (0u8, "query_range.json"),
        (2, "scrape.txt"),
        (7, "alertmanager.json"),
        (7, "alertmanager.groups.json"),
        (4, "range.txt"),
        (7, "alerts.json"),
        (7, "rules.json"),
        (8, "block/index"),
        (9, "head/wal/00000000"),
    ] {
        let mut bytes = vec![which];
        bytes.extend(std::fs::read(sample(name)).expect("read").into_iter().take(6000));
        seeds.push(bytes);
    }
    seeds.push(b"\x05Time;\"{pod=\"\"a\"\"}\"\n19.11.2026 10:00:00;1,50 GiB\n19.11.2026 10:00:30;1,75 GiB\n".to_vec());
    seeds.push(b"\x06[{\"schema\":{\"fields\":[{\"name\":\"Time\",\"type\":\"time\"},{\"name\":\"v\",\"type\":\"number\"}]},\"data\":{\"values\":[[1,2],[3,4]]}}]".to_vec());
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for seed in &seeds {
        for round in 0..crate::rounds(150) {
            let mut bytes = seed.clone();
            if round % 3 == 0 {
                bytes.truncate(1 + next() % bytes.len());
            }
            for _ in 0..1 + next() % 6 {
                let at = 1 + next() % (bytes.len() - 1).max(1);
                if let Some(b) = bytes.get_mut(at) {
                    *b = if next() % 2 == 0 { next() as u8 } else { *b ^ 1 << (next() % 8) };
                }
            }
            target::prometheus(&bytes);
        }
    }
    // Files of a real block and head, changed in place so that the rest of them still makes sense.
    for (name, prefix, first) in [("block", "b/", "b/index"), ("head", "d/", "d/wal/00000000")] {
        for _ in 0..crate::rounds(60) {
            let mut f = folder(name, prefix);
            for b in f.values_mut() {
                for _ in 0..next() % 4 {
                    let at = next() % b.0.len().max(1);
                    if let Some(x) = b.0.get_mut(at) {
                        *x ^= 1 << (next() % 8);
                    }
                }
            }
            let format: &dyn postmem::formats::Format = if name == "block" { &TsdbBlock } else { &TsdbWal };
            parse_in(format, &f, first);
        }
    }
}
