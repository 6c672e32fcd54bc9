//! Figures of one graph: retained sizes, distances, totals by class.

use super::dominators::Tree;
use crate::model::graph::{ClassTotals, FAR, GraphColumns, NO_DISTANCE, NODE, NONE, SYSTEM_DISTANCE, WideColumn};
use crate::model::spare;
use std::collections::{BTreeMap, HashSet};

/// Retained size of each number of the tree, in bytes.
pub fn retained(g: &GraphColumns, tree: &Tree) -> WideColumn {
    let total: u64 = g.self_size.low.iter().map(|&s| u64::from(s)).sum();
    let mut out = WideColumn { low: spare::room(tree.order.len()), wide: Vec::new() };
    if g.self_size.wide.is_empty() && total < u64::from(u32::MAX) {
        // Nothing retains more than there is: the sums need no more room than the sizes.
        let sizes = &g.self_size.low;
        out.low.extend(tree.order.iter().map(|&v| sizes.get(v as usize).copied().unwrap_or(0)));
        sum_up(tree, &mut out.low, u32::saturating_add);
    } else {
        let mut size: Vec<u64> = tree.order.iter().map(|&v| g.self_size.get(v as usize)).collect();
        sum_up(tree, &mut size, u64::saturating_add);
        size.into_iter().for_each(|s| out.push(s));
    }
    out
}

/// Adds each number's value to its dominator's, the last first.
fn sum_up<T: Copy>(tree: &Tree, values: &mut [T], add: impl Fn(T, T) -> T) {
    for i in (1..values.len()).rev() {
        let Some(&own) = values.get(i) else { continue };
        if let Some(up) = tree.idom.get(i).and_then(|&d| values.get_mut(d as usize)) {
            *up = add(*up, own);
        }
    }
}

/// Numbers' values as a column by node.
pub fn by_node(tree: &Tree, values: &WideColumn) -> WideColumn {
    let node = |i: u32| tree.order.get(i as usize).copied().unwrap_or(0);
    let wide = values.wide.iter().map(|&(i, v)| (node(i), v)).collect();
    let mut column = WideColumn { low: spare::take(values.len()), wide };
    for (&node, &v) in tree.order.iter().zip(&values.low) {
        if let Some(slot) = column.low.get_mut(node as usize) {
            *slot = v;
        }
    }
    column.wide.sort_unstable();
    column
}

/// Breadth first from the start set (distance 1), then from the root for what is left (from 100,000,000 on).
pub fn distances(g: &GraphColumns) -> Vec<i32> {
    let n = g.nodes();
    let mut d = vec![NO_DISTANCE; n];
    let mut queue = spare::room(n);
    for &s in &g.starts {
        if let Some(slot) = d.get_mut(s as usize) {
            *slot = 1;
            queue.push(s);
        }
    }
    let mut pending: HashSet<u32> = HashSet::new();
    spread(g, &mut d, &mut queue, &mut pending);
    if let Some(root) = d.first_mut() {
        *root = if g.starts.is_empty() { 0 } else { SYSTEM_DISTANCE };
        queue.clear();
        queue.push(0);
        spread(g, &mut d, &mut queue, &mut pending);
    }
    spare::give(queue);
    d
}

fn spread(g: &GraphColumns, d: &mut [i32], queue: &mut Vec<u32>, pending: &mut HashSet<u32>) {
    let mut at = 0;
    while let Some(&v) = queue.get(at) {
        at += 1;
        let next = d.get(v as usize).copied().unwrap_or(0).saturating_add(1);
        let edges = g.edges(v);
        let base = edges.start;
        for (k, &to) in g.to.get(edges).unwrap_or(&[]).iter().enumerate() {
            let t = (to & NODE) as usize;
            let Some(slot) = d.get_mut(t) else { continue };
            if *slot != NO_DISTANCE {
                continue;
            }
            if to & FAR != 0 {
                let Ok(pair) = g.pairs.binary_search_by_key(&((base + k) as u32), |p| p.0) else { continue };
                let Some(&(_, pair)) = g.pairs.get(pair) else { continue };
                if !pending.remove(&pair) {
                    pending.insert(pair);
                    continue;
                }
            }
            *slot = next;
            queue.push(to & NODE);
        }
    }
}

/// What a class's objects sum up to.
#[derive(Clone, Copy)]
pub struct Sum {
    first: u32,
    count: u64,
    bytes: u64,
    retained: u64,
    distance: i32,
}

/// What a class's objects sum up to, retained sizes aside.
pub fn own_sums(g: &GraphColumns, distance: Option<&[i32]>) -> Vec<Sum> {
    let mut sums = vec![Sum { first: NONE, count: 0, bytes: 0, retained: 0, distance: i32::MAX }; g.classes.len()];
    for (i, &c) in g.class.iter().enumerate() {
        let size = g.self_size.get(i);
        let Some(s) = sums.get_mut(c as usize).filter(|_| size > 0) else { continue };
        if s.first == NONE {
            s.first = i as u32;
        }
        s.count += 1;
        s.bytes = s.bytes.saturating_add(size);
        if let Some(&d) = distance.and_then(|d| d.get(i)) {
            s.distance = s.distance.min(d);
        }
    }
    sums
}

/// Totals by class, and the classes left out. Objects of size 0 do not count. Of two classes with one key the one met last
/// counts, as in DevTools; the others are hidden. `sums` as [`own_sums`] gives them, `retained` as [`class_retained`] does;
/// `distances` tells whether the sums know them.
pub fn by_class(g: &GraphColumns, mut sums: Vec<Sum>, retained: Option<Vec<u64>>, distances: bool) -> (Vec<ClassTotals>, Vec<u32>) {
    let retains = retained.is_some();
    for (s, r) in sums.iter_mut().zip(retained.into_iter().flatten()) {
        s.retained = r;
    }
    let mut hidden = Vec::new();
    let mut winner: BTreeMap<String, (u32, usize)> = BTreeMap::new();
    for (c, s) in sums.iter().enumerate().filter(|(_, s)| s.count > 0) {
        let Some(class) = g.classes.get(c) else { continue };
        let slot = winner.entry(class.key()).or_insert((s.first, c));
        if slot.1 != c {
            hidden.push(if s.first > slot.0 { slot.1 } else { c } as u32);
        }
        if s.first > slot.0 {
            *slot = (s.first, c);
        }
    }
    let mut rows: Vec<ClassTotals> = winner
        .into_values()
        .filter_map(|(_, c)| {
            let s = sums.get(c)?;
            Some(ClassTotals {
                class: g.classes.get(c)?.clone(),
                count: s.count,
                bytes: s.bytes,
                retained_bytes: retains.then_some(s.retained),
                distance: distances.then_some(s.distance),
            })
        })
        .collect();
    rows.sort_by(|a, b| {
        b.retained_bytes.cmp(&a.retained_bytes).then(b.bytes.cmp(&a.bytes)).then_with(|| a.class.key().cmp(&b.class.key()))
    });
    (rows, hidden)
}

/// The dominator tree in preorder: what an object dominates stands right behind it.
pub struct Preorder {
    /// Number of the tree at each place.
    at: Vec<u32>,
    /// By number how many it dominates, itself included.
    subtree: Vec<u32>,
}

pub fn preorder(tree: &Tree) -> Preorder {
    let n = tree.order.len();
    let mut subtree = spare::filled(n, 1);
    sum_up(tree, &mut subtree, u32::saturating_add);
    let mut cursor = spare::filled(n, 0);
    let mut at = spare::filled(n, 0);
    if let Some(c) = cursor.first_mut() {
        *c = 1;
    }
    for i in 1..n {
        let size = subtree.get(i).copied().unwrap_or(0);
        let Some(up) = tree.idom.get(i).and_then(|&d| cursor.get_mut(d as usize)) else { continue };
        let place = *up;
        *up += size;
        if let Some(c) = cursor.get_mut(i) {
            *c = place + 1;
        }
        if let Some(slot) = at.get_mut(place as usize) {
            *slot = i as u32;
        }
    }
    spare::give(cursor);
    Preorder { at, subtree }
}

/// Retained size by class without counting what an object of the same class already retains: in preorder of the dominator
/// tree, an object counts where the last counted one of its class does not enclose it. `retained` by number.
pub fn class_retained(g: &GraphColumns, tree: &Tree, preorder: Preorder, retained: &WideColumn) -> Vec<u64> {
    let mut sums = vec![0u64; g.classes.len()];
    let mut enclosed_until = vec![0u32; g.classes.len()];
    for (&i, place) in preorder.at.iter().zip(0u32..) {
        let Some(&node) = tree.order.get(i as usize) else { continue };
        if g.self_size.get(node as usize) == 0 {
            continue;
        }
        let c = g.class.get(node as usize).copied().unwrap_or(0) as usize;
        if let (Some(until), Some(sum)) = (enclosed_until.get_mut(c), sums.get_mut(c))
            && place >= *until
        {
            *sum = sum.saturating_add(retained.get(i as usize));
            *until = place + preorder.subtree.get(i as usize).copied().unwrap_or(1);
        }
    }
    spare::give(preorder.subtree);
    spare::give(preorder.at);
    sums
}
