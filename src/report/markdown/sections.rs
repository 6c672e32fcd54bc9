//! The sections in the order of their worth: who reads no further than the first still knows the verdict.

use super::{Section, code, heading, heap, kills, prose, row};
use crate::model::quantity::{human, human_seconds};
use crate::model::{Owner, Timestamp};
use crate::report::document::{Chart, EvidenceRef, FindingDoc, ReportDoc};
use crate::report::{escape, outline, sparkline, when};
use std::fmt::Write;

const EVIDENCE_ROWS: usize = 40;
const OTHER_FINDINGS: usize = 20;
const POD_ROWS: usize = 20;
const EXCERPT_LINES: usize = 120;
const LINE_CHARS: usize = 400;

pub fn all(doc: &ReportDoc) -> Vec<Section> {
    vec![
        Section { name: "verdict", text: verdict(doc) },
        Section { name: "timeline", text: timeline(doc) },
        Section { name: "do next", text: actions(doc) },
        Section { name: "evidence chain", text: evidence(doc) },
        Section { name: "bridge", text: bridges(doc) },
        Section { name: "heap", text: heap::section(doc) },
        Section { name: "coverage", text: coverage(doc) },
        Section { name: "other findings", text: others(doc) },
        Section { name: "kills", text: kills::kills(doc) },
        Section { name: "node services", text: kills::node_services(doc) },
        Section { name: "events in order", text: kills::events(doc) },
        Section { name: "problems while reading", text: problems(doc) },
        Section { name: "raw excerpts", text: excerpts(doc) },
    ]
}

pub fn sentence(text: &str) -> String {
    prose(text, false)
}

fn tone_emoji(tone: &str) -> &'static str {
    match tone {
        "harm" => "🔴",
        "warn" => "🟠",
        "ok" => "🟢",
        _ => "⚪",
    }
}

pub(super) fn more(n: usize, what: &str) -> String {
    if n == 0 { String::new() } else { format!("\n*{} not shown here; the JSON report has them.*\n", outline::more(n, what)) }
}

pub(super) fn who(o: &Owner) -> String {
    let label = o.label();
    if label == "unknown owner" { String::new() } else { code(&label) }
}

fn verdict(doc: &ReportDoc) -> String {
    let h = &doc.headline;
    let mut out = format!("# {} {}\n\n", tone_emoji(&h.tone), prose(if h.sentence.is_empty() { "No verdict" } else { &h.sentence }, false));
    let facts: Vec<String> = [format!("**{}**", prose(&h.class, false)), prose(&h.strength, false), prose(&h.scope, false)]
        .into_iter()
        .filter(|s| !s.is_empty() && s != "****")
        .collect();
    let _ = writeln!(out, "{}\n", facts.join(" · "));
    if !h.detail.is_empty() {
        let _ = writeln!(out, "{}\n", prose(&h.detail, false));
    }
    if !h.figures.is_empty() {
        let labels: Vec<String> = h.figures.iter().take(6).map(|f| prose(&f.label, true)).collect();
        out.push_str(&row(&labels));
        let _ = writeln!(out, "|{}|", vec!["---"; labels.len()].join("|"));
        let cells: Vec<String> = h
            .figures
            .iter()
            .take(6)
            .map(|f| {
                let ids = if f.evidence.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", f.evidence.iter().take(4).map(|e| escape::anchor(e)).collect::<Vec<_>>().join(", "))
                };
                format!("**{}** {}{ids}", prose(&f.value, true), prose(&f.note, true))
            })
            .collect();
        out.push_str(&row(&cells));
        out.push('\n');
    }
    if let Some(step) = &h.first_step {
        let _ = writeln!(out, "**First step:** {}\n", prose(&step.text, false));
        if let Some(c) = &step.command {
            out.push_str(&escape::code_block("sh", c));
        }
    }
    out
}

fn sparkrow(chart: &Chart, name: &str) -> Option<String> {
    let s = sparkline::draw(chart, 72)?;
    let (from, to) = (Timestamp::from_seconds_f64(s.from), Timestamp::from_seconds_f64(s.to));
    let (a, b) =
        if when::day(from) == when::day(to) { (when::minute(from), when::minute(to)) } else { (when::short(from), when::short(to)) };
    let gap = 72usize.saturating_sub(a.len() + b.len());
    let scale = match chart.limit_bytes {
        Some(l) if l >= s.full_bytes => format!("█ = limit {}", human(s.full_bytes)),
        _ => format!("█ = {}", human(s.full_bytes)),
    };
    let per_cell = human_seconds((s.to - s.from) / 72.0);
    Some(format!("{} · {scale} · one character = {per_cell}\n{}\n{a}{}{b}\n", escape::line(name), s.cells, " ".repeat(gap)))
}

fn timeline(doc: &ReportDoc) -> String {
    let mut block = String::new();
    for chart in outline::main_charts(doc).into_iter().take(2) {
        let title = if chart.owner.pod.is_some() || chart.title.is_empty() { chart.owner.label() } else { chart.title.clone() };
        let name = format!("{} of {}", chart.lines.first().map_or("memory", |l| l.name.as_str()), escape::middle(&title, 60));
        if let Some(row) = sparkrow(chart, &name) {
            block.push_str(&row);
            let kills: Vec<String> = chart
                .marks
                .iter()
                .filter(|m| m.kind == "kill" && m.time.is_finite())
                .map(|m| when::minute(Timestamp::from_seconds_f64(m.time)))
                .collect();
            if !kills.is_empty() {
                let shown = kills.get(..12).unwrap_or(&kills);
                let rest = if kills.len() > shown.len() { format!(" and {} more", kills.len() - shown.len()) } else { String::new() };
                let _ = writeln!(block, "✕ kill: {}{rest}", shown.join(" "));
            }
            for m in chart.marks.iter().filter(|m| m.kind == "rollout" && m.time.is_finite()).take(3) {
                let _ =
                    writeln!(block, "│ {} {}", when::short(Timestamp::from_seconds_f64(m.time)), escape::line(&escape::clip(&m.label, 60)));
            }
            block.push('\n');
        }
    }
    let small = outline::small_charts(doc);
    for chart in small.iter().take(6) {
        if let Some(s) = sparkline::draw(chart, 72) {
            let kills = match s.kills {
                0 => String::new(),
                1 => " · 1 kill".to_owned(),
                n => format!(" · {n} kills"),
            };
            let _ = writeln!(block, "{}{kills}\n{}", escape::line(&escape::middle(&chart.owner.label(), 60)), s.cells);
        }
    }
    if block.is_empty() {
        return String::new();
    }
    let mut out = format!("## Timeline (UTC)\n\n{}", escape::code_block("text", &block));
    out.push_str(&more(small.len().saturating_sub(6), "container"));
    out
}

fn actions(doc: &ReportDoc) -> String {
    let steps = outline::advice(doc);
    if steps.is_empty() {
        return String::new();
    }
    let mut out = "## Do next\n\n".to_owned();
    for (i, a) in steps.iter().take(10).enumerate() {
        let _ = writeln!(out, "{}. **{}.** {}", i + 1, outline::advice_title(&a.kind), prose(&a.text, false));
        if let Some(c) = &a.command {
            for l in escape::code_block("sh", c).lines() {
                let _ = writeln!(out, "   {l}");
            }
        }
    }
    out.push_str(&more(steps.len().saturating_sub(10), "step"));
    let rows = outline::headroom(doc);
    if !rows.is_empty() {
        out.push_str("\n<details><summary>Would a higher limit help? It only buys time.</summary>\n\n");
        out.push_str(&heading(&["Limit", ">From start to kill", ">Kills per pod and day"]));
        for r in rows {
            let today = if r.today { " (today)" } else { "" };
            out.push_str(&row(&[
                format!("{}{today}", human(r.limit_bytes)),
                when::lasted(r.lasts_seconds),
                format!("{:.1}", r.kills_per_day),
            ]));
        }
        out.push_str("\n</details>\n");
    }
    if let Some(s) = outline::sizes(doc) {
        out.push_str("\n<details><summary>What size, by which rule</summary>\n\n");
        let _ = writeln!(out, "{}\n", s.remarks.iter().map(|r| prose(r, false)).collect::<Vec<_>>().join(" "));
        out.push_str(&heading(&["Policy", ">Limit", ">Request", "On this record"]));
        for r in s.rows {
            let name = format!("{}{}: {}", r.policy, if r.chosen { " (chosen)" } else { "" }, r.words);
            out.push_str(&row(&[name, human(r.limit_bytes), human(r.request_bytes), r.outcome]));
        }
        if let Some(c) = s.command {
            out.push('\n');
            out.push_str(&escape::code_block("sh", &c));
        }
        out.push_str("\n</details>\n");
    }
    out
}

fn place(e: &EvidenceRef) -> String {
    let at = match (e.line, e.byte_offset) {
        (Some(l), _) => format!(":{l}"),
        (None, Some(b)) => format!(" @ byte {b}"),
        _ => String::new(),
    };
    let also = if e.also.is_empty() { String::new() } else { format!(" and {} more places", e.also.len()) };
    if e.artifact.is_empty() { String::new() } else { format!("{}{also}", code(&format!("{}{at}", e.artifact))) }
}

fn evidence_rows(all: &[EvidenceRef], stance: &str) -> String {
    all.iter()
        .map(|e| row(&[escape::anchor(&e.id), prose(&e.source, true), format!("{stance}{}", prose(&e.says, true)), place(e)]))
        .collect()
}

fn evidence(doc: &ReportDoc) -> String {
    let mut out = String::new();
    if let Some(f) = doc.findings.first()
        && !(f.evidence.is_empty() && f.against.is_empty())
    {
        out.push_str("## Evidence chain\n\n");
        out.push_str(&heading(&["", "Source", "Finding", "Read from"]));
        let kept = f.evidence.get(..EVIDENCE_ROWS).unwrap_or(&f.evidence);
        out.push_str(&evidence_rows(kept, ""));
        let against = f.against.get(..EVIDENCE_ROWS).unwrap_or(&f.against);
        out.push_str(&evidence_rows(against, "**Against:** "));
        out.push_str(&more(f.evidence.len() + f.against.len() - kept.len() - against.len(), "evidence item"));
        if !f.ruled_out.is_empty() {
            out.push_str("\n**What it is not**\n\n");
            out.push_str(&heading(&["Hypothesis", "Why", "Status"]));
            for r in f.ruled_out.iter().take(20) {
                let ids: Vec<String> = r.evidence.iter().take(3).map(|id| escape::anchor(id)).collect();
                let why = format!("{} [{}]", prose(&r.why, true), ids.join(", "));
                out.push_str(&row(&[prose(&r.hypothesis, true), why, prose(&r.status, true)]));
            }
            out.push_str(&more(f.ruled_out.len().saturating_sub(20), "rival explanation"));
        }
    }
    if !doc.contradictions.is_empty() {
        out.push_str("\n**Sources that contradict each other**\n\n");
        for e in doc.contradictions.iter().take(10) {
            let _ = writeln!(out, "- {} {}", prose(&e.says, false), place(e).replace("\\|", "|"));
        }
        out.push_str(&more(doc.contradictions.len().saturating_sub(10), "contradiction"));
    }
    out
}

fn finding_line(f: &FindingDoc) -> String {
    let ids: Vec<String> = f.evidence.iter().take(6).map(|e| escape::anchor(&e.id)).filter(|s| !s.is_empty()).collect();
    let ids = if ids.is_empty() { String::new() } else { format!(" [{}]", ids.join(", ")) };
    let also = if f.also_owners.is_empty() { String::new() } else { format!(" and {} more", f.also_owners.len()) };
    row(&[
        code(&f.cause),
        format!("{}{also}", who(&f.owner)),
        format!("{}{ids}", prose(&f.sentence, true)),
        format!("{} ({:.2})", prose(&f.strength, true), f.confidence),
    ])
}

fn others(doc: &ReportDoc) -> String {
    let rest = doc.findings.get(1..).unwrap_or(&[]);
    if rest.is_empty() {
        return String::new();
    }
    let mut out = "## Other findings\n\n".to_owned();
    out.push_str(&heading(&["Cause", "Owner", "Finding", "Confidence"]));
    rest.iter().take(OTHER_FINDINGS).for_each(|f| out.push_str(&finding_line(f)));
    out.push_str(&more(rest.len().saturating_sub(OTHER_FINDINGS), "finding"));
    out
}

fn coverage(doc: &ReportDoc) -> String {
    let mut out = String::new();
    if !doc.coverage.is_empty() {
        out.push_str("## Coverage\n\n");
        out.push_str(&heading(&["Status", "Source", "Found", "To collect it next time"]));
        for c in doc.coverage.iter().take(60) {
            let status = format!("{} {}", outline::coverage_glyph(&c.status), prose(&c.status, true));
            let settles =
                if c.settles.is_empty() || c.status == "read" { String::new() } else { format!(" (settles: {})", prose(&c.settles, true)) };
            let command = c.command.as_deref().map(|c| escape::code_span(c, true)).unwrap_or_default();
            out.push_str(&row(&[status, format!("{}{settles}", prose(&c.source, true)), prose(&c.found, true), command]));
        }
        out.push_str(&more(doc.coverage.len().saturating_sub(60), "source"));
    }
    if !doc.not_evaluated.is_empty() {
        let items: Vec<String> = doc
            .not_evaluated
            .iter()
            .take(30)
            .map(|n| format!("{} (needs {})", escape::code_span(&n.rule, false), prose(&n.need, false)))
            .collect();
        let _ = writeln!(out, "\n**Not checked:** {}", items.join(" · "));
        out.push_str(&more(doc.not_evaluated.len().saturating_sub(30), "rule"));
    }
    out
}

fn problems(doc: &ReportDoc) -> String {
    let mut rows = Vec::new();
    for a in &doc.artifacts {
        let path = a.get("path").and_then(|v| v.as_str()).unwrap_or("");
        for d in a.get("diagnostics").and_then(|v| v.as_array()).into_iter().flatten() {
            let text = |k: &str| d.get(k).and_then(|v| v.as_str()).unwrap_or("");
            let at = d.get("line").and_then(|v| v.as_u64()).map_or(String::new(), |l| format!(":{l}"));
            let times = d.get("count").and_then(|v| v.as_u64()).filter(|n| *n > 1).map_or(String::new(), |n| format!(" ({n} times)"));
            rows.push(row(&[
                code(&format!("{path}{at}")),
                prose(text("severity"), true),
                format!("{}{times}", prose(text("message"), true)),
            ]));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let kept = rows.get(..POD_ROWS).unwrap_or(&rows);
    format!(
        "## Problems while reading\n\n{}{}{}",
        heading(&["Where", "Severity", "What"]),
        kept.concat(),
        more(rows.len() - kept.len(), "problem")
    )
}

fn excerpts(doc: &ReportDoc) -> String {
    if doc.excerpts.is_empty() {
        return String::new();
    }
    let mut out = "<details><summary>Raw excerpts</summary>\n\n".to_owned();
    let mut left = EXCERPT_LINES;
    let mut hidden = 0;
    for e in &doc.excerpts {
        if left == 0 {
            hidden += e.lines.len();
            continue;
        }
        let kept = e.lines.get(..left).unwrap_or(&e.lines);
        left -= kept.len();
        hidden += e.lines.len() - kept.len();
        let _ = writeln!(out, "{}\n", escape::code_span(&e.artifact, false));
        let mut block = String::new();
        for l in kept {
            let at = l.line.map_or_else(|| format!("@{}", l.byte_offset), |n| n.to_string());
            let ids: Vec<String> = l.evidence.iter().map(|e| escape::anchor(e)).collect();
            let _ = writeln!(block, "{:>4} {at:>8}  {}", ids.join(","), escape::line(&escape::clip(&l.text, LINE_CHARS)));
        }
        out.push_str(&escape::code_block("text", &block));
        out.push('\n');
    }
    out.push_str(&more(hidden, "line"));
    out.push_str("\n</details>\n");
    out
}

pub fn footer(doc: &ReportDoc) -> String {
    let inputs: Vec<String> = doc
        .inputs
        .iter()
        .take(3)
        .map(|i| {
            format!(
                "{} sha256 `{}…`",
                escape::code_span(&escape::middle(&i.path, 80), false),
                i.sha256.chars().filter(char::is_ascii_hexdigit).take(12).collect::<String>()
            )
        })
        .collect();
    let more = if doc.inputs.len() > 3 { format!(" and {} more inputs", doc.inputs.len() - 3) } else { String::new() };
    let inputs = if inputs.is_empty() { String::new() } else { format!(" · {}{more}", inputs.join(", ")) };
    let name = if doc.tool.name.is_empty() { "postmem" } else { &doc.tool.name };
    format!(
        "<sub>{} {}{inputs} · {} value{} redacted</sub>\n",
        escape::markdown(name),
        escape::markdown(&doc.tool.version),
        doc.redactions,
        if doc.redactions == 1 { "" } else { "s" }
    )
}

/// From the live heap to the limit: levels bold, what lies between them with its sign.
fn bridges(doc: &ReportDoc) -> String {
    let mut out = String::new();
    for b in doc.bridges.iter().take(4) {
        let _ = writeln!(out, "**From live heap to limit** in {}\n\n{}\n", code(&b.owner.label()), prose(&outline::bridge(b), false));
        out.push_str(&heading(&["Level, and what lies between", ">Size", "From"]));
        for r in &b.rungs {
            let size = human(r.bytes as f64);
            let (name, size) = match (r.level, r.bytes < 0) {
                (true, _) => (format!("**{}**", r.name), format!("**{size}**")),
                (false, false) => (format!("+ {}", r.name), size),
                (false, true) => (format!("− {}", r.name), size),
            };
            let place = r.evidence.first().map_or(String::new(), |e| {
                let line = e.line.map(|l| format!(":{l}")).unwrap_or_default();
                format!(" {}", code(&format!("{}{line}", escape::middle(&e.artifact, 50))))
            });
            out.push_str(&row(&[name, size, format!("{}{place}", prose(&r.says, true))]));
        }
        out.push('\n');
    }
    if out.is_empty() { out } else { format!("## RSS\n\n{out}") }
}
