//! Figures of one graph: retained sizes, distances, totals by class.

use super::dominators::Tree;
use crate::model::graph::{ClassTotals, FAR, GraphColumns, NO_DISTANCE, NODE, NONE, SYSTEM_DISTANCE, WideColumn};
use std::collections::{BTreeMap, HashSet};

/// Retained size of each number of the tree, in bytes.
pub fn retained(g: &GraphColumns, tree: &Tree) -> Vec<u64> {
    let mut size: Vec<u64> = tree.order.iter().map(|&v| g.self_size.get(v as usize)).collect();
    for i in (1..size.len()).rev() {
        let own = size.get(i).copied().unwrap_or(0);
        if let Some(up) = tree.idom.get(i).and_then(|&d| size.get_mut(d as usize)) {
            *up = up.saturating_add(own);
        }
    }
    size
}

/// Numbers' values as a column by node.
pub fn by_node(tree: &Tree, values: &[u64]) -> WideColumn {
    let mut column = WideColumn { low: vec![0; values.len()], wide: Vec::new() };
    for (&node, &v) in tree.order.iter().zip(values) {
        if v >= u64::from(u32::MAX) {
            column.wide.push((node, v));
        }
        if let Some(slot) = column.low.get_mut(node as usize) {
            *slot = v.min(u64::from(u32::MAX)) as u32;
        }
    }
    column.wide.sort_unstable();
    column
}

/// Breadth first from the start set (distance 1), then from the root for what is left (from 100,000,000 on).
pub fn distances(g: &GraphColumns) -> Vec<i32> {
    let n = g.nodes();
    let mut d = vec![NO_DISTANCE; n];
    let mut queue = Vec::with_capacity(n);
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

#[derive(Clone, Copy)]
struct Sum {
    first: u32,
    count: u64,
    bytes: u64,
    retained: u64,
    distance: i32,
}

/// What a class's objects sum up to, retained sizes aside.
fn own_sums(g: &GraphColumns, distance: Option<&[i32]>) -> Vec<Sum> {
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
/// counts, as in DevTools; the others are hidden.
pub fn by_class(g: &GraphColumns, tree: Option<(&Tree, &[u64])>, distance: Option<&[i32]>) -> (Vec<ClassTotals>, Vec<u32>) {
    let (mut sums, retained) = rayon::join(|| own_sums(g, distance), || tree.map(|(t, r)| class_retained(g, t, r)));
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
                retained_bytes: tree.is_some().then_some(s.retained),
                distance: distance.is_some().then_some(s.distance),
            })
        })
        .collect();
    rows.sort_by(|a, b| {
        b.retained_bytes.cmp(&a.retained_bytes).then(b.bytes.cmp(&a.bytes)).then_with(|| a.class.key().cmp(&b.class.key()))
    });
    (rows, hidden)
}

/// Retained size by class without counting what an object of the same class already retains: in preorder of the dominator
/// tree, an object counts where the last counted one of its class does not enclose it.
fn class_retained(g: &GraphColumns, tree: &Tree, retained: &[u64]) -> Vec<u64> {
    let n = tree.order.len();
    let mut subtree = vec![1u32; n];
    for i in (1..n).rev() {
        let own = subtree.get(i).copied().unwrap_or(0);
        if let Some(up) = tree.idom.get(i).and_then(|&d| subtree.get_mut(d as usize)) {
            *up += own;
        }
    }
    let mut cursor = vec![0u32; n];
    let mut number_at = vec![0u32; n];
    if let Some(c) = cursor.first_mut() {
        *c = 1;
    }
    for i in 1..n {
        let size = subtree.get(i).copied().unwrap_or(0);
        let Some(up) = tree.idom.get(i).and_then(|&d| cursor.get_mut(d as usize)) else { continue };
        let pre = *up;
        *up += size;
        if let Some(c) = cursor.get_mut(i) {
            *c = pre + 1;
        }
        if let Some(slot) = number_at.get_mut(pre as usize) {
            *slot = i as u32;
        }
    }
    drop(cursor);
    let mut sums = vec![0u64; g.classes.len()];
    let mut enclosed_until = vec![0u32; g.classes.len()];
    for (pre, &i) in number_at.iter().enumerate() {
        let Some(&node) = tree.order.get(i as usize) else { continue };
        if g.self_size.get(node as usize) == 0 {
            continue;
        }
        let c = g.class.get(node as usize).copied().unwrap_or(0) as usize;
        if let (Some(until), Some(sum)) = (enclosed_until.get_mut(c), sums.get_mut(c))
            && pre as u32 >= *until
        {
            *sum = sum.saturating_add(retained.get(i as usize).copied().unwrap_or(0));
            *until = pre as u32 + subtree.get(i as usize).copied().unwrap_or(1);
        }
    }
    sums
}
