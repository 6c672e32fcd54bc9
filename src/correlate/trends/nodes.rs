//! Trends of nodes (memory in use) and of the services that run on them.

use super::roles::{Group, Role};
use super::{restarted, told};
use crate::correlate::histories::{Joined, join};
use crate::model::cgroup_path;
use crate::model::incident::PlacedSeries;
use crate::model::trend::Trend;
use crate::model::{Incident, Index, Owner};
use crate::series::sizing::Choice;
use crate::series::sizing::policies::Record;
use crate::series::trend::{Ended, History, Run, analyse};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A process of the node itself (kubelet, container runtime), with what its runtime says beside it.
pub(super) fn single(incident: &Index<'_>, group: &Group, choice: Choice) -> Option<Trend> {
    let first = *group.placed(incident, Role::Rss).first()?;
    let mut owner = first.owner.clone();
    owner.node = owner.node.or_else(|| {
        let instance = first.what.label("instance")?;
        Some(instance.rsplit_once(':').map_or(instance, |(host, _)| host).to_owned())
    });
    let service = first.what.label("id").and_then(cgroup_path::service);
    owner.container = owner.container.or_else(|| service.or_else(|| first.what.label("job")).map(str::to_owned));
    restarted(incident, group, Role::Rss, owner, choice)
}

/// A trend without restarts, load or parts.
pub(super) fn plain(joined: Joined, owner: Owner, first: &PlacedSeries, series: Vec<usize>, limit: Option<f64>) -> Option<Trend> {
    let start = *joined.times.first()?;
    if joined.times.len() < 2 {
        return None;
    }
    let run = Run { memory: joined.samples(0, joined.times.len(), start), anonymous: None, derived: false, ended: Ended::Open };
    let history = History { runs: vec![run], load: None, limit, origin: Some(start as f64 / 1000.0) };
    let found = analyse(&history);
    let record = Record::new(joined.seconds(start), joined.values.clone());
    Some(Trend { metric: first.what.metric.clone(), cite: first.cite.clone(), series, ..told(&found, &history, &record, owner, &joined) })
}

/// Memory in use on each node: total less available.
pub(super) fn nodes(incident: &Incident) -> Vec<Trend> {
    let mut by_node: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (i, p) in incident.series.iter().enumerate() {
        let Some(node) = p.owner.node.clone().or_else(|| p.what.label("instance").map(str::to_owned)) else { continue };
        match p.what.metric.as_str() {
            "node_memory_MemAvailable_bytes" | "node_memory_MemAvailable" => by_node.entry(node).or_default().0.push(i),
            "node_memory_MemTotal_bytes" | "node_memory_MemTotal" => by_node.entry(node).or_default().1.push(i),
            _ => {}
        }
    }
    by_node
        .into_par_iter()
        .filter_map(|(node, (available, total))| {
            let of = |l: &[usize]| l.iter().filter_map(|&i| incident.series.get(i)).collect::<Vec<_>>();
            let (a, t) = (of(&available), of(&total));
            let total = t.iter().rev().find_map(|p| p.what.finite().last()).map(|(_, v)| v)?;
            let mut joined = join(&a.iter().map(|p| &p.what).collect::<Vec<_>>());
            joined.values.iter_mut().for_each(|v| *v = total - *v);
            let first = a.first()?;
            let mut trend = plain(joined, Owner::node(&node), first, available, Some(total))?;
            trend.metric = "node_memory_used_bytes".into();
            Some(trend)
        })
        .collect()
}
