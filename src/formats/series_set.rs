//! Collects samples into series for formats that repeat the label set on every line: the text between two samples is
//! compared with the previous line's before anything is parsed, and a series is grown by whole blocks of samples.

use crate::model::{Facts, Observation, RawTime, Times, Timestamp, series::Series};
use std::collections::HashMap;

/// Time of a sample that was written without one (a saved scrape), in place of Unix milliseconds.
pub use crate::model::series::NO_TIME;

/// Series by their text, in the order of their first sample.
#[derive(Default)]
pub struct SeriesSet {
    index: HashMap<Box<[u8]>, u32>,
    list: Vec<Observation<Series>>,
    /// Label text and number of the series that samples are appended to at present.
    key: Vec<u8>,
    current: Option<u32>,
    times: Vec<i64>,
    values: Vec<f64>,
    /// Times of the series before: those of the next are mostly the same.
    last: Times,
}

impl SeriesSet {
    /// Whether `line` begins with the label text of the present series; then what follows is its next sample.
    #[inline(always)]
    pub fn continues<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        if self.current.is_some() { line.strip_prefix(self.key.as_slice()) } else { None }
    }

    /// Turns to the series written as `key`; `make` is asked for it the first time.
    pub fn turn(&mut self, key: &[u8], make: impl FnOnce() -> Option<Observation<Series>>) -> bool {
        self.flush();
        self.current = self.index.get(key).copied();
        if self.current.is_none() {
            let (Some(made), Ok(id)) = (make(), u32::try_from(self.list.len())) else {
                return false;
            };
            self.list.push(made);
            self.index.insert(key.into(), id);
            self.current = Some(id);
        }
        self.key.clear();
        self.key.extend_from_slice(key);
        true
    }

    #[inline(always)]
    pub fn push(&mut self, time: i64, value: f64) {
        self.times.push(time);
        self.values.push(value);
    }

    fn flush(&mut self) {
        if let Some(series) = self.current.and_then(|i| self.list.get_mut(i as usize)) {
            if series.what.times.is_empty() {
                // The common case, all samples of a series in one piece: room for exactly these.
                series.what.times = Times::again(&mut self.last, &self.times);
                series.what.values = self.values.as_slice().into();
            } else {
                series.what.times.edit().extend_from_slice(&self.times);
                series.what.values.extend_from_slice(&self.values);
            }
        }
        self.times.clear();
        self.values.clear();
    }

    /// Takes in what was collected from the text that follows, its lines counted from `lines` on.
    pub fn append(&mut self, mut later: SeriesSet, lines: u32) {
        self.flush();
        self.current = None;
        later.flush();
        let mut keys: Vec<(Box<[u8]>, u32)> = later.index.into_iter().collect();
        keys.sort_unstable_by_key(|k| k.1);
        for ((key, _), mut o) in keys.into_iter().zip(later.list) {
            match self.index.get(&key).and_then(|&i| self.list.get_mut(i as usize)) {
                Some(known) => {
                    known.what.times.edit().extend_from_slice(&o.what.times);
                    known.what.values.extend_from_slice(&o.what.values);
                }
                None => {
                    let Ok(id) = u32::try_from(self.list.len()) else { return };
                    o.cite.span.line = o.cite.span.line.map(|l| l.saturating_add(lines));
                    self.list.push(o);
                    self.index.insert(key, id);
                }
            }
        }
    }

    /// Every series collected so far.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Series> {
        self.list.iter_mut().map(|o| &mut o.what)
    }

    /// Hands the series over, each observed at its last sample.
    pub fn finish(mut self, out: &mut Facts) {
        self.flush();
        for mut o in self.list {
            if !o.what.times.is_empty() {
                settle(&mut o);
                out.series.push(o);
            }
        }
    }
}

/// Sorts a series whose samples stand out of order, and notes the time of its last sample.
pub fn settle(o: &mut Observation<Series>) {
    let s = &mut o.what;
    if !s.times.is_sorted() {
        let mut pairs: Vec<(i64, f64)> = s.times.iter().copied().zip(s.values.iter().copied()).collect();
        pairs.sort_by_key(|p| p.0);
        (s.times, s.values) = pairs.into_iter().unzip();
    }
    o.at = match s.times.last() {
        Some(&t) if t != NO_TIME && s.civil => RawTime::NoZone { civil: Timestamp(t.saturating_mul(1_000_000)), precision: 1_000_000 },
        Some(&t) if t != NO_TIME => RawTime::Utc { at: Timestamp(t.saturating_mul(1_000_000)), precision: 1_000_000 },
        _ => RawTime::Absent,
    };
}
