//! Zones for times that state none: the user's `--tz`, else the offset that other artifacts prove, else UTC.

use super::years::Years;
use crate::model::cgroup_path;
use crate::model::facts::Facts;
use crate::model::oom::{OomKill, Victim};
use crate::model::pod::ContainerRun;
use crate::model::time::{MINUTE, SECOND, parse_iso};
use crate::model::{ArtifactId, Observation, RawTime, Timestamp};
use jiff::tz::{Offset, TimeZone};
use std::collections::BTreeMap;

const QUARTER: i64 = 15 * MINUTE;
/// How far a stamp may lie behind the moment it is written for.
const LAG: i64 = 30 * SECOND;

/// How far two machines' clocks may differ where a container's id says that both tell of one death.
const SKEW: i64 = 2 * MINUTE;

/// Zones by artifact.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    /// What the user said.
    told: Option<TimeZone>,
    /// Offset east of UTC, in seconds, that an artifact's own times were found to have.
    proven: BTreeMap<ArtifactId, i64>,
}

impl Zones {
    /// Takes `--tz`: an IANA name, `UTC`, or an offset `±hh:mm`.
    pub fn from_option(tz: Option<&str>) -> Self {
        Zones { told: tz.and_then(parse), proven: BTreeMap::new() }
    }

    /// Finds offsets that artifacts prove for each other: a stamp without zone beside the same moment in UTC, in one line
    /// (an audit record, a service's own stamp) or as one kill told by two logs. What the user said is not doubted.
    pub fn learn(&mut self, facts: &Facts, years: &Years) {
        if self.told.is_some() {
            return;
        }
        let civil = |raw: &RawTime| match *raw {
            RawTime::NoZone { civil, .. } | RawTime::SomeZone { civil, .. } => Some(civil),
            RawTime::NoYear { civil, .. } => years.place(civil),
            _ => None,
        };
        let mut votes: BTreeMap<ArtifactId, BTreeMap<i64, u32>> = BTreeMap::new();
        let mut vote = |artifact, civil: Timestamp, utc: Timestamp, lag: i64| {
            let apart = civil.0.saturating_sub(utc.0);
            // Zones are whole quarters of an hour, up to 14 hours from UTC; stamps lag by seconds.
            let quarters = apart.saturating_add(QUARTER / 2).div_euclid(QUARTER);
            if quarters.abs() <= 56 && apart.saturating_sub(quarters * QUARTER).abs() <= lag {
                *votes.entry(artifact).or_default().entry(quarters * QUARTER / SECOND).or_insert(0) += 1;
            }
        };
        for b in &facts.boots {
            let artifact = b.cite.span.artifact;
            if let (Some(c), RawTime::Utc { at, .. }) = (civil(&b.at), &b.what.wall) {
                vote(artifact, c, *at, LAG);
            }
        }
        let key = |k: &Observation<OomKill>| k.what.victims.first().cloned().filter(|v| v.total_vm_bytes.is_some());
        let mut dated: BTreeMap<Victim, Timestamp> = BTreeMap::new();
        for k in &facts.kills {
            if let (Some(v), RawTime::Utc { at, .. }) = (key(k), &k.at) {
                dated.insert(v, *at);
            }
        }
        for k in &facts.kills {
            let artifact = k.cite.span.artifact;
            if let (Some(c), Some(at)) = (civil(&k.at), key(k).and_then(|v| dated.get(&v))) {
                vote(artifact, c, *at, LAG);
            }
        }
        // A zone word of several meanings: the one under which a kill meets the end of an OOM-killed container.
        let mut ends: Vec<Timestamp> = facts
            .pods
            .iter()
            .flat_map(|p| &p.what.containers)
            .flat_map(|c| std::iter::once(&c.now).chain(&c.last).chain(&c.past))
            .filter(|r| r.reason.as_deref() == Some("OOMKilled") || r.exit_code == Some(137))
            .filter_map(|r| r.finished)
            .collect();
        ends.sort_unstable();
        let ended_near = |t: Timestamp| {
            let i = ends.partition_point(|e| *e < t.saturating_sub(LAG));
            ends.get(i).is_some_and(|e| *e <= t.saturating_add(LAG))
        };
        for k in &facts.kills {
            let RawTime::SomeZone { civil, offsets, .. } = k.at else { continue };
            for &o in offsets {
                let utc = civil.saturating_sub(i64::from(o).saturating_mul(SECOND));
                if ended_near(utc) {
                    vote(k.cite.span.artifact, civil, utc, LAG);
                }
            }
        }
        let dead = Deaths::of(facts);
        for k in &facts.kills {
            if let (Some(c), Some(end)) = (civil(&k.at).or_else(|| on_calendar(facts, k, civil)), dead.of_kill(k)) {
                vote(k.cite.span.artifact, c, end, SKEW);
            }
        }
        for (artifact, offsets) in votes {
            // Ties go to the offset nearest to UTC.
            let best = offsets.into_iter().max_by_key(|(offset, n)| (*n, -offset.abs()));
            if let Some((offset, _)) = best.filter(|b| b.0 != 0) {
                self.proven.insert(artifact, offset);
            }
        }
    }

    /// The instant of a civil time whose zone word has several meanings, where something tells which is meant.
    pub fn one_of(&self, artifact: ArtifactId, civil: Timestamp, offsets: &[i32]) -> Option<Timestamp> {
        (self.told.is_some() || self.proven.contains_key(&artifact))
            .then(|| self.utc(artifact, civil))
            .filter(|t| offsets.iter().any(|o| civil.0.saturating_sub(t.0) == i64::from(*o).saturating_mul(SECOND)))
    }

    /// The instant that a civil time (read as if UTC) of an artifact means.
    pub fn utc(&self, artifact: ArtifactId, civil: Timestamp) -> Timestamp {
        if let Some(offset) = self.proven.get(&artifact) {
            return civil.saturating_sub(offset.saturating_mul(SECOND));
        }
        let Some(zone) = &self.told else { return civil };
        // The zone's offset is looked up at the civil time itself and once more at the result, which settles all
        // but the hour that daylight saving repeats or skips.
        let offset =
            |t: Timestamp| jiff::Timestamp::from_second(t.0.div_euclid(SECOND)).map_or(0, |t| i64::from(zone.to_offset(t).seconds()));
        let first = civil.saturating_sub(offset(civil).saturating_mul(SECOND));
        civil.saturating_sub(offset(first).saturating_mul(SECOND))
    }
}

/// Ends of containers' runs by what the kernel knows of them too: a container dies once.
struct Deaths<'a> {
    by_id: BTreeMap<&'a str, Timestamp>,
    /// The only end of a pod whose containers restarted once, by the pod's UID.
    by_uid: BTreeMap<&'a str, Timestamp>,
    /// Kernel reports by pod UID and artifact.
    reports: BTreeMap<(String, ArtifactId), u32>,
}

/// Container id and pod UID of a report.
fn keys(k: &Observation<OomKill>) -> (Option<String>, Option<String>) {
    let path = k.what.task_memcg.as_deref().or(k.what.oom_memcg.as_deref()).map(cgroup_path::parse).unwrap_or_default();
    let own = |s: &Option<Box<str>>| s.as_deref().map(str::to_owned);
    (own(&k.who.container_id).or(path.container_id.map(str::to_owned)), own(&k.who.pod_uid).or(path.pod_uid))
}

impl<'a> Deaths<'a> {
    fn of(facts: &'a Facts) -> Self {
        let mut d = Deaths { by_id: BTreeMap::new(), by_uid: BTreeMap::new(), reports: BTreeMap::new() };
        for p in &facts.pods {
            let runs = || p.what.containers.iter().flat_map(|c| std::iter::once(&c.now).chain(&c.last));
            d.by_id.extend(runs().filter_map(|r| Some((r.container_id.as_deref()?, r.finished?))));
            let killed = |r: &&ContainerRun| r.reason.as_deref() == Some("OOMKilled") || r.exit_code == Some(137);
            let mut ends = runs().filter(killed).filter_map(|r| r.finished);
            let restarts: u64 = p.what.containers.iter().filter_map(|c| c.restart_count).fold(0, u64::saturating_add);
            if let (Some(uid), Some(end), None, 0..=1) = (p.what.uid.as_deref(), ends.next(), ends.next(), restarts) {
                d.by_uid.insert(uid, end);
            }
        }
        for k in &facts.kills {
            if let (_, Some(uid)) = keys(k) {
                *d.reports.entry((uid, k.cite.span.artifact)).or_insert(0) += 1;
            }
        }
        d
    }

    /// When Kubernetes says that the container of this report ended.
    fn of_kill(&self, k: &Observation<OomKill>) -> Option<Timestamp> {
        let (id, uid) = keys(k);
        if let Some(at) = id.and_then(|id| self.by_id.get(id.as_str())) {
            return Some(*at);
        }
        let uid = uid?;
        let at = self.by_uid.get(uid.as_str())?;
        (self.reports.get(&(uid, k.cite.span.artifact)) == Some(&1)).then_some(*at)
    }
}

/// The calendar time of a report that its log dates by uptime: that of the nearest line before it which bears both.
fn on_calendar(facts: &Facts, k: &Observation<OomKill>, civil: impl Fn(&RawTime) -> Option<Timestamp>) -> Option<Timestamp> {
    let RawTime::SinceBoot { boot, ns, .. } = k.at else { return None };
    let anchors = facts.boots.iter().filter(|b| b.cite.span.artifact == k.cite.span.artifact);
    let pairs = anchors.filter_map(|b| match b.at {
        RawTime::SinceBoot { boot: of, ns: at, .. } if of == boot => Some((at, civil(&b.what.wall)?)),
        _ => None,
    });
    pairs.min_by_key(|(at, _)| (*at > ns, ns.abs_diff(*at))).map(|(at, wall)| wall.saturating_add(ns.saturating_sub(at)))
}

/// Whether `--tz` names a zone or offset that is known.
pub fn is_valid(tz: &str) -> bool {
    parse(tz).is_some()
}

fn parse(tz: &str) -> Option<TimeZone> {
    if matches!(tz, "UTC" | "utc" | "Z" | "GMT") {
        return Some(TimeZone::UTC);
    }
    if tz.starts_with(['+', '-']) {
        let iso = parse_iso(format!("2000-01-01T00:00:00{tz}").as_bytes())?;
        return Offset::from_seconds(iso.offset_seconds?).ok().map(TimeZone::fixed);
    }
    TimeZone::get(tz).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::civil;

    #[test]
    fn offsets_and_names_shift_civil_times() {
        let t = civil(2026, 7, 1, 12, 0, 0, 0).unwrap_or_default();
        let at = |tz: &str| Zones::from_option(Some(tz)).utc(ArtifactId(0), t).rfc3339();
        assert_eq!(at("+05:30"), "2026-07-01T06:30:00.000000Z");
        assert_eq!(at("UTC"), "2026-07-01T12:00:00.000000Z");
        assert!(!is_valid("Mars/Olympus") && !is_valid("+99:99"));
    }

    #[test]
    fn audit_stamps_prove_the_offset_of_a_log() {
        use crate::model::node::BootAnchor;
        use crate::model::{Cite, Claim};
        let utc = civil(2026, 9, 12, 13, 25, 23, 0).unwrap_or_default();
        let local = civil(2000, 9, 12, 18, 55, 24, 0).unwrap_or_default();
        let mut facts = Facts::default();
        facts.boots.push(Observation {
            at: RawTime::NoYear { civil: local, precision: SECOND },
            who: Claim::default(),
            cite: Cite::default(),
            what: BootAnchor { boot_id: None, wall: RawTime::utc_s(utc), late_ns: SECOND, of_host: false },
        });
        let mut zones = Zones::default();
        zones.learn(&facts, &Years::learn(&facts));
        let t = civil(2026, 9, 12, 18, 55, 24, 0).unwrap_or_default();
        assert_eq!(zones.utc(ArtifactId(0), t).rfc3339(), "2026-09-12T13:25:24.000000Z");
    }
}
