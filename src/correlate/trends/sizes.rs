//! What a size means for the pod: the kind of workload, the QoS class before and after, the command that sets it.

use super::roles::Group;
use crate::model::pod::{ContainerKind, PodState, Resources};
use crate::model::time::DAY;
use crate::model::trend::{Trend, WorkloadKind};
use crate::model::workload::Kind;
use crate::model::{Incident, Index, Owner};

/// A record of a week holds a week's cycle.
const RECORD_TO_LOWER: i64 = 7 * DAY;

/// The kind of workload, and how it is known.
pub(super) fn kind(incident: &Incident, owner: &Owner, batches: bool) -> (WorkloadKind, &'static str) {
    match incident.controller(owner) {
        Some(c) => match c.kind {
            Kind::Job | Kind::CronJob => (WorkloadKind::Batch, c.from.words()),
            Kind::StatefulSet => (WorkloadKind::Stateful, c.from.words()),
            _ if batches => (WorkloadKind::Batch, "memory that rises and falls in batches"),
            _ => (WorkloadKind::Stateless, c.from.words()),
        },
        None if batches => (WorkloadKind::Batch, "memory that rises and falls in batches"),
        None => (WorkloadKind::Stateless, "no sign of another kind"),
    }
}

/// Kubernetes' rule (pkg/apis/core/helper/qos): BestEffort without any request or limit, Guaranteed where every container has
/// CPU and memory limits equal to its requests, Burstable else.
fn qos(pod: &PodState, changed: Option<(&str, Resources, Resources)>) -> &'static str {
    let (mut any, mut guaranteed, mut seen) = (false, true, false);
    for c in pod.containers.iter().filter(|c| c.kind != ContainerKind::Ephemeral) {
        seen = true;
        let (limits, requests) = match &changed {
            Some((name, limits, requests)) if *name == c.name => (limits, requests),
            _ => (&c.limits, &c.requests),
        };
        for (limit, request) in [(limits.memory_bytes, requests.memory_bytes), (limits.cpu_millis, requests.cpu_millis)] {
            any |= limit.or(request).is_some_and(|v| v > 0);
            // A request that is not given is the limit's.
            guaranteed &= limit.is_some_and(|l| l > 0 && request.is_none_or(|r| r == l));
        }
    }
    match (any, guaranteed && seen) {
        (false, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}

/// QoS class by the cgroup path that cAdvisor gives as `id`.
fn qos_of_path(group: &Group, incident: &Incident) -> Option<&'static str> {
    let id = group.roles.values().flatten().filter_map(|&i| incident.series.get(i)?.what.label("id")).find(|id| id.contains("kubepods"))?;
    Some(match id {
        _ if id.contains("besteffort") => "BestEffort",
        _ if id.contains("burstable") => "Burstable",
        _ => "Guaranteed",
    })
}

/// Fills in what the chosen sizes mean.
pub(super) fn consequences(incident: &Index<'_>, group: &Group, trend: &mut Trend) {
    let owner = trend.owner.clone();
    let (Some(limit), Some(request)) = (trend.recommended_limit_bytes, trend.recommended_request_bytes) else { return };
    let Some(sizing) = &mut trend.sizing else { return };
    let (Some(container), Some(_)) = (owner.container.as_deref(), owner.pod.as_deref()) else { return };
    let pod = incident.pods_of(&owner).rev().find(|p| p.what.containers.iter().any(|c| c.name == container));
    match pod {
        Some(p) => {
            let own = p.what.containers.iter().find(|c| c.name == container);
            let sized =
                |old: Option<&Resources>, bytes: f64| Resources { memory_bytes: Some(bytes as u64), ..old.cloned().unwrap_or_default() };
            let then = (container, sized(own.map(|c| &c.limits), limit), sized(own.map(|c| &c.requests), request));
            sizing.qos_now = Some(qos(&p.what, None));
            sizing.qos_then = Some(qos(&p.what, Some(then)));
        }
        None => {
            sizing.qos_now = qos_of_path(group, incident);
            // A request below its limit makes a pod Burstable whatever the rest of it says.
            sizing.qos_then = (request < limit).then_some("Burstable");
        }
    }
    // A few days know nothing of what the month's end or a start needs: a limit is not lowered on their word.
    let brief = trend.window.1.0.saturating_sub(trend.window.0.0) < RECORD_TO_LOWER;
    let lowers = trend.limit_bytes.is_some_and(|l| limit < l);
    let controller = incident.controller(&owner).filter(|_| !(brief && lowers));
    sizing.command = controller.and_then(|c| c.set_resources(&owner, limit as u64, request as u64));
    sizing.replicas = incident.replicas(&owner).max(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod::ContainerState;

    #[test]
    fn classes_follow_kubernetes() {
        let r = |m: u64, c: u64| Resources { memory_bytes: (m > 0).then_some(m), cpu_millis: (c > 0).then_some(c) };
        let c = |name: &str, limits, requests| ContainerState { name: name.into(), limits, requests, ..ContainerState::default() };
        let mut pod = PodState { containers: vec![c("a", r(0, 0), r(0, 0))], ..PodState::default() };
        assert_eq!(qos(&pod, None), "BestEffort");
        assert_eq!(qos(&pod, Some(("a", r(100, 0), r(100, 0)))), "Burstable");
        pod.containers = vec![c("a", r(100, 10), r(0, 0)), c("b", r(50, 5), r(50, 5))];
        assert_eq!(qos(&pod, None), "Guaranteed");
        assert_eq!(qos(&pod, Some(("a", r(100, 10), r(80, 10)))), "Burstable");
    }
}
