//! Sizes: Kubernetes quantities in, binary units out.
//! Grammar: k8s.io/apimachinery `resource.Quantity` (decimal and binary suffixes, exponents, milli).

/// Bytes.
pub type Bytes = u64;

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const TIB: u64 = 1 << 40;

/// Digits of a fraction that are kept; what stands behind them can only round up.
const FRACTION_DIGITS: usize = 18;

/// Reads a Kubernetes quantity (`512Mi`, `1Gi`, `129e6`, `128974848`, `1500m`, `0.5Gi`) in `per_unit`-ths of its unit, in
/// whole numbers and rounded up as the API server does: binary floating point makes 8300001 of `8.3M`. `None` when it is no
/// quantity, negative, or larger than fits.
fn ceiling(text: &str, per_unit: u128) -> Option<u64> {
    let text = text.trim();
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (number, suffix) = text.split_at(text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (kept, rest) = fraction.split_at(fraction.len().min(FRACTION_DIGITS));
    let mut digits: u128 = 0;
    for d in whole.bytes().chain(kept.bytes()) {
        digits = digits.checked_mul(10)?.checked_add(u128::from(d - b'0'))?;
    }
    let beyond = rest.bytes().any(|d| d != b'0');
    if negative {
        return (digits == 0 && !beyond).then_some(0);
    }
    let (binary, exponent) = match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" | "K" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
    };
    if digits == 0 && !beyond {
        return Some(0);
    }
    // value = digits × 2^binary × per_unit × 10^shift
    let shift = exponent.saturating_sub(kept.len() as i32);
    let power = 10u128.checked_pow(shift.unsigned_abs());
    let scaled = digits.checked_mul(1 << binary)?.checked_mul(per_unit)?;
    // A divisor beyond 10^38 leaves a sliver, which rounds up to one.
    let (floor, left) = match (shift < 0, power) {
        (true, Some(p)) => (scaled / p, scaled % p),
        (true, None) => (0, scaled),
        (false, p) => (scaled.checked_mul(p?)?, 0),
    };
    u64::try_from(floor.checked_add(u128::from(left > 0 || beyond))?).ok()
}

/// A memory quantity in bytes, rounded up as the API server does. `None` when it is not a quantity or negative.
pub fn parse_bytes(text: &str) -> Option<Bytes> {
    ceiling(text, 1)
}

/// A CPU quantity in millicores.
pub fn parse_cpu_millis(text: &str) -> Option<u64> {
    ceiling(text, 1000)
}

/// `1.2 GiB`, `512 MiB`, `740 KiB`, `12 B`: three significant digits, binary units.
pub fn human(bytes: f64) -> String {
    let sign = if bytes < 0.0 { "-" } else { "" };
    let mut v = bytes.abs();
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        // 1023.5 and more would round to 1024 of the smaller unit.
        if v < 1023.5 {
            break;
        }
        v /= 1024.0;
        unit = next;
    }
    let digits = if unit == "B" || v >= 99.95 || (v - v.round()).abs() < 0.005 {
        0
    } else if v >= 9.995 {
        1
    } else {
        2
    };
    format!("{sign}{v:.digits$} {unit}")
}

/// As [`human`], for whole byte counts.
pub fn human_bytes(bytes: u64) -> String {
    human(bytes as f64)
}

/// A quantity as one would write it in a manifest: exact `Gi`/`Mi`/`Ki` where possible, else rounded up to `Mi`.
pub fn kube(bytes: u64) -> String {
    if bytes >= GIB && bytes.is_multiple_of(GIB) {
        format!("{}Gi", bytes / GIB)
    } else if bytes.is_multiple_of(MIB) || bytes > MIB {
        format!("{}Mi", bytes.div_ceil(MIB))
    } else {
        format!("{}Ki", bytes.div_ceil(KIB))
    }
}

/// A duration for people: `45 s`, `12 min`, `3.2 h`, `4.5 d`.
pub fn human_seconds(seconds: f64) -> String {
    let s = seconds.abs();
    let (v, unit) = if s < 120.0 {
        (s, "s")
    } else if s < 7200.0 {
        (s / 60.0, "min")
    } else if s < 172_800.0 {
        (s / 3600.0, "h")
    } else {
        (s / 86_400.0, "d")
    };
    let digits = usize::from(v < 10.0 && unit != "s");
    format!("{}{v:.digits$} {unit}", if seconds < 0.0 { "-" } else { "" })
}

/// Whole numbers with thousands separators: `44,451`.
pub fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        out.push('−');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `once`, `twice`, `7 times`.
pub fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_as_kubernetes_reads_them() {
        assert_eq!(parse_bytes("512Mi"), Some(512 * MIB));
        assert_eq!(parse_bytes("0.5Gi"), Some(512 * MIB));
        assert_eq!(parse_bytes("129e6"), Some(129_000_000));
        assert_eq!(parse_bytes("1500m"), Some(2));
        assert_eq!(parse_bytes("1E"), Some(1_000_000_000_000_000_000));
        assert_eq!(parse_bytes("12 apples"), None);
        assert_eq!(parse_cpu_millis("0.25"), Some(250));
        assert_eq!(parse_cpu_millis("1234567n"), Some(2));
    }

    #[test]
    fn decimal_quantities_are_exact_and_round_up() {
        for tenths in 0..100_000u64 {
            assert_eq!(parse_bytes(&format!("{}.{}M", tenths / 10, tenths % 10)), Some(tenths * 100_000), "{tenths}");
        }
        let read = |t| parse_bytes(t);
        assert_eq!((read("16.1M"), read("0.1"), read("1.0000000000000000000001Ki")), (Some(16_100_000), Some(1), Some(1025)));
        assert_eq!((read("1e-60"), read("0e999"), read("15.999Ei")), (Some(1), Some(0), Some(18_445_591_152_204_944_770)));
        assert_eq!((read("16Ei"), read("1e40"), read("99999999999999999999")), (None, None, None));
        assert_eq!((read(".5Gi"), read("5."), read("+2k"), read("-0"), read("-1")), (Some(512 * MIB), Some(5), Some(2000), Some(0), None));
        assert_eq!((read(""), read("."), read("1.2.3"), read("Mi"), read("1e"), read("NaN")), (None, None, None, None, None, None));
    }

    #[test]
    fn human_sizes_keep_three_digits() {
        assert_eq!(human_bytes(512 * MIB), "512 MiB");
        assert_eq!(human(1.5 * GIB as f64), "1.50 GiB");
        assert_eq!(human(-241.94 * MIB as f64), "-242 MiB");
        assert_eq!(kube(768 * MIB), "768Mi");
        assert_eq!(kube(2 * GIB), "2Gi");
    }
}
