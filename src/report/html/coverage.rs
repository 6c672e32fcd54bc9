//! What the bundle held, what it lacked, and what that lack costs: a correctness feature, not decoration.

use super::{View, command, more, row, scroll};
use crate::model::quantity::human_bytes;
use crate::report::{escape, outline, when};
use maud::{Markup, html};
use serde_json::Value;

pub fn section(v: &View<'_>) -> Markup {
    let body = html! {
        (sources(v))
        (not_checked(v))
        (pods(v))
        (trends(v))
        (files(v))
        (joins(v))
    };
    row("coverage", "Coverage", "What the bundle held, what it did not, and the command that would have collected it.", &body)
}

fn sources(v: &View<'_>) -> Markup {
    let all = &v.doc.coverage;
    if all.is_empty() {
        return html! { p class="dim" { "Nothing in the input was recognised." } };
    }
    html! {
        (scroll("Coverage table", &html! {
            table class="cov" {
                thead { tr { th scope="col" { "Status" } th scope="col" { "Source" } th scope="col" { "Found" } } }
                tbody { @for c in all.iter().take(v.caps.rows) { tr {
                    td { span class={ "st " (match c.status.as_str() { "read" => "good", "partial" => "warn", _ => "bad" }) } { (outline::coverage_glyph(&c.status)) " " (v.text(&c.status)) } }
                    th scope="row" { (v.text(&c.source)) }
                    td { (v.prose(&c.found)) @if !c.settles.is_empty() && c.status != "read" { @if !c.found.is_empty() { " · " } span class="dim" { "would settle: " (v.prose(&c.settles)) } }
                        @if let Some(cmd) = &c.command { (command(cmd)) } }
                } } }
            }
        }))
        (more(all.len().saturating_sub(v.caps.rows), "source"))
    }
}

fn not_checked(v: &View<'_>) -> Markup {
    let all = &v.doc.not_evaluated;
    html! {
        @if !all.is_empty() {
            details { summary { "Not checked: " (outline::more(all.len(), "rule").replace(" more", "")) " lacked what they need" }
                ul class="plain" { @for n in all.iter().take(v.caps.rows) { li { code { (v.text(&n.rule)) } " needs " (v.prose(&n.need)) } } }
                (more(all.len().saturating_sub(v.caps.rows), "rule"))
            }
        }
    }
}

fn str_of<'a>(v: &'a Value, key: &str) -> &'a str {
    v.get(key).and_then(Value::as_str).unwrap_or("")
}

/// A row's heading is never empty.
fn named(name: &str) -> String {
    if name.is_empty() { "unnamed".to_owned() } else { escape::middle(name, 120).into_owned() }
}

fn owner_of(v: &Value) -> String {
    let o = v.get("owner").unwrap_or(v);
    let names = [str_of(o, "namespace"), str_of(o, "pod"), str_of(o, "container")];
    let label = names.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("/");
    match (label.is_empty(), str_of(o, "node")) {
        (false, _) => label,
        (true, "") => "unknown owner".to_owned(),
        (true, node) => format!("node {node}"),
    }
}

fn pods(v: &View<'_>) -> Markup {
    let all = &v.doc.pods;
    if all.is_empty() {
        return html! {};
    }
    let memory = |c: &Value, what: &str| c.get(what).and_then(|l| l.get("memory_bytes")).and_then(Value::as_u64).map(human_bytes);
    html! {
        details { summary { "Pods in the bundle: " (when::grouped(all.len() as i64)) }
            (scroll("Table of pods", &html! {
                table {
                    thead { tr { th scope="col" { "Pod" } th scope="col" { "Node" } th scope="col" { "Container" } th scope="col" { "Request" } th scope="col" { "Limit" } th scope="col" { "Restarts" } th scope="col" { "Last end" } } }
                    tbody { @for p in all.iter().take(v.caps.rows) {
                        @let containers = p.get("containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or(&[]);
                        @for c in containers.iter().take(4) { tr {
                            th scope="row" class="mono" { (named(str_of(p, "name"))) }
                            td { (v.text(str_of(p, "node"))) }
                            td { (v.text(str_of(c, "name"))) }
                            td class="r" { (memory(c, "requests").unwrap_or_default()) }
                            td class="r" { (memory(c, "limits").unwrap_or_default()) }
                            td class="r" { @match c.get("restart_count").and_then(Value::as_i64) { Some(n) => (n), None => "" } }
                            td { @if let Some(l) = c.get("last_state") { (v.text(str_of(l, "reason"))) @if let Some(code) = l.get("exit_code").and_then(Value::as_i64) { " (" (code) ")" } } }
                        } }
                        @if containers.is_empty() { tr { th scope="row" class="mono" { (named(str_of(p, "name"))) } td { (v.text(str_of(p, "node"))) } td {} td {} td {} td {} td { (v.text(str_of(p, "status"))) } } }
                    } }
                }
            }))
            (more(all.len().saturating_sub(v.caps.rows), "pod"))
        }
    }
}

fn trends(v: &View<'_>) -> Markup {
    let all = &v.doc.trends;
    if all.is_empty() {
        return html! {};
    }
    let bytes = |t: &Value, key: &str| t.get(key).and_then(Value::as_f64).map(crate::model::quantity::human);
    html! {
        details { summary { "Trends computed: " (when::grouped(all.len() as i64)) }
            (scroll("Table of trends", &html! {
                table {
                    thead { tr { th scope="col" { "Container" } th scope="col" { "Metric" } th scope="col" { "Verdict" } th scope="col" { "Slope per hour" } th scope="col" { "95th percentile" } th scope="col" { "Peak" } th scope="col" { "Limit" } th scope="col" { "Time to limit" } } }
                    tbody { @for t in all.iter().take(v.caps.rows) {
                        @let slope = t.get("slope_bytes_per_hour");
                        @let p = t.get("percentiles");
                        tr {
                            th scope="row" class="mono" { (escape::middle(&owner_of(t), 60)) }
                            td class="mono" { (v.text(str_of(t, "metric"))) @if !str_of(t, "why").is_empty() { span class="src" { (v.text(str_of(t, "why"))) @for c in t.get("corroborated_by").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) { "; " (v.text(c)) } } } }
                            td { (v.text(str_of(t, "verdict"))) @if !str_of(t, "form").is_empty() { span class="dim" { " · " (v.text(str_of(t, "form"))) } } }
                            td class="r" { @if let Some(s) = slope { (bytes(s, "mid").unwrap_or_default()) @if let (Some(l), Some(h)) = (bytes(s, "low"), bytes(s, "high")) { span class="src" { (l) " to " (h) } } } }
                            td class="r" { (p.and_then(|p| bytes(p, "p95_bytes")).unwrap_or_default()) }
                            td class="r" { (p.and_then(|p| bytes(p, "max_bytes")).unwrap_or_default()) }
                            td class="r" { (bytes(t, "limit_bytes").unwrap_or_default()) }
                            td class="r" { @if let Some(s) = t.get("time_to_oom_seconds").and_then(|t| t.get("mid")).and_then(Value::as_f64) { (when::lasted(s)) } }
                        }
                    } }
                }
            }))
            (more(all.len().saturating_sub(v.caps.rows), "trend"))
        }
    }
}

fn files(v: &View<'_>) -> Markup {
    let all = &v.doc.artifacts;
    if all.is_empty() {
        return html! {};
    }
    let diagnostics = |a: &Value| a.get("diagnostics").and_then(Value::as_array).cloned().unwrap_or_default();
    let troubled: usize = all.iter().filter(|a| !diagnostics(a).is_empty()).count();
    // Files with trouble first: they are what a reader comes here for.
    let mut order: Vec<&Value> = all.iter().collect();
    order.sort_by_key(|a| diagnostics(a).is_empty());
    html! {
        details { summary { "Files read: " (when::grouped(all.len() as i64)) @if troubled > 0 { ", " (when::grouped(troubled as i64)) " with remarks" } }
            (scroll("Table of files", &html! {
                table {
                    thead { tr { th scope="col" { "File" } th scope="col" { "Format" } th scope="col" { "Size" } th scope="col" { "Facts" } th scope="col" { "Remarks" } } }
                    tbody { @for a in order.into_iter().take(v.caps.rows) {
                        @let ds = diagnostics(a);
                        tr {
                            th scope="row" class="mono brk" { (named(&escape::middle(str_of(a, "path"), 120))) }
                            td { (if str_of(a, "format").is_empty() { "not recognised" } else { str_of(a, "format") }) }
                            td class="r" { (a.get("bytes").and_then(Value::as_u64).map(human_bytes).unwrap_or_default()) }
                            td class="r" { (a.get("facts").and_then(Value::as_i64).map(when::grouped).unwrap_or_default()) }
                            td { @for d in ds.iter().take(4) { p class="dg" { span class={ "st " (match str_of(d, "severity") { "error" => "bad", "warning" => "warn", _ => "" }) } { (v.text(str_of(d, "severity"))) } " "
                                    (v.text(str_of(d, "message")))
                                    @if let Some(l) = d.get("line").and_then(Value::as_u64) { span class="dim" { " line " (l) } }
                                    @if let Some(n) = d.get("count").and_then(Value::as_u64).filter(|n| *n > 1) { span class="dim" { " × " (n) } } } }
                                @if ds.len() > 4 { p class="dg dim" { (outline::more(ds.len() - 4, "remark")) } } }
                        }
                    } }
                }
            }))
            (more(all.len().saturating_sub(v.caps.rows), "file"))
        }
    }
}

fn joins(v: &View<'_>) -> Markup {
    let all = &v.doc.joins;
    html! {
        @if !all.is_empty() {
            details { summary { "Why names were taken to be the same thing: " (when::grouped(all.len() as i64)) }
                (scroll("Table of joins", &html! {
                    table {
                        thead { tr { th scope="col" { "This" } th scope="col" { "is that" } th scope="col" { "because" } } }
                        tbody { @for j in all.iter().take(v.caps.rows) { tr { th scope="row" class="mono" { (escape::middle(&j.left, 80)) } td class="mono" { (escape::middle(&j.right, 80)) } td { (v.prose(&j.reason)) } } } }
                    }
                }))
                (more(all.len().saturating_sub(v.caps.rows), "join"))
            }
        }
    }
}
