//! Claims: the workload needs more than its limit although nothing grows. Mechanism: memory settles, the settled level or its
//! ordinary peaks touch the limit, reclaim fails, the kernel kills. Refuted by: a rising floor, a load spike, a heap cap
//! that is itself above the limit.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::Timestamp;
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;
use crate::model::runtime::Runtime;
use crate::model::time::DAY;
use crate::model::trend::TrendVerdict;

/// Share of the limit from which on a settled level is what reached it: the kill itself censors the peak, and what is above
/// the 95th percentile for a moment seldom adds a third to it.
const NEAR: f64 = 0.75;

/// Below this nothing settled is what hit the limit: something doubled at once.
const FAR: f64 = 0.5;

pub struct LimitBelowNeed;

impl Rule for LimitBelowNeed {
    fn id(&self) -> &'static str {
        "limit-below-need"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let kills = case.limit_kills().count();
        if kills == 0 {
            return restarts_alone(case, out);
        }
        let Some(limit) = case.limit() else { return };
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
        // A heap that may grow past the limit looks just like a need above it; only the specification tells them apart.
        if case.container.is_none() && matches!(case.victim().and_then(Runtime::of_program), Some(Runtime::Java | Runtime::Node)) {
            let says =
                "the heap cap of this runtime is not in the input (no pod specification): it may be what lets memory reach the limit"
                    .to_owned();
            out.contradicts(Cause::LimitBelowNeed, Strength::Moderate, "Missing", case.kill_cites(1), says);
        }
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
        let says = match case.ended_full().filter(|_| settled < 0.75) {
            Some((_, rss)) => format!("{says}; in the last sample before an end RSS was {}", human(rss)),
            None => says,
        };
        let cites: Vec<_> = cites.into_iter().chain([t.cite.clone()]).collect();
        // A kill that no sample stands near to says nothing of what the samples show.
        let seen = |k: &Timestamp| *k >= t.window.0.saturating_sub(DAY) && *k <= t.window.1.saturating_add(DAY);
        let times = case.kill_times();
        if !times.is_empty() && !times.iter().any(seen) {
            out.supports(Cause::LimitBelowNeed, Strength::Weak, "Kernel", cites, format!("{says}; the series do not cover the kill"));
            return;
        }
        match t.verdict {
            TrendVerdict::Bounded | TrendVerdict::Step if settled >= NEAR => {
                out.supports(Cause::LimitBelowNeed, Strength::Strong, "Prometheus", cites, says)
            }
            TrendVerdict::Bounded | TrendVerdict::Step if settled < FAR => {
                out.supports(Cause::LimitBelowNeed, Strength::Weak, "Prometheus", cites, says)
            }
            TrendVerdict::Bounded | TrendVerdict::Step => {
                out.supports(Cause::LimitBelowNeed, Strength::Moderate, "Prometheus", cites, says)
            }
            TrendVerdict::InsufficientData if settled >= NEAR => {
                out.supports(Cause::LimitBelowNeed, Strength::Moderate, "Prometheus", cites, says)
            }
            TrendVerdict::LoadFollowing => out.supports(Cause::LimitBelowNeed, Strength::Weak, "Prometheus", cites, says),
            _ => {}
        }
    }
}

/// Where only a restart counter and the working set are there: restarts at the limit are kills in all likelihood.
fn restarts_alone(case: &Case<'_>, out: &mut Witness<'_>) {
    let n = case.restarts_at_limit();
    // What stands at the limit only because the rest of it is in swap has settled at no need.
    if case.swaps_out().is_some() {
        return;
    }
    if let Some(t) = case.headline().filter(|t| case.without_headroom() && t.verdict != TrendVerdict::Leak && !t.cache_growth) {
        let share = case.settled().unwrap_or(1.0) * 100.0;
        let says = format!("the working set stands at {share:.0} % of its limit: there is no headroom");
        out.supports(Cause::LimitBelowNeed, Strength::Strong, "Prometheus", vec![t.cite.clone()], says);
        let calm = "nothing was killed in the time that the series cover".to_owned();
        out.contradicts(Cause::LimitBelowNeed, Strength::Weak, "Prometheus", vec![t.cite.clone()], calm);
        return;
    }
    let Some(t) = case.headline().filter(|t| n > 0 && t.verdict != TrendVerdict::Leak) else { return };
    let says = format!(
        "{n} restart{} with the working set within a few per cent of the limit{}; no log or status tells who ended it",
        if n > 1 { "s" } else { "" },
        t.oom_times.last().and_then(|at| t.limit_of_life(*at)).map_or(String::new(), |l| format!(" of {}", human(l)))
    );
    out.supports(Cause::LimitBelowNeed, Strength::Strong, "Prometheus", vec![t.cite.clone()], says);
}
