//! What ECMAScript modules export, by name. V8 keeps each export in a cell and the cells in a table of (name, cell) pairs; its
//! snapshots call the reference from a cell to its value `value`. Here that reference gets the export's name, so that a way
//! through it reads as the program does.

use super::names::Known;
use crate::model::graph::{EdgeKind, EdgeLabel, GraphColumns, NodeKind};

/// References to the values of exports (by index) and what they are to be called. Modules hang in their wrapper object; before
/// Node 14 only in the runtime's handles.
pub fn named(g: &GraphColumns, known: &Known) -> Vec<(usize, EdgeLabel)> {
    let Some(cell) = known.cell else { return Vec::new() };
    let wrappers: Vec<u32> = (0u32..)
        .zip(&g.name)
        .filter(|(v, name)| match g.node_kind(*v) {
            NodeKind::Object => known.module_wrap == Some(**name),
            NodeKind::Synthetic => known.global_handles == Some(**name),
            _ => false,
        })
        .map(|(v, _)| v)
        .collect();
    let below = |v: u32, kind: NodeKind| -> Vec<u32> { g.edges(v).map(|e| g.target(e)).filter(|&t| g.node_kind(t) == kind).collect() };
    let mut named: Vec<(usize, EdgeLabel)> = Vec::new();
    for module in wrappers.iter().flat_map(|&w| below(w, NodeKind::Hidden)) {
        for table in below(module, NodeKind::Array) {
            for (key, value) in g.edges(table).zip(g.edges(table).skip(1)) {
                let (text, held) = (g.target(key), g.target(value));
                let pair = g.node_kind(text) == NodeKind::String && g.name.get(held as usize) == Some(&cell);
                let follows = || number(g, key).zip(number(g, value)).is_some_and(|(a, b)| a.checked_add(1) == Some(b));
                if !pair || !follows() {
                    continue;
                }
                let own = g
                    .edges(held)
                    .find(|&e| g.edge_label(e).kind() == EdgeKind::Internal && g.strings.get(g.edge_label(e).name()) == "value");
                if let (Some(e), Some(&name)) = (own, g.name.get(text as usize)) {
                    named.push((e, EdgeLabel::new(EdgeKind::Property, name)));
                }
            }
        }
    }
    named
}

/// The place in its array that a reference is called by.
fn number(g: &GraphColumns, e: usize) -> Option<u32> {
    let label = g.edge_label(e);
    if label.kind().is_indexed() { Some(label.name()) } else { g.strings.get(label.name()).parse().ok() }
}
