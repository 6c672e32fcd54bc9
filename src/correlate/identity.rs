//! Identity: claims become owners. Pod UIDs and container ids join always; names join where they can mean only one thing.
//! Every join that is not written down in one place is remembered with its reason, for the report.

use super::controllers::{self, Chains};
use crate::model::cgroup_path;
use crate::model::facts::Facts;
use crate::model::incident::{ArtifactInfo, Join};
use crate::model::pod::{ContainerKind, PodState};
use crate::model::series::Series;
use crate::model::workload::{Controller, From};
use crate::model::{Claim, Owner};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Digits that docker prints of an id; crictl prints 13. So many are one container's.
const SHORT_ID: usize = 12;

/// What is known of one pod, gathered from every artifact that names it.
#[derive(Debug, Clone, Default)]
struct PodName {
    namespace: Option<String>,
    name: String,
    node: Option<String>,
    controller: Option<Controller>,
    /// Its description names no controller.
    alone: bool,
    /// Main containers by name.
    containers: BTreeSet<String>,
    /// Containers of any kind that were restarted: only they can have had an id that nothing names any more.
    restarted: BTreeSet<String>,
    /// Containers whose logs stand in folders of the pod.
    logged: BTreeSet<String>,
}

/// Every name learnt from every artifact.
#[derive(Debug, Default)]
pub struct Names {
    pods: Vec<PodName>,
    by_uid: BTreeMap<String, usize>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// Container id → pod and container name.
    by_container: BTreeMap<String, (usize, String)>,
    nodes: BTreeSet<String>,
    chains: Chains,
}

impl Names {
    pub fn learn(facts: &Facts, artifacts: &[ArtifactInfo]) -> Self {
        let mut names = Names::default();
        for w in &facts.workloads {
            names.chains.learn(&w.what);
        }
        for n in &facts.nodes {
            names.nodes.insert(n.what.name.clone());
        }
        // What names its namespace comes first, so that what does not can find the only pod of its name.
        for p in facts.pods.iter().filter(|p| p.what.namespace.is_some()) {
            names.learn_pod(&p.what);
        }
        for s in &facts.series {
            names.learn_series(&s.who, s.what.label("id"));
            if s.what.metric == "kube_pod_owner" {
                names.learn_owner(&s.who, &s.what);
            }
        }
        // A pod that only an event or a log line names is a pod all the same.
        for e in &facts.events {
            if e.what.object_kind.as_deref() == Some("Pod")
                && let (Some(ns), Some(name)) = (&e.what.object_namespace, &e.what.object_name)
            {
                names.pod_index(Some(ns), name);
            }
        }
        for p in facts.pods.iter().filter(|p| p.what.namespace.is_none()) {
            names.learn_pod(&p.what);
        }
        // The kubelet's own lines and its log folders say which UID is whose.
        for who in facts.logs.iter().map(|l| &l.who).chain(artifacts.iter().map(|a| &a.who)) {
            names.learn_claim(who);
        }
        for name in names.pods.iter().filter_map(|p| p.node.clone()).collect::<Vec<_>>() {
            names.nodes.insert(name);
        }
        // What nothing states the name of the pod may tell, unless its description shows that it has no controller.
        for p in names.pods.iter_mut().filter(|p| p.controller.is_none() && !p.alone) {
            p.controller = controllers::by_pod_name(&p.name);
        }
        names
    }

    fn learn_pod(&mut self, p: &PodState) {
        if p.name.is_empty() {
            return;
        }
        let i = self.pod_index(p.namespace.as_deref(), &p.name);
        let controller = self.chains.of_pod(p);
        if let Some(uid) = &p.uid {
            self.by_uid.insert(uid.clone(), i);
        }
        for c in &p.containers {
            let ended = std::iter::once(&c.now).chain(&c.last).filter_map(|r| r.container_id.as_ref());
            for id in c.container_id.iter().chain(ended) {
                self.by_container.insert(id.clone(), (i, c.name.clone()));
            }
        }
        let Some(known) = self.pods.get_mut(i) else { return };
        known.node = p.node.clone().or(known.node.take());
        known.controller = controller.or(known.controller.take());
        known.alone |= !p.containers.is_empty() && p.controlled_by.is_none();
        known
            .containers
            .extend(p.containers.iter().filter(|c| matches!(c.kind, ContainerKind::Main | ContainerKind::Sidecar)).map(|c| c.name.clone()));
        known.restarted.extend(p.containers.iter().filter(|c| c.restart_count.is_some_and(|n| n > 0)).map(|c| c.name.clone()));
    }

    /// cAdvisor's `id` label is the cgroup path: it names the UID and the container id of an incarnation that
    /// Kubernetes has long forgotten.
    fn learn_series(&mut self, who: &Claim, id: Option<&str>) {
        let (Some(ns), Some(pod)) = (&who.namespace, &who.pod) else { return };
        let i = self.pod_index(Some(ns), pod);
        let path = id.map(cgroup_path::parse).unwrap_or_default();
        let (uid, cid) = (
            who.pod_uid.as_deref().map(str::to_owned).or(path.pod_uid),
            who.container_id.as_deref().map(str::to_owned).or(path.container_id.map(str::to_owned)),
        );
        if let Some(uid) = uid {
            self.by_uid.entry(uid).or_insert(i);
        }
        if let (Some(c), Some(cid)) = (who.container.as_deref().filter(|c| !c.is_empty() && *c != "POD"), cid) {
            self.by_container.entry(cid).or_insert_with(|| (i, c.to_owned()));
        }
        if let (Some(p), Some(node)) = (self.pods.get_mut(i), &who.node) {
            // A node label is a name only if it is not a scrape address.
            if p.node.is_none() && !node.contains(':') {
                p.node = Some(node.to_string());
            }
        }
    }

    /// A claim that holds a name and a strong key together, as the kubelet's lines and the folders of `/var/log/pods` do.
    fn learn_claim(&mut self, who: &Claim) {
        let (Some(ns), Some(pod)) = (&who.namespace, &who.pod) else { return };
        if who.pod_uid.is_none() && who.container_id.is_none() {
            return;
        }
        let i = self.pod_index(Some(ns), pod);
        if let Some(uid) = &who.pod_uid {
            self.by_uid.entry(uid.to_string()).or_insert(i);
        }
        let container = who.container.as_deref().filter(|c| !c.is_empty());
        if let (Some(c), Some(id)) = (container, &who.container_id) {
            self.by_container.entry(id.to_string()).or_insert_with(|| (i, c.to_owned()));
        }
        if let (Some(c), Some(p)) = (container, self.pods.get_mut(i)) {
            p.logged.insert(c.to_owned());
        }
    }

    /// kube-state-metrics says who controls a pod, where no description of it is at hand.
    fn learn_owner(&mut self, who: &Claim, s: &Series) {
        let (Some(pod), Some(kind), Some(name)) = (&who.pod, s.label("owner_kind"), s.label("owner_name")) else { return };
        if name.is_empty() || kind == "<none>" || name == "<none>" {
            return;
        }
        let i = self.pod_index(who.namespace.as_deref(), pod);
        let controller = self.chains.top(who.namespace.as_deref(), kind, name, From::Metric);
        if let Some(p) = self.pods.get_mut(i) {
            p.controller.get_or_insert(controller);
        }
    }

    /// Index of the pod, made on first sight. A missing namespace means the only pod of that name, if there is one; of
    /// several it means none of them.
    fn pod_index(&mut self, namespace: Option<&str>, name: &str) -> usize {
        let same = self.by_name.entry(name.to_owned()).or_default();
        let have = |i: usize| self.pods.get(i).and_then(|p| p.namespace.as_deref());
        let one = same.first().copied().filter(|&i| same.len() == 1 && (namespace.is_none() || have(i).is_none()));
        let found = same.iter().copied().find(|&i| have(i) == namespace).or(one);
        if let Some(i) = found {
            if let Some(p) = self.pods.get_mut(i)
                && p.namespace.is_none()
            {
                p.namespace = namespace.map(str::to_owned);
            }
            return i;
        }
        let i = self.pods.len();
        same.push(i);
        self.pods.push(PodName { namespace: namespace.map(str::to_owned), name: name.to_owned(), ..PodName::default() });
        i
    }

    /// Every pod's controller, where one is known.
    pub fn controllers(&self) -> BTreeMap<(Option<String>, String), Controller> {
        self.pods.iter().filter_map(|p| Some(((p.namespace.clone(), p.name.clone()), p.controller.clone()?))).collect()
    }

    /// Nodes that pods and node objects name.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(String::as_str)
    }

    /// Full name of a node of which a log may show only the host part; the text itself when nothing matches.
    pub fn node(&self, text: &str) -> String {
        if self.nodes.contains(text) {
            return text.to_owned();
        }
        let short = |n: &str| n.split('.').next().unwrap_or(n).to_owned();
        let mut same = self.nodes.iter().filter(|n| short(n) == short(text));
        match (same.next(), same.next()) {
            (Some(one), None) => one.clone(),
            _ => text.to_owned(),
        }
    }

    /// Resolves a claim; the join says why two names were taken to be the same thing.
    pub fn owner(&self, claim: &Claim) -> (Owner, Option<Join>) {
        let path = claim.cgroup.as_deref().map(cgroup_path::parse).unwrap_or_default();
        let cid = claim.container_id.as_deref().map(str::to_owned).or(path.container_id.map(str::to_owned));
        let uid = claim.pod_uid.as_deref().map(str::to_owned).or(path.pod_uid);
        if let Some(cid) = &cid
            && let Some((i, container)) = self.incarnation(cid)
        {
            return (self.named(*i, Some(container.clone()), claim), self.join(cid, *i, Some(container), "container id"));
        }
        if let Some(uid) = &uid
            && let Some(&i) = self.by_uid.get(uid)
        {
            let container = self.container_in(i, claim, cid.is_some());
            return (self.named(i, container.clone(), claim), self.join(uid, i, container.as_ref(), "pod UID"));
        }
        if let Some(pod) = claim.pod.as_deref() {
            let hits: Vec<usize> = self
                .by_name
                .get(pod)
                .into_iter()
                .flatten()
                .copied()
                .filter(|&i| {
                    claim.namespace.is_none()
                        || self.pods.get(i).is_some_and(|p| p.namespace.is_none() || p.namespace.as_deref() == claim.namespace.as_deref())
                })
                .collect();
            if let [i] = hits[..] {
                let container = claim.container.as_deref().filter(|c| !c.is_empty()).map(str::to_owned);
                let join = (claim.inferred).then(|| Join {
                    left: pod.to_owned(),
                    right: self.label(i, container.as_ref()),
                    reason: "names in the artifact's path".into(),
                });
                return (self.named(i, container, claim), join);
            }
        }
        let own = |s: &Option<Box<str>>| s.as_deref().filter(|s| !s.is_empty()).map(str::to_owned);
        let owner = Owner {
            namespace: own(&claim.namespace),
            workload: None,
            pod: own(&claim.pod),
            container: own(&claim.container),
            node: claim.node.as_deref().map(|n| self.node(n)),
        };
        (owner, None)
    }

    /// The container of a pod that a claim means without saying so: the one it names; for an id that nothing names any more,
    /// the only one that was restarted (an init container that loops, say, while the main one never ran); the pod's only one.
    fn container_in(&self, i: usize, claim: &Claim, in_container: bool) -> Option<String> {
        if let Some(c) = claim.container.as_deref().filter(|c| !c.is_empty()) {
            return Some(c.to_owned());
        }
        let pod = self.pods.get(i).filter(|_| in_container)?;
        let only = |names: &BTreeSet<String>| if names.len() == 1 { names.first().cloned() } else { None };
        only(&pod.restarted).or_else(|| only(if pod.containers.is_empty() { &pod.logged } else { &pod.containers }))
    }

    /// The node that a fact itself names, where it is a node's name: a pod of the same name may have been elsewhere then.
    fn stated_node(&self, claim: &Claim) -> Option<String> {
        let said = claim.node.as_deref().filter(|n| !claim.inferred && !n.contains(':'))?;
        Some(self.node(said)).filter(|n| self.nodes.contains(n))
    }

    fn named(&self, i: usize, container: Option<String>, claim: &Claim) -> Owner {
        let Some(p) = self.pods.get(i) else { return Owner::default() };
        Owner {
            namespace: p.namespace.clone(),
            workload: p.controller.as_ref().map(|c| c.name.clone()),
            pod: Some(p.name.clone()),
            container,
            node: self
                .stated_node(claim)
                .or_else(|| p.node.clone())
                .or_else(|| claim.node.as_deref().filter(|n| !n.contains(':')).map(|n| self.node(n))),
        }
    }

    fn label(&self, i: usize, container: Option<&String>) -> String {
        self.pods.get(i).map_or(String::new(), |p| {
            format!("{}/{}{}", p.namespace.as_deref().unwrap_or("?"), p.name, container.map_or(String::new(), |c| format!("/{c}")))
        })
    }

    fn join(&self, left: &str, i: usize, container: Option<&String>, reason: &str) -> Option<Join> {
        Some(Join {
            left: left.to_owned(),
            right: self.label(i, container),
            reason: format!("{reason} stated by Kubernetes, by its log folders or by the metrics' cgroup path"),
        })
    }

    /// By the whole id or, since `crictl` and `docker` print their tables so, by its beginning.
    fn incarnation(&self, id: &str) -> Option<&(usize, String)> {
        let begins = |short: &str, long: &str| short.len() >= SHORT_ID && long.starts_with(short);
        let before = || self.by_container.range::<str, _>((Bound::Unbounded, Bound::Excluded(id))).next_back();
        let after = || self.by_container.range::<str, _>((Bound::Excluded(id), Bound::Unbounded)).next();
        let whole = self.by_container.get(id);
        whole.or_else(|| before().filter(|(k, _)| begins(k, id)).or_else(|| after().filter(|(k, _)| begins(id, k))).map(|(_, v)| v))
    }

    /// The container whose incarnation a container id belongs to, if any artifact names it.
    pub fn container_of(&self, container_id: &str) -> Option<(Owner, &str)> {
        let (i, c) = self.incarnation(container_id)?;
        Some((self.named(*i, Some(c.clone()), &Claim::default()), c))
    }
}
