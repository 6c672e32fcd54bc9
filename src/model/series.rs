//! Time series exactly as exported: never resampled, never joined on the way in.

use super::Times;
use super::identity::Claim;
use std::collections::BTreeMap;

/// Name of the working-set series of containers: what the kubelet evicts by, and what every verdict about growth reads first.
pub const WORKING_SET: &str = "container_memory_working_set_bytes";

/// Label and value of a series whose times are milliseconds since its runtime began.
pub const UPTIME: (&str, &str) = ("clock", "uptime");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SeriesKind {
    #[default]
    Gauge,
    Counter,
    Unknown,
}

/// Bits of the NaN that Prometheus stores where a series ended.
pub const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

/// Time of a sample that was written without one (a saved scrape), in place of Unix milliseconds.
pub const NO_TIME: i64 = i64::MIN;

/// One label set of one metric. `times` are Unix milliseconds, ascending as stored; `values` run beside them.
/// A staleness marker ([`STALE_NAN`]) is kept as that very NaN.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Metric name; empty for recording-rule results without one.
    pub metric: String,
    pub labels: BTreeMap<String, String>,
    /// `bytes`, `seconds`, … or empty.
    pub unit: &'static str,
    pub kind: SeriesKind,
    /// `times` are local times whose zone the source does not state, read as if UTC; correlation places them.
    pub civil: bool,
    pub times: Times,
    pub values: Vec<f64>,
}

impl Series {
    /// An empty series; unit and kind are read from the metric's name by the Prometheus naming rules.
    pub fn new(metric: String, labels: BTreeMap<String, String>) -> Self {
        let (unit, kind) = (unit_of(&metric, &labels), kind_of(&metric));
        Series { metric, labels, unit, kind, civil: false, times: Times::default(), values: Vec::new() }
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// Whether its times are no times of day.
    pub fn is_uptime(&self) -> bool {
        self.label(UPTIME.0) == Some(UPTIME.1)
    }

    /// Finite samples as (Unix milliseconds, value).
    pub fn finite(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.times.iter().copied().zip(self.values.iter().copied()).filter(|(_, v)| v.is_finite())
    }

    /// The first label of `keys` that is there and not empty.
    fn first_of(&self, keys: &[&str]) -> Option<Box<str>> {
        keys.iter().filter_map(|k| self.label(k)).find(|v| !v.is_empty()).map(Into::into)
    }

    /// Whom the labels name, over the label history: `exported_*` (the scraped target's own label, which a scrape without
    /// `honor_labels` renames) before today's names before those of Kubernetes 1.15 and earlier, then what clouds' and
    /// vendors' metric stores call them.
    pub fn claim(&self) -> Claim {
        let cgroup = self.first_of(&["id"]).filter(|id| id.starts_with('/'));
        let (mut pod_uid, mut container_id) = cgroup.as_deref().map_or((None, None), cgroup_ids);
        if pod_uid.is_none() {
            // kube-state-metrics carries the pod's UID; on other metrics `uid` may be anything.
            pod_uid = self.first_of(&["uid"]).filter(|_| self.metric.starts_with("kube_pod_")).or_else(|| self.first_of(&["pod_uid"]));
        }
        if container_id.is_none() && self.metric.starts_with("container_") {
            container_id = self.first_of(&["name"]).filter(|n| is_container_id(n));
        }
        let mut node = self.first_of(&["node", "kubernetes_node", "nodename", "node_name", "kube_node", "NodeName"]);
        if node.is_none() && ["node_", "kubelet_", "machine_"].iter().any(|p| self.metric.starts_with(p)) {
            node = self.first_of(&["instance"]).map(|i| i.rsplit_once(':').map_or(i.clone(), |(host, _)| host.into()));
        }
        Claim {
            pod_uid,
            container_id,
            namespace: self.first_of(&[
                "exported_namespace",
                "namespace",
                "kubernetes_namespace",
                "namespace_name",
                "kube_namespace",
                "Namespace",
            ]),
            pod: self.first_of(&["exported_pod", "pod", "pod_name", "kubernetes_pod_name", "FullPodName", "PodName"]),
            container: self.first_of(&["exported_container", "container", "container_name", "kube_container_name", "ContainerName"]),
            node,
            cgroup,
            workload_hint: self.first_of(&["job"]),
            ..Claim::default()
        }
    }
}

fn is_container_id(s: &str) -> bool {
    s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Pod UID and container id of a cgroup path, both drivers: `/kubepods/burstable/pod<uid>/<id>` and
/// `/kubepods.slice/…/kubepods-burstable-pod<uid_>.slice/cri-containerd-<id>.scope`.
fn cgroup_ids(path: &str) -> (Option<Box<str>>, Option<Box<str>>) {
    let (mut uid, mut id) = (None, None);
    for part in path.split('/') {
        let bare = part.strip_suffix(".slice").or_else(|| part.strip_suffix(".scope")).unwrap_or(part);
        if let Some((before, after)) = bare.rsplit_once("pod")
            && (before.is_empty() || before.ends_with('-'))
            && after.len() >= 32
        {
            uid = Some(after.replace('_', "-").into());
        }
        let last = bare.rsplit('-').next().unwrap_or(bare);
        if is_container_id(last) {
            id = Some(last.into());
        }
    }
    (uid, id)
}

/// Base unit by the naming rules (a suffix, before `_total`).
fn unit_of(metric: &str, labels: &BTreeMap<String, String>) -> &'static str {
    if labels.get("unit").is_some_and(|u| u == "byte") {
        return "bytes";
    }
    let base = metric.strip_suffix("_total").unwrap_or(metric);
    const UNITS: [&str; 5] = ["bytes", "seconds", "ratio", "celsius", "percent"];
    for u in UNITS {
        if base.strip_suffix(u).is_some_and(|b| b.ends_with('_')) {
            return u;
        }
    }
    // cAdvisor's and node_exporter's older names lack the suffix.
    match base {
        "container_memory_rss" | "container_memory_cache" | "container_memory_swap" | "container_memory_mapped_file" => "bytes",
        _ if base.contains("_bytes") => "bytes",
        _ if base.contains("_seconds") => "seconds",
        _ => "",
    }
}

fn kind_of(metric: &str) -> SeriesKind {
    const COUNTERS: [&str; 4] = ["_total", "_count", "_bucket", "_failcnt"];
    let sum = metric.ends_with("_sum") && !metric.contains(':');
    if sum || COUNTERS.iter().any(|s| metric.ends_with(s)) || metric.starts_with("node_vmstat_oom_kill") {
        SeriesKind::Counter
    } else if metric.is_empty() {
        SeriesKind::Unknown
    } else {
        SeriesKind::Gauge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cgroup_drivers_name_pod_and_container() {
        let hex = "0123456789abcdef".repeat(4);
        let want = (Some("26ce2389-73be-4175-8704-bcc741eba5d9".into()), Some(hex.as_str().into()));
        let systemd = format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod26ce2389_73be_4175_8704_bcc741eba5d9.slice/cri-containerd-{hex}.scope"
        );
        assert_eq!(cgroup_ids(&systemd), want);
        assert_eq!(cgroup_ids(&format!("/kubepods/burstable/pod26ce2389-73be-4175-8704-bcc741eba5d9/{hex}")), want);
        assert_eq!(cgroup_ids("/system.slice/kubelet.service"), (None, None));
    }
}
