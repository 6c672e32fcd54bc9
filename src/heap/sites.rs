//! Sums the samples of a stack table by allocation site: own and cumulative values of every measure, in one pass.
//!
//! The pass itself is [`super::tally`]'s. Arithmetic is google/pprof's (`internal/graph`, `profile/filter.go`): a frame's own value is that of stacks whose
//! innermost inlined function it is; a site counts once per stack, except in tracemalloc, where CPython counts every frame.
//! Sums saturate where pprof's wrap. Never looks at formats or files, and does not decide what is a leak.

use super::tally::{self, Pass, Sums};
use crate::model::delta::{GroupBy, RowOptions};
use crate::model::profile::{HeapProfile, SiteRow, StackTable};
use regex::Regex;
use std::collections::HashMap;
use std::hash::Hash;

/// Which stacks and frames count, as pprof's options of the same names.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub focus: Option<Regex>,
    pub ignore: Option<Regex>,
    pub hide: Option<Regex>,
    pub show_from: Option<Regex>,
}

impl Filter {
    /// Compiles the patterns of the row flags; the error names the bad one.
    pub fn new(rows: &RowOptions) -> Result<Self, String> {
        let compile =
            |p: &Option<String>| p.as_deref().map(|p| Regex::new(p).map_err(|e| format!("not a regular expression: {p}: {e}"))).transpose();
        Ok(Filter {
            focus: compile(&rows.focus)?,
            ignore: compile(&rows.ignore)?,
            hide: compile(&rows.hide)?,
            show_from: compile(&rows.show_from)?,
        })
    }

    /// Which samples pass focus, ignore and show-from; `None` when all do.
    pub fn passing(&self, table: &StackTable) -> Option<Vec<bool>> {
        if self.is_empty() {
            return None;
        }
        let mut g = Grouping::new(table, GroupBy::Function);
        let sieve = sieve(&mut g, self);
        Some((0..table.samples()).map(|s| sieve.pass(table.stack(s)).is_some()).collect())
    }

    fn is_empty(&self) -> bool {
        self.focus.is_none() && self.ignore.is_none() && self.hide.is_none() && self.show_from.is_none()
    }
}

/// What a group stands for; the text is made only for the rows that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Label {
    name: Text,
    file: u32,
    line: u32,
    address: u64,
}

/// A name: a string of the table, or one that was made here (index into [`Sites::made`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Text {
    Table(u32),
    Made(u32),
}

/// Sums by site. Row `g` has `own[g * measures..]` and `cumulative[g * measures..]`.
pub struct Sites<'a> {
    table: &'a StackTable,
    by: GroupBy,
    labels: Vec<Label>,
    made: Vec<Box<str>>,
    pub measures: usize,
    pub own: Vec<i64>,
    pub cumulative: Vec<i64>,
    /// Sum of all samples that pass the filter.
    pub totals: Vec<i64>,
    /// Sampling weight of each group's own value, see [`Spread`]; empty when not asked for.
    pub spread: Vec<Spread>,
    pub cumulative_spread: Vec<Spread>,
}

/// Sampling noise of an estimated sum: per sampled object of size S and sampling probability p, (S/p)²·(1−p) bytes²,
/// summed over the live objects and over all objects ever allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    pub live: f64,
    pub allocated: f64,
}

/// Scale factor per measure, as `-normalize` applies it to every sample.
pub type Scale<'a> = Option<&'a [f64]>;

/// Whether a stack with a repeated frame counts it as often as it stands there.
fn counts_recursion(profile: &HeapProfile) -> bool {
    profile.format.starts_with("tracemalloc")
}

/// The grouping that users of this kind of profile expect.
pub fn default_grouping(profile: &HeapProfile) -> GroupBy {
    if profile.format.starts_with("tracemalloc") { GroupBy::Line } else { GroupBy::Function }
}

struct Grouping<'a> {
    table: &'a StackTable,
    by: GroupBy,
    strings: HashMap<&'a str, u32>,
    labels: Vec<Label>,
    index: HashMap<Label, u32>,
    made: Vec<Box<str>>,
    made_index: HashMap<Box<str>, u32>,
}

impl<'a> Grouping<'a> {
    fn new(table: &'a StackTable, by: GroupBy) -> Self {
        Grouping {
            table,
            by,
            strings: HashMap::new(),
            labels: Vec::new(),
            index: HashMap::new(),
            made: Vec::new(),
            made_index: HashMap::new(),
        }
    }

    /// The first string of the same text: tables of merged profiles repeat them.
    fn same(&mut self, i: u32) -> u32 {
        *self.strings.entry(self.table.string(i)).or_insert(i)
    }

    fn make(&mut self, text: &str) -> Text {
        if let Some(&i) = self.made_index.get(text) {
            return Text::Made(i);
        }
        let i = self.made.len() as u32;
        self.made.push(text.into());
        self.made_index.insert(text.into(), i);
        Text::Made(i)
    }

    fn group(&mut self, label: Label) -> u32 {
        let next = self.labels.len() as u32;
        let g = *self.index.entry(label).or_insert(next);
        if g == next {
            self.labels.push(label);
        }
        g
    }

    /// Group of one frame.
    fn frame(&mut self, function: u32, line: u32, location: u32) -> u32 {
        let table = self.table;
        let f = table.functions.get(function as usize).copied().unwrap_or_default();
        if table.string(f.name).is_empty() && table.string(f.file).is_empty() {
            return self.unknown(location);
        }
        let (name, file) = (self.same(f.name), self.same(f.file));
        let named = if table.string(name).is_empty() { file } else { name };
        let label = match self.by {
            GroupBy::File => Label { name: Text::Table(file), file, line: 0, address: 0 },
            GroupBy::FileFunction => Label { name: Text::Table(named), file, line: 0, address: 0 },
            GroupBy::Line | GroupBy::Traceback => Label { name: Text::Table(name), file, line, address: 0 },
            GroupBy::Address => {
                Label { name: Text::Table(name), file, line, address: table.loc_address.get(location as usize).copied().unwrap_or(0) }
            }
            GroupBy::Package => {
                let package = package(table.string(name), table.string(file));
                Label { name: self.make(package), file: u32::MAX, line: 0, address: 0 }
            }
            _ => Label { name: Text::Table(named), file: u32::MAX, line: 0, address: 0 },
        };
        self.group(label)
    }

    /// Group of a location without symbols: its binary, as pprof prints it, and the address where that is asked for.
    fn unknown(&mut self, location: u32) -> u32 {
        let table = self.table;
        let address = table.loc_address.get(location as usize).copied().unwrap_or(0);
        let mapping = table.mapping(location);
        let file = mapping.map_or("", |m| m.file.rsplit('/').next().unwrap_or(""));
        let by_address = matches!(self.by, GroupBy::Address | GroupBy::Line | GroupBy::Traceback) && address != 0;
        let text = match (file.is_empty(), by_address) {
            (true, false) => "<unknown>".to_owned(),
            (false, false) => format!("[{file}]"),
            (true, true) => format!("{address:#x}"),
            // An offset into the binary survives a restart with another load address.
            (false, true) => format!("[{file}]+{:#x}", mapping.map_or(0, |m| address.wrapping_sub(m.start).wrapping_add(m.offset))),
        };
        let name = self.make(&text);
        self.group(Label { name, file: u32::MAX, line: 0, address: 0 })
    }
}

/// Package of a function: Go's import path, else the namespace, else the file's folder.
pub fn package<'s>(name: &'s str, file: &'s str) -> &'s str {
    let plain = name.split(['[', '(']).next().unwrap_or(name);
    let from = plain.rfind('/').map_or(0, |i| i + 1);
    if let Some(ns) = plain.find("::") {
        return plain.get(..ns).unwrap_or(plain);
    }
    match plain.get(from..).and_then(|r| r.find('.')) {
        Some(dot) => plain.get(..from + dot).unwrap_or(plain),
        None => file.rsplit_once('/').map_or(file, |(dir, _)| dir),
    }
}

/// What the filter makes of each location.
pub struct Sieve {
    /// Frames left of each location, as ranges into `frames`.
    start: Vec<u32>,
    /// Group of each frame left.
    groups: Vec<u32>,
    /// What counts once per stack, where that is not the group: by file, pprof lets every function of the file count.
    once: Option<Vec<u32>>,
    /// Innocent 0, wanted 1, unwanted 2.
    mark: Vec<u8>,
    from: Option<Vec<bool>>,
    hides: bool,
}

fn sieve(g: &mut Grouping<'_>, filter: &Filter) -> Sieve {
    let table = g.table;
    let n = table.locations();
    let mut s = Sieve { start: Vec::with_capacity(n + 1), groups: Vec::new(), once: None, mark: Vec::new(), from: None, hides: false };
    s.groups.reserve(table.loc_frames.len());
    s.once = (g.by == GroupBy::File).then(Vec::new);
    let matcher = |re: &Option<Regex>| -> Option<Vec<bool>> {
        let re = re.as_ref()?;
        let of = |f: &crate::model::profile::Function| re.is_match(table.string(f.name)) || re.is_match(table.string(f.file));
        Some(table.functions.iter().map(of).collect())
    };
    let (focus, ignore, hide, show) = (matcher(&filter.focus), matcher(&filter.ignore), matcher(&filter.hide), matcher(&filter.show_from));
    let hit = |m: &Option<Vec<bool>>, f: u32| m.as_ref().is_some_and(|m| m.get(f as usize).copied().unwrap_or(false));
    let binary = |re: &Option<Regex>, l: u32| re.as_ref().is_some_and(|re| table.mapping(l).is_some_and(|m| re.is_match(&m.file)));
    s.hides = hide.is_some() || show.is_some();
    let mut from = show.as_ref().map(|_| vec![false; n]);
    let picky = !filter.is_empty();
    for l in 0..n as u32 {
        s.start.push(s.groups.len() as u32);
        let frames = table.frames(l);
        let mut frames_left = frames;
        if picky {
            let any = |m: &Option<Vec<bool>>, re: &Option<Regex>| frames.iter().any(|f| hit(m, f.function)) || binary(re, l);
            s.mark.push(if any(&ignore, &filter.ignore) { 2 } else { u8::from(focus.is_none() || any(&focus, &filter.focus)) });
            if let Some(from) = from.as_mut().and_then(|f| f.get_mut(l as usize)) {
                if binary(&filter.show_from, l) {
                    *from = true;
                } else if let Some(i) = frames.iter().rposition(|f| hit(&show, f.function)) {
                    *from = true;
                    frames_left = frames.get(..=i).unwrap_or(frames);
                }
            }
            if hide.is_some() && binary(&filter.hide, l) {
                continue;
            }
        }
        let before = s.groups.len();
        for f in frames_left.iter().filter(|f| !hit(&hide, f.function)) {
            let group = g.frame(f.function, f.line, l);
            s.groups.push(group);
            if let Some(once) = &mut s.once {
                once.push(f.function);
            }
        }
        if s.groups.len() == before && frames.is_empty() {
            let group = g.unknown(l);
            s.groups.push(group);
            if let Some(once) = &mut s.once {
                once.push(table.functions.len() as u32);
            }
        }
    }
    s.start.push(s.groups.len() as u32);
    s.from = from;
    s
}

impl Sieve {
    #[inline]
    fn range(&self, l: u32) -> std::ops::Range<usize> {
        let (a, b) = (self.start.get(l as usize).copied().unwrap_or(0), self.start.get(l as usize + 1).copied().unwrap_or(0));
        a as usize..b as usize
    }

    #[inline]
    pub fn groups(&self, l: u32) -> &[u32] {
        self.groups.get(self.range(l)).unwrap_or(&[])
    }

    /// What counts once per stack, for each of [`Sieve::groups`].
    #[inline]
    pub fn once(&self, l: u32) -> &[u32] {
        self.once.as_ref().unwrap_or(&self.groups).get(self.range(l)).unwrap_or(&[])
    }

    /// The group of every location that has just one which also counts once per stack, [`tally::MANY`] for the others.
    pub fn heads(&self) -> Vec<u32> {
        let single = |l: u32| match (self.groups(l), &self.once) {
            ([one], None) => *one,
            _ => tally::MANY,
        };
        (0..self.start.len().saturating_sub(1) as u32).map(single).collect()
    }

    /// The part of a stack that counts, or `None` when the stack is filtered out.
    #[inline]
    pub fn pass<'s>(&self, stack: &'s [u32]) -> Option<&'s [u32]> {
        if self.mark.is_empty() {
            return Some(stack);
        }
        let mark = |l: &u32| self.mark.get(*l as usize).copied().unwrap_or(0);
        if stack.iter().any(|l| mark(l) == 2) || !stack.iter().any(|l| mark(l) == 1) {
            return None;
        }
        if self.hides && stack.iter().all(|l| self.groups(*l).is_empty()) {
            return None;
        }
        match &self.from {
            None => Some(stack),
            Some(from) => {
                let root = stack.iter().rposition(|l| from.get(*l as usize).copied().unwrap_or(false))?;
                stack.get(..=root)
            }
        }
    }
}

/// Groups and sums all samples of `profile`, whose body is `table`. With `noise` the sampling weights are summed too.
pub fn sum<'a>(
    profile: &HeapProfile,
    table: &'a StackTable,
    by: GroupBy,
    filter: &Filter,
    scale: Scale<'_>,
    noise: Option<&Sampling>,
) -> Sites<'a> {
    let mut g = Grouping::new(table, by);
    let sieve = sieve(&mut g, filter);
    let measures = profile.measures.len();
    if by == GroupBy::Label {
        // The groups of frames only told which stacks pass.
        g = Grouping::new(table, by);
    }
    if matches!(by, GroupBy::Traceback | GroupBy::Label) {
        return by_sample(g, &sieve, measures, scale, noise);
    }
    // What numbered the groups is not needed to add them up.
    (g.strings, g.index, g.made_index) = Default::default();
    let groups = g.labels.len();
    let once = groups.max(table.functions.len() + 1);
    let every_frame = counts_recursion(profile);
    let sums = tally::run(&Pass { table, measures, groups, once, every_frame, sieve: &sieve, scale, noise });
    let Sums { own, cumulative, totals, spread, cumulative_spread } = sums;
    Sites { table, by, labels: g.labels, made: g.made, measures, own, cumulative, totals, spread, cumulative_spread }
}

/// Groups samples by their whole stack, or by their text labels, of which one sample may have several; own and cumulative
/// values are the same.
fn by_sample<'a>(mut g: Grouping<'a>, sieve: &Sieve, measures: usize, scale: Scale<'_>, noise: Option<&Sampling>) -> Sites<'a> {
    let table = g.table;
    let samples = table.samples();
    let mut by_trace: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut sums = Sums { totals: vec![0; measures], ..Sums::default() };
    let mut row = vec![0i64; measures];
    let mut trace = Vec::new();
    for s in 0..samples {
        for (i, v) in row.iter_mut().enumerate() {
            *v = table.values.get(i * samples + s).copied().unwrap_or(0);
            if let Some(by) = scale.and_then(|s| s.get(i)) {
                *v = (*v as f64 * by).round() as i64;
            }
        }
        if row.iter().all(|v| *v == 0) {
            continue;
        }
        let Some(stack) = sieve.pass(table.stack(s)) else { continue };
        let spread = noise.map(|n| n.spread(table, s, samples));
        if g.by == GroupBy::Label {
            sums.count(&row);
            let first = table.labels.partition_point(|l| (l.0 as usize) < s);
            for l in table.labels.get(first..).unwrap_or(&[]).iter().take_while(|l| l.0 as usize == s) {
                let name = g.make(&format!("{}: {}", table.string(l.1), table.string(l.2)));
                let group = g.group(Label { name, file: u32::MAX, line: 0, address: 0 });
                sums.grow(g.labels.len(), measures, noise.is_some());
                sums.add(group, &row, spread);
            }
            continue;
        }
        sums.count(&row);
        trace.clear();
        trace.extend(stack.iter().rev().flat_map(|l| sieve.groups(*l).iter().rev()));
        let next = by_trace.len() as u32;
        let group = match by_trace.get(&trace) {
            Some(g) => *g,
            None => {
                by_trace.insert(trace.clone(), next);
                sums.grow(next as usize + 1, measures, noise.is_some());
                next
            }
        };
        sums.add(group, &row, spread);
    }
    let (labels, made) = match g.by {
        GroupBy::Label => (std::mem::take(&mut g.labels), std::mem::take(&mut g.made)),
        _ => trace_labels(table, by_trace, &g.labels, &g.made),
    };
    let Sums { own, cumulative, totals, spread, cumulative_spread } = sums;
    Sites { table, by: g.by, labels, made, measures, own, cumulative, totals, spread, cumulative_spread }
}

/// Whole tracebacks as rows: made names `file:line;file:line`, oldest first, in the order first met.
fn trace_labels(
    table: &StackTable,
    by_trace: HashMap<Vec<u32>, u32>,
    frames: &[Label],
    frame_names: &[Box<str>],
) -> (Vec<Label>, Vec<Box<str>>) {
    let mut ordered: Vec<(u32, Vec<u32>)> = by_trace.into_iter().map(|(t, g)| (g, t)).collect();
    ordered.sort_unstable_by_key(|(g, _)| *g);
    let mut made = Vec::new();
    let mut labels = Vec::new();
    for (g, trace) in ordered {
        let mut text = String::new();
        for (i, f) in trace.iter().enumerate() {
            let Some(label) = frames.get(*f as usize) else { continue };
            if i > 0 {
                text.push(';');
            }
            match (label.name, label.file) {
                (Text::Made(n), u32::MAX) => text.push_str(frame_names.get(n as usize).map_or("", |s| s)),
                (_, file) => text.push_str(&format!("{}:{}", table.string(file), label.line)),
            }
        }
        // The innermost frame's function names the row.
        let leaf = trace.last().and_then(|f| frames.get(*f as usize)).copied();
        made.push(text.into());
        labels.push(Label {
            name: Text::Made(g),
            address: 0,
            ..leaf.unwrap_or(Label { name: Text::Made(g), file: u32::MAX, line: 0, address: 0 })
        });
    }
    (labels, made)
}

/// Which measures carry the figures that sampling noise is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    period: f64,
    space: usize,
    objects: usize,
    allocated: Option<(usize, usize)>,
}

impl Sampling {
    /// Present where the profile was sampled by bytes: a period above one and live space with its object count.
    pub fn of(profile: &HeapProfile) -> Option<Self> {
        let find = |name: &str| profile.measures.iter().position(|m| m.name == name);
        (profile.period > 1).then_some(())?;
        let allocated = find("alloc_space").zip(find("alloc_objects"));
        Some(Sampling { period: profile.period as f64, space: find("inuse_space")?, objects: find("inuse_objects")?, allocated })
    }

    /// Weight of one sample. Values are already scaled up, so the sampled count k is `objects · p`, and
    /// k·(S/p)²·(1−p) is `objects · S²·(1−p)/p` for either column.
    pub fn spread(&self, table: &StackTable, s: usize, samples: usize) -> Spread {
        let value = |m: usize| table.values.get(m * samples + s).copied().unwrap_or(0) as f64;
        let labelled = table.block_size.get(s).copied().filter(|b| *b > 0).map(|b| b as f64);
        let one = |space: f64, objects: f64| {
            let objects = objects.abs();
            let size = labelled.unwrap_or(if objects > 0.0 { space.abs() / objects } else { 0.0 });
            if size <= 0.0 || objects <= 0.0 {
                return 0.0;
            }
            let p = -(-size / self.period).exp_m1();
            objects * size * size * (1.0 - p) / p
        };
        let live = one(value(self.space), value(self.objects));
        let allocated = self.allocated.map_or(0.0, |(space, objects)| one(value(space), value(objects)));
        Spread { live, allocated }
    }
}

impl Sites<'_> {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn text(&self, t: Text) -> &str {
        match t {
            Text::Table(i) => self.table.string(i),
            Text::Made(i) => self.made.get(i as usize).map_or("", |s| s),
        }
    }

    pub fn own(&self, g: usize) -> &[i64] {
        self.own.get(g * self.measures..(g + 1) * self.measures).unwrap_or(&[])
    }

    pub fn cumulative(&self, g: usize) -> &[i64] {
        self.cumulative.get(g * self.measures..(g + 1) * self.measures).unwrap_or(&[])
    }

    /// Key, name and location of a group, as the documents have them for this grouping.
    pub fn words(&self, g: usize) -> (String, String, Option<String>) {
        let Some(label) = self.labels.get(g) else { return Default::default() };
        let name = self.text(label.name).to_owned();
        if label.file == u32::MAX {
            return (name.clone(), name, None);
        }
        let file = self.table.string(label.file);
        let place = format!("{file}:{}", label.line);
        let named = |place: &str| if name.is_empty() { place.to_owned() } else { name.clone() };
        match self.by {
            GroupBy::File => (name.clone(), name, None),
            GroupBy::FileFunction => (format!("{name} {file}"), name, Some(file.to_owned())),
            GroupBy::Address => (format!("{:#x}", label.address), named(&place), Some(place)),
            GroupBy::Traceback => (name, place.clone(), Some(place)),
            _ => (place.clone(), named(&place), Some(place)),
        }
    }

    pub fn row(&self, g: usize) -> SiteRow {
        let (key, name, location) = self.words(g);
        SiteRow { key, name, location, own: self.own(g).to_vec(), cumulative: self.cumulative(g).to_vec() }
    }
}

/// Index of the measure that the row flags ask for, else the profile's default.
pub fn measure_index(profile: &HeapProfile, asked: Option<&str>) -> Option<usize> {
    match asked {
        None => (profile.default_measure < profile.measures.len()).then_some(profile.default_measure),
        Some(name) => profile
            .measures
            .iter()
            .position(|m| m.name == name)
            // pprof takes `space` for `inuse_space`, and so do its users.
            .or_else(|| profile.measures.iter().position(|m| m.name.strip_prefix("inuse_") == Some(name))),
    }
}

/// The biggest rows of a profile by the measure asked for, then by key.
pub fn top(profile: &HeapProfile, table: &StackTable, rows: &RowOptions, filter: &Filter) -> Vec<SiteRow> {
    let by = rows.by.unwrap_or_else(|| default_grouping(profile));
    let sites = sum(profile, table, by, filter, None, None);
    let Some(m) = measure_index(profile, rows.measure.as_deref()) else { return Vec::new() };
    let size = |g: usize| {
        let of = |v: &[i64]| v.get(m).map_or(0, |v| v.unsigned_abs());
        if rows.cumulative { of(sites.cumulative(g)) } else { of(sites.own(g)) }
    };
    let mut order: Vec<(u64, u64, u32)> = (0..sites.len())
        .filter(|g| sites.cumulative(*g).iter().any(|v| *v != 0) || sites.own(*g).iter().any(|v| *v != 0))
        .map(|g| (size(g), sites.cumulative(g).get(m).map_or(0, |v| v.unsigned_abs()), g as u32))
        .collect();
    // Keys are made for the rows shown only: a big profile has more sites than anyone reads.
    let limit = rows.limit();
    let beyond = |a: &(u64, u64, u32), b: &(u64, u64, u32)| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.2.cmp(&b.2));
    if limit < order.len() {
        order.select_nth_unstable_by(limit, beyond);
        order.truncate(limit);
    }
    let mut out: Vec<((u64, u64), SiteRow)> = order.into_iter().map(|(own, cum, g)| ((own, cum), sites.row(g as usize))).collect();
    out.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.key.cmp(&y.key)).then_with(|| x.name.cmp(&y.name)));
    out.into_iter().map(|(_, r)| r).collect()
}
