//! Heap graphs: dominators and retained sizes of a generated graph, and reading a generated snapshot.
//! Throughput is nodes (dominators) and bytes (reading) a second.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use postmem::formats::{Format, Input, v8_heapsnapshot::V8HeapSnapshot};
use postmem::heap::{dominators::dominators, measure};
use postmem::model::Facts;
use postmem::model::graph::{Class, GraphColumns, NodeKind, WideColumn};
use std::fmt::Write as _;
use std::hint::black_box;

/// A pseudo-random graph with three references a node, most of them near.
fn graph(n: u32) -> GraphColumns {
    let mut seed = 0x9e37_79b9u32;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    let mut to = Vec::new();
    for i in 0..n {
        to.push((i + 1) % n);
        to.push((i + 1 + random() % 64) % n);
        to.push(random() % n);
    }
    GraphColumns {
        kind: vec![0; n as usize],
        kinds: vec![NodeKind::Object],
        id: WideColumn { low: (0..n).collect(), wide: vec![] },
        self_size: WideColumn { low: vec![16; n as usize], wide: vec![] },
        class: vec![0; n as usize],
        classes: vec![Class::default()],
        first_edge: (0..=n).map(|i| i * 3).collect(),
        label: vec![0; to.len()],
        to,
        ..GraphColumns::default()
    }
}

/// A snapshot of `n` nodes in one list.
fn snapshot(n: usize) -> Vec<u8> {
    let mut text = format!(
        r#"{{"snapshot":{{"meta":{{"node_fields":["type","name","id","self_size","edge_count"],"node_types":[["synthetic","object"],"string","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["property","shortcut"],"string_or_number","node"]}},"node_count":{n},"edge_count":{}}},"nodes":[0,0,1,0,1"#,
        n - 1
    );
    for i in 1..n {
        let _ = write!(text, "\n,1,1,{},48,{}", 2 * i + 1, u8::from(i + 1 < n));
    }
    text.push_str("],\"edges\":[1,0,5");
    for i in 2..n {
        let _ = write!(text, "\n,0,1,{}", i * 5);
    }
    text.push_str("],\"strings\":[\"\",\"next\"]}");
    text.into_bytes()
}

fn benches(c: &mut Criterion) {
    let g = graph(1_000_000);
    let mut group = c.benchmark_group("heap");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("dominators and retained sizes", |b| {
        b.iter(|| {
            let tree = dominators(&g);
            black_box(measure::retained(&g, &tree))
        });
    });
    group.bench_function("distances", |b| b.iter(|| black_box(measure::distances(&g))));
    let text = snapshot(1_000_000);
    group.throughput(Throughput::Bytes(text.len() as u64));
    let content = postmem::bundle::Content::memory(text.clone());
    group.bench_function("read a snapshot", |b| {
        b.iter_batched(
            Facts::default,
            |mut facts| {
                let input = Input {
                    artifact: Default::default(),
                    path: "x.heapsnapshot",
                    len: Some(text.len() as u64),
                    who: Default::default(),
                    source: &content,
                };
                V8HeapSnapshot.parse(&input, &mut facts);
                black_box(facts)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(heap, benches);
criterion_main!(heap);
