//! What artifacts are called: labels of inputs, members' paths within them, and numbers for those of one name.
//!
//! Names come from strangers: they hold no control characters, leave no archive, and a hundred thousand members of one name
//! cost no more than as many different ones.

use super::Entry;
use crate::model::diagnostic::Severity;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Tells names apart by numbers, in the order in which they come.
#[derive(Debug, Default)]
pub struct Apart {
    taken: BTreeSet<String>,
    /// The number that the next one of a name gets.
    next: BTreeMap<String, usize>,
}

impl Apart {
    /// Puts `mark` and a number behind a name that is taken already, and says which number.
    pub fn tell(&mut self, name: &mut String, mark: char) -> Option<usize> {
        if self.taken.insert(name.clone()) {
            return None;
        }
        let n = self.next.entry(name.clone()).or_insert(2);
        loop {
            let numbered = format!("{name}{mark}{n}");
            let this = *n;
            *n += 1;
            if self.taken.insert(numbered.clone()) {
                *name = numbered;
                return Some(this);
            }
        }
    }
}

/// A member's path within its archive; `None` when it would leave it.
pub fn inside(written: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let mut leaves = written.starts_with('/') || written.as_bytes().get(1) == Some(&b':');
    for p in written.split('/') {
        match p {
            "" | "." => {}
            ".." => leaves = true,
            p => parts.push(p),
        }
    }
    (!leaves && !parts.is_empty()).then(|| printable(&parts.join("/")))
}

/// What each input is called: its file name without an archive's ending, told apart where two are alike.
pub fn labels(inputs: &[PathBuf]) -> Vec<String> {
    const ENDINGS: [&str; 11] = [".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tgz", ".tzst", ".txz", ".tbz2", ".tar", ".zip", ".ZIP"];
    let short = |p: &Path| -> String {
        if p.as_os_str() == "-" {
            return "stdin".into();
        }
        let name = p.file_name().map_or_else(|| canonical_name(p), |n| n.to_string_lossy().into_owned());
        ENDINGS.iter().find_map(|e| name.strip_suffix(e)).filter(|n| !n.is_empty()).map_or(name.clone(), str::to_owned)
    };
    let mut out: Vec<String> = inputs.iter().map(|p| printable(&short(p))).collect();
    let twice = |out: &[String], i: usize| out.iter().enumerate().any(|(j, l)| j != i && out.get(i) == Some(l));
    let clash: Vec<bool> = (0..out.len()).map(|i| twice(&out, i)).collect();
    for ((label, input), _) in out.iter_mut().zip(inputs).zip(&clash).filter(|(_, c)| **c) {
        *label = printable(&input.display().to_string());
    }
    let mut apart = Apart::default();
    for label in &mut out {
        apart.tell(label, '#');
    }
    out
}

/// The name of `.` and the like.
fn canonical_name(p: &Path) -> String {
    p.canonicalize().ok().and_then(|c| c.file_name().map(|n| n.to_string_lossy().into_owned())).unwrap_or_else(|| "bundle".into())
}

/// Paths are text for reports: control characters would move a terminal's cursor.
pub fn printable(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Two members of one name stay two artifacts.
pub fn distinguish(entries: &mut [Entry]) {
    let mut apart = Apart::default();
    for e in entries {
        if let Some(n) = apart.tell(&mut e.path, '#') {
            e.member = format!("{}#{n}", e.member);
            e.diagnostics.push(Severity::Note, "archive-duplicate", None, None, || "the archive holds this name more than once".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_members_of_one_name_are_numbered_in_one_go() {
        let mut apart = Apart::default();
        let mut all = BTreeSet::new();
        for _ in 0..100_000 {
            let mut name = "a".to_owned();
            apart.tell(&mut name, '#');
            assert!(all.insert(name));
        }
        assert!(all.contains("a#100000"));
        // A name that looks like a numbered one keeps its place.
        let mut apart = Apart::default();
        let told: Vec<String> = ["b#2", "b", "b"]
            .map(|n| {
                let mut n = n.to_owned();
                apart.tell(&mut n, '#');
                n
            })
            .into();
        assert_eq!(told, ["b#2", "b", "b#3"]);
    }
}
