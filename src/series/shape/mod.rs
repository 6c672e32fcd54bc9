//! Which curve a run of memory follows: curves that end (flat, steps, saturating, logarithmic, ramp then flat) against
//! curves that go on (line, warm-up and line, late onset, accelerating), each together with the load and the daily cycle.
//!
//! The judgement is a comparison of the best curve of either side by the Bayesian information criterion, with as many
//! independent observations as the autocorrelation of the residuals leaves: a bounded random walk then cannot pass for a
//! trend just because it was sampled often. Thresholds stand at their constants, each with its reason.

mod candidates;
mod curve;
mod ongoing;

pub use curve::Curve;

use super::blocks::Blocks;
use super::regress::{Design, solve};
use super::stats::{lag1, spread};
use candidates::{Candidate, Context};
use ongoing::{climbs, persists};

/// What one run does.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The run grows and nothing bounded explains it as well.
    pub grows: bool,
    /// The better curve of the two sides.
    pub curve: Curve,
    /// Best curve that grows, whatever the verdict, for slopes of runs whose neighbours settle the verdict.
    pub margin: f64,
    /// Coefficients: constant, age (if used), load (if used), four seasonal (if used), curve terms.
    pub coefficients: Vec<f64>,
    /// Standard error of the last coefficient, autocorrelation included.
    pub last_error: f64,
    pub uses_load: bool,
    pub uses_season: bool,
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

const DAY: f64 = 86_400.0;

/// Seasonal terms need more than one and a half cycles: below that a cycle and a trend are the same curve.
const SEASON_LEAST: f64 = 1.5 * DAY;

/// How much better (in units of the criterion) growth must be than the best bounded curve. 10 is Kass and Raftery's "very
/// strong" (odds of 150 to 1), which is what a fleet of mostly healthy containers needs.
pub const MARGIN: f64 = 10.0;

/// Four columns of the daily cycle: its two first harmonics.
pub fn season(t: f64) -> [f64; 4] {
    let a = std::f64::consts::TAU * t / DAY;
    [a.sin(), a.cos(), (2.0 * a).sin(), (2.0 * a).cos()]
}

/// Judges one run from its blocks; `y` is the level to read (low for a sawtooth, middle else), `load` runs beside it.
pub fn judge(blocks: &Blocks, y: &[f64], load: Option<&[f64]>, age: Option<&[f64]>) -> Option<Judgement> {
    let n = y.len();
    if n < 6 {
        return None;
    }
    let (&start, &end) = (blocks.t.first()?, blocks.t.last()?);
    let span = (end - start).max(1.0);
    let u: Vec<f64> = blocks.t.iter().map(|t| (t - start) / span).collect();
    let seasonal: Option<Vec<Vec<f64>>> =
        (span >= SEASON_LEAST).then(|| (0..4).map(|k| blocks.t.iter().map(|&t| season(t)[k]).collect()).collect());

    // A dozen points or fewer carry a curve, but no cycle, load and outliers beside it.
    let few = n < 24;
    let (load, seasonal) = if few { (None, None) } else { (load, seasonal) };
    // A flexible trend (five pieces) shows what load and the day explain beside any trend, and which blocks are outliers.
    let spline = |d: &mut Design| {
        d.push(&u);
        for knot in [0.2, 0.4, 0.6, 0.8] {
            d.push(&u.iter().map(|&u| (u - knot).max(0.0)).collect::<Vec<_>>());
        }
    };
    let ones = vec![1.0; n];
    let rough = |with_load: bool, with_season: bool, w: &[f64]| {
        let mut d = Design::new(y, w);
        if let Some(a) = age {
            d.push(a);
        }
        if let (true, Some(l)) = (with_load, load) {
            d.push(l);
        }
        if let (true, Some(s)) = (with_season, &seasonal) {
            s.iter().for_each(|c| _ = d.push(c));
        }
        spline(&mut d);
        d
    };
    let first = rough(load.is_some(), seasonal.is_some(), &ones);
    let sd = spread(first.residual()).max(1e-9);
    // Five sd of the blocks' own noise is no noise. More than one block in seven beyond it is structure, not outliers.
    let wild = first.residual().iter().filter(|r| r.abs() > 5.0 * sd).count();
    let weights: Vec<f64> = if wild * 7 <= n && !few {
        first.residual().iter().map(|r| f64::from(u8::from(r.abs() <= 5.0 * sd))).collect()
    } else {
        ones.clone()
    };

    // Load stays when it explains in the right direction (more requests, more memory): alone, or beside day and trend.
    let load_share = load.map_or(0.0, |l| {
        let d = Design::new(y, &weights);
        d.gain(l).filter(|g| g.slopes[0] > 0.0).map_or(0.0, |g| g.drop / d.sse().max(1e-9))
    });
    let uses_load = load.is_some_and(|l| {
        // Three tenths of the variation (r = 0.55) is past chance for any series of a day.
        if load_share > 0.3 {
            return true;
        }
        let d = rough(false, true, &weights);
        let rho = lag1(d.residual()).max(0.0);
        let free = (n as f64 * (1.0 - rho) / (1.0 + rho)).max(8.0);
        d.gain(l).is_some_and(|g| g.slopes[0] > 0.0 && free * (d.sse() / (d.sse() - g.drop).max(1e-9)).ln() > free.ln() + 6.0)
    });
    let mut uses_season = false;
    if seasonal.is_some() {
        let (with, without) = (rough(uses_load, true, &weights), rough(uses_load, false, &weights));
        let rho = lag1(with.residual()).max(0.0);
        let free = (n as f64 * (1.0 - rho) / (1.0 + rho)).max(8.0);
        uses_season = free * (without.sse().max(1e-9) / with.sse().max(1e-9)).ln() > 4.0 * free.ln() + 6.0;
    }

    let mut design = Design::new(y, &weights);
    let mut columns = vec![ones.clone()];
    if let Some(a) = age {
        design.push(a);
        columns.push(a.to_vec());
    }
    if let (true, Some(l)) = (uses_load, load) {
        design.push(l);
        columns.push(l.to_vec());
    }
    if let (true, Some(s)) = (uses_season, seasonal) {
        s.iter().for_each(|c| _ = design.push(c));
        columns.extend(s);
    }
    let context = Context { u, design };
    let (bounded, growing) = (context.bounded(), context.growing());

    // How many independent blocks there are is read from the residuals of the closest fit.
    let floor = context.design.sse() * 1e-6 + 1e-9;
    let rank = context.design.rank();
    let score = |c: &Candidate, free: f64| free * (c.sse.max(floor) / n as f64).ln() + (rank + c.curve.parameters()) as f64 * free.ln();
    let best = |list: &[Candidate], free: f64| -> Option<usize> {
        (0..list.len()).min_by(|&a, &b| {
            let of = |i: usize| list.get(i).map_or(f64::INFINITY, |c| score(c, free));
            of(a).total_cmp(&of(b))
        })
    };
    let free_of = |curve: &Curve| {
        let rho = lag1(context.with(curve).residual()).max(0.0);
        (n as f64 * (1.0 - rho) / (1.0 + rho)).clamp(6.0, n as f64)
    };
    let b0 = best(&bounded, n as f64).and_then(|i| bounded.get(i))?;
    let g0 = best(&growing, n as f64).and_then(|i| growing.get(i));
    let free = g0.map_or(6.0, |g| if g.sse < b0.sse { free_of(&g.curve) } else { free_of(&b0.curve) });
    let b = best(&bounded, free).and_then(|i| bounded.get(i))?;
    let g = best(&growing, free).and_then(|i| growing.get(i));
    let margin = g.map_or(f64::NEG_INFINITY, |g| score(b, free) - score(g, free)) + climbs(&context.u, context.design.residual());

    let finish = |curve: &Curve, grows: bool| {
        let mut all = columns.clone();
        all.extend((0..curve.terms()).map(|k| curve.column(k, &context.u)));
        let (coefficients, variances) = solve(&all, y, &weights);
        let d = context.with(curve);
        let rho = lag1(d.residual()).max(0.0);
        let used: f64 = weights.iter().sum();
        let noise = (d.sse() / (used - d.rank() as f64).max(1.0)).sqrt();
        let inflate = ((1.0 + rho) / (1.0 - rho)).sqrt();
        let last_error = variances.last().map_or(f64::INFINITY, |v| v.sqrt() * noise * inflate);
        Judgement {
            grows,
            curve: curve.clone(),
            margin,
            coefficients,
            last_error,
            uses_load,
            uses_season,
            noise,
            memory: rho,
            load_share,
            start,
            span,
            uses_age: age.is_some(),
        }
    };
    // Load that explains all but a twentieth of the variation needs no leak beside it, even where a line and a cycle could
    // take its place: with a load that itself ramps up nobody can tell them apart, and the known cause goes first.
    // Where a curve without any load does better still, load has merely come along.
    let load_alone = uses_load && load_share > 0.95 && {
        let mut by_load = Design::new(y, &weights);
        load.into_iter().for_each(|l| _ = by_load.push(l));
        let without = Context { u: context.u.clone(), design: Design::new(y, &weights) };
        let by_time = g.and_then(|g| without.try_curve(g.curve.clone())).map_or(f64::INFINITY, |c| c.sse);
        by_load.sse() < by_time
    };
    let Some(g) = g.filter(|_| margin > MARGIN && !load_alone) else { return Some(finish(&b.curve, false)) };
    let judgement = finish(&g.curve, true);
    // Growth that does not clear what is left unexplained by 3 sd is not worth the word.
    let growth = judgement.trend(end) - judgement.trend(start + if let Curve::Late { from } = judgement.curve { from * span } else { 0.0 });
    let own = match judgement.curve {
        Curve::WarmUpLine { .. } => judgement.coefficients.last().copied().unwrap_or(0.0),
        _ => growth,
    };
    if own < 3.0 * judgement.noise {
        return Some(finish(&b.curve, false));
    }
    // What is left of the data without load and day must itself still rise at the end.
    let bare: Vec<f64> = y
        .iter()
        .enumerate()
        .map(|(i, &y)| {
            let other: f64 = columns.iter().zip(&judgement.coefficients).skip(1).map(|(c, k)| c.get(i).copied().unwrap_or(0.0) * k).sum();
            y - other
        })
        .collect();
    if persists(&context.u, &bare, &judgement) { Some(judgement) } else { Some(finish(&b.curve, false)) }
}

impl Judgement {
    /// Part of the run at time `t` (seconds from the window's start).
    pub fn part(&self, t: f64) -> f64 {
        (t - self.start) / self.span
    }

    fn fixed(&self) -> usize {
        1 + usize::from(self.uses_age) + usize::from(self.uses_load) + if self.uses_season { 4 } else { 0 }
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
        if !self.uses_season {
            return 0.0;
        }
        let from = 1 + usize::from(self.uses_age) + usize::from(self.uses_load);
        season(t).iter().enumerate().map(|(k, s)| self.coefficients.get(from + k).copied().unwrap_or(0.0) * s).sum()
    }

    pub fn load_coefficient(&self) -> f64 {
        let at = 1 + usize::from(self.uses_age);
        if self.uses_load { self.coefficients.get(at).copied().unwrap_or(0.0) } else { 0.0 }
    }

    /// Mean slope per second between `a` and `b`.
    pub fn slope(&self, a: f64, b: f64) -> f64 {
        if b > a { (self.trend(b) - self.trend(a)) / (b - a) } else { 0.0 }
    }
}
