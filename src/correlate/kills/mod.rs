//! Endings: kernel reports, container states, events and log words joined into one entry per ending.
//! The kernel log is the witness of record; every other witness either confirms one of its entries or adds one it missed.

mod kernel;
mod supervisors;
pub(super) mod untold;

use super::{endings, limits, node_events, rhythm};
use crate::model::incident::Kill;
use crate::model::log::LogPattern;
use crate::model::oom::{KillKind, LimitLevel, Victim};
use crate::model::pod::{ContainerRun, ContainerState, KubeEvent, PodState};
use crate::model::quantity::{human_bytes, times};
use crate::model::time::{Basis, MINUTE, SECOND, WrittenTime};
use crate::model::{Cite, Incident, Owner, Placed, Timestamp, When};
use std::collections::BTreeMap;

/// Two witnesses of one ending may differ by this much: kubelet notices late, `dmesg -T` drifts.
pub(super) const SAME_ENDING: i64 = 2 * MINUTE;

/// From this many restarts on, stops on request are worth an entry.
const REPEATED: u64 = 3;

/// Fills [`Incident::kills`], earliest first, those without a time last.
pub fn endings(incident: &mut Incident) {
    let mut kills = kernel::kills(incident);
    kernel::anchor_by_status(incident, &mut kills);
    rhythm::anchor(incident, &mut kills);
    container_endings(incident, &mut kills);
    evictions(incident, &mut kills);
    printed_status(incident, &mut kills);
    container_deaths(incident, &mut kills);
    probe_events(incident, &mut kills);
    runtime_aborts(incident, &mut kills);
    supervisors::userspace_kills(incident, &mut kills);
    supervisors::unit_kills(incident, &mut kills);
    node_events::kills(incident, &mut kills);
    counted(incident, &mut kills);
    kills.sort_by_cached_key(key);
    incident.kills = kills;
}

/// Restarts that only a counter saw, once trends are known: where a container's last ending was a runtime abort or a probe
/// kill, its earlier restarts in the same window are taken for the same thing, as long as nothing else explains them.
pub fn from_restart_counters(incident: &mut Incident) {
    let mut added = Vec::new();
    for t in &incident.trends {
        let known: Vec<&Kill> = incident.kills.iter().filter(|k| k.owner.same_container(&t.owner)).collect();
        let Some(last) = known.last() else { continue };
        // Kubernetes keeps the last ending only: where it was a kill at the limit and no kernel log of the node is there to
        // tell of the others, restarts from the limit are taken for the same.
        let at_limit = last.kind == KillKind::MemcgContainer
            && !incident.oom_reports.iter().any(|r| r.owner.node.is_none() || r.owner.node == t.owner.node || r.owner.same_pod(&t.owner));
        if !(at_limit || matches!(last.kind, KillKind::RuntimeAbort | KillKind::ProbeKill)) || known.iter().any(|k| k.kind != last.kind) {
            continue;
        }
        let step = t.window.1.0.saturating_sub(t.window.0.0) / i64::try_from(t.samples.max(1)).unwrap_or(i64::MAX);
        let slack = if at_limit { SAME_ENDING.saturating_add(step.saturating_mul(3)) } else { SAME_ENDING };
        for r in untold::untold(if at_limit { &t.oom_times } else { &t.restarts }, &known, slack) {
            let at = When { earliest: r.saturating_sub(MINUTE), latest: r, basis: Basis::Stated };
            added.push(Kill {
                at: Some(at),
                kind: last.kind,
                owner: t.owner.clone(),
                limit_bytes: last.limit_bytes,
                limit_level: last.limit_level,
                count: 1,
                exit_code: last.exit_code,
                witnesses: vec!["restart counter"],
                evidence: vec![(
                    t.cite.clone(),
                    match at_limit {
                        true => format!("a run ended at the limit at {} UTC; taken for a kill like the last one", r.human()),
                        false => format!("restart counter rose at {} UTC; taken for a {} like the last one", r.human(), last.kind.word()),
                    },
                )],
                ..Kill::default()
            });
        }
    }
    incident.kills.extend(added);
    let mut kills = std::mem::take(&mut incident.kills);
    probe_counts(incident, &mut kills);
    kills.sort_by_cached_key(key);
    incident.kills = kills;
}

/// The kubelet's `Killing` events count how often a probe ended a container, of which the status keeps the last time only:
/// what the events count beyond the entries that are there belongs to the entry that they confirm. The restart count bounds it.
fn probe_counts(incident: &Incident, kills: &mut [Kill]) {
    let mut told: BTreeMap<Owner, (u64, Vec<(Cite, String)>)> = BTreeMap::new();
    for e in incident.events.iter().filter(|e| e.owner.pod.is_some() && is_probe_kill(&e.what)) {
        let Some(container) = e.what.container.clone().or_else(|| named_in(&e.what.message)) else { continue };
        let n = e.what.count.unwrap_or(1).max(1);
        let slot = told.entry(Owner { container: Some(container), workload: None, node: None, ..e.owner.clone() }).or_default();
        slot.0 = slot.0.saturating_add(n);
        slot.1.push((e.cite.clone(), format!("{} (event counted {})", e.what.message, times(n))));
    }
    for (owner, (counted, evidence)) in told {
        let containers = incident.pods.iter().filter(|p| p.owner.same_pod(&owner)).flat_map(|p| &p.what.containers);
        let restarts = containers.filter(|c| Some(&c.name) == owner.container.as_ref()).filter_map(|c| c.restart_count).max();
        let mut mine: Vec<&mut Kill> =
            kills.iter_mut().filter(|k| k.kind == KillKind::ProbeKill && k.owner.same_container(&owner)).collect();
        let have = mine.iter().map(|k| k.count.max(1)).fold(0, u64::saturating_add);
        let missing = counted.min(restarts.unwrap_or(u64::MAX)).saturating_sub(have);
        let Some(k) = mine.pop().filter(|_| missing > 0) else { continue };
        k.count = k.count.max(1).saturating_add(missing);
        for (cite, says) in evidence {
            match k.evidence.iter_mut().find(|(c, _)| c.span == cite.span) {
                Some(have) => have.1 = says,
                None => k.evidence.push((cite, says)),
            }
        }
    }
}

/// The event says that the kubelet ends a container because a probe failed.
fn is_probe_kill(e: &KubeEvent) -> bool {
    e.reason == "Killing" && (e.message.contains("liveness probe") || e.message.contains("startup probe"))
}

/// The container in `Container api failed liveness probe, will be restarted`.
fn named_in(message: &str) -> Option<String> {
    message.split_once("ontainer ").and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned)
}

fn key(k: &Kill) -> (Timestamp, Option<WrittenTime>, Owner, KillKind, Option<u32>) {
    let written = k.written.clone().filter(|_| k.at.is_none());
    (k.at.and_then(|w| w.mid()).unwrap_or(Timestamp::MAX), written, k.owner.clone(), k.kind, k.victims.first().and_then(|v| v.pid))
}

/// Terminated states of containers: confirm a kernel entry or stand alone.
fn container_endings(incident: &Incident, kills: &mut Vec<Kill>) {
    for p in &incident.pods {
        for c in &p.what.containers {
            for run in [c.last.as_ref(), Some(&c.now)].into_iter().flatten().chain(&c.past) {
                let ended = run.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("terminated")) || run.finished.is_some();
                // A container engine says so of one that lives on.
                if ended || run.reason.as_deref() == Some("OOMKilled") {
                    container_ending(incident, kills, p, c, run);
                }
            }
        }
    }
}

fn container_ending(incident: &Incident, kills: &mut Vec<Kill>, p: &Placed<PodState>, c: &ContainerState, run: &ContainerRun) {
    let owner = Owner { container: Some(c.name.clone()), ..p.owner.clone() };
    let at = run.finished.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
    let cite = status_cite(p, c, run);
    let says = status_sentence(c, run);
    let near = |k: &Kill| {
        k.owner.same_pod(&owner)
            && (k.owner.container.is_none() || k.owner.container == owner.container)
            && k.at.zip(at).is_some_and(|(a, b)| a.near(&b, SAME_ENDING))
    };
    if let Some(k) =
        kills.iter_mut().filter(|k| near(k)).min_by_key(|k| k.at.zip(at).map(|(a, b)| (a.earliest.0.saturating_sub(b.earliest.0)).abs()))
    {
        k.exit_code = k.exit_code.or(run.exit_code);
        k.started = k.started.or(run.started);
        // A report that was read late is dated by whoever saw the end itself.
        if let Some(at) = at.filter(|a| k.at.is_some_and(|have| have.width() > SAME_ENDING && have.near(a, 0))) {
            k.at = Some(at);
        }
        k.owner.container = Some(c.name.clone());
        if k.limit_bytes.is_none() {
            k.limit_bytes = limits::in_force(incident, p, c, at).bytes;
        }
        witness(k, "container status", cite, says);
        return;
    }
    let ending = endings::classify(incident, p, c, run);
    // One stop on request is how every rollout ends; a container that keeps being stopped is another matter.
    let repeated = c.restart_count.is_some_and(|n| n >= REPEATED);
    // Evictions are of pods and have their own entries.
    let Some(kind) = ending.kind.filter(|k| *k != KillKind::Eviction && (*k != KillKind::Sigterm || repeated)) else { return };
    let limit = limits::in_force(incident, p, c, at);
    let level = match kind {
        KillKind::MemcgContainer => Some(LimitLevel::Container),
        KillKind::MemcgPod => Some(LimitLevel::Pod),
        KillKind::NodeOom => Some(LimitLevel::Node),
        _ => None,
    };
    let status = cite.span;
    let mut evidence = vec![(cite, says)];
    evidence.extend(ending.evidence.into_iter().filter(|(cite, _)| cite.span != status));
    kills.push(Kill {
        at,
        kind,
        owner,
        victims: Vec::new(),
        limit_level: level,
        limit_bytes: limit.bytes.filter(|_| kind.is_memory() && kind != KillKind::NodeOom),
        count: 1,
        exit_code: run.exit_code,
        started: run.started,
        witnesses: vec!["container status"],
        evidence,
        against: ending.against,
        ..Kill::default()
    });
}

/// The kubelet's word that a probe killed this container, at a time that fits.
fn probe_event<'a>(incident: &'a Incident, owner: &Owner, at: Option<When>) -> Option<&'a Placed<KubeEvent>> {
    incident.events.iter().find(|e| {
        let w = &e.what;
        let fits = at.is_none_or(|a| !e.at.is_known() || e.at.near(&a, 10 * MINUTE) || w.count.is_some_and(|n| n > 1));
        is_probe_kill(w) && e.owner.same_pod(owner) && owner.container.as_deref().is_none_or(|c| w.names_container(c)) && fits
    })
}

fn status_cite(p: &Placed<PodState>, c: &ContainerState, run: &ContainerRun) -> Cite {
    let mut cite = p.cite.clone();
    if let Some(offset) = c.offset {
        cite.span.offset = offset;
        cite.span.line = c.line;
    }
    cite.excerpt = format!(
        "{}: {} exitCode {}",
        c.name,
        run.reason.as_deref().unwrap_or("Terminated"),
        run.exit_code.map_or("?".into(), |e| e.to_string())
    )
    .into();
    cite
}

fn status_sentence(c: &ContainerState, run: &ContainerRun) -> String {
    let code = run.exit_code.map_or("unknown".into(), |e| e.to_string());
    let limit = c.limits.memory_bytes.map_or("no memory limit".into(), |b| format!("limit {}", human_bytes(b)));
    let restarts = c.restart_count.map_or(String::new(), |n| format!(", restarts {n}"));
    format!("container {} ended with reason {} and exit code {code}{restarts}, {limit}", c.name, run.reason.as_deref().unwrap_or("none"))
}

/// Adds a witness with what it says, once, before whatever else bears on the kill.
pub(super) fn witness(k: &mut Kill, who: &'static str, cite: Cite, says: String) {
    if !k.witnesses.contains(&who) {
        k.evidence.insert(k.witnesses.len().min(k.evidence.len()), (cite, says));
        k.witnesses.push(who);
    }
}

/// The STATUS column of `get pods` is all that a table tells of a kill: which pod, neither which container nor when.
fn printed_status(incident: &Incident, kills: &mut Vec<Kill>) {
    for p in &incident.pods {
        let now = p.what.status.as_ref().map(|s| (s, &p.cite));
        let killed = now.into_iter().chain(p.what.past_status.iter().map(|(s, c)| (s, c))).find(|(s, _)| s.ends_with("OOMKilled"));
        let Some((status, cite)) = killed.filter(|_| !kills.iter().any(|k| k.owner.same_pod(&p.owner))) else { continue };
        let whose = if status.starts_with("Init:") { "an init container" } else { "a container" };
        kills.push(Kill {
            kind: KillKind::MemcgContainer,
            owner: Owner { container: only_container(incident, &p.owner), ..p.owner.clone() },
            limit_level: Some(LimitLevel::Container),
            count: 1,
            witnesses: vec!["pod status"],
            evidence: vec![(cite.clone(), format!("kubectl prints the status {status}: {whose} of the pod was killed for memory"))],
            against: vec![(cite.clone(), "the column shows neither container, time nor exit code; an evicted pod may show it, too".into())],
            ..Kill::default()
        });
    }
}

/// Evicted pods, from events, from the pod's own status, and from the kubelet's log.
fn evictions(incident: &Incident, kills: &mut Vec<Kill>) {
    let mut add = |owner: &Owner, at: Option<When>, who: &'static str, cite: &Cite, says: String| {
        let same = |k: &&mut Kill| k.kind == KillKind::Eviction && k.owner.same_pod(owner);
        if let Some(k) = kills.iter_mut().find(same) {
            let better = at.filter(|w| k.at.is_none_or(|old| w.width() < old.width()));
            k.at = better.or(k.at);
            witness(k, who, cite.clone(), says);
            return;
        }
        let owner = Owner { container: None, ..owner.clone() };
        kills.push(Kill {
            at,
            kind: KillKind::Eviction,
            owner,
            count: 1,
            witnesses: vec![who],
            evidence: vec![(cite.clone(), says)],
            limit_level: Some(LimitLevel::Node),
            ..Kill::default()
        });
    };
    for e in incident.events.iter().filter(|e| {
        let starved = e.what.annotations.get("starved_resource").is_some_and(|r| r.split(',').any(|r| r == "memory"));
        e.what.reason == "Evicted" && e.what.object_kind.as_deref() == Some("Pod") && (starved || about_memory(&e.what.message))
    }) {
        add(&e.owner, e.at.is_known().then_some(e.at), "event", &e.cite, format!("evicted: {}", e.what.message));
    }
    for p in
        incident.pods.iter().filter(|p| p.what.reason.as_deref() == Some("Evicted") && p.what.message.as_deref().is_none_or(about_memory))
    {
        let since = p.what.conditions.iter().filter(|c| c.kind == "DisruptionTarget" || c.kind == "Ready").filter_map(|c| c.since).max();
        let at = since.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
        add(&p.owner, at, "pod status", &p.cite, format!("pod status Evicted: {}", p.what.message.as_deref().unwrap_or("no message")));
    }
    // The pod's own status knows better what it was evicted for.
    let otherwise = |o: &Owner| {
        let mut own = incident.pods.iter().filter(|p| p.owner.same_pod(o) && p.what.reason.as_deref() == Some("Evicted"));
        own.any(|p| p.what.message.as_deref().is_some_and(|m| !about_memory(m)))
    };
    for (l, resource) in super::reclaim::evicted(incident).filter(|(l, r)| r.is_none_or(|r| r == "memory") && !otherwise(&l.owner)) {
        let short = resource.map_or(String::new(), |r| format!(" (to reclaim {r})"));
        add(&l.owner, l.at.is_known().then_some(l.at), "kubelet log", &l.cite, format!("{}{short}", l.what.text));
    }
}

/// Whether an eviction's message names memory (kubelet, eviction/helpers.go). Disk, process ids, quotas of volumes, preemption
/// and updaters evict, too. A pod that the node refused to start never ran and was not evicted.
fn about_memory(message: &str) -> bool {
    let names = ["resource: memory", "MemoryPressure", "memory.available", "low on memory"];
    let refused = message.contains("was rejected") || message.contains("node had condition");
    names.iter().any(|w| message.contains(w)) && !refused
}

/// `ContainerDied` and `TaskOOM` notices confirm an entry; for a container that a probe keeps killing they are the only
/// trace of the earlier kills.
fn container_deaths(incident: &Incident, kills: &mut Vec<Kill>) {
    for l in incident
        .logs
        .iter()
        .filter(|l| matches!(l.what.pattern, LogPattern::ContainerDied | LogPattern::TaskOom) && l.owner.pod.is_some() && l.at.is_known())
    {
        let near = |k: &&mut Kill| k.owner.same_pod(&l.owner) && k.at.is_some_and(|w| w.near(&l.at, SAME_ENDING));
        if let Some(k) = kills.iter_mut().find(near) {
            witness(
                k,
                if l.what.pattern == LogPattern::TaskOom { "runtime log" } else { "kubelet log" },
                l.cite.clone(),
                l.what.text.clone(),
            );
            continue;
        }
        let owner = match &l.owner.container {
            Some(_) => l.owner.clone(),
            None => Owner { container: only_container(incident, &l.owner), ..l.owner.clone() },
        };
        let Some(event) = probe_event(incident, &owner, Some(l.at)) else { continue };
        if owner.container.is_none() || !within(&event.what, l.at) {
            continue;
        }
        let says = format!("{} ({} times in all)", event.what.message, event.what.count.unwrap_or(1));
        kills.push(Kill {
            at: Some(l.at),
            kind: KillKind::ProbeKill,
            owner,
            count: 1,
            witnesses: vec!["kubelet log", "event"],
            evidence: vec![(l.cite.clone(), l.what.text.clone()), (event.cite.clone(), says)],
            ..Kill::default()
        });
    }
}

/// The kubelet's word that a probe failed and it is killing the container: of a container of which nothing else tells an
/// ending, that is the ending, as often as the event was counted (or once, where a counter of restarts tells the rest).
fn probe_events(incident: &Incident, kills: &mut Vec<Kill>) {
    for e in incident.events.iter().filter(|e| e.owner.pod.is_some() && is_probe_kill(&e.what)) {
        let m = &e.what.message;
        let owner = Owner { container: e.what.container.clone().or_else(|| named_in(m)), ..e.owner.clone() };
        if kills.iter().any(|k| k.owner.same_pod(&owner) && (k.owner.container.is_none() || k.owner.container == owner.container)) {
            continue;
        }
        let counter = |s: &&crate::model::incident::PlacedSeries| {
            s.what.metric == "kube_pod_container_status_restarts_total" && s.owner.same_container(&owner)
        };
        let folded = e.what.count.unwrap_or(1).max(1);
        kills.push(Kill {
            at: e.at.is_known().then_some(e.at),
            kind: KillKind::ProbeKill,
            count: if incident.series.iter().any(|s| counter(&s)) { 1 } else { folded },
            owner,
            witnesses: vec!["event"],
            evidence: vec![(e.cite.clone(), format!("{m} (event counted {})", times(folded)))],
            ..Kill::default()
        });
    }
}

/// Whether a death lies in the span in which an event was counted.
fn within(e: &KubeEvent, at: When) -> bool {
    let stated = |t: &crate::model::RawTime| if let crate::model::RawTime::Utc { at, .. } = t { Some(*at) } else { None };
    match (stated(&e.first), stated(&e.last)) {
        (Some(first), Some(last)) => at.latest >= first.saturating_sub(SAME_ENDING) && at.earliest <= last.saturating_add(SAME_ENDING),
        _ => true,
    }
}

fn only_container(incident: &Incident, owner: &Owner) -> Option<String> {
    let pod = incident.pods.iter().find(|p| p.owner.same_pod(owner) && !p.what.containers.is_empty())?;
    let mut main = pod.what.containers.iter().filter(|c| c.kind == crate::model::pod::ContainerKind::Main);
    match (main.next(), main.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    }
}

/// The witness that a report is which Node.js wrote of its own end.
const REPORT: &str = "Node.js report";

/// Who tells a runtime's last words.
fn teller(incident: &Incident, cite: &Cite) -> &'static str {
    match incident.artifacts.get(cite.span.artifact.0 as usize) {
        Some(a) if a.format == "node-report" => REPORT,
        _ => "application log",
    }
}

/// A runtime that ended itself: its last words, with the end of the run where the status shows it.
fn runtime_aborts(incident: &Incident, kills: &mut Vec<Kill>) {
    for l in incident.logs.iter().filter(|l| l.what.refused_memory() && l.owner.node.as_deref().is_none_or(|_| l.owner.pod.is_some())) {
        let container = l.owner.container.clone().or_else(|| only_container(incident, &l.owner));
        let owner = Owner { container, ..l.owner.clone() };
        let teller = teller(incident, &l.cite);
        let mine = |k: &Kill| match owner.pod {
            Some(_) => k.owner.same_pod(&owner) && (k.owner.container == owner.container || owner.container.is_none()),
            // Words that nobody owns are one process's if they stand in one file, or are its log and the report it wrote.
            None => {
                let told =
                    |c: &Cite| c.span.artifact == l.cite.span.artifact || (teller == REPORT) != (self::teller(incident, c) == REPORT);
                k.owner == owner && k.evidence.iter().any(|(c, _)| told(c))
            }
        };
        let near = |k: &&mut Kill| {
            mine(k)
                && match k.at {
                    Some(w) if l.at.is_known() => w.near(&l.at, SAME_ENDING),
                    _ => k.kind == KillKind::RuntimeAbort,
                }
        };
        if let Some(k) = kills.iter_mut().rev().find(near) {
            k.at = k.at.or_else(|| Some(l.at).filter(When::is_known));
            witness(k, teller, l.cite.clone(), l.what.text.clone());
            continue;
        }
        // Where the status is at hand it has told already which of its endings was one of these; what went on living after
        // the words did not die of them, and of an error that may have been caught nothing more is known.
        let life = life(incident, &owner, l.at);
        if life == Life::Unbroken || (life != Life::Unknown && !l.what.ends_process()) {
            continue;
        }
        let open = (!l.what.ends_process())
            .then(|| (l.cite.clone(), "the error may have been caught: nothing else here shows that the process ended".to_owned()));
        kills.push(Kill {
            at: l.at.is_known().then_some(l.at),
            kind: KillKind::RuntimeAbort,
            owner,
            count: 1,
            victims: l
                .who
                .pid
                .filter(|_| teller == REPORT)
                .map(|pid| Victim { pid: Some(pid), comm: Some("node".into()), ..Victim::default() })
                .into_iter()
                .collect(),
            witnesses: vec![teller],
            evidence: vec![(l.cite.clone(), l.what.text.clone())],
            against: open.into_iter().collect(),
            ..Kill::default()
        });
    }
}

/// What the container's status says of the time in which a log word was written.
#[derive(PartialEq)]
enum Life {
    /// No status of this container is at hand.
    Unknown,
    /// It ended at some time.
    Ended,
    /// It has been running since before, and was never restarted.
    Unbroken,
}

fn life(incident: &Incident, owner: &Owner, at: When) -> Life {
    let found = incident
        .pods
        .iter()
        .filter(|p| p.owner.same_pod(owner))
        .flat_map(|p| &p.what.containers)
        .find(|c| Some(&c.name) == owner.container.as_ref() && c.now.state.is_some());
    let Some(c) = found else { return Life::Unknown };
    let running = c.now.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("running"));
    let since = c.now.started.is_some_and(|t| at.is_known() && t < at.earliest);
    if running && c.restart_count == Some(0) && c.last.is_none() && (since || !at.is_known()) { Life::Unbroken } else { Life::Ended }
}

/// A container's own counter of kills, where nothing else tells of one: the cgroup is made anew with each start, so whatever
/// it counted took children of a container that lived on.
fn counted(incident: &Incident, kills: &mut Vec<Kill>) {
    for c in &incident.cgroups {
        let counts = matches!(c.what.file.as_str(), "memory.events" | "memory.oom_control");
        let Some(n) = c.what.values.get("oom_kill").copied().filter(|n| counts && *n > 0) else { continue };
        let of_container = c.owner.container.is_some() || c.owner.pod.is_none() && c.owner.node.is_none() && c.what.path.is_none();
        let known = |k: &Kill| k.kind.is_memory() && (k.owner.same_pod(&c.owner) || c.owner.pod.is_none());
        if !of_container || kills.iter().any(known) {
            continue;
        }
        kills.push(Kill {
            kind: KillKind::ChildProcess,
            owner: c.owner.clone(),
            limit_level: Some(LimitLevel::Container),
            count: n,
            witnesses: vec!["cgroup counter"],
            evidence: vec![(
                c.cite.clone(),
                format!("{} of the container counts {n} processes killed for memory since it started", c.what.file),
            )],
            against: vec![(c.cite.clone(), "a counter tells neither when nor which processes".into())],
            ..Kill::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_witness_says_stands_at_its_place_among_the_witnesses() {
        let says = |s: &str| (Cite::default(), s.to_owned());
        let mut k = Kill {
            witnesses: vec!["container status"],
            evidence: vec![says("status"), says("an event that bears on it")],
            ..Kill::default()
        };
        witness(&mut k, "kubelet log", Cite::default(), "died".into());
        witness(&mut k, "kubelet log", Cite::default(), "died again".into());
        let told: Vec<&str> = k.evidence.iter().map(|(_, s)| s.as_str()).collect();
        assert_eq!(
            (k.witnesses.as_slice(), told.as_slice()),
            (&["container status", "kubelet log"][..], &["status", "died", "an event that bears on it"][..])
        );
    }
}
