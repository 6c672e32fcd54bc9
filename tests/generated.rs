//! `src/formats/pprof/proto.rs` is what prost-build makes of `proto/profile.proto`.
//! `POSTMEM_REGENERATE=1 cargo test generated` writes it anew.

use std::path::Path;

/// Lines that say what the file is, before the generated ones.
const HEAD: &str = "//! Generated from `proto/profile.proto` by prost-build; `tests/generated.rs` rebuilds and compares it. Used to write\n//! profiles and as the oracle of the wire reader; never used to read.\n\n";

#[test]
fn proto_types_are_those_of_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = protox::compile(["profile.proto"], [root.join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new().out_dir(out.path()).compile_fds(set).unwrap();
    let made = format!("{HEAD}{}", std::fs::read_to_string(out.path().join("perftools.profiles.rs")).unwrap());
    let kept = root.join("src/formats/pprof/proto.rs");
    if std::env::var_os("POSTMEM_REGENERATE").is_some() {
        std::fs::write(&kept, &made).unwrap();
    }
    let have = std::fs::read_to_string(&kept).unwrap();
    assert!(have == made, "proto.rs is not what proto/profile.proto gives: run with POSTMEM_REGENERATE=1");
}
