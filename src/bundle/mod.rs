//! Bundles: the only room that reads files. A path in, a list of artifacts out, sorted by path.

pub mod content;
pub mod limits;
pub mod walk;

pub use content::Content;
pub use limits::Limits;

use crate::model::Timestamp;
use crate::model::diagnostic::Diagnostics;
use crate::model::incident::InputInfo;

/// One artifact: a path within the run and where its decompressed bytes come from.
pub struct Entry {
    /// `dir/file`, `bundle.zip!nodes/n1/kern.log.gz`.
    pub path: String,
    /// Unpacked length in bytes, if known before reading.
    pub len: Option<u64>,
    pub modified: Option<Timestamp>,
    pub content: Content,
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
