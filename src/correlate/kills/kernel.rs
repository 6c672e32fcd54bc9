//! The kernel's reports as kills, the witness of record: copies of one report merge, and a report that its log dates by uptime
//! alone takes its wall clock from those who saw the same ending by the calendar.

use super::super::agents;
use super::SAME_ENDING;
use crate::model::cgroup_path;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::log::{LogPattern, LogWord};
use crate::model::oom::{Constraint, KillKind, LimitLevel, OomKill};
use crate::model::pod::ContainerState;
use crate::model::quantity::{human_bytes, human_seconds};
use crate::model::time::{Basis, SECOND};
use crate::model::{ArtifactId, Incident, Placed, Timestamp, When};
use std::collections::BTreeMap;

/// One entry per kernel report that killed something; copies of one report in several logs merge.
pub(super) fn kills(incident: &Incident) -> Vec<Kill> {
    let survivors = survivors(incident);
    let mut kills: Vec<Kill> = Vec::new();
    for (i, r) in incident.oom_reports.iter().enumerate() {
        let o = &r.what;
        if o.victims.is_empty() && !o.group_kill {
            continue;
        }
        let at = r.at.is_known().then_some(r.at);
        let same_report = |k: &&mut Kill| {
            k.report(incident).is_some_and(|other| {
                other.cite.span.artifact != r.cite.span.artifact
                    && other.what.victims.first() == o.victims.first()
                    && k.owner.node == r.owner.node
                    && (at.is_none()
                        || k.at.is_none()
                        || k.at.zip(at).is_some_and(|(a, b)| a.near(&b, SAME_ENDING))
                        || same_body(&other.what, o))
            })
        };
        if let Some(k) = kills.iter_mut().find(same_report) {
            // The sharper clock of the two; `dmesg -T` and late journals are off by hours, so they need not overlap.
            let sharper = at.filter(|b| k.at.is_none_or(|a| (b.width(), b.basis) < (a.width(), a.basis)));
            if let Some((a, b)) = k.at.zip(at).filter(|(a, b)| !a.near(b, SAME_ENDING)) {
                let apart = human_seconds(a.earliest.0.abs_diff(b.earliest.0) as f64 / SECOND as f64);
                k.against.push(Told::aside(
                    r.cite.clone(),
                    format!("another log dates the same report {apart} apart: one of the two clocks is off"),
                ));
            }
            k.at = sharper.or(k.at);
            continue;
        }
        kills.push(Kill {
            at,
            kind: kind_of(o, r.who.container_id.as_deref(), &survivors),
            owner: r.owner.clone(),
            victims: o.victims.clone(),
            limit_level: o.limit_level,
            limit_bytes: o.limit_bytes,
            usage_bytes: o.usage_bytes,
            count: o.count.max(1),
            last: o.last_at,
            written: o.written.clone(),
            report: Some(i),
            told: vec![Told::by(Witness::Kernel, r.cite.clone(), sentence(o))],
            ..Kill::default()
        });
    }
    kills
}

/// Two reports that agree in every figure are one, whatever their clocks say.
fn same_body(a: &OomKill, b: &OomKill) -> bool {
    !a.memcg_stats.is_empty() && a.memcg_stats == b.memcg_stats && a.trigger_pid == b.trigger_pid && a.tasks == b.tasks
}

/// Ids of containers that are running now: a kernel kill inside one of them took a child, not the container.
fn survivors(incident: &Incident) -> Vec<&str> {
    let mut ids: Vec<&str> = incident
        .pods
        .iter()
        .flat_map(|p| &p.what.containers)
        .filter(|c| c.now.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("running")))
        .filter_map(|c| c.container_id.as_deref())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn kind_of(o: &OomKill, container_id: Option<&str>, survivors: &[&str]) -> KillKind {
    let path = o.task_memcg.as_deref().or(o.oom_memcg.as_deref()).map(cgroup_path::parse).unwrap_or_default();
    let id = container_id.or(path.container_id);
    match o.limit_level {
        Some(LimitLevel::Node | LimitLevel::Kubepods) => return KillKind::NodeOom,
        Some(LimitLevel::Service) => return KillKind::MemcgService,
        Some(LimitLevel::Pod) => return KillKind::MemcgPod,
        _ if matches!(o.constraint, Some(Constraint::None)) => return KillKind::NodeOom,
        _ => {}
    }
    let first = o.victims.first();
    if o.limit_level.is_none() && agents::unnamed_service(first.and_then(|v| v.comm.as_deref()), first.and_then(|v| v.oom_score_adj)) {
        return KillKind::MemcgService;
    }
    if id.is_some_and(|id| survivors.binary_search(&id).is_ok()) && !o.group_kill {
        return KillKind::ChildProcess;
    }
    if o.group_kill && o.victims.len() > 1 { KillKind::OomGroup } else { KillKind::MemcgContainer }
}

fn sentence(o: &OomKill) -> String {
    let v = o.victims.first();
    let who = v.map_or("a task".into(), |v| {
        format!("process {} ({})", v.pid.map_or("?".into(), |p| p.to_string()), v.comm.as_deref().unwrap_or("?"))
    });
    let rss = v.and_then(|v| v.anon_rss_bytes).map_or(String::new(), |b| format!(" with {} of anonymous memory", human_bytes(b)));
    let limit = match (o.limit_level, o.limit_bytes) {
        (Some(LimitLevel::Node), _) => ": the node itself was out of memory".to_owned(),
        (level, Some(b)) => format!(" at the {} limit of {}", level.map_or("cgroup", LimitLevel::word), human_bytes(b)),
        _ => String::new(),
    };
    let constraint = match o.constraint {
        Some(Constraint::Memcg) => " (CONSTRAINT_MEMCG)",
        Some(Constraint::None) => " (CONSTRAINT_NONE)",
        _ => "",
    };
    format!("the kernel killed {who}{rss}{limit}{constraint}")
}

/// A log in uptime alone gets its wall clock from those who saw the same ending by the calendar: the last kill of a
/// container that the log shows is the one whose end its status tells, the last of a service the one that systemd logged.
/// One pair fixes the whole boot.
pub(super) fn anchor_by_status(incident: &mut Incident, kills: &mut [Kill]) {
    let mut offsets: BTreeMap<(ArtifactId, Option<String>), i64> = BTreeMap::new();
    for k in kills.iter().rev().filter(|k| k.at.is_none()) {
        let Some((report, up)) = k.report(incident).and_then(|r| Some((r, r.what.uptime_seconds?))) else {
            continue;
        };
        let slot = (report.cite.span.artifact, report.what.boot.clone());
        let unit = service_of(report);
        let newest = kills
            .iter()
            .filter(|o| o.owner.same_container(&k.owner) && o.report(incident).and_then(service_of) == unit)
            .filter_map(|o| o.report(incident)?.what.uptime_seconds)
            .fold(f64::MIN, f64::max);
        if offsets.contains_key(&slot) || up < newest {
            continue;
        }
        let end = incident
            .pods
            .iter()
            .filter(|p| p.owner.same_pod(&k.owner))
            .flat_map(|p| &p.what.containers)
            .filter(|c| Some(c.name.as_str()) == k.owner.container.as_deref())
            .filter_map(killed_end)
            .max()
            .or_else(|| unit_end(incident, unit?, k.owner.node.as_deref()));
        if let Some(end) = end {
            offsets.insert(slot, end.0 - (up * SECOND as f64) as i64);
        }
    }
    for k in kills.iter_mut().filter(|k| k.at.is_none()) {
        let Some(report) = k.report.and_then(|r| incident.oom_reports.get_mut(r)) else { continue };
        let Some(offset) = offsets.get(&(report.cite.span.artifact, report.what.boot.clone())) else { continue };
        let Some(up) = report.what.uptime_seconds else { continue };
        let t = Timestamp(offset.saturating_add((up * SECOND as f64) as i64));
        let at = When { earliest: t.saturating_sub(2 * SECOND), latest: t.saturating_add(2 * SECOND), basis: Basis::BootAnchored };
        k.at = Some(at);
        report.at = at;
    }
}

/// The node service in whose own cgroup a report's kill happened.
fn service_of(r: &Placed<OomKill>) -> Option<&str> {
    r.what.oom_memcg.as_deref().and_then(cgroup_path::service)
}

/// The last time systemd said that the kernel killed a process of this service.
fn unit_end(incident: &Incident, service: &str, node: Option<&str>) -> Option<Timestamp> {
    let of_unit = |l: &&Placed<LogWord>| {
        l.what.pattern == LogPattern::UnitOomKilled
            && l.who.workload_hint.as_deref().and_then(|u| u.strip_suffix(".service")) == Some(service)
            && l.owner.node.as_deref() == node
    };
    incident.logs.iter().filter(of_unit).filter_map(|l| l.at.mid()).max()
}

/// End of the run that was OOM-killed, as the status tells it.
fn killed_end(c: &ContainerState) -> Option<Timestamp> {
    [Some(&c.now), c.last.as_ref()]
        .into_iter()
        .flatten()
        .filter(|r| r.reason.as_deref() == Some("OOMKilled") || r.exit_code == Some(137))
        .filter_map(|r| r.finished)
        .max()
}
