//! A leak described: its slope with an interval, its form, where the present growth began.

use super::judged::{Judged, last_quarter, working_fit};
use super::{Ended, Found, History, Run};
use crate::model::trend::{Estimate, TrendForm, TrendVerdict};
use crate::series::shape::Curve;
use crate::series::stats::{mean, median, spread};

pub(super) fn leaking(h: &History, found: &mut Found, turned: bool) {
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
    let bent = growing.iter().filter(|j| matches!(working_fit(j).curve, Curve::Accelerating { .. } | Curve::Exponential { .. })).count();
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
        (Curve::Exponential { .. }, _) => TrendForm::Accelerating,
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

fn middle_of_three(v: &[f64]) -> f64 {
    let (low, high) = v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    v.iter().sum::<f64>() - low - high
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
    // Without batches everything is base.
    let base = |i: usize| j.base.as_ref().and_then(|b| b.get(i)).copied().unwrap_or(true);
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
    let middle = |i: usize| bare.get(i..i + 3).map_or(f64::NAN, middle_of_three);
    for i in first + 1..s.len() {
        let jump = i >= 3 && i + 3 <= s.len() && (middle(i) - middle(i - 3)).abs() > 5.0 * j.jitter;
        if jump || base(i) != base(i - 1) || !base(i) {
            close(from, i);
            from = i + usize::from(!base(i));
        }
    }
    close(from, s.len());
    let (a, b) = last_quarter(j);
    // Jumps included: a staircase has nothing else.
    let whole = (fit.trend(b.max(a)) - fit.trend(settled)) / (b.max(a) - settled).max(1.0);
    let (sxy, sxx) = pieces.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    // Four pieces make three jumps: fewer are not a habit.
    if pieces.len() < 4 || sxx <= 0.0 {
        return false;
    }
    let within = sxy / sxx;
    let error = pieces.iter().map(|p| (p.0 - within * p.1).powi(2)).sum::<f64>().sqrt() / sxx;
    whole > 0.0 && within < 0.4 * whole && whole - within > 3.0 * error
}
