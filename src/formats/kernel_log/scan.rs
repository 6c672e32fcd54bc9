//! Lines of a log in bounded memory, with the uninteresting ones skipped at the speed of a search.
//!
//! A journal of hundreds of megabytes holds a few reports. While no report is open only lines with one of
//! [`needles`] are looked at (one SIMD search per block instead of one parse per line, measured several times faster);
//! inside a report every line is handed on. Continuation lines of a multi-line message keep their head.

use crate::formats::lines::{LINE_MAX, Line};
use memchr::{memchr, memchr_iter, memrchr};
use regex::bytes::Regex;
use std::io::{self, Read};
use std::sync::OnceLock;

/// Words of which at least one stands in every line that matters outside of an open report.
const WORDS: &[&str] = &[
    "invoked oom-killer",
    "oom-kill",
    "oom.group",
    "Killed process",
    "Kill process",
    "no killable",
    "memory: usage ",
    "Memory cgroup stats",
    "Tasks state (mem",
    "killed as a result of limit",
    "callbacks suppressed",
    "printk messages dropped",
    "kernel messages",
    "imuxsock lost",
    "Suppressed ",
    "-- Boot ",
    "-- Reboot",
    "Linux version ",
    "Journal started",
    "setting system clock",
    "page allocation failure",
    "blocked for more than",
    "OOM",
    "tasks/oom",
    "ContainerDied",
    "SyncLoop ADD",
    "SyncLoop (ADD",
    "PLEG is not",
    "evict",
    "Evict",
    "Probe failed",
    "liveness probe",
    "memory pressure",
    "ending SIG",
    "kubelet.service: ",
    "containerd.service: ",
    "Started kubelet",
    "Starting kubelet",
    // journald writes a message with control characters as an array of numbers, in which no word is found.
    "MESSAGE\":[",
    "MESSAGE\" : [",
    "MESSAGE\": [",
];

/// The search for [`WORDS`]; `None` never happens with these literals, and then nothing is skipped.
pub fn needles() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    RE.get_or_init(|| Regex::new(&WORDS.iter().map(|w| regex::escape(w)).collect::<Vec<_>>().join("|")).ok()).as_ref()
}

/// What the consumer wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Every line.
    All,
    /// Only lines with a needle.
    Hits,
}

const BLOCK: usize = 256 << 10;
/// Lines before a hit that are looked at for the head of a multi-line message.
const LOOK_BACK: usize = 8;
/// Bytes kept of what was skipped, for looking back over a block's edge.
const KEEP: usize = 4 << 10;

/// Hands on lines in order; `f` says after each what it wants next. `glance` sees every block that is searched, for
/// what needs no line (clock anchors).
pub fn lines(mut reader: impl Read, mut f: impl FnMut(Line<'_>) -> Want, mut glance: impl FnMut(&[u8]) -> Option<usize>) -> io::Result<()> {
    let mut buf = vec![0u8; BLOCK];
    let mut b = Block { start: 0, from: 0, end: 0, base: 0, number: 0 };
    let mut want = Want::All;
    let mut failed = None;
    loop {
        let full = memrchr(b'\n', buf.get(b.from..b.end).unwrap_or(&[])).map(|i| b.from + i + 1);
        if let Some(limit) = full {
            want = b.run(&buf, limit, want, &mut f, &mut glance);
        }
        // Keep a little of what was skipped, so that a hit at the next block's start finds its head.
        let mut keep = if want == Want::Hits { b.from.saturating_sub(KEEP).max(b.start) } else { b.from };
        if keep > b.start && keep < b.from {
            keep = memchr(b'\n', buf.get(keep..b.from).unwrap_or(&[])).map_or(b.from, |i| keep + i + 1);
        }
        b.advance(&buf, keep);
        buf.copy_within(b.start..b.end, 0);
        b.base += b.start as u64;
        b.from -= b.start;
        b.end -= b.start;
        b.start = 0;
        if b.end == buf.len() {
            if buf.len() >= LINE_MAX {
                // A line longer than any log line: its beginning is handed on, the rest begins a line of its own.
                want = f(Line {
                    text: buf.get(b.from..b.end).unwrap_or(&[]),
                    offset: b.base + b.from as u64,
                    number: b.line_at(&buf, b.from),
                    ended: false,
                });
                b.base += b.end as u64;
                b = Block { start: 0, from: 0, end: 0, base: b.base, number: b.number.saturating_add(1) };
            } else {
                buf.resize(buf.len() * 2, 0);
            }
        }
        let got = match reader.read(buf.get_mut(b.end..).unwrap_or(&mut [])) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                failed = Some(e);
                0
            }
        };
        if got == 0 {
            break;
        }
        b.end += got;
    }
    let rest = buf.get(b.from..b.end).unwrap_or(&[]);
    if !rest.is_empty() {
        f(Line {
            text: rest.strip_suffix(b"\r").unwrap_or(rest),
            offset: b.base + b.from as u64,
            number: b.line_at(&buf, b.from),
            ended: false,
        });
    }
    failed.map_or(Ok(()), Err)
}

/// The part of the stream that is held.
struct Block {
    /// First byte held, at the start of a line; lines before `from` were handed on or skipped.
    start: usize,
    from: usize,
    end: usize,
    /// Offset of the buffer's first byte in the stream.
    base: u64,
    /// Lines before `start`.
    number: u32,
}

impl Block {
    /// Number of the line that begins at `pos`.
    fn line_at(&self, buf: &[u8], pos: usize) -> u32 {
        let n = memchr_iter(b'\n', buf.get(self.start..pos).unwrap_or(&[])).count();
        self.number.saturating_add(u32::try_from(n).unwrap_or(u32::MAX)).saturating_add(1)
    }

    fn advance(&mut self, buf: &[u8], to: usize) {
        let n = memchr_iter(b'\n', buf.get(self.start..to).unwrap_or(&[])).count();
        self.number = self.number.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        self.start = to;
    }

    /// Works through the whole lines up to `limit`.
    fn run(
        &mut self,
        buf: &[u8],
        limit: usize,
        mut want: Want,
        f: &mut impl FnMut(Line<'_>) -> Want,
        glance: &mut impl FnMut(&[u8]) -> Option<usize>,
    ) -> Want {
        let mut glanced = false;
        while self.from < limit {
            // Lines up to here are handed on whatever they hold.
            let mut until = limit;
            if want == Want::Hits
                && let Some(re) = needles()
            {
                let rest = buf.get(self.from..limit).unwrap_or(&[]);
                if !glanced {
                    glanced = true;
                    if let Some(at) = glance(rest) {
                        self.single(buf, self.from + at, f);
                    }
                }
                let Some(hit) = re.find(rest) else {
                    self.from = limit;
                    return want;
                };
                let (at, end) = self.head(buf, self.from + hit.start());
                until = end;
                self.advance(buf, at);
                self.from = at;
            }
            while self.from < until {
                let rest = buf.get(self.from..limit).unwrap_or(&[]);
                let n = memchr(b'\n', rest).unwrap_or(rest.len());
                let text = rest.get(..n).unwrap_or(rest);
                if self.start != self.from {
                    self.advance(buf, self.from);
                }
                let line = Line {
                    text: text.strip_suffix(b"\r").unwrap_or(text),
                    offset: self.base + self.from as u64,
                    number: self.number.saturating_add(1),
                    ended: true,
                };
                want = f(line);
                self.from += n + 1;
                self.start = self.from;
                self.number = self.number.saturating_add(1);
                if want == Want::All {
                    until = limit;
                } else if until == limit {
                    break;
                }
            }
        }
        want
    }

    /// Start of the message that holds `pos`, over its continuation lines, and the end of the line of `pos`.
    fn head(&self, buf: &[u8], pos: usize) -> (usize, usize) {
        let line_start = |p: usize| memrchr(b'\n', buf.get(self.start..p).unwrap_or(&[])).map_or(self.start, |i| self.start + i + 1);
        let mut at = line_start(pos);
        for _ in 0..LOOK_BACK {
            if at <= self.start || !matches!(buf.get(at), Some(b' ' | b'\t')) {
                break;
            }
            at = line_start(at - 1);
        }
        let end = memchr(b'\n', buf.get(pos..).unwrap_or(&[])).map_or(self.end, |i| pos + i + 1);
        (at, end)
    }

    /// Hands on the one line that holds `pos`, out of turn.
    fn single(&self, buf: &[u8], pos: usize, f: &mut impl FnMut(Line<'_>) -> Want) {
        let at = memrchr(b'\n', buf.get(self.start..pos).unwrap_or(&[])).map_or(self.start, |i| self.start + i + 1);
        let rest = buf.get(at..).unwrap_or(&[]);
        let Some(n) = memchr(b'\n', rest) else { return };
        let text = rest.get(..n).unwrap_or(rest);
        f(Line {
            text: text.strip_suffix(b"\r").unwrap_or(text),
            offset: self.base + at as u64,
            number: self.line_at(buf, at),
            ended: true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_finds_what_reading_everything_finds() {
        let mut text = Vec::new();
        for i in 0..40_000u32 {
            text.extend_from_slice(format!("Nov 18 11:06:42 n kernel: eth0: link {i}\n").as_bytes());
            if i % 9973 == 17 {
                text.extend_from_slice(b"Nov 18 11:06:42 n kernel: x\n      y invoked oom-killer: z\n");
            }
        }
        let mut hits = Vec::new();
        let done = lines(
            &text[..],
            |l| {
                if l.text.ends_with(b"kernel: x") || l.text.starts_with(b" ") {
                    hits.push((l.offset, l.number));
                }
                Want::Hits
            },
            |_| None,
        );
        assert!(done.is_ok());
        let all: Vec<_> = crate::formats::lines::lines(&text)
            .filter(|l| l.text.ends_with(b"kernel: x") || l.text.starts_with(b" "))
            .map(|l| (l.offset, l.number))
            .collect();
        assert_eq!(hits, all);
        assert_eq!(all.len(), 10);
    }
}
