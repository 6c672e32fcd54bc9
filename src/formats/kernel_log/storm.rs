//! Repetition: a report pasted twice is one report, a victim that the kernel picks again and again is one kill, and
//! beyond a thousand kills further ones are counted per cgroup and name, without their tables. Reports without a victim
//! are counted per cgroup.

use super::report::{NoVictim, Outcome};
use crate::model::diagnostic::Severity;
use crate::model::log::{LogPattern, LogWord};
use crate::model::oom::OomKill;
use crate::model::quantity::human_seconds;
use crate::model::time::{MINUTE, SECOND};
use crate::model::{Cite, Claim, Facts, Observation, RawTime};
use std::collections::BTreeMap;

/// Kills of one artifact that are kept with their tables.
const KEPT_WHOLE: usize = 1_024;
/// Kills beyond those are kept without their tables, one entry per cgroup and name, up to this many entries.
const KEPT_LIGHT: usize = 8_192;
/// The kernel picks the same process again while it is slow to die.
const SAME_DEATH: i64 = 2 * MINUTE;

/// Collects outcomes into facts.
#[derive(Debug, Default)]
pub struct Storm {
    /// Kills by pid and name, as indices into `facts.kills`.
    by_victim: BTreeMap<(u32, String), Vec<usize>>,
    /// Last kill of a cgroup and name: what further ones are counted into.
    by_kind: BTreeMap<(String, String), usize>,
    /// The entry into which kills beyond all bounds are counted.
    others: Option<usize>,
    none: BTreeMap<Kind, (NoVictim, u64, RawTime)>,
}

/// Reports without a victim are counted together when these agree.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    memcg: String,
    sysrq: bool,
    said: bool,
    begun: bool,
}

impl Storm {
    pub fn take(&mut self, outcome: Outcome, facts: &mut Facts) {
        match outcome {
            Outcome::Kill(k) => self.kill(*k, facts),
            Outcome::None(n) => {
                let key = Kind { memcg: n.oom_memcg.clone().unwrap_or_default(), sysrq: n.sysrq, said: n.said, begun: n.begun };
                let at = n.at.clone();
                if self.none.len() >= KEPT_WHOLE && !self.none.contains_key(&key) {
                    return;
                }
                let slot = self.none.entry(key).or_insert((*n, 0, RawTime::Absent));
                slot.1 += 1;
                slot.2 = at;
            }
        }
    }

    fn kill(&mut self, k: Observation<OomKill>, facts: &mut Facts) {
        let victim = k.what.victims.first();
        let comm = victim.and_then(|v| v.comm.clone()).unwrap_or_default();
        let key = (victim.and_then(|v| v.pid).unwrap_or(0), comm.clone());
        for &i in self.by_victim.get(&key).map_or(&[][..], Vec::as_slice) {
            let Some(old) = facts.kills.get_mut(i) else { continue };
            if same_report(old, &k) {
                facts.diagnostics.push(Severity::Note, "repeated-report", k.cite.span.line, Some(k.cite.span.offset), || {
                    "the same out-of-memory report stands in the file again; counted once".into()
                });
                return;
            }
            if same_death(old, &k) {
                old.what.count += 1;
                old.what.last = k.at;
                return;
            }
        }
        let kind = (k.what.oom_memcg.clone().or_else(|| k.what.task_memcg.clone()).unwrap_or_default(), comm);
        let mut k = k;
        if facts.kills.len() >= KEPT_WHOLE {
            facts.diagnostics.push(Severity::Note, "storm-folded", k.cite.span.line, Some(k.cite.span.offset), || {
                format!("more than {KEPT_WHOLE} kills: further ones are counted into one entry per cgroup and name")
            });
            if let Some(old) = self.by_kind.get(&kind).and_then(|&i| facts.kills.get_mut(i)) {
                old.what.count = old.what.count.saturating_add(k.what.count);
                old.what.last = k.at;
                return;
            }
            k.what.tasks = Vec::new();
            k.what.memcg_stats = BTreeMap::new();
            if facts.kills.len() >= KEPT_LIGHT {
                // Of whom these were is not kept; that they happened is.
                if let Some(old) = self.others.and_then(|i| facts.kills.get_mut(i)) {
                    old.what.count = old.what.count.saturating_add(k.what.count);
                    old.what.last = k.at;
                    return;
                }
                self.others = Some(facts.kills.len());
                k.who = Claim { node: k.who.node, ..Claim::default() };
                k.what = OomKill {
                    victims: k.what.victims,
                    constraint: k.what.constraint,
                    boot: k.what.boot,
                    count: k.what.count,
                    ..OomKill::default()
                };
                facts.kills.push(k);
                return;
            }
        }
        let index = facts.kills.len();
        self.by_victim.entry(key).or_default().push(index);
        self.by_kind.insert(kind, index);
        facts.kills.push(k);
    }

    /// Writes down what was counted.
    pub fn finish(self, facts: &mut Facts) {
        let (mut begun, mut bare, mut broken) = (0u64, 0u64, 0u64);
        let mut first: Option<Cite> = None;
        let stormy = self.none.keys().any(|k| k.said);
        for (key, (n, count, last)) in self.none {
            let (line, offset) = (n.cite.span.line, Some(n.cite.span.offset));
            if key.sysrq && !key.said {
                facts.note("manual-oom-no-victim", line, offset, || "SysRq f asked for an out-of-memory kill and none followed".into());
                continue;
            }
            *(if key.begun { &mut begun } else { &mut bare }) += count;
            if first.as_ref().is_none_or(|f| n.cite.span < f.span) {
                first = Some(n.cite.clone());
            }
            if !key.said {
                broken += count;
                continue;
            }
            let place = n.oom_memcg.as_deref().unwrap_or("a cgroup that the report does not name");
            let text = format!("out of memory in {place} and no killable process, {count} reports");
            let mut numbers = vec![("reports", count as f64)];
            numbers.extend(n.limit_bytes.map(|b| ("limit_bytes", b as f64)));
            let span = span_seconds(&n.at, &last).filter(|s| *s > 0.0);
            let text = span.map_or(text.clone(), |s| format!("{text} in {}", human_seconds(s)));
            numbers.extend(span.map(|s| ("span_seconds", s)));
            facts.logs.push(Observation {
                at: n.at,
                who: n.who,
                cite: n.cite,
                what: LogWord { pattern: LogPattern::NoVictimStorm, text, numbers },
            });
        }
        let Some(first) = first else { return };
        let mut say = |severity, code, count, message: &str| {
            for _ in 0..count {
                facts.diagnostics.push(severity, code, first.span.line, Some(first.span.offset), || message.into());
            }
        };
        if stormy {
            say(Severity::Note, "no-killable-process", begun, "out-of-memory reports without a killable process: nothing was killed");
            say(Severity::Warning, "report-head-lost", bare, "out-of-memory reports of which only the end is there");
        } else {
            say(
                Severity::Warning,
                "report-without-victim",
                broken,
                "an out-of-memory report names no victim: the line that does is missing",
            );
        }
    }
}

/// The same report read twice: equal in all but its place in the file (and the boot that a paste seems to begin).
fn same_report(a: &Observation<OomKill>, b: &Observation<OomKill>) -> bool {
    let clock = |t: &RawTime| match *t {
        RawTime::SinceBoot { ns, .. } => RawTime::SinceBoot { boot: 0, ns, precision: 0 },
        ref other => other.clone(),
    };
    clock(&a.at) == clock(&b.at)
        && a.what.victims == b.what.victims
        && a.what.trigger_pid == b.what.trigger_pid
        && a.what.trigger_comm == b.what.trigger_comm
        && a.what.memcg_stats == b.what.memcg_stats
        && a.what.tasks == b.what.tasks
}

fn same_death(a: &Observation<OomKill>, b: &Observation<OomKill>) -> bool {
    a.what.boot == b.what.boot
        && a.who.node == b.who.node
        && a.what.task_memcg == b.what.task_memcg
        && span_seconds(if a.what.last == RawTime::Absent { &a.at } else { &a.what.last }, &b.at)
            .is_some_and(|s| s.abs() <= (SAME_DEATH / SECOND) as f64)
}

/// Seconds between two stamps of one clock.
fn span_seconds(a: &RawTime, b: &RawTime) -> Option<f64> {
    let ns = match (a, b) {
        (RawTime::Utc { at: a, .. }, RawTime::Utc { at: b, .. })
        | (
            RawTime::NoZone { civil: a, .. } | RawTime::SomeZone { civil: a, .. },
            RawTime::NoZone { civil: b, .. } | RawTime::SomeZone { civil: b, .. },
        )
        | (RawTime::NoYear { civil: a, .. }, RawTime::NoYear { civil: b, .. }) => b.0.checked_sub(a.0)?,
        (RawTime::SinceBoot { boot: x, ns: a, .. }, RawTime::SinceBoot { boot: y, ns: b, .. }) if x == y => b.checked_sub(*a)?,
        _ => return None,
    };
    Some(ns as f64 / SECOND as f64)
}
