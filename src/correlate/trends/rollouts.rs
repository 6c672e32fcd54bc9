//! Changes of level, and growth that began within the window, tied to the rollout that they followed.
//!
//! Near in time is not caused by: the report says what came just before and leaves the conclusion to the reader.

use crate::model::time::MINUTE;
use crate::model::trend::{Tied, TrendForm};
use crate::model::{Incident, Timestamp};

/// A rollout takes minutes to replace its pods, and a change of level is dated to about a block in 240 of the window: what
/// follows within the longer of ten minutes and four blocks is near.
const NEAR: i64 = 10 * MINUTE;
const BLOCKS_NEAR: i64 = 60;

/// Ties every trend's changes to the rollouts of its workload.
pub fn tie(incident: &mut Incident) {
    let rollouts: Vec<_> = incident.timeline.iter().filter(|e| e.kind == "rollout" && e.owner.workload.is_some()).collect();
    for t in &mut incident.trends {
        let own = rollouts.iter().filter(|e| e.owner.workload == t.owner.workload && e.owner.namespace == t.owner.namespace);
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            continue;
        }
        let near = NEAR.max((t.window.1.0 - t.window.0.0) / BLOCKS_NEAR);
        let began = t.onset.filter(|o| t.form == Some(TrendForm::LateOnset) || o.0 - t.window.0.0 > near);
        let moments = t.change_points.iter().copied().map(|c| (c, "the level changed")).chain(began.map(|o| (o, "growth began")));
        let mut tied: Vec<Tied> = Vec::new();
        for (moment, what) in moments {
            // A block may begin before the moment that falls into it.
            let after = |e: Timestamp| moment.0 - e.0;
            let found =
                own.iter().filter(|e| (-near / 2..=near).contains(&after(e.at.earliest))).min_by_key(|e| after(e.at.earliest).abs());
            if let Some(e) = found {
                tied.push(Tied { change: moment, what, rollout: e.at.earliest, text: e.text.clone(), cite: e.cite.clone() });
            }
        }
        if let Some(first) = tied.first() {
            t.why.push_str(&format!("; {} within minutes of a rollout: {}", first.what, first.text));
        }
        t.tied = tied;
    }
}
