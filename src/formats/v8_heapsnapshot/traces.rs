//! Where objects were allocated (`trace_function_infos`, `trace_tree`), in files of recordings: each node names a call, each
//! call its function and the call that called it. The tree is written as nested arrays, read here without recursion.
//!
//! Refuses to: trust a count; keep calls of functions that the file does not list.

use super::columns::Plain;
use super::header::TraceLayout;
use super::integers::End;
use super::reader::Stream;
use crate::model::graph::{Allocations, NONE, TracedFunction};

/// Rows of `trace_function_infos`; V8 writes lines and columns one higher than it counts them, 0 for unknown.
pub fn functions(l: TraceLayout) -> Plain<TracedFunction> {
    Plain::new(l.stride, move |f| {
        let get = |at: usize| f.get(at).copied().unwrap_or(0).min(u64::from(u32::MAX)) as u32;
        TracedFunction { name: get(l.name), script: get(l.script), line: get(l.line), column: get(l.column) }
    })
}

/// (id, function, place of the caller in this list) of every call; callers stand before what they call.
pub fn calls(s: &mut Stream<'_>, l: TraceLayout) -> (Vec<(u32, u32, u32)>, End) {
    let mut out: Vec<(u32, u32, u32)> = Vec::new();
    let mut callers: Vec<u32> = Vec::new();
    let mut fields: Vec<u32> = Vec::with_capacity(l.call_fields);
    let mut number: Option<u64> = None;
    loop {
        let Some(b) = s.bump() else { return (out, End::Cut) };
        if b.is_ascii_digit() {
            number = Some(number.unwrap_or(0).wrapping_mul(10).wrapping_add(u64::from(b - b'0')));
            continue;
        }
        if let Some(n) = number.take() {
            if fields.len() >= l.call_fields {
                return (out, End::Damaged(s.offset()));
            }
            fields.push(n.min(u64::from(u32::MAX)) as u32);
        }
        match b {
            // The outermost bracket, or the callees of the call whose numbers have just been read.
            b'[' if fields.is_empty() && callers.is_empty() => callers.push(NONE),
            b'[' if fields.len() == l.call_fields && out.len() < NONE as usize => {
                let get = |at: usize| fields.get(at).copied().unwrap_or(0);
                let caller = callers.last().copied().unwrap_or(NONE);
                callers.push(out.len() as u32);
                out.push((get(l.call_id), get(l.call_function), caller));
                fields.clear();
            }
            b']' if fields.is_empty() => {
                callers.pop();
                if callers.is_empty() {
                    return (out, End::Whole);
                }
            }
            b',' | b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => return (out, End::Damaged(s.offset())),
        }
    }
}

/// Calls by node; `None` where nothing was recorded.
pub fn allocations(by_id: Vec<u32>, calls: Vec<(u32, u32, u32)>, functions: Vec<TracedFunction>) -> Option<Allocations> {
    if by_id.is_empty() || calls.is_empty() {
        return None;
    }
    let mut ids: Vec<(u32, u32)> = calls.iter().enumerate().map(|(i, c)| (c.0, i as u32)).collect();
    ids.sort_unstable();
    let mut by = by_id;
    for slot in &mut by {
        // Number 0 is no call; the root call stands for what no function allocated.
        let found = ids.binary_search_by_key(slot, |i| i.0).ok().and_then(|at| ids.get(at));
        *slot = found.filter(|_| *slot != 0).map_or(NONE, |i| i.1);
    }
    let calls = calls.into_iter().map(|c| (c.1, c.2)).collect();
    Some(Allocations { by, calls, functions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_know_their_callers_however_deep_they_nest() {
        let l = TraceLayout { stride: 6, name: 1, script: 2, line: 4, column: 5, call_fields: 4, call_id: 0, call_function: 1 };
        let read = |text: &str| {
            let mut s = Stream::new(Box::new(text.as_bytes()));
            calls(&mut s, l)
        };
        let text = "[1,0,0,0,[2,7,3,90,[4,8,1,1,[]],\n3,9,2,40,[]]]";
        assert_eq!(read(text), (vec![(1, 0, NONE), (2, 7, 0), (4, 8, 1), (3, 9, 0)], End::Whole));
        assert_eq!(read("[]"), (vec![], End::Whole));
        assert_eq!(read("[1,0,0,0,[2,7,"), (vec![(1, 0, NONE)], End::Cut));
        assert!(matches!(read("[1,0,0,0,0,[]]"), (_, End::Damaged(_))));
        let deep = "1,0,0,0,[".repeat(200_000);
        assert_eq!(read(&format!("[{deep}")).0.len(), 200_000);
        let a = allocations(vec![0, 2, 99, 3], vec![(1, 0, NONE), (2, 7, 0), (3, 9, 0)], Vec::new());
        assert_eq!(a.map(|a| a.by), Some(vec![NONE, 1, NONE, 2]));
    }
}
