//! Rows without a header (`--no-headers`, or a header that a paste squeezed): read only where a cell's shape leaves no doubt.

use super::rows::{self, Found};
use crate::formats::columns::fields;
use crate::model::Claim;
use crate::model::pod::KubeEvent;
use crate::model::time::parse_age;

pub fn row(text: &str) -> Option<Found> {
    if text.starts_with([' ', '\t', '{', '[', '<', '#']) {
        return None;
    }
    pod(text).or_else(|| event(text)).or_else(|| node(text)).or_else(|| top(text))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'/'))
}

fn is_ratio(text: &str) -> bool {
    text.split_once('/').is_some_and(|(a, b)| [a, b].iter().all(|n| !n.is_empty() && n.len() < 4 && n.bytes().all(|c| c.is_ascii_digit())))
}

/// `[ns] name 0/1 Status 7 [(3m ago)] 22h …`
fn pod(text: &str) -> Option<Found> {
    let words: Vec<&str> = text.split_whitespace().take(16).collect();
    let ready = words.iter().take(3).position(|w| is_ratio(w)).filter(|&n| n > 0)?;
    let word = |n: usize| words.get(n).copied();
    let name = word(ready - 1).filter(|n| is_name(n))?;
    let namespace = ready.checked_sub(2).and_then(word).map(str::to_owned);
    let status = word(ready + 1).filter(|s| s.starts_with(|c: char| c.is_ascii_uppercase()))?;
    let count = word(ready + 2)?;
    let (restarts, next) = match (word(ready + 3), word(ready + 4)) {
        (Some(a), Some("ago)")) if a.starts_with('(') => (format!("{count} {a} ago)"), ready + 5),
        _ => (count.to_owned(), ready + 3),
    };
    word(next).filter(|a| parse_age(a).is_some() || a.starts_with('<'))?;
    let mut p = rows::pod(namespace, name.rsplit('/').next().unwrap_or(name), status, &restarts)?;
    // Wide: AGE IP NODE NOMINATED READINESS.
    let (ip, node) = (word(next + 1), word(next + 2));
    if ip.is_some_and(|i| i == "<none>" || i.contains('.') || i.contains(':')) && word(next + 4).is_some() {
        p.node = node.filter(|n| is_name(n)).map(str::to_owned);
    }
    Some(Found::Pod(Box::new(p)))
}

/// `[ns] 5m[ (x3 over 1h)] Warning Reason kind/name [subobject source] message [first count name]`
fn event(text: &str) -> Option<Found> {
    let mut at = 0;
    let mut seen: Vec<(usize, &str)> = Vec::new();
    for word in text.split_whitespace().take(12) {
        let start = at + text.get(at..)?.find(word)?;
        at = start + word.len();
        seen.push((start, word));
    }
    let kind = seen.iter().position(|(_, w)| matches!(*w, "Normal" | "Warning")).filter(|n| (1..=6).contains(n))?;
    let word = |n: usize| seen.get(n).map(|(_, w)| *w);
    let (reason, object) = (word(kind + 1)?, word(kind + 2).filter(|o| o.contains('/'))?);
    let age_from = (kind.saturating_sub(4)..kind)
        .find(|&n| word(n).is_some_and(|w| parse_age(w).is_some() || matches!(w, "<unknown>" | "<invalid>")))?;
    let namespace = match age_from {
        0 => None,
        1 => word(0).filter(|n| is_name(n)).map(str::to_owned),
        _ => return None,
    };
    let age = text.get(seen.get(age_from)?.0..seen.get(kind)?.0)?.trim();
    let (start, object_text) = *seen.get(kind + 2)?;
    let rest = text.get(start + object_text.len()..)?.trim();
    let cells: Vec<&str> = fields(rest).collect();
    let mut message = rest.to_owned();
    let (mut first, mut count, mut source, mut container) = (None, None, None, None);
    // Wide rows end in FIRST SEEN, COUNT and the event's own name.
    if let [front @ .., f, c, _] = cells.as_slice()
        && let (Some(age), Ok(n), false) = (parse_age(f), c.parse::<u64>(), front.is_empty())
    {
        first = Some(age);
        count = Some(n).filter(|&n| n > 0);
        let sub = front.first().and_then(|s| KubeEvent::container_of(s));
        let skip = usize::from(sub.is_some()) + 1;
        source = front.get(skip - 1).map(|s| s.split(',').next().unwrap_or(s).to_owned());
        container = sub;
        message = front.get(skip..).unwrap_or(&[]).join("  ");
    }
    let mut e = rows::event(namespace, age, word(kind), reason, object, &message);
    e.first = first.unwrap_or(e.first);
    e.count = count.or(e.count);
    e.source = source;
    e.container = e.container.or(container);
    Some(Found::Event(e))
}

/// `name Ready[,SchedulingDisabled] roles age v1.…`
fn node(text: &str) -> Option<Found> {
    let words: Vec<&str> = text.split_whitespace().take(6).collect();
    let [name, status, _, age, version, ..] = words.as_slice() else { return None };
    let ready = status.split(',').next().unwrap_or("");
    let fits = is_name(name) && matches!(ready, "Ready" | "NotReady") && parse_age(age).is_some() && version.starts_with("v1.");
    fits.then(|| Found::Node(rows::node(name, status, version)))
}

/// `[ns] pod [container] 42m 685Mi` and `node 310m 7% 2256Mi 29%`.
fn top(text: &str) -> Option<Found> {
    let words: Vec<&str> = text.split_whitespace().take(7).collect();
    let cpu = |w: &str| w.strip_suffix('m').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let memory = |w: &str| w.strip_suffix("Mi").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match words.as_slice() {
        [n, c, p, m, q] if is_name(n) && cpu(c) && memory(m) && p.ends_with('%') && q.ends_with('%') => {
            rows::usage(Claim { node: Some((*n).into()), ..Claim::default() }, c, m, Some(q))
        }
        [pod, c, m] if is_name(pod) && cpu(c) && memory(m) => rows::usage(Claim::container("", pod, ""), c, m, None),
        [a, b, c, m] if is_name(a) && is_name(b) && cpu(c) && memory(m) => {
            // Namespace and pod, or pod and container: a generated suffix gives a pod's name away.
            let who = if generated(a) && !generated(b) { Claim::container("", a, b) } else { Claim::container(a, b, "") };
            rows::usage(who, c, m, None)
        }
        [ns, pod, container, c, m] if [ns, pod, container].iter().all(|n| is_name(n)) && cpu(c) && memory(m) => {
            rows::usage(Claim::container(ns, pod, container), c, m, None)
        }
        _ => None,
    }
}

/// `api-7d9f-x2x4q`, `search-0`: the last part is an ordinal or five letters and digits.
fn generated(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, last)| {
        last.bytes().all(|b| b.is_ascii_digit()) && !last.is_empty()
            || last.len() == 5 && last.bytes().any(|b| b.is_ascii_digit()) && last.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}
