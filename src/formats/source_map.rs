//! Source maps (`*.map`, and inline in a script's last comment): where a place of generated code stood in the sources, and
//! what it was called there. Spec: ECMA-426 (revision 3 of the format): an object with `sources`, `names` and `mappings` in
//! base-64 variable-length numbers; `sections` of indexed maps are read too.
//!
//! Refuses to: fetch anything or follow a URL; read a script for anything but its map.

use super::{Format, Head, Input, Match};
use crate::model::source_map::{Mapping, SourceMap};
use crate::model::{Facts, Observation, RawTime};
use serde::Deserialize;

pub struct SourceMapFile;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    version: u32,
    file: Option<String>,
    source_root: Option<String>,
    sources: Vec<Option<String>>,
    sources_content: Vec<Option<String>>,
    names: Vec<String>,
    mappings: String,
    sections: Vec<Section>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Section {
    offset: Offset,
    map: Box<Raw>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(default)]
struct Offset {
    line: u32,
    column: u32,
}

impl Format for SourceMapFile {
    fn name(&self) -> &'static str {
        "source-map"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let has = |key: &[u8]| memchr::memmem::find(head.bytes, key).is_some();
        // Only by name: whether a script ends with a map is seen when it is read.
        if [".js", ".cjs", ".mjs"].iter().any(|e| head.file_name().ends_with(e)) && !head.bytes.contains(&0) {
            return Match::Weak;
        }
        if !head.file_name().ends_with(".map") || !head.trimmed().starts_with(b"{") {
            return Match::No;
        }
        if has(b"\"version\"") && (has(b"\"mappings\"") || has(b"\"sources\"") || has(b"\"sections\"")) {
            Match::Certain
        } else {
            Match::No
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let inline = (!input.file_name().ends_with(".map")).then(|| inline(&bytes));
        let text = match &inline {
            None => &bytes[..],
            Some(Inline::Map(text)) => text,
            Some(Inline::Elsewhere) => return,
            Some(Inline::Bad(at)) => {
                return out.warn("bad-mapping", None, Some(*at), || "the source map in the script's last comment does not decode".into());
            }
        };
        let raw: Raw = match serde_json::from_slice(text) {
            Ok(r) => r,
            Err(e) => return out.error("truncated", Some(bytes.len() as u64), || format!("the source map is not whole: {e}")),
        };
        // A script that carries its map is what the map is of, whatever the map calls it.
        let file = raw.file.as_deref().filter(|_| inline.is_none());
        let mut map = SourceMap { generated: generated(input.file_name(), file), ..SourceMap::default() };
        let mut bad = read(&raw, Offset::default(), &mut map);
        // A map of maps holds maps of its own, not further maps of maps.
        for s in &raw.sections {
            bad += read(&s.map, s.offset, &mut map);
        }
        map.mappings.sort_by_key(|m| (m.line, m.column));
        if bad > 0 {
            out.warn("bad-mapping", None, None, || format!("{bad} mappings do not decode and are left out"));
        }
        let cite = out.cite(0, Some(1), text.get(..200.min(text.len())).unwrap_or(&[]));
        out.source_maps.push(Observation { at: RawTime::Absent, who: input.who.clone(), cite, what: map });
    }
}

/// What a script's last comment says of its map.
enum Inline {
    Map(Vec<u8>),
    /// None, or one in a file of its own, which is read where the input has it.
    Elsewhere,
    /// A data URL at this offset that is none.
    Bad(u64),
}

/// The map of a script's last `//# sourceMappingURL=data:…` comment; base-64 as all bundlers write it, or percent-encoded.
fn inline(script: &[u8]) -> Inline {
    let key = b"sourceMappingURL=";
    let Some(at) = memchr::memmem::rfind(script, key) else { return Inline::Elsewhere };
    let before = script.get(..at).unwrap_or(&[]).trim_ascii_end();
    let url = script.get(at + key.len()..).unwrap_or(&[]);
    let end = url.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(url.len());
    // A program that writes such comments has the words in the middle of its text.
    let comment = before.ends_with(b"//#") || before.ends_with(b"//@") || before.ends_with(b"/*#");
    let Some(data) = url.get(..end).and_then(|u| u.strip_prefix(b"data:")).filter(|_| comment) else { return Inline::Elsewhere };
    let Some(comma) = memchr::memchr(b',', data) else { return Inline::Bad(at as u64) };
    let (kind, body) = (data.get(..comma).unwrap_or(&[]), data.get(comma + 1..).unwrap_or(&[]));
    let text = if kind.ends_with(b";base64") { base64(body) } else { percent(body) };
    text.map_or(Inline::Bad(at as u64), Inline::Map)
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0u32);
    for &b in text.iter().take_while(|b| **b != b'=' && **b != b'*') {
        bits = bits << 6 | u32::try_from(sextet(b)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
        bits &= 0xff;
    }
    Some(out)
}

fn percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [b, tail @ ..] = rest {
        rest = tail;
        if *b != b'%' {
            out.push(*b);
            continue;
        }
        let hex = rest.get(..2).and_then(|h| std::str::from_utf8(h).ok())?;
        out.push(u8::from_str_radix(hex, 16).ok()?);
        rest = rest.get(2..)?;
    }
    Some(out)
}

/// The generated file's name: as the map says, else the map's own name without its ending.
fn generated(path: &str, file: Option<&str>) -> String {
    let own = path.strip_suffix(".map").unwrap_or(path);
    file.filter(|f| !f.is_empty()).map_or(own, |f| f.rsplit(['/', '\\']).next().unwrap_or(f)).to_owned()
}

/// Decodes one map into `out`; the number of segments that did not decode.
fn read(raw: &Raw, at: Offset, out: &mut SourceMap) -> u64 {
    let (first_source, first_name) = (out.sources.len() as u32, out.names.len() as u32);
    let root = raw.source_root.as_deref().unwrap_or("");
    out.sources.extend(raw.sources.iter().map(|s| {
        let s = s.as_deref().unwrap_or("");
        let s = s.strip_prefix("webpack://").map_or(s, |s| s.trim_start_matches('/'));
        if root.is_empty() || s.starts_with('/') { s.to_owned() } else { format!("{}/{s}", root.trim_end_matches('/')) }
    }));
    out.texts.extend((0..raw.sources.len()).map(|i| raw.sources_content.get(i).cloned().flatten()));
    out.names.extend(raw.names.iter().cloned());
    let mut bad = 0;
    let (mut source, mut line, mut column, mut name) = (0i64, 0i64, 0i64, 0i64);
    for (k, text) in raw.mappings.split(';').enumerate() {
        let generated_line = at.line.saturating_add(u32::try_from(k).unwrap_or(u32::MAX));
        let mut generated = if k == 0 { i64::from(at.column) } else { 0 };
        for segment in text.split(',').filter(|s| !s.is_empty()) {
            let Some((fields, n)) = numbers(segment) else {
                bad += 1;
                continue;
            };
            let add = |to: &mut i64, i: usize| *to = to.saturating_add(fields.get(i).copied().unwrap_or(0));
            add(&mut generated, 0);
            if n < 4 {
                continue;
            }
            add(&mut source, 1);
            add(&mut line, 2);
            add(&mut column, 3);
            if n > 4 {
                add(&mut name, 4);
            }
            let number = |v: i64| u32::try_from(v).ok();
            let of = |v: i64, first: u32, len: usize| number(v).and_then(|v| v.checked_add(first)).filter(|v| (*v as usize) < len);
            match (number(generated), of(source, first_source, out.sources.len()), number(line), number(column)) {
                (Some(col), Some(source), Some(original), Some(original_column)) => out.mappings.push(Mapping {
                    line: generated_line,
                    column: col,
                    source,
                    original_line: original,
                    original_column,
                    name: if n > 4 { of(name, first_name, out.names.len()) } else { None },
                }),
                _ => bad += 1,
            }
        }
    }
    bad
}

/// Up to five base-64 variable-length numbers and how many there were.
fn numbers(segment: &str) -> Option<([i64; 5], usize)> {
    let (mut out, mut n) = ([0i64; 5], 0);
    let (mut value, mut shift) = (0i64, 0u32);
    for b in segment.bytes() {
        let digit = sextet(b)?;
        value |= (digit & 31).checked_shl(shift).filter(|_| shift < 40)?;
        if digit & 32 != 0 {
            shift += 5;
            continue;
        }
        *out.get_mut(n)? = if value & 1 == 1 { -(value >> 1) } else { value >> 1 };
        n += 1;
        (value, shift) = (0, 0);
    }
    (n > 0 && shift == 0).then_some((out, n))
}

/// The six bits that a character of base-64 stands for.
fn sextet(b: u8) -> Option<i64> {
    Some(i64::from(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_carries_its_map_in_its_last_comment() {
        let map = |s: &str| match inline(s.as_bytes()) {
            Inline::Map(m) => Some(String::from_utf8_lossy(&m).into_owned()),
            _ => None,
        };
        let url = "application/json;charset=utf-8;base64,eyJ2ZXJzaW9uIjozfQ==";
        assert_eq!(map(&format!("x()\n//# sourceMappingURL=data:{url}\n")).as_deref(), Some(r#"{"version":3}"#));
        assert_eq!(map(&format!(".a{{}}\n/*# sourceMappingURL=data:{url} */")).as_deref(), Some(r#"{"version":3}"#));
        assert_eq!(map("//# sourceMappingURL=data:application/json,%7B%22a%22:1%7D").as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(map("//# sourceMappingURL=app.js.map"), None);
        assert_eq!(map("s += 'sourceMappingURL=data:,x'"), None);
        assert!(matches!(inline(b"//# sourceMappingURL=data:;base64,e!"), Inline::Bad(_)));
        assert!(matches!(inline(b"//# sourceMappingURL=data:,%4"), Inline::Bad(_)));
    }

    #[test]
    fn a_place_leads_to_its_source_and_name() {
        let raw: Raw = serde_json::from_str(r#"{"version":3,"sources":["a.ts"],"names":["Store"],"mappings":"AAAA,SAASA;;AACA"}"#).unwrap();
        let mut map = SourceMap::default();
        assert_eq!(read(&raw, Offset::default(), &mut map), 0);
        let at = |line, column| map.original(line, column).map(|o| (o.source, o.line, o.column, o.name));
        assert_eq!(at(0, 12), Some(("a.ts", 0, 9, Some("Store"))));
        assert_eq!(at(2, 0), Some(("a.ts", 1, 9, None)));
        assert_eq!(at(1, 0), None);
        assert_eq!(generated("out/app.js.map", None), "out/app.js");
    }

    #[test]
    fn numbers_of_a_segment() {
        assert_eq!(numbers("AAgBC"), Some(([0, 0, 16, 1, 0], 4)));
        assert_eq!(numbers("D"), Some(([-1, 0, 0, 0, 0], 1)));
        assert_eq!(numbers("g"), None);
        assert_eq!(numbers("!"), None);
    }
}
