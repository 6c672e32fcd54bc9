//! Claims: another container of the pod took the memory. Mechanism: with a limit on the pod and none on its containers the
//! kernel kills the biggest process of the pod, which need not be the one that grew. Refuted by: a limit of its own.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::human;
use crate::model::trend::{Trend, TrendVerdict};

pub struct NeighbourInPod;

impl Rule for NeighbourInPod {
    fn id(&self) -> &'static str {
        "neighbour-in-pod"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill, Need::Trend]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(kill) = case.kills.iter().find(|k| k.kind == KillKind::MemcgPod) else { return };
        let Some(mine) = case.headline() else { return };
        let Some(other) = case.siblings().max_by(|a, b| growth(a).total_cmp(&growth(b))) else { return };
        let name = case.owner.container.as_deref().unwrap_or("?");
        let victim = kill.owner.container.as_deref();
        let cites = vec![mine.cite.clone(), other.cite.clone()];
        if growth(mine) > growth(other) && mine.verdict == TrendVerdict::Leak && victim != Some(name) {
            let says = format!(
                "the pod's limit was hit and {} was killed, but {name} is what grew ({}/h)",
                victim.unwrap_or("another container"),
                human(growth(mine))
            );
            out.supports(Cause::NeighbourInPod, Strength::Conclusive, "Prometheus", cites.clone(), says);
            out.culprit(Cause::NeighbourInPod, "container", name, None, None);
        } else if growth(other) > growth(mine) && victim == Some(name) {
            let says = format!(
                "it was killed for the pod's limit, but {} is what grew ({}/h)",
                other.owner.container.as_deref().unwrap_or("?"),
                human(growth(other))
            );
            for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed] {
                out.contradicts(cause, Strength::Strong, "Prometheus", cites.clone(), says.clone());
            }
        }
    }
}

fn growth(t: &Trend) -> f64 {
    if t.verdict == TrendVerdict::Leak { t.slope.map_or(0.0, |s| s.mid) } else { 0.0 }
}
