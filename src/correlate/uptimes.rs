//! Collectors' logs that state how long the runtime has been up, and no time of day: where only one run of the container can
//! be meant, its start is theirs. A container that was restarted had several, and which of them a log is of nobody says.

use crate::model::pod::{ContainerKind, PodState};
use crate::model::series::UPTIME;
use crate::model::{Incident, Timestamp};

/// Gives such series the time of day.
pub fn settle(incident: &mut Incident) {
    for s in incident.series.iter_mut().filter(|s| s.what.is_uptime() && s.what.times.is_sorted()) {
        let pod = incident.pods.iter().find(|p| s.owner.pod.is_some() && p.owner.same_pod(&s.owner));
        let Some((container, started)) = pod.and_then(|p| only_run(&p.what, s.owner.container.as_deref())) else { continue };
        let (name, started) = (container.to_owned(), started.0.div_euclid(1_000_000));
        for t in s.what.times.edit() {
            *t = t.saturating_add(started);
        }
        s.what.labels.remove(UPTIME.0);
        s.owner.container.get_or_insert(name);
    }
}

/// The container named, or the pod's only one, and when the one run that it has had began.
fn only_run<'a>(pod: &'a PodState, name: Option<&str>) -> Option<(&'a str, Timestamp)> {
    let mut mine = pod.containers.iter().filter(|c| name.map_or(c.kind == ContainerKind::Main, |n| c.name == n));
    let container = mine.next().filter(|_| mine.next().is_none())?;
    let once = container.restart_count == Some(0) && container.last.is_none();
    Some((&container.name, container.now.started.filter(|_| once)?))
}
