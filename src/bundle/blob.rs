//! Random-access bytes that cost nothing until they are read: a range of a file, of the spool, or of memory.
//! Cloning is cheap; a file is opened by each reader anew, so that a folder of any size needs no open descriptors.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

#[derive(Clone)]
enum Store {
    Path(Arc<Path>),
    /// An open file: the spool, or an archive of which many members are read.
    Open(Arc<File>),
    Memory(Arc<[u8]>),
}

/// `len` bytes of a store, from `offset` on.
#[derive(Clone)]
pub struct Blob {
    store: Store,
    offset: u64,
    len: u64,
}

impl Blob {
    pub fn path(path: &Path, len: u64) -> Self {
        Blob { store: Store::Path(path.into()), offset: 0, len }
    }

    pub fn open(file: Arc<File>, offset: u64, len: u64) -> Self {
        Blob { store: Store::Open(file), offset, len }
    }

    pub fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Blob { store: Store::Memory(bytes.into()), offset: 0, len }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part from `offset` on, at most `len` bytes and never more than there are.
    pub fn slice(&self, offset: u64, len: u64) -> Blob {
        let offset = offset.min(self.len);
        Blob { store: self.store.clone(), offset: self.offset + offset, len: len.min(self.len - offset) }
    }

    /// The bytes themselves, where they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.store {
            Store::Memory(b) => b.get(usize::try_from(self.offset).ok()?..usize::try_from(self.offset + self.len).ok()?),
            _ => None,
        }
    }

    /// The file and the offset at which the bytes lie in it, where they are in one.
    pub fn file(&self) -> io::Result<Option<(Arc<File>, u64)>> {
        Ok(match &self.store {
            Store::Path(p) => Some((Arc::new(File::open(p)?), self.offset)),
            Store::Open(f) => Some((f.clone(), self.offset)),
            Store::Memory(_) => None,
        })
    }

    /// The same bytes with their file held open, for when thousands of parts will be read from it.
    pub fn pinned(&self) -> io::Result<Blob> {
        Ok(match &self.store {
            Store::Path(p) => Blob { store: Store::Open(Arc::new(File::open(p)?)), ..*self },
            _ => self.clone(),
        })
    }

    /// A reader from the first byte; several may be open at once.
    pub fn reader(&self) -> io::Result<BlobReader> {
        let source = match self.file()? {
            Some((file, _)) => Source::File(file),
            None => Source::Memory(self.clone()),
        };
        Ok(BlobReader { source, start: self.offset, pos: 0, len: self.len })
    }

    /// Reads up to `buf.len()` bytes from `at`; fewer at the end.
    pub fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        fill(&mut self.slice(at, buf.len() as u64).reader()?, buf)
    }
}

/// Reads until the buffer is full or the input ends; gives the bytes read.
pub(super) fn fill(r: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match r.read(buf.get_mut(got..).unwrap_or(&mut [])) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

enum Source {
    File(Arc<File>),
    Memory(Blob),
}

/// Reads a [`Blob`] from front to back with positioned reads, so readers that share a file do not disturb each other.
pub struct BlobReader {
    source: Source,
    start: u64,
    pos: u64,
    len: u64,
}

impl BlobReader {
    /// Passes over up to `n` bytes without reading them; gives how many there were.
    pub fn skip(&mut self, n: u64) -> u64 {
        let n = n.min(self.len - self.pos);
        self.pos += n;
        n
    }
}

impl Read for BlobReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.len - self.pos).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..want).filter(|b| !b.is_empty()) else { return Ok(0) };
        let n = match &self.source {
            Source::File(f) => positioned(f, buf, self.start + self.pos)?,
            Source::Memory(b) => {
                let at = usize::try_from(self.pos).unwrap_or(usize::MAX);
                let from = b.in_memory().and_then(|m| m.get(at..)).unwrap_or(&[]);
                let n = from.len().min(buf.len());
                if let (Some(to), Some(from)) = (buf.get_mut(..n), from.get(..n)) {
                    to.copy_from_slice(from);
                }
                n
            }
        };
        self.pos += n as u64;
        Ok(n)
    }
}

#[cfg(unix)]
fn positioned(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, at)
}

#[cfg(windows)]
fn positioned(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, at)
}
