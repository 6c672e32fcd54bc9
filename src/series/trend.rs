//! One container's memory over all its runs: verdict, form, slope, onset, and how each run went.
//!
//! Runs are judged one by one (a restart starts a new curve) and their testimonies added up; the verdict is read from
//! anonymous memory where that is known, so that file cache cannot look like a leak, slopes from the working set.

use super::blocks::{Blocks, Drops, Samples, Sawtooth, drops, load_of};
use super::shape::{Curve, Judgement, MARGIN, judge};
use super::stats::{correlation, mean, median, quantile, spread, theil_sen};
use crate::model::trend::{Estimate, TrendForm, TrendVerdict};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Oom,
    Restart,
    Open,
}

/// One life of a container. Times are seconds from the window's start.
#[derive(Debug, Clone)]
pub struct Run {
    pub memory: Samples,
    /// RSS, or working set less cache: what cannot be reclaimed.
    pub anonymous: Option<Samples>,
    /// `anonymous` is a difference of two series and carries the noise of both.
    pub derived: bool,
    pub ended: Ended,
}

/// Everything that is known of a container's memory.
#[derive(Debug, Clone)]
pub struct History {
    pub runs: Vec<Run>,
    /// Requests per second.
    pub load: Option<Samples>,
    pub limit: Option<f64>,
}

/// A run that was long enough to judge.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Index into [`History::runs`].
    pub run: usize,
    pub blocks: Blocks,
    pub load: Option<Vec<f64>>,
    pub verdict: Judgement,
    /// Fit of the same kind to the working set.
    pub memory: Judgement,
    pub saw: Option<Sawtooth>,
    /// The fit reads the blocks' low ends (short collection cycles), else their middles.
    pub low: bool,
    /// Usual height of batches above the base that was judged, 0 without batches.
    pub batches: f64,
    /// Noise of single samples about their neighbours.
    pub jitter: f64,
}

/// The analysis of a container.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub verdict: TrendVerdict,
    pub form: Option<TrendForm>,
    /// Bytes per second over the last quarter of the window.
    pub slope: Option<Estimate>,
    /// Seconds from the window's start.
    pub onset: Option<f64>,
    pub judged: Vec<Judged>,
    /// Per run, Theil–Sen slope in bytes per second.
    pub run_slopes: Vec<Option<f64>>,
    /// Spread of the growing runs' slopes as a part of their median.
    pub slope_spread: Option<f64>,
    pub load_correlation: Option<f64>,
    pub load_factor: Option<f64>,
    /// Only reclaimable memory grew.
    pub cache_growth: bool,
    pub why: String,
}

/// Blocks that a whole window is cut into: enough for a shape, few enough for a comparison of a hundred curves.
const BLOCKS: f64 = 240.0;
/// Fewer samples than this are no series.
const SAMPLES_LEAST: usize = 30;

fn judge_run(index: usize, run: &Run, total: f64, load: Option<&Samples>) -> Option<Judged> {
    let s = &run.memory;
    if s.len() < SAMPLES_LEAST {
        return None;
    }
    let kind = drops(s);
    let (saw, base) = match &kind {
        Drops::Collections(saw) => (Some(saw.clone()), None),
        Drops::Batches { base, .. } => (None, Some(base)),
        Drops::None => (None, None),
    };
    let step = s.step();
    let mut width = (total / BLOCKS).max(4.0 * step);
    if s.span() / width < 30.0 {
        width = (s.span() / 30.0).max(3.0 * step);
    }
    // Blocks that hold whole collection cycles have their low end at the live set. Where that would leave too few blocks,
    // blocks stay short and the time since the last collection explains the climb.
    let short_cycles = saw.as_ref().is_some_and(|saw| 1.3 * saw.period <= s.span() / 40.0);
    if let (Some(saw), true) = (&saw, short_cycles) {
        width = width.max(1.3 * saw.period);
    }
    let long_cycles = saw.as_ref().filter(|_| !short_cycles);
    // Six collections and more: the levels right after them are the live set, sampled.
    let after = long_cycles.filter(|saw| saw.drops.len() >= 6);
    let long_cycles = long_cycles.filter(|_| after.is_none());
    let cut = |s: &Samples| {
        if let Some(saw) = after {
            return Blocks::after(s, saw);
        }
        let mut b = match base.filter(|b| b.len() == s.len()) {
            Some(base) => Blocks::cut(&s.only(base), width),
            None => Blocks::cut(s, width),
        };
        if let Some(saw) = long_cycles {
            b.drop_around(&saw.drops);
        }
        b
    };
    let blocks = cut(s);
    let load = load.and_then(|l| load_of(&blocks, l, 600.0));
    let age = |b: &Blocks| long_cycles.map(|saw| saw.ages(&b.t));
    let level = |b: &Blocks| if short_cycles { b.low.clone() } else { b.mid.clone() };
    let memory = judge(&blocks, &level(&blocks), load.as_deref(), age(&blocks).as_deref())?;
    // A difference of two series is too noisy to judge growth by; it only vetoes growth that is mostly cache.
    let trusted = run.anonymous.as_ref().filter(|a| {
        let slopes = run_slope(a).zip(run_slope(s));
        !run.derived || slopes.is_some_and(|(own, all)| own < 0.5 * all)
    });
    let verdict = trusted
        .and_then(|a| {
            let b = cut(a);
            // Same grid as the working set's, so that the load beside it fits.
            let load = load.as_ref().filter(|l| l.len() == b.len());
            judge(&b, &level(&b), load.map(Vec::as_slice), age(&b).as_deref())
        })
        .unwrap_or_else(|| memory.clone());
    let d: Vec<f64> = s.v.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    Some(Judged {
        run: index,
        blocks,
        load,
        verdict,
        memory,
        saw,
        low: short_cycles,
        batches: if let Drops::Batches { height, .. } = kind { height } else { 0.0 },
        jitter: spread(&d) / std::f64::consts::SQRT_2,
    })
}

/// Analyses a container.
pub fn analyse(h: &History) -> Found {
    let total: f64 = h.runs.iter().map(|r| r.memory.span()).sum();
    let samples: usize = h.runs.iter().map(|r| r.memory.len()).sum();
    let mut found = Found { run_slopes: h.runs.iter().map(|r| run_slope(&r.memory)).collect(), ..Found::default() };
    load_figures(h, &mut found);
    if samples < SAMPLES_LEAST || total <= 0.0 {
        found.why = format!("{samples} samples are too few to tell a trend from noise");
        return found;
    }
    let longest = h.runs.iter().map(|r| r.memory.span()).fold(0.0, f64::max);
    found.judged = h
        .runs
        .iter()
        .enumerate()
        // A run of less than a quarter of the longest is mostly start-up.
        .filter(|(_, r)| r.memory.span() >= 0.25 * longest)
        .filter_map(|(i, r)| judge_run(i, r, total, h.load.as_ref()))
        .collect();
    if found.judged.is_empty() {
        found.why = "no run is long enough to tell a trend from noise".into();
        return found;
    }
    let span = |j: &Judged| j.blocks.len() as f64 * j.blocks.width;
    let whole: f64 = found.judged.iter().map(span).sum();
    let share = |f: &dyn Fn(&Judged) -> bool| found.judged.iter().filter(|j| f(j)).map(span).sum::<f64>() / whole;
    // Testimonies of independent runs add up; one run alone cannot outvote the others by more than five margins.
    let sum: f64 = found.judged.iter().map(|j| j.verdict.margin.clamp(-5.0 * MARGIN, 5.0 * MARGIN)).sum();
    let grown = share(&|j| j.verdict.grows);
    let leaning = share(&|j| j.verdict.margin > 0.0);
    let leak = if found.judged.len() == 1 { grown > 0.5 } else { sum > MARGIN && leaning > 0.6 && grown > 0.4 };
    let turned = if leak { None } else { turned(&found.judged) };
    if let Some(k) = turned {
        found.judged.drain(..k);
    }
    if leak || turned.is_some() {
        leaking(h, &mut found, turned.is_some())
    } else {
        settled(&mut found)
    }
    found
}

/// From which judged run on everything grows, where nothing before did: a leak that came with a deployment. A run that merely
/// warms up does as the runs before it did at the same age.
fn turned(judged: &[Judged]) -> Option<usize> {
    let span = |j: &Judged| j.blocks.len() as f64 * j.blocks.width;
    let whole: f64 = judged.iter().map(span).sum();
    let k = judged.iter().rposition(|j| !j.verdict.grows)? + 1;
    let (before, after) = judged.split_at_checked(k)?;
    let sum: f64 = after.iter().map(|j| j.verdict.margin.min(5.0 * MARGIN)).sum();
    // A tenth of the window is the least that tells a change from a start.
    if after.is_empty() || sum <= MARGIN || after.iter().map(span).sum::<f64>() < 0.1 * whole {
        return None;
    }
    let grown = |j: &Judged, age: f64| -> Option<f64> {
        let start = *j.blocks.t.first()?;
        let near = |from: f64| {
            let part: Vec<f64> =
                j.blocks.t.iter().zip(&j.blocks.mid).filter(|(t, _)| (*t - start - from).abs() <= 0.05 * age).map(|(_, v)| *v).collect();
            (!part.is_empty()).then(|| median(&mut part.clone()))
        };
        Some(near(age)? - near(0.0)?)
    };
    let same = before.iter().any(|b| {
        after.iter().any(|a| {
            let age = 0.95 * a.memory.span.min(b.memory.span);
            grown(a, age).zip(grown(b, age)).is_none_or(|(now, then)| then >= 0.5 * now)
        })
    });
    (!same).then_some(k)
}

fn run_slope(s: &Samples) -> Option<f64> {
    (s.len() >= 10).then(|| {
        let (t, mid) = Blocks::middles(s, (s.span() / 60.0).max(2.0 * s.step()));
        theil_sen(&t, &mid)
    })?
}

fn load_figures(h: &History, found: &mut Found) {
    let Some(load) = h.load.as_ref().filter(|l| l.len() >= 8) else { return };
    let mut sorted = load.v.clone();
    let usual = quantile(&mut sorted, 0.5);
    let peak = quantile(&mut sorted, 0.99);
    found.load_factor = (usual > 0.0).then(|| peak / usual);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for r in &h.runs {
        let blocks = Blocks::cut(&r.memory, (r.memory.span() / 120.0).max(4.0 * r.memory.step()));
        if let Some(l) = load_of(&blocks, load, 600.0) {
            a.extend_from_slice(&blocks.mid);
            b.extend(l);
        }
    }
    found.load_correlation = (a.len() >= 8).then(|| correlation(&a, &b));
}

fn leaking(h: &History, found: &mut Found, turned: bool) {
    found.verdict = TrendVerdict::Leak;
    let growing: Vec<&Judged> = found.judged.iter().filter(|j| j.verdict.margin > 0.0).collect();
    let mut slopes: Vec<f64> = Vec::new();
    let mut errors: Vec<f64> = Vec::new();
    for j in &growing {
        let (a, b) = last_quarter(j);
        let m = working_fit(j);
        let s = m.slope(a, b);
        if s > 0.0 {
            slopes.push(s);
            let last = m.coefficients.last().copied().unwrap_or(0.0);
            errors.push(if last > 0.0 { s * (m.last_error / last).min(1.0) } else { s });
        }
    }
    if slopes.is_empty() {
        slopes.extend(growing.iter().filter_map(|j| found.run_slopes.get(j.run).copied().flatten()).filter(|s| *s > 0.0));
    }
    let ooms = h.runs.iter().filter(|r| r.ended == Ended::Oom).count();
    // Runs that repeat each other are each measured whole: a quarter of a short life is a poor sample of it.
    let repeated: Vec<f64> = growing.iter().filter_map(|j| found.run_slopes.get(j.run).copied().flatten()).filter(|s| *s > 0.0).collect();
    if repeated.len() >= 2 {
        let usual = median(&mut repeated.clone());
        let apart = repeated.iter().map(|s| (s - usual).abs()).fold(0.0, f64::max);
        found.slope_spread = (usual > 0.0).then_some(apart / usual);
    }
    let bent = growing.iter().filter(|j| matches!(working_fit(j).curve, Curve::Accelerating { .. })).count();
    if repeated.len() >= 3 && repeated.len() == growing.len() && bent * 2 < growing.len() {
        slopes = repeated;
    }
    let mid = median(&mut slopes.clone());
    if mid.is_finite() && mid > 0.0 {
        // 80 % of a normal distribution lies within 1.28 sd.
        let half =
            1.28 * if slopes.len() > 2 { spread(&slopes) / (slopes.len() as f64).sqrt() } else { errors.first().copied().unwrap_or(0.0) };
        found.slope = Some(Estimate { low: (mid - half).max(0.0), mid, high: mid + half });
    }
    let last = growing.last().copied();
    found.form = last.map(|j| match (&working_fit(j).curve, j.saw.is_some()) {
        _ if ooms >= 1 && h.runs.len() >= 2 => TrendForm::Cycles,
        _ if found.judged.len() >= 3 => TrendForm::Cycles,
        _ if turned => TrendForm::LateOnset,
        (Curve::Late { .. }, _) => TrendForm::LateOnset,
        (Curve::Accelerating { bend }, saw) if !saw || *bend > 0.4 => TrendForm::Accelerating,
        // The sawtooth hides the growth when it is of its size, and a visible part of the whole; else it is only texture.
        (_, true)
            if j.saw.as_ref().is_some_and(|s| {
                let (a, z) = (j.memory.trend(j.memory.start), j.memory.trend(j.memory.start + j.memory.span));
                s.height > 0.3 * (z - a) && s.height > 0.1 * f64::midpoint(a, z)
            }) =>
        {
            TrendForm::GcMasked
        }
        _ if staircase(h.runs.get(j.run), j) => TrendForm::Step,
        _ => TrendForm::Linear,
    });
    found.onset = last.map(|j| {
        let m = working_fit(j);
        match m.curve {
            Curve::Late { from } => m.start + from * m.span,
            _ => {
                let first = if turned { found.judged.first().map_or(0, |j| j.run) } else { 0 };
                h.runs.get(first).and_then(|r| r.memory.t.first().copied()).unwrap_or(m.start)
            }
        }
    });
    let hour = 3600.0;
    let rate = found.slope.map_or(0.0, |s| s.mid * hour);
    let alike = match found.slope_spread {
        Some(s) if s <= 0.25 => format!("; the runs' own slopes differ by {:.0} % at most", s * 100.0),
        _ => String::new(),
    };
    found.why = format!(
        "grows by {}/h; {} of {} runs keep growing to their end, better than any bounded curve by {:.0} (10 needed){alike}",
        crate::model::quantity::human(rate),
        growing.len(),
        found.judged.len(),
        growing.iter().map(|j| j.verdict.margin).fold(f64::NEG_INFINITY, f64::max),
    );
}

/// The fit to the working set, or (where that has no growth of its own) the one the verdict was read from.
pub fn working_fit(j: &Judged) -> &Judgement {
    if j.memory.grows || !j.verdict.grows { &j.memory } else { &j.verdict }
}

/// Last quarter of a judged run, in seconds from the window's start.
fn last_quarter(j: &Judged) -> (f64, f64) {
    let m = &j.memory;
    (m.start + 0.75 * m.span, m.start + m.span)
}

/// Growth comes in jumps: between them, and outside batches, nothing grows.
///
/// Jumps are changes of three samples' median by more than 5 sd of the noise; they and the batches cut the run into pieces.
/// The slope pooled within the pieces is a line's own slope for a line and near 0 for a staircase.
fn staircase(run: Option<&Run>, j: &Judged) -> bool {
    let Some(run) = run else { return false };
    let fit = working_fit(j);
    let s = &run.memory;
    let load = |t: f64| -> f64 {
        let i = j.blocks.t.partition_point(|&b| b < t).min(j.blocks.len().saturating_sub(1));
        j.load.as_ref().and_then(|l| l.get(i)).copied().unwrap_or(0.0)
    };
    let base = if let Drops::Batches { base, .. } = drops(s) { base } else { vec![true; s.len()] };
    // Without what load and day explain, and after the warm-up.
    let settled = fit.start + if let Curve::WarmUpLine { tau } = fit.curve { (4.0 * tau).min(0.5) * fit.span } else { 0.0 };
    let first = s.t.partition_point(|&t| t < settled);
    let bare: Vec<f64> = s.t.iter().zip(&s.v).map(|(&t, v)| v - fit.seasonal(t) - fit.load_coefficient() * load(t)).collect();
    let mut pieces: Vec<(f64, f64)> = Vec::new();
    let mut from = first;
    let mut close = |from: usize, to: usize| {
        let (t, v) = (s.t.get(from..to).unwrap_or(&[]), bare.get(from..to).unwrap_or(&[]));
        if t.len() >= 8 {
            let (mt, mv) = (mean(t), mean(v));
            let sxy = t.iter().zip(v).map(|(t, v)| (t - mt) * (v - mv)).sum::<f64>();
            pieces.push((sxy, t.iter().map(|t| (t - mt) * (t - mt)).sum::<f64>()));
        }
    };
    let middle = |i: usize| median(&mut bare.get(i..i + 3).unwrap_or(&[]).to_vec());
    for i in first + 1..s.len() {
        let jump = i >= 3 && i + 3 <= s.len() && (middle(i) - middle(i - 3)).abs() > 5.0 * j.jitter;
        let edge = base.get(i) != base.get(i - 1);
        if jump || edge || base.get(i) == Some(&false) {
            close(from, i);
            from = i + usize::from(base.get(i) == Some(&false));
        }
    }
    close(from, s.len());
    let (a, b) = last_quarter(j);
    let whole = fit.slope(settled, b.max(a));
    let (sxy, sxx) = pieces.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    // Four pieces make three jumps: fewer are not a habit.
    if pieces.len() < 4 || sxx <= 0.0 {
        return false;
    }
    let within = sxy / sxx;
    let error = pieces.iter().map(|p| (p.0 - within * p.1).powi(2)).sum::<f64>().sqrt() / sxx;
    whole > 0.0 && within < 0.4 * whole && whole - within > 3.0 * error
}

fn settled(found: &mut Found) {
    let Some(j) =
        found.judged.iter().max_by(|a, b| (a.blocks.len() as f64 * a.blocks.width).total_cmp(&(b.blocks.len() as f64 * b.blocks.width)))
    else {
        return;
    };
    let v = &j.verdict;
    found.cache_growth = j.memory.grows && !v.grows;
    // Half of the variance explained by load is the usual reading of a strong effect (r = 0.7).
    (found.verdict, found.why) = if found.cache_growth {
        (TrendVerdict::Bounded, "the working set grows but anonymous memory does not: file cache, which the kernel can reclaim".into())
    } else if v.load_share >= 0.5 && v.uses_load {
        (
            TrendVerdict::LoadFollowing,
            format!("load explains {:.0} % of the variation and no growth is left beside it", v.load_share * 100.0),
        )
    } else if let (Curve::Steps(at), true) = (&v.curve, matches!(&v.curve, Curve::Steps(a) if a.len() <= 2)) {
        let moved: f64 = v.coefficients.iter().rev().take(at.len()).map(|c| c.abs()).fold(0.0, f64::max);
        if moved > 4.0 * v.noise {
            (TrendVerdict::Step, "the level changed at once and has stayed".into())
        } else {
            (TrendVerdict::Bounded, "the level moves but does not go on growing".into())
        }
    } else {
        let words = match v.curve {
            Curve::Flat => "the level is constant",
            Curve::Saturating { .. } | Curve::RampThenFlat { .. } => "growth levelled off",
            Curve::Logarithmic { .. } => "growth slows down as a filling cache's does",
            _ => "the level moves but does not go on growing",
        };
        (TrendVerdict::Bounded, words.into())
    };
}
