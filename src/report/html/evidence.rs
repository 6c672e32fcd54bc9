//! Why to believe it: the chain of evidence for and against, rival explanations, what each source counted, and the
//! other findings of the bundle.

use super::{View, more, row, scroll};
use crate::model::quantity::{human, human_seconds};
use crate::report::document::{EvidenceRef, FindingDoc};
use crate::report::{escape, when};
use maud::{Markup, html};

pub fn section(v: &View<'_>) -> Markup {
    let body = html! {
        @match v.doc.findings.first() {
            None => p class="dim" { "No rule found anything to testify about." },
            Some(f) => {
                @if f.evidence.is_empty() && f.against.is_empty() { p class="dim" { "There is no evidence either way." } }
                (chain(v, f, 0))
                (facts(v, f))
                (rivals(v, f))
            },
        }
        (contradictions(v))
        (ledger(v))
        (cycles(v))
        (defects(v))
        (others(v))
    };
    row("evidence", "Evidence chain", "Each claim links to the bytes it was read from.", &body)
}

fn chain(v: &View<'_>, f: &FindingDoc, index: usize) -> Markup {
    let hidden = f.evidence.len().saturating_sub(v.caps.evidence) + f.against.len().saturating_sub(v.caps.evidence);
    html! {
        ol class="ev" {
            @for e in f.evidence.iter().take(v.caps.evidence) { (item(v, e, index, true)) }
            @for e in f.against.iter().take(v.caps.evidence) { (item(v, e, index, false)) }
        }
        @if hidden > 0 { p class="more" { (crate::report::outline::more(hidden, "piece")) " of evidence not shown here; the JSON report has all." } }
    }
}

fn item(v: &View<'_>, e: &EvidenceRef, index: usize, supports: bool) -> Markup {
    let id = escape::anchor(&e.id);
    let anchor = v.links.is_anchor(&e.id, index).then_some(&id);
    html! {
        li id=[anchor] {
            @match v.links.raw(&id) {
                Some(href) => a class="eid" href=(href) aria-label={ "Evidence " (id) ", go to its source" } { (id) },
                None => span class="eid off" { (if id.is_empty() { "–" } else { &id }) },
            }
            div {
                span class="et" { (v.text(&e.source)) @if !e.strength.is_empty() { " · " (v.text(&e.strength)) } }
                p { (v.prose(&e.says)) }
                (v.links.source(e))
            }
            @if supports { span class="chip good" { "✓ supports" } } @else { span class="chip bad" { "✕ against" } }
        }
    }
}

/// Numbers of a finding with their intervals, culprits and trigger.
fn facts(v: &View<'_>, f: &FindingDoc) -> Markup {
    if f.quantities.is_empty() && f.culprits.is_empty() && f.trigger.is_none() {
        return html! {};
    }
    html! {
        details {
            summary { "Numbers of this finding: confidence " (format!("{:.2}", f.confidence)) }
            (scroll("Numbers of this finding", &html! {
                table class="kv" { tbody {
                    @for (name, value) in f.quantities.iter().take(30) { tr { th scope="row" { (words(name)) } td {
                        (quantity(name, *value))
                        @if let Some([low, high]) = f.intervals.get(name) { span class="dim" { " (" (quantity(name, *low)) " to " (quantity(name, *high)) ")" } }
                    } } }
                    @for c in f.culprits.iter().take(12) { tr { th scope="row" { "culprit: " (v.text(&c.kind)) } td { code { (v.text(&c.name)) }
                        @if let Some(g) = c.growth_bytes { " grew by " (human(g as f64)) }
                        @if let Some(s) = c.share { span class="dim" { " (" (format!("{:.0} %", s * 100.0)) " of the growth)" } } } } }
                    @if let Some(t) = &f.trigger { tr { th scope="row" { "trigger: " (v.text(t.kind.word())) } td { (when::stamp(t.time)) " UTC, " (v.prose(&t.detail)) } } }
                    @if !f.also_owners.is_empty() { tr { th scope="row" { "also in" } td class="mono" {
                        (f.also_owners.iter().take(12).map(|o| o.label()).collect::<Vec<_>>().join(", "))
                        @if f.also_owners.len() > 12 { " and " (crate::report::outline::more(f.also_owners.len() - 12, "replica")) } } } }
                } }
            }))
        }
    }
}

/// `growth per hour` for `growth_bytes_per_hour`.
fn words(name: &str) -> String {
    name.replace("_bytes", "").replace("_seconds", "").replace('_', " ")
}

fn quantity(name: &str, value: f64) -> String {
    if !value.is_finite() {
        "unknown".into()
    } else if name.contains("_bytes") {
        human(value)
    } else if name.ends_with("_seconds") {
        human_seconds(value)
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        when::grouped(value as i64)
    } else {
        format!("{value:.2}")
    }
}

fn rivals(v: &View<'_>, f: &FindingDoc) -> Markup {
    if f.ruled_out.is_empty() {
        return html! {};
    }
    html! {
        h3 class="sub" id="not" { "What it is not" }
        (scroll("Table of rival explanations", &html! {
            table class="hyp" {
                thead { tr { th scope="col" { "Hypothesis" } th scope="col" { "Why" } th scope="col" { "Status" } } }
                tbody { @for r in f.ruled_out.iter().take(v.caps.rows) { tr {
                    th scope="row" { (v.prose(&r.hypothesis)) }
                    td { (v.prose(&r.why)) " " (v.links.evidence(r.evidence.iter().map(String::as_str))) }
                    td { @if r.status == "ruled out" { span class="st good" { "✕ ruled out" } } @else { span class="st warn" { "○ " (v.text(&r.status)) } } }
                } } }
            }
        }))
        (more(f.ruled_out.len().saturating_sub(v.caps.rows), "rival explanation"))
    }
}

fn contradictions(v: &View<'_>) -> Markup {
    let all = &v.doc.contradictions;
    html! {
        @if !all.is_empty() {
            h3 class="sub" { "Sources that contradict each other" }
            ul class="plain" { @for e in all.iter().take(12) { li { (v.prose(&e.says)) " " (v.links.source(e)) } } }
            (more(all.len().saturating_sub(12), "contradiction"))
        }
    }
}

fn ledger(v: &View<'_>) -> Markup {
    let all = &v.doc.ledger;
    html! {
        @if !all.is_empty() {
            h3 class="sub" { "Kills as each source counted them" }
            (scroll("Kill ledger table", &html! {
                table {
                    thead { tr { th scope="col" { "Owner" } th scope="col" { "Counted" } th scope="col" { "Reading" } } }
                    tbody { @for l in all.iter().take(v.caps.rows) { tr {
                        th scope="row" class="mono" { (escape::middle(&l.owner.label(), 60)) }
                        td { @for (i, (source, n)) in l.counts.iter().take(12).enumerate() { @if i > 0 { ", " } (v.text(source)) " " b { (when::grouped(*n as i64)) } } }
                        td { (v.prose(&l.says)) " " (v.links.evidence(l.evidence.iter().map(|e| e.id.as_str()))) }
                    } } }
                }
            }))
            (more(all.len().saturating_sub(v.caps.rows), "container"))
        }
    }
}

fn cycles(v: &View<'_>) -> Markup {
    let all = &v.doc.agent_cycles;
    html! {
        @if !all.is_empty() {
            h3 class="sub" { "Deaths of node services, stage by stage" }
            @for c in all.iter().take(v.caps.rows) {
                details open[all.len() <= 3] {
                    summary { code { (v.text(&c.service)) } " on " (escape::middle(&c.owner.label(), 60)) ": " (v.text(match c.outcome.as_str() { "re-oom" => "killed again", "recovery" => "recovered", _ => "the evidence ends too early to tell" })) }
                    ol class="plain" { @for s in &c.stages { li {
                        b { (v.text(&s.kind)) } " " span class="dim" { (when::span(&s.time, None)) } ": " (v.prose(&s.says)) " "
                        @for e in s.evidence.iter().take(3) { (v.links.source(e)) " " }
                    } } }
                }
            }
            (more(all.len().saturating_sub(v.caps.rows), "death"))
        }
    }
}

fn defects(v: &View<'_>) -> Markup {
    let all = &v.doc.known_defects;
    html! {
        @if !all.is_empty() {
            h3 class="sub" { "Published defects that fit these versions" }
            (scroll("Table of known defects", &html! {
                table {
                    thead { tr { th scope="col" { "Defect" } th scope="col" { "Node, version" } th scope="col" { "What it does" } th scope="col" { "Credibility" } th scope="col" { "Needs, and whether it is here" } } }
                    tbody { @for d in all.iter().take(v.caps.rows) { tr {
                        th scope="row" class="mono" { (v.text(&d.reference)) }
                        td { (v.text(&d.node)) " " span class="dim" { (v.text(&d.component)) " " (v.text(&d.version)) } }
                        td { (v.prose(&d.what)) }
                        td { (v.text(&d.credibility)) @if d.used { br; span class="dim" { "counted as evidence" } } }
                        td { (v.prose(&d.needs)) ": " (if d.found { "found" } else { "not found" }) }
                    } } }
                }
            }))
            (more(all.len().saturating_sub(v.caps.rows), "defect"))
        }
    }
}

fn others(v: &View<'_>) -> Markup {
    let rest = v.doc.findings.get(1..).unwrap_or(&[]);
    html! {
        @if !rest.is_empty() {
            h3 class="sub" id="others" { "Other findings" }
            @for (i, f) in rest.iter().take(v.caps.findings).enumerate() {
                details class="of" {
                    summary { span class="tag" { (v.text(&f.cause)) } " " (v.prose(&f.sentence)) " " span class="dim" { (v.text(&f.strength)) ", " (escape::middle(&f.owner.label(), 70)) } }
                    (chain(v, f, i + 1))
                    @if !f.advice.is_empty() { ul class="plain" { @for a in f.advice.iter().take(6) { li { b { (crate::report::outline::advice_title(&a.kind)) ". " } (v.prose(&a.text)) @if let Some(c) = &a.command { (super::command(c)) } } } } }
                }
            }
            (more(rest.len().saturating_sub(v.caps.findings), "finding"))
        }
    }
}
