//! A journal that was read late: kills older than the stamp they bear.
//!
//! journald stamps what it finds in the kernel's buffer with the moment it read it (systemd, journald-kmsg.c).

use crate::model::time::SECOND;
use crate::model::{Facts, RawTime};
use std::collections::BTreeMap;

/// Marks them. A journal's text modes show the moment of reading only; its JSON, export and verbose forms tell the true
/// time and are not concerned. Signs: kills of several cgroups in the second with which a boot's lines begin
/// (`first_receipt`, and whether that line is a report's own), and kills in the seconds up to journald's own word that it began (`journal_began`, with its offset).
/// Such kills are older than their stamp, which correlation turns into an interval.
pub fn mark(facts: &mut Facts, first_receipt: &BTreeMap<u32, (RawTime, bool)>, journal_began: &[(RawTime, u64)]) {
    let second = |t: &RawTime| match *t {
        RawTime::Utc { at: t, .. }
        | RawTime::NoZone { civil: t, .. }
        | RawTime::SomeZone { civil: t, .. }
        | RawTime::NoYear { civil: t, .. } => Some(t.0.div_euclid(SECOND)),
        _ => None,
    };
    if first_receipt.is_empty() && journal_began.is_empty() {
        return;
    }
    // A file that begins with a report is what somebody cut out of a log; the kernel's buffer begins with the boot.
    let first: Vec<i64> = first_receipt.values().filter(|(_, excerpt)| !excerpt).filter_map(|(t, _)| second(t)).collect();
    let began: Vec<(i64, u64)> = journal_began.iter().filter_map(|(t, at)| Some((second(t)?, *at))).collect();
    let mut bursts: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for k in facts.kills.iter().filter(|k| k.what.uptime_seconds.is_none()) {
        if let Some(s) = second(&k.at).filter(|s| first.contains(s)) {
            bursts.entry(s).or_default().push(k.what.oom_memcg.as_deref().unwrap_or(""));
        }
    }
    let bursts: Vec<i64> = bursts.into_iter().filter(|(_, groups)| groups.iter().any(|g| Some(g) != groups.first())).map(|b| b.0).collect();
    let mut told: Option<(Option<u32>, u64)> = None;
    let mut count = 0u64;
    for k in facts.kills.iter_mut().filter(|k| k.what.uptime_seconds.is_none()) {
        let Some(s) = second(&k.at) else { continue };
        let offset = k.cite.span.offset;
        let journald = k.what.victims.iter().any(|v| v.comm.as_deref().is_some_and(|c| c.starts_with("systemd-journal")));
        let before = began.iter().any(|(t, at)| offset < *at && (0..=2).contains(&(t - s)) && !journald);
        if bursts.contains(&s) || before {
            k.what.read_late = true;
            count += 1;
            told = told.or(Some((k.cite.span.line, offset)));
        }
    }
    if let Some((line, offset)) = told {
        facts.warn("late-journal", line, Some(offset), || {
            format!("{count} kills bear the second in which the journal began: that is when they were read, they are older")
        });
    }
}
