//! Comparison of allocation sites over 2..N profiles: by function, line, file, address, traceback or package.
//!
//! Every profile is first summed by site ([`crate::heap::sites`]), then the sums are joined by key ([`super::tracks`]), so
//! memory grows with sites, not with samples. Arithmetic is that of `go tool pprof -base` and of `tracemalloc.compare_to`. Judging growth is
//! [`super::growth`]'s job.

use super::owners::{Ends, Owners};
use super::rematch;
use super::suspects;
use super::tracks::{self, Track, Tracks};
use super::value::{Halves, Stacks};
use super::{Snapshot, infos};
use crate::heap::by_stack::ByStack;
use crate::heap::calltree::{self, Side};
use crate::heap::merge;
use crate::heap::sites::{self, Filter, Sampling};
use crate::model::Placed;
use crate::model::calltree::CallTree;
use crate::model::delta::{Delta, GroupBy, RowOptions};
use crate::model::profile::{HeapProfile, ProfileBody};

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
    /// For `profiles` snapshots like `first`; the error names a bad pattern or measure.
    pub fn new(first: &HeapProfile, rows: &'r RowOptions, profiles: usize) -> Result<Self, String> {
        let Some(halves) = Halves::of(first, rows.measure.as_deref()) else {
            let have: Vec<&str> = first.measures.iter().map(|m| m.name.as_str()).collect();
            return Err(format!("no measure {}; the profile has {}", rows.measure.as_deref().unwrap_or("at all"), have.join(", ")));
        };
        Ok(Folding {
            rows,
            filter: Filter::new(rows)?,
            by: rows.by.unwrap_or_else(|| sites::comparing(first)),
            tracks: Tracks::default(),
            owners: Owners::new(&halves, profiles),
            base: first.measures.iter().map(|m| m.name.clone()).zip(first.totals.iter().copied()).collect(),
            halves,
        })
    }

    /// Folds the next snapshot.
    pub fn add(&mut self, stacks: Stacks<'_>) {
        let scale = (self.rows.normalize && self.tracks.snapshots > 0).then(|| factors(stacks.0, &self.base));
        let (filter, halves) = (&self.filter, &self.halves);
        let (tracks, owners, rows) = (&mut self.tracks, &mut self.owners, self.rows);
        let noise = Sampling::of(stacks.0);
        let summed = ByStack::new(stacks.1, stacks.0.measures.len(), None, noise.as_ref());
        let ask = sites::Ask {
            by: self.by,
            filter,
            scale: scale.as_deref(),
            noise: noise.as_ref(),
            cumulative: rows.cumulative,
            stacks: Some(&summed),
        };
        rayon::join(|| tracks.add(stacks, ask, rows, halves), || owners.add(stacks, (&summed, noise.as_ref()), filter, halves));
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
        let size = |t: &Track| tracks::change(t, halves.by_bytes()).unsigned_abs();
        all.retain(|t| t.steps.iter().any(|v| (v.bytes, v.count) != t.steps.first().map_or((0, 0), |f| (f.bytes, f.count))));
        all.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.key.cmp(&b.key)).then_with(|| a.name.cmp(&b.name)));
        all.truncate(rows.limit());
        Delta { rows: all.into_iter().map(|t| tracks::row(t, by, rows, &halves, same_process)).collect(), ..delta }
    }
}

/// Compares 2..N profiles of stacks, earliest first. One that was let go is given by `again`, folded, and let go again. The
/// error names a bad pattern or measure.
pub fn diff(snapshots: &[Snapshot<'_>], rows: &RowOptions, again: &dyn Fn(usize) -> Option<HeapProfile>) -> Result<Delta, String> {
    let Some(first) = snapshots.first() else { return Ok(Delta::default()) };
    let mut folding = Folding::new(first.profile, rows, snapshots.len())?;
    for (i, s) in snapshots.iter().enumerate() {
        let read = if s.profile.aside { again(i) } else { None };
        let profile = read.as_ref().unwrap_or(s.profile);
        if let ProfileBody::Stacks(t) = &profile.body {
            folding.add((profile, t));
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
