//! Rows that say the same over and over: forty kills three minutes apart are one story, not forty lines. Neighbours in a
//! table that differ in nothing but their time (and what only counts up: a pid) stand as one row from the first to the last.
//! Folding is for people; the JSON keeps every entry.

use super::document::{KillDoc, Span, TimelineDoc};
use super::when;
use crate::model::time::SECOND;
use std::fmt::Write;

/// Up to a dozen rows are read one by one, and each time may matter.
const LEAST: usize = 13;

/// Neighbours that are shown as one row, `n` of them.
pub struct Fold<'a, T> {
    pub first: &'a T,
    pub last: &'a T,
    pub n: usize,
}

impl<T> Fold<'_, T> {
    pub fn is_many(&self) -> bool {
        self.n > 1
    }
}

/// The rows of `items` in their order; every item is in one of them.
fn fold<'a, T>(items: &'a [T], same: impl Fn(&T, &T) -> bool) -> Vec<Fold<'a, T>> {
    let mut out = Vec::new();
    let mut rest = items;
    while let Some(first) = rest.first() {
        let n = rest.iter().take_while(|x| same(first, x)).count().max(1);
        let (mine, after) = rest.split_at_checked(n).unwrap_or((rest, &[]));
        match mine.last().filter(|_| n >= LEAST) {
            Some(last) => out.push(Fold { first, last, n }),
            None => out.extend(mine.iter().map(|x| Fold { first: x, last: x, n: 1 })),
        }
        rest = after;
    }
    out
}

fn dated(s: &Span) -> bool {
    !when::span(s, None).is_empty()
}

pub fn kills(all: &[KillDoc]) -> Vec<Fold<'_, KillDoc>> {
    let says = |k: &KillDoc| k.against.iter().map(|e| numberless(&e.says)).collect::<Vec<_>>();
    fold(all, |a, b| {
        a.kind == b.kind
            && a.owner == b.owner
            && (a.count, b.count) == (1, 1)
            && a.limit_bytes == b.limit_bytes
            && a.limit_now_bytes == b.limit_now_bytes
            && a.witnesses == b.witnesses
            && a.victim.get("comm") == b.victim.get("comm")
            && dated(&a.time)
            && dated(&b.time)
            && says(a) == says(b)
    })
}

pub fn timeline(all: &[TimelineDoc]) -> Vec<Fold<'_, TimelineDoc>> {
    fold(all, |a, b| {
        a.kind == b.kind && a.owner == b.owner && dated(&a.time) && dated(&b.time) && numberless(&a.text) == numberless(&b.text)
    })
}

/// The text with each run of digits as one `0`: pids and counts differ from line to line.
fn numberless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if !digit {
            out.push(c);
        } else if !in_number {
            out.push('0');
        }
        in_number = digit;
    }
    out
}

/// `2026-07-01 08:01:30 – 11:58:30, about every 3 min`.
pub fn span(first: &Span, last: &Span, n: usize) -> String {
    let mut out = when::span(&Span { earliest: first.earliest, latest: last.latest }, None);
    let mid = |s: &Span| Some(s.earliest?.0.midpoint(s.latest?.0));
    if let Some(apart) = mid(first).zip(mid(last)).map(|(a, z)| z.saturating_sub(a) as f64 / n.saturating_sub(1).max(1) as f64)
        && apart >= SECOND as f64
    {
        let _ = write!(out, ", about every {}", when::lasted(apart / SECOND as f64));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn at(second: i64) -> Span {
        let t = Timestamp(1_782_892_800_000_000_000 + second * SECOND);
        Span { earliest: Some(t), latest: Some(t) }
    }

    #[test]
    fn neighbours_that_say_the_same_are_one_row() {
        let entry = |i: i64| TimelineDoc {
            time: at(i * 180),
            kind: "kill".into(),
            text: format!("memcg-container of app (pid {})", if i == 14 { "none".into() } else { (880 + i).to_string() }),
            ..TimelineDoc::default()
        };
        let all: Vec<TimelineDoc> = (0..18).map(entry).collect();
        let rows = timeline(&all);
        assert_eq!(rows.iter().map(|r| r.n).collect::<Vec<_>>(), [14, 1, 1, 1, 1], "three neighbours stay as they are");
        assert_eq!(rows.iter().map(|r| r.n).sum::<usize>(), all.len());
        assert_eq!(span(&rows[0].first.time, &rows[0].last.time, 14), "2026-07-01 08:00–08:39, about every 3 min");
    }

    #[test]
    fn kills_of_unknown_time_are_never_one() {
        let all = vec![KillDoc { kind: "memcg-container".into(), count: 1, ..KillDoc::default() }; 20];
        assert_eq!(kills(&all).len(), 20);
    }
}
