//! Weighted least squares for small designs: columns are orthogonalised once, so that trying one more column costs a
//! projection, not a new fit.

/// A regression under way: what of `y` the columns so far do not explain.
#[derive(Clone)]
pub struct Design {
    /// Square roots of the weights.
    weights: Vec<f64>,
    columns: Vec<Vec<f64>>,
    residual: Vec<f64>,
}

/// A column whose remainder is smaller than this part of itself is a combination of the others.
const COLLINEAR: f64 = 1e-7;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

impl Design {
    /// Starts with a constant column.
    pub fn new(y: &[f64], weights: &[f64]) -> Self {
        let weights: Vec<f64> = weights.iter().map(|w| w.sqrt()).collect();
        let residual = y.iter().zip(&weights).map(|(y, w)| y * w).collect();
        let mut d = Design { weights, columns: Vec::new(), residual };
        d.push(&vec![1.0; y.len()]);
        d
    }

    /// The part of `column` that the present columns do not span (weighted), unless it is next to nothing.
    fn remainder(&self, column: &[f64]) -> Option<Vec<f64>> {
        let mut c: Vec<f64> = column.iter().zip(&self.weights).map(|(x, w)| x * w).collect();
        let whole = dot(&c, &c);
        for q in &self.columns {
            let p = dot(&c, q);
            for (x, y) in c.iter_mut().zip(q) {
                *x -= p * y;
            }
        }
        let rest = dot(&c, &c);
        (rest.is_finite() && rest > COLLINEAR * whole && rest > 0.0).then_some(c)
    }

    /// Adds a column for good; `false` if it adds nothing.
    pub fn push(&mut self, column: &[f64]) -> bool {
        let Some(mut c) = self.remainder(column) else { return false };
        let norm = dot(&c, &c).sqrt();
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

    /// What one more column would explain: drop of the sum of squares, and its coefficient.
    pub fn gain(&self, column: &[f64]) -> Option<(f64, f64)> {
        let c = self.remainder(column)?;
        let (cy, cc) = (dot(&c, &self.residual), dot(&c, &c));
        Some((cy * cy / cc, cy / cc))
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
        let t: Vec<f64> = (0..50).map(f64::from).collect();
        let z: Vec<f64> = t.iter().map(|t| (t * 0.7).sin()).collect();
        let y: Vec<f64> = t.iter().zip(&z).map(|(t, z)| 3.0 + 2.0 * t - 5.0 * z).collect();
        let w = vec![1.0; 50];
        let (c, _) = solve(&[vec![1.0; 50], t.clone(), z.clone()], &y, &w);
        assert!(c.iter().zip([3.0, 2.0, -5.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{c:?}");
        let mut d = Design::new(&y, &w);
        assert!(d.push(&z) && !d.push(&z));
        let (drop, slope) = d.gain(&t).unwrap_or_default();
        let steps = Design::new(&y, &w);
        let slow = (2..48)
            .filter_map(|a| Some((a, steps.gain(&(0..50).map(|i| f64::from(u8::from(i >= a))).collect::<Vec<_>>())?.0)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let fast = steps.best_step(2..48);
        assert!(slow.zip(fast).is_some_and(|(s, f)| s.0 == f.0 && (s.1 - f.1).abs() < 1e-6 * s.1), "{slow:?} {fast:?}");
        assert!((slope - 2.0).abs() < 1e-9 && (d.sse() - drop).abs() < 1e-6 * drop);
    }
}
