//! JSON as kubectl, the API server and collectors write it (RFC 8259): one document or many in a row, pretty or compact.
//! Damage costs the item it is in: reading resumes at the next element of the list, or at the next document.

use super::tree::{Builder, Built, Place, Value};
use super::{Reading, Sink};
use memchr::{memchr_iter, memmem, memrchr};
use std::borrow::Cow;

enum Token<'a> {
    Open(bool),
    Close(bool),
    Colon,
    Comma,
    Str(Cow<'a, str>),
    /// A number, `true`, `false` or `null`.
    Word(&'a [u8]),
    End,
    /// The file ended inside a token.
    Cut,
    Bad(&'static str),
}

#[derive(PartialEq, Clone, Copy)]
enum Expect {
    Value,
    /// A key or `}`.
    KeyOrClose,
    Key,
    /// A value or `]`.
    ValueOrClose,
    Colon,
    CommaOrClose,
}

struct Lexer<'a> {
    bytes: &'a [u8],
    pos: usize,
    line: u32,
    /// Where the present line begins: a compact list is one line of any length, so nothing may look for it backwards.
    line_start: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(b) = self.peek() {
            match b {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.line_start = self.pos + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                // A byte order mark may stand at the start of each of several concatenated files; a record separator
                // (RFC 7464) before each document.
                0xef if self.bytes.get(self.pos..).is_some_and(|r| r.starts_with(b"\xef\xbb\xbf")) => self.pos += 2,
                0x1e => {}
                _ => return,
            }
            self.pos += 1;
        }
    }

    fn place(&self) -> Place {
        Place { offset: self.pos as u64, line: self.line }
    }

    /// Goes on at `to`, past whatever stands between it and the place where the last token began.
    fn resume(&mut self, at: Place, to: usize) {
        let from = at.offset as usize;
        let skipped = self.bytes.get(from..to).unwrap_or(&[]);
        self.line = at.line.saturating_add(memchr_iter(b'\n', skipped).count() as u32);
        if let Some(n) = memrchr(b'\n', skipped) {
            self.line_start = from + n + 1;
        }
        self.pos = to;
    }

    fn token(&mut self) -> Token<'a> {
        let Some(b) = self.peek() else { return Token::End };
        match b {
            b'{' | b'[' => {
                self.pos += 1;
                Token::Open(b == b'{')
            }
            b'}' | b']' => {
                self.pos += 1;
                Token::Close(b == b'}')
            }
            b':' => {
                self.pos += 1;
                Token::Colon
            }
            b',' => {
                self.pos += 1;
                Token::Comma
            }
            b'"' => self.string(),
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let start = self.pos;
                while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
                    self.pos += 1;
                }
                let word = self.bytes.get(start..self.pos).unwrap_or(&[]);
                match (self.peek(), word) {
                    (None, _) => Token::Cut,
                    (_, b"true" | b"false" | b"null") => Token::Word(word),
                    (_, w) if w.first().is_some_and(|b| matches!(b, b'-' | b'0'..=b'9')) => Token::Word(word),
                    _ => Token::Bad("a bare word where a JSON value was expected"),
                }
            }
            _ => Token::Bad("a byte that begins no JSON token"),
        }
    }

    fn string(&mut self) -> Token<'a> {
        let start = self.pos + 1;
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        let mut end = 0;
        let mut escaped = false;
        loop {
            let Some(n) = rest.get(end..).and_then(|r| r.iter().position(|&b| matches!(b, b'"' | b'\\' | b'\n'))) else {
                self.pos = self.bytes.len();
                return Token::Cut;
            };
            end += n;
            match rest.get(end) {
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(b'"') => break,
                _ => {
                    self.pos = start + end;
                    return Token::Bad("a string that is not closed on its line");
                }
            }
        }
        self.pos = start + end + 1;
        let raw = rest.get(..end).unwrap_or(&[]);
        Token::Str(if escaped { Cow::Owned(unescape(raw)) } else { String::from_utf8_lossy(raw) })
    }
}

fn unescape(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut pos = 0;
    let hex = |at: usize| -> Option<u32> { u32::from_str_radix(std::str::from_utf8(raw.get(at..at + 4)?).ok()?, 16).ok() };
    while let Some(&b) = raw.get(pos) {
        pos += 1;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let Some(&e) = raw.get(pos) else { break };
        pos += 1;
        let c = match e {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let Some(unit) = hex(pos) else { continue };
                pos += 4;
                let low = (raw.get(pos..pos + 2) == Some(b"\\u")).then(|| hex(pos + 2)).flatten().filter(|l| (0xdc00..0xe000).contains(l));
                match low {
                    Some(low) if (0xd800..0xdc00).contains(&unit) => {
                        pos += 6;
                        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).unwrap_or('\u{fffd}')
                    }
                    _ => char::from_u32(unit).unwrap_or('\u{fffd}'),
                }
            }
            other => other as char,
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Damaged places after which reading gives up: each may cost a look through the rest of the file.
const RECOVERIES_MAX: usize = 500;

/// Reads every document of `bytes` into `sink`.
pub fn read(bytes: &[u8], sink: &mut impl Sink) {
    let mut lex = Lexer { bytes, pos: 0, line: 1, line_start: 0 };
    let mut b = Builder::default();
    let mut open: Vec<bool> = Vec::new();
    let mut expect = Expect::Value;
    // Column of the first byte of a list element, for finding the next one after damage.
    let mut item_column = 0usize;
    let mut recoveries = 0usize;
    loop {
        lex.skip_blank();
        let place = lex.place();
        let token = lex.token();
        let mut built = None;
        let wrong: Option<&'static str> = match (token, expect) {
            (Token::End, _) if open.is_empty() => break,
            (Token::End | Token::Cut, _) => {
                sink.trouble(Reading::Cut, place, "the file ends inside a document");
                let (item, root) = b.abandon();
                item.into_iter().for_each(|v| sink.object(v, true));
                root.into_iter().for_each(|v| sink.document(v, true));
                break;
            }
            (Token::Bad(why), _) => Some(why),
            (Token::Open(map), Expect::Value | Expect::ValueOrClose) => {
                if b.list_depth() == Some(open.len()) {
                    item_column = (place.offset as usize).saturating_sub(lex.line_start);
                }
                open.push(map);
                if map {
                    b.open_map(place);
                    expect = Expect::KeyOrClose;
                } else {
                    b.open_seq(place);
                    expect = Expect::ValueOrClose;
                }
                None
            }
            (Token::Close(map), Expect::CommaOrClose | Expect::KeyOrClose | Expect::ValueOrClose) if open.last() == Some(&map) => {
                open.pop();
                built = b.close();
                expect = if open.is_empty() { Expect::Value } else { Expect::CommaOrClose };
                None
            }
            (Token::Str(text), Expect::Key | Expect::KeyOrClose) => {
                b.key(text, place);
                expect = Expect::Colon;
                None
            }
            (Token::Colon, Expect::Colon) => {
                expect = Expect::Value;
                None
            }
            (Token::Comma, Expect::CommaOrClose) => {
                expect = if open.last() == Some(&true) { Expect::Key } else { Expect::Value };
                None
            }
            (Token::Str(text), Expect::Value | Expect::ValueOrClose) => {
                built = b.scalar(Value::Text(text), place);
                expect = if open.is_empty() { Expect::Value } else { Expect::CommaOrClose };
                None
            }
            (Token::Word(word), Expect::Value | Expect::ValueOrClose) => {
                let value = if word == b"null" { Value::Null } else { Value::Text(String::from_utf8_lossy(word)) };
                built = b.scalar(value, place);
                expect = if open.is_empty() { Expect::Value } else { Expect::CommaOrClose };
                None
            }
            _ => Some("a token out of place"),
        };
        match built {
            Some(Built::Item(v)) => sink.object(v, false),
            Some(Built::Document(v)) => sink.document(v, false),
            None => {}
        }
        let Some(why) = wrong else { continue };
        if open.is_empty()
            && let Some(len) = sink.between_documents(bytes.get(place.offset as usize..).unwrap_or(&[]), place)
        {
            let end = (place.offset as usize).saturating_add(len.max(1)).min(bytes.len());
            lex.resume(place, end);
            continue;
        }
        sink.trouble(Reading::Bad, place, why);
        recoveries += 1;
        if recoveries > RECOVERIES_MAX {
            let (item, root) = b.abandon();
            item.into_iter().for_each(|v| sink.object(v, true));
            root.into_iter().for_each(|v| sink.document(v, true));
            sink.trouble(Reading::Cut, place, "too much of it is not JSON; reading stopped here");
            break;
        }
        let from = lex.pos.max(place.offset as usize + 1);
        let item = b.abandon_item();
        item.into_iter().for_each(|v| sink.object(v, true));
        let next_item = b.list_depth().and_then(|d| {
            open.truncate(d);
            next_element(bytes, from, item_column)
        });
        let next = match next_item {
            Some(p) => p,
            None => {
                b.abandon().1.into_iter().for_each(|v| sink.document(v, true));
                b = Builder::default();
                open.clear();
                match next_document(bytes, from) {
                    Some(p) => p,
                    None => break,
                }
            }
        };
        expect = Expect::Value;
        lex.resume(place, next);
    }
    if b.too_deep {
        sink.trouble(Reading::Deep, Place::default(), "nested deeper than any Kubernetes object; the inner part is left out");
    }
}

/// The next element of the list of objects: a brace alone on its line at the same indentation, or in compact form a brace
/// that opens with one of the keys every object begins with.
fn next_element(bytes: &[u8], from: usize, column: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let pretty = memchr_iter(b'\n', rest).map(|n| from + n + 1).find(|&line| {
        let indent = bytes.get(line..line + column);
        indent.is_some_and(|i| i.iter().all(|&b| b == b' ' || b == b'\t')) && bytes.get(line + column) == Some(&b'{')
    });
    if let Some(line) = pretty {
        return Some(line + column);
    }
    let compact = memmem::find_iter(rest, b"},{\"")
        .find(|&n| [&b"metadata\""[..], b"kind\"", b"apiVersion\""].iter().any(|k| rest.get(n + 4..).is_some_and(|r| r.starts_with(k))));
    compact.map(|n| from + n + 2)
}

/// The next line that begins with a brace in the first column.
fn next_document(bytes: &[u8], from: usize) -> Option<usize> {
    memmem::find(bytes.get(from..)?, b"\n{").map(|n| from + n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_surrogates() {
        assert_eq!(unescape(br#"a\n\u00e9\ud83d\ude00\\"#), "a\n\u{e9}\u{1f600}\\");
        assert_eq!(unescape(br"\ud83d x"), "\u{fffd} x");
    }
}
