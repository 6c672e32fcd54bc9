//! Heap graphs: dominators, retained sizes, distances, differences, growth; and sums over allocation sites. Plain functions
//! over neutral columns; knows no format.

pub mod dominators;
pub mod measure;
pub mod settle;
pub mod shapes;
pub mod sites;
