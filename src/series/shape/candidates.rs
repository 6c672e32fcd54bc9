//! Every curve tried on one run: how much of it each leaves unexplained beside load, day and collections.

use super::curve::{BEND, Curve, HALF, POWER, RATE, TAU, TAU_LOG};
use crate::series::regress::Design;

/// A run under trial: the part of it that has passed at each block, and what load, day and collections leave of it.
pub(super) struct Context {
    pub u: Vec<f64>,
    pub design: Design,
}

pub(super) struct Candidate {
    pub curve: Curve,
    pub sse: f64,
}

impl Context {
    /// Every curve that ends.
    pub fn bounded(&self) -> Vec<Candidate> {
        let mut list = self.steps();
        list.extend(self.try_curve(Curve::Flat));
        list.extend(TAU.iter().filter_map(|&tau| self.try_curve(Curve::Saturating { tau })));
        list.extend(TAU_LOG.iter().filter_map(|&tau| self.try_curve(Curve::Logarithmic { tau })));
        list.extend(HALF.iter().filter_map(|&half| self.try_curve(Curve::Hill { half })));
        list.extend(POWER.iter().filter_map(|&power| self.try_curve(Curve::Root { power })));
        list.extend((3..=16).filter_map(|i| self.try_curve(Curve::RampThenFlat { until: f64::from(i) / 20.0 })));
        self.refine(&mut list);
        list
    }

    /// Every curve that goes on.
    pub fn growing(&self) -> Vec<Candidate> {
        let mut list: Vec<Candidate> = self.try_curve(Curve::Line).into_iter().collect();
        list.extend(TAU.iter().take(16).filter_map(|&tau| self.try_curve(Curve::WarmUpLine { tau })));
        list.extend((5..=45).filter_map(|i| self.try_curve(Curve::Late { from: f64::from(i) / 50.0 })));
        list.extend(BEND.iter().filter_map(|&bend| self.try_curve(Curve::Accelerating { bend })));
        list.extend(RATE.iter().filter_map(|&rate| self.try_curve(Curve::Exponential { rate })));
        list.extend(self.step_beside_line());
        self.refine(&mut list);
        list
    }

    /// A line with one change of level beside it, placed where it explains most.
    fn step_beside_line(&self) -> Option<Candidate> {
        let mut design = self.design.clone();
        design.push(&self.u);
        // A tenth of the run on either side, or the step is the line's own beginning or end.
        let edge = self.u.len() / 10;
        let (place, _) = design.best_step(edge..self.u.len() - edge)?;
        self.try_curve(Curve::StepLine { at: *self.u.get(place)? })
    }

    /// The design with `curve` in it.
    pub fn with(&self, curve: &Curve) -> Design {
        let mut d = self.design.clone();
        for k in 0..curve.terms() {
            d.push(&curve.column(k, &self.u));
        }
        d
    }

    /// Sum of squares with `curve` added; `None` when a growing curve would have to fall.
    pub fn try_curve(&self, curve: Curve) -> Option<Candidate> {
        let sse = self.design.sse();
        let drop = match curve {
            Curve::Flat => 0.0,
            Curve::WarmUpLine { .. } => {
                let gain = self.design.gain_of_two(&curve.column(0, &self.u), &curve.column(1, &self.u))?;
                // A warm-up rises; one that fell would be an acceleration by another name.
                if gain.slopes.iter().any(|s| *s <= 0.0) {
                    return None;
                }
                gain.drop
            }
            Curve::StepLine { .. } => {
                let gain = self.design.gain_of_two(&curve.column(0, &self.u), &self.u)?;
                // The level may change either way, beside it memory must grow.
                if gain.slopes[1] <= 0.0 {
                    return None;
                }
                gain.drop
            }
            _ => {
                let gain = self.design.gain(&curve.column(0, &self.u))?;
                if curve.grows() && gain.slopes.iter().any(|s| *s <= 0.0) {
                    return None;
                }
                gain.drop
            }
        };
        Some(Candidate { curve, sse: (sse - drop).max(0.0) })
    }

    /// Adds the best curve of each family once more with its constant searched between the grid's points: a curve that is
    /// 15 % off its constant misses a long series by more than its noise, and a richer curve of the other side would win by that
    /// alone.
    fn refine(&self, list: &mut Vec<Candidate>) {
        let mut best: Vec<&Candidate> = Vec::new();
        for c in list.iter().filter(|c| c.curve.constant().is_some()) {
            match best.iter_mut().find(|b| std::mem::discriminant(&b.curve) == std::mem::discriminant(&c.curve)) {
                Some(b) if c.sse < b.sse => *b = c,
                Some(_) => {}
                None => best.push(c),
            }
        }
        let found: Vec<Candidate> = best.into_iter().filter_map(|c| self.between(c)).collect();
        list.extend(found);
    }

    /// The same family with its constant between the grid's neighbours, if that explains more. The golden section keeps one of
    /// its two places from step to step; seven steps leave a fiftieth of the constant, where the sum of squares is flat.
    fn between(&self, c: &Candidate) -> Option<Candidate> {
        const GOLDEN: f64 = 0.618_033_988_749_894_8;
        let middle = c.curve.constant()?;
        let (mut low, mut high) = (middle / 1.3, middle * 1.3);
        let at = |constant: f64| self.try_curve(c.curve.with(constant)).map(|found| (constant, found));
        let mut left = at(high - GOLDEN * (high - low))?;
        let mut right = at(low + GOLDEN * (high - low))?;
        for _ in 0..7 {
            if left.1.sse < right.1.sse {
                high = right.0;
                right = left;
                left = match at(high - GOLDEN * (high - low)) {
                    Some(found) => found,
                    None => return Some(right.1).filter(|f| f.sse < c.sse),
                };
            } else {
                low = left.0;
                left = right;
                right = match at(low + GOLDEN * (high - low)) {
                    Some(found) => found,
                    None => return Some(left.1).filter(|f| f.sse < c.sse),
                };
            }
        }
        let closest = if left.1.sse < right.1.sse { left.1 } else { right.1 };
        (closest.sse < c.sse).then_some(closest)
    }

    /// Up to four steps, each placed where it explains most after the ones before.
    fn steps(&self) -> Vec<Candidate> {
        let mut design = self.design.clone();
        let mut at: Vec<f64> = Vec::new();
        let mut out = Vec::new();
        for _ in 0..4 {
            let place = design.best_step(2..self.u.len().saturating_sub(2));
            let Some(a) = place.and_then(|(i, _)| self.u.get(i).copied()) else { break };
            at.push(a);
            design.push(&Curve::Steps(vec![a]).column(0, &self.u));
            // One or two changes of level are deployments or configuration; three and more, up to the end, are growth in
            // steps, unless the last third stood still.
            if at.len() > 2 && at.iter().any(|&a| a > 0.65) {
                continue;
            }
            out.push(Candidate { curve: Curve::Steps(at.clone()), sse: design.sse() });
        }
        out
    }
}
