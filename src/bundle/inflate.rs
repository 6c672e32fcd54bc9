//! Decompression layers as readers: gzip (any number of members), zstd (any number of frames), xz, raw deflate.
//! A layer gives every byte it can; what went wrong after that is told through [`Trouble`] instead of an error,
//! because the bytes before the damage are evidence.

use super::magic::Packing;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

const BUFFER: usize = 64 << 10;
/// Largest dictionary or window a stream may ask for, in bytes (zstd's own `--ultra` levels use 128 MiB).
const WINDOW_MAX: u64 = 128 << 20;

/// The first thing that went wrong while a content was read: code and message for a diagnostic, and the offset in the
/// unpacked bytes at which they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
    pub offset: u64,
}

/// Where readers leave their [`Fault`]; several readers of one content meet the same one.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Fault>>>);

impl Trouble {
    pub fn tell(&self, code: &'static str, offset: u64, message: String) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(Fault { code, message, offset });
    }

    pub fn take(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn get(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One way in which the bytes below are packed.
#[derive(Debug, Clone, Copy)]
pub enum Layer {
    Packed(Packing),
    /// A zip member: raw deflate (or stored), with the length and checksum that the archive states.
    Member {
        deflated: bool,
        stated_len: u64,
        crc: u32,
    },
}

/// Unpacks `below` by one layer, giving at most `cap` bytes.
pub fn layer<'a>(layer: Layer, below: Box<dyn Read + Send + 'a>, cap: u64, trouble: &Trouble) -> Box<dyn Read + Send + 'a> {
    let guard = |name: &'static str, inner: Box<dyn Read + Send + 'a>, check: Option<Check>| -> Box<dyn Read + Send + 'a> {
        Box::new(Guard { name, inner, given: 0, cap, check, done: false, trouble: trouble.clone() })
    };
    let buffered = BufReader::with_capacity(BUFFER, below);
    match layer {
        Layer::Packed(Packing::Gzip) => guard("gzip", Box::new(MultiGzDecoder::new(buffered)), None),
        Layer::Packed(Packing::Zstd) => guard("zstd", Box::new(Zstd::new(buffered)), None),
        Layer::Packed(Packing::Xz) => {
            guard("xz", Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, (WINDOW_MAX >> 10) as u32)), None)
        }
        Layer::Member { deflated, stated_len, crc } => {
            let check = Some(Check { crc: flate2::Crc::new(), stated_len, stated_crc: crc });
            if deflated {
                guard("deflate", Box::new(DeflateDecoder::new(buffered)), check)
            } else {
                guard("stored", Box::new(buffered), check)
            }
        }
    }
}

/// What a zip member must come to.
struct Check {
    crc: flate2::Crc,
    stated_len: u64,
    stated_crc: u32,
}

/// Counts, caps and checks what a decoder gives; turns its errors into an early end plus a [`Fault`].
struct Guard<'a> {
    name: &'static str,
    inner: Box<dyn Read + Send + 'a>,
    given: u64,
    cap: u64,
    check: Option<Check>,
    done: bool,
    trouble: Trouble,
}

impl Guard<'_> {
    fn end(&mut self) {
        self.done = true;
        let Some(c) = &self.check else { return };
        if self.given != c.stated_len {
            let (got, stated) = (self.given, c.stated_len);
            self.trouble.tell("archive-size", got, format!("the archive states {stated} bytes for this member, {got} were found"));
        } else if c.crc.sum() != c.stated_crc {
            let (got, stated) = (c.crc.sum(), c.stated_crc);
            self.trouble.tell(
                "archive-crc",
                self.given,
                format!("checksum {got:08x} differs from the archive's {stated:08x}; content is read as it is"),
            );
        }
    }
}

impl Read for Guard<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.done || buf.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(self.cap - self.given).unwrap_or(usize::MAX).min(buf.len());
        if room == 0 {
            // At the cap: one more byte tells a full member from one that would go on.
            let mut probe = [0u8; 1];
            if matches!(self.inner.read(&mut probe), Ok(1)) {
                self.trouble.tell(
                    "archive-limit",
                    self.given,
                    format!("unpacks to more than {} bytes, which is the limit for it; the rest is not read", self.cap),
                );
            }
            self.done = true;
            return Ok(0);
        }
        match self.inner.read(buf.get_mut(..room).unwrap_or(&mut [])) {
            Ok(0) => {
                self.end();
                Ok(0)
            }
            Ok(n) => {
                if let Some(c) = &mut self.check {
                    c.crc.update(buf.get(..n).unwrap_or(&[]));
                }
                self.given += n as u64;
                Ok(n)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            Err(e) => {
                self.done = true;
                let (name, at) = (self.name, self.given);
                let what = if e.kind() == io::ErrorKind::UnexpectedEof { "ends early".to_owned() } else { format!("is damaged ({e})") };
                self.trouble.tell("compressed-data", at, format!("{name} data {what}; the {at} bytes before it are read"));
                Ok(0)
            }
        }
    }
}

/// zstd frames one after the other; skippable frames are skipped.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        Zstd { source, decoder, open: false }
    }

    /// Starts the next frame; false at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                }
                Err(e) => return Err(io::Error::other(e)),
            }
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.open {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.open = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(io::Error::other)?;
            }
            let n = self.decoder.read(buf)?;
            if n > 0 {
                return Ok(n);
            }
            if self.decoder.is_finished() && self.decoder.can_collect() == 0 {
                self.open = false;
            }
        }
    }
}
