//! The sentence of a node that ran out of memory: what held it, by the kernel's own report or by series, and who died.

use super::case::Case;
use super::node_account::{self, Held};
use super::overall;
use crate::model::finding::Finding;
use crate::model::kill::Kill;
use crate::model::oom::{Constraint, KillKind, LimitLevel};

/// Who was killed, with the container where it is not called as the whole is.
fn victim_of(k: &&Kill) -> String {
    match (k.owner.workload.as_deref().or(k.owner.pod.as_deref()), k.owner.container.as_deref()) {
        (Some(of), Some(c)) if of != c => format!("container {c} of {of}"),
        (Some(of), _) => of.to_owned(),
        (None, _) => "a container".into(),
    }
}

pub fn overcommit(case: &Case<'_>, f: &Finding, who: &str, kills: &str) -> String {
    // Killed for memory without a limit of its own: some level above ran out, and nothing says that it was the node.
    if f.confidence < 0.5 && case.kills.iter().all(|k| k.report.is_none() && k.kind == KillKind::NodeOom) {
        let victim = case.kills.last().map_or_else(|| "a container".into(), victim_of);
        return format!(
            "{who} may have run out of memory: {victim} was OOM-killed without a limit of its own, and no report of the node is in the input."
        );
    }
    let who = if case.owner.node.is_some() { who } else { "a node that the input does not name" };
    if let Some(k) = case.kills.last().filter(|_| case.kills.iter().all(|k| k.kind == KillKind::UserspaceOomd)) {
        let victim = k.owner.pod.as_deref().unwrap_or("a process");
        let says = k.says().unwrap_or_default();
        let why = says.split_once("due to ").map_or(says, |(_, why)| why);
        return format!("a userspace OOM daemon on {who} killed {victim}: {}.", overall::brief(why).trim_end_matches('.'));
    }
    let report = case.reports().last();
    let whole = match report.map(|r| (r.what.constraint, r.what.limit_level)) {
        Some((Some(Constraint::Cpuset | Constraint::MemoryPolicy), _)) => {
            "ran out of memory in the part of it that the process may use (a NUMA node or cpuset)"
        }
        Some((_, Some(LimitLevel::Kubepods))) => "let its pods together reach what it allots to pods",
        _ => "ran out of memory",
    };
    // What the kernel's own report says was first of all, unless series tell who grew.
    let account = node_account::of(case);
    let held = account.as_ref().and_then(|a| Some((a, a.held()?)));
    let told = |kind: &str| f.culprits.first().is_some_and(|c| c.kind == kind);
    let most = match &held {
        Some((a, held @ (Held::Part(..) | Held::Elsewhere { .. }))) => {
            return format!("{who} {whole}: {}; {kills}.", node_account::clause(a, held));
        }
        Some((a, held @ Held::By(h))) if f.culprits.first().is_none_or(|c| c.name == h.called() || told("process")) => {
            format!(", {}", node_account::clause(a, held))
        }
        _ => f.culprits.first().map_or(String::new(), |c| format!(", taken by {} {}", c.kind, c.name)),
    };
    format!("{who} {whole}{most}: {kills}.")
}
