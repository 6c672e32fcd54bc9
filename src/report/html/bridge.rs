//! The way from the live heap to the limit as a table with bars: levels dark, what lies between them light.

use super::{View, row, scroll};
use crate::model::quantity::human;
use crate::report::document::BridgeDoc;
use crate::report::{chart, escape, outline, when};
use maud::{Markup, PreEscaped, html};

/// Processes shown.
const SHOWN: usize = 6;

pub fn section(v: &View<'_>) -> Markup {
    let all = &v.doc.bridges;
    if all.is_empty() {
        return html! {};
    }
    let body = html! {
        @for b in all.iter().take(SHOWN) { (bridge(v, b, all.len() > 1)) }
        (super::more(all.len().saturating_sub(SHOWN), "process"))
    };
    row("bridge", "RSS", "From the live heap to the limit, and what lies between.", &body)
}

fn bridge(v: &View<'_>, b: &BridgeDoc, several: bool) -> Markup {
    let whole = b.rungs.iter().filter(|r| r.level).map(|r| r.bytes).max().unwrap_or(0) as f64;
    let time = when::span(&b.time, None);
    html! {
        h3 class="sub" { "From live heap to limit" @if several { " in " span class="mono" { (escape::middle(&b.owner.label(), 60)) } } @if !time.is_empty() { span class="dim" { " " (time) } } }
        p { (v.prose(&outline::bridge(b))) }
        (scroll("From live heap to limit", &html! {
            table class="cl way" {
                thead { tr { th scope="col" { "Level, and what lies between" } th scope="col" class="l" { span class="vh" { "Bar" } } th scope="col" { "Size" } th scope="col" class="l" { "From" } } }
                tbody { @for (r, (from, to)) in b.rungs.iter().zip(outline::steps(b)) { tr {
                    th scope="row" { @if r.level { (r.name) } @else { span class="dim" { (if r.bytes < 0 { "− " } else { "+ " }) (r.name) } } }
                    td class="barcell" { (PreEscaped(chart::step_bar(from, to, whole, r.level))) }
                    td class=[(r.id == "unexplained").then_some("up")] { @if r.level { b { (human(r.bytes as f64)) } } @else { (human(r.bytes as f64)) } }
                    td class="l" { span class="dim" { (v.prose(&r.says)) @if let Some(e) = r.evidence.first() { " · " span class="mono" { (escape::middle(&e.artifact, 50)) @if let Some(l) = e.line { ":" (l) } } } } }
                } } }
            }
        }))
    }
}
