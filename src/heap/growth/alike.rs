//! Holders of one kind that grew together: the message lists of 1,000 chat rooms are one leak, not 1,000 small ones. Alike
//! are holders of one class that the same field of the same classes of owners leads to. Refuses to join fewer than three:
//! those are told better one by one.

use super::Now;
use super::way::{is_part, label_between};
use crate::model::graph::NONE;
use std::collections::BTreeMap;

/// Holders looked at for likeness; those beyond grew by less than any of them.
const LOOKED_AT: usize = 4096;
/// Groups looked at closely.
const GROUPS: usize = 48;
/// Holders that make a kind.
const FEWEST: usize = 3;

/// Holders that grew in the same way, most growth first.
pub struct Group {
    pub members: Vec<u32>,
    pub growth: i64,
}

/// Joins (holder, growth) pairs; most growth first.
pub fn groups(now: &Now<'_>, mut candidates: Vec<(u32, i64)>) -> Vec<Group> {
    let n = now.g.nodes();
    candidates.sort_unstable_by_key(|c| (std::cmp::Reverse(c.1), now.g.id.get(c.0 as usize), c.0));
    candidates.truncate(LOOKED_AT);
    let mut by_kind: BTreeMap<[u32; 4], Vec<(u32, i64)>> = BTreeMap::new();
    let mut out: Vec<Group> = Vec::new();
    for c in candidates {
        match ((c.0 as usize) < n).then(|| kind(now, c.0)).flatten() {
            Some(k) => by_kind.entry(k).or_default().push(c),
            None => out.push(Group { members: vec![c.0], growth: c.1 }),
        }
    }
    for members in by_kind.into_values() {
        if members.len() < FEWEST {
            out.extend(members.into_iter().map(|c| Group { members: vec![c.0], growth: c.1 }));
        } else {
            let growth = members.iter().fold(0i64, |sum, m| sum.saturating_add(m.1));
            out.push(Group { members: members.into_iter().map(|m| m.0).collect(), growth });
        }
    }
    let id = |g: &Group| g.members.first().map(|&m| (now.g.id.get(m as usize), m));
    out.sort_by(|a, b| b.growth.cmp(&a.growth).then_with(|| id(a).cmp(&id(b))));
    out.truncate(GROUPS);
    out
}

/// Class of a holder, the field that leads to it, and the classes of its two next owners; `None` right below a root.
fn kind(now: &Now<'_>, v: u32) -> Option<[u32; 4]> {
    let class = |v: u32| now.g.class.get(v as usize).copied();
    let (owner, below) = owner(now, v)?;
    let label = label_between(now.g, owner, below).filter(|l| !l.kind().is_indexed()).map_or(NONE, |l| l.0);
    let above = self::owner(now, owner).and_then(|(o, _)| class(o)).unwrap_or(NONE);
    Some([class(v)?, label, class(owner)?, above])
}

/// The next object up the way, past arrays and tables, and what it leads to.
fn owner(now: &Now<'_>, v: u32) -> Option<(u32, u32)> {
    let mut below = v;
    loop {
        let up = now.from.get(below as usize).copied().filter(|u| *u != NONE && *u != 0)?;
        if !is_part(now.g, up) {
            return Some((up, below));
        }
        below = up;
    }
}
