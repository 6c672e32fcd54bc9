//! Rows of a heap graph: its classes in figures, and the objects asked for by id.

use crate::model::graph::{ClassTotals, HeapGraph};
use serde_json::{Value, json};

/// The top classes, most retained first.
pub fn rows(g: &HeapGraph, limit: usize) -> Vec<Value> {
    g.rows.iter().take(limit).map(row).collect()
}

fn row(r: &ClassTotals) -> Value {
    json!({
        "key": r.class.key(),
        "name": r.class.name,
        "objects": r.count,
        "bytes": r.bytes,
        "retained_bytes": r.retained_bytes,
        "distance": r.distance,
    })
}

/// `nodes` and `unknown_nodes`, when objects were asked for.
pub fn nodes(g: &HeapGraph) -> (Value, Value) {
    (json!(g.answers), json!(g.unknown_ids))
}
