//! Where a heap grew: holders that survived since an earlier snapshot and gained objects that are kept. A gained object is
//! attached to the last survivor on the shortest way from a root to it. What only turns over (rings, bounded caches) has
//! gained objects too, so gains are weighed by what the class gained on balance, and a holder whose retained size and
//! element count stand still has grown by nothing.
//!
//! What only a root or another node that is no object holds has no holder in the program: such objects are gathered by the
//! class through which the runtime holds them (open sockets, native handles). [`alike`] joins holders of one kind.

mod alike;
mod describe;
mod entries;
pub mod way;

use super::dominators::Tree;
use super::fold;
use crate::model::graph::{Fold, GraphColumns, GrowthPoint, NONE, NodeKind, WideColumn};
use crate::model::spare;
use rayon::prelude::*;

/// What is known of the present graph.
pub struct Now<'a> {
    pub g: &'a GraphColumns,
    pub tree: &'a Tree,
    /// By node.
    pub retained: &'a WideColumn,
    pub distance: &'a [i32],
    /// By node the one that it is shown to be held by.
    pub from: &'a [u32],
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
    let (past, number) = rayon::join(|| Past::find(now, first), || numbers(now));
    let (weight, (mut holder, (near, mut own))) = rayon::join(
        || balance(now, &past),
        || {
            rayon::join(
                || holders(now, &past),
                || {
                    let near = nearest_survivors(now, &past);
                    let own = own_growth(now, &past, &near);
                    (near, own)
                },
            )
        },
    );
    below_standing(now, &past, &weight, &mut holder);
    let mut gained = gains(now, &holder, &weight);
    let owner_of = |h: u32| (h as usize) < n;
    // A survivor that gained nothing itself only stands on the way (a link of a list): what seems attached to it belongs to
    // the survivor that dominates it.
    let stands_still = |v: u32, gained: &[f64]| {
        let growth = past.growth(v).unwrap_or(0);
        growth.saturating_mul(10) < gained.get(v as usize).copied().unwrap_or(0.0) as i64 && !past.more_elements(now, v)
    };
    let still: Vec<bool> = (0..n as u32).map(|v| gained.get(v as usize).is_some_and(|&b| b > 0.0) && stands_still(v, &gained)).collect();
    // Where only a root dominates (lists that the runtime holds in several ways) the way is all there is to go by.
    let mut rooted = vec![0f64; if still.contains(&true) { n } else { 0 }];
    let mut moved = false;
    for (v, h) in holder.iter_mut().enumerate() {
        if *h == NONE || !owner_of(*h) || still.get(*h as usize) != Some(&true) {
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
        drop(gained);
        gained = gains(now, &holder, &weight);
    }
    // What a survivor dominates but another one holds is that one's growth.
    for (v, h) in holder.iter().enumerate().filter(|(_, h)| **h != NONE && owner_of(**h)) {
        let dominator = number.get(v).and_then(|&i| near.get(i as usize)).copied().unwrap_or(0);
        if now.tree.order.get(dominator as usize) != Some(h)
            && let Some(o) = own.get_mut(dominator as usize)
        {
            *o = o.saturating_sub((g.self_size.get(v) as f64 * weight_of(&weight, g, v)) as i64);
        }
    }
    let candidate = |v: u32| {
        if past.is_new(v) || g.node_kind(v) == NodeKind::Synthetic {
            return None;
        }
        let by_holding = gained.get(v as usize).copied().unwrap_or(0.0) as i64;
        let by_dominating = number.get(v as usize).and_then(|&i| own.get(i as usize)).copied().unwrap_or(0);
        if by_holding <= 0 && by_dominating <= 0 {
            return None;
        }
        let size = if stands_still(v, &gained) {
            rooted.get(v as usize).copied().unwrap_or(0.0) as i64
        } else if by_holding <= 0 || by_dominating > by_holding / 2 && by_dominating < by_holding.saturating_mul(2) {
            by_dominating
        } else {
            by_holding
        };
        (size > 0).then_some((v, size))
    };
    let mut candidates: Vec<(u32, i64)> = (1..n as u32).into_par_iter().filter_map(candidate).collect();
    for h in n..gained.len() {
        let size = gained.get(h).copied().unwrap_or(0.0) as i64;
        if size > 0 {
            candidates.push((h as u32, size));
        }
    }
    let groups = alike::groups(now, candidates);
    describe::points(&describe::Found { now, earlier, holder: &holder, weight: &weight, number: &number, past: &past }, &groups)
}

/// By node its number in the dominator tree.
fn numbers(now: &Now<'_>) -> Vec<u32> {
    let mut number = spare::filled(now.g.nodes(), 0);
    for (i, &v) in now.tree.order.iter().enumerate() {
        if let Some(slot) = number.get_mut(v as usize) {
            *slot = i as u32;
        }
    }
    number
}

/// The present nodes' rows in the first snapshot.
pub struct Past<'a> {
    first: &'a Fold,
    retained: &'a WideColumn,
    /// By node; `NONE` for what is new.
    row: Vec<u32>,
}

impl<'a> Past<'a> {
    fn find(now: &Now<'a>, first: &'a Fold) -> Self {
        let g = now.g;
        let mut row = spare::filled(g.nodes(), NONE);
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

    fn more_elements(&self, now: &Now<'_>, v: u32) -> bool {
        let row = self.row.get(v as usize).filter(|r| **r != NONE);
        let was = row.and_then(|r| self.first.elements.get(*r as usize)).unwrap_or(0);
        now.elements.get(v as usize).is_some_and(|&e| e > was.saturating_add(was / 50))
    }
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

/// By holder: bytes attached to it, weighed by what their classes gained on balance.
fn gains(now: &Now<'_>, holder: &[u32], weight: &[f64]) -> Vec<f64> {
    let mut gained = vec![0f64; holder.len() + now.g.classes.len()];
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
    let current = Fold { classes: g.classes.clone(), ..Fold::default() };
    let (before, (all, new)) = rayon::join(
        || {
            let (class, table) = fold::classes(first, now.interfaces);
            let common = fold::common(&[(first, &table), (&current, &g.classes)]);
            let number = |side: usize| common.number.get(side).map_or(&[][..], |v| v);
            let totals = fold::totals(first, &class, number(0), common.classes.len());
            let of = |c: &Option<u32>| c.and_then(|k| totals.get(k as usize)).map_or(0, |t| t.0);
            number(1).iter().map(of).collect::<Vec<u64>>()
        },
        || {
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
            (all, new)
        },
    );
    all.iter()
        .zip(&new)
        .enumerate()
        .map(|(c, (&all, &new))| {
            let was = before.get(c).copied().unwrap_or(0);
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
    let mut near = spare::filled(order.len(), 0);
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
    let of = |&v: &u32| past.growth(v).unwrap_or(0);
    let mut own: Vec<i64> = now.tree.order.iter().map(of).collect();
    // What a survivor dominates has larger numbers: its own growth is still whole when it is taken from the one above.
    for i in 1..near.len() {
        let growth = own.get(i).copied().unwrap_or(0);
        if let Some(up) = near.get(i).and_then(|&u| own.get_mut(u as usize)).filter(|_| growth != 0) {
            *up = up.saturating_sub(growth);
        }
    }
    own
}

/// By node: for new ones the last survivor on their shortest way from a root; where that is no object, the number of
/// nodes plus the class of the first new one on the way; `NONE` for survivors.
fn holders(now: &Now<'_>, past: &Past<'_>) -> Vec<u32> {
    let n = past.row.len() as u32;
    let mut holder = spare::filled(past.row.len(), NONE);
    let mut way = Vec::new();
    for v in 0..n {
        let mut at = v;
        let found = loop {
            if !past.is_new(at) {
                break at;
            }
            if let Some(&h) = holder.get(at as usize).filter(|h| **h != NONE) {
                break h;
            }
            way.push(at);
            at = now.from.get(at as usize).copied().unwrap_or(NONE);
            if at == NONE {
                break 0;
            }
        };
        let found = if found < n && (found == 0 || now.g.node_kind(found) == NodeKind::Synthetic) {
            let first = way.last().and_then(|&t| now.g.class.get(t as usize)).copied().unwrap_or(0);
            n.saturating_add(first)
        } else {
            found
        };
        for w in way.drain(..) {
            if let Some(slot) = holder.get_mut(w as usize) {
                *slot = found;
            }
        }
    }
    holder
}

/// Some runtimes number their own nodes anew in every file: what seems new at the top of a way is there in every one. What
/// only such a node holds is put to the first new one on its way of which there are more than before.
fn below_standing(now: &Now<'_>, past: &Past<'_>, weight: &[f64], holder: &mut [u32]) {
    let n = holder.len() as u32;
    let by_runtime = |h: u32| h != NONE && h >= n;
    if !holder.iter().any(|&h| by_runtime(h)) {
        return;
    }
    let mut no_object = vec![false; now.g.classes.len()];
    for (v, &class) in now.g.class.iter().enumerate().filter(|(v, _)| now.g.node_kind(*v as u32) == NodeKind::Synthetic) {
        if let Some(slot) = no_object.get_mut(class as usize).filter(|_| past.is_new(v as u32)) {
            *slot = true;
        }
    }
    let stands = |h: u32| {
        let class = h.saturating_sub(n) as usize;
        by_runtime(h) && (weight.get(class).is_some_and(|w| *w <= 0.0) || no_object.get(class) == Some(&true))
    };
    let grows = |w: u32| now.g.node_kind(w) != NodeKind::Synthetic && weight_of(weight, now.g, w as usize) > 0.0;
    let Some(first) = holder.iter().position(|&h| stands(h)) else { return };
    let mut done = vec![false; holder.len()];
    let mut way = Vec::new();
    for v in first as u32..n {
        let Some(&own) = holder.get(v as usize).filter(|h| stands(**h)) else { continue };
        let (mut at, mut found) = (v, own);
        while at != NONE && past.is_new(at) {
            if done.get(at as usize) == Some(&true) {
                found = holder.get(at as usize).copied().unwrap_or(own);
                break;
            }
            way.push(at);
            at = now.from.get(at as usize).copied().unwrap_or(NONE);
        }
        let mut standing = stands(found);
        for w in way.drain(..).rev() {
            if standing && grows(w) {
                found = n.saturating_add(now.g.class.get(w as usize).copied().unwrap_or(0));
                standing = false;
            }
            if let (Some(slot), Some(done)) = (holder.get_mut(w as usize), done.get_mut(w as usize)) {
                *slot = found;
                *done = true;
            }
        }
    }
}
