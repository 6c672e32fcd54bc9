//! YAML as kubectl and collectors write it (YAML 1.2 block style), read item by item: the stream is cut at document
//! borders and at the dashes of the top-level `items:` list, and each piece goes through the YAML parser alone.
//! So memory stays within one object and damage costs one object. Aliases and merge keys, which no API server writes,
//! are read as null.

use super::tree::{Builder, Built, Place, Value};
use super::{Reading, Sink};
use crate::formats::lines::Line;
use memchr::memchr_iter;
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::borrow::Cow;

/// Longest piece that is parsed; a Kubernetes object is at most a few MiB.
pub const PIECE_MAX: usize = 48 << 20;

/// Cuts lines into pieces; feed it every line, then call [`Splitter::finish`].
#[derive(Default)]
pub struct Splitter {
    piece: Vec<u8>,
    offset: u64,
    line: u32,
    /// Column of the dashes of `items:`, once seen.
    dash: Option<usize>,
    in_items: bool,
    piece_is_item: bool,
    /// Key lines of the document outside `items`, kept until its end.
    root: Vec<u8>,
    root_offset: u64,
    root_line: u32,
    too_long: bool,
    any: bool,
}

/// A piece of the stream.
pub struct Piece<'p> {
    pub bytes: &'p [u8],
    pub offset: u64,
    pub line: u32,
    /// An element of `items:` (with its dash), else a whole document or what is left of a list.
    pub item: bool,
    /// The stream ended inside this piece.
    pub cut: bool,
}

impl Splitter {
    pub fn line(&mut self, l: Line<'_>, emit: &mut impl FnMut(Piece<'_>)) {
        let text = if l.number == 1 { l.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(l.text) } else { l.text };
        // Indentation may not be a tab in YAML; a bare `---` or `...` ends a document.
        if text.starts_with(b"---") && matches!(text.get(3), None | Some(b' ' | b'\t')) || text == b"..." {
            self.end_document(false, emit);
            return;
        }
        let indent = text.iter().position(|&b| b != b' ').unwrap_or(text.len());
        let blank = indent == text.len() || text.get(indent) == Some(&b'#') && self.piece.is_empty();
        if self.in_items && !blank {
            let dash = text.get(indent) == Some(&b'-') && matches!(text.get(indent + 1), None | Some(b' '));
            // The outermost dashes are the items', even where the first one is damaged.
            if dash && self.dash.is_none_or(|column| indent < column) {
                self.dash = Some(indent);
            }
            if dash && self.dash == Some(indent) {
                self.flush(false, emit);
                self.piece_is_item = true;
            } else if indent == 0 && is_key(text) {
                self.flush(false, emit);
                self.in_items = false;
                self.dash = None;
            }
        }
        if self.in_items || self.dash.is_some() {
            self.push(&l, text);
            return;
        }
        if !self.any {
            self.root_offset = l.offset;
            self.root_line = l.number;
            self.any = !blank;
        }
        if text == b"items:" {
            self.in_items = true;
            self.dash = None;
            // Keeps line numbers of the root's pieces out of use: only its scalars are read.
            return;
        }
        if self.root.len() < PIECE_MAX {
            self.root.extend_from_slice(text);
            self.root.push(b'\n');
        } else {
            self.too_long = true;
        }
    }

    fn push(&mut self, l: &Line<'_>, text: &[u8]) {
        if self.piece.is_empty() {
            self.offset = l.offset;
            self.line = l.number;
        }
        if self.piece.len() + text.len() > PIECE_MAX {
            self.too_long = true;
            return;
        }
        self.piece.extend_from_slice(text);
        self.piece.push(b'\n');
    }

    fn flush(&mut self, cut: bool, emit: &mut impl FnMut(Piece<'_>)) {
        if self.piece_is_item && !self.piece.is_empty() {
            emit(Piece { bytes: &self.piece, offset: self.offset, line: self.line, item: true, cut });
        }
        self.piece.clear();
        self.piece_is_item = false;
    }

    fn end_document(&mut self, cut: bool, emit: &mut impl FnMut(Piece<'_>)) {
        let in_item = self.piece_is_item;
        self.flush(cut && in_item, emit);
        if self.any {
            emit(Piece { bytes: &self.root, offset: self.root_offset, line: self.root_line, item: false, cut });
        }
        self.root.clear();
        self.any = false;
        self.in_items = false;
        self.dash = None;
    }

    /// Ends the stream; `cut` when its last line was not ended. True if a piece was too long to be kept.
    pub fn finish(&mut self, cut: bool, emit: &mut impl FnMut(Piece<'_>)) -> bool {
        self.end_document(cut, emit);
        self.too_long
    }
}

/// `key:` in the first column. A damaged line of an item that merely lost its indentation has a blank in its key.
fn is_key(text: &[u8]) -> bool {
    let key = text.iter().position(|&b| b == b':').and_then(|n| text.get(..n)).unwrap_or(&[]);
    !key.is_empty() && key.iter().all(u8::is_ascii_alphanumeric)
}

/// Parses one piece into `sink`.
pub fn read_piece(piece: &Piece<'_>, text: &str, sink: &mut impl Sink) {
    let starts: Vec<usize> = std::iter::once(0).chain(memchr_iter(b'\n', piece.bytes).map(|n| n + 1)).collect();
    let place = |line: usize| {
        let n = line.saturating_sub(1);
        let start = starts.get(n).copied().unwrap_or(piece.bytes.len());
        let blanks = piece.bytes.get(start..).map_or(0, |r| r.iter().take_while(|&&b| b == b' ').count());
        Place { offset: piece.offset + (start + blanks) as u64, line: piece.line.saturating_add(n as u32) }
    };
    // Of a cut file only the part before its last line's scalar is sure: a folded or block scalar may go on.
    let last_sure = if piece.cut { starts.len().saturating_sub(1) } else { usize::MAX };
    let mut b = Builder::default();
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, span) = match parser.next_event() {
            None => break,
            Some(Ok(e)) => e,
            Some(Err(e)) => {
                let at = place(e.marker().line());
                sink.trouble(Reading::Bad, at, "not valid YAML");
                break;
            }
        };
        let here = place(span.start.line());
        match event {
            Event::MappingStart(..) => b.open_map(here),
            Event::SequenceStart(..) => b.open_seq(here),
            Event::MappingEnd | Event::SequenceEnd => {
                emit(b.close(), piece, sink);
            }
            Event::Scalar(text, style, ..) => {
                if b.wants_key() {
                    b.key(text, here);
                } else if span.end.line() < last_sure {
                    let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                    emit(b.scalar(if null { Value::Null } else { Value::Text(text) }, here), piece, sink);
                }
            }
            Event::Alias(_) => {
                if b.wants_key() {
                    b.key(Cow::Borrowed("*"), here);
                } else {
                    emit(b.scalar(Value::Null, here), piece, sink);
                }
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    let (item, root) = b.abandon();
    item.into_iter().for_each(|v| sink.object(v, true));
    if !piece.item {
        root.into_iter().for_each(|v| sink.document(v, true));
    }
    if b.too_deep {
        sink.trouble(Reading::Deep, place(1), "nested deeper than any Kubernetes object; the inner part is left out");
    }
}

fn emit<'a>(built: Option<Built<'a>>, piece: &Piece<'_>, sink: &mut impl Sink) {
    match built {
        Some(Built::Item(v)) => sink.object(v, piece.cut),
        Some(Built::Document(v)) if !piece.item => sink.document(v, piece.cut),
        _ => {}
    }
}
