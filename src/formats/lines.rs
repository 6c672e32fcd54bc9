//! Byte lines with their offset and number, from a slice or a stream, in bounded memory.

use memchr::memchr;
use std::io::{self, Read};

/// One line without its line end (`\n` or `\r\n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub text: &'a [u8],
    /// Byte offset of the line's first byte.
    pub offset: u64,
    /// Line number from 1.
    pub number: u32,
    /// The line ended with `\n`; the last line of a cut file does not.
    pub ended: bool,
}

impl Line<'_> {
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.text)
    }
}

/// Iterates over the lines of a slice.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let (mut pos, mut number) = (0usize, 0u32);
    std::iter::from_fn(move || {
        let rest = bytes.get(pos..).filter(|r| !r.is_empty())?;
        let (text, ended, step) = match memchr(b'\n', rest) {
            Some(n) => (rest.get(..n).unwrap_or(rest), true, n + 1),
            None => (rest, false, rest.len()),
        };
        number = number.saturating_add(1);
        let line = Line { text: text.strip_suffix(b"\r").unwrap_or(text), offset: pos as u64, number, ended };
        pos += step;
        Some(line)
    })
}

/// Longest line handed on by [`for_each_line`]; the rest of a longer one is skipped.
pub const LINE_MAX: usize = 4 << 20;

/// Calls `f` for every line of a stream, holding one block (or one long line) at a time.
pub fn for_each_line(reader: impl Read, f: impl FnMut(Line<'_>)) -> io::Result<()> {
    for_each_line_from(reader, 0, f).1
}

/// The same for a stream whose first byte stands at `base`; lines are counted from 1 all the same. Tells how many there were.
pub fn for_each_line_from(mut reader: impl Read, mut base: u64, mut f: impl FnMut(Line<'_>)) -> (u32, io::Result<()>) {
    let mut buf = vec![0u8; 256 << 10];
    let (mut start, mut end, mut number) = (0usize, 0usize, 0u32);
    let mut skipping = false;
    loop {
        while let Some(n) = memchr(b'\n', buf.get(start..end).unwrap_or(&[])) {
            let text = buf.get(start..start + n).unwrap_or(&[]);
            number = number.saturating_add(1);
            if !skipping {
                f(Line { text: text.strip_suffix(b"\r").unwrap_or(text), offset: base + start as u64, number, ended: true });
            }
            skipping = false;
            start += n + 1;
        }
        if start > 0 {
            buf.copy_within(start..end, 0);
            base += start as u64;
            end -= start;
            start = 0;
        }
        if end == buf.len() {
            if end >= LINE_MAX {
                if !skipping {
                    f(Line { text: &buf, offset: base, number: number.saturating_add(1), ended: false });
                }
                skipping = true;
                base += end as u64;
                end = 0;
            } else {
                buf.resize(buf.len() * 2, 0);
            }
        }
        let got = match reader.read(buf.get_mut(end..).unwrap_or(&mut [])) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                finish(buf.get(..end).unwrap_or(&[]), base, number, skipping, &mut f);
                return (number, Err(e));
            }
        };
        if got == 0 {
            finish(buf.get(..end).unwrap_or(&[]), base, number, skipping, &mut f);
            return (number, Ok(()));
        }
        end += got;
    }
}

/// Hands on what stands after the last line end.
fn finish(rest: &[u8], base: u64, number: u32, skipping: bool, f: &mut impl FnMut(Line<'_>)) {
    if !rest.is_empty() && !skipping {
        f(Line { text: rest.strip_suffix(b"\r").unwrap_or(rest), offset: base, number: number.saturating_add(1), ended: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_and_stream_give_the_same_lines() {
        let text: Vec<u8> =
            (0..2000).flat_map(|i| format!("line {i} {}\r\n", "x".repeat(i % 700)).into_bytes()).chain(*b"last, cut").collect();
        let mut streamed = Vec::new();
        let read = for_each_line(&text[..], |l| streamed.push((l.text.to_vec(), l.offset, l.number, l.ended)));
        assert!(read.is_ok());
        let sliced: Vec<_> = lines(&text).map(|l| (l.text.to_vec(), l.offset, l.number, l.ended)).collect();
        assert_eq!(streamed, sliced);
        assert_eq!(sliced.last().map(|l| l.3), Some(false));
    }
}
