//! `/proc`'s own words about memory: `meminfo`, `PID/status`, `PID/smaps` and `PID/smaps_rollup` (proc_meminfo(5),
//! proc_pid_status(5), proc_pid_smaps(5)). Sizes in kB become bytes; `smaps` is summed over its mappings.
//! Refuses to sum what is no size (flags, page sizes).

use super::lines::{Line, lines};
use super::{Format, Head, Input, Match};
use crate::model::node::{MemInfo, ProcessReading};
use crate::model::{Facts, Observation, RawTime};

pub struct ProcFiles;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Meminfo,
    Status,
    Smaps,
}

fn kind(bytes: &[u8]) -> Option<Kind> {
    let mut rows = lines(bytes).filter(|l| !l.text.trim_ascii().is_empty());
    let first = rows.next()?.text;
    if first.starts_with(b"MemTotal:") && first.ends_with(b"kB") {
        return Some(Kind::Meminfo);
    }
    if first.starts_with(b"Name:\t") {
        return rows.take(8).any(|l| l.text.starts_with(b"Pid:") || l.text.starts_with(b"Tgid:")).then_some(Kind::Status);
    }
    if mapping(first) {
        return rows.next().filter(|l| l.text.starts_with(b"Size:") || l.text.starts_with(b"Rss:")).map(|_| Kind::Smaps);
    }
    None
}

/// `7ffd1000-7ffd2000 rw-p 00000000 00:00 0   [stack]`
fn mapping(line: &[u8]) -> bool {
    let mut words = line.split(|&b| b == b' ');
    let range = words.next().unwrap_or(&[]);
    let perms = words.next().unwrap_or(&[]);
    let hex = |r: &[u8]| !r.is_empty() && r.iter().all(u8::is_ascii_hexdigit);
    let mut ends = range.split(|&b| b == b'-');
    perms.len() == 4 && ends.next().is_some_and(hex) && ends.next().is_some_and(hex) && ends.next().is_none()
}

/// `Key:   123 kB`: key, number, whether it is a size.
fn field(line: &[u8]) -> Option<(&str, u64, bool)> {
    let text = std::str::from_utf8(line).ok()?;
    let (key, rest) = text.split_once(':')?;
    let rest = rest.trim();
    let (number, size) = match rest.strip_suffix(" kB") {
        Some(n) => (n.trim().parse::<u64>().ok()?.checked_mul(1024)?, true),
        None => (rest.parse().ok()?, false),
    };
    (!key.is_empty() && !key.contains(' ')).then_some((key, number, size))
}

impl Format for ProcFiles {
    fn name(&self) -> &'static str {
        "proc-files"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        kind(head.bytes).map_or(Match::No, |_| Match::Certain)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let mut who = input.who.clone();
        let kind = kind(&bytes);
        let mut info = MemInfo::default();
        let mut process = ProcessReading { pid: pid_of(input.inner_path()), ..ProcessReading::default() };
        let mut first: Option<Line<'_>> = None;
        for line in lines(&bytes) {
            if !line.ended {
                out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and is not used".into());
                break;
            }
            first = first.or(Some(line));
            match kind {
                Some(Kind::Meminfo) => {
                    // Lines without unit count huge pages; the rest are sizes.
                    if let Some((key, v, true)) = field(line.text) {
                        info.values.insert(key.to_owned(), v);
                    }
                }
                Some(Kind::Status) => {
                    let text = String::from_utf8_lossy(line.text);
                    if let Some(name) = text.strip_prefix("Name:\t") {
                        process.comm = Some(name.to_owned());
                    } else if let Some((key, v, size)) = field(line.text) {
                        match key {
                            "Pid" => process.pid = u32::try_from(v).ok(),
                            "Threads" => process.threads = Some(v),
                            _ => {}
                        }
                        if size || matches!(key, "Threads" | "Pid" | "PPid" | "Tgid" | "FDSize") {
                            process.values.insert(key.to_owned(), v);
                        }
                    }
                }
                Some(Kind::Smaps) => {
                    if let Some((key, v, true)) = field(line.text)
                        && !matches!(key, "KernelPageSize" | "MMUPageSize")
                    {
                        let slot = process.values.entry(key.to_owned()).or_insert(0);
                        *slot = slot.saturating_add(v);
                    }
                }
                None => {}
            }
        }
        let Some(first) = first else { return };
        let cite = out.cite(first.offset, Some(first.number), first.text);
        if kind == Some(Kind::Meminfo) {
            out.meminfo.push(Observation { at: RawTime::Absent, who, cite, what: info });
            return;
        }
        let get = |k: &str| process.values.get(k).copied();
        let filled = ProcessReading {
            rss_bytes: get("VmRSS").or_else(|| get("Rss")),
            vsz_bytes: get("VmSize").or_else(|| get("Size")),
            pss_bytes: get("Pss"),
            anon_bytes: get("RssAnon").or_else(|| get("Anonymous")),
            file_bytes: get("RssFile"),
            shmem_bytes: get("RssShmem"),
            swap_bytes: get("VmSwap").or_else(|| get("Swap")),
            ..process.clone()
        };
        who.pid = filled.pid;
        who.comm = filled.comm.as_deref().map(Into::into);
        out.processes.push(Observation { at: RawTime::Absent, who, cite, what: filled });
    }
}

/// The pid in `…/proc/123/status`.
fn pid_of(path: &str) -> Option<u32> {
    let mut parts = path.rsplit('/').skip(1);
    let pid = parts.next()?.parse().ok()?;
    (parts.next() == Some("proc")).then_some(pid)
}
