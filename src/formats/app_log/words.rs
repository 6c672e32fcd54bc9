//! The words by which runtimes, supervisors and signals announce themselves in logs. A structured line is read string by
//! string, with its escapes undone. What merely quotes such words (a test's expectation, a headline, a JVM's echo of its
//! own options) is refused: a runtime never puts its last words in quotation marks.
//! Sources: V8 `FatalProcessOutOfMemory`, HotSpot `debug.cpp`/`vmError.cpp`, Go `malloc.go`, CPython, the CLR, Ruby, PHP,
//! Rust's `handle_alloc_error`, libstdc++, Erlang's allocator, gunicorn, nginx, PostgreSQL.

use crate::model::log::LogPattern;
use regex::bytes::Regex;
use serde_json::Value;
use std::sync::OnceLock;

pub struct Word {
    pub pattern: LogPattern,
    /// The line in which it stands, where the log line wraps it up in JSON.
    pub inside: Option<String>,
    /// Further lines of the same kind right behind belong to the same breakdown.
    pub repeats: bool,
    pub numbers: Vec<(&'static str, f64)>,
}

/// One literal of each kind of line; everything else is decided only where one of these stands.
fn triggers() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    const ANY: &str = "OutOfMemory|[Oo]ut of memory|MemoryError|insufficient memory|Native memory allocation|cannot allocate memory|Cannot allocate|\
                       heap limit|bad_alloc|memory allocation of|Allowed memory size|failed to allocate memory|SIGTERM|SIGKILL|signal 9|signal: killed|\
                       signal 15|signal: terminated|signal terminated|graceful shutdown|hs_err_pid|by the Java Runtime|OutOfDirectMemory";
    RE.get_or_init(|| Regex::new(ANY).ok()).as_ref()
}

/// Whether any such word stands in `text`.
pub fn any(text: &[u8]) -> bool {
    triggers().is_some_and(|re| re.is_match(text))
}

/// What the line means, if it is one of ours.
pub fn classify(line: &[u8]) -> Option<Word> {
    if !any(line) {
        return None;
    }
    let bare = line.trim_ascii();
    if bare.starts_with(b"{")
        && bare.ends_with(b"}")
        && let Ok(record) = serde_json::from_slice::<Value>(bare)
    {
        return structured(&record);
    }
    plain(&String::from_utf8_lossy(line))
}

/// The first such word in any string of a structured line; what a string holds may be several lines, a stack trace say.
fn structured(record: &Value) -> Option<Word> {
    let mut todo = vec![record];
    while let Some(v) = todo.pop() {
        match v {
            Value::Object(map) => todo.extend(map.values().rev()),
            Value::Array(list) => todo.extend(list.iter().rev()),
            Value::String(s) => {
                let found = s.lines().find_map(|l| plain(l).map(|w| Word { inside: Some(l.to_owned()), ..w }));
                if found.is_some() {
                    return found;
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether what starts at `at` is somebody's quotation: an opening mark stands right before it that is not a field's
/// (`err="…"`, `"msg":"…"`).
fn quoted(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    let Some(rest) = before.strip_suffix(['"', '\'', '`', '“', '‘', '«']) else { return false };
    !rest.trim_end().trim_end_matches('\\').ends_with(['=', ':'])
}

/// The words of a runtime that ends itself, and where they start.
const LAST_WORDS: [&str; 8] = [
    "FATAL ERROR:",
    "Fatal JavaScript out of memory",
    "Fatal process out of memory",
    "fatal error:",
    "runtime: out of memory",
    "java.lang.OutOfMemoryError",
    "System.OutOfMemoryException",
    "std::bad_alloc",
];

fn plain(text: &str) -> Option<Word> {
    // In a headline or a sentence about them the words stand between marks, not necessarily behind one: what stands first
    // on the line decides.
    let first = LAST_WORDS.iter().filter_map(|w| text.find(w)).min();
    if first.is_some_and(|at| quoted(text, at) || inside_quotation(text, at)) {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let word = |pattern, repeats| Some(Word { pattern, inside: None, repeats, numbers: Vec::new() });
    // GPU memory is not what a pod's limit is about.
    if has(&["CUDA out of memory", "torch.cuda.OutOfMemoryError", "HIP out of memory"]) {
        return None;
    }
    if has(&["JavaScript heap out of memory", "Fatal JavaScript out of memory", "Fatal process out of memory"])
        || (text.contains("FATAL ERROR:") && has(&["heap limit", "out of memory"]))
    {
        return word(LogPattern::V8HeapLimit, true);
    }
    if has(&["insufficient memory for the Java Runtime", "Native memory allocation (", "detected by the Java Runtime Environment"]) {
        let numbers = number_before(text, " bytes").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::JvmFatal, inside: None, repeats: true, numbers });
    }
    // hs_err: `fatal error: OutOfMemory encountered: Java heap space`
    if has(&["OutOfMemory encountered"]) {
        return word(LogPattern::JavaOutOfMemory, false);
    }
    if has(&["hs_err_pid"]) {
        return word(LogPattern::JvmFatal, true);
    }
    if java(text) {
        return word(LogPattern::JavaOutOfMemory, false);
    }
    if has(&["runtime: out of memory", "fatal error: out of memory", "runtime: cannot allocate memory"]) {
        let numbers = number_before(text, "-byte block").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::GoOutOfMemory, inside: None, repeats: true, numbers });
    }
    if python(text) {
        return word(LogPattern::PythonMemoryError, false);
    }
    if has(&["SIGKILL", "signal 9", "signal: killed"]) {
        let child = has(&["worker", "Worker", "child", "process", "exit", "terminated by", "signal: killed"]);
        return if child { word(LogPattern::ChildKilled, false) } else { None };
    }
    let other = [
        "System.OutOfMemoryException",
        "NoMemoryError",
        "failed to allocate memory",
        "std::bad_alloc",
        "Cannot allocate memory",
        "cannot allocate memory",
        "eheap_alloc: Cannot allocate",
        "Allowed memory size of",
    ];
    let refused = text.contains("memory allocation of") && text.contains("failed");
    let bare = matches!(text.trim(), "Out of memory." | "Out of memory")
        || has(&["ERROR:  out of memory", "FATAL:  out of memory", "fatal: out of memory"]);
    if has(&other) || refused || bare {
        let numbers = number_before(text, " bytes").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::OtherOutOfMemory, inside: None, repeats: true, numbers });
    }
    if has(&["SIGTERM", "signal 15", "signal: terminated", "signal terminated", "Commencing graceful shutdown"]) {
        return word(LogPattern::Sigterm, true);
    }
    None
}

/// Whether a quotation that opened on this line before `at` is still open there.
fn inside_quotation(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    before.matches('"').count() % 2 == 1
        && before.rfind('"').is_some_and(|open| quoted(text, open + 1))
        && text.get(at..).is_some_and(|t| t.contains('"'))
}

/// The JVM's own error: `java.lang.OutOfMemoryError`, bare where a logger shortens class names, or the one that Netty throws
/// for direct memory. Options of that name (`-XX:+ExitOnOutOfMemoryError`) and other libraries' errors are none.
fn java(text: &str) -> bool {
    let own = text.match_indices("OutOfMemoryError").any(|(at, found)| {
        let before = text.get(..at).unwrap_or("");
        let behind = text.get(at + found.len()..).unwrap_or("");
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '$'))).map_or(0, |i| i + 1);
        let class_path = before.get(start..).unwrap_or("");
        let ends = behind.is_empty() || behind.starts_with(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '$')));
        let bare = class_path.is_empty() && (behind.starts_with(':') || behind.is_empty());
        ends && (class_path == "java.lang." || class_path == "j.l." || bare)
    });
    own || text.contains("OutOfDirectMemoryError: ")
}

/// `MemoryError`, alone or as the last part of a class path at the start of a traceback's last line.
fn python(text: &str) -> bool {
    let Some(i) = text.find("MemoryError") else { return false };
    let before = text.get(..i).unwrap_or("");
    let behind = text.get(i + "MemoryError".len()..).unwrap_or("");
    let class_path = before.rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_'))).next().unwrap_or("");
    let own_word = class_path.is_empty() || class_path.ends_with('.') || class_path.ends_with("_Array");
    own_word && (behind.is_empty() || behind.starts_with(':') || behind.starts_with(' ') || behind.starts_with('('))
}

/// The whole number that stands right before `unit`.
fn number_before(text: &str, unit: &str) -> Option<f64> {
    let end = text.find(unit)?;
    let head = text.get(..end)?;
    let start = head.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |i| i + 1);
    head.get(start..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_look_alikes() {
        let kind = |l: &str| classify(l.as_bytes()).map(|w| w.pattern);
        let known = [
            ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", LogPattern::V8HeapLimit),
            ("FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed", LogPattern::V8HeapLimit),
            ("Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space", LogPattern::JavaOutOfMemory),
            ("Terminating due to java.lang.OutOfMemoryError: Metaspace", LogPattern::JavaOutOfMemory),
            ("# There is insufficient memory for the Java Runtime Environment to continue.", LogPattern::JvmFatal),
            ("fatal error: runtime: out of memory", LogPattern::GoOutOfMemory),
            ("MemoryError", LogPattern::PythonMemoryError),
            ("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB", LogPattern::PythonMemoryError),
            ("memory allocation of 1073741824 bytes failed", LogPattern::OtherOutOfMemory),
            ("Unhandled exception. System.OutOfMemoryException: Exception of type", LogPattern::OtherOutOfMemory),
            ("[ERROR] Worker (pid:31) was sent SIGKILL! Perhaps out of memory?", LogPattern::ChildKilled),
            ("LOG:  server process (PID 77) was terminated by signal 9: Killed", LogPattern::ChildKilled),
            ("received SIGTERM, draining connections", LogPattern::Sigterm),
            (r#"level=error msg="request failed" err="java.lang.OutOfMemoryError: Java heap space""#, LogPattern::JavaOutOfMemory),
            (
                r#"{"level":"fatal","exc":"Traceback (most recent call last):\n  File \"a.py\", line 3\nMemoryError"}"#,
                LogPattern::PythonMemoryError,
            ),
            (r#"{"msg":"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"}"#, LogPattern::V8HeapLimit),
            ("io.netty.util.internal.OutOfDirectMemoryError: failed to allocate 16 byte(s) of direct memory", LogPattern::JavaOutOfMemory),
        ];
        for (line, want) in known {
            assert_eq!(kind(line), Some(want), "{line}");
        }
        for line in [
            "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB",
            "class MyMemoryErrorHandler loaded",
            "GET /docs/out-of-memory 200",
            "Picked up JAVA_TOOL_OPTIONS: -XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError",
            "Picked up JAVA_TOOL_OPTIONS: -Xmx1g -XX:+HeapDumpOnOutOfMemoryError",
            "Picked up _JAVA_OPTIONS: -XX:+CrashOnOutOfMemoryError -XX:HeapDumpPath=/tmp",
            "redis.exceptions.OutOfMemoryError: OOM command not allowed when used memory > 'maxmemory'.",
            r#"INFO indexed article "How to fix java.lang.OutOfMemoryError: Java heap space""#,
            r#"INFO test case: expects "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory" in output"#,
            r#"{"title":"a page about 'java.lang.OutOfMemoryError: Java heap space'"}"#,
        ] {
            assert_eq!(kind(line), None, "{line}");
        }
        let w = classify(b"runtime: out of memory: cannot allocate 8388608-byte block (4194304 in use)");
        assert_eq!(w.map(|w| w.numbers), Some(vec![("requested_bytes", 8_388_608.0)]));
    }
}
