//! What a format produces from one artifact: one list per noun, plus diagnostics. Lists keep the artifact's order.

use super::alert::Alert;
use super::cgroup::CgroupReading;
use super::diagnostic::{Diagnostics, Severity};
use super::log::LogWord;
use super::node::{BootAnchor, CaptureHint, MemInfo, MissingEvidence, NodeState, ProcessReading};
use super::observation::Observation;
use super::oom::OomKill;
use super::pod::{ConfigState, KubeEvent, PodState, SizingPolicy, UsageReading, WorkloadState};
use super::profile::HeapProfile;
use super::series::Series;
use super::source::{ArtifactId, Cite};
use super::source_map::SourceMap;

/// A part of an artifact that is to be sniffed and parsed as an artifact of its own (`file!#1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubArtifact {
    /// Appended to the parent's path after `!#`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// What is known about its identity from the parent, e.g. a `kubectl logs` command line.
    pub who: super::Claim,
}

/// Everything one artifact says.
#[derive(Debug, Default)]
pub struct Facts {
    pub artifact: ArtifactId,
    pub diagnostics: Diagnostics,
    pub kills: Vec<Observation<OomKill>>,
    pub pods: Vec<Observation<PodState>>,
    pub workloads: Vec<Observation<WorkloadState>>,
    pub policies: Vec<Observation<SizingPolicy>>,
    pub configs: Vec<Observation<ConfigState>>,
    pub nodes: Vec<Observation<NodeState>>,
    pub events: Vec<Observation<KubeEvent>>,
    pub alerts: Vec<Observation<Alert>>,
    pub usage: Vec<Observation<UsageReading>>,
    pub series: Vec<Observation<Series>>,
    pub profiles: Vec<Observation<HeapProfile>>,
    pub cgroups: Vec<Observation<CgroupReading>>,
    pub processes: Vec<Observation<ProcessReading>>,
    pub meminfo: Vec<Observation<MemInfo>>,
    pub logs: Vec<Observation<LogWord>>,
    pub boots: Vec<Observation<BootAnchor>>,
    pub captures: Vec<Observation<CaptureHint>>,
    pub missing: Vec<Observation<MissingEvidence>>,
    pub source_maps: Vec<Observation<SourceMap>>,
    pub parts: Vec<SubArtifact>,
}

impl Facts {
    pub fn new(artifact: ArtifactId) -> Self {
        Facts { artifact, ..Facts::default() }
    }

    /// Number of facts, for the inventory.
    pub fn count(&self) -> usize {
        let Facts {
            artifact: _,
            diagnostics: _,
            kills,
            pods,
            workloads,
            policies,
            configs,
            nodes,
            events,
            alerts,
            usage,
            series,
            profiles,
            cgroups,
            processes,
            meminfo,
            logs,
            boots: _,
            captures: _,
            missing: _,
            source_maps,
            parts,
        } = self;
        kills.len()
            + pods.len()
            + workloads.len()
            + policies.len()
            + configs.len()
            + nodes.len()
            + events.len()
            + alerts.len()
            + usage.len()
            + series.len()
            + profiles.len()
            + cgroups.len()
            + processes.len()
            + meminfo.len()
            + logs.len()
            + source_maps.len()
            + parts.len()
    }

    /// Appends everything of `other`; diagnostics stay with their artifact and are taken out before.
    pub fn merge(&mut self, other: Facts) {
        let Facts {
            artifact: _,
            diagnostics: _,
            kills,
            pods,
            workloads,
            policies,
            configs,
            nodes,
            events,
            alerts,
            usage,
            series,
            profiles,
            cgroups,
            processes,
            meminfo,
            logs,
            boots,
            captures,
            missing,
            source_maps,
            parts,
        } = other;
        self.kills.extend(kills);
        self.pods.extend(pods);
        self.workloads.extend(workloads);
        self.policies.extend(policies);
        self.configs.extend(configs);
        self.nodes.extend(nodes);
        self.events.extend(events);
        self.alerts.extend(alerts);
        self.usage.extend(usage);
        self.series.extend(series);
        self.profiles.extend(profiles);
        self.cgroups.extend(cgroups);
        self.processes.extend(processes);
        self.meminfo.extend(meminfo);
        self.logs.extend(logs);
        self.boots.extend(boots);
        self.captures.extend(captures);
        self.missing.extend(missing);
        self.source_maps.extend(source_maps);
        self.parts.extend(parts);
    }

    /// Appends everything of `other`, diagnostics included.
    pub fn merge_all(&mut self, mut other: Facts) {
        self.diagnostics.extend(std::mem::take(&mut other.diagnostics));
        self.merge(other);
    }

    pub fn error(&mut self, code: &'static str, byte_offset: Option<u64>, message: impl FnOnce() -> String) {
        self.diagnostics.push(Severity::Error, code, None, byte_offset, message);
    }

    pub fn warn(&mut self, code: &'static str, line: Option<u32>, byte_offset: Option<u64>, message: impl FnOnce() -> String) {
        self.diagnostics.push(Severity::Warning, code, line, byte_offset, message);
    }

    pub fn note(&mut self, code: &'static str, line: Option<u32>, byte_offset: Option<u64>, message: impl FnOnce() -> String) {
        self.diagnostics.push(Severity::Note, code, line, byte_offset, message);
    }

    /// Quotes `text` of this artifact.
    pub fn cite(&self, offset: u64, line: Option<u32>, text: &[u8]) -> Cite {
        Cite::new(self.artifact, offset, line, text)
    }
}
