//! Answers of log stores: lines of many containers and nodes inside one JSON document. Loki (`query_range`, `logcli -o
//! jsonl`), CloudWatch (`get-log-events`, `filter-log-events`, Logs Insights), Google Cloud (`gcloud logging read`), Azure
//! Monitor, Elasticsearch and OpenSearch, Datadog, and collectors' own lines with a `kubernetes` object.
//!
//! All of them nest the same thing: a record, which is an object with a text and a time, under labels that name its stream.
//! Records become lines again, oldest first, one part per stream with the owner that the labels name; what stands in the
//! lines is for the formats that know them. Metrics, traces and documents without records are not for this format.

use super::json_salvage::documents;
use super::{Format, Head, Input, Match};
use crate::model::facts::SubArtifact;
use crate::model::time::{SECOND, parse_iso};
use crate::model::{Claim, Facts, Timestamp};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub struct LogAnswer;

/// Nesting of labels that still names a stream: `resource.labels.pod_name`, `kubernetes.pod.name`.
const LABEL_DEPTH: usize = 3;

/// Fields that hold a record's text, the most specific first.
const TEXTS: [&str; 10] =
    ["@message", "textPayload", "LogMessage", "LogEntry", "SyslogMessage", "log", "line", "message", "MESSAGE", "msg"];

/// Fields that hold a record's time. What the store adds on receipt comes last.
const TIMES: [&str; 9] =
    ["@timestamp", "timestamp", "TimeGenerated", "time", "ts", "_time", "TimeStamp", "receiveTimestamp", "ingestionTime"];

impl Format for LogAnswer {
    fn name(&self) -> &'static str {
        "log-answer"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        let has = |needle: &str| memchr::memmem::find(t, needle.as_bytes()).is_some();
        let all = |needles: &[&str]| needles.iter().all(|n| has(n));
        let object = t.starts_with(b"{");
        let list = t.starts_with(b"[") && t.get(1..).is_some_and(|r| matches!(r.trim_ascii_start().first(), Some(b'{' | b'[')));
        let known = (object
            && (all(&["\"streams\"", "\"stream\"", "\"values\""])
                || all(&["\"labels\"", "\"line\"", "\"timestamp\""])
                || all(&["\"events\"", "\"message\"", "\"ingestionTime\""])
                || all(&["\"results\"", "\"field\"", "\"@message\""])
                || all(&["\"hits\"", "\"_source\""])
                || all(&["\"tables\"", "\"columns\"", "\"rows\""])
                || all(&["\"data\"", "\"attributes\"", "\"message\"", "\"timestamp\""])
                || (has("\"kubernetes\"") && has("\"pod_name\"") && (has("\"log\"") || has("\"message\"") || has("\"MESSAGE\"")))))
            || (list
                && ((has("\"logName\"") && (has("\"textPayload\"") || has("\"jsonPayload\"")))
                    || (has("\"TimeGenerated\"") && (has("\"LogMessage\"") || has("\"LogEntry\"") || has("\"SyslogMessage\"")))
                    || all(&["\"timestamp\"", "\"message\"", "\"ingestionTime\""])
                    || all(&["\"field\"", "\"@message\""])
                    || all(&["\"labels\"", "\"line\"", "\"timestamp\""])
                    || has("\"_source\"")));
        if known { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let (documents, stopped) = documents(&bytes);
        let mut streams = Streams::default();
        for d in documents {
            streams.read(d, &input.who);
        }
        if let Some(at) = stopped {
            let n = streams.records;
            out.error("truncated", Some(at), || format!("the answer is not whole: {n} records before this byte are read"));
        }
        if streams.records == 0 {
            out.note("empty", None, None, || "an answer without records: the query found nothing".into());
        }
        if streams.undated > 0 {
            let n = streams.undated;
            out.note("undated", None, None, || format!("{n} records have no time of their own"));
        }
        out.parts.extend(streams.into_parts());
    }
}

/// Who wrote the lines of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    namespace: Option<String>,
    pod: Option<String>,
    container: Option<String>,
    node: Option<String>,
    pod_uid: Option<String>,
    /// `kernel`, `kubelet`: the program that a node's journal names.
    program: Option<String>,
    /// CloudWatch's stream, where the collector puts the names.
    stream: Option<String>,
}

impl Labels {
    /// Takes what the fields of `map` say, down to a few levels; a name that is known already stays.
    fn learn(&mut self, map: &Map<String, Value>) {
        let mut todo: Vec<(String, &Map<String, Value>, usize)> = vec![(String::new(), map, 0)];
        while let Some((path, map, depth)) = todo.pop() {
            for (key, value) in map {
                let key = format!("{path}{}", plain(key));
                match value {
                    Value::String(s) => self.take(&key, s),
                    Value::Object(inner) if depth + 1 < LABEL_DEPTH && !is_pods_own(&key) => {
                        todo.push((key, inner, depth + 1));
                    }
                    // Datadog: `["kube_namespace:shop", "pod_name:cart-0"]`.
                    Value::Array(tags) if key == "tags" => {
                        for (k, v) in tags.iter().filter_map(|t| t.as_str()?.split_once(':')) {
                            self.take(&plain(k), v);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn take(&mut self, key: &str, value: &str) {
        let mut key = key;
        for prefix in ["attributes", "attributes", "source", "resource", "labels", "stream", "kubernetes", "k8s", "kube"] {
            key = key.strip_prefix(prefix).filter(|rest| !rest.is_empty() && *rest != "name").unwrap_or(key);
        }
        let slot = match key {
            "namespace" | "namespacename" | "podnamespace" => &mut self.namespace,
            "pod" | "podname" => &mut self.pod,
            "poduid" | "podid" | "uid" => &mut self.pod_uid,
            "container" | "containername" => &mut self.container,
            "node" | "nodename" | "host" | "hostname" | "hosthostname" | "computer" => &mut self.node,
            "unit" | "systemdunit" | "syslogidentifier" | "transport" | "systemdtransport" | "journaldtransport" | "journaltransport"
            | "syslogappname" => &mut self.program,
            // Azure's table of syslog lines.
            "facility" if value == "kern" => &mut self.program,
            "logstreamname" | "logstream" => &mut self.stream,
            _ => return,
        };
        let value = if key == "facility" { "kernel" } else { value };
        let kernel = value == "kernel";
        if !value.is_empty() && (slot.is_none() || kernel) {
            *slot = Some(value.to_owned());
        }
    }

    fn claim(&self, who: &Claim) -> Claim {
        let some = |s: &Option<String>, other: &Option<Box<str>>| s.as_deref().map(Into::into).or_else(|| other.clone());
        let named = self.pod.is_some() || self.node.is_some() || self.namespace.is_some();
        Claim {
            namespace: some(&self.namespace, &who.namespace),
            pod: some(&self.pod, &who.pod),
            container: some(&self.container, &who.container),
            node: some(&self.node, &who.node),
            pod_uid: some(&self.pod_uid, &who.pod_uid).filter(|u| u.len() >= 32),
            inferred: who.inferred && !named,
            ..who.clone()
        }
    }

    /// What stands before a node service's text in a journal: `worker-3 kernel: `.
    fn journal_prefix(&self) -> Option<String> {
        let program = self.program.as_deref().filter(|p| !matches!(*p, "stdout" | "syslog" | "journal") && self.pod.is_none())?;
        let program = program.strip_suffix(".service").unwrap_or(program);
        let clean = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        clean(program).then(|| match self.node.as_deref().filter(|n| clean(n)) {
            Some(node) => format!("{node} {program}: "),
            None => format!("{program}: "),
        })
    }

    /// A file name for the stream; collectors' own stream names say what `/var/log/containers` would.
    fn name(&self) -> String {
        let of_pod: Vec<&str> = [&self.namespace, &self.pod, &self.container].into_iter().filter_map(|s| s.as_deref()).collect();
        let of_node: Vec<&str> = [&self.node, &self.program].into_iter().filter_map(|s| s.as_deref()).collect();
        let name = match (self.pod.is_some(), &self.stream) {
            (true, _) => of_pod.join("_"),
            (false, Some(stream)) => stream.clone(),
            (false, None) if of_node.is_empty() => "records".into(),
            (false, None) => of_node.join("_"),
        };
        name.chars()
            .map(|c| if matches!(c, '/' | '!' | '\\') || c.is_control() { '_' } else { c })
            .take(120)
            .chain(".log".chars())
            .collect()
    }
}

/// Labels and annotations that somebody gave the pod.
fn is_pods_own(key: &str) -> bool {
    key.starts_with("kubernetes") && (key.ends_with("labels") || key.ends_with("annotations"))
}

/// A key without case and punctuation, `_HOSTNAME` and `kubernetes.pod_name` alike.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Lines with the time that the store gives them.
type Lines = Vec<(Option<Timestamp>, String)>;

#[derive(Debug, Default)]
struct Streams {
    lines: BTreeMap<Labels, (Claim, Lines)>,
    records: u64,
    undated: u64,
}

impl Streams {
    /// Walks a document to its records; labels on the way down hold for everything below them.
    fn read(&mut self, document: Value, who: &Claim) {
        let mut todo = vec![(document, Labels::default())];
        while let Some((value, labels)) = todo.pop() {
            match value {
                Value::Array(list) => match pairs(&list) {
                    Some(record) => todo.push((record, labels)),
                    None => {
                        let inner = list.into_iter().rev().filter(|v| v.is_object() || v.is_array());
                        todo.extend(inner.map(|v| (v, labels.clone())));
                    }
                },
                Value::Object(map) => self.object(map, labels, who, &mut todo),
                _ => {}
            }
        }
    }

    /// A record is taken; of anything else what is inside stays to do.
    fn object(&mut self, map: Map<String, Value>, mut labels: Labels, who: &Claim, todo: &mut Vec<(Value, Labels)>) {
        // Loki: labels beside a list of `[nanoseconds, line]`.
        if let (Some(Value::Object(stream)), Some(Value::Array(values))) = (map.get("stream"), map.get("values")) {
            labels.learn(stream);
            for v in values {
                if let Some(text) = v.get(1).and_then(Value::as_str) {
                    self.record(v.get(0).and_then(time), text, &labels, who);
                }
            }
            return;
        }
        if let Some(records) = rows(&map) {
            todo.extend(records.into_iter().rev().map(|r| (r, labels.clone())));
            return;
        }
        let envelope = ["_source", "attributes"].iter().any(|k| map.get(*k).is_some_and(Value::is_object));
        labels.learn(&map);
        if let Some(at) = dated(&map).filter(|_| !envelope) {
            let payload = map.get("jsonPayload").and_then(Value::as_object);
            if is_journal(&map) || payload.is_some_and(is_journal) {
                return self.add(labels, who, at, Value::Object(map).to_string());
            }
            if let Some(text) = text(&map).or_else(|| payload.and_then(text)) {
                return self.record(at, text, &labels, who);
            }
        }
        todo.extend(map.into_iter().map(|(_, v)| v).filter(|v| v.is_object() || v.is_array()).map(|v| (v, labels.clone())));
    }

    /// One record's text, without the envelopes that collectors on the way have put around it.
    fn record(&mut self, at: Option<Timestamp>, text: &str, labels: &Labels, who: &Claim) {
        let mut labels = labels.clone();
        let text = text.trim_end_matches(['\n', '\r']);
        if text.starts_with('{')
            && let Ok(Value::Object(inner)) = serde_json::from_str::<Value>(text)
        {
            // An event shipped as a log line, or a journal entry: it speaks for itself.
            if inner.contains_key("involvedObject") || is_journal(&inner) {
                return self.add(labels, who, at, text.to_owned());
            }
            let collected = inner.contains_key("kubernetes") || inner.contains_key("stream") || inner.contains_key("log");
            if let Some(line) = self::text(&inner).filter(|_| collected) {
                labels.learn(&inner);
                let own = dated(&inner).flatten().or(at);
                return self.plain(own, line, labels, who);
            }
        }
        self.plain(at, text, labels, who);
    }

    fn plain(&mut self, at: Option<Timestamp>, text: &str, labels: Labels, who: &Claim) {
        let prefix = labels.journal_prefix().unwrap_or_default();
        self.undated += u64::from(at.is_none());
        let mut lines = String::new();
        for (n, line) in text.trim_end_matches(['\n', '\r']).split('\n').enumerate() {
            if n > 0 {
                lines.push('\n');
            }
            let line = line.trim_end_matches('\r');
            // A complete stamp of the message's own is nearer the event than the store's; one without a year is not.
            let own = parse_iso(line.as_bytes()).is_some_and(|t| t.offset_seconds.is_some());
            match at.filter(|_| !own) {
                Some(at) => {
                    let rest = syslog_stamp(line).unwrap_or(line);
                    lines.push_str(&format!("{} {prefix}{rest}", at.rfc3339()));
                }
                None => lines.push_str(line),
            }
        }
        self.add(labels, who, at, lines);
    }

    fn add(&mut self, labels: Labels, who: &Claim, at: Option<Timestamp>, line: String) {
        self.records += 1;
        let entry = self.lines.entry(labels);
        let claim = entry.key().claim(who);
        entry.or_insert_with(|| (claim, Vec::new())).1.push((at, line));
    }

    fn into_parts(self) -> impl Iterator<Item = SubArtifact> {
        self.lines.into_iter().map(|(labels, (who, mut lines))| {
            // Stores answer newest first as often as not; equal times keep the answer's order.
            lines.sort_by_key(|(at, _)| *at);
            let mut bytes = Vec::with_capacity(lines.iter().map(|l| l.1.len() + 1).sum());
            for (_, line) in &lines {
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
            SubArtifact { name: labels.name(), bytes, who }
        })
    }
}

/// Whether the fields are the journal's own, which the kernel log's reader knows in full.
fn is_journal(map: &Map<String, Value>) -> bool {
    map.contains_key("MESSAGE")
        && ["_TRANSPORT", "SYSLOG_IDENTIFIER", "__REALTIME_TIMESTAMP", "_HOSTNAME"].iter().any(|k| map.contains_key(*k))
}

/// The time of a record, as far as it can be read; `None` for an object that has no such field.
fn dated(map: &Map<String, Value>) -> Option<Option<Timestamp>> {
    let mut times = TIMES.iter().filter_map(|t| map.get(*t)).peekable();
    times.peek()?;
    Some(times.find_map(time))
}

fn text(map: &Map<String, Value>) -> Option<&str> {
    TEXTS.iter().find_map(|t| map.get(*t).and_then(Value::as_str))
}

/// Logs Insights: a record as a list of `{"field": …, "value": …}`.
fn pairs(list: &[Value]) -> Option<Value> {
    let pair = |v: &Value| Some((v.get("field")?.as_str()?.to_owned(), v.get("value")?.clone()));
    let map: Option<Map<String, Value>> = list.iter().map(pair).collect();
    map.filter(|m| !m.is_empty()).map(Value::Object)
}

/// Azure Monitor: a table of columns and rows.
fn rows(map: &Map<String, Value>) -> Option<Vec<Value>> {
    let names: Vec<&str> = map.get("columns")?.as_array()?.iter().filter_map(|c| c.get("name").and_then(Value::as_str)).collect();
    let record = |row: &Value| {
        let cells = row.as_array()?;
        Some(Value::Object(names.iter().zip(cells).map(|(n, c)| ((*n).to_owned(), c.clone())).collect()))
    };
    Some(map.get("rows")?.as_array()?.iter().filter_map(record).collect())
}

/// RFC 3339, a calendar time without a zone (stores mean UTC), or a number since the epoch in a unit that its size tells.
fn time(v: &Value) -> Option<Timestamp> {
    let digits = match v {
        Value::String(s) if !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) => s.parse::<i64>().ok()?,
        Value::String(s) => {
            return parse_iso(s.as_bytes()).map(|t| t.civil.saturating_sub(i64::from(t.offset_seconds.unwrap_or(0)) * SECOND));
        }
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.is_finite()).map(|f| f as i64))?,
        _ => return None,
    };
    // Seconds have ten digits from 2001 to 2286.
    let unit = match digits {
        1_000_000_000..10_000_000_000 => 1_000_000_000,
        1_000_000_000_000..10_000_000_000_000 => 1_000_000,
        1_000_000_000_000_000..10_000_000_000_000_000 => 1_000,
        1_000_000_000_000_000_000.. => 1,
        _ => return None,
    };
    Some(Timestamp(digits.saturating_mul(unit)))
}

/// What follows a stamp without year and zone: `Nov 21 00:43:48 `.
fn syslog_stamp(line: &str) -> Option<&str> {
    let b = line.as_bytes();
    let digit = |i: usize| b.get(i).is_some_and(u8::is_ascii_digit);
    let month = b.first().is_some_and(u8::is_ascii_uppercase) && b.get(1).is_some_and(u8::is_ascii_lowercase) && b.get(3) == Some(&b' ');
    let clock = digit(5) && b.get(6) == Some(&b' ') && digit(7) && b.get(9) == Some(&b':') && b.get(12) == Some(&b':') && digit(14);
    (month && clock && b.get(15) == Some(&b' ')).then(|| line.get(16..)).flatten()
}
