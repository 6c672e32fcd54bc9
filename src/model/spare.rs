//! Columns that have done their work, kept for the next graph: a fresh column of a big graph is paged in at the cost of
//! another pass over it (measured: a fifth of the time of comparing three big snapshots), a used one is there already.
//! Small columns are not kept. What a column held before is never seen: whoever takes one overwrites it.

use std::sync::{Mutex, PoisonError};

/// Columns shorter than this are cheaper to make than to look for.
const WORTH: usize = 1 << 18;

static SPARE: Mutex<Vec<Vec<u32>>> = Mutex::new(Vec::new());

/// A column of `len` rows with any content, to be overwritten.
pub fn take(len: usize) -> Vec<u32> {
    match find(len) {
        Some(mut column) => {
            column.resize(len, 0);
            column
        }
        None => vec![0; len],
    }
}

/// A column of `len` rows that all hold `value`.
pub fn filled(len: usize, value: u32) -> Vec<u32> {
    match find(len) {
        Some(mut column) => {
            column.clear();
            column.resize(len, value);
            column
        }
        None => vec![value; len],
    }
}

/// An empty column with room for `len` rows.
pub fn room(len: usize) -> Vec<u32> {
    match find(len) {
        Some(mut column) => {
            column.clear();
            column
        }
        None => Vec::with_capacity(len),
    }
}

/// Keeps a column for whoever needs one next.
pub fn give(column: Vec<u32>) {
    if column.capacity() >= WORTH {
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(column);
    }
}

/// Keeps only what a column of `len` rows would take.
pub fn keep_for(len: usize) {
    let mut kept = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|c| fits(c, len));
}

fn fits(column: &Vec<u32>, len: usize) -> bool {
    (len..=len.saturating_add(len / 2)).contains(&column.capacity())
}

/// Lets go of everything kept.
pub fn clear() {
    let kept = std::mem::take(&mut *SPARE.lock().unwrap_or_else(PoisonError::into_inner));
    drop(kept);
}

/// The smallest that is long enough, and not more than half as long again.
fn find(len: usize) -> Option<Vec<u32>> {
    if len < WORTH {
        return None;
    }
    let mut kept = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = kept.iter().enumerate().filter(|(_, c)| fits(c, len)).min_by_key(|(_, c)| c.capacity())?.0;
    Some(kept.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_comes_back_in_the_length_and_with_the_content_asked_for() {
        give(vec![7; WORTH + 10]);
        assert_eq!(filled(WORTH + 5, 3), vec![3; WORTH + 5]);
        give(vec![7; WORTH + 10]);
        assert_eq!(take(WORTH + 10).len(), WORTH + 10);
        assert!(room(WORTH).is_empty());
        assert_eq!(take(3), [0, 0, 0]);
    }
}
