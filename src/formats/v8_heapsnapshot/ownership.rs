//! What DevTools makes of references: which ones count for dominators and distances, and which parts' sizes belong to
//! their one owner. Sets the bits of `to`, `pairs`, `starts`, and moves shallow sizes.
//!
//! Measured on 21 M edges: the flood from the user's roots and the flood for owners cost the same, and together a little
//! more than finding classes and shapes, beside which they run.

use super::names::Known;
use crate::model::graph::{EdgeKind, EdgeLabel, FAR, GraphColumns, LOOSE, NODE, NodeKind, WideColumn};
use crate::model::spare;
use std::ops::Range;

/// One bit per node.
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn new(n: usize) -> Self {
        Bits(vec![0; n.div_ceil(64)])
    }

    #[inline(always)]
    pub fn has(&self, i: u32) -> bool {
        self.0.get((i >> 6) as usize).is_some_and(|w| w >> (i & 63) & 1 == 1)
    }

    /// Sets bit `i`; whether it was clear.
    #[inline(always)]
    pub fn set(&mut self, i: u32) -> bool {
        match self.0.get_mut((i >> 6) as usize) {
            Some(w) => {
                let fresh = *w >> (i & 63) & 1 == 0;
                *w |= 1 << (i & 63);
                fresh
            }
            None => false,
        }
    }
}

/// Puts to the graph what was found out about it: bits of references, sizes, and what distances need.
pub fn apply(g: &mut GraphColumns, page: Bits, owners: Vec<u32>, known: &Known) {
    g.starts = user_roots(g, known);
    let (mut to, mut sizes) = (std::mem::take(&mut g.to), std::mem::take(&mut g.self_size));
    mark_loose(g, &mut to, &page, known);
    let ((), pairs) = rayon::join(|| give_sizes_to_owners(g, &mut sizes, &owners), || mark_far(g, &mut to, known));
    spare::give(owners);
    (g.to, g.self_size, g.pairs) = (to, sizes, pairs);
}

fn is_document_root(g: &GraphColumns, n: u32, known: &Known) -> bool {
    g.node_kind(n) == NodeKind::Synthetic && g.name.get(n as usize).is_some_and(|&s| Some(s) == known.document_trees)
}

/// Everything the root refers to that is no bookkeeping node, duplicates and weak references included.
fn user_roots(g: &GraphColumns, known: &Known) -> Vec<u32> {
    g.edges(0).map(|e| g.target(e)).filter(|&n| g.node_kind(n) != NodeKind::Synthetic || is_document_root(g, n, known)).collect()
}

/// Nodes that the page (or the program's global object) reaches without weak references.
pub fn page_owned(g: &GraphColumns, known: &Known) -> Bits {
    let mut owned = Bits::new(g.kind.len());
    let mut todo = Vec::new();
    for e in g.edges(0) {
        let n = g.target(e);
        let entry = match g.edge_label(e).kind() {
            EdgeKind::Shortcut => true,
            EdgeKind::Element => is_document_root(g, n, known),
            _ => false,
        };
        if entry {
            owned.set(n);
            todo.push(n);
        }
    }
    while let Some(n) = todo.pop() {
        for &to in g.to.get(g.edges(n)).unwrap_or(&[]) {
            // Only weak edges carry the bit so far.
            if to & FAR == 0 && owned.set(to) {
                todo.push(to);
            }
        }
    }
    owned
}

const UNVISITED: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// For each node its only owner: parts (hidden nodes, arrays, outside string data) are owned by the one object that
/// reaches them through other parts; everything else owns itself. Empty without user roots: such a file shows the machine as
/// it is (`exposeInternals`), and sizes stay where they are.
pub fn owners(g: &GraphColumns, known: &Known) -> Vec<u32> {
    if user_roots(g, known).is_empty() {
        return Vec::new();
    }
    let outside = |n: usize| {
        g.kind.get(n).and_then(|&k| g.kinds.get(usize::from(k))) == Some(&NodeKind::Native)
            && known.external_string_data.is_some()
            && g.name.get(n).copied() == known.external_string_data
    };
    let part_kind: Vec<bool> = g.kinds.iter().map(|k| matches!(k, NodeKind::Hidden | NodeKind::Array)).collect();
    let mut owner = spare::room(g.kind.len());
    owner.extend(
        g.kind
            .iter()
            .enumerate()
            .map(|(i, &k)| if part_kind.get(usize::from(k)) == Some(&true) || outside(i) { UNVISITED } else { i as u32 }),
    );
    let mut todo: Vec<u32> = Vec::new();
    for i in 0..owner.len() as u32 {
        if owner.get(i as usize) != Some(&i) {
            continue;
        }
        todo.push(i);
        while let Some(n) = todo.pop() {
            let own = owner.get(n as usize).copied().unwrap_or(SEVERAL);
            for &to in g.to.get(g.edges(n)).unwrap_or(&[]) {
                if to & FAR != 0 {
                    continue;
                }
                let Some(slot) = owner.get_mut(to as usize) else { continue };
                if *slot == to || *slot == own || *slot == SEVERAL {
                    continue;
                }
                // A part changes at most twice: to an owner, then to several.
                *slot = if *slot == UNVISITED { own } else { SEVERAL };
                todo.push(to);
            }
        }
    }
    owner
}

fn give_sizes_to_owners(g: &GraphColumns, sizes: &mut WideColumn, owners: &[u32]) {
    for (i, &owner) in owners.iter().enumerate() {
        if owner >= SEVERAL || owner == i as u32 || owner == 0 || g.node_kind(owner) == NodeKind::Synthetic {
            continue;
        }
        let size = sizes.get(i);
        if size > 0 {
            sizes.set(i, 0);
            let sum = sizes.get(owner as usize).saturating_add(size);
            sizes.set(owner as usize, sum);
        }
    }
}

/// Sets [`LOOSE`] on what dominators must not see: self references, shortcuts, a weak table's half of a joint hold, and
/// what nodes outside the page (a debugger, the embedder) hold of it. Everything at the root counts.
fn mark_loose(g: &GraphColumns, to: &mut [u32], page: &Bits, known: &Known) {
    let (first, label, ids) = (&g.first_edge, &g.label, &g.id);
    each_node(first, 0..first.len().saturating_sub(1), to, &|n, at, edges| {
        let outside = n != 0 && !page.has(n);
        for (to, label) in edges.iter_mut().zip(label.get(at..).unwrap_or(&[])) {
            let target = *to & NODE;
            let kind = label >> 29;
            let loose = target == n
                || n != 0 && kind == EdgeKind::Shortcut as u32
                || outside && page.has(target)
                || kind == EdgeKind::Internal as u32
                    && known.joint(EdgeLabel(*label).name()).is_some_and(|j| j.table == ids.get(n as usize));
            if loose {
                *to |= LOOSE;
            }
        }
    });
}

/// Calls `f(node, its first edge, its edges)` for a range of nodes, on all threads.
fn each_node<F>(first: &[u32], nodes: Range<usize>, edges: &mut [u32], f: &F)
where
    F: Fn(u32, usize, &mut [u32]) + Sync,
{
    let start = |n: usize| first.get(n).copied().unwrap_or(0) as usize;
    let base = start(nodes.start);
    if nodes.len() > 1 << 16 {
        let mid = nodes.start + nodes.len() / 2;
        if let Some((l, r)) = edges.split_at_mut_checked(start(mid).saturating_sub(base)) {
            rayon::join(|| each_node(first, nodes.start..mid, l, f), || each_node(first, mid..nodes.end, r, f));
        }
        return;
    }
    for n in nodes {
        let own = start(n).saturating_sub(base)..start(n + 1).saturating_sub(base);
        if let Some(edges) = edges.get_mut(own) {
            f(n as u32, start(n), edges);
        }
    }
}

/// Sets [`FAR`] on what distances must not follow: links that maps share and do not own, and one half of each joint hold.
/// Gives the joint holds (edge, pair), for which half it is depends on the traversal.
fn mark_far(g: &GraphColumns, to: &mut [u32], known: &Known) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    let mut far = |e: usize| {
        if let Some(t) = to.get_mut(e) {
            *t |= FAR;
        }
    };
    for n in 0..g.kind.len() as u32 {
        let name = g.name.get(n as usize).copied();
        let kind = g.node_kind(n);
        if kind == NodeKind::Array && name == known.map_descriptors && name.is_some() {
            for e in g.edges(n) {
                let label = g.edge_label(e);
                let index = if label.kind().is_indexed() { Some(label.name()) } else { leading_number(g.strings.get(label.name())) };
                if index.is_some_and(|i| i >= 2 && i % 3 == 1) {
                    far(e);
                }
            }
            continue;
        }
        let sloppy = kind == NodeKind::Hidden && name == known.native_context && name.is_some();
        if !sloppy && known.joint.is_empty() {
            continue;
        }
        for e in g.edges(n) {
            let label = g.edge_label(e);
            if sloppy && !label.kind().is_indexed() && Some(label.name()) == known.sloppy_function_map {
                far(e);
            } else if label.kind() == EdgeKind::Internal
                && let Some(j) = known.joint(label.name())
            {
                pairs.push((e as u32, j.pair));
                far(e);
            }
        }
    }
    pairs
}

/// As JavaScript's `parseInt` reads a name.
fn leading_number(s: &str) -> Option<u32> {
    let digits = s.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}
