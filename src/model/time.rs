//! Time as written (`RawTime`) and time as known (`When`: an interval and why we know it).
//! Parsers only ever write down what stands in the artifact; `correlate/clock` alone makes intervals of it.

use serde::{Serialize, Serializer};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

pub const SECOND: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

impl Timestamp {
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    pub fn from_seconds(s: i64) -> Self {
        Timestamp(s.saturating_mul(SECOND))
    }

    /// From fractional Unix seconds; out-of-range and non-finite values saturate.
    pub fn from_seconds_f64(s: f64) -> Self {
        Timestamp((s * SECOND as f64).round() as i64)
    }

    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    pub fn saturating_add(self, ns: i64) -> Self {
        Timestamp(self.0.saturating_add(ns))
    }

    pub fn saturating_sub(self, ns: i64) -> Self {
        Timestamp(self.0.saturating_sub(ns))
    }

    /// RFC 3339 in UTC with six fractional digits, the form of every document.
    pub fn rfc3339(self) -> String {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (y, m, d) = civil_from_days(days);
        let (s, us) = (rest / SECOND, rest % SECOND / 1000);
        format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{us:06}Z", s / 3600, s / 60 % 60, s % 60)
    }

    /// `YYYY-MM-DD HH:MM:SS`, for people.
    pub fn human(self) -> String {
        let r = self.rfc3339();
        format!("{} {}", r.get(..10).unwrap_or(""), r.get(11..19).unwrap_or(""))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.rfc3339())
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        parse_rfc3339(text.as_bytes()).map(|(t, _)| t).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's algorithm).
pub fn days_from_civil(y: i64, m: u32, d: u32) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((i64::from(m) + 9) % 12) + 2) / 5 + i64::from(d) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Inverse of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m as u32, d as u32)
}

/// A civil date and time as nanoseconds since the epoch, read as if it were UTC. `None` for impossible fields.
pub fn civil(y: i64, mo: u32, d: u32, h: u32, mi: u32, s: u32, ns: u32) -> Option<Timestamp> {
    let leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let last = match mo {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if d == 0 || d > last || h > 23 || mi > 59 || s > 60 || ns >= 1_000_000_000 || !(1600..2262).contains(&y) {
        return None;
    }
    let secs = days_from_civil(y, mo, d) * 86_400 + i64::from(h * 3600 + mi * 60 + s);
    Some(Timestamp(secs.checked_mul(SECOND)?.checked_add(i64::from(ns))?))
}

/// Reads `2026-11-21T06:14:35[.,fraction][Z|±hh:mm|±hhmm]` (also with a blank for `T`) at the start of `s`.
/// Gives the instant, how many bytes were read, and takes a missing zone as UTC; see [`parse_iso`] where the zone matters.
pub fn parse_rfc3339(s: &[u8]) -> Option<(Timestamp, usize)> {
    parse_iso(s).map(|i| (Timestamp(i.civil.0 - i64::from(i.offset_seconds.unwrap_or(0)) * SECOND), i.len))
}

/// Reads `Fri, 20 Nov 2026 22:58:47 +0000` (RFC 1123 with a numeric zone, also `UTC` and `GMT`), the form of `kubectl describe`.
/// Go's zero time (year 1) is `None`.
pub fn parse_rfc1123(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(',').map_or(text, |(_, rest)| rest).split_whitespace();
    let day: u32 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|m| *m == month)? as u32 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|p| p.parse::<u32>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = words.next()?;
    let offset = match zone {
        "UTC" | "GMT" | "Z" => 0,
        z => {
            let sign = if z.starts_with('-') { -1 } else { 1 };
            let digits = z.strip_prefix(['+', '-']).filter(|d| d.len() == 4)?;
            let n: i64 = digits.parse().ok()?;
            sign * (n / 100 * 3600 + n % 100 * 60)
        }
    };
    Some(civil(year, month, day, h, m, s, 0)?.saturating_sub(offset.saturating_mul(SECOND)))
}

/// Reads an age as kubectl prints it (`apimachinery/pkg/util/duration.HumanDuration`: `45s`, `118m`, `5h33m`, `22h`, `3d4h`,
/// `10d`, `2y40d`), which is cut to its last unit: the true age lies in `least..=most`, in ns.
pub fn parse_age(text: &str) -> Option<RawTime> {
    let mut rest = text.trim();
    let (mut total, mut unit_ns) = (0i64, 0i64);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|&n| n > 0)?;
        let value: i64 = rest.get(..end)?.parse().ok()?;
        let unit = match rest.as_bytes().get(end)? {
            b's' => SECOND,
            b'm' => MINUTE,
            b'h' => HOUR,
            b'd' => DAY,
            b'y' => 365 * DAY,
            _ => return None,
        };
        // Units come in falling order; anything else is a word that happens to begin with digits.
        if unit_ns != 0 && unit >= unit_ns {
            return None;
        }
        unit_ns = unit;
        total = total.checked_add(value.checked_mul(unit)?)?;
        rest = rest.get(end + 1..)?;
    }
    (unit_ns > 0).then(|| RawTime::Ago { least: total, most: total.saturating_add(unit_ns) })
}

/// A column of a table that holds an age, or an instant where the caller asked for one (`-o custom-columns`).
pub fn parse_age_or_instant(text: &str) -> Option<RawTime> {
    parse_age(text).or_else(|| {
        let iso = parse_iso(text.trim().as_bytes()).filter(|i| i.len == text.trim().len())?;
        let at = Timestamp(iso.civil.0.saturating_sub(i64::from(iso.offset_seconds?) * SECOND));
        Some(RawTime::Utc { at, precision: iso.precision })
    })
}

/// What [`parse_iso`] found: civil time, zone offset if one was written, bytes read, unit of the last digit in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsoTime {
    pub civil: Timestamp,
    pub offset_seconds: Option<i32>,
    pub len: usize,
    pub precision: i64,
}

/// Reads an ISO 8601 date and time at the start of `s` without interpreting its zone.
pub fn parse_iso(s: &[u8]) -> Option<IsoTime> {
    let num = |a: usize, n: usize| -> Option<u32> {
        s.get(a..a + n)?.iter().try_fold(0u32, |acc, b| if b.is_ascii_digit() { Some(acc * 10 + u32::from(b - b'0')) } else { None })
    };
    if s.get(4) != Some(&b'-')
        || s.get(7) != Some(&b'-')
        || !matches!(s.get(10), Some(b'T' | b' ' | b't'))
        || s.get(13) != Some(&b':')
        || s.get(16) != Some(&b':')
    {
        return None;
    }
    let (mut pos, mut ns, mut precision) = (19, 0u32, SECOND);
    if matches!(s.get(pos), Some(b'.' | b',')) && s.get(pos + 1).is_some_and(u8::is_ascii_digit) {
        pos += 1;
        while let Some(b) = s.get(pos).filter(|b| b.is_ascii_digit()) {
            if precision > 1 {
                precision /= 10;
                ns += u32::from(b - b'0') * precision as u32;
            }
            pos += 1;
        }
    }
    let mut offset_seconds = None;
    match s.get(pos) {
        Some(b'Z' | b'z') => {
            offset_seconds = Some(0);
            pos += 1;
        }
        Some(&sign @ (b'+' | b'-')) => {
            if let Some(h) = num(pos + 1, 2) {
                let colon = usize::from(s.get(pos + 3) == Some(&b':'));
                if let Some(m) = num(pos + 3 + colon, 2) {
                    let v = (h * 3600 + m * 60) as i32;
                    offset_seconds = Some(if sign == b'-' { -v } else { v });
                    pos += 5 + colon;
                }
            }
        }
        _ => {}
    }
    Some(IsoTime {
        civil: civil(i64::from(num(0, 4)?), num(5, 2)?, num(8, 2)?, num(11, 2)?, num(14, 2)?, num(17, 2)?, ns)?,
        offset_seconds,
        len: pos,
        precision,
    })
}

/// A date and time within a file's name, as tools write them: `20261102T113809Z`, `20260913.194621`, `20261008-004523`,
/// `2026-07-19T09-23-19Z`. [`RawTime::Absent`] when there is none.
pub fn in_name(name: &str) -> RawTime {
    let b = name.as_bytes();
    let num = |at: usize, n: usize| -> Option<u32> {
        b.get(at..at + n)?.iter().try_fold(0u32, |acc, c| c.is_ascii_digit().then(|| acc * 10 + u32::from(c - b'0')))
    };
    let sep = |at: usize, set: &[u8]| b.get(at).is_some_and(|c| set.contains(c));
    let starts = |i: usize| i.checked_sub(1).is_none_or(|p| !b.get(p).is_some_and(u8::is_ascii_digit));
    for i in (0..b.len()).filter(|&i| starts(i)) {
        // Offsets of month, day, hour, minute, second and of what follows.
        let at: [usize; 6] = if sep(i + 4, b"-_.") && sep(i + 7, b"-_.") && sep(i + 10, b"-_.Tt ") {
            if sep(i + 13, b"-_.:") { [5, 8, 11, 14, 17, 19] } else { [5, 8, 11, 13, 15, 17] }
        } else if sep(i + 8, b"-_.Tt") {
            if sep(i + 11, b"-_.:") { [4, 6, 9, 12, 15, 17] } else { [4, 6, 9, 11, 13, 15] }
        } else {
            continue;
        };
        let [mo, d, h, mi, s, end] = at.map(|o| i + o);
        let fields = || civil(num(i, 4)?.into(), num(mo, 2)?, num(d, 2)?, num(h, 2)?, num(mi, 2)?, num(s, 2)?, 0);
        if let Some(civil) = fields().filter(|_| !b.get(end).is_some_and(u8::is_ascii_digit)) {
            return RawTime::FromName { civil, utc: sep(end, b"Zz") };
        }
    }
    RawTime::Absent
}

/// A moment exactly as an artifact states it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum RawTime {
    /// Instant with a zone; `precision` is the unit of the last digit, in ns.
    Utc { at: Timestamp, precision: i64 },
    /// Full date without a zone; `civil` is read as if it were UTC.
    NoZone { civil: Timestamp, precision: i64 },
    /// Full date with a zone word that several parts of the world use (`CST`, `IST`, `BST`): the offsets east of UTC, in
    /// seconds, that it can mean.
    SomeZone { civil: Timestamp, offsets: &'static [i32], precision: i64 },
    /// Month to second without year and zone (syslog, klog); `civil` is read as if the year were 2000.
    NoYear { civil: Timestamp, precision: i64 },
    /// Nanoseconds of uptime of boot number `boot` within its artifact.
    SinceBoot { boot: u32, ns: i64, precision: i64 },
    /// Age before the capture, as an interval in ns (kubectl's AGE columns).
    Ago { least: i64, most: i64 },
    /// Taken from a file name, zone unknown unless `utc`.
    FromName { civil: Timestamp, utc: bool },
    /// Nothing but the place in the file is known.
    #[default]
    Absent,
}

/// A time that could not be placed, as it is written, with what orders it among others of its log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenTime {
    order: (u32, i64),
    pub text: String,
}

impl RawTime {
    /// `May  6 07:00:00` of a log without years, `270000.000 s after boot` of one in uptimes.
    pub fn written(&self) -> Option<WrittenTime> {
        match *self {
            RawTime::NoYear { civil, .. } => {
                const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
                let (_, month, day) = civil_from_days(civil.0.div_euclid(DAY));
                let month = MONTHS.get((month as usize).wrapping_sub(1))?;
                let clock: String = civil.rfc3339().chars().skip(11).take(8).collect();
                Some(WrittenTime { order: (0, civil.0), text: format!("{month} {day} {clock}, year unknown") })
            }
            RawTime::SinceBoot { boot, ns, .. } => {
                let seconds = ns as f64 / SECOND as f64;
                Some(WrittenTime { order: (boot, ns), text: format!("{seconds:.3} s after a boot of unknown time") })
            }
            _ => None,
        }
    }

    /// An instant known to the second.
    pub fn utc_s(at: Timestamp) -> Self {
        RawTime::Utc { at, precision: SECOND }
    }
}

/// Why a [`When`] is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The artifact states the instant with its zone.
    Stated,
    /// A zone was assumed (UTC unless told otherwise) or inferred from other artifacts.
    ZoneInferred,
    /// A year was inferred.
    YearInferred,
    /// Uptime mapped through a boot's anchors.
    BootAnchored,
    /// An age subtracted from the solved capture time.
    AgeOfCapture,
    FileName,
    /// Only the order is known.
    #[default]
    Order,
}

/// An interval that certainly (as far as the basis holds) contains the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When {
    pub earliest: Timestamp,
    pub latest: Timestamp,
    pub basis: Basis,
}

/// Three-valued order of two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Before,
    After,
    CannotTell,
}

impl When {
    pub fn at(t: Timestamp) -> Self {
        When { earliest: t, latest: t, basis: Basis::Stated }
    }

    /// Nothing is known but the order in the file.
    pub fn unknown() -> Self {
        When { earliest: Timestamp::MIN, latest: Timestamp::MAX, basis: Basis::Order }
    }

    pub fn is_known(&self) -> bool {
        self.earliest != Timestamp::MIN && self.latest != Timestamp::MAX
    }

    /// Middle of the interval; `None` when nothing is known.
    pub fn mid(&self) -> Option<Timestamp> {
        self.is_known().then(|| Timestamp(self.earliest.0 / 2 + self.latest.0 / 2 + (self.earliest.0 % 2 + self.latest.0 % 2) / 2))
    }

    /// Width in ns, saturating.
    pub fn width(&self) -> i64 {
        self.latest.0.saturating_sub(self.earliest.0)
    }

    pub fn order(&self, other: &When) -> Order {
        if self.latest < other.earliest {
            Order::Before
        } else if self.earliest > other.latest {
            Order::After
        } else {
            Order::CannotTell
        }
    }

    /// Whether the two intervals come within `slack` ns of each other.
    pub fn near(&self, other: &When, slack: i64) -> bool {
        self.earliest.saturating_sub(slack) <= other.latest && other.earliest.saturating_sub(slack) <= self.latest
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let known = self.is_known();
        let mut st = s.serialize_struct("When", 3)?;
        st.serialize_field("earliest", &known.then_some(self.earliest))?;
        st.serialize_field("latest", &known.then_some(self.latest))?;
        st.serialize_field("basis", &self.basis)?;
        st.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days_round_trip_and_iso_reads_its_own_output() {
        for days in [-719_468, -1, 0, 59, 60, 11_016, 20_778, 100_000] {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        let t = Timestamp(1_795_220_075_123_456_000);
        assert_eq!(parse_rfc3339(t.rfc3339().as_bytes()), Some((t, 27)));
        let iso = parse_iso(b"2026-11-21T06:14:35+0530 rest").map(|i| (i.offset_seconds, i.len));
        assert_eq!(iso, Some((Some(19_800), 24)));
        assert_eq!(parse_rfc3339(b"2026-02-30T00:00:00Z"), None);
    }

    #[test]
    fn ages_are_intervals_and_describe_times_keep_their_zone() {
        let ago = |least, most| Some(RawTime::Ago { least, most });
        assert_eq!(parse_age("118m"), ago(118 * MINUTE, 119 * MINUTE));
        assert_eq!(parse_age("5h33m"), ago(5 * HOUR + 33 * MINUTE, 5 * HOUR + 34 * MINUTE));
        assert_eq!(parse_age("2d"), ago(2 * DAY, 3 * DAY));
        assert_eq!(parse_age("<unknown>"), None);
        assert_eq!(parse_age("5m-extra"), None);
        let t = parse_rfc1123("Thu, 27 Feb 2025 07:30:28 +0100").map(Timestamp::rfc3339);
        assert_eq!(t.as_deref(), Some("2025-02-27T06:30:28.000000Z"));
        assert_eq!(parse_rfc1123("Mon, 01 Jan 0001 00:00:00 +0000"), None);
    }

    #[test]
    fn times_in_file_names() {
        let t = civil(2026, 11, 2, 11, 38, 9, 0).map(|civil| (civil, true));
        let read = |n: &str| match in_name(n) {
            RawTime::FromName { civil, utc } => Some((civil, utc)),
            _ => None,
        };
        assert_eq!(read("tracemalloc-20261102T113809Z.pickle"), t);
        assert_eq!(read("heap.2026-11-02T11-38-09Z.pb.gz"), t);
        assert_eq!(read("Heap.20261102.113809.1.0.001.heapsnapshot"), t.map(|(c, _)| (c, false)));
        assert_eq!(read("pod-5d8f7-20261399-113809.txt"), None);
        assert_eq!(read("build-1202611021138090.txt"), None);
    }
}
