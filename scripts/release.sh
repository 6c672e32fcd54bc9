#!/usr/bin/env bash
# Builds the release: one static file for x86-64 Linux, its checksum beside it.
# Needs a Rust toolchain with a C linker, nothing else. usage: release.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist}
target=x86_64-unknown-linux-gnu
# A named target keeps the flag away from build scripts and procedural macros.
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --target "$target"
mkdir -p "$out"
install -m 755 "target/$target/release/postmem" "$out/postmem"
strip "$out/postmem" 2>/dev/null || true
if ldd "$out/postmem" 2>&1 | grep -qv -e 'statically linked' -e 'not a dynamic executable'; then
  echo "release: the binary needs shared libraries:" >&2
  ldd "$out/postmem" >&2
  exit 1
fi
(cd "$out" && sha256sum postmem >postmem.sha256)
"$out/postmem" --version
