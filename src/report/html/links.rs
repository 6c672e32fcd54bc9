//! Which evidence ids can be jumped to. An id is an anchor once in a page, and a link only where its anchor exists.

use super::Caps;
use crate::report::document::{EvidenceRef, ReportDoc};
use crate::report::escape;
use maud::{Markup, html};
use std::collections::BTreeMap;

pub struct Links {
    /// Evidence id → index of the finding whose chain holds its anchor.
    chain: BTreeMap<String, usize>,
    /// Evidence id → (excerpt, line) that holds its anchor.
    raw: BTreeMap<String, (usize, usize)>,
}

impl Links {
    pub fn of(doc: &ReportDoc, caps: &Caps) -> Links {
        let mut chain = BTreeMap::new();
        for (i, f) in doc.findings.iter().take(caps.findings + 1).enumerate() {
            for e in f.evidence.iter().take(caps.evidence).chain(f.against.iter().take(caps.evidence)) {
                let id = escape::anchor(&e.id);
                if !id.is_empty() {
                    chain.entry(id).or_insert(i);
                }
            }
        }
        let mut raw = BTreeMap::new();
        let mut left = caps.excerpt_lines;
        for (i, e) in doc.excerpts.iter().enumerate() {
            for (j, l) in e.lines.iter().take(left).enumerate() {
                for id in &l.evidence {
                    raw.entry(escape::anchor(id)).or_insert((i, j));
                }
            }
            left = left.saturating_sub(e.lines.len());
        }
        Links { chain, raw }
    }

    pub fn none() -> Links {
        Links { chain: BTreeMap::new(), raw: BTreeMap::new() }
    }

    /// Whether this finding's chain is where the id's anchor stands.
    pub fn is_anchor(&self, id: &str, finding: usize) -> bool {
        self.chain.get(&escape::anchor(id)) == Some(&finding)
    }

    /// Ids whose anchor is this excerpt line.
    pub fn anchors_at(&self, ids: &[String], excerpt: usize, line: usize) -> Vec<String> {
        let mut out: Vec<String> = ids.iter().map(|i| escape::anchor(i)).filter(|i| self.raw.get(i) == Some(&(excerpt, line))).collect();
        out.dedup();
        out
    }

    /// Where an id leads: its link of the chain, else its raw line, else nowhere.
    pub fn href(&self, id: &str) -> Option<String> {
        let id = escape::anchor(id);
        if self.chain.contains_key(&id) { Some(format!("#{id}")) } else { self.raw(&id) }
    }

    /// The raw line an id points to.
    pub fn raw(&self, id: &str) -> Option<String> {
        let id = escape::anchor(id);
        self.raw.contains_key(&id).then(|| format!("#raw-{id}"))
    }

    /// `[E5, E6]` with links.
    pub fn evidence<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Markup {
        let ids: Vec<String> = ids.take(8).map(escape::anchor).filter(|i| !i.is_empty()).collect();
        html! {
            @if !ids.is_empty() {
                span class="ids" {
                    @for (i, id) in ids.iter().enumerate() {
                        @if i > 0 { " " }
                        @match self.href(id) {
                            Some(href) => a href=(href) { (id) },
                            None => (id),
                        }
                    }
                }
            }
        }
    }

    /// `artifact:line`, a link where the line is among the excerpts.
    pub fn source(&self, e: &EvidenceRef) -> Markup {
        let at = match (e.line, e.byte_offset) {
            (Some(l), _) => format!(":{l}"),
            (None, Some(b)) => format!(" @ byte {}", crate::report::when::grouped(b as i64)),
            _ => String::new(),
        };
        let place = format!("{}{at}", escape::clip(&e.artifact, 300));
        html! {
            @if !e.artifact.is_empty() {
                @match self.raw(&e.id) {
                    Some(href) => a class="esrc" href=(href) { (place) },
                    None => span class="esrc dim" { (place) },
                }
                @if !e.also.is_empty() { span class="esrc dim" { " and " (crate::report::outline::more(e.also.len(), "place")) } }
            }
        }
    }
}
