//! The snapshot as columns: file names, frames and tracebacks interned, traces added up per traceback.

use crate::model::profile::{Frame, Function, StackTable};
use std::collections::HashMap;

/// Names, frames, tracebacks and what was allocated on each.
#[derive(Default)]
pub struct Tables {
    strings: Vec<Box<str>>,
    string_ids: HashMap<Box<str>, u32>,
    /// (file name, line) of each frame.
    frames: Vec<(u32, u32)>,
    frame_ids: HashMap<(u32, u32), u32>,
    /// Frames of traceback `s`: `stack_frames[stack_start[s]..stack_start[s + 1]]`, most recent first.
    stack_start: Vec<u32>,
    stack_frames: Vec<u32>,
    stack_ids: HashMap<Box<[u32]>, u32>,
    bytes: Vec<i64>,
    counts: Vec<i64>,
    /// Traces added so far.
    pub traces: u64,
    /// Traces left out because their size makes no sense.
    pub odd: u64,
}

impl Tables {
    pub fn string(&mut self, text: &[u8]) -> Option<u32> {
        // Paths may hold lone surrogates (`surrogatepass`), which are not UTF-8.
        let text = String::from_utf8_lossy(text);
        if let Some(&id) = self.string_ids.get(text.as_ref()) {
            return Some(id);
        }
        let id = u32::try_from(self.strings.len()).ok()?;
        self.strings.push(text.as_ref().into());
        self.string_ids.insert(text.as_ref().into(), id);
        Some(id)
    }

    pub fn text(&self, id: u32) -> &str {
        self.strings.get(id as usize).map_or("", |s| s)
    }

    pub fn frame(&mut self, file: u32, line: u32) -> Option<u32> {
        let next = u32::try_from(self.frames.len()).ok()?;
        let id = *self.frame_ids.entry((file, line)).or_insert(next);
        if id == next {
            self.frames.push((file, line));
        }
        Some(id)
    }

    /// Interns a traceback, given most recent frame first as the file has it.
    pub fn stack(&mut self, frames: &[u32]) -> Option<u32> {
        if let Some(&id) = self.stack_ids.get(frames) {
            return Some(id);
        }
        if self.stack_start.is_empty() {
            self.stack_start.push(0);
        }
        let id = u32::try_from(self.bytes.len()).ok().filter(|&i| i < STACKS_MAX)?;
        let end = u32::try_from(self.stack_frames.len().checked_add(frames.len())?).ok()?;
        self.stack_frames.extend_from_slice(frames);
        self.stack_start.push(end);
        self.stack_ids.insert(frames.into(), id);
        self.bytes.push(0);
        self.counts.push(0);
        Some(id)
    }

    /// Adds one trace.
    pub fn add(&mut self, stack: u32, size: i64) {
        if !(0..=SIZE_MAX).contains(&size) {
            self.odd += 1;
            return;
        }
        if let (Some(b), Some(c)) = (self.bytes.get_mut(stack as usize), self.counts.get_mut(stack as usize)) {
            *b = b.saturating_add(size);
            *c += 1;
            self.traces += 1;
        }
    }

    /// The profile's table and its totals (bytes, objects). Tracebacks without traces are left out.
    pub fn into_stacks(self) -> (StackTable, Vec<i64>) {
        let totals = vec![self.bytes.iter().fold(0i64, |a, &b| a.saturating_add(b)), self.counts.iter().sum()];
        // One function per file: tracemalloc knows no function names.
        let mut file_function: HashMap<u32, u32> = HashMap::new();
        let mut functions = Vec::new();
        let empty = self.strings.len() as u32;
        let mut loc_frames = Vec::with_capacity(self.frames.len());
        for &(file, line) in &self.frames {
            let next = functions.len() as u32;
            let function = *file_function.entry(file).or_insert(next);
            if function == next {
                functions.push(Function { name: empty, file });
            }
            loc_frames.push(Frame { function, line });
        }
        let mut strings = self.strings;
        strings.push("".into());
        let mut table = StackTable {
            strings,
            functions,
            loc_start: (0..=loc_frames.len() as u32).collect(),
            loc_address: vec![0; loc_frames.len()],
            loc_frames,
            stack_start: vec![0],
            ..StackTable::default()
        };
        let mut counts = Vec::new();
        for (s, (&b, &c)) in self.bytes.iter().zip(&self.counts).enumerate() {
            if c == 0 {
                continue;
            }
            let (from, to) = (self.stack_start.get(s).copied().unwrap_or(0), self.stack_start.get(s + 1).copied().unwrap_or(0));
            table.stack_locs.extend_from_slice(self.stack_frames.get(from as usize..to as usize).unwrap_or(&[]));
            table.stack_start.push(table.stack_locs.len() as u32);
            table.values.push(b);
            counts.push(c);
        }
        table.values.append(&mut counts);
        (table, totals)
    }
}

/// Tracebacks that one file may hold; the machine packs their ids into 28 bits.
pub const STACKS_MAX: u32 = 1 << 28;
/// Largest believable block in bytes; x86-64 has 47 bits of user address space.
const SIZE_MAX: i64 = 1 << 47;
