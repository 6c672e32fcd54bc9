//! What the machine's stack and memo hold: single words of a tag and an index or number, so that both are flat vectors and
//! nothing nests. Beside them the names that a snapshot may mention, and how pickles write numbers and text.

/// A tag in the top four bits, a payload below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(u64);

const TAG_SHIFT: u32 = 60;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;
/// Bits of a trace's payload that hold its size; the traceback's id is above.
const SIZE_BITS: u32 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
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
    pub const NOTHING: Value = Value(0);
    /// A tuple of no use here.
    pub const SOME_TUPLE: Value = Value(((Tag::Tuple as u64) << TAG_SHIFT) | PAYLOAD);

    pub fn new(tag: Tag, payload: u64) -> Self {
        Value(((tag as u64) << TAG_SHIFT) | (payload & PAYLOAD))
    }

    pub fn int(v: i64) -> Self {
        Value::new(Tag::Int, v.clamp(-(1 << 59), (1 << 59) - 1) as u64)
    }

    fn tag(self) -> u8 {
        (self.0 >> TAG_SHIFT) as u8
    }

    pub fn is(self, tag: Tag) -> bool {
        self.tag() == tag as u8
    }

    pub fn payload(self) -> u64 {
        self.0 & PAYLOAD
    }

    /// A trace of a block below 4 GiB: its traceback's id and its size.
    pub fn trace(stack: u32, size: i64) -> Option<Self> {
        (0..1 << SIZE_BITS).contains(&size).then(|| Value::new(Tag::Trace, (u64::from(stack) << SIZE_BITS) | size as u64))
    }

    /// The traceback's id and the size of a block, in bytes, of a trace.
    pub fn as_trace(self) -> Option<(u32, i64)> {
        self.is(Tag::Trace).then(|| ((self.payload() >> SIZE_BITS) as u32, (self.payload() & ((1 << SIZE_BITS) - 1)) as i64))
    }

    /// A number, sign-extended from the payload.
    pub fn number(self) -> Option<i64> {
        self.is(Tag::Int).then_some(((self.0 << (64 - TAG_SHIFT)) as i64) >> (64 - TAG_SHIFT))
    }
}

/// The names that a snapshot's pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    Snapshot = 0,
    Traces = 1,
    Reconstructor = 2,
    Object = 3,
}

impl Global {
    pub fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("tracemalloc", "Snapshot") => Global::Snapshot,
            ("tracemalloc", "_Traces") => Global::Traces,
            ("copy_reg" | "copyreg", "_reconstructor") => Global::Reconstructor,
            ("__builtin__" | "builtins", "object") => Global::Object,
            _ => return None,
        })
    }
}

/// Two's complement, least significant byte first.
pub fn little_endian(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|&b| b & 0x80 != 0);
    let mut v = if negative { -1i64 } else { 0 };
    for &b in bytes.iter().rev() {
        v = (v << 8) | i64::from(b);
    }
    v
}

/// Protocol 0's raw-unicode-escape: `\uXXXX` and `\UXXXXXXXX`, everything else as it is.
pub fn raw_unicode(text: &str) -> String {
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
