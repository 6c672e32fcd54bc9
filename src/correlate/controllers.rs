//! Controllers: from what makes a pod to the object that people change, once for every pod.
//!
//! ReplicaSets lead to Deployments and scheduled Jobs to CronJobs, by the objects where the bundle has them, else by the
//! forms of names that the controllers give (pkg/controller/deployment, pkg/controller/cronjob): a template hash behind a
//! Deployment's name, the scheduled minute behind a CronJob's.

use crate::model::identity::is_template_hash;
use crate::model::pod::{PodState, WorkloadState};
use crate::model::workload::{Controller, From, Kind};
use std::collections::BTreeMap;

/// Argo Rollouts marks the pods of its ReplicaSets.
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";
/// OpenShift names the DeploymentConfig on the pods of its ReplicationControllers.
const DEPLOYMENT_CONFIG: &str = "openshift.io/deployment-config.name";

/// A chain longer than this goes in a circle.
const CHAIN_MAX: usize = 4;

/// One object and what controls it.
#[derive(Debug)]
struct Link {
    /// Of the object; empty where a table did not say it.
    kind: String,
    above_kind: String,
    above: String,
}

/// What controls what, as the objects of the bundle say, by the namespace and name of the controlled object.
#[derive(Debug, Default)]
pub struct Chains {
    up: BTreeMap<(String, String), Vec<Link>>,
}

impl Chains {
    pub fn learn(&mut self, w: &WorkloadState) {
        if let (Some(ns), Some((kind, name))) = (&w.namespace, w.controlled_by.as_deref().and_then(|c| c.split_once('/'))) {
            let link = Link { kind: w.kind.clone(), above_kind: kind.to_owned(), above: name.to_owned() };
            self.up.entry((ns.clone(), w.name.clone())).or_default().push(link);
        }
    }

    fn above(&self, namespace: &str, kind: &str, name: &str) -> Option<(&str, &str)> {
        let all = self.up.get(&(namespace.to_owned(), name.to_owned()))?;
        let one = all.iter().find(|l| l.kind == kind).or_else(|| all.iter().find(|l| l.kind.is_empty()))?;
        Some((&one.above_kind, &one.above))
    }

    /// The controller of a described pod. None where it has none or none is shown.
    pub fn of_pod(&self, p: &PodState) -> Option<Controller> {
        let (kind, name) = p.controlled_by.as_deref().map(|c| c.split_once('/').unwrap_or(("", c)))?;
        let controller = match kind {
            // A static pod is named after its manifest and its node.
            "Node" => {
                let manifest = p.name.strip_suffix(name).and_then(|n| n.strip_suffix('-')).unwrap_or(&p.name);
                Controller::new(Kind::Node, manifest, From::Object)
            }
            "ReplicaSet" if p.labels.contains_key(ROLLOUT_HASH) => {
                Controller::new(Kind::Other("Rollout".into()), without_hash(name).unwrap_or(name), From::Object)
            }
            "ReplicationController" if p.annotations.contains_key(DEPLOYMENT_CONFIG) => {
                let config = p.annotations.get(DEPLOYMENT_CONFIG).map_or(name, String::as_str);
                Controller::new(Kind::Other("DeploymentConfig".into()), config, From::Object)
            }
            _ => self.top(p.namespace.as_deref(), kind, name, From::Object),
        };
        Some(controller)
    }

    /// The top of the chain above an object that controls a pod.
    pub fn top(&self, namespace: Option<&str>, kind: &str, name: &str, from: From) -> Controller {
        let ns = namespace.unwrap_or("");
        let (mut kind, mut name) = (kind, name);
        let mut managed_by = None;
        for _ in 0..CHAIN_MAX {
            match self.above(ns, kind, name) {
                // What people call the workload is the Deployment, StatefulSet or Job, even under an operator.
                Some((up, above)) if !matches!(kind, "ReplicaSet" | "ReplicationController" | "") && up != "CronJob" => {
                    managed_by = Some(format!("{up}/{above}"));
                    break;
                }
                Some((up, above)) => (kind, name) = (up, above),
                None => break,
            }
        }
        let by_form = match kind {
            "ReplicaSet" | "" => without_hash(name).map(|base| (Kind::Deployment, base)),
            "Job" => scheduled_by(name).map(|base| (Kind::CronJob, base)),
            _ => None,
        };
        let (kind, name) = by_form.unwrap_or((Kind::of(kind), name));
        Controller { managed_by, ..Controller::new(kind, name, from) }
    }
}

/// `web` of ReplicaSet `web-6f8d9c7b5`.
fn without_hash(set: &str) -> Option<&str> {
    set.rsplit_once('-').filter(|(_, hash)| is_template_hash(hash)).map(|(base, _)| base)
}

/// The CronJob whose controller made this Job. It names its Jobs after the scheduled minute since 1970 (before 1.21 the
/// second); a number that no schedule since 2015 gives, such as a date, is somebody's own.
fn scheduled_by(job: &str) -> Option<&str> {
    let (name, when) = job.rsplit_once('-')?;
    let n: u64 = when.parse().ok().filter(|_| when.bytes().all(|b| b.is_ascii_digit()))?;
    let fits = match when.len() {
        8 => (23_000_000..50_000_000).contains(&n),
        10 => (1_400_000_000..2_000_000_000).contains(&n),
        _ => false,
    };
    fits.then_some(name)
}

/// What the name of a pod tells of its controller: `cart-7d9f8b6c5-x2x4k` is a Deployment's, `cart-0` a StatefulSet's.
pub fn by_pod_name(pod: &str) -> Option<Controller> {
    let (base, last) = pod.rsplit_once('-')?;
    let ordinal = !last.is_empty() && last.len() <= 4 && last.bytes().all(|b| b.is_ascii_digit());
    if ordinal {
        return Some(Controller::new(Kind::StatefulSet, base, From::PodName));
    }
    let name = without_hash(base).filter(|_| is_template_hash(last) && last.len() == 5)?;
    Some(Controller::new(Kind::Deployment, name, From::PodName))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_names_tell_their_controller() {
        let of = |pod: &str| by_pod_name(pod).map(|c| format!("{}/{}", c.kind.word(), c.name));
        assert_eq!(of("cart-0").as_deref(), Some("StatefulSet/cart"));
        assert_eq!(of("cart-api-7d9f8b6c5-x2x4k").as_deref(), Some("Deployment/cart-api"));
        assert_eq!(of("lonely"), None);
    }

    #[test]
    fn a_scheduled_job_tells_its_cron_job() {
        assert_eq!(scheduled_by("report-29115360"), Some("report"));
        assert_eq!(scheduled_by("report-1612345200"), Some("report"));
        assert_eq!(scheduled_by("migrate-20260221"), None, "a date");
        assert_eq!(scheduled_by("migrate-2026"), None);
    }

    #[test]
    fn chains_end_where_people_change_things() {
        let mut chains = Chains::default();
        let object = |kind: &str, name: &str, up: &str| WorkloadState {
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
            controlled_by: Some(up.into()),
            ..WorkloadState::default()
        };
        chains.learn(&object("ReplicaSet", "kafka-exporter-6f8d9c7b5", "Deployment/kafka-exporter"));
        chains.learn(&object("Deployment", "kafka-exporter", "Kafka/logs"));
        chains.learn(&object("Job", "nightly", "CronJob/night"));
        let top = |kind, name| chains.top(Some("shop"), kind, name, From::Object);
        let kafka = top("ReplicaSet", "kafka-exporter-6f8d9c7b5");
        assert_eq!(
            (kafka.kind, kafka.name.as_str(), kafka.managed_by.as_deref()),
            (Kind::Deployment, "kafka-exporter", Some("Kafka/logs"))
        );
        assert_eq!(top("Job", "nightly").name, "night");
        assert_eq!(top("ReplicaSet", "lone").kind, Kind::ReplicaSet);
    }
}
