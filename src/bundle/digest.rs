//! The digest of an input: SHA-256 over what it holds, not over how it was packed. A folder, its zip and its tar.gz agree.

use sha2::{Digest, Sha256};

/// Digest of an input from its members: (path within the input, SHA-256 of the unpacked bytes).
///
/// A loose file (its member path is empty) has the digest of its unpacked bytes, as `sha256sum` prints it. Otherwise
/// the members are sorted by path, and for each the path, a NUL byte and the 32 bytes of its digest are hashed.
pub fn of_members(mut members: Vec<(&str, [u8; 32])>) -> String {
    members.sort_unstable();
    if let [("", digest)] = members.as_slice() {
        return hex(digest);
    }
    let mut sha = Sha256::new();
    for (path, digest) in members {
        sha.update(path.as_bytes());
        sha.update([0]);
        sha.update(digest);
    }
    hex(&sha.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
