//! Nodes that only a folder names. `w-7/kern.log` may be node w-7's, `systeminfo/dmesg` is nobody's: collectors sort files
//! by subject as well as by host. A folder's name is a node's where something else calls a node so (a pod, an event, a line
//! of a log) or the layout keeps nodes there; where nothing names any node, it has to look like a host's name. A folder above
//! that begins with a known node's name (`w-7-2026-05-06_09_30_00`) tells whose the files below it are.

use super::identity::Names;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::{Claim, Observation};
use std::collections::BTreeSet;

/// Settles the node of every fact that takes it from its artifact's path.
pub fn settle(facts: &mut Facts, artifacts: &[ArtifactInfo], names: &Names) {
    let mut known: BTreeSet<String> = names.nodes().map(str::to_owned).collect();
    let said = |who: &Claim| who.node.as_deref().filter(|_| !who.inferred).map(str::to_owned);
    known.extend(facts.kills.iter().map(|o| &o.who).chain(facts.logs.iter().map(|o| &o.who)).filter_map(said));
    let of_nodes = facts.events.iter().filter(|e| e.what.object_kind.as_deref() == Some("Node"));
    known.extend(of_nodes.filter_map(|e| e.what.object_name.clone()));
    let known: Vec<String> = known.into_iter().collect();
    each(&mut facts.kills, artifacts, &known);
    each(&mut facts.logs, artifacts, &known);
    each(&mut facts.boots, artifacts, &known);
    each(&mut facts.processes, artifacts, &known);
}

fn each<T>(list: &mut [Observation<T>], artifacts: &[ArtifactInfo], known: &[String]) {
    // Facts of one artifact follow one another.
    let mut last: Option<(crate::model::ArtifactId, Box<str>, Option<Box<str>>)> = None;
    for o in list.iter_mut().filter(|o| o.who.inferred) {
        let (id, Some(claimed)) = (o.cite.span.artifact, o.who.node.clone()) else { continue };
        if !last.as_ref().is_some_and(|(a, c, _)| *a == id && *c == claimed) {
            let Some(artifact) = artifacts.get(id.0 as usize) else { continue };
            last = Some((id, claimed.clone(), node(artifact, &claimed, known)));
        }
        o.who.node = last.as_ref().and_then(|(.., node)| node.clone());
    }
}

/// The node that a path means by `claimed`.
fn node(artifact: &ArtifactInfo, claimed: &str, known: &[String]) -> Option<Box<str>> {
    let short = |n: &str| n.split('.').next().unwrap_or(n).to_owned();
    let of_layout = artifact.who.node.as_deref() == Some(claimed);
    let folders: Vec<&str> = artifact.path.split(['/', '!']).rev().skip(1).collect();
    if of_layout || !folders.contains(&claimed) || known.iter().any(|n| n == claimed || short(n) == short(claimed)) {
        return Some(claimed.into());
    }
    let begins = |n: &&String| {
        let marked = |f: &&str| f.strip_prefix(n.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']));
        folders.iter().any(marked)
    };
    match known.iter().filter(begins).max_by_key(|n| n.len()) {
        Some(n) => Some(n.as_str().into()),
        None => (known.is_empty() && crate::model::identity::is_host_like(claimed)).then(|| claimed.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_nodes_only_where_something_else_does() {
        let of = |path: &str, claimed: &str, known: &[&str]| {
            let artifact = ArtifactInfo { path: path.into(), ..ArtifactInfo::default() };
            let known: Vec<String> = known.iter().map(|s| (*s).to_owned()).collect();
            node(&artifact, claimed, &known).map(String::from)
        };
        assert_eq!(of("w-7-2026-05-06/systeminfo/dmesg", "systeminfo", &["w-7", "w"]).as_deref(), Some("w-7"));
        assert_eq!(of("x/systeminfo/dmesg", "systeminfo", &["w-7"]), None);
        assert_eq!(of("x/systeminfo/dmesg", "systeminfo", &[]), None);
        assert_eq!(of("x/w-7/dmesg", "w-7", &[]).as_deref(), Some("w-7"));
        assert_eq!(of("x/w-7/dmesg", "w-7", &["w-7.example.com"]).as_deref(), Some("w-7"));
        assert_eq!(of("x/2026-05-06/dmesg", "2026-05-06", &[]), None);
        assert_eq!(of("x/worker.kern.log", "worker", &["w-7"]).as_deref(), Some("worker"));
    }
}
