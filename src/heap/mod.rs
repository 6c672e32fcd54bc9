//! Heap graphs: dominators, retained sizes, distances, differences, growth; and sums over allocation sites. Plain functions
//! over neutral columns; knows no format.

pub mod allocated;
pub mod births;
pub mod borrow;
pub mod by_stack;
pub mod calltree;
pub mod dominators;
pub mod fold;
mod grouping;
pub mod growth;
pub mod measure;
pub mod merge;
mod sampling;
pub mod settle;
pub mod shapes;
mod sieve;
pub mod sites;
pub mod strings;
mod tally;
pub mod ways;
