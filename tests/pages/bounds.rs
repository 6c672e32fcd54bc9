//! Pages have sizes that hold whatever they show.

use super::fixtures;
use postmem::report::document::{Figure, ReportDoc};
use postmem::report::{html, markdown, terminal};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

fn fits_a_screen(doc: &ReportDoc) {
    let page = terminal::page(doc, false);
    assert!(page.lines().count() <= 24, "{} lines\n{page}", page.lines().count());
    for l in page.lines() {
        assert!(l.width() <= 80, "{} columns: {l}", l.width());
    }
}

#[test]
fn html_stays_within_bytes_and_elements() {
    for doc in [fixtures::nasty(), fixtures::rich(), ReportDoc::default()] {
        let page = html::page(&doc);
        assert!(page.len() <= html::MAX_BYTES, "{} bytes", page.len());
        let elements = page.as_bytes().windows(2).filter(|w| w[0] == b'<' && w[1].is_ascii_alphabetic()).count();
        assert!(elements <= html::MAX_ELEMENTS, "{elements} elements");
    }
}

#[test]
fn what_is_cut_is_named() {
    let page = html::page(&fixtures::nasty());
    assert!(page.contains("not shown here"));
    assert!(page.contains("The JSON copy inside this file goes without chart points") || page.contains("too large for a JSON copy"));
}

#[test]
fn an_empty_report_says_so_everywhere() {
    let doc = ReportDoc::default();
    assert!(html::page(&doc).contains("No verdict"));
    assert!(markdown::page(&doc, markdown::MAX_BYTES).contains("No verdict"));
    assert!(terminal::page(&doc, false).contains("No verdict"));
    fits_a_screen(&doc);
}

#[test]
fn markdown_drops_whole_sections_and_names_them() {
    let doc = fixtures::rich();
    let full = markdown::page(&doc, markdown::MAX_BYTES);
    assert!(!full.contains("Left out"));
    let small = markdown::page(&doc, 6000);
    assert!(small.len() <= 6000);
    assert!(small.contains("raw excerpts") && small.contains("Left out to stay within 6000 bytes"));
    // Whatever stays stands in the full page as it is.
    let kept = small.split("*Left out").next().unwrap().trim_end();
    assert!(full.starts_with(kept), "a section was cut");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn terminal_never_scrolls(texts in proptest::collection::vec(".{0,300}", 12), kills in 0usize..2000) {
        let mut doc = fixtures::rich();
        let mut next = texts.into_iter();
        let mut text = || next.next().unwrap_or_default();
        doc.headline.class = text();
        doc.headline.strength = text();
        doc.headline.sentence = text();
        doc.headline.scope = text();
        doc.headline.figures = (0..4).map(|_| Figure { label: text(), value: "1".into(), note: String::new(), evidence: vec![] }).collect();
        doc.findings[0].advice[1].text = text();
        doc.findings[0].advice[2].command = Some(text());
        doc.charts[0].lines[0].name = text();
        doc.coverage[5].source = text();
        let mark = doc.charts[0].marks[1].clone();
        doc.charts[0].marks.extend((0..kills).map(|_| mark.clone()));
        fits_a_screen(&doc);
    }

    #[test]
    fn markdown_stays_within_its_budget(budget in 0usize..20_000, sentence in ".{0,4000}") {
        let mut doc = fixtures::rich();
        doc.headline.sentence = sentence;
        let page = markdown::page(&doc, budget);
        prop_assert!(page.len() <= budget, "{} bytes of {budget}", page.len());
    }
}

#[test]
fn terminal_holds_for_the_nasty_report() {
    fits_a_screen(&fixtures::nasty());
    fits_a_screen(&fixtures::rich());
}
