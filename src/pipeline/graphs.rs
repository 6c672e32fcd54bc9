//! Heap graphs are settled as soon as they are parsed, one after the other and earliest first, so that a bundle with many
//! snapshots never holds two of them. Wiring only.

use crate::heap::settle::{Ask, settle};
use crate::model::Facts;
use crate::model::graph::HeapGraph;
use crate::model::profile::{HeapProfile, ProfileBody};

/// The graphs among profiles.
pub fn among<'a>(profiles: impl Iterator<Item = &'a HeapProfile>) -> impl Iterator<Item = &'a HeapGraph> {
    profiles.filter_map(|p| match &p.body {
        ProfileBody::Graph(g) => Some(&**g),
        _ => None,
    })
}

/// The graphs that an artifact's facts hold.
pub fn of(facts: &Facts) -> impl Iterator<Item = &HeapGraph> {
    among(facts.profiles.iter().map(|p| &p.what))
}

/// Settles what `facts` brought, in the light of those before.
pub fn settle_all<'a>(facts: &mut Facts, ask: Ask<'_>, before: impl Iterator<Item = &'a HeapGraph>) {
    if of(facts).all(|g| g.columns.is_none()) {
        return;
    }
    let before: Vec<&HeapGraph> = before.collect();
    for p in &mut facts.profiles {
        if let ProfileBody::Graph(g) = &mut p.what.body {
            settle(g, ask, &before);
        }
    }
}
