//! Environment variables: the value is hidden unless its name or shape says that it only sizes or switches something.
//! Options of a runtime (`JAVA_OPTS`, `NODE_OPTIONS`) keep the flags that size it, so that a reader still sees `-Xmx`.

use super::MARK;
use super::patterns::is_secret_name;
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Variables that size a runtime and are a plain value.
const SIZING: [&str; 32] = [
    "GOMEMLIMIT",
    "GOGC",
    "GOMAXPROCS",
    "GODEBUG",
    "UV_THREADPOOL_SIZE",
    "MALLOC_ARENA_MAX",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_CONF",
    "JEMALLOC_CONF",
    "LD_PRELOAD",
    "PYTHONMALLOC",
    "PYTHONTRACEMALLOC",
    "WEB_CONCURRENCY",
    "GUNICORN_WORKERS",
    "NODE_ENV",
    "HEAP_SIZE",
    "MAX_HEAP",
    "MAX_HEAP_SIZE",
    "MIN_HEAP_SIZE",
    "ES_HEAP_SIZE",
    "MEMORY_LIMIT",
    "MEM_LIMIT",
    "JAVA_MAX_MEM_RATIO",
    "JAVA_INITIAL_MEM_RATIO",
    "JAVA_MAX_HEAP",
    "DOTNET_GCHEAPHARDLIMIT",
    "DOTNET_GCHEAPHARDLIMITPERCENT",
    "DOTNET_GCCONSERVEMEMORY",
    "DOTNET_GCSERVER",
    "RUBY_GC_HEAP_GROWTH_FACTOR",
    "MALLOCOPTIONS",
    "TZ",
];

/// Variables that hold command-line options of a runtime.
fn holds_options(name: &str) -> bool {
    let n = name.to_ascii_uppercase();
    ["_OPTS", "_OPTIONS", "_ARGS", "_FLAGS", "_JVM_MEMORY"].iter().any(|t| n.ends_with(t))
        || matches!(n.as_str(), "CATALINA_OPTS" | "JAVA_TOOL_OPTIONS")
}

/// An option that sizes or tunes memory and carries nothing else.
fn is_sizing_flag(flag: &str) -> bool {
    let bare = flag.trim_start_matches(['"', '\'']);
    ["-Xm", "-Xs", "-XX:", "-Xlog:gc", "-Xg", "-verbose:gc", "-server", "-client"].iter().any(|p| bare.starts_with(p))
        || [
            "--max-",
            "--min-",
            "--gc-",
            "--expose-gc",
            "--optimize",
            "--stack-size",
            "--heapsnapshot",
            "--heap-prof",
            "--trace-gc",
            "--initial-",
            "--semi-",
            "--v8-pool-size",
            "--diagnostic-dir",
        ]
        .iter()
        .any(|p| bare.starts_with(p))
}

fn options(value: &str, count: &mut u64) -> String {
    let mut out = String::with_capacity(value.len());
    for (i, token) in value.split_ascii_whitespace().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        match token.split_once('=') {
            _ if is_sizing_flag(token) => out.push_str(token),
            Some((flag, v)) if !is_harmless(v) => {
                *count += 1;
                out.push_str(flag);
                out.push('=');
                out.push_str(MARK);
            }
            None if !token.starts_with('-') => {
                *count += 1;
                out.push_str(MARK);
            }
            _ => out.push_str(token),
        }
    }
    out
}

/// A number with or without a unit, a switch, or a word of a small vocabulary: says nothing about anybody.
fn is_harmless(value: &str) -> bool {
    static PLAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^(?i:[+-]?\d{1,12}(?:\.\d{1,6})?\s?(?:%|[kmgtpe]i?b?|ms|s|m|h|d|us|ns|min)?|true|false|on|off|yes|no|debug|info|warn|warning|error|trace|fatal|production|prod|staging|stage|dev|development|test|utc|json|text|none|null)$")
            .ok()
    });
    value.is_empty() || PLAIN.as_ref().is_some_and(|re| re.is_match(value))
}

/// What of a variable's value a reader may see.
pub fn value<'a>(name: &str, value: &'a str, count: &mut u64) -> Cow<'a, str> {
    let bare = value.trim();
    if bare.is_empty() || bare.contains(MARK) || bare.starts_with("<set to the key ") || (bare.starts_with('<') && bare.ends_with('>')) {
        return Cow::Borrowed(value);
    }
    if !is_secret_name(name) {
        if SIZING.contains(&name.to_ascii_uppercase().as_str()) || is_harmless(bare) {
            return Cow::Borrowed(value);
        }
        // A downward-API reference as `kubectl describe` prints it.
        if bare.starts_with("(v1:") || bare.ends_with(')') && bare.contains("(v1:") {
            return Cow::Borrowed(value);
        }
        if holds_options(name) {
            return Cow::Owned(options(bare, count));
        }
    }
    *count += 1;
    Cow::Owned(MARK.to_owned())
}

/// A line that is an environment variable by its look: `      NAME:  value` of `kubectl describe`, `NAME=value` of `env`.
/// Of a text of several lines, each is looked at.
pub fn lines<'a>(text: &'a str, count: &mut u64) -> Cow<'a, str> {
    if !text.contains('\n') {
        return line(text, count);
    }
    let before = *count;
    let hidden: Vec<Cow<'_, str>> = text.split('\n').map(|l| line(l, count)).collect();
    if *count == before { Cow::Borrowed(text) } else { Cow::Owned(hidden.join("\n")) }
}

fn line<'a>(text: &'a str, count: &mut u64) -> Cow<'a, str> {
    static LINE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(\s{4,}([A-Z][A-Z0-9_]{2,}):\s+|(?:export )?([A-Z][A-Z0-9_]{2,})=)(\S.*)$").ok());
    let head = text.trim_start().as_bytes().first().copied().unwrap_or(b' ');
    if !(head.is_ascii_uppercase() || head == b'e') {
        return Cow::Borrowed(text);
    }
    let Some(c) = LINE.as_ref().and_then(|re| re.captures(text)) else { return Cow::Borrowed(text) };
    let name = c.get(2).or_else(|| c.get(3)).map_or("", |m| m.as_str());
    let (lead, shown) = (c.get(1).map_or("", |m| m.as_str()), c.get(4).map_or("", |m| m.as_str()));
    match value(name, shown, count) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(hidden) => Cow::Owned(format!("{lead}{hidden}")),
    }
}
