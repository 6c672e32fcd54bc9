//! The pages of `postmem diff`: one comparison, without an incident around it.

mod html;
mod terminal;

use crate::model::delta::Delta;
use crate::report::{escape, markdown, when};

pub use html::html;
pub use terminal::terminal;

/// Rows of the Markdown table; the JSON document has all.
const ROWS: usize = 50;

/// Total of a snapshot, or its object count where the measure is one.
fn totals(delta: &Delta) -> Vec<(String, String, String)> {
    delta
        .snapshots
        .iter()
        .map(|s| {
            let size = match (s.total_bytes, s.objects) {
                (Some(b), _) => crate::model::quantity::human(b as f64),
                (None, Some(n)) => when::grouped(n),
                (None, None) => "unknown".into(),
            };
            let time = s.time.map(when::stamp).unwrap_or_default();
            (s.path.clone(), time, if s.truncated { format!("{size} (truncated)") } else { size })
        })
        .collect()
}

/// `grew by 279 MiB` from first to last.
fn headline(delta: &Delta) -> String {
    let of = |s: Option<&crate::model::delta::SnapshotInfo>| s.and_then(|s| s.total_bytes);
    let counts = |s: Option<&crate::model::delta::SnapshotInfo>| s.and_then(|s| s.objects);
    let steps = delta.snapshots.len();
    let over = format!("over {steps} snapshots");
    match (of(delta.snapshots.first()), of(delta.snapshots.last())) {
        (Some(a), Some(b)) if b > a => format!("Grew by {} {over}", crate::model::quantity::human((b as f64) - (a as f64))),
        (Some(a), Some(b)) if b < a => format!("Shrank by {} {over}", crate::model::quantity::human((a as f64) - (b as f64))),
        (Some(_), Some(_)) => format!("Same size {over}"),
        _ => match (counts(delta.snapshots.first()), counts(delta.snapshots.last())) {
            (Some(a), Some(b)) => format!("{} objects {over}", when::grouped(b.saturating_sub(a))),
            _ => format!("Compared {over}"),
        },
    }
}

/// The comparison as GitHub Markdown, within [`markdown::MAX_BYTES`].
pub fn markdown(delta: &Delta) -> String {
    let mut rows = ROWS;
    loop {
        let page = markdown::comparison(delta, &headline(delta), &totals(delta), rows);
        if page.len() <= markdown::MAX_BYTES || rows <= 1 {
            return escape::neutral(&page).into_owned();
        }
        rows /= 2;
    }
}
