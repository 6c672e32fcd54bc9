//! The CSV of a panel. Layouts: one column per series (`Time,"{pod=\"a\"}",…`), one row per sample (`Time,Metric,Value`,
//! `Series;Time;Value`), or a table with a column per label. Separators `,` `;` or tab, optional `sep=` line and BOM for Excel.

use super::cell::{Decimal, habit, value};
use super::legend;
use super::stamp::{Order, moment, order};
use crate::formats::{Format, Head, Input, Match, series_set};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

pub struct GrafanaCsv;

/// The text after BOM and `sep=` line, its separator if stated, and how many bytes and lines that was.
fn opened(bytes: &[u8]) -> (&[u8], Option<u8>, usize, u32) {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(rest) = body.strip_prefix(b"sep=")
        && let Some(&sep) = rest.first()
        && let Some(n) = memchr::memchr(b'\n', rest).filter(|n| *n <= 3)
    {
        let after = rest.get(n + 1..).unwrap_or(&[]);
        return (after, Some(sep), bytes.len() - after.len(), 1);
    }
    (body, None, bytes.len() - body.len(), 0)
}

/// One record's fields; `None` at the end of the text.
struct Records<'a> {
    rest: &'a [u8],
    separator: u8,
    /// The record just given had a line end.
    ended: bool,
    line: u32,
    offset: usize,
}

impl<'a> Records<'a> {
    fn next(&mut self, out: &mut Vec<Cow<'a, str>>) -> bool {
        out.clear();
        if self.rest.is_empty() {
            return false;
        }
        let before = self.rest.len();
        self.ended = false;
        loop {
            let (field, used) = self.field();
            out.push(field);
            let next = self.rest.get(used).copied();
            self.rest = self.rest.get((used + 1).min(self.rest.len())..).unwrap_or(&[]);
            match next {
                Some(b) if b == self.separator => {}
                Some(b'\r') => {
                    self.rest = self.rest.strip_prefix(b"\n").unwrap_or(self.rest);
                    self.ended = true;
                    break;
                }
                Some(_) => {
                    self.ended = true;
                    break;
                }
                None => break,
            }
        }
        self.line = self.line.saturating_add(1);
        self.offset += before - self.rest.len();
        true
    }

    /// A field and how many bytes it takes; a doubled quote within quotes is one.
    fn field(&self) -> (Cow<'a, str>, usize) {
        let text = |b: &'a [u8]| String::from_utf8_lossy(b);
        let end = |from: usize| {
            let rest = self.rest.get(from..).unwrap_or(&[]);
            from + rest.iter().position(|&b| b == self.separator || b == b'\n' || b == b'\r').unwrap_or(rest.len())
        };
        if self.rest.first() != Some(&b'"') {
            let n = end(0);
            return (text(self.rest.get(..n).unwrap_or(&[])), n);
        }
        let (mut at, mut doubled) = (1, false);
        loop {
            match memchr::memchr(b'"', self.rest.get(at..).unwrap_or(&[])) {
                Some(n) if self.rest.get(at + n + 1) == Some(&b'"') => {
                    doubled = true;
                    at += n + 2;
                }
                Some(n) => {
                    let inner = text(self.rest.get(1..at + n).unwrap_or(&[]));
                    let inner = if doubled { Cow::Owned(inner.replace("\"\"", "\"")) } else { inner };
                    return (inner, end(at + n + 1));
                }
                None => return (text(self.rest.get(1..).unwrap_or(&[])), self.rest.len()),
            }
        }
    }
}

fn records(bytes: &[u8]) -> Option<Records<'_>> {
    let (body, stated, offset, line) = opened(bytes);
    let header = body.get(..memchr::memchr(b'\n', body).unwrap_or(body.len()))?;
    let separator = match stated {
        Some(s) => s,
        // Labels in headers stand in quotes and hold commas; what follows the time column's name decides.
        None => {
            let name = header.strip_prefix(b"\"").unwrap_or(header);
            let after = name.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_')))?;
            let after = after + usize::from(name.get(after) == Some(&b'"'));
            *name.get(after)?
        }
    };
    matches!(separator, b',' | b';' | b'\t').then_some(Records { rest: body, separator, ended: false, line, offset })
}

/// What the header's columns are.
struct Layout {
    time: usize,
    values: Vec<usize>,
    /// Columns whose cells name the series: a label each, or the whole name.
    names: Vec<(usize, String)>,
}

fn layout(header: &[Cow<'_, str>], first: &[Cow<'_, str>]) -> Option<Layout> {
    let named = |n: usize, word: &str| header.get(n).is_some_and(|h| h.trim().eq_ignore_ascii_case(word));
    let time = (0..header.len()).find(|&n| named(n, "time") || named(n, "timestamp"))?;
    let stamped = first.get(time).is_some_and(|c| moment(c, Order::DayFirst).or_else(|| moment(c, Order::MonthFirst)).is_some());
    if !stamped || header.len() < 2 {
        return None;
    }
    let others = || (0..header.len()).filter(|&n| n != time);
    let is_value = |n: usize| named(n, "value") || header.get(n).is_some_and(|h| h.trim().starts_with("Value #"));
    let values: Vec<usize> = others().filter(|&n| is_value(n)).collect();
    if !values.is_empty() {
        let names = others().filter(|&n| !is_value(n)).filter_map(|n| Some((n, header.get(n)?.trim().to_owned()))).collect();
        return Some(Layout { time, values, names });
    }
    // A panel's own columns are numbers or blank.
    let numeric = others().all(|n| {
        let cell = first.get(n).map_or("", |c| c.trim());
        cell.is_empty()
            || cell == "null"
            || cell == "undefined"
            || value(cell, Decimal::Point).is_some()
            || value(cell, Decimal::Comma).is_some()
    });
    (time == 0 && numeric).then(|| Layout { time, values: others().collect(), names: Vec::new() })
}

impl Format for GrafanaCsv {
    fn name(&self) -> &'static str {
        "grafana-csv"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let Some(mut records) = records(head.bytes) else { return Match::No };
        let (mut header, mut first) = (Vec::new(), Vec::new());
        if !records.next(&mut header) || !records.next(&mut first) || header.len() != first.len() {
            return Match::No;
        }
        match layout(&header, &first) {
            Some(_) if header.iter().any(|h| h.contains("=\"") || h.trim() == "Value") => Match::Certain,
            Some(_) => Match::Likely,
            None => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        read(&bytes, out);
    }
}

/// Rows looked at to learn the file's order of day and month, and its decimal mark.
const LEARNT_FROM: usize = 2000;

fn read(bytes: &[u8], out: &mut Facts) {
    let Some(mut rows) = records(bytes) else { return };
    let (mut header, mut row) = (Vec::new(), Vec::new());
    rows.next(&mut header);
    let (mut times, mut cells): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut found = None;
    let mut look = records(bytes);
    if let Some(look) = &mut look {
        look.next(&mut row);
        while times.len() < LEARNT_FROM && look.next(&mut row) {
            if found.is_none() {
                found = layout(&header, &row);
            }
            if let Some(l) = &found {
                times.extend(row.get(l.time).map(|c| c.to_string()));
                cells.extend(l.values.iter().filter_map(|&n| row.get(n)).map(|c| c.to_string()));
            }
        }
    }
    let Some(layout) = found else {
        return out.error("bad-header", None, || "expected a Time column and columns of values".into());
    };
    let (order, unsure) = order(times.iter().map(String::as_str));
    if unsure {
        out.warn("ambiguous-dates", None, None, || {
            "days and months cannot be told apart in these dates; the month is taken to stand first".into()
        });
    }
    let decimal = habit(cells.iter().map(String::as_str), rows.separator);
    let mut list: Vec<Observation<Series>> = Vec::new();
    let mut index: HashMap<Vec<String>, usize> = HashMap::new();
    let (mut unzoned, mut bad) = (false, 0u64);
    loop {
        let offset = rows.offset;
        if !rows.next(&mut row) {
            break;
        }
        let line = rows.line;
        if row.len() == 1 && row.first().is_some_and(|c| c.trim().is_empty()) {
            continue;
        }
        if row.len() < header.len() {
            // The last row may be cut within a number that looks whole.
            bad += 1;
            continue;
        }
        let Some((t, zoned)) = row.get(layout.time).and_then(|c| moment(c, order)) else {
            bad += 1;
            continue;
        };
        unzoned |= !zoned;
        for &n in &layout.values {
            let Some(cell) = row.get(n) else { continue };
            let Some((v, unit)) = value(cell, decimal) else { continue };
            let mut key: Vec<String> = layout.names.iter().filter_map(|(n, _)| row.get(*n)).map(|c| c.to_string()).collect();
            key.push(n.to_string());
            // Grafana writes no line end behind the last row. A value cut within its figures is at most a tenth of itself.
            let before = index.get(&key).and_then(|&i: &usize| list.get(i)).and_then(|o| o.what.values.last().copied());
            if !rows.ended && n + 1 == row.len() && before.is_none_or(|b| v.abs() * 5.0 < b.abs()) {
                out.warn("truncated", Some(line), None, || "the last line has no end and may be cut; its last value is left out".into());
                continue;
            }
            let i = match index.get(&key) {
                Some(&i) => i,
                None => {
                    let title = header.get(n).map_or("", |h| h.as_ref());
                    let mut series = series(title, &layout.names, &row);
                    if series.unit.is_empty() {
                        series.unit = unit;
                    }
                    series.civil = !zoned;
                    let cite = out.cite(offset as u64, Some(line), bytes.get(offset..rows.offset).unwrap_or(&[]));
                    list.push(Observation { at: RawTime::Absent, who: series.claim(), cite, what: series });
                    index.insert(key, list.len() - 1);
                    list.len() - 1
                }
            };
            if let Some(o) = list.get_mut(i) {
                o.what.times.edit().push(t);
                o.what.values.push(v);
            }
        }
    }
    if bad > 0 {
        out.warn("bad-row", None, None, || format!("{bad} rows have no readable time or fewer cells than the header; they are left out"));
    }
    if unzoned {
        out.note("no-zone", None, None, || "times state no zone; they are read as UTC unless --tz says otherwise".into());
    }
    for mut o in list {
        series_set::settle(&mut o);
        out.series.push(o);
    }
}

fn series(title: &str, names: &[(usize, String)], row: &[Cow<'_, str>]) -> Series {
    let (mut metric, mut labels) = legend(title);
    let mut plain = BTreeMap::new();
    for (n, name) in names {
        let Some(cell) = row.get(*n).map(|c| c.trim()).filter(|c| !c.is_empty()) else { continue };
        if matches!(name.to_ascii_lowercase().as_str(), "metric" | "series" | "name") {
            let (m, l) = legend(cell);
            if !m.is_empty() {
                metric = m;
            }
            labels.extend(l);
        } else if name == "__name__" {
            metric = cell.to_owned();
        } else {
            plain.insert(name.clone(), cell.to_owned());
        }
    }
    labels.extend(plain);
    Series::new(metric, labels)
}
