//! Endings that only a counter tells of: the kernel's own in a container's cgroup, and the restarts that Kubernetes counts.
//! A counter names neither process nor moment, so nothing is taken from it that another witness may have told already.

use super::gather::Kills;
use super::{SAME_ENDING, untold};
use crate::model::by_pod::ByPod;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::time::{Basis, MINUTE};
use crate::model::{Incident, When};

/// Restarts that only a counter saw, once trends are known: where a container's last ending was a runtime abort or a probe
/// kill, its earlier restarts in the same window are taken for the same thing, as long as nothing else explains them.
pub(super) fn restarts(incident: &Incident) -> Vec<Kill> {
    let by_pod = ByPod::of(incident.kills.iter().map(|k| &k.owner));
    let mut added = Vec::new();
    for t in &incident.trends {
        let known: Vec<&Kill> = by_pod.of_pod(&incident.kills, &t.owner).filter(|k| k.owner.same_container(&t.owner)).collect();
        let Some(last) = known.last() else { continue };
        // Kubernetes keeps the last ending only: where it was a kill at the limit and no kernel log of the node is there to
        // tell of the others, restarts from the limit are taken for the same.
        let at_limit = last.kind == KillKind::MemcgContainer
            && !incident.oom_reports.iter().any(|r| r.owner.node.is_none() || r.owner.node == t.owner.node || r.owner.same_pod(&t.owner));
        if !(at_limit || matches!(last.kind, KillKind::RuntimeAbort | KillKind::ProbeKill)) || known.iter().any(|k| k.kind != last.kind) {
            continue;
        }
        let step = t.window.1.0.saturating_sub(t.window.0.0) / i64::try_from(t.samples.max(1)).unwrap_or(i64::MAX);
        let slack = if at_limit { SAME_ENDING.saturating_add(step.saturating_mul(3)) } else { SAME_ENDING };
        for r in untold::untold(if at_limit { &t.oom_times } else { &t.restarts }, &known, slack) {
            let at = When { earliest: r.saturating_sub(MINUTE), latest: r, basis: Basis::Stated };
            added.push(Kill {
                at: Some(at),
                kind: last.kind,
                owner: t.owner.clone(),
                limit_bytes: last.limit_bytes,
                limit_level: last.limit_level,
                count: 1,
                exit_code: last.exit_code,
                told: vec![Told::by(
                    Witness::RestartCounter,
                    t.cite.clone(),
                    match at_limit {
                        true => format!("a run ended at the limit at {} UTC; taken for a kill like the last one", r.human()),
                        false => format!("restart counter rose at {} UTC; taken for a {} like the last one", r.human(), last.kind.word()),
                    },
                )],
                ..Kill::default()
            });
        }
    }
    added
}

/// A container's own counter of kills, where nothing else tells of one: the cgroup is made anew with each start, so whatever
/// it counted took children of a container that lived on.
pub(super) fn cgroups(incident: &Incident, kills: &mut Kills) {
    for c in &incident.cgroups {
        let counts = matches!(c.what.file.as_str(), "memory.events" | "memory.oom_control");
        let Some(n) = c.what.values.get("oom_kill").copied().filter(|n| counts && *n > 0) else { continue };
        let of_container = c.owner.container.is_some() || c.owner.pod.is_none() && c.owner.node.is_none() && c.what.path.is_none();
        // Without a pod it is the one container that the input is of.
        if !of_container || kills.find(&c.owner, |k| k.kind.is_memory()).is_some() {
            continue;
        }
        kills.add(Kill {
            kind: KillKind::ChildProcess,
            owner: c.owner.clone(),
            limit_level: Some(LimitLevel::Container),
            count: n,
            told: vec![Told::by(
                Witness::CgroupCounter,
                c.cite.clone(),
                format!("{} of the container counts {n} processes killed for memory since it started", c.what.file),
            )],
            against: vec![Told::aside(c.cite.clone(), "a counter tells neither when nor which processes")],
            ..Kill::default()
        });
    }
}
