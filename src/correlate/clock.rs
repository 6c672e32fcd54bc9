//! Clocks: from a time as written to an interval in UTC, with the reason it is believed.

use super::Options;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::time::Basis;
use crate::model::{Cite, RawTime, When};

/// Everything learnt about clocks from all artifacts together.
pub struct Clock {
    capture: Option<When>,
}

impl Clock {
    pub fn solve(_facts: &Facts, _artifacts: &[ArtifactInfo], _options: &Options) -> Self {
        Clock { capture: None }
    }

    /// Interval of one raw time; `cite` tells which artifact's clock it is.
    pub fn when(&self, raw: &RawTime, _cite: &Cite) -> When {
        match *raw {
            RawTime::Utc { at, precision } => When { earliest: at, latest: at.saturating_add(precision - 1), basis: Basis::Stated },
            RawTime::NoZone { civil, precision } => {
                When { earliest: civil, latest: civil.saturating_add(precision - 1), basis: Basis::ZoneInferred }
            }
            _ => When::unknown(),
        }
    }

    /// When the bundle was captured, if it can be told.
    pub fn capture(&self) -> Option<When> {
        self.capture
    }
}
