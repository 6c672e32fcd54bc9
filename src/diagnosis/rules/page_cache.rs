//! Claims: the charge is file cache. Mechanism: every page read or written through the container is charged to it until
//! reclaimed; usage then stands at the limit while the working set, which leaves inactive file pages out, stays low.
//! Refuted by: anonymous memory that fills the limit. Cache alone does not kill: the kernel drops it first.

use crate::diagnosis::case::{ANONYMOUS, Case};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

/// Shares of the limit between which usage and working set must part: what counts cache stands near the limit, where alerts
/// go off, and what leaves it out below two thirds is no danger.
const USED: f64 = 0.85;
const SAFE: f64 = 0.66;

/// Share of the limit from which on file cache is most of what was charged at a kill; in 150 reports of kills for heap, need
/// or load it was below 0.08.
const MOST: f64 = 0.5;

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
        // Inactive cache of an hour ago says nothing of a last minute in which processes' own memory filled the limit.
        if let Some(ws) = case.headline().filter(|_| case.ended_full().is_none())
            && let Some(inactive) = ws.inactive_file_bytes
        {
            let settled = ws.percentiles.p95_bytes;
            let usage = settled.min(ws.percentiles.p50_bytes) + inactive;
            let (u, w) = (usage / limit, settled / limit);
            if u >= USED && w <= SAFE {
                let says = format!(
                    "usage stands at about {} ({:.0} % of the limit of {}) while the working set stays at {} ({:.0} %): the difference is inactive file cache, which the kernel can drop",
                    human(usage),
                    u * 100.0,
                    human(limit),
                    human(settled),
                    w * 100.0
                );
                let cites = vec![ws.cite.clone()];
                out.supports(Cause::PageCache, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed, Cause::NoProblem] {
                    out.contradicts(cause, Strength::Moderate, "Prometheus", cites.clone(), says.clone());
                }
            }
        }
        if let Some((r, b)) = case.last_budget() {
            let (cache, anon) = (b.file_bytes as f64, b.anon_bytes as f64);
            let says = format!("at the kill file cache was {} and anonymous memory {} of {}", human(cache), human(anon), human(limit));
            if cache >= MOST * limit {
                out.supports(Cause::PageCache, Strength::Moderate, "Kernel", vec![r.cite.clone()], says);
            } else if anon >= ANONYMOUS * limit {
                out.contradicts(Cause::PageCache, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
            }
        }
    }
}
