//! Charts as SVG text. Colours are presentation attributes, so that a chart is whole where a policy refuses all style;
//! classes let the page's style restyle it for dark screens. No script, no style, no reference to anything outside.
//! Every SVG has a fixed width and height, a title and a description. Coordinates have one decimal: same data, same bytes.

mod axes;
mod bars;
mod bounds;
mod marks;
mod memory;
mod small;

pub use bars::{growth_bars, legend_swatch, stacked, step_bar, upright};
pub use memory::{Drawn, Size, memory};
pub use small::small;

use crate::report::escape;

/// Colours of lines in the order of a chart's lines, and the dash that tells them apart without colour.
pub const LINES: [(&str, &str); 5] = [("#0067a3", ""), ("#7a5200", "6 3"), ("#1f6a49", "2 3"), ("#5b3a86", "8 3 2 3"), ("#55574f", "1 3")];
/// Parts of a stacked bar: fill, text on it.
pub const PARTS: [(&str, &str); 8] = [
    ("#c2410c", "#fff"),
    ("#0067a3", "#fff"),
    ("#6fa5c9", "#08202f"),
    ("#5b3a86", "#fff"),
    ("#1f6a49", "#fff"),
    ("#b08a2e", "#1b1206"),
    ("#7d8a94", "#0d1114"),
    ("#c9cbc2", "#1c1d19"),
];

/// Text content and attribute values.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in escape::line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate: one decimal, never `-0.0`, never anything that is not a number.
fn n(v: f64) -> String {
    if !v.is_finite() {
        return "0".into();
    }
    let text = format!("{v:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".into(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}
