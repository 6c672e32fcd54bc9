//! Claims: kernel memory (slab, kernel stacks, page tables, sockets, per-CPU data) filled the limit. Mechanism: all of it is
//! charged to the cgroup but belongs to no process's RSS, nor to the cache. Refuted by: statistics in which it is small.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;
use crate::model::trend::TrendVerdict;

/// Share of the limit from which on the kernel's own memory is what filled it: in 150 reports of kills for heap, need or load
/// it was 0.015 at the middle and never above 0.15, in those of leaking slab or sockets two thirds and more.
const FILLS: f64 = 0.35;

/// From here on it is most of the memory: no other part can be what reached the limit.
const MOST: f64 = 0.5;

/// Below this it is what every container has.
const USUAL: f64 = 0.1;

/// What RSS and cache may take of the growth before it is theirs: as much as sampling and rounding of three slopes can shift.
const THEIRS: f64 = 0.25;

pub struct KernelMemory;

impl Rule for KernelMemory {
    fn id(&self) -> &'static str {
        "kernel-memory"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::MemoryParts]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        from_series(case, out);
        let Some(limit) = case.limit() else { return };
        let Some((r, b)) = case.last_budget() else { return };
        let parts = [
            ("slab", b.slab_bytes),
            ("kernel stacks", b.kernel_stack_bytes),
            ("page tables", b.pagetables_bytes),
            ("sockets", b.sock_bytes),
            ("neither slab nor stacks nor page tables", b.other_kernel_bytes),
        ];
        let bytes = b.kernel_bytes() as f64;
        let top = parts.iter().filter(|p| p.1 > 0).max_by_key(|p| p.1);
        let says = format!(
            "kernel memory was {} ({:.0} % of the limit){}",
            human(bytes),
            bytes / limit * 100.0,
            top.map_or(String::new(), |(name, v)| format!(", {} of it {name}", human(*v as f64)))
        );
        if bytes >= FILLS * limit {
            out.supports(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says.clone());
            // It belongs to no process: neither a heap nor a need of the program's own explains it.
            for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed] {
                let strength = if bytes >= MOST * limit { Strength::Strong } else { Strength::Moderate };
                out.contradicts(cause, strength, "Kernel", vec![r.cite.clone()], says.clone());
            }
        } else if bytes < USUAL * limit {
            out.contradicts(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
        }
    }
}

/// The working set counts kernel memory, RSS and cache do not: growth in neither of them is the kernel's.
fn from_series(case: &Case<'_>, out: &mut Witness<'_>) {
    let Some(t) = case.headline().filter(|t| t.verdict == TrendVerdict::Leak) else { return };
    let (Some(all), Some(rss), Some(cache)) = (t.slope, t.rss_slope_bytes_per_hour, t.cache_slope_bytes_per_hour) else { return };
    if all.mid <= 0.0 || rss.max(0.0) + cache.max(0.0) >= THEIRS * all.mid {
        return;
    }
    let says = format!(
        "the working set grows {}/h, anonymous memory {}/h and cache {}/h: the rest is memory of the kernel",
        human(all.mid),
        human(rss),
        human(cache)
    );
    out.supports(Cause::KernelMemory, Strength::Strong, "Prometheus", vec![t.cite.clone()], says.clone());
    for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
        out.contradicts(cause, Strength::Strong, "Prometheus", vec![t.cite.clone()], says.clone());
    }
}
