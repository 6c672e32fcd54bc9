//! What to do, in order of how soon it helps.

use super::{View, command, more, row};
use crate::report::outline;
use maud::{Markup, html};

const CARDS: usize = 9;

pub fn section(v: &View<'_>) -> Markup {
    let steps = outline::advice(v.doc);
    let body = html! {
        @if steps.is_empty() {
            p class="dim" { "Nothing to do follows from what was found." }
        } @else {
            ol class="acts" {
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
    };
    row("next", "Do next", "In order of how soon it helps.", &body)
}
