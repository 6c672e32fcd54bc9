//! Endings by the status that Kubernetes keeps: terminated states of containers, and what the STATUS column of a table shows.
//! A status confirms the kernel's report near it in time or stands alone; what it means alone is read by [`endings`].

use super::gather::Kills;
use super::{SAME_ENDING, only_container};
use crate::correlate::{endings, limits};
use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{KillKind, LimitLevel};
use crate::model::pod::{ContainerRun, ContainerState, PodState};
use crate::model::quantity::human_bytes;
use crate::model::time::{Basis, SECOND};
use crate::model::{Cite, Index, Owner, Placed, When};

/// From this many restarts on, stops on request are worth an entry.
const REPEATED: u64 = 3;

/// Terminated states of containers: confirm a kernel entry or stand alone.
pub(super) fn endings(incident: &Index<'_>, kills: &mut Kills) {
    for p in &incident.pods {
        for c in &p.what.containers {
            for run in [c.last.as_ref(), Some(&c.now)].into_iter().flatten().chain(&c.past) {
                let ended = run.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("terminated")) || run.finished.is_some();
                // A container engine says so of one that lives on.
                if ended || run.reason.as_deref() == Some("OOMKilled") {
                    ending(incident, kills, p, c, run);
                }
            }
        }
    }
}

fn ending(incident: &Index<'_>, kills: &mut Kills, p: &Placed<PodState>, c: &ContainerState, run: &ContainerRun) {
    let owner = Owner { container: Some(c.name.clone()), ..p.owner.clone() };
    let at = run.finished.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
    let cite = status_cite(p, c, run);
    let says = status_sentence(c, run);
    let apart = |k: &Kill| {
        let (a, b) = k.at.zip(at).filter(|(a, b)| a.near(b, SAME_ENDING))?;
        (k.owner.container.is_none() || k.owner.container == owner.container).then(|| a.earliest.0.saturating_sub(b.earliest.0).abs())
    };
    let nearest = kills.of_pod(&owner).filter_map(|(i, k)| Some((apart(k)?, i))).min().map(|(_, i)| i);
    if let Some(k) = nearest.and_then(|i| kills.get_mut(i)) {
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
        k.hear(Witness::ContainerStatus, cite, says);
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
    let mut told = vec![Told::by(Witness::ContainerStatus, cite, says)];
    told.extend(ending.told.into_iter().filter(|t| t.cite.span != status));
    kills.add(Kill {
        at,
        kind,
        owner,
        victims: Vec::new(),
        limit_level: level,
        limit_bytes: limit.bytes.filter(|_| kind.is_memory() && kind != KillKind::NodeOom),
        count: 1,
        exit_code: run.exit_code,
        started: run.started,
        told,
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

/// The STATUS column of `get pods` is all that a table tells of a kill: which pod, neither which container nor when.
pub(super) fn printed(incident: &Index<'_>, kills: &mut Kills) {
    for p in &incident.pods {
        let now = p.what.status.as_ref().map(|s| (s, &p.cite));
        let killed = now.into_iter().chain(p.what.past_status.iter().map(|(s, c)| (s, c))).find(|(s, _)| s.ends_with("OOMKilled"));
        let Some((status, cite)) = killed.filter(|_| kills.of_pod(&p.owner).next().is_none()) else { continue };
        let whose = if status.starts_with("Init:") { "an init container" } else { "a container" };
        kills.add(Kill {
            kind: KillKind::MemcgContainer,
            owner: Owner { container: only_container(incident, &p.owner), ..p.owner.clone() },
            limit_level: Some(LimitLevel::Container),
            count: 1,
            told: vec![Told::by(
                Witness::PodStatus,
                cite.clone(),
                format!("kubectl prints the status {status}: {whose} of the pod was killed for memory"),
            )],
            against: vec![Told::aside(
                cite.clone(),
                "the column shows neither container, time nor exit code; an evicted pod may show it, too",
            )],
            ..Kill::default()
        });
    }
}
