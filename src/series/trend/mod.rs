//! One container's memory over all its runs: verdict, form, slope, onset, and how each run went.
//!
//! Runs are judged one by one (a restart starts a new curve) and their testimonies added up; the verdict is read from
//! anonymous memory where that is known, so that file cache cannot look like a leak, slopes from the working set.

mod judged;
mod leak;

pub use judged::{Judged, working_fit};

use super::blocks::{Blocks, Samples, load_of};
use super::shape::{Curve, MARGIN};
use super::stats::{correlation, median, quantile};
pub use crate::model::trend::Ended;
use crate::model::trend::{Estimate, TrendForm, TrendVerdict};
use judged::{SAMPLES_LEAST, judge_run, run_slope};
use leak::leaking;

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
    /// Unix second of the window's start; weekends are not looked for without it.
    pub origin: Option<f64>,
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
    /// When growth ended, where it was in the killed lives only: seconds from the window's start.
    pub ceased: Option<f64>,
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
        .filter_map(|(i, r)| judge_run(i, r, total, h))
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
    let turned = turned(&found.judged);
    if let Some(k) = turned {
        found.judged.drain(..k);
    }
    if leak || turned.is_some() {
        leaking(h, &mut found, turned.is_some())
    } else if !killed_lives(h, &mut found) {
        settled(&mut found)
    }
    found
}

/// Lives that all climb until memory kills them are a leak, whatever came after them: the incident is in the lives that were
/// killed, and a quiet time since tells that what fed it went away. One climb alone may be a cache that filled once.
const KILLED_LIVES: usize = 2;

fn killed_lives(h: &History, found: &mut Found) -> bool {
    let Some(last) = h.runs.iter().rposition(|r| r.ended == Ended::Oom) else { return false };
    let lives = || h.runs.iter().enumerate().filter(|(_, r)| r.ended == Ended::Oom);
    let total: f64 = lives().map(|(_, r)| r.memory.span()).sum();
    let longest = lives().map(|(_, r)| r.memory.span()).fold(0.0, f64::max);
    let judged: Vec<Judged> =
        lives().filter(|(_, r)| r.memory.span() >= 0.25 * longest).filter_map(|(i, r)| judge_run(i, r, total, h)).collect();
    if judged.len() < KILLED_LIVES || !judged.iter().all(|j| j.verdict.grows && climbs(j)) {
        return false;
    }
    // A life that has only begun tells nothing yet of whether it goes on.
    let since: f64 = h.runs.iter().skip(last + 1).map(|r| r.memory.span()).sum();
    let runs = h.runs.get(..=last).unwrap_or(&[]).to_vec();
    let ended = h.runs.get(last).and_then(|r| r.memory.t.last().copied());
    let until = History { runs, load: h.load.clone(), limit: h.limit, origin: h.origin };
    let typical = total / judged.len() as f64;
    found.judged = judged;
    if since >= typical / 2.0 {
        leaking(&until, found, false);
        found.ceased = ended;
    } else {
        leaking(h, found, false);
    }
    true
}

/// Whether a life rises on its way and not only at its end: at three quarters of it a third of its rise has come, of which a
/// straight line has three quarters and a burst nothing.
fn climbs(j: &Judged) -> bool {
    let level = &j.blocks.mid;
    let (first, last) = (level.first().copied().unwrap_or(0.0), level.last().copied().unwrap_or(0.0));
    let late = level.get(level.len().saturating_mul(3) / 4).copied().unwrap_or(last);
    late - first >= (last - first) / 3.0
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
