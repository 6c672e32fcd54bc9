//! Fuzz target for the readers of profiles, as an ordinary function: any bytes, no panic, no invented sums.
//! Used by `fuzz_targets/profiles.rs` and by the mutation loop of the tests.

use postmem::formats::{Format, Head, Input, Open, goroutine_text::GoroutineText, heap_text::HeapText, pprof::Pprof};
use postmem::model::profile::ProfileBody;
use postmem::model::{ArtifactId, Claim, Facts};
use std::borrow::Cow;
use std::io::{self, Read};

struct Memory<'a>(&'a [u8]);

impl Open for Memory<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(self.0))
    }
}

/// Facts of `data` as `format` reads them.
pub fn parse(format: &dyn Format, data: &[u8]) -> Facts {
    let source = Memory(data);
    let head = Head { path: "x.pb", bytes: data.get(..Head::LEN).unwrap_or(data), complete: data.len() <= Head::LEN };
    let _ = format.sniff(&head);
    let input = Input { artifact: ArtifactId(0), path: "x.pb", len: Some(data.len() as u64), who: Claim::default(), source: &source };
    let mut facts = Facts::new(ArtifactId(0));
    format.parse(&input, &mut facts);
    facts
}

/// Every reader of profiles on the same bytes; what they give must be consistent in itself.
pub fn profiles(data: &[u8]) {
    for format in [&Pprof as &dyn Format, &HeapText, &GoroutineText] {
        for p in parse(format, data).profiles {
            assert_eq!(p.what.measures.len(), p.what.totals.len());
            assert!(p.what.default_measure < p.what.measures.len());
            let ProfileBody::Stacks(t) = &p.what.body else { continue };
            assert_eq!(t.values.len(), t.samples() * p.what.measures.len());
            assert!(t.stack_locs.iter().all(|l| (*l as usize) < t.locations()));
            assert!(t.loc_frames.iter().all(|f| (f.function as usize) < t.functions.len()));
        }
    }
}
