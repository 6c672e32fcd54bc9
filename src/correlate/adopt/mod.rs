//! What names no container is given to the one container it can belong to, and marked as inferred: logs and cgroup files by
//! the name of their file, by the only ending they fit, or because there is only one container ([`files`]); profiles by
//! their runtime and the life of the process ([`profiles`]); kernel reports by the ending they tell of ([`reports`]). Nothing is adopted where two workloads fit equally well.

mod files;
mod profiles;
mod reports;

pub use files::files;
pub use profiles::profiles;
pub use reports::reports;
