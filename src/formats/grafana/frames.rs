//! Data frames as JSON: `{schema: {fields: [{name, type, labels, config}]}, data: {values: [[…], …]}}`, columns side by side;
//! also the older panel JSON, where each field carries its `values`, and Graphite-like `{target, datapoints: [[value, ms]]}`.

use super::{legend, metric_of_query};
use crate::formats::json_salvage::documents;
use crate::formats::{Format, Head, Input, Match, series_set};
use crate::model::series::Series;
use crate::model::{Facts, Observation, RawTime, Times};
use serde_json::Value;
use std::collections::BTreeMap;

pub struct GrafanaFrames;

fn has(head: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(head, needle).is_some()
}

impl Format for GrafanaFrames {
    fn name(&self) -> &'static str {
        "grafana-frames"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        // Frames of a Prometheus answer carry its `resultType`; the answer itself has its `result` beside that.
        if !matches!(t.first(), Some(b'{' | b'[')) || (has(t, b"\"resultType\"") && has(t, b"\"result\"")) {
            return Match::No;
        }
        let frame = has(t, b"\"fields\"") && has(t, b"\"schema\"") && has(t, b"\"type\"");
        let older = has(t, b"\"fields\"") && has(t, b"\"values\"") && (has(t, b"\"refId\"") || has(t, b"\"config\""));
        let points = has(t, b"\"target\"") && has(t, b"\"datapoints\"");
        if frame || older || points { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let (docs, stopped) = documents(&bytes);
        let mut todo: Vec<&Value> = docs.iter().rev().collect();
        while let Some(value) = todo.pop() {
            match value {
                Value::Array(list) => todo.extend(list.iter().rev()),
                Value::Object(map) => {
                    if let Some(words) = map.get("error").and_then(Value::as_str).filter(|w| !w.is_empty()) {
                        out.warn("api-error", None, None, || format!("the data source answered with an error: {words}"));
                    }
                    let schema = map.get("schema").unwrap_or(value);
                    if let Some(fields) = schema.get("fields").and_then(Value::as_array) {
                        frame(&bytes, schema, fields, map.get("data").and_then(|d| d.get("values")), out);
                    } else if let (Some(target), Some(points)) = (map.get("target"), map.get("datapoints").and_then(Value::as_array)) {
                        target_of(&bytes, target.as_str().unwrap_or(""), points, out);
                    } else {
                        todo.extend(map.iter().filter(|(k, _)| k.as_str() != "request").map(|(_, v)| v).rev());
                    }
                }
                _ => {}
            }
        }
        if let Some(at) = stopped {
            let kept = out.series.len();
            out.error("truncated", Some(at), || {
                format!("the text ends or breaks within a value; {kept} series kept, the last may lack samples")
            });
        }
    }
}

/// Bytes per unit of a field's configured unit, where it is one of memory.
fn factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "bytes" | "decbytes" => 1.0,
        "kbytes" => 1024.0,
        "mbytes" => 1024f64.powi(2),
        "gbytes" => 1024f64.powi(3),
        "tbytes" => 1024f64.powi(4),
        "deckbytes" => 1e3,
        "decmbytes" => 1e6,
        "decgbytes" => 1e9,
        "dectbytes" => 1e12,
        _ => return None,
    })
}

fn column<'a>(n: usize, field: &'a Value, values: Option<&'a Value>) -> &'a [Value] {
    let own = field.get("values").and_then(|v| v.as_array().or_else(|| v.get("buffer").and_then(Value::as_array)));
    let beside = || values.and_then(|v| v.get(n)).and_then(Value::as_array);
    own.or_else(beside).map_or(&[], Vec::as_slice)
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn frame(bytes: &[u8], schema: &Value, fields: &[Value], values: Option<&Value>, out: &mut Facts) {
    let is_time = |f: &Value| text(f, "type") == "time" || (text(f, "type").is_empty() && text(f, "name").eq_ignore_ascii_case("time"));
    let Some((at, clock)) = fields.iter().enumerate().find(|(_, f)| is_time(f)) else {
        return out.note("no-time", None, None, || "a data frame without a time field is not read".into());
    };
    let times: Vec<Option<i64>> = column(at, clock, values).iter().map(|v| v.as_f64().map(|ms| ms as i64)).collect();
    let query = schema.get("meta").map_or("", |m| text(m, "executedQueryString"));
    let query = query.strip_prefix("Expr: ").unwrap_or(query);
    let asked = metric_of_query(query.lines().next().unwrap_or(""));
    for (n, f) in fields.iter().enumerate().filter(|(n, f)| *n != at && matches!(text(f, "type"), "number" | "")) {
        let mut labels: BTreeMap<String, String> = f
            .get("labels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect();
        let config = f.get("config").unwrap_or(&Value::Null);
        let names = [text(config, "displayNameFromDS"), text(config, "displayName"), text(f, "name"), text(schema, "name")];
        let title = names.into_iter().find(|s| !s.is_empty()).unwrap_or("");
        let (mut metric, from_title) = legend(title);
        if labels.is_empty() {
            labels = from_title;
        }
        metric = labels.remove("__name__").or(asked.map(str::to_owned)).unwrap_or(metric);
        let unit = factor(text(config, "unit"));
        let samples = times.iter().zip(column(n, f, values)).filter_map(|(t, v)| Some(((*t)?, v.as_f64()? * unit.unwrap_or(1.0))));
        push(bytes, title, metric, labels, unit.is_some(), samples.unzip(), out);
    }
}

fn target_of(bytes: &[u8], target: &str, points: &[Value], out: &mut Facts) {
    let (metric, labels) = legend(target);
    let samples = points.iter().filter_map(|p| Some((p.get(1)?.as_f64()? as i64, p.get(0)?.as_f64()?)));
    push(bytes, target, metric, labels, false, samples.unzip(), out);
}

fn push(
    bytes: &[u8],
    title: &str,
    metric: String,
    labels: BTreeMap<String, String>,
    sized: bool,
    (times, values): (Times, Vec<f64>),
    out: &mut Facts,
) {
    if times.is_empty() {
        return;
    }
    let mut series = Series { times, values, ..Series::new(metric, labels) };
    if sized && series.unit.is_empty() {
        series.unit = "bytes";
    }
    // The first of its labels is where a reader would look.
    let word = series.labels.get("pod").map_or(title, String::as_str);
    let place = memchr::memmem::find(bytes, word.as_bytes()).unwrap_or(0);
    let cite = out.cite(place as u64, None, bytes.get(place..).unwrap_or(&[]));
    let mut o = Observation { at: RawTime::Absent, who: series.claim(), cite, what: series };
    series_set::settle(&mut o);
    out.series.push(o);
}
