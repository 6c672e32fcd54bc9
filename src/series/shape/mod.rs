//! Which curve a run of memory follows: curves that end (flat, steps, saturating, logarithmic, ramp then flat) against
//! curves that go on (line, warm-up and line, late onset, accelerating), each together with the load and the daily cycle.
//!
//! The judgement is a comparison of the best curve of either side by the Bayesian information criterion, with as many
//! independent observations as the autocorrelation of the residuals leaves: a bounded random walk then cannot pass for a
//! trend just because it was sampled often. Thresholds stand at their constants, each with its reason.

mod candidates;
mod choice;
mod curve;
mod ongoing;
mod prepare;
mod veto;

pub use curve::Curve;

use super::blocks::Blocks;
use super::season::Cycles;
use choice::Choice;
use prepare::Prepared;

/// What one run does.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The run grows and nothing bounded explains it as well.
    pub grows: bool,
    /// The better curve of the two sides.
    pub curve: Curve,
    /// How much better the best curve that goes on is than the best that ends, in units of the criterion.
    pub margin: f64,
    /// What stood against growth that would have won.
    pub veto: Option<Veto>,
    /// Coefficients: constant, age (if used), load (if used), four seasonal (if used), curve terms.
    pub coefficients: Vec<f64>,
    /// Standard error of the last coefficient, autocorrelation included.
    pub last_error: f64,
    pub uses_load: bool,
    pub cycles: Cycles,
    /// Standard deviation of the residuals.
    pub noise: f64,
    /// Lag-1 autocorrelation of the residuals.
    pub memory: f64,
    /// Share of the variance about the mean that load alone explains.
    pub load_share: f64,
    pub start: f64,
    pub span: f64,
    /// The time since the last collection is a term.
    pub uses_age: bool,
}

/// How much better (in units of the criterion) growth must be than the best bounded curve. 10 is Kass and Raftery's "very
/// strong" (odds of 150 to 1), which is what a fleet of mostly healthy containers needs.
pub const MARGIN: f64 = 10.0;

/// What is known beside a run's level.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// Mean load over each block.
    pub load: Option<&'a [f64]>,
    /// Seconds since the last collection at each block.
    pub age: Option<&'a [f64]>,
    /// Unix second of the window's start.
    pub origin: Option<f64>,
}

/// Why growth that fits best is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Veto {
    /// Load alone explains nearly all, and no curve without it does better.
    LoadExplains,
    /// It does not clear what is left unexplained.
    WithinNoise,
    /// It is small beside what load moves.
    BendOfLoad,
    /// It was over before the run was.
    DoesNotLast,
}

/// Judges one run from its blocks; `y` is the level to read (low for a sawtooth, middle else).
pub fn judge(blocks: &Blocks, y: &[f64], beside: Beside<'_>) -> Option<Judgement> {
    let run = Prepared::of(blocks, y, beside)?;
    let Choice { bounded, growing, margin } = Choice::of(&run)?;
    let ends = |veto| Some(run.fit(&bounded.curve, margin, veto));
    let Some(growing) = growing.filter(|_| margin > MARGIN) else { return ends(None) };
    if veto::load_explains(&run, &growing.curve) {
        return ends(Some(Veto::LoadExplains));
    }
    let growth = run.fit(&growing.curve, margin, None);
    match veto::of(&run, &growth) {
        None => Some(growth),
        veto => ends(veto),
    }
}

impl Judgement {
    /// Part of the run at time `t` (seconds from the window's start).
    pub fn part(&self, t: f64) -> f64 {
        (t - self.start) / self.span
    }

    fn fixed(&self) -> usize {
        1 + usize::from(self.uses_age) + usize::from(self.uses_load) + self.cycles.terms()
    }

    /// Curve without load and season at `t`, constant included.
    pub fn trend(&self, t: f64) -> f64 {
        let u = self.part(t);
        let c = |i: usize| self.coefficients.get(i).copied().unwrap_or(0.0);
        c(0) + (0..self.curve.terms()).map(|k| c(self.fixed() + k) * self.curve.term(k, u)).sum::<f64>()
    }

    /// Growth per second between collections, where that is a term.
    pub fn climb(&self) -> f64 {
        if self.uses_age { self.coefficients.get(1).copied().unwrap_or(0.0) } else { 0.0 }
    }

    /// Seasonal part at `t`.
    pub fn seasonal(&self, t: f64) -> f64 {
        let from = 1 + usize::from(self.uses_age) + usize::from(self.uses_load);
        self.coefficients.iter().skip(from).zip(self.cycles.at(t)).map(|(k, c)| k * c).sum()
    }

    pub fn load_coefficient(&self) -> f64 {
        let at = 1 + usize::from(self.uses_age);
        if self.uses_load { self.coefficients.get(at).copied().unwrap_or(0.0) } else { 0.0 }
    }

    /// What a change of level beside the growth has added by `u`.
    pub fn step(&self, u: f64) -> f64 {
        match self.curve {
            Curve::StepLine { .. } => self.coefficients.get(self.fixed()).copied().unwrap_or(0.0) * self.curve.term(0, u),
            _ => 0.0,
        }
    }

    /// Slope per second and its own change per second at the end of the run, where growth gathers speed.
    pub fn speed(&self) -> Option<(f64, f64)> {
        let k = self.coefficients.last().copied()? / self.span;
        Some(match self.curve {
            Curve::Accelerating { bend } => (k * (1.0 + bend), 2.0 * k * bend / self.span),
            Curve::Exponential { rate } => {
                let at_end = k * rate * rate.exp() / rate.exp_m1();
                (at_end, at_end * rate / self.span)
            }
            _ => return None,
        })
    }

    /// Mean slope per second between `a` and `b`, changes of level apart.
    pub fn slope(&self, a: f64, b: f64) -> f64 {
        if let Curve::StepLine { .. } = self.curve {
            return self.coefficients.last().copied().unwrap_or(0.0) / self.span;
        }
        if b > a { (self.trend(b) - self.trend(a)) / (b - a) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 120 blocks of a minute; the noise is a fixed pattern without direction.
    fn run(level: impl Fn(f64) -> f64, load: Option<&[f64]>) -> Judgement {
        let t: Vec<f64> = (0..120).map(|i| f64::from(i) * 60.0).collect();
        let wiggle = |i: usize| [0.3, -0.7, 1.0, -0.2, -0.9, 0.6, 0.1, -0.4][i * 5 % 8];
        let y: Vec<f64> = (0..t.len()).map(|i| level(i as f64 / 119.0) + wiggle(i)).collect();
        let blocks = Blocks { mid: y.clone(), low: y.clone(), t, ..Blocks::default() };
        judge(&blocks, &y, Beside { load, ..Beside::default() }).expect("long enough")
    }

    #[test]
    fn growth_is_believed_until_something_beside_the_curves_speaks_against_it() {
        let line = run(|u| 100.0 + 50.0 * u, None);
        assert!(line.grows && line.veto.is_none(), "{line:?}");
        let faint = run(|u| 100.0 + 2.0 * u, None);
        assert!(!faint.grows, "{faint:?}");
        // Load that ramps up as memory does takes the line for itself.
        let load: Vec<f64> = (0..120).map(|i| 10.0 + f64::from(i) + 3.0 * f64::from(i % 7)).collect();
        let driven = run(|u| 100.0 + 2.0 * load[(u * 119.0).round() as usize], Some(&load));
        assert!(!driven.grows && driven.uses_load, "{driven:?}");
    }
}
