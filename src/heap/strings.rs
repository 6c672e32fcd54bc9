//! Strings that are held more than once: equal text in separate objects. Text is compared by its handle, as the file gives
//! each text once; a file may cut long texts, so that two long strings with one front look equal: size is compared too.

use super::growth::way;
use crate::model::graph::{GraphColumns, NONE, NodeKind, Repeated, RepeatedStrings};
use std::collections::BTreeMap;

/// Texts given.
const GROUPS: usize = 12;
/// Texts of this length in UTF-16 units may have been cut by the file.
const CUT: u32 = 1024;

/// Tells of strings, in the order of nodes, whether an equal one came before.
pub struct Copies {
    /// By text: size of its first string plus one; 0 where none was met.
    first: Vec<u32>,
    /// Further sizes of a text.
    others: BTreeMap<(u32, u64), ()>,
}

impl Copies {
    pub fn new(g: &GraphColumns) -> Self {
        Copies { first: vec![0; g.strings.len()], others: BTreeMap::new() }
    }

    /// Whether node `v` is a string with the text and size of one met before, and short enough for its text to be whole.
    pub fn repeats(&mut self, g: &GraphColumns, v: usize) -> bool {
        if g.node_kind(v as u32) != NodeKind::String {
            return false;
        }
        let size = g.self_size.get(v);
        let Some((&name, slot)) = g.name.get(v).and_then(|n| Some((n, self.first.get_mut(*n as usize)?))) else { return false };
        let mark = mark(size);
        if *slot == 0 {
            *slot = mark;
            return false;
        }
        (*slot == mark || self.others.insert((name, size), ()).is_some()) && units(g.strings.get(name)) < CUT
    }
}

/// Whether the string `v` is alive for a part of it only: what dominates it is text put together of this one string.
pub fn is_kept_for_a_part(g: &GraphColumns, v: u32, dominator: u32) -> bool {
    let text = |v: u32| matches!(g.node_kind(v), NodeKind::String | NodeKind::Rope);
    g.node_kind(v) == NodeKind::String
        && g.node_kind(dominator) == NodeKind::Rope
        && g.edges(dominator).filter(|&e| text(g.target(e))).count() == 1
}

/// Length of a text in UTF-16 units.
fn units(text: &str) -> u32 {
    // Never more units than bytes: most texts are short, and their length is known without looking.
    if (text.len() as u64) < u64::from(CUT) { text.len() as u32 } else { text.encode_utf16().count() as u32 }
}

/// All strings held more than once, those that waste most first; with `from` (the way up from each node) who holds them.
pub fn repeated(g: &GraphColumns, from: &[u32], show: bool) -> RepeatedStrings {
    let mut first = vec![0u32; g.strings.len()];
    let mut more = vec![(0u32, NONE); g.strings.len()];
    let mut others: BTreeMap<(u32, u64), (u64, u32)> = BTreeMap::new();
    for v in 0..g.nodes() as u32 {
        if g.node_kind(v) != NodeKind::String {
            continue;
        }
        let Some(&name) = g.name.get(v as usize) else { continue };
        let (Some(size), Some(again)) = (first.get_mut(name as usize), more.get_mut(name as usize)) else { continue };
        let own = g.self_size.get(v as usize);
        let mark = mark(own);
        if *size == 0 {
            *size = mark;
        } else if *size == mark {
            *again = (again.0.saturating_add(1), v);
        } else {
            let slot = others.entry((name, own)).or_insert((0, v));
            *slot = (slot.0 + 1, v);
        }
    }
    let same = more.iter().zip(&first).enumerate().filter(|(_, (m, _))| m.0 > 0);
    let groups = same.map(|(name, (m, size))| (name as u32, u64::from(size - 1), u64::from(m.0), m.1));
    // The first of another size is no copy of anything.
    let rest = others.iter().filter(|(_, o)| o.0 > 1).map(|(&(name, size), o)| (name, size, o.0 - 1, o.1));
    let mut out = RepeatedStrings::default();
    let mut all: Vec<(bool, u64, u32, u64, u64, u32)> = Vec::new();
    for (name, size, copies, example) in groups.chain(rest) {
        let wasted = size.saturating_mul(copies);
        let cut = units(g.strings.get(name)) >= CUT;
        if cut {
            out.perhaps_copies = out.perhaps_copies.saturating_add(copies);
            out.perhaps_bytes = out.perhaps_bytes.saturating_add(wasted);
        } else {
            out.texts += 1;
            out.copies = out.copies.saturating_add(copies);
            out.wasted_bytes = out.wasted_bytes.saturating_add(wasted);
        }
        all.push((cut, wasted, name, size, copies, example));
    }
    all.sort_unstable_by_key(|r| (r.0, std::cmp::Reverse(r.1), r.2, r.3));
    for (cut, wasted_bytes, name, each_bytes, copies, example) in all.into_iter().take(GROUPS) {
        let text = g.strings.get(name);
        out.top.push(Repeated {
            count: copies + 1,
            each_bytes,
            wasted_bytes,
            characters: text.encode_utf16().count() as u32,
            cut,
            held_as: held_as(g, from, example),
            text: show.then(|| text.to_owned()),
        });
    }
    out
}

/// A size as a mark that is never 0.
fn mark(size: u64) -> u32 {
    u32::try_from(size.saturating_add(1)).unwrap_or(u32::MAX)
}

/// The field through which an object is held, with its owner's class: `Row.country`.
fn held_as(g: &GraphColumns, from: &[u32], v: u32) -> Option<String> {
    let mut below = v;
    loop {
        let up = from.get(below as usize).copied().filter(|u| *u != NONE && *u != 0)?;
        if !way::is_part(g, up) {
            let label = way::label_between(g, up, below)?;
            let class = g.class_name(up);
            return Some(if label.kind().is_indexed() { format!("{class}[]") } else { format!("{class}.{}", g.strings.get(label.name())) });
        }
        below = up;
    }
}
