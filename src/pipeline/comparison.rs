//! The wiring of `postmem diff`: inputs are read in order, their profiles lined up kind by kind, each line folded as it
//! comes, so that of a long series of big profiles only the first and the last stand in memory.
//!
//! An input may be a loose profile, or a directory or archive with several: of these the latest of each kind counts.

use super::{Options, graphs, in_pool, incident, read_bundle, schedule, set_aside, wants};
use crate::bundle::{self, Bundle};
use crate::correlate::compare::sites::{self, Folding};
use crate::correlate::compare::together::{self, Both};
use crate::correlate::compare::value::Stacks;
use crate::correlate::compare::{self, Refusal, Snapshot};
use crate::error::Error;
use crate::model::calltree::CallTree;
use crate::model::delta::{Delta, RowOptions};
use crate::model::graph::HeapGraph;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::source_map::SourceMap;
use crate::model::{Incident, Owner, Severity, Timestamp};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// What a comparison is to give beside its rows and suspects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// The call tree of the first and the last profile.
    pub tree: bool,
    /// Their difference as a profile.
    pub difference: bool,
}

/// A comparison with what was asked for of it.
#[derive(Debug, Default)]
pub struct Comparison {
    pub delta: Delta,
    /// Absent where the inputs are not profiles of call stacks.
    pub tree: Option<CallTree>,
    pub difference: Option<HeapProfile>,
    /// Whose the profiles are, as far as their paths tell.
    pub owners: Vec<Owner>,
}

impl Comparison {
    /// The difference as a gzipped pprof file.
    pub fn growth_file(&self) -> Option<Vec<u8>> {
        crate::formats::pprof::write::gzipped(self.difference.as_ref()?)
    }
}

/// Compares one profile per input, in the order given.
pub fn diff(inputs: &[PathBuf], options: &Options) -> Result<Delta, Error> {
    compare(inputs, options, Wants::default()).map(|c| c.delta)
}

/// As [`diff`], with the call tree and the difference if they are wanted.
pub fn compare(inputs: &[PathBuf], options: &Options, wants: Wants) -> Result<Comparison, Error> {
    in_pool(options, || compare_here(inputs, &options.uncompared(), wants))
}

fn compare_here(inputs: &[PathBuf], options: &Options, wants: Wants) -> Result<Comparison, Error> {
    // Source maps may be given beside the snapshots that they explain.
    let (maps, inputs): (Vec<PathBuf>, Vec<PathBuf>) = inputs.iter().cloned().partition(|p| p.extension().is_some_and(|e| e == "map"));
    if inputs.len() < 2 && !maps.is_empty() {
        return Err(Error::Usage("two snapshots are needed beside the source maps: one alone cannot be compared".into()));
    }
    let mut originals: Vec<SourceMap> = Vec::new();
    if !maps.is_empty() {
        let bundle = bundle::walk::open(&maps, &options.limits, &options.correlate.map)?;
        originals.extend(read_bundle(bundle, options, None).source_maps.into_iter().map(|m| m.what));
    }
    let inputs = inputs.as_slice();
    let mut lines: Vec<Line<'_>> = Vec::new();
    let ahead = graphs_ahead(inputs, options)?;
    for (input, read) in inputs.iter().zip(ahead.into_iter().flatten()) {
        line_up(&mut lines, input, read)?;
    }
    let inputs_left = if lines.is_empty() { inputs } else { &[] };
    // A pair is read side by side; of a longer series only one is in memory beside the first.
    let at_once = if inputs.len() == 2 { 2 } else { 1 };
    for (i, pair) in inputs_left.chunks(at_once).enumerate() {
        let opened = pair
            .iter()
            .map(|i| bundle::walk::open(std::slice::from_ref(i), &options.limits, &options.correlate.map))
            .collect::<Result<Vec<Bundle>, Error>>()?;
        let read = if opened.iter().all(|b| schedule::all_serial(&b.entries)) {
            opened.into_par_iter().map(|b| taken(read_bundle(b, options, Some(&[])))).collect()
        } else {
            let mut read: Vec<Read> = Vec::new();
            for bundle in opened {
                let before = lines.iter().flat_map(|l| &l.members).chain(read.iter().flat_map(|r| &r.profiles));
                let graphs: Vec<&HeapGraph> = graphs::among(before.map(|t| &t.profile)).collect();
                let incident = read_bundle(bundle, options, Some(&graphs));
                read.push(taken(incident));
            }
            read
        };
        for (input, read) in pair.iter().zip(read) {
            line_up(&mut lines, input, read)?;
        }
        if inputs.len() > 2 {
            let more = i + 1 < inputs.len();
            lines.iter_mut().try_for_each(|l| l.fold(&options.rows, inputs.len(), more))?;
        }
    }
    lines.retain(|l| l.members.len() == inputs.len());
    let mut all = lines.iter_mut();
    let Some(first) = all.next() else { return Err(kinds()) };
    let mut out = first.finish(&options.rows, wants)?;
    // The flags may name a measure that the other kinds do not have.
    let mut goroutines = false;
    let plain = RowOptions { measure: None, ..options.rows.clone() };
    for line in all {
        let mut other = line.finish(&plain, Wants::default())?.delta;
        if let (Some(h), Some(g)) = (first.ends(), line.ends())
            && out.delta.measure == "inuse_space"
            && (other.measure == "goroutine" || other.measure == "goroutineleak" && !goroutines)
        {
            goroutines = true;
            together::join(&mut out.delta, &mut other, &Both { heap: h, goroutines: g });
        }
        out.delta.also.push(other);
    }
    let originals: Vec<&SourceMap> = originals.iter().collect();
    compare::originals::apply(&mut out.delta, &originals);
    out.owners = lines.iter().flat_map(|l| &l.members).map(|t| t.owner.clone()).collect();
    set_aside(lines.into_iter().map(|l| l.members).collect::<Vec<_>>());
    Ok(out)
}

/// Loose heap snapshots, one per input: the next one is read while this one is measured, for measuring is one long chain
/// of steps and reading fills the gaps. `None` where the inputs are anything else.
fn graphs_ahead(inputs: &[PathBuf], options: &Options) -> Result<Option<Vec<Read>>, Error> {
    let mut opened: Vec<Bundle> = Vec::new();
    for input in inputs {
        let bundle = bundle::walk::open(std::slice::from_ref(input), &options.limits, &options.correlate.map)?;
        if bundle.entries.len() != 1 || schedule::all_serial(&bundle.entries) {
            return Ok(None);
        }
        opened.push(bundle);
    }
    let unmeasured = |b: &Bundle| schedule::parse(&b.entries, &schedule::Wants { settle: false, ..wants(options, Some(&[])) });
    let mut out: Vec<Read> = Vec::new();
    let mut rest = opened.into_iter().peekable();
    let mut ahead = rest.peek().map(unmeasured);
    while let (Some(bundle), Some(mut this)) = (rest.next(), ahead.take()) {
        let next = rest.peek();
        let graphs: Vec<&HeapGraph> = graphs::among(out.iter().flat_map(|r| &r.profiles).map(|t| &t.profile)).collect();
        let wants = schedule::Wants { skip_growth: next.is_some(), ..wants(options, Some(&graphs)) };
        let (measured, read) = rayon::join(
            || {
                schedule::settle(&mut this, &wants);
                this
            },
            || next.map(unmeasured),
        );
        out.push(taken(incident(bundle, measured, options)));
        ahead = read;
    }
    Ok(Some(out))
}

fn nothing_in(input: &Path, trouble: Option<String>) -> Error {
    let why = trouble.map_or(String::new(), |t| format!(": {t}"));
    Error::Unreadable(format!("{}: no heap profile or snapshot found in it{why}", input.display()))
}

fn kinds() -> Error {
    Error::Unreadable("the inputs hold profiles of different kinds, which do not compare".into())
}

/// A profile taken out of its run.
struct Taken {
    path: String,
    owner: Owner,
    time: Option<Timestamp>,
    profile: HeapProfile,
}

impl Taken {
    fn stacks(&self) -> Option<Stacks<'_>> {
        if let ProfileBody::Stacks(t) = &self.profile.body { Some((&self.profile, t)) } else { None }
    }

    fn kind(&self) -> impl Iterator<Item = &str> {
        self.profile.measures.iter().map(|m| m.name.as_str())
    }
}

/// What one input gave.
struct Read {
    profiles: Vec<Taken>,
    /// The first error on the way, for an input that gave nothing.
    trouble: Option<String>,
}

/// The profiles of one input: of each kind the latest, live heap first. A file that is a profile has one.
fn taken(incident: Incident) -> Read {
    let errors = incident.artifacts.iter().flat_map(|a| a.diagnostics.iter()).filter(|d| d.severity == Severity::Error);
    let trouble = errors.map(|d| d.message.clone()).next();
    let single = incident.artifacts.len() == 1;
    let paths: Vec<String> = incident.profiles.iter().map(|p| incident.path(p.cite.span.artifact).to_owned()).collect();
    let mut out: Vec<Taken> = Vec::new();
    for (p, path) in incident.profiles.into_iter().zip(paths).filter(|(p, _)| !matches!(p.what.body, ProfileBody::Empty)) {
        let new = Taken { path, owner: p.owner, time: p.at.mid(), profile: p.what };
        match out.iter_mut().find(|t| t.kind().eq(new.kind())) {
            Some(have) if !single && (new.time, &new.path) > (have.time, &have.path) => *have = new,
            Some(_) => {}
            None => out.push(new),
        }
    }
    out.sort_by_key(|t| !t.kind().any(|m| m == "inuse_space" || m == "bytes"));
    if single {
        out.truncate(1);
    }
    Read { profiles: out, trouble }
}

/// Puts the profiles of the next input behind those of its kind.
fn line_up<'r>(lines: &mut Vec<Line<'r>>, input: &Path, read: Read) -> Result<(), Error> {
    let Read { profiles, trouble } = read;
    if profiles.is_empty() {
        return Err(nothing_in(input, trouble));
    }
    if lines.is_empty() {
        *lines = profiles.into_iter().map(|t| Line { members: vec![t], folding: None, folded: 0 }).collect();
        return Ok(());
    }
    // Where there is only one of them, what it may be compared with is for the comparison to say.
    let only = lines.len() == 1 && profiles.len() == 1;
    for t in profiles {
        let same = |l: &Line<'_>| l.members.first().is_some_and(|f| f.kind().eq(t.kind()));
        if let Some(line) = lines.iter_mut().find(|l| only || same(l)) {
            line.members.push(t);
        }
    }
    Ok(())
}

/// The profiles of one kind, in the order of the inputs.
struct Line<'r> {
    members: Vec<Taken>,
    folding: Option<Folding<'r>>,
    /// Members that are folded already.
    folded: usize,
}

impl<'r> Line<'r> {
    /// Folds what came; stacks that will not be asked for again are let go: all but the first's, and the last's where no
    /// more inputs follow.
    fn fold(&mut self, rows: &'r RowOptions, inputs: usize, more: bool) -> Result<(), Error> {
        let Some(first) = self.members.first() else { return Ok(()) };
        if self.members.iter().any(|m| !matches!(m.profile.body, ProfileBody::Stacks(_) | ProfileBody::Empty)) {
            return Ok(());
        }
        if self.folding.is_none() {
            self.folding = Some(Folding::new(&first.profile, rows, inputs).map_err(Error::Usage)?);
        }
        let Some(folding) = &mut self.folding else { return Ok(()) };
        for m in self.members.iter().skip(self.folded) {
            if let Some(stacks) = m.stacks() {
                folding.add(stacks);
            }
        }
        self.folded = self.members.len();
        let last = if more { self.members.len() } else { self.members.len().saturating_sub(1) };
        self.members.iter_mut().take(last).skip(1).for_each(|m| m.profile.body = ProfileBody::Empty);
        Ok(())
    }

    fn finish(&mut self, rows: &RowOptions, wants: Wants) -> Result<Comparison, Error> {
        if self.members.iter().all(|m| matches!(m.profile.body, ProfileBody::Stacks(_) | ProfileBody::Empty)) {
            return self.finish_stacks(rows, wants);
        }
        self.folding = None;
        let delta = compare::diff(&self.snapshots(), rows).map_err(|refusal| match refusal {
            Refusal::Kinds => kinds(),
            Refusal::Asked(why) => Error::Usage(why),
        })?;
        Ok(Comparison { delta, ..Comparison::default() })
    }

    fn snapshots(&self) -> Vec<Snapshot<'_>> {
        self.members.iter().map(|t| Snapshot { path: &t.path, time: t.time, profile: &t.profile }).collect()
    }

    /// First and last profile.
    fn ends(&self) -> Option<(Stacks<'_>, Stacks<'_>)> {
        self.members.first()?.stacks().zip(self.members.last()?.stacks())
    }

    /// Sums and call tree are made side by side.
    fn finish_stacks(&mut self, rows: &RowOptions, wants: Wants) -> Result<Comparison, Error> {
        let folding = self.folding.take();
        let rest = self.members.get(self.folded..).unwrap_or(&[]);
        let first = self.members.first().ok_or_else(kinds)?;
        let snapshots = self.snapshots();
        let sums = || -> Result<Delta, Error> {
            let mut folding: Folding<'_> = match folding {
                Some(f) => f,
                None => Folding::new(&first.profile, rows, self.members.len()).map_err(Error::Usage)?,
            };
            rest.iter().filter_map(Taken::stacks).for_each(|s| folding.add(s));
            Ok(compare::named(folding.finish(&snapshots), &first.profile))
        };
        let tree = || wants.tree.then(|| sites::tree(&snapshots, rows)).flatten();
        let (delta, tree) = rayon::join(sums, tree);
        let delta = delta?;
        let difference = wants.difference.then(|| sites::difference(&snapshots, &delta.measure)).flatten();
        Ok(Comparison { delta, tree, difference, owners: Vec::new() })
    }
}
