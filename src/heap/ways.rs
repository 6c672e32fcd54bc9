//! The way by which each object is best shown to be held: the shortest from the program's own roots that leads neither
//! through compiled code (whose constants come and go with optimisation) nor by a weak table's entry, unless there is no
//! other. Distances are something else: they follow a peer's rules to the letter.

use crate::model::graph::{EdgeKind, EdgeLabel, FAR, GraphColumns, LOOSE, NODE, NONE, NodeKind};
use crate::model::spare;

/// What is kept for later while there are better ways.
enum Later {
    Node(u32),
    Edge { from: u32, to: u32 },
}

struct Search<'a> {
    g: &'a GraphColumns,
    seen: Vec<u64>,
    from: Vec<u32>,
    queue: Vec<u32>,
    at: usize,
    later: Vec<Later>,
}

/// By node the one from which it is held; `NONE` for starts and what nothing leads to.
pub fn ways(g: &GraphColumns) -> Vec<u32> {
    let n = g.nodes();
    let mut s = Search { g, seen: vec![0; n.div_ceil(64)], from: spare::filled(n, NONE), queue: spare::room(n), at: 0, later: Vec::new() };
    for &v in &g.starts {
        s.reach(v, NONE);
    }
    s.run();
    s.reach(0, NONE);
    s.run();
    spare::give(s.queue);
    s.from
}

impl Search<'_> {
    #[inline(always)]
    fn reach(&mut self, v: u32, from: u32) {
        let Some(word) = self.seen.get_mut((v >> 6) as usize) else { return };
        let bit = 1u64 << (v & 63);
        if *word & bit != 0 {
            return;
        }
        *word |= bit;
        if let Some(slot) = self.from.get_mut(v as usize) {
            *slot = from;
            self.queue.push(v);
        }
    }

    fn run(&mut self) {
        loop {
            while let Some(&v) = self.queue.get(self.at) {
                self.at += 1;
                if self.g.node_kind(v) == NodeKind::Code {
                    self.later.push(Later::Node(v));
                } else {
                    self.follow(v);
                }
            }
            if self.later.is_empty() {
                return;
            }
            for l in std::mem::take(&mut self.later) {
                match l {
                    Later::Node(v) => self.follow(v),
                    Later::Edge { from, to } => self.reach(to, from),
                }
            }
        }
    }

    fn follow(&mut self, v: u32) {
        let g = self.g;
        let edges = g.edges(v);
        let labels = g.label.get(edges.clone()).unwrap_or(&[]);
        for (&to, &label) in g.to.get(edges).unwrap_or(&[]).iter().zip(labels) {
            let (loose, far, to) = (to & LOOSE != 0, to & FAR != 0, to & NODE);
            if far && loose {
                continue;
            }
            // What counts for retained sizes but not for distances is a weak table's entry held by its key.
            if far || !g.detours.is_empty() && self.is_detour(EdgeLabel(label)) {
                self.later.push(Later::Edge { from: v, to });
            } else {
                self.reach(to, v);
            }
        }
    }

    fn is_detour(&self, label: EdgeLabel) -> bool {
        label.kind() == EdgeKind::Internal && self.g.detours.binary_search(&label.name()).is_ok()
    }
}
