//! A comparison as one HTML file, with the report's frame and style.

use super::{headline, totals};
use crate::model::calltree::CallTree;
use crate::model::delta::Delta;
use crate::report::document::ReportDoc;
use crate::report::html::{self as page, Caps, View};
use crate::report::{escape, outline};
use maud::{Markup, html};

/// The page, with the differential flame graph where there is a call tree. No script, no request, within the report's size
/// budget.
pub fn html(delta: &Delta, tree: Option<&CallTree>) -> String {
    let doc = ReportDoc::default();
    let mut caps = Caps { growth_rows: 100, ..Caps::full() };
    let mut main = render(&doc, delta, tree, caps);
    for _ in 0..6 {
        if main.len() <= page::MAX_BYTES * 3 / 5 && page::elements(&main) + 60 <= page::MAX_ELEMENTS {
            break;
        }
        caps = caps.halved();
        main = render(&doc, delta, tree, caps);
    }
    let data =
        serde_json::to_string(delta).ok().map(|j| escape::json_in_html(&j)).filter(|j| j.len() + main.len() + 30_000 <= page::MAX_BYTES);
    let foot = html! { p class="dim" { "No scripts, no network. "
    @if data.is_some() { "A JSON copy of the comparison is inside this file." } @else { "The comparison is too large for a JSON copy inside this file: write diff.json for it." } } };
    let mut sections = vec![("snapshots", "Snapshots"), ("grew", "Who grew")];
    if tree.is_some() {
        sections.push(("flame", "Flame graph"));
    }
    page::frame(&format!("{} · postmem diff", headline(delta)), &sections, &main, &foot, data)
}

fn render(doc: &ReportDoc, delta: &Delta, tree: Option<&CallTree>, caps: Caps) -> String {
    let v = View { doc, caps, links: page::Links::none() };
    let holds = delta.rows.iter().any(|r| r.retained_delta.is_some());
    let order = if holds { "Ordered by growth, of its own or with what it holds." } else { "Ordered by size of the change." };
    let body: Markup = html! {
        section class="hero" id="verdict" aria-label="Result" {
            p class="kick" { span class="sev unknown" { "Comparison" } span class="dim" { (outline::delta_subtitle(delta)) } }
            h1 { (headline(delta)) }
            @if let Some(s) = delta.suspects.first() { p class="lede" { (v.prose(&s.why)) } }
        }
        (page::row("snapshots", "Snapshots", "In the order compared.", &page::scroll("Table of snapshots", &html! {
            table {
                thead { tr { th scope="col" { "" span class="vh" { "Label" } } th scope="col" { "File" } th scope="col" { "Time (UTC)" } th scope="col" { "Total" } } }
                tbody { @for (i, (path, time, size)) in totals(delta).iter().enumerate().take(200) { tr { th scope="row" { "S" (i + 1) } td class="mono brk" { (escape::middle(path, 120)) } td { (time) } td class="r" { (size) } } } }
            }
        })))
        (page::row("grew", "Who grew", order, &page::heap::comparison(&v, delta)))
        @if let Some(t) = tree { (page::row("flame", "Flame graph", "Callers above callees.", &page::heap::growth_graph(&v, t))) }
        @for (i, other) in delta.also.iter().enumerate().take(6) {
            (page::row(&format!("also{i}"), &format!("Also {}", other.measure), "The same inputs, another kind of profile.", &html! {
                p class="dim sm0" { (outline::delta_subtitle(other)) " · " (headline(other)) }
                (page::heap::comparison(&v, other))
            }))
        }
    };
    body.into_string()
}
