//! Bars: growth of one row over the snapshots, and the parts of one charge.

use super::{PARTS, n, xml};
use crate::model::quantity::human_bytes;
use std::fmt::Write;

/// One thin bar per snapshot, the last the darkest. `values` are fractions of the widest bar of the table.
pub fn growth_bars(values: &[f64]) -> String {
    const TONES: [&str; 5] = ["#b9c7d1", "#93b6cd", "#6fa5c9", "#3886b6", "#0067a3"];
    let count = values.len().max(1);
    let h = 20.0 / count as f64;
    let mut out = r#"<svg class="mb" width="120" height="20" viewBox="0 0 120 20" aria-hidden="true" focusable="false">"#.to_owned();
    for (i, v) in values.iter().enumerate() {
        let tone = if count == 1 { 4 } else { i * 4 / (count - 1) };
        let _ = write!(
            out,
            r#"<rect class="b{tone}" x="0" y="{}" width="{}" height="{}" fill="{}"/>"#,
            n(i as f64 * h + 0.5),
            n((v * 118.0).max(if *v > 0.0 { 1.0 } else { 0.0 })),
            n((h - 1.0).max(1.0)),
            TONES.get(tone).copied().unwrap_or("#0067a3")
        );
    }
    out.push_str("</svg>");
    out
}

/// A bar from one amount to another on a scale that ends at `whole`: a level begins at 0 and is dark, what lies between two
/// levels is light, what has to be taken off again is orange.
pub fn step_bar(from: f64, to: f64, whole: f64, level: bool) -> String {
    let at = |v: f64| (v / whole.max(1.0)).clamp(0.0, 1.0) * 258.0;
    let (a, b) = (at(from.min(to)), at(from.max(to)));
    let (class, fill) = match (level, to < from) {
        (true, _) => ("b4", "#0067a3"),
        (false, false) => ("b1", "#93b6cd"),
        (false, true) => ("s1", "#e0a36f"),
    };
    format!(
        r#"<svg class="mb" width="260" height="16" viewBox="0 0 260 16" aria-hidden="true" focusable="false"><rect class="{class}" x="{}" y="2" width="{}" height="12" fill="{fill}"/></svg>"#,
        n(a),
        n((b - a).max(1.0))
    )
}

/// Upright bars side by side under the largest one's value: how much of each of `spans` (from, to, bytes) is there. What a
/// span is called is told by its hover text and, for the whole, by the description.
pub fn upright(spans: &[(String, u64)], title: &str, ends: (String, String)) -> String {
    const HEIGHT: f64 = 120.0;
    let most = spans.iter().map(|s| s.1).max().unwrap_or(0).max(1);
    let each = 1000.0 / spans.len().max(1) as f64;
    let mut out = format!(
        r#"<svg class="mk" width="1000" height="156" viewBox="0 0 1000 156" role="img" aria-label="{}" font-family="system-ui,sans-serif" font-size="13">"#,
        xml(title)
    );
    for (i, (name, bytes)) in spans.iter().enumerate() {
        let h = (*bytes as f64 / most as f64 * HEIGHT).max(if *bytes > 0 { 1.0 } else { 0.0 });
        let _ = write!(
            out,
            r##"<g class="k0"><title>{}</title><rect class="b3" x="{}" y="{}" width="{}" height="{}" fill="#3886b6"/></g>"##,
            xml(&format!("{name}: {}", human_bytes(*bytes))),
            n(i as f64 * each),
            n(14.0 + HEIGHT - h),
            n((each - 1.0).max(0.5)),
            n(h)
        );
    }
    let _ = write!(
        out,
        r#"<text x="0" y="11" class="ax" fill="currentColor">{}</text><text x="0" y="151" fill="currentColor">{}</text><text x="1000" y="151" text-anchor="end" fill="currentColor">{}</text></svg>"#,
        xml(&format!("up to {}", human_bytes(most))),
        xml(&ends.0),
        xml(&ends.1)
    );
    out
}

/// A stacked bar of named parts with its description; names belong into a legend beside it.
pub fn stacked(parts: &[(String, u64)], title: &str) -> String {
    let total = parts.iter().map(|p| p.1).fold(0u64, u64::saturating_add).max(1) as f64;
    let said: Vec<String> = parts.iter().map(|(name, b)| format!("{} {name}", human_bytes(*b))).collect();
    let mut out = format!(
        r#"<svg class="mk" width="1000" height="40" viewBox="0 0 1000 40" role="img" aria-label="{}" font-family="system-ui,sans-serif">"#,
        xml(&format!("{title}: {}", said.join(", ")))
    );
    let mut x = 0.0;
    for (i, (name, bytes)) in parts.iter().enumerate() {
        let w = *bytes as f64 / total * 1000.0;
        let (fill, ink) = PARTS.get(i.min(PARTS.len() - 1)).copied().unwrap_or(("#c9cbc2", "#1c1d19"));
        let _ = write!(
            out,
            r#"<g class="k{}"><title>{}</title><rect x="{}" y="0" width="{}" height="40" fill="{fill}"/>"#,
            i.min(PARTS.len() - 1),
            xml(&format!("{name}: {} ({:.1} %)", human_bytes(*bytes), *bytes as f64 / total * 100.0)),
            n(x),
            n((w - 1.0).max(0.5))
        );
        let text = human_bytes(*bytes);
        if w > text.len() as f64 * 8.5 + 14.0 {
            let _ = write!(out, r#"<text x="{}" y="25" fill="{ink}" font-size="14" font-weight="600">{text}</text>"#, n(x + 9.0));
        }
        out.push_str("</g>");
        x += w;
    }
    out.push_str("</svg>");
    out
}

/// A square of the part's colour for the legend.
pub fn legend_swatch(part: usize) -> String {
    let i = part.min(PARTS.len() - 1);
    let fill = PARTS.get(i).map_or("#c9cbc2", |p| p.0);
    format!(
        r#"<svg class="sw" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false"><g class="k{i}"><rect width="12" height="12" rx="2" fill="{fill}"/></g></svg>"#
    )
}
