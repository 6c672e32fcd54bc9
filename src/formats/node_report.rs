//! Node.js diagnostic reports (`report.*.json`): one JSON object that Node writes on a fatal error, on a signal or when
//! asked. Spec: <https://nodejs.org/api/report.html>. Gives the process's memory as Node saw it (heap by space, external
//! memory, RSS, the limit of its cgroup), its libuv handles, and the fatal error.
//!
//! Environment variables are secrets and are not read.

use super::{Format, Head, Input, Match};
use crate::model::log::{LogPattern, LogWord};
use crate::model::node::ProcessReading;
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
        let place = cite(out, b"\"javascriptHeap\"");
        out.processes.push(Observation { at: at.clone(), who: who.clone(), cite: place, what: reading });
        let h = &report.header;
        let fatal = h.trigger == "OOMError" || h.event.contains("out of memory") || h.event.contains("heap limit");
        let text = match report.javascript_stack.message.as_str() {
            "" => format!("Node.js {} report: {} ({})", h.nodejs_version, h.event, h.trigger),
            m => format!("Node.js {} report: {} ({}): {m}", h.nodejs_version, h.event, h.trigger),
        };
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

fn reading(r: &Report) -> ProcessReading {
    let number = |v: Option<&serde_json::Value>| v.and_then(|v| v.as_u64().or_else(|| v.as_str().and_then(|s| s.parse().ok())));
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
