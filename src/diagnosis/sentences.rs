//! The verdict of a finding in one sentence, and the numbers it rests on.

use super::case::Case;
use crate::model::finding::{Cause, Finding};
use crate::model::oom::KillKind;
use crate::model::quantity::{MIB, human, human_seconds};
use crate::model::trend::{Estimate, Trend, TrendVerdict};
use std::collections::BTreeMap;

type Numbers = BTreeMap<&'static str, f64>;
type Intervals = BTreeMap<&'static str, (f64, f64)>;

/// A container killed at its limit wanted more than anyone could see: where no series shows how it came there, the next step
/// up is half the limit again.
const CENSORED_STEP: f64 = 1.5;

/// A finding's `quantities` and `intervals`.
pub fn quantities(case: &Case<'_>, cause: Cause) -> (Numbers, Intervals) {
    let (mut q, mut i) = (Numbers::new(), Intervals::new());
    if let Some(limit) = case.limit() {
        q.insert("limit_bytes", limit);
    }
    q.insert("kills", case.kills.iter().map(|k| k.count.max(1)).sum::<u64>() as f64);
    q.insert("limit_kills", case.limit_kills().count() as f64);
    let leaking = matches!(
        cause,
        Cause::HeapLeak
            | Cause::NativeGrowth
            | Cause::NodeAgentLeak
            | Cause::NeighbourInPod
            | Cause::TmpfsCharge
            | Cause::PageCache
            | Cause::KernelMemory
    );
    let grown = case.trends.iter().copied().find(|t| t.verdict == TrendVerdict::Leak);
    if let Some(t) = case.headline().filter(|t| t.verdict == TrendVerdict::Leak).or(grown).filter(|_| leaking) {
        if let Some(s) = t.slope {
            q.insert("growth_bytes_per_hour", s.mid);
            i.insert("growth_bytes_per_hour", (s.low, s.high));
        }
        if let Some(e) = own_cap(case, t).or(t.time_to_oom) {
            q.insert("time_to_oom_seconds", e.mid);
            i.insert("time_to_oom_seconds", (e.low, e.high));
        }
    }
    if cause == Cause::TmpfsCharge
        && !q.contains_key("growth_bytes_per_hour")
        && let Some(slope) = case.headline().and_then(|t| t.cache_slope_bytes_per_hour).filter(|s| *s > 0.0)
    {
        q.insert("growth_bytes_per_hour", slope);
    }
    if let Some(t) = case.headline() {
        q.insert("peak_bytes", t.percentiles.max_bytes);
        q.insert("p99_bytes", t.percentiles.p99_bytes);
    }
    if let Some((limit, request)) = recommended(case, cause) {
        q.insert("recommended_limit_bytes", limit);
        q.insert("recommended_request_bytes", request);
    }
    (q, i)
}

/// Where the runtime ends itself, the level at which it did so before is the end of the road, not the container's limit.
fn own_cap(case: &Case<'_>, t: &Trend) -> Option<Estimate> {
    let slope = t.slope.filter(|s| s.low > 0.0)?;
    if case.kills.is_empty() || case.kills.iter().any(|k| k.kind != KillKind::RuntimeAbort) {
        return None;
    }
    let (open, ended) = t.runs.split_last()?;
    let reached = ended.iter().map(|r| r.last_bytes).fold(f64::NAN, f64::min);
    let left = (reached - open.last_bytes).max(0.0);
    let seconds = |rate: f64| left / rate * 3600.0;
    left.is_finite().then(|| Estimate { low: seconds(slope.high), mid: seconds(slope.mid), high: seconds(slope.low) })
}

/// Limit and request that would hold, where a size is the answer; a leak has none.
fn recommended(case: &Case<'_>, cause: Cause) -> Option<(f64, f64)> {
    if !matches!(
        cause,
        Cause::LimitBelowNeed | Cause::LoadGrowth | Cause::LoadSpike | Cause::BatchPeak | Cause::StartupPeak | Cause::RuntimeCapAboveLimit
    ) {
        return None;
    }
    let limit = case.limit();
    // The back-tested size, where a series is there to make one of.
    let sized = case.headline().and_then(|t| t.recommended_limit_bytes);
    let mut need = sized.unwrap_or(0.0);
    if let Some(l) = limit.filter(|_| sized.is_none() && case.limit_kills().count() > 0) {
        need = l * CENSORED_STEP;
    }
    if cause == Cause::RuntimeCapAboveLimit
        && let Some(cap) = case.caps.iter().filter(|c| !c.soft).map(|c| c.bytes).max()
        && limit.is_some_and(|l| (cap as f64) <= 1.1 * l)
    {
        // The heap cap plus a quarter of the new limit for everything else.
        need = need.max(cap as f64 / 0.75);
    }
    let round = |b: f64| (b / (32.0 * MIB as f64)).ceil() * 32.0 * MIB as f64;
    let request = case.headline().and_then(|t| t.recommended_request_bytes);
    let whole = if sized == Some(need) { need } else { round(need) };
    (need > 0.0).then(|| (whole, request.unwrap_or_else(|| round(need * 0.5)).min(whole)))
}

/// Who is meant: `container web of storefront-bff`.
pub fn subject(case: &Case<'_>) -> String {
    match (&case.owner.container, &case.owner.workload, &case.owner.pod) {
        (Some(c), Some(w), _) if c == w => w.clone(),
        (Some(c), Some(w), _) => format!("{w} (container {c})"),
        (Some(c), None, Some(p)) => format!("{p} (container {c})"),
        (None, _, Some(p)) => p.clone(),
        // Loose profiles are of some process, even where nothing says which.
        _ if !case.is_node() && case.owner.node.is_none() => "the profiled process".into(),
        _ => case.owner.node.as_deref().map_or_else(|| nameless(case), |n| format!("node {n}")),
    }
}

/// What nothing names is known by the file that tells of it.
fn nameless(case: &Case<'_>) -> String {
    let cite = case.kills.first().and_then(|k| k.evidence.first()).map(|(c, _)| c);
    let path = cite.map_or("", |c| case.incident.path(c.span.artifact));
    match path.rsplit('/').next() {
        Some(file) if !file.is_empty() => format!("the process that {file} is about"),
        _ => "a process that nothing here names".into(),
    }
}

/// One sentence that a manager understands and an engineer can check.
pub fn sentence(case: &Case<'_>, f: &Finding) -> String {
    let who = subject(case);
    let limit = case.limit().map_or("its limit".to_owned(), |l| format!("its limit of {}", human(l)));
    let kills = killed(case);
    let rate = f.quantities.get("growth_bytes_per_hour").map_or("steadily".into(), |g| format!("{}/h", human(*g)));
    let culprit = grower(f);
    let since = f.trigger.as_ref().map_or(String::new(), |t| format!(" since {} ({})", t.time.human(), t.detail));
    let eta = f.quantities.get("time_to_oom_seconds").map_or(String::new(), |s| format!("; {limit} is reached in {}", human_seconds(*s)));
    match f.cause {
        Cause::HeapLeak if case.kills.is_empty() => format!("{who} leaks {rate}{culprit}{eta}."),
        Cause::HeapLeak => format!("{who} leaks {rate}{since}{culprit}; {}.", killed_at(case, &limit)),
        Cause::NativeGrowth if case.kills.is_empty() => format!("{who} grows {rate} outside its managed heap{culprit}{eta}."),
        Cause::NativeGrowth => {
            format!("{who} grows {rate} outside its managed heap{since}{culprit}; {}.", killed_at(case, &limit))
        }
        Cause::LimitBelowNeed => format!("{who} needs more than {limit}: nothing grows, but {kills}."),
        Cause::LoadSpike => format!("a burst of load took {who} over {limit}: {kills}."),
        Cause::LoadGrowth => format!("load has outgrown {limit} of {who}: {kills}."),
        Cause::RuntimeCapAboveLimit => format!(
            "{who} lets its runtime's heap grow to {}, which leaves no room under {limit}: {kills}.",
            case.caps.iter().max_by_key(|c| c.bytes).map_or("more than fits".into(), |c| format!("{} ({})", human(c.bytes as f64), c.flag))
        ),
        Cause::PageCache => {
            format!("the memory charged to {who} is file cache that the kernel can drop; its working set is far below {limit}.")
        }
        Cause::TmpfsCharge => format!(
            "files in memory{} fill {limit} of {who}, not its heap: {kills}.",
            f.culprits.first().map_or(String::new(), |c| format!(" (volume {})", c.name))
        ),
        Cause::KernelMemory => format!("kernel memory fills {limit} of {who}, not its processes: {kills}."),
        Cause::NodeOvercommit => format!(
            "{who} ran out of memory{}: {kills}.",
            f.culprits.first().map_or(String::new(), |c| match c.kind.as_str() {
                "process" => format!(", most of it in processes named {}", c.name),
                kind => format!(", taken by {kind} {}", c.name),
            })
        ),
        Cause::NeighbourInPod => format!("{who} grows {rate} and takes the pod over its limit; the kernel killed another container."),
        Cause::NodeAgentLeak => format!(
            "{} on {who} grows {rate} and is killed in its own cgroup; the pods are innocent.",
            f.culprits.first().map_or("a node service", |c| c.name.as_str())
        ),
        Cause::StartupPeak => format!("{who} needs more than {limit} to start: {kills}."),
        Cause::BatchPeak => format!("the batch job {who} outgrew {limit}: {kills}."),
        Cause::NotMemoryKill => format!("{who} was not killed for memory: {kills}."),
        Cause::NoProblem => format!("no memory problem: {who} came closest and stays bounded below {limit}, nothing was killed."),
        Cause::Inconclusive => format!("{kills} in {who}; why cannot be told from what is in the bundle."),
    }
}

/// What grows, and what holds on to it where that is known: `: Desk.quotes holds on to class Quote`.
fn grower(f: &Finding) -> String {
    let named = |kind: &str| f.culprits.iter().find(|c| c.kind == kind);
    let Some(first) = f.culprits.first().filter(|c| c.kind != "process") else { return String::new() };
    match named("retainer").filter(|r| first.kind == "class" && r.name != first.name && r.growth_bytes == first.growth_bytes) {
        Some(holder) => format!(": {} holds on to class {}", holder.name, first.name),
        None => format!(": {} {} is what grows", first.kind, first.name),
    }
}

/// The endings with the limit by its size: the sentence before did not name it.
fn killed_at(case: &Case<'_>, limit: &str) -> String {
    killed(case).replace("at that limit", &format!("at {limit}"))
}

/// `killed 4 times at the limit`, `restarted 4 times by its liveness probe`.
fn killed(case: &Case<'_>) -> String {
    let times = |n: u64| match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    };
    let mut counts: BTreeMap<KillKind, u64> = BTreeMap::new();
    for k in &case.kills {
        *counts.entry(k.kind).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(kind, n)| {
            let n = times(*n);
            match kind {
                KillKind::MemcgContainer | KillKind::OomGroup => format!("the kernel killed it {n} at that limit"),
                KillKind::MemcgPod => format!("the kernel killed in the pod {n} at the pod's limit"),
                KillKind::MemcgService => format!("the kernel killed it {n}"),
                KillKind::NodeOom => format!("the kernel had to kill {n}"),
                KillKind::Eviction => format!("the kubelet evicted {n}"),
                KillKind::ChildProcess => format!("the kernel killed a child process {n} while the container lived on"),
                KillKind::ProbeKill => format!("a failed liveness probe restarted it {n}"),
                KillKind::Sigterm => format!("it was told to stop {n}"),
                KillKind::RuntimeAbort => format!("its runtime ended itself {n}"),
                KillKind::UserspaceOomd => format!("a userspace OOM daemon killed {n}"),
            }
        })
        .collect();
    if parts.is_empty() { "nothing was killed".into() } else { parts.join(", ") }
}
