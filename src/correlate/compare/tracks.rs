//! Sites followed over all snapshots, joined by key, and the rows that the document shows of them.

use super::growth;
use super::value::{Columns, Halves, Stacks, Value};
use crate::heap::sites;
use crate::model::delta::{Amount, DeltaRow, GroupBy, RowOptions, Step};
use std::collections::HashMap;

/// One site over all snapshots.
#[derive(Debug, Clone, Default)]
pub struct Track {
    pub key: String,
    pub name: String,
    pub location: Option<String>,
    /// Per snapshot: bytes, count, bytes and count ever allocated, sampling weight.
    pub steps: Vec<Value>,
    /// How it was matched across builds, and what it was called before.
    pub renamed: Option<(&'static str, String)>,
}

/// Sites over the snapshots added so far, joined by key in the order first met.
#[derive(Default)]
pub struct Tracks {
    pub list: Vec<Track>,
    index: HashMap<(String, String), usize>,
    pub snapshots: usize,
}

impl Tracks {
    pub fn add(&mut self, (profile, table): Stacks<'_>, ask: sites::Ask<'_>, rows: &RowOptions, halves: &Halves) {
        let at = self.snapshots;
        let sums = sites::sum(profile, table, ask);
        let columns = Columns::of(profile, halves);
        let out = &mut self.list;
        for g in 0..sums.len() {
            let (row, spread) = if rows.cumulative { (sums.cumulative(g), &sums.cumulative_spread) } else { (sums.own(g), &sums.spread) };
            if row.iter().all(|v| *v == 0) {
                continue;
            }
            let (key, name, location) = sums.words(g);
            let i = *self.index.entry((key, name)).or_insert_with_key(|(key, name)| {
                out.push(Track { key: key.clone(), name: name.clone(), location, steps: Vec::new(), renamed: None });
                out.len() - 1
            });
            let v = columns.value(row, spread.get(g).copied().unwrap_or_default());
            if let Some(t) = out.get_mut(i) {
                t.steps.resize(at + 1, Value::default());
                if let Some(slot) = t.steps.get_mut(at) {
                    slot.add(v);
                }
            }
        }
        self.snapshots += 1;
        out.iter_mut().for_each(|t| t.steps.resize(at + 1, Value::default()));
    }
}

fn kind(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Line => "line",
        GroupBy::File => "file",
        GroupBy::Traceback => "traceback",
        GroupBy::Address => "address",
        GroupBy::Package => "package",
        GroupBy::Label => "label",
        GroupBy::Goroutine => "goroutine",
        GroupBy::Class => "class",
        _ => "function",
    }
}

/// Last minus first.
pub fn change(t: &Track, by_bytes: bool) -> i64 {
    let (a, b) = ends(&t.steps);
    b.of(by_bytes).saturating_sub(a.of(by_bytes))
}

fn ends(steps: &[Value]) -> (Value, Value) {
    (steps.first().copied().unwrap_or_default(), steps.last().copied().unwrap_or_default())
}

/// The document's row of one site or class.
pub fn row(t: Track, by: GroupBy, rows: &RowOptions, halves: &Halves, same_process: Option<bool>) -> DeltaRow {
    let (a, b) = ends(&t.steps);
    let some = |half: &Option<String>, v: i64| half.as_ref().map(|_| v);
    let amount = |v: &Value| Amount { count: some(&halves.count, v.count), bytes: some(&halves.bytes, v.bytes), retained_bytes: None };
    let (count, bytes) = (b.count.saturating_sub(a.count), b.bytes.saturating_sub(a.bytes));
    // Where one process counts every allocation, what came and went in between is known; else only what is left of it.
    let came = |delta: i64, before: i64, after: i64| {
        let made = after.saturating_sub(before);
        if same_process == Some(true) && made >= delta.max(0) { made } else { delta.max(0) }
    };
    let added_count = came(count, a.allocated_count, b.allocated_count);
    let added_bytes = came(bytes, a.allocated_bytes, b.allocated_bytes);
    let error = growth::standard_error(&a, &b, halves);
    DeltaRow {
        kind: kind(by).into(),
        before: amount(&a),
        after: amount(&b),
        added_count: some(&halves.count, added_count),
        removed_count: some(&halves.count, added_count.saturating_sub(count)),
        added_bytes: some(&halves.bytes, added_bytes),
        removed_bytes: some(&halves.bytes, added_bytes.saturating_sub(bytes)),
        count_delta: some(&halves.count, count),
        bytes_delta: some(&halves.bytes, bytes),
        retained_delta: None,
        error_bytes: error.map(|e| e.round() as i64),
        cumulative_delta: rows.cumulative.then(|| if halves.by_bytes() { bytes } else { count }),
        trend: growth::word(&t.steps, halves).into(),
        steps: t.steps.iter().map(|v| Step { count: some(&halves.count, v.count), bytes: some(&halves.bytes, v.bytes) }).collect(),
        matched: t.renamed.as_ref().map(|r| r.0.to_owned()),
        was: t.renamed.map(|r| r.1),
        key: t.key,
        name: t.name,
        location: t.location,
    }
}
