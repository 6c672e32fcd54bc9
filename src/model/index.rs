//! An incident whose lists are found by the pod that owns their entries. It borrows the incident, so nothing can change under
//! it; each list is indexed when it is first asked for. Without a pod nothing is found: what belongs to nodes or to nobody is
//! looked for in the lists themselves.

use super::by_pod::ByPod;
use super::cgroup::CgroupReading;
use super::incident::{Incident, OtherEnding, PlacedDelta, PlacedSeries};
use super::kill::Kill;
use super::log::LogWord;
use super::oom::OomKill;
use super::pod::{KubeEvent, PodState};
use super::trend::Trend;
use super::{Owner, Placed};
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub struct Index<'a> {
    incident: &'a Incident,
    pods: OnceLock<ByPod>,
    series: OnceLock<ByPod>,
    events: OnceLock<ByPod>,
    logs: OnceLock<ByPod>,
    reports: OnceLock<ByPod>,
    kills: OnceLock<ByPod>,
    others: OnceLock<ByPod>,
    trends: OnceLock<ByPod>,
    deltas: OnceLock<ByPod>,
    cgroups: OnceLock<ByPod>,
    /// Pods of each workload, by its namespace and name.
    replicas: OnceLock<BTreeMap<Option<String>, BTreeMap<String, usize>>>,
}

impl std::ops::Deref for Index<'_> {
    type Target = Incident;

    fn deref(&self) -> &Incident {
        self.incident
    }
}

impl<'a> Index<'a> {
    pub fn of(incident: &'a Incident) -> Self {
        Index {
            incident,
            pods: OnceLock::new(),
            series: OnceLock::new(),
            events: OnceLock::new(),
            logs: OnceLock::new(),
            reports: OnceLock::new(),
            kills: OnceLock::new(),
            others: OnceLock::new(),
            trends: OnceLock::new(),
            deltas: OnceLock::new(),
            cgroups: OnceLock::new(),
            replicas: OnceLock::new(),
        }
    }

    /// The incident, for as long as it lives.
    pub fn incident(&self) -> &'a Incident {
        self.incident
    }

    pub fn pods_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Placed<PodState>> + use<'_, 'a> {
        found(&self.pods, &self.incident.pods, |p| &p.owner, owner)
    }

    pub fn series_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a PlacedSeries> + use<'_, 'a> {
        found(&self.series, &self.incident.series, |s| &s.owner, owner)
    }

    pub fn events_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Placed<KubeEvent>> + use<'_, 'a> {
        found(&self.events, &self.incident.events, |e| &e.owner, owner)
    }

    pub fn logs_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Placed<LogWord>> + use<'_, 'a> {
        found(&self.logs, &self.incident.logs, |l| &l.owner, owner)
    }

    pub fn reports_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Placed<OomKill>> + use<'_, 'a> {
        found(&self.reports, &self.incident.oom_reports, |r| &r.owner, owner)
    }

    pub fn kills_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Kill> + use<'_, 'a> {
        found(&self.kills, &self.incident.kills, |k| &k.owner, owner)
    }

    pub fn others_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a OtherEnding> + use<'_, 'a> {
        found(&self.others, &self.incident.other_endings, |o| &o.owner, owner)
    }

    pub fn trends_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Trend> + use<'_, 'a> {
        found(&self.trends, &self.incident.trends, |t| &t.owner, owner)
    }

    pub fn deltas_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a PlacedDelta> + use<'_, 'a> {
        found(&self.deltas, &self.incident.deltas, |d| &d.owner, owner)
    }

    pub fn cgroups_of(&self, owner: &Owner) -> impl DoubleEndedIterator<Item = &'a Placed<CgroupReading>> + use<'_, 'a> {
        found(&self.cgroups, &self.incident.cgroups, |c| &c.owner, owner)
    }

    /// Pods of the owner's workload that the input knows, by their descriptions or their series.
    pub fn replicas(&self, owner: &Owner) -> usize {
        let count = || {
            let owners = self.incident.series.iter().map(|s| &s.owner).chain(self.incident.pods.iter().map(|p| &p.owner));
            let mut pods: Vec<_> = owners.filter_map(|o| Some((&o.namespace, o.workload.as_ref()?, o.pod.as_ref()?))).collect();
            pods.sort_unstable();
            pods.dedup();
            let mut replicas: BTreeMap<Option<String>, BTreeMap<String, usize>> = BTreeMap::new();
            for (namespace, workload, _) in pods {
                *replicas.entry(namespace.clone()).or_default().entry(workload.clone()).or_default() += 1;
            }
            replicas
        };
        let of_namespace = self.replicas.get_or_init(count).get(&owner.namespace);
        of_namespace.zip(owner.workload.as_ref()).and_then(|(all, w)| all.get(w)).copied().unwrap_or(0)
    }
}

fn found<'i, 'a, T>(
    slot: &'i OnceLock<ByPod>,
    list: &'a [T],
    whose: fn(&T) -> &Owner,
    owner: &Owner,
) -> impl DoubleEndedIterator<Item = &'a T> + use<'i, 'a, T> {
    slot.get_or_init(|| ByPod::of(list.iter().map(whose))).get(owner).iter().filter_map(move |at| list.get(*at))
}
