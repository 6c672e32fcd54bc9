//! What a file is, by its first bytes: an archive, a compressed stream, or anything else. Names prove nothing here.

/// Length of the head that [`kind`] wants: a whole tar header.
pub const HEAD: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Zip,
    Tar,
    Packed(Packing),
    /// Recognised, but nothing here unpacks it; the name is for the diagnostic.
    Unsupported(&'static str),
    Plain,
}

/// A compression layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
            Packing::Xz => "xz",
        }
    }
}

/// What begins with `head` (at least [`HEAD`] bytes, or all there are).
pub fn kind(head: &[u8]) -> Kind {
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Kind::Zip,
        // The third byte of gzip is its only compression method; the reserved flag bits are zero.
        [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Kind::Packed(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Packed(Packing::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Kind::Packed(Packing::Xz),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Kind::Unsupported("bzip2"),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Kind::Unsupported("7-Zip"),
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Kind::Unsupported("RAR"),
        [4, 0x22, 0x4d, 0x18, ..] => Kind::Unsupported("lz4"),
        _ if super::tar::is_header(head) => Kind::Tar,
        _ => Kind::Plain,
    }
}
