//! What everyone reads: the class of incident, how sure, one sentence, the first step, four numbers.

use super::View;
use crate::report::outline;
use maud::{Markup, html};

pub fn section(v: &View<'_>) -> Markup {
    let h = &v.doc.headline;
    let tone = match h.tone.as_str() {
        t @ ("harm" | "warn" | "ok") => t,
        _ => "unknown",
    };
    html! {
        section class="hero" id="verdict" aria-label="Verdict" {
            p class="kick" {
                span class={ "sev " (tone) } { span aria-hidden="true" { (outline::tone_glyph(tone)) " " } (v.text(if h.class.is_empty() { "No verdict" } else { &h.class })) }
                @if !h.strength.is_empty() { span class="dim" { (v.text(&h.strength)) } }
            }
            h1 { (v.prose(if h.sentence.is_empty() { "No verdict" } else { &h.sentence })) }
            @if !h.detail.is_empty() { p class="lede" { (v.prose(&h.detail)) } }
            @if let Some(step) = &h.first_step {
                div class="first" {
                    b { "First step" }
                    span { (v.prose(&step.text)) }
                    @if let Some(c) = &step.command { code { (v.text(c)) } }
                }
            }
            @if !h.figures.is_empty() {
                dl class="kpi" {
                    @for f in h.figures.iter().take(4) {
                        div {
                            dt { (v.text(&f.label)) }
                            dd { b { (v.text(&f.value)) } span { (v.text(&f.note)) " " (v.links.evidence(f.evidence.iter().map(String::as_str))) } }
                        }
                    }
                }
            }
            @if !h.scope.is_empty() { p class="scope dim" { (v.text(&h.scope)) } }
        }
    }
}
