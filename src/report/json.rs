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
    let compact = |doc: &ReportDoc| {
        let mut out = Bounded { bytes: Vec::new(), left: budget };
        serde_json::to_writer(&mut out, doc).ok()?;
        let text = crate::report::escape::json_in_html(&String::from_utf8(out.bytes).ok()?);
        (text.len() <= budget).then_some(text)
    };
    if let Some(text) = compact(doc) {
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
            d.other_endings.clear();
            d.deltas.clear();
            d.trends.clear();
        }),
    ];
    for (what, apply) in steps {
        apply(&mut small);
        dropped.push(what);
        if let Some(text) = compact(&small) {
            return Some((text, dropped));
        }
    }
    None
}

/// Refuses to grow beyond its budget, so that a huge document is not written out only to be thrown away.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(buf.len()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
