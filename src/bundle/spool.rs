//! Where members of stream archives (tar.gz and the like) wait for their parser: small ones in memory, the rest in one
//! temporary file that has no name any more, so nothing is left behind however the run ends.

use super::blob::Blob;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Larger members go to the file, in bytes.
const MEMORY_MEMBER_MAX: usize = 1 << 20;
/// Once this much is held in memory everything goes to the file, in bytes.
const MEMORY_TOTAL_MAX: usize = 64 << 20;

#[derive(Default)]
pub struct Spool {
    file: Option<Arc<File>>,
    written: u64,
    held: usize,
    buf: Vec<u8>,
}

impl Spool {
    /// Keeps everything that `reader` gives. An error of the spool file itself (disk full) is an error; what `reader`
    /// could not give is not known here.
    pub fn keep(&mut self, reader: &mut dyn Read) -> io::Result<Blob> {
        self.buf.clear();
        let first_max = if self.held < MEMORY_TOTAL_MAX { MEMORY_MEMBER_MAX } else { 0 };
        (&mut *reader).take(first_max as u64 + 1).read_to_end(&mut self.buf)?;
        if self.buf.len() <= first_max {
            self.held += self.buf.len();
            return Ok(Blob::memory(self.buf.clone()));
        }
        let file = match &self.file {
            Some(f) => f.clone(),
            None => {
                let f = Arc::new(tempfile::tempfile()?);
                self.file = Some(f.clone());
                f
            }
        };
        // The file is only ever appended to; readers use positioned reads.
        let offset = self.written;
        let mut out = &*file;
        out.write_all(&self.buf)?;
        self.written += self.buf.len() as u64;
        self.buf.resize(256 << 10, 0);
        loop {
            let n = match reader.read(&mut self.buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            out.write_all(self.buf.get(..n).unwrap_or(&[]))?;
            self.written += n as u64;
        }
        Ok(Blob::open(file, offset, self.written - offset))
    }
}
