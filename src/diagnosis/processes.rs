//! Services of a node as process tables of different times show them: which of them grew from table to table. A few looks
//! are no series, so nothing is fitted to them.

use crate::model::node::ProcessReading;
use crate::model::oom::NODE_AGENTS;
use crate::model::quantity::Bytes;
use crate::model::{Cite, Incident, Placed, Timestamp};
use std::collections::BTreeMap;

/// Fewer tables are a comparison, not a growth.
const TABLES_MIN: usize = 3;
/// What a service that is well gains between looks is less than this, and no multiple of what it held.
const GAIN_MIN: Bytes = 256 << 20;
const TIMES_MIN: u64 = 2;

/// A service that held more in each table than in the one before.
pub struct Growing<'a> {
    pub node: &'a str,
    pub service: &'a str,
    pub first: (Timestamp, Bytes),
    pub last: (Timestamp, Bytes),
    pub tables: usize,
    pub cites: Vec<Cite>,
}

/// What the tables say of one process, by their time.
type Life<'a> = BTreeMap<Timestamp, (Bytes, &'a Placed<ProcessReading>)>;

/// Services of nodes that grew, in the order of node, service and process.
pub fn growing(incident: &Incident) -> Vec<Growing<'_>> {
    let mut lives: BTreeMap<(&str, &str, u32), Life<'_>> = BTreeMap::new();
    for p in &incident.processes {
        let (Some(node), Some(at)) = (p.owner.node.as_deref(), p.at.mid()) else { continue };
        let (Some(comm), Some(pid), Some(rss)) = (p.what.comm.as_deref(), p.what.pid, p.what.rss_bytes) else { continue };
        if p.owner.pod.is_none() && NODE_AGENTS.contains(&comm) {
            lives.entry((node, comm, pid)).or_default().insert(at, (rss, p));
        }
    }
    let mut found = Vec::new();
    for ((node, service, _), tables) in lives {
        let held: Vec<(Timestamp, Bytes)> = tables.iter().map(|(at, (b, _))| (*at, *b)).collect();
        let (Some(&first), Some(&last)) = (held.first(), held.last()) else { continue };
        let rises = held.windows(2).all(|w| w.first().map(|h| h.1) < w.last().map(|h| h.1));
        let gained = last.1.saturating_sub(first.1) >= GAIN_MIN && last.1 >= first.1.saturating_mul(TIMES_MIN);
        if held.len() >= TABLES_MIN && rises && gained {
            let cites = tables.values().map(|(_, p)| p.cite.clone()).take(6).collect();
            found.push(Growing { node, service, first, last, tables: held.len(), cites });
        }
    }
    found
}
