//! Claims: what kind of ending this was. Mechanism: the kernel names the constraint and the cgroup; the kubelet says when a
//! probe or a deletion did it. Refuted by: a kernel report at the same second. Exit code 137 alone proves nothing: it is
//! 128 + SIGKILL, whoever sent it (kubernetes#104454, #140718).

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::human;

/// Share of the limit below which a peak is far from it: a scrape may miss the last fifth of a climb, seldom more.
const FAR: f64 = 0.8;

/// One stop on request is how every rollout and every node drain ends; from so many on they are worth a word.
const REPEATED: usize = 3;

pub struct KillScope;

impl Rule for KillScope {
    fn id(&self) -> &'static str {
        "kill-scope"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Kill, Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let at_limit: Vec<_> = case.limit_kills().collect();
        let by_kernel = at_limit.iter().filter(|k| k.is_told_by_kernel()).count();
        if !at_limit.is_empty() {
            let cites = at_limit.iter().filter_map(|k| k.cite().cloned()).take(3).collect::<Vec<_>>();
            let strength = if by_kernel > 0 { Strength::Conclusive } else { Strength::Strong };
            let says = at_limit.last().and_then(|k| k.says()).unwrap_or_default().to_owned();
            out.contradicts(Cause::NotMemoryKill, strength, if by_kernel > 0 { "Kernel" } else { "Kubernetes" }, cites.clone(), says);
            if by_kernel > 0 {
                out.contradicts(
                    Cause::NodeOvercommit,
                    Strength::Strong,
                    "Kernel",
                    cites,
                    format!("{by_kernel} of {} kills hit a limit of the container or pod itself, not the node", at_limit.len()),
                );
            }
            return;
        }
        let others: Vec<_> = case.kills.iter().filter(|k| matches!(k.kind, KillKind::ProbeKill | KillKind::Sigterm)).collect();
        if !others.is_empty() && others.len() == case.kills.len() {
            let probe = others.iter().any(|k| k.kind == KillKind::ProbeKill);
            let cites = others.iter().flat_map(|k| k.told.iter().map(|t| t.cite.clone())).take(4).collect();
            let what = if probe { "the kubelet restarted it after failed liveness probes" } else { "it was asked to stop (SIGTERM)" };
            if !probe && others.len() < REPEATED {
                return;
            }
            let strength = if probe { Strength::Strong } else { Strength::Moderate };
            out.supports(
                Cause::NotMemoryKill,
                strength,
                "Kubernetes",
                cites,
                format!(
                    "{} ending{}: {what}; no kernel report names this container",
                    others.len(),
                    if others.len() == 1 { "" } else { "s" }
                ),
            );
            if let (Some(t), Some(limit)) = (case.headline(), case.limit()) {
                let share = t.percentiles.max_bytes / limit;
                let cites = vec![t.cite.clone()];
                let says = format!(
                    "working set peaked at {}, {:.0} % of the limit of {}",
                    human(t.percentiles.max_bytes),
                    share * 100.0,
                    human(limit)
                );
                if share < FAR {
                    out.supports(Cause::NotMemoryKill, Strength::Strong, "Prometheus", cites, says);
                } else {
                    // The kubelet said that it was a probe; why the probe failed may well be the memory.
                    let strength = if probe { Strength::Weak } else { Strength::Moderate };
                    out.contradicts(Cause::NotMemoryKill, strength, "Prometheus", cites, says);
                }
            }
        }
        if case.kills.iter().all(|k| matches!(k.kind, KillKind::NodeOom | KillKind::Eviction)) {
            let says = "it was killed because the node ran short, not at a limit of its own".to_owned();
            out.contradicts(Cause::LimitBelowNeed, Strength::Strong, "Kernel", case.kill_cites(2), says.clone());
            out.contradicts(Cause::RuntimeCapAboveLimit, Strength::Strong, "Kernel", case.kill_cites(2), says);
        }
    }
}
