//! The moment of capture, against which ages (`5m`, `2d3h ago`) are resolved, solved from all anchors together.
//!
//! kubectl prints ages cut to their last unit and never says when it ran. But wherever the same moment stands in an
//! artifact both as an age and as an absolute time, the capture lies in an interval as wide as the age's unit, and a few
//! such intervals intersect to seconds. Anchors: the `Scheduled` and `Started` events against the pod's own times, the
//! `(3m ago)` beside RESTARTS against the last end, an event that another artifact shows with its absolute time, node
//! heartbeats and leases, and the date in a collector's folder name. Anchors that disagree are outvoted and reported.
//! Every artifact is solved by itself first: the commands of one session run minutes apart.

use super::Clock;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::pod::KubeEvent;
use crate::model::time::{Basis, DAY, HOUR, MINUTE, SECOND, parse_iso};
use crate::model::{ArtifactId, Cite, RawTime, Timestamp, When};
use std::collections::BTreeMap;

/// Commands of one collection run within this of each other, as far as nothing else is known.
const ONE_SESSION: i64 = 10 * MINUTE;
/// Usual distance between two commands of one session.
const APART: i64 = 30 * SECOND;
/// Anchors looked at per artifact.
const ANCHORS_MAX: usize = 400;

/// What is known about the capture.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// The bundle as a whole.
    pub at: Option<When>,
    /// Artifacts that were captured at another moment, or whose moment is known better.
    pub artifacts: BTreeMap<ArtifactId, When>,
    /// Anchors that cannot all be true, in words.
    pub contradictions: Vec<(String, Cite)>,
}

impl Capture {
    /// Capture time of one artifact.
    pub fn of(&self, artifact: ArtifactId) -> Option<When> {
        self.artifacts.get(&artifact).copied().or(self.at)
    }
}

/// One reason to believe that the capture lies in an interval.
#[derive(Debug, Clone)]
struct Anchor {
    at: When,
    basis: &'static str,
    weight: u32,
    cite: Cite,
}

/// Solves the capture time from all anchors; `clock` already knows years, zones and boots.
pub fn solve(facts: &Facts, artifacts: &[ArtifactInfo], clock: &Clock) -> Capture {
    let mut capture = Capture::default();
    let mut anchors: BTreeMap<ArtifactId, Vec<Anchor>> = BTreeMap::new();
    let floors = floors(facts);
    for (artifact, anchor) in pairs(facts).into_iter().chain(hints(facts, clock)) {
        let list = anchors.entry(artifact).or_default();
        if list.len() < ANCHORS_MAX {
            list.push(anchor);
        }
    }
    for (&artifact, list) in &anchors {
        let floor = floors.get(&artifact).copied().unwrap_or(Timestamp::MIN);
        let Some(at) = agree(list, floor) else { continue };
        contradictions(list, &at, &mut capture.contradictions);
        if at.latest != Timestamp::MAX {
            capture.artifacts.insert(artifact, at);
        }
    }
    let floor = floors.values().copied().max().unwrap_or(Timestamp::MIN);
    capture.at = bundle(&capture, floor).or_else(|| named(artifacts, floor));
    capture
}

/// Latest absolute Kubernetes time in each artifact: the capture is not before it.
fn floors(facts: &Facts) -> BTreeMap<ArtifactId, Timestamp> {
    let mut floors: BTreeMap<ArtifactId, Timestamp> = BTreeMap::new();
    let mut raise = |cite: &Cite, t: Option<Timestamp>| {
        if let Some(t) = t {
            let f = floors.entry(cite.span.artifact).or_insert(t);
            *f = (*f).max(t);
        }
    };
    for p in &facts.pods {
        raise(&p.cite, p.what.start_time.max(p.what.created));
        for c in &p.what.containers {
            for r in [Some(&c.now), c.last.as_ref()].into_iter().flatten() {
                raise(&p.cite, r.started.max(r.finished));
            }
        }
        raise(&p.cite, p.what.conditions.iter().filter_map(|c| c.since).max());
    }
    for n in &facts.nodes {
        raise(&n.cite, n.what.conditions.iter().filter_map(|c| c.heartbeat.max(c.since)).max());
    }
    for e in &facts.events {
        if let RawTime::Utc { at, .. } = e.what.last {
            raise(&e.cite, Some(at));
        }
    }
    floors
}

/// `t` is `age` old: the capture lies between `t + least` and `t + most`, give or take `slack`.
fn from_age(t: Timestamp, age: &RawTime, before: i64, after: i64) -> Option<When> {
    let RawTime::Ago { least, most } = *age else { return None };
    Some(When {
        earliest: t.saturating_add(least).saturating_sub(before),
        latest: t.saturating_add(most).saturating_add(after),
        basis: Basis::AgeOfCapture,
    })
}

/// What is known of a pod's own times, for pairing with ages.
#[derive(Default)]
struct PodTimes {
    /// Artifact, start time of the pod.
    scheduled: Vec<(ArtifactId, Timestamp)>,
    /// Artifact, container, its latest start.
    started: Vec<(ArtifactId, String, Timestamp)>,
    /// Latest end of any container.
    ended: Vec<(ArtifactId, Timestamp)>,
}

/// The value that the artifact itself states, else the one that all others agree on.
fn stated<'a>(own: ArtifactId, list: impl Iterator<Item = &'a (ArtifactId, Timestamp)> + Clone) -> Option<Timestamp> {
    list.clone().find(|(a, _)| *a == own).map(|(_, t)| *t).or_else(|| {
        let first = list.clone().next()?.1;
        list.clone().all(|(_, t)| *t == first).then_some(first)
    })
}

fn pairs(facts: &Facts) -> Vec<(ArtifactId, Anchor)> {
    let mut out = Vec::new();
    let mut times: BTreeMap<&str, PodTimes> = BTreeMap::new();
    for p in &facts.pods {
        let (a, t) = (p.cite.span.artifact, times.entry(&p.what.name).or_default());
        t.scheduled.extend(p.what.start_time.map(|s| (a, s)));
        for c in &p.what.containers {
            let starts = c.now.started.max(c.last.as_ref().and_then(|l| l.started));
            t.started.extend(starts.map(|s| (a, c.name.clone(), s)));
        }
        let ends = p.what.containers.iter().flat_map(|c| [c.now.finished, c.last.as_ref().and_then(|l| l.finished)]).flatten().max();
        t.ended.extend(ends.map(|e| (a, e)));
    }
    for p in &facts.pods {
        let own = p.cite.span.artifact;
        let end = times.get(p.what.name.as_str()).and_then(|t| stated(own, t.ended.iter()));
        if let Some(at) = end.and_then(|t| from_age(t, &p.what.last_restart, 0, SECOND)) {
            out.push((own, Anchor { at, basis: "restart age", weight: 2, cite: p.cite.clone() }));
        }
    }
    let absolute = absolute_events(facts);
    for e in &facts.events {
        let (own, w) = (e.cite.span.artifact, &e.what);
        if !matches!(w.last, RawTime::Ago { .. }) {
            continue;
        }
        let known = w.object_name.as_deref().and_then(|n| times.get(n));
        if let Some(t) = known {
            if w.reason == "Scheduled"
                && let Some(at) = stated(own, t.scheduled.iter()).and_then(|s| from_age(s, &w.last, 5 * SECOND, 2 * SECOND))
            {
                out.push((own, Anchor { at, basis: "age of the Scheduled event", weight: 2, cite: e.cite.clone() }));
            }
            let container = w.container.as_deref().or_else(|| w.message.strip_prefix("Started container "));
            if w.reason == "Started"
                && let Some(c) = container
            {
                let starts: Vec<(ArtifactId, Timestamp)> = t.started.iter().filter(|(_, n, _)| n == c).map(|(a, _, s)| (*a, *s)).collect();
                if let Some(at) = stated(own, starts.iter()).and_then(|s| from_age(s, &w.last, SECOND, 3 * SECOND)) {
                    // The API server's client drops repeats of an event that comes too often: a repeated one may be old.
                    let weight = if w.count.unwrap_or(1) > 1 { 1 } else { 2 };
                    out.push((own, Anchor { at, basis: "age of the Started event", weight, cite: e.cite.clone() }));
                }
            }
        }
        if let Some(&Some(t)) = absolute.get(&key(w))
            && let Some(at) = from_age(t, &w.last, 0, SECOND)
        {
            out.push((own, Anchor { at, basis: "age of an event whose time another artifact states", weight: 1, cite: e.cite.clone() }));
        }
    }
    out
}

type EventKey<'a> = (Option<&'a str>, &'a str, &'a str);

fn key(e: &KubeEvent) -> EventKey<'_> {
    (e.object_name.as_deref(), &e.reason, &e.message)
}

/// Absolute last times of events by what they say; `None` where copies differ.
fn absolute_events(facts: &Facts) -> BTreeMap<EventKey<'_>, Option<Timestamp>> {
    let mut out: BTreeMap<EventKey<'_>, Option<Timestamp>> = BTreeMap::new();
    for e in &facts.events {
        if let RawTime::Utc { at, .. } = e.what.last {
            out.entry(key(&e.what)).and_modify(|t| *t = t.filter(|&t| t == at)).or_insert(Some(at));
        }
    }
    out
}

fn hints(facts: &Facts, clock: &Clock) -> Vec<(ArtifactId, Anchor)> {
    let mut out = Vec::new();
    for h in &facts.captures {
        let w = clock.when(&h.at, &h.cite);
        if w.is_known() {
            let at = When { earliest: w.earliest, latest: w.latest.saturating_add(h.what.slack_ns), basis: Basis::Stated };
            out.push((h.cite.span.artifact, Anchor { at, basis: h.what.basis, weight: 1, cite: h.cite.clone() }));
        }
    }
    out
}

/// Intersection of the heaviest group of anchors that share a moment not before `floor`.
fn agree(list: &[Anchor], floor: Timestamp) -> Option<When> {
    let holds = |a: &Anchor, t: Timestamp| a.at.earliest <= t && t <= a.at.latest;
    let mut best: Option<(u32, std::cmp::Reverse<i64>, Timestamp)> = None;
    for a in list {
        let point = a.at.earliest.max(floor);
        if point > a.at.latest {
            continue;
        }
        let group = list.iter().filter(|o| holds(o, point));
        let weight = group.clone().map(|o| o.weight).sum();
        let width = group.map(|o| o.at.width()).min().unwrap_or(i64::MAX);
        let candidate = (weight, std::cmp::Reverse(width), point);
        if best.is_none_or(|b| (candidate.0, candidate.1) > (b.0, b.1)) {
            best = Some(candidate);
        }
    }
    let (_, _, point) = best?;
    let latest = list.iter().filter(|o| holds(o, point)).map(|o| o.at.latest).min()?;
    Some(When { earliest: point, latest, basis: Basis::AgeOfCapture })
}

/// Tells of every kind of anchor that the solution leaves out.
fn contradictions(list: &[Anchor], at: &When, out: &mut Vec<(String, Cite)>) {
    let mut told: Vec<&str> = Vec::new();
    for a in list {
        if a.at.near(at, SECOND) || told.contains(&a.basis) {
            continue;
        }
        told.push(a.basis);
        let span = |w: &When| match w.latest {
            Timestamp::MAX => format!("after {}", w.earliest.human()),
            _ => format!("between {} and {}", w.earliest.human(), w.latest.human()),
        };
        out.push((format!("the {} puts the capture {}, the other anchors put it {} UTC", a.basis, span(&a.at), span(at)), a.cite.clone()));
    }
}

/// The whole bundle: all artifacts that were solved, if they lie in one session; else the latest of them.
fn bundle(capture: &Capture, floor: Timestamp) -> Option<When> {
    // Heartbeats of several nodes and pairs of several commands narrow each other where they can.
    let list: Vec<&When> = capture.artifacts.values().filter(|w| w.latest.saturating_add(ONE_SESSION) >= floor).collect();
    let newest = list.iter().map(|w| w.earliest).max()?;
    let same: Vec<&&When> = list.iter().filter(|w| w.latest.saturating_add(ONE_SESSION) >= newest).collect();
    let earliest = same.iter().map(|w| w.earliest).min()?.max(if same.len() == list.len() { floor } else { Timestamp::MIN });
    let latest = same.iter().map(|w| w.latest).max()?;
    let shared = (newest, same.iter().map(|w| w.latest).min()?);
    // The commands of one session are seconds apart even where their intervals share a moment.
    let (earliest, latest) = match shared.0 <= shared.1 {
        true if same.len() > 1 => (shared.0.saturating_sub(APART), shared.1.saturating_add(APART)),
        true => shared,
        false => (earliest, latest),
    };
    Some(When { earliest: earliest.max(floor.min(latest)), latest, basis: Basis::AgeOfCapture })
}

/// A date in a folder's name (`support-bundle-2026-06-30T03_10_00`, `bundle-20260924`), zone unknown: it bounds the capture
/// by a day on either side of what it says, and by the latest time in the bundle.
fn named(artifacts: &[ArtifactInfo], floor: Timestamp) -> Option<When> {
    let mut found: Vec<When> = artifacts.iter().filter_map(|a| in_path(&a.path)).collect();
    found.sort_by_key(|w| (w.width(), w.earliest));
    let w = *found.first()?;
    if floor == Timestamp::MIN {
        return Some(w);
    }
    // A folder that is older than its content was not named at the capture.
    (floor <= w.latest).then(|| When { earliest: w.earliest.max(floor), ..w })
}

fn in_path(path: &str) -> Option<When> {
    path.split(['/', '!']).filter_map(in_name).next()
}

fn in_name(name: &str) -> Option<When> {
    let b = name.as_bytes();
    for i in 0..b.len() {
        if i > 0 && b.get(i - 1).is_some_and(u8::is_ascii_digit) || !b.get(i).is_some_and(u8::is_ascii_digit) {
            continue;
        }
        // 2026-06-30T03_10_00 and 2026-06-30T03-10-00: the collector's local time.
        if let Some(text) = b.get(i..i + 19) {
            let mut iso = text.to_vec();
            for n in [13, 16] {
                if let Some(c) = iso.get_mut(n).filter(|c| matches!(**c, b'_' | b'-')) {
                    *c = b':';
                }
            }
            if let Some(t) = parse_iso(&iso) {
                return Some(When {
                    earliest: t.civil.saturating_sub(14 * HOUR),
                    latest: t.civil.saturating_add(12 * HOUR),
                    basis: Basis::FileName,
                });
            }
        }
        if b.get(i..i + 8).is_some_and(|d| d.iter().all(u8::is_ascii_digit)) && !b.get(i + 8).is_some_and(u8::is_ascii_digit) {
            let digits = name.get(i..i + 8)?;
            let iso = format!("{}-{}-{}T00:00:00", digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
            if let Some(t) = parse_iso(iso.as_bytes()).filter(|_| digits.starts_with("20")) {
                return Some(When {
                    earliest: t.civil.saturating_sub(14 * HOUR),
                    latest: t.civil.saturating_add(DAY + 12 * HOUR),
                    basis: Basis::FileName,
                });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(a: i64, b: i64, weight: u32) -> Anchor {
        let at = When { earliest: Timestamp(a), latest: Timestamp(b), basis: Basis::Stated };
        Anchor { at, basis: "test", weight, cite: Cite::default() }
    }

    #[test]
    fn anchors_intersect_and_the_odd_one_is_outvoted_and_told() {
        let list = [anchor(100, 160, 2), anchor(120, 180, 1), anchor(10, 40, 1)];
        let at = agree(&list, Timestamp(0));
        assert_eq!(at.map(|w| (w.earliest.0, w.latest.0)), Some((120, 160)));
        let far = [anchor(100 * SECOND, 160 * SECOND, 2), anchor(10, 40, 1)];
        let mut told = Vec::new();
        if let Some(at) = agree(&far, Timestamp(0)) {
            contradictions(&far, &at, &mut told);
        }
        assert_eq!(told.len(), 1);
    }

    #[test]
    fn a_floor_cuts_what_came_before_it() {
        assert_eq!(agree(&[anchor(0, 100, 1)], Timestamp(60)).map(|w| w.earliest.0), Some(60));
        assert_eq!(agree(&[anchor(0, 100, 1)], Timestamp(200)), None);
    }

    #[test]
    fn dates_in_folder_names_bound_the_capture() {
        assert!(in_name("support-bundle-2026-06-30T03_10_00").is_some_and(|w| w.width() == 26 * HOUR));
        assert!(in_name("bundle-20260924").is_some());
        assert_eq!(in_name("case-48213"), None);
        assert_eq!(in_name("sha256-99991399"), None);
    }
}
