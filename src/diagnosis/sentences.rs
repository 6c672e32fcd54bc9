//! The verdict of a finding in one sentence, and the numbers it rests on.

use super::case::Case;
use super::{lives, overall, pools};
use super::{node_account, node_sentences};
use crate::model::cgroup_path;
use crate::model::finding::{Cause, Finding, Stance};
use crate::model::kill::{Kill, Witness};
use crate::model::oom::KillKind;
use crate::model::quantity::{MIB, human, human_seconds, times};
use crate::model::time::SECOND;
use crate::model::trend::{Estimate, Trend, TrendForm, TrendVerdict};
use std::collections::BTreeMap;

/// A size that is to hold what a limit did not stands at least this much above it.
const ABOVE_LIMIT: f64 = 1.1;

/// A settled level below this share of the limit is not what hit it; from here on the rule holds it for the need itself.
const BURST: f64 = 0.75;

/// A heap cap that stood so near the limit is kept, and the limit made to hold it.
const CAP_KEPT: f64 = 1.1;

/// Share of a limit that a heap cap may have: the rest is for everything that is no heap.
const HEAP_OF_LIMIT: f64 = 0.75;

/// A peak below this share of today's limit, after kills that nobody sees any more: the limit was raised since.
const RAISED: f64 = 0.9;

type Numbers = BTreeMap<&'static str, f64>;
type Intervals = BTreeMap<&'static str, (f64, f64)>;

/// A container killed at its limit wanted more than anyone could see: where no series shows how it came there, the next step
/// up is half the limit again.
const CENSORED_STEP: f64 = 1.5;

/// Where memory was still climbing at every kill nothing shows where it would have ended; twice the limit may.
const CLIMBING_STEP: f64 = 2.0;

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
    if let Some(slope) =
        case.swaps_out().filter(|_| leaking && !q.contains_key("growth_bytes_per_hour")).and_then(|(_, s)| s.slope_per_hour)
    {
        q.insert("growth_bytes_per_hour", slope);
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
    if cause == Cause::LimitBelowNeed && cured(case) {
        return None;
    }
    let limit = case.limit();
    // The back-tested size, where a series is there to make one of.
    let sized = case.headline().and_then(|t| t.recommended_limit_bytes);
    let mut need = sized.unwrap_or(0.0);
    // What was killed at its limit wanted more than that, and more than the kernel saw of it: no size below is an answer.
    let slowed = case.cgroup.as_ref().is_some_and(|s| s.stalls());
    let hit = case.limit_kills().count() > 0 || case.restarts_at_limit() > 0 || slowed;
    if let Some(l) = limit.filter(|l| hit && need <= l * ABOVE_LIMIT) {
        need = l * CENSORED_STEP;
    }
    // Swap is need as well: without it all of that would have to fit.
    if let Some((l, swap)) = limit.zip(swapped(case)) {
        need = need.max((l + swap) * ABOVE_LIMIT);
    }
    // A size that the record itself shows to prevent no kill is no answer: memory was still climbing at each of them.
    if let Some(l) = limit.filter(|_| unproven(case).is_some()) {
        need = need.max(l * CLIMBING_STEP);
    }
    let rss = |k: &&Kill| k.victims.iter().filter_map(|v| v.anon_rss_bytes).fold(0, u64::saturating_add);
    let seen = case.limit_kills().map(rss).max().unwrap_or(0) as f64;
    need = need.max(seen * ABOVE_LIMIT);
    if cause == Cause::RuntimeCapAboveLimit
        && let Some(cap) = case.caps.iter().filter(|c| !c.soft).map(|c| c.bytes).max()
        && limit.is_some_and(|l| (cap as f64) <= CAP_KEPT * l)
    {
        need = need.max(cap as f64 / HEAP_OF_LIMIT);
    }
    let round = |b: f64| (b / (32.0 * MIB as f64)).ceil() * 32.0 * MIB as f64;
    let request = case.headline().and_then(|t| t.recommended_request_bytes);
    let whole = if sized == Some(need) { need } else { round(need) };
    (need > 0.0).then(|| (whole, request.unwrap_or_else(|| round(need * 0.5)).min(whole)))
}

/// The limit that was hit has been raised since, and memory has stayed below the one in force.
pub fn cured(case: &Case<'_>) -> bool {
    let below = |t: &Trend| t.limit_bytes.is_some_and(|l| t.percentiles.max_bytes < RAISED * l);
    let throttled = case.cgroup.as_ref().is_some_and(|s| s.stalls());
    case.kills.is_empty() && !throttled && !case.without_headroom() && case.headline().is_some_and(below)
}

/// What stood in swap at the kills, where the kernel tells of more than a trifle (a sixteenth of the limit). The first cgroup
/// version counts memory and swap together, and its statistics have no `anon`.
pub fn swapped(case: &Case<'_>) -> Option<f64> {
    let swap = case.reports().filter_map(|r| {
        let told = r.what.swap_usage_bytes?;
        if r.what.memcg_stats.contains_key("anon") { Some(told) } else { told.checked_sub(r.what.usage_bytes?) }
    });
    let most = swap.max()? as f64;
    case.limit().is_some_and(|l| most >= l / 16.0).then_some(most)
}

/// Kills on record, none of which the back-tested size would have prevented.
pub fn unproven(case: &Case<'_>) -> Option<usize> {
    let r = case.headline()?.replay.as_ref()?;
    (r.kills > 0 && r.kills_remaining == r.kills).then_some(r.kills)
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
        _ => match (case.owner.node.as_deref(), case.is_unnamed_container()) {
            (None, _) => nameless(case),
            (Some(n), true) => format!("a container on node {n}{}", case.victim().map_or(String::new(), |v| format!(" (process {v})"))),
            (Some(n), false) => format!("node {n}"),
        },
    }
}

/// What nothing names is known by the file that tells of it.
fn nameless(case: &Case<'_>) -> String {
    let cite = case.kills.first().and_then(|k| k.cite());
    let path = cite.map_or("", |c| case.incident.path(c.span.artifact));
    match path.rsplit('/').next() {
        Some(file) if !file.is_empty() => format!("the process that {file} is about"),
        _ => "a process that nothing here names".into(),
    }
}

/// One sentence that a manager understands and an engineer can check.
pub fn sentence(case: &Case<'_>, f: &Finding) -> String {
    let says = present(case, f);
    let last = case.kill_times().last().copied().filter(|_| case.is_past());
    match (last, says.strip_suffix('.')) {
        (Some(last), Some(says)) => {
            let ago = super::verdict::newest(case.incident).0.saturating_sub(last.0) as f64 / SECOND as f64;
            format!("{says} (last on {} UTC, {} before the newest of the input).", last.human(), human_seconds(ago))
        }
        _ => says,
    }
}

fn present(case: &Case<'_>, f: &Finding) -> String {
    let who = subject(case);
    let limit = case.limit().map_or("its limit".to_owned(), |l| format!("its limit of {}", human(l)));
    let kills = killed(case, "at that limit");
    let rate = f.quantities.get("growth_bytes_per_hour").map(|g| format!("{}/h", human(*g)));
    let grows = |verb: &str| rate.as_ref().map_or_else(|| format!("{verb} (no series shows at what rate)"), |r| format!("{verb} {r}"));
    // Nothing but the process as a whole was measured: what in it grows is not known.
    let verb = if names_the_heap(f) { "leaks" } else { "grows" };
    let culprit = grower(f);
    let late = || case.headline().filter(|t| t.form == Some(TrendForm::LateOnset)).and_then(|t| t.onset);
    let since = match &f.trigger {
        Some(t) => format!(" since {} ({})", t.time.human(), t.detail),
        None => late().map_or(String::new(), |at| format!(" since {} UTC", at.human())),
    };
    let eta = f.quantities.get("time_to_oom_seconds").map_or(String::new(), |s| format!("; {limit} is reached in {}", human_seconds(*s)));
    let met = case.limit_met().map_or_else(|| limit.clone(), |met| format!("its limit at the time, {}", human(met)));
    let at_limit = killed(case, &format!("at {met}"));
    // What grew in lives that were killed and no longer does is told of them, not of the present.
    if let Some(at) = case.headline().and_then(|t| t.ceased).filter(|_| matches!(f.cause, Cause::HeapLeak | Cause::NativeGrowth)) {
        let place = if f.cause == Cause::NativeGrowth { " outside its managed heap" } else { "" };
        let grew = rate.as_ref().map_or_else(|| "grew".to_owned(), |r| format!("grew {r}"));
        return format!(
            "{who} {grew}{place} in each life until {} UTC{culprit}; {at_limit}; its level stands still since then.",
            at.human()
        );
    }
    let now = case.limit_kills().last().and_then(|k| k.limit_now.as_ref());
    let now = now.zip(f.quantities.get("time_to_oom_seconds"));
    let now = now.map_or(String::new(), |(n, s)| format!("; the limit is {} now, reached in {}", human(n.bytes as f64), human_seconds(*s)));
    let ended = case.kills.is_empty() && case.restarts_at_limit() == 0;
    match f.cause {
        Cause::HeapLeak if case.swaps_out().is_some() => {
            format!(
                "{who} {} into swap{culprit}: its working set stands at {limit} and cannot hold more; {}.",
                grows(verb),
                killed(case, &format!("at {limit}"))
            )
        }
        Cause::HeapLeak if ended => {
            let assumed = case.headline().filter(|t| t.restarts_assumed).map_or(String::new(), |t| {
                format!("; it fell back to where it began {}, and nothing in the input counts its restarts", times(t.restarts.len() as u64))
            });
            format!("{who} {}{since}{culprit}{eta}{assumed}.", grows(verb))
        }
        Cause::HeapLeak => format!("{who} {}{since}{culprit}; {at_limit}{now}.", grows(verb)),
        Cause::NativeGrowth if ended => format!("{who} {} outside its managed heap{since}{culprit}{eta}.", grows("grows")),
        Cause::NativeGrowth => format!("{who} {} outside its managed heap{since}{culprit}; {at_limit}{now}.", grows("grows")),
        Cause::LimitBelowNeed => limit_below_need(case, &who, &limit, &kills),
        Cause::LoadSpike => format!("a burst of load took {who} over {limit}: {kills}."),
        Cause::LoadGrowth if ended => {
            let rise = case.headline().and_then(|t| t.load_rise).map_or("has risen".to_owned(), |r| format!("has risen {r:.1} times"));
            format!("the load of {who} {rise} and its memory with it; as much again reaches {limit}, and nothing was killed yet.")
        }
        Cause::LoadGrowth => format!("load has outgrown {limit} of {who}: {kills}."),
        Cause::RuntimeCapAboveLimit => format!(
            "{who} lets its runtime's heap grow to {}, which leaves no room under {limit}: {kills}.",
            case.cap().map_or("more than fits".into(), |c| format!("{} ({})", human(c.bytes as f64), c.flag))
        ),
        Cause::PageCache if case.limit_kills().count() > 0 => format!(
            "file cache filled the limit of {who}, and {at_limit}: pages that were still to be written, or files in memory, cannot be dropped."
        ),
        Cause::PageCache => {
            format!("the memory charged to {who} is file cache that the kernel can drop; its working set is far below {limit}.")
        }
        Cause::TmpfsCharge => format!(
            "files in memory{} fill the limit{} of {who}, not its heap: {kills}.",
            f.culprits.first().map_or(String::new(), |c| format!(" (volume {})", c.name)),
            case.limit().map_or(String::new(), |l| format!(" of {}", human(l)))
        ),
        Cause::KernelMemory if case.is_node() => {
            let account = node_account::of(case);
            let held = account.as_ref().and_then(|a| Some(node_account::clause(a, &a.held()?)));
            format!("{who} did not run out of memory: {}; {kills}.", held.unwrap_or_else(|| "the kernel's own memory ran short".into()))
        }
        Cause::KernelMemory => format!(
            "kernel memory fills the limit{} of {who}, not its processes: {kills}.",
            case.limit().map_or(String::new(), |l| format!(" of {}", human(l)))
        ),
        Cause::NodeOvercommit => node_sentences::overcommit(case, f, &who, &kills),
        Cause::NeighbourInPod if rate.is_none() => {
            format!("{who} holds most of the pod's memory and takes the pod over its limit; the kernel killed another container.")
        }
        Cause::NeighbourInPod => {
            format!("{who} {} and takes the pod over its limit; the kernel killed another container.", grows("grows"))
        }
        Cause::NodeAgentLeak => format!(
            "{} on {who} {}; the pods are innocent.",
            f.culprits.first().map_or("a node service", |c| c.name.as_str()),
            match (case.kills.is_empty(), &rate) {
                (true, _) => format!("{} and has not been killed yet", grows("grows")),
                _ if case.kills.iter().all(|k| k.kind != KillKind::MemcgService) => "held most of the node's memory when it ran out".into(),
                (false, Some(r)) => format!("grows {r} and is killed in its own cgroup"),
                (false, None) => "is killed in its own cgroup".into(),
            }
        ),
        Cause::StartupPeak => format!("{who} needs more than {limit} to start: {kills}."),
        Cause::BatchPeak => format!("the batch job {who} outgrew {limit}: {kills}."),
        Cause::NotMemoryKill => format!("{who} was not killed for memory: {kills}."),
        Cause::NoProblem => no_problem(case, &who),
        Cause::Inconclusive => match pools::of(case).filter(|_| pools::only_own(case)) {
            Some(pool) => {
                let untouched =
                    case.limit().map_or(String::new(), |l| format!("; the container's limit of {} was not what ended it", human(l)));
                format!("{who} ran out of {}: its runtime ended itself{untouched}.", pool.name)
            }
            None => unexplained(case, &who, &limit),
        },
    }
}

/// The scope of a user's session in which the kernel killed at its own limit, and the last such kill: nothing of the node or of
/// Kubernetes.
pub fn user_scope<'a>(case: &Case<'a>) -> Option<(&'a str, &'a Kill)> {
    let service = |k: &&&Kill| k.kind == KillKind::MemcgService;
    let k = case.kills.iter().rev().find(service).filter(|_| case.kills.iter().all(|k| k.kind == KillKind::MemcgService))?;
    let report = &k.report(case.incident)?.what;
    let path = report.oom_memcg.as_deref().or(report.task_memcg.as_deref())?;
    cgroup_path::user_scope(path).map(|scope| (scope, *k))
}

/// An ending of which only the fact is known.
fn unexplained(case: &Case<'_>, who: &str, limit: &str) -> String {
    if let Some((scope, k)) = user_scope(case) {
        let comm = k.victims.first().and_then(|v| v.comm.as_deref()).unwrap_or("a process");
        let level = k.limit_bytes.map_or(String::new(), |b| format!(", which may hold {}", human(b as f64)));
        let n = times(case.kills.len() as u64);
        return format!("on {who} the kernel killed {comm} {n} in the user session scope {scope}{level}: no workload of Kubernetes.");
    }
    let why = "why cannot be told from what is in the bundle.";
    let at_limit = |k: &&&Kill| matches!(k.kind, KillKind::MemcgContainer | KillKind::MemcgPod | KillKind::OomGroup);
    // A kill at a container's limit whose container nobody names: the node is only the place.
    if let Some(k) = case.kills.iter().rev().find(at_limit).filter(|_| case.is_node()) {
        let notice = k.container_id.as_deref().zip(k.at).filter(|_| k.report.is_none() && k.victims.is_empty());
        if let Some((id, at)) = notice {
            let n = case.kills.iter().filter(at_limit).count();
            let more = if n > 1 { format!(" and {} more", n - 1) } else { String::new() };
            let place = case.owner.node.as_deref().map_or_else(|| who.to_owned(), |n| format!("node {n}"));
            return format!(
                "the container runtime on {place} reports an out-of-memory kill in container {} at {} UTC{more}; nothing here says whose container it is.",
                id.get(..12).unwrap_or(id),
                at.earliest.human()
            );
        }
        let comm = k.victims.first().and_then(|v| v.comm.as_deref()).unwrap_or("a process");
        let uid = k.report(case.incident).and_then(|r| r.what.identity.pod_uid.as_deref());
        let whose = uid.map_or(String::new(), |u| format!(" (pod UID {u})"));
        let level = k.limit_bytes.map_or(String::new(), |b| format!(" of {}", human(b as f64)));
        let n = times(case.kills.iter().filter(at_limit).count() as u64);
        let place = case.owner.node.as_deref().map_or_else(|| who.to_owned(), |n| format!("on node {n}"));
        return format!("{place} the kernel killed {comm}{whose} {n} at its container's limit{level}; {why}");
    }
    // The runtime's own last words say more than that it ended.
    let words = case.kills.iter().rev().filter(|k| k.kind == KillKind::RuntimeAbort);
    let words = words.flat_map(|k| &k.told).map(|t| t.says.as_str()).find(|s| s.contains("alloc") || s.contains("emory"));
    match words {
        Some(w) => format!(
            "{who}: its runtime ended itself with \u{201c}{}\u{201d}; what it needed the memory for is not in the bundle.",
            overall::brief(w)
        ),
        None => format!("{who}: {}; {why}", killed(case, &format!("at {limit}"))),
    }
}

/// Evidence that looks into the process: profiles, the runtime's own gauges or its last words.
pub fn names_the_heap(f: &Finding) -> bool {
    let inside = |s: &str| matches!(s, "Heap" | "Runtime metrics" | "Reconciliation");
    let own_end = |e: &crate::model::finding::Evidence| e.source == "Logs" && e.strength > crate::model::finding::Strength::Weak;
    f.evidence.iter().any(|e| e.cause == f.cause && e.stance == Stance::For && (inside(e.source) || own_end(e)))
}

fn limit_below_need(case: &Case<'_>, who: &str, limit: &str, kills: &str) -> String {
    let share = case.settled().map(|s| format!("{:.0} %", s * 100.0));
    if case.without_headroom() {
        return format!(
            "{who} has no headroom: its working set stands at {} of {limit}; nothing was killed yet.",
            share.unwrap_or_default()
        );
    }
    if let Some((s, high)) = case.cgroup.as_ref().filter(|s| s.stalls() && case.kills.is_empty()).and_then(|s| Some((s, s.high?))) {
        let below = if case.limit().is_some_and(|l| high < l) { format!(", below {limit}") } else { String::new() };
        let waits = s.stalled.unwrap_or(0.0);
        return format!(
            "{who} is throttled at memory.high of {}{below}: some task waited for memory {waits:.0} % of the last minute; nothing was killed.",
            human(high)
        );
    }
    // A limit that was raised since is not the one that was too low.
    if let Some(t) = case.headline().filter(|_| cured(case)) {
        let peak = human(t.percentiles.max_bytes);
        return format!(
            "{who} needed more than an earlier limit: {}; since then it stays below {limit} (peak {peak}).",
            killed(case, "at the limit of the time")
        );
    }
    match case.headline().map(|t| t.verdict) {
        // One level is no need: it may as well grow without end.
        None => format!("{who} reached {limit}: {kills}; no series shows whether it needs more or grows without end."),
        Some(TrendVerdict::InsufficientData) => {
            format!("{who} needs more than {limit}: {kills}; the series are too short to tell whether it grew.")
        }
        Some(TrendVerdict::LoadFollowing) => format!("{who} needs more than {limit}: its memory follows the load, and {kills}."),
        // Most of the time it is far below: what hit the limit was over before it could be seen to settle.
        Some(_) if case.settled().is_some_and(|s| s < BURST) => {
            let usual = case.headline().map_or(0.0, |t| t.percentiles.p95_bytes);
            format!("{who} needs more than {limit} at times (95 % of the time it stays below {}): {kills}.", human(usual))
        }
        Some(_) if case.headline().is_some_and(lives::climbed) => {
            format!("{who} needs more than {limit}: {kills}, at the end of a climb that what has run since does not repeat.")
        }
        Some(_) => format!("{who} needs more than {limit}: nothing grows, but {kills}."),
    }
}

/// How near it came, and what did happen.
fn no_problem(case: &Case<'_>, who: &str) -> String {
    let near = case.headline().and_then(|t| {
        let limit = t.limit_bytes.or(case.limit()).filter(|l| *l > 0.0)?;
        // Where nothing measures the process, a collector's log tells of the heap and its capacity.
        let (what, bound) =
            if t.metric.ends_with("_after_gc_bytes") { ("a heap after collections of ", "capacity") } else { ("", "limit") };
        Some(format!("{what}{:.0} % of its {bound} of {}", t.percentiles.max_bytes / limit * 100.0, human(limit)))
    });
    let stops = case.kills.len() + case.others.iter().filter(|o| o.stop).count();
    let ended = if stops == 0 {
        "nothing was killed".to_owned()
    } else {
        format!("it was told to stop {} and nothing was killed for memory", times(stops as u64))
    };
    let stays = match case.headline().map(|t| t.verdict) {
        Some(TrendVerdict::LoadFollowing) => "follows its load",
        _ => "stays bounded",
    };
    let ended = format!("{ended}{}", lives::earlier(case));
    match near {
        Some(near) => format!("no memory problem: {who} came closest, at {near} at most, and {stays}; {ended}."),
        // Without a status, a counter or a limit nobody could know of a kill.
        None if case.container.is_none() && stops == 0 => {
            format!("no memory problem is seen: {who} {stays}, but neither its limit nor its restarts are in the input.")
        }
        None => format!("no memory problem: {who} {stays}; {ended}."),
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

/// `the kernel killed it 4 times at that limit`, `a failed liveness probe restarted it twice`; `at` names the limit.
fn killed(case: &Case<'_>, at: &str) -> String {
    let mut counts: BTreeMap<KillKind, (u64, bool)> = BTreeMap::new();
    for k in &case.kills {
        let c = counts.entry(k.kind).or_default();
        c.0 += k.endings();
        c.1 |= k.exit_code.is_some() && k.is_told_by(Witness::ContainerStatus);
    }
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(kind, (n, ended))| {
            let n = times(*n);
            match kind {
                KillKind::MemcgContainer | KillKind::OomGroup => format!("the kernel killed it {n} {at}"),
                KillKind::MemcgPod => format!("the kernel killed a process of the pod {n} at the pod's limit"),
                KillKind::MemcgService => format!("the kernel killed it {n}"),
                KillKind::NodeOom => format!("the kernel had to kill {n}"),
                KillKind::Eviction => format!("the kubelet evicted {n}"),
                KillKind::ChildProcess if *ended => format!("the kernel killed a child process {n}, and the container ended"),
                KillKind::ChildProcess => format!("the kernel killed a child process {n} while the container lived on"),
                KillKind::ProbeKill => format!("a failed liveness probe restarted it {n}"),
                KillKind::Sigterm => format!("it was told to stop {n}"),
                KillKind::RuntimeAbort => format!("its runtime ended itself {n}"),
                KillKind::UserspaceOomd => format!("a userspace OOM daemon killed {n}"),
            }
        })
        .collect();
    let others: Vec<&str> = case.others.iter().filter(|o| !o.stop || o.code == Some(137)).map(|o| o.says.as_str()).collect();
    if let Some(first) = others.first() {
        let more = others.len() - 1;
        parts.push(if more == 0 {
            (*first).to_owned()
        } else {
            format!("{first} (and {more} more ending{})", if more == 1 { "" } else { "s" })
        });
    }
    let unseen = case.restarts_at_limit() as u64;
    if unseen > 0 {
        parts.push(match (parts.is_empty(), unseen) {
            (true, n) => format!("it restarted {} {at}", times(n)),
            (false, 1) => "and one more restart came with memory at the limit".into(),
            (false, n) => format!("and {n} more restarts came with memory at the limit"),
        });
    }
    // A crash loop's status keeps the last ending only; its counter keeps them all.
    let told = counts.values().map(|c| c.0).sum::<u64>().saturating_add(unseen + others.len() as u64);
    let restarts = case.container.and_then(|c| c.restart_count).unwrap_or(0);
    if !parts.is_empty() && restarts > told + 1 {
        parts.push(format!("and its restart count stands at {restarts}"));
    }
    if parts.is_empty() { "nothing was killed".into() } else { parts.join(", ") }
}
