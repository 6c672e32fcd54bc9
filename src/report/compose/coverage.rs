//! What was read, what was read in part, what is missing: for each missing source what it would settle and the command
//! that would have collected it, with the main finding's names filled in.

use crate::model::finding::Finding;
use crate::model::kubectl::Kubectl;
use crate::model::oom::KillKind;
use crate::model::promql;
use crate::model::series::WORKING_SET;
use crate::model::{Incident, Severity};
use crate::report::document::CoverageDoc;

fn kernel_log(node: &str) -> Option<String> {
    Kubectl::on_node(node).say("journalctl -k -o short-iso-precise > kernel.log").finish()
}

/// Formats that what a container printed is read as.
const CONTAINER_LOGS: [&str; 3] = ["app-log", "jvm-gc-log", "go-goroutine-text"];

/// Whether a file's own name says so, as `kubectl logs --previous` is saved by people and collectors: `web-previous.log`,
/// `previous.log`, `app.prev.txt`. A folder's name says nothing about what lies in it.
fn of_previous_run(path: &str) -> bool {
    let file = path.rsplit(['/', '!']).next().unwrap_or(path);
    file.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| matches!(word, "previous" | "prev"))
}

pub fn coverage(incident: &Incident, first: Option<&Finding>) -> Vec<CoverageDoc> {
    let owner = first.map(|f| f.owner.clone()).unwrap_or_default();
    // `-A` is `get`'s own flag: before the verb kubectl takes it for a plugin's.
    let get = |what: &str| {
        let (at, all) = owner.namespace.as_deref().map_or((Kubectl::new(), " -A"), |n| (Kubectl::within(Some(n)), ""));
        at.say(&format!(" get {what}{all} -o json > {what}.json")).finish()
    };
    let of_container = |verb: &str, rest: &str| {
        let pod = owner.pod.as_deref()?;
        Kubectl::within(owner.namespace.as_deref()).say(verb).name(pod).container(owner.container.as_deref()).say(rest).finish()
    };
    let mut out = Vec::new();
    let mut source = |name: &str, count: usize, unit: &str, settles: &str, command: Option<String>| {
        let status = if count > 0 { "read" } else { "missing" };
        let found = match count {
            0 => "not in the input".into(),
            // `series` is its own singular.
            1 => format!("1 {}", unit.strip_suffix('s').filter(|_| !unit.ends_with("series")).unwrap_or(unit)),
            n => format!("{n} {unit}"),
        };
        out.push(CoverageDoc {
            source: name.into(),
            status: status.into(),
            found,
            settles: settles.into(),
            command: command.filter(|_| count == 0),
        });
    };
    let of =
        |formats: &[&str]| incident.artifacts.iter().filter(|a| formats.iter().any(|f| a.format.starts_with(f)) && a.facts > 0).count();
    source("Pods", incident.pods.len(), "pods", "limits, restarts, last states", get("pods"));
    source("Events", incident.events.len(), "events", "evictions, probe failures, rollouts", get("events"));
    source(
        "Nodes",
        incident.nodes.len(),
        "nodes",
        "capacity, pressure, kernel and kubelet versions",
        Some("kubectl get nodes -o json > nodes.json".into()),
    );
    let logs = of(&["kernel"]);
    source(
        "Kernel log",
        logs,
        "logs",
        "who was killed, at which limit, and what the cgroup held",
        owner.node.as_deref().and_then(kernel_log),
    );
    let working: usize = incident.series.iter().filter(|s| s.what.metric == WORKING_SET).count();
    source(
        "Memory series",
        working,
        "working-set series",
        "leak, plateau or spike",
        Some(format!("{} > working_set.json", promql::range(incident, WORKING_SET, &owner))),
    );
    source("Heap profiles", incident.profiles.len(), "profiles", "which class, function or line grew", None);
    let previous = incident.artifacts.iter().filter(|a| CONTAINER_LOGS.contains(&a.format) && of_previous_run(&a.path)).count();
    source(
        "Previous container log",
        previous,
        "logs",
        "the runtime's own last words",
        of_container(" logs ", " --previous > previous.log"),
    );
    source(
        "cgroup files",
        incident.cgroups.len(),
        "readings",
        "cache, tmpfs or anonymous memory; kills that nobody logged",
        of_container(" exec ", " -- cat /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory.events"),
    );
    partial_kernel(incident, &mut out);
    for m in &incident.missing {
        out.push(CoverageDoc {
            source: m.what.source.clone(),
            status: "missing".into(),
            found: format!("{} ({})", m.what.reason, incident.path(m.cite.span.artifact)),
            settles: m.what.settles.clone(),
            command: m.what.command.clone(),
        });
    }
    for a in incident.artifacts.iter().filter(|a| a.diagnostics.iter().any(|d| d.severity != Severity::Note)) {
        let worst = a.diagnostics.iter().min_by_key(|d| d.severity);
        out.push(CoverageDoc {
            source: a.path.clone(),
            status: if a.facts > 0 { "partial" } else { "missing" }.into(),
            found: worst.map_or(String::new(), |d| format!("{}{}", d.message, place(d))),
            settles: String::new(),
            command: None,
        });
    }
    out
}

/// ` (line 12)` or ` (byte 4096)`.
fn place(d: &crate::model::Diagnostic) -> String {
    match (d.line, d.byte_offset) {
        (Some(l), _) => format!(" (line {l})"),
        (None, Some(b)) => format!(" (byte {b})"),
        _ => String::new(),
    }
}

/// Nodes on which containers died of memory without a kernel log to tell how.
fn partial_kernel(incident: &Incident, out: &mut [CoverageDoc]) {
    let mut nodes: Vec<&str> = incident
        .kills
        .iter()
        .filter(|k| k.kind.is_memory() && k.kind != KillKind::RuntimeAbort && !k.is_told_by_kernel() && k.kind != KillKind::Eviction)
        .filter_map(|k| k.owner.node.as_deref())
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    let Some(entry) = out.iter_mut().find(|c| c.source == "Kernel log" && c.status == "read") else { return };
    if let Some(n) = nodes.first() {
        entry.status = "partial".into();
        entry.found = format!(
            "{}; {} node{} with kills and no kernel line for them",
            entry.found,
            nodes.len(),
            if nodes.len() == 1 { "" } else { "s" }
        );
        entry.command = kernel_log(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::incident::ArtifactInfo;

    #[test]
    fn a_previous_container_log_is_a_log_that_says_so_in_its_own_name() {
        let found = |path: &str, format: &'static str| {
            let artifact = ArtifactInfo { path: path.into(), format, facts: 1, ..ArtifactInfo::default() };
            let all = coverage(&Incident { artifacts: vec![artifact], ..Incident::default() }, None);
            all.into_iter().find(|c| c.source == "Previous container log").map(|c| c.status)
        };
        for path in ["logs/web-1_web.previous.log", "a.zip!pods/web-1/web/logs/previous.log", "web-1-previous.txt.gz", "prev.log"] {
            assert_eq!(found(path, "app-log").as_deref(), Some("read"), "{path}");
        }
        let not = [
            ("previous-week/describe.txt", "kube-describe"),
            ("previous-week/web.log", "app-log"),
            ("describe-previous.txt", "kube-describe"),
        ];
        for (path, format) in not {
            assert_eq!(found(path, format).as_deref(), Some("missing"), "{path}");
        }
    }
}
