//! Runtimes that ended themselves for want of memory: their last words in a log or in the report that Node.js wrote.

use super::gather::Kills;
use super::{SAME_ENDING, only_container};
use crate::model::kill::{Kill, Told, Witness};
use crate::model::oom::{KillKind, Victim};
use crate::model::{Cite, Incident, Index, Owner, When};

/// The witness that a report is which Node.js wrote of its own end.
const REPORT: Witness = Witness::NodeReport;

/// Who tells a runtime's last words.
pub(super) fn teller(incident: &Incident, cite: &Cite) -> Witness {
    match incident.artifacts.get(cite.span.artifact.0 as usize) {
        Some(a) if a.format == "node-report" => REPORT,
        _ => Witness::ApplicationLog,
    }
}

/// A runtime that ended itself: its last words, with the end of the run where the status shows it.
pub(super) fn runtime_aborts(incident: &Index<'_>, kills: &mut Kills) {
    for l in incident.logs.iter().filter(|l| l.what.refused_memory() && l.owner.node.as_deref().is_none_or(|_| l.owner.pod.is_some())) {
        let container = l.owner.container.clone().or_else(|| only_container(incident, &l.owner));
        let owner = Owner { container, ..l.owner.clone() };
        let teller = teller(incident, &l.cite);
        let mine = |k: &Kill| match owner.pod {
            Some(_) => k.owner.same_pod(&owner) && (k.owner.container == owner.container || owner.container.is_none()),
            // Words that nobody owns are one process's if they stand in one file, or are its log and the report it wrote.
            None => {
                let told =
                    |c: &Cite| c.span.artifact == l.cite.span.artifact || (teller == REPORT) != (self::teller(incident, c) == REPORT);
                k.owner == owner && k.told.iter().any(|t| told(&t.cite))
            }
        };
        let near = |k: &Kill| {
            mine(k)
                && match k.at {
                    Some(w) if l.at.is_known() => w.near(&l.at, SAME_ENDING),
                    _ => k.kind == KillKind::RuntimeAbort,
                }
        };
        if let Some(k) = kills.find_last(&owner, near) {
            k.at = k.at.or_else(|| Some(l.at).filter(When::is_known));
            k.hear(teller, l.cite.clone(), l.what.text.clone());
            continue;
        }
        // Where the status is at hand it has told already which of its endings was one of these; what went on living after
        // the words did not die of them, and of an error that may have been caught nothing more is known.
        let life = life(incident, &owner, l.at);
        if life == Life::Unbroken || (life != Life::Unknown && !l.what.ends_process()) {
            continue;
        }
        let open = (!l.what.ends_process())
            .then(|| Told::aside(l.cite.clone(), "the error may have been caught: nothing else here shows that the process ended"));
        kills.add(Kill {
            at: l.at.is_known().then_some(l.at),
            kind: KillKind::RuntimeAbort,
            owner,
            count: 1,
            victims: l
                .who
                .pid
                .filter(|_| teller == REPORT)
                .map(|pid| Victim { pid: Some(pid), comm: Some("node".into()), ..Victim::default() })
                .into_iter()
                .collect(),
            told: vec![Told::by(teller, l.cite.clone(), l.what.text.clone())],
            against: open.into_iter().collect(),
            ..Kill::default()
        });
    }
}

/// What the container's status says of the time in which a log word was written.
#[derive(PartialEq)]
enum Life {
    /// No status of this container is at hand.
    Unknown,
    /// It ended at some time.
    Ended,
    /// It has been running since before, and was never restarted.
    Unbroken,
}

fn life(incident: &Index<'_>, owner: &Owner, at: When) -> Life {
    let found = incident
        .pods_of(owner)
        .flat_map(|p| &p.what.containers)
        .find(|c| Some(&c.name) == owner.container.as_ref() && c.now.state.is_some());
    let Some(c) = found else { return Life::Unknown };
    let running = c.now.state.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("running"));
    let since = c.now.started.is_some_and(|t| at.is_known() && t < at.earliest);
    if running && c.restart_count == Some(0) && c.last.is_none() && (since || !at.is_known()) { Life::Unbroken } else { Life::Ended }
}
