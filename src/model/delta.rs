//! What comparing 2..N profiles of one process gives: the `postmem.diff/1` document (docs/json.md), and the flags that shape its rows.

use super::graph::RepeatedStrings;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How rows are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupBy {
    Class,
    Constructor,
    Retainer,
    Function,
    FileFunction,
    Line,
    File,
    Address,
    Traceback,
    Package,
    Label,
    /// What a goroutine was started by, where the dump says it, else what it was started with.
    Goroutine,
}

/// Row flags of `diff` and `inspect`.
#[derive(Debug, Clone, Default)]
pub struct RowOptions {
    pub measure: Option<String>,
    pub by: Option<GroupBy>,
    pub cumulative: bool,
    /// Rows kept; `None` is the default of 50, `Some(0)` all.
    pub top: Option<usize>,
    pub focus: Option<String>,
    pub ignore: Option<String>,
    pub hide: Option<String>,
    pub show_from: Option<String>,
    pub normalize: bool,
    /// Percentages and scaling as `go tool pprof -base` does.
    pub pprof_base: bool,
    /// Object ids to answer for (`inspect --nodes`).
    pub nodes: Vec<u64>,
    pub show_strings: bool,
}

impl RowOptions {
    pub const DEFAULT_TOP: usize = 50;

    /// Number of rows to keep.
    pub fn limit(&self) -> usize {
        match self.top {
            None => Self::DEFAULT_TOP,
            Some(0) => usize::MAX,
            Some(n) => n,
        }
    }
}

/// `postmem.diff/1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    pub schema: String,
    pub format: String,
    /// Whether the snapshots are of one process; `None` when it cannot be told.
    pub same_process: Option<bool>,
    pub measures: Vec<String>,
    pub measure: String,
    pub snapshots: Vec<SnapshotInfo>,
    pub rows: Vec<DeltaRow>,
    pub suspects: Vec<Suspect>,
    /// Strings that the last snapshot holds more than once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeated_strings: Option<RepeatedStrings>,
    /// What was dropped or could not be known, in words.
    pub limits: Vec<String>,
    /// Comparisons of the other kinds of profiles that both inputs hold, where they are directories or archives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Delta>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    pub path: String,
    pub time: Option<Timestamp>,
    pub total_bytes: Option<i64>,
    pub objects: Option<i64>,
    pub truncated: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Amount {
    pub count: Option<i64>,
    pub bytes: Option<i64>,
    pub retained_bytes: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub count: Option<i64>,
    pub bytes: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeltaRow {
    /// `class`, `function`, `line`, `file`, `traceback` or `goroutine`.
    pub kind: String,
    pub key: String,
    pub name: String,
    pub location: Option<String>,
    pub before: Amount,
    pub after: Amount,
    pub added_count: Option<i64>,
    pub removed_count: Option<i64>,
    pub added_bytes: Option<i64>,
    pub removed_bytes: Option<i64>,
    pub count_delta: Option<i64>,
    pub bytes_delta: Option<i64>,
    pub retained_delta: Option<i64>,
    /// One standard error of `bytes_delta`, where the profile was sampled.
    pub error_bytes: Option<i64>,
    /// Value with callees, where asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cumulative_delta: Option<i64>,
    pub steps: Vec<Step>,
    /// `every-step`, `plateau`, `step`, `churn`, `shrank`, `new` or `gone`.
    pub trend: String,
    /// By what it was matched across two builds where not by its key: `line`, `function`, `name` or `package`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched: Option<String>,
    /// Its key in the earlier build.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub was: Option<String>,
}

/// One hop of a retaining path, from the root down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PathStep {
    pub edge: String,
    pub node: String,
    pub class: String,
    /// What an object of its kind is called: the file of a module, the function of a generator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// Where in the program's source a function or the class of an object is defined, `path:line:column` from 1; of a scope
    /// only the file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<String>,
    pub retained_bytes: Option<i64>,
}

/// Goroutines and live heap that grew at the same rate, per occurrence of what leaks them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PerEvent {
    /// Occurrences between the first and the last snapshot.
    pub events: i64,
    pub goroutines: i64,
    pub bytes: Option<i64>,
    /// What the goroutines were started with.
    pub entries: Vec<String>,
    pub created_by: Vec<String>,
}

/// Who is to blame for growth, best first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    pub name: String,
    /// Leak-pattern id: `listener-leak`, `unbounded-cache`, `closure-context`, `site-growth`, …
    pub pattern: String,
    /// One sentence with numbers and units.
    pub why: String,
    /// What usually mends the pattern; none where there is nothing to say but to bound or release it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    pub retained_bytes: Option<i64>,
    pub growth_bytes: Option<i64>,
    /// Growth per hour in the measure's unit: what can be relied on, the estimate, and the most that sampling leaves open;
    /// where the captures have times and lie a minute or more apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth_per_hour: Option<[i64; 3]>,
    pub objects_added: Option<i64>,
    pub path: Vec<PathStep>,
    /// Source places or functions that belong to it.
    pub sites: Vec<String>,
    /// Its value in each snapshot, where it is one of allocation sites or goroutines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What one occurrence of the leak costs, where goroutines and heap tell it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_event: Option<PerEvent>,
    /// The culprit by its kinds in docs/json.md: (`class`, `CheckoutContext`), (`function`, …).
    #[serde(default)]
    pub culprits: Vec<(String, String)>,
}
