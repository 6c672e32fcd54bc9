//! Kernel logs: every rendering of one boot gives the same kills, a cut file gives no new fact, damage stays local.
//! Input: `samples/formats/kernel-log`, two kills provoked on a running kernel and rendered by `render.py`.

use postmem::formats::{FORMATS, Format, Head, Input, Match, Open};
use postmem::model::oom::OomKill;
use postmem::model::{ArtifactId, Claim, Facts, Observation, RawTime};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;

/// An artifact in memory.
pub struct Bytes<'b>(pub &'b [u8]);

impl Open for Bytes<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(self.0))
    }
}

fn kernel_log() -> &'static dyn Format {
    FORMATS.iter().copied().find(|f| f.name() == "kernel-log").unwrap()
}

fn read(bytes: &[u8]) -> Facts {
    let mut out = Facts::new(ArtifactId(0));
    let source = Bytes(bytes);
    let input = Input { artifact: ArtifactId(0), path: "node.log", len: Some(bytes.len() as u64), who: Claim::default(), source: &source };
    kernel_log().parse(&input, &mut out);
    out
}

fn carriers() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats/kernel-log/carriers");
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap()))
        .collect();
    out.sort();
    out
}

/// What no carrier may change: everything but time, host and place.
fn essence(k: &Observation<OomKill>) -> OomKill {
    OomKill { boot: None, uptime_seconds: None, last: RawTime::Absent, ..k.what.clone() }
}

#[test]
fn all_renderings_of_one_boot_give_the_same_kills() {
    let all = carriers();
    assert!(all.len() >= 30, "{} carriers", all.len());
    // The sixteen output modes of journalctl, dmesg in all its forms, the kernel's own device, two syslogs, collectors.
    let modes = [
        "short",
        "short-full",
        "short-iso",
        "short-iso-precise",
        "short-precise",
        "short-monotonic",
        "short-delta",
        "short-unix",
        "verbose",
        "export",
        "json",
        "json-pretty",
        "json-sse",
        "json-seq",
        "cat",
        "with-unit",
        "short-nohost",
        "dmesg",
        "dmesg-r",
        "dmesg-T",
        "dmesg-T-german",
        "dmesg-iso",
        "dmesg-x",
        "dmesg-json",
        "kmsg",
        "rsyslog",
        "rsyslog-5424",
        "console",
        "kubectl-prefix",
        "cloud",
    ];
    for mode in modes {
        assert!(all.iter().any(|(name, _)| *name == format!("{mode}.txt")), "{mode}");
    }
    let reference = read(&all.iter().find(|c| c.0 == "dmesg.txt").unwrap().1);
    let want: Vec<OomKill> = reference.kills.iter().map(essence).collect();
    assert_eq!(want.len(), 2);
    assert_eq!(want[0].victims[0].comm.as_deref(), Some("cart api"));
    assert_eq!(want[1].victims[0].comm.as_deref(), Some("a) b(c"));
    assert_eq!(want[0].limit_bytes, Some(64 << 20));
    assert!(want.iter().all(|k| k.tasks.len() == 1 && k.memcg_stats.len() > 20 && k.page_size == Some(4096)));
    assert_eq!(want[1].qos, Some("guaranteed"));
    for (name, bytes) in &all {
        let got = read(bytes);
        let kills: Vec<OomKill> = got.kills.iter().map(essence).collect();
        assert_eq!(kills, want, "{name}");
        for k in &got.kills {
            assert!(k.cite.excerpt.contains("Killed process"), "{name}: {}", k.cite.excerpt);
        }
    }
}

#[test]
fn each_rendering_is_claimed_by_this_format_before_any_other() {
    for (name, bytes) in carriers() {
        let head = Head { path: &name, bytes: bytes.get(..Head::LEN).unwrap_or(&bytes), complete: bytes.len() < Head::LEN };
        let mine = kernel_log().sniff(&head);
        assert!(mine >= Match::Likely, "{name}: {mine:?}");
        for other in FORMATS.iter().filter(|f| f.name() != "kernel-log") {
            assert!(other.sniff(&head) <= mine, "{name} is claimed by {}", other.name());
        }
    }
}

#[test]
fn stamps_are_the_same_instant_wherever_they_hold_a_date_and_a_zone() {
    // Uptime 6073.138545 of a boot that began at 1793000000.
    let want = 1_793_006_073;
    for (name, bytes) in carriers() {
        let got = read(&bytes);
        let dated = [
            "json",
            "export",
            "verbose",
            "short-iso",
            "short-full",
            "short-unix",
            "with-unit",
            "dmesg-iso",
            "rsyslog-5424",
            "cloud",
            "console",
            "kubectl",
        ];
        if dated.iter().any(|d| name.starts_with(d)) {
            let RawTime::Utc { at, .. } = got.kills[0].at else { panic!("{name}: {:?}", got.kills[0].at) };
            assert_eq!(at.0.div_euclid(1_000_000_000), want, "{name}");
        }
        let up = got.kills[0].what.uptime_seconds;
        assert!(up.is_none_or(|u| (u - 6_073.138_545).abs() < 0.001), "{name}: {up:?}");
    }
}

/// What a file says, as strings that a damaged copy may lack but never change.
fn told(f: &Facts) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for k in &f.kills {
        let first = k.what.victims.first().cloned().unwrap_or_default();
        let pid = first.pid.unwrap_or(0);
        let mut say = |what: &str, value: String| out.extend([format!("{pid} {what} {value}")]);
        say("at", format!("{:?}", k.at));
        for v in &k.what.victims {
            let given = |b: Option<u64>| b.map_or(String::new(), |b| b.to_string());
            for (what, value) in [
                ("comm", v.comm.clone().unwrap_or_default()),
                ("uid", given(v.uid.map(u64::from))),
                ("vm", given(v.total_vm_bytes)),
                ("anon", given(v.anon_rss_bytes)),
                ("file", given(v.file_rss_bytes)),
                ("shmem", given(v.shmem_rss_bytes)),
                ("tables", given(v.pgtables_bytes)),
                ("adj", v.oom_score_adj.map_or(String::new(), |a| a.to_string())),
            ] {
                if !value.is_empty() {
                    say(what, value);
                }
            }
        }
        let o = &k.what;
        o.limit_bytes.into_iter().for_each(|b| say("limit", b.to_string()));
        o.usage_bytes.into_iter().for_each(|b| say("usage", b.to_string()));
        o.oom_memcg.iter().for_each(|p| say("memcg", p.clone()));
        o.task_memcg.iter().for_each(|p| say("task memcg", p.clone()));
        o.memcg_stats.iter().for_each(|(key, v)| say(key, v.to_string()));
        o.tasks.iter().for_each(|t| say("task", format!("{t:?}")));
    }
    out.extend(f.logs.iter().map(|l| format!("{:?} {}", l.what.pattern, l.what.text)));
    out
}

#[test]
fn a_cut_file_gives_no_fact_that_the_whole_file_lacks() {
    for (name, bytes) in carriers() {
        let whole = read(&bytes);
        let all = told(&whole);
        for i in 0..64 {
            // Also between the sixty-fourths: in the middle of figures and names.
            for shift in [0, 3, 11] {
                let cut = (bytes.len() * i / 64 + shift).min(bytes.len());
                let part = read(bytes.get(..cut).unwrap());
                let new: Vec<String> = told(&part).difference(&all).cloned().collect();
                // A report that lost its last line is dated by the line before it.
                let new: Vec<&String> = new.iter().filter(|n| !n.contains(" at ")).collect();
                assert!(new.is_empty(), "{name} cut at {cut}: {new:?}");
                assert!(part.kills.len() <= whole.kills.len(), "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_last_line_without_its_end_is_reported_and_its_last_figure_is_not_used() {
    let line = "[  100.000001] Memory cgroup out of memory: Killed process 42 (worker) total-vm:8888kB, anon-rss:4444kB, file-rss:10kB, shmem-rss:20kB, UID:7 pgtables:52kB oom_score_adj:985";
    for cut in 0..line.len() {
        let facts = read(line.get(..cut).unwrap().as_bytes());
        let told = facts.diagnostics.iter().any(|d| d.code == "truncated");
        assert!(told || line.get(..cut).unwrap().trim().is_empty(), "cut at {cut}");
        for k in &facts.kills {
            let v = &k.what.victims[0];
            assert_eq!((v.pid, v.comm.as_deref()), (Some(42), Some("worker")), "cut at {cut}");
            for (got, want) in
                [(v.anon_rss_bytes, 4444 << 10), (v.file_rss_bytes, 10 << 10), (v.shmem_rss_bytes, 20 << 10), (v.pgtables_bytes, 52 << 10)]
            {
                assert!(got.is_none_or(|g| g == want), "cut at {cut}: {got:?}");
            }
            assert_eq!(v.oom_score_adj, None, "cut at {cut}");
        }
    }
    assert_eq!(read(line.as_bytes()).kills.len(), 1, "every figure but the last is bounded by what follows it");
    assert_eq!(read(format!("{line}\n").as_bytes()).kills[0].what.victims[0].oom_score_adj, Some(985));
}

/// A small deterministic generator (xorshift), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

#[test]
fn flipped_bytes_never_panic_and_leave_other_reports_alone() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (name, bytes) in carriers() {
        let whole = read(&bytes);
        let second = whole.kills[1].cite.span.offset as usize;
        let first_end = whole.kills[0].cite.span.offset as usize + whole.kills[0].cite.span.len as usize;
        let lined = name.starts_with("short")
            || name.starts_with("dmesg") && !name.contains("json")
            || name.starts_with("rsyslog")
            || name == "kmsg.txt";
        for _ in 0..12 {
            let mut broken = bytes.clone();
            for _ in 0..1 + dice.next(8) {
                // Only the second report is hurt.
                let from = first_end + 400;
                let at = from + dice.next(second.saturating_sub(from));
                if let Some(b) = broken.get_mut(at) {
                    *b ^= 1 << dice.next(8);
                }
            }
            let got = read(&broken);
            if lined {
                let first = got.kills.first().map(essence);
                assert_eq!(first.as_ref(), whole.kills.first().map(essence).as_ref(), "{name}");
            }
        }
        for _ in 0..6 {
            let mut noise = bytes.clone();
            for _ in 0..64 {
                let at = dice.next(noise.len());
                noise[at] = dice.next(256) as u8;
            }
            read(&noise);
        }
    }
}

#[test]
fn an_application_that_quotes_the_kernel_kills_nobody() {
    let log = b"Nov 20 10:00:06 n1 app[99]: Memory cgroup out of memory: Killed process 1 (fake) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0\n\
        Nov 20 10:00:08 n1 app[99]: java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
        Nov 20 10:00:09 n1 kernel: eth0: link up\n";
    assert!(read(log).kills.is_empty());
}

#[test]
fn a_storm_without_victims_is_one_line_and_lost_reports_are_kills() {
    let one = "[   12.960278] protected invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-1000\n[   12.960447] memory: usage 32768kB, limit 32768kB, failcnt 24078\n[   12.960500] Out of memory and no killable processes...\n";
    let facts = read(one.repeat(500).as_bytes());
    assert!(facts.kills.is_empty());
    assert_eq!(facts.logs.len(), 1);
    assert_eq!(facts.diagnostics.iter().find(|d| d.code == "no-killable-process").map(|d| d.count), Some(500));

    let bare = b"[  100.000001] Memory cgroup out of memory: Killed process 42 (worker) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:985\n[  100.100000] oom_kill_process: 3 callbacks suppressed\n";
    let facts = read(bare);
    assert_eq!(facts.kills.len(), 1);
    assert!(facts.kills[0].what.report_lost && facts.kills[0].what.limit_level.is_none());
    assert_eq!(facts.logs[0].what.numbers, [("lost", 3.0)]);
}

fn killed(second: u32, pid: u32, pod: char) -> String {
    let p = format!(
        "/kubepods/burstable/pod{pod}{pod}{pod}{pod}{pod}{pod}{pod}{pod}-0000-4000-8000-000000000000/{}",
        pod.to_string().repeat(64)
    );
    [
        "memory: usage 1024kB, limit 1024kB, failcnt 3".to_owned(),
        format!("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={p},task_memcg={p},task=w,pid={pid},uid=0"),
        format!("Memory cgroup out of memory: Killed process {pid} (w) total-vm:9kB, anon-rss:8kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:900"),
    ]
    .map(|text| format!("2026-03-04T05:06:{second:02}+0000 n1 kernel: {text}\n"))
    .concat()
}

#[test]
fn what_a_late_journal_read_is_older_than_its_stamp() {
    let late = |log: &str| read(log.as_bytes()).kills.iter().map(|k| k.what.read_late).collect::<Vec<_>>();
    // Two cgroups in the second with which the boot's lines begin, and one kill later.
    let boot = "2026-03-04T05:06:07+0000 n1 kernel: Linux version 6.1.0 (builder@example.com)\n".to_owned();
    assert_eq!(late(&(boot.clone() + &killed(7, 10, 'a') + &killed(7, 11, 'b') + &killed(40, 12, 'c'))), [true, true, false]);
    // One cgroup that loses two processes at once is no sign of it; nor are two reports that were cut out of a log.
    assert_eq!(late(&(boot + &killed(7, 10, 'a') + &killed(7, 11, 'a') + &killed(40, 12, 'c'))), [false, false, false]);
    assert_eq!(late(&(killed(7, 10, 'a') + &killed(7, 11, 'b') + &killed(40, 12, 'c'))), [false, false, false]);
    // Up to the journal's own word that it began, one kill is enough; after it, none is late.
    let began = "2026-03-04T05:06:08+0000 n1 systemd-journald[99]: Journal started\n";
    assert_eq!(late(&(killed(7, 10, 'a') + began + &killed(8, 12, 'c'))), [true, false]);
}

#[test]
fn a_zone_word_of_several_meanings_is_told_and_spans_them() {
    let log = killed(7, 10, 'a').replace("2026-03-04T05:06:07+0000", "Wed 2026-03-04 05:06:07 CST");
    let facts = read(log.as_bytes());
    assert!(facts.diagnostics.iter().any(|d| d.code == "ambiguous-zone"));
    let RawTime::SomeZone { offsets, .. } = facts.kills[0].at else { panic!("{:?}", facts.kills[0].at) };
    assert!(offsets.contains(&-21_600) && offsets.contains(&28_800));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.log"), &log).unwrap();
    let path = [dir.path().to_path_buf()];
    let at = |tz: Option<&str>| {
        let mut options = postmem::pipeline::Options::default();
        options.correlate.tz = tz.map(str::to_owned);
        postmem::pipeline::read(&path, &options).unwrap().kills[0].at.unwrap()
    };
    assert_eq!(at(None).width() / 3_600_000_000_000, 14, "from China's to America's");
    assert!(at(Some("Asia/Shanghai")).width() <= 1_000_000_000);
    assert_eq!(at(Some("Asia/Shanghai")).earliest.rfc3339(), "2026-03-03T21:06:07.000000Z");
}

#[test]
fn kills_beyond_a_thousand_are_counted_per_cgroup_with_their_span() {
    let mut log = String::new();
    for i in 0..1_500u32 {
        log += &killed(i / 60 % 60, 10_000 + i, if i % 2 == 0 { 'a' } else { 'b' });
    }
    let facts = read(log.as_bytes());
    assert_eq!(facts.kills.len(), 1_024);
    assert_eq!(facts.kills.iter().map(|k| k.what.count).sum::<u64>(), 1_500);
    let folded: Vec<_> = facts.kills.iter().filter(|k| k.what.count > 1).collect();
    assert_eq!(folded.iter().map(|k| k.what.count).collect::<Vec<_>>(), [239, 239]);
    assert!(folded.iter().all(|k| k.what.last != RawTime::Absent));
    assert_eq!(facts.diagnostics.iter().find(|d| d.code == "storm-folded").map(|d| d.count), Some(476));
}

/// A group kill of more processes than a node runs: a hostile file. Looked up one by one it would take minutes.
#[test]
fn a_group_kill_of_a_hundred_thousand_is_one_kill_with_bounded_victims() {
    let mut log = "[ 1.000000] a invoked oom-killer: gfp_mask=0xcc0, order=0\n\
        [ 1.000001] Tasks in /x are going to be killed due to memory.oom.group set\n"
        .to_owned();
    // Each told twice, as the kernel tells the first victim.
    for pid in (10..100_010).chain(10..100_010) {
        log += &format!(
            "[ 1.000002] Memory cgroup out of memory: Killed process {pid} (a) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB\n"
        );
    }
    let facts = read(log.as_bytes());
    assert_eq!(facts.kills.len(), 1);
    assert_eq!(facts.kills[0].what.victims.len(), 65_536);
}

/// Sizes that no machine has, which a damaged row may claim, wherever the report sums them.
#[test]
fn impossible_sizes_in_a_task_table_are_survived_up_to_the_report() {
    let mut log = "Nov 21 05:00:00 n1 kernel: a invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0\n\
        Nov 21 05:00:00 n1 kernel: [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n"
        .to_owned();
    for (pid, name) in [(100, "a"), (101, "b"), (102, "b")] {
        log += &format!(
            "Nov 21 05:00:00 n1 kernel: [   {pid}]     0   {pid}     1000 9000000000000000000    40960        0             0 {name}\n"
        );
    }
    log += "Nov 21 05:00:00 n1 kernel: oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/x,task=a,pid=100,uid=0\n\
        Nov 21 05:00:00 n1 kernel: Out of memory: Killed process 100 (a) total-vm:4000kB, anon-rss:1000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0\n";
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("node.log"), log).unwrap();
    let done = postmem::pipeline::analyze(&[dir.path().to_path_buf()], &postmem::pipeline::Options::default()).unwrap();
    assert_eq!(done.document.findings[0].cause, "node-overcommit");
}

#[test]
fn kernel_memory_of_cgroup_v1_is_part_of_the_budget() {
    let log = "[  100.000001] w invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=900\n\
        [  100.000002] Task in /kubepods/podx killed as a result of limit of /kubepods/podx\n\
        [  100.000003] memory: usage 102400kB, limit 102400kB, failcnt 3\n\
        [  100.000004] memory+swap: usage 102400kB, limit 9007199254740988kB, failcnt 0\n\
        [  100.000005] kmem: usage 71680kB, limit 9007199254740988kB, failcnt 0\n\
        [  100.000006] Memory cgroup stats for /kubepods/podx: cache:1024KB rss:29696KB rss_huge:0KB mapped_file:0KB\n\
        [  100.000007] Memory cgroup out of memory: Kill process 42 (w) score 900 or sacrifice child\n\
        [  100.000008] Killed process 42 (w) total-vm:8888kB, anon-rss:4444kB, file-rss:10kB\n";
    let budget = read(log.as_bytes()).kills[0].what.budget().unwrap();
    assert_eq!((budget.other_kernel_bytes, budget.residual_bytes), (70 << 20, 0));
}

/// Carriers beyond the samples: a language that is not listed, a terminal's colours, a hypervisor's console, collectors.
#[test]
fn less_common_carriers_give_the_same_kills() {
    let all = carriers();
    let text = String::from_utf8(all.iter().find(|c| c.0 == "dmesg.txt").unwrap().1.clone()).unwrap();
    let want: Vec<OomKill> = read(text.as_bytes()).kills.iter().map(essence).collect();
    // Stamp and message, continuation lines joined to their head.
    let mut records: Vec<(String, String)> = Vec::new();
    for l in text.lines() {
        match l.strip_prefix('[').and_then(|r| r.split_once("] ")) {
            Some((stamp, message)) => records.push((stamp.to_owned(), message.to_owned())),
            None => records.last_mut().unwrap().1.extend(["\n", l.trim()]),
        }
    }
    let indented = |m: &str| m.replace('\n', "\n               ");
    type Render<'a> = Box<dyn Fn(&str, &str) -> String + 'a>;
    let renderings: [(&str, Render<'_>); 7] = [
        ("greek", Box::new(|_, m| format!("[Κυρ Νοε 21 00:43:48 2027] {}", indented(m)))),
        ("colours", Box::new(|t, m| format!("\x1b[32m[{t}] \x1b[0m\x1b[1m{}\x1b[0m", indented(m)))),
        ("guest", Box::new(|t, m| format!("2027-03-05T04:00:01.123Z| vcpu-1| I005: Guest: <6>[{t}] {}", indented(m)))),
        ("talos", Box::new(|_, m| format!("10.5.0.2: kern: warning: [2027-03-05T04:00:01.123456789Z]: {}", indented(m)))),
        (
            "docker",
            Box::new(|t, m| {
                serde_json::json!({"log": format!("[{t}] {m}\n"), "stream": "stderr", "time": "2027-03-05T04:00:01.1Z"}).to_string()
            }),
        ),
        (
            "cloudwatch",
            Box::new(|t, m| serde_json::json!({"timestamp": 1_804_219_201_123u64, "message": format!("[{t}] {m}")}).to_string()),
        ),
        ("cri", Box::new(|t, m| format!("2027-03-05T04:00:01.123456789+01:00 stderr F [{t}] {}", indented(m)))),
    ];
    for (name, render) in renderings {
        let log: String = records.iter().map(|(t, m)| render(t, m) + "\n").collect();
        let head = Head { path: name, bytes: log.get(..Head::LEN).unwrap_or(&log).as_bytes(), complete: log.len() < Head::LEN };
        assert!(kernel_log().sniff(&head) >= Match::Likely, "{name}");
        let kills: Vec<OomKill> = read(log.as_bytes()).kills.iter().map(essence).collect();
        assert_eq!(kills, want, "{name}");
    }
}
