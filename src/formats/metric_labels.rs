//! The label syntax that the Prometheus text forms share: `name{a="b", "utf-8 name"="c"}`, with `\\`, `\"` and `\n` escaped.
//! Spec: prometheus.io/docs/instrumenting/exposition_formats, OpenMetrics 1.0 and the UTF-8 names of Prometheus 3.

use std::collections::BTreeMap;

/// Length of the metric and its labels at the start of a line, up to and including `}` (or the bare name).
pub fn key_len(line: &[u8]) -> Option<usize> {
    let name = line.iter().position(|b| matches!(b, b'{' | b' ' | b'\t'))?;
    if line.get(name) != Some(&b'{') {
        return (name > 0).then_some(name);
    }
    let mut at = name + 1;
    let mut quoted = false;
    loop {
        let rest = line.get(at..)?;
        if quoted {
            let n = memchr::memchr2(b'"', b'\\', rest)?;
            quoted = rest.get(n) != Some(&b'"');
            at += n + if quoted { 2 } else { 1 };
        } else {
            let n = memchr::memchr2(b'"', b'}', rest)?;
            at += n + 1;
            if rest.get(n) == Some(&b'}') {
                return Some(at);
            }
            quoted = true;
        }
    }
}

/// Metric name and labels of a key found by [`key_len`]. `None` where the syntax is broken.
pub fn parse(key: &[u8]) -> Option<(String, BTreeMap<String, String>)> {
    let open = key.iter().position(|&b| b == b'{').unwrap_or(key.len());
    let mut metric = text(key.get(..open)?);
    let mut labels = BTreeMap::new();
    let mut rest = key.get(open..)?;
    if rest.is_empty() {
        return is_name(&metric).then_some((metric, labels));
    }
    rest = rest.get(1..)?.strip_suffix(b"}")?;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let name;
        if rest.first() == Some(&b'"') {
            let (n, after) = string(rest)?;
            rest = after.trim_ascii_start();
            if rest.first() != Some(&b'=') {
                // A quoted word without a value is the metric's own name.
                metric = n;
                rest = rest.strip_prefix(b",").unwrap_or(rest);
                continue;
            }
            name = n;
        } else {
            let eq = rest.iter().position(|&b| b == b'=')?;
            name = text(rest.get(..eq)?.trim_ascii());
            rest = rest.get(eq..)?;
        }
        let (value, after) = string(rest.get(1..)?.trim_ascii_start())?;
        if name == "__name__" {
            metric = value;
        } else {
            labels.insert(name, value);
        }
        rest = after.trim_ascii_start();
        match rest.first() {
            Some(b',') => rest = rest.get(1..)?,
            None => break,
            Some(_) => return None,
        }
    }
    Some((metric, labels))
}

fn is_name(s: &str) -> bool {
    !s.is_empty()
        && !s.starts_with(|c: char| c.is_ascii_digit())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'.'))
}

fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}

/// A quoted string at the start of `s`, and what follows it.
fn string(s: &[u8]) -> Option<(String, &[u8])> {
    let s = s.strip_prefix(b"\"")?;
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let rest = s.get(at..)?;
        let n = memchr::memchr2(b'"', b'\\', rest)?;
        out.extend_from_slice(rest.get(..n)?);
        at += n + 1;
        if rest.get(n) == Some(&b'"') {
            return Some((String::from_utf8(out).unwrap_or_else(|e| text(e.as_bytes())), s.get(at..)?));
        }
        match s.get(at)? {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            &other => out.push(other),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_braces_and_quoted_names() {
        let line = br#"m{a="x}\"y",b="1\n2"} 5"#;
        let n = key_len(line);
        assert_eq!(n, Some(line.len() - 2));
        let (metric, labels) = parse(line.get(..n.unwrap_or(0)).unwrap_or(b"")).unwrap_or_default();
        assert_eq!(
            (metric.as_str(), labels.get("a").map(String::as_str), labels.get("b").map(String::as_str)),
            ("m", Some("x}\"y"), Some("1\n2"))
        );
        let (metric, labels) = parse(br#"{"a.b", "c.d"="e"}"#).unwrap_or_default();
        assert_eq!((metric.as_str(), labels.get("c.d").map(String::as_str)), ("a.b", Some("e")));
        assert_eq!(parse(b"m{a=1}"), None);
    }
}
