//! The lines that evidence points to, as they stand in the bundle; a link lights its line up.

use super::{View, more, row};
use crate::report::escape;
use maud::{Markup, html};

pub fn section(v: &View<'_>) -> Markup {
    if v.doc.excerpts.is_empty() {
        return html! {};
    }
    let mut left = v.caps.excerpt_lines;
    let mut shown = Vec::new();
    let mut hidden = 0;
    for (i, e) in v.doc.excerpts.iter().enumerate() {
        let take = e.lines.len().min(left);
        left -= take;
        hidden += e.lines.len() - take;
        if take > 0 {
            shown.push((i, e, take));
        }
    }
    let body = html! {
        @for (i, e, take) in shown {
            figure class="raw" {
                figcaption class="mono" { (escape::clip(&e.artifact, 400)) }
                pre tabindex="0" { code {
                    @let mut before: Option<u32> = None;
                    @for (j, l) in e.lines.iter().take(take).enumerate() {
                        @if let (Some(a), Some(b)) = (before, l.line) { @if b > a.saturating_add(1) { span class="gap" { "⋯\n" } } }
                        (line(v, i, j, l))
                        @let _ = before.replace(l.line.unwrap_or(0));
                    }
                } }
            }
        }
        (more(hidden, "line"))
    };
    row("raw", "Raw excerpts", "Lines as they stand in the bundle, redacted values shown as ▮▮▮.", &body)
}

fn line(v: &View<'_>, i: usize, j: usize, l: &crate::report::document::ExcerptLine) -> Markup {
    let ids = v.links.anchors_at(&l.evidence, i, j);
    let number = l.line.map_or_else(|| format!("@{}", l.byte_offset), |n| n.to_string());
    let text = escape::line(&escape::clip(&l.text, v.caps.line_chars));
    let inner = html! {
        span class="no_" { (number) }
        span class="ln_" { (text) }
        @for id in &l.evidence { @if let Some(href) = v.links.href(id).filter(|h| !h.starts_with("#raw")) { a class="back" href=(href) aria-label={ "Back to evidence " (escape::anchor(id)) } { (escape::anchor(id)) } } }
        "\n"
    };
    // One anchor per id: nested spans, the outermost lights up as well as any other by :target and :has.
    let marked = ids.iter().rev().fold(inner, |inner, id| html! { span class="hl" id={ "raw-" (id) } { (inner) } });
    html! { @if l.evidence.is_empty() { span class="ln" { (marked) } } @else { span class="ln ref" { (marked) } } }
}
