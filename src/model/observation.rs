//! A noun with its circumstances: as written (`Observation`), and after correlation (`Placed`).

use super::{Cite, Claim, Owner, RawTime, When};

/// `what`, as one place of one artifact states it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation<T> {
    pub at: RawTime,
    pub who: Claim,
    pub cite: Cite,
    pub what: T,
}

/// `what`, with the time and the owner that correlation found for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    pub at: When,
    pub owner: Owner,
    /// The keys as seen, for joins that need more than the owner.
    pub who: Claim,
    pub cite: Cite,
    pub what: T,
}
