//! The rich report as every page shows it, compared with files that a reviewer reads.

use super::fixtures;
use postmem::report::redact::{Mode, Redactor};
use postmem::report::{diff, html, json, markdown, terminal};

fn redacted() -> postmem::report::document::ReportDoc {
    let mut doc = fixtures::rich();
    Redactor::new(Mode::Secrets).document(&mut doc);
    doc
}

/// The page without its JSON copy and without paths of curves, which no reviewer reads.
fn readable(page: &str) -> String {
    let cut = page.find("<script").unwrap_or(page.len());
    let mut out = String::new();
    for part in page.get(..cut).unwrap().split(" d=\"") {
        out.push_str(if out.is_empty() { part } else { part.split_once('"').map_or("", |(_, rest)| rest) });
        out.push_str(" d…");
    }
    out.replace("><", ">\n<")
}

#[test]
fn markdown_golden() {
    insta::assert_snapshot!("report.md", markdown::page(&redacted(), markdown::MAX_BYTES));
}

#[test]
fn terminal_golden() {
    insta::assert_snapshot!("report.txt", terminal::page(&redacted(), false));
}

#[test]
fn html_golden() {
    insta::assert_snapshot!("report.html", readable(&html::page(&redacted())));
}

#[test]
fn diff_goldens() {
    insta::assert_snapshot!("diff.md", diff::markdown(&fixtures::delta()));
    insta::assert_snapshot!("diff.html", readable(&diff::html(&fixtures::delta(), None)));
}

#[test]
fn same_document_same_bytes() {
    let (a, b) = (redacted(), redacted());
    assert_eq!(html::page(&a), html::page(&b));
    assert_eq!(json::document(&a), json::document(&b));
}

#[test]
fn the_json_inside_the_page_is_the_report() {
    let doc = redacted();
    let page = html::page(&doc);
    let inside = page.split("id=\"postmem-data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let (a, b): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(inside).unwrap(), serde_json::from_str(&json::document(&doc)).unwrap());
    assert_eq!(a, b);
}

#[test]
fn each_evidence_link_has_its_target_once() {
    let page = html::page(&redacted());
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|p| p.split('"').next()).collect();
    let total = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), total, "an id occurs twice");
    let links: Vec<&str> = page.split(" href=\"#").skip(1).filter_map(|p| p.split('"').next()).collect();
    assert!(links.contains(&"raw-E1") && links.contains(&"E5"));
    for l in links {
        assert!(ids.binary_search(&l).is_ok(), "#{l} leads nowhere");
    }
}
