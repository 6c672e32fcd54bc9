//! tracemalloc snapshots as Python pickles them: `Snapshot.dump()` and `pickle.dump(snapshot)`, Python 3.6 to 3.13,
//! protocols 0 to 5. Spec: CPython's `Lib/tracemalloc.py` and `Lib/pickletools.py`.
//!
//! A pickle is a program for a small stack machine that may call anything. This reader never builds an object and never
//! calls: it knows a closed list of opcodes and of names, follows only the shape of a snapshot, and refuses everything
//! else with the offset and the name. Traces are added up per traceback while they pass by, so memory grows with the
//! number of tracebacks, and by eight bytes per memo entry of the file.

mod machine;
mod refusal;
mod stack;
mod tables;
mod value;
mod window;

use super::{Format, Head, Input, Match};
use crate::model::facts::Facts;
use crate::model::profile::{HeapProfile, Measure, ProfileBody};
use crate::model::{Cite, Observation, time};
use machine::{End, Machine};

pub struct TracemallocPickle;

impl Format for TracemallocPickle {
    fn name(&self) -> &'static str {
        "tracemalloc-pickle"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let b = head.bytes;
        // From protocol 2 on a pickle names its protocol; 0 and 1 begin with the reconstructor's name.
        let pickle = matches!(b, [0x80, 2..=5, ..]) || b.starts_with(b"ccopy_reg\n_reconstructor\n");
        let start = b.get(..b.len().min(256)).unwrap_or(b);
        if pickle && memchr::memmem::find(start, b"tracemalloc").is_some() {
            return Match::Certain;
        }
        // Any other pickle is read too, in order to say what it is and that nothing of it was executed.
        let looks = match b {
            [0x80, 4 | 5, 0x95, ..] => true,
            [0x80, p, next, ..] => *p <= 5 && b"(c}])KMJXlNq".contains(next),
            [b'c', ..] => names_a_global(b),
            _ => false,
        };
        let named = [".pickle", ".pkl", ".pck"].iter().any(|e| head.file_name().ends_with(e));
        match (pickle || looks, named) {
            (true, true) => Match::Likely,
            (true, false) | (false, true) => Match::Weak,
            (false, false) => Match::No,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut machine = Machine::new(reader);
        let end = machine.run();
        let at = machine.offset();
        let mut truncated = false;
        match end {
            Ok(End::Snapshot) => {}
            Ok(End::Other) => {
                return out.error("not-a-snapshot", Some(at), || {
                    "a pickle, but not of a tracemalloc snapshot; nothing of it was executed".into()
                });
            }
            Ok(End::Truncated) => {
                truncated = true;
                let n = machine.tables.traces;
                out.warn("truncated", None, Some(at), || {
                    format!("the pickle ends before its last opcode; the {n} traces before that are counted")
                });
            }
            Ok(End::Unreadable(e)) => {
                truncated = true;
                out.error("unreadable", Some(at), || format!("cannot be read on: {e}"));
            }
            Err(refusal) => {
                return out.error(refusal.code, Some(refusal.offset), || {
                    format!("{}; nothing of the pickle was executed or used", refusal.message)
                });
            }
        }
        if machine.tables.traces == 0 && truncated {
            return;
        }
        if machine.tables.odd > 0 {
            let n = machine.tables.odd;
            out.warn("bad-trace", None, None, || format!("{n} traces have a negative or oversized block and are left out"));
        }
        if machine.trailing() {
            out.note("trailing-bytes", None, Some(at), || "bytes follow the end of the pickle and are not read".into());
        }
        let limit = machine.traceback_limit;
        let (table, totals) = machine.tables.into_stacks();
        let mut profile = HeapProfile {
            format: self.name(),
            measures: vec![
                Measure { name: "bytes".into(), unit: "bytes".into() },
                Measure { name: "objects".into(), unit: "count".into() },
            ],
            totals,
            truncated,
            body: ProfileBody::Stacks(Box::new(table)),
            ..HeapProfile::default()
        };
        if let Some(limit) = limit {
            profile.extra.insert("traceback_limit_frames".into(), limit);
        }
        out.profiles.push(Observation {
            at: time::in_name(input.file_name()),
            who: input.who.clone(),
            cite: Cite::whole(input.artifact, "tracemalloc snapshot"),
            what: profile,
        });
    }
}

/// Whether the head is protocol 0's `c<module>\n<name>\n`.
fn names_a_global(b: &[u8]) -> bool {
    let mut lines = b.get(1..).unwrap_or(&[]).split(|&c| c == b'\n');
    let word = |w: Option<&[u8]>| {
        w.is_some_and(|w| (1..=80).contains(&w.len()) && w.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.')))
    };
    word(lines.next()) && word(lines.next()) && lines.next().is_some_and(|l| matches!(l.first(), Some(b'(' | b'q' | b'p' | b'X' | b'R')))
}
