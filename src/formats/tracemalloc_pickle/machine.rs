//! The pickle machine, reduced to what a snapshot needs: a closed list of opcodes, and of shapes that they may make. Hostile
//! input meets a bound at every growth, strings by a maximum, and nothing is ever allocated by a stated length.

use super::refusal::{Refusal, Step};
use super::stack::Stack;
use super::tables::Tables;
use super::value::{Global, Tag, Value, little_endian, raw_unicode};
use super::window::{STRING_MAX, Window};
use std::io::{self, Read};

pub enum End {
    Snapshot,
    /// A well-formed pickle of something else.
    Other,
    Truncated,
    Unreadable(io::Error),
}

/// Bytes that any fixed-size opcode with its argument needs at most.
const OPCODE_MAX: usize = 16;

pub struct Machine<R> {
    window: Window<R>,
    stack: Stack,
    /// Tracebacks and sizes of traces of 4 GiB and more.
    big: Vec<(u32, i64)>,
    lists: u64,
    /// The list that holds the traces: the first to receive one.
    trace_list: Option<u64>,
    scratch: Vec<u32>,
    pub tables: Tables,
    pub traceback_limit: Option<i64>,
}

impl<R: Read> Machine<R> {
    pub fn new(reader: R) -> Self {
        Machine {
            window: Window::new(reader),
            stack: Stack::default(),
            big: Vec::new(),
            lists: 0,
            trace_list: None,
            scratch: Vec::new(),
            tables: Tables::default(),
            traceback_limit: None,
        }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Whether bytes follow.
    pub fn trailing(&mut self) -> bool {
        self.window.fill(1) > 0
    }

    /// Runs to the end. What was counted up to a truncation stays in `tables`.
    pub fn run(&mut self) -> Step<End> {
        loop {
            if self.window.fill(OPCODE_MAX) == 0 {
                return Ok(self.cut());
            }
            let at = self.offset();
            let left = self.window.left();
            // The head of the list below is by frequency: these make up a trace.
            let used = match *left {
                [b'h', i, ..] => {
                    self.stack.get(at, u64::from(i))?;
                    2
                }
                [b'j', a, b, c, d, ..] => {
                    self.stack.get(at, u64::from(u32::from_le_bytes([a, b, c, d])))?;
                    5
                }
                [b'K', v, ..] => {
                    self.stack.push(at, Value::int(i64::from(v)))?;
                    2
                }
                [b'M', a, b, ..] => {
                    self.stack.push(at, Value::int(i64::from(u16::from_le_bytes([a, b]))))?;
                    3
                }
                [b'J', a, b, c, d, ..] => {
                    self.stack.push(at, Value::int(i64::from(i32::from_le_bytes([a, b, c, d]))))?;
                    5
                }
                [b'(', ..] => {
                    self.stack.mark(at)?;
                    1
                }
                [b't', ..] => {
                    let from = self.stack.marked(at)?;
                    self.tuple(at, from)?;
                    1
                }
                [0x94, ..] => {
                    self.stack.memoize(at)?;
                    1
                }
                [op @ 0x85..=0x87, ..] => {
                    let Some(from) = self.stack.last(usize::from(op - 0x84)) else {
                        return Err(Refusal::bad(at, "a tuple needs more values than there are"));
                    };
                    self.tuple(at, from)?;
                    1
                }
                [b'q', i, ..] => {
                    self.stack.put(at, u64::from(i))?;
                    2
                }
                [b'r', a, b, c, d, ..] => {
                    self.stack.put(at, u64::from(u32::from_le_bytes([a, b, c, d])))?;
                    5
                }
                [b'e', ..] => {
                    let from = self.stack.marked(at)?;
                    self.extend(at, from)?;
                    1
                }
                [b'.', ..] => {
                    self.window.skip(1);
                    let v = self.stack.top(at)?;
                    let snapshot = v.is(Tag::Object) && v.payload() == Global::Snapshot as u64;
                    return Ok(if snapshot { End::Snapshot } else { End::Other });
                }
                _ => match self.rare(at)? {
                    Some(n) => n,
                    None => return Ok(self.cut()),
                },
            };
            self.window.skip(used);
        }
    }

    /// The file ends here: whole traces that wait for their list still count.
    fn cut(&mut self) -> End {
        for v in self.stack.split_off(0) {
            self.count(v);
        }
        match self.window.close() {
            Some(e) => End::Unreadable(e),
            None => End::Truncated,
        }
    }

    /// Opcodes that come a few times per file. Gives the bytes used; `None` when the file ends within the opcode.
    fn rare(&mut self, at: u64) -> Step<Option<usize>> {
        let left = self.window.left();
        let Some((&op, rest)) = left.split_first() else { return Ok(None) };
        let arg = |n: usize| rest.get(..n);
        let used = match op {
            0x80 => match arg(1) {
                Some(&[v]) if v <= 5 => 2,
                Some(&[v]) => return Err(Refusal::bad(at, format!("expected protocol 0 to 5, found {v}"))),
                _ => return Ok(None),
            },
            // A frame's length only helps buffering; nothing is allocated by it.
            0x95 => match arg(8) {
                Some(_) => 9,
                None => return Ok(None),
            },
            b'N' | 0x88 | 0x89 => {
                self.stack.push(at, Value::NOTHING)?;
                1
            }
            0x8a => match rest.split_first() {
                Some((&n, digits)) if n <= 8 => match digits.get(..usize::from(n)) {
                    Some(d) => {
                        let v = little_endian(d);
                        self.stack.push(at, Value::int(v))?;
                        2 + usize::from(n)
                    }
                    None => return Ok(None),
                },
                Some(_) => return Err(Refusal::bad(at, "an integer of more than 64 bits has no place in a snapshot")),
                None => return Ok(None),
            },
            b'I' | b'L' => match self.window.line(at)? {
                Some((text, n)) => {
                    let digits = text.trim_end_matches('L');
                    let Ok(v) = digits.parse::<i64>() else { return Err(Refusal::bad(at, "expected a decimal number")) };
                    self.stack.push(at, Value::int(v))?;
                    n
                }
                None => return Ok(None),
            },
            0x8c => match arg(1) {
                Some(&[n]) => return self.text(at, 2, usize::from(n)),
                _ => return Ok(None),
            },
            b'X' => match arg(4) {
                Some(&[a, b, c, d]) => return self.text(at, 5, u32::from_le_bytes([a, b, c, d]) as usize),
                _ => return Ok(None),
            },
            b'V' => match self.window.line(at)? {
                Some((text, n)) => {
                    let id = self.tables.string(raw_unicode(&text).as_bytes());
                    self.push_text(at, id)?;
                    n
                }
                None => return Ok(None),
            },
            b')' => {
                let empty = self.tables.stack(&[]).ok_or_else(|| Refusal::too_many(at))?;
                self.stack.push(at, Value::new(Tag::Stack, u64::from(empty)))?;
                1
            }
            b'}' => {
                self.stack.push(at, Value::new(Tag::Dict, 0))?;
                1
            }
            b']' => {
                self.new_list(at)?;
                1
            }
            b'l' => {
                let from = self.stack.marked(at)?;
                self.stack.truncate(from);
                self.new_list(at)?;
                1
            }
            b'd' => {
                let from = self.stack.marked(at)?;
                self.stack.truncate(from);
                self.stack.push(at, Value::new(Tag::Dict, 0))?;
                1
            }
            b'a' => {
                let Some(from) = self.stack.last(2) else {
                    return Err(Refusal::bad(at, "an append needs a list and a value"));
                };
                self.extend(at, from + 1)?;
                1
            }
            b's' => {
                let Some(from) = self.stack.last(3) else {
                    return Err(Refusal::bad(at, "an item needs a key, a value and a dictionary"));
                };
                self.items(at, from + 1)?;
                1
            }
            b'u' => {
                let from = self.stack.marked(at)?;
                self.items(at, from)?;
                1
            }
            b'p' | b'g' => match self.window.line(at)? {
                Some((text, n)) => {
                    let Ok(i) = text.parse::<u64>() else { return Err(Refusal::bad(at, "expected a memo index")) };
                    if op == b'p' {
                        self.stack.put(at, i)?;
                    } else {
                        self.stack.get(at, i)?;
                    }
                    n
                }
                None => return Ok(None),
            },
            b'0' => {
                self.stack.pop(at)?;
                1
            }
            b'c' => match self.window.two_lines(at)? {
                Some((module, name, n)) => {
                    self.push_global(at, &module, &name)?;
                    n
                }
                None => return Ok(None),
            },
            0x93 => {
                let (name, module) = (self.stack.pop(at)?, self.stack.pop(at)?);
                if !name.is(Tag::Text) || !module.is(Tag::Text) {
                    return Err(Refusal::bad(at, "a global needs two names"));
                }
                let text = |v: Value| self.tables.text(v.payload() as u32).to_owned();
                let (module, name) = (text(module), text(name));
                self.push_global(at, &module, &name)?;
                1
            }
            // NEWOBJ: a class and its (empty) arguments; REDUCE: the reconstructor and its arguments.
            0x81 => {
                let _args = self.stack.pop(at)?;
                let class = self.stack.pop(at)?;
                self.instance(at, class)?;
                1
            }
            b'R' => {
                let args = self.stack.pop(at)?;
                let function = self.stack.pop(at)?;
                if !(function.is(Tag::Global) && function.payload() == Global::Reconstructor as u64) {
                    return Err(Refusal::hostile(at, "the pickle asks for a call that no snapshot makes"));
                }
                // `tuple` keeps the class that a reconstructor's arguments begin with.
                self.instance(at, Value::new(Tag::Global, args.payload()))?;
                1
            }
            b'b' => {
                let state = self.stack.pop(at)?;
                let object = self.stack.top(at)?;
                if !object.is(Tag::Object) || !(state.is(Tag::Dict) || state.is(Tag::Nothing)) {
                    return Err(Refusal::bad(at, "a state can only be given to an object, as a dictionary"));
                }
                1
            }
            _ => return Err(Refusal::hostile(at, format!("opcode 0x{op:02x} has no place in a tracemalloc snapshot"))),
        };
        Ok(Some(used))
    }

    fn text(&mut self, at: u64, head: usize, len: usize) -> Step<Option<usize>> {
        if len > STRING_MAX {
            return Err(Refusal::bad(at, format!("a text of {len} bytes has no place in a snapshot")));
        }
        if self.window.fill(head + len) < head + len {
            return Ok(None);
        }
        let bytes = self.window.left().get(head..head + len).unwrap_or(&[]);
        let id = self.tables.string(bytes);
        self.push_text(at, id)?;
        Ok(Some(head + len))
    }

    fn push_text(&mut self, at: u64, id: Option<u32>) -> Step<()> {
        let id = id.ok_or_else(|| Refusal::too_many(at))?;
        self.stack.push(at, Value::new(Tag::Text, u64::from(id)))
    }

    fn push_global(&mut self, at: u64, module: &str, name: &str) -> Step<()> {
        match Global::named(module, name) {
            Some(g) => self.stack.push(at, Value::new(Tag::Global, g as u64)),
            None => {
                let shown = |s: &str| s.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
                Err(Refusal::hostile(at, format!("the pickle names {}.{}, which no snapshot needs", shown(module), shown(name))))
            }
        }
    }

    fn instance(&mut self, at: u64, class: Value) -> Step<()> {
        let known = [Global::Snapshot as u64, Global::Traces as u64].contains(&class.payload());
        if !class.is(Tag::Global) || !known {
            return Err(Refusal::bad(at, "only a Snapshot and its _Traces can be made"));
        }
        self.stack.push(at, Value::new(Tag::Object, class.payload()))
    }

    fn new_list(&mut self, at: u64) -> Step<()> {
        let id = self.lists;
        self.lists += 1;
        self.stack.push(at, Value::new(Tag::List, id))
    }

    /// Makes one tuple of the values from `from` on.
    fn tuple(&mut self, at: u64, from: usize) -> Step<()> {
        let items = self.stack.above(from);
        let v = match *items {
            [file, line] if file.is(Tag::Text) && line.is(Tag::Int) => {
                let line = line.number().and_then(|l| u32::try_from(l).ok()).unwrap_or(0);
                let id = self.tables.frame(file.payload() as u32, line).ok_or_else(|| Refusal::too_many(at))?;
                Value::new(Tag::Frame, u64::from(id))
            }
            // 3 items up to Python 3.8, 4 from 3.9 on; later versions may append further numbers.
            [domain, size, stack, ..] if domain.is(Tag::Int) && stack.is(Tag::Stack) => match size.number() {
                Some(size) => self.trace(stack.payload() as u32, size),
                None => return Err(Refusal::bad(at, "expected a trace's size")),
            },
            [class, ..] if class.is(Tag::Global) => Value::new(Tag::Tuple, class.payload()),
            _ if items.iter().all(|v| v.is(Tag::Frame)) => {
                self.scratch.clear();
                self.scratch.extend(items.iter().map(|v| v.payload() as u32));
                let id = self.tables.stack(&self.scratch).ok_or_else(|| Refusal::too_many(at))?;
                Value::new(Tag::Stack, u64::from(id))
            }
            _ => Value::SOME_TUPLE,
        };
        self.stack.truncate(from);
        self.stack.push(at, v)
    }

    fn trace(&mut self, stack: u32, size: i64) -> Value {
        Value::trace(stack, size).unwrap_or_else(|| {
            self.big.push((stack, size));
            Value::new(Tag::BigTrace, self.big.len() as u64 - 1)
        })
    }

    /// Adds a trace to its traceback's sum; gives whether the value is one.
    fn count(&mut self, v: Value) -> bool {
        let big = || self.big.get(v.payload() as usize).copied().filter(|_| v.is(Tag::BigTrace));
        let Some((stack, size)) = v.as_trace().or_else(big) else { return false };
        self.tables.add(stack, size);
        true
    }

    /// Appends the values from `from` on to the list below them.
    fn extend(&mut self, at: u64, from: usize) -> Step<()> {
        let Some(list) = self.stack.below(from).filter(|l| l.is(Tag::List)).map(Value::payload) else {
            return Err(Refusal::bad(at, "values are appended to something that is not a list"));
        };
        for v in self.stack.split_off(from) {
            if self.count(v) && *self.trace_list.get_or_insert(list) != list {
                return Err(Refusal::bad(at, "a snapshot has one list of traces, found a second"));
            }
        }
        Ok(())
    }

    /// Sets key and value pairs, from `from` on, of the dictionary below them.
    fn items(&mut self, at: u64, from: usize) -> Step<()> {
        if !self.stack.below(from).is_some_and(|d| d.is(Tag::Dict)) {
            return Err(Refusal::bad(at, "items are set in something that is not a dictionary"));
        }
        let items = self.stack.split_off(from);
        for pair in items.chunks(2) {
            let &[key, value] = pair else { return Err(Refusal::bad(at, "a key has no value")) };
            if key.is(Tag::Text) && self.tables.text(key.payload() as u32) == "traceback_limit" {
                self.traceback_limit = value.number();
            }
        }
        Ok(())
    }
}
