//! Which stacks and frames count, and to which groups their locations belong: everything that can be said of a location
//! is worked out once, so that the pass over all samples only looks it up. Semantics of google/pprof's `profile/filter.go`.

use super::grouping::Grouping;
use super::tally;
use crate::model::delta::{GroupBy, RowOptions};
use crate::model::profile::StackTable;
use regex::Regex;

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

    /// Which stacks pass focus, ignore and show-from; `None` when all do.
    pub fn passing(&self, table: &StackTable) -> Option<Vec<bool>> {
        if self.is_empty() {
            return None;
        }
        let mut g = Grouping::new(table, GroupBy::Function);
        let sieve = sieve(&mut g, self);
        Some((0..table.stacks()).map(|k| sieve.pass(table.locations_of(k)).is_some()).collect())
    }

    fn is_empty(&self) -> bool {
        self.focus.is_none() && self.ignore.is_none() && self.hide.is_none() && self.show_from.is_none()
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

/// Says of every location what counts of it and to which groups that belongs.
pub fn sieve(g: &mut Grouping<'_>, filter: &Filter) -> Sieve {
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

    /// Whether it is the group that counts once per stack.
    pub fn counts_groups_once(&self) -> bool {
        self.once.is_none()
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
