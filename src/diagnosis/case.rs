//! A case: one container or one node with everything that is known of it, borrowed from the incident.

use super::cgroup_state::CgroupState;
use super::flags::{self, RuntimeCap};
use super::rule::Need;
use crate::model::by_pod::ByPod;
use crate::model::cgroup::CgroupReading;
use crate::model::incident::{OtherEnding, PlacedDelta};
use crate::model::kill::Kill;
use crate::model::log::{LogPattern, LogWord};
use crate::model::oom::{Budget, KillKind, OomKill};
use crate::model::pod::{ContainerKind, ContainerState, PodState, WorkloadState};
use crate::model::runtime::Runtime;
use crate::model::series::WORKING_SET;
use crate::model::time::MINUTE;
use crate::model::trend::{Companion, Ended, Trend};
use crate::model::{Cite, Index, Owner, Placed, Timestamp, When};
use std::collections::BTreeSet;

/// Growth that reaches its limit within a fortnight is a date in somebody's calendar; later ones are a trend to watch.
pub const NEAR_SECONDS: f64 = 14.0 * 86_400.0;

/// Share of the memory's growth from which on one part of it is what grows: no other part can be as large.
pub const MOST_SHARE: f64 = 0.5;

/// Two profiles nearer than this show how allocations wobble, not how memory grows: collections come every few minutes.
pub const PROFILES_APART: i64 = 10 * MINUTE;

/// Below this share of the memory's growth the profiled heap is not what grows.
pub const SMALL_SHARE: f64 = 0.2;

/// Share of the limit from which on the settled level is close to it: a runtime's cap that stands there is felt.
const PINNED: f64 = 0.95;

/// Share of the limit from which on there is no headroom at all: the next request may be the last. Below it a level that has
/// stood for the whole window without a kill is where this program lives.
const NO_HEADROOM: f64 = 0.98;

/// Share of the limit that processes' own memory holds when it, and nothing that could be dropped, filled it: 0.73 and more in
/// 150 kernel reports of kills for heap, need or load.
pub const ANONYMOUS: f64 = 0.7;

/// Swap that rose by this share of the working set is where memory goes, not a few idle pages put away.
const SWAPPED: f64 = 0.25;
/// Swap that stands this near to its highest has not come back.
const SWAP_STILL: f64 = 0.9;

pub struct Case<'a> {
    pub incident: &'a Index<'a>,
    pub owner: Owner,
    /// Endings of this container (or of the node, for a node case), earliest first.
    pub kills: Vec<&'a Kill>,
    /// Endings that memory is not known to have caused.
    pub others: Vec<&'a OtherEnding>,
    /// Memory series of this container, headline first.
    pub trends: Vec<&'a Trend>,
    pub pod: Option<&'a Placed<PodState>>,
    pub container: Option<&'a ContainerState>,
    pub deltas: Vec<&'a PlacedDelta>,
    pub logs: Vec<&'a Placed<LogWord>>,
    /// Its memory cgroup as its files show it.
    pub cgroup: Option<CgroupState>,
    /// Heap caps in force by the specification, of the runtime that runs here.
    pub caps: Vec<RuntimeCap>,
}

impl<'a> Case<'a> {
    pub fn is_node(&self) -> bool {
        self.owner.pod.is_none() && (self.owner.node.is_some() || self.deltas.is_empty())
    }

    /// Kills at limits of containers of this node that nothing names.
    pub fn is_unnamed_container(&self) -> bool {
        self.is_node() && !self.kills.is_empty() && self.kills.iter().all(|k| at_own_limit(k))
    }

    /// Whether a thing of this owner belongs to the case; loose profiles have no owner and are one another's.
    pub fn is_mine(&self, owner: &Owner) -> bool {
        owner.same_container(&self.owner) || (self.owner.pod.is_none() && *owner == self.owner)
    }

    pub fn has(&self, need: Need) -> bool {
        match need {
            Need::Kill => !self.kills.is_empty(),
            Need::Trend => self.headline().is_some(),
            Need::Spec => self.container.is_some(),
            Need::Profiles => !self.deltas.is_empty(),
            Need::MemoryParts => {
                self.reports().any(|r| !r.what.memcg_stats.is_empty())
                    || self.headline().is_some_and(|t| t.rss_slope_bytes_per_hour.is_some() && t.cache_slope_bytes_per_hour.is_some())
            }
            Need::Node => self.is_node(),
            Need::Container => !self.is_node(),
        }
    }

    /// The series that the verdict about growth is read from: working set before RSS.
    pub fn headline(&self) -> Option<&'a Trend> {
        self.trend(WORKING_SET).or_else(|| self.trends.first().copied())
    }

    pub fn trend(&self, metric: &str) -> Option<&'a Trend> {
        self.trends.iter().copied().find(|t| t.metric == metric)
    }

    /// Kernel reports of this case's kills.
    pub fn reports(&self) -> impl Iterator<Item = &'a Placed<OomKill>> + '_ {
        self.kills.iter().filter_map(|k| k.report(self.incident))
    }

    /// Kills by which memory ran out at a limit of this container or pod.
    pub fn limit_kills(&self) -> impl Iterator<Item = &&'a Kill> + '_ {
        self.kills
            .iter()
            .filter(|k| matches!(k.kind, KillKind::MemcgContainer | KillKind::MemcgPod | KillKind::ChildProcess | KillKind::OomGroup))
    }

    /// The limit that matters: the kernel's own line first, then the specification, then the series.
    pub fn limit(&self) -> Option<f64> {
        // A limit of nothing bounds nothing, and every share of it would be infinite.
        let kernel = self.limit_kills().filter_map(|k| k.limit_bytes).filter(|b| *b > 0).last();
        let spec = self.container.and_then(|c| c.limits.memory_bytes).filter(|b| *b > 0);
        let series = || self.headline().and_then(|t| t.limit_bytes).filter(|b| *b > 0.0);
        kernel.or(spec).map(|b| b as f64).or_else(series)
    }

    /// What the charge consisted of at the last kill whose report has statistics, with that report.
    pub fn last_budget(&self) -> Option<(&'a Placed<OomKill>, Budget)> {
        self.reports().filter_map(|r| Some((r, r.what.budget()?))).last()
    }

    /// The settled level as a share of the limit, by the series.
    pub fn settled(&self) -> Option<f64> {
        let t = self.headline()?;
        Some(t.percentiles.p95_bytes.min(t.percentiles.max_bytes) / t.limit_bytes.or(self.limit()).filter(|l| *l > 0.0)?)
    }

    /// Stands at its limit and has not been killed there.
    pub fn pinned(&self) -> bool {
        self.kills.is_empty() && self.restarts_at_limit() == 0 && self.settled().is_some_and(|s| s >= PINNED)
    }

    /// Pinned, and with nothing left below the limit.
    pub fn without_headroom(&self) -> bool {
        self.pinned() && self.settled().is_some_and(|s| s >= NO_HEADROOM)
    }

    /// The trend in which RSS stood so high in the last sample before an end that no cache was left to fill the limit.
    pub fn ended_full(&self) -> Option<(&'a Trend, f64)> {
        let (t, limit) = (self.headline()?, self.limit()?);
        let rss = t.rss_end_bytes.filter(|rss| self.limit_kills().count() > 0 && *rss >= ANONYMOUS * limit)?;
        Some((t, rss))
    }

    /// Swap that takes what the working set's limit does not let in: it went on growing while the working set stood there.
    pub fn swaps_out(&self) -> Option<(&'a Trend, &'a Companion)> {
        let t = self.headline()?;
        let swap = t.companions.iter().find(|c| c.metric == "container_memory_swap")?;
        let risen = swap.last - swap.first;
        let grows = swap.slope_per_hour.is_some_and(|s| s > 0.0) && swap.last >= SWAP_STILL * swap.max;
        (grows && risen >= SWAPPED * t.percentiles.max_bytes && self.settled().is_some_and(|s| s >= PINNED)).then_some((t, swap))
    }

    /// First cites of the kills, at most `n`.
    pub fn kill_cites(&self, n: usize) -> Vec<Cite> {
        self.kills.iter().filter_map(|k| k.cite().cloned()).take(n).collect()
    }

    pub fn spec_cite(&self) -> Vec<Cite> {
        self.pod.map(|p| p.cite.clone()).into_iter().collect()
    }

    /// Restarts at the limit that only the series tell of: no kill of this container lies near them, and its status does not
    /// say that it ends otherwise.
    pub fn restarts_at_limit(&self) -> usize {
        let Some(t) = self.headline() else { return 0 };
        let last = self.container.and_then(|c| c.last.as_ref());
        if last.and_then(|l| l.exit_code).is_some_and(|code| code != 137) {
            return 0;
        }
        let step = t.window.1.0.saturating_sub(t.window.0.0) / i64::try_from(t.samples.max(1)).unwrap_or(i64::MAX);
        let slack = step.saturating_mul(3).max(5 * MINUTE);
        let near = |at: &Timestamp, k: &Kill| k.at.is_none_or(|w| w.near(&When::at(*at), slack));
        t.oom_times.iter().filter(|at| !self.kills.iter().any(|k| near(at, k))).count()
    }

    /// The limit that the last life met which only the series tell of, where it is another one now.
    pub fn limit_met(&self) -> Option<f64> {
        let lives = self.headline().filter(|_| self.restarts_at_limit() > 0 && self.limit_kills().next().is_none());
        let met = lives?.runs.iter().rev().find(|r| r.ended == Ended::Oom)?.limit_bytes?;
        (self.limit() != Some(met)).then_some(met)
    }

    /// Everything that ended here ended days before the newest thing in the input: it is history, not the incident at hand.
    pub fn is_past(&self) -> bool {
        let newest = super::verdict::newest(self.incident);
        let times = self.kill_times();
        let all_dated = times.len() == self.kills.len() && !times.is_empty();
        all_dated && times.iter().all(|t| newest.0.saturating_sub(t.0) > super::verdict::FRESH) && self.restarts_at_limit() == 0
    }

    /// Times of the kills that have one.
    pub fn kill_times(&self) -> Vec<Timestamp> {
        self.kills.iter().filter_map(|k| k.moment()).collect()
    }

    /// The pod belongs to a Job.
    pub fn is_batch(&self) -> bool {
        self.pod.is_some_and(|p| p.what.controlled_by.as_deref().is_some_and(|c| c.starts_with("Job/")))
    }

    /// An init container that the main ones still wait for: where one of them has run, it holds up no start.
    pub fn is_init(&self) -> bool {
        let ran = |c: &ContainerState| {
            c.kind == ContainerKind::Main && (c.last.is_some() || matches!(c.now.state.as_deref(), Some("running" | "terminated")))
        };
        self.container.is_some_and(|c| c.kind == ContainerKind::Init) && !self.pod.is_some_and(|p| p.what.containers.iter().any(ran))
    }

    /// The largest heap cap in force.
    pub fn cap(&self) -> Option<&RuntimeCap> {
        self.caps.iter().max_by_key(|c| c.bytes)
    }

    /// Name of the process that the kernel killed last.
    pub fn victim(&self) -> Option<&'a str> {
        self.kills.iter().rev().flat_map(|k| &k.victims).find_map(|v| v.comm.as_deref())
    }

    /// Trends of other containers of the same pod.
    pub fn siblings(&self) -> impl Iterator<Item = &'a Trend> + '_ {
        self.incident
            .trends_of(&self.owner)
            .filter(|t| t.metric == WORKING_SET && t.owner.container.is_some() && t.owner.container != self.owner.container)
    }

    /// Owner objects of this case's workload (ReplicaSets, Deployments, …).
    pub fn workloads(&self) -> impl Iterator<Item = &'a Placed<WorkloadState>> + '_ {
        self.incident.workloads.iter().filter(|w| {
            w.what.namespace == self.owner.namespace
                && self
                    .owner
                    .workload
                    .as_deref()
                    .is_some_and(|n| w.what.name == n || w.what.controlled_by.as_deref().is_some_and(|c| c.rsplit('/').next() == Some(n)))
        })
    }
}

/// Every container that was killed, that has a series worth judging or profiles, and every node on which something died.
pub fn cases<'a>(incident: &'a Index<'a>) -> Vec<Case<'a>> {
    let mut containers = BTreeSet::new();
    let mut nodes = BTreeSet::new();
    for k in &incident.kills {
        match (&k.owner.pod, &k.owner.container) {
            (Some(_), Some(_)) => drop(containers.insert(k.owner.clone())),
            (None, _) if at_own_limit(k) => {}
            (None, _) => drop(k.owner.node.as_deref().map(|n| nodes.insert(n.to_owned()))),
            // A pod-level ending concerns each of its containers.
            (Some(_), None) => containers.extend(members(incident, &k.owner)),
        }
        if matches!(k.kind, KillKind::NodeOom | KillKind::Eviction | KillKind::MemcgService | KillKind::UserspaceOomd)
            && let Some(n) = &k.owner.node
        {
            nodes.insert(n.clone());
        }
        if k.kind == KillKind::MemcgPod {
            containers.extend(members(incident, &k.owner));
        }
    }
    for t in &incident.trends {
        match (&t.owner.pod, &t.owner.container) {
            (Some(_), Some(_)) => drop(containers.insert(t.owner.clone())),
            (None, _) => drop(t.owner.node.as_deref().map(|n| nodes.insert(n.to_owned()))),
            // A pod whose containers nothing shows is a case of its own.
            (Some(_), None) if !incident.trends_of(&t.owner).any(|o| o.owner.container.is_some()) => {
                containers.insert(t.owner.clone());
            }
            _ => {}
        }
    }
    nodes.extend(super::processes::growing(incident).into_iter().map(|g| g.node.to_owned()));
    let mut heard = ByPod::of(containers.iter());
    for o in incident.other_endings.iter().filter(|o| !o.stop || o.code == Some(137)) {
        // A pod's own ending is heard with those containers of it that are heard anyway.
        if o.owner.container.is_some() || heard.get(&o.owner).is_empty() {
            heard.add(&o.owner, 0);
            containers.insert(o.owner.clone());
        }
    }
    // What the kernel slows down at its limit has not ended, and is in trouble all the same.
    let slow = |c: &&Placed<CgroupReading>| CgroupState::of(incident, &c.owner).is_some_and(|s| s.stalls());
    let counted = incident.cgroups.iter().filter(|c| c.owner.container.is_some() && c.what.values.get("high").is_some_and(|n| *n > 0));
    containers.extend(counted.filter(slow).map(|c| c.owner.clone()));
    containers.extend(incident.deltas.iter().filter(|d| d.owner.container.is_some()).map(|d| d.owner.clone()));
    // One container may be known with and without its node or workload: keep the fullest owner.
    let mut owners: Vec<Owner> = Vec::new();
    let mut by_pod = ByPod::default();
    for o in containers {
        let have = by_pod.get(&o).iter().copied().find(|i| owners.get(*i).is_some_and(|have| have.same_container(&o)));
        match have.and_then(|i| owners.get_mut(i)) {
            Some(have) => {
                have.workload = have.workload.take().or(o.workload);
                have.node = have.node.take().or(o.node);
            }
            None => {
                by_pod.add(&o, owners.len());
                owners.push(o);
            }
        }
    }
    // Profiles without a pod around them are a case too, where there is no other.
    if owners.is_empty() && nodes.is_empty() {
        let loose: BTreeSet<&Owner> = incident.deltas.iter().filter(|d| !d.what.suspects.is_empty()).map(|d| &d.owner).collect();
        owners.extend(loose.into_iter().filter(|o| o.node.is_none()).cloned());
    }
    let mut cases: Vec<Case<'_>> =
        owners.into_iter().map(|o| container_case(incident, o)).chain(nodes.iter().map(|n| node_case(incident, n))).collect();
    // Nothing that was killed goes unheard: a kill whose container or node nobody names is a case of its own.
    let mut heard: BTreeSet<*const Kill> = cases.iter().flat_map(|c| &c.kills).map(|k| std::ptr::from_ref(*k)).collect();
    for k in &incident.incident().kills {
        if heard.insert(k) {
            match cases.iter_mut().find(|c| c.owner == k.owner && (k.owner.pod.is_some() || c.is_unnamed_container() || !at_own_limit(k))) {
                Some(c) => c.kills.push(k),
                None if k.owner.pod.is_some() => {
                    let case = container_case(incident, k.owner.clone());
                    heard.extend(case.kills.iter().map(|k| std::ptr::from_ref(*k)));
                    cases.push(case);
                }
                None => cases.push(Case { kills: vec![k], ..bare_case(incident, k.owner.clone()) }),
            }
        }
    }
    cases
}

/// A kill at the limit of a container, whoever's it was.
fn at_own_limit(k: &Kill) -> bool {
    matches!(k.kind, KillKind::MemcgContainer | KillKind::MemcgPod | KillKind::ChildProcess | KillKind::OomGroup)
}

/// A case of which nothing but its owner is known.
pub(super) fn bare_case<'a>(incident: &'a Index<'a>, owner: Owner) -> Case<'a> {
    Case {
        incident,
        owner,
        kills: Vec::new(),
        others: Vec::new(),
        trends: Vec::new(),
        pod: None,
        container: None,
        deltas: Vec::new(),
        logs: Vec::new(),
        cgroup: None,
        caps: Vec::new(),
    }
}

fn members(incident: &Index<'_>, pod: &Owner) -> Vec<Owner> {
    let Some(p) = incident.pods_of(pod).find(|p| !p.what.containers.is_empty()) else { return Vec::new() };
    p.what
        .containers
        .iter()
        .filter(|c| matches!(c.kind, ContainerKind::Main | ContainerKind::Sidecar))
        .map(|c| Owner { container: Some(c.name.clone()), ..p.owner.clone() })
        .collect()
}

fn container_case<'a>(incident: &'a Index<'a>, owner: Owner) -> Case<'a> {
    let pod = incident.pods_of(&owner).max_by_key(|p| p.what.containers.len());
    let container = pod.and_then(|p| p.what.containers.iter().find(|c| Some(&c.name) == owner.container.as_ref()));
    let mine = |o: &Owner| o.container == owner.container || o.container.is_none();
    // Loose profiles, and kills that nobody owns, have no pod to be found by.
    let (kills, deltas): (Vec<&Kill>, Vec<&PlacedDelta>) = match owner.pod {
        Some(_) => (
            incident.kills_of(&owner).filter(|k| k.concerns(&owner)).collect(),
            incident.deltas_of(&owner).filter(|d| d.owner.same_container(&owner)).collect(),
        ),
        None => (
            incident.incident().kills.iter().filter(|k| k.concerns(&owner)).collect(),
            incident.incident().deltas.iter().filter(|d| d.owner == owner).collect(),
        ),
    };
    let mut caps = container.map(|c| caps_of(c, &kills)).unwrap_or_default();
    // What the runtime says of itself is what is in force.
    if let Some(own) = told_cap(incident, &owner) {
        caps.retain(|c| c.runtime != own.runtime);
        caps.push(own);
    }
    Case {
        incident,
        others: incident.others_of(&owner).filter(|o| mine(&o.owner)).collect(),
        trends: incident.trends_of(&owner).filter(|t| t.owner.same_container(&owner)).collect(),
        deltas,
        logs: incident.logs_of(&owner).filter(|l| mine(&l.owner)).collect(),
        cgroup: CgroupState::of(incident, &owner),
        caps,
        kills,
        pod,
        container,
        owner,
    }
}

/// The caps of the program that runs: the victim's name tells it, else the command. A flag of another runtime caps nothing.
fn caps_of(c: &ContainerState, kills: &[&Kill]) -> Vec<RuntimeCap> {
    let victim = kills.iter().rev().flat_map(|k| &k.victims).find_map(|v| Runtime::of_program(v.comm.as_deref()?));
    let runs = victim.or_else(|| flags::program(c));
    let mut caps = flags::caps(c);
    caps.retain(|cap| runs.is_none_or(|r| r == cap.runtime));
    caps
}

/// The heap's maximum as the head of the collector's log states it.
fn told_cap(incident: &Index<'_>, owner: &Owner) -> Option<RuntimeCap> {
    let alone = |o: &Owner| o.container.is_none() && o.same_pod(owner) && members(incident, owner).len() == 1;
    let mine = |o: &Owner| o.same_container(owner) || alone(o);
    let told = incident.logs_of(owner).filter(|l| l.what.pattern == LogPattern::GcReport && mine(&l.owner));
    told.filter_map(|l| {
        let (_, bytes) = l.what.numbers.iter().find(|(name, bytes)| *name == "heap_max_bytes" && *bytes >= 1.0)?;
        let bytes = *bytes as u64;
        let flag = format!("-XX:MaxHeapSize={bytes}");
        Some(RuntimeCap { runtime: Runtime::Java, flag, bytes, soft: false, cite: Some(l.cite.clone()) })
    })
    .next_back()
}

fn node_case<'a>(incident: &'a Index<'a>, node: &str) -> Case<'a> {
    let owner = Owner::node(node);
    let on_node = |o: &Owner| o.node.as_deref() == Some(node);
    Case {
        incident,
        // A container that nobody names is no node's trouble.
        kills: incident.kills.iter().filter(|k| k.concerns(&owner) && (k.owner.pod.is_some() || !at_own_limit(k))).collect(),
        trends: incident.trends.iter().filter(|t| t.owner.pod.is_none() && on_node(&t.owner)).collect(),
        logs: incident.logs.iter().filter(|l| l.owner.pod.is_none() && on_node(&l.owner)).collect(),
        ..bare_case(incident, owner)
    }
}
