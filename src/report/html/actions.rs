//! What to do, in order of how soon it helps.

use super::{View, command, more, row, scroll};
use crate::model::quantity::human;
use crate::report::{outline, when};
use maud::{Markup, html};

const CARDS: usize = 9;

pub fn section(v: &View<'_>) -> Markup {
    let steps = outline::advice(v.doc);
    let body = html! {
        @if steps.is_empty() {
            p class="dim" { "Nothing to do follows from what was found." }
        } @else {
            ol class={ "acts" @if matches!(steps.len(), 2 | 4) { " two" } } {
                @for (i, a) in steps.iter().take(CARDS).enumerate() {
                    li {
                        h3 { span class="n" { (i + 1) } " " (outline::advice_title(&a.kind)) }
                        p { (v.prose(&a.text)) }
                        @if let Some(c) = &a.command { (command(c)) }
                    }
                }
            }
            (more(steps.len().saturating_sub(CARDS), "step"))
        }
        (higher_limit(v))
        (sizes(v))
    };
    row("next", "Do next", "In order of how soon it helps.", &body)
}

fn sizes(v: &View<'_>) -> Markup {
    let Some(s) = outline::sizes(v.doc) else { return html! {} };
    html! {
        details {
            summary { "What size, by which rule" }
            @for r in &s.remarks { p { (v.prose(r)) } }
            (scroll("Table of sizes", &html! {
                table {
                    thead { tr { th scope="col" { "Policy" } th scope="col" { "Limit" } th scope="col" { "Request" } th scope="col" { "On this record" } } }
                    tbody { @for r in &s.rows { tr {
                        th scope="row" { (r.policy) @if r.chosen { " (chosen)" } span class="src" { (r.words) } }
                        td class="r" { (human(r.limit_bytes)) }
                        td class="r" { (human(r.request_bytes)) }
                        td { (r.outcome) }
                    } } }
                }
            }))
            @if let Some(c) = &s.command { (command(c)) }
        }
    }
}

fn higher_limit(v: &View<'_>) -> Markup {
    let rows = outline::headroom(v.doc);
    html! {
        @if !rows.is_empty() {
            details {
                summary { "Would a higher limit help? It only buys time." }
                (scroll("Table of limits", &html! {
                    table class="nar" {
                        thead { tr { th scope="col" { "Limit" } th scope="col" { "From start to kill" } th scope="col" { "Kills per pod and day" } } }
                        tbody { @for r in &rows { tr {
                            th scope="row" { (human(r.limit_bytes)) @if r.today { " (today)" } }
                            td { (when::lasted(r.lasts_seconds)) }
                            td { (format!("{:.1}", r.kills_per_day)) }
                        } } }
                    }
                }))
            }
        }
    }
}
