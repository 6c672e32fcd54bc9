//! What happened to a container, on its chart: kills, rollouts, snapshots, restarts, other events.

use super::memory::{Drawing, KINDS, at, height_at_kill, marks, value_at};
use super::{n, xml};
use crate::report::document::{Chart, Mark};
use crate::report::when;
use std::fmt::Write;

impl Drawing<'_> {
    /// Whether a label of this width fits here without covering another; takes the place if so.
    fn claim(&mut self, x: f64, width: f64, level: u8) -> bool {
        let (a, b) = (x - width / 2.0, x + width / 2.0);
        let free = self.labelled.iter().all(|(c, d, l)| *l != level || b < *c || a > *d);
        if free {
            self.labelled.push((a, b, level));
        }
        free
    }

    pub(super) fn marks(&mut self, chart: &Chart, notes: &mut Vec<String>) -> Vec<&'static str> {
        let f = self.f;
        let mut kinds = Vec::new();
        let (mut outside, mut over) = (0usize, 0usize);
        for kind in KINDS.into_iter().rev() {
            let mut drawn = 0;
            for m in marks(chart, kind) {
                if !f.holds(m.time) {
                    outside += 1;
                } else if drawn >= self.max_marks {
                    over += 1;
                } else {
                    drawn += 1;
                    self.mark(chart, kind, m);
                }
            }
            if drawn > 0 {
                kinds.push(kind);
            }
        }
        let plural = |k: usize, verb: &str| if k == 1 { format!("one mark {verb}s") } else { format!("{k} marks {verb}") };
        if outside > 0 {
            notes.push(format!("{} outside the measured window", plural(outside, "lie")));
        }
        if over > 0 {
            notes.push(format!("{over} marks beyond the first {} of a kind are not drawn", self.max_marks));
        }
        kinds.reverse();
        kinds
    }

    fn mark(&mut self, chart: &Chart, kind: &str, m: &Mark) {
        let f = self.f;
        let x = f.x(m.time);
        let title = xml(&format!("{} at {} UTC", if m.label.is_empty() { kind } else { &m.label }, when::stamp(at(m.time))));
        let (up, down) = (f.up, f.down);
        match kind {
            "kill" => {
                let y = f.y(height_at_kill(chart, m.time));
                let r = if self.wide { 8.5 } else { 6.5 };
                let arm = r * 0.36;
                let _ = write!(
                    self.out,
                    r##"<g class="oom"><title>{title}</title><circle cx="{x}" cy="{y}" r="{}" fill="#b33a00" stroke="#fff" stroke-width="2"/><path d="M{} {}L{} {}M{} {}L{} {}" stroke="#fff" stroke-width="2" stroke-linecap="round"/>"##,
                    n(r),
                    n(x - arm),
                    n(y - arm),
                    n(x + arm),
                    n(y + arm),
                    n(x - arm),
                    n(y + arm),
                    n(x + arm),
                    n(y - arm),
                    x = n(x),
                    y = n(y)
                );
                let long = f.to - f.from > 36.0 * 3600.0;
                if self.wide && self.claim(x, if long { 74.0 } else { 38.0 }, 1) {
                    let text = if long { when::short(at(m.time)) } else { when::minute(at(m.time)) };
                    let _ = write!(
                        self.out,
                        r##"<text class="oomt halo" x="{}" y="{}" text-anchor="middle" fill="#9c2f00" font-size="11" font-weight="600" paint-order="stroke" stroke="#fff" stroke-width="3">{text}</text>"##,
                        n(x.clamp(f.left + 18.0, f.right - 18.0)),
                        n(y - r - 5.0)
                    );
                }
                self.out.push_str("</g>");
            }
            "rollout" => {
                let _ = write!(
                    self.out,
                    r##"<g class="rog"><title>{title}</title><line class="ro" x1="{x}" x2="{x}" y1="{}" y2="{}" stroke="#5b3a86" stroke-width="1.5"/>"##,
                    n(up - 28.0),
                    n(down),
                    x = n(x)
                );
                let text = crate::report::escape::middle(&m.label, if self.wide { 60 } else { 32 }).into_owned();
                let text = format!("{} {}", when::minute(at(m.time)), if text.is_empty() { "rollout" } else { &text });
                let width = text.chars().count() as f64 * if self.wide { 6.6 } else { 6.0 } + 12.0;
                // To the right of the line, or to its left where the plot ends.
                let right = x + width < f.right;
                let centre = if right { x + width / 2.0 } else { x - width / 2.0 };
                let row = (2u8..=if self.wide { 3 } else { 2 }).find(|row| self.claim(centre, width, *row));
                if let Some(row) = row {
                    let _ = write!(
                        self.out,
                        r##"<text class="rot" x="{}" y="{}" text-anchor="{}" fill="#5b3a86" font-weight="600">{}</text>"##,
                        n(if right { x + 6.0 } else { x - 6.0 }),
                        n(up - 18.0 + f64::from(row - 2) * 13.0),
                        if right { "start" } else { "end" },
                        xml(&text)
                    );
                }
                self.out.push_str("</g>");
            }
            "snapshot" => {
                let y = f.y(value_at(chart, m.time).unwrap_or(f.top * 0.5));
                let _ = write!(
                    self.out,
                    r##"<g class="snap"><title>{title}</title><path d="M{} {}l6 6l-6 6l-6-6z" fill="#fff" stroke="#5b3a86" stroke-width="2"/>"##,
                    n(x),
                    n(y - 6.0)
                );
                let label = crate::report::escape::clip(&m.label, 12);
                if self.wide && !m.label.is_empty() && m.label.chars().count() <= 12 && self.claim(x + 18.0, 30.0, 4) {
                    let _ = write!(
                        self.out,
                        r##"<text class="rot halo" x="{}" y="{}" fill="#5b3a86" font-size="11" font-weight="600" paint-order="stroke" stroke="#fff" stroke-width="3">{}</text>"##,
                        n(x + 9.0),
                        n(y + 14.0),
                        xml(&label)
                    );
                }
                self.out.push_str("</g>");
            }
            "restart" => {
                let _ = write!(
                    self.out,
                    r##"<g class="rst"><title>{title}</title><line x1="{x}" x2="{x}" y1="{}" y2="{}" stroke="#6b6d64" stroke-width="1" stroke-dasharray="1 3"/><path d="M{} {}l5 8h-10z" fill="#6b6d64"/></g>"##,
                    n(up),
                    n(down),
                    n(x),
                    n(down - 8.0),
                    x = n(x)
                );
            }
            _ => {
                let _ = write!(
                    self.out,
                    r##"<g class="evt"><title>{title}</title><rect x="{}" y="{}" width="3" height="9" fill="#6b6d64"/></g>"##,
                    n(x - 1.5),
                    n(down - 9.0)
                );
            }
        }
    }
}
