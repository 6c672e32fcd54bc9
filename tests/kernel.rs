//! Kernel logs: every rendering of one boot gives the same kills, a cut file gives no new fact, damage stays local.
//! Input: `samples/formats/kernel-log`, two kills provoked on a running kernel and rendered by `render.py`.

use postmem::formats::{FORMATS, Format, Head, Input, Match, Open};
use postmem::model::oom::OomKill;
use postmem::model::{ArtifactId, Claim, Facts, Observation, RawTime};
use std::borrow::Cow;
use std::io::{self, Read};
use std::path::PathBuf;

struct Bytes<'b>(&'b [u8]);

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
    let input = Input {
        artifact: ArtifactId(0),
        path: "node.log",
        len: Some(bytes.len() as u64),
        modified: None,
        who: Claim::default(),
        source: &source,
    };
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

#[test]
fn a_cut_file_gives_no_fact_that_the_whole_file_lacks() {
    for (name, bytes) in carriers() {
        let whole: Vec<OomKill> = read(&bytes).kills.iter().map(essence).collect();
        for i in 0..64 {
            let cut = bytes.len() * i / 64;
            let part = read(bytes.get(..cut).unwrap());
            assert!(part.kills.len() <= whole.len(), "{name} cut at {cut}");
            for (k, w) in part.kills.iter().map(essence).zip(&whole) {
                // A report may be thinner, never different.
                let (a, b) = (&k.victims[0], &w.victims[0]);
                assert_eq!((a.pid, &a.comm), (b.pid, &b.comm), "{name} cut at {cut}");
                assert!(a.anon_rss_bytes.is_none() || a.total_vm_bytes == b.total_vm_bytes, "{name} cut at {cut}");
                assert!(k.limit_bytes.is_none() || k.limit_bytes == w.limit_bytes, "{name} cut at {cut}");
                assert!(k.memcg_stats.iter().all(|(key, v)| w.memcg_stats.get(key) == Some(v)), "{name} cut at {cut}");
                assert!(k.tasks.len() <= w.tasks.len(), "{name} cut at {cut}");
            }
        }
    }
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
