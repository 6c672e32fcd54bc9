//! Times for people: always UTC, never more exact than known.

use crate::model::Timestamp;
use crate::report::document::{KillDoc, Span};

/// `2026-11-19 14:02:11`
pub fn stamp(t: Timestamp) -> String {
    t.human()
}

/// `2026-11-19`
pub fn day(t: Timestamp) -> String {
    t.rfc3339().chars().take(10).collect()
}

/// `Nov 19`
pub fn month_day(t: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, m, d) = crate::model::time::civil_from_days(t.0.div_euclid(crate::model::time::DAY));
    format!("{} {d}", MONTHS.get((m as usize).wrapping_sub(1)).copied().unwrap_or("?"))
}

/// `14:02:11`
pub fn clock(t: Timestamp) -> String {
    t.rfc3339().chars().skip(11).take(8).collect()
}

/// `14:02`
pub fn minute(t: Timestamp) -> String {
    t.rfc3339().chars().skip(11).take(5).collect()
}

/// `Nov 19 14:02`
pub fn short(t: Timestamp) -> String {
    format!("{} {}", month_day(t), minute(t))
}

fn known(t: Option<Timestamp>) -> Option<Timestamp> {
    t.filter(|t| *t > Timestamp::MIN && *t < Timestamp::MAX)
}

/// `2026-11-21 04:50 to 05:02`, with the day again where it is another.
pub fn from_to(a: Timestamp, b: Timestamp) -> String {
    let end = if day(a) == day(b) { minute(b) } else { format!("{} {}", day(b), minute(b)) };
    format!("{} {} to {end}", day(a), minute(a))
}

/// `14:02:11`, `14:02–14:07`, `after 14:02`, with the day when it is not `shown`; empty when nothing is known.
pub fn span(s: &Span, shown: Option<&str>) -> String {
    let date = |t: Timestamp| {
        let d = day(t);
        if Some(d.as_str()) == shown { String::new() } else { format!("{d} ") }
    };
    match (known(s.earliest), known(s.latest)) {
        (Some(a), Some(b)) if b.0.saturating_sub(a.0) < crate::model::time::SECOND => format!("{}{}", date(a), clock(a)),
        (Some(a), Some(b)) if day(a) == day(b) => {
            if b.0.saturating_sub(a.0) < crate::model::time::MINUTE {
                format!("{}{}–{}", date(a), clock(a), clock(b))
            } else {
                format!("{}{}–{}", date(a), minute(a), minute(b))
            }
        }
        (Some(a), Some(b)) => format!("{} {} – {} {}", day(a), minute(a), day(b), minute(b)),
        (Some(a), None) => format!("after {}{}", date(a), clock(a)),
        (None, Some(b)) => format!("before {}{}", date(b), clock(b)),
        (None, None) => String::new(),
    }
}

/// [`span`], or the time as the log writes it where that is all that is known.
pub fn told(time: &Span, written: Option<&String>) -> String {
    let told = span(time, None);
    if told.is_empty() { written.cloned().unwrap_or_default() } else { told }
}

pub fn of_kill(k: &KillDoc) -> String {
    told(&k.time, k.time_written.as_ref())
}

/// `1 h 32 min`, `45 s`, `3 d 4 h`: two units, for lives of containers.
pub fn lasted(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let s = seconds.round().min(1e12) as u64;
    let (d, h, m) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

pub use crate::model::quantity::grouped;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::SECOND;

    #[test]
    fn spans_are_no_more_exact_than_known() {
        let at = |s: i64| Some(Timestamp(1_795_100_000 * SECOND + s * SECOND));
        assert_eq!(span(&Span { earliest: at(0), latest: at(0) }, None), "2026-11-19 14:53:20");
        assert_eq!(span(&Span { earliest: at(0), latest: at(0) }, Some("2026-11-19")), "14:53:20");
        assert_eq!(span(&Span { earliest: at(0), latest: at(600) }, Some("2026-11-19")), "14:53–15:03");
        assert_eq!(span(&Span { earliest: None, latest: at(0) }, None), "before 2026-11-19 14:53:20");
        assert_eq!(span(&Span::default(), None), "");
        assert_eq!(lasted(5520.0), "1 h 32 min");
        assert_eq!(grouped(-1_234_567), "−1,234,567");
    }
}
