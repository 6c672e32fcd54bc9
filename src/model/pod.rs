//! Pods, containers, workloads and events as Kubernetes states them.

use super::quantity::Bytes;
use super::source::Cite;
use super::time::{RawTime, Timestamp, When, parse_age_or_instant, parse_rfc3339};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Container flavour within its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ContainerKind {
    #[default]
    Main,
    Init,
    /// An init container with `restartPolicy: Always`: it runs beside the main ones.
    Sidecar,
    Ephemeral,
}

/// `state` or `lastState` of a container. Times are UTC; year 0001 becomes `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContainerRun {
    /// `running`, `waiting` or `terminated`.
    pub state: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// The container that ran, where an ended run tells it: 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    pub memory_bytes: Option<Bytes>,
    pub cpu_millis: Option<u64>,
}

/// One container: specification and status together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerState {
    pub name: String,
    pub kind: ContainerKind,
    /// 64 hex digits without the runtime's prefix; the first 12 or 13 where only a table tells it.
    pub container_id: Option<String>,
    pub image: Option<String>,
    pub now: ContainerRun,
    pub last: Option<ContainerRun>,
    /// Earlier endings that only older copies of the pod show, earliest first.
    pub past: Vec<ContainerRun>,
    pub ready: Option<bool>,
    pub restart_count: Option<u64>,
    pub limits: Resources,
    pub requests: Resources,
    /// Limits that `status.containerStatuses[].resources` reports as in force, where it does.
    pub limits_in_force: Option<Resources>,
    /// Plain values as written (redaction happens where text leaves the program); a reference stands as kubectl tells it,
    /// `<set to the key 'password' in secret 'db'>`.
    pub env: BTreeMap<String, String>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// Volume mounts: mount path → volume name.
    pub mounts: BTreeMap<String, String>,
    pub has_liveness_probe: bool,
    /// Where the container's block (or its terminated state) stands in the artifact: line from 1 and byte offset.
    pub line: Option<u32>,
    pub offset: Option<u64>,
}

/// An `emptyDir` or other volume as far as memory is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    pub name: String,
    /// `EmptyDir`, `ConfigMap`, …
    pub kind: Option<String>,
    /// `emptyDir.medium`: `Memory` means tmpfs, charged to the container that writes.
    pub medium: Option<String>,
    pub size_limit_bytes: Option<Bytes>,
}

/// A pod as one artifact shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodState {
    pub namespace: Option<String>,
    pub name: String,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub node: Option<String>,
    pub phase: Option<String>,
    /// STATUS column as printed by `get pods`.
    pub status: Option<String>,
    /// Other values of that column which further rows about this pod show (a watch, a second table), with their places.
    pub past_status: Vec<(String, Cite)>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub qos: Option<String>,
    pub priority: Option<i64>,
    /// Kind and name of the controller as printed, e.g. `ReplicaSet/api-7d9f`.
    pub controlled_by: Option<String>,
    pub start_time: Option<Timestamp>,
    pub created: Option<Timestamp>,
    pub deleting: bool,
    /// `metadata.deletionTimestamp`: when its grace period is over, not when it was asked to go.
    pub deleted_at: Option<Timestamp>,
    /// `metadata.deletionGracePeriodSeconds`; 0 stops it with SIGKILL at once.
    pub grace_seconds: Option<u64>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// RESTARTS as printed, where containers are not listed.
    pub restart_count: Option<u64>,
    /// `(3m ago)` beside RESTARTS: when the latest container ended.
    pub last_restart: RawTime,
    /// Pod-level `spec.resources` (1.32 and later).
    pub limits: Resources,
    pub requests: Resources,
    pub containers: Vec<ContainerState>,
    pub volumes: Vec<Volume>,
    /// ConfigMaps and Secrets that the specification names, in volumes or variables: kind and name.
    pub configs: BTreeSet<(String, String)>,
    pub conditions: Vec<Condition>,
}

/// A condition of a pod or node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub since: Option<Timestamp>,
    pub heartbeat: Option<Timestamp>,
}

/// A controller or other owner object: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkloadState {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    pub uid: Option<String>,
    pub created: Option<Timestamp>,
    /// `deployment.kubernetes.io/revision`.
    pub revision: Option<u64>,
    /// Kind/name of its own controller.
    pub controlled_by: Option<String>,
    pub replicas: Option<u64>,
    /// Ready or current replicas now, for telling an old ReplicaSet from the serving one.
    pub ready_replicas: Option<u64>,
    /// Pod template: containers with resources, image, env, args.
    pub template: Vec<ContainerState>,
    pub volumes: Vec<Volume>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// An object that sets or bounds sizes: LimitRange, ResourceQuota, HorizontalPodAutoscaler, VerticalPodAutoscaler,
/// PodDisruptionBudget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SizingPolicy {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    /// Kind/name of what it scales, where it names one.
    pub target: Option<String>,
    /// Figures as written, by their path below `spec`: `limits.Container.default.memory` → `512Mi`.
    pub values: BTreeMap<String, String>,
}

/// A ConfigMap or Secret, by its metadata alone: what it holds is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigState {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    pub created: Option<Timestamp>,
    /// Last write that `managedFields` dates, where it is not the creation.
    pub changed: Option<Timestamp>,
    /// Who wrote it, as `managedFields` names it: `kubectl-edit`, `argocd-controller`.
    pub changed_by: Option<String>,
}

/// An event. `first`/`last` are as written: absolute or an age.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KubeEvent {
    pub first: RawTime,
    pub last: RawTime,
    /// `first` on the common clock; correlation fills it in.
    pub first_at: Option<When>,
    pub count: Option<u64>,
    /// `Normal` or `Warning`.
    pub kind: Option<String>,
    pub reason: String,
    pub object_kind: Option<String>,
    pub object_namespace: Option<String>,
    pub object_name: Option<String>,
    /// `spec.containers{name}`, where given.
    pub container: Option<String>,
    /// Component, e.g. `kubelet`.
    pub source: Option<String>,
    pub message: String,
    pub annotations: BTreeMap<String, String>,
    pub uid: Option<String>,
}

impl KubeEvent {
    /// Takes an age column: `5m`, or `5m (x12 over 3h)` with count and first time.
    pub fn set_age(&mut self, text: &str) {
        let (last, rest) = text.split_once('(').unwrap_or((text, ""));
        self.last = parse_age_or_instant(last).unwrap_or_default();
        self.first = self.last.clone();
        let Some((count, over)) = rest.trim_end_matches([')', ' ']).split_once(" over ") else { return };
        self.count = count.trim_start_matches('x').parse().ok();
        self.first = parse_age_or_instant(over).unwrap_or_default();
    }

    /// kubectl 1.35 and later put `spec.containers{api}: ` before the message.
    pub fn take_container_prefix(&mut self) {
        let Some((path, rest)) = self.message.split_once("}: ") else { return };
        let Some(name) = KubeEvent::container_of(&format!("{path}}}")) else { return };
        self.container.get_or_insert(name);
        self.message = rest.to_owned();
    }

    /// Whether the event is about this container: its field path says so, or the message has the name as a word of its own.
    pub fn names_container(&self, name: &str) -> bool {
        self.container.as_deref() == Some(name)
            || self.message.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\'' | '(' | ')')).any(|w| w == name)
    }

    /// Container name of a field path such as `spec.containers{api}` or `spec.initContainers{migrate}`.
    pub fn container_of(field_path: &str) -> Option<String> {
        let (list, rest) = field_path.split_once('{')?;
        let name = rest.strip_suffix('}')?;
        (list.starts_with("spec.") && list.ends_with("ontainers") && !name.is_empty()).then(|| name.to_owned())
    }
}

/// An RFC 3339 instant as Kubernetes writes it; Go's zero time (year 0001) is absent.
pub fn written_instant(text: &str) -> Option<Timestamp> {
    parse_rfc3339(text.as_bytes()).map(|(t, _)| t)
}

/// The id of `containerd://0fd0…` without its runtime; `None` when nothing is left.
pub fn bare_container_id(text: &str) -> Option<String> {
    let id = text.rsplit_once("://").map_or(text, |(_, id)| id).trim();
    (!id.is_empty() && id != "<none>").then(|| id.to_owned())
}

/// `kubectl top` or the metrics API: working set of a pod or container at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageReading {
    pub working_set_bytes: Option<Bytes>,
    pub cpu_millis: Option<u64>,
    pub percent: Option<f64>,
    /// Sampling window in seconds, where the API states it.
    pub window_seconds: Option<f64>,
}
