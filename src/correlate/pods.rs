//! One entry per pod, node and event: overlapping copies from lists, describe text and tables are merged.
//!
//! Copies of one UID always merge; the copy with the highest `resourceVersion` wins and the others fill what it lacks.
//! A copy without UID joins by name where only one incarnation fits. Endings that only an older copy shows are kept.

use crate::model::node::NodeState;
use crate::model::pod::{ContainerRun, ContainerState, KubeEvent, PodState, Resources};
use crate::model::{Incident, Placed};
use std::collections::BTreeMap;

/// Things of one name that are looked at for a copy; more of them are not copies but a flood.
const ALIKE_MAX: usize = 64;

pub fn merge(incident: &mut Incident) {
    let pods = std::mem::take(&mut incident.pods);
    incident.pods = merge_pods(pods);
    let nodes = std::mem::take(&mut incident.nodes);
    incident.nodes = merge_nodes(nodes);
    let events = std::mem::take(&mut incident.events);
    incident.events = merge_events(events);
}

fn merge_pods(pods: Vec<Placed<PodState>>) -> Vec<Placed<PodState>> {
    let mut by_uid: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut out: Vec<Placed<PodState>> = Vec::with_capacity(pods.len());
    // Copies with a UID first: they are what the others can join.
    let (known, named): (Vec<_>, Vec<_>) = pods.into_iter().enumerate().partition(|(_, p)| p.what.uid.is_some());
    let mut place = Vec::with_capacity(known.len() + named.len());
    for (order, p) in known.into_iter().chain(named) {
        let same = by_name.get(&p.what.name).map_or(&[][..], Vec::as_slice);
        let target = match &p.what.uid {
            Some(uid) => by_uid.get(uid).copied().or_else(|| only(same, &out, &p.what, |q| q.uid.is_none())),
            None => only(same, &out, &p.what, |_| true),
        };
        let at = match target {
            Some(i) => {
                if let Some(have) = out.get_mut(i) {
                    absorb(have, p);
                }
                i
            }
            None => {
                by_name.entry(p.what.name.clone()).or_default().push(out.len());
                place.push(order);
                out.push(p);
                out.len() - 1
            }
        };
        if let Some(uid) = out.get(at).and_then(|p| p.what.uid.clone()) {
            by_uid.entry(uid).or_insert(at);
        }
    }
    // Back into the order in which the artifacts showed them.
    let mut ordered: Vec<(usize, Placed<PodState>)> = place.into_iter().zip(out).collect();
    ordered.sort_by_key(|(order, _)| *order);
    ordered.into_iter().map(|(_, p)| p).collect()
}

/// The one pod of this name that `p` can be a copy of.
fn only(same: &[usize], out: &[Placed<PodState>], p: &PodState, also: impl Fn(&PodState) -> bool) -> Option<usize> {
    let mut fits =
        same.iter().rev().take(ALIKE_MAX).copied().filter(|&i| out.get(i).is_some_and(|q| also(&q.what) && compatible(&q.what, p)));
    let first = fits.next()?;
    fits.next().is_none().then_some(first)
}

fn compatible(a: &PodState, b: &PodState) -> bool {
    fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        a.is_none() || b.is_none() || a == b
    }
    agree(&a.namespace, &b.namespace) && agree(&a.node, &b.node) && agree(&a.start_time, &b.start_time) && agree(&a.uid, &b.uid)
}

/// How late and how full a copy is: the one that is shown.
fn rank(p: &PodState) -> (u64, u64, usize) {
    let version = p.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
    let restarts = p.containers.iter().filter_map(|c| c.restart_count).fold(0, u64::saturating_add);
    (version, restarts, p.containers.len())
}

fn absorb(have: &mut Placed<PodState>, mut other: Placed<PodState>) {
    if rank(&other.what) > rank(&have.what) {
        std::mem::swap(have, &mut other);
    }
    have.who = merged_claim(&have.who, &other.who);
    if let Some(status) = other.what.status.clone().filter(|s| have.what.status.as_ref().is_some_and(|h| h != s)) {
        have.what.past_status.push((status, other.cite.clone()));
    }
    have.what.past_status.extend(std::mem::take(&mut other.what.past_status));
    let (a, b) = (&mut have.what, other.what);
    for (to, from) in [
        (&mut a.namespace, b.namespace),
        (&mut a.uid, b.uid),
        (&mut a.resource_version, b.resource_version),
        (&mut a.node, b.node),
        (&mut a.phase, b.phase),
        (&mut a.status, b.status),
        (&mut a.reason, b.reason),
        (&mut a.message, b.message),
        (&mut a.qos, b.qos),
        (&mut a.controlled_by, b.controlled_by),
    ] {
        if to.is_none() {
            *to = from;
        }
    }
    a.priority = a.priority.or(b.priority);
    a.start_time = a.start_time.or(b.start_time);
    a.created = a.created.or(b.created);
    a.deleting |= b.deleting;
    a.deleted_at = a.deleted_at.or(b.deleted_at);
    a.grace_seconds = a.grace_seconds.or(b.grace_seconds);
    a.restart_count = a.restart_count.max(b.restart_count);
    if a.last_restart == crate::model::RawTime::Absent {
        a.last_restart = b.last_restart;
    }
    fill_resources(&mut a.limits, b.limits);
    fill_resources(&mut a.requests, b.requests);
    if a.labels.is_empty() {
        a.labels = b.labels;
    }
    for (k, v) in b.annotations {
        a.annotations.entry(k).or_insert(v);
    }
    if a.volumes.is_empty() {
        a.volumes = b.volumes;
    }
    a.configs.extend(b.configs);
    if a.conditions.len() < b.conditions.len() || a.conditions.iter().all(|c| c.since.is_none()) && !b.conditions.is_empty() {
        a.conditions = b.conditions;
    }
    for c in b.containers {
        // Names are unique over all kinds of containers of a pod, and a container runtime does not tell the kind.
        match a.containers.iter_mut().find(|k| k.name == c.name) {
            Some(k) => fill_container(k, c),
            None => a.containers.push(c),
        }
    }
    have.owner = crate::model::Owner {
        namespace: have.owner.namespace.take().or(other.owner.namespace),
        workload: have.owner.workload.take().or(other.owner.workload),
        pod: have.owner.pod.take().or(other.owner.pod),
        container: None,
        node: have.owner.node.take().or(other.owner.node),
    };
}

fn merged_claim(a: &crate::model::Claim, b: &crate::model::Claim) -> crate::model::Claim {
    let mut who = a.clone();
    who.pod_uid = who.pod_uid.or_else(|| b.pod_uid.clone());
    who.namespace = who.namespace.or_else(|| b.namespace.clone());
    who.node = who.node.or_else(|| b.node.clone());
    who
}

fn fill_resources(to: &mut Resources, from: Resources) {
    to.memory_bytes = to.memory_bytes.or(from.memory_bytes);
    to.cpu_millis = to.cpu_millis.or(from.cpu_millis);
}

fn fill_container(k: &mut ContainerState, c: ContainerState) {
    k.kind = k.kind.max(c.kind);
    // Ends of runs that the shown copy does not tell any more.
    let ended = |r: &ContainerRun| r.finished.is_some() || r.exit_code.is_some();
    let older: Vec<ContainerRun> = [c.last.clone(), Some(c.now.clone())].into_iter().flatten().chain(c.past).filter(ended).collect();
    for r in older {
        let shown = [Some(&k.now), k.last.as_ref()].into_iter().flatten().chain(&k.past);
        let same = |s: &ContainerRun| s.finished == r.finished && (s.exit_code == r.exit_code || s.exit_code.is_none());
        if !shown.into_iter().any(same) && k.now.state.is_some() {
            k.past.push(r);
        }
    }
    k.past.sort_by_key(|r| r.finished);
    if k.now.state.is_none() {
        k.now = c.now;
        k.last = k.last.take().or(c.last);
        (k.line, k.offset) = (k.line.or(c.line), k.offset.or(c.offset));
    }
    k.container_id = k.container_id.take().or(c.container_id);
    k.image = k.image.take().or(c.image);
    k.ready = k.ready.or(c.ready);
    k.restart_count = k.restart_count.max(c.restart_count);
    fill_resources(&mut k.limits, c.limits);
    fill_resources(&mut k.requests, c.requests);
    k.limits_in_force = k.limits_in_force.take().or(c.limits_in_force);
    for (name, value) in c.env {
        k.env.entry(name).or_insert(value);
    }
    if k.command.is_empty() {
        k.command = c.command;
    }
    if k.args.is_empty() {
        k.args = c.args;
    }
    if k.mounts.is_empty() {
        k.mounts = c.mounts;
    }
    k.has_liveness_probe |= c.has_liveness_probe;
}

fn merge_nodes(nodes: Vec<Placed<NodeState>>) -> Vec<Placed<NodeState>> {
    let heartbeat = |n: &NodeState| n.conditions.iter().filter_map(|c| c.heartbeat).max();
    let mut out: Vec<Placed<NodeState>> = Vec::with_capacity(nodes.len());
    let mut by_name: BTreeMap<String, usize> = BTreeMap::new();
    for mut n in nodes {
        let Some(have) = by_name.get(&n.what.name).and_then(|&i| out.get_mut(i)) else {
            by_name.insert(n.what.name.clone(), out.len());
            out.push(n);
            continue;
        };
        let rank = |n: &NodeState| (heartbeat(n), n.conditions.len(), n.pods.len());
        if rank(&n.what) > rank(&have.what) {
            std::mem::swap(have, &mut n);
        }
        let (a, b) = (&mut have.what, n.what);
        a.uid = a.uid.take().or(b.uid);
        fill_resources(&mut a.capacity, b.capacity);
        fill_resources(&mut a.allocatable, b.allocatable);
        fill_resources(&mut a.allocated_requests, b.allocated_requests);
        fill_resources(&mut a.allocated_limits, b.allocated_limits);
        a.system.kernel = a.system.kernel.take().or(b.system.kernel);
        a.system.os_image = a.system.os_image.take().or(b.system.os_image);
        a.system.container_runtime = a.system.container_runtime.take().or(b.system.container_runtime);
        a.system.kubelet = a.system.kubelet.take().or(b.system.kubelet);
        a.boot_id = a.boot_id.take().or(b.boot_id);
        if a.conditions.is_empty() {
            a.conditions = b.conditions;
        }
        if a.pods.is_empty() {
            a.pods = b.pods;
        }
        if a.labels.is_empty() {
            a.labels = b.labels;
        }
        if a.annotations.is_empty() {
            a.annotations = b.annotations;
        }
        if a.taints.is_empty() {
            a.taints = b.taints;
        }
    }
    out
}

/// Events of different artifacts that say the same of the same object at times that may be the same.
fn merge_events(events: Vec<Placed<KubeEvent>>) -> Vec<Placed<KubeEvent>> {
    type Key = (Option<String>, Option<String>, String, String);
    let mut out: Vec<Placed<KubeEvent>> = Vec::with_capacity(events.len());
    let mut seen: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for e in events {
        let key = (e.what.object_kind.clone(), e.what.object_name.clone(), e.what.reason.clone(), e.what.message.clone());
        let same = seen.entry(key).or_default();
        let twin = same.iter().rev().take(ALIKE_MAX).copied().find(|&i| out.get(i).is_some_and(|o| is_copy(o, &e)));
        match twin.and_then(|i| out.get_mut(i)) {
            Some(have) => absorb_event(have, e),
            None => {
                same.push(out.len());
                out.push(e);
            }
        }
    }
    out
}

fn is_copy(a: &Placed<KubeEvent>, b: &Placed<KubeEvent>) -> bool {
    if let (Some(x), Some(y)) = (&a.what.uid, &b.what.uid) {
        return x == y;
    }
    let elsewhere = a.cite.span.artifact != b.cite.span.artifact;
    let namespaces =
        a.what.object_namespace.is_none() || b.what.object_namespace.is_none() || a.what.object_namespace == b.what.object_namespace;
    // An age seen a little later in another command still covers the same moment, give or take its own unit.
    let slack = a.at.width().min(b.at.width()).max(2 * crate::model::time::SECOND);
    elsewhere && namespaces && (!a.at.is_known() || !b.at.is_known() || a.at.near(&b.at, slack))
}

fn absorb_event(have: &mut Placed<KubeEvent>, mut other: Placed<KubeEvent>) {
    let sharper = |e: &Placed<KubeEvent>| (e.what.count.unwrap_or(1), e.at.is_known(), std::cmp::Reverse(e.at.width()));
    if sharper(&other) > sharper(have) {
        std::mem::swap(have, &mut other);
    }
    let (a, b) = (&mut have.what, other.what);
    for (to, from) in [
        (&mut a.object_namespace, b.object_namespace),
        (&mut a.container, b.container),
        (&mut a.source, b.source),
        (&mut a.kind, b.kind),
        (&mut a.uid, b.uid),
    ] {
        if to.is_none() {
            *to = from;
        }
    }
    a.count = a.count.max(b.count);
    a.first_at = a.first_at.or(b.first_at);
    for (k, v) in b.annotations {
        a.annotations.entry(k).or_insert(v);
    }
    if have.owner.node.is_none() {
        have.owner.node = other.owner.node;
    }
}
