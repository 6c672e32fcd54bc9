//! The `snapshot` object at the front: field layouts by name, type names, counts. Counts are hints for reserving room,
//! never bounds for reading.

use crate::model::graph::{EdgeKind, NodeKind};
use serde::Deserialize;

#[derive(Deserialize)]
struct Raw {
    meta: Meta,
    #[serde(default)]
    node_count: u64,
    #[serde(default)]
    edge_count: u64,
    #[serde(default)]
    extra_native_bytes: u64,
    #[serde(default)]
    trace_function_count: u64,
}

#[derive(Deserialize)]
struct Meta {
    node_fields: Vec<String>,
    node_types: Vec<serde_json::Value>,
    edge_fields: Vec<String>,
    edge_types: Vec<serde_json::Value>,
    #[serde(default)]
    location_fields: Vec<String>,
    #[serde(default)]
    sample_fields: Vec<String>,
    #[serde(default)]
    trace_function_info_fields: Vec<String>,
    #[serde(default)]
    trace_node_fields: Vec<String>,
}

/// The most fields a row may have; V8 has had 5 to 8.
pub const MAX_FIELDS: usize = 16;

pub struct Header {
    pub node: NodeLayout,
    pub edge: EdgeLayout,
    pub location: Option<LocationLayout>,
    pub sample: Option<(usize, usize, usize)>,
    pub traces: Option<TraceLayout>,
    pub node_types: Vec<Box<str>>,
    pub kinds: Vec<NodeKind>,
    pub node_count: u64,
    pub edge_count: u64,
    pub extra_native_bytes: u64,
}

/// Places of the node fields within a row; `stride` fields in all.
#[derive(Clone, Copy)]
pub struct NodeLayout {
    pub stride: usize,
    pub kind: usize,
    pub name: usize,
    pub id: usize,
    pub self_size: usize,
    pub edge_count: usize,
    /// `MAX_FIELDS` where the file has none.
    pub detachedness: usize,
    /// Which call allocated the object; `MAX_FIELDS` where the file recorded no allocations.
    pub trace: usize,
}

#[derive(Clone, Copy)]
pub struct EdgeLayout {
    pub stride: usize,
    pub kind: usize,
    pub name: usize,
    pub to: usize,
    /// Raw edge type to kind.
    pub kinds: [EdgeKind; 32],
}

#[derive(Clone, Copy)]
pub struct LocationLayout {
    pub stride: usize,
    pub object: usize,
    pub script: usize,
    pub line: usize,
    pub column: usize,
}

/// Traced functions and the tree of their calls.
#[derive(Clone, Copy)]
pub struct TraceLayout {
    pub stride: usize,
    pub name: usize,
    pub script: usize,
    pub line: usize,
    pub column: usize,
    /// Numbers before the bracket that holds a call's callees.
    pub call_fields: usize,
    pub call_id: usize,
    pub call_function: usize,
}

/// Reads the object's text; the error says what is missing.
pub fn parse(text: &[u8]) -> Result<Header, String> {
    let raw: Raw = serde_json::from_slice(text).map_err(|e| format!("the header does not parse: {e}"))?;
    let m = raw.meta;
    let field = |fields: &[String], name: &str, what: &str| {
        let at = fields.iter().position(|f| f == name);
        at.filter(|_| fields.len() <= MAX_FIELDS).ok_or_else(|| format!("{what} has no field {name}"))
    };
    let nf = |name| field(&m.node_fields, name, "meta.node_fields");
    let ef = |name| field(&m.edge_fields, name, "meta.edge_fields");
    let node = NodeLayout {
        stride: m.node_fields.len(),
        kind: nf("type")?,
        name: nf("name")?,
        id: nf("id")?,
        self_size: nf("self_size")?,
        edge_count: nf("edge_count")?,
        detachedness: nf("detachedness").unwrap_or(MAX_FIELDS),
        trace: if raw.trace_function_count > 0 { nf("trace_node_id").unwrap_or(MAX_FIELDS) } else { MAX_FIELDS },
    };
    let types = |list: &[serde_json::Value], at: usize| -> Vec<Box<str>> {
        let names = list.get(at).and_then(|v| v.as_array());
        names.into_iter().flatten().map(|v| v.as_str().unwrap_or("").into()).collect()
    };
    let node_types = types(&m.node_types, node.kind);
    let mut edge = EdgeLayout {
        stride: m.edge_fields.len(),
        kind: ef("type")?,
        name: ef("name_or_index")?,
        to: ef("to_node")?,
        kinds: [EdgeKind::Other; 32],
    };
    for (slot, name) in edge.kinds.iter_mut().zip(types(&m.edge_types, edge.kind)) {
        *slot = edge_kind(&name);
    }
    let lf = |name: &str| m.location_fields.iter().position(|f| f == name);
    let location = (|| {
        Some(LocationLayout {
            stride: Some(m.location_fields.len()).filter(|&n| n <= MAX_FIELDS)?,
            object: lf("object_index")?,
            script: lf("script_id")?,
            line: lf("line")?,
            column: lf("column")?,
        })
    })();
    let sf = |name: &str| m.sample_fields.iter().position(|f| f == name);
    let sample = sf("timestamp_us").zip(sf("last_assigned_id")).map(|(t, id)| (m.sample_fields.len(), t, id));
    let tf = |name: &str| m.trace_function_info_fields.iter().position(|f| f == name);
    let cf = |name: &str| m.trace_node_fields.iter().position(|f| f == name);
    let traces = (|| {
        Some(TraceLayout {
            stride: Some(m.trace_function_info_fields.len()).filter(|&n| n <= MAX_FIELDS)?,
            name: tf("name")?,
            script: tf("script_name")?,
            line: tf("line")?,
            column: tf("column")?,
            // The callees come last, or the numbers after them would belong to nobody.
            call_fields: cf("children").filter(|&n| n + 1 == m.trace_node_fields.len() && n <= MAX_FIELDS)?,
            call_id: cf("id")?,
            call_function: cf("function_info_index")?,
        })
    })();
    Ok(Header {
        node,
        traces,
        edge,
        location,
        sample: sample.filter(|s| s.0 <= MAX_FIELDS),
        kinds: node_types.iter().map(|t| node_kind(t)).collect(),
        node_types,
        node_count: raw.node_count,
        edge_count: raw.edge_count,
        extra_native_bytes: raw.extra_native_bytes,
    })
}

fn node_kind(name: &str) -> NodeKind {
    match name {
        "hidden" => NodeKind::Hidden,
        "array" => NodeKind::Array,
        "string" => NodeKind::String,
        "concatenated string" | "sliced string" => NodeKind::Rope,
        "object" | "wasm object" => NodeKind::Object,
        "code" => NodeKind::Code,
        "closure" => NodeKind::Closure,
        "regexp" => NodeKind::RegExp,
        "number" | "bigint" => NodeKind::Number,
        "native" => NodeKind::Native,
        "synthetic" => NodeKind::Synthetic,
        _ => NodeKind::Other,
    }
}

fn edge_kind(name: &str) -> EdgeKind {
    match name {
        "context" => EdgeKind::Context,
        "element" => EdgeKind::Element,
        "property" => EdgeKind::Property,
        "internal" => EdgeKind::Internal,
        "hidden" => EdgeKind::Hidden,
        "shortcut" => EdgeKind::Shortcut,
        "weak" => EdgeKind::Weak,
        _ => EdgeKind::Other,
    }
}
