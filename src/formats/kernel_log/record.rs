//! Records: the journal's JSON, verbose and export forms, `dmesg --json`, and the JSON lines of log collectors.
//! Formats: systemd's JOURNAL_EXPORT_FORMATS, journalctl(1). Fields not needed for a message are dropped unread.

use super::carrier::Source;
use super::stamp::{self, Stamp};
use crate::model::RawTime;
use crate::model::time::Timestamp;
use serde_json::{Map, Value};

/// The fields of one journal entry that a message is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    pub message: Vec<u8>,
    pub host: Option<String>,
    pub identifier: Option<String>,
    pub transport: Option<String>,
    pub boot_id: Option<String>,
    /// `__REALTIME_TIMESTAMP`: when journald received the entry, µs since the epoch.
    pub realtime: Option<i64>,
    /// `__MONOTONIC_TIMESTAMP`: the same moment, µs of uptime.
    pub monotonic: Option<i64>,
    /// `_SOURCE_MONOTONIC_TIMESTAMP`: when the kernel wrote it, µs of uptime.
    pub source_monotonic: Option<i64>,
    /// A stamp that the carrier itself has, where it has no journal fields.
    pub stamp: Stamp,
    /// `dmesg --json`: nothing but the kernel speaks.
    pub dmesg: bool,
}

impl Fields {
    pub fn source(&self) -> Source<'_> {
        match (self.transport.as_deref(), self.identifier.as_deref()) {
            (Some("kernel"), _) => Source::Kernel,
            (None, Some("kernel")) => Source::Kernel,
            (_, Some(i)) => Source::Service(i.as_bytes()),
            (Some(_), None) => Source::Service(b"?"),
            (None, None) if self.dmesg => Source::Kernel,
            (None, None) => Source::Unknown,
        }
    }

    /// The true moment: a journald that started late stamps old kernel messages with the time it read them, and only
    /// the difference of the two monotonic stamps tells by how much.
    pub fn stamp(&self) -> Stamp {
        let Some(real) = self.realtime else { return self.stamp.clone() };
        let shift = match (self.monotonic, self.source_monotonic) {
            (Some(m), Some(s)) if m > 0 => s.saturating_sub(m).min(0),
            _ => 0,
        };
        let us = |v: i64| v.saturating_mul(1000);
        Stamp {
            wall: RawTime::Utc { at: Timestamp(us(real.saturating_add(shift))), precision: 1000 },
            uptime_ns: self.source_monotonic.or(self.monotonic).map(us),
        }
    }

    /// Takes one field of the export or verbose form.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        let owned = || Some(String::from_utf8_lossy(value).into_owned());
        let int = || stamp::digits(value).and_then(|d| i64::try_from(d.0).ok());
        match key {
            b"MESSAGE" => self.message = value.to_vec(),
            b"_HOSTNAME" => self.host = owned(),
            b"SYSLOG_IDENTIFIER" => self.identifier = owned(),
            b"_TRANSPORT" => self.transport = owned(),
            b"_BOOT_ID" => self.boot_id = owned(),
            b"__REALTIME_TIMESTAMP" => self.realtime = int(),
            b"__MONOTONIC_TIMESTAMP" => self.monotonic = int(),
            b"_SOURCE_MONOTONIC_TIMESTAMP" => self.source_monotonic = int(),
            _ => {}
        }
    }
}

/// Reads one JSON object: a journal entry, a `dmesg --json` record, or a collector's envelope around a message.
pub fn json(bytes: &[u8]) -> Option<Fields> {
    let Value::Object(map) = serde_json::from_slice(bytes).ok()? else { return None };
    let mut out = Fields::default();
    journal(&map, &mut out);
    if let Some(Value::Object(inner)) = map.get("jsonPayload") {
        journal(inner, &mut out);
    }
    if let Some(m) = map.get("msg").and_then(Value::as_str).filter(|_| map.contains_key("pri") || map.contains_key("time")) {
        super::carrier::unescape(m.as_bytes(), super::carrier::Escape::Hex, &mut out.message);
        out.dmesg = map.contains_key("pri");
        match map.get("time") {
            Some(Value::Number(n)) => {
                out.stamp.uptime_ns =
                    n.as_f64().filter(|s| s.is_finite() && *s >= 0.0 && *s < 1e9).map(|s| (s * 1e6).round() as i64 * 1000);
            }
            Some(Value::String(s)) => {
                out.stamp = stamp::ctime(format!("[{s}]").as_bytes())
                    .map(|t| t.0)
                    .or_else(|| stamp::iso(s.as_bytes()).map(|t| t.0))
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    let text = |k: &str| map.get(k).and_then(Value::as_str);
    if out.message.is_empty()
        && let Some(m) =
            text("textPayload").or_else(|| text("log")).or_else(|| text("message")).or_else(|| text("@message")).or_else(|| text("msg"))
    {
        out.message = m.trim_end_matches('\n').as_bytes().to_vec();
    }
    if out.realtime.is_none() && out.stamp == Stamp::default() {
        let written = ["timestamp", "@timestamp", "time", "receiveTimestamp", "ts"].iter().find_map(|k| map.get(*k));
        match written {
            Some(Value::String(s)) => out.stamp = stamp::iso(s.as_bytes()).map(|t| t.0).unwrap_or_default(),
            // CloudWatch counts milliseconds.
            Some(Value::Number(n)) => {
                if let Some(ms) = n.as_i64().filter(|v| (1_000_000_000_000..10_000_000_000_000).contains(v)) {
                    out.stamp.wall = RawTime::Utc { at: Timestamp(ms.saturating_mul(1_000_000)), precision: 1_000_000 };
                }
            }
            _ => {}
        }
    }
    (!out.message.is_empty()).then_some(out)
}

/// Whether an object is an entry of a journal, a kernel record or a collector's envelope around one.
pub fn is_journal(bytes: &[u8]) -> bool {
    ["\"_BOOT_ID\"", "\"__CURSOR\"", "\"_TRANSPORT\"", "\"SYSLOG_IDENTIFIER\"", "\"__REALTIME_TIMESTAMP\""]
        .iter()
        .any(|k| memchr::memmem::find(bytes, k.as_bytes()).is_some())
}

fn journal(map: &Map<String, Value>, out: &mut Fields) {
    for key in [
        "_HOSTNAME",
        "SYSLOG_IDENTIFIER",
        "_TRANSPORT",
        "_BOOT_ID",
        "__REALTIME_TIMESTAMP",
        "__MONOTONIC_TIMESTAMP",
        "_SOURCE_MONOTONIC_TIMESTAMP",
    ] {
        match map.get(key) {
            Some(Value::String(s)) => out.set(key.as_bytes(), s.as_bytes()),
            Some(Value::Number(n)) => out.set(key.as_bytes(), n.to_string().as_bytes()),
            // A field that was set twice is an array; the first is the trusted one.
            Some(Value::Array(a)) => {
                if let Some(s) = a.first().and_then(Value::as_str) {
                    out.set(key.as_bytes(), s.as_bytes());
                }
            }
            _ => {}
        }
    }
    match map.get("MESSAGE") {
        Some(Value::String(s)) => out.message = s.as_bytes().to_vec(),
        Some(Value::Array(a)) if a.first().is_some_and(Value::is_string) => {
            out.message = a.first().and_then(Value::as_str).unwrap_or("").as_bytes().to_vec();
        }
        // Bytes that are no UTF-8 or control characters are written as numbers.
        Some(Value::Array(a)) => out.message = a.iter().filter_map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok())).collect(),
        _ => {}
    }
}

/// The head line of a verbose record, `Fri 2026-11-06 22:20:08.982941 CET [s=…;b=…;m=…;t=…;x=…]`.
pub fn verbose_head(line: &[u8]) -> Option<Fields> {
    let open = memchr::memchr(b'[', line.get(..line.len().min(80))?)?;
    let body = line.get(open + 1..)?.strip_suffix(b"]")?;
    if !body.starts_with(b"s=") {
        return None;
    }
    let mut out = Fields { stamp: stamp::full(line).map(|t| t.0).unwrap_or_default(), ..Fields::default() };
    for part in body.split(|&b| b == b';') {
        let value = part.get(2..).unwrap_or(&[]);
        let hex = || std::str::from_utf8(value).ok().and_then(|v| i64::from_str_radix(v, 16).ok());
        match part.first() {
            Some(b'b') => out.boot_id = Some(String::from_utf8_lossy(value).into_owned()),
            Some(b'm') => out.monotonic = hex(),
            Some(b't') => out.realtime = hex(),
            _ => {}
        }
    }
    Some(out)
}

/// Which multi-line record form a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Verbose,
    Export,
    /// `json-pretty` and `dmesg --json`: an object over several lines.
    Pretty,
}

/// Collects the lines of records and hands each on whole.
#[derive(Debug)]
pub struct Reader {
    form: Form,
    buf: Vec<u8>,
    offset: u64,
    line: u32,
    /// Export: bytes of a binary field still to come, and where it began.
    binary: Option<usize>,
    /// The record is longer than any entry; the rest of it is not kept.
    overflow: bool,
}

/// Longest record kept, in bytes.
const RECORD_MAX: usize = 4 << 20;

impl Reader {
    pub fn new(form: Form) -> Self {
        Reader { form, buf: Vec::new(), offset: 0, line: 0, binary: None, overflow: false }
    }

    /// Takes a line; `done` gets a whole record's bytes with its offset and line when one ends.
    pub fn line(&mut self, text: &[u8], offset: u64, number: u32, mut done: impl FnMut(&[u8], u64, u32)) {
        match self.form {
            Form::Verbose => {
                if !text.starts_with(b" ") {
                    self.flush(&mut done);
                }
                self.push(text, offset, number);
            }
            Form::Pretty => {
                let t = text.trim_ascii();
                if t.ends_with(b"{") {
                    // `},{` and `"dmesg": [ {` begin an object; what stood before is no part of it.
                    if t.starts_with(b"}") && !self.buf.is_empty() {
                        self.buf.push(b'}');
                        self.flush(&mut done);
                    }
                    self.buf.clear();
                    self.push(b"{", offset, number);
                } else if t.starts_with(b"}") {
                    if !self.buf.is_empty() {
                        self.buf.push(b'}');
                        self.flush(&mut done);
                    }
                } else if !self.buf.is_empty() {
                    self.push(text, offset, number);
                }
            }
            Form::Export => {
                if let Some(start) = self.binary {
                    self.push(text, offset, number);
                    let have = self.buf.len().saturating_sub(start);
                    let len = self.buf.get(start..start + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
                    if let Some(len) = len
                        && have as u64 >= len.saturating_add(9)
                    {
                        self.binary = None;
                    }
                } else if text.is_empty() {
                    self.flush(&mut done);
                } else {
                    self.push(text, offset, number);
                    if memchr::memchr(b'=', text).is_none() {
                        self.binary = Some(self.buf.len());
                    }
                }
                if self.overflow {
                    self.binary = None;
                }
            }
        }
    }

    fn push(&mut self, text: &[u8], offset: u64, number: u32) {
        if self.buf.is_empty() {
            self.offset = offset;
            self.line = number;
        }
        if self.buf.len() + text.len() > RECORD_MAX {
            self.overflow = true;
            return;
        }
        self.buf.extend_from_slice(text);
        self.buf.push(b'\n');
    }

    fn flush(&mut self, done: &mut impl FnMut(&[u8], u64, u32)) {
        if !self.buf.is_empty() && !self.overflow {
            done(&self.buf, self.offset, self.line);
        }
        self.buf.clear();
        self.overflow = false;
    }

    /// Ends the input: `whole` says that the last record is complete.
    pub fn end(&mut self, whole: bool, mut done: impl FnMut(&[u8], u64, u32)) -> bool {
        let open = !self.buf.is_empty();
        let complete = whole && self.form != Form::Pretty && self.binary.is_none();
        if open && complete {
            self.flush(&mut done);
        }
        !open || complete
    }
}

/// Reads a collected record.
pub fn read(form: Form, bytes: &[u8]) -> Option<Fields> {
    match form {
        Form::Pretty => json(bytes),
        Form::Verbose => {
            let mut lines = bytes.split(|&b| b == b'\n');
            let mut out = verbose_head(lines.next()?)?;
            let mut in_message = false;
            for line in lines {
                let field = line.strip_prefix(b"    ").unwrap_or(line);
                let key_len = memchr::memchr(b'=', field).filter(|&n| is_key(field.get(..n).unwrap_or(&[])));
                match key_len {
                    // A continuation is indented to the value's column, deeper than any key.
                    Some(n) if !field.starts_with(b" ") => {
                        let key = field.get(..n).unwrap_or(&[]);
                        in_message = key == b"MESSAGE";
                        out.set(key, field.get(n + 1..).unwrap_or(&[]));
                    }
                    _ if in_message && !line.is_empty() => {
                        out.message.push(b'\n');
                        out.message.extend_from_slice(line.trim_ascii_start());
                    }
                    _ => {}
                }
            }
            Some(out)
        }
        Form::Export => {
            let mut out = Fields::default();
            let mut rest = bytes;
            while !rest.is_empty() {
                let n = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                let line = rest.get(..n)?;
                rest = rest.get(n + 1..).unwrap_or(&[]);
                if let Some(eq) = memchr::memchr(b'=', line) {
                    out.set(line.get(..eq)?, line.get(eq + 1..)?);
                } else if !line.is_empty() {
                    let len = rest.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes)?;
                    let end = usize::try_from(len).ok()?.checked_add(8)?;
                    out.set(line, rest.get(8..end)?);
                    rest = rest.get(end + 1..).unwrap_or(&[]);
                }
            }
            Some(out)
        }
    }
}

fn is_key(k: &[u8]) -> bool {
    !k.is_empty() && k.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_journald_is_corrected_and_bytes_are_joined() {
        let f = json(br#"{"MESSAGE":[120,10,121],"__REALTIME_TIMESTAMP":"1795221875000000","__MONOTONIC_TIMESTAMP":"1358000000","_SOURCE_MONOTONIC_TIMESTAMP":"691000000","_TRANSPORT":"kernel"}"#)
            .unwrap_or_default();
        assert_eq!(f.message, b"x\ny");
        assert_eq!(f.source(), Source::Kernel);
        assert_eq!(f.stamp().wall, RawTime::Utc { at: Timestamp(1_795_221_208_000_000_000), precision: 1000 });
        assert_eq!(f.stamp().uptime_ns, Some(691_000_000_000));
    }

    #[test]
    fn export_fields_with_newlines_are_whole() {
        let mut bytes = b"__CURSOR=a\nMESSAGE\n".to_vec();
        bytes.extend_from_slice(&10u64.to_le_bytes());
        bytes.extend_from_slice(b"x\nKilled y\n_TRANSPORT=kernel\n\n__CURSOR=b\nMESSAGE=z\n\n");
        let mut r = Reader::new(Form::Export);
        let mut got = Vec::new();
        for l in crate::formats::lines::lines(&bytes) {
            r.line(l.text, l.offset, l.number, |b, _, _| got.extend(read(Form::Export, b).map(|f| f.message)));
        }
        assert_eq!(got, vec![b"x\nKilled y".to_vec(), b"z".to_vec()]);
    }
}
