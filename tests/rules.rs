//! Stories and the verdict they must get: what the rules said, weighed. That each rule is heard is `testimony`'s to show.

use postmem::diagnosis;
use postmem::model::delta::{Delta, DeltaRow, SnapshotInfo, Suspect};
use postmem::model::finding::{Cause, Evidence, Finding, Stance, Verdict};
use postmem::model::incident::PlacedDelta;
use postmem::model::kill::{Kill, Told, Witness};
use postmem::model::oom::{Constraint, KillKind, LimitLevel, OomKill, Task, Victim};
use postmem::model::pod::{ContainerKind, ContainerState, PodState, Volume};
use postmem::model::time::HOUR;
use postmem::model::trend::{Companion, Ended, Estimate, Percentiles, Run, Trend, TrendVerdict};
use postmem::model::workload::{Controller, From, Kind};
use postmem::model::{Cite, Claim, Incident, Owner, Placed, Timestamp, When};

pub const MIB: f64 = 1_048_576.0;
pub const WS: &str = "container_memory_working_set_bytes";

pub fn hour(h: i64) -> Timestamp {
    Timestamp(1_790_000_000_000_000_000 + h * HOUR)
}

pub fn cite() -> Cite {
    Cite::new(postmem::model::ArtifactId(0), 0, Some(1), b"a line of evidence")
}

pub fn owner() -> Owner {
    Owner {
        namespace: Some("shop".into()),
        workload: Some("cart".into()),
        pod: Some("cart-7d9f8b6c4-x2mqp".into()),
        container: Some("app".into()),
        node: Some("node-1".into()),
    }
}

/// An incident under construction: one container with a 512 MiB limit.
pub struct Story(pub Incident);

impl Story {
    pub fn new() -> Self {
        let mut s = Story(Incident::default());
        s.pod(|_| {});
        s
    }

    pub fn pod(&mut self, change: impl FnOnce(&mut PodState)) -> &mut Self {
        let mut pod = PodState {
            namespace: Some("shop".into()),
            name: "cart-7d9f8b6c4-x2mqp".into(),
            controlled_by: Some("ReplicaSet/cart-7d9f8b6c4".into()),
            ..PodState::default()
        };
        let mut app = ContainerState { name: "app".into(), ..ContainerState::default() };
        app.limits.memory_bytes = Some(512 << 20);
        pod.containers.push(app);
        change(&mut pod);
        let controller = Controller::new(Kind::Deployment, "cart", From::Object);
        self.0.controllers.insert((pod.namespace.clone(), pod.name.clone()), controller);
        self.0.pods = vec![Placed {
            at: When::at(hour(24)),
            owner: Owner { container: None, ..owner() },
            who: Claim::default(),
            cite: cite(),
            what: pod,
        }];
        self
    }

    pub fn kill(&mut self, kind: KillKind, at: i64, change: impl FnOnce(&mut OomKill)) -> &mut Self {
        let mut report = OomKill {
            victims: vec![Victim { pid: Some(42), comm: Some("app".into()), anon_rss_bytes: Some(500 << 20), ..Victim::default() }],
            constraint: Some(Constraint::Memcg),
            limit_level: Some(LimitLevel::Container),
            limit_bytes: Some(512 << 20),
            usage_bytes: Some(512 << 20),
            count: 1,
            ..OomKill::default()
        };
        change(&mut report);
        let victims = report.victims.clone();
        let (level, limit) = (report.limit_level, report.limit_bytes);
        self.0.oom_reports.push(Placed { at: When::at(hour(at)), owner: owner(), who: Claim::default(), cite: cite(), what: report });
        let kernel = kind.is_memory() && kind != KillKind::RuntimeAbort;
        self.0.kills.push(Kill {
            at: Some(When::at(hour(at))),
            kind,
            owner: owner(),
            victims,
            limit_level: level,
            limit_bytes: limit,
            count: 1,
            started: Some(hour(at - 6)),
            report: kernel.then_some(self.0.oom_reports.len() - 1),
            told: vec![Told::by(if kernel { Witness::Kernel } else { Witness::ContainerStatus }, cite(), "something ended")],
            ..Kill::default()
        });
        self
    }

    pub fn trend(&mut self, metric: &str, verdict: TrendVerdict, change: impl FnOnce(&mut Trend)) -> &mut Self {
        let mut t = Trend {
            owner: owner(),
            metric: metric.into(),
            verdict,
            percentiles: Percentiles {
                p50_bytes: 400.0 * MIB,
                p90_bytes: 480.0 * MIB,
                p95_bytes: 490.0 * MIB,
                p99_bytes: 505.0 * MIB,
                max_bytes: 510.0 * MIB,
            },
            limit_bytes: Some(512.0 * MIB),
            window: (hour(0), hour(24)),
            samples: 1440,
            cite: cite(),
            ..Trend::default()
        };
        if verdict == TrendVerdict::Leak {
            t.slope = Some(Estimate { low: 20.0 * MIB, mid: 24.0 * MIB, high: 28.0 * MIB });
            let run = Run { slope_bytes_per_hour: Some(24.0 * MIB), ..Run::default() };
            t.runs = vec![run.clone(), run];
        }
        change(&mut t);
        self.0.trends.push(t);
        self
    }

    pub fn verdict(&self) -> Verdict {
        diagnosis::diagnose(&self.0)
    }

    pub fn first(&self) -> Finding {
        self.verdict().findings.first().cloned().expect("a finding")
    }
}

#[track_caller]
fn expect(story: &Story, cause: Cause) -> Finding {
    let v = story.verdict();
    let f = v.findings.first().cloned().expect("a finding");
    assert_eq!(f.cause, cause, "{:?}", v.findings.iter().map(|f| (f.cause, f.confidence, &f.sentence)).collect::<Vec<_>>());
    f
}

#[test]
fn the_same_slope_after_every_restart_is_a_leak() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |_| {}).kill(KillKind::MemcgContainer, 16, |_| {}).trend(WS, TrendVerdict::Leak, |_| {});
    let f = expect(&s, Cause::HeapLeak);
    assert_eq!(f.quantities.get("growth_bytes_per_hour"), Some(&(24.0 * MIB)));
    assert!(!f.quantities.contains_key("recommended_limit_bytes"), "no limit is right for a leak");
    assert!(f.sentence.contains("24 MiB/h"), "{}", f.sentence);
}

#[test]
fn a_plateau_at_the_limit_is_a_limit_too_low_and_gets_a_size() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| {
        t.recommended_limit_bytes = Some(672.0 * MIB);
        t.recommended_request_bytes = Some(480.0 * MIB);
    });
    let f = expect(&s, Cause::LimitBelowNeed);
    let size = f.advice.iter().find_map(|a| a.command.clone()).expect("a command");
    assert_eq!(size, "kubectl -n shop set resources deployment/cart -c app --limits=memory=672Mi --requests=memory=480Mi");
}

#[test]
fn heap_gauge_decides_between_managed_and_native() {
    let beside = |metric: &str, mib_per_hour: f64| {
        let mut s = Story::new();
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |t| {
            t.companions.push(Companion {
                metric: metric.into(),
                unit: "bytes",
                slope_per_hour: Some(mib_per_hour * MIB),
                ..Companion::default()
            });
        });
        s
    };
    assert!(expect(&beside("nodejs_heap_size_used_bytes", 22.0), Cause::HeapLeak).confidence >= 0.9);
    expect(&beside("jvm_memory_used_bytes{area=\"heap\"}", 0.1), Cause::NativeGrowth);
    // Half way between says nothing either way.
    let unclear = expect(&beside("go_memstats_heap_inuse_bytes", 9.0), Cause::HeapLeak);
    assert!(unclear.evidence.iter().all(|e| e.rule != "heap-or-native"));
}

#[test]
fn successive_profiles_name_the_class() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |_| {});
    let suspect = Suspect {
        name: "Ticket".into(),
        why: "Ticket grows by 8,000 objects a step".into(),
        growth_bytes: Some(90 << 20),
        culprits: vec![("class".into(), "Ticket".into())],
        ..Suspect::default()
    };
    let row = DeltaRow {
        kind: "class".into(),
        key: ",Ticket".into(),
        name: "Ticket".into(),
        trend: "every-step".into(),
        bytes_delta: Some(90 << 20),
        ..DeltaRow::default()
    };
    let delta = Delta {
        format: "v8-heapsnapshot".into(),
        same_process: Some(true),
        snapshots: vec![SnapshotInfo::default(); 3],
        rows: vec![row],
        suspects: vec![suspect],
        ..Delta::default()
    };
    s.0.deltas.push(PlacedDelta {
        owner: owner(),
        at: When::at(hour(7)),
        cites: vec![cite()],
        what: delta,
        total_growth_bytes: Some(100 << 20),
    });
    let f = expect(&s, Cause::HeapLeak);
    assert_eq!(f.culprits.first().map(|c| (c.kind.as_str(), c.name.as_str())), Some(("class", "Ticket")));
    assert_eq!(f.culprits.first().and_then(|c| c.share), Some(0.9));
}

#[test]
fn a_cap_above_the_limit_is_named_with_its_flag() {
    let mut s = Story::new();
    s.pod(|p| p.containers[0].args = vec!["--max-old-space-size=1536".into()]);
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |_| {});
    let f = expect(&s, Cause::RuntimeCapAboveLimit);
    assert!(f.sentence.contains("--max-old-space-size=1536"), "{}", f.sentence);
    // A roomy cap speaks against.
    let mut roomy = Story::new();
    roomy.pod(|p| p.containers[0].args = vec!["--max-old-space-size=256".into()]);
    roomy.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |_| {});
    expect(&roomy, Cause::LimitBelowNeed);
}

#[test]
fn shmem_in_the_kernels_statistics_is_a_tmpfs_charge_and_names_the_volume() {
    let mut s = Story::new();
    s.pod(|p| {
        p.volumes =
            vec![Volume { name: "scratch".into(), kind: Some("EmptyDir".into()), medium: Some("Memory".into()), size_limit_bytes: None }];
        p.containers[0].mounts.insert("/staging".into(), "scratch".into());
    });
    s.kill(KillKind::MemcgContainer, 8, |o| {
        o.memcg_stats.insert("shmem".into(), 400 << 20);
        o.memcg_stats.insert("anon".into(), 60 << 20);
    });
    s.trend(WS, TrendVerdict::Leak, |_| {});
    let f = expect(&s, Cause::TmpfsCharge);
    assert_eq!(f.culprits.first().map(|c| c.name.as_str()), Some("scratch"));
}

#[test]
fn slab_fills_the_limit() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |o| {
        o.memcg_stats.insert("slab".into(), 350 << 20);
        o.memcg_stats.insert("anon".into(), 60 << 20);
    });
    let f = expect(&s, Cause::KernelMemory);
    assert!(f.evidence.iter().any(|e| e.says.contains("slab")));
}

#[test]
fn usage_at_the_limit_with_a_low_working_set_is_page_cache() {
    let mut s = Story::new();
    let low = Percentiles { p50_bytes: 100.0 * MIB, p95_bytes: 120.0 * MIB, max_bytes: 130.0 * MIB, ..Percentiles::default() };
    s.trend(WS, TrendVerdict::Bounded, |t| {
        t.percentiles = low;
        t.inactive_file_bytes = Some(390.0 * MIB);
    });
    expect(&s, Cause::PageCache);
}

#[test]
fn load_that_rose_eightfold_is_a_spike_and_half_again_is_growth() {
    for (factor, cause) in [(8.2, Cause::LoadSpike), (2.0, Cause::LoadGrowth)] {
        let mut s = Story::new();
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::LoadFollowing, |t| {
            t.load_correlation = Some(0.95);
            t.load_factor = Some(factor);
        });
        expect(&s, cause);
    }
}

#[test]
fn a_probe_kill_at_forty_per_cent_is_not_a_memory_kill() {
    let mut s = Story::new();
    s.kill(KillKind::ProbeKill, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| t.percentiles.max_bytes = 200.0 * MIB);
    let f = expect(&s, Cause::NotMemoryKill);
    assert!(f.confidence >= 0.8);
}

#[test]
fn one_stop_on_request_is_not_worth_a_finding() {
    let mut s = Story::new();
    s.kill(KillKind::Sigterm, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| t.percentiles.max_bytes = 200.0 * MIB);
    expect(&s, Cause::NoProblem);
}

#[test]
fn an_init_container_that_dies_at_once_is_a_startup_peak() {
    let mut s = Story::new();
    s.pod(|p| p.containers[0].kind = ContainerKind::Init);
    s.kill(KillKind::MemcgContainer, 8, |_| {});
    expect(&s, Cause::StartupPeak);
}

#[test]
fn a_job_at_its_limit_is_a_batch_peak() {
    let mut s = Story::new();
    s.pod(|p| p.controlled_by = Some("Job/settle-29713050".into()));
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::InsufficientData, |_| {});
    expect(&s, Cause::BatchPeak);
}

#[test]
fn a_node_kill_blames_the_node_and_a_service_kill_the_service() {
    let mut node = Story::new();
    node.kill(KillKind::NodeOom, 8, |o| {
        o.constraint = Some(Constraint::None);
        o.limit_level = Some(LimitLevel::Node);
        o.limit_bytes = None;
    });
    let f = expect(&node, Cause::NodeOvercommit);
    assert_eq!((f.owner.node.as_deref(), f.owner.pod.as_deref()), (Some("node-1"), None));
    let mut service = Story::new();
    service.kill(KillKind::MemcgService, 8, |o| o.victims[0].comm = Some("kubelet".into()));
    service.0.kills[0].owner = Owner::node("node-1");
    let f = expect(&service, Cause::NodeAgentLeak);
    assert_eq!(f.culprits.first().map(|c| c.name.as_str()), Some("kubelet"));
}

#[test]
fn the_container_that_grew_is_blamed_for_a_kill_at_the_pods_limit() {
    let mut s = Story::new();
    s.pod(|p| p.containers.push(ContainerState { name: "sync".into(), ..ContainerState::default() }));
    s.kill(KillKind::MemcgPod, 8, |o| o.limit_level = Some(LimitLevel::Pod));
    s.trend(WS, TrendVerdict::Bounded, |_| {}).trend(WS, TrendVerdict::Leak, |t| t.owner.container = Some("sync".into()));
    let f = expect(&s, Cause::NeighbourInPod);
    assert_eq!(f.owner.container.as_deref(), Some("sync"));
}

#[test]
fn bounded_memory_without_a_kill_is_no_problem() {
    let mut s = Story::new();
    s.trend(WS, TrendVerdict::Bounded, |t| t.percentiles.max_bytes = 300.0 * MIB);
    expect(&s, Cause::NoProblem);
}

#[test]
fn a_bare_kill_is_never_a_confident_cause() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |_| {});
    let f = s.first();
    assert!(f.confidence < 0.7, "{:?} {}", f.cause, f.confidence);
    let v = s.verdict();
    assert!(v.not_evaluated.iter().any(|n| n.rule == "working-set-growth" && n.need.contains("memory series")), "{:?}", v.not_evaluated);
}

/// A gauge that moves by so many MiB an hour.
pub fn gauge(metric: &str, mib_per_hour: f64) -> Companion {
    Companion { metric: metric.into(), unit: "bytes", slope_per_hour: Some(mib_per_hour * MIB), ..Companion::default() }
}

#[test]
fn heap_that_is_held_but_not_live_is_the_caps_doing() {
    let mut s = Story::new();
    s.pod(|p| p.containers[0].args = vec!["-Xmx512m".into()]);
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |t| {
        t.companions.push(gauge("jvm_memory_used_bytes{area=\"heap\"}", 0.1));
        t.companions.push(gauge("jvm_memory_committed_bytes{area=\"heap\"}", 23.0));
    });
    let f = expect(&s, Cause::RuntimeCapAboveLimit);
    assert!(f.evidence.iter().any(|e| e.rule == "heap-or-native" && e.says.contains("not what lives in it")), "{:?}", f.evidence);
}

#[test]
fn garbage_below_a_cap_beyond_the_limit_is_no_sure_leak_and_the_heap_after_collections_settles_it() {
    let capped = |companions: Vec<Companion>| {
        let mut s = Story::new();
        s.pod(|p| p.containers[0].args = vec!["--max-old-space-size=1536".into()]);
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |t| t.companions = companions);
        s
    };
    let used = || gauge("nodejs_heap_size_used_bytes", 22.0);
    assert!(capped(vec![used()]).first().confidence < 0.7);
    expect(&capped(vec![used(), gauge("nodejs_heap_used_after_gc_bytes", 0.2)]), Cause::RuntimeCapAboveLimit);
    assert!(expect(&capped(vec![used(), gauge("nodejs_heap_used_after_gc_bytes", 21.0)]), Cause::HeapLeak).confidence >= 0.8);
}

#[test]
fn a_rise_in_part_of_a_day_stays_a_suspicion_until_something_confirms_it() {
    let rising = |hours: i64| {
        let mut s = Story::new();
        s.trend(WS, TrendVerdict::Leak, |t| {
            t.window = (hour(0), hour(hours));
            t.runs = vec![Run { first_bytes: 400.0 * MIB, slope_bytes_per_hour: Some(24.0 * MIB), ..Run::default() }];
            t.time_to_oom = Some(Estimate { low: 4e4, mid: 5e4, high: 6e4 });
        });
        s.first().confidence
    };
    assert!(rising(6) < 0.5, "{}", rising(6));
    assert!(rising(48) > 0.5, "{}", rising(48));
}

#[test]
fn a_long_first_life_in_the_series_is_no_startup_peak() {
    let story = |first: i64| {
        let mut s = Story::new();
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| {
            t.runs = vec![Run { start: hour(8 - first), end: hour(8), ended: Ended::Oom, ..Run::default() }];
        });
        s.0.kills[0].started = Some(Timestamp(hour(8).0 - 60_000_000_000));
        let about = |e: &&Evidence| e.rule == "startup-peak" && e.cause == Cause::StartupPeak;
        s.first().evidence.iter().find(about).map(|e| e.stance)
    };
    assert_eq!(story(0), Some(Stance::For));
    assert_eq!(story(7), Some(Stance::Against));
}

#[test]
fn even_distances_between_kills_point_to_growth_and_whole_days_do_not() {
    let kills_at = |hours: &[i64]| {
        let mut s = Story::new();
        for h in hours {
            s.kill(KillKind::MemcgContainer, *h, |_| {});
        }
        s.first()
    };
    let even = kills_at(&[5, 12, 19, 26]);
    assert!(even.cause == Cause::HeapLeak && even.confidence < 0.7, "{:?} {}", even.cause, even.confidence);
    assert_ne!(kills_at(&[5, 29, 53, 77]).cause, Cause::HeapLeak);
    assert_ne!(kills_at(&[5, 6, 19, 21]).cause, Cause::HeapLeak);
}

#[test]
fn a_kill_that_nobody_can_place_is_heard_all_the_same() {
    let mut s = Story::new();
    s.trend(WS, TrendVerdict::Bounded, |t| t.percentiles.max_bytes = 300.0 * MIB);
    s.kill(KillKind::MemcgContainer, 8, |_| {});
    s.0.kills[0].owner = Owner::default();
    let f = expect(&s, Cause::Inconclusive);
    assert_eq!(f.owner, Owner::default());
    // The pod is known by its name alone.
    s.0.kills[0].owner = Owner { namespace: Some("shop".into()), pod: Some("gone-1".into()), ..Owner::default() };
    assert_eq!(s.first().owner.pod.as_deref(), Some("gone-1"));
}

#[test]
fn restarts_at_the_limit_that_only_a_series_shows_are_not_no_problem() {
    let mut s = Story::new();
    s.trend(WS, TrendVerdict::Bounded, |t| t.oom_times = vec![hour(4), hour(12)]);
    s.0.pods.clear();
    expect(&s, Cause::LimitBelowNeed);
}

#[test]
fn the_kernels_task_table_names_the_group_that_held_most() {
    let mut s = Story::new();
    s.kill(KillKind::NodeOom, 8, |o| {
        o.constraint = Some(Constraint::None);
        o.limit_level = Some(LimitLevel::Node);
        let task = |comm: &str, rss: u64| Task { comm: comm.into(), rss_bytes: Some(rss << 20), ..Task::default() };
        o.tasks = (0..20).map(|_| task("worker", 400)).chain([task("redis", 900), task("kubelet", 90)]).collect();
    });
    let f = expect(&s, Cause::NodeOvercommit);
    assert!(f.culprits.iter().any(|c| c.kind == "process" && c.name == "worker"), "{:?}", f.culprits);
}

#[test]
fn growth_in_neither_rss_nor_cache_is_the_kernels() {
    let mut s = Story::new();
    s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |t| {
        t.rss_slope_bytes_per_hour = Some(0.3 * MIB);
        t.cache_slope_bytes_per_hour = Some(0.0);
    });
    expect(&s, Cause::KernelMemory);
}
