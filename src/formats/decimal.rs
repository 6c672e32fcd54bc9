//! Decimal numbers as monitoring exports write them, read eight digits at a time: the hot path of every series format.
//! Correctly rounded: short mantissas by one exact division (Clinger), everything else by the standard library.

/// Exact powers of ten in `f64`.
const POW10: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// Powers of ten for up to eight digits.
pub const POW10_INT: [u64; 9] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Leading ASCII digits of eight bytes (the first in the lowest byte): their value and how many there are.
#[inline(always)]
pub fn eight(bytes: u64) -> (u64, usize) {
    let v = bytes ^ 0x3030_3030_3030_3030;
    // A byte above 9 sets its high bit; a carry can only spoil bytes after the first such one.
    let stop = (v.wrapping_add(0x7676_7676_7676_7676) | v) & 0x8080_8080_8080_8080;
    let n = if stop == 0 { 8 } else { (stop.trailing_zeros() >> 3) as usize };
    if n == 0 {
        return (0, 0);
    }
    // Shifting left puts zeros in front.
    (sum(v << (64 - 8 * n as u32)), n)
}

/// Eight bytes that are all digits.
#[inline(always)]
pub fn all_eight(bytes: u64) -> Option<u64> {
    let v = bytes ^ 0x3030_3030_3030_3030;
    ((v.wrapping_add(0x7676_7676_7676_7676) | v) & 0x8080_8080_8080_8080 == 0).then(|| sum(v))
}

/// The number that eight digits make: pairs, quads and the whole are summed by multiplication.
#[inline(always)]
fn sum(v: u64) -> u64 {
    let v = v.wrapping_mul(10).wrapping_add(v >> 8);
    let low = (v & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((v >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    (low.wrapping_add(high)) >> 32
}

/// Digits at the start of `s` as an integer and their count; more than 16 digits report their count only.
#[inline(always)]
fn digits(s: &[u8]) -> (u64, usize) {
    let (mut value, mut at) = (0u64, 0usize);
    while let Some(chunk) = s.get(at..at + 8).and_then(|c| c.try_into().ok()) {
        let (v, n) = eight(u64::from_le_bytes(chunk));
        value = value.wrapping_mul(POW10_INT[n.min(8)]).wrapping_add(v);
        at += n;
        if n < 8 {
            return (value, at);
        }
    }
    while let Some(d) = s.get(at).map(|b| b.wrapping_sub(b'0')).filter(|&d| d < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(d));
        at += 1;
    }
    (value, at)
}

/// A float at the start of `s` up to a byte that cannot be part of one: decimal, exponent, `NaN`, `±Inf` in any case.
/// Gives the value and the bytes read.
#[inline(always)]
pub fn float(s: &[u8]) -> Option<(f64, usize)> {
    let negative = s.first() == Some(&b'-');
    let start = usize::from(negative);
    let rest = s.get(start..)?;
    let (mut mantissa, mut n) = digits(rest);
    let mut figures = n;
    let mut scale = 0usize;
    if rest.get(n) == Some(&b'.') && n > 0 {
        let (fraction, m) = digits(rest.get(n + 1..)?);
        if m == 0 || n + m > 18 {
            return slow(s);
        }
        mantissa = mantissa.wrapping_mul(ten(m)).wrapping_add(fraction);
        figures += m;
        scale = m;
        n += 1 + m;
    }
    match rest.get(n) {
        Some(b'e' | b'E') => exponent(s, rest, negative, mantissa, figures, scale, n),
        Some(b'.' | b'+' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z') => slow(s),
        _ if figures == 0 => slow(s),
        // 2^53 is 9.007e15: up to 15 digits always fit the mantissa exactly.
        _ if figures <= 15 => {
            let v = mantissa as f64;
            let v = if scale == 0 { v } else { v / POW10.get(scale).copied()? };
            Some((if negative { -v } else { v }, start + n))
        }
        _ => slow(s),
    }
}

fn ten(n: usize) -> u64 {
    10u64.saturating_pow(n as u32)
}

fn exponent(s: &[u8], rest: &[u8], negative: bool, mantissa: u64, figures: usize, scale: usize, at: usize) -> Option<(f64, usize)> {
    let mut p = at + 1;
    let down = match rest.get(p)? {
        b'-' => true,
        b'+' => false,
        _ => {
            p -= 1;
            false
        }
    };
    let (e, m) = digits(rest.get(p + 1..)?);
    if m == 0 || m > 4 || figures == 0 || figures > 15 {
        return slow(s);
    }
    let power = if down { -(e as i64) } else { e as i64 } - scale as i64;
    let v = mantissa as f64;
    let v = match power {
        0..=22 => v * POW10.get(power as usize).copied()?,
        -22..=-1 => v / POW10.get((-power) as usize).copied()?,
        _ => return slow(s),
    };
    // Both factors are exact doubles, so there was one rounding: the nearest double (Clinger).
    Some((if negative { -v } else { v }, usize::from(negative) + p + 1 + m))
}

/// Anything the fast path does not take, by the standard library.
#[cold]
fn slow(s: &[u8]) -> Option<(f64, usize)> {
    let n = s
        .iter()
        .take(400)
        .position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z'))
        .unwrap_or(s.len().min(400));
    let text = std::str::from_utf8(s.get(..n)?).ok()?;
    let v: f64 = text.parse().ok()?;
    Some((v, n))
}

/// Unix time in seconds with any number of decimals, as milliseconds (rounded), and the bytes read.
#[inline(always)]
pub fn seconds_to_ms(s: &[u8]) -> Option<(i64, usize)> {
    let (whole, n) = digits(s);
    if n == 0 || n > 15 {
        return seconds_slow(s);
    }
    match s.get(n) {
        Some(b'.') => {
            let (fraction, m) = digits(s.get(n + 1..)?);
            let ms = match m {
                0 => return seconds_slow(s),
                1 => fraction * 100,
                2 => fraction * 10,
                3 => fraction,
                _ => return seconds_slow(s),
            };
            if matches!(s.get(n + 1 + m), Some(b'e' | b'E')) {
                return seconds_slow(s);
            }
            Some(((whole * 1000 + ms) as i64, n + 1 + m))
        }
        Some(b'e' | b'E') => seconds_slow(s),
        _ => Some(((whole * 1000) as i64, n)),
    }
}

#[cold]
fn seconds_slow(s: &[u8]) -> Option<(i64, usize)> {
    let (v, n) = float(s)?;
    // 2^53 ms is the year 287,396: beyond that it is not a time.
    (v.is_finite() && v.abs() < 9e12).then(|| ((v * 1000.0).round() as i64, n))
}

/// An integer number of milliseconds and the bytes read.
#[inline(always)]
pub fn millis(s: &[u8]) -> Option<(i64, usize)> {
    let negative = s.first() == Some(&b'-');
    let (v, n) = digits(s.get(usize::from(negative)..)?);
    (n > 0 && n <= 18).then(|| (if negative { -(v as i64) } else { v as i64 }, n + usize::from(negative)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_agree_with_the_standard_library() {
        for t in [
            "0",
            "1",
            "12345678",
            "123456789",
            "1.5",
            "1.79e+09",
            "1.00417536e+08",
            "-0.25",
            "123456789012345678901",
            "1e-7",
            "0.1",
            "3.4028234663852886e+38",
            "99999999.99999999",
            "1e300",
            "8.531666666666666",
            "16.865000000000002",
            "1E5",
            "7.e1",
            "4503599627370497.5",
        ] {
            let want: f64 = t.parse().unwrap_or(f64::NAN);
            for tail in ["", "\"]", " 1795221372", "\n"] {
                let text = format!("{t}{tail}");
                assert_eq!(float(text.as_bytes()).map(|(v, n)| (v.to_bits(), n)), Some((want.to_bits(), t.len())), "{text}");
            }
        }
        assert!(float(b"NaN\"").is_some_and(|(v, n)| v.is_nan() && n == 3));
        assert_eq!(float(b"+Inf\""), Some((f64::INFINITY, 4)));
        assert_eq!(float(b"-Inf\""), Some((f64::NEG_INFINITY, 4)));
        assert_eq!(float(b"x"), None);
    }

    #[test]
    fn times_in_every_precision() {
        assert_eq!(seconds_to_ms(b"1795221372,"), Some((1_795_221_372_000, 10)));
        assert_eq!(seconds_to_ms(b"1795221372.781,"), Some((1_795_221_372_781, 14)));
        assert_eq!(seconds_to_ms(b"1795221372.78,"), Some((1_795_221_372_780, 13)));
        assert_eq!(seconds_to_ms(b"1795221372.7812345,"), Some((1_795_221_372_781, 18)));
        assert_eq!(seconds_to_ms(b"1.795221372e+09,"), Some((1_795_221_372_000, 15)));
        assert_eq!(millis(b"1793552853835\n"), Some((1_793_552_853_835, 13)));
    }
}
