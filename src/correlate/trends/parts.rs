//! What the headline series is made of and what stands beside it: anonymous memory, cache, limits, load, companions.

use super::roles::{Group, Role, adds_up, area};
use super::runs::ended_here;
use crate::correlate::histories::{Joined, join, rate};
use crate::model::quantity::human;
use crate::model::series::{NO_TIME, Series, SeriesKind, WORKING_SET};
use crate::model::trend::{Companion, Trend};
use crate::model::{Incident, Index, Owner};
use crate::series::blocks::{Blocks, Samples};
use crate::series::stats::{median, theil_sen};
use crate::series::trend::{History, Run};
use std::collections::BTreeMap;

/// What the kernel cannot take back: RSS where exported, else the working set less the cache that it holds.
/// The flag says that it is a difference.
pub(super) fn anonymous(incident: &Incident, group: &Group, main: Role, joined: &Joined) -> (Option<Joined>, bool) {
    if main != Role::WorkingSet {
        return (None, false);
    }
    let rss = join(&group.series(incident, Role::Rss));
    if rss.times.len() * 2 >= joined.times.len() {
        return (Some(rss), false);
    }
    let cache = join(&group.series(incident, Role::Cache));
    if cache.times.len() * 2 < joined.times.len() {
        return (None, false);
    }
    let mut out = Joined::default();
    let mut i = 0;
    for (&t, &v) in joined.times.iter().zip(&joined.values) {
        while cache.times.get(i + 1).is_some_and(|&c| c <= t) {
            i += 1;
        }
        if cache.times.get(i).is_some_and(|&c| (c - t).abs() <= 60_000)
            && let Some(c) = cache.values.get(i)
        {
            out.times.push(t);
            out.values.push((v - c).max(0.0));
        }
    }
    (Some(out), true)
}

/// The working set grows by what is neither anonymous memory nor cache: kernel memory, which no reclaim of files gives back.
pub(super) fn grows_in_the_kernel(incident: &Incident, group: &Group, joined: &Joined, runs: &[Run], start: i64) -> bool {
    let slope = |j: &Joined| level_and_slope(j, runs, start).2;
    let (rss, cache) = (join(&group.series(incident, Role::Rss)), join(&group.series(incident, Role::Cache)));
    match (slope(joined), slope(&rss), slope(&cache)) {
        (Some(all), Some(rss), Some(cache)) => all > 0.0 && rss + cache < 0.5 * all,
        _ => false,
    }
}

/// Limit or request from the pod's own description.
pub(super) fn spec(incident: &Index<'_>, owner: &Owner, limit: bool) -> Option<f64> {
    if owner.pod.is_none() {
        // A service's limit shows nowhere but in the kernel's report.
        return incident.kills.iter().rev().find(|k| limit && ended_here(k, owner)).and_then(|k| k.limit_bytes).map(|b| b as f64);
    }
    // The latest description stands last.
    let pods = incident.pods_of(owner).rev();
    pods.flat_map(|p| &p.what.containers)
        .filter(|c| owner.container.as_deref() == Some(c.name.as_str()))
        .find_map(|c| if limit { c.limits.memory_bytes } else { c.requests.memory_bytes })
        .map(|b| b as f64)
}

pub(super) fn load(incident: &Incident, group: &Group, origin: i64, step: i64) -> Option<Samples> {
    let list = group.series(incident, Role::Load);
    let gauges: Vec<&Series> = list.iter().copied().filter(|s| s.kind != SeriesKind::Counter).collect();
    if let Some(s) = gauges.iter().max_by_key(|s| s.times.len()) {
        let (t, v) = s.finite().filter(|(t, _)| *t != NO_TIME).map(|(t, v)| ((t - origin) as f64 / 1000.0, v)).unzip();
        return Some(Samples { t, v });
    }
    // One family of counters: several families count the same requests at several places.
    let mut families: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for s in list {
        families.entry(s.metric.as_str()).or_default().push(s);
    }
    let best = families.into_values().max_by(|a, b| {
        let n = |l: &[&Series]| l.iter().map(|s| s.times.len()).sum::<usize>();
        n(a).cmp(&n(b))
    })?;
    rate(&best, step.max(15_000), origin)
}

/// Last tenth of a load over its first, where no tenth between stands clearly higher: then it has not come down again.
pub(super) fn load_rise(load: &Samples) -> Option<f64> {
    let part = load.v.len() / 10;
    let means: Vec<f64> = load.v.chunks(part.max(1)).filter(|c| c.len() == part).map(|c| c.iter().sum::<f64>() / c.len() as f64).collect();
    let (first, last) = (*means.first()?, *means.last()?);
    let highest = means.iter().copied().fold(0.0, f64::max);
    (means.len() >= 10 && first > 0.0 && last >= 0.9 * highest).then(|| last / first)
}

/// Highest level of a load over its median from which on it has risen: an ordinary day swings by less.
const ROSE: f64 = 1.5;

/// Seconds at which a load that rose first passed the middle between its median and its highest level.
pub(super) fn load_rose(load: &Samples) -> Option<f64> {
    let highest = load.v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let usual = median(&mut load.v.clone());
    let middle = (usual + highest) / 2.0;
    if usual <= 0.0 || highest < ROSE * usual {
        return None;
    }
    load.t.iter().zip(&load.v).find(|(_, v)| **v > middle).map(|(t, _)| *t)
}

/// Level of the last twentieth, and the median over the runs of the lower envelope's slope per hour.
pub(super) fn level_and_slope(joined: &Joined, runs: &[Run], start: i64) -> (f64, f64, Option<f64>) {
    let n = joined.values.len();
    let part = (n / 20).max(1);
    let first = median(&mut joined.values.get(..part).unwrap_or(&[]).to_vec());
    let last = median(&mut joined.values.get(n.saturating_sub(part)..).unwrap_or(&[]).to_vec());
    let longest = runs.iter().map(|r| r.memory.span()).fold(0.0, f64::max);
    let mut slopes: Vec<f64> = runs
        .iter()
        .filter(|r| r.memory.span() >= 0.25 * longest)
        .filter_map(|r| {
            let (a, z) = (r.memory.t.first()?, r.memory.t.last()?);
            let s = joined.within(start + (a * 1000.0) as i64, start + (z * 1000.0) as i64, start);
            let b = Blocks::cut(&s, (s.span() / 48.0).max(2.0 * s.step()));
            theil_sen(&b.t, &b.low).map(|s| s * 3600.0)
        })
        .collect();
    (first, last, (!slopes.is_empty()).then(|| median(&mut slopes)))
}

/// A pool of new objects: it fills and empties whatever the heap as a whole does.
fn young(s: &Series) -> bool {
    let pool = s.label("id").or_else(|| s.label("pool")).or_else(|| s.label("jvm_memory_pool_name"));
    pool.is_some_and(|p| p.contains("Eden") || p.contains("Survivor"))
}

/// The highest of the values with which the runs end.
fn ends(joined: &Joined, runs: &[Run], start: i64) -> Option<f64> {
    let value = |r: &Run| {
        let (a, z) = (r.memory.t.first()?, r.memory.t.last()?);
        joined.within(start + (a * 1000.0) as i64, start + (z * 1000.0) as i64, start).v.last().copied()
    };
    runs.iter().filter_map(value).max_by(f64::total_cmp)
}

/// What the memory is made of, and what the runtime says of itself.
pub(super) fn decompose(incident: &Incident, group: &Group, h: &History, start: i64, end: i64, trend: &mut Trend) {
    let part = |role: Role| {
        let j = join(&group.series(incident, role));
        (!j.times.is_empty()).then(|| level_and_slope(&j, &h.runs, start))
    };
    if let Some((_, last, slope)) = part(Role::Rss) {
        trend.rss_bytes = Some(last);
        trend.rss_end_bytes = ends(&join(&group.series(incident, Role::Rss)), &h.runs, start);
        trend.rss_slope_bytes_per_hour = slope;
    }
    if let Some((_, last, slope)) = part(Role::Cache) {
        trend.cache_bytes = Some(last);
        trend.cache_slope_bytes_per_hour = slope;
    }
    if let Some((_, usage, _)) = part(Role::Usage)
        && trend.metric == WORKING_SET
    {
        let last = h.runs.last().map_or(&[][..], |r| &r.memory.v);
        let tail = last.len().saturating_sub((trend.samples / 20).max(1));
        let ws = median(&mut last.get(tail..).unwrap_or(&[]).to_vec());
        trend.inactive_file_bytes = Some((usage - ws).max(0.0)).filter(|v| v.is_finite());
    }
    // Several pools of one metric (JVM areas and ids) add up, by area.
    let mut families: BTreeMap<String, Vec<&Series>> = BTreeMap::new();
    let companions = group.series(incident, Role::Companion);
    let old_too = companions.iter().any(|s| area(s) == Some("heap") && !young(s));
    for s in companions {
        let name = match area(s) {
            // Where only the young spaces were exported the heap was not.
            Some(area) if young(s) && !old_too => format!("{}{{area=\"{area}\",young}}", s.metric),
            Some(area) => format!("{}{{area=\"{area}\"}}", s.metric),
            None => s.metric.clone(),
        };
        families.entry(name).or_default().push(s);
    }
    for (metric, list) in families {
        let joined = if list.iter().any(|s| adds_up(s)) { sum(&list) } else { join(&list) };
        let inside = joined.times.iter().filter(|&&t| t >= start && t <= end).count();
        if inside == 0 {
            continue;
        }
        let (first, last, slope) = level_and_slope(&joined, &h.runs, start);
        let unit = list.first().map_or("", |s| s.unit);
        let max = joined.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        trend.companions.push(Companion { metric, unit, first, last, slope_per_hour: slope, max });
    }
}

/// Which companions grow with a leak: what rises by a tenth over the window has moved past its noise.
pub(super) fn corroborate(trend: &mut Trend) {
    let Some(memory) = trend.slope.map(|s| s.mid).filter(|s| *s > 0.0) else { return };
    let hours = (trend.window.1.seconds_f64() - trend.window.0.seconds_f64()) / 3600.0;
    // Restarted series are compared within a run.
    let longest = trend.runs.iter().map(|r| r.end.seconds_f64() - r.start.seconds_f64()).fold(0.0, f64::max) / 3600.0;
    for c in &trend.companions {
        let Some(slope) = c.slope_per_hour.filter(|s| *s > 0.0 && s * hours.min(longest) > 0.1 * c.first.max(1.0)) else { continue };
        trend.corroborated_by.push(if c.unit == "bytes" {
            format!("{} grows {}/h, {:.0} % of the growth", c.metric, human(slope), 100.0 * slope / memory)
        } else {
            format!("{} rises by {slope:.1} an hour to {:.0}", c.metric, c.last)
        });
    }
}

/// Sum over parallel series at the times of the longest; each contributes its latest value.
pub(super) fn sum(list: &[&Series]) -> Joined {
    let Some(grid) = list.iter().max_by_key(|s| s.times.len()) else { return Joined::default() };
    let mut at = vec![0usize; list.len()];
    let mut out = Joined::default();
    for (&t, own) in grid.times.iter().zip(&grid.values) {
        if t == NO_TIME || !own.is_finite() {
            continue;
        }
        let mut total = 0.0;
        for (s, i) in list.iter().zip(&mut at) {
            while s.times.get(*i + 1).is_some_and(|&next| next <= t) {
                *i += 1;
            }
            if s.times.get(*i).is_some_and(|&x| (x - t).abs() <= 120_000) {
                total += s.values.get(*i).copied().filter(|v| v.is_finite() && *v >= 0.0).unwrap_or(0.0);
            }
        }
        out.times.push(t);
        out.values.push(total);
    }
    out
}
