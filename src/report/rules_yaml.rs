//! A `PrometheusRule` manifest that would have warned of what this report found: written from the document alone.
//!
//! A gauge's growth is `deriv` and `predict_linear`, never `rate` or `increase` (those are for counters and take every
//! dip of a gauge for a restart). The `spec` is a rule file as `promtool check rules` reads it.

use super::document::ReportDoc;
use crate::model::kubectl;
use crate::model::quantity::human;
use crate::model::series::WORKING_SET;
use crate::model::time::parse_rfc3339;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Containers that rules are written for.
const CONTAINERS_MAX: usize = 20;

/// One container's part of the document.
struct Subject<'a> {
    namespace: &'a str,
    container: &'a str,
    /// Regular expression for the pod label.
    pods: String,
    name: String,
    leak: bool,
    limit: Option<f64>,
    slope: Option<f64>,
    /// Seconds between collections.
    period: f64,
    /// Usual seconds from a start to the kill at its end, where lives ended so.
    life: Option<f64>,
}

/// Ranges of a container's rules, in seconds.
struct Ranges {
    /// Over which growth is measured.
    window: u64,
    /// How far ahead the limit is looked for.
    ahead: u64,
    hold: u64,
}

fn text<'a>(v: &'a Value, key: &str) -> Option<&'a str> {
    v.get(key).and_then(Value::as_str)
}

fn number(v: &Value, key: &str) -> Option<f64> {
    v.get(key).and_then(Value::as_f64)
}

impl<'a> Subject<'a> {
    fn of(trend: &'a Value) -> Option<Self> {
        let owner = trend.get("owner")?;
        let (namespace, pod, container) = (text(owner, "namespace")?, text(owner, "pod")?, text(owner, "container")?);
        let workload = text(owner, "workload");
        // Prometheus expands what stands in an annotation: only what can be a name goes there.
        if ![namespace, pod, container].into_iter().chain(workload).all(kubectl::is_name) {
            return None;
        }
        let leak = text(trend, "verdict") == Some("leak");
        let killed = trend.get("oom_times").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
        (leak || killed).then(|| Subject {
            namespace,
            container,
            // Replacements of the pod get other names; the controller's stays.
            pods: workload.map_or_else(|| escape(pod), |w| format!("{}-.*", escape(w))),
            name: workload.unwrap_or(pod).to_owned(),
            leak,
            limit: number(trend, "limit_bytes"),
            slope: trend.get("slope_bytes_per_hour").and_then(|s| number(s, "mid")),
            period: number(trend, "collection_period_seconds").unwrap_or(0.0),
            life: life(trend),
        })
    }

    /// Ten collections average the sawtooth out, and six hours are the least that a daily load does not dominate. A
    /// container that is killed sooner never fills such a window: a quarter of its life shows the growth and leaves time.
    fn ranges(&self) -> Ranges {
        let window = (10.0 * self.period).clamp(6.0 * HOUR, 48.0 * HOUR);
        match self.life.filter(|l| *l < 4.0 * window) {
            Some(life) => {
                // Five minutes hold enough scrapes for a slope at the usual half minute.
                let window = round(life / 4.0).max(300);
                Ranges { window, ahead: (2 * window).max(round(life / 2.0)), hold: round(life / 20.0).min(window / 2) }
            }
            None => Ranges { window: round(window), ahead: 24 * HOUR as u64, hold: HOUR as u64 },
        }
    }

    fn selector(&self, more: &str) -> String {
        format!("{{namespace={},pod=~{},container={}{more}}}", quoted(self.namespace), quoted(&self.pods), quoted(self.container))
    }
}

const HOUR: f64 = 3600.0;

/// Whole minutes, at least one: shorter ranges hold no two scrapes.
fn round(seconds: f64) -> u64 {
    (seconds / 60.0).round().max(1.0) as u64 * 60
}

/// `45m`, `6h`.
fn duration(seconds: u64) -> String {
    if seconds.is_multiple_of(3600) { format!("{}h", seconds / 3600) } else { format!("{}m", seconds / 60) }
}

/// Median span of the runs that ended in a kill.
fn life(trend: &Value) -> Option<f64> {
    let time = |r: &Value, key: &str| text(r, key).and_then(|t| parse_rfc3339(t.as_bytes())).map(|(t, _)| t.seconds_f64());
    let runs = trend.get("runs").and_then(Value::as_array)?;
    let mut spans: Vec<f64> = runs
        .iter()
        .filter(|r| text(r, "ended") == Some("oom"))
        .filter_map(|r| Some(time(r, "end")? - time(r, "start")?))
        .filter(|s| *s > 0.0)
        .collect();
    spans.sort_by(f64::total_cmp);
    spans.get(spans.len() / 2).copied()
}

/// Regular expression that matches `s` itself.
fn escape(s: &str) -> String {
    let mut out = String::new();
    for c in s.chars() {
        if !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A PromQL string; the same escapes serve YAML's double quotes.
fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn rule(out: &mut String, alert: &str, expr: &str, hold: &str, severity: &str, summary: &str) {
    let _ = writeln!(out, "    - alert: {alert}");
    let _ = writeln!(out, "      expr: {}", quoted(expr));
    let _ = writeln!(out, "      for: {hold}");
    let _ = writeln!(out, "      labels:\n        severity: {severity}");
    let _ = writeln!(out, "      annotations:\n        summary: {}", quoted(summary));
}

/// The manifest; a report without a container to watch gives an empty list of rules.
pub fn manifest(doc: &ReportDoc) -> String {
    let mut out = String::from(
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: postmem-memory\nspec:\n  groups:\n  - name: postmem.memory\n",
    );
    let mut seen = BTreeSet::new();
    let subjects: Vec<Subject<'_>> = doc
        .trends
        .iter()
        .filter_map(Subject::of)
        .filter(|s| seen.insert((s.namespace.to_owned(), s.pods.clone(), s.container)))
        .take(CONTAINERS_MAX)
        .collect();
    out.push_str(if subjects.is_empty() { "    rules: []\n" } else { "    rules:\n" });
    for s in &subjects {
        let used = format!("{WORKING_SET}{}", s.selector(""));
        let who = format!("{}/{} ({})", s.namespace, s.name, s.container);
        let bound = match s.limit {
            Some(_) => format!(
                "on (namespace, pod, container) group_left max by (namespace, pod, container) (kube_pod_container_resource_limits{})",
                s.selector(",resource=\"memory\"")
            ),
            None => String::new(),
        };
        let Ranges { window, ahead, hold } = s.ranges();
        let (range, hold) = (duration(window), duration(hold));
        if s.leak
            && let Some(slope) = s.slope.filter(|v| *v > 0.0)
        {
            let least = slope / HOUR / 2.0;
            rule(
                &mut out,
                "ContainerMemoryGrows",
                &format!("deriv({used}[{range}]) > {least:.1}"),
                &hold,
                "warning",
                &format!("{who}: memory grows faster than half of the {}/h seen in the incident", human(slope)),
            );
        }
        if s.limit.is_some() {
            rule(
                &mut out,
                "ContainerMemoryReachesLimit",
                &format!("predict_linear({used}[{range}], {ahead}) / {bound} > 1 and {used} / {bound} > 0.5"),
                &hold,
                "warning",
                &format!("{who}: at this rate memory reaches its limit within {}", duration(ahead)),
            );
            rule(
                &mut out,
                "ContainerMemoryNearLimit",
                &format!("{used} / {bound} > 0.9"),
                &duration(round(window.min(1200) as f64 / 2.0)),
                "critical",
                &format!("{who}: the working set is above 90 % of the limit"),
            );
        }
        let sel = s.selector(",reason=\"OOMKilled\"");
        rule(
            &mut out,
            "ContainerOomKilled",
            &format!(
                "increase(kube_pod_container_status_restarts_total{}[15m]) > 0 and on (namespace, pod, container) kube_pod_container_status_last_terminated_reason{sel} == 1",
                s.selector("")
            ),
            "0m",
            "critical",
            &format!("{who}: killed for want of memory"),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_leak_gets_growth_projection_and_kill_rules() {
        let trend = json!({
            "owner": {"namespace": "shop", "workload": "cart.v2", "pod": "cart.v2-7c9-x", "container": "app"},
            "verdict": "leak", "limit_bytes": 1e9, "slope_bytes_per_hour": {"low": 1.0, "mid": 3.6e6, "high": 5e6}, "oom_times": [],
        });
        let doc = ReportDoc { trends: vec![trend.clone(), trend], ..ReportDoc::default() };
        let text = manifest(&doc);
        assert_eq!(text.matches("alert: ContainerMemoryGrows").count(), 1);
        assert!(text.contains("pod=~\\\"cart\\\\\\\\.v2-.*\\\"") && text.contains("[6h]) > 500.0"), "{text}");
        let mut short = doc.trends.first().cloned().unwrap_or_default();
        short["runs"] = json!([{"start": "2026-11-21T00:00:00.000000Z", "end": "2026-11-21T00:40:00.000000Z", "ended": "oom"}]);
        let text = manifest(&ReportDoc { trends: vec![short], ..ReportDoc::default() });
        assert!(text.contains("[10m]) > 500.0") && text.contains("[10m], 1200)") && text.contains("for: 2m"), "{text}");
        assert!(manifest(&ReportDoc::default()).ends_with("rules: []\n"));
        let mut odd = doc.trends.first().cloned().unwrap_or_default();
        odd["owner"]["container"] = json!("{{ query \"up\" }}");
        assert!(manifest(&ReportDoc { trends: vec![odd], ..ReportDoc::default() }).ends_with("rules: []\n"));
    }
}
