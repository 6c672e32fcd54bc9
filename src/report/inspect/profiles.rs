//! `profiles[]` of `postmem.inspect/1`: totals of every measure and the top rows as the row flags ask.

use crate::model::delta::RowOptions;
use crate::model::graph::HeapGraph;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::{Incident, Placed, Timestamp};
use serde_json::{Map, Value, json};

pub fn section(incident: &Incident, rows: &RowOptions) -> Vec<Value> {
    incident.profiles.iter().map(|p| profile(incident, p, rows)).collect()
}

fn profile(incident: &Incident, placed: &Placed<HeapProfile>, rows: &RowOptions) -> Value {
    let p = &placed.what;
    let totals: Map<String, Value> = p.measures.iter().zip(&p.totals).map(|(m, t)| (m.name.clone(), json!(t))).collect();
    let granularity = match p.body {
        ProfileBody::Stacks(_) => "stack",
        _ => "class",
    };
    let top = match &p.body {
        ProfileBody::Stacks(_) => super::stack_rows::rows(p),
        ProfileBody::Graph(g) => super::graph_rows::rows(g, rows.limit()),
        ProfileBody::Classes(c) => super::class_rows::rows(p, c, rows.limit()),
        ProfileBody::Printed(r) => super::class_rows::printed(r, rows.limit()),
        ProfileBody::Empty => Vec::new(),
    };
    let mut doc = json!({
        "artifact": incident.path(placed.cite.span.artifact),
        "format": p.format,
        "granularity": granularity,
        "time": placed.at,
        "process": p.process,
        "totals": totals,
        "top": top,
    });
    if let (ProfileBody::Graph(g), Some(doc)) = (&p.body, doc.as_object_mut()) {
        doc.insert("retained_is_lower_bound".into(), json!(g.edges_lost));
        doc.insert("memory".into(), json!(p.extra));
        if let Some(r) = &g.repeated {
            doc.insert("repeated_strings".into(), json!(r));
        }
        if !g.births.is_empty() {
            doc.insert("births".into(), json!(births(g, placed.at.mid())));
        }
    }
    if let (ProfileBody::Graph(g), false, Some(doc)) = (&p.body, rows.nodes.is_empty(), doc.as_object_mut()) {
        let (nodes, unknown) = super::graph_rows::nodes(g);
        doc.insert("nodes".into(), nodes);
        doc.insert("unknown_nodes".into(), unknown);
    }
    doc
}

/// What is alive by time of birth. Recording ended when the file was written: where that moment is known, so are the others.
fn births(g: &HeapGraph, written: Option<Timestamp>) -> Vec<Value> {
    let end = g.births.last().map_or(0, |b| b.to_us);
    let at = |us: i64| written.map(|w| Timestamp(w.0.saturating_sub(end.saturating_sub(us).saturating_mul(1000))));
    g.births
        .iter()
        .map(|b| {
            json!({
                "from_seconds": b.from_us as f64 / 1e6,
                "to_seconds": b.to_us as f64 / 1e6,
                "earliest": at(b.from_us),
                "latest": at(b.to_us),
                "objects": b.objects,
                "bytes": b.bytes,
            })
        })
        .collect()
}
