//! The values of a site in one snapshot, and which of a profile's measures they are taken from.
//!
//! A measure of bytes and one of objects are two halves of one thing; counters of all that was ever allocated tell beside
//! them what came and went. Says nothing of growth.

use crate::heap::sites::{self, Spread};
use crate::model::profile::{HeapProfile, StackTable};

/// A snapshot whose body is a stack table.
pub type Stacks<'a> = (&'a HeapProfile, &'a StackTable);

/// The chosen measure as its space and its objects half; a measure of bytes has both where the profile counts both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Halves {
    pub measure: String,
    pub bytes: Option<String>,
    pub count: Option<String>,
}

impl Halves {
    /// Of the measure asked for in `profile`, else of its default.
    pub fn of(profile: &HeapProfile, asked: Option<&str>) -> Option<Self> {
        let m = profile.measures.get(sites::measure_index(profile, asked)?)?;
        let named = |name: String| profile.measures.iter().any(|m| m.name == name).then_some(name);
        let partner = |from: &str, to: &str| m.name.strip_suffix(from).and_then(|stem| named(format!("{stem}{to}")));
        let mut halves = Halves { measure: m.name.clone(), ..Halves::default() };
        if m.name.ends_with("objects") {
            halves.count = Some(m.name.clone());
            halves.bytes = partner("objects", "space").or_else(|| partner("objects", "bytes"));
        } else if m.unit == "bytes" || m.name.ends_with("space") || m.name == "bytes" {
            halves.bytes = Some(m.name.clone());
            halves.count = partner("space", "objects").or_else(|| partner("bytes", "objects"));
        } else {
            halves.count = Some(m.name.clone());
        }
        Some(halves)
    }

    /// Whether rows are ordered by their bytes (else by their count).
    pub fn by_bytes(&self) -> bool {
        self.bytes.as_ref() == Some(&self.measure)
    }

    pub fn index(profile: &HeapProfile, name: &Option<String>) -> Option<usize> {
        let name = name.as_deref()?;
        profile.measures.iter().position(|m| m.name == name)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Value {
    pub bytes: i64,
    pub count: i64,
    pub allocated_bytes: i64,
    pub allocated_count: i64,
    pub spread: Spread,
}

impl Value {
    /// Adds another site of the same key.
    pub fn add(&mut self, v: Value) {
        self.bytes = self.bytes.saturating_add(v.bytes);
        self.count = self.count.saturating_add(v.count);
        self.allocated_bytes = self.allocated_bytes.saturating_add(v.allocated_bytes);
        self.allocated_count = self.allocated_count.saturating_add(v.allocated_count);
        self.spread.add(v.spread);
    }

    pub fn of(&self, by_bytes: bool) -> i64 {
        if by_bytes { self.bytes } else { self.count }
    }
}

/// What of each snapshot is summed.
pub struct Columns {
    bytes: Option<usize>,
    count: Option<usize>,
    allocated: Option<(usize, usize)>,
}

impl Columns {
    pub fn of(profile: &HeapProfile, halves: &Halves) -> Self {
        let live = halves.measure.starts_with("inuse_");
        let find = |name: &str| profile.measures.iter().position(|m| m.name == name);
        Columns {
            bytes: Halves::index(profile, &halves.bytes),
            count: Halves::index(profile, &halves.count),
            allocated: if live { find("alloc_space").zip(find("alloc_objects")) } else { None },
        }
    }

    /// Whether what was ever allocated is counted too.
    pub fn counts_allocations(&self) -> bool {
        self.allocated.is_some()
    }

    pub fn value(&self, row: &[i64], spread: Spread) -> Value {
        let get = |i: Option<usize>| i.and_then(|i| row.get(i)).copied().unwrap_or(0);
        Value {
            bytes: get(self.bytes),
            count: get(self.count),
            allocated_bytes: get(self.allocated.map(|a| a.0)),
            allocated_count: get(self.allocated.map(|a| a.1)),
            spread,
        }
    }
}
