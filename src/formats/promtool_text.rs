//! What `promtool query instant` and `query range` print without `-o json`: `name{labels} => value @[seconds]` on one line, or
//! the name followed by lines of `value @[seconds]`. Spec: prometheus/common, `model/value.go` (String methods).

use super::decimal::{float, seconds_to_ms};
use super::lines::{Line, for_each_line};
use super::metric_labels;
use super::series_set::SeriesSet;
use super::{Format, Head, Input, Match};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime};

pub struct PromtoolText;

impl Format for PromtoolText {
    fn name(&self) -> &'static str {
        "promtool-text"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut lines = head.lines().filter(|l| !l.is_empty());
        let Some(first) = lines.next() else { return Match::No };
        let Some((_, rest)) = key(first) else { return Match::No };
        let sampled = if rest.is_empty() { lines.next().and_then(sample) } else { sample(rest) };
        if sampled.is_some() { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut set = SeriesSet::default();
        let mut named = false;
        let read = for_each_line(reader, |line| each(&mut set, &mut named, line, out));
        if let Err(e) = read {
            out.error("unreadable", None, || format!("reading failed: {e}"));
        }
        set.finish(out);
    }
}

/// The label text before `=>` and what follows the arrow.
fn key(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let n = if line.starts_with(b"scalar:") || line.starts_with(b"=>") { 0 } else { metric_labels::key_len(line)? };
    let (key, rest) = line.split_at_checked(n)?;
    if let Some(value) = line.strip_prefix(b"scalar:") {
        return Some((b"{}", value.trim_ascii()));
    }
    let rest = rest.trim_ascii_start().strip_prefix(b"=>")?;
    Some((if key.is_empty() { b"{}" } else { key }, rest.trim_ascii()))
}

/// `value @[seconds]`.
fn sample(text: &[u8]) -> Option<(f64, i64)> {
    let (v, n) = float(text)?;
    let rest = text.get(n..)?.trim_ascii_start().strip_prefix(b"@[")?;
    let (t, m) = seconds_to_ms(rest)?;
    (rest.get(m..)? == b"]").then_some((v, t))
}

fn each(set: &mut SeriesSet, named: &mut bool, line: Line<'_>, out: &mut Facts) {
    let text = line.text.trim_ascii();
    if text.is_empty() {
        return;
    }
    let value = match key(text) {
        Some((key, rest)) => {
            *named = set.turn(key, || {
                let (metric, labels) = metric_labels::parse(key)?;
                let series = Series::new(metric, labels);
                let cite = out.cite(line.offset, Some(line.number), text);
                Some(Observation { at: RawTime::Absent, who: series.claim(), cite, what: series })
            });
            if rest.is_empty() && *named {
                return;
            }
            rest
        }
        None => text,
    };
    match sample(value) {
        Some((v, t)) if *named => set.push(t, v),
        // A histogram prints its buckets in braces.
        _ if value.starts_with(b"{count:") => out.note("native-histogram", Some(line.number), Some(line.offset), || {
            "native histogram samples are not read: memory series do not need them".into()
        }),
        _ if !line.ended => {
            out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and may be cut; it is left out".into())
        }
        _ => out.warn("bad-line", Some(line.number), Some(line.offset), || {
            "expected `name{labels} => value @[seconds]`; the line is left out".into()
        }),
    }
}
