//! A `PrometheusRule` manifest that would have warned of what this report found: written from the document alone.
//!
//! A gauge's growth is `deriv` and `predict_linear`, never `rate` or `increase` (those are for counters and take every
//! dip of a gauge for a restart). The `spec` is a rule file as `promtool check rules` reads it.

use super::document::ReportDoc;
use crate::model::quantity::human;
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
        })
    }

    fn selector(&self, more: &str) -> String {
        format!("{{namespace={},pod=~{},container={}{more}}}", quoted(self.namespace), quoted(&self.pods), quoted(self.container))
    }
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
        let used = format!("container_memory_working_set_bytes{}", s.selector(""));
        let who = format!("{}/{} ({})", s.namespace, s.name, s.container);
        let bound = match s.limit {
            Some(_) => format!(
                "on (namespace, pod, container) group_left max by (namespace, pod, container) (kube_pod_container_resource_limits{})",
                s.selector(",resource=\"memory\"")
            ),
            None => String::new(),
        };
        // Ten collections average the sawtooth out; six hours is the least that a daily load does not dominate.
        let hours = ((10.0 * s.period / 3600.0).ceil() as u64).clamp(6, 48);
        if s.leak
            && let Some(slope) = s.slope.filter(|v| *v > 0.0)
        {
            let least = slope / 3600.0 / 2.0;
            rule(
                &mut out,
                "ContainerMemoryGrows",
                &format!("deriv({used}[{hours}h]) > {least:.1}"),
                "2h",
                "warning",
                &format!("{who}: memory grows faster than half of the {}/h seen in the incident", human(slope)),
            );
        }
        if s.limit.is_some() {
            rule(
                &mut out,
                "ContainerMemoryReachesLimit",
                &format!("predict_linear({used}[{hours}h], 24 * 3600) / {bound} > 1 and {used} / {bound} > 0.5"),
                "1h",
                "warning",
                &format!("{who}: at this rate memory reaches its limit within a day"),
            );
            rule(
                &mut out,
                "ContainerMemoryNearLimit",
                &format!("{used} / {bound} > 0.9"),
                "10m",
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
        assert!(manifest(&ReportDoc::default()).ends_with("rules: []\n"));
    }
}
