//! Sums the samples of a stack table by allocation site: own and cumulative values of every measure, in one pass.
//!
//! The pass itself is [`super::tally`]'s. Arithmetic is google/pprof's (`internal/graph`, `profile/filter.go`): a frame's own
//! value is that of stacks whose innermost inlined function it is; a site counts once per stack, except in tracemalloc,
//! where CPython counts every frame. Sums saturate where pprof's wrap. Never looks at formats or files, and does not
//! decide what is a leak.

use super::by_stack::ByStack;
pub use super::grouping::package;
use super::grouping::{Grouping, Label, Text};
pub use super::sampling::{Sampling, Spread};
pub use super::sieve::Filter;
use super::sieve::{Sieve, sieve};
use super::tally::{self, Pass, Sums};
use crate::model::delta::{GroupBy, RowOptions};
use crate::model::profile::{HeapProfile, SiteRow, StackTable};
use std::collections::HashMap;

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

/// The grouping of a comparison: goroutines nearly all stand in the scheduler, so what they were started by tells them apart.
pub fn comparing(profile: &HeapProfile) -> GroupBy {
    match profile.measures.get(profile.default_measure).map(|m| m.name.as_str()) {
        Some("goroutine" | "goroutineleak") => GroupBy::Goroutine,
        _ => default_grouping(profile),
    }
}

/// What is to be summed, and how.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub by: GroupBy,
    pub filter: &'a Filter,
    pub scale: Scale<'a>,
    /// Sums sampling weights too.
    pub noise: Option<&'a Sampling>,
    /// Sums what is called beneath a site too, which takes a look at every frame.
    pub cumulative: bool,
    /// The samples by stack, unscaled and with weights where there is noise, if somebody has them already.
    pub stacks: Option<&'a ByStack<'a>>,
}

/// Groups and sums all samples of `profile`, whose body is `table`.
pub fn sum<'a>(profile: &HeapProfile, table: &'a StackTable, ask: Ask<'_>) -> Sites<'a> {
    let Ask { by, filter, scale, noise, cumulative, stacks } = ask;
    let mut g = Grouping::new(table, by);
    let sieve = sieve(&mut g, filter);
    let measures = profile.measures.len();
    if matches!(by, GroupBy::Label | GroupBy::Goroutine) {
        // The groups of frames only told which stacks pass.
        g = Grouping::new(table, by);
    }
    if matches!(by, GroupBy::Traceback | GroupBy::Label | GroupBy::Goroutine) {
        return by_sample(g, &sieve, measures, scale, noise);
    }
    // What numbered the groups is not needed to add them up.
    g.forget();
    let groups = g.labels.len();
    let once = groups.max(table.functions.len() + 1);
    let every_frame = counts_recursion(profile);
    let made;
    let stacks = match stacks.filter(|_| scale.is_none()) {
        Some(stacks) => stacks,
        None => {
            made = ByStack::new(table, measures, scale, noise);
            &made
        }
    };
    let sums = tally::run(&Pass { table, measures, groups, once, every_frame, sieve: &sieve, stacks, cumulative });
    let Sums { own, cumulative, totals, spread, cumulative_spread } = sums;
    Sites { table, by, labels: g.labels, made: g.made, measures, own, cumulative, totals, spread, cumulative_spread }
}

/// The outermost function that is not the runtime's own.
fn entry<'t>(table: &'t StackTable, stack: &[u32]) -> &'t str {
    let names = stack.iter().rev().flat_map(|l| table.frames(*l).iter().rev()).map(|f| table.function_name(f.function));
    let outermost = names.clone().next();
    names.clone().find(|n| !n.starts_with("runtime.")).or(outermost).unwrap_or("<unknown>")
}

/// Groups samples by their whole stack, by what started their goroutine, or by their text labels, of which one sample may have several; own and cumulative
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
        if matches!(g.by, GroupBy::Label | GroupBy::Goroutine) {
            sums.count(&row);
            let first = table.labels.partition_point(|l| (l.0 as usize) < s);
            let labels = table.labels.get(first..).unwrap_or(&[]).iter().take_while(|l| l.0 as usize == s);
            let texts: Vec<String> = if g.by == GroupBy::Goroutine {
                let creator = labels.clone().find(|l| table.string(l.1) == "created by").map(|l| table.string(l.2));
                vec![creator.unwrap_or_else(|| entry(table, stack)).to_owned()]
            } else {
                // Go's block size has a column of its own; among the labels it is one like any other.
                let size = table.block_size.get(s).filter(|b| **b != 0).map(|b| format!("bytes: {b} bytes"));
                labels.map(|l| format!("{}: {}", table.string(l.1), table.string(l.2))).chain(size).collect()
            };
            for text in texts {
                let name = g.make(&text);
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
        GroupBy::Label | GroupBy::Goroutine => (std::mem::take(&mut g.labels), std::mem::take(&mut g.made)),
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
    let sites = sum(profile, table, Ask { by, filter, scale: None, noise: None, cumulative: true, stacks: None });
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
