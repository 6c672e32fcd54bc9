//! Where a process's memory is: the figures that its runtime, its heap snapshots and the kernel state for one moment, put
//! beside the total that the kernel charges. Parts do not overlap; what none of them explains is a part of its own.

use super::identity::Owner;
use super::source::Cite;
use super::time::When;
use serde::{Deserialize, Serialize};

/// One part of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountPart {
    /// `heap`, `heap-free`, `external`, `code`, `native` or `remainder`.
    pub kind: String,
    pub name: String,
    pub bytes: u64,
}

/// What a process's memory was made of at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub owner: Owner,
    pub at: When,
    /// What the total is: `RSS` or `working set`.
    pub total_of: &'static str,
    pub total_bytes: u64,
    pub parts: Vec<AccountPart>,
    /// What the figures do not show, in words.
    pub note: Option<String>,
    /// Where the figures stand, the total's first.
    pub cites: Vec<Cite>,
}

/// A heap snapshot that was not finished, and why it could not be.
#[derive(Debug, Clone, PartialEq)]
pub struct CutDump {
    pub owner: Owner,
    pub at: When,
    pub path: String,
    /// Bytes between the limit and the working set when it was begun.
    pub headroom_bytes: Option<u64>,
    /// Bytes that writing it takes beside the process.
    pub needed_bytes: Option<u64>,
    pub says: String,
    pub cites: Vec<Cite>,
}
