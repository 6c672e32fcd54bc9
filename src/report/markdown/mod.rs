//! The report as GitHub Markdown within a byte budget: sections are written whole and dropped whole from the bottom,
//! and the page names what it left out. No section is ever cut in half.

mod heap;
mod kills;
mod sections;

use crate::report::document::ReportDoc;
use crate::report::escape;

/// GitHub takes 65,536 characters in a comment by its own error text; this leaves room for a reply around it.
pub const MAX_BYTES: usize = 60_000;

/// A part of the page that stays or goes as a whole.
struct Section {
    name: &'static str,
    text: String,
}

/// The page, at most `max_bytes` long.
pub fn page(doc: &ReportDoc, max_bytes: usize) -> String {
    let mut sections: Vec<Section> = sections::all(doc).into_iter().filter(|s| !s.text.is_empty()).collect();
    let footer = sections::footer(doc);
    let mut dropped: Vec<&'static str> = Vec::new();
    loop {
        let note = left_out(&dropped, max_bytes);
        let size: usize = sections.iter().map(|s| s.text.len() + 1).sum::<usize>() + note.len() + footer.len();
        if size <= max_bytes || sections.len() <= 1 {
            let mut out = String::with_capacity(size);
            for s in &sections {
                out.push_str(&s.text);
                out.push('\n');
            }
            out.push_str(&note);
            out.push_str(&footer);
            let out = escape::neutral(&out).into_owned();
            return if out.len() <= max_bytes { out } else { bare(doc, max_bytes) };
        }
        // The verdict is never dropped; of the rest the last goes first, except that a section too large for the whole
        // budget would take everything below it along and so goes at once.
        let at = sections.iter().skip(1).position(|s| s.text.len() > max_bytes).map_or(sections.len() - 1, |i| i + 1);
        dropped.insert(0, sections.remove(at).name);
    }
}

fn left_out(dropped: &[&str], max_bytes: usize) -> String {
    if dropped.is_empty() {
        return String::new();
    }
    format!("*Left out to stay within {max_bytes} bytes: {}. The HTML and JSON reports have them.*\n\n", dropped.join(", "))
}

/// A budget too small even for the verdict: its sentence alone, cut where it must be.
fn bare(doc: &ReportDoc, max_bytes: usize) -> String {
    let text = format!(
        "{} *Left out to stay within {max_bytes} bytes: everything else.*\n",
        sections::sentence(&escape::clip(&doc.headline.sentence, max_bytes / 8))
    );
    if text.len() <= max_bytes {
        return text;
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("").to_owned()
}

/// A table row; cells are already Markdown.
fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Heading and alignment rows: `>` before a title aligns its column right.
fn heading(titles: &[&str]) -> String {
    let names: Vec<&str> = titles.iter().map(|t| t.trim_start_matches('>')).collect();
    let marks: Vec<&str> = titles.iter().map(|t| if t.starts_with('>') { "--:" } else { "---" }).collect();
    format!("| {} |\n|{}|\n", names.join(" | "), marks.join("|"))
}

/// Text with identifiers as code and evidence ids in brackets, for a paragraph or (`in_table`) a cell.
fn prose(text: &str, in_table: bool) -> String {
    let text = escape::clip(text, 2000);
    let mut out = String::new();
    for piece in escape::pieces(&text) {
        match piece {
            // `[E1](…)` and `[E1][…]` would be links.
            escape::Piece::Text(t) if out.ends_with(']') && t.starts_with(['(', '[', ':']) => {
                out.push(' ');
                out.push_str(&blanks_kept(t));
            }
            escape::Piece::Text(t) => out.push_str(&blanks_kept(t)),
            escape::Piece::Code(c) => out.push_str(&escape::code_span(c, in_table)),
            escape::Piece::Ids(ids) => out.push_str(&format!("[{}]", ids.join(", "))),
        }
    }
    out
}

/// Escaping looks at the start of a line; a piece in the middle of one starts none.
fn blanks_kept(t: &str) -> String {
    let body = t.trim_start();
    let blanks = t.len() - body.len();
    if blanks > 0 { format!(" {}", escape::markdown(body)) } else { escape::markdown(t) }
}

/// An identifier or path as a code span in a cell, long ones shortened in the middle.
fn code(text: &str) -> String {
    escape::code_span(&escape::middle(text, 120), true)
}

/// One comparison alone, for `postmem diff`.
pub fn comparison(delta: &crate::model::delta::Delta, headline: &str, totals: &[(String, String, String)], rows: usize) -> String {
    let mut out = format!("# {}\n\n{}\n\n", escape::markdown(headline), escape::markdown(&crate::report::outline::delta_subtitle(delta)));
    out.push_str(&heading(&["", "Snapshot", "Time (UTC)", ">Total"]));
    for (i, (path, time, size)) in totals.iter().enumerate().take(rows.max(2)) {
        out.push_str(&row(&[format!("S{}", i + 1), code(path), time.clone(), size.clone()]));
    }
    if totals.len() > rows.max(2) {
        out.push_str(&format!("\n*{} not shown.*\n", crate::report::outline::more(totals.len() - rows.max(2), "snapshot")));
    }
    out.push_str("\n## Who grew\n\n");
    out.push_str(&heap::table(delta, rows));
    out.push('\n');
    out.push_str(&heap::suspects(delta));
    out
}
