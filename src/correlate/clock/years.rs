//! Years for stamps that have none (syslog, klog): the year that brings them nearest to what other evidence dates.
//!
//! Instants stated by Kubernetes objects, Prometheus series and full-date logs weigh most, file names come next. Logs lie before the capture, so a candidate after the latest stated instant costs more
//! than one equally far before it.

use crate::model::facts::Facts;
use crate::model::time::{DAY, civil, civil_from_days};
use crate::model::{RawTime, Timestamp};

/// The reference to which years are chosen.
#[derive(Debug, Clone, Default)]
pub struct Years {
    /// Latest instant of the strongest kind of evidence.
    reference: Option<Timestamp>,
}

/// Instants outside of 1990..2150 are placeholders (year 0001, epoch 0), not evidence.
const PLAUSIBLE: std::ops::Range<i64> = 631_152_000_000_000_000..5_680_281_600_000_000_000;

#[derive(Default)]
struct Latest(Option<Timestamp>);

impl Latest {
    fn see(&mut self, t: Timestamp) {
        if PLAUSIBLE.contains(&t.0) && self.0.is_none_or(|m| m < t) {
            self.0 = Some(t);
        }
    }
}

impl Years {
    pub fn learn(facts: &Facts) -> Self {
        let (mut stated, mut named) = (Latest::default(), Latest::default());
        {
            let mut raw = |r: &RawTime| match *r {
                RawTime::Utc { at, .. } => stated.see(at),
                RawTime::NoZone { civil, .. } | RawTime::SomeZone { civil, .. } => stated.see(civil),
                RawTime::FromName { civil, .. } => named.see(civil),
                _ => {}
            };
            macro_rules! scan {
                ($($list:ident),*) => { $(for o in &facts.$list { raw(&o.at); })* };
            }
            scan!(
                kills, pods, workloads, nodes, events, alerts, usage, series, profiles, cgroups, processes, meminfo, logs, captures,
                missing
            );
            for e in &facts.events {
                raw(&e.what.first);
                raw(&e.what.last);
            }
            for b in &facts.boots {
                raw(&b.at);
                raw(&b.what.wall);
            }
        }
        for p in &facts.pods {
            p.what.start_time.into_iter().chain(p.what.created).for_each(|t| stated.see(t));
            for c in &p.what.containers {
                for run in std::iter::once(&c.now).chain(&c.last) {
                    run.started.into_iter().chain(run.finished).for_each(|t| stated.see(t));
                }
            }
        }
        for n in &facts.nodes {
            n.what.conditions.iter().flat_map(|c| [c.since, c.heartbeat]).flatten().for_each(|t| stated.see(t));
        }
        for s in &facts.series {
            s.what.times.last().into_iter().for_each(|ms| stated.see(Timestamp(ms.saturating_mul(1_000_000))));
        }
        Years { reference: stated.0.or(named.0) }
    }

    /// The full date of a stamp whose `civil` reads as if the year were 2000; `None` when nothing dates the bundle.
    pub fn place(&self, stamp: Timestamp) -> Option<Timestamp> {
        let reference = self.reference?;
        let (year, _, _) = civil_from_days(reference.0.div_euclid(DAY));
        let (_, month, day) = civil_from_days(stamp.0.div_euclid(DAY));
        let within = stamp.0.rem_euclid(DAY);
        // A leap day may be seven years back.
        let back = if (month, day) == (2, 29) { 8 } else { 1 };
        (year - back..=year + 1).filter_map(|y| Some(civil(y, month, day, 0, 0, 0, 0)?.saturating_add(within))).min_by_key(|t| {
            let past = reference.0.saturating_sub(t.0);
            if past >= 0 { past } else { past.saturating_neg().saturating_mul(3) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn years(y: i64, m: u32, d: u32) -> Years {
        Years { reference: civil(y, m, d, 12, 0, 0, 0) }
    }

    #[test]
    fn a_log_from_december_in_a_january_bundle_is_last_years() {
        let stamp = civil(2000, 12, 31, 23, 59, 0, 0).unwrap_or_default();
        assert_eq!(years(2027, 1, 2).place(stamp), civil(2026, 12, 31, 23, 59, 0, 0));
        assert_eq!(years(2026, 11, 2).place(stamp), civil(2026, 12, 31, 23, 59, 0, 0));
        assert_eq!(years(2026, 8, 2).place(stamp), civil(2025, 12, 31, 23, 59, 0, 0));
        let leap = civil(2000, 2, 29, 0, 0, 0, 0).unwrap_or_default();
        assert_eq!(years(2027, 1, 2).place(leap), civil(2024, 2, 29, 0, 0, 0, 0));
        assert_eq!(years(2026, 11, 21).place(leap), civil(2024, 2, 29, 0, 0, 0, 0));
        assert_eq!(years(2028, 3, 2).place(leap), civil(2028, 2, 29, 0, 0, 0, 0));
        assert_eq!(Years::default().place(stamp), None);
    }
}
