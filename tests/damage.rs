//! Damage to node logs and Kubernetes text: the fuzz targets run here over mutated samples, and flipped bytes leave the
//! other records as they were.

#[path = "../fuzz/cluster.rs"]
mod target;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A small generator of numbers: the same every time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    }
}

fn samples(folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats").join(folder))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file() && wanted(&p.file_name().unwrap().to_string_lossy()))
        .collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
}

/// Bytes flipped, lost, added; pieces repeated, moved, cut.
fn mutate(whole: &[u8], next: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..1 + next(6) {
        let at = next(bytes.len());
        match next(6) {
            0 => bytes[at] = next(256) as u8,
            1 => bytes[at] ^= 1 << next(8),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, [b'\n', b' ', b'{', b'"', b':', 0xff, b'-', b'\t', b'[', b')'][next(10)]),
            4 => {
                let end = (at + next(300)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = next(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn hammer(samples: &[Vec<u8>], rounds: usize, seed: u64, f: impl Fn(&[u8])) {
    assert!(!samples.is_empty());
    let mut next = numbers(seed);
    for s in samples {
        f(s);
        for _ in 0..crate::rounds(rounds) {
            f(&mutate(s, &mut next));
        }
    }
}

#[test]
fn mutated_kernel_logs_are_survived() {
    hammer(&samples("kernel-log/carriers", |_| true), 60, 11, target::kernel_log);
}

#[test]
fn mutated_describe_text_is_survived() {
    hammer(&samples("kube", |n| n.starts_with("describe") || n == "session.txt"), 300, 12, target::kube_describe);
}

#[test]
fn mutated_tables_are_survived() {
    hammer(&samples("kube", |n| n.starts_with("get-") || n.starts_with("top-")), 500, 13, target::kube_tables);
}

#[test]
fn mutated_objects_are_survived() {
    hammer(&samples("kube", |n| n.ends_with(".yaml") || n == "pods.json" || n == "events.json"), 200, 14, target::kube_yaml);
}

/// One pod's block of a describe text is hurt: every other pod reads as before.
#[test]
fn flipped_bytes_in_one_description_leave_the_others_alone() {
    let whole = samples("kube", |n| n == "describe-pods.txt").remove(0);
    let by_pod = |bytes: &[u8]| -> BTreeMap<String, String> {
        let facts = target::read("kube-describe", "describe.txt", bytes);
        facts.pods.iter().map(|p| (p.what.name.clone(), format!("{:?}", p.what))).collect()
    };
    let all = by_pod(&whole);
    assert!(all.len() >= 4);
    // Blocks are three line ends apart.
    let text = String::from_utf8_lossy(&whole).into_owned();
    let mut starts: Vec<usize> = vec![0];
    starts.extend(text.match_indices("\n\n\nName:").map(|(i, _)| i + 3));
    starts.push(whole.len());
    let mut next = numbers(15);
    let mut unchanged = 0;
    for round in 0..400 {
        let block = round % (starts.len() - 1);
        let (from, to) = (starts[block], starts[block + 1].saturating_sub(3));
        let mut hurt = whole.clone();
        for _ in 0..1 + next(4) {
            let at = from + next(to - from);
            // A moved line end shifts every later line number, which is part of the comparison.
            let flipped = hurt[at] ^ (1 << next(7));
            if hurt[at] != b'\n' && flipped != b'\n' {
                hurt[at] = flipped;
            }
        }
        let got = by_pod(&hurt);
        let same = all.iter().filter(|(n, p)| got.get(*n) == Some(p)).count();
        assert!(same + 1 >= all.len(), "block {block}: {same} of {} unchanged", all.len());
        unchanged += usize::from(same == all.len());
    }
    assert!(unchanged < 400, "the flips do hit something");
}

/// A row of a table, or a line of a node's log, that is hurt costs itself.
#[test]
fn flipped_bytes_in_one_row_leave_the_other_rows_alone() {
    let whole = samples("kube", |n| n == "get-pods-wide.txt").remove(0);
    let rows = |bytes: &[u8]| -> Vec<String> {
        target::read("kube-table", "get-pods.txt", bytes).pods.iter().map(|p| format!("{:?}", p.what)).collect()
    };
    let all = rows(&whole);
    let header = whole.iter().position(|&b| b == b'\n').unwrap();
    let mut next = numbers(16);
    for _ in 0..400 {
        let mut hurt = whole.clone();
        let at = header + 1 + next(whole.len() - header - 1);
        let flipped = hurt[at] ^ (1 << next(7));
        if hurt[at] == b'\n' || flipped == b'\n' {
            continue;
        }
        hurt[at] = flipped;
        let got = rows(&hurt);
        let same = all.iter().filter(|r| got.contains(r)).count();
        assert!(same + 1 >= all.len(), "at {at}: {same} of {}", all.len());
    }
}
