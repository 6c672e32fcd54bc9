//! Snappy's block format, as far as WAL records use it. Spec: google/snappy, format_description.txt.

use super::cursor::Cursor;

/// A WAL record is at most a page's worth of fragments many times over; larger claims are refused.
const MOST: usize = 256 << 20;

pub fn decompress(data: &[u8]) -> Option<Vec<u8>> {
    let mut c = Cursor::new(data);
    let len = usize::try_from(c.uvarint()?).ok()?;
    // One byte of input makes at most 64 bytes of output.
    if len > MOST || len > data.len().saturating_mul(64) {
        return None;
    }
    let mut out: Vec<u8> = Vec::with_capacity(len);
    while let Some(tag) = c.u8() {
        let (size, back) = match tag & 3 {
            0 => {
                let n = match tag >> 2 {
                    n @ 0..=59 => usize::from(n),
                    n => little(c.take(usize::from(n - 59))?),
                };
                out.extend_from_slice(c.take(n.checked_add(1)?)?);
                continue;
            }
            1 => (usize::from(tag >> 2 & 7) + 4, usize::from(tag >> 5) << 8 | usize::from(c.u8()?)),
            2 => (usize::from(tag >> 2) + 1, little(c.take(2)?)),
            _ => (usize::from(tag >> 2) + 1, little(c.take(4)?)),
        };
        let from = out.len().checked_sub(back).filter(|_| back > 0)?;
        if out.len() + size > len {
            return None;
        }
        for i in 0..size {
            let b = *out.get(from + i)?;
            out.push(b);
        }
    }
    (out.len() == len).then_some(out)
}

fn little(b: &[u8]) -> usize {
    b.iter().rev().fold(0, |v, &b| v << 8 | usize::from(b))
}

#[cfg(test)]
mod tests {
    #[test]
    fn literals_and_overlapping_copies() {
        // "abc" literal, then 9 bytes copied from 3 back.
        assert_eq!(super::decompress(&[12, 2 << 2, b'a', b'b', b'c', (5 << 2) | 1, 3]).as_deref(), Some(&b"abcabcabcabc"[..]));
        assert_eq!(super::decompress(&[12, 2 << 2, b'a', b'b', b'c', (5 << 2) | 1, 9]), None);
    }
}
