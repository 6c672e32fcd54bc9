//! A content while it is being parsed: every byte that passes by is hashed and counted, so that digests and unpacked
//! sizes cost no second reading. What the parser did not read is read at the end.

use super::Content;
use super::inflate::Fault;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What was learnt about a content by the end of its parse.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Unpacked length in bytes.
    pub len: u64,
    /// SHA-256 of the unpacked bytes, where digests are wanted.
    pub digest: Option<[u8; 32]>,
    /// The first damage that any reader met.
    pub fault: Option<(&'static str, String, u64)>,
}

/// How far counting and hashing have come.
struct Progress {
    sha: Option<Sha256>,
    /// Bytes hashed and counted so far.
    done: u64,
    /// The end was seen.
    ended: bool,
}

pub struct Tracked<'a> {
    content: &'a Content,
    /// Length if known without reading.
    len: Option<u64>,
    /// The file's mapping, for as long as the parse lasts.
    map: OnceLock<Option<memmap2::Mmap>>,
    progress: Mutex<Option<Progress>>,
}

impl<'a> Tracked<'a> {
    pub fn new(content: &'a Content, len: Option<u64>, digest: bool) -> Self {
        let sha = digest.then(Sha256::new);
        Tracked { content, len, map: OnceLock::new(), progress: Mutex::new(Some(Progress { sha, done: 0, ended: false })) }
    }

    fn take(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, p: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(p);
    }

    /// A fresh reader; the first that is open does the counting.
    pub fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let inner = self.content.reader()?;
        Ok(match self.take() {
            Some(p) => Box::new(Counting { inner, pos: 0, progress: Some(p), tracked: self }),
            None => inner,
        })
    }

    /// A reader from the middle; it neither counts nor hashes.
    pub fn reader_from(&self, offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        self.content.reader_from(offset)
    }

    /// The whole content: borrowed where it is in memory or can be mapped, else read.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        if let Some(map) = self.map.get_or_init(|| self.content.map()) {
            return Ok(Cow::Borrowed(map));
        }
        let bytes = self.content.bytes()?;
        // A borrowed slice stays at hand for the end; an owned one is gone by then.
        if let (Cow::Owned(b), Some(mut p)) = (&bytes, self.take()) {
            p.pass(0, b);
            p.ended = true;
            self.put(p);
        }
        Ok(bytes)
    }

    /// Reads what is still to be read, and tells length, digest and damage.
    pub fn finish(self) -> Outcome {
        let mut out = Outcome { len: self.len.unwrap_or(0), ..Outcome::default() };
        // A reader that a panicking parser leaked would leave none; then everything is read again.
        let mut p = self.take().unwrap_or(Progress { sha: None, done: 0, ended: false });
        if !p.ended && (p.sha.is_some() || self.len.is_none()) {
            match self.content.held().or_else(|| self.map.get().and_then(|m| m.as_deref())) {
                Some(all) => p.pass(0, all),
                None => {
                    let read = self.content.reader().and_then(|mut r| {
                        let mut buf = vec![0u8; 128 << 10];
                        let mut pos = 0u64;
                        loop {
                            match r.read(&mut buf) {
                                Ok(0) => return Ok(()),
                                Ok(n) => {
                                    p.pass(pos, buf.get(..n).unwrap_or(&[]));
                                    pos += n as u64;
                                }
                                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                                Err(e) => return Err(e),
                            }
                        }
                    });
                    if let Err(e) = read {
                        out.fault = Some(("unreadable", format!("cannot be read to its end: {e}"), p.done));
                    }
                }
            }
            p.ended = true;
        }
        if p.ended {
            out.len = p.done;
        }
        out.digest = p.sha.map(|s| s.finalize().into());
        if let Some(Fault { code, message, offset }) = self.content.trouble().get() {
            out.fault = Some((code, message, offset));
        }
        out
    }
}

/// SHA-256 of a content's unpacked bytes, read from front to back.
pub fn digest_of(content: &Content) -> io::Result<[u8; 32]> {
    let mut reader = content.reader()?;
    let mut sha = Sha256::new();
    let mut buf = vec![0u8; 256 << 10];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => return Ok(sha.finalize().into()),
            Ok(n) => sha.update(buf.get(..n).unwrap_or(&[])),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

impl Progress {
    /// Takes in `bytes`, which stand at `pos`, as far as they are new.
    fn pass(&mut self, pos: u64, bytes: &[u8]) {
        let new = usize::try_from(self.done.saturating_sub(pos)).ok().and_then(|skip| bytes.get(skip..)).unwrap_or(&[]);
        if let Some(s) = &mut self.sha {
            s.update(new);
        }
        self.done += new.len() as u64;
    }
}

struct Counting<'a, 't> {
    inner: Box<dyn Read + Send + 'a>,
    pos: u64,
    progress: Option<Progress>,
    tracked: &'a Tracked<'t>,
}

impl Read for Counting<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        if let Some(p) = &mut self.progress {
            p.pass(self.pos, buf.get(..n).unwrap_or(&[]));
            p.ended |= n == 0 && !buf.is_empty();
        }
        self.pos += n as u64;
        Ok(n)
    }
}

impl Drop for Counting<'_, '_> {
    fn drop(&mut self) {
        if let Some(p) = self.progress.take() {
            self.tracked.put(p);
        }
    }
}
