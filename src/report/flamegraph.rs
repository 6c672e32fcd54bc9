//! Flame graphs as SVG that holds nothing executable: a differential one of our own, and plain ones through inferno.
//!
//! Differential: the root is on top, width is the larger of the two sides, so that vanished frames stay visible; colour
//! and label give the inclusive change of every frame in bytes and per cent of its own earlier value. No script, no style
//! sheet, no link, no DOCTYPE; colours are presentation attributes, and every frame carries its full text as a `<title>`.

use super::escape;
use crate::model::calltree::{CallTree, TreeNode};
use crate::model::quantity;
use std::fmt::Write;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
const TOP: f64 = 62.0;
/// Mean width of a character of the label font, in pixels.
const CHAR: f64 = 6.4;
/// Narrower frames are not drawn.
const THIN: f64 = 0.6;

/// Value of a node in words.
fn amount(tree: &CallTree, v: i64) -> String {
    if tree.unit == "bytes" { quantity::human(v as f64) } else { super::when::grouped(v) }
}

/// `+12.3 MiB (+45 %)`, `−3 MiB (gone)`, `new`.
fn change(tree: &CallTree, n: &TreeNode) -> String {
    let d = n.after.saturating_sub(n.before);
    let sign = if d > 0 { "+" } else { "" };
    let share = match (n.before, n.after) {
        (0, 0) => String::new(),
        (0, _) => " (new)".into(),
        (_, 0) => " (gone)".into(),
        (b, _) => format!(" ({sign}{:.1} %)", d as f64 / b.abs() as f64 * 100.0),
    };
    format!("{sign}{}{share}", amount(tree, d))
}

/// Red for growth, blue for shrinking, paler the smaller the change is beside the frame itself; grey for none.
fn colour(n: &TreeNode) -> String {
    let d = n.after.saturating_sub(n.before) as f64;
    let size = n.before.saturating_abs().max(n.after.saturating_abs()).max(1) as f64;
    let strength = (d.abs() / size).clamp(0.0, 1.0).sqrt();
    let fade = |full: f64| (238.0 - (238.0 - full) * strength).round() as u8;
    if d == 0.0 {
        "#e4e4e4".into()
    } else if d > 0.0 {
        format!("#{:02x}{:02x}{:02x}", fade(232.0), fade(104.0), fade(84.0))
    } else {
        format!("#{:02x}{:02x}{:02x}", fade(96.0), fade(150.0), fade(222.0))
    }
}

/// Own width of each node: the larger side, or what its children need where they grew and shrank in turn.
fn widths(tree: &CallTree) -> Vec<f64> {
    let mut w: Vec<f64> = tree.nodes.iter().map(|n| n.before.max(n.after).max(0) as f64).collect();
    // Children stand behind their parent: going backwards, every child is complete before its parent is met.
    let mut needed: Vec<f64> = Vec::new();
    for i in (0..tree.nodes.len()).rev() {
        let depth = tree.nodes.get(i).map_or(0, |n| n.depth as usize);
        let own = needed.get(depth + 1).copied().unwrap_or(0.0).max(w.get(i).copied().unwrap_or(0.0));
        if let Some(x) = needed.get_mut(depth + 1) {
            *x = 0.0;
        }
        if needed.len() <= depth {
            needed.resize(depth + 1, 0.0);
        }
        if let Some(x) = needed.get_mut(depth) {
            *x += own;
        }
        if let Some(x) = w.get_mut(i) {
            *x = own;
        }
    }
    w
}

/// The differential flame graph of a compared tree.
pub fn differential(tree: &CallTree) -> String {
    let w = widths(tree);
    let scale = WIDTH / w.first().copied().unwrap_or(0.0).max(1.0);
    let mut cursor: Vec<f64> = vec![0.0];
    let mut frames = String::new();
    let mut deepest = 0;
    let mut thin = 0usize;
    for (n, width) in tree.nodes.iter().zip(&w) {
        let depth = n.depth as usize;
        cursor.resize(depth + 2, 0.0);
        let x = cursor.get(depth).copied().unwrap_or(0.0);
        // The next sibling starts behind this frame, its first child at its left edge.
        if let Some(c) = cursor.get_mut(depth) {
            *c = x + width * scale;
        }
        if let Some(c) = cursor.get_mut(depth + 1) {
            *c = x;
        }
        if width * scale < THIN {
            thin += 1;
            continue;
        }
        deepest = deepest.max(depth);
        frame(&mut frames, tree, n, x, width * scale);
    }
    let height = TOP + (deepest as f64 + 1.0) * ROW + 28.0;
    let mut out = String::with_capacity(frames.len() + 2048);
    let root = tree.nodes.first().cloned().unwrap_or_default();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"11\" role=\"img\">"
    );
    let _ = write!(out, "<title>Growth of {} by call stack</title>", escape::xml(&tree.measure));
    let _ = write!(out, "<rect x=\"0\" y=\"0\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>");
    let _ = write!(
        out,
        "<text x=\"8\" y=\"20\" font-size=\"14\" fill=\"#222222\">{}: {} before, {} after, {}</text>",
        escape::xml(&tree.measure),
        escape::xml(&amount(tree, root.before)),
        escape::xml(&amount(tree, root.after)),
        escape::xml(&change(tree, &root)),
    );
    legend(&mut out);
    out.push_str(&frames);
    let dropped = tree.pruned + thin;
    let _ = write!(
        out,
        "<text x=\"8\" y=\"{:.0}\" fill=\"#666666\">{dropped} frames are too small to draw (each at most {}); gaps under a frame are its own value and those</text>",
        height - 10.0,
        escape::xml(&amount(tree, tree.pruned_below)),
    );
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String) {
    let entries = [("#e86854", "grew"), ("#eeb0a6", "grew a little"), ("#e4e4e4", "unchanged"), ("#6096de", "shrank or gone")];
    let mut x = 8.0;
    for (fill, word) in entries {
        let _ = write!(
            out,
            "<rect x=\"{x:.0}\" y=\"32\" width=\"14\" height=\"12\" fill=\"{fill}\"/><text x=\"{:.0}\" y=\"42\" fill=\"#444444\">{word}</text>",
            x + 18.0
        );
        x += 34.0 + word.len() as f64 * CHAR;
    }
    let _ = write!(out, "<text x=\"{x:.0}\" y=\"42\" fill=\"#444444\">width: the larger of before and after; callers above callees</text>");
}

fn frame(out: &mut String, tree: &CallTree, n: &TreeNode, x: f64, width: f64) {
    let y = TOP + f64::from(n.depth) * ROW;
    let told = format!("{}: {} before, {} after, {}", n.name, amount(tree, n.before), amount(tree, n.after), change(tree, n));
    let _ = write!(
        out,
        "<g><title>{}</title><rect x=\"{x:.2}\" y=\"{y:.0}\" width=\"{:.2}\" height=\"{:.0}\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.5\"/>",
        escape::xml(&told),
        width.max(THIN),
        ROW - 1.0,
        colour(n)
    );
    let room = ((width - 6.0) / CHAR) as usize;
    if room >= 3 {
        let label = format!("{} {}", short(&n.name), change(tree, n));
        let _ = write!(out, "<text x=\"{:.2}\" y=\"{:.0}\" fill=\"#1a1a1a\">{}</text>", x + 3.0, y + 12.5, escape::xml(&cut(&label, room)));
    }
    out.push_str("</g>");
}

/// Import path left out: `git.example.com/x/quotes.(*Store).Remember` reads as `quotes.(*Store).Remember`.
fn short(name: &str) -> &str {
    let end = name.find(['[', '(', ' ']).unwrap_or(name.len());
    name.get(..end).and_then(|n| n.rfind('/')).and_then(|i| name.get(i + 1..)).unwrap_or(name)
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(room.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// A plain flame graph of a tree's later side, drawn by inferno and stripped of everything executable.
pub fn plain(tree: &CallTree, title: &str) -> Option<String> {
    let lines = folded(tree);
    let mut options = inferno::flamegraph::Options::default();
    options.title = title.to_owned();
    options.count_name = tree.unit.clone();
    options.deterministic = true;
    options.hash = true;
    options.no_javascript = true;
    options.image_width = Some(880);
    options.min_width = 0.05;
    let mut svg = Vec::new();
    inferno::flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg).ok()?;
    frames_only(&inert(&String::from_utf8_lossy(&svg)))
}

/// inferno's frames alone: its title, buttons and background belong to a page of its own. The distances above and below
/// the frames are three and two lines of its 12 px type, and 10 px.
fn frames_only(svg: &str) -> Option<String> {
    const ABOVE: f64 = 36.0;
    const BELOW: f64 = 34.0;
    let number = |key: &str| svg.split_once(key)?.1.split('"').next()?.parse::<f64>().ok();
    let (width, whole) = (number(" width=\"")?, number(" height=\"")?);
    let height = (whole - ABOVE - BELOW + 4.0).max(1.0);
    // The inner drawing would be clipped to the height of what is shown.
    let frames = svg.get(svg.find("<svg x=")?..svg.rfind("</svg>")?)?.replacen("<svg ", &format!("<svg height=\"{whole}\" "), 1);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 {} {width} {height}\" font-family=\"ui-monospace, monospace\" font-size=\"11\" fill=\"#1a1a17\">{frames}</svg>",
        ABOVE - 2.0
    ))
}

/// One line per node with a value of its own: frames from the root joined by `;`, then the value.
fn folded(tree: &CallTree) -> Vec<String> {
    let mut out = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for (i, n) in tree.nodes.iter().enumerate() {
        path.truncate(n.depth.saturating_sub(1) as usize);
        if n.depth > 0 {
            // These characters separate frames, lines and counts.
            let name = n.name.replace([';', '\n', '\r'], ":");
            // A last word of digits would be taken for a count.
            let counted = name.rsplit_once(' ').is_some_and(|(_, d)| d.bytes().all(|b| b.is_ascii_digit()));
            path.push(if counted { name.replace(' ', "\u{a0}") } else { name });
        }
        let children: i64 = tree
            .nodes
            .iter()
            .skip(i + 1)
            .take_while(|c| c.depth > n.depth)
            .filter(|c| c.depth == n.depth + 1)
            .fold(0, |a, c| a.saturating_add(c.after));
        let own = n.after.saturating_sub(children);
        if own > 0 && !path.is_empty() {
            out.push(format!("{} {own}", path.join(";")));
        }
    }
    out.sort_unstable();
    out
}

/// Keeps only drawing elements and their presentation attributes of an SVG.
pub fn inert(svg: &str) -> String {
    const ELEMENTS: &[&str] = &["svg", "g", "rect", "text", "title", "path", "line"];
    const ATTRIBUTES: &[&str] = &[
        "xmlns",
        "viewBox",
        "width",
        "height",
        "x",
        "y",
        "fill",
        "stroke",
        "stroke-width",
        "rx",
        "ry",
        "font-family",
        "font-size",
        "text-anchor",
        "d",
        "x1",
        "x2",
        "y1",
        "y2",
        "transform",
    ];
    let mut out = String::with_capacity(svg.len());
    let mut rest = svg;
    // Inside an element that is left out with all it holds.
    let mut skipping: Option<String> = None;
    while let Some(at) = rest.find('<') {
        let (text, tail) = rest.split_at(at);
        if skipping.is_none() {
            out.push_str(text);
        }
        let end = if tail.starts_with("<![CDATA[") { tail.find("]]>").map(|e| e + 3) } else { tag_end(tail) };
        let Some(end) = end else {
            rest = "";
            break;
        };
        let (tag, after) = tail.split_at(end);
        rest = after;
        let inside = tag.trim_start_matches('<').trim_end_matches('>');
        let closing = inside.starts_with('/');
        let name: String = inside.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        if let Some(s) = &skipping {
            if closing && *s == name {
                skipping = None;
            }
            continue;
        }
        if tag.starts_with("<!") || tag.starts_with("<?") || name.is_empty() {
            continue;
        }
        let empty = inside.ends_with('/');
        if !ELEMENTS.contains(&name.as_str()) {
            // Links only wrap what is drawn; everything else goes with its content.
            if !closing && !empty && name != "a" {
                skipping = Some(name);
            }
            continue;
        }
        if closing {
            let _ = write!(out, "</{name}>");
            continue;
        }
        let _ = write!(out, "<{name}");
        for (key, value) in attributes(inside.get(name.len()..).unwrap_or("").trim_end_matches('/')) {
            if ATTRIBUTES.contains(&key) && !value.contains("url(") && !value.contains("javascript:") {
                let _ = write!(out, " {key}=\"{value}\"");
            }
        }
        out.push_str(if empty { "/>" } else { ">" });
    }
    if skipping.is_none() {
        out.push_str(rest);
    }
    out.trim_start().to_owned()
}

/// Length of the tag at the start of `s`; a `>` within quotes does not end it.
fn tag_end(s: &str) -> Option<usize> {
    let mut quote = None;
    for (i, b) in s.bytes().enumerate() {
        match (quote, b) {
            (None, b'"' | b'\'') => quote = Some(b),
            (None, b'>') => return Some(i + 1),
            (Some(q), b) if q == b => quote = None,
            _ => {}
        }
    }
    None
}

fn attributes(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, tail)) = rest.split_once('=') {
        let tail = tail.trim_start();
        let Some(quote) = tail.chars().next().filter(|c| matches!(c, '"' | '\'')) else { break };
        let Some((value, after)) = tail.get(1..).and_then(|t| t.split_once(quote)) else { break };
        // A value in single quotes may hold a double one.
        if !value.contains('"') {
            out.push((key.trim(), value));
        }
        rest = after.trim_start();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> CallTree {
        let node = |depth, name: &str, before, after| TreeNode { depth, name: name.into(), before, after };
        CallTree {
            measure: "inuse_space".into(),
            unit: "bytes".into(),
            compared: true,
            nodes: vec![
                node(0, "all", 3000, 5000),
                node(1, "main.<b>&\"'", 3000, 5000),
                node(2, "gone", 3000, 0),
                node(2, "F[go.shape.struct { A int; B int }]", 0, 5000),
            ],
            pruned: 7,
            pruned_below: 3,
        }
    }

    #[test]
    fn vanished_frames_are_drawn_and_every_frame_tells_its_change() {
        let svg = differential(&tree());
        assert!(svg.contains("gone: 2.93 KiB before, 0 B after, -2.93 KiB (gone)"), "{svg}");
        assert!(svg.contains("(+66.7 %)") && svg.contains("(new)"));
        // gone and F lie side by side, so the row needs 8000 bytes of width.
        assert!(svg.contains("width=\"450.00\"") && svg.contains("width=\"750.00\""));
        executable_free(&svg);
    }

    #[test]
    fn plain_graphs_are_inert_and_keep_names_whole() {
        let svg = plain(&tree(), "live heap").unwrap();
        assert!(svg.contains("A int: B int"));
        executable_free(&svg);
    }

    fn executable_free(svg: &str) {
        for bad in ["<script", "<style", "onload", "onclick", "<!DOCTYPE", "javascript:", "href", "style=", "<?xml", "<b>"] {
            assert!(!svg.contains(bad), "{bad} in {svg}");
        }
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn hostile_markup_is_stripped() {
        let svg = "<svg onload=\"x()\"><script><![CDATA[if (a<b) alert(1)]]></script><rect fill='url(#x)' x=\"1\" onclick=\"y('>')\"/><a href=\"javascript:1\"><text>t</text></a><foreignObject><p>q</p></foreignObject></svg>";
        assert_eq!(inert(svg), "<svg><rect x=\"1\"/><text>t</text></svg>");
    }
}
