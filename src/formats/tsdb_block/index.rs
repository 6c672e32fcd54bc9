//! A block's index: symbols and series with their chunk references. Spec: prometheus/tsdb/docs/format/index.md.
//! Postings and label indices only serve lookups and are not read.

use super::crc32c::crc32c;
use super::cursor::Cursor;
use std::collections::HashMap;

pub const MAGIC: [u8; 4] = [0xba, 0xaa, 0xd7, 0x00];

/// One chunk of a series: reference (segment and offset).
pub struct ChunkRef {
    pub segment: usize,
    pub offset: usize,
}

pub struct Index<'a> {
    bytes: &'a [u8],
    version: u8,
    symbols: Vec<&'a [u8]>,
    /// Version 1 refers to symbols by their place in the file.
    by_offset: HashMap<u64, u32>,
    series: (usize, usize),
}

/// A series as the index has it.
pub struct Entry<'a> {
    pub offset: usize,
    pub labels: Vec<(&'a [u8], &'a [u8])>,
    pub chunks: Vec<ChunkRef>,
    pub sealed: bool,
}

/// The four bytes after `data` are its CRC-32C.
fn sealed(bytes: &[u8], from: usize, len: usize) -> Option<bool> {
    let data = bytes.get(from..from.checked_add(len)?)?;
    let sum = Cursor::at(bytes, from + len)?.u32()?;
    Some(crc32c(data) == sum)
}

impl<'a> Index<'a> {
    /// Opens the index; `Err` says what is wrong with it.
    pub fn open(bytes: &'a [u8], damage: &mut Vec<(usize, String)>) -> Result<Self, String> {
        let version = bytes.get(4).copied().unwrap_or(0);
        if bytes.get(..4) != Some(&MAGIC[..]) || !(1..=2).contains(&version) {
            return Err(format!("index version {version} is not known, 1 and 2 are"));
        }
        let toc = bytes.len().checked_sub(52).filter(|&t| t >= 5).ok_or("the index is shorter than its table of contents")?;
        let mut c = Cursor::at(bytes, toc).ok_or("no table of contents")?;
        let mut place = || c.u64().and_then(|v| usize::try_from(v).ok()).filter(|&v| v <= toc);
        let (symbols, series, after) = (place(), place(), place());
        let whole = sealed(bytes, toc, 48) == Some(true);
        // A cut index has no table of contents, but symbols always stand first and series follow, 16-aligned.
        let (symbols_at, series_at) = match (whole, symbols, series) {
            (true, Some(s), Some(r)) => (s, Some(r)),
            _ => {
                damage.push((
                    toc,
                    "the table of contents is missing or its checksum is wrong; series are searched behind the symbols".into(),
                ));
                (5, None)
            }
        };
        let mut c = Cursor::at(bytes, symbols_at).ok_or("symbols lie outside the file")?;
        let (len, count) = (c.u32().ok_or("no symbols")? as usize, c.u32().ok_or("no symbols")? as usize);
        if sealed(bytes, symbols_at + 4, len) != Some(true) {
            damage.push((symbols_at, "the symbols' checksum is wrong; labels may be damaged".into()));
        }
        // A symbol takes at least one byte.
        let mut list = Vec::with_capacity(count.min(c.rest().len()));
        let mut by_offset = HashMap::new();
        for i in 0..count {
            let at = bytes.len() - c.rest().len();
            let Some(s) = c.string() else {
                damage.push((at, format!("symbols end after {i} of {count}")));
                break;
            };
            if version == 1 {
                by_offset.insert(at as u64, list.len() as u32);
            }
            list.push(s);
        }
        let behind = symbols_at.saturating_add(4).saturating_add(len).saturating_add(4);
        let from = series_at.unwrap_or(behind.next_multiple_of(16));
        let to = match (series_at, after) {
            (Some(_), Some(a)) if a >= from => a,
            _ => bytes.len(),
        };
        Ok(Index { bytes, version, symbols: list, by_offset, series: (from, to) })
    }

    fn symbol(&self, reference: u64) -> Option<&'a [u8]> {
        let i = if self.version == 1 { *self.by_offset.get(&reference)? as usize } else { usize::try_from(reference).ok()? };
        self.symbols.get(i).copied()
    }

    /// Calls `f` for every series in file order; gives the offset where reading had to stop before the end.
    pub fn series(&self, mut f: impl FnMut(Entry<'a>)) -> Option<usize> {
        let (mut at, to) = self.series;
        while at < to {
            at = at.next_multiple_of(16);
            let Some(mut c) = Cursor::at(self.bytes, at) else { break };
            let left = c.rest().len();
            let Some(len) = c.uvarint().and_then(|n| usize::try_from(n).ok()) else { return (at < to).then_some(at) };
            if len == 0 {
                // Padding at the end of the section.
                break;
            }
            let body = at + left - c.rest().len();
            let Some(content) = c.take(len) else { return Some(at) };
            let Some(entry) = self.entry(at, content, sealed(self.bytes, body, len) == Some(true)) else { return Some(at) };
            f(entry);
            at = body.saturating_add(len).saturating_add(4);
        }
        None
    }

    fn entry(&self, offset: usize, content: &'a [u8], sealed: bool) -> Option<Entry<'a>> {
        let mut c = Cursor::new(content);
        let n = usize::try_from(c.uvarint()?).ok()?;
        let mut labels = Vec::with_capacity(n.min(content.len() / 2));
        for _ in 0..n {
            let (name, value) = (c.uvarint()?, c.uvarint()?);
            labels.push((self.symbol(name)?, self.symbol(value)?));
        }
        let n = usize::try_from(c.uvarint()?).ok()?;
        let mut chunks = Vec::with_capacity(n.min(content.len() / 3));
        let mut reference = 0i64;
        for i in 0..n {
            // Time ranges are in the chunks themselves.
            if i == 0 {
                c.varint()?;
                c.uvarint()?;
                reference = c.uvarint()? as i64;
            } else {
                c.uvarint()?;
                c.uvarint()?;
                reference = reference.wrapping_add(c.varint()?);
            }
            chunks.push(ChunkRef { segment: (reference >> 32) as u32 as usize, offset: (reference & 0xffff_ffff) as usize });
        }
        Some(Entry { offset, labels, chunks, sealed })
    }
}
