//! Which profiles succeed each other in one process, and what grew between them. The same captures in several forms (a
//! profile and its text) are compared once, in the form that tells most; heap and goroutines are then read together.

use super::compare::together::{self, Both};
use super::compare::{self, Snapshot};
use crate::model::delta::RowOptions;
use crate::model::incident::{PlacedDelta, PlacedTree};
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::source::natural;
use crate::model::source_map::SourceMap;
use crate::model::time::Basis;
use crate::model::{ArtifactId, Incident, Owner, Placed, When};
use std::collections::BTreeMap;

/// What profiles of one process have in common: owner, folder, format, measures, process name, and whether goroutines have
/// their creators with them (debug=2 beside debug=1).
type Sameness = (Owner, String, &'static str, Vec<String>, Option<String>, bool);

/// Groups profiles by owner, folder and kind, orders each group by time (then by path), and compares it.
pub fn compare(incident: &mut Incident, rows: &RowOptions, again: Again<'_>) {
    // Profiles of one process usually share a folder; two processes of one container do not share a kind and a process name.
    let mut groups: BTreeMap<Sameness, Vec<usize>> = BTreeMap::new();
    for (i, p) in incident.profiles.iter().enumerate().filter(|(_, p)| !matches!(p.what.body, ProfileBody::Empty)) {
        let path = incident.path(p.cite.span.artifact);
        let folder = path.rsplit_once(['/', '!']).map_or("", |(f, _)| f).to_owned();
        let measures = p.what.measures.iter().map(|m| m.name.clone()).collect();
        let created = match &p.what.body {
            ProfileBody::Stacks(t) => t.labels.iter().take(64).any(|l| t.string(l.1) == "state" || t.string(l.1) == "created by"),
            _ => false,
        };
        // A recording of allocations is a snapshot with more in it.
        let format = if p.what.format == "v8-heaptimeline" { "v8-heapsnapshot" } else { p.what.format };
        groups.entry((p.owner.clone(), folder, format, measures, p.what.process.clone(), created)).or_default().push(i);
    }
    let maps = std::mem::take(&mut incident.source_maps);
    let (mut deltas, mut trees): (Vec<PlacedDelta>, Vec<PlacedTree>) = (Vec::new(), Vec::new());
    // Of each comparison its folder and its first and last profile.
    let mut of: Vec<(String, usize, usize)> = Vec::new();
    let mut lines: Vec<(Owner, String, Vec<usize>)> = Vec::new();
    for ((owner, folder, ..), members) in once_each(incident, groups) {
        let processes = by_process(incident, ordered(incident, members));
        lines.extend(processes.into_iter().map(|members| (owner.clone(), folder.clone(), members)));
    }
    for (owner, folder, members) in lines {
        let ends = fetch(incident, [members.first(), members.last()].into_iter().flatten().copied(), again);
        let found = compared(incident, (&owner, &members), rows, &maps, again);
        trees.extend(found.0);
        if let (Some(delta), Some(a), Some(z)) = (found.1, members.first(), members.last()) {
            of.push((folder, *a, *z));
            deltas.push(delta);
        }
        release(incident, ends);
    }
    read_together(incident, &mut deltas, &of, again);
    incident.source_maps.extend(maps);
    incident.deltas = deltas;
    incident.trees = trees;
}

/// Gives the profiles of an artifact once more.
pub type Again<'a> = &'a dyn Fn(ArtifactId) -> Vec<HeapProfile>;

/// A profile as it was before its stacks were let go.
fn reread(p: &Placed<HeapProfile>, again: Again<'_>) -> Option<HeapProfile> {
    again(p.cite.span.artifact).into_iter().find(|x| x.measures == p.what.measures && x.totals == p.what.totals)
}

/// Brings the stacks of profiles back that were let go; gives which.
fn fetch(incident: &mut Incident, wanted: impl Iterator<Item = usize>, again: Again<'_>) -> Vec<usize> {
    let mut out = Vec::new();
    for i in wanted {
        let Some(p) = incident.profiles.get_mut(i).filter(|p| p.what.aside) else { continue };
        if let Some(whole) = reread(p, again) {
            (p.what.body, p.what.aside) = (whole.body, false);
            out.push(i);
        }
    }
    out
}

/// Lets them go again.
fn release(incident: &mut Incident, fetched: Vec<usize>) {
    for i in fetched {
        if let Some(p) = incident.profiles.get_mut(i) {
            p.what.set_aside();
        }
    }
}

/// The call trees and the comparison of one process's profiles, whose first and last stacks are at hand.
fn compared(
    incident: &Incident,
    (owner, members): (&Owner, &[usize]),
    rows: &RowOptions,
    maps: &[Placed<SourceMap>],
    again: Again<'_>,
) -> (Vec<PlacedTree>, Option<PlacedDelta>) {
    let mut trees = Vec::new();
    let placed: Vec<_> = members.iter().filter_map(|&i| incident.profiles.get(i)).collect();
    let snapshots: Vec<Snapshot> =
        placed.iter().map(|p| Snapshot { path: incident.path(p.cite.span.artifact), time: p.at.mid(), profile: &p.what }).collect();
    if let (Some(last), Some(tree)) = (placed.last(), placed.last().and_then(|p| compare::sites::plain_tree(&p.what))) {
        let title = format!("{} in {}", tree.measure, incident.path(last.cite.span.artifact));
        trees.push(PlacedTree { owner: owner.clone(), title, tree });
    }
    if members.len() < 2 {
        return (trees, None);
    }
    if let (Some(first), Some(last), Some(tree)) = (snapshots.first(), snapshots.last(), compare::sites::tree(&snapshots, rows)) {
        trees.push(PlacedTree {
            owner: owner.clone(),
            title: format!("growth of {} from {} to {}", tree.measure, first.path, last.path),
            tree,
        });
    }
    let fetched = |i: usize| placed.get(i).and_then(|p| reread(p, again));
    let Ok(mut delta) = compare::diff_again(&snapshots, rows, &fetched) else { return (trees, None) };
    let maps: Vec<&SourceMap> = maps.iter().map(|m| &m.what).collect();
    compare::originals::apply(&mut delta, &maps);
    let total = |s: Option<&crate::model::delta::SnapshotInfo>| s.and_then(|s| s.total_bytes);
    let growth = total(delta.snapshots.last()).zip(total(delta.snapshots.first())).map(|(l, f)| l - f);
    let known: Vec<When> = placed.iter().map(|p| p.at).filter(When::is_known).collect();
    let at = match (known.iter().map(|w| w.earliest).min(), known.iter().map(|w| w.latest).max()) {
        (Some(earliest), Some(latest)) => When { earliest, latest, basis: Basis::Stated },
        _ => When::unknown(),
    };
    let cites = placed.iter().map(|p| p.cite.clone()).collect();
    (trees, Some(PlacedDelta { owner: owner.clone(), at, cites, what: delta, total_growth_bytes: growth }))
}

type Groups = BTreeMap<Sameness, Vec<usize>>;

/// How much a form of a capture tells: goroutines of debug=2 have states and creators, a heap's own profile has labels.
fn richness(incident: &Incident, members: &[usize]) -> usize {
    let Some(p) = members.first().and_then(|&i| incident.profiles.get(i)) else { return 0 };
    let ProfileBody::Stacks(t) = &p.what.body else { return 9 };
    let labelled = |key: &str| t.labels.iter().take(64).any(|l| t.string(l.1) == key);
    match p.what.format {
        _ if labelled("created by") || labelled("state") => 3,
        "pprof" => 2,
        _ => 1,
    }
}

/// Leaves out groups whose captures another group of the same process, folder and kind has in a better form.
fn once_each(incident: &Incident, groups: Groups) -> Groups {
    const KINDS: [&str; 2] = ["goroutine", "inuse_space"];
    let kind = |key: &Sameness| KINDS.into_iter().find(|k| key.3.iter().any(|m| m == k));
    let mut best: BTreeMap<(Owner, String, &str, usize), (usize, Sameness)> = BTreeMap::new();
    for (key, members) in &groups {
        if let Some(kind) = kind(key).filter(|_| members.len() > 1 && matches!(key.2, "pprof" | "go-heap-text" | "go-goroutine-text")) {
            let rank = richness(incident, members);
            let slot = best.entry((key.0.clone(), key.1.clone(), kind, members.len())).or_insert_with(|| (rank, key.clone()));
            if rank > slot.0 {
                *slot = (rank, key.clone());
            }
        }
    }
    let beaten = |key: &Sameness, n: usize| {
        let found = kind(key).and_then(|k| best.get(&(key.0.clone(), key.1.clone(), k, n)));
        // Two processes' profiles of one form stay two.
        found.is_some_and(|(_, b)| b != key && (b.2 != key.2 || b.5 != key.5))
    };
    groups.into_iter().filter(|(key, members)| !beaten(key, members.len())).collect()
}

/// Joins each comparison of heaps with that of goroutines of the same process.
fn read_together(incident: &mut Incident, deltas: &mut [PlacedDelta], of: &[(String, usize, usize)], again: Again<'_>) {
    for h in 0..deltas.len() {
        let Some((folder, first, last)) = of.get(h) else { continue };
        let is = |i: usize, measure: &str| deltas.get(i).is_some_and(|d| d.what.measure == measure);
        let near = |i: usize| {
            let same = deltas.get(i).map(|d| &d.owner) == deltas.get(h).map(|d| &d.owner);
            let owned = deltas.get(h).is_some_and(|d| d.owner.container.is_some());
            same && (owned || of.get(i).is_some_and(|o| o.0 == *folder))
        };
        if !is(h, "inuse_space") {
            continue;
        }
        let of_kind = |kind: &str| (0..deltas.len()).find(|&i| i != h && is(i, kind) && near(i));
        // Those that the runtime itself calls leaked tell as much, where all goroutines were not written down.
        let Some(g) = of_kind("goroutine").or_else(|| of_kind("goroutineleak")) else { continue };
        let Some((_, a, z)) = of.get(g) else { continue };
        let fetched = fetch(incident, [*a, *z, *first, *last].into_iter(), again);
        let stacks = |i: usize| {
            let p = incident.profiles.get(i).map(|p| &p.what)?;
            if let ProfileBody::Stacks(t) = &p.body { Some((p, &**t)) } else { None }
        };
        if let (Some(a), Some(z), Some(first), Some(last)) = (stacks(*a), stacks(*z), stacks(*first), stacks(*last))
            && let Ok([heap, goroutines]) = deltas.get_disjoint_mut([h, g])
        {
            together::join(&mut heap.what, &mut goroutines.what, &Both { heap: (first, last), goroutines: (a, z) });
        }
        release(incident, fetched);
    }
}

/// By time where it is known of all, else as people number their files.
fn ordered(incident: &Incident, mut members: Vec<usize>) -> Vec<usize> {
    let profile = |i: usize| incident.profiles.get(i);
    let path = |i: usize| profile(i).map_or("", |p| incident.path(p.cite.span.artifact));
    let timed = members.iter().all(|&i| profile(i).is_some_and(|p| p.at.is_known()));
    let time = |i: usize| profile(i).filter(|_| timed).and_then(|p| p.at.mid());
    members.sort_by(|&a, &b| time(a).cmp(&time(b)).then_with(|| natural(path(a), path(b))));
    members
}

/// Heap graphs of several processes in one folder, apart; together where every file is of another process, for then only
/// their classes compare.
fn by_process(incident: &Incident, members: Vec<usize>) -> Vec<Vec<usize>> {
    let fold = |i: usize| match incident.profiles.get(i).map(|p| &p.what.body) {
        Some(ProfileBody::Graph(g)) => g.fold.as_deref(),
        _ => None,
    };
    let mut processes: Vec<Vec<usize>> = Vec::new();
    for &i in &members {
        let other = |p: &Vec<usize>| {
            let pair = p.last().and_then(|&l| fold(l)).zip(fold(i));
            pair.is_some_and(|(a, b)| crate::heap::fold::same_process(a, b) == Some(false))
        };
        match processes.iter_mut().find(|p| !other(p)) {
            Some(p) => p.push(i),
            None => processes.push(vec![i]),
        }
    }
    if processes.iter().all(|p| p.len() < 2) { vec![members] } else { processes }
}
