//! A ConfigMap or Secret that the pod uses, changed just before its memory began to grow. The change is dated by the
//! object's `metadata.managedFields[].time` (Server-Side Apply, kubernetes.io/docs) or by its creation.

use super::Found;
use crate::diagnosis::case::Case;
use crate::model::finding::{Trigger, TriggerKind};
use crate::model::pod::ConfigState;
use crate::model::time::{HOUR, MINUTE};
use crate::model::trend::TrendVerdict;
use crate::model::{Placed, Timestamp};

/// The change that lies nearest to the onset. A pod that only grew from its start on shows no behaviour before the change,
/// so it has none.
pub fn changed(case: &Case<'_>) -> Option<Found> {
    let t = case.headline().filter(|t| matches!(t.verdict, TrendVerdict::Leak | TrendVerdict::Step))?;
    let onset = t.onset?;
    let span = t.window.1.0.saturating_sub(t.window.0.0);
    if onset.0.saturating_sub(t.window.0.0) < span / 20 {
        return None;
    }
    // An onset is known to about 3 % of the window; a program may read its configuration a while after the change.
    let slack = (span / 20).max(10 * MINUTE);
    let (early, late) = (onset.saturating_sub(slack.max(HOUR)), onset.saturating_add(slack));
    let changes = case.incident.configs.iter().filter(|c| used(case, &c.what)).flat_map(|c| moments(c).map(move |at| (at, c)));
    let (at, config) = changes
        .filter(|(at, _)| (early..=late).contains(at))
        .min_by_key(|(at, c)| (at.0.abs_diff(onset.0), c.what.kind.clone(), c.what.name.clone()))?;
    let by = config.what.changed_by.as_deref().map_or(String::new(), |who| format!(" by {who}"));
    let verb = if config.what.changed == Some(at) { "changed" } else { "created" };
    let trigger = Trigger { kind: TriggerKind::Config, time: at, detail: format!("{} {} {verb}{by}", config.what.kind, config.what.name) };
    Some(Found { trigger, cite: Some(config.cite.clone()) })
}

fn moments(c: &Placed<ConfigState>) -> impl Iterator<Item = Timestamp> {
    [c.what.changed, c.what.created].into_iter().flatten()
}

/// The pod names it; where its specification is not in the bundle or names none, one that is named after the workload.
fn used(case: &Case<'_>, c: &ConfigState) -> bool {
    if c.namespace != case.owner.namespace {
        return false;
    }
    let named = case.pod.map(|p| &p.what.configs).filter(|n| !n.is_empty());
    match named {
        Some(names) => names.contains(&(c.kind.clone(), c.name.clone())),
        None => case.owner.workload.as_deref().is_some_and(|w| c.name == w || c.name.strip_prefix(w).is_some_and(|r| r.starts_with('-'))),
    }
}
