//! Claims: files in memory filled the limit. Mechanism: tmpfs pages (emptyDir `medium: Memory`, /dev/shm) are charged as shmem
//! to the container that wrote them; a kill frees none of them. Refuted by: small shmem in the kernel's statistics.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::{human, human_bytes};

/// Share of the limit from which on the working set stands at it.
const FILLED: f64 = 0.9;

/// Share of the limit from which on files in memory are what filled it; in 150 reports of kills for heap, need or load they
/// were next to nothing and never more than a quarter.
const FILLS: f64 = 0.3;

/// From here on they are most of the memory: the kernel's own figures settle it.
const MOST: f64 = 0.5;

/// Below this they are what every runtime has.
const USUAL: f64 = 0.1;

pub struct TmpfsCharge;

impl Rule for TmpfsCharge {
    fn id(&self) -> &'static str {
        "tmpfs-charge"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(limit) = case.limit() else { return };
        if let Some((r, b)) = case.last_budget() {
            let shmem = b.shmem_bytes as f64;
            let says = format!(
                "at the kill shmem (files in memory) was {}, {:.0} % of the limit of {}",
                human(shmem),
                shmem / limit * 100.0,
                human(limit)
            );
            let cites = vec![r.cite.clone()];
            if shmem >= FILLS * limit {
                let strength = if shmem >= MOST * limit { Strength::Conclusive } else { Strength::Strong };
                out.supports(Cause::TmpfsCharge, strength, "Kernel", cites.clone(), says.clone());
                for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed, Cause::PageCache] {
                    out.contradicts(cause, Strength::Strong, "Kernel", cites.clone(), says.clone());
                }
            } else if shmem < USUAL * limit {
                out.contradicts(Cause::TmpfsCharge, Strength::Strong, "Kernel", cites, says);
            }
        }
        let memory_volumes: Vec<_> = case
            .pod
            .iter()
            .flat_map(|p| &p.what.volumes)
            .filter(|v| v.medium.as_deref() == Some("Memory"))
            .filter(|v| case.container.is_some_and(|c| c.mounts.values().any(|m| *m == v.name)))
            .collect();
        for v in &memory_volumes {
            let bound = v.size_limit_bytes.map_or("without sizeLimit".into(), |b| format!("with sizeLimit {}", human_bytes(b)));
            out.supports(
                Cause::TmpfsCharge,
                Strength::Weak,
                "Kubernetes",
                case.spec_cite(),
                format!("volume {} is an emptyDir in memory {bound}", v.name),
            );
            out.culprit(Cause::TmpfsCharge, "volume", &v.name, None, None);
        }
        // Working set and cache grow together while anonymous memory stays: inactive cache would not be in the working set.
        let Some(ws) = case.headline().filter(|t| t.cache_growth) else { return };
        if let Some((t, rss)) = case.ended_full() {
            let says = format!(
                "in the last sample before the end RSS was {}, {:.0} % of the limit: memory of processes filled it, not files",
                human(rss),
                rss / limit * 100.0
            );
            for cause in [Cause::TmpfsCharge, Cause::PageCache] {
                out.contradicts(cause, Strength::Strong, "Prometheus", vec![t.cite.clone()], says.clone());
            }
            return;
        }
        // A kill at the limit proves that the kernel could not drop it: files in memory (or, rarely, pages not yet written).
        let filled = case.limit_kills().count() > 0 && ws.percentiles.max_bytes >= FILLED * limit;
        if memory_volumes.is_empty() && !filled {
            return;
        }
        let says = format!(
            "cache grows {}/h inside the working set while anonymous memory does not grow{}",
            human(ws.cache_slope_bytes_per_hour.unwrap_or(0.0)),
            if filled { "; the kernel killed rather than drop it, as it must with files in memory" } else { "" }
        );
        let cites = vec![ws.cite.clone()];
        out.supports(Cause::TmpfsCharge, Strength::Strong, "Prometheus", cites.clone(), says.clone());
        if filled {
            out.contradicts(Cause::LimitBelowNeed, Strength::Strong, "Prometheus", cites.clone(), says.clone());
            out.supports(Cause::PageCache, Strength::Weak, "Prometheus", cites, says);
        }
    }
}
