//! The part of an owner's allocations of which nothing is ever freed, beside the part that comes and goes.
//!
//! One function, or the many callers of one, may make garbage and something that is kept: together their growth drowns in
//! the noise of the garbage. Samples of one route (the allocating line, its owner and the owner's callers) and of one block
//! size are few, but their number is known exactly, and so is whether any of them was freed. Only where enough were taken
//! and none was freed does a part count. Needs the allocation counters that Go's heap profiles have.

use super::value::Value;
use std::collections::{BTreeMap, HashMap};

/// Routes and sizes told apart at most; the later ones of a bigger program are left to their owners.
const MOST: usize = 1 << 16;
/// Sampled objects of one size from which on that none of them was freed says something.
const OF_ONE_SIZE: f64 = 3.0;
/// Sampled objects that a part must have gained: that none of so many was freed is no chance (e⁻⁶ where as many are freed as
/// come).
pub const ENOUGH: f64 = 6.0;

/// One route, or one block size of a route.
struct Part {
    /// Owner of a route, route of a size.
    of: u32,
    steps: Vec<Value>,
}

impl Part {
    fn add(&mut self, at: usize, v: Value) {
        self.steps.resize(at + 1, Value::default());
        if let Some(slot) = self.steps.get_mut(at) {
            slot.add(v);
        }
    }

    /// Sampled objects gained, where nothing that was allocated since the first snapshot was freed.
    fn kept(&self, snapshots: usize) -> Option<f64> {
        // Absent at the end is absent since, and counters never fall.
        let last = self.steps.get(snapshots.checked_sub(1)?)?;
        let first = self.steps.first()?;
        let gain = last.bytes.saturating_sub(first.bytes) as f64;
        let made = last.allocated_bytes.saturating_sub(first.allocated_bytes) as f64;
        let weight = last.spread.allocated - first.spread.allocated;
        (gain > 0.0 && weight > 0.0 && gain >= 0.98 * made).then(|| gain * gain / weight)
    }
}

/// Parts of all owners over the snapshots added so far.
#[derive(Default)]
pub struct Keepers {
    routes: Vec<Part>,
    sizes: Vec<Part>,
    by_route: HashMap<(u32, u64), u32>,
    by_size: HashMap<(u32, i64), u32>,
}

impl Keepers {
    /// Adds a sample of snapshot `at`.
    pub fn add(&mut self, at: usize, owner: u32, route: u64, size: i64, v: Value) {
        let Some(r) = number(&mut self.by_route, &mut self.routes, (owner, route), owner) else { return };
        if let Some(p) = self.routes.get_mut(r as usize) {
            p.add(at, v);
        }
        let s = if size > 0 { number(&mut self.by_size, &mut self.sizes, (r, size), r) } else { None };
        if let Some(p) = s.and_then(|s| self.sizes.get_mut(s as usize)) {
            p.add(at, v);
        }
    }

    /// What each owner's keeping parts sum up to, over all snapshots.
    pub fn held(&self, snapshots: usize) -> BTreeMap<u32, Vec<Value>> {
        let mut of_route: Vec<Vec<&Part>> =
            self.routes.iter().map(|r| if r.kept(snapshots).is_some() { vec![r] } else { Vec::new() }).collect();
        let whole: Vec<bool> = of_route.iter().map(|parts| !parts.is_empty()).collect();
        for s in self.sizes.iter().filter(|s| whole.get(s.of as usize) == Some(&false)) {
            if let (Some(_), Some(parts)) = (s.kept(snapshots).filter(|n| *n >= OF_ONE_SIZE), of_route.get_mut(s.of as usize)) {
                parts.push(s);
            }
        }
        let mut held: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        for (route, parts) in self.routes.iter().zip(&of_route) {
            for part in parts {
                let sum = held.entry(route.of).or_insert_with(|| vec![Value::default(); snapshots]);
                sum.iter_mut().zip(&part.steps).for_each(|(a, b)| a.add(*b));
            }
        }
        held
    }
}

/// The number of a part, made where it is new and there is room.
fn number<K: Eq + std::hash::Hash>(index: &mut HashMap<K, u32>, list: &mut Vec<Part>, key: K, of: u32) -> Option<u32> {
    let next = list.len();
    let n = match index.entry(key) {
        std::collections::hash_map::Entry::Occupied(e) => *e.get(),
        std::collections::hash_map::Entry::Vacant(_) if next >= MOST => return None,
        std::collections::hash_map::Entry::Vacant(e) => *e.insert(next as u32),
    };
    if n as usize == next {
        list.push(Part { of, steps: Vec::new() });
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::sites::Spread;

    fn value(live: i64, made: i64) -> Value {
        let weight = 100.0 * 100.0;
        let spread = Spread { live: live as f64 * weight, allocated: made as f64 * weight };
        Value { bytes: live * 100, count: live, allocated_bytes: made * 100, spread, ..Value::default() }
    }

    #[test]
    fn what_is_kept_is_told_from_the_garbage_of_the_same_owner() {
        let mut k = Keepers::default();
        for at in 0..3i64 {
            // Route 1 keeps all, route 2 frees some, route 3 keeps one size of two.
            k.add(at as usize, 7, 1, 64, value(2 + 3 * at, 2 + 3 * at));
            k.add(at as usize, 7, 2, 64, value(5 + at, 5 + 9 * at));
            k.add(at as usize, 7, 3, 32, value(0, 8 * at));
            k.add(at as usize, 7, 3, 96, value(4 * at, 4 * at));
            k.add(at as usize, 8, 1, 64, value(3, 9 * at));
        }
        let held = k.held(3);
        assert_eq!(held.keys().collect::<Vec<_>>(), [&7]);
        let bytes: Vec<i64> = held[&7].iter().map(|v| v.bytes).collect();
        assert_eq!(bytes, [200, 900, 1600]);
        assert_eq!(held[&7][2].allocated_bytes, 1600);
    }
}
