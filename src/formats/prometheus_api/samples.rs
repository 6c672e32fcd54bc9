//! The hot path: arrays of `[seconds,"value"]` pairs, of bare values, of millisecond timestamps.
//! A compact pair is read from the block at hand without a copy; anything else (blanks, bare numbers, `null`) goes the slow way.

use super::Walk;
use super::scan::{Stop, WINDOW};
use crate::formats::decimal::{float, millis, seconds_to_ms};

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
        loop {
            let block = self.scan.window();
            let mut at = 0;
            while block.len() - at >= WINDOW {
                let Some((t, v, n)) = block.get(at..).and_then(pair) else { break };
                self.times.push(t);
                self.values.push(v);
                at += n;
                if block.get(at) != Some(&b',') {
                    break;
                }
                at += 1;
            }
            let more = at > 0 && block.len() - at < WINDOW;
            self.scan.advance(at);
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
