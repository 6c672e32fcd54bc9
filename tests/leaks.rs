//! Known shapes of leaks in Go, told from real profiles of programs that leak and of one that does not.

use postmem::model::delta::{Delta, Suspect};
use postmem::pipeline::{self, Options};
use std::path::PathBuf;

fn folder(leak: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "samples/formats/pprof/leaks", leak].iter().collect()
}

fn diff(leak: &str, kind: &str) -> Delta {
    let files: Vec<PathBuf> = (0..4).map(|t| folder(leak).join(format!("{kind}_t{t}.pb.gz"))).collect();
    pipeline::diff(&files, &Options::default()).unwrap()
}

fn first(d: &Delta) -> &Suspect {
    d.suspects.first().unwrap()
}

#[test]
fn the_function_that_leaks_comes_first_with_its_pattern_and_the_steady_ones_are_not_named() {
    let known = [
        ("blocked-send", "heap", "leak.runQuery", "site-growth"),
        ("blocked-send", "goroutine", "leak.runQuery", "blocked-send"),
        ("context-not-cancelled", "heap", "leak.handle", "context-not-cancelled"),
        ("timer-go1.22", "heap", "leak.waitEvent", "timer"),
        ("long-running-call", "heap", "leak.importFiles", "site-growth"),
        ("unclosed-body", "heap", "net/http.(*Transport).", "unclosed-body"),
        ("unclosed-body", "goroutine", "net/http.(*persistConn).", "unclosed-body"),
    ];
    for (leak, kind, name, pattern) in known {
        let d = diff(leak, kind);
        let s = first(&d);
        assert!(s.name.contains(name) && s.pattern == pattern, "{leak} {kind}: {s:?}");
        assert!(d.suspects.iter().all(|s| !s.name.contains("/steady.")), "{leak} {kind}: {:?}", d.suspects);
        assert_eq!(s.advice.is_some(), pattern != "site-growth");
    }
    for kind in ["heap", "goroutine"] {
        assert_eq!(diff("steady", kind).suspects, [], "{kind}");
    }
}

#[test]
fn growth_is_within_its_error_of_the_truth() {
    // 400 senders a step are left behind, each with 12 KiB of rows: three steps from the first profile to the last.
    let d = diff("blocked-send", "heap");
    let row = d.rows.iter().find(|r| r.name.ends_with("leak.runQuery")).unwrap();
    let truth = 3 * 400 * 12_288;
    assert!((row.bytes_delta.unwrap() - truth).abs() < 3 * row.error_bytes.unwrap(), "{row:?}");
    assert_eq!(first(&diff("blocked-send", "goroutine")).objects_added, Some(1200));
}

#[test]
fn goroutines_and_heap_are_read_together() {
    let analysis = pipeline::analyze(&[folder("unclosed-body")], &Options::default()).unwrap();
    let find = |measure: &str| analysis.document.deltas.iter().map(|d| &d.body).find(|d| d.measure == measure).unwrap();
    let per = first(find("goroutine")).per_event.clone().unwrap();
    // Two goroutines of the client and one of the server, which is the same process here.
    assert_eq!((per.events, per.goroutines), (480, 3));
    assert!((8_000..60_000).contains(&per.bytes.unwrap()), "{per:?}");
    let why = &first(find("inuse_space")).why;
    assert!(why.contains("per unclosed response body") && why.contains("leak.fetchPrice"), "{why}");

    let analysis = pipeline::analyze(&[folder("long-running-call")], &Options::default()).unwrap();
    let heap = analysis.document.deltas.iter().map(|d| &d.body).find(|d| d.measure == "inuse_space").unwrap();
    assert_eq!((first(heap).pattern.as_str(), first(heap).advice.is_some()), ("long-running-call", true));
}

#[test]
fn two_folders_are_compared_kind_by_kind() {
    let d = pipeline::diff(&[folder("steady"), folder("blocked-send")], &Options::default()).unwrap();
    assert_eq!(d.measure, "inuse_space");
    assert_eq!(d.also.iter().map(|d| d.measure.as_str()).collect::<Vec<_>>(), ["goroutine"]);
}

/// Heap or goroutine profiles of the service of `samples/formats/pprof/freight`, five of each.
fn freight(leak: &str, kind: &str) -> Delta {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "samples/formats/pprof/freight", leak].iter().collect();
    let files: Vec<PathBuf> = (0..5).map(|t| dir.join(format!("{kind}_t{t}.pb.gz"))).collect();
    pipeline::diff(&files, &Options::default()).unwrap()
}

#[test]
fn among_caches_that_fill_batches_and_bursts_the_leak_is_first_and_alone() {
    for (leak, kind, name) in [
        // A buffer that is copied into one twice as big stands still in between.
        ("buffer", "heap", "store.trace"),
        ("generic", "heap", "store.planTrip.func1"),
        // It begins in the third of five captures.
        ("late", "heap", "store.archive"),
        ("waitlock", "goroutine", "store.updateStock.func1"),
    ] {
        let d = freight(leak, kind);
        assert!(first(&d).name.ends_with(name), "{leak}: {:?}", d.suspects);
        assert!(d.suspects.iter().all(|s| !s.name.contains("/noise.")), "{leak}: {:?}", d.suspects);
    }
    let control = freight("control", "heap");
    assert_eq!(control.suspects, []);
    let row = |name: &str| control.rows.iter().find(|r| r.name.ends_with(name)).unwrap();
    assert_eq!((row("noise.FillCache").trend.as_str(), row("noise.Batch").trend.as_str()), ("plateau", "churn"));
}

#[test]
fn names_that_change_between_builds_meet_and_it_is_said_how() {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "samples/formats/pprof/builds"].iter().collect();
    let files = [dir.join("heap_v1.pb.gz"), dir.join("heap_v2.pb.gz")];
    let d = pipeline::diff(&files, &Options::default()).unwrap();
    assert_eq!(d.same_process, Some(false));
    let row = |name: &str| d.rows.iter().find(|r| r.name.ends_with(name)).unwrap();
    let how = |name: &str| (row(name).matched.as_deref(), row(name).was.as_deref());
    assert_eq!(how("cart.(*Shelf).Put"), (Some("package"), Some("example.com/shop/cart.(*Store).Put")));
    assert_eq!(how("price.Note.func2"), (Some("name"), Some("example.com/shop/price.Note.func1")));
    // Inlined in one build and not in the other, it is the same function.
    assert_eq!(how("stock.fill"), (None, None));
    assert!(row("stock.fill").bytes_delta.unwrap().abs() < 100_000);
    // What has only moved is not what grew, and what did grow is told from where.
    let names: Vec<&str> = d.suspects.iter().map(|s| s.name.rsplit('/').next().unwrap_or("")).collect();
    assert_eq!(names, ["cart.(*Shelf).Put", "price.Note.func2"]);
    assert!(first(&d).why.contains("example.com/shop/cart.(*Store).Put in the earlier build, matched by package"), "{}", first(&d).why);
}
