//! tar: ustar, GNU long names, pax paths and sizes; read as a stream, or in place where the archive lies open.
//! Spec: POSIX.1-2024 pax, GNU tar manual "Basic Tar Format". Links, devices and sparse files are reported, not followed.

use super::blob::{BlobReader, fill};

use std::io::{self, Read};

const BLOCK: usize = 512;
/// Most blank padding behind an archive that is read over, in bytes; tar pads to 10 KiB.
const PADDING_MAX: u64 = 1 << 20;
/// Longest extension record (long name, pax header) that is read, in bytes.
const EXTENSION_MAX: u64 = 1 << 20;

/// A reader that can pass over bytes; cheap where it stands on a file.
pub trait Skip: Read {
    fn skip(&mut self, n: u64) -> io::Result<u64>;
}

impl Skip for BlobReader {
    fn skip(&mut self, n: u64) -> io::Result<u64> {
        Ok(BlobReader::skip(self, n))
    }
}

/// A stream passes over bytes by reading them.
pub struct Stream<R>(pub R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<R: Read> Skip for Stream<R> {
    fn skip(&mut self, n: u64) -> io::Result<u64> {
        io::copy(&mut (&mut self.0).take(n), &mut io::sink())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    File,
    Directory,
    /// Symbolic or hard link.
    Link,
    /// Device, fifo, sparse file and other kinds that hold no plain content.
    Special,
}

#[derive(Debug, Clone)]
pub struct Member {
    /// As written, lossily decoded.
    pub path: String,
    pub link: String,
    pub kind: MemberKind,
    /// Stated length in bytes.
    pub len: u64,
    /// Offset of the content in the archive's bytes.
    pub offset: u64,
}

/// Whether `block` starts a tar archive: its header checksum holds, and it says so or names a plausible member.
pub fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK) else { return false };
    block.first().is_some_and(|&b| b != 0) && checksum_holds(block)
}

fn checksum_holds(block: &[u8]) -> bool {
    let Some(stated) = block.get(148..156).and_then(number) else { return false };
    let (mut unsigned, mut signed) = (0u64, 0i64);
    for (i, &b) in block.iter().enumerate() {
        let b = if (148..156).contains(&i) { b' ' } else { b };
        unsigned += u64::from(b);
        signed += i64::from(b as i8);
    }
    // Old tars summed signed characters.
    stated == unsigned || i64::try_from(stated) == Ok(signed)
}

/// An octal field, or GNU's base-256 form.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((&first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        return rest.iter().try_fold(u64::from(first & 0x7f), |n, &b| n.checked_mul(256)?.checked_add(u64::from(b)));
    }
    let text = field.trim_ascii();
    let text = text.split(|&b| b == 0 || b == b' ').next().unwrap_or(&[]);
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, &b| matches!(b, b'0'..=b'7').then(|| n.checked_mul(8)?.checked_add(u64::from(b - b'0')))?)
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or(field)).into_owned()
}

/// Walks over the members of an archive.
pub struct Tar<R> {
    reader: R,
    pos: u64,
    /// End of the current member's content, padding included.
    next: u64,
    /// Blocks passed over while looking for a header again after damage.
    pub skipped_blocks: u64,
    /// The archive ended inside a member or a header.
    pub truncated: bool,
}

impl<R: Skip> Tar<R> {
    pub fn new(reader: R) -> Self {
        Tar { reader, pos: 0, next: 0, skipped_blocks: 0, truncated: false }
    }

    /// The next member; `None` at the end. Its content is read through [`Tar::content`] before the next call.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        let (mut long_name, mut long_link, mut pax_len) = (None, None, None);
        let mut blank = 0;
        loop {
            let behind = self.next.saturating_sub(self.pos);
            let passed = self.reader.skip(behind)?;
            self.pos += passed;
            if passed < behind {
                self.truncated = true;
                return Ok(None);
            }
            let mut block = [0u8; BLOCK];
            let got = fill(&mut self.reader, &mut block)?;
            self.pos += got as u64;
            self.next = self.pos;
            if got < BLOCK {
                // A whole number of blocks without the two blank ones is how many tools end an archive.
                self.truncated |= got > 0;
                return Ok(None);
            }
            if block.iter().all(|&b| b == 0) {
                blank += 1;
                if blank >= 2 {
                    return Ok(None);
                }
                continue;
            }
            blank = 0;
            if !checksum_holds(&block) {
                self.skipped_blocks += 1;
                continue;
            }
            let field = |a: usize, b: usize| block.get(a..b).unwrap_or(&[]);
            let size = pax_len.take().or_else(|| number(field(124, 136))).unwrap_or(0);
            let kind = block.get(156).copied().unwrap_or(0);
            match kind {
                b'L' | b'K' | b'x' | b'g' if size <= EXTENSION_MAX => {
                    let mut data = Vec::new();
                    (&mut self.reader).take(size).read_to_end(&mut data)?;
                    self.pos += data.len() as u64;
                    self.next = self.next.saturating_add(size.next_multiple_of(BLOCK as u64));
                    match kind {
                        b'L' => long_name = Some(text(&data)),
                        b'K' => long_link = Some(text(&data)),
                        b'x' => {
                            let p = pax(&data);
                            long_name = p.path.or(long_name);
                            long_link = p.link.or(long_link);
                            pax_len = p.size;
                        }
                        _ => {}
                    }
                    continue;
                }
                _ => {}
            }
            let name = text(field(0, 100));
            // GNU's own magic ("ustar  ") uses the prefix field for other things.
            let prefix = if field(257, 263) == b"ustar\0" { text(field(345, 500)) } else { String::new() };
            let short = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let path = long_name.take().unwrap_or(short);
            let kind = match kind {
                0 | b'0' | b'7' if path.ends_with('/') => MemberKind::Directory,
                0 | b'0' | b'7' => MemberKind::File,
                b'5' => MemberKind::Directory,
                b'1' | b'2' => MemberKind::Link,
                _ => MemberKind::Special,
            };
            let len = if matches!(kind, MemberKind::Link) { 0 } else { size };
            let link = long_link.take().unwrap_or_else(|| text(field(157, 257)));
            let member = Member { path, link, kind, len, offset: self.pos };
            self.next = len.checked_next_multiple_of(BLOCK as u64).and_then(|n| self.pos.checked_add(n)).unwrap_or(u64::MAX);
            return Ok(Some(member));
        }
    }

    /// Reads over what stands behind the end marker, as far as padding goes.
    pub fn pass_end(&mut self) {
        let _ = self.reader.skip(PADDING_MAX);
    }

    /// Reads the content of `member`, which must be the one given last.
    pub fn content(&mut self, member: &Member) -> Content<'_, R> {
        Content { left: member.len, tar: self }
    }
}

/// Content of the current member.
pub struct Content<'a, R> {
    tar: &'a mut Tar<R>,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        let n = self.tar.reader.read(buf.get_mut(..want).unwrap_or(&mut []))?;
        if n == 0 && want > 0 {
            self.tar.truncated = true;
            self.left = 0;
        }
        self.left -= n as u64;
        self.tar.pos += n as u64;
        Ok(n)
    }
}

#[derive(Default)]
struct Pax {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

/// Records of the form `LEN KEY=VALUE\n`, LEN counting the whole record.
fn pax(data: &[u8]) -> Pax {
    let mut out = Pax::default();
    let mut rest = data;
    while let Some(space) = rest.iter().position(|&b| b == b' ') {
        let len = rest.get(..space).and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| t.parse::<usize>().ok());
        let Some(record) = len.filter(|&l| l > space + 1).and_then(|l| rest.get(space + 1..l)) else { break };
        if let Some(eq) = record.iter().position(|&b| b == b'=') {
            let value = record.get(eq + 1..).unwrap_or(&[]).trim_ascii_end();
            match record.get(..eq).unwrap_or(&[]) {
                b"path" => out.path = Some(text(value)),
                b"linkpath" => out.link = Some(text(value)),
                b"size" => out.size = std::str::from_utf8(value).ok().and_then(|t| t.parse().ok()),
                _ => {}
            }
        }
        rest = rest.get(space + 1 + record.len()..).unwrap_or(&[]);
    }
    out
}
