//! Reading and summing profiles of call stacks, on a generated profile of 50,000 samples with 30 frames each.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postmem::formats::pprof::{Pprof, proto};
use prost::Message;
use std::hint::black_box;

// The bench needs the way in, not the fuzzer's checks.
#[path = "../fuzz/profiles.rs"]
#[allow(dead_code)]
mod target;

/// A profile like Go's: four measures, dense ids, one frame per location.
fn generated(samples: u64, depth: u64) -> Vec<u8> {
    let functions = 5_000u64;
    let words = ["", "alloc_objects", "count", "alloc_space", "bytes", "inuse_objects", "inuse_space", "/src/x.go"];
    let mut p = proto::Profile {
        string_table: words.map(String::from).to_vec(),
        sample_type: [(1, 2), (3, 4), (5, 2), (6, 4)].map(|(t, u)| proto::ValueType { r#type: t, unit: u }).to_vec(),
        ..Default::default()
    };
    for id in 1..=functions {
        p.function.push(proto::Function { id, name: p.string_table.len() as i64, filename: 7, ..Default::default() });
        p.string_table.push(format!("example.com/svc/pkg{}.(*Type).Method{id}", id % 97));
        let line = vec![proto::Line { function_id: id, line: id as i64, column: 0 }];
        p.location.push(proto::Location { id, address: id * 16, line, ..Default::default() });
    }
    for s in 0..samples {
        let location_id = (0..depth).map(|d| 1 + (s / (d + 1) * 7919 + d * 131) % functions).collect();
        p.sample.push(proto::Sample { location_id, value: vec![2, 200, 1, 100], label: Vec::new() });
    }
    p.encode_to_vec()
}

fn profiles(c: &mut Criterion) {
    let bytes = generated(50_000, 30);
    let mut group = c.benchmark_group("profiles");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("wire reader", |b| b.iter(|| black_box(target::parse(&Pprof, &bytes))));
    group.bench_function("prost", |b| b.iter(|| black_box(proto::Profile::decode(&bytes[..]))));
    group.finish();
}

criterion_group!(benches, profiles);
criterion_main!(benches);
