//! A heap graph as flat `u32` tables, neutral of the format it came from: V8 and HPROF readers fill the same columns.

/// Placeholder for the columns that the graph workshop defines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeapGraph {
    pub nodes: usize,
}
