//! The verdict on a terminal: at most 24 lines of 80 columns whatever the content, so that it never scrolls away.
//! Order of cuts when space is short: commands of later advice, then the sentence's tail, always marked by `…`.

use crate::model::{Owner, Timestamp};
use crate::report::document::ReportDoc;
use crate::report::{escape, outline, sparkline, when};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub const LINES: usize = 24;
pub const COLUMNS: usize = 80;

/// Shortens to `max` columns, the cut marked by `…`.
fn fit(text: &str, max: usize) -> String {
    if text.width() <= max {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > max {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push('…');
    out
}

/// Breaks at blanks into lines of `max` columns; a word longer than a line is broken anywhere. What does not fit into
/// `lines` lines is cut with `…`.
fn wrap(text: &str, max: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut words = text.split_whitespace().map(str::to_owned).collect::<std::collections::VecDeque<_>>();
    while let Some(word) = words.pop_front() {
        let gap = usize::from(!current.is_empty());
        if current.width() + gap + word.width() <= max {
            if gap == 1 {
                current.push(' ');
            }
            current.push_str(&word);
        } else if word.width() > max && current.width() + gap + 8 <= max {
            let room = max - current.width() - gap;
            let (mut used, mut at) = (0, 0);
            for (i, c) in word.char_indices() {
                let w = c.width().unwrap_or(0);
                if used + w > room {
                    at = i;
                    break;
                }
                used += w;
            }
            let (head, tail) = word.split_at(at);
            if head.is_empty() {
                // A character wider than the room: cannot be shown at all.
                continue;
            }
            if gap == 1 {
                current.push(' ');
            }
            current.push_str(head);
            words.push_front(tail.to_owned());
            out.push(std::mem::take(&mut current));
        } else {
            out.push(std::mem::take(&mut current));
            words.push_front(word);
        }
        if out.len() > lines {
            break;
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    if out.len() > lines {
        out.truncate(lines);
        if let Some(last) = out.last_mut() {
            *last = fit(&format!("{last} …"), max);
            if !last.ends_with('…') {
                last.push('…');
            }
        }
    }
    out
}

struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }
    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }
    fn tone(&self, tone: &str, text: &str) -> String {
        let code = match tone {
            "harm" => "1;31",
            "warn" => "1;33",
            "ok" => "1;32",
            _ => "1;36",
        };
        self.with(code, text)
    }
}

/// The page. `color` is the caller's reading of `--color`, `NO_COLOR` and the terminal.
pub fn page(doc: &ReportDoc, color: bool) -> String {
    let paint = Paint(color);
    let h = &doc.headline;
    let mut out: Vec<String> = Vec::new();

    let class = if h.class.is_empty() { "No verdict" } else { &h.class };
    let class = fit(&escape::plain(class), 40);
    let lead = format!("{} {class}", outline::tone_glyph(&h.tone));
    // Where the count of agreeing sources does not fit, the word alone says how sure the verdict is.
    let room = COLUMNS.saturating_sub(lead.width() + 3);
    let strength = escape::plain(&h.strength);
    let word = strength.split(':').next().unwrap_or("");
    let strength = fit(if strength.width() <= room { &strength } else { word }, room);
    let sep = if strength.is_empty() { "" } else { " · " };
    out.push(format!("{}{sep}{strength}", paint.tone(&h.tone, &lead)));
    out.extend(wrap(&escape::plain(&h.sentence), COLUMNS, 4).iter().map(|l| paint.bold(l)));
    if !h.scope.is_empty() {
        out.push(paint.dim(&fit(&escape::plain(&h.scope), COLUMNS)));
    }
    let figures: Vec<String> = h
        .figures
        .iter()
        .take(4)
        .map(|f| {
            let note = if f.note.is_empty() { String::new() } else { format!(" ({})", escape::plain(&f.note)) };
            format!("{} {}{note}", escape::plain(&f.label), escape::plain(&f.value))
        })
        .collect();
    out.extend(pairs(&figures));

    out.extend(also(doc).iter().map(|l| paint.bold(l)));
    let coverage = coverage(doc);
    let spark = spark(doc, &paint);
    if !spark.is_empty() {
        out.push(String::new());
        out.extend(spark);
    }
    // What is left between here and the coverage belongs to the advice: heading, blank line, then the steps.
    let room = LINES.saturating_sub(out.len() + coverage.len() + 3);
    let steps = actions(doc, &paint, room);
    if !steps.is_empty() {
        out.push(String::new());
        out.push(paint.bold("Do next"));
        out.extend(steps);
    }
    if !coverage.is_empty() {
        if out.len() + coverage.len() < LINES {
            out.push(String::new());
        }
        out.extend(coverage.iter().map(|l| paint.dim(l)));
    }
    out.truncate(LINES);
    let mut text = out.iter().map(|l| l.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// From here on a second finding is an incident of its own that the first page must not hide.
const SURE: f64 = 0.7;

/// The best finding of another pod or node, where it is as sure as a first one.
fn also(doc: &ReportDoc) -> Vec<String> {
    let Some(first) = doc.findings.first() else { return Vec::new() };
    let same = |o: &Owner| o.same_pod(&first.owner) || *o == first.owner || first.also_owners.iter().any(|a| a.same_pod(o));
    let other = doc.findings.iter().skip(1).find(|f| f.confidence >= SURE && !same(&f.owner) && f.cause != "no-problem");
    other.map_or_else(Vec::new, |f| wrap(&format!("Also: {}", escape::plain(&f.sentence)), COLUMNS, 2))
}

/// Two figures a line, the second in the page's middle when both are short.
fn pairs(figures: &[String]) -> Vec<String> {
    let half = COLUMNS / 2;
    if figures.iter().all(|f| f.width() < half) {
        figures
            .chunks(2)
            .map(|pair| {
                let left = pair.first().map_or("", String::as_str);
                let right = pair.get(1).map_or("", String::as_str);
                fit(&format!("{left}{}{right}", " ".repeat(half.saturating_sub(left.width()))), COLUMNS)
            })
            .collect()
    } else {
        wrap(&figures.join(" · "), COLUMNS, 3)
    }
}

fn spark(doc: &ReportDoc, paint: &Paint) -> Vec<String> {
    let Some(chart) = outline::main_charts(doc).first().copied() else { return Vec::new() };
    let Some(s) = sparkline::draw(chart, COLUMNS - 2) else { return Vec::new() };
    let name = chart.lines.first().map_or("memory", |l| l.name.as_str());
    let full = crate::model::quantity::human(s.full_bytes);
    let scale = if chart.limit_bytes.is_some_and(|l| l >= s.full_bytes) { format!("█ = limit {full}") } else { format!("█ = {full}") };
    let who = if chart.owner.pod.is_some() { chart.owner.label() } else { chart.title.clone() };
    let title = fit(&escape::plain(&format!("{name} of {}", escape::middle(&who, 48))), COLUMNS - scale.width() - 3);
    let (from, to) = (Timestamp::from_seconds_f64(s.from), Timestamp::from_seconds_f64(s.to));
    let left = format!("{} {}", when::day(from), when::minute(from));
    let same_day = when::day(from) == when::day(to);
    let right = if same_day { format!("{} UTC", when::minute(to)) } else { format!("{} {} UTC", when::day(to), when::minute(to)) };
    let marks = match s.kills {
        0 => String::new(),
        1 => "✕ 1 kill".to_owned(),
        n => format!("✕ {} kills", when::grouped(n as i64)),
    };
    let free = (COLUMNS - 2).saturating_sub(left.width() + right.width() + marks.width());
    let axis = format!("  {left}{}{marks}{}{right}", " ".repeat(free / 2), " ".repeat(free - free / 2));
    let cells = if paint.0 { s.cells.replace('✕', "\u{1b}[1;31m✕\u{1b}[0m").replace('│', "\u{1b}[35m│\u{1b}[0m") } else { s.cells };
    vec![format!("{title} · {scale}"), format!("  {cells}"), paint.dim(&fit(&axis, COLUMNS))]
}

/// Three steps: a line of text each, then their commands while there is room, then more of the text.
fn actions(doc: &ReportDoc, paint: &Paint, room: usize) -> Vec<String> {
    let steps: Vec<_> = outline::advice(doc).into_iter().take(3.min(room)).collect();
    let mut left = room - steps.len();
    let mut commands: Vec<Vec<String>> = Vec::new();
    for a in &steps {
        let lines = a.command.as_ref().and_then(|c| continued(&escape::line(c), COLUMNS - 6)).unwrap_or_default();
        // A command that is cut is of no use: it is shown whole or not at all.
        let fits = lines.len() <= left.min(3);
        left -= if fits { lines.len() } else { 0 };
        commands.push(if fits { lines } else { Vec::new() });
    }
    let mut out = Vec::new();
    for (i, (a, command)) in steps.iter().zip(commands).enumerate() {
        let text = format!("{} {}: {}", i + 1, outline::advice_title(&a.kind), escape::plain(&a.text));
        let lines = wrap(&text, COLUMNS - 2, 1 + left.min(2));
        left -= lines.len() - lines.len().min(1);
        out.extend(lines.iter().enumerate().map(|(n, l)| if n == 0 { l.clone() } else { format!("  {l}") }));
        out.extend(command.iter().enumerate().map(|(n, l)| paint.with("36", &format!("{}{l}", if n == 0 { "  $ " } else { "    " }))));
    }
    out
}

/// A command over as many lines as it needs, so that a shell takes them for one; `None` where a word is longer than a line.
fn continued(command: &str, max: usize) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    for word in command.split(' ') {
        match out.last_mut() {
            Some(line) if line.width() + 1 + word.width() + 2 <= max => {
                line.push(' ');
                line.push_str(word);
            }
            _ if word.width() + 2 > max => return None,
            _ => out.push(word.to_owned()),
        }
    }
    let last = out.len().saturating_sub(1);
    out.iter_mut().take(last).for_each(|l| l.push_str(" \\"));
    Some(out)
}

fn coverage(doc: &ReportDoc) -> Vec<String> {
    let count = |status: &str| doc.coverage.iter().filter(|c| c.status == status).count();
    let missing: Vec<String> =
        doc.coverage.iter().filter(|c| c.status != "read" && c.status != "partial").map(|c| escape::plain(&c.source)).collect();
    if doc.coverage.is_empty() {
        return vec!["Coverage: nothing in the input was recognised".to_owned()];
    }
    let mut text = format!("Coverage: {} read, {} partial, {} missing", count("read"), count("partial"), missing.len());
    if !missing.is_empty() {
        text.push_str(&format!(" ({})", missing.join(", ")));
    }
    wrap(&text, COLUMNS, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_breaks_long_words_and_marks_cuts() {
        assert_eq!(wrap("aa bb cc", 5, 9), ["aa bb", "cc"]);
        assert_eq!(wrap(&"x".repeat(25), 10, 9), ["x".repeat(10), "x".repeat(10), "x".repeat(5)]);
        assert_eq!(wrap("aa bb cc dd", 5, 1), ["aa b…"]);
        assert!(wrap(&"漢".repeat(100), 10, 3).iter().all(|l| l.width() <= 10));
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(continued("kubectl -n shop get pods", 16).unwrap(), ["kubectl -n \\", "shop get pods"]);
        assert_eq!(continued(&"x".repeat(30), 20), None);
    }
}
