//! JVM class histograms: `jmap -histo`, `jcmd GC.class_histogram`, JDK 8 to 25, whole files or pasted into a log.
//!
//! ```text
//!  num     #instances         #bytes  class name (module)
//! -------------------------------------------------------
//!    1:         67370        5043648  [B (java.base@17.0.15)
//! Total        182132        8461448
//! ```
//! Classes of one name from several loaders are added up: the text does not tell the loaders apart. `-all` or live-only
//! cannot be told from the text either.

use super::lines::{self, Line};
use super::log_line::Prefixed;
use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::profile::{ClassRow, ClassTable, HeapProfile, Measure, ProfileBody};
use crate::model::{Cite, Observation, time};
use std::collections::BTreeMap;

pub struct ClassHistogram;

impl Format for ClassHistogram {
    fn name(&self) -> &'static str {
        "jvm-class-histogram"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut lines = head.lines();
        if lines.by_ref().take(200).any(|l| is_header(Prefixed::of(l).text)) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut open: Option<Histogram> = None;
        let read = lines::for_each_line(reader, |line| {
            let text = Prefixed::of(line.text).text;
            if is_header(text) {
                if let Some(h) = open.take() {
                    h.finish(input, out);
                }
                open = Some(Histogram::new(out.cite(line.offset, Some(line.number), line.text)));
            } else if let Some(h) = &mut open
                && h.line(text, line, out)
                && let Some(h) = open.take()
            {
                h.finish(input, out);
            }
        });
        if let Err(e) = read {
            out.error("unreadable", None, || format!("cannot be read to its end: {e}"));
        }
        if let Some(h) = open {
            h.finish(input, out);
        }
    }
}

fn is_header(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"num ") && memchr::memmem::find(text, b"#instances").is_some() && memchr::memmem::find(text, b"#bytes").is_some()
}

struct Histogram {
    cite: Cite,
    /// (instances, bytes) by class.
    rows: BTreeMap<String, (i64, i64)>,
    /// Classes in the order of the file.
    order: Vec<String>,
    total: Option<(i64, i64)>,
}

impl Histogram {
    fn new(cite: Cite) -> Self {
        Histogram { cite, rows: BTreeMap::new(), order: Vec::new(), total: None }
    }

    /// Takes in a line; true once the total line was read.
    fn line(&mut self, text: &[u8], line: Line<'_>, out: &mut Facts) -> bool {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or("");
        let mut number = || words.next().and_then(|w| w.parse::<i64>().ok()).filter(|n| *n >= 0);
        if first == "Total" {
            self.total = number().zip(number());
            return self.total.is_some();
        }
        let Some(rank) = first.strip_suffix(':').filter(|r| r.bytes().all(|b| b.is_ascii_digit()) && !r.is_empty()) else { return false };
        let row = number().zip(number());
        let name = words.next().unwrap_or("");
        match row {
            Some((objects, bytes)) if !name.is_empty() && (line.ended || words.next().is_some()) => {
                let name = plain(name);
                if !self.rows.contains_key(&name) {
                    self.order.push(name.clone());
                }
                let have = self.rows.entry(name).or_default();
                *have = (have.0.saturating_add(objects), have.1.saturating_add(bytes));
            }
            _ => out.warn("bad-line", Some(line.number), Some(line.offset), || {
                format!("row {rank}: expected instances, bytes and a class name")
            }),
        }
        false
    }

    fn finish(self, input: &Input<'_>, out: &mut Facts) {
        if self.rows.is_empty() {
            return;
        }
        let sum = self.rows.values().fold((0i64, 0i64), |a, r| (a.0.saturating_add(r.0), a.1.saturating_add(r.1)));
        let truncated = self.total.is_none();
        if truncated {
            let line = self.cite.span.line;
            out.warn("truncated", line, Some(self.cite.span.offset), || {
                "the histogram ends before its total line; sums are of the rows that are there".into()
            });
        } else if self.total != Some(sum) {
            out.note("sum-differs", self.cite.span.line, None, || {
                format!("rows add up to {} objects and {} bytes, which is not what the total line states", sum.0, sum.1)
            });
        }
        let (objects, bytes) = self.total.unwrap_or(sum);
        let mut rows = self.rows;
        let rows = self
            .order
            .into_iter()
            .filter_map(|name| {
                let (n, b) = rows.remove(&name)?;
                Some(ClassRow { key: name.clone(), name, values: vec![b, n], ..ClassRow::default() })
            })
            .collect();
        let what = HeapProfile {
            format: "jvm-class-histogram",
            measures: vec![
                Measure { name: "bytes".into(), unit: "bytes".into() },
                Measure { name: "objects".into(), unit: "count".into() },
            ],
            totals: vec![bytes, objects],
            truncated,
            body: ProfileBody::Classes(ClassTable { rows }),
            ..HeapProfile::default()
        };
        out.profiles.push(Observation { at: time::in_name(input.file_name()), who: input.who.clone(), cite: self.cite, what });
    }
}

/// `[B` as `byte[]`, `[[Ljava.lang.String;` as `java.lang.String[][]`: as Java writes them.
fn plain(name: &str) -> String {
    let base = name.trim_start_matches('[');
    let dims = name.len() - base.len();
    if dims == 0 {
        return name.to_owned();
    }
    let element = match base {
        "B" => "byte",
        "C" => "char",
        "I" => "int",
        "J" => "long",
        "S" => "short",
        "Z" => "boolean",
        "F" => "float",
        "D" => "double",
        other => other.strip_prefix('L').and_then(|o| o.strip_suffix(';')).unwrap_or(other),
    };
    format!("{element}{}", "[]".repeat(dims))
}

#[cfg(test)]
mod tests {
    #[test]
    fn array_names_as_java_writes_them() {
        for (raw, want) in [("[B", "byte[]"), ("[[Ljava.lang.String;", "java.lang.String[][]"), ("Leaks$Session", "Leaks$Session")] {
            assert_eq!(super::plain(raw), want);
        }
    }
}
