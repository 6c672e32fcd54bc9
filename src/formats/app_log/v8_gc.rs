//! Full collections of V8, as `--trace-gc` and the last words of a dying Node print them: the heap that is live after each.
//!
//! `[1:0x5a1b2c0]    84732 ms: Mark-Compact 184.2 (210.3) -> 180.1 (211.5) MB, …`; Node up to 20 says `Mark-sweep`. Sizes are
//! MiB, the number before `ms` is the isolate's uptime. Scavenges are not read: they leave the old generation as it is, so
//! what stands after them is not the live heap.

use crate::formats::lines::Line;
use crate::model::facts::Facts;
use crate::model::quantity::MIB;
use crate::model::series::{Series, SeriesKind};
use crate::model::time::SECOND;
use crate::model::{Cite, Claim, Observation, RawTime};
use std::collections::BTreeMap;

/// A dying V8 prints its last few collections, seconds apart; only a trace that goes on for longer is a series.
const TRACE_MIN: usize = 8;

/// Collections gathered from one log.
pub struct Marked {
    who: Claim,
    first: Option<Cite>,
    /// Unix milliseconds, or milliseconds of uptime where the line states nothing else.
    times: Vec<i64>,
    after: Vec<f64>,
    uptime: bool,
}

impl Marked {
    pub fn new(who: Claim) -> Self {
        Marked { who, first: None, times: Vec::new(), after: Vec::new(), uptime: false }
    }

    /// Heap after the last full collection, in bytes.
    pub fn last(&self) -> Option<f64> {
        self.after.last().copied()
    }

    /// Takes in a line; true if it told of a full collection.
    pub fn line(&mut self, text: &[u8], stamped: &RawTime, line: Line<'_>, out: &mut Facts) -> bool {
        let Some((uptime, after)) = collection(text) else { return false };
        let time = match stamped {
            RawTime::Utc { at, .. } => at.0.div_euclid(SECOND / 1000),
            RawTime::NoZone { civil, .. } => civil.0.div_euclid(SECOND / 1000),
            _ => {
                self.uptime = true;
                uptime
            }
        };
        if self.first.is_none() {
            self.first = Some(out.cite(line.offset, Some(line.number), line.text));
        }
        self.times.push(time);
        self.after.push(after);
        true
    }

    /// The series of the log.
    pub fn into_facts(self, out: &mut Facts) {
        let Some(cite) = self.first.filter(|_| self.times.len() >= TRACE_MIN) else { return };
        let mut labels = BTreeMap::new();
        if self.uptime {
            out.note("uptime-only", None, None, || "the log states uptimes only, no time of day".into());
            labels.insert("clock".to_owned(), "uptime".to_owned());
        }
        let what = Series {
            metric: "nodejs_heap_used_after_gc_bytes".into(),
            labels,
            unit: "bytes",
            kind: SeriesKind::Gauge,
            civil: false,
            times: self.times.into(),
            values: self.after,
        };
        out.series.push(Observation { at: RawTime::Absent, who: self.who, cite, what });
    }
}

/// Uptime in milliseconds and bytes in use after one full collection.
fn collection(line: &[u8]) -> Option<(i64, f64)> {
    let at = memchr::memmem::find(line, b" ms: Mark-")?;
    let text = std::str::from_utf8(line).ok()?;
    let uptime = text.get(..at)?.rsplit([' ', ']']).next()?.parse().ok()?;
    let (_, after) = text.get(at..)?.split_once(" -> ")?;
    let megabytes: f64 = after.split_whitespace().next()?.parse().ok()?;
    (0.0..1e9).contains(&megabytes).then_some((uptime, megabytes * MIB as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_collections_of_every_node() {
        let mib = |n: f64| n * MIB as f64;
        let known = [
            (
                "[7:0x6b1c000]    84732 ms: Mark-sweep 184.2 (210.3) -> 180.5 (211.5) MB, 105.3 / 0.0 ms  (average mu = 0.2) allocation failure",
                Some((84_732, mib(180.5))),
            ),
            (
                "[1:0x2d5e0a30:0]  9120 ms: Mark-Compact (reduce) 23.6 (25.6) -> 22.0 (24.6) MB, pooled: 0.0 MB, 4.1 / 0.0 ms",
                Some((9_120, mib(22.0))),
            ),
            ("[7:0x6b1c000]    60 ms: Scavenge 2.3 (3.0) -> 1.9 (4.0) MB, 0.9 / 0.0 ms  (average mu = 1.0) task;", None),
            ("took 12 ms: Mark-downs rendered", None),
        ];
        for (line, want) in known {
            assert_eq!(collection(line.as_bytes()), want, "{line}");
        }
    }
}
