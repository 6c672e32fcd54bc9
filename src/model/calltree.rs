//! A call tree of one or two profiles, pruned to what can be seen: what flame graphs are drawn from.

use serde::{Deserialize, Serialize};

/// Nodes in depth-first order, children behind their parent; the first is the root.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTree {
    pub measure: String,
    /// `bytes` or `count`.
    pub unit: String,
    /// Two profiles are compared; else `before` is 0 throughout.
    pub compared: bool,
    pub nodes: Vec<TreeNode>,
    /// Frames left out because they are too small, and the most that one of them amounts to.
    pub pruned: usize,
    pub pruned_below: i64,
}

/// One function in the context of its callers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TreeNode {
    /// 0 for the root.
    pub depth: u32,
    pub name: String,
    /// Inclusive values in the earlier and in the later profile.
    pub before: i64,
    pub after: i64,
}
