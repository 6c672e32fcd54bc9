//! From the live heap that a profile shows to the memory that the kernel counts: one level after the other, with what lies
//! between them, each from the source that states it.

use super::{Cite, Owner, When};

/// A level, or what has to be added to come to the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// Stable word: `live-heap`, `heap-in-use`, `idle-heap`, `runtime`, `rss`, `unexplained`, `working-set`, `limit`, …
    pub id: &'static str,
    pub name: &'static str,
    /// May be negative where it is a difference.
    pub bytes: f64,
    /// A measured level; else a difference between two of them.
    pub level: bool,
    /// Where it comes from, or what it consists of.
    pub says: String,
    /// None for what is only computed.
    pub cites: Vec<Cite>,
}

/// One process at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    pub owner: Owner,
    pub at: When,
    /// In the order of the way up.
    pub rungs: Vec<Rung>,
}

impl Bridge {
    pub fn bytes(&self, id: &str) -> Option<f64> {
        self.rungs.iter().find(|r| r.id == id).map(|r| r.bytes)
    }

    /// All places that the levels were read at.
    pub fn cites(&self) -> Vec<Cite> {
        let mut all: Vec<Cite> = self.rungs.iter().flat_map(|r| r.cites.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }
}
