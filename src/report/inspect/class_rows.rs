//! `top[]` of a class histogram, of native memory by category, and of a printed listing.

use crate::model::profile::{ClassTable, HeapProfile, PrintedRow};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;

/// Classes by the profile's default measure, biggest first.
pub fn rows(profile: &HeapProfile, table: &ClassTable, limit: usize) -> Vec<Value> {
    let mut order: Vec<_> = table.rows.iter().collect();
    order.sort_by_key(|r| (Reverse(r.values.get(profile.default_measure).copied().unwrap_or(0)), r.key.as_str()));
    order
        .into_iter()
        .take(limit)
        .map(|r| {
            let mut out = Map::new();
            out.insert("key".into(), json!(r.key));
            out.insert("name".into(), json!(r.name));
            for (m, v) in profile.measures.iter().zip(&r.values) {
                out.insert(m.name.clone(), json!(v));
            }
            out.insert("retained_bytes".into(), json!(r.retained_bytes));
            out.insert("distance".into(), json!(r.distance));
            Value::Object(out)
        })
        .collect()
}

/// Rows of a listing in their order and with their figures as printed.
pub fn printed(rows: &[PrintedRow], limit: usize) -> Vec<Value> {
    let row = |r: &PrintedRow| {
        json!({"key": r.key, "name": r.key, "objects": r.objects, "bytes": r.bytes,
            "objects_delta": r.objects_delta, "bytes_delta": r.bytes_delta, "line": r.line})
    };
    rows.iter().take(limit).map(row).collect()
}
