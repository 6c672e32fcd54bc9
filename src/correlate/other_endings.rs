//! Endings that memory is not known to have caused: a SIGKILL of an unknown sender, a crash, a stop on request, an eviction
//! for disk. They are no kills of the ledger, but a report that says nothing was killed must know of them. Built from
//! what the kills left over, each with the reading of `endings` in words.

use super::endings;
use crate::correlate::kills::SAME_ENDING;
use crate::model::incident::OtherEnding;
use crate::model::kill::Kill;
use crate::model::oom::KillKind;
use crate::model::pod::{ContainerRun, ContainerState, PodState};
use crate::model::series::WORKING_SET;
use crate::model::time::{Basis, MINUTE, SECOND};
use crate::model::{Cite, Incident, Index, Owner, Placed, When};

/// Reasons by which a pod as a whole ended, with their message in its status.
const OF_PODS: &[&str] = &["Evicted", "Preempting", "Preempted", "Terminated", "NodeShutdown", "NodeLost", "DeadlineExceeded"];

/// Fills [`Incident::other_endings`], once kills are known; in the order of pods and events.
pub fn gather(incident: &mut Incident) {
    let found = gathered(&Index::of(incident));
    incident.other_endings = found;
}

fn gathered(incident: &Index<'_>) -> Vec<OtherEnding> {
    let mut out: Vec<OtherEnding> = Vec::new();
    for p in &incident.pods {
        for c in &p.what.containers {
            for run in [c.last.as_ref(), Some(&c.now)].into_iter().flatten().chain(&c.past) {
                out.extend(of_container(incident, p, c, run));
            }
        }
        out.extend(of_pod(incident, p));
    }
    for e in incident.events.iter().filter(|e| e.what.reason == "Evicted" || e.what.reason == "Preempted") {
        let told = out.iter().any(|o| o.owner.same_pod(&e.owner) && o.owner.container.is_none()) || evicted(incident, &e.owner);
        if e.owner.pod.is_some() && !told {
            out.push(eviction(&e.owner, e.at.is_known().then_some(e.at), &e.what.message, &e.cite));
        }
    }
    for (l, resource) in super::reclaim::evicted(incident) {
        let told = out.iter().any(|o| o.owner.same_pod(&l.owner) && o.owner.container.is_none()) || evicted(incident, &l.owner);
        if let Some(resource) = resource.filter(|r| *r != "memory" && !told) {
            let says = format!("the kubelet reclaimed {resource} on the node");
            out.push(eviction(&l.owner, l.at.is_known().then_some(l.at), &says, &l.cite));
        }
    }
    let counted = by_metrics(incident, &out);
    out.extend(counted);
    out
}

/// Restarts whose exit code only kube-state-metrics tells, and that no other witness does.
fn by_metrics(incident: &Incident, told: &[OtherEnding]) -> Vec<OtherEnding> {
    let mut out = Vec::new();
    for t in incident.trends.iter().filter(|t| t.owner.container.is_some() && t.metric == WORKING_SET) {
        let of = |metric: &'static str| incident.series.iter().filter(move |s| s.what.metric == metric && s.owner.same_container(&t.owner));
        for at in &t.restarts {
            let when = When { earliest: *at, latest: *at, basis: Basis::Stated };
            let near = |w: Option<When>| w.is_none_or(|w| w.near(&when, KSM_LATE));
            let known = incident
                .kills
                .iter()
                .any(|k| (k.owner.same_container(&t.owner) || k.owner.same_pod(&t.owner) && k.owner.container.is_none()) && near(k.at))
                || told.iter().any(|o| o.owner.same_pod(&t.owner) && near(o.at));
            let ms = at.0.div_euclid(1_000_000);
            // The metric tells of the last ending, from the scrape after it on.
            let after = |t: i64| t >= ms && t <= ms.saturating_add(KSM_LATE / 1_000_000);
            let code = of("kube_pod_container_status_last_terminated_exitcode")
                .filter_map(|s| Some((s, s.what.finite().filter(|(t, _)| after(*t)).last()?.1)))
                .next();
            let Some((s, code)) = code.filter(|(_, code)| *code != 0.0 && !known) else { continue };
            let code = code as i32;
            let reason = of("kube_pod_container_status_last_terminated_reason")
                .filter(|s| s.what.finite().any(|(t, v)| v > 0.0 && after(t)))
                .find_map(|s| s.what.label("reason"));
            let container = t.owner.container.as_deref().unwrap_or("?");
            let who = match code {
                137 => ": something sent SIGKILL; nothing here tells who",
                143 => ": it was told to stop",
                _ => "",
            };
            let reason = reason.map_or(String::new(), |r| format!(", reason {r}"));
            out.push(OtherEnding {
                at: Some(when),
                owner: t.owner.clone(),
                says: format!("container {container} restarted at {} UTC with exit code {code}{reason}{who}", at.human()),
                code: Some(code),
                stop: code == 143,
                known: code != 137,
                cite: s.cite.clone(),
            });
        }
    }
    out
}

/// kube-state-metrics tells of an ending with its next scrape, and some scrapes are five minutes apart.
const KSM_LATE: i64 = 10 * MINUTE;

fn evicted(incident: &Index<'_>, owner: &Owner) -> bool {
    incident.kills_of(owner).any(|k| k.kind == KillKind::Eviction)
}

fn eviction(owner: &Owner, at: Option<When>, message: &str, cite: &Cite) -> OtherEnding {
    let (refused, text) = (message.contains("was rejected"), message.trim().trim_end_matches('.'));
    let says = if refused { format!("the node refused to start it: {text}") } else { format!("the pod was evicted: {text}") };
    OtherEnding { at, owner: Owner { container: None, ..owner.clone() }, says, known: true, cite: cite.clone(), ..OtherEnding::default() }
}

fn of_pod(incident: &Index<'_>, p: &Placed<PodState>) -> Option<OtherEnding> {
    let reason = p.what.reason.as_deref().filter(|r| OF_PODS.contains(r))?;
    if evicted(incident, &p.owner) {
        return None;
    }
    Some(eviction(&p.owner, None, p.what.message.as_deref().unwrap_or(reason), &p.cite))
}

fn of_container(incident: &Index<'_>, p: &Placed<PodState>, c: &ContainerState, run: &ContainerRun) -> Option<OtherEnding> {
    let ended = run.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("terminated")) || run.finished.is_some();
    let code = run.exit_code.filter(|code| ended && *code != 0)?;
    let owner = Owner { container: Some(c.name.clone()), ..p.owner.clone() };
    let at = run.finished.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
    let explained = |k: &Kill| {
        (k.owner.container == owner.container || k.owner.container.is_none()) && k.at.zip(at).is_none_or(|(a, b)| a.near(&b, SAME_ENDING))
    };
    if incident.kills_of(&owner).any(explained) {
        return None;
    }
    let ending = endings::classify(incident, p, c, run);
    // A pod's own ending stands for those of its containers.
    if !matches!(ending.kind, None | Some(KillKind::Sigterm)) || p.what.reason.as_deref().is_some_and(|r| OF_PODS.contains(&r)) {
        return None;
    }
    let mut cite = p.cite.clone();
    if let Some(offset) = c.offset {
        cite.span.offset = offset;
        cite.span.line = c.line;
    }
    cite.excerpt = format!("{}: {} exitCode {code}", c.name, run.reason.as_deref().unwrap_or("Terminated")).into();
    let signal = match code {
        134 => " (SIGABRT)",
        137 => " (SIGKILL)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    let restarts = c.restart_count.filter(|n| *n > 1).map_or(String::new(), |n| format!(", {n} restarts in all"));
    let says = format!("container {} ended with exit code {code}{signal}{restarts}: {}", c.name, ending.says);
    let stop = ending.kind == Some(KillKind::Sigterm);
    // A code that was made up tells of nothing; what took the container away may be known all the same.
    let made_up = matches!((run.reason.as_deref(), code), (Some("ContainerStatusUnknown"), _) | (Some("Unknown"), 255));
    let lost = made_up && ending.told.is_empty();
    Some(OtherEnding { at, owner, says, code: Some(code), stop, known: !lost && (stop || code != 137), cite })
}
