//! A kernel out-of-memory report, whole: who asked, who died, which limit, what the cgroup held.
//! Source: mm/oom_kill.c and mm/memcontrol.c of Linux 2.6.32 to 6.18; field shapes differ, these meanings do not.

use super::quantity::Bytes;
use super::ram::RamReport;
use super::time::WrittenTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a process or container came to its end, in the closed list of docs/json.md.
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
    /// The word in the documents.
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

/// Processes that keep a node running, by the name the kernel prints: what dies of them is no workload's.
pub const NODE_AGENTS: [&str; 10] =
    ["kubelet", "containerd", "crio", "dockerd", "k3s-server", "k3s-agent", "k3s", "rke2", "hyperkube", "cri-dockerd"];

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

/// Pod UID (with dashes) and container id (64 hex digits) of a cgroup path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupIdentity {
    pub pod_uid: Option<Box<str>>,
    pub container_id: Option<Box<str>>,
}

/// What filled the limit, read from the report's own statistics. Bytes; the residual is what the parts leave over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    pub limit_bytes: Bytes,
    pub usage_bytes: Bytes,
    /// Anonymous memory: heaps and stacks.
    pub anon_bytes: Bytes,
    /// Page cache without shmem: can be reclaimed unless dirty or locked.
    pub file_bytes: Bytes,
    /// tmpfs, shared memory: charged to who wrote it, not freed when a process dies.
    pub shmem_bytes: Bytes,
    pub slab_bytes: Bytes,
    pub kernel_stack_bytes: Bytes,
    pub pagetables_bytes: Bytes,
    pub sock_bytes: Bytes,
    /// Kernel memory that is none of slab, stacks, page tables (percpu, vmalloc, …).
    pub other_kernel_bytes: Bytes,
    /// Usage less all parts; negative when the statistics are older than the usage.
    pub residual_bytes: i64,
}

impl Budget {
    /// All of it that is the kernel's own and no process's.
    pub fn kernel_bytes(&self) -> Bytes {
        let parts = [self.slab_bytes, self.kernel_stack_bytes, self.pagetables_bytes, self.sock_bytes, self.other_kernel_bytes];
        parts.into_iter().fold(0, Bytes::saturating_add)
    }
}

impl OomKill {
    /// Memory of all processes in the task table. A damaged table may claim any size, so the sum stops at what fits.
    pub fn total_rss(&self) -> Bytes {
        self.tasks.iter().filter_map(|t| t.rss_bytes).fold(0, Bytes::saturating_add)
    }

    /// Kind as the report alone tells it: no other witness was heard.
    pub fn kind(&self) -> KillKind {
        if self.group_kill && self.victims.len() > 1 {
            return KillKind::OomGroup;
        }
        match self.limit_level {
            Some(LimitLevel::Pod) => KillKind::MemcgPod,
            Some(LimitLevel::Service) => KillKind::MemcgService,
            Some(LimitLevel::Node | LimitLevel::Kubepods) => KillKind::NodeOom,
            Some(LimitLevel::Container) | None => KillKind::MemcgContainer,
        }
    }

    /// What the charge consisted of; `None` without limit or statistics. Reads v2 keys, and v1's where v2's are absent.
    pub fn budget(&self) -> Option<Budget> {
        let (limit, usage) = (self.limit_bytes?, self.usage_bytes?);
        if self.memcg_stats.is_empty() {
            return None;
        }
        let get = |key: &str| self.memcg_stats.get(key).copied();
        let v1 = get("anon").is_none();
        // v1 prints a cgroup's own pages and, as `total_…`, those of its children too.
        let old = |key: &str| get(&format!("total_{key}")).or_else(|| get(key)).unwrap_or(0);
        let (anon, cache) = if v1 { (old("rss"), old("cache")) } else { (get("anon").unwrap_or(0), get("file").unwrap_or(0)) };
        let shmem = if v1 { old("shmem") } else { get("shmem").unwrap_or(0) };
        let slab =
            get("slab").unwrap_or_else(|| get("slab_reclaimable").unwrap_or(0).saturating_add(get("slab_unreclaimable").unwrap_or(0)));
        let stack = get("kernel_stack").unwrap_or(0);
        let tables = get("pagetables").unwrap_or(0).saturating_add(get("sec_pagetables").unwrap_or(0));
        let named = slab.saturating_add(stack).saturating_add(tables);
        // v1 prints the kernel's share as a limit line of its own, v2 as a statistic.
        let other = match get("kernel").or(self.kmem_usage_bytes.filter(|_| v1)) {
            Some(k) => k.saturating_sub(named),
            None => get("percpu").unwrap_or(0).saturating_add(get("vmalloc").unwrap_or(0)),
        };
        let sock = get("sock").unwrap_or(0);
        // `file` (and v1's `cache`) counts shmem as well.
        let file = cache.saturating_sub(shmem);
        let parts = [anon, file, shmem, slab, stack, tables, sock, other].iter().fold(0u64, |a, b| a.saturating_add(*b));
        let residual = i64::try_from(i128::from(usage) - i128::from(parts)).unwrap_or(i64::MIN);
        Some(Budget {
            limit_bytes: limit,
            usage_bytes: usage,
            anon_bytes: anon,
            file_bytes: file,
            shmem_bytes: shmem,
            slab_bytes: slab,
            kernel_stack_bytes: stack,
            pagetables_bytes: tables,
            sock_bytes: sock,
            other_kernel_bytes: other,
            residual_bytes: residual,
        })
    }
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
    /// Strong keys read from the cgroup path.
    pub identity: CgroupIdentity,
    /// Container runtime and cgroup driver that the path's naming shows.
    pub runtime: Option<&'static str>,
    pub cgroup_driver: Option<&'static str>,
    /// Process that the old selection chose (`Kill process P … or sacrifice child`) where a child died in its stead.
    pub selected_pid: Option<u32>,
    /// Only the kernel's last line was there: the report itself was rate-limited or lost.
    pub report_lost: bool,
    /// Base page size in bytes by which page counts were turned into bytes.
    pub page_size: Option<u64>,
    pub tasks: Vec<Task>,
    /// memory.stat as printed; sizes in bytes, counters as counts.
    pub memcg_stats: BTreeMap<String, u64>,
    /// Boot id or number within the artifact, where the carrier shows it.
    pub boot: Option<String>,
    pub uptime_seconds: Option<f64>,
    /// Reports folded into this one (a storm), at least 1.
    pub count: u64,
    /// Time of the last folded report, where there are several.
    pub last: super::RawTime,
    /// `last` on the common clock; correlation fills it in.
    pub last_at: Option<super::When>,
    /// Manual kill by SysRq f.
    pub sysrq: bool,
    /// The stamp is when a log daemon that started later read the message: the kill is older by an unknown amount.
    pub read_late: bool,
    /// The time as the log writes it, where that dates nothing; correlation fills it in.
    pub written: Option<WrittenTime>,
    /// What a report of the whole node says of its RAM.
    pub ram: RamReport,
    /// v1's `kmem:` line: kernel memory charged to the cgroup, bytes.
    pub kmem_usage_bytes: Option<Bytes>,
}
