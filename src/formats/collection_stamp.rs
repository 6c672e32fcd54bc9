//! A collector's own note of when it ran: the file `timestamp` of `oc adm must-gather`, one instant per line, begin and end.
//! It says when the bundle was captured and nothing else.

use super::lines::lines;
use super::{Format, Head, Input, Match};
use crate::model::node::CaptureHint;
use crate::model::time::parse_rfc3339;
use crate::model::{Facts, Observation, RawTime};

pub struct CollectionStamp;

impl Format for CollectionStamp {
    fn name(&self) -> &'static str {
        "collection-stamp"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let named = matches!(head.file_name(), "timestamp" | "gather-timestamp");
        let stamps: Vec<&[u8]> = head.lines().filter(|l| !l.is_empty()).take(5).collect();
        let all = stamps.len() <= 4 && stamps.iter().all(|l| parse_rfc3339(l).is_some());
        if named && head.complete && all && !head.bytes.is_empty() { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let mut stamps = lines(&bytes).filter_map(|l| Some((parse_rfc3339(l.text)?.0, out.cite(l.offset, Some(l.number), l.text))));
        let Some((begin, cite)) = stamps.next() else { return };
        let end = stamps.map(|(t, _)| t).max().unwrap_or(begin).max(begin);
        let slack_ns = end.0.saturating_sub(begin.0);
        let what = CaptureHint { basis: "collector's own time stamp", slack_ns };
        out.captures.push(Observation { at: RawTime::utc_s(begin), who: input.who.clone(), cite, what });
    }
}
