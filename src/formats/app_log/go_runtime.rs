//! What a Go program says about its own heap in its log: GODEBUG=gctrace=1 and scavtrace=1 (and scvg of Go 1.12 and
//! before), and `runtime.MemStats` printed in whatever form: `%+v`, JSON, key=value, `Alloc = 5 MiB  TotalAlloc = …`.
//!
//! Spec: Go `runtime/extern.go` (GODEBUG), `mgc.go`, `mgcscavenge.go`, `mstats.go`. Each becomes series under the names that
//! Prometheus's Go collector gives the same figures; of the lines themselves the first and the last are kept as facts. A
//! line that has one known word only is taken for the application's own.

use crate::formats::lines::Line;
use crate::model::facts::Facts;
use crate::model::log::{LogPattern, LogWord};
use crate::model::quantity::human;
use crate::model::series::{Series, SeriesKind};
use crate::model::time::SECOND;
use crate::model::{Cite, Claim, Observation, RawTime};
use std::collections::BTreeMap;

const KIB: f64 = 1024.0;
const MIB: f64 = 1_048_576.0;

/// Words of MemStats as printed, and the series they belong to.
const FIELDS: &[(&str, &str)] = &[
    ("Alloc", "go_memstats_alloc_bytes"),
    ("HeapAlloc", "go_memstats_heap_alloc_bytes"),
    ("HeapIdle", "go_memstats_heap_idle_bytes"),
    ("HeapInuse", "go_memstats_heap_inuse_bytes"),
    ("HeapObjects", "go_memstats_heap_objects"),
    ("HeapReleased", "go_memstats_heap_released_bytes"),
    ("HeapSys", "go_memstats_heap_sys_bytes"),
    ("NextGC", "go_memstats_next_gc_bytes"),
    ("NumGC", "go_gc_cycles_total_gc_cycles_total"),
    ("NumGoroutine", "go_goroutines"),
    ("StackInuse", "go_memstats_stack_inuse_bytes"),
    ("StackSys", "go_memstats_stack_sys_bytes"),
    ("Sys", "go_memstats_sys_bytes"),
    ("TotalAlloc", "go_memstats_alloc_bytes_total"),
    ("goroutines", "go_goroutines"),
    ("rss_bytes", "process_resident_memory_bytes"),
];

/// Where figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    GcTrace,
    Scavenger,
    MemStats,
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Source::GcTrace => "gctrace",
            Source::Scavenger => "scavtrace",
            Source::MemStats => "MemStats in the log",
        }
    }
}

/// Lines of one source, as columns.
struct Gathered {
    first: Cite,
    /// Unix milliseconds, or milliseconds of uptime.
    last_time: i64,
    uptime: bool,
    lines: u64,
    series: BTreeMap<&'static str, (Vec<i64>, Vec<f64>)>,
    last: Option<Told>,
}

/// What one log tells of a Go runtime.
pub struct GoRuntime {
    who: Claim,
    gathered: BTreeMap<Source, Gathered>,
    /// The program began anew: its uptime fell.
    runs: u32,
    no_zone: bool,
}

impl GoRuntime {
    pub fn new(who: Claim) -> Self {
        GoRuntime { who, gathered: BTreeMap::new(), runs: 0, no_zone: false }
    }

    /// Takes in a line; true if it was one of the runtime's.
    pub fn line(&mut self, text: &[u8], stamped: &RawTime, line: Line<'_>, out: &mut Facts) -> bool {
        let Some((source, uptime, figures)) = read(text) else { return false };
        let time = match stamped {
            RawTime::Utc { at, .. } => Some(at.0.div_euclid(SECOND / 1000)),
            RawTime::NoZone { civil, .. } => {
                self.no_zone = true;
                Some(civil.0.div_euclid(SECOND / 1000))
            }
            _ => None,
        };
        let cite = out.cite(line.offset, Some(line.number), line.text);
        let now = time.or(uptime).or_else(|| Some(self.gathered.get(&source).map_or(0, |g| g.last_time.saturating_add(1))));
        let (now, uptime) = (now.unwrap_or(0), time.is_none());
        if self.gathered.get(&source).is_some_and(|g| now < g.last_time || g.uptime != uptime) {
            self.flush(source, out);
            self.runs += 1;
        }
        let fresh = !self.gathered.contains_key(&source);
        let g = self.gathered.entry(source).or_insert_with(|| Gathered {
            first: cite.clone(),
            last_time: now,
            uptime,
            lines: 0,
            series: BTreeMap::new(),
            last: None,
        });
        g.last_time = now;
        g.lines += 1;
        for (metric, v) in &figures {
            let (times, values) = g.series.entry(metric).or_default();
            times.push(now);
            values.push(*v);
        }
        if fresh {
            tell(source, "first", 1, (stamped.clone(), cite, figures), &self.who, out);
        } else {
            g.last = Some((stamped.clone(), cite, figures));
        }
        true
    }

    /// Ends one run of a source.
    fn flush(&mut self, source: Source, out: &mut Facts) {
        let Some(g) = self.gathered.remove(&source) else { return };
        if let Some(last) = g.last {
            tell(source, "last", g.lines, last, &self.who, out);
        }
        let mut labels = BTreeMap::from([("source".to_owned(), source.word().to_owned())]);
        if g.uptime {
            labels.insert("clock".into(), "uptime".into());
            out.note("uptime-only", None, None, || format!("{} states uptimes only, no time of day", source.word()));
        }
        if self.runs > 0 {
            labels.insert("run".into(), (self.runs + 1).to_string());
        }
        for (metric, (times, values)) in g.series {
            let (unit, kind) = match metric {
                "go_goroutines" | "go_memstats_heap_objects" => ("", SeriesKind::Gauge),
                "go_gc_cycles_total_gc_cycles_total" => ("", SeriesKind::Counter),
                "go_memstats_alloc_bytes_total" => ("bytes", SeriesKind::Counter),
                _ => ("bytes", SeriesKind::Gauge),
            };
            let what = Series { metric: metric.into(), labels: labels.clone(), unit, kind, civil: false, times: times.into(), values };
            out.series.push(Observation { at: RawTime::Absent, who: self.who.clone(), cite: g.first.clone(), what });
        }
    }

    /// The series of the log.
    pub fn into_facts(mut self, out: &mut Facts) {
        if self.no_zone {
            out.note("no-zone", None, None, || "the log states times without a zone; they are taken as UTC".into());
        }
        for source in [Source::GcTrace, Source::Scavenger, Source::MemStats] {
            self.flush(source, out);
        }
    }
}

/// One fact: what the runtime said of its heap at the first or the last of its lines.
fn tell(source: Source, which: &str, lines: u64, (at, cite, figures): Told, who: &Claim, out: &mut Facts) {
    let of = |m: &str| figures.iter().find(|f| f.0 == m).map(|f| human(f.1));
    let words: Vec<String> = [
        ("live heap after GC", "go_gc_heap_live_bytes"),
        ("goal", "go_gc_heap_goal_bytes"),
        ("heap allocated", "go_memstats_heap_alloc_bytes"),
        ("heap in use", "go_memstats_heap_inuse_bytes"),
        ("returned to the OS", "go_memstats_heap_released_bytes"),
        ("obtained from the OS", "go_memstats_sys_bytes"),
    ]
    .into_iter()
    .filter_map(|(words, metric)| Some(format!("{words} {}", of(metric)?)))
    .collect();
    if words.is_empty() {
        return;
    }
    let count = if lines > 1 { format!(" of {lines} lines") } else { String::new() };
    let text = format!("{} ({which}{count}): {}", source.word(), words.join(", "));
    out.logs.push(Observation { at, who: who.clone(), cite, what: LogWord { pattern: LogPattern::HeapReport, text, numbers: figures } });
}

/// Whether a line is one of the runtime's own.
pub fn is_trace(text: &[u8]) -> bool {
    read(text).is_some()
}

type Figures = Vec<(&'static str, f64)>;
/// Time, place and figures of a line.
type Told = (RawTime, Cite, Figures);

/// Source, uptime in milliseconds where the line states it, figures.
fn read(text: &[u8]) -> Option<(Source, Option<i64>, Figures)> {
    // Nearly all lines of an application are out at the first look.
    let has = |w: &[u8]| memchr::memmem::find(text, w).is_some();
    let trace = has(b" MB goal") || has(b"scav ") || has(b"scvg");
    if !trace && !(has(b"Alloc") && (has(b"HeapAlloc") || has(b"TotalAlloc"))) {
        return None;
    }
    let line = std::str::from_utf8(text).ok()?;
    if !trace {
        return memstats(line).map(|f| (Source::MemStats, None, f));
    }
    if let Some((uptime, figures)) = gctrace(line) {
        return Some((Source::GcTrace, uptime, figures));
    }
    scavenger(line).map(|f| (Source::Scavenger, None, f))
}

/// `gc 12 @3.4s 2%: 0.018+1.1+0.003 ms clock, 0.07+0.2/0.9/0+0.01 ms cpu, 4->4->2 MB, 5 MB goal, 0 MB stacks, 4 P`
fn gctrace(line: &str) -> Option<(Option<i64>, Figures)> {
    let at = line.find("gc ")?;
    let rest = line.get(at + 3..)?;
    let (number, rest) = rest.split_once(" @")?;
    let number: f64 = number.parse().ok()?;
    let (uptime, rest) = rest.split_once("s ")?;
    let uptime: f64 = uptime.parse().ok()?;
    let (sizes, goal) = rest.split_once(" MB, ")?;
    let live: f64 = sizes.rsplit("->").next()?.parse().ok()?;
    let goal: f64 = goal.split_once(" MB goal")?.0.trim().parse().ok()?;
    let figures =
        vec![("go_gc_heap_live_bytes", live * MIB), ("go_gc_heap_goal_bytes", goal * MIB), ("go_gc_cycles_total_gc_cycles_total", number)];
    Some((Some((uptime * 1000.0) as i64), figures))
}

/// `scav 0 KiB work (bg), 0 KiB work (eager), 3456 KiB now, 98% util`; until Go 1.20 `… KiB total`; until Go 1.12
/// `scvg: inuse: 3, idle: 60, sys: 63, released: 57, consumed: 6 (MB)`.
fn scavenger(line: &str) -> Option<Figures> {
    if let Some((_, rest)) = line.split_once("scav ") {
        let part = rest.split(", ").find(|p| p.ends_with(" KiB now") || p.ends_with(" KiB total"))?;
        let released: f64 = part.split(' ').next()?.parse().ok()?;
        return Some(vec![("go_memstats_heap_released_bytes", released * KIB)]);
    }
    let (_, rest) = line.split_once("scvg")?;
    let rest = rest.strip_suffix("(MB)")?;
    let mut figures = Figures::new();
    for part in rest.split(',') {
        let (name, v) = part.rsplit_once(':')?;
        let metric = match name.rsplit([' ', ':']).next()? {
            "inuse" => "go_memstats_heap_inuse_bytes",
            "idle" => "go_memstats_heap_idle_bytes",
            "sys" => "go_memstats_heap_sys_bytes",
            "released" => "go_memstats_heap_released_bytes",
            _ => continue,
        };
        figures.push((metric, v.trim().parse::<f64>().ok()? * MIB));
    }
    (figures.len() > 1).then_some(figures)
}

/// Words of MemStats with a number behind them, wherever they stand in the line.
fn memstats(line: &str) -> Option<Figures> {
    let bytes = line.as_bytes();
    let mut figures = Figures::new();
    let mut i = 0;
    while i < bytes.len() {
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if !bytes.get(i).is_some_and(word) {
            i += 1;
            continue;
        }
        let end = i + bytes.get(i..)?.iter().take_while(|b| word(b)).count();
        if let Ok(f) = FIELDS.binary_search_by(|f| f.0.cmp(line.get(i..end).unwrap_or("")))
            && let Some((name, metric)) = FIELDS.get(f)
            && let Some(v) = value(line.get(end..).unwrap_or(""), name)
            && !figures.iter().any(|(m, _)| m == metric)
        {
            figures.push((metric, v));
        }
        i = end;
    }
    let own = |m: &str| m != "go_goroutines" && m != "process_resident_memory_bytes";
    (figures.iter().filter(|f| own(f.0)).count() >= 2).then_some(figures)
}

/// The number behind a word: `:123`, `=123`, ` = 5 MiB`, `":"5.2MB"`. Without a unit it is bytes; MB are the 1,048,576 bytes
/// that programs divide by.
fn value(rest: &str, name: &str) -> Option<f64> {
    let rest = rest.trim_start_matches(['"', ' ', '\t']);
    let rest = rest.strip_prefix(['=', ':'])?.trim_start_matches(['"', ' ', '\t']);
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let v: f64 = rest.get(..end)?.trim_end_matches('.').parse().ok()?;
    if matches!(name, "NumGC" | "HeapObjects" | "NumGoroutine" | "goroutines") {
        return Some(v);
    }
    let unit = rest.get(end..)?.trim_start_matches(' ');
    let unit = unit.get(..unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len()))?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "kb" | "kib" | "k" => KIB,
        "mb" | "mib" | "m" => MIB,
        "gb" | "gib" | "g" => 1024.0 * MIB,
        _ => 1.0,
    };
    Some(v * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(line: &str) -> Figures {
        read(line.as_bytes()).map(|r| r.2).unwrap_or_default()
    }

    #[test]
    fn every_way_of_printing_memstats() {
        assert!(FIELDS.is_sorted());
        let mib = figures("2026/11/21 06:27:02 Alloc = 20 MiB\tTotalAlloc = 48 MiB\tSys = 48 MiB\tNumGC = 7");
        assert_eq!(
            mib,
            [
                ("go_memstats_alloc_bytes", 20.0 * MIB),
                ("go_memstats_alloc_bytes_total", 48.0 * MIB),
                ("go_memstats_sys_bytes", 48.0 * MIB),
                ("go_gc_cycles_total_gc_cycles_total", 7.0)
            ]
        );
        let plus_v = figures("{Alloc:21774072 TotalAlloc:50419544 Sys:51292440 Lookups:0 HeapInuse:22388736 PauseNs:[0 0] NumGC:7}");
        assert_eq!(plus_v.iter().find(|f| f.0 == "go_memstats_heap_inuse_bytes").map(|f| f.1), Some(22_388_736.0));
        assert_eq!(figures(r#"{"level":"info","HeapAlloc":4791672,"Sys":21932312,"NumGC":21}"#).len(), 3);
        assert_eq!(figures("step=0 goroutines=452 rss_bytes=19021824 HeapAlloc=4791672 HeapInuse=5357568").len(), 4);
        assert!(figures("Alloc failed: HeapAlloc is a field of MemStats").is_empty());
        assert!(figures("the TotalAlloc = 12 order was allocated").is_empty());
    }

    #[test]
    fn traces_of_the_collector_and_the_scavenger() {
        let line =
            "gc 12 @3.402s 2%: 0.018+1.1+0.003 ms clock, 0.07+0.2/0.9/0+0.01 ms cpu, 4->4->2 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 4 P";
        let (source, uptime, f) = read(line.as_bytes()).unwrap();
        assert_eq!((source, uptime), (Source::GcTrace, Some(3402)));
        assert_eq!(f.first(), Some(&("go_gc_heap_live_bytes", 2.0 * MIB)));
        assert_eq!(figures("gc 1 @0.010s 2%: 0.01+0.5+0.02 ms clock, 0.1+0.2/0.3/0+0.2 ms cpu, 4->5->1 MB, 5 MB goal, 8 P").len(), 3);
        assert_eq!(
            figures("scav 0 KiB work (bg), 8 KiB work (eager), 3456 KiB now, 98% util"),
            [("go_memstats_heap_released_bytes", 3456.0 * KIB)]
        );
        assert_eq!(figures("scvg: inuse: 3, idle: 60, sys: 63, released: 57, consumed: 6 (MB)").len(), 4);
        assert!(figures("scvg0: nothing to say").is_empty());
    }
}
