//! Comparisons of profiles as Markdown: who grew, what keeps it alive, where it was allocated.

use super::{code, heading, prose, row};
use crate::model::delta::{Delta, Suspect};
use crate::model::quantity::{human, human_bytes};
use crate::report::document::{Flame, ReportDoc, Span};
use crate::report::{escape, outline, recording, when};
use std::fmt::Write;

const DELTAS: usize = 4;
const ROWS: usize = 12;
const SUSPECTS: usize = 5;
/// Source places given for each.
const SITES: usize = 3;

/// A time with what parts it from the rest; nothing where none is known.
fn at(time: &Span) -> String {
    let known = when::span(time, None);
    if known.is_empty() { known } else { format!("{known}, ") }
}

pub fn section(doc: &ReportDoc) -> String {
    let mut out = String::new();
    if let Some(k) = doc.kills.iter().rev().find(|k| !k.budget.is_empty()) {
        let total: u64 = k.budget.iter().map(|(_, b)| *b).fold(0, u64::saturating_add);
        let _ = writeln!(out, "**What filled the memory at the kill** ({}{} in total)\n", at(&k.time), human_bytes(total));
        out.push_str(&heading(&["Part", ">Size", ">Share"]));
        for (name, bytes) in k.budget.iter().take(12) {
            out.push_str(&row(&[prose(name, true), human_bytes(*bytes), format!("{:.0} %", *bytes as f64 / total.max(1) as f64 * 100.0)]));
        }
        out.push('\n');
    }
    for a in doc.accounts.iter().rev().take(3) {
        let whose = if a.owner == Default::default() { String::new() } else { format!(" in {}", code(&a.owner.label())) };
        let _ = writeln!(out, "**Where {} of {} was**{whose} ({})\n", human_bytes(a.total_bytes), a.total_of, when::span(&a.time, None));
        out.push_str(&heading(&["Part", ">Size", ">Share"]));
        for p in &a.parts {
            let share = p.bytes as f64 / a.total_bytes.max(1) as f64 * 100.0;
            out.push_str(&row(&[prose(&p.name, true), human_bytes(p.bytes), format!("{share:.0} %")]));
        }
        if let Some(n) = &a.note {
            let _ = writeln!(out, "\n*{}*", prose(n, false));
        }
        let from: Vec<String> = a.evidence.iter().map(|e| code(&outline::place(e)).replace("\\|", "|")).collect();
        let _ = writeln!(out, "\nRead from {}\n", from.join(", "));
    }
    for r in doc.recordings.iter().take(3) {
        let _ = writeln!(out, "**Allocations recorded** in {}\n", code(&r.path));
        if !r.births.is_empty() {
            let _ = writeln!(out, "{}\n", prose(&recording::sentence(r), false));
            let _ = writeln!(out, "```text\n{}\n```\n", recording::line(r));
        }
        if !r.allocated.is_empty() {
            out.push_str(&heading(&["Allocated in", ">Alive", ">Objects", "Called from"]));
            for a in r.allocated.iter().take(10) {
                let at = a.location.as_ref().map_or(String::new(), |l| format!(" {}", code(l)));
                let from = if a.callers.is_empty() { String::new() } else { code(&a.callers.join(" ← ")) };
                let objects = when::grouped(i64::try_from(a.objects).unwrap_or(i64::MAX));
                out.push_str(&row(&[format!("{}{at}", code(&format!("{}()", a.function))), human_bytes(a.bytes), objects, from]));
            }
            out.push('\n');
        }
    }
    for d in doc.dumps.iter().take(6) {
        let from: Vec<String> = d.evidence.iter().map(|e| code(&outline::place(e)).replace("\\|", "|")).collect();
        let _ = writeln!(out, "- **Snapshot not finished.** {} (read from {})\n", prose(&d.says, false), from.join(", "));
    }
    for d in doc.deltas.iter().take(DELTAS) {
        let _ = writeln!(out, "**Who grew** in {} ({})\n", code(&d.owner.label()), escape::markdown(&outline::delta_subtitle(&d.body)));
        out.push_str(&table(&d.body, ROWS));
        out.push('\n');
        out.push_str(&suspects(&d.body));
    }
    if doc.deltas.len() > DELTAS {
        let _ = writeln!(out, "*{} not shown here; the JSON report has them.*\n", outline::more(doc.deltas.len() - DELTAS, "comparison"));
    }
    for f in doc.flames.iter().take(2) {
        out.push_str(&tree(f));
    }
    if out.is_empty() { out } else { format!("## Heap\n\n{out}") }
}

/// The growth table alone.
pub fn table(delta: &Delta, rows: usize) -> String {
    let g = outline::growth(delta, rows);
    if g.rows.is_empty() {
        return "Nothing changed.\n".to_owned();
    }
    let objects = g.rows.iter().any(|r| !r.objects.is_empty());
    let retained = g.rows.iter().any(|r| !r.retained.is_empty());
    let kind = delta.rows.first().map_or("row", |r| r.kind.as_str());
    let mut titles: Vec<String> = vec![escape::markdown(&title_case(kind))];
    titles.extend(g.labels.iter().enumerate().map(|(i, l)| if i == 0 { format!(">{l} {}", g.unit) } else { format!(">{l}") }));
    titles.push(">Growth".into());
    titles.push(">Share".into());
    if retained {
        titles.push(">Retained".into());
    }
    if objects {
        titles.push(">Objects".into());
    }
    titles.push("Trend".into());
    let mut out = heading(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for r in &g.rows {
        let mut cells = vec![code(&r.name)];
        if !r.location.is_empty() && r.location != r.name {
            cells = vec![format!("{} {}", code(&r.name), code(&r.location))];
        }
        cells.extend(r.values.iter().cloned());
        cells.push(if r.grew { format!("**{}**", r.growth) } else { r.growth.clone() });
        cells.push(r.share.clone());
        if retained {
            cells.push(r.retained.clone());
        }
        if objects {
            cells.push(r.objects.clone());
        }
        cells.push(prose(outline::trend_words(&r.trend), true));
        out.push_str(&row(&cells));
    }
    if let Some(t) = &g.total {
        let mut cells = vec!["**all together**".to_owned()];
        cells.extend(t.values.iter().map(|v| if v.is_empty() { String::new() } else { format!("**{v}**") }));
        cells.push(format!("**{}**", t.growth));
        cells.resize(titles.len(), String::new());
        out.push_str(&row(&cells));
    }
    if g.more > 0 {
        let _ = writeln!(out, "\n*{} not shown, together {}.*", outline::more(g.more, "row"), g.more_growth);
    }
    if g.skipped > 0 {
        let _ = writeln!(out, "\n*{} between those shown.*", outline::more(g.skipped, "snapshot"));
    }
    out
}

fn title_case(word: &str) -> String {
    let mut c = word.chars();
    c.next().map_or_else(String::new, |f| f.to_uppercase().chain(c).collect())
}

/// Suspects with their retaining paths.
pub fn suspects(delta: &Delta) -> String {
    let mut out = String::new();
    for s in delta.suspects.iter().take(SUSPECTS) {
        let _ = writeln!(out, "- {} {}: {}", code(&s.name).replace("\\|", "|"), escape::code_span(&s.pattern, false), prose(&s.why, false));
        if !s.sites.is_empty() {
            let sites: Vec<String> = s.sites.iter().take(SITES).map(|site| code(site).replace("\\|", "|")).collect();
            let _ = writeln!(out, "  at {}", sites.join(", "));
        }
        if let Some(a) = &s.advice {
            let _ = writeln!(out, "  **Fix:** {}", prose(a, false));
        }
    }
    if delta.suspects.len() > SUSPECTS {
        let _ = writeln!(out, "- {} not shown", outline::more(delta.suspects.len() - SUSPECTS, "suspect"));
    }
    for s in delta.suspects.iter().take(2).filter(|s| !s.path.is_empty()) {
        let calls = s.path.iter().all(|p| p.edge == "calls");
        let title = if calls { "Calls, outermost first" } else { "What keeps it alive" };
        let _ =
            write!(out, "\n<details><summary>{title}: {}</summary>\n\n", escape::markdown(&escape::clip(&s.name, 80)).replace('\\', ""));
        out.push_str(&escape::code_block("text", &path(s)));
        out.push_str("\n</details>\n");
    }
    if let Some(s) = delta.repeated_strings.as_ref().filter(|s| outline::worth_telling(s, delta)) {
        let _ = writeln!(out, "\n{}", prose(&outline::repeated_sentence(s), false));
        for t in s.top.iter().take(5) {
            let held = code(t.held_as.as_deref().unwrap_or("(string)")).replace("\\|", "|");
            let times = when::grouped(i64::try_from(t.count).unwrap_or(i64::MAX));
            let _ = writeln!(
                out,
                "- {held}: {times} times {}, {} wasted, {}",
                human_bytes(t.each_bytes),
                human_bytes(t.wasted_bytes),
                outline::length_words(t)
            );
        }
    }
    for l in delta.limits.iter().take(8) {
        let _ = writeln!(out, "\n*{}*", prose(l, false));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn path(s: &Suspect) -> String {
    let mut out = String::new();
    for (i, step) in s.path.iter().take(14).enumerate() {
        let lead = if i == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(i - 1)) };
        let retained = step.retained_bytes.map(|b| human(b as f64)).unwrap_or_default();
        let node = if step.node.is_empty() { &step.class } else { &step.node };
        let text = escape::line(&escape::clip(&format!("{lead}{}  {}", step.edge, node), 90));
        let at =
            step.title.as_ref().or(step.place.as_ref()).map_or(String::new(), |p| format!("  {}", escape::line(&escape::middle(p, 90))));
        let _ = writeln!(out, "{text:<70} {retained:>12}{at}");
    }
    if s.path.len() > 14 {
        let _ = writeln!(out, "… {} more steps", s.path.len() - 14);
    }
    out
}

/// The widest way down a call tree, a line per frame.
fn tree(f: &Flame) -> String {
    if f.nodes.len() < 2 {
        return String::new();
    }
    let mut out = format!(
        "<details><summary>Where it was allocated: {}</summary>\n\n",
        escape::markdown(&escape::clip(&f.title, 120)).replace('\\', "")
    );
    let weight = |n: &crate::report::document::FlameNode| if f.kind == "diff" { n.after.saturating_sub(n.before) } else { n.after };
    let total = f.nodes.iter().filter(|n| n.depth == 0).map(weight).fold(0i64, i64::saturating_add);
    let mut block = String::new();
    let (mut shown, mut hidden) = (0, 0);
    for n in &f.nodes {
        // Frames below a fiftieth of the whole are noise in text.
        if weight(n).saturating_mul(50) < total || total <= 0 {
            continue;
        }
        if shown >= 40 {
            hidden += 1;
            continue;
        }
        shown += 1;
        let value = if f.unit == "bytes" || f.unit.is_empty() { human(weight(n) as f64) } else { when::grouped(weight(n)) };
        let _ = writeln!(block, "{value:>11}  {}{}", "  ".repeat((n.depth as usize).min(30)), escape::line(&escape::middle(&n.name, 80)));
    }
    if shown == 0 {
        return String::new();
    }
    if hidden > 0 {
        let _ = writeln!(block, "… {} more frames", hidden);
    }
    out.push_str(&escape::code_block("text", &block));
    if !f.dropped.is_empty() {
        let _ = writeln!(out, "\n*{}*", prose(&f.dropped, false));
    }
    out.push_str("\n</details>\n");
    out
}
