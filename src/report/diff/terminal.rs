//! A comparison for the terminal: totals, suspects and the top rows within 100 columns.

use super::{headline, totals};
use crate::model::delta::{Delta, DeltaRow};
use crate::model::quantity::human;
use crate::report::{escape, outline, when};
use std::fmt::Write;

const WIDTH: usize = 100;
/// Suspects told in full.
const SUSPECTS: usize = 3;

/// The page; `rows` is how many rows of the table are shown at most. Names are made harmless for a terminal.
pub fn terminal(delta: &Delta, rows: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", delta.measure, headline(delta));
    for (i, (path, time, size)) in totals(delta).into_iter().enumerate() {
        let head = format!("  {:>2}  {size:>12}  {time:<19}  ", i + 1);
        let room = WIDTH.saturating_sub(head.chars().count());
        let _ = writeln!(out, "{head}{}", escape::middle(&escape::line(&path), room));
    }
    if delta.same_process == Some(false) {
        out.push_str("  not all of one process: objects of one are not objects of another\n");
    }
    if delta.suspects.is_empty() {
        out.push_str("\nno suspects: nothing grows beyond what noise, warm-up or up and down explain\n");
    } else {
        let _ = writeln!(out, "\nsuspects ({})", delta.suspects.len());
        for (i, s) in delta.suspects.iter().take(SUSPECTS).enumerate() {
            wrap(&mut out, &format!("{:>4}. ", i + 1), &escape::line(&s.why));
            for site in s.sites.iter().take(2) {
                let _ = writeln!(out, "      at {}", escape::middle(&escape::line(site), WIDTH - 9));
            }
            if let Some(way) = Some(outline::way(s)).filter(|w| i == 0 && !w.is_empty()) {
                wrap(&mut out, "      held by: ", &escape::line(&way));
            }
            if let Some(a) = s.advice.as_ref().filter(|_| i == 0) {
                wrap(&mut out, "      fix: ", &escape::line(a));
            }
        }
    }
    if let Some(s) = delta.repeated_strings.as_ref().filter(|s| outline::worth_telling(s, delta)) {
        wrap(&mut out, "\nstrings: ", &outline::repeated_sentence(s));
        for t in s.top.iter().take(3) {
            let line = format!(
                "{}× {} {}",
                when::grouped(i64::try_from(t.count).unwrap_or(i64::MAX)),
                human(t.each_bytes as f64),
                t.held_as.as_deref().unwrap_or("")
            );
            let _ = writeln!(out, "      {}", escape::middle(&escape::line(&line), WIDTH - 6));
        }
    }
    table(&mut out, delta, rows);
    for other in &delta.also {
        let _ = writeln!(out, "\nalso {}: {}", other.measure, headline(other));
        for s in other.suspects.iter().take(SUSPECTS) {
            wrap(&mut out, "      ", &escape::line(&s.why));
        }
    }
    for l in &delta.limits {
        wrap(&mut out, "note: ", &escape::line(l));
    }
    out
}

/// Breaks `text` at blanks; further lines are indented like the first.
fn wrap(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    out.push_str(head);
    let mut column = indent;
    for (i, word) in text.split(' ').enumerate() {
        let n = word.chars().count();
        if i > 0 && column + 1 + n > WIDTH {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        // A word longer than a line, as a path may be, is cut where it is least missed.
        let word = escape::middle(word, WIDTH - column);
        column += word.chars().count();
        out.push_str(&word);
    }
    out.push('\n');
}

fn table(out: &mut String, delta: &Delta, rows: usize) {
    let shown = delta.rows.len().min(rows);
    if shown == 0 {
        out.push_str("\nno row changed\n");
        return;
    }
    let bytes = delta.rows.iter().any(|r| r.bytes_delta.is_some());
    let errors = delta.rows.iter().any(|r| r.error_bytes.is_some());
    let kind = delta.rows.first().map_or("", |r| r.kind.as_str());
    let mut head = format!("\n{:>11}", "change");
    if errors {
        let _ = write!(head, " {:>9}", "± error");
    }
    let _ = write!(head, " {:>10}", "after");
    // Where objects are told apart, those that came and went say more than their balance.
    let turnover = bytes && delta.rows.iter().any(|r| r.added_count.is_some());
    if turnover {
        let _ = write!(head, " {:>9} {:>9}", "new", "deleted");
    } else if bytes {
        let _ = write!(head, " {:>10}", "objects");
    }
    let _ = writeln!(out, "{head}  {:<10}  {kind}", "trend");
    for r in delta.rows.iter().take(rows) {
        row(out, r, bytes, errors, turnover);
    }
    if shown < delta.rows.len() {
        let _ = writeln!(out, "  {} more rows: --top N, or -o diff.json", delta.rows.len() - shown);
    }
}

fn row(out: &mut String, r: &DeltaRow, bytes: bool, errors: bool, turnover: bool) {
    let signed = |text: String, v: i64| if v > 0 { format!("+{text}") } else { text };
    let size = |v: Option<i64>| v.map_or_else(|| "?".into(), |v| human(v as f64));
    let count = |v: Option<i64>| v.map_or_else(|| "?".into(), when::grouped);
    let mut line = if bytes {
        format!("{:>11}", signed(size(r.bytes_delta), r.bytes_delta.unwrap_or(0)))
    } else {
        format!("{:>11}", signed(count(r.count_delta), r.count_delta.unwrap_or(0)))
    };
    if errors {
        let _ = write!(line, " {:>9}", r.error_bytes.map_or(String::new(), |e| human(e as f64)));
    }
    let _ = write!(line, " {:>10}", if bytes { size(r.after.bytes.or(r.after.retained_bytes)) } else { count(r.after.count) });
    if turnover {
        let count = |v: Option<i64>| v.map_or(String::new(), when::grouped);
        let _ = write!(line, " {:>9} {:>9}", count(r.added_count), count(r.removed_count));
    } else if bytes {
        let objects = r.count_delta.map_or(String::new(), |c| signed(when::grouped(c), c));
        let _ = write!(line, " {objects:>10}");
    }
    let _ = write!(line, "  {:<10}  ", r.trend);
    let renamed = r.matched.as_ref().map_or(String::new(), |m| format!("  (matched by {m})"));
    let room = WIDTH.saturating_sub(line.chars().count() + renamed.chars().count());
    // Where the name alone is ambiguous the place tells more: by line and file the key is the place.
    let name = match (&r.location, r.kind.as_str()) {
        (Some(place), "line" | "address") if *place != r.name => format!("{} {place}", r.name),
        _ => r.name.clone(),
    };
    let _ = writeln!(out, "{line}{}{renamed}", escape::middle(&escape::line(&name), room));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::delta::{Amount, Suspect};

    #[test]
    fn no_line_is_wider_than_promised_and_escapes_are_visible() {
        let row = DeltaRow {
            kind: "line".into(),
            name: "x".repeat(300),
            location: Some("/a/very/long/path".repeat(20)),
            after: Amount { bytes: Some(5 << 20), ..Amount::default() },
            bytes_delta: Some(3 << 20),
            error_bytes: Some(1000),
            count_delta: Some(-12_345),
            trend: "every-step".into(),
            ..DeltaRow::default()
        };
        let why = format!("a\u{1b}[31m {} grew by much and more and more and more over the many profiles that were taken", "y".repeat(200));
        let delta = Delta {
            measure: "inuse_space".into(),
            rows: vec![row],
            suspects: vec![Suspect { why, sites: vec!["z".repeat(150)], ..Suspect::default() }],
            ..Delta::default()
        };
        let page = terminal(&delta, 10);
        assert!(page.lines().all(|l| l.chars().count() <= WIDTH), "{page}");
        assert!(!page.contains('\u{1b}') && page.contains("+3 MiB"), "{page}");
    }
}
