//! One incident: every fact with its time and owner, what correlation derived, and the inventory. Rules and reports read this.

use super::Owner;
use super::account::{Account, CutDump};
use super::alert::Alert;
use super::calltree::CallTree;
use super::cgroup::CgroupReading;
use super::delta::Delta;
use super::diagnostic::Diagnostics;
use super::kill::Kill;
use super::log::LogWord;
use super::node::{BootAnchor, MemInfo, MissingEvidence, NodeState, ProcessReading};
use super::observation::Placed;
use super::oom::OomKill;
use super::pod::{ConfigState, KubeEvent, PodState, SizingPolicy, UsageReading, WorkloadState};
use super::profile::HeapProfile;
use super::series::Series;
use super::source::{ArtifactId, Cite};
use super::source_map::SourceMap;
use super::time::When;
use super::trend::Trend;
use super::workload::Controller;
use std::collections::BTreeMap;

/// One artifact in the inventory.
#[derive(Debug, Clone, Default)]
pub struct ArtifactInfo {
    pub id: ArtifactId,
    pub path: String,
    /// Format name, or `unknown`.
    pub format: &'static str,
    /// Whose it is, judging by its path or by what it was found in.
    pub who: super::Claim,
    /// Unpacked size in bytes.
    pub bytes: u64,
    pub facts: usize,
    /// Earliest and latest time of the artifact's facts.
    pub time_range: Option<When>,
    pub diagnostics: Diagnostics,
}

impl ArtifactInfo {
    /// A format recognised the artifact (which does not mean that it found facts in it).
    pub fn is_read(&self) -> bool {
        !matches!(self.format, "unknown" | "refused")
    }
}

/// One input of the run.
#[derive(Debug, Clone, Default)]
pub struct InputInfo {
    pub path: String,
    /// Unpacked size of all its artifacts.
    pub bytes: u64,
    /// SHA-256 over its sorted (member path, content) pairs, hex.
    pub sha256: String,
}

/// An ending that memory is not known to have caused.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OtherEnding {
    pub at: Option<When>,
    /// The pod, and the container where it was one's own ending.
    pub owner: Owner,
    /// What happened and how it is read, in one clause.
    pub says: String,
    pub code: Option<i32>,
    /// It was told to stop: how every rollout ends.
    pub stop: bool,
    /// Who or what ended it is known.
    pub known: bool,
    pub cite: Cite,
}

/// A series with its owner.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedSeries {
    pub owner: Owner,
    pub cite: Cite,
    pub what: Series,
}

/// A comparison of successive profiles of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedDelta {
    pub owner: Owner,
    /// Interval from first to last profile.
    pub at: When,
    /// One cite per profile.
    pub cites: Vec<Cite>,
    pub what: Delta,
    /// Growth of the process's total between first and last profile, bytes.
    pub total_growth_bytes: Option<i64>,
}

/// A call tree to draw: of one profile, or of the growth between the first and the last.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedTree {
    pub owner: Owner,
    pub title: String,
    pub tree: CallTree,
}

/// A line of the one timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineEntry {
    pub at: When,
    /// The time as the log writes it, where nothing dates it.
    pub written: Option<super::time::WrittenTime>,
    /// `kill`, `stop`, `ending`, `rollout`, `event`, `alert`, `profile`, `log`, `agent`, `onset`.
    pub kind: &'static str,
    pub owner: Owner,
    pub text: String,
    pub cite: Cite,
}

/// One row of the kill ledger: what each witness counted for an owner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LedgerRow {
    pub owner: Owner,
    /// Witness and its count.
    pub counts: Vec<(String, u64)>,
    /// Why the counts differ, one entry per kind of difference.
    pub differences: Vec<Difference>,
    /// Counts and differences in words.
    pub says: String,
    pub cites: Vec<Cite>,
}

/// Kills that one witness has and another lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub kind: Gap,
    pub count: u64,
    pub reason: String,
}

/// Why two witnesses count differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    Lost,
    Invisible,
    Overwritten,
    UnexplainedStatus,
    CounterRestarted,
    CountedTwice,
    RuntimeNotice,
    Metric,
    ReportLost,
    Folded,
}

impl Gap {
    /// The word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            Gap::Lost => "lost",
            Gap::Invisible => "invisible",
            Gap::Overwritten => "overwritten",
            Gap::UnexplainedStatus => "unexplained-status",
            Gap::CounterRestarted => "counter-restarted",
            Gap::CountedTwice => "counted-twice",
            Gap::RuntimeNotice => "runtime-notice",
            Gap::Metric => "metric",
            Gap::ReportLost => "report-lost",
            Gap::Folded => "folded",
        }
    }
}

/// One death of a node service in its own cgroup, with what led to it and what followed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentCycle {
    /// The node.
    pub owner: Owner,
    /// `kubelet`, `containerd`, …
    pub service: String,
    /// In the order they happened.
    pub stages: Vec<AgentStage>,
    /// `re-oom`, `recovery`, or `open` where the evidence ends too early to tell.
    pub outcome: &'static str,
}

/// `pre-oom`, `active`, `reconciliation`, `recovery` or `re-oom`.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentStage {
    pub kind: &'static str,
    pub at: When,
    pub says: String,
    pub cites: Vec<Cite>,
}

/// Why two names are the same thing; shown in the report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Join {
    pub left: String,
    pub right: String,
    pub reason: String,
}

/// Everything known about the input, in one place.
#[derive(Debug, Default)]
pub struct Incident {
    pub inputs: Vec<InputInfo>,
    pub artifacts: Vec<ArtifactInfo>,
    pub oom_reports: Vec<Placed<OomKill>>,
    pub kills: Vec<Kill>,
    pub other_endings: Vec<OtherEnding>,
    pub pods: Vec<Placed<PodState>>,
    pub workloads: Vec<Placed<WorkloadState>>,
    /// Who makes a pod, by its namespace and name.
    pub controllers: BTreeMap<(Option<String>, String), Controller>,
    pub policies: Vec<Placed<SizingPolicy>>,
    pub configs: Vec<Placed<ConfigState>>,
    pub nodes: Vec<Placed<NodeState>>,
    pub events: Vec<Placed<KubeEvent>>,
    pub alerts: Vec<Placed<Alert>>,
    pub usage: Vec<Placed<UsageReading>>,
    pub series: Vec<PlacedSeries>,
    pub profiles: Vec<Placed<HeapProfile>>,
    pub cgroups: Vec<Placed<CgroupReading>>,
    pub processes: Vec<Placed<ProcessReading>>,
    pub meminfo: Vec<Placed<MemInfo>>,
    pub logs: Vec<Placed<LogWord>>,
    pub boots: Vec<Placed<BootAnchor>>,
    pub missing: Vec<Placed<MissingEvidence>>,
    pub source_maps: Vec<Placed<SourceMap>>,
    pub trends: Vec<Trend>,
    pub deltas: Vec<PlacedDelta>,
    /// What processes' memory was made of, earliest first.
    pub accounts: Vec<Account>,
    /// Heap snapshots that were not finished.
    pub dumps: Vec<CutDump>,
    pub trees: Vec<PlacedTree>,
    /// From the live heap to the limit, for each Go process that tells of itself.
    pub bridges: Vec<super::bridge::Bridge>,
    pub timeline: Vec<TimelineEntry>,
    pub ledger: Vec<LedgerRow>,
    pub agent_cycles: Vec<AgentCycle>,
    pub joins: Vec<Join>,
    /// When the bundle was captured, as far as it can be solved.
    pub capture: Option<When>,
    /// Contradictions between clocks and anchors, in words.
    pub contradictions: Vec<(String, Cite)>,
}

impl Incident {
    pub fn path(&self, id: ArtifactId) -> &str {
        self.artifacts.get(id.0 as usize).map_or("", |a| a.path.as_str())
    }
}
