//! Files of the memory controller, v1 and v2: `memory.current`, `memory.max`, `memory.stat`, `memory.events`,
//! `memory.pressure`, `memory.usage_in_bytes`, `memory.oom_control` and their kin; one file, or several printed one
//! after the other (`head memory.*`, `grep . memory.*`).
//!
//! Spec: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, accounting/psi.rst. The kernel's file name is
//! evidence of its own: a lone number says nothing without it, so without the name it is refused.

use super::lines::{Line, lines};
use super::{Format, Head, Input, Match};
use crate::model::cgroup::CgroupReading;
use crate::model::cgroup_path;
use crate::model::oom::CgroupIdentity;
use crate::model::{Facts, Observation, RawTime};

pub struct CgroupFiles;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One number, or `max`.
    Single,
    /// `key value` lines.
    Keyed,
    Pressure,
}

/// Files of both versions: name behind `memory.`, version, shape.
const FILES: &[(&str, u8, Shape)] = &[
    ("current", 2, Shape::Single),
    ("max", 2, Shape::Single),
    ("high", 2, Shape::Single),
    ("low", 2, Shape::Single),
    ("min", 2, Shape::Single),
    ("peak", 2, Shape::Single),
    ("oom.group", 2, Shape::Single),
    ("swap.current", 2, Shape::Single),
    ("swap.max", 2, Shape::Single),
    ("swap.high", 2, Shape::Single),
    ("swap.peak", 2, Shape::Single),
    ("zswap.current", 2, Shape::Single),
    ("zswap.max", 2, Shape::Single),
    ("events", 2, Shape::Keyed),
    ("events.local", 2, Shape::Keyed),
    ("swap.events", 2, Shape::Keyed),
    ("pressure", 2, Shape::Pressure),
    ("usage_in_bytes", 1, Shape::Single),
    ("limit_in_bytes", 1, Shape::Single),
    ("soft_limit_in_bytes", 1, Shape::Single),
    ("max_usage_in_bytes", 1, Shape::Single),
    ("failcnt", 1, Shape::Single),
    ("memsw.usage_in_bytes", 1, Shape::Single),
    ("memsw.limit_in_bytes", 1, Shape::Single),
    ("memsw.max_usage_in_bytes", 1, Shape::Single),
    ("memsw.failcnt", 1, Shape::Single),
    ("kmem.usage_in_bytes", 1, Shape::Single),
    ("kmem.limit_in_bytes", 1, Shape::Single),
    ("kmem.max_usage_in_bytes", 1, Shape::Single),
    ("kmem.failcnt", 1, Shape::Single),
    ("oom_control", 1, Shape::Keyed),
    // Both versions have it; its keys tell which.
    ("stat", 0, Shape::Keyed),
];

/// The known file that a path names, with what stands behind `memory.`.
fn known(path: &str) -> Option<(&'static str, u8, Shape)> {
    let file = path.rsplit('/').next()?;
    let at = file.find("memory.")?;
    let rest = file.get(at + 7..)?;
    let rest = rest.strip_suffix(".txt").or_else(|| rest.strip_suffix(".out")).unwrap_or(rest);
    FILES.iter().find(|(n, ..)| *n == rest).copied()
}

/// `key value`, the value a number.
fn keyed(line: &[u8]) -> Option<(&str, u64)> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let (key, value) = text.split_once([' ', '\t'])?;
    let word = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // v1's `18446744073709551615`-like limits fit, negative corrections of broken counters do not exist.
    word.then_some(key).zip(value.trim().parse().ok())
}

/// A number, or `max` (no value).
fn single(line: &[u8]) -> Option<Option<u64>> {
    let text = line.trim_ascii();
    if text == b"max" {
        return Some(None);
    }
    std::str::from_utf8(text).ok()?.parse().ok().map(Some)
}

fn pressure(line: &[u8]) -> Option<Vec<(String, f64)>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let (kind, rest) = text.split_once(' ').filter(|(k, _)| matches!(*k, "some" | "full"))?;
    let pairs: Option<Vec<_>> = rest
        .split(' ')
        .map(|p| p.split_once('=').and_then(|(k, v)| Some((format!("{kind}.{k}"), v.parse::<f64>().ok().filter(|v| v.is_finite())?))))
        .collect();
    pairs.filter(|p| p.iter().any(|(k, _)| k.ends_with(".total")))
}

/// The file that content without a telling name is.
fn by_content(bytes: &[u8]) -> Option<(&'static str, u8, Shape)> {
    let first: Vec<(&str, u64)> = lines(bytes).take(8).map_while(|l| keyed(l.text)).collect();
    let has = |k: &str| first.iter().any(|(key, _)| *key == k);
    let name = match first.first()?.0 {
        "anon" if has("file") => "stat",
        "cache" if has("rss") => "stat",
        "low" if has("high") && has("max") => "events",
        "oom_kill_disable" if has("under_oom") => "oom_control",
        _ => return None,
    };
    FILES.iter().find(|(n, ..)| *n == name).copied()
}

/// The file of which these are the first lines, where the first key is one that only begins a file.
fn begins(bytes: &[u8]) -> Option<(&'static str, u8, Shape)> {
    [&b"anon "[..], b"cache ", b"low ", b"oom_kill_disable "].iter().any(|k| bytes.starts_with(k)).then(|| by_content(bytes)).flatten()
}

/// A section mark: `==> path <==`.
fn section(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.trim().strip_prefix("==> ")?.strip_suffix(" <==")
}

/// `path/memory.stat:anon 0` of grep and of loops that print names.
fn named(line: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(line).ok()?;
    let (path, rest) = text.split_once(':')?;
    (path.len() < 512 && known(path).is_some()).then_some((path, rest))
}

impl Format for CgroupFiles {
    fn name(&self) -> &'static str {
        "cgroup-files"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        if head.bytes.len() >= Head::LEN {
            return Match::No;
        }
        let mut rows = head.lines().filter(|l| !l.trim_ascii().is_empty());
        let Some(first) = rows.next() else { return Match::No };
        if let Some((_, _, shape)) = known(head.path) {
            let fits = match shape {
                Shape::Single => single(first).is_some() && rows.next().is_none(),
                Shape::Keyed => keyed(first).is_some(),
                Shape::Pressure => pressure(first).is_some(),
            };
            if fits {
                return Match::Certain;
            }
        }
        if section(first).is_some_and(|p| known(p).is_some()) || named(first).is_some() && rows.next().is_none_or(|l| named(l).is_some()) {
            return Match::Certain;
        }
        if pressure(first).is_some() && head.path.contains("memory") || by_content(head.bytes).is_some() {
            return Match::Likely;
        }
        Match::No
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let path = input.inner_path();
        let own = known(path)
            .or_else(|| by_content(&bytes))
            .or_else(|| lines(&bytes).next().and_then(|l| pressure(l.text)).and(known("memory.pressure")));
        let mut current: Option<Reading> = None;
        for line in lines(&bytes) {
            if line.text.trim_ascii().is_empty() {
                continue;
            }
            if let Some(p) = section(line.text) {
                finish(&mut current, input, out);
                current = known(p).map(|k| Reading::new(p, k, &line));
                continue;
            }
            if let Some((p, rest)) = named(line.text) {
                if current.as_ref().is_none_or(|r| r.path != p) {
                    finish(&mut current, input, out);
                    current = known(p).map(|k| Reading::new(p, k, &line));
                }
                if let Some(r) = &mut current {
                    r.take(rest.as_bytes(), &line, out);
                }
                continue;
            }
            if current.is_none()
                && let Some(k) = own
            {
                current = Some(Reading::new(path, k, &line));
            }
            // One file printed behind another without a mark: what its first keys tell, where nothing else names them.
            if known(path).is_none()
                && let Some(next) = begins(bytes.get(usize::try_from(line.offset).unwrap_or(usize::MAX)..).unwrap_or(&[]))
                && current.as_ref().is_some_and(|r| r.path == path && !r.what.file.ends_with(next.0))
            {
                finish(&mut current, input, out);
                current = Some(Reading::new(path, next, &line));
            }
            match &mut current {
                Some(r) => r.take(line.text, &line, out),
                None => out.warn("bad-line", Some(line.number), Some(line.offset), || "a line of no known cgroup file".into()),
            }
        }
        finish(&mut current, input, out);
    }
}

/// A file being read.
struct Reading {
    path: String,
    shape: Shape,
    what: CgroupReading,
    offset: u64,
    line: u32,
    first: Vec<u8>,
    any: bool,
}

impl Reading {
    fn new(path: &str, (name, version, shape): (&'static str, u8, Shape), line: &Line<'_>) -> Reading {
        let folder = path.rsplit_once('/').map_or("", |p| p.0);
        // The path below the mount point is the cgroup's; a prefix of collector folders does no harm to its marks.
        let cgroup = folder.find("/sys/fs/cgroup").and_then(|i| folder.get(i + 14..)).unwrap_or(folder);
        let cgroup = cgroup.strip_prefix("/memory/").map_or(cgroup.to_owned(), |p| format!("/{p}"));
        let marks = cgroup_path::parse(&cgroup);
        let what = CgroupReading {
            version: (version > 0).then_some(version),
            file: format!("memory.{name}"),
            path: (marks.level.is_some() || folder.contains("/sys/fs/cgroup")).then(|| cgroup.clone()),
            ..CgroupReading::default()
        };
        Reading { path: path.to_owned(), shape, what, offset: line.offset, line: line.number, first: Vec::new(), any: false }
    }

    fn take(&mut self, text: &[u8], line: &Line<'_>, out: &mut Facts) {
        // A number without its line end may be half a number; the kernel always writes one, other tools do not.
        let fits = match self.shape {
            Shape::Single => single(text).filter(|_| !self.any).map(|v| self.what.value = v).is_some(),
            Shape::Keyed if !line.ended => false,
            Shape::Keyed => keyed(text).map(|(k, v)| self.what.values.insert(k.to_owned(), v)).is_some(),
            Shape::Pressure if !line.ended => false,
            Shape::Pressure => pressure(text).map(|p| self.what.pressure.extend(p)).is_some(),
        };
        if fits {
            self.any = true;
            if self.first.is_empty() {
                self.first = line.text.to_vec();
                self.offset = line.offset;
                self.line = line.number;
            }
        } else if line.ended {
            out.warn("bad-line", Some(line.number), Some(line.offset), || format!("not a line of {}; skipped", self.what.file));
        } else {
            out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and is not used".into());
        }
    }
}

fn finish(current: &mut Option<Reading>, input: &Input<'_>, out: &mut Facts) {
    let Some(mut r) = current.take().filter(|r| r.any) else { return };
    if r.what.file == "memory.stat" {
        r.what.version = Some(if r.what.values.contains_key("anon") { 2 } else { 1 });
    }
    let mut who = input.who.clone();
    if r.what.path.is_none() {
        r.what.path = who.cgroup.as_deref().map(str::to_owned);
    }
    if let Some(p) = &r.what.path {
        let marks = cgroup_path::parse(p);
        marks.fill(&mut who);
        // The kernel's own folder names are no guess, unless names came with them.
        who.inferred &= who.pod.is_some() || marks.level.is_none();
        r.what.identity = CgroupIdentity { pod_uid: who.pod_uid.clone(), container_id: who.container_id.clone() };
        who.cgroup = Some(p.as_str().into());
    }
    let cite = out.cite(r.offset, Some(r.line), &r.first);
    out.cgroups.push(Observation { at: RawTime::Absent, who, cite, what: r.what });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_and_contents_must_fit() {
        let m = |path: &str, bytes: &[u8]| CgroupFiles.sniff(&Head { path, bytes, complete: true });
        assert_eq!(m("a/memory.current", b"12288\n"), Match::Certain);
        assert_eq!(m("a/memory.max", b"max\n"), Match::Certain);
        assert_eq!(m("a/notes.txt", b"12288\n"), Match::No);
        assert_eq!(m("a/memory.current", b"hello\n"), Match::No);
        assert_eq!(m("x.txt", b"anon 12\nfile 0\nkernel 4\n"), Match::Likely);
        assert_eq!(m("x.txt", b"==> /sys/fs/cgroup/memory.max <==\nmax\n"), Match::Certain);
    }
}
