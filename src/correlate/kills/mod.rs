//! Endings: kernel reports, container states, events and log words joined into one entry per ending.
//! The kernel log is the witness of record; every other witness either confirms one of its entries or adds one it missed.

mod aborts;
mod evictions;
mod kernel;
mod probes;
mod supervisors;
pub(super) mod untold;

use super::{endings, limits, node_events, rhythm};
use crate::model::incident::Kill;
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::pod::{ContainerRun, ContainerState, PodState};
use crate::model::quantity::human_bytes;
use crate::model::time::{Basis, MINUTE, SECOND, WrittenTime};
use crate::model::{Cite, Incident, Owner, Placed, Timestamp, When};

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
    evictions::evictions(incident, &mut kills);
    printed_status(incident, &mut kills);
    probes::container_deaths(incident, &mut kills);
    probes::probe_events(incident, &mut kills);
    aborts::runtime_aborts(incident, &mut kills);
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
    probes::probe_counts(incident, &mut kills);
    kills.sort_by_cached_key(key);
    incident.kills = kills;
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

fn only_container(incident: &Incident, owner: &Owner) -> Option<String> {
    let pod = incident.pods.iter().find(|p| p.owner.same_pod(owner) && !p.what.containers.is_empty())?;
    let mut main = pod.what.containers.iter().filter(|c| c.kind == crate::model::pod::ContainerKind::Main);
    match (main.next(), main.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    }
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
