//! Secrets survive no writer; what sizes a runtime survives all of them.

use super::fixtures;
use postmem::model::{ArtifactId, Cite, Owner};
use postmem::report::document::{BridgeDoc, ExcerptLine, ReportDoc};
use postmem::report::redact::{MARK, Mode, Redactor};
use postmem::report::{html, json, markdown, terminal};
use serde_json::json;

/// (text as it may stand in an artifact, the secret in it). None of these were ever valid.
fn secrets() -> Vec<(String, String)> {
    let token = |prefix: &str, tail: &str| format!("{prefix}{tail}");
    let long = "abcdefghijkLMNOPQRST0123456789uvwxyzAB";
    let mut out: Vec<(String, String)> = [
        ("password=hunter2xyz", "hunter2xyz"),
        ("--db-password hunter2xyz --verbose", "hunter2xyz"),
        ("--token=hunter2xyz", "hunter2xyz"),
        ("DB_PASS=hunter2xyz", "hunter2xyz"),
        ("\"clientSecret\": \"hunter2xyz\",", "hunter2xyz"),
        ("{\\\"api_key\\\":\\\"hunter2xyz\\\"}", "hunter2xyz"),
        ("      DB_PASSWORD:  hunter2xyz", "hunter2xyz"),
        ("      PLAIN_SETTING:  hunter2xyz", "hunter2xyz"),
        ("export GREETING=hunter2xyz", "hunter2xyz"),
        ("postgres://app:hunter2xyz@db.shop:5432/x", "hunter2xyz"),
        ("postgres://app:hun/ter2xyz@db.shop:5432/x", "ter2xyz"),
        ("amqp://hunter2xyz@mq/", "hunter2xyz"),
        ("redis://:hunter2xyz@cache:6379", "hunter2xyz"),
        ("Server=db;User Id=sa;Password=hunter2xyz;Encrypt=true", "hunter2xyz"),
        ("DefaultEndpointsProtocol=https;AccountKey=hunter2xyz==;", "hunter2xyz"),
        ("Authorization: Bearer hunter2xyz0", "hunter2xyz0"),
        ("curl -H 'Authorization: Basic aHVudGVyMg==' x", "aHVudGVyMg=="),
        ("bearer Hunter2xyz.abc", "Hunter2xyz.abc"),
        ("curl -u admin:hunter2xyz https://x", "hunter2xyz"),
        ("Cookie: session=hunter2xyz; theme=dark", "hunter2xyz"),
        ("GET /x?sig=hunter2xyzhunter2xyz&y=1", "hunter2xyzhunter2xyz"),
        ("JAVA_OPTS=-Xmx512m -Ddb.password=hunter2xyz", "hunter2xyz"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2xyz\n-----END RSA PRIVATE KEY-----", "MIIEhunter2xyz"),
        (
            "MIIEpAIBAAKCAQEA7bq0f2c5o1s8e5q4w3e2r1t0y9u8i7o6p5a4s3d2f1g0h9j8",
            "MIIEpAIBAAKCAQEA7bq0f2c5o1s8e5q4w3e2r1t0y9u8i7o6p5a4s3d2f1g0h9j8",
        ),
        ("passphrase => 'hunter2 xyz'", "hunter2 xyz"),
        ("sentry_dsn: hunter2xyz", "hunter2xyz"),
        ("Server=db;User Id=sa;Pwd=hunter2xyz;", "hunter2xyz"),
        ("client-key-data: hunter2xyz0hunter2", "hunter2xyz0hunter2"),
        ("tls: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ==", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ=="),
        ("--db-pass hunter2xyz -v", "hunter2xyz"),
        ("mysql -u app -phunter2xyz shop", "hunter2xyz"),
        ("docker login -u ci -p hunter2xyz r.example", "hunter2xyz"),
        ("sshpass -p hunter2xyz ssh x", "hunter2xyz"),
        ("redis-cli -h cache -a hunter2xyz INFO", "hunter2xyz"),
        ("curl -ubob:hunter2xyz https://x", "hunter2xyz"),
        ("jdbc:oracle:thin:scott/hunter2xyz@db:1521", "hunter2xyz"),
        ("Secret key: hunter2xyz", "hunter2xyz"),
        ("s.hunter2xyzhunter2xyz1234", "s.hunter2xyzhunter2xyz1234"),
    ]
    .into_iter()
    .map(|(a, b)| (a.to_owned(), b.to_owned()))
    .collect();
    // Put together here, so that no scanner takes this file for a leak.
    for (prefix, tail) in [
        ("gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("github", "_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv"),
        ("glp", "at-abcdefghij0123456789"),
        ("xox", "b-123456789012-abcdefghijkl"),
        ("AKI", "AIOSFODNN7EXAMPLE"),
        ("AIz", "aSyA1234567890abcdefghijklmnopqrstuv"),
        ("sk_", "live_abcdefghijklmnop"),
        ("sk", "-proj-abcdefghijklmnopqrstuvwxyz"),
        ("npm", "_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("ey", "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop"),
        ("hvs", ".abcdefghijklmnopqrstuvwx"),
        ("SG.", "abcdefghijklmnopqrst.abcdefghijklmnopqrst"),
    ] {
        let t = token(prefix, tail);
        out.push((format!("calling with {t} now"), t));
    }
    out.push((format!("https://hooks.slack.com/services/T000/B000/{long}"), long.into()));
    out
}

/// The text in every kind of place a document has.
fn planted(text: &str) -> ReportDoc {
    let mut doc = fixtures::rich();
    doc.headline.sentence = text.into();
    doc.headline.detail = text.into();
    doc.headline.figures[0].note = text.into();
    doc.findings[0].sentence = text.into();
    doc.findings[0].evidence[0].says = text.into();
    doc.findings[0].evidence[0].excerpt = text.into();
    doc.findings[0].advice[0].text = text.into();
    doc.findings[0].advice[0].command = Some(text.into());
    doc.findings[0].ruled_out[0].why = text.into();
    doc.timeline[0].text = text.into();
    doc.coverage[0].found = text.into();
    doc.charts[0].marks[0].label = text.into();
    doc.deltas[0].body.rows[0].name = text.into();
    doc.flames[0].nodes[1].name = text.into();
    doc.artifacts[0]["path"] = json!(text);
    doc.pods[0]["containers"][0]["args"] = json!([text]);
    doc.joins[0].reason = text.into();
    doc.excerpts[0].lines.push(ExcerptLine { line: Some(1), byte_offset: 0, text: text.into(), evidence: vec![] });
    doc
}

#[test]
fn no_secret_survives_any_writer() {
    for (text, secret) in secrets() {
        let mut r = Redactor::new(Mode::Secrets);
        let hidden = r.text(&text).into_owned();
        assert!(!hidden.contains(&secret) && hidden.contains(MARK), "{text:?} became {hidden:?}");
        assert!(r.count() >= 1);
        let mut doc = planted(&text);
        Redactor::new(Mode::Secrets).document(&mut doc);
        for (name, page) in [
            ("json", json::document(&doc)),
            ("html", html::page(&doc)),
            ("markdown", markdown::page(&doc, markdown::MAX_BYTES)),
            ("terminal", terminal::page(&doc, false)),
        ] {
            assert!(!page.contains(&secret), "{secret:?} survives in {name}");
        }
        assert!(doc.redactions > 41, "redactions are counted");
    }
}

#[test]
fn what_is_not_secret_stays() {
    for text in [
        "java -Xmx512m -Xms256m -XX:MaxRAMPercentage=75.0 -jar app.jar",
        "NODE_OPTIONS=--max-old-space-size=480",
        "      JAVA_TOOL_OPTIONS:  -XX:MaxRAMPercentage=75",
        "GOMEMLIMIT=450MiB",
        "      GOGC:  200",
        "node_modules/lib/token.js:57:12",
        "SessionTokenStore: +153.7 MiB",
        "com.shop.TokenService.refresh(TokenService.java:88)",
        "docker-pullable://nginx@sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f762b011a10c54a66cd53c9b31",
        "http://localhost:4873/@scope/pkg",
        "secretName: shop-tls",
        "tokens_total: 4096",
        "basic authentication failed",
        "      DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false",
        "oom_score_adj=984, memory.passes=3",
        "MountVolume.SetUp failed for volume \"creds\"",
        "Nov 19 21:45:08 node-1 kernel: Memory cgroup out of memory: Killed process 31877 (node)",
    ] {
        let mut r = Redactor::new(Mode::Secrets);
        assert_eq!(r.text(text), text);
        assert_eq!(r.count(), 0, "{text}");
    }
}

/// An excerpt ends somewhere: with or without its `@`, no part of the password that was cut stays.
#[test]
fn a_credential_that_is_cut_anywhere_leaves_nothing_of_it() {
    let line = "connecting with url=jdbc:postgresql://bob:hunter2xyz@db.shop:5432/orders and a pool of 20";
    let from = line.find("hunter2xyz").unwrap();
    for cut in from + 1..=line.len() {
        for text in [line[..cut].to_owned(), format!("{}…", &line[..cut])] {
            let hidden = Redactor::new(Mode::Secrets).text(&text).into_owned();
            assert!(!hidden.contains("://bob:h") && hidden.contains(MARK), "{text:?} became {hidden:?}");
        }
    }
    for max in 40..240 {
        let text = format!("{} {line}", "x".repeat(240 - max));
        let cite = Cite::new(ArtifactId(0), 0, Some(1), text.as_bytes());
        let hidden = Redactor::new(Mode::Secrets).text(&cite.excerpt).into_owned();
        assert!(!hidden.contains("bob:h"), "{} became {hidden:?}", cite.excerpt);
    }
    for text in ["http://cart.shop:8080", "see http://[::1]:8080", "docker://sha256:0d17b565c37bcbd8", "listening on tcp://0.0.0.0:80…"] {
        assert_eq!(Redactor::new(Mode::Secrets).text(text), text);
    }
}

#[test]
fn names_are_found_within_longer_ones_and_wherever_an_owner_stands() {
    let mut r = Redactor::new(Mode::Names);
    let owner = |pod: &str, workload: &str| Owner { pod: Some(pod.into()), workload: Some(workload.into()), ..Owner::default() };
    r.learn(&owner("web-1", "web"));
    let hidden = r.text("web-12 and web-1 of web, not cobweb").into_owned();
    assert!(!hidden.contains("web-12") && !hidden.contains(" web") && hidden.ends_with("not cobweb"), "{hidden}");
    let mut doc =
        ReportDoc { bridges: vec![BridgeDoc { owner: owner("cart-7d9f", "cart"), ..BridgeDoc::default() }], ..ReportDoc::default() };
    doc.headline.sentence = "cart-7d9f holds more than it should".into();
    Redactor::new(Mode::Names).document(&mut doc);
    let page = json::document(&doc);
    assert!(!page.contains("cart"), "{page}");
}

#[test]
fn environment_values_are_hidden_unless_they_size_a_runtime() {
    let mut r = Redactor::new(Mode::Secrets);
    assert_eq!(r.env("GREETING", "hello there"), MARK);
    assert_eq!(r.env("DB_PASSWORD", "123456"), MARK);
    assert_eq!(r.env("WORKERS", "8"), "8");
    assert_eq!(r.env("LOG_LEVEL", "info"), "info");
    assert_eq!(r.env("GOMEMLIMIT", "450MiB"), "450MiB");
    assert_eq!(
        r.env("JAVA_OPTS", "-Xmx512m -Dshop.region=eu -XX:+UseG1GC secretjar"),
        format!("-Xmx512m -Dshop.region={MARK} -XX:+UseG1GC {MARK}")
    );
    assert_eq!(r.count(), 4);
    let mut v = json!({"containers": [{"env": {"NODE_OPTIONS": "--max-old-space-size=480", "CITY": "Paris"}}, {"env": [{"name": "CITY", "value": "Paris"}, {"name": "GOGC", "value": "50"}]}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":1}"}, "token": "abc", "password": {"value": "abc"}, "tokens": 17,
        "secretKeyRef": {"name": "db", "key": "password"}});
    r.value(&mut v);
    assert_eq!(v["containers"][0]["env"]["NODE_OPTIONS"], "--max-old-space-size=480");
    assert_eq!(v["containers"][0]["env"]["CITY"], MARK);
    assert_eq!(v["containers"][1]["env"][0]["value"], MARK);
    assert_eq!(v["containers"][1]["env"][1]["value"], "50");
    assert_eq!(v["annotations"]["kubectl.kubernetes.io/last-applied-configuration"], MARK);
    assert_eq!(v["token"], MARK);
    assert_eq!((&v["password"]["value"], &v["tokens"], &v["secretKeyRef"]["name"]), (&json!(MARK), &json!(17), &json!("db")));
}

#[test]
fn heap_strings_do_not_show_their_contents() {
    let mut d = fixtures::delta();
    d.suspects[0].path[3].class = "(string)".into();
    d.suspects[0].path[3].node = "\"Jane Doe, 12 High Street\"".into();
    let mut r = Redactor::new(Mode::Secrets);
    r.delta(&mut d);
    assert!(!serde_json::to_string(&d).unwrap().contains("Jane"));
}

#[test]
fn switched_off_means_off() {
    let mut r = Redactor::new(Mode::Off);
    assert_eq!(r.text("password=hunter2xyz"), "password=hunter2xyz");
    let mut doc = planted("password=hunter2xyz");
    r.document(&mut doc);
    assert_eq!(doc.redactions, 41);
    assert!(json::document(&doc).contains("hunter2xyz"));
}

#[test]
fn names_become_stable_pseudonyms() {
    let mut doc = fixtures::rich();
    let mut r = Redactor::new(Mode::Names);
    r.document(&mut doc);
    let text = json::document(&doc);
    for name in ["checkout-api", "ip-10-2-31-7", "ip-10-2-18-40", "x2mqp", "\"shop\""] {
        assert!(
            !text.contains(name),
            "{name} survives: {}",
            text.split(name).next().unwrap().chars().rev().take(80).collect::<String>().chars().rev().collect::<String>()
        );
    }
    let again = {
        let mut doc = fixtures::rich();
        Redactor::new(Mode::Names).document(&mut doc);
        json::document(&doc)
    };
    assert_eq!(text, again);
    assert!(doc.findings[0].owner.pod.as_deref().unwrap().starts_with("pod-"));
}
