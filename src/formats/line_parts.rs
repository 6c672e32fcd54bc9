//! A big text of lines read in parts side by side, each from the beginning of a line to the beginning of another, and joined
//! in their order. Offsets are the text's own throughout; lines are counted per part and moved when the parts are joined,
//! so that what comes out is what one reader from front to back would give.

use super::Input;
use super::lines::{LINE_MAX, Line, for_each_line_from};
use crate::model::Facts;
use rayon::prelude::*;
use std::io::{self, Read};

/// Least bytes worth a part of their own.
pub const PART: u64 = 32 << 20;

/// What one part gave.
struct Part<S> {
    state: S,
    out: Facts,
    lines: u32,
    read: io::Result<()>,
}

/// Hands every line to `each` and joins what the parts collected; `join` is told how many lines stood before the later one.
pub fn read<S: Default + Send>(
    input: &Input<'_>,
    out: &mut Facts,
    least: u64,
    each: impl Fn(&mut S, Line<'_>, &mut Facts) + Sync,
    join: impl Fn(&mut S, S, u32, &mut Facts),
) -> S {
    let Some(first) = input.stream(out) else { return S::default() };
    let mut ways: Vec<(u64, Box<dyn Read + Send + '_>)> = vec![(0, first)];
    for at in cuts(input, least) {
        match input.source.reader_from(at) {
            Some(reader) => ways.push((at, reader)),
            None => break,
        }
    }
    let ends: Vec<u64> = ways.iter().skip(1).map(|w| w.0).chain([u64::MAX]).collect();
    let one = |((from, reader), end): ((u64, Box<dyn Read + Send + '_>), u64)| {
        let (mut state, mut out) = (S::default(), Facts::new(input.artifact));
        let (lines, read) = for_each_line_from(reader.take(end - from), from, |line| each(&mut state, line, &mut out));
        Part { state, out, lines, read }
    };
    let parts: Vec<Part<S>> = ways.into_par_iter().zip(ends).map(one).collect();
    let (mut all, mut before) = (S::default(), 0u32);
    for (n, mut part) in parts.into_iter().enumerate() {
        part.out.diagnostics.behind(before);
        out.merge_all(part.out);
        if n == 0 {
            all = part.state;
        } else {
            join(&mut all, part.state, before, out);
        }
        if let Err(e) = part.read {
            out.error("unreadable", None, || format!("reading failed: {e}"));
        }
        before = before.saturating_add(part.lines);
    }
    all
}

/// Where parts begin, each behind a line end near its even share of the text.
fn cuts(input: &Input<'_>, least: u64) -> Vec<u64> {
    let bytes = input.len.unwrap_or(0);
    let parts = (bytes / least.max(1)).min(rayon::current_num_threads() as u64);
    let mut cuts: Vec<u64> = (1..parts).filter_map(|k| line_from(input, bytes / parts * k)).filter(|&at| at < bytes).collect();
    cuts.dedup();
    cuts
}

/// Where the first line that begins after `from` begins; none where a line is longer than any that is read.
fn line_from(input: &Input<'_>, from: u64) -> Option<u64> {
    let mut reader = input.source.reader_from(from)?.take(LINE_MAX as u64);
    let mut block = vec![0u8; 64 << 10];
    let mut at = from;
    loop {
        let got = reader.read(&mut block).ok().filter(|&n| n > 0)?;
        if let Some(n) = memchr::memchr(b'\n', block.get(..got)?) {
            return Some(at + n as u64 + 1);
        }
        at += got as u64;
    }
}

/// What a parser finds in a text in memory; for the tests of formats that are read in parts.
#[cfg(test)]
pub fn read_with(text: &[u8], parse: impl Fn(&Input<'_>, &mut Facts)) -> Facts {
    let id = crate::model::ArtifactId(0);
    let input = Input { artifact: id, path: "x", len: Some(text.len() as u64), who: crate::model::Claim::default(), source: &text };
    let mut out = Facts::new(id);
    parse(&input, &mut out);
    out
}
