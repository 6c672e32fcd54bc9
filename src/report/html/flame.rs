//! Call trees for the page, root at the top: width is what is held now, and in a comparison the colour is how much of the
//! growth lies below a frame. Colours and sizes are presentation attributes; there is nothing to execute in it.
//! SVG that another drawer made passes [`harmless`] first, which keeps shapes and text and nothing else.

use crate::model::quantity::human;
use crate::report::document::{Flame, FlameNode};
use crate::report::{escape, when};
use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const ROW: f64 = 22.0;
const MAX_DEPTH: u32 = 48;
/// Average advance of the monospace face at the size used.
const CHAR: f64 = 6.7;

/// A drawn tree and what was left out of it, in words.
pub struct Drawn {
    pub svg: String,
    pub left_out: String,
}

struct Cell<'a> {
    node: &'a FlameNode,
    x: f64,
    width: f64,
}

/// `None` when nothing is held anywhere. At most `max_frames` frames are drawn, widest first.
pub fn svg(flame: &Flame, id: &str, max_frames: usize) -> Option<Drawn> {
    let total: f64 = flame.nodes.iter().filter(|n| n.depth == 0).map(|n| n.after.max(0) as f64).sum();
    if total <= 0.0 {
        return None;
    }
    let mut least = 1.5;
    let mut cells = layout(&flame.nodes, total, least);
    while cells.len() > max_frames.max(1) && least < WIDTH {
        least *= 1.5;
        cells = layout(&flame.nodes, total, least);
    }
    let hidden = flame.nodes.len() - cells.len();
    let depth = cells.iter().map(|c| c.node.depth).max().unwrap_or(0);
    let height = f64::from(depth + 1) * ROW + 1.0;
    let diff = flame.kind == "diff";
    let grown: f64 =
        flame.nodes.iter().filter(|n| n.depth == 0).map(|n| n.after as f64 - n.before as f64).sum::<f64>().abs().max(total * 0.01);
    let mut out = format!(
        r#"<svg class="flame" width="1000" height="{height:.0}" viewBox="0 0 1000 {height:.0}" role="img" aria-labelledby="{id}-t" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="11"><title id="{id}-t">{}</title>"#,
        text(&flame.title)
    );
    for c in &cells {
        let change = c.node.after as f64 - c.node.before as f64;
        let (class, fill, ink) = if diff { tone(change / grown) } else { plain(&c.node.name) };
        let held = amount(c.node.after as f64, &flame.unit);
        let share = c.node.after.max(0) as f64 / total * 100.0;
        let said = if diff {
            format!("{}: {} (now {held})", c.node.name, signed(change, &flame.unit))
        } else {
            format!("{}: {held} ({share:.1} %)", c.node.name)
        };
        let y = f64::from(c.node.depth) * ROW + 0.5;
        let _ = write!(
            out,
            r#"<g class="{class}"><title>{}</title><rect x="{:.1}" y="{y:.1}" width="{:.1}" height="20" rx="2" fill="{fill}"/>"#,
            text(&escape::clip(&said, 300)),
            c.x + 0.5,
            (c.width - 1.0).max(0.5)
        );
        let room = ((c.width - 10.0) / CHAR) as usize;
        if c.width > 40.0 {
            let tail = if diff { format!("  {}", signed(change, &flame.unit)) } else { format!("  {held}") };
            let label = if c.node.name.chars().count() + tail.chars().count() <= room {
                format!("{}{tail}", c.node.name)
            } else {
                shortened(&c.node.name, room)
            };
            let _ = write!(out, r#"<text x="{:.1}" y="{:.1}" fill="{ink}">{}</text>"#, c.x + 5.0, y + 14.0, text(&label));
        }
        out.push_str("</g>");
    }
    out.push_str("</svg>");
    let left_out = if hidden > 0 {
        format!("{} too narrow to draw", crate::report::outline::more(hidden, "frame").replace(" more", ""))
    } else {
        String::new()
    };
    Some(Drawn { svg: out, left_out })
}

/// Children side by side under their parent, never beyond its right edge; frames narrower than `least` pixels and all
/// below them stay out.
fn layout(nodes: &[FlameNode], total: f64, least: f64) -> Vec<Cell<'_>> {
    let mut cells: Vec<Cell<'_>> = Vec::new();
    // Per depth: where the next child goes, and the right edge of the parent.
    let mut open: Vec<(f64, f64)> = vec![(0.0, WIDTH)];
    let mut skip_below: Option<u32> = None;
    for node in nodes {
        if skip_below.is_some_and(|d| node.depth > d) {
            continue;
        }
        skip_below = None;
        open.truncate(node.depth as usize + 1);
        let Some((x, end)) = open.get_mut(node.depth as usize) else { continue };
        let width = (node.after.max(0) as f64 / total * WIDTH).min(*end - *x);
        if width < least || node.depth >= MAX_DEPTH {
            skip_below = Some(node.depth);
            *x += width.max(0.0);
            continue;
        }
        let at = *x;
        *x += width;
        cells.push(Cell { node, x: at, width });
        open.push((at, at + width));
    }
    cells
}

/// Class, fill and ink by the share of the whole growth below a frame.
fn tone(share: f64) -> (&'static str, &'static str, &'static str) {
    match share {
        s if s >= 0.5 => ("g4", "#c2410c", "#fff"),
        s if s >= 0.15 => ("g3", "#e08a4f", "#1b1206"),
        s if s >= 0.02 => ("g2", "#f4c9a8", "#1b1206"),
        s if s > -0.005 => ("g0", "#e4e3db", "#1c1d19"),
        s if s > -0.1 => ("s1", "#a9cfe8", "#08202f"),
        _ => ("s2", "#4f97c4", "#08131c"),
    }
}

/// A warm fill by name, so that the same function looks the same everywhere.
fn plain(name: &str) -> (&'static str, &'static str, &'static str) {
    const FILLS: [&str; 5] = ["#f4c9a8", "#f0d9a0", "#eebf8e", "#f2d3bd", "#ecd08a"];
    let sum = name.bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    ("p", FILLS.get((sum % 5) as usize).copied().unwrap_or("#f4c9a8"), "#1b1206")
}

fn amount(v: f64, unit: &str) -> String {
    if unit == "bytes" || unit.is_empty() { human(v) } else { format!("{} {unit}", when::grouped(v as i64)) }
}

fn signed(v: f64, unit: &str) -> String {
    if v > 0.0 { format!("+{}", amount(v, unit)) } else { amount(v, unit).replace('-', "−") }
}

/// The end of a name is cut: a function's package and name come first.
fn shortened(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    let kept: String = name.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn text(raw: &str) -> String {
    maud::html! { (escape::line(raw)) }.into_string()
}

const ELEMENTS: [&str; 12] = ["svg", "g", "title", "desc", "rect", "text", "tspan", "path", "line", "circle", "polygon", "polyline"];
const ATTRIBUTES: [&str; 30] = [
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "d",
    "points",
    "width",
    "height",
    "viewBox",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "text-anchor",
    "font-size",
    "font-family",
    "font-weight",
    "transform",
    "opacity",
    "role",
    "preserveAspectRatio",
    "dominant-baseline",
];

/// Foreign SVG with known shapes and attributes only: no script, style, link, handler, reference, declaration or
/// comment is left, nor the contents of an element that is not known.
pub fn harmless(svg: &str, max_elements: usize) -> Option<String> {
    let mut out = String::with_capacity(svg.len());
    let (mut rest, mut elements) = (svg, 0usize);
    // Names of open elements; `None` for one that was dropped, and how many of those there are.
    let mut open: Vec<Option<&'static str>> = Vec::new();
    let mut dropped = 0usize;
    while let Some(at) = rest.find('<') {
        let (words, tail) = rest.split_at(at);
        if !open.is_empty() && dropped == 0 {
            out.push_str(&words.replace('>', "&gt;"));
        }
        if let Some(after) = tail.strip_prefix("<!--") {
            rest = after.split_once("-->").map_or("", |(_, r)| r);
            continue;
        }
        if let Some(after) = tail.strip_prefix("<![CDATA[") {
            rest = after.split_once("]]>").map_or("", |(_, r)| r);
            continue;
        }
        let end = tag_end(tail);
        let tag = tail.get(1..end).unwrap_or("");
        rest = tail.get(end + 1..).unwrap_or("");
        if tag.starts_with(['!', '?']) {
            continue;
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some(Some(name)) if dropped == 0 => {
                    let _ = write!(out, "</{name}>");
                }
                Some(None) => dropped -= 1,
                _ => {}
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let body = tag.trim_end_matches('/');
        let name = body.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or("");
        let known = ELEMENTS.iter().find(|e| **e == name).copied();
        if known.is_some() && dropped == 0 {
            elements += 1;
            if elements > max_elements {
                return None;
            }
            let _ = write!(out, "<{name}");
            attributes(body.get(name.len()..).unwrap_or(""), &mut out);
            out.push_str(if closed { "/>" } else { ">" });
        }
        if !closed {
            open.push(known);
            dropped += usize::from(known.is_none());
        }
    }
    // Close what the source left open, so that the page around it stays whole.
    while let Some(last) = open.pop() {
        match last {
            Some(name) if dropped == 0 => {
                let _ = write!(out, "</{name}>");
            }
            Some(_) => {}
            None => dropped -= 1,
        }
    }
    out.starts_with("<svg").then_some(out)
}

/// Index of the `>` that ends the tag at the start of `tail`; a `>` in quotes does not.
fn tag_end(tail: &str) -> usize {
    let mut quote = None;
    for (i, b) in tail.bytes().enumerate() {
        match (quote, b) {
            (None, b'>') => return i,
            (None, b'"' | b'\'') => quote = Some(b),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    tail.len()
}

fn attributes(mut body: &str, out: &mut String) {
    loop {
        body = body.trim_start();
        let Some((name, rest)) = body.split_once('=') else { return };
        let name = name.trim().rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or("");
        let rest = rest.trim_start();
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return };
        let Some((value, after)) = rest.get(1..).and_then(|r| r.split_once(quote)) else { return };
        body = after;
        let tame = !value.contains(['<', '>', '&', ':', '\\', '"']) && !value.to_ascii_lowercase().contains("url(");
        if tame && ATTRIBUTES.contains(&name) {
            let _ = write!(out, r#" {name}="{value}""#);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_svg_loses_all_that_acts() {
        let evil = r#"<?xml version="1.0"?><!DOCTYPE svg><svg width="10" onload="init(evt)" style="x" xmlns="http://www.w3.org/2000/svg"><style>a{}</style><script><![CDATA[alert(1)]]></script><defs><g><text>no</text></g></defs><g id="x" onclick='y()'><title>a &lt; b</title><rect fill="url(#g)" x="1"/><a href="javascript:z"><text>link</text></a></g><image href="http://e/"/>"#;
        assert_eq!(harmless(evil, 99).unwrap(), r#"<svg width="10"><g><title>a &lt; b</title><rect x="1"/></g></svg>"#);
        assert!(harmless("no picture", 99).is_none());
    }

    #[test]
    fn children_stay_inside_their_parent() {
        let node = |depth, after| FlameNode { depth, name: "f".into(), before: 0, after };
        let nodes = [node(0, 100), node(1, 80), node(1, 90), node(0, i64::MIN), node(7, 5)];
        let cells = layout(&nodes, 100.0, 1.0);
        assert_eq!(cells.iter().map(|c| (c.x, c.width)).collect::<Vec<_>>(), [(0.0, 1000.0), (0.0, 800.0), (800.0, 200.0)]);
    }
}
