//! Comparison of allocation sites by function, line, file, address or traceback.

use super::{Snapshot, infos};
use crate::heap::sites::{self, Filter};
use crate::model::Placed;
use crate::model::delta::{Delta, RowOptions};
use crate::model::profile::{HeapProfile, ProfileBody};

/// Fills the top rows of every profile of stacks; the error names a bad pattern among the row flags.
pub fn fill_top(profiles: &mut [Placed<HeapProfile>], rows: &RowOptions) -> Result<(), String> {
    let filter = Filter::new(rows)?;
    for p in profiles {
        if let ProfileBody::Stacks(table) = &p.what.body {
            p.what.sites = sites::top(&p.what, table, rows, &filter);
        }
    }
    Ok(())
}

pub fn diff(snapshots: &[Snapshot<'_>], _rows: &RowOptions) -> Delta {
    Delta { snapshots: infos(snapshots, Some("bytes"), Some("objects")), ..Delta::default() }
}
