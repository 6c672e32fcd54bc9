//! What memory is held against in a chart: limit, request, and the forecast that runs into them.

use super::memory::{Drawing, marks};
use super::{n, xml};
use crate::model::quantity::human;
use crate::report::document::Chart;
use crate::report::when;
use std::fmt::Write;

impl Drawing<'_> {
    /// The trend drawn on, with its interval, and when it reaches the limit.
    pub(super) fn forecast(&mut self, chart: &Chart) {
        let f = self.f;
        let points: Vec<&[f64; 4]> = chart.forecast.iter().filter(|p| p.iter().all(|v| v.is_finite()) && f.holds(p[0])).take(200).collect();
        if points.len() < 2 {
            return;
        }
        let mut band = String::new();
        for (i, [t, low, ..]) in points.iter().enumerate() {
            let _ = write!(band, "{}{} {}", if i == 0 { 'M' } else { 'L' }, n(f.x(*t)), n(f.y(*low)));
        }
        for [t, _, _, high] in points.iter().rev() {
            let _ = write!(band, "L{} {}", n(f.x(*t)), n(f.y(*high)));
        }
        let mut middle = String::new();
        // The line ends where it leaves the plot: running along its upper edge would look like a plateau.
        for (i, [t, _, mid, _]) in points.iter().enumerate() {
            let _ = write!(middle, "{}{} {}", if i == 0 { 'M' } else { 'L' }, n(f.x(*t)), n(f.y(*mid)));
            if *mid > f.top {
                break;
            }
        }
        let _ = write!(
            self.out,
            r##"<path class="fcb" d="{band}Z" fill="#b33a00" fill-opacity=".13"/><path class="fcl" d="{middle}" fill="none" stroke="#b33a00" stroke-width="1.4" stroke-dasharray="2 4"><title>forecast</title></path>"##
        );
        let Some([low, mid, high]) = chart.eta_seconds.filter(|e| self.wide && e.iter().all(|v| v.is_finite())) else { return };
        let Some([t, _, level, _]) = points.last() else { return };
        let text = format!("limit in {} ({} to {})", when::lasted(mid), when::lasted(low), when::lasted(high));
        // Under the line and under the limit's own label, where nothing else is drawn.
        let limit = chart.limit_bytes.filter(|l| l.is_finite() && *l <= f.top).map_or(f.up, |l| f.y(l));
        let y = (f.y(*level) + 20.0).max(limit + 18.0).min(f.down - 8.0);
        let _ = write!(
            self.out,
            r##"<text class="limt halo" x="{}" y="{}" text-anchor="end" fill="#9c2f00" font-size="11" paint-order="stroke" stroke="#fff" stroke-width="3">{}</text>"##,
            n(f.x(*t).min(f.right) - 2.0),
            n(y),
            xml(&text)
        );
    }

    pub(super) fn limits(&mut self, chart: &Chart, notes: &mut Vec<String>) {
        let f = self.f;
        if let Some(r) = chart.request_bytes.filter(|r| r.is_finite() && *r > 0.0) {
            if r <= f.top {
                let near = chart.limit_bytes.is_some_and(|l| (f.y(l) - f.y(r)).abs() < 16.0);
                let y = f.y(r);
                let _ = write!(
                    self.out,
                    r##"<line class="req" x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="#6b6d64" stroke-width="1.3" stroke-dasharray="2 4"/>"##,
                    n(f.left),
                    n(f.right),
                    y = n(y)
                );
                if self.wide && !near {
                    let _ = write!(
                        self.out,
                        r##"<text class="ax halo" x="{}" y="{}" fill="#55574f" paint-order="stroke" stroke="#fff" stroke-width="3">request {}</text>"##,
                        n(f.left + 8.0),
                        n(y - 5.0),
                        human(r)
                    );
                }
            } else {
                notes.push(format!("the request of {} lies above the chart", human(r)));
            }
        }
        if let Some(l) = chart.limit_bytes.filter(|l| l.is_finite() && *l > 0.0) {
            if f.limit_above {
                notes.push(format!("the limit of {} lies far above the chart", human(l)));
                return;
            }
            let y = f.y(l);
            // Kill marks have their times where this label would be: it goes to the side that is free.
            let kills = |low: f64, high: f64| marks(chart, "kill").any(|m| f.holds(m.time) && (low..high).contains(&f.x(m.time)));
            let room = if self.wide { 190.0 } else { 100.0 };
            let right = kills(f.left, f.left + room) && !kills(f.right - room, f.right + 1.0);
            let (x, anchor) = if right { (f.right - 8.0, "end") } else { (f.left + 8.0, "start") };
            let _ = write!(
                self.out,
                r##"<line class="lim" x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="#b33a00" stroke-width="1.6" stroke-dasharray="7 4"/><text class="limt halo" x="{}" y="{}" text-anchor="{anchor}" fill="#9c2f00" font-weight="600" paint-order="stroke" stroke="#fff" stroke-width="3">{}limit {}</text>"##,
                n(f.left),
                n(f.right),
                n(x),
                n(y - 7.0),
                if self.wide { "memory " } else { "" },
                human(l),
                y = n(y)
            );
            let at = if right { f.right - room * 0.8 } else { f.left };
            self.labelled.push((at, at + room * 0.8, 1));
        }
    }
}
