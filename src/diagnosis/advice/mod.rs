//! What to do about a cause: stop it, fix it, prove it, collect what was missing. Commands come with names filled in.

mod commands;
mod nodes;

use crate::diagnosis::case::Case;
use crate::diagnosis::pools;
use crate::diagnosis::sentences::{self, cured};
use crate::diagnosis::trigger;
use crate::model::finding::{Advice, Cause, Finding, TriggerKind};
use crate::model::kubectl::Kubectl;
use crate::model::oom::KillKind;
use crate::model::pod::PodState;
use crate::model::promql;
use crate::model::quantity::{human, human_seconds};
use crate::model::runtime::Runtime;
use crate::model::series::WORKING_SET;
use crate::model::trend::Trend;
use crate::model::workload::From;
use crate::model::{Incident, Owner};
use commands::{exec, of_container, of_pod};

pub fn advise(kind: &str, text: String, command: Option<String>) -> Advice {
    Advice { kind: kind.into(), text, command }
}

/// Advice for one finding, most urgent first.
pub fn advice(case: &Case<'_>, f: &Finding) -> Vec<Advice> {
    let mut out = Vec::new();
    let culprit = f.culprits.first().map(|c| format!("{} {}", c.kind, c.name));
    match f.cause {
        Cause::HeapLeak | Cause::NativeGrowth => {
            out.extend(stop_leak(case, f));
            out.push(fix_leak(case, f));
            match pools::of(case).filter(|_| pools::only_own(case)) {
                Some(pool) => out.push(advise("size", pool.advice.into(), None)),
                None => out.push(band_aid(case, f)),
            }
            out.extend(profile(case));
        }
        Cause::LimitBelowNeed if cured(case) => out.push(advise(
            "prove",
            "Nothing to do now: the limit has been raised since, and memory stays below it. Keep watching the working set against the limit.".into(),
            None,
        )),
        Cause::LimitBelowNeed | Cause::LoadGrowth | Cause::BatchPeak => {
            out.extend(undo_limit(case, f));
            let why = match case.headline() {
                Some(_) => "The limit is below what the workload needs.",
                None => "A stopgap while nothing shows whether it needs more or grows without end.",
            };
            out.extend(resize(case, f, why))
        }
        Cause::StartupPeak => {
            out.extend(resize(case, f, "Start-up needs more than the limit; lower its peak (stream instead of loading) or give it room."))
        }
        Cause::LoadSpike => {
            out.extend(resize(case, f, "The limit must hold the burst, or the burst must not reach it."));
            out.push(advise("fix", "Bound concurrency or queue requests; scale out on request rate rather than on memory.".into(), None));
        }
        Cause::RuntimeCapAboveLimit => {
            out.push(cap(case));
            // How much room a cap needs is known only of one that is.
            if case.cap().is_some() {
                out.extend(resize(case, f, "Or raise the limit until the heap cap leaves a quarter of it free."));
            }
        }
        Cause::PageCache => {
            let (kind, text) = if case.limit_kills().count() > 0 {
                (
                    "fix",
                    "Write less at once (fsync in steps, direct I/O) or give the pages that wait to be written room: until they are on disk the kernel cannot drop them.",
                )
            } else {
                ("stop", "Nothing to stop: the kernel drops this cache before it kills. Alert on the working set, not on usage.")
            };
            out.push(advise(kind, text.into(), None));
            out.push(advise(
                "collect",
                "memory.stat tells file from anonymous memory.".into(),
                exec(case, "cat /sys/fs/cgroup/memory.stat"),
            ));
        }
        Cause::TmpfsCharge => {
            out.push(advise(
                "stop",
                "Remove files from the memory volume; a restart of the container does not free them, deleting the pod does.".into(),
                of_pod(case, "delete pod", ""),
            ));
            out.push(advise(
                "fix",
                format!("Give {} a sizeLimit, or take it off `medium: Memory`.", culprit.unwrap_or_else(|| "the memory volume".into())),
                None,
            ));
            out.push(advise("collect", "See which files fill it.".into(), exec(case, "df -h -t tmpfs")));
        }
        Cause::KernelMemory if case.is_node() => out.extend(nodes::advice(case, f)),
        Cause::KernelMemory => {
            out.push(advise(
                "collect",
                "memory.stat names the kernel memory that grew; slab, sockets and page tables have different owners.".into(),
                exec(case, "cat /sys/fs/cgroup/memory.stat"),
            ));
            out.push(advise(
                "fix",
                "Look for many small files (dentries), open sockets with full buffers, or huge sparse mappings.".into(),
                None,
            ));
        }
        Cause::NodeOvercommit => out.extend(nodes::advice(case, f)),
        Cause::NeighbourInPod => {
            out.push(advise(
                "fix",
                format!(
                    "Give {} a memory limit of its own, so that it cannot take the pod down, and fix its growth.",
                    case.owner.container.as_deref().unwrap_or("the container")
                ),
                None,
            ));
            out.extend(profile(case));
        }
        Cause::NodeAgentLeak => {
            let service = f.culprits.first().map_or("kubelet", |c| c.name.as_str());
            if let Some(n) = &case.owner.node {
                out.push(advise(
                    "stop",
                    "Restart the service on the node: the containers there run on meanwhile. Workloads cannot cause or cure this.".into(),
                    Kubectl::on_node(n).say("systemctl restart ").name(service).finish(),
                ));
                if service == "kubelet" {
                    out.push(advise(
                        "collect",
                        "A heap profile of the kubelet shows what grows.".into(),
                        Kubectl::new()
                            .say(" get --raw /api/v1/nodes/")
                            .name(n)
                            .say("/proxy/debug/pprof/heap > kubelet-heap.pb.gz")
                            .finish(),
                    ));
                }
            }
            out.push(advise("fix", "Compare the version with known leaks and upgrade.".into(), None));
        }
        Cause::NotMemoryKill => {
            let probe = case.kills.iter().any(|k| k.kind == KillKind::ProbeKill);
            let of_pod = case.others.iter().any(|o| o.owner.container.is_none());
            let tight = case.settled().is_some_and(|s| s >= TIGHT) || at_cap(case);
            let text = if probe && tight {
                "Look at why the probe failed: memory stood at its limit or at the runtime's cap, where reclaim and collections without pause make a program too slow to answer. Give it room first."
            } else if probe {
                "Look at why the probe failed (slow start, blocked event loop, CPU throttling): more memory will not help."
            } else if of_pod {
                "The message says what the node or the scheduler wanted: more memory will not help."
            } else if case.others.iter().any(|o| o.code == Some(255)) {
                "Look at why the node or its container runtime went down; this container was only there: more memory of its own will not help."
            } else if case.others.iter().any(|o| o.stop) && case.kills.is_empty() {
                "Whoever had it stopped decided this: more memory will not help. A longer grace period lets it end by itself."
            } else if case.others.iter().any(|o| !o.known) {
                "Find who sent SIGKILL: the kubelet after a grace period, a supervisor, an operator, or the kernel; its log would tell."
            } else {
                "Look at what the program said last: more memory will not help."
            };
            out.push(advise("fix", text.into(), None));
            if !of_pod {
                out.push(advise("collect", "The log of the run that was ended.".into(), of_container(case, "logs", " --previous")));
            }
        }
        Cause::NoProblem => out.push(advise("prove", "Keep watching the working set against the limit.".into(), None)),
        Cause::Inconclusive => {
            if let Some((scope, _)) = sentences::user_scope(case) {
                let text = format!(
                    "Somebody's work on the node, not a workload's: nothing there need be restarted. Give {scope} a larger MemoryMax=, or do that work elsewhere."
                );
                out.push(advise("fix", text, None));
                return out;
            }
            if let Some(pool) = pools::of(case).filter(|_| pools::only_own(case)) {
                out.push(advise("fix", pool.advice.into(), None));
            }
        }
    }
    if case.is_past() {
        out.retain(|a| !matches!(a.kind.as_str(), "stop" | "size"));
    }
    out.extend(crate::diagnosis::bounds::advice(case, f));
    out.extend(collect_missing(case, f));
    out
}

/// Share of the limit, or of the runtime's cap, from which on a failed probe is most likely memory's doing.
const TIGHT: f64 = 0.95;

/// A gauge of the heap in use stands at the runtime's own cap.
fn at_cap(case: &Case<'_>) -> bool {
    let Some(cap) = case.cap() else { return false };
    // A soft cap counts all of the runtime's memory: the process as a whole stands there, and collects without pause.
    if cap.soft {
        let level = |t: &Trend| (TIGHT..=1.15).contains(&(t.percentiles.p95_bytes / cap.bytes as f64));
        return case.headline().is_some_and(level);
    }
    let heap = case.trends.iter().flat_map(|t| &t.companions).filter(|c| c.unit == "bytes" && c.metric.contains("heap"));
    heap.map(|c| c.max).any(|max| max >= TIGHT * cap.bytes as f64 && max <= 1.05 * cap.bytes as f64)
}

/// Where nothing at all was evaluated.
pub fn collect_anything(incident: &Incident, owner: &Owner) -> Vec<Advice> {
    let mut out = Vec::new();
    // One container ended: its last words come first.
    if let (Some(pod), Some(container)) = (owner.pod.as_deref(), owner.container.as_deref()) {
        let logs = Kubectl::within(owner.namespace.as_deref()).say(" logs ").name(pod).container(Some(container)).say(" --previous");
        out.push(advise("collect", "The log of the run that ended.".into(), logs.finish()));
    }
    // Profiles are in the input: they can be compared as they are.
    if let Some(d) = incident.deltas.iter().find(|d| d.what.snapshots.len() > 1) {
        let plain = |p: &str| p.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b)) && !p.starts_with('-');
        let paths: Vec<&str> = d.what.snapshots.iter().map(|s| s.path.as_str()).collect();
        let command = paths.iter().all(|p| plain(p)).then(|| format!("postmem diff {}", paths.join(" ")));
        out.push(advise("prove", "What grew between the profiles, row by row.".into(), command));
    } else if !incident.profiles.is_empty() {
        out.push(advise(
            "collect",
            "A second profile of the same process, an hour of load later; then compare them. What the one holds by class, `postmem inspect` lists.".into(),
            Some("postmem diff FIRST SECOND".into()),
        ));
    }
    out.extend([
        advise("collect", "Objects and their last states.".into(), Some("kubectl get pods,events,nodes -A -o json > objects.json".into())),
        advise("collect", "The kernel log of the node.".into(), Some("journalctl -k -o short-iso-precise > kernel.log".into())),
    ]);
    out
}

/// A limit that a rollout lowered just before the kills is put back first.
fn undo_limit(case: &Case<'_>, f: &Finding) -> Option<Advice> {
    let t = f.trigger.as_ref().filter(|t| t.kind == TriggerKind::Rollout && trigger::lowers_limit(&t.detail))?;
    let command = case.incident.controller(&case.owner).and_then(|c| c.rollout(&case.owner, "undo"));
    Some(advise("stop", format!("Take the limit back that the kills began with: {}.", t.detail), command))
}

/// What takes the growth away for now: undoing what set it off, or a restart.
fn stop_leak(case: &Case<'_>, f: &Finding) -> Option<Advice> {
    let trigger = f.trigger.as_ref();
    if let Some(t) = trigger.filter(|t| t.kind == TriggerKind::Config) {
        return Some(advise("stop", format!("Undo the change that growth began with: {}.", t.detail), None));
    }
    let controller = case.incident.controller(&case.owner)?;
    let rolled_out = trigger.filter(|t| t.kind == TriggerKind::Rollout);
    if case.swaps_out().is_some() {
        let text = "Restart it: it stands at its limit and waits for swap. That resets the growth, it does not cure it.";
        return Some(advise("stop", text.into(), Some(controller.rollout(&case.owner, "restart")?)));
    }
    let (text, command) = match rolled_out {
        Some(t) if trigger::has_earlier(case) => {
            (format!("Roll back: growth began with {}.", t.detail), controller.rollout(&case.owner, "undo"))
        }
        // A canary has nothing to go back to.
        Some(t) => (format!("Take it out of service: growth began with {}.", t.detail), controller.scale_to_none(&case.owner)),
        // What no longer grows need not be restarted.
        None if case.headline().is_some_and(|t| t.ceased.is_some()) => return None,
        None => (
            "Restart before the limit is reached, in a window of your choosing; it resets the growth, it does not cure it.".into(),
            controller.rollout(&case.owner, "restart"),
        ),
    };
    Some(advise("stop", text, Some(command?)))
}

/// What to change, at the place that holds what grows; what the shape of the growth asks for, where it has one.
fn fix_leak(case: &Case<'_>, f: &Finding) -> Advice {
    // A process names no place in a program.
    let Some(first) = f.culprits.first().filter(|c| c.kind != "process") else {
        return advise("fix", "Find what grows: take two profiles an hour apart and compare them.".into(), None);
    };
    let holder = f.culprits.iter().find(|c| c.kind == "retainer" && c.growth_bytes == first.growth_bytes);
    let place = holder.map_or_else(|| format!("{} {}", first.kind, first.name), |h| h.name.clone());
    let suspects = || case.deltas.iter().flat_map(|d| &d.what.suspects);
    let own =
        suspects().find(|s| s.culprits.iter().any(|(_, name)| *name == first.name)).or_else(|| suspects().find(|s| s.name == first.name));
    let text = match own.and_then(|s| s.advice.as_deref()) {
        Some(a) => format!("{place}: {a}"),
        None => format!("Bound or release what grows: {place}."),
    };
    advise("fix", text, None)
}

/// What a higher limit would buy: time, computed from the slope.
fn band_aid(case: &Case<'_>, f: &Finding) -> Advice {
    // The limit that a larger one would be compared with is today's, not that of a kill.
    let now = case.limit_kills().last().and_then(|k| k.limit_now.as_ref()).map(|n| n.bytes as f64);
    let (Some(limit), Some(growth)) =
        (now.as_ref().or(f.quantities.get("limit_bytes")), f.quantities.get("growth_bytes_per_hour").filter(|g| **g > 0.0))
    else {
        return advise("size", "No limit is right for a leak; a higher one only delays the kill.".into(), None);
    };
    let longer = human_seconds(limit / growth * 3600.0);
    advise(
        "size",
        format!(
            "No limit is right for a leak: doubling it to {} buys about {longer} per life and changes nothing else.",
            human(limit * 2.0)
        ),
        None,
    )
}

fn resize(case: &Case<'_>, f: &Finding, why: &str) -> Vec<Advice> {
    let (Some(limit), Some(request)) = (f.quantities.get("recommended_limit_bytes"), f.quantities.get("recommended_request_bytes")) else {
        return Vec::new();
    };
    let peak = f.quantities.get("peak_bytes").map_or(String::new(), |p| {
        format!(" Highest working set seen: {}; a container killed at its limit wanted more than could be seen.", human(*p))
    });
    let climbing = sentences::unproven(case).map_or(String::new(), |n| {
        let kills = if n == 1 { "the one kill".into() } else { format!("each of the {n} kills") };
        format!(" Memory was still climbing at {kills}, so the record does not show how much would hold: this is twice the limit, to see where it ends.")
    });
    let swap = sentences::swapped(case).map_or(String::new(), |b| format!(" At the kill {} of it stood in swap.", human(b)));
    let peak = format!("{peak}{swap}{climbing}");
    let controller = case.incident.controller(&case.owner);
    // The API refuses a container more than the pod as a whole has, and it would not lift the pod's limit.
    if let Some(whole) = case.pod.and_then(|p| p.what.limits.memory_bytes).filter(|whole| *limit > *whole as f64) {
        let text = format!(
            "{why} The limit is the pod's own (spec.resources.limits.memory, {}): raise that one to {} where the pod is defined.{peak}",
            human(whole as f64),
            human(*limit)
        );
        return vec![advise("size", text, None)];
    }
    let command = controller.and_then(|c| c.set_resources(&case.owner, *limit as u64, *request as u64));
    // A container runtime tells of no controller, whoever made the pod.
    let told = |p: &PodState| p.phase.is_some() || p.created.is_some() || p.status.is_some();
    let alone = case.pod.is_some_and(|p| !p.what.containers.is_empty() && p.what.controlled_by.is_none() && told(&p.what));
    let how = match controller {
        Some(c) if c.from == From::PodName => {
            format!(" The pod's name has the form of a {}'s; nothing else says what made it.", c.kind.word())
        }
        Some(c) => c.elsewhere().map_or(String::new(), |how| format!(" {how}")),
        None if alone => " The pod has no controller: change its manifest and create it again.".into(),
        None => String::new(),
    };
    vec![advise("size", format!("{why} Give it {}.{peak}{how}", human(*limit)), command)]
}

/// The runtime's flag, set to three quarters of the limit.
fn cap(case: &Case<'_>) -> Advice {
    let limit = case.limit().unwrap_or(0.0);
    let cap = case.cap();
    let mib = (limit * 0.75 / (1 << 20) as f64).floor();
    let flag = match cap.map(|c| c.runtime) {
        Some(Runtime::Java) => format!("-Xmx{mib:.0}m (or -XX:MaxRAMPercentage=75)"),
        Some(Runtime::Node) => format!("--max-old-space-size={mib:.0}"),
        Some(Runtime::Go) => format!("GOMEMLIMIT={:.0}MiB", (limit * 0.9 / (1 << 20) as f64).floor()),
        // Both are hexadecimal: 75 per cent is 4B.
        Some(Runtime::Dotnet) => format!("DOTNET_GCHeapHardLimitPercent=4B (or DOTNET_GCHeapHardLimit={:X})", (limit * 0.75) as u64),
        Some(Runtime::Python | Runtime::Ruby | Runtime::Php | Runtime::Native) | None => format!("the runtime's heap cap to {mib:.0} MiB"),
    };
    advise(
        "fix",
        format!(
            "Set {flag}{}: {} the rest of {}.",
            cap.map_or(String::new(), |c| format!(" instead of {}", c.flag)),
            if cap.is_some_and(|c| c.soft) { "memory outside Go's runtime needs" } else { "code, stacks, metaspace and buffers need" },
            human(limit)
        ),
        None,
    )
}

/// The runtime as the victim's name, the profiles, its own gauges or the caps tell it.
fn runtime(case: &Case<'_>) -> Option<Runtime> {
    let profiles = || case.deltas.first().and_then(|d| Runtime::of_format(&d.what.format));
    let gauges = || {
        let companions = case.trends.iter().flat_map(|t| &t.companions).map(|c| c.metric.as_str());
        case.trends.iter().map(|t| t.metric.as_str()).chain(companions).find_map(Runtime::of_metric)
    };
    case.victim().and_then(Runtime::of_program).or_else(profiles).or_else(gauges).or_else(|| case.caps.first().map(|c| c.runtime))
}

/// The command that shows what grows, for the runtime at hand.
fn profile(case: &Case<'_>) -> Option<Advice> {
    if !case.deltas.is_empty() {
        return None;
    }
    let (text, command) = match runtime(case)? {
        Runtime::Node => (
            "Two heap snapshots an hour apart; each needs about as much free memory as the heap. Node must run with --heapsnapshot-signal=SIGUSR2.",
            exec(case, "kill -USR2 1")?,
        ),
        Runtime::Java => ("Two class histograms an hour apart.", exec(case, "jcmd 1 GC.class_histogram")?),
        Runtime::Python => (
            "Two tracemalloc snapshots an hour apart: start Python with -X tracemalloc=25 and a handler of SIGUSR1 that calls tracemalloc.take_snapshot().dump(FILE).",
            exec(case, "kill -USR1 1")?,
        ),
        Runtime::Dotnet => ("Two heap dumps an hour apart, compared by type.", exec(case, "dotnet-gcdump collect -p 1")?),
        Runtime::Go => (
            "Two heap profiles an hour apart (needs net/http/pprof, here on port 6060).",
            Kubectl::new()
                .say(" get --raw /api/v1/namespaces/")
                .name(case.owner.namespace.as_deref()?)
                .say("/pods/")
                .name(case.owner.pod.as_deref()?)
                .say(":6060/proxy/debug/pprof/heap > heap.pb.gz")
                .finish()?,
        ),
        Runtime::Ruby | Runtime::Php | Runtime::Native => return None,
    };
    Some(advise("prove", text.into(), Some(command)))
}

/// Evidence that would settle more, with the command that collects it.
fn collect_missing(case: &Case<'_>, f: &Finding) -> Vec<Advice> {
    let mut out = Vec::new();
    if case.owner.pod.is_some() && case.pod.is_none() {
        out.push(advise("collect", "The pod's specification and last state.".into(), of_pod(case, "get pod", " -o yaml > pod.yaml")));
    }
    if case.headline().is_none() && f.cause != Cause::NodeAgentLeak {
        out.push(advise(
            "collect",
            format!("The working set of {} over the last days, from Prometheus.", sentences::subject(case)),
            Some(promql::range(case.incident, WORKING_SET, &case.owner)),
        ));
    }
    if f.cause == Cause::Inconclusive
        && case.owner.pod.is_none()
        && let Some(n) = &case.owner.node
    {
        let id = case.kills.iter().rev().find_map(|k| k.container_id.as_deref());
        // The id is hexadecimal by the format that reads it.
        if let Some(id) = id.filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit())) {
            let command = Kubectl::on_node(n).say("crictl inspect ").say(id).finish();
            out.push(advise("collect", "Whose container it was; its runtime forgets it once it is removed.".into(), command));
        }
        let uid = case.reports().filter_map(|r| r.what.identity.pod_uid.as_deref()).last();
        let whose = uid.map_or(String::new(), |u| format!(": look for metadata.uid {u}"));
        out.push(advise(
            "collect",
            format!("Which pod the killed cgroup belonged to{whose}."),
            Kubectl::new().say(" get pods -A --field-selector spec.nodeName=").name(n).say(" -o json > pods.json").finish(),
        ));
    }
    out
}
