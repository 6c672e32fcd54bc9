//! Answers of log stores: the same lines in every store's JSON give the same kills and the same owners.
//! Input: one boot's kernel lines of `samples/formats/kernel-log`, put into answers as the stores write them.

use postmem::formats::{self, Head, Match, parse_bytes};
use postmem::model::facts::SubArtifact;
use postmem::model::time::parse_iso;
use postmem::model::{Claim, Facts, RawTime};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `(nanoseconds since the epoch, text)` of every line.
fn kernel_lines() -> Vec<(i64, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats/kernel-log/carriers/dmesg-iso.txt");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|l| {
            let t = parse_iso(l.as_bytes())?;
            Some((t.civil.0, l.get(t.len + 1..)?.to_owned()))
        })
        .collect()
}

fn parts(answer: &str) -> (Vec<SubArtifact>, Facts) {
    let head = Head { path: "answer.json", bytes: answer.as_bytes(), complete: true };
    let (format, sure) = formats::detect(&head).expect("recognised");
    assert_eq!((format.name(), sure), ("log-answer", Match::Certain), "{}", answer.chars().take(200).collect::<String>());
    let mut facts = parse_bytes(format, "answer.json", answer.as_bytes());
    (std::mem::take(&mut facts.parts), facts)
}

/// What the format that a part is for reads in it.
fn inside(part: &SubArtifact) -> Facts {
    let head = Head { path: &part.name, bytes: &part.bytes, complete: true };
    let (format, _) = formats::detect(&head).unwrap_or_else(|| panic!("nobody reads {}", String::from_utf8_lossy(&part.bytes)));
    parse_bytes(format, &part.name, &part.bytes)
}

fn rfc3339(ns: i64) -> String {
    postmem::model::Timestamp(ns).rfc3339()
}

fn answers() -> Vec<(&'static str, Value)> {
    let lines = kernel_lines();
    let each = |f: &dyn Fn(i64, &str) -> Value| -> Vec<Value> { lines.iter().map(|(t, l)| f(*t, l)).collect() };
    let syslog = |l: &str| format!("Oct 26 09:14:33 worker-3 kernel: {l}");
    let mut backward = each(&|t, l| json!([t.to_string(), l]));
    backward.reverse();
    vec![
        (
            "Loki, newest first",
            json!({"status": "success", "data": {"resultType": "streams", "result": [
                {"stream": {"job": "systemd-journal", "hostname": "worker-3", "transport": "kernel"}, "values": backward}], "stats": {}}}),
        ),
        (
            "CloudWatch events",
            json!({"events": each(&|t, l| json!({"timestamp": t / 1_000_000, "message": syslog(l), "ingestionTime": t / 1_000_000 + 900})),
                "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}),
        ),
        (
            "Logs Insights",
            json!({"results": each(&|t, l| json!([
                {"field": "@timestamp", "value": rfc3339(t).replace('T', " ").trim_end_matches('Z')},
                {"field": "@message", "value": syslog(l)}, {"field": "@ptr", "value": "Cn"}])), "status": "Complete"}),
        ),
        (
            "Elasticsearch",
            json!({"took": 3, "hits": {"total": {"value": 1}, "hits": each(&|t, l| json!({"_index": "journalbeat", "_source": {
                "@timestamp": rfc3339(t), "message": l, "host": {"hostname": "worker-3"}, "systemd": {"transport": "kernel"}}}))}}),
        ),
        (
            "Google Cloud",
            Value::Array(each(&|t, l| {
                json!({"insertId": "x", "logName": "projects/p/logs/kernel", "timestamp": rfc3339(t),
                "resource": {"type": "k8s_node", "labels": {"node_name": "worker-3"}},
                "jsonPayload": {"MESSAGE": l, "_HOSTNAME": "worker-3", "SYSLOG_IDENTIFIER": "kernel", "_TRANSPORT": "kernel"}})
            })),
        ),
        (
            "Azure Monitor",
            json!({"tables": [{"name": "PrimaryResult",
                "columns": [{"name": "TimeGenerated", "type": "datetime"}, {"name": "Computer", "type": "string"},
                    {"name": "Facility", "type": "string"}, {"name": "SyslogMessage", "type": "string"}],
                "rows": each(&|t, l| json!([rfc3339(t), "worker-3", "kern", l]))}]}),
        ),
        (
            "Datadog",
            json!({"data": each(&|t, l| json!({"id": "A", "type": "log", "attributes": {"timestamp": rfc3339(t), "host": "worker-3",
                "message": format!("kernel: {l}"), "tags": ["source:kernel"]}})), "meta": {"page": {}}}),
        ),
    ]
}

#[test]
fn every_store_answers_with_the_same_kills() {
    for (store, answer) in answers() {
        for text in [answer.to_string(), serde_json::to_string_pretty(&answer).unwrap()] {
            let (parts, _) = parts(&text);
            let kills: Vec<_> = parts.iter().flat_map(|p| inside(p).kills).collect();
            let victims: Vec<&str> = kills.iter().flat_map(|k| &k.what.victims).filter_map(|v| v.comm.as_deref()).collect();
            assert_eq!(victims, ["cart api", "a) b(c"], "{store}");
            let at = |k: &RawTime| match k {
                RawTime::Utc { at, .. } => at.0 / 1_000_000_000,
                other => panic!("{store}: {other:?}"),
            };
            assert_eq!(kills.iter().map(|k| at(&k.at)).collect::<Vec<_>>(), [1_793_006_073, 1_793_006_074], "{store}");
            let node = kills.first().and_then(|k| k.who.node.clone()).or_else(|| parts.first()?.who.node.clone());
            assert_eq!(node.as_deref(), Some("worker-3"), "{store}");
        }
    }
}

#[test]
fn lines_go_to_the_container_that_the_labels_name() {
    let fatal = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";
    let log = json!({"log": format!("{fatal}\n"), "stream": "stderr", "time": "2026-10-26T09:14:33.5Z",
        "kubernetes": {"namespace_name": "shop", "pod_name": "cart-5d9f7c6b8-x2x9p", "container_name": "cart", "host": "worker-3",
            "labels": {"pod": "not-this"}}});
    let cart = |who: &Claim| {
        (
            who.namespace.as_deref() == Some("shop"),
            who.pod.as_deref() == Some("cart-5d9f7c6b8-x2x9p"),
            who.container.as_deref() == Some("cart"),
        )
    };
    let loki = json!({"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {"namespace": "shop", "pod": "cart-5d9f7c6b8-x2x9p", "container": "cart"}, "values": [["1793006073500000000", fatal]]},
        {"stream": {"namespace": "shop", "pod": "web-1", "container": "web"}, "values": [["1793006073500000000", "listening"]]}]}});
    let cloudwatch = json!({"events": [{"logStreamName": "fluent-bit-cart", "timestamp": 1_793_006_073_500_i64,
        "message": log.to_string(), "ingestionTime": 1_793_006_074_000_i64}]});
    let gcloud = json!([{"logName": "projects/p/logs/stderr", "textPayload": fatal, "timestamp": "2026-10-26T09:14:33.5Z", "resource":
        {"type": "k8s_container", "labels": {"namespace_name": "shop", "pod_name": "cart-5d9f7c6b8-x2x9p", "container_name": "cart"}}}]);
    let logcli = json!({"labels": {"namespace": "shop", "pod": "cart-5d9f7c6b8-x2x9p", "container": "cart"}, "line": fatal,
        "timestamp": "2026-10-26T09:14:33.5Z"});
    let elastic = json!({"hits": {"hits": [{"_source": {"@timestamp": "2026-10-26T09:14:33.5Z", "message": fatal, "kubernetes":
        {"namespace": "shop", "pod": {"name": "cart-5d9f7c6b8-x2x9p", "uid": "u"}, "container": {"name": "cart"}}}}]}});
    for answer in [loki, cloudwatch, gcloud, logcli, elastic, log] {
        let (parts, _) = parts(&answer.to_string());
        let part = parts.iter().find(|p| p.who.container.as_deref() == Some("cart")).unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(cart(&part.who), (true, true, true), "{answer}");
        let words = inside(part).logs;
        assert_eq!(words.len(), 1, "{answer}");
        assert!(matches!(words.first().map(|w| &w.at), Some(RawTime::Utc { at, .. }) if at.0 == 1_793_006_073_500_000_000), "{answer}");
    }
}

#[test]
fn a_cut_answer_keeps_its_records_and_an_empty_one_says_so() {
    let (_, whole) = answers().swap_remove(1);
    let text = whole.to_string();
    let (parts_of_half, facts) = parts(text.get(..text.len() / 2).unwrap());
    assert!(facts.diagnostics.iter().any(|d| d.code == "truncated"));
    assert!(parts_of_half.iter().map(|p| p.bytes.len()).sum::<usize>() > 2000);
    let (none, facts) = parts(r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[]}]}}"#);
    assert!(none.is_empty());
    assert!(facts.diagnostics.iter().any(|d| d.code == "empty"));
}
