//! A mixed bundle of any size, the same bytes for the same size: container logs, a kernel log with kills, Prometheus
//! answers, kubectl text and tracemalloc snapshots, in the proportions of a support bundle.

use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The usual 64-bit linear congruential generator; its upper half is what is used.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

const NAMES: [&str; 8] = ["cart", "quote", "billing", "search", "thumbs", "ledger", "mailer", "gateway"];

/// Writes a bundle of about `megabytes` below `dir`.
pub fn bundle(dir: &Path, megabytes: u64) -> io::Result<()> {
    let total = megabytes << 20;
    let file = |name: &str| -> io::Result<BufWriter<std::fs::File>> {
        let p = dir.join(name);
        p.parent().map(std::fs::create_dir_all).transpose()?;
        Ok(BufWriter::with_capacity(1 << 20, std::fs::File::create(p)?))
    };
    for (i, name) in NAMES.iter().enumerate() {
        let path = format!("namespaces/shop/pods/{name}-7d9f8b6c4-x2mq{i}/app/app/logs/current.log");
        app_log(&mut file(&path)?, total * 35 / 100 / NAMES.len() as u64, i as u64)?;
        describe(&mut file(&format!("describe/{name}-7d9f8b6c4-x2mq{i}.txt"))?, name, i)?;
    }
    kernel_log(&mut file("nodes/worker-1/kern.log")?, total * 20 / 100)?;
    let metrics = ["container_memory_working_set_bytes", "container_memory_rss", "container_memory_cache"];
    for (i, metric) in metrics.iter().enumerate() {
        query_range(&mut file(&format!("prometheus/{metric}.json"))?, metric, total * 10 / 100, i as u64)?;
    }
    for i in 0..3 {
        tracemalloc(&mut file(&format!("app/tracemalloc-2026030{}T100000Z.pickle", i + 1))?, total * 5 / 100, i)?;
    }
    Ok(())
}

fn app_log(out: &mut impl Write, size: u64, seed: u64) -> io::Result<()> {
    let mut r = Random(seed);
    let (mut written, mut ms) = (0, 1_772_359_200_000u64);
    while written < size {
        ms += r.below(400);
        let line = format!(
            "{{\"level\":30,\"time\":{ms},\"pid\":1,\"hostname\":\"app-{seed}\",\"req\":{{\"method\":\"GET\",\"url\":\"/api/v1/items/{}\"}},\"res\":{{\"statusCode\":200}},\"responseTime\":{},\"msg\":\"request completed\"}}\n",
            r.below(10_000),
            r.below(90)
        );
        written += line.len() as u64;
        out.write_all(line.as_bytes())?;
    }
    out.write_all(b"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n")
}

fn kernel_log(out: &mut impl Write, size: u64) -> io::Result<()> {
    let mut r = Random(99);
    let (mut written, mut n) = (0, 0u64);
    while written < size {
        n += 1;
        let stamp = format!("2026-03-01T10:{:02}:{:02}+0000 worker-1 kernel:", n / 600 % 60, n / 10 % 60);
        let mut text = format!("{stamp} eth0: link event {} queue {}\n", r.below(1000), r.below(8));
        if n.is_multiple_of(20_000) {
            let pid = 1000 + r.below(60_000);
            text += &format!("{stamp} app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=969\n");
            text += &format!("{stamp} memory: usage 524288kB, limit 524288kB, failcnt {n}\n");
            text += &format!(
                "{stamp} oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-containerd-{n:064x}.scope,mems_allowed=0,oom_memcg=/kubepods.slice/pod,task_memcg=/kubepods.slice/pod/cri-containerd-{n:064x}.scope,task=app,pid={pid},uid=1000\n"
            );
            text += &format!(
                "{stamp} Memory cgroup out of memory: Killed process {pid} (app) total-vm:1200000kB, anon-rss:{}kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:1500kB oom_score_adj:969\n",
                500_000 + r.below(20_000)
            );
        }
        written += text.len() as u64;
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn query_range(out: &mut impl Write, metric: &str, size: u64, seed: u64) -> io::Result<()> {
    let mut r = Random(seed + 7);
    out.write_all(b"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[")?;
    let (mut written, mut series) = (0, 0u64);
    while written < size {
        let name = NAMES.get(series as usize % NAMES.len()).copied().unwrap_or("app");
        let comma = if series == 0 { "" } else { "," };
        let mut text = format!(
            "{comma}{{\"metric\":{{\"__name__\":\"{metric}\",\"namespace\":\"shop\",\"pod\":\"{name}-7d9f8b6c4-{series:05}\",\"container\":\"app\",\"node\":\"worker-1\"}},\"values\":["
        );
        let mut bytes = 200_000_000 + r.below(50_000_000);
        for i in 0..5000u64 {
            bytes += r.below(20_000);
            let comma = if i == 0 { "" } else { "," };
            text += &format!("{comma}[{},\"{bytes}\"]", 1_772_359_200 + i * 15);
        }
        text += "]}";
        series += 1;
        written += text.len() as u64;
        out.write_all(text.as_bytes())?;
    }
    out.write_all(b"]}}\n")
}

fn describe(out: &mut impl Write, name: &str, i: usize) -> io::Result<()> {
    write!(
        out,
        "Name:             {name}-7d9f8b6c4-x2mq{i}\nNamespace:        shop\nPriority:         0\nNode:             worker-1/10.0.0.7\nStart Time:       Sun, 01 Mar 2026 08:00:00 +0000\nStatus:           Running\nContainers:\n  app:\n    Container ID:   containerd://{i:064x}\n    Image:          registry.example.com/{name}:1.{i}\n    State:          Running\n      Started:      Sun, 01 Mar 2026 10:00:00 +0000\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n      Started:      Sun, 01 Mar 2026 08:00:00 +0000\n      Finished:     Sun, 01 Mar 2026 09:59:58 +0000\n    Ready:          True\n    Restart Count:  {i}\n    Limits:\n      memory:  512Mi\n    Requests:\n      memory:  256Mi\nQoS Class:        Burstable\n"
    )
}

/// A snapshot in protocol 4, as `Snapshot.dump()` writes it on Python 3.9 and later.
fn tracemalloc(out: &mut impl Write, size: u64, seed: u64) -> io::Result<()> {
    const STACKS: u32 = 5000;
    let mut r = Random(seed + 31);
    out.write_all(b"\x80\x04\x8c\x0btracemalloc\x94\x8c\x08Snapshot\x94\x93\x94)\x81\x94}\x94(\x8c\x06traces\x94h\x00\x8c\x07_Traces\x94\x93\x94)\x81\x94}\x94\x8c\x07_traces\x94]\x94(")?;
    // Memo entries so far: the head above stores 12.
    let (mut written, mut memo, mut known) = (0u64, 12u32, Vec::new());
    while written < size {
        out.write_all(b"(K\x00M")?;
        out.write_all(&(r.below(4000) as u16).to_le_bytes())?;
        let s = r.below(u64::from(STACKS)) as usize;
        match known.get(s) {
            Some(&at) => {
                out.write_all(b"j")?;
                out.write_all(&u32::to_le_bytes(at))?;
                written += 15;
            }
            None => {
                let s = known.len();
                let file = format!("/srv/app/module_{}.py", s % 300);
                out.write_all(b"\x8c")?;
                out.write_all(&[file.len() as u8])?;
                out.write_all(file.as_bytes())?;
                out.write_all(b"\x94M")?;
                out.write_all(&((s % 2000) as u16).to_le_bytes())?;
                out.write_all(b"\x86\x94\x85\x94")?;
                memo += 3;
                known.push(memo - 1);
                written += 40;
            }
        }
        out.write_all(b"K\x01t\x94")?;
        memo += 1;
    }
    out.write_all(b"esb\x8c\x0ftraceback_limit\x94K\x01ub.")
}
