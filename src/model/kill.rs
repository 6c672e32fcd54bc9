//! An ending of a process or container as its witnesses tell it: who saw it, what each of them says, and what speaks against
//! the reading. The words are those of `kills[]` in docs/json.md.

use super::incident::Incident;
use super::oom::{KillKind, LimitLevel, OomKill, Victim};
use super::quantity::Bytes;
use super::source::Cite;
use super::time::{HOUR, When, WrittenTime};
use super::{Owner, Placed, Timestamp};

/// Who tells of an ending; each is independent of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    Kernel,
    ContainerStatus,
    PodStatus,
    Event,
    KubeletLog,
    RuntimeLog,
    NodeLog,
    ApplicationLog,
    NodeReport,
    ServiceManager,
    Metrics,
    RestartCounter,
    CgroupCounter,
    NodeCondition,
}

impl Witness {
    /// In the order of docs/json.md.
    pub const ALL: [Witness; 14] = [
        Witness::Kernel,
        Witness::ContainerStatus,
        Witness::PodStatus,
        Witness::Event,
        Witness::KubeletLog,
        Witness::RuntimeLog,
        Witness::NodeLog,
        Witness::ApplicationLog,
        Witness::NodeReport,
        Witness::ServiceManager,
        Witness::Metrics,
        Witness::RestartCounter,
        Witness::CgroupCounter,
        Witness::NodeCondition,
    ];

    /// The word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            Witness::Kernel => "kernel",
            Witness::ContainerStatus => "container status",
            Witness::PodStatus => "pod status",
            Witness::Event => "event",
            Witness::KubeletLog => "kubelet log",
            Witness::RuntimeLog => "runtime log",
            Witness::NodeLog => "node log",
            Witness::ApplicationLog => "application log",
            Witness::NodeReport => "Node.js report",
            Witness::ServiceManager => "service manager",
            Witness::Metrics => "metrics",
            Witness::RestartCounter => "restart counter",
            Witness::CgroupCounter => "cgroup counter",
            Witness::NodeCondition => "node condition",
        }
    }

    /// Where evidence of this witness comes from: the word by which the report counts sources that agree.
    pub fn source(self) -> &'static str {
        match self {
            Witness::Kernel => "Kernel",
            Witness::ContainerStatus | Witness::PodStatus | Witness::Event => "Kubernetes",
            Witness::ApplicationLog => "Logs",
            Witness::Metrics | Witness::RestartCounter => "Prometheus",
            Witness::KubeletLog
            | Witness::RuntimeLog
            | Witness::NodeLog
            | Witness::NodeReport
            | Witness::ServiceManager
            | Witness::CgroupCounter
            | Witness::NodeCondition => "Node",
        }
    }
}

/// One statement about an ending.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Who tells it; `None` for what bears on the ending without being one of its witnesses.
    pub by: Option<Witness>,
    pub cite: Cite,
    pub says: String,
}

impl Told {
    pub fn by(witness: Witness, cite: Cite, says: impl Into<String>) -> Self {
        Told { by: Some(witness), cite, says: says.into() }
    }

    pub fn aside(cite: Cite, says: impl Into<String>) -> Self {
        Told { by: None, cite, says: says.into() }
    }
}

/// One ending of a process or container, joined from all witnesses: an entry of `kills[]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kill {
    pub at: Option<When>,
    pub kind: KillKind,
    pub owner: Owner,
    pub victims: Vec<Victim>,
    pub limit_level: Option<LimitLevel>,
    /// The limit in force at the kill.
    pub limit_bytes: Option<Bytes>,
    /// How that limit is known, in words; empty without one.
    pub limit_basis: &'static str,
    /// The limit that the specification sets today, where it is another one, and why the two differ.
    pub limit_now: Option<LimitNow>,
    pub usage_bytes: Option<Bytes>,
    /// Reports folded into this entry.
    pub count: u64,
    /// Time of the last folded report, where there are several.
    pub last: Option<When>,
    /// The time as the kernel's log writes it, where nothing dates that log.
    pub written: Option<WrittenTime>,
    pub exit_code: Option<i32>,
    /// The container, where neither a status nor the kernel's report names it: 64 hex digits.
    pub container_id: Option<String>,
    /// Start of the run that ended here, where known.
    pub started: Option<Timestamp>,
    /// Index into [`Incident::oom_reports`] of the kernel's report, if there is one.
    pub report: Option<usize>,
    /// What each witness says, and behind them what else bears on it.
    pub told: Vec<Told>,
    /// What speaks against this reading, or does not fit it.
    pub against: Vec<Told>,
}

/// A limit that was changed after a kill.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitNow {
    pub bytes: Bytes,
    /// What was changed, in words: a resize, a rollout, a patched template.
    pub why: String,
    pub cite: Cite,
}

/// Moments that are known less well than this are spans: nothing is reckoned from their middle.
const MOMENT: i64 = 2 * HOUR;

impl Kill {
    /// Whether it is told of when this container, pod or node is spoken of: a container's own endings and those of its whole
    /// pod; of a node, what ended outside pods and what the node's want of memory took.
    pub fn concerns(&self, whom: &Owner) -> bool {
        if whom.pod.is_some() {
            let of_pod = self.owner.container.is_none() || self.kind == KillKind::MemcgPod;
            return self.owner.same_container(whom) || self.owner.same_pod(whom) && of_pod;
        }
        let of_node = || self.owner.pod.is_none() || matches!(self.kind, KillKind::NodeOom | KillKind::Eviction | KillKind::UserspaceOomd);
        match &whom.node {
            Some(node) => self.owner.node.as_ref() == Some(node) && of_node(),
            None => self.owner == *whom,
        }
    }

    /// When it was, where that is known well enough to reckon with.
    pub fn moment(&self) -> Option<Timestamp> {
        self.at.filter(|w| w.width() <= MOMENT)?.mid()
    }

    /// One more witness. Each is heard once, before whatever else bears on the kill: what it says again adds nothing.
    pub fn hear(&mut self, who: Witness, cite: Cite, says: impl Into<String>) {
        if !self.is_told_by(who) {
            let heard = self.witnesses().count();
            self.told.insert(heard.min(self.told.len()), Told::by(who, cite, says));
        }
    }

    /// Which witnesses agree, in the order in which they were heard.
    pub fn witnesses(&self) -> impl Iterator<Item = Witness> {
        self.told.iter().filter_map(|t| t.by)
    }

    /// Endings it stands for: an event of a probe, a counter of children or of a node's kills as many as it counts; the reports
    /// of one storm are one.
    pub fn endings(&self) -> u64 {
        let counter = match self.kind {
            KillKind::ProbeKill | KillKind::ChildProcess => self.report.is_none(),
            KillKind::NodeOom => self.report.is_none() && self.is_told_by(Witness::Metrics),
            _ => false,
        };
        if counter { self.count.max(1) } else { 1 }
    }

    pub fn is_told_by(&self, who: Witness) -> bool {
        self.witnesses().any(|w| w == who)
    }

    /// The kernel itself tells of it.
    pub fn is_told_by_kernel(&self) -> bool {
        self.is_told_by(Witness::Kernel)
    }

    /// Where its first witness stands.
    pub fn cite(&self) -> Option<&Cite> {
        self.told.first().map(|t| &t.cite)
    }

    /// What its first witness says.
    pub fn says(&self) -> Option<&str> {
        self.told.first().map(|t| t.says.as_str())
    }

    /// The kernel's own report of it.
    pub fn report<'a>(&self, incident: &'a Incident) -> Option<&'a Placed<OomKill>> {
        incident.oom_reports.get(self.report?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_list_every_witness() {
        let page = include_str!("../../docs/json.md");
        let line = page.lines().find_map(|l| l.strip_prefix("- `witnesses[]`: ")).unwrap_or_default();
        // What stands in brackets explains a word.
        let words: String = line.split('(').map(|part| part.rsplit(')').next().unwrap_or(part)).collect();
        let listed: Vec<&str> = words.split('`').skip(1).step_by(2).collect();
        assert_eq!(listed, Witness::ALL.map(Witness::word));
    }

    #[test]
    fn a_witness_is_heard_once_and_before_what_bears_on_the_kill() {
        let told =
            vec![Told::by(Witness::ContainerStatus, Cite::default(), "status"), Told::aside(Cite::default(), "an event that bears on it")];
        let mut k = Kill { told, ..Kill::default() };
        k.hear(Witness::KubeletLog, Cite::default(), "died");
        k.hear(Witness::KubeletLog, Cite::default(), "died again");
        let said: Vec<_> = k.told.iter().map(|t| (t.by, t.says.as_str())).collect();
        let expected =
            [(Some(Witness::ContainerStatus), "status"), (Some(Witness::KubeletLog), "died"), (None, "an event that bears on it")];
        assert_eq!(said, expected);
    }
}
