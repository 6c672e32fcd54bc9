//! From an incident and its verdict to the report as data. Chooses, numbers and quotes; decides nothing.

mod charts;
mod coverage;
mod evidence;
mod headline;
mod names;
mod trends;

use super::document::*;
use super::{flamegraph, inspect};
use crate::model::bridge::{Bridge, Rung};
use crate::model::finding::{Evidence, Finding, NotEvaluated, Stance, Verdict};
use crate::model::incident::{AgentCycle, AgentStage, PlacedTree};
use crate::model::kill::Kill;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::{Incident, Placed, Timestamp, When};
use evidence::Numbering;
use serde_json::{Value, json};

/// Findings and timeline entries beyond these are counted, not printed.
const FINDINGS_MAX: usize = 20;
const TIMELINE_MAX: usize = 400;
const TRENDS_MAX: usize = 400;
const ACCOUNTS_MAX: usize = 100;

/// The whole report.
pub fn report(incident: &Incident, verdict: &Verdict) -> ReportDoc {
    let mut numbering = Numbering::new(incident);
    let findings: Vec<FindingDoc> =
        verdict.findings.iter().take(FINDINGS_MAX).enumerate().map(|(i, f)| finding(i, f, &mut numbering)).collect();
    let kills = incident.kills.iter().map(|k| kill(incident, k, &mut numbering)).collect();
    let mut doc = ReportDoc {
        schema: SCHEMA.into(),
        tool: Tool { name: "postmem".into(), version: env!("CARGO_PKG_VERSION").into() },
        inputs: incident.inputs.iter().map(|i| InputDoc { path: i.path.clone(), bytes: i.bytes, sha256: i.sha256.clone() }).collect(),
        window: window(incident),
        headline: Headline::default(),
        findings,
        kills,
        other_endings: incident
            .other_endings
            .iter()
            .map(|o| EndingDoc {
                time: o.at.map(span).unwrap_or_default(),
                owner: o.owner.clone(),
                says: o.says.clone(),
                exit_code: o.code,
                stop: o.stop,
                known: o.known,
                evidence: numbering.unnumbered(&o.cite, &o.says),
            })
            .collect(),
        trends: trends::section(incident, TRENDS_MAX),
        deltas: incident
            .deltas
            .iter()
            .map(|d| DeltaDoc { owner: d.owner.clone(), time: span(d.at), total_growth_bytes: d.total_growth_bytes, body: d.what.clone() })
            .collect(),
        accounts: incident
            .accounts
            .iter()
            .take(ACCOUNTS_MAX)
            .map(|a| AccountDoc {
                owner: a.owner.clone(),
                time: span(a.at),
                total_of: a.total_of.into(),
                total_bytes: a.total_bytes,
                parts: a.parts.clone(),
                note: a.note.clone(),
                evidence: a.cites.iter().map(|c| numbering.unnumbered(c, a.total_of)).collect(),
            })
            .collect(),
        dumps: incident
            .dumps
            .iter()
            .take(ACCOUNTS_MAX)
            .map(|d| DumpDoc {
                owner: d.owner.clone(),
                time: span(d.at),
                path: d.path.clone(),
                headroom_bytes: d.headroom_bytes,
                needed_bytes: d.needed_bytes,
                says: d.says.clone(),
                evidence: d.cites.iter().map(|c| numbering.unnumbered(c, &d.says)).collect(),
            })
            .collect(),
        recordings: incident.profiles.iter().filter_map(|p| recording(incident, p, &numbering)).take(ACCOUNTS_MAX).collect(),
        timeline: incident
            .timeline
            .iter()
            .take(TIMELINE_MAX)
            .map(|t| TimelineDoc {
                time: span(t.at),
                time_written: t.written.as_ref().map(|w| w.text.clone()),
                basis: if t.at.is_known() { basis(t.at) } else { String::new() },
                kind: t.kind.into(),
                owner: t.owner.clone(),
                text: t.text.clone(),
                evidence: numbering.unnumbered(&t.cite, &t.text),
            })
            .collect(),
        ledger: incident
            .ledger
            .iter()
            .map(|l| LedgerDoc {
                owner: l.owner.clone(),
                counts: l.counts.clone(),
                differences: l
                    .differences
                    .iter()
                    .map(|d| DifferenceDoc { kind: d.kind.word().into(), count: d.count, reason: d.reason.clone() })
                    .collect(),
                says: l.says.clone(),
                evidence: l.cites.iter().map(|c| numbering.unnumbered(c, &l.says)).collect(),
            })
            .collect(),
        pods: inspect::pods::section(incident),
        nodes: inspect::nodes::section(incident),
        artifacts: inspect::artifacts::section(incident),
        coverage: coverage::coverage(incident, verdict.findings.first()),
        not_evaluated: not_evaluated(verdict),
        known_defects: verdict.defects.clone(),
        agent_cycles: incident.agent_cycles.iter().map(|c| cycle(c, &numbering)).collect(),
        joins: incident.joins.iter().map(|j| JoinDoc { left: j.left.clone(), right: j.right.clone(), reason: j.reason.clone() }).collect(),
        contradictions: incident.contradictions.iter().map(|(says, cite)| numbering.unnumbered(cite, says)).collect(),
        charts: charts::charts(incident, verdict.findings.first()),
        flames: flames(incident, verdict.findings.first()),
        bridges: incident.bridges.iter().map(|b| bridge(b, &numbering)).collect(),
        excerpts: Vec::new(),
        redactions: 0,
    };
    doc.headline = headline::headline(incident, verdict, &doc, &numbering.names);
    doc.excerpts = numbering.excerpts();
    doc
}

/// Only what the main finding's owner lacked; a cluster's other containers lack the same things for no one's benefit.
fn not_evaluated(verdict: &Verdict) -> Vec<NotEvaluated> {
    let Some(first) = verdict.findings.first() else { return verdict.not_evaluated.clone() };
    let mine = |n: &&NotEvaluated| n.owner == first.owner || n.owner.same_container(&first.owner);
    verdict.not_evaluated.iter().filter(mine).cloned().collect()
}

fn finding(i: usize, f: &Finding, numbering: &mut Numbering<'_>) -> FindingDoc {
    let pick = |stance: Stance| f.evidence.iter().filter(move |e| e.cause == f.cause && e.stance == stance);
    let evidence: Vec<EvidenceRef> = pick(Stance::For).map(|e| numbering.numbered(e)).collect();
    let against: Vec<EvidenceRef> = pick(Stance::Against).map(|e| numbering.numbered(e)).collect();
    FindingDoc {
        id: format!("F{}", i + 1),
        cause: f.cause.word().into(),
        confidence: f.confidence,
        strength: f.strength.word().into(),
        owner: f.owner.clone(),
        also_owners: f.also_owners.clone(),
        sentence: f.sentence.clone(),
        quantities: f.quantities.iter().map(|(k, v)| ((*k).into(), v.round())).collect(),
        intervals: f.intervals.iter().map(|(k, (a, b))| ((*k).into(), [a.round(), b.round()])).collect(),
        culprits: f.culprits.clone(),
        trigger: f.trigger.clone(),
        evidence,
        against,
        advice: f.advice.clone(),
        ruled_out: ruled_out(f, numbering),
    }
}

/// Rival causes of the same case, with what speaks against them.
fn ruled_out(f: &Finding, numbering: &mut Numbering<'_>) -> Vec<RuledOut> {
    let mut rivals: Vec<crate::model::Cause> =
        f.evidence.iter().filter(|e| e.cause != f.cause && e.stance == Stance::Against).map(|e| e.cause).collect();
    // "It is not nothing" needs no line of its own.
    rivals.retain(|c| *c != crate::model::Cause::NoProblem);
    rivals.sort();
    rivals.dedup();
    rivals
        .into_iter()
        .filter_map(|cause| {
            let against: Vec<&Evidence> = f.evidence.iter().filter(|e| e.cause == cause && e.stance == Stance::Against).collect();
            let best = against.iter().max_by_key(|e| e.strength)?;
            let backing = f.evidence.iter().filter(|e| e.cause == cause && e.stance == Stance::For).map(|e| e.strength).max();
            let supported = backing.is_some_and(|b| b >= best.strength);
            let status = match (best.strength, supported) {
                (crate::model::Strength::Conclusive | crate::model::Strength::Strong, false) => "ruled out",
                (_, false) => "unlikely",
                (_, true) => "not settled",
            };
            let why = best.says.clone();
            let ids = against.iter().map(|e| numbering.numbered(e).id).collect();
            Some(RuledOut {
                cause: cause.word().into(),
                hypothesis: headline::class_of(cause.word()).0.into(),
                why,
                status: status.into(),
                evidence: ids,
            })
        })
        .collect()
}

fn kill(incident: &Incident, k: &Kill, numbering: &mut Numbering<'_>) -> KillDoc {
    let victims: Vec<Value> = k.victims.iter().map(|v| json!(v)).collect();
    KillDoc {
        time: k.at.map(span).unwrap_or_default(),
        kind: k.kind.word().into(),
        owner: k.owner.clone(),
        victim: victims.first().cloned().unwrap_or_else(|| json!({"pid": null, "comm": null, "anon_rss_bytes": null, "file_rss_bytes": null, "shmem_rss_bytes": null, "oom_score_adj": null})),
        limit_level: k.limit_level.map(|l| l.word().into()),
        limit_bytes: k.limit_bytes,
        limit_basis: k.limit_basis.into(),
        limit_now_bytes: k.limit_now.as_ref().map(|n| n.bytes),
        limit_now_why: k.limit_now.as_ref().map(|n| n.why.clone()).unwrap_or_default(),
        usage_bytes: k.usage_bytes,
        victims,
        count: k.count.max(1),
        last_time: k.last.map(span),
        time_written: k.written.as_ref().filter(|_| k.at.is_none()).map(|w| w.text.clone()),
        exit_code: k.exit_code,
        witnesses: k.witnesses().map(|w| w.word().to_owned()).collect(),
        evidence: k.told.iter().map(|t| numbering.unnumbered(&t.cite, &t.says)).collect(),
        against: k.against.iter().map(|t| numbering.unnumbered(&t.cite, &t.says)).collect(),
        budget: k.report(incident).map(|r| budget(&r.what)).unwrap_or_default(),
    }
}

fn cycle(c: &AgentCycle, numbering: &Numbering<'_>) -> CycleDoc {
    let stage = |s: &AgentStage| StageDoc {
        kind: s.kind.into(),
        time: span(s.at),
        says: s.says.clone(),
        evidence: s.cites.iter().map(|c| numbering.unnumbered(c, &s.says)).collect(),
    };
    CycleDoc { owner: c.owner.clone(), service: c.service.clone(), outcome: c.outcome.into(), stages: c.stages.iter().map(stage).collect() }
}

fn bridge(b: &Bridge, numbering: &Numbering<'_>) -> BridgeDoc {
    let rung = |r: &Rung| RungDoc {
        id: r.id.into(),
        name: r.name.into(),
        bytes: r.bytes as i64,
        level: r.level,
        says: r.says.clone(),
        evidence: r.cites.iter().map(|c| numbering.unnumbered(c, &r.says)).collect(),
    };
    BridgeDoc { owner: b.owner.clone(), time: span(b.at), rungs: b.rungs.iter().map(rung).collect() }
}

/// Flame graphs of the main finding's profiles, growth before state; others only where there are none.
fn flames(incident: &Incident, first: Option<&Finding>) -> Vec<Flame> {
    const MOST: usize = 4;
    let mine = |t: &&PlacedTree| first.is_none_or(|f| t.owner.same_container(&f.owner));
    let mut trees: Vec<&PlacedTree> = incident.trees.iter().filter(mine).collect();
    if trees.is_empty() {
        trees = incident.trees.iter().collect();
    }
    // A tree without a frame shows nothing.
    trees.retain(|t| t.tree.nodes.len() > 1);
    trees.sort_by_key(|t| !t.tree.compared);
    trees
        .into_iter()
        .take(MOST)
        .enumerate()
        .map(|(i, t)| Flame {
            id: format!("flame-{}", i + 1),
            title: t.title.clone(),
            kind: if t.tree.compared { "diff" } else { "plain" }.into(),
            // Growth is drawn from the frames wherever it is shown.
            svg: if t.tree.compared { None } else { flamegraph::plain(&t.tree, &t.title) },
            dropped: if t.tree.pruned == 0 {
                String::new()
            } else {
                format!("{} frames left out, each below {}", t.tree.pruned, amount(t.tree.pruned_below, &t.tree.unit))
            },
            ..Flame::of(&t.tree)
        })
        .collect()
}

fn amount(n: i64, unit: &str) -> String {
    if unit == "bytes" { crate::model::quantity::human(n as f64) } else { n.to_string() }
}

/// What the charge, or the whole node's RAM, was made of at the kill, largest first; what no counter explains is named as such.
fn budget(o: &crate::model::oom::OomKill) -> Vec<(String, u64)> {
    let Some(b) = o.budget() else {
        let ram = o.ram.budget().map_or(Vec::new(), |b| b.parts);
        return ram.into_iter().map(|(part, bytes)| (part.words().to_owned(), bytes)).collect();
    };
    let mut parts = vec![
        ("anonymous", b.anon_bytes),
        ("file cache", b.file_bytes),
        ("shmem (files in memory)", b.shmem_bytes),
        ("slab", b.slab_bytes),
        ("kernel stacks", b.kernel_stack_bytes),
        ("page tables", b.pagetables_bytes),
        ("sockets", b.sock_bytes),
        ("other kernel memory", b.other_kernel_bytes),
        ("not explained", u64::try_from(b.residual_bytes).unwrap_or(0)),
    ];
    parts.retain(|p| p.1 > 0);
    parts.sort_by_key(|p| (std::cmp::Reverse(p.1), p.0));
    parts.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// What a recording of allocations tells; `None` for all else.
fn recording(incident: &Incident, p: &Placed<HeapProfile>, numbering: &Numbering) -> Option<RecordingDoc> {
    let ProfileBody::Graph(g) = &p.what.body else { return None };
    (!g.births.is_empty() || !g.allocated.is_empty()).then(|| RecordingDoc {
        owner: p.owner.clone(),
        time: span(p.at),
        path: incident.path(p.cite.span.artifact).to_owned(),
        births: g
            .births
            .iter()
            .map(|b| BirthDoc {
                from_seconds: b.from_us as f64 / 1e6,
                to_seconds: b.to_us as f64 / 1e6,
                objects: b.objects,
                bytes: b.bytes,
            })
            .collect(),
        allocated: g.allocated.clone(),
        evidence: vec![numbering.unnumbered(&p.cite, "allocations were recorded")],
    })
}

/// Earliest and latest time of any kill, sample, event or profile.
fn window(incident: &Incident) -> Option<Span> {
    let mut times: Vec<Timestamp> = Vec::new();
    times.extend(incident.timeline.iter().filter(|t| t.at.is_known()).flat_map(|t| [t.at.earliest, t.at.latest]));
    times.extend(
        incident
            .series
            .iter()
            .filter(|s| !s.what.is_uptime())
            .flat_map(|s| [s.what.times.first(), s.what.times.last()])
            .flatten()
            .map(|ms| Timestamp(ms.saturating_mul(1_000_000))),
    );
    times.extend(incident.capture.filter(When::is_known).map(|c| c.latest));
    times.retain(|t| t.0 > 0);
    Some(Span { earliest: Some(*times.iter().min()?), latest: times.iter().max().copied() })
}

fn span(at: When) -> Span {
    if at.is_known() { Span { earliest: Some(at.earliest), latest: Some(at.latest) } } else { Span::default() }
}

fn basis(at: When) -> String {
    json!(at.basis).as_str().unwrap_or_default().to_owned()
}
