//! From paths on the command line to artifacts: folders are walked, archives and compressed files opened, all within
//! limits. Links, absolute paths and `..` are refused and named; what is damaged is salvaged as far as it is whole.

use super::blob::Blob;
use super::inflate::{Layer, Trouble};
use super::magic::{self, Kind, Packing};
use super::names::{distinguish, inside, labels, printable};
use super::spool::Spool;
use super::tar::{MemberKind, Skip, Stream, Tar};
use super::zip::{self, Method};
use super::{Bundle, Content, Entry, Limits, layout, utf16};
use crate::error::Error;
use crate::model::Claim;
use crate::model::diagnostic::{Diagnostics, Severity};
use crate::model::incident::InputInfo;
use std::fs::DirEntry;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How many refused members get an entry of their own; the rest is counted with their archive.
const NAMED_MAX: usize = 200;

/// Opens every input: directories are walked, archives unpacked within `limits`, loose files taken as they are; `-` is
/// standard input. `map` are the user's `GLOB=NS/POD/CONTAINER` claims.
pub fn open(inputs: &[PathBuf], limits: &Limits, map: &[(String, Claim)]) -> Result<Bundle, Error> {
    let labels = labels(inputs);
    let mut walk = Walk::new(limits);
    let mut bundle = Bundle::default();
    for (i, (input, label)) in inputs.iter().zip(&labels).enumerate() {
        walk.input = i;
        walk.root(input)?;
        bundle.inputs.push(InputInfo { path: label.clone(), bytes: 0, sha256: String::new() });
    }
    bundle.entries = walk.finish(inputs, &labels, map);
    Ok(bundle)
}

/// As [`open`], for one file that is in memory.
pub fn open_bytes(bytes: Vec<u8>, limits: &Limits) -> Bundle {
    let mut walk = Walk::new(limits);
    let blob = Blob::memory(bytes);
    let len = Some(blob.len());
    walk.file(String::new(), Content::new(blob), len, 0);
    let label = "memory".to_owned();
    let entries = walk.finish(&[], std::slice::from_ref(&label), &[]);
    Bundle { inputs: vec![InputInfo { path: label, ..InputInfo::default() }], entries }
}

/// Lone compressed files tell their length only when read. What the total limit leaves is shared among them by packed
/// size, with a floor, so that the outcome does not depend on which one is read first.
fn share_rest(entries: &mut [Entry], limits: &Limits, known: u64) {
    let left = limits.max_total_bytes.saturating_sub(known);
    let (mut count, mut packed) = (0u64, 0u64);
    for e in entries.iter().filter(|e| e.len.is_none() && !e.refused) {
        count += 1;
        packed = packed.saturating_add(e.content.packed_len());
    }
    let floor = left.checked_div(count).unwrap_or(0).min(Limits::RATIO_EXEMPT_BYTES);
    let shared = left - floor * count;
    for e in entries.iter_mut().filter(|e| e.len.is_none() && !e.refused) {
        let share = u128::from(shared) * u128::from(e.content.packed_len()) / u128::from(packed.max(1));
        e.content.set_cap(floor.saturating_add(u64::try_from(share).unwrap_or(u64::MAX)));
    }
}

struct Walk {
    limits: Limits,
    input: usize,
    entries: Vec<Entry>,
    spool: Spool,
    /// Refused members that got an entry.
    named: usize,
    /// Unpacked bytes of everything whose length is known.
    total: u64,
    /// Artifacts beyond the entry limit.
    dropped: u64,
}

impl Walk {
    fn new(limits: &Limits) -> Self {
        Walk { limits: *limits, input: 0, entries: Vec::new(), spool: Spool::default(), named: 0, total: 0, dropped: 0 }
    }

    /// Names, sorts and tells apart what was found.
    fn finish(self, inputs: &[PathBuf], labels: &[String], map: &[(String, Claim)]) -> Vec<Entry> {
        let mut entries = self.entries;
        for e in &mut entries {
            let label = labels.get(e.input).map_or("", |l| l.as_str());
            // A loose file's member path is empty: it is shown by its name, and its digest is that of its bytes.
            e.path = match (labels.len(), e.member.as_str()) {
                (_, "") => label.to_owned(),
                (1, member) => member.to_owned(),
                (_, member) => format!("{label}/{member}"),
            };
            // A loose file's folders are no part of its name, but they are evidence of whose it is.
            let given = inputs.get(e.input).filter(|_| e.member.is_empty()).map(|p| printable(&p.display().to_string()));
            e.who = layout::claim(given.as_deref().unwrap_or(&e.path), map);
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        distinguish(&mut entries);
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        share_rest(&mut entries, &self.limits, self.total);
        entries
    }

    fn root(&mut self, input: &Path) -> Result<(), Error> {
        let failed = |source| Error::Open { path: input.into(), source };
        if input.as_os_str() == "-" {
            let cap = self.limits.max_total_bytes;
            let blob = self.spool.keep(&mut io::stdin().lock().take(cap)).map_err(failed)?;
            let len = Some(blob.len());
            self.file(String::new(), Content::new(blob), len, 0);
            return Ok(());
        }
        let meta = match std::fs::metadata(input) {
            Ok(m) => m,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NotFound(input.into())),
            Err(e) => return Err(failed(e)),
        };
        if meta.is_dir() {
            std::fs::read_dir(input).map_err(failed)?;
            self.folder(input);
        } else if meta.is_file() {
            std::fs::File::open(input).map_err(failed)?;
            self.file(String::new(), Content::new(Blob::path(input, meta.len())), Some(meta.len()), 0);
        } else {
            // A pipe given by name (process substitution) is read once, like standard input.
            let cap = self.limits.max_total_bytes;
            let mut file = std::fs::File::open(input).map_err(failed)?.take(cap);
            let blob = self.spool.keep(&mut file).map_err(failed)?;
            let len = Some(blob.len());
            self.file(String::new(), Content::new(blob), len, 0);
        }
        if self.dropped > 0 {
            let (max, n) = (self.limits.max_entries, std::mem::take(&mut self.dropped));
            let mut own = Diagnostics::default();
            own.push(Severity::Warning, "archive-entries", None, None, || {
                format!("the limit of {max} artifacts is reached; at least {n} more are not read")
            });
            // This notice itself is beyond the limit.
            self.limits.max_entries += 1;
            self.container(String::new(), own);
            self.limits.max_entries = max;
        }
        Ok(())
    }

    /// Walks a folder without following links. The stack is explicit: folders may be nested as deep as paths allow.
    fn folder(&mut self, root: &Path) {
        let mut stack = vec![(root.to_path_buf(), String::new())];
        while let Some((dir, name)) = stack.pop() {
            let list: Vec<io::Result<DirEntry>> = match std::fs::read_dir(&dir) {
                Ok(l) => l.collect(),
                Err(e) => {
                    self.refuse(name, "unreadable", format!("folder cannot be read: {e}"));
                    continue;
                }
            };
            // Where a limit bites, which files are read must not depend on the order in which the file system lists them.
            let mut items = Vec::with_capacity(list.len());
            for item in list {
                match item {
                    Ok(item) => items.push(item),
                    Err(e) => self.refuse(name.clone(), "unreadable", format!("folder cannot be read on: {e}")),
                }
            }
            items.sort_by_key(DirEntry::file_name);
            let mut below = Vec::new();
            for item in items {
                let own = printable(&item.file_name().to_string_lossy());
                let path = if name.is_empty() { own } else { format!("{name}/{own}") };
                match item.file_type() {
                    Ok(t) if t.is_dir() => below.push((item.path(), path)),
                    Ok(t) if t.is_file() => match item.metadata() {
                        Ok(m) => self.file(path, Content::new(Blob::path(&item.path(), m.len())), Some(m.len()), 0),
                        Err(e) => self.refuse(path, "unreadable", format!("cannot be read: {e}")),
                    },
                    Ok(t) if t.is_symlink() => {
                        let target = std::fs::read_link(item.path()).map(|t| printable(&t.display().to_string())).unwrap_or_default();
                        self.refuse(path, "archive-link", format!("links are not followed: it points to {target}"));
                    }
                    Ok(_) => self.refuse(path, "archive-special", "not a regular file".into()),
                    Err(e) => self.refuse(path, "unreadable", format!("cannot be read: {e}")),
                }
            }
            stack.extend(below.into_iter().rev());
        }
    }

    /// A file of any kind: opens archives and compression layers, else it becomes an artifact.
    fn file(&mut self, path: String, content: Content, len: Option<u64>, depth: usize) {
        let head = match content.head(magic::HEAD) {
            Ok(h) => h,
            Err(e) => return self.refuse(path, "unreadable", format!("cannot be read: {e}")),
        };
        let kind = magic::kind(&head);
        if !matches!(kind, Kind::Plain | Kind::Unsupported(_)) && depth >= self.limits.max_depth {
            let max = self.limits.max_depth;
            return self.refuse(path, "archive-depth", format!("archives are nested deeper than {max}; this one is not opened"));
        }
        match kind {
            Kind::Packed(p) => {
                let cap = self.limits.unpacked_cap(content.packed_len());
                let inner = content.unpacked(Layer::Packed(p), cap);
                self.file(path, inner, None, depth + 1);
            }
            Kind::Zip => match self.random_access(content) {
                Ok((blob, trouble)) => self.zip(path, &blob, trouble, depth + 1),
                Err(e) => self.refuse(path, "unreadable", format!("archive cannot be read: {e}")),
            },
            Kind::Tar => self.tar(path, content, depth + 1),
            Kind::Unsupported(name) => self.refuse(path, "archive-unsupported", format!("{name} is not unpacked here")),
            Kind::Plain if utf16::is_marked(&head) => self.wide(path, content, len),
            Kind::Plain => self.artifact(path, content, len, depth > 0),
        }
    }

    /// Text in UTF-16 becomes an artifact in UTF-8.
    fn wide(&mut self, path: String, content: Content, len: Option<u64>) {
        let mut own = Diagnostics::default();
        if content.packed_len() > utf16::MAX || len.is_some_and(|n| n > utf16::MAX) {
            let max = utf16::MAX;
            own.push(Severity::Warning, "utf-16", None, None, || format!("UTF-16 text of more than {max} bytes is not decoded"));
            return self.list(path, content, len, false, own);
        }
        match utf16::decoded(&content) {
            Ok(text) => {
                own.push(Severity::Note, "utf-16", None, None, || "decoded from UTF-16; offsets are those of the text in UTF-8".into());
                fault(content.trouble(), &mut own);
                let len = text.len() as u64;
                self.total = self.total.saturating_add(len);
                self.list(path, Content::memory(text), Some(len), false, own);
            }
            Err(e) => self.refuse(path, "unreadable", format!("cannot be read: {e}")),
        }
    }

    /// The archive's bytes for reading anywhere in them; unpacked first where it lies under a compression layer.
    fn random_access(&mut self, content: Content) -> io::Result<(Blob, Trouble)> {
        if let Some(b) = content.blob() {
            return Ok((b.pinned()?, content.trouble().clone()));
        }
        let mut reader = content.owned_reader()?;
        let blob = self.spool.keep(&mut reader)?;
        self.total = self.total.saturating_add(blob.len());
        Ok((blob, content.trouble().clone()))
    }

    fn zip(&mut self, path: String, blob: &Blob, trouble: Trouble, depth: usize) {
        let room = self.limits.max_entries.saturating_sub(self.entries.len());
        let mut own = Diagnostics::default();
        fault(&trouble, &mut own);
        let list = match zip::directory(blob, room) {
            Ok(l) => l,
            Err(e) => return self.refuse(path, "unreadable", format!("archive cannot be read: {e}")),
        };
        if list.salvaged {
            let n = list.members.len();
            own.push(Severity::Warning, "archive-truncated", None, Some(blob.len()), || {
                format!("the archive has no usable central directory (cut short?); {n} members were found by their own headers")
            });
        }
        self.dropped += list.dropped;
        // Members that share packed bytes are a way to make a small archive endless.
        let mut order: Vec<(u64, u64, usize)> =
            list.members.iter().enumerate().map(|(i, m)| (m.header, m.data.unwrap_or(m.header).saturating_add(m.packed), i)).collect();
        order.sort_unstable();
        let mut overlaps = vec![false; list.members.len()];
        let mut end = 0;
        for &(from, to, i) in &order {
            if let Some(o) = overlaps.get_mut(i).filter(|_| from < end) {
                *o = true;
            }
            end = end.max(to);
        }
        for (m, overlap) in list.members.into_iter().zip(overlaps) {
            if m.directory {
                continue;
            }
            let Some(name) = self.member_name(&path, &m.path, &mut own) else { continue };
            let Some(data) = m.data else {
                self.refuse_in(name, "archive-member", "no local header stands where the archive's directory says".into(), &mut own);
                continue;
            };
            let problem = if m.link {
                Some(("archive-link", "links in archives are not followed".to_owned()))
            } else if m.encrypted {
                Some(("archive-encrypted", "the member is encrypted".to_owned()))
            } else if overlap {
                Some(("archive-overlap", "shares its bytes with another member".to_owned()))
            } else if let Method::Other(n) = m.method {
                Some(("archive-unsupported", format!("compression method {n} is not unpacked here")))
            } else {
                None
            };
            if let Some((code, why)) = problem {
                self.refuse_in(name, code, why, &mut own);
                continue;
            }
            let packed = blob.slice(data, m.packed);
            let short = packed.len() < m.packed;
            let base = Content::new(packed);
            let cap = self.limits.unpacked_cap(m.packed);
            let content = match (m.method, m.len) {
                (Method::Stored, Some(len)) if len == m.packed && depth <= self.limits.max_depth => {
                    // A stored member needs no layer but its checksum, and an archive in it stays open to random access.
                    let head = base.head(magic::HEAD).unwrap_or_default();
                    if magic::kind(&head) == Kind::Plain {
                        base.unpacked(Layer::Member { deflated: false, stated_len: len, crc: m.crc }, cap)
                    } else {
                        base
                    }
                }
                (Method::Stored, Some(len)) => base.unpacked(Layer::Member { deflated: false, stated_len: len, crc: m.crc }, cap),
                (Method::Deflate, Some(len)) => base.unpacked(Layer::Member { deflated: true, stated_len: len, crc: m.crc }, cap),
                (Method::Zstd | Method::Xz, Some(len)) => {
                    let packing = if m.method == Method::Zstd { Packing::Zstd } else { Packing::Xz };
                    base.unpacked(Layer::Packed(packing), cap).unpacked(Layer::Member { deflated: false, stated_len: len, crc: m.crc }, cap)
                }
                // Salvaged without a stated length: whatever the stream gives.
                _ => base.unpacked(Layer::Member { deflated: true, stated_len: u64::MAX, crc: 0 }, cap),
            };
            if short {
                own.push(Severity::Warning, "archive-truncated", None, Some(blob.len()), || format!("the archive ends inside {}", m.path));
            }
            self.member(name, content, m.len, depth);
        }
        self.container(path, own);
    }

    fn tar(&mut self, path: String, content: Content, depth: usize) {
        let trouble = content.trouble().clone();
        match content.blob().map(Blob::pinned) {
            Some(Ok(blob)) => match blob.reader() {
                Ok(r) => self.tar_members(path, Tar::new(r), Some(&blob), trouble, depth),
                Err(e) => self.refuse(path, "unreadable", format!("archive cannot be read: {e}")),
            },
            Some(Err(e)) => self.refuse(path, "unreadable", format!("archive cannot be read: {e}")),
            None => match content.owned_reader() {
                Ok(r) => self.tar_members(path, Tar::new(Stream(r)), None, trouble, depth),
                Err(e) => self.refuse(path, "unreadable", format!("archive cannot be read: {e}")),
            },
        }
    }

    fn tar_members<R: Skip>(&mut self, path: String, mut tar: Tar<R>, in_place: Option<&Blob>, trouble: Trouble, depth: usize) {
        let mut own = Diagnostics::default();
        let mut last = None;
        loop {
            let m = match tar.next_member() {
                Ok(Some(m)) => m,
                Ok(None) => break,
                Err(e) => {
                    own.push(Severity::Error, "unreadable", None, None, || format!("archive cannot be read on: {e}"));
                    break;
                }
            };
            if m.kind == MemberKind::Directory {
                continue;
            }
            if self.entries.len() >= self.limits.max_entries {
                self.dropped += 1;
                break;
            }
            let Some(name) = self.member_name(&path, &m.path, &mut own) else { continue };
            match m.kind {
                MemberKind::Link => {
                    self.refuse_in(
                        name,
                        "archive-link",
                        format!("links in archives are not followed: it points to {}", printable(&m.link)),
                        &mut own,
                    );
                    continue;
                }
                MemberKind::Special => {
                    self.refuse_in(name, "archive-special", "not a regular file".into(), &mut own);
                    continue;
                }
                _ => {}
            }
            if m.len > self.limits.max_member_bytes {
                let max = self.limits.max_member_bytes;
                self.refuse_in(name, "archive-limit", format!("{} bytes are more than the limit of {max} for one member", m.len), &mut own);
                continue;
            }
            last = Some(m.path.clone());
            if let Some(blob) = in_place {
                self.member(name, Content::new(blob.slice(m.offset, m.len)), Some(m.len), depth);
                continue;
            }
            if self.total.saturating_add(m.len) > self.limits.max_total_bytes {
                self.over_total(&mut own);
                break;
            }
            match self.spool.keep(&mut tar.content(&m)) {
                Ok(blob) => self.member(name, Content::new(blob), Some(m.len), depth),
                Err(e) => {
                    own.push(Severity::Error, "unreadable", None, None, || format!("{} cannot be unpacked: {e}", m.path));
                    break;
                }
            }
        }
        // The checksum of the stream around the archive stands behind the archive's own end.
        tar.pass_end();
        if tar.skipped_blocks > 0 {
            let n = tar.skipped_blocks;
            own.push(Severity::Warning, "archive-damaged", None, None, || {
                format!("{n} blocks are no tar header where one should stand; members between are lost")
            });
        }
        if tar.truncated {
            own.push(Severity::Warning, "archive-truncated", None, None, || match &last {
                Some(l) => format!("the archive ends early, in or after {}; what came before is read", printable(l)),
                None => "the archive ends before its first member is whole".into(),
            });
        }
        fault(&trouble, &mut own);
        self.container(path, own);
    }

    /// A member of an archive: an artifact, or an archive itself.
    fn member(&mut self, name: String, content: Content, len: Option<u64>, depth: usize) {
        if let Some(len) = len
            && (self.total.saturating_add(len) > self.limits.max_total_bytes || len > self.limits.max_member_bytes)
        {
            let max = self.limits.max_total_bytes.min(self.limits.max_member_bytes);
            return self.refuse(name, "archive-limit", format!("{len} bytes would pass the limit of {max} unpacked bytes"));
        }
        self.file(name, content, len, depth);
    }

    /// The path of a member within its input; `None` when it would leave it, which is refused.
    fn member_name(&mut self, archive: &str, written: &str, own: &mut Diagnostics) -> Option<String> {
        let nested = |name: String| if archive.is_empty() { name } else { format!("{archive}!{name}") };
        match inside(written) {
            Some(name) => Some(nested(name)),
            None => {
                let why = "absolute paths and `..` in archives are refused".to_owned();
                self.refuse_in(nested(printable(written)), "archive-path", why, own);
                None
            }
        }
    }

    /// A plain file lies where it is and is only mapped; what came out of something counts against the limit.
    fn artifact(&mut self, member: String, content: Content, len: Option<u64>, unpacked: bool) {
        if unpacked {
            self.total = self.total.saturating_add(len.unwrap_or(0));
        }
        self.list(member, content, len, false, Diagnostics::default());
    }

    fn list(&mut self, member: String, content: Content, len: Option<u64>, refused: bool, diagnostics: Diagnostics) {
        if self.entries.len() >= self.limits.max_entries {
            self.dropped += 1;
            return;
        }
        let (path, who) = (String::new(), Claim::default());
        self.entries.push(Entry { path, input: self.input, member, len, content, who, refused, diagnostics });
    }

    /// Lists something that is not read, with the reason.
    fn refuse(&mut self, member: String, code: &'static str, why: String) {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Severity::Warning, code, None, None, || why);
        self.list(member, Content::memory(Vec::new()), Some(0), true, diagnostics);
    }

    /// As [`Walk::refuse`]; once many are named, only counted with their archive.
    fn refuse_in(&mut self, member: String, code: &'static str, why: String, own: &mut Diagnostics) {
        if self.named < NAMED_MAX {
            self.named += 1;
            self.refuse(member, code, why);
        } else {
            own.push(Severity::Warning, code, None, None, || format!("{member}: {why}; more of the kind are only counted"));
        }
    }

    fn over_total(&self, own: &mut Diagnostics) {
        let max = self.limits.max_total_bytes;
        own.push(Severity::Warning, "archive-total", None, None, || {
            format!("the run's limit of {max} unpacked bytes is reached; what follows in this archive is not read")
        });
    }

    /// The archive itself appears in the inventory only when there is something to say about it.
    fn container(&mut self, member: String, own: Diagnostics) {
        if !own.is_empty() {
            self.list(member, Content::memory(Vec::new()), Some(0), true, own);
        }
    }
}

/// Moves a reader's trouble into diagnostics.
fn fault(trouble: &Trouble, own: &mut Diagnostics) {
    if let Some(f) = trouble.take() {
        own.push(Severity::Warning, f.code, None, Some(f.offset), || f.message);
    }
}
