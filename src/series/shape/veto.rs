//! Why a curve that goes on and fits best is still not believed: each veto knows something that a comparison of curves does
//! not see.

use super::candidates::Context;
use super::curve::Curve;
use super::ongoing::persists;
use super::prepare::Prepared;
use super::{Judgement, Veto};
use crate::series::regress::Design;
use crate::series::stats::spread;

/// Load that explains all but a twentieth of the variation needs no leak beside it, even where a line and a cycle could take
/// its place: with a load that itself ramps up nobody can tell them apart, and the known cause goes first.
const NEARLY_ALL: f64 = 0.95;

/// Variance left over, in times of what neighbouring blocks differ by, that still counts as noise: an F ratio of two hundred
/// blocks against as many is above 1.26 once in twenty; twice that leaves room for noise that lasts longer than a block.
const NOISE_MOST: f64 = 2.5;

/// Standard deviations of what is left unexplained that growth must clear to be worth the word.
const CLEAR: f64 = 3.0;

/// The way from load to memory is not exactly straight (warm pools, queues, the lag of sessions): where load explains nearly
/// all, growth of less than one part in so many of what load moves is the bend of that way.
const BEND_OF_LOAD: f64 = 6.0;

/// Load alone is the better story, before anything is fitted.
///
/// Where a curve without any load does better still, load has merely come along, unless what load leaves over is no more
/// than the noise that it carries itself: a curve has none, and would win by that alone.
pub(super) fn load_explains(run: &Prepared<'_>, growing: &Curve) -> bool {
    let Some(load) = run.load.filter(|_| run.uses_load && run.load_share > NEARLY_ALL) else { return false };
    let (y, weights) = (run.y, &run.weights);
    let mut by_load = Design::new(y, weights);
    by_load.push(load);
    let without = Context { u: run.context.u.clone(), design: Design::new(y, weights) };
    let by_time = without.try_curve(growing.clone()).map_or(f64::INFINITY, |c| c.sse);
    let per_load = Design::new(y, weights).gain(load).map_or(0.0, |g| g.slopes[0]);
    let carried = block_noise(y).powi(2) + (per_load * block_noise(load)).powi(2);
    by_load.sse() < by_time || by_load.sse() / weights.iter().sum::<f64>().max(1.0) < NOISE_MOST * carried
}

/// What speaks against growth once it is fitted.
pub(super) fn of(run: &Prepared<'_>, growth: &Judgement) -> Option<Veto> {
    let end = growth.start + growth.span;
    let from = growth.start + if let Curve::Late { from } = growth.curve { from * growth.span } else { 0.0 };
    let own = match growth.curve {
        Curve::WarmUpLine { .. } | Curve::StepLine { .. } => growth.coefficients.last().copied().unwrap_or(0.0),
        _ => growth.trend(end) - growth.trend(from),
    };
    if own < CLEAR * growth.noise {
        return Some(Veto::WithinNoise);
    }
    if own < moved_by_load(run, growth) / BEND_OF_LOAD {
        return Some(Veto::BendOfLoad);
    }
    (!persists(&run.context.u, &bare(run, growth), growth)).then_some(Veto::DoesNotLast)
}

/// Bytes between the lowest and the highest load, where load explains nearly all.
fn moved_by_load(run: &Prepared<'_>, growth: &Judgement) -> f64 {
    run.load.filter(|_| run.uses_load && run.load_share > NEARLY_ALL).map_or(0.0, |l| {
        let (low, high) = l.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
        (high - low) * growth.load_coefficient()
    })
}

/// The data without load, day and changes of level: what must itself still rise at the end.
fn bare(run: &Prepared<'_>, growth: &Judgement) -> Vec<f64> {
    run.y
        .iter()
        .enumerate()
        .map(|(i, &y)| {
            let other: f64 = run.columns.iter().zip(&growth.coefficients).skip(1).map(|(c, k)| c.get(i).copied().unwrap_or(0.0) * k).sum();
            y - other - run.context.u.get(i).map_or(0.0, |&u| growth.step(u))
        })
        .collect()
}

/// Standard deviation of the blocks about a smooth course, from the second differences, which a line does not move.
fn block_noise(y: &[f64]) -> f64 {
    let bends: Vec<f64> = y.windows(3).filter_map(|w| if let [a, b, c] = w { Some(a - 2.0 * b + c) } else { None }).collect();
    spread(&bends) / 6.0f64.sqrt()
}
