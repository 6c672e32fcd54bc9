//! Claims: nothing is wrong with this container's memory. Mechanism: no kill, and a series whose floor does not rise. Refuted
//! by: any memory kill, growth towards a limit, usage pinned at it by something that cannot be reclaimed.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::human;
use crate::model::trend::TrendVerdict;

pub struct NoProblem;

impl Rule for NoProblem {
    fn id(&self) -> &'static str {
        "no-problem"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Trend]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(t) = case.headline() else { return };
        if case.kills.iter().any(|k| k.kind.is_memory()) {
            out.contradicts(Cause::NoProblem, Strength::Conclusive, "Kernel", case.kill_cites(1), "memory ended it".into());
        } else if case.kills.iter().any(|k| k.kind != KillKind::Sigterm) {
            let says = "something ended it, though not for memory".to_owned();
            out.contradicts(Cause::NoProblem, Strength::Strong, "Kubernetes", case.kill_cites(1), says);
        } else if case.without_headroom() {
            let share = case.settled().unwrap_or(1.0) * 100.0;
            let says = format!("the working set stands at {share:.0} % of its limit: there is no headroom");
            out.contradicts(Cause::NoProblem, Strength::Strong, "Prometheus", vec![t.cite.clone()], says);
        } else if case.restarts_at_limit() > 0 {
            let says = format!("{} restarts with the working set at its limit", case.restarts_at_limit());
            out.contradicts(Cause::NoProblem, Strength::Strong, "Prometheus", vec![t.cite.clone()], says);
        } else if matches!(t.verdict, TrendVerdict::Bounded | TrendVerdict::LoadFollowing | TrendVerdict::Step) {
            let limit = t.limit_bytes.map_or(String::new(), |l| format!(" of {}", human(l)));
            let says = format!(
                "no kill, and memory is {}: peak {}{limit}; {}",
                if t.verdict == TrendVerdict::LoadFollowing { "explained by load" } else { "bounded" },
                human(t.percentiles.max_bytes),
                t.why
            );
            out.supports(Cause::NoProblem, Strength::Strong, "Prometheus", vec![t.cite.clone()], says);
        }
    }
}
