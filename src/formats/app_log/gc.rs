//! Collections of a JVM: `before->after(capacity)` of the whole heap, line by line.
//!
//! Unified logging (JEP 158): decorations in brackets, each of them optional, then `GC(n) Pause … 6M->6M(34M) 11.9ms`.
//! JDK 8: `[GC (cause) [PSYoungGen: a->b(c)] A->B(C), t secs]` in one line, where only the outermost transition is the
//! heap's, and G1's `[Eden: … Heap: A(C)->B(C)]` on a line of its own. Phases, regions and tasks are not read.

use crate::formats::lines::Line;
use crate::model::facts::Facts;
use crate::model::log::{LogPattern, LogWord};
use crate::model::series::{Series, SeriesKind};
use crate::model::time::SECOND;
use crate::model::{Cite, Claim, Observation, RawTime, Times};
use std::collections::BTreeMap;

const MIB: f64 = 1_048_576.0;

/// Samples gathered from one log.
pub struct Collections {
    who: Claim,
    first: Option<Cite>,
    /// Unix milliseconds, or milliseconds of uptime where the log states nothing else.
    times: Vec<i64>,
    after: Vec<f64>,
    capacity: Vec<f64>,
    /// Times are uptimes.
    uptime: bool,
    no_zone: bool,
    full: u64,
    stalls: u64,
}

/// Whether a line comes from a collector's log.
pub fn is_gc(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(200)).unwrap_or(text);
    let has = |w: &[u8]| memchr::memmem::find(head, w).is_some();
    has(b"][gc")
        || has(b"[gc]")
        || has(b": [GC (")
        || has(b": [Full GC (")
        || has(b": [GC pause")
        || has(b" GC(") && has(b"Pause ")
        || head.starts_with(b"GC(")
}

impl Collections {
    pub fn new(who: Claim) -> Self {
        Collections {
            who,
            first: None,
            times: Vec::new(),
            after: Vec::new(),
            capacity: Vec::new(),
            uptime: false,
            no_zone: false,
            full: 0,
            stalls: 0,
        }
    }

    /// Takes in a line; true if it was one of a collector's.
    pub fn line(&mut self, text: &[u8], stamped: &RawTime, line: Line<'_>, out: &mut Facts) -> bool {
        // Nearly all lines of an application are out at the first look.
        let flags = text.starts_with(COMMAND_LINE);
        if !flags && (!text.contains(&b'(') && memchr::memmem::find(text, b"][gc").is_none() || !may_be_gc(text)) {
            return false;
        }
        let Ok(text) = std::str::from_utf8(text) else { return false };
        if let Some((name, value)) = setting(text) {
            let at = stamped.clone();
            let cite = out.cite(line.offset, Some(line.number), line.text);
            let what = LogWord { pattern: LogPattern::GcReport, text: text.trim().into(), numbers: vec![(name, value)] };
            out.logs.push(Observation { at, who: self.who.clone(), cite, what });
            return true;
        }
        let Some((after, capacity)) = transition(text) else {
            self.stalls +=
                u64::from(text.contains("Allocation Stall") || text.contains("To-space exhausted") || text.contains("Evacuation Failure"));
            return is_gc(text.as_bytes());
        };
        let (time, uptime) = match stamped {
            RawTime::Utc { at, .. } => (at.0.div_euclid(SECOND / 1000), false),
            RawTime::NoZone { civil, .. } => {
                self.no_zone = true;
                (civil.0.div_euclid(SECOND / 1000), false)
            }
            _ => match uptime(text) {
                Some(ms) => (ms, true),
                // Without any time there is still the order.
                None => (self.times.last().map_or(0, |t| t.saturating_add(1)), true),
            },
        };
        self.full += u64::from(text.contains("Pause Full") || text.contains("[Full GC"));
        self.uptime |= uptime;
        if self.first.is_none() {
            self.first = Some(out.cite(line.offset, Some(line.number), line.text));
        }
        self.times.push(time);
        self.after.push(after);
        self.capacity.push(capacity);
        true
    }

    /// The series of the log.
    pub fn into_facts(self, out: &mut Facts) {
        let Some(cite) = self.first else { return };
        if self.uptime {
            out.note("uptime-only", None, None, || "the log states uptimes only, no time of day".into());
        }
        if self.no_zone {
            out.note("no-zone", None, None, || "the log states times without a zone; they are taken as UTC".into());
        }
        if self.stalls > 0 {
            let n = self.stalls;
            out.note("gc-stalls", None, None, || format!("{n} evacuation failures or allocation stalls are logged"));
        }
        let mut labels = BTreeMap::from([("full_collections".to_owned(), self.full.to_string())]);
        if self.uptime {
            labels.insert("clock".into(), "uptime".into());
        }
        let times = Times::from(self.times);
        for (metric, values) in [("jvm_heap_used_after_gc_bytes", self.after), ("jvm_heap_capacity_bytes", self.capacity)] {
            if values.iter().all(|v| v.is_nan()) {
                continue;
            }
            let what = Series {
                metric: metric.into(),
                labels: labels.clone(),
                unit: "bytes",
                kind: SeriesKind::Gauge,
                civil: false,
                times: times.clone(),
                values,
            };
            out.series.push(Observation { at: RawTime::Absent, who: self.who.clone(), cite: cite.clone(), what });
        }
    }
}

fn may_be_gc(text: &[u8]) -> bool {
    [b"GC".as_slice(), b"[gc", b"Heap: "].iter().any(|w| memchr::memmem::find(text, w).is_some())
}

/// JDK 8 prints the flags in force at the head of its log, those that it chose itself among them.
const COMMAND_LINE: &[u8] = b"CommandLine flags: ";

/// `Heap Max Capacity: 256M` and the like, which the collector prints at start.
fn setting(text: &str) -> Option<(&'static str, f64)> {
    if text.as_bytes().starts_with(COMMAND_LINE) {
        let size = text.split_whitespace().find_map(|w| w.strip_prefix("-XX:MaxHeapSize="))?;
        return Some(("heap_max_bytes", size.parse().ok()?));
    }
    let (name, key) = [("heap_max_bytes", "Heap Max Capacity: "), ("container_memory_bytes", "] Memory: ")]
        .into_iter()
        .find(|(_, key)| text.contains(key))?;
    if !text.contains("[gc") {
        return None;
    }
    let value = text.split_once(key)?.1;
    Some((name, size(value.trim_end())?.0))
}

/// The heap's use after a collection and its capacity (NaN where the line states none).
fn transition(text: &str) -> Option<(f64, f64)> {
    // JDK 8, G1: `[Eden: … Survivors: … Heap: 24.0M(256.0M)->10.0M(256.0M)]`
    if let Some((_, heap)) = text.split_once("Heap: ")
        && let Some((_, after)) = heap.split_once("->")
    {
        return with_capacity(after);
    }
    // JDK 8, one line: what stands in nested brackets belongs to a generation.
    if let Some(i) = text.find("[GC").or_else(|| text.find("[Full GC")) {
        let mut depth = 0;
        let own: String = text
            .get(i..)?
            .chars()
            .filter(|c| {
                match c {
                    '[' => depth += 1,
                    ']' => depth -= 1,
                    _ => {}
                }
                depth == 1 && *c != ']'
            })
            .collect();
        return with_capacity(own.rsplit_once("->")?.1);
    }
    // Unified: a pause, or a whole cycle of a collector that works beside the program (ZGC).
    let rest = text.split_once("GC(").map_or(text, |(_, r)| r);
    let kind = rest.split_once(") ")?.1.trim_start();
    let cycle = ["Garbage Collection (", "Major Collection (", "Minor Collection ("].iter().any(|k| kind.contains(k));
    if !kind.starts_with("Pause ") && !cycle {
        return None;
    }
    with_capacity(kind.rsplit_once("->")?.1)
}

/// `34M(128M) …`, or ZGC's `34M(2%)`.
fn with_capacity(text: &str) -> Option<(f64, f64)> {
    let (after, used) = size(text)?;
    let rest = text.get(used..)?;
    let capacity = rest.strip_prefix('(').and_then(|r| size(r).filter(|(_, n)| r.get(*n..).is_some_and(|t| t.starts_with(')'))));
    Some((after, capacity.map_or(f64::NAN, |c| c.0)))
}

/// A size such as `6M`, `24.0M`, `65536K`, `0.0B`, in bytes, and the characters it takes.
fn size(text: &str) -> Option<(f64, usize)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(text.len());
    let number: f64 = text.get(..end)?.replace(',', ".").parse().ok()?;
    let factor = match text.get(end..)?.chars().next()? {
        'B' => 1.0,
        'K' => 1024.0,
        'M' => MIB,
        'G' => 1024.0 * MIB,
        _ => return None,
    };
    Some((number * factor, end + 1))
}

/// Uptime in milliseconds from `[12.345s]`, `[12345ms]` or JDK 8's `12.345: [GC`.
fn uptime(text: &str) -> Option<i64> {
    for part in text.split(['[', ']']).take(8) {
        let (number, factor) = match (part.strip_suffix("ms"), part.strip_suffix("ns"), part.strip_suffix('s')) {
            (Some(n), _, _) => (n, 1.0),
            (_, Some(n), _) => (n, 1e-6),
            (_, _, Some(n)) => (n, 1000.0),
            _ => (part.rsplit(' ').nth(1).unwrap_or("").trim_end_matches(':'), 1000.0),
        };
        if let Ok(v) = number.trim().replace(',', ".").parse::<f64>() {
            return Some((v * factor).round() as i64);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions_in_every_dialect() {
        let k = 1024.0;
        let known = [
            (
                "[2026-11-21T00:39:11.810+0000][0.231s][info][gc          ] GC(0) Pause Young (Normal) (G1 Evacuation Pause) 6M->5M(34M) 11.920ms",
                Some((5.0 * MIB, 34.0 * MIB)),
            ),
            ("[0.231s] GC(7) Pause Full (Ergonomics) 60M->48M(64M) 1.5ms", Some((48.0 * MIB, 64.0 * MIB))),
            ("GC(7) Pause Remark 10M->8M(34M) 0.5ms", Some((8.0 * MIB, 34.0 * MIB))),
            ("[1.0s][info][gc,heap] GC(0) Eden regions: 6->0(3)", None),
            ("[1.0s][info][gc,metaspace] GC(0) Metaspace: 504K(640K)->504K(640K) NonClass: 471K(512K)->471K(512K)", None),
            (
                "1.5: [GC (Allocation Failure) [PSYoungGen: 65536K->10748K(76288K)] 65536K->10756K(251392K), 0.0123 secs]",
                Some((10_756.0 * k, 251_392.0 * k)),
            ),
            (
                "2.5: [Full GC (Ergonomics) [PSYoungGen: 1K->0K(9K)] [ParOldGen: 8K->7K(9K)] 20K->7K(18K), [Metaspace: 3K->3K(9K)], 0.1 secs]",
                Some((7.0 * k, 18.0 * k)),
            ),
            (
                "1.1: [GC (Allocation Failure) 1.1: [DefNew: 17472K->2176K(19648K), 0.01 secs] 17472K->5236K(63360K), 0.01 secs]",
                Some((5236.0 * k, 63_360.0 * k)),
            ),
            (
                "   [Eden: 24.0M(24.0M)->0.0B(13.0M) Survivors: 0.0B->3072.0K Heap: 24.0M(256.0M)->10.0M(256.0M)]",
                Some((10.0 * MIB, 256.0 * MIB)),
            ),
        ];
        for (line, want) in known {
            assert_eq!(transition(line), want, "{line}");
        }
        assert!(transition("GC(1) Garbage Collection (Warmup) 100M(5%)->20M(1%)").is_some_and(|(a, c)| a == 20.0 * MIB && c.is_nan()));
        assert_eq!(uptime("[0.231s][info][gc] GC(0)"), Some(231));
        assert_eq!(uptime("1.500: [GC (Allocation Failure)"), Some(1500));
    }
}
