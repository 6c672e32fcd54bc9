//! Numbers every quoted place once (E1, E2, …) and collects the quotes.

use super::names::Names;
use crate::model::finding::Evidence;
use crate::model::{Cite, Incident};
use crate::report::document::{EvidenceRef, Excerpt, ExcerptLine};
use std::collections::BTreeMap;

/// Excerpts beyond this many lines are left out of the raw section; the evidence itself keeps its own.
const EXCERPT_LINES_MAX: usize = 300;

/// Line, text and the ids that point at it.
type Quote = (Option<u32>, String, Vec<String>);

pub struct Numbering<'a> {
    incident: &'a Incident,
    pub names: Names<'a>,
    /// Statement and first place → id.
    ids: BTreeMap<(String, Cite), String>,
    /// (artifact path, offset) → line, text, ids.
    quoted: BTreeMap<(String, u64), Quote>,
}

impl<'a> Numbering<'a> {
    pub fn new(incident: &'a Incident) -> Self {
        Numbering { incident, names: Names::of(incident), ids: BTreeMap::new(), quoted: BTreeMap::new() }
    }

    /// A numbered reference; the same statement about the same place keeps its number.
    pub fn numbered(&mut self, e: &Evidence) -> EvidenceRef {
        let first = e.cites.first();
        let next = format!("E{}", self.ids.len() + 1);
        let id = self.ids.entry((e.says.clone(), first.clone())).or_insert(next).clone();
        for c in std::iter::once(first).chain(e.cites.rest()) {
            self.quote(c, &id);
        }
        let mut r = self.unnumbered(first, &e.says);
        r.id = id;
        r.source = e.source.into();
        r.strength = if e.on_record { "on record" } else { e.strength.word() }.into();
        r.says = self.names.capital(&e.says);
        r.rule = e.rule.into();
        r.also = e.cites.rest().iter().map(|c| (self.incident.path(c.span.artifact).to_owned(), c.span.line, c.span.offset)).collect();
        r
    }

    /// A reference without a number, for lists that are not an argument.
    pub fn unnumbered(&self, cite: &Cite, says: &str) -> EvidenceRef {
        EvidenceRef {
            artifact: self.incident.path(cite.span.artifact).to_owned(),
            line: cite.span.line,
            byte_offset: Some(cite.span.offset),
            byte_len: Some(cite.span.len),
            excerpt: cite.excerpt.to_string(),
            says: says.to_owned(),
            ..EvidenceRef::default()
        }
    }

    fn quote(&mut self, c: &Cite, id: &str) {
        if c.excerpt.is_empty() {
            return;
        }
        let slot = self
            .quoted
            .entry((self.incident.path(c.span.artifact).to_owned(), c.span.offset))
            .or_insert_with(|| (c.span.line, c.excerpt.to_string(), Vec::new()));
        if !slot.2.iter().any(|have| have == id) {
            slot.2.push(id.to_owned());
        }
    }

    /// All quotes, by artifact and offset.
    pub fn excerpts(self) -> Vec<Excerpt> {
        let mut out: Vec<Excerpt> = Vec::new();
        for ((artifact, byte_offset), (line, text, evidence)) in self.quoted.into_iter().take(EXCERPT_LINES_MAX) {
            let l = ExcerptLine { line, byte_offset, text, evidence };
            match out.last_mut().filter(|e| e.artifact == artifact) {
                Some(e) => e.lines.push(l),
                None => out.push(Excerpt { artifact, lines: vec![l] }),
            }
        }
        out
    }
}
