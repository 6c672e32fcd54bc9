//! Protocol buffer wire format, read in place: varints, and the fields of a message that arrives as a stream.
//!
//! Spec: protobuf.dev/programming-guides/encoding. Groups are refused (nobody writes them and pprof refuses them too);
//! fields of unknown number are the caller's to skip. Allocation follows the bytes that have arrived, never a length read.

use std::io::{self, Read};

/// Reads one varint at the start of `b`; `None` when it is cut off or longer than ten bytes.
#[inline]
pub fn varint(b: &[u8]) -> Option<(u64, &[u8])> {
    // One to three bytes cover nearly all ids of a real profile.
    match b {
        [a, rest @ ..] if *a < 0x80 => Some((u64::from(*a), rest)),
        [a, b, rest @ ..] if *b < 0x80 => Some((u64::from(a & 0x7f) | u64::from(*b) << 7, rest)),
        [a, b, c, rest @ ..] if *c < 0x80 => Some((u64::from(a & 0x7f) | u64::from(b & 0x7f) << 7 | u64::from(*c) << 14, rest)),
        _ => long_varint(b),
    }
}

fn long_varint(b: &[u8]) -> Option<(u64, &[u8])> {
    let mut v = 0u64;
    for (i, &x) in b.iter().take(10).enumerate() {
        v |= u64::from(x & 0x7f).checked_shl(7 * i as u32).unwrap_or(0);
        if x < 0x80 {
            return Some((v, b.get(i + 1..).unwrap_or(&[])));
        }
    }
    None
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// 32- and 64-bit fields: profile.proto has none, so the content is not kept.
    Fixed,
}

impl<'a> Value<'a> {
    /// The number, 0 for anything else.
    pub fn number(self) -> u64 {
        if let Value::Varint(v) = self { v } else { 0 }
    }

    /// The bytes, none for anything else.
    pub fn bytes(self) -> &'a [u8] {
        if let Value::Bytes(b) = self { b } else { &[] }
    }
}

/// A message in memory, as (field number, value) pairs. Stops at the first malformed field; see [`Message::broken`].
pub struct Message<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl<'a> Message<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Message { rest: bytes, broken: false }
    }

    /// The message ended in the middle of a field or held a wire type that does not exist.
    pub fn broken(&self) -> bool {
        self.broken
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let (key, rest) = varint(self.rest)?;
        let number = u32::try_from(key >> 3).ok().filter(|n| *n > 0)?;
        let (value, rest) = match key & 7 {
            0 => varint(rest).map(|(v, rest)| (Value::Varint(v), rest))?,
            1 => (Value::Fixed, rest.get(8..)?),
            2 => {
                let (len, rest) = varint(rest)?;
                let (inside, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Value::Bytes(inside), rest)
            }
            5 => (Value::Fixed, rest.get(4..)?),
            _ => return None,
        };
        self.rest = rest;
        Some((number, value))
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = (u32, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.broken {
            return None;
        }
        let f = self.field();
        self.broken = f.is_none();
        f
    }
}

/// The bit that ends a number, where it is clear, in each of eight bytes.
const ENDS: u64 = 0x8080_8080_8080_8080;

/// A number of up to eight bytes from its bytes' lower seven bits.
#[inline]
fn joined(x: u64) -> u64 {
    let x = (x & 0x7f00_7f00_7f00_7f00) >> 1 | x & 0x007f_007f_007f_007f;
    let x = (x & 0x3fff_0000_3fff_0000) >> 2 | x & 0x0000_3fff_0000_3fff;
    (x & 0x0fff_ffff_0000_0000) >> 4 | x & 0x0fff_ffff
}

/// Calls `f` for each number of a repeated integer field, packed or not. False when the packed bytes are malformed.
#[inline]
pub fn each_number(value: Value<'_>, mut f: impl FnMut(u64)) -> bool {
    match value {
        Value::Varint(v) => f(v),
        Value::Bytes(mut b) => {
            // Two at a time from eight bytes: how long each is follows from the bits that end them, without a branch that
            // could be guessed wrong.
            while let Some((eight, _)) = b.split_first_chunk::<8>() {
                let word = u64::from_le_bytes(*eight);
                let ends = !word & ENDS;
                let later = ends & ends.wrapping_sub(1);
                if later == 0 {
                    let Some((v, rest)) = varint(b) else { return false };
                    f(v);
                    b = rest;
                    continue;
                }
                let first = ends ^ ends.wrapping_sub(1);
                f(joined(word & first));
                f(joined((word & (later ^ later.wrapping_sub(1)) & !first) >> first.count_ones()));
                b = b.get(later.trailing_zeros() as usize / 8 + 1..).unwrap_or(&[]);
            }
            while !b.is_empty() {
                let Some((v, rest)) = varint(b) else { return false };
                f(v);
                b = rest;
            }
        }
        Value::Fixed => return false,
    }
    true
}

/// Why a stream of fields ended early.
#[derive(Debug)]
pub enum Damage {
    /// The source failed: a cut or corrupt gzip stream, an unreadable file.
    Io(io::Error),
    /// The bytes ended inside a field.
    Truncated,
    /// Bytes that are no field.
    Malformed,
    /// A field longer than [`FIELD_MAX`] bytes.
    TooLong(u64),
}

/// Longest top-level field held in memory, in bytes; the biggest real ones are strings of a few kB.
pub const FIELD_MAX: u64 = 64 << 20;

/// The top-level fields of a message that is read from front to back, holding one block at a time.
pub struct Fields<R> {
    reader: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `buf[0]` in the stream.
    base: u64,
    eof: bool,
    failed: Option<io::Error>,
}

const BLOCK: usize = 256 << 10;

impl<R: Read> Fields<R> {
    pub fn new(reader: R) -> Self {
        Fields { reader, buf: Vec::new(), start: 0, end: 0, base: 0, eof: false, failed: None }
    }

    /// Byte offset of the next field.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Makes `n` bytes available from `start` if the stream has them.
    fn fill(&mut self, n: usize) {
        if self.end - self.start >= n || self.eof {
            return;
        }
        self.buf.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        while self.end < n && !self.eof {
            // Grow by what has arrived, so that a lying length cannot reserve memory.
            if self.end == self.buf.len() {
                self.buf.resize((self.buf.len() * 2).max(BLOCK), 0);
            }
            match self.reader.read(self.buf.get_mut(self.end..).unwrap_or(&mut [])) {
                Ok(0) => self.eof = true,
                Ok(got) => self.end += got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.failed = Some(e);
                    self.eof = true;
                }
            }
        }
    }

    fn have(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    fn ended(&mut self, otherwise: Damage) -> Damage {
        self.failed.take().map_or(otherwise, Damage::Io)
    }

    /// The next field; `None` at a clean end.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<(u32, Value<'_>)>, Damage> {
        // A key and a length take at most twenty bytes.
        self.fill(20);
        let have = self.have();
        if have.is_empty() {
            return self.failed.take().map_or(Ok(None), |e| Err(Damage::Io(e)));
        }
        let cut = |this: &mut Self| {
            let d = if this.end - this.start < 20 { Damage::Truncated } else { Damage::Malformed };
            this.ended(d)
        };
        let Some((key, rest)) = varint(have) else { return Err(cut(self)) };
        let Some(number) = u32::try_from(key >> 3).ok().filter(|n| *n > 0) else { return Err(Damage::Malformed) };
        let at = have.len() - rest.len();
        match key & 7 {
            0 => {
                let Some((v, rest)) = varint(rest) else { return Err(cut(self)) };
                self.start += have.len() - rest.len();
                Ok(Some((number, Value::Varint(v))))
            }
            2 => {
                let Some((len, rest)) = varint(rest) else { return Err(cut(self)) };
                let head = have.len() - rest.len();
                if len > FIELD_MAX {
                    return Err(Damage::TooLong(len));
                }
                let whole = head + len as usize;
                self.fill(whole);
                if self.end - self.start < whole {
                    return Err(self.ended(Damage::Truncated));
                }
                let from = self.start + head;
                self.start += whole;
                Ok(Some((number, Value::Bytes(self.buf.get(from..self.start).unwrap_or(&[])))))
            }
            wire @ (1 | 5) => {
                let whole = at + if wire == 1 { 8 } else { 4 };
                if have.len() < whole {
                    return Err(self.ended(Damage::Truncated));
                }
                self.start += whole;
                Ok(Some((number, Value::Fixed)))
            }
            _ => Err(Damage::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length() {
        for shift in 0..64 {
            let v = (1u64 << shift) | 1;
            let (mut b, mut x) = (Vec::new(), v);
            while x >= 0x80 {
                b.push(x as u8 | 0x80);
                x >>= 7;
            }
            b.push(x as u8);
            b.push(0xff);
            assert_eq!(varint(&b), Some((v, &b"\xff"[..])));
        }
        assert_eq!(varint(&[0x80; 11]), None);
        assert_eq!(varint(&[0x80, 0x80, 0x00]), Some((0, &b""[..])));
    }

    #[test]
    fn packed_numbers_of_all_lengths_in_any_order() {
        let mut seed = 7u64;
        let numbers: Vec<u64> = (0..5000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                seed >> (seed >> 58)
            })
            .collect();
        let mut b = Vec::new();
        for &n in &numbers {
            let mut x = n;
            while x >= 0x80 {
                b.push(x as u8 | 0x80);
                x >>= 7;
            }
            b.push(x as u8);
        }
        let read = |b: &[u8]| {
            let mut got = Vec::new();
            let ok = each_number(Value::Bytes(b), |v| got.push(v));
            (got, ok)
        };
        assert_eq!(read(&b), (numbers.clone(), true));
        b.push(0x80);
        assert_eq!(read(&b), (numbers, false));
        assert!(!read(&[0x80; 30]).1);
    }

    #[test]
    fn fields_of_a_stream_and_of_a_slice_agree() {
        let mut bytes = vec![0x0a, 2, b'h', b'i', 0x48, 0x96, 1, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4];
        let long = vec![7u8; 700_000];
        bytes.extend([0x12, 0xe0, 0xdc, 0x2a]);
        bytes.extend(&long);
        let sliced: Vec<_> = Message::new(&bytes).map(|(n, v)| (n, v.number(), v.bytes().len())).collect();
        let mut fields = Fields::new(&bytes[..]);
        let mut streamed = Vec::new();
        while let Ok(Some((n, v))) = fields.next_field() {
            streamed.push((n, v.number(), v.bytes().len()));
        }
        assert_eq!(sliced, vec![(1, 0, 2), (9, 150, 0), (2, 0, 0), (1, 0, 0), (2, 0, 700_000)]);
        assert_eq!(sliced, streamed);
        let mut cut = Fields::new(&bytes[..bytes.len() - 1]);
        let mut last = cut.next_field().map(|f| f.is_some());
        while let Ok(true) = last {
            last = cut.next_field().map(|f| f.is_some());
        }
        assert!(matches!(last, Err(Damage::Truncated)));
    }
}
