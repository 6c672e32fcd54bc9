//! The machine's stack with its marks, and its memo. Each growth meets a bound: the stack the bytes read and a maximum, the
//! memo its own order.

use super::refusal::{Refusal, Step};
use super::value::Value;

/// Deepest stack: a pickler flushes a list every 1000 items; nothing in a snapshot needs more than a few thousand.
const STACK_MAX: usize = 1 << 20;

#[derive(Default)]
pub struct Stack {
    values: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Value>,
}

impl Stack {
    /// Lowest index that the current mark leaves open.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub fn push(&mut self, at: u64, v: Value) -> Step<()> {
        if self.values.len() >= STACK_MAX {
            return Err(Refusal::bad(at, "the stack grows too deep"));
        }
        self.values.push(v);
        Ok(())
    }

    pub fn pop(&mut self, at: u64) -> Step<Value> {
        match self.values.pop() {
            Some(v) if self.values.len() >= self.floor() => Ok(v),
            _ => Err(Refusal::bad(at, "a value is taken from an empty stack")),
        }
    }

    pub fn top(&self, at: u64) -> Step<Value> {
        self.values.last().copied().ok_or_else(|| Refusal::bad(at, "a value is taken from an empty stack"))
    }

    /// Sets a mark above the values so far.
    pub fn mark(&mut self, at: u64) -> Step<()> {
        if self.marks.len() >= STACK_MAX {
            return Err(Refusal::bad(at, "marks are nested too deep"));
        }
        self.marks.push(self.values.len());
        Ok(())
    }

    /// Takes the last mark away; gives the index of the first value above it.
    pub fn marked(&mut self, at: u64) -> Step<usize> {
        match self.marks.pop() {
            Some(m) if m <= self.values.len() => Ok(m),
            _ => Err(Refusal::bad(at, "expected a mark on the stack")),
        }
    }

    /// Index of the first of the last `n` values above the mark, if there are as many.
    pub fn last(&self, n: usize) -> Option<usize> {
        self.values.len().checked_sub(n).filter(|&f| f >= self.floor())
    }

    /// The values from `from` on.
    pub fn above(&self, from: usize) -> &[Value] {
        self.values.get(from..).unwrap_or(&[])
    }

    /// The value below `from`.
    pub fn below(&self, from: usize) -> Option<Value> {
        from.checked_sub(1).and_then(|i| self.values.get(i)).copied()
    }

    pub fn truncate(&mut self, from: usize) {
        self.values.truncate(from);
    }

    /// Takes the values from `from` on.
    pub fn split_off(&mut self, from: usize) -> Vec<Value> {
        self.values.split_off(from.min(self.values.len()))
    }

    /// Stores the top value as the memo's next entry.
    pub fn memoize(&mut self, at: u64) -> Step<()> {
        let v = self.top(at)?;
        self.memo.push(v);
        Ok(())
    }

    pub fn get(&mut self, at: u64, index: u64) -> Step<()> {
        match usize::try_from(index).ok().and_then(|i| self.memo.get(i)) {
            Some(&v) => self.push(at, v),
            None => Err(Refusal::bad(at, format!("memo entry {index} is used but was never stored"))),
        }
    }

    pub fn put(&mut self, at: u64, index: u64) -> Step<()> {
        let v = self.top(at)?;
        let i = usize::try_from(index).unwrap_or(usize::MAX);
        // Picklers number the memo one by one; the old C one began at 1.
        if let Some(slot) = self.memo.get_mut(i) {
            *slot = v;
            return Ok(());
        }
        if i > self.memo.len() + 1 {
            return Err(Refusal::bad(at, format!("memo entry {index} is stored out of order")));
        }
        self.memo.resize(i, Value::NOTHING);
        self.memo.push(v);
        Ok(())
    }
}
