//! The small tree of one object: what both the JSON and the YAML reader build, one list item at a time.
//! Depth is bounded ([`Builder::DEPTH_MAX`]); items of a list are handed out as soon as they are complete, so a long list
//! never stands in memory as a whole. Numbers stay text: only the reader of a field knows what it should be.

use crate::model::Timestamp;
use crate::model::pod::written_instant;
use std::borrow::Cow;

/// Where a key or an item begins in the artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Byte offset from the artifact's start.
    pub offset: u64,
    /// Line from 1.
    pub line: u32,
}

#[derive(Debug, Clone)]
pub enum Value<'a> {
    Null,
    /// Any scalar that is not null, unquoted.
    Text(Cow<'a, str>),
    Map(Vec<Entry<'a>>),
    Seq(Vec<(Place, Value<'a>)>),
}

#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub key: Cow<'a, str>,
    pub place: Place,
    pub value: Value<'a>,
}

static NULL: Value<'static> = Value::Null;

impl<'a> Value<'a> {
    fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        match self {
            // The last of repeated keys wins, as in Go's decoder.
            Value::Map(m) => m.iter().rev().find(|e| e.key == key),
            _ => None,
        }
    }

    /// The member `key`, or null.
    pub fn get(&self, key: &str) -> &Value<'a> {
        self.entry(key).map_or(&NULL, |e| &e.value)
    }

    /// Member of member, or null.
    pub fn at(&self, path: &[&str]) -> &Value<'a> {
        path.iter().fold(self, |v, k| v.get(k))
    }

    /// Where `key` stands, if it is there.
    pub fn place(&self, key: &str) -> Option<Place> {
        self.entry(key).map(|e| e.place)
    }

    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|e| !matches!(e.value, Value::Null))
    }

    pub fn is_map(&self) -> bool {
        matches!(self, Value::Map(_))
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Text that is not empty, owned.
    pub fn owned(&self) -> Option<String> {
        self.text().filter(|t| !t.is_empty()).map(str::to_owned)
    }

    pub fn u64(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    pub fn i64(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    pub fn bool(&self) -> Option<bool> {
        match self.text()? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// An RFC 3339 instant; Go's zero time is absent.
    pub fn time(&self) -> Option<Timestamp> {
        written_instant(self.text()?)
    }

    pub fn items(&self) -> impl Iterator<Item = &Value<'a>> {
        self.placed_items().map(|(_, v)| v)
    }

    pub fn placed_items(&self) -> impl Iterator<Item = (Place, &Value<'a>)> {
        match self {
            Value::Seq(s) => s.as_slice(),
            _ => &[],
        }
        .iter()
        .map(|(p, v)| (*p, v))
    }

    pub fn entries(&self) -> &[Entry<'a>] {
        match self {
            Value::Map(m) => m,
            _ => &[],
        }
    }

    /// Member keys and scalar members, for labels and annotations.
    pub fn string_map(&self) -> std::collections::BTreeMap<String, String> {
        self.entries().iter().filter_map(|e| Some((e.key.to_string(), e.value.text()?.to_owned()))).collect()
    }
}

enum Frame<'a> {
    Map { place: Place, entries: Vec<Entry<'a>>, key: Option<(Cow<'a, str>, Place)> },
    Seq { place: Place, items: Vec<(Place, Value<'a>)>, emit: bool },
}

/// What came out of the builder.
pub enum Built<'a> {
    /// An element of the document's list of objects.
    Item(Value<'a>),
    /// The end of a document: the root without the items that were handed out.
    Document(Value<'a>),
}

/// Builds values from open/close/scalar calls without recursion.
#[derive(Default)]
pub struct Builder<'a> {
    stack: Vec<Frame<'a>>,
    /// Containers opened beyond the depth limit, whose content is dropped.
    buried: usize,
    pub too_deep: bool,
}

impl<'a> Builder<'a> {
    /// Nesting that is kept; Kubernetes objects stay below 40.
    pub const DEPTH_MAX: usize = 100;

    /// Whether the innermost open container is a map that waits for a key.
    pub fn wants_key(&self) -> bool {
        self.buried == 0 && matches!(self.stack.last(), Some(Frame::Map { key: None, .. }))
    }

    pub fn key(&mut self, text: Cow<'a, str>, at: Place) {
        if self.buried == 0
            && let Some(Frame::Map { key, .. }) = self.stack.last_mut()
        {
            *key = Some((text, at));
        }
    }

    pub fn open_map(&mut self, place: Place) {
        self.open(Frame::Map { place, entries: Vec::new(), key: None });
    }

    pub fn open_seq(&mut self, place: Place) {
        let emit = match self.stack.as_slice() {
            [] => true,
            [Frame::Map { key: Some((k, _)), .. }] => k == "items",
            _ => false,
        };
        self.open(Frame::Seq { place, items: Vec::new(), emit });
    }

    fn open(&mut self, frame: Frame<'a>) {
        if self.buried > 0 || self.stack.len() >= Self::DEPTH_MAX {
            self.buried += 1;
            self.too_deep = true;
        } else {
            self.stack.push(frame);
        }
    }

    pub fn scalar(&mut self, value: Value<'a>, place: Place) -> Option<Built<'a>> {
        if self.buried > 0 { None } else { self.attach(value, place) }
    }

    pub fn close(&mut self) -> Option<Built<'a>> {
        if self.buried > 0 {
            self.buried -= 1;
            return None;
        }
        let (value, place) = match self.stack.pop()? {
            Frame::Map { place, entries, .. } => (Value::Map(entries), place),
            Frame::Seq { place, items, .. } => (Value::Seq(items), place),
        };
        self.attach(value, place)
    }

    fn attach(&mut self, value: Value<'a>, at: Place) -> Option<Built<'a>> {
        match self.stack.last_mut() {
            None => return Some(Built::Document(value)),
            Some(Frame::Seq { emit: true, .. }) if value.is_map() => return Some(Built::Item(value)),
            Some(Frame::Seq { items, .. }) => items.push((at, value)),
            Some(Frame::Map { entries, key, .. }) => {
                if let Some((key, place)) = key.take() {
                    entries.push(Entry { key, place, value });
                }
            }
        }
        None
    }

    /// Number of frames up to and including the list of objects.
    pub fn list_depth(&self) -> Option<usize> {
        self.stack.iter().take(2).position(|f| matches!(f, Frame::Seq { emit: true, .. })).map(|i| i + 1)
    }

    /// Closes everything that is open inside the present item; gives the unfinished item.
    pub fn abandon_item(&mut self) -> Option<Value<'a>> {
        self.buried = 0;
        let depth = self.list_depth()?;
        while self.stack.len() > depth {
            if let Some(Built::Item(v)) = self.close() {
                return Some(v);
            }
        }
        None
    }

    /// Closes everything; gives the unfinished item and the unfinished root.
    pub fn abandon(&mut self) -> (Option<Value<'a>>, Option<Value<'a>>) {
        let item = self.abandon_item();
        while !self.stack.is_empty() {
            if let Some(Built::Document(v)) = self.close() {
                return (item, Some(v));
            }
        }
        (item, None)
    }
}
