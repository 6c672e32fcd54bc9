//! JSON documents of modest size as trees, with what can be saved of a cut one: everything up to the last whole value.
//! For answers that are lists of small objects; the hot paths have scanners of their own.

use serde_json::Value;

/// Values of a tree take 32 bytes each, whatever they took as text; so many are read, and no more text than [`TEXT_MAX`].
/// A query's answer of a hundred thousand log lines stays far below either.
const VALUES_MAX: usize = 32 << 20;
const TEXT_MAX: usize = 1 << 30;

/// Every document in `bytes` (scripts append one answer to another), and where reading had to stop before the end: at what
/// does not parse, where the text is cut, or at the bound of size.
pub fn documents(bytes: &[u8]) -> (Vec<Value>, Option<u64>) {
    documents_within(bytes, VALUES_MAX)
}

fn documents_within(bytes: &[u8], values: usize) -> (Vec<Value>, Option<u64>) {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let body = bytes.get(start..).unwrap_or(&[]);
    // Every value but a list's or object's first stands behind a comma, and a first one behind a bracket.
    let many = memchr::memchr3_iter(b',', b'[', b'{', body).nth(values).map_or(body.len(), |i| i + 1).min(TEXT_MAX);
    let body = body.get(..many).unwrap_or(body);
    let mut stream = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let mut out = Vec::new();
    let failed = loop {
        match stream.next() {
            Some(Ok(v)) => out.push(v),
            Some(Err(e)) => break e,
            None => return (out, None),
        }
    };
    let from = stream.byte_offset();
    let rest = body.get(from..).unwrap_or(&[]);
    let bad = place(rest, body, &failed);
    if let Some((end, closers)) = closed(rest.get(..bad.saturating_sub(from).min(rest.len())).unwrap_or(rest)) {
        let mut text = rest.get(..end).unwrap_or(&[]).to_vec();
        text.extend(closers.into_iter().rev());
        if let Ok(v) = serde_json::from_slice(&text) {
            out.push(v);
        }
        return (out, Some((start + from + end) as u64));
    }
    (out, Some((start + from) as u64))
}

/// Offset of the error in `body`, from its line and column.
fn place(rest: &[u8], body: &[u8], e: &serde_json::Error) -> usize {
    if e.is_eof() || rest.is_empty() || e.line() == 0 {
        return body.len();
    }
    let line = memchr::memchr_iter(b'\n', body).nth(e.line().saturating_sub(2)).filter(|_| e.line() > 1).map_or(0, |n| n + 1);
    (line + e.column().saturating_sub(1)).min(body.len())
}

/// Where the text can be ended so that every value in it is whole, and the brackets that are open there.
fn closed(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut open: Vec<u8> = Vec::new();
    let mut safe = None;
    let (mut quoted, mut escaped) = (false, false);
    for (i, &b) in text.iter().enumerate() {
        if quoted {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match b {
            b'"' => quoted = true,
            b'{' | b'[' => {
                open.push(if b == b'{' { b'}' } else { b']' });
                safe = Some((i + 1, open.len()));
            }
            b'}' | b']' => {
                if open.pop() != Some(b) {
                    break;
                }
                safe = Some((i + 1, open.len()));
            }
            // What stands before a comma is whole; the comma goes.
            b',' => safe = Some((i, open.len())),
            _ => {}
        }
    }
    let (end, depth) = safe?;
    // Since the last safe place brackets were only opened, so those below it are still as they were.
    open.truncate(depth);
    Some((end, open))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cut_document_keeps_its_whole_values() {
        let whole = json!({"a": [{"x": 1, "s": "}\\\"]"}, {"x": 2}], "b": "end"});
        let text = whole.to_string();
        assert_eq!(documents(text.as_bytes()), (vec![whole.clone()], None));
        for cut in 1..text.len() {
            let (docs, at) = documents(&text.as_bytes()[..cut]);
            assert!(docs.len() == 1 && at.is_some_and(|a| a <= cut as u64), "{cut}");
            if let Some(first) = docs[0]["a"].get(0).and_then(|o| o.get("s")) {
                assert_eq!(first, &whole["a"][0]["s"]);
            }
        }
        assert_eq!(documents(b"{\"a\":1}\n[2]").0.len(), 2);
        assert_eq!(documents(b"[1, 2, %, 4]"), (vec![json!([1, 2])], Some(5)));
        assert_eq!(documents(b"nonsense").0.len(), 0);
        // Beyond the bound it is as if the text were cut.
        assert_eq!(documents_within(b"[1,2,3,4,5]", 3), (vec![json!([1, 2, 3])], Some(6)));
    }
}
