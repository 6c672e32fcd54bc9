//! The shortest way from a root to an object as steps that a reader can follow: arrays and tables that only serve their
//! owner are folded into it, a list's links into one step with their number.

use super::entries::is_dictionary;
use super::{Now, Past};
use crate::model::delta::PathStep;
use crate::model::graph::{EdgeKind, EdgeLabel, FAR, GraphColumns, NODE, NONE, NodeKind};

/// Longest way shown.
const LONGEST: usize = 40;
/// Edges of one object searched for the one that leads on.
const EDGES: usize = 1 << 16;

/// A way, where on it the holder stands, and its nodes from the root.
pub struct Way {
    pub steps: Vec<PathStep>,
    pub holder_at: usize,
    pub nodes: Vec<u32>,
}

struct Kept {
    v: u32,
    edge: String,
    /// The edge where it is a field, for telling links of a list.
    label: Option<EdgeLabel>,
    times: u32,
}

/// An array or table that is no step of its own.
pub fn is_part(g: &GraphColumns, v: u32) -> bool {
    matches!(g.node_kind(v), NodeKind::Hidden | NodeKind::Array)
}

/// From a root to `to`. The holder's place is that of `holder`, else of the last survivor on the way.
pub fn to(now: &Now<'_>, past: &Past<'_>, to: u32, holder: u32) -> Way {
    let g = now.g;
    let mut nodes = Vec::new();
    let mut at = to;
    // Shortest ways are a tree: the bound is only against a damaged one.
    while at != NONE && nodes.len() < g.nodes() {
        nodes.push(at);
        at = now.from.get(at as usize).copied().unwrap_or(NONE);
    }
    nodes.reverse();
    let mut kept: Vec<Kept> = Vec::new();
    let (mut holder_at, mut met) = (0, false);
    let mut pending = String::new();
    for (k, &v) in nodes.iter().enumerate() {
        let from = k.checked_sub(1).and_then(|k| nodes.get(k)).copied();
        let label = from.and_then(|f| label_between(g, f, v));
        if is_part(g, v) && k + 1 < nodes.len() {
            if pending.is_empty() {
                pending =
                    label.map(|l| text(g, l)).filter(|e| !matches!(e.as_str(), "elements" | "table" | "properties")).unwrap_or_default();
            }
            continue;
        }
        let field = label.filter(|l| pending.is_empty() && !l.kind().is_indexed());
        let link = kept.last_mut().filter(|l| field.is_some() && l.label == field && g.class.get(l.v as usize) == g.class.get(v as usize));
        match link {
            Some(link) => {
                link.times = link.times.saturating_add(1);
                link.v = v;
            }
            None => {
                let before = std::mem::take(&mut pending);
                // What the program itself calls it needs no word of how the runtime stores it.
                let before = if label.is_some_and(|l| l.kind() == EdgeKind::Property) { String::new() } else { before };
                let edge = format!("{before}{}", from.zip(label).map(|(f, l)| step_text(g, f, l)).unwrap_or_default());
                kept.push(Kept { v, edge, label: field, times: 1 });
            }
        }
        if v == holder || !met && !past.is_new(v) {
            holder_at = kept.len().saturating_sub(1);
            met |= v == holder;
        }
    }
    let mut nodes: Vec<u32> = kept.iter().map(|k| k.v).collect();
    let mut steps: Vec<PathStep> = kept.into_iter().map(|k| step(now, k)).collect();
    if steps.len() > LONGEST {
        let drop = steps.len() - LONGEST;
        let from = holder_at.saturating_sub(LONGEST / 2).min(drop);
        steps.drain(..from);
        holder_at -= from;
        steps.truncate(LONGEST);
        nodes.drain(..from.min(nodes.len()));
    }
    Way { steps, holder_at, nodes }
}

fn step(now: &Now<'_>, k: Kept) -> PathStep {
    let g = now.g;
    PathStep {
        edge: if k.times > 1 { format!("{} ×{}", k.edge, k.times) } else { k.edge },
        node: node_text(g, k.v),
        class: g.class_name(k.v).to_owned(),
        title: title(g, k.v).map(str::to_owned),
        place: place(g, k.v).or_else(|| scope_file(g, k.v)),
        retained_bytes: i64::try_from(now.retained.get(k.v as usize)).ok(),
    }
}

/// The edge from one node to another by which it is best told: a strong one of the program's own, else a strong one.
pub fn label_between(g: &GraphColumns, from: u32, to: u32) -> Option<EdgeLabel> {
    let mut best: Option<(bool, EdgeLabel)> = None;
    for e in g.edges(from).take(EDGES) {
        let Some(t) = g.to.get(e).filter(|t| **t & NODE == to) else { continue };
        let (label, strong) = (g.edge_label(e), t & FAR == 0);
        if strong && !matches!(label.kind(), EdgeKind::Internal | EdgeKind::Hidden) {
            return Some(label);
        }
        if best.is_none_or(|(known, _)| strong && !known) {
            best = Some((strong, label));
        }
    }
    best.map(|b| b.1)
}

/// An edge as a program would write it.
fn text(g: &GraphColumns, label: EdgeLabel) -> String {
    match label.kind() {
        EdgeKind::Element | EdgeKind::Hidden => format!("[{}]", label.name()),
        EdgeKind::Internal if g.strings.get(label.name()).contains(" / part of key (") => "(weak entry)".into(),
        _ => g.strings.get(label.name()).to_owned(),
    }
}

/// An edge on a way: the keys of dictionaries and the slots of tables are data, and often somebody's.
fn step_text(g: &GraphColumns, from: u32, label: EdgeLabel) -> String {
    let slot = || is_part(g, from) && text(g, label).bytes().all(|b| b.is_ascii_digit());
    match label.kind() {
        EdgeKind::Internal if slot() => "[entry]".into(),
        EdgeKind::Property if is_dictionary(g, from) => "[key]".into(),
        _ => text(g, label),
    }
}

/// What an object of a class that has a title is called: the file of a module, the function of a generator.
pub fn title(g: &GraphColumns, v: u32) -> Option<&str> {
    let class = *g.class.get(v as usize)?;
    let from = g.titles.partition_point(|t| t.0 < class);
    let rules = g.titles.get(from..)?.iter().take_while(|t| t.0 == class);
    let leads = |name: u32| {
        g.edges(v).take(EDGES).find(|&e| {
            let l = g.edge_label(e);
            !l.kind().is_indexed() && l.name() == name
        })
    };
    // The name of text that was put together is not what it says.
    let told = |v: u32| if g.node_kind(v) == NodeKind::Rope { "" } else { g.node_name(v) };
    rules.filter_map(|t| leads(t.1)).map(|e| told(g.target(e))).find(|t| !t.is_empty())
}

/// A node by its name; the contents of strings stay hidden.
fn node_text(g: &GraphColumns, v: u32) -> String {
    let id = g.id.get(v as usize);
    match g.node_kind(v) {
        NodeKind::String | NodeKind::Rope => format!("(string) @{id}"),
        NodeKind::Closure => {
            let name = g.node_name(v);
            format!("function {}() @{id}", if name.is_empty() { "(anonymous)" } else { name })
        }
        _ => format!("{} @{id}", g.node_name(v)),
    }
}

/// Source places of the functions and program classes on the way, nearest to the gained object first.
pub fn sites(now: &Now<'_>, nodes: &[u32]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for site in nodes.iter().rev().filter_map(|&v| place(now.g, v)) {
        if !out.contains(&site) && out.len() < 8 {
            out.push(site);
        }
    }
    out
}

/// The file of a scope: that of a function made in it. The runtime's own scopes have none.
fn scope_file(g: &GraphColumns, v: u32) -> Option<String> {
    g.edges(v).take(EDGES).find(|&e| g.edge_label(e).kind() == EdgeKind::Context)?;
    let made_here = |f: u32| {
        g.node_kind(f) == NodeKind::Closure
            && g.edges(f).any(|e| g.target(e) == v && matches!(g.edge_label(e).kind(), EdgeKind::Internal | EdgeKind::Context))
    };
    let at = place(g, g.places.iter().map(|p| p.0).find(|&f| made_here(f))?)?;
    Some(at.rsplitn(3, ':').nth(2)?.to_owned())
}

/// Where in the program a function or the class of an object is defined; nothing for the runtime's own.
fn place(g: &GraphColumns, v: u32) -> Option<String> {
    let at = g.places.binary_search_by_key(&v, |p| p.0).ok()?;
    let place = g.places.get(at)?.1;
    let path = g.scripts.binary_search_by_key(&place.script, |s| s.0).ok().and_then(|i| g.scripts.get(i))?;
    let own = !path.1.starts_with("node:") && !path.1.starts_with("internal/");
    own.then(|| format!("{}:{}:{}", path.1, place.line.saturating_add(1), place.column.saturating_add(1)))
}
