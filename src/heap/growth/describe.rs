//! Figures and words for holders that grew: what they gained by class, which class the growth is best called by, and the
//! way from a root to a typical gained object.

use super::alike::Group;
use super::way::{self, is_part};
use super::{Now, Past, entries, find_row};
use crate::heap::allocated;
use crate::heap::strings::{self, Copies};
use crate::model::graph::{Class, ClassKind, Fold, Gain, GraphColumns, GrowthPoint, NONE};
use std::collections::BTreeMap;

/// Growth points given.
const POINTS: usize = 16;
/// Classes of gains given for each.
const GAINS: usize = 12;
/// Allocating functions given for each.
const ALLOCATORS: usize = 5;

/// By class the calls that allocated its gained objects.
type CallsByClass = BTreeMap<u32, allocated::ByCall>;

/// What the search found out about every node.
pub struct Found<'a> {
    pub now: &'a Now<'a>,
    pub earlier: &'a [&'a Fold],
    pub holder: &'a [u32],
    pub weight: &'a [f64],
    pub number: &'a [u32],
    pub past: &'a Past<'a>,
}

#[derive(Clone, Copy)]
struct Tally {
    count: u64,
    bytes: u64,
    retained: u64,
    /// Of those, what hangs right in the holder.
    entries: u64,
    entry_retained: u64,
    /// The typical object: nearest to a root, then lowest id.
    example: u32,
}

/// Growth points for groups of holders, most growth first.
pub fn points(f: &Found<'_>, groups: &[Group]) -> Vec<GrowthPoint> {
    let g = f.now.g;
    let room = ((4 << 20) / g.classes.len().max(1)).max(4);
    let groups = groups.get(..groups.len().min(room).min(POINTS)).unwrap_or(groups);
    let mut calls = vec![BTreeMap::new(); groups.len()];
    let (tallies, text) = tally(f, groups, &mut calls);
    let all = groups.iter().zip(&tallies).zip(text).zip(&calls);
    all.map(|(((group, tally), text), calls)| point(f, group, tally, text, calls)).collect()
}

/// Gained text that could be spared, bytes.
#[derive(Clone, Copy, Default)]
struct Text {
    /// Of strings that another one repeats.
    copied: u64,
    /// Of strings that are kept for a part of them.
    sliced: u64,
}

/// By group and class what was gained, and by group the text that could be spared.
fn tally(f: &Found<'_>, groups: &[Group], calls: &mut [CallsByClass]) -> (Vec<Vec<Tally>>, Vec<Text>) {
    let (now, g) = (f.now, f.now.g);
    let empty = Tally { count: 0, bytes: 0, retained: 0, entries: 0, entry_retained: 0, example: NONE };
    let mut slot_of: Vec<(u32, usize)> =
        groups.iter().enumerate().flat_map(|(i, group)| group.members.iter().map(move |&m| (m, i))).collect();
    slot_of.sort_unstable();
    let mut tallies: Vec<Vec<Tally>> = vec![vec![empty; g.classes.len()]; groups.len()];
    let mut text = vec![Text::default(); groups.len()];
    let mut known = Copies::new(g);
    let distance = |v: u32| now.distance.get(v as usize).copied().unwrap_or(i32::MAX);
    for (v, h) in f.holder.iter().enumerate() {
        let repeated = known.repeats(g, v);
        if *h == NONE {
            continue;
        }
        let Ok(at) = slot_of.binary_search_by_key(h, |s| s.0) else { continue };
        let Some(slot) = slot_of.get(at).map(|s| s.1) else { continue };
        let class = g.class.get(v).copied().unwrap_or(0);
        let Some(t) = tallies.get_mut(slot).and_then(|t| t.get_mut(class as usize)) else { continue };
        t.count += 1;
        t.bytes = t.bytes.saturating_add(g.self_size.get(v));
        let i = f.number.get(v).copied().unwrap_or(0) as usize;
        let up = now.tree.idom.get(i).and_then(|&d| now.tree.order.get(d as usize)).copied().unwrap_or(0);
        if let Some(text) = text.get_mut(slot) {
            let size = g.self_size.get(v);
            text.copied = text.copied.saturating_add(if repeated { size } else { 0 });
            text.sliced = text.sliced.saturating_add(if strings::is_kept_for_a_part(g, v as u32, up) { size } else { 0 });
        }
        if g.class.get(up as usize) != Some(&class) {
            t.retained = t.retained.saturating_add(now.retained.get(v));
        }
        if g.allocations.is_some()
            && let Some(calls) = calls.get_mut(slot)
        {
            allocated::add(g, v, g.self_size.get(v), calls.entry(class).or_default());
        }
        let v = v as u32;
        if !is_part(g, v) && hangs_in_a_survivor(f, v) {
            t.entries += 1;
            t.entry_retained = t.entry_retained.saturating_add(now.retained.get(v as usize));
        }
        if t.example == NONE || (distance(v), g.id.get(v as usize)) < (distance(t.example), g.id.get(t.example as usize)) {
            t.example = v;
        }
    }
    (tallies, text)
}

/// Whether the next object up the way, past arrays and tables, is a survivor.
fn hangs_in_a_survivor(f: &Found<'_>, v: u32) -> bool {
    let mut at = v;
    loop {
        at = f.now.from.get(at as usize).copied().unwrap_or(NONE);
        if at == NONE || !f.past.is_new(at) {
            return true;
        }
        if !is_part(f.now.g, at) {
            return false;
        }
    }
}

fn point(f: &Found<'_>, group: &Group, tally: &[Tally], text: Text, calls: &CallsByClass) -> GrowthPoint {
    let (now, g) = (f.now, f.now.g);
    let mut gains: Vec<(Gain, u32)> = tally
        .iter()
        .enumerate()
        .filter(|(_, t)| t.count > 0)
        .map(|(c, t)| {
            let w = f.weight.get(c).copied().unwrap_or(0.0);
            let gain = Gain {
                class: g.classes.get(c).cloned().unwrap_or_default(),
                index: c as u32,
                count: (t.count as f64 * w).round() as i64,
                bytes: (t.bytes as f64 * w).round() as i64,
                retained_bytes: (t.retained as f64 * w) as u64,
                entries: t.entries,
                entry_retained_bytes: (t.entry_retained as f64 * w) as u64,
                title: way::title(g, t.example).map(Into::into),
            };
            (gain, t.example)
        })
        .filter(|(g, _)| g.count > 0)
        .collect();
    gains.sort_by(|a, b| b.0.bytes.cmp(&a.0.bytes).then(a.0.index.cmp(&b.0.index)));
    let first = group.members.first().copied().unwrap_or(0);
    let real = (first as usize) < g.nodes();
    let handle = first.checked_sub(g.nodes() as u32);
    let main = leading(&gains, group.growth, handle);
    let example = main.and_then(|m| gains.get(m)).map_or(if real { first } else { 0 }, |g| g.1);
    let way = way::to(now, f.past, example, first);
    let (sizes, elements) = if real { history(f, &group.members) } else { (Vec::new(), Vec::new()) };
    if let Some(m) = main {
        gains.swap(0, m);
    }
    let mut allocated = gains.first().and_then(|g| calls.get(&g.0.index)).map_or(Vec::new(), |c| allocated::functions(g, c));
    allocated.truncate(ALLOCATORS);
    GrowthPoint {
        id: if real { g.id.get(first as usize) } else { g.id.get(0) },
        class: if real { class_of(g, first) } else { g.classes.get(first as usize - g.nodes()).cloned().unwrap_or_default() },
        holders: if real { group.members.len() as u32 } else { 0 },
        retained_bytes: sizes.last().copied().flatten().unwrap_or(group.growth as u64),
        growth_bytes: group.growth,
        elements,
        sizes,
        copied_bytes: text.copied,
        sliced_bytes: text.sliced,
        entries: tally.iter().map(|t| t.entries).fold(0, u64::saturating_add),
        gains: gains.into_iter().map(|g| g.0).take(GAINS).collect(),
        path: way.steps,
        holder_at: way.holder_at,
        sites: way::sites(now, &way.nodes),
        allocated,
    }
}

/// Retained sizes and entries of holders, added up, in each snapshot; `None` where a lone holder did not exist.
fn history(f: &Found<'_>, members: &[u32]) -> (Vec<Option<u64>>, Vec<Option<u64>>) {
    let sum = |of: &dyn Fn(u32) -> Option<u64>| members.iter().filter_map(|&m| of(m)).reduce(u64::saturating_add);
    let row = |fold: &Fold, m: u32| find_row(fold, f.now.g.id.get(m as usize));
    let mut sizes: Vec<Option<u64>> = f.earlier.iter().map(|e| sum(&|m| row(e, m).map(|r| e.retained.get(r)))).collect();
    let mut elements: Vec<Option<u64>> =
        f.earlier.iter().map(|e| sum(&|m| row(e, m).and_then(|r| e.elements.get(r)).map(u64::from))).collect();
    sizes.push(sum(&|m| Some(f.now.retained.get(m as usize))));
    elements.push(sum(&|m| f.now.elements.get(m as usize).map(|&n| u64::from(n))));
    entries::scale(f.now.g, members, &mut elements);
    (sizes, elements)
}

fn class_of(g: &GraphColumns, v: u32) -> Class {
    g.class.get(v as usize).and_then(|&c| g.classes.get(c as usize)).cloned().unwrap_or_default()
}

/// Which gained class the growth is best called by: one of the program that retains a good part of it, else records that
/// hang right in the holder, else a thing of the library there, else other records, else what hangs there, else what weighs
/// most. Where the runtime alone holds it, through things of the class `handle`, the library's thing above those says more
/// than the records that make it up, and the handles more than their parts.
fn leading(gains: &[(Gain, u32)], growth: i64, handle: Option<u32>) -> Option<usize> {
    let growth = growth.max(1) as u64;
    let best = |kind: ClassKind, least: f64, size: &dyn Fn(&Gain) -> u64| {
        let of_kind = gains.iter().enumerate().filter(|(_, (g, _))| g.class.kind == kind && g.count > 1);
        let enough = of_kind.filter(|(_, (g, _))| size(g) as f64 >= growth as f64 * least);
        enough.max_by(|a, b| size(&a.1.0).min(growth).cmp(&size(&b.1.0).min(growth)).then(b.0.cmp(&a.0))).map(|(i, _)| i)
    };
    let handled = || {
        let of_handle = handle.and_then(|h| gains.iter().position(|(g, _)| g.index == h && g.count > 1));
        handle.and_then(|_| best(ClassKind::Library, 0.25, &|g| g.retained_bytes)).or(of_handle)
    };
    best(ClassKind::Program, 0.15, &|g| g.retained_bytes)
        .or_else(handled)
        .or_else(|| best(ClassKind::Shape, 0.4, &|g| g.entry_retained_bytes))
        .or_else(|| best(ClassKind::Library, 0.4, &|g| g.entry_retained_bytes))
        .or_else(|| best(ClassKind::Shape, 0.25, &|g| g.retained_bytes))
        .or_else(|| best(ClassKind::Runtime, 0.5, &|g| g.entry_retained_bytes))
        .or((!gains.is_empty()).then_some(0))
}
