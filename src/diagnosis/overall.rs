//! What is said where no case makes a finding: computed from what was read, so that nothing in the input is denied.
//! Calm where pods run and never restarted; else a list of what there is and of what is missing.

use super::advice;
use crate::model::cgroup::CgroupReading;
use crate::model::finding::{Cause, Cites, Evidence, Finding, Stance, Strength};
use crate::model::log::LogPattern;
use crate::model::oom::KillKind;
use crate::model::profile::HeapProfile;
use crate::model::quantity::{human, human_seconds, times};
use crate::model::source::beginning;
use crate::model::time::SECOND;
use crate::model::trend::{Trend, TrendVerdict};
use crate::model::{Cite, Incident, Owner, Placed};
use std::collections::BTreeMap;

/// Endings and growths named one by one; more are counted.
const NAMED: usize = 2;

/// Pods that run without trouble and nothing else to see: confidence by design low, since memory was not measured.
const CALM: f64 = 0.4;
const OPEN: f64 = 0.5;

/// The one finding of an input that has no other.
pub fn finding(incident: &Incident) -> Option<Finding> {
    let read = || incident.artifacts.iter().find(|a| a.is_read());
    let first = incident.artifacts.iter().find(|a| a.facts > 0).or_else(read)?;
    let fallback = Cite::whole(first.id, "");
    let seen = seen(incident);
    let calm = seen.is_empty() && !incident.pods.is_empty() && incident.pods.iter().all(|p| quiet(&p.what));
    let (cause, confidence, sentence) = if calm {
        let n = incident.pods.len();
        let whose = if n == 1 { "the pod runs".to_owned() } else { format!("all {n} pods run") };
        let looked =
            !incident.processes.is_empty() || !incident.cgroups.is_empty() || incident.series.iter().any(|s| s.what.unit == "bytes");
        let measured =
            if looked { "what was read of memory shows no course that could be judged" } else { "memory itself was not measured" };
        (Cause::NoProblem, CALM, format!("no sign of a memory problem: {whose} and nothing restarted; {measured}."))
    } else if seen.is_empty() {
        let words = "nothing in this input tells of a memory kill, and no memory series is in it: what happened cannot be told from it.";
        (Cause::Inconclusive, OPEN, words.to_owned())
    } else {
        let says: Vec<&str> = seen.iter().map(|(says, _)| says.as_str()).collect();
        (Cause::Inconclusive, OPEN, format!("what happened cannot be told from this input: {}.", says.join("; ")))
    };
    let owner = one_owner(incident);
    let mut evidence: Vec<Evidence> =
        seen.into_iter().map(|(says, cite)| evidence(cause, says, cite.unwrap_or_else(|| fallback.clone()))).collect();
    if evidence.is_empty() {
        let n = incident.artifacts.len();
        let cite = incident.pods.first().filter(|_| calm).map_or(fallback, |p| p.cite.clone());
        let says = format!("{n} artifact{} read, none shows a kill or a memory series", if n == 1 { " was" } else { "s were" });
        evidence.push(self::evidence(cause, says, cite));
    }
    Some(Finding {
        cause,
        confidence,
        strength: Strength::Weak,
        advice: advice::collect_anything(incident, &owner),
        owner,
        also_owners: Vec::new(),
        sentence,
        quantities: BTreeMap::new(),
        intervals: BTreeMap::new(),
        culprits: Vec::new(),
        trigger: None,
        evidence,
    })
}

fn evidence(cause: Cause, says: String, cite: Cite) -> Evidence {
    Evidence {
        rule: "kill-scope",
        owner: Owner::default(),
        cause,
        stance: Stance::For,
        strength: Strength::Weak,
        source: "Bundle",
        says,
        cites: Cites::one(cite),
        on_record: true,
    }
}

/// The one container that anything ended in, where it is only one.
fn one_owner(incident: &Incident) -> Owner {
    let killed = incident.kills.iter().filter(|k| k.kind != KillKind::Sigterm).map(|k| &k.owner);
    let mut all = killed.chain(incident.other_endings.iter().map(|o| &o.owner)).filter(|o| o.pod.is_some());
    let Some(first) = all.next() else { return Owner::default() };
    if all.all(|o| o.same_container(first)) { first.clone() } else { Owner::default() }
}

/// What a profile shows that no other one can be compared with; `None` where it holds nothing.
fn held(incident: &Incident, p: &Placed<HeapProfile>) -> Option<String> {
    let heap = |m: &&str| matches!(*m, "inuse_space" | "bytes");
    let at = p.what.measures.iter().position(|m| heap(&m.name.as_str()))?;
    let total = p.what.totals.get(at).filter(|t| **t > 0)?;
    let path = incident.path(p.cite.span.artifact);
    Some(format!("{path} holds {}; one profile shows what is held, not what grows", human(*total as f64)))
}

/// What a series shows that is too short to judge.
fn too_short(t: &Trend) -> Seen {
    let (a, z) = t.window;
    let span = human_seconds(z.0.saturating_sub(a.0) as f64 / SECOND as f64);
    let ends = t
        .runs
        .first()
        .zip(t.runs.last())
        .map_or(String::new(), |(a, z)| format!(" goes from {} to {} in {span}", human(a.first_bytes), human(z.last_bytes)));
    let n = t.samples;
    let says = format!("{}{ends}, {n} sample{}: too little to judge growth by", place(&t.owner), if n == 1 { "" } else { "s" });
    (says, Some(t.cite.clone()))
}

fn quiet(p: &crate::model::pod::PodState) -> bool {
    let states = [p.phase.as_deref(), p.status.as_deref()];
    let runs = states.iter().flatten().all(|s| matches!(*s, "Running" | "Succeeded" | "Completed"));
    let restarts = p.restart_count.unwrap_or(0) + p.containers.iter().filter_map(|c| c.restart_count).sum::<u64>();
    runs && states.iter().any(Option::is_some) && restarts == 0
}

/// Words of runtimes and supervisors that memory ran out.
const OUT_OF_MEMORY: &[LogPattern] = &[
    LogPattern::V8HeapLimit,
    LogPattern::JavaOutOfMemory,
    LogPattern::GoOutOfMemory,
    LogPattern::PythonMemoryError,
    LogPattern::OtherOutOfMemory,
    LogPattern::JvmFatal,
    LogPattern::ChildKilled,
    LogPattern::TaskOom,
];

type Seen = (String, Option<Cite>);

/// What the input does hold, most telling first.
fn seen(incident: &Incident) -> Vec<Seen> {
    let mut out: Vec<Seen> = Vec::new();
    let listed = |out: &mut Vec<Seen>, all: Vec<Seen>, more: &str| {
        let rest = all.len().saturating_sub(NAMED);
        out.extend(all.into_iter().take(NAMED));
        if rest > 0 {
            out.push((format!("{rest} more {more}"), None));
        }
    };
    let kills = incident.kills.iter().filter(|k| k.kind != KillKind::Sigterm);
    let told = kills.filter_map(|k| k.told.first().map(|t| (format!("{}: {}", place(&k.owner), t.says), Some(t.cite.clone()))));
    listed(&mut out, told.collect(), "endings");
    let others = incident.other_endings.iter().map(|o| (format!("{}: {}", place(&o.owner), o.says), Some(o.cite.clone())));
    listed(&mut out, others.collect(), "other endings");
    let words = incident.logs.iter().filter(|l| OUT_OF_MEMORY.contains(&l.what.pattern));
    let told = words.map(|l| (format!("a log says: {}", brief(&l.what.text)), Some(l.cite.clone())));
    let events = incident
        .events
        .iter()
        .filter(|e| matches!(e.what.reason.as_str(), "OOMKilling" | "SystemOOM" | "EvictionThresholdMet" | "FailedScheduling"));
    let told = told.chain(events.map(|e| (format!("event {}: {}", e.what.reason, brief(&e.what.message)), Some(e.cite.clone()))));
    listed(&mut out, told.collect(), "such lines");
    let counted = incident.cgroups.iter().filter(|c| c.what.values.get("oom_kill").is_some_and(|n| *n > 0)).map(|c| {
        let n = c.what.values.get("oom_kill").copied().unwrap_or(0);
        (format!("memory.events counts {n} kill{} in a cgroup", if n == 1 { "" } else { "s" }), Some(c.cite.clone()))
    });
    listed(&mut out, counted.collect(), "such counts");
    let slowed = incident.cgroups.iter().filter(|c| c.what.values.get("high").is_some_and(|n| *n > 0)).map(|c| {
        let n = c.what.values.get("high").copied().unwrap_or(0);
        let folder = |p: &Placed<CgroupReading>| incident.path(p.cite.span.artifact).rsplit_once('/').map(|(f, _)| f.to_owned());
        let beside = |p: &&Placed<CgroupReading>| p.owner == c.owner && p.what.path == c.what.path && folder(p) == folder(c);
        // Of several such files in one dump nothing says whose they are.
        let mut stalled = incident.cgroups.iter().filter(beside).filter_map(|p| p.what.pressure.get("some.avg60"));
        let waits = stalled.next().filter(|_| stalled.next().is_none());
        let waits = waits.map_or(String::new(), |w| format!(", and some task in it waited for memory {w:.0} % of the last minute"));
        (format!("the kernel throttled a cgroup {} at memory.high{waits}", times(n)), Some(c.cite.clone()))
    });
    listed(&mut out, slowed.collect(), "such counts");
    let growing = incident.trends.iter().filter(|t| t.verdict == TrendVerdict::Leak).filter_map(|t| {
        let rate = t.slope.map(|s| human(s.mid))?;
        Some((format!("{} grows {rate}/h", place(&t.owner)), Some(t.cite.clone())))
    });
    listed(&mut out, growing.collect(), "growing series");
    for (short, words) in [(false, "no growth and no kill"), (true, "too little to judge growth by")] {
        let mut like =
            incident.trends.iter().filter(|t| t.verdict != TrendVerdict::Leak && (t.verdict == TrendVerdict::InsufficientData) == short);
        let Some(first) = like.next() else { continue };
        if short {
            let all = std::iter::once(first).chain(like);
            let moved = |t: &&Trend| t.runs.last().map_or(0.0, |r| (r.last_bytes - r.first_bytes).abs() / r.first_bytes.max(1.0));
            let mut all: Vec<&Trend> = all.collect();
            all.sort_by(|a, b| moved(b).total_cmp(&moved(a)));
            listed(&mut out, all.into_iter().map(too_short).collect(), "short series");
            continue;
        }
        let many = if like.next().is_none() { format!("the series of {} shows", place(&first.owner)) } else { "memory series show".into() };
        out.push((format!("{many} {words}"), Some(first.cite.clone())));
    }
    let profiles = incident.deltas.iter().filter(|d| d.what.snapshots.len() > 1).map(|d| {
        let (first, last) = (d.what.snapshots.first(), d.what.snapshots.last());
        let size = |s: Option<&crate::model::delta::SnapshotInfo>| s.and_then(|s| s.total_bytes).map(|b| human(b as f64));
        let totals = size(first).zip(size(last)).map_or(String::new(), |(a, z)| format!(" from {a} to {z}"));
        let top = d.what.rows.iter().find(|r| r.bytes_delta.is_some_and(|b| b > 0));
        let top = top.map_or(String::new(), |r| format!(", most of it {}", r.name));
        let n = d.what.snapshots.len();
        (format!("the {n} {} profiles go{totals}{top}", d.what.format), d.cites.first().cloned())
    });
    listed(&mut out, profiles.collect(), "comparisons of profiles");
    if out.is_empty() && incident.pods.is_empty() {
        let alone = incident.profiles.iter().filter_map(|p| Some((held(incident, p)?, Some(p.cite.clone()))));
        listed(&mut out, alone.collect(), "profiles");
    }
    let restarts: u64 = incident.pods.iter().flat_map(|p| &p.what.containers).filter_map(|c| c.restart_count).sum();
    if out.is_empty() && restarts > 0 {
        let cite = incident.pods.iter().find(|p| p.what.containers.iter().any(|c| c.restart_count > Some(0))).map(|p| p.cite.clone());
        out.push((format!("containers restarted {}, and nothing tells why", times(restarts)), cite));
    }
    out
}

/// The first words of a line.
pub fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text).trim();
    let mut cut = beginning(line.as_bytes(), 140);
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

fn place(o: &Owner) -> String {
    let label = o.label();
    if label.is_empty() { "an unnamed process".into() } else { label }
}
