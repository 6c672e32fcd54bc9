//! The cycle in which a node service dies of its own growth and takes the node's calm with it: growth and a slow pod
//! lifecycle generator (pre-OOM), the kill in its own cgroup (active), the storm of reconciliation when the restarted
//! service lists every pod anew, then recovery or the next kill. A workload's cycle leaves the service alone, so only kills
//! in a service's own cgroup begin one.

use crate::model::cgroup_path;
use crate::model::incident::{AgentCycle, AgentStage};
use crate::model::kill::Kill;
use crate::model::log::LogPattern;
use crate::model::oom::{KillKind, NODE_AGENTS};
use crate::model::quantity::{human, human_seconds};
use crate::model::time::{HOUR, MINUTE, SECOND};
use crate::model::trend::TrendVerdict;
use crate::model::{Cite, Incident, Owner, Placed, Timestamp, When};

/// Signs of distress count this long before the kill.
const BEFORE: i64 = 30 * MINUTE;
/// A service manager restarts a dead service within this.
const RESTART: i64 = 10 * MINUTE;
/// The restarted service lists, kills and restarts within this.
const STORM: i64 = 10 * MINUTE;
/// A kill this soon after the restart belongs to the same cycle of growth.
const AGAIN: i64 = HOUR;
/// Quotes per stage.
const CITES: usize = 4;

/// Fills [`Incident::agent_cycles`], by node, service and time.
pub fn cycles(incident: &mut Incident) {
    let mut deaths: Vec<(Owner, String, When, usize)> = incident
        .kills
        .iter()
        .enumerate()
        .filter(|(_, k)| k.kind == KillKind::MemcgService)
        .filter_map(|(i, k)| Some((Owner::node(k.owner.node.as_deref()?), service(incident, k), k.at.filter(When::is_known)?, i)))
        .collect();
    deaths.sort_by(|a, b| (&a.0, &a.1, a.2.earliest, a.3).cmp(&(&b.0, &b.1, b.2.earliest, b.3)));
    let mut out = Vec::new();
    for (n, (owner, service, at, kill)) in deaths.iter().enumerate() {
        let next = deaths.get(n + 1).filter(|d| d.0 == *owner && d.1 == *service).map(|d| d.2);
        let Some(k) = incident.kills.get(*kill) else { continue };
        // What preceded an earlier death belongs to that one.
        let since = n.checked_sub(1).and_then(|p| deaths.get(p)).filter(|d| d.0 == *owner && d.1 == *service).map(|d| d.2.latest);
        out.push(cycle(incident, owner, service, (*at, since), k, next));
    }
    incident.agent_cycles = out;
}

/// The service's name: its unit, or the cgroup it was given, or the process that died.
pub fn service(incident: &Incident, k: &Kill) -> String {
    let report = k.report(incident);
    let path = report.and_then(|r| r.what.task_memcg.as_deref().or(r.what.oom_memcg.as_deref()));
    let unit = path.and_then(|p| p.split('/').filter_map(|s| s.strip_suffix(".service")).next_back());
    let hint =
        || k.told.iter().find_map(|t| t.cite.excerpt.split_whitespace().find_map(|w| w.strip_suffix(".service:")).map(str::to_owned));
    unit.map(str::to_owned)
        .or_else(|| k.victims.first().and_then(|v| v.comm.clone()))
        .or_else(hint)
        .unwrap_or_else(|| "a node service".into())
}

/// Whether a report without a cgroup is of a node service: its name, and the score that only such services are given.
pub fn unnamed_service(comm: Option<&str>, adj: Option<i32>) -> bool {
    comm.is_some_and(|c| NODE_AGENTS.contains(&c)) && adj.is_some_and(|a| a <= -900)
}

/// A unit that names no pod's scope.
pub fn unit_of(hint: &str) -> Option<&str> {
    let stem = hint.strip_suffix(".service")?;
    cgroup_path::parse(hint).container_id.is_none().then_some(stem)
}

fn cycle(
    incident: &Incident,
    owner: &Owner,
    service: &str,
    (at, since): (When, Option<Timestamp>),
    k: &Kill,
    next: Option<When>,
) -> AgentCycle {
    let before = at.earliest.saturating_sub(BEFORE).max(since.unwrap_or(Timestamp::MIN));
    let here = |o: &Owner| o.node == owner.node;
    let mut stages = Vec::new();
    let mut stage = |kind: &'static str, at: When, says: Vec<String>, cites: Vec<Cite>| {
        if !says.is_empty() {
            stages.push(AgentStage { kind, at, says: says.join("; "), cites });
        }
    };
    let (mut says, mut cites) = (Vec::new(), Vec::new());
    let mut from = at.earliest;
    let grows = incident.trends.iter().find(|t| {
        t.owner.pod.is_none()
            && t.owner.container.is_some()
            && here(&t.owner)
            && t.verdict == TrendVerdict::Leak
            && names(&t.owner, service)
    });
    if let Some(t) = grows {
        says.push(format!("its resident memory grew {}/h", human(t.slope.map_or(0.0, |s| s.mid))));
        cites.push(t.cite.clone());
        from = t.onset.map_or(from, |o| o.min(from));
    }
    let pleg: Vec<_> = logs(incident, owner, before, at.latest, &[LogPattern::PlegUnhealthy]);
    if let Some(first) = pleg.first() {
        says.push(format!("the pod lifecycle generator was reported unhealthy {} {}", pleg.len(), times(pleg.len())));
        cites.extend(pleg.iter().map(|l| l.cite.clone()).take(CITES));
        from = from.min(first.at.earliest);
    }
    stage("pre-oom", When { earliest: from, latest: at.earliest, basis: at.basis }, says, cites);
    let killed = k.told.first();
    stage(
        "active",
        at,
        vec![killed.map_or_else(|| format!("{service} was killed"), |t| t.says.clone())],
        killed.map(|t| t.cite.clone()).into_iter().collect(),
    );
    let until = next.map_or(at.latest.saturating_add(RESTART), |n| n.earliest.min(at.latest.saturating_add(RESTART)));
    let started = started(incident, owner, service, at, until);
    if let Some((start, cite)) = &started {
        let end = next.map_or(start.latest.saturating_add(STORM), |n| n.earliest.min(start.latest.saturating_add(STORM)));
        let count = |patterns: &[LogPattern]| logs(incident, owner, start.earliest, end, patterns);
        let (died, probes, pods) =
            (count(&[LogPattern::ContainerDied]), count(&[LogPattern::ProbeFailed]), count(&[LogPattern::PodsListed]));
        let listed = pods.iter().flat_map(|l| l.what.numbers.iter().filter(|n| n.0 == "pods").map(|n| n.1)).fold(0.0, f64::max);
        let slow = count(&[LogPattern::PlegUnhealthy]).len();
        let not_ready = incident.events.iter().any(|e| {
            e.what.reason == "NodeNotReady" && here(&e.owner) && e.at.is_known() && e.at.latest >= at.earliest && e.at.earliest <= end
        });
        let mut says = vec![format!("restarted {} after the kill", human_seconds(seconds(start.earliest.0, at.earliest.0)))];
        for (n, what) in [
            (listed as usize, "pods listed anew"),
            (died.len(), "container deaths seen"),
            (probes.len(), "probes failed"),
            (slow, "slow relists"),
        ] {
            if n > 0 {
                says.push(format!("{n} {what} within {}", human_seconds(seconds(end.0, start.earliest.0))));
            }
        }
        if not_ready {
            says.push("the node was marked not ready".into());
        }
        let mut cites = vec![cite.clone()];
        cites.extend(pods.iter().chain(&died).chain(&probes).map(|l| l.cite.clone()).take(CITES));
        stage("reconciliation", When { latest: end, ..*start }, says, cites);
    }
    let since = started.as_ref().map_or(at, |s| s.0);
    let last = last_word(incident, owner);
    let outcome = match next.filter(|n| n.earliest.0.saturating_sub(since.earliest.0) <= AGAIN) {
        Some(n) => {
            stage(
                "re-oom",
                n,
                vec![format!("killed again {} after the restart", human_seconds(seconds(n.earliest.0, since.earliest.0)))],
                Vec::new(),
            );
            "re-oom"
        }
        None => match last.filter(|(w, _)| w.latest.0.saturating_sub(since.latest.0) >= STORM) {
            Some((w, cite)) => {
                let calm = next.map_or(w.latest, |n| n.earliest.min(w.latest));
                let says = format!("no further kill of it for {}", human_seconds(seconds(calm.0, since.latest.0)));
                stage("recovery", When { earliest: since.latest, latest: calm, basis: since.basis }, vec![says], vec![cite]);
                "recovery"
            }
            None => "open",
        },
    };
    AgentCycle { owner: owner.clone(), service: service.to_owned(), stages, outcome }
}

fn seconds(later: i64, earlier: i64) -> f64 {
    (later.saturating_sub(earlier).max(0) / SECOND) as f64
}

fn times(n: usize) -> &'static str {
    if n == 1 { "time" } else { "times" }
}

/// A process's series bears the service's name in its job or container label.
fn names(owner: &Owner, service: &str) -> bool {
    owner.container.as_deref().or(owner.workload.as_deref()).is_none_or(|c| c.contains(service) || service.contains(c))
}

fn logs<'a>(
    incident: &'a Incident,
    owner: &Owner,
    from: Timestamp,
    to: Timestamp,
    patterns: &[LogPattern],
) -> Vec<&'a Placed<crate::model::log::LogWord>> {
    incident
        .logs
        .iter()
        .filter(|l| patterns.contains(&l.what.pattern) && (l.owner.node == owner.node || l.who.node.as_deref() == owner.node.as_deref()))
        .filter(|l| l.at.is_known() && l.at.earliest >= from && l.at.earliest <= to)
        .collect()
}

/// When the service came back: systemd's word, or the kubelet's event.
fn started(incident: &Incident, owner: &Owner, service: &str, at: When, until: Timestamp) -> Option<(When, Cite)> {
    let words = logs(incident, owner, at.earliest, until, &[LogPattern::ServiceStarted]);
    let mine = |hint: Option<&str>| hint.is_none_or(|h| unit_of(h).is_none_or(|u| u == service || service.starts_with(u)));
    let word = words.iter().find(|l| mine(l.who.workload_hint.as_deref())).map(|l| (l.at, l.cite.clone()));
    let event = || {
        incident
            .events
            .iter()
            .filter(|e| {
                e.what.reason == "Starting" && e.what.message.to_ascii_lowercase().contains("kubelet") && service.contains("kubelet")
            })
            .filter(|e| e.owner.node == owner.node && e.at.is_known() && e.at.earliest >= at.earliest && e.at.earliest <= until)
            .map(|e| (e.at, e.cite.clone()))
            .next()
    };
    word.or_else(event)
}

/// The last sign of life from the node: how long it was watched.
fn last_word(incident: &Incident, owner: &Owner) -> Option<(When, Cite)> {
    let logs = incident.logs.iter().filter(|l| l.owner.node == owner.node && l.at.is_known()).map(|l| (l.at, &l.cite));
    let events = incident.events.iter().filter(|e| e.owner.node == owner.node && e.at.is_known()).map(|e| (e.at, &e.cite));
    let nodes = incident.nodes.iter().filter(|n| Some(n.what.name.as_str()) == owner.node.as_deref()).filter_map(|n| {
        let t = n.what.conditions.iter().filter(|c| c.kind == "Ready" && c.status == "True").filter_map(|c| c.heartbeat).max()?;
        Some((When::at(t), &n.cite))
    });
    logs.chain(events).chain(nodes).max_by(|a, b| (a.0.latest, a.1).cmp(&(b.0.latest, b.1))).map(|(w, c)| (w, c.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Claim;
    use crate::model::kill::{Told, Witness};
    use crate::model::log::LogWord;
    use crate::model::oom::{OomKill, Victim};
    use crate::model::time::Basis;

    fn at(s: i64) -> When {
        When { earliest: Timestamp(s * SECOND), latest: Timestamp(s * SECOND), basis: Basis::Stated }
    }

    fn placed<T>(t: i64, what: T) -> Placed<T> {
        Placed { at: at(t), owner: Owner::node("n1"), who: Claim::default(), cite: Cite::default(), what }
    }

    fn word(t: i64, pattern: LogPattern) -> Placed<LogWord> {
        let numbers = if pattern == LogPattern::PodsListed { vec![("pods", 40.0)] } else { Vec::new() };
        placed(t, LogWord { pattern, text: String::new(), numbers })
    }

    #[test]
    fn a_kubelet_that_dies_twice_shows_every_stage() {
        let mut incident = Incident::default();
        for (i, t) in [10_000, 10_120].into_iter().enumerate() {
            let what = OomKill { task_memcg: Some("/system.slice/kubelet.service".into()), ..OomKill::default() };
            incident.oom_reports.push(placed(t, what));
            incident.kills.push(Kill {
                at: Some(at(t)),
                kind: KillKind::MemcgService,
                owner: Owner::node("n1"),
                victims: vec![Victim { comm: Some("kubelet".into()), ..Victim::default() }],
                report: Some(i),
                told: vec![Told::by(Witness::Kernel, Cite::default(), "the kernel killed process 7 (kubelet)")],
                ..Kill::default()
            });
        }
        incident.logs = vec![
            word(9_000, LogPattern::PlegUnhealthy),
            word(10_010, LogPattern::ServiceStarted),
            word(10_012, LogPattern::PodsListed),
            word(10_020, LogPattern::ContainerDied),
            word(10_130, LogPattern::ServiceStarted),
            word(19_000, LogPattern::Note),
        ];
        cycles(&mut incident);
        let kinds: Vec<Vec<&str>> = incident.agent_cycles.iter().map(|c| c.stages.iter().map(|s| s.kind).collect()).collect();
        assert_eq!(kinds, [vec!["pre-oom", "active", "reconciliation", "re-oom"], vec!["active", "reconciliation", "recovery"]]);
        assert_eq!(incident.agent_cycles[0].outcome, "re-oom");
        let storm = &incident.agent_cycles[0].stages[2].says;
        assert!(storm.contains("40 pods listed anew") && storm.contains("1 container deaths seen"), "{storm}");
    }

    #[test]
    fn agents_are_known_by_name_and_score() {
        assert!(unnamed_service(Some("kubelet"), Some(-999)));
        assert!(!unnamed_service(Some("kubelet"), Some(1000)), "a kubelet inside a pod is a workload");
        assert!(!unnamed_service(Some("java"), Some(-999)));
        assert_eq!(unit_of("kubelet.service"), Some("kubelet"));
    }
}
