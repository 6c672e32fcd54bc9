//! The artifact as a window of bytes that moves on: opcodes look at what is left of it and say how much they used.

use super::refusal::{Refusal, Step};
use std::io::{self, Read};

/// Longest file name or identifier, in bytes.
pub const STRING_MAX: usize = 64 << 10;

pub struct Window<R> {
    reader: R,
    buf: Vec<u8>,
    pos: usize,
    end: usize,
    /// Offset of `buf[0]` in the artifact.
    base: u64,
    eof: bool,
    failed: Option<io::Error>,
}

impl<R: Read> Window<R> {
    pub fn new(reader: R) -> Self {
        Window { reader, buf: vec![0; 1 << 20], pos: 0, end: 0, base: 0, eof: false, failed: None }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.base + self.pos as u64
    }

    /// What is at hand from the next byte on.
    pub fn left(&self) -> &[u8] {
        self.buf.get(self.pos..self.end).unwrap_or(&[])
    }

    /// Goes `n` bytes on, at most to the end of what is at hand.
    pub fn skip(&mut self, n: usize) {
        self.pos = self.end.min(self.pos + n);
    }

    /// Leaves the rest unread; gives the error that ended the reading, if one did.
    pub fn close(&mut self) -> Option<io::Error> {
        self.pos = self.end;
        self.failed.take()
    }

    /// Makes `want` bytes available if there are as many; gives how many there are.
    pub fn fill(&mut self, want: usize) -> usize {
        while self.end - self.pos < want && !self.eof {
            self.buf.copy_within(self.pos..self.end, 0);
            self.base += self.pos as u64;
            self.end -= self.pos;
            self.pos = 0;
            match self.reader.read(self.buf.get_mut(self.end..).unwrap_or(&mut [])) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.eof = true;
                    self.failed = Some(e);
                }
            }
        }
        self.end - self.pos
    }

    /// A line of text after the opcode, with the bytes used; `None` when the file ends within it.
    pub fn line(&mut self, at: u64) -> Step<Option<(String, usize)>> {
        let have = self.fill(STRING_MAX);
        let rest = self.left().get(1..).unwrap_or(&[]);
        match memchr::memchr(b'\n', rest) {
            Some(n) => Ok(Some((String::from_utf8_lossy(rest.get(..n).unwrap_or(&[])).into_owned(), n + 2))),
            None if have >= STRING_MAX => Err(Refusal::bad(at, "a line of text is too long")),
            None => Ok(None),
        }
    }

    /// Two lines of text after the opcode.
    pub fn two_lines(&mut self, at: u64) -> Step<Option<(String, String, usize)>> {
        let Some((module, n)) = self.line(at)? else { return Ok(None) };
        let rest = self.left().get(n..).unwrap_or(&[]);
        Ok(memchr::memchr(b'\n', rest).map(|m| (module, String::from_utf8_lossy(rest.get(..m).unwrap_or(&[])).into_owned(), n + m + 1)))
    }
}
