//! HotSpot's Native Memory Tracking: `jcmd PID VM.native_memory summary` and `summary.diff`, JDK 8 to 25, any `scale=`,
//! also inside hs_err files and pasted logs. Read are the total and the category lines (those that begin with `-`).
//! The inner lines are not: from JDK 17 on metadata stands both within Class and as a category of its own.

use super::lines;
use super::log_line::Prefixed;
use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::profile::{ClassRow, ClassTable, HeapProfile, Measure, ProfileBody};
use crate::model::{Cite, Observation, time};

pub struct Nmt;

impl Format for Nmt {
    fn name(&self) -> &'static str {
        "jvm-nmt"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let has = |w: &[u8]| memchr::memmem::find(head.bytes, w).is_some();
        match (has(b"Native Memory Tracking:"), has(b"Total: reserved="), has(b" (reserved=")) {
            (true, true, _) => Match::Certain,
            (false, true, true) => Match::Likely,
            _ => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut open: Option<Report> = None;
        let read = lines::for_each_line(reader, |line| {
            let text = Prefixed::of(line.text).text.trim_ascii_start();
            if let Some(rest) = text.strip_prefix(b"Total: ") {
                if let Some(r) = open.take() {
                    r.finish(input, out);
                }
                match figures(rest) {
                    Some(total) => {
                        open = Some(Report { cite: out.cite(line.offset, Some(line.number), line.text), total, rows: Vec::new() })
                    }
                    None => out.warn("bad-line", Some(line.number), Some(line.offset), || "expected reserved and committed sizes".into()),
                }
            } else if let (Some(r), Some(rest)) = (&mut open, text.strip_prefix(b"-")) {
                let Some(open) = memchr::memchr(b'(', rest) else { return };
                let name = String::from_utf8_lossy(rest.get(..open).unwrap_or(&[])).trim().to_owned();
                match figures(rest.get(open + 1..).unwrap_or(&[])) {
                    Some(v) if !name.is_empty() => r.rows.push((name, v)),
                    _ if line.ended => {}
                    _ => out.warn("truncated", Some(line.number), Some(line.offset), || "the report ends within a category".into()),
                }
            }
        });
        if let Err(e) = read {
            out.error("unreadable", None, || format!("cannot be read to its end: {e}"));
        }
        if let Some(r) = open {
            r.finish(input, out);
        }
    }
}

struct Report {
    cite: Cite,
    total: [i64; 2],
    rows: Vec<(String, [i64; 2])>,
}

impl Report {
    fn finish(self, input: &Input<'_>, out: &mut Facts) {
        let committed: i64 = self.rows.iter().fold(0i64, |a, (_, v)| a.saturating_add(v[1]));
        // Categories below the scale are left out of the text, so the sum may fall short by little.
        let truncated = committed < self.total[1] - self.total[1] / 50;
        if truncated {
            out.warn("truncated", self.cite.span.line, Some(self.cite.span.offset), || {
                format!("the categories add up to {committed} committed bytes of {} stated; some are missing", self.total[1])
            });
        }
        let rows = self
            .rows
            .into_iter()
            .map(|(name, v)| ClassRow { key: name.clone(), name, values: v.to_vec(), ..ClassRow::default() })
            .collect();
        let measure = |name: &str| Measure { name: name.into(), unit: "bytes".into() };
        let what = HeapProfile {
            format: "jvm-nmt",
            measures: vec![measure("reserved_bytes"), measure("committed_bytes")],
            default_measure: 1,
            totals: self.total.to_vec(),
            truncated,
            body: ProfileBody::Classes(ClassTable { rows }),
            ..HeapProfile::default()
        };
        out.profiles.push(Observation { at: time::in_name(input.file_name()), who: input.who.clone(), cite: self.cite, what });
    }
}

/// `reserved=1714795KB +3061KB, committed=166303KB …` as bytes; the deltas of a diff are left out.
fn figures(text: &[u8]) -> Option<[i64; 2]> {
    let value = |key: &[u8]| {
        let at = memchr::memmem::find(text, key)? + key.len();
        let rest = text.get(at..)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number: i64 = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
        let unit = match rest.get(digits..digits + 2) {
            Some(b"KB") => 1i64 << 10,
            Some(b"MB") => 1 << 20,
            Some(b"GB") => 1 << 30,
            _ => 1,
        };
        number.checked_mul(unit)
    };
    Some([value(b"reserved=")?, value(b"committed=")?])
}

#[cfg(test)]
mod tests {
    #[test]
    fn figures_in_every_scale() {
        assert_eq!(super::figures(b"reserved=1714795KB +3061KB, committed=166303KB +67917KB"), Some([1_755_950_080, 170_294_272]));
        assert_eq!(super::figures(b"reserved=2MB, committed=1MB)"), Some([2 << 20, 1 << 20]));
        assert_eq!(super::figures(b"reserved=123, committed=45)"), Some([123, 45]));
        assert_eq!(super::figures(b"reserved=1KB"), None);
    }
}
