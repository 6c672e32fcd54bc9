//! The kill ledger: what each witness counted for one container, pod, service or node, and why they differ.
//!
//! The kernel log names processes; `memory.events` counts every kill in the cgroup (the first victim of a group kill
//! twice, as measured on 5.10 to 6.12); the runtime may lose, double or delay its notice; Kubernetes keeps only the last
//! termination and sees nothing while the container's first process lives. Refuses to call a difference a loss where a
//! counter began anew with the container.

use crate::model::incident::{Difference, Gap, LedgerRow};
use crate::model::kill::{Kill, Witness};
use crate::model::log::LogPattern;
use crate::model::oom::KillKind;
use crate::model::{Cite, Incident, Owner};
use std::collections::BTreeMap;

/// What was counted for one owner.
#[derive(Debug, Default)]
struct Tally {
    /// Kernel reports.
    kernel: u64,
    /// Processes they name; a group kill's first victim twice, as the counter takes it.
    processes: u64,
    children: u64,
    groups: u64,
    lost_reports: u64,
    folded: u64,
    /// `oom_kill` of memory.events (v2) or memory.oom_control (v1), by container id.
    counter: Option<u64>,
    v1: bool,
    /// The counter's cgroup is of another container than some kernel kills: it began anew.
    other_instance: u64,
    task_oom: u64,
    status: u64,
    events: u64,
    metric: Option<u64>,
    restarts: Option<u64>,
    cites: Vec<Cite>,
}

const CITES: usize = 6;

impl Tally {
    fn cite(&mut self, c: &Cite) {
        if self.cites.len() < CITES {
            self.cites.push(c.clone());
        }
    }
}

/// Fills [`Incident::ledger`] with one row per owner that any witness saw killed, in owner order.
pub fn balance(incident: &mut Incident) {
    let mut rows: BTreeMap<Owner, Tally> = BTreeMap::new();
    for k in &incident.kills {
        count_kill(incident, k, &mut rows);
    }
    counters(incident, &mut rows);
    for l in incident.logs.iter().filter(|l| l.what.pattern == LogPattern::TaskOom && l.owner.pod.is_some()) {
        let t = rows.entry(subject(&l.owner)).or_default();
        t.task_oom += 1;
        t.cite(&l.cite);
    }
    metrics(incident, &mut rows);
    restarts(incident, &mut rows);
    let unseen = unseen(incident);
    let ledger: Vec<LedgerRow> = rows.into_iter().filter_map(|(owner, t)| row(owner, t, &unseen)).collect();
    incident.ledger = ledger;
}

/// Node names do not tell containers of one pod apart; everything else of the owner does.
fn subject(owner: &Owner) -> Owner {
    if owner.pod.is_some() { Owner { node: None, workload: None, ..owner.clone() } } else { owner.clone() }
}

fn count_kill(incident: &Incident, k: &Kill, rows: &mut BTreeMap<Owner, Tally>) {
    if !k.kind.is_memory() || matches!(k.kind, KillKind::RuntimeAbort | KillKind::Eviction) {
        return;
    }
    let t = rows.entry(subject(&k.owner)).or_default();
    if let Some(r) = k.report(incident) {
        t.kernel += k.count.max(1);
        let named = k.victims.len().max(1) as u64;
        let group = r.what.group_kill && k.victims.len() > 1;
        t.processes += k.count.max(1) * (named + u64::from(group));
        t.groups += u64::from(group);
        t.children += u64::from(k.kind == KillKind::ChildProcess) * k.count.max(1);
        t.lost_reports += u64::from(r.what.report_lost);
        t.folded += k.count.saturating_sub(1);
    }
    t.status += u64::from(k.is_told_by(Witness::ContainerStatus));
    t.events += u64::from(k.is_told_by(Witness::Event));
    if let Some(cite) = k.cite() {
        t.cite(cite);
    }
}

/// The cgroup's own counters. A parent's v2 counter includes its children, so each row takes the reading of its own level.
fn counters(incident: &Incident, rows: &mut BTreeMap<Owner, Tally>) {
    for c in &incident.cgroups {
        let v1 = c.what.file == "memory.oom_control";
        if !v1 && c.what.file != "memory.events" {
            continue;
        }
        let Some(&n) = c.what.values.get("oom_kill") else { continue };
        let owner = subject(&c.owner);
        if owner == Owner::default() || (n == 0 && !rows.contains_key(&owner)) {
            continue;
        }
        let own_level =
            if owner.container.is_some() { c.what.identity.container_id.is_some() } else { c.what.identity.container_id.is_none() };
        if owner.pod.is_some() && !own_level {
            continue;
        }
        let other = incident
            .oom_reports
            .iter()
            .filter(|r| subject(&r.owner) == owner && c.what.identity.container_id.is_some())
            .filter(|r| r.what.identity.container_id.is_some() && r.what.identity.container_id != c.what.identity.container_id)
            .count() as u64;
        let t = rows.entry(owner).or_default();
        if t.counter.is_none_or(|old| n > old) {
            t.counter = Some(n);
            t.v1 = v1;
            t.other_instance = other;
            t.cite(&c.cite);
        }
    }
}

/// `container_oom_events_total` of cAdvisor and the node's `node_vmstat_oom_kill`: their rises, resets counted from 0.
/// Two replicas of a Prometheus, or two jobs that scrape one cAdvisor, tell of the same rise.
fn metrics(incident: &Incident, rows: &mut BTreeMap<Owner, Tally>) {
    let mut rises: BTreeMap<(Owner, String), (u64, &Cite)> = BTreeMap::new();
    for s in &incident.series {
        let node = s.what.metric == "node_vmstat_oom_kill";
        if !node && s.what.metric != "container_oom_events_total" {
            continue;
        }
        let mut last: Option<f64> = None;
        let mut rise = 0.0;
        for (_, v) in s.what.finite() {
            rise += last.map_or(0.0, |l| if v >= l { v - l } else { v });
            last = Some(v);
        }
        if last.is_none() || !(0.0..1e15).contains(&rise) {
            continue;
        }
        let owner = if node { Owner { node: s.owner.node.clone(), ..Owner::default() } } else { subject(&s.owner) };
        if owner == Owner::default() || (rise < 0.5 && !rows.contains_key(&owner)) {
            continue;
        }
        // Incarnations of one container differ by their cgroup and add up.
        let incarnation = s.what.label("id").or_else(|| s.what.label("name")).filter(|_| !node).unwrap_or("").to_owned();
        let slot = rises.entry((owner, incarnation)).or_insert((0, &s.cite));
        if rise.round() as u64 > slot.0 {
            *slot = (rise.round() as u64, &s.cite);
        }
    }
    for ((owner, _), (rise, cite)) in rises {
        let t = rows.entry(owner).or_default();
        t.metric = Some(t.metric.unwrap_or(0).saturating_add(rise));
        t.cite(cite);
    }
}

fn restarts(incident: &Incident, rows: &mut BTreeMap<Owner, Tally>) {
    for p in &incident.pods {
        for c in &p.what.containers {
            let owner = subject(&Owner { container: Some(c.name.clone()), ..p.owner.clone() });
            if let Some(t) = rows.get_mut(&owner) {
                t.restarts = t.restarts.max(c.restart_count);
            }
        }
    }
}

/// Kernel and journal messages that are known to be lost, by node; the empty name is a log that names none.
fn unseen(incident: &Incident) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for l in incident.logs.iter().filter(|l| l.what.pattern == LogPattern::MessagesLost) {
        let lost = l.what.numbers.iter().find(|(k, _)| *k == "lost").map_or(0.0, |n| n.1);
        let slot = out.entry(l.owner.node.clone().unwrap_or_default()).or_insert(0u64);
        *slot = slot.saturating_add(lost as u64);
    }
    out
}

fn row(owner: Owner, t: Tally, unseen: &BTreeMap<String, u64>) -> Option<LedgerRow> {
    let counts = counts(&owner, &t);
    if counts.iter().all(|c| c.1 == 0) {
        return None;
    }
    let differences = differences(&owner, &t, unseen);
    let says = sentence(&owner, &t, &differences);
    Some(LedgerRow { owner, counts, differences, says, cites: t.cites })
}

/// Every witness that there is, with its count.
fn counts(owner: &Owner, t: &Tally) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = vec![("kernel log".into(), t.kernel)];
    if let Some(n) = t.counter {
        counts.push((if t.v1 { "memory.oom_control oom_kill" } else { "memory.events oom_kill" }.into(), n));
    }
    if t.task_oom > 0 {
        counts.push(("runtime TaskOOM".into(), t.task_oom));
    }
    if owner.container.is_some() {
        counts.push(("container status".into(), t.status));
    }
    if t.events > 0 {
        counts.push(("events".into(), t.events));
    }
    if let Some(n) = t.metric {
        counts.push(("Prometheus counter".into(), n));
    }
    counts
}

/// Why the witnesses differ. A kill that the counter has and the log lacks is lost; one that the log has and Kubernetes
/// lacks is invisible (the container lived on) or overwritten (the status keeps one ending only).
fn differences(owner: &Owner, t: &Tally, unseen: &BTreeMap<String, u64>) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut differ = |kind: Gap, count: u64, reason: String| {
        if count > 0 {
            out.push(Difference { kind, count, reason });
        }
    };
    let container = owner.container.is_some();
    let kubernetes = t.status.max(t.events);
    if let Some(n) = t.counter {
        if n > t.processes {
            let own = unseen.get(owner.node.as_deref().unwrap_or("")).copied();
            let lost = own.or_else(|| unseen.values().copied().max()).unwrap_or(0);
            let why = if lost > 0 {
                format!("the log itself says that {lost} messages were lost")
            } else if t.kernel == 0 {
                "no kernel log of this node covers them".to_owned()
            } else {
                "the log was rate-limited or rotated, or begins later".to_owned()
            };
            differ(Gap::Lost, n - t.processes, why);
        } else if n < t.processes && t.v1 {
            differ(Gap::CounterRestarted, t.processes - n, "cgroup v1 does not count the kills of child cgroups".into());
        } else if n < t.processes {
            let why = if t.other_instance > 0 {
                "the counter began anew with the present container; these were kills of earlier ones"
            } else {
                "the counter counts from the creation of its cgroup only"
            };
            differ(Gap::CounterRestarted, t.processes - n, why.into());
        }
        if n >= t.processes {
            differ(Gap::CountedTwice, t.groups, "a group kill counts its first victim twice".into());
        }
    }
    if container && t.kernel > kubernetes {
        let missing = t.kernel - kubernetes;
        let children = t.children.min(missing);
        differ(Gap::Invisible, children, "a child process died and the container lived on".into());
        differ(Gap::Overwritten, missing - children, "the status keeps only the last termination".into());
    }
    if container && kubernetes > t.kernel {
        let why = if t.counter.is_some_and(|n| n > t.processes) {
            "Kubernetes calls the ending OOMKilled and the counter agrees; the kernel's report is not in this bundle"
        } else {
            "Kubernetes calls the ending OOMKilled and no kernel report of it is in this bundle"
        };
        differ(Gap::UnexplainedStatus, kubernetes - t.kernel, why.into());
    }
    if t.task_oom > 0 && t.task_oom != t.kernel {
        differ(Gap::RuntimeNotice, t.task_oom.abs_diff(t.kernel), "notices of the runtime get lost or doubled".into());
    }
    if let Some(n) = t.metric.filter(|n| *n != t.kernel) {
        differ(
            Gap::Metric,
            n.abs_diff(t.kernel),
            if n < t.kernel {
                "the metric's series ends with the container before the next scrape"
            } else {
                "the kernel log does not cover the metric's whole window, or processes were killed together"
            }
            .into(),
        );
    }
    differ(Gap::ReportLost, t.lost_reports, "only the last line is there: the kernel's rate limit dropped the report".into());
    differ(Gap::Folded, t.folded, "repeated reports of one incident are one entry".into());
    out
}

/// `9 by the counter, 7 in the log, 1 in Kubernetes: 2 lost, 6 invisible`, and then why.
fn sentence(owner: &Owner, t: &Tally, differences: &[Difference]) -> String {
    let mut head: Vec<String> = Vec::new();
    head.extend(t.counter.map(|n| format!("{n} by the counter")));
    head.push(format!("{} in the log", t.kernel));
    if t.task_oom > 0 {
        head.push(format!("{} by the runtime", t.task_oom));
    }
    if owner.container.is_some() || t.events > 0 {
        head.push(format!("{} in Kubernetes", t.status.max(t.events)));
    }
    head.extend(t.metric.map(|n| format!("{n} by Prometheus")));
    let head = head.join(", ");
    let restarts = t
        .restarts
        .filter(|n| *n > t.status.max(t.events) && owner.container.is_some())
        .map(|n| format!("The container restarted {n} {} in all.", if n == 1 { "time" } else { "times" }));
    if differences.is_empty() {
        let tail = restarts.map_or(String::new(), |r| format!(". {r}"));
        return format!("{head}: all agree{tail}");
    }
    let word = |d: &Difference| match d.kind {
        Gap::Lost => format!("{} lost", d.count),
        Gap::Invisible => format!("{} invisible", d.count),
        Gap::Overwritten => format!("{} overwritten", d.count),
        Gap::UnexplainedStatus => format!("{} without a report", d.count),
        Gap::CounterRestarted => format!("{} not counted", d.count),
        Gap::CountedTwice => format!("{} counted twice", d.count),
        Gap::RuntimeNotice => format!("{} runtime notices off", d.count),
        Gap::Metric => format!("{} off in Prometheus", d.count),
        Gap::ReportLost => format!("{} with the last line only", d.count),
        Gap::Folded => format!("{} folded", d.count),
    };
    let short: Vec<String> = differences.iter().map(word).collect();
    let name = |d: &Difference| word(d).trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned();
    let why: Vec<String> = differences.iter().map(|d| format!("{}: {}", name(d), d.reason)).collect();
    let tail = restarts.map_or(String::new(), |r| format!(". {r}"));
    format!("{head}: {} ({}){tail}", short.join(", "), why.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Placed;
    use crate::model::cgroup::CgroupReading;
    use crate::model::kill::Told;
    use crate::model::oom::{CgroupIdentity, OomKill, Victim};
    use crate::model::{Claim, When};

    fn owner() -> Owner {
        Owner { namespace: Some("shop".into()), pod: Some("cart-0".into()), container: Some("api".into()), ..Owner::default() }
    }

    fn placed<T>(what: T) -> Placed<T> {
        Placed { at: When::unknown(), owner: owner(), who: Claim::default(), cite: Cite::default(), what }
    }

    #[test]
    fn lost_and_invisible_kills_are_told_apart() {
        let mut incident = Incident::default();
        for i in 0..7u32 {
            let victim = Victim { pid: Some(100 + i), ..Victim::default() };
            incident.oom_reports.push(placed(OomKill { victims: vec![victim.clone()], count: 1, ..OomKill::default() }));
            incident.kills.push(Kill {
                kind: if i < 6 { KillKind::ChildProcess } else { KillKind::MemcgContainer },
                owner: owner(),
                victims: vec![victim],
                count: 1,
                report: Some(i as usize),
                told: [Witness::Kernel, Witness::ContainerStatus]
                    .into_iter()
                    .take(if i < 6 { 1 } else { 2 })
                    .map(|w| Told::by(w, Cite::default(), ""))
                    .collect(),
                ..Kill::default()
            });
        }
        let mut values = BTreeMap::new();
        values.insert("oom_kill".to_owned(), 9);
        let identity = CgroupIdentity { container_id: Some("c".into()), pod_uid: None };
        incident.cgroups.push(placed(CgroupReading { file: "memory.events".into(), values, identity, ..CgroupReading::default() }));
        balance(&mut incident);
        let row = incident.ledger.first().cloned().unwrap_or_default();
        assert_eq!(row.counts, [("kernel log".to_owned(), 7), ("memory.events oom_kill".into(), 9), ("container status".into(), 1)]);
        assert!(row.says.starts_with("9 by the counter, 7 in the log, 1 in Kubernetes: 2 lost, 6 invisible (lost: "), "{}", row.says);
        let kinds: Vec<_> = row.differences.iter().map(|d| (d.kind, d.count)).collect();
        assert_eq!(kinds, [(Gap::Lost, 2), (Gap::Invisible, 6)]);
    }
}
