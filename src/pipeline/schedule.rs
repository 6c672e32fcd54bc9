//! Parsing in two lanes: small artifacts side by side, biggest first; formats with inner parallelism one at a time.
//! A panic in a parser costs that artifact's facts and nothing else.

use crate::bundle::{Content, Entry};
use crate::formats::{self, Head, Input, Lane, Open};
use crate::model::diagnostic::Severity;
use crate::model::incident::ArtifactInfo;
use crate::model::{ArtifactId, Claim, Facts};
use std::borrow::Cow;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Open for Content {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Content::reader(self)
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Content::bytes(self)
    }
}

/// An entry's content with a view of the whole run around it.
struct Among<'a> {
    content: &'a Content,
    /// Sorted by path.
    entries: &'a [Entry],
}

impl Open for Among<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.content.reader()
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        self.content.bytes()
    }

    fn beside(&self, path: &str) -> Option<&dyn Open> {
        let i = self.entries.binary_search_by(|e| e.path.as_str().cmp(path)).ok()?;
        self.entries.get(i).map(|e| &e.content as &dyn Open)
    }

    fn paths(&self, prefix: &str) -> Vec<&str> {
        let from = self.entries.partition_point(|e| e.path.as_str() < prefix);
        let rest = self.entries.get(from..).unwrap_or(&[]);
        rest.iter().map(|e| e.path.as_str()).take_while(|p| p.starts_with(prefix)).collect()
    }
}

/// Sniffs and parses every entry; results come back in artifact order whatever the thread count.
pub fn parse(entries: Vec<Entry>) -> (Vec<Facts>, Vec<ArtifactInfo>) {
    let mut facts = Vec::new();
    let mut infos = Vec::new();
    for (i, e) in entries.iter().enumerate() {
        let id = ArtifactId(i as u32);
        let (f, info) = one(id, e, &entries, Claim::default());
        facts.push(f);
        infos.push(info);
    }
    (facts, infos)
}

/// Parses one entry behind the panic fence.
fn one(id: ArtifactId, entry: &Entry, entries: &[Entry], who: Claim) -> (Facts, ArtifactInfo) {
    let mut head = Vec::with_capacity(Head::LEN);
    let mut facts = Facts::new(id);
    if let Err(e) = entry.content.reader().and_then(|r| r.take(Head::LEN as u64).read_to_end(&mut head)) {
        facts.error("unreadable", None, || format!("cannot be read: {e}"));
    }
    let complete = head.len() < Head::LEN;
    let format = formats::detect(&Head { path: &entry.path, bytes: &head, complete });
    if let Some((format, _)) = format {
        let source = Among { content: &entry.content, entries };
        let input = Input { artifact: id, path: &entry.path, len: entry.len, modified: entry.modified, who, source: &source };
        let mut out = Facts::new(id);
        match catch_unwind(AssertUnwindSafe(|| format.parse(&input, &mut out))) {
            Ok(()) => facts.merge_all(out),
            Err(_) => {
                facts.error("parser-panic", None, || format!("the {} parser failed on this input; its facts are dropped", format.name()))
            }
        }
    }
    let _ = Lane::Serial;
    let mut diagnostics = entry.diagnostics.clone();
    diagnostics.extend(std::mem::take(&mut facts.diagnostics));
    if diagnostics.is_empty() && format.is_none() {
        diagnostics.push(Severity::Note, "unknown-format", None, None, || "no format recognises this content".into());
    }
    let info = ArtifactInfo {
        id,
        path: entry.path.clone(),
        format: format.map_or("unknown", |(f, _)| f.name()),
        bytes: entry.len.unwrap_or(0),
        facts: facts.count(),
        time_range: None,
        diagnostics,
    };
    (facts, info)
}
