//! `postmem.inspect/1` (docs/json.md): what was opened, parsed and resolved, one file per section.

pub mod artifacts;
mod class_rows;
mod events;
mod graph_rows;
mod kills;
mod node_files;
pub mod nodes;
pub mod pods;
mod profiles;
mod series;
mod stack_rows;

use crate::model::Incident;
use crate::model::delta::RowOptions;
use serde_json::{Value, json};

/// The whole document.
pub fn document(incident: &Incident, rows: &RowOptions) -> Value {
    json!({
        "schema": "postmem.inspect/1",
        "artifacts": artifacts::section(incident),
        "kills": kills::section(incident),
        "pods": pods::section(incident),
        "nodes": nodes::section(incident).into_iter().chain(node_files::meminfo(incident)).collect::<Vec<_>>(),
        "policies": pods::policies(incident),
        "events": events::section(incident),
        "alerts": events::alerts(incident),
        "series": series::section(incident).into_iter().chain(events::usage(incident)).collect::<Vec<_>>(),
        "profiles": profiles::section(incident, rows),
        "cgroup": node_files::cgroup(incident),
        "processes": node_files::processes(incident),
        "logs": node_files::logs(incident),
    })
}
