//! Whose code is a frame: the application's, a library's, the standard library's, or the runtime's own.
//!
//! An allocation happens in `bytes.growSlice`, but its owner is whoever called it. Signs used: Go's import path and GOROOT
//! as the profile's own files show it, module cache and `site-packages` folders, `node:` and `node_modules`, the binary of
//! an unsymbolized frame. Knows no program by name; a frame it cannot place counts as the application's.

use crate::model::profile::StackTable;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Allocator, scheduler, C library.
    Runtime,
    /// Standard library that only passes buffers on: `bytes`, `bufio`, `io`, …
    Helper,
    Standard,
    Library,
    Application,
    /// The profiler writing this very profile.
    Profiler,
}

/// First elements of import paths that belong to Go's standard library.
const GO_STANDARD: &[&str] = &[
    "archive",
    "arena",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Standard packages that allocate on behalf of their callers.
const GO_HELPERS: &[&str] = &[
    "bufio",
    "bytes",
    "compress",
    "container",
    "crypto",
    "encoding",
    "errors",
    "fmt",
    "hash",
    "internal",
    "io",
    "iter",
    "maps",
    "math",
    "os",
    "path",
    "reflect",
    "regexp",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync",
    "syscall",
    "unicode",
    "unique",
    "weak",
];

/// Shared objects of the C world that allocate for others.
const NATIVE_RUNTIME: &[&str] = &[
    "libjemalloc",
    "libtcmalloc",
    "libmimalloc",
    "libc.",
    "libc-",
    "libstdc++",
    "ld-linux",
    "ld-musl",
    "libpthread",
    "libgcc_s",
    "[vdso]",
];

/// Origin of every function of a table, and of locations without one.
pub struct Origins {
    functions: Vec<Origin>,
}

impl Origins {
    pub fn of(table: &StackTable) -> Self {
        let goroot = goroot(table);
        let origin = |i: usize| {
            let f = table.functions.get(i).copied().unwrap_or_default();
            place(table.string(f.name), table.string(f.file), goroot.as_deref())
        };
        Origins { functions: (0..table.functions.len()).map(origin).collect() }
    }

    pub fn function(&self, f: u32) -> Origin {
        self.functions.get(f as usize).copied().unwrap_or(Origin::Application)
    }

    /// Of a location without frames, by the binary it lies in.
    pub fn binary(table: &StackTable, l: u32) -> Origin {
        let file = table.mapping(l).map_or("", |m| m.file.rsplit('/').next().unwrap_or(""));
        if NATIVE_RUNTIME.iter().any(|n| file.starts_with(n)) { Origin::Runtime } else { Origin::Application }
    }
}

/// The folder that holds Go's own sources, as the runtime's files show it; "" for builds with trimmed paths.
fn goroot(table: &StackTable) -> Option<String> {
    let runtime = table.functions.iter().find_map(|f| {
        let (name, file) = (table.string(f.name), table.string(f.file));
        let dir = file.rsplit_once('/').map_or("", |(d, _)| d);
        (name.starts_with("runtime.")).then(|| dir.strip_suffix("runtime"))?.map(|root| root.to_owned())
    });
    // Goroutine dumps leave the runtime's frames out: any other package of the standard library tells as well.
    runtime.or_else(|| {
        table.functions.iter().find_map(|f| {
            let (name, file) = (table.string(f.name), table.string(f.file));
            let package = crate::heap::sites::package(name, "");
            let standard = GO_STANDARD.binary_search(&package.split('/').next().unwrap_or("")).is_ok();
            let at = file.rfind(&format!("/src/{package}/")).filter(|_| standard && !package.is_empty())?;
            file.get(..at + 5).map(str::to_owned)
        })
    })
}

fn place(name: &str, file: &str, goroot: Option<&str>) -> Origin {
    if let Some(origin) = script(file) {
        return origin;
    }
    let package = crate::heap::sites::package(name, "");
    let first = package.split('/').next().unwrap_or("");
    let standard_path = GO_STANDARD.binary_search(&first).is_ok();
    let standard = match goroot {
        // The module `quotes` may well shadow nothing: its files do not lie under GOROOT.
        Some(root) if !root.is_empty() => file.starts_with(root),
        // What the runtime implements for another package (`internal/poll.runtime_pollWait`) lies in its own folder.
        Some(_) => standard_path && (file.starts_with("runtime/") || file.strip_prefix(package).is_some_and(|r| r.starts_with('/'))),
        None => standard_path && (file.is_empty() || file.contains(&format!("/src/{package}/"))),
    };
    if standard {
        return match package {
            "runtime/pprof" | "net/http/pprof" | "runtime/trace" => Origin::Profiler,
            p if p == "runtime" || p.starts_with("runtime/") || p.starts_with("internal/runtime") => Origin::Runtime,
            _ if name == "runtime.goexit" => Origin::Runtime,
            "net" | "net/textproto" => Origin::Helper,
            _ if GO_HELPERS.binary_search(&first).is_ok() => Origin::Helper,
            _ => Origin::Standard,
        };
    }
    if file.contains("/pkg/mod/") || file.contains("/vendor/") || (file.contains('@') && !file.starts_with('/')) {
        return Origin::Library;
    }
    if matches!(name, "malloc" | "calloc" | "realloc" | "free" | "operator new" | "__libc_start_main" | "_start" | "clone") {
        return Origin::Runtime;
    }
    Origin::Application
}

/// Python and JavaScript, by file.
fn script(file: &str) -> Option<Origin> {
    if file.starts_with("<frozen") || file.starts_with("node:") {
        return Some(Origin::Standard);
    }
    if file.contains("/site-packages/") || file.contains("/dist-packages/") || file.contains("/node_modules/") {
        // A Go toolchain may itself be installed as a Python package.
        return (!file.ends_with(".go") && !file.ends_with(".s")).then_some(Origin::Library);
    }
    let python = file.ends_with(".py") && (file.contains("/lib/python3") || file.contains("\\Lib\\"));
    if python && (file.ends_with("/tracemalloc.py") || file.ends_with("\\tracemalloc.py")) {
        return Some(Origin::Profiler);
    }
    python.then_some(Origin::Standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_the_search() {
        assert!(GO_STANDARD.is_sorted() && GO_HELPERS.is_sorted());
    }

    #[test]
    fn owners_by_path_and_package() {
        let root = Some("/usr/local/go/src/");
        assert_eq!(place("runtime.mallocgc", "/usr/local/go/src/runtime/malloc.go", root), Origin::Runtime);
        assert_eq!(place("bytes.growSlice", "/usr/local/go/src/bytes/buffer.go", root), Origin::Helper);
        assert_eq!(place("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go", root), Origin::Standard);
        assert_eq!(place("quotes.(*Store).Remember", "/src/quotes/store.go", root), Origin::Application);
        assert_eq!(place("github.com/x/y.F", "/home/ci/go/pkg/mod/github.com/x/y@v1.2.3/f.go", root), Origin::Library);
        assert_eq!(place("bytes.growSlice", "bytes/buffer.go", Some("")), Origin::Helper);
        assert_eq!(place("internal/poll.runtime_pollWait", "runtime/netpoll.go", Some("")), Origin::Helper);
        assert_eq!(place("time.Cache", "time/keeper/cache.go", Some("")), Origin::Standard);
        assert_eq!(place("shop/time.Cache", "shop/time/cache.go", Some("")), Origin::Application);
        assert_eq!(place("", "/usr/lib/python3.11/json/decoder.py", None), Origin::Standard);
        assert_eq!(place("", "/app/cart.py", None), Origin::Application);
    }
}
