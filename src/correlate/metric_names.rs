//! One name for one measurement: what clouds' agents and vendors call the memory of a container, under the name that
//! cAdvisor and kube-state-metrics give it. The store's own name stays beside it as the label `source_metric`, and in the
//! quoted evidence. Names: CloudWatch Container Insights, GKE system metrics, Azure Container insights, Datadog's kubelet
//! and container checks, OpenTelemetry's kubeletstats receiver.

use crate::model::series::{Series, WORKING_SET};

const STANDARD: [(&str, &[&str]); 7] = [
    (
        WORKING_SET,
        &[
            "pod_memory_working_set",
            "container_memory_working_set",
            "kubernetes.io/container/memory/used_bytes",
            "memoryWorkingSetBytes",
            "kubernetes.memory.working_set",
            "container.memory.working_set",
            "k8s.pod.memory.working_set",
            "k8s_pod_memory_working_set_bytes",
        ],
    ),
    (
        "container_memory_usage_bytes",
        &[
            "pod_memory_usage",
            "container_memory_usage",
            "kubernetes.memory.usage",
            "container.memory.usage",
            "k8s.pod.memory.usage",
            "k8s_pod_memory_usage_bytes",
        ],
    ),
    (
        "container_memory_rss",
        &[
            "pod_memory_rss",
            "memoryRssBytes",
            "kubernetes.memory.rss",
            "container.memory.rss",
            "k8s.pod.memory.rss",
            "k8s_pod_memory_rss_bytes",
        ],
    ),
    ("container_memory_cache", &["pod_memory_cache", "kubernetes.memory.cache", "container.memory.cache"]),
    (
        "container_spec_memory_limit_bytes",
        &[
            "pod_memory_limit",
            "container_memory_limit",
            "kubernetes.io/container/memory/limit_bytes",
            "memoryLimitBytes",
            "kubernetes.memory.limits",
            "container.memory.limit",
            "k8s.container.memory_limit",
        ],
    ),
    (
        "kube_pod_container_resource_requests_memory_bytes",
        &[
            "pod_memory_request",
            "container_memory_request",
            "kubernetes.io/container/memory/request_bytes",
            "memoryRequestBytes",
            "kubernetes.memory.requests",
            "k8s.container.memory_request",
        ],
    ),
    (
        "kube_pod_container_status_restarts_total",
        &[
            "pod_number_of_container_restarts",
            "kubernetes.io/container/restart_count",
            "kubernetes.containers.restarts",
            "k8s.container.restarts",
        ],
    ),
];

/// Gives a series its standard name where it has another.
pub fn settle(s: &mut Series) {
    // GKE counts what could be reclaimed as a series of its own; the rest is what a working set is.
    if s.label("memory_type") == Some("evictable") {
        return;
    }
    if let Some((standard, _)) = STANDARD.iter().find(|(_, others)| others.contains(&s.metric.as_str())) {
        let before = std::mem::replace(&mut s.metric, (*standard).to_owned());
        s.labels.insert("source_metric".to_owned(), before);
        if standard.contains("memory") {
            s.unit = "bytes";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores_become_the_standard_ones_and_stay_known() {
        let mut s = Series::new("kubernetes.memory.working_set".into(), Default::default());
        settle(&mut s);
        assert_eq!((s.metric.as_str(), s.unit), (WORKING_SET, "bytes"));
        assert_eq!(s.label("source_metric"), Some("kubernetes.memory.working_set"));
        let labels = [("memory_type".to_owned(), "evictable".to_owned())].into();
        let mut cache = Series::new("kubernetes.io/container/memory/used_bytes".into(), labels);
        settle(&mut cache);
        assert_eq!(cache.metric, "kubernetes.io/container/memory/used_bytes");
    }
}
