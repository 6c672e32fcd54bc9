//! The words by which runtimes, supervisors and signals announce themselves in logs.
//! Sources: V8 `FatalProcessOutOfMemory`, HotSpot `debug.cpp`/`vmError.cpp`, Go `malloc.go`, CPython, the CLR, Ruby, PHP,
//! Rust's `handle_alloc_error`, libstdc++, Erlang's allocator, gunicorn, nginx, PostgreSQL.

use crate::model::log::LogPattern;
use regex::bytes::Regex;
use std::sync::OnceLock;

pub struct Word {
    pub pattern: LogPattern,
    /// Further lines of the same kind right behind belong to the same breakdown.
    pub repeats: bool,
    pub numbers: Vec<(&'static str, f64)>,
}

/// One literal of each kind of line; everything else is decided only where one of these stands.
fn triggers() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    const ANY: &str = "OutOfMemory|[Oo]ut of memory|MemoryError|insufficient memory|Native memory allocation|cannot allocate memory|Cannot allocate|\
                       heap limit|bad_alloc|memory allocation of|Allowed memory size|failed to allocate memory|SIGTERM|SIGKILL|signal 9|signal: killed|\
                       signal 15|signal: terminated|signal terminated|graceful shutdown|hs_err_pid|by the Java Runtime|ExitOnOutOfMemory";
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
    let text = String::from_utf8_lossy(line);
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let word = |pattern, repeats| Some(Word { pattern, repeats, numbers: Vec::new() });
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
        let numbers = number_before(&text, " bytes").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::JvmFatal, repeats: true, numbers });
    }
    // hs_err: `fatal error: OutOfMemory encountered: Java heap space`
    if has(&["OutOfMemory encountered"]) {
        return word(LogPattern::JavaOutOfMemory, false);
    }
    if has(&["hs_err_pid"]) {
        return word(LogPattern::JvmFatal, true);
    }
    if has(&["java.lang.OutOfMemoryError", "OutOfMemoryError:", "ExitOnOutOfMemory"]) || text.ends_with("OutOfMemoryError") {
        return word(LogPattern::JavaOutOfMemory, false);
    }
    if has(&["runtime: out of memory", "fatal error: out of memory", "runtime: cannot allocate memory"]) {
        let numbers = number_before(&text, "-byte block").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::GoOutOfMemory, repeats: true, numbers });
    }
    if python(&text) {
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
    let plain = matches!(text.trim(), "Out of memory." | "Out of memory")
        || has(&["ERROR:  out of memory", "FATAL:  out of memory", "fatal: out of memory"]);
    if has(&other) || refused || plain {
        let numbers = number_before(&text, " bytes").map(|n| ("requested_bytes", n)).into_iter().collect();
        return Some(Word { pattern: LogPattern::OtherOutOfMemory, repeats: true, numbers });
    }
    if has(&["SIGTERM", "signal 15", "signal: terminated", "signal terminated", "Commencing graceful shutdown"]) {
        return word(LogPattern::Sigterm, true);
    }
    None
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
        ];
        for (line, want) in known {
            assert_eq!(kind(line), Some(want), "{line}");
        }
        for line in [
            "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB",
            "class MyMemoryErrorHandler loaded",
            "GET /docs/out-of-memory 200",
        ] {
            assert_eq!(kind(line), None, "{line}");
        }
        let w = classify(b"runtime: out of memory: cannot allocate 8388608-byte block (4194304 in use)");
        assert_eq!(w.map(|w| w.numbers), Some(vec![("requested_bytes", 8_388_608.0)]));
    }
}
