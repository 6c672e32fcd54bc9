//! tracemalloc's statistics as people print them: lines of `Snapshot.statistics()` and `Snapshot.compare_to()`, and the
//! `Top 10 lines` listing of Python's documentation. Spec: `Statistic.__str__`, `_format_size` in `Lib/tracemalloc.py`.
//!
//! Sizes are rounded when printed (up to 5 % at a unit's step), so rows are kept as printed and never added up into more
//! than they are. Statistics by traceback print one frame only; the pickle would tell more.

use super::lines;
use super::log_line::Prefixed;
use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::profile::{HeapProfile, Measure, PrintedRow, ProfileBody};
use crate::model::{Cite, Observation, time};
use std::collections::BTreeSet;

pub struct TracemallocText;

impl Format for TracemallocText {
    fn name(&self) -> &'static str {
        "tracemalloc-text"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let rows = head.lines().take(2000).filter(|l| row(&String::from_utf8_lossy(Prefixed::of(l).text), 0).is_some()).count();
        match rows {
            0 => Match::No,
            1 => Match::Likely,
            _ => Match::Certain,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut block = Block::default();
        let read = lines::for_each_line(reader, |line| {
            let text = String::from_utf8_lossy(Prefixed::of(line.text).text).into_owned();
            let text = text.trim();
            // A heading starts another listing: `[ Top 25 differences ]`, `Top 10 lines`.
            if text.starts_with("[ Top ") || (text.starts_with("Top ") && text.ends_with(" lines")) {
                std::mem::take(&mut block).finish(input, out);
            } else if let Some(r) = row(text, line.number) {
                if !line.ended && !text.contains("average=") && text.contains("size=") && !text.ends_with(')') {
                    out.warn("truncated", Some(line.number), Some(line.offset), || "the last row is cut and left out".into());
                    return;
                }
                block.cite.get_or_insert_with(|| out.cite(line.offset, Some(line.number), line.text));
                block.rows.push(r);
            } else if let Some(size) = text.strip_prefix("Total allocated size: ") {
                block.total = size_of(size);
            } else if text.ends_with(": size=") || text.ends_with(", count=") {
                out.warn("truncated", Some(line.number), Some(line.offset), || "the last row is cut and left out".into());
            }
        });
        if let Err(e) = read {
            out.error("unreadable", None, || format!("cannot be read to its end: {e}"));
        }
        block.finish(input, out);
    }
}

#[derive(Default)]
struct Block {
    cite: Option<Cite>,
    rows: Vec<PrintedRow>,
    total: Option<i64>,
}

impl Block {
    fn finish(self, input: &Input<'_>, out: &mut Facts) {
        let Some(cite) = self.cite else { return };
        let keys: BTreeSet<&str> = self.rows.iter().map(|r| r.key.as_str()).collect();
        if keys.len() < self.rows.len() {
            let n = self.rows.len() - keys.len();
            out.note("printed-traceback", cite.span.line, None, || {
                format!("{n} rows repeat a line: statistics by traceback print one frame of each; read the pickled snapshot instead")
            });
        }
        let sum = |f: fn(&PrintedRow) -> Option<i64>| self.rows.iter().filter_map(f).fold(0i64, i64::saturating_add);
        let totals = vec![self.total.unwrap_or_else(|| sum(|r| r.bytes)), sum(|r| r.objects)];
        let what = HeapProfile {
            format: "tracemalloc-text",
            measures: vec![
                Measure { name: "bytes".into(), unit: "bytes".into() },
                Measure { name: "objects".into(), unit: "count".into() },
            ],
            totals,
            // A listing of the top lines is not the whole heap.
            truncated: self.total.is_none(),
            body: ProfileBody::Printed(self.rows),
            ..HeapProfile::default()
        };
        out.profiles.push(Observation { at: time::in_name(input.file_name()), who: input.who.clone(), cite, what });
    }
}

/// `PATH:LINE: size=1897 KiB (+1881 KiB), count=6050 (+6000), average=321 B`, or `#1: PATH:LINE: 593.1 KiB`.
fn row(text: &str, line: u32) -> Option<PrintedRow> {
    if let Some((key, rest)) = text.split_once(": size=") {
        let (sizes, rest) = rest.split_once(", count=")?;
        let counts = rest.split_once(", average=").map_or(rest, |(c, _)| c);
        let (bytes, bytes_delta) = with_delta(sizes, size_of)?;
        let (objects, objects_delta) = with_delta(counts, |t| t.trim().parse().ok())?;
        let (_, no) = key.rsplit_once(':')?;
        no.parse::<u32>().ok()?;
        return Some(PrintedRow { key: key.to_owned(), objects: Some(objects), bytes: Some(bytes), objects_delta, bytes_delta, line });
    }
    let rest = text.strip_prefix('#')?;
    let (rank, rest) = rest.split_once(": ")?;
    rank.parse::<u32>().ok()?;
    let (key, size) = rest.rsplit_once(": ")?;
    key.rsplit_once(':')?.1.parse::<u32>().ok()?;
    Some(PrintedRow { key: key.to_owned(), bytes: Some(size_of(size)?), line, ..PrintedRow::default() })
}

/// `VALUE` or `VALUE (SIGNED DELTA)`.
fn with_delta(text: &str, read: impl Fn(&str) -> Option<i64>) -> Option<(i64, Option<i64>)> {
    match text.split_once(" (") {
        Some((value, delta)) => Some((read(value)?, Some(read(delta.strip_suffix(')')?)?))),
        None => Some((read(text)?, None)),
    }
}

/// `1897 KiB`, `+1.5 MiB`, `-80 B` in bytes.
fn size_of(text: &str) -> Option<i64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let factor = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    let value: f64 = number.parse().ok()?;
    value.is_finite().then(|| (value * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_as_cpython_prints_them() {
        let r = row("/app/x.py:16: size=1897 KiB (+1881 KiB), count=6050 (+6000), average=321 B", 3);
        let want = PrintedRow {
            key: "/app/x.py:16".into(),
            objects: Some(6050),
            bytes: Some(1897 << 10),
            objects_delta: Some(6000),
            bytes_delta: Some(1881 << 10),
            line: 3,
        };
        assert_eq!(r, Some(want));
        let gone = row("a.py:1: size=0 B (-1520 B), count=0 (-1)", 1);
        assert_eq!(gone.map(|r| (r.bytes_delta, r.objects)), Some((Some(-1520), Some(0))));
        assert_eq!(row("#1: C:/x/y.py:7: 593.1 KiB", 1).map(|r| r.key), Some("C:/x/y.py:7".into()));
        assert_eq!(row("error: size=12, count=3", 1), None);
    }
}
