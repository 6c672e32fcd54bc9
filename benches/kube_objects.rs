//! Lists of Kubernetes objects at the size of a busy cluster's events, indented as kubectl writes them and on one line as the
//! API server and `jq -c` do: both must take time in proportion to their length.

use criterion::{BenchmarkId, Criterion, Throughput};
use postmem::formats::{FORMATS, parse_bytes};
use serde_json::json;

/// `count` events, as `kubectl get events -o json` lists them.
fn events(count: usize) -> serde_json::Value {
    let items: Vec<_> = (0..count)
        .map(|i| {
            json!({
                "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "BackOff", "count": i % 40 + 1,
                "metadata": {"name": format!("cart-{i}.17f3"), "namespace": "shop", "uid": format!("{i:032x}")},
                "involvedObject": {"kind": "Pod", "namespace": "shop", "name": format!("cart-{}", i % 97), "fieldPath": "spec.containers{app}"},
                "firstTimestamp": "2026-11-21T04:50:23Z", "lastTimestamp": "2026-11-21T05:08:04Z",
                "message": "Back-off restarting failed container app in pod", "source": {"component": "kubelet", "host": "node-1"}
            })
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn main() {
    let list = events(20_000);
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("kube-objects");
    for (name, text) in [("indented", serde_json::to_vec_pretty(&list)), ("one line", serde_json::to_vec(&list))] {
        let Ok(bytes) = text else { continue };
        let Some(format) = FORMATS.iter().find(|f| f.name() == "kube-objects") else { continue };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", name), &bytes, |b, bytes| {
            b.iter(|| parse_bytes(*format, "events.json", bytes).events.len());
        });
    }
    group.finish();
    criterion.final_summary();
}
