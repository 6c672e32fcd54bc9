#![no_main]

#[path = "../prometheus.rs"]
mod prometheus;

libfuzzer_sys::fuzz_target!(|data: &[u8]| prometheus::prometheus(data));
