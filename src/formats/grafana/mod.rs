//! What Grafana gives of a panel: "Inspect → Data → Download CSV" (series joined by time, or series to rows) and the data
//! frames of "Inspect → JSON", of the query inspector and of `/api/ds/query`. Spec: grafana.com/developers, "Data frames".
//!
//! A CSV without labels in its headers keeps the legend as the label `legend`; a metric that no header, frame or query names
//! stays without a name. Times without a zone are marked as such, for correlation to place.

mod cell;
mod csv;
mod frames;
mod stamp;

pub use csv::GrafanaCsv;
pub use frames::GrafanaFrames;

use super::metric_labels;
use std::collections::BTreeMap;

/// Metric and labels of a column's header or a frame's display name: `metric{a="b"}`, `{a="b"}`, a bare metric name, or a
/// legend that somebody wrote.
fn legend(text: &str) -> (String, BTreeMap<String, String>) {
    let text = text.trim();
    if text.contains('{')
        && text.ends_with('}')
        && let Some((metric, labels)) = metric_labels::parse(text.as_bytes())
    {
        let metric = metric.trim();
        // Grafana's own name for an unnamed value field.
        let metric = if metric == "Value" { "" } else { metric };
        return (metric.to_owned(), labels);
    }
    let mut labels = BTreeMap::new();
    let is_metric = text.contains('_') && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    if is_metric {
        return (text.to_owned(), labels);
    }
    if text.is_empty() || text == "Value" || text.starts_with("Value #") {
        return (String::new(), labels);
    }
    labels.insert("legend".into(), text.to_owned());
    // `{{namespace}}/{{pod}}/{{container}}` is a common legend and cannot be anything else.
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let dns = |s: &&str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if let [ns, pod, container] = parts[..]
        && [ns, pod, container].iter().all(dns)
    {
        for (k, v) in [("namespace", ns), ("pod", pod), ("container", container)] {
            labels.insert(k.into(), v.to_owned());
        }
    }
    (String::new(), labels)
}

/// The metric that a query reads, where it still means the same thing afterwards: selection and aggregation keep bytes
/// bytes, rates and quotients do not.
fn metric_of_query(query: &str) -> Option<&str> {
    const OTHER: [&str; 9] = ["rate(", "irate(", "increase(", "deriv(", "delta(", "predict_linear(", "_quantile(", "count", "/"];
    if OTHER.iter().any(|w| query.contains(w)) {
        return None;
    }
    let mut found = None;
    for (at, _) in query.match_indices(['{', '[']) {
        let before = query.get(..at)?.trim_end();
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).map_or(0, |n| n + 1);
        let name = before.get(start..).filter(|n| n.contains('_'))?;
        if found.is_some_and(|f| f != name) {
            return None;
        }
        found = Some(name);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_queries_name_their_metric() {
        let (metric, labels) = legend("container_memory_rss {container=\"app\", pod=\"cart-0\"}");
        assert_eq!((metric.as_str(), labels.len()), ("container_memory_rss", 2));
        assert_eq!(legend("{pod=\"cart-0\"}").1.len(), 1);
        assert_eq!(legend("shop/cart-0/app").1.get("pod").map(String::as_str), Some("cart-0"));
        assert_eq!(legend("Memory of cart").1.get("legend").map(String::as_str), Some("Memory of cart"));
        let sum = "sum by (pod) (container_memory_working_set_bytes{namespace=\"shop\"})";
        assert_eq!(metric_of_query(sum), Some("container_memory_working_set_bytes"));
        assert_eq!(metric_of_query("rate(http_requests_total{}[5m])"), None);
        assert_eq!(metric_of_query("a_b{} - c_d{}"), None);
    }
}
