//! Cycles of the calendar: the day's first two harmonics, and a weekend that differs from the working days.
//!
//! A cycle is only looked for where it was seen more than once, for else it and a trend are the same curve. The weekend is
//! Saturday and Sunday by UTC; the hours by which a local weekend differs are few against its forty-eight.

const DAY: f64 = 86_400.0;
/// More than one and a half days, or the rise of a morning is a leak.
pub const DAY_LEAST: f64 = 1.5 * DAY;
/// A window this long holds a whole weekend, or a whole day of one and four working days beside it.
const WEEK_LEAST: f64 = 5.0 * DAY;
/// Least part of the window on either side of the weekend's edge.
const WEEKEND_LEAST: f64 = 0.1;
/// Columns of the richest cycle.
const MOST: usize = 7;

/// Which cycles are terms of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Cycles {
    #[default]
    None,
    Daily,
    /// Daily, and on weekends another level and another height of the day. The Unix second of the window's start.
    Weekly(f64),
}

impl Cycles {
    /// What a window may hold, the richest last. `t` are seconds from its start, `origin` its Unix second.
    pub fn possible(t: &[f64], span: f64, origin: Option<f64>) -> Vec<Cycles> {
        let mut out = vec![Cycles::None];
        if span >= DAY_LEAST {
            out.push(Cycles::Daily);
        }
        if let Some(origin) = origin.filter(|_| span >= WEEK_LEAST) {
            let free = t.iter().filter(|&&t| is_weekend(origin + t)).count() as f64 / t.len().max(1) as f64;
            if (WEEKEND_LEAST..=1.0 - WEEKEND_LEAST).contains(&free) {
                out.push(Cycles::Weekly(origin));
            }
        }
        out
    }

    /// Number of columns.
    pub fn terms(self) -> usize {
        match self {
            Cycles::None => 0,
            Cycles::Daily => 4,
            Cycles::Weekly(_) => MOST,
        }
    }

    /// The columns' values `t` seconds after the window's start.
    pub fn at(self, t: f64) -> impl Iterator<Item = f64> {
        let a = std::f64::consts::TAU * t / DAY;
        let (s, c) = a.sin_cos();
        let (s2, c2) = (2.0 * a).sin_cos();
        let w = match self {
            Cycles::Weekly(origin) => f64::from(u8::from(is_weekend(origin + t))),
            _ => 0.0,
        };
        [s, c, s2, c2, w, w * s, w * c].into_iter().take(self.terms())
    }

    /// The columns over all of `t`.
    pub fn columns(self, t: &[f64]) -> Vec<Vec<f64>> {
        let mut out = vec![Vec::with_capacity(t.len()); self.terms()];
        for &t in t {
            for (list, v) in out.iter_mut().zip(self.at(t)) {
                list.push(v);
            }
        }
        out
    }
}

/// Whether a Unix second lies on a Saturday or Sunday; the first of January 1970 was a Thursday.
fn is_weekend(unix: f64) -> bool {
    ((unix / DAY).floor() as i64).saturating_add(3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_are_told_and_sought_only_where_seen() {
        // 2026-11-21 is a Saturday.
        assert!(is_weekend(1_795_219_200.0) && is_weekend(1_795_219_200.0 + 1.9 * DAY));
        assert!(!is_weekend(1_795_219_200.0 - 1.0) && !is_weekend(1_795_219_200.0 + 2.0 * DAY));
        let hours = |n: u32| (0..n).map(|h| f64::from(h) * 3600.0).collect::<Vec<f64>>();
        let monday = Some(1_795_219_200.0 + 2.0 * DAY);
        assert_eq!(Cycles::possible(&hours(24), DAY, monday), [Cycles::None]);
        assert_eq!(Cycles::possible(&hours(100), 4.2 * DAY, monday), [Cycles::None, Cycles::Daily]);
        assert_eq!(Cycles::possible(&hours(168), 7.0 * DAY, monday).last().map(|c| c.terms()), Some(7));
        assert_eq!(Cycles::possible(&hours(121), 5.0 * DAY, monday).len(), 2, "five working days show no weekend");
    }
}
