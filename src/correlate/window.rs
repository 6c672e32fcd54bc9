//! `--since` and `--until`: what lies outside the window is left out before anything is derived from it.

use crate::model::pod::ContainerRun;
use crate::model::{Incident, Placed, Timestamp, When};

/// Keeps what overlaps `[since, until]`; facts without a known time stay, since nothing says that they lie outside.
pub fn restrict(incident: &mut Incident, since: Option<Timestamp>, until: Option<Timestamp>) {
    if since.is_none() && until.is_none() {
        return;
    }
    let (from, to) = (since.unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX));
    let inside = |at: &When| !at.is_known() || (at.latest >= from && at.earliest <= to);
    fn keep<T>(list: &mut Vec<Placed<T>>, inside: impl Fn(&When) -> bool) {
        list.retain(|p| inside(&p.at));
    }
    keep(&mut incident.oom_reports, inside);
    keep(&mut incident.events, inside);
    keep(&mut incident.alerts, inside);
    keep(&mut incident.logs, inside);
    keep(&mut incident.usage, inside);
    keep(&mut incident.profiles, inside);
    keep(&mut incident.cgroups, inside);
    keep(&mut incident.processes, inside);
    let (first, last) = (from.0.div_euclid(1_000_000), to.0.div_euclid(1_000_000));
    for s in &mut incident.series {
        let a = s.what.times.partition_point(|t| *t < first);
        let b = s.what.times.partition_point(|t| *t <= last);
        s.what.times = s.what.times.get(a..b).unwrap_or(&[]).to_vec().into();
        s.what.values.truncate(b);
        s.what.values.drain(..a.min(b));
    }
    incident.series.retain(|s| !s.what.times.is_empty());
    // An ending outside the window is not this incident's, whichever copy of the container shows it.
    let outside = |run: &ContainerRun| run.finished.is_some_and(|t| t < from || t > to);
    for c in incident.pods.iter_mut().flat_map(|p| &mut p.what.containers) {
        c.last.take_if(|run| outside(run));
        c.past.retain(|run| !outside(run));
        if outside(&c.now) {
            c.now = ContainerRun::default();
        }
    }
}
