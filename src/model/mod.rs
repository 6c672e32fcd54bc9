//! The nouns of a memory incident, and nothing else: no input or output, no algorithms, no other room.
//!
//! Facts are what an artifact says (`Observation<T>`: a noun with the time and the identity exactly as written);
//! the incident is the same nouns after correlation gave them a real time and an owner (`Placed<T>`).

pub mod account;
pub mod alert;
pub mod bridge;
pub mod by_pod;
pub mod calltree;
pub mod cgroup;
pub mod cgroup_path;
pub mod delta;
pub mod diagnostic;
pub mod facts;
pub mod finding;
pub mod graph;
pub mod identity;
pub mod incident;
pub mod index;
pub mod kill;
pub mod kubectl;
pub mod log;
pub mod node;
pub mod observation;
pub mod oom;
pub mod pod;
pub mod profile;
pub mod promql;
pub mod quantity;
pub mod ram;
pub mod runtime;
pub mod series;
pub mod source;
pub mod source_map;
pub mod spare;
pub mod time;
pub mod times;
pub mod trend;
pub mod workload;

pub use diagnostic::{Diagnostic, Severity};
pub use facts::Facts;
pub use finding::{Cause, Evidence, Finding, Stance, Strength, Verdict};
pub use identity::{Claim, Owner};
pub use incident::Incident;
pub use index::Index;
pub use observation::{Observation, Placed};
pub use source::{ArtifactId, Cite, Span};
pub use time::{RawTime, Timestamp, When};
pub use times::Times;
