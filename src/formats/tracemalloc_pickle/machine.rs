//! The pickle machine, reduced to what a snapshot needs. Values are single words: a tag and an index or number, so the
//! stack and the memo are flat vectors and nothing nests. Hostile input meets a bound at every growth: the memo by its
//! own order, the stack by the bytes read, strings by a maximum, and nothing is ever allocated by a stated length.

use super::tables::Tables;
use std::io::{self, Read};

/// Why the pickle is refused as a whole.
#[derive(Debug)]
pub struct Refusal {
    pub code: &'static str,
    pub offset: u64,
    pub message: String,
}

pub enum End {
    Snapshot,
    /// A well-formed pickle of something else.
    Other,
    Truncated,
    Unreadable(io::Error),
}

/// Longest file name or identifier, in bytes.
const STRING_MAX: usize = 64 << 10;
/// Deepest stack: a pickler flushes a list every 1000 items; nothing in a snapshot needs more than a few thousand.
const STACK_MAX: usize = 1 << 20;
/// Bytes that any fixed-size opcode with its argument needs at most.
const OPCODE_MAX: usize = 16;

/// A tag in the top four bits, a payload below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value(u64);

const TAG_SHIFT: u32 = 60;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;
/// Bits of a trace's payload that hold its size; the traceback's id is above.
const SIZE_BITS: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Nothing = 0,
    Int = 1,
    Text = 2,
    Frame = 3,
    Stack = 4,
    /// Traceback id and size; sizes of 4 GiB and more are in a side table.
    Trace = 5,
    BigTrace = 6,
    Global = 7,
    Object = 8,
    List = 9,
    Dict = 10,
    /// A tuple of no use here, such as a constructor's arguments.
    Tuple = 11,
}

impl Value {
    const NOTHING: Value = Value(0);

    fn new(tag: Tag, payload: u64) -> Self {
        Value(((tag as u64) << TAG_SHIFT) | (payload & PAYLOAD))
    }

    fn int(v: i64) -> Self {
        Value::new(Tag::Int, v.clamp(-(1 << 59), (1 << 59) - 1) as u64)
    }

    fn tag(self) -> u8 {
        (self.0 >> TAG_SHIFT) as u8
    }

    fn is(self, tag: Tag) -> bool {
        self.tag() == tag as u8
    }

    fn payload(self) -> u64 {
        self.0 & PAYLOAD
    }

    /// A number, sign-extended from the payload.
    fn number(self) -> Option<i64> {
        self.is(Tag::Int).then_some(((self.0 << (64 - TAG_SHIFT)) as i64) >> (64 - TAG_SHIFT))
    }
}

/// The names that a snapshot's pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Global {
    Snapshot = 0,
    Traces = 1,
    Reconstructor = 2,
    Object = 3,
}

fn global(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("tracemalloc", "Snapshot") => Global::Snapshot,
        ("tracemalloc", "_Traces") => Global::Traces,
        ("copy_reg" | "copyreg", "_reconstructor") => Global::Reconstructor,
        ("__builtin__" | "builtins", "object") => Global::Object,
        _ => return None,
    })
}

pub struct Machine<R> {
    reader: R,
    buf: Vec<u8>,
    pos: usize,
    end: usize,
    /// Offset of `buf[0]` in the artifact.
    base: u64,
    eof: bool,
    failed: Option<io::Error>,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Value>,
    /// Tracebacks and sizes of traces of 4 GiB and more.
    big: Vec<(u32, i64)>,
    lists: u64,
    /// The list that holds the traces: the first to receive one.
    trace_list: Option<u64>,
    scratch: Vec<u32>,
    pub tables: Tables,
    pub traceback_limit: Option<i64>,
}

type Step<T> = Result<T, Refusal>;

impl<R: Read> Machine<R> {
    pub fn new(reader: R) -> Self {
        Machine {
            reader,
            buf: vec![0; 1 << 20],
            pos: 0,
            end: 0,
            base: 0,
            eof: false,
            failed: None,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
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
        self.base + self.pos as u64
    }

    /// Whether bytes follow.
    pub fn trailing(&mut self) -> bool {
        self.fill(1) > 0
    }

    /// Makes `want` bytes available if there are as many; gives how many there are.
    fn fill(&mut self, want: usize) -> usize {
        while self.end - self.pos < want && !self.eof {
            self.buf.copy_within(self.pos..self.end, 0);
            self.base += self.pos as u64;
            self.end -= self.pos;
            self.pos = 0;
            match self.reader.read(self.buf.get_mut(self.end..).unwrap_or(&mut [])) {
                Ok(0) => self.eof = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.eof = true;
                    self.failed = Some(e);
                }
            }
        }
        self.end - self.pos
    }

    fn refuse<T>(&self, at: u64, code: &'static str, message: String) -> Step<T> {
        Err(Refusal { code, offset: at, message })
    }

    fn bad<T>(&self, at: u64, message: &str) -> Step<T> {
        self.refuse(at, "bad-pickle", message.into())
    }

    /// Runs to the end. What was counted up to a truncation stays in `tables`.
    pub fn run(&mut self) -> Step<End> {
        loop {
            if self.fill(OPCODE_MAX) == 0 {
                return Ok(self.cut());
            }
            let at = self.offset();
            let left = self.buf.get(self.pos..self.end).unwrap_or(&[]);
            // The head of the list below is by frequency: these make up a trace.
            let used = match *left {
                [b'h', i, ..] => {
                    self.get(at, u64::from(i))?;
                    2
                }
                [b'j', a, b, c, d, ..] => {
                    self.get(at, u64::from(u32::from_le_bytes([a, b, c, d])))?;
                    5
                }
                [b'K', v, ..] => {
                    self.push(at, Value::int(i64::from(v)))?;
                    2
                }
                [b'M', a, b, ..] => {
                    self.push(at, Value::int(i64::from(u16::from_le_bytes([a, b]))))?;
                    3
                }
                [b'J', a, b, c, d, ..] => {
                    self.push(at, Value::int(i64::from(i32::from_le_bytes([a, b, c, d]))))?;
                    5
                }
                [b'(', ..] => {
                    if self.marks.len() >= STACK_MAX {
                        return self.bad(at, "marks are nested too deep");
                    }
                    self.marks.push(self.stack.len());
                    1
                }
                [b't', ..] => {
                    let from = self.mark(at)?;
                    self.tuple(at, from)?;
                    1
                }
                [0x94, ..] => {
                    let v = self.top(at)?;
                    self.memo.push(v);
                    1
                }
                [op @ 0x85..=0x87, ..] => {
                    let Some(from) = self.stack.len().checked_sub(usize::from(op - 0x84)).filter(|&f| f >= self.floor()) else {
                        return self.bad(at, "a tuple needs more values than there are");
                    };
                    self.tuple(at, from)?;
                    1
                }
                [b'q', i, ..] => {
                    self.put(at, u64::from(i))?;
                    2
                }
                [b'r', a, b, c, d, ..] => {
                    self.put(at, u64::from(u32::from_le_bytes([a, b, c, d])))?;
                    5
                }
                [b'e', ..] => {
                    let from = self.mark(at)?;
                    self.extend(at, from)?;
                    1
                }
                [b'.', ..] => {
                    self.pos += 1;
                    let v = self.top(at)?;
                    let snapshot = v.is(Tag::Object) && v.payload() == Global::Snapshot as u64;
                    return Ok(if snapshot { End::Snapshot } else { End::Other });
                }
                _ => match self.rare(at)? {
                    Some(n) => n,
                    None => return Ok(self.cut()),
                },
            };
            self.pos += used;
        }
    }

    /// The file ends here: whole traces that wait for their list still count.
    fn cut(&mut self) -> End {
        for v in std::mem::take(&mut self.stack) {
            self.count(v);
        }
        self.pos = self.end;
        match self.failed.take() {
            Some(e) => End::Unreadable(e),
            None => End::Truncated,
        }
    }

    /// Opcodes that come a few times per file. Gives the bytes used; `None` when the file ends within the opcode.
    fn rare(&mut self, at: u64) -> Step<Option<usize>> {
        let left = self.buf.get(self.pos..self.end).unwrap_or(&[]);
        let Some((&op, rest)) = left.split_first() else { return Ok(None) };
        let arg = |n: usize| rest.get(..n);
        let used = match op {
            0x80 => match arg(1) {
                Some(&[v]) if v <= 5 => 2,
                Some(&[v]) => return self.refuse(at, "bad-pickle", format!("expected protocol 0 to 5, found {v}")),
                _ => return Ok(None),
            },
            // A frame's length only helps buffering; nothing is allocated by it.
            0x95 => match arg(8) {
                Some(_) => 9,
                None => return Ok(None),
            },
            b'N' | 0x88 | 0x89 => {
                self.push(at, Value::NOTHING)?;
                1
            }
            0x8a => match rest.split_first() {
                Some((&n, digits)) if n <= 8 => match digits.get(..usize::from(n)) {
                    Some(d) => {
                        let v = little_endian(d);
                        self.push(at, Value::int(v))?;
                        2 + usize::from(n)
                    }
                    None => return Ok(None),
                },
                Some(_) => return self.bad(at, "an integer of more than 64 bits has no place in a snapshot"),
                None => return Ok(None),
            },
            b'I' | b'L' => match self.line(at)? {
                Some((text, n)) => {
                    let digits = text.trim_end_matches('L');
                    let Ok(v) = digits.parse::<i64>() else { return self.bad(at, "expected a decimal number") };
                    self.push(at, Value::int(v))?;
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
            b'V' => match self.line(at)? {
                Some((text, n)) => {
                    let id = self.tables.string(raw_unicode(&text).as_bytes());
                    self.push_text(at, id)?;
                    n
                }
                None => return Ok(None),
            },
            b')' => {
                let empty = self.tables.stack(&[]).ok_or_else(|| too_many(at))?;
                self.push(at, Value::new(Tag::Stack, u64::from(empty)))?;
                1
            }
            b'}' => {
                self.push(at, Value::new(Tag::Dict, 0))?;
                1
            }
            b']' => {
                self.new_list(at)?;
                1
            }
            b'l' => {
                let from = self.mark(at)?;
                self.stack.truncate(from);
                self.new_list(at)?;
                1
            }
            b'd' => {
                let from = self.mark(at)?;
                self.stack.truncate(from);
                self.push(at, Value::new(Tag::Dict, 0))?;
                1
            }
            b'a' => {
                let from = self.stack.len().saturating_sub(1);
                self.extend(at, from)?;
                1
            }
            b's' => {
                let Some(from) = self.stack.len().checked_sub(2).filter(|&f| f > self.floor()) else {
                    return self.bad(at, "an item needs a key, a value and a dictionary");
                };
                self.items(at, from)?;
                1
            }
            b'u' => {
                let from = self.mark(at)?;
                self.items(at, from)?;
                1
            }
            b'p' | b'g' => match self.line(at)? {
                Some((text, n)) => {
                    let Ok(i) = text.parse::<u64>() else { return self.bad(at, "expected a memo index") };
                    if op == b'p' {
                        self.put(at, i)?;
                    } else {
                        self.get(at, i)?;
                    }
                    n
                }
                None => return Ok(None),
            },
            b'0' => {
                self.pop(at)?;
                1
            }
            b'c' => match self.two_lines(at)? {
                Some((module, name, n)) => {
                    self.push_global(at, &module, &name)?;
                    n
                }
                None => return Ok(None),
            },
            0x93 => {
                let (name, module) = (self.pop(at)?, self.pop(at)?);
                if !name.is(Tag::Text) || !module.is(Tag::Text) {
                    return self.bad(at, "a global needs two names");
                }
                let text = |v: Value| self.tables.text(v.payload() as u32).to_owned();
                let (module, name) = (text(module), text(name));
                self.push_global(at, &module, &name)?;
                1
            }
            // NEWOBJ: a class and its (empty) arguments; REDUCE: the reconstructor and its arguments.
            0x81 => {
                let _args = self.pop(at)?;
                let class = self.pop(at)?;
                self.instance(at, class)?;
                1
            }
            b'R' => {
                let args = self.pop(at)?;
                let function = self.pop(at)?;
                if !(function.is(Tag::Global) && function.payload() == Global::Reconstructor as u64) {
                    return self.refuse(at, "hostile-pickle", "the pickle asks for a call that no snapshot makes".into());
                }
                // `tuple` keeps the class that a reconstructor's arguments begin with.
                self.instance(at, Value::new(Tag::Global, args.payload()))?;
                1
            }
            b'b' => {
                let state = self.pop(at)?;
                let object = self.top(at)?;
                if !object.is(Tag::Object) || !(state.is(Tag::Dict) || state.is(Tag::Nothing)) {
                    return self.bad(at, "a state can only be given to an object, as a dictionary");
                }
                1
            }
            _ => return self.refuse(at, "hostile-pickle", format!("opcode 0x{op:02x} has no place in a tracemalloc snapshot")),
        };
        Ok(Some(used))
    }

    /// Lowest stack index that the current mark leaves open.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn push(&mut self, at: u64, v: Value) -> Step<()> {
        if self.stack.len() >= STACK_MAX {
            return self.bad(at, "the stack grows too deep");
        }
        self.stack.push(v);
        Ok(())
    }

    fn pop(&mut self, at: u64) -> Step<Value> {
        match self.stack.pop() {
            Some(v) if self.stack.len() >= self.floor() => Ok(v),
            _ => self.bad(at, "a value is taken from an empty stack"),
        }
    }

    fn top(&self, at: u64) -> Step<Value> {
        match self.stack.last() {
            Some(&v) => Ok(v),
            None => self.bad(at, "a value is taken from an empty stack"),
        }
    }

    fn mark(&mut self, at: u64) -> Step<usize> {
        match self.marks.pop() {
            Some(m) if m <= self.stack.len() => Ok(m),
            _ => self.bad(at, "expected a mark on the stack"),
        }
    }

    fn get(&mut self, at: u64, index: u64) -> Step<()> {
        match usize::try_from(index).ok().and_then(|i| self.memo.get(i)) {
            Some(&v) => self.push(at, v),
            None => self.refuse(at, "bad-pickle", format!("memo entry {index} is used but was never stored")),
        }
    }

    fn put(&mut self, at: u64, index: u64) -> Step<()> {
        let v = self.top(at)?;
        let i = usize::try_from(index).unwrap_or(usize::MAX);
        // Picklers number the memo one by one; the old C one began at 1.
        if let Some(slot) = self.memo.get_mut(i) {
            *slot = v;
            return Ok(());
        }
        if i > self.memo.len() + 1 {
            return self.refuse(at, "bad-pickle", format!("memo entry {index} is stored out of order"));
        }
        self.memo.resize(i, Value::NOTHING);
        self.memo.push(v);
        Ok(())
    }

    /// A line of text after the opcode, with the bytes used; `None` when the file ends within it.
    fn line(&mut self, at: u64) -> Step<Option<(String, usize)>> {
        let have = self.fill(STRING_MAX);
        let rest = self.buf.get(self.pos + 1..self.pos + have).unwrap_or(&[]);
        match memchr::memchr(b'\n', rest) {
            Some(n) => Ok(Some((String::from_utf8_lossy(rest.get(..n).unwrap_or(&[])).into_owned(), n + 2))),
            None if have >= STRING_MAX => self.bad(at, "a line of text is too long"),
            None => Ok(None),
        }
    }

    fn two_lines(&mut self, at: u64) -> Step<Option<(String, String, usize)>> {
        let Some((module, n)) = self.line(at)? else { return Ok(None) };
        let have = self.end - self.pos;
        let rest = self.buf.get(self.pos + n..self.pos + have).unwrap_or(&[]);
        Ok(memchr::memchr(b'\n', rest).map(|m| (module, String::from_utf8_lossy(rest.get(..m).unwrap_or(&[])).into_owned(), n + m + 1)))
    }

    fn text(&mut self, at: u64, head: usize, len: usize) -> Step<Option<usize>> {
        if len > STRING_MAX {
            return self.refuse(at, "bad-pickle", format!("a text of {len} bytes has no place in a snapshot"));
        }
        if self.fill(head + len) < head + len {
            return Ok(None);
        }
        let bytes = self.buf.get(self.pos + head..self.pos + head + len).unwrap_or(&[]);
        let id = self.tables.string(bytes);
        self.push_text(at, id)?;
        Ok(Some(head + len))
    }

    fn push_text(&mut self, at: u64, id: Option<u32>) -> Step<()> {
        let id = id.ok_or_else(|| too_many(at))?;
        self.push(at, Value::new(Tag::Text, u64::from(id)))
    }

    fn push_global(&mut self, at: u64, module: &str, name: &str) -> Step<()> {
        match global(module, name) {
            Some(g) => self.push(at, Value::new(Tag::Global, g as u64)),
            None => {
                let shown = |s: &str| s.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
                self.refuse(at, "hostile-pickle", format!("the pickle names {}.{}, which no snapshot needs", shown(module), shown(name)))
            }
        }
    }

    fn instance(&mut self, at: u64, class: Value) -> Step<()> {
        let known = [Global::Snapshot as u64, Global::Traces as u64].contains(&class.payload());
        if !class.is(Tag::Global) || !known {
            return self.bad(at, "only a Snapshot and its _Traces can be made");
        }
        self.push(at, Value::new(Tag::Object, class.payload()))
    }

    fn new_list(&mut self, at: u64) -> Step<()> {
        let id = self.lists;
        self.lists += 1;
        self.push(at, Value::new(Tag::List, id))
    }

    /// Makes one tuple of the values from `from` on.
    fn tuple(&mut self, at: u64, from: usize) -> Step<()> {
        let items = self.stack.get(from..).unwrap_or(&[]);
        let v = match *items {
            [file, line] if file.is(Tag::Text) && line.is(Tag::Int) => {
                let line = line.number().and_then(|l| u32::try_from(l).ok()).unwrap_or(0);
                let id = self.tables.frame(file.payload() as u32, line).ok_or_else(|| too_many(at))?;
                Value::new(Tag::Frame, u64::from(id))
            }
            // 3 items up to Python 3.8, 4 from 3.9 on; later versions may append further numbers.
            [domain, size, stack, ..] if domain.is(Tag::Int) && stack.is(Tag::Stack) => match size.number() {
                Some(size) => self.trace(stack.payload() as u32, size),
                None => return self.bad(at, "expected a trace's size"),
            },
            [class, ..] if class.is(Tag::Global) => Value::new(Tag::Tuple, class.payload()),
            _ if items.iter().all(|v| v.is(Tag::Frame)) => {
                self.scratch.clear();
                self.scratch.extend(items.iter().map(|v| v.payload() as u32));
                let id = self.tables.stack(&self.scratch).ok_or_else(|| too_many(at))?;
                Value::new(Tag::Stack, u64::from(id))
            }
            _ => Value::new(Tag::Tuple, PAYLOAD),
        };
        self.stack.truncate(from);
        self.push(at, v)
    }

    fn trace(&mut self, stack: u32, size: i64) -> Value {
        if (0..1 << SIZE_BITS).contains(&size) {
            return Value::new(Tag::Trace, (u64::from(stack) << SIZE_BITS) | size as u64);
        }
        self.big.push((stack, size));
        Value::new(Tag::BigTrace, self.big.len() as u64 - 1)
    }

    fn count(&mut self, v: Value) {
        if v.is(Tag::Trace) {
            self.tables.add((v.payload() >> SIZE_BITS) as u32, (v.payload() & ((1 << SIZE_BITS) - 1)) as i64);
        } else if v.is(Tag::BigTrace)
            && let Some(&(stack, size)) = self.big.get(v.payload() as usize)
        {
            self.tables.add(stack, size);
        }
    }

    /// Appends the values from `from` on to the list below them.
    fn extend(&mut self, at: u64, from: usize) -> Step<()> {
        let list = match from.checked_sub(1).and_then(|i| self.stack.get(i)) {
            Some(l) if l.is(Tag::List) => l.payload(),
            _ => return self.bad(at, "values are appended to something that is not a list"),
        };
        let items = self.stack.split_off(from);
        for v in &items {
            if !(v.is(Tag::Trace) || v.is(Tag::BigTrace)) {
                continue;
            }
            if *self.trace_list.get_or_insert(list) != list {
                return self.bad(at, "a snapshot has one list of traces, found a second");
            }
            self.count(*v);
        }
        Ok(())
    }

    /// Sets key and value pairs, from `from` on, of the dictionary below them.
    fn items(&mut self, at: u64, from: usize) -> Step<()> {
        if !from.checked_sub(1).and_then(|i| self.stack.get(i)).is_some_and(|d| d.is(Tag::Dict)) {
            return self.bad(at, "items are set in something that is not a dictionary");
        }
        let items = self.stack.split_off(from);
        for pair in items.chunks(2) {
            let &[key, value] = pair else { return self.bad(at, "a key has no value") };
            if key.is(Tag::Text) && self.tables.text(key.payload() as u32) == "traceback_limit" {
                self.traceback_limit = value.number();
            }
        }
        Ok(())
    }
}

fn too_many(at: u64) -> Refusal {
    Refusal { code: "bad-pickle", offset: at, message: "more names or tracebacks than 32 bits can count".into() }
}

/// Two's complement, least significant byte first.
fn little_endian(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|&b| b & 0x80 != 0);
    let mut v = if negative { -1i64 } else { 0 };
    for &b in bytes.iter().rev() {
        v = (v << 8) | i64::from(b);
    }
    v
}

/// Protocol 0's raw-unicode-escape: `\uXXXX` and `\UXXXXXXXX`, everything else as it is.
fn raw_unicode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(i) = rest.find("\\u").or_else(|| rest.find("\\U")) {
        out.push_str(rest.get(..i).unwrap_or(""));
        let digits = if rest.get(i + 1..i + 2) == Some("U") { 8 } else { 4 };
        let code = rest.get(i + 2..i + 2 + digits).and_then(|h| u32::from_str_radix(h, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = rest.get(i + 2 + digits..).unwrap_or("");
            }
            None => {
                out.push_str(rest.get(i..i + 2).unwrap_or(""));
                rest = rest.get(i + 2..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_sign_in_a_word() {
        for v in [0, 1, -1, i64::from(i32::MIN), (1 << 59) - 1, -(1 << 59)] {
            assert_eq!(Value::int(v).number(), Some(v));
        }
        assert_eq!(little_endian(&[0xff]), -1);
        assert_eq!(little_endian(&[0, 0, 0, 0x80, 0]), 1 << 31);
        assert_eq!(raw_unicode("a\\u00e9\\x"), "aé\\x");
    }
}
