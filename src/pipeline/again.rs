//! Big profiles are let go after they were read, and read again when their turn to be compared comes: a bundle with many of
//! them needs memory for a few at a time. Up to a budget they stay, so that usual bundles are read once.
//!
//! Which ones stay depends on who finished first, what comes out does not: the second reading gives what the first one gave.

use super::schedule;
use crate::bundle::Entry;
use crate::model::profile::{HeapProfile, ProfileBody, StackTable};
use crate::model::{ArtifactId, Facts};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of stack tables that may stay in memory while the rest of the input is read.
const BUDGET: u64 = 192 << 20;
/// A table below this size is not worth a second reading.
const SMALL: u64 = 4 << 20;

/// Lets go of the stacks of an artifact's profiles where they do not fit into what is left of the budget.
pub fn let_go(facts: &mut Facts, kept: &AtomicU64) {
    for p in facts.profiles.iter_mut().filter(|p| p.what.format == "pprof") {
        let ProfileBody::Stacks(table) = &p.what.body else { continue };
        let size = size(table);
        if size < SMALL || kept.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= BUDGET {
            continue;
        }
        kept.fetch_sub(size, Ordering::Relaxed);
        p.what.set_aside();
    }
}

/// The profiles of an artifact as the first reading gave them. Of artifacts within artifacts none are ever let go.
pub fn profiles(entries: &[Entry], id: ArtifactId) -> Vec<HeapProfile> {
    let facts = entries.get(id.0 as usize).map(|e| schedule::again(id, e, entries)).unwrap_or_default();
    facts.profiles.into_iter().map(|p| p.what).collect()
}

fn size(t: &StackTable) -> u64 {
    let words = t.stack_locs.len() + t.stack_start.len() + t.stack_of.len() + t.loc_start.len() + t.loc_mapping.len();
    let longs = t.values.len() + t.block_size.len() + t.loc_address.len() + t.loc_frames.len() + t.functions.len();
    (words as u64) * 4 + (longs as u64) * 8 + (t.labels.len() as u64) * 12 + (t.strings.len() as u64) * 48
}
