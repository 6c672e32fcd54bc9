//! `postmem.report/1` as text: fields in the order of the structs, two blanks of indent, a line feed at the end.

use crate::report::document::ReportDoc;

/// The document, the same bytes for the same content.
pub fn document(doc: &ReportDoc) -> String {
    // Serialising plain structs into memory fails on nothing that a report can hold; an empty object would be a bug.
    let mut text = serde_json::to_string_pretty(doc).unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}

/// A copy to stand inside another page, without indent and within `budget` bytes. Points of charts go first, then drawn
/// flame graphs, then the bulk lists; `dropped` names what went. `None` when even the rest is too large.
pub fn embedded(doc: &ReportDoc, budget: usize) -> Option<(String, Vec<&'static str>)> {
    let compact = |doc: &ReportDoc| serde_json::to_string(doc).ok().map(|t| crate::report::escape::json_in_html(&t));
    let text = compact(doc)?;
    if text.len() <= budget {
        return Some((text, Vec::new()));
    }
    let mut small = doc.clone();
    let mut dropped = Vec::new();
    type Drop = fn(&mut ReportDoc);
    let steps: [(&'static str, Drop); 5] = [
        ("chart points", |d| {
            d.charts.iter_mut().for_each(|c| {
                c.lines.iter_mut().for_each(|l| l.segments.clear());
                c.forecast.clear();
            });
        }),
        ("drawn flame graphs", |d| d.flames.iter_mut().for_each(|f| f.svg = None)),
        ("flame graph frames", |d| d.flames.iter_mut().for_each(|f| f.nodes.clear())),
        ("excerpts, timeline and joins", |d| {
            d.excerpts.clear();
            d.timeline.clear();
            d.joins.clear();
        }),
        ("artifacts, pods, nodes, kills, comparisons and trends", |d| {
            d.artifacts.clear();
            d.pods.clear();
            d.nodes.clear();
            d.kills.clear();
            d.deltas.clear();
            d.trends.clear();
        }),
    ];
    for (what, apply) in steps {
        apply(&mut small);
        dropped.push(what);
        let text = compact(&small)?;
        if text.len() <= budget {
            return Some((text, dropped));
        }
    }
    None
}
