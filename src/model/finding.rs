//! The words of a verdict: causes, evidence for and against, findings.

use super::identity::Owner;
use super::kill::Kill;
use super::source::Cite;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why memory became an incident: the closed list of `postmem.report/1` (docs/json.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    HeapLeak,
    NativeGrowth,
    LimitBelowNeed,
    LoadSpike,
    LoadGrowth,
    RuntimeCapAboveLimit,
    PageCache,
    TmpfsCharge,
    KernelMemory,
    NodeOvercommit,
    NeighbourInPod,
    NodeAgentLeak,
    StartupPeak,
    BatchPeak,
    NotMemoryKill,
    NoProblem,
    Inconclusive,
}

impl Cause {
    /// The word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            Cause::HeapLeak => "heap-leak",
            Cause::NativeGrowth => "native-growth",
            Cause::LimitBelowNeed => "limit-below-need",
            Cause::LoadSpike => "load-spike",
            Cause::LoadGrowth => "load-growth",
            Cause::RuntimeCapAboveLimit => "runtime-cap-above-limit",
            Cause::PageCache => "page-cache",
            Cause::TmpfsCharge => "tmpfs-charge",
            Cause::KernelMemory => "kernel-memory",
            Cause::NodeOvercommit => "node-overcommit",
            Cause::NeighbourInPod => "neighbour-in-pod",
            Cause::NodeAgentLeak => "node-agent-leak",
            Cause::StartupPeak => "startup-peak",
            Cause::BatchPeak => "batch-peak",
            Cause::NotMemoryKill => "not-memory-kill",
            Cause::NoProblem => "no-problem",
            Cause::Inconclusive => "inconclusive",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stance {
    For,
    Against,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    Weak,
    Moderate,
    Strong,
    Conclusive,
}

impl Strength {
    pub fn word(self) -> &'static str {
        match self {
            Strength::Weak => "weak",
            Strength::Moderate => "moderate",
            Strength::Strong => "strong",
            Strength::Conclusive => "conclusive",
        }
    }
}

/// The places a statement rests on, one at least: what points nowhere is no evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Cites {
    first: Cite,
    rest: Vec<Cite>,
}

impl Cites {
    pub fn one(first: Cite) -> Self {
        Cites { first, rest: Vec::new() }
    }

    /// `None` for no place at all.
    pub fn of(all: Vec<Cite>) -> Option<Self> {
        let mut all = all.into_iter();
        Some(Cites { first: all.next()?, rest: all.collect() })
    }

    pub fn first(&self) -> &Cite {
        &self.first
    }

    pub fn rest(&self) -> &[Cite] {
        &self.rest
    }
}

/// One statement of a rule about one owner and cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub rule: &'static str,
    pub owner: Owner,
    pub cause: Cause,
    pub stance: Stance,
    pub strength: Strength,
    /// Where it comes from, in a word: `Kernel`, `Kubernetes`, `Prometheus`, `Heap`, `Logs`.
    pub source: &'static str,
    /// One sentence with numbers and units.
    pub says: String,
    pub cites: Cites,
    /// It tells what happened and was not weighed: it would speak for every cause alike.
    pub on_record: bool,
}

/// Who grew or misbehaved; the kinds are listed in docs/json.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Culprit {
    pub kind: String,
    pub name: String,
    pub growth_bytes: Option<i64>,
    /// Share of the growth, 0..1.
    pub share: Option<f64>,
}

/// What set an incident off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    Rollout,
    Config,
    Load,
}

impl TriggerKind {
    /// The word in the documents.
    pub fn word(self) -> &'static str {
        match self {
            TriggerKind::Rollout => "rollout",
            TriggerKind::Config => "config",
            TriggerKind::Load => "load",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    pub kind: TriggerKind,
    pub time: Timestamp,
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// `stop`, `fix`, `prove`, `collect` or `size`.
    pub kind: String,
    pub text: String,
    pub command: Option<String>,
}

/// A cause for one owner, with the evidence both ways, weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub cause: Cause,
    /// 0..1, computed from the evidence alone.
    pub confidence: f64,
    pub strength: Strength,
    pub owner: Owner,
    /// Replicas with the same finding.
    pub also_owners: Vec<Owner>,
    pub sentence: String,
    /// Numbers by the name that the documents give them (`growth_bytes_per_hour`, `limit_bytes`, …).
    pub quantities: BTreeMap<&'static str, f64>,
    pub intervals: BTreeMap<&'static str, (f64, f64)>,
    pub culprits: Vec<Culprit>,
    pub trigger: Option<Trigger>,
    pub evidence: Vec<Evidence>,
    pub advice: Vec<Advice>,
}

/// A rule that could not speak, and what it lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotEvaluated {
    pub rule: String,
    pub need: String,
    /// About whom it could not speak.
    #[serde(default)]
    pub owner: Owner,
}

/// A published defect whose range holds a version of this bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DefectNote {
    /// Issue or change in the project's tracker.
    pub reference: String,
    /// `kubelet`, `containerd` or `kernel`.
    pub component: String,
    pub version: String,
    /// The node that runs it.
    pub node: String,
    pub what: String,
    /// How far the report is to be believed, in words.
    pub credibility: String,
    /// Evidence without which it is only a version that fits.
    pub needs: String,
    /// That evidence is in the bundle.
    pub found: bool,
    /// It was counted as evidence for a cause; an unconfirmed report never is.
    pub used: bool,
}

/// The outcome of a diagnosis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Best first.
    pub findings: Vec<Finding>,
    pub not_evaluated: Vec<NotEvaluated>,
    /// Published defects that fit the versions here and bear on what happened.
    pub defects: Vec<DefectNote>,
    /// What the reader asked about, if not about everything.
    pub focus: Option<Focus>,
}

/// One namespace (`NS`), or one pod or workload in it (`NS/NAME`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    namespace: String,
    name: Option<String>,
}

impl Focus {
    pub fn new(text: &str) -> Self {
        let (namespace, name) = text.split_once('/').map_or((text, None), |(ns, name)| (ns, Some(name.to_owned())));
        Focus { namespace: namespace.to_owned(), name }
    }

    pub fn covers(&self, o: &Owner) -> bool {
        let named = |n: &String| [&o.pod, &o.workload].into_iter().flatten().any(|have| have == n);
        o.namespace.as_ref() == Some(&self.namespace) && self.name.as_ref().is_none_or(named)
    }
}

impl std::fmt::Display for Focus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.namespace),
            None => f.write_str(&self.namespace),
        }
    }
}

impl Verdict {
    /// Keeps the findings that concern what the focus covers: its own, those it shares with another replica that tells them,
    /// and those of a node whose want of memory took something of it.
    pub fn focus(&mut self, focus: Focus, kills: &[Kill]) {
        let by_node = |f: &Finding| {
            f.owner.pod.is_none() && f.owner.node.is_some() && kills.iter().any(|k| focus.covers(&k.owner) && k.concerns(&f.owner))
        };
        self.findings.retain(|f| focus.covers(&f.owner) || f.also_owners.iter().any(|o| focus.covers(o)) || by_node(f));
        self.focus = Some(focus);
    }
}
