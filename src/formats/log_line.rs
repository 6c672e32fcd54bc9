//! What stands before a log line's text, and the time that a line carries, wherever loggers put it. Shared by every
//! format that may meet its lines inside a saved container log; says nothing about what a line means.

use crate::model::identity::is_template_hash;
use crate::model::time::{self, SECOND};
use crate::model::{Claim, RawTime, Timestamp};

/// A line without what kubectl or the container runtime put before it.
pub struct Prefixed<'a> {
    /// Pod and container of `kubectl logs --prefix` or of stern.
    pub pod: Option<(&'a str, &'a str)>,
    /// The line is in the container runtime's own file format.
    pub stream: bool,
    /// Time that kubectl or the runtime stamped.
    pub stamped: Option<RawTime>,
    pub text: &'a [u8],
}

impl<'a> Prefixed<'a> {
    pub fn of(line: &'a [u8]) -> Self {
        let mut out = Prefixed { pod: None, stream: false, stamped: None, text: line };
        // `[pod/NAME/CONTAINER] text`
        if let Some(rest) = line.strip_prefix(b"[pod/")
            && let Some(end) = memchr::memchr(b']', rest)
            && let Some(name) = rest.get(..end).and_then(|n| std::str::from_utf8(n).ok())
        {
            out.pod = Some(name.split_once('/').unwrap_or((name, "")));
            out.text = rest.get(end + 1..).unwrap_or(&[]).trim_ascii_start();
        } else if let Some((pod, container, text)) = stern(line) {
            out.pod = Some((pod, container));
            out.text = text;
        }
        // Docker's json-file: {"log":"…","stream":"stderr","time":"…"}
        if out.text.starts_with(b"{\"log\":\"") {
            out.stream = true;
            out.stamped = after(out.text, b"\"time\":\"").and_then(iso);
            let text = out.text.get(8..).unwrap_or(&[]);
            let end = memchr::memmem::find(text, b"\",\"stream\"").unwrap_or(text.len());
            let text = text.get(..end).unwrap_or(text);
            out.text = text.strip_suffix(b"\\n").unwrap_or(text);
            return out;
        }
        // kubectl --timestamps and CRI: RFC 3339 with nanoseconds and a zone, then one blank.
        if let Some(i) = time::parse_iso(out.text).filter(|i| i.offset_seconds.is_some() && i.precision < 1000)
            && let Some(rest) = out.text.get(i.len..).and_then(|r| r.strip_prefix(b" "))
        {
            out.stamped = iso(out.text);
            out.text = rest;
            for s in [b"stdout F ".as_slice(), b"stderr F ", b"stdout P ", b"stderr P "] {
                if let Some(text) = rest.strip_prefix(s) {
                    out.stream = true;
                    out.text = text;
                }
            }
        }
        out
    }
}

/// stern's default: `POD CONTAINER text`. The pod's name must be one that a controller made, with the container's name in
/// line with it or a runtime's stamp behind; two words at the start of a sentence are none.
fn stern(line: &[u8]) -> Option<(&str, &str, &[u8])> {
    let end = memchr::memchr(b' ', line.get(..line.len().min(254))?)?;
    let pod = std::str::from_utf8(line.get(..end)?).ok().filter(|p| is_controlled(p))?;
    let rest = line.get(end + 1..)?;
    let end = memchr::memchr(b' ', rest.get(..rest.len().min(64))?)?;
    let container = std::str::from_utf8(rest.get(..end)?).ok()?;
    let label = container.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && container.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let text = rest.get(end + 1..)?;
    let stamped = time::parse_iso(text).is_some_and(|i| i.offset_seconds.is_some());
    (label && (stamped || pod.starts_with(container))).then_some((pod, container, text))
}

/// A name that a controller made: `…-x7k2p` of a replica, `…-3` of a stateful set.
fn is_controlled(pod: &str) -> bool {
    let Some((base, tail)) = pod.rsplit_once('-') else { return false };
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let random = tail.len() == 5 && is_template_hash(tail);
    let ordinal = (1..=3).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_digit());
    !base.is_empty() && base.bytes().all(label) && (random || ordinal)
}

/// The time of a line: the runtime's stamp if there is one, else the application's own.
pub fn time(p: &Prefixed<'_>) -> RawTime {
    p.stamped.clone().or_else(|| own(p.text)).unwrap_or_default()
}

/// `==== START logs for container C of pod NS/POD ====` of a cluster-info dump.
pub fn section(line: &[u8]) -> Option<Claim> {
    let rest = line.strip_prefix(b"==== START logs for container ")?.strip_suffix(b" ====")?;
    let rest = std::str::from_utf8(rest).ok()?;
    let (container, owner) = rest.split_once(" of pod ")?;
    let (ns, pod) = owner.split_once('/')?;
    Some(Claim::container(ns, pod, container))
}

fn own(text: &[u8]) -> Option<RawTime> {
    let head = text.get(..text.len().min(256)).unwrap_or(text);
    let first = *head.first()?;
    let start = match first {
        b'[' | b'(' | b'"' | b'\'' => head.get(1..).unwrap_or(&[]),
        _ => head,
    };
    if let Some(t) = iso(start).or_else(|| slashed(start)) {
        return Some(t);
    }
    if first == b'{' {
        return json(head);
    }
    for key in [b"time=".as_slice(), b"ts=", b"timestamp=", b"t="] {
        if let Some(v) = after(head, key)
            && let Some(t) = iso(v.strip_prefix(b"\"").unwrap_or(v))
        {
            return Some(t);
        }
    }
    // Access logs: `… [02/Jul/2026:09:25:58 +0000] "GET`
    let bracket = memchr::memchr(b'[', head).and_then(|i| head.get(i + 1..))?;
    common_log(bracket)
}

fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    memchr::memmem::find(text, key).and_then(|i| text.get(i + key.len()..))
}

fn iso(text: &[u8]) -> Option<RawTime> {
    let i = time::parse_iso(text)?;
    Some(match i.offset_seconds {
        Some(offset) => RawTime::Utc { at: i.civil.saturating_sub(i64::from(offset) * SECOND), precision: i.precision },
        None => RawTime::NoZone { civil: i.civil, precision: i.precision },
    })
}

fn digits(text: &[u8], at: usize, n: usize) -> Option<u32> {
    text.get(at..at + n)?.iter().try_fold(0u32, |v, b| b.is_ascii_digit().then(|| v * 10 + u32::from(b - b'0')))
}

/// `2026/07/02 09:25:58`, as Go's `log` and nginx write.
fn slashed(t: &[u8]) -> Option<RawTime> {
    if t.get(4) != Some(&b'/') || t.get(7) != Some(&b'/') || t.get(10) != Some(&b' ') {
        return None;
    }
    let civil = time::civil(
        digits(t, 0, 4)?.into(),
        digits(t, 5, 2)?,
        digits(t, 8, 2)?,
        digits(t, 11, 2)?,
        digits(t, 14, 2)?,
        digits(t, 17, 2)?,
        0,
    )?;
    Some(RawTime::NoZone { civil, precision: SECOND })
}

/// `02/Jul/2026:09:25:58 +0000`
fn common_log(t: &[u8]) -> Option<RawTime> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    if t.get(2) != Some(&b'/') || t.get(6) != Some(&b'/') || t.get(11) != Some(&b':') {
        return None;
    }
    let month = t.get(3..6)?;
    let month = MONTHS.chunks(3).position(|m| m == month)? as u32 + 1;
    let civil = time::civil(digits(t, 7, 4)?.into(), month, digits(t, 0, 2)?, digits(t, 12, 2)?, digits(t, 15, 2)?, digits(t, 18, 2)?, 0)?;
    let zone = t.get(21..26).and_then(|z| {
        let (sign, z) = z.split_first()?;
        let v = i64::from(digits(z, 0, 2)? * 3600 + digits(z, 2, 2)? * 60);
        match sign {
            b'+' => Some(v),
            b'-' => Some(-v),
            _ => None,
        }
    });
    Some(match zone {
        Some(z) => RawTime::Utc { at: civil.saturating_sub(z * SECOND), precision: SECOND },
        None => RawTime::NoZone { civil, precision: SECOND },
    })
}

/// The time member of a JSON log line: text, or seconds or milliseconds since the epoch.
fn json(line: &[u8]) -> Option<RawTime> {
    for key in [b"\"time\":".as_slice(), b"\"ts\":", b"\"timestamp\":", b"\"@timestamp\":", b"\"t\":"] {
        let Some(v) = after(line, key) else { continue };
        let v = v.trim_ascii_start();
        if let Some(text) = v.strip_prefix(b"\"") {
            if let Some(t) = iso(text) {
                return Some(t);
            }
            continue;
        }
        let end = v.iter().position(|b| !(b.is_ascii_digit() || *b == b'.')).unwrap_or(v.len());
        let number: f64 = std::str::from_utf8(v.get(..end)?).ok()?.parse().ok()?;
        // Seconds until the year 2286, else milliseconds.
        let (seconds, precision) = if number < 1e10 { (number, SECOND) } else { (number / 1000.0, SECOND / 1000) };
        if (1e9..1e10).contains(&seconds) {
            return Some(RawTime::Utc { at: Timestamp::from_seconds_f64(seconds), precision });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_wherever_loggers_put_them() {
        let same = [
            "2026-07-02T09:25:58Z INFO batch",
            "time=2026-07-02T09:25:58Z level=INFO msg=x",
            r#"{"level":30,"time":1782984358000,"pid":1}"#,
            r#"{"level":"info","ts":1782984358.0,"msg":"x"}"#,
            r#"10.0.0.1 - - [02/Jul/2026:11:25:58 +0200] "GET / HTTP/1.1" 200 1"#,
            "[pod/cart-0/app] 2026-07-02T09:25:58.000000000Z text",
            "cart-0 app 2026-07-02T09:25:58.000000000Z text",
            "cart-7d9f5b6c8-x7k2p cart 2026-07-02T09:25:58Z INFO text",
            r#"{"log":"text\n","stream":"stderr","time":"2026-07-02T09:25:58.000000000Z"}"#,
        ];
        for line in same {
            let t = time(&Prefixed::of(line.as_bytes()));
            assert!(matches!(t, RawTime::Utc { at, .. } if at == Timestamp::from_seconds(1_782_984_358)), "{line}: {t:?}");
        }
        let p = Prefixed::of(b"2026-07-02T09:25:58.000000001Z stderr F java.lang.OutOfMemoryError");
        assert_eq!((p.stream, p.text), (true, b"java.lang.OutOfMemoryError".as_slice()));
        assert_eq!(time(&Prefixed::of(b"plain words [here]")), RawTime::Absent);
        assert_eq!(Prefixed::of(b"cart-0 app 2026-07-02T09:25:58Z text").pod, Some(("cart-0", "app")));
        for sentence in ["worker-1 starting up", "cart-0 app started", "step-12 of 20 done"] {
            assert_eq!(Prefixed::of(sentence.as_bytes()).pod, None, "{sentence}");
        }
    }
}
