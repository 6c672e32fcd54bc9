//! Claims: the node ran out of memory; an aggressor is named. Mechanism: pods use more than they requested, together more
//! than the node has; the kubelet evicts or the kernel kills whoever scores highest, not whoever grew. The aggressor is the
//! pod that stood furthest above its request just before. Refuted by: a kill at a cgroup's own limit.

use crate::diagnosis::case::Case;
use crate::diagnosis::node_account::{self, Held, NodeAccount};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::kill::{Kill, Witness as Told};
use crate::model::oom::KillKind;
use crate::model::quantity::{human, parse_bytes};
use crate::model::series::WORKING_SET;
use crate::model::time::{HOUR, MINUTE};
use crate::model::trend::Trend;
use crate::model::{Cite, Incident, Timestamp};

/// Share of all that stood above requests from which on a pod is named for it: three that are named then tell of nearly half.
const NAMED: f64 = 0.15;

pub struct NodeOvercommit;

impl Rule for NodeOvercommit {
    fn id(&self) -> &'static str {
        "node-overcommit"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Node, Need::Kill]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let kills: Vec<&&Kill> =
            case.kills.iter().filter(|k| matches!(k.kind, KillKind::NodeOom | KillKind::Eviction | KillKind::UserspaceOomd)).collect();
        let Some(first) = kills.first() else { return };
        let cites: Vec<Cite> = kills.iter().filter_map(|k| k.cite().cloned()).take(3).collect();
        // Who says so counts, not what was made of it: a container without a limit that was OOM-killed tells of no node yet.
        let (best, (strength, source)) = kills
            .iter()
            .map(|k| (*k, told_by(case, k)))
            .fold((*first, (Strength::Weak, "Kubernetes")), |have, next| if next.1.0 > have.1.0 { next } else { have });
        let says = best.says().unwrap_or_default().to_owned();
        let account = node_account::of(case);
        let held = account.as_ref().and_then(NodeAccount::held);
        if let Some((a, held @ Held::Pieces { .. })) = account.as_ref().zip(held.as_ref()) {
            // The node had memory to give: the kernel wanted some of it in one piece.
            let clause = node_account::clause(a, held);
            out.supports(Cause::KernelMemory, Strength::Conclusive, "Kernel", vec![a.report.cite.clone()], clause);
            return;
        }
        out.supports(Cause::NodeOvercommit, strength, source, cites.clone(), says);
        // What no process holds comes before any process.
        let first_of_all = matches!(held, Some(Held::Part(..) | Held::Elsewhere { .. }));
        if first_of_all {
            by_report(account.as_ref(), held.as_ref(), out);
        }
        if let Some(at) = first.at.map(|w| w.earliest) {
            above_request(case, at, out);
        }
        if !first_of_all {
            by_report(account.as_ref(), held.as_ref(), out);
        }
        named_by_evictions(case, out);
    }
}

/// How well it is known that the node itself ran out, and from whom.
fn told_by(case: &Case<'_>, k: &Kill) -> (Strength, &'static str) {
    let node_event = |reason: &str| case.incident.events.iter().any(|e| e.what.reason == reason && e.what.object_name == case.owner.node);
    match k.kind {
        // A victim's line alone does not tell what the memory was in; with the balance of the node's RAM it is known whole.
        KillKind::NodeOom if k.report.is_some() || k.is_told_by_kernel() => {
            let whole = node_account::of(case).is_some_and(|a| a.whole.is_some());
            (if whole { Strength::Conclusive } else { Strength::Strong }, "Kernel")
        }
        KillKind::NodeOom if node_event("SystemOOM") => (Strength::Strong, "Kubernetes"),
        // The kernel's own counter, at a time when nothing was left.
        KillKind::NodeOom if k.is_told_by(Told::Metrics) => (Strength::Strong, "Prometheus"),
        KillKind::NodeOom => (Strength::Weak, "Kubernetes"),
        // Such a daemon acts on stalls of one cgroup, with memory to spare elsewhere.
        KillKind::UserspaceOomd => (Strength::Moderate, "Logs"),
        _ => (Strength::Strong, "Kubernetes"),
    }
}

/// Pods that stood furthest above their requests just before.
fn above_request(case: &Case<'_>, at: Timestamp, out: &mut Witness<'_>) {
    // Where the input knows of one node only, a container whose node nothing names is on it.
    let mut nodes: Vec<&str> = case.incident.trends.iter().filter_map(|t| t.owner.node.as_deref()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let one = nodes.len() <= 1;
    let mut above: Vec<(f64, Option<f64>, &Trend)> = case
        .incident
        .trends
        .iter()
        .filter(|t| {
            t.metric == WORKING_SET && t.owner.container.is_some() && (t.owner.node == case.owner.node || one && t.owner.node.is_none())
        })
        .filter_map(|t| {
            let now = value_before(case.incident, t, at, 10 * MINUTE)?;
            let then = value_before(case.incident, t, at.saturating_sub(6 * HOUR), HOUR);
            Some((now - t.request_bytes.unwrap_or(0.0), then.map(|then| now - then), t))
        })
        .collect();
    above.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.owner.cmp(&b.2.owner)));
    let total: f64 = above.iter().map(|a| a.0.max(0.0)).sum();
    // Beside what the node has, the largest of small pods took nothing; and who is only taken to be on it must be seen to.
    let whole = node_account::capacity(case).map(|c| c as f64);
    above.retain(|(over, _, t)| whole.map_or(t.owner.node == case.owner.node, |whole| *over >= node_account::ABOVE * whole));
    for (over, grown, t) in above.iter().take(3).filter(|a| a.0 > 0.0 && a.0 >= NAMED * total) {
        let pod = t.owner.pod.as_deref().unwrap_or("?");
        out.supports(
            Cause::NodeOvercommit,
            Strength::Moderate,
            "Prometheus",
            vec![t.cite.clone()],
            format!(
                "{pod} stood {} above its memory request just before{}",
                human(*over),
                grown.map_or(String::new(), |g| format!(", after growing {} in six hours", human(g)))
            ),
        );
        out.culprit(Cause::NodeOvercommit, "pod", pod, grown.map(|g| g as i64), Some(over / total));
    }
}

/// What held the memory by the kernel's own report: a part of RAM that no process holds, or who stands above its request.
fn by_report(account: Option<&NodeAccount<'_>>, held: Option<&Held>, out: &mut Witness<'_>) {
    let Some((a, held)) = account.zip(held) else { return };
    let clause = node_account::clause(a, held);
    let says = match held {
        Held::By(h) => {
            let n = match h.processes {
                1 => "1 process".to_owned(),
                n => format!("{n} processes"),
            };
            let above = format!("{} above its memory request", human(h.above() as f64));
            let beyond =
                h.limit.zip(a.whole).filter(|(l, w)| l > w).map_or(String::new(), |(l, w)| {
                    format!("; its limit of {} is more than the node's {}", human(l as f64), human(w as f64))
                });
            format!("in the kernel's task table {n} of {} held {}, {above}{beyond}", h.whose(), human(h.bytes as f64))
        }
        _ => clause,
    };
    out.supports(Cause::NodeOvercommit, Strength::Moderate, "Kernel", vec![a.report.cite.clone()], says);
    let (kind, name, bytes) = match held {
        Held::By(h) if h.pods.is_empty() => ("process", h.comm.clone(), h.bytes),
        Held::By(h) => ("pod", h.called(), h.bytes),
        Held::Part(part, bytes) => ("key", a.called(*part), *bytes),
        Held::Pieces { .. } | Held::Elsewhere { .. } => return,
    };
    out.culprit(Cause::NodeOvercommit, kind, &name, None, Some(a.share(bytes)));
}

/// What the kubelet says of its victims: `Container runner was using 6829936Ki, request is 128Mi` (eviction/helpers.go). Who
/// used most above its request is the aggressor.
fn named_by_evictions(case: &Case<'_>, out: &mut Witness<'_>) {
    let told = case.kills.iter().filter(|k| k.kind == KillKind::Eviction).flat_map(|k| {
        let pod = k.owner.pod.as_deref();
        k.told.iter().filter_map(move |t| Some((above_in(&t.says)?, pod?, &t.cite)))
    });
    let Some(((used, request), pod, cite)) = told.max_by(|a, b| (a.0.0 - a.0.1).total_cmp(&(b.0.0 - b.0.1)).then(b.1.cmp(a.1))) else {
        return;
    };
    if used > request {
        let says = format!("{pod} used {} with a memory request of {} when it was evicted", human(used), human(request));
        out.supports(Cause::NodeOvercommit, Strength::Moderate, "Kubernetes", vec![cite.clone()], says);
        out.culprit(Cause::NodeOvercommit, "pod", pod, None, None);
    }
}

/// Use and request in bytes, added up over the containers that an eviction's message lists.
fn above_in(message: &str) -> Option<(f64, f64)> {
    let mut sum: Option<(f64, f64)> = None;
    for part in message.split("was using ").skip(1) {
        let (used, rest) = part.split_once(", request is ")?;
        let request: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        let (used, request) = (parse_bytes(used.trim())? as f64, parse_bytes(&request)? as f64);
        let have = sum.get_or_insert((0.0, 0.0));
        *have = (have.0 + used, have.1 + request);
    }
    sum
}

/// Last value of the trend's series at or before `at`, no older than `slack` ns.
fn value_before(incident: &Incident, t: &Trend, at: Timestamp, slack: i64) -> Option<f64> {
    let ms = at.0 / 1_000_000;
    t.series
        .iter()
        .filter_map(|&i| incident.series.get(i))
        .filter_map(|s| s.what.finite().take_while(|(x, _)| *x <= ms).last())
        .filter(|(x, _)| ms - x <= slack / 1_000_000)
        .max_by_key(|(x, _)| *x)
        .map(|(_, v)| v)
}
