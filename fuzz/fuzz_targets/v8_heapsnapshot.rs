//! Any bytes as a V8 heap snapshot, a timeline or a sampled profile: parsing and settling never panic and never hang.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postmem::formats::{Format, Input, v8_heapprofile::V8HeapProfile, v8_heapsnapshot::V8HeapSnapshot};
use postmem::heap::settle::{Ask, settle};
use postmem::model::Facts;
use postmem::model::profile::ProfileBody;

fn read(format: &dyn Format, bytes: &[u8]) {
    let content = postmem::bundle::Content::memory(bytes.to_vec());
    let len = Some(bytes.len() as u64);
    let input = Input { artifact: Default::default(), path: "x", len, who: Default::default(), source: &content };
    let mut facts = Facts::default();
    format.parse(&input, &mut facts);
    for p in &mut facts.profiles {
        if let ProfileBody::Graph(g) = &mut p.what.body {
            settle(g, Ask { ids: &[1], compare: true, show_strings: false, skip_growth: false }, &[]);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(&V8HeapSnapshot, bytes);
    read(&V8HeapProfile, bytes);
});
