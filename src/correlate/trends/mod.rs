//! Trends: one per container and metric, computed once from all its series, read by rules and report alike.
//!
//! Series are gathered by owner (namespace, pod, container), incarnations are joined across restarts, limits, requests,
//! restart counters, reasons and load are found beside them, and `series` judges. Nodes and their agents follow.

mod nodes;
mod parts;
mod roles;
mod rollouts;
mod runs;
mod sizes;

use super::histories::{Joined, join};
use crate::model::cgroup_path;
use crate::model::series::{Series, WORKING_SET};
use crate::model::trend::{Run as RunFact, Trend, TrendVerdict, WhatIf};
use crate::model::{Incident, Index, Owner, Timestamp};
use crate::series::shape::Curve;
use crate::series::sizing::Choice;
use crate::series::sizing::policies::Record;
use crate::series::trend::{Ended, Found, History, Run, analyse, working_fit};
use crate::series::{projection, sizing};
pub use rollouts::tie;

use nodes::{nodes, single};
use parts::{anonymous, decompose, grows_in_the_kernel, load, spec};
use rayon::prelude::*;
use roles::{Group, Role, is_companion, role};
use runs::{boundaries, boundary_time, oom_flags};
use std::collections::BTreeMap;

type Key = (Option<String>, Option<String>, Option<String>);

/// Computes every trend of the incident.
pub fn compute(incident: &mut Incident, choice: Choice) {
    // Names that a series states itself go before what a container id was joined to elsewhere.
    for p in &mut incident.series {
        let who = p.what.claim();
        if who.pod.is_some() && who.pod.as_deref() != p.owner.pod.as_deref() {
            let own = |s: Option<Box<str>>| s.map(String::from);
            let node = own(who.node).or_else(|| p.owner.node.take());
            p.owner = Owner { namespace: own(who.namespace), workload: None, pod: own(who.pod), container: own(who.container), node };
        }
    }
    let trends = {
        let incident = &Index::of(incident);
        let (containers, pods, agents) = gather(incident);
        let mut members: BTreeMap<(Option<String>, Option<String>), usize> = BTreeMap::new();
        for key in containers.keys() {
            *members.entry((key.0.clone(), key.1.clone())).or_default() += 1;
        }
        let mut trends: Vec<Trend> = containers
            .into_par_iter()
            .filter_map(|(key, mut group)| {
                if let Some(shared) = pods.get(&(key.0.clone(), key.1.clone())) {
                    for (role, list) in shared.roles.iter().filter(|(role, _)| !role.is_memory()) {
                        group.roles.entry(*role).or_insert_with(|| list.clone());
                    }
                }
                container(incident, &group, choice)
            })
            .collect();
        // The pod as a whole says more than its only container does where there are several, or none that is known.
        let whole: Vec<&Group> = pods.iter().filter(|(k, _)| members.get(*k) != Some(&1)).map(|(_, g)| g).collect();
        trends.extend(whole.into_par_iter().filter_map(|g| container(incident, g, choice)).collect::<Vec<_>>());
        trends.extend(agents.into_par_iter().filter_map(|(_, group)| single(incident, &group, choice)).collect::<Vec<_>>());
        trends.extend(nodes(incident));
        trends
    };
    incident.trends = trends;
}

type Gathered = (BTreeMap<Key, Group>, BTreeMap<(Option<String>, Option<String>), Group>, BTreeMap<(String, String), Group>);

fn gather(incident: &Incident) -> Gathered {
    let mut containers: BTreeMap<Key, Group> = BTreeMap::new();
    let mut pods: BTreeMap<(Option<String>, Option<String>), Group> = BTreeMap::new();
    let mut agents: BTreeMap<(String, String), Group> = BTreeMap::new();
    for (i, p) in incident.series.iter().enumerate() {
        let o = &p.owner;
        if o.pod.is_none() {
            // A node's own services are known by their scrape job, or by their cgroup in cAdvisor's root series.
            let service = p.what.label("id").and_then(cgroup_path::service);
            let (job, role) = match p.what.metric.as_str() {
                "process_resident_memory_bytes" => (Some(p.what.label("job").unwrap_or("")), Role::Rss),
                WORKING_SET => (service, Role::Rss),
                // What its runtime says of itself stands beside a service that is scraped by its job.
                m if is_companion(&p.what, m) => (p.what.label("job"), Role::Companion),
                _ => (None, Role::Rss),
            };
            if let Some(job) = job.map(str::to_owned) {
                let place = o.node.clone().or_else(|| p.what.label("instance").map(str::to_owned)).unwrap_or_default();
                agents.entry((place, job)).or_default().roles.entry(role).or_default().push(i);
            }
            continue;
        }
        let Some(role) = role(&p.what, incident.path(p.cite.span.artifact)) else { continue };
        match o.container.as_deref() {
            // The pause container and, without a name, the pod's own cgroup.
            Some("POD") => {}
            Some(_) => {
                let key = (o.namespace.clone(), o.pod.clone(), o.container.clone());
                let group = containers.entry(key).or_default();
                group.roles.entry(role).or_default().push(i);
                // What the heap may hold, and what it has taken: the log of its collections states both as one figure.
                if role == Role::Capacity && !p.what.is_uptime() {
                    group.roles.entry(Role::Companion).or_default().push(i);
                }
                if roles::is_live_heap(&p.what) {
                    group.roles.entry(Role::LiveHeap).or_default().push(i);
                }
            }
            // A log that names the pod alone.
            None if role == Role::Capacity && !p.what.is_uptime() => {
                pods.entry((o.namespace.clone(), o.pod.clone())).or_default().roles.entry(Role::Companion).or_default().push(i);
            }
            None if matches!(role, Role::Load | Role::Companion) || (role.is_memory() && of_pod(&p.what)) => {
                pods.entry((o.namespace.clone(), o.pod.clone())).or_default().roles.entry(role).or_default().push(i);
            }
            None => {}
        }
    }
    (containers, pods, agents)
}

/// A series without a container's name is the pod's own when its cgroup is the pod's (a sandbox's path ends in an id), or when a
/// query left the container out.
fn of_pod(s: &Series) -> bool {
    let who = s.claim();
    s.label("id").is_none_or(|_| who.pod_uid.is_some() && who.container_id.is_none())
}

fn stamp(ms: i64) -> Timestamp {
    Timestamp(ms.saturating_mul(1_000_000))
}

/// One container's headline trend.
fn container(incident: &Index<'_>, group: &Group, choice: Choice) -> Option<Trend> {
    // Some exports hold only RSS or usage: better than nothing, and the metric is named.
    let main = [Role::WorkingSet, Role::Usage, Role::Rss, Role::LiveHeap].into_iter().find(|r| group.roles.contains_key(r))?;
    let owner = group.placed(incident, main).first()?.owner.clone();
    restarted(incident, group, main, owner, choice)
}

/// The largest capacity that the log of a heap's collections shows.
fn capacity(incident: &Incident, group: &Group) -> Option<f64> {
    let all = group.series(incident, Role::Capacity);
    all.into_iter().flat_map(|s| s.finite().map(|(_, v)| v)).filter(|v| *v > 0.0).max_by(f64::total_cmp)
}

/// The trend of one role's series, cut into runs where what it measures ended and began anew.
fn restarted(incident: &Index<'_>, group: &Group, main: Role, owner: Owner, choice: Choice) -> Option<Trend> {
    let placed = group.placed(incident, main);
    let first = placed.first()?;
    let joined = join(&group.series(incident, main));
    if joined.times.is_empty() {
        return None;
    }
    let (start, end) = (*joined.times.first()?, *joined.times.last()?);
    let step = joined.step().max(1);
    let boundaries = boundaries(incident, group, &joined, step, &owner);
    let (anonymous, derived) = anonymous(incident, group, main, &joined);
    let limit = match main {
        // A heap ends at its own capacity, whatever the container may hold.
        Role::LiveHeap => capacity(incident, group),
        _ => group.latest(incident, Role::Limit).or_else(|| spec(incident, &owner, true)),
    };
    let request = group.latest(incident, Role::Request).or_else(|| spec(incident, &owner, false));
    let ooms = oom_flags(incident, group, &boundaries, &joined, limit, step, &owner);

    let mut runs = Vec::with_capacity(boundaries.len() + 1);
    let mut from = 0;
    for (k, b) in boundaries.iter().map(Some).chain([None]).enumerate() {
        let to = b.map_or(joined.times.len(), |b| joined.times.partition_point(|&t| t < b.first));
        let ended = match b {
            None => Ended::Open,
            Some(_) if ooms.get(k).copied().unwrap_or(false) => Ended::Oom,
            Some(_) => Ended::Restart,
        };
        if to > from {
            let (a, z) = (joined.times.get(from).copied().unwrap_or(start), joined.times.get(to - 1).copied().unwrap_or(end));
            let other = anonymous.as_ref().map(|j| j.within(a, z, start)).filter(|s| s.len() * 2 >= to - from);
            runs.push(Run { memory: joined.samples(from, to, start), anonymous: other, derived, ended });
        } else if ended == Ended::Oom
            && let Some(last) = runs.last_mut()
        {
            last.ended = Ended::Oom;
        }
        from = to.max(from);
    }
    if runs.iter().any(|r| r.anonymous.is_some()) && grows_in_the_kernel(incident, group, &joined, &runs, start) {
        runs.iter_mut().for_each(|r| r.anonymous = None);
    }
    let load = load(incident, group, start, step);
    let history = History { runs, load, limit, origin: Some(start as f64 / 1000.0) };
    let found = analyse(&history);
    let record = Record::new(joined.seconds(start), joined.values.clone());

    let mut trend = Trend {
        metric: main.metric_of(&first.what).to_owned(),
        restarts: boundaries.iter().map(|b| boundary_time(b, step)).collect(),
        restarts_assumed: !boundaries.is_empty() && joined.changes.is_empty() && runs::uncounted(incident, group, &first.owner),
        oom_times: boundaries.iter().zip(&ooms).filter(|(_, oom)| **oom).map(|(b, _)| boundary_time(b, step)).collect(),
        oom_from: runs::stated_by(incident, group),
        request_bytes: request,
        cite: first.cite.clone(),
        series: group.roles.get(&main).cloned().unwrap_or_default(),
        ..told(&found, &history, &record, owner, &joined)
    };
    if main != Role::LiveHeap {
        for r in &mut trend.runs {
            r.limit_bytes = runs::limit_at(incident, group, r.end.0.div_euclid(1_000_000)).or(limit);
        }
    }
    decompose(incident, group, &history, start, end, &mut trend);
    if found.verdict == TrendVerdict::Leak {
        parts::corroborate(&mut trend);
    }
    let batches = found.judged.iter().any(|j| j.batches > 0.0);
    let kind = sizes::kind(incident, &trend.owner, batches);
    sizing::recommend(&history, &record, &found.run_slopes, kind, choice, &mut trend);
    sizes::consequences(incident, group, &mut trend);
    Some(trend)
}

/// What the analysis says of a history, in the model's units and times.
fn told(found: &Found, history: &History, record: &Record, owner: Owner, joined: &Joined) -> Trend {
    let start = joined.times.first().copied().unwrap_or(0);
    let at = |seconds: f64| stamp(start + (seconds * 1000.0) as i64);
    let runs = history.runs.iter().enumerate().map(|(i, r)| RunFact {
        start: at(r.memory.t.first().copied().unwrap_or(0.0)),
        end: at(r.memory.t.last().copied().unwrap_or(0.0)),
        first_bytes: r.memory.v.first().copied().unwrap_or(0.0),
        last_bytes: r.memory.v.last().copied().unwrap_or(0.0),
        peak_bytes: r.memory.v.iter().copied().fold(0.0, f64::max),
        slope_bytes_per_hour: found.run_slopes.get(i).copied().flatten().map(|s| s * 3600.0),
        ended: r.ended,
        limit_bytes: None,
    });
    let mut trend = Trend {
        owner,
        verdict: found.verdict,
        form: found.form,
        slope: found.slope.map(per_hour),
        onset: found.onset.map(at),
        ceased: found.ceased.map(at),
        runs: runs.collect(),
        limit_bytes: history.limit,
        percentiles: record.percentiles,
        window: (stamp(start), stamp(joined.times.last().copied().unwrap_or(start))),
        samples: joined.times.len(),
        why: found.why.clone(),
        load_correlation: found.load_correlation,
        load_factor: found.load_factor,
        load_rise: history.load.as_ref().and_then(parts::load_rise),
        load_rose: history.load.as_ref().and_then(parts::load_rose).map(at),
        cache_growth: found.cache_growth,
        slope_spread: found.slope_spread,
        margin: found.judged.iter().map(|j| j.verdict.margin).max_by(f64::total_cmp).filter(|m| m.is_finite()),
        collection_period_seconds: found.judged.iter().rev().find_map(|j| j.saw.as_ref().map(|s| s.period)),
        ..Trend::default()
    };
    for j in &found.judged {
        let places: &[f64] = match &working_fit(j).curve {
            Curve::Steps(at) => at,
            Curve::StepLine { at } => std::slice::from_ref(at),
            _ => &[],
        };
        trend.change_points.extend(places.iter().map(|&u| at(j.moment(u))));
    }
    trend.change_points.sort_unstable();
    trend.change_points.dedup();
    if found.verdict == TrendVerdict::Leak && found.ceased.is_none() {
        project(history, found, &mut trend);
    }
    trend
}

fn per_hour(e: crate::model::trend::Estimate) -> crate::model::trend::Estimate {
    crate::model::trend::Estimate { low: e.low * 3600.0, mid: e.mid * 3600.0, high: e.high * 3600.0 }
}

fn project(history: &History, found: &Found, trend: &mut Trend) {
    let Some(limit) = history.limit else { return };
    trend.time_to_oom = projection::time_to(limit, history, found);
    trend.what_if = [1.25, 1.5, 2.0]
        .into_iter()
        .map(|factor| WhatIf {
            factor,
            limit_bytes: factor * limit,
            time_to_oom_seconds: projection::time_to(factor * limit, history, found),
        })
        .collect();
}
