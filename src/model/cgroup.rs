//! Readings of memory cgroup files, v1 and v2 (Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst).

use std::collections::BTreeMap;

/// One file (or a group of files of one cgroup) read at one moment. Sizes in bytes; `max` is absent for "max".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CgroupReading {
    /// 1 or 2, where it can be told.
    pub version: Option<u8>,
    /// cgroup path as found in the artifact's path or text, and the strong keys in it.
    pub path: Option<String>,
    pub identity: super::oom::CgroupIdentity,
    /// File name as found or inferred: `memory.current`, `memory.stat`, `memory.events`, …
    pub file: String,
    /// Single value of a one-number file.
    pub value: Option<u64>,
    /// Keyed values of `memory.stat`, `memory.events`, `memory.oom_control`, …
    pub values: BTreeMap<String, u64>,
    /// `memory.pressure`: `some.avg10` → per cent, `some.total` → µs.
    pub pressure: BTreeMap<String, f64>,
}
