//! What Node.js programs leave behind, as bundles: the report of a fatal error alone, with its log and with its pod, and
//! snapshots of a bundled program beside its source map.

use std::path::{Path, PathBuf};

/// The report that `postmem analyze` writes of a folder, as JSON and as Markdown.
fn analyze(folder: &Path) -> (serde_json::Value, String) {
    let out = tempfile::TempDir::new().unwrap();
    let (json, page) = (out.path().join("r.json"), out.path().join("r.md"));
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_postmem"))
        .args(["analyze".as_ref(), folder.as_os_str(), "-q".as_ref()])
        .args(["-o".as_ref(), json.as_os_str(), "-o".as_ref(), page.as_os_str()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    (serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap(), std::fs::read_to_string(&page).unwrap())
}

fn copy(sample: &str, to: PathBuf) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(Path::new("samples/formats/node").join(sample), to).unwrap();
}

/// A pod with one container that ended by itself when the report was written, and runs again.
const PODS: &str = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod",
    "metadata":{"name":"orders-0","namespace":"shop","uid":"6f1c2a4e-1111-4222-8333-944455556666"},
    "spec":{"nodeName":"worker-3","containers":[{"name":"app","image":"orders:1","resources":{"limits":{"memory":"512Mi"}}}]},
    "status":{"phase":"Running","qosClass":"Burstable","containerStatuses":[{"name":"app","ready":true,"restartCount":1,
      "state":{"running":{"startedAt":"2026-11-21T13:20:29Z"}},
      "lastState":{"terminated":{"exitCode":134,"reason":"Error","startedAt":"2026-11-21T12:00:00Z","finishedAt":"2026-11-21T13:20:27Z"}}}]}}]}"#;

/// What the same process wrote to its standard error.
const LOG: &str = "<--- Last few GCs --->\n\n[32647:0x38714dd0]      720 ms: Mark-Compact 63.2 (65.2) -> 63.0 (69.2) MB, \
    106.90 / 0.00 ms  (average mu = 0.180, current mu = 0.027) allocation failure; scavenge might not succeed\n\n\n\
    <--- JS stacktrace --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n";

#[test]
fn the_report_of_a_fatal_error_is_an_ending_though_nothing_else_tells_of_it() {
    let dir = tempfile::TempDir::new().unwrap();
    copy("fatal.json", dir.path().join("report.20261121.132026.32647.0.001.json"));
    let (report, page) = analyze(dir.path());
    let kills = report["kills"].as_array().unwrap();
    assert_eq!(kills.len(), 1, "{kills:?}");
    let k = &kills[0];
    assert_eq!((&k["kind"], &k["witnesses"][0]), (&"runtime-abort".into(), &"Node.js report".into()));
    assert_eq!(k["time"]["earliest"], "2026-11-21T13:20:26.743000Z");
    assert_eq!((&k["victims"][0]["pid"], &k["victims"][0]["comm"]), (&32647.into(), &"node".into()));
    assert_eq!((&k["evidence"][0]["line"], &k["evidence"][0]["artifact"]), (&5.into(), &"report.20261121.132026.32647.0.001.json".into()));
    assert!(page.contains("ran out of V8 heap: its runtime ended itself"), "{page}");
}

#[test]
fn report_log_and_status_of_one_end_are_one_ending() {
    for (with_log, with_pod) in [(true, false), (false, true), (true, true)] {
        let dir = tempfile::TempDir::new().unwrap();
        copy("fatal.json", dir.path().join("report.20261121.132026.32647.0.001.json"));
        if with_log {
            std::fs::write(dir.path().join("stderr.log"), LOG).unwrap();
        }
        if with_pod {
            std::fs::write(dir.path().join("pods.json"), PODS).unwrap();
        }
        let (report, _) = analyze(dir.path());
        let kills = report["kills"].as_array().unwrap();
        assert_eq!(kills.len(), 1, "log {with_log}, pod {with_pod}: {kills:#?}");
        let k = &kills[0];
        assert_eq!(k["kind"], "runtime-abort");
        assert!(k["time"]["earliest"].as_str().unwrap().starts_with("2026-11-21T13:20:2"), "{k}");
        assert_eq!(k["witnesses"].as_array().unwrap().len(), 1 + usize::from(with_log) + usize::from(with_pod), "{k:#}");
        assert_eq!(k["owner"]["pod"], if with_pod { "orders-0".into() } else { serde_json::Value::Null }, "{k:#}");
        assert_eq!(k["exit_code"], if with_pod { 134.into() } else { serde_json::Value::Null });
    }
}

#[test]
fn a_minified_program_is_told_by_its_sources() {
    let dir = tempfile::TempDir::new().unwrap();
    for step in ["t0", "t1"] {
        copy(&format!("basket.{step}.heapsnapshot.gz"), dir.path().join(format!("heap/basket.{step}.heapsnapshot.gz")));
    }
    copy("basket.js.map", dir.path().join("dist/basket.js.map"));
    std::fs::write(dir.path().join("pods.json"), PODS).unwrap();
    let (report, page) = analyze(dir.path());
    let text = report.to_string();
    // Both leaks, by the names their sources give them; what is written in the snapshot stays beside it.
    for words in [
        "gained 1,000 Basket (o) a step",
        "basket.ts:4:3 (/srv/basket/basket.js:1:484)",
        "basket.ts:10:1 (",
        "gained 1,000 Receipt (l) a step",
    ] {
        assert!(text.contains(words), "{words}: {text}");
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(text.contains(r#""class":"Basket (o)""#), "the way to it is told by the sources too: {text}");
    assert!(page.contains("`finalizer-held`") && page.contains("FinalizationRegistry f in module basket.js"), "{page}");
    assert!(page.contains("| `Basket (o)` `basket.ts:4:3 (/srv/basket/basket.js:1:484)` |"), "{page}");
}
