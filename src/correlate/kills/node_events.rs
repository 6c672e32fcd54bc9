//! What Kubernetes' events say of a node's memory, where the node's own log is not in the input: node-problem-detector
//! quotes the kernel's last line (`OOMKilling`), the kubelet tells that the whole node ran out (`SystemOOM`) and that it
//! reclaims (`EvictionThresholdMet`, the `MemoryPressure` condition).
//!
//! An event confirms the kernel's own report of the same process; alone it makes an entry, which names the process but not
//! its container. Refuses to take one event for several kills: a folded event repeats one message.

use super::SAME_ENDING;
use super::gather::Kills;
use crate::model::kill::{Kill, Told, Witness};
use crate::model::log::{LogPattern, LogWord};
use crate::model::oom::{KillKind, LimitLevel, Victim};
use crate::model::pod::KubeEvent;
use crate::model::quantity::human_bytes;
use crate::model::time::SECOND;
use crate::model::{Cite, Incident, Owner, Placed, When};
use std::collections::BTreeSet;

/// The kubelet and the kernel's log tell of one death within this of each other.
const NOTICED: i64 = 2 * SECOND;

/// A kill as one event tells it.
struct Word {
    victim: Victim,
    /// A memory cgroup ran out, not the node.
    memcg: bool,
}

/// `Memory cgroup out of memory: Killed process 20313 (celery) total-vm:5023344kB, anon-rss:2090000kB, …` and
/// `System OOM encountered, victim process: python3, pid: 31122`.
fn told(e: &KubeEvent) -> Option<Word> {
    let m = e.message.as_str();
    let number = |after: &str| {
        let rest = m.get(m.find(after)? + after.len()..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<u64>().ok()
    };
    let pid = |mark: &str| number(mark).and_then(|p| u32::try_from(p).ok());
    match e.reason.as_str() {
        "OOMKilling" => {
            let mark = ["Killed process ", "Kill process "].into_iter().find(|w| m.contains(w))?;
            let comm = m.split_once(mark)?.1.split_once('(')?.1;
            let comm = comm.split_once(") ").map_or_else(|| comm.trim_end_matches(')'), |(c, _)| c);
            let kib = |mark: &str| number(mark).map(|n| n.saturating_mul(1024));
            let victim = Victim {
                pid: pid(mark),
                comm: Some(comm.to_owned()),
                total_vm_bytes: kib("total-vm:"),
                anon_rss_bytes: kib("anon-rss:"),
                file_rss_bytes: kib("file-rss:"),
                shmem_rss_bytes: kib("shmem-rss:"),
                ..Victim::default()
            };
            Some(Word { victim, memcg: m.starts_with("Memory cgroup out of memory") })
        }
        "SystemOOM" => {
            let comm = m.split_once("victim process: ").map(|(_, r)| r.split(", pid").next().unwrap_or(r).to_owned());
            Some(Word { victim: Victim { pid: pid("pid: "), comm, ..Victim::default() }, memcg: false })
        }
        _ => None,
    }
}

/// Kills that events tell of: they confirm an entry or make one.
pub(super) fn kills(incident: &Incident, kills: &mut Kills) {
    for e in &incident.events {
        let Some(Word { victim, memcg }) = told(&e.what) else { continue };
        let Some(node) = e.owner.node.clone().or_else(|| e.what.object_name.clone()) else { continue };
        let at = e.at.is_known().then_some(e.at);
        let fits = |k: &Kill| {
            let place = k.owner.node.as_deref().is_none_or(|n| n == node);
            let time = k.at.zip(at).is_none_or(|(a, b)| a.near(&b, SAME_ENDING) || e.what.count.is_some_and(|n| n > 1));
            let process = match victim.pid {
                Some(_) => k.victims.iter().any(|v| v.pid == victim.pid && v.comm == victim.comm),
                None => k.kind == KillKind::NodeOom && k.at.is_some() && at.is_some(),
            };
            place && time && process
        };
        let says = format!("event {}: {}", e.what.reason, e.what.message);
        if let Some(k) = kills.find(&Owner::node(&node), fits) {
            k.owner.node.get_or_insert(node);
            k.hear(Witness::Event, e.cite.clone(), says);
            continue;
        }
        // A container's own status in the same seconds already tells of a kill for want of node memory.
        let by_status = |k: &Kill| {
            !memcg
                && k.kind == KillKind::NodeOom
                && k.victims.is_empty()
                && k.owner.node.as_deref() == Some(node.as_str())
                && k.at.zip(at).is_some_and(|(a, b)| a.near(&b, SAME_ENDING))
        };
        if let Some(k) = kills.find(&Owner::node(&node), by_status) {
            k.hear(Witness::Event, e.cite.clone(), says);
            continue;
        }
        // The status of a container that ended in the same second, and was of that name or of that size, is of the same kill.
        if memcg && let Some(k) = by_container_status(kills, &node, at, &victim) {
            k.owner.node.get_or_insert(node);
            k.hear(Witness::Event, e.cite.clone(), says);
            k.victims.push(victim);
            continue;
        }
        // Where the node's kernel log is there and reaches that far, it is the witness of record.
        let recorded =
            |a: When| incident.oom_reports.iter().any(|r| r.owner.node.as_deref() == Some(node.as_str()) && r.at.near(&a, SAME_ENDING));
        if at.is_some_and(recorded) {
            continue;
        }
        let who = victim.comm.as_deref().unwrap_or("a process");
        let rss = victim.anon_rss_bytes.map_or(String::new(), |b| format!(" with {} of anonymous memory", human_bytes(b)));
        let place = if memcg { "in a memory cgroup that the event does not name" } else { "because the node ran out" };
        kills.add(Kill {
            at,
            kind: if memcg { KillKind::MemcgContainer } else { KillKind::NodeOom },
            owner: Owner::node(&node),
            limit_level: (!memcg).then_some(LimitLevel::Node),
            count: 1,
            told: vec![Told::by(
                Witness::Event,
                e.cite.clone(),
                format!("the kernel killed {who}{rss} {place}, as the event {} tells", e.what.reason),
            )],
            victims: vec![victim],
            ..Kill::default()
        });
    }
    children(incident, kills);
    pressed(incident, kills);
}

/// The one entry that rests on a container's status alone and fits what an event tells of a kill at a cgroup's limit: the same
/// node, the same seconds, and the process is called as the container is, or held what its limit allows.
fn by_container_status<'k>(kills: &'k mut Kills, node: &str, at: Option<When>, victim: &Victim) -> Option<&'k mut Kill> {
    let at = at?;
    let fits = |k: &Kill| {
        let bare = matches!(k.kind, KillKind::MemcgContainer | KillKind::ChildProcess) && k.victims.is_empty();
        let place = k.owner.node.as_deref() == Some(node) && k.at.is_some_and(|w| w.near(&at, NOTICED));
        // The kernel keeps fifteen bytes of a name.
        let comm = victim.comm.as_deref().filter(|c| !c.is_empty());
        let called = k.owner.container.as_deref().zip(comm).is_some_and(|(c, comm)| c == comm || comm.len() == 15 && c.starts_with(comm));
        let held = k.limit_bytes.zip(victim.anon_rss_bytes).is_some_and(|(l, a)| a <= l && a >= l / 10 * 8);
        bare && place && (called || held)
    };
    let mut found = kills.iter().enumerate().filter(|(_, k)| fits(k)).map(|(at, _)| at);
    let only = found.next().filter(|_| found.next().is_none());
    drop(found);
    kills.get_mut(only?)
}

/// A supervisor's word that a child died of SIGKILL names the container that a kernel line without one belongs to; its
/// other such words are then of the same kind.
fn children(incident: &Incident, kills: &mut Kills) {
    let words: Vec<&Placed<LogWord>> =
        incident.logs.iter().filter(|l| l.what.pattern == LogPattern::ChildKilled && l.owner.pod.is_some()).collect();
    let mut homes: BTreeSet<Owner> = BTreeSet::new();
    kills.each(|k| {
        if k.owner.pod.is_some() || k.kind != KillKind::MemcgContainer || k.report.is_some() {
            return;
        }
        let heard = |l: &&&Placed<LogWord>| {
            let place = l.owner.node.is_none() || l.owner.node == k.owner.node;
            place && k.at.is_none_or(|a| !l.at.is_known() || a.near(&l.at, SAME_ENDING))
        };
        let owners: BTreeSet<&Owner> = words.iter().filter(heard).map(|l| &l.owner).collect();
        let (Some(owner), 1) = (owners.first().copied(), owners.len()) else { return };
        let Some(word) = words.iter().filter(|l| l.owner == *owner && heard(l)).max_by_key(|l| l.at.mid()) else { return };
        k.owner = owner.clone();
        k.kind = KillKind::ChildProcess;
        // An event of an unknown age is the last of its kind, and so is the word.
        k.at = k.at.or(word.at.is_known().then_some(word.at));
        k.hear(Witness::ApplicationLog, word.cite.clone(), word.what.text.clone());
        homes.insert(owner.clone());
    });
    for l in words.iter().filter(|l| homes.contains(&l.owner)) {
        let same = |k: &Kill| {
            k.owner.container == l.owner.container
                && match k.at {
                    Some(a) => !l.at.is_known() || a.near(&l.at, SAME_ENDING),
                    None => k.told.iter().any(|t| t.cite == l.cite),
                }
        };
        if kills.of_pod(&l.owner).any(|(_, k)| same(k)) {
            continue;
        }
        kills.add(Kill {
            at: l.at.is_known().then_some(l.at),
            kind: KillKind::ChildProcess,
            owner: l.owner.clone(),
            count: 1,
            told: vec![Told::by(Witness::ApplicationLog, l.cite.clone(), l.what.text.clone())],
            against: vec![Told::aside(l.cite.clone(), "SIGKILL has many senders; the kernel's word is there for another one of them")],
            ..Kill::default()
        });
    }
}

/// An eviction whose node nothing names happened on the one node that was short of memory.
fn pressed(incident: &Incident, kills: &mut Kills) {
    let mut nodes: Vec<(String, Cite, String)> = Vec::new();
    let mut add = |node: &str, cite: &Cite, says: String| {
        if !nodes.iter().any(|(n, ..)| n == node) {
            nodes.push((node.to_owned(), cite.clone(), says));
        }
    };
    for e in incident.events.iter().filter(|e| {
        e.what.reason == "NodeHasInsufficientMemory" || e.what.reason == "EvictionThresholdMet" && e.what.message.contains("memory")
    }) {
        if let Some(node) = e.owner.node.as_deref().or(e.what.object_name.as_deref()) {
            add(node, &e.cite, format!("event {}: {}", e.what.reason, e.what.message));
        }
    }
    for n in &incident.nodes {
        if n.what.conditions.iter().any(|c| c.kind == "MemoryPressure" && c.status == "True") {
            add(&n.what.name, &n.cite, format!("node {} has the condition MemoryPressure", n.what.name));
        }
    }
    let [(node, cite, says)] = &nodes[..] else { return };
    kills.each(|k| {
        if k.kind == KillKind::Eviction && k.owner.node.is_none() {
            k.owner.node = Some(node.clone());
            k.hear(Witness::NodeCondition, cite.clone(), says.clone());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: &str, message: &str) -> KubeEvent {
        KubeEvent { reason: reason.into(), message: message.into(), ..KubeEvent::default() }
    }

    #[test]
    fn the_kernels_line_in_an_event_names_its_victim() {
        let e = event(
            "OOMKilling",
            "Memory cgroup out of memory: Killed process 812 (ruby (x)) total-vm:900kB, anon-rss:300kB, file-rss:0kB, shmem-rss:0kB",
        );
        let t = told(&e).map(|t| (t.victim.pid, t.victim.comm, t.victim.anon_rss_bytes, t.memcg));
        assert_eq!(t, Some((Some(812), Some("ruby (x)".into()), Some(300 * 1024), true)));
        let e = event("SystemOOM", "System OOM encountered, victim process: etl, pid: 77");
        let t = told(&e).map(|t| (t.victim.pid, t.victim.comm, t.memcg));
        assert_eq!(t, Some((Some(77), Some("etl".into()), false)));
        assert!(told(&event("Evicted", "Killed process 1 (a)")).is_none());
    }
}
