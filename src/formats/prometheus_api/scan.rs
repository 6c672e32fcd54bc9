//! A forward scanner over JSON text: one block in memory, no tree, no recursion, nothing allocated per value.
//! It checks only as much syntax as it needs to keep its place; what it cannot follow ends the scan.

use std::io::{self, Read};

/// Stays within a core's second-level cache beside the samples of a series.
const BLOCK: usize = 256 << 10;
/// Bytes that a window holds unless the input ends: more than any sample that Prometheus writes, and an excerpt whole.
pub const WINDOW: usize = 256;
/// Longest string kept; the rest of a longer one is dropped.
const STRING_MAX: usize = 64 << 10;

/// Why the scan stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The text ended within a value.
    Cut,
    /// Something else than expected stands here.
    Syntax,
}

pub struct Scan<'r> {
    reader: Box<dyn Read + Send + 'r>,
    buf: Vec<u8>,
    pos: usize,
    end: usize,
    base: u64,
    eof: bool,
    pub failed: Option<io::Error>,
}

impl<'r> Scan<'r> {
    /// A scan of what `reader` gives, whose first byte is the artifact's at `base`.
    pub fn new(reader: Box<dyn Read + Send + 'r>, base: u64) -> Self {
        Scan { reader, buf: vec![0; BLOCK], pos: 0, end: 0, base, eof: false, failed: None }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// What is at hand from here: at least [`WINDOW`] bytes unless the input ends before.
    #[inline(always)]
    pub fn window(&mut self) -> &[u8] {
        if self.end - self.pos < WINDOW && !self.eof {
            self.fill();
        }
        self.buf.get(self.pos..self.end).unwrap_or(&[])
    }

    #[inline(always)]
    pub fn advance(&mut self, n: usize) {
        self.pos = (self.pos + n).min(self.end);
    }

    #[cold]
    fn fill(&mut self) {
        self.buf.copy_within(self.pos..self.end, 0);
        self.base += self.pos as u64;
        self.end -= self.pos;
        self.pos = 0;
        while self.end < self.buf.len() && !self.eof {
            match self.reader.read(self.buf.get_mut(self.end..).unwrap_or(&mut [])) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.failed = Some(e);
                    self.eof = true;
                }
            }
            if self.end >= WINDOW {
                break;
            }
        }
    }

    /// The next byte that is not white space, not consumed.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let w = self.window();
            if w.is_empty() {
                return None;
            }
            match w.iter().position(|b| !b.is_ascii_whitespace()) {
                Some(n) => {
                    self.pos += n;
                    return self.buf.get(self.pos).copied();
                }
                None => self.pos = self.end,
            }
        }
    }

    /// Consumes `want` if it comes next.
    #[inline]
    pub fn eat(&mut self, want: u8) -> bool {
        let found = self.peek() == Some(want);
        if found {
            self.advance(1);
        }
        found
    }

    pub fn expect(&mut self, want: u8) -> Result<(), Stop> {
        match self.peek() {
            Some(b) if b == want => {
                self.advance(1);
                Ok(())
            }
            Some(_) => Err(Stop::Syntax),
            None => Err(Stop::Cut),
        }
    }

    /// Reads a string, its escapes resolved, into `out`.
    pub fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        out.clear();
        self.expect(b'"')?;
        loop {
            let w = self.window();
            if w.is_empty() {
                return Err(Stop::Cut);
            }
            let n = memchr::memchr2(b'"', b'\\', w).unwrap_or(w.len());
            if out.len() < STRING_MAX {
                out.extend_from_slice(w.get(..n).unwrap_or(&[]));
            }
            let what = w.get(n).copied();
            self.advance(n);
            match what {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(());
                }
                Some(_) => self.escape(out)?,
                None => {}
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Stop> {
        let w = self.window();
        let c = *w.get(1).ok_or(Stop::Cut)?;
        let mut used = 2;
        let plain = match c {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let unit = |from: usize| {
                    let hex = w.get(from..from + 4)?;
                    u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
                };
                let mut code = unit(2).ok_or(if w.len() < 6 { Stop::Cut } else { Stop::Syntax })?;
                used = 6;
                if (0xd800..0xdc00).contains(&code)
                    && w.get(6..8) == Some(b"\\u")
                    && let Some(low) = unit(8).filter(|l| (0xdc00..0xe000).contains(l))
                {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    used = 12;
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            other => other as char,
        };
        self.advance(used);
        if out.len() < STRING_MAX {
            out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }

    /// Skips one value of any kind.
    pub fn skip(&mut self) -> Result<(), Stop> {
        let mut depth = 0u64;
        loop {
            match self.peek().ok_or(Stop::Cut)? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.advance(1);
                    continue;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.advance(1);
                }
                b',' | b':' if depth > 0 => {
                    self.advance(1);
                    continue;
                }
                b'}' | b']' | b',' | b':' => return Err(Stop::Syntax),
                _ => self.skip_word()?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_string(&mut self) -> Result<(), Stop> {
        self.advance(1);
        loop {
            let w = self.window();
            if w.is_empty() {
                return Err(Stop::Cut);
            }
            match memchr::memchr2(b'"', b'\\', w) {
                Some(n) if w.get(n) == Some(&b'"') => {
                    self.advance(n + 1);
                    return Ok(());
                }
                Some(n) => {
                    let whole = n + 2 <= w.len();
                    self.advance(n);
                    if whole {
                        self.advance(2);
                    } else if self.window().len() < 2 {
                        return Err(Stop::Cut);
                    }
                }
                None => {
                    let n = w.len();
                    self.advance(n);
                }
            }
        }
    }

    /// Skips a number, `true`, `false` or `null`.
    pub fn skip_word(&mut self) -> Result<(), Stop> {
        let w = self.window();
        let n = w.iter().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' | b'_')).count();
        let cut = n == w.len();
        self.advance(n);
        match (n, cut) {
            (0, _) => Err(Stop::Syntax),
            (_, true) => Err(Stop::Cut),
            _ => Ok(()),
        }
    }
}
