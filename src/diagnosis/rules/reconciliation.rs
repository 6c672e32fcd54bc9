//! Claims: how much of the process's growth the profiles explain. Mechanism: profiles and working set are two measurements of
//! one growth; what the profile does not see is native, fragmented or cached. Refuted by: profiles of another process, or
//! captures too close together to tell a rate.

use crate::diagnosis::case::{Case, MOST_SHARE, PROFILES_APART, SMALL_SHARE};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;
use crate::model::time::HOUR;
use crate::model::trend::TrendVerdict;

pub struct Reconciliation;

impl Rule for Reconciliation {
    fn id(&self) -> &'static str {
        "reconciliation"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Trend, Need::Profiles]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(t) = case.headline().filter(|t| t.verdict == TrendVerdict::Leak) else { return };
        let Some(total) = t.slope.map(|s| s.mid).filter(|s| *s > 0.0) else { return };
        for d in case.deltas.iter().filter(|d| d.what.same_process != Some(false) && d.at.is_known() && counts_heap(&d.what)) {
            let span = d.at.latest.0.saturating_sub(d.at.earliest.0);
            let Some(grown) = d.total_growth_bytes.filter(|_| span >= PROFILES_APART) else { continue };
            let rate = grown as f64 * HOUR as f64 / span as f64;
            let share = rate / total;
            let top = d.what.suspects.first().and_then(|s| Some((s.name.as_str(), s.growth_bytes? as f64 * HOUR as f64 / span as f64)));
            let named = top.map_or(String::new(), |(name, r)| {
                format!("; {name} explains {} of it ({:.0} %)", rate_words(r), (r / rate * 100.0).clamp(0.0, 100.0))
            });
            let rest = total - rate;
            let says = format!(
                "working set grows {}, the profiled heap {} ({:.0} %){named}; {} is outside the profile",
                rate_words(total),
                rate_words(rate),
                (share * 100.0).max(0.0),
                if rest > 0.0 { rate_words(rest) } else { "nothing".into() }
            );
            let mut cites = d.cites.clone();
            cites.push(t.cite.clone());
            if share >= MOST_SHARE {
                out.supports(Cause::HeapLeak, Strength::Strong, "Reconciliation", cites.clone(), says.clone());
                out.contradicts(Cause::NativeGrowth, Strength::Moderate, "Reconciliation", cites, says);
            } else if share < SMALL_SHARE {
                out.supports(Cause::NativeGrowth, Strength::Moderate, "Reconciliation", cites.clone(), says.clone());
                out.contradicts(Cause::HeapLeak, Strength::Moderate, "Reconciliation", cites, says);
            }
        }
    }
}

/// The profile's total is the live heap: not so for goroutine counts, native memory tracking or allocation totals.
fn counts_heap(d: &crate::model::delta::Delta) -> bool {
    d.format != "jvm-nmt" && (d.measure == "bytes" || d.measure == "inuse_space")
}

fn rate_words(bytes_per_hour: f64) -> String {
    format!("{}/h", human(bytes_per_hour))
}
