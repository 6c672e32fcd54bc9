//! What happened when: memory over time, replicas beside it, kills and events as tables.

use super::{View, more, row, scroll};
use crate::model::Timestamp;
use crate::model::quantity::{human, human_bytes};
use crate::report::chart::{self, Size};
use crate::report::document::{Chart, KillDoc, ReportDoc};
use crate::report::folds::{self, Fold};
use crate::report::{escape, outline, when};
use maud::{Markup, PreEscaped, html};

pub fn is_present(doc: &ReportDoc) -> bool {
    !doc.charts.is_empty() || !doc.kills.is_empty() || !doc.timeline.is_empty()
}

pub fn section(v: &View<'_>) -> Markup {
    if !is_present(v.doc) {
        return html! {};
    }
    let main = outline::main_charts(v.doc);
    let small = outline::small_charts(v.doc);
    let body = html! {
        @for (i, c) in main.iter().take(v.caps.main_charts).enumerate() { (figure(v, c, i)) }
        (more(main.len().saturating_sub(v.caps.main_charts), "chart"))
        @if !small.is_empty() {
            h3 class="sub" { "Other containers" }
            ul class="sm" { @for c in small.iter().take(v.caps.small_charts) { (multiple(v, c)) } }
            (more(small.len().saturating_sub(v.caps.small_charts), "container"))
        }
        @for c in main.iter().take(1) { (runs(v, c)) }
        (kills(v))
        (events(v))
    };
    row("timeline", "Timeline", "All times are UTC. A span means that the moment is known no better.", &body)
}

fn name(c: &Chart) -> String {
    if c.title.is_empty() { c.owner.label() } else { c.title.clone() }
}

fn figure(v: &View<'_>, c: &Chart, i: usize) -> Markup {
    let Some(wide) = chart::memory(c, &format!("c{i}"), Size::Wide, v.caps.marks) else { return html! {} };
    let compact = chart::memory(c, &format!("p{i}"), Size::Compact, v.caps.marks / 2);
    html! {
        figure class="chart" {
            p class="ct" { (v.text(&name(c)))
                @if let Some([a, b]) = window(c) { span class="dim" { " · " (when::from_to(a, b)) " UTC" } } }
            (scroll(&format!("Memory chart {}", i + 1), &PreEscaped(wide.svg.clone())))
            @if let Some(p) = compact { div class="tls" hidden { (PreEscaped(p.svg)) } }
            figcaption {
                @for (n, l) in c.lines.iter().take(chart::LINES.len()).enumerate() { span class="lg" { (line_swatch(n)) (v.text(&l.name)) } }
                @if c.lines.len() > chart::LINES.len() { span class="dim" { (outline::more(c.lines.len() - chart::LINES.len(), "line")) " not drawn" } }
                @for k in &wide.kinds { span class="lg" { (mark_swatch(k)) (mark_word(k)) } }
                @if wide.forecast { span class="lg" { (PreEscaped(FORECAST_SWATCH)) "forecast with its interval" } }
                @if !wide.notes.is_empty() { span class="dim" { (wide.notes.join("; ")) } }
                @if !c.source.is_empty() {
                    span class="dim" { "source " (escape::clip(&c.source.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", "), 240))
                        @if c.source.len() > 4 { " and " (outline::more(c.source.len() - 4, "file")) } }
                }
            }
        }
    }
}

/// First and last sample of the chart.
fn window(c: &Chart) -> Option<[Timestamp; 2]> {
    let times = c.lines.iter().flat_map(|l| l.segments.iter().flatten()).map(|p| p[0]).filter(|t| t.is_finite());
    let (a, b) = times.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(t), b.max(t)));
    (b >= a).then(|| [Timestamp::from_seconds_f64(a), Timestamp::from_seconds_f64(b)])
}

const FORECAST_SWATCH: &str = r##"<svg class="sw" width="26" height="14" viewBox="0 0 26 14" aria-hidden="true" focusable="false"><rect class="fcb" x="0" y="2" width="26" height="10" fill="#b33a00" fill-opacity=".13"/><path class="fcl" d="M0 7h26" stroke="#b33a00" stroke-width="1.4" stroke-dasharray="2 4"/></svg>"##;

fn line_swatch(i: usize) -> Markup {
    let (colour, dash) = chart::LINES.get(i).copied().unwrap_or(("#55574f", ""));
    html! {
        svg class="sw" width="26" height="14" viewBox="0 0 26 14" aria-hidden="true" focusable="false" {
            path class={ "ln" (i) } d="M0 7h26" stroke=(colour) stroke-width="2" stroke-dasharray=[(!dash.is_empty()).then_some(dash)] {}
        }
    }
}

fn mark_word(kind: &str) -> &'static str {
    match kind {
        "kill" => "kill",
        "restart" => "restart",
        "rollout" => "rollout",
        "snapshot" => "heap snapshot",
        _ => "event",
    }
}

fn mark_swatch(kind: &str) -> Markup {
    let inner = match kind {
        "kill" => {
            r##"<circle class="oomc" cx="8" cy="7" r="6.5" fill="#b33a00"/><path d="M5.700 4.700l4.600 4.600m0-4.600l-4.600 4.600" stroke="#fff" stroke-width="1.800"/>"##
        }
        "restart" => r##"<path class="rsw" d="M8 2l5 9h-10z" fill="#6b6d64"/>"##,
        "rollout" => r##"<path class="ro" d="M8 0v14" stroke="#5b3a86" stroke-width="1.500"/>"##,
        "snapshot" => r##"<path class="snapd" d="M8 1l6 6-6 6-6-6z" fill="#fff" stroke="#5b3a86" stroke-width="2"/>"##,
        _ => r##"<rect class="rsw" x="6.500" y="3" width="3" height="9" fill="#6b6d64"/>"##,
    };
    html! { svg class="sw" width="16" height="14" viewBox="0 0 16 14" aria-hidden="true" focusable="false" { (PreEscaped(inner)) } }
}

fn multiple(v: &View<'_>, c: &Chart) -> Markup {
    let kills = c.marks.iter().filter(|m| m.kind == "kill").count();
    let peak =
        c.lines.iter().take(1).flat_map(|l| l.segments.iter().flatten()).map(|p| p[1]).filter(|x| x.is_finite()).fold(0.0f64, f64::max);
    html! {
        li {
            div class="pn" { b class="mono" { (escape::middle(c.owner.pod.as_deref().unwrap_or(&name(c)), 34)) }
                @if let Some(n) = &c.owner.container { " " span class="dim" { (escape::middle(n, 24)) } } }
            @if let Some(svg) = chart::small(c) { (PreEscaped(svg)) }
            div { b { (kills) } @if kills == 1 { " kill" } @else { " kills" } span class="dim" { " · peak " (human(peak)) @if let Some(l) = c.limit_bytes { " of " (human(l)) } }
                @if let Some(n) = &c.owner.node { span class="src" { "on " (v.text(n)) } } }
        }
    }
}

fn runs(v: &View<'_>, c: &Chart) -> Markup {
    if c.runs.is_empty() {
        return html! {};
    }
    let at = |t: f64| when::stamp(Timestamp::from_seconds_f64(t));
    html! {
        details {
            summary { "Data: each life of " (escape::middle(&c.owner.label(), 70)) }
            (scroll("Table of lives", &html! {
                table class="num" {
                    thead { tr { th scope="col" { "Life" } th scope="col" { "Start" } th scope="col" { "End" } th scope="col" { "Lived" } th scope="col" { "First" } th scope="col" { "Peak" } th scope="col" { "Slope per hour" } th scope="col" { "Ended by" } } }
                    tbody { @for (i, r) in c.runs.iter().take(v.caps.rows).enumerate() { tr {
                        th scope="row" { (i + 1) } td { (at(r.start)) } td { (at(r.end)) } td { (when::lasted(r.end - r.start)) }
                        td { (human(r.first_bytes)) } td { (human(r.peak_bytes)) }
                        td { @match r.slope_bytes_per_hour { Some(s) if s.is_finite() => (human(s)), _ => "unknown" } }
                        td { (v.text(&r.ended)) }
                    } } }
                }
            }))
            (more(c.runs.len().saturating_sub(v.caps.rows), "run"))
        }
    }
}

fn kills(v: &View<'_>) -> Markup {
    let all = &v.doc.kills;
    if all.is_empty() {
        return html! {};
    }
    let rows = folds::kills(all);
    html! {
        details open[rows.len() <= 8] {
            summary { (when::grouped(all.len() as i64)) @if all.len() == 1 { " kill" } @else { " kills" } ", by whom and at what size" }
            (scroll("Table of kills", &html! {
                table class="kl" {
                    thead { tr { th scope="col" { "Time (UTC)" } th scope="col" { "Kind" } th scope="col" { "Owner" } th scope="col" { "Victim" } th scope="col" { "Limit" } th scope="col" { "Usage" } th scope="col" { "Seen by" } } }
                    tbody { @for k in rows.iter().take(v.caps.kills) { (kill(v, k)) } }
                }
            }))
            (more(rows.iter().skip(v.caps.kills).map(|r| r.n).sum(), "kill"))
        }
    }
}

fn kill(v: &View<'_>, row: &Fold<'_, KillDoc>) -> Markup {
    let k = row.first;
    let comm = k.victim.get("comm").and_then(|c| c.as_str()).unwrap_or("");
    let pid = k.victim.get("pid").and_then(serde_json::Value::as_u64);
    html! {
        tr {
            th scope="row" { @if row.is_many() { (folds::span(&k.time, &row.last.time, row.n)) } @else { (known(&when::of_kill(k))) } }
            td { (v.text(&k.kind)) @if row.is_many() { " × " (when::grouped(row.n as i64)) } @if k.count > 1 { " × " (when::grouped(k.count as i64))
                @if let Some(last) = &k.last_time { span class="dim" { " until " (known(&when::span(last, None))) } } } }
            td class="mono" { (escape::middle(&k.owner.label(), 70)) }
            td { @if !comm.is_empty() { code { (v.text(comm)) } } @if let Some(p) = pid.filter(|_| !row.is_many()) { " " span class="dim" { (p) } }
                @if k.victims.len() > 1 { " " span class="dim" { "+" (k.victims.len() - 1) } } }
            td class="r" title=[(!k.limit_basis.is_empty()).then(|| format!("known by: {}", k.limit_basis))] {
                @match k.limit_bytes { Some(b) => (human_bytes(b)), None => "" }
                @if let Some(l) = &k.limit_level { " " span class="dim" { (v.text(l)) } }
                @if let Some(now) = k.limit_now_bytes { br; span class="dim" { "now " (human_bytes(now)) } }
            }
            td class="r" { @match k.usage_bytes { Some(b) => (human_bytes(b)), None => "" } }
            td { (v.text(&k.witnesses.join(", "))) " " (v.links.evidence(k.evidence.iter().map(|e| e.id.as_str())))
                @if k.limit_now_bytes.is_some() { br; span class="dim" { "since then: " (v.prose(&k.limit_now_why)) } }
                @for e in k.against.iter().take(3) { br; span class="dim" { "but: " (v.prose(&e.says)) " " (v.links.source(e)) } } }
        }
    }
}

pub(super) fn known(text: &str) -> &str {
    if text.is_empty() { "time unknown" } else { text }
}

fn events(v: &View<'_>) -> Markup {
    let all = &v.doc.timeline;
    if all.is_empty() {
        return html! {};
    }
    let rows = folds::timeline(all);
    html! {
        details {
            summary { "All events in order: " (when::grouped(all.len() as i64)) }
            (scroll("Table of events", &html! {
                table class="evt" {
                    thead { tr { th scope="col" { "Time (UTC)" } th scope="col" { "Kind" } th scope="col" { "Owner" } th scope="col" { "What happened" } } }
                    tbody { @for r in rows.iter().take(v.caps.events) { @let t = r.first; tr {
                        th scope="row" title=[(!t.basis.is_empty()).then_some(&t.basis)] {
                            @if r.is_many() { (folds::span(&t.time, &r.last.time, r.n)) } @else { (known(&when::told(&t.time, t.time_written.as_ref()))) } }
                        td { (v.text(&t.kind)) @if r.is_many() { " × " (when::grouped(r.n as i64)) } }
                        td class="mono" { (escape::middle(&t.owner.label(), 60)) }
                        td { (v.prose(&t.text)) " " (v.links.evidence(std::iter::once(t.evidence.id.as_str()))) }
                    } } }
                }
            }))
            (more(rows.iter().skip(v.caps.events).map(|r| r.n).sum(), "event"))
        }
    }
}
