//! Nodes as Kubernetes and the node itself describe them.

use super::pod::{Condition, Resources};
use super::quantity::Bytes;
use super::time::{MINUTE, RawTime, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SystemInfo {
    pub kernel: Option<String>,
    pub os_image: Option<String>,
    pub container_runtime: Option<String>,
    pub kubelet: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeState {
    pub name: String,
    pub uid: Option<String>,
    pub conditions: Vec<Condition>,
    pub capacity: Resources,
    pub allocatable: Resources,
    pub system: SystemInfo,
    /// Sum of requests and limits as `describe node` prints it.
    pub allocated_requests: Resources,
    pub allocated_limits: Resources,
    /// namespace/name of pods that `describe node` lists.
    pub pods: Vec<String>,
    pub boot_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<String>,
}

/// `/proc/meminfo`, as bytes by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemInfo {
    pub values: BTreeMap<String, Bytes>,
}

/// A process as `ps`, `/proc/PID/status`, `smaps_rollup` or a task table shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessReading {
    pub pid: Option<u32>,
    pub comm: Option<String>,
    pub command: Option<String>,
    pub user: Option<String>,
    pub rss_bytes: Option<Bytes>,
    pub vsz_bytes: Option<Bytes>,
    pub pss_bytes: Option<Bytes>,
    pub anon_bytes: Option<Bytes>,
    pub file_bytes: Option<Bytes>,
    pub shmem_bytes: Option<Bytes>,
    pub swap_bytes: Option<Bytes>,
    pub threads: Option<u64>,
    /// Everything else the file states, in bytes.
    pub values: BTreeMap<String, u64>,
}

/// Two clocks read at one moment. The observation's `at` is the artifact's own clock (uptime of a boot, or a stamp
/// without year or zone); `wall` is the same moment on a better one.
#[derive(Debug, Clone, PartialEq)]
pub struct BootAnchor {
    pub boot_id: Option<String>,
    pub wall: RawTime,
    /// How far the two readings may lie apart, in ns: the wall clock was read up to so much after the own clock.
    pub late_ns: i64,
    /// Not a line of the log that it dates: the host's uptime at the collection, true of the boot that ran then.
    pub of_host: bool,
}

/// Evidence about the moment at which the bundle (or one artifact) was captured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CaptureHint {
    /// What kind of anchor this is, in words: `node heartbeat`, `troubleshoot folder name`.
    pub basis: &'static str,
    /// The capture lies between `at` and `at + slack_ns`.
    pub slack_ns: i64,
}

impl CaptureHint {
    /// A node that is ready reported within the last five minutes (`nodeStatusReportFrequency`) plus its usual slack; any
    /// other node's last report is only a lower bound.
    pub fn of_heartbeats(conditions: &[Condition]) -> Option<(Timestamp, CaptureHint)> {
        let at = conditions.iter().filter_map(|c| c.heartbeat).max()?;
        let alive = conditions.iter().any(|c| c.kind == "Ready" && c.status == "True");
        Some((at, CaptureHint { basis: "node heartbeat", slack_ns: if alive { 6 * MINUTE } else { i64::MAX } }))
    }
}

/// Evidence that could have been there and is not: a collector's error file, an empty file, `Pods: not authorized`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MissingEvidence {
    /// What is missing, e.g. `previous container log`.
    pub source: String,
    /// Why, in the collector's words.
    pub reason: String,
    /// What it would settle.
    pub settles: String,
    pub command: Option<String>,
}
