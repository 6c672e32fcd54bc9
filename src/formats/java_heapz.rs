//! Java heap profiles as text (`--- heapz 1 ---`), as Google's Java agent and servers with a `/heapz` page write them.
//!
//! Spec: google/pprof `profile/legacy_java_profile.go`: attributes, then `BYTES OBJECTS @ ADDRESSES`, then one line per
//! address with its function. Figures are scaled as pprof does it, at one sample in 512 KiB. Refuses contention texts,
//! which are [`super::contention_text`]'s.

use super::heap_scale::scale;
use super::stack_builder::StackBuilder;
use super::{Format, Head, Input, Match, lines};
use crate::model::profile::{HeapProfile, Measure, ProfileBody};
use crate::model::time::in_name;
use crate::model::{Cite, Facts, Observation};
use std::collections::HashMap;

const HEADER: &str = "--- heapz 1 ---";
/// The agent's sampling period in bytes; the text does not say it.
const PERIOD: i64 = 524_288;

pub struct JavaHeapz;

impl Format for JavaHeapz {
    fn name(&self) -> &'static str {
        "java-heapz"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let first = head.lines().find(|l| !l.trim_ascii().is_empty());
        if first.is_some_and(|l| l.trim_ascii() == HEADER.as_bytes()) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let mut text = Text::default();
        let read = input.reader().and_then(|r| lines::for_each_line(r, |l| text.line(&l, out)));
        if let Err(e) = read {
            text.cut = true;
            out.error("truncated", None, || format!("the stream is damaged or cut: {e}; what came before is kept"));
        }
        text.emit(input, out);
    }
}

/// Function, file and line of an address.
type Place = (String, String, u32);

#[derive(Default)]
struct Text {
    cite: Option<Cite>,
    /// Objects, bytes and addresses of each row.
    rows: Vec<(i64, i64, Vec<u64>)>,
    places: HashMap<u64, Place>,
    /// Locations have begun: they stand last.
    located: bool,
    cut: bool,
}

impl Text {
    fn line(&mut self, l: &lines::Line<'_>, out: &mut Facts) {
        let text = l.lossy();
        let line = text.trim();
        if self.cite.is_none() {
            self.cite = (!line.is_empty()).then(|| out.cite(l.offset, Some(l.number), l.text));
            return;
        }
        if line.is_empty() {
            return;
        }
        if !l.ended && self.places.is_empty() {
            self.cut = true;
            out.warn("truncated", Some(l.number), Some(l.offset), || {
                "the text ends inside a row, before the functions; the rows before it are kept without names".into()
            });
        } else if let Some((address, rest)) = line.strip_prefix("0x").and_then(|r| r.split_once(char::is_whitespace)) {
            self.located = true;
            if let Ok(a) = u64::from_str_radix(address, 16) {
                self.places.entry(a).or_insert_with(|| place(rest.trim()));
            }
        } else if self.located || self.attribute(line, l, out) {
        } else if let Some(row) = row(line) {
            if row.0 == 0 {
                out.warn("bad-row", Some(l.number), Some(l.offset), || "a row has bytes but no objects; it is dropped".into());
            } else {
                self.rows.push(row);
            }
        } else {
            out.warn("bad-line", Some(l.number), Some(l.offset), || "expected a row `bytes objects @ addresses`".into());
        }
    }

    /// `format = java`, `resolution = bytes`.
    fn attribute(&self, line: &str, l: &lines::Line<'_>, out: &mut Facts) -> bool {
        let Some((name, value)) = line.split_once('=').map(|(n, v)| (n.trim(), v.trim())) else { return false };
        if name == "format" && value != "java" {
            out.warn("bad-header", Some(l.number), Some(l.offset), || format!("expected format = java, found {value}"));
        }
        true
    }

    fn emit(self, input: &Input<'_>, out: &mut Facts) {
        let Some(cite) = self.cite else { return };
        let mut b = StackBuilder::new(2);
        let mut unnamed = 0u64;
        for (objects, bytes, addresses) in self.rows {
            let (live, space) = scale(objects, bytes, PERIOD);
            let stack = addresses
                .iter()
                .map(|a| match self.places.get(a) {
                    Some((function, file, line)) => {
                        let frame = b.frame(function, file, *line);
                        b.location(vec![frame], 0)
                    }
                    None => {
                        unnamed += 1;
                        b.location(Vec::new(), *a)
                    }
                })
                .collect();
            b.sample(stack, bytes / objects.max(1), Vec::new(), &[live, space]);
        }
        if unnamed > 0 {
            out.warn("missing-location", None, None, || format!("{unnamed} frames name an address that the text does not explain"));
        }
        if b.samples() == 0 {
            out.note("empty", None, None, || "the profile holds no rows".into());
        }
        let (table, totals) = b.finish(Vec::new(), &[0, 1]);
        let measure = |name: &str, unit: &str| Measure { name: name.into(), unit: unit.into() };
        let profile = HeapProfile {
            format: "java-heapz",
            measures: vec![measure("inuse_objects", "count"), measure("inuse_space", "bytes")],
            default_measure: 1,
            totals,
            period: PERIOD,
            truncated: self.cut,
            body: ProfileBody::Stacks(Box::new(table)),
            ..HeapProfile::default()
        };
        let at = in_name(input.file_name());
        out.profiles.push(Observation { at, who: input.who.clone(), cite, what: profile });
    }
}

/// `7048 1 @ 0x3 0x4`: bytes first, unlike every other text.
fn row(line: &str) -> Option<(i64, i64, Vec<u64>)> {
    let (figures, addresses) = line.split_once('@')?;
    let mut figures = figures.split_ascii_whitespace().map(str::parse::<i64>);
    let (bytes, objects) = (figures.next()?.ok()?, figures.next()?.ok()?);
    let hex = |a: &str| u64::from_str_radix(a.strip_prefix("0x").unwrap_or(a), 16).ok();
    Some((objects, bytes, addresses.split_ascii_whitespace().map_while(hex).collect()))
}

/// `com.example.Cart.add (Cart.java:31)`, `memcpy (/lib/libc.so)`, `generated stub/JIT`, `GC`.
fn place(text: &str) -> Place {
    let inside = text.strip_suffix(')').and_then(|t| t.rsplit_once('('));
    match inside.map(|(function, at)| (function.trim().to_owned(), at)) {
        Some((function, at)) => match at.rsplit_once(':').and_then(|(f, n)| Some((f, n.parse::<i64>().ok()?))) {
            Some((file, line)) => (function, file.to_owned(), u32::try_from(line).unwrap_or(0)),
            None => (function, at.rsplit('/').next().unwrap_or(at).to_owned(), 0),
        },
        None if text.contains("generated stub/JIT") => ("STUB".to_owned(), String::new(), 0),
        None => (text.to_owned(), String::new(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_first_and_functions_last() {
        let text = "--- heapz 1 ---\nformat = java\nresolution = bytes\n     7048      1 @ 0x3 0x4\n   1048576 2 @ 0x5 0x4\n    12 0 @ 0x3\n\n\
                    \x20 0x00000003 com.example.Cart.add (Cart.java:31)\n  0x00000004 com.example.Main.run (Main.java:7)\n  0x00000005 generated stub/JIT\n";
        let facts = crate::formats::parse_bytes(&JavaHeapz, "heapz.txt", text.as_bytes());
        let p = &facts.profiles[0].what;
        // pprof: 7048 B seen once stand for 1/(1 − e^(−7048/524288)), two blocks of 512 KiB for 1/(1 − 1/e) each.
        let (one, big) = (scale(1, 7048, PERIOD), scale(2, 1_048_576, PERIOD));
        assert_eq!(p.totals, [one.0 + big.0, one.1 + big.1]);
        assert_eq!(big, (3, 1_658_822));
        let ProfileBody::Stacks(t) = &p.body else { panic!("stacks") };
        let names: Vec<&str> = t.functions.iter().map(|f| t.string(f.name)).collect();
        assert_eq!(names, ["com.example.Cart.add", "com.example.Main.run", "STUB"]);
        let codes: Vec<&str> = facts.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes, ["bad-row"]);
    }
}
