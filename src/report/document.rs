//! The report as data: `postmem.report/1`. Everything a page shows is in here, so that any output can be rendered again
//! from the JSON alone (docs/json.md). Composed by `report::compose` from the incident and its verdict; writers only print it.

use crate::model::account::AccountPart;
use crate::model::calltree::{CallTree, TreeNode};
use crate::model::delta::Delta;
use crate::model::finding::{Advice, Culprit, DefectNote, NotEvaluated, Trigger};
use crate::model::graph::Allocator;
use crate::model::{Owner, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub const SCHEMA: &str = "postmem.report/1";

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ReportDoc {
    pub schema: String,
    pub tool: Tool,
    pub inputs: Vec<InputDoc>,
    /// From the earliest to the latest time of any fact.
    pub window: Option<Span>,
    /// What a reader sees first.
    pub headline: Headline,
    pub findings: Vec<FindingDoc>,
    pub kills: Vec<KillDoc>,
    /// Endings that memory is not known to have caused. Left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_endings: Vec<EndingDoc>,
    /// Series judged, the headline of each container first.
    pub trends: Vec<Value>,
    pub deltas: Vec<DeltaDoc>,
    /// What processes' memory was made of.
    #[serde(default)]
    pub accounts: Vec<AccountDoc>,
    /// Heap snapshots that were not finished, and why.
    #[serde(default)]
    pub dumps: Vec<DumpDoc>,
    /// Recordings of allocations: when and where what is alive was allocated. Left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recordings: Vec<RecordingDoc>,
    pub timeline: Vec<TimelineDoc>,
    pub ledger: Vec<LedgerDoc>,
    pub pods: Vec<Value>,
    pub nodes: Vec<Value>,
    pub artifacts: Vec<Value>,
    pub coverage: Vec<CoverageDoc>,
    pub not_evaluated: Vec<NotEvaluated>,
    /// Published defects that fit the versions here, with the evidence they need.
    #[serde(default)]
    pub known_defects: Vec<DefectNote>,
    /// Deaths of node services, stage by stage.
    #[serde(default)]
    pub agent_cycles: Vec<CycleDoc>,
    /// Why names were taken to be the same thing.
    pub joins: Vec<JoinDoc>,
    /// Clocks or sources that contradict each other.
    pub contradictions: Vec<EvidenceRef>,
    pub charts: Vec<Chart>,
    pub flames: Vec<Flame>,
    /// From the live heap to the limit, one for each process that tells enough of itself.
    #[serde(default)]
    pub bridges: Vec<BridgeDoc>,
    /// Quoted lines, grouped by artifact, in order of line.
    pub excerpts: Vec<Excerpt>,
    /// Values replaced by the redactor.
    pub redactions: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct InputDoc {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The way from a process's live heap to its limit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BridgeDoc {
    pub owner: Owner,
    pub time: Span,
    pub rungs: Vec<RungDoc>,
}

/// A level (`live-heap`, `runtime`, `rss`, …), or what lies between two of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RungDoc {
    pub id: String,
    pub name: String,
    pub bytes: i64,
    pub level: bool,
    /// Where it comes from, or what it consists of.
    pub says: String,
    pub evidence: Vec<EvidenceRef>,
}

/// An interval of time; both ends absent means unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub earliest: Option<Timestamp>,
    pub latest: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Headline {
    /// Cause word of the first finding.
    pub cause: String,
    /// The class of incident in words: `Application leak`, `Limit too low`.
    pub class: String,
    /// `harm`, `warn`, `ok` or `unknown`: what colour and glyph the verdict gets.
    pub tone: String,
    /// `strong: 7 findings from 6 sources agree, 0 contradict`.
    pub strength: String,
    /// The verdict in one sentence.
    pub sentence: String,
    /// One or two further sentences; evidence ids in square brackets.
    pub detail: String,
    /// `namespace shop · 2026-11-19 10:00–24:00 UTC`.
    pub scope: String,
    pub first_step: Option<Advice>,
    /// Four numbers.
    pub figures: Vec<Figure>,
}

/// A number worth a box: `OOM kills`, `17`, `in 9 h 58 min, 3 of 3 pods`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figure {
    pub label: String,
    pub value: String,
    pub note: String,
    /// Evidence ids it was computed from.
    pub evidence: Vec<String>,
}

/// A pointer to the bytes behind a statement. `id` (`E1`) is what texts refer to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRef {
    pub id: String,
    pub artifact: String,
    pub line: Option<u32>,
    pub byte_offset: Option<u64>,
    pub byte_len: Option<u32>,
    pub excerpt: String,
    pub says: String,
    /// `Kernel`, `Kubernetes`, `Prometheus`, `Heap`, `Logs`.
    pub source: String,
    pub strength: String,
    pub rule: String,
    /// Further places that say the same: (artifact, line, byte offset).
    pub also: Vec<(String, Option<u32>, u64)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FindingDoc {
    pub id: String,
    pub cause: String,
    pub confidence: f64,
    pub strength: String,
    pub owner: Owner,
    pub also_owners: Vec<Owner>,
    pub sentence: String,
    /// Bytes, bytes per hour, seconds or counts as the name says; whole numbers in the document.
    #[serde(serialize_with = "whole")]
    pub quantities: BTreeMap<String, f64>,
    #[serde(serialize_with = "whole_pairs")]
    pub intervals: BTreeMap<String, [f64; 2]>,
    pub culprits: Vec<Culprit>,
    pub trigger: Option<Trigger>,
    pub evidence: Vec<EvidenceRef>,
    pub against: Vec<EvidenceRef>,
    pub advice: Vec<Advice>,
    /// Rival explanations and why they were set aside.
    pub ruled_out: Vec<RuledOut>,
}

/// A rival cause: what it is, why it is not it, and how sure: `ruled out`, `unlikely`, `not settled`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RuledOut {
    pub cause: String,
    pub hypothesis: String,
    pub why: String,
    pub status: String,
    pub evidence: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KillDoc {
    pub time: Span,
    pub kind: String,
    pub owner: Owner,
    pub victim: Value,
    pub limit_level: Option<String>,
    /// The limit in force at the kill.
    pub limit_bytes: Option<u64>,
    /// How it is known: `kernel report`, `container status`, `pod specification`, …; empty without one.
    #[serde(default)]
    pub limit_basis: String,
    /// The limit that holds now, where it is another, and why it differs.
    #[serde(default)]
    pub limit_now_bytes: Option<u64>,
    #[serde(default)]
    pub limit_now_why: String,
    pub usage_bytes: Option<u64>,
    pub victims: Vec<Value>,
    pub count: u64,
    /// When the last of several folded reports was written.
    #[serde(default)]
    pub last_time: Option<Span>,
    /// The time as the log writes it, where nothing dates that log and `time` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_written: Option<String>,
    pub exit_code: Option<i32>,
    pub witnesses: Vec<String>,
    pub evidence: Vec<EvidenceRef>,
    /// What does not fit this reading.
    #[serde(default)]
    pub against: Vec<EvidenceRef>,
    /// Parts of the charge at the kill in bytes by name, residual included, largest first.
    pub budget: Vec<(String, u64)>,
}

/// An ending that is no kill of the ledger: a SIGKILL of an unknown sender, a crash, a stop on request, an eviction for disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EndingDoc {
    pub time: Span,
    pub owner: Owner,
    /// What happened and how it is read.
    pub says: String,
    pub exit_code: Option<i32>,
    /// It was told to stop.
    pub stop: bool,
    /// Who or what ended it is known.
    pub known: bool,
    pub evidence: EvidenceRef,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeltaDoc {
    pub owner: Owner,
    pub time: Span,
    pub total_growth_bytes: Option<i64>,
    #[serde(flatten)]
    pub body: Delta,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AccountDoc {
    pub owner: Owner,
    pub time: Span,
    /// `RSS` or `working set`.
    pub total_of: String,
    pub total_bytes: u64,
    pub parts: Vec<AccountPart>,
    /// What the figures do not show, in words.
    pub note: Option<String>,
    pub evidence: Vec<EvidenceRef>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DumpDoc {
    pub owner: Owner,
    pub time: Span,
    pub path: String,
    pub headroom_bytes: Option<u64>,
    pub needed_bytes: Option<u64>,
    pub says: String,
    pub evidence: Vec<EvidenceRef>,
}

/// A recording of allocations (`.heaptimeline`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecordingDoc {
    pub owner: Owner,
    pub time: Span,
    pub path: String,
    /// Earliest first; seconds since recording began.
    pub births: Vec<BirthDoc>,
    /// Most bytes first.
    pub allocated: Vec<Allocator>,
    pub evidence: Vec<EvidenceRef>,
}

/// What is alive of what was allocated in a span of time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BirthDoc {
    pub from_seconds: f64,
    pub to_seconds: f64,
    pub objects: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TimelineDoc {
    pub time: Span,
    /// The time as the log writes it, where nothing dates that log and `time` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_written: Option<String>,
    /// How the time is known: `stated`, `age-of-capture`, …
    pub basis: String,
    pub kind: String,
    pub owner: Owner,
    pub text: String,
    pub evidence: EvidenceRef,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LedgerDoc {
    pub owner: Owner,
    pub counts: Vec<(String, u64)>,
    /// Why the counts differ.
    #[serde(default)]
    pub differences: Vec<DifferenceDoc>,
    pub says: String,
    pub evidence: Vec<EvidenceRef>,
}

/// One death of a node service: what led to it, what followed, how it ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CycleDoc {
    pub owner: Owner,
    pub service: String,
    /// `re-oom`, `recovery` or `open`.
    pub outcome: String,
    pub stages: Vec<StageDoc>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StageDoc {
    /// `pre-oom`, `active`, `reconciliation`, `recovery` or `re-oom`.
    pub kind: String,
    pub time: Span,
    pub says: String,
    pub evidence: Vec<EvidenceRef>,
}

/// Kills that one source has and another lacks: `lost`, `invisible`, `overwritten`, …
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DifferenceDoc {
    pub kind: String,
    pub count: u64,
    pub reason: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CoverageDoc {
    pub source: String,
    /// `read`, `partial` or `missing`.
    pub status: String,
    /// What was found, in words.
    pub found: String,
    pub settles: String,
    pub command: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JoinDoc {
    pub left: String,
    pub right: String,
    pub reason: String,
}

/// Memory over time of one container, ready to draw. Times are Unix seconds, values bytes; points are already thinned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Chart {
    pub id: String,
    pub owner: Owner,
    pub title: String,
    /// Drawn large (the headline's container) or as a small multiple.
    pub main: bool,
    pub limit_bytes: Option<f64>,
    pub request_bytes: Option<f64>,
    pub lines: Vec<ChartLine>,
    pub marks: Vec<Mark>,
    /// Forecast band: (time, low, mid, high).
    pub forecast: Vec<[f64; 4]>,
    /// Seconds from the last sample to the limit: earliest, likeliest, latest of an 80 % interval.
    #[serde(default)]
    pub eta_seconds: Option<[f64; 3]>,
    /// Lives between restarts.
    pub runs: Vec<ChartRun>,
    /// Where the points come from.
    pub source: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ChartRun {
    pub start: f64,
    pub end: f64,
    pub first_bytes: f64,
    pub peak_bytes: f64,
    pub slope_bytes_per_hour: Option<f64>,
    pub ended: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ChartLine {
    /// `working set`, `rss`, `cache`, `heap used`.
    pub name: String,
    /// (Unix seconds, bytes); a gap is a new segment.
    pub segments: Vec<Vec<[f64; 2]>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Unix seconds.
    pub time: f64,
    /// `kill`, `restart`, `rollout`, `snapshot`, `event`.
    pub kind: String,
    pub label: String,
}

/// A call tree to draw as a flame graph. Children follow their parent in depth-first order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Flame {
    pub id: String,
    pub title: String,
    /// `plain` or `diff`.
    pub kind: String,
    pub unit: String,
    pub nodes: Vec<FlameNode>,
    /// Ready-made SVG without anything executable, where another drawer made it.
    pub svg: Option<String>,
    /// Frames pruned and their share of the whole, in words.
    pub dropped: String,
}

impl Flame {
    /// The frames of a tree, without a drawing.
    pub fn of(tree: &CallTree) -> Self {
        let node = |n: &TreeNode| FlameNode { depth: n.depth, name: n.name.clone(), before: n.before, after: n.after };
        Flame { unit: tree.unit.clone(), nodes: tree.nodes.iter().map(node).collect(), ..Flame::default() }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FlameNode {
    pub depth: u32,
    pub name: String,
    pub before: i64,
    pub after: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Excerpt {
    pub artifact: String,
    pub lines: Vec<ExcerptLine>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExcerptLine {
    /// Absent for binary artifacts, where `byte_offset` counts.
    pub line: Option<u32>,
    pub byte_offset: u64,
    pub text: String,
    /// Evidence ids that point here.
    pub evidence: Vec<String>,
}

fn whole<S: serde::Serializer>(map: &BTreeMap<String, f64>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(map.iter().map(|(k, v)| (k, v.round() as i64)))
}

fn whole_pairs<S: serde::Serializer>(map: &BTreeMap<String, [f64; 2]>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(map.iter().map(|(k, v)| (k, v.map(|x| x.round() as i64))))
}
