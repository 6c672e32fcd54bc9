//! Where a fact was read: artifact, byte range in the decompressed content, line, and a short excerpt,
//! so that a report can quote its evidence without opening any file again.

/// Index of an artifact in the run's list, which is sorted by path; stable for one bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ArtifactId(pub u32);

/// A byte range of an artifact's decompressed content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    pub artifact: ArtifactId,
    /// First byte, counted from 0.
    pub offset: u64,
    /// Length in bytes.
    pub len: u32,
    /// Line number counted from 1; absent for binary artifacts.
    pub line: Option<u32>,
}

/// A span together with the text that stands there (at most [`Cite::EXCERPT_MAX`] bytes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cite {
    pub span: Span,
    pub excerpt: Box<str>,
}

impl Cite {
    /// Longest excerpt kept, in bytes; longer text is cut at a character border.
    pub const EXCERPT_MAX: usize = 240;

    /// Quotes `text`, which stands at `offset` (and `line`, from 1) of `artifact`.
    pub fn new(artifact: ArtifactId, offset: u64, line: Option<u32>, text: &[u8]) -> Self {
        let end = text.iter().position(|&b| b == b'\n').unwrap_or(text.len());
        let first = text.get(..end).unwrap_or(text);
        let lossy = String::from_utf8_lossy(first.get(..first.len().min(Self::EXCERPT_MAX * 4)).unwrap_or(first));
        let mut cut = lossy.trim_end().len().min(Self::EXCERPT_MAX);
        while !lossy.is_char_boundary(cut) {
            cut -= 1;
        }
        let len = u32::try_from(first.len()).unwrap_or(u32::MAX);
        Cite { span: Span { artifact, offset, len, line }, excerpt: lossy.get(..cut).unwrap_or("").into() }
    }

    /// Points at a whole artifact, for statements about it as such.
    pub fn whole(artifact: ArtifactId, says: &str) -> Self {
        Cite { span: Span { artifact, offset: 0, len: 0, line: None }, excerpt: says.into() }
    }
}
