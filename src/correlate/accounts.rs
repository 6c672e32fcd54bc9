//! Accounts of a process's memory: from Node's own reports, and from heap snapshots beside what the kernel charged at that
//! time. A total is taken only where it was read within minutes of the parts: two figures of different hours add up to
//! nothing.

use crate::model::account::{Account, AccountPart};
use crate::model::node::ProcessReading;
use crate::model::profile::HeapProfile;
use crate::model::quantity::human_bytes;
use crate::model::series::WORKING_SET;
use crate::model::time::{MINUTE, SECOND};
use crate::model::{Cite, Incident, Owner, Placed, Timestamp};

/// How far a total may be read from its parts, in ns.
const NEAR: i64 = 5 * MINUTE;

/// Fills [`Incident::accounts`], earliest first.
pub fn balance(incident: &mut Incident) {
    let reports = incident.processes.iter().filter_map(node_report);
    let snapshots = incident.profiles.iter().filter_map(|p| snapshot(incident, p));
    let mut accounts: Vec<Account> = reports.chain(snapshots).collect();
    accounts.sort_by(|a, b| (a.at.earliest, &a.owner, a.total_of).cmp(&(b.at.earliest, &b.owner, b.total_of)));
    incident.accounts = accounts;
}

fn part(kind: &str, name: &str, bytes: u64) -> AccountPart {
    AccountPart { kind: kind.into(), name: name.into(), bytes }
}

/// A report states heap, code, external memory and RSS of one moment.
fn node_report(p: &Placed<ProcessReading>) -> Option<Account> {
    let v = |name: &str| p.what.values.get(name).copied();
    let total = p.what.rss_bytes?;
    let used = v("heap.usedMemory").or_else(|| v("heap.usedHeapSize"))?;
    let committed = v("heap.totalCommittedMemory").or_else(|| v("heap.totalMemory")).unwrap_or(used);
    let code = ["heap.code_space.used", "heap.code_large_object_space.used"].iter().filter_map(|n| v(n)).fold(0, u64::saturating_add);
    let mut parts = vec![
        part("heap", "JavaScript heap, used", used.saturating_sub(code)),
        part("code", "compiled code", code.min(used)),
        part("heap-free", "JavaScript heap, committed and free", committed.saturating_sub(used)),
    ];
    if let Some(external) = v("heap.externalMemory") {
        parts.push(part("external", "external memory (buffers)", external));
    }
    if let Some(malloced) = v("heap.mallocedMemory") {
        parts.push(part("native", "V8's own native memory", malloced));
    }
    Some(closed(p.owner.clone(), p.at, ("RSS", total), parts, vec![p.cite.clone()]))
}

/// A snapshot states heap, code and external memory; the total comes from a reading or a series near it in time.
fn snapshot(incident: &Incident, p: &Placed<HeapProfile>) -> Option<Account> {
    let bytes = |name: &str| p.what.extra.get(name).and_then(|v| u64::try_from(*v).ok());
    let (heap, external, code) = (bytes("heap_bytes")?, bytes("external_bytes")?, bytes("code_bytes")?);
    let (name, total, cite) = total_near(incident, &p.owner, p.at.mid()?)?;
    let mut parts = vec![part("heap", "JavaScript heap, live objects", heap), part("code", "compiled code", code)];
    parts.push(part("external", "external memory (buffers, strings outside the heap)", external));
    if let Some(native) = bytes("extra_native_bytes") {
        parts.push(part("native", "V8's own native memory", native));
    }
    Some(closed(p.owner.clone(), p.at, (name, total), parts, vec![cite, p.cite.clone()]))
}

/// Closes an account with what no part explains.
fn closed(
    owner: Owner,
    at: crate::model::When,
    (total_of, total_bytes): (&'static str, u64),
    mut parts: Vec<AccountPart>,
    cites: Vec<Cite>,
) -> Account {
    parts.retain(|p| p.bytes > 0);
    let known = parts.iter().map(|p| p.bytes).fold(0, u64::saturating_add);
    if let Some(rest) = total_bytes.checked_sub(known).filter(|r| *r > 0) {
        parts.push(part("remainder", "not explained: native libraries, stacks, allocator, free heap", rest));
    }
    // A buffer that was made and never written to is counted by the runtime and held by nobody.
    let over = known.checked_sub(total_bytes).filter(|o| *o > 0);
    let note = over.map(|o| {
        format!("the parts are {} more than the {total_of}: memory that was set aside and never written to is not resident", human_bytes(o))
    });
    Account { owner, at, total_of, total_bytes, parts, note, cites }
}

/// What the kernel charged the container or its process nearest to a moment: RSS before working set, which counts file
/// cache too.
pub fn total_near(incident: &Incident, owner: &Owner, at: Timestamp) -> Option<(&'static str, u64, Cite)> {
    let own = incident.processes.iter().filter(|r| r.owner.same_container(owner));
    let reading = own
        .filter_map(|r| Some((r.at.mid()?.0.abs_diff(at.0), r.what.rss_bytes?, &r.cite)))
        .filter(|(off, ..)| *off <= NEAR as u64)
        .min_by_key(|(off, ..)| *off)
        .map(|(_, bytes, cite)| ("RSS", bytes, cite.clone()));
    reading.or_else(|| {
        METRICS.iter().find_map(|&(metric, name)| {
            let series = incident.series.iter().filter(|s| s.what.metric == metric && s.owner.same_container(owner));
            // The last sample before: a dump itself inflates those after it.
            let last = |s: &&crate::model::incident::PlacedSeries| {
                let before = s.what.finite().map(|(ms, v)| (ms.saturating_mul(SECOND / 1000), v)).filter(|(t, v)| *t <= at.0 && *v > 0.0);
                before.max_by_key(|(t, _)| *t).filter(|(t, _)| at.0.saturating_sub(*t) <= NEAR)
            };
            series
                .filter_map(|s| last(&s).map(|(t, v)| (t, v as u64, s.cite.clone())))
                .max_by_key(|(t, ..)| *t)
                .map(|(_, v, cite)| (name, v, cite))
        })
    })
}

/// Metrics that tell a total, best first.
const METRICS: [(&str, &str); 3] =
    [("process_resident_memory_bytes", "RSS"), ("container_memory_rss", "RSS"), (WORKING_SET, "working set")];
