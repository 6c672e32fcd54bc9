//! A node's RAM as the kernel's report of its want lays it out, summed like a balance sheet: what is free, what processes
//! and files hold, what the kernel holds itself, and what none of its counters explains.
//! Source: `show_mem` of mm/show_mem.c (mm/page_alloc.c before 6.4) and `dump_unreclaimable_slab` of mm/slab_common.c.
//!
//! Refuses to guess: a part that the report does not print is no part of the sum, and the sum's remainder is called one.

use super::quantity::Bytes;

/// What a report prints of the node's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RamReport {
    /// Bytes by their words, each one of [`WORDS`].
    pub values: Vec<(&'static str, Bytes)>,
    /// Free bytes in blocks of 2^i pages, all zones together.
    pub blocks: Vec<Bytes>,
    /// Largest unreclaimable slab caches, where the kernel lists them, largest first.
    pub slabs: Vec<(String, Bytes)>,
}

/// What is kept of a report: the kernel's own words, and those of ours for what it prints as a sentence or zone by zone.
pub const WORDS: [&str; 23] = [
    "active_anon",
    "inactive_anon",
    "isolated_anon",
    "active_file",
    "inactive_file",
    "isolated_file",
    "unevictable",
    "slab_reclaimable",
    "slab_unreclaimable",
    "shmem",
    "pagetables",
    "sec_pagetables",
    "free",
    "free_pcp",
    "ram",
    "reserved",
    "kernel_stack",
    "min",
    "hugepages",
    "hugepages_free",
    "swap_total",
    "swap_free",
    "dirty",
];

/// Where RAM can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RamPart {
    /// Heaps and stacks of processes: what a kill can free.
    Anonymous,
    Free,
    FileCache,
    /// tmpfs and shared memory: stays when its writer dies.
    Shmem,
    /// Locked in memory: mlock, ramfs, pages that a driver pinned.
    Unevictable,
    /// The kernel's own objects that it can drop, and those that it cannot.
    SlabReclaimable,
    SlabUnreclaimable,
    PageTables,
    KernelStacks,
    /// Set aside for huge pages, used or not.
    HugePages,
    /// RAM that no counter of the report explains.
    Unaccounted,
}

impl RamPart {
    pub fn words(self) -> &'static str {
        match self {
            RamPart::Anonymous => "anonymous memory of processes",
            RamPart::Free => "free",
            RamPart::FileCache => "file cache",
            RamPart::Shmem => "files in memory and shared memory (shmem)",
            RamPart::Unevictable => "locked memory (unevictable)",
            RamPart::SlabReclaimable => "reclaimable slab",
            RamPart::SlabUnreclaimable => "unreclaimable slab of the kernel",
            RamPart::PageTables => "page tables",
            RamPart::KernelStacks => "kernel stacks",
            RamPart::HugePages => "pages set aside as huge pages",
            RamPart::Unaccounted => "memory that no counter of the kernel's report explains",
        }
    }
}

/// The sum: all of RAM that the kernel manages, part by part, largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamBudget {
    pub ram_bytes: Bytes,
    pub parts: Vec<(RamPart, Bytes)>,
}

impl RamBudget {
    pub fn bytes(&self, part: RamPart) -> Bytes {
        self.parts.iter().find(|p| p.0 == part).map_or(0, |p| p.1)
    }

    /// The largest part that is in use.
    pub fn largest(&self) -> Option<(RamPart, Bytes)> {
        self.parts.iter().copied().find(|p| p.0 != RamPart::Free)
    }
}

/// Slab caches that are kept.
const SLABS: usize = 3;

impl RamReport {
    /// A figure by its word.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.values.iter().find(|v| v.0 == key).map(|v| v.1)
    }

    /// Adds to what is printed part by part; other words than [`WORDS`] are passed over.
    pub fn add(&mut self, word: &str, bytes: Bytes) {
        match self.values.iter_mut().find(|v| v.0 == word) {
            Some(v) => v.1 = v.1.saturating_add(bytes),
            None => self.values.extend(WORDS.iter().find(|w| **w == word).map(|w| (*w, bytes))),
        }
    }

    /// Keeps the cache if it is one of the largest.
    pub fn slab(&mut self, name: String, bytes: Bytes) {
        self.slabs.push((name, bytes));
        self.slabs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.slabs.truncate(SLABS);
    }

    /// `None` unless the report says how much RAM there is and how its pages are listed.
    pub fn budget(&self) -> Option<RamBudget> {
        let ram = self.get("ram")?.saturating_sub(self.get("reserved").unwrap_or(0));
        let lists = [self.get("active_anon")?, self.get("inactive_anon")?, self.get("isolated_anon").unwrap_or(0)];
        let listed = lists.into_iter().fold(0, Bytes::saturating_add);
        let sum = |keys: &[&str]| keys.iter().filter_map(|k| self.get(k)).fold(0, Bytes::saturating_add);
        let shmem = sum(&["shmem"]);
        // Pages of shared memory stand on the lists of anonymous memory, or where they are locked on that of what cannot
        // be evicted.
        let locked_shmem = shmem.saturating_sub(listed);
        let mut parts = vec![
            (RamPart::Anonymous, listed.saturating_sub(shmem)),
            (RamPart::Free, sum(&["free", "free_pcp"])),
            (RamPart::FileCache, sum(&["active_file", "inactive_file", "isolated_file"])),
            (RamPart::Shmem, shmem),
            (RamPart::Unevictable, sum(&["unevictable"]).saturating_sub(locked_shmem)),
            (RamPart::SlabReclaimable, sum(&["slab_reclaimable"])),
            (RamPart::SlabUnreclaimable, sum(&["slab_unreclaimable"])),
            (RamPart::PageTables, sum(&["pagetables", "sec_pagetables"])),
            (RamPart::KernelStacks, sum(&["kernel_stack"])),
            (RamPart::HugePages, sum(&["hugepages"])),
        ];
        let known = parts.iter().map(|p| p.1).fold(0, Bytes::saturating_add);
        parts.push((RamPart::Unaccounted, ram.saturating_sub(known)));
        parts.retain(|p| p.1 > 0);
        parts.sort_by_key(|p| (std::cmp::Reverse(p.1), p.0));
        Some(RamBudget { ram_bytes: ram, parts })
    }

    /// Free memory, where it is far above what the kernel keeps back and nearly all of it lies in blocks smaller than the
    /// one that was asked for: what was wanting was memory in one piece.
    pub fn fragmented(&self, order: Option<i32>) -> Option<Bytes> {
        let order = usize::try_from(order?).ok().filter(|o| *o >= SCARCE_ORDER)?;
        let free = self.get("free")?;
        let small = self.blocks.iter().take(order).copied().fold(0, Bytes::saturating_add);
        let ample = free >= self.get("min").unwrap_or(0).saturating_mul(FAR_ABOVE_MIN).max(1);
        (ample && small >= free / 10 * 9).then_some(free)
    }
}

/// Blocks of four pages and more run short while single pages abound; of two, seldom.
const SCARCE_ORDER: usize = 2;
/// Free memory of so many times the lowest watermark is no want of memory: the kernel reclaims from two times on.
const FAR_ABOVE_MIN: Bytes = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn report(values: &[(&str, u64)]) -> RamReport {
        let mut r = RamReport::default();
        values.iter().for_each(|(word, mib)| r.add(word, mib << 20));
        r
    }

    #[test]
    fn the_sum_closes_and_names_what_no_counter_explains() {
        let r = report(&[("ram", 1100), ("reserved", 100), ("active_anon", 50), ("inactive_anon", 150), ("shmem", 40), ("free", 20)]);
        let b = r.budget().map(|b| (b.ram_bytes >> 20, b.parts.into_iter().map(|(p, n)| (p, n >> 20)).collect::<Vec<_>>()));
        let parts = vec![(RamPart::Unaccounted, 780), (RamPart::Anonymous, 160), (RamPart::Shmem, 40), (RamPart::Free, 20)];
        assert_eq!(b, Some((1000, parts)));
        assert_eq!(report(&[("active_anon", 1)]).budget(), None);
    }

    #[test]
    fn plenty_in_small_pieces_is_fragmentation() {
        let mut r = report(&[("free", 600), ("min", 50)]);
        r.blocks = vec![598 << 20, 0, 0, 2 << 20];
        assert_eq!(r.fragmented(Some(3)), Some(600 << 20));
        assert_eq!((r.fragmented(Some(0)), r.fragmented(None)), (None, None));
        r.blocks = vec![10 << 20, 0, 0, 590 << 20];
        assert_eq!(r.fragmented(Some(3)), None);
        r.blocks = vec![60 << 20];
        assert_eq!(report(&[("free", 60), ("min", 50)]).fragmented(Some(3)), None);
    }
}
