//! How much an input may unpack to. Archives come from strangers.

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members over all archives of a run.
    pub max_entries: usize,
    /// Archives within archives.
    pub max_depth: usize,
    /// Unpacked bytes per packed byte of one member.
    pub max_ratio: u64,
    /// Unpacked bytes over the whole run.
    pub max_total_bytes: u64,
    /// Unpacked bytes of one member.
    pub max_member_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_entries: 100_000, max_depth: 6, max_ratio: 1100, max_total_bytes: 64 << 30, max_member_bytes: 16 << 30 }
    }
}
