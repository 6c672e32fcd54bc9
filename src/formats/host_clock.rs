//! What the host's clock said when a collector ran: the output of `date`, of `uptime`, and `/proc/uptime`, as sosreports,
//! Rancher's log collector and many a script keep them. `date` tells the year and the moment of the collection; together
//! with the uptime beside it, when the machine booted, which dates a kernel log in uptimes.
//!
//! `uptime` prints the time of day without a date, so it is read with the `date` of the same collection; without one it says
//! nothing that could be used. Refuses anything longer than a few lines.

use super::{Format, Head, Input, Match};
use crate::model::node::{BootAnchor, CaptureHint};
use crate::model::time::{DAY, HOUR, MINUTE, SECOND, civil, parse_iso};
use crate::model::{Facts, Observation, RawTime, Timestamp};

pub struct HostClock;

/// Longest file that is read.
const LEN_MAX: usize = 400;

/// A moment as `date` prints it, and the zone's offset where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    civil: Timestamp,
    utc: Option<Timestamp>,
}

impl Date {
    fn raw(self) -> RawTime {
        match self.utc {
            Some(at) => RawTime::Utc { at, precision: SECOND },
            None => RawTime::NoZone { civil: self.civil, precision: SECOND },
        }
    }
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `Wed May  6 08:40:12 UTC 2026`, `Wed 06 May 2026 08:40:12 AM CEST`, `2026-05-06T08:40:12+02:00`.
fn date(line: &str) -> Option<Date> {
    let line = line.trim();
    if let Some(iso) = parse_iso(line.as_bytes()).filter(|i| line.get(i.len..).is_some_and(|rest| rest.trim().len() <= 5)) {
        let utc = iso.offset_seconds.map(|o| iso.civil.saturating_sub(i64::from(o).saturating_mul(SECOND)));
        return Some(Date { civil: iso.civil, utc });
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    if !(5..=8).contains(&words.len()) {
        return None;
    }
    let month = words.iter().find_map(|w| MONTHS.iter().position(|m| w.trim_end_matches(',').eq_ignore_ascii_case(m)))?;
    let clock = words.iter().find_map(|w| hms(w))?;
    let number = |w: &&str, len: std::ops::RangeInclusive<usize>| {
        let w = w.trim_end_matches(',');
        (len.contains(&w.len()) && w.bytes().all(|b| b.is_ascii_digit())).then(|| w.parse::<u32>().ok()).flatten()
    };
    let day = words.iter().find_map(|w| number(w, 1..=2))?;
    let year = words.iter().find_map(|w| number(w, 4..=4))?;
    let half = words.iter().find_map(|w| match *w {
        "AM" | "am" => Some(0),
        "PM" | "pm" => Some(12),
        _ => None,
    });
    let hour = half.map_or(clock / 3600, |h| clock / 3600 % 12 + h);
    let civil = civil(year.into(), month as u32 + 1, day, hour, clock / 60 % 60, clock % 60, 0)?;
    let utc = words.iter().any(|w| matches!(*w, "UTC" | "GMT" | "Z")).then_some(civil);
    let offset = words.iter().filter(|w| w.starts_with(['+', '-'])).find_map(|w| {
        let hours: i64 = w.get(1..3)?.parse().ok()?;
        let minutes: i64 = w.get(3..).filter(|m| !m.is_empty()).map_or(Some(0), |m| m.trim_start_matches(':').parse().ok())?;
        let seconds = (hours * 3600 + minutes * 60) * SECOND;
        Some(if w.starts_with('-') { -seconds } else { seconds })
    });
    Some(Date { civil, utc: utc.or_else(|| offset.map(|o| civil.saturating_sub(o))) })
}

/// Seconds of the day in `08:40:12`.
fn hms(word: &str) -> Option<u32> {
    let mut parts = word.split(':').map(|p| p.parse::<u32>().ok().filter(|_| p.len() <= 2));
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && h < 24 && m < 60 && s <= 60).then_some(h * 3600 + m * 60 + s)
}

/// How long the machine was up, in ns; how exactly that is known; the time of day beside it, in seconds.
#[derive(Debug, PartialEq)]
struct Up {
    ns: i64,
    precision: i64,
    clock: Option<u32>,
}

/// ` 08:40:12 up 12 days,  3:01,  1 user,  load average: 0.31, 0.40, 0.42`, `up 5 min`, `up 3 days, 20 min`.
fn uptime(line: &str) -> Option<Up> {
    let (before, rest) = line.split_once(" up ")?;
    let clock = hms(before.trim())?;
    let mut ns = 0i64;
    let mut found = false;
    for part in rest.split(',').map(str::trim).take_while(|p| !p.contains("user") && !p.contains("load")) {
        let (number, unit) = part.split_once(' ').unwrap_or((part, ""));
        let add = match number.split_once(':') {
            Some((h, m)) => h.parse::<i64>().ok()?.checked_mul(HOUR)?.checked_add(m.parse::<i64>().ok()?.checked_mul(MINUTE)?)?,
            None => {
                let unit = match unit.trim() {
                    u if u.starts_with("day") => DAY,
                    u if u.starts_with("week") => 7 * DAY,
                    u if u.starts_with("hour") || u.starts_with("hr") => HOUR,
                    u if u.starts_with("min") => MINUTE,
                    u if u.starts_with("sec") => SECOND,
                    _ => return None,
                };
                number.parse::<i64>().ok()?.checked_mul(unit)?
            }
        };
        ns = ns.checked_add(add)?;
        found = true;
    }
    (found && rest.contains("load average")).then_some(Up { ns, precision: MINUTE, clock: Some(clock) })
}

/// `270123.45 1050000.12`
fn proc_uptime(line: &str) -> Option<Up> {
    let mut words = line.split(' ');
    let seconds = |w: &str| w.split_once('.').filter(|(a, b)| b.len() == 2 && !a.is_empty()).and_then(|_| w.parse::<f64>().ok());
    let (up, _idle) = (seconds(words.next()?)?, seconds(words.next()?)?);
    words.next().is_none().then_some(Up { ns: (up * SECOND as f64) as i64, precision: SECOND, clock: None })
}

fn first_line(bytes: &[u8]) -> Option<&str> {
    bytes.split(|&b| b == b'\n').find(|l| !l.trim_ascii().is_empty()).and_then(|l| std::str::from_utf8(l.trim_ascii_end()).ok())
}

fn read_up(line: &str) -> Option<Up> {
    uptime(line).or_else(|| proc_uptime(line))
}

impl Format for HostClock {
    fn name(&self) -> &'static str {
        "host-clock"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let lines = head.lines().filter(|l| !l.trim_ascii().is_empty()).count();
        if !head.complete || head.bytes.len() > LEN_MAX || lines > 4 {
            return Match::No;
        }
        let Some(line) = first_line(head.bytes) else { return Match::No };
        if uptime(line).is_some() || head.file_name() == "uptime" && proc_uptime(line).is_some() {
            return Match::Certain;
        }
        // A line of a log may begin with a date, a date alone does not go on.
        let named = head.file_name().to_ascii_lowercase().contains("date");
        if date(line).is_some() && (named || lines == 1) { Match::Likely } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let Some(line) = first_line(bytes.get(..LEN_MAX.min(bytes.len())).unwrap_or(&[])) else { return };
        let cite = out.cite(0, Some(1), line.as_bytes());
        if let Some(up) = read_up(line) {
            let Some(date) = beside(input) else {
                return out.note("no-date", Some(1), None, || {
                    "an uptime without the date of its collection beside it: when the machine booted stays unknown".into()
                });
            };
            // The time of day is the uptime's own; the day and the zone are the date's.
            let of_day = |t: Timestamp| t.0.rem_euclid(DAY);
            let apart = up.clock.map_or(0, |c| {
                let ns = i64::from(c) * SECOND - of_day(date.civil);
                if ns > DAY / 2 {
                    ns - DAY
                } else if ns < -DAY / 2 {
                    ns + DAY
                } else {
                    ns
                }
            });
            let moved = Date { civil: date.civil.saturating_add(apart), utc: date.utc.map(|t| t.saturating_add(apart)) };
            let what = BootAnchor { boot_id: None, wall: moved.raw(), late_ns: up.precision, of_host: true };
            let at = RawTime::SinceBoot { boot: 0, ns: up.ns, precision: up.precision };
            out.boots.push(Observation { at, who: input.who.clone(), cite, what });
        } else if let Some(d) = date(line) {
            let what = CaptureHint { basis: "date that the host printed", slack_ns: 5 * MINUTE };
            out.captures.push(Observation { at: d.raw(), who: input.who.clone(), cite, what });
        }
    }
}

/// The date that the same collection kept: in the file's own folder, above it, or among a sosreport's commands.
fn beside(input: &Input<'_>) -> Option<Date> {
    let mut folder = input.folder();
    for _ in 0..3 {
        for name in ["date", "date.txt", "date/date", "sos_commands/date/date", "sos_commands/host/date", "sos_commands/general/date"] {
            let found = input.source.beside(&format!("{folder}{name}")).and_then(|o| o.bytes().ok().and_then(|b| date(first_line(&b)?)));
            if found.is_some() {
                return found;
            }
        }
        let up = folder.trim_end_matches(['/', '!']);
        folder = up.rfind(['/', '!']).and_then(|n| up.get(..=n))?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_programs_print_them() {
        let t = civil(2026, 5, 6, 8, 40, 12, 0);
        for (line, utc) in [
            ("Wed May  6 08:40:12 UTC 2026", t),
            ("Wed 06 May 2026 08:40:12 AM UTC", t),
            ("Wed May  6 08:40:12 CEST 2026", None),
            ("2026-05-06T10:40:12+02:00", t),
            ("Wed May 6 10:40:12 +0200 2026", t),
        ] {
            assert_eq!(date(line).map(|d| d.utc), Some(utc), "{line}");
        }
        assert_eq!(date("Wed 06 May 2026 08:40:12 PM UTC").and_then(|d| d.utc), civil(2026, 5, 6, 20, 40, 12, 0));
        for line in ["May 06 07:00:00 w-7 kernel: started", "hello", "12 days", "Wed May 6 2026"] {
            assert_eq!(date(line), None, "{line}");
        }
    }

    #[test]
    fn uptimes_in_their_forms() {
        let ns = |line: &str| read_up(line).map(|u| u.ns);
        assert_eq!(ns(" 08:40:12 up 12 days,  3:01,  1 user,  load average: 0.31, 0.40, 0.42"), Some(12 * DAY + 3 * HOUR + MINUTE));
        assert_eq!(ns("09:30:00 up 5 min,  0 users,  load average: 1.00, 1.00, 1.00"), Some(5 * MINUTE));
        assert_eq!(ns(" 09:30:00 up 1 day, 20 min,  load average: 1.00, 1.00, 1.00"), Some(DAY + 20 * MINUTE));
        assert_eq!(ns("270123.45 1050000.12"), Some(270_123 * SECOND + 450_000_000));
        assert_eq!(ns("the service is up 3 days"), None);
        assert_eq!(ns("12.5 13.5"), None);
    }
}
