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
    /// Longest span: what stands in one longer line is pointed at by where it begins.
    const SPAN_MAX: usize = 64 << 10;

    /// Quotes `text`, which stands at `offset` (and `line`, from 1) of `artifact`.
    pub fn new(artifact: ArtifactId, offset: u64, line: Option<u32>, text: &[u8]) -> Self {
        // Of a document in one line every fact would look through all the rest of it for the line's end.
        let near = text.get(..text.len().min(Self::SPAN_MAX)).unwrap_or(text);
        let end = near.iter().position(|&b| b == b'\n').unwrap_or(near.len());
        let first = near.get(..end).unwrap_or(near);
        let len = u32::try_from(first.len()).unwrap_or(u32::MAX);
        Cite { span: Span { artifact, offset, len, line }, excerpt: beginning(first, Self::EXCERPT_MAX).into() }
    }

    /// Points at a whole artifact, for statements about it as such.
    pub fn whole(artifact: ArtifactId, says: &str) -> Self {
        Cite { span: Span { artifact, offset: 0, len: 0, line: None }, excerpt: says.into() }
    }
}

/// The beginning of a text, at most `max` bytes: cut behind a whole word where there is a blank in the second half of it. Half
/// a word may be half a secret that nothing recognises any more.
pub fn beginning(text: &[u8], max: usize) -> String {
    let mut whole = String::from_utf8_lossy(text.get(..text.len().min(max.saturating_mul(4))).unwrap_or(text)).into_owned();
    whole.truncate(whole.trim_end().len());
    if whole.len() > max {
        let mut cut = max;
        while !whole.is_char_boundary(cut) {
            cut -= 1;
        }
        let within = whole.get(cut..).is_some_and(|rest| !rest.starts_with(char::is_whitespace));
        let blank = whole.get(..cut).and_then(|s| s.rfind(char::is_whitespace)).filter(|b| within && *b >= max / 2);
        whole.truncate(blank.unwrap_or(cut));
        whole.truncate(whole.trim_end().len());
    }
    whole
}

/// Order of paths as people number them: `t2` before `t10`, `Heap.20260101.…` by date; digits compare as numbers.
pub fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    let number = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
    loop {
        let (n, m) = (number(x), number(y));
        if n > 0 && m > 0 {
            let (p, q) = (x.get(..n).unwrap_or(x), y.get(..m).unwrap_or(y));
            let plain = |d: &'_ [u8]| d.iter().position(|c| *c != b'0').unwrap_or(d.len());
            let (p, q) = (p.get(plain(p)..).unwrap_or(&[]), q.get(plain(q)..).unwrap_or(&[]));
            match p.len().cmp(&q.len()).then_with(|| p.cmp(q)) {
                std::cmp::Ordering::Equal => (x, y) = (x.get(n..).unwrap_or(&[]), y.get(m..).unwrap_or(&[])),
                other => return other,
            }
            continue;
        }
        match (x.split_first(), y.split_first()) {
            (Some((p, xs)), Some((q, ys))) if p == q => (x, y) = (xs, ys),
            (Some((p, _)), Some((q, _))) => return p.cmp(q),
            // `t02` and `t2` are one number and still two files.
            _ => return x.len().cmp(&y.len()).then_with(|| a.cmp(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_paths_count_as_numbers() {
        let mut paths = ["d/t10.x", "d/t2.x", "d/t1.x", "d/t02.x", "d/a", "d/t10"];
        paths.sort_by(|a, b| natural(a, b));
        assert_eq!(paths, ["d/a", "d/t1.x", "d/t02.x", "d/t2.x", "d/t10", "d/t10.x"]);
    }
}
