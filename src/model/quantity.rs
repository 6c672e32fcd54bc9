//! Sizes: Kubernetes quantities in, binary units out.
//! Grammar: k8s.io/apimachinery `resource.Quantity` (decimal and binary suffixes, exponents, milli).

/// Bytes.
pub type Bytes = u64;

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const TIB: u64 = 1 << 40;

/// Reads a Kubernetes quantity (`512Mi`, `1Gi`, `129e6`, `128974848`, `1500m`, `0.5Gi`) as thousandths of its unit.
fn milli(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text.char_indices().find(|&(i, c)| !(c.is_ascii_digit() || c == '.' || (i == 0 && matches!(c, '+' | '-'))));
    let (number, suffix) = split.map_or((text, ""), |(i, _)| text.split_at(i));
    let value: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        _ => {
            let exp: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            10f64.powi(exp)
        }
    };
    Some(value * factor * 1000.0)
}

/// A memory quantity in bytes, rounded up as the API server does. `None` when it is not a quantity or negative.
pub fn parse_bytes(text: &str) -> Option<Bytes> {
    let m = milli(text)?;
    (m >= 0.0 && m / 1000.0 < u64::MAX as f64).then(|| (m / 1000.0).ceil() as u64)
}

/// A CPU quantity in millicores.
pub fn parse_cpu_millis(text: &str) -> Option<u64> {
    let m = milli(text)?;
    (m >= 0.0 && m < u64::MAX as f64).then(|| m.ceil() as u64)
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
