//! Claims: another container of the pod took the memory. Mechanism: with a limit on the pod and none on its containers the
//! kernel kills the process of the pod that scores highest, which need not be of the container that grew or that holds most.
//! The series tell who grew; without them the kernel's task table tells who held most. Refuted by: a limit of its own.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::kill::Kill;
use crate::model::oom::KillKind;
use crate::model::pod::ContainerKind;
use crate::model::quantity::human;
use crate::model::trend::{Trend, TrendVerdict};
use std::collections::BTreeMap;

pub struct NeighbourInPod;

impl Rule for NeighbourInPod {
    fn id(&self) -> &'static str {
        "neighbour-in-pod"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(kill) = case.kills.iter().find(|k| k.kind == KillKind::MemcgPod) else { return };
        let other = case.siblings().max_by(|a, b| growth(a).total_cmp(&growth(b)));
        let (Some(mine), Some(other)) = (case.headline(), other) else { return by_task_table(case, kill, out) };
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

/// Who held most of the pod's memory when the limit was hit, by the processes that the kernel listed.
fn by_task_table(case: &Case<'_>, kill: &Kill, out: &mut Witness<'_>) {
    let Some(report) = kill.report(case.incident) else { return };
    let (Some(victim), Some(pod)) = (kill.owner.container.as_deref(), case.pod) else { return };
    let names: Vec<&str> = pod
        .what
        .containers
        .iter()
        .filter(|c| matches!(c.kind, ContainerKind::Main | ContainerKind::Sidecar))
        .map(|c| c.name.as_str())
        .collect();
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    let mut total = 0u64;
    for t in &report.what.tasks {
        let rss = t.rss_bytes.unwrap_or(0);
        total = total.saturating_add(rss);
        // A process is of the container that is called so, the victim is of its own; of two containers, what is neither's
        // is the other's.
        let killed = kill.victims.iter().any(|v| v.pid == Some(t.pid));
        let called = names.iter().copied().find(|n| *n == t.comm || t.comm.len() == 15 && n.starts_with(t.comm.as_str()));
        let left = || if let [a, b] = names[..] { Some(if a == victim { b } else { a }) } else { None };
        let same_program = || kill.victims.iter().any(|v| v.comm.as_deref() == Some(t.comm.as_str()));
        let whose = if killed { Some(victim) } else { called.or_else(|| if same_program() { None } else { left() }) };
        if let Some(slot) = whose.map(|w| held.entry(w).or_insert(0)) {
            *slot = slot.saturating_add(rss);
        }
    }
    let Some((&name, &most)) = held.iter().max_by_key(|(n, b)| (**b, std::cmp::Reverse(**n))) else { return };
    if name == victim || most.saturating_mul(2) < total || most < held.get(victim).copied().unwrap_or(0).saturating_mul(2) {
        return;
    }
    let says = format!(
        "the pod's limit was hit and {victim} was killed, but {name} held {} of the {} in the kernel's task table",
        human(most as f64),
        human(total as f64)
    );
    let cites = vec![report.cite.clone()];
    if case.owner.container.as_deref() == Some(name) {
        out.supports(Cause::NeighbourInPod, Strength::Strong, "Kernel", cites, says);
        out.culprit(Cause::NeighbourInPod, "container", name, None, Some(most as f64 / total.max(1) as f64));
    } else if case.owner.container.as_deref() == Some(victim) {
        for cause in [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed] {
            out.contradicts(cause, Strength::Strong, "Kernel", cites.clone(), says.clone());
        }
    }
}

fn growth(t: &Trend) -> f64 {
    if t.verdict == TrendVerdict::Leak { t.slope.map_or(0.0, |s| s.mid) } else { 0.0 }
}
