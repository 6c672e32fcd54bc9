//! What set it off: a rollout just before the growth began, or the load that rose.

use super::case::{Case, WORKING_SET};
use crate::model::finding::{Cause, Trigger};
use crate::model::pod::{ContainerState, WorkloadState};
use crate::model::quantity::human_bytes;
use crate::model::time::{DAY, HOUR};
use crate::model::trend::{Trend, TrendVerdict};
use crate::model::{Placed, Timestamp};
use std::collections::BTreeSet;

/// The trigger of a finding, if the bundle shows one.
pub fn find(case: &Case<'_>, cause: Cause) -> Option<Trigger> {
    match cause {
        Cause::HeapLeak | Cause::NativeGrowth | Cause::LimitBelowNeed | Cause::RuntimeCapAboveLimit | Cause::TmpfsCharge => rollout(case),
        Cause::LoadSpike => burst(case),
        _ => None,
    }
}

/// The first kill marks the burst at the latest: load itself is dated no better than its samples.
fn burst(case: &Case<'_>) -> Option<Trigger> {
    let t = case.headline()?;
    let first = case.kill_times().first().copied()?;
    let factor = t.load_factor?;
    Some(Trigger { kind: "load".into(), time: first, detail: format!("request rate at {factor:.1} times its usual level") })
}

/// What a rollout changed in the container that the finding is about: image, memory limit, arguments, variables by name.
fn changes(before: &Placed<WorkloadState>, after: &Placed<WorkloadState>, container: Option<&str>) -> String {
    let pick = |w: &'_ Placed<WorkloadState>| -> ContainerState {
        let named = w.what.template.iter().find(|c| Some(c.name.as_str()) == container);
        named.or(w.what.template.first()).cloned().unwrap_or_default()
    };
    let (a, b) = (pick(before), pick(after));
    let mut parts = Vec::new();
    if a.image != b.image && b.image.is_some() {
        parts.push(format!("image {} → {}", a.image.as_deref().unwrap_or("?"), b.image.as_deref().unwrap_or("?")));
    }
    if a.limits.memory_bytes != b.limits.memory_bytes {
        let size = |l: Option<u64>| l.map_or("none".to_owned(), human_bytes);
        parts.push(format!("memory limit {} → {}", size(a.limits.memory_bytes), size(b.limits.memory_bytes)));
    }
    if (&a.command, &a.args) != (&b.command, &b.args) {
        parts.push("changed arguments".into());
    }
    let names: BTreeSet<&String> = a.env.keys().chain(b.env.keys()).filter(|k| a.env.get(*k) != b.env.get(*k)).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => parts.push(format!("variable {one} changed")),
        [one, rest @ ..] => parts.push(format!("variable {one} and {} more changed", rest.len())),
    }
    if parts.is_empty() { "same image, changed template".into() } else { parts.join(", ") }
}

/// The youngest ReplicaSet of the workload, if it was created inside the window that the series cover and another revision
/// was seen before it without dying.
fn rollout(case: &Case<'_>) -> Option<Trigger> {
    let mut sets: Vec<_> = case.workloads().filter(|w| w.what.kind == "ReplicaSet" && w.what.created.is_some()).collect();
    sets.sort_by_key(|w| w.what.created);
    let (newest, older) = sets.split_last()?;
    let created = newest.what.created?;
    let before = older.last()?;
    let t = case.headline();
    let window = t.map(|t| t.window).or_else(|| Some((case.kill_times().first()?.saturating_sub(DAY), Timestamp::MAX)))?;
    let first_kill = case.kill_times().first().copied().unwrap_or(Timestamp::MAX);
    let onset = t.and_then(|t| t.onset).unwrap_or(first_kill);
    if created > first_kill || created > onset.saturating_add(2 * HOUR) || created < window.0.saturating_sub(DAY) {
        return None;
    }
    // Without a sample of a revision before it, nothing tells that it did not do the same; and one that grew did.
    let mut earlier = case.incident.trends.iter().filter(|t| {
        let of_set = |name: &str| t.owner.pod.as_deref().is_some_and(|p| p.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
        let ours = older.iter().any(|w| of_set(&w.what.name)) || t.owner.workload == case.owner.workload && !of_set(&newest.what.name);
        t.owner.namespace == case.owner.namespace
            && t.metric == WORKING_SET
            && (ours || t.owner.same_container(&case.owner))
            && t.owner.container == case.owner.container
            && t.window.0.saturating_add(HOUR) <= created
    });
    let grew = |t: &Trend| t.verdict == TrendVerdict::Leak && !t.owner.same_container(&case.owner);
    let first = earlier.next()?;
    if grew(first) || earlier.any(grew) {
        return None;
    }
    let change = changes(before, newest, case.owner.container.as_deref());
    let revision = newest.what.revision.map_or(String::new(), |r| format!(" revision {r}"));
    Some(Trigger { kind: "rollout".into(), time: created, detail: format!("{}{revision} ({change})", newest.what.name) })
}
