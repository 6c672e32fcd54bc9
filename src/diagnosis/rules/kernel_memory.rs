//! Claims: kernel memory (slab, kernel stacks, page tables, sockets, per-CPU data) filled the limit. Mechanism: all of it is
//! charged to the cgroup but belongs to no process's RSS. Refuted by: statistics in which it is small.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

/// Keys of memory.stat that count kernel memory; `kernel` is their sum where the kernel prints it.
const PARTS: &[&str] = &["slab", "kernel_stack", "pagetables", "sec_pagetables", "percpu", "sock", "vmalloc"];

pub struct KernelMemory;

impl Rule for KernelMemory {
    fn id(&self) -> &'static str {
        "kernel-memory"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::MemcgStats]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(limit) = case.limit() else { return };
        let Some(r) = case.reports().filter(|r| !r.what.memcg_stats.is_empty()).last() else { return };
        let stats = &r.what.memcg_stats;
        let sock = stats.get("sock").copied().unwrap_or(0);
        let bytes = stats.get("kernel").map(|k| k + sock).unwrap_or_else(|| PARTS.iter().filter_map(|p| stats.get(*p)).sum()) as f64;
        let top = PARTS.iter().filter_map(|p| stats.get(*p).map(|v| (*v, *p))).max();
        let says = format!(
            "kernel memory was {} ({:.0} % of the limit){}",
            human(bytes),
            bytes / limit * 100.0,
            top.map_or(String::new(), |(v, p)| format!(", most of it {p} with {}", human(v as f64)))
        );
        if bytes >= 0.35 * limit {
            out.supports(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Kernel", vec![r.cite.clone()], says);
        } else if bytes < 0.1 * limit {
            out.contradicts(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
        }
    }
}
