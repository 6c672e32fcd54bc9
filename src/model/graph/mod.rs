//! A heap graph as flat `u32` tables, neutral of the format it came from: V8 and HPROF readers fill the same columns,
//! `heap` measures them. Two bits of every edge say what a peer's semantics make of it, so that the workshop needs no
//! knowledge of the format: [`LOOSE`] edges do not count for dominators, [`FAR`] edges do not count for distances.
//!
//! A graph is big and short-lived: once measured it is reduced to a [`Fold`] (sorted columns of what comparisons need)
//! and the answers that only the graph can give, and the columns are dropped before the next snapshot is read.

mod columns;
mod measured;

pub use columns::{SmallColumn, StringTable, WideColumn};
pub use measured::{Birth, ClassTotals, Fold, Gain, GrowthPoint, NodeAnswer, Repeated, RepeatedStrings};

use serde::{Deserialize, Serialize};

/// Bit of [`GraphColumns::to`]: dominators and retained sizes ignore the edge.
pub const LOOSE: u32 = 1 << 31;
/// Bit of [`GraphColumns::to`]: distances and paths ignore the edge (unless it is one of a pair, see `pairs`).
pub const FAR: u32 = 1 << 30;
/// Mask of the target's ordinal in [`GraphColumns::to`]; also the highest number of nodes a graph may have.
pub const NODE: u32 = FAR - 1;
/// "No node", "no class", "no string".
pub const NONE: u32 = u32::MAX;
/// Distance of nodes that only the system's own roots reach is at least this.
pub const SYSTEM_DISTANCE: i32 = 100_000_000;
/// Distance of nodes that nothing reaches.
pub const NO_DISTANCE: i32 = -5;

/// What a heap object is, in words that all runtimes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NodeKind {
    /// A runtime's own bookkeeping.
    Hidden,
    Array,
    /// Text; its name is its content.
    String,
    /// Text put together from other strings; its name is not its content.
    Rope,
    #[default]
    Object,
    Code,
    Closure,
    RegExp,
    Number,
    /// Memory outside the managed heap that the heap owns.
    Native,
    /// Roots and other nodes that are no object.
    Synthetic,
    Other,
}

/// What an edge is. Fits three bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EdgeKind {
    /// A variable captured by a closure.
    Context,
    /// An element; the label is the index.
    Element,
    /// A named field.
    Property,
    /// A field of the runtime, named.
    Internal,
    /// A field of the runtime; the label is an index.
    Hidden,
    /// A second, more direct way; no field.
    Shortcut,
    Weak,
    Other,
}

impl EdgeKind {
    pub const ALL: [EdgeKind; 8] = [
        EdgeKind::Context,
        EdgeKind::Element,
        EdgeKind::Property,
        EdgeKind::Internal,
        EdgeKind::Hidden,
        EdgeKind::Shortcut,
        EdgeKind::Weak,
        EdgeKind::Other,
    ];

    /// Whether the label is an index, not a string.
    pub fn is_indexed(self) -> bool {
        matches!(self, EdgeKind::Element | EdgeKind::Hidden)
    }
}

/// Edge kind and label in one word: kind in the upper three bits, name (string) or index below, saturating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLabel(pub u32);

impl EdgeLabel {
    pub const NAME: u32 = (1 << 29) - 1;

    pub fn new(kind: EdgeKind, name: u32) -> Self {
        EdgeLabel((kind as u32) << 29 | name.min(Self::NAME))
    }

    pub fn kind(self) -> EdgeKind {
        EdgeKind::ALL.get((self.0 >> 29) as usize).copied().unwrap_or(EdgeKind::Other)
    }

    /// String handle, or index where [`EdgeKind::is_indexed`].
    pub fn name(self) -> u32 {
        self.0 & Self::NAME
    }
}

/// Where a class was defined: script, line and column as the file numbers them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub script: u32,
    pub line: u32,
    pub column: u32,
}

/// What a class stands for; suspects prefer a program's own classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ClassKind {
    /// Of the runtime, its library, or not an object: strings, arrays, code.
    #[default]
    Runtime,
    /// A thing of the runtime's library with a class of its own: a socket, a module.
    Library,
    /// Plain records told apart by their fields.
    Shape,
    /// Of the program.
    Program,
}

/// A class of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Class {
    pub name: Box<str>,
    pub place: Option<Place>,
    pub kind: ClassKind,
}

impl Class {
    /// The key by which classes of two files are the same: `script,line,column,name`, or `,name` where no place is known.
    pub fn key(&self) -> String {
        match self.place {
            Some(p) => format!("{},{},{},{}", p.script, p.line, p.column, self.name),
            None => format!(",{}", self.name),
        }
    }
}

/// A named set of fields: records that have them all belong to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    pub name: Box<str>,
    pub fields: Vec<Box<str>>,
}

/// Plain records and what fields they have, so that the interfaces of one file can be applied to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shapes {
    /// The file's own interfaces, best first.
    pub interfaces: Vec<Interface>,
    /// Records: (node, shape), sorted by node. After folding the node is the row of the fold.
    pub records: Vec<(u32, u32)>,
    /// `fields[start[s]..start[s + 1]]` are the fields of shape `s`, handles into `names`.
    pub start: Vec<u32>,
    pub fields: Vec<u32>,
    pub names: StringTable,
    /// Class that a record belongs to when no interface fits.
    pub fallback: u32,
}

impl Shapes {
    pub fn shape(&self, s: u32) -> &[u32] {
        let (a, b) = (self.start.get(s as usize).copied().unwrap_or(0), self.start.get(s as usize + 1).copied().unwrap_or(0));
        self.fields.get(a as usize..b as usize).unwrap_or(&[])
    }
}

/// The graph itself. Node 0 is the root. Edges of node `n` are `first_edge[n]..first_edge[n + 1]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GraphColumns {
    /// Index into `kinds`.
    pub kind: Vec<u8>,
    pub kinds: Vec<NodeKind>,
    /// String handle of each node's own name; empty where a format has only classes.
    pub name: Vec<u32>,
    /// Object id as the format numbers it, unique.
    pub id: WideColumn,
    /// Shallow size in bytes, as the peer shows it (V8: owned parts moved to their owner).
    pub self_size: WideColumn,
    /// Index into `classes`.
    pub class: Vec<u32>,
    pub classes: Vec<Class>,
    pub first_edge: Vec<u32>,
    /// Target ordinal with the [`LOOSE`] and [`FAR`] bits.
    pub to: Vec<u32>,
    /// [`EdgeLabel`] of each edge.
    pub label: Vec<u32>,
    pub strings: StringTable,
    /// Nodes at distance 1, in the file's order; with none, distances count from the root.
    pub starts: Vec<u32>,
    /// Edges (by index, sorted) that together hold their target: of two with one pair number, a traversal for distances
    /// follows only the second it meets.
    pub pairs: Vec<(u32, u32)>,
    /// (script number, path) of the scripts that places refer to, sorted.
    pub scripts: Vec<(u32, Box<str>)>,
    /// (node, place) of objects whose place of definition is known, sorted by node.
    pub places: Vec<(u32, Place)>,
    pub shapes: Shapes,
    /// Edge names that lead to a node only as a last resort when a way to it is shown (a weak table's entries). Sorted.
    pub detours: Vec<u32>,
    /// (class, edge): objects of the class are best called by the name of what this edge leads to (a module by its file).
    /// Sorted by class; of several the first that leads somewhere counts.
    pub titles: Vec<(u32, u32)>,
    /// (class, slots): in the table of such an object every entry takes so many slots. Sorted by class.
    pub tables: Vec<(u32, u8)>,
    /// Classes whose own name was lost with the file's end; an earlier snapshot may know them.
    pub nameless: u32,
    /// Ids are addresses that change as objects move (HPROF): they say nothing across files.
    pub moving_ids: bool,
    /// Bytes that belong to the process and to no node.
    pub extra_bytes: u64,
    /// Bounds of object ids and their times in µs, for files that recorded allocations: (last id, time).
    pub births: Vec<(u64, i64)>,
    /// Where objects were allocated, for files that recorded it.
    pub allocations: Option<Box<Allocations>>,
}

/// Stacks in which objects were allocated, as a tree of calls.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allocations {
    /// By node the call that allocated it, an index into `calls`; [`NONE`] where that was not recorded.
    pub by: Vec<u32>,
    /// (function, call that called it); a call without a caller has [`NONE`].
    pub calls: Vec<(u32, u32)>,
    pub functions: Vec<TracedFunction>,
}

/// A function that was seen on a stack; names are handles into the graph's strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TracedFunction {
    pub name: u32,
    pub script: u32,
    /// Counted from 1; 0 where unknown.
    pub line: u32,
    pub column: u32,
}

/// A function that allocated, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocator {
    /// The nearest function of the program on the stack.
    pub function: String,
    /// `script:line:column`, counted from 1.
    pub location: Option<String>,
    /// The function of the runtime that it called to allocate, where it did not do so itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub through: Option<String>,
    /// What called it, nearest first.
    pub callers: Vec<String>,
    pub objects: u64,
    /// Shallow sizes.
    pub bytes: u64,
}

impl GraphColumns {
    pub fn nodes(&self) -> usize {
        self.class.len()
    }

    /// Edge indices of node `n`.
    pub fn edges(&self, n: u32) -> std::ops::Range<usize> {
        let a = self.first_edge.get(n as usize).copied().unwrap_or(0) as usize;
        let b = self.first_edge.get(n as usize + 1).copied().unwrap_or(0) as usize;
        // Either column may be away for a while: targets lent for marking, labels dropped when no way is to be shown.
        a..b.min(self.to.len().max(self.label.len()))
    }

    /// Target of edge `e`, without the bits.
    pub fn target(&self, e: usize) -> u32 {
        self.to.get(e).map_or(0, |t| t & NODE)
    }

    pub fn edge_label(&self, e: usize) -> EdgeLabel {
        EdgeLabel(self.label.get(e).copied().unwrap_or(u32::MAX))
    }

    pub fn node_kind(&self, n: u32) -> NodeKind {
        self.kind.get(n as usize).and_then(|&k| self.kinds.get(usize::from(k))).copied().unwrap_or(NodeKind::Other)
    }

    pub fn class_name(&self, n: u32) -> &str {
        self.class.get(n as usize).and_then(|&c| self.classes.get(c as usize)).map_or("", |c| &c.name)
    }

    /// The node's own name; its class's where the format has no names.
    pub fn node_name(&self, n: u32) -> &str {
        self.name.get(n as usize).map_or_else(|| self.class_name(n), |&s| self.strings.get(s))
    }

    /// Sum of all shallow sizes and of what belongs to no node, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.self_size.iter().fold(self.extra_bytes, u64::saturating_add)
    }
}

/// What writing a V8 heap snapshot takes beside the process, in used heaps. Measured on Node 20 and 24: 345 MB of heap took
/// RSS from 434 MB to 2.84 and 2.74 GB (Node's documentation says twice the heap).
pub const HEAPS_TO_WRITE: u64 = 7;

/// A heap graph as the model keeps it: first with its columns, after measuring without.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeapGraph {
    /// Nodes in the file.
    pub nodes: u64,
    /// Until measured.
    pub columns: Option<Box<GraphColumns>>,
    /// Classes in figures, most retained first.
    pub rows: Vec<ClassTotals>,
    /// What later snapshots are compared with; absent where nothing is to be compared.
    pub fold: Option<Box<Fold>>,
    /// Where the heap grew since the earlier snapshots of the same process.
    pub growth: Vec<GrowthPoint>,
    /// (script number, path) of the scripts that classes' places refer to, sorted.
    pub scripts: Vec<(u32, Box<str>)>,
    /// When what is alive was allocated, for files that recorded it.
    pub births: Vec<Birth>,
    /// Which functions allocated what is alive, most bytes first, for files that recorded it.
    pub allocated: Vec<Allocator>,
    /// Strings held more than once; absent where names are lost.
    pub repeated: Option<RepeatedStrings>,
    pub answers: Vec<NodeAnswer>,
    /// Ids asked for that the graph does not have.
    pub unknown_ids: Vec<u64>,
    /// The file ended before its edges were complete: no retained sizes, no distances.
    pub edges_lost: bool,
    /// The file ended before its strings were complete: no names of its own.
    pub names_lost: bool,
}
