//! Words and bars for recordings of allocations: when what is still alive was allocated. The recorder gives moments, each
//! span between two of them is a bar.

use super::document::{BirthDoc, RecordingDoc};
use super::sparkline;
use crate::model::quantity::{grouped, human_bytes};

/// Short recordings need finer words.
fn clock(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.0} s") }
}

fn seconds(b: &BirthDoc) -> String {
    format!("{} to {}", clock(b.from_seconds), clock(b.to_seconds))
}

/// Spans of the recording; what was there before it began stands in one without length.
fn during(r: &RecordingDoc) -> impl Iterator<Item = &BirthDoc> + Clone {
    r.births.iter().filter(|b| b.to_seconds > b.from_seconds)
}

/// How much of what was allocated while recording is alive, and which part of the time most of it comes from.
pub fn sentence(r: &RecordingDoc) -> String {
    let (bytes, objects) = during(r).fold((0u64, 0u64), |s, b| (s.0.saturating_add(b.bytes), s.1.saturating_add(b.objects)));
    let end = r.births.last().map_or(0.0, |b| b.to_seconds);
    let mut out = format!(
        "Of what was allocated in the {} of recording, {} in {} objects were alive at its end, by the time they were allocated",
        clock(end),
        human_bytes(bytes),
        grouped(i64::try_from(objects).unwrap_or(i64::MAX))
    );
    if let Some(most) = during(r).max_by_key(|b| b.bytes).filter(|b| b.bytes > 0) {
        out += &format!(
            "; most from {}: {} in {} objects",
            seconds(most),
            human_bytes(most.bytes),
            grouped(i64::try_from(most.objects).unwrap_or(i64::MAX))
        );
    }
    let before: u64 = r.births.iter().filter(|b| b.to_seconds <= b.from_seconds).map(|b| b.bytes).sum();
    if before > 0 {
        out += &format!("; {} are older than the recording", human_bytes(before));
    }
    out + "."
}

/// A name and the bytes of each span of time.
pub fn bars(r: &RecordingDoc) -> Vec<(String, u64)> {
    during(r).map(|b| (seconds(b), b.bytes)).collect()
}

/// What stands under the two ends of the bars.
pub fn ends(r: &RecordingDoc) -> (String, String) {
    (clock(r.births.first().map_or(0.0, |b| b.from_seconds)), clock(r.births.last().map_or(0.0, |b| b.to_seconds)))
}

/// The bars as one line of text.
pub fn line(r: &RecordingDoc) -> String {
    let (from, to) = ends(r);
    let most = during(r).map(|b| b.bytes).max().unwrap_or(0);
    format!("{from} |{}| {to}, a full block is {}", sparkline::blocks(during(r).map(|b| b.bytes)), human_bytes(most))
}
