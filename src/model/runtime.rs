//! The language runtimes that this program tells apart, and the names by which each shows: programs, metrics, profiles.

/// A runtime, or a program that certainly runs on none of the first five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    Java,
    Node,
    Python,
    Go,
    Dotnet,
    Ruby,
    Php,
    /// Compiled without a managed heap: nginx, postgres.
    Native,
}

impl Runtime {
    /// As sentences name it.
    pub fn word(self) -> &'static str {
        match self {
            Runtime::Java => "java",
            Runtime::Node => "node",
            Runtime::Python => "python",
            Runtime::Go => "go",
            Runtime::Dotnet => "dotnet",
            Runtime::Ruby => "ruby",
            Runtime::Php => "php",
            Runtime::Native => "native",
        }
    }

    /// The runtime that a program's name tells: the last component of a path, or a kernel's `comm` of 15 bytes.
    pub fn of_program(program: &str) -> Option<Runtime> {
        let name = program.rsplit('/').next().unwrap_or(program);
        Some(match name {
            "java" | "jsvc" => Runtime::Java,
            "node" | "nodejs" | "npm" | "npx" | "yarn" | "pnpm" => Runtime::Node,
            "dotnet" => Runtime::Dotnet,
            "gunicorn" | "uwsgi" | "celery" | "uvicorn" => Runtime::Python,
            "ruby" | "puma" | "bundle" | "sidekiq" => Runtime::Ruby,
            "php" | "php-fpm" => Runtime::Php,
            "nginx" | "envoy" | "haproxy" | "redis-server" | "postgres" | "mysqld" => Runtime::Native,
            _ if name.starts_with("python") => Runtime::Python,
            _ => return None,
        })
    }

    /// The runtime that writes profiles of this format. Programs of many languages write pprof.
    pub fn of_format(format: &str) -> Option<Runtime> {
        let starts = |words: &[&str]| words.iter().any(|w| format.starts_with(w));
        if starts(&["v8", "node"]) {
            Some(Runtime::Node)
        } else if starts(&["jvm", "class-histogram"]) || format == "nmt" {
            Some(Runtime::Java)
        } else if starts(&["tracemalloc", "memray"]) {
            Some(Runtime::Python)
        } else if starts(&["pprof", "go", "heap-text"]) {
            Some(Runtime::Go)
        } else {
            None
        }
    }

    /// Beginnings of the names that the runtime's own client library gives its gauges.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Runtime::Java => &["jvm_"],
            Runtime::Node => &["nodejs_", "v8js_"],
            Runtime::Python => &["python_"],
            Runtime::Go => &["go_"],
            Runtime::Dotnet => &["dotnet_", "process_runtime_dotnet_"],
            Runtime::Ruby => &["ruby_"],
            Runtime::Php => &["php_"],
            Runtime::Native => &[],
        }
    }

    /// The runtime that a gauge's name tells.
    pub fn of_metric(name: &str) -> Option<Runtime> {
        const ALL: [Runtime; 7] =
            [Runtime::Java, Runtime::Node, Runtime::Python, Runtime::Go, Runtime::Dotnet, Runtime::Ruby, Runtime::Php];
        ALL.into_iter().find(|r| r.metrics().iter().any(|m| name.starts_with(m)))
    }
}
