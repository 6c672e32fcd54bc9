//! Time stamps as carriers print them: kernel uptime, syslog, ISO 8601, journald's full form, Unix seconds, and
//! `dmesg -T` in any locale whose month names are listed. Reads a stamp at the start of a line and says how long it is.
//! Refuses to complete what is not written: a missing year or zone stays missing.

use crate::model::RawTime;
use crate::model::time::{SECOND, Timestamp, civil, parse_iso};

/// What one line states about its moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Calendar time, or `Absent`.
    pub wall: RawTime,
    /// Kernel uptime in ns.
    pub uptime_ns: Option<i64>,
}

/// Reads digits at the start; gives the number and how many there were.
pub fn digits(s: &[u8]) -> Option<(u64, usize)> {
    let mut v = 0u64;
    let mut n = 0;
    while let Some(d) = s.get(n).filter(|b| b.is_ascii_digit()) {
        v = v.checked_mul(10)?.checked_add(u64::from(d - b'0'))?;
        n += 1;
    }
    (n > 0).then_some((v, n))
}

/// `[ 8077.328123]`, also with a delta (`[ 8.1 <  0.0 >]`): uptime in ns and the length with the bracket.
pub fn uptime(s: &[u8]) -> Option<(i64, usize)> {
    let body = s.strip_prefix(b"[")?;
    let blank = body.iter().take_while(|&&b| b == b' ').count();
    let (secs, n) = digits(body.get(blank..)?)?;
    let rest = body.get(blank + n..)?.strip_prefix(b".")?;
    let (micros, m) = digits(rest)?;
    if m != 6 {
        return None;
    }
    let ns = i64::try_from(secs).ok()?.checked_mul(SECOND)?.checked_add(micros as i64 * 1000)?;
    let tail = rest.get(m..)?;
    // A delta column, padded or in angle brackets, may follow before the bracket closes.
    let close = tail.iter().take(24).position(|&b| b == b']')?;
    let clean = tail.get(..close)?.iter().all(|b| matches!(b, b' ' | b'<' | b'>' | b'.' | b'+' | b'-' | b'*') || b.is_ascii_digit());
    clean.then_some((ns, 1 + blank + n + 1 + m + close + 1))
}

/// Finds `[ 8077.328123] ` anywhere in the first `within` bytes: uptime, where it starts, where it ends.
pub fn find_uptime(s: &[u8], within: usize) -> Option<(i64, usize, usize)> {
    let head = s.get(..s.len().min(within))?;
    memchr::memchr_iter(b'[', head).find_map(|i| uptime(s.get(i..)?).map(|(ns, n)| (ns, i, i + n)))
}

/// `HH:MM:SS` with an optional fraction: ns within the day, length, unit of the last digit.
fn clock(s: &[u8]) -> Option<(i64, usize, i64)> {
    let two = |i: usize| -> Option<i64> {
        let (a, b) = (*s.get(i)?, *s.get(i + 1)?);
        (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
    };
    let (h, m, sec) = (two(0)?, two(3)?, two(6)?);
    if s.get(2) != Some(&b':') || s.get(5) != Some(&b':') || h > 23 || m > 59 || sec > 60 {
        return None;
    }
    let (mut ns, mut len, mut unit) = ((h * 3600 + m * 60 + sec) * SECOND, 8, SECOND);
    if s.get(8) == Some(&b'.') && s.get(9).is_some_and(u8::is_ascii_digit) {
        len = 9;
        while let Some(d) = s.get(len).filter(|b| b.is_ascii_digit()) {
            if unit > 1 {
                unit /= 10;
                ns += i64::from(d - b'0') * unit;
            }
            len += 1;
        }
    }
    Some((ns, len, unit))
}

/// Abbreviated month names of the locales that servers are commonly run in, as glibc's `%b` prints them (lower case).
/// A prefix is enough; longer forms (`janv.`, `sept.`) begin the same way.
const MONTHS: [&[&str]; 12] = [
    &["jan", "ene", "gen", "янв", "sty", "oca", "led", "tammi"],
    &["feb", "fév", "fev", "фев", "lut", "şub", "úno", "helmi"],
    &["mar", "mär", "mrt", "мар", "bře", "maalis", "mrz"],
    &["apr", "avr", "abr", "апр", "kwi", "nis", "dub", "huhti"],
    &["may", "mai", "maj", "mei", "mag", "май", "мая", "kvě", "touko"],
    &["jun", "juin", "giu", "июн", "cze", "haz", "čen", "čer", "kesä"],
    &["jul", "juil", "lug", "июл", "lip", "tem", "čec", "heinä"],
    &["aug", "aoû", "aou", "ago", "авг", "sie", "ağu", "srp", "elo"],
    &["sep", "set", "сен", "wrz", "eyl", "zář", "syys"],
    &["oct", "okt", "ott", "out", "окт", "paź", "eki", "říj", "loka"],
    &["nov", "ноя", "lis", "kas", "marras"],
    &["dec", "dez", "déc", "dic", "дек", "gru", "ara", "pro", "joulu"],
];

/// Month of a name in any listed locale, or of `11月` / `11월`.
pub fn month(word: &[u8]) -> Option<u32> {
    // The common case first: three ASCII letters.
    if let &[a, b, c] = word {
        const EN: [&[u8; 3]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
        let low = [a | 32, b | 32, c | 32];
        if let Some(i) = EN.iter().position(|m| **m == low) {
            return Some(i as u32 + 1);
        }
    }
    let text = std::str::from_utf8(word).ok()?;
    if let Some(n) = text.strip_suffix('月').or_else(|| text.strip_suffix('월')) {
        return n.parse().ok().filter(|m| (1..=12).contains(m));
    }
    if text.len() > 24 || text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let low = text.trim_end_matches('.').to_lowercase();
    // The longest matching prefix decides: `marras` is November, `mar` March; `juil` July, `jui` neither.
    MONTHS
        .iter()
        .enumerate()
        .flat_map(|(i, names)| names.iter().map(move |n| (i, *n)))
        .filter(|(_, n)| low.starts_with(n))
        .max_by_key(|(_, n)| n.len())
        .map(|(i, _)| i as u32 + 1)
}

/// `Nov 18 11:06:42[.123456] `: syslog's stamp without year and zone; length includes one blank.
pub fn syslog(s: &[u8]) -> Option<(Stamp, usize)> {
    let sp = s.get(..s.len().min(24))?.iter().position(|&b| b == b' ')?;
    let month = month(s.get(..sp)?)?;
    let mut pos = sp + s.get(sp..)?.iter().take_while(|&&b| b == b' ').count();
    let (day, n) = digits(s.get(pos..)?)?;
    pos += n;
    // `Nov 18 2026 11:06:42` is printed by some network syslogs.
    let mut year = None;
    if let Some((y, 4)) = s.get(pos + 1..).and_then(digits)
        && s.get(pos + 5) == Some(&b' ')
    {
        year = Some(y as i64);
        pos += 5;
    }
    if s.get(pos) != Some(&b' ') || n > 2 {
        return None;
    }
    pos += 1;
    let (ns, len, precision) = clock(s.get(pos..)?)?;
    pos += len;
    let civil = civil(year.unwrap_or(2000), month, day as u32, 0, 0, 0, 0)?.saturating_add(ns);
    let wall = match year {
        Some(_) => RawTime::NoZone { civil, precision },
        None => RawTime::NoYear { civil, precision },
    };
    blank_after(s, pos).map(|pos| (Stamp { wall, uptime_ns: None }, pos))
}

/// ISO 8601 with or without a zone; length includes one blank. The flag tells `dmesg --time-format iso` (comma fraction).
pub fn iso(s: &[u8]) -> Option<(Stamp, usize, bool)> {
    let t = parse_iso(s)?;
    let comma = s.get(19) == Some(&b',');
    let wall = match t.offset_seconds {
        Some(o) => RawTime::Utc { at: t.civil.saturating_sub(i64::from(o) * SECOND), precision: t.precision },
        None => RawTime::NoZone { civil: t.civil, precision: t.precision },
    };
    blank_after(s, t.len).map(|pos| (Stamp { wall, uptime_ns: None }, pos, comma))
}

/// `1794000008.982941 `: journald's short-unix.
pub fn unix(s: &[u8]) -> Option<(Stamp, usize)> {
    let (secs, n) = digits(s)?;
    let rest = s.get(n..)?.strip_prefix(b".")?;
    let (micros, 6) = digits(rest)? else { return None };
    if !(9..=11).contains(&n) {
        return None;
    }
    let at = Timestamp(i64::try_from(secs).ok()?.checked_mul(SECOND)?.checked_add(micros as i64 * 1000)?);
    blank_after(s, n + 7).map(|pos| (Stamp { wall: RawTime::Utc { at, precision: 1000 }, uptime_ns: None }, pos))
}

/// `Fri 2026-11-06 16:20:08[.123456] EST `: journald's short-full; the weekday may be in any language.
pub fn full(s: &[u8]) -> Option<(Stamp, usize)> {
    let sp = s.get(..s.len().min(24))?.iter().position(|&b| b == b' ')?;
    let body = s.get(sp + 1..)?;
    let t = parse_iso(body)?;
    // `parse_iso` reads `16:20:08 EST` up to the seconds; the zone is a word of its own here.
    let mut pos = sp + 1 + t.len;
    if s.get(pos) != Some(&b' ') {
        return None;
    }
    pos += 1;
    let zone_len = s.get(pos..)?.iter().position(|&b| b == b' ' || b == b'[' || b == b',' || b == b';').unwrap_or(s.len() - pos);
    let word = s.get(pos..pos + zone_len)?;
    let wall = match (ambiguous(word), zone(word)) {
        (Some(offsets), _) => RawTime::SomeZone { civil: t.civil, offsets, precision: t.precision },
        (None, Some(o)) => RawTime::Utc { at: t.civil.saturating_sub(o * SECOND), precision: t.precision },
        (None, None) => RawTime::NoZone { civil: t.civil, precision: t.precision },
    };
    pos += zone_len;
    Some((Stamp { wall, uptime_ns: None }, blank_after(s, pos).unwrap_or(pos)))
}

/// `[Sat Nov 21 00:43:48 2026] `: `dmesg -T` (ctime's order) in any listed locale; no zone. `dmesg -T` does not
/// account for suspend, so the true time may be later than it says.
pub fn ctime(s: &[u8]) -> Option<(Stamp, usize)> {
    let body = s.strip_prefix(b"[")?;
    let close = body.get(..body.len().min(64))?.iter().position(|&b| b == b']')?;
    let (mut month_no, mut day, mut time, mut year) = (None, None, None, None);
    for word in body.get(..close)?.split(|&b| b == b' ').filter(|w| !w.is_empty()) {
        if let Some((ns, _, unit)) = clock(word).filter(|c| c.1 == word.len()) {
            time = Some((ns, unit));
        } else if let Some((v, n)) = digits(word)
            && n == word.len()
        {
            if n == 4 { year = Some(v as i64) } else { day = Some(v as u32) }
        } else if let Some(m) = month(word) {
            // A weekday never follows the month, so the later of two candidates (`mar 3 mar`) is the month.
            month_no = Some(m);
        }
    }
    let (ns, precision) = time?;
    let pos = 1 + close + 1;
    // A month in a language that is not listed: the line is dmesg's all the same, and its order is known.
    let (Some(month_no), false) = (month_no, year.is_none() || day.is_none()) else {
        return (year.is_some() && day.is_some()).then(|| (Stamp::default(), blank_after(s, pos).unwrap_or(pos)));
    };
    let civil = civil(year?, month_no, day?, 0, 0, 0, 0)?.saturating_add(ns);
    Some((Stamp { wall: RawTime::NoZone { civil, precision }, uptime_ns: None }, blank_after(s, pos).unwrap_or(pos)))
}

/// `I1121 00:50:01.123456` of klog: severity and a stamp without year and zone; length includes the blanks after it.
pub fn klog(s: &[u8]) -> Option<(Stamp, usize)> {
    if !matches!(s.first(), Some(b'I' | b'W' | b'E' | b'F')) || s.get(5) != Some(&b' ') {
        return None;
    }
    let (v, 4) = digits(s.get(1..5)?)? else { return None };
    let (ns, len, precision) = clock(s.get(6..)?)?;
    let civil = civil(2000, v as u32 / 100, v as u32 % 100, 0, 0, 0, 0)?.saturating_add(ns);
    let pos = 6 + len;
    let blanks = s.get(pos..)?.iter().take_while(|&&b| b == b' ').count();
    (blanks > 0).then_some((Stamp { wall: RawTime::NoYear { civil, precision }, uptime_ns: None }, pos + blanks))
}

/// `audit(1789219523.571:1823)`: the moment of an audit record.
pub fn audit(text: &[u8]) -> Option<Timestamp> {
    let rest = text.get(memchr::memmem::find(text, b"audit(")? + 6..)?;
    let (secs, n) = digits(rest)?;
    let (ms, m) = digits(rest.get(n..)?.strip_prefix(b".")?)?;
    if m != 3 || !(1_000_000_000..10_000_000_000).contains(&secs) {
        return None;
    }
    Some(Timestamp((secs as i64).checked_mul(SECOND)?.checked_add(ms as i64 * 1_000_000)?))
}

/// `time="2026-11-02T02:31:54.972751379Z" level=…` of containerd and other logfmt writers.
pub fn logfmt(text: &[u8]) -> Option<RawTime> {
    let rest = text.strip_prefix(b"time=\"")?;
    let quote = memchr::memchr(b'"', rest.get(..rest.len().min(48))?)?;
    iso(rest.get(..quote)?).map(|t| t.0.wall)
}

/// Offset in seconds of a zone word: `UTC`, `+0530`, `+05:30`, `+03` or a common abbreviation.
fn zone(word: &[u8]) -> Option<i64> {
    if let Some((&sign @ (b'+' | b'-'), rest)) = word.split_first() {
        let (v, n) = digits(rest)?;
        let secs = match (n, rest.get(2)) {
            (2, Some(b':')) => v as i64 * 3600 + digits(rest.get(3..)?).filter(|m| m.0 < 60)?.0 as i64 * 60,
            (2, None) => v as i64 * 3600,
            (4, _) => (v as i64 / 100) * 3600 + (v as i64 % 100) * 60,
            _ => return None,
        };
        return Some(if sign == b'-' { -secs } else { secs });
    }
    let minutes = match word {
        b"UTC" | b"GMT" | b"WET" | b"Z" => 0,
        b"CET" | b"WEST" | b"WAT" => 60,
        b"CEST" | b"EET" | b"SAST" | b"CAT" => 120,
        b"EEST" | b"MSK" | b"EAT" | b"TRT" => 180,
        b"PKT" => 300,
        b"WIB" | b"ICT" => 420,
        b"HKT" | b"SGT" | b"AWST" | b"PHT" => 480,
        b"JST" | b"KST" => 540,
        b"ACST" => 570,
        b"AEST" => 600,
        b"ACDT" => 630,
        b"AEDT" => 660,
        b"NZST" => 720,
        b"NZDT" => 780,
        b"BRT" | b"ART" => -180,
        b"EDT" => -240,
        b"EST" | b"CDT" => -300,
        b"MDT" => -360,
        b"MST" | b"PDT" => -420,
        b"AKDT" => -480,
        b"AKST" => -540,
        b"HST" => -600,
        _ => return None,
    };
    Some(minutes * 60)
}

/// Offsets east of UTC that one word stands for in today's zone data, most used first; `None` where it has one meaning.
fn ambiguous(word: &[u8]) -> Option<&'static [i32]> {
    const H: i32 = 3600;
    Some(match word {
        // America's Central, China, Cuba.
        b"CST" => &[-6 * H, 8 * H, -5 * H],
        // India, Israel, Ireland in summer.
        b"IST" => &[5 * H + H / 2, 2 * H, H],
        // Britain in summer, Bangladesh by habit.
        b"BST" => &[H, 6 * H],
        // America's Atlantic, Arabia by habit.
        b"AST" => &[-4 * H, 3 * H],
        // America's Pacific, the Philippines.
        b"PST" => &[-8 * H, 8 * H],
        _ => return None,
    })
}

/// Position after the blank that must follow a stamp.
fn blank_after(s: &[u8], pos: usize) -> Option<usize> {
    match s.get(pos) {
        Some(b' ' | b'\t') => Some(pos + 1),
        None => Some(pos),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(t: &RawTime) -> String {
        match t {
            RawTime::Utc { at, .. } => at.rfc3339(),
            RawTime::NoZone { civil, .. } | RawTime::NoYear { civil, .. } => civil.rfc3339().replace('Z', ""),
            _ => String::new(),
        }
    }

    #[test]
    fn dmesg_times_in_ten_locales_are_one_moment() {
        for s in [
            "[Sat Nov 21 00:43:48 2026]",
            "[Sa Nov 21 00:43:48 2026]",
            "[sam. nov. 21 00:43:48 2026]",
            "[sáb nov 21 00:43:48 2026]",
            "[sab nov 21 00:43:48 2026]",
            "[za nov 21 00:43:48 2026]",
            "[sob lis 21 00:43:48 2026]",
            "[Сб ноя 21 00:43:48 2026]",
            "[六 11月 21 00:43:48 2026]",
            "[토 11월 21 00:43:48 2026]",
            "[Cts Kas 21 00:43:48 2026]",
        ] {
            let got = ctime(s.as_bytes()).map(|(t, _)| wall(&t.wall));
            assert_eq!(got.as_deref(), Some("2026-11-21T00:43:48.000000"), "{s}");
        }
        // Greek is not listed: no date, but a stamp.
        let greek = "[Κυρ Νοε 21 00:43:48 2026] x";
        assert_eq!(ctime(greek.as_bytes()).map(|(t, n)| (t.wall, &greek[n..])), Some((RawTime::Absent, "x")));
        assert_eq!(ctime(b"[some text 00:43:48 of a program] x"), None);
        assert_eq!(ctime(b"[mar mar  3 10:00:00 2026]").map(|(t, _)| wall(&t.wall)).as_deref(), Some("2026-03-03T10:00:00.000000"));
        assert_eq!(month("juil.".as_bytes()), Some(7));
        assert_eq!(month("juin".as_bytes()), Some(6));
    }

    #[test]
    fn each_stamp_is_read_to_its_end() {
        assert_eq!(uptime(b"[    8.981441 <    0.000000 >] x"), Some((8_981_441_000, 30)));
        assert_eq!(uptime(b"[    8.981441                ] x"), Some((8_981_441_000, 30)));
        assert_eq!(uptime(b"[12.5s][info]"), None);
        assert_eq!(
            full(b"Fri 2026-11-06 16:20:08 EST host k").map(|(t, n)| (wall(&t.wall), n)),
            Some(("2026-11-06T21:20:08.000000Z".into(), 28))
        );
        assert_eq!(unix(b"1794000008.982941 host").map(|(_, n)| n), Some(18));
        assert_eq!(syslog(b"Nov  8 11:06:42.5 h").map(|(t, n)| (wall(&t.wall), n)), Some(("2000-11-08T11:06:42.500000".into(), 18)));
        assert_eq!(klog(b"I1121 00:50:01.123456    1234 kubelet.go").map(|(_, n)| n), Some(25));
        assert_eq!(iso(b"2026-11-21T00:41:49,846732+00:00 x").map(|(_, n, c)| (n, c)), Some((33, true)));
    }
}
