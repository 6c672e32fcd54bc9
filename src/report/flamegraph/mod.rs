//! Flame graphs as SVG that holds nothing executable: a differential one of our own, and plain ones through inferno.
//!
//! Differential: the root is on top, width is the larger of the two sides, so that vanished frames stay visible; every
//! frame says its inclusive change in bytes and per cent of its own earlier value, and its colour how much of the whole
//! growth lies below it. No script, no style sheet, no link, no DOCTYPE; colours are presentation attributes (a page may
//! restyle the classes), and every frame carries its full text as a `<title>`.

mod inert;
mod plain;

use super::escape;
use crate::model::calltree::{CallTree, TreeNode};
use crate::model::quantity;
use crate::report::document::Flame;
use std::fmt::Write;

pub use inert::harmless;
pub use plain::plain;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
/// Height of title and legend, where the graph is a file of its own.
const HEAD: f64 = 62.0;
/// Mean width of a character of the label font, in pixels.
const CHAR: f64 = 6.7;
/// Narrower frames are not drawn.
const THIN: f64 = 0.6;
/// Deeper frames are not drawn; call trees end long before.
const DEEPEST: u32 = 260;
/// Frames of a file.
const FRAMES: usize = 3000;

/// A drawn graph, and what was left out of it, in words.
pub struct Drawn {
    pub svg: String,
    pub left_out: String,
}

/// The tree that a report's flame graph was made of.
pub fn tree_of(flame: &Flame) -> CallTree {
    CallTree {
        measure: flame.title.clone(),
        unit: flame.unit.clone(),
        compared: flame.kind == "diff",
        nodes: flame.nodes.iter().map(|n| TreeNode { depth: n.depth, name: n.name.clone(), before: n.before, after: n.after }).collect(),
        ..CallTree::default()
    }
}

/// Value of a node in words.
fn amount(tree: &CallTree, v: i64) -> String {
    if tree.unit == "bytes" || tree.unit.is_empty() { quantity::human(v as f64) } else { super::when::grouped(v) }
}

/// `+12.3 MiB (+45 %)`, `−3 MiB (gone)`, `new`.
fn change(tree: &CallTree, n: &TreeNode) -> String {
    let d = n.after.saturating_sub(n.before);
    let sign = if d > 0 { "+" } else { "" };
    let share = match (n.before, n.after) {
        (0, 0) => String::new(),
        (0, _) => " (new)".into(),
        (_, 0) => " (gone)".into(),
        (b, _) => format!(" ({sign}{:.1} %)", d as f64 / b.unsigned_abs() as f64 * 100.0),
    };
    format!("{sign}{}{share}", amount(tree, d)).replace('-', "−")
}

/// Class, fill and ink by the share of the whole growth below a frame.
fn tone(share: f64) -> (&'static str, &'static str, &'static str) {
    match share {
        s if s >= 0.5 => ("g4", "#c2410c", "#ffffff"),
        s if s >= 0.15 => ("g3", "#e08a4f", "#1b1206"),
        s if s >= 0.02 => ("g2", "#f4c9a8", "#1b1206"),
        s if s > -0.005 => ("g0", "#e4e3db", "#1c1d19"),
        s if s > -0.1 => ("s1", "#a9cfe8", "#08202f"),
        _ => ("s2", "#4f97c4", "#08131c"),
    }
}

/// Own width of each node: the larger side, or what its children need where they grew and shrank in turn.
fn widths(nodes: &[&TreeNode]) -> Vec<f64> {
    let mut w: Vec<f64> = nodes.iter().map(|n| n.before.max(n.after).max(0) as f64).collect();
    // Children stand behind their parent: going backwards, every child is complete before its parent is met.
    let mut needed = vec![0.0f64; DEEPEST as usize + 2];
    for (n, x) in nodes.iter().zip(w.iter_mut()).rev() {
        let depth = n.depth as usize;
        let own = needed.get(depth + 1).copied().unwrap_or(0.0).max(*x);
        if let Some(x) = needed.get_mut(depth + 1) {
            *x = 0.0;
        }
        if let Some(x) = needed.get_mut(depth) {
            *x += own;
        }
        *x = own;
    }
    w
}

struct Cell<'a> {
    node: &'a TreeNode,
    x: f64,
    width: f64,
}

/// Children side by side under their parent; of the frames narrower than `thin` pixels nothing is drawn, nor below them.
fn layout<'a>(nodes: &[&'a TreeNode], widths: &[f64], thin: f64) -> Vec<Cell<'a>> {
    let scale = WIDTH / nodes.iter().zip(widths).filter(|(n, _)| n.depth == 0).map(|x| x.1).sum::<f64>().max(1.0);
    let mut cursor = vec![0.0f64; DEEPEST as usize + 2];
    let mut hidden_below: Option<u32> = None;
    let mut out = Vec::new();
    for (n, width) in nodes.iter().zip(widths) {
        if hidden_below.is_some_and(|d| n.depth > d) {
            continue;
        }
        hidden_below = None;
        let depth = n.depth as usize;
        let x = cursor.get(depth).copied().unwrap_or(0.0);
        // The next sibling starts behind this frame, its first child at its left edge.
        if let Some(c) = cursor.get_mut(depth) {
            *c = x + width * scale;
        }
        if let Some(c) = cursor.get_mut(depth + 1) {
            *c = x;
        }
        if width * scale < thin {
            hidden_below = Some(n.depth);
            continue;
        }
        out.push(Cell { node: n, x, width: (width * scale).min(WIDTH - x) });
    }
    out
}

/// Nodes that can be drawn: each at most one level below the one before it.
fn sound(tree: &CallTree) -> Vec<&TreeNode> {
    let mut deepest = 0;
    tree.nodes
        .iter()
        .filter(|n| {
            let fits = n.depth <= deepest && n.depth < DEEPEST;
            if fits {
                deepest = n.depth + 1;
            }
            fits
        })
        .collect()
}

/// The frames alone, at most `most` of them, widest first; `None` where nothing is held on either side.
pub fn frames(tree: &CallTree, id: &str, most: usize) -> Option<Drawn> {
    let nodes = sound(tree);
    let widths = widths(&nodes);
    if !widths.iter().any(|w| *w > 0.0) {
        return None;
    }
    let mut thin = THIN;
    let mut cells = layout(&nodes, &widths, thin);
    while cells.len() > most.max(1) && thin < WIDTH {
        thin *= 1.5;
        cells = layout(&nodes, &widths, thin);
    }
    let depth = cells.iter().map(|c| c.node.depth).max().unwrap_or(0);
    let height = f64::from(depth + 1) * ROW + 1.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flame\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"{id}-t\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"11\"><title id=\"{id}-t\">{}</title>",
        escape::xml(&tree.measure)
    );
    draw(&mut svg, tree, &cells, 0.0);
    svg.push_str("</svg>");
    let hidden = tree.nodes.len() - cells.len();
    let left_out = if hidden > 0 { format!("{} frames too narrow to draw", super::when::grouped(hidden as i64)) } else { String::new() };
    Some(Drawn { svg, left_out })
}

fn draw(out: &mut String, tree: &CallTree, cells: &[Cell<'_>], top: f64) {
    let whole: f64 = tree.nodes.iter().filter(|n| n.depth == 0).map(|n| n.after as f64 - n.before as f64).sum();
    let held = tree.nodes.iter().filter(|n| n.depth == 0).map(|n| n.after.max(n.before) as f64).sum::<f64>();
    // Where all in all hardly anything changed, a per cent of what is held counts as the whole.
    let grown = whole.abs().max(held * 0.01).max(1.0);
    for c in cells {
        let n = c.node;
        let y = top + f64::from(n.depth) * ROW;
        let d = n.after as f64 - n.before as f64;
        let (class, fill, ink) = tone(d / grown);
        let told = format!(
            "{}: {} before, {} after, {}; {:.1} % of all growth",
            n.name,
            amount(tree, n.before),
            amount(tree, n.after),
            change(tree, n),
            d / grown * 100.0
        );
        // What is gone is drawn as an outline: there is nothing left to be filled.
        let gone = if n.after == 0 && n.before > 0 { " fill-opacity=\"0.35\" stroke-dasharray=\"3 2\"" } else { "" };
        let edge = if gone.is_empty() { "#ffffff" } else { "#4f97c4" };
        let _ = write!(
            out,
            "<g class=\"{class}\"><title>{}</title><rect x=\"{:.2}\" y=\"{y:.0}\" width=\"{:.2}\" height=\"{:.0}\" fill=\"{fill}\" stroke=\"{edge}\" stroke-width=\"0.5\"{gone}/>",
            escape::xml(&escape::clip(&told, 400)),
            c.x,
            c.width.max(THIN),
            ROW - 1.0,
        );
        let room = ((c.width - 6.0) / CHAR) as usize;
        if room >= 3 {
            let label = format!("{} {}", short(&n.name), change(tree, n));
            let ink = if gone.is_empty() { ink } else { "#08131c" };
            let _ =
                write!(out, "<text x=\"{:.2}\" y=\"{:.0}\" fill=\"{ink}\">{}</text>", c.x + 3.0, y + 12.5, escape::xml(&cut(&label, room)));
        }
        out.push_str("</g>");
    }
}

/// The differential flame graph as a file of its own: title, legend, frames, and what is not drawn.
pub fn differential(tree: &CallTree) -> String {
    let nodes = sound(tree);
    let widths = widths(&nodes);
    let mut thin = THIN;
    let mut cells = layout(&nodes, &widths, thin);
    while cells.len() > FRAMES && thin < WIDTH {
        thin *= 1.5;
        cells = layout(&nodes, &widths, thin);
    }
    let deepest = cells.iter().map(|c| c.node.depth).max().unwrap_or(0);
    let height = HEAD + f64::from(deepest + 1) * ROW + 28.0;
    let mut out = String::with_capacity(cells.len() * 300 + 2048);
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
    draw(&mut out, tree, &cells, HEAD);
    let dropped = tree.pruned + (tree.nodes.len() - cells.len());
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
    let entries = [
        (0.6, "half of all growth and more"),
        (0.2, "15 %"),
        (0.05, "2 %"),
        (0.0, "unchanged"),
        (-0.05, "shrank"),
        (-0.5, "shrank by 10 % and more"),
    ];
    let mut x = 8.0;
    for (share, word) in entries {
        let _ = write!(
            out,
            "<rect x=\"{x:.0}\" y=\"32\" width=\"14\" height=\"12\" fill=\"{}\"/><text x=\"{:.0}\" y=\"42\" fill=\"#444444\">{word}</text>",
            tone(share).1,
            x + 18.0
        );
        x += 34.0 + word.len() as f64 * CHAR;
    }
    let _ = write!(out, "<text x=\"{x:.0}\" y=\"42\" fill=\"#444444\">dashed: gone; width: the larger of before and after</text>");
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
        for svg in [differential(&tree()), frames(&tree(), "f", 100).unwrap().svg] {
            assert!(svg.contains("gone: 2.93 KiB before, 0 B after, −2.93 KiB (gone)"), "{svg}");
            assert!(svg.contains("(+66.7 %)") && svg.contains("(new)"));
            // gone and F lie side by side, so the row needs 8000 bytes of width.
            assert!(svg.contains("width=\"450.00\"") && svg.contains("width=\"750.00\""));
            executable_free(&svg);
        }
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
    fn children_stay_inside_their_parent_and_senseless_nodes_stay_out() {
        let node = |depth, after| TreeNode { depth, name: "f".into(), before: 0, after };
        let nodes = vec![node(0, 100), node(1, 80), node(1, 20), node(7, 5), node(0, i64::MIN), node(u32::MAX, 9)];
        let tree = CallTree { nodes, ..CallTree::default() };
        let sound = sound(&tree);
        let cells = layout(&sound, &widths(&sound), 1.0);
        let places: Vec<(f64, f64)> = cells.iter().map(|c| (c.x, c.width)).collect();
        assert_eq!(places, [(0.0, 1200.0), (0.0, 960.0), (960.0, 240.0)]);
        assert!(frames(&CallTree::default(), "f", 9).is_none());
    }
}
