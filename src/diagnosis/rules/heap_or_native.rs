//! Claims: growth sits inside the managed heap, or outside of it. Mechanism: the runtime's own gauge of its live heap rises
//! with the working set or stays flat beside it. Refuted by: heap profiles that show the growth. A process without a
//! garbage-collected heap can only grow natively.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;
use crate::model::trend::{Companion, Trend, TrendVerdict};

/// Gauges of the live managed heap, by runtime; a name may go on with `{area="heap"}`.
const HEAP_GAUGES: &[&str] = &[
    "jvm_gc_live_data_size_bytes",
    "jvm_memory_used_bytes{area=\"heap\"}",
    "jvm_memory_bytes_used{area=\"heap\"}",
    "nodejs_heap_size_used_bytes",
    "go_memstats_heap_inuse_bytes",
    "go_memstats_heap_alloc_bytes",
    "go_memstats_alloc_bytes",
];

/// Daemons that manage their memory themselves.
const NATIVE_DAEMONS: &[&str] = &[
    "fluent-bit",
    "nginx",
    "envoy",
    "haproxy",
    "redis-server",
    "memcached",
    "postgres",
    "mysqld",
    "mongod",
    "vector",
    "varnishd",
    "coredns-c",
];

pub struct HeapOrNative;

impl Rule for HeapOrNative {
    fn id(&self) -> &'static str {
        "heap-or-native"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Trend]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(total) = case.headline().filter(|t| t.verdict == TrendVerdict::Leak) else { return };
        let Some(slope) = total.slope.map(|s| s.mid).filter(|s| *s > 0.0) else { return };
        let heap = HEAP_GAUGES.iter().find_map(|m| total.companions.iter().find(|c| c.metric == *m));
        if let Some(heap) = heap {
            judge(case, total, heap, slope, out);
            return;
        }
        let victim = case.kills.iter().rev().flat_map(|k| &k.victims).find_map(|v| v.comm.as_deref());
        if let Some(comm) = victim.filter(|c| NATIVE_DAEMONS.contains(c)) {
            let says = format!("{comm} has no garbage-collected heap: what grows is its own allocations");
            out.supports(Cause::NativeGrowth, Strength::Strong, "Kernel", case.kill_cites(1), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Kernel", case.kill_cites(1), says);
        }
    }
}

fn judge(case: &Case<'_>, total: &Trend, heap: &Companion, slope: f64, out: &mut Witness<'_>) {
    let Some(heap_slope) = heap.slope_per_hour else { return };
    let share = heap_slope / slope;
    let gauge = heap.metric.split('{').next().unwrap_or(&heap.metric);
    let own = case.incident.series.iter().find(|s| s.what.metric == gauge && s.owner.same_pod(&case.owner)).map(|s| s.cite.clone());
    let cites: Vec<_> = own.into_iter().chain([total.cite.clone()]).collect();
    let says = format!(
        "{} moves by {}/h while the working set grows {}/h: {:.0} % of the growth is in the managed heap",
        heap.metric,
        human(heap_slope),
        human(slope),
        (share * 100.0).clamp(0.0, 100.0)
    );
    if share >= 0.5 {
        out.supports(Cause::HeapLeak, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
        out.contradicts(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", cites, says);
    } else if share < 0.25 {
        out.supports(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
        out.contradicts(Cause::HeapLeak, Strength::Strong, "Runtime metrics", cites, says);
    }
}
