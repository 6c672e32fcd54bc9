//! Fuzz targets for node logs and Kubernetes text, as ordinary functions: any bytes, no panic, the same facts twice, every
//! cite inside the input, and no more facts than the input has room for. Used by `fuzz_targets/{kernel_log,
//! kube_describe,kube_tables,kube_yaml}.rs` and by the mutation loop of the tests.

use postmem::formats::{FORMATS, Format, parse_bytes};
use postmem::model::{Cite, Facts};

fn format(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|f| f.name() == name)
}

/// Facts of `data` as the format `name` reads them, after they were found consistent in themselves.
pub fn read(name: &str, path: &str, data: &[u8]) -> Facts {
    let Some(f) = format(name) else { return Facts::default() };
    let facts = parse_bytes(f, path, data);
    let len = data.len() as u64;
    let inside = |c: &Cite| {
        assert!(c.span.offset <= len, "{name}: a cite at {} of {len}", c.span.offset);
        assert!(c.excerpt.len() <= Cite::EXCERPT_MAX);
    };
    facts.kills.iter().for_each(|o| inside(&o.cite));
    facts.logs.iter().for_each(|o| inside(&o.cite));
    facts.pods.iter().for_each(|o| inside(&o.cite));
    facts.events.iter().for_each(|o| inside(&o.cite));
    facts.nodes.iter().for_each(|o| inside(&o.cite));
    facts.workloads.iter().for_each(|o| inside(&o.cite));
    facts.policies.iter().for_each(|o| inside(&o.cite));
    // The shortest row, line or object that says anything has more than one byte.
    assert!(facts.count() <= data.len() + 1, "{name}: {} facts from {len} bytes", facts.count());
    for k in &facts.kills {
        assert!(k.what.count >= 1);
        assert!(k.what.group_kill || k.what.victims.len() <= 1, "{name}: several victims without memory.oom.group");
    }
    facts
}

fn twice(name: &str, path: &str, data: &[u8]) {
    let (a, b) = (read(name, path, data), read(name, path, data));
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

pub fn kernel_log(data: &[u8]) {
    twice("kernel-log", "node-7/kern.log", data);
    read("kubelet-log", "node-7/kubelet.log", data);
}

pub fn kube_describe(data: &[u8]) {
    twice("kube-describe", "describe.txt", data);
    read("transcript", "session.txt", data);
}

pub fn kube_tables(data: &[u8]) {
    twice("kube-table", "get-pods.txt", data);
}

pub fn kube_yaml(data: &[u8]) {
    twice("kube-objects", "pods.yaml", data);
}
