//! Reports: an incident and its verdict become documents. Decides nothing.

pub mod document;
pub mod inspect;
