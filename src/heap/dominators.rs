//! Immediate dominators by the semi-NCA algorithm (Georgiadis, "Linear-Time Algorithms for Dominators and Related
//! Problems", 2005): a depth-first numbering, semidominators with path compression, then nearest common ancestors.
//! No recursion: heaps hold linked lists 100,000s deep. Works in depth-first numbers throughout, which keeps neighbours
//! of the heap near each other in memory (measured: a third faster than node ordinals).

use crate::model::graph::{GraphColumns, LOOSE, NODE, NONE};
use crate::model::spare;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// The dominator tree of a graph, numbered depth first.
pub struct Tree {
    /// Node of each number; the root is number 0.
    pub order: Vec<u32>,
    /// Immediate dominator of each number, as a number; smaller than it. The root dominates itself.
    pub idom: Vec<u32>,
}

/// Dominators over the edges that count. Nodes that nothing (or only loose edges) leads to hang under the root, with what
/// they reach; cycles that nothing leads to hang under the root node by node.
pub fn dominators(g: &GraphColumns) -> Tree {
    let n = g.nodes();
    if n == 0 {
        return Tree { order: Vec::new(), idom: Vec::new() };
    }
    let mut dfs = Dfs { number: spare::filled(n, NONE), order: spare::room(n), parent: spare::room(n), stack: Vec::new() };
    dfs.visit(g, 0, 0);
    if dfs.order.len() < n {
        let held = held_by_unreached(g, &dfs.number);
        for v in 0..n as u32 {
            if dfs.number.get(v as usize) == Some(&NONE) && !bit(&held, v) {
                dfs.visit(g, v, 0);
            }
        }
    }
    let Dfs { number, mut order, parent, stack } = dfs;
    drop(stack);
    let left: Vec<u32> =
        if order.len() < n { (0..n as u32).filter(|&v| number.get(v as usize) == Some(&NONE)).collect() } else { Vec::new() };
    let mut idom = immediate(g, number, &order, parent);
    idom.resize(order.len() + left.len(), 0);
    order.extend(left);
    Tree { order, idom }
}

struct Dfs {
    number: Vec<u32>,
    order: Vec<u32>,
    /// By number, as a number.
    parent: Vec<u32>,
    /// (next edge, end of edges, number).
    stack: Vec<(u32, u32, u32)>,
}

impl Dfs {
    fn enter(&mut self, g: &GraphColumns, v: u32, parent: u32) {
        let num = self.order.len() as u32;
        if let Some(slot) = self.number.get_mut(v as usize) {
            *slot = num;
        }
        self.order.push(v);
        self.parent.push(parent);
        let edges = g.edges(v);
        if !edges.is_empty() {
            self.stack.push((edges.start as u32, edges.end as u32, num));
        }
    }

    fn visit(&mut self, g: &GraphColumns, from: u32, parent: u32) {
        self.enter(g, from, parent);
        while let Some((at, end, num)) = self.stack.last_mut() {
            let mut next = None;
            while *at < *end {
                let to = g.to.get(*at as usize).copied().unwrap_or(LOOSE);
                *at += 1;
                if to & LOOSE == 0 && self.number.get((to & NODE) as usize) == Some(&NONE) {
                    next = Some(to & NODE);
                    break;
                }
            }
            let num = *num;
            match next {
                Some(v) => self.enter(g, v, num),
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

fn bit(bits: &[u64], i: u32) -> bool {
    bits.get((i >> 6) as usize).is_some_and(|w| w >> (i & 63) & 1 == 1)
}

/// Nodes that an unreached node holds. Reached ones hold none that is unreached.
fn held_by_unreached(g: &GraphColumns, number: &[u32]) -> Vec<u64> {
    let mut held = vec![0u64; number.len().div_ceil(64)];
    for (v, _) in number.iter().enumerate().filter(|(_, n)| **n == NONE) {
        for &to in g.to.get(g.edges(v as u32)).unwrap_or(&[]) {
            if to & LOOSE == 0
                && let Some(w) = held.get_mut(((to & NODE) >> 6) as usize)
            {
                *w |= 1 << (to & 63);
            }
        }
    }
    held
}

/// What leads to each number, as numbers.
struct Predecessors {
    /// Least one that is smaller, an ancestor in the depth-first tree; its parent there, where nothing above leads to it.
    above: Vec<u32>,
    /// Those that are larger, in one array; those of `w` end where `ends[w]` says, which is where the next one's begin.
    beyond: Vec<AtomicU32>,
    ends: Vec<u32>,
}

/// A graph whose nodes are known by numbers.
struct Numbered<'a> {
    g: &'a GraphColumns,
    number: &'a [u32],
}

impl Numbered<'_> {
    /// Gives source and target of every edge that counts, for `nodes` whose numbers are `from` and up.
    fn edges(&self, nodes: &[u32], from: usize, mut each: impl FnMut(u32, u32)) {
        for (v, &node) in (from as u32..).zip(nodes) {
            let to = self.g.to.get(self.g.edges(node)).unwrap_or(&[]).iter().filter(|t| **t & LOOSE == 0);
            to.filter_map(|t| self.number.get((t & NODE) as usize)).for_each(|&w| each(v, w));
        }
    }
}

/// An edge that leads down the depth-first tree comes from an ancestor, and of these only the least matters: no array is
/// needed for them (measured: they are one of three). Both halves of the graph are counted and written side by side: each
/// knows how many the other puts before.
fn predecessors(g: &GraphColumns, number: &[u32], order: &[u32], parent: &[u32]) -> Predecessors {
    let (low, high) = order.split_at(order.len() / 2);
    let numbered = Numbered { g, number };
    let above: Vec<AtomicU32> = atomic(parent);
    let count = |nodes: &[u32], from: usize, numbers: usize| {
        let mut counts = spare::filled(numbers, 0);
        numbered.edges(nodes, from, |v, w| {
            if v > w {
                if let Some(c) = counts.get_mut(w as usize) {
                    *c += 1;
                }
            } else if let Some(least) = above.get(w as usize).filter(|l| l.load(Relaxed) > v) {
                least.fetch_min(v, Relaxed);
            }
        });
        counts
    };
    // A larger number of the first half leads to that half only.
    let (mut first, mut second) = rayon::join(|| count(low, 0, low.len()), || count(high, low.len(), order.len()));
    let mut sum = 0;
    for (w, b) in second.iter_mut().enumerate() {
        let (n, m) = (first.get(w).copied().unwrap_or(0), *b);
        if let Some(a) = first.get_mut(w) {
            *a = sum;
        }
        *b = sum + n;
        sum += n + m;
    }
    // Zeros from the system, paged in by the threads that write.
    let beyond: Vec<AtomicU32> = spare::take(sum as usize).into_iter().map(AtomicU32::new).collect();
    // The starts serve as write positions; those of the second half are the ends afterwards.
    let write = |nodes: &[u32], from: usize, at: &mut [u32]| {
        numbered.edges(nodes, from, |v, w| {
            if let Some(at) = at.get_mut(w as usize).filter(|_| v > w) {
                if let Some(p) = beyond.get(*at as usize) {
                    p.store(v, Relaxed);
                }
                *at += 1;
            }
        });
    };
    rayon::join(|| write(low, 0, &mut first), || write(high, low.len(), &mut second));
    spare::give(first);
    Predecessors { above: plain(above), beyond, ends: second }
}

/// The algorithm proper; `parent` becomes the result. Arrays that have done their work carry the next thing: a fresh array
/// of a big graph costs as much in paging as a pass over it.
fn immediate(g: &GraphColumns, number: Vec<u32>, order: &[u32], mut parent: Vec<u32>) -> Vec<u32> {
    let r = order.len();
    let Predecessors { above, beyond, ends } = predecessors(g, &number, order, &parent);
    spare::give(number);
    // Ancestor and label stand together, for they are looked at together. A label is read only once its node is linked.
    let mut pairs = spare::room(r * 2);
    pairs.extend(parent.iter().zip(&above).flat_map(|(&p, &a)| [p, a]));
    let links = pairs.as_chunks_mut::<2>().0;
    let mut semi = above;
    let mut least = Least::of(r);
    let mut path: Vec<u32> = Vec::new();
    let mut to = ends.last().copied().unwrap_or(0) as usize;
    for w in (1..r).rev() {
        let from = ends.get(w - 1).copied().unwrap_or(0) as usize;
        let own = beyond.get(from..to).unwrap_or(&[]);
        to = from;
        let Some(s) = semi.get_mut(w) else { continue };
        if let Some(last) = own.last() {
            // Hubs (an object's shape, a prototype) have most of the edges, and their first few predecessors mostly tell.
            let bound = if own.len() < HUB { 0 } else { least.between(w, last.load(Relaxed) as usize) };
            for v in own.iter().map(|v| v.load(Relaxed)) {
                if *s <= bound {
                    break;
                }
                *s = eval(v, w as u32, links, &mut path).min(*s);
            }
            if let Some(l) = links.get_mut(w) {
                l[LABEL] = *s;
            }
        }
        least.note(w, *s);
    }
    spare::give(pairs);
    spare::give(ends);
    spare::give(plain(beyond));
    for w in 1..r {
        let s = semi.get(w).copied().unwrap_or(0);
        let mut d = parent.get(w).copied().unwrap_or(0);
        while d > s {
            d = parent.get(d as usize).copied().unwrap_or(0);
        }
        if let Some(p) = parent.get_mut(w) {
            *p = d;
        }
    }
    spare::give(semi);
    parent
}

fn atomic(column: &[u32]) -> Vec<AtomicU32> {
    let mut copy = spare::room(column.len());
    copy.extend_from_slice(column);
    copy.into_iter().map(AtomicU32::new).collect()
}

fn plain(column: Vec<AtomicU32>) -> Vec<u32> {
    column.into_iter().map(AtomicU32::into_inner).collect()
}

/// A number with so many predecessors is worth asking how low its semidominator can be.
const HUB: usize = 1024;

/// The least semidominator of each stretch of numbers.
struct Least(Vec<u32>);

impl Least {
    /// Numbers in a stretch, as a power of two.
    const STRETCH: u32 = 12;

    fn of(numbers: usize) -> Self {
        Least(vec![u32::MAX; (numbers >> Self::STRETCH) + 1])
    }

    fn note(&mut self, w: usize, semi: u32) {
        if let Some(least) = self.0.get_mut(w >> Self::STRETCH) {
            *least = semi.min(*least);
        }
    }

    /// A bound of what numbers above `w` up to `last` have, of which those above `w` are noted: no path from one of them up to
    /// an ancestor of `w` gives less.
    fn between(&self, w: usize, last: usize) -> u32 {
        let stretches = self.0.get(w >> Self::STRETCH..=last >> Self::STRETCH);
        stretches.and_then(|s| s.iter().min()).copied().unwrap_or(0)
    }
}

/// Ancestor and label of a node that is linked.
type Link = [u32; 2];
const LABEL: usize = 1;

/// Least semidominator on the path from `v` up to, not including, the ancestors numbered `w` or less; compresses the path.
#[inline]
fn eval(v: u32, w: u32, links: &mut [Link], path: &mut Vec<u32>) -> u32 {
    let link = |l: &[Link], x: u32| l.get(x as usize).copied().unwrap_or([0, 0]);
    let mut x = v;
    let [top, label] = loop {
        let l = link(links, x);
        if l[0] <= w {
            break l;
        }
        path.push(x);
        x = l[0];
    };
    let mut best = label;
    while let Some(y) = path.pop() {
        if let Some(l) = links.get_mut(y as usize) {
            best = best.min(l[LABEL]);
            *l = [top, best];
        }
    }
    best
}
