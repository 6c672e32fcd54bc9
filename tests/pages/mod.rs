//! The pages: what they must hold whatever the report says.

pub mod fixtures;
