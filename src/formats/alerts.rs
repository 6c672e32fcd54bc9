//! Alerts: Prometheus' `/api/v1/alerts` and `/api/v1/rules`, Alertmanager's `/api/v2/alerts` (and `/alerts/groups`, and the
//! enveloped v1), `amtool alert query -o json`. Specs: prometheus/docs/querying/api.md, alertmanager/api/v2/openapi.yaml.
//!
//! An alert says when somebody's rule began to hold and for whom: a line of the timeline, never evidence of a cause.
//! Rules without alerts are counted in a note; recording rules are not read.

use super::json_salvage::documents;
use super::{Format, Head, Input, Match};
use crate::model::alert::Alert;
use crate::model::series::Series;
use crate::model::time::parse_rfc3339;
use crate::model::{Facts, Observation, RawTime, Timestamp};
use serde_json::Value;

pub struct Alerts;

fn has(head: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(head, needle).is_some()
}

impl Format for Alerts {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        if !matches!(t.first(), Some(b'{' | b'[')) || has(t, b"\"resultType\"") || has(t, b"\"apiVersion\"") {
            return Match::No;
        }
        let fired = has(t, b"\"alertname\"") && (has(t, b"\"activeAt\"") || has(t, b"\"startsAt\""));
        let rules = has(t, b"\"groups\"") && has(t, b"\"rules\"") && (has(t, b"\"evaluationTime\"") || has(t, b"\"lastEvaluation\""));
        let none = has(t, b"\"success\"") && has(t, b"\"alerts\"");
        if fired || rules {
            Match::Certain
        } else if none {
            Match::Likely
        } else {
            Match::No
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let (docs, stopped) = documents(&bytes);
        let mut places = places(&bytes).into_iter();
        let mut quiet = 0usize;
        // Depth is bounded by the parser; the walk keeps its own stack all the same.
        let mut todo: Vec<(&Value, Option<&Value>)> = docs.iter().rev().map(|d| (d, None)).collect();
        while let Some((value, rule)) = todo.pop() {
            match value {
                Value::Array(list) => todo.extend(list.iter().rev().map(|v| (v, rule))),
                Value::Object(map) => {
                    if let Some(labels) = map.get("labels").filter(|_| map.contains_key("activeAt") || map.contains_key("startsAt")) {
                        alert(&bytes, &mut places, value, labels, rule, out);
                        continue;
                    }
                    if let Some(words) = map.get("error").and_then(Value::as_str).filter(|_| map.contains_key("status")) {
                        out.warn("api-error", None, None, || format!("the server answered with an error: {words}"));
                    }
                    let is_rule = map.contains_key("query") && map.contains_key("name");
                    if is_rule && map.get("alerts").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                        quiet += 1;
                    }
                    let inner = if is_rule { Some(value) } else { rule };
                    // Label sets and annotations hold no alerts.
                    let within = ["data", "alerts", "groups", "rules"].into_iter().rev().filter_map(|k| map.get(k));
                    todo.extend(within.map(|v| (v, inner)));
                }
                _ => {}
            }
        }
        if quiet > 0 {
            out.note("quiet-rules", None, None, || format!("{quiet} alerting rules had no alert at that time"));
        }
        if let Some(at) = stopped {
            let kept = out.alerts.len();
            out.error("truncated", Some(at), || format!("the text ends or breaks within a value; {kept} alerts before that are kept"));
        }
    }
}

fn text(v: &Value, key: &str) -> Option<String> {
    v.get(key).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned)
}

/// Go's zero time stands for "not yet".
fn moment(v: &Value, key: &str) -> Option<Timestamp> {
    v.get(key).and_then(Value::as_str).and_then(|s| parse_rfc3339(s.as_bytes())).map(|(t, _)| t)
}

/// Where an alert stands in the text.
struct Place {
    object: std::ops::Range<usize>,
    /// Offset and line of its `alertname` label, or of its brace where it has none.
    quoted: (usize, u32),
}

/// Every object with labels and a start time, in the order of the text. One pass: alerts of one evaluation share their
/// start to the nanosecond, so nothing in the text can be searched for.
fn places(bytes: &[u8]) -> Vec<Place> {
    struct Open {
        start: usize,
        line: u32,
        labels: bool,
        time: bool,
        name: Option<(usize, u32)>,
    }
    let mut out = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut close = |o: Option<Open>, end: usize| {
        if let Some(o) = o.filter(|o| o.labels && o.time) {
            out.push(Place { object: o.start..end, quoted: o.name.unwrap_or((o.start, o.line)) });
        }
    };
    let (mut pos, mut line) = (0usize, 1u32);
    while let Some(&b) = bytes.get(pos) {
        let start = pos;
        pos += 1;
        match b {
            b'\n' => line = line.saturating_add(1),
            b'{' | b'[' => open.push(Open { start, line, labels: false, time: false, name: None }),
            b'}' | b']' => close(open.pop(), pos),
            b'"' => {
                while let Some(&c) = bytes.get(pos).filter(|c| **c != b'"') {
                    pos += if c == b'\\' { 2 } else { 1 };
                }
                let text = bytes.get(start + 1..pos).unwrap_or(&[]);
                pos += 1;
                let is_key = || bytes.get(pos..).is_some_and(|r| r.trim_ascii_start().first() == Some(&b':'));
                let depth = open.len();
                match text {
                    b"labels" if is_key() => open.last_mut().into_iter().for_each(|o| o.labels = true),
                    b"activeAt" | b"startsAt" if is_key() => open.last_mut().into_iter().for_each(|o| o.time = true),
                    b"alertname" if depth > 1 && is_key() => {
                        open.get_mut(depth - 2).into_iter().for_each(|o| o.name = o.name.or(Some((start, line))));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    // What a cut text left open is salvaged by the parser, inner ones first here as there.
    while let Some(o) = open.pop() {
        close(Some(o), bytes.len());
    }
    out
}

fn alert(bytes: &[u8], places: &mut impl Iterator<Item = Place>, value: &Value, labels: &Value, rule: Option<&Value>, out: &mut Facts) {
    let stamped = |p: &Place, stamp: &str| memchr::memmem::find(bytes.get(p.object.clone()).unwrap_or(&[]), stamp.as_bytes()).is_some();
    let Some(map) = labels.as_object() else { return };
    let managed = value.get("startsAt").is_some();
    let key = if managed { "startsAt" } else { "activeAt" };
    let stamp = value.get(key).and_then(Value::as_str).unwrap_or("");
    let Some(name) = text(labels, "alertname").or_else(|| rule.and_then(|r| text(r, "name"))) else { return };
    let Some(at) = moment(value, key) else {
        return out.warn("bad-time", None, None, || format!("alert {name} has no readable {key}; it is left out"));
    };
    let state = value
        .get("status")
        .and_then(|s| text(s, "state"))
        .or_else(|| text(value, "state"))
        .unwrap_or_else(|| if managed { "active".into() } else { "firing".into() });
    let note = |k: &str| value.get("annotations").and_then(|a| text(a, k));
    // The labels of an alert name its subject as those of a series do; Prometheus itself keeps alerts as series.
    let known = map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
    let who = Series::new("ALERTS".into(), known).claim();
    let (place, line) = places.find(|p| stamped(p, stamp)).map_or((0, 1), |p| p.quoted);
    let cite = out.cite(place as u64, Some(line), bytes.get(place..).unwrap_or(&[]));
    // While it fires, Alertmanager's `endsAt` is a time-out in the future of its last update.
    let updated = moment(value, "updatedAt");
    let ended = moment(value, "endsAt").filter(|e| *e > at && (state == "resolved" || updated.is_some_and(|u| *e <= u)));
    out.alerts.push(Observation {
        at: RawTime::Utc { at, precision: 1_000_000 },
        who,
        cite,
        what: Alert {
            name,
            state,
            severity: text(labels, "severity"),
            summary: note("summary").or_else(|| note("message")).or_else(|| note("description")),
            ended,
            source: if managed { "Alertmanager" } else { "Prometheus" },
            expression: rule.and_then(|r| text(r, "query")),
        },
    });
}
