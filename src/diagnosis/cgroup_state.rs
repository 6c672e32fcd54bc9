//! What the memory cgroup of a container held when its files were read: the last reading of each, put together.
//!
//! Names of both versions come down to one (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). The files tell
//! of one moment: of a container that has just started they say nothing about what filled the one before.

use crate::model::cgroup::CgroupReading;
use crate::model::{Cite, Index, Owner, Placed, When};

/// Sizes in bytes; `None` where the file or key was not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CgroupState {
    pub current: Option<f64>,
    pub max: Option<f64>,
    /// Above it the kernel throttles and reclaims, without a kill.
    pub high: Option<f64>,
    pub anon: Option<f64>,
    /// All page cache, files in memory included.
    pub file: Option<f64>,
    pub shmem: Option<f64>,
    pub inactive_file: Option<f64>,
    /// Slab, stacks, page tables, sockets and the rest.
    pub kernel: Option<f64>,
    /// Times that the cgroup was throttled at `memory.high`.
    pub high_events: u64,
    /// Per cent of the last minute in which some task waited for memory.
    pub stalled: Option<f64>,
    /// When the newest file was read, where that is known.
    pub at: Option<When>,
    /// Where the figures stand, in the order of the files.
    pub cites: Vec<Cite>,
}

/// Per cent of the time lost to waiting for memory from which on users notice: systemd-oomd kills at 60 % by default, and a
/// service answers late long before.
const STALLED: f64 = 10.0;

/// v1 writes "no limit" as the largest multiple of the page size below 2^63.
const UNLIMITED: u64 = 1 << 60;

impl CgroupState {
    /// The state of the owner's own cgroup. None where no such file is in the input.
    pub fn of(incident: &Index<'_>, owner: &Owner) -> Option<CgroupState> {
        CgroupState::read(incident.cgroups_of(owner).filter(|c| c.owner.container.is_some() && c.owner.same_container(owner)))
    }

    /// Readings of one cgroup, put together; of two readings of a file the later wins.
    pub fn read<'a>(readings: impl Iterator<Item = &'a Placed<CgroupReading>>) -> Option<CgroupState> {
        let mut readings: Vec<&Placed<CgroupReading>> = readings.collect();
        readings.sort_by_key(|r| r.at.latest);
        let mut s = CgroupState::default();
        for r in readings {
            s.take(&r.what);
            s.at = Some(r.at).filter(When::is_known).or(s.at);
            s.cites.push(r.cite.clone());
        }
        (!s.cites.is_empty()).then_some(s)
    }

    fn take(&mut self, r: &CgroupReading) {
        let value = r.value.filter(|v| *v < UNLIMITED).map(|v| v as f64);
        match r.file.as_str() {
            "memory.current" | "memory.usage_in_bytes" => self.current = value.or(self.current),
            "memory.max" | "memory.limit_in_bytes" => self.max = value.or(self.max),
            "memory.high" => self.high = value.or(self.high),
            "memory.events" => self.high_events = self.high_events.max(r.values.get("high").copied().unwrap_or(0)),
            "memory.pressure" => self.stalled = r.pressure.get("some.avg60").copied().or(self.stalled),
            "memory.stat" => self.take_parts(r),
            _ => {}
        }
    }

    fn take_parts(&mut self, r: &CgroupReading) {
        let get = |keys: &[&str]| keys.iter().find_map(|k| r.values.get(*k)).map(|v| *v as f64);
        let sum = |keys: &[&str]| keys.iter().filter_map(|k| r.values.get(*k)).map(|v| *v as f64).reduce(|a, b| a + b);
        self.anon = get(&["anon", "total_rss", "rss"]);
        self.file = get(&["file", "total_cache", "cache"]);
        self.shmem = get(&["shmem", "total_shmem"]);
        self.inactive_file = get(&["inactive_file", "total_inactive_file"]);
        // `kernel` is there from 5.18 on; before it the parts are added.
        self.kernel = get(&["kernel"]).or_else(|| sum(&["slab", "kernel_stack", "pagetables", "percpu", "sock"]));
    }

    /// What is charged: the counter itself, or the sum of the parts.
    pub fn usage(&self) -> Option<f64> {
        self.current.or_else(|| Some(self.anon? + self.file? + self.kernel.unwrap_or(0.0)))
    }

    /// The kernel has slowed the container down at `memory.high`. A count above zero is expected of any cgroup that this limit
    /// holds (cgroup-v2.rst); how much time it costs tells whether that hurts.
    pub fn throttled(&self) -> bool {
        self.high.is_some() && self.high_events > 0
    }

    /// Slowed down so that tasks wait for memory for a share of the time that is felt.
    pub fn stalls(&self) -> bool {
        self.throttled() && self.stalled.is_some_and(|s| s >= STALLED)
    }
}
