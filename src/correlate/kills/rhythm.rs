//! Kills that a log dates by uptime alone, placed on the calendar by their rhythm: the distances between the kills of one
//! container are looked for among moments that others dated, a supervisor's words about killed children, the falls of its
//! working set. Two distances that fit leave little to chance; a single kill needs a single moment.
//!
//! Refuses to choose: where two offsets fit equally well, the kills stay without a time.

use crate::model::kill::Kill;
use crate::model::log::LogPattern;
use crate::model::series::{NO_TIME, WORKING_SET};
use crate::model::time::{Basis, SECOND};
use crate::model::{ArtifactId, Incident, Owner, Timestamp, When};
use std::collections::{BTreeMap, BTreeSet};

/// Supervisors reap children within this, and logs are written as soon.
const NOTICED: i64 = 5 * SECOND;

/// A fall of the working set by a quarter between two samples: a child's or a container's memory came back.
const FALL: f64 = 0.75;

/// One boot as one artifact tells it.
type Slot = (ArtifactId, Option<String>);

/// Dates the kills of every boot that has none yet.
pub fn anchor(incident: &mut Incident, kills: &mut [Kill]) {
    let mut groups: BTreeMap<(Slot, Owner), Vec<i64>> = BTreeMap::new();
    for k in kills.iter().filter(|k| k.at.is_none() && k.owner.container.is_some()) {
        if let Some((slot, up)) = uptime(incident, k) {
            groups.entry((slot, k.owner.clone())).or_default().push(up);
        }
    }
    let mut zeros: BTreeMap<Slot, When> = BTreeMap::new();
    for ((slot, owner), ups) in &groups {
        if !zeros.contains_key(slot)
            && let Some(zero) = fit(ups, &words(incident, owner)).or_else(|| fit(ups, &falls(incident, owner)))
        {
            zeros.insert(slot.clone(), zero);
        }
    }
    for k in kills.iter_mut().filter(|k| k.at.is_none()) {
        let Some((slot, up)) = uptime(incident, k) else { continue };
        let Some(zero) = zeros.get(&slot) else { continue };
        let at = When { earliest: zero.earliest.saturating_add(up), latest: zero.latest.saturating_add(up), basis: Basis::BootAnchored };
        k.at = Some(at);
        if let Some(r) = k.report.and_then(|r| incident.oom_reports.get_mut(r)) {
            r.at = at;
        }
    }
}

/// Boot and nanoseconds of uptime of a kill.
fn uptime(incident: &Incident, k: &Kill) -> Option<(Slot, i64)> {
    let r = k.report(incident)?;
    Some(((r.cite.span.artifact, r.what.boot.clone()), (r.what.uptime_seconds? * SECOND as f64) as i64))
}

/// When a supervisor in the container said that a child was killed.
fn words(incident: &Incident, owner: &Owner) -> Vec<When> {
    let ours =
        incident.logs.iter().filter(|l| l.what.pattern == LogPattern::ChildKilled && l.owner.same_container(owner) && l.at.is_known());
    ours.map(|l| When { earliest: l.at.earliest.saturating_sub(NOTICED), ..l.at }).collect()
}

/// When its working set fell at once.
fn falls(incident: &Incident, owner: &Owner) -> Vec<When> {
    let mut out = Vec::new();
    let ours = |m: &str| m == WORKING_SET;
    for s in incident.series.iter().filter(|s| ours(&s.what.metric) && s.owner.same_container(owner)) {
        let mut before: Option<(i64, f64)> = None;
        for (t, v) in s.what.finite().filter(|(t, _)| *t != NO_TIME) {
            if let Some((t0, _)) = before.filter(|(_, v0)| v < FALL * v0) {
                let ns = |ms: i64| Timestamp(ms.saturating_mul(SECOND / 1000));
                out.push(When { earliest: ns(t0), latest: ns(t), basis: Basis::Stated });
            }
            before = Some((t, v));
        }
    }
    out
}

/// The boot's zero point under which most uptimes fall on a moment; `None` if another fits as well.
fn fit(ups: &[i64], moments: &[When]) -> Option<When> {
    let newest = *ups.iter().max()?;
    if moments.len() > 4 * ups.len() + 16 || (ups.len() == 1 && moments.len() != 1) {
        return None;
    }
    let mut tried: Vec<(usize, When)> = Vec::new();
    for m in moments {
        let mut zero = back(m, newest);
        let mut used = BTreeSet::new();
        for &up in ups {
            let hit = moments.iter().enumerate().find(|(i, o)| {
                let z = back(o, up);
                !used.contains(i) && z.earliest <= zero.latest && zero.earliest <= z.latest
            });
            if let Some((i, o)) = hit {
                let z = back(o, up);
                zero = When { earliest: zero.earliest.max(z.earliest), latest: zero.latest.min(z.latest), ..zero };
                used.insert(i);
            }
        }
        tried.push((used.len(), zero));
    }
    tried.sort_by_key(|(n, w)| (std::cmp::Reverse(*n), w.earliest));
    let (hits, zero) = *tried.first()?;
    let rival = tried.get(1).is_some_and(|(n, w)| *n == hits && (w.latest < zero.earliest || w.earliest > zero.latest));
    let enough = hits == ups.len() && (hits >= 2 || moments.len() == 1);
    (enough && !rival).then_some(zero)
}

/// The zero point that a moment at `uptime` implies.
fn back(w: &When, uptime: i64) -> When {
    When { earliest: w.earliest.saturating_sub(uptime), latest: w.latest.saturating_sub(uptime), basis: Basis::BootAnchored }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_decide_and_a_tie_does_not() {
        let w = |s: i64| When { earliest: Timestamp(s * SECOND), latest: Timestamp((s + 2) * SECOND), basis: Basis::Stated };
        let up = |s: i64| s * SECOND;
        // Kills 100 s and 350 s apart, among moments of which one is something else.
        let found = fit(&[up(10), up(110), up(460)], &[w(1010), w(1110), w(1300), w(1460)]);
        assert_eq!(found.map(|z| z.earliest), Some(Timestamp(1000 * SECOND)));
        // An even rhythm fits at two places.
        assert_eq!(fit(&[up(10), up(110)], &[w(1010), w(1110), w(1210)]), None);
        assert_eq!(fit(&[up(10)], &[w(1010), w(1400)]), None);
    }
}
