//! Claims: growth sits inside the managed heap, or outside of it, or is heap that the runtime holds without anything live
//! in it. Mechanism: the runtime's own gauge of its live heap rises with the working set or stays flat beside it; a flat
//! live heap in a growing committed one is room that a generous cap allows. Refuted by: heap profiles that show the growth.
//! A process without a garbage-collected heap can only grow natively.

use crate::diagnosis::case::{Case, MOST_SHARE};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::Cite;
use crate::model::finding::{Cause, Strength};
use crate::model::incident::PlacedSeries;
use crate::model::quantity::human;
use crate::model::runtime::Runtime;
use crate::model::trend::{Companion, Trend, TrendVerdict};

/// The heap that is live after a collection: garbage is not in it.
const LIVE_GAUGES: &[&str] = &["jvm_gc_live_data_size_bytes", "jvm_heap_used_after_gc_bytes", "nodejs_heap_used_after_gc_bytes"];

/// The heap in use, garbage included; a name may go on with `{area="heap"}`.
const USED_GAUGES: &[&str] = &[
    "jvm_memory_used_bytes{area=\"heap\"}",
    "jvm_memory_bytes_used{area=\"heap\"}",
    "nodejs_heap_size_used_bytes",
    "process_runtime_jvm_memory_usage_bytes{area=\"heap\"}",
    "nodejs_heap_space_size_used_bytes",
    "v8js_memory_heap_used_bytes",
    "dotnet_gc_last_collection_heap_size_bytes",
    "dotnet_gc_heap_size_bytes",
    "process_runtime_dotnet_gc_heap_size_bytes",
    "process_runtime_dotnet_gc_objects_size_bytes",
    "dotnet_total_memory_bytes",
    "go_memory_classes_heap_objects_bytes",
    "process_runtime_go_mem_heap_inuse_bytes",
    "process_runtime_go_mem_heap_alloc_bytes",
    "go_gc_heap_live_bytes",
    "go_memstats_heap_inuse_bytes",
    "go_memstats_heap_alloc_bytes",
    "go_memstats_alloc_bytes",
];

/// The heap that the runtime has taken from the system, whatever is in it.
const HELD_GAUGES: &[&str] = &[
    "jvm_memory_committed_bytes{area=\"heap\"}",
    "jvm_memory_bytes_committed{area=\"heap\"}",
    "nodejs_heap_size_total_bytes",
    "jvm_heap_capacity_bytes",
];

/// Daemons that manage their memory themselves.
const NATIVE_DAEMONS: &[&str] =
    &["fluent-bit", "nginx", "envoy", "haproxy", "redis-server", "memcached", "postgres", "mysqld", "mongod", "vector", "varnishd"];

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
        if LIVE_GAUGES.contains(&total.metric.as_str()) {
            let to = total.limit_bytes.map_or(String::new(), |l| format!(" of {}", human(l)));
            let says = format!(
                "what collections leave in the heap grows {}/h, to {}{to}: it is live, no garbage",
                human(slope),
                human(total.runs.last().map_or(total.percentiles.max_bytes, |r| r.last_bytes))
            );
            out.supports(Cause::HeapLeak, Strength::Strong, "Runtime metrics", vec![total.cite.clone()], says.clone());
            out.contradicts(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", vec![total.cite.clone()], says);
            return;
        }
        // A gauge that came without its container may be a sidecar's: one of another runtime than the victim's is.
        let of_victim = case.victim().and_then(Runtime::of_program);
        let foreign = |c: &Companion| of_victim.zip(Runtime::of_metric(&c.metric)).is_some_and(|(a, b)| a != b);
        let gauge = |names: &[&str]| {
            names.iter().find_map(|m| total.companions.iter().find(|c| c.metric == *m && c.slope_per_hour.is_some() && !foreign(c)))
        };
        outside(case, total, slope, out);
        let (live, used) = (gauge(LIVE_GAUGES), gauge(USED_GAUGES));
        if let Some(heap) = live.or(used).filter(|h| !anothers(case, h, slope)) {
            let held = gauge(HELD_GAUGES)
                .into_iter()
                .chain(used.filter(|_| live.is_some()))
                .max_by(|a, b| a.slope_per_hour.unwrap_or(0.0).total_cmp(&b.slope_per_hour.unwrap_or(0.0)));
            let growth = Growth { total, slope, heap, held, live: live.is_some() };
            growth.judge(case, out);
            return;
        }
        allocators(case, total, slope, out);
        if let Some(comm) = case.victim().filter(|c| NATIVE_DAEMONS.contains(c)) {
            let says = format!("{comm} has no garbage-collected heap: what grows is its own allocations");
            out.supports(Cause::NativeGrowth, Strength::Strong, "Kernel", case.kill_cites(1), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Kernel", case.kill_cites(1), says);
        }
    }
}

/// A flat gauge without a container's name, of a pod with several containers: it may be of any of them, and of the one that
/// grows it would have grown.
fn anothers(case: &Case<'_>, gauge: &Companion, slope: f64) -> bool {
    let metric = gauge.metric.split('{').next().unwrap_or(&gauge.metric);
    let own = |s: &&PlacedSeries| s.what.metric == metric && s.owner.same_container(&case.owner);
    let several = case.siblings().next().is_some() || case.pod.is_some_and(|p| p.what.containers.len() > 1);
    several && gauge.slope_per_hour.unwrap_or(0.0) < LITTLE * slope && !case.incident.series_of(&case.owner).any(|s| own(&s))
}

/// Share of the growth below which a gauge has no part in it: gauges are read at other moments than the working set, and a
/// collection between the two shifts one slope by as much.
const LITTLE: f64 = 0.25;

/// Memory of the runtime's own that is no heap: metaspace, code, direct buffers, external strings.
fn outside(case: &Case<'_>, total: &Trend, slope: f64, out: &mut Witness<'_>) {
    let native = |m: &str| m.contains("area=\"nonheap\"") || m.starts_with("jvm_buffer_memory_used") || m == "nodejs_external_memory_bytes";
    let Some(c) = total.companions.iter().find(|c| native(&c.metric) && c.slope_per_hour.unwrap_or(0.0) >= MOST_SHARE * slope) else {
        return;
    };
    let share = c.slope_per_hour.unwrap_or(0.0) / slope * 100.0;
    let says =
        format!("{} grows {}/h: {share:.0} % of the growth is outside the managed heap", c.metric, human(c.slope_per_hour.unwrap_or(0.0)));
    let cites = gauge_cites(case, total, c);
    out.supports(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
    out.contradicts(Cause::HeapLeak, Strength::Strong, "Runtime metrics", cites, says);
}

/// Where no known heap gauge is there, the program's own gauges of its memory by their shape: if none of them grows, what the
/// working set gains is not theirs.
fn allocators(case: &Case<'_>, total: &Trend, slope: f64, out: &mut Witness<'_>) {
    let known =
        |m: &str| LIVE_GAUGES.iter().chain(USED_GAUGES).chain(HELD_GAUGES).any(|k| *k == m) || m.contains("area=\"") || m.contains("sys");
    let mut own = total
        .companions
        .iter()
        .filter(|c| c.unit == "bytes" && c.slope_per_hour.is_some() && !known(&c.metric))
        .filter(|c| ["heap", "alloc", "vm_memory", "memory_used", "tracemalloc"].iter().any(|w| c.metric.contains(w)));
    let share = |c: &Companion| c.slope_per_hour.unwrap_or(0.0) / slope;
    let Some(most) = own.by_ref().max_by(|a, b| share(a).total_cmp(&share(b))) else { return };
    let says =
        format!("{} moves by {}/h while the working set grows {}/h", most.metric, human(most.slope_per_hour.unwrap_or(0.0)), human(slope));
    let cites = gauge_cites(case, total, most);
    if share(most) >= MOST_SHARE {
        out.supports(Cause::HeapLeak, Strength::Moderate, "Runtime metrics", cites, says);
    } else if share(most) < LITTLE {
        // An allocator's own count misses nothing that went through it; another gauge may be of one part of the program.
        let strength = if most.metric.contains("allocated") { Strength::Strong } else { Strength::Moderate };
        out.supports(Cause::NativeGrowth, strength, "Runtime metrics", cites.clone(), says.clone());
        out.contradicts(Cause::HeapLeak, strength, "Runtime metrics", cites, says);
    }
}

/// The gauge's own series, then the working set's.
fn gauge_cites(case: &Case<'_>, total: &Trend, gauge: &Companion) -> Vec<Cite> {
    let metric = gauge.metric.split('{').next().unwrap_or(&gauge.metric);
    let own = case.incident.series_of(&case.owner).find(|s| s.what.metric == metric).map(|s| s.cite.clone());
    own.into_iter().chain([total.cite.clone()]).collect()
}

/// One growth and the gauges beside it.
struct Growth<'a> {
    total: &'a Trend,
    /// Of the working set, bytes per hour, above 0.
    slope: f64,
    /// The best gauge of the live heap.
    heap: &'a Companion,
    /// `heap` leaves garbage out.
    live: bool,
    /// The gauge of heap held that grows most.
    held: Option<&'a Companion>,
}

impl Growth<'_> {
    fn judge(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let share = |c: &Companion| c.slope_per_hour.unwrap_or(0.0) / self.slope;
        let cites = gauge_cites(case, self.total, self.heap);
        let says = format!(
            "{} moves by {}/h while the working set grows {}/h: {:.0} % of the growth is in the managed heap",
            self.heap.metric,
            human(self.heap.slope_per_hour.unwrap_or(0.0)),
            human(self.slope),
            (share(self.heap) * 100.0).clamp(0.0, 100.0)
        );
        if share(self.heap) >= MOST_SHARE {
            out.supports(Cause::HeapLeak, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
            out.contradicts(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
            if self.live {
                out.contradicts(Cause::RuntimeCapAboveLimit, Strength::Moderate, "Runtime metrics", cites, says);
            }
            self.garbage_counts_too(case, out);
        } else if share(self.heap) < LITTLE
            && let Some(held) = self.held.filter(|h| share(h) >= MOST_SHARE)
        {
            let says = format!(
                "{} grows {}/h with the working set ({}/h) while {} moves by {}/h: what grows is heap that the runtime holds, not what lives in it",
                held.metric,
                human(held.slope_per_hour.unwrap_or(0.0)),
                human(self.slope),
                self.heap.metric,
                human(self.heap.slope_per_hour.unwrap_or(0.0))
            );
            let cites = gauge_cites(case, self.total, held);
            out.supports(Cause::RuntimeCapAboveLimit, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
            for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
                out.contradicts(cause, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
            }
        } else if share(self.heap) < LITTLE {
            out.supports(Cause::NativeGrowth, Strength::Strong, "Runtime metrics", cites.clone(), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Strong, "Runtime metrics", cites, says);
        }
    }

    /// Where the cap lies above the limit, nothing need be collected before the kernel comes: a gauge of the heap in use may
    /// rise to the limit on garbage alone.
    fn garbage_counts_too(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let limit = case.limit().unwrap_or(f64::INFINITY);
        let Some(cap) = case.caps.iter().find(|c| !self.live && !c.soft && c.bytes as f64 >= limit) else { return };
        let says = format!(
            "{} counts garbage too, and {} lets it gather beyond the limit of {}: only the heap after a collection would tell a leak",
            self.heap.metric,
            cap.flag,
            human(limit)
        );
        out.contradicts(Cause::HeapLeak, Strength::Strong, "Kubernetes", case.spec_cite(), says);
    }
}
