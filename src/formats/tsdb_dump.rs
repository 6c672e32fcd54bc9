//! `promtool tsdb dump` text: one line per sample, `{labels} value milliseconds`, series after series.
//! Staleness markers print as NaN there and cannot be told from a real NaN; both are kept as NaN.

use super::decimal::{float, millis};
use super::line_parts;
use super::lines::Line;
use super::metric_labels;
use super::series_set::SeriesSet;
use super::{Format, Head, Input, Match};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime};

pub struct TsdbDump;

impl Format for TsdbDump {
    fn name(&self) -> &'static str {
        "tsdb-dump"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let Some(line) = head.lines().find(|l| !l.is_empty()) else { return Match::No };
        let named = line.starts_with(b"{__name__=\"");
        match sample(line) {
            Some(_) if named => Match::Certain,
            Some(_) if line.first() == Some(&b'{') => Match::Likely,
            _ => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse_in_parts(input, out, line_parts::PART);
    }
}

fn parse_in_parts(input: &Input<'_>, out: &mut Facts, least: u64) {
    line_parts::read(input, out, least, each, |set: &mut SeriesSet, later, lines, _| set.append(later, lines)).finish(out);
}

#[inline(always)]
fn each(set: &mut SeriesSet, line: Line<'_>, out: &mut Facts) {
    if line.ended
        && let Some(rest) = set.continues(line.text)
        && let Some((v, t)) = value_and_time(rest)
    {
        set.push(t, v);
    } else {
        other(set, line, out);
    }
}

#[inline(always)]
fn value_and_time(rest: &[u8]) -> Option<(f64, i64)> {
    let rest = rest.strip_prefix(b" ")?;
    let (v, n) = float(rest)?;
    let t = rest.get(n..)?.strip_prefix(b" ")?;
    let (ms, m) = millis(t)?;
    (m == t.len()).then_some((v, ms))
}

fn sample(line: &[u8]) -> Option<(usize, f64, i64)> {
    let n = metric_labels::key_len(line)?;
    let (v, t) = value_and_time(line.get(n..)?)?;
    Some((n, v, t))
}

#[cold]
fn other(set: &mut SeriesSet, line: Line<'_>, out: &mut Facts) {
    let text = line.text.trim_ascii();
    if text.is_empty() {
        return;
    }
    if !line.ended {
        out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and may be cut; it is left out".into());
        return;
    }
    let made = sample(text).filter(|&(n, v, t)| {
        let key = text.get(..n).unwrap_or(text);
        let turned = set.turn(key, || {
            let (metric, labels) = metric_labels::parse(key)?;
            let series = Series::new(metric, labels);
            Some(Observation {
                at: RawTime::Absent,
                who: series.claim(),
                cite: out.cite(line.offset, Some(line.number), text),
                what: series,
            })
        });
        if turned {
            set.push(t, v);
        }
        turned
    });
    if made.is_none() {
        out.warn("bad-line", Some(line.number), Some(line.offset), || {
            "expected `{labels} value milliseconds`; the line is left out".into()
        });
    }
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
        let line = |i: usize, k: usize| {
            format!("{{__name__=\"m\", pod=\"p{i}\"}} {}.5 {}\n", i * 100 + k, 1_790_000_000_000u64 + 30_000 * k as u64)
        };
        let plain: String = (0..9).flat_map(|i| (0..40).map(move |k| (i, k))).map(|(i, k)| line(i, k)).collect();
        let woven: String = (0..40).flat_map(|k| (0..9).map(move |i| (i, k))).map(|(i, k)| line(i, k)).collect();
        let broken = woven.replacen("} 20", "} x20", 30);
        let cut = plain.trim_end().to_owned();
        let texts = [plain, woven, broken, cut];
        for text in texts {
            let whole = read(text.as_bytes(), u64::MAX);
            let parts = pool.install(|| read(text.as_bytes(), 500));
            assert_eq!(whole.series, parts.series);
            assert_eq!(whole.diagnostics, parts.diagnostics);
            assert!(!whole.series.is_empty());
        }
    }
}
