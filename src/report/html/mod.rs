//! The report as one HTML file: no script, no request, no style attribute; a policy in the page itself forbids them.
//! Works from `file://`, on a phone, in print, in the dark, and stays readable where a policy refuses its style.
//! Sections are one file each; every cap on rows is in [`Caps`], and whatever a cap cuts is named where it was cut.

mod actions;
mod bridge;
mod coverage;
mod evidence;
mod excerpts;
pub(super) mod heap;
mod links;
mod style;
mod timeline;
mod verdict;

use crate::report::document::ReportDoc;
use crate::report::{escape, json};
pub(super) use links::Links;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The page with its JSON copy stays below this many bytes.
pub const MAX_BYTES: usize = 2_000_000;
/// Elements in the page; above this browsers on phones begin to stutter.
pub const MAX_ELEMENTS: usize = 8_000;

/// How many rows of everything are shown. Halved until the page fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub findings: usize,
    pub evidence: usize,
    pub rows: usize,
    pub events: usize,
    pub kills: usize,
    pub small_charts: usize,
    pub main_charts: usize,
    /// Of a kind in one chart.
    pub marks: usize,
    pub deltas: usize,
    pub growth_rows: usize,
    pub flames: usize,
    pub flame_elements: usize,
    pub excerpt_lines: usize,
    pub line_chars: usize,
    pub text_chars: usize,
}

impl Caps {
    pub fn full() -> Caps {
        Caps {
            findings: 24,
            evidence: 30,
            rows: 40,
            events: 100,
            kills: 60,
            small_charts: 12,
            main_charts: 3,
            marks: 120,
            deltas: 4,
            growth_rows: 15,
            flames: 3,
            flame_elements: 2400,
            excerpt_lines: 400,
            line_chars: 1200,
            text_chars: 1500,
        }
    }

    pub fn halved(self) -> Caps {
        let half = |n: usize| (n / 2).max(1);
        Caps {
            findings: half(self.findings),
            evidence: half(self.evidence),
            rows: half(self.rows),
            events: half(self.events),
            kills: half(self.kills),
            small_charts: half(self.small_charts),
            main_charts: half(self.main_charts),
            marks: half(self.marks).max(8),
            deltas: half(self.deltas),
            growth_rows: half(self.growth_rows),
            flames: self.flames / 2,
            flame_elements: half(self.flame_elements),
            excerpt_lines: half(self.excerpt_lines),
            line_chars: half(self.line_chars).max(80),
            text_chars: half(self.text_chars).max(80),
        }
    }
}

/// What every section gets.
pub(super) struct View<'a> {
    pub doc: &'a ReportDoc,
    pub caps: Caps,
    pub links: Links,
}

impl View<'_> {
    /// Text of any length, cut where it would drown the page.
    pub fn text(&self, text: &str) -> Markup {
        html! { (escape::clip(text, self.caps.text_chars)) }
    }

    /// A sentence with identifiers as code and evidence ids as links.
    pub fn prose(&self, text: &str) -> Markup {
        let text = escape::clip(text, self.caps.text_chars);
        html! {
            @for piece in escape::pieces(&text) {
                @match piece {
                    escape::Piece::Text(t) => (t),
                    escape::Piece::Code(c) => code { (c) },
                    escape::Piece::Ids(ids) => (self.links.evidence(ids.iter().copied())),
                }
            }
        }
    }
}

/// The page. Deterministic: same document, same bytes.
pub fn page(doc: &ReportDoc) -> String {
    let mut caps = Caps::full();
    let mut body = render(doc, caps);
    for _ in 0..6 {
        if body.1.len() <= MAX_BYTES * 3 / 5 && elements(&body.1) + 60 <= MAX_ELEMENTS {
            break;
        }
        caps = caps.halved();
        body = render(doc, caps);
    }
    let (title, main) = body;
    let room = MAX_BYTES.saturating_sub(main.len() + style::CSS.len() + 8_000);
    let copy = json::embedded(doc, room);
    frame(&title, &sections(doc), &main, &footer(doc, copy.as_ref().map(|c| c.1.as_slice())), copy.map(|c| c.0))
}

/// Opening tags.
pub(super) fn elements(page: &str) -> usize {
    page.as_bytes().windows(2).filter(|w| w.first() == Some(&b'<') && w.get(1).is_some_and(u8::is_ascii_alphabetic)).count()
}

fn render(doc: &ReportDoc, caps: Caps) -> (String, String) {
    let view = View { doc, caps, links: Links::of(doc, &caps) };
    let title = {
        let s = escape::plain(&doc.headline.sentence);
        if s.is_empty() { "postmem report".to_owned() } else { format!("{} · postmem", escape::clip(&s, 110)) }
    };
    let main = html! {
        (verdict::section(&view))
        (timeline::section(&view))
        (actions::section(&view))
        (evidence::section(&view))
        (bridge::section(&view))
        (heap::section(&view))
        (coverage::section(&view))
        (excerpts::section(&view))
    };
    (title, main.into_string())
}

fn sections(doc: &ReportDoc) -> Vec<(&'static str, &'static str)> {
    let mut out = Vec::new();
    if timeline::is_present(doc) {
        out.push(("timeline", "Timeline"));
    }
    out.push(("next", "Do next"));
    out.push(("evidence", "Evidence"));
    if !doc.bridges.is_empty() {
        out.push(("bridge", "RSS"));
    }
    if heap::is_present(doc) {
        out.push(("heap", "Heap"));
    }
    out.push(("coverage", "Coverage"));
    if !doc.excerpts.is_empty() {
        out.push(("raw", "Raw"));
    }
    out
}

/// A section with its heading in the margin.
pub(super) fn row(id: &str, title: &str, note: &str, body: &Markup) -> Markup {
    html! {
        section class="row" id=(id) aria-labelledby={ (id) "-h" } {
            div class="mar" { h2 id={ (id) "-h" } { (title) } @if !note.is_empty() { p { (note) } } }
            div class="body" { (body) }
        }
    }
}

/// A wide thing in a box that scrolls by itself; reachable by keyboard and named.
pub(super) fn scroll(label: &str, body: &Markup) -> Markup {
    html! { div class="scroll" tabindex="0" role="region" aria-label=(label) { (body) } }
}

pub(super) fn command(text: &str) -> Markup {
    html! { pre class="cmd" tabindex="0" { code { (text) } } }
}

/// What a cap cut, in words.
pub(super) fn more(n: usize, what: &str) -> Markup {
    html! { @if n > 0 { p class="more" { (super::outline::more(n, what)) " not shown here; the JSON report has all." } } }
}

fn footer(doc: &ReportDoc, dropped: Option<&[&str]>) -> Markup {
    let files = doc.artifacts.len();
    let bytes: u64 = doc.inputs.iter().map(|i| i.bytes).fold(0, u64::saturating_add);
    html! {
        dl class="prov" {
            @for i in doc.inputs.iter().take(6) {
                div { dt { "Input" } dd class="mono" { (escape::middle(&i.path, 90)) } }
                div { dt { "SHA-256" } dd class="mono" title=(escape::clip(&i.sha256, 80)) { (escape::middle(&i.sha256, 21)) } }
            }
            @if doc.inputs.len() > 6 { div { dt { "Inputs" } dd { (super::outline::more(doc.inputs.len() - 6, "input")) } } }
            div { dt { "Read" } dd { (crate::model::quantity::human_bytes(bytes)) ", " (super::when::grouped(files as i64)) " files" } }
            div { dt { "Redacted" } dd { (super::when::grouped(doc.redactions as i64)) @if doc.redactions == 1 { " value" } @else { " values" } } }
            div { dt { "Made by" } dd { (if doc.tool.name.is_empty() { "postmem" } else { &doc.tool.name }) " " (doc.tool.version) } }
        }
        p class="dim" {
            "No scripts, no network. Same input and version give the same bytes. "
            @match dropped {
                Some([]) => "A JSON copy of the data is inside this file.",
                Some(parts) => { "The JSON copy inside this file goes without " (parts.join("; ")) ": write report.json for all." },
                None => "The data is too large for a JSON copy inside this file: write report.json for it.",
            }
        }
    }
}

/// Everything around a page's content.
pub(super) fn frame(title: &str, nav: &[(&str, &str)], main: &str, foot: &Markup, data: Option<String>) -> String {
    let policy = format!("default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'", style::digest());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(style::CSS)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the verdict" }
                header class="top" { div class="wrap" {
                    div class="brand" { (PreEscaped(style::LOGO)) span { "postmem" } span class="dim" { "memory post-mortem" } }
                    nav aria-label="Sections" tabindex="0" { @for (id, name) in nav { a href={ "#" (id) } { (name) } } }
                } }
                main id="main" class="wrap" { (PreEscaped(main)) }
                footer { div class="wrap" { (foot) } }
                @if let Some(data) = data { script type="application/json" id="postmem-data" { (PreEscaped(data)) } }
            }
        }
    };
    escape::neutral(&page.into_string()).into_owned()
}
