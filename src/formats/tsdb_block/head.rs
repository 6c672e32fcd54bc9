//! `chunks_head/`: full chunks of the head that the server keeps in mapped files. Spec: tsdb/docs/format/head_chunks.md.

use super::crc32c::crc32c;
use super::cursor::Cursor;
use super::{HEAD_MAGIC, XOR, xor};

/// What a file of head chunks gave and lost.
#[derive(Default)]
pub struct Read {
    pub chunks: u64,
    pub checksum: u64,
    pub cut: bool,
    pub other: u64,
}

/// Calls `f` with the series reference and the samples of each chunk.
pub fn chunks(bytes: &[u8], mut f: impl FnMut(u64, &[i64], &[f64])) -> Read {
    let mut read = Read::default();
    if !bytes.starts_with(&HEAD_MAGIC) {
        return read;
    }
    let (mut times, mut values) = (Vec::new(), Vec::new());
    let mut c = Cursor::new(bytes.get(8..).unwrap_or(&[]));
    while !c.is_empty() {
        let start = c;
        let Some((series, encoding, data, sum)) = one(&mut c) else {
            // Files are laid out ahead: zeros after the last chunk are room, not a cut chunk.
            read.cut = start.rest().iter().any(|&b| b != 0);
            break;
        };
        if series == 0 && data.is_empty() {
            break;
        }
        let len = start.rest().len() - c.rest().len() - 4;
        if start.rest().get(..len).map(crc32c) != Some(sum) {
            read.checksum += 1;
            continue;
        }
        // The high bit marks out-of-order chunks; the rest is the encoding.
        if encoding & 0x7f != XOR {
            read.other += 1;
            continue;
        }
        times.clear();
        values.clear();
        if xor::decode(data, &mut times, &mut values).is_err() {
            read.checksum += 1;
        }
        read.chunks += 1;
        f(series, &times, &values);
    }
    read
}

fn one<'a>(c: &mut Cursor<'a>) -> Option<(u64, u8, &'a [u8], u32)> {
    let series = c.u64()?;
    c.take(16)?;
    let encoding = c.u8()?;
    let data = c.string()?;
    Some((series, encoding, data, c.u32()?))
}
