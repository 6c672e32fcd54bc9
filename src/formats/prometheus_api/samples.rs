//! The hot path: arrays of `[seconds,"value"]` pairs, of bare values, of millisecond timestamps.
//! A compact pair is read from the block at hand without a copy; anything else (blanks, bare numbers, `null`) goes the slow way.

use super::Walk;
use super::scan::{Stop, WINDOW};
use crate::formats::decimal::{POW10_INT, all_eight, eight, float, millis, seconds_to_ms};

/// Samples gathered before they join their series.
const BATCH: usize = 128;
/// Bytes of the longest usual pair: 17 before the value, 15 digits, two behind, rounded up to words.
const USUAL: usize = 40;

impl Walk<'_> {
    /// Samples up to the closing bracket; the opening one is consumed.
    pub fn samples(&mut self) -> Result<(), Stop> {
        loop {
            self.compact();
            match self.scan.peek().ok_or(Stop::Cut)? {
                b']' => {
                    self.scan.advance(1);
                    return Ok(());
                }
                b',' => self.scan.advance(1),
                b'[' => self.sample()?,
                _ => {
                    if let Some(v) = self.number()? {
                        self.values.push(v);
                    } else {
                        self.values.push(f64::NAN);
                    }
                }
            }
        }
    }

    /// As many compact pairs as the block holds, each with the comma after it.
    #[inline(always)]
    fn compact(&mut self) {
        let (mut times, mut values) = ([0i64; BATCH], [0f64; BATCH]);
        loop {
            let block = self.scan.window();
            let (mut at, mut n, mut more) = (0, 0, true);
            for (time, value) in times.iter_mut().zip(&mut values) {
                let Some(text) = block.get(at..).filter(|t| t.len() >= WINDOW) else { break };
                let Some((t, v, used)) = usual(text).or_else(|| pair(text)) else {
                    more = false;
                    break;
                };
                (*time, *value) = (t, v);
                n += 1;
                at += used;
                if block.get(at) != Some(&b',') {
                    more = false;
                    break;
                }
                at += 1;
            }
            self.scan.advance(at);
            self.times.extend_from_slice(times.get(..n).unwrap_or(&[]));
            self.values.extend_from_slice(values.get(..n).unwrap_or(&[]));
            if !more || self.scan.window().len() < WINDOW {
                return;
            }
        }
    }

    /// One pair in any layout.
    pub fn sample(&mut self) -> Result<(), Stop> {
        self.scan.expect(b'[')?;
        self.scan.peek().ok_or(Stop::Cut)?;
        let w = self.scan.window();
        let (t, n) = seconds_to_ms(w).ok_or(Stop::Syntax)?;
        let cut = n == w.len();
        self.scan.advance(n);
        if cut {
            return Err(Stop::Cut);
        }
        self.scan.expect(b',')?;
        let value = self.number()?;
        self.scan.expect(b']')?;
        if let Some(v) = value {
            self.times.push(t);
            self.values.push(v);
        }
        Ok(())
    }

    /// A quoted or bare number; `None` for `null` and for text that is no number.
    fn number(&mut self) -> Result<Option<f64>, Stop> {
        match self.scan.peek().ok_or(Stop::Cut)? {
            b'"' => {
                let mut text = Vec::new();
                self.scan.string(&mut text)?;
                Ok(float(&text).filter(|&(_, n)| n == text.len()).map(|(v, _)| v))
            }
            b'n' | b't' | b'f' => self.scan.skip_word().map(|()| None),
            _ => {
                let w = self.scan.window();
                let (v, n) = float(w).ok_or(Stop::Syntax)?;
                let cut = n == w.len();
                self.scan.advance(n);
                if cut { Err(Stop::Cut) } else { Ok(Some(v)) }
            }
        }
    }

    /// Millisecond timestamps up to the closing bracket.
    pub fn stamps(&mut self) -> Result<(), Stop> {
        self.times.clear();
        loop {
            match self.scan.peek().ok_or(Stop::Cut)? {
                b']' => {
                    self.scan.advance(1);
                    return Ok(());
                }
                b',' => self.scan.advance(1),
                _ => {
                    let w = self.scan.window();
                    let (t, n) = millis(w).ok_or(Stop::Syntax)?;
                    let cut = n == w.len();
                    self.scan.advance(n);
                    if cut {
                        return Err(Stop::Cut);
                    }
                    self.times.push(t);
                }
            }
        }
    }
}

/// The layouts that servers write by far most often, taken in steps of eight bytes: `[1795221372,"123456789"]` and
/// `[1795221372.781,"123456789"]`, the value a whole number of at most fifteen digits.
#[inline(always)]
fn usual(s: &[u8]) -> Option<(i64, f64, usize)> {
    let s: &[u8; USUAL] = s.first_chunk()?;
    let [b'[', ..] = s else { return None };
    let high = all_eight(word(s, 1))?;
    let rest = word(s, 9);
    let last = rest & 0xffff;
    if (rest >> 16) & 0xffff == u64::from(u16::from_le_bytes(*b",\"")) {
        let low = all_eight(last << 48 | 0x3030_3030_3030)?;
        whole(s, 13, (high * 100 + low) * 1000)
    } else if (rest >> 16) & 0xff == u64::from(b'.') && rest >> 48 == u64::from(u16::from_le_bytes(*b",\"")) {
        let low = all_eight(last << 24 | ((rest >> 24) & 0xff_ffff) << 40 | 0x30_3030)?;
        whole(s, 17, high * 100_000 + low)
    } else {
        None
    }
}

/// The value at `from`, beside its time.
#[inline(always)]
fn whole(s: &[u8; USUAL], from: usize, time: u64) -> Option<(i64, f64, usize)> {
    let first = word(s, from);
    let (v, n) = match all_eight(first) {
        Some(high) => {
            let (low, n) = eight(word(s, from + 8));
            // Sixteen digits may be more than a double holds.
            (high * POW10_INT.get(n).filter(|_| n < 8)? + low, 8 + n)
        }
        None => eight(first),
    };
    let end = from + n;
    (n > 0 && s.get(end..end + 2)? == b"\"]").then_some((time as i64, v as i64 as f64, end + 2))
}

#[inline(always)]
fn word(s: &[u8; USUAL], at: usize) -> u64 {
    s.get(at..at + 8).and_then(|w| w.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// `[1795221372.781,"123"]` without blanks: time, value, bytes read.
#[inline(always)]
fn pair(s: &[u8]) -> Option<(i64, f64, usize)> {
    if s.first() != Some(&b'[') {
        return None;
    }
    let (t, n) = seconds_to_ms(s.get(1..)?)?;
    let at = 1 + n;
    if s.get(at..at + 2)? != b",\"" {
        return None;
    }
    let (v, m) = float(s.get(at + 2..)?)?;
    let at = at + 2 + m;
    (s.get(at..at + 2)? == b"\"]").then_some((t, v, at + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_pairs_are_read_as_any_pair_is() {
        let times = ["1795221372", "1795221372.781", "0000000000", "9999999999.999", "179522137a", "1795221372.78", "17952213720"];
        let mut taken = 0;
        for t in times {
            for v in ["0", "7", "1234567", "12345678", "123456789", "123456789012345", "1234567890123456", "1.5", "NaN", "-4", ""] {
                for end in ["\"]", "\" ]", "]", "x\"]"] {
                    let text = format!("[{t},\"{v}{end},{}", "[1,\"2\"],".repeat(20));
                    if let Some(read) = usual(text.as_bytes()) {
                        assert_eq!(Some(read), pair(text.as_bytes()), "{text}");
                        taken += 1;
                    }
                }
            }
        }
        assert_eq!(taken, 4 * 6);
    }
}
