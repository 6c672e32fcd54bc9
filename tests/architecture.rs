//! The house rules that the compiler does not hold: which room may use which, and what never stands in a source file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut list: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    list.sort();
    for p in list {
        if p.is_dir() {
            sources(&p, out);
        } else if p.extension().is_some_and(|e| e == "rs") {
            out.push(p);
        }
    }
}

/// Every source file with its path below `src/`.
fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|p| (p.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/"), std::fs::read_to_string(&p).unwrap()))
        .collect()
}

/// Code without comments and without the file's own unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or("");
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Names that follow `prefix` in `code`, groups (`prefix{a, b::c}`) included.
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut out = BTreeSet::new();
    for (i, _) in code.match_indices(prefix) {
        let rest = &code[i + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        out.insert(word(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            out.insert(word(item.trim()));
        } else {
            out.insert(word(rest));
        }
    }
    out.remove("");
    out
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("model", &["model"][..]),
        ("heap", &["heap", "model"]),
        ("series", &["series", "model"]),
        ("bundle", &["bundle", "model", "error", "Error"]),
        ("formats", &["formats", "model"]),
        ("correlate", &["correlate", "model", "heap", "series"]),
        ("diagnosis", &["diagnosis", "model", "heap", "series"]),
        ("report", &["report", "model"]),
        // The binary's own room sees the library from outside.
        ("cli", &["cli", "pipeline", "report", "model", "bundle", "correlate", "series", "Error"]),
    ]);
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let Some(allowed) = path.split('/').next().and_then(|room| may.get(room)) else { continue };
        let code = code(&text);
        for used in named_after(&code, "crate::").into_iter().chain(named_after(&code, "postmem::")) {
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("{path} uses crate::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_format_uses_another_and_no_rule_another() {
    // A format is a module that the FORMATS list names; everything else in the room is shared ground.
    let files = all();
    let of = |path: &str| files.iter().find(|(p, _)| p == path).map(|(_, t)| t.clone()).unwrap_or_default();
    for (room, list_file, list_name) in [("formats", "formats/mod.rs", "FORMATS"), ("diagnosis/rules", "diagnosis/rules/mod.rs", "RULES")] {
        let list = of(list_file);
        let list = list.split(&format!("pub static {list_name}")).nth(1).unwrap_or("").split("];").next().unwrap_or("").to_owned();
        let members: BTreeSet<String> = list
            .split(['&', ',', '\n'])
            .filter_map(|w| w.trim().split_once("::"))
            .map(|(m, _)| m.to_owned())
            .filter(|m| m.chars().all(|c| c.is_alphanumeric() || c == '_'))
            .collect();
        assert!(members.len() > 3, "{list_name} was not found in {list_file}");
        let mut wrong = Vec::new();
        for (path, text) in &files {
            let Some(own) = path.strip_prefix(&format!("{room}/")).map(|p| p.split(['/', '.']).next().unwrap_or("")) else { continue };
            if own == "mod" {
                continue;
            }
            let code = code(text);
            let full = format!("crate::{}::", room.replace('/', "::"));
            let mut used = named_after(&code, &full);
            // `super::x` means another member only from a member's own file; deeper files would need `super::super`.
            let direct = path.matches('/').count() == room.matches('/').count() + 1 || path.ends_with("/mod.rs");
            used.extend(named_after(&code, if direct { "super::" } else { "super::super::" }));
            wrong.extend(used.iter().filter(|u| u.as_str() != own && members.contains(*u)).map(|u| format!("{path} uses {u}")));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Files that are longer than a reader likes; the list only shrinks.
const LONG: [&str; 1] = ["formats/kernel_log/report.rs"];

#[test]
fn files_open_with_what_they_are_and_stay_readable() {
    let mut wrong: Vec<String> = all()
        .into_iter()
        .filter(|(p, t)| LONG.contains(&p.as_str()) && t.lines().count() <= 520)
        .map(|(p, _)| format!("{p} is long no more: off the list"))
        .collect();
    for (path, text) in all() {
        let generated = path.ends_with("proto.rs");
        if !text.starts_with("//!") && !generated {
            wrong.push(format!("{path} does not open with //!"));
        }
        if text.lines().count() > 520 && !generated && !LONG.contains(&path.as_str()) {
            wrong.push(format!("{path} has {} lines; split it by idea", text.lines().count()));
        }
        if code(&text).contains("unsafe {") && path != "bundle/content.rs" {
            wrong.push(format!("{path} holds unsafe code"));
        }
        let room = path.split('/').next().unwrap_or("");
        if !matches!(room, "bundle" | "cli" | "main.rs")
            && ["std::fs::", "File::open", "std::env::"].iter().any(|w| code(&text).contains(w))
        {
            wrong.push(format!("{path} reads files or the environment"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
