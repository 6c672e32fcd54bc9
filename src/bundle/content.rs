//! An artifact's bytes: where they are, and through which layers they are read. Gives readers, or the whole slice.
//!
//! Plain files are mapped where the whole slice is asked for. This file holds the crate's only `unsafe`: a mapping
//! shows later changes of its file, and reading past a file that shrank meanwhile ends the process (SIGBUS). A bundle
//! is collected evidence at rest, so that is accepted for files, the members of an uncompressed archive among them; what
//! is decompressed goes into memory or into our own spool.

use super::blob::Blob;
use super::inflate::{self, Layer, Trouble};
use std::borrow::Cow;
use std::io::{self, Read};

/// Below this size reading beats mapping, in bytes.
const MAP_FROM: u64 = 1 << 20;

/// Bytes of one artifact. Readers start at the first unpacked byte.
pub struct Content {
    blob: Blob,
    /// Outermost first, each with the most bytes it may give.
    layers: Vec<(Layer, u64)>,
    trouble: Trouble,
}

impl Content {
    pub fn new(blob: Blob) -> Self {
        Content { blob, layers: Vec::new(), trouble: Trouble::default() }
    }

    pub fn memory(bytes: Vec<u8>) -> Self {
        Content::new(Blob::memory(bytes))
    }

    /// The same, read through one more layer that gives at most `cap` bytes.
    pub fn unpacked(&self, layer: Layer, cap: u64) -> Self {
        let mut layers = self.layers.clone();
        layers.push((layer, cap));
        Content { blob: self.blob.clone(), layers, trouble: Trouble::default() }
    }

    /// Bytes as they lie on disk or in the archive, before any layer.
    pub fn packed_len(&self) -> u64 {
        self.blob.len()
    }

    /// The random-access bytes, where no layer lies between.
    pub fn blob(&self) -> Option<&Blob> {
        self.layers.is_empty().then_some(&self.blob)
    }

    /// Sets the most bytes that the innermost layer may give.
    pub fn set_cap(&mut self, cap: u64) {
        if let Some((_, c)) = self.layers.last_mut() {
            *c = (*c).min(cap);
        }
    }

    /// What went wrong in any reader so far.
    pub fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// A fresh reader. Damage ends the stream early and is left in [`Content::trouble`].
    pub fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.owned_reader().map(|r| r as Box<dyn Read + Send + '_>)
    }

    /// A reader from `offset` on; none where the bytes must be unpacked from their beginning.
    pub fn reader_from(&self, offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        let plain = self.layers.is_empty().then(|| self.blob.slice(offset, u64::MAX));
        Some(Box::new(plain?.reader().ok()?))
    }

    /// As [`Content::reader`], independent of this content's life.
    pub fn owned_reader(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut reader: Box<dyn Read + Send> = Box::new(self.blob.reader()?);
        for &(layer, cap) in &self.layers {
            reader = inflate::layer(layer, reader, cap, &self.trouble);
        }
        Ok(reader)
    }

    /// A mapping of the file, where the content lies open in one and is worth it.
    pub fn map(&self) -> Option<memmap2::Mmap> {
        let worth = self.layers.is_empty() && self.blob.in_memory().is_none() && self.blob.len() >= MAP_FROM;
        worth.then(|| map(&self.blob).ok().flatten()).flatten()
    }

    /// The whole content: borrowed where it is in memory, else read.
    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        if let Some(b) = self.held() {
            return Ok(Cow::Borrowed(b));
        }
        let mut out = Vec::new();
        if self.layers.is_empty() {
            // The length is a file's own, not a stranger's claim; still the read decides.
            out.try_reserve(usize::try_from(self.blob.len()).unwrap_or(0)).map_err(io::Error::other)?;
        }
        self.owned_reader()?.read_to_end(&mut out)?;
        Ok(Cow::Owned(out))
    }

    /// The whole content where it lies in memory.
    pub fn held(&self) -> Option<&[u8]> {
        self.blob.in_memory().filter(|_| self.layers.is_empty())
    }

    /// The first `len` bytes, fewer where there are fewer.
    pub fn head(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(len.min(usize::try_from(self.blob.len()).unwrap_or(len).saturating_mul(8)));
        self.owned_reader()?.take(len as u64).read_to_end(&mut head)?;
        Ok(head)
    }
}

#[allow(unsafe_code)]
fn map(blob: &Blob) -> io::Result<Option<memmap2::Mmap>> {
    let (Some((file, offset)), Ok(len)) = (blob.file()?, usize::try_from(blob.len())) else { return Ok(None) };
    if file.metadata()?.len() < offset.saturating_add(blob.len()) {
        return Ok(None);
    }
    // SAFETY: the mapping is private and read-only; see the head of this file for why a file that changes is accepted.
    let map = unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(&*file)? };
    Ok(Some(map))
}
