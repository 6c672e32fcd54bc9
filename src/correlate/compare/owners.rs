//! Who owns each stack: the function responsible for it, told by where its frames come from ([`super::blame`]).
//!
//! Everything about a location is worked out once, so a sample costs one look per location and no text; names and example
//! stacks are made only for the few owners that turn out to grow. Stacks of the profiler and of the runtime have no owner.

use super::blame::{Origin, Origins};
use super::keepers::Keepers;
use super::places::{functions, label, place, rooted, site, unknown};
use super::rematch::{self, Site};
use super::value::{Columns, Halves, Stacks, Value};
use crate::heap::by_stack::ByStack;
use crate::heap::sites::{Filter, Sampling};
use crate::model::delta::GroupBy;
use crate::model::profile::StackTable;
use std::collections::{BTreeMap, HashMap};

const NONE: u32 = u32::MAX;
/// Rank from which on a frame outside the standard library owns the stack.
const STANDARD: u8 = 2;

/// The responsible function: growth on two of its lines is one suspect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blame {
    /// The function, or `file:line` where functions have no names.
    pub name: String,
    /// Outermost function below the runtime: what a goroutine was started with.
    pub entry: Option<String>,
}

/// An owner with its values over all snapshots.
pub struct Owned {
    pub blame: Blame,
    pub steps: Vec<Value>,
    /// How it was matched across builds, and what it was called before.
    pub renamed: Option<(&'static str, String)>,
}

impl Site for Owned {
    fn name(&self) -> &str {
        &self.blame.name
    }
    fn location(&self) -> Option<&str> {
        None
    }
    fn steps(&self) -> &[Value] {
        &self.steps
    }
    fn was(&mut self, level: &'static str, key: String, steps: Vec<Value>) {
        self.steps.iter_mut().zip(steps).for_each(|(x, y)| x.add(y));
        self.renamed = Some((level, key));
    }
}

/// What an owner's growth is made of.
#[derive(Debug, Default)]
pub struct Parts {
    /// Line of the responsible function where most was gained.
    pub place: String,
    /// Allocating sites (`function file:line`) with what they gained, most first.
    pub leaves: Vec<(String, i64)>,
    /// Functions of the stack that holds most at the end, innermost first.
    pub example: Vec<String>,
    /// Where the responsible function is called from several places and one of them makes the growth: its name and share.
    pub caller: Option<(String, f64)>,
    /// Creator of a goroutine, where the dump names it.
    pub creator: Option<String>,
    /// What such a goroutine waits for, where the dump says it.
    pub state: Option<String>,
}

/// What the frames of all locations say about ownership.
struct Seen {
    spots: Vec<Spot>,
    /// What decides of each spot in one byte, so that a stack of 64 locations is looked through in the nearest cache: the
    /// rank in the lowest bits, then the flags below.
    marks: Vec<u8>,
}

const RANK: u8 = 7;
const PROFILER: u8 = 1 << 3;
const RUNTIME: u8 = 1 << 4;
const WRAPPER: u8 = 1 << 5;
const ENTRY: u8 = 1 << 6;
const LEAF: u8 = 1 << 7;

impl Seen {
    fn new(spots: Vec<Spot>) -> Self {
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let mark = |s: &Spot| {
            s.rank
                | flag(s.profiler, PROFILER)
                | flag(s.runtime, RUNTIME)
                | flag(s.wrapper, WRAPPER)
                | flag(s.entry != NONE, ENTRY)
                | flag(s.leaf != NONE, LEAF)
        };
        Seen { marks: spots.iter().map(mark).collect(), spots }
    }

    fn spot(&self, l: u32) -> Option<&Spot> {
        self.spots.get(l as usize)
    }
}

/// What the frames of one location say about ownership.
#[derive(Clone, Copy)]
struct Spot {
    /// Best rank among its frames, the innermost of equals, and which frame that is.
    rank: u8,
    frame: u32,
    name: u32,
    /// Innermost and outermost frame that is not the runtime's.
    leaf: u32,
    entry: u32,
    profiler: bool,
    runtime: bool,
    /// All frames are the compiler's wrapping of a `go` statement, which tells nobody anything.
    wrapper: bool,
}

/// Numbered names over all snapshots.
#[derive(Default)]
struct Names {
    index: HashMap<String, u32>,
    list: Vec<String>,
}

impl Names {
    fn of(&mut self, name: &str) -> u32 {
        if let Some(&i) = self.index.get(name) {
            return i;
        }
        let i = self.list.len() as u32;
        self.list.push(name.to_owned());
        self.index.insert(name.to_owned(), i);
        i
    }

    fn text(&self, i: u32) -> String {
        self.list.get(i as usize).cloned().unwrap_or_default()
    }
}

fn rank(origin: Origin, name: &str) -> u8 {
    match origin {
        Origin::Runtime | Origin::Profiler => 0,
        Origin::Helper => 1,
        Origin::Standard => STANDARD,
        // `main.main` calls everything: it owns only what it allocates with nobody in between.
        Origin::Application if name == "main.main" => 3,
        Origin::Library => 4,
        Origin::Application => 5,
    }
}

fn see(table: &StackTable, names: &mut Names) -> Seen {
    let origins = Origins::of(table);
    let functions: Vec<u32> = table.functions.iter().map(|f| names.of(table.string(f.name))).collect();
    let spots = (0..table.locations() as u32)
        .map(|l| {
            let mut seen = Spot { rank: 0, frame: 0, name: NONE, leaf: NONE, entry: NONE, profiler: false, runtime: true, wrapper: false };
            let frames = table.frames(l);
            if frames.is_empty() {
                let origin = Origins::binary(table, l);
                let name = unknown(table, l);
                seen.rank = rank(origin, &name);
                seen.name = names.of(&name);
                seen.runtime = origin == Origin::Runtime && table.mapping(l).is_some();
                if !seen.runtime {
                    (seen.leaf, seen.entry) = (0, seen.name);
                }
                return seen;
            }
            for (i, f) in frames.iter().enumerate() {
                let origin = origins.function(f.function);
                let named = table.function_name(f.function);
                let name = match functions.get(f.function as usize) {
                    Some(n) if !named.is_empty() => *n,
                    _ => names.of(&format!("{}:{}", table.function_file(f.function), f.line)),
                };
                seen.profiler |= origin == Origin::Profiler;
                if origin != Origin::Runtime {
                    seen.runtime = false;
                    // Nor does a closure that a library starts.
                    let closure = named.rsplit('.').next().is_some_and(|p| p.starts_with("func"));
                    seen.wrapper = named.contains(".gowrap") || (closure && matches!(origin, Origin::Standard | Origin::Helper));
                    seen.entry = name;
                    if seen.leaf == NONE {
                        seen.leaf = i as u32;
                    }
                }
                let r = rank(origin, named);
                if seen.name == NONE || r > seen.rank {
                    (seen.rank, seen.frame, seen.name) = (r, i as u32, name);
                }
            }
            seen
        })
        .collect();
    Seen::new(spots)
}

/// Owner of one stack: name, entry, (location, frame) of the owner and of the allocating site.
struct Found {
    name: u32,
    entry: u32,
    own: (u32, u32),
    leaf: (u32, u32),
}

/// `rooted` where a stack without a frame of the application is known by what it was started with.
fn responsible(seen: &Seen, stack: &[u32], goroutines: bool, rooted: bool) -> Option<Found> {
    let (mut best, mut leaf, mut entry): (Option<(u8, u32)>, Option<u32>, Option<u32>) = (None, None, None);
    let mut all = RUNTIME;
    for &l in stack {
        let Some(&mark) = seen.marks.get(l as usize) else { continue };
        if mark & PROFILER != 0 {
            return None;
        }
        all &= mark;
        if mark & ENTRY != 0 && !(mark & WRAPPER != 0 && entry.is_some()) {
            entry = Some(l);
        }
        if mark & LEAF != 0 && leaf.is_none() {
            leaf = Some(l);
        }
        if best.is_none_or(|(r, _)| mark & RANK > r) {
            best = Some((mark & RANK, l));
        }
    }
    let (rank, l) = best.filter(|_| all & RUNTIME == 0)?;
    let spot = seen.spot(l)?;
    let (name, own) = (spot.name, (l, spot.frame));
    let entry = entry.and_then(|l| seen.spot(l)).map_or(NONE, |s| s.entry);
    let leaf = leaf.and_then(|l| Some((l, seen.spot(l)?.leaf)));
    // What a library's goroutine allocates in ten places is one thing: the goroutine's.
    let name = if rooted && entry != NONE && rank <= STANDARD { entry } else { name };
    let entry = if goroutines { entry } else { NONE };
    Some(Found { name, entry, own, leaf: leaf.unwrap_or(own) })
}

/// Samples of a snapshot up to which routes are followed one by one.
const SAMPLES_APART: usize = 1 << 18;
/// Callers of the owner that tell one route from another.
const CALLERS: usize = 3;

/// What tells the ways apart on which an owner comes to allocate: the allocating place, its own, and its callers'. Places
/// are known by their offset in the binary, or by function and line.
fn route(seen: &Seen, table: &StackTable, stack: &[u32], found: &Found) -> u64 {
    let mix = |h: u64, v: u64| (h ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let place = |l: u32| {
        let address = table.loc_address.get(l as usize).copied().unwrap_or(0);
        let name = seen.spot(l).map_or(NONE, |s| s.name);
        let lines = || table.frames(l).iter().fold(0, |h, f| mix(h, u64::from(f.line)));
        let offset = table.mapping(l).map_or(address, |m| address.wrapping_sub(m.start).wrapping_add(m.offset));
        mix(u64::from(name), if address == 0 { lines() } else { offset })
    };
    let from = stack.iter().position(|l| *l == found.own.0).unwrap_or(0);
    let above = stack.get(from..).unwrap_or(&[]).iter().take(1 + CALLERS);
    // Begun with a mix: the allocating place is often the owner's own.
    above.fold(mix(1, place(found.leaf.0)), |h, l| mix(h, place(*l)))
}

/// What is kept of the first and of the last snapshot, so that growth can be traced back to their stacks.
struct End {
    seen: Seen,
    /// Owner of each stack, or none.
    of_stack: Vec<u32>,
    columns: Columns,
}

/// Owners of all stacks of the snapshots added so far. Of the snapshots between the first and the last nothing but the
/// owners' values is kept.
pub struct Owners {
    by_bytes: bool,
    goroutines: bool,
    names: Names,
    /// Where more than two snapshots come, for two cannot tell what is kept for good.
    keepers: Option<Keepers>,
    index: HashMap<(u32, u32), u32>,
    snapshots: usize,
    first: Option<End>,
    last: Option<End>,
    pub list: Vec<Owned>,
}

/// First and last snapshot, whose stacks tell what growth is made of.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    pub first: Stacks<'a>,
    pub last: Stacks<'a>,
}

impl Owners {
    /// For `profiles` snapshots.
    pub fn new(halves: &Halves, profiles: usize) -> Self {
        Owners {
            keepers: (profiles > 2 && halves.by_bytes()).then(Keepers::default),
            by_bytes: halves.bytes.is_some(),
            goroutines: halves.bytes.is_none(),
            names: Names::default(),
            index: HashMap::new(),
            snapshots: 0,
            first: None,
            last: None,
            list: Vec::new(),
        }
    }

    /// Adds the next snapshot, whose samples are `summed` by stack.
    pub fn add(
        &mut self,
        (profile, table): Stacks<'_>,
        (summed, noise): (&ByStack<'_>, Option<&Sampling>),
        filter: &Filter,
        halves: &Halves,
    ) {
        let seen = see(table, &mut self.names);
        let columns = Columns::of(profile, halves);
        let passes = filter.passing(table);
        let rooted = rooted(table);
        let measures: Vec<&[i64]> = (0..profile.measures.len()).map(|m| summed.column(m)).collect();
        let mut row = vec![0i64; measures.len()];
        let mut of_stack = vec![NONE; table.stacks()];
        let at = self.snapshots;
        // A huge profile has samples enough for its owners to be judged whole.
        let apart = noise.filter(|_| self.keepers.is_some() && columns.counts_allocations() && table.samples() <= SAMPLES_APART);
        let mut routes = vec![0u64; if apart.is_some() { table.stacks() } else { 0 }];
        for (k, owner) in of_stack.iter_mut().enumerate() {
            if !passes.as_ref().is_none_or(|p| p.get(k).copied().unwrap_or(false)) {
                continue;
            }
            let stack = table.locations_of(k);
            let Some(found) = responsible(&seen, stack, self.goroutines, rooted) else { continue };
            *owner = self.owner(&found);
            if let Some(r) = routes.get_mut(k) {
                *r = route(&seen, table, stack, &found);
            }
            let Some(o) = self.list.get_mut(*owner as usize) else { continue };
            for (v, column) in row.iter_mut().zip(&measures) {
                *v = column.get(k).copied().unwrap_or(0);
            }
            let value = columns.value(&row, summed.spread(k).unwrap_or_default());
            o.steps.resize(at + 1, Value::default());
            if let Some(slot) = o.steps.get_mut(at) {
                slot.add(value);
            }
        }
        if let (Some(noise), Some(keepers)) = (apart, &mut self.keepers) {
            let samples = table.samples();
            for s in 0..samples {
                let k = table.stack_number(s);
                let (Some(&owner), Some(&route)) = (of_stack.get(k).filter(|o| **o != NONE), routes.get(k)) else { continue };
                for (m, v) in row.iter_mut().enumerate() {
                    *v = table.values.get(m * samples + s).copied().unwrap_or(0);
                }
                let size = table.block_size.get(s).copied().unwrap_or(0);
                keepers.add(at, owner, route, size, columns.value(&row, noise.spread(table, s, samples)));
            }
        }
        self.snapshots += 1;
        self.list.iter_mut().for_each(|o| o.steps.resize(self.snapshots, Value::default()));
        let end = End { seen, of_stack, columns };
        if at == 0 {
            self.first = Some(end);
        } else {
            self.last = Some(end);
        }
    }

    /// What of each owner's memory was never freed; none where that was not followed.
    pub fn held(&self) -> BTreeMap<u32, Vec<Value>> {
        self.keepers.as_ref().map(|k| k.held(self.snapshots)).unwrap_or_default()
    }

    /// The number of an owner, made where it is new.
    fn owner(&mut self, found: &Found) -> u32 {
        let (list, names) = (&mut self.list, &self.names);
        *self.index.entry((found.name, found.entry)).or_insert_with(|| {
            let entry = (found.entry != NONE).then(|| names.text(found.entry));
            list.push(Owned { blame: Blame { name: names.text(found.name), entry }, steps: Vec::new(), renamed: None });
            list.len() as u32 - 1
        })
    }

    /// Follows owners whose functions are called otherwise in a later build.
    pub fn follow_renames(&mut self) {
        for i in rematch::across_builds(&mut self.list, GroupBy::Function) {
            if let Some(o) = self.list.get_mut(i) {
                o.steps.iter_mut().for_each(|v| *v = Value::default());
            }
        }
    }

    fn value(end: &End, (profile, table): Stacks<'_>, s: usize, by_bytes: bool) -> i64 {
        let row: Vec<i64> = (0..profile.measures.len()).map(|m| table.value(m, s)).collect();
        end.columns.value(&row, Default::default()).of(by_bytes)
    }

    /// What the growth of one owner is made of, from the first and the last snapshot.
    pub fn parts(&self, ends: Ends<'_>, owner: usize) -> Parts {
        let mut places: BTreeMap<String, i64> = BTreeMap::new();
        let mut leaves: BTreeMap<String, i64> = BTreeMap::new();
        let mut callers: BTreeMap<String, i64> = BTreeMap::new();
        let mut biggest: Option<(i64, usize)> = None;
        for (end, stacks, sign) in [(&self.first, ends.first, -1), (&self.last, ends.last, 1)] {
            let Some(end) = end else { continue };
            let table = stacks.1;
            let rooted = rooted(table);
            let owned = |s: &usize| end.of_stack.get(table.stack_number(*s)).is_some_and(|o| *o as usize == owner);
            for s in (0..table.samples()).filter(owned) {
                let Some(found) = responsible(&end.seen, table.stack(s), self.goroutines, rooted) else { continue };
                let v = Self::value(end, stacks, s, self.by_bytes);
                let part = v.saturating_mul(sign);
                let sum = places.entry(place(table, found.own)).or_default();
                *sum = sum.saturating_add(part);
                let sum = leaves.entry(site(table, found.leaf)).or_default();
                *sum = sum.saturating_add(part);
                if let Some(caller) = caller(table, table.stack(s), found.own) {
                    let sum = callers.entry(caller.to_owned()).or_default();
                    *sum = sum.saturating_add(part);
                }
                if sign > 0 && biggest.is_none_or(|(b, _)| v > b) {
                    biggest = Some((v, s));
                }
            }
        }
        let mut leaves: Vec<(String, i64)> = leaves.into_iter().filter(|(_, v)| *v > 0).collect();
        leaves.sort_by(|x, y| y.1.cmp(&x.1).then_with(|| x.0.cmp(&y.0)));
        let place = places.into_iter().max_by(|x, y| x.1.cmp(&y.1).then_with(|| y.0.cmp(&x.0))).map(|(p, _)| p).unwrap_or_default();
        let mut parts = Parts { place, leaves, caller: main_caller(callers), ..Parts::default() };
        if let Some((_, s)) = biggest {
            let table = ends.last.1;
            parts.example = functions(table, table.stack(s));
            parts.creator = label(table, s, "created by");
            parts.state = label(table, s, "state");
        }
        parts
    }
}

/// Share of what grew from which on one caller among several is named.
const MAIN_CALLER: f64 = 0.6;

/// The caller that makes most of the growth, where there are several.
fn main_caller(callers: BTreeMap<String, i64>) -> Option<(String, f64)> {
    if callers.len() < 2 {
        return None;
    }
    let grown: i64 = callers.values().filter(|v| **v > 0).fold(0, |a, v| a.saturating_add(*v));
    let (name, most) = callers.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
    let share = most as f64 / grown.max(1) as f64;
    (share >= MAIN_CALLER).then_some((name, share))
}

/// The function that calls the one which frame `f` of location `l` belongs to; recursion is passed over.
fn caller<'t>(table: &'t StackTable, stack: &[u32], (l, f): (u32, u32)) -> Option<&'t str> {
    let own = table.frames(l).get(f as usize).map(|f| f.function)?;
    let from = stack.iter().position(|x| *x == l)?;
    let within = table.frames(l).iter().skip(f as usize + 1);
    let outside = stack.iter().skip(from + 1).flat_map(|l| table.frames(*l));
    let next = within.chain(outside).find(|f| f.function != own)?;
    Some(table.function_name(next.function)).filter(|n| !n.is_empty())
}

/// Owners whose stacks pass through a function that begins with one of `prefixes`, most by what they ever allocated there
/// first: the callers of a library. A library's own function is no caller of it.
pub fn callers((profile, table): Stacks<'_>, prefixes: &[&str]) -> Vec<String> {
    let wanted: Vec<bool> = table.functions.iter().map(|f| prefixes.iter().any(|p| table.string(f.name).starts_with(p))).collect();
    if !wanted.contains(&true) {
        return Vec::new();
    }
    let mut names = Names::default();
    let seen = see(table, &mut names);
    let through = |l: &u32| table.frames(*l).iter().any(|f| wanted.get(f.function as usize) == Some(&true));
    let m = profile.measures.iter().position(|m| m.name == "alloc_space").unwrap_or(profile.default_measure);
    let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
    for s in (0..table.samples()).filter(|s| table.stack(*s).iter().any(through)) {
        if let Some(found) = responsible(&seen, table.stack(s), false, true) {
            let sum = sums.entry(found.name).or_default();
            *sum = sum.saturating_add(table.value(m, s));
        }
    }
    let package = |p: &str| p.split('(').next().unwrap_or(p).to_owned();
    let own: Vec<String> = prefixes.iter().map(|p| package(p)).collect();
    let mut list: Vec<(i64, String)> = sums.into_iter().map(|(n, v)| (v, names.text(n))).collect();
    list.retain(|(_, n)| !own.iter().any(|p| n.starts_with(p.as_str())));
    list.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    list.into_iter().map(|(_, n)| n).collect()
}

/// Goroutines that have a function in their stack.
pub fn standing_in(stacks: Stacks<'_>, function: &str) -> i64 {
    let (profile, table) = stacks;
    let Some(f) = (0..table.functions.len()).find(|f| table.function_name(*f as u32) == function) else { return 0 };
    let here = |l: &u32| table.frames(*l).iter().any(|x| x.function as usize == f);
    (0..table.samples())
        .filter(|s| table.stack(*s).iter().any(here))
        .fold(0, |sum, s| sum.saturating_add(table.value(profile.default_measure, s)))
}
