//! Who is to blame.
use super::Snapshot;
use super::sites::{Halves, Stacks};
use crate::heap::sites::Filter;
use crate::model::delta::Suspect;
pub fn find(
    _stacks: &[Stacks<'_>],
    _snapshots: &[Snapshot<'_>],
    _filter: &Filter,
    _halves: &Halves,
    _limits: &mut Vec<String>,
) -> Vec<Suspect> {
    Vec::new()
}
