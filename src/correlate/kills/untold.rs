//! Ends of runs that a series shows and no other witness tells of: each known kill stands for one of them, the nearest.

use crate::model::Timestamp;
use crate::model::kill::Kill;

/// The times of `ends`, earliest first, that none of `known` stands for. Two witnesses of one ending lie within `slack` ns of
/// each other; in a crash loop the next ending may lie no further off, so half the way to it is the most, and a kill is
/// taken once.
pub(in crate::correlate) fn untold(ends: &[Timestamp], known: &[&Kill], slack: i64) -> Vec<Timestamp> {
    let apart = ends.windows(2).filter_map(|w| Some(w.last()?.0.saturating_sub(w.first()?.0))).min().unwrap_or(i64::MAX);
    let slack = slack.min(apart / 2);
    let mut used = vec![false; known.len()];
    let mut out = Vec::new();
    for &end in ends {
        let apart = |k: &Kill| k.at.map_or(0, |w| (w.earliest.0.saturating_sub(end.0)).max(end.0.saturating_sub(w.latest.0)).max(0));
        let fits = |k: &Kill| apart(k) <= slack;
        // A kill without a time, or a storm that was folded into one, may be any of them.
        let any = |k: &Kill| k.at.is_none() || k.count > 1;
        let free = known.iter().zip(&used).enumerate().filter(|(_, (k, used))| fits(k) && (any(k) || !**used));
        match free.min_by_key(|(i, (k, _))| (apart(k), *i)).map(|(i, _)| i) {
            Some(i) => {
                if let Some(u) = used.get_mut(i) {
                    *u = true;
                }
            }
            None => out.push(end),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::When;
    use crate::model::time::MINUTE;

    #[test]
    fn a_kill_stands_for_one_end_of_a_loop() {
        let at = |m: i64| Timestamp(m * MINUTE);
        let kill = |m: i64, count: u64| Kill { at: Some(When::at(at(m))), count, ..Kill::default() };
        let ends: Vec<Timestamp> = (0..10).map(|i| at(2 * i)).collect();
        let one = kill(8, 1);
        assert_eq!(untold(&ends, &[&one], 4 * MINUTE).len(), 9);
        let storm = kill(8, 5);
        assert_eq!(untold(&ends[..1], &[&storm], 9 * MINUTE).len(), 0, "a folded storm stands for all within its reach");
        let after = kill(20, 1);
        assert_eq!(untold(&ends, &[&after], 9 * MINUTE).len(), 10, "the end after the last sample is another one");
        let undated = Kill { count: 1, ..Kill::default() };
        assert!(untold(&ends, &[&undated], MINUTE).is_empty());
    }
}
