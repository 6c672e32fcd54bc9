//! Comparison of class histograms by class.

use super::{Snapshot, infos};
use crate::model::delta::{Delta, RowOptions};

pub fn diff(snapshots: &[Snapshot<'_>], _rows: &RowOptions) -> Delta {
    Delta { snapshots: infos(snapshots, Some("bytes"), Some("objects")), ..Delta::default() }
}
