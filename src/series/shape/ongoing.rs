//! Whether growth is still going on when the run ends: what a comparison of curves over the whole run cannot see.

use super::{Curve, Judgement};
use crate::series::stats::{kendall, median, spread, theil_sen};

/// Evidence (in units of the criterion) from jumps that all go one way.
///
/// Growth in jumps leaves few independent observations to compare curves by, but each jump is one: a level that merely moves
/// goes down as often as up, so every jump that is up and not down speaks for growth by a factor of two (2 ln 2). Fewer than
/// five are deployments. The time since the last jump must be no longer than chance leaves after so many (5 %), and the later
/// half must hold a quarter of the growth: what fills up, jumps early and then rests.
pub(super) fn climbs(u: &[f64], level: &[f64]) -> f64 {
    const LEAST: usize = 5;
    const MOST: usize = 12;
    /// Fewer blocks show no rhythm of jumps and rests.
    const BLOCKS: usize = 24;
    /// Standard deviations of a difference beyond which it is a jump: once in two million by chance.
    const JUMP: f64 = 5.0;
    const CHANCE: f64 = 0.05;
    const LATE: f64 = 0.25;
    let d: Vec<f64> = level.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
    if d.len() < BLOCKS {
        return 0.0;
    }
    let noise = (spread(&d) / std::f64::consts::SQRT_2).max(1e-9);
    let three = |i: usize| median(&mut level.get(i..i + 3).unwrap_or(&[]).to_vec());
    let steps: Vec<f64> = (3..level.len() - 2).map(|i| three(i) - three(i - 3)).collect();
    // Where a change is larger than any within three blocks.
    let mut jumps: Vec<(f64, f64)> = Vec::new();
    for (i, s) in steps.iter().enumerate().filter(|(_, s)| s.abs() > JUMP * noise) {
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
    if chance < CHANCE || late < LATE * whole {
        return 0.0;
    }
    2.0 * std::f64::consts::LN_2 * (up - down).min(MOST) as f64
}

/// Growth that is still going on at the end of the run: the last third (after the onset) rises, at no less than a third of
/// the slope of what came before it. Curves that end bend far below that by then; a leak's rate does not halve twice.
pub(super) fn persists(u: &[f64], y: &[f64], j: &Judgement) -> bool {
    /// Rank correlation with time of eight values that chance orders so once in sixty times (the next lower step, 0.57, comes
    /// once in thirty).
    const RISING: f64 = 0.6;
    /// The same of a run too short for eighths: of all its points, which chance orders so once in five hundred or less.
    const FEW_RISING: f64 = 0.7;
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
        return whole > 0.0 && kendall(&wy) >= FEW_RISING;
    }
    // Successive eighths of the growth rise in nearly every pair; a wandering series does not keep that up.
    let eighths: Vec<f64> = (0..8)
        .filter_map(|i| {
            let w = (1.0 - from) / 8.0;
            let (_, mut part) = cut(from + f64::from(i) * w, from + f64::from(i + 1) * w);
            (!part.is_empty()).then(|| median(&mut part))
        })
        .collect();
    whole > 0.0 && last > whole / 3.0 && kendall(&eighths) >= RISING
}
