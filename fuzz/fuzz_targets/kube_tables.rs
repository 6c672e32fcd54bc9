#![no_main]

#[path = "../cluster.rs"]
#[allow(dead_code)]
mod cluster;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cluster::kube_tables(data));
