//! The pages: what they must hold whatever the report says.

mod bounds;
pub mod fixtures;
mod golden;
mod hostile;
mod redaction;
