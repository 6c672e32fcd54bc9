//! Lines of a describe text, with what pasting does to them undone: carriage returns, colour codes, hard spaces, tabs,
//! lines broken at the terminal's width, and indentation that was lost altogether.

use crate::formats::lines::Line;
use std::borrow::Cow;

/// One line. `raw` keeps its indentation, as blanks; `text` is the same without it and without trailing blanks.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    raw: Cow<'a, str>,
    pub indent: usize,
    pub number: u32,
    pub offset: u64,
}

impl Row<'_> {
    pub fn text(&self) -> &str {
        self.raw.trim_start()
    }

    pub fn raw(&self) -> &str {
        &self.raw
    }

    pub fn is_blank(&self) -> bool {
        self.raw.is_empty()
    }

    /// `Key:` and what follows after at least one blank; `None` where the line is no key line.
    pub fn key(&self) -> Option<(&str, &str)> {
        key_of(self.text())
    }
}

/// Splits `Key:   value`. A colon inside a word (`http://`, `app:v1`) ends no key.
pub fn key_of(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(':')?;
        let rest = text.get(at + 1..)?;
        if rest.is_empty() || rest.starts_with([' ', '\t']) {
            let key = text.get(..at)?;
            return (!key.is_empty() && !key.ends_with(' ')).then(|| (key, rest.trim()));
        }
        from = at + 1;
    }
}

/// Columns that a leading tab stands for: a level of two where a paste has nothing but tabs, a stop of eight where blanks
/// stand beside them (an editor or `unexpand` put tabs for runs of blanks).
pub fn tab_width(bytes: &[u8]) -> usize {
    let (mut blanks, mut tabs) = (false, false);
    for l in crate::formats::lines::lines(bytes).take(4_000) {
        let lead = l.text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let (lead, rest) = l.text.split_at_checked(lead).unwrap_or((&[], &[]));
        tabs |= lead.contains(&b'\t') && !rest.is_empty();
        blanks |= lead.first() == Some(&b' ') && !lead.contains(&b'\t') && !rest.is_empty();
        if tabs && blanks {
            return 8;
        }
    }
    2
}

/// Prepares one line.
pub fn row<'a>(l: &Line<'a>, tab: usize) -> Row<'a> {
    let text = String::from_utf8_lossy(l.text);
    let text = match text {
        Cow::Borrowed(t) => Cow::Borrowed(t.trim_end()),
        Cow::Owned(t) => Cow::Owned(t.trim_end().to_owned()),
    };
    let text = if l.number == 1 { without_mark(text) } else { text };
    let raw = if text.contains(['\u{1b}', '\u{a0}']) || text.starts_with('\t') || text.trim_start_matches(' ').starts_with('\t') {
        Cow::Owned(plain(&text, tab))
    } else {
        text
    };
    let indent = raw.len() - raw.trim_start_matches(' ').len();
    Row { raw, indent, number: l.number, offset: l.offset }
}

fn without_mark(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(t) => Cow::Borrowed(t.strip_prefix('\u{feff}').unwrap_or(t)),
        Cow::Owned(t) => Cow::Owned(t.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(t)),
    }
}

/// Without colour codes; hard spaces and leading tabs become blanks.
fn plain(text: &str, tab: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut leading = true;
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                // CSI: ESC [ … final byte.
                if chars.as_str().starts_with('[') {
                    for c in chars.by_ref().skip(1) {
                        if c.is_ascii_alphabetic() {
                            break;
                        }
                    }
                }
            }
            '\t' if leading => {
                let to = (out.len() / tab.max(1) + 1) * tab.max(1);
                out.extend(std::iter::repeat_n(' ', to - out.len()));
            }
            '\u{a0}' => out.push(' '),
            c => {
                leading &= c == ' ';
                out.push(c);
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Joins lines that a terminal broke at its width. Such a text has many lines of one and the same greatest length, and what
/// follows them is no line that kubectl would begin.
pub fn unwrap_lines(rows: &mut Vec<Row<'_>>, begins: impl Fn(&Row<'_>) -> bool) {
    let chars = |r: &Row<'_>| r.raw.chars().count();
    let Some(width) = rows.iter().map(chars).max().filter(|w| (60..=400).contains(w)) else { return };
    // The last character before the break may be a blank, which the trimmed row no longer has.
    let full = |r: &Row<'_>| (width - 1..=width).contains(&chars(r));
    let broken = rows.windows(2).filter(|p| matches!(p, [a, b] if full(a) && !b.is_blank() && !begins(b))).count();
    let whole = rows.windows(2).filter(|p| matches!(p, [a, b] if full(a) && (b.is_blank() || begins(b)))).count();
    if broken < 3 || broken < whole {
        return;
    }
    let mut out: Vec<Row<'_>> = Vec::with_capacity(rows.len());
    let mut joinable = false;
    for r in rows.drain(..) {
        let next_joinable = full(&r);
        match out.last_mut() {
            Some(last) if joinable && !r.is_blank() && !begins(&r) => {
                let mut joined = std::mem::take(&mut last.raw).into_owned();
                joined.push_str(&r.raw);
                last.raw = Cow::Owned(joined);
            }
            _ => out.push(r),
        }
        joinable = next_joinable;
    }
    *rows = out;
}

/// Gives rows `indent` columns from what they are, for a text that lost its indentation.
pub fn set_indent(row: &mut Row<'_>, indent: usize) {
    let text = row.raw.trim_start().to_owned();
    row.raw = Cow::Owned(format!("{}{text}", " ".repeat(indent)));
    row.indent = indent;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_inside_a_word_ends_no_key() {
        assert_eq!(key_of("Image: a:1"), Some(("Image", "a:1")));
        assert_eq!(key_of("docker.io/x:1 y"), None);
        assert_eq!(key_of("Containers:"), Some(("Containers", "")));
    }
}
