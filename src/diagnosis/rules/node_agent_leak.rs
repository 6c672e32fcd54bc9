//! Claims: a node service (kubelet, container runtime, another daemon) grows, not a workload. Mechanism: the service has a
//! cgroup of its own with a limit (systemd `MemoryMax`), or its RSS rises day by day at a constant pod count. Refuted by: a
//! kill in the service's cgroup without any growth before.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::{human, human_bytes};
use crate::model::trend::TrendVerdict;

pub struct NodeAgentLeak;

impl Rule for NodeAgentLeak {
    fn id(&self) -> &'static str {
        "node-agent-leak"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Node]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let kills: Vec<_> = case.kills.iter().filter(|k| k.kind == KillKind::MemcgService).collect();
        if let Some(last) = kills.last() {
            let comm = last.victims.first().and_then(|v| v.comm.as_deref()).unwrap_or("a service");
            let limit = last.limit_bytes.map_or(String::new(), |b| format!(" at {}", human_bytes(b)));
            let cites = kills.iter().filter_map(|k| k.evidence.first().map(|(c, _)| c.clone())).collect();
            out.supports(
                Cause::NodeAgentLeak,
                Strength::Strong,
                "Kernel",
                cites,
                format!("{comm} was killed {} times in its own cgroup{limit}; pods were not touched", kills.len()),
            );
            out.culprit(Cause::NodeAgentLeak, "process", comm, None, None);
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
                format!("{service} grows {}/h over {} run{}", human(slope), t.runs.len().max(1), if t.runs.len() > 1 { "s" } else { "" }),
            );
            if kills.is_empty() {
                out.culprit(Cause::NodeAgentLeak, "process", service, None, None);
            }
        }
    }
}
