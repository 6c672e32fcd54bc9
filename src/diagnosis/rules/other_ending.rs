//! Claims: what ended this container was not memory. Mechanism: the status, an event or a program's own exit code says who
//! ended it. Refuted by: a memory kill, or a SIGKILL that nobody explains while the working set stood at its limit: the
//! kubelet misses kills of the kernel, and then shows a plain error.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

/// Share of the limit from which on an unexplained SIGKILL is most likely the kernel's.
const AT_LIMIT: f64 = 0.97;
/// Below this share nothing of the memory explains it.
const FAR: f64 = 0.8;

/// The code that container runtimes write for a container that they lost; nobody ended with it.
const LOST: i32 = 255;

pub struct OtherEnding;

impl Rule for OtherEnding {
    fn id(&self) -> &'static str {
        "other-ending"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let peak = case.headline().and_then(|t| Some((t, t.percentiles.max_bytes / case.limit()?)));
        for o in case.others.iter().filter(|o| !o.stop || o.code == Some(137)) {
            let cites = vec![o.cite.clone()];
            out.contradicts(Cause::NoProblem, Strength::Strong, "Kubernetes", cites.clone(), o.says.clone());
            if o.known {
                // A code of the program's own choice may be the way in which its runtime gives up (134, 3, 1): only its log tells.
                let own = o.code.is_some_and(|code| !matches!(code, 137 | 139 | LOST));
                let strength = if own { Strength::Moderate } else { Strength::Strong };
                out.supports(Cause::NotMemoryKill, strength, "Kubernetes", cites, o.says.clone());
                continue;
            }
            let Some((t, share)) = peak.filter(|_| o.code != Some(LOST)) else {
                out.supports(Cause::NotMemoryKill, Strength::Moderate, "Kubernetes", cites, o.says.clone());
                continue;
            };
            let says =
                format!("{}; the working set peaked at {}, {:.0} % of the limit", o.says, human(t.percentiles.max_bytes), share * 100.0);
            let both = vec![o.cite.clone(), t.cite.clone()];
            if share >= AT_LIMIT {
                out.supports(Cause::LimitBelowNeed, Strength::Moderate, "Kubernetes", both.clone(), says.clone());
                out.contradicts(Cause::NotMemoryKill, Strength::Moderate, "Prometheus", both, says);
            } else {
                out.supports(Cause::NotMemoryKill, Strength::Moderate, "Kubernetes", cites, o.says.clone());
                if share < FAR {
                    out.supports(Cause::NotMemoryKill, Strength::Moderate, "Prometheus", both, says);
                }
            }
        }
    }
}
