//! Claims: the charge is file cache. Mechanism: every page read or written through the container is charged to it until
//! reclaimed; usage then stands at the limit while the working set, which leaves inactive file pages out, stays low.
//! Refuted by: anonymous memory that fills the limit. Cache alone does not kill: the kernel drops it first.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

pub struct PageCache;

impl Rule for PageCache {
    fn id(&self) -> &'static str {
        "page-cache"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(limit) = case.limit() else { return };
        if let (Some(usage), Some(ws)) = (case.trend("container_memory_usage_bytes"), case.headline()) {
            let (u, w) = (usage.percentiles.p95_bytes / limit, ws.percentiles.p95_bytes / limit);
            if u >= 0.9 && w <= 0.6 {
                let says = format!(
                    "usage stands at {} ({:.0} % of the limit) while the working set stays at {} ({:.0} %): the difference is inactive file cache, which the kernel can drop",
                    human(usage.percentiles.p95_bytes),
                    u * 100.0,
                    human(ws.percentiles.p95_bytes),
                    w * 100.0
                );
                let cites = vec![usage.cite.clone(), ws.cite.clone()];
                out.supports(Cause::PageCache, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed] {
                    out.contradicts(cause, Strength::Moderate, "Prometheus", cites.clone(), says.clone());
                }
            }
        }
        if let Some(r) = case.reports().find(|r| !r.what.memcg_stats.is_empty()) {
            let stat = |names: &[&str]| names.iter().find_map(|n| r.what.memcg_stats.get(*n)).copied().unwrap_or(0) as f64;
            let (file, shmem, anon) =
                (stat(&["file", "total_cache", "cache"]), stat(&["shmem", "total_shmem"]), stat(&["anon", "total_rss", "rss"]));
            let cache = (file - shmem).max(0.0);
            let says = format!("at the kill file cache was {} and anonymous memory {} of {}", human(cache), human(anon), human(limit));
            if cache >= 0.5 * limit {
                out.supports(Cause::PageCache, Strength::Moderate, "Kernel", vec![r.cite.clone()], says);
            } else if anon >= 0.7 * limit {
                out.contradicts(Cause::PageCache, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
            }
        }
    }
}
