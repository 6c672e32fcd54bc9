//! Memory over time against limit and request, with everything that happened to the container.

use super::axes::Frame;
use super::{LINES, n, xml};
use crate::model::Timestamp;
use crate::model::quantity::human;
use crate::report::document::{Chart, Mark};
use crate::report::when;
use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    Wide,
    /// For phones; hidden on wide screens.
    Compact,
}

/// A drawn chart and what its caption has to say.
pub struct Drawn {
    pub svg: String,
    /// Kinds of marks that are in it, for the legend.
    pub kinds: Vec<&'static str>,
    /// What could not be shown.
    pub notes: Vec<String>,
    pub forecast: bool,
}

pub(super) const KINDS: [&str; 5] = ["kill", "restart", "rollout", "snapshot", "event"];

/// `None` when the chart has neither points nor marks.
/// At most `max_marks` of each kind are drawn, and of lives.
pub fn memory(chart: &Chart, id: &str, size: Size, max_marks: usize) -> Option<Drawn> {
    let wide = size == Size::Wide;
    let (w, h, left, up, foot) = if wide { (1000.0, 340.0, 66.0, 50.0, 66.0) } else { (360.0, 240.0, 52.0, 30.0, 26.0) };
    let has_runs = wide && !chart.runs.is_empty();
    let (h, foot) = if wide && !has_runs { (h - 30.0, foot - 30.0) } else { (h, foot) };
    let f = Frame::of(chart, left, w - if wide { 16.0 } else { 8.0 }, up, h - foot)?;
    let mut d = Drawing { f: &f, out: String::new(), wide, max_marks, labelled: Vec::new() };
    let mut notes = Vec::new();

    d.open(chart, id, w, h);
    d.bands(chart);
    d.grid();
    d.lines(chart);
    d.forecast(chart);
    d.limits(chart, &mut notes);
    let kinds = d.marks(chart, &mut notes);
    if has_runs {
        d.runs(chart, h);
    }
    d.out.push_str("</svg>");
    Some(Drawn { svg: d.out, kinds, notes, forecast: !chart.forecast.is_empty() })
}

pub(super) struct Drawing<'a> {
    pub(super) f: &'a Frame,
    pub(super) out: String,
    pub(super) wide: bool,
    pub(super) max_marks: usize,
    /// Horizontal extents of labels above the plot, so that none is written over another.
    pub(super) labelled: Vec<(f64, f64, u8)>,
}

impl Drawing<'_> {
    fn open(&mut self, chart: &Chart, id: &str, w: f64, h: f64) {
        let (f, o) = (self.f, &mut self.out);
        let kills: Vec<String> = marks(chart, "kill").take(12).map(|m| when::short(at(m.time))).collect();
        let n_kills = marks(chart, "kill").count();
        let peak =
            chart.lines.iter().flat_map(|l| l.segments.iter().flatten()).map(|p| p[1]).filter(|v| v.is_finite()).fold(0.0f64, f64::max);
        let limit = chart.limit_bytes.map_or_else(|| "no limit known".to_owned(), |l| format!("limit {}", human(l)));
        let class = if self.wide { "tl" } else { "tls-svg" };
        let (fs, ws, hs) = (if self.wide { 12 } else { 11 }, n(w), n(h));
        let _ = write!(o, r#"<svg class="{class}" width="{ws}" height="{hs}" viewBox="0 0 {ws} {hs}" role="img" "#);
        if !self.wide {
            let _ = write!(o, r#"aria-hidden="true" focusable="false" font-family="system-ui,sans-serif" font-size="{fs}">"#);
            return;
        }
        let _ = write!(
            o,
            r#"aria-labelledby="{id}-t {id}-d" font-family="system-ui,sans-serif" font-size="{fs}"><title id="{id}-t">{}</title><desc id="{id}-d">From {} to {} UTC; peak {}, {limit}; {}.</desc>"#,
            xml(&chart.title),
            when::stamp(at(f.from)),
            when::stamp(at(f.to)),
            human(peak),
            match n_kills {
                0 => "no kill".to_owned(),
                1 => format!("one kill at {}", kills.join("")),
                k if k > kills.len() => format!("{k} kills, the first at {}", kills.join(", ")),
                k => format!("{k} kills at {}", kills.join(", ")),
            }
        );
    }

    /// Every other life is shaded, so that restarts can be counted.
    fn bands(&mut self, chart: &Chart) {
        if chart.runs.len() < 2 {
            return;
        }
        for r in chart.runs.iter().skip(1).step_by(2).take(self.max_marks) {
            let (a, b) = (self.f.x(r.start.max(self.f.from)), self.f.x(r.end.min(self.f.to)));
            if b > a {
                let _ = write!(
                    self.out,
                    r##"<rect class="band" x="{}" y="{}" width="{}" height="{}" fill="#f1f1ec"/>"##,
                    n(a),
                    n(self.f.up),
                    n(b - a),
                    n(self.f.down - self.f.up)
                );
            }
        }
    }

    fn grid(&mut self) {
        let (f, o) = (self.f, &mut self.out);
        let ticks = f.byte_ticks();
        let skip = if self.wide || ticks.len() < 5 { 1 } else { 2 };
        for (v, text) in ticks.iter().step_by(skip) {
            let y = f.y(*v);
            let _ = write!(
                o,
                r##"<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="#d9d9d3"/><text class="ax" x="{}" y="{}" text-anchor="end" fill="#55574f">{}</text>"##,
                n(f.left),
                n(f.right),
                n(f.left - 7.0),
                n(y + 4.0),
                if *v == 0.0 { "0" } else { text },
                y = n(y)
            );
        }
        for (t, text) in f.time_ticks(if self.wide { 96.0 } else { 78.0 }) {
            let x = f.x(t);
            let anchor = if x > f.right - 18.0 { "end" } else { "middle" };
            let _ = write!(
                o,
                r##"<line class="grid" x1="{x}" x2="{x}" y1="{}" y2="{}" stroke="#d9d9d3"/><text class="ax" x="{x}" y="{}" text-anchor="{anchor}" fill="#55574f">{text}</text>"##,
                n(f.down),
                n(f.down + 4.0),
                n(f.down + 17.0),
                x = n(x)
            );
        }
    }

    fn lines(&mut self, chart: &Chart) {
        // The first line is the story and lies on top.
        for (i, line) in chart.lines.iter().take(LINES.len()).enumerate().rev() {
            let (colour, dash) = LINES.get(i).copied().unwrap_or(("#55574f", ""));
            let width = if i == 0 { "1.9" } else { "1.4" };
            let (mut stroke, mut area, mut dots) = (String::new(), String::new(), String::new());
            for segment in &line.segments {
                let points = thin(segment, self.f);
                let Some((first, rest)) = points.split_first() else { continue };
                if rest.is_empty() {
                    let _ = write!(dots, r#"<circle class="ln{i}d" cx="{}" cy="{}" r="2.2" fill="{colour}"/>"#, n(first.0), n(first.1));
                    continue;
                }
                let _ = write!(stroke, "M{} {}", n(first.0), n(first.1));
                rest.iter().for_each(|(x, y)| {
                    let _ = write!(stroke, "L{} {}", n(*x), n(*y));
                });
                if i == 0 {
                    let last = rest.last().unwrap_or(first);
                    let _ = write!(area, "M{} {}", n(first.0), n(self.f.down));
                    points.iter().for_each(|(x, y)| {
                        let _ = write!(area, "L{} {}", n(*x), n(*y));
                    });
                    let _ = write!(area, "L{} {}Z", n(last.0), n(self.f.down));
                }
            }
            if !area.is_empty() {
                let _ = write!(self.out, r##"<path class="area" d="{area}" fill="#0067a3" fill-opacity=".12"/>"##);
            }
            if !stroke.is_empty() {
                let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
                let _ = write!(
                    self.out,
                    r#"<path class="ln{i}" d="{stroke}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dash}><title>{}</title></path>"#,
                    xml(&line.name)
                );
            }
            self.out.push_str(&dots);
        }
    }

    /// Lives of the container below the axis.
    fn runs(&mut self, chart: &Chart, h: f64) {
        let f = self.f;
        let y = h - 30.0;
        let _ = write!(
            self.out,
            r##"<text class="ax" x="{}" y="{}" text-anchor="end" fill="#55574f">lives</text>"##,
            n(f.left - 7.0),
            n(y + 11.5)
        );
        for (i, r) in chart.runs.iter().enumerate().take(self.max_marks) {
            let (a, b) = (f.x(r.start.clamp(f.from, f.to)), f.x(r.end.clamp(f.from, f.to)));
            let width = b - a - 1.5;
            if width.is_nan() || width <= 0.4 {
                continue;
            }
            let slope = r.slope_bytes_per_hour.filter(|s| s.is_finite()).map_or(String::new(), |s| format!(", {}/h", human(s)));
            let lived = when::lasted(r.end - r.start);
            let title = xml(&format!("life {}: {lived}, {} to {}{slope}; {}", i + 1, human(r.first_bytes), human(r.peak_bytes), r.ended));
            let _ = write!(
                self.out,
                r##"<g class="run"><title>{title}</title><rect x="{}" y="{}" width="{}" height="16" rx="2" fill="#dfe0da"/>"##,
                n(a + 0.75),
                n(y),
                n(width)
            );
            let label = if width > 88.0 { format!("{} · {lived}", i + 1) } else { format!("{}", i + 1) };
            if width > 16.0 {
                let _ = write!(
                    self.out,
                    r##"<text x="{}" y="{}" text-anchor="middle" font-size="10" fill="#33352f">{label}</text>"##,
                    n(a + 0.75 + width / 2.0),
                    n(y + 11.5)
                );
            }
            self.out.push_str("</g>");
        }
    }
}

pub(super) fn at(t: f64) -> Timestamp {
    Timestamp::from_seconds_f64(t)
}

pub(super) fn marks<'a>(chart: &'a Chart, kind: &'a str) -> impl Iterator<Item = &'a Mark> {
    let known = move |k: &str| if kind == "event" { !KINDS.iter().take(4).any(|o| *o == k) } else { k == kind };
    chart.marks.iter().filter(move |m| m.time.is_finite() && known(&m.kind))
}

/// The first line's last value at or shortly before a moment.
pub(super) fn value_at(chart: &Chart, t: f64) -> Option<f64> {
    let line = chart.lines.first()?;
    let points = line.segments.iter().flatten().filter(|p| p[1].is_finite());
    let span = points.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p[0]), b.max(p[0])));
    let reach = ((span.1 - span.0) * 0.03).max(300.0);
    points.filter(|p| p[0] <= t + 1.0 && p[0] >= t - reach).max_by(|a, b| a[0].total_cmp(&b[0])).map(|p| p[1])
}

/// Where a kill is drawn: a scrape misses the last climb, so a value near the limit counts as the limit.
pub(super) fn height_at_kill(chart: &Chart, t: f64) -> f64 {
    let limit = chart.limit_bytes.filter(|l| l.is_finite() && *l > 0.0);
    match (value_at(chart, t), limit) {
        (Some(v), Some(l)) if v >= l * 0.7 => l,
        (Some(v), _) => v,
        (None, Some(l)) => l,
        (None, None) => {
            chart.lines.iter().flat_map(|l| l.segments.iter().flatten()).map(|p| p[1]).filter(|v| v.is_finite()).fold(0.0, f64::max)
        }
    }
}

/// Pixel positions; where several samples share a pixel column, its first, lowest, highest and last.
fn thin(segment: &[[f64; 2]], f: &Frame) -> Vec<(f64, f64)> {
    let points = segment.iter().filter(|p| p[0].is_finite() && p[1].is_finite() && f.holds(p[0])).map(|p| (f.x(p[0]), f.y(p[1])));
    if segment.len() as f64 <= (f.right - f.left) * 1.5 {
        return points.collect();
    }
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut column: Vec<(f64, f64)> = Vec::new();
    let mut flush = |column: &mut Vec<(f64, f64)>| {
        let (mut low, mut high) = (0, 0);
        for (i, p) in column.iter().enumerate() {
            if column.get(low).is_some_and(|l| p.1 > l.1) {
                low = i;
            }
            if column.get(high).is_some_and(|h| p.1 < h.1) {
                high = i;
            }
        }
        let mut keep = vec![0, low, high, column.len().saturating_sub(1)];
        keep.sort_unstable();
        keep.dedup();
        out.extend(keep.into_iter().filter_map(|i| column.get(i).copied()));
        column.clear();
    };
    for p in points {
        if column.first().is_some_and(|c| c.0.floor() != p.0.floor()) {
            flush(&mut column);
        }
        column.push(p);
    }
    flush(&mut column);
    out
}
