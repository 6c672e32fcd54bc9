//! Any bytes to any format: nothing may panic, hang or grow beyond a few times its input.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((&which, bytes)) = data.split_first() {
        let formats = postmem::formats::FORMATS;
        let format = formats[which as usize % formats.len()];
        let _ = postmem::formats::parse_bytes(format, "fuzzed.input", bytes);
    }
});
