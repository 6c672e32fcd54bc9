//! The write-ahead log, and with it the whole head: checkpoint, segments and `chunks_head/` joined by series reference.
//! Spec: prometheus/tsdb/docs/format/wal.md. Records may be snappy- or zstd-compressed; an agent's WAL is the same.

use super::crc32c::crc32c;
use super::cursor::Cursor;
use super::{head, parent, series_of, snappy};
use crate::formats::{Format, Head, Input, Match, series_set};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime};
use std::collections::{BTreeMap, HashMap};

const PAGE: usize = 32 << 10;
const HEADER: usize = 7;

pub struct TsdbWal;

/// A fragment at the start of `page`: type, flags, data. `None` when it does not fit or its checksum is wrong.
fn fragment(page: &[u8]) -> Option<(u8, u8, &[u8])> {
    let mut c = Cursor::new(page);
    let kind = c.u8()?;
    let len = usize::from(c.u16()?);
    let sum = c.u32()?;
    let data = c.take(len)?;
    ((1..=4).contains(&(kind & 7)) && crc32c(data) == sum).then_some((kind & 7, kind & !7, data))
}

impl Format for TsdbWal {
    fn name(&self) -> &'static str {
        "tsdb-wal"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let page = head.bytes.get(..head.bytes.len().min(PAGE)).unwrap_or(&[]);
        // No magic, but a checksum at a known place.
        match fragment(page) {
            Some((1 | 2, flags, data)) if flags & !0x18 == 0 && !data.is_empty() => Match::Certain,
            _ => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        // `…/wal/` for segments and checkpoints alike.
        let folder = input.folder();
        let checkpoint = |f: &str| f.strip_suffix('/').and_then(|f| f.rsplit('/').next()).is_some_and(|n| n.starts_with("checkpoint."));
        let root = if checkpoint(folder) { parent(folder) } else { folder };
        let all = input.source.paths(root);
        let own = [input.path];
        let all: &[&str] = if all.is_empty() { &own } else { &all };
        let name = |p: &str| p.get(root.len()..).unwrap_or("").to_owned();
        let number = |s: &str| (s.len() == 8).then(|| s.parse::<u64>().ok()).flatten();
        let mut segments: Vec<(u64, &str)> = Vec::new();
        let mut checkpoints: BTreeMap<u64, Vec<(u64, &str)>> = BTreeMap::new();
        for &p in all {
            let name = name(p);
            if let Some(n) = number(&name) {
                segments.push((n, p));
            } else if let Some((c, n)) = name.strip_prefix("checkpoint.").and_then(|r| r.split_once('/'))
                && let (Ok(c), Some(n)) = (c.parse(), number(n))
            {
                checkpoints.entry(c).or_default().push((n, p));
            }
        }
        let speaker = segments.first().or_else(|| checkpoints.values().next_back().and_then(|c| c.first())).map_or(input.path, |s| s.1);
        if speaker != input.path {
            return;
        }
        let (mut order, mut from) = (Vec::new(), 0);
        if let Some((c, list)) = checkpoints.last_key_value() {
            order.extend(list.iter().map(|s| s.1));
            from = c + 1;
        }
        order.extend(segments.iter().filter(|s| s.0 >= from).map(|s| s.1));
        if order.is_empty() {
            order.push(input.path);
        }
        let mut log = Log::default();
        for path in order {
            let source = if path == input.path { Some(input.source) } else { input.source.beside(path) };
            match source.map(|s| s.bytes()) {
                Some(Ok(bytes)) => log.segment(path, &bytes, out),
                _ => out.error("unreadable", None, || format!("{path} cannot be read")),
            }
        }
        for path in input.source.paths(&format!("{}chunks_head/", parent(root))) {
            if let Some(Ok(bytes)) = input.source.beside(path).map(|s| s.bytes()) {
                log.head(path, &bytes, out);
            }
        }
        log.finish(out);
    }
}

/// Series by reference, with their samples.
#[derive(Default)]
struct Log {
    number: HashMap<u64, u32>,
    series: Vec<(Series, u64)>,
    /// Samples of references that no series record named.
    orphans: u64,
    histograms: u64,
    other: u64,
    /// Bytes that its packed records were and became.
    packed: u64,
    unpacked: u64,
}

/// Unpacked bytes of one record. Prometheus writes what one scrape or one remote write brought, a few MiB at most.
const RECORD_MAX: u64 = 256 << 20;
/// Unpacked bytes per packed byte of a whole log, above [`RECORD_MAX`]: snappy gives 64 at most, zstd's samples about 10.
const RATIO_MAX: u64 = 200;

impl Log {
    /// Reads one segment: pages of fragments that join to records.
    fn segment(&mut self, path: &str, bytes: &[u8], out: &mut Facts) {
        let mut record: Vec<u8> = Vec::new();
        let mut flags = 0;
        for (n, page) in bytes.chunks(PAGE).enumerate() {
            let mut at = 0;
            while at + HEADER <= page.len() {
                let rest = page.get(at..).unwrap_or(&[]);
                // A zero type pads the rest of the page.
                if rest.first() == Some(&0) {
                    break;
                }
                let offset = n * PAGE + at;
                let Some((kind, flag, data)) = fragment(rest) else {
                    let end = n * PAGE + page.len() == bytes.len();
                    if end && page.len() < PAGE {
                        out.warn("truncated", None, Some(offset as u64), || format!("{path} ends within a record; those before are kept"));
                    } else {
                        out.error("bad-checksum", Some(offset as u64), || {
                            format!("{path} has a damaged record at byte {offset}; the rest of its page is skipped")
                        });
                    }
                    record.clear();
                    break;
                };
                at += HEADER + data.len();
                match kind {
                    1 => {
                        record.clear();
                        self.compressed(flag, data, offset, out);
                    }
                    2 => {
                        flags = flag;
                        record.clear();
                        record.extend_from_slice(data);
                    }
                    3 => record.extend_from_slice(data),
                    _ => {
                        record.extend_from_slice(data);
                        let whole = std::mem::take(&mut record);
                        self.compressed(flags, &whole, offset, out);
                    }
                }
            }
        }
    }

    fn compressed(&mut self, flags: u8, data: &[u8], offset: usize, out: &mut Facts) {
        let plain;
        let record = if flags & 0x10 != 0 {
            use std::io::Read;
            let mut v = Vec::new();
            self.packed = self.packed.saturating_add(data.len() as u64);
            let left = self.packed.saturating_mul(RATIO_MAX).max(RECORD_MAX).saturating_sub(self.unpacked);
            if left == 0 {
                out.warn("archive-ratio", None, Some(offset as u64), || {
                    format!("the log's records unpack to more than {RATIO_MAX} times their size; further ones are not read")
                });
                return;
            }
            let read =
                ruzstd::decoding::StreamingDecoder::new(data).ok().and_then(|d| d.take(left.min(RECORD_MAX)).read_to_end(&mut v).ok());
            self.unpacked = self.unpacked.saturating_add(v.len() as u64);
            plain = read.map(|_| v);
            plain.as_deref()
        } else if flags & 0x08 != 0 {
            plain = snappy::decompress(data);
            plain.as_deref()
        } else {
            Some(data)
        };
        if record.and_then(|r| self.record(r, offset, out)).is_none() {
            out.warn("bad-record", None, Some(offset as u64), || {
                "a record does not read to its end; what came before in it is kept".into()
            });
        }
    }

    fn record(&mut self, record: &[u8], offset: usize, out: &mut Facts) -> Option<()> {
        let mut c = Cursor::new(record);
        match c.u8()? {
            1 => {
                while !c.is_empty() {
                    let reference = c.u64()?;
                    let n = usize::try_from(c.uvarint()?).ok()?;
                    let mut labels = Vec::with_capacity(n.min(c.rest().len() / 2));
                    for _ in 0..n {
                        labels.push((c.string()?, c.string()?));
                    }
                    if !self.number.contains_key(&reference) {
                        self.number.insert(reference, u32::try_from(self.series.len()).ok()?);
                        self.series.push((series_of(labels.into_iter()), offset as u64));
                    }
                }
            }
            2 => {
                if c.is_empty() {
                    return Some(());
                }
                let (base, start) = (c.u64()?, c.u64()? as i64);
                while !c.is_empty() {
                    let reference = base.wrapping_add(c.varint()? as u64);
                    let t = start.wrapping_add(c.varint()?);
                    let v = f64::from_bits(c.u64()?);
                    match self.number.get(&reference).and_then(|&i| self.series.get_mut(i as usize)) {
                        Some((s, _)) => {
                            s.times.edit().push(t);
                            s.values.push(v);
                        }
                        None => self.orphans += 1,
                    }
                }
            }
            7..=10 => self.histograms += 1,
            3..=6 => {}
            _ => self.other += 1,
        }
        let _ = out;
        Some(())
    }

    fn head(&mut self, path: &str, bytes: &[u8], out: &mut Facts) {
        let read = head::chunks(bytes, |reference, times, values| {
            match self.number.get(&reference).and_then(|&i| self.series.get_mut(i as usize)) {
                Some((s, _)) => {
                    s.times.edit().extend_from_slice(times);
                    s.values.extend_from_slice(values);
                }
                None => self.orphans += times.len() as u64,
            }
        });
        if read.checksum > 0 {
            out.error("bad-checksum", None, || {
                format!("{} chunks of {path} have wrong checksums; their samples are left out", read.checksum)
            });
        }
        if read.cut {
            out.warn("truncated", None, None, || format!("{path} ends within a chunk; {} chunks before are kept", read.chunks));
        }
        self.histograms += read.other;
    }

    fn finish(self, out: &mut Facts) {
        if self.orphans > 0 {
            let n = self.orphans;
            out.warn("no-labels", None, None, || format!("{n} samples belong to series that no record here names; they are left out"));
        }
        if self.histograms > 0 {
            let n = self.histograms;
            out.note("native-histogram", None, None, || format!("{n} records or chunks of native histograms are not read"));
        }
        if self.other > 0 {
            let n = self.other;
            out.note("unknown-record", None, None, || format!("{n} records of kinds newer than this reader are skipped"));
        }
        for (mut series, offset) in self.series {
            if series.times.is_empty() {
                continue;
            }
            // Log and mapped chunks hold the same samples twice.
            if !series.times.is_sorted_by(|a, b| a < b) {
                let mut pairs: Vec<(i64, f64)> = series.times.iter().copied().zip(series.values.iter().copied()).collect();
                pairs.sort_by_key(|p| p.0);
                pairs.dedup_by_key(|p| p.0);
                (series.times, series.values) = pairs.into_iter().unzip();
            }
            let cite = out.cite(offset, None, series.metric.as_bytes());
            let mut o = Observation { at: RawTime::Absent, who: series.claim(), cite, what: series };
            series_set::settle(&mut o);
            out.series.push(o);
        }
    }
}
