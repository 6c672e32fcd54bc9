//! Claims: memory follows traffic. Mechanism: memory per request in flight is constant, so a burst (load-spike) or a lasting
//! rise (load-growth) of requests lifts memory with it. Refuted by: growth at constant load, kills in quiet hours.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::trend::{Trend, TrendVerdict};

/// A burst is a load several times its usual level; below that it is an ordinary daily peak.
const BURST_FACTOR: f64 = 3.0;
/// A load whose highest level is this many times the usual one, short of a burst, counts as grown.
const GROWTH_FACTOR: f64 = 1.4;

/// Correlation from which on memory follows the load whatever else moves it: load then explains two thirds of the variation.
const FOLLOWS: f64 = 0.8;

/// Below this load explains less than a tenth of the variation.
const APART: f64 = 0.3;

pub struct Load;

impl Rule for Load {
    fn id(&self) -> &'static str {
        "load"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Trend]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(t) = case.headline() else { return };
        let (Some(r), factor) = (t.load_correlation, t.load_factor.unwrap_or(1.0)) else { return };
        let cites = vec![t.cite.clone()];
        let says = format!("memory and request rate correlate with r = {r:.2}; the highest load is {factor:.1} times the usual one");
        let follows = t.verdict == TrendVerdict::LoadFollowing || r >= FOLLOWS;
        let killed = !case.kills.is_empty();
        if follows && factor >= BURST_FACTOR && killed {
            out.supports(Cause::LoadSpike, Strength::Strong, "Prometheus", cites.clone(), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Prometheus", cites, says);
        } else if follows && factor >= GROWTH_FACTOR && killed {
            out.supports(Cause::LoadGrowth, Strength::Strong, "Prometheus", cites.clone(), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Prometheus", cites, says);
        } else if let Some(rise) = outgrowing(t).filter(|_| t.verdict == TrendVerdict::LoadFollowing && !killed) {
            let says = format!(
                "{says}; the load at the end is {rise:.1} times that at the begin, and memory went with it: once more as much reaches the limit"
            );
            out.supports(Cause::LoadGrowth, Strength::Strong, "Prometheus", cites.clone(), says.clone());
            out.contradicts(Cause::NoProblem, Strength::Strong, "Prometheus", cites, says);
        } else if r.abs() < APART {
            for cause in [Cause::LoadSpike, Cause::LoadGrowth] {
                out.contradicts(cause, Strength::Moderate, "Prometheus", cites.clone(), says.clone());
            }
        }
    }
}

/// How far the load rose, where the memory that it took with it would reach the limit by rising as much again.
fn outgrowing(t: &Trend) -> Option<f64> {
    let rise = t.load_rise.filter(|r| *r >= GROWTH_FACTOR)?;
    let (first, last) = (t.runs.last()?.first_bytes, t.runs.last()?.last_bytes);
    (last > first && last + (last - first) >= t.limit_bytes?).then_some(rise)
}
