//! Claims: the runtime was allowed a heap that leaves no room under the container's limit. Mechanism: a collector works
//! harder only when its own cap is near; with the cap at or above the limit the kernel comes first, and code, stacks,
//! metaspace and buffers need room beside the heap. Refuted by: a live heap that grows, or a soft cap (GOMEMLIMIT) below the
//! limit. Runtimes' own guides ask for a quarter of the limit outside the heap; a cap
//! that takes more than [`ROOMY`] of it counts.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::{human, human_bytes};
use crate::model::trend::TrendVerdict;

/// Share of the limit that a hard heap cap may take before the rest of the process no longer fits.
const ROOMY: f64 = 0.85;

/// A soft limit counts everything that the runtime manages, stacks included; Go's guide asks for 5 to 10 % beside it.
const ROOMY_SOFT: f64 = 0.95;

pub struct RuntimeCapAboveLimit;

impl Rule for RuntimeCapAboveLimit {
    fn id(&self) -> &'static str {
        "runtime-cap-above-limit"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Spec]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(limit) = case.limit() else { return };
        let Some(cap) = case.cap() else { return };
        let share = cap.bytes as f64 / limit;
        // A working set that stands at the limit shows that the rest did not fit, whatever the guides say.
        let roomy = if cap.soft && !case.pinned() { ROOMY_SOFT } else { ROOMY };
        let cites = cap.cite.clone().map_or_else(|| case.spec_cite(), |c| vec![c]);
        let says = format!(
            "{} lets the {} heap grow to {}, {:.0} % of the limit of {}",
            cap.flag,
            cap.runtime.word(),
            human_bytes(cap.bytes),
            share * 100.0,
            human(limit)
        );
        // Pinned at a cap that leaves no room is the same thing before the kill: the collector works without pause.
        let killed = case.limit_kills().count() > 0 || case.pinned();
        if share >= roomy && killed {
            let strength = if share >= 1.0 || !cap.soft || case.pinned() { Strength::Strong } else { Strength::Moderate };
            out.supports(Cause::RuntimeCapAboveLimit, strength, "Kubernetes", cites.clone(), says.clone());
            if case.headline().is_some_and(|t| t.verdict != TrendVerdict::Leak) {
                out.contradicts(Cause::LimitBelowNeed, Strength::Moderate, "Kubernetes", cites, says);
            }
        } else if share < roomy {
            out.contradicts(Cause::RuntimeCapAboveLimit, Strength::Strong, "Kubernetes", cites, says.clone());
            let aborts: Vec<_> = case.kills.iter().filter(|k| k.kind == KillKind::RuntimeAbort).collect();
            if !aborts.is_empty() {
                let cites: Vec<_> = aborts.iter().flat_map(|k| k.told.iter().map(|t| t.cite.clone())).take(3).collect();
                // The container's limit had no part in it.
                out.contradicts(
                    Cause::LimitBelowNeed,
                    Strength::Moderate,
                    "Logs",
                    cites.clone(),
                    "the runtime ended itself at its own cap".into(),
                );
                if case.headline().is_some_and(|t| t.verdict == TrendVerdict::Leak) {
                    let says = format!("the runtime ended itself at its own cap: {says}");
                    out.supports(Cause::HeapLeak, Strength::Moderate, "Logs", cites, says);
                }
            }
        }
    }
}
