//! Claims: kernel memory (slab, kernel stacks, page tables, sockets, per-CPU data) filled the limit. Mechanism: all of it is
//! charged to the cgroup but belongs to no process's RSS. Refuted by: statistics in which it is small.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

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
        let Some(b) = r.what.budget() else { return };
        let parts = [
            ("slab", b.slab_bytes),
            ("kernel stacks", b.kernel_stack_bytes),
            ("page tables", b.pagetables_bytes),
            ("sockets", b.sock_bytes),
            ("neither slab nor stacks nor page tables", b.other_kernel_bytes),
        ];
        let bytes = parts.iter().map(|p| p.1).sum::<u64>() as f64;
        let top = parts.iter().filter(|p| p.1 > 0).max_by_key(|p| p.1);
        let says = format!(
            "kernel memory was {} ({:.0} % of the limit){}",
            human(bytes),
            bytes / limit * 100.0,
            top.map_or(String::new(), |(name, v)| format!(", {} of it {name}", human(*v as f64)))
        );
        if bytes >= 0.35 * limit {
            out.supports(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says.clone());
            // It belongs to no process: neither a heap nor a need of the program's own explains it.
            for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed] {
                let strength = if bytes >= 0.5 * limit { Strength::Strong } else { Strength::Moderate };
                out.contradicts(cause, strength, "Kernel", vec![r.cite.clone()], says.clone());
            }
        } else if bytes < 0.1 * limit {
            out.contradicts(Cause::KernelMemory, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
        }
    }
}
