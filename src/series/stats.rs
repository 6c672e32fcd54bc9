//! Robust statistics on plain slices: quantiles, spread, Theil–Sen, rank correlation, autocorrelation.

/// Quantile `q` (0..1) with linear interpolation; sorts `v`. `NaN` when empty.
pub fn quantile(v: &mut [f64], q: f64) -> f64 {
    v.sort_unstable_by(f64::total_cmp);
    quantile_sorted(v, q)
}

/// As [`quantile`] for a slice that is sorted already.
pub fn quantile_sorted(v: &[f64], q: f64) -> f64 {
    let Some(last) = v.len().checked_sub(1) else { return f64::NAN };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let a = v.get(low).copied().unwrap_or(f64::NAN);
    let b = v.get((low + 1).min(last)).copied().unwrap_or(a);
    a + (b - a) * part
}

/// Several quantiles, ascending, with linear interpolation: each is sought only above the one before, and nothing is sorted.
pub fn quantiles<const N: usize>(v: &mut [f64], q: [f64; N]) -> [f64; N] {
    let Some(last) = v.len().checked_sub(1) else { return [f64::NAN; N] };
    let mut done = 0;
    q.map(|q| {
        let at = q.clamp(0.0, 1.0) * last as f64;
        let (low, part) = ((at.floor() as usize).max(done), at.fract());
        let Some(rest) = v.get_mut(done..) else { return f64::NAN };
        let (_, a, above) = rest.select_nth_unstable_by(low - done, f64::total_cmp);
        done = low;
        let a = *a;
        if part > 0.0 { above.iter().copied().min_by(f64::total_cmp).map_or(a, |b| a + (b - a) * part) } else { a }
    })
}

/// Quantile by selection, without sorting all of `v`: for large blocks.
pub fn select(v: &mut [f64], q: f64) -> f64 {
    let Some(last) = v.len().checked_sub(1) else { return f64::NAN };
    let at = (q.clamp(0.0, 1.0) * last as f64).round() as usize;
    *v.select_nth_unstable_by(at, f64::total_cmp).1
}

pub fn median(v: &mut [f64]) -> f64 {
    quantile(v, 0.5)
}

pub fn mean(v: &[f64]) -> f64 {
    if v.is_empty() { f64::NAN } else { v.iter().sum::<f64>() / v.len() as f64 }
}

/// Median absolute deviation from the median, scaled to the standard deviation of a normal distribution.
pub fn spread(v: &[f64]) -> f64 {
    let mut w = v.to_vec();
    // Of many values the middle one is found without sorting them all.
    let middle = |w: &mut [f64]| if w.len() > 1000 { select(w, 0.5) } else { median(w) };
    let m = middle(&mut w);
    for x in &mut w {
        *x = (*x - m).abs();
    }
    1.4826 * middle(&mut w)
}

/// Most points of which all pairs are taken: eight thousand slopes have their median within a percent of that of all.
const PAIRED: usize = 128;

/// Median of all pair slopes; of more than [`PAIRED`] points every k-th is used.
pub fn theil_sen(t: &[f64], y: &[f64]) -> Option<f64> {
    let n = t.len().min(y.len());
    if n < 3 {
        return None;
    }
    let stride = n.div_ceil(PAIRED);
    let at: Vec<(f64, f64)> = t.iter().copied().zip(y.iter().copied()).step_by(stride).collect();
    let mut slopes = Vec::with_capacity(at.len() * at.len() / 2);
    for (i, a) in at.iter().enumerate() {
        for b in at.get(i + 1..).unwrap_or(&[]) {
            if b.0 > a.0 {
                slopes.push((b.1 - a.1) / (b.0 - a.0));
            }
        }
    }
    (!slopes.is_empty()).then(|| select(&mut slopes, 0.5))
}

/// Kendall's tau of `y` against its order: 1 when every later value is higher.
pub fn kendall(y: &[f64]) -> f64 {
    let mut s = 0i64;
    for (i, a) in y.iter().enumerate() {
        for b in y.get(i + 1..).unwrap_or(&[]) {
            s += i64::from(b > a) - i64::from(b < a);
        }
    }
    let pairs = y.len().saturating_mul(y.len().saturating_sub(1)) / 2;
    if pairs == 0 { 0.0 } else { s as f64 / pairs as f64 }
}

/// Autocorrelation at lag 1 about zero (the input is a residual), 0 for fewer than 4 values.
pub fn lag1(r: &[f64]) -> f64 {
    let total: f64 = r.iter().map(|x| x * x).sum();
    if r.len() < 4 || total <= 0.0 {
        return 0.0;
    }
    (r.windows(2).map(|w| w.iter().product::<f64>()).sum::<f64>() / total).clamp(-0.99, 0.99)
}

/// Pearson correlation; 0 where one side does not vary.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma) * (x - ma);
        bb += (y - mb) * (y - mb);
    }
    if aa <= 0.0 || bb <= 0.0 { 0.0 } else { ab / (aa * bb).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        let mut many: Vec<f64> = (0..1000).map(|i| f64::from(i * 7919 % 1000)).collect();
        let some = quantiles(&mut many, [0.1, 0.5, 0.5, 0.999, 1.0]);
        assert!(some.iter().zip([99.9, 499.5, 499.5, 998.001, 999.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{some:?}");
        assert!(quantiles(&mut [], [0.5]).iter().all(|q| q.is_nan()));
        // One wild value moves only half of its pairs' slopes: 2, 2, 2 | 33, 49, 95.
        assert!(theil_sen(&[0.0, 1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 5.0, 100.0, 9.0]).is_some_and(|s| (s - 2.0).abs() < 1e-9));
        assert_eq!(kendall(&[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(kendall(&[3.0, 2.0, 1.0]), -1.0);
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
    }
}
