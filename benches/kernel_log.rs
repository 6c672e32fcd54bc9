//! Node logs at the size of real ones: a journal in which reports are rare, nothing but reports, one kill of a group with a
//! hundred thousand members, and a kubelet's log of a gigabyte. The inputs are generated, every victim with a pid of its own; throughput is printed in bytes per second.
//!
//! To measure a whole run's memory instead, write the same inputs to disk: `cargo bench --bench kernel_log -- --write DIR`.

#![allow(clippy::print_stderr)]

use criterion::{BenchmarkId, Criterion, Throughput};
use postmem::formats::{FORMATS, Input, Open};
use postmem::model::{ArtifactId, Claim, Facts};
use std::borrow::Cow;
use std::io::{self, Read, Write};

struct Bytes<'b>(&'b [u8]);

impl Open for Bytes<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(self.0))
    }
}

/// One report of a memory cgroup, as 6.x prints it, for process `pid` at `uptime` seconds behind `prefix`.
fn report(out: &mut Vec<u8>, prefix: &str, pid: usize, uptime: f64) {
    let pod = format!("/kubepods/burstable/pod3f1c2b7a-9d4e-4a55-8c66-{:012x}/{:064x}", pid % 97, pid % 97);
    let mut line = |text: String| {
        let stamp = if prefix.is_empty() { format!("[{uptime:12.6}] ") } else { prefix.to_owned() };
        let _ = writeln!(out, "{stamp}{text}");
    };
    line("worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985".into());
    line(format!("CPU: 1 UID: 0 PID: {pid} Comm: worker Not tainted 6.12.9-cloud #1"));
    line("Call Trace:".into());
    for f in 0..24 {
        line(format!(" frame_{f}+0x1fd/0x4c0"));
    }
    line("memory: usage 65536kB, limit 65536kB, failcnt 33".into());
    line("swap: usage 0kB, limit 9007199254740988kB, failcnt 0".into());
    line(format!("Memory cgroup stats for {pod}:"));
    for (i, key) in
        ["anon", "file", "kernel", "kernel_stack", "pagetables", "sock", "shmem", "slab", "pgfault", "pgmajfault"].iter().enumerate()
    {
        line(format!("{key} {}", 4096 * (i + pid)));
    }
    line("Tasks state (memory values in pages):".into());
    line("[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name".into());
    line(format!("[{pid:7}]     0 {pid:5}    55339    17941    16288     1653         0   196608        0           985 worker"));
    line(format!(
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={pod},task_memcg={pod},task=worker,pid={pid},uid=0"
    ));
    line(format!(
        "Memory cgroup out of memory: Killed process {pid} (worker) total-vm:221356kB, anon-rss:65152kB, file-rss:6612kB, shmem-rss:0kB, UID:0 pgtables:192kB oom_score_adj:985"
    ));
}

/// A journal of `size` bytes with about 380 reports.
fn journal(size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 8192);
    let mut kills = 0;
    while out.len() < size {
        if out.len() >= kills * (size / 380) {
            report(&mut out, "Nov 06 22:20:08 node-a kernel: ", 1000 + kills, 0.0);
            kills += 1;
        }
        for i in 0..200 {
            let _ = match i % 4 {
                0 => writeln!(out, "Nov 06 22:20:08 node-a kernel: IPv4: martian source 10.16.80.{i} from 10.53.210.158, on dev eth0"),
                1 => writeln!(
                    out,
                    "Nov 06 22:20:09 node-a kubelet[1234]: I1106 22:20:09.123456    1234 reconciler.go:224] \"operationExecutor.VerifyControllerAttachedVolume started for volume\" pod=\"shop/cart-{i}\""
                ),
                2 => writeln!(
                    out,
                    "Nov 06 22:20:10 node-a containerd[1189]: time=\"2026-11-06T21:20:10.717672109Z\" level=info msg=\"shim disconnected\" namespace=k8s.io"
                ),
                _ => writeln!(out, "Nov 06 22:20:11 node-a systemd[1]: Started Session {i} of User root."),
            };
        }
    }
    out
}

/// A kubelet's own log of `size` bytes: the reconciler's chatter, a container death and an eviction now and then. Written as
/// it is made, for it may be larger than memory.
fn kubelet(out: &mut impl Write, size: u64) -> io::Result<()> {
    let (mut written, mut n) = (0u64, 0u64);
    while written < size {
        n += 1;
        let stamp = format!(
            "I{:02}{:02} {:02}:{:02}:{:02}.{:06}    1234",
            1 + n / 2_592_000 % 12,
            1 + n / 86_400 % 28,
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n % 1_000_000
        );
        let line = match n % 5_000 {
            17 => format!(
                "{stamp} kubelet.go:2453] \"SyncLoop (PLEG): event for pod\" pod=\"shop/cart-{}\" event={{\"Type\":\"ContainerDied\",\"Data\":\"{n:064x}\"}}\n",
                n % 97
            ),
            99 => format!("{stamp} eviction_manager.go:366] \"Eviction manager: must evict pod(s) to reclaim\" resourceName=\"memory\"\n"),
            _ => format!(
                "{stamp} reconciler.go:224] \"operationExecutor.VerifyControllerAttachedVolume started for volume\" pod=\"shop/cart-{}\"\n",
                n % 997
            ),
        };
        written += line.len() as u64;
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Nothing but reports.
fn dense(size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 8192);
    let mut n = 0;
    while out.len() < size {
        report(&mut out, "", 1000 + n, 10.0 + n as f64);
        n += 1;
    }
    out
}

/// One group kill of as many processes as `size` bytes name.
fn group(size: usize) -> Vec<u8> {
    let mut out = b"[    1.000000] worker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985\n\
        [    1.000001] Tasks in /kubepods/podx are going to be killed due to memory.oom.group set\n"
        .to_vec();
    let mut pid = 1000;
    while out.len() < size {
        let _ = writeln!(
            out,
            "[    1.000002] Memory cgroup out of memory: Killed process {pid} (worker) total-vm:221356kB, anon-rss:65152kB, file-rss:6612kB, shmem-rss:0kB"
        );
        pid += 1;
    }
    out
}

fn parse(bytes: &[u8]) -> usize {
    let mut out = Facts::new(ArtifactId(0));
    let source = Bytes(bytes);
    let input = Input { artifact: ArtifactId(0), path: "journal.log", len: None, who: Claim::default(), source: &source };
    if let Some(format) = FORMATS.iter().find(|f| f.name() == "kernel-log") {
        format.parse(&input, &mut out);
    }
    out.kills.iter().map(|k| k.what.count as usize).sum()
}

fn main() {
    let mut args = std::env::args().skip_while(|a| a != "--write");
    if let (Some(_), Some(dir)) = (args.next(), args.next()) {
        for (name, bytes) in [("journal.log", journal(200_000_000)), ("dense.log", dense(200_000_000))] {
            let path = std::path::Path::new(&dir).join(name);
            if let Err(e) = std::fs::write(&path, bytes) {
                eprintln!("{}: {e}", path.display());
            }
        }
        for (name, size) in [("kubelet-small.log", 10_000_000), ("kubelet-1gb.log", 1_000_000_000)] {
            let path = std::path::Path::new(&dir).join(name);
            let written = std::fs::File::create(&path).and_then(|f| {
                let mut out = io::BufWriter::with_capacity(1 << 20, f);
                kubelet(&mut out, size)?;
                out.flush()
            });
            if let Err(e) = written {
                eprintln!("{}: {e}", path.display());
            }
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("kernel-log");
    for (name, bytes) in [("journal", journal(20_000_000)), ("dense", dense(20_000_000)), ("group", self::group(20_000_000))] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::new("parse", name), &bytes, |b, bytes| b.iter(|| parse(bytes)));
    }
    group.finish();
    criterion.final_summary();
}
