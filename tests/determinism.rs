//! Same bundle, same bytes out: any thread count, any directory order, folder or archive.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bundle made of every format's sample, laid out as a collector would.
fn members() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut out = Vec::new();
    let mut stack = vec![root.join("formats"), root.join("incidents")];
    while let Some(dir) = stack.pop() {
        let Ok(list) = std::fs::read_dir(&dir) else { continue };
        for e in list.flatten() {
            let p = e.path();
            if p.is_dir() {
                stack.push(p);
            } else if std::fs::metadata(&p).is_ok_and(|m| m.len() < 2 << 20) && !p.components().any(|c| c.as_os_str() == "make") {
                let name = p.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                out.push((name, std::fs::read(&p).unwrap()));
            }
        }
    }
    out.sort();
    out
}

fn run(input: &Path, threads: &str, out: &Path) -> Vec<Vec<u8>> {
    let kinds = ["report.json", "report.html", "report.md", "inspect.json"];
    let paths: Vec<PathBuf> = kinds.iter().map(|k| out.join(k)).collect();
    let bin = env!("CARGO_BIN_EXE_postmem");
    let mut analyze = Command::new(bin);
    analyze.arg("analyze").arg(input).args(["--threads", threads, "--quiet"]);
    for p in &paths[..3] {
        analyze.arg("-o").arg(p);
    }
    assert!(analyze.status().unwrap().code().is_some_and(|c| c == 0 || c == 65));
    let inspect = Command::new(bin).arg("inspect").arg(input).args(["--threads", threads, "-o"]).arg(&paths[3]).status().unwrap();
    assert!(inspect.code().is_some_and(|c| c == 0 || c == 65));
    paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
}

#[test]
fn the_same_bundle_gives_the_same_bytes() {
    let d = tempfile::tempdir().unwrap();
    let list = members();
    assert!(list.len() > 10);
    let write = |root: &Path, list: &[(String, Vec<u8>)]| {
        for (name, bytes) in list {
            let p = root.join(name);
            std::fs::create_dir_all(p.parent().unwrap()).unwrap();
            std::fs::write(p, bytes).unwrap();
        }
    };
    let folder = d.path().join("a/bundle");
    write(&folder, &list);
    // Another order of creation is another order of directory entries.
    let shuffled = d.path().join("b/bundle");
    let mut other = list.clone();
    other.sort_by_key(|(n, _)| n.bytes().rev().collect::<Vec<u8>>());
    write(&shuffled, &other);
    let zipped = d.path().join("bundle.zip");
    let mut z = zip::ZipWriter::new(std::fs::File::create(&zipped).unwrap());
    for (i, (name, bytes)) in other.iter().enumerate() {
        let method = if i % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        z.start_file(name.as_str(), zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        z.write_all(bytes).unwrap();
    }
    z.finish().unwrap();
    let first = run(&folder, "1", d.path());
    for (input, threads) in [(&folder, "2"), (&folder, "8"), (&shuffled, "2"), (&zipped, "2"), (&zipped, "8")] {
        let again = run(input, threads, d.path());
        for (kind, (a, b)) in ["report.json", "report.html", "report.md", "inspect.json"].iter().zip(first.iter().zip(&again)) {
            if a != b {
                let at = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
                let near = |v: &[u8]| String::from_utf8_lossy(&v[at.saturating_sub(120)..(at + 120).min(v.len())]).into_owned();
                panic!("{kind} of {} with {threads} threads differs at byte {at}:\n{}\n---\n{}", input.display(), near(a), near(b));
            }
        }
    }
}
