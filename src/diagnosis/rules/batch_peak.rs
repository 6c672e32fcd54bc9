//! Claims: a batch job's input outgrew its limit. Mechanism: a Job's memory follows its input and ends with it, so its peak is
//! its need. Refuted by: a container that serves.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

pub struct BatchPeak;

impl Rule for BatchPeak {
    fn id(&self) -> &'static str {
        "batch-peak"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        if !case.is_batch() || case.limit_kills().count() == 0 {
            return;
        }
        let mut cites = case.kill_cites(2);
        cites.extend(case.spec_cite());
        let earlier = earlier_peaks(case);
        let before = if earlier.is_empty() {
            String::new()
        } else {
            format!("; earlier runs peaked at {}", earlier.iter().map(|p| human(*p)).collect::<Vec<_>>().join(", "))
        };
        let says = format!(
            "the pod belongs to a Job and was killed at its limit of {}{before}",
            case.limit().map_or("unknown size".into(), human)
        );
        out.supports(Cause::BatchPeak, Strength::Strong, "Kubernetes", cites.clone(), says.clone());
        if !earlier.is_empty() {
            out.supports(
                Cause::BatchPeak,
                Strength::Moderate,
                "Prometheus",
                case.headline().map(|t| t.cite.clone()).into_iter().collect(),
                says.clone(),
            );
        }
        for cause in [Cause::HeapLeak, Cause::NativeGrowth] {
            out.contradicts(cause, Strength::Strong, "Kubernetes", cites.clone(), says.clone());
        }
    }
}

/// Peaks of other pods of the same CronJob (names alike up to the run's number).
fn earlier_peaks(case: &Case<'_>) -> Vec<f64> {
    let stem =
        |w: &str| w.rsplit_once('-').filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit())).map_or(w.to_owned(), |(s, _)| s.to_owned());
    let Some(mine) = case.owner.workload.as_deref().map(stem) else { return Vec::new() };
    case.incident
        .trends
        .iter()
        .filter(|t| {
            t.metric == crate::diagnosis::case::WORKING_SET
                && t.owner.namespace == case.owner.namespace
                && t.owner.pod != case.owner.pod
                && t.owner.container == case.owner.container
        })
        .filter(|t| {
            t.owner.workload.as_deref().map(stem).as_ref() == Some(&mine)
                || t.owner.pod.as_deref().is_some_and(|p| p.starts_with(&format!("{mine}-")))
        })
        .map(|t| t.percentiles.max_bytes)
        .collect()
}
