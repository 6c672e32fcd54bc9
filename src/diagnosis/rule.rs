//! What a rule is: it states what it needs and testifies for or against causes. It never sees another rule.

use super::case::Case;
use crate::model::finding::{Cause, Cites, Culprit, Evidence, Stance, Strength};
use crate::model::{Cite, Owner};

/// What a rule cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// At least one ending of this case.
    Kill,
    /// A memory series of this container.
    Trend,
    /// The container's specification.
    Spec,
    /// Two or more profiles of one process.
    Profiles,
    /// What the memory was made of: statistics in a kernel report, or series of its parts.
    MemoryParts,
    /// A node-level case.
    Node,
    /// A container-level case.
    Container,
}

impl Need {
    /// What is missing, in words.
    pub fn words(self) -> &'static str {
        match self {
            Need::Kill => "a kill or restart",
            Need::Trend => "a memory series (working set) from Prometheus",
            Need::Spec => "the pod's specification (describe, or get -o yaml)",
            Need::Profiles => "two or more heap profiles of one process",
            Need::MemoryParts => "memory statistics of the cgroup in a kernel report, or series of RSS and cache",
            Need::Node => "a node",
            Need::Container => "a container",
        }
    }
}

pub trait Rule: Sync {
    /// Kebab-case noun, the name of its file.
    fn id(&self) -> &'static str;
    fn needs(&self) -> &'static [Need];
    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>);
}

/// What all rules said about one case.
#[derive(Debug, Default)]
pub struct Testimony {
    pub evidence: Vec<Evidence>,
    /// Who grew or misbehaved, under the cause it speaks for; strongest first within a rule.
    pub culprits: Vec<(Cause, Culprit)>,
}

impl Testimony {
    /// Puts another rule's testimony behind what was said.
    pub fn append(&mut self, mut other: Testimony) {
        self.evidence.append(&mut other.evidence);
        self.culprits.append(&mut other.culprits);
    }

    pub fn of<'a>(&'a mut self, rule: &'static str, case: &Case<'_>) -> Witness<'a> {
        Witness { rule, owner: case.owner.clone(), out: self }
    }
}

/// One rule on the stand.
pub struct Witness<'a> {
    rule: &'static str,
    owner: Owner,
    out: &'a mut Testimony,
}

impl Witness<'_> {
    /// Speaks for a cause. Evidence needs a place to point at: without a cite nothing is recorded.
    pub fn supports(&mut self, cause: Cause, strength: Strength, source: &'static str, cites: Vec<Cite>, says: String) {
        self.say(cause, Stance::For, strength, source, cites, says);
    }

    pub fn contradicts(&mut self, cause: Cause, strength: Strength, source: &'static str, cites: Vec<Cite>, says: String) {
        self.say(cause, Stance::Against, strength, source, cites, says);
    }

    pub fn culprit(&mut self, cause: Cause, kind: &str, name: &str, growth_bytes: Option<i64>, share: Option<f64>) {
        self.out.culprits.push((cause, Culprit { kind: kind.into(), name: name.into(), growth_bytes, share }));
    }

    fn say(&mut self, cause: Cause, stance: Stance, strength: Strength, source: &'static str, cites: Vec<Cite>, says: String) {
        let Some(cites) = Cites::of(cites) else { return };
        let (rule, owner) = (self.rule, self.owner.clone());
        self.out.evidence.push(Evidence { rule, owner, cause, stance, strength, source, says, cites, on_record: false });
    }
}
