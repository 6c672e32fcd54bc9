//! What set it off: a rollout just before the growth began, or the load that rose.

use super::case::Case;
use crate::model::Timestamp;
use crate::model::finding::{Cause, Trigger};
use crate::model::time::{DAY, HOUR};

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

/// The youngest ReplicaSet of the workload, if it was created inside the window that the series cover and another revision
/// served before it without dying.
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
    // The pod's own series begin with it: growth that starts with the rollout shows as an onset right after it.
    let earliest_data = case
        .incident
        .trends
        .iter()
        .filter(|t| t.owner.namespace == case.owner.namespace && t.owner.workload == case.owner.workload)
        .map(|t| t.window.0)
        .min()
        .unwrap_or(window.0);
    if created.saturating_add(HOUR) < earliest_data || created > first_kill || created > onset.saturating_add(2 * HOUR) {
        return None;
    }
    let image = |w: &crate::model::Placed<crate::model::pod::WorkloadState>| {
        w.what.template.first().and_then(|c| c.image.clone()).unwrap_or_default()
    };
    let (from, to) = (image(before), image(newest));
    let change = if from != to && !to.is_empty() { format!("image {from} → {to}") } else { "same image, changed template".into() };
    let revision = newest.what.revision.map_or(String::new(), |r| format!(" revision {r}"));
    Some(Trigger { kind: "rollout".into(), time: created, detail: format!("{}{revision} ({change})", newest.what.name) })
}
