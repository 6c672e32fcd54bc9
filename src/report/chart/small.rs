//! A replica as a small multiple: same story, no axis.

use super::axes::Frame;
use super::memory::height_at_kill;
use super::n;
use crate::report::document::Chart;
use std::fmt::Write;

/// Decoration beside words that say the same: hidden from screen readers.
pub fn small(chart: &Chart) -> Option<String> {
    let f = Frame::of(chart, 2.0, 248.0, 5.0, 52.0)?;
    let mut out = r#"<svg class="spark" width="250" height="54" viewBox="0 0 250 54" aria-hidden="true" focusable="false">"#.to_owned();
    if let Some(l) = chart.limit_bytes.filter(|l| l.is_finite() && *l > 0.0 && !f.limit_above) {
        let _ = write!(
            out,
            r##"<line class="lim" x1="0" x2="250" y1="{y}" y2="{y}" stroke="#b33a00" stroke-dasharray="4 3"/>"##,
            y = n(f.y(l))
        );
    }
    let mut path = String::new();
    if let Some(line) = chart.lines.first() {
        for s in &line.segments {
            // One point per two pixels is all that shows; the highest of them is the one that matters.
            let mut shown: Vec<(f64, f64)> = Vec::new();
            for p in s.iter().filter(|p| p[0].is_finite() && p[1].is_finite()) {
                let (x, y) = (f.x(p[0]), f.y(p[1]));
                let several = shown.len() > 1;
                match shown.last_mut() {
                    Some(l) if several && (l.0 / 2.0).floor() == (x / 2.0).floor() => l.1 = l.1.min(y),
                    _ => shown.push((x, y)),
                }
            }
            for (i, (x, y)) in shown.iter().enumerate() {
                let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, n(*x), n(*y));
            }
        }
    }
    let _ = write!(out, r##"<path class="ln0" d="{path}" fill="none" stroke="#0067a3" stroke-width="1.5"/>"##);
    for m in chart.marks.iter().filter(|m| m.kind == "kill" && f.holds(m.time)).take(60) {
        let _ = write!(
            out,
            r##"<circle class="oomc" cx="{}" cy="{}" r="3" fill="#b33a00"/>"##,
            n(f.x(m.time)),
            n(f.y(height_at_kill(chart, m.time)))
        );
    }
    out.push_str("</svg>");
    Some(out)
}
