//! Who and what held a node's memory when it ran out, by the kernel's own report of it: the balance of its RAM, and the
//! processes of its task table put together as pods. An aggressor is who stands above its memory request, not who is large:
//! the scheduler placed requests, and what goes beyond them is what the node had not promised.
//!
//! A process of the table names no cgroup, so its pod is found by its name and by `oom_score_adj`, which the kubelet derives
//! from the request (pkg/kubelet/qos/policy.go). Where that leaves two pods open, it stays a process.

use super::case::Case;
use crate::model::oom::{LimitLevel, OomKill, Task};
use crate::model::pod::{ContainerKind, ContainerState};
use crate::model::quantity::{Bytes, human};
use crate::model::ram::{RamBudget, RamPart};
use crate::model::runtime::Runtime;
use crate::model::{Owner, Placed};
use std::collections::BTreeMap;

/// "Most of it" is more than half, and nothing less.
const MOST: f64 = 0.5;
/// A part of RAM that no process holds is the finding from here on, if no other part is larger.
const LARGE_PART: f64 = 0.25;
/// Who stands less than this share of the whole above its request did not take the node.
pub const ABOVE: f64 = 0.1;

/// `oom_score_adj` as the kubelet sets it.
mod adj {
    pub const GUARANTEED: i32 = -997;
    pub const SANDBOX: i32 = -998;
    pub const BEST_EFFORT: i32 = 1000;
    pub const BURSTABLE: std::ops::RangeInclusive<i32> = 2..=999;
}

/// Processes of one container, or of one container of several replicas, or of one name where no pod is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// The pod, where one is known; with its controller's kind and name where several share the name.
    pub pods: Vec<Owner>,
    pub controller: Option<String>,
    pub comm: String,
    pub processes: usize,
    pub bytes: Bytes,
    /// Memory request of all its pods; `None` for what no scheduler placed.
    pub request: Option<Bytes>,
    /// The request is read from `oom_score_adj`.
    pub estimated: bool,
    /// Largest memory limit of one of its containers.
    pub limit: Option<Bytes>,
}

impl Holder {
    pub fn above(&self) -> Bytes {
        self.bytes.saturating_sub(self.request.unwrap_or(0))
    }

    /// Name among the culprits.
    pub fn called(&self) -> String {
        match (self.pods.as_slice(), &self.controller) {
            ([one], _) => short(one),
            (many, Some(c)) if !many.is_empty() => format!("{c} ({} pods)", many.len()),
            _ => self.comm.clone(),
        }
    }

    /// Whose the processes are.
    pub fn whose(&self) -> String {
        if self.pods.is_empty() { format!("the name {}", self.comm) } else { self.name() }
    }

    /// `pod data/spark-0`, `13 pods of Deployment q/worker`, `processes named java`.
    pub fn name(&self) -> String {
        match (self.pods.as_slice(), &self.controller) {
            ([], _) => format!("{} named {}", if self.processes == 1 { "a process" } else { "processes" }, self.comm),
            ([one], Some(c)) if c.starts_with("DaemonSet ") => format!("pod {} of {c}", short(one)),
            ([one], _) => format!("pod {}", short(one)),
            (many, Some(c)) => format!("{} pods of {c}", many.len()),
            ([first, ..], None) => format!("pod {} and others", short(first)),
        }
    }

    /// `on a memory request of 64.0 MiB`.
    pub fn on_request(&self) -> String {
        let about = if self.estimated { "about " } else { "" };
        match self.request {
            _ if self.pods.is_empty() && !self.estimated => "which no memory request covers".into(),
            Some(0) => "without a memory request".into(),
            Some(r) if self.pods.len() > 1 => format!("on memory requests of {about}{} together", human(r as f64)),
            Some(r) => format!("on a memory request of {about}{}", human(r as f64)),
            None => "which no memory request covers".into(),
        }
    }
}

fn short(o: &Owner) -> String {
    [&o.namespace, &o.pod].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("/")
}

/// What the memory was in, first of all.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// Not used up: free, but in pieces too small for what was asked.
    Pieces {
        free: Bytes,
        order: i32,
    },
    /// In something that no process holds.
    Part(RamPart, Bytes),
    /// The task table holds less than half of it, and what held the rest is not in the report.
    Elsewhere {
        processes: Bytes,
    },
    By(Holder),
}

pub struct NodeAccount<'a> {
    pub report: &'a Placed<OomKill>,
    /// All that there was to give: RAM, or what the node allots to pods.
    pub whole: Option<Bytes>,
    pub budget: Option<RamBudget>,
    /// Sum of the task table.
    pub processes: Bytes,
    /// Who stands above its request, furthest first.
    pub holders: Vec<Holder>,
}

/// What the case's node has, by its object or by its series.
pub fn capacity(case: &Case<'_>) -> Option<Bytes> {
    let own = case.incident.nodes.iter().filter(|n| Some(&n.what.name) == case.owner.node.as_ref());
    let measured = || case.trends.iter().filter(|t| case.owner.node.is_some() && t.owner == case.owner).find_map(|t| t.limit_bytes);
    own.filter_map(|n| n.what.capacity.memory_bytes).next().or_else(|| measured().map(|b| b as Bytes))
}

/// The account of the last report of a whole node in this case.
pub fn of<'a>(case: &Case<'a>) -> Option<NodeAccount<'a>> {
    let whole_node = |r: &&Placed<OomKill>| matches!(r.what.limit_level, Some(LimitLevel::Node | LimitLevel::Kubepods) | None);
    let report = case.reports().filter(whole_node).filter(|r| r.what.tasks.len() > 1 || !r.what.ram.values.is_empty()).last()?;
    let budget = report.what.ram.budget();
    let capacity = capacity(case).or(budget.as_ref().map(|b| b.ram_bytes));
    let whole = match report.what.limit_level {
        Some(LimitLevel::Kubepods) => report.what.limit_bytes,
        _ => budget.as_ref().map(|b| b.ram_bytes).or(capacity),
    };
    let mut holders = holders(case, report, capacity);
    holders.sort_by(|a, b| b.above().cmp(&a.above()).then(b.bytes.cmp(&a.bytes)).then_with(|| a.comm.cmp(&b.comm)));
    Some(NodeAccount { report, whole, budget, processes: report.what.total_rss(), holders })
}

impl NodeAccount<'_> {
    /// Share of the whole, or of the task table where nothing tells how much there was.
    pub fn share(&self, bytes: Bytes) -> f64 {
        bytes as f64 / self.whole.unwrap_or(self.processes).max(1) as f64
    }

    /// Name of a part of RAM among the culprits.
    pub fn called(&self, part: RamPart) -> String {
        let cache = self.report.what.ram.slabs.first().filter(|_| part == RamPart::SlabUnreclaimable);
        format!("{}{}", part.words(), cache.map_or(String::new(), |(name, _)| format!(": {name}")))
    }

    pub fn is_most(&self, bytes: Bytes) -> bool {
        self.share(bytes) > MOST
    }

    /// What to name first; `None` where nothing stands out.
    pub fn held(&self) -> Option<Held> {
        let o = &self.report.what;
        if let Some((free, order)) = o.ram.fragmented(o.gfp_order).zip(o.gfp_order) {
            return Some(Held::Pieces { free, order });
        }
        let whole_node = o.limit_level != Some(LimitLevel::Kubepods);
        match self.budget.as_ref().and_then(RamBudget::largest) {
            // What processes and caches hold is told by process; the rest of it no kill can free.
            Some((RamPart::Anonymous | RamPart::FileCache | RamPart::SlabReclaimable, _)) | None => {}
            Some((part, bytes)) if self.share(bytes) >= LARGE_PART => return Some(Held::Part(part, bytes)),
            Some(_) => {}
        }
        if self.budget.is_none() && whole_node && self.whole.is_some() && self.share(self.processes) < MOST {
            return Some(Held::Elsewhere { processes: self.processes });
        }
        self.holders.first().filter(|h| self.share(h.above()) >= ABOVE).cloned().map(Held::By)
    }
}

/// One container of a pod of this node, as a candidate for a process.
struct Place<'a> {
    owner: Owner,
    container: &'a ContainerState,
    request: Bytes,
    adj: Option<i32>,
}

fn holders(case: &Case<'_>, report: &Placed<OomKill>, capacity: Option<Bytes>) -> Vec<Holder> {
    let places = places(case, capacity);
    let mut groups: BTreeMap<(&str, Option<i32>), Vec<&Task>> = BTreeMap::new();
    for t in &report.what.tasks {
        groups.entry((t.comm.as_str(), t.oom_score_adj)).or_default().push(t);
    }
    let mut found: BTreeMap<(Vec<Owner>, String), Holder> = BTreeMap::new();
    for ((comm, adj), tasks) in groups {
        let bytes = tasks.iter().filter_map(|t| t.rss_bytes).fold(0, Bytes::saturating_add);
        let candidates = candidates(case, report, &places, comm, adj, &tasks);
        let mut pods: Vec<Owner> = candidates.iter().map(|p| p.owner.clone()).collect();
        pods.sort();
        pods.dedup();
        pods.truncate(tasks.len().max(1));
        let (request, estimated) = match (candidates.first(), adj) {
            (Some(p), _) => (Some(p.request.saturating_mul(pods.len() as u64)), false),
            (None, Some(adj::GUARANTEED | adj::SANDBOX)) => (Some(bytes), true),
            (None, Some(adj::BEST_EFFORT)) => (Some(0), true),
            (None, Some(a)) if adj::BURSTABLE.contains(&a) => {
                let share = u64::try_from(1000 - a).unwrap_or(0);
                (capacity.map(|c| c / 1000 * share), capacity.is_some())
            }
            _ => (None, false),
        };
        let controller = pods.first().and_then(|o| {
            let c = case.incident.controller(o)?;
            Some(format!("{} {}", c.kind.word(), o.namespace.as_ref().map_or(c.name.clone(), |n| format!("{n}/{}", c.name))))
        });
        let key = (pods.clone(), if pods.is_empty() { format!("{comm} {adj:?}") } else { String::new() });
        let limit = candidates.iter().filter_map(|p| p.container.limits.memory_bytes).max();
        match found.get_mut(&key) {
            // Another program of the same container.
            Some(have) => {
                have.bytes = have.bytes.saturating_add(bytes);
                have.processes += tasks.len();
            }
            None => {
                let processes = tasks.len();
                found.insert(key, Holder { pods, controller, comm: comm.to_owned(), processes, bytes, request, estimated, limit });
            }
        }
    }
    found.into_values().collect()
}

/// Containers that run on the case's node, with the score that their requests give them.
fn places<'a>(case: &Case<'a>, capacity: Option<Bytes>) -> Vec<Place<'a>> {
    let here = |o: &Owner| case.owner.node.is_some() && o.node == case.owner.node;
    let pods = case.incident.pods.iter().filter(|p| here(&p.owner) && p.what.phase.as_deref() != Some("Succeeded"));
    pods.flat_map(|p| {
        let kinds = |c: &&ContainerState| matches!(c.kind, ContainerKind::Main | ContainerKind::Sidecar);
        p.what.containers.iter().filter(kinds).map(move |c| {
            // A request that is not set is the limit.
            let request = c.requests.memory_bytes.or(c.limits.memory_bytes).unwrap_or(0);
            let adj = match p.what.qos.as_deref() {
                Some("Guaranteed") => Some(adj::GUARANTEED),
                Some("BestEffort") => Some(adj::BEST_EFFORT),
                _ => capacity.map(|total| score(request, total)),
            };
            Place { owner: Owner { container: Some(c.name.clone()), ..p.owner.clone() }, container: c, request, adj }
        })
    })
    .collect()
}

/// `1000 - 1000 * request / capacity` within the bounds of Burstable.
fn score(request: Bytes, capacity: Bytes) -> i32 {
    let part = u128::from(request) * 1000 / u128::from(capacity.max(1));
    (1000 - i32::try_from(part).unwrap_or(1000)).clamp(3, 999)
}

/// Containers that the processes of one name and score can be of, all of one container of one workload; none where two
/// different ones are left.
fn candidates<'p, 'a>(
    case: &Case<'_>,
    report: &Placed<OomKill>,
    places: &'p [Place<'a>],
    comm: &str,
    adj: Option<i32>,
    tasks: &[&Task],
) -> Vec<&'p Place<'a>> {
    // The victim's cgroup is printed: its pod is known.
    let killed = case
        .kills
        .iter()
        .filter(|k| k.report(case.incident).is_some_and(|r| std::ptr::eq(r, report)) && k.owner.pod.is_some())
        .find(|k| k.victims.iter().any(|v| tasks.iter().any(|t| Some(t.pid) == v.pid)));
    let own = killed.and_then(|k| places.iter().find(|p| p.owner.same_container(&k.owner)));
    if let Some(own) = own.filter(|_| tasks.len() == 1) {
        return vec![own];
    }
    let near = |p: &&Place<'_>| adj.zip(p.adj).is_some_and(|(a, b)| a.abs_diff(b) <= 1);
    let by_score: Vec<&Place<'_>> = places.iter().filter(near).collect();
    let mut fits: Vec<&Place<'_>> = by_score.iter().copied().filter(|p| name_fits(comm, p.container)).collect();
    // An interpreter is called alike in every image; a score of Burstable is telling then.
    let any_program = Runtime::of_program(comm).is_some_and(|r| r != Runtime::Native);
    if fits.is_empty() && any_program && adj.is_some_and(|a| adj::BURSTABLE.contains(&a)) {
        fits = by_score;
    }
    if let Some(own) = own {
        fits.retain(|p| same_template(&p.owner, &own.owner));
        if fits.is_empty() {
            fits.push(own);
        }
    }
    let one = fits.first().is_some_and(|first| fits.iter().all(|p| same_template(&p.owner, &first.owner)));
    if one { fits } else { Vec::new() }
}

fn same_template(a: &Owner, b: &Owner) -> bool {
    a.same_container(b) || a.workload.is_some() && (&a.namespace, &a.workload, &a.container) == (&b.namespace, &b.workload, &b.container)
}

/// Whether a program may be what a container runs, by its name, its image and its command.
fn name_fits(comm: &str, c: &ContainerState) -> bool {
    let image = c.image.as_deref().and_then(|i| i.rsplit('/').next()).map(|i| i.split([':', '@']).next().unwrap_or(i));
    let command = c.command.first().and_then(|w| w.rsplit('/').next());
    let like = |name: &str| {
        let (short, long) = if name.len() < comm.len() { (name, comm) } else { (comm, name) };
        short.len() >= 3 && long.starts_with(short)
    };
    [Some(c.name.as_str()), image, command].into_iter().flatten().any(like)
}

/// The rest of `node w-1 ran out of memory`: in what it was.
pub fn clause(a: &NodeAccount<'_>, held: &Held) -> String {
    let of_whole = |bytes: Bytes| match a.whole {
        Some(w) => format!("{} of its {}", human(bytes as f64), human(w as f64)),
        None => format!("{} of the {} of its processes", human(bytes as f64), human(a.processes as f64)),
    };
    match held {
        Held::Pieces { free, order } => {
            let asked = (1u64 << (*order).clamp(0, 20)).saturating_mul(a.report.what.page_size.unwrap_or(4096));
            let who = a.report.what.trigger_comm.as_deref().unwrap_or("the kernel");
            format!(
                "{} were free, but in pieces too small for the {} in one piece that {who} asked for",
                human(*free as f64),
                human(asked as f64)
            )
        }
        Held::Part(RamPart::HugePages, bytes) => {
            let free = a.report.what.ram.get("hugepages_free").unwrap_or(0);
            let used = match bytes.saturating_sub(free) {
                0 => "none of them in use".to_owned(),
                used => format!("{} of them in use", human(used as f64)),
            };
            format!("{} were set aside as huge pages ({used})", of_whole(*bytes))
        }
        Held::Part(part, bytes) => {
            let cache = a.report.what.ram.slabs.first().filter(|s| *part == RamPart::SlabUnreclaimable && s.1 > bytes / 2);
            let cache = cache.map_or(String::new(), |(name, _)| format!(" (most of it in the cache {name})"));
            format!("{} were {}{cache}", of_whole(*bytes), part.words())
        }
        Held::Elsewhere { processes } => {
            format!("its processes held only {}, and what held the rest is not in the kernel's report", of_whole(*processes))
        }
        Held::By(h) if a.whole.is_some() && a.is_most(h.bytes) => {
            format!("most of it in {} ({}, {})", h.name(), human(h.bytes as f64), h.on_request())
        }
        Held::By(h) => format!("{} in {}, {}", of_whole(h.bytes), h.name(), h.on_request()),
    }
}
