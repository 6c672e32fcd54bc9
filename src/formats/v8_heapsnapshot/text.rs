//! The string table: JSON strings one after another into one arena. Lone surrogates, which JavaScript allows and UTF-8
//! does not, become U+FFFD. Strings may span blocks of the file.

use super::integers::End;
use super::reader::Stream;
use crate::model::graph::StringTable;

/// Reads the rest of an array of strings whose `[` is consumed.
pub fn read(stream: &mut Stream<'_>, table: &mut StringTable) -> End {
    let mut scratch = Vec::new();
    loop {
        match stream.peek() {
            None => return End::Cut,
            Some(b']') => {
                stream.bump();
                return End::Whole;
            }
            Some(b'"') => {
                stream.bump();
            }
            Some(_) => return End::Damaged(stream.offset()),
        }
        scratch.clear();
        let plain = loop {
            let rest = stream.rest();
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(n) if rest.get(n) == Some(&b'"') => {
                    let piece = rest.get(..n).unwrap_or(&[]);
                    if scratch.is_empty() {
                        // The common case: no escapes, no block border.
                        push(table, piece);
                    } else {
                        scratch.extend_from_slice(piece);
                    }
                    let plain = scratch.is_empty();
                    stream.advance(n + 1);
                    break plain;
                }
                Some(n) => {
                    scratch.extend_from_slice(rest.get(..n).unwrap_or(&[]));
                    stream.advance(n + 1);
                    if escape(stream, &mut scratch).is_none() {
                        return End::Cut;
                    }
                }
                None => {
                    scratch.extend_from_slice(rest);
                    let n = rest.len();
                    stream.advance(n);
                    if !stream.next_block() {
                        return End::Cut;
                    }
                }
            }
        };
        if !plain {
            push(table, &scratch);
        }
    }
}

fn push(table: &mut StringTable, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(s) => table.push(s),
        Err(_) => table.push(&String::from_utf8_lossy(bytes)),
    };
}

/// One escape after its backslash. `None` at the end of the file.
pub fn escape(stream: &mut Stream<'_>, out: &mut Vec<u8>) -> Option<()> {
    let simple = match stream.bump()? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'u' => {
            let mut unit = hex(stream)?;
            loop {
                let high = (0xd800..0xdc00).contains(&unit);
                let pair = high && stream.rest().len() >= 2 && stream.rest().starts_with(b"\\u")
                    || high && stream.rest().len() < 2 && { stream.next_block() && stream.rest().starts_with(b"\\u") };
                if !pair {
                    break;
                }
                stream.advance(2);
                let low = hex(stream)?;
                if (0xdc00..0xe000).contains(&low) {
                    let c = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    put(c, out);
                    return Some(());
                }
                put(unit, out);
                unit = low;
            }
            put(unit, out);
            return Some(());
        }
        other => other,
    };
    out.push(simple);
    Some(())
}

fn put(code: u32, out: &mut Vec<u8>) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn hex(stream: &mut Stream<'_>) -> Option<u32> {
    let mut v = 0;
    for _ in 0..4 {
        v = v * 16 + (stream.bump()? as char).to_digit(16).unwrap_or(0);
    }
    Some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> (Vec<String>, End) {
        let mut t = StringTable::default();
        let end = read(&mut Stream::new(Box::new(text.as_bytes())), &mut t);
        ((0..t.len() as u32).map(|i| t.get(i).to_owned()).collect(), end)
    }

    #[test]
    fn escapes_surrogates_and_an_early_end() {
        let (s, end) = strings(r#""a","",  "\"\\\/\n","\u00e9\ud83d\ude00","\ud800x","\u0000"]"#);
        assert_eq!(s, ["a", "", "\"\\/\n", "é😀", "\u{fffd}x", "\0"]);
        assert_eq!(end, End::Whole);
        let (s, end) = strings(r#""whole","cut of"#);
        assert_eq!((s.len(), end), (1, End::Cut));
    }
}
