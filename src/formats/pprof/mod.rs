//! pprof profiles: profile.proto as written by Go, google/pprof, pprof-rs, jemalloc tools and many agents.
//!
//! Spec: `proto/profile.proto` of this repository (field numbers) and google/pprof's README and reader for semantics.
//! Reads front to back with one block in memory, keeps what is whole of a damaged file and says what was lost. Numeric
//! labels other than Go's block size are kept as text with their unit. Does not symbolize, does not merge, does not scale.

#[allow(clippy::all, missing_docs)]
#[rustfmt::skip]
pub mod proto;
pub mod prune;
mod readahead;
mod stacks;
mod tables;
mod wire;
pub mod write;

use super::{Format, Head, Input, Match};
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::{Cite, Facts, Observation, RawTime, Timestamp};
use std::io::Read;
use tables::{Tables, Trouble};
use wire::{Damage, Fields, Message, Value};

pub struct Pprof;

impl Format for Pprof {
    fn name(&self) -> &'static str {
        "pprof"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let name = head.file_name();
        let named = [".pb", ".pprof", ".prof", ".pb.gz"].iter().any(|e| name.ends_with(e));
        match looks_like(head.bytes, head.complete) {
            Match::No if named && !head.bytes.is_empty() && !is_text(head.bytes) => Match::Weak,
            m => m,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut tables = Tables::default();
        let whole = readahead::run(reader, |r| read(r, &mut tables, out)).unwrap_or_else(|| {
            out.error("unreadable", None, || "the reading thread failed".into());
            false
        });
        emit(tables, whole, input, out);
    }
}

fn is_text(b: &[u8]) -> bool {
    b.iter().take(512).all(|c| matches!(c, b'\t' | b'\n' | b'\r' | 0x20..=0x7e))
}

/// Walks the head's fields: every one must be known, of the right wire type and well-formed inside.
fn looks_like(bytes: &[u8], complete: bool) -> Match {
    let mut message = Message::new(bytes);
    let (mut seen, mut strong, mut good) = (0u32, 0u32, true);
    for (field, value) in &mut message {
        let inside = |max: u32| {
            let mut m = Message::new(value.bytes());
            let known = m.all(|(n, _)| n <= max);
            known && !m.broken() && !value.bytes().is_empty()
        };
        good &= match (field, value) {
            (1 | 11, Value::Bytes(_)) => inside(2),
            (2, Value::Bytes(_)) => inside(3),
            (3, Value::Bytes(_)) => inside(10),
            (4 | 5, Value::Bytes(_)) => inside(5),
            (6, Value::Bytes(b)) => std::str::from_utf8(b).is_ok() || b.len() > 3,
            (7 | 8 | 9 | 10 | 12 | 13 | 14 | 15, Value::Varint(_)) | (13, Value::Bytes(_)) => true,
            _ => false,
        };
        if !good {
            break;
        }
        seen += 1;
        strong += u32::from(matches!(field, 1..=5));
    }
    // A head that is not the whole file ends in the middle of a field; a damaged file does so too.
    let tolerable = good && (!message.broken() || !complete || seen > 8);
    match (tolerable, strong, seen) {
        (true, 2.., 4..) => Match::Certain,
        (true, 1.., _) => Match::Likely,
        (false, 4.., 8..) => Match::Likely,
        _ => Match::No,
    }
}

/// Reads all fields; false when the stream ended early.
fn read(reader: &mut dyn Read, t: &mut Tables, out: &mut Facts) -> bool {
    let mut fields = Fields::new(reader);
    loop {
        let at = fields.offset();
        let (field, value) = match fields.next_field() {
            Ok(Some(f)) => f,
            Ok(None) => return true,
            Err(damage) => {
                let kept = t.samples();
                let (code, what) = match damage {
                    Damage::Io(e) => ("truncated", format!("the compressed stream is damaged or cut: {e}")),
                    Damage::Truncated => ("truncated", "the profile ends inside a field".into()),
                    Damage::Malformed => ("malformed", "expected a field of profile.proto, found bytes that are none".into()),
                    Damage::TooLong(n) => ("malformed", format!("a field claims {n} bytes, more than a profile has room for")),
                };
                out.error(code, Some(at), || format!("{what}; {kept} samples before it are kept"));
                return false;
            }
        };
        match (field, value) {
            (1, Value::Bytes(b)) => {
                if t.time_nanos != 0 && t.samples() > 0 && !t.strings.is_empty() && !t.sample_types.is_empty() {
                    out.error("concatenated", Some(at), || "a second profile begins here; only the first is used".into());
                    return false;
                }
                let vt = t.value_type(b);
                t.sample_types.push(vt);
            }
            (2, Value::Bytes(b)) => t.sample(b),
            (3, Value::Bytes(b)) => t.mapping(b),
            (4, Value::Bytes(b)) => t.location(b),
            (5, Value::Bytes(b)) => t.function(b),
            (6, Value::Bytes(b)) => t.string(b),
            (7, Value::Varint(v)) => t.drop_frames = v,
            (8, Value::Varint(v)) => t.keep_frames = v,
            (9, Value::Varint(v)) => {
                if t.time_nanos != 0 {
                    out.error("concatenated", Some(at), || "a second capture time: two profiles are written into one".into());
                }
                t.time_nanos = v as i64;
            }
            (10, Value::Varint(v)) => t.duration_nanos = v as i64,
            (11, Value::Bytes(b)) => t.period_type = t.value_type(b),
            (12, Value::Varint(v)) => t.period = v as i64,
            (14, Value::Varint(v)) => t.default_sample_type = v,
            _ => {}
        }
    }
}

/// Makes the profile of the tables and says what did not fit together.
fn emit(mut t: Tables, whole: bool, input: &Input<'_>, out: &mut Facts) {
    if t.sample_types.is_empty() {
        let n = t.samples();
        if whole || n > 0 {
            out.error("no-sample-type", None, || format!("no sample type is named, so {n} samples have no meaning"));
        }
        return;
    }
    if t.strings.first().is_some_and(|s| !s.is_empty()) {
        out.error("string-table", None, || "the first string must be empty; names may be shifted".into());
    }
    let measures = t.measures();
    let default = t.text(t.default_sample_type);
    let (drop, keep) = (t.text(t.drop_frames), t.text(t.keep_frames));
    let mut profile = HeapProfile {
        format: "pprof",
        default_measure: measures.iter().position(|m| !default.is_empty() && m.name == default).unwrap_or(measures.len() - 1),
        period: t.period,
        duration_ns: t.duration_nanos,
        truncated: !whole,
        ..HeapProfile::default()
    };
    let time = t.time_nanos;
    let (mut table, trouble) = t.finish(measures.len());
    report(&trouble, out);
    if let (false, Some(drop)) = (drop.is_empty(), prune::pattern(&drop)) {
        prune::prune(&mut table, &drop, prune::pattern(&keep).filter(|_| !keep.is_empty()).as_ref());
    }
    let samples = table.samples();
    for (m, measure) in measures.iter().enumerate() {
        let column = table.values.get(m * samples..(m + 1) * samples).unwrap_or(&[]);
        let sum: i128 = column.iter().map(|v| i128::from(*v)).sum();
        let total = i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
        if i128::from(total) != sum {
            out.warn("saturated", None, None, || format!("the sum of {} is {sum}, beyond 64 bits, and is shown as {total}", measure.name));
        }
        profile.totals.push(total);
    }
    let main = table.mappings.first();
    profile.process = main.map(|m| format!("{} {}", m.file, m.build_id).trim().to_owned()).filter(|p| !p.is_empty());
    let mut who = input.who.clone();
    if let (None, Some(m)) = (&who.workload_hint, main) {
        who.workload_hint = m.file.rsplit(['/', '\\']).next().filter(|n| !n.is_empty()).map(Into::into);
    }
    let at = match time {
        0 => RawTime::Absent,
        ns => RawTime::Utc { at: Timestamp(ns), precision: 1 },
    };
    let says = format!("{samples} samples, default measure {}", measures.get(profile.default_measure).map_or("", |m| &m.name));
    profile.measures = measures;
    profile.body = ProfileBody::Stacks(Box::new(table));
    out.profiles.push(Observation { at, who, cite: Cite::whole(out.artifact, &says), what: profile });
}

fn report(t: &Trouble, out: &mut Facts) {
    let Trouble { bad_strings, missing_functions, missing_locations, duplicate_ids, zero_ids, bad_messages, wrong_arity, overflow } =
        t.clone();
    let mut say = |n: u64, code: &'static str, what: &str| {
        if n > 0 {
            out.warn(code, None, None, || format!("{n} {what}"));
        }
    };
    say(bad_strings, "bad-string-index", "string indices lie outside the string table; the text is left empty");
    say(missing_functions, "missing-function", "lines name a function that is not in the profile; it is shown as unknown");
    say(missing_locations, "missing-location", "frames name a location that is not in the profile; they are shown as unknown");
    say(duplicate_ids, "duplicate-id", "table entries repeat an id; the first of each is used");
    say(zero_ids, "zero-id", "table entries have id 0, which nothing can refer to");
    say(bad_messages, "bad-message", "messages are malformed inside; what could be read of tables is used, such samples are dropped");
    say(wrong_arity, "wrong-arity", "samples do not have one value per sample type and are dropped");
    say(overflow, "too-big", "entries lie beyond what one profile may hold and are dropped");
}
