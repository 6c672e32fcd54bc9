//! Claims: the workload needs more than its limit although nothing grows. Mechanism: memory settles, the settled level or its
//! ordinary peaks touch the limit, reclaim fails, the kernel kills. Refuted by: a rising floor, a load spike, a heap cap
//! that is itself above the limit.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;
use crate::model::trend::TrendVerdict;

pub struct LimitBelowNeed;

impl Rule for LimitBelowNeed {
    fn id(&self) -> &'static str {
        "limit-below-need"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let kills = case.limit_kills().count();
        let Some(limit) = case.limit().filter(|_| kills > 0) else { return };
        let cites = case.kill_cites(3);
        let Some(t) = case.headline() else {
            out.supports(
                Cause::LimitBelowNeed,
                Strength::Weak,
                "Kernel",
                cites,
                format!(
                    "{kills} kill{} at the limit of {}; no series shows what came before",
                    if kills > 1 { "s" } else { "" },
                    human(limit)
                ),
            );
            return;
        };
        // The kill itself censors the peak: usually the settled level alone stands within a few per cent of the limit.
        let settled = t.percentiles.p95_bytes / limit;
        let says = format!(
            "{kills} kill{} at the limit of {}; working set: median {}, 95th percentile {} ({:.0} % of the limit)",
            if kills > 1 { "s" } else { "" },
            human(limit),
            human(t.percentiles.p50_bytes),
            human(t.percentiles.p95_bytes),
            settled * 100.0
        );
        let cites: Vec<_> = cites.into_iter().chain([t.cite.clone()]).collect();
        match t.verdict {
            TrendVerdict::Bounded | TrendVerdict::Step if settled >= 0.75 => {
                out.supports(Cause::LimitBelowNeed, Strength::Strong, "Prometheus", cites, says)
            }
            TrendVerdict::Bounded | TrendVerdict::Step => {
                out.supports(Cause::LimitBelowNeed, Strength::Moderate, "Prometheus", cites, says)
            }
            TrendVerdict::InsufficientData if settled >= 0.75 => {
                out.supports(Cause::LimitBelowNeed, Strength::Moderate, "Prometheus", cites, says)
            }
            TrendVerdict::LoadFollowing => out.supports(Cause::LimitBelowNeed, Strength::Weak, "Prometheus", cites, says),
            _ => {}
        }
    }
}
