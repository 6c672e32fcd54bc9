//! Text from artifacts never acts: not as markup, not on a terminal, not on GitHub.

use super::fixtures::{self, HOSTILE};
use postmem::report::{diff, html, json, markdown, terminal};

fn control_free(page: &str, what: &str) {
    let bad = page.chars().find(|c| {
        (c.is_control() && *c != '\n' && *c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}')
    });
    assert_eq!(bad, None, "{what} lets a control character through");
}

fn harmless_html(page: &str) {
    control_free(page, "html");
    let lower = page.to_ascii_lowercase();
    assert_eq!(lower.matches("<script").count(), lower.matches("<script type=\"application/json\"").count());
    assert!(lower.matches("<script").count() <= 1);
    assert!(!lower.contains("<img"), "an image");
    assert!(!lower.contains("<style>*"), "a foreign style");
    assert_eq!(lower.matches("</script").count(), lower.matches("<script").count());
    for tag in page.split('<').skip(1).filter_map(|t| t.split('>').next()) {
        let name = tag.split(|c: char| c.is_whitespace()).next().unwrap_or("");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '!' | '-')) && name.len() < 14, "odd tag <{tag}>");
        // Attribute values of ours never hold a quote, so names are what stands outside of quotes.
        let outside: String = tag.split('"').step_by(2).collect();
        for attribute in outside.split_whitespace().skip(1) {
            assert!(!attribute.starts_with("on") && !attribute.starts_with("style"), "<{tag}>");
        }
        for href in tag.split("href=\"").skip(1) {
            assert!(href.starts_with('#'), "link to outside: <{tag}>");
        }
        assert!(!tag.contains("url(") || !outside.contains("url("), "<{tag}>");
    }
}

#[test]
fn hostile_text_stays_text_in_html() {
    harmless_html(&html::page(&fixtures::nasty()));
    harmless_html(&html::page(&fixtures::rich()));
    harmless_html(&html::page(&Default::default()));
    let mut d = fixtures::delta();
    d.rows[0].name = HOSTILE.into();
    d.suspects[0].why = HOSTILE.into();
    d.snapshots[0].path = HOSTILE.into();
    harmless_html(&diff::html(&d, None));
    control_free(&diff::markdown(&d), "markdown of diff");
}

#[test]
fn json_is_valid_whatever_it_holds() {
    let _: serde_json::Value = serde_json::from_str(&json::document(&fixtures::nasty())).unwrap();
}

#[test]
fn hostile_text_stays_text_on_a_terminal() {
    let page = terminal::page(&fixtures::nasty(), false);
    control_free(&page, "terminal");
    assert!(page.contains("␛[31m"), "an escape is shown as what it is: {page}");
    // With colour on, the only escapes are ours: a digit sequence and `m`.
    for sequence in terminal::page(&fixtures::nasty(), true).split('\u{1b}').skip(1) {
        let code = sequence.split('m').next().unwrap();
        assert!(code.starts_with('[') && code[1..].chars().all(|c| c.is_ascii_digit() || c == ';'), "foreign escape {code:?}");
    }
}

/// Markdown outside of code: what GitHub would interpret.
fn outside_code(page: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<String> = None;
    for line in page.lines() {
        let bare = line.trim_start();
        let ticks: String = bare.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(f) if bare.trim_end() == f => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                // Code spans: a run of n backticks up to the next run of n.
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    if at > 0 && rest.as_bytes()[at - 1] == b'\\' {
                        out.push_str(&rest[..=at]);
                        rest = &rest[at + 1..];
                        continue;
                    }
                    out.push_str(&rest[..at]);
                    let run: String = rest[at..].chars().take_while(|c| *c == '`').collect();
                    let after = &rest[at + run.len()..];
                    let mut from = 0;
                    rest = loop {
                        let Some(next) = after[from..].find(&run) else { panic!("unbalanced code span in {line:?}") };
                        let (start, end) = (from + next, from + next + run.len());
                        let exact = !after[end..].starts_with('`') && !after[..start].ends_with('`');
                        if exact {
                            break &after[end..];
                        }
                        from = start + after[start..].chars().take_while(|c| *c == '`').count();
                    };
                    out.push('¤');
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a code fence stays open");
    out
}

#[test]
fn hostile_text_stays_text_in_markdown() {
    for doc in [fixtures::nasty(), fixtures::rich()] {
        let page = markdown::page(&doc, markdown::MAX_BYTES);
        control_free(&page, "markdown");
        let text = outside_code(&page).replace("\\]", "").replace("\\[", "").replace("\\|", "");
        for bad in ["<script", "<img", "](", "@team", " #12", "<!--"] {
            assert!(!text.contains(bad), "{bad} acts in markdown");
        }
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        // Headings are ours.
        for h in text.lines().filter(|l| l.starts_with('#')) {
            assert!(h.starts_with("# ") || h.starts_with("## "), "{h}");
        }
    }
}

#[test]
fn tables_keep_their_columns() {
    for doc in [fixtures::nasty(), fixtures::rich()] {
        let text = outside_code(&markdown::page(&doc, markdown::MAX_BYTES));
        let borders = |l: &str| l.replace("\\|", "").matches('|').count();
        let mut columns = None;
        for l in text.lines() {
            if l.starts_with('|') {
                let n = borders(l);
                assert_eq!(*columns.get_or_insert(n), n, "{l}");
                assert!(l.ends_with('|'), "{l}");
            } else {
                columns = None;
            }
        }
    }
}
