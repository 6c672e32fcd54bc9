//! Where rows of nodes, edges, locations and samples go.

use super::header::{EdgeLayout, LocationLayout, MAX_FIELDS, NodeLayout};
use super::integers::{Odd, Rows, Section};
use crate::model::graph::{EdgeKind, EdgeLabel, FAR, LOOSE, NODE, Place, WideColumn};

/// Appends room for `rows` and lends it.
fn lend<T: Copy + Default>(v: &mut Vec<T>, rows: usize) -> Option<&mut [T]> {
    let at = v.len();
    if v.capacity() - at < rows {
        v.try_reserve(rows).ok()?;
    }
    v.resize(at + rows, T::default());
    v.get_mut(at..)
}

/// Reserves what the header promises, as far as `limit` bytes of file can hold it.
pub fn reserve<T>(v: &mut Vec<T>, promised: u64, limit: u64) {
    // A failed reservation is no trouble: the column then grows as rows come.
    let _ = v.try_reserve_exact(usize::try_from(promised.min(limit)).unwrap_or(0));
}

const SIZE: u8 = 0;
const ID: u8 = 1;
const DETACHED: u8 = 2;
const BAD: u8 = 3;

pub struct Nodes {
    layout: NodeLayout,
    pub kind: Vec<u8>,
    pub name: Vec<u32>,
    pub id: WideColumn,
    pub self_size: WideColumn,
    pub edge_count: Vec<u32>,
    /// (node, state): 1 attached, 2 detached.
    pub detachedness: Vec<(u32, u8)>,
}

impl Nodes {
    pub fn new(layout: NodeLayout, promised: u64, limit: u64) -> Self {
        let mut n = Nodes {
            layout,
            kind: Vec::new(),
            name: Vec::new(),
            id: WideColumn::default(),
            self_size: WideColumn::default(),
            edge_count: Vec::new(),
            detachedness: Vec::new(),
        };
        reserve(&mut n.kind, promised, limit);
        reserve(&mut n.edge_count, promised + 1, limit);
        for v in [&mut n.name, &mut n.id.low, &mut n.self_size.low] {
            reserve(v, promised, limit);
        }
        n
    }
}

pub struct NodePart<'a> {
    layout: NodeLayout,
    kind: &'a mut [u8],
    name: &'a mut [u32],
    id: &'a mut [u32],
    size: &'a mut [u32],
    edges: &'a mut [u32],
}

impl Rows for NodePart<'_> {
    fn split(self, n: usize) -> (Self, Self) {
        let layout = self.layout;
        let (k, k2) = self.kind.split_at_mut(n);
        let (a, a2) = self.name.split_at_mut(n);
        let (i, i2) = self.id.split_at_mut(n);
        let (s, s2) = self.size.split_at_mut(n);
        let (e, e2) = self.edges.split_at_mut(n);
        (
            NodePart { layout, kind: k, name: a, id: i, size: s, edges: e },
            NodePart { layout, kind: k2, name: a2, id: i2, size: s2, edges: e2 },
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
        self.kind.len()
    }

    fn room(&mut self, rows: usize) -> Option<NodePart<'_>> {
        if self.kind.len() + rows > NODE as usize {
            return None;
        }
        Some(NodePart {
            layout: self.layout,
            kind: lend(&mut self.kind, rows)?,
            name: lend(&mut self.name, rows)?,
            id: lend(&mut self.id.low, rows)?,
            size: lend(&mut self.self_size.low, rows)?,
            edges: lend(&mut self.edge_count, rows)?,
        })
    }

    fn cut(&mut self, rows: usize) {
        self.kind.truncate(rows);
        self.name.truncate(rows);
        self.id.low.truncate(rows);
        self.self_size.low.truncate(rows);
        self.edge_count.truncate(rows);
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
    pub to: Vec<u32>,
    pub label: Vec<u32>,
    /// Edges whose target is no node; they lead to the root and count for nothing.
    pub bad: u64,
}

impl Edges {
    pub fn new(layout: EdgeLayout, node_stride: usize, nodes: usize, promised: u64, limit: u64) -> Self {
        let mut e =
            Edges { layout, nodes: nodes as u32, divide: Divide::by(node_stride as u32), to: Vec::new(), label: Vec::new(), bad: 0 };
        reserve(&mut e.to, promised, limit);
        reserve(&mut e.label, promised, limit);
        e
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
        self.to.len()
    }

    fn room(&mut self, rows: usize) -> Option<EdgePart<'_>> {
        if self.to.len() + rows > u32::MAX as usize - 1 {
            return None;
        }
        Some(EdgePart {
            layout: &self.layout,
            nodes: self.nodes,
            divide: self.divide,
            to: lend(&mut self.to, rows)?,
            label: lend(&mut self.label, rows)?,
        })
    }

    fn cut(&mut self, rows: usize) {
        self.to.truncate(rows);
        self.label.truncate(rows);
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

/// (node offset, place).
pub fn locations(l: LocationLayout) -> Plain<(u64, Option<Place>)> {
    Plain::new(l.stride, move |f| {
        let get = |at: usize| f.get(at).copied().unwrap_or(0);
        let place = Place { script: narrow(get(l.script)), line: narrow(get(l.line)), column: narrow(get(l.column)) };
        (get(l.object), Some(place))
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
        Some(PlainPart { rows: lend(&mut self.rows, rows)?, make: &self.make })
    }

    fn cut(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    fn odd(&mut self, _: Vec<Odd>) {}
}
