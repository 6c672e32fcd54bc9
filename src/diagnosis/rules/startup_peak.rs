//! Claims: start-up needs more than the limit. Mechanism: an init container, or a process that loads its data first, peaks
//! before it serves; every attempt dies after about the same short life. Refuted by: lives of hours.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::quantity::{human_seconds, times};
use crate::model::time::SECOND;
use crate::model::trend::{Ended, Run, Trend, TrendVerdict};

/// A life shorter than this is a start: what has run for longer than a few minutes has loaded its data and serves.
const START_SECONDS: f64 = 180.0;

/// Starts that failed one after another before a loop is no chance.
const LOOP: u64 = 3;

/// A load that reached this many times its usual level may be what ends the lives.
const LOAD_ROSE: f64 = 1.4;

/// Replaying a log or loading a cache may take this long; what ends later has served in between.
const LOADING_SECONDS: f64 = 1200.0;

/// Longest pause of the kubelet between two starts of a container that keeps ending (`MaxContainerBackOff`, 5 min).
const BACK_OFF_SECONDS: f64 = 300.0;

pub struct StartupPeak;

impl Rule for StartupPeak {
    fn id(&self) -> &'static str {
        "startup-peak"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        if case.limit_kills().count() == 0 {
            return;
        }
        let lives: Vec<f64> = case
            .kills
            .iter()
            .filter_map(|k| Some(k.moment()?.0.saturating_sub(k.started?.0) as f64 / SECOND as f64))
            .filter(|l| *l >= 0.0)
            .collect();
        let cites = case.kill_cites(3);
        if case.is_init() {
            let lived = lives.last().map_or(String::new(), |l| format!(" {} after its start", human_seconds(*l)));
            let says = format!(
                "init container {} was killed {}{lived}; the main containers have not run",
                case.owner.container.as_deref().unwrap_or("?"),
                times(case.kills.len() as u64)
            );
            // Hours at work before the main containers may begin are no start-up's shape.
            let long = lives.iter().any(|l| *l > 10.0 * START_SECONDS);
            let strength = if long { Strength::Strong } else { Strength::Conclusive };
            out.supports(Cause::StartupPeak, strength, "Kubernetes", cites.clone(), says.clone());
            for cause in [Cause::HeapLeak, Cause::LimitBelowNeed] {
                out.contradicts(cause, Strength::Moderate, "Kubernetes", cites.clone(), says.clone());
            }
            return;
        }
        let lives = lives_of(case);
        let seconds = |l: &(i64, i64)| l.1.saturating_sub(l.0) as f64 / SECOND as f64;
        let (Some(longest), child) =
            (lives.iter().map(seconds).reduce(f64::max), case.kills.iter().any(|k| k.kind == KillKind::ChildProcess))
        else {
            return;
        };
        let loops = || crash_loop(case, &lives).or_else(|| lately_short(&lives));
        if let Some(says) = loops().filter(|_| longest > START_SECONDS && !child) {
            // A burst of load ends every life soon after its start as well: where one is seen it explains them, and without
            // one the shortness alone is no proof.
            let burst = |t: &Trend| {
                t.load_factor.is_some_and(|f| f >= LOAD_ROSE) || t.load_rose.is_some() || t.verdict == TrendVerdict::LoadFollowing
            };
            if case.headline().is_some_and(burst) {
                return;
            }
            out.supports(Cause::StartupPeak, Strength::Moderate, "Kubernetes", cites.clone(), says.clone());
            for cause in [Cause::HeapLeak, Cause::LimitBelowNeed] {
                out.contradicts(cause, Strength::Moderate, "Kubernetes", cites.clone(), says.clone());
            }
        } else if longest <= START_SECONDS && !child {
            let says = format!("every known life ended within {} of its start", human_seconds(longest));
            out.supports(Cause::StartupPeak, Strength::Moderate, "Kubernetes", cites.clone(), says.clone());
            out.contradicts(Cause::HeapLeak, Strength::Moderate, "Kubernetes", cites, says);
        } else if longest > 10.0 * START_SECONDS {
            out.contradicts(
                Cause::StartupPeak,
                Strength::Strong,
                "Kubernetes",
                cites,
                format!("it lived {} before it was killed", human_seconds(longest)),
            );
        }
    }
}

/// The first life, where every ending was seen: it began with the pod.
fn first_life(case: &Case<'_>) -> Option<(i64, i64)> {
    let restarts = case.container?.restart_count?;
    let (first, began) = (*case.kill_times().first()?, case.pod?.what.start_time?);
    (case.kills.len() as u64 >= restarts && first >= began).then_some((began.0, first.0))
}

/// Every life that something shows the end of, from start to end, merged where two witnesses tell of one. The status tells
/// the last life only, a series how long the earlier ones were; what ran before the pod was made was another's.
fn lives_of(case: &Case<'_>) -> Vec<(i64, i64)> {
    let told = case.kills.iter().filter_map(|k| Some((k.started?.0, k.at?.mid()?.0)));
    // What a series shows before the last start has ended, whether or not a sample saw it end.
    let last_start = case.kills.last().and_then(|k| k.started);
    let over = |r: &&Run| r.ended != Ended::Open || last_start.is_some_and(|s| r.end <= s);
    let seen = case.headline().into_iter().flat_map(|t| &t.runs).filter(over).map(|r| (r.start.0, r.end.0));
    let made = case.pod.and_then(|p| p.what.start_time).map_or(i64::MIN, |t| t.0);
    let mut all: Vec<(i64, i64)> =
        told.chain(first_life(case)).chain(seen).map(|(a, b)| (a.max(made), b)).filter(|(a, b)| a <= b).collect();
    all.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::with_capacity(all.len());
    for (start, end) in all {
        match out.last_mut().filter(|l| start < l.1) {
            Some(l) => l.1 = l.1.max(end),
            None => out.push((start, end)),
        }
    }
    out
}

/// A container that ran once and does not start any more. Of a loop's lives only the last is on record; how often it
/// restarted beside its long lives, and in how much time, bounds the mean of the others.
fn crash_loop(case: &Case<'_>, lives: &[(i64, i64)]) -> Option<String> {
    let last = case.kills.last()?;
    let (ended, began) = (last.moment()?.0, last.started?.0);
    let seconds = |ns: i64| ns as f64 / SECOND as f64;
    let latest = seconds(ended.saturating_sub(began));
    let long: Vec<f64> = lives.iter().map(|(a, b)| seconds(b.saturating_sub(*a))).filter(|l| *l > START_SECONDS).collect();
    let otherwise = (long.len() + case.others.len()) as u64;
    let loops = case.container?.restart_count?.saturating_sub(otherwise);
    let alive = seconds(ended.saturating_sub(case.pod?.what.start_time?.0)) - long.iter().sum::<f64>();
    let cycle = alive / loops as f64;
    (loops >= LOOP && alive > 0.0 && (0.0..=START_SECONDS).contains(&latest) && cycle <= START_SECONDS + BACK_OFF_SECONDS).then(|| {
        format!(
            "{loops} restarts beside its long lives, one every {} with the kubelet's pauses; the latest ended {} after its start",
            human_seconds(cycle),
            human_seconds(latest)
        )
    })
}

/// The lives after the last long one, where there are at least [`LOOP`] of them and each lasted less than a tenth of it: it
/// served for hours and now ends in what every start does (a log to replay, a cache to load).
fn lately_short(lives: &[(i64, i64)]) -> Option<String> {
    let seconds = |l: &(i64, i64)| l.1.saturating_sub(l.0) as f64 / SECOND as f64;
    let longest = lives.iter().map(seconds).fold(0.0, f64::max);
    let short = |l: &&(i64, i64)| seconds(l) < longest / 10.0 && seconds(l) <= LOADING_SECONDS;
    let recent: Vec<f64> = lives.iter().rev().take_while(short).map(seconds).collect();
    let most = recent.iter().copied().fold(0.0, f64::max);
    (recent.len() as u64 >= LOOP).then(|| {
        format!(
            "it lived {} once, and each of the {} lives since ended within {} of its start",
            human_seconds(longest),
            recent.len(),
            human_seconds(most)
        )
    })
}
