//! How much an input may unpack to. Archives come from strangers, so every limit is on by default.

/// Limits of one run; each has a flag that raises it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Artifacts of a run: files and archive members together.
    pub max_entries: usize,
    /// Archives and compression layers within each other.
    pub max_depth: usize,
    /// Unpacked bytes per packed byte of one member; small members are exempt.
    pub max_ratio: u64,
    /// Unpacked bytes over the whole run.
    pub max_total_bytes: u64,
    /// Unpacked bytes of one member.
    pub max_member_bytes: u64,
}

impl Limits {
    /// Up to this many unpacked bytes the ratio is not looked at: equal lines pack to almost nothing.
    pub const RATIO_EXEMPT_BYTES: u64 = 256 << 20;

    /// How many bytes `packed` bytes may become.
    pub fn unpacked_cap(&self, packed: u64) -> u64 {
        packed.saturating_mul(self.max_ratio).max(Self::RATIO_EXEMPT_BYTES).min(self.max_member_bytes)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_entries: 100_000, max_depth: 8, max_ratio: 200, max_total_bytes: 64 << 30, max_member_bytes: 16 << 30 }
    }
}
