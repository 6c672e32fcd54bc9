//! What holds a growing set of objects, as its program would write it: `Map SessionStore.entries in module store.js`. Knows
//! how runtimes store things (module cache, contexts of functions, tables) and leaves that out of the words.

use crate::model::delta::PathStep;
use crate::model::graph::GrowthPoint;

/// A holder's name, and the same as part of a sentence with its kind and module.
pub struct Held {
    pub name: String,
    pub sentence: String,
}

/// Words for the holder of a growth point.
pub fn of(p: &GrowthPoint) -> Held {
    let (path, holder_at) = from_module(p);
    let upto = path.get(..=holder_at.min(path.len().saturating_sub(1))).unwrap_or(path);
    if p.holders == 0 {
        let name = handle(p).to_owned();
        return Held { sentence: format!("the runtime itself ({name})"), name };
    }
    let Some(holder) = upto.last() else {
        return Held { name: p.class.name.to_string(), sentence: p.class.name.to_string() };
    };
    let mut words: Vec<String> = Vec::new();
    // Where the code stands that owns what the words begin with.
    let mut home = None;
    for (i, s) in upto.iter().enumerate().rev() {
        if i + 1 < upto.len() && is_owner(&s.class) {
            words.push(owner(s));
            home = s.place.as_deref();
            break;
        }
        if is_global(&s.class) && !words.is_empty() {
            words.push("globalThis".into());
            break;
        }
        // What a bound function was bound to is told by its own fields.
        if s.edge == "bound_this" && !words.is_empty() {
            break;
        }
        if let Some(e) = word(&s.edge).filter(|_| !exports(&s.edge)) {
            words.push(e);
        }
        // A variable is told by its name; how its scope is reached says nothing, but for a function that is a variable too.
        let scope = |k: usize| i.checked_sub(k).and_then(|k| upto.get(k)).is_some_and(|s| s.class.starts_with("system / Context"));
        if scope(1) && !words.is_empty() {
            let function = i.checked_sub(2).filter(|_| scope(3)).and_then(|k| upto.get(k));
            words.extend(function.and_then(|f| word(&f.edge)));
            let place = |k: usize| i.checked_sub(k).and_then(|k| upto.get(k)).and_then(|s| s.place.as_deref());
            home = place(1).or_else(|| place(2));
            break;
        }
        if words.len() >= 5 {
            break;
        }
    }
    words.reverse();
    // A named list within the holder that takes all the gains belongs to the name: `_events.price-updated`.
    let next = path.get(holder_at + 1).filter(|_| path.len() > holder_at + 2);
    if let Some(e) =
        next.filter(|s| matches!(&*s.class, "Array" | "Map" | "Set" | "Object")).and_then(|s| word(&s.edge)).filter(|e| !e.starts_with('['))
    {
        words.push(e);
    }
    let name = if words.is_empty() { holder.class.clone() } else { joined(&words) };
    let kind = match &*holder.class {
        k @ ("Map" | "Set" | "WeakMap" | "WeakSet" | "Array") => Some(k),
        k @ "FinalizationRegistry" if p.holders == 1 => Some(k),
        _ => None,
    };
    let mut sentence = match (kind, p.holders) {
        (Some(k), 2..) => format!("{} {k}s {name}", p.holders),
        (None, 2..) => format!("{} {name}", p.holders),
        (Some(k), _) => format!("{k} {name}"),
        (None, _) => name.clone(),
    };
    if let Some(m) = module(path).filter(|m| !name.starts_with(m)) {
        sentence = format!("{sentence} in module {m}");
    } else if let Some(v) = global_variable(upto).filter(|v| !name.split('.').any(|word| word == v)) {
        sentence = format!("{sentence} in globalThis.{v}");
    } else if let Some(file) = home.map(|h| file_label(file(h))) {
        sentence = format!("{sentence} in {file}");
    }
    Held { name, sentence }
}

/// The runtime's own thing that holds what was gained, where no object of the program does: `TCPSocketWrap`.
pub fn handle(p: &GrowthPoint) -> &str {
    // What hangs there is a handle itself where it has a class; else the first thing on the way that has a name.
    let class = p.class.name.strip_prefix("Detached ").unwrap_or(&p.class.name);
    let named = |s: &'_ PathStep| s.node.rsplit_once(" @").map_or(0, |(name, _)| name.len());
    let first = || p.path.iter().find(|s| named(s) > 0 && !s.node.starts_with('(')).and_then(|s| s.node.get(..named(s)));
    let text = Some(class).filter(|c| c.starts_with("Node / ")).or_else(first).unwrap_or(class);
    text.strip_prefix("Node / ").unwrap_or(text)
}

/// The way from the module that owns it, and the holder's place there: everything before is how this program happens to
/// reach its module cache.
pub fn from_module(p: &GrowthPoint) -> (&[PathStep], usize) {
    let upto = p.path.get(..=p.holder_at).unwrap_or(&p.path);
    let at = upto.iter().rposition(is_module).unwrap_or(0);
    (p.path.get(at..).unwrap_or(&p.path), p.holder_at.saturating_sub(at))
}

/// A module of either kind, where it tells its file.
pub fn is_module(s: &PathStep) -> bool {
    s.class == "Module" || s.class == "ModuleWrap" && s.title.is_some()
}

/// The global object, of Node.js (`global`) or of a page (`Window / https://…`).
fn is_global(class: &str) -> bool {
    class == "global" || class == "Window" || class.starts_with("Window ")
}

/// The global variable by which a way leaves the global object. What a function's context keeps is no part of the variable
/// that the function happens to be.
fn global_variable(path: &[PathStep]) -> Option<String> {
    let at = path.iter().rposition(|s| is_global(&s.class))?;
    let rest = path.get(at + 1..)?;
    let code = |s: &PathStep| s.class.starts_with("system") || matches!(&*s.class, "Function" | "AsyncFunction" | "(closure)");
    if rest.iter().any(code) {
        return None;
    }
    word(&rest.first()?.edge).filter(|e| !e.starts_with('['))
}

/// The file of the module that a way begins with.
pub fn module(path: &[PathStep]) -> Option<&str> {
    let s = path.first().filter(|s| is_module(s))?;
    s.title.as_deref().map(file_label)
}

/// The file of `path:line:column`, or of a path alone.
fn file(place: &str) -> &str {
    let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    let mut parts = place.rsplitn(3, ':');
    let numbers = parts.next().is_some_and(number) && parts.next().is_some_and(number);
    parts.next().filter(|_| numbers).unwrap_or(place)
}

/// A file as it is spoken of: within a package by all of its path there, else by its name, with its folder where many files
/// have that name.
fn file_label(path: &str) -> &str {
    let separator = |c: char| c == '/' || c == '\\';
    if let Some(at) = path.rfind("node_modules").map(|at| at + "node_modules/".len()).filter(|at| *at < path.len()) {
        return path.get(at..).unwrap_or(path);
    }
    let name = path.rfind(separator).map_or(0, |at| at + 1);
    let common = path.get(name..).is_some_and(|n| n.starts_with("index."));
    let above = path.get(..name.saturating_sub(1)).and_then(|p| p.rfind(separator)).map_or(0, |at| at + 1);
    path.get(if common { above } else { name }..).unwrap_or(path)
}

/// Words as a program would write them: `cache.byUser`, `rooms[key].members`.
fn joined(words: &[String]) -> String {
    let mut out = String::new();
    for w in words {
        if !out.is_empty() && !w.starts_with('[') {
            out.push('.');
        }
        out += w;
    }
    out
}

fn exports(edge: &str) -> bool {
    edge == "exports"
}

fn owner(s: &PathStep) -> String {
    match (&*s.class, &s.title) {
        ("Module" | "ModuleWrap", Some(t)) => file_label(t).to_owned(),
        ("Generator" | "AsyncGenerator" | "AsyncFunctionObject", Some(t)) => format!("{t}()"),
        _ => s.class.clone(),
    }
}

/// An edge as a word of a path; the runtime's own fields are none.
fn word(edge: &str) -> Option<String> {
    match edge {
        "" | "context" | "elements" | "table" | "properties" | "previous" | "map" | "code" | "shared" | "feedback_cell" => None,
        e if e.contains(" ×") => None,
        "[key]" => Some("[key]".into()),
        e if e.starts_with('[') => Some("[]".into()),
        e if e.starts_with("<symbol ") => Some(format!("[{}]", e.trim_start_matches("<symbol ").trim_end_matches('>'))),
        e => Some(e.to_owned()),
    }
}

/// Whether a class names a thing in the program rather than a way of storing.
fn is_owner(class: &str) -> bool {
    !class.is_empty()
        && class.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$')
        && !class.starts_with("system ")
        && !is_global(class)
        && !matches!(class, "Object" | "Array" | "Map" | "Set" | "Function" | "WeakMap" | "RegExp" | "Promise")
        // Parts of the library's own things, which are named by what has them.
        && !matches!(class, "ReadableState" | "WritableState" | "BufferList" | "TimersList" | "Timeout" | "Listener" | "AsyncResource")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_within_their_package_and_index_files_with_their_folder() {
        let label = |place: &str| file_label(file(place)).to_owned();
        assert_eq!(label("/app/node_modules/express-session/session/memory.js:40:21"), "express-session/session/memory.js");
        assert_eq!(label("/app/node_modules/a/node_modules/b/lib/x.js"), "b/lib/x.js");
        assert_eq!(label("/app/src/index.js:1:1"), "src/index.js");
        assert_eq!(label("C:\\app\\store.js:12:3"), "store.js");
        assert_eq!(label("index.mjs"), "index.mjs");
    }

    #[test]
    fn words_are_joined_as_a_program_writes_them() {
        let words = ["AbortSignal", "[kEvents]", "[]"].map(String::from);
        assert_eq!((joined(&words), word("<symbol kEvents>")), ("AbortSignal[kEvents][]".into(), Some("[kEvents]".into())));
    }
}
