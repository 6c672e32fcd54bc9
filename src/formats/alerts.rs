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
        let mut quiet = 0usize;
        // Depth is bounded by the parser; the walk keeps its own stack all the same.
        let mut todo: Vec<(&Value, Option<&Value>)> = docs.iter().rev().map(|d| (d, None)).collect();
        while let Some((value, rule)) = todo.pop() {
            match value {
                Value::Array(list) => todo.extend(list.iter().rev().map(|v| (v, rule))),
                Value::Object(map) => {
                    if let Some(labels) = map.get("labels").filter(|_| map.contains_key("activeAt") || map.contains_key("startsAt")) {
                        alert(&bytes, value, labels, rule, out);
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

fn alert(bytes: &[u8], value: &Value, labels: &Value, rule: Option<&Value>, out: &mut Facts) {
    let Some(map) = labels.as_object() else { return };
    let managed = value.get("startsAt").is_some();
    let key = if managed { "startsAt" } else { "activeAt" };
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
    // The place of its start time, which is as good as unique in the text.
    let stamp = value.get(key).and_then(Value::as_str).unwrap_or("");
    let place = memchr::memmem::find(bytes, stamp.as_bytes()).unwrap_or(0);
    let line = memchr::memchr_iter(b'\n', bytes.get(..place).unwrap_or(&[])).count();
    let excerpt = bytes.get(place.saturating_sub(80)..).unwrap_or(&[]);
    let cite = out.cite(place as u64, u32::try_from(line + 1).ok(), excerpt);
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
