//! Sample times of a series, shared with other series that were sampled at the same moments: every series of one answer over
//! a range, so that a table of thousands holds its times once. Read as a slice; changing shared times copies them first.

use std::ops::Deref;
use std::sync::Arc;

/// Unix milliseconds, ascending as stored.
#[derive(Clone, Default, PartialEq)]
pub struct Times(Arc<Vec<i64>>);

impl Times {
    /// The times as a list of this series alone.
    pub fn edit(&mut self) -> &mut Vec<i64> {
        Arc::make_mut(&mut self.0)
    }

    /// `times`, in the memory of `last` where they are the same; `last` becomes these.
    pub fn again(last: &mut Times, times: &[i64]) -> Times {
        if last[..] != *times {
            *last = Times(Arc::new(times.into()));
        }
        last.clone()
    }
}

impl Deref for Times {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        &self.0
    }
}

impl From<Vec<i64>> for Times {
    fn from(times: Vec<i64>) -> Self {
        Times(Arc::new(times))
    }
}

impl FromIterator<i64> for Times {
    fn from_iter<I: IntoIterator<Item = i64>>(times: I) -> Self {
        Vec::from_iter(times).into()
    }
}

impl Extend<i64> for Times {
    fn extend<I: IntoIterator<Item = i64>>(&mut self, times: I) {
        self.edit().extend(times);
    }
}

impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_times_are_held_once_until_one_of_them_changes() {
        let mut last = Times::default();
        let a = Times::again(&mut last, &[1, 2, 3]);
        let mut b = Times::again(&mut last, &[1, 2, 3]);
        assert!(Arc::ptr_eq(&a.0, &b.0));
        b.edit().push(4);
        assert_eq!((&a[..], &b[..]), (&[1, 2, 3][..], &[1, 2, 3, 4][..]));
        assert_eq!(&Times::again(&mut last, &[5])[..], &[5]);
    }
}
