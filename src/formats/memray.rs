//! memray's exports: `memray stats --json` and `memray transform csv`. The binary capture itself is not read: every
//! memray release reads only its own version of it, so the exporter of the release that wrote it has to be asked.

use super::lines;
use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::profile::{Frame, Function, HeapProfile, Measure, ProfileBody, StackTable};
use crate::model::{Cite, Observation, time};
use serde::Deserialize;
use std::collections::HashMap;

const CSV_HEADER: &[u8] = b"allocator,num_allocations,size,tid,thread_name,stack_trace";

/// `memray transform csv`: one row per allocation site of the peak, most recent frame first.
pub struct MemrayCsv;

impl Format for MemrayCsv {
    fn name(&self) -> &'static str {
        "memray-csv"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        if head.trimmed().starts_with(CSV_HEADER) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut sites = Sites::default();
        let read = lines::for_each_line(reader, |line| {
            if line.number == 1 || line.text.is_empty() {
                return;
            }
            let text = line.lossy();
            match csv_row(&text).filter(|_| line.ended) {
                Some((count, size, stack)) => sites.add(&stack, size, count),
                None => out.warn("bad-line", Some(line.number), Some(line.offset), || {
                    "expected six columns, with numbers of allocations and bytes".into()
                }),
            }
        });
        if let Err(e) = read {
            out.error("unreadable", None, || format!("cannot be read to its end: {e}"));
        }
        sites.finish("memray-csv", None, input, out);
    }
}

/// Function, file and line of a frame.
type Place<'a> = (&'a str, &'a str, u32);

/// Columns 2, 3 and 6 of a row: allocations, bytes, and the frames.
fn csv_row(text: &str) -> Option<(i64, i64, Vec<Place<'_>>)> {
    let (_, rest) = text.split_once(',')?;
    let (count, rest) = rest.split_once(',')?;
    let (size, rest) = rest.split_once(',')?;
    let (_, rest) = rest.split_once(',')?;
    // A thread's name may be quoted and then hold commas.
    let stack = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\",")?.1,
        None => rest.split_once(',')?.1,
    };
    let stack = stack.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(stack);
    let frames = stack
        .split('|')
        .filter_map(|f| {
            let (rest, line) = f.rsplit_once(';')?;
            let (function, file) = rest.split_once(';')?;
            Some((function, file, line.parse().ok()?))
        })
        .collect();
    Some((count.parse().ok()?, size.parse().ok()?, frames))
}

/// `memray stats --json`: totals, and the biggest locations.
pub struct MemrayStats;

#[derive(Deserialize)]
struct Stats {
    total_num_allocations: i64,
    total_bytes_allocated: i64,
    #[serde(default)]
    top_allocations_by_size: Vec<TopSize>,
    #[serde(default)]
    top_allocations_by_count: Vec<TopCount>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct TopSize {
    location: String,
    size: i64,
}

#[derive(Deserialize)]
struct TopCount {
    location: String,
    count: i64,
}

#[derive(Deserialize)]
struct Metadata {
    peak_memory: Option<i64>,
    pid: Option<i64>,
}

impl Format for MemrayStats {
    fn name(&self) -> &'static str {
        "memray-stats"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let b = head.trimmed();
        let has = |w: &[u8]| memchr::memmem::find(b.get(..b.len().min(400)).unwrap_or(b), w).is_some();
        match b.starts_with(b"{") && has(b"\"total_num_allocations\"") && has(b"\"total_bytes_allocated\"") {
            true => Match::Certain,
            false => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let stats: Stats =
            match input.reader().map_err(serde_json::Error::io).and_then(|r| serde_json::from_reader(std::io::BufReader::new(r))) {
                Ok(s) => s,
                Err(e) => return out.error("bad-json", None, || format!("expected memray's statistics: {e}")),
            };
        let mut sites = Sites::default();
        let counts: HashMap<&str, i64> = stats.top_allocations_by_count.iter().map(|t| (t.location.as_str(), t.count)).collect();
        for t in &stats.top_allocations_by_size {
            let frame = t.location.rsplit_once(':').and_then(|(rest, line)| {
                let (function, file) = rest.split_once(':')?;
                Some((function, file, line.parse().ok()?))
            });
            let count = counts.get(t.location.as_str()).copied().unwrap_or(0);
            sites.add(&[frame.unwrap_or((t.location.as_str(), "", 0))], t.size, count);
        }
        let totals = vec![stats.total_bytes_allocated, stats.total_num_allocations];
        sites.finish("memray-stats", Some(totals), input, out);
        if let (Some(p), Some(m)) = (out.profiles.last_mut(), stats.metadata) {
            p.what.process = m.pid.map(|pid| format!("pid {pid}"));
            p.what.extra.extend(m.peak_memory.map(|b| ("peak_memory_bytes".to_owned(), b)));
        }
    }
}

/// Builds a stack table from frames given as text.
#[derive(Default)]
struct Sites {
    strings: HashMap<Box<str>, u32>,
    functions: HashMap<Function, u32>,
    frames: HashMap<Frame, u32>,
    table: StackTable,
    counts: Vec<i64>,
}

impl Sites {
    fn string(&mut self, text: &str) -> u32 {
        if let Some(&i) = self.strings.get(text) {
            return i;
        }
        let i = self.table.strings.len() as u32;
        self.table.strings.push(text.into());
        self.strings.insert(text.into(), i);
        i
    }

    fn add(&mut self, stack: &[Place<'_>], bytes: i64, count: i64) {
        if self.table.stack_start.is_empty() {
            self.table.stack_start.push(0);
            self.table.loc_start.push(0);
        }
        for &(name, file, line) in stack {
            let function = Function { name: self.string(name), file: self.string(file) };
            let next = self.table.functions.len() as u32;
            let function_id = *self.functions.entry(function).or_insert(next);
            if function_id == next {
                self.table.functions.push(function);
            }
            let frame = Frame { function: function_id, line };
            let next = self.table.loc_frames.len() as u32;
            let id = *self.frames.entry(frame).or_insert(next);
            if id == next {
                self.table.loc_frames.push(frame);
                self.table.loc_start.push(next + 1);
                self.table.loc_address.push(0);
            }
            self.table.stack_locs.push(id);
        }
        self.table.stack_start.push(self.table.stack_locs.len() as u32);
        self.table.values.push(bytes);
        self.counts.push(count);
    }

    fn finish(mut self, format: &'static str, totals: Option<Vec<i64>>, input: &Input<'_>, out: &mut Facts) {
        let sum = |v: &[i64]| v.iter().fold(0i64, |a, &b| a.saturating_add(b));
        let totals = totals.unwrap_or_else(|| vec![sum(&self.table.values), sum(&self.counts)]);
        self.table.values.append(&mut self.counts);
        let what = HeapProfile {
            format,
            measures: vec![
                Measure { name: "bytes".into(), unit: "bytes".into() },
                Measure { name: "objects".into(), unit: "count".into() },
            ],
            totals,
            body: ProfileBody::Stacks(Box::new(self.table)),
            ..HeapProfile::default()
        };
        let cite = Cite::whole(input.artifact, "memray report");
        out.profiles.push(Observation { at: time::in_name(input.file_name()), who: input.who.clone(), cite, what });
    }
}
