//! V8 heap snapshots (`.heapsnapshot`) and allocation timelines (`.heaptimeline`) as Node 12 to 25, Chrome and other V8
//! embedders write them: one JSON object of flat integer arrays with the string table last. The field layout is read from
//! the file's own `meta`. Semantics that give Chrome DevTools' numbers (sizes moved to owners, essential edges, class
//! names) are applied here, so that `heap` only sees neutral columns.
//!
//! Spec: V8's `HeapSnapshotJSONSerializer`; DevTools' heap snapshot worker for the meaning.
//! Refuses to: hold the file, compute dominators, trust a count in the header, invent names for a file that lost them.

mod columns;
mod exports;
mod header;
mod integers;
mod names;
mod ownership;
mod reader;
mod sections;
mod shapes;
mod text;
mod traces;

use super::{Format, Head, Input, Lane, Match};
use crate::model::graph::HeapGraph;
use crate::model::profile::{HeapProfile, Measure, ProfileBody};
use crate::model::time::civil;
use crate::model::{Facts, Observation, RawTime};

pub struct V8HeapSnapshot;

impl Format for V8HeapSnapshot {
    fn name(&self) -> &'static str {
        "v8-heapsnapshot"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        sniff(head, ".heapsnapshot", |head| !recorded_allocations(head))
    }

    fn lane(&self, _len: u64) -> Lane {
        Lane::Parallel
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse(self.name(), input, out);
    }
}

/// The same file with allocation records: what was allocated when, and where.
pub struct V8HeapTimeline;

impl Format for V8HeapTimeline {
    fn name(&self) -> &'static str {
        "v8-heaptimeline"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        sniff(head, ".heaptimeline", recorded_allocations)
    }

    fn lane(&self, _len: u64) -> Lane {
        Lane::Parallel
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse(self.name(), input, out);
    }
}

/// By content: the header's first key. An empty file is claimed by its name: pods die while dumping.
fn sniff(head: &Head<'_>, ending: &str, mine: impl Fn(&Head<'_>) -> bool) -> Match {
    if head.bytes.is_empty() {
        return if head.complete && head.file_name().ends_with(ending) { Match::Certain } else { Match::No };
    }
    let Some(rest) = head.trimmed().strip_prefix(b"{") else { return Match::No };
    if !rest.trim_ascii_start().starts_with(b"\"snapshot\"") || !mine(head) {
        return Match::No;
    }
    if memchr::memmem::find(head.bytes, b"\"node_fields\"").is_some() { Match::Certain } else { Match::Weak }
}

/// A timeline says in its header how many functions it traced.
fn recorded_allocations(head: &Head<'_>) -> bool {
    let key = b"\"trace_function_count\":";
    memchr::memmem::find(head.bytes, key)
        .and_then(|at| head.bytes.get(at + key.len()..))
        .is_some_and(|rest| rest.trim_ascii_start().first().is_some_and(|b| (b'1'..=b'9').contains(b)))
}

fn parse(format: &'static str, input: &Input<'_>, out: &mut Facts) {
    let Some(file) = input.stream(out) else { return };
    let (at, pid) = named(input.file_name());
    let mut who = input.who.clone();
    if who.pid.is_none() {
        who.pid = pid;
    }
    let Some((graph, head)) = sections::read(file, input.len, out) else {
        // A file without content still tells that, when and by whom one was begun.
        if input.len == Some(0) {
            let what = HeapProfile { format, process: pid.map(|p| format!("pid {p}")), truncated: true, ..HeapProfile::default() };
            let cite = out.cite(0, None, b"");
            out.profiles.push(Observation { at, who, cite, what });
        }
        return;
    };
    let (nodes, bytes) = (graph.nodes(), graph.total_bytes());
    let mut profile = HeapProfile {
        format,
        process: pid.map(|p| format!("pid {p}")),
        measures: vec![Measure { name: "bytes".into(), unit: "bytes".into() }, Measure { name: "objects".into(), unit: "count".into() }],
        totals: vec![i64::try_from(bytes).unwrap_or(i64::MAX), nodes as i64],
        truncated: head.edges_lost || head.names_lost,
        ..HeapProfile::default()
    };
    for (name, value) in head.extra {
        profile.extra.insert(name.into(), i64::try_from(value).unwrap_or(i64::MAX));
    }
    profile.body = ProfileBody::Graph(Box::new(HeapGraph {
        nodes: nodes as u64,
        columns: Some(Box::new(graph)),
        edges_lost: head.edges_lost,
        names_lost: head.names_lost,
        ..HeapGraph::default()
    }));
    let cite = out.cite(0, Some(1), &head.excerpt);
    out.profiles.push(Observation { at, who, cite, what: profile });
}

/// Time and process from the names V8 and Node give: `Heap.20260805.172936.1.0.001.heapsnapshot`,
/// `Heap-20260913T…-…` and `Heap-YYYYMMDD-HHMMSS-PID-…`.
fn named(file: &str) -> (RawTime, Option<u32>) {
    let mut numbers = file.split(|c: char| !c.is_ascii_digit()).filter(|s| !s.is_empty());
    while let Some(day) = numbers.next() {
        let Some(clock) = (day.len() == 8).then(|| numbers.next()).flatten() else { continue };
        if clock.len() != 6 {
            continue;
        }
        let n = |s: &str, a: usize, b: usize| s.get(a..b).and_then(|s| s.parse::<u32>().ok());
        let time = || civil(n(day, 0, 4)?.into(), n(day, 4, 6)?, n(day, 6, 8)?, n(clock, 0, 2)?, n(clock, 2, 4)?, n(clock, 4, 6)?, 0);
        if let Some(civil) = time() {
            let pid = numbers.next().and_then(|p| p.parse().ok());
            return (RawTime::FromName { civil, utc: false }, pid.filter(|_| file.starts_with("Heap")));
        }
    }
    (RawTime::Absent, None)
}
