//! The catalogue of leak patterns of garbage-collected programs: told by what grows, what it hangs in and what hangs in it.
//! A pattern explains growth that was already found; it makes no suspect. Each is a fact about a runtime's library, never
//! about one program.

use super::holder_words;
use crate::model::delta::PathStep;
use crate::model::graph::{Gain, GrowthPoint};

/// Steps around the holder that speak for it: a way that leads through a timer or an emitter far above does not.
const NEAR: usize = 2;

/// The leak pattern of a growth point.
pub fn of(p: &GrowthPoint) -> &'static str {
    let (path, at) = holder_words::from_module(p);
    let near = path.get(at.saturating_sub(NEAR)..=(at + 1).min(path.len().saturating_sub(1))).unwrap_or(path);
    let below = path.get(at + 1..).unwrap_or(&[]);
    let around = path.get(at.saturating_sub(NEAR)..).unwrap_or(path);
    let edge = |steps: &[PathStep], words: &[&str]| steps.iter().any(|s| words.iter().any(|w| is_field(&s.edge, w)));
    let class = |steps: &[PathStep], words: &[&str]| steps.iter().any(|s| words.contains(&s.class.as_str()));
    let all: i64 = p.gains.iter().map(|g| g.bytes).sum();
    let share = |names: &[&str]| {
        let some: i64 = p.gains.iter().filter(|g| names.contains(&&*g.class.name)).map(|g| g.bytes).sum();
        if all > 0 { some as f64 / all as f64 } else { 0.0 }
    };
    let main = p.gains.first();
    let main_is = |names: &[&str]| main.is_some_and(|g| names.contains(&&*g.class.name));
    let entry = p.gains.iter().filter(|g| g.entries > 0).max_by_key(|g| g.entry_retained_bytes);
    let entry_is = |names: &[&str]| entry.is_some_and(|g| names.contains(&&*g.class.name));
    let holder = &*p.class.name;

    // A runtime's own handles may be detached too: from their JavaScript side, not from a document.
    if p.gains.iter().any(|g| g.class.name.strip_prefix("Detached ").is_some_and(|n| !n.starts_with("Node / "))) {
        return "detached-dom";
    }
    if share(&["system / JSArrayBufferData", "ArrayBuffer", "Buffer", "Uint8Array", "SharedArrayBuffer"]) > 0.6 {
        return "buffers";
    }
    if edge(near, &["_events", "_listeners", "kEvents", "listeners"])
        && (!entry_is(&SOCKETS) || below.first().is_some_and(|s| is_code(&s.class)))
    {
        return "listener-leak";
    }
    let functions = p.gains.iter().filter(|g| &*g.class.name == "Function").map(|g| g.count).sum::<i64>();
    let per_entry = |count: i64| entry.or(main).is_some_and(|e| count.saturating_mul(2) >= e.count.min(e.entries.max(1) as i64));
    let list = path.get(at + 1).filter(|s| matches!(&*s.class, "Array" | "Map" | "Set" | "Object"));
    let named = path.get(at).into_iter().chain(list).any(|s| is_listener_list(&s.edge))
        || holder == "Array" && below.first().is_some_and(|s| s.class == "Function") && near.iter().any(|s| is_publisher(&s.edge));
    if named && functions > 0 && per_entry(functions) {
        return "listener-leak";
    }
    if class(around, &["TimersList", "Timeout", "Immediate", "ImmediateList"])
        || edge(around, &["timerListMap", "_idleNext", "_idlePrev", "timerListQueue", "knownTimersById"])
    {
        return "uncleared-timer";
    }
    if holder == "Module" && edge(near, &["children"])
        || edge(near, &["_cache"]) && entry_is(&["Module"])
        || main_is(&["Module"])
        || edge(near, &["children"]) && entry_is(&["Module"])
    {
        return "module-cache";
    }
    if class(around, &["AsyncLocalStorage", "AsyncContextFrame", "AsyncResource"]) || edge(around, &["kResourceStore"]) {
        return "async-context";
    }
    // What waits for a promise hangs in the runtime's reactions to it; the result of a settled one is a value like any other.
    let settled = around.iter().any(|s| s.edge == "reactions_or_result");
    let count = |name: &str| p.gains.iter().filter(|g| &*g.class.name == name).map(|g| g.count).sum::<i64>();
    let waited_for = count("(system)").saturating_add(functions).saturating_mul(2) >= count("Promise");
    let promises = share(&["Promise", "(system)"]) > 0.6 || main_is(&["Promise"]);
    if main_is(&SUSPENDED) || !settled && (edge(around, &["reactions_or_result"]) || promises && count("Promise") > 0 && waited_for) {
        return "pending-promise";
    }
    if entry_is(&SOCKETS) || main_is(&SOCKETS) || p.holders == 0 && is_handle(p) {
        return "open-socket";
    }
    if edge(around.get(..NEAR + 2).unwrap_or(around), &["_readableState", "_writableState"])
        || class(near, &["ReadableState", "WritableState", "BufferList"])
    {
        return "stream-backlog";
    }
    if share(&["(compiled code)", "(object shape)", "(code)"]) > 0.6 || main_is(&["(compiled code)"]) {
        return "recompiled-code";
    }
    if class(near, &["FinalizationRegistry"]) {
        return "finalizer-held";
    }
    let container = entries_grew(p);
    // Above a container that grew a weak table is only on the way to it.
    if matches!(holder, "WeakMap" | "WeakSet") || edge(if container { below } else { around }, &["(weak entry)"]) {
        return "weak-key-kept";
    }
    // Functions that are kept under keys are looked up again: what is wrong is that no key is deleted.
    let keyed = container && (holder == "Map" || holder == "Object") && below.first().is_some_and(|s| s.class == "Function");
    if keyed {
        return "unbounded-cache";
    }
    if below.iter().any(|s| s.class.starts_with("system / Context")) || !container && chained(&p.gains) {
        return "closure-context";
    }
    let linked = path.get(..=at).unwrap_or(path).iter().rev().take(2).any(|s| s.edge.contains(" ×"));
    match holder {
        "Map" | "Set" => "unbounded-cache",
        "Array" => "growing-array",
        _ if linked => "linked-list",
        _ if !container && share(&["(string)", "(concatenated string)", "(sliced string)"]) > 0.6 => "growing-string",
        _ if p.holders > 0 && below.first().is_some_and(|s| is_index(&s.edge)) => "growing-array",
        _ if container || holder == "Object" => "unbounded-cache",
        _ => "growth",
    }
}

/// What a function that waits is.
const SUSPENDED: [&str; 3] = ["Generator", "AsyncGenerator", "AsyncFunctionObject"];

/// Fields by which libraries and programs call the list of those to be told of something.
const LISTENER_LISTS: [&str; 8] = ["subscribers", "subscriptions", "observers", "listeners", "handlers", "callbacks", "watchers", "hooks"];

/// `_subscribers`, `currentObservers`, `nextListeners`: whether a field is called after those that listen.
fn is_listener_list(edge: &str) -> bool {
    let edge = edge.to_ascii_lowercase();
    LISTENER_LISTS.iter().any(|w| edge.ends_with(w))
}

/// `emitter`, `eventBus`: whether a field is called after what tells others of something.
fn is_publisher(edge: &str) -> bool {
    let edge = edge.to_ascii_lowercase();
    ["emitter", "bus", "pubsub", "dispatcher"].iter().any(|w| edge.ends_with(w))
}

/// The library's things that stand for a connection.
const SOCKETS: [&str; 8] = [
    "Socket",
    "TLSSocket",
    "ClientRequest",
    "IncomingMessage",
    "ServerResponse",
    "Http2Session",
    "ServerHttp2Session",
    "ClientHttp2Session",
];

/// Whether an edge is this field, also where it is a symbol: `<symbol kEvents>`, `Symbol(kEvents)`.
fn is_field(edge: &str, field: &str) -> bool {
    edge == field
        || edge.strip_prefix("<symbol ").and_then(|e| e.strip_suffix('>')) == Some(field)
        || edge.strip_prefix("Symbol(").and_then(|e| e.strip_suffix(')')) == Some(field)
        || edge.strip_prefix(field).is_some_and(|rest| rest.starts_with('[') || rest.ends_with("_handler"))
}

/// `[17]`, an item of an array.
fn is_index(edge: &str) -> bool {
    edge.strip_prefix('[').and_then(|e| e.strip_suffix(']')).is_some_and(|e| e.bytes().all(|b| b.is_ascii_digit()))
}

fn is_code(class: &str) -> bool {
    matches!(class, "Function" | "Listener" | "Array")
}

/// Whether the runtime holds it through a handle of an open connection.
fn is_handle(p: &GrowthPoint) -> bool {
    let name = holder_words::handle(p);
    ["TCP", "TLS", "Pipe", "Stream", "Socket", "UDP", "Http2"].iter().any(|w| name.contains(w))
}

/// Whether the holder itself has more entries than before.
fn entries_grew(p: &GrowthPoint) -> bool {
    let mut known = p.elements.iter().flatten();
    known.next().zip(known.next_back()).is_some_and(|(first, last)| *last > first.saturating_add(first / 50).saturating_add(1))
}

/// A chain in which each scope of a function holds the one before: as many scopes as objects that the growth is called by.
fn chained(gains: &[Gain]) -> bool {
    let main = gains.first().map_or(0, |g| g.count);
    let scopes: i64 = gains.iter().filter(|g| g.class.name.starts_with("system / Context")).map(|g| g.count).sum();
    main > 0 && scopes.saturating_mul(2) > main
}

/// What a pattern means, for the sentence.
pub fn meaning(pattern: &str) -> &'static str {
    match pattern {
        "listener-leak" => "listeners are added and never removed",
        "uncleared-timer" => "timers are started and never cleared",
        "pending-promise" => "promises that never settle keep what waits for them",
        "async-context" => "an async context keeps what was stored for it",
        "unbounded-cache" => "entries are added and none removed",
        "growing-array" => "an array is appended to and never trimmed",
        "linked-list" => "a list is appended to and never emptied",
        "closure-context" => "functions keep the variables of the scope they were made in",
        "buffers" => "buffers outside the heap are kept",
        "recompiled-code" => "code is compiled again and again and kept",
        "open-socket" => "connections are kept open or referenced",
        "finalizer-held" => "what a FinalizationRegistry passes to its callback keeps the object itself alive",
        "weak-key-kept" => "the keys of a weak map are kept alive elsewhere",
        "module-cache" => "modules are loaded again and again and kept",
        "stream-backlog" => "a stream is written faster than it is read",
        "sliced-strings" => "a string that is a part of another keeps all of it",
        "duplicated-strings" => "equal texts are kept as separate strings",
        "growing-string" => "a string is appended to and never cut",
        "detached-dom" => "DOM nodes are kept after they left the document",
        _ => "what it holds is never let go",
    }
}

/// What to change, for the steps of the report. `None` where the pattern says no more than that something grew.
pub fn remedy(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        "listener-leak" => {
            "Remove each listener when what it serves ends (off, once, an AbortSignal), or add it once, outside the request's path."
        }
        "uncleared-timer" => "Clear every interval and timeout when its owner ends (clearInterval, clearTimeout).",
        "pending-promise" => "Give what is awaited a time limit and settle it on every path; losing a race does not release it.",
        "async-context" => "Store little in the async context, and create long-lived handles outside of it: they keep what was stored.",
        "unbounded-cache" => "Give it a bound or an age (an LRU, a sweep that deletes), or delete each entry when what it stands for ends.",
        "growing-array" => "Trim it, hand its items on, or write them out: nothing takes one off.",
        "linked-list" => "Cut the chain: drop the reference to older items when they are done.",
        "closure-context" => {
            "Drop functions that are no longer needed from what holds them, or copy the small value that they need and let go of the large variable: all functions of a scope share its variables."
        }
        "buffers" => "Copy the few bytes that are kept, so that the large buffer can go, and drop buffers when they are sent.",
        "recompiled-code" => "Compile once and keep the function, by schema or template, not per request.",
        "open-socket" => "Set timeouts on connections, destroy them on errors, and take them off the list that holds them.",
        "finalizer-held" => "Register an id or a path as the held value, never the object nor anything that refers to it.",
        "weak-key-kept" => "The weak map is not the owner: look for what else keeps its keys.",
        "module-cache" => "Load modules once, not per request; deleting from the cache and loading anew keeps the old ones alive.",
        "stream-backlog" => "Respect back-pressure: stop writing when write() returns false, or use pipeline().",
        "sliced-strings" => {
            "Copy the part that is kept (Buffer.from(part).toString(), structuredClone(part)), so that the text it was cut from can go."
        }
        "duplicated-strings" => "Keep one copy of each repeated text (a Map from text to itself), or ids in its place.",
        "growing-string" => "Write the text out in pieces instead of appending to it.",
        "detached-dom" => "Drop references to nodes that left the document: closures, listeners and caches keep them.",
        _ => return None,
    })
}
