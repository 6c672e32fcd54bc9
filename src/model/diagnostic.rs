//! Trouble with an artifact, as data: what, where, how often. Counted per kind so that a broken file cannot flood a report.

use serde::Serialize;

/// How much was lost: an error loses the artifact or a large part, a warning some facts, a note nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// One kind of trouble in one artifact. `line` and `byte_offset` point at the first occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable kebab-case id, e.g. `truncated`, `bad-line`, `archive-ratio`.
    pub code: &'static str,
    /// Lower case, no full stop: what was expected and found, and what was salvaged.
    pub message: String,
    /// Line of the first occurrence, from 1.
    pub line: Option<u32>,
    /// Byte offset of the first occurrence in the decompressed content.
    pub byte_offset: Option<u64>,
    /// Occurrences of this code in the artifact.
    pub count: u64,
}

/// Diagnostics of one artifact, one entry per code and severity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Records one occurrence; only the first of a code keeps its message and place.
    pub fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        line: Option<u32>,
        byte_offset: Option<u64>,
        message: impl FnOnce() -> String,
    ) {
        match self.0.iter_mut().find(|d| d.code == code && d.severity == severity) {
            Some(d) => d.count += 1,
            None => self.0.push(Diagnostic { severity, code, message: message(), line, byte_offset, count: 1 }),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts lines from `lines` on: what was read stood behind that many.
    pub fn behind(&mut self, lines: u32) {
        for d in &mut self.0 {
            d.line = d.line.map(|l| l.saturating_add(lines));
        }
    }

    pub fn extend(&mut self, other: Diagnostics) {
        for d in other.0 {
            match self.0.iter_mut().find(|m| m.code == d.code && m.severity == d.severity) {
                Some(m) => m.count += d.count,
                None => self.0.push(d),
            }
        }
    }
}
