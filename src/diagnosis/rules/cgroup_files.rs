//! Claims: what fills a container that stands at its limit, by the files of its memory cgroup; and that it is throttled
//! there. Mechanism: `memory.stat` splits the charge into anonymous memory, cache, shmem and kernel memory;
//! `memory.events` counts reclaim at `memory.high`, which slows and never kills. Refuted by: nothing, it is the kernel's own
//! count; but it tells of one moment, so a cgroup far below its limit proves nothing.

use crate::diagnosis::case::Case;
use crate::diagnosis::cgroup_state::CgroupState;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::human;

/// Share of the limit from which on what the cgroup holds is what filled it.
const FILLED: f64 = 0.8;
/// Shares of the limit from which on a part is the mechanism or bears on it, as for the kernel's statistics at a kill.
const MOST: f64 = 0.5;
const MUCH: f64 = 0.3;
/// Anonymous memory of this share leaves no room for another explanation.
const ALMOST_ALL: f64 = 0.7;
/// What is left of the limit's share without inactive cache, below which there is no danger.
const EASY: f64 = 0.66;

pub struct CgroupFiles;

impl Rule for CgroupFiles {
    fn id(&self) -> &'static str {
        "cgroup-files"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        let Some(s) = &case.cgroup else { return };
        throttling(s, out);
        let Some(limit) = s.max.or(case.limit()).filter(|m| *m > 0.0) else { return };
        if s.usage().is_none_or(|u| u < FILLED * limit) {
            return;
        }
        parts(s, limit, before_the_end(case, s), out);
    }
}

/// Whether the files show the life that this case is about: nothing was killed, or they were read before the last kill.
fn before_the_end(case: &Case<'_>, s: &CgroupState) -> bool {
    let last = case.kills.iter().filter(|k| k.kind.is_memory()).filter_map(|k| k.at).map(|w| w.earliest).max();
    match (case.kills.iter().any(|k| k.kind.is_memory()), last, s.at) {
        (false, ..) => true,
        (true, Some(kill), Some(read)) => read.latest < kill,
        _ => false,
    }
}

fn throttling(s: &CgroupState, out: &mut Witness<'_>) {
    let Some(high) = s.high.filter(|_| s.throttled()) else { return };
    let says = format!("the kernel throttled it {} times at memory.high of {}", s.high_events, human(high));
    match s.stalled {
        Some(share) if s.stalls() => {
            let says = format!("{says}; some task waited for memory {share:.0} % of the last minute");
            out.supports(Cause::LimitBelowNeed, Strength::Strong, "Node", s.cites.clone(), says.clone());
            out.contradicts(Cause::NoProblem, Strength::Strong, "Node", s.cites.clone(), says);
        }
        Some(_) => {}
        None => out.supports(Cause::LimitBelowNeed, Strength::Weak, "Node", s.cites.clone(), says),
    }
}

/// Which part of the charge is most of it.
fn parts(s: &CgroupState, limit: f64, before: bool, out: &mut Witness<'_>) {
    let mut say = |cause: Cause, stands: bool, strength: Strength, says: &str| {
        let cites = s.cites.clone();
        if stands {
            out.supports(cause, strength, "Node", cites, says.to_owned());
        } else {
            out.contradicts(cause, strength, "Node", cites, says.to_owned());
        }
    };
    let told = |what: &str, bytes: f64| {
        format!("when the cgroup was read {what} was {}, {:.0} % of the limit of {}", human(bytes), bytes / limit * 100.0, human(limit))
    };
    const PROGRAM: [Cause; 3] = [Cause::HeapLeak, Cause::NativeGrowth, Cause::LimitBelowNeed];
    if let Some(anon) = s.anon.filter(|a| *a >= ALMOST_ALL * limit) {
        let says = told("anonymous memory", anon);
        for cause in [Cause::PageCache, Cause::TmpfsCharge, Cause::KernelMemory] {
            say(cause, false, Strength::Strong, &says);
        }
        return;
    }
    for (cause, what, bytes) in [(Cause::TmpfsCharge, "shmem (files in memory)", s.shmem), (Cause::KernelMemory, "kernel memory", s.kernel)]
    {
        let Some(bytes) = bytes.filter(|b| *b >= MUCH * limit) else { continue };
        let says = told(what, bytes);
        let strength = if bytes >= MOST * limit { Strength::Strong } else { Strength::Moderate };
        say(cause, true, strength, &says);
        PROGRAM.iter().for_each(|c| say(*c, false, strength, &says));
    }
    // Inactive file pages are what the working set leaves out: the kernel drops them before it kills. After a kill the cache of
    // the next life fills what is free, whatever ended the one before.
    if before
        && let (Some(usage), Some(inactive)) = (s.usage(), s.inactive_file)
        && usage - inactive <= EASY * limit
    {
        let says = told("inactive file cache, which the kernel can drop,", inactive);
        say(Cause::PageCache, true, Strength::Strong, &says);
        PROGRAM.iter().for_each(|c| say(*c, false, Strength::Moderate, &says));
    }
}
