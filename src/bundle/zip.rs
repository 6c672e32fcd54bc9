//! zip: the central directory first; where it is missing or broken, the local headers one after the other.
//! Spec: PKWARE APPNOTE 6.3.10, zip64 included. Members are described here and read in place by [`super::Content`];
//! the lengths that an archive states are believed only as far as its bytes bear them out.

use super::blob::Blob;
use flate2::bufread::DeflateDecoder;
use std::io::{self, BufReader, Read};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64_LOCATOR: &[u8] = b"PK\x06\x07";
const END64: &[u8] = b"PK\x06\x06";
/// Longest central directory that is read, in bytes: over a million members with long names.
const DIRECTORY_MAX: u64 = 256 << 20;
/// The end record with the longest comment.
const TAIL: u64 = 22 + 65_535;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Stored,
    Deflate,
    Zstd,
    Xz,
    Other(u16),
}

#[derive(Debug, Clone)]
pub struct Member {
    /// As written, lossily decoded.
    pub path: String,
    pub method: Method,
    pub encrypted: bool,
    pub link: bool,
    pub directory: bool,
    /// Packed bytes in the archive.
    pub packed: u64,
    /// Unpacked length as stated; `None` in a salvaged member whose header does not state it.
    pub len: Option<u64>,
    pub crc: u32,
    /// Offset of the local header.
    pub header: u64,
    /// Offset of the packed bytes; `None` when the local header is not where the directory says.
    pub data: Option<u64>,
}

/// What a zip archive holds.
#[derive(Debug, Default)]
pub struct Directory {
    pub members: Vec<Member>,
    /// The central directory could not be used; members were found by their local headers.
    pub salvaged: bool,
    /// Members beyond the limit, not listed.
    pub dropped: u64,
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
    }
    fn u32(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
    fn u64(&self, at: usize) -> u64 {
        self.0.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }
}

/// Lists the members of `blob`, at most `max` of them.
pub fn directory(blob: &Blob, max: usize) -> io::Result<Directory> {
    if let Some(d) = central(blob, max)? {
        return Ok(d);
    }
    salvage(blob, max)
}

/// Reads the central directory; `None` when there is none that makes sense.
fn central(blob: &Blob, max: usize) -> io::Result<Option<Directory>> {
    let tail_at = blob.len().saturating_sub(TAIL);
    let mut tail = vec![0u8; (blob.len() - tail_at) as usize];
    let got = blob.read_at(tail_at, &mut tail)?;
    tail.truncate(got);
    let Some(end) = memchr::memmem::rfind(&tail, END) else { return Ok(None) };
    let f = Fields(tail.get(end..).unwrap_or(&[]));
    if f.0.len() < 22 {
        return Ok(None);
    }
    let (mut entries, mut size, mut offset) = (u64::from(f.u16(10)), u64::from(f.u32(12)), u64::from(f.u32(16)));
    let mut directory_end = tail_at + end as u64;
    if let Some(locator) = end.checked_sub(20).and_then(|l| tail.get(l..end)).filter(|l| l.starts_with(END64_LOCATOR)) {
        let at = Fields(locator).u64(8);
        let mut rec = [0u8; 56];
        if blob.read_at(at, &mut rec)? == 56 && rec.starts_with(END64) {
            let f = Fields(&rec);
            (entries, size, offset) = (f.u64(32), f.u64(40), f.u64(48));
            directory_end = at;
        }
    }
    // Something may stand before the archive (a self-extractor's stub): offsets then count from the archive's start.
    let Some(start) = directory_end.checked_sub(size) else { return Ok(None) };
    let Some(base) = start.checked_sub(offset) else { return Ok(None) };
    if entries == 0 {
        return Ok(Some(Directory::default()));
    }
    // 46 bytes is the least a member takes, so the buffer is bounded by what is there.
    let keep = size.min(DIRECTORY_MAX);
    let Ok(keep) = usize::try_from(keep) else { return Ok(None) };
    let mut bytes = vec![0u8; keep];
    let got = blob.read_at(start, &mut bytes)?;
    bytes.truncate(got);
    let mut out = Directory::default();
    let mut rest = bytes.as_slice();
    while rest.starts_with(CENTRAL) && rest.len() >= 46 {
        let f = Fields(rest);
        let (name_len, extra_len, comment_len) = (f.u16(28) as usize, f.u16(30) as usize, f.u16(32) as usize);
        let Some(name) = rest.get(46..46 + name_len) else { break };
        let extra = rest.get(46 + name_len..46 + name_len + extra_len).unwrap_or(&[]);
        let (mut len, mut packed, mut header) = (u64::from(f.u32(24)), u64::from(f.u32(20)), u64::from(f.u32(42)));
        zip64(extra, &mut len, &mut packed, Some(&mut header));
        let made_by_unix = matches!(f.u16(4) >> 8, 3 | 19);
        let link = made_by_unix && (f.u32(38) >> 16) & 0o170_000 == 0o120_000;
        if out.members.len() >= max {
            out.dropped = entries.saturating_sub(out.members.len() as u64).max(1);
            break;
        }
        out.members.push(member(name, f.u16(10), f.u16(8), len.into(), packed, f.u32(16), base.saturating_add(header), link));
        rest = rest.get(46 + name_len + extra_len + comment_len..).unwrap_or(&[]);
    }
    if out.members.is_empty() {
        return Ok(None);
    }
    for m in &mut out.members {
        let mut local = [0u8; 30];
        if blob.read_at(m.header, &mut local)? == 30 && local.starts_with(LOCAL) {
            let f = Fields(&local);
            m.data = Some(m.header + 30 + u64::from(f.u16(26)) + u64::from(f.u16(28)));
        }
    }
    Ok(Some(out))
}

#[allow(clippy::too_many_arguments)]
fn member(name: &[u8], method: u16, flags: u16, len: Option<u64>, packed: u64, crc: u32, header: u64, link: bool) -> Member {
    let path = String::from_utf8_lossy(name).replace('\\', "/");
    Member {
        directory: path.ends_with('/'),
        path,
        method: match method {
            0 => Method::Stored,
            8 => Method::Deflate,
            93 => Method::Zstd,
            95 => Method::Xz,
            m => Method::Other(m),
        },
        encrypted: flags & 1 != 0,
        link,
        packed,
        len,
        crc,
        header,
        data: None,
    }
}

/// Takes 64-bit values from the extra field for those that are all ones.
fn zip64(extra: &[u8], len: &mut u64, packed: &mut u64, header: Option<&mut u64>) {
    let mut rest = extra;
    while rest.len() >= 4 {
        let f = Fields(rest);
        let size = f.u16(2) as usize;
        let Some(body) = rest.get(4..4 + size) else { return };
        if f.u16(0) == 1 {
            let mut at = 0;
            for v in [Some(len), Some(packed), header].into_iter().flatten() {
                if *v == u64::from(u32::MAX) && at + 8 <= body.len() {
                    *v = Fields(body).u64(at);
                    at += 8;
                }
            }
            return;
        }
        rest = rest.get(4 + size..).unwrap_or(&[]);
    }
}

/// Finds members by their local headers: an archive cut short has lost its directory, which stands at the end.
fn salvage(blob: &Blob, max: usize) -> io::Result<Directory> {
    let mut out = Directory { salvaged: true, ..Directory::default() };
    let mut at = 0u64;
    let mut header = vec![0u8; 30];
    loop {
        header.resize(30, 0);
        if blob.read_at(at, &mut header)? < 30 || !header.starts_with(LOCAL) {
            return Ok(out);
        }
        if out.members.len() >= max {
            out.dropped += 1;
            return Ok(out);
        }
        let f = Fields(&header);
        let (flags, method, crc) = (f.u16(6), f.u16(8), f.u32(14));
        let (mut packed, mut len) = (u64::from(f.u32(18)), u64::from(f.u32(22)));
        let (name_len, extra_len) = (f.u16(26) as usize, f.u16(28) as usize);
        let mut names = vec![0u8; name_len + extra_len];
        if blob.read_at(at + 30, &mut names)? < names.len() {
            return Ok(out);
        }
        zip64(names.get(name_len..).unwrap_or(&[]), &mut len, &mut packed, None);
        let data = at + 30 + (name_len + extra_len) as u64;
        let streamed = flags & 8 != 0 && packed == 0;
        let stated = !streamed;
        if streamed {
            // The lengths stand behind the data: only the deflate stream itself tells where it ends.
            if method != 8 {
                return Ok(out);
            }
            packed = deflate_len(&blob.slice(data, u64::MAX))?;
        }
        let mut m = member(names.get(..name_len).unwrap_or(&[]), method, flags, stated.then_some(len), packed, crc, at, false);
        m.data = Some(data);
        out.members.push(m);
        at = data.saturating_add(packed);
        if flags & 8 != 0 {
            // Data descriptor: optional signature, checksum, two lengths of 4 or 8 bytes; look for the next header.
            let mut behind = [0u8; 28];
            let got = blob.read_at(at, &mut behind)?;
            at += memchr::memmem::find(behind.get(..got).unwrap_or(&[]), b"PK\x03\x04").unwrap_or(got) as u64;
        }
    }
}

/// Packed length of the deflate stream at the start of `blob`; all of it when the stream is cut.
fn deflate_len(blob: &Blob) -> io::Result<u64> {
    let mut decoder = DeflateDecoder::new(BufReader::with_capacity(64 << 10, blob.reader()?));
    let mut sink = [0u8; 16 << 10];
    loop {
        match decoder.read(&mut sink) {
            Ok(0) => return Ok(decoder.total_in()),
            Ok(_) => {}
            Err(_) => return Ok(blob.len()),
        }
    }
}
