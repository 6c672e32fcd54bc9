//! Kills that those beside the kernel tell of: systemd of the units it supervises, systemd-oomd and earlyoom of what they
//! killed themselves.

use super::super::agents;
use super::SAME_ENDING;
use super::gather::Kills;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::log::{LogPattern, LogWord};
use crate::model::oom::{KillKind, LimitLevel, OomKill, Victim};
use crate::model::{Incident, Owner, Placed};

/// systemd's word that a unit lost a process to the OOM killer: it confirms the kernel's report, or stands alone where the
/// kernel's log is not there. It counts kills of every kind in the unit's cgroup, so alone it cannot tell whose limit it was.
pub(super) fn unit_kills(incident: &Incident, kills: &mut Kills) {
    for l in incident.logs.iter().filter(|l| l.what.pattern == LogPattern::UnitOomKilled && l.owner.pod.is_none()) {
        let Some(unit) = l.who.workload_hint.as_deref().and_then(agents::unit_of) else { continue };
        let near = |k: &Kill| {
            k.owner.node == l.owner.node
                && matches!(k.kind, KillKind::MemcgService | KillKind::NodeOom)
                && k.at.is_none_or(|w| w.near(&l.at, SAME_ENDING))
                && (agents::service(incident, k) == unit || k.victims.iter().any(|v| v.comm.as_deref().is_some_and(|c| unit.contains(c))))
        };
        if let Some(k) = kills.find(&l.owner, near) {
            k.hear(Witness::ServiceManager, l.cite.clone(), l.what.text.clone());
            continue;
        }
        // Where the node's kernel log is there, it is the witness of record.
        let recorded =
            |r: &Placed<OomKill>| r.cite.span.artifact == l.cite.span.artifact || l.owner.node.is_some() && r.owner.node == l.owner.node;
        if incident.oom_reports.iter().any(recorded) {
            continue;
        }
        kills.add(Kill {
            at: l.at.is_known().then_some(l.at),
            kind: KillKind::MemcgService,
            owner: Owner { node: l.owner.node.clone(), ..Owner::default() },
            victims: vec![Victim { comm: Some(unit.to_owned()), ..Victim::default() }],
            limit_level: Some(LimitLevel::Service),
            count: 1,
            told: vec![Told::by(Witness::ServiceManager, l.cite.clone(), l.what.text.clone())],
            against: vec![Told::aside(l.cite.clone(), "systemd does not tell the unit's own limit from the whole node's memory")],
            ..Kill::default()
        });
    }
}

/// A container runtime's notice of an out-of-memory kill in a container of which nothing else tells: it stands alone where the
/// node's kernel log is not there. Notices come doubled and late (containerd issues 8893 and 12372), so one container's within
/// [`SAME_ENDING`] are one; a second container id is another kill.
pub(super) fn runtime_notices(incident: &Incident, kills: &mut Kills) {
    for l in incident.logs.iter().filter(|l| l.what.pattern == LogPattern::TaskOom && l.at.is_known()) {
        let Some(id) = l.who.container_id.as_deref() else { continue };
        let near = |k: &Kill| k.kind.is_memory() && k.at.is_none_or(|w| w.near(&l.at, SAME_ENDING));
        let of_pod = l.owner.pod.is_some();
        if let Some(k) = kills.find(&l.owner, |k| near(k) && (of_pod || k.container_id.as_deref() == Some(id))) {
            k.hear(Witness::RuntimeLog, l.cite.clone(), l.what.text.clone());
            continue;
        }
        // A kill that names no container may be the one that is meant.
        let unnamed = |k: &Kill| near(k) && k.owner.pod.is_none() && k.container_id.is_none();
        let recorded = |r: &Placed<OomKill>| r.owner.node.is_none() || l.owner.node.is_none() || r.owner.node == l.owner.node;
        if kills.iter().any(unnamed) || incident.oom_reports.iter().any(recorded) {
            continue;
        }
        let owner = match l.owner.pod {
            Some(_) => l.owner.clone(),
            None => Owner { node: l.owner.node.clone(), ..Owner::default() },
        };
        let says = format!("the container runtime reports an out-of-memory kill in container {id}");
        kills.add(Kill {
            at: Some(l.at),
            kind: KillKind::MemcgContainer,
            owner,
            count: 1,
            container_id: Some(id.to_owned()),
            told: vec![Told::by(Witness::RuntimeLog, l.cite.clone(), says)],
            against: vec![Told::aside(l.cite.clone(), "the notice tells neither which process was killed nor whose limit was hit")],
            ..Kill::default()
        });
    }
}

/// systemd-oomd and the like: SIGKILL without a kernel report. A daemon tells of one kill in several lines: a first signal
/// and a second one to the same process, its own line about a unit and the service manager's.
pub(super) fn userspace_kills(incident: &Incident, kills: &mut Kills) {
    let mut told: Vec<(usize, &Placed<LogWord>)> = Vec::new();
    for l in incident.logs.iter().filter(|l| l.what.pattern == LogPattern::UserspaceOomd) {
        let same = |have: &Placed<LogWord>| {
            let (a, b) = (&have.who, &l.who);
            let unit = || b.workload_hint.as_deref().zip(a.cgroup.as_deref()).is_some_and(|(u, path)| path.ends_with(u));
            have.owner == l.owner
                && (a.pid.is_some() && a.pid == b.pid && a.comm == b.comm
                    || a.container_id.is_some() && a.container_id == b.container_id
                    || unit())
                && (have.at.near(&l.at, SAME_ENDING) || !have.at.is_known() && !l.at.is_known())
        };
        if let Some((k, _)) = told.iter().rev().find(|(_, have)| same(have)).and_then(|(i, have)| Some((kills.get_mut(*i)?, have))) {
            k.told.push(Told::aside(l.cite.clone(), l.what.text.clone()));
            k.against.clear();
            continue;
        }
        let asked = l.what.text.contains("SIGTERM");
        let at = kills.add(Kill {
            at: l.at.is_known().then_some(l.at),
            kind: KillKind::UserspaceOomd,
            owner: l.owner.clone(),
            victims: vec![Victim { pid: l.who.pid, comm: l.who.comm.as_deref().map(str::to_owned), ..Victim::default() }],
            count: 1,
            told: vec![Told::by(Witness::NodeLog, l.cite.clone(), l.what.text.clone())],
            against: asked
                .then(|| Told::aside(l.cite.clone(), "it was only asked to end; nothing shows whether it did"))
                .into_iter()
                .collect(),
            ..Kill::default()
        });
        told.push((at, l));
    }
}
