//! Rollouts: which revisions of the workload the bundle knows, what the newest changed, and whether it set the growth off.
//!
//! A revision is told by its ReplicaSet or ControllerRevision object, by the Deployment's `ScalingReplicaSet` events, or
//! by a pod of it.

use super::Found;
use crate::diagnosis::case::Case;
use crate::model::finding::{Trigger, TriggerKind};
use crate::model::pod::ContainerState;
use crate::model::quantity::{human_bytes, parse_bytes};
use crate::model::series::WORKING_SET;
use crate::model::time::{DAY, HOUR, MINUTE};
use crate::model::trend::{Trend, TrendVerdict};
use crate::model::{Cite, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// One revision of a workload's pod template.
struct Revision<'a> {
    /// Name of its ReplicaSet or ControllerRevision.
    name: &'a str,
    created: Timestamp,
    number: Option<u64>,
    /// The container that the finding is about, as this revision specifies it.
    container: Option<&'a ContainerState>,
    cite: &'a Cite,
}

/// The youngest revision of the workload, if it began inside the window that the series cover and another revision was seen
/// before or beside it without growing.
pub fn rollout(case: &Case<'_>) -> Option<Found> {
    let revisions = revisions(case);
    let (newest, older) = revisions.split_last()?;
    let created = newest.created;
    let t = case.headline();
    let window = t.map(|t| t.window).or_else(|| Some((case.kill_times().first()?.saturating_sub(DAY), Timestamp::MAX)))?;
    let first_kill = case.kill_times().first().copied().unwrap_or(Timestamp::MAX);
    let onset = t.and_then(|t| t.onset).unwrap_or(first_kill);
    if created > first_kill || created > onset.saturating_add(2 * HOUR) || created < window.0.saturating_sub(DAY) {
        return None;
    }
    // What began hours after the rollout was set off by something else. An onset is known to a part of the window.
    let late = t.and_then(|t| t.onset).is_some_and(|onset| {
        let slack = (window.1.0.saturating_sub(window.0.0) / 10).max(2 * HOUR);
        created.saturating_add(slack) < onset
    });
    if late {
        return None;
    }
    // A pod of an older revision is no victim of the newest.
    if older.iter().any(|r| of_set(case.owner.pod.as_deref(), r.name)) {
        return None;
    }
    // Without a sample of a revision before it, nothing tells that it did not do the same; and one that grew did.
    let mut earlier = case.incident.trends.iter().filter(|t| {
        t.metric == WORKING_SET
            && t.owner.namespace == case.owner.namespace
            && t.owner.container == case.owner.container
            && t.window.0.saturating_add(HOUR.min(created.0.saturating_sub(window.0.0).max(10 * MINUTE))) <= created
            && (t.owner.same_container(&case.owner) || predecessor(case, t, newest, older))
    });
    let grew = |t: &Trend| t.verdict == TrendVerdict::Leak && !t.owner.same_container(&case.owner);
    let first = earlier.next()?;
    if grew(first) || earlier.any(grew) {
        return None;
    }
    let change = match (older.last().and_then(|r| r.container), newest.container) {
        (Some(before), Some(after)) => format!(" ({})", changes(before, after)),
        (None, Some(ContainerState { image: Some(image), .. })) => format!(" (image {image})"),
        _ => String::new(),
    };
    let revision = newest.number.map_or(String::new(), |r| format!(" revision {r}"));
    let trigger = Trigger { kind: TriggerKind::Rollout, time: created, detail: format!("{}{revision}{change}", newest.name) };
    Some(Found { trigger, cite: Some(newest.cite.clone()) })
}

fn of_set(pod: Option<&str>, set: &str) -> bool {
    pod.is_some_and(|p| p.strip_prefix(set).is_some_and(|rest| rest.starts_with('-')))
}

/// Whether a series is of a pod that ran before the newest revision or runs beside it.
fn predecessor(case: &Case<'_>, t: &Trend, newest: &Revision<'_>, older: &[Revision<'_>]) -> bool {
    let pod = t.owner.pod.as_deref();
    if of_set(pod, newest.name) {
        return false;
    }
    older.iter().any(|r| of_set(pod, r.name))
        || t.owner.workload == case.owner.workload
        || matches!((&case.owner.workload, &t.owner.workload), (Some(mine), Some(its)) if tries_out(mine, its))
}

/// What a workload of its own is called that tries out the next revision of another: `rates-canary` beside `rates`. Any
/// other name that begins alike is a neighbour's.
fn tries_out(mine: &str, its: &str) -> bool {
    let rest = mine.strip_prefix(its).and_then(|r| r.strip_prefix('-'));
    rest.is_some_and(|r| matches!(r, "canary" | "preview" | "green" | "blue" | "next" | "beta" | "rc"))
}

/// Whether an earlier revision of the workload itself is known, to which a rollback can go.
pub fn has_earlier(case: &Case<'_>) -> bool {
    revisions(case).len() > 1
}

/// Every revision that something dates, oldest first.
fn revisions<'a>(case: &Case<'a>) -> Vec<Revision<'a>> {
    let named = |list: &'a [ContainerState]| list.iter().find(|c| Some(&c.name) == case.owner.container.as_ref()).or(list.first());
    let mut out: BTreeMap<&str, Revision<'a>> = BTreeMap::new();
    for w in case.workloads().filter(|w| matches!(w.what.kind.as_str(), "ReplicaSet" | "ControllerRevision")) {
        let Some(created) = w.what.created else { continue };
        let (name, number) = (w.what.name.as_str(), w.what.revision);
        out.entry(name).or_insert(Revision { name, created, number, container: named(&w.what.template), cite: &w.cite });
    }
    for e in case.incident.events.iter().filter(|e| e.what.reason == "ScalingReplicaSet") {
        let ours = e.what.object_name.is_some() && e.what.object_name == case.owner.workload;
        let Some(at) = e.what.first_at.or(Some(e.at)).filter(|w| w.is_known()) else { continue };
        let Some(name) = scaled_up(&e.what.message).filter(|_| ours && e.owner.namespace == case.owner.namespace) else { continue };
        // A set that had a pod before was scaled by something else than its rollout.
        let began = at.earliest;
        let ran = |t: &Trend| of_set(t.owner.pod.as_deref(), name) && t.window.0.saturating_add(5 * MINUTE) < began;
        if case.incident.trends.iter().any(ran) {
            continue;
        }
        let pod = case.incident.pods.iter().find(|p| of_set(Some(&p.what.name), name));
        let container = pod.and_then(|p| named(&p.what.containers));
        let have = out.entry(name).or_insert(Revision { name, created: began, number: None, container, cite: &e.cite });
        have.container = have.container.or(container);
    }
    let mut out: Vec<Revision<'a>> = out.into_values().collect();
    out.sort_by_key(|r| (r.created, r.name));
    out
}

/// The set of `Scaled up replica set shop-5b8c7d9f6 to 1`, which newer controllers end with ` from 0`; a set that had
/// replicas is not new.
fn scaled_up(message: &str) -> Option<&str> {
    let (name, rest) = message.strip_prefix("Scaled up replica set ")?.split_once(' ')?;
    let from = rest.split_once(" from ").map(|(_, n)| n.trim());
    from.is_none_or(|n| n == "0").then_some(name)
}

/// Whether a change, in the words of [`changes`], set a lower memory limit: `memory limit 1.50 GiB → 768 MiB`.
pub fn lowers_limit(detail: &str) -> bool {
    let size = |text: &str| parse_bytes(&text.trim().replace(' ', "").replace("iB", "i"));
    let sides = detail.split_once(LIMIT).and_then(|(_, rest)| rest.split_once(" → "));
    sides.is_some_and(|(before, after)| {
        let after = after.split([',', ')', ';']).next().unwrap_or(after);
        size(after).is_some_and(|a| size(before).is_none_or(|b| a < b))
    })
}

const LIMIT: &str = "memory limit ";

/// What a rollout changed in a container: image, memory limit, arguments, variables by name.
fn changes(before: &ContainerState, after: &ContainerState) -> String {
    let mut parts = Vec::new();
    if before.image != after.image && after.image.is_some() {
        parts.push(format!("image {} → {}", before.image.as_deref().unwrap_or("?"), after.image.as_deref().unwrap_or("?")));
    }
    if before.limits.memory_bytes != after.limits.memory_bytes {
        let size = |l: Option<u64>| l.map_or("none".to_owned(), human_bytes);
        parts.push(format!("{LIMIT}{} → {}", size(before.limits.memory_bytes), size(after.limits.memory_bytes)));
    }
    if (&before.command, &before.args) != (&after.command, &after.args) {
        parts.push("changed arguments".into());
    }
    let names: BTreeSet<&String> = before.env.keys().chain(after.env.keys()).filter(|k| before.env.get(*k) != after.env.get(*k)).collect();
    match names.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] => parts.push(format!("variable {one} changed")),
        [one, rest @ ..] => parts.push(format!("variable {one} and {} more changed", rest.len())),
    }
    if parts.is_empty() { "same image, changed template".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_that_is_named_alike_is_no_canary() {
        assert!(tries_out("rates-canary", "rates"));
        assert!(!tries_out("cart-worker", "cart") && !tries_out("rates", "rates") && !tries_out("ratescanary", "rates"));
    }

    #[test]
    fn only_a_set_that_had_no_replicas_is_new() {
        assert_eq!(scaled_up("Scaled up replica set rates-canary-5b8c7d9f6 to 1"), Some("rates-canary-5b8c7d9f6"));
        assert_eq!(scaled_up("Scaled up replica set api-7d9f to 3 from 0"), Some("api-7d9f"));
        assert_eq!(scaled_up("Scaled up replica set api-7d9f to 5 from 3"), None);
        assert_eq!(scaled_up("Scaled down replica set api-7d9f to 0 from 3"), None);
    }
}
