//! `drop_frames` and `keep_frames` of a profile: frames of the allocator or the profiler that the producer wants cut off.
//!
//! As google/pprof does it: names are cut at their argument list, both patterns match the whole name; a stack is scanned
//! from the root, and from the first match below a user frame down to the leaf everything goes. `keep_frames` wins.

use crate::model::profile::StackTable;
use regex::Regex;

/// Compiles a frame pattern; `None` when it is no pattern of this engine, which pprof ignores as well.
pub fn pattern(text: &str) -> Option<Regex> {
    regex::RegexBuilder::new(&format!("^({text})$")).size_limit(1 << 20).build().ok()
}

/// The name up to its argument list; `(anonymous namespace)` and `operator()` do not count as one.
fn without_arguments(name: &str) -> &str {
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut from = 0;
    while let Some(at) = name.get(from..).and_then(|n| n.find('(')).map(|i| i + from) {
        let rest = name.get(at..).unwrap_or("");
        if rest.starts_with("(anonymous namespace)") {
            from = at + "(anonymous namespace)".len();
        } else if rest.starts_with("()") && name.get(..at).is_some_and(|n| n.ends_with("operator")) {
            from = at + 2;
        } else {
            return name.get(..at).unwrap_or(name);
        }
    }
    name
}

#[derive(Clone, Copy, PartialEq)]
enum Cut {
    No,
    Whole,
    Beneath,
}

/// Cuts every stack of `t`.
pub fn prune(t: &mut StackTable, drop: &Regex, keep: Option<&Regex>) {
    let dropped: Vec<bool> = t
        .functions
        .iter()
        .map(|f| {
            let name = without_arguments(t.string(f.name));
            !name.is_empty() && drop.is_match(name) && !keep.is_some_and(|k| k.is_match(name))
        })
        .collect();
    let mut cuts = vec![Cut::No; t.locations()];
    let mut frames = Vec::with_capacity(t.loc_frames.len());
    let mut starts = Vec::with_capacity(t.loc_start.len());
    for (l, cut) in cuts.iter_mut().enumerate() {
        starts.push(frames.len() as u32);
        let own = t.frames(l as u32);
        match own.iter().rposition(|f| dropped.get(f.function as usize).copied().unwrap_or(false)) {
            None => frames.extend_from_slice(own),
            Some(i) if i + 1 == own.len() => {
                *cut = Cut::Whole;
                frames.extend_from_slice(own);
            }
            Some(i) => {
                *cut = Cut::Beneath;
                frames.extend_from_slice(own.get(i + 1..).unwrap_or(&[]));
            }
        }
    }
    starts.push(frames.len() as u32);
    t.loc_frames = frames;
    t.loc_start = starts;
    let (mut locs, mut stacks) = (Vec::with_capacity(t.stack_locs.len()), Vec::with_capacity(t.stack_start.len()));
    for k in 0..t.stacks() {
        stacks.push(locs.len() as u32);
        let stack = t.locations_of(k);
        let mut user = false;
        let mut from = 0;
        for (i, l) in stack.iter().enumerate().rev() {
            match cuts.get(*l as usize).copied().unwrap_or(Cut::No) {
                Cut::No => user = true,
                _ if !user => {}
                Cut::Whole => {
                    from = i + 1;
                    break;
                }
                Cut::Beneath => {
                    from = i;
                    break;
                }
            }
        }
        locs.extend_from_slice(stack.get(from..).unwrap_or(&[]));
    }
    stacks.push(locs.len() as u32);
    t.stack_locs = locs;
    t.stack_start = stacks;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_their_arguments() {
        assert_eq!(without_arguments(".malloc(unsigned long)"), "malloc");
        assert_eq!(without_arguments("(anonymous namespace)::Arena::operator()(int)"), "(anonymous namespace)::Arena::operator()");
        assert_eq!(without_arguments("main.(*T).F"), "main.");
        assert_eq!(without_arguments("plain"), "plain");
    }
}
