//! Prometheus text exposition 0.0.4 and OpenMetrics 1.0, from a saved scrape or from `promtool tsdb dump-openmetrics`.
//! Spec: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0 (RFC draft).
//!
//! The two differ in the unit of a timestamp (milliseconds against seconds); a number with a fraction or below 10¹¹ is
//! seconds (as milliseconds it would be before 1973). Exemplars are cut off. A scrape without timestamps keeps its
//! values with [`NO_TIME`]: the moment of the scrape is not invented.

use super::decimal::{float, millis, seconds_to_ms};
use super::line_parts;
use super::lines::Line;
use super::metric_labels;
use super::series_set::{NO_TIME, SeriesSet};
use super::{Format, Head, Input, Match};
use crate::model::series::{Series, SeriesKind};
use crate::model::{Facts, Observation, RawTime};
use std::collections::BTreeMap;

pub struct OpenMetrics;

impl Format for OpenMetrics {
    fn name(&self) -> &'static str {
        "openmetrics"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let (mut samples, mut labelled, mut meta) = (0, 0, 0);
        let lines: Vec<&[u8]> = head.lines().take(40).collect();
        let whole = if head.complete || lines.len() == 40 { lines.len() } else { lines.len().saturating_sub(1) };
        for line in lines.iter().take(whole).filter(|l| !l.is_empty()) {
            if line.starts_with(b"# TYPE ") || line.starts_with(b"# HELP ") || line.starts_with(b"# UNIT ") || *line == b"# EOF" {
                meta += 1;
            } else if line.first() == Some(&b'#') {
            } else if line.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') && sample(line).is_some() {
                samples += 1;
                labelled += usize::from(line.windows(2).any(|w| w == b"=\""));
            } else {
                return Match::No;
            }
        }
        match (meta, samples, labelled) {
            (1.., 1.., _) => Match::Certain,
            (2.., 0, _) => Match::Likely,
            (0, 1.., 1..) => Match::Likely,
            _ => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse_in_parts(input, out, line_parts::PART);
    }
}

fn parse_in_parts(input: &Input<'_>, out: &mut Facts, least: u64) {
    let mut state = line_parts::read(input, out, least, State::line, State::append);
    state.name_kinds();
    state.set.finish(out);
}

#[derive(Default)]
struct State {
    set: SeriesSet,
    /// What `# TYPE` says of a metric; the first word on it holds.
    kinds: BTreeMap<Vec<u8>, SeriesKind>,
    /// `# EOF` was seen, and no sample since.
    ended: bool,
    /// Where the first sample stands.
    first: Option<(u32, u64)>,
}

/// Value and time after the labels; the rest of the line (an exemplar) is not looked at.
#[inline(always)]
fn value_and_time(rest: &[u8]) -> Option<(f64, i64)> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).trim_ascii_start();
    let (v, n) = float(rest)?;
    let tail = rest.get(n..)?;
    let blank = tail.strip_prefix(b" ");
    let t = blank.unwrap_or(tail).trim_ascii();
    match t.first() {
        None => Some((v, NO_TIME)),
        Some(b'#') => Some((v, NO_TIME)),
        Some(_) if blank.is_none() && !tail.first().is_some_and(u8::is_ascii_whitespace) => None,
        Some(_) => {
            let (ms, n) = time(t)?;
            let after = t.get(n..)?;
            (after.is_empty() || after.first().is_some_and(u8::is_ascii_whitespace)).then_some((v, ms))
        }
    }
}

#[inline(always)]
fn time(t: &[u8]) -> Option<(i64, usize)> {
    let (whole, n) = millis(t)?;
    match t.get(n) {
        Some(b'.' | b'e' | b'E') => seconds_to_ms(t),
        _ if whole < 100_000_000_000 => Some((whole.saturating_mul(1000), n)),
        _ => Some((whole, n)),
    }
}

/// A whole sample line: length of the key, value, time.
fn sample(line: &[u8]) -> Option<(usize, f64, i64)> {
    let n = metric_labels::key_len(line)?;
    let (v, t) = value_and_time(line.get(n..)?)?;
    Some((n, v, t))
}

impl State {
    #[inline(always)]
    fn line(&mut self, line: Line<'_>, out: &mut Facts) {
        if let Some(rest) = self.set.continues(line.text)
            && rest.first() == Some(&b' ')
            && line.ended
            && let Some((v, t)) = value_and_time(rest)
        {
            return self.set.push(t, v);
        }
        self.other(line, out);
    }

    #[cold]
    fn other(&mut self, line: Line<'_>, out: &mut Facts) {
        let text = line.text.trim_ascii();
        if text.is_empty() {
            return;
        }
        if let Some(comment) = text.strip_prefix(b"#") {
            self.comment(comment.trim_ascii_start());
            return;
        }
        self.first.get_or_insert((line.number, line.offset));
        if std::mem::take(&mut self.ended) {
            after_eof(line.number, line.offset, out);
        }
        let Some((n, v, t)) = sample(text) else {
            if line.ended {
                out.warn("bad-line", Some(line.number), Some(line.offset), || {
                    "expected `name{labels} value [time]`; the line is left out".into()
                });
            } else {
                out.warn("truncated", Some(line.number), Some(line.offset), || "the text ends within a line; that line is left out".into());
            }
            return;
        };
        if !line.ended && t != NO_TIME && !self.ended {
            // Without its line end a number may lack digits.
            out.warn("truncated", Some(line.number), Some(line.offset), || {
                "the last line has no end and may be cut; it is left out".into()
            });
            return;
        }
        let key = text.get(..n).unwrap_or(text);
        let known = self.set.turn(key, || {
            let (metric, labels) = metric_labels::parse(key)?;
            let series = Series::new(metric, labels);
            Some(Observation {
                at: RawTime::Absent,
                who: series.claim(),
                cite: out.cite(line.offset, Some(line.number), text),
                what: series,
            })
        });
        if known {
            self.set.push(t, v);
        } else {
            out.warn("bad-labels", Some(line.number), Some(line.offset), || {
                "labels do not follow the exposition syntax; the line is left out".into()
            });
        }
    }

    /// Takes in the state after the text that follows.
    fn append(&mut self, later: State, lines: u32, out: &mut Facts) {
        if let Some((line, offset)) = later.first {
            if self.ended {
                after_eof(line.saturating_add(lines), offset, out);
            }
            self.ended = false;
        }
        self.ended |= later.ended;
        self.set.append(later.set, lines);
        for (name, kind) in later.kinds {
            self.kinds.entry(name).or_insert(kind);
        }
    }

    /// Kinds as stated, where they are; a name alone only suggests one.
    fn name_kinds(&mut self) {
        for series in self.set.each() {
            let base = series.metric.strip_suffix("_total").unwrap_or(&series.metric);
            if let Some(&kind) = self.kinds.get(series.metric.as_bytes()).or_else(|| self.kinds.get(base.as_bytes()))
                && kind != SeriesKind::Unknown
            {
                series.kind = kind;
            }
        }
    }

    fn comment(&mut self, text: &[u8]) {
        if text == b"EOF" {
            self.ended = true;
        } else if let Some(rest) = text.strip_prefix(b"TYPE ") {
            let mut words = rest.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
            if let (Some(name), Some(kind)) = (words.next(), words.next()) {
                let kind = match kind {
                    b"counter" => SeriesKind::Counter,
                    b"gauge" | b"stateset" | b"info" => SeriesKind::Gauge,
                    _ => SeriesKind::Unknown,
                };
                self.kinds.entry(name.to_vec()).or_insert(kind);
            }
        }
    }
}

fn after_eof(line: u32, offset: u64, out: &mut Facts) {
    out.note("text-after-eof", Some(line), Some(offset), || "samples stand after `# EOF`; they are read".into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::line_parts::read_with;

    fn read(text: &[u8], least: u64) -> Facts {
        read_with(text, |input, out| parse_in_parts(input, out, least))
    }

    #[test]
    fn parts_give_what_one_reader_gives() {
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(7).build() else { return };
        let line = |i: usize, k: usize| format!("m{}{{pod=\"p{i}\"}} {}.5 {}.250\n", i % 3, i * 100 + k, 1_790_000_000 + 30 * k);
        let body: String = (0..9).flat_map(|i| (0..40).map(move |k| (i, k))).map(|(i, k)| line(i, k)).collect();
        let typed = format!("# TYPE m0 counter\n# HELP m1 some\n# TYPE m2 counter\n{body}# EOF\n");
        let late = format!("{body}# TYPE m1 counter\n");
        let joined = format!("{typed}{typed}");
        let broken = typed.replace("p5\"} 520", "p5} 520");
        let cut = typed.get(..typed.len() * 2 / 3).unwrap_or("").to_owned();
        let texts = [body, typed, late, joined, broken, cut];
        for text in texts {
            let whole = read(text.as_bytes(), u64::MAX);
            let parts = pool.install(|| read(text.as_bytes(), 500));
            assert_eq!(whole.series, parts.series);
            assert_eq!(whole.diagnostics, parts.diagnostics);
            assert!(!whole.series.is_empty());
        }
    }
}
