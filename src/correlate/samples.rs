//! Memory that was sampled by hand: `kubectl top` in a loop, metrics.k8s.io answers saved every few minutes. Readings of one
//! container at enough known moments are the working-set series that Prometheus would have stored, and are judged as one.
//! Nothing is added where the series itself is in the input.

use crate::model::by_pod::ByPod;
use crate::model::incident::PlacedSeries;
use crate::model::series::{Series, WORKING_SET};
use crate::model::time::{MINUTE, civil};
use crate::model::{ArtifactId, Cite, Incident, Owner, Timestamp};
use std::collections::BTreeMap;

/// Fewer readings are a look, not a series.
const READINGS_MIN: usize = 6;

/// Adds the series that readings make.
pub fn series(incident: &mut Incident) {
    let mut found: BTreeMap<Owner, (Cite, BTreeMap<i64, f64>)> = BTreeMap::new();
    let mut names: BTreeMap<ArtifactId, Option<Timestamp>> = BTreeMap::new();
    for u in incident.usage.iter().filter(|u| u.owner.pod.is_some()) {
        let id = u.cite.span.artifact;
        let own = u.at.mid().filter(|_| u.at.is_known() && u.at.width() <= 2 * MINUTE);
        let at = own.or_else(|| *names.entry(id).or_insert_with(|| stamp(incident.path(id))));
        let (Some(at), Some(bytes)) = (at, u.what.working_set_bytes) else { continue };
        // The node differs between a table and an answer of the API; the container does not.
        let owner = Owner { node: None, ..u.owner.clone() };
        let slot = found.entry(owner).or_insert_with(|| (u.cite.clone(), BTreeMap::new()));
        slot.1.insert(at.0.div_euclid(1_000_000), bytes as f64);
    }
    let mut by_pod = ByPod::of(incident.series.iter().map(|s| &s.owner));
    for (owner, (cite, samples)) in found {
        let known = |s: &PlacedSeries| s.what.metric.ends_with(WORKING_SET);
        if samples.len() < READINGS_MIN || by_pod.of_pod(&incident.series, &owner).any(known) {
            continue;
        }
        let labels = [("namespace", &owner.namespace), ("pod", &owner.pod), ("container", &owner.container)];
        let labels = labels.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.clone()?))).collect();
        let mut what = Series::new(WORKING_SET.into(), labels);
        (what.times, what.values) = samples.into_iter().unzip();
        by_pod.add(&owner, incident.series.len());
        incident.series.push(PlacedSeries { owner, cite, what });
    }
}

/// The moment in a file's own name: `top-20260506T101500Z.txt`, `top_2026-05-06_10-15.txt`. The zone is taken for UTC, which
/// moves all files of one loop alike.
fn stamp(path: &str) -> Option<Timestamp> {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path);
    let b = name.as_bytes();
    (0..b.len()).filter(|&i| i == 0 || !b.get(i - 1).is_some_and(u8::is_ascii_digit)).find_map(|i| {
        let digits: Vec<u32> = b
            .get(i..)?
            .iter()
            .take_while(|c| c.is_ascii_digit() || matches!(c, b'-' | b'_' | b':' | b'T' | b'.'))
            .filter(|c| c.is_ascii_digit())
            .take(15)
            .map(|c| u32::from(c - b'0'))
            .collect();
        if !matches!(digits.len(), 12 | 14) {
            return None;
        }
        let n = |from: usize, len: usize| digits.get(from..from + len).map(|d| d.iter().fold(0, |a, d| a * 10 + d));
        let year = n(0, 4).filter(|y| (2000..2100).contains(y))?;
        civil(year.into(), n(4, 2)?, n(6, 2)?, n(8, 2)?, n(10, 2)?, n(12, 2).unwrap_or(0), 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_tell_when_they_were_written() {
        let want = civil(2026, 5, 6, 10, 15, 0, 0);
        for path in ["a/top-20260506T101500Z.txt", "top_2026-05-06_10-15.txt", "b!2026-05-06T10:15:00.top"] {
            assert_eq!(stamp(path), want, "{path}");
        }
        for path in ["top-20260506.txt", "top-1.txt", "20261350T101500Z.txt", "x/2026/05/06/top.txt"] {
            assert_eq!(stamp(path), None, "{path}");
        }
    }
}
