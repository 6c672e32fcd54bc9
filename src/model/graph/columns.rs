//! Columns of a heap graph: sizes and ids that nearly always fit 32 bits, counts that nearly always fit 8, strings in one arena.

/// Unsigned sizes or ids that nearly always fit `u32`; the few that do not are kept beside, sorted by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WideColumn {
    pub low: Vec<u32>,
    /// (row, full value), sorted by row; `low` holds `u32::MAX` there.
    pub wide: Vec<(u32, u64)>,
}

impl WideColumn {
    pub fn len(&self) -> usize {
        self.low.len()
    }

    pub fn is_empty(&self) -> bool {
        self.low.is_empty()
    }

    pub fn get(&self, i: usize) -> u64 {
        match self.low.get(i) {
            Some(&u32::MAX) => match self.wide.binary_search_by_key(&(i as u32), |w| w.0) {
                Ok(at) => self.wide.get(at).map_or(0, |w| w.1),
                Err(_) => u64::from(u32::MAX),
            },
            Some(&v) => u64::from(v),
            None => 0,
        }
    }

    pub fn push(&mut self, v: u64) {
        if v >= u64::from(u32::MAX) {
            self.wide.push((self.low.len() as u32, v));
            self.low.push(u32::MAX);
        } else {
            self.low.push(v as u32);
        }
    }

    /// Overwrites row `i`.
    pub fn set(&mut self, i: usize, v: u64) {
        let Some(slot) = self.low.get_mut(i) else { return };
        let was_wide = *slot == u32::MAX;
        let wide = v >= u64::from(u32::MAX);
        *slot = if wide { u32::MAX } else { v as u32 };
        if was_wide || wide {
            match self.wide.binary_search_by_key(&(i as u32), |w| w.0) {
                Ok(at) if wide => self.wide[at].1 = v,
                Ok(at) => {
                    self.wide.remove(at);
                }
                Err(at) if wide => self.wide.insert(at, (i as u32, v)),
                Err(_) => {}
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.low.len()).map(|i| self.get(i))
    }
}

/// Counts that are mostly small, one byte each; larger ones are kept beside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SmallColumn {
    low: Vec<u8>,
    /// (row, value) of what is 255 or more, sorted by row.
    wide: Vec<(u32, u32)>,
}

impl SmallColumn {
    pub fn get(&self, i: usize) -> Option<u32> {
        match *self.low.get(i)? {
            u8::MAX => self.wide.binary_search_by_key(&(i as u32), |w| w.0).ok().and_then(|at| self.wide.get(at)).map(|w| w.1),
            v => Some(u32::from(v)),
        }
    }
}

impl FromIterator<u32> for SmallColumn {
    fn from_iter<I: IntoIterator<Item = u32>>(values: I) -> Self {
        let mut wide = Vec::new();
        let narrow = |(v, i): (u32, u32)| {
            if v >= u32::from(u8::MAX) {
                wide.push((i, v));
            }
            v.min(u32::from(u8::MAX)) as u8
        };
        let low = values.into_iter().zip(0..).map(narrow).collect();
        SmallColumn { low, wide }
    }
}

/// Strings in one arena, by handle.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StringTable {
    text: String,
    ends: Vec<u32>,
    /// Strings beyond this many bytes of arena are not kept.
    dropped: u32,
}

impl StringTable {
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        StringTable { text: String::with_capacity(bytes), ends: Vec::with_capacity(strings), dropped: 0 }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Content of string `i`; empty where there is none.
    pub fn get(&self, i: u32) -> &str {
        let i = i as usize;
        let start = if i == 0 { 0 } else { self.ends.get(i - 1).copied().unwrap_or(0) } as usize;
        let end = self.ends.get(i).copied().unwrap_or(0) as usize;
        self.text.get(start..end).unwrap_or("")
    }

    /// Appends a string; past 4 GiB of text only its place is kept.
    pub fn push(&mut self, s: &str) -> u32 {
        if self.text.len() + s.len() <= u32::MAX as usize {
            self.text.push_str(s);
        } else {
            self.dropped += 1;
        }
        self.ends.push(self.text.len() as u32);
        (self.ends.len() - 1) as u32
    }

    /// Handle of the first string equal to `s`, by linear search.
    pub fn find(&self, s: &str) -> Option<u32> {
        (0..self.ends.len() as u32).find(|&i| self.get(i) == s)
    }

    /// Number of strings whose text was not kept.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}
