//! What set it off: a rollout or a changed configuration just before the growth began, or the load that rose. A trigger is
//! a coincidence in time, so each demands what makes it more: a predecessor that behaved, or no sign of growth before it.

mod configs;
mod revisions;

pub use revisions::{has_earlier, lowers_limit};

use super::case::Case;
use crate::model::Cite;
use crate::model::finding::{Cause, Trigger, TriggerKind};
use crate::model::time::HOUR;

/// A trigger with the place that shows it; load is shown by the finding's own series.
pub struct Found {
    pub trigger: Trigger,
    pub cite: Option<Cite>,
}

/// The trigger of a finding, if the bundle shows one.
pub fn find(case: &Case<'_>, cause: Cause) -> Option<Found> {
    match cause {
        Cause::HeapLeak | Cause::NativeGrowth | Cause::LimitBelowNeed | Cause::RuntimeCapAboveLimit | Cause::TmpfsCharge => {
            revisions::rollout(case).or_else(|| configs::changed(case))
        }
        Cause::LoadSpike => burst(case),
        _ => None,
    }
}

/// Load rises to its burst, and the first kill follows; where its rise was not seen the kill marks the burst at the latest.
fn burst(case: &Case<'_>) -> Option<Found> {
    let t = case.headline()?;
    let first = case.kill_times().first().copied()?;
    let factor = t.load_factor?;
    let rose = t.load_rose.filter(|at| *at <= first && first.0.saturating_sub(at.0) <= 6 * HOUR);
    let detail = format!("request rate at {factor:.1} times its usual level");
    Some(Found { trigger: Trigger { kind: TriggerKind::Load, time: rose.unwrap_or(first), detail }, cite: None })
}
