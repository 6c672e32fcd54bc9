//! Application logs: what `kubectl logs` and its collectors save, with or without `--timestamps` and `--prefix`, the
//! runtimes' own files (CRI and Docker JSON) and the sections of `kubectl cluster-info dump`.
//!
//! Only words about memory and about being told to stop become facts: a runtime that gave up (V8, JVM, Go, Python,
//! .NET, Ruby, PHP, Rust, C++), a child that was killed, SIGTERM; and what collectors and Go's MemStats say of the heap.
//! Everything else in a log is the application's own business. A word without a time of its own has the time of the last
//! line before it that had one.

mod gc;
mod go_runtime;
mod v8_gc;
mod words;

use super::lines::{self, Line};
use super::log_line as stamp;
use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::log::{LogPattern, LogWord};
use crate::model::source::beginning;
use crate::model::time::MINUTE;
use crate::model::{Claim, Observation, RawTime};
use std::collections::BTreeMap;

pub struct AppLog;

/// Words of one kind that are kept from one log; a crash loop repeats itself.
const KEPT_MAX: u32 = 200;

impl Format for AppLog {
    fn name(&self) -> &'static str {
        "app-log"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let b = head.bytes;
        if b.is_empty() || b.get(..b.len().min(4096)).unwrap_or(b).contains(&0) {
            return Match::No;
        }
        if b.starts_with(b"==== START logs for container ") {
            return Match::Certain;
        }
        let mut seen = 0u32;
        let mut stamped = 0u32;
        let mut prefixed = 0u32;
        for l in head.lines().filter(|l| !l.is_empty()).take(40) {
            seen += 1;
            let p = stamp::Prefixed::of(l);
            prefixed += u32::from(p.pod.is_some() || p.stream);
            stamped += u32::from(!matches!(stamp::time(&p), RawTime::Absent));
        }
        if prefixed * 2 > seen {
            return Match::Likely;
        }
        // A name is weak evidence, but a crashed program's log may hold nothing but its last words.
        let named =
            [".log", ".out", "stdout", "stderr", "logs.txt", "stdout.txt", "stderr.txt"].iter().any(|e| head.file_name().ends_with(e));
        match stamped * 2 > seen || named || words::any(b) {
            true => Match::Weak,
            false if head.lines().take(400).any(|l| go_runtime::is_trace(stamp::Prefixed::of(l).text)) => Match::Weak,
            false => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        read(input, out);
    }
}

/// A JVM's garbage collection log: unified (`-Xlog:gc*`, JDK 9 and later, any decorations) or JDK 8's dialects. Often it
/// shares standard output with the application, so it is read line by line just as an application log is.
pub struct GcLog;

impl Format for GcLog {
    fn name(&self) -> &'static str {
        "jvm-gc-log"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut seen = 0u32;
        let mut ours = 0u32;
        for l in head.lines().filter(|l| !l.is_empty()).take(400) {
            seen += 1;
            ours += u32::from(gc::is_gc(stamp::Prefixed::of(l).text));
        }
        match ours {
            0 => Match::No,
            n if n * 2 > seen => Match::Certain,
            _ => Match::Likely,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        read(input, out);
    }
}

/// Reads a log of either kind.
fn read(input: &Input<'_>, out: &mut Facts) {
    let Some(reader) = input.stream(out) else { return };
    let mut log = Log::new(input);
    if let Err(e) = lines::for_each_line(reader, |l| log.line(l, out)) {
        out.error("unreadable", None, || format!("cannot be read to its end: {e}"));
    }
    for (pattern, n) in log.kept.iter().filter(|(_, n)| **n > KEPT_MAX) {
        let more = n - KEPT_MAX;
        out.note("folded", None, None, || format!("{more} further lines of the kind {} are only counted", pattern.word()));
    }
    for speaker in log.speakers.into_values() {
        speaker.into_facts(out);
    }
}

struct Log {
    /// Whose lines these are, unless a line names its pod itself.
    who: Claim,
    kept: BTreeMap<LogPattern, u32>,
    /// Who spoke last.
    speaking: Claim,
    /// One for each container whose lines share this file: their collectors know nothing of one another.
    speakers: BTreeMap<Claim, Speaker>,
}

/// What goes on in the lines of one container.
struct Speaker {
    last: RawTime,
    /// Lines left in which the same breakdown of one program may go on.
    breakdown: Option<(LogPattern, u32)>,
    collections: gc::Collections,
    marked: v8_gc::Marked,
    go: go_runtime::GoRuntime,
}

impl Speaker {
    fn new(who: &Claim) -> Self {
        Speaker {
            last: RawTime::Absent,
            breakdown: None,
            collections: gc::Collections::new(who.clone()),
            marked: v8_gc::Marked::new(who.clone()),
            go: go_runtime::GoRuntime::new(who.clone()),
        }
    }

    fn into_facts(self, out: &mut Facts) {
        self.collections.into_facts(out);
        self.marked.into_facts(out);
        self.go.into_facts(out);
    }
}

/// Lines after a runtime's first word about running out of memory that belong to the same breakdown.
const BREAKDOWN_LINES: u32 = 40;

impl Log {
    fn new(input: &Input<'_>) -> Self {
        Log { who: input.who.clone(), kept: BTreeMap::new(), speaking: input.who.clone(), speakers: BTreeMap::new() }
    }

    fn line(&mut self, line: Line<'_>, out: &mut Facts) {
        if let Some(who) = stamp::section(line.text) {
            // A second section of one container is another run of it, with times of its own.
            if let Some(again) = self.speakers.get_mut(&who) {
                (again.last, again.breakdown) = (RawTime::Absent, None);
            }
            self.speaking = who.clone();
            self.who = who;
            return;
        }
        let p = stamp::Prefixed::of(line.text);
        match p.pod {
            Some((pod, container)) if !names(&self.speaking, pod, container) => self.speaking = named(&self.who, pod, container),
            None if self.speaking != self.who => self.speaking.clone_from(&self.who),
            _ => {}
        }
        if !self.speakers.contains_key(&self.speaking) {
            self.speakers.insert(self.speaking.clone(), Speaker::new(&self.speaking));
        }
        let Some(speaker) = self.speakers.get_mut(&self.speaking) else { return };
        let own = stamp::time(&p);
        if own != RawTime::Absent {
            speaker.last = own.clone();
        }
        if let Some((_, left)) = &mut speaker.breakdown {
            *left = left.saturating_sub(1);
        }
        if speaker.marked.line(p.text, &own, line, out) {
            return;
        }
        if speaker.collections.line(p.text, &own, line, out) || speaker.go.line(p.text, &own, line, out) {
            return;
        }
        let Some(word) = words::classify(p.text) else { return };
        // V8 and the JVM say it several times over in one breakdown: the first line tells, unless a later one is
        // of another kind.
        if speaker.breakdown.is_some_and(|(w, left)| w == word.pattern && left > 0 && word.repeats) {
            return;
        }
        speaker.breakdown = Some((word.pattern, BREAKDOWN_LINES));
        let n = self.kept.entry(word.pattern).or_insert(0);
        *n += 1;
        if *n > KEPT_MAX {
            return;
        }
        let mut numbers = word.numbers;
        if word.pattern == LogPattern::V8HeapLimit
            && let Some(after) = speaker.marked.last()
        {
            numbers.push(("heap_after_gc_bytes", after));
        }
        let at = match own {
            RawTime::Absent => near(&speaker.last),
            t => t,
        };
        let who = self.speaking.clone();
        let said = word.inside.as_ref().map_or(p.text, String::as_bytes);
        let text = beginning(said.trim_ascii(), 400);
        let cite = out.cite(line.offset, Some(line.number), line.text);
        out.logs.push(Observation { at, who, cite, what: LogWord { pattern: word.pattern, text, numbers } });
    }
}

/// Whether the claim is what a line with this prefix says.
fn names(who: &Claim, pod: &str, container: &str) -> bool {
    who.pod.as_deref() == Some(pod) && who.container.as_deref().unwrap_or("") == container && !who.inferred
}

/// The claim of a line that names its pod itself.
fn named(who: &Claim, pod: &str, container: &str) -> Claim {
    Claim { pod: Some(pod.into()), container: (!container.is_empty()).then(|| container.into()), inferred: false, ..who.clone() }
}

/// The time of a line before: the word came then or somewhat later.
fn near(last: &RawTime) -> RawTime {
    match last {
        RawTime::Utc { at, precision } => RawTime::Utc { at: *at, precision: (*precision).max(MINUTE) },
        RawTime::NoZone { civil, precision } => RawTime::NoZone { civil: *civil, precision: (*precision).max(MINUTE) },
        RawTime::NoYear { civil, precision } => RawTime::NoYear { civil: *civil, precision: (*precision).max(MINUTE) },
        other => other.clone(),
    }
}
