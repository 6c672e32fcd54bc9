//! Values as a panel formats them for a reader: `1.20 GiB`, `345,6 MB`, `12 %`, `1'234`, in the writer's locale.

/// What separates whole from part in this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    Point,
    Comma,
}

/// Reads the file's habit from its cells: where both marks occur in one number the last is the decimal mark; a comma that is
/// ever followed by other than three digits is one; fields separated by semicolons point to a locale with decimal commas.
pub fn habit<'a>(cells: impl Iterator<Item = &'a str>, separator: u8) -> Decimal {
    let mut grouped = true;
    let mut commas = false;
    for c in cells {
        let number: &str = c.trim().split([' ', '\u{a0}', '\u{202f}']).next().unwrap_or("");
        match (number.rfind('.'), number.rfind(',')) {
            (Some(p), Some(c)) => return if c > p { Decimal::Comma } else { Decimal::Point },
            (None, Some(c)) => {
                commas = true;
                let tail = number.len() - c - 1;
                grouped &= tail == 3 && number.matches(',').count() >= 1 && c > 0;
            }
            _ => {}
        }
    }
    if commas && (!grouped || separator == b';') { Decimal::Comma } else { Decimal::Point }
}

/// Factor and base unit of a formatted unit; `None` for text that is no unit known here.
fn unit(text: &str) -> Option<(f64, &'static str)> {
    const BINARY: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    const DECIMAL: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if let Some(i) = BINARY.iter().position(|u| *u == text) {
        return Some((1024f64.powi(i as i32 + 1), "bytes"));
    }
    if let Some(i) = DECIMAL.iter().position(|u| u.eq_ignore_ascii_case(text)) {
        return Some((1000f64.powi(i as i32 + 1), "bytes"));
    }
    Some(match text {
        "" => (1.0, ""),
        "B" | "bytes" | "byte" => (1.0, "bytes"),
        "%" => (0.01, "ratio"),
        "K" => (1e3, ""),
        "Mil" => (1e6, ""),
        "Bil" => (1e9, ""),
        "Tri" => (1e12, ""),
        "ns" => (1e-9, "seconds"),
        "µs" => (1e-6, "seconds"),
        "ms" => (1e-3, "seconds"),
        "s" => (1.0, "seconds"),
        "min" | "mins" => (60.0, "seconds"),
        "hour" | "hours" => (3600.0, "seconds"),
        "day" | "days" => (86_400.0, "seconds"),
        "req/s" | "reqps" | "ops/s" | "rps" | "c/s" | "wps" | "iops" | "mps" | "cps" => (1.0, ""),
        "K req/s" | "K ops/s" => (1e3, ""),
        _ => return None,
    })
}

/// A value in base units and its unit; `None` where the cell holds none (`null`, blank, text).
pub fn value(cell: &str, decimal: Decimal) -> Option<(f64, &'static str)> {
    let cell = cell.trim();
    let number_end = cell
        .char_indices()
        .find(|&(i, c)| {
            let digitish = c.is_ascii_digit() || matches!(c, '.' | ',' | '+' | '-' | '\'' | '’');
            // An exponent belongs to the number when digits follow it, a blank when it groups digits.
            let rest = cell.get(i + c.len_utf8()..).unwrap_or("");
            let exponent = matches!(c, 'e' | 'E') && rest.starts_with(|d: char| d.is_ascii_digit() || matches!(d, '+' | '-'));
            let group = matches!(c, ' ' | '\u{a0}' | '\u{202f}') && rest.starts_with(|d: char| d.is_ascii_digit());
            !(digitish || exponent || group)
        })
        .map_or(cell.len(), |(i, _)| i);
    let (number, tail) = cell.split_at_checked(number_end)?;
    let (point, group) = if decimal == Decimal::Point { ('.', ',') } else { (',', '.') };
    let plain: String = number
        .chars()
        .filter(|c| !(*c == group || matches!(c, '\'' | '’') || c.is_whitespace()))
        .map(|c| if c == point { '.' } else { c })
        .collect();
    if plain.is_empty() {
        return match cell {
            "NaN" => Some((f64::NAN, "")),
            "+Inf" | "Infinity" => Some((f64::INFINITY, "")),
            _ => None,
        };
    }
    let v: f64 = plain.parse().ok()?;
    let (factor, base) = unit(tail.trim_matches(|c: char| c.is_whitespace()))?;
    Some((v * factor, base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_and_units() {
        let v = |s: &str, d| value(s, d).map(|(v, u)| (v.round() as i64, u));
        assert_eq!(v("1.50 GiB", Decimal::Point), Some((1_610_612_736, "bytes")));
        assert_eq!(v("1.234,5 MB", Decimal::Comma), Some((1_234_500_000, "bytes")));
        assert_eq!(v("1\u{202f}234 kB", Decimal::Comma), Some((1_234_000, "bytes")));
        assert_eq!(v("1,234,567", Decimal::Point), Some((1_234_567, "")));
        assert_eq!(v("1.79e+09", Decimal::Point), Some((1_790_000_000, "")));
        assert_eq!(v("52.4%", Decimal::Point).map(|v| v.1), Some("ratio"));
        assert_eq!((v("null", Decimal::Point), v("", Decimal::Point), v("12 parsecs", Decimal::Point)), (None, None, None));
        assert_eq!(habit(["1,20 GiB", "980,5 MiB"].into_iter(), b';'), Decimal::Comma);
        assert_eq!(habit(["1,200", "12,345,678"].into_iter(), b','), Decimal::Point);
        assert_eq!(habit(["1.234,5"].into_iter(), b','), Decimal::Comma);
    }
}
