//! Where an artifact's bytes are: in a file, in memory. Gives a reader or the whole slice.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

pub enum Content {
    File(PathBuf),
    /// gzip-compressed file.
    Gzip(PathBuf),
    Memory(Vec<u8>),
}

impl Content {
    pub fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match self {
            Content::File(p) => Box::new(File::open(p)?),
            Content::Gzip(p) => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, File::open(p)?))),
            Content::Memory(b) => Box::new(&b[..]),
        })
    }

    pub fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Content::Memory(b) => Ok(Cow::Borrowed(b)),
            _ => {
                let mut out = Vec::new();
                self.reader()?.read_to_end(&mut out)?;
                Ok(Cow::Owned(out))
            }
        }
    }
}
