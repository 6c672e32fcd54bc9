//! Claims: files in memory filled the limit. Mechanism: tmpfs pages (emptyDir `medium: Memory`, /dev/shm) are charged as shmem
//! to the container that wrote them; a kill frees none of them. Refuted by: small shmem in the kernel's statistics.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::{human, human_bytes};

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
        if let Some((r, b)) = case.reports().filter_map(|r| Some((r, r.what.budget()?))).last() {
            let shmem = b.shmem_bytes as f64;
            let says = format!(
                "at the kill shmem (files in memory) was {}, {:.0} % of the limit of {}",
                human(shmem),
                shmem / limit * 100.0,
                human(limit)
            );
            let cites = vec![r.cite.clone()];
            if shmem >= 0.3 * limit {
                let strength = if shmem >= 0.5 * limit { Strength::Conclusive } else { Strength::Strong };
                out.supports(Cause::TmpfsCharge, strength, "Kernel", cites.clone(), says.clone());
                for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed, Cause::PageCache] {
                    out.contradicts(cause, Strength::Strong, "Kernel", cites.clone(), says.clone());
                }
            } else if shmem < 0.1 * limit {
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
        let Some(ws) = case.headline().filter(|t| t.cache_growth && !memory_volumes.is_empty()) else { return };
        let slope = ws.cache_slope_bytes_per_hour.unwrap_or(0.0);
        out.supports(
            Cause::TmpfsCharge,
            Strength::Strong,
            "Prometheus",
            vec![ws.cite.clone()],
            format!("cache grows {}/h inside the working set while anonymous memory does not grow", human(slope)),
        );
    }
}
