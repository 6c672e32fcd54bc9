//! The best curve of either side, those that end and those that go on, and by how much the growing one is the better.

use super::candidates::Candidate;
use super::curve::Curve;
use super::ongoing::climbs;
use super::prepare::{Prepared, STRONG, independent};

/// However much the residuals remember, so many blocks count as independent when curves are compared: what the shortest run
/// that is judged has.
const INDEPENDENT_LEAST: f64 = 6.0;

/// Part of the run's variation below which fits do not differ: what rounding leaves is no better fit.
const SAME_FIT: f64 = 1e-6;

pub(super) struct Choice {
    pub bounded: Candidate,
    pub growing: Option<Candidate>,
    /// How much better growth is, in units of the criterion.
    pub margin: f64,
}

impl Choice {
    pub fn of(run: &Prepared<'_>) -> Option<Choice> {
        let n = run.y.len();
        let (mut bounded, mut growing) = (run.context.bounded(), run.context.growing());
        let floor = run.context.design.sse() * SAME_FIT + 1e-9;
        let rank = run.context.design.rank();
        // An exponential promises an early end, so the odds against the mildest bend must be strong before it is believed.
        let score = |c: &Candidate, free: f64| {
            let bold = if matches!(c.curve, Curve::Exponential { .. }) { STRONG } else { 0.0 };
            free * (c.sse.max(floor) / n as f64).ln() + (rank + c.curve.parameters()) as f64 * free.ln() + bold
        };
        let best = |list: &[Candidate], free: f64| {
            let scores = list.iter().map(|c| score(c, free)).enumerate();
            scores.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
        };
        // How many independent blocks there are is read from the residuals of the closest fit.
        let b0 = best(&bounded, n as f64).and_then(|i| bounded.get(i))?;
        let g0 = best(&growing, n as f64).and_then(|i| growing.get(i));
        let free = g0.map_or(INDEPENDENT_LEAST, |g0| {
            let closest = if g0.sse < b0.sse { g0 } else { b0 };
            independent(n, run.context.with(&closest.curve).residual()).clamp(INDEPENDENT_LEAST, n as f64)
        });
        let b = best(&bounded, free).map(|i| bounded.swap_remove(i))?;
        let g = best(&growing, free).map(|i| growing.swap_remove(i));
        let margin = g.as_ref().map_or(f64::NEG_INFINITY, |g| score(&b, free) - score(g, free))
            + climbs(&run.context.u, run.context.design.residual());
        Some(Choice { bounded: b, growing: g, margin })
    }
}
