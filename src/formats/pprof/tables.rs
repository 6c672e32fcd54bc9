//! Collects the messages of a profile in whatever order they arrive and resolves ids and string indices at the end.
//!
//! Go and google/pprof write samples before the tables they refer to, so location ids are kept as written (one `u32` each)
//! and rewritten in place once the tables are known. Refers to nothing that it has not checked: an id or an index that
//! leads nowhere becomes an unknown frame or an empty string, and is counted as trouble.

use super::stacks::Stacks;
use super::wire::{Message, Value, each_number};
use crate::model::profile::{Frame, Function, Mapping, Measure, StackTable};
use std::collections::HashMap;

/// Makes room for `more` in a way that does not litter: the allocator keeps what a growing vector leaves behind of sizes
/// below 32 MiB, and gives back at once what lies above. Room that is not written to costs nothing.
pub fn room<T>(v: &mut Vec<T>, more: usize) {
    const AT_ONCE: usize = 33 << 20;
    if v.capacity() - v.len() < more && v.len() >= 1 << 15 {
        v.reserve((AT_ONCE / size_of::<T>().max(1)).max(v.len()).max(more));
    }
}

/// Ids from here up stand for wire ids that do not fit; see [`Tables::narrow`].
const WIDE: u32 = 1 << 31;

/// Counts of what did not fit together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub bad_strings: u64,
    pub missing_functions: u64,
    pub missing_locations: u64,
    pub duplicate_ids: u64,
    pub zero_ids: u64,
    pub bad_messages: u64,
    /// Samples without one value per sample type.
    pub wrong_arity: u64,
    /// Frames or samples beyond what 32-bit indices can hold.
    pub overflow: u64,
}

/// A profile as it comes off the wire.
#[derive(Default)]
pub struct Tables {
    pub sample_types: Vec<(u64, u64)>,
    pub strings: Vec<Box<str>>,
    pub drop_frames: u64,
    pub keep_frames: u64,
    pub time_nanos: i64,
    pub duration_nanos: i64,
    pub period_type: (u64, u64),
    pub period: i64,
    pub default_sample_type: u64,
    pub trouble: Trouble,
    stacks: Stacks,
    /// Stack of every sample.
    stack_of: Vec<u32>,
    columns: Vec<Vec<i64>>,
    /// Numeric label of every sample under the first numeric key seen (Go: `bytes`), 0 where a sample has none.
    numbers: Vec<i64>,
    /// That key and its unit.
    number_key: Option<(u64, u64)>,
    labels: Vec<(u32, u64, u64)>,
    /// Numeric labels: sample, key, number, unit.
    number_labels: Vec<(u32, u64, i64, u64)>,
    locations: Vec<(u64, u64, u64)>,
    loc_start: Vec<u32>,
    loc_lines: Vec<(u64, u32)>,
    functions: Vec<(u64, u64, u64)>,
    mappings: Vec<(u64, [u64; 5])>,
    wide: HashMap<u64, u32>,
    row: Vec<i64>,
}

impl Tables {
    pub fn samples(&self) -> usize {
        self.stack_of.len()
    }

    /// A wire id as 32 bits; ids of 2^31 and more are numbered in the order met.
    #[inline]
    fn narrow(wide: &mut HashMap<u64, u32>, id: u64) -> u32 {
        if id < u64::from(WIDE) {
            return id as u32;
        }
        let next = WIDE.saturating_add(wide.len() as u32);
        *wide.entry(id).or_insert(next)
    }

    pub fn sample(&mut self, bytes: &[u8]) {
        let at = self.samples() as u32;
        let locs = self.stacks.locs.len();
        let marks = (self.labels.len(), self.number_labels.len());
        if u32::try_from(locs + bytes.len()).is_err() {
            self.trouble.overflow += 1;
            return;
        }
        self.row.clear();
        let mut number = 0;
        let mut ok = true;
        let mut message = Message::new(bytes);
        for (field, value) in &mut message {
            match field {
                1 => {
                    let (out, wide) = (&mut self.stacks.locs, &mut self.wide);
                    // A number takes at least one byte.
                    room(out, value.bytes().len().max(1));
                    ok &= each_number(value, |id| out.push(Self::narrow(wide, id)));
                }
                2 => ok &= each_number(value, |v| self.row.push(v as i64)),
                3 => {
                    let [key, text, num, unit] = fields::<4>(value.bytes(), &mut ok);
                    if text != 0 {
                        self.labels.push((at, key, text));
                    } else if num != 0 || unit != 0 {
                        // pprof reads a numeric label of 0 without unit as none at all.
                        if self.number_key.get_or_insert((key, unit)).0 == key {
                            number = num as i64;
                        } else {
                            self.number_labels.push((at, key, num as i64, unit));
                        }
                    }
                }
                _ => {}
            }
        }
        ok &= !message.broken();
        if self.columns.is_empty() && ok {
            self.columns = vec![Vec::new(); self.row.len()];
        }
        // A sample without values fits no number of columns, not even before the first.
        if !ok || self.row.is_empty() || self.row.len() != self.columns.len() {
            if ok {
                self.trouble.wrong_arity += 1;
            } else {
                self.trouble.bad_messages += 1;
            }
            self.stacks.locs.truncate(locs);
            self.labels.truncate(marks.0);
            self.number_labels.truncate(marks.1);
            return;
        }
        for (c, v) in self.columns.iter_mut().zip(&self.row) {
            room(c, 1);
            c.push(*v);
        }
        if number != 0 || !self.numbers.is_empty() {
            room(&mut self.numbers, 1);
            self.numbers.resize(at as usize, 0);
            self.numbers.push(number);
        }
        room(&mut self.stack_of, 1);
        self.stack_of.push(self.stacks.close(locs));
    }

    pub fn value_type(&mut self, bytes: &[u8]) -> (u64, u64) {
        let mut ok = true;
        let [kind, unit] = fields::<2>(bytes, &mut ok);
        self.trouble.bad_messages += u64::from(!ok);
        (kind, unit)
    }

    pub fn mapping(&mut self, bytes: &[u8]) {
        let mut ok = true;
        let [id, start, limit, offset, file, build] = fields::<6>(bytes, &mut ok);
        self.trouble.bad_messages += u64::from(!ok);
        self.mappings.push((id, [start, limit, offset, file, build]));
    }

    pub fn location(&mut self, bytes: &[u8]) {
        if u32::try_from(self.loc_lines.len() + bytes.len()).is_err() {
            self.trouble.overflow += 1;
            return;
        }
        let (mut id, mut mapping, mut address) = (0, 0, 0);
        self.loc_start.push(self.loc_lines.len() as u32);
        let mut ok = true;
        let mut message = Message::new(bytes);
        for (field, value) in &mut message {
            match field {
                1 => id = value.number(),
                2 => mapping = value.number(),
                3 => address = value.number(),
                4 => {
                    let [function, line] = fields::<2>(value.bytes(), &mut ok);
                    self.loc_lines.push((function, u32::try_from(line as i64).unwrap_or(0)));
                }
                _ => {}
            }
        }
        self.trouble.bad_messages += u64::from(!ok || message.broken());
        self.locations.push((id, mapping, address));
    }

    pub fn function(&mut self, bytes: &[u8]) {
        let mut ok = true;
        let [id, name, system_name, file] = fields::<4>(bytes, &mut ok);
        self.trouble.bad_messages += u64::from(!ok);
        self.functions.push((id, if name != 0 { name } else { system_name }, file));
    }

    pub fn string(&mut self, bytes: &[u8]) {
        self.strings.push(String::from_utf8_lossy(bytes).into());
    }

    fn checked_string(&mut self, i: u64) -> u32 {
        match usize::try_from(i).ok().filter(|i| *i < self.strings.len()) {
            Some(i) => i as u32,
            None => {
                self.trouble.bad_strings += 1;
                0
            }
        }
    }

    pub fn text(&mut self, i: u64) -> String {
        let i = self.checked_string(i);
        self.strings.get(i as usize).map(|s| s.to_string()).unwrap_or_default()
    }

    pub fn measures(&mut self) -> Vec<Measure> {
        let types = std::mem::take(&mut self.sample_types);
        types.into_iter().map(|(t, u)| Measure { name: self.text(t), unit: self.text(u) }).collect()
    }

    /// Resolves everything into a stack table of `measures` columns.
    pub fn finish(mut self, measures: usize) -> (StackTable, Trouble) {
        let mut t = StackTable::default();
        if self.columns.len() != measures {
            // Without samples there are no columns yet; with samples of another width none can be believed.
            self.trouble.wrong_arity += self.samples() as u64;
            self.columns = vec![Vec::new(); measures];
            self.stack_of.clear();
            self.stacks = Stacks::default();
            self.labels.clear();
            self.number_labels.clear();
            self.numbers.clear();
        }
        let samples = self.samples();
        let functions = std::mem::take(&mut self.functions);
        let function_ids = Ids::new(functions.iter().map(|f| f.0), &mut self.trouble);
        for (_, name, file) in functions {
            let (name, file) = (self.checked_string(name), self.checked_string(file));
            t.functions.push(Function { name, file });
        }
        let mappings = std::mem::take(&mut self.mappings);
        let mapping_ids = Ids::new(mappings.iter().map(|m| m.0), &mut self.trouble);
        for (_, [start, limit, offset, file, build]) in mappings {
            let (file, build_id) = (self.text(file).into(), self.text(build).into());
            t.mappings.push(Mapping { start, limit, offset, file, build_id });
        }
        let locations = std::mem::take(&mut self.locations);
        let mut unknown_function = None;
        let lines = std::mem::take(&mut self.loc_lines);
        t.loc_frames.reserve_exact(lines.len());
        for (id, line) in lines {
            let function = function_ids.get(id).unwrap_or_else(|| {
                self.trouble.missing_functions += 1;
                *unknown_function.get_or_insert_with(|| {
                    t.functions.push(Function::default());
                    t.functions.len() as u32 - 1
                })
            });
            t.loc_frames.push(Frame { function, line });
        }
        t.loc_start = std::mem::take(&mut self.loc_start);
        t.loc_start.push(t.loc_frames.len() as u32);
        let wide = std::mem::take(&mut self.wide);
        let narrowed =
            locations.iter().map(|l| if l.0 < u64::from(WIDE) { l.0 } else { wide.get(&l.0).map_or(u64::MAX, |w| u64::from(*w)) });
        let location_ids = Ids::new(narrowed, &mut self.trouble);
        for (_, mapping, address) in &locations {
            t.loc_address.push(*address);
            t.loc_mapping.push(if *mapping == 0 { 0 } else { mapping_ids.get(*mapping).map_or(0, |m| m + 1) });
        }
        (t.stack_start, t.stack_locs) = std::mem::take(&mut self.stacks).finish();
        let missing = locations.len() as u32;
        let mut lost = 0u64;
        if !location_ids.identity {
            for l in &mut t.stack_locs {
                *l = location_ids.get(u64::from(*l)).unwrap_or_else(|| {
                    lost += 1;
                    missing
                });
            }
        } else {
            for l in &mut t.stack_locs {
                let i = l.wrapping_sub(1);
                *l = if i < missing { i } else { missing };
                lost += u64::from(i >= missing);
            }
        }
        if lost > 0 {
            // One location without frames stands for all that are missing.
            t.loc_start.push(t.loc_frames.len() as u32);
            t.loc_address.push(0);
            t.loc_mapping.push(0);
            self.trouble.missing_locations += lost;
        }
        // A sample that was not taken may have left its stack behind: only where each has its own, in order, none is numbered.
        let own = t.stacks() == samples && self.stack_of.iter().enumerate().all(|(i, s)| i == *s as usize);
        if samples == 0 {
            t.stack_start = vec![0];
            t.stack_locs.clear();
        } else if !own {
            t.stack_of = std::mem::take(&mut self.stack_of);
        }
        for (s, key, value) in std::mem::take(&mut self.labels) {
            let (key, value) = (self.checked_string(key), self.checked_string(value));
            t.labels.push((s, key, value));
        }
        self.numeric_labels(&mut t, samples);
        let mut columns = std::mem::take(&mut self.columns).into_iter();
        t.values = columns.next().unwrap_or_default();
        for c in columns {
            t.values.extend_from_slice(&c);
        }
        if self.strings.is_empty() {
            self.strings.push("".into());
        }
        t.strings = std::mem::take(&mut self.strings);
        (t, self.trouble)
    }
}

impl Tables {
    /// Go's `bytes` is the block size, a column of its own; other numeric labels become text with their unit, as `pprof
    /// -tags` prints them.
    fn numeric_labels(&mut self, t: &mut StackTable, samples: usize) {
        let mut list = std::mem::take(&mut self.number_labels);
        let column = std::mem::take(&mut self.numbers);
        match self.number_key.take() {
            Some((key, _)) if self.text(key) == "bytes" => t.block_size = column,
            Some((key, unit)) => list.extend(column.iter().enumerate().filter(|x| *x.1 != 0).map(|(s, n)| (s as u32, key, *n, unit))),
            None => {}
        }
        let mut made: HashMap<(i64, u32), u32> = HashMap::new();
        let before = t.labels.len();
        for (s, key, number, unit) in list {
            let (key, unit) = (self.checked_string(key), self.checked_string(unit));
            if self.strings.get(key as usize).is_some_and(|n| &**n == "bytes") {
                t.block_size.resize(samples, 0);
                if let Some(slot) = t.block_size.get_mut(s as usize) {
                    *slot = number;
                }
                continue;
            }
            let strings = &mut self.strings;
            let value = *made.entry((number, unit)).or_insert_with(|| {
                let unit = strings.get(unit as usize).map_or("", |s| s);
                let text = if unit.is_empty() { number.to_string() } else { format!("{number} {unit}") };
                strings.push(text.into());
                strings.len() as u32 - 1
            });
            t.labels.push((s, key, value));
        }
        if t.labels.len() > before {
            t.labels.sort_by_key(|l| l.0);
        }
        if !t.block_size.is_empty() {
            t.block_size.resize(samples, 0);
        }
    }
}

/// The varint fields 1..=N of a small message; a later one wins, as in any protobuf reader.
fn fields<const N: usize>(bytes: &[u8], ok: &mut bool) -> [u64; N] {
    let mut out = [0; N];
    let mut message = Message::new(bytes);
    for (field, value) in &mut message {
        if let (Value::Varint(v), Some(slot)) = (value, out.get_mut(field as usize - 1)) {
            *slot = v;
        }
    }
    *ok &= !message.broken();
    out
}

/// From wire ids to table indices: a table where ids are dense, else a map.
struct Ids {
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
    /// Id is index plus one throughout, as most writers have it.
    identity: bool,
}

impl Ids {
    fn new(ids: impl ExactSizeIterator<Item = u64> + Clone, trouble: &mut Trouble) -> Self {
        let n = ids.len();
        let identity = ids.clone().enumerate().all(|(i, id)| id == i as u64 + 1);
        let max = ids.clone().max().unwrap_or(0);
        let mut this = Ids { dense: Vec::new(), sparse: HashMap::new(), identity };
        if identity {
            this.dense = (0..n as u32 + 1).map(|i| i.wrapping_sub(1)).collect();
            return this;
        }
        let dense = max < 4 * n as u64 + 1024;
        if dense {
            this.dense = vec![u32::MAX; max as usize + 1];
        }
        for (i, id) in ids.enumerate() {
            if id == 0 {
                trouble.zero_ids += 1;
                continue;
            }
            if this.get(id).is_some() {
                trouble.duplicate_ids += 1;
            } else if dense {
                if let Some(slot) = this.dense.get_mut(id as usize) {
                    *slot = i as u32;
                }
            } else {
                this.sparse.insert(id, i as u32);
            }
        }
        this
    }

    #[inline]
    fn get(&self, id: u64) -> Option<u32> {
        match usize::try_from(id).ok().and_then(|i| self.dense.get(i)) {
            Some(&i) => (i != u32::MAX).then_some(i),
            None => self.sparse.get(&id).copied(),
        }
    }
}
