//! Comparison of successive profiles: one row per class, function, line or traceback over 2..N captures.

mod blame;
mod classes;
mod graphs;
mod growth;
mod holder_words;
mod keepers;
mod leak_patterns;
pub mod originals;
mod owners;
mod places;
mod rematch;
mod retainers;
mod shapes;
pub mod sites;
mod suspects;
pub mod together;
mod tracks;
pub mod value;

use crate::model::delta::{Delta, RowOptions, SnapshotInfo};
use crate::model::profile::{HeapProfile, ProfileBody};

/// A profile to compare, in order of time, with what the report calls it.
pub struct Snapshot<'a> {
    pub path: &'a str,
    pub time: Option<crate::model::Timestamp>,
    pub profile: &'a HeapProfile,
}

/// Why profiles could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Profiles of different kinds do not go together.
    Kinds,
    /// A pattern or a measure that was asked for makes no sense; in words.
    Asked(String),
}

/// Compares 2..N profiles of one kind, given earliest first.
pub fn diff(snapshots: &[Snapshot<'_>], rows: &RowOptions) -> Result<Delta, Refusal> {
    diff_again(snapshots, rows, &|_| None)
}

/// The same, where `again` gives snapshots whose stacks were let go. The first and the last are at hand.
pub fn diff_again(snapshots: &[Snapshot<'_>], rows: &RowOptions, again: &dyn Fn(usize) -> Option<HeapProfile>) -> Result<Delta, Refusal> {
    let bodies: Vec<&ProfileBody> = snapshots.iter().map(|s| &s.profile.body).collect();
    let delta = if bodies.iter().all(|b| matches!(b, ProfileBody::Stacks(_))) {
        sites::diff(snapshots, rows, again).map_err(Refusal::Asked)?
    } else if bodies.iter().all(|b| matches!(b, ProfileBody::Graph(_))) {
        graphs::diff(snapshots, rows)
    } else if bodies.iter().all(|b| matches!(b, ProfileBody::Classes(_))) {
        classes::diff(snapshots, rows).map_err(Refusal::Asked)?
    } else {
        return Err(Refusal::Kinds);
    };
    Ok(snapshots.first().map_or(Delta::default(), |s| named(delta, s.profile)))
}

/// The document with what it is and what it is of.
pub fn named(delta: Delta, first: &HeapProfile) -> Delta {
    Delta { schema: "postmem.diff/1".into(), format: first.format.to_owned(), ..delta }
}

/// The `snapshots[]` entries, from the named measures of each profile (`bytes` and `objects` halves).
fn infos(snapshots: &[Snapshot<'_>], bytes: Option<&str>, objects: Option<&str>) -> Vec<SnapshotInfo> {
    let total = |p: &HeapProfile, name: Option<&str>| {
        let i = p.measures.iter().position(|m| Some(m.name.as_str()) == name)?;
        p.totals.get(i).copied()
    };
    snapshots
        .iter()
        .map(|s| SnapshotInfo {
            path: s.path.to_owned(),
            time: s.time,
            total_bytes: total(s.profile, bytes),
            objects: total(s.profile, objects),
            truncated: s.profile.truncated,
        })
        .collect()
}
