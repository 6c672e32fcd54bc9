//! `promtool tsdb dump` text: one line per sample, `{labels} value milliseconds`, series after series.
//! Staleness markers print as NaN there and cannot be told from a real NaN; both are kept as NaN.

use super::decimal::{float, millis};
use super::lines::{Line, for_each_line};
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
        let Some(reader) = input.stream(out) else { return };
        let mut set = SeriesSet::default();
        let read = for_each_line(reader, |line| {
            if line.ended
                && let Some(rest) = set.continues(line.text)
                && let Some((v, t)) = value_and_time(rest)
            {
                set.push(t, v);
            } else {
                other(&mut set, line, out);
            }
        });
        if let Err(e) = read {
            out.error("unreadable", None, || format!("reading failed: {e}"));
        }
        set.finish(out);
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
