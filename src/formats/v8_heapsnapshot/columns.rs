//! Where rows of nodes, edges, locations and samples go.

use super::header::{EdgeLayout, LocationLayout, MAX_FIELDS, NodeLayout};
use super::integers::{Odd, Rows, Section};
use crate::model::graph::{EdgeKind, EdgeLabel, FAR, LOOSE, NODE, Place, WideColumn};
use crate::model::spare;

/// Rows of `bytes` each to begin with: what the header promises, as far as the file can hold them and the system gives room.
/// All columns are asked for at once, for allocators draw conclusions from single blocks that come and go.
fn rows_ahead(promised: u64, limit: u64, bytes: usize) -> usize {
    let n = usize::try_from(promised.min(limit)).unwrap_or(0);
    // A size that the system refuses is no trouble: the columns then grow as rows come.
    match Vec::<u8>::new().try_reserve_exact(n.saturating_mul(bytes)) {
        Ok(()) => n,
        Err(_) => 0,
    }
}

/// Lends `rows` rows from `at` on, and makes them where the header promised fewer.
fn lend_at<T: Copy + Default>(v: &mut Vec<T>, at: usize, rows: usize) -> Option<&mut [T]> {
    if v.len() < at + rows {
        v.try_reserve(at + rows - v.len()).ok()?;
        v.resize(at + rows, T::default());
    }
    v.get_mut(at..at + rows)
}

const SIZE: u8 = 0;
const ID: u8 = 1;
const DETACHED: u8 = 2;
const BAD: u8 = 3;

pub struct Nodes {
    layout: NodeLayout,
    rows: usize,
    /// The columns are longer than `rows` until [`Nodes::trim`].
    pub kind: Vec<u8>,
    pub name: Vec<u32>,
    pub id: WideColumn,
    pub self_size: WideColumn,
    pub edge_count: Vec<u32>,
    /// Call that allocated each; empty where the file recorded none.
    pub trace: Vec<u32>,
    /// (node, state): 1 attached, 2 detached.
    pub detachedness: Vec<(u32, u8)>,
}

impl Nodes {
    pub fn new(layout: NodeLayout, promised: u64, limit: u64) -> Self {
        // One kind and four or five numbers; one row more, for edges are counted to behind the last.
        let n = rows_ahead(promised.saturating_add(1), limit, 21);
        // Zeros fresh from the system cost nothing until written, and then they are paged in by the thread that parses the
        // row (measured: a tenth of the time of reading, which else one thread spends alone).
        Nodes {
            layout,
            rows: 0,
            kind: vec![0; n],
            name: spare::take(n),
            id: WideColumn { low: spare::take(n), wide: Vec::new() },
            self_size: WideColumn { low: spare::take(n), wide: Vec::new() },
            edge_count: spare::take(n),
            trace: if layout.trace < MAX_FIELDS { spare::take(n) } else { Vec::new() },
            detachedness: Vec::new(),
        }
    }

    /// Drops what the header promised and the file does not have.
    pub fn trim(&mut self) {
        self.kind.truncate(self.rows);
        self.name.truncate(self.rows);
        self.id.low.truncate(self.rows);
        self.self_size.low.truncate(self.rows);
        self.edge_count.truncate(self.rows);
        self.trace.truncate(self.rows);
    }
}

pub struct NodePart<'a> {
    layout: NodeLayout,
    kind: &'a mut [u8],
    name: &'a mut [u32],
    id: &'a mut [u32],
    size: &'a mut [u32],
    edges: &'a mut [u32],
    trace: &'a mut [u32],
}

impl Rows for NodePart<'_> {
    fn split(self, n: usize) -> (Self, Self) {
        let layout = self.layout;
        let (k, k2) = self.kind.split_at_mut(n);
        let (a, a2) = self.name.split_at_mut(n);
        let (i, i2) = self.id.split_at_mut(n);
        let (s, s2) = self.size.split_at_mut(n);
        let (e, e2) = self.edges.split_at_mut(n);
        let (t, t2) = self.trace.split_at_mut(n.min(self.trace.len()));
        (
            NodePart { layout, kind: k, name: a, id: i, size: s, edges: e, trace: t },
            NodePart { layout, kind: k2, name: a2, id: i2, size: s2, edges: e2, trace: t2 },
        )
    }

    #[inline(always)]
    fn put(&mut self, row: usize, f: &[u64; MAX_FIELDS], odd: &mut Vec<Odd>) {
        let l = &self.layout;
        let get = |at: usize| f.get(at).copied().unwrap_or(0);
        let (size, id) = (get(l.self_size), get(l.id));
        if let (Some(k), Some(a), Some(i), Some(s), Some(e)) =
            (self.kind.get_mut(row), self.name.get_mut(row), self.id.get_mut(row), self.size.get_mut(row), self.edges.get_mut(row))
        {
            *k = get(l.kind).min(255) as u8;
            *a = narrow(get(l.name));
            *i = narrow(id);
            *s = narrow(size);
            *e = narrow(get(l.edge_count));
        }
        if let Some(t) = self.trace.get_mut(row) {
            *t = narrow(get(l.trace));
        }
        if size >= u64::from(u32::MAX) {
            odd.push((row as u32, SIZE, size));
        }
        if id >= u64::from(u32::MAX) {
            odd.push((row as u32, ID, id));
        }
        if l.detachedness < MAX_FIELDS && get(l.detachedness) != 0 {
            odd.push((row as u32, DETACHED, get(l.detachedness)));
        }
    }
}

#[inline(always)]
fn narrow(v: u64) -> u32 {
    v.min(u64::from(u32::MAX)) as u32
}

impl Section for Nodes {
    type Part<'a> = NodePart<'a>;

    fn stride(&self) -> usize {
        self.layout.stride
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn room(&mut self, rows: usize) -> Option<NodePart<'_>> {
        let at = self.rows;
        if at + rows > NODE as usize {
            return None;
        }
        Some(NodePart {
            layout: self.layout,
            kind: lend_at(&mut self.kind, at, rows)?,
            name: lend_at(&mut self.name, at, rows)?,
            id: lend_at(&mut self.id.low, at, rows)?,
            size: lend_at(&mut self.self_size.low, at, rows)?,
            edges: lend_at(&mut self.edge_count, at, rows)?,
            trace: if self.layout.trace < MAX_FIELDS { lend_at(&mut self.trace, at, rows)? } else { &mut [] },
        })
    }

    fn cut(&mut self, rows: usize) {
        self.rows = rows;
    }

    fn odd(&mut self, odd: Vec<Odd>) {
        for (row, what, v) in odd {
            match what {
                SIZE => self.self_size.wide.push((row, v)),
                ID => self.id.wide.push((row, v)),
                _ => self.detachedness.push((row, v.min(255) as u8)),
            }
        }
    }
}

pub struct Edges {
    layout: EdgeLayout,
    nodes: u32,
    divide: Divide,
    rows: usize,
    /// The columns are longer than `rows` until [`Edges::trim`].
    pub to: Vec<u32>,
    pub label: Vec<u32>,
    /// Edges whose target is no node; they lead to the root and count for nothing.
    pub bad: u64,
}

impl Edges {
    pub fn new(layout: EdgeLayout, node_stride: usize, nodes: usize, promised: u64, limit: u64) -> Self {
        let n = rows_ahead(promised, limit, 8);
        Edges {
            layout,
            nodes: nodes as u32,
            divide: Divide::by(node_stride as u32),
            rows: 0,
            to: spare::take(n),
            label: spare::take(n),
            bad: 0,
        }
    }

    /// Drops what the header promised and the file does not have.
    pub fn trim(&mut self) {
        self.to.truncate(self.rows);
        self.label.truncate(self.rows);
    }
}

/// Division of `u32` by a divisor known only at run time, by one multiplication.
#[derive(Clone, Copy)]
struct Divide {
    by: u32,
    magic: u64,
}

impl Divide {
    fn by(by: u32) -> Self {
        let by = by.max(2);
        Divide { by, magic: u64::MAX / u64::from(by) + 1 }
    }

    /// Quotient where the division leaves no rest.
    #[inline(always)]
    fn exact(self, v: u64) -> Option<u32> {
        if v > u64::from(u32::MAX) {
            return None;
        }
        let q = ((u128::from(v) * u128::from(self.magic)) >> 64) as u32;
        (q.wrapping_mul(self.by) == v as u32).then_some(q)
    }
}

pub struct EdgePart<'a> {
    layout: &'a EdgeLayout,
    nodes: u32,
    divide: Divide,
    to: &'a mut [u32],
    label: &'a mut [u32],
}

impl Rows for EdgePart<'_> {
    fn split(self, n: usize) -> (Self, Self) {
        let (a, a2) = self.to.split_at_mut(n);
        let (l, l2) = self.label.split_at_mut(n);
        let EdgePart { layout, nodes, divide, .. } = self;
        (EdgePart { layout, nodes, divide, to: a, label: l }, EdgePart { layout, nodes, divide, to: a2, label: l2 })
    }

    #[inline(always)]
    fn put(&mut self, row: usize, f: &[u64; MAX_FIELDS], odd: &mut Vec<Odd>) {
        let l = self.layout;
        let get = |at: usize| f.get(at).copied().unwrap_or(0);
        let kind = l.kinds.get(get(l.kind) as usize).copied().unwrap_or(EdgeKind::Other);
        let (Some(to), Some(label)) = (self.to.get_mut(row), self.label.get_mut(row)) else { return };
        match self.divide.exact(get(l.to)).filter(|&n| n < self.nodes) {
            Some(n) => {
                *to = if kind == EdgeKind::Weak { n | LOOSE | FAR } else { n };
                *label = EdgeLabel::new(kind, narrow(get(l.name))).0;
            }
            None => {
                *to = LOOSE | FAR;
                *label = EdgeLabel::new(EdgeKind::Weak, 0).0;
                odd.push((row as u32, BAD, 0));
            }
        }
    }
}

impl Section for Edges {
    type Part<'a> = EdgePart<'a>;

    fn stride(&self) -> usize {
        self.layout.stride
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn room(&mut self, rows: usize) -> Option<EdgePart<'_>> {
        let at = self.rows;
        if at + rows > u32::MAX as usize - 1 {
            return None;
        }
        Some(EdgePart {
            layout: &self.layout,
            nodes: self.nodes,
            divide: self.divide,
            to: lend_at(&mut self.to, at, rows)?,
            label: lend_at(&mut self.label, at, rows)?,
        })
    }

    fn cut(&mut self, rows: usize) {
        self.rows = rows;
    }

    fn odd(&mut self, odd: Vec<Odd>) {
        self.bad += odd.len() as u64;
    }
}

/// A row from its fields.
type Make<T> = dyn Fn(&[u64; MAX_FIELDS]) -> T + Send + Sync;

/// Rows of a few fields that are kept as they are.
pub struct Plain<T> {
    pub rows: Vec<T>,
    stride: usize,
    make: Box<Make<T>>,
}

impl<T: Copy + Default + Send + 'static> Plain<T> {
    pub fn new(stride: usize, make: impl Fn(&[u64; MAX_FIELDS]) -> T + Send + Sync + 'static) -> Self {
        Plain { rows: Vec::new(), stride, make: Box::new(make) }
    }
}

/// (node, place); the file tells a node by where its first field stands.
pub fn locations(l: LocationLayout, node_stride: usize) -> Plain<(u32, Place)> {
    let stride = node_stride.max(1) as u64;
    Plain::new(l.stride, move |f| {
        let get = |at: usize| f.get(at).copied().unwrap_or(0);
        let place = Place { script: narrow(get(l.script)), line: narrow(get(l.line)), column: narrow(get(l.column)) };
        (narrow(get(l.object) / stride), place)
    })
}

pub struct PlainPart<'a, T: 'static> {
    rows: &'a mut [T],
    make: &'a Make<T>,
}

impl<T: Send + 'static> Rows for PlainPart<'_, T> {
    fn split(self, n: usize) -> (Self, Self) {
        let (a, b) = self.rows.split_at_mut(n);
        (PlainPart { rows: a, make: self.make }, PlainPart { rows: b, make: self.make })
    }

    fn put(&mut self, row: usize, f: &[u64; MAX_FIELDS], _: &mut Vec<Odd>) {
        if let Some(r) = self.rows.get_mut(row) {
            *r = (self.make)(f);
        }
    }
}

impl<T: Copy + Default + Send + 'static> Section for Plain<T> {
    type Part<'a> = PlainPart<'a, T>;

    fn stride(&self) -> usize {
        self.stride
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn room(&mut self, rows: usize) -> Option<PlainPart<'_, T>> {
        let at = self.rows.len();
        Some(PlainPart { rows: lend_at(&mut self.rows, at, rows)?, make: &self.make })
    }

    fn cut(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    fn odd(&mut self, _: Vec<Odd>) {}
}
