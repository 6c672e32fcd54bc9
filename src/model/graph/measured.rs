//! What measuring a heap graph leaves of it: classes in figures, the columns that comparisons need, answers, growth points.

use super::{Allocator, Class, Shapes, SmallColumn, WideColumn};
use crate::model::delta::PathStep;
use serde::{Deserialize, Serialize};

/// One class in figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassTotals {
    pub class: Class,
    /// Objects with a size.
    pub count: u64,
    pub bytes: u64,
    /// What would go if all objects of the class went; `None` where the edges are lost.
    pub retained_bytes: Option<u64>,
    /// Smallest distance of its objects from a root.
    pub distance: Option<i32>,
}

/// A graph reduced to what comparisons need: columns sorted by object id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fold {
    /// Ascending.
    pub id: WideColumn,
    /// Index into `classes`.
    pub class: Vec<u32>,
    pub self_size: WideColumn,
    /// Retained size in bytes; empty where the edges are lost.
    pub retained: WideColumn,
    /// Objects an object refers to, counted through its own arrays and tables; saturating; empty where the edges are lost.
    pub elements: SmallColumn,
    pub classes: Vec<Class>,
    pub shapes: Shapes,
    /// Classes that another class of the same key hides, as in DevTools.
    pub hidden: Vec<u32>,
    /// Every eighth object by id, with a hash of what it is: (id, hash), sorted. Tells one process from another.
    pub marks: Vec<(u64, u32)>,
}

impl Fold {
    pub fn len(&self) -> usize {
        self.id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }
}

/// The answer for one object that was asked for by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeAnswer {
    pub id: u64,
    pub name: String,
    pub class: String,
    pub self_bytes: u64,
    pub retained_bytes: Option<u64>,
    pub distance: Option<i32>,
    pub dominator_id: Option<u64>,
}

/// Objects of one class that a growth point gained or lost since the snapshot it was measured against.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gain {
    pub class: Class,
    /// Index into the graph's class table.
    pub index: u32,
    /// Objects gained.
    pub count: i64,
    /// Shallow bytes gained.
    pub bytes: i64,
    /// What the gained objects retain, bytes; what they retain of one another counts once.
    pub retained_bytes: u64,
    /// New objects that hang right in the holder, what came in place of others included.
    pub entries: u64,
    /// What those retain, bytes, on balance.
    pub entry_retained_bytes: u64,
    /// What a typical one is called, where its class has titles.
    pub title: Option<Box<str>>,
}

/// One text that several strings have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// Strings with this text and size.
    pub count: u64,
    /// Size of each, bytes.
    pub each_bytes: u64,
    /// What all but one take, bytes.
    pub wasted_bytes: u64,
    /// Length in UTF-16 units.
    pub characters: u32,
    /// The file may hold only the front of the text: equal size and front, perhaps not equal text.
    pub cut: bool,
    /// The field that holds a typical one, with its owner's class.
    pub held_as: Option<String>,
    /// The text, only where contents were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

/// What is alive of what was allocated in a span of time, in µs since recording began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Birth {
    pub from_us: i64,
    pub to_us: i64,
    pub objects: u64,
    pub bytes: u64,
}

/// Strings held more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedStrings {
    /// Texts that more than one string has.
    pub texts: u64,
    /// Strings that could be spared.
    pub copies: u64,
    /// What those take, bytes.
    pub wasted_bytes: u64,
    /// Further strings of one size that begin alike and are longer than the file keeps: perhaps copies, perhaps not.
    pub perhaps_copies: u64,
    /// What those take, bytes.
    pub perhaps_bytes: u64,
    /// The most wasteful texts, whole ones first.
    pub top: Vec<Repeated>,
}

/// A surviving object whose retained size grew by objects of its own, not by those of another survivor beneath it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GrowthPoint {
    /// Object id of the holder.
    pub id: u64,
    pub class: Class,
    /// Holders alike that this point stands for; 0 where only the runtime itself holds what was gained.
    pub holders: u32,
    pub retained_bytes: u64,
    /// Retained size gained since the first snapshot, bytes.
    pub growth_bytes: i64,
    /// Of what was gained, strings whose text another string has too, bytes.
    pub copied_bytes: u64,
    /// Of what was gained, texts that are alive only because a string that is a part of them is, bytes.
    pub sliced_bytes: u64,
    /// Entries in the earlier snapshots and now, earliest first; `None` where the holder did not exist.
    pub elements: Vec<Option<u64>>,
    /// New objects of any class that hang right in the holder.
    pub entries: u64,
    /// Retained sizes in the earlier snapshots and now, earliest first.
    pub sizes: Vec<Option<u64>>,
    /// What it gained, by class, most bytes first.
    pub gains: Vec<Gain>,
    /// From a root down to one typical gained object.
    pub path: Vec<PathStep>,
    /// Where on `path` the holder stands.
    pub holder_at: usize,
    /// Source places of closures and classes on the way.
    pub sites: Vec<String>,
    /// Which functions allocated what the growth is called by, most objects first; empty where that was not recorded.
    pub allocated: Vec<Allocator>,
}
