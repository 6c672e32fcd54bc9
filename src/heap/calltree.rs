//! Builds the pruned call tree of one or two stack tables, level by level from the root.
//!
//! Only subtrees that will be visible are descended into, so the work shrinks with every level and no tree of all stacks
//! ever exists: a profile with a hundred thousand stacks costs a few passes over its samples. Values are inclusive.

use super::sites::Scale;
use crate::model::calltree::{CallTree, TreeNode};
use crate::model::profile::StackTable;
use std::collections::HashMap;

/// A subtree smaller than this share of the bigger total is left out.
const VISIBLE: f64 = 0.0005;
/// Most nodes of a tree; the deepest levels go first.
const NODES: usize = 3000;
/// Deepest level; recursion may make stacks of thousands of frames.
const DEPTH: u32 = 250;

/// A table and which of its measures to draw, with its scale factors.
pub struct Side<'a> {
    pub table: &'a StackTable,
    pub measure: usize,
    pub scale: Scale<'a>,
    /// Which samples count; all where absent.
    pub passing: Option<Vec<bool>>,
}

/// Names of both sides in one numbering.
#[derive(Default)]
struct Names<'a> {
    index: HashMap<&'a str, u32>,
    names: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(&mut self, name: &'a str) -> u32 {
        let next = self.names.len() as u32;
        let i = *self.index.entry(name).or_insert(next);
        if i == next {
            self.names.push(name);
        }
        i
    }
}

/// One profile's samples with a cursor each: how many of its frames, from the root, lie above the present node.
struct Walk<'a> {
    table: &'a StackTable,
    /// Name of every frame, and of locations without frames.
    frame_names: Vec<u32>,
    bare_names: Vec<u32>,
    values: Vec<i64>,
    /// Sample numbers, grouped by node.
    order: Vec<u32>,
    /// Locations passed and frames passed within the next one.
    passed: Vec<(u32, u32)>,
    keys: Vec<u32>,
}

impl<'a> Walk<'a> {
    fn new(side: &Side<'a>, names: &mut Names<'a>) -> Self {
        let t = side.table;
        let samples = t.samples();
        let mut frame_names = Vec::with_capacity(t.loc_frames.len());
        let functions: Vec<u32> = t
            .functions
            .iter()
            .map(|f| {
                let name = t.string(f.name);
                names.of(if name.is_empty() { t.string(f.file) } else { name })
            })
            .collect();
        frame_names.extend(t.loc_frames.iter().map(|f| functions.get(f.function as usize).copied().unwrap_or(0)));
        let bare_names = (0..t.locations() as u32)
            .map(|l| names.of(t.mapping(l).map_or("<unknown>", |m| m.file.rsplit('/').next().unwrap_or("<unknown>"))))
            .collect();
        let factor = side.scale.and_then(|s| s.get(side.measure)).copied();
        let values = (0..samples)
            .map(|s| {
                if !side.passing.as_ref().is_none_or(|p| p.get(s).copied().unwrap_or(false)) {
                    return 0;
                }
                let v = t.value(side.measure, s);
                factor.map_or(v, |f| (v as f64 * f).round() as i64)
            })
            .collect();
        Walk {
            table: t,
            frame_names,
            bare_names,
            values,
            order: (0..samples as u32).collect(),
            passed: vec![(0, 0); samples],
            keys: vec![END; samples],
        }
    }

    /// Name of the frame below the cursor of sample `s`, and the cursor behind it.
    fn next(&self, s: u32) -> (u32, (u32, u32)) {
        let (locs, frames) = self.passed.get(s as usize).copied().unwrap_or((u32::MAX, 0));
        let stack = self.table.stack(s as usize);
        let Some(&l) = stack.len().checked_sub(1 + locs as usize).and_then(|i| stack.get(i)) else { return (END, (locs, frames)) };
        let start = self.table.loc_start.get(l as usize).copied().unwrap_or(0);
        let n = self.table.frames(l).len() as u32;
        if n == 0 {
            return (self.bare_names.get(l as usize).copied().unwrap_or(END), (locs + 1, 0));
        }
        // Frames of a location stand innermost first.
        let name = self.frame_names.get((start + n - 1 - frames.min(n - 1)) as usize).copied().unwrap_or(END);
        (name, if frames + 1 < n { (locs, frames + 1) } else { (locs + 1, 0) })
    }

    /// Sums the samples of `range` by their next frame into `sums` at `side`.
    fn count(&mut self, range: &std::ops::Range<usize>, side: usize, b: &mut Buckets) {
        for i in range.clone() {
            let Some(&s) = self.order.get(i) else { continue };
            let (name, _) = self.next(s);
            if let Some(k) = self.keys.get_mut(s as usize) {
                *k = name;
            }
            if name != END {
                let v = self.values.get(s as usize).copied().unwrap_or(0);
                b.add(name, side, v);
            }
        }
    }

    /// Brings the samples of `range` into the order of the buckets that are kept; gives each bucket's range.
    fn split(&mut self, range: &std::ops::Range<usize>, side: usize, b: &Buckets, scratch: &mut Vec<u32>) -> Vec<std::ops::Range<usize>> {
        let mut at = range.start;
        let mut starts = Vec::with_capacity(b.kept.len());
        for k in &b.kept {
            let n = b.list.get(*k).map_or(0, |x| x.count[side]);
            starts.push(at..at);
            at += n;
        }
        scratch.clear();
        scratch.extend_from_slice(self.order.get(range.clone()).unwrap_or(&[]));
        for &s in scratch.iter() {
            let name = self.keys.get(s as usize).copied().unwrap_or(END);
            let Some(slot) = b.slot(name).and_then(|k| b.list.get(k)).and_then(|x| x.rank) else { continue };
            if let Some(r) = starts.get_mut(slot) {
                let (_, cursor) = self.next(s);
                if let (Some(o), Some(p)) = (self.order.get_mut(r.end), self.passed.get_mut(s as usize)) {
                    *o = s;
                    *p = cursor;
                    r.end += 1;
                }
            }
        }
        starts
    }
}

const END: u32 = u32::MAX;

/// Children of one node while they are being told apart.
struct Buckets {
    /// Index into `list` by name, valid where the list's entry has that name.
    by_name: Vec<u32>,
    list: Vec<Bucket>,
    /// Indices into `list` of those that are drawn, in drawing order.
    kept: Vec<usize>,
}

struct Bucket {
    name: u32,
    value: [i64; 2],
    count: [usize; 2],
    rank: Option<usize>,
}

impl Buckets {
    fn slot(&self, name: u32) -> Option<usize> {
        let i = self.by_name.get(name as usize).copied()? as usize;
        self.list.get(i).is_some_and(|b| b.name == name).then_some(i)
    }

    fn add(&mut self, name: u32, side: usize, v: i64) {
        let i = match self.slot(name) {
            Some(i) => i,
            None => {
                if let Some(x) = self.by_name.get_mut(name as usize) {
                    *x = self.list.len() as u32;
                }
                self.list.push(Bucket { name, value: [0, 0], count: [0, 0], rank: None });
                self.list.len() - 1
            }
        };
        if let Some(b) = self.list.get_mut(i) {
            b.value[side] = b.value[side].saturating_add(v);
            b.count[side] += 1;
        }
    }
}

struct Open {
    depth: u32,
    name: u32,
    value: [i64; 2],
    ranges: [std::ops::Range<usize>; 2],
}

/// The tree of `before` and `after`, or of `after` alone. `measure` and `unit` only label it.
pub fn build(before: Option<&Side<'_>>, after: &Side<'_>, measure: &str, unit: &str) -> CallTree {
    let mut names = Names::default();
    let mut walks: Vec<Option<Walk<'_>>> = vec![before.map(|s| Walk::new(s, &mut names)), Some(Walk::new(after, &mut names))];
    let total = |w: &Option<Walk<'_>>| w.as_ref().map_or(0i64, |w| w.values.iter().fold(0, |a, v| a.saturating_add(*v)));
    let whole = |w: &Option<Walk<'_>>| 0..w.as_ref().map_or(0, |w| w.order.len());
    let totals = [total(walks.first().unwrap_or(&None)), total(walks.get(1).unwrap_or(&None))];
    let least = ((totals[0].unsigned_abs().max(totals[1].unsigned_abs())) as f64 * VISIBLE).ceil().max(1.0) as i64;
    let mut tree =
        CallTree { measure: measure.into(), unit: unit.into(), compared: before.is_some(), pruned_below: least, ..CallTree::default() };
    let mut buckets = Buckets { by_name: vec![0; names.names.len()], list: Vec::new(), kept: Vec::new() };
    let mut scratch = Vec::new();
    let ranges = [whole(walks.first().unwrap_or(&None)), whole(walks.get(1).unwrap_or(&None))];
    let mut open = vec![Open { depth: 0, name: END, value: totals, ranges }];
    while let Some(node) = open.pop() {
        let name = if node.name == END { "all" } else { names.names.get(node.name as usize).copied().unwrap_or("") };
        tree.nodes.push(TreeNode { depth: node.depth, name: name.to_owned(), before: node.value[0], after: node.value[1] });
        if node.depth >= DEPTH {
            continue;
        }
        buckets.list.clear();
        buckets.kept.clear();
        for (side, w) in walks.iter_mut().enumerate() {
            if let (Some(w), Some(r)) = (w.as_mut(), node.ranges.get(side)) {
                w.count(r, side, &mut buckets);
            }
        }
        // `least` bounds the number of nodes on one level to its inverse; the cap below bounds all of them.
        let room = tree.nodes.len() + open.len() < NODES;
        let size = |b: &Bucket| b.value[0].saturating_abs().max(b.value[1].saturating_abs());
        buckets.kept.extend((0..buckets.list.len()).filter(|i| room && buckets.list.get(*i).is_some_and(|b| size(b) >= least)));
        tree.pruned += buckets.list.len() - buckets.kept.len();
        let (list, kept) = (&buckets.list, &mut buckets.kept);
        let text = |i: usize| list.get(i).and_then(|b| names.names.get(b.name as usize)).copied().unwrap_or("");
        kept.sort_by(|a, b| list.get(*b).map(size).cmp(&list.get(*a).map(size)).then_with(|| text(*a).cmp(text(*b))));
        for rank in 0..buckets.kept.len() {
            if let Some(b) = buckets.kept.get(rank).copied().and_then(|i| buckets.list.get_mut(i)) {
                b.rank = Some(rank);
            }
        }
        let mut split = [Vec::new(), Vec::new()];
        for (side, w) in walks.iter_mut().enumerate() {
            if let (Some(w), Some(r), Some(s)) = (w.as_mut(), node.ranges.get(side), split.get_mut(side)) {
                *s = w.split(r, side, &buckets, &mut scratch);
            }
        }
        // The stack is last in, first out: push the smallest first.
        for (rank, i) in buckets.kept.iter().enumerate().rev() {
            let Some(b) = buckets.list.get(*i) else { continue };
            let range = |side: usize| split.get(side).and_then(|s| s.get(rank)).cloned().unwrap_or(0..0);
            open.push(Open { depth: node.depth + 1, name: b.name, value: b.value, ranges: [range(0), range(1)] });
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::{Frame, Function};

    /// One measure; `stacks` are leaf first by function number.
    fn table(names: &[&str], stacks: &[(&[u32], i64)]) -> StackTable {
        let mut t = StackTable { strings: names.iter().map(|n| (*n).into()).collect(), ..StackTable::default() };
        for i in 0..names.len() as u32 {
            t.functions.push(Function { name: i, file: 0 });
            t.loc_start.push(i);
            t.loc_frames.push(Frame { function: i, line: 1 });
            t.loc_address.push(0);
        }
        t.loc_start.push(names.len() as u32);
        t.stack_start.push(0);
        for (stack, v) in stacks {
            t.stack_locs.extend_from_slice(stack);
            t.stack_start.push(t.stack_locs.len() as u32);
            t.values.push(*v);
        }
        t
    }

    #[test]
    fn both_sides_meet_by_name_and_vanished_frames_stay() {
        let before = table(&["", "main", "gone", "kept"], &[(&[2, 1], 30), (&[3, 1], 50)]);
        let after = table(&["", "kept", "main", "new"], &[(&[1, 2], 90), (&[3, 1, 2], 10), (&[2], 5)]);
        let side = |table| Side { table, measure: 0, scale: None, passing: None };
        let tree = build(Some(&side(&before)), &side(&after), "inuse_space", "bytes");
        let got: Vec<_> = tree.nodes.iter().map(|n| (n.depth, n.name.as_str(), n.before, n.after)).collect();
        assert_eq!(got, [(0, "all", 80, 105), (1, "main", 80, 105), (2, "kept", 50, 100), (3, "new", 0, 10), (2, "gone", 30, 0)]);
    }
}
