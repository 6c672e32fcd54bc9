//! `artifacts[]`: the inventory with what went wrong.

use crate::model::Incident;
use serde_json::{Value, json};

pub fn section(incident: &Incident) -> Vec<Value> {
    incident
        .artifacts
        .iter()
        .map(|a| {
            json!({
                "path": a.path,
                "format": a.format,
                "bytes": a.bytes,
                "facts": a.facts,
                "time_range": a.time_range,
                "diagnostics": a.diagnostics.iter().collect::<Vec<_>>(),
            })
        })
        .collect()
}
