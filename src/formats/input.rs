//! What a format gets to see of an artifact: its path, its first bytes for sniffing, then a slice or a stream.

use crate::model::{ArtifactId, Claim, Facts};
use std::borrow::Cow;
use std::io::{self, Read};

/// Where an artifact's content comes from; implemented by `pipeline` over the bundle.
pub trait Open: Sync {
    /// A fresh reader from the first byte.
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>>;
    /// The whole content: mapped or held where possible, else read.
    fn bytes(&self) -> io::Result<Cow<'_, [u8]>>;

    /// A reader from `offset` on, where what stands before need not be read (or unpacked) for it.
    fn reader_from(&self, _offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        None
    }

    /// Another artifact of the run by its path, for the rare format whose files only make sense together (a TSDB block:
    /// index and chunks). Such a format names one file as the one that speaks and reads the others through it.
    fn beside(&self, _path: &str) -> Option<&dyn Open> {
        None
    }

    /// Paths of all artifacts whose path begins with `prefix`, sorted.
    fn paths(&self, _prefix: &str) -> Vec<&str> {
        Vec::new()
    }
}

/// Bytes that are at hand.
impl Open for &[u8] {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(*self))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(self))
    }

    fn reader_from(&self, offset: u64) -> Option<Box<dyn Read + Send + '_>> {
        let rest: &[u8] = self.get(usize::try_from(offset).ok()?..)?;
        Some(Box::new(rest))
    }
}

/// An artifact to parse.
pub struct Input<'a> {
    pub artifact: ArtifactId,
    /// Path within the run, `bundle.zip!nodes/n1/kern.log`.
    pub path: &'a str,
    /// Length in bytes, if known before reading.
    pub len: Option<u64>,
    /// What the artifact's surroundings say about its identity (transcripts, folders); marked inferred.
    pub who: Claim,
    pub source: &'a dyn Open,
}

impl<'a> Input<'a> {
    /// Whole content. Prefer [`Input::reader`] for formats that read once from front to back.
    pub fn bytes(&self) -> io::Result<Cow<'a, [u8]>> {
        self.source.bytes()
    }

    pub fn reader(&self) -> io::Result<Box<dyn Read + Send + 'a>> {
        self.source.reader()
    }

    /// [`Input::bytes`], or nothing and the reason on record.
    pub fn whole(&self, out: &mut Facts) -> Option<Cow<'a, [u8]>> {
        opened(self.bytes(), out)
    }

    /// [`Input::reader`], or nothing and the reason on record.
    pub fn stream(&self, out: &mut Facts) -> Option<Box<dyn Read + Send + 'a>> {
        opened(self.reader(), out)
    }

    /// Path of the folder that holds the artifact, with its final `/` (or `!`); empty for a bare file name.
    pub fn folder(&self) -> &'a str {
        self.path.rfind(['/', '!', '\\']).and_then(|n| self.path.get(..=n)).unwrap_or("")
    }

    /// Path without archive prefixes, e.g. `kern.log`'s folder and name inside the innermost archive.
    pub fn inner_path(&self) -> &'a str {
        self.path.rsplit('!').next().unwrap_or(self.path)
    }

    /// Last path component without `.gz`, `.zst`, `.xz`, `.bz2`.
    pub fn file_name(&self) -> &'a str {
        file_name(self.path)
    }
}

/// What `sniff` sees.
pub struct Head<'a> {
    pub path: &'a str,
    /// The first 64 KiB (or all, if shorter), decompressed.
    pub bytes: &'a [u8],
    /// `bytes` is the whole content.
    pub complete: bool,
}

impl<'a> Head<'a> {
    pub const LEN: usize = 64 << 10;

    pub fn file_name(&self) -> &'a str {
        file_name(self.path)
    }

    /// Content after a UTF-8 byte order mark and leading white space.
    pub fn trimmed(&self) -> &'a [u8] {
        let b = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.bytes);
        b.trim_ascii_start()
    }

    /// The head's lines, without their ends; the last may be cut.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.bytes.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l))
    }
}

fn opened<T>(content: io::Result<T>, out: &mut Facts) -> Option<T> {
    content.map_err(|e| out.error("unreadable", None, || format!("cannot be read: {e}"))).ok()
}

fn file_name(path: &str) -> &str {
    let name = path.rsplit(['/', '!', '\\']).next().unwrap_or(path);
    [".gz", ".zst", ".xz", ".bz2"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name)
}
