//! Claims: a node service (kubelet, container runtime, another daemon) grows, not a workload. Mechanism: the service has a
//! cgroup of its own with a limit (systemd `MemoryMax`), or its RSS rises day by day at a constant pod count. Refuted by: a
//! kill in the service's cgroup without any growth before, and by a report of the whole node in whose task table the
//! service is small: then it was a victim of the workloads.

use crate::diagnosis::case::Case;
use crate::diagnosis::processes;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::cgroup_path;
use crate::model::finding::{Cause, Strength};
use crate::model::kill::Kill;
use crate::model::oom::{KillKind, LimitLevel, NODE_AGENTS, Task};
use crate::model::quantity::{human, human_bytes, times};
use crate::model::trend::TrendVerdict;

/// Share of all processes' memory from which on the largest of them, a node service, is why a node ran out: its own want is
/// a few per cent of a node, and the rest was given to pods.
const CULPRIT: f64 = 0.3;

/// Below this it holds what such services hold.
const USUAL: f64 = 0.1;

pub struct NodeAgentLeak;

impl Rule for NodeAgentLeak {
    fn id(&self) -> &'static str {
        "node-agent-leak"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Node]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        // What somebody runs in a login of theirs is no service of the node.
        let kills: Vec<_> = case.kills.iter().filter(|k| k.kind == KillKind::MemcgService && !of_user(case, k)).collect();
        if let Some(last) = kills.last() {
            let comm = unit(case, last).or_else(|| last.victims.first()?.comm.as_deref()).unwrap_or("a service");
            let limit = last.limit_bytes.map_or(String::new(), |b| format!(" at {}", human_bytes(b)));
            let cites = kills.iter().filter_map(|k| k.cite().cloned()).collect();
            out.supports(
                Cause::NodeAgentLeak,
                Strength::Strong,
                "Kernel",
                cites,
                format!("{comm} was killed {} in its own cgroup{limit}; pods were not touched", times(kills.len() as u64)),
            );
            out.culprit(Cause::NodeAgentLeak, "process", comm, None, None);
        }
        for c in case.incident.agent_cycles.iter().filter(|c| c.owner.node == case.owner.node && c.stages.len() > 1) {
            let stages: Vec<String> = c.stages.iter().map(|s| format!("{}: {}", s.kind, s.says)).collect();
            let cites = c.stages.iter().filter(|s| s.kind != "active").flat_map(|s| s.cites.iter().cloned()).take(6).collect();
            out.supports(
                Cause::NodeAgentLeak,
                Strength::Moderate,
                "Logs",
                cites,
                format!("cycle of {}: {}", c.service, stages.join(" → ")),
            );
        }
        self.share(case, out);
        for g in processes::growing(case.incident).into_iter().filter(|g| case.owner.node.as_deref() == Some(g.node)) {
            let says = format!(
                "{} held {} at {} and {} at {} UTC, more in each of {} process tables",
                g.service,
                human_bytes(g.first.1),
                g.first.0.human(),
                human_bytes(g.last.1),
                g.last.0.human(),
                g.tables
            );
            out.supports(Cause::NodeAgentLeak, Strength::Weak, "Node", g.cites, says);
            if kills.is_empty() {
                out.culprit(Cause::NodeAgentLeak, "process", g.service, i64::try_from(g.last.1.saturating_sub(g.first.1)).ok(), None);
            }
        }
        // A trend of the node itself has no container; a service's has its name.
        for t in case.trends.iter().filter(|t| t.verdict == TrendVerdict::Leak) {
            let Some(service) = t.owner.container.as_deref() else { continue };
            let slope = t.slope.map_or(0.0, |s| s.mid);
            // One rise may be a warm-up; the same rise again after a restart is not.
            let strength = if kills.is_empty() && t.runs.len() < 2 { Strength::Moderate } else { Strength::Strong };
            out.supports(
                Cause::NodeAgentLeak,
                strength,
                "Prometheus",
                vec![t.cite.clone()],
                format!(
                    "{service} grows {}/h over {} run{}{}",
                    human(slope),
                    t.runs.len().max(1),
                    if t.runs.len() > 1 { "s" } else { "" },
                    t.corroborated_by.first().map_or(String::new(), |c| format!("; {c}"))
                ),
            );
            if kills.is_empty() {
                out.culprit(Cause::NodeAgentLeak, "process", service, None, None);
            }
        }
    }
}

/// The service unit whose cgroup it was, `fluentd` of `/system.slice/fluentd.service`: the process may be an interpreter.
fn unit<'c>(case: &'c Case<'_>, kill: &Kill) -> Option<&'c str> {
    let report = &kill.report(case.incident)?.what;
    let path = report.oom_memcg.as_deref().or(report.task_memcg.as_deref())?;
    path.rsplit('/').find_map(|part| part.strip_suffix(".service"))
}

fn of_user(case: &Case<'_>, kill: &Kill) -> bool {
    let report = kill.report(case.incident).map(|r| &r.what);
    report.and_then(|o| o.oom_memcg.as_deref().or(o.task_memcg.as_deref())).is_some_and(|p| cgroup_path::user_scope(p).is_some())
}

impl NodeAgentLeak {
    /// What the services held when the whole node ran out: the task table tells a culprit from a victim.
    fn share(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(r) = case.reports().filter(|r| r.what.limit_level == Some(LimitLevel::Node) && r.what.tasks.len() > 1).last() else {
            return;
        };
        let size = |t: &Task| t.rss_bytes.unwrap_or(0);
        // Of all RAM, where the report tells how much there is: a table may be a small part of it.
        let ram = r.what.ram.budget().map(|b| b.ram_bytes);
        let total = ram.unwrap_or_else(|| r.what.total_rss());
        let Some(agent) = r.what.tasks.iter().filter(|t| NODE_AGENTS.contains(&t.comm.as_str())).max_by_key(|t| size(t)) else { return };
        let largest = r.what.tasks.iter().map(size).max().unwrap_or(0);
        let (held, share) = (size(agent) as f64, size(agent) as f64 / total.max(1) as f64);
        let says = format!(
            "when the whole node ran out, {} held {} of {} {} ({:.0} %)",
            agent.comm,
            human(held),
            if ram.is_some() { "the node's" } else { "all processes'" },
            human(total as f64),
            share * 100.0
        );
        if size(agent) == largest && share >= CULPRIT {
            out.supports(Cause::NodeAgentLeak, Strength::Strong, "Kernel", vec![r.cite.clone()], says.clone());
            // The node ran out, and its own service is why.
            out.contradicts(Cause::NodeOvercommit, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
            out.culprit(Cause::NodeAgentLeak, "process", &agent.comm, None, Some(share));
        } else if share < USUAL {
            out.contradicts(Cause::NodeAgentLeak, Strength::Strong, "Kernel", vec![r.cite.clone()], says);
        }
    }
}
