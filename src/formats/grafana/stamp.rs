//! Times as a CSV export writes them: epoch numbers, ISO 8601, or the browser's locale (`19.11.2026 10:00:00`,
//! `11/19/2026, 10:00:00 AM`), whose order of day and month only the whole column can tell.

use crate::model::time::{civil, parse_iso};

/// Unix milliseconds, and whether the zone is known.
pub type Moment = (i64, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    DayFirst,
    MonthFirst,
}

/// Numbers of a date with separators, its clock, and afternoon.
struct Parts {
    a: u32,
    b: u32,
    c: u32,
    clock: [u32; 3],
    ms: u32,
}

fn parts(text: &str) -> Option<Parts> {
    let text = text.trim();
    let split = text.find([' ', ',', '\u{a0}', '\u{202f}'])?;
    let (date, rest) = text.split_at_checked(split)?;
    let mut numbers = date.split(['/', '.', '-']).map(|n| n.parse::<u32>().ok());
    let (a, b, c) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() {
        return None;
    }
    let rest = rest.trim_start_matches([',', ' ', '\u{a0}', '\u{202f}']);
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let (clock, half) = rest.split_at_checked(end)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut hms = clock.split(':').map(|n| n.parse::<u32>().ok());
    let (mut h, m, s) = (hms.next()??, hms.next()??, hms.next().unwrap_or(Some(0))?);
    let half = half.trim_matches(|c: char| c.is_whitespace()).to_ascii_lowercase();
    match half.as_str() {
        "" => {}
        "am" | "a.m." => h %= 12,
        "pm" | "p.m." => h = h % 12 + 12,
        _ => return None,
    }
    let ms = fraction.get(..fraction.len().min(3)).and_then(|f| format!("{f:0<3}").parse().ok()).unwrap_or(0);
    Some(Parts { a, b, c, clock: [h, m, s], ms })
}

/// Which of day and month comes first in this column; the second value says that both readings were possible.
pub fn order<'a>(cells: impl Iterator<Item = &'a str>) -> (Order, bool) {
    let mut spans = [(i64::MAX, i64::MIN); 2];
    let mut open = [true; 2];
    let mut seen = false;
    for p in cells.filter_map(parts).filter(|p| p.a <= 31) {
        seen = true;
        for (k, order) in [Order::MonthFirst, Order::DayFirst].into_iter().enumerate() {
            let read = local(&p, order);
            if let (Some(open), Some(span)) = (open.get_mut(k), spans.get_mut(k)) {
                match read {
                    Some(t) => *span = (span.0.min(t), span.1.max(t)),
                    None => *open = false,
                }
            }
        }
    }
    let width = |(a, z): (i64, i64)| z.saturating_sub(a);
    match open {
        [true, true] if seen && width(spans[0]) != width(spans[1]) => {
            // An export is one window: the reading that stretches over fewer days is the true one.
            (if width(spans[0]) < width(spans[1]) { Order::MonthFirst } else { Order::DayFirst }, false)
        }
        [true, true] => (Order::MonthFirst, seen),
        [false, true] => (Order::DayFirst, false),
        _ => (Order::MonthFirst, false),
    }
}

fn local(p: &Parts, order: Order) -> Option<i64> {
    let (y, mo, d) = match (p.a > 31, order) {
        (true, _) => (p.a, p.b, p.c),
        (false, Order::DayFirst) => (p.c, p.b, p.a),
        (false, Order::MonthFirst) => (p.c, p.a, p.b),
    };
    let [h, m, s] = p.clock;
    Some(civil(i64::from(y), mo, d, h, m, s, p.ms * 1_000_000)?.0 / 1_000_000)
}

/// One cell.
pub fn moment(cell: &str, order: Order) -> Option<Moment> {
    let cell = cell.trim();
    if !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit()) {
        let n: i64 = cell.parse().ok()?;
        return match cell.len() {
            9..=11 => Some((n.saturating_mul(1000), true)),
            12..=14 => Some((n, true)),
            _ => None,
        };
    }
    if let Some(iso) = parse_iso(cell.as_bytes()) {
        let offset = i64::from(iso.offset_seconds.unwrap_or(0));
        return Some((iso.civil.0 / 1_000_000 - offset * 1000, iso.offset_seconds.is_some()));
    }
    Some((local(&parts(cell)?, order)?, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_agree_on_one_moment() {
        let want = 1_795_082_405_000;
        for (text, order, zoned) in [
            ("1795082405000", Order::MonthFirst, true),
            ("1795082405", Order::MonthFirst, true),
            ("2026-11-19T11:00:05+01:00", Order::MonthFirst, true),
            ("2026-11-19 10:00:05", Order::MonthFirst, false),
            ("19.11.2026 10:00:05", Order::DayFirst, false),
            ("19.11.2026, 10:00:05", Order::DayFirst, false),
            ("11/19/2026, 10:00:05 AM", Order::MonthFirst, false),
            ("19/11/2026 10:00:05", Order::DayFirst, false),
            ("2026/11/19 10:00:05", Order::MonthFirst, false),
        ] {
            assert_eq!(moment(text, order), Some((want, zoned)), "{text}");
        }
        assert_eq!(moment("11/19/2026, 12:00:05 AM", Order::MonthFirst).map(|m| m.0), Some(want - 10 * 3_600_000));
        assert_eq!(order(["11/12/2026 10:00:00", "11/13/2026 10:00:00"].into_iter()), (Order::MonthFirst, false));
        // Two days or a month: one window is the shorter reading.
        assert_eq!(order(["05/04/2026 10:00:00", "06/04/2026 10:00:00"].into_iter()), (Order::DayFirst, false));
        assert_eq!(order(["05/04/2026 10:00:00"].into_iter()), (Order::MonthFirst, true));
    }
}
