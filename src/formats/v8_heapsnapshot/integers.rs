//! Flat integer arrays into columns, on all threads: a block is cut at row borders (commas are counted, so it does not
//! matter how the producer breaks lines) and the parts are parsed side by side into disjoint slices.
//! `.heaptimeline` files of newer V8 have no line ends at all, so cutting at lines would not do.

use super::header::MAX_FIELDS;
use super::reader::Stream;

/// Bytes that one task parses; smaller parts cost more in counting than they win.
const PART: usize = 256 << 10;

/// A value that does not go into a column, or does not fit: (row, which field by the section's numbering, value).
pub type Odd = (u32, u8, u64);

/// A stretch of rows lent for filling.
pub trait Rows: Sized + Send {
    /// The first `rows` rows, and the others.
    fn split(self, rows: usize) -> (Self, Self);
    fn put(&mut self, row: usize, fields: &[u64; MAX_FIELDS], odd: &mut Vec<Odd>);
}

/// Columns that grow by rows.
pub trait Section {
    type Part<'a>: Rows
    where
        Self: 'a;
    /// Integers per row.
    fn stride(&self) -> usize;
    fn rows(&self) -> usize;
    /// Makes room for more rows and lends it; `None` when there is no memory or no number left for them.
    fn room(&mut self, rows: usize) -> Option<Self::Part<'_>>;
    /// Drops all rows from `rows` on.
    fn cut(&mut self, rows: usize);
    /// Takes what did not go into columns; rows count from the section's start.
    fn odd(&mut self, odd: Vec<Odd>);
}

/// Where a section ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// At its closing bracket, all rows whole.
    Whole,
    /// The file ended.
    Cut,
    /// Something that is no row of integers stands near this offset.
    Damaged(u64),
}

/// Reads the rest of an array whose `[` is consumed. Whole rows before an early end are kept.
pub fn read<S: Section>(stream: &mut Stream<'_>, section: &mut S) -> End {
    let stride = section.stride().max(1);
    let mut seen = None;
    loop {
        let rest = stream.rest();
        let Seen { close, commas } = seen.unwrap_or_else(|| Seen::in_bytes(rest));
        let body = rest.get(..close.unwrap_or(rest.len())).unwrap_or(rest);
        let (take, rows) = match close {
            Some(_) => (body.len(), (commas + 1).div_ceil(stride)),
            None => whole_rows(body, commas, stride),
        };
        let offset = stream.offset();
        let first = section.rows();
        // The last row of a closed array counts one comma less; an array that begins with a comma (each row's line does in
        // V8's own files) one more: the parse itself says how many rows there really were.
        let left = rest.len() - take;
        let (out, next) = if rows == 0 {
            stream.with_next_block(take, |_| Out::default(), Seen::in_bytes)
        } else {
            let Some(part) = section.room(rows) else { return End::Damaged(offset) };
            stream.with_next_block(take, |bytes| parse(bytes, rows, stride, part), Seen::in_bytes)
        };
        section.cut(first + out.rows);
        let base = first as u32;
        section.odd(out.odd.into_iter().map(|(r, f, v)| (base + r, f, v)).collect());
        if let Some(at) = out.bad {
            return End::Damaged(offset + at as u64);
        }
        if close.is_some() {
            stream.bump();
            return End::Whole;
        }
        let Some(block) = next else {
            return if stream.rest().len() > (64 << 10) { End::Damaged(stream.offset()) } else { End::Cut };
        };
        seen = Some(block.behind(stream.rest().get(..left).unwrap_or(&[])));
    }
}

/// What cutting a block needs to know of it. Found while the block before is parsed (measured: found in between, it takes a
/// tenth of the time of reading, in which all threads but one wait).
#[derive(Clone, Copy)]
struct Seen {
    close: Option<usize>,
    /// Before the closing bracket, if there is one.
    commas: usize,
}

impl Seen {
    fn in_bytes(bytes: &[u8]) -> Self {
        let close = memchr::memchr(b']', bytes);
        let body = bytes.get(..close.unwrap_or(bytes.len())).unwrap_or(bytes);
        Seen { close, commas: commas(body) }
    }

    /// As seen with `tail`, which has no bracket, before it.
    fn behind(self, tail: &[u8]) -> Self {
        Seen { close: self.close.map(|at| at + tail.len()), commas: self.commas + commas(tail) }
    }
}

fn commas(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b',', bytes).count()
}

/// The longest front of `body` that ends with the comma after a whole row, and its rows.
fn whole_rows(body: &[u8], commas: usize, stride: usize) -> (usize, usize) {
    let (rows, over) = (commas / stride, commas % stride);
    if rows == 0 {
        return (0, 0);
    }
    let mut end = body.len();
    for _ in 0..=over {
        end = memchr::memrchr(b',', body.get(..end).unwrap_or(body)).unwrap_or(0);
    }
    (end + 1, rows)
}

#[derive(Default)]
struct Out {
    rows: usize,
    odd: Vec<Odd>,
    /// Offset within the part.
    bad: Option<usize>,
}

fn parse<R: Rows>(bytes: &[u8], rows: usize, stride: usize, part: R) -> Out {
    if bytes.len() > PART && rows > 1 {
        let half = bytes.get(..bytes.len() / 2).unwrap_or(bytes);
        let (cut, left) = whole_rows(half, commas(half), stride);
        if let Some((a, b)) = bytes.split_at_checked(cut).filter(|_| left > 0 && left < rows) {
            let (l, r) = part.split(left);
            let (mut l, r) = rayon::join(|| parse(a, left, stride, l), || parse(b, rows - left, stride, r));
            // Fewer numbers than commas: what is to the right would stand in other rows than it says.
            if l.bad.is_none() && l.rows < left {
                l.bad = Some(cut);
            }
            if l.bad.is_none() {
                let at = l.rows as u32;
                l.odd.extend(r.odd.into_iter().map(|(row, f, v)| (at + row, f, v)));
                l.rows += r.rows;
                l.bad = r.bad.map(|b| b + cut);
            }
            return l;
        }
    }
    // The strides that V8 has had are known when compiled: every field has its own code, and its own guesses at branches.
    match stride {
        3 => rows_of::<R, 3>(bytes, rows, part),
        4 => rows_of::<R, 4>(bytes, rows, part),
        6 => rows_of::<R, 6>(bytes, rows, part),
        7 => rows_of::<R, 7>(bytes, rows, part),
        _ => any_rows(bytes, rows, stride, part),
    }
}

/// As [`any_rows`], with each row first tried as V8 itself writes it.
fn rows_of<R: Rows, const STRIDE: usize>(bytes: &[u8], rows: usize, mut part: R) -> Out {
    let mut out = Out::default();
    let mut fields = [0u64; MAX_FIELDS];
    let mut at = 0;
    while out.rows < rows {
        // Room for a row of numbers of eight digits: one look at the bounds for all its fields.
        let window = bytes.get(at..).and_then(|rest| rest.get(..STRIDE * 10));
        match window.and_then(|w| usual::<STRIDE>(w, &mut fields)) {
            Some(len) => at += len,
            None => {
                if let Err(bad) = unusual(bytes, &mut at, STRIDE, &mut fields) {
                    out.bad = bad;
                    return out;
                }
            }
        }
        part.put(out.rows, &fields, &mut out.odd);
        out.rows += 1;
    }
    out
}

fn any_rows<R: Rows>(bytes: &[u8], rows: usize, stride: usize, mut part: R) -> Out {
    let mut out = Out::default();
    let mut fields = [0u64; MAX_FIELDS];
    let mut at = 0;
    while out.rows < rows {
        if let Err(bad) = unusual(bytes, &mut at, stride, &mut fields) {
            out.bad = bad;
            return out;
        }
        part.put(out.rows, &fields, &mut out.odd);
        out.rows += 1;
    }
    out
}

/// A row however it is written. The error tells where damage is: nothing but separators left is the end, no damage.
fn unusual(bytes: &[u8], at: &mut usize, stride: usize, fields: &mut [u64; MAX_FIELDS]) -> Result<(), Option<usize>> {
    for (k, slot) in fields.iter_mut().take(stride).enumerate() {
        *slot = integer(bytes, at).ok_or_else(|| (*at < bytes.len() || k > 0).then_some(*at))?;
    }
    // The next row begins with a digit.
    let gap = bytes.get(*at..).unwrap_or(&[]).iter().position(|b| !separates(*b));
    *at = gap.map_or(bytes.len(), |n| *at + n);
    Ok(())
}

/// A row as V8 writes it: numbers of up to eight digits, one comma between them, behind the last a line end and a comma or
/// just a comma. Gives its length. Most numbers have one digit (a kind, a count), which a look at the byte behind it tells;
/// for the others eight bytes are looked at together, for lengths vary at random and a branch per digit is guessed wrong once
/// a number (measured: 1.7 times as fast as without this, and that twice as fast as digit by digit).
#[inline(always)]
fn usual<const STRIDE: usize>(window: &[u8], fields: &mut [u64; MAX_FIELDS]) -> Option<usize> {
    let mut i = 0;
    for (k, slot) in fields.iter_mut().take(STRIDE).enumerate() {
        let word = u64::from_le_bytes(*window.get(i..)?.first_chunk::<8>()?);
        let digits = word ^ 0x3030_3030_3030_3030;
        let behind = word >> 8 & 0xff;
        let (value, len) = if behind == u64::from(b',') || behind == u64::from(b'\n') && k + 1 == STRIDE {
            (Some(digits & 0xff).filter(|d| *d < 10)?, 1)
        } else {
            // Digits have the bit 0x10, separators do not. No digit at all would shift by 64.
            let n = (!word & 0x1010_1010_1010_1010).trailing_zeros() / 8;
            let digits = digits.checked_shl(64 - 8 * n)?;
            // The high bit of each byte that is no digit; zeros came in front.
            if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
                return None;
            }
            (eight_digits(digits), n as usize)
        };
        *slot = value;
        i += len;
        i += match (window.get(i)?, k + 1 == STRIDE) {
            (b',', _) => 1,
            (b'\n', true) if window.get(i + 1) == Some(&b',') => 2,
            _ => return None,
        };
    }
    Some(i)
}

fn separates(b: u8) -> bool {
    matches!(b, b',' | b'\n' | b' ' | b'\r' | b'\t')
}

/// The next integer at or after `at`, past separators. Values wrap past 20 digits: no counter in a heap is that long.
fn integer(bytes: &[u8], at: &mut usize) -> Option<u64> {
    while separates(*bytes.get(*at)?) {
        *at += 1;
    }
    let rest = bytes.get(*at..)?;
    let len = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    *at += len;
    let digits = rest.get(..len).filter(|d| !d.is_empty())?;
    Some(digits.iter().fold(0u64, |v, b| v.wrapping_mul(10).wrapping_add(u64::from(b - b'0'))))
}

/// The number that eight digits are, the first in the lowest byte: neighbours are joined to pairs, fours, eights.
#[inline(always)]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(Vec<[u64; 2]>);
    struct Part<'a>(&'a mut [[u64; 2]]);

    impl Rows for Part<'_> {
        fn split(self, rows: usize) -> (Self, Self) {
            let (a, b) = self.0.split_at_mut(rows);
            (Part(a), Part(b))
        }

        fn put(&mut self, row: usize, f: &[u64; MAX_FIELDS], _: &mut Vec<Odd>) {
            self.0[row] = [f[0], f[1]];
        }
    }

    impl Section for Pairs {
        type Part<'a> = Part<'a>;

        fn stride(&self) -> usize {
            2
        }

        fn rows(&self) -> usize {
            self.0.len()
        }

        fn room(&mut self, rows: usize) -> Option<Part<'_>> {
            let at = self.0.len();
            self.0.resize(at + rows, [0; 2]);
            Some(Part(&mut self.0[at..]))
        }

        fn cut(&mut self, rows: usize) {
            self.0.truncate(rows);
        }

        fn odd(&mut self, _: Vec<Odd>) {}
    }

    fn pairs(text: &str) -> (Vec<[u64; 2]>, End) {
        let mut s = Pairs(Vec::new());
        let end = read(&mut Stream::new(Box::new(text.as_bytes())), &mut s);
        (s.0, end)
    }

    #[test]
    fn rows_come_out_whole_however_the_text_is_cut() {
        assert_eq!(pairs("1,2\n,3,4\n]"), (vec![[1, 2], [3, 4]], End::Whole));
        assert_eq!(pairs("]"), (vec![], End::Whole));
        assert_eq!(pairs("1,2,3,4,5"), (vec![[1, 2], [3, 4]], End::Cut));
        assert_eq!(pairs("1,2,x,4]"), (vec![[1, 2]], End::Damaged(4)));
        let long = [[0, 7], [12_345_678, 123_456_789], [1_234_567, u64::MAX]];
        let text: String = long.iter().map(|r| format!("{},{},", r[0], r[1])).collect();
        assert_eq!(pairs(&format!("{text}]")), (long.to_vec(), End::Whole));
        assert_eq!(pairs("1234567,12345678]"), (vec![[1_234_567, 12_345_678]], End::Whole));
        let n = 400_000u64;
        let text: String = (0..n).map(|i| format!("{i},{}\n,", i * 7)).collect::<String>() + "9,9]";
        let (rows, end) = pairs(&text);
        assert_eq!((rows.len() as u64, end), (n + 1, End::Whole));
        assert!((0..n).all(|i| rows[i as usize] == [i, i * 7]));
    }
}
