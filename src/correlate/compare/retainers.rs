//! From growth points to suspects: which of them still grow, what keeps the gained objects alive in words of a program,
//! and which known pattern of leak it is. Names the runtime's own structures (timers, emitters, module cache) for what
//! they are; judges nothing else.

use crate::model::delta::{Amount, DeltaRow, Step, Suspect};
use crate::model::graph::{ClassKind, Gain, GrowthPoint, HeapGraph};
use crate::model::quantity::human_bytes;

/// Suspects named at most.
const SUSPECTS: usize = 10;
/// A suspect grew by at least this share of the largest one,
const LEAST_SHARE: f64 = 0.03;
/// and by this many bytes.
const LEAST_BYTES: i64 = 16 << 10;

/// Who is to blame for growth over `snapshots` captures, best first.
pub fn suspects(last: &HeapGraph, snapshots: usize, rows: &[DeltaRow]) -> Vec<Suspect> {
    let mut points: Vec<&GrowthPoint> = last.growth.iter().filter(|p| still_grows(p, snapshots, rows)).collect();
    points.sort_by_key(|p| std::cmp::Reverse(p.growth_bytes));
    let most = points.first().map_or(0, |p| p.growth_bytes);
    points
        .into_iter()
        .filter(|p| p.growth_bytes >= LEAST_BYTES && p.growth_bytes as f64 >= most as f64 * LEAST_SHARE)
        .take(SUSPECTS)
        .map(|p| suspect(p, snapshots))
        .collect()
}

/// Growth in the last step, by size or by elements, not only in the first: a cache that filled up has stopped. Where the
/// holder itself does not tell (linked lists, several holders), the class that leads its gains does.
fn still_grows(p: &GrowthPoint, snapshots: usize, rows: &[DeltaRow]) -> bool {
    if snapshots < 3 {
        return true;
    }
    let last_share = |values: &[Option<u64>]| -> Option<f64> {
        let known: Vec<f64> = values.iter().rev().take(snapshots).rev().flatten().map(|&v| v as f64).collect();
        let (first, [before, last]) = (known.first()?, known.last_chunk::<2>()?);
        let grew = last - first;
        (grew > 0.0 && known.len() > 2).then(|| (last - before) / (grew / (known.len() - 1) as f64))
    };
    let by_size = last_share(&p.sizes);
    let by_elements = last_share(&p.elements);
    let by_class =
        p.gains.first().and_then(|g| rows.iter().find(|r| r.kind == "class" && r.key == g.class.key())).map(|r| r.trend.as_str());
    // An even share per step is 1.
    let lasting = by_size.is_some_and(|s| s > 0.15) || by_elements.is_some_and(|s| s > 0.15);
    let stopped = by_size.is_some_and(|s| s <= 0.15) && by_elements.is_none_or(|s| s <= 0.15);
    match by_class {
        Some("plateau" | "shrank" | "gone" | "churn") => lasting && p.gains.first().is_none_or(|g| g.class.kind == ClassKind::Runtime),
        _ => lasting || !stopped,
    }
}

fn suspect(p: &GrowthPoint, snapshots: usize) -> Suspect {
    let pattern = pattern(p);
    let retainer = retainer(p);
    let main = p.gains.first();
    let name = main.map_or_else(|| p.class.name.to_string(), |g| g.class.name.to_string());
    let added = main.map_or(0, |g| g.count);
    let steps = snapshots.saturating_sub(1).max(1) as i64;
    let each = if added > 0 { p.growth_bytes / added } else { 0 };
    let size = |b: i64| human_bytes(u64::try_from(b).unwrap_or(0));
    let what = match main {
        Some(g) if added > 1 => {
            format!("{} gained {} {} a step, {} each with what they hold", retainer, added / steps, plural(g), size(each))
        }
        _ => format!("{retainer} grew"),
    };
    let over = if snapshots > 2 { format!("over {snapshots} snapshots") } else { "between the two snapshots".into() };
    let mut culprits = Vec::new();
    if let Some(g) = main.filter(|g| g.class.kind != ClassKind::Runtime) {
        culprits.push(("class".to_owned(), g.class.name.to_string()));
    } else if let Some(g) = main {
        culprits.push(("class".to_owned(), g.class.name.trim_matches(['(', ')']).to_owned()));
    }
    culprits.push(("retainer".to_owned(), retainer.clone()));
    Suspect {
        advice: None,
        steps: Vec::new(),
        per_event: None,
        name,
        pattern: pattern.into(),
        why: format!("{what}: {} more {over}; {}", size(p.growth_bytes), meaning(pattern)),
        retained_bytes: i64::try_from(p.retained_bytes).ok(),
        growth_bytes: Some(p.growth_bytes),
        objects_added: Some(added),
        path: p.path.clone(),
        sites: p.sites.clone(),
        culprits,
    }
}

fn plural(g: &Gain) -> String {
    match &*g.class.name {
        "Function" => "functions".into(),
        "(string)" | "(concatenated string)" | "(sliced string)" => "strings".into(),
        "Array" => "arrays".into(),
        name => name.to_owned(),
    }
}

/// What holds the gained objects, as a program would write it: from the last named owner to the holder,
/// `PriceBus._events.price-updated`.
pub fn retainer(p: &GrowthPoint) -> String {
    let upto = p.path.get(..=p.holder_at.min(p.path.len().saturating_sub(1))).unwrap_or(&p.path);
    let Some(holder) = upto.last() else { return p.class.name.to_string() };
    let mut words: Vec<String> = Vec::new();
    for (i, s) in upto.iter().enumerate().rev() {
        let edge = word(&s.edge);
        let owner = is_owner(&s.class) && i + 1 < upto.len();
        if owner {
            words.push(s.class.clone());
            break;
        }
        if let Some(e) = edge {
            words.push(e);
        }
        if words.len() >= 5 {
            break;
        }
    }
    if words.is_empty() {
        return holder.class.clone();
    }
    words.reverse();
    // A named list within the holder that takes all the gains belongs to the name: `_events.price-updated`.
    let next = p.path.get(p.holder_at + 1).filter(|_| p.path.len() > p.holder_at + 2);
    if let Some(e) =
        next.filter(|s| matches!(&*s.class, "Array" | "Map" | "Set" | "Object")).and_then(|s| word(&s.edge)).filter(|e| e != "[]")
    {
        words.push(e);
    }
    words.join(".")
}

/// An edge as a word of a path; the runtime's own fields are none.
fn word(edge: &str) -> Option<String> {
    match edge {
        "" | "context" | "elements" | "table" | "properties" | "previous" | "map" | "code" | "shared" | "feedback_cell" => None,
        e if e.starts_with('[') => Some("[]".into()),
        e => Some(e.to_owned()),
    }
}

/// Whether a class names a thing in the program rather than a way of storing.
fn is_owner(class: &str) -> bool {
    !class.is_empty()
        && class.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
        && !class.starts_with("system ")
        && !matches!(class, "Object" | "Array" | "Map" | "Set" | "Function" | "WeakMap" | "global" | "Window" | "RegExp")
}

/// The leak pattern, from the way and what was gained.
fn pattern(p: &GrowthPoint) -> &'static str {
    // What grows, what it hangs in and what hangs in it tell the pattern; a way that happens to lead through a timer or an
    // emitter far above does not.
    let near = p.path.get(p.holder_at.saturating_sub(2)..).unwrap_or(&[]);
    let edge = |f: &dyn Fn(&str) -> bool| near.iter().any(|s| f(&s.edge));
    let class = |f: &dyn Fn(&str) -> bool| near.iter().any(|s| f(&s.class));
    let gained = |f: &dyn Fn(&str) -> bool| {
        let all: i64 = p.gains.iter().map(|g| g.bytes).sum();
        let some: i64 = p.gains.iter().filter(|g| f(&g.class.name)).map(|g| g.bytes).sum();
        some * 10 > all * 6 && all > 0
    };
    let below = p.path.get(p.holder_at + 1..).unwrap_or(&[]);
    let holder = &*p.class.name;
    if gained(&|c| matches!(c, "system / JSArrayBufferData" | "ArrayBuffer" | "Buffer" | "Uint8Array" | "SharedArrayBuffer")) {
        return "buffers";
    }
    if edge(&|e| matches!(e, "_events" | "_listeners" | "kEvents" | "Symbol(kEvents)" | "listeners")) {
        return "listener-leak";
    }
    if class(&|c| matches!(c, "TimersList" | "Timeout" | "Immediate" | "ImmediateList"))
        || edge(&|e| matches!(e, "timerListMap" | "_idleNext" | "_idlePrev" | "timerListQueue" | "knownTimersById"))
    {
        return "uncleared-timer";
    }
    if class(&|c| c == "AsyncLocalStorage" || c == "AsyncContextFrame") || edge(&|e| e == "Symbol(kResourceStore)") {
        return "async-context";
    }
    if gained(&|c| matches!(c, "Promise" | "PromiseReaction" | "system / PromiseReaction"))
        || p.gains.first().is_some_and(|g| &*g.class.name == "Promise")
    {
        return "pending-promise";
    }
    if gained(&|c| matches!(c, "(compiled code)" | "(object shape)" | "(code)")) {
        return "recompiled-code";
    }
    if class(&|c| matches!(c, "Socket" | "TLSSocket" | "Server" | "ClientRequest" | "IncomingMessage" | "ServerResponse"))
        && p.gains.iter().any(|g| matches!(&*g.class.name, "Socket" | "TLSSocket" | "IncomingMessage" | "ServerResponse" | "ClientRequest"))
    {
        return "open-socket";
    }
    if below.iter().any(|s| s.class.starts_with("system / Context")) {
        return "closure-context";
    }
    if matches!(holder, "WeakMap" | "WeakSet") || edge(&|e| e == "(weak entry)") {
        return "weak-key-kept";
    }
    match holder {
        "Map" | "Set" => "unbounded-cache",
        "Array" => "growing-array",
        _ if gained(&|c| matches!(c, "(string)" | "(concatenated string)" | "(sliced string)")) => "strings",
        _ if below.first().is_some_and(|s| s.edge.starts_with('[')) => "growing-array",
        "Object" => "unbounded-cache",
        _ => "growth",
    }
}

/// What a pattern means, for the sentence.
fn meaning(pattern: &str) -> &'static str {
    match pattern {
        "listener-leak" => "listeners are added and never removed",
        "uncleared-timer" => "timers are started and never cleared",
        "pending-promise" => "promises that never settle are kept",
        "async-context" => "an async context keeps what was stored for it",
        "unbounded-cache" => "entries are added and none removed",
        "growing-array" => "an array is appended to and never trimmed",
        "closure-context" => "functions keep the variables of the scope they were made in",
        "buffers" => "buffers outside the heap are kept",
        "recompiled-code" => "code is compiled again and again and kept",
        "open-socket" => "connections are kept open or referenced",
        "weak-key-kept" => "the keys of a weak map are kept alive elsewhere",
        "strings" => "strings are kept",
        _ => "what it holds is never let go",
    }
}

/// Growth points as rows: one per holder.
pub fn rows(last: &HeapGraph, snapshots: usize) -> Vec<DeltaRow> {
    last.growth
        .iter()
        .map(|p| {
            let amount = |i: usize| {
                let get =
                    |v: &[Option<u64>]| v.iter().rev().take(snapshots).rev().nth(i).copied().flatten().and_then(|v| i64::try_from(v).ok());
                Amount { count: get(&p.elements), bytes: None, retained_bytes: get(&p.sizes) }
            };
            let (before, after) = (amount(0), amount(snapshots.saturating_sub(1)));
            DeltaRow {
                kind: "retainer".into(),
                key: format!("@{}", p.id),
                name: retainer(p),
                count_delta: after.count.zip(before.count).map(|(b, a)| b - a),
                bytes_delta: Some(p.growth_bytes),
                retained_delta: after.retained_bytes.zip(before.retained_bytes).map(|(b, a)| b - a),
                steps: (0..snapshots).map(|i| Step { count: amount(i).count, bytes: amount(i).retained_bytes }).collect(),
                trend: "every-step".into(),
                before,
                after,
                ..DeltaRow::default()
            }
        })
        .collect()
}
