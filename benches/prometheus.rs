//! Reading series: JSON answers, dump text, OpenMetrics and TSDB blocks of the same 2,000,000 samples in 200 series, with
//! serde_json beside the JSON scanner; and a block straight from its bytes, index and checksums included.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postmem::formats::openmetrics::OpenMetrics;
use postmem::formats::prometheus_api::PrometheusApi;
use postmem::formats::tsdb_block::TsdbBlock;
use postmem::formats::tsdb_dump::TsdbDump;
use std::fmt::Write;
use std::hint::black_box;

#[path = "../fuzz/prometheus.rs"]
#[allow(dead_code)]
mod target;
#[path = "generate/tsdb.rs"]
#[allow(dead_code)]
mod tsdb;

use target::{Blob, Folder, parse_in};

const SERIES: usize = 200;
const SAMPLES: usize = 10_000;

fn rows() -> Vec<tsdb::Row> {
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    (0..SERIES)
        .map(|i| {
            let label = |k: &str, v: String| (k.to_owned(), v);
            let labels = vec![
                label("__name__", "container_memory_working_set_bytes".into()),
                label("container", "app".into()),
                label("id", format!("/kubepods/burstable/pod{i:032x}/{i:064x}")),
                label("namespace", "shop".into()),
                label("pod", format!("cart-{i}")),
            ];
            let mut level = 100_000_000i64;
            let samples = (0..SAMPLES as i64)
                .map(|k| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    level += (seed % 4096) as i64 * 16 - 30_000;
                    (1_790_000_000_000 + k * 30_000, (level.max(0) & !4095) as f64)
                })
                .collect();
            tsdb::Row { labels, samples }
        })
        .collect()
}

fn text(rows: &[tsdb::Row], open: &str, line: impl Fn(&mut String, &tsdb::Row, i64, f64)) -> Vec<u8> {
    let mut out = open.to_owned();
    for r in rows {
        for &(t, v) in &r.samples {
            line(&mut out, r, t, v);
        }
    }
    out.into_bytes()
}

fn labels(r: &tsdb::Row, from: usize, between: &str) -> String {
    r.labels.iter().skip(from).map(|(k, v)| format!("{k}=\"{v}\"")).collect::<Vec<_>>().join(between)
}

fn json(rows: &[tsdb::Row]) -> Vec<u8> {
    let mut out = "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[".to_owned();
    for (i, r) in rows.iter().enumerate() {
        let metric: Vec<String> = r.labels.iter().map(|(k, v)| format!("\"{k}\":\"{v}\"")).collect();
        let _ = write!(out, "{}{{\"metric\":{{{}}},\"values\":[", if i > 0 { "," } else { "" }, metric.join(","));
        for (k, (t, v)) in r.samples.iter().enumerate() {
            let _ = write!(out, "{}[{},\"{v}\"]", if k > 0 { "," } else { "" }, t / 1000);
        }
        out.push_str("]}");
    }
    (out + "]}}").into_bytes()
}

fn series(c: &mut Criterion) {
    let rows = rows();
    let one = |bytes: Vec<u8>| Folder::from([("export".to_owned(), Blob(bytes))]);
    let mut group = c.benchmark_group("series");
    group.sample_size(10);
    let answer = json(&rows);
    group.throughput(Throughput::Bytes(answer.len() as u64));
    group.bench_function("serde_json, values as a tree", |b| b.iter(|| black_box(serde_json::from_slice::<serde_json::Value>(&answer))));
    let answer = one(answer);
    group.bench_function("query_range JSON", |b| b.iter(|| black_box(parse_in(&PrometheusApi, &answer, "export"))));
    let dump = text(&rows, "", |out, r, t, v| _ = writeln!(out, "{{{}}} {v} {t}", labels(r, 0, ", ")));
    group.throughput(Throughput::Bytes(dump.len() as u64));
    let dump = one(dump);
    group.bench_function("promtool tsdb dump", |b| b.iter(|| black_box(parse_in(&TsdbDump, &dump, "export"))));
    let om = text(&rows, "# TYPE container_memory_working_set_bytes gauge\n", |out, r, t, v| {
        let name = r.labels.first().map_or("", |l| l.1.as_str());
        let _ = writeln!(out, "{name}{{{}}} {v} {}.{:03}", labels(r, 1, ","), t / 1000, t % 1000);
    });
    group.throughput(Throughput::Bytes(om.len() as u64));
    let om = one(om);
    group.bench_function("OpenMetrics", |b| b.iter(|| black_box(parse_in(&OpenMetrics, &om, "export"))));
    let (chunks, index) = tsdb::block(&rows);
    let block = Folder::from([("b/index".to_owned(), Blob(index)), ("b/chunks/000001".to_owned(), Blob(chunks))]);
    group.throughput(Throughput::Elements((SERIES * SAMPLES) as u64));
    group.bench_function("TSDB block, samples", |b| b.iter(|| black_box(parse_in(&TsdbBlock, &block, "b/index"))));
    group.finish();
}

criterion_group!(benches, series);
criterion_main!(benches);
