//! Container blocks: `Containers:` and its kin in pods and pod templates.
//!
//! Structure comes from indentation relative to the block and from the order in which kubectl prints keys. So a value that
//! imitates a key (an environment value, an argument) stays a value. A termination message is the one text that kubectl
//! prints without indentation; it ends where the rest of its state follows in full.

use super::object;
use super::paste::Row;
use crate::model::pod::{ContainerKind, ContainerRun, ContainerState, Resources, bare_container_id};
use crate::model::quantity::{parse_bytes, parse_cpu_millis};
use crate::model::time::parse_rfc1123;

/// Keys of a container in the order of kubectl's `describeContainers`; a key may not come before one already seen.
const ORDER: [&str; 24] = [
    "Container ID",
    "Image",
    "Image ID",
    "Port",
    "Ports",
    "Host Port",
    "Host Ports",
    "SeccompProfile",
    "Command",
    "Args",
    "State",
    "Last State",
    "Ready",
    "Restart Count",
    "Limits",
    "Requests",
    "Liveness",
    "Readiness",
    "Startup",
    "Environment Variables from",
    "Environment",
    "Environment Variables",
    "Mounts",
    "Devices",
];

pub fn is_field(key: &str) -> bool {
    ORDER.contains(&key)
}

/// Reads the block whose heading stands at `rows[at - 1]` with indentation `parent`; gives the row after it.
pub fn block(rows: &[Row<'_>], mut at: usize, parent: usize, kind: ContainerKind, out: &mut Vec<ContainerState>) -> usize {
    let Some(level) = rows.get(at..).and_then(|r| r.iter().find(|r| !r.is_blank())).map(|r| r.indent).filter(|&i| i > parent) else {
        return at;
    };
    while let Some(r) = rows.get(at) {
        if r.is_blank() {
            at += 1;
            continue;
        }
        if r.indent <= parent {
            break;
        }
        match r.text().strip_suffix(':').filter(|n| r.indent == level && !n.is_empty() && !n.contains(' ')) {
            Some(name) => {
                let mut c = ContainerState {
                    name: name.to_owned(),
                    kind,
                    line: Some(r.number),
                    offset: Some(r.offset),
                    ..ContainerState::default()
                };
                at = container(rows, at + 1, level, &mut c);
                out.push(c);
            }
            None => at += 1,
        }
    }
    at
}

/// What a later line may prove wrong: the container as it was before a termination message.
struct Doubt {
    before: ContainerState,
    rank: usize,
    child: usize,
    last: bool,
    reason: Option<String>,
}

fn container(rows: &[Row<'_>], mut at: usize, parent: usize, c: &mut ContainerState) -> usize {
    let Some(level) = rows.get(at).map(|r| r.indent).filter(|&i| i > parent) else { return at };
    let mut rank = 0;
    let mut doubt: Option<Doubt> = None;
    while let Some(r) = rows.get(at) {
        if r.is_blank() {
            at += 1;
            continue;
        }
        if r.indent <= parent {
            break;
        }
        let found = r.key().filter(|_| r.indent == level).and_then(|(k, v)| {
            let n = ORDER.iter().position(|o| *o == k)?;
            (n >= rank).then_some((n, k, v))
        });
        let Some((n, key, value)) = found else {
            // The rest of a state without its head: a termination message had imitated a whole one. Go back and take this.
            let imitated = doubt.take().filter(|d| r.indent == d.child && state_tail(rows, at, d.child).is_some());
            if let Some(d) = imitated {
                *c = d.before;
                rank = d.rank;
                let mut run = ContainerRun { state: Some("terminated".into()), reason: d.reason, ..ContainerRun::default() };
                at = tail(rows, at, &mut run);
                if d.last {
                    c.last = Some(run)
                } else {
                    c.now = run
                }
                continue;
            }
            at += 1;
            continue;
        };
        rank = n;
        at += 1;
        let end = |from: usize| from + rows.get(from..).map_or(0, |r| r.iter().take_while(|r| r.is_blank() || r.indent > level).count());
        match key {
            "Container ID" => c.container_id = bare_container_id(value),
            "Image" => c.image = some(value),
            "Ready" => c.ready = value.to_ascii_lowercase().parse().ok(),
            "Restart Count" => c.restart_count = value.parse().ok(),
            "Liveness" => c.has_liveness_probe = true,
            "State" | "Last State" => {
                let last = key == "Last State";
                let mut run = ContainerRun { state: some(&value.to_ascii_lowercase()), ..ContainerRun::default() };
                if last || c.last.is_none() {
                    let place = rows.get(at).filter(|r| r.indent > level && !r.is_blank()).or_else(|| rows.get(at - 1));
                    c.line = place.map(|r| r.number);
                    c.offset = place.map(|r| r.offset);
                }
                let before = c.clone();
                let child = rows.get(at).map(|r| r.indent).filter(|&i| i > level);
                let (next, message) = state(rows, at, child, &mut run);
                if let (true, Some(child)) = (message, child) {
                    doubt = Some(Doubt { before, rank, child, last, reason: run.reason.clone() });
                }
                at = next;
                match last {
                    true => c.last = Some(run),
                    false => c.now = run,
                }
            }
            "Limits" => at = resources(rows, at, level, &mut c.limits),
            "Requests" => at = resources(rows, at, level, &mut c.requests),
            "Command" | "Args" => {
                let stop = end(at);
                let base = rows.get(at).map_or(0, |r| r.indent);
                let words = rows.get(at..stop).unwrap_or(&[]).iter();
                let words =
                    words.map(|r| r.raw().get(base.min(r.raw().len())..).unwrap_or("").to_owned()).filter(|w| !w.is_empty()).collect();
                match key {
                    "Args" => c.args = words,
                    _ => c.command = words,
                }
                at = stop;
            }
            "Environment" | "Environment Variables" => {
                let stop = end(at);
                environment(rows.get(at..stop).unwrap_or(&[]), c);
                at = stop;
            }
            "Mounts" => {
                let stop = end(at);
                for r in rows.get(at..stop).unwrap_or(&[]) {
                    // `/data from cache (rw,path="x")`
                    if let Some((path, rest)) = r.text().split_once(" from ") {
                        let volume = rest.split_whitespace().next().unwrap_or("");
                        c.mounts.insert(path.to_owned(), volume.to_owned());
                    }
                }
                at = stop;
            }
            _ => at = end(at),
        }
    }
    at
}

fn some(value: &str) -> Option<String> {
    (!value.is_empty() && value != "<none>").then(|| value.to_owned())
}

/// Children of `State:`; gives the next row and whether a message was among them.
fn state(rows: &[Row<'_>], mut at: usize, child: Option<usize>, run: &mut ContainerRun) -> (usize, bool) {
    let Some(child) = child else { return (at, false) };
    while let Some(r) = rows.get(at).filter(|r| r.indent == child) {
        match r.key() {
            Some(("Reason", v)) if run.reason.is_none() => run.reason = some(v),
            Some(("Message", v)) => {
                let end = (at + 1..rows.len()).find(|&n| state_tail(rows, n, child).is_some());
                // Where a whole pod stands before that end, and the end is of a state of that pod, this state's own end
                // was damaged: the pod is not part of the message.
                let next = object::next_pod(rows.get(..end.unwrap_or(rows.len())).unwrap_or(rows), at + 1);
                let damaged = next.filter(|&n| end.is_none_or(|e| n < e && headed(rows, n..e, child)));
                let (Some(end), None) = (end, damaged) else {
                    // Cut inside the message: nothing that follows is certain to be kubectl's own.
                    run.message = some(v);
                    return (damaged.unwrap_or(rows.len()), true);
                };
                let lines = rows.get(at + 1..end).unwrap_or(&[]).iter().map(|r| r.text());
                run.message = Some(std::iter::once(v).chain(lines).collect::<Vec<_>>().join("\n").trim_end().to_owned());
                return (tail(rows, end, run), true);
            }
            _ => return (tail(rows, at, run), false),
        }
        at += 1;
    }
    (at, false)
}

/// A `State:` or `Last State:` within the rows, one step out from `child`: what ends below it is its own.
fn headed(rows: &[Row<'_>], range: std::ops::Range<usize>, child: usize) -> bool {
    let rows = rows.get(range).unwrap_or(&[]);
    rows.iter()
        .any(|r| r.indent > 0 && r.indent < child && r.key().is_some_and(|(k, v)| matches!(k, "State" | "Last State") && v == "Terminated"))
}

/// Reads `Exit Code`, `Signal`, `Started`, `Finished` from `at` on.
fn tail(rows: &[Row<'_>], mut at: usize, run: &mut ContainerRun) -> usize {
    let level = rows.get(at).map(|r| r.indent);
    while let Some((key, value)) = rows.get(at).filter(|r| Some(r.indent) == level).and_then(Row::key) {
        match key {
            "Exit Code" => run.exit_code = value.parse().ok(),
            "Signal" => run.signal = value.parse().ok(),
            "Started" => run.started = parse_rfc1123(value),
            "Finished" => run.finished = parse_rfc1123(value),
            _ => break,
        }
        at += 1;
    }
    at
}

/// Whether `rows[at..]` is what ends every terminated state: exit code, perhaps a signal, both times, and then the
/// container's next field further out. Gives the row after it.
fn state_tail(rows: &[Row<'_>], at: usize, child: usize) -> Option<usize> {
    let is = |n: usize, key: &str| rows.get(n).is_some_and(|r| r.indent == child && r.key().is_some_and(|(k, _)| k == key));
    let mut n = at;
    if !is(n, "Exit Code") {
        return None;
    }
    n += 1;
    n += usize::from(is(n, "Signal"));
    if !is(n, "Started") || !is(n + 1, "Finished") {
        return None;
    }
    n += 2;
    let next = rows.get(n)?;
    let follows = next.indent < child && next.key().is_some_and(|(k, _)| matches!(k, "Last State" | "Ready"));
    follows.then_some(n)
}

/// `cpu:` and `memory:` below `Limits:` or `Requests:`; gives the next row.
pub fn resources(rows: &[Row<'_>], mut at: usize, parent: usize, out: &mut Resources) -> usize {
    while let Some(r) = rows.get(at).filter(|r| r.indent > parent) {
        match r.key() {
            Some(("memory", v)) => out.memory_bytes = parse_bytes(v),
            Some(("cpu", v)) => out.cpu_millis = parse_cpu_millis(v),
            _ => {}
        }
        at += 1;
    }
    at
}

/// `NAME:  value` at the section's own indentation; deeper lines continue a value.
fn environment(rows: &[Row<'_>], c: &mut ContainerState) {
    let Some(level) = rows.iter().find(|r| !r.is_blank()).map(|r| r.indent) else { return };
    let mut current: Option<String> = None;
    for r in rows {
        let start = r.key().filter(|(k, _)| r.indent == level && !k.contains(' '));
        match (start, &current) {
            (Some((name, value)), _) => {
                c.env.insert(name.to_owned(), value.to_owned());
                current = Some(name.to_owned());
            }
            (None, Some(name)) if !r.is_blank() => {
                if let Some(v) = c.env.get_mut(name) {
                    v.push('\n');
                    v.push_str(r.text());
                }
            }
            _ => {}
        }
    }
}
