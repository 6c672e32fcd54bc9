//! Claims: this node's kubelet (or kernel) has a published defect that makes it grow. Mechanism: a version inside the
//! defect's range, together with a service that does grow or die here. Refuted by: a version outside, or a node whose services
//! are quiet. A defect whose gate must be on speaks only where the logs name the gate. Reports that nobody confirmed are in
//! the table so that they can be looked up, and never speak.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::oom::KillKind;
use crate::model::trend::TrendVerdict;

/// How far a report is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credibility {
    /// Confirmed and fixed by the project.
    Confirmed,
    /// Confirmed, but only behind a feature gate.
    NeedsGate(&'static str),
    /// Old versions; kept for lookup.
    Historical,
    /// One reporter, no reproducer, open.
    Unconfirmed,
}

/// One published defect. The range is `from <= version < fixed`, by major, minor and patch.
pub struct Defect {
    /// Issue or change in the project's tracker.
    pub reference: &'static str,
    pub component: &'static str,
    pub from: (u32, u32, u32),
    pub fixed: Option<(u32, u32, u32)>,
    pub credibility: Credibility,
    pub what: &'static str,
}

/// Known defects of node components, best proven first.
pub const DEFECTS: [Defect; 9] = [
    Defect {
        reference: "kubernetes/kubernetes#139823",
        component: "kubelet",
        from: (1, 36, 0),
        fixed: Some((1, 36, 3)),
        credibility: Credibility::Confirmed,
        what: "the kubelet keeps contexts it no longer needs and grows until it is killed",
    },
    Defect {
        reference: "kubernetes/kubernetes#133501",
        component: "kubelet",
        from: (1, 34, 0),
        fixed: Some((1, 35, 0)),
        credibility: Credibility::NeedsGate("PodCertificateRequest"),
        what: "a race in the pod certificate manager",
    },
    Defect {
        reference: "kubernetes/kubernetes#132266",
        component: "kubelet",
        from: (1, 25, 0),
        fixed: None,
        credibility: Credibility::NeedsGate("EventedPLEG"),
        what: "the evented pod lifecycle generator panics or piles up goroutines",
    },
    Defect {
        reference: "kubernetes/kubernetes#131905",
        component: "kubelet",
        from: (0, 0, 0),
        fixed: None,
        credibility: Credibility::Unconfirmed,
        what: "memory grows with exited containers",
    },
    Defect {
        reference: "kubernetes/kubernetes#131906",
        component: "kubelet",
        from: (0, 0, 0),
        fixed: None,
        credibility: Credibility::Unconfirmed,
        what: "memory grows with pod churn",
    },
    Defect {
        reference: "kubernetes/kubernetes#124716",
        component: "kubelet",
        from: (1, 28, 0),
        fixed: None,
        credibility: Credibility::Historical,
        what: "a plugin that is registered twice",
    },
    Defect {
        reference: "kubernetes/kubernetes#101724",
        component: "kubelet",
        from: (1, 18, 0),
        fixed: Some((1, 22, 0)),
        credibility: Credibility::Historical,
        what: "growth of the kubelet reported for 1.21 and before",
    },
    Defect {
        reference: "kubernetes/kubernetes#108908",
        component: "kubelet",
        from: (1, 20, 0),
        fixed: Some((1, 21, 0)),
        credibility: Credibility::Historical,
        what: "growth of the kubelet reported for 1.20",
    },
    Defect {
        reference: "kubernetes/kubernetes#73587",
        component: "kubelet",
        from: (1, 12, 5),
        fixed: Some((1, 12, 6)),
        credibility: Credibility::Historical,
        what: "growth of the kubelet reported for 1.12.5",
    },
];

/// Defects whose range holds a kubelet version such as `v1.36.1` or `v1.32.4-gke.100`.
pub fn matching(kubelet: &str) -> impl Iterator<Item = &'static Defect> {
    let version = parse(kubelet);
    DEFECTS.iter().filter(move |d| version.is_some_and(|v| v >= d.from && d.fixed.is_none_or(|f| v < f)))
}

fn parse(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']).map(|p| p.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
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
        let suffers = case.kills.iter().any(|k| k.kind == KillKind::MemcgService)
            || case.trends.iter().any(|t| t.verdict == TrendVerdict::Leak && t.metric.starts_with("process_"));
        let node = case.incident.nodes.iter().find(|n| Some(n.what.name.as_str()) == case.owner.node.as_deref());
        let Some((node, version)) = node.and_then(|n| Some((n, n.what.system.kubelet.as_deref()?))).filter(|_| suffers) else { return };
        for d in matching(version) {
            let (strength, mut cites) = match d.credibility {
                Credibility::Confirmed => (Strength::Moderate, vec![node.cite.clone()]),
                Credibility::NeedsGate(gate) => match case.logs.iter().find(|l| l.what.text.contains(gate)) {
                    Some(l) => (Strength::Weak, vec![node.cite.clone(), l.cite.clone()]),
                    None => continue,
                },
                Credibility::Historical | Credibility::Unconfirmed => continue,
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

    #[test]
    fn ranges_hold_their_versions_and_unconfirmed_reports_are_marked() {
        let confirmed = |v: &str| matching(v).filter(|d| d.credibility == Credibility::Confirmed).count();
        assert_eq!((confirmed("v1.36.1"), confirmed("v1.36.3"), confirmed("v1.35.9")), (1, 0, 0));
        assert_eq!(confirmed("v1.36.2-eks-1a2b"), 1);
        assert_eq!(confirmed("unknown"), 0);
        let odd = DEFECTS.iter().filter(|d| d.reference.ends_with("#131905") || d.reference.ends_with("#131906"));
        assert!(odd.into_iter().all(|d| d.credibility == Credibility::Unconfirmed));
    }
}
