//! From bundle to incident: a small bundle, and a mixed one of 200 MB (`POSTMEM_BENCH_MB` for another size), as a folder
//! and packed. The bundle is made below `target/` by `generate` and kept for the next run, so that peak memory can be
//! measured on the command line too.

#[path = "generate/mod.rs"]
mod generate;

use criterion::{Criterion, Throughput};
use postmem::pipeline::{self, Options};
use std::path::{Path, PathBuf};

/// The bundle of `megabytes`, made if it is not there yet.
fn made(megabytes: u64) -> Result<PathBuf, std::io::Error> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bundle-{megabytes}"));
    if !dir.join("complete").exists() {
        generate::bundle(&dir, megabytes)?;
        std::fs::write(dir.join("complete"), b"")?;
    }
    Ok(dir)
}

fn size(dir: &Path) -> u64 {
    let list = std::fs::read_dir(dir).into_iter().flatten().flatten();
    list.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

fn main() -> Result<(), std::io::Error> {
    let big = std::env::var("POSTMEM_BENCH_MB").ok().and_then(|v| v.parse().ok()).unwrap_or(200);
    let mut c = Criterion::default().configure_from_args().sample_size(10);
    for megabytes in [4, big] {
        let dir = made(megabytes)?;
        let mut group = c.benchmark_group("bundle");
        group.throughput(Throughput::Bytes(size(&dir)));
        group.bench_function(format!("analyze {megabytes} MB"), |b| {
            b.iter(|| pipeline::analyze(std::slice::from_ref(&dir), &Options::default()).map(|a| a.diagnostics.len()));
        });
        group.finish();
    }
    c.final_summary();
    Ok(())
}
