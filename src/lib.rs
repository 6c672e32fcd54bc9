//! postmem: a support bundle in, a root-cause report out. Offline, one binary.
//!
//! ```text
//!  bytes            rows (facts)         one incident          findings          pages
//! bundle ──► formats ──► model::Facts ──► correlate ──► model::Incident ──► diagnosis ──► report
//!                       workshops on the way:  heap (graph, retained, diff)   series (trend, sizing)
//! ```
//!
//! | room | may use | never |
//! |---|---|---|
//! | `model` | std, serde | any other room |
//! | `heap`, `series` | `model` | formats, input and output |
//! | `bundle` | `model` | anything that interprets content |
//! | `formats` | `model` | another format, `bundle`, `correlate`, the clock |
//! | `correlate` | `model`, `heap`, `series` | bytes |
//! | `diagnosis` | `model`, `heap`, `series` | formats, bundle; one rule another rule |
//! | `report` | `model` | deciding anything |
//! | `pipeline` | all | logic longer than wiring |
//! | `cli` (of the binary) | `pipeline`, `report`, `model`; options of `bundle`, `correlate`, `series` | formats, heap, diagnosis |
//!
//! Invariants: a parser never fails and never panics, trouble is data; only `bundle` opens files; only `correlate` makes
//! times and owners; rules only testify, `diagnosis::verdict` alone weighs; nothing depends on hash order, thread count
//! or the clock. `tests/architecture.rs` holds the arrows.

pub mod bundle;
pub mod correlate;
pub mod diagnosis;
pub mod error;
pub mod formats;
pub mod heap;
pub mod model;
pub mod pipeline;
pub mod report;
pub mod series;

pub use error::Error;
