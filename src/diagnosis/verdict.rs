//! The one place that weighs. Evidence is summed as log-odds per cause: independent witnesses add up, contradiction
//! subtracts, and confidence is the logistic of the sum. Every weight of evidence stands in this file; from where on a figure
//! is a sign of something each rule says itself, and what is read off a confidence afterwards says the reader.

use super::case::{Case, NEAR_SECONDS};
use super::rule::Testimony;
use super::{advice, denials, overall, processes, sentences, trigger};
use crate::model::finding::{Cause, Cites, Culprit, Evidence, Finding, Stance, Strength};
use crate::model::oom::KillKind;
use crate::model::time::DAY;
use crate::model::trend::TrendVerdict;
use crate::model::{Incident, Owner, Timestamp};
use std::collections::BTreeMap;

/// Log-odds of a cause before anything was said: one in twelve; where memory killed, some cause of memory there must be.
const PRIOR: f64 = -2.4;
const PRIOR_KILLED: f64 = -1.2;

/// Log-odds that one statement is worth: weak 2:1, moderate 4:1, strong 15:1, conclusive 100:1.
fn weight(s: Strength) -> f64 {
    match s {
        Strength::Weak => 0.7,
        Strength::Moderate => 1.4,
        Strength::Strong => 2.7,
        Strength::Conclusive => 4.6,
    }
}

/// Statements of one source about one cause are not independent: each further one counts half as much.
const SAME_SOURCE: f64 = 0.5;

/// No verdict is certain: text can lie and clocks can be wrong.
const CEILING: f64 = 0.98;

/// Below this a cause is not put forward for a case.
const FLOOR: f64 = 0.35;

/// A second cause of the same case is listed from here.
const SECOND_FLOOR: f64 = 0.5;

/// Growth that no other cause explains is put forward from here: it was measured, only what it is remains open.
const GROWTH_FLOOR: f64 = 0.15;

/// Growth below this has something against it (half a day seen, a date far off) and stands behind "nothing wrong here".
const SUSPICION: f64 = 0.25;

/// Where nothing died, what is rather not so than so comes after everything that is.
const DOUBTFUL: f64 = 0.25;

/// A close rival (likelier than not) takes up to this share of the first cause's confidence away.
const RIVAL: f64 = 0.5;
const RIVAL_TAKES: f64 = 0.4;

/// A second cause explains part of the case at most.
const SECOND: f64 = 0.6;

/// How sure "it cannot be told" is of itself: neither way.
const UNDECIDED: f64 = 0.5;

/// From here on a node or a neighbour that ran out is the explanation of its victims.
const EXPLAINED: f64 = 0.5;

/// An ending at most this long before the newest sample or kill is fresh.
pub const FRESH: i64 = 3 * DAY;

/// Ranks of cases against each other. Only their order counts: fresh memory kills, more of them and those that the kernel
/// reports first; then other fresh endings, growth by how soon it kills, old kills, and what is healthy last.
mod rank {
    pub const MEMORY_KILL: f64 = 1.0;
    pub const EACH_KILL: f64 = 0.05;
    pub const KILLS_MAX: usize = 10;
    pub const BY_KERNEL: f64 = 0.2;
    pub const OLD_KILL: f64 = 0.25;
    pub const OTHER_ENDING: f64 = 0.6;
    pub const OLD_ENDING: f64 = 0.15;
    pub const LEAK_NEAR: f64 = 0.8;
    pub const LEAK_FAR: f64 = 0.5;
    pub const LEAK_UNDATED: f64 = 0.4;
    pub const HEALTHY: f64 = 0.1;
    /// The healthy by how near their limit they come.
    pub const NEAR_LIMIT: f64 = 0.2;
}

/// Sum of log-odds for one cause.
fn log_odds(prior: f64, evidence: &[&Evidence]) -> f64 {
    let mut heard: BTreeMap<(&str, Stance), u32> = BTreeMap::new();
    let mut sorted: Vec<&&Evidence> = evidence.iter().collect();
    sorted.sort_by_key(|e| std::cmp::Reverse(e.strength));
    prior
        + sorted
            .iter()
            .map(|e| {
                let n = heard.entry((e.source, e.stance)).or_default();
                let w = weight(e.strength) * SAME_SOURCE.powi((*n).min(4) as i32);
                *n += 1;
                if e.stance == Stance::For { w } else { -w }
            })
            .sum::<f64>()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Confidence from which on a word is used: odds of 19 to 1, of 4 to 1, and better than even.
const CONCLUSIVE: f64 = 0.95;
const STRONG: f64 = 0.8;
const MODERATE: f64 = 0.55;

/// Confidence in words, read off the number alone.
fn strength_of(confidence: f64) -> Strength {
    match confidence {
        c if c >= CONCLUSIVE => Strength::Conclusive,
        c if c >= STRONG => Strength::Strong,
        c if c >= MODERATE => Strength::Moderate,
        _ => Strength::Weak,
    }
}

/// Testimonies in the order of cases → findings, best first.
pub fn weigh(incident: &Incident, cases: &[Case<'_>], testimonies: Vec<Testimony>) -> Vec<Finding> {
    let mut ranked: Vec<(f64, Finding)> = Vec::new();
    for (case, t) in cases.iter().zip(testimonies) {
        let impact = impact(incident, case);
        for f in judge(case, &t) {
            let doubt = if case.kills.is_empty() && f.confidence < 0.5 { DOUBTFUL } else { 1.0 };
            ranked.push((impact * f.confidence * urgency(f.cause) * doubt, f));
        }
    }
    // Total order: rank, then cause, then owner; nothing else decides.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cause.cmp(&b.1.cause)).then_with(|| a.1.owner.cmp(&b.1.owner)));
    let mut findings: Vec<Finding> = ranked.into_iter().map(|(_, f)| f).collect();
    suspend_victims(cases, &mut findings);
    merge_replicas(&mut findings);
    // "Nothing wrong here" is said once, for the container that came closest, and only where nothing else was found but
    // growth that something speaks against.
    let healthy = findings.iter().position(|f| f.cause == Cause::NoProblem).map(|i| findings.remove(i));
    findings.retain(|f| f.cause != Cause::NoProblem);
    if findings.iter().all(|f| f.confidence < SUSPICION) {
        findings.splice(0..0, healthy);
    }
    if findings.is_empty() {
        findings.extend(overall::finding(incident));
    }
    if let Some(calm) = findings.first().filter(|f| f.cause == Cause::NoProblem)
        && let Some(denied) = denied(incident, calm)
    {
        findings.splice(0..1, [denied]);
    }
    findings
}

/// Denials that are told in the sentence; all are evidence.
const DENIALS: usize = 3;

/// A calm finding that something in the input denies.
fn denied(incident: &Incident, calm: &Finding) -> Option<Finding> {
    let denials = denials::of(incident);
    let first = denials.first()?;
    let says: Vec<&str> = denials.iter().take(DENIALS).map(|d| d.says.as_str()).collect();
    let more = denials.len().saturating_sub(DENIALS);
    let more = if more > 0 { format!("; and {more} more such sign{}", if more == 1 { "" } else { "s" }) } else { String::new() };
    let evidence = denials.iter().map(|d| Evidence {
        rule: "no-problem",
        owner: d.owner.clone(),
        cause: Cause::Inconclusive,
        stance: Stance::For,
        strength: Strength::Moderate,
        source: d.source,
        says: d.says.clone(),
        cites: Cites::one(d.cite.clone()),
        on_record: false,
    });
    let mut advice = Vec::new();
    for a in denials.iter().map(|d| d.advice.clone()) {
        if !advice.contains(&a) {
            advice.push(a);
        }
    }
    let culprit = |name: &str| Culprit { kind: "key".into(), name: name.into(), growth_bytes: None, share: None };
    Some(Finding {
        cause: Cause::Inconclusive,
        confidence: UNDECIDED,
        strength: strength_of(UNDECIDED),
        owner: first.owner.clone(),
        sentence: format!("no container was seen killed for memory, but not all is well: {}{more}.", says.join("; ")),
        culprits: denials.iter().filter_map(|d| d.culprit).map(culprit).collect(),
        evidence: evidence.chain(calm.evidence.iter().filter(|e| e.stance == Stance::Against).cloned()).collect(),
        advice,
        ..calm.clone()
    })
}

/// How much a case matters: fresh memory kills most, old ones little.
fn impact(incident: &Incident, case: &Case<'_>) -> f64 {
    let newest = newest(incident);
    let fresh = |t: Timestamp| newest.0.saturating_sub(t.0) <= FRESH;
    let memory: Vec<_> = case.kills.iter().filter(|k| k.kind.is_memory()).collect();
    let times: Vec<Timestamp> = memory.iter().filter_map(|k| k.moment()).collect();
    if !memory.is_empty() {
        let recent = times.is_empty() || times.iter().any(|t| fresh(*t));
        let by_kernel = memory.iter().any(|k| k.is_told_by_kernel());
        let more = rank::EACH_KILL * memory.len().min(rank::KILLS_MAX) as f64 + if by_kernel { rank::BY_KERNEL } else { 0.0 };
        return if recent { rank::MEMORY_KILL + more } else { rank::OLD_KILL };
    }
    if !case.kills.is_empty() {
        return if case.kill_times().iter().any(|t| fresh(*t)) { rank::OTHER_ENDING } else { rank::OLD_ENDING };
    }
    match case.headline() {
        Some(t) if t.verdict == TrendVerdict::Leak => match t.time_to_oom {
            Some(e) if e.mid <= NEAR_SECONDS => rank::LEAK_NEAR,
            Some(_) => rank::LEAK_FAR,
            None => rank::LEAK_UNDATED,
        },
        // What looks worst among the healthy: nearest to its limit.
        Some(t) => rank::HEALTHY + rank::NEAR_LIMIT * t.limit_bytes.map_or(0.0, |l| (t.percentiles.max_bytes / l).clamp(0.0, 1.0)),
        None => rank::HEALTHY,
    }
}

/// Causes that explain others come before those that only name the place.
fn urgency(cause: Cause) -> f64 {
    match cause {
        Cause::NoProblem => 0.3,
        Cause::Inconclusive => 0.5,
        Cause::NotMemoryKill => 0.9,
        _ => 1.0,
    }
}

/// The newest time of any sample or kill.
pub fn newest(incident: &Incident) -> Timestamp {
    let series = incident.trends.iter().map(|t| t.window.1).max();
    let kills = incident.kills.iter().filter_map(|k| k.at.map(|w| w.latest)).max();
    let capture = incident.capture.filter(|c| c.is_known()).map(|c| c.latest);
    [series, kills, capture].into_iter().flatten().max().unwrap_or_default()
}

/// The best cause of a case, and a second one if it stands on its own.
fn judge(case: &Case<'_>, t: &Testimony) -> Vec<Finding> {
    let mut causes: BTreeMap<Cause, Vec<&Evidence>> = BTreeMap::new();
    for e in &t.evidence {
        causes.entry(e.cause).or_default().push(e);
    }
    let killed = case.kills.iter().any(|k| k.kind.is_memory());
    let prior = |c: Cause| if killed && !matches!(c, Cause::NoProblem | Cause::NotMemoryKill) { PRIOR_KILLED } else { PRIOR };
    let mut scored: Vec<(f64, Cause)> = causes
        .iter()
        .filter(|(_, e)| e.iter().any(|e| e.stance == Stance::For))
        .map(|(c, e)| (logistic(log_odds(prior(*c), e)).min(CEILING), *c))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut out = Vec::new();
    // What a node's want of memory took is the node's case, if anything names the node.
    let nodes = |kind: KillKind| matches!(kind, KillKind::NodeOom | KillKind::Eviction) && case.owner.node.is_some() && !case.is_node();
    let own_kill = case.kills.iter().any(|k| k.kind.is_memory() && !nodes(k.kind));
    for (i, (p, cause)) in scored.iter().take(2).enumerate() {
        let floor = if i == 0 { FLOOR } else { SECOND_FLOOR };
        if *p < floor {
            break;
        }
        // A close rival takes certainty away.
        let rival = scored.iter().filter(|(_, c)| c != cause && !akin(*c, *cause)).map(|(p, _)| *p).next().unwrap_or(0.0);
        let confidence = match i {
            0 if rival > RIVAL => p * (1.0 - RIVAL_TAKES * rival),
            0 => *p,
            _ => p * SECOND,
        };
        out.push(finding(case, t, *cause, confidence));
    }
    // Growth that was seen is said, however little it proves; and nobody else's health answers for it.
    let by_tables = || processes::growing(case.incident).iter().any(|g| case.owner.node.as_deref() == Some(g.node));
    let grows = case.is_node() && by_tables()
        || case.trends.iter().any(|t| t.verdict == TrendVerdict::Leak && (!case.is_node() || t.owner.container.is_some()));
    let growth = scored.iter().find(|(_, c)| matches!(c, Cause::HeapLeak | Cause::NativeGrowth | Cause::NodeAgentLeak));
    if out.is_empty()
        && grows
        && let Some((p, cause)) = growth.filter(|(p, _)| *p >= GROWTH_FLOOR)
    {
        out.push(finding(case, t, *cause, *p));
    }
    if out.is_empty() && own_kill {
        out.push(finding(case, t, Cause::Inconclusive, UNDECIDED));
    }
    out
}

/// Causes that say nearly the same are not rivals.
fn akin(a: Cause, b: Cause) -> bool {
    let pair = |x, y| (a == x && b == y) || (a == y && b == x);
    pair(Cause::NotMemoryKill, Cause::NoProblem)
        || pair(Cause::HeapLeak, Cause::NativeGrowth)
        || pair(Cause::LoadGrowth, Cause::LoadSpike)
        || pair(Cause::LimitBelowNeed, Cause::BatchPeak)
        || pair(Cause::LimitBelowNeed, Cause::StartupPeak)
}

fn finding(case: &Case<'_>, t: &Testimony, cause: Cause, confidence: f64) -> Finding {
    // What was said about other causes stays with the finding: it is the evidence of what it is not.
    let mut evidence: Vec<Evidence> = t.evidence.clone();
    // What happened is part of every argument about why; it was not weighed, since it speaks for each cause alike.
    if !matches!(cause, Cause::NoProblem | Cause::NotMemoryKill | Cause::NodeOvercommit | Cause::NodeAgentLeak) {
        evidence.splice(0..0, kills_as_evidence(case, cause));
    }
    let mut culprits: Vec<Culprit> = Vec::new();
    for (c, culprit) in &t.culprits {
        if *c == cause || akin(*c, cause) {
            match culprits.iter_mut().find(|have| have.kind == culprit.kind && have.name == culprit.name) {
                Some(have) => have.growth_bytes = have.growth_bytes.max(culprit.growth_bytes),
                None => culprits.push(culprit.clone()),
            }
        }
    }
    if culprits.is_empty() && matches!(cause, Cause::HeapLeak | Cause::NativeGrowth) {
        culprits.extend(killed_process(case));
    }
    let (quantities, intervals) = sentences::quantities(case, cause);
    let found = trigger::find(case, cause);
    evidence.extend(found.as_ref().and_then(|f| trigger_as_evidence(case, cause, f)));
    let owner = owner_of(case, cause);
    let mut f = Finding {
        cause,
        confidence: (confidence * 100.0).round() / 100.0,
        strength: strength_of(confidence),
        owner,
        also_owners: Vec::new(),
        sentence: String::new(),
        quantities,
        intervals,
        culprits,
        trigger: found.map(|f| f.trigger),
        evidence,
        advice: Vec::new(),
    };
    f.sentence = sentences::sentence(case, &f);
    f.advice = advice::advice(case, &f);
    f
}

/// An inconclusive finding names the pod if it is known, else the node the kill happened on.
fn owner_of(case: &Case<'_>, cause: Cause) -> Owner {
    match cause {
        Cause::NodeOvercommit | Cause::NodeAgentLeak => Owner { node: case.owner.node.clone(), ..Owner::default() },
        _ => case.owner.clone(),
    }
}

/// The last ending as each kind of witness tells it.
fn kills_as_evidence(case: &Case<'_>, cause: Cause) -> Vec<Evidence> {
    let Some(last) = case.kills.iter().rev().find(|k| k.kind.is_memory()) else { return Vec::new() };
    let strength = if cause == Cause::Inconclusive { Strength::Strong } else { Strength::Weak };
    last.told
        .iter()
        .filter_map(|t| Some((t.by?, t)))
        .take(3)
        .map(|(witness, t)| Evidence {
            rule: "kill-scope",
            owner: case.owner.clone(),
            cause,
            stance: Stance::For,
            strength,
            source: witness.source(),
            says: t.says.clone(),
            cites: Cites::one(t.cite.clone()),
            on_record: cause != Cause::Inconclusive,
        })
        .collect()
}

/// What set it off says when, not why: it is on record and was not weighed.
fn trigger_as_evidence(case: &Case<'_>, cause: Cause, found: &trigger::Found) -> Option<Evidence> {
    let t = &found.trigger;
    Some(Evidence {
        rule: "trigger",
        owner: case.owner.clone(),
        cause,
        stance: Stance::For,
        strength: Strength::Weak,
        source: "Kubernetes",
        says: format!("{} at {} UTC: {}", t.kind.word(), t.time.human(), t.detail),
        cites: Cites::one(found.cite.clone()?),
        on_record: true,
    })
}

/// Where no profile names a class or line, the process the kernel killed is still a name.
fn killed_process(case: &Case<'_>) -> Option<Culprit> {
    let v = case.kills.iter().rev().flat_map(|k| &k.victims).find_map(|v| v.comm.clone())?;
    Some(Culprit { kind: "process".into(), name: v, growth_bytes: None, share: None })
}

/// A container that died of its node's or its neighbour's memory is not to blame: its own finding goes when the other stands.
///
/// Nothing else of the pod's other containers goes: neither growth of their own, nor endings at limits of their own.
fn suspend_victims(cases: &[Case<'_>], findings: &mut Vec<Finding>) {
    let nodes: Vec<String> = findings
        .iter()
        .filter(|f| matches!(f.cause, Cause::NodeOvercommit | Cause::KernelMemory) && f.owner.pod.is_none() && f.confidence >= EXPLAINED)
        .filter_map(|f| f.owner.node.clone())
        .collect();
    let memory = |o: &Owner| {
        cases.iter().filter(|c| c.owner == *o).flat_map(|c| c.kills.iter()).filter(|k| k.kind.is_memory()).copied().collect::<Vec<_>>()
    };
    let by_pod_only = |o: &Owner| {
        let kills = memory(o);
        !kills.is_empty() && kills.iter().all(|k| k.kind == KillKind::MemcgPod)
    };
    let was_killed = |o: &Owner| memory(o).iter().any(|k| k.owner.same_container(o));
    let neighbours: Vec<Owner> =
        findings.iter().filter(|f| f.cause == Cause::NeighbourInPod && f.confidence >= EXPLAINED).map(|f| f.owner.clone()).collect();
    findings.retain(|f| {
        let by_node = f.owner.pod.is_some()
            && matches!(f.cause, Cause::Inconclusive | Cause::LimitBelowNeed)
            && f.owner.node.as_ref().is_some_and(|n| nodes.contains(n))
            && f.quantities.get("limit_kills").is_none_or(|k| *k == 0.0);
        let by_neighbour = neighbours.iter().any(|o| o.same_pod(&f.owner) && o.container != f.owner.container)
            && match f.cause {
                Cause::Inconclusive | Cause::LimitBelowNeed => by_pod_only(&f.owner),
                Cause::HeapLeak | Cause::NativeGrowth => by_pod_only(&f.owner) && was_killed(&f.owner),
                _ => false,
            };
        !by_node && !by_neighbour
    });
}

/// Replicas of one workload with the same cause are one finding, told by the first; the others are listed.
fn merge_replicas(findings: &mut Vec<Finding>) {
    let mut out: Vec<Finding> = Vec::with_capacity(findings.len());
    // Kills of the one that tells it and of all that are like it.
    let mut counted: BTreeMap<Owner, f64> = BTreeMap::new();
    for f in findings.drain(..) {
        let same = |have: &&mut Finding| {
            have.cause == f.cause
                && f.owner.pod.is_some()
                && f.owner.workload.is_some()
                && have.owner.namespace == f.owner.namespace
                && have.owner.workload == f.owner.workload
                && have.owner.container == f.owner.container
        };
        match out.iter_mut().find(same) {
            Some(have) => {
                let told = have.quantities.get("kills").copied().unwrap_or(0.0) + f.quantities.get("kills").copied().unwrap_or(0.0);
                counted.entry(have.owner.clone()).and_modify(|n| *n += f.quantities.get("kills").copied().unwrap_or(0.0)).or_insert(told);
                have.also_owners.push(f.owner);
            }
            None => out.push(f),
        }
    }
    for f in &mut out {
        let (more, all) = (f.also_owners.len(), counted.get(&f.owner).copied().unwrap_or(0.0));
        if more > 0 && all > f.quantities.get("kills").copied().unwrap_or(0.0) {
            let pods = if more == 1 { "1 more pod".to_owned() } else { format!("{more} more pods") };
            let says = f.sentence.trim_end_matches('.').to_owned();
            f.sentence = format!("{says}; the same in {pods}, {all:.0} kills in all.");
        }
    }
    *findings = out;
}
