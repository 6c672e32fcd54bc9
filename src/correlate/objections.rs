//! What speaks against each reading of an ending. A kill is never only confirmed: the container's own exit code, the node's
//! log where it covers the moment and is silent, a probe that failed just then, or a working set far from the limit may
//! say otherwise. Nothing is decided here; the report shows both sides.

use crate::correlate::kills::SAME_ENDING;
use crate::model::incident::PlacedSeries;
use crate::model::kill::{Kill, Told};
use crate::model::log::LogPattern;
use crate::model::oom::KillKind;
use crate::model::pod::{ContainerRun, ContainerState, KubeEvent, PodState};
use crate::model::quantity::{human, human_bytes};
use crate::model::series::WORKING_SET;
use crate::model::time::{Basis, MINUTE, SECOND};
use crate::model::{ArtifactId, Cite, Incident, Index, Owner, Placed, Timestamp, When};
use std::collections::BTreeMap;

/// A scrape before the kill still speaks of it.
const RECENT: i64 = 5 * MINUTE;
/// Share of the limit below which the last scrape before a kill is told as an objection: within one scrape few programs take
/// two fifths of their limit.
const FAR: f64 = 0.6;
/// Share from which on another ending may well have been for memory.
const AT_LIMIT: f64 = 0.95;
/// Grace period of a pod that sets none, in seconds.
const GRACE: i64 = 30;

/// Fills [`Kill::against`] of every ending.
pub fn hear(incident: &mut Incident) {
    let mut kills = std::mem::take(&mut incident.kills);
    let covered = Covered::of(incident);
    let index = Index::of(incident);
    for k in &mut kills {
        let found = objections(&index, &covered, k);
        for (cite, says) in found {
            if !k.against.iter().any(|have| have.says == says) {
                k.against.push(Told::aside(cite, says));
            }
        }
    }
    incident.kills = kills;
}

fn objections(incident: &Index<'_>, covered: &Covered, k: &Kill) -> Vec<(Cite, String)> {
    let mut out = Vec::new();
    let pod = incident.pods_of(&k.owner).find(|p| !p.what.containers.is_empty());
    let run = pod.and_then(|p| {
        let c = p.what.containers.iter().find(|c| Some(&c.name) == k.owner.container.as_ref())?;
        Some((p, c, run_of(c, k)?))
    });
    let at_limit = matches!(k.kind, KillKind::MemcgContainer | KillKind::OomGroup);
    if let Some((p, c, run)) = run {
        let cite = || status(p, c);
        match (k.kind, run.exit_code) {
            _ if at_limit && run.exit_code.is_some_and(|e| e != 137) => out.push((
                cite(),
                format!(
                    "the container's exit code is {}, not 137: its first process was not the one that was killed",
                    run.exit_code.unwrap_or_default()
                ),
            )),
            (KillKind::RuntimeAbort, Some(137)) => {
                out.push((cite(), "exit code 137 is a SIGKILL from outside; a runtime that gives up leaves another code".into()));
            }
            _ => {}
        }
        let reason = run.reason.as_deref().unwrap_or("none");
        if k.is_told_by_kernel() && k.kind != KillKind::ChildProcess && reason != "OOMKilled" && run.exit_code == Some(137) {
            out.push((cite(), format!("the container status gives the reason {reason}, not OOMKilled")));
        }
        if matches!(k.kind, KillKind::ProbeKill | KillKind::Sigterm) && reason == "OOMKilled" {
            out.push((cite(), "the container status gives the reason OOMKilled".into()));
        }
    }
    if at_limit || k.kind == KillKind::MemcgPod {
        out.extend(probe(incident, k));
    }
    if matches!(k.kind, KillKind::ProbeKill | KillKind::Sigterm) && k.exit_code == Some(137) {
        out.extend(too_soon(incident, k));
    }
    if !k.is_told_by_kernel() && by_kernel(k.kind) {
        out.extend(covered.silence(incident, k));
    }
    out.extend(far_from_limit(incident, k));
    out
}

/// Endings of which the kernel writes a report.
fn by_kernel(kind: KillKind) -> bool {
    matches!(kind, KillKind::MemcgContainer | KillKind::MemcgPod | KillKind::NodeOom | KillKind::OomGroup | KillKind::ChildProcess)
}

/// The run that ended with this kill.
fn run_of<'a>(c: &'a ContainerState, k: &Kill) -> Option<&'a ContainerRun> {
    let at = k.at?;
    let near = |r: &&ContainerRun| r.finished.is_some_and(|t| When { earliest: t, latest: t, basis: Basis::Stated }.near(&at, SAME_ENDING));
    [Some(&c.now), c.last.as_ref()].into_iter().flatten().chain(&c.past).find(near)
}

fn status(p: &Placed<PodState>, c: &ContainerState) -> Cite {
    let mut cite = p.cite.clone();
    if let Some(offset) = c.offset {
        cite.span.offset = offset;
        cite.span.line = c.line;
    }
    cite
}

/// Events of the kubelet that stop this container because of a probe, near the kill.
fn probe_events<'a>(incident: &'a Index<'a>, k: &'a Kill, slack: i64) -> impl Iterator<Item = &'a Placed<KubeEvent>> {
    incident.events_of(&k.owner).filter(move |e| {
        e.what.reason == "Killing"
            && e.what.message.contains(" probe")
            && k.owner.container.as_deref().is_none_or(|c| e.what.names_container(c))
            && k.at.is_some_and(|at| e.at.is_known() && e.at.width() <= 10 * MINUTE && e.at.near(&at, slack))
    })
}

fn probe(incident: &Index<'_>, k: &Kill) -> Option<(Cite, String)> {
    let e = probe_events(incident, k, MINUTE).next()?;
    Some((e.cite.clone(), format!("the kubelet was stopping it for a failed probe at that time: {}", e.what.message)))
}

/// A process that is asked to stop and does not is killed when its grace period is over, not before.
fn too_soon(incident: &Index<'_>, k: &Kill) -> Option<(Cite, String)> {
    let at = k.at?;
    let e = incident
        .events_of(&k.owner)
        .find(|e| e.what.reason == "Killing" && e.at.is_known() && e.at.width() < 2 * SECOND && e.at.near(&at, 10 * MINUTE))?;
    let seconds = at.latest.0.saturating_sub(e.at.earliest.0) / SECOND;
    (0..GRACE / 3).contains(&seconds).then(|| {
        (e.cite.clone(), format!("it was gone {seconds} s after the event Killing, before a usual grace period of {GRACE} s was over"))
    })
}

/// Spans of time that a node's kernel log covers, by node; between two of its own facts a log was being written.
struct Covered {
    nodes: BTreeMap<String, Vec<(ArtifactId, When, Cite)>>,
}

impl Covered {
    fn of(incident: &Incident) -> Covered {
        let mut spans: BTreeMap<(String, ArtifactId), (When, Cite)> = BTreeMap::new();
        let mut see = |node: Option<&String>, at: When, cite: &Cite| {
            let Some(node) = node.filter(|_| at.is_known()) else { return };
            let slot = spans.entry((node.clone(), cite.span.artifact)).or_insert_with(|| (at, cite.clone()));
            slot.0.earliest = slot.0.earliest.min(at.earliest);
            slot.0.latest = slot.0.latest.max(at.latest);
        };
        let kernel: Vec<ArtifactId> = incident.artifacts.iter().filter(|a| a.format == "kernel-log").map(|a| a.id).collect();
        for r in incident.oom_reports.iter().filter(|r| kernel.contains(&r.cite.span.artifact)) {
            see(r.owner.node.as_ref(), r.at, &r.cite);
        }
        for l in incident.logs.iter().filter(|l| kernel.contains(&l.cite.span.artifact)) {
            see(l.owner.node.as_ref(), l.at, &l.cite);
        }
        let mut nodes: BTreeMap<String, Vec<(ArtifactId, When, Cite)>> = BTreeMap::new();
        for ((node, artifact), (at, cite)) in spans {
            nodes.entry(node).or_default().push((artifact, at, cite));
        }
        Covered { nodes }
    }

    /// The node's log spans the moment, and holds no report near it.
    fn silence(&self, incident: &Incident, k: &Kill) -> Option<(Cite, String)> {
        let (at, node) = (k.at?, k.owner.node.as_ref()?);
        let (artifact, _, cite) =
            self.nodes.get(node)?.iter().find(|(_, w, _)| {
                w.earliest.saturating_add(SAME_ENDING) < at.earliest && at.latest < w.latest.saturating_sub(SAME_ENDING)
            })?;
        let any = incident.oom_reports.iter().any(|r| r.owner.node.as_ref() == Some(node) && r.at.near(&at, SAME_ENDING));
        let lost = incident
            .logs
            .iter()
            .any(|l| l.what.pattern == LogPattern::MessagesLost && l.cite.span.artifact == *artifact && l.at.near(&at, 10 * MINUTE));
        let but = if lost { "; messages were lost around that time" } else { "" };
        (!any).then(|| (cite.clone(), format!("the kernel log of {node} covers this moment and shows no kill{but}")))
    }
}

/// The last scrape before the end, against the limit.
fn far_from_limit(incident: &Index<'_>, k: &Kill) -> Option<(Cite, String)> {
    let at_limit = matches!(k.kind, KillKind::MemcgContainer | KillKind::OomGroup) && k.usage_bytes.is_none();
    let elsewhere = matches!(k.kind, KillKind::ProbeKill | KillKind::Sigterm);
    if !at_limit && !elsewhere {
        return None;
    }
    let (at, limit) = (k.at?, k.limit_bytes.or_else(|| spec_limit(incident, &k.owner)).filter(|l| *l > 0)?);
    let until = at.earliest.0.div_euclid(1_000_000);
    let mine = |s: &&PlacedSeries| s.what.metric == WORKING_SET && s.owner.same_container(&k.owner);
    let (t, v, cite) = incident
        .series_of(&k.owner)
        .filter(mine)
        .filter_map(|s| s.what.finite().take_while(|(t, _)| *t <= until).last().map(|(t, v)| (t, v, &s.cite)))
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))?;
    let age = at.earliest.0.saturating_sub(t.saturating_mul(1_000_000));
    if age > RECENT {
        return None;
    }
    let share = v / limit as f64;
    let when = Timestamp(t.saturating_mul(1_000_000)).human();
    if at_limit && share < FAR {
        let says = format!(
            "the last scrape before it, at {when} UTC, showed {}, {:.0} % of the limit of {}: only a fast climb reaches it from there",
            human(v),
            share * 100.0,
            human_bytes(limit)
        );
        return Some((cite.clone(), says));
    }
    (elsewhere && share >= AT_LIMIT).then(|| {
        let says = format!(
            "the last scrape before it, at {when} UTC, showed {}, {:.0} % of the limit of {}",
            human(v),
            share * 100.0,
            human_bytes(limit)
        );
        (cite.clone(), says)
    })
}

fn spec_limit(incident: &Index<'_>, owner: &Owner) -> Option<u64> {
    let pod = incident.pods_of(owner).find(|p| !p.what.containers.is_empty())?;
    pod.what.containers.iter().find(|c| Some(&c.name) == owner.container.as_ref())?.limits.memory_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::incident::ArtifactInfo;
    use crate::model::kill::Witness;
    use crate::model::log::LogWord;
    use crate::model::series::Series;
    use crate::model::{Claim, RawTime};

    fn at(s: i64) -> When {
        When { earliest: Timestamp(s * SECOND), latest: Timestamp(s * SECOND), basis: Basis::Stated }
    }

    fn owner() -> Owner {
        Owner {
            namespace: Some("shop".into()),
            pod: Some("cart-0".into()),
            container: Some("api".into()),
            node: Some("n1".into()),
            ..Owner::default()
        }
    }

    fn placed<T>(t: When, what: T) -> Placed<T> {
        Placed { at: t, owner: owner(), who: Claim::default(), cite: Cite::default(), what }
    }

    fn kill(kind: KillKind) -> Kill {
        Kill {
            at: Some(at(10_000)),
            kind,
            owner: owner(),
            limit_bytes: Some(100 << 20),
            told: vec![Told::by(Witness::ContainerStatus, Cite::default(), "ended")],
            ..Kill::default()
        }
    }

    fn heard(mut incident: Incident, k: Kill) -> Vec<String> {
        incident.kills.push(k);
        hear(&mut incident);
        incident.kills.remove(0).against.into_iter().map(|t| t.says).collect()
    }

    #[test]
    fn a_silent_log_that_covers_the_moment_is_an_objection() {
        let word = || LogWord { pattern: LogPattern::Note, text: "x".into(), numbers: Vec::new() };
        let mut incident = Incident { logs: vec![placed(at(1_000), word()), placed(at(90_000), word())], ..Incident::default() };
        incident.artifacts.push(ArtifactInfo { format: "kernel-log", ..ArtifactInfo::default() });
        let said = heard(incident, kill(KillKind::MemcgContainer));
        assert!(said.iter().any(|s| s.contains("covers this moment and shows no kill")), "{said:?}");
        // A log that ends before is silent for a reason.
        let mut incident = Incident { logs: vec![placed(at(1_000), word())], ..Incident::default() };
        incident.artifacts.push(ArtifactInfo { format: "kernel-log", ..ArtifactInfo::default() });
        assert!(heard(incident, kill(KillKind::MemcgContainer)).is_empty());
    }

    #[test]
    fn exit_codes_probes_and_scrapes_object() {
        let run = ContainerRun {
            finished: Some(Timestamp(10_000 * SECOND)),
            exit_code: Some(0),
            reason: Some("Completed".into()),
            ..ContainerRun::default()
        };
        let c = ContainerState { name: "api".into(), last: Some(run), ..ContainerState::default() };
        let pod = PodState { containers: vec![c], ..PodState::default() };
        let event = KubeEvent {
            reason: "Killing".into(),
            message: "Container api failed liveness probe, will be restarted".into(),
            last: RawTime::Absent,
            ..KubeEvent::default()
        };
        let series =
            Series { times: vec![9_970_000].into(), values: vec![20.0 * 1048576.0], ..Series::new(WORKING_SET.into(), Default::default()) };
        let mut incident = Incident { pods: vec![placed(at(0), pod)], events: vec![placed(at(9_995), event)], ..Incident::default() };
        incident.series.push(PlacedSeries { owner: owner(), cite: Cite::default(), what: series });
        let said = heard(incident, kill(KillKind::MemcgContainer));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().any(|s| s.contains("exit code is 0")));
        assert!(said.iter().any(|s| s.contains("20 % of the limit")));
    }

    #[test]
    fn a_probe_kill_at_the_limit_or_before_the_grace_period_is_doubted() {
        let event = KubeEvent {
            reason: "Killing".into(),
            message: "Container api failed liveness probe, will be restarted".into(),
            ..KubeEvent::default()
        };
        let series =
            Series { times: vec![9_970_000].into(), values: vec![99.0 * 1048576.0], ..Series::new(WORKING_SET.into(), Default::default()) };
        let mut incident = Incident { events: vec![placed(at(9_998), event)], ..Incident::default() };
        incident.series.push(PlacedSeries { owner: owner(), cite: Cite::default(), what: series });
        let said = heard(incident, Kill { exit_code: Some(137), ..kill(KillKind::ProbeKill) });
        assert_eq!(said.len(), 2, "{said:?}");
    }
}
