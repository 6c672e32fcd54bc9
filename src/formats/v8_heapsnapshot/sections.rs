//! The file's sections in the order they come, by name; unknown ones are skipped. Gives the finished columns, and says
//! what was lost where the file ends early: the string table comes last, so any cut costs names first.

use super::columns::{self, Edges, Nodes, Plain};
use super::header::{self, Header};
use super::integers::{self, End, Section};
use super::reader::Stream;
use super::{exports, names, ownership, shapes, text, traces};
use crate::model::Facts;
use crate::model::graph::{GraphColumns, HEAPS_TO_WRITE, NONE, NodeKind, Place, StringTable, TracedFunction};
use crate::model::spare;
use std::io::Read;

/// What goes beside the columns.
pub struct Head {
    pub edges_lost: bool,
    pub names_lost: bool,
    pub extra: Vec<(&'static str, u64)>,
    pub excerpt: Vec<u8>,
}

/// A header longer than this is no V8 header.
const HEADER_MAX: usize = 1 << 20;

struct Parts {
    nodes: Nodes,
    edges: Option<Edges>,
    locations: Vec<(u32, Place)>,
    sums: Option<Sums>,
    samples: Vec<(u64, u64)>,
    strings: StringTable,
    whole: Whole,
    traced: Vec<TracedFunction>,
    calls: Vec<(u32, u32, u32)>,
}

/// Sums over all nodes.
struct Sums {
    /// References that they announce.
    edges: u64,
    memory: [(&'static str, u64); 3],
}

impl Parts {
    fn new(nodes: Nodes) -> Self {
        Parts {
            nodes,
            edges: None,
            locations: Vec::new(),
            sums: None,
            samples: Vec::new(),
            strings: StringTable::default(),
            whole: Whole::default(),
            traced: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// What nodes and locations give by themselves, without references and names: counts of references become the places
    /// where they begin, locations stand in the order of their nodes. Nothing is left to do the second time.
    fn settle(&mut self, head: &Header) {
        if self.sums.is_none() {
            self.nodes.trim();
            let memory = kinds_of_memory(head, &self.nodes);
            let mut edges = 0u64;
            for count in &mut self.nodes.edge_count {
                let own = u64::from(*count);
                *count = u32::try_from(edges).unwrap_or(u32::MAX);
                edges += own;
            }
            self.sums = Some(Sums { edges, memory });
        }
        let nodes = self.nodes.kind.len();
        self.locations.retain(|l| (l.0 as usize) < nodes);
        if !self.locations.is_sorted_by_key(|p| p.0) {
            self.locations = by_node(std::mem::take(&mut self.locations), nodes);
        }
    }
}

#[derive(Default)]
struct Whole {
    nodes: bool,
    edges: bool,
    strings: bool,
}

/// Reads the whole file. `None` when there is nothing to keep; the diagnostic is written either way.
pub fn read(file: Box<dyn Read + Send + '_>, len: Option<u64>, out: &mut Facts) -> Option<(GraphColumns, Head)> {
    let mut s = Stream::new(file);
    if s.rest().is_empty() {
        match s.failed.take() {
            Some(e) => out.error("unreadable", None, || format!("cannot be read: {e}")),
            None => out.error("empty-snapshot", Some(0), || {
                format!(
                    "the file is empty: the process ended (or the volume was full) before the snapshot was written; writing one takes \
                     about {HEAPS_TO_WRITE} times the used heap beside the process, which rarely fits under a nearly full memory limit"
                )
            }),
        }
        return None;
    }
    if s.rest().starts_with(b"\xef\xbb\xbf") {
        s.advance(3);
    }
    let s = &mut s;
    if s.peek() == Some(b'{') {
        s.bump();
    }
    let mut head = None;
    let mut parts: Option<Parts> = None;
    let mut stopped = None;
    while let Some(key) = next_key(s) {
        let at = s.offset();
        let end = match (key.as_str(), &mut head, &mut parts) {
            ("snapshot", None, _) => match object(s) {
                Ok(text) => match header::parse(&text) {
                    Ok(h) => {
                        // A row is at least "0,0,0,0,0\n": the file's length bounds what a header may promise.
                        let limit = len.map_or(1 << 26, |l| l / 8);
                        let nodes = Nodes::new(h.node, h.node_count, limit);
                        parts = Some(Parts::new(nodes));
                        head = Some((h, text));
                        End::Whole
                    }
                    Err(why) => {
                        out.error("bad-header", Some(at), || why);
                        return None;
                    }
                },
                Err(end) => end,
            },
            (key, Some((h, _)), Some(p)) if s.peek() == Some(b'[') => section(key, s, h, p, len),
            _ => skip_value(s),
        };
        if end != End::Whole {
            stopped = Some((key, end));
            break;
        }
    }
    let Some(((head, excerpt), mut parts)) = head.zip(parts) else {
        out.error("truncated", Some(s.offset()), || "the file ends within the snapshot's header: nothing to salvage".into());
        return None;
    };
    parts.settle(&head);
    if parts.nodes.kind.is_empty() {
        out.error("truncated", Some(s.offset()), || "the file ends before its first node: nothing to salvage".into());
        return None;
    }
    // A count of edges that does not go with the edges found makes every edge doubtful.
    let promised = parts.sums.as_ref().map_or(0, |s| s.edges);
    let found = parts.edges.as_ref().map_or(0, |e| e.to.len() as u64);
    let edges_lost = !parts.whole.edges || promised != found;
    let names_lost = !parts.whole.strings;
    report(s, out, &head, &parts, stopped, promised, found);
    if edges_lost {
        parts.edges = None;
    }
    let mut extra = vec![("extra_native_bytes", head.extra_native_bytes), ("traced_functions", parts.traced.len() as u64)];
    extra.extend(parts.sums.iter().flat_map(|s| s.memory));
    let graph = assemble(head, parts, edges_lost);
    Some((
        graph,
        Head {
            edges_lost,
            names_lost,
            extra: extra.into_iter().filter(|e| e.1 > 0).collect(),
            excerpt: excerpt.get(..200.min(excerpt.len())).unwrap_or(&[]).to_vec(),
        },
    ))
}

/// What is in the heap proper, beside it, and code, bytes.
fn kinds_of_memory(head: &Header, nodes: &Nodes) -> [(&'static str, u64); 3] {
    let mut by_kind = [0u64; 256];
    for (i, kind) in nodes.kind.iter().enumerate() {
        if let Some(sum) = by_kind.get_mut(usize::from(*kind)) {
            *sum = sum.saturating_add(nodes.self_size.get(i));
        }
    }
    let (mut heap, mut external, mut code) = (0u64, 0u64, 0u64);
    for (kind, bytes) in by_kind.into_iter().enumerate() {
        let sum = match head.kinds.get(kind) {
            Some(NodeKind::Native) => &mut external,
            Some(NodeKind::Code) => &mut code,
            _ => &mut heap,
        };
        *sum = sum.saturating_add(bytes);
    }
    [("heap_bytes", heap), ("external_bytes", external), ("code_bytes", code)]
}

/// One of the known arrays.
fn section(key: &str, s: &mut Stream<'_>, h: &Header, p: &mut Parts, len: Option<u64>) -> End {
    match key {
        // Once counted, nodes take no more rows.
        "nodes" if p.sums.is_none() => {
            s.bump();
            let end = integers::read(s, &mut p.nodes);
            p.nodes.trim();
            p.whole.nodes = end == End::Whole;
            end
        }
        "edges" => {
            s.bump();
            let limit = len.map_or(1 << 27, |l| l / 6);
            let edges = p.edges.insert(Edges::new(h.edge, h.node.stride, p.nodes.rows(), h.edge_count, limit));
            let end = integers::read(s, edges);
            edges.trim();
            p.whole.edges = end == End::Whole && p.whole.nodes;
            end
        }
        "locations" => {
            let Some(layout) = h.location else { return skip_value(s) };
            s.bump();
            let mut rows = columns::locations(layout, h.node.stride);
            let end = integers::read(s, &mut rows);
            p.locations = rows.rows;
            end
        }
        "samples" => {
            let Some((stride, time, id)) = h.sample else { return skip_value(s) };
            s.bump();
            let get = |f: &[u64; header::MAX_FIELDS], at: usize| f.get(at).copied().unwrap_or(0);
            let mut rows = Plain::new(stride, move |f| (get(f, id), get(f, time)));
            let end = integers::read(s, &mut rows);
            p.samples = rows.rows;
            end
        }
        // The header's count is 3 to 9 too low in files captured from inside the process: the bracket tells the truth.
        "trace_function_infos" => {
            let Some(layout) = h.traces else { return skip_value(s) };
            s.bump();
            let mut rows = traces::functions(layout);
            let end = integers::read(s, &mut rows);
            p.traced = rows.rows;
            end
        }
        "trace_tree" => {
            let Some(layout) = h.traces else { return skip_value(s) };
            let (calls, end) = traces::calls(s, layout);
            p.calls = calls;
            end
        }
        "strings" => {
            s.bump();
            // Reading strings keeps one thread busy. They come last: what else there is can be put in order meanwhile.
            let mut strings = std::mem::take(&mut p.strings);
            let beside = || {
                if p.whole.nodes {
                    p.settle(h)
                }
            };
            let (end, ()) = rayon::join(|| text::read(s, &mut strings), beside);
            p.strings = strings;
            p.whole.strings = end == End::Whole;
            end
        }
        _ => skip_value(s),
    }
}

/// Writes down what was lost.
fn report(s: &Stream<'_>, out: &mut Facts, head: &Header, p: &Parts, stopped: Option<(String, End)>, promised: u64, found: u64) {
    let nodes = p.nodes.kind.len();
    if let Some(e) = &s.failed {
        out.error("unreadable", Some(s.offset()), || format!("reading stopped: {e}"));
    }
    if !p.whole.strings {
        let place = stopped.as_ref().map_or("the file", |s| s.0.as_str());
        let at = match &stopped {
            Some((_, End::Damaged(at))) => *at,
            _ => s.offset(),
        };
        let word = if matches!(stopped, Some((_, End::Damaged(_)))) { "is damaged" } else { "ends early" };
        out.error("truncated", Some(at), || {
            let kept = if p.whole.edges {
                format!("{nodes} nodes and {found} edges are kept, {} names", p.strings.len())
            } else {
                format!("{nodes} nodes with types and sizes are kept; references and names are lost, so retained sizes are not known")
            };
            format!("the snapshot {word} in its section {place}: of {} nodes promised {kept}", head.node_count)
        });
    } else if promised != found {
        out.error("edge-count", Some(s.offset()), || {
            format!("nodes announce {promised} references, the file has {found}: references are not used")
        });
    }
    if let Some(bad) = p.edges.as_ref().map(|e| e.bad).filter(|&b| b > 0) {
        out.warn("bad-edge", None, None, || format!("{bad} references lead to no node and are not followed"));
    }
    if p.strings.dropped() > 0 {
        out.warn("strings-dropped", None, None, || format!("{} names beyond 4 GiB of text are not kept", p.strings.dropped()));
    }
}

/// Columns, with the semantics applied that need the whole file.
fn assemble(head: Header, parts: Parts, edges_lost: bool) -> GraphColumns {
    let Parts { nodes, edges, locations, sums, samples, strings, traced, calls, .. } = parts;
    let mut first_edge = nodes.edge_count;
    if edges_lost {
        first_edge.fill(0);
    }
    first_edge.push(sums.filter(|_| !edges_lost).and_then(|s| u32::try_from(s.edges).ok()).unwrap_or(0));
    let (to, label) = edges.map_or((Vec::new(), Vec::new()), |e| (e.to, e.label));
    let known = names::Known::find(&strings);
    let mut graph = GraphColumns {
        kind: nodes.kind,
        kinds: head.kinds,
        name: nodes.name,
        id: nodes.id,
        self_size: nodes.self_size,
        first_edge,
        to,
        label,
        strings,
        places: locations,
        nameless: NONE,
        extra_bytes: head.extra_native_bytes,
        allocations: traces::allocations(nodes.trace, calls, traced).map(Box::new),
        births: samples.into_iter().map(|(id, t)| (id, i64::try_from(t).unwrap_or(i64::MAX))).collect(),
        ..GraphColumns::default()
    };
    names::detached(&mut graph, &nodes.detachedness);
    let ((page, owners), (names, shapes, exports)) = rayon::join(
        || {
            let page = ownership::page_owned(&graph, &known);
            let owners = ownership::owners(&graph, &known);
            (page, owners)
        },
        || {
            let names = names::classes(&graph, &head.node_types);
            let shapes = shapes::collect(&graph, &names);
            (names, shapes, exports::named(&graph, &known))
        },
    );
    names.give_to(&mut graph);
    graph.titles = known.titles(&graph.classes);
    graph.shapes = shapes;
    ownership::apply(&mut graph, page, owners, &known);
    for (e, label) in exports {
        if let Some(slot) = graph.label.get_mut(e) {
            *slot = label.0;
        }
    }
    graph.detours = known.weak_entries;
    graph
}

/// Places in the order of their nodes, by counting (measured: half the time of sorting). Of two places of one object the
/// later one in the file holds.
fn by_node(places: Vec<(u32, Place)>, nodes: usize) -> Vec<(u32, Place)> {
    let mut last = spare::filled(nodes, NONE);
    for (p, i) in places.iter().zip(0u32..) {
        if let Some(slot) = last.get_mut(p.0 as usize) {
            *slot = i;
        }
    }
    let held = last.iter().filter(|&&i| i != NONE);
    let sorted = held.filter_map(|&i| places.get(i as usize).copied()).collect();
    spare::give(last);
    sorted
}

/// The next key of the outer object, its colon consumed.
fn next_key(s: &mut Stream<'_>) -> Option<String> {
    if s.peek()? != b'"' {
        return None;
    }
    s.bump();
    let mut key = Vec::new();
    loop {
        match s.bump()? {
            b'"' => break,
            b if key.len() < 256 => key.push(b),
            _ => return None,
        }
    }
    if s.peek()? != b':' {
        return None;
    }
    s.bump();
    s.peek()?;
    Some(String::from_utf8_lossy(&key).into_owned())
}

/// The text of a short value, brackets balanced.
fn object(s: &mut Stream<'_>) -> Result<Vec<u8>, End> {
    let mut text = Vec::new();
    s.peek();
    let end = walk_value(s, |b| {
        text.push(b);
        text.len() <= HEADER_MAX
    });
    if end == End::Whole { Ok(text) } else { Err(end) }
}

fn skip_value(s: &mut Stream<'_>) -> End {
    s.peek();
    walk_value(s, |_| true)
}

/// Walks one JSON value byte by byte; depth is counted, not recursed into.
fn walk_value(s: &mut Stream<'_>, mut byte: impl FnMut(u8) -> bool) -> End {
    let (mut depth, mut in_string, mut escaped) = (0u64, false, false);
    loop {
        if depth == 0 && !in_string && matches!(s.rest().first(), Some(b',' | b'}' | b']')) {
            return End::Whole;
        }
        let Some(b) = s.bump() else { return End::Cut };
        if !byte(b) {
            return End::Damaged(s.offset());
        }
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => continue,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 && !in_string {
            return End::Whole;
        }
    }
}
