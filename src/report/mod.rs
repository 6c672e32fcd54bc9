//! Reports: an incident and its verdict become documents. Decides nothing.
//!
//! `document` is the report as data; `html`, `markdown`, `terminal` and `json` only print it, and `diff` prints the
//! comparison of profiles alone. `redact` hides secrets before any of them sees the data, `escape` makes what is left
//! harmless to show.

pub mod chart;
pub mod compose;
pub mod diff;
pub mod document;
pub mod escape;
pub mod flamegraph;
mod folds;
pub mod html;
pub mod inspect;
pub mod json;
pub mod markdown;
mod outline;
mod recording;
pub mod redact;
pub mod rules_yaml;
mod sparkline;
pub mod terminal;
mod when;
