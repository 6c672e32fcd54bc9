//! For the developer: what filled the memory, who grew, what keeps it alive, where it was allocated.

use super::{View, more, row, scroll};
use crate::model::calltree::CallTree;
use crate::model::delta::{Delta, Suspect};
use crate::model::quantity::{human, human_bytes};
use crate::report::document::{Flame, KillDoc, ReportDoc};
use crate::report::{chart, escape, flamegraph, outline, recording, when};
use maud::{Markup, PreEscaped, html};

pub fn is_present(doc: &ReportDoc) -> bool {
    !doc.deltas.is_empty()
        || !doc.flames.is_empty()
        || !doc.accounts.is_empty()
        || !doc.dumps.is_empty()
        || !doc.recordings.is_empty()
        || doc.kills.iter().any(|k| !k.budget.is_empty())
}

pub fn section(v: &View<'_>) -> Markup {
    if !is_present(v.doc) {
        return html! {};
    }
    let deltas = &v.doc.deltas;
    let body = html! {
        @if let Some(k) = v.doc.kills.iter().rev().find(|k| !k.budget.is_empty()) { (budget(v, k)) }
        @for (i, d) in deltas.iter().take(v.caps.deltas).enumerate() {
            h3 class="sub" id={ "grew" (i) } { "Who grew" @if deltas.len() > 1 { " in " span class="mono" { (escape::middle(&d.owner.label(), 60)) } } }
            p class="dim sm0" { (outline::delta_subtitle(&d.body)) @if let Some(g) = d.total_growth_bytes { " · grew by " (human(g as f64)) } }
            (comparison(v, &d.body))
        }
        (more(deltas.len().saturating_sub(v.caps.deltas), "comparison"))
        (accounts(v))
        (recordings(v))
        (dumps(v))
        (flames(v))
    };
    row("heap", "Heap", "Successive profiles of the same process, compared.", &body)
}

fn budget(v: &View<'_>, k: &KillDoc) -> Markup {
    let mut parts: Vec<(String, u64)> = k.budget.iter().take(7).map(|(n, b)| (escape::clip(n, 60).into_owned(), *b)).collect();
    let rest: u64 = k.budget.iter().skip(7).map(|p| p.1).fold(0, u64::saturating_add);
    if rest > 0 {
        parts.push((outline::more(k.budget.len() - 7, "part"), rest));
    }
    let total = parts.iter().map(|p| p.1).fold(0, u64::saturating_add);
    let title = format!("What filled {} at the kill", human_bytes(total));
    let time = when::span(&k.time, None);
    html! {
        h3 class="sub" id="budget" { (title) @if !time.is_empty() { span class="dim" { " " (time) } } }
        figure class="chart" {
            (scroll("Make-up of the memory", &PreEscaped(chart::stacked(&parts, &title))))
            figcaption { ul class="mkl" { @for (i, (name, bytes)) in parts.iter().enumerate() {
                li { (PreEscaped(chart::legend_swatch(i))) (v.text(name)) " " b { (human_bytes(*bytes)) } span class="dim" { " · " (format!("{:.0} %", *bytes as f64 / total.max(1) as f64 * 100.0)) } }
            } } }
        }
    }
}

/// Growth table, suspects with their paths, and what the comparison could not know.
pub fn comparison(v: &View<'_>, delta: &Delta) -> Markup {
    html! {
        (table(v, delta))
        (suspects(v, delta))
        (repeated(v, delta))
        @if !delta.limits.is_empty() {
            ul class="plain dim" { @for l in delta.limits.iter().take(10) { li { (v.prose(l)) } } }
            (more(delta.limits.len().saturating_sub(10), "remark"))
        }
    }
}

fn table(v: &View<'_>, delta: &Delta) -> Markup {
    let g = outline::growth(delta, v.caps.growth_rows);
    if g.rows.is_empty() {
        return html! { p class="dim" { "Nothing changed between the snapshots." } };
    }
    let objects = g.rows.iter().any(|r| !r.objects.is_empty());
    let retained = g.rows.iter().any(|r| !r.retained.is_empty());
    let share = g.rows.iter().any(|r| !r.share.is_empty());
    let kind = delta.rows.first().map_or("row", |r| r.kind.as_str());
    html! {
        (scroll("Growth table", &html! {
            table class="cl" {
                thead { tr {
                    th scope="col" { span class="cap" { (v.text(kind)) } }
                    th scope="col" class="l" { span class="vh" { "Bars of " } (g.labels.join(" ")) }
                    @for (i, l) in g.labels.iter().enumerate() { th scope="col" { (l) @if i == 0 { " " (g.unit) } } }
                    th scope="col" { "Growth" }
                    @if share { th scope="col" { "Share" } }
                    @if retained { th scope="col" { "Retained" } }
                    @if objects { th scope="col" { "Objects" } }
                    th scope="col" { "Trend" }
                } }
                tbody { @for r in &g.rows { tr {
                    th scope="row" { span class="mono nm" { (escape::middle(&r.name, 90)) } @if !r.location.is_empty() && r.location != r.name { span class="src" { (escape::middle(&r.location, 90)) } } }
                    td class="barcell" { (PreEscaped(chart::growth_bars(&r.bars))) }
                    @for x in &r.values { td { (x) } }
                    td class=[r.grew.then_some("up")] { (r.growth) }
                    @if share { td { (r.share) } }
                    @if retained { td { (r.retained) } }
                    @if objects { td { (r.objects) } }
                    td { @if matches!(r.trend.as_str(), "every-step" | "new") && r.grew { span class="chip bad" { (outline::trend_words(&r.trend)) } } @else { span class="dim" { (v.text(outline::trend_words(&r.trend))) } } }
                } } }
                @if let Some(t) = &g.total { tfoot { tr {
                    th scope="row" { "all together" } td {}
                    @for x in &t.values { td { (x) } }
                    td { (t.growth) }
                    @if share { td {} } @if retained { td {} } @if objects { td {} } td {}
                } } }
            }
        }))
        @if g.more > 0 { p class="more" { (outline::more(g.more, "row")) " not shown, together " (g.more_growth) "." } }
        @if g.skipped > 0 { p class="more" { (outline::more(g.skipped, "snapshot")) " between those shown." } }
    }
}

fn suspects(v: &View<'_>, delta: &Delta) -> Markup {
    let all = &delta.suspects;
    // Profiles of stacks know who allocated, not who holds.
    let stacks = all.iter().any(|s| !s.steps.is_empty());
    html! {
        @if !all.is_empty() {
            h3 class="sub" { (if stacks { "What leaks, and how" } else { "What keeps it alive" }) }
            @for (i, s) in all.iter().take(4).enumerate() {
                div class="sus" {
                    p { b class="mono" { (escape::middle(&s.name, 90)) } " " @if !s.pattern.is_empty() { span class="tag" { (v.text(&s.pattern)) } } br; (v.prose(&s.why)) }
                    @if !s.sites.is_empty() { p class="dim src" { "at " (escape::clip(&s.sites.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", "), 300)) } }
                    @if let Some(a) = &s.advice { p { b { "Fix: " } (v.prose(a)) } }
                    @if !s.path.is_empty() { (path(v, s, i)) }
                }
            }
            (more(all.len().saturating_sub(4), "suspect"))
        }
    }
}

fn path(v: &View<'_>, s: &Suspect, i: usize) -> Markup {
    let calls = s.path.iter().all(|p| p.edge == "calls");
    let title = if calls { "Calls, outermost first" } else { "Retaining path, from the root" };
    scroll(
        &format!("{} {}", if calls { "Call stack" } else { "Retaining path" }, i + 1),
        &html! {
            table class="tree" {
                thead { tr { th scope="col" { (title) } @if !calls { th scope="col" { "Retained" } } } }
                tbody { @for (depth, step) in s.path.iter().take(20).enumerate() { tr {
                    th scope="row" { span class={ "tw d" (depth.min(9)) } { @if !step.edge.is_empty() && !calls { span class="edge" { (v.text(&step.edge)) } " " } span class="mono" { (escape::clip(if step.node.is_empty() { &step.class } else { &step.node }, 160)) }
                        @if !step.class.is_empty() && !step.node.is_empty() && !step.node.contains(step.class.as_str()) { " " span class="dim mono" { (escape::clip(&step.class, 80)) } }
                        @if let Some(at) = step.title.as_ref().or(step.place.as_ref()) { " " span class="src" { (escape::middle(at, 90)) } } } }
                    @if !calls { td { @match step.retained_bytes { Some(b) => (human(b as f64)), None => "" } } }
                } }
                @if s.path.len() > 20 { tr { th scope="row" { (outline::more(s.path.len() - 20, "step")) } td {} } } }
            }
        },
    )
}

/// Strings held more than once: how much they waste, and where the worst are held.
fn repeated(v: &View<'_>, delta: &Delta) -> Markup {
    let Some(s) = delta.repeated_strings.as_ref().filter(|s| outline::worth_telling(s, delta)) else { return html! {} };
    html! {
        h3 class="sub" { "Strings held more than once" }
        p class="dim sm0" { (outline::repeated_sentence(s)) }
        (scroll("Repeated strings", &html! {
            table {
                thead { tr { th scope="col" { "Held as" } th scope="col" { "Times" } th scope="col" { "Each" } th scope="col" { "Wasted" } th scope="col" { "Length" } } }
                tbody { @for t in s.top.iter().take(8) { tr {
                    th scope="row" { span class="mono" { (v.text(t.held_as.as_deref().unwrap_or("(string)"))) } @if let Some(x) = &t.text { " " span class="dim mono" { (escape::clip(x, 60)) } } }
                    td { (when::grouped(i64::try_from(t.count).unwrap_or(i64::MAX))) } td { (human_bytes(t.each_bytes)) } td class="up" { (human_bytes(t.wasted_bytes)) }
                    td { (outline::length_words(t)) }
                } } }
            }
        }))
    }
}

/// What processes' memory was made of.
fn accounts(v: &View<'_>) -> Markup {
    let all = &v.doc.accounts;
    html! {
        @for (nth, a) in all.iter().rev().take(3).enumerate() {
            @let title = format!("Where {} of {} was", human_bytes(a.total_bytes), a.total_of);
            h3 class="sub" { (title) " " span class="dim" { (when::span(&a.time, None)) } @if a.owner != Default::default() { " in " span class="mono" { (escape::middle(&a.owner.label(), 60)) } } }
            figure class="chart" {
                @let parts: Vec<(String, u64)> = a.parts.iter().map(|p| (p.name.clone(), p.bytes)).collect();
                (scroll(&format!("Account {} of the memory", nth + 1), &PreEscaped(chart::stacked(&parts, &title))))
                figcaption { ul class="mkl" { @for (i, (name, bytes)) in parts.iter().enumerate() {
                    li { (PreEscaped(chart::legend_swatch(i))) (v.text(name)) " " b { (human_bytes(*bytes)) } span class="dim" { " · " (format!("{:.0} %", *bytes as f64 / a.total_bytes.max(1) as f64 * 100.0)) } }
                } } }
            }
            @if let Some(n) = &a.note { p class="dim" { (v.prose(n)) } }
            p class="dim src" { "read from " @for (i, e) in a.evidence.iter().enumerate() { @if i > 0 { ", " } span class="mono" { (outline::place(e)) } } }
        }
        (more(all.len().saturating_sub(3), "account"))
    }
}

/// When and where what is alive was allocated.
fn recordings(v: &View<'_>) -> Markup {
    let all = &v.doc.recordings;
    html! {
        @for (nth, r) in all.iter().take(3).enumerate() {
            h3 class="sub" { "Allocations recorded" " " span class="dim mono" { (escape::middle(&r.path, 60)) } }
            @if !r.births.is_empty() {
                @let title = recording::sentence(r);
                figure class="chart" {
                    (scroll(&format!("Births {}", nth + 1), &PreEscaped(chart::upright(&recording::bars(r), &title, recording::ends(r)))))
                    figcaption { (title) }
                }
            }
            @if !r.allocated.is_empty() {
                (scroll("Allocating functions", &html! {
                    table {
                        thead { tr { th scope="col" { "Allocated in" } th scope="col" { "Alive" } th scope="col" { "Objects" } th scope="col" { "Called from" } } }
                        tbody { @for a in r.allocated.iter().take(10) { tr {
                            th scope="row" { span class="mono nm" { (escape::middle(&a.function, 90)) "()" } @if let Some(l) = &a.location { span class="src" { (escape::middle(l, 90)) } } }
                            td { (human_bytes(a.bytes)) } td { (when::grouped(i64::try_from(a.objects).unwrap_or(i64::MAX))) }
                            td class="l" { span class="mono" { (escape::clip(&a.callers.join(" ← "), 120)) } }
                        } } }
                    }
                }))
                (more(r.allocated.len().saturating_sub(10), "function"))
            }
        }
        (more(all.len().saturating_sub(3), "recording"))
    }
}

/// Snapshots that were not finished, and why.
fn dumps(v: &View<'_>) -> Markup {
    let all = &v.doc.dumps;
    html! {
        @if !all.is_empty() {
            h3 class="sub" { "Snapshots that were not finished" }
            ul class="plain" { @for d in all.iter().take(6) { li { (v.prose(&d.says)) span class="dim src" { " read from " @for (i, e) in d.evidence.iter().enumerate() { @if i > 0 { ", " } span class="mono" { (outline::place(e)) } } } } } }
            (more(all.len().saturating_sub(6), "snapshot"))
        }
    }
}

fn flames(v: &View<'_>) -> Markup {
    let all = &v.doc.flames;
    if all.is_empty() {
        return html! {};
    }
    html! {
        h3 class="sub" id="flame" { "Where it was allocated" }
        @for (i, f) in all.iter().take(v.caps.flames).enumerate() { (flame(v, f, i)) }
        (more(all.len().saturating_sub(v.caps.flames), "flame graph"))
    }
}

fn flame(v: &View<'_>, f: &Flame, i: usize) -> Markup {
    let diff = f.kind == "diff";
    // Growth needs inclusive changes and vanished frames, which only our own drawing has; state is drawn by inferno.
    let drawn = if diff { flamegraph::frames(&flamegraph::tree_of(f), &format!("fl{i}"), v.caps.flame_elements / 4) } else { None };
    let given = || f.svg.as_deref().filter(|s| s.len() < 600_000).and_then(|s| flamegraph::harmless(s, v.caps.flame_elements));
    let again = || flamegraph::plain(&flamegraph::tree_of(f), &f.title).and_then(|s| flamegraph::harmless(&s, v.caps.flame_elements));
    let plain = if diff { None } else { given().or_else(again) };
    html! {
        figure class="chart" {
            p class="ct" { (v.text(&f.title)) }
            @match drawn.as_ref().map(|d| &d.svg).or(plain.as_ref()) {
                Some(s) => (scroll(&format!("Flame graph {}", i + 1), &PreEscaped(s.clone()))),
                None => p class="dim" { "Too large to draw here." },
            }
            figcaption {
                @if diff { span { "Width is the larger of before and after; every frame says how much grew below it; dashed frames are gone. Colour is the share of all growth." } span class="lg" { (PreEscaped(GROWTH_SCALE)) "shrank to grew" } }
                @else { span { "Width is what is held below a frame." } }
                @if let Some(d) = drawn.as_ref().filter(|d| !d.left_out.is_empty()) { span class="dim" { (d.left_out) } }
                @if !f.dropped.is_empty() { span class="dim" { (v.text(&f.dropped)) } }
            }
        }
    }
}

/// The differential flame graph of a comparison.
pub fn growth_graph(v: &View<'_>, tree: &CallTree) -> Markup {
    let flame = Flame {
        title: format!("Growth of {} by call stack", tree.measure),
        kind: "diff".into(),
        dropped: if tree.pruned == 0 {
            String::new()
        } else {
            format!("{} frames left out, each below {}", when::grouped(tree.pruned as i64), amount(tree))
        },
        ..Flame::of(tree)
    };
    self::flame(v, &flame, 0)
}

fn amount(tree: &CallTree) -> String {
    if tree.unit == "bytes" { human(tree.pruned_below as f64) } else { when::grouped(tree.pruned_below) }
}

const GROWTH_SCALE: &str = r##"<svg class="sw" width="72" height="12" viewBox="0 0 72 12" aria-hidden="true" focusable="false"><rect x="0" width="11" height="12" fill="#4f97c4"/><rect x="12" width="11" height="12" fill="#a9cfe8"/><rect x="24" width="11" height="12" fill="#e4e3db"/><rect x="36" width="11" height="12" fill="#f4c9a8"/><rect x="48" width="11" height="12" fill="#e08a4f"/><rect x="60" width="11" height="12" fill="#c2410c"/></svg>"##;
