//! Parsing in two lanes: small artifacts side by side, biggest first; formats with inner parallelism one at a time.
//! A panic in a parser costs that artifact's facts and nothing else. Results stand in artifact order whatever the
//! thread count; artifacts found inside artifacts (`file!#n`) follow behind, in the order of their parents.

use super::again::let_go;
use super::graphs;
use crate::bundle::names::Apart;
use crate::bundle::tracked::{self, Outcome, Tracked};
use crate::bundle::{Content, Entry};
use crate::formats::{self, Format, Head, Input, Lane, Open};
use crate::heap::settle::Ask;
use crate::model::diagnostic::{Diagnostics, Severity};
use crate::model::facts::SubArtifact;
use crate::model::graph::HeapGraph;
use crate::model::incident::ArtifactInfo;
use crate::model::source::natural;
use crate::model::{ArtifactId, Facts, spare};
use rayon::prelude::*;
use std::borrow::Cow;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

/// Artifacts within artifacts within artifacts end here.
const ROUNDS_MAX: usize = 4;

impl Open for Content {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Content::reader(self)
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Content::bytes(self)
    }

    fn reader_from(&self, offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        Content::reader_from(self, offset)
    }
}

/// An entry's content, hashed as it is read, with a view of the whole run around it.
struct Among<'a> {
    tracked: &'a Tracked<'a>,
    /// Sorted by path.
    entries: &'a [Entry],
}

impl Open for Among<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.tracked.reader()
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        self.tracked.bytes()
    }

    fn reader_from(&self, offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        self.tracked.reader_from(offset)
    }

    fn beside(&self, path: &str) -> Option<&dyn Open> {
        let i = self.entries.binary_search_by(|e| e.path.as_str().cmp(path)).ok()?;
        self.entries.get(i).map(|e| &e.content as &dyn Open)
    }

    fn paths(&self, prefix: &str) -> Vec<&str> {
        let from = self.entries.partition_point(|e| e.path.as_str() < prefix);
        let rest = self.entries.get(from..).unwrap_or(&[]);
        rest.iter().map(|e| e.path.as_str()).take_while(|p| p.starts_with(prefix)).collect()
    }
}

/// What parsing a bundle gives.
#[derive(Default)]
pub struct Parsed {
    pub facts: Vec<Facts>,
    /// Same order as `facts`; the index is the artifact's id.
    pub artifacts: Vec<ArtifactInfo>,
    /// SHA-256 of each of the bundle's entries, where digests are wanted and the entry was read.
    pub digests: Vec<Option<[u8; 32]>>,
}

/// What is wanted beside the facts.
#[derive(Clone, Copy)]
pub struct Wants<'a> {
    /// Digests of the entries.
    pub digests: bool,
    /// Artifacts of a run, parts of artifacts counted.
    pub max_entries: usize,
    /// Heap objects to answer for.
    pub ids: &'a [u64],
    /// Contents of heap strings, where a table shows them.
    pub show_strings: bool,
    /// Heap graphs are kept for comparison even where there is only one.
    pub compare: bool,
    /// Where heaps grew is not wanted, for a later run tells it.
    pub skip_growth: bool,
    /// Heap graphs are measured; else [`settle`] is to be called later.
    pub settle: bool,
    /// Bytes of stacks in memory so far, where big profiles are to be let go; see [`super::again`].
    pub kept: Option<&'a AtomicU64>,
    /// Heap graphs of earlier runs that these entries' are compared with.
    pub earlier: &'a [&'a HeapGraph],
}

/// Sniffs and parses every entry.
pub fn parse(entries: &[Entry], wants: &Wants<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    round(entries, wants, &mut parsed);
    for _ in 1..ROUNDS_MAX {
        let parts = parts(&mut parsed, wants.max_entries);
        if parts.is_empty() {
            return parsed;
        }
        round(&parts, &Wants { digests: false, kept: None, ..*wants }, &mut parsed);
    }
    for (facts, info) in parsed.facts.iter_mut().zip(&mut parsed.artifacts) {
        let left = std::mem::take(&mut facts.parts).len();
        if left > 0 {
            info.diagnostics.push(Severity::Warning, "archive-depth", None, None, || {
                format!("{left} parts are nested deeper than {ROUNDS_MAX} levels and are not read")
            });
        }
    }
    parsed
}

/// Whether no entry needs the whole pool for itself, so that several inputs may be parsed side by side.
pub fn all_serial(entries: &[Entry]) -> bool {
    entries.iter().all(|e| sniff(e).format.is_none_or(|f| f.lane(size(e)) == Lane::Serial))
}

/// Parses `entries` and appends what they say, in their order.
fn round(entries: &[Entry], wants: &Wants<'_>, parsed: &mut Parsed) {
    let first = parsed.facts.len();
    let formats: Vec<Sniffed> = entries.par_iter().map(sniff).collect();
    let lane = |i: usize| formats.get(i).and_then(|s| s.format).map_or(Lane::Serial, |f| f.lane(entries.get(i).map_or(0, size)));
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(entries.get(i).map_or(0, size)));
    let slots: Vec<OnceLock<One>> = entries.iter().map(|_| OnceLock::new()).collect();
    let parse = |i: usize| {
        let (e, s) = (entries.get(i)?, formats.get(i)?);
        let mut one = one(ArtifactId((first + i) as u32), e, s, entries, wants.digests);
        if let Some(kept) = wants.kept {
            let_go(&mut one.facts, kept);
        }
        Some(one)
    };
    let run = |i: usize| {
        if let (Some(one), Some(slot)) = (parse(i), slots.get(i)) {
            let _ = slot.set(one);
        }
    };
    // Biggest first, each into its slot: `par_iter` halves the list, so the second-biggest would start last.
    rayon::scope_fifo(|scope| {
        for &i in order.iter().filter(|&&i| lane(i) == Lane::Serial) {
            scope.spawn_fifo(move |_| run(i));
        }
    });
    // With the whole pool, one after the other: fanned out, waiting workers would open further ones. In the natural order
    // of their paths, which is the order of time for snapshots of one process; each is settled before the next is read.
    let mut parallel: Vec<usize> = (0..entries.len()).filter(|&i| lane(i) == Lane::Parallel).collect();
    let path = |i: usize| entries.get(i).map_or("", |e| e.path.as_str());
    parallel.sort_by(|&a, &b| natural(path(a), path(b)));
    let ask = Ask {
        ids: wants.ids,
        compare: parallel.len() > 1 || wants.compare,
        skip_growth: wants.skip_growth,
        show_strings: wants.show_strings,
    };
    let settle_one = |k: usize, mut one: One| {
        let settled = parallel.iter().take(k).filter_map(|&i| slots.get(i)?.get());
        let before = wants.earlier.iter().copied().chain(settled.flat_map(|o| graphs::of(&o.facts)));
        measured(&mut one.facts, &mut one.info.diagnostics, |facts| graphs::settle_all(facts, ask, before));
        one
    };
    // The next one is read while this one is measured: measuring is one long chain of steps, reading fills the gaps.
    let mut ahead = parallel.first().and_then(|&i| parse(i));
    for (k, &i) in parallel.iter().enumerate() {
        let this = ahead.take();
        let next = parallel.get(k + 1).copied();
        let (one, read) = match wants.settle {
            true => rayon::join(|| this.map(|one| settle_one(k, one)), || next.and_then(parse)),
            false => (this, next.and_then(parse)),
        };
        ahead = read;
        if let (Some(one), Some(slot)) = (one, slots.get(i)) {
            let _ = slot.set(one);
        }
    }
    spare::clear();
    for slot in slots {
        let mut one = slot.into_inner().unwrap_or_default();
        if wants.settle {
            // Graphs of formats of the serial lane, which are small.
            let before = wants.earlier.iter().copied().chain(parsed.facts.iter().flat_map(graphs::of));
            measured(&mut one.facts, &mut one.info.diagnostics, |facts| graphs::settle_all(facts, ask, before));
        }
        parsed.facts.push(one.facts);
        parsed.artifacts.push(one.info);
        parsed.digests.push(one.digest);
    }
}

/// Measures the heap graphs that were left unmeasured, in the light of those of `wants.earlier`.
pub fn settle(parsed: &mut Parsed, wants: &Wants<'_>) {
    let ask = Ask { ids: wants.ids, compare: wants.compare, skip_growth: wants.skip_growth, show_strings: wants.show_strings };
    for i in 0..parsed.facts.len() {
        let Some((done, rest)) = parsed.facts.split_at_mut_checked(i) else { return };
        let before = wants.earlier.iter().copied().chain(done.iter().flat_map(graphs::of));
        if let (Some(facts), Some(info)) = (rest.first_mut(), parsed.artifacts.get_mut(i)) {
            measured(facts, &mut info.diagnostics, |facts| graphs::settle_all(facts, ask, before));
        }
    }
}

/// Measuring stands behind the same fence as parsing: what fails costs its own artifact only.
fn measured(facts: &mut Facts, diagnostics: &mut Diagnostics, settle: impl FnOnce(&mut Facts)) {
    if catch_unwind(AssertUnwindSafe(|| settle(facts))).is_err() {
        *facts = Facts::new(facts.artifact);
        diagnostics.push(Severity::Error, "parser-panic", None, None, || "measuring its heap failed; its facts are dropped".into());
    }
}

/// Unpacked size, or a guess from the packed one; for the order of work only.
fn size(e: &Entry) -> u64 {
    e.len.unwrap_or_else(|| e.content.packed_len().saturating_mul(8))
}

/// Takes the sub-artifacts of the last round out of their parents, as many as the run's number of artifacts leaves room for.
fn parts(parsed: &mut Parsed, max: usize) -> Vec<Entry> {
    let mut apart = Apart::default();
    let mut out = Vec::new();
    let mut room = max.saturating_sub(parsed.facts.len());
    for (facts, info) in parsed.facts.iter_mut().zip(&mut parsed.artifacts) {
        let mut parts = std::mem::take(&mut facts.parts);
        let over = parts.len().saturating_sub(room);
        if over > 0 {
            parts.truncate(room);
            info.diagnostics.push(Severity::Warning, "archive-entries", None, None, || {
                format!("the limit of {max} artifacts is reached; {over} parts of this one are not read")
            });
        }
        room -= parts.len();
        for SubArtifact { name, bytes, who } in parts {
            let mut path = format!("{}!#{name}", info.path);
            apart.tell(&mut path, '.');
            out.push(Entry {
                path,
                input: 0,
                member: String::new(),
                len: Some(bytes.len() as u64),
                content: Content::memory(bytes),
                who,
                refused: false,
                diagnostics: Diagnostics::default(),
            });
        }
    }
    out
}

/// What the head of an entry tells.
struct Sniffed {
    format: Option<&'static dyn Format>,
    empty: bool,
    unreadable: Option<String>,
}

fn sniff(entry: &Entry) -> Sniffed {
    let mut out = Sniffed { format: None, empty: false, unreadable: None };
    if entry.refused {
        return out;
    }
    match entry.content.head(Head::LEN) {
        Ok(bytes) => {
            out.empty = bytes.is_empty();
            let head = Head { path: &entry.path, bytes: &bytes, complete: bytes.len() < Head::LEN };
            match catch_unwind(AssertUnwindSafe(|| formats::detect(&head))) {
                Ok(found) => out.format = found.map(|(f, _)| f),
                Err(_) => out.unreadable = Some("recognising its format failed".into()),
            }
        }
        Err(e) => out.unreadable = Some(format!("cannot be read: {e}")),
    }
    out
}

#[derive(Default)]
struct One {
    facts: Facts,
    info: ArtifactInfo,
    digest: Option<[u8; 32]>,
}

/// From this size on the digest of a plain file is taken beside its parse, by a reader of its own: the second reading comes
/// from the page cache and costs less than the wait. Smaller files keep all threads busy by their number.
const HASHED_BESIDE: u64 = 64 << 20;

/// What an entry says, read once more.
pub fn again(id: ArtifactId, entry: &Entry, entries: &[Entry]) -> Facts {
    one(id, entry, &sniff(entry), entries, false).facts
}

/// Parses one entry behind the panic fence.
fn one(id: ArtifactId, entry: &Entry, sniffed: &Sniffed, entries: &[Entry], digests: bool) -> One {
    let mut facts = Facts::new(id);
    let mut diagnostics = entry.diagnostics.clone();
    let digests = digests && !entry.refused;
    // A parser that goes through a big file alone should not wait for its digest as well.
    let beside = digests && sniffed.format.is_some() && entry.content.blob().is_some() && entry.len.is_some_and(|n| n >= HASHED_BESIDE);
    let tracked = Tracked::new(&entry.content, entry.len, digests && !beside);
    let mut digest = None;
    if let Some(format) = sniffed.format {
        let source = Among { tracked: &tracked, entries };
        let who = entry.who.clone();
        let input = Input { artifact: id, path: &entry.path, len: entry.len, who, source: &source };
        let mut out = Facts::new(id);
        let parsed = rayon::in_place_scope(|s| {
            if beside {
                s.spawn(|_| digest = tracked::digest_of(&entry.content).ok());
            }
            catch_unwind(AssertUnwindSafe(|| format.parse(&input, &mut out)))
        });
        match parsed {
            Ok(()) => facts = out,
            Err(_) => {
                facts.error("parser-panic", None, || format!("the {} parser failed on this input; its facts are dropped", format.name()))
            }
        }
    }
    let outcome = if entry.refused { Outcome::default() } else { tracked.finish() };
    if let Some((code, message, offset)) = outcome.fault {
        diagnostics.push(Severity::Warning, code, None, Some(offset), || message);
    }
    diagnostics.extend(std::mem::take(&mut facts.diagnostics));
    if let Some(why) = &sniffed.unreadable {
        diagnostics.push(Severity::Error, "unreadable", None, None, || why.clone());
    }
    if sniffed.format.is_none() && diagnostics.is_empty() {
        if sniffed.empty {
            diagnostics.push(Severity::Note, "empty", None, None, || "the file is empty".into());
        } else {
            diagnostics.push(Severity::Note, "unknown-format", None, None, || "no format recognises this content".into());
        }
    }
    let info = ArtifactInfo {
        id,
        path: entry.path.clone(),
        who: entry.who.clone(),
        format: match sniffed.format {
            _ if entry.refused => "refused",
            Some(f) => f.name(),
            None => "unknown",
        },
        bytes: outcome.len,
        facts: facts.count(),
        time_range: None,
        diagnostics,
    };
    One { facts, info, digest: outcome.digest.or(digest) }
}
