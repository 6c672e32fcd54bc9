//! Clocks: from a time as written to an interval in UTC, with the reason it is believed.
//!
//! Learnt in this order, each step using the ones before: stated instants → years (`years`) → zones (`zones`) →
//! boots, uptime to UTC (`boots`) → the capture time (`capture`), against which ages are resolved.
//! Nothing is guessed without a bound: what cannot be placed stays [`When::unknown`].

pub mod boots;
pub mod capture;
pub mod years;
pub mod zones;

use super::Options;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::series::{NO_TIME, Series};
use crate::model::time::{Basis, MINUTE, SECOND};
use crate::model::{ArtifactId, Cite, RawTime, Timestamp, When};

/// Everything learnt about clocks from all artifacts together.
#[derive(Debug, Default)]
pub struct Clock {
    years: years::Years,
    zones: zones::Zones,
    boots: boots::Boots,
    capture: capture::Capture,
}

/// Slack around a time that a file name gives.
const NAME_SLACK: i64 = MINUTE;

impl Clock {
    pub fn solve(facts: &Facts, artifacts: &[ArtifactInfo], options: &Options) -> Self {
        let mut clock = Clock { zones: zones::Zones::from_option(options.tz.as_deref()), ..Clock::default() };
        clock.years = years::Years::learn(facts);
        clock.zones.learn(facts, &clock.years);
        clock.boots = boots::Boots::learn(facts, artifacts, |raw, cite| clock.calendar(raw, cite));
        clock.capture = capture::solve(facts, artifacts, &clock);
        clock
    }

    /// Interval of one raw time; `cite` tells which artifact's clock it is.
    pub fn when(&self, raw: &RawTime, cite: &Cite) -> When {
        match *raw {
            RawTime::SinceBoot { boot, ns, precision } => self.boots.when(cite.span.artifact, boot, ns, precision),
            RawTime::Ago { least, most } => match self.capture.of(cite.span.artifact) {
                Some(c) => {
                    When { earliest: c.earliest.saturating_sub(most), latest: c.latest.saturating_sub(least), basis: Basis::AgeOfCapture }
                }
                None => When::unknown(),
            },
            _ => self.calendar(raw, cite),
        }
    }

    /// [`Clock::when`] for times that a calendar alone resolves; ages and uptimes stay unknown.
    fn calendar(&self, raw: &RawTime, cite: &Cite) -> When {
        let span =
            |t: Timestamp, precision: i64, basis| When { earliest: t, latest: t.saturating_add(precision.max(1).saturating_sub(1)), basis };
        let artifact = cite.span.artifact;
        match *raw {
            RawTime::Utc { at, precision } => span(at, precision, Basis::Stated),
            RawTime::NoZone { civil, precision } => span(self.zones.utc(artifact, civil), precision, Basis::ZoneInferred),
            RawTime::SomeZone { civil, offsets, precision } => match self.zones.one_of(artifact, civil, offsets) {
                Some(t) => span(t, precision, Basis::ZoneInferred),
                None => {
                    let shifted = |o: Option<&i32>| civil.saturating_sub(i64::from(o.copied().unwrap_or(0)).saturating_mul(SECOND));
                    let latest = shifted(offsets.iter().min()).saturating_add(precision.max(1).saturating_sub(1));
                    When { earliest: shifted(offsets.iter().max()), latest, basis: Basis::ZoneInferred }
                }
            },
            RawTime::NoYear { civil, precision } => match self.years.place(civil) {
                Some(full) => span(self.zones.utc(artifact, full), precision, Basis::YearInferred),
                None => When::unknown(),
            },
            RawTime::FromName { civil, utc } => {
                let t = if utc { civil } else { self.zones.utc(artifact, civil) };
                When { earliest: t.saturating_sub(NAME_SLACK), latest: t.saturating_add(NAME_SLACK), basis: Basis::FileName }
            }
            RawTime::SinceBoot { .. } | RawTime::Ago { .. } | RawTime::Absent => When::unknown(),
        }
    }

    /// Moves the samples of a series that was written in local time to UTC.
    pub fn settle(&self, series: &mut Series, cite: &Cite) {
        for t in series.times.edit().iter_mut().filter(|t| **t != NO_TIME) {
            *t = self.zones.utc(cite.span.artifact, Timestamp(t.saturating_mul(1_000_000))).0.div_euclid(1_000_000);
        }
        series.civil = false;
    }

    /// When the bundle was captured, if it can be told.
    pub fn capture(&self) -> Option<When> {
        self.capture.at
    }

    /// Contradictions between clocks, in words; clocks that stood still.
    pub fn contradictions(&self) -> impl Iterator<Item = &(String, Cite)> {
        self.capture.contradictions.iter().chain(&self.boots.stood_still)
    }

    /// When the first boot of an artifact began, where its anchors tell.
    pub fn boot_began(&self, artifact: ArtifactId) -> Option<Timestamp> {
        self.boots.began(artifact)
    }
}
