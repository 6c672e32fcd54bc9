//! Which curve a run of memory follows: curves that end (flat, steps, saturating, logarithmic, ramp then flat) against
//! curves that go on (line, warm-up and line, late onset, accelerating), each together with the load and the daily cycle.
//!
//! The judgement is a comparison of the best curve of either side by the Bayesian information criterion, with as many
//! independent observations as the autocorrelation of the residuals leaves: a bounded random walk then cannot pass for a
//! trend just because it was sampled often. Thresholds stand at their constants, each with its reason.

use super::blocks::Blocks;
use super::regress::{Design, solve};
use super::stats::{kendall, lag1, median, spread, theil_sen};

/// A curve over `u`, the part of the run that has passed (0..1; beyond 1 it is a projection).
#[derive(Debug, Clone, PartialEq)]
pub enum Curve {
    Flat,
    Steps(Vec<f64>),
    Saturating {
        tau: f64,
    },
    Logarithmic {
        tau: f64,
    },
    /// u / (u + half): a cache whose misses become rarer.
    Hill {
        half: f64,
    },
    /// u^power with a power well below a half.
    Root {
        power: f64,
    },
    RampThenFlat {
        until: f64,
    },
    Line,
    WarmUpLine {
        tau: f64,
    },
    Late {
        from: f64,
    },
    /// (1 − bend)·u + bend·u²: the mildest curve that gathers speed; an exponential would promise more than was seen.
    Accelerating {
        bend: f64,
    },
}

impl Curve {
    /// Whether memory goes on growing at the end of the run.
    pub fn grows(&self) -> bool {
        matches!(self, Curve::Line | Curve::WarmUpLine { .. } | Curve::Late { .. } | Curve::Accelerating { .. })
    }

    /// Number of terms.
    pub fn terms(&self) -> usize {
        match self {
            Curve::Flat => 0,
            Curve::Steps(at) => at.len(),
            Curve::WarmUpLine { .. } => 2,
            _ => 1,
        }
    }

    /// Parameters for the criterion: terms plus the places and constants that were searched for.
    fn parameters(&self) -> usize {
        self.terms()
            + match self {
                Curve::Flat | Curve::Line => 0,
                Curve::Steps(at) => at.len(),
                _ => 1,
            }
    }

    /// Value of term `k` at `u`; the last term is the one that goes on.
    pub fn term(&self, k: usize, u: f64) -> f64 {
        match self {
            Curve::Flat => 0.0,
            Curve::Steps(at) => f64::from(u8::from(at.get(k).is_some_and(|&a| u >= a))),
            Curve::Saturating { tau } => 1.0 - (-u / tau).exp(),
            Curve::Logarithmic { tau } => (1.0 + u.max(0.0) / tau).ln(),
            Curve::Hill { half } => u.max(0.0) / (u.max(0.0) + half),
            Curve::Root { power } => u.max(0.0).powf(*power),
            Curve::RampThenFlat { until } => u.min(*until),
            Curve::Line => u,
            Curve::WarmUpLine { tau } if k == 0 => 1.0 - (-u / tau).exp(),
            Curve::WarmUpLine { .. } => u,
            Curve::Late { from } => (u - from).max(0.0),
            Curve::Accelerating { bend } => u * (1.0 - bend + bend * u),
        }
    }

    /// The constant that was searched for, where it is one.
    fn constant(&self) -> Option<f64> {
        match self {
            Curve::Flat | Curve::Line | Curve::Steps(_) => None,
            Curve::Saturating { tau } | Curve::Logarithmic { tau } | Curve::WarmUpLine { tau } => Some(*tau),
            Curve::Hill { half } => Some(*half),
            Curve::Root { power } => Some(*power),
            Curve::RampThenFlat { until } => Some(*until),
            Curve::Late { from } => Some(*from),
            Curve::Accelerating { bend } => Some(*bend),
        }
    }

    /// The same family with another constant, kept within what the grid spans.
    fn with(&self, constant: f64) -> Curve {
        match self {
            Curve::Saturating { .. } => Curve::Saturating { tau: constant.min(TAU_MOST) },
            Curve::Logarithmic { .. } => Curve::Logarithmic { tau: constant },
            Curve::WarmUpLine { .. } => Curve::WarmUpLine { tau: constant.min(TAU_WARM) },
            Curve::Hill { .. } => Curve::Hill { half: constant.min(TAU_MOST) },
            Curve::Root { .. } => Curve::Root { power: constant.min(0.4) },
            Curve::RampThenFlat { .. } => Curve::RampThenFlat { until: constant.min(0.8) },
            Curve::Late { .. } => Curve::Late { from: constant.min(0.9) },
            Curve::Accelerating { .. } => Curve::Accelerating { bend: constant.min(1.0) },
            other => other.clone(),
        }
    }

    fn column(&self, k: usize, u: &[f64]) -> Vec<f64> {
        u.iter().map(|&u| self.term(k, u)).collect()
    }
}

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

/// Saturation constants as parts of the run, 15 % apart. Above half a run the curve has hardly bent and cannot be told
/// from a line.
const TAU: [f64; 22] = [
    0.01, 0.015, 0.02, 0.026, 0.033, 0.042, 0.053, 0.065, 0.08, 0.095, 0.11, 0.127, 0.147, 0.17, 0.195, 0.225, 0.26, 0.3, 0.345, 0.4, 0.45,
    0.5,
];
/// Largest constants: of curves that saturate, and of warm-ups before a line.
const TAU_MOST: f64 = 0.5;
const TAU_WARM: f64 = 0.225;
const TAU_LOG: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.07, 0.1];
const HALF: [f64; 12] = [0.01, 0.017, 0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.38, 0.5];
const POWER: [f64; 3] = [0.2, 0.3, 0.4];
/// How much of the growth is curved; below a fifth a line does as well.
const BEND: [f64; 6] = [0.2, 0.35, 0.5, 0.65, 0.8, 1.0];

/// Four columns of the daily cycle: its two first harmonics.
pub fn season(t: f64) -> [f64; 4] {
    let a = std::f64::consts::TAU * t / DAY;
    [a.sin(), a.cos(), (2.0 * a).sin(), (2.0 * a).cos()]
}

struct Context {
    u: Vec<f64>,
    design: Design,
}

struct Candidate {
    curve: Curve,
    sse: f64,
}

impl Context {
    /// Sum of squares with `curve` added; `None` when a growing curve would have to fall.
    fn try_curve(&self, curve: Curve) -> Option<Candidate> {
        let mut design = &self.design;
        let extended;
        if curve.terms() > 1 {
            let mut d = self.design.clone();
            for k in 0..curve.terms() - 1 {
                d.push(&curve.column(k, &self.u));
            }
            extended = d;
            design = &extended;
        }
        if curve.terms() == 0 {
            return Some(Candidate { curve, sse: design.sse() });
        }
        let (drop, slope) = design.gain(&curve.column(curve.terms() - 1, &self.u))?;
        if curve.grows() && slope <= 0.0 {
            return None;
        }
        if matches!(curve, Curve::WarmUpLine { .. }) {
            // A warm-up rises; one that fell would be an acceleration by another name.
            let mut d = self.design.clone();
            d.push(&curve.column(1, &self.u));
            d.gain(&curve.column(0, &self.u)).filter(|g| g.1 > 0.0)?;
        }
        Some(Candidate { curve, sse: (design.sse() - drop).max(0.0) })
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
        let mut found = Vec::new();
        for c in best {
            let Some(middle) = c.curve.constant() else { continue };
            let (mut low, mut high) = (middle / 1.3, middle * 1.3);
            let mut top: Option<Candidate> = None;
            // Eight thirds of the interval leave a hundredth of the constant.
            for _ in 0..8 {
                let third = (high - low) / 3.0;
                let (Some(a), Some(b)) = (self.try_curve(c.curve.with(low + third)), self.try_curve(c.curve.with(high - third))) else {
                    break;
                };
                let left = a.sse < b.sse;
                (low, high) = if left { (low, high - third) } else { (low + third, high) };
                let better = if left { a } else { b };
                if top.as_ref().is_none_or(|t| better.sse < t.sse) {
                    top = Some(better);
                }
            }
            found.extend(top.filter(|t| t.sse < c.sse));
        }
        list.extend(found);
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
        d.gain(l).filter(|g| g.1 > 0.0).map_or(0.0, |g| g.0 / d.sse().max(1e-9))
    });
    let uses_load = load.is_some_and(|l| {
        // Three tenths of the variation (r = 0.55) is past chance for any series of a day.
        if load_share > 0.3 {
            return true;
        }
        let d = rough(false, true, &weights);
        let rho = lag1(d.residual()).max(0.0);
        let free = (n as f64 * (1.0 - rho) / (1.0 + rho)).max(8.0);
        d.gain(l).is_some_and(|g| g.1 > 0.0 && free * (d.sse() / (d.sse() - g.0).max(1e-9)).ln() > free.ln() + 6.0)
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
    let mut bounded: Vec<Candidate> = context.steps();
    bounded.extend(context.try_curve(Curve::Flat));
    bounded.extend(TAU.iter().filter_map(|&tau| context.try_curve(Curve::Saturating { tau })));
    bounded.extend(TAU_LOG.iter().filter_map(|&tau| context.try_curve(Curve::Logarithmic { tau })));
    bounded.extend(HALF.iter().filter_map(|&half| context.try_curve(Curve::Hill { half })));
    bounded.extend(POWER.iter().filter_map(|&power| context.try_curve(Curve::Root { power })));
    bounded.extend((3..=16).filter_map(|i| context.try_curve(Curve::RampThenFlat { until: f64::from(i) / 20.0 })));
    context.refine(&mut bounded);
    let mut growing: Vec<Candidate> = context.try_curve(Curve::Line).into_iter().collect();
    growing.extend(TAU.iter().take(16).filter_map(|&tau| context.try_curve(Curve::WarmUpLine { tau })));
    growing.extend((5..=45).filter_map(|i| context.try_curve(Curve::Late { from: f64::from(i) / 50.0 })));
    growing.extend(BEND.iter().filter_map(|&bend| context.try_curve(Curve::Accelerating { bend })));
    context.refine(&mut growing);

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
    let refit = |curve: &Curve| {
        let mut d = context.design.clone();
        for k in 0..curve.terms() {
            d.push(&curve.column(k, &context.u));
        }
        d
    };
    let free_of = |curve: &Curve| {
        let rho = lag1(refit(curve).residual()).max(0.0);
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
        let d = refit(curve);
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

/// Evidence (in units of the criterion) from jumps that all go one way.
///
/// Growth in jumps leaves few independent observations to compare curves by, but each jump is one: a level that merely moves
/// goes down as often as up, so every jump that is up and not down speaks for growth by a factor of two (2 ln 2). Fewer than
/// five are deployments. The time since the last jump must be no longer than chance leaves after so many (5 %), and the later
/// half must hold a quarter of the growth: what fills up, jumps early and then rests.
fn climbs(u: &[f64], level: &[f64]) -> f64 {
    const LEAST: usize = 5;
    const MOST: usize = 12;
    let d: Vec<f64> = level.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    if d.len() < 24 {
        return 0.0;
    }
    let noise = (spread(&d) / std::f64::consts::SQRT_2).max(1e-9);
    let three = |i: usize| median(&mut level.get(i..i + 3).unwrap_or(&[]).to_vec());
    let steps: Vec<f64> = (3..level.len() - 2).map(|i| three(i) - three(i - 3)).collect();
    // Where a change is larger than any within three blocks.
    let mut jumps: Vec<(f64, f64)> = Vec::new();
    for (i, s) in steps.iter().enumerate().filter(|(_, s)| s.abs() > 5.0 * noise) {
        let near = steps.get(i.saturating_sub(2)..(i + 3).min(steps.len())).unwrap_or(&[]);
        if near.iter().all(|o| o.abs() <= s.abs())
            && jumps.last().is_none_or(|j| u.get(i + 3).is_some_and(|u| *u - j.0 > 2.0 / level.len() as f64))
        {
            jumps.push((u.get(i + 3).copied().unwrap_or(0.0), *s));
        }
    }
    let up = jumps.iter().filter(|j| j.1 > 0.0).count();
    let down = jumps.len() - up;
    if up < LEAST || down * 8 > up {
        return 0.0;
    }
    let silence = 1.0 - jumps.last().map_or(0.0, |j| j.0);
    let chance = (1.0 - silence).powi(i32::try_from(up).unwrap_or(i32::MAX));
    let whole: f64 = jumps.iter().map(|j| j.1).sum();
    let late: f64 = jumps.iter().filter(|j| j.0 > 0.5).map(|j| j.1).sum();
    if chance < 0.05 || late < 0.25 * whole {
        return 0.0;
    }
    2.0 * std::f64::consts::LN_2 * (up - down).min(MOST) as f64
}

/// Growth that is still going on at the end of the run: the last third (after the onset) rises, at no less than a third of
/// the slope of what came before it. Curves that end bend far below that by then; a leak's rate does not halve twice.
fn persists(u: &[f64], y: &[f64], j: &Judgement) -> bool {
    let from = match j.curve {
        Curve::Late { from } => from,
        Curve::WarmUpLine { tau } => (2.0 * tau).min(0.5),
        _ => 0.0,
    };
    let cut =
        |a: f64, b: f64| -> (Vec<f64>, Vec<f64>) { u.iter().copied().zip(y.iter().copied()).filter(|(u, _)| *u >= a && *u <= b).unzip() };
    let third = (1.0 - from) / 3.0;
    let (lu, ly) = cut(1.0 - third, 1.0);
    let (wu, wy) = cut(from, 1.0);
    let (Some(last), Some(whole)) = (theil_sen(&lu, &ly).or(Some(0.0)), theil_sen(&wu, &wy)) else { return false };
    if ly.len() < 4 {
        return whole > 0.0 && kendall(&wy) >= 0.7;
    }
    // Successive eighths of the growth rise in nearly every pair; a wandering series does not keep that up.
    let eighths: Vec<f64> = (0..8)
        .filter_map(|i| {
            let w = (1.0 - from) / 8.0;
            let (_, mut part) = cut(from + f64::from(i) * w, from + f64::from(i + 1) * w);
            (!part.is_empty()).then(|| median(&mut part))
        })
        .collect();
    whole > 0.0 && last > whole / 3.0 && kendall(&eighths) >= 0.6
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
