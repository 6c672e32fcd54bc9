//! Boots: the map from uptime to UTC, one per boot and artifact, from every moment known on both clocks.
//!
//! An anchor gives an interval for the boot's zero point; anchors that agree are intersected, those that do not
//! (a suspended clock, a stamp written late) are outvoted by the largest agreeing group.

use crate::model::facts::Facts;
use crate::model::oom::{OomKill, Victim};
use crate::model::time::{Basis, SECOND};
use crate::model::{ArtifactId, Cite, Observation, RawTime, Timestamp, When};
use std::collections::BTreeMap;

/// Zero points of boots, by artifact and boot number.
#[derive(Debug, Clone, Default)]
pub struct Boots {
    zero: BTreeMap<(ArtifactId, u32), When>,
}

impl Boots {
    /// `calendar` resolves stamps that need no boot.
    pub fn learn(facts: &Facts, calendar: impl Fn(&RawTime, &Cite) -> When) -> Self {
        let mut zero: BTreeMap<(ArtifactId, u32), Vec<When>> = BTreeMap::new();
        for b in &facts.boots {
            let RawTime::SinceBoot { boot, ns, .. } = b.at else { continue };
            let mut wall = calendar(&b.what.wall, &b.cite);
            if wall.is_known() {
                wall.earliest = wall.earliest.saturating_sub(b.what.late_ns);
                zero.entry((b.cite.span.artifact, boot)).or_default().push(shift(wall, ns));
            }
        }
        // A kill that another log dates fixes the boot of the log that has only uptimes.
        let key = |k: &Observation<OomKill>| k.what.victims.first().cloned().filter(|v| v.total_vm_bytes.is_some());
        let mut dated: BTreeMap<Victim, When> = BTreeMap::new();
        for k in &facts.kills {
            let at = calendar(&k.at, &k.cite);
            if let (Some(v), true) = (key(k), at.is_known()) {
                dated.entry(v).or_insert(at);
            }
        }
        for k in &facts.kills {
            let RawTime::SinceBoot { boot, ns, .. } = k.at else { continue };
            if let Some(at) = key(k).and_then(|v| dated.get(&v)) {
                let early = When { earliest: at.earliest.saturating_sub(SECOND), ..*at };
                zero.entry((k.cite.span.artifact, boot)).or_default().push(shift(early, ns));
            }
        }
        Boots { zero: zero.into_iter().filter_map(|(k, list)| Some((k, agree(&list)?))).collect() }
    }

    pub fn when(&self, artifact: ArtifactId, boot: u32, ns: i64, precision: i64) -> When {
        let Some(zero) = self.zero.get(&(artifact, boot)) else { return When::unknown() };
        When {
            earliest: zero.earliest.saturating_add(ns),
            latest: zero.latest.saturating_add(ns).saturating_add(precision.max(1).saturating_sub(1)),
            basis: Basis::BootAnchored,
        }
    }
}

/// The zero point that a wall time at `uptime` implies.
fn shift(wall: When, uptime: i64) -> When {
    When { earliest: wall.earliest.saturating_sub(uptime), latest: wall.latest.saturating_sub(uptime), basis: Basis::BootAnchored }
}

/// Intersection of the largest set of intervals that share a point.
fn agree(list: &[When]) -> Option<When> {
    let mut best: Option<(usize, Timestamp)> = None;
    for w in list {
        let votes = list.iter().filter(|o| o.earliest <= w.earliest && w.earliest <= o.latest).count();
        if best.is_none_or(|(n, _)| votes > n) {
            best = Some((votes, w.earliest));
        }
    }
    let (_, point) = best?;
    let latest = list.iter().filter(|o| o.earliest <= point && point <= o.latest).map(|o| o.latest).min()?;
    Some(When { earliest: point, latest, basis: Basis::BootAnchored })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_agreeing_group_wins_and_narrows() {
        let w = |a, b| When { earliest: Timestamp(a), latest: Timestamp(b), basis: Basis::Stated };
        let got = agree(&[w(0, 10), w(5, 12), w(100, 110), w(7, 30)]);
        assert_eq!(got.map(|w| (w.earliest.0, w.latest.0)), Some((7, 10)));
        assert_eq!(agree(&[]), None);
    }
}
