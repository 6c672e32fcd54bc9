//! Claims: this node's kubelet has a published defect that makes it grow. Mechanism: a version inside the defect's range,
//! together with a service that does grow or die here. Refuted by: a version outside, or a node whose services are quiet.
//! A defect whose gate must be on speaks only where the logs name the gate. Defects of the runtime and the kernel that
//! misreport kills or eat memory are looked up too and shown beside the evidence they need; reports that nobody confirmed
//! are shown as such where they fit, and never speak.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, DefectNote, Strength};
use crate::model::incident::Gap;
use crate::model::log::LogWord;
use crate::model::node::NodeState;
use crate::model::oom::KillKind;
use crate::model::trend::TrendVerdict;
use crate::model::{Incident, Placed};

/// How far a report is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credibility {
    /// Confirmed and fixed by the project.
    Confirmed,
    /// Confirmed, but only behind a feature gate.
    NeedsGate(&'static str),
    /// Reproduced by the project's own tests, without a version that is known to be free of it.
    Open,
    /// Old versions; kept for lookup.
    Historical,
    /// One reporter, no reproducer, open.
    Unconfirmed,
}

impl Credibility {
    pub fn words(self) -> String {
        match self {
            Credibility::Confirmed => "confirmed and fixed".into(),
            Credibility::NeedsGate(gate) => format!("confirmed, behind the feature gate {gate}"),
            Credibility::Open => "reproduced, open".into(),
            Credibility::Historical => "historical".into(),
            Credibility::Unconfirmed => "unconfirmed claim, not used".into(),
        }
    }
}

/// What must be seen here before a version that fits means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// The service grows, or dies in its own cgroup.
    Suffering,
    /// A word in the node's logs.
    Words(&'static str),
    /// The kernel killed a container and its status says `Error`.
    PlainError,
    /// The runtime's notices differ from the kernel's count.
    Notices,
}

impl Needed {
    fn words(self, gate: Option<&str>) -> String {
        let needs = match self {
            Needed::Suffering => "growth of the service's resident memory, or its kill in its own cgroup".to_owned(),
            Needed::Words(w) => format!("`{w}` in the kernel log"),
            Needed::PlainError => "a kernel kill whose container status says Error".to_owned(),
            Needed::Notices => "a number of TaskOOM notices other than the kernel's count".to_owned(),
        };
        gate.map_or(needs.clone(), |g| format!("{needs}, and {g} in the logs or flags"))
    }
}

type Version = (u32, u32, u32);

/// One published defect. The range is `from <= version < fixed`, by major, minor and patch.
pub struct Defect {
    /// Issue or change in the project's tracker.
    pub reference: &'static str,
    /// `kubelet`, `containerd` or `kernel`: whose version counts.
    pub component: &'static str,
    pub from: Version,
    pub fixed: Option<Version>,
    pub credibility: Credibility,
    pub needs: Needed,
    pub what: &'static str,
}

const fn kubelet(reference: &'static str, from: Version, fixed: Option<Version>, credibility: Credibility, what: &'static str) -> Defect {
    Defect { reference, component: "kubelet", from, fixed, credibility, needs: Needed::Suffering, what }
}

const TRACING: &str = "memory of the tracing library is never released in the default configuration";

/// Known defects of node components, best proven first. Ranges follow the projects' release notes.
pub const DEFECTS: [Defect; 18] = [
    kubelet(
        "kubernetes/kubernetes#139823",
        (1, 36, 0),
        Some((1, 36, 3)),
        Credibility::Confirmed,
        "the kubelet keeps a context of every pod sync and grows until it is killed",
    ),
    kubelet("kubernetes/kubernetes#126918", (1, 31, 0), Some((1, 31, 2)), Credibility::Confirmed, TRACING),
    kubelet("kubernetes/kubernetes#126918", (1, 30, 0), Some((1, 30, 6)), Credibility::Confirmed, TRACING),
    kubelet("kubernetes/kubernetes#126918", (1, 29, 0), Some((1, 29, 10)), Credibility::Confirmed, TRACING),
    kubelet(
        "kubernetes/kubernetes#133501",
        (1, 34, 0),
        Some((1, 35, 0)),
        Credibility::NeedsGate("PodCertificateRequest"),
        "a race in the pod certificate manager",
    ),
    kubelet(
        "kubernetes/kubernetes#132266",
        (1, 25, 0),
        None,
        Credibility::NeedsGate("EventedPLEG"),
        "the evented pod lifecycle generator panics or piles up goroutines",
    ),
    Defect {
        reference: "opencontainers/runc#1725",
        component: "kernel",
        from: (3, 10, 0),
        fixed: Some((4, 0, 0)),
        credibility: Credibility::Confirmed,
        needs: Needed::Words("SLUB: Unable to allocate memory on node"),
        what: "kernel memory accounting of this old kernel leaks the slabs of dead cgroups",
    },
    Defect {
        reference: "containerd/containerd#6323",
        component: "containerd",
        from: (1, 4, 0),
        fixed: Some((1, 6, 0)),
        credibility: Credibility::Confirmed,
        needs: Needed::PlainError,
        what: "on cgroup v2 kills at a pod's limit give no out-of-memory notice, and the status says Error",
    },
    Defect {
        reference: "containerd/containerd#8180",
        component: "containerd",
        from: (1, 6, 0),
        fixed: None,
        credibility: Credibility::Open,
        needs: Needed::PlainError,
        what: "a container killed right after its start may be shown as Error: the exit overtakes the out-of-memory notice",
    },
    Defect {
        reference: "containerd/containerd#8893",
        component: "containerd",
        from: (1, 6, 0),
        fixed: None,
        credibility: Credibility::Open,
        needs: Needed::Notices,
        what: "out-of-memory notices are lost, or bear the id of the sandbox",
    },
    Defect {
        reference: "containerd/containerd#4547",
        component: "containerd",
        from: (1, 2, 0),
        fixed: Some((1, 5, 0)),
        credibility: Credibility::Historical,
        needs: Needed::Notices,
        what: "out-of-memory notices come many times over, reported for 1.2 and 1.4",
    },
    kubelet("kubernetes/kubernetes#124716", (1, 28, 0), None, Credibility::Historical, "a plugin that is registered twice is kept twice"),
    kubelet(
        "kubernetes/kubernetes#109103",
        (1, 18, 0),
        Some((1, 25, 0)),
        Credibility::Historical,
        "the CPU and memory managers keep an entry of every container under the policy none",
    ),
    kubelet(
        "kubernetes/kubernetes#101724",
        (1, 18, 0),
        Some((1, 22, 0)),
        Credibility::Historical,
        "growth of the kubelet with CronJobs, reported for 1.18 to 1.21",
    ),
    kubelet(
        "kubernetes/kubernetes#108908",
        (1, 20, 0),
        Some((1, 21, 0)),
        Credibility::Historical,
        "growth of the kubelet with CronJobs, reported for 1.20",
    ),
    kubelet(
        "kubernetes/kubernetes#73587",
        (1, 12, 5),
        Some((1, 12, 6)),
        Credibility::Historical,
        "growth of the kubelet reported for 1.12.5",
    ),
    kubelet("kubernetes/kubernetes#131905", (0, 0, 0), None, Credibility::Unconfirmed, "memory grows with exited containers"),
    kubelet("kubernetes/kubernetes#131906", (0, 0, 0), None, Credibility::Unconfirmed, "memory grows with pod churn"),
];

/// Defects of a component whose range holds a version such as `v1.36.1`, `v1.32.4-gke.100` or `containerd://1.6.12`.
pub fn matching(component: &str, version: &str) -> impl Iterator<Item = &'static Defect> {
    let v = parse(version);
    DEFECTS.iter().filter(move |d| d.component == component && v.is_some_and(|v| v >= d.from && d.fixed.is_none_or(|f| v < f)))
}

fn parse(version: &str) -> Option<Version> {
    let bare = version.rsplit_once("://").map_or(version, |(_, v)| v);
    let mut parts = bare.trim_start_matches('v').split(['.', '-', '+', '~']).map(|p| p.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// The version of a component on a node.
fn version<'a>(node: &'a NodeState, component: &str) -> Option<&'a str> {
    match component {
        "kubelet" => node.system.kubelet.as_deref(),
        "kernel" => node.system.kernel.as_deref(),
        _ => node.system.container_runtime.as_deref().filter(|r| r.starts_with(component)),
    }
}

/// A service of this node grows, or died in its own cgroup.
fn suffers(incident: &Incident, node: &str) -> bool {
    let here = |o: &crate::model::Owner| o.node.as_deref() == Some(node);
    incident.kills.iter().any(|k| k.kind == KillKind::MemcgService && here(&k.owner))
        || incident
            .trends
            .iter()
            .any(|t| t.owner.pod.is_none() && t.owner.container.is_some() && here(&t.owner) && t.verdict == TrendVerdict::Leak)
}

fn named<'a>(incident: &'a Incident, node: &str, word: &str) -> Option<&'a Placed<LogWord>> {
    incident.logs.iter().find(|l| l.owner.node.as_deref().is_none_or(|n| n == node) && l.what.text.contains(word))
}

fn found(incident: &Incident, node: &str, d: &Defect) -> bool {
    let evidence = match d.needs {
        Needed::Suffering => suffers(incident, node),
        Needed::Words(w) => named(incident, node, w).is_some(),
        Needed::Notices => incident
            .ledger
            .iter()
            .any(|r| r.differences.iter().any(|x| x.kind == Gap::RuntimeNotice) && r.owner.node.as_deref().is_none_or(|n| n == node)),
        Needed::PlainError => incident
            .kills
            .iter()
            .any(|k| k.report.is_some() && k.exit_code == Some(137) && k.owner.node.as_deref() == Some(node) && plain_error(incident, k)),
    };
    let gate = match d.credibility {
        Credibility::NeedsGate(g) => named(incident, node, g).is_some(),
        _ => true,
    };
    evidence && gate
}

fn plain_error(incident: &Incident, k: &crate::model::kill::Kill) -> bool {
    incident.pods.iter().filter(|p| p.owner.same_pod(&k.owner)).flat_map(|p| &p.what.containers).any(|c| {
        Some(&c.name) == k.owner.container.as_ref()
            && [Some(&c.now), c.last.as_ref()]
                .into_iter()
                .flatten()
                .any(|r| r.exit_code == Some(137) && r.reason.as_deref() == Some("Error"))
    })
}

/// Defects that fit a node's versions and bear on what happened there: all of a service that suffers, and any other whose
/// own evidence was found.
pub fn notes(incident: &Incident) -> Vec<DefectNote> {
    let mut out = Vec::new();
    for n in &incident.nodes {
        for component in ["kubelet", "containerd", "kernel"] {
            let Some(version) = version(&n.what, component) else { continue };
            for d in matching(component, version) {
                let found = found(incident, &n.what.name, d);
                let suffering = component == "kubelet" && suffers(incident, &n.what.name);
                if !(found || suffering) {
                    continue;
                }
                let gate = if let Credibility::NeedsGate(g) = d.credibility { Some(g) } else { None };
                let used = found && component == "kubelet" && matches!(d.credibility, Credibility::Confirmed | Credibility::NeedsGate(_));
                out.push(DefectNote {
                    reference: d.reference.into(),
                    component: component.into(),
                    version: version.into(),
                    node: n.what.name.clone(),
                    what: d.what.into(),
                    credibility: d.credibility.words(),
                    needs: d.needs.words(gate),
                    found,
                    used,
                });
            }
        }
    }
    out
}

pub struct KnownDefects;

impl Rule for KnownDefects {
    fn id(&self) -> &'static str {
        "known-defects"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Node]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let node = case.incident.nodes.iter().find(|n| Some(n.what.name.as_str()) == case.owner.node.as_deref());
        let Some((node, version)) = node.and_then(|n| Some((n, n.what.system.kubelet.as_deref()?))) else { return };
        if !suffers(case.incident, &node.what.name) {
            return;
        }
        for d in matching("kubelet", version) {
            let (strength, mut cites) = match d.credibility {
                Credibility::Confirmed => (Strength::Moderate, vec![node.cite.clone()]),
                Credibility::NeedsGate(gate) => match case.logs.iter().find(|l| l.what.text.contains(gate)) {
                    Some(l) => (Strength::Weak, vec![node.cite.clone(), l.cite.clone()]),
                    None => continue,
                },
                Credibility::Open | Credibility::Historical | Credibility::Unconfirmed => continue,
            };
            cites.truncate(2);
            let fixed = d.fixed.map_or("no fix is known".into(), |(a, b, c)| format!("fixed in {a}.{b}.{c}"));
            let says = format!("{} {version} has a known defect ({}): {}; {fixed}", d.component, d.reference, d.what);
            out.supports(Cause::NodeAgentLeak, strength, "Versions", cites, says);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kill::Kill;
    use crate::model::node::SystemInfo;
    use crate::model::{Cite, Claim, Owner, When};

    #[test]
    fn ranges_hold_their_versions_and_unconfirmed_reports_are_marked() {
        let confirmed = |v: &str| matching("kubelet", v).filter(|d| d.credibility == Credibility::Confirmed).count();
        assert_eq!((confirmed("v1.36.1"), confirmed("v1.36.3"), confirmed("v1.35.9")), (1, 0, 0));
        assert_eq!((confirmed("v1.36.2-eks-1a2b"), confirmed("v1.30.5+k3s1"), confirmed("v1.30.6")), (1, 1, 0));
        assert_eq!(confirmed("unknown"), 0);
        assert_eq!(matching("kernel", "3.10.0-957.el7.x86_64").count(), 1);
        assert_eq!(matching("containerd", "containerd://1.6.12").count(), 2);
        let odd = DEFECTS.iter().filter(|d| d.reference.ends_with("#131905") || d.reference.ends_with("#131906"));
        assert!(odd.into_iter().all(|d| d.credibility == Credibility::Unconfirmed));
    }

    #[test]
    fn a_quiet_node_gets_no_note_and_an_unconfirmed_report_is_never_used() {
        let system = SystemInfo { kubelet: Some("v1.36.1".into()), ..SystemInfo::default() };
        let node = NodeState { name: "n1".into(), system, ..NodeState::default() };
        let placed = Placed { at: When::unknown(), owner: Owner::node("n1"), who: Claim::default(), cite: Cite::default(), what: node };
        let mut incident = Incident { nodes: vec![placed], ..Incident::default() };
        assert!(notes(&incident).is_empty());
        incident.kills.push(Kill { kind: KillKind::MemcgService, owner: Owner::node("n1"), ..Kill::default() });
        let all = notes(&incident);
        let used: Vec<&str> = all.iter().filter(|n| n.used).map(|n| n.reference.as_str()).collect();
        assert_eq!(used, ["kubernetes/kubernetes#139823"]);
        assert!(all.iter().any(|n| n.reference.ends_with("#131905") && n.credibility.contains("unconfirmed") && !n.used));
        let gated = all.iter().find(|n| n.reference.ends_with("#132266")).map(|n| (n.found, n.used));
        assert_eq!(gated, Some((false, false)), "without its gate in the logs");
    }
}
