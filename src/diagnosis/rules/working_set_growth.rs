//! Claims: memory grows without bound, or it does not. Mechanism: a leak's lower envelope rises inside every run and starts
//! low again after a restart; a plateau, a saw-tooth to a constant floor and growth that traffic explains are not leaks.
//! The statistics are `series`'; this rule only turns their verdict into testimony.

use crate::diagnosis::case::{Case, NEAR_SECONDS};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::{human, human_seconds};
use crate::model::time::{DAY, HOUR, MINUTE, SECOND};
use crate::model::trend::{Estimate, TrendVerdict};

/// A single run that nothing ended must beat every bounded curve three times over (BIC units; `series` asks for 10):
/// a warm-up that has not levelled off yet passes the plain test for a while.
const CLEAR_MARGIN: f64 = 30.0;

/// Growth over less than this after a start is how every process fills its pools and caches.
const WARM_UP: i64 = 30 * MINUTE;

/// The rising half of a daily cycle lifts memory by no more than this share of its level; what rises further in part of a
/// day is no cycle.
const DAILY_RISE: f64 = 0.5;

/// ` (80 % interval 20 MiB to 28 MiB)`; nothing where both ends read the same.
fn interval(e: &Estimate) -> String {
    let (low, high) = (human(e.low), human(e.high));
    if low == high { String::new() } else { format!(" (80 % interval {low} to {high})") }
}

pub struct WorkingSetGrowth;

impl Rule for WorkingSetGrowth {
    fn id(&self) -> &'static str {
        "working-set-growth"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Trend]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(t) = case.headline() else { return };
        let cites: Vec<_> = std::iter::once(&t.cite).chain(t.tied.iter().map(|r| &r.cite)).cloned().collect();
        match t.verdict {
            TrendVerdict::Leak => {
                let slope = t.slope.unwrap_or_default();
                let runs = t.runs.iter().filter(|r| r.slope_bytes_per_hour.is_some_and(|s| s > 0.0)).count();
                let tto = t.time_to_oom.map_or(String::new(), |e| format!(", limit reached in {}", human_seconds(e.mid)));
                let what = if t.metric.contains("heap") { "the heap after collections" } else { "working set" };
                let says = format!(
                    "{what} grows {}/h{} over {} run{}{tto}",
                    human(slope.mid),
                    interval(&slope),
                    t.runs.len().max(1),
                    if t.runs.len() > 1 { "s" } else { "" }
                ) + if t.restarts_assumed {
                    "; nothing in the input counts restarts, falls to where the series began are taken for them"
                } else {
                    ""
                };
                // Slow growth with no limit in sight is how many healthy processes age; a kill, or a date for one, makes it a case.
                let killed = case.kills.iter().any(|k| k.kind.is_memory()) || case.restarts_at_limit() > 0;
                // One life, and nothing beside it that tells load from leak or heap from the rest: it grew, and more is not known.
                let lives = t.runs.iter().filter(|r| r.slope_bytes_per_hour.is_some()).count();
                let alone = lives < 2 && t.load_correlation.is_none() && t.companions.is_empty() && case.deltas.is_empty();
                let warming = !killed && t.runs.len() == 1 && t.window.1.0.saturating_sub(t.window.0.0) < WARM_UP;
                let near = t.time_to_oom.is_some_and(|e| e.mid <= NEAR_SECONDS) && t.margin.is_none_or(|m| m >= CLEAR_MARGIN);
                let strength = match (killed, near) {
                    _ if warming => Strength::Weak,
                    (true, _) if alone => Strength::Moderate,
                    (true, _) => Strength::Strong,
                    (false, true) if runs >= 1 || t.runs.is_empty() => Strength::Strong,
                    _ => Strength::Moderate,
                };
                out.supports(Cause::HeapLeak, strength, "Prometheus", cites.clone(), says.clone());
                let (span, first) = (t.window.1.0.saturating_sub(t.window.0.0), t.runs.first().map_or(f64::NAN, |r| r.first_bytes));
                let rise = slope.mid * span as f64 / HOUR as f64;
                if !killed && t.runs.len() == 1 && span < DAY && rise < DAILY_RISE * first {
                    let hours = human_seconds(span as f64 / SECOND as f64);
                    let doubt = format!(
                        "the series cover {hours} in which memory rose by {}: the rising half of a daily cycle looks the same",
                        human(rise)
                    );
                    for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
                        out.contradicts(cause, Strength::Weak, "Prometheus", cites.clone(), doubt.clone());
                    }
                }
                let native = strength.min(Strength::Moderate);
                out.supports(Cause::NativeGrowth, native, "Prometheus", cites.clone(), says.clone());
                let lives = if t.runs.len() > 1 { format!(" in each of {} lives", t.runs.len()) } else { String::new() };
                let grows = format!("it grows {}/h{lives}", human(slope.mid));
                let mut against = |cause, strength, why: String| out.contradicts(cause, strength, "Prometheus", cites.clone(), why);
                against(Cause::LimitBelowNeed, Strength::Strong, format!("memory settles at no level: {grows}"));
                against(Cause::NoProblem, Strength::Strong, says);
                against(Cause::LoadSpike, Strength::Strong, format!("a burst passes, this goes on: {grows}"));
                match t.load_correlation {
                    Some(r) => against(
                        Cause::LoadGrowth,
                        Strength::Strong,
                        format!("time explains the growth, load does not: memory and request rate correlate with r = {r:.2}"),
                    ),
                    None if t.runs.len() > 1 => {
                        against(Cause::LoadGrowth, Strength::Moderate, "every life begins low again and climbs as the last one did".into())
                    }
                    None => {}
                }
                against(
                    Cause::RuntimeCapAboveLimit,
                    Strength::Moderate,
                    format!("a cap alone does not make memory rise on and on: {grows}"),
                );
            }
            TrendVerdict::Bounded | TrendVerdict::Step if case.swaps_out().is_some() => {
                let Some((_, swap)) = case.swaps_out() else { return };
                let says = format!(
                    "the working set stands at its limit and what no longer fits goes to swap: {} went from {} to {}, {}/h",
                    swap.metric,
                    human(swap.first),
                    human(swap.last),
                    human(swap.slope_per_hour.unwrap_or(0.0))
                );
                out.supports(Cause::HeapLeak, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                for cause in [Cause::LimitBelowNeed, Cause::NoProblem] {
                    out.contradicts(cause, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                }
            }
            TrendVerdict::Bounded | TrendVerdict::Step => {
                let says = format!(
                    "no lasting growth: {}",
                    if t.why.is_empty() {
                        format!("95th percentile {}, peak {}", human(t.percentiles.p95_bytes), human(t.percentiles.max_bytes))
                    } else {
                        t.why.clone()
                    }
                );
                for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
                    out.contradicts(cause, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                }
            }
            TrendVerdict::LoadFollowing => {
                let says = format!("memory follows the load: {}", t.why);
                for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
                    out.contradicts(cause, Strength::Strong, "Prometheus", cites.clone(), says.clone());
                }
            }
            TrendVerdict::InsufficientData => {}
        }
    }
}
