//! What the samples of a stack table are called: places in the source or in a binary, functions of a stack, text labels.

use crate::model::profile::StackTable;

/// Go's stacks begin where their goroutine does.
pub(super) fn rooted(table: &StackTable) -> bool {
    table.functions.iter().take(4096).any(|f| table.string(f.file).ends_with(".go"))
}

/// A text label of a sample.
pub(super) fn label(table: &StackTable, s: usize, key: &str) -> Option<String> {
    let from = table.labels.partition_point(|l| (l.0 as usize) < s);
    let own = table.labels.get(from..)?.iter().take_while(|l| l.0 as usize == s);
    own.filter(|l| table.string(l.1) == key).map(|l| table.string(l.2).to_owned()).next()
}

/// `file:line` of a frame, or its place in the binary.
pub(super) fn place(table: &StackTable, (l, f): (u32, u32)) -> String {
    match table.frames(l).get(f as usize) {
        Some(f) => format!("{}:{}", table.function_file(f.function), f.line),
        None => unknown(table, l),
    }
}

/// `function file:line`.
pub(super) fn site(table: &StackTable, at: (u32, u32)) -> String {
    let name = table.frames(at.0).get(at.1 as usize).map_or("", |f| table.function_name(f.function));
    if name.is_empty() { place(table, at) } else { format!("{name} {}", place(table, at)) }
}

/// Frames kept of an example stack.
const STACK_SHOWN: usize = 24;

/// The functions of a stack, innermost first.
pub(super) fn functions(table: &StackTable, stack: &[u32]) -> Vec<String> {
    let mut out = Vec::new();
    for l in stack.iter().take(STACK_SHOWN) {
        let frames = table.frames(*l);
        if frames.is_empty() {
            out.push(unknown(table, *l));
        }
        for f in frames {
            let name = table.function_name(f.function);
            out.push(if name.is_empty() { format!("{}:{}", table.function_file(f.function), f.line) } else { name.to_owned() });
        }
    }
    out.truncate(STACK_SHOWN);
    out
}

/// A location without symbols: its binary and the offset there, which survives a restart.
pub(super) fn unknown(table: &StackTable, l: u32) -> String {
    let address = table.loc_address.get(l as usize).copied().unwrap_or(0);
    match table.mapping(l) {
        Some(m) => {
            let file = m.file.rsplit('/').next().unwrap_or("");
            format!("[{file}]+{:#x}", address.wrapping_sub(m.start).wrapping_add(m.offset))
        }
        None if address != 0 => format!("{address:#x}"),
        None => "<unknown>".into(),
    }
}
