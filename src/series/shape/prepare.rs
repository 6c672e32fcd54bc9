//! One run made ready for comparing curves: which blocks are outliers, and what explains memory beside any trend, the load,
//! the cycles of the calendar and the time since the last collection. What stays is a term of every curve that is tried.

use super::candidates::Context;
use super::{Beside, Curve, Judgement, Veto};
use crate::series::blocks::Blocks;
use crate::series::regress::{Design, solve};
use crate::series::season::Cycles;
use crate::series::stats::{lag1, spread};

/// Fewer blocks than this carry no curve: a line and its noise leave three to judge by.
const LEAST: usize = 6;

/// Fewer than this carry a curve, but no cycle, load and outliers beside it.
const FEW: usize = 24;

/// Where the flexible trend may bend: five pieces follow every curve that is tried closely enough.
const KNOTS: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

/// Standard deviations of the blocks' own noise beyond which a block is no noise: once in two million by chance.
const OUTLIER: f64 = 5.0;

/// One block in so many may be an outlier. More of them are structure.
const OUTLIERS_MOST: usize = 7;

/// Share of the variation that load explains alone from which on it stays without further proof: three tenths (r = 0.55)
/// are past chance for any series of a day.
const LOAD_PLAIN: f64 = 0.3;

/// What a term must explain beyond its parameters' worth, in units of the criterion: Kass and Raftery's "strong" begins at 6
/// (odds of 20 to 1).
pub(super) const STRONG: f64 = 6.0;

/// However much the residuals remember, so many of the blocks count as independent while terms are chosen: fewer tell nothing
/// of a cycle's four columns.
const INDEPENDENT_LEAST: f64 = 8.0;

pub(super) struct Prepared<'a> {
    pub y: &'a [f64],
    /// 0 for outliers, 1 for all other blocks.
    pub weights: Vec<f64>,
    /// The load beside the blocks, where there are enough of them to use it.
    pub load: Option<&'a [f64]>,
    pub uses_load: bool,
    /// Share of the variance about the mean that load alone explains.
    pub load_share: f64,
    /// Terms of every curve: constant, age, load, cycles.
    pub columns: Vec<Vec<f64>>,
    /// The curves' ground: what those terms leave of the run.
    pub context: Context,
    start: f64,
    span: f64,
    cycles: Cycles,
    uses_age: bool,
}

impl<'a> Prepared<'a> {
    /// `None` for a run that is too short.
    pub fn of(blocks: &Blocks, y: &'a [f64], beside: Beside<'a>) -> Option<Self> {
        let Beside { load, age, origin } = beside;
        if y.len() < LEAST {
            return None;
        }
        let (&start, &end) = (blocks.t.first()?, blocks.t.last()?);
        let span = (end - start).max(1.0);
        let u: Vec<f64> = blocks.t.iter().map(|t| (t - start) / span).collect();
        let few = y.len() < FEW;
        let load = load.filter(|_| !few);
        let possible = if few { vec![Cycles::None] } else { Cycles::possible(&blocks.t, span, origin) };
        let richest = possible.last().copied().unwrap_or_default();
        let cyclic = richest.columns(&blocks.t);
        let rough = Rough { u: &u, y, age, load, cyclic: &cyclic };
        let ones = vec![1.0; y.len()];
        let weights = if few { ones.clone() } else { rough.outliers(richest, &ones).unwrap_or_else(|| ones.clone()) };
        let load_share = load.map_or(0.0, |l| {
            let d = Design::new(y, &weights);
            d.gain(l).filter(|g| g.slopes[0] > 0.0).map_or(0.0, |g| g.drop / d.sse().max(1e-9))
        });
        let uses_load = load.is_some_and(|l| load_share > LOAD_PLAIN || rough.needs_load(l, richest, &weights));
        let cycles = rough.cycles(&possible, uses_load, &weights);

        let mut design = Design::new(y, &weights);
        let mut columns = vec![ones];
        let beside = age.into_iter().chain(load.filter(|_| uses_load)).map(<[f64]>::to_vec);
        for c in beside.chain(cyclic.into_iter().take(cycles.terms())) {
            design.push(&c);
            columns.push(c);
        }
        let context = Context { u, design };
        Some(Prepared { y, weights, load, uses_load, load_share, columns, context, start, span, cycles, uses_age: age.is_some() })
    }

    /// The run as this curve tells it.
    pub fn fit(&self, curve: &Curve, margin: f64, veto: Option<Veto>) -> Judgement {
        let mut all = self.columns.clone();
        all.extend((0..curve.terms()).map(|k| curve.column(k, &self.context.u)));
        let (coefficients, variances) = solve(&all, self.y, &self.weights);
        let d = self.context.with(curve);
        let rho = lag1(d.residual()).max(0.0);
        let used: f64 = self.weights.iter().sum();
        let noise = (d.sse() / (used - d.rank() as f64).max(1.0)).sqrt();
        let inflate = ((1.0 + rho) / (1.0 - rho)).sqrt();
        let last_error = variances.last().map_or(f64::INFINITY, |v| v.sqrt() * noise * inflate);
        Judgement {
            grows: curve.grows(),
            curve: curve.clone(),
            margin,
            veto,
            coefficients,
            last_error,
            uses_load: self.uses_load,
            cycles: self.cycles,
            noise,
            memory: rho,
            load_share: self.load_share,
            start: self.start,
            span: self.span,
            uses_age: self.uses_age,
        }
    }
}

/// How many of `n` blocks are independent of their neighbours, by what a fit leaves of them.
pub(super) fn independent(n: usize, residual: &[f64]) -> f64 {
    let rho = lag1(residual).max(0.0);
    n as f64 * (1.0 - rho) / (1.0 + rho)
}

/// A fit with a flexible trend: what load and the day explain beside any trend at all.
struct Rough<'a> {
    u: &'a [f64],
    y: &'a [f64],
    age: Option<&'a [f64]>,
    load: Option<&'a [f64]>,
    /// Columns of the richest cycle; a poorer one has the first of them.
    cyclic: &'a [Vec<f64>],
}

impl Rough<'_> {
    fn fit(&self, with_load: bool, cycles: Cycles, weights: &[f64]) -> Design {
        let mut d = Design::new(self.y, weights);
        let beside = self.age.into_iter().chain(self.load.filter(|_| with_load));
        beside.for_each(|c| _ = d.push(c));
        self.cyclic.iter().take(cycles.terms()).for_each(|c| _ = d.push(c));
        d.push(self.u);
        for knot in KNOTS {
            d.push(&self.u.iter().map(|&u| (u - knot).max(0.0)).collect::<Vec<_>>());
        }
        d
    }

    /// Weights that leave outliers out; `None` where there are too many of them.
    fn outliers(&self, richest: Cycles, ones: &[f64]) -> Option<Vec<f64>> {
        let first = self.fit(self.load.is_some(), richest, ones);
        let most = OUTLIER * spread(first.residual()).max(1e-9);
        let wild = first.residual().iter().filter(|r| r.abs() > most).count();
        (wild * OUTLIERS_MOST <= self.y.len()).then(|| first.residual().iter().map(|r| f64::from(u8::from(r.abs() <= most))).collect())
    }

    /// Load explains in the right direction (more requests, more memory) what neither day nor trend does.
    fn needs_load(&self, load: &[f64], richest: Cycles, weights: &[f64]) -> bool {
        let d = self.fit(false, richest, weights);
        let free = independent(self.y.len(), d.residual()).max(INDEPENDENT_LEAST);
        d.gain(load).is_some_and(|g| g.slopes[0] > 0.0 && free * (d.sse() / (d.sse() - g.drop).max(1e-9)).ln() > free.ln() + STRONG)
    }

    /// The poorest cycle that nothing richer beats by more than its terms' worth and strong evidence again.
    fn cycles(&self, possible: &[Cycles], uses_load: bool, weights: &[f64]) -> Cycles {
        let tried: Vec<(Cycles, Design)> = possible.iter().map(|&c| (c, self.fit(uses_load, c, weights))).collect();
        let n = self.y.len();
        let free = tried.last().map_or(n as f64, |(_, d)| independent(n, d.residual())).max(INDEPENDENT_LEAST);
        let score = |i: usize, c: Cycles, d: &Design| free * d.sse().max(1e-9).ln() + c.terms() as f64 * free.ln() + STRONG * i as f64;
        let best = tried.iter().enumerate().map(|(i, (c, d))| (score(i, *c, d), *c)).min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or(Cycles::None, |b| b.1)
    }
}
