//! Heap profiles as text: gperftools and tcmalloc (`heap profile: …`), Go's `debug=1` and jemalloc's `heap_v2/RATE`.
//!
//! Spec: google/pprof `profile/legacy_profile.go`, Go `runtime/pprof/pprof.go`, jemalloc `src/prof_data.c`. Sampled counts
//! are scaled as pprof and jeprof scale them. Go's `#` lines give the symbols that google/pprof throws away, and its
//! MemStats trailer becomes figures of the profile. Java's heapz has a format of its own.

mod maps;

use super::heap_scale::scale;
use super::stack_builder::StackBuilder;
use super::{Format, Head, Input, Match, lines};
use crate::model::profile::{Frame, HeapProfile, Measure, ProfileBody};
use crate::model::time::{MINUTE, in_name};
use crate::model::{Cite, Facts, Observation, RawTime, Timestamp};
use maps::Maps;
use std::collections::BTreeMap;

pub struct HeapText;

impl Format for HeapText {
    fn name(&self) -> &'static str {
        "heap-text"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        match head.lines().find(|l| !l.trim_ascii().is_empty()).and_then(|l| Header::read(&String::from_utf8_lossy(l))) {
            Some(_) => Match::Certain,
            None => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let mut text = Text::default();
        let read = input.reader().and_then(|r| {
            lines::for_each_line(r, |l| {
                text.cut = !l.ended;
                text.line(&l, out);
            })
        });
        if let Err(e) = read {
            (text.cut, text.damaged) = (true, true);
            out.error("truncated", None, || format!("the stream is damaged or cut: {e}; what came before is kept"));
        }
        text.emit(input, out);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Producer {
    Tcmalloc,
    Go,
    Jemalloc,
    /// Growth of the address space, or fragmentation: plain space and objects.
    Growth,
}

/// First line of the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Header {
    producer: Producer,
    /// Mean bytes between samples; 1 where every allocation is recorded.
    rate: i64,
    /// Live and allocated totals, raw.
    totals: Option<[i64; 4]>,
}

impl Header {
    fn read(line: &str) -> Option<Self> {
        if let Some(rate) = line.strip_prefix("heap_v2/") {
            return Some(Header { producer: Producer::Jemalloc, rate: rate.trim().parse().ok()?, totals: None });
        }
        let (figures, kind) = line.strip_prefix("heap profile:")?.rsplit_once('@')?;
        let totals = Some(figures_of(figures)?);
        let (kind, rate) = kind.trim().split_once('/').unwrap_or((kind.trim(), ""));
        let rate: i64 = if rate.is_empty() { 1 } else { rate.parse().ok()? };
        let (producer, rate) = match kind {
            "heapprofile" => (Producer::Tcmalloc, 1),
            "heap_v2" | "heapz_v2" => (Producer::Tcmalloc, rate),
            // Go writes twice its rate here, a habit of old tools.
            "heap" => (Producer::Go, rate / 2),
            "growth" | "growthz" | "fragmentation" | "fragmentationz" => (Producer::Growth, 1),
            _ => return None,
        };
        Some(Header { producer, rate, totals })
    }
}

/// `n: b [N: B]` → live objects and bytes, allocated objects and bytes.
fn figures_of(text: &str) -> Option<[i64; 4]> {
    let mut parts = text.split([':', '[', ']']).map(str::trim).filter(|p| !p.is_empty());
    let mut next = || parts.next()?.parse::<i64>().ok();
    Some([next()?, next()?, next()?, next()?])
}

/// Which part of the file a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Rows,
    Maps,
    MemStats,
}

/// A row whose symbol lines may still follow.
struct Row {
    figures: [i64; 4],
    addresses: Vec<u64>,
    /// (address, name, file, line) of `#` lines.
    symbols: Vec<(u64, String, String, u32)>,
}

#[derive(Default)]
struct Text {
    header: Option<Header>,
    cite: Cite,
    builder: Option<StackBuilder>,
    part: Part,
    row: Option<Row>,
    /// jemalloc: the stack that the next `t*` line belongs to.
    stack: Option<Vec<u64>>,
    allocated: bool,
    sums: [i64; 4],
    maps: Maps,
    extra: BTreeMap<String, i64>,
    last_gc: i64,
    trailer: bool,
    /// A last row without its line feed: whole if the first line's totals say so.
    unended: Option<Row>,
    /// The last line has no end; or the stream itself is damaged.
    cut: bool,
    damaged: bool,
    /// The last line is one that a MemStats trailer ends with.
    at_end: bool,
}

impl Text {
    fn line(&mut self, l: &lines::Line<'_>, out: &mut Facts) {
        let text = l.lossy();
        let line = text.as_ref();
        let Some(header) = self.header else {
            if !line.trim().is_empty() {
                self.header = Header::read(line);
                self.cite = out.cite(l.offset, Some(l.number), l.text);
                self.builder = Some(StackBuilder::new(4));
                if self.header.is_none() {
                    out.error("bad-header", Some(l.offset), || "expected a heap profile's first line".into());
                }
            }
            return;
        };
        if line.starts_with("MAPPED_LIBRARIES:") || line.starts_with("--- Memory map: ---") {
            self.part = Part::Maps;
        } else if line == "# runtime.MemStats" {
            self.part = Part::MemStats;
            self.trailer = true;
        } else if self.part == Part::Maps {
            self.maps.line(line);
        } else if self.part == Part::MemStats {
            self.memstats(line);
        } else if header.producer == Producer::Jemalloc {
            self.jemalloc(line, header, l, out);
        } else if let Some(symbol) = line.strip_prefix('#') {
            if let (Some(row), Some(s)) = (&mut self.row, symbol_of(symbol)) {
                row.symbols.push(s);
            }
        } else if !line.trim().is_empty() {
            self.close_row();
            match row_of(line) {
                // A last line without its end may lack digits.
                Some(row) if !l.ended => self.unended = Some(row),
                Some(row) => {
                    for (sum, v) in self.sums.iter_mut().zip(row.figures) {
                        *sum = sum.saturating_add(v);
                    }
                    if row.figures[0] == 0 && row.figures[1] != 0 {
                        out.warn("bad-row", Some(l.number), Some(l.offset), || "a row has bytes but no objects; it is dropped".into());
                    } else {
                        self.row = Some(row);
                    }
                }
                None => out.warn("bad-line", Some(l.number), Some(l.offset), || "expected a row `n: b [N: B] @ addresses`".into()),
            }
        }
    }

    fn jemalloc(&mut self, line: &str, header: Header, l: &lines::Line<'_>, out: &mut Facts) {
        if let Some(addresses) = line.strip_prefix('@') {
            self.stack = Some(addresses_of(addresses));
            return;
        }
        let Some((thread, figures)) = line.trim().split_once(':') else { return };
        let (figures, name) = figures.split_once(']').unwrap_or((figures, ""));
        let Some(f) = figures_of(figures).filter(|_| l.ended) else {
            if !line.trim().is_empty() {
                out.warn("bad-line", Some(l.number), Some(l.offset), || "expected `thread: n: b [N: B]`".into());
            }
            return;
        };
        match (&self.stack, thread) {
            (Some(stack), "t*") => {
                let row = Row { figures: f, addresses: stack.clone(), symbols: Vec::new() };
                for (sum, v) in self.sums.iter_mut().zip(f) {
                    *sum = sum.saturating_add(v);
                }
                self.add(row, header.rate);
            }
            (Some(_), _) => {}
            (None, "t*") => self.header = Some(Header { totals: Some(f), ..header }),
            // Totals by thread stand before the first stack; raw, as written.
            (None, t) => {
                let name = name.trim();
                let label = if name.is_empty() { format!("thread {t} inuse_space") } else { format!("thread {t} {name} inuse_space") };
                self.extra.insert(label, f[1]);
            }
        }
    }

    /// `# HeapInuse = 24559616`, `# Stack = 1638400 / 1638400`; lists are left out.
    fn memstats(&mut self, line: &str) {
        self.at_end = line.starts_with("# MaxRSS = ") || line.starts_with("# DebugGC = ");
        let Some((name, value)) = line.strip_prefix("# ").and_then(|l| l.split_once(" = ")) else { return };
        let mut put = |name: String, v: &str| {
            if let Ok(v) = v.trim().parse::<i64>() {
                self.extra.insert(name, v);
            }
        };
        match (name, value.split_once(" / ")) {
            ("LastGC", _) => self.last_gc = value.trim().parse().unwrap_or(0),
            (_, Some((used, sys))) => {
                put(format!("{name}Inuse"), used);
                put(format!("{name}Sys"), sys);
            }
            ("NumGC" | "NumForcedGC" | "Lookups" | "Mallocs" | "Frees" | "HeapObjects", None) => put(format!("{name}_count"), value),
            (_, None) => put(name.to_owned(), value),
        }
    }

    fn close_row(&mut self) {
        if let (Some(row), Some(h)) = (self.row.take(), self.header) {
            self.add(row, h.rate);
        }
    }

    fn add(&mut self, row: Row, rate: i64) {
        let Some(b) = &mut self.builder else { return };
        let [n, s, total_n, total_s] = row.figures;
        self.allocated |= total_n != 0 || total_s != 0;
        let stack = if row.symbols.is_empty() {
            // Return addresses point behind the call.
            row.addresses.iter().map(|a| b.location(Vec::new(), a.saturating_sub(1))).collect()
        } else {
            symbolized(b, row.symbols)
        };
        let (live, allocated) = (scale(n, s, rate), scale(total_n, total_s, rate));
        let size = if n > 0 {
            s / n
        } else if total_n > 0 {
            total_s / total_n
        } else {
            0
        };
        b.sample(stack, size, Vec::new(), &[allocated.0, allocated.1, live.0, live.1]);
    }

    /// Takes in a last row that the first line's totals vouch for, and tells whether the text is whole without its last line feed.
    fn whole(&mut self) -> bool {
        let Some(Header { totals: Some(want), producer, .. }) = self.header else { return false };
        if let Some(row) = self.unended.take() {
            let with: [i64; 4] =
                std::array::from_fn(|i| self.sums.get(i).copied().unwrap_or(0).saturating_add(row.figures.get(i).copied().unwrap_or(0)));
            if with == want {
                self.sums = with;
                self.row = Some(row);
            }
        }
        match self.part {
            Part::Maps => true,
            Part::MemStats => self.at_end,
            Part::Rows => producer != Producer::Growth && self.sums.get(..2) == want.get(..2),
        }
    }

    fn emit(mut self, input: &Input<'_>, out: &mut Facts) {
        self.close_row();
        self.cut &= self.damaged || !self.whole();
        self.close_row();
        let (Some(header), Some(builder)) = (self.header, self.builder.take()) else { return };
        if let Some(want) = header.totals
            && header.producer != Producer::Growth
            && (want[0] > self.sums[0] || want[1] > self.sums[1])
            && (self.cut || header.producer != Producer::Jemalloc)
        {
            let have = self.sums;
            out.warn("incomplete", None, None, || {
                format!("the first line promises {} objects and {} bytes, the rows hold {} and {}", want[0], want[1], have[0], have[1])
            });
            self.cut |= self.part == Part::Rows;
        }
        if self.cut && !out.diagnostics.iter().any(|d| d.code == "truncated") {
            out.warn("truncated", None, None, || "the text ends early; what came before is kept".into());
        }
        let growth = header.producer == Producer::Growth;
        // Where the bracket never differs from zero or from the live pair, nothing was counted there.
        let allocated = match header.producer {
            Producer::Go => true,
            Producer::Growth => false,
            Producer::Jemalloc => self.allocated,
            Producer::Tcmalloc => header.totals.is_some_and(|[n, s, a, b]| (a != n && a != 0) || (b != s && b != 0)),
        };
        let kept: &[usize] = if allocated { &[0, 1, 2, 3] } else { &[2, 3] };
        let names = if growth { ["", "", "objects", "space"] } else { ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"] };
        let measures = kept
            .iter()
            .filter_map(|m| Some(Measure { name: (*names.get(*m)?).into(), unit: if m % 2 == 0 { "count" } else { "bytes" }.into() }))
            .collect::<Vec<_>>();
        let samples = builder.samples();
        let (table, totals) = builder.finish(self.maps.mappings, kept);
        let process = table.mappings.first().map(|m| m.file.to_string()).filter(|f| !f.is_empty());
        let at = match self.last_gc {
            0 => in_name(input.file_name()),
            // The runtime collects every two minutes at the latest, so the capture is not much later.
            ns => RawTime::Utc { at: Timestamp(ns), precision: 2 * MINUTE },
        };
        let profile = HeapProfile {
            format: match header.producer {
                Producer::Go => "go-heap-text",
                Producer::Jemalloc => "jemalloc-heap",
                Producer::Tcmalloc | Producer::Growth => "tcmalloc-heap",
            },
            process,
            default_measure: measures.len() - 1,
            measures,
            totals,
            period: header.rate,
            truncated: self.cut,
            extra: self.extra,
            body: ProfileBody::Stacks(Box::new(table)),
            ..HeapProfile::default()
        };
        if samples == 0 {
            out.note("empty", None, None, || "the profile holds no rows".into());
        }
        out.profiles.push(Observation { at, who: input.who.clone(), cite: self.cite, what: profile });
    }
}

/// Frames of `#` lines: lines of one address are functions inlined into each other, innermost first.
fn symbolized(b: &mut StackBuilder, symbols: Vec<(u64, String, String, u32)>) -> Vec<u32> {
    let mut stack = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = None;
    for (address, name, file, line) in symbols {
        if at.is_some_and(|a| a != address) {
            stack.push(b.location(std::mem::take(&mut frames), at.unwrap_or(0)));
        }
        at = Some(address);
        frames.push(b.frame(&name, &file, line));
    }
    if let Some(a) = at {
        stack.push(b.location(frames, a));
    }
    stack
}

/// `\t0x65cd89\tcompress/flate.(*fastGen).addBlock+0x109\t/go/src/compress/flate/deflatefast.go:90`
fn symbol_of(line: &str) -> Option<(u64, String, String, u32)> {
    let mut words = line.split('\t').map(str::trim).filter(|w| !w.is_empty());
    let address = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    let function = words.next()?;
    let name = function.rsplit_once("+0x").map_or(function, |(n, _)| n);
    let (file, number) = words.next().and_then(|p| p.rsplit_once(':')).unwrap_or(("", "0"));
    Some((address, name.to_owned(), file.to_owned(), number.parse().unwrap_or(0)))
}

fn addresses_of(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().filter_map(|a| u64::from_str_radix(a.strip_prefix("0x").unwrap_or(a), 16).ok()).collect()
}

/// `33: 1016400 [33: 1016401] @ 0x48a03a 0x48e749`
fn row_of(line: &str) -> Option<Row> {
    let (figures, addresses) = line.split_once('@')?;
    Some(Row { figures: figures_of(figures)?, addresses: addresses_of(addresses), symbols: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_producer() {
        let read = |s| Header::read(s).map(|h| (h.producer, h.rate));
        assert_eq!(read("heap profile: 33: 1016400 [33: 1016401] @ heap/1048576"), Some((Producer::Go, 524_288)));
        assert_eq!(read("heap profile:  20562: 32921192 [120050: 569423080] @ heapprofile"), Some((Producer::Tcmalloc, 1)));
        assert_eq!(read("heap profile: 1: 2 [ 3: 4] @ heapz_v2/524288"), Some((Producer::Tcmalloc, 524_288)));
        assert_eq!(read("heap_v2/4096"), Some((Producer::Jemalloc, 4096)));
        assert_eq!(read("heap profile: 1: 2 [3: 4] @ cpu"), None);
        assert_eq!(read("heap profile: soon"), None);
    }
}
