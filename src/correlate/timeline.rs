//! One timeline from everything that has a time and bears on memory.

use crate::model::alert::Alert;
use crate::model::incident::TimelineEntry;
use crate::model::log::LogPattern;
use crate::model::oom::KillKind;
use crate::model::pod::{KubeEvent, WorkloadState};
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::quantity::human_bytes;
use crate::model::time::MINUTE;
use crate::model::{Incident, Owner, Placed, When};

/// Event reasons worth a line; everything else is ordinary life of a cluster.
const NOTABLE: &[&str] = &[
    "Killing",
    "Evicted",
    "OOMKilling",
    "SystemOOM",
    "Unhealthy",
    "BackOff",
    "Failed",
    "FailedScheduling",
    "ScalingReplicaSet",
    "NodeHasInsufficientMemory",
    "NodeHasSufficientMemory",
    "NodeNotReady",
    "NodeReady",
    "EvictionThresholdMet",
    "Rebooted",
    "Preempting",
    "TaintManagerEviction",
    "SuccessfulRescale",
    "Starting",
];

/// Alerts that always fire, to show that alerting works.
const HEARTBEATS: &[&str] = &["Watchdog", "DeadMansSwitch", "InfoInhibitor"];

/// Fills [`Incident::timeline`], earliest first. Endings of unknown time stand last, kills in the order of their log: an
/// incident is not without them. Anything else of unknown time is left out.
pub fn assemble(incident: &mut Incident) {
    let mut out = Vec::new();
    for k in &incident.kills {
        let Some(cite) = k.cite() else { continue };
        out.push(TimelineEntry {
            at: k.at.unwrap_or_else(When::unknown),
            written: k.written.clone().filter(|_| k.at.is_none()),
            kind: if k.kind == KillKind::Sigterm { "stop" } else { "kill" },
            owner: k.owner.clone(),
            text: kill_text(k),
            cite: cite.clone(),
        });
    }
    for o in &incident.other_endings {
        out.push(TimelineEntry {
            at: o.at.unwrap_or_else(When::unknown),
            written: None,
            kind: if o.stop { "stop" } else { "ending" },
            owner: o.owner.clone(),
            text: o.says.clone(),
            cite: o.cite.clone(),
        });
    }
    for e in incident.events.iter().filter(|e| e.at.is_known() && NOTABLE.contains(&e.what.reason.as_str())) {
        let rolled = e.what.reason == "ScalingReplicaSet";
        // The Deployment that is rolled out is the event's own object.
        let object = e.what.object_name.clone().filter(|_| rolled && e.what.object_kind.as_deref() == Some("Deployment"));
        out.push(TimelineEntry {
            at: e.at,
            written: None,
            kind: if rolled { "rollout" } else { "event" },
            owner: Owner { workload: e.owner.workload.clone().or(object), ..e.owner.clone() },
            text: event_text(&e.what),
            cite: e.cite.clone(),
        });
    }
    for a in incident.alerts.iter().filter(|a| a.at.is_known() && !HEARTBEATS.contains(&a.what.name.as_str())) {
        out.push(TimelineEntry {
            at: a.at,
            written: None,
            kind: "alert",
            owner: a.owner.clone(),
            text: alert_text(&a.what),
            cite: a.cite.clone(),
        });
    }
    for w in &incident.workloads {
        if let Some((at, text)) = rollout(w) {
            // A ReplicaSet's own owner is the workload that rolls it out.
            let parent = w.what.controlled_by.as_deref().and_then(|c| c.split_once('/')).map(|(_, name)| name.to_owned());
            let owner = Owner { workload: w.owner.workload.clone().or(parent), ..w.owner.clone() };
            out.push(TimelineEntry { at, written: None, kind: "rollout", owner, text, cite: w.cite.clone() });
        }
    }
    for p in incident.profiles.iter().filter(|p| p.at.is_known()) {
        let total = p.what.totals.get(p.what.default_measure).copied().and_then(|t| u64::try_from(t).ok());
        let word = match p.what.truncated {
            true => "begun and not finished",
            false => "captured",
        };
        let text = format!("{} {word}{}", p.what.format, total.map_or(String::new(), |t| format!(", {}", human_bytes(t))));
        let text = text + &birth_words(&p.what);
        out.push(TimelineEntry { at: p.at, written: None, kind: "profile", owner: p.owner.clone(), text, cite: p.cite.clone() });
    }
    for l in incident.logs.iter().filter(|l| {
        l.at.is_known()
            && !matches!(l.what.pattern, LogPattern::GcReport | LogPattern::Note | LogPattern::ContainerDied | LogPattern::PodsListed)
    }) {
        out.push(TimelineEntry {
            at: l.at,
            written: None,
            kind: "log",
            owner: l.owner.clone(),
            text: l.what.text.clone(),
            cite: l.cite.clone(),
        });
    }
    for c in &incident.agent_cycles {
        for s in c.stages.iter().filter(|s| s.kind != "active" && s.at.is_known()) {
            let cite = s.cites.first().or_else(|| c.stages.iter().find_map(|o| o.cites.first()));
            let Some(cite) = cite else { continue };
            let text = format!("{} {}: {}", c.service, s.kind, s.says);
            out.push(TimelineEntry { at: s.at, written: None, kind: "agent", owner: c.owner.clone(), text, cite: cite.clone() });
        }
    }
    for t in &incident.trends {
        if let Some(onset) = t.onset.filter(|_| t.verdict == crate::model::trend::TrendVerdict::Leak) {
            out.push(TimelineEntry {
                at: When::at(onset),
                written: None,
                kind: "onset",
                owner: t.owner.clone(),
                text: format!("{} begins to grow", t.metric),
                cite: t.cite.clone(),
            });
        }
    }
    out.sort_by(|a, b| {
        let when = |e: &TimelineEntry| (!e.at.is_known(), e.at.earliest, e.at.latest);
        (when(a), &a.written, a.kind, &a.owner, &a.text).cmp(&(when(b), &b.written, b.kind, &b.owner, &b.text))
    });
    // Prometheus and Alertmanager tell of one alert: the same name for the same owner, within the time that sending takes.
    out.dedup_by(|a, b| {
        a.kind == "alert" && b.kind == "alert" && a.owner == b.owner && a.at.near(&b.at, 2 * MINUTE) && same_alert(&a.text, &b.text)
    });
    out.dedup_by(|a, b| a.at.is_known() && a.at.near(&b.at, 0) && a.kind == b.kind && a.owner == b.owner && a.text == b.text);
    incident.timeline = out;
}

/// The alert's name is the text's first word.
fn same_alert(a: &str, b: &str) -> bool {
    a.split(' ').next() == b.split(' ').next()
}

/// When most of what an allocation timeline holds was allocated.
fn birth_words(p: &HeapProfile) -> String {
    let ProfileBody::Graph(g) = &p.body else { return String::new() };
    let Some(most) = g.births.iter().rev().filter(|b| b.to_us > b.from_us).max_by_key(|b| b.bytes).filter(|b| b.bytes > 0) else {
        return String::new();
    };
    let end = g.births.last().map_or(0, |b| b.to_us);
    let before = |us: i64| end.saturating_sub(us) as f64 / 1e6;
    format!(
        "; {} of what is alive was allocated {:.1} to {:.1} s before the end",
        human_bytes(most.bytes),
        before(most.to_us),
        before(most.from_us)
    )
}

fn kill_text(k: &crate::model::kill::Kill) -> String {
    let who = k.victims.first().map_or(String::new(), |v| {
        format!(" of {} (pid {})", v.comm.as_deref().unwrap_or("?"), v.pid.map_or("?".into(), |p| p.to_string()))
    });
    let limit = k.limit_bytes.map_or(String::new(), |b| format!(" at limit {}", human_bytes(b)));
    let storm = if k.count > 1 { format!(", {} reports", k.count) } else { String::new() };
    format!("{}{who}{limit}{storm}", k.kind.word())
}

fn alert_text(a: &Alert) -> String {
    let severity = a.severity.as_deref().map_or(String::new(), |s| format!(" ({s})"));
    let state = match (a.state.as_str(), a.ended) {
        ("pending", _) => " pending".to_owned(),
        (_, Some(end)) => format!(" fired until {}", end.human()),
        _ => " firing".to_owned(),
    };
    format!("{}{severity}{state}{}", a.name, a.summary.as_deref().map_or(String::new(), |s| format!(": {s}")))
}

fn event_text(e: &KubeEvent) -> String {
    let count = e.count.filter(|&n| n > 1).map_or(String::new(), |n| format!(" (×{n})"));
    format!("{}{count}: {}", e.reason, e.message)
}

/// A ReplicaSet of a Deployment begins to exist when its revision is rolled out.
fn rollout(w: &Placed<WorkloadState>) -> Option<(When, String)> {
    let created = w.what.created?;
    let parent = w.what.controlled_by.as_deref().filter(|_| w.what.kind == "ReplicaSet")?;
    let image = w.what.template.first().and_then(|c| c.image.as_deref()).map_or(String::new(), |i| format!(", image {i}"));
    let revision = w.what.revision.map_or(String::new(), |r| format!(" revision {r}"));
    let at = When {
        earliest: created,
        latest: created.saturating_add(crate::model::time::SECOND - 1),
        basis: crate::model::time::Basis::Stated,
    };
    Some((at, format!("{parent}{revision} rolled out{image}")))
}
