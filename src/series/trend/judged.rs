//! One run judged: how it is cut into blocks, which level of them is read, and the curves that fit its two memories.

use super::{History, Run};
use crate::series::blocks::{Blocks, Drops, Samples, Sawtooth, drops, load_of};
use crate::series::regress::Design;
use crate::series::shape::{Beside, Judgement, judge};
use crate::series::stats::theil_sen;

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
    /// Marks the samples outside batches, where there are batches.
    pub base: Option<Vec<bool>>,
    /// Usual height of batches above the base that was judged, 0 without batches.
    pub batches: f64,
    /// Noise of single samples about their neighbours.
    pub jitter: f64,
}

impl Judged {
    /// When the level changed that a fit places at the part `u` of the run: where neighbouring blocks differ most near it. The
    /// blocks beside a change may count as outliers of the fit, which then knows no better than that it was among them.
    pub fn moment(&self, u: f64) -> f64 {
        let (t, mid) = (&self.blocks.t, &self.blocks.mid);
        let said = self.memory.start + u * self.memory.span;
        let at = t.partition_point(|&t| t < said);
        let near = (t.len() / 8).max(2);
        let differ = |i: usize| mid.get(i).zip(mid.get(i - 1)).map_or(0.0, |(b, a)| (b - a).abs());
        let found =
            (at.saturating_sub(near).max(1)..(at + near).min(t.len())).max_by(|&a, &b| differ(a).total_cmp(&differ(b)).then(b.cmp(&a)));
        found.and_then(|i| t.get(i)).map_or(said, |t| t - self.blocks.width / 2.0)
    }
}

/// Blocks that a whole window is cut into: enough for a shape, few enough for a comparison of a hundred curves.
const BLOCKS: f64 = 240.0;
/// Fewer samples than this are no series.
pub(super) const SAMPLES_LEAST: usize = 30;

/// Seconds of load that memory may answer to: that of the moment, or of the ten minutes that sessions and caches live. The one
/// that explains more beside a straight line is taken.
const LAGS: [f64; 2] = [0.0, 600.0];

pub(super) fn judge_run(index: usize, run: &Run, total: f64, h: &History) -> Option<Judged> {
    let s = &run.memory;
    if s.len() < SAMPLES_LEAST {
        return None;
    }
    let noise = s.noise();
    let (saw, base, batches) = match drops(s, noise) {
        Drops::Collections(saw) => (Some(saw), None, 0.0),
        Drops::Batches { base, height } => (None, Some(base), height),
        Drops::None => (None, None, 0.0),
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
        let mut b = match base.as_ref().filter(|b| b.len() == s.len()) {
            Some(base) => Blocks::cut(&s.only(base), width),
            None => Blocks::cut(s, width),
        };
        if let Some(saw) = long_cycles {
            b.drop_around(&saw.drops);
        }
        b
    };
    let blocks = cut(s);
    let age = |b: &Blocks| long_cycles.map(|saw| saw.ages(&b.t));
    let level = |b: &Blocks| if short_cycles { b.low.clone() } else { b.mid.clone() };
    let load = h.load.as_ref().and_then(|l| {
        let mut design = Design::new(&level(&blocks), &vec![1.0; blocks.len()]);
        design.push(&blocks.t);
        let tried = LAGS.iter().filter_map(|&lag| load_of(&blocks, l, lag));
        tried.map(|l| (design.gain(&l).map_or(0.0, |g| g.drop), l)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|t| t.1)
    });
    let fit = |b: &Blocks, load: Option<&[f64]>| judge(b, &level(b), Beside { load, age: age(b).as_deref(), origin: h.origin });
    let memory = fit(&blocks, load.as_deref())?;
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
            fit(&b, load.map(Vec::as_slice))
        })
        .unwrap_or_else(|| memory.clone());
    Some(Judged {
        run: index,
        blocks,
        load,
        verdict,
        memory,
        saw,
        low: short_cycles,
        base,
        batches,
        jitter: noise / std::f64::consts::SQRT_2,
    })
}

pub(super) fn run_slope(s: &Samples) -> Option<f64> {
    (s.len() >= 10).then(|| {
        let b = Blocks::cut(s, (s.span() / 60.0).max(2.0 * s.step()));
        theil_sen(&b.t, &b.mid)
    })?
}

/// The fit to the working set, or (where that has no growth of its own) the one the verdict was read from.
pub fn working_fit(j: &Judged) -> &Judgement {
    if j.memory.grows || !j.verdict.grows { &j.memory } else { &j.verdict }
}

/// Last quarter of a judged run, in seconds from the window's start.
pub(super) fn last_quarter(j: &Judged) -> (f64, f64) {
    let m = &j.memory;
    (m.start + 0.75 * m.span, m.start + m.span)
}
