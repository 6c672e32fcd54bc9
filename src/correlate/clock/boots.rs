//! Boots: the map from uptime to UTC, one per boot and artifact, from every moment known on both clocks.
//!
//! An anchor gives an interval for the boot's zero point; anchors that agree are intersected, those that do not
//! (a stamp written late) are outvoted by the largest agreeing group. The kernel's clock stands still while the machine is
//! suspended, so the zero point moves forward with each suspend: later anchors that agree among themselves on a later zero
//! point are another stretch of the same boot, and a moment between two stretches gets an interval that holds both.

use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::oom::{OomKill, Victim};
use crate::model::quantity::human_seconds;
use crate::model::time::{Basis, MINUTE, SECOND};
use crate::model::{ArtifactId, Cite, Observation, RawTime, Timestamp, When};
use std::collections::BTreeMap;

/// Zero points of boots, by artifact and boot number.
#[derive(Debug, Clone, Default)]
pub struct Boots {
    zero: BTreeMap<(ArtifactId, u32), Vec<Stretch>>,
    /// Boots whose clock stood still, in words.
    pub stood_still: Vec<(String, Cite)>,
}

/// Uptimes between which the clock ran without a break, and the zero point that its anchors agree on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    from: i64,
    to: i64,
    zero: When,
}

/// One moment on both clocks.
#[derive(Debug, Clone)]
struct Anchor {
    uptime: i64,
    zero: When,
    cite: Cite,
}

/// Anchors kept per boot: more of them narrow nothing.
const ANCHORS_MAX: usize = 512;

impl Boots {
    /// `calendar` resolves stamps that need no boot.
    pub fn learn(facts: &Facts, artifacts: &[ArtifactInfo], calendar: impl Fn(&RawTime, &Cite) -> When) -> Self {
        let mut anchors: BTreeMap<(ArtifactId, u32), Vec<Anchor>> = BTreeMap::new();
        let mut add = |artifact: ArtifactId, boot: u32, uptime: i64, wall: When, cite: &Cite| {
            let list = anchors.entry((artifact, boot)).or_default();
            if list.len() < ANCHORS_MAX {
                list.push(Anchor { uptime, zero: shift(wall, uptime), cite: cite.clone() });
            }
        };
        for b in &facts.boots {
            let RawTime::SinceBoot { boot, ns, .. } = b.at else { continue };
            let mut wall = calendar(&b.what.wall, &b.cite);
            if wall.is_known() {
                wall.earliest = wall.earliest.saturating_sub(b.what.late_ns);
                add(b.cite.span.artifact, boot, ns, wall, &b.cite);
            }
        }
        // A kill that another log dates fixes the boot of the log that has only uptimes; a stamp that was written when a
        // late log daemon read the message dates nothing.
        let key = |k: &Observation<OomKill>| k.what.victims.first().cloned().filter(|v| v.total_vm_bytes.is_some());
        let mut dated: BTreeMap<Victim, When> = BTreeMap::new();
        for k in facts.kills.iter().filter(|k| !k.what.read_late) {
            let at = calendar(&k.at, &k.cite);
            if let (Some(v), true) = (key(k), at.is_known()) {
                dated.entry(v).and_modify(|have| *have = if at.width() < have.width() { at } else { *have }).or_insert(at);
            }
        }
        for k in &facts.kills {
            let RawTime::SinceBoot { boot, ns, .. } = k.at else { continue };
            if let Some(at) = key(k).and_then(|v| dated.get(&v)) {
                let early = When { earliest: at.earliest.saturating_sub(SECOND), ..*at };
                add(k.cite.span.artifact, boot, ns, early, &k.cite);
            }
        }
        let mut boots = Boots::default();
        for (key, mut list) in anchors {
            list.sort_by_key(|a| a.uptime);
            let stretches = stretches(&list);
            for w in stretches.windows(2) {
                let [a, b] = w else { continue };
                let stood = b.zero.earliest.0.saturating_sub(a.zero.latest.0);
                if let Some(anchor) = list.iter().find(|x| x.uptime == b.from).filter(|_| stood > 0) {
                    let says = format!(
                        "the kernel's clock stood still for at least {} between uptime {} s and {} s: the machine was suspended",
                        human_seconds(stood as f64 / SECOND as f64),
                        a.to / SECOND,
                        b.from / SECOND
                    );
                    boots.stood_still.push((says, anchor.cite.clone()));
                }
            }
            if !stretches.is_empty() {
                boots.zero.insert(key, stretches);
            }
        }
        boots.lend(facts, artifacts);
        boots
    }

    /// A log whose own lines date no boot takes the host's uptime at the collection for its last one: the log was read then.
    /// Of several hosts it is the one whose files lie nearest.
    fn lend(&mut self, facts: &Facts, artifacts: &[ArtifactInfo]) {
        let path = |id: ArtifactId| artifacts.get(id.0 as usize).map_or("", |a| a.path.as_str());
        let hosts: Vec<(ArtifactId, i64)> = facts
            .boots
            .iter()
            .filter(|b| b.what.of_host)
            .filter_map(|b| if let RawTime::SinceBoot { ns, .. } = b.at { Some((b.cite.span.artifact, ns)) } else { None })
            .collect();
        // The last boot of each log, and how far into it the log reaches.
        let mut last: BTreeMap<ArtifactId, (u32, i64)> = BTreeMap::new();
        let kills = facts.kills.iter().map(|k| (&k.at, k.cite.span.artifact));
        for (at, id) in kills.chain(facts.logs.iter().map(|l| (&l.at, l.cite.span.artifact))) {
            if let RawTime::SinceBoot { boot, ns, .. } = *at {
                let slot = last.entry(id).or_insert((boot, ns));
                *slot = (*slot).max((boot, ns));
            }
        }
        for (id, (boot, reached)) in last.into_iter().filter(|_| !hosts.is_empty()) {
            if self.zero.contains_key(&(id, boot)) {
                continue;
            }
            let shared =
                |host: ArtifactId| path(host).split(['/', '!']).zip(path(id).split(['/', '!'])).take_while(|(a, b)| a == b).count();
            let near = hosts.iter().filter(|(h, _)| hosts.len() == 1 || shared(*h) > 0).map(|(h, _)| shared(*h)).max();
            let mut fits = hosts.iter().filter(|(h, up)| Some(shared(*h)) == near && reached <= up.saturating_add(2 * MINUTE));
            // Two notes of one host (`uptime` and /proc/uptime): the sharper one.
            let zero =
                fits.by_ref().filter_map(|(h, _)| self.zero.get(&(*h, 0))).min_by_key(|z| z.first().map_or(i64::MAX, |s| s.zero.width()));
            if let Some(zero) = zero.cloned() {
                self.zero.insert((id, boot), zero);
            }
        }
    }

    pub fn when(&self, artifact: ArtifactId, boot: u32, ns: i64, precision: i64) -> When {
        let Some(zero) = self.zero.get(&(artifact, boot)).and_then(|list| zero_at(list, ns)) else { return When::unknown() };
        When {
            earliest: zero.earliest.saturating_add(ns),
            latest: zero.latest.saturating_add(ns).saturating_add(precision.max(1).saturating_sub(1)),
            basis: Basis::BootAnchored,
        }
    }

    /// The earliest moment at which an artifact's first boot can have begun.
    pub fn began(&self, artifact: ArtifactId) -> Option<Timestamp> {
        self.zero.range((artifact, 0)..=(artifact, u32::MAX)).next().and_then(|(_, list)| list.first()).map(|s| s.zero.earliest)
    }
}

/// The zero point that holds at an uptime; between two stretches either may.
fn zero_at(list: &[Stretch], ns: i64) -> Option<When> {
    let i = list.partition_point(|s| s.to < ns);
    let next = list.get(i);
    match (i.checked_sub(1).and_then(|p| list.get(p)), next) {
        (_, Some(s)) if s.from <= ns => Some(s.zero),
        (Some(before), Some(after)) => Some(When { earliest: before.zero.earliest, latest: after.zero.latest, basis: Basis::BootAnchored }),
        (None, Some(s)) | (Some(s), None) => Some(s.zero),
        (None, None) => None,
    }
}

/// Stretches of one boot, from anchors in the order of their uptime. The largest agreeing group is the first stretch found;
/// what lies wholly before or after it is searched likewise, as long as the zero point only moves forward.
fn stretches(list: &[Anchor]) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    let mut open = vec![(0usize, list.len())];
    while let Some((from, to)) = open.pop() {
        let part = list.get(from..to).unwrap_or(&[]);
        let zeros: Vec<When> = part.iter().map(|a| a.zero).collect();
        let Some(zero) = agree(&zeros) else { continue };
        let holds = |a: &Anchor| a.zero.earliest <= zero.earliest && zero.earliest <= a.zero.latest;
        let (Some(first), Some(last)) = (part.iter().position(holds), part.iter().rposition(holds)) else { continue };
        let votes = part.iter().filter(|a| holds(a)).count();
        // The first stretch may rest on one anchor; another one has to be agreed upon, so that no late stamp makes one.
        if !out.is_empty() && votes < 2 {
            continue;
        }
        let (Some(a), Some(b)) = (part.get(first), part.get(last)) else { continue };
        let new = Stretch { from: a.uptime, to: b.uptime, zero };
        let forward = out
            .iter()
            .all(|s| if s.to < new.from { s.zero.latest < zero.earliest } else { s.from > new.to && zero.latest < s.zero.earliest });
        if !forward {
            continue;
        }
        out.push(new);
        open.push((from, from + first));
        open.push((from + last + 1, to));
    }
    out.sort_by_key(|s| s.from);
    out
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

    fn anchor(uptime: i64, zero: i64) -> Anchor {
        let zero = When { earliest: Timestamp(zero * SECOND), latest: Timestamp((zero + 1) * SECOND), basis: Basis::Stated };
        Anchor { uptime: uptime * SECOND, zero, cite: Cite::default() }
    }

    #[test]
    fn a_suspended_clock_gives_two_stretches_and_a_wide_interval_between() {
        // Three anchors before a suspend of an hour, two after it.
        let list = [anchor(10, 1000), anchor(50, 1000), anchor(90, 1000), anchor(200, 4600), anchor(300, 4600)];
        let got = stretches(&list);
        assert_eq!(got.len(), 2);
        let at = |s: i64| zero_at(&got, s * SECOND).map(|w| (w.earliest.0 / SECOND, w.latest.0 / SECOND));
        assert_eq!(at(60), Some((1000, 1001)));
        assert_eq!(at(250), Some((4600, 4601)));
        assert_eq!(at(150), Some((1000, 4601)));
        assert_eq!(at(900), Some((4600, 4601)));
    }

    #[test]
    fn one_late_stamp_or_a_clock_set_back_is_no_suspend() {
        let late = [anchor(10, 1000), anchor(50, 1000), anchor(90, 1400), anchor(120, 1000)];
        assert_eq!(stretches(&late).len(), 1);
        let at_the_end = [anchor(10, 1000), anchor(50, 1000), anchor(90, 1400)];
        assert_eq!(stretches(&at_the_end).len(), 1);
        let back = [anchor(10, 1000), anchor(50, 1000), anchor(90, 1000), anchor(100, 400), anchor(120, 400)];
        assert_eq!(stretches(&back).len(), 1);
    }
}
