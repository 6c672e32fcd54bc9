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
use super::season::Cycles;
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

/// What an exponential must explain beyond its parameters' worth before it is believed: it promises an early end, so the odds
/// against the mildest bend must be strong (20 to 1).
const BOLD: f64 = 6.0;

/// Variance left over, in times of what neighbouring blocks differ by, that still counts as noise: an F ratio of two hundred
/// blocks against as many is above 1.26 once in twenty; twice that leaves room for noise that lasts longer than a block.
const NOISE_MOST: f64 = 2.5;

/// Standard deviation of the blocks about a smooth course, from the second differences, which a line does not move.
fn block_noise(y: &[f64]) -> f64 {
    let bends: Vec<f64> = y.windows(3).filter_map(|w| if let [a, b, c] = w { Some(a - 2.0 * b + c) } else { None }).collect();
    spread(&bends) / 6.0f64.sqrt()
}

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

/// Judges one run from its blocks; `y` is the level to read (low for a sawtooth, middle else), `load` runs beside it.
pub fn judge(blocks: &Blocks, y: &[f64], beside: Beside<'_>) -> Option<Judgement> {
    let Beside { load, age, origin } = beside;
    let n = y.len();
    if n < 6 {
        return None;
    }
    let (&start, &end) = (blocks.t.first()?, blocks.t.last()?);
    let span = (end - start).max(1.0);
    let u: Vec<f64> = blocks.t.iter().map(|t| (t - start) / span).collect();

    // A dozen points or fewer carry a curve, but no cycle, load and outliers beside it.
    let few = n < 24;
    let load = load.filter(|_| !few);
    let possible = if few { vec![Cycles::None] } else { Cycles::possible(&blocks.t, span, origin) };
    let richest = possible.last().copied().unwrap_or_default();
    let cyclic = richest.columns(&blocks.t);
    // A flexible trend (five pieces) shows what load and the day explain beside any trend, and which blocks are outliers.
    let spline = |d: &mut Design| {
        d.push(&u);
        for knot in [0.2, 0.4, 0.6, 0.8] {
            d.push(&u.iter().map(|&u| (u - knot).max(0.0)).collect::<Vec<_>>());
        }
    };
    let ones = vec![1.0; n];
    let rough = |with_load: bool, cycles: Cycles, w: &[f64]| {
        let mut d = Design::new(y, w);
        if let Some(a) = age {
            d.push(a);
        }
        if let (true, Some(l)) = (with_load, load) {
            d.push(l);
        }
        cyclic.iter().take(cycles.terms()).for_each(|c| _ = d.push(c));
        spline(&mut d);
        d
    };
    let first = rough(load.is_some(), richest, &ones);
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
        let d = rough(false, richest, &weights);
        let rho = lag1(d.residual()).max(0.0);
        let free = (n as f64 * (1.0 - rho) / (1.0 + rho)).max(8.0);
        d.gain(l).is_some_and(|g| g.slopes[0] > 0.0 && free * (d.sse() / (d.sse() - g.drop).max(1e-9)).ln() > free.ln() + 6.0)
    });
    // The poorest cycle that nothing richer beats by more than its terms' worth and 6 ("strong" evidence) again.
    let cycles = {
        let tried: Vec<(Cycles, Design)> = possible.iter().map(|&c| (c, rough(uses_load, c, &weights))).collect();
        let rho = tried.last().map_or(0.0, |(_, d)| lag1(d.residual()).max(0.0));
        let free = (n as f64 * (1.0 - rho) / (1.0 + rho)).max(8.0);
        let score = |i: usize, c: Cycles, d: &Design| free * d.sse().max(1e-9).ln() + c.terms() as f64 * free.ln() + 6.0 * i as f64;
        let best = tried.iter().enumerate().map(|(i, (c, d))| (score(i, *c, d), *c)).min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(Cycles::None, |b| b.1)
    };

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
    for c in cyclic.into_iter().take(cycles.terms()) {
        design.push(&c);
        columns.push(c);
    }
    let context = Context { u, design };
    let (bounded, growing) = (context.bounded(), context.growing());

    // How many independent blocks there are is read from the residuals of the closest fit.
    let floor = context.design.sse() * 1e-6 + 1e-9;
    let rank = context.design.rank();
    let score = |c: &Candidate, free: f64| {
        let bold = if matches!(c.curve, Curve::Exponential { .. }) { BOLD } else { 0.0 };
        free * (c.sse.max(floor) / n as f64).ln() + (rank + c.curve.parameters()) as f64 * free.ln() + bold
    };
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
            cycles,
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
    // Where a curve without any load does better still, load has merely come along, unless what load leaves over is no more
    // than the noise that it carries itself: a curve has none, and would win by that alone.
    let load_alone = uses_load && load_share > 0.95 && {
        let mut by_load = Design::new(y, &weights);
        load.into_iter().for_each(|l| _ = by_load.push(l));
        let without = Context { u: context.u.clone(), design: Design::new(y, &weights) };
        let by_time = g.and_then(|g| without.try_curve(g.curve.clone())).map_or(f64::INFINITY, |c| c.sse);
        let per_load = load.and_then(|l| Design::new(y, &weights).gain(l)).map_or(0.0, |g| g.slopes[0]);
        let carried = block_noise(y).powi(2) + load.map_or(0.0, |l| (per_load * block_noise(l)).powi(2));
        by_load.sse() < by_time || by_load.sse() / weights.iter().sum::<f64>().max(1.0) < NOISE_MOST * carried
    };
    let Some(g) = g.filter(|_| margin > MARGIN && !load_alone) else { return Some(finish(&b.curve, false)) };
    let judgement = finish(&g.curve, true);
    // Nor is the way from load to memory exactly straight: where load explains nearly all, growth of less than a sixth of what
    // load moves is the bend of that way (warm pools, queues, the lag of sessions), not a leak.
    let moved = load.filter(|_| uses_load && load_share > 0.95).map_or(0.0, |l| {
        let (low, high) = l.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
        (high - low) * judgement.load_coefficient()
    });
    // Growth that does not clear what is left unexplained by 3 sd is not worth the word.
    let growth = judgement.trend(end) - judgement.trend(start + if let Curve::Late { from } = judgement.curve { from * span } else { 0.0 });
    let own = match judgement.curve {
        Curve::WarmUpLine { .. } | Curve::StepLine { .. } => judgement.coefficients.last().copied().unwrap_or(0.0),
        _ => growth,
    };
    if own < 3.0 * judgement.noise || own < moved / 6.0 {
        return Some(finish(&b.curve, false));
    }
    // What is left of the data without load and day must itself still rise at the end.
    let bare: Vec<f64> = y
        .iter()
        .enumerate()
        .map(|(i, &y)| {
            let other: f64 = columns.iter().zip(&judgement.coefficients).skip(1).map(|(c, k)| c.get(i).copied().unwrap_or(0.0) * k).sum();
            y - other - context.u.get(i).map_or(0.0, |&u| judgement.step(u))
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
