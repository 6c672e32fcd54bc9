//! Whole incidents, end to end: the bundles in `samples/incidents/` against the truth their stories tell and against
//! the reports that are kept beside them.

use crate::golden::assert_golden;
use std::path::{Path, PathBuf};
use std::process::Command;

fn story(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/incidents").join(name)
}

/// Analyses a story's bundle once, under the relative path a reader of the README would type.
fn analyze(name: &str, kinds: &[&str]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_postmem"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("analyze").arg(format!("samples/incidents/{name}/bundle")).arg("--quiet");
    let files: Vec<PathBuf> = kinds.iter().map(|k| dir.path().join(k)).collect();
    for f in &files {
        command.arg("-o").arg(f);
    }
    let run = command.output().expect("postmem runs");
    assert!(run.status.success(), "exit {:?}: {}", run.status.code(), String::from_utf8_lossy(&run.stderr));
    files.iter().map(|f| std::fs::read(f).expect("the output was written")).collect()
}

#[test]
fn quote_desk_is_a_heap_leak_of_quotes_nobody_answered() {
    let report: serde_json::Value = serde_json::from_slice(&analyze("quote-desk", &["report.json"])[0]).expect("json");
    let finding = &report["findings"][0];
    assert_eq!(finding["cause"], "heap-leak", "{}", finding["sentence"]);
    assert!(finding["confidence"].as_f64().is_some_and(|c| c >= 0.7), "{}", finding["confidence"]);
    for (key, value) in [("namespace", "freight"), ("workload", "quote-api"), ("pod", "quote-api-6f7d9c5b84-x8k2v"), ("container", "api")] {
        assert_eq!(finding["owner"][key], value);
    }
    assert_eq!(finding["quantities"]["limit_bytes"], 160 << 20);
    let culprits = finding["culprits"].as_array().expect("culprits");
    let named = |word: &str| culprits.iter().any(|c| c["name"].as_str().is_some_and(|n| n.contains(word)));
    assert!(named("OpenQuote"), "{culprits:?}");
    assert!(!named("TariffSheet"), "the bounded cache is innocent: {culprits:?}");
    assert!(finding["evidence"].as_array().is_some_and(|e| !e.is_empty()));

    let kills = report["kills"].as_array().expect("kills");
    assert_eq!(kills.len(), 3);
    for kill in kills {
        assert_eq!(kill["kind"], "memcg-container");
        assert_eq!(kill["victim"]["comm"], "node");
        assert_eq!(kill["owner"]["pod"], "quote-api-6f7d9c5b84-x8k2v");
    }
}

#[test]
fn quote_desk_reports_are_the_golden_ones() {
    let kinds = ["report.json", "report.md", "report.html"];
    for (kind, bytes) in kinds.iter().zip(analyze("quote-desk", &kinds)) {
        assert_golden(&story("quote-desk").join(kind), &bytes);
    }
}

#[test]
fn rate_cards_leaks_response_bodies_and_its_memory_is_accounted_for() {
    let report: serde_json::Value = serde_json::from_slice(&analyze("rate-cards", &["report.json"])[0]).expect("json");
    let finding = &report["findings"][0];
    assert_eq!(finding["cause"], "heap-leak", "{}", finding["sentence"]);
    let first = finding["culprits"][0]["name"].as_str().expect("a culprit");
    assert_eq!(first, "main.askCarrier");

    // From live heap to limit, each level as its own source states it.
    let rungs = report["bridges"][0]["rungs"].as_array().expect("rungs");
    let find = |id: &str| rungs.iter().find(|r| r["id"] == id).unwrap_or_else(|| panic!("{id} in {rungs:?}"));
    let bytes = |id: &str| find(id)["bytes"].as_i64().expect("bytes");
    let from = |id: &str| find(id)["evidence"][0]["artifact"].as_str().expect("artifact").to_owned();
    let levels = ["live-heap", "heap-in-use", "runtime", "rss", "working-set", "limit"];
    assert!(levels.windows(2).all(|w| bytes(w[0]) < bytes(w[1])), "{rungs:?}");
    assert_eq!(bytes("limit"), 160 << 20);
    assert!(from("live-heap").ends_with("heap_t4.pb.gz") && from("heap-in-use").ends_with("metrics.om"));
    assert!(from("limit").ends_with("memory.limit_in_bytes"));
    // Levels and what lies between them add up; the mapped 24 MiB and the binary are what nothing in the input explains.
    let between = |a: &str, b: &str, parts: &[&str]| {
        assert!((bytes(b) - bytes(a) - parts.iter().map(|p| bytes(p)).sum::<i64>()).abs() <= 8, "{a} to {b}");
    };
    between("live-heap", "heap-in-use", &["dead-heap"]);
    between("heap-in-use", "runtime", &["idle-heap", "stacks", "runtime-own"]);
    between("runtime", "rss", &["unexplained"]);
    between("rss", "working-set", &["charged"]);
    between("working-set", "limit", &["room"]);
    assert!((24 << 20..40 << 20).contains(&bytes("unexplained")), "{}", bytes("unexplained"));

    // MemStats lines of the log are series of their own.
    let series = report["trends"].as_array().expect("trends");
    assert!(!series.is_empty());
    let goroutines = report["deltas"].as_array().expect("deltas").iter().find(|d| d["measure"] == "goroutine").expect("goroutines");
    let per = &goroutines["suspects"][0]["per_event"];
    assert_eq!(per["goroutines"], 2, "the server is another process: {per}");
}
