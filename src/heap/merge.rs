//! The difference of two profiles as a profile: later minus earlier, stack by stack, what cancels out left away.
//!
//! Locations meet by their functions and lines, so that two builds and two load addresses compare; without symbols by
//! their place in the binary. Values of either side are signed; the result's are negative where something was freed.

use crate::model::profile::{Frame, Function, HeapProfile, Mapping, Measure, ProfileBody, StackTable};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Tables of the result while both sides are poured in.
#[derive(Default)]
struct Pour {
    t: StackTable,
    strings: HashMap<Box<str>, u32>,
    functions: HashMap<Function, u32>,
    locations: HashMap<(Vec<Frame>, u64, u32), u32>,
    /// Samples by hash of their key; equal hashes are chained through `chain`.
    by_hash: HashMap<u64, u32>,
    chain: Vec<u32>,
    sizes: Vec<i64>,
    labels: Vec<Vec<(u32, u32)>>,
    rows: Vec<i64>,
}

const NONE: u32 = u32::MAX;

impl Pour {
    fn string(&mut self, text: &str) -> u32 {
        if let Some(&i) = self.strings.get(text) {
            return i;
        }
        let i = self.t.strings.len() as u32;
        self.t.strings.push(text.into());
        self.strings.insert(text.into(), i);
        i
    }

    /// Index in the result of each location of `from`.
    fn locations(&mut self, from: &StackTable) -> Vec<u32> {
        let functions: Vec<u32> = from
            .functions
            .iter()
            .map(|f| {
                let f = Function { name: self.string(from.string(f.name)), file: self.string(from.string(f.file)) };
                let next = self.t.functions.len() as u32;
                let i = *self.functions.entry(f).or_insert(next);
                if i == next {
                    self.t.functions.push(f);
                }
                i
            })
            .collect();
        let mappings: Vec<u32> = from.mappings.iter().map(|m| self.mapping(m)).collect();
        (0..from.locations() as u32)
            .map(|l| {
                let map = |f: &Frame| Frame { function: functions.get(f.function as usize).copied().unwrap_or(0), line: f.line };
                let frames: Vec<Frame> = from.frames(l).iter().map(map).collect();
                let mapping = from.loc_mapping.get(l as usize).and_then(|m| mappings.get(m.checked_sub(1)? as usize)).map_or(0, |m| m + 1);
                let address = from.loc_address.get(l as usize).copied().unwrap_or(0);
                let place = match (frames.is_empty(), from.mapping(l)) {
                    (false, _) => 0,
                    (true, Some(m)) => address.wrapping_sub(m.start).wrapping_add(m.offset),
                    (true, None) => address,
                };
                self.location(frames, place, mapping)
            })
            .collect()
    }

    /// A binary of the result; its addresses become offsets into the file.
    fn mapping(&mut self, m: &Mapping) -> u32 {
        let same = |x: &Mapping| x.file == m.file && x.build_id == m.build_id && x.offset == m.offset;
        if let Some(i) = self.t.mappings.iter().position(same) {
            return i as u32;
        }
        let limit = m.limit.wrapping_sub(m.start).wrapping_add(m.offset);
        self.t.mappings.push(Mapping { start: m.offset, limit, ..m.clone() });
        self.t.mappings.len() as u32 - 1
    }

    fn location(&mut self, frames: Vec<Frame>, address: u64, mapping: u32) -> u32 {
        let next = self.t.loc_address.len() as u32;
        let key = (frames, address, if address == 0 { 0 } else { mapping });
        if let Some(&l) = self.locations.get(&key) {
            return l;
        }
        self.t.loc_frames.extend_from_slice(&key.0);
        self.t.loc_start.push(self.t.loc_frames.len() as u32);
        self.t.loc_address.push(address);
        self.t.loc_mapping.push(mapping);
        self.locations.insert(key, next);
        next
    }

    /// The sample of this stack, size and labels; made where it is new.
    fn sample(&mut self, stack: &[u32], size: i64, labels: &[(u32, u32)], measures: usize) -> usize {
        let mut h = DefaultHasher::new();
        (stack, size, labels).hash(&mut h);
        let hash = h.finish();
        let mut at = self.by_hash.get(&hash).copied().unwrap_or(NONE);
        while at != NONE {
            let i = at as usize;
            let same =
                self.t.stack(i) == stack && self.sizes.get(i) == Some(&size) && self.labels.get(i).is_some_and(|l| l.as_slice() == labels);
            if same {
                return i;
            }
            at = self.chain.get(i).copied().unwrap_or(NONE);
        }
        let i = self.t.samples();
        self.t.stack_locs.extend_from_slice(stack);
        self.t.stack_start.push(self.t.stack_locs.len() as u32);
        self.sizes.push(size);
        self.labels.push(labels.to_vec());
        self.rows.resize(self.rows.len() + measures, 0);
        self.chain.push(self.by_hash.insert(hash, i as u32).unwrap_or(NONE));
        i
    }

    /// Adds `sign` times the values of `columns` (one per measure of the result) of every sample.
    fn pour(&mut self, from: &StackTable, columns: &[usize], sign: i64) {
        let locations = self.locations(from);
        let mut stack = Vec::new();
        let mut labels = Vec::new();
        let mut next_label = 0;
        for s in 0..from.samples() {
            stack.clear();
            stack.extend(from.stack(s).iter().filter_map(|l| locations.get(*l as usize)));
            labels.clear();
            while let Some((_, k, v)) = from.labels.get(next_label).filter(|l| l.0 as usize <= s) {
                let pair = (self.string(from.string(*k)), self.string(from.string(*v)));
                labels.push(pair);
                next_label += 1;
            }
            labels.sort_unstable();
            let size = from.block_size.get(s).copied().unwrap_or(0);
            let i = self.sample(&stack, size, &labels, columns.len());
            for (sum, m) in self.rows.iter_mut().skip(i * columns.len()).zip(columns) {
                *sum = sum.saturating_add(from.value(*m, s).saturating_mul(sign));
            }
        }
    }
}

/// `after` − `before`. Measures are those that both have; the default is `measure` where it is among them.
pub fn difference(before: (&HeapProfile, &StackTable), after: (&HeapProfile, &StackTable), measure: &str) -> HeapProfile {
    let mut p = Pour::default();
    p.t.loc_start.push(0);
    p.t.stack_start.push(0);
    p.string("");
    let find = |profile: &HeapProfile, name: &str| profile.measures.iter().position(|m| m.name == name);
    let measures: Vec<Measure> = after.0.measures.iter().filter(|m| find(before.0, &m.name).is_some()).cloned().collect();
    let columns = |profile: &HeapProfile| measures.iter().filter_map(|m| find(profile, &m.name)).collect::<Vec<_>>();
    p.pour(after.1, &columns(after.0), 1);
    p.pour(before.1, &columns(before.0), -1);
    let m = measures.len().max(1);
    let Pour { mut t, sizes, labels, rows, .. } = p;
    // Drop what cancels out.
    let kept: Vec<usize> = rows.chunks_exact(m).enumerate().filter(|(_, r)| r.iter().any(|v| *v != 0)).map(|(i, _)| i).collect();
    let mut stack_locs = Vec::new();
    let mut stack_start = vec![0];
    for (new, s) in kept.iter().enumerate() {
        stack_locs.extend_from_slice(t.stack(*s));
        stack_start.push(stack_locs.len() as u32);
        t.labels.extend(labels.get(*s).into_iter().flatten().map(|(k, v)| (new as u32, *k, *v)));
    }
    t.stack_locs = stack_locs;
    t.stack_start = stack_start;
    if sizes.iter().any(|s| *s != 0) {
        t.block_size = kept.iter().map(|s| sizes.get(*s).copied().unwrap_or(0)).collect();
    }
    let mut totals = Vec::new();
    for i in 0..measures.len() {
        let column = kept.iter().map(|s| rows.get(s * m + i).copied().unwrap_or(0));
        totals.push(column.clone().fold(0i64, i64::saturating_add));
        t.values.extend(column);
    }
    HeapProfile {
        format: after.0.format,
        process: after.0.process.clone(),
        default_measure: measures.iter().position(|x| x.name == measure).unwrap_or(m - 1),
        measures,
        totals,
        period: after.0.period,
        body: ProfileBody::Stacks(Box::new(t)),
        ..HeapProfile::default()
    }
}
