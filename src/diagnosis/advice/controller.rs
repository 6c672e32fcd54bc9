//! Where the specification of a container is changed: the object at the top of its pod's chain of controllers. kubectl can
//! set resources on five kinds; of everything else it is said where to look.

use crate::diagnosis::case::Case;
use crate::model::incident::Incident;

/// Who makes the pods of a case.
pub enum Controller {
    /// A kind whose template kubectl can change, as kubectl calls it.
    Known(&'static str, String),
    /// In words: where to change it instead.
    Elsewhere(String),
}

impl Controller {
    /// None where the bundle shows neither the pod's specification nor a workload.
    pub fn of(case: &Case<'_>) -> Option<Controller> {
        let Some(pod) = case.pod.map(|p| &p.what) else {
            // A workload known by its pods' names alone: only a Deployment's show it.
            return case.owner.workload.clone().map(|w| Controller::Known("deployment", w));
        };
        let Some(direct) = pod.controlled_by.as_deref() else {
            let alone = !pod.containers.is_empty() && case.owner.workload.is_none();
            return alone.then(|| Controller::Elsewhere("The pod has no controller: change its manifest and create it again.".into()));
        };
        let (kind, name) = top(case.incident, case.owner.namespace.as_deref(), direct);
        let elsewhere = |text: String| Some(Controller::Elsewhere(text));
        match kind {
            "Deployment" => Some(Controller::Known("deployment", name.into())),
            "StatefulSet" => Some(Controller::Known("statefulset", name.into())),
            "DaemonSet" => Some(Controller::Known("daemonset", name.into())),
            "CronJob" => Some(Controller::Known("cronjob", name.into())),
            "ReplicaSet" if pod.labels.contains_key("rollouts-pod-template-hash") => {
                elsewhere(format!("Change it where Rollout {} is defined.", case.owner.workload.as_deref().unwrap_or(name)))
            }
            // A Deployment's ReplicaSet bears its name and a hash; the bundle need not show the Deployment.
            "ReplicaSet" => {
                let workload = case.owner.workload.as_deref().filter(|w| *w != name);
                Some(workload.map_or_else(
                    || Controller::Elsewhere(format!("Change it where ReplicaSet {name} is defined.")),
                    |w| Controller::Known("deployment", w.to_owned()),
                ))
            }
            "ReplicationController" if case.owner.workload.as_deref().is_some_and(|w| w != name) => {
                elsewhere(format!("Change it where DeploymentConfig {} is defined.", case.owner.workload.as_deref().unwrap_or(name)))
            }
            "Job" => match scheduled_by(name) {
                Some(cron) => Some(Controller::Known("cronjob", cron.to_owned())),
                None => elsewhere("A Job's template cannot be changed: change it where the Job comes from and create it again.".into()),
            },
            "Node" => elsewhere(format!("A static pod: change its manifest on node {name}, usually in /etc/kubernetes/manifests.")),
            _ => elsewhere(format!("Change it where {kind} {name} is defined.")),
        }
    }

    /// As kubectl names it, `deployment/cart`.
    pub fn known(&self) -> Option<(&'static str, &str)> {
        match self {
            Controller::Known(kind, name) => Some((kind, name)),
            Controller::Elsewhere(_) => None,
        }
    }

    /// Kinds for which `kubectl rollout` replaces the pods.
    pub fn rolls_out(&self) -> Option<(&'static str, &str)> {
        self.known().filter(|(kind, _)| *kind != "cronjob")
    }
}

/// Kind and name at the top of a chain of controllers, as far as the bundle shows it.
fn top<'a>(incident: &'a Incident, namespace: Option<&str>, direct: &'a str) -> (&'a str, &'a str) {
    let split = |c: &'a str| c.split_once('/').unwrap_or(("", c));
    let mut at = split(direct);
    // Deployment, ReplicaSet and what an operator puts above them; a chain that is longer goes in a circle.
    for _ in 0..4 {
        let object =
            incident.workloads.iter().find(|w| w.what.kind == at.0 && w.what.name == at.1 && w.what.namespace.as_deref() == namespace);
        match object.and_then(|w| w.what.controlled_by.as_deref()) {
            // An operator's resource above a Deployment would change it back.
            Some(up) => at = split(up),
            None => break,
        }
    }
    at
}

/// The CronJob whose controller made this Job: it names its Jobs after the scheduled minute since 1970, eight digits today
/// (in versions before 1.21 after the second, ten digits).
fn scheduled_by(job: &str) -> Option<&str> {
    let (name, when) = job.rsplit_once('-')?;
    (matches!(when.len(), 8 | 10) && when.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_a_schedule_tells_its_cron_job() {
        assert_eq!(scheduled_by("report-29115360"), Some("report"));
        assert_eq!(scheduled_by("report-1612345200"), Some("report"));
        assert_eq!(scheduled_by("migrate-2026"), None);
    }
}
