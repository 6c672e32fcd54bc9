//! Reports: an incident and its verdict become documents. Decides nothing.

pub mod compose;
pub mod document;
pub mod inspect;
