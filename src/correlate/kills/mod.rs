//! Endings: kernel reports, container states, events and log words joined into one entry per ending.
//! The kernel log is the witness of record; every other witness either confirms one of its entries or adds one it missed.

mod aborts;
mod counters;
mod evictions;
mod gather;
mod kernel;
mod metrics;
mod node_events;
mod probes;
mod rhythm;
mod statuses;
mod supervisors;
pub(super) mod untold;

use crate::model::kill::Kill;
use crate::model::oom::KillKind;
use crate::model::pod::ContainerKind;
use crate::model::time::{MINUTE, WrittenTime};
use crate::model::{Incident, Index, Owner, Timestamp};
use gather::Kills;

/// Two witnesses of one ending may differ by this much: kubelet notices late, `dmesg -T` drifts.
pub(super) const SAME_ENDING: i64 = 2 * MINUTE;

/// Fills [`Incident::kills`], earliest first, those without a time last. Who knows more of an ending is heard before who
/// knows less, so that the latter confirms what is there instead of adding what another tells better.
pub fn endings(incident: &mut Incident) {
    incident.kills = gathered(incident);
}

fn gathered(incident: &mut Incident) -> Vec<Kill> {
    let mut reports = kernel::kills(incident);
    // Reports need their wall clock before anything is compared with them by time.
    kernel::anchor_by_status(incident, &mut reports);
    rhythm::anchor(incident, &mut reports);
    let mut kills = Kills::of(reports);
    let found = Index::of(incident);
    let incident = &found;
    statuses::endings(incident, &mut kills);
    evictions::evictions(incident, &mut kills);
    // Neither container nor time: only for pods of which nothing better is known.
    statuses::printed(incident, &mut kills);
    probes::container_deaths(incident, &mut kills);
    probes::probe_events(incident, &mut kills);
    aborts::runtime_aborts(incident, &mut kills);
    supervisors::userspace_kills(incident, &mut kills);
    supervisors::unit_kills(incident, &mut kills);
    supervisors::runtime_notices(incident, &mut kills);
    node_events::kills(incident, &mut kills);
    counters::cgroups(incident, &mut kills);
    let mut kills = kills.into_list();
    kills.sort_by_cached_key(key);
    kills
}

/// Adds the endings that only series tell of, once trends are known.
pub fn from_series(incident: &mut Incident) {
    metrics::add(incident);
    // By the last ending of each container, those of the metrics among them.
    let added = counters::restarts(incident);
    incident.kills.extend(added);
    let mut kills = std::mem::take(&mut incident.kills);
    probes::probe_counts(incident, &mut kills);
    kills.sort_by_cached_key(key);
    incident.kills = kills;
}

fn key(k: &Kill) -> (Timestamp, Option<WrittenTime>, Owner, KillKind, Option<u32>) {
    let written = k.written.clone().filter(|_| k.at.is_none());
    (k.at.and_then(|w| w.mid()).unwrap_or(Timestamp::MAX), written, k.owner.clone(), k.kind, k.victims.first().and_then(|v| v.pid))
}

fn only_container(incident: &Index<'_>, owner: &Owner) -> Option<String> {
    let pod = incident.pods_of(owner).find(|p| !p.what.containers.is_empty())?;
    let mut main = pod.what.containers.iter().filter(|c| c.kind == ContainerKind::Main);
    match (main.next(), main.next()) {
        (Some(one), None) => Some(one.name.clone()),
        _ => None,
    }
}
