//! Builds the pruned call tree of one or two stack tables, level by level from the root.
//!
//! Only subtrees that will be visible are descended into, so the work shrinks with every level and no tree of all stacks
//! ever exists: a profile with a hundred thousand stacks costs a few passes over its samples. Values are inclusive.

use super::sites::Scale;
use crate::model::calltree::{CallTree, TreeNode};
use crate::model::profile::{Frame, StackTable};
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
    /// Which stacks count; all where absent.
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

/// One sample on its way down: what it is worth and how far from the root it has come.
#[derive(Clone, Copy, Default)]
struct Cursor {
    value: i64,
    /// The locations still to pass are `stack_locs[start..end]`, the last one next.
    start: u32,
    end: u32,
    /// Frames passed within the next location.
    frame: u32,
    /// Name of the frame below, once it has been looked up.
    name: u32,
}

/// One profile's samples, grouped by the node they have reached. Cursors are moved rather than pointed at: a pass over a
/// node reads them one after the other.
struct Walk<'a> {
    table: &'a StackTable,
    /// Outermost name and number of frames of every location; one without frames has its binary's name.
    heads: Vec<(u32, u32)>,
    frame_names: Vec<u32>,
    cursors: Vec<Cursor>,
}

impl<'a> Walk<'a> {
    fn new(side: &Side<'a>, names: &mut Names<'a>) -> Self {
        let t = side.table;
        let functions: Vec<u32> = t
            .functions
            .iter()
            .map(|f| {
                let name = t.string(f.name);
                names.of(if name.is_empty() { t.string(f.file) } else { name })
            })
            .collect();
        let name = |f: &Frame| functions.get(f.function as usize).copied().unwrap_or(0);
        let heads: Vec<(u32, u32)> = (0..t.locations() as u32)
            .map(|l| match t.frames(l) {
                [] => (names.of(t.mapping(l).map_or("<unknown>", |m| m.file.rsplit('/').next().unwrap_or("<unknown>"))), 1),
                [.., outermost] => (name(outermost), t.frames(l).len() as u32),
            })
            .collect();
        let frame_names = if heads.iter().any(|h| h.1 > 1) { t.loc_frames.iter().map(name).collect() } else { Vec::new() };
        let factor = side.scale.and_then(|s| s.get(side.measure)).copied();
        let samples = t.samples();
        let column = t.values.get(side.measure * samples..).unwrap_or(&[]);
        let scaled = |v: i64| factor.map_or(v, |f| (v as f64 * f).round() as i64);
        // Samples of one stack go down together.
        let mut sums = vec![0i64; t.stacks()];
        for (s, v) in column.iter().take(samples).enumerate().filter(|(_, v)| **v != 0) {
            let k = t.stack_number(s);
            let passes = side.passing.as_ref().is_none_or(|p| p.get(k).copied().unwrap_or(false));
            if let (true, Some(sum)) = (passes, sums.get_mut(k)) {
                *sum = sum.saturating_add(scaled(*v));
            }
        }
        let mut cursors = Vec::with_capacity(sums.iter().filter(|v| **v != 0).count());
        for (bounds, &value) in t.stack_start.windows(2).zip(&sums).filter(|(_, v)| **v != 0) {
            if let [start, end] = bounds {
                cursors.push(Cursor { value, start: *start, end: (*end).max(*start), frame: 0, name: END });
            }
        }
        Walk { table: t, heads, frame_names, cursors }
    }

    /// Name of the frame below a cursor, and the cursor behind it.
    #[inline]
    fn next(&self, c: Cursor) -> Cursor {
        if c.end <= c.start {
            return Cursor { name: END, ..c };
        }
        let Some(&l) = self.table.stack_locs.get(c.end as usize - 1) else { return Cursor { name: END, ..c } };
        let (outermost, n) = self.heads.get(l as usize).copied().unwrap_or((END, 1));
        if n == 1 {
            return Cursor { name: outermost, end: c.end - 1, ..c };
        }
        // Frames of a location stand innermost first.
        let first = self.table.loc_start.get(l as usize).copied().unwrap_or(0);
        let name = self.frame_names.get((first + n - 1 - c.frame.min(n - 1)) as usize).copied().unwrap_or(END);
        if c.frame + 1 < n { Cursor { name, frame: c.frame + 1, ..c } } else { Cursor { name, frame: 0, end: c.end - 1, ..c } }
    }

    /// Takes the samples of `range` one frame on and sums them by it into `b` at `side`.
    fn count(&mut self, range: &std::ops::Range<usize>, side: usize, b: &mut Buckets) {
        for i in range.clone() {
            let Some(c) = self.cursors.get(i).map(|c| self.next(*c)) else { continue };
            if let Some(slot) = self.cursors.get_mut(i) {
                *slot = c;
            }
            if c.name != END {
                b.add(c.name, side, c.value);
            }
        }
    }

    /// Brings the samples of `range` into the order of the buckets that are kept; gives each bucket's range.
    fn split(
        &mut self,
        range: &std::ops::Range<usize>,
        side: usize,
        b: &Buckets,
        scratch: &mut Vec<Cursor>,
    ) -> Vec<std::ops::Range<usize>> {
        let mut at = range.start;
        let mut starts = Vec::with_capacity(b.kept.len());
        for k in &b.kept {
            let n = b.list.get(*k).map_or(0, |x| x.count[side]);
            starts.push(at..at);
            at += n;
        }
        scratch.clear();
        scratch.extend_from_slice(self.cursors.get(range.clone()).unwrap_or(&[]));
        for c in scratch.iter() {
            let Some(rank) = b.slot(c.name).and_then(|k| b.list.get(k)).and_then(|x| x.rank) else { continue };
            if let Some(r) = starts.get_mut(rank)
                && let Some(to) = self.cursors.get_mut(r.end)
            {
                *to = *c;
                r.end += 1;
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
    let total = |w: &Option<Walk<'_>>| w.as_ref().map_or(0i64, |w| w.cursors.iter().fold(0, |a, c| a.saturating_add(c.value)));
    let whole = |w: &Option<Walk<'_>>| 0..w.as_ref().map_or(0, |w| w.cursors.len());
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
