//! Prometheus' own storage: blocks (`index`, `chunks/000001`, `tombstones`, `meta.json`), and the head of a running or
//! crashed server (`wal/`, `wal/checkpoint.N/`, `chunks_head/`), where alone the last two to three hours are.
//! Spec: prometheus/tsdb/docs/format. Histograms and exemplars are skipped with a note.
//!
//! The files of a folder only make sense together, so one speaks for all: the index for its block, the first WAL segment
//! for the head. The others are recognised and say by whom they are read.

mod crc32c;
mod cursor;
mod head;
mod index;
mod snappy;
mod wal;
mod xor;

pub use wal::TsdbWal;

use super::{Format, Head, Input, Match, series_set};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime, Times};
use crc32c::crc32c;
use cursor::Cursor;
use std::borrow::Cow;
use std::collections::BTreeMap;

const CHUNKS_MAGIC: [u8; 4] = [0x85, 0xbd, 0x40, 0xdd];
const HEAD_MAGIC: [u8; 4] = [0x01, 0x30, 0xbc, 0x91];
const TOMBSTONES_MAGIC: [u8; 4] = [0x01, 0x30, 0xba, 0x30];
/// XOR-encoded floats.
const XOR: u8 = 1;

/// `index` of a block, and through it the block's samples.
pub struct TsdbBlock;
/// The other files of a block or head that have no words of their own.
pub struct TsdbPart;

impl Format for TsdbBlock {
    fn name(&self) -> &'static str {
        "tsdb-block"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        if head.bytes.starts_with(&index::MAGIC) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        block(input, &bytes, out);
    }
}

impl Format for TsdbPart {
    fn name(&self) -> &'static str {
        "tsdb-part"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let b = head.bytes;
        let meta = head.file_name() == "meta.json" && has(b, b"\"ulid\"") && has(b, b"\"minTime\"");
        if meta || [CHUNKS_MAGIC, HEAD_MAGIC, TOMBSTONES_MAGIC].iter().any(|m| b.starts_with(m)) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let folder = input.folder();
        let above = parent(folder);
        let spoken = match input.file_name() {
            "meta.json" | "tombstones" => input.source.beside(&format!("{folder}index")).is_some(),
            _ if folder.ends_with("chunks_head/") => !input.source.paths(&format!("{above}wal/")).is_empty(),
            _ => input.source.beside(&format!("{above}index")).is_some(),
        };
        if !spoken && input.file_name() != "meta.json" {
            let bytes = input.len.unwrap_or(0);
            out.error("no-labels", None, || {
                format!("{bytes} bytes of samples without the index or WAL that names their series; nothing can be said about them")
            });
        }
    }
}

fn has(head: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(head, needle).is_some()
}

/// Folder above a folder path that ends with `/`.
fn parent(folder: &str) -> &str {
    let inner = folder.strip_suffix('/').unwrap_or(folder);
    inner.rfind(['/', '!']).and_then(|n| inner.get(..=n)).unwrap_or("")
}

fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}

/// An empty series from its labels.
fn series_of<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Series {
    let mut map: BTreeMap<String, String> = labels.map(|(k, v)| (text(k), text(v))).collect();
    let metric = map.remove("__name__").unwrap_or_default();
    Series::new(metric, map)
}

/// A block's chunk segments, by number from 0.
fn segments<'a>(input: &Input<'a>, out: &mut Facts) -> BTreeMap<usize, Cow<'a, [u8]>> {
    let prefix = format!("{}chunks/", input.folder());
    let mut found = BTreeMap::new();
    for path in input.source.paths(&prefix) {
        let Some(number) = path.get(prefix.len()..).and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_sub(1)) else { continue };
        let Some(bytes) = input.source.beside(path).and_then(|o| o.bytes().ok()) else { continue };
        if bytes.starts_with(&CHUNKS_MAGIC) {
            found.insert(number, bytes);
        } else {
            out.error("bad-chunks", None, || format!("{path} does not begin as a chunk segment; its samples are lost"));
        }
    }
    found
}

/// Counts of one block's losses.
#[derive(Default)]
struct Losses {
    missing: u64,
    checksum: u64,
    cut: u64,
    samples: u64,
    histograms: u64,
}

fn block(input: &Input<'_>, bytes: &[u8], out: &mut Facts) {
    let segments = segments(input, out);
    let mut damage = Vec::new();
    let index = match index::Index::open(bytes, &mut damage) {
        Ok(i) => i,
        Err(why) => return out.error("bad-index", None, || why),
    };
    if segments.is_empty() {
        out.error("no-chunks", None, || "the block has no chunk segments beside its index; series are known, samples are not".into());
    }
    let deleted = tombstones(input, out);
    let mut losses = Losses::default();
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut last = Times::default();
    let mut total = 0u64;
    let mut unsealed = 0u64;
    let stopped = index.series(|entry| {
        unsealed += u64::from(!entry.sealed);
        times.clear();
        values.clear();
        for c in &entry.chunks {
            chunk(segments.get(&c.segment).map(|b| &b[..]), c.offset, &mut times, &mut values, &mut losses);
        }
        total += times.len() as u64;
        if times.is_empty() {
            return;
        }
        let mut series = series_of(entry.labels.iter().copied());
        // The index refers to a series by its place in units of 16.
        match deleted.get(&(entry.offset as u64 / 16)) {
            Some(ranges) => {
                let kept = |t: i64| !ranges.iter().any(|&(a, z)| (a..=z).contains(&t));
                (series.times, series.values) = times.iter().copied().zip(values.iter().copied()).filter(|(t, _)| kept(*t)).unzip();
            }
            None => {
                series.times = Times::again(&mut last, &times);
                series.values = values.as_slice().into();
            }
        }
        let cite = out.cite(entry.offset as u64, None, series.metric.as_bytes());
        let mut o = Observation { at: RawTime::Absent, who: series.claim(), cite, what: series };
        series_set::settle(&mut o);
        out.series.push(o);
    });
    for (at, why) in damage {
        out.warn("bad-index", None, Some(at as u64), || why);
    }
    if unsealed > 0 {
        out.warn("bad-checksum", None, None, || {
            format!("{unsealed} series entries of the index have wrong checksums; they are read as they are")
        });
    }
    if let Some(at) = stopped {
        out.error("truncated", Some(at as u64), || "the index ends within its series; those before are kept".into());
    }
    losses.report(out);
    if let Some(expected) = counted(input)
        && expected != total
        && losses.histograms == 0
    {
        out.warn("sample-count", None, None, || format!("meta.json counts {expected} samples, {total} were read"));
    }
}

/// Reads the chunk at `offset` of a segment.
fn chunk(segment: Option<&[u8]>, offset: usize, times: &mut Vec<i64>, values: &mut Vec<f64>, losses: &mut Losses) {
    let Some(mut c) = segment.and_then(|s| Cursor::at(s, offset)) else {
        losses.missing += 1;
        return;
    };
    let Some(len) = c.uvarint().and_then(|n| usize::try_from(n).ok()) else {
        losses.missing += 1;
        return;
    };
    let body = c.rest();
    let Some(sealed) = c.take(len.saturating_add(1)) else {
        // The segment is cut: what stands of the chunk is still in order.
        losses.cut += 1;
        if let Some((&XOR, data)) = body.split_first()
            && let Err(lost) = xor::decode(data, times, values)
        {
            losses.samples += lost as u64;
        }
        return;
    };
    if c.u32() != Some(crc32c(sealed)) {
        losses.checksum += 1;
        return;
    }
    match sealed.split_first() {
        Some((&XOR, data)) => {
            if let Err(lost) = xor::decode(data, times, values) {
                losses.samples += lost as u64;
            }
        }
        _ => losses.histograms += 1,
    }
}

impl Losses {
    fn report(&self, out: &mut Facts) {
        let Losses { missing, checksum, cut, samples, histograms } = *self;
        if missing > 0 {
            out.error("missing-chunks", None, || {
                format!("{missing} chunks lie outside the chunk files that are here; their samples are lost")
            });
        }
        if checksum > 0 {
            out.error("bad-checksum", None, || format!("{checksum} chunks have wrong checksums; their samples are left out"));
        }
        if cut > 0 || samples > 0 {
            out.error("truncated", None, || {
                format!("{cut} chunks are cut; {samples} of their samples are lost, those before the cut are kept")
            });
        }
        if histograms > 0 {
            out.note("native-histogram", None, None, || format!("{histograms} chunks of native histograms are not read"));
        }
    }
}

/// Deleted time ranges by series reference.
fn tombstones(input: &Input<'_>, out: &mut Facts) -> BTreeMap<u64, Vec<(i64, i64)>> {
    let mut found: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    let path = format!("{}tombstones", input.folder());
    let Some(bytes) = input.source.beside(&path).and_then(|o| o.bytes().ok()) else { return found };
    let Some(body) = bytes.len().checked_sub(4).and_then(|end| bytes.get(5..end)) else { return found };
    if Cursor::at(&bytes, bytes.len() - 4).and_then(|mut c| c.u32()) != Some(crc32c(body)) {
        out.warn("bad-tombstones", None, None, || "the tombstones' checksum is wrong; deletions are not applied".into());
        return found;
    }
    let mut c = Cursor::new(body);
    while !c.is_empty() {
        let (Some(series), Some(from), Some(to)) = (c.uvarint(), c.varint(), c.varint()) else { break };
        found.entry(series).or_default().push((from, to));
    }
    found
}

/// Number of samples by `meta.json`.
fn counted(input: &Input<'_>) -> Option<u64> {
    let bytes = input.source.beside(&format!("{}meta.json", input.folder()))?.bytes().ok()?;
    let meta: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    meta.get("stats")?.get("numSamples")?.as_u64()
}
