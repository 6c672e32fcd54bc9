//! `profiles[]` of `postmem.inspect/1`: totals of every measure and the top rows as the row flags ask.

use crate::model::delta::RowOptions;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::{Incident, Placed};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident, rows: &RowOptions) -> Vec<Value> {
    incident.profiles.iter().map(|p| profile(incident, p, rows)).collect()
}

fn profile(incident: &Incident, placed: &Placed<HeapProfile>, _rows: &RowOptions) -> Value {
    let p = &placed.what;
    let totals: Map<String, Value> = p.measures.iter().zip(&p.totals).map(|(m, t)| (m.name.clone(), json!(t))).collect();
    let granularity = match p.body {
        ProfileBody::Stacks(_) => "stack",
        _ => "class",
    };
    let top = match p.body {
        ProfileBody::Stacks(_) => super::stack_rows::rows(p),
        _ => Vec::new(),
    };
    json!({
        "artifact": incident.path(placed.cite.span.artifact),
        "format": p.format,
        "granularity": granularity,
        "time": placed.at,
        "process": p.process,
        "totals": totals,
        "top": top,
    })
}
