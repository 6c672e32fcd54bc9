//! Goroutine dumps of Go programs: `debug=1` (stacks with counts) and `debug=2` or a fatal error (one stanza each).
//!
//! Spec: Go `runtime/pprof/pprof.go` and `runtime/traceback.go`. Wait state, label set, creator and the leaked mark become
//! text labels of the sample; equal stanzas are counted together, so a dump of a million goroutines stays small.
//! Argument values are not kept. `threadcreate` and `goroutineleak` texts have the same shape and are read as well.

use super::stack_builder::StackBuilder;
use super::{Format, Head, Input, Match, lines};
use crate::model::profile::{Frame, HeapProfile, Measure, ProfileBody};
use crate::model::time::in_name;
use crate::model::{Cite, Facts, Observation};
use std::collections::BTreeMap;

pub struct GoroutineText;

impl Format for GoroutineText {
    fn name(&self) -> &'static str {
        "go-goroutine-text"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut stanzas = 0;
        for (i, l) in head.lines().filter(|l| !l.trim_ascii().is_empty()).enumerate() {
            let text = String::from_utf8_lossy(l.get(..l.len().min(400)).unwrap_or(l));
            let sure = i == 0 && total_of(&text).is_some();
            let stanza = Stanza::read(&text).is_some();
            if sure || (i == 0 && stanza) {
                return Match::Certain;
            }
            stanzas += u32::from(stanza);
            // A crash report has a few lines before its stacks; a log has many more.
            if stanzas > 0 && i < 8 {
                return Match::Likely;
            }
            if stanzas >= 3 || i > 400 {
                break;
            }
        }
        if stanzas >= 3 { Match::Weak } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let mut d = Dump::new();
        let read = input.reader().and_then(|r| lines::for_each_line(r, |l| d.line(&l, out)));
        if let Err(e) = read {
            (d.cut, d.damaged) = (true, true);
            out.error("truncated", None, || format!("the stream is damaged or cut: {e}; what came before is kept"));
        }
        d.emit(input, out);
    }
}

/// `goroutine profile: total 601` → kind and count.
fn total_of(line: &str) -> Option<(&str, i64)> {
    let (kind, n) = line.trim_end().split_once(" profile: total ")?;
    let kind = matches!(kind, "goroutine" | "goroutineleak" | "threadcreate").then_some(kind)?;
    Some((kind, n.parse().ok()?))
}

/// First line of a stanza: `goroutine 7 [chan send (leaked), 3 minutes, locked to thread] {k: v}:`.
#[derive(Debug, PartialEq, Eq)]
struct Stanza<'a> {
    state: &'a str,
    minutes: i64,
    leaked: bool,
    locked: bool,
    labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Stanza<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let rest = line.trim_end().strip_prefix("goroutine ")?;
        let (id, rest) = rest.split_once(' ')?;
        id.parse::<u64>().ok()?;
        // `gp=0xc000002380 m=0 mp=0x…` stands here in fatal errors of newer runtimes.
        let (_, rest) = rest.split_once('[')?;
        let (inside, rest) = rest.split_once(']')?;
        let labels = rest.strip_suffix(':')?.trim();
        let mut parts = inside.split(", ");
        let state = parts.next()?;
        let mut s = Stanza { state: state.trim_end_matches(" (scan)"), minutes: 0, leaked: false, locked: false, labels: Vec::new() };
        if let Some(plain) = s.state.strip_suffix(" (leaked)") {
            (s.state, s.leaked) = (plain, true);
        }
        for p in parts {
            if let Some(m) = p.strip_suffix(" minutes") {
                s.minutes = m.parse().unwrap_or(0);
            }
            s.locked |= p == "locked to thread";
            s.leaked |= p == "leaked";
        }
        if let Some(inside) = labels.strip_prefix('{').and_then(|l| l.strip_suffix('}')) {
            s.labels = inside.split(", ").filter_map(|l| l.split_once(": ")).map(|(k, v)| (unquote(k), unquote(v))).collect();
        }
        Some(s)
    }
}

fn unquote(s: &str) -> &str {
    s.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(s)
}

/// A goroutine, or a row of equal ones, whose frames are still coming.
#[derive(Default)]
struct Open {
    count: i64,
    labels: Vec<(u32, u32)>,
    /// Function named, its place not yet seen.
    pending: Option<String>,
    creator: bool,
    frames: Vec<(u64, Frame)>,
    addresses: Vec<u64>,
}

struct Dump {
    builder: StackBuilder,
    kind: String,
    promised: Option<i64>,
    open: Option<Open>,
    counted: i64,
    states: BTreeMap<String, i64>,
    longest_wait: i64,
    first: Option<Cite>,
    /// The last line has no end; or the stream itself is damaged.
    cut: bool,
    damaged: bool,
    /// The last line is a frame's place, which is how a dump ends.
    at_place: bool,
}

impl Dump {
    fn new() -> Self {
        Dump {
            builder: StackBuilder::new(1),
            kind: "goroutine".into(),
            promised: None,
            open: None,
            counted: 0,
            states: BTreeMap::new(),
            longest_wait: 0,
            first: None,
            cut: false,
            damaged: false,
            at_place: false,
        }
    }

    fn line(&mut self, l: &lines::Line<'_>, out: &mut Facts) {
        self.cut = !l.ended;
        let text = l.lossy();
        let line = text.as_ref();
        self.at_place = line.starts_with('\t') && line.contains(".go:") && line.contains(" +0x");
        if let Some((kind, n)) = total_of(line) {
            self.kind = kind.to_owned();
            self.promised = Some(n);
            self.first.get_or_insert_with(|| out.cite(l.offset, Some(l.number), l.text));
        } else if let Some(s) = Stanza::read(line) {
            self.close();
            self.first.get_or_insert_with(|| out.cite(l.offset, Some(l.number), l.text));
            self.stanza(&s);
        } else if line.trim().is_empty() {
            self.close();
        } else if let Some(rest) = line.strip_prefix('#') {
            self.hash_line(rest);
        } else if let Some((n, addresses)) = line.split_once(" @").filter(|(n, _)| n.bytes().all(|b| b.is_ascii_digit())) {
            self.close();
            let parse = |a: &str| u64::from_str_radix(a.strip_prefix("0x")?, 16).ok();
            let addresses = addresses.split_ascii_whitespace().filter_map(parse).collect();
            self.open = Some(Open { count: n.parse().unwrap_or(0), addresses, ..Open::default() });
        } else {
            self.frame_line(line);
        }
    }

    fn stanza(&mut self, s: &Stanza<'_>) {
        let mut labels = Vec::new();
        let mut label = |b: &mut StackBuilder, k: &str, v: &str| labels.push((b.string(k), b.string(v)));
        label(&mut self.builder, "state", s.state);
        if s.leaked {
            label(&mut self.builder, "leaked", "yes");
            *self.states.entry("leaked goroutines_count".into()).or_default() += 1;
        }
        if s.locked {
            label(&mut self.builder, "locked to thread", "yes");
        }
        for (k, v) in &s.labels {
            label(&mut self.builder, k, v);
        }
        *self.states.entry(format!("state {}_count", s.state)).or_default() += 1;
        self.longest_wait = self.longest_wait.max(s.minutes);
        self.open = Some(Open { count: 1, labels, ..Open::default() });
    }

    /// `# labels: {"k":"v"}` or `#\t0xpc\tfunction+0x52\tfile:237`.
    fn hash_line(&mut self, rest: &str) {
        let Some(open) = &mut self.open else { return };
        if let Some(labels) = rest.trim().strip_prefix("labels: {").and_then(|l| l.strip_suffix('}')) {
            for (k, v) in labels.split(", ").filter_map(|l| l.split_once(':')) {
                open.labels.push((self.builder.string(unquote(k)), self.builder.string(unquote(v))));
            }
            return;
        }
        let mut words = rest.split('\t').map(str::trim).filter(|w| !w.is_empty());
        let Some(address) = words.next().and_then(|a| u64::from_str_radix(a.strip_prefix("0x")?, 16).ok()) else { return };
        let function = words.next().unwrap_or("");
        let name = function.rsplit_once("+0x").map_or(function, |(n, _)| n);
        let (file, number) = words.next().and_then(|p| p.rsplit_once(':')).unwrap_or(("", "0"));
        let frame = self.builder.frame(name, file, number.parse().unwrap_or(0));
        open.frames.push((address, frame));
    }

    /// `main.worker(0x1, …)`, `\t/src/main.go:237 +0x52`, `created by main.start in goroutine 1`.
    fn frame_line(&mut self, line: &str) {
        let Some(open) = &mut self.open else { return };
        if let Some(place) = line.strip_prefix('\t') {
            let Some(name) = open.pending.take() else { return };
            let place = place.rsplit_once(" +0x").map_or(place, |(p, _)| p).trim_end();
            let (file, number) = place.rsplit_once(':').unwrap_or((place, "0"));
            if open.creator {
                let (k, v) = (self.builder.string("created by"), self.builder.string(&name));
                open.labels.push((k, v));
                let (k, v) = (self.builder.string("created at"), self.builder.string(&format!("{file}:{number}")));
                open.labels.push((k, v));
            } else {
                let frame = self.builder.frame(&name, file, number.parse().unwrap_or(0));
                open.frames.push((0, frame));
            }
        } else if let Some(creator) = line.strip_prefix("created by ") {
            open.creator = true;
            open.pending = Some(creator.split(" in goroutine ").next().unwrap_or(creator).to_owned());
        } else if let Some(args) = line.rfind('(') {
            open.pending = line.get(..args).map(str::to_owned);
        }
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        self.counted = self.counted.saturating_add(open.count);
        let mut stack = Vec::new();
        if open.frames.is_empty() {
            stack.extend(open.addresses.iter().map(|a| self.builder.location(Vec::new(), a.saturating_sub(1))));
        }
        let mut frames: Vec<Frame> = Vec::new();
        let mut at = None;
        for (address, frame) in open.frames {
            // Without addresses every frame is a location of its own.
            if let Some(a) = at.filter(|a| *a != address || address == 0) {
                stack.push(self.builder.location(std::mem::take(&mut frames), a));
            }
            at = Some(address);
            frames.push(frame);
        }
        if let Some(a) = at {
            stack.push(self.builder.location(frames, a));
        }
        open.labels.sort_unstable();
        self.builder.sample(stack, 0, open.labels, &[open.count]);
    }

    fn emit(mut self, input: &Input<'_>, out: &mut Facts) {
        self.close();
        let Some(cite) = self.first else { return };
        // Copied from a terminal, a whole dump may lack its last line feed.
        let whole = !self.damaged && self.promised.map_or(self.at_place, |p| p == self.counted);
        let truncated = (self.cut && !whole) || self.promised.is_some_and(|p| p > self.counted);
        if truncated {
            let (counted, promised) = (self.counted, self.promised);
            out.warn("truncated", None, None, || match promised {
                Some(p) => format!("the first line promises {p}, {counted} are there"),
                None => format!("the text ends inside a line; {counted} goroutines before it are kept"),
            });
        }
        let mut extra = self.states;
        if self.longest_wait > 0 {
            extra.insert("longest wait_minutes".into(), self.longest_wait);
        }
        let (table, totals) = self.builder.finish(Vec::new(), &[0]);
        let profile = HeapProfile {
            format: "go-goroutine-text",
            measures: vec![Measure { name: self.kind, unit: "count".into() }],
            totals,
            truncated,
            extra,
            body: ProfileBody::Stacks(Box::new(table)),
            ..HeapProfile::default()
        };
        out.profiles.push(Observation { at: in_name(input.file_name()), who: input.who.clone(), cite, what: profile });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanza_heads_of_old_and_new_runtimes() {
        let s = Stanza::read("goroutine 7 [chan send (leaked), 3 minutes, locked to thread] {endpoint: /search, tenant: t0}:");
        let labels = vec![("endpoint", "/search"), ("tenant", "t0")];
        assert_eq!(s, Some(Stanza { state: "chan send", minutes: 3, leaked: true, locked: true, labels }));
        let s = Stanza::read("goroutine 1 gp=0xc000002380 m=0 mp=0x5a1 [running]:").map(|s| s.state);
        assert_eq!(s, Some("running"));
        assert_eq!(Stanza::read("goroutine profile: total 3"), None);
        assert_eq!(Stanza::read("goroutine dump follows"), None);
    }
}
