//! The lines of an out-of-memory report, told apart by shape: mm/oom_kill.c and mm/memcontrol.c from 2.6.32 to 6.18,
//! and their vendor backports. Never by kernel version.
//!
//! Task names are any fifteen bytes, so that every line is read from the side on which no task name stands.

use super::stamp::digits;
use crate::model::oom::{Constraint, Victim};
use memchr::memmem::{find, rfind};

/// `memory: usage 49152kB, limit 49152kB, failcnt 33`
#[derive(Debug, PartialEq, Eq)]
pub struct Usage {
    pub kind: UsageKind,
    pub usage: u64,
    /// Absent where the kernel prints its "no limit".
    pub limit: Option<u64>,
    pub failcnt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    Memory,
    /// `swap` (v2) or `memory+swap` (v1).
    Swap,
    Kmem,
}

/// `oom-kill:constraint=…`; every field on its own, so that damage to one leaves the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OomKillLine<'a> {
    pub constraint: Option<Constraint>,
    pub oom_memcg: Option<&'a [u8]>,
    pub task_memcg: Option<&'a [u8]>,
    pub comm: Option<&'a [u8]>,
    pub pid: Option<u32>,
    pub uid: Option<u32>,
}

pub fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}

fn after<'a>(s: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    s.get(find(s, mark)? + mark.len()..)
}

fn number(s: &[u8]) -> Option<u64> {
    digits(s).map(|d| d.0)
}

fn signed(s: &[u8]) -> Option<i64> {
    match s.strip_prefix(b"-") {
        Some(r) => number(r).and_then(|v| i64::try_from(v).ok()).map(|v| -v),
        None => number(s).and_then(|v| i64::try_from(v).ok()),
    }
}

fn small<T: TryFrom<u64>>(v: u64) -> Option<T> {
    T::try_from(v).ok()
}

const KB: u64 = 1024;
/// "No limit" is printed as 2⁶³ or 2⁶⁴ bytes less some pages; nothing real is a quarter of that.
const NO_LIMIT_KB: u64 = 1 << 51;

/// `COMM invoked oom-killer: gfp_mask=…, order=0, oom_score_adj=985`: task name and order.
pub fn trigger(s: &[u8]) -> Option<(&[u8], Option<i32>)> {
    let at = find(s, b" invoked oom-killer: gfp_mask=")?;
    let order = after(s.get(at..)?, b" order=").and_then(signed).and_then(|v| i32::try_from(v).ok());
    (at <= 64).then_some((s.get(..at)?, order))
}

/// Pid, task name, kernel release.
pub type CpuLine<'a> = (u32, &'a [u8], Option<&'a [u8]>);

/// `CPU: 1 UID: 0 PID: 193 Comm: postgres Not tainted 6.12.94 #1 …` or EL6's `Pid: 9, comm: x Not tainted … #1`:
/// pid, task name and kernel release.
pub fn cpu(s: &[u8]) -> Option<CpuLine<'_>> {
    let (pid, comm) = if s.starts_with(b"CPU: ") {
        let rest = after(s, b"PID: ")?;
        (number(rest)?, after(rest, b" Comm: ")?)
    } else {
        let rest = s.strip_prefix(b"Pid: ")?;
        (number(rest)?, after(rest, b", comm: ")?)
    };
    let (end, tail) = [&b" Not tainted"[..], b" Tainted: "].iter().filter_map(|m| rfind(comm, m).map(|i| (i, i + m.len()))).max()?;
    let release = comm.get(tail..).and_then(|t| {
        let before = t.get(..find(t, b" #")?)?;
        before.rsplit(|&b| b == b' ').find(|w| !w.is_empty())
    });
    let name = comm.get(..end)?;
    let name = name.strip_suffix(b" Kdump: loaded").unwrap_or(name);
    Some((small(pid)?, name, release.filter(|r| r.first().is_some_and(u8::is_ascii_digit))))
}

/// `Task in A killed as a result of limit of B`: cgroup of the victim, cgroup of the limit.
pub fn task_in(s: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = s.strip_prefix(b"Task in ")?;
    let at = find(rest, b" killed as a result of limit of ")?;
    Some((rest.get(..at)?, rest.get(at + 32..)?.trim_ascii_end()))
}

pub fn usage(s: &[u8]) -> Option<Usage> {
    let (kind, rest) = [
        (&b"memory: usage "[..], UsageKind::Memory),
        (b"memory+swap: usage ", UsageKind::Swap),
        (b"swap: usage ", UsageKind::Swap),
        (b"kmem: usage ", UsageKind::Kmem),
    ]
    .into_iter()
    .find_map(|(p, k)| s.strip_prefix(p).map(|r| (k, r)))?;
    let limit = after(rest, b"limit ").and_then(number)?;
    let failcnt = after(rest, b"failcnt ").and_then(number)?;
    Some(Usage { kind, usage: number(rest)?.saturating_mul(KB), limit: (limit < NO_LIMIT_KB).then(|| limit.saturating_mul(KB)), failcnt })
}

/// `Memory cgroup stats for PATH:` and what stands behind the colon.
pub fn stats_header(s: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = s.strip_prefix(b"Memory cgroup stats for ").or_else(|| s.strip_prefix(b"Memory cgroup stats"))?;
    let end = find(rest, b": ").or_else(|| rest.trim_ascii_end().ends_with(b":").then(|| rest.trim_ascii_end().len() - 1))?;
    Some((rest.get(..end)?, rest.get(end + 1..)?.trim_ascii()))
}

/// `cache:24KB rss:1048552KB …` of kernels up to 5.2, as bytes.
pub fn inline_stats(s: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    s.split(|&b| b == b' ').filter_map(|w| {
        let colon = memchr::memchr(b':', w)?;
        let (v, n) = digits(w.get(colon + 1..)?)?;
        let unit = w.get(colon + 1 + n..)?;
        let value = if unit == b"KB" || unit == b"kB" { v.saturating_mul(KB) } else { v };
        Some((w.get(..colon)?, value))
    })
}

/// `anon 41558016`: a key of memory.stat and its value.
pub fn stat(line: &[u8]) -> Option<(&[u8], u64)> {
    let line = line.trim_ascii();
    let sp = memchr::memchr(b' ', line)?;
    let (key, rest) = (line.get(..sp)?, line.get(sp + 1..)?);
    let word =
        key.first().is_some_and(u8::is_ascii_lowercase) && key.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
    let (v, n) = digits(rest)?;
    (word && n == rest.len()).then_some((key, v))
}

/// Columns of the task table, from its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Uid,
    Tgid,
    TotalVm,
    Rss,
    RssAnon,
    RssFile,
    RssShmem,
    /// `nr_ptes`, `nr_pmds`, `nr_puds`: counts of page-table pages.
    PageTables,
    PgtablesBytes,
    Swapents,
    OomScoreAdj,
    Other,
}

/// `[  pid  ]   uid  tgid total_vm      rss … name`: the columns between pid and name.
pub fn table_header(s: &[u8]) -> Option<Vec<Column>> {
    let rest = s.strip_prefix(b"[")?.trim_ascii_start().strip_prefix(b"pid")?.trim_ascii_start().strip_prefix(b"]")?;
    if find(rest, b"total_vm").is_none() || !rest.trim_ascii_end().ends_with(b" name") {
        return None;
    }
    let mut out: Vec<Column> = rest
        .split(|&b| b == b' ')
        .filter(|w| !w.trim_ascii().is_empty())
        .take(24)
        .map(|w| match w.trim_ascii() {
            b"uid" => Column::Uid,
            b"tgid" => Column::Tgid,
            b"total_vm" => Column::TotalVm,
            b"rss" => Column::Rss,
            b"rss_anon" => Column::RssAnon,
            b"rss_file" => Column::RssFile,
            b"rss_shmem" => Column::RssShmem,
            b"nr_ptes" | b"nr_pmds" | b"nr_puds" => Column::PageTables,
            b"pgtables_bytes" => Column::PgtablesBytes,
            b"swapents" => Column::Swapents,
            b"oom_score_adj" => Column::OomScoreAdj,
            _ => Column::Other,
        })
        .collect();
    out.pop();
    Some(out)
}

/// A row of the task table: pid, one number per column, name.
pub fn table_row<'a>(s: &'a [u8], columns: &[Column], values: &mut Vec<i64>) -> Option<(u32, &'a [u8])> {
    let rest = s.strip_prefix(b"[")?.trim_ascii_start();
    let (pid, n) = digits(rest)?;
    let mut rest = rest.get(n..)?.trim_ascii_start().strip_prefix(b"]")?;
    values.clear();
    for _ in columns {
        rest = rest.trim_ascii_start();
        let len = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
        let word = rest.get(..len)?;
        let v = signed(word)?;
        if !word.iter().all(|b| b.is_ascii_digit() || *b == b'-') {
            return None;
        }
        values.push(v);
        rest = rest.get(len..)?;
    }
    Some((small(pid)?, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// `Node 0 DMA: 1*4kB (U) …`: the size of a base page.
pub fn buddy_page(s: &[u8]) -> Option<u64> {
    if !s.starts_with(b"Node ") {
        return None;
    }
    let kb = after(s, b"*").and_then(digits).filter(|_| find(s, b" = ").is_some())?.0;
    matches!(kb, 4 | 8 | 16 | 64).then(|| kb * KB)
}

/// `active_anon:1227 inactive_anon:60883 …`: counts of pages by their names, of the record that follows `Mem-Info:`.
pub fn mem_info(line: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    const FIRST: [&[u8]; 8] = [
        b"active_anon:",
        b"active_file:",
        b"unevictable:",
        b"slab_reclaimable:",
        b"mapped:",
        b"sec_pagetables:",
        b"kernel_misc_reclaimable:",
        b"free:",
    ];
    let line = line.trim_ascii();
    let mine = FIRST.iter().any(|f| line.starts_with(f));
    line.split(|&b| b == b' ').filter(move |_| mine).filter_map(|w| {
        let colon = memchr::memchr(b':', w)?;
        let (v, n) = digits(w.get(colon + 1..)?)?;
        (colon + 1 + n == w.len()).then_some((w.get(..colon)?, v))
    })
}

/// One line of a memory node or zone: huge pages set aside and free, kernel stacks and lowest watermark, in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NodeLine {
    pub huge: Option<(u64, u64)>,
    pub kernel_stack: Option<u64>,
    pub min: Option<u64>,
}

pub fn node_line(s: &[u8]) -> Option<NodeLine> {
    if !s.starts_with(b"Node ") {
        return None;
    }
    let of = |mark: &[u8]| after(s, mark).and_then(number);
    let kb = |mark: &[u8]| of(mark).map(|v| v.saturating_mul(KB));
    let size = kb(b" hugepages_size=");
    let huge = of(b" hugepages_total=")
        .zip(size)
        .map(|(n, size)| (n.saturating_mul(size), of(b" hugepages_free=").unwrap_or(0).saturating_mul(size)));
    let line = NodeLine { huge, kernel_stack: kb(b" kernel_stack:"), min: kb(b" min:") };
    (line != NodeLine::default()).then_some(line)
}

/// Free blocks of `Node 0 Normal: 13166*4kB (UME) 0*8kB …`, by their order: bytes.
pub fn buddy_blocks(s: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let list = if s.starts_with(b"Node ") && find(s, b" = ").is_some() { s } else { &[][..] };
    list.split(|&b| b == b' ')
        .filter_map(|w| {
            let star = memchr::memchr(b'*', w)?;
            let (count, size) = (number(w.get(..star)?)?, w.get(star + 1..)?.strip_suffix(b"kB").and_then(number)?);
            Some(count.saturating_mul(size).saturating_mul(KB))
        })
        .enumerate()
}

/// `4093632 pages RAM` and `84123 pages reserved` in pages, `Total swap = 0kB` in bytes: the word for it, the figure, and
/// whether it counts pages.
pub fn ram_line(s: &[u8]) -> Option<(&'static str, u64, bool)> {
    if let Some(swap) =
        s.strip_prefix(b"Total swap").map(|r| ("swap_total", r)).or_else(|| Some(("swap_free", s.strip_prefix(b"Free swap")?)))
    {
        let (word, rest) = swap;
        return Some((word, number(rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start())?.saturating_mul(KB), false));
    }
    let (v, n) = digits(s)?;
    match s.get(n..)?.trim_ascii() {
        b"pages RAM" => Some(("ram", v, true)),
        b"pages reserved" => Some(("reserved", v, true)),
        _ => None,
    }
}

/// A row below `Unreclaimable slab info:`, `kmalloc-512  13112000KB   13120000KB`: the cache and all that it holds.
pub fn slab_row(s: &[u8]) -> Option<(&[u8], u64)> {
    let mut words = s.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let name = words.next()?;
    let kb = |w: &[u8]| w.strip_suffix(b"KB").and_then(number);
    let (_, total) = (kb(words.next()?)?, kb(words.next()?)?);
    words.next().is_none().then_some((name, total.saturating_mul(KB)))
}

pub fn oom_kill(s: &[u8]) -> Option<OomKillLine<'_>> {
    let body = s.strip_prefix(b"oom-kill:")?;
    let mut out = OomKillLine {
        constraint: after(body, b"=CONSTRAINT_").and_then(|c| match c.split(|b| !b.is_ascii_uppercase() && *b != b'_').next()? {
            b"MEMCG" => Some(Constraint::Memcg),
            b"NONE" => Some(Constraint::None),
            b"CPUSET" => Some(Constraint::Cpuset),
            b"MEMORY_POLICY" => Some(Constraint::MemoryPolicy),
            _ => None,
        }),
        ..OomKillLine::default()
    };
    // From the right: a task may be named `,pid=1,uid=0`.
    let mut head = body;
    if let Some(i) = rfind(head, b",uid=") {
        out.uid = head.get(i + 5..).and_then(number).and_then(small);
        head = head.get(..i)?;
    }
    if let Some(i) = rfind(head, b",pid=") {
        out.pid = head.get(i + 5..).and_then(number).and_then(small);
        head = head.get(..i)?;
    }
    if let Some(i) = find(head, b",task=") {
        out.comm = head.get(i + 6..);
        head = head.get(..i)?;
    }
    if let Some(i) = find(head, b",task_memcg=") {
        out.task_memcg = head.get(i + 12..);
        head = head.get(..i)?;
    }
    if let Some(i) = find(head, b",oom_memcg=") {
        out.oom_memcg = head.get(i + 11..);
    }
    Some(out)
}

/// `Memory cgroup out of memory: Kill process 24572 (java) score 0 or sacrifice child`: who was selected, and whether
/// a memory cgroup was it that ran out.
pub fn selected(s: &[u8]) -> Option<(u32, &[u8], bool)> {
    let at = find(s, b"Kill process ")?;
    let memcg = match s.get(..at)? {
        b"Memory cgroup out of memory: " => true,
        b"Out of memory: " | b"Out of memory (oom_kill_allocating_task): " => false,
        _ => return None,
    };
    let rest = s.get(at + 13..)?;
    let (pid, n) = digits(rest)?;
    let name = rest.get(n..)?.strip_prefix(b" (")?;
    let end = rfind(name, b") score ").or_else(|| memchr::memrchr(b')', name))?;
    Some((small(pid)?, name.get(..end)?, memcg))
}

/// The line that says that a process died. `memcg` is what the text before it says, if anything.
#[derive(Debug, PartialEq, Eq)]
pub struct Killed {
    pub victim: Victim,
    pub memcg: Option<bool>,
    /// Everything up to the figures was there.
    pub complete: bool,
}

pub fn killed(s: &[u8]) -> Option<Killed> {
    let at = find(s, b"Killed process ")?;
    let memcg = match s.get(..at)? {
        b"" => None,
        b"Memory cgroup out of memory: " => Some(true),
        b"Out of memory: " | b"Out of memory (oom_kill_allocating_task): " => Some(false),
        _ => return None,
    };
    let rest = s.get(at + 15..)?;
    let (pid, n) = digits(rest)?;
    let mut rest = rest.get(n..)?;
    let mut victim = Victim { pid: Some(small(pid)?), ..Victim::default() };
    if let Some(r) = rest.strip_prefix(b", UID ") {
        let (uid, m) = digits(r)?;
        victim.uid = small(uid);
        rest = r.get(m..)?;
    }
    let name = rest.trim_start_with(b", ").strip_prefix(b"(")?;
    let end = rfind(name, b") total-vm:").or_else(|| rfind(name, b") vsz:"));
    let complete = end.is_some();
    let end = end.or_else(|| memchr::memrchr(b')', name)).unwrap_or(name.len());
    victim.comm = Some(text(name.get(..end)?));
    let tail = name.get(end..).unwrap_or(&[]);
    let kb = |mark: &[u8]| after(tail, mark).and_then(number).map(|v| v.saturating_mul(KB));
    victim.total_vm_bytes = kb(b" total-vm:").or_else(|| kb(b" vsz:"));
    victim.anon_rss_bytes = kb(b" anon-rss:");
    victim.file_rss_bytes = kb(b" file-rss:");
    victim.shmem_rss_bytes = kb(b" shmem-rss:");
    victim.pgtables_bytes = kb(b" pgtables:");
    victim.uid = after(tail, b" UID:").and_then(number).and_then(small).or(victim.uid);
    victim.oom_score_adj = after(tail, b" oom_score_adj:").and_then(signed).and_then(|v| i32::try_from(v).ok());
    Some(Killed { victim, memcg, complete })
}

trait TrimStart {
    fn trim_start_with<'a>(&'a self, set: &[u8]) -> &'a [u8];
}

impl TrimStart for [u8] {
    fn trim_start_with<'a>(&'a self, set: &[u8]) -> &'a [u8] {
        let n = self.iter().take_while(|b| set.contains(b)).count();
        self.get(n..).unwrap_or(&[])
    }
}

/// `Tasks in PATH are going to be killed due to memory.oom.group set`
pub fn group(s: &[u8]) -> Option<&[u8]> {
    let rest = s.strip_prefix(b"Tasks in ")?;
    rest.get(..find(rest, b" are going to be killed due to memory.oom.group set")?)
}

pub fn no_victim(s: &[u8]) -> bool {
    s.starts_with(b"Out of memory and no killable processes") || find(s, b"out of memory and no killable processes").is_some()
}

/// Whether a text ends within a task name: such a line goes on behind the name's own newline.
pub fn unfinished(s: &[u8]) -> bool {
    if let Some(k) = killed(s) {
        return !k.complete && find(s, b"-rss:").is_none();
    }
    if s.starts_with(b"oom-kill:") {
        return find(s, b",task=").is_some() && rfind(s, b",uid=").is_none();
    }
    s.starts_with(b"CPU: ") && find(s, b" Comm: ").is_some() && find(s, b"ainted").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_task_names_stay_in_their_place() {
        let k = killed(b"Memory cgroup out of memory: Killed process 277 (a) b(c) total-vm:33840kB, anon-rss:32384kB, file-rss:0kB, shmem-rss:572kB, UID:0 pgtables:100kB oom_score_adj:-985");
        let v = k.map(|k| k.victim).unwrap_or_default();
        assert_eq!(
            (v.pid, v.comm.as_deref(), v.anon_rss_bytes, v.oom_score_adj),
            (Some(277), Some("a) b(c"), Some(32384 * 1024), Some(-985))
        );
        let o = oom_kill(b"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=k,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=,pid=1,uid=0,pid=282,uid=7").unwrap_or_default();
        assert_eq!(
            (o.pid, o.uid, o.comm, o.oom_memcg, o.task_memcg),
            (Some(282), Some(7), Some(&b",pid=1,uid=0"[..]), Some(&b"/a"[..]), Some(&b"/a/b"[..]))
        );
        assert_eq!(killed(b"user posted: Killed process 1 (x) total-vm:1kB"), None);
    }

    #[test]
    fn lines_of_a_nodes_memory() {
        let pages: Vec<_> = mem_info(b" mapped:606 shmem:1831 pagetables:156").collect();
        assert_eq!(pages, [(&b"mapped"[..], 606), (b"shmem", 1831), (b"pagetables", 156)]);
        assert_eq!(mem_info(b"Node 0 active_anon:1kB").count(), 0);
        let huge = node_line(b"Node 0 hugepages_total=4608 hugepages_free=4600 hugepages_surp=0 hugepages_size=2048kB");
        assert_eq!(huge.and_then(|l| l.huge), Some((4608 << 21, 4600 << 21)));
        let zone = node_line(b"Node 0 DMA free:14336kB boost:0kB min:64kB low:80kB");
        assert_eq!(zone.and_then(|l| l.min), Some(64 << 10));
        let blocks: Vec<_> = buddy_blocks(b"Node 0 DMA: 2*4kB (UM) 1*8kB (M) 3*16kB (U) = 64kB").collect();
        assert_eq!(blocks, [(0, 8 << 10), (1, 8 << 10), (2, 48 << 10)]);
        assert_eq!(ram_line(b"4093632 pages RAM"), Some(("ram", 4_093_632, true)));
        assert_eq!(ram_line(b"Free swap  = 12kB"), Some(("swap_free", 12 << 10, false)));
        assert_eq!(ram_line(b"2391 total pagecache pages"), None);
        assert_eq!(slab_row(b"kmalloc-512         13112000KB   13120000KB"), Some((&b"kmalloc-512"[..], 13_120_000 << 10)));
        assert_eq!(slab_row(b"Name                      Used          Total"), None);
    }

    #[test]
    fn old_and_new_heads() {
        assert_eq!(
            cpu(b"Pid: 9, comm: php-fpm Not tainted 2.6.32-642.el6.x86_64 #1"),
            Some((9, &b"php-fpm"[..], Some(&b"2.6.32-642.el6.x86_64"[..])))
        );
        assert_eq!(
            cpu(b"CPU: 3 PID: 473206 Comm: doxygen Tainted: G           OE      6.1.1-arch1-1 #1 9bd0"),
            Some((473_206, &b"doxygen"[..], Some(&b"6.1.1-arch1-1"[..])))
        );
        assert_eq!(
            cpu(b"CPU: 0 PID: 879 Comm: in:imjournal Kdump: loaded Not tainted 4.18.0-553.8.1.el8_10.x86_64 #1"),
            Some((879, &b"in:imjournal"[..], Some(&b"4.18.0-553.8.1.el8_10.x86_64"[..])))
        );
        let k = killed(b"Killed process 40738, UID 27, (mysqld) total-vm:6424316kB, anon-rss:13128kB, file-rss:4kB");
        assert_eq!(k.map(|k| (k.victim.uid, k.victim.comm)), Some((Some(27), Some("mysqld".into()))));
        assert_eq!(usage(b"swap: usage 0kB, limit 9007199254740988kB, failcnt 0").map(|u| u.limit), Some(None));
        assert_eq!(
            selected(b"Out of memory: Kill process 1532 (badsysprogram) score 919 or sacrifice child"),
            Some((1532, &b"badsysprogram"[..], false))
        );
    }
}
