//! Where one run of a container or service ends and the next begins, and which of these ends were out-of-memory kills.

use super::roles::{Group, Role};
use super::stamp;
use crate::correlate::histories::{Boundary, Joined, increases};
use crate::model::kill::Kill;
use crate::model::oom::KillKind;
use crate::model::series::{NO_TIME, Series, SeriesKind};
use crate::model::{Incident, Index, Owner, Timestamp};

/// A run ended after its last sample, at latest when the next began: half a step after the last sample is the best guess,
/// unless a restart counter that rose within a few steps narrows it further.
pub(super) fn boundary_time(b: &Boundary, step: i64) -> Timestamp {
    let guess = b.last + (step / 2).min((b.first - b.last) / 2).max(0);
    let narrowed = b.counted.map(|(t0, t1)| (t0.max(b.last), t1.min(b.first.max(t0)))).filter(|&(a, z)| a <= z && z - b.last <= 12 * step);
    stamp(narrowed.map_or(guess, |(a, z)| a + (z - a) / 2))
}

/// A process that gives back more than half of its memory between two samples has begun anew: collectors return pages to the
/// system slowly, over minutes (Go's scavenger 1 % of its time).
const FALL: f64 = 0.5;

/// A start takes about as much each time.
const BACK: f64 = 0.25;

/// The last scrape before a kill is on average half a step early; 7 % of the limit covers a fast climb.
const AT_LIMIT: f64 = 0.93;

/// Where one run ends and the next begins: by incarnation id, restart counter, start time, or a kill that other evidence saw.
pub(super) fn boundaries(incident: &Index<'_>, group: &Group, joined: &Joined, step: i64, owner: &Owner) -> Vec<Boundary> {
    let at = |i: usize| joined.times.get(i).copied();
    let mut found: Vec<Boundary> =
        joined.changes.iter().filter_map(|&i| Some(Boundary { last: at(i.checked_sub(1)?)?, first: at(i)?, counted: None })).collect();
    let slack = (3 * step).max(30_000);
    let within = |found: &[Boundary], a: i64, b: i64, slack: i64| found.iter().any(|k| a <= k.first + slack && b >= k.last - slack);
    let known = |found: &[Boundary], a: i64, b: i64| within(found, a, b, slack);
    // The sample within [a, b] before which memory fell most is the first of the new run.
    let place = |a: i64, b: i64, beside: i64| -> Option<Boundary> {
        let from = joined.times.partition_point(|&t| t < a - beside).max(1);
        let to = joined.times.partition_point(|&t| t <= b + beside);
        let fall = |i: usize| joined.values.get(i - 1).zip(joined.values.get(i)).map_or(0.0, |(x, y)| x - y);
        let i = (from..to).max_by(|&x, &y| fall(x).total_cmp(&fall(y)).then(y.cmp(&x)))?;
        Some(Boundary { last: at(i - 1)?, first: at(i)?, counted: None })
    };
    let (start, end) = (at(0).unwrap_or(0), at(joined.times.len().saturating_sub(1)).unwrap_or(0));
    // Restart counters and start times count for sure; a program's own counters begin anew with it.
    let mut counted: Vec<(i64, i64)> = Vec::new();
    for s in group.series(incident, Role::Restarts) {
        counted.extend(increases(s).into_iter().map(|(a, b, _)| (a, b)));
    }
    let mut hinted: Vec<(i64, i64)> = Vec::new();
    for s in group.series(incident, Role::Started) {
        // Seconds; the value is the moment itself.
        let mut before = None;
        for (t, v) in s.finite().filter(|(t, _)| *t != NO_TIME) {
            if before.is_some_and(|(_, old)| v > old + 0.5) {
                let ms = (v * 1000.0) as i64;
                hinted.push((before.map_or(ms, |(t0, _)| t0).min(ms), t));
            }
            before = Some((t, v));
        }
    }
    if counted.is_empty() && found.is_empty() {
        for s in group.series(incident, Role::Load).into_iter().filter(|s| s.kind == SeriesKind::Counter) {
            let mut before: Option<(i64, f64)> = None;
            for (t, v) in s.finite().filter(|(t, _)| *t != NO_TIME) {
                if let Some((t0, _)) = before.filter(|(_, v0)| v < *v0) {
                    hinted.push((t0, t));
                }
                before = Some((t, v));
            }
        }
    }
    counted.sort_unstable();
    counted.dedup();
    hinted.sort_unstable();
    for (list, sure) in [(counted, true), (hinted, false)] {
        for (i, &(a, b)) in list.iter().enumerate().filter(|(_, (a, b))| *b > start && *a < end) {
            // A crash loop's rises lie a few steps apart: each has a boundary of its own, so none may take its neighbour's.
            let apart = [i.checked_sub(1).and_then(|j| list.get(j)), list.get(i + 1)].into_iter().flatten();
            let own = apart.map(|&(x, y)| (x.max(a) - y.min(b)).max(0) / 2).min().unwrap_or(slack);
            if !within(&found, a, b, slack.min(own))
                && let Some(p) = place(a, b, step.min(own))
            {
                found.push(p);
            }
            // The nearest boundary is the one that was counted.
            let near = |k: &Boundary| (k.first - b).abs().min((k.last - a).abs());
            if let Some(k) = found.iter_mut().filter(|_| sure).min_by_key(|k| near(k)).filter(|k| near(k) <= slack.max(600_000)) {
                k.counted.get_or_insert((a, b));
            }
        }
    }
    // Kills seen elsewhere matter only where the series itself falls there.
    for k in &incident.kills {
        let Some(t) = k.at.and_then(|w| w.mid()).map(|t| t.0 / 1_000_000) else { continue };
        // A child's death frees its memory as a restart would.
        if ended_here(k, owner)
            && t > start
            && t < end
            && !known(&found, t - slack, t + slack)
            && let Some(p) = place(t - slack, t + slack, step)
        {
            let at = joined.times.partition_point(|&x| x < p.first);
            let fell = joined.values.get(at.wrapping_sub(1)).zip(joined.values.get(at)).is_some_and(|(x, y)| *y < 0.8 * x);
            if fell {
                found.push(p);
            }
        }
    }
    // Nothing counts the restarts of a node's service but its own memory, which begins low again.
    if owner.pod.is_none() && found.is_empty() {
        let falls = joined.values.windows(2).enumerate().filter(|(_, w)| matches!(w, [x, y] if *y < FALL * x));
        found.extend(falls.filter_map(|(i, _)| Some(Boundary { last: at(i)?, first: at(i + 1)?, counted: None })));
    }
    if found.is_empty() && uncounted(incident, group, owner) {
        found.extend(to_the_start(joined));
    }
    if owner.pod.is_some() {
        let mut falls = from_the_limit(incident, group, joined, owner);
        falls.retain(|b| !known(&found, b.last, b.first));
        if let Some(n) = restarts(incident, owner) {
            falls.truncate(n.saturating_sub(found.len()));
        }
        found.extend(falls);
    }
    found.sort_unstable_by_key(|b| (b.first, b.last));
    found.dedup_by_key(|b| b.first);
    found
}

/// Nothing in the input could tell of this container's restarts: no counter, no start time, no status, and no limit to fall from.
pub(super) fn uncounted(incident: &Index<'_>, group: &Group, owner: &Owner) -> bool {
    let told = [Role::Restarts, Role::Started, Role::Reason, Role::Limit].iter().any(|r| group.roles.contains_key(r));
    let known = incident.pods_of(owner).next().is_some() || incident.kills_of(owner).next().is_some();
    !told && !known && owner.pod.is_some() && group.roles.contains_key(&Role::WorkingSet)
}

/// A life of fewer samples shows no growth of its own.
const LIFE_SAMPLES: usize = 60;

/// Falls to less than half between two samples and back to where the series began, each after a life of its own: a program's
/// batches fall as far, but one begins where the last ended within minutes.
fn to_the_start(joined: &Joined) -> Vec<Boundary> {
    let begin = joined.values.first().copied().unwrap_or(0.0);
    let falls: Vec<usize> = (1..joined.values.len())
        .filter(|&i| {
            let pair = joined.values.get(i - 1).zip(joined.values.get(i));
            pair.is_some_and(|(x, y)| *y < FALL * x && (*y - begin).abs() <= BACK * begin)
        })
        .collect();
    let edges = std::iter::once(0).chain(falls.iter().copied()).chain([joined.values.len()]);
    let lives: Vec<usize> = edges.clone().zip(edges.skip(1)).map(|(a, z)| z - a).collect();
    // The last life may have just begun.
    if lives.split_last().is_none_or(|(_, ended)| ended.iter().any(|n| *n < LIFE_SAMPLES)) {
        return Vec::new();
    }
    falls
        .into_iter()
        .filter_map(|i| Some(Boundary { last: *joined.times.get(i - 1)?, first: *joined.times.get(i)?, counted: None }))
        .collect()
}

/// How often the container restarted in all, as its own status says.
fn restarts(incident: &Index<'_>, owner: &Owner) -> Option<usize> {
    let pods = incident.pods_of(owner).flat_map(|p| &p.what.containers);
    let counts = pods.filter(|c| Some(c.name.as_str()) == owner.container.as_deref()).filter_map(|c| c.restart_count);
    counts.max().and_then(|n| usize::try_from(n).ok())
}

/// Falls from the limit to a small part of it within a step or two, deepest first: a collector knows nothing of the
/// container's limit, so what turns back just there was killed there. Where a restart counter runs beside the series it knows
/// better. Memory that is file cache in part may be dropped at the limit: only what leaves cache out counts.
fn from_the_limit(incident: &Index<'_>, group: &Group, joined: &Joined, owner: &Owner) -> Vec<Boundary> {
    let counted = group.roles.contains_key(&Role::Restarts) || group.roles.contains_key(&Role::Started);
    if counted || !(group.roles.contains_key(&Role::WorkingSet) || group.roles.contains_key(&Role::Rss)) {
        return Vec::new();
    }
    let mut out: Vec<(f64, Boundary)> = Vec::new();
    for i in 1..joined.values.len() {
        let (Some(&x), Some(&y)) = (joined.values.get(i - 1), joined.values.get(i)) else { continue };
        let (Some(&last), Some(&first)) = (joined.times.get(i - 1), joined.times.get(i)) else { continue };
        // A scrape in the middle of the fall makes it two steps.
        let low = joined.values.get(i + 1).map_or(y, |z| y.min(*z));
        // Falls are few, and a limit is looked for among all pods.
        if y >= 0.8 * x || low >= FALL * x {
            continue;
        }
        let limit = limit_at(incident, group, last).or_else(|| super::parts::spec(incident, owner, true));
        if limit.is_some_and(|l| reached(joined, i, l)) {
            out.push((x - low, Boundary { last, first, counted: None }));
        }
    }
    out.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.first.cmp(&b.1.first)));
    out.into_iter().map(|(_, b)| b).collect()
}

/// The samples before the `end`th stood at the limit, or would have with one more step of their climb.
fn reached(joined: &Joined, end: usize, limit: f64) -> bool {
    let before = joined.values.get(end.saturating_sub(3)..end).unwrap_or(&[]);
    let peak = before.iter().copied().fold(0.0, f64::max);
    let climb = before.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).fold(0.0, f64::max);
    peak >= AT_LIMIT * limit || (peak >= 0.75 * limit && peak + climb >= limit)
}

/// The limit that series state for a moment: the latest value that stood then.
pub(super) fn limit_at(incident: &Incident, group: &Group, ms: i64) -> Option<f64> {
    let states = |v: f64| v.is_finite() && v > 0.0 && v < 9e18;
    let set = |s: &Series| {
        let upto = s.times.partition_point(|t| *t <= ms);
        let i = s.values.get(..upto)?.iter().rposition(|v| states(*v))?;
        Some((*s.times.get(i)?, *s.values.get(i)?))
    };
    let first = |s: &Series| s.finite().find(|(_, v)| states(*v));
    let stated = group.series(incident, Role::Limit);
    let before = stated.iter().filter_map(|s| set(s)).max_by_key(|(t, _)| *t);
    before.or_else(|| stated.iter().filter_map(|s| first(s)).min_by_key(|(t, _)| *t)).map(|(_, v)| v)
}

/// Whether a kill ended what the series measures: a container, or a node service in its own cgroup.
pub(super) fn ended_here(k: &Kill, owner: &Owner) -> bool {
    let service = || owner.pod.is_none() && k.kind == KillKind::MemcgService && k.owner.node == owner.node;
    k.owner.same_container(owner) || (service() && k.victims.iter().any(|v| v.comm == owner.container))
}

/// The metric that states out-of-memory kills of this container, if one does.
pub(super) fn stated_by(incident: &Incident, group: &Group) -> Option<&'static str> {
    let rose = |s: &&Series| !increases(s).is_empty();
    let oom = |s: &&Series| s.label("reason") == Some("OOMKilled") && s.finite().any(|(_, v)| v > 0.0);
    if group.series(incident, Role::OomEvents).iter().any(rose) {
        Some("container_oom_events_total")
    } else if group.series(incident, Role::Reason).iter().any(oom) {
        Some("kube_pod_container_status_last_terminated_reason")
    } else {
        None
    }
}

/// Which boundaries were out-of-memory kills: by the recorded reason, the OOM counter, a kill that other evidence saw, or
/// (where none of these exists) by ending at the limit.
pub(super) fn oom_flags(
    incident: &Index<'_>,
    group: &Group,
    boundaries: &[Boundary],
    joined: &Joined,
    limit: Option<f64>,
    step: i64,
    owner: &Owner,
) -> Vec<bool> {
    let reasons = group.series(incident, Role::Reason);
    let events: Vec<(i64, i64, f64)> = group.series(incident, Role::OomEvents).into_iter().flat_map(increases).collect();
    let slack = (3 * step).max(60_000);
    // A service of the node has no pod to be found by.
    let endings: Vec<&Kill> = match owner.pod {
        Some(_) => incident.kills_of(owner).filter(|k| ended_here(k, owner)).collect(),
        None => incident.kills.iter().filter(|k| ended_here(k, owner)).collect(),
    };
    boundaries
        .iter()
        .enumerate()
        .map(|(i, b)| {
            let next = boundaries.get(i + 1).map_or(i64::MAX, |n| n.last);
            if events.iter().any(|&(a, z, _)| a <= b.first + slack && z >= b.last - slack && z < next) {
                return true;
            }
            let mid = boundary_time(b, step).0 / 1_000_000;
            let seen = endings.iter().any(|k| {
                k.kind.is_memory()
                    && k.kind != KillKind::RuntimeAbort
                    && k.at.and_then(|w| w.mid()).is_some_and(|t| (t.0 / 1_000_000 - mid).abs() <= slack)
            });
            if seen {
                return true;
            }
            // The reason is a state that holds from this ending to the next.
            let mut oom = None;
            for s in &reasons {
                let reason = s.label("reason").unwrap_or("");
                let says = s.finite().any(|(t, v)| v > 0.0 && t > b.last && t <= next.saturating_add(step) && t >= b.first - slack);
                if says {
                    oom = Some(oom == Some(true) || reason == "OOMKilled");
                }
            }
            oom.unwrap_or_else(|| {
                // The limit of that moment, which may have been changed since.
                let end = joined.times.partition_point(|&t| t <= b.last);
                limit_at(incident, group, b.last).or(limit).is_some_and(|l| reached(joined, end, l))
            })
        })
        .collect()
}
