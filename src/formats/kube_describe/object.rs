//! One object of a describe text: its top-level keys with their sections, containers, template and events.
//! Which kind it is shows only in its keys, so everything is read first and interpreted afterwards.

use super::containers;
use super::events::{self, Found};
use super::paste::{Row, key_of, set_indent};
use crate::model::pod::{ContainerKind, ContainerState};
use std::ops::Range;

/// Keys in the first column, over all kinds that are read.
const TOP: [&str; 74] = [
    "Name",
    "Namespace",
    "Priority",
    "Priority Class Name",
    "PriorityClassName",
    "Runtime Class Name",
    "Service Account",
    "Node",
    "Start Time",
    "Labels",
    "Annotations",
    "Status",
    "Termination Grace Period",
    "Reason",
    "Message",
    "SeccompProfile",
    "IP",
    "IPs",
    "Controlled By",
    "NominatedNodeName",
    "Resources",
    "Init Containers",
    "Containers",
    "Ephemeral Containers",
    "Readiness Gates",
    "Conditions",
    "Volumes",
    "QoS Class",
    "Node-Selectors",
    "Tolerations",
    "Topology Spread Constraints",
    "Events",
    "Roles",
    "CreationTimestamp",
    "Taints",
    "Unschedulable",
    "Lease",
    "Addresses",
    "Capacity",
    "Allocatable",
    "System Info",
    "PodCIDR",
    "PodCIDRs",
    "ProviderID",
    "ExternalID",
    "Non-terminated Pods",
    "Allocated resources",
    "Selector",
    "Replicas",
    "StrategyType",
    "MinReadySeconds",
    "RollingUpdateStrategy",
    "Pod Template",
    "OldReplicaSets",
    "NewReplicaSet",
    "Pods Status",
    "Update Strategy",
    "Partition",
    "Volume Claims",
    "Node-Selector",
    "Desired Number of Nodes Scheduled",
    "Current Number of Nodes Scheduled",
    "Number of Nodes Scheduled with Up-to-date Pods",
    "Number of Nodes Scheduled with Available Pods",
    "Number of Nodes Misscheduled",
    "Parallelism",
    "Completions",
    "Completion Mode",
    "Completed At",
    "Duration",
    "Pods Statuses",
    "Start time",
    "Backoff Limit",
    "Suspend",
];

/// Keys of a pod that stand after its containers; one seen earlier was text.
const AFTER_CONTAINERS: [&str; 7] =
    ["Conditions", "Volumes", "QoS Class", "Node-Selectors", "Tolerations", "Topology Spread Constraints", "Events"];

pub fn is_top(key: &str) -> bool {
    TOP.contains(&key)
}

/// A top-level key with its value and the rows below it.
pub struct Section {
    pub key: String,
    pub value: String,
    pub body: Range<usize>,
}

pub struct Object {
    /// Row of `Name:`.
    pub start: usize,
    pub sections: Vec<Section>,
    /// Of the pod, or of the template.
    pub containers: Vec<ContainerState>,
    /// Rows of the template's sections other than containers.
    pub template: Vec<Section>,
    pub events: Vec<Found>,
}

impl Object {
    pub fn section(&self, key: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.key == key)
    }

    /// Value of a top-level key; `<none>` and the like are absent.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.section(key).map(|s| s.value.as_str()).filter(|v| !(v.is_empty() || v.starts_with('<') && v.ends_with('>')))
    }

    pub fn has(&self, key: &str) -> bool {
        self.section(key).is_some()
    }
}

/// Whether an object begins at `at`: `Name:` and one of the keys that may follow it.
pub fn begins(rows: &[Row<'_>], at: usize) -> bool {
    let key = |n: usize| rows.get(n).and_then(Row::key);
    let same_level = |n: usize| rows.get(n).zip(rows.get(at)).is_some_and(|(a, b)| a.indent == b.indent);
    let Some(("Name", value)) = key(at) else { return false };
    let named = !value.is_empty() && !value.contains(' ');
    named && same_level(at + 1) && key(at + 1).is_some_and(|(k, _)| matches!(k, "Namespace" | "Roles" | "Labels" | "CreationTimestamp"))
}

/// Reads the object at `at` (where [`begins`] holds); gives it and the row after it.
pub fn read(rows: &[Row<'_>], start: usize) -> (Object, usize) {
    let base = rows.get(start).map_or(0, |r| r.indent);
    let mut o = Object { start, sections: Vec::new(), containers: Vec::new(), template: Vec::new(), events: Vec::new() };
    let mut at = start;
    while let Some(r) = rows.get(at) {
        if at > start && (ends_here(rows, at, &o) || is_over(rows, at, base, &o)) {
            break;
        }
        let Some((key, value)) = r.key().filter(|(k, _)| r.indent == base && is_top(k)) else {
            at += 1;
            continue;
        };
        at += 1;
        let flavour = match key {
            "Init Containers" => Some(ContainerKind::Init),
            "Containers" => Some(ContainerKind::Main),
            "Ephemeral Containers" => Some(ContainerKind::Ephemeral),
            _ => None,
        };
        if let Some(kind) = flavour {
            o.sections.retain(|s| !AFTER_CONTAINERS.contains(&s.key.as_str()));
            at = containers::block(rows, at, base, kind, &mut o.containers);
        } else if key == "Events" {
            if value.is_empty() {
                at = events::table(rows, at, base, |n| prompt(rows, n) || follows_events(rows, n), &mut o.events);
            }
            o.sections.push(Section { key: key.into(), value: value.into(), body: at..at });
        } else {
            let end = body_end(rows, at, base);
            if key == "Pod Template" {
                template(rows, at..end, base, &mut o);
            }
            if !o.sections.iter().any(|s| s.key == key) {
                o.sections.push(Section { key: key.into(), value: value.into(), body: at..end });
            }
            at = end;
        }
    }
    (o, at)
}

fn body_end(rows: &[Row<'_>], from: usize, base: usize) -> usize {
    from + rows.get(from..).map_or(0, |r| r.iter().take_while(|r| r.is_blank() || r.indent > base).count())
}

/// The next object may begin only where this one is complete: after its events, or after two blank lines.
fn ends_here(rows: &[Row<'_>], at: usize, o: &Object) -> bool {
    if !begins(rows, at) {
        return false;
    }
    let blank = |n: usize| rows.get(n).is_some_and(Row::is_blank);
    let apart = at >= 2 && blank(at - 1) && blank(at - 2);
    apart || o.has("Events") || at.checked_sub(1).is_some_and(|n| prompt(rows, n) || blank(n) && o.has("Tolerations"))
}

/// Events stand last in every kind: what follows them behind two blank lines is another object, even where damage hides its
/// name, and must not be taken for more of this one.
fn is_over(rows: &[Row<'_>], at: usize, base: usize, o: &Object) -> bool {
    let blank = |n: usize| rows.get(n).is_some_and(Row::is_blank);
    o.has("Events") && at >= 2 && blank(at - 1) && blank(at - 2) && rows.get(at).is_some_and(|r| !r.is_blank() && r.indent == base)
}

/// The first row from `from` on at which a whole pod seems to begin: behind two blank lines, with the keys of a pod in their
/// order up to its containers. A message may hold such a text, too; who calls decides.
pub fn next_pod(rows: &[Row<'_>], from: usize) -> Option<usize> {
    let blank = |n: usize| rows.get(n).is_some_and(Row::is_blank);
    let whole = |n: usize| {
        let base = rows.get(n).map_or(0, |r| r.indent);
        let mut wanted = ["Namespace", "Node", "Status", "Containers"].iter().peekable();
        for r in rows.get(n + 1..).unwrap_or(&[]).iter().take_while(|r| !r.is_blank()).take(400) {
            let Some(key) = wanted.peek() else { break };
            if r.indent == base && r.key().is_some_and(|(k, _)| k == **key) {
                wanted.next();
            }
        }
        wanted.peek().is_none()
    };
    (from.max(2)..rows.len()).find(|&n| blank(n - 1) && blank(n - 2) && begins(rows, n) && whole(n))
}

/// An object after an event table: set apart by a blank line or a prompt, or, where a paste dropped those, so long a run of
/// keys that it is no event's message.
fn follows_events(rows: &[Row<'_>], at: usize) -> bool {
    if !begins(rows, at) {
        return false;
    }
    let before = at.checked_sub(1);
    let apart = before.is_none_or(|n| rows.get(n).is_some_and(Row::is_blank) || prompt(rows, n));
    apart || (at + 1..at + 5).all(|n| rows.get(n).and_then(Row::key).is_some_and(|(k, _)| is_top(k)))
}

/// A shell prompt with a command, as pasted sessions have between objects.
fn prompt(rows: &[Row<'_>], at: usize) -> bool {
    let Some(r) = rows.get(at) else { return false };
    let text = r.text();
    [" kubectl ", " oc ", " k "]
        .iter()
        .any(|c| text.find(c).is_some_and(|n| text.get(..n).is_some_and(|p| p.ends_with(['$', '#', '%', '>', '❯', '➜']))))
        || text.starts_with("$ ")
}

fn template(rows: &[Row<'_>], body: Range<usize>, base: usize, o: &mut Object) {
    let rows = rows.get(..body.end).unwrap_or(rows);
    let Some(level) = rows.get(body.start).map(|r| r.indent).filter(|&i| i > base) else { return };
    let mut at = body.start;
    while let Some(r) = rows.get(at) {
        at += 1;
        let Some((key, value)) = r.key().filter(|_| r.indent == level) else { continue };
        match key {
            "Init Containers" => at = containers::block(rows, at, level, ContainerKind::Init, &mut o.containers),
            "Containers" => at = containers::block(rows, at, level, ContainerKind::Main, &mut o.containers),
            _ => {
                let end = body_end(rows, at, level);
                o.template.push(Section { key: key.into(), value: value.into(), body: at..end });
                at = end;
            }
        }
    }
}

/// Gives a text that lost all indentation the one its keys call for. Only keys in kubectl's places are trusted, so a value
/// that imitates a key can mislead here, as it would a reader.
pub fn reindent(rows: &mut [Row<'_>]) {
    let mut in_containers = false;
    let mut in_template = false;
    let mut in_table = false;
    // Events stand last: a heading after which fields of a container or a pod still follow is a value that imitates it.
    let mut closing = vec![true; rows.len()];
    let mut last = true;
    for n in (0..rows.len()).rev() {
        if let Some(slot) = closing.get_mut(n) {
            *slot = last;
        }
        let key = rows.get(n).and_then(|r| key_of(r.text())).map(|(k, _)| k);
        if key.is_some_and(|k| matches!(k, "Container ID" | "Restart Count" | "QoS Class" | "Tolerations" | "Allocated resources")) {
            last = false;
        }
        last |= begins(rows, n);
    }
    for n in 0..rows.len() {
        let next_is_field = rows.get(n + 1).and_then(Row::key).is_some_and(|(k, _)| matches!(k, "Container ID" | "Image" | "Port"));
        let Some(r) = rows.get(n) else { return };
        if r.is_blank() {
            continue;
        }
        let starts = begins(rows, n);
        let Some(r) = rows.get(n) else { return };
        let key = key_of(r.text()).map(|(k, v)| (k.to_owned(), v.is_empty()));
        let shift = usize::from(in_template) * 2;
        let closes = closing.get(n).copied().unwrap_or(true);
        let indent = match key {
            _ if starts => {
                (in_containers, in_template, in_table) = (false, false, false);
                0
            }
            Some((k, true)) if matches!(k.as_str(), "Containers" | "Init Containers" | "Ephemeral Containers") => {
                in_containers = true;
                shift
            }
            Some((k, _)) if in_containers && next_is_field && !is_top(&k) && !containers::is_field(&k) => shift + 2,
            Some((k, _)) if in_containers && containers::is_field(&k) => shift + 4,
            Some((k, _))
                if in_template && !in_containers && matches!(k.as_str(), "Labels" | "Annotations" | "Service Account" | "Volumes") =>
            {
                2
            }
            Some((k, empty))
                if is_top(&k)
                    && !(in_containers && matches!(k.as_str(), "Reason" | "Message" | "Name"))
                    && !in_table
                    && (k != "Events" || closes) =>
            {
                in_containers = false;
                in_template = k == "Pod Template";
                in_table = k == "Events" && empty;
                0
            }
            _ if in_containers => shift + 6,
            _ => 2,
        };
        if let Some(r) = rows.get_mut(n) {
            set_indent(r, indent);
        }
    }
}
