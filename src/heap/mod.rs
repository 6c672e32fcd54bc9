//! Heap graphs: dominators, retained sizes, differences, paths. Plain functions over neutral columns; knows no format.

pub mod sites;
