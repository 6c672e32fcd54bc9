//! What ended, by whom told, and in which order: the tables of kills, of node services and of events.

use super::sections::{more, who};
use super::{code, heading, prose, row};
use crate::model::quantity::human_bytes;
use crate::report::document::{KillDoc, ReportDoc};
use crate::report::{escape, folds, when};
use std::fmt::Write;

const KILL_ROWS: usize = 30;
const TIMELINE_ROWS: usize = 40;

pub(super) fn kills(doc: &ReportDoc) -> String {
    if doc.kills.is_empty() && doc.ledger.is_empty() {
        return String::new();
    }
    let mut out = "## Kills\n\n".to_owned();
    if !doc.kills.is_empty() {
        out.push_str(&heading(&["Time (UTC)", "Kind", "Owner", "Victim", ">Limit", ">Usage", "Seen by"]));
        let rows = folds::kills(&doc.kills);
        for r in rows.iter().take(KILL_ROWS) {
            let k = r.first;
            let comm = k.victim.get("comm").and_then(|v| v.as_str()).unwrap_or("");
            let n = k.count.max(r.n as u64);
            let times = if n > 1 { format!(" × {n}") } else { String::new() };
            out.push_str(&row(&[
                if r.is_many() { folds::span(&k.time, &r.last.time, r.n) } else { when::of_kill(k) },
                format!("{}{times}", prose(&k.kind, true)),
                who(&k.owner),
                code(comm),
                k.limit_bytes.map(human_bytes).unwrap_or_default(),
                k.usage_bytes.map(human_bytes).unwrap_or_default(),
                prose(&k.witnesses.join(", "), true),
            ]));
        }
        out.push_str(&kill_notes(&rows));
        out.push_str(&more(rows.iter().skip(KILL_ROWS).map(|r| r.n).sum(), "kill"));
    }
    if !doc.ledger.is_empty() {
        out.push_str("\n**What each source counted**\n\n");
        out.push_str(&heading(&["Owner", "Counts", "Reading"]));
        for l in doc.ledger.iter().take(20) {
            let counts: Vec<String> = l.counts.iter().map(|(s, n)| format!("{} {n}", prose(s, true))).collect();
            out.push_str(&row(&[who(&l.owner), counts.join(", "), prose(&l.says, true)]));
        }
        out.push_str(&more(doc.ledger.len().saturating_sub(20), "container"));
    }
    out
}

/// Deaths of node services by stage, and the published defects that fit the versions.
pub(super) fn node_services(doc: &ReportDoc) -> String {
    let mut out = String::new();
    if !doc.agent_cycles.is_empty() {
        out.push_str("## Deaths of node services\n\n");
        out.push_str(&heading(&["Service", "Stage", "Time (UTC)", "What"]));
        for (c, s) in doc.agent_cycles.iter().flat_map(|c| c.stages.iter().map(move |s| (c, s))).take(40) {
            let at = s
                .evidence
                .first()
                .map_or(String::new(), |e| format!(" ({}{})", code(&e.artifact), e.line.map_or(String::new(), |l| format!(":{l}"))));
            out.push_str(&row(&[
                format!("{} {}", code(&c.service), who(&c.owner)),
                prose(&s.kind, true),
                when::span(&s.time, None),
                format!("{}{at}", prose(&s.says, true)),
            ]));
        }
    }
    if !doc.known_defects.is_empty() {
        out.push_str("\n**Published defects that fit these versions**\n\n");
        out.push_str(&heading(&["Defect", "Node, version", "What it does", "Credibility", "Needs"]));
        for d in doc.known_defects.iter().take(30) {
            out.push_str(&row(&[
                code(&d.reference),
                format!("{} {} {}", prose(&d.node, true), prose(&d.component, true), prose(&d.version, true)),
                prose(&d.what, true),
                format!("{}{}", prose(&d.credibility, true), if d.used { ", counted as evidence" } else { "" }),
                format!("{}: {}", prose(&d.needs, true), if d.found { "found" } else { "not found" }),
            ]));
        }
        out.push_str(&more(doc.known_defects.len().saturating_sub(30), "defect"));
    }
    out
}

/// What does not fit a kill, and limits that were changed since: below the table, where there is room.
fn kill_notes(rows: &[folds::Fold<'_, KillDoc>]) -> String {
    let mut out = String::new();
    for r in rows.iter().take(KILL_ROWS).filter(|r| !r.first.against.is_empty() || r.first.limit_now_bytes.is_some()).take(20) {
        let k = r.first;
        let times = if r.is_many() { format!(" × {}", r.n) } else { String::new() };
        let _ = write!(out, "- {}{times} of {}", prose(&k.kind, true), who(&k.owner));
        if let Some(now) = k.limit_now_bytes {
            let then = k.limit_bytes.map(human_bytes).unwrap_or_default();
            let _ = write!(
                out,
                ": limit at the kill {then} ({}), now {}: {}",
                prose(&k.limit_basis, true),
                human_bytes(now),
                prose(&k.limit_now_why, true)
            );
        }
        for e in k.against.iter().take(3) {
            let line = e.line.map_or(String::new(), |l| format!(":{l}"));
            let _ = write!(out, "; but: {} ({}{line})", prose(&e.says, true), code(&e.artifact));
        }
        out.push('\n');
    }
    if out.is_empty() { out } else { format!("\n**What does not fit, and what was changed since**\n\n{out}") }
}

pub(super) fn events(doc: &ReportDoc) -> String {
    if doc.timeline.is_empty() {
        return String::new();
    }
    let mut out = "<details><summary>Events in order</summary>\n\n".to_owned();
    out.push_str(&heading(&["Time (UTC)", "Kind", "Owner", "What happened"]));
    let rows = folds::timeline(&doc.timeline);
    for r in rows.iter().take(TIMELINE_ROWS) {
        let t = r.first;
        let (time, times) = match r.is_many() {
            true => (folds::span(&t.time, &r.last.time, r.n), format!(" × {}", r.n)),
            false => (when::told(&t.time, t.time_written.as_ref()), String::new()),
        };
        out.push_str(&row(&[time, format!("{}{times}", prose(&t.kind, true)), who(&t.owner), prose(&escape::clip(&t.text, 300), true)]));
    }
    out.push_str(&more(rows.iter().skip(TIMELINE_ROWS).map(|r| r.n).sum(), "event"));
    out.push_str("\n</details>\n");
    out
}
