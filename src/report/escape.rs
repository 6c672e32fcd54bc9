//! Text from artifacts is hostile: this file makes it harmless for HTML, Markdown and terminals, and visibly so.
//! Control characters, ANSI escapes, bidirectional overrides and invisible characters become symbols a reader can see
//! (Unicode control pictures, `⟨U+202E⟩`). Escaping of `<`, `&` and quotes in HTML is maud's; [`neutral`] runs over each
//! finished page, so a forgotten call elsewhere cannot let a control character through.

use std::borrow::Cow;
use std::fmt::Write;

/// Text for an XML element or attribute; characters that XML cannot hold become U+FFFD.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in neutral(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character must not reach a reader as it is.
fn hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_visible(c: char, out: &mut String) {
    match c {
        '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => out.push('\u{2421}'),
        _ => {
            let _ = write!(out, "⟨U+{:04X}⟩", c as u32);
        }
    }
}

/// Makes characters visible that would otherwise act on a terminal, reorder text or hide; line feeds and tabs stay.
pub fn neutral(text: &str) -> Cow<'_, str> {
    // A byte test first: nearly all text is plain and is returned as it is.
    let plain = |b: u8| (0x20..0x7f).contains(&b) || b == b'\n' || b == b'\t';
    if text.bytes().all(plain) || !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) { push_visible(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// One line: as [`neutral`], with line feeds and tabs made blanks. Variation selectors go: they change how wide the
/// character before them is, and a line's width would no longer be that of its parts.
pub fn line(text: &str) -> String {
    let narrow = |c: &char| !matches!(c, '\u{fe00}'..='\u{fe0f}');
    neutral(text).chars().filter(narrow).map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect()
}

/// At most `max` characters, the cut marked with an ellipsis and the number of characters left out.
pub fn clip(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(max) {
        None => Cow::Borrowed(text),
        Some((at, _)) => {
            let rest = text.get(at..).map_or(0, |r| r.chars().count());
            Cow::Owned(format!("{}… (+{rest} characters)", text.get(..at).unwrap_or("")))
        }
    }
}

/// An identifier shortened in the middle to at most `max` characters: pod and symbol names differ at both ends.
pub fn middle(text: &str, max: usize) -> Cow<'_, str> {
    let n = text.chars().count();
    if n <= max || max < 5 {
        return Cow::Borrowed(text);
    }
    let head = (max - 1) / 2;
    let tail = max - 1 - head;
    Cow::Owned(text.chars().take(head).chain(std::iter::once('…')).chain(text.chars().skip(n - tail)).collect())
}

/// JSON that may stand inside a `<script type="application/json">`: no `<`, `>`, `&` or hidden character is left, and
/// the value is still the same.
pub fn json_in_html(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 16);
    for c in json.chars() {
        if matches!(c, '<' | '>' | '&') || (hidden(c) && c != '\n') {
            // These characters occur in JSON only inside strings, where an escape means the same.
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Inline Markdown text: nothing in it formats, links, mentions a person or an issue, or breaks a table cell.
pub fn markdown(text: &str) -> String {
    let chars: Vec<char> = line(text).chars().collect();
    let mut out = String::with_capacity(chars.len() + 16);
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    for (i, &c) in chars.iter().enumerate() {
        let before = if i == 0 { ' ' } else { at(i - 1) };
        let after = at(i + 1);
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // Inside a word GitHub leaves an underscore alone, and `memory_limit` stays readable in the source.
            '_' if !(before.is_alphanumeric() && after.is_alphanumeric()) => out.push_str("\\_"),
            // A reference-breaking blank of no width, written as an entity so that it can be seen in the source.
            '@' if after.is_alphanumeric() => out.push_str("@&#8203;"),
            '#' if after.is_alphanumeric() => out.push_str("#&#8203;"),
            '/' if before == ':' && after == '/' => out.push_str("&#8203;/"),
            '.' if before == 'w' && i >= 3 && at(i - 2) == 'w' && at(i - 3) == 'w' => out.push_str("&#8203;."),
            // Block openers matter at the start of a line only.
            '#' | '-' | '+' if i == 0 && (after == ' ' || after == c || i + 1 == chars.len()) => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if i > 0 && after == ' ' && chars.iter().take(i).all(char::is_ascii_digit) => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// A Markdown code span. `in_table` because a table takes a bare `|` for a border even inside code.
pub fn code_span(text: &str, in_table: bool) -> String {
    let text = line(text);
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let body = if in_table { text.replace('|', "\\|") } else { text.to_owned() };
    let fence = "`".repeat(longest_run(&body, '`') + 1);
    let pad = if body.starts_with('`') || body.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{body}{pad}{fence}")
}

/// A fenced code block whose fence is longer than any run of backticks inside.
pub fn code_block(language: &str, text: &str) -> String {
    let text = neutral(text);
    let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

fn longest_run(text: &str, of: char) -> usize {
    let (mut best, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        best = best.max(run);
    }
    best
}

/// A piece of a sentence: words, an identifier in backticks, or a list of evidence ids in square brackets.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Code(&'a str),
    /// `[E5, E6]`
    Ids(Vec<&'a str>),
}

/// Splits a sentence as composers write it. A lone backtick or bracket is text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut text_from = text;
    while let Some(at) = rest.find(['`', '[']) {
        let (Some(here), Some(inner)) = (rest.get(at..), rest.get(at + 1..)) else { break };
        let close = if here.starts_with('`') { '`' } else { ']' };
        let found = inner.find(close).and_then(|end| Some((inner.get(..end)?, inner.get(end + 1..)?)));
        let piece = found.and_then(|(body, after)| match close {
            '`' if !body.is_empty() && !body.contains('\n') => Some((Piece::Code(body), after)),
            ']' => ids(body).map(|ids| (Piece::Ids(ids), after)),
            _ => None,
        });
        match piece {
            Some((piece, after)) => {
                push_text(&mut out, text_from, here);
                out.push(piece);
                rest = after;
                text_from = after;
            }
            None => rest = inner,
        }
    }
    push_text(&mut out, text_from, "");
    out
}

/// The text from `from` up to where `rest`, a tail of it, begins.
fn push_text<'a>(out: &mut Vec<Piece<'a>>, from: &'a str, rest: &str) {
    if let Some(t) = from.get(..from.len().saturating_sub(rest.len())).filter(|t| !t.is_empty()) {
        out.push(Piece::Text(t));
    }
}

/// `E5, E6` as ids; anything else is not a list of evidence.
fn ids(body: &str) -> Option<Vec<&str>> {
    let ids: Vec<&str> = body.split(',').map(str::trim).collect();
    let is_id = |s: &&str| s.len() <= 8 && s.starts_with('E') && s.len() > 1 && s.bytes().skip(1).all(|b| b.is_ascii_digit());
    ids.iter().all(is_id).then_some(ids)
}

/// A piece of plain text without the marks of [`pieces`]: for terminals and titles.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(t) | Piece::Code(t) => out.push_str(t),
            Piece::Ids(ids) => {
                let _ = write!(out, "[{}]", ids.join(", "));
            }
        }
    }
    line(&out)
}

/// An id that may stand in an HTML attribute and a URL fragment.
pub fn anchor(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(neutral("a\u{1b}[31mb\u{202e}c\0"), "a␛[31mb⟨U+202E⟩c␀");
        assert_eq!(neutral("plain\n\ttext ü 漢"), "plain\n\ttext ü 漢");
        assert_eq!(json_in_html("\"</script>\u{2028}\""), "\"\\u003c/script\\u003e\\u2028\"");
    }

    #[test]
    fn markdown_text_does_not_act() {
        assert_eq!(markdown("a|b *c* <i> memory_limit __x__"), "a\\|b \\*c\\* &lt;i&gt; memory_limit \\_\\_x\\_\\_");
        assert_eq!(markdown("@team #12 https://x.y www.z"), "@&#8203;team #&#8203;12 https:&#8203;//x.y www&#8203;.z");
        assert_eq!(markdown("1. not a list"), "1\\. not a list");
        assert_eq!(code_span("a`b|c", true), "``a`b\\|c``");
        assert_eq!(code_block("sh", "x\n```\ny"), "````sh\nx\n```\ny\n````\n");
    }

    #[test]
    fn sentences_fall_into_pieces() {
        use Piece::{Code, Ids, Text};
        assert_eq!(pieces("`a` grew [E1, E2] by ` and [x]"), [Code("a"), Text(" grew "), Ids(vec!["E1", "E2"]), Text(" by ` and [x]")]);
        assert_eq!(plain("`a` [E1] b"), "a [E1] b");
    }

    #[test]
    fn cuts_are_marked() {
        assert_eq!(clip("abcdef", 3), "abc… (+3 characters)");
        assert_eq!(middle("checkout-api-7d9f6b8c4-x2mqp", 11), "check…x2mqp");
    }
}
