//! A kernel out-of-memory report, whole: who asked, who died, which limit, what the cgroup held.
//! Source: mm/oom_kill.c and mm/memcontrol.c of Linux 2.6.32 to 6.18; field shapes differ, these meanings do not.

use super::quantity::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a process or container came to its end, in the contract's closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum KillKind {
    #[default]
    MemcgContainer,
    MemcgPod,
    MemcgService,
    NodeOom,
    Eviction,
    ChildProcess,
    OomGroup,
    ProbeKill,
    Sigterm,
    RuntimeAbort,
    UserspaceOomd,
}

impl KillKind {
    /// The contract's word.
    pub fn word(self) -> &'static str {
        match self {
            KillKind::MemcgContainer => "memcg-container",
            KillKind::MemcgPod => "memcg-pod",
            KillKind::MemcgService => "memcg-service",
            KillKind::NodeOom => "node-oom",
            KillKind::Eviction => "eviction",
            KillKind::ChildProcess => "child-process",
            KillKind::OomGroup => "oom-group",
            KillKind::ProbeKill => "probe-kill",
            KillKind::Sigterm => "sigterm",
            KillKind::RuntimeAbort => "runtime-abort",
            KillKind::UserspaceOomd => "userspace-oomd",
        }
    }

    /// Whether the kernel or a memory manager did it because memory ran out.
    pub fn is_memory(self) -> bool {
        !matches!(self, KillKind::ProbeKill | KillKind::Sigterm)
    }
}

/// `constraint=` of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    Memcg,
    None,
    Cpuset,
    MemoryPolicy,
}

/// Level in the cgroup tree whose limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitLevel {
    Container,
    Pod,
    Kubepods,
    Service,
    Node,
}

impl LimitLevel {
    pub fn word(self) -> &'static str {
        match self {
            LimitLevel::Container => "container",
            LimitLevel::Pod => "pod",
            LimitLevel::Kubepods => "kubepods",
            LimitLevel::Service => "service",
            LimitLevel::Node => "node",
        }
    }
}

/// A process that was killed. Unknown figures are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Victim {
    pub pid: Option<u32>,
    pub comm: Option<String>,
    pub uid: Option<u32>,
    pub total_vm_bytes: Option<Bytes>,
    pub anon_rss_bytes: Option<Bytes>,
    pub file_rss_bytes: Option<Bytes>,
    pub shmem_rss_bytes: Option<Bytes>,
    pub pgtables_bytes: Option<Bytes>,
    pub oom_score_adj: Option<i32>,
}

/// A row of the report's task table, page counts turned into bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub pid: u32,
    pub uid: Option<u32>,
    pub tgid: Option<u32>,
    pub comm: String,
    pub total_vm_bytes: Option<Bytes>,
    pub rss_bytes: Option<Bytes>,
    pub anon_rss_bytes: Option<Bytes>,
    pub file_rss_bytes: Option<Bytes>,
    pub shmem_rss_bytes: Option<Bytes>,
    pub pgtables_bytes: Option<Bytes>,
    pub swap_bytes: Option<Bytes>,
    pub oom_score_adj: Option<i32>,
}

/// One out-of-memory report of the kernel. `victims` is empty when no killable process was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OomKill {
    /// Task that asked for memory: a thread name and its pid.
    pub trigger_comm: Option<String>,
    pub trigger_pid: Option<u32>,
    pub gfp_order: Option<i32>,
    pub victims: Vec<Victim>,
    pub constraint: Option<Constraint>,
    /// cgroup whose limit was hit, as printed.
    pub oom_memcg: Option<String>,
    /// cgroup of the chosen task, as printed.
    pub task_memcg: Option<String>,
    pub limit_level: Option<LimitLevel>,
    pub limit_bytes: Option<Bytes>,
    pub usage_bytes: Option<Bytes>,
    pub swap_usage_bytes: Option<Bytes>,
    /// `failcnt` (v1) or the `max` counter (v2): not a kill count.
    pub failcnt: Option<u64>,
    /// `memory.oom.group` took the whole cgroup.
    pub group_kill: bool,
    /// Release of the running kernel, if the report's CPU line was there.
    pub kernel: Option<String>,
    /// QoS class read from the cgroup path.
    pub qos: Option<&'static str>,
    pub tasks: Vec<Task>,
    /// memory.stat as printed; sizes in bytes, counters as counts.
    pub memcg_stats: BTreeMap<String, u64>,
    /// Boot id or number within the artifact, where the carrier shows it.
    pub boot: Option<String>,
    pub uptime_seconds: Option<f64>,
    /// Reports folded into this one (a storm), at least 1.
    pub count: u64,
    /// Manual kill by SysRq f.
    pub sysrq: bool,
}
