//! Where a heap grew: holders that survived since an earlier snapshot and gained objects that are kept. A gained object is
//! attached to the last survivor on the shortest way from a root to it. What only turns over (rings, bounded caches) has
//! gained objects too, so gains are weighed by what the class gained on balance, and a holder whose retained size and
//! element count stand still has grown by nothing.

use super::dominators::Tree;
use super::fold;
use super::measure::Distances;
use crate::model::delta::PathStep;
use crate::model::graph::{Class, ClassKind, EdgeKind, FAR, Fold, Gain, GraphColumns, GrowthPoint, NODE, NONE, NodeKind, WideColumn};

/// Holders looked at closely.
const HOLDERS: usize = 48;
/// Growth points given.
const POINTS: usize = 16;
/// Longest path shown.
const LONGEST_PATH: usize = 40;

/// What is known of the present graph.
pub struct Now<'a> {
    pub g: &'a GraphColumns,
    pub tree: &'a Tree,
    /// By node.
    pub retained: &'a WideColumn,
    pub distances: &'a Distances,
    /// Nodes by id.
    pub order: &'a [u32],
    pub elements: &'a [u32],
    /// Class table and interfaces, with which earlier folds are read.
    pub interfaces: &'a [crate::model::graph::Interface],
}

/// Growth since `earlier` (same process, earliest first, with retained sizes), most first.
pub fn find(now: &Now<'_>, earlier: &[&Fold]) -> Vec<GrowthPoint> {
    let Some(first) = earlier.first() else { return Vec::new() };
    let g = now.g;
    let n = g.nodes();
    let past = Past::find(now, first);
    let mut number = vec![0u32; n];
    for (i, &v) in now.tree.order.iter().enumerate() {
        if let Some(slot) = number.get_mut(v as usize) {
            *slot = i as u32;
        }
    }
    let weight = balance(now, &past);
    let near = nearest_survivors(now, &past);
    let mut holder = holders(now, &past);
    let mut own = own_growth(now, &past, &near);

    let mut gained = gains(now, &holder, &weight);
    // A survivor that gained nothing itself only stands on the way (a link of a list): what seems attached to it belongs to
    // the survivor that dominates it.
    let stands_still = |v: u32, gained: &[f64]| {
        let growth = past.growth(v).unwrap_or(0);
        growth.saturating_mul(10) < gained.get(v as usize).copied().unwrap_or(0.0) as i64 && !more_elements(now, v, first)
    };
    let still: Vec<bool> = (0..n as u32).map(|v| gained.get(v as usize).is_some_and(|&b| b > 0.0) && stands_still(v, &gained)).collect();
    // Where only a root dominates (lists that the runtime holds in several ways) the way is all there is to go by.
    let mut rooted = vec![0f64; if still.contains(&true) { n } else { 0 }];
    let mut moved = false;
    for (v, h) in holder.iter_mut().enumerate() {
        if *h == NONE || still.get(*h as usize) != Some(&true) {
            continue;
        }
        let dominator =
            number.get(v).and_then(|&i| near.get(i as usize)).and_then(|&i| now.tree.order.get(i as usize)).copied().unwrap_or(0);
        if dominator != 0 && g.node_kind(dominator) != NodeKind::Synthetic {
            moved |= *h != dominator;
            *h = dominator;
        } else if let Some(r) = rooted.get_mut(*h as usize) {
            *r += g.self_size.get(v) as f64 * weight_of(&weight, g, v);
        }
    }
    if moved {
        gained = gains(now, &holder, &weight);
    }
    // What a survivor dominates but another one holds is that one's growth.
    for (v, h) in holder.iter().enumerate().filter(|(_, h)| **h != NONE) {
        let dominator = number.get(v).and_then(|&i| near.get(i as usize)).copied().unwrap_or(0);
        if now.tree.order.get(dominator as usize) != Some(h)
            && let Some(o) = own.get_mut(dominator as usize)
        {
            *o = o.saturating_sub((g.self_size.get(v) as f64 * weight_of(&weight, g, v)) as i64);
        }
    }
    let mut candidates: Vec<(u32, i64)> = Vec::new();
    for v in 1..n as u32 {
        if past.is_new(v) {
            continue;
        }
        let Some(&i) = number.get(v as usize) else { continue };
        let by_holding = gained.get(v as usize).copied().unwrap_or(0.0) as i64;
        let by_dominating = own.get(i as usize).copied().unwrap_or(0);
        let size = if stands_still(v, &gained) {
            rooted.get(v as usize).copied().unwrap_or(0.0) as i64
        } else if by_holding <= 0 || by_dominating > by_holding / 2 && by_dominating < by_holding.saturating_mul(2) {
            by_dominating
        } else {
            by_holding
        };
        if size > 0 {
            candidates.push((v, size));
        }
    }
    candidates.sort_unstable_by_key(|c| (std::cmp::Reverse(c.1), g.id.get(c.0 as usize)));
    candidates.truncate(HOLDERS);
    describe(now, earlier, &candidates, &holder, &weight, &number, &past)
}

/// The present nodes' rows in the first snapshot.
struct Past<'a> {
    first: &'a Fold,
    retained: &'a WideColumn,
    /// By node; `NONE` for what is new.
    row: Vec<u32>,
}

impl<'a> Past<'a> {
    fn find(now: &Now<'a>, first: &'a Fold) -> Self {
        let g = now.g;
        let mut row = vec![NONE; g.nodes()];
        let mut at = 0;
        for &v in now.order {
            let id = g.id.get(v as usize);
            while at < first.len() && first.id.get(at) < id {
                at += 1;
            }
            if let Some(slot) = row.get_mut(v as usize).filter(|_| at < first.len() && first.id.get(at) == id) {
                *slot = at as u32;
            }
        }
        Past { first, retained: now.retained, row }
    }

    fn is_new(&self, v: u32) -> bool {
        self.row.get(v as usize) == Some(&NONE)
    }

    /// Retained growth of a survivor.
    fn growth(&self, v: u32) -> Option<i64> {
        let row = self.row.get(v as usize).filter(|r| **r != NONE)?;
        Some((self.retained.get(v as usize) as i64).saturating_sub(self.first.retained.get(*row as usize) as i64))
    }
}

fn more_elements(now: &Now<'_>, v: u32, first: &Fold) -> bool {
    let id = now.g.id.get(v as usize);
    let was = find_row(first, id).and_then(|r| first.elements.get(r).copied()).unwrap_or(0);
    now.elements.get(v as usize).is_some_and(|&e| e > was.saturating_add(was / 50))
}

/// Row of an object in a fold.
pub fn find_row(f: &Fold, id: u64) -> Option<usize> {
    let (mut a, mut b) = (0, f.len());
    while a < b {
        let mid = a + (b - a) / 2;
        if f.id.get(mid) < id {
            a = mid + 1;
        } else {
            b = mid;
        }
    }
    (a < f.len() && f.id.get(a) == id).then_some(a)
}

/// By node: bytes attached to it, weighed by what their classes gained on balance.
fn gains(now: &Now<'_>, holder: &[u32], weight: &[f64]) -> Vec<f64> {
    let mut gained = vec![0f64; holder.len()];
    for (v, h) in holder.iter().enumerate().filter(|(_, h)| **h != NONE) {
        if let Some(slot) = gained.get_mut(*h as usize) {
            *slot += now.g.self_size.get(v) as f64 * weight_of(weight, now.g, v);
        }
    }
    gained
}

/// By class: the share of its new objects by which the class grew on balance, 0 to 1.
fn balance(now: &Now<'_>, past: &Past<'_>) -> Vec<f64> {
    let (g, first) = (now.g, past.first);
    let (class, table) = fold::classes(first, now.interfaces);
    let current = Fold { classes: g.classes.clone(), ..Fold::default() };
    let common = fold::common(&[(first, &table), (&current, &g.classes)]);
    let number = |side: usize| common.number.get(side).map_or(&[][..], |v| v);
    let before = fold::totals(first, &class, number(0), common.classes.len());
    let (mut all, mut new) = (vec![0u64; g.classes.len()], vec![0u64; g.classes.len()]);
    for (v, &c) in g.class.iter().enumerate() {
        if g.self_size.get(v) == 0 {
            continue;
        }
        if let (Some(a), Some(b)) = (all.get_mut(c as usize), new.get_mut(c as usize)) {
            *a += 1;
            *b += u64::from(past.is_new(v as u32));
        }
    }
    all.iter()
        .zip(&new)
        .enumerate()
        .map(|(c, (&all, &new))| {
            let was = number(1).get(c).copied().flatten().and_then(|k| before.get(k as usize)).map_or(0, |b| b.0);
            if new == 0 { 0.0 } else { (all.saturating_sub(was) as f64 / new as f64).min(1.0) }
        })
        .collect()
}

fn weight_of(weight: &[f64], g: &GraphColumns, v: usize) -> f64 {
    g.class.get(v).and_then(|&c| weight.get(c as usize)).copied().unwrap_or(0.0)
}

/// By number: the nearest survivor among the strict dominators, as a number.
fn nearest_survivors(now: &Now<'_>, past: &Past<'_>) -> Vec<u32> {
    let order = &now.tree.order;
    let survived = |i: u32| order.get(i as usize).is_some_and(|&v| !past.is_new(v));
    let mut near = vec![0u32; order.len()];
    for i in 1..order.len() {
        let up = now.tree.idom.get(i).copied().unwrap_or(0);
        let found = if up == 0 || survived(up) { up } else { near.get(up as usize).copied().unwrap_or(0) };
        if let Some(slot) = near.get_mut(i) {
            *slot = found;
        }
    }
    near
}

/// By number: retained growth of a survivor that is not growth of survivors beneath it.
fn own_growth(now: &Now<'_>, past: &Past<'_>, near: &[u32]) -> Vec<i64> {
    let of = |i: usize| now.tree.order.get(i).and_then(|&v| past.growth(v));
    let mut own: Vec<i64> = (0..near.len()).map(|i| of(i).unwrap_or(0)).collect();
    for i in 1..near.len() {
        if let (Some(growth), Some(up)) = (of(i), near.get(i).and_then(|&u| own.get_mut(u as usize))) {
            *up = up.saturating_sub(growth);
        }
    }
    own
}

/// By node: for new ones the last survivor on their shortest way from a root; `NONE` for survivors.
fn holders(now: &Now<'_>, past: &Past<'_>) -> Vec<u32> {
    let mut holder = vec![NONE; past.row.len()];
    let mut way = Vec::new();
    for v in 0..past.row.len() as u32 {
        let mut at = v;
        let found = loop {
            if !past.is_new(at) {
                break at;
            }
            if let Some(&h) = holder.get(at as usize).filter(|h| **h != NONE) {
                break h;
            }
            way.push(at);
            at = now.distances.from.get(at as usize).copied().unwrap_or(NONE);
            if at == NONE {
                break 0;
            }
        };
        for w in way.drain(..) {
            if let Some(slot) = holder.get_mut(w as usize) {
                *slot = found;
            }
        }
    }
    holder
}

#[derive(Clone, Copy)]
struct Tally {
    count: u64,
    bytes: u64,
    retained: u64,
    /// The typical object: nearest to a root, then lowest id.
    example: u32,
}

/// Figures and words for the candidates.
fn describe(
    now: &Now<'_>,
    earlier: &[&Fold],
    candidates: &[(u32, i64)],
    holder: &[u32],
    weight: &[f64],
    number: &[u32],
    past: &Past<'_>,
) -> Vec<GrowthPoint> {
    let g = now.g;
    let empty = Tally { count: 0, bytes: 0, retained: 0, example: NONE };
    let room = (4 << 20) / g.classes.len().max(1);
    let kept = candidates.get(..candidates.len().min(room.max(4))).unwrap_or(candidates);
    let mut slot_of: Vec<(u32, usize)> = kept.iter().map(|c| c.0).zip(0..).collect();
    slot_of.sort_unstable();
    let mut tallies: Vec<Vec<Tally>> = vec![vec![empty; g.classes.len()]; kept.len()];
    let distance = |v: u32| now.distances.of.get(v as usize).copied().unwrap_or(i32::MAX);
    for (v, h) in holder.iter().enumerate().filter(|(_, h)| **h != NONE) {
        let Ok(at) = slot_of.binary_search_by_key(h, |s| s.0) else { continue };
        let class = g.class.get(v).copied().unwrap_or(0);
        let Some(t) = slot_of.get(at).and_then(|s| tallies.get_mut(s.1)).and_then(|t| t.get_mut(class as usize)) else { continue };
        t.count += 1;
        t.bytes = t.bytes.saturating_add(g.self_size.get(v));
        let i = number.get(v).copied().unwrap_or(0) as usize;
        let up = now.tree.idom.get(i).and_then(|&d| now.tree.order.get(d as usize)).copied().unwrap_or(0);
        if g.class.get(up as usize) != Some(&class) {
            t.retained = t.retained.saturating_add(now.retained.get(v));
        }
        let v = v as u32;
        if t.example == NONE || (distance(v), g.id.get(v as usize)) < (distance(t.example), g.id.get(t.example as usize)) {
            t.example = v;
        }
    }
    let mut points: Vec<GrowthPoint> = Vec::new();
    for (&(v, growth), tally) in kept.iter().zip(&tallies).take(POINTS) {
        let mut gains: Vec<(Gain, u32)> = tally
            .iter()
            .enumerate()
            .filter(|(_, t)| t.count > 0)
            .map(|(c, t)| {
                let w = weight.get(c).copied().unwrap_or(0.0);
                let gain = Gain {
                    class: g.classes.get(c).cloned().unwrap_or_default(),
                    index: c as u32,
                    count: (t.count as f64 * w).round() as i64,
                    bytes: (t.bytes as f64 * w).round() as i64,
                    retained_bytes: (t.retained as f64 * w) as u64,
                };
                (gain, t.example)
            })
            .filter(|(g, _)| g.count > 0)
            .collect();
        gains.sort_by(|a, b| b.0.bytes.cmp(&a.0.bytes).then(a.0.index.cmp(&b.0.index)));
        let main = leading(&gains, growth);
        let example = main.and_then(|m| gains.get(m)).map_or(v, |g| g.1);
        let (path, holder_at, nodes) = path_to(now, past, example, v);
        let id = g.id.get(v as usize);
        let rows: Vec<Option<(&Fold, usize)>> = earlier.iter().map(|f| find_row(f, id).map(|r| (*f, r))).collect();
        let retained = now.retained.get(v as usize);
        let mut sizes: Vec<Option<u64>> = rows.iter().map(|r| r.map(|(f, r)| f.retained.get(r))).collect();
        sizes.push(Some(retained));
        let mut elements: Vec<Option<u64>> = rows.iter().map(|r| r.and_then(|(f, r)| f.elements.get(r)).map(|&e| u64::from(e))).collect();
        elements.push(now.elements.get(v as usize).map(|&e| u64::from(e)));
        if let Some(m) = main {
            gains.swap(0, m);
        }
        points.push(GrowthPoint {
            id,
            class: class_of(g, v),
            retained_bytes: retained,
            growth_bytes: growth,
            elements,
            sizes,
            gains: gains.into_iter().map(|g| g.0).take(12).collect(),
            path,
            holder_at,
            sites: sites(now, &nodes),
        });
    }
    points
}

fn class_of(g: &GraphColumns, v: u32) -> Class {
    g.class.get(v as usize).and_then(|&c| g.classes.get(c as usize)).cloned().unwrap_or_default()
}

/// Which gained class the growth is best called by: a class of the program that retains a good part of it, else a record,
/// else what weighs most.
fn leading(gains: &[(Gain, u32)], growth: i64) -> Option<usize> {
    let share = |g: &Gain| g.retained_bytes as f64 / growth.max(1) as f64;
    let best = |kind: ClassKind, least: f64| {
        let of_kind = gains.iter().enumerate().filter(|(_, (g, _))| g.class.kind == kind && share(g) >= least && g.count > 1);
        of_kind.max_by(|a, b| a.1.0.retained_bytes.min(growth as u64).cmp(&b.1.0.retained_bytes.min(growth as u64)).then(b.0.cmp(&a.0)))
    };
    best(ClassKind::Program, 0.15).or_else(|| best(ClassKind::Shape, 0.25)).map(|(i, _)| i).or((!gains.is_empty()).then_some(0))
}

/// The shortest way from a root to `to`, internals folded away; where on it `holder` stands; and its nodes.
fn path_to(now: &Now<'_>, past: &Past<'_>, to: u32, holder: u32) -> (Vec<PathStep>, usize, Vec<u32>) {
    let g = now.g;
    let mut hops = Vec::new();
    let mut at = to;
    while at != NONE && hops.len() < 10_000 {
        let from = now.distances.from.get(at as usize).copied().unwrap_or(NONE);
        hops.push((from, at));
        at = from;
    }
    hops.reverse();
    let (mut steps, mut nodes, mut holder_at) = (Vec::new(), Vec::new(), 0);
    // The holder, or the last survivor on the way where the holder (a dominator) does not stand on it.
    let mut met = false;
    let mut pending = String::new();
    for (k, &(from, v)) in hops.iter().enumerate() {
        let edge = if from == NONE { String::new() } else { edge_text(g, from, v) };
        let inner = matches!(g.node_kind(v), NodeKind::Hidden | NodeKind::Array) && k + 1 < hops.len();
        // An array or table that only serves its owner is no step of its own.
        if inner {
            if pending.is_empty() && edge != "elements" && edge != "table" && edge != "properties" {
                pending = edge;
            }
            continue;
        }
        let edge = if pending.is_empty() { edge } else { format!("{}{edge}", std::mem::take(&mut pending)) };
        if v == holder || !met && !past.is_new(v) {
            holder_at = steps.len();
            met |= v == holder;
        }
        nodes.push(v);
        steps.push(PathStep {
            edge,
            node: node_text(g, v),
            class: g.class_name(v).to_owned(),
            retained_bytes: i64::try_from(now.retained.get(v as usize)).ok(),
        });
    }
    // Everything before the module that owns the way is how this program happens to reach its module cache.
    if let Some(at) = steps.get(..=holder_at).and_then(|s| s.iter().rposition(|s: &PathStep| s.class == "Module")).filter(|&at| at > 0) {
        steps.drain(..at);
        nodes.drain(..at.min(nodes.len()));
        holder_at -= at;
        if let Some(first) = steps.first_mut() {
            first.edge = "module cache".into();
        }
    }
    if steps.len() > LONGEST_PATH {
        let drop = steps.len() - LONGEST_PATH;
        let from = holder_at.saturating_sub(LONGEST_PATH / 2).min(drop);
        steps.drain(..from);
        holder_at -= from;
        steps.truncate(LONGEST_PATH);
        nodes.drain(..from.min(nodes.len()));
    }
    (steps, holder_at, nodes)
}

/// The first strong edge from one node to another as a program would write it.
fn edge_text(g: &GraphColumns, from: u32, to: u32) -> String {
    let leads = |e: usize, strong: bool| g.to.get(e).is_some_and(|t| t & NODE == to && (!strong || t & FAR == 0));
    let Some(e) = g.edges(from).find(|&e| leads(e, true)).or_else(|| g.edges(from).find(|&e| leads(e, false))) else {
        return String::new();
    };
    let label = g.edge_label(e);
    let name = |label: crate::model::graph::EdgeLabel| g.strings.get(label.name()).to_owned();
    match label.kind() {
        EdgeKind::Element | EdgeKind::Hidden => format!("[{}]", label.name()),
        EdgeKind::Internal if name(label).contains(" / part of key (") => "(weak entry)".into(),
        _ => name(label),
    }
}

/// A node by its name; the contents of strings stay hidden.
fn node_text(g: &GraphColumns, v: u32) -> String {
    let id = g.id.get(v as usize);
    match g.node_kind(v) {
        NodeKind::String => format!("(string) @{id}"),
        NodeKind::Closure => {
            let name = g.node_name(v);
            format!("function {}() @{id}", if name.is_empty() { "(anonymous)" } else { name })
        }
        _ => format!("{} @{id}", g.node_name(v)),
    }
}

/// Source places of the functions and program classes on the way, nearest to the gained object first.
fn sites(now: &Now<'_>, nodes: &[u32]) -> Vec<String> {
    let g = now.g;
    let mut out: Vec<String> = Vec::new();
    for &v in nodes.iter().rev() {
        let Ok(at) = g.places.binary_search_by_key(&v, |p| p.0) else { continue };
        let Some(&(_, place)) = g.places.get(at) else { continue };
        let Some(path) = g.scripts.binary_search_by_key(&place.script, |s| s.0).ok().and_then(|i| g.scripts.get(i)) else { continue };
        if path.1.starts_with("node:") || path.1.starts_with("internal/") {
            continue;
        }
        let site = format!("{}:{}:{}", path.1, place.line.saturating_add(1), place.column.saturating_add(1));
        if !out.contains(&site) && out.len() < 8 {
            out.push(site);
        }
    }
    out
}
