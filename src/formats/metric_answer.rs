//! Answers of clouds' and vendors' metric stores, for clusters whose owners run no Prometheus: CloudWatch
//! (`get-metric-data`, `get-metric-statistics`), Google Cloud Monitoring (`timeSeries.list`), Azure Monitor (`az monitor
//! metrics list`, and the `Perf` rows of Container insights) and Datadog (`/api/v1/query`, v2 timeseries).
//! Spec: the API references of the four.
//!
//! Metric and labels keep the store's own names; what they mean is for correlation. Pages and appended answers of one
//! series are joined. An average stands for a sample where the store gives several aggregates, except that a maximum goes
//! before it: memory kills at its peaks. Rates, percentages and text values are kept as they are, without a unit.

use super::json_salvage::documents;
use super::{Format, Head, Input, Match, series_set};
use crate::model::series::{Series, SeriesKind};
use crate::model::time::{SECOND, parse_iso};
use crate::model::{Facts, Observation, RawTime};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub struct MetricAnswer;

impl Format for MetricAnswer {
    fn name(&self) -> &'static str {
        "metric-answer"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        if !matches!(t.first(), Some(b'{' | b'[')) {
            return Match::No;
        }
        let all = |keys: &[&str]| keys.iter().all(|k| memchr::memmem::find(t, format!("\"{k}\"").as_bytes()).is_some());
        let known = all(&["MetricDataResults", "Timestamps", "Values"])
            || all(&["Datapoints", "Timestamp", "Label"])
            || all(&["points", "interval", "endTime", "metric", "value"])
            || all(&["timeseries", "timeStamp", "data", "unit"])
            || all(&["pointlist", "series"])
            || all(&["timeseries_response", "times", "series"])
            || all(&["CounterName", "CounterValue"]);
        if known { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let (docs, stopped) = documents(&bytes);
        let mut found = Found::default();
        for d in &docs {
            found.learn_queries(d);
        }
        for d in &docs {
            found.walk(d);
        }
        let undated = found.undated;
        let kept = found.finish(&bytes, out);
        if undated > 0 {
            out.warn("undated", None, None, || format!("{undated} samples have no readable time; they are left out"));
        }
        if let Some(at) = stopped {
            out.error("truncated", Some(at), || {
                format!("the text ends or breaks within a value; {kept} series kept, the last may lack samples")
            });
        } else if kept == 0 {
            out.note("empty", None, None, || "an answer without samples: the query found nothing".into());
        }
    }
}

type Labels = BTreeMap<String, String>;

/// What is known of a series besides its samples.
#[derive(Debug, Clone, Default)]
struct About {
    bytes: bool,
    counter: bool,
    /// Text of the answer by which a reader finds the series again.
    word: String,
}

/// Series in the order of their first sample.
#[derive(Default)]
struct Found {
    index: BTreeMap<(String, Labels), usize>,
    list: Vec<(About, Vec<(i64, f64)>)>,
    /// CloudWatch's answer names a query by its id alone; a saved request beside it says what was asked.
    queries: BTreeMap<String, (String, Labels)>,
    undated: u64,
}

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number, or text that is one.
fn number(v: &Value) -> Option<f64> {
    v.as_f64().or_else(|| v.as_str()?.trim().parse().ok())
}

/// ISO text (without a zone UTC, which all four stores answer in), epoch seconds or milliseconds.
fn time(v: &Value) -> Option<i64> {
    match v {
        Value::String(s) => {
            let t = parse_iso(s.trim().as_bytes())?;
            Some(t.civil.saturating_sub(i64::from(t.offset_seconds.unwrap_or(0)).saturating_mul(SECOND)).0.div_euclid(1_000_000))
        }
        _ => {
            let t = v.as_f64().filter(|t| t.is_finite())?;
            Some(if t.abs() < 1e11 { (t * 1000.0) as i64 } else { t as i64 })
        }
    }
}

/// The aggregate that stands for an interval.
fn aggregate(point: &Value) -> Option<f64> {
    ["maximum", "Maximum", "average", "Average", "total", "Sum", "minimum", "Minimum", "count", "SampleCount"]
        .iter()
        .find_map(|k| point.get(*k).and_then(number))
}

fn strings(map: Option<&Value>) -> Labels {
    let map = map.and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

/// Datadog's tags: `pod_name:cart-0`.
fn tags(list: &[Value]) -> Labels {
    list.iter().filter_map(|t| t.as_str()?.split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// Bytes per unit that Datadog states.
fn scale(unit: Option<&Value>) -> Option<f64> {
    let unit = unit?.as_array()?.first()?;
    (text(unit, "family") == "bytes").then(|| unit.get("scale_factor").and_then(Value::as_f64).unwrap_or(1.0))
}

impl Found {
    fn walk(&mut self, document: &Value) {
        let mut todo = vec![document];
        while let Some(value) = todo.pop() {
            match value {
                Value::Array(items) => todo.extend(items.iter().rev()),
                Value::Object(map) if !self.take(value, map) => todo.extend(map.values().rev()),
                _ => {}
            }
        }
    }

    /// Reads an object that holds samples; false where its members are to be looked through.
    fn take(&mut self, v: &Value, map: &Map<String, Value>) -> bool {
        let has = |k: &str| map.contains_key(k);
        if has("Timestamps") && has("Values") {
            self.cloudwatch(v);
        } else if has("Datapoints") && has("Label") {
            self.statistics(v);
        } else if has("points") && has("metric") && has("resource") {
            self.google(v);
        } else if has("timeseries") && has("name") && has("unit") {
            self.azure(v);
        } else if has("pointlist") {
            self.datadog(v);
        } else if has("times") && has("series") && has("values") {
            self.datadog_columns(v);
        } else if has("CounterName") && has("CounterValue") {
            self.counter(&|k| map.get(k));
        } else if let (Some(columns), Some(rows)) =
            (map.get("columns").and_then(Value::as_array), map.get("rows").and_then(Value::as_array))
        {
            let at = |k: &str| columns.iter().position(|c| text(c, "name") == k);
            if at("CounterName").is_some() && at("CounterValue").is_some() {
                for row in rows {
                    self.counter(&|k| at(k).and_then(|n| row.get(n)));
                }
            }
        } else {
            return false;
        }
        true
    }

    fn add(&mut self, metric: &str, labels: Labels, about: About, samples: impl Iterator<Item = (Option<i64>, Option<f64>)>) {
        let n = *self.index.entry((metric.to_owned(), labels)).or_insert_with(|| {
            self.list.push((about, Vec::new()));
            self.list.len() - 1
        });
        let Some((_, own)) = self.list.get_mut(n) else { return };
        for (t, v) in samples {
            match (t, v) {
                (Some(t), Some(v)) => own.push((t, v)),
                (None, Some(_)) => self.undated += 1,
                _ => {}
            }
        }
    }

    fn learn_queries(&mut self, document: &Value) {
        let mut todo = vec![document];
        while let Some(value) = todo.pop() {
            match value {
                Value::Array(items) => todo.extend(items),
                Value::Object(map) => {
                    if let (Some(id), Some(m)) =
                        (map.get("Id").and_then(Value::as_str), map.get("MetricStat").and_then(|s| s.get("Metric")))
                    {
                        let dimensions = list(m, "Dimensions").iter().map(|d| (text(d, "Name").to_owned(), text(d, "Value").to_owned()));
                        self.queries.insert(id.to_owned(), (text(m, "MetricName").to_owned(), dimensions.collect()));
                    } else if !map.contains_key("Timestamps") {
                        todo.extend(map.values());
                    }
                }
                _ => {}
            }
        }
    }

    /// One result of `get-metric-data`.
    fn cloudwatch(&mut self, v: &Value) {
        let label = text(v, "Label");
        let (metric, labels) = self.queries.get(text(v, "Id")).cloned().unwrap_or_else(|| labelled(label));
        let about = About { bytes: is_bytes(&metric), counter: false, word: label.to_owned() };
        let samples = list(v, "Timestamps").iter().zip(list(v, "Values")).map(|(t, v)| (time(t), number(v)));
        self.add(&metric, labels, about, samples);
    }

    /// `get-metric-statistics`: one metric, whose dimensions the answer does not repeat.
    fn statistics(&mut self, v: &Value) {
        let label = text(v, "Label");
        let (metric, labels) = labelled(label);
        let points = list(v, "Datapoints");
        let about = About { bytes: points.first().is_some_and(|p| text(p, "Unit") == "Bytes"), counter: false, word: label.to_owned() };
        self.add(&metric, labels, about, points.iter().map(|p| (p.get("Timestamp").and_then(time), aggregate(p))));
    }

    fn google(&mut self, v: &Value) {
        let (metric, resource) = (v.get("metric"), v.get("resource"));
        let mut labels = strings(resource.and_then(|r| r.get("labels")));
        labels.extend(strings(metric.and_then(|m| m.get("labels"))));
        let word = labels.get("pod_name").or(labels.get("node_name")).cloned().unwrap_or_default();
        let name = metric.map_or("", |m| text(m, "type"));
        let about = About { bytes: text(v, "unit") == "By" || is_bytes(name), counter: text(v, "metricKind") == "CUMULATIVE", word };
        let samples = list(v, "points").iter().map(|p| {
            let end = p.get("interval").and_then(|i| i.get("endTime"));
            let value = p.get("value").and_then(|v| v.get("int64Value").or(v.get("doubleValue")));
            (end.and_then(time), value.and_then(number))
        });
        self.add(name, labels, about, samples);
    }

    fn azure(&mut self, v: &Value) {
        let name = v.get("name").map_or("", |n| text(n, "value"));
        for one in list(v, "timeseries") {
            let pairs = list(one, "metadatavalues").iter().map(|m| (m.get("name").map_or("", |n| text(n, "value")), text(m, "value")));
            let labels: Labels = pairs.filter(|(k, _)| !k.is_empty()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            let word = labels.get("node").cloned().unwrap_or_else(|| name.to_owned());
            let about = About { bytes: text(v, "unit") == "Bytes", counter: false, word };
            self.add(name, labels, about, list(one, "data").iter().map(|p| (p.get("timeStamp").and_then(time), aggregate(p))));
        }
    }

    fn datadog(&mut self, v: &Value) {
        let mut labels = tags(list(v, "tag_set"));
        if labels.is_empty() {
            labels = text(v, "scope").split(',').filter_map(|t| t.split_once(':')).map(|(k, v)| (k.into(), v.into())).collect();
        }
        let unit = scale(v.get("unit"));
        let about = About { bytes: unit.is_some(), counter: false, word: text(v, "scope").to_owned() };
        let of = |p: &Value| (p.get(0).and_then(time), p.get(1).and_then(number).map(|v| v * unit.unwrap_or(1.0)));
        self.add(text(v, "metric"), labels, about, list(v, "pointlist").iter().map(of));
    }

    fn datadog_columns(&mut self, v: &Value) {
        for (one, values) in list(v, "series").iter().zip(list(v, "values")) {
            let unit = scale(one.get("unit"));
            let group = list(one, "group_tags");
            let word = group.first().and_then(Value::as_str).unwrap_or("").to_owned();
            let values = values.as_array().map_or(&[][..], Vec::as_slice);
            let samples = list(v, "times").iter().zip(values).map(|(t, v)| (time(t), number(v).map(|v| v * unit.unwrap_or(1.0))));
            self.add("", tags(group), About { bytes: unit.is_some(), counter: false, word }, samples);
        }
    }

    /// A row of `Perf`: the instance is the cluster's resource, the pod's UID and the container's name.
    fn counter<'a>(&mut self, cell: &dyn Fn(&str) -> Option<&'a Value>) {
        let word = |k: &str| cell(k).and_then(Value::as_str).unwrap_or("");
        let (name, instance) = (word("CounterName"), word("InstanceName"));
        let mut labels = Labels::new();
        let mut put = |k: &str, v: &str| drop((!v.is_empty()).then(|| labels.insert(k.to_owned(), v.to_owned())));
        put("node", word("Computer"));
        if word("ObjectName") == "K8SContainer" || instance.contains("/managedClusters/") {
            let mut path = instance.rsplit('/');
            let (container, uid) = (path.next().unwrap_or(""), path.next().unwrap_or(""));
            if uid.len() == 36 && uid.bytes().filter(|b| *b == b'-').count() == 4 {
                put("container", container);
                put("pod_uid", uid);
            }
        }
        let about = About { bytes: name.ends_with("Bytes"), counter: false, word: instance.to_owned() };
        let sample = (cell("TimeGenerated").and_then(time), cell("CounterValue").and_then(number));
        self.add(name, labels, about, std::iter::once(sample));
    }

    /// Hands the series over; tells how many.
    fn finish(self, bytes: &[u8], out: &mut Facts) -> usize {
        let mut names: Vec<((String, Labels), usize)> = self.index.into_iter().collect();
        names.sort_unstable_by_key(|n| n.1);
        let mut kept = 0;
        for (((metric, labels), _), (about, mut samples)) in names.into_iter().zip(self.list) {
            // Pages overlap, and several answers newest first.
            samples.sort_by_key(|s| s.0);
            samples.dedup_by_key(|s| s.0);
            if samples.is_empty() {
                continue;
            }
            let mut series = Series::new(metric, labels);
            if about.bytes {
                series.unit = "bytes";
            }
            if about.counter {
                series.kind = SeriesKind::Counter;
            }
            (series.times, series.values) = samples.into_iter().unzip();
            let place = Some(about.word.as_bytes()).filter(|w| !w.is_empty()).and_then(|w| memchr::memmem::find(bytes, w)).unwrap_or(0);
            let cite = out.cite(place as u64, None, bytes.get(place..).unwrap_or(&[]));
            let mut o = Observation { at: RawTime::Absent, who: series.claim(), cite, what: series };
            series_set::settle(&mut o);
            out.series.push(o);
            kept += 1;
        }
        kept
    }
}

/// CloudWatch's metrics of Container Insights count memory in bytes, save those that say otherwise.
fn is_bytes(metric: &str) -> bool {
    let words = metric.contains("memory") && !["utilization", "percent", "failures", "_total", "over_"].iter().any(|w| metric.contains(w));
    words && !metric.contains("page")
}

/// Metric and owner of a label: by default the metric's name beside what tells the series apart; `ns/pod` or `ns/pod/container`
/// where somebody chose dimensions for it. Other words say nothing certain and are kept as the legend.
fn labelled(label: &str) -> (String, Labels) {
    let (mut metric, mut labels) = (String::new(), Labels::new());
    let mut rest = Vec::new();
    for word in label.split_whitespace() {
        let known = word.contains('_') && ["pod_", "container_", "node_", "cluster_"].iter().any(|p| word.starts_with(p));
        if known && metric.is_empty() {
            metric = word.to_owned();
        } else {
            rest.push(word);
        }
    }
    let parts: Vec<&str> = rest.iter().flat_map(|w| w.split('/')).collect();
    if let ([one], [ns, pod, more @ ..]) = (&rest[..], &parts[..])
        && one.contains('/')
        && more.len() < 2
    {
        labels.insert("namespace".into(), (*ns).to_owned());
        labels.insert("pod".into(), (*pod).to_owned());
        labels.extend(more.first().map(|c| ("container".to_owned(), (*c).to_owned())));
    } else if !rest.is_empty() {
        labels.insert("legend".into(), rest.join(" "));
    }
    (metric, labels)
}
