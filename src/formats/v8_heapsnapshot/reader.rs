//! A forward-only view of the file in blocks: what is unread, and a way to read the next block while this one is parsed.
//! Knows nothing of JSON. Refuses to hold more than two blocks.

use std::io::Read;

/// Bytes per block: big enough to share among threads, small enough to stay in cache.
const BLOCK: usize = 2 << 20;
/// Room before a block for the unread tail of the one before it.
const ROOM: usize = 64 << 10;

pub struct Stream<'a> {
    file: Box<dyn Read + Send + 'a>,
    buf: Vec<u8>,
    spare: Vec<u8>,
    at: usize,
    end: usize,
    /// Offset in the file of `buf[0]`; negative while the first block's room is unused.
    base: i64,
    pub ended: bool,
    /// Why reading stopped early, in the words of the system or the decompressor.
    pub failed: Option<String>,
}

impl<'a> Stream<'a> {
    pub fn new(file: Box<dyn Read + Send + 'a>) -> Self {
        let mut s = Stream {
            file,
            buf: vec![0; ROOM + BLOCK],
            spare: vec![0; ROOM + BLOCK],
            at: ROOM,
            end: ROOM,
            base: -(ROOM as i64),
            ended: false,
            failed: None,
        };
        s.next_block();
        s
    }

    /// What has been read and not yet consumed.
    pub fn rest(&self) -> &[u8] {
        self.buf.get(self.at..self.end).unwrap_or(&[])
    }

    /// Offset in the file of the first unread byte.
    pub fn offset(&self) -> u64 {
        u64::try_from(self.base + self.at as i64).unwrap_or(0)
    }

    pub fn advance(&mut self, n: usize) {
        self.at = (self.at + n).min(self.end);
    }

    /// Reads the next block behind the unread tail; `false` at the end of the file or when the tail is too long to keep.
    pub fn next_block(&mut self) -> bool {
        self.with_next_block(0, |_| (), |_| ()).1.is_some()
    }

    /// Gives the first `take` unread bytes to `work`, then consumes them. Meanwhile the next block is read and given to
    /// `look`, which sees it without the unread tail that will stand before it; `None` where there is no next block.
    pub fn with_next_block<T: Send, L: Send>(
        &mut self,
        take: usize,
        work: impl FnOnce(&[u8]) -> T + Send,
        look: impl FnOnce(&[u8]) -> L + Send,
    ) -> (T, Option<L>) {
        let Stream { file, buf, spare, at, end, .. } = self;
        let taken = buf.get(*at..(*at + take).min(*end)).unwrap_or(&[]);
        let tail = buf.get(*at + taken.len()..*end).unwrap_or(&[]);
        let ended = self.ended || tail.len() > ROOM;
        let read_on = || {
            let block = spare.get_mut(ROOM..).unwrap_or(&mut []);
            let (read, trouble) = fill(file, block);
            (read, trouble, look(block.get(..read).unwrap_or(&[])))
        };
        let (out, next) = rayon::join(|| work(taken), || (!ended).then(read_on));
        self.at += taken.len();
        let Some((read, trouble, seen)) = next else { return (out, None) };
        if trouble.is_some() || read < BLOCK {
            self.ended = true;
            self.failed = trouble;
        }
        let tail = self.end - self.at;
        let offset = self.base + self.at as i64;
        if let (Some(to), Some(from)) = (self.spare.get_mut(ROOM - tail..ROOM), self.buf.get(self.at..self.end)) {
            to.copy_from_slice(from);
        }
        std::mem::swap(&mut self.buf, &mut self.spare);
        self.at = ROOM - tail;
        self.end = ROOM + read;
        self.base = offset - self.at as i64;
        (out, (read > 0).then_some(seen))
    }

    /// Next byte that is not white space or a comma, without consuming it.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let gap = self.rest().iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b','));
            match gap {
                Some(n) => {
                    self.advance(n);
                    return self.rest().first().copied();
                }
                None => {
                    self.at = self.end;
                    if !self.next_block() {
                        return None;
                    }
                }
            }
        }
    }

    /// Next byte, consumed.
    pub fn bump(&mut self) -> Option<u8> {
        if self.at == self.end && !self.next_block() {
            return None;
        }
        let b = self.buf.get(self.at).copied();
        self.at += 1;
        b
    }
}

fn fill(file: &mut Box<dyn Read + Send + '_>, into: &mut [u8]) -> (usize, Option<String>) {
    let mut n = 0;
    while let Some(room) = into.get_mut(n..).filter(|r| !r.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(k) => n += k,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return (n, Some(e.to_string())),
        }
    }
    (n, None)
}
