//! From messages to out-of-memory reports: one assembler per host gathers the lines of a report, in the order the
//! kernel prints them and with whatever is missing (head cut by the ring buffer, tail by a copy, middle by a rate
//! limit), and hands on one kill per report.
//!
//! A report without a victim is no kill. A `Killed process` line on its own is one, whose cgroup is unknown.

use super::carrier::Source;
use super::grammar::{self, Column, UsageKind, text};
use super::stamp::Stamp;
use crate::model::cgroup_path;
use crate::model::oom::{Constraint, LimitLevel, OomKill, Task, Victim};
use crate::model::ram::RamReport;
use crate::model::{ArtifactId, Cite, Claim, Observation, RawTime};
use std::collections::{BTreeMap, BTreeSet};

/// One message of the log, out of its carrier.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    pub stamp: Stamp,
    pub host: Option<&'a [u8]>,
    pub source: Source<'a>,
    /// Number of the boot within the artifact.
    pub boot: u32,
    pub text: &'a [u8],
    /// The first line as it stands in the artifact, for citing.
    pub raw: &'a [u8],
    pub offset: u64,
    pub line: u32,
}

impl Message<'_> {
    /// The moment in the best form the carrier has: calendar first, else uptime.
    pub fn at(&self) -> RawTime {
        match (&self.stamp.wall, self.stamp.uptime_ns) {
            (RawTime::Absent, Some(ns)) => RawTime::SinceBoot { boot: self.boot, ns, precision: 1000 },
            (wall, _) => wall.clone(),
        }
    }
}

/// A report whose victim was never named: nothing was killed.
#[derive(Debug, Clone)]
pub struct NoVictim {
    pub at: RawTime,
    pub cite: Cite,
    pub who: Claim,
    pub oom_memcg: Option<String>,
    pub limit_bytes: Option<u64>,
    pub sysrq: bool,
    /// The kernel said that there was no killable process; else the report broke off.
    pub said: bool,
    /// The report's first line was there; else it was lost.
    pub begun: bool,
}

/// What comes out of the assembler.
#[derive(Debug)]
pub enum Outcome {
    Kill(Box<Observation<OomKill>>),
    None(Box<NoVictim>),
}

/// A row of the task table, sizes still in pages.
#[derive(Debug, Clone, Default)]
struct Row {
    task: Task,
    total_vm: Option<u64>,
    rss: Option<u64>,
    anon: Option<u64>,
    file: Option<u64>,
    shmem: Option<u64>,
    tables: Option<u64>,
    swap: Option<u64>,
}

/// A report being gathered.
#[derive(Debug, Default)]
struct Draft {
    kill: OomKill,
    who: Claim,
    at: RawTime,
    cite: Cite,
    columns: Option<Vec<Column>>,
    rows: Vec<Row>,
    in_stats: bool,
    in_slabs: bool,
    /// What is printed of the node's RAM in pages, by its name.
    pages: RamReport,
    stats_path: Option<Vec<u8>>,
    /// The `Killed process` line was there.
    killed: bool,
    grouped: bool,
    /// Pids of the victims so far: a group may have as many members as a node has processes.
    members: BTreeSet<Option<u32>>,
    none_killable: bool,
    /// What the words before `Killed process` and the limit lines say about the kind.
    memcg: Option<bool>,
    page: Option<u64>,
    /// Victim named by `oom-kill:` or by the old selection, should the last line be missing.
    chosen: Option<Victim>,
    /// Messages since a line of the report was last seen.
    quiet: u32,
}

/// Gathers the reports of one host.
#[derive(Debug, Default)]
pub struct Assembler {
    draft: Option<Draft>,
    values: Vec<i64>,
}

/// Messages of others that may stand inside a report before it is given up.
const PATIENCE: u32 = 2_000;
/// Rows of a task table that are kept, and victims of one group kill.
const ROWS_MAX: usize = 65_536;
/// Sizes of free blocks that are kept: no kernel has half as many.
const ORDERS: usize = 32;

impl Assembler {
    /// Inside a report, so that every line matters.
    pub fn is_open(&self) -> bool {
        self.draft.as_ref().is_some_and(|d| !d.killed && !d.none_killable)
    }

    /// Takes one kernel message; `true` when it belonged to a report.
    pub fn feed(&mut self, m: &Message<'_>, artifact: ArtifactId, out: &mut Vec<Outcome>) -> bool {
        let used = self.shape(m, artifact, out);
        if let Some(d) = &mut self.draft {
            d.quiet = if used { 0 } else { d.quiet + 1 };
            if d.quiet > PATIENCE {
                self.close(out);
            }
        }
        used
    }

    /// Ends the report that is open, if any.
    pub fn close(&mut self, out: &mut Vec<Outcome>) {
        if let Some(d) = self.draft.take() {
            out.extend(d.finish());
        }
    }

    /// The draft that a line of a report's body belongs to: after a victim was named, such a line starts another report.
    fn body(&mut self, m: &Message<'_>, artifact: ArtifactId, out: &mut Vec<Outcome>) -> &mut Draft {
        if self.draft.as_ref().is_some_and(|d| d.killed || d.none_killable) {
            self.close(out);
        }
        self.draft.get_or_insert_with(|| Draft::new(m, artifact))
    }

    fn shape(&mut self, m: &Message<'_>, artifact: ArtifactId, out: &mut Vec<Outcome>) -> bool {
        let s = m.text;
        match s.first() {
            Some(b'[') => {
                if let Some(columns) = grammar::table_header(s) {
                    let d = self.body(m, artifact, out);
                    d.in_stats = false;
                    d.columns = Some(columns);
                    return true;
                }
                return match &mut self.draft {
                    Some(d) => d.row(s, &mut self.values),
                    None => false,
                };
            }
            Some(b'C' | b'P') => {
                if let (Some(d), Some((pid, comm, release))) = (&mut self.draft, grammar::cpu(s)) {
                    if d.kill.kernel.is_none() && !d.killed {
                        d.kill.kernel = release.map(text);
                        d.kill.trigger_pid = Some(pid);
                        // `-o cat` breaks a name at its newline; this line was joined again.
                        let name = text(comm);
                        if d.kill.trigger_comm.as_ref().is_none_or(|t| name.ends_with(t.as_str())) {
                            d.kill.trigger_comm = Some(name);
                        }
                        return true;
                    }
                    return false;
                }
            }
            Some(b'T') => {
                if let Some((task, limit)) = grammar::task_in(s) {
                    let d = self.body(m, artifact, out);
                    d.kill.task_memcg = Some(text(task));
                    d.kill.oom_memcg = Some(text(limit));
                    d.memcg = Some(true);
                    return true;
                }
                if grammar::group(s).is_some() {
                    if let Some(d) = &mut self.draft {
                        d.grouped = true;
                        d.kill.group_kill = true;
                        return true;
                    }
                    return false;
                }
                if s.starts_with(b"Tasks state (memory values in pages)") {
                    self.body(m, artifact, out).in_stats = false;
                    return true;
                }
            }
            Some(b'm' | b's' | b'k') => {
                if let Some(u) = grammar::usage(s) {
                    let d = self.body(m, artifact, out);
                    match u.kind {
                        UsageKind::Memory => {
                            d.kill.usage_bytes = Some(u.usage);
                            d.kill.limit_bytes = u.limit;
                            d.kill.failcnt = Some(u.failcnt);
                        }
                        UsageKind::Swap => d.kill.swap_usage_bytes = Some(u.usage),
                        UsageKind::Kmem => d.kill.kmem_usage_bytes = Some(u.usage),
                    }
                    d.memcg = d.memcg.or(Some(true));
                    return true;
                }
            }
            Some(b'M') => {
                if let Some((path, inline)) = grammar::stats_header(s) {
                    let d = self.body(m, artifact, out);
                    d.stats(path, inline);
                    return true;
                }
                if s.starts_with(b"Mem-Info:") {
                    // Also printed by allocation failures, which are no kills: only a report already begun takes it.
                    return self.is_open();
                }
            }
            Some(b'o') => {
                if let Some(line) = grammar::oom_kill(s) {
                    self.body(m, artifact, out).chosen(&line, m, artifact);
                    return true;
                }
            }
            _ => {}
        }
        if let Some((comm, order)) = grammar::trigger(s) {
            self.close(out);
            let mut d = Draft::new(m, artifact);
            d.kill.trigger_comm = Some(text(comm));
            d.kill.gfp_order = order;
            d.kill.sysrq = order == Some(-1);
            self.draft = Some(d);
            return true;
        }
        if let Some(k) = grammar::killed(s) {
            self.killed(k, m, artifact, out);
            return true;
        }
        if let Some((pid, comm, memcg)) = grammar::selected(s) {
            let d = self.body(m, artifact, out);
            d.memcg = Some(memcg);
            d.kill.selected_pid = Some(pid);
            d.chosen = Some(Victim { pid: Some(pid), comm: Some(text(comm)), ..Victim::default() });
            d.cite = Cite::new(artifact, m.offset, Some(m.line), m.raw);
            d.at = m.at();
            d.kill.uptime_seconds = m.stamp.uptime_ns.map(seconds);
            return true;
        }
        if grammar::no_victim(s) {
            let d = self.body(m, artifact, out);
            d.none_killable = true;
            d.kill.count = 1;
            return true;
        }
        let Some(d) = &mut self.draft else { return false };
        (!d.killed && d.memory(s)) || (d.in_stats && d.stat_lines(s))
    }

    fn killed(&mut self, k: grammar::Killed, m: &Message<'_>, artifact: ArtifactId, out: &mut Vec<Outcome>) {
        let pid = k.victim.pid;
        if let Some(d) = &mut self.draft {
            if d.killed {
                // The members of memory.oom.group follow, the first victim once more among them.
                if d.members.contains(&pid) {
                    return;
                }
                if d.grouped {
                    d.victim(k.victim);
                    return;
                }
            } else {
                d.killed = true;
                d.in_stats = false;
                d.memcg = k.memcg.or(d.memcg);
                d.victim(k.victim);
                d.cite = Cite::new(artifact, m.offset, Some(m.line), m.raw);
                d.at = m.at();
                d.kill.uptime_seconds = m.stamp.uptime_ns.map(seconds).or(d.kill.uptime_seconds);
                return;
            }
        }
        // The report before this line was dropped by the kernel's rate limit: the line alone is left.
        self.close(out);
        let mut d = Draft::new(m, artifact);
        d.killed = true;
        d.memcg = k.memcg;
        d.kill.report_lost = true;
        d.victim(k.victim);
        self.draft = Some(d);
    }
}

fn seconds(ns: i64) -> f64 {
    // Whole microseconds, so that the decimal text is the kernel's own.
    (ns / 1000) as f64 / 1e6
}

impl Draft {
    fn new(m: &Message<'_>, artifact: ArtifactId) -> Draft {
        let mut d = Draft { at: m.at(), cite: Cite::new(artifact, m.offset, Some(m.line), m.raw), ..Draft::default() };
        d.kill.count = 1;
        d.kill.uptime_seconds = m.stamp.uptime_ns.map(seconds);
        d.kill.boot = Some(m.boot.to_string());
        d.who.node = m.host.map(|h| String::from_utf8_lossy(h).into_owned().into());
        d
    }

    fn victim(&mut self, v: Victim) {
        if self.kill.victims.len() < ROWS_MAX {
            self.members.insert(v.pid);
            self.kill.victims.push(v);
        }
    }

    fn stats(&mut self, path: &[u8], inline: &[u8]) {
        self.in_stats = inline.is_empty();
        self.memcg = self.memcg.or(Some(true));
        if self.stats_path.is_none() {
            self.stats_path = Some(path.to_vec());
        }
        // One line per cgroup of the subtree, each without its children: the sum is what the limit counts.
        for (key, v) in grammar::inline_stats(inline) {
            let slot = self.kill.memcg_stats.entry(text(key)).or_insert(0);
            *slot = slot.saturating_add(v);
        }
    }

    /// Takes what the lines between `Mem-Info:` and the task table say of the node's RAM.
    fn memory(&mut self, s: &[u8]) -> bool {
        if let Some((word, v, in_pages)) = grammar::ram_line(s) {
            (if in_pages { &mut self.pages } else { &mut self.kill.ram }).add(word, v);
            return true;
        }
        if s.starts_with(b"Unreclaimable slab info:") {
            self.in_slabs = true;
            return true;
        }
        if let Some((name, bytes)) = grammar::slab_row(s).filter(|_| self.in_slabs) {
            self.kill.ram.slab(text(name), bytes);
            return true;
        }
        let mut any = false;
        for (key, v) in s.split(|&b| b == b'\n').flat_map(grammar::mem_info) {
            self.pages.add(&String::from_utf8_lossy(key), v);
            any = true;
        }
        if let Some(line) = grammar::node_line(s) {
            let (total, free) = line.huge.unzip();
            for (word, v) in [("hugepages", total), ("hugepages_free", free), ("kernel_stack", line.kernel_stack), ("min", line.min)] {
                if let Some(v) = v {
                    self.kill.ram.add(word, v);
                    any = true;
                }
            }
        }
        if let Some(page) = grammar::buddy_page(s) {
            self.page = Some(page);
            any = true;
            let blocks = &mut self.kill.ram.blocks;
            for (order, bytes) in grammar::buddy_blocks(s).take(ORDERS) {
                match blocks.get_mut(order) {
                    Some(slot) => *slot = slot.saturating_add(bytes),
                    None => blocks.push(bytes),
                }
            }
        }
        any
    }

    fn stat_lines(&mut self, s: &[u8]) -> bool {
        let lines = || s.split(|&b| b == b'\n').filter(|l| !l.trim_ascii().is_empty());
        // More keys than any kernel has are not memory.stat.
        if self.kill.memcg_stats.len() > 512 || lines().next().is_none() {
            return false;
        }
        let mut any = false;
        for (key, v) in lines().filter_map(grammar::stat) {
            self.kill.memcg_stats.insert(text(key), v);
            any = true;
        }
        any
    }

    fn row(&mut self, s: &[u8], values: &mut Vec<i64>) -> bool {
        let Some(columns) = &self.columns else { return false };
        if self.killed || self.rows.len() >= ROWS_MAX {
            return false;
        }
        let Some((pid, name)) = grammar::table_row(s, columns, values) else { return false };
        let mut row = Row { task: Task { pid, comm: text(name), ..Task::default() }, ..Row::default() };
        for (column, &v) in columns.iter().zip(values.iter()) {
            let pages = u64::try_from(v).ok();
            match column {
                Column::Uid => row.task.uid = u32::try_from(v).ok(),
                Column::Tgid => row.task.tgid = u32::try_from(v).ok(),
                Column::TotalVm => row.total_vm = pages,
                Column::Rss => row.rss = pages,
                Column::RssAnon => row.anon = pages,
                Column::RssFile => row.file = pages,
                Column::RssShmem => row.shmem = pages,
                Column::PageTables => row.tables = Some(row.tables.unwrap_or(0).saturating_add(pages.unwrap_or(0))),
                Column::PgtablesBytes => row.task.pgtables_bytes = pages,
                Column::Swapents => row.swap = pages,
                Column::OomScoreAdj => row.task.oom_score_adj = i32::try_from(v).ok(),
                Column::Other => {}
            }
        }
        self.rows.push(row);
        true
    }

    /// Takes what `oom-kill:` says.
    fn chosen(&mut self, line: &grammar::OomKillLine<'_>, m: &Message<'_>, artifact: ArtifactId) {
        self.in_stats = false;
        self.kill.constraint = line.constraint;
        self.kill.oom_memcg = line.oom_memcg.map(text);
        self.kill.task_memcg = line.task_memcg.map(text);
        if line.pid.is_some() {
            self.chosen = Some(Victim { pid: line.pid, comm: line.comm.map(text), uid: line.uid, ..Victim::default() });
        }
        self.cite = Cite::new(artifact, m.offset, Some(m.line), m.raw);
        self.at = m.at();
        self.kill.uptime_seconds = m.stamp.uptime_ns.map(seconds);
    }

    /// Page size: from the victim's own size printed both ways, else from the buddy lists, else the common one.
    fn page_size(&self) -> (u64, bool) {
        let rows = first_by_pid(self.rows.iter().map(|r| r.task.pid));
        let exact = self.kill.victims.iter().find_map(|v| {
            let row = self.rows.get(*rows.get(&v.pid?)?)?;
            let (bytes, pages) = (v.total_vm_bytes?, row.total_vm.filter(|p| *p > 0)?);
            let size = bytes / pages;
            (matches!(size, 4096 | 8192 | 16384 | 65536) && size * pages == bytes).then_some(size)
        });
        match exact.or(self.page) {
            Some(p) => (p, true),
            None => (4096, false),
        }
    }

    fn finish(mut self) -> Option<Outcome> {
        let (page, known) = self.page_size();
        let mut kill = std::mem::take(&mut self.kill);
        kill.page_size = known.then_some(page);
        for (word, pages) in &self.pages.values {
            kill.ram.add(word, pages.saturating_mul(page));
        }
        kill.constraint = kill.constraint.or(match self.memcg {
            Some(true) => Some(Constraint::Memcg),
            Some(false) => Some(Constraint::None),
            None => None,
        });
        if kill.oom_memcg.is_none() && kill.constraint == Some(Constraint::Memcg) {
            kill.oom_memcg = self.stats_path.as_deref().filter(|p| p.starts_with(b"/")).map(text);
        }
        if kill.constraint != Some(Constraint::Memcg) {
            kill.limit_bytes = None;
            kill.usage_bytes = None;
            kill.kmem_usage_bytes = None;
        }
        kill.limit_level = match kill.constraint {
            Some(Constraint::Memcg) => kill.oom_memcg.as_deref().and_then(|p| cgroup_path::parse(p).level),
            Some(_) => Some(LimitLevel::Node),
            None => None,
        };
        let mut who = std::mem::take(&mut self.who);
        // Where only the limit's cgroup is known it still names the pod.
        for path in [kill.oom_memcg.as_deref(), kill.task_memcg.as_deref()].into_iter().flatten() {
            let p = cgroup_path::parse(path);
            p.fill(&mut who);
            kill.qos = p.qos.or(kill.qos);
            kill.runtime = p.runtime.or(kill.runtime);
            kill.cgroup_driver = p.driver.or(kill.cgroup_driver);
        }
        kill.identity.pod_uid.clone_from(&who.pod_uid);
        kill.identity.container_id.clone_from(&who.container_id);
        who.cgroup = kill.task_memcg.as_deref().or(kill.oom_memcg.as_deref()).map(Into::into);
        let bytes = |pages: Option<u64>| pages.map(|p| p.saturating_mul(page));
        kill.tasks = std::mem::take(&mut self.rows)
            .into_iter()
            .map(|r| Task {
                total_vm_bytes: bytes(r.total_vm),
                rss_bytes: bytes(r.rss),
                anon_rss_bytes: bytes(r.anon),
                file_rss_bytes: bytes(r.file),
                shmem_rss_bytes: bytes(r.shmem),
                pgtables_bytes: r.task.pgtables_bytes.or(bytes(r.tables)),
                swap_bytes: bytes(r.swap),
                ..r.task
            })
            .collect();
        if kill.victims.is_empty() {
            let named = self.chosen.take().filter(|_| !self.none_killable);
            let Some(mut v) = named else {
                return Some(Outcome::None(Box::new(NoVictim {
                    at: self.at,
                    cite: self.cite,
                    who,
                    oom_memcg: kill.oom_memcg,
                    limit_bytes: kill.limit_bytes,
                    sysrq: kill.sysrq,
                    said: self.none_killable,
                    begun: kill.trigger_comm.is_some(),
                })));
            };
            // The last line is lost, but the kernel had made its choice; its row says how big it was.
            if let Some(t) = kill.tasks.iter().find(|t| Some(t.pid) == v.pid) {
                v.anon_rss_bytes = t.anon_rss_bytes;
                v.file_rss_bytes = t.file_rss_bytes;
                v.shmem_rss_bytes = t.shmem_rss_bytes;
                v.total_vm_bytes = t.total_vm_bytes;
                v.pgtables_bytes = t.pgtables_bytes;
            }
            kill.victims.push(v);
        }
        if kill.selected_pid.is_some() && kill.selected_pid == kill.victims.first().and_then(|v| v.pid) {
            kill.selected_pid = None;
        }
        complete_names(&mut kill);
        let first = kill.victims.first();
        who.pid = first.and_then(|v| v.pid);
        who.comm = first.and_then(|v| v.comm.as_deref()).map(Into::into);
        Some(Outcome::Kill(Box::new(Observation { at: self.at, who, cite: self.cite, what: kill })))
    }
}

/// Where each pid first stands in a task table.
fn first_by_pid(pids: impl Iterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut rows = BTreeMap::new();
    for (i, pid) in pids.enumerate() {
        rows.entry(pid).or_insert(i);
    }
    rows
}

/// Fills from the task table what a victim's own line did not print, and names that `-o cat` cut at a newline.
fn complete_names(kill: &mut OomKill) {
    let rows = first_by_pid(kill.tasks.iter().map(|t| t.pid));
    for v in &mut kill.victims {
        let row = v.pid.and_then(|p| rows.get(&p));
        let Some(task) = row.and_then(|i| kill.tasks.get_mut(*i)) else { continue };
        v.oom_score_adj = v.oom_score_adj.or(task.oom_score_adj);
        v.uid = v.uid.or(task.uid);
        if let Some(name) = &v.comm
            && name.len() > task.comm.len()
            && name.starts_with(task.comm.as_str())
        {
            task.comm.clone_from(name);
        }
    }
}
