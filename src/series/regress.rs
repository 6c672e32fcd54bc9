//! Least squares for small designs, with observations left out by weight: columns are orthogonalised once, so that trying one
//! more costs a few dot products, not a new fit.

/// A regression under way: what of `y` the columns so far do not explain.
#[derive(Clone)]
pub struct Design {
    /// 1 for an observation that counts, 0 for one that is left out.
    weights: Vec<f64>,
    /// Orthonormal, 0 where the weight is.
    columns: Vec<Vec<f64>>,
    residual: Vec<f64>,
}

/// What more columns would explain: the drop of the sum of squares, and their coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain<const N: usize> {
    pub drop: f64,
    pub slopes: [f64; N],
}

/// A column whose remainder is smaller than this part of itself is a combination of the others.
const COLLINEAR: f64 = 1e-7;

/// Eight sums side by side: one alone would wait for its own last addition.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s += x * y;
        }
    }
    sums.iter().sum::<f64>() + rest
}

impl Design {
    /// Starts with a constant column. Weights are 0 or 1.
    pub fn new(y: &[f64], weights: &[f64]) -> Self {
        let residual = y.iter().zip(weights).map(|(y, w)| y * w).collect();
        let mut d = Design { weights: weights.to_vec(), columns: Vec::new(), residual };
        d.push(&vec![1.0; y.len()]);
        d
    }

    /// Dot product over the observations that count.
    fn inner(&self, a: &[f64], b: &[f64]) -> f64 {
        let weighted: Vec<f64> = a.iter().zip(&self.weights).map(|(x, w)| w * x).collect();
        dot(&weighted, b)
    }

    /// Adds a column for good; `false` if it adds nothing.
    pub fn push(&mut self, column: &[f64]) -> bool {
        let mut c: Vec<f64> = column.iter().zip(&self.weights).map(|(x, w)| x * w).collect();
        let whole = dot(&c, &c);
        for q in &self.columns {
            let p = dot(&c, q);
            for (x, y) in c.iter_mut().zip(q) {
                *x -= p * y;
            }
        }
        let rest = dot(&c, &c);
        if !(rest.is_finite() && rest > COLLINEAR * whole && rest > 0.0) {
            return false;
        }
        let norm = rest.sqrt();
        for x in &mut c {
            *x /= norm;
        }
        let p = dot(&self.residual, &c);
        for (r, x) in self.residual.iter_mut().zip(&c) {
            *r -= p * x;
        }
        self.columns.push(c);
        true
    }

    /// What one more column would explain; `None` if it is a combination of the present ones.
    ///
    /// The columns are orthonormal and the residual stands square on them, so four dot products tell it without the column's
    /// remainder ever being written down.
    pub fn gain(&self, column: &[f64]) -> Option<Gain<1>> {
        let spanned = self.columns.iter().map(|q| dot(column, q));
        let whole = self.inner(column, column);
        let rest = whole - spanned.map(|p| p * p).sum::<f64>();
        if !(rest.is_finite() && rest > COLLINEAR * whole && rest > 0.0) {
            return None;
        }
        let with_residual = dot(column, &self.residual);
        Some(Gain { drop: with_residual * with_residual / rest, slopes: [with_residual / rest] })
    }

    /// What two more columns would explain together: the two normal equations of their remainders.
    pub fn gain_of_two(&self, a: &[f64], b: &[f64]) -> Option<Gain<2>> {
        let (own_a, own_b) = (self.inner(a, a), self.inner(b, b));
        let (mut aa, mut bb, mut ab) = (own_a, own_b, self.inner(a, b));
        for q in &self.columns {
            let (p, r) = (dot(a, q), dot(b, q));
            aa -= p * p;
            bb -= r * r;
            ab -= p * r;
        }
        // What of `b` neither the columns nor `a` span.
        let rest = bb - ab * ab / aa;
        if !(rest.is_finite() && aa > COLLINEAR * own_a && rest > COLLINEAR * own_b && rest > 0.0) {
            return None;
        }
        let (ay, by) = (dot(a, &self.residual), dot(b, &self.residual));
        let second = (by - ay * ab / aa) / rest;
        let first = (ay - second * ab) / aa;
        Some(Gain { drop: first * ay + second * by, slopes: [first, second] })
    }

    /// Where among `range` a step (0 before, 1 from there on) would explain most: its index and the drop of the sum of squares.
    /// A step's dot products are sums over the tail, so all places together cost one pass over the columns.
    pub fn best_step(&self, range: std::ops::Range<usize>) -> Option<(usize, f64)> {
        let n = self.residual.len();
        let (mut whole, mut with_residual) = (0.0, 0.0);
        let mut with_columns = vec![0.0; self.columns.len()];
        let mut best: Option<(usize, f64)> = None;
        for i in (range.start..n).rev() {
            let w = self.weights.get(i).copied().unwrap_or(0.0);
            whole += w * w;
            with_residual += w * self.residual.get(i).copied().unwrap_or(0.0);
            for (sum, q) in with_columns.iter_mut().zip(&self.columns) {
                *sum += w * q.get(i).copied().unwrap_or(0.0);
            }
            let rest = whole - dot(&with_columns, &with_columns);
            if i < range.end && rest > COLLINEAR * whole && rest > 0.0 {
                let drop = with_residual * with_residual / rest;
                // Of equal places the earliest.
                if best.is_none_or(|b| drop >= b.1) {
                    best = Some((i, drop));
                }
            }
        }
        best
    }

    /// Weighted sum of squared residuals.
    pub fn sse(&self) -> f64 {
        dot(&self.residual, &self.residual)
    }

    /// Number of columns, the constant included.
    pub fn rank(&self) -> usize {
        self.columns.len()
    }

    /// Weighted residuals.
    pub fn residual(&self) -> &[f64] {
        &self.residual
    }
}

/// Coefficients of `columns` (give the constant yourself) and the diagonal of (XᵀWX)⁻¹.
/// Columns that depend on others get the coefficient 0.
pub fn solve(columns: &[Vec<f64>], y: &[f64], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let k = columns.len();
    // Augmented normal equations [XᵀWX | XᵀWy | I], columns scaled to unit norm first.
    let norm: Vec<f64> = columns
        .iter()
        .map(|c| c.iter().zip(weights).map(|(x, w)| w * x * x).sum::<f64>().sqrt())
        .map(|n| if n > 0.0 { n } else { 1.0 })
        .collect();
    let width = 2 * k + 1;
    let mut m = vec![0.0; k * width];
    for (i, a) in columns.iter().enumerate() {
        for (j, b) in columns.iter().enumerate() {
            let s: f64 = a.iter().zip(b).zip(weights).map(|((x, z), w)| w * x * z).sum();
            m[i * width + j] = s / (norm[i] * norm[j]);
        }
        m[i * width + k] = a.iter().zip(y).zip(weights).map(|((x, z), w)| w * x * z).sum::<f64>() / norm[i];
        m[i * width + k + 1 + i] = 1.0;
    }
    let mut dead = vec![false; k];
    for p in 0..k {
        if m[p * width + p].abs() < COLLINEAR {
            dead[p] = true;
            continue;
        }
        let d = m[p * width + p];
        for j in 0..width {
            m[p * width + j] /= d;
        }
        for i in 0..k {
            let f = m[i * width + p];
            if i != p && f != 0.0 {
                for j in 0..width {
                    m[i * width + j] -= f * m[p * width + j];
                }
            }
        }
    }
    (0..k)
        .map(|i| if dead[i] { (0.0, 0.0) } else { (m[i * width + k] / norm[i], m[i * width + k + 1 + i].abs() / (norm[i] * norm[i])) })
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_again() {
        let found = plane();
        assert_eq!(found, Some(()), "a column that explains was refused");
    }

    fn plane() -> Option<()> {
        let t: Vec<f64> = (0..50).map(f64::from).collect();
        let z: Vec<f64> = t.iter().map(|t| (t * 0.7).sin()).collect();
        let y: Vec<f64> = t.iter().zip(&z).map(|(t, z)| 3.0 + 2.0 * t - 5.0 * z).collect();
        let w = vec![1.0; 50];
        let (c, _) = solve(&[vec![1.0; 50], t.clone(), z.clone()], &y, &w);
        assert!(c.iter().zip([3.0, 2.0, -5.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{c:?}");
        let mut d = Design::new(&y, &w);
        assert!(d.push(&z) && !d.push(&z));
        let Gain { drop, slopes: [slope] } = d.gain(&t)?;
        let both = Design::new(&y, &w).gain_of_two(&z, &t);
        assert!(both.is_some_and(|g| (g.slopes[0] + 5.0).abs() < 1e-6 && (g.slopes[1] - 2.0).abs() < 1e-6), "{both:?}");
        // An observation that is left out may hold anything.
        let (mut wild, mut kept) = (y.clone(), w.clone());
        (wild[7], kept[7]) = (1e12, 0.0);
        let mut without = Design::new(&wild, &kept);
        assert!(without.push(&z) && without.gain(&t).is_some_and(|g| (g.slopes[0] - 2.0).abs() < 1e-6));
        let steps = Design::new(&y, &w);
        let slow = (2..48)
            .filter_map(|a| Some((a, steps.gain(&(0..50).map(|i| f64::from(u8::from(i >= a))).collect::<Vec<_>>())?.drop)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let fast = steps.best_step(2..48);
        assert!(slow.zip(fast).is_some_and(|(s, f)| s.0 == f.0 && (s.1 - f.1).abs() < 1e-6 * s.1), "{slow:?} {fast:?}");
        assert!((slope - 2.0).abs() < 1e-9 && (d.sse() - drop).abs() < 1e-6 * drop);
        Some(())
    }
}
