//! Stacks as they come off the wire, each kept once: one call site allocates blocks of many sizes, every size is a sample
//! of its own, and all of them repeat the stack. Numbers are given in the order first met, so they do not depend on hashes.

/// Steps along a run of taken slots after which a stack is kept anew: a file made to collide costs memory, not time.
const STEPS_MAX: usize = 64;

/// Distinct stacks of location ids, leaf first.
pub struct Stacks {
    /// Locations of all stacks, then those of the stack that is being read.
    pub locs: Vec<u32>,
    /// Where each stack starts in `locs`, and the end of the last.
    bounds: Vec<u32>,
    /// Open addressing: number of a stack plus one and the upper half of its hash; 0 is free.
    slots: Vec<(u32, u32)>,
}

fn hash(stack: &[u32]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |h: u64, v: u64| (h ^ v).wrapping_mul(ODD).rotate_left(29);
    // Two lanes side by side, for a multiplication waits for the one before it.
    let (mut a, mut b) = (stack.len() as u64, ODD);
    let mut fours = stack.chunks_exact(4);
    for four in &mut fours {
        if let [w, x, y, z] = *four {
            a = mix(a, u64::from(w) | u64::from(x) << 32);
            b = mix(b, u64::from(y) | u64::from(z) << 32);
        }
    }
    let rest = fours.remainder().iter().fold(a ^ b.rotate_left(32), |h, l| mix(h, u64::from(*l)));
    (rest ^ rest >> 32).wrapping_mul(ODD)
}

impl Stacks {
    /// Distinct stacks so far.
    fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    fn stack(&self, k: usize) -> &[u32] {
        match self.bounds.get(k..) {
            Some([from, to, ..]) => self.locs.get(*from as usize..*to as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// The number of the stack whose locations were pushed from `from` on; a known one is taken off again.
    pub fn close(&mut self, from: usize) -> u32 {
        let next = self.len() as u32;
        if self.slots.len() / 4 * 3 <= self.len() {
            self.grow();
        }
        let h = hash(self.locs.get(from..).unwrap_or(&[]));
        let (tag, mask) = ((h >> 32) as u32, self.slots.len() - 1);
        let mut at = h as usize & mask;
        for _ in 0..STEPS_MAX {
            match self.slots.get(at).copied() {
                Some((0, _)) => {
                    if let Some(slot) = self.slots.get_mut(at) {
                        *slot = (next + 1, tag);
                    }
                    break;
                }
                Some((k, t)) if t == tag && self.stack(k as usize - 1) == self.locs.get(from..).unwrap_or(&[]) => {
                    self.locs.truncate(from);
                    return k - 1;
                }
                _ => at = (at + 1) & mask,
            }
        }
        super::tables::room(&mut self.bounds, 1);
        self.bounds.push(self.locs.len() as u32);
        next
    }

    fn grow(&mut self) {
        let mut slots = vec![(0u32, 0u32); (self.slots.len() * 2).max(1 << 10)];
        let mask = slots.len() - 1;
        for k in 0..self.len() {
            let h = hash(self.stack(k));
            let mut at = h as usize & mask;
            for _ in 0..STEPS_MAX {
                match slots.get_mut(at) {
                    Some(slot) if slot.0 == 0 => {
                        *slot = (k as u32 + 1, (h >> 32) as u32);
                        break;
                    }
                    _ => at = (at + 1) & mask,
                }
            }
        }
        self.slots = slots;
    }

    /// Where each stack starts, with the end of the last, and all locations.
    pub fn finish(self) -> (Vec<u32>, Vec<u32>) {
        (self.bounds, self.locs)
    }
}

impl Default for Stacks {
    fn default() -> Self {
        Stacks { locs: Vec::new(), bounds: vec![0], slots: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stack_is_kept_once_and_found_again() {
        let mut s = Stacks::default();
        let mut made = Vec::new();
        for round in 0..2u32 {
            for i in 0..5000u32 {
                let from = s.locs.len();
                // Lengths 0 to 6, contents that differ in one place.
                s.locs.extend((0..i % 7).map(|d| i / 7 * (d + 1)));
                let k = s.close(from);
                if round == 0 {
                    made.push(k);
                } else {
                    assert_eq!(made.get(i as usize), Some(&k));
                }
            }
        }
        let (bounds, locs) = s.finish();
        assert_eq!(bounds.last().map(|e| *e as usize), Some(locs.len()));
        let longest = 5000usize.div_ceil(7);
        assert_eq!(bounds.len() - 1, 1 + 6 * longest - 5);
        for (i, k) in made.iter().enumerate() {
            let want: Vec<u32> = (0..i as u32 % 7).map(|d| i as u32 / 7 * (d + 1)).collect();
            let at = bounds[*k as usize] as usize..bounds[*k as usize + 1] as usize;
            assert_eq!(&locs[at], &want[..]);
        }
    }
}
