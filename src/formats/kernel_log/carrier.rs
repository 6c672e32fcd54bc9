//! Text carriers, told apart line by line: journalctl's short modes (with and without host), `dmesg` in all its time
//! formats, `-x` and `-r`, `/dev/kmsg`, rsyslog and RFC 5424, console and `kubectl logs` prefixes.
//!
//! A carrier only says when, from which host and by whom a message was logged and where its text begins. A line that
//! shows none of this is a continuation of the one before (or the text itself, in `-o cat`); the session decides.

use super::stamp::{self, Stamp};

/// Who logged a message, as far as the carrier tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    Kernel,
    /// Syslog identifier or unit, without `[pid]`.
    Service(&'a [u8]),
    /// The carrier does not tell (`-o cat`, `kubectl logs`).
    Unknown,
}

/// How the text spells what it cannot print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    None,
    /// `\x0a`: `/dev/kmsg` and `dmesg`.
    Hex,
    /// `#012`: rsyslog.
    Octal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<'a> {
    pub stamp: Stamp,
    pub host: Option<&'a [u8]>,
    pub source: Source<'a>,
    /// Offset of the message's text within the line.
    pub text: usize,
    pub escape: Escape,
    /// The stamp is when the message was written down, not when the kernel spoke.
    pub receipt: bool,
}

/// Reads the line's prefix; `None` when it has none.
pub fn parse(line: &[u8]) -> Option<Parsed<'_>> {
    let mut pos = 0;
    // `[pod/name/container] ` of `kubectl logs --prefix`.
    if line.starts_with(b"[pod/") {
        pos = memchr::memchr(b']', line.get(..line.len().min(400))?)? + 2;
    }
    let rest = line.get(pos..)?;
    let mut out = prefixed(rest).or_else(|| console(rest)).or_else(|| talos(rest))?;
    out.text += pos;
    Some(out)
}

/// A hypervisor's log of a guest's serial console: `2026-03-05T04:00:01.123Z| vcpu-1| I005: Guest: <6>[ 2.846732] text`.
fn console(line: &[u8]) -> Option<Parsed<'_>> {
    let at = memchr::memmem::find(line.get(..line.len().min(120))?, b" Guest: <")?;
    let rest = line.get(at + 8..)?;
    let close = rest.get(..rest.len().min(6))?.iter().position(|&b| b == b'>')?;
    let (ns, n) = stamp::uptime(rest.get(close + 1..)?)?;
    let mut text = at + 8 + close + 1 + n;
    text += usize::from(line.get(text) == Some(&b' '));
    let stamp = Stamp { uptime_ns: Some(ns), ..Stamp::default() };
    Some(Parsed { stamp, host: None, source: Source::Kernel, text, escape: Escape::Hex, receipt: false })
}

/// `talosctl dmesg`: `10.5.0.2: kern: warning: [2026-03-05T04:00:01.123456789Z]: text`.
fn talos(line: &[u8]) -> Option<Parsed<'_>> {
    let at = memchr::memmem::find(line.get(..line.len().min(100))?, b": kern")?;
    let open = at + memchr::memchr(b'[', line.get(at..line.len().min(at + 40))?)?;
    let (stamp, _, _) = stamp::iso(line.get(open + 1..)?.split(|&b| b == b']').next()?)?;
    let close = open + memchr::memchr(b']', line.get(open..line.len().min(open + 48))?)?;
    let text = close + 1 + usize::from(line.get(close + 1) == Some(&b':'));
    let text = text + usize::from(line.get(text) == Some(&b' '));
    Some(Parsed { stamp, host: line.get(..at), source: Source::Kernel, text, escape: Escape::Hex, receipt: false })
}

fn prefixed(line: &[u8]) -> Option<Parsed<'_>> {
    let plain = |stamp, text, escape| Parsed { stamp, host: None, source: Source::Kernel, text, escape, receipt: false };
    match *line.first()? {
        b'[' => {
            if let Some((ns, n)) = stamp::uptime(line) {
                return Some(after_uptime(line, ns, n));
            }
            if let Some((stamp, n)) = stamp::ctime(line) {
                return Some(plain(stamp, n, Escape::Hex));
            }
            // `[Nov21 00:43] ` and `[  +0.000114] ` of dmesg --reltime: no time that could be used.
            let close = line.get(..line.len().min(20))?.iter().position(|&b| b == b']')?;
            let inner = line.get(1..close)?;
            let reltime = inner.trim_ascii_start().starts_with(b"+") || (inner.len() == 11 && inner.get(8) == Some(&b':'));
            (reltime && line.get(close + 1) == Some(&b' ')).then(|| plain(Stamp::default(), close + 2, Escape::Hex))
        }
        b'<' => {
            let close = line.get(..line.len().min(6))?.iter().position(|&b| b == b'>')?;
            stamp::digits(line.get(1..close)?).filter(|d| d.1 == close - 1)?;
            let rest = line.get(close + 1..)?;
            // RFC 5424 puts its version behind the priority.
            let skip = if rest.starts_with(b"1 ") { 2 } else { 0 };
            match prefixed(rest.get(skip..)?) {
                Some(mut p) => {
                    p.text += close + 1 + skip;
                    Some(p)
                }
                None => Some(plain(Stamp::default(), close + 1, Escape::Hex)),
            }
        }
        b'0'..=b'9' => {
            if let Some((stamp, n, comma)) = stamp::iso(line) {
                // dmesg writes microseconds behind the comma; programs' own logs (Python, log4j) milliseconds.
                if comma && line.get(20..26).is_some_and(|f| f.iter().all(u8::is_ascii_digit)) {
                    return Some(plain(stamp, n, Escape::Hex));
                }
                return Some(addressed(line, stamp, n));
            }
            if let Some((stamp, n)) = stamp::unix(line) {
                return Some(addressed(line, stamp, n));
            }
            kmsg(line)
        }
        b' ' | b'\t' => None,
        _ => {
            if let Some((stamp, n)) = stamp::syslog(line).or_else(|| stamp::full(line)) {
                return Some(addressed(line, stamp, n));
            }
            facility(line)
        }
    }
}

/// `4,900,2846732,-;text`: a record of `/dev/kmsg`. Its stamp is in µs of uptime.
fn kmsg(line: &[u8]) -> Option<Parsed<'_>> {
    let (_, a) = stamp::digits(line)?;
    let rest = line.get(a..)?.strip_prefix(b",")?;
    let (_, b) = stamp::digits(rest)?;
    let rest = rest.get(b..)?.strip_prefix(b",")?;
    let (us, c) = stamp::digits(rest)?;
    let rest = rest.get(c..)?.strip_prefix(b",")?;
    let semi = memchr::memchr(b';', rest.get(..rest.len().min(80))?)?;
    Some(Parsed {
        stamp: Stamp { uptime_ns: i64::try_from(us).ok()?.checked_mul(1000), ..Stamp::default() },
        host: None,
        source: Source::Kernel,
        text: a + 1 + b + 1 + c + 1 + semi + 1,
        escape: Escape::Hex,
        receipt: false,
    })
}

/// `kern  :warn  : ` of `dmesg -x`, before any other stamp.
fn facility(line: &[u8]) -> Option<Parsed<'_>> {
    let head = line.get(..line.len().min(20))?;
    let colon = head.iter().position(|&b| b == b':')?;
    let level = head.get(colon + 1..)?;
    let end = level.iter().position(|&b| b == b':')?;
    let word = |w: &[u8]| !w.trim_ascii_end().is_empty() && w.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b' ');
    let known =
        matches!(level.get(..end)?.trim_ascii_end(), b"emerg" | b"alert" | b"crit" | b"err" | b"warn" | b"notice" | b"info" | b"debug");
    let skip = colon + 1 + end + 1;
    if !known || !word(head.get(..colon)?) || line.get(skip) != Some(&b' ') {
        return None;
    }
    let mut p = prefixed(line.get(skip + 1..)?)?;
    p.text += skip + 1;
    Some(p)
}

/// `[T123]`, `[ C0]`: the caller that CONFIG_PRINTK_CALLER adds behind the stamp; its length.
fn caller(s: &[u8]) -> usize {
    let Some(body) = s.strip_prefix(b"[") else { return 0 };
    let blank = body.iter().take_while(|&&b| b == b' ').count();
    match body.get(blank) {
        Some(b'T' | b'C') => match body.get(blank + 1..).and_then(stamp::digits) {
            Some((_, n)) if body.get(blank + 1 + n) == Some(&b']') => 1 + blank + 1 + n + 1,
            _ => 0,
        },
        _ => 0,
    }
}

/// Behind a kernel uptime stands the message itself, or host and identifier (short-monotonic, short-delta).
fn after_uptime(line: &[u8], ns: i64, n: usize) -> Parsed<'_> {
    let mut pos = n;
    pos += line.get(pos..).map_or(0, caller);
    if line.get(pos) == Some(&b' ') {
        pos += 1;
    }
    let stamp = Stamp { uptime_ns: Some(ns), ..Stamp::default() };
    let rest = line.get(pos..).unwrap_or(&[]);
    if let Some(a) = address(rest, true) {
        return Parsed { stamp, host: a.host, source: a.source, text: pos + a.len, escape: Escape::None, receipt: false };
    }
    Parsed { stamp, host: None, source: Source::Kernel, text: pos, escape: Escape::Hex, receipt: false }
}

/// Behind a calendar stamp: host, identifier and text; or a prefix that leads to the kernel's own stamp; or bare text.
fn addressed(line: &[u8], stamp: Stamp, n: usize) -> Parsed<'_> {
    let rest = line.get(n..).unwrap_or(&[]);
    if let Some(a) = address(rest, false) {
        let mut out = Parsed { stamp, host: a.host, source: a.source, text: n + a.len, escape: Escape::Octal, receipt: true };
        // rsyslog keeps the kernel's stamp in the text.
        if a.source == Source::Kernel
            && let Some((ns, m)) = rest.get(a.len..).and_then(stamp::uptime)
        {
            out.stamp.uptime_ns = Some(ns);
            out.text += m;
            out.text += line.get(out.text..).map_or(0, caller);
            out.text += usize::from(line.get(out.text) == Some(&b' '));
        }
        return out;
    }
    if let Some((ns, _, end)) = stamp::find_uptime(rest, 160) {
        let mut text = n + end;
        text += usize::from(line.get(text) == Some(&b' '));
        let stamp = Stamp { uptime_ns: Some(ns), ..stamp };
        return Parsed { stamp, host: None, source: Source::Kernel, text, escape: Escape::Hex, receipt: true };
    }
    Parsed { stamp, host: None, source: Source::Unknown, text: n, escape: Escape::None, receipt: true }
}

struct Address<'a> {
    host: Option<&'a [u8]>,
    source: Source<'a>,
    /// Bytes up to the text.
    len: usize,
}

/// `host ident[pid]: `, `ident[pid]: ` or RFC 5424's `host app pid msgid sd `. `strict` takes only what cannot be
/// the beginning of a kernel message: `kernel:` or an identifier with a pid behind a host.
fn address(s: &[u8], strict: bool) -> Option<Address<'_>> {
    let word = |from: usize| -> Option<(&[u8], usize)> {
        let rest = s.get(from..)?;
        let n = rest.get(..rest.len().min(300))?.iter().position(|&b| b == b' ')?;
        (n > 0).then(|| rest.get(..n).map(|w| (w, from + n + 1))).flatten()
    };
    // An identifier's colon may be the line's last byte when the text is empty.
    let (first, after_first) = word(0).or_else(|| s.ends_with(b":").then_some((s, s.len())))?;
    if let Some(source) = identifier(first) {
        let ok = if strict { source == Source::Kernel } else { source == Source::Kernel || first.ends_with(b"]:") || strict_name(first) };
        if ok {
            return Some(Address { host: None, source, len: after_first });
        }
        return None;
    }
    let level = [&b"INFO"[..], b"WARN", b"WARNING", b"ERROR", b"DEBUG", b"TRACE", b"FATAL", b"NOTICE"].contains(&first);
    if level
        || first.len() > 255
        || !first.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%') || *b >= 0x80)
    {
        return None;
    }
    let (second, after_second) = word(after_first).or_else(|| s.get(after_first..).filter(|r| r.ends_with(b":")).map(|r| (r, s.len())))?;
    if let Some(source) = identifier(second) {
        let ok = source == Source::Kernel || second.ends_with(b"]:") || (!strict && strict_name(second));
        return ok.then_some(Address { host: Some(first), source, len: after_second });
    }
    if strict {
        return None;
    }
    // RFC 5424: `host kernel - - - text`, `host kubelet 1234 - - text`.
    let (procid, a) = word(after_second)?;
    let (_msgid, b) = word(a)?;
    let (sd, mut c) = word(b).or_else(|| s.get(b..).map(|r| (r, s.len())))?;
    if procid != b"-" && stamp::digits(procid).is_none_or(|d| d.1 != procid.len()) {
        return None;
    }
    if sd.starts_with(b"[") {
        c = b + memchr::memmem::find(s.get(b..)?, b"] ")? + 2;
    } else if sd != b"-" {
        return None;
    }
    let source = if second == b"kernel" { Source::Kernel } else { Source::Service(second) };
    Some(Address { host: Some(first), source, len: c })
}

/// A bare `name:` without pid is taken as an identifier only where it reads like a program, not like a level or a word.
fn strict_name(word: &[u8]) -> bool {
    let name = word.strip_suffix(b":").unwrap_or(word);
    let upper = name.iter().all(|b| b.is_ascii_uppercase());
    name.len() >= 2 && !upper && !matches!(name, b"error" | b"warning" | b"info" | b"debug" | b"warn" | b"fatal" | b"trace")
}

/// `kernel:`, `kubelet[1234]:`, `rsyslogd-2177:`; `None` for a word that does not end like an identifier.
fn identifier(word: &[u8]) -> Option<Source<'_>> {
    let name = word.strip_suffix(b":")?;
    if name == b"kernel" {
        return Some(Source::Kernel);
    }
    let name = match name.strip_suffix(b"]") {
        Some(n) => {
            let open = memchr::memrchr(b'[', n)?;
            let pid = n.get(open + 1..)?;
            if pid.is_empty() || !pid.iter().all(u8::is_ascii_digit) {
                return None;
            }
            n.get(..open)?
        }
        None => name,
    };
    let clean = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b']' | b'=' | b'"' | b'{' | b'}'));
    clean.then_some(if name == b"kernel" { Source::Kernel } else { Source::Service(name) })
}

/// Undoes a carrier's escapes into `out`; bytes that are no escape are copied.
pub fn unescape(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    let mark = match escape {
        Escape::None => b'\0',
        Escape::Hex => b'\\',
        Escape::Octal => b'#',
    };
    let mut rest = text;
    while let Some(i) = memchr::memchr(mark, rest).filter(|_| escape != Escape::None) {
        out.extend_from_slice(rest.get(..i).unwrap_or(&[]));
        rest = rest.get(i..).unwrap_or(&[]);
        let code = match escape {
            Escape::Hex if rest.get(1) == Some(&b'x') => rest.get(2..4).and_then(hex_byte),
            Escape::Octal => rest.get(1..4).and_then(|d| match d {
                [b'0', a @ b'0'..=b'3', b @ b'0'..=b'7'] => Some((a - b'0') * 8 + (b - b'0')),
                _ => None,
            }),
            _ => None,
        };
        // Printable characters are never escaped, except the backslash itself: `\x41` was written like that.
        match code.filter(|c| *c < 0x20 || *c >= 0x7f || *c == b'\\') {
            Some(c) => {
                out.push(c);
                rest = rest.get(4..).unwrap_or(&[]);
            }
            None => {
                out.push(mark);
                rest = rest.get(1..).unwrap_or(&[]);
            }
        }
    }
    out.extend_from_slice(rest);
}

fn hex_byte(s: &[u8]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(*s.first()?)? * 16 + digit(*s.get(1)?)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Option<String>, String, String) {
        let p = parse(line.as_bytes()).unwrap_or(Parsed {
            stamp: Stamp::default(),
            host: None,
            source: Source::Unknown,
            text: 0,
            escape: Escape::None,
            receipt: false,
        });
        let text = String::from_utf8_lossy(line.as_bytes().get(p.text..).unwrap_or(&[])).into_owned();
        (
            p.host.map(|h| String::from_utf8_lossy(h).into_owned()),
            format!("{:?}", p.source).replace("Service", "").chars().take(6).collect(),
            text,
        )
    }

    #[test]
    fn one_message_in_many_carriers() {
        const M: &str = "a) b(c invoked oom-killer: gfp_mask=0xcc0";
        for (line, host) in [
            (format!("[    8.981441] {M}"), None),
            (format!("[    8.981441][ T1234] {M}"), None),
            (format!("<4>[    8.981441] {M}"), None),
            (format!("kern  :warn  : [    8.981441] {M}"), None),
            (format!("[Sat Nov 21 00:43:48 2026] {M}"), None),
            (format!("2026-11-21T00:43:48,374526+00:00 {M}"), None),
            (format!("4,900,2846732,-;{M}"), None),
            (format!("Nov 18 11:06:42 node-b kernel: {M}"), Some("node-b")),
            (format!("Nov 18 11:06:42 node-b kernel: [    2.846732] {M}"), Some("node-b")),
            (format!("Nov 06 22:20:08 kernel: {M}"), None),
            (format!("2026-11-07T02:50:08+0530 worker-7.example kernel: {M}"), Some("worker-7.example")),
            (format!("Fri 2026-11-06 16:20:08 EST worker-7 kernel: {M}"), Some("worker-7")),
            (format!("1794000008.982941 worker-7 kernel: {M}"), Some("worker-7")),
            (format!("[    8.981441 <    0.000000 >] worker-7 kernel: {M}"), Some("worker-7")),
            (format!("[    8.981441] kernel: {M}"), None),
            (format!("<4>1 2026-11-18T11:06:42.846732+00:00 node-b kernel - - - {M}"), Some("node-b")),
            (format!("2023-12-04T10:49:30.127Z In(05) vcpu-5 - Guest: <6>[ 7093.543728] {M}"), None),
            (format!("[pod/kmsg-reader-x9z/reader] 2026-11-18T11:06:42.846732000Z [    2.846732] {M}"), None),
        ] {
            let (h, source, text) = read(&line);
            assert_eq!((h.as_deref(), source.as_str(), text.as_str()), (host, "Kernel", M), "{line}");
        }
    }

    #[test]
    fn services_and_other_logs_are_not_the_kernel() {
        assert_eq!(read("Nov 20 10:00:06 n1 app[99]: Killed process 1").1, "([97, ");
        assert!(parse(b"2026-11-02T10:00:00Z INFO starting: x").is_some_and(|p| p.source == Source::Unknown));
        assert_eq!(parse(b"[0.123s][info][gc] GC(0)"), None);
        assert_eq!(parse(b"               file 0"), None);
        let mut out = Vec::new();
        unescape(b"caf\\xc3\\xa9 \\x\\x5cx41", Escape::Hex, &mut out);
        assert_eq!(out, "café \\x\\x41".as_bytes());
        out.clear();
        unescape(b"anon 1#012file 2 #1 #", Escape::Octal, &mut out);
        assert_eq!(out, b"anon 1\nfile 2 #1 #");
    }
}
