//! Comparison of allocation sites over 2..N profiles: by function, line, file, address, traceback or package.
//!
//! Every profile is first summed by site ([`crate::heap::sites`]), then the sums are joined by key, so memory grows with
//! sites, not with samples. Arithmetic is that of `go tool pprof -base` and of `tracemalloc.compare_to`. Judging growth is
//! [`super::growth`]'s job.

use super::growth;
use super::owners::{Ends, Owners};
use super::rematch;
use super::suspects;
use super::{Snapshot, infos};
use crate::heap::calltree::{self, Side};
use crate::heap::merge;
use crate::heap::sites::{self, Filter, Sampling, Spread};
use crate::model::Placed;
use crate::model::calltree::CallTree;
use crate::model::delta::{Amount, Delta, DeltaRow, GroupBy, RowOptions, Step};
use crate::model::profile::{HeapProfile, ProfileBody, StackTable};
use std::collections::HashMap;

/// Fills the top rows of every profile of stacks; the error names a bad pattern among the row flags.
pub fn fill_top(profiles: &mut [Placed<HeapProfile>], rows: &RowOptions) -> Result<(), String> {
    let filter = Filter::new(rows)?;
    for p in profiles {
        if let ProfileBody::Stacks(table) = &p.what.body {
            p.what.sites = sites::top(&p.what, table, rows, &filter);
        }
    }
    Ok(())
}

/// The chosen measure as its space and its objects half; a measure of bytes has both where the profile counts both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halves {
    pub measure: String,
    pub bytes: Option<String>,
    pub count: Option<String>,
}

impl Halves {
    /// Of the measure asked for in `profile`, else of its default.
    pub fn of(profile: &HeapProfile, asked: Option<&str>) -> Option<Self> {
        let m = profile.measures.get(sites::measure_index(profile, asked)?)?;
        let named = |name: String| profile.measures.iter().any(|m| m.name == name).then_some(name);
        let partner = |from: &str, to: &str| m.name.strip_suffix(from).and_then(|stem| named(format!("{stem}{to}")));
        let mut halves = Halves { measure: m.name.clone(), ..Halves::default() };
        if m.name.ends_with("objects") {
            halves.count = Some(m.name.clone());
            halves.bytes = partner("objects", "space").or_else(|| partner("objects", "bytes"));
        } else if m.unit == "bytes" || m.name.ends_with("space") || m.name == "bytes" {
            halves.bytes = Some(m.name.clone());
            halves.count = partner("space", "objects").or_else(|| partner("bytes", "objects"));
        } else {
            halves.count = Some(m.name.clone());
        }
        Some(halves)
    }

    /// Whether rows are ordered by their bytes (else by their count).
    pub fn by_bytes(&self) -> bool {
        self.bytes.as_ref() == Some(&self.measure)
    }

    pub fn index(profile: &HeapProfile, name: &Option<String>) -> Option<usize> {
        let name = name.as_deref()?;
        profile.measures.iter().position(|m| m.name == name)
    }
}

/// One site over all snapshots.
#[derive(Debug, Clone, Default)]
pub struct Track {
    pub key: String,
    pub name: String,
    pub location: Option<String>,
    /// Per snapshot: bytes, count, bytes and count ever allocated, sampling weight.
    pub steps: Vec<Value>,
    /// How it was matched across builds, and what it was called before.
    pub renamed: Option<(&'static str, String)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Value {
    pub bytes: i64,
    pub count: i64,
    pub allocated_bytes: i64,
    pub allocated_count: i64,
    pub spread: Spread,
}

/// What of each snapshot is summed.
pub struct Columns {
    bytes: Option<usize>,
    count: Option<usize>,
    allocated: Option<(usize, usize)>,
}

impl Columns {
    pub fn of(profile: &HeapProfile, halves: &Halves) -> Self {
        let live = halves.measure.starts_with("inuse_");
        let find = |name: &str| profile.measures.iter().position(|m| m.name == name);
        Columns {
            bytes: Halves::index(profile, &halves.bytes),
            count: Halves::index(profile, &halves.count),
            allocated: if live { find("alloc_space").zip(find("alloc_objects")) } else { None },
        }
    }

    pub fn value(&self, row: &[i64], spread: Spread) -> Value {
        let get = |i: Option<usize>| i.and_then(|i| row.get(i)).copied().unwrap_or(0);
        Value {
            bytes: get(self.bytes),
            count: get(self.count),
            allocated_bytes: get(self.allocated.map(|a| a.0)),
            allocated_count: get(self.allocated.map(|a| a.1)),
            spread,
        }
    }
}

/// A snapshot whose body is a stack table.
pub type Stacks<'a> = (&'a HeapProfile, &'a StackTable);

/// Factors that bring each measure of `profile` to `base`'s total, as pprof's `-normalize`.
fn factors(profile: &HeapProfile, base: &[(String, i64)]) -> Vec<f64> {
    profile
        .measures
        .iter()
        .zip(&profile.totals)
        .map(|(m, total)| {
            let wanted = base.iter().find(|b| b.0 == m.name).map_or(0, |b| b.1);
            if *total == 0 { 0.0 } else { wanted as f64 / *total as f64 }
        })
        .collect()
}

/// Sites over the snapshots added so far, joined by key in the order first met.
#[derive(Default)]
struct Tracks {
    list: Vec<Track>,
    index: HashMap<(String, String), usize>,
    snapshots: usize,
}

impl Tracks {
    fn add(&mut self, (profile, table): Stacks<'_>, by: GroupBy, rows: &RowOptions, f: (&Filter, &Halves), scale: Option<&[f64]>) {
        let (filter, halves) = f;
        let at = self.snapshots;
        let noise = Sampling::of(profile);
        let sums = sites::sum(profile, table, by, filter, scale, noise.as_ref());
        let columns = Columns::of(profile, halves);
        let out = &mut self.list;
        for g in 0..sums.len() {
            let (row, spread) = if rows.cumulative { (sums.cumulative(g), &sums.cumulative_spread) } else { (sums.own(g), &sums.spread) };
            if row.iter().all(|v| *v == 0) {
                continue;
            }
            let (key, name, location) = sums.words(g);
            let i = *self.index.entry((key, name)).or_insert_with_key(|(key, name)| {
                out.push(Track { key: key.clone(), name: name.clone(), location, steps: Vec::new(), renamed: None });
                out.len() - 1
            });
            let v = columns.value(row, spread.get(g).copied().unwrap_or_default());
            if let Some(t) = out.get_mut(i) {
                t.steps.resize(at + 1, Value::default());
                if let Some(slot) = t.steps.get_mut(at) {
                    slot.add(v);
                }
            }
        }
        self.snapshots += 1;
        out.iter_mut().for_each(|t| t.steps.resize(at + 1, Value::default()));
    }
}

/// A comparison under way. Each snapshot is folded to the values of its sites and owners; only the first and the last have
/// to be at hand in the end, so a long series of big profiles never stands in memory at once.
pub struct Folding<'r> {
    rows: &'r RowOptions,
    filter: Filter,
    halves: Halves,
    by: GroupBy,
    tracks: Tracks,
    owners: Owners,
    /// Of the first snapshot, for `-normalize`.
    base: Vec<(String, i64)>,
}

impl<'r> Folding<'r> {
    /// For snapshots like `first`; the error names a bad pattern or measure.
    pub fn new(first: &HeapProfile, rows: &'r RowOptions) -> Result<Self, String> {
        let Some(halves) = Halves::of(first, rows.measure.as_deref()) else {
            let have: Vec<&str> = first.measures.iter().map(|m| m.name.as_str()).collect();
            return Err(format!("no measure {}; the profile has {}", rows.measure.as_deref().unwrap_or("at all"), have.join(", ")));
        };
        Ok(Folding {
            rows,
            filter: Filter::new(rows)?,
            by: rows.by.unwrap_or_else(|| sites::comparing(first)),
            tracks: Tracks::default(),
            owners: Owners::new(&halves),
            base: first.measures.iter().map(|m| m.name.clone()).zip(first.totals.iter().copied()).collect(),
            halves,
        })
    }

    /// Folds the next snapshot.
    pub fn add(&mut self, stacks: Stacks<'_>) {
        let scale = (self.rows.normalize && self.tracks.snapshots > 0).then(|| factors(stacks.0, &self.base));
        let (filter, halves) = (&self.filter, &self.halves);
        let (tracks, owners, rows, by) = (&mut self.tracks, &mut self.owners, self.rows, self.by);
        rayon::join(|| tracks.add(stacks, by, rows, (filter, halves), scale.as_deref()), || owners.add(stacks, filter, halves));
    }

    /// The document. Of `snapshots`, which are those that were folded, only the first and the last need their stacks.
    pub fn finish(self, snapshots: &[Snapshot<'_>]) -> Delta {
        let Some((first, last)) = outer(snapshots) else { return Delta::default() };
        let Folding { rows, halves, by, tracks, mut owners, .. } = self;
        let mut limits = Vec::new();
        for s in snapshots {
            if !s.profile.measures.iter().any(|m| m.name == halves.measure) {
                limits.push(format!("{} has no {}; it counts as 0 there", s.path, halves.measure));
            }
            if s.profile.truncated {
                limits.push(format!("{} ended early; its figures are lower bounds", s.path));
            }
        }
        let same_process = same_process(snapshots);
        let renames = same_process == Some(false) && !rows.pprof_base;
        if renames {
            owners.follow_renames();
        }
        let delta = Delta {
            same_process,
            measures: first.0.measures.iter().map(|m| m.name.clone()).collect(),
            measure: halves.measure.clone(),
            snapshots: infos(snapshots, halves.bytes.as_deref(), halves.count.as_deref()),
            suspects: suspects::find(&owners, Ends { first, last }, snapshots, &halves, &mut limits),
            limits,
            ..Delta::default()
        };
        let mut all = tracks.list;
        if renames {
            for i in rematch::across_builds(&mut all, by).into_iter().rev() {
                all.remove(i);
            }
        }
        let size = |t: &Track| change(t, halves.by_bytes()).unsigned_abs();
        all.retain(|t| t.steps.iter().any(|v| (v.bytes, v.count) != t.steps.first().map_or((0, 0), |f| (f.bytes, f.count))));
        all.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.key.cmp(&b.key)).then_with(|| a.name.cmp(&b.name)));
        all.truncate(rows.limit());
        Delta { rows: all.into_iter().map(|t| row(t, by, rows, &halves, same_process)).collect(), ..delta }
    }
}

impl Value {
    /// Adds another site of the same key.
    pub fn add(&mut self, v: Value) {
        self.bytes = self.bytes.saturating_add(v.bytes);
        self.count = self.count.saturating_add(v.count);
        self.allocated_bytes = self.allocated_bytes.saturating_add(v.allocated_bytes);
        self.allocated_count = self.allocated_count.saturating_add(v.allocated_count);
        self.spread.live += v.spread.live;
        self.spread.allocated += v.spread.allocated;
    }

    pub fn of(&self, by_bytes: bool) -> i64 {
        if by_bytes { self.bytes } else { self.count }
    }
}

fn kind(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Line => "line",
        GroupBy::File => "file",
        GroupBy::Traceback => "traceback",
        GroupBy::Address => "address",
        GroupBy::Package => "package",
        GroupBy::Label => "label",
        GroupBy::Goroutine => "goroutine",
        GroupBy::Class => "class",
        _ => "function",
    }
}

/// Compares 2..N profiles of stacks, earliest first. The error names a bad pattern or measure.
pub fn diff(snapshots: &[Snapshot<'_>], rows: &RowOptions) -> Result<Delta, String> {
    let Some(first) = snapshots.first() else { return Ok(Delta::default()) };
    let mut folding = Folding::new(first.profile, rows)?;
    for s in snapshots {
        if let ProfileBody::Stacks(t) = &s.profile.body {
            folding.add((s.profile, t));
        }
    }
    Ok(folding.finish(snapshots))
}

/// First and last snapshot with their stack tables.
fn outer<'a>(snapshots: &[Snapshot<'a>]) -> Option<(Stacks<'a>, Stacks<'a>)> {
    let stacks = |s: Option<&Snapshot<'a>>| match s.map(|s| (s.profile, &s.profile.body)) {
        Some((p, ProfileBody::Stacks(t))) => Some((p, &**t)),
        _ => None,
    };
    stacks(snapshots.first()).zip(stacks(snapshots.last()))
}

/// The call tree of the first and the last snapshot, for the measure and the stacks that the row flags choose.
pub fn tree(snapshots: &[Snapshot<'_>], rows: &RowOptions) -> Option<CallTree> {
    let (before, after) = outer(snapshots)?;
    let filter = Filter::new(rows).ok()?;
    let measure = after.0.measures.get(sites::measure_index(after.0, rows.measure.as_deref())?)?;
    let base: Vec<(String, i64)> = before.0.measures.iter().map(|m| m.name.clone()).zip(before.0.totals.iter().copied()).collect();
    let factors = rows.normalize.then(|| factors(after.0, &base));
    let side = |p: Stacks<'_>| p.0.measures.iter().position(|m| m.name == measure.name);
    calltree::build(
        Some(&Side { table: before.1, measure: side(before)?, scale: None, passing: filter.passing(before.1) }),
        &Side { table: after.1, measure: side(after)?, scale: factors.as_deref(), passing: filter.passing(after.1) },
        &measure.name,
        if measure.unit == "bytes" { "bytes" } else { "count" },
    )
    .into()
}

/// The call tree of one profile, for the measure it shows by default.
pub fn plain_tree(profile: &HeapProfile) -> Option<CallTree> {
    let ProfileBody::Stacks(table) = &profile.body else { return None };
    let index = sites::measure_index(profile, None)?;
    let measure = profile.measures.get(index)?;
    let side = Side { table, measure: index, scale: None, passing: None };
    Some(calltree::build(None, &side, &measure.name, if measure.unit == "bytes" { "bytes" } else { "count" }))
}

/// Last minus first snapshot as a profile of its own.
pub fn difference(snapshots: &[Snapshot<'_>], measure: &str) -> Option<HeapProfile> {
    let (before, after) = outer(snapshots)?;
    Some(merge::difference(before, after, measure))
}

/// Last minus first.
pub fn change(t: &Track, by_bytes: bool) -> i64 {
    let (a, b) = ends(&t.steps);
    b.of(by_bytes).saturating_sub(a.of(by_bytes))
}

fn ends(steps: &[Value]) -> (Value, Value) {
    (steps.first().copied().unwrap_or_default(), steps.last().copied().unwrap_or_default())
}

/// The document's row of one site or class.
pub fn row(t: Track, by: GroupBy, rows: &RowOptions, halves: &Halves, same_process: Option<bool>) -> DeltaRow {
    let (a, b) = ends(&t.steps);
    let some = |half: &Option<String>, v: i64| half.as_ref().map(|_| v);
    let amount = |v: &Value| Amount { count: some(&halves.count, v.count), bytes: some(&halves.bytes, v.bytes), retained_bytes: None };
    let (count, bytes) = (b.count.saturating_sub(a.count), b.bytes.saturating_sub(a.bytes));
    // Where one process counts every allocation, what came and went in between is known; else only what is left of it.
    let came = |delta: i64, before: i64, after: i64| {
        let made = after.saturating_sub(before);
        if same_process == Some(true) && made >= delta.max(0) { made } else { delta.max(0) }
    };
    let added_count = came(count, a.allocated_count, b.allocated_count);
    let added_bytes = came(bytes, a.allocated_bytes, b.allocated_bytes);
    let error = growth::standard_error(&a, &b, halves);
    DeltaRow {
        kind: kind(by).into(),
        before: amount(&a),
        after: amount(&b),
        added_count: some(&halves.count, added_count),
        removed_count: some(&halves.count, added_count.saturating_sub(count)),
        added_bytes: some(&halves.bytes, added_bytes),
        removed_bytes: some(&halves.bytes, added_bytes.saturating_sub(bytes)),
        count_delta: some(&halves.count, count),
        bytes_delta: some(&halves.bytes, bytes),
        retained_delta: None,
        error_bytes: error.map(|e| e.round() as i64),
        cumulative_delta: rows.cumulative.then(|| if halves.by_bytes() { bytes } else { count }),
        trend: growth::word(&t.steps, halves).into(),
        steps: t.steps.iter().map(|v| Step { count: some(&halves.count, v.count), bytes: some(&halves.bytes, v.bytes) }).collect(),
        matched: t.renamed.as_ref().map(|r| r.0.to_owned()),
        was: t.renamed.map(|r| r.1),
        key: t.key,
        name: t.name,
        location: t.location,
    }
}

/// Allocation counters of one process never fall; another binary is another process. `None` where neither tells.
fn same_process(snapshots: &[Snapshot<'_>]) -> Option<bool> {
    let mut told = None;
    for pair in snapshots.windows(2) {
        let [Snapshot { profile: a, .. }, Snapshot { profile: b, .. }] = pair else { continue };
        if let (Some(x), Some(y)) = (&a.process, &b.process)
            && x != y
        {
            return Some(false);
        }
        let total = |p: &HeapProfile| p.measures.iter().position(|m| m.name == "alloc_space").and_then(|i| p.totals.get(i)).copied();
        if let (Some(x), Some(y)) = (total(a).filter(|x| *x > 0), total(b)) {
            if y < x {
                return Some(false);
            }
            told = Some(true);
        }
    }
    told
}
