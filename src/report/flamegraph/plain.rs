//! Plain flame graphs: drawn by inferno from a pruned tree, stripped of everything executable, its frames alone.

use super::inert::harmless;
use crate::model::calltree::CallTree;

/// A pruned tree has 3000 frames at most, of a few elements each.
const MOST_ELEMENTS: usize = 20_000;

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
    frames_only(&harmless(&String::from_utf8_lossy(&svg), MOST_ELEMENTS)?)
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
