//! Scales and ticks: bytes in powers of two, time at round UTC moments.

use crate::model::Timestamp;
use crate::model::quantity::human;
use crate::report::document::Chart;
use crate::report::when;

/// The window and the ceiling of a chart, and pixel positions in it.
pub struct Frame {
    pub from: f64,
    pub to: f64,
    /// Bytes at the top edge.
    pub top: f64,
    pub left: f64,
    pub right: f64,
    pub up: f64,
    pub down: f64,
    /// The limit is so far above the data that the scale leaves it out.
    pub limit_above: bool,
}

impl Frame {
    /// `None` when there is nothing to draw. Marks far outside the measured window do not stretch it.
    pub fn of(chart: &Chart, left: f64, right: f64, up: f64, down: f64) -> Option<Frame> {
        let (mut from, mut to, mut peak) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
        for [t, v] in chart.lines.iter().flat_map(|l| l.segments.iter().flatten()) {
            if t.is_finite() && v.is_finite() {
                from = from.min(*t);
                to = to.max(*t);
                peak = peak.max(*v);
            }
        }
        let measured = to >= from;
        let reach = if measured { (to - from) * 0.25 } else { f64::INFINITY };
        let (low, high) = (from - reach, to + reach);
        for m in chart.marks.iter().filter(|m| m.time.is_finite()) {
            if !measured || (m.time >= low && m.time <= high) {
                from = from.min(m.time);
                to = to.max(m.time);
            }
        }
        if to < from {
            return None;
        }
        if to - from < 60.0 {
            from -= 30.0;
            to += 30.0;
        }
        let end = to + (to - from) * 0.35;
        for f in &chart.forecast {
            if let [t, ..] = f
                && t.is_finite()
            {
                to = to.max(t.min(end));
            }
        }
        let limit = chart.limit_bytes.filter(|l| l.is_finite() && *l > 0.0);
        let limit_above = limit.is_some_and(|l| peak > 0.0 && l > peak * 6.0);
        let request = chart.request_bytes.filter(|r| r.is_finite() && *r > 0.0 && *r < peak * 2.0);
        let high = limit.filter(|_| !limit_above).into_iter().chain(request).fold(peak, f64::max);
        let high = if high > 0.0 { high } else { limit.unwrap_or(1.0) };
        Some(Frame { from, to, top: high * 1.1, left, right, up, down, limit_above })
    }

    pub fn x(&self, t: f64) -> f64 {
        self.left + (t - self.from) / (self.to - self.from) * (self.right - self.left)
    }

    pub fn y(&self, v: f64) -> f64 {
        self.down - v.clamp(0.0, self.top) / self.top * (self.down - self.up)
    }

    pub fn holds(&self, t: f64) -> bool {
        t >= self.from && t <= self.to
    }

    /// Byte ticks at a power of two, four to eight of them, with what to write beside them and the unit.
    pub fn byte_ticks(&self) -> Vec<(f64, String)> {
        let mut step = 1.0f64;
        while self.top / step > 6.0 {
            step *= 2.0;
        }
        (0..=8).map(|i| f64::from(i) * step).take_while(|v| *v <= self.top).map(|v| (v, human(v))).collect()
    }

    /// Time ticks at least `apart` pixels from each other.
    pub fn time_ticks(&self, apart: f64) -> Vec<(f64, String)> {
        const STEPS: [f64; 20] = [
            1.0,
            5.0,
            15.0,
            30.0,
            60.0,
            120.0,
            300.0,
            600.0,
            900.0,
            1800.0,
            3600.0,
            7200.0,
            10_800.0,
            21_600.0,
            43_200.0,
            86_400.0,
            172_800.0,
            604_800.0,
            2_592_000.0,
            31_536_000.0,
        ];
        let most = ((self.right - self.left) / apart).max(1.0);
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|s| span / s <= most).unwrap_or_else(|| span / most);
        let first = (self.from / step).ceil() * step;
        (0..64)
            .map(|i| first + f64::from(i) * step)
            .take_while(|t| *t <= self.to)
            .map(|t| {
                let at = Timestamp::from_seconds_f64(t);
                let text = if step >= 86_400.0 || (t.rem_euclid(86_400.0) == 0.0 && span > 43_200.0) {
                    when::month_day(at)
                } else if step < 60.0 {
                    when::clock(at)
                } else {
                    when::minute(at)
                };
                (t, text)
            })
            .collect()
    }
}
