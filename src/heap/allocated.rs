//! Which functions allocated: sums of live objects by the nearest function of the program on the stack that made them, for
//! graphs whose file recorded stacks. A function of the runtime or of a package is shown as what the program called.

use crate::model::graph::{Allocator, GraphColumns, NONE};
use std::collections::BTreeMap;

/// Callers told of an allocating function.
const CALLERS: usize = 3;

/// Objects and bytes by the call that allocated them.
pub type ByCall = BTreeMap<u32, (u64, u64)>;

/// The functions that allocated all live objects with a size, most bytes first.
pub fn all(g: &GraphColumns, most: usize) -> Vec<Allocator> {
    let mut sums = ByCall::new();
    for v in 0..g.nodes() {
        let size = g.self_size.get(v);
        if size > 0 {
            add(g, v, size, &mut sums);
        }
    }
    let mut out = functions(g, &sums);
    out.sort_by_key(|a| std::cmp::Reverse(a.bytes));
    out.truncate(most);
    out
}

/// Adds object `v` to the sums, where the call that allocated it is known.
pub fn add(g: &GraphColumns, v: usize, size: u64, sums: &mut ByCall) {
    let Some(&call) = g.allocations.as_ref().and_then(|a| a.by.get(v)).filter(|c| **c != NONE) else { return };
    let slot = sums.entry(call).or_default();
    slot.0 += 1;
    slot.1 = slot.1.saturating_add(size);
}

/// Calls joined by the function that is named for them, most objects first.
pub fn functions(g: &GraphColumns, sums: &ByCall) -> Vec<Allocator> {
    let mut joined: BTreeMap<(String, Option<String>), (Allocator, u64)> = BTreeMap::new();
    for (&call, &(objects, bytes)) in sums {
        let Some(found) = named(g, call) else { continue };
        let slot = joined.entry((found.function.clone(), found.location.clone())).or_insert_with(|| (found.clone(), 0));
        // Of several stacks the one with most objects is shown.
        if objects > slot.1 {
            let sums = (slot.0.objects, slot.0.bytes);
            *slot = (Allocator { objects: sums.0, bytes: sums.1, ..found }, objects);
        }
        slot.0.objects += objects;
        slot.0.bytes = slot.0.bytes.saturating_add(bytes);
    }
    let mut out: Vec<Allocator> = joined.into_values().map(|v| v.0).collect();
    out.sort_by_key(|a| std::cmp::Reverse(a.objects));
    out
}

struct Frame<'a> {
    name: &'a str,
    script: &'a str,
    place: Option<String>,
}

/// The function to name for a call: the nearest of the program's own, else of a package, else the nearest.
fn named(g: &GraphColumns, call: u32) -> Option<Allocator> {
    let stack = stack(g, call);
    let runtime = |f: &Frame<'_>| f.script.is_empty() || f.script.starts_with("node:") || f.script.starts_with("internal/");
    let package = |f: &Frame<'_>| f.script.contains("/node_modules/");
    let own = stack.iter().position(|f| !runtime(f) && !package(f));
    let at = own.or_else(|| stack.iter().position(|f| !runtime(f))).unwrap_or(0);
    let frame = stack.get(at)?;
    let name = |f: &Frame<'_>| if f.name.is_empty() { "(anonymous)".to_owned() } else { f.name.to_owned() };
    Some(Allocator {
        function: name(frame),
        location: frame.place.clone(),
        through: at.checked_sub(1).and_then(|i| stack.get(i)).map(name),
        callers: stack.get(at + 1..).unwrap_or(&[]).iter().filter(|f| !runtime(f)).take(CALLERS).map(name).collect(),
        objects: 0,
        bytes: 0,
    })
}

/// Innermost first; without the root, which is no function.
fn stack(g: &GraphColumns, call: u32) -> Vec<Frame<'_>> {
    let Some(a) = g.allocations.as_deref() else { return Vec::new() };
    let mut out = Vec::new();
    let mut at = call;
    while let Some(&(function, caller)) = a.calls.get(at as usize) {
        // A caller stands before what it calls, so the way up ends.
        if caller == NONE || caller >= at {
            break;
        }
        if let Some(f) = a.functions.get(function as usize) {
            let script = g.strings.get(f.script);
            let place = (f.line > 0 && !script.is_empty()).then(|| format!("{script}:{}:{}", f.line, f.column.max(1)));
            out.push(Frame { name: g.strings.get(f.name), script, place });
        }
        at = caller;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::{Allocations, StringTable, TracedFunction, WideColumn};

    #[test]
    fn the_program_is_named_for_what_it_called() {
        let mut strings = StringTable::default();
        for s in ["", "/app/server.js", "node:buffer", "handle", "alloc", "main", "/app/node_modules/lib/i.js", "wrap"] {
            strings.push(s);
        }
        let f = |name, script, line| TracedFunction { name, script, line, column: 3 };
        let g = GraphColumns {
            class: vec![0; 4],
            self_size: WideColumn { low: vec![10, 20, 40, 0], wide: Vec::new() },
            strings,
            allocations: Some(Box::new(Allocations {
                by: vec![NONE, 4, 2, 4],
                // root > main > handle > wrap (of a package) > alloc (of the runtime)
                calls: vec![(0, NONE), (1, 0), (2, 1), (3, 2), (4, 3)],
                functions: vec![f(0, 0, 0), f(5, 1, 90), f(3, 1, 12), f(7, 6, 1), f(4, 2, 5)],
            })),
            ..GraphColumns::default()
        };
        let all = all(&g, 9);
        assert_eq!(all.len(), 1);
        let a = &all[0];
        assert_eq!((a.function.as_str(), a.location.as_deref()), ("handle", Some("/app/server.js:12:3")));
        assert_eq!((a.objects, a.bytes, a.callers.as_slice()), (2, 60, &["main".to_owned()][..]));
    }
}
