//! Right-sizing from a recorded series: requests and limits by several policies, the series replayed against each limit.
//!
//! The default policy gives each series the margin that its own behaviour asks for: a steady one needs little, one whose
//! peaks stand far above its usual level, whose load varies or whose level wanders needs more. A leak has no right size:
//! for it there is only what a larger limit would buy in time (`Trend::what_if`).

pub mod policies;

use super::trend::{Ended, History};
use crate::model::trend::{PolicySize, Replay, Sizing, Trend, TrendVerdict, WorkloadKind};
use policies::{Policy, Record, size};

/// What the user chose.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Choice {
    pub policy: Policy,
    /// Price of one GiB of requested memory for a month, in the user's own currency.
    pub price: Option<f64>,
}

/// How many of the recorded out-of-memory kills another limit would have left: a run that was cut off at its old limit
/// shows only that it wanted more, so what it wanted is at least that limit and the climb that a scrape had missed.
/// A leak goes on by its own slope for as long as the next run lasted before it counts as saved.
pub fn replay(h: &History, slopes: &[Option<f64>], leak: bool, limit: f64) -> Replay {
    let kills = h.runs.iter().filter(|r| r.ended == Ended::Oom).count();
    Replay { limit_bytes: limit, kills, kills_remaining: wanted(h, slopes, leak).filter(|w| *w >= limit).count() }
}

/// What each killed life wanted at least.
fn wanted(h: &History, slopes: &[Option<f64>], leak: bool) -> impl Iterator<Item = f64> {
    h.runs.iter().enumerate().filter(|(_, r)| r.ended == Ended::Oom).map(move |(i, r)| {
        let peak = r.memory.v.iter().copied().fold(0.0, f64::max).max(h.limit.unwrap_or(0.0));
        let tail = r.memory.v.get(r.memory.v.len().saturating_sub(2)..).unwrap_or(&[]);
        let climb = if let [a, b] = tail { (b - a).max(0.0) } else { 0.0 };
        let slope = slopes.get(i).copied().flatten().unwrap_or(0.0).max(0.0);
        let next = h.runs.get(i + 1).map_or(0.0, |n| n.memory.span());
        peak + if leak { slope * next } else { climb }
    })
}

/// Rounds up to what one would write in a manifest: 16 MiB steps, from 1 GiB on 64 MiB.
fn tidy(bytes: f64) -> f64 {
    let step = if bytes >= (1u64 << 30) as f64 { (64u64 << 20) as f64 } else { (16u64 << 20) as f64 };
    (bytes / step).ceil() * step
}

/// Fills in the recommendations of a trend by the chosen policy, and what the others would say; `record` is all its samples.
pub fn recommend(
    h: &History,
    record: &Record,
    slopes: &[Option<f64>],
    kind: (WorkloadKind, &'static str),
    choice: Choice,
    trend: &mut Trend,
) {
    let leak = trend.verdict == TrendVerdict::Leak;
    if leak {
        let goes_on = !trend.oom_times.is_empty() && trend.ceased.is_none();
        trend.replay = h.limit.filter(|_| goes_on).map(|l| replay(h, slopes, true, 2.0 * l));
        return;
    }
    // A page-cache charge needs room for what is not cache; the cache itself takes whatever is left.
    let kept = |f: fn(&super::trend::Run) -> Option<&super::blocks::Samples>| {
        let (mut t, mut v) = (Vec::new(), Vec::new());
        for s in h.runs.iter().filter_map(f) {
            t.extend_from_slice(&s.t);
            v.extend_from_slice(&s.v);
        }
        Record::new(t, v)
    };
    let anonymous = trend.cache_growth.then(|| kept(|r| r.anonymous.as_ref())).filter(|a| a.len() * 2 > record.len());
    let killed_at = h.limit.filter(|_| !trend.oom_times.is_empty());
    let sized = |policy: Policy| -> Option<PolicySize> {
        let mut s = size(policy, kind.0, record, killed_at)?;
        if let Some(own) = anonymous.as_ref().and_then(|a| size(policy, kind.0, a, killed_at)) {
            s.request = own.request;
        }
        let limit = tidy(s.limit);
        let replay = replay(h, slopes, false, limit);
        Some(PolicySize {
            policy: policy.name(),
            words: policy.words(),
            limit_bytes: limit,
            request_bytes: tidy(s.request).min(limit),
            kills: replay.kills,
            kills_remaining: replay.kills_remaining,
            share_above: record.above(limit),
        })
    };
    let Some(own) = sized(choice.policy) else { return };
    trend.recommended_request_bytes = Some(own.request_bytes);
    // Too few samples tell what is usual, not what is most.
    if trend.verdict == TrendVerdict::InsufficientData {
        return;
    }
    trend.recommended_limit_bytes = Some(own.limit_bytes);
    trend.replay =
        (own.kills > 0).then_some(Replay { limit_bytes: own.limit_bytes, kills: own.kills, kills_remaining: own.kills_remaining });
    let gib = (1u64 << 30) as f64;
    let cost = |bytes: f64| choice.price.map(|p| p * bytes / gib);
    trend.sizing = Some(Sizing {
        kind: kind.0,
        kind_from: kind.1,
        policy: choice.policy.name(),
        policies: Policy::ALL.into_iter().filter_map(|p| if p == choice.policy { Some(own) } else { sized(p) }).collect(),
        price_per_gib_month: choice.price,
        month_now: trend.request_bytes.or(trend.limit_bytes).and_then(cost),
        month_then: cost(own.request_bytes),
        ..Sizing::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::blocks::Samples;
    use crate::series::trend::Run;

    fn run(values: &[f64], ended: Ended) -> Run {
        let t = (0..values.len()).map(|i| i as f64 * 60.0).collect();
        Run { memory: Samples { t, v: values.to_vec() }, anonymous: None, derived: false, ended }
    }

    #[test]
    fn a_higher_limit_saves_peaks_but_not_leaks() {
        let h = History {
            runs: vec![run(&[1.0, 2.0, 3.0], Ended::Oom), run(&[1.0, 2.0, 3.0], Ended::Open)],
            load: None,
            limit: Some(3.0),
            origin: None,
        };
        let slopes = [Some(1.0 / 60.0), None];
        assert_eq!(replay(&h, &slopes, false, 4.1).kills_remaining, 0);
        assert_eq!(replay(&h, &slopes, false, 3.5).kills_remaining, 1, "the climb under way would have gone on");
        assert_eq!(replay(&h, &slopes, true, 4.0).kills_remaining, 1);
    }
}
