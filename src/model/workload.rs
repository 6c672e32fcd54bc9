//! Who makes a pod: the object at the top of its chain of controllers, how that is known, and what kubectl can do with it.

use super::kubectl::Kubectl;
use super::quantity::kube;
use super::{Incident, Owner};

/// Kind of the object at the top.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    /// One that no Deployment makes.
    ReplicaSet,
    CronJob,
    Job,
    /// A static pod: the kubelet makes it from a manifest on this node.
    Node,
    /// A kind that this program knows by name only: Rollout, CloneSet, DeploymentConfig.
    Other(String),
}

impl Kind {
    pub fn of(word: &str) -> Kind {
        match word {
            "Deployment" => Kind::Deployment,
            "StatefulSet" => Kind::StatefulSet,
            "DaemonSet" => Kind::DaemonSet,
            "ReplicaSet" => Kind::ReplicaSet,
            "CronJob" => Kind::CronJob,
            "Job" => Kind::Job,
            "Node" => Kind::Node,
            other => Kind::Other(other.to_owned()),
        }
    }

    pub fn word(&self) -> &str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::CronJob => "CronJob",
            Kind::Job => "Job",
            Kind::Node => "Node",
            Kind::Other(word) => word,
        }
    }

    /// What kubectl calls the kinds whose pod template `kubectl set resources` can change: a Job's cannot be changed, a bare
    /// pod's only by resizing it in place, and of other kinds kubectl knows no template.
    pub fn resource(&self) -> Option<&'static str> {
        match self {
            Kind::Deployment => Some("deployment"),
            Kind::StatefulSet => Some("statefulset"),
            Kind::DaemonSet => Some("daemonset"),
            Kind::ReplicaSet => Some("replicaset"),
            Kind::CronJob => Some("cronjob"),
            Kind::Job | Kind::Node | Kind::Other(_) => None,
        }
    }
}

/// How a controller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// The pod's description, and its controllers' where they are in the bundle.
    Object,
    /// kube-state-metrics' `kube_pod_owner`.
    Metric,
    /// The form of the pod's name.
    PodName,
}

impl From {
    pub fn words(self) -> &'static str {
        match self {
            From::Object => "the pod's controller",
            From::Metric => "kube_pod_owner",
            From::PodName => "the form of the pod's name",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    pub kind: Kind,
    pub name: String,
    pub from: From,
    /// An operator's own object above it, `Kafka/logs`: it changes back what is changed below.
    pub managed_by: Option<String>,
}

impl Controller {
    pub fn new(kind: Kind, name: &str, from: From) -> Self {
        Controller { kind, name: name.to_owned(), from, managed_by: None }
    }

    /// `kubectl -n shop set resources deployment/cart -c app --limits=… --requests=…`, sizes in bytes; None where it would be
    /// refused or undone.
    pub fn set_resources(&self, owner: &Owner, limit: u64, request: u64) -> Option<String> {
        let resource = self.kind.resource().filter(|_| self.managed_by.is_none())?;
        Kubectl::within(owner.namespace.as_deref())
            .say(" set resources ")
            .say(resource)
            .say("/")
            .name(&self.name)
            .container(owner.container.as_deref())
            .say(&format!(" --limits=memory={} --requests=memory={}", kube(limit), kube(request)))
            .finish()
    }

    /// `kubectl -n shop rollout restart deployment/cart`; None for kinds whose pods it does not replace.
    pub fn rollout(&self, owner: &Owner, verb: &str) -> Option<String> {
        let resource = match self.kind {
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => self.kind.resource()?,
            _ => return None,
        };
        Kubectl::within(owner.namespace.as_deref()).say(" rollout ").say(verb).say(" ").say(resource).say("/").name(&self.name).finish()
    }

    /// `kubectl -n shop scale deployment/cart-canary --replicas=0`.
    pub fn scale_to_none(&self, owner: &Owner) -> Option<String> {
        let resource = match self.kind {
            Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet => self.kind.resource()?,
            _ => return None,
        };
        let scale = Kubectl::within(owner.namespace.as_deref()).say(" scale ").say(resource).say("/").name(&self.name);
        scale.say(" --replicas=0").finish()
    }

    /// Where to change what kubectl cannot.
    pub fn elsewhere(&self) -> Option<String> {
        if let Some((kind, name)) = self.managed_by.as_deref().and_then(|m| m.split_once('/')) {
            return Some(format!("Change it where {kind} {name} is defined: its operator would undo a change below it."));
        }
        match &self.kind {
            kind if kind.resource().is_some() => None,
            Kind::Job => Some("A Job's template cannot be changed: change it where the Job comes from and create it again.".into()),
            Kind::Node => Some("A static pod: change its manifest on the node, usually in /etc/kubernetes/manifests.".into()),
            kind => Some(format!("Change it where {} {} is defined.", kind.word(), self.name)),
        }
    }
}

impl Incident {
    /// The controller of the owner's pod, if anything tells it.
    pub fn controller(&self, owner: &Owner) -> Option<&Controller> {
        self.controllers.get(&(owner.namespace.clone(), owner.pod.clone()?))
    }
}
