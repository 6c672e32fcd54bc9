//! Claims: a batch job's input outgrew its limit. Mechanism: a Job's memory follows its input and ends with it, so its peak is
//! its need. Refuted by: a container that serves.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::pod::{ContainerKind, ContainerState};
use crate::model::quantity::human;
use crate::model::series::WORKING_SET;
use crate::model::time::HOUR;
use crate::model::trend::TrendVerdict;

/// A life longer than this that grows to its end is a worker's, not a batch's.
const LONG: i64 = 12 * HOUR;

pub struct BatchPeak;

impl Rule for BatchPeak {
    fn id(&self) -> &'static str {
        "batch-peak"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        if !case.is_batch() || case.limit_kills().count() == 0 || stands_beside(case) {
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
        // A worker that a Job started may run for days and leak like any other: growth without end over hours is no batch's shape.
        let life = longest_life(case);
        let grows = case.headline().is_some_and(|t| t.verdict == TrendVerdict::Leak);
        if earlier.is_empty() && grows && life.is_some_and(|l| l > LONG) {
            out.supports(Cause::BatchPeak, Strength::Weak, "Kubernetes", cites, says);
            return;
        }
        let told = !earlier.is_empty() || life.is_some_and(|l| l <= LONG);
        out.supports(Cause::BatchPeak, if told { Strength::Strong } else { Strength::Moderate }, "Kubernetes", cites.clone(), says.clone());
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

/// The killed container is not the one that does the work: the work was done without it, or it is a mesh's or agent's.
fn stands_beside(case: &Case<'_>) -> bool {
    const HELPERS: [&str; 8] =
        ["istio-proxy", "linkerd-proxy", "envoy", "vault-agent", "cloud-sql-proxy", "cloudsql-proxy", "fluent-bit", "filebeat"];
    let mine = case.owner.container.as_deref();
    let completed = |c: &ContainerState| {
        c.kind == ContainerKind::Main && Some(c.name.as_str()) != mine && c.now.exit_code == Some(0) && c.now.finished.is_some()
    };
    let sidecar = case.container.is_some_and(|c| c.kind == ContainerKind::Sidecar);
    sidecar || mine.is_some_and(|m| HELPERS.contains(&m)) || case.pod.is_some_and(|p| p.what.containers.iter().any(completed))
}

/// Nanoseconds of the longest life that a status or a series shows.
fn longest_life(case: &Case<'_>) -> Option<i64> {
    let ended = case.kills.iter().filter_map(|k| Some(k.moment()?.0.saturating_sub(k.started?.0)));
    let began = case.pod.and_then(|p| p.what.start_time).zip(case.kill_times().first().copied());
    let seen = case.headline().into_iter().flat_map(|t| &t.runs).map(|r| r.end.0.saturating_sub(r.start.0));
    ended.chain(began.map(|(a, z)| z.0.saturating_sub(a.0))).chain(seen).filter(|l| *l >= 0).max()
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
            t.metric == WORKING_SET
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
