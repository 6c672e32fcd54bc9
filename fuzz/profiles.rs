//! Fuzz target for the readers of profiles, as an ordinary function: any bytes, no panic, no invented sums.
//! Used by `fuzz_targets/profiles.rs` and by the mutation loop of the tests.

use postmem::formats::{
    Format, Head, Input, Open, contention_text::ContentionText, goroutine_text::GoroutineText, heap_text::HeapText, java_heapz::JavaHeapz,
    pprof::Pprof,
};
use postmem::heap::sites;
use postmem::model::delta::{GroupBy, RowOptions};
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
    for format in [&Pprof as &dyn Format, &HeapText, &GoroutineText, &JavaHeapz, &ContentionText] {
        for p in parse(format, data).profiles {
            assert_eq!(p.what.measures.len(), p.what.totals.len());
            assert!(p.what.default_measure < p.what.measures.len());
            let ProfileBody::Stacks(t) = &p.what.body else { continue };
            assert_eq!(t.values.len(), t.samples() * p.what.measures.len());
            assert!(t.stack_of.iter().all(|k| (*k as usize) < t.stacks()));
            assert!(t.stack_start.is_sorted() && t.stack_start.last().is_none_or(|e| *e as usize == t.stack_locs.len()));
            assert!(t.stack_locs.iter().all(|l| (*l as usize) < t.locations()));
            assert!(t.loc_frames.iter().all(|f| (f.function as usize) < t.functions.len()));
            // Whatever the grouping, own values add up to the whole.
            for by in [GroupBy::Function, GroupBy::Line, GroupBy::Address] {
                let rows = RowOptions { by: Some(by), top: Some(0), ..RowOptions::default() };
                let filter = sites::Filter::default();
                let ask = sites::Ask { by, filter: &filter, scale: None, noise: None, cumulative: true, stacks: None };
                let sums = sites::sum(&p.what, t, ask);
                let m = p.what.measures.len();
                let whole: Vec<i128> = (0..m).map(|i| sums.own.iter().skip(i).step_by(m).map(|v| i128::from(*v)).sum()).collect();
                let empty = (0..t.samples()).any(|s| t.stack(s).is_empty());
                let huge = t.values.iter().any(|v| v.unsigned_abs() > 1 << 40);
                assert!(empty || huge || whole.iter().zip(&p.what.totals).all(|(a, b)| *a == i128::from(*b)), "{by:?} {whole:?}");
                sites::top(&p.what, t, &rows, &filter);
            }
        }
    }
}
