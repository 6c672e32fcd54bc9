//! What names no container is given to the one container it can belong to, and marked as inferred: logs and cgroup files by
//! the name of their file, by the only ending they fit, or because there is only one container ([`files`]); profiles by
//! their runtime and the life of the process ([`profiles`]). Nothing is adopted where two workloads fit equally well.

mod files;
mod profiles;

pub use files::files;
pub use profiles::profiles;
