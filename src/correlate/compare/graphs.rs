//! Comparison of heap graphs. Within one process objects are told apart by id: what was added, what was removed, what
//! survived. Across processes ids mean nothing, so classes are compared and the result says so.

use super::{Snapshot, infos, retainers};
use crate::heap::fold;
use crate::model::delta::{Amount, Delta, DeltaRow, GroupBy, RowOptions, Step};
use crate::model::graph::{Class, ClassTotals, Fold, HeapGraph, Place};
use crate::model::profile::ProfileBody;
use std::collections::BTreeMap;

pub fn diff(snapshots: &[Snapshot<'_>], rows: &RowOptions) -> Delta {
    let mut delta = Delta {
        snapshots: infos(snapshots, Some("bytes"), Some("objects")),
        measures: vec!["bytes".into(), "objects".into()],
        measure: rows.measure.clone().unwrap_or_else(|| "bytes".into()),
        ..Delta::default()
    };
    let graphs: Vec<&HeapGraph> = snapshots
        .iter()
        .filter_map(|s| match &s.profile.body {
            ProfileBody::Graph(g) => Some(&**g),
            _ => None,
        })
        .collect();
    let folds: Vec<&Fold> = graphs.iter().filter_map(|g| g.fold.as_deref()).collect();
    let (Some(last), true) = (folds.last(), folds.len() == graphs.len()) else {
        delta.limits.push("the graphs were not kept for comparison".into());
        return delta;
    };
    delta.same_process = one_process(&folds);
    limits(&graphs, &mut delta);
    let interfaces = &last.shapes.interfaces;
    let read: Vec<_> = folds.iter().map(|f| fold::classes(f, interfaces)).collect();
    let tables: Vec<(&Fold, &[Class])> = folds.iter().copied().zip(read.iter().map(|r| &*r.1)).collect();
    let common = fold::common(&tables);
    let number = |i: usize| common.number.get(i).map_or(&[][..], |v| v);
    let classes = |i: usize| read.get(i).map_or(&[][..], |r| &*r.0);
    let n = common.classes.len();
    let numbered: Vec<fold::Numbered<'_>> = folds.iter().enumerate().map(|(i, f)| (*f, classes(i), number(i))).collect();
    let (steps, turnover) = fold::history(&numbered, n, delta.same_process == Some(true));
    let retained = [graphs.first(), graphs.last()].map(|g| g.map(|g| retained(&g.rows)).unwrap_or_default());
    let scripts = graphs.last().map_or(&[][..], |g| &g.scripts);
    let mut all: Vec<DeltaRow> = Vec::new();
    for (c, class) in common.classes.iter().enumerate() {
        let track: Vec<(u64, u64)> = steps.iter().map(|s| s.get(c).copied().unwrap_or_default()).collect();
        let key = class.key();
        let (a, b) = (track.first().copied().unwrap_or_default(), track.last().copied().unwrap_or_default());
        let moved = turnover.as_ref().and_then(|t| t.get(c)).cloned().unwrap_or_else(|| fold::Turnover {
            added_count: b.0.saturating_sub(a.0),
            removed_count: a.0.saturating_sub(b.0),
            added_bytes: b.1.saturating_sub(a.1),
            removed_bytes: a.1.saturating_sub(b.1),
        });
        if moved == fold::Turnover::default() && track.iter().all(|s| *s == a) {
            continue;
        }
        let amount = |v: (u64, u64), side: usize| Amount {
            count: Some(v.0 as i64),
            bytes: Some(v.1 as i64),
            retained_bytes: retained.get(side).and_then(|r| r.get(&key).copied()),
        };
        let (before, after) = (amount(a, 0), amount(b, 1));
        all.push(DeltaRow {
            kind: "class".into(),
            name: class.name.to_string(),
            location: class.place.map(|p| location(scripts, p)),
            retained_delta: after.retained_bytes.zip(before.retained_bytes.or((a.0 == 0).then_some(0))).map(|(b, a)| b - a),
            added_count: Some(moved.added_count as i64),
            removed_count: Some(moved.removed_count as i64),
            added_bytes: Some(moved.added_bytes as i64),
            removed_bytes: Some(moved.removed_bytes as i64),
            count_delta: Some(b.0 as i64 - a.0 as i64),
            bytes_delta: Some(b.1 as i64 - a.1 as i64),
            steps: track.iter().map(|s| Step { count: Some(s.0 as i64), bytes: Some(s.1 as i64) }).collect(),
            trend: trend(&track, &moved).into(),
            key,
            before,
            after,
            ..DeltaRow::default()
        });
    }
    let total = delta.snapshots.last().and_then(|s| s.total_bytes).unwrap_or(0);
    if rows.by == Some(GroupBy::Constructor) {
        all = by_name(all);
    }
    if delta.same_process == Some(true)
        && let Some(last) = graphs.last()
    {
        if rows.by == Some(GroupBy::Retainer) {
            all = retainers::rows(last, folds.len());
        }
        delta.suspects = retainers::suspects(last, folds.len(), &all, total);
    }
    delta.repeated_strings = graphs.last().and_then(|g| g.repeated.clone()).filter(|r| r.copies > 0);
    let by_count = rows.measure.as_deref() == Some("objects");
    let size = |r: &DeltaRow| if by_count { r.count_delta } else { r.bytes_delta }.unwrap_or(0).unsigned_abs();
    all.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.key.cmp(&b.key)));
    all.truncate(rows.limit());
    delta.rows = all;
    delta
}

/// `path:line:column`, counted from 1; the script's number where its path is not known.
fn location(scripts: &[(u32, Box<str>)], p: Place) -> String {
    let path = scripts.binary_search_by_key(&p.script, |s| s.0).ok().and_then(|i| scripts.get(i));
    let script = path.map_or_else(|| format!("script {}", p.script), |s| s.1.to_string());
    format!("{script}:{}:{}", p.line.saturating_add(1), p.column.saturating_add(1))
}

/// All of one process: yes when every step is, no when any is not.
fn one_process(folds: &[&Fold]) -> Option<bool> {
    let mut all = Some(true);
    for pair in folds.windows(2) {
        let [a, b] = pair else { continue };
        match fold::same_process(a, b) {
            Some(false) => return Some(false),
            None => all = None,
            Some(true) => {}
        }
    }
    all
}

/// What could not be known, in words.
fn limits(graphs: &[&HeapGraph], delta: &mut Delta) {
    match delta.same_process {
        Some(false) => delta.limits.push(
            "the snapshots are of different processes: object ids mean nothing across them, so classes are compared by their totals".into(),
        ),
        None => delta.limits.push("whether the snapshots are of one process cannot be told: classes are compared by their totals".into()),
        Some(true) => {}
    }
    for (g, s) in graphs.iter().zip(&delta.snapshots) {
        if g.edges_lost {
            delta
                .limits
                .push(format!("{}: ends before its references are complete: sizes by class only; retained sizes are lower bounds, the objects' own sizes, for any reference that was not read could hold any object; no paths", s.path));
        }
        if g.names_lost {
            delta.limits.push(format!("{}: ends before its names: classes are named after objects alive in the earlier snapshots", s.path));
        }
    }
}

fn retained(rows: &[ClassTotals]) -> BTreeMap<String, i64> {
    rows.iter().filter_map(|r| Some((r.class.key(), i64::try_from(r.retained_bytes?).ok()?))).collect()
}

/// What became of a class over the steps.
fn trend(track: &[(u64, u64)], moved: &fold::Turnover) -> &'static str {
    let (Some(a), Some(b)) = (track.first(), track.last()) else { return "churn" };
    if a.0 == 0 && b.0 > 0 && track.len() == 2 {
        return "new";
    }
    if b.0 == 0 {
        return "gone";
    }
    let (grew, turned) = (b.1 as i64 - a.1 as i64, moved.added_bytes.min(moved.removed_bytes) as i64);
    if grew < 0 {
        return if turned > -grew { "churn" } else { "shrank" };
    }
    let rises: Vec<i64> = track.windows(2).map(|w| w.last().map_or(0, |x| x.1 as i64) - w.first().map_or(0, |x| x.1 as i64)).collect();
    let last = rises.last().copied().unwrap_or(0);
    if grew == 0 || turned > grew.saturating_mul(4) {
        "churn"
    } else if rises.iter().all(|&r| r > 0) && last.saturating_mul(10) >= grew / rises.len().max(1) as i64 {
        "every-step"
    } else if last.saturating_mul(20) <= grew {
        "plateau"
    } else if rises.iter().any(|&r| r < 0) {
        "churn"
    } else {
        "every-step"
    }
}

/// Rows of classes with one name added up.
fn by_name(rows: Vec<DeltaRow>) -> Vec<DeltaRow> {
    let mut merged: BTreeMap<String, DeltaRow> = BTreeMap::new();
    let add = |a: &mut Option<i64>, b: Option<i64>| *a = a.zip(b).map(|(a, b)| a.saturating_add(b)).or(*a).or(b);
    for r in rows {
        match merged.get_mut(&r.name) {
            None => {
                merged.insert(r.name.clone(), DeltaRow { key: r.name.clone(), location: None, ..r });
            }
            Some(m) => {
                for (a, b) in [(&mut m.before, &r.before), (&mut m.after, &r.after)] {
                    add(&mut a.count, b.count);
                    add(&mut a.bytes, b.bytes);
                    // Retained sizes of two classes may overlap: no sum.
                    a.retained_bytes = None;
                }
                m.retained_delta = None;
                for (a, b) in [
                    (&mut m.added_count, r.added_count),
                    (&mut m.removed_count, r.removed_count),
                    (&mut m.added_bytes, r.added_bytes),
                    (&mut m.removed_bytes, r.removed_bytes),
                    (&mut m.count_delta, r.count_delta),
                    (&mut m.bytes_delta, r.bytes_delta),
                ] {
                    add(a, b);
                }
                for (a, b) in m.steps.iter_mut().zip(&r.steps) {
                    add(&mut a.count, b.count);
                    add(&mut a.bytes, b.bytes);
                }
            }
        }
    }
    merged.into_values().collect()
}
