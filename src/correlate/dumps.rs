//! Heap snapshots that were not finished: empty or cut files, and whether the container's limit left room to write them.
//! Writing one takes [`HEAPS_TO_WRITE`] times the used heap beside the process, so a pod near its limit dies while dumping.

use super::accounts;
use crate::model::account::CutDump;
use crate::model::graph::HEAPS_TO_WRITE;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::quantity::human_bytes;
use crate::model::{Cite, Incident, Owner, Placed};

/// Fills [`Incident::dumps`], in order of artifacts.
pub fn explain(incident: &mut Incident) {
    incident.dumps =
        incident.profiles.iter().filter(|p| p.what.format.starts_with("v8-") && p.what.truncated).map(|p| dump(incident, p)).collect();
}

fn dump(incident: &Incident, p: &Placed<HeapProfile>) -> CutDump {
    let path = incident.path(p.cite.span.artifact).to_owned();
    let mut cites = vec![p.cite.clone()];
    let limit = limit(incident, &p.owner);
    let usage = p.at.mid().and_then(|at| accounts::total_near(incident, &p.owner, at));
    let heap = used_heap(incident, p);
    cites.extend(limit.iter().map(|l| l.1.clone()));
    cites.extend(usage.iter().map(|u| u.2.clone()));
    cites.extend(heap.iter().map(|h| h.1.clone()));
    let headroom = limit.as_ref().zip(usage.as_ref()).map(|(l, u)| l.0.saturating_sub(u.1));
    let needed = heap.as_ref().map(|h| h.0.saturating_mul(HEAPS_TO_WRITE));
    let what = match p.what.body {
        ProfileBody::Empty => "the file is empty: the process ended before its snapshot was written",
        _ => "the snapshot ends early: the process ended while it was being written",
    };
    let mut says = format!("{path}: {what}");
    match (&limit, &usage, headroom) {
        (Some(l), Some(u), Some(room)) => {
            says += &format!("; the limit of {} left {} above the {} of {}", human_bytes(l.0), human_bytes(room), u.0, human_bytes(u.1));
        }
        (Some(l), None, _) => says += &format!("; the limit is {}, the memory in use at that time is not known", human_bytes(l.0)),
        _ => {}
    }
    if let (Some(h), Some(n)) = (&heap, needed) {
        says += &format!(
            "; writing one of a heap of {} takes about {} more ({HEAPS_TO_WRITE} times the heap)",
            human_bytes(h.0),
            human_bytes(n)
        );
        let least = limit.as_ref().zip(usage.as_ref()).map(|(_, u)| u.1.saturating_add(n));
        match (headroom, least) {
            (Some(room), Some(least)) if room < n => {
                says += &format!(", so it cannot finish here: it takes a limit of {} or a dump elsewhere", human_bytes(least));
            }
            (Some(_), _) => says += ", which was there: look for a full volume or a kill of another kind",
            _ => {}
        }
    }
    CutDump { owner: p.owner.clone(), at: p.at, path, headroom_bytes: headroom, needed_bytes: needed, says, cites }
}

/// The container's memory limit and where it stands.
fn limit(incident: &Incident, owner: &Owner) -> Option<(u64, Cite)> {
    let pods = incident.pods.iter().filter(|p| owner.pod.as_deref() == Some(p.what.name.as_str()) && owner.namespace == p.owner.namespace);
    pods.flat_map(|p| p.what.containers.iter().map(move |c| (p, c)))
        .filter(|(_, c)| owner.container.as_deref().is_none_or(|name| name == c.name))
        .find_map(|(p, c)| Some((c.limits_in_force.as_ref().and_then(|l| l.memory_bytes).or(c.limits.memory_bytes)?, p.cite.clone())))
}

/// The used heap: of this snapshot's own nodes, else of the latest whole one of the same container, else as a report of the
/// process stated it.
fn used_heap(incident: &Incident, p: &Placed<HeapProfile>) -> Option<(u64, Cite)> {
    let total = |p: &Placed<HeapProfile>| p.what.totals.first().and_then(|t| u64::try_from(*t).ok()).filter(|t| *t > 0);
    let own = total(p).map(|t| (t, p.cite.clone()));
    let same = |q: &&Placed<HeapProfile>| q.what.format.starts_with("v8-heap") && !q.what.truncated && q.owner == p.owner;
    let whole =
        || incident.profiles.iter().filter(same).filter_map(|q| Some((q.at.earliest, total(q)?, q.cite.clone()))).max_by_key(|q| q.0);
    own.or_else(|| whole().map(|q| (q.1, q.2))).or_else(|| {
        let reports = incident.processes.iter().filter(|r| r.owner == p.owner);
        reports.filter_map(|r| Some((*r.what.values.get("heap.usedMemory")?, r.cite.clone()))).next_back()
    })
}
