//! Memory over time as one row of block characters, for terminals and code fences.

use crate::report::document::Chart;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block for each value, as a share of the largest; blank where there is nothing.
pub fn blocks(values: impl Iterator<Item = u64> + Clone) -> String {
    let most = values.clone().max().unwrap_or(0).max(1);
    let block = |v: u64| BLOCKS.get((v as f64 / most as f64 * 7.0).round() as usize).copied().unwrap_or(' ');
    values.map(|v| if v == 0 { ' ' } else { block(v) }).collect()
}

/// A row of `width` cells over a window of time.
pub struct Sparkline {
    pub cells: String,
    /// Unix seconds of the left edge and of the right.
    pub from: f64,
    pub to: f64,
    /// What a full block stands for, in bytes.
    pub full_bytes: f64,
    /// Number of kills, also where several share a cell.
    pub kills: usize,
}

/// The maximum of each cell's samples, `✕` where a kill falls, `│` for a rollout, `·` where nothing was measured.
/// Full scale is the limit if there is one, so that a full block means "at the limit".
pub fn draw(chart: &Chart, width: usize) -> Option<Sparkline> {
    let line = chart.lines.first()?;
    let points = || line.segments.iter().flatten().filter(|[t, v]| t.is_finite() && v.is_finite());
    let (mut from, mut to, mut peak) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
    for [t, v] in points() {
        from = from.min(*t);
        to = to.max(*t);
        peak = peak.max(*v);
    }
    let kills = || chart.marks.iter().filter(|m| m.kind == "kill" && m.time.is_finite());
    for m in kills() {
        from = from.min(m.time);
        to = to.max(m.time);
    }
    if to <= from || width == 0 || peak <= 0.0 {
        return None;
    }
    let full = chart.limit_bytes.filter(|l| l.is_finite() && *l > 0.0).unwrap_or(peak).max(peak);
    let cell = |t: f64| (((t - from) / (to - from) * width as f64) as usize).min(width - 1);
    let mut top: Vec<Option<f64>> = vec![None; width];
    for [t, v] in points() {
        if let Some(slot) = top.get_mut(cell(*t)) {
            *slot = Some(slot.map_or(*v, |old: f64| old.max(*v)));
        }
    }
    // A scrape gap narrower than its cell's neighbours is not a gap of the data: fill single empty cells inside a segment.
    for s in &line.segments {
        let mut before: Option<&[f64; 2]> = None;
        for p in s {
            if let Some(b) = before {
                for i in cell(b[0])..=cell(p[0]) {
                    if let Some(slot @ None) = top.get_mut(i) {
                        *slot = Some(b[1].max(p[1]));
                    }
                }
            }
            before = Some(p);
        }
    }
    let mut cells: Vec<char> = top
        .iter()
        .map(|v| match v {
            None => '·',
            Some(v) => BLOCKS.get(((v / full * 8.0).ceil() as usize).clamp(1, 8) - 1).copied().unwrap_or('█'),
        })
        .collect();
    for m in chart.marks.iter().filter(|m| m.kind == "rollout" && m.time >= from && m.time <= to) {
        if let Some(c) = cells.get_mut(cell(m.time)) {
            *c = '│';
        }
    }
    for m in kills() {
        if let Some(c) = cells.get_mut(cell(m.time)) {
            *c = '✕';
        }
    }
    Some(Sparkline { cells: cells.into_iter().collect(), from, to, full_bytes: full, kills: kills().count() })
}
