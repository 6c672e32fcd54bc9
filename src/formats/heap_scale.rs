//! Undoes the bias of sampling by bytes in heap profiles as text, as pprof's `scaleHeapSample` and jeprof do it.

/// Objects and bytes as they were, of what was seen: each block of mean size `s` was seen with probability
/// 1 − exp(−s/rate).
pub fn scale(count: i64, bytes: i64, rate: i64) -> (i64, i64) {
    if count == 0 || bytes == 0 || rate <= 1 {
        return (count, bytes);
    }
    let mean = bytes as f64 / count as f64;
    let factor = 1.0 / (1.0 - (-mean / rate as f64).exp());
    ((count as f64 * factor) as i64, (bytes as f64 * factor) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_pprofs() {
        // 1 object of 512 KiB at the default rate stands for 1/(1 − 1/e).
        assert_eq!(scale(1, 524_288, 524_288), (1, 829_411));
        assert_eq!(scale(5, 100, 1), (5, 100));
        assert_eq!(scale(0, 0, 524_288), (0, 0));
    }
}
