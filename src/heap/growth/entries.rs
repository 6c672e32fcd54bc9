//! What a container holds, as its program counts it: items of an array, entries of a map, keys of an object that serves as
//! a dictionary. References are more than that: a table refers to keys and values, an object twice to what it has in an
//! array of its own. Counts the present graph; earlier ones have only references, and those are read by the same measure.

use super::way::is_part;
use crate::model::graph::{ClassKind, EdgeKind, FAR, GraphColumns, NODE, NodeKind};
use std::collections::BTreeMap;

/// Fields from which on an object may be a dictionary: a record is rarely that wide.
const WIDE: usize = 12;
/// Edges of one object looked at for telling a dictionary.
const LOOKED_AT: usize = 4096;
/// Share of a container's references that its entries at least stand for.
const LEAST_SHARE: f64 = 0.25;

/// Entries of `v`.
fn count(g: &GraphColumns, v: u32) -> u64 {
    let class = g.class.get(v as usize).copied().unwrap_or(0);
    if let Ok(at) = g.tables.binary_search_by_key(&class, |t| t.0) {
        let slots = u32::from(g.tables.get(at).map_or(1, |t| t.1)).max(1);
        let parts = g.edges(v).map(|e| g.target(e)).filter(|&t| is_part(g, t));
        return parts.map(|t| in_slots(g, t, slots)).max().unwrap_or(0);
    }
    g.edges(v).filter(|&e| strong(g, e) && matches!(g.edge_label(e).kind(), EdgeKind::Element | EdgeKind::Property)).count() as u64
}

fn strong(g: &GraphColumns, e: usize) -> bool {
    g.to.get(e).is_some_and(|t| t & FAR == 0)
}

/// Entries of a table in which each takes `slots`: a key or a value that is a plain number has no reference, so the fuller
/// of the two tells.
fn in_slots(g: &GraphColumns, table: u32, slots: u32) -> u64 {
    let mut full = [0u64; 8];
    for e in g.edges(table) {
        let label = g.edge_label(e);
        let slot = if label.kind().is_indexed() { Some(label.name()) } else { g.strings.get(label.name()).parse().ok() };
        if let Some(f) = slot.and_then(|s: u32| full.get_mut((s % slots) as usize)) {
            *f += 1;
        }
    }
    let used = full.get(..slots.min(8) as usize).unwrap_or(&[]);
    let (least, most) = (used.iter().min().copied().unwrap_or(0), used.iter().max().copied().unwrap_or(0));
    // The last slot of an entry is a number: where all are references the table is kept in another way.
    if least.saturating_mul(4) > most { used.iter().sum() } else { most }
}

/// Turns the references of `members` at each time into entries, where entries are what most of the references are for.
pub fn scale(g: &GraphColumns, members: &[u32], references: &mut [Option<u64>]) {
    let Some(now) = references.last().copied().flatten().filter(|n| *n > 0) else { return };
    let entries = members.iter().map(|&m| count(g, m)).fold(0, u64::saturating_add);
    if (entries as f64) < now as f64 * LEAST_SHARE {
        return;
    }
    let slots = now as f64 / entries as f64;
    // So many references an entry, and a few of the container itself.
    let whole = slots.round();
    let slots = if (slots - whole).abs() < 0.1 { whole } else { slots };
    for r in references.iter_mut().flatten() {
        *r = (*r as f64 / slots).round() as u64;
    }
}

/// Whether the fields of an object are data rather than names that its program was written with: many of them, and nearly
/// all lead to things of one class.
pub fn is_dictionary(g: &GraphColumns, v: u32) -> bool {
    let class = g.class.get(v as usize).and_then(|&c| g.classes.get(c as usize));
    let plain = class.is_some_and(|c| matches!(c.kind, ClassKind::Runtime | ClassKind::Shape)) && g.node_kind(v) == NodeKind::Object;
    if !plain {
        return false;
    }
    let mut of: BTreeMap<u32, usize> = BTreeMap::new();
    let mut fields = 0;
    for e in g.edges(v).take(LOOKED_AT).filter(|&e| strong(g, e) && g.edge_label(e).kind() == EdgeKind::Property) {
        let Some(&to) = g.to.get(e) else { continue };
        let to = to & NODE;
        fields += 1;
        // Functions are named by whoever wrote them.
        if g.node_kind(to) != NodeKind::Closure {
            *of.entry(g.class.get(to as usize).copied().unwrap_or(0)).or_default() += 1;
        }
    }
    fields >= WIDE && of.values().any(|n| n * 5 >= fields * 4)
}
