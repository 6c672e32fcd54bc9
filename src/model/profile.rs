//! Heap profiles in one currency: allocation sites (stacks) or classes, each with measures such as bytes and objects.
//! pprof, tracemalloc, jemalloc, V8, HPROF and printed histograms all become this; [`super::delta`] is what comparing them gives.

use super::graph::HeapGraph;
use std::collections::BTreeMap;

/// A column of a profile: `inuse_space` in `bytes`, `objects` in `count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    pub name: String,
    pub unit: String,
}

/// One captured profile of one process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeapProfile {
    /// Format name as in `formats`: `pprof`, `v8-heapsnapshot`, `tracemalloc-pickle`, …
    pub format: &'static str,
    /// What tells this process from another: main binary, pid, build id; as far as the file says.
    pub process: Option<String>,
    pub measures: Vec<Measure>,
    /// Index into `measures` that the format shows by default.
    pub default_measure: usize,
    /// Sum of each measure over the whole profile.
    pub totals: Vec<i64>,
    /// Sampling period in the unit of the default measure; 0 where every allocation is recorded.
    pub period: i64,
    /// Length of a delta profile in ns; 0 for a snapshot.
    pub duration_ns: i64,
    /// The file ended early; figures are lower bounds.
    pub truncated: bool,
    /// Further figures of the same capture by name (MemStats, `extra_native_bytes`, …), in bytes unless the name says otherwise.
    pub extra: BTreeMap<String, i64>,
    pub body: ProfileBody,
    /// The stacks were let go to spare memory; they are read again when they are wanted.
    pub aside: bool,
    /// The biggest allocation sites of `Stacks`, grouped and ordered as the row flags ask; filled by `correlate`.
    pub sites: Vec<SiteRow>,
}

impl HeapProfile {
    /// Lets go of the stacks. What tells the program's language stays.
    pub fn set_aside(&mut self) {
        let ProfileBody::Stacks(table) = &self.body else { return };
        let tells = |s: &str| matches!(s, "runtime.main" | "runtime.goexit" | "main.main") || s.ends_with(".go");
        let strings = table.strings.iter().find(|s| tells(s)).cloned().into_iter().collect();
        self.body = ProfileBody::Stacks(Box::new(StackTable { strings, ..StackTable::default() }));
        self.aside = true;
    }
}

/// Values of one allocation site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteRow {
    /// What rows of two profiles are matched by; see the row keys in docs/json.md.
    pub key: String,
    pub name: String,
    /// `file:line`, or the file, where it is not the name already.
    pub location: Option<String>,
    /// Value of the innermost frame itself, one per measure of the profile.
    pub own: Vec<i64>,
    /// Value with callees, one per measure.
    pub cumulative: Vec<i64>,
}

/// What the profile is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ProfileBody {
    #[default]
    Empty,
    Stacks(Box<StackTable>),
    Classes(ClassTable),
    Graph(Box<HeapGraph>),
    /// A comparison that was already made when the artifact was written (`Snapshot.compare_to` text).
    Printed(Vec<PrintedRow>),
}

/// A row of a printed comparison, figures as printed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrintedRow {
    pub key: String,
    pub objects: Option<i64>,
    pub bytes: Option<i64>,
    pub objects_delta: Option<i64>,
    pub bytes_delta: Option<i64>,
    /// Line of the artifact, from 1.
    pub line: u32,
}

/// A function as the profile names it; indices into [`StackTable::strings`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    pub name: u32,
    pub file: u32,
}

/// A frame: function and line; `function` indexes [`StackTable::functions`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    pub function: u32,
    pub line: u32,
}

/// A binary in the address space, so that unsymbolized frames can still be told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address and the one past the last.
    pub start: u64,
    pub limit: u64,
    /// Offset in the file of the first byte, in bytes.
    pub offset: u64,
    pub file: Box<str>,
    pub build_id: Box<str>,
}

/// Samples by call stack, as columns. Stacks are leaf first; a location holds its inlined frames innermost first.
///
/// `loc_frames[loc_start[l]..loc_start[l + 1]]` are the frames of location `l`;
/// `stack_locs[stack_start[k]..stack_start[k + 1]]` the locations of stack `k`, which is `stack_of[s]` of sample `s`;
/// `values[m * samples + s]` its value for measure `m`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackTable {
    pub strings: Vec<Box<str>>,
    pub functions: Vec<Function>,
    pub loc_start: Vec<u32>,
    pub loc_frames: Vec<Frame>,
    /// Address of each location, 0 where unknown.
    pub loc_address: Vec<u64>,
    /// Index into `mappings` plus one for each location, 0 where unknown; empty where the format has no binaries.
    pub loc_mapping: Vec<u32>,
    pub mappings: Vec<Mapping>,
    pub stack_start: Vec<u32>,
    pub stack_locs: Vec<u32>,
    /// Stack of each sample where samples share stacks (one call site allocates many sizes); empty where sample `s` has
    /// stack `s`.
    pub stack_of: Vec<u32>,
    pub values: Vec<i64>,
    /// Block size of each sample where the producer labels it (Go's `bytes` label), else empty.
    pub block_size: Vec<i64>,
    /// Text labels: (sample, key string, value string), ordered by sample.
    pub labels: Vec<(u32, u32, u32)>,
}

impl StackTable {
    pub fn samples(&self) -> usize {
        if self.stack_of.is_empty() { self.stacks() } else { self.stack_of.len() }
    }

    /// How many stacks the samples share.
    pub fn stacks(&self) -> usize {
        self.stack_start.len().saturating_sub(1)
    }

    /// Which stack sample `s` has.
    #[inline]
    pub fn stack_number(&self, s: usize) -> usize {
        if self.stack_of.is_empty() { s } else { self.stack_of.get(s).map_or(usize::MAX, |k| *k as usize) }
    }

    pub fn locations(&self) -> usize {
        self.loc_start.len().saturating_sub(1)
    }

    /// Locations of sample `s`, leaf first.
    pub fn stack(&self, s: usize) -> &[u32] {
        self.locations_of(self.stack_number(s))
    }

    /// Locations of stack `k`, leaf first.
    #[inline]
    pub fn locations_of(&self, k: usize) -> &[u32] {
        match self.stack_start.get(k..).unwrap_or(&[]) {
            [a, b, ..] => self.stack_locs.get(*a as usize..*b as usize).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Frames of location `l`, innermost first.
    pub fn frames(&self, l: u32) -> &[Frame] {
        let (a, b) = (self.loc_start.get(l as usize).copied().unwrap_or(0), self.loc_start.get(l as usize + 1).copied().unwrap_or(0));
        self.loc_frames.get(a as usize..b as usize).unwrap_or(&[])
    }

    /// The binary that location `l` lies in, where the profile says.
    pub fn mapping(&self, l: u32) -> Option<&Mapping> {
        let i = self.loc_mapping.get(l as usize).copied()?.checked_sub(1)?;
        self.mappings.get(i as usize)
    }

    pub fn value(&self, measure: usize, sample: usize) -> i64 {
        self.values.get(measure * self.samples() + sample).copied().unwrap_or(0)
    }

    pub fn string(&self, i: u32) -> &str {
        self.strings.get(i as usize).map_or("", |s| s)
    }

    pub fn function_name(&self, f: u32) -> &str {
        self.functions.get(f as usize).map_or("", |f| self.string(f.name))
    }

    pub fn function_file(&self, f: u32) -> &str {
        self.functions.get(f as usize).map_or("", |f| self.string(f.file))
    }
}

/// A class histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassTable {
    pub rows: Vec<ClassRow>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassRow {
    /// What rows of two profiles are matched by; see the row keys in docs/json.md.
    pub key: String,
    pub name: String,
    /// One value per measure of the profile.
    pub values: Vec<i64>,
    pub retained_bytes: Option<i64>,
    pub distance: Option<i64>,
}
