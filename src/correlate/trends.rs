//! Trends: one per container and metric, computed once from all its series, read by rules and report alike.
//!
//! Series are gathered by owner (namespace, pod, container), incarnations are joined across restarts, limits, requests,
//! restart counters, reasons and load are found beside them, and `series` judges. Nodes and their agents follow.

use super::histories::{Boundary, Joined, increases, join, rate};
use crate::model::incident::{Kill, PlacedSeries};
use crate::model::oom::KillKind;
use crate::model::series::{NO_TIME, Series, SeriesKind};
use crate::model::trend::{Companion, Percentiles, Run as RunFact, Trend, TrendVerdict, WhatIf};
use crate::model::{Incident, Owner, Timestamp};
use crate::series::blocks::{Blocks, Samples};
use crate::series::shape::Curve;
use crate::series::stats::{median, quantile_sorted, theil_sen};
use crate::series::trend::{Ended, Found, History, Run, analyse, working_fit};
use crate::series::{projection, sizing};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What a metric says about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    WorkingSet,
    Usage,
    Rss,
    Cache,
    Limit,
    Request,
    Restarts,
    Reason,
    Started,
    OomEvents,
    Load,
    Companion,
}

fn role(s: &Series, path: &str) -> Option<Role> {
    let memory = s.label("resource").is_none_or(|r| r == "memory");
    Some(match s.metric.as_str() {
        "container_memory_working_set_bytes" => Role::WorkingSet,
        "container_memory_usage_bytes" => Role::Usage,
        "container_memory_rss" => Role::Rss,
        "container_memory_cache" => Role::Cache,
        "kube_pod_container_resource_limits" if memory => Role::Limit,
        "kube_pod_container_resource_limits_memory_bytes" | "container_spec_memory_limit_bytes" => Role::Limit,
        "kube_pod_container_resource_requests" if memory => Role::Request,
        "kube_pod_container_resource_requests_memory_bytes" => Role::Request,
        "kube_pod_container_status_restarts_total" => Role::Restarts,
        "kube_pod_container_status_last_terminated_reason" => Role::Reason,
        "container_start_time_seconds" => Role::Started,
        "container_oom_events_total" => Role::OomEvents,
        m if is_load(m, s.kind) => Role::Load,
        // A rate that a query computed has no name; the file it was saved as may say what it is.
        "" if s.label("resource").is_none() && is_rate_file(path) => Role::Load,
        m if is_companion(s, m) => Role::Companion,
        _ => return None,
    })
}

/// Counters of work done by the program itself: requests, messages, jobs.
fn is_load(metric: &str, kind: SeriesKind) -> bool {
    let ours =
        ["container_", "kube_", "node_", "go_", "process_", "prometheus_", "promhttp_", "kubelet_", "apiserver_", "etcd_", "rest_client_"];
    if ours.iter().any(|p| metric.starts_with(p)) {
        return false;
    }
    let words =
        ["request", "message", "records_consumed", "jobs_processed", "events_processed", "queries", "_handled", "rpc_", "commands_"];
    let counts = metric.ends_with("_total") || metric.ends_with("_count");
    let unwanted = ["bytes", "fail", "error", "rejected", "dropped", "seconds_total"].iter().any(|w| metric.contains(w));
    let recorded = metric.contains(':') && metric.contains("request") && metric.contains("rate");
    (counts && kind == SeriesKind::Counter && !unwanted && words.iter().any(|w| metric.contains(w))) || recorded
}

fn is_rate_file(path: &str) -> bool {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path).to_ascii_lowercase();
    ["req", "rps", "qps", "rate"].iter().any(|w| name.contains(w))
}

/// Runtime metrics that show where memory sits.
fn is_companion(s: &Series, m: &str) -> bool {
    let heap = matches!(
        m,
        "go_goroutines"
            | "go_threads"
            | "go_memstats_heap_inuse_bytes"
            | "go_memstats_heap_alloc_bytes"
            | "go_memstats_alloc_bytes"
            | "go_memstats_heap_idle_bytes"
            | "go_memstats_heap_released_bytes"
            | "go_memstats_heap_objects"
            | "go_memstats_stack_inuse_bytes"
            | "go_memstats_sys_bytes"
            | "go_memstats_next_gc_bytes"
            | "nodejs_heap_size_used_bytes"
            | "nodejs_heap_size_total_bytes"
            | "nodejs_external_memory_bytes"
            | "nodejs_active_handles_total"
            | "jvm_memory_used_bytes"
            | "jvm_memory_committed_bytes"
            | "jvm_memory_max_bytes"
            | "jvm_memory_bytes_used"
            | "jvm_memory_bytes_committed"
            | "jvm_memory_bytes_max"
            | "jvm_gc_live_data_size_bytes"
            | "jvm_buffer_memory_used_bytes"
            | "jvm_threads_live_threads"
            | "jvm_threads_current"
            | "jvm_threads_state"
            | "process_resident_memory_bytes"
            | "process_virtual_memory_bytes"
            | "process_open_fds"
            | "container_memory_swap"
            | "container_memory_mapped_file"
            | "container_threads"
            | "container_file_descriptors"
    );
    heap && s.kind != SeriesKind::Unknown
}

/// Series of one owner by role, in the incident's order.
#[derive(Default)]
struct Group {
    roles: BTreeMap<Role, Vec<usize>>,
}

type Key = (Option<String>, Option<String>, Option<String>);

/// Computes every trend of the incident.
pub fn compute(incident: &mut Incident) {
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
        let incident: &Incident = incident;
        let (containers, pods, agents) = gather(incident);
        let mut trends: Vec<Trend> = containers
            .into_par_iter()
            .filter_map(|(key, mut group)| {
                if let Some(shared) = pods.get(&(key.0.clone(), key.1.clone())) {
                    for (role, list) in &shared.roles {
                        group.roles.entry(*role).or_insert_with(|| list.clone());
                    }
                }
                container(incident, &group)
            })
            .collect();
        trends.extend(agents.into_par_iter().filter_map(|(_, list)| single(incident, &list)).collect::<Vec<_>>());
        trends.extend(nodes(incident));
        trends
    };
    incident.trends = trends;
}

type Gathered = (BTreeMap<Key, Group>, BTreeMap<(Option<String>, Option<String>), Group>, BTreeMap<(String, String), Vec<usize>>);

fn gather(incident: &Incident) -> Gathered {
    let mut containers: BTreeMap<Key, Group> = BTreeMap::new();
    let mut pods: BTreeMap<(Option<String>, Option<String>), Group> = BTreeMap::new();
    let mut agents: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (i, p) in incident.series.iter().enumerate() {
        let o = &p.owner;
        if o.pod.is_none() {
            // A node's own services are known by their scrape job.
            if p.what.metric == "process_resident_memory_bytes" {
                let job = p.what.label("job").unwrap_or("").to_owned();
                let place = o.node.clone().or_else(|| p.what.label("instance").map(str::to_owned)).unwrap_or_default();
                agents.entry((place, job)).or_default().push(i);
            }
            continue;
        }
        let Some(role) = role(&p.what, incident.path(p.cite.span.artifact)) else { continue };
        match o.container.as_deref() {
            // The pause container and, without a name, the pod's own cgroup.
            Some("POD") => {}
            Some(_) => {
                let key = (o.namespace.clone(), o.pod.clone(), o.container.clone());
                containers.entry(key).or_default().roles.entry(role).or_default().push(i);
            }
            None if matches!(role, Role::Load | Role::Companion) => {
                pods.entry((o.namespace.clone(), o.pod.clone())).or_default().roles.entry(role).or_default().push(i);
            }
            None => {}
        }
    }
    (containers, pods, agents)
}

impl Group {
    fn series<'a>(&self, incident: &'a Incident, role: Role) -> Vec<&'a Series> {
        self.placed(incident, role).into_iter().map(|p| &p.what).collect()
    }

    fn placed<'a>(&self, incident: &'a Incident, role: Role) -> Vec<&'a PlacedSeries> {
        self.roles.get(&role).into_iter().flatten().filter_map(|&i| incident.series.get(i)).collect()
    }

    /// The last finite value over all series of a role that are not 0 (cAdvisor writes 0 for no limit).
    fn latest(&self, incident: &Incident, role: Role) -> Option<f64> {
        self.series(incident, role)
            .into_iter()
            .filter_map(|s| s.finite().filter(|(_, v)| *v > 0.0 && *v < 9e18).last())
            .max_by_key(|(t, _)| *t)
            .map(|(_, v)| v)
    }
}

fn stamp(ms: i64) -> Timestamp {
    Timestamp(ms.saturating_mul(1_000_000))
}

/// One container's headline trend.
fn container(incident: &Incident, group: &Group) -> Option<Trend> {
    // Some exports hold only RSS or usage: better than nothing, and the metric is named.
    let main = [Role::WorkingSet, Role::Usage, Role::Rss].into_iter().find(|r| group.roles.contains_key(r))?;
    let owner = group.placed(incident, main).first()?.owner.clone();
    restarted(incident, group, main, owner)
}

/// The trend of one role's series, cut into runs where what it measures ended and began anew.
fn restarted(incident: &Incident, group: &Group, main: Role, owner: Owner) -> Option<Trend> {
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
    let limit = group.latest(incident, Role::Limit).or_else(|| spec(incident, &owner, true));
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
    let load = load(incident, group, start, step);
    let history = History { runs, load, limit };
    let found = analyse(&history);

    let mut trend = Trend {
        owner,
        metric: first.what.metric.clone(),
        verdict: found.verdict,
        form: found.form,
        slope: found.slope.map(per_hour),
        onset: found.onset.map(|s| stamp(start + (s * 1000.0) as i64)),
        restarts: boundaries.iter().map(|b| boundary_time(b, step)).collect(),
        oom_times: boundaries.iter().zip(&ooms).filter(|(_, oom)| **oom).map(|(b, _)| boundary_time(b, step)).collect(),
        limit_bytes: limit,
        request_bytes: request,
        percentiles: percentiles(&joined.values),
        window: (stamp(start), stamp(end)),
        samples: joined.times.len(),
        why: found.why.clone(),
        load_correlation: found.load_correlation,
        load_factor: found.load_factor,
        cache_growth: found.cache_growth,
        margin: found.judged.iter().map(|j| j.verdict.margin).max_by(f64::total_cmp).filter(|m| m.is_finite()),
        collection_period_seconds: found.judged.iter().rev().find_map(|j| j.saw.as_ref().map(|s| s.period)),
        cite: first.cite.clone(),
        series: group.roles.get(&main).cloned().unwrap_or_default(),
        ..Trend::default()
    };
    trend.runs = history
        .runs
        .iter()
        .enumerate()
        .map(|(i, r)| RunFact {
            start: stamp(start + (r.memory.t.first().copied().unwrap_or(0.0) * 1000.0) as i64),
            end: stamp(start + (r.memory.t.last().copied().unwrap_or(0.0) * 1000.0) as i64),
            first_bytes: r.memory.v.first().copied().unwrap_or(0.0),
            last_bytes: r.memory.v.last().copied().unwrap_or(0.0),
            peak_bytes: r.memory.v.iter().copied().fold(0.0, f64::max),
            slope_bytes_per_hour: found.run_slopes.get(i).copied().flatten().map(|s| s * 3600.0),
            ended: match r.ended {
                Ended::Oom => "oom",
                Ended::Restart => "restart",
                Ended::Open => "open",
            }
            .into(),
        })
        .collect();
    for j in &found.judged {
        if let Curve::Steps(at) = &working_fit(j).curve {
            trend.change_points.extend(at.iter().map(|u| stamp(start + ((j.memory.start + u * j.memory.span) * 1000.0) as i64)));
        }
    }
    trend.change_points.sort_unstable();
    decompose(incident, group, &history, start, end, &mut trend);
    if found.verdict == TrendVerdict::Leak {
        project(&history, &found, &mut trend);
    }
    sizing::recommend(&history, &found.run_slopes, &mut trend);
    Some(trend)
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

/// A run ended after its last sample, at latest when the next began: half a step after the last sample is the best guess,
/// unless a restart counter that rose within a few steps narrows it further.
fn boundary_time(b: &Boundary, step: i64) -> Timestamp {
    let guess = b.last + (step / 2).min((b.first - b.last) / 2).max(0);
    let narrowed = b.counted.map(|(t0, t1)| (t0.max(b.last), t1.min(b.first.max(t0)))).filter(|&(a, z)| a <= z && z - b.last <= 12 * step);
    stamp(narrowed.map_or(guess, |(a, z)| a + (z - a) / 2))
}

/// Where one run ends and the next begins: by incarnation id, restart counter, start time, or a kill that other evidence saw.
fn boundaries(incident: &Incident, group: &Group, joined: &Joined, step: i64, owner: &Owner) -> Vec<Boundary> {
    let at = |i: usize| joined.times.get(i).copied();
    let mut found: Vec<Boundary> =
        joined.changes.iter().filter_map(|&i| Some(Boundary { last: at(i.checked_sub(1)?)?, first: at(i)?, counted: None })).collect();
    let slack = (3 * step).max(30_000);
    let known = |found: &[Boundary], a: i64, b: i64| found.iter().any(|k| a <= k.first + slack && b >= k.last - slack);
    // The sample within [a, b] before which memory fell most is the first of the new run.
    let place = |a: i64, b: i64| -> Option<Boundary> {
        let from = joined.times.partition_point(|&t| t < a - step).max(1);
        let to = joined.times.partition_point(|&t| t <= b + step);
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
        for (a, b) in list.into_iter().filter(|&(a, b)| b > start && a < end) {
            if !known(&found, a, b)
                && let Some(p) = place(a, b)
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
            && let Some(p) = place(t - slack, t + slack)
        {
            let at = joined.times.partition_point(|&x| x < p.first);
            let fell = joined.values.get(at.wrapping_sub(1)).zip(joined.values.get(at)).is_some_and(|(x, y)| *y < 0.8 * x);
            if fell {
                found.push(p);
            }
        }
    }
    found.sort_unstable_by_key(|b| (b.first, b.last));
    found.dedup_by_key(|b| b.first);
    found
}

/// Whether a kill ended what the series measures: a container, or a node service in its own cgroup.
fn ended_here(k: &Kill, owner: &Owner) -> bool {
    let service = || owner.pod.is_none() && k.kind == KillKind::MemcgService && k.owner.node == owner.node;
    k.owner.same_container(owner) || (service() && k.victims.iter().any(|v| v.comm == owner.container))
}

/// Which boundaries were out-of-memory kills: by the recorded reason, the OOM counter, a kill that other evidence saw, or
/// (where none of these exists) by ending at the limit.
fn oom_flags(
    incident: &Incident,
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
    boundaries
        .iter()
        .enumerate()
        .map(|(i, b)| {
            let next = boundaries.get(i + 1).map_or(i64::MAX, |n| n.last);
            if events.iter().any(|&(a, z, _)| a <= b.first + slack && z >= b.last - slack && z < next) {
                return true;
            }
            let mid = boundary_time(b, step).0 / 1_000_000;
            let seen = incident.kills.iter().any(|k| {
                k.kind.is_memory()
                    && k.kind != KillKind::RuntimeAbort
                    && ended_here(k, owner)
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
                let at = joined.times.partition_point(|&t| t <= b.last);
                let peak = joined.values.get(at.saturating_sub(3)..at).unwrap_or(&[]).iter().copied().fold(0.0, f64::max);
                // The last scrape before a kill is on average half a step early; 7 % of the limit covers a fast climb.
                limit.is_some_and(|l| peak >= 0.93 * l)
            })
        })
        .collect()
}

/// What the kernel cannot take back: RSS where exported, else the working set less the cache that it holds.
/// The flag says that it is a difference.
fn anonymous(incident: &Incident, group: &Group, main: Role, joined: &Joined) -> (Option<Joined>, bool) {
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

/// Limit or request from the pod's own description.
fn spec(incident: &Incident, owner: &Owner, limit: bool) -> Option<f64> {
    if owner.pod.is_none() {
        // A service's limit shows nowhere but in the kernel's report.
        return incident.kills.iter().rev().find(|k| limit && ended_here(k, owner)).and_then(|k| k.limit_bytes).map(|b| b as f64);
    }
    // The latest description stands last.
    let pods = incident.pods.iter().rev().filter(|p| p.owner.same_pod(owner));
    pods.flat_map(|p| &p.what.containers)
        .filter(|c| owner.container.as_deref() == Some(c.name.as_str()))
        .find_map(|c| if limit { c.limits.memory_bytes } else { c.requests.memory_bytes })
        .map(|b| b as f64)
}

fn load(incident: &Incident, group: &Group, origin: i64, step: i64) -> Option<Samples> {
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

fn percentiles(values: &[f64]) -> Percentiles {
    let mut v = values.to_vec();
    v.sort_unstable_by(f64::total_cmp);
    let q = |q| quantile_sorted(&v, q);
    Percentiles {
        p50_bytes: q(0.5),
        p90_bytes: q(0.9),
        p95_bytes: q(0.95),
        p99_bytes: q(0.99),
        max_bytes: v.last().copied().unwrap_or(f64::NAN),
    }
}

/// Level of the last twentieth, and the median over the runs of the lower envelope's slope per hour.
fn level_and_slope(joined: &Joined, runs: &[Run], start: i64) -> (f64, f64, Option<f64>) {
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

/// What the memory is made of, and what the runtime says of itself.
fn decompose(incident: &Incident, group: &Group, h: &History, start: i64, end: i64, trend: &mut Trend) {
    let part = |role: Role| {
        let j = join(&group.series(incident, role));
        (!j.times.is_empty()).then(|| level_and_slope(&j, &h.runs, start))
    };
    if let Some((_, last, slope)) = part(Role::Rss) {
        trend.rss_bytes = Some(last);
        trend.rss_slope_bytes_per_hour = slope;
    }
    if let Some((_, last, slope)) = part(Role::Cache) {
        trend.cache_bytes = Some(last);
        trend.cache_slope_bytes_per_hour = slope;
    }
    if let Some((_, usage, _)) = part(Role::Usage)
        && trend.metric == "container_memory_working_set_bytes"
    {
        let last = h.runs.last().map_or(&[][..], |r| &r.memory.v);
        let tail = last.len().saturating_sub((trend.samples / 20).max(1));
        let ws = median(&mut last.get(tail..).unwrap_or(&[]).to_vec());
        trend.inactive_file_bytes = Some((usage - ws).max(0.0)).filter(|v| v.is_finite());
    }
    // Several pools of one metric (JVM areas and ids) add up, by area.
    let mut families: BTreeMap<String, Vec<&Series>> = BTreeMap::new();
    for s in group.series(incident, Role::Companion) {
        let name = match s.label("area") {
            Some(area) => format!("{}{{area=\"{area}\"}}", s.metric),
            None => s.metric.clone(),
        };
        families.entry(name).or_default().push(s);
    }
    for (metric, list) in families {
        let joined =
            if list.iter().any(|s| s.label("area").is_some() || s.metric == "jvm_threads_state") { sum(&list) } else { join(&list) };
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

/// Sum over parallel series at the times of the longest; each contributes its latest value.
fn sum(list: &[&Series]) -> Joined {
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

/// A process of the node itself (kubelet, container runtime): one series, no limit.
fn single(incident: &Incident, list: &[usize]) -> Option<Trend> {
    let placed: Vec<&PlacedSeries> = list.iter().filter_map(|&i| incident.series.get(i)).collect();
    let first = placed.first()?;
    let mut owner = first.owner.clone();
    owner.node = owner.node.or_else(|| {
        let instance = first.what.label("instance")?;
        Some(instance.rsplit_once(':').map_or(instance, |(host, _)| host).to_owned())
    });
    owner.container = owner.container.or_else(|| first.what.label("job").map(str::to_owned));
    restarted(incident, &Group { roles: BTreeMap::from([(Role::Rss, list.to_vec())]) }, Role::Rss, owner)
}

/// A trend without restarts, load or parts.
fn plain(joined: Joined, owner: Owner, first: &PlacedSeries, series: Vec<usize>, limit: Option<f64>) -> Option<Trend> {
    let (start, end) = (*joined.times.first()?, *joined.times.last()?);
    if joined.times.len() < 2 {
        return None;
    }
    let run = Run { memory: joined.samples(0, joined.times.len(), start), anonymous: None, derived: false, ended: Ended::Open };
    let history = History { runs: vec![run], load: None, limit };
    let found = analyse(&history);
    let mut trend = Trend {
        owner,
        metric: first.what.metric.clone(),
        verdict: found.verdict,
        form: found.form,
        slope: found.slope.map(per_hour),
        onset: found.onset.map(|s| stamp(start + (s * 1000.0) as i64)),
        limit_bytes: limit,
        percentiles: percentiles(&joined.values),
        window: (stamp(start), stamp(end)),
        samples: joined.times.len(),
        why: found.why.clone(),
        margin: found.judged.first().map(|j| j.verdict.margin).filter(|m| m.is_finite()),
        cite: first.cite.clone(),
        series,
        ..Trend::default()
    };
    if found.verdict == TrendVerdict::Leak {
        project(&history, &found, &mut trend);
    }
    Some(trend)
}

/// Memory in use on each node: total less available.
fn nodes(incident: &Incident) -> Vec<Trend> {
    let mut by_node: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (i, p) in incident.series.iter().enumerate() {
        let Some(node) = p.owner.node.clone().or_else(|| p.what.label("instance").map(str::to_owned)) else { continue };
        match p.what.metric.as_str() {
            "node_memory_MemAvailable_bytes" | "node_memory_MemAvailable" => by_node.entry(node).or_default().0.push(i),
            "node_memory_MemTotal_bytes" | "node_memory_MemTotal" => by_node.entry(node).or_default().1.push(i),
            _ => {}
        }
    }
    by_node
        .into_par_iter()
        .filter_map(|(node, (available, total))| {
            let of = |l: &[usize]| l.iter().filter_map(|&i| incident.series.get(i)).collect::<Vec<_>>();
            let (a, t) = (of(&available), of(&total));
            let total = t.iter().rev().find_map(|p| p.what.finite().last()).map(|(_, v)| v)?;
            let mut joined = join(&a.iter().map(|p| &p.what).collect::<Vec<_>>());
            joined.values.iter_mut().for_each(|v| *v = total - *v);
            let first = a.first()?;
            let mut trend = plain(joined, Owner::node(&node), first, available, Some(total))?;
            trend.metric = "node_memory_used_bytes".into();
            Some(trend)
        })
        .collect()
}
