//! Every rule on the stand: over one list of stories each rule in `RULES` speaks for a cause, speaks against one, and stays
//! silent in a case that does not concern it. A new rule fails here until a story makes it do all three.

use crate::rules::{MIB, Story, WS, cite, gauge, hour, owner};
use postmem::diagnosis::case::{Case, cases};
use postmem::diagnosis::rule::Testimony;
use postmem::diagnosis::rules::RULES;
use postmem::model::bridge::{Bridge, Rung};
use postmem::model::cgroup::CgroupReading;
use postmem::model::delta::{Delta, SnapshotInfo, Suspect};
use postmem::model::finding::{Cause, Stance};
use postmem::model::incident::{OtherEnding, PlacedDelta};
use postmem::model::oom::{Constraint, KillKind, LimitLevel, Task};
use postmem::model::pod::{ContainerKind, ContainerState};
use postmem::model::trend::{Ended, Percentiles, Run, TrendVerdict};
use postmem::model::{Claim, Index, Owner, Placed, When};
use std::collections::BTreeMap;

/// Rules that cannot do all three, and why.
const EXCEPT: [(&str, &str); 2] = [
    ("node-overcommit", "against: that the node ran out is contradicted by kill-scope, which knows whose limit was hit"),
    ("known-defects", "for and against: a published defect is a remark beside other rules' evidence; its own tests make it speak"),
];

fn told(change: impl FnOnce(&mut Story)) -> Story {
    let mut s = Story::new();
    change(&mut s);
    s
}

/// A leak of 24 MiB an hour whose profiles, two hours apart, grew by `mib` in all.
fn profiled(mib: i64) -> Story {
    told(|s| {
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |_| {});
        let suspect = Suspect {
            name: "Ticket".into(),
            why: "Ticket grows at every step".into(),
            growth_bytes: Some(mib << 20),
            culprits: vec![("class".into(), "Ticket".into())],
            ..Suspect::default()
        };
        let delta = Delta {
            format: "v8-heapsnapshot".into(),
            measure: "bytes".into(),
            same_process: Some(true),
            snapshots: vec![SnapshotInfo::default(); 3],
            suspects: vec![suspect],
            ..Delta::default()
        };
        let at = When { earliest: hour(5), latest: hour(7), ..When::at(hour(5)) };
        s.0.deltas.push(PlacedDelta { owner: owner(), at, cites: vec![cite()], what: delta, total_growth_bytes: Some(mib << 20) });
    })
}

/// A process of 400 MiB of which its runtime accounts for `mib`.
fn bridged(mib: f64) -> Story {
    told(|s| {
        s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |_| {});
        let rung = |id, mib: f64| Rung { id, name: id, bytes: mib * MIB, level: true, says: String::new(), cites: vec![cite()] };
        let rungs = vec![rung("live-heap", mib / 2.0), rung("runtime", mib), rung("rss", 400.0), rung("unexplained", 400.0 - mib)];
        s.0.bridges.push(Bridge { owner: owner(), at: When::at(hour(7)), rungs });
    })
}

fn stories() -> Vec<Story> {
    let killed = |verdict| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, verdict, |_| {});
        })
    };
    let statistics = |key: &'static str| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |o| {
                o.memcg_stats.insert("anon".into(), if key == "anon" { 480 << 20 } else { 60 << 20 });
                o.memcg_stats.entry(key.into()).or_insert(400 << 20);
            });
        })
    };
    let beside = |metric: &'static str, mib_per_hour| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Leak, |t| t.companions.push(gauge(metric, mib_per_hour)));
        })
    };
    let loaded = |correlation, factor| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::LoadFollowing, |t| {
                t.load_correlation = Some(correlation);
                t.load_factor = Some(factor);
            });
        })
    };
    let capped = |flag: &'static str| {
        told(|s| {
            s.pod(|p| p.containers[0].args = vec![flag.into()]);
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |_| {});
        })
    };
    let life = |hours: i64| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| {
                t.runs = vec![Run { start: hour(8 - hours), end: hour(8), ended: Ended::Oom, ..Run::default() }];
            });
            s.0.kills[0].started = Some(hour(8));
        })
    };
    let in_pod = |grown: &'static str| {
        told(|s| {
            s.pod(|p| p.containers.push(ContainerState { name: "sync".into(), ..ContainerState::default() }));
            s.kill(KillKind::MemcgPod, 8, |o| o.limit_level = Some(LimitLevel::Pod));
            for name in ["app", "sync"] {
                let verdict = if name == grown { TrendVerdict::Leak } else { TrendVerdict::Bounded };
                s.trend(WS, verdict, |t| t.owner.container = Some(name.into()));
            }
        })
    };
    let otherwise = told(|s| {
        let says = "container app ended with exit code 139 (SIGSEGV): it ended by itself with code 139".to_owned();
        s.0.other_endings.push(OtherEnding { owner: owner(), says, code: Some(139), known: true, cite: cite(), ..OtherEnding::default() });
    });
    // The files of its cgroup, which stands at the limit of 512 MiB.
    let cgroup = |key: &'static str, mib: u64| {
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |_| {});
            let reading = |file: &str| CgroupReading { file: file.into(), ..CgroupReading::default() };
            let current = CgroupReading { value: Some(500 << 20), ..reading("memory.current") };
            let stat = CgroupReading { values: BTreeMap::from([(key.to_owned(), mib << 20)]), ..reading("memory.stat") };
            for what in [current, stat] {
                s.0.cgroups.push(Placed { at: When::at(hour(9)), owner: owner(), who: Claim::default(), cite: cite(), what });
            }
        })
    };
    vec![
        otherwise,
        cgroup("anon", 480),
        cgroup("shmem", 300),
        killed(TrendVerdict::Leak),
        killed(TrendVerdict::Bounded),
        beside("nodejs_heap_size_used_bytes", 22.0),
        beside("nodejs_heap_size_used_bytes", 0.1),
        profiled(40),
        profiled(2),
        bridged(380.0),
        bridged(150.0),
        capped("--max-old-space-size=1536"),
        capped("--max-old-space-size=256"),
        statistics("anon"),
        statistics("shmem"),
        statistics("slab"),
        statistics("file"),
        loaded(0.95, 8.2),
        loaded(0.1, 1.1),
        life(0),
        life(7),
        in_pod("app"),
        in_pod("sync"),
        told(|s| {
            let low = Percentiles { p50_bytes: 100.0 * MIB, p95_bytes: 120.0 * MIB, max_bytes: 130.0 * MIB, ..Percentiles::default() };
            s.trend(WS, TrendVerdict::Bounded, |t| {
                t.percentiles = low;
                t.inactive_file_bytes = Some(390.0 * MIB);
            });
        }),
        told(|s| {
            s.kill(KillKind::ProbeKill, 8, |_| {}).trend(WS, TrendVerdict::Bounded, |t| t.percentiles.max_bytes = 200.0 * MIB);
        }),
        told(|s| {
            s.pod(|p| p.containers[0].kind = ContainerKind::Init);
            s.kill(KillKind::MemcgContainer, 8, |_| {});
        }),
        told(|s| {
            s.pod(|p| p.controlled_by = Some("Job/settle-29713050".into()));
            s.kill(KillKind::MemcgContainer, 8, |_| {}).trend(WS, TrendVerdict::InsufficientData, |_| {});
        }),
        told(|s| {
            for at in [5, 12, 19, 26] {
                s.kill(KillKind::MemcgContainer, at, |_| {});
            }
        }),
        // The specification is not in the input.
        told(|s| {
            s.kill(KillKind::MemcgContainer, 8, |o| o.victims[0].comm = Some("java".into())).trend(WS, TrendVerdict::Bounded, |_| {});
            s.0.pods.clear();
        }),
        told(|s| {
            s.kill(KillKind::MemcgService, 8, |o| o.victims[0].comm = Some("kubelet".into()));
            s.0.kills[0].owner = Owner::node("node-1");
        }),
        told(|s| {
            s.kill(KillKind::NodeOom, 8, |o| {
                o.constraint = Some(Constraint::None);
                o.limit_level = Some(LimitLevel::Node);
                let task = |comm: &str, rss: u64| Task { comm: comm.into(), rss_bytes: Some(rss << 20), ..Task::default() };
                o.tasks = (0..20).map(|_| task("worker", 400)).chain([task("redis", 900), task("kubelet", 90)]).collect();
            });
        }),
    ]
}

#[test]
fn every_rule_speaks_speaks_against_and_stays_silent() {
    // Heard each alone, so that no other rule stands in for it: (for, against, silent).
    let mut heard: BTreeMap<&str, (usize, usize, usize)> = RULES.iter().map(|r| (r.id(), Default::default())).collect();
    let stories = stories();
    let indices: Vec<Index<'_>> = stories.iter().map(|s| Index::of(&s.0)).collect();
    for case in indices.iter().flat_map(|i| cases(i)) {
        for rule in RULES {
            let said = testimony(*rule, &case);
            let counts = heard.get_mut(rule.id()).unwrap();
            let any = |stance| usize::from(said.evidence.iter().any(|e| e.stance == stance));
            *counts = (counts.0 + any(Stance::For), counts.1 + any(Stance::Against), counts.2 + usize::from(said.evidence.is_empty()));
        }
    }
    let lacking: Vec<_> =
        heard.iter().filter(|(id, (f, a, s))| (*f == 0 || *a == 0 || *s == 0) && !EXCEPT.iter().any(|(e, _)| e == *id)).collect();
    assert!(lacking.is_empty(), "(for, against, silent): {lacking:?}");
    assert!(EXCEPT.iter().all(|(id, _)| heard.contains_key(id)), "an exception for a rule that is not there");
}

fn testimony(rule: &dyn postmem::diagnosis::rule::Rule, case: &Case<'_>) -> Testimony {
    let mut said = Testimony::default();
    if rule.needs().iter().all(|n| case.has(*n)) {
        rule.examine(case, &mut said.of(rule.id(), case));
    }
    said
}

/// Profiles and working set measure one growth: most of it in the profile speaks for the heap, little of it against.
#[test]
fn profiles_are_reconciled_with_the_working_set() {
    let stances = |mib: i64| {
        let f = profiled(mib).verdict().findings.remove(0);
        let of = |cause| f.evidence.iter().find(|e| e.rule == "reconciliation" && e.cause == cause).map(|e| (e.stance, e.says.clone()));
        (of(Cause::HeapLeak), of(Cause::NativeGrowth))
    };
    let (heap, native) = stances(40);
    let (stance, says) = heap.unwrap();
    assert_eq!((stance, native.unwrap().0), (Stance::For, Stance::Against));
    assert!(says.starts_with("working set grows 24 MiB/h, the profiled heap 20 MiB/h (83 %)"), "{says}");
    assert_eq!(stances(2).0.unwrap().0, Stance::Against);
    // Between a fifth and a half nothing is settled.
    assert_eq!(stances(16), (None, None));
}

/// What a Go runtime accounts for, beside what the kernel counts.
#[test]
fn a_runtime_that_accounts_for_all_speaks_against_native_growth_and_one_that_does_not_for_it() {
    let stance = |mib: f64| {
        let f = bridged(mib).verdict().findings.remove(0);
        f.evidence.iter().find(|e| e.rule == "rss-bridge").map(|e| (e.cause, e.stance))
    };
    assert_eq!(stance(150.0), Some((Cause::NativeGrowth, Stance::For)));
    assert_eq!(stance(380.0), Some((Cause::NativeGrowth, Stance::Against)));
    assert_eq!(stance(320.0), None);
}

/// What could not be examined is listed for its owner and for no other whose name merely ends alike.
#[test]
fn a_rule_that_lacked_something_is_listed_for_its_own_owner() {
    let mut s = told(|s| {
        s.kill(KillKind::MemcgContainer, 8, |_| {});
    });
    let mut other = s.0.kills[0].clone();
    other.owner = Owner { namespace: Some("eshop".into()), ..owner() };
    s.0.kills.push(other);
    let doc = postmem::report::compose::report(&s.0, &s.verdict());
    assert!(!doc.not_evaluated.is_empty());
    let first = &doc.findings[0].owner;
    assert!(doc.not_evaluated.iter().all(|n| n.owner.namespace == first.namespace), "{:?}", doc.not_evaluated);
    let page = postmem::report::json::document(&doc);
    assert!(page.contains("\"strength\": \"on record\""), "what happened is told as a record, not as weighed evidence");
}
