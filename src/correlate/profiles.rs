//! Which profiles succeed each other in one process, and what grew between them.

use super::compare::{self, Snapshot};
use crate::model::delta::RowOptions;
use crate::model::incident::{PlacedDelta, PlacedTree};
use crate::model::time::Basis;
use crate::model::{Incident, Owner, When};
use std::collections::BTreeMap;

/// What profiles of one process have in common: owner, folder, format, measures, process name.
type Sameness = (Owner, String, &'static str, Vec<String>, Option<String>);

/// Groups profiles by owner, folder and kind, orders each group by time (then by path), and compares it.
pub fn compare(incident: &mut Incident, rows: &RowOptions) {
    // Profiles of one process usually share a folder; two processes of one container do not share a kind and a process name.
    let mut groups: BTreeMap<Sameness, Vec<usize>> = BTreeMap::new();
    for (i, p) in incident.profiles.iter().enumerate() {
        let path = incident.path(p.cite.span.artifact);
        let folder = path.rsplit_once(['/', '!']).map_or("", |(f, _)| f).to_owned();
        let measures = p.what.measures.iter().map(|m| m.name.clone()).collect();
        groups.entry((p.owner.clone(), folder, p.what.format, measures, p.what.process.clone())).or_default().push(i);
    }
    let (mut deltas, mut trees) = (Vec::new(), Vec::new());
    for ((owner, ..), mut members) in groups {
        members.sort_by_key(|&i| incident.profiles.get(i).map(|p| (p.at.mid().unwrap_or_default(), p.cite.span.artifact)));
        let placed: Vec<_> = members.iter().filter_map(|&i| incident.profiles.get(i)).collect();
        let snapshots: Vec<Snapshot> =
            placed.iter().map(|p| Snapshot { path: incident.path(p.cite.span.artifact), time: p.at.mid(), profile: &p.what }).collect();
        if let (Some(last), Some(tree)) = (placed.last(), placed.last().and_then(|p| compare::sites::plain_tree(&p.what))) {
            let title = format!("{} in {}", tree.measure, incident.path(last.cite.span.artifact));
            trees.push(PlacedTree { owner: owner.clone(), title, tree });
        }
        if members.len() < 2 {
            continue;
        }
        if let (Some(first), Some(last), Some(tree)) = (snapshots.first(), snapshots.last(), compare::sites::tree(&snapshots, rows)) {
            trees.push(PlacedTree {
                owner: owner.clone(),
                title: format!("growth of {} from {} to {}", tree.measure, first.path, last.path),
                tree,
            });
        }
        let Ok(delta) = compare::diff(&snapshots, rows) else { continue };
        let total = |s: Option<&crate::model::delta::SnapshotInfo>| s.and_then(|s| s.total_bytes);
        let growth = total(delta.snapshots.last()).zip(total(delta.snapshots.first())).map(|(l, f)| l - f);
        let known: Vec<When> = placed.iter().map(|p| p.at).filter(When::is_known).collect();
        let at = match (known.iter().map(|w| w.earliest).min(), known.iter().map(|w| w.latest).max()) {
            (Some(earliest), Some(latest)) => When { earliest, latest, basis: Basis::Stated },
            _ => When::unknown(),
        };
        deltas.push(PlacedDelta {
            owner,
            at,
            cites: placed.iter().map(|p| p.cite.clone()).collect(),
            what: delta,
            total_growth_bytes: growth,
        });
    }
    incident.deltas = deltas;
    incident.trees = trees;
}
