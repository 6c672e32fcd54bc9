//! What a collector saved instead of evidence: kubectl's error text, `*-errors.json` lists of a support bundle, empty files.
//! They say what is missing and why; nothing else is concluded from them.

use super::{Format, Head, Input, Match};
use crate::model::kubectl::Kubectl;
use crate::model::node::MissingEvidence;
use crate::model::{Claim, Facts, Observation, RawTime};

pub struct CollectorErrors;

/// Longest file that is still an error text and not a log that begins with one.
const TEXT_MAX: usize = 8 << 10;

impl Format for CollectorErrors {
    fn name(&self) -> &'static str {
        "collector-error"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        if !head.complete {
            return Match::No;
        }
        let text = head.trimmed();
        if text.is_empty() {
            return if evidence_of(head.path).is_some() { Match::Likely } else { Match::No };
        }
        let name = head.file_name();
        let listed = name.ends_with("-errors.json") || name.ends_with("errors.json");
        if listed && (text.starts_with(b"[") || text.starts_with(b"\"") || text.starts_with(b"{")) {
            return Match::Certain;
        }
        let lines = head.lines().filter(|l| !l.is_empty()).count();
        let first = text.split(|&b| b == b'\n').next().unwrap_or(text);
        if text.len() <= TEXT_MAX && lines <= 6 && is_error(&String::from_utf8_lossy(first)) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let (what, settles) = evidence_of(input.path).unwrap_or(("output of a collector", "what the command would have shown"));
        if text.trim().is_empty() {
            out.note("empty", Some(1), Some(0), || {
                "the file is empty; nothing was collected, which does not mean that nothing happened".into()
            });
            return push(out, input.who.clone(), (what, settles), "the file is empty", 0, 1, &bytes);
        }
        if input.file_name().ends_with("errors.json") {
            let errors: Vec<String> = match serde_json::from_slice::<serde_json::Value>(&bytes) {
                Ok(serde_json::Value::Array(list)) => list.iter().map(words).collect(),
                Ok(serde_json::Value::Null) => Vec::new(),
                Ok(serde_json::Value::Object(map)) => map.iter().map(|(k, v)| format!("{k}: {}", words(v))).collect(),
                Ok(other) => vec![words(&other)],
                Err(_) => vec![text.trim().to_owned()],
            };
            for e in errors.iter().filter(|e| !e.is_empty()).take(100) {
                push(out, owner_of(e, &input.who), (what, settles), e, 0, 1, &bytes);
            }
            return;
        }
        let mut offset = 0u64;
        for (n, line) in text.lines().enumerate() {
            if is_error(line) {
                let (what, settles) = told_by(line).unwrap_or((what, settles));
                push(out, owner_of(line, &input.who), (what, settles), line, offset, n as u32 + 1, line.as_bytes());
            }
            offset += line.len() as u64 + 1;
        }
    }
}

fn words(v: &serde_json::Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

fn push(out: &mut Facts, who: Claim, (source, settles): (&str, &str), reason: &str, offset: u64, line: u32, text: &[u8]) {
    let command = command_for(source, &who);
    let cite = out.cite(offset, Some(line), text);
    let what = MissingEvidence { source: source.into(), reason: reason.chars().take(300).collect(), settles: settles.into(), command };
    out.missing.push(Observation { at: RawTime::Absent, who, cite, what });
}

/// kubectl's, the API server's and the kubelet's ways to say that they have nothing.
fn is_error(line: &str) -> bool {
    const STARTS: [&str; 10] = [
        "Error from server",
        "Unable to connect to the server",
        "The connection to the server ",
        "unable to retrieve container logs for ",
        "failed to get logs",
        "previous terminated container ",
        "Internal error occurred: ",
        "No resources found",
        "Unable to retrieve",
        "error retrieving",
    ];
    // Programs begin their own last words with `Error: ` too: only what kubectl says behind it counts.
    const KUBECTL: [&str; 18] = [
        "a container name must be specified",
        "container ",
        "unable to ",
        "timed out waiting",
        "You must be logged in",
        "the server doesn't have a resource type",
        "the server has asked for",
        "no matches for kind",
        "Metrics API not available",
        "metrics not available",
        "metrics-server",
        "unknown flag",
        "unknown command",
        "unknown shorthand flag",
        "context ",
        "no configuration has been provided",
        "stat ",
        "pods ",
    ];
    let line = line.trim_start();
    let said = line.strip_prefix("error: ").or_else(|| line.strip_prefix("Error: ").filter(|s| s.starts_with("unknown ")));
    line == "-- No entries --"
        || said.is_some_and(|s| KUBECTL.iter().any(|k| s.starts_with(k)))
        || STARTS.iter().any(|s| line.starts_with(s))
        || line.contains("the server could not find the requested resource")
}

/// What an error text itself says is missing.
fn told_by(line: &str) -> Option<(&'static str, &'static str)> {
    if line.contains("previous terminated container") {
        Some(("previous container log", "what the process said before its last end"))
    } else if line.contains("Metrics API not available") || line.contains("metrics not available") {
        Some(("resource metrics", "how much memory pods and nodes used at the time of collection"))
    } else {
        None
    }
}

/// What a file of this name would have held, and what that settles. `None`: nothing of interest.
fn evidence_of(path: &str) -> Option<(&'static str, &'static str)> {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit(['/', '!']).next().unwrap_or(&lower);
    let rules: [(&str, (&str, &str)); 12] = [
        ("previous", ("previous container log", "what the process said before its last end")),
        ("event", ("events", "what the kubelet, the scheduler and controllers did in the last hour")),
        ("dmesg", ("kernel log", "whether the kernel killed, what, and at which limit")),
        ("kern", ("kernel log", "whether the kernel killed, what, and at which limit")),
        ("journal", ("node journal", "what the kernel and the kubelet did")),
        ("kubelet", ("kubelet log", "evictions, probe failures and container deaths as the kubelet saw them")),
        ("top", ("resource metrics", "how much memory pods and nodes used at the time of collection")),
        ("metrics", ("resource metrics", "how much memory pods and nodes used at the time of collection")),
        ("node", ("node objects", "capacity, pressure conditions and versions of the nodes")),
        ("pods", ("pod objects", "limits, restarts and last states of containers")),
        ("describe", ("describe output", "limits, restarts, last states and events")),
        ("heap", ("heap profile", "what the process's memory was made of")),
    ];
    let in_folder = |word: &str| lower.contains(word);
    if let Some((_, what)) = rules.iter().find(|(word, _)| name.contains(word)) {
        return Some(*what);
    }
    if name.ends_with(".log") || name == "logs.txt" {
        return Some(("container log", "what the process said"));
    }
    let data = [".json", ".yaml", ".yml"].iter().any(|e| name.ends_with(e));
    rules.iter().find(|(word, _)| data && in_folder(word)).map(|(_, what)| *what)
}

/// `… container "app" in pod "api-0" …`, `pods "api-0" not found`.
fn owner_of(line: &str, known: &Claim) -> Claim {
    let quoted = |word: &str| {
        let rest = line.split_once(&format!("{word} \""))?.1;
        rest.split('"').next().filter(|n| !n.is_empty() && !n.contains(' '))
    };
    let mut who = known.clone();
    if let Some(pod) = quoted("pod").or_else(|| quoted("pods")) {
        who.pod = Some(pod.into());
        who.container = quoted("container").map(Into::into).or(who.container);
    }
    who
}

fn command_for(source: &str, who: &Claim) -> Option<String> {
    let within = || Kubectl::within(who.namespace.as_deref());
    match (source, &who.pod) {
        ("previous container log", Some(pod)) => {
            within().say(" logs ").name(pod).container(who.container.as_deref()).say(" --previous > previous.log").finish()
        }
        ("container log", Some(pod)) => within().say(" logs ").name(pod).say(" --all-containers > container.log").finish(),
        ("events", _) => Some("kubectl get events -A -o json > events.json".into()),
        ("pod objects" | "describe output", _) => Some("kubectl get pods -A -o json > pods.json".into()),
        ("node objects", _) => Some("kubectl get nodes -o json > nodes.json".into()),
        ("resource metrics", _) => Some("kubectl top pods -A --containers > top-pods.txt".into()),
        ("kernel log", _) => Some("journalctl -k -o short-iso-precise --no-hostname > kernel.log".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_text_names_what_is_missing_and_whose() {
        let line = r#"Error from server (BadRequest): previous terminated container "search" in pod "search-0" not found"#;
        assert!(is_error(line));
        let who = owner_of(line, &Claim::default());
        assert_eq!((who.pod.as_deref(), who.container.as_deref()), (Some("search-0"), Some("search")));
        let what = told_by(line).map(|w| w.0);
        assert_eq!(what, Some("previous container log"));
        assert_eq!(
            command_for("previous container log", &who).as_deref(),
            Some("kubectl logs search-0 -c search --previous > previous.log")
        );
        assert!(is_error("error: unable to read client-cert /etc/k/x: permission denied"));
        for log in ["2026-11-20 error: disk full", "Error: spawn ENOMEM", "Error: Cannot find module 'x'", "error: out of memory"] {
            assert!(!is_error(log), "{log}");
        }
    }
}
