//! Any bytes as a bundle: archives, compression layers, and whatever lies in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postmem::bundle::{Limits, walk};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { max_entries: 64, max_total_bytes: 16 << 20, max_member_bytes: 4 << 20, ..Limits::default() };
    for entry in &walk::open_bytes(data.to_vec(), &limits).entries {
        let _ = entry.content.bytes();
    }
});
