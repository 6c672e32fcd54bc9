//! The moment at which the bundle was captured, which turns ages (`5m`, `2d3h ago`) into times.
//! Bounds from file names and modification times only; anchors inside the facts narrow them.

use super::Clock;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::{ArtifactId, Cite, When};
use std::collections::BTreeMap;

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

/// Solves the capture time from all anchors; `clock` already knows years, zones and boots.
pub fn solve(facts: &Facts, _artifacts: &[ArtifactInfo], clock: &Clock) -> Capture {
    let mut capture = Capture::default();
    for hint in &facts.captures {
        let w = clock.when(&hint.at, &hint.cite);
        if w.is_known() {
            let latest = w.latest.saturating_add(hint.what.slack_ns);
            let better = capture.at.is_none_or(|c| latest.0.saturating_sub(w.earliest.0) < c.width());
            if better {
                capture.at = Some(When { latest, ..w });
            }
        }
    }
    capture
}
