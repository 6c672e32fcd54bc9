//! Bundles: the only room that reads files. Paths in, a list of artifacts out, sorted by path.
//!
//! An artifact's path is relative to its input's root, whatever the input is: the same bundle as a folder, as a zip and
//! as a tar.gz lists the same paths, so reports of it are the same bytes. Nested archives add `outer.zip!member`.
//! What lies inside is recognised by its first bytes, never by its name. Nothing here interprets content beyond that.

pub mod blob;
pub mod content;
pub mod digest;
mod inflate;
pub mod layout;
pub mod limits;
mod magic;
pub mod names;
mod spool;
mod tar;
pub mod tracked;
mod utf16;
pub mod walk;
mod zip;

pub use content::Content;
pub use limits::Limits;

use crate::model::Claim;
use crate::model::diagnostic::Diagnostics;
use crate::model::incident::InputInfo;

/// One artifact: a path within the run and where its decompressed bytes come from. It has no time: times of files and
/// members change whenever a bundle is copied or packed again, and the same bundle must give the same report.
pub struct Entry {
    /// `dir/file`, `logs.zip!kern.log.gz`; unique within the run.
    pub path: String,
    /// Index of the input it belongs to.
    pub input: usize,
    /// Path within its input, which the input's digest is taken over.
    pub member: String,
    /// Unpacked length in bytes, if known before reading.
    pub len: Option<u64>,
    pub content: Content,
    /// What the path says about whose artifact this is.
    pub who: Claim,
    /// It was not opened (link, limit, unreadable); `diagnostics` says why and `content` is empty.
    pub refused: bool,
    /// Trouble met while unpacking (limits, links, bad checksums).
    pub diagnostics: Diagnostics,
}

/// All artifacts of all inputs.
#[derive(Default)]
pub struct Bundle {
    pub inputs: Vec<InputInfo>,
    /// Sorted by path.
    pub entries: Vec<Entry>,
}
