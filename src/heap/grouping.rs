//! What a frame belongs to under each grouping: function, file, line, address or package, as google/pprof tells them apart
//! (`internal/graph`). Groups are numbers; their text is made only for the rows that are shown.

use crate::model::delta::GroupBy;
use crate::model::profile::StackTable;
use std::collections::HashMap;

/// What a group stands for; the text is made only for the rows that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    pub name: Text,
    pub file: u32,
    pub line: u32,
    pub address: u64,
}

/// A name: a string of the table, or one that was made here (index into [`Grouping::made`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Text {
    Table(u32),
    Made(u32),
}
const NONE: u32 = u32::MAX;

/// Groups met so far.
pub struct Grouping<'a> {
    pub table: &'a StackTable,
    pub by: GroupBy,
    pub labels: Vec<Label>,
    pub made: Vec<Box<str>>,
    strings: HashMap<&'a str, u32>,
    index: HashMap<Label, u32>,
    made_index: HashMap<Box<str>, u32>,
    /// The first string of the same text, for each string once it is known.
    first: Vec<u32>,
    /// Group of each function once it is known, where lines and addresses do not matter.
    by_function: Vec<u32>,
}

impl<'a> Grouping<'a> {
    pub fn new(table: &'a StackTable, by: GroupBy) -> Self {
        let functions = table.functions.len();
        Grouping {
            table,
            by,
            strings: HashMap::new(),
            labels: Vec::new(),
            index: HashMap::new(),
            made: Vec::new(),
            made_index: HashMap::new(),
            first: vec![NONE; table.strings.len()],
            by_function: vec![NONE; functions],
        }
    }

    /// Lets go of what numbered the groups; they stay.
    pub fn forget(&mut self) {
        (self.strings, self.index, self.made_index) = Default::default();
        (self.first, self.by_function) = Default::default();
    }

    /// The first string of the same text: tables of merged profiles repeat them.
    fn same(&mut self, i: u32) -> u32 {
        match self.first.get_mut(i as usize) {
            Some(first) if *first != NONE => *first,
            Some(first) => {
                *first = *self.strings.entry(self.table.string(i)).or_insert(i);
                *first
            }
            None => i,
        }
    }

    pub fn make(&mut self, text: &str) -> Text {
        if let Some(&i) = self.made_index.get(text) {
            return Text::Made(i);
        }
        let i = self.made.len() as u32;
        self.made.push(text.into());
        self.made_index.insert(text.into(), i);
        Text::Made(i)
    }

    pub fn group(&mut self, label: Label) -> u32 {
        let next = self.labels.len() as u32;
        let g = *self.index.entry(label).or_insert(next);
        if g == next {
            self.labels.push(label);
        }
        g
    }

    /// Group of one frame.
    pub fn frame(&mut self, function: u32, line: u32, location: u32) -> u32 {
        let whole = !matches!(self.by, GroupBy::Line | GroupBy::Traceback | GroupBy::Address);
        if let Some(&g) = self.by_function.get(function as usize).filter(|g| whole && **g != NONE) {
            return g;
        }
        let table = self.table;
        let f = table.functions.get(function as usize).copied().unwrap_or_default();
        let (name, file) = (self.same(f.name), self.same(f.file));
        if table.string(name).is_empty() && table.string(file).is_empty() {
            return self.unknown(location);
        }
        let group = self.named(name, file, line, location);
        if let Some(slot) = self.by_function.get_mut(function as usize).filter(|_| whole) {
            *slot = group;
        }
        group
    }

    fn named(&mut self, name: u32, file: u32, line: u32, location: u32) -> u32 {
        let table = self.table;
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
    pub fn unknown(&mut self, location: u32) -> u32 {
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
