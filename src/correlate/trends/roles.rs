//! What a metric is to a trend: the memory itself, a part of it, a limit, a restart counter, the load beside it.
//! Names of every exporter and version are known here and nowhere else.

use crate::model::Incident;
use crate::model::incident::PlacedSeries;
use crate::model::series::{Series, SeriesKind, WORKING_SET};
use std::collections::BTreeMap;

/// What a metric says about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    WorkingSet,
    Usage,
    Rss,
    Cache,
    Limit,
    Request,
    Restarts,
    Reason,
    Started,
    OomEvents,
    Load,
    /// The heap that a collection leaves, where nothing measures the process as a whole.
    LiveHeap,
    /// What that heap may hold.
    Capacity,
    Companion,
}

/// Gauges of the heap after a collection, as a program's own log gives them.
const LIVE_HEAPS: [&str; 2] = ["jvm_heap_used_after_gc_bytes", "nodejs_heap_used_after_gc_bytes"];

/// Whether a series is the live heap of a process, at times of the common clock.
pub(super) fn is_live_heap(s: &Series) -> bool {
    LIVE_HEAPS.contains(&s.metric.as_str()) && !s.is_uptime()
}

impl Role {
    /// Bytes in use, or a bound on them.
    pub(super) fn is_memory(self) -> bool {
        matches!(self, Role::WorkingSet | Role::Usage | Role::Rss | Role::Cache | Role::Limit | Role::Request)
    }

    /// The metric of a series of this role; the results of queries have none and get the one that the role stands for.
    pub(super) fn metric_of(self, s: &Series) -> &str {
        match self {
            _ if !s.metric.is_empty() => recorded(&s.metric),
            Role::Usage => "container_memory_usage_bytes",
            Role::Rss => "container_memory_rss",
            _ => WORKING_SET,
        }
    }
}

/// What an unnamed series of bytes is, by the name under which its query's result was saved.
fn named_by_file(path: &str) -> Option<Role> {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    if has(&["limit"]) {
        Some(Role::Limit)
    } else if has(&["working_set", "working-set", "workingset", "memory usage (w", "memory usage _w", "wss"]) {
        Some(Role::WorkingSet)
    } else if has(&["rss", "resident"]) {
        Some(Role::Rss)
    } else if has(&["cache"]) && has(&["mem"]) {
        Some(Role::Cache)
    } else if has(&["memory", "mem_usage", "mem-usage"]) && !has(&["request", "quota", "%", "percent"]) {
        Some(Role::WorkingSet)
    } else {
        None
    }
}

/// A recording rule that keeps a metric as it is puts its labels before the name:
/// `node_namespace_pod_container:container_memory_working_set_bytes`.
fn recorded(metric: &str) -> &str {
    metric.rsplit_once(':').map(|(_, m)| m).filter(|m| m.starts_with("container_memory_")).unwrap_or(metric)
}

/// Which part of a runtime's memory a series measures, over the exporters' label history.
pub(super) fn area(s: &Series) -> Option<&str> {
    let otel = || s.label("type").filter(|_| s.metric.starts_with("jvm_memory_") || s.metric.starts_with("process_runtime_jvm_memory_"));
    s.label("area").or_else(|| s.label("jvm_memory_type")).or_else(otel)
}

/// Several series of one metric are parts of one sum: areas and pools, spaces and generations of a heap, thread states.
pub(super) fn adds_up(s: &Series) -> bool {
    let part = ["space", "v8js_heap_space_name", "generation", "gc_heap_generation", "jvm_memory_pool_name", "pool"];
    area(s).is_some() || s.metric == "jvm_threads_state" || s.metric.contains("heap") && part.iter().any(|l| s.label(l).is_some())
}

pub(super) fn role(s: &Series, path: &str) -> Option<Role> {
    let memory = s.label("resource").is_none_or(|r| r == "memory");
    Some(match recorded(&s.metric) {
        WORKING_SET | "pod_memory_working_set_bytes" => Role::WorkingSet,
        "container_memory_usage_bytes" => Role::Usage,
        "container_memory_rss" => Role::Rss,
        "container_memory_cache" => Role::Cache,
        "kube_pod_container_resource_limits" if memory => Role::Limit,
        "kube_pod_container_resource_limits_memory_bytes" | "container_spec_memory_limit_bytes" => Role::Limit,
        "kube_pod_container_resource_requests" if memory => Role::Request,
        "kube_pod_container_resource_requests_memory_bytes" => Role::Request,
        "kube_pod_container_status_restarts_total" => Role::Restarts,
        "kube_pod_container_status_last_terminated_reason" => Role::Reason,
        "container_start_time_seconds" => Role::Started,
        "container_oom_events_total" => Role::OomEvents,
        "jvm_heap_capacity_bytes" => Role::Capacity,
        m if is_load(m, s.kind) => Role::Load,
        // A rate that a query computed has no name; the file it was saved as may say what it is.
        "" if s.label("resource").is_none() && is_rate_file(path) => Role::Load,
        // Counts and rates are far below any memory.
        "" if s.label("resource").is_none() && s.unit != "seconds" && s.values.iter().any(|v| *v >= 1e6) => named_by_file(path)?,
        m if is_companion(s, m) => Role::Companion,
        _ => return None,
    })
}

/// Counters of work done by the program itself: requests, messages, jobs.
pub(super) fn is_load(metric: &str, kind: SeriesKind) -> bool {
    let ours =
        ["container_", "kube_", "node_", "go_", "process_", "prometheus_", "promhttp_", "kubelet_", "apiserver_", "etcd_", "rest_client_"];
    if ours.iter().any(|p| metric.starts_with(p)) {
        return false;
    }
    let words = [
        "request",
        "message",
        "records_consumed",
        "jobs_processed",
        "events_processed",
        "queries",
        "_handled",
        "rpc_",
        "commands_",
        "upstream_rq",
        "downstream_rq",
        "server_duration",
    ];
    let counts = metric.ends_with("_total") || metric.ends_with("_count");
    let unwanted = ["bytes", "fail", "error", "rejected", "dropped", "seconds_total"].iter().any(|w| metric.contains(w));
    let recorded = metric.contains(':') && metric.contains("request") && metric.contains("rate");
    (counts && kind == SeriesKind::Counter && !unwanted && words.iter().any(|w| metric.contains(w))) || recorded
}

pub(super) fn is_rate_file(path: &str) -> bool {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path).to_ascii_lowercase();
    ["req", "rps", "qps", "rate"].iter().any(|w| name.contains(w))
}

/// Runtime metrics that show where memory sits.
pub(super) fn is_companion(s: &Series, m: &str) -> bool {
    let heap = matches!(
        m,
        "go_goroutines"
            | "go_threads"
            | "go_gc_heap_live_bytes"
            | "go_gc_heap_goal_bytes"
            | "go_memstats_heap_inuse_bytes"
            | "go_memstats_heap_alloc_bytes"
            | "go_memstats_alloc_bytes"
            | "go_memstats_heap_idle_bytes"
            | "go_memstats_heap_released_bytes"
            | "go_memstats_heap_objects"
            | "go_memstats_stack_inuse_bytes"
            | "go_memstats_sys_bytes"
            | "go_memstats_next_gc_bytes"
            | "nodejs_heap_size_used_bytes"
            | "nodejs_heap_size_total_bytes"
            | "nodejs_heap_used_after_gc_bytes"
            | "nodejs_external_memory_bytes"
            | "nodejs_active_handles_total"
            | "nodejs_heap_space_size_used_bytes"
            | "v8js_memory_heap_used_bytes"
            | "v8js_memory_heap_limit_bytes"
            | "dotnet_gc_heap_size_bytes"
            | "dotnet_total_memory_bytes"
            | "dotnet_gc_last_collection_heap_size_bytes"
            | "process_runtime_dotnet_gc_heap_size_bytes"
            | "process_runtime_dotnet_gc_objects_size_bytes"
            | "go_memory_classes_heap_objects_bytes"
            | "go_memory_used_bytes"
            | "process_runtime_go_mem_heap_inuse_bytes"
            | "process_runtime_go_mem_heap_alloc_bytes"
            | "process_runtime_jvm_memory_usage_bytes"
            | "process_runtime_jvm_memory_committed_bytes"
            | "jvm_memory_used_after_last_gc_bytes"
            | "jvm_memory_used_bytes"
            | "jvm_memory_committed_bytes"
            | "jvm_memory_max_bytes"
            | "jvm_memory_bytes_used"
            | "jvm_memory_bytes_committed"
            | "jvm_memory_bytes_max"
            | "jvm_gc_live_data_size_bytes"
            | "jvm_heap_used_after_gc_bytes"
            | "jvm_buffer_memory_used_bytes"
            | "jvm_threads_live_threads"
            | "jvm_threads_current"
            | "jvm_threads_state"
            | "process_resident_memory_bytes"
            | "process_virtual_memory_bytes"
            | "process_open_fds"
            | "container_memory_swap"
            | "container_memory_mapped_file"
            | "container_threads"
            | "container_file_descriptors"
    );
    // Uptimes do not lie beside anything.
    (heap || by_shape(m)) && s.kind != SeriesKind::Unknown && !s.is_uptime()
}

/// A program's own gauge of memory, of whatever allocator or runtime: `jemalloc_allocated_bytes`, `erlang_vm_memory_bytes_total`.
fn by_shape(m: &str) -> bool {
    const OTHERS: [&str; 7] = ["container_", "kube_", "node_", "process_", "machine_", "cadvisor_", "kubelet_"];
    const WORDS: [&str; 6] = ["heap", "alloc", "vm_memory", "memory_used", "tracemalloc", "memory_size"];
    m.contains("bytes")
        && !m.contains("max")
        && !m.contains("limit")
        && WORDS.iter().any(|w| m.contains(w))
        && !OTHERS.iter().any(|p| m.starts_with(p))
}

/// Series of one owner by role, in the incident's order.
#[derive(Default)]
pub(super) struct Group {
    pub(super) roles: BTreeMap<Role, Vec<usize>>,
}

impl Group {
    pub(super) fn series<'a>(&self, incident: &'a Incident, role: Role) -> Vec<&'a Series> {
        self.placed(incident, role).into_iter().map(|p| &p.what).collect()
    }

    pub(super) fn placed<'a>(&self, incident: &'a Incident, role: Role) -> Vec<&'a PlacedSeries> {
        self.roles.get(&role).into_iter().flatten().filter_map(|&i| incident.series.get(i)).collect()
    }

    /// The last finite value over all series of a role that are not 0 (cAdvisor writes 0 for no limit).
    pub(super) fn latest(&self, incident: &Incident, role: Role) -> Option<f64> {
        self.series(incident, role)
            .into_iter()
            .filter_map(|s| s.finite().filter(|(_, v)| *v > 0.0 && *v < 9e18).last())
            .max_by_key(|(t, _)| *t)
            .map(|(_, v)| v)
    }
}
