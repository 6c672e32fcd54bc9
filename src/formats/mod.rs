//! Formats: bytes in, facts out. One file or folder per format, one line in [`FORMATS`].
//!
//! # How to add a format
//! 1. Put a small real sample in `samples/formats/<name>/`.
//! 2. Create `<name>.rs`: a unit struct with `name`, `sniff` (the strongest cheap sign of the *content*; a file name is
//!    weaker evidence) and `parse` into existing facts. `parse` cannot fail: trouble goes to `out.diagnostics`, with the
//!    line or byte offset, and what came before the damage is kept.
//! 3. Add `pub mod` and one `FORMATS` line below.
//! 4. Run the tests once with `INSTA_UPDATE=always`, and read the new golden as a reviewer would.
//!
//! A format never uses another format, never opens files, never makes a `When` of a `RawTime`, never reads the clock.

pub mod alerts;
pub mod app_log;
pub mod cgroup_files;
pub mod class_histogram;
pub mod collection_stamp;
pub mod collector_errors;
pub mod columns;
pub mod container_runtime;
pub mod contention_text;
pub mod decimal;
pub mod goroutine_text;
pub mod grafana;
pub mod heap_scale;
pub mod heap_text;
pub mod host_clock;
pub mod input;
pub mod java_heapz;
pub mod json_salvage;
pub mod kernel_log;
pub mod kube_describe;
pub mod kube_objects;
pub mod kube_tables;
pub mod line_parts;
pub mod lines;
pub mod log_answer;
pub mod log_line;
pub mod memray;
pub mod metric_answer;
pub mod metric_labels;
pub mod nmt;
pub mod node_report;
pub mod openmetrics;
pub mod pprof;
pub mod proc_files;
pub mod prometheus_api;
pub mod prompts;
pub mod promtool_text;
pub mod ps_table;
pub mod series_set;
pub mod source_map;
pub mod stack_builder;
pub mod tracemalloc_pickle;
pub mod tracemalloc_text;
pub mod transcript;
pub mod tsdb_block;
pub mod tsdb_dump;
pub mod v8_heapprofile;
pub mod v8_heapsnapshot;

pub use input::{Head, Input, Open};

use crate::model::Facts;

/// How sure a format is that the bytes are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    No,
    Weak,
    Likely,
    Certain,
}

/// Which lane of the schedule a format runs in: `Parallel` only if `parse` itself uses rayon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Serial,
    Parallel,
}

pub trait Format: Sync {
    /// Kebab-case, named for the bytes.
    fn name(&self) -> &'static str;
    /// Looks at the path and the first 64 KiB; must not allocate much.
    fn sniff(&self, head: &Head<'_>) -> Match;
    fn lane(&self, _len: u64) -> Lane {
        Lane::Serial
    }
    /// Cannot fail: trouble goes to `out.diagnostics`.
    fn parse(&self, input: &Input<'_>, out: &mut Facts);
}

/// Every format; the highest match wins, a tie takes list order.
pub static FORMATS: &[&dyn Format] = &[
    &transcript::Transcript,
    &collector_errors::CollectorErrors,
    &collection_stamp::CollectionStamp,
    &host_clock::HostClock,
    // Its rows begin with times as log lines do; the header decides.
    &grafana::GrafanaCsv,
    // Before log answers: a table of counters has the shape of a table of lines.
    &metric_answer::MetricAnswer,
    // Before the readers of the lines that it takes out.
    &log_answer::LogAnswer,
    &kernel_log::KernelLog,
    &kernel_log::ServiceLog,
    &source_map::SourceMapFile,
    &cgroup_files::CgroupFiles,
    &proc_files::ProcFiles,
    &ps_table::PsTable,
    &container_runtime::tables::RuntimeTables,
    &container_runtime::ContainerRuntime,
    &alerts::Alerts,
    &grafana::GrafanaFrames,
    &promtool_text::PromtoolText,
    &prometheus_api::VictoriaExport,
    &prometheus_api::PrometheusApi,
    &openmetrics::OpenMetrics,
    &tsdb_dump::TsdbDump,
    &tsdb_block::TsdbBlock,
    &tsdb_block::TsdbPart,
    &tsdb_block::TsdbWal,
    &kube_describe::KubeDescribe,
    &tracemalloc_pickle::TracemallocPickle,
    &kube_objects::KubeObjects,
    &kube_tables::KubeTables,
    &pprof::Pprof,
    &v8_heapsnapshot::V8HeapSnapshot,
    &v8_heapsnapshot::V8HeapTimeline,
    &v8_heapprofile::V8HeapProfile,
    &node_report::NodeReport,
    &heap_text::HeapText,
    &java_heapz::JavaHeapz,
    &contention_text::ContentionText,
    &goroutine_text::GoroutineText,
    &class_histogram::ClassHistogram,
    &nmt::Nmt,
    &tracemalloc_text::TracemallocText,
    &memray::MemrayCsv,
    &memray::MemrayStats,
    &app_log::GcLog,
    &app_log::AppLog,
];

/// The format that claims `head` most strongly.
pub fn detect(head: &Head<'_>) -> Option<(&'static dyn Format, Match)> {
    let mut best: Option<(&'static dyn Format, Match)> = None;
    for &f in FORMATS {
        let m = f.sniff(head);
        if m > best.map_or(Match::No, |(_, b)| b) {
            best = Some((f, m));
        }
    }
    best
}

/// What `format` reads in `bytes`, as an artifact of its own; for tests, fuzzing and callers without a bundle.
pub fn parse_bytes(format: &dyn Format, path: &str, bytes: &[u8]) -> Facts {
    let artifact = crate::model::ArtifactId::default();
    let mut facts = Facts::new(artifact);
    let len = Some(bytes.len() as u64);
    let input = Input { artifact, path, len, who: crate::model::Claim::default(), source: &bytes };
    format.parse(&input, &mut facts);
    facts
}
