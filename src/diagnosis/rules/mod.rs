//! The rules. Each testifies about one mechanism, for and against causes; none sees another.
//!
//! # How to add a rule
//! 1. Write the incident first: `samples/incidents/<story>/STORY.md` with the true cause.
//! 2. Create `<id>.rs`: its header says what it claims, the mechanism, what would refute it, and where thresholds come from.
//! 3. State `needs`; in `examine` push evidence for *and* against, numbers with units, cites.
//! 4. Add `mod` and one `RULES` line below.
//! 5. Tests in `tests/rules.rs`: it speaks, it speaks against, it stays silent.

use super::rule::Rule;

mod batch_peak;
mod cgroup_files;
mod heap_or_native;
mod kernel_memory;
mod kill_scope;
pub mod known_defects;
mod limit_below_need;
mod load;
mod neighbour_in_pod;
mod no_problem;
mod node_agent_leak;
mod node_overcommit;
mod other_ending;
mod page_cache;
mod profile_growth;
mod reconciliation;
mod regular_lives;
mod rss_bridge;
mod runtime_cap;
mod startup_peak;
mod tmpfs_charge;
mod working_set_growth;

pub static RULES: &[&dyn Rule] = &[
    &kill_scope::KillScope,
    &other_ending::OtherEnding,
    &working_set_growth::WorkingSetGrowth,
    &heap_or_native::HeapOrNative,
    &profile_growth::ProfileGrowth,
    &reconciliation::Reconciliation,
    &regular_lives::RegularLives,
    &rss_bridge::RssBridge,
    &limit_below_need::LimitBelowNeed,
    &load::Load,
    &runtime_cap::RuntimeCapAboveLimit,
    &page_cache::PageCache,
    &tmpfs_charge::TmpfsCharge,
    &kernel_memory::KernelMemory,
    &cgroup_files::CgroupFiles,
    &startup_peak::StartupPeak,
    &batch_peak::BatchPeak,
    &neighbour_in_pod::NeighbourInPod,
    &node_overcommit::NodeOvercommit,
    &node_agent_leak::NodeAgentLeak,
    &known_defects::KnownDefects,
    &no_problem::NoProblem,
];
