//! Two hand-made reports: one as a good bundle gives it, one in which every string is hostile and every list too long.

use postmem::model::delta::{Amount, Delta, DeltaRow, PathStep, SnapshotInfo, Step, Suspect};
use postmem::model::finding::{Advice, Culprit, NotEvaluated, Trigger, TriggerKind};
use postmem::model::{Owner, Timestamp};
use postmem::report::document::*;
use serde_json::{Value, json};

pub const MIB: i64 = 1 << 20;
/// 2026-11-19 10:00 UTC
pub const START: i64 = 1_795_082_400;

pub fn at(minutes: f64) -> Timestamp {
    Timestamp::from_seconds_f64(START as f64 + minutes * 60.0)
}

pub fn span(minutes: f64) -> Span {
    Span { earliest: Some(at(minutes)), latest: Some(at(minutes)) }
}

pub fn owner(pod: &str, node: &str) -> Owner {
    Owner {
        namespace: Some("shop".into()),
        workload: Some("checkout-api".into()),
        pod: Some(format!("checkout-api-7d9f6b8c4-{pod}")),
        container: Some("app".into()),
        node: Some(node.into()),
    }
}

fn evidence(id: &str, source: &str, artifact: &str, line: Option<u32>, says: &str) -> EvidenceRef {
    EvidenceRef {
        id: id.into(),
        artifact: artifact.into(),
        line,
        byte_offset: Some(4096),
        byte_len: Some(120),
        excerpt: "the line itself".into(),
        says: says.into(),
        source: source.into(),
        strength: "strong".into(),
        rule: "kill-scope".into(),
        also: Vec::new(),
    }
}

fn advice(kind: &str, text: &str, command: Option<&str>) -> Advice {
    Advice { kind: kind.into(), text: text.into(), command: command.map(str::to_owned) }
}

/// Flat at 181 MiB until minute 242, then ramps to the limit every `life` minutes.
pub fn chart(pod: &str, node: &str, main: bool, life: f64) -> Chart {
    let mut segments = Vec::new();
    let mut marks = vec![Mark { time: START as f64 + 242.0 * 60.0, kind: "rollout".into(), label: "rollout v2.30.4 → v2.31.0".into() }];
    let mut runs = vec![ChartRun {
        start: START as f64,
        end: START as f64 + 242.0 * 60.0,
        first_bytes: 178.0 * MIB as f64,
        peak_bytes: 184.0 * MIB as f64,
        slope_bytes_per_hour: Some(0.4 * MIB as f64),
        ended: "rollout".into(),
    }];
    segments.push(
        (0..=242)
            .step_by(2)
            .map(|m| [START as f64 + f64::from(m) * 60.0, (181.0 + (f64::from(m) / 9.0).sin() * 2.0) * MIB as f64])
            .collect(),
    );
    let mut t = 243.0;
    while t < 840.0 {
        let end = (t + life).min(840.0);
        let steps = ((end - t) / 2.0) as i64;
        let value = |i: i64| (136.0 + (i as f64 * 2.0 / life) * 376.0 + (i as f64 / 2.0).sin() * 3.0).min(512.0) * MIB as f64;
        segments.push((0..=steps).map(|i| [START as f64 + (t + i as f64 * 2.0) * 60.0, value(i)]).collect());
        runs.push(ChartRun {
            start: START as f64 + t * 60.0,
            end: START as f64 + end * 60.0,
            first_bytes: 136.0 * MIB as f64,
            peak_bytes: value(steps),
            slope_bytes_per_hour: Some(376.0 / life * 60.0 * MIB as f64),
            ended: if end < 840.0 { "memory kill".into() } else { "still running".into() },
        });
        if end < 840.0 {
            marks.push(Mark { time: START as f64 + end * 60.0, kind: "kill".into(), label: "OOM kill, exit 137".into() });
        }
        t = end + 0.5;
    }
    if main {
        for (i, m) in [621.0, 656.0, 691.0].into_iter().enumerate() {
            marks.push(Mark { time: START as f64 + m * 60.0, kind: "snapshot".into(), label: format!("S{}", i + 1) });
        }
    }
    let rss: Vec<Vec<[f64; 2]>> = segments.iter().map(|s: &Vec<[f64; 2]>| s.iter().map(|p| [p[0], p[1] * 0.93]).collect()).collect();
    Chart {
        id: format!("c-{pod}"),
        owner: owner(pod, node),
        title: format!("Working set of checkout-api-7d9f6b8c4-{pod}"),
        main,
        limit_bytes: Some(512.0 * MIB as f64),
        request_bytes: Some(256.0 * MIB as f64),
        lines: vec![
            ChartLine { name: "working set".into(), segments },
            ChartLine { name: "rss".into(), segments: if main { rss } else { Vec::new() } },
        ],
        marks,
        eta_seconds: main.then_some([900.0, 1_500.0, 2_400.0]),
        forecast: if main {
            (0..=8)
                .map(|i| {
                    let (t, v) = (START as f64 + (840.0 + f64::from(i) * 6.0) * 60.0, 350.0 + f64::from(i) * 24.0);
                    [t, (v - f64::from(i) * 3.0) * MIB as f64, v * MIB as f64, (v + f64::from(i) * 4.0) * MIB as f64]
                })
                .collect()
        } else {
            Vec::new()
        },
        runs,
        source: vec!["prom/working_set.json".into(), "node/ip-10-2-31-7/journal-k.log".into()],
    }
}

pub fn delta() -> Delta {
    let row = |name: &str, location: Option<&str>, mib: [f64; 3], objects: i64, trend: &str| DeltaRow {
        kind: "class".into(),
        key: format!(",{name}"),
        name: name.into(),
        location: location.map(str::to_owned),
        before: Amount { count: Some(1000), bytes: Some((mib[0] * MIB as f64) as i64), retained_bytes: None },
        after: Amount { count: Some(1000 + objects), bytes: Some((mib[2] * MIB as f64) as i64), retained_bytes: None },
        count_delta: Some(objects),
        bytes_delta: Some(((mib[2] - mib[0]) * MIB as f64) as i64),
        retained_delta: None,
        steps: mib.iter().map(|m| Step { count: None, bytes: Some((m * MIB as f64) as i64) }).collect(),
        trend: trend.into(),
        ..DeltaRow::default()
    };
    let step = |edge: &str, node: &str, class: &str, mib: f64| PathStep {
        edge: edge.into(),
        node: node.into(),
        class: class.into(),
        place: None,
        title: None,
        retained_bytes: Some((mib * MIB as f64) as i64),
    };
    Delta {
        also: Vec::new(),
        schema: "postmem.diff/1".into(),
        format: "v8-heapsnapshot".into(),
        same_process: Some(true),
        measures: vec!["bytes".into(), "objects".into()],
        measure: "bytes".into(),
        snapshots: [(621.0, 119.0, 812_000), (656.0, 258.6, 1_030_000), (691.0, 398.9, 1_248_000)]
            .into_iter()
            .enumerate()
            .map(|(i, (m, mib, objects))| SnapshotInfo {
                path: format!("heap/S{}.heapsnapshot", i + 1),
                time: Some(at(m)),
                total_bytes: Some((mib * MIB as f64) as i64),
                objects: Some(objects),
                truncated: false,
            })
            .collect(),
        rows: vec![
            row("IdempotencyEntry", Some("lib/idempotency.ts:57"), [21.4, 98.2, 175.1], 44_451, "every-step"),
            row("ArrayBuffer", Some("native"), [8.1, 49.0, 89.7], 44_443, "every-step"),
            row("IncomingMessage", Some("node:_http_incoming"), [6.3, 21.0, 36.2], 44_454, "every-step"),
            row("(string)", None, [18.9, 24.9, 31.8], 96_866, "every-step"),
            row("Map", None, [3.1, 9.2, 12.3], 2, "plateau"),
            row("(compiled code)", None, [22.4, 22.6, 22.5], 166, "plateau"),
            row("Socket", None, [4.2, 3.1, 1.9], -812, "shrank"),
        ],
        suspects: vec![Suspect {
            advice: None,
            steps: Vec::new(),
            per_event: None,
            name: "IdempotencyStore.entries".into(),
            pattern: "unbounded-cache".into(),
            why: "one `Map` holds 301.4 of 398.9 MiB and gains 22,200 entries every 35 min".into(),
            retained_bytes: Some(301 * MIB),
            growth_bytes: Some(281 * MIB),
            growth_per_hour: None,
            objects_added: Some(44_451),
            path: vec![
                step("", "system / Context @48201", "system / Context", 301.4),
                step("store", "IdempotencyStore @48213", "IdempotencyStore", 301.4),
                step("entries", "Map @48219", "Map", 301.3),
                step("[value]", "IdempotencyEntry × 50,655", "IdempotencyEntry", 289.0),
                step("req", "IncomingMessage", "IncomingMessage", 113.9),
                step("_body", "Buffer → ArrayBuffer", "ArrayBuffer", 89.7),
            ],
            sites: vec!["lib/idempotency.ts:57".into()],
            culprits: vec![("class".into(), "IdempotencyEntry".into())],
        }],
        repeated_strings: None,
        limits: vec!["the shortest of several paths is shown".into()],
    }
}

pub fn flame() -> Flame {
    let node = |depth: u32, name: &str, before: f64, after: f64| FlameNode {
        depth,
        name: name.into(),
        before: (before * MIB as f64) as i64,
        after: (after * MIB as f64) as i64,
    };
    Flame {
        id: "f1".into(),
        title: "Live heap by allocation stack, 20:21 to 21:31".into(),
        kind: "diff".into(),
        unit: "bytes".into(),
        nodes: vec![
            node(0, "all", 119.0, 398.9),
            node(1, "processTicksAndRejections", 54.6, 331.0),
            node(2, "handleCheckout routes/checkout.ts:88", 35.0, 303.0),
            node(3, "withIdempotency lib/idempotency.ts:41", 7.2, 262.0),
            node(4, "IdempotencyStore.put lib/idempotency.ts:57", 4.4, 187.0),
            node(4, "readRawBody raw-body", 1.9, 72.0),
            node(5, "Buffer.concat", 1.0, 66.0),
            node(3, "priceCart", 23.6, 22.0),
            node(2, "metrics.flush", 9.0, 12.0),
            node(1, "Module._load", 48.0, 48.0),
        ],
        svg: None,
        dropped: "213 frames below 0.5 % were pruned, 3 % of the whole".into(),
    }
}

/// A leak with everything in it.
pub fn rich() -> ReportDoc {
    let (journal, describe) = ("node/ip-10-2-31-7/journal-k.log", "pods/checkout-api-x2mqp.describe.txt");
    let line = |n: u32, text: &str, ids: &[&str]| ExcerptLine {
        line: Some(n),
        byte_offset: u64::from(n) * 100,
        text: text.into(),
        evidence: ids.iter().map(|s| (*s).to_owned()).collect(),
    };
    let coverage = |source: &str, status: &str, found: &str, settles: &str, command: Option<&str>| CoverageDoc {
        source: source.into(),
        status: status.into(),
        found: found.into(),
        settles: settles.into(),
        command: command.map(str::to_owned),
    };
    let ruled = |hypothesis: &str, why: &str, status: &str, e: &[&str]| RuledOut {
        cause: "node-overcommit".into(),
        hypothesis: hypothesis.into(),
        why: why.into(),
        status: status.into(),
        evidence: e.iter().map(|s| (*s).to_owned()).collect(),
    };
    let undo = advice("stop", "Roll back to v2.30.4, which ran flat at 181 MiB.", Some("kubectl -n shop rollout undo deploy/checkout-api"));
    ReportDoc {
        recordings: Vec::new(),
        bridges: Vec::new(),
        schema: SCHEMA.into(),
        tool: Tool { name: "postmem".into(), version: "0.1.0".into() },
        inputs: vec![InputDoc {
            path: "INC-4821-support-bundle.tar.gz".into(),
            bytes: 1_310_000_000,
            sha256: "9f2c41d07ab83f5502be9917c3d60d8b7e1a6f0f7d7754c5e0b0a1c2d3e4e51d".into(),
        }],
        window: Some(Span { earliest: Some(at(0.0)), latest: Some(at(840.0)) }),
        headline: Headline {
            cause: "heap-leak".into(),
            class: "Application leak".into(),
            tone: "harm".into(),
            strength: "strong: 7 findings from 6 sources agree, 0 contradict".into(),
            sentence: "`checkout-api` keeps every request in memory since `v2.31.0` and is killed by its own 512 MiB limit about every 95 minutes".into(),
            detail: "The idempotency store added in v2.31.0 never evicts: each checkout leaves an entry holding the full request and its body (6.1 KiB). Memory climbs 242 MiB/h per pod until the kernel kills the container. [E5, E6, E7]".into(),
            scope: "namespace shop · 2026-11-19 10:00 to 2026-11-20 00:00 UTC".into(),
            first_step: Some(undo.clone()),
            figures: vec![
                Figure { label: "OOM kills".into(), value: "17".into(), note: "in 9 h 58 min, 3 of 3 pods".into(), evidence: vec!["E1".into()] },
                Figure { label: "Growth".into(), value: "242 MiB/h".into(), note: "was 0.4".into(), evidence: vec!["E3".into()] },
                Figure { label: "Time to kill".into(), value: "95 min".into(), note: "median, 92 to 109".into(), evidence: vec!["E3".into()] },
                Figure { label: "Capacity lost".into(), value: "11.7 min".into(), note: "pod downtime, no full outage".into(), evidence: vec!["E2".into()] },
            ],
        },
        findings: vec![
            FindingDoc {
                id: "f1".into(),
                cause: "heap-leak".into(),
                confidence: 0.96,
                strength: "strong".into(),
                owner: owner("x2mqp", "ip-10-2-31-7"),
                also_owners: vec![owner("9kd4t", "ip-10-2-18-40"), owner("pw7rz", "ip-10-2-44-19")],
                sentence: "the heap of `checkout-api` grows without bound".into(),
                quantities: [
                    ("growth_bytes_per_hour", 242.0 * MIB as f64),
                    ("limit_bytes", 512.0 * MIB as f64),
                    ("peak_bytes", 511.0 * MIB as f64),
                    ("time_to_oom_seconds", 5700.0),
                ]
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
                intervals: [("growth_bytes_per_hour".to_owned(), [233.0 * MIB as f64, 250.0 * MIB as f64])].into_iter().collect(),
                culprits: vec![Culprit { kind: "class".into(), name: "IdempotencyEntry".into(), growth_bytes: Some(154 * MIB), share: Some(0.55) }],
                trigger: Some(Trigger { kind: TriggerKind::Rollout, time: at(242.2), detail: "v2.31.0 finished rolling out".into() }),
                evidence: vec![
                    evidence("E1", "Kernel", journal, Some(48_213), "The kernel killed `node` inside the pod's own cgroup, not because the node ran out."),
                    evidence("E2", "Kubernetes", describe, Some(42), "Container `app`: last state OOMKilled, exit 137, restarts 6, limit 512Mi, QoS Burstable."),
                    evidence("E3", "Prometheus", "prom/working_set.json", None, "Six ramps with the same slope, 242 MiB/h (95 % interval 233 to 250). Before the rollout: 0.4 MiB/h."),
                    evidence("E4", "Kubernetes", "events.json", Some(2209), "v2.31.0 finished rolling out at 14:02:11, 38 s before the first sample of the first ramp."),
                    evidence("E5", "Heap", "heap/S3.heapsnapshot", None, "`IdempotencyEntry` grows in every snapshot, by 22,206 then 22,245 objects in 35 min each."),
                    evidence("E6", "Heap", "heap/S3.heapsnapshot", None, "One object, `IdempotencyStore.entries`, holds 301.4 of 398.9 MiB (75.6 %)."),
                    evidence("E7", "Heap", "pprof/heap-2131.pb.gz", None, "Allocation stacks agree: 254.8 of 279.9 MiB growth is below `withIdempotency`."),
                ],
                against: vec![evidence("E8", "Prometheus", "prom/rate.json", None, "Requests per second rose by 3 % day over day.")],
                advice: vec![
                    undo,
                    advice("fix", "Bound `IdempotencyStore.entries` (TTL or size) and store a key and status, not `req`: `lib/idempotency.ts:57`.", None),
                    advice("prove", "Take two snapshots ten minutes apart after the fix and compare them.", Some("postmem diff before.heapsnapshot after.heapsnapshot")),
                    advice("collect", "Collect the previous container's log next time.", Some("kubectl -n shop logs checkout-api-7d9f6b8c4-x2mqp -c app --previous > app.previous.log")),
                ],
                ruled_out: vec![
                    ruled("Node out of memory", "Kernel constraint is `CONSTRAINT_MEMCG`; node had 9.1 GiB available; `MemoryPressure=False` all day.", "ruled out", &["E1"]),
                    ruled("Limit simply too small", "Steady state before v2.31.0 used 35 % of the limit for 4 h under the same traffic.", "ruled out", &["E3"]),
                    ruled("Page cache counted as usage", "`file` is 11 MiB of 512 MiB (2 %) in the kernel's dump at the kill.", "ruled out", &[]),
                    ruled("Native leak outside V8", "Non-heap share is stable at 63 ± 2 MiB in all snapshots, but no `smaps` in the bundle.", "unlikely", &[]),
                ],
            },
            FindingDoc {
                id: "f2".into(),
                cause: "runtime-cap-above-limit".into(),
                confidence: 0.55,
                strength: "moderate".into(),
                owner: owner("x2mqp", "ip-10-2-31-7"),
                sentence: "`--max-old-space-size=480` leaves 32 MiB for everything else under the 512 MiB limit".into(),
                evidence: vec![evidence("E9", "Kubernetes", describe, Some(44), "NODE_OPTIONS is --max-old-space-size=480.")],
                ..FindingDoc::default()
            },
        ],
        kills: [334.0, 426.0, 519.0, 611.0, 705.0, 797.0]
            .into_iter()
            .map(|m| KillDoc {
                time: span(m),
                kind: "memcg-container".into(),
                owner: owner("x2mqp", "ip-10-2-31-7"),
                victim: json!({"pid": 31877, "comm": "node", "anon_rss_bytes": 518_000_000u64}),
                limit_level: Some("container".into()),
                limit_bytes: Some(512 << 20),
                usage_bytes: Some(512 << 20),
                victims: vec![],
                count: 1,
                exit_code: Some(137),
                witnesses: vec!["kernel".into(), "describe".into(), "events".into()],
                evidence: vec![evidence("E1", "Kernel", journal, Some(48_213), "")],
                budget: vec![
                    ("live heap in IdempotencyStore".into(), 348 << 20),
                    ("live heap, the rest".into(), 98 << 20),
                    ("code, stacks, native".into(), 48 << 20),
                    ("page cache".into(), 11 << 20),
                    ("sockets, slab".into(), 7 << 20),
                ],
                ..KillDoc::default()
            })
            .collect(),
        trends: vec![json!({
            "owner": {"namespace": "shop", "pod": "checkout-api-7d9f6b8c4-x2mqp", "container": "app"},
            "metric": "container_memory_working_set_bytes", "verdict": "leak", "form": "linear",
            "slope_bytes_per_hour": {"low": 233.0 * MIB as f64, "mid": 242.0 * MIB as f64, "high": 250.0 * MIB as f64},
            "limit_bytes": 512 << 20, "time_to_oom_seconds": {"low": 5200, "mid": 5700, "high": 6500},
            "percentiles": {"p95_bytes": 500 << 20, "max_bytes": 511 << 20}
        })],
        accounts: Vec::new(),
        dumps: Vec::new(),
        deltas: vec![DeltaDoc {
            owner: owner("x2mqp", "ip-10-2-31-7"),
            time: Span { earliest: Some(at(621.0)), latest: Some(at(691.0)) },
            total_growth_bytes: Some(280 * MIB),
            body: delta(),
        }],
        other_endings: Vec::new(),
        timeline: vec![
            TimelineDoc { time: span(242.2), time_written: None, basis: "stated".into(), kind: "rollout".into(), owner: owner("x2mqp", "ip-10-2-31-7"), text: "v2.31.0 finished rolling out".into(), evidence: evidence("E4", "Kubernetes", "events.json", Some(2209), "") },
            TimelineDoc { time: Span { earliest: Some(at(330.0)), latest: Some(at(336.0)) }, time_written: None, basis: "age-of-capture".into(), kind: "kill".into(), owner: owner("x2mqp", "ip-10-2-31-7"), text: "container `app` OOMKilled".into(), evidence: evidence("E2", "Kubernetes", describe, Some(42), "") },
        ],
        ledger: vec![LedgerDoc {
            owner: owner("x2mqp", "ip-10-2-31-7"),
            counts: vec![("kernel log".into(), 6), ("restart count".into(), 6), ("events".into(), 4)],
            says: "two events have aged out; no kill is missing from the kernel log".into(),
            evidence: vec![evidence("E2", "Kubernetes", describe, Some(42), "")],
            ..LedgerDoc::default()
        }],
        pods: vec![json!({"namespace": "shop", "name": "checkout-api-7d9f6b8c4-x2mqp", "node": "ip-10-2-31-7", "phase": "Running", "containers": [
            {"name": "app", "restart_count": 6, "limits": {"memory_bytes": 512 << 20}, "requests": {"memory_bytes": 256 << 20},
             "last_state": {"state": "terminated", "reason": "OOMKilled", "exit_code": 137},
             "env": {"NODE_OPTIONS": "--max-old-space-size=480", "DATABASE_URL": "postgres://app:hunter2@db/shop"}}]})],
        nodes: vec![json!({"name": "ip-10-2-31-7"})],
        artifacts: vec![
            json!({"path": journal, "format": "kernel-log", "bytes": 5_120_000, "facts": 6, "diagnostics": []}),
            json!({"path": "events.json", "format": "kube-objects", "bytes": 912_000, "facts": 4118, "diagnostics": [
                {"severity": "warning", "code": "truncated", "message": "the file ends inside an object; 4118 items were read", "line": 51_022, "byte_offset": 911_900, "count": 1}]}),
        ],
        coverage: vec![
            coverage("Pod describe", "read", "3 of 3 pods", "", None),
            coverage("Events", "read", "4,118 records, 13:40 to 24:00", "", None),
            coverage("Prometheus range", "read", "3 series over 14 h, 60 s step", "", None),
            coverage("V8 heap snapshots", "read", "3 (119, 259 and 399 MiB live)", "", None),
            coverage("Kernel journal", "partial", "1 of 3 nodes", "kills on the other nodes", Some("kubectl debug node/ip-10-2-18-40 -it --image=busybox -- chroot /host journalctl -k --since '2026-11-19 10:00' > journal-k.log")),
            coverage("Previous container logs", "missing", "", "what the program said before it died", Some("kubectl -n shop logs checkout-api-7d9f6b8c4-x2mqp -c app --previous > app.previous.log")),
            coverage("smaps_rollup", "missing", "", "native leak outside V8", Some("kubectl -n shop exec checkout-api-7d9f6b8c4-x2mqp -c app -- cat /proc/1/smaps_rollup > smaps_rollup")),
        ],
        known_defects: Vec::new(),
        agent_cycles: Vec::new(),
        not_evaluated: vec![NotEvaluated { rule: "native-growth".into(), need: "RSS and heap readings of one process".into(), ..NotEvaluated::default() }],
        joins: vec![JoinDoc { left: "cgroup …/cri-containerd-5be1….scope".into(), right: "shop/checkout-api-7d9f6b8c4-x2mqp/app".into(), reason: "same container id".into() }],
        contradictions: vec![],
        charts: vec![chart("x2mqp", "ip-10-2-31-7", true, 92.0), chart("9kd4t", "ip-10-2-18-40", false, 95.0), chart("pw7rz", "ip-10-2-44-19", false, 101.0)],
        flames: vec![flame()],
        excerpts: vec![
            Excerpt {
                artifact: journal.into(),
                lines: vec![
                    line(48_211, "Nov 19 21:45:08 ip-10-2-31-7 kernel: node invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=984", &[]),
                    line(48_213, "Nov 19 21:45:08 ip-10-2-31-7 kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=cri-…,oom_memcg=/kubepods.slice/…/cri-containerd-5be1….scope,task=node,pid=31877,uid=1000", &["E1"]),
                    line(48_214, "Nov 19 21:45:08 ip-10-2-31-7 kernel: Memory cgroup out of memory: Killed process 31877 (node) total-vm:1187432kB, anon-rss:505856kB", &[]),
                ],
            },
            Excerpt {
                artifact: describe.into(),
                lines: vec![
                    line(41, "    Last State:     Terminated", &[]),
                    line(42, "      Reason:       OOMKilled", &["E2"]),
                    line(43, "      Exit Code:    137", &[]),
                    line(44, "      NODE_OPTIONS:  --max-old-space-size=480", &["E9"]),
                ],
            },
            Excerpt { artifact: "events.json".into(), lines: vec![line(2209, "14:02:11  Normal  ScalingReplicaSet  deployment/checkout-api  Scaled down replica set checkout-api-5c6d7f9b8 to 0 from 1", &["E4"])] },
        ],
        redactions: 41,
    }
}

/// Text that attacks every kind of page at once.
pub const HOSTILE: &str = "\u{1b}[31m</script><script>alert(1)</script><img src=x onerror=alert(2)> | `tick` ``two`` ```\n# head\n</details>\u{202e}evil\u{0}\u{7}\u{200b} [E1](javascript:alert(3)) @team #12 <!-- $x$ \\ 漢字 “ć” \"';--";

/// Every string hostile, every list far too long, times and numbers impossible.
pub fn nasty() -> ReportDoc {
    let many = 400;
    let h = || HOSTILE.to_owned();
    let bad_owner = || Owner { namespace: Some(h()), workload: Some(h()), pod: Some(h()), container: Some(h()), node: Some(h()) };
    let ev = |i: usize| EvidenceRef {
        id: format!("E{i}"),
        artifact: h(),
        line: Some(u32::MAX),
        excerpt: h(),
        says: HOSTILE.repeat(if i < 9 { 20 } else { 1 }),
        source: h(),
        strength: h(),
        rule: h(),
        also: vec![(h(), None, 7); 2],
        ..EvidenceRef::default()
    };
    let todo = || Advice { kind: h(), text: h(), command: Some(HOSTILE.repeat(9)) };
    let value = || -> Value {
        json!({"path": h(), "name": h(), "format": h(), "comm": h(), "metric": h(), "verdict": h(), "bytes": u64::MAX, "facts": i64::MIN, "containers": [{"name": h(), "limits": {"memory_bytes": u64::MAX}}], "diagnostics": [{"severity": h(), "message": h(), "line": 1, "count": 99}, {}], "owner": {"pod": h()}})
    };
    let finding = |i: usize| FindingDoc {
        id: h(),
        cause: h(),
        confidence: f64::NAN,
        strength: h(),
        owner: bad_owner(),
        also_owners: (0..20).map(|_| bad_owner()).collect(),
        sentence: h(),
        quantities: (0..40).map(|i| (format!("{HOSTILE}{i}"), f64::INFINITY)).collect(),
        culprits: (0..40).map(|_| Culprit { kind: h(), name: h(), growth_bytes: Some(i64::MIN), share: Some(f64::NAN) }).collect(),
        trigger: Some(Trigger { kind: TriggerKind::Load, time: Timestamp::MAX, detail: h() }),
        evidence: (0..60).map(|j| ev(i * 400 + j)).collect(),
        against: (0..60).map(|j| ev(i * 400 + 200 + j)).collect(),
        advice: (0..30).map(|_| todo()).collect(),
        ruled_out: (0..50)
            .map(|_| RuledOut { cause: h(), hypothesis: h(), why: h(), status: h(), evidence: vec!["E1".into(), h()] })
            .collect(),
        ..FindingDoc::default()
    };
    let mut d = delta();
    d.rows = (0..many)
        .map(|_| DeltaRow {
            kind: h(),
            key: h(),
            name: h(),
            location: Some(h()),
            bytes_delta: Some(i64::MAX),
            count_delta: Some(i64::MIN),
            trend: h(),
            ..DeltaRow::default()
        })
        .collect();
    d.suspects = (0..9)
        .map(|_| Suspect {
            name: h(),
            pattern: h(),
            why: h(),
            path: (0..200)
                .map(|_| PathStep { edge: h(), node: h(), class: h(), title: Some(h()), place: Some(h()), retained_bytes: Some(i64::MIN) })
                .collect(),
            sites: vec![h(); 50],
            ..Suspect::default()
        })
        .collect();
    d.limits = vec![h(); 300];
    d.snapshots = (0..100)
        .map(|_| SnapshotInfo { path: h(), time: Some(Timestamp::MIN), total_bytes: Some(i64::MIN), objects: None, truncated: true })
        .collect();
    let bad_chart = || Chart {
        title: h(),
        owner: bad_owner(),
        main: true,
        limit_bytes: Some(f64::NAN),
        request_bytes: Some(-1.0),
        lines: (0..9)
            .map(|_| ChartLine {
                name: h(),
                segments: vec![
                    (0..20_000).map(|i| [f64::from(i), f64::from(i % 977) * 1e6]).collect(),
                    vec![[f64::NAN, f64::INFINITY], [1.0, 2.0]],
                    vec![],
                ],
            })
            .collect(),
        marks: (0..500)
            .map(|i| Mark {
                time: f64::from(i) * 37.0,
                kind: ["kill", "rollout", "restart", "snapshot", HOSTILE][i as usize % 5].into(),
                label: h(),
            })
            .chain([Mark { time: f64::NAN, kind: "kill".into(), label: h() }])
            .collect(),
        forecast: vec![[f64::NAN; 4], [1.0, f64::INFINITY, 2.0, 3.0], [20_000.0, 1.0, 2.0, 3.0], [f64::MAX, 1.0, 2.0, f64::MAX]],
        runs: (0..400)
            .map(|i| ChartRun {
                start: f64::from(i) * 50.0,
                end: f64::from(i) * 50.0 + 49.0,
                first_bytes: f64::NAN,
                peak_bytes: -1.0,
                slope_bytes_per_hour: Some(f64::NAN),
                ended: h(),
            })
            .collect(),
        source: vec![h(); 40],
        ..Chart::default()
    };
    ReportDoc {
        schema: SCHEMA.into(),
        tool: Tool { name: h(), version: h() },
        inputs: vec![InputDoc { path: h(), bytes: u64::MAX, sha256: h() }; 50],
        headline: Headline { cause: h(), class: h(), tone: h(), strength: h(), sentence: HOSTILE.repeat(30), detail: HOSTILE.repeat(30), scope: h(), first_step: Some(todo()), figures: vec![Figure { label: h(), value: h(), note: h(), evidence: vec![h(), "E1".into()] }; 40] },
        findings: (0..40).map(finding).collect(),
        kills: (0..many).map(|_| KillDoc { time: Span { earliest: Some(Timestamp::MIN), latest: Some(Timestamp(0)) }, kind: h(), owner: bad_owner(), victim: value(), witnesses: vec![h()], evidence: vec![ev(1)], budget: vec![(h(), u64::MAX); 40], count: u64::MAX, ..KillDoc::default() }).collect(),
        trends: (0..500).map(|_| value()).collect(),
        deltas: (0..6).map(|_| DeltaDoc { owner: bad_owner(), body: d.clone(), ..DeltaDoc::default() }).collect(),
        other_endings: (0..many).map(|_| EndingDoc { time: Span::default(), owner: bad_owner(), says: h(), exit_code: Some(i32::MIN), stop: false, known: false, evidence: ev(3) }).collect(),
        timeline: (0..many).map(|_| TimelineDoc { time: Span { earliest: None, latest: Some(Timestamp::MAX) }, time_written: Some(h()), basis: h(), kind: h(), owner: bad_owner(), text: h(), evidence: ev(2) }).collect(),
        ledger: (0..500).map(|_| LedgerDoc { owner: bad_owner(), counts: vec![(h(), u64::MAX); 30], says: h(), evidence: vec![ev(3)], ..LedgerDoc::default() }).collect(),
        pods: (0..500).map(|_| value()).collect(),
        nodes: vec![Value::Null, json!([1, 2])],
        artifacts: (0..many).map(|_| value()).collect(),
        coverage: (0..400).map(|_| CoverageDoc { source: h(), status: h(), found: h(), settles: h(), command: Some(h()) }).collect(),
        not_evaluated: (0..300).map(|_| NotEvaluated { rule: h(), need: h(), owner: bad_owner() }).collect(),
        joins: (0..many).map(|_| JoinDoc { left: h(), right: h(), reason: h() }).collect(),
        contradictions: (0..100).map(ev).collect(),
        charts: (0..4).map(|_| bad_chart()).collect(),
        flames: (0..4).map(|_| Flame { title: h(), kind: h(), unit: h(), nodes: (0..4000).map(|i| FlameNode { depth: i % 200, name: h(), before: i64::MIN, after: i64::MAX }).collect(), svg: Some(format!("<svg onload=\"alert(4)\">{HOSTILE}<style>*{{}}</style><rect style=\"x\" fill=\"url(http://evil/)\"/><a href=\"http://evil/\"><text>t</text></a></svg>")), dropped: h(), ..Flame::default() }).collect(),
        excerpts: (0..60).map(|i| Excerpt { artifact: h(), lines: (0..20).map(|j| ExcerptLine { line: Some(j), byte_offset: 1, text: HOSTILE.repeat(9), evidence: vec![format!("E{}", i * 20 + j), h()] }).collect() }).collect(),
        ..ReportDoc::default()
    }
}
