#![no_main]

#[path = "../profiles.rs"]
mod profiles;

libfuzzer_sys::fuzz_target!(|data: &[u8]| profiles::profiles(data));
