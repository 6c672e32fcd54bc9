//! Node.js diagnostic reports (`report.*.json`): one JSON object that Node writes on a fatal error, on a signal or when
//! asked. Spec: <https://nodejs.org/api/report.html>. Gives the process's memory as Node saw it (heap by space, external
//! memory, RSS, the limit of its cgroup), its libuv handles, and the fatal error.
//!
//! Environment variables are secrets and are not read.

use super::{Format, Head, Input, Match};
use crate::model::log::{LogPattern, LogWord};
use crate::model::node::ProcessReading;
use crate::model::quantity::{grouped, human_bytes};
use crate::model::time::{Timestamp, parse_iso};
use crate::model::{Facts, Observation, RawTime};
use serde::Deserialize;
use std::collections::BTreeMap;

pub struct NodeReport;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    header: Header,
    javascript_heap: BTreeMap<String, serde_json::Value>,
    resource_usage: BTreeMap<String, serde_json::Value>,
    libuv: Vec<Handle>,
    javascript_stack: Stack,
    /// Reports of worker threads, each with a heap of its own.
    workers: Vec<Worker>,
    user_limits: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Worker {
    javascript_heap: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Header {
    event: String,
    trigger: String,
    dump_event_time: String,
    dump_event_time_stamp: String,
    process_id: Option<u32>,
    command_line: Vec<String>,
    nodejs_version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stack {
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Handle {
    #[serde(rename = "type")]
    kind: String,
    is_active: bool,
}

impl Format for NodeReport {
    fn name(&self) -> &'static str {
        "node-report"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let has = |key: &[u8]| memchr::memmem::find(head.bytes, key).is_some();
        if !head.trimmed().starts_with(b"{") || !has(b"\"reportVersion\"") {
            return Match::No;
        }
        if has(b"\"nodejsVersion\"") && has(b"\"dumpEventTime\"") { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let report: Report = match serde_json::from_slice(&bytes) {
            Ok(r) => r,
            Err(e) => return out.error("truncated", Some(bytes.len() as u64), || format!("the report is not whole: {e}")),
        };
        let at = time(&report.header);
        let mut who = input.who.clone();
        who.pid = who.pid.or(report.header.process_id);
        let quote = |key: &[u8]| {
            let at = memchr::memmem::find(&bytes, key).unwrap_or(0);
            let line = memchr::memchr_iter(b'\n', bytes.get(..at).unwrap_or(&[])).count() + 1;
            (at as u64, Some(line as u32), bytes.get(at..).unwrap_or(&[]))
        };
        let cite = |out: &Facts, key: &[u8]| {
            let (at, line, text) = quote(key);
            out.cite(at, line, text)
        };
        let reading = reading(&report);
        let figures = figures(&reading);
        let place = cite(out, b"\"javascriptHeap\"");
        out.processes.push(Observation { at: at.clone(), who: who.clone(), cite: place, what: reading });
        let h = &report.header;
        let fatal = h.trigger == "OOMError" || h.event.contains("out of memory") || h.event.contains("heap limit");
        let text = match report.javascript_stack.message.as_str() {
            // What the runtime writes where no JavaScript was running.
            "" | "No stack." | "No stack.\nUnavailable." => format!("Node.js {} report: {} ({})", h.nodejs_version, h.event, h.trigger),
            m => format!("Node.js {} report: {} ({}): {m}", h.nodejs_version, h.event, h.trigger),
        };
        let text = if figures.is_empty() { text } else { format!("{text}; {figures}") };
        let pattern = if fatal { LogPattern::V8HeapLimit } else { LogPattern::Note };
        let place = cite(out, b"\"event\"");
        out.logs.push(Observation { at, who, cite: place, what: LogWord { pattern, text, numbers: Vec::new() } });
    }
}

/// The stamp in ms since the epoch where there is one: the written time has no zone before Node 16 and may be local.
fn time(h: &Header) -> RawTime {
    if let Ok(ms) = h.dump_event_time_stamp.parse::<i64>() {
        return RawTime::Utc { at: Timestamp(ms.saturating_mul(1_000_000)), precision: 1_000_000 };
    }
    match parse_iso(h.dump_event_time.as_bytes()) {
        Some(t) => match t.offset_seconds {
            Some(o) => RawTime::Utc { at: t.civil.saturating_sub(i64::from(o) * 1_000_000_000), precision: t.precision },
            None => RawTime::NoZone { civil: t.civil, precision: t.precision },
        },
        None => RawTime::Absent,
    }
}

/// What a reader looks for first, in words: heap and its fullest space, resident memory and limits, handles and threads.
fn figures(r: &ProcessReading) -> String {
    let get = |key: &str| r.values.get(key).copied().filter(|v| *v > 0);
    let mut out: Vec<String> = Vec::new();
    if let Some(used) = get("heap.usedMemory") {
        let limit = get("heap.memoryLimit").map_or(String::new(), |l| format!(" of at most {}", human_bytes(l)));
        let spaces = r.values.iter().filter_map(|(k, v)| Some((k.strip_prefix("heap.")?.strip_suffix(".used")?, *v)));
        let most = spaces.max_by_key(|s| s.1).map_or(String::new(), |(name, v)| format!(", {} of it in {name}", human_bytes(v)));
        out.push(format!("heap {} used{limit}{most}", human_bytes(used)));
    }
    if let Some(external) = get("heap.externalMemory") {
        out.push(format!("{} outside the heap", human_bytes(external)));
    }
    match (r.rss_bytes, get("maxRss")) {
        (Some(rss), Some(most)) => out.push(format!("RSS {}, {} at its peak", human_bytes(rss), human_bytes(most))),
        (None, Some(most)) => out.push(format!("RSS {} at its peak", human_bytes(most))),
        (Some(rss), None) => out.push(format!("RSS {}", human_bytes(rss))),
        (None, None) => {}
    }
    if let Some(limit) = get("constrained_memory") {
        out.push(format!("cgroup limit {}", human_bytes(limit)));
    }
    if let Some(faults) = get("pageFaults.IORequired") {
        out.push(format!("{} page faults that read the disk", grouped(i64::try_from(faults).unwrap_or(i64::MAX))));
    }
    let handles: Vec<String> = r.values.iter().filter_map(|(k, v)| Some(format!("{v} {}", k.strip_prefix("libuv.")?))).take(8).collect();
    if !handles.is_empty() {
        out.push(format!("active handles: {}", handles.join(", ")));
    }
    if let Some(n) = get("workers") {
        let heaps = get("workers.usedMemory").map_or(String::new(), |u| format!(" with {} of heap used", human_bytes(u)));
        out.push(format!("{n} worker threads{heaps}"));
    }
    out.join("; ")
}

fn number(v: Option<&serde_json::Value>) -> Option<u64> {
    v.and_then(|v| v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok())))
}

fn reading(r: &Report) -> ProcessReading {
    let mut values: BTreeMap<String, u64> = BTreeMap::new();
    for (name, value) in &r.javascript_heap {
        if let Some(v) = number(Some(value)) {
            values.insert(format!("heap.{name}"), v);
        }
    }
    for (space, figures) in r.javascript_heap.get("heapSpaces").and_then(|s| s.as_object()).into_iter().flatten() {
        for key in ["used", "committedMemory"] {
            if let Some(v) = number(figures.get(key)) {
                values.insert(format!("heap.{space}.{key}"), v);
            }
        }
    }
    for key in ["maxRss", "constrained_memory", "available_memory", "free_memory", "total_memory"] {
        // "No limit" is written as the largest number there is.
        if let Some(v) = number(r.resource_usage.get(key)).filter(|v| *v < u64::MAX >> 1) {
            values.insert(key.into(), v);
        }
    }
    let faults = r.resource_usage.get("pageFaults");
    for key in ["IORequired", "IONotRequired"] {
        if let Some(v) = number(faults.and_then(|f| f.get(key))) {
            values.insert(format!("pageFaults.{key}"), v);
        }
    }
    // Limits of memory that are set; "unlimited" is no number.
    for (name, limit) in r.user_limits.iter().filter(|(name, _)| name.contains("memory") || name.contains("data_seg")) {
        if let Some(v) = number(limit.get("soft")) {
            values.insert(format!("userLimits.{name}"), v);
        }
    }
    if !r.workers.is_empty() {
        values.insert("workers".into(), r.workers.len() as u64);
        let used = r.workers.iter().filter_map(|w| number(w.javascript_heap.get("usedMemory"))).fold(0, u64::saturating_add);
        values.insert("workers.usedMemory".into(), used);
    }
    for h in &r.libuv {
        if h.is_active && !h.kind.is_empty() {
            *values.entry(format!("libuv.{}", h.kind)).or_default() += 1;
        }
    }
    ProcessReading {
        pid: r.header.process_id,
        comm: Some("node".into()),
        command: (!r.header.command_line.is_empty()).then(|| r.header.command_line.join(" ")),
        rss_bytes: number(r.resource_usage.get("rss")),
        values,
        ..ProcessReading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_fatal_report_in_words() {
        let text = r#"{"header":{"processId":7},"javascriptHeap":{"usedMemory":42267848,"memoryLimit":92274688,"externalMemory":1566111,
            "heapSpaces":{"old_space":{"used":37345088,"committedMemory":38240256},"new_space":{"used":0}}},
            "resourceUsage":{"rss":104787968,"maxRss":"130486272","constrained_memory":18446744073709551615,"pageFaults":{"IORequired":18}},
            "libuv":[{"type":"timer","is_active":true},{"type":"tcp","is_active":true},{"type":"tcp","is_active":true},{"type":"async","is_active":false}],
            "workers":[{"javascriptHeap":{"usedMemory":5242880}}],
            "userLimits":{"virtual_memory_kbytes":{"soft":"unlimited","hard":"unlimited"},"max_memory_size_kbytes":{"soft":1048576,"hard":1048576}}}"#;
        let r = reading(&serde_json::from_str(text).unwrap());
        assert_eq!(
            figures(&r),
            "heap 40.3 MiB used of at most 88 MiB, 35.6 MiB of it in old_space; 1.49 MiB outside the heap; RSS 99.9 MiB, 124 MiB at its \
             peak; 18 page faults that read the disk; active handles: 2 tcp, 1 timer; 1 worker threads with 5 MiB of heap used"
        );
        assert_eq!(r.values.get("userLimits.max_memory_size_kbytes"), Some(&1_048_576));
        assert_eq!(r.values.get("userLimits.virtual_memory_kbytes"), None);
        assert_eq!(r.values.get("constrained_memory"), None, "no limit is written as the largest number");
    }
}
