//! What denies that all is well. "No memory problem" is a conclusion from absence, so everything that would speak against it
//! is asked first: words of runtimes, heaps that stand at their own cap, counters of kills and restarts that rose, nodes that
//! fill. One hit, and the page is not green.
//!
//! Refuses what is old, what another program's words quote, and what a collection still takes back.

use super::advice::advise;
use super::verdict::{FRESH, newest};
use crate::model::finding::Advice;
use crate::model::incident::PlacedSeries;
use crate::model::kubectl::Kubectl;
use crate::model::log::LogWord;
use crate::model::quantity::{human, times};
use crate::model::time::{HOUR, MINUTE};
use crate::model::trend::{Trend, TrendVerdict};
use crate::model::{Cite, Incident, Owner, Timestamp};
use std::collections::BTreeMap;

/// Share of its own maximum at which a heap that collections do not bring below has nothing left to give.
const HEAP_FULL: f64 = 0.95;
/// The level that a heap is above nine times of ten is what collections leave of it.
const FLOOR: f64 = 0.1;
/// A node with less than this share available reclaims without pause; the kubelet evicts at 100 MiB.
pub const NODE_EMPTY: f64 = 0.05;
/// Samples below which a level is a look.
const SAMPLES: usize = 10;

pub struct Denial {
    pub owner: Owner,
    pub says: String,
    pub source: &'static str,
    pub cite: Cite,
    /// What is filling, where it has a name.
    pub culprit: Option<&'static str>,
    pub advice: Advice,
}

/// In the order of how directly they deny it.
pub fn of(incident: &Incident) -> Vec<Denial> {
    let mut out = kernel_counts(incident);
    out.extend(refusals(incident));
    out.extend(full_heaps(incident));
    out.extend(nodes(incident));
    out.extend(restarts(incident));
    out
}

/// Rises of a node's own counter of kills that no kill on record explains.
fn kernel_counts(incident: &Incident) -> Vec<Denial> {
    let counters = incident.series.iter().filter(|s| s.what.metric == "node_vmstat_oom_kill");
    let mut out: Vec<Denial> = Vec::new();
    for s in counters {
        let values: Vec<(i64, f64)> = s.what.finite().collect();
        let rises = values.windows(2).filter_map(|w| Some((w.last()?.0, w.last()?.1 - w.first()?.1))).filter(|(_, n)| *n > 0.0);
        let (n, last) = rises.fold((0.0, None), |(n, _), (t, v)| (n + v, Some(t)));
        let Some(last) = last.map(|ms| Timestamp(ms.saturating_mul(1_000_000))) else { continue };
        let told = incident.kills.iter().any(|k| k.kind.is_memory() && k.at.is_none_or(|w| w.near(&crate::model::When::at(last), HOUR)));
        if told || out.iter().any(|d| d.owner.node == s.owner.node) {
            continue;
        }
        let node = node_of(s);
        let place = node.as_deref().unwrap_or("a node");
        out.push(Denial {
            owner: Owner { node: node.clone(), ..Owner::default() },
            says: format!(
                "the kernel of {place} killed {} for memory by its own count (oom_kill), last by {} UTC",
                times(n as u64),
                last.human()
            ),
            source: "Prometheus",
            cite: s.cite.clone(),
            culprit: None,
            advice: advise(
                "collect",
                "The node's kernel log says who was killed, and at which limit.".into(),
                node.and_then(|n| Kubectl::on_node(&n).say("journalctl -k -o short-iso-precise > kernel.log").finish()),
            ),
        });
    }
    out
}

fn node_of(s: &PlacedSeries) -> Option<String> {
    let instance = || s.what.label("instance").map(|i| i.rsplit_once(':').map_or(i, |(host, _)| host).to_owned());
    s.owner.node.clone().or_else(instance)
}

/// Programs that say themselves that they ran out, of late, and live.
fn refusals(incident: &Incident) -> Vec<Denial> {
    let newest = newest(incident);
    let mut by_owner: BTreeMap<&Owner, (u64, &LogWord, &Cite, Option<Timestamp>)> = BTreeMap::new();
    for l in &incident.logs {
        let old = l.at.mid().is_some_and(|t| newest.0.saturating_sub(t.0) > FRESH);
        if l.owner.pod.is_none() || old || !l.what.pattern.is_out_of_memory() || !own_words(&l.what.text) {
            continue;
        }
        let slot = by_owner.entry(&l.owner).or_insert((0, &l.what, &l.cite, None));
        slot.0 += 1;
        slot.3 = slot.3.max(l.at.mid());
    }
    by_owner
        .into_iter()
        .map(|(owner, (n, word, cite, last))| {
            let last = last.map_or(String::new(), |t| format!(", last at {} UTC", t.human()));
            Denial {
                owner: owner.clone(),
                says: format!(
                    "{} said {} that it ran out: \u{201c}{}\u{201d}{last}",
                    name(owner),
                    times(n),
                    super::overall::brief(&word.text)
                ),
                source: "Logs",
                cite: cite.clone(),
                culprit: None,
                advice: advise(
                    "fix",
                    "The limit that was met is the runtime's own, not the container's: its words name it (heap, threads, metaspace)."
                        .into(),
                    None,
                ),
            }
        })
        .collect()
}

/// Words that a program reports of another stand behind a level that is no error's.
fn own_words(text: &str) -> bool {
    let head = text.find("OutOfMemory").and_then(|i| text.get(..i)).unwrap_or("");
    !head.starts_with('{') && !["INFO", "DEBUG", "TRACE", "FIRING"].iter().any(|w| head.contains(w))
}

fn name(o: &Owner) -> String {
    match (&o.pod, &o.container) {
        (Some(p), Some(c)) if !p.starts_with(c.as_str()) => format!("{p} (container {c})"),
        (Some(p), _) => p.clone(),
        _ => o.label(),
    }
}

/// Gauges of a heap in use, and those of its maximum with the same labels.
const HEAPS: [(&str, &str); 3] = [
    ("jvm_memory_used_bytes", "jvm_memory_max_bytes"),
    ("jvm_memory_bytes_used", "jvm_memory_bytes_max"),
    ("v8js_memory_heap_used_bytes", "v8js_memory_heap_limit_bytes"),
];

fn full_heaps(incident: &Incident) -> Vec<Denial> {
    let mut out: Vec<Denial> = Vec::new();
    for s in &incident.series {
        let Some((_, bound)) = HEAPS.iter().find(|(used, _)| *used == s.what.metric) else { continue };
        if s.owner.pod.is_none() || s.what.label("area").is_some_and(|a| a != "heap") || out.iter().any(|d| d.owner == s.owner) {
            continue;
        }
        let same = |m: &&PlacedSeries| m.what.metric == *bound && m.owner == s.owner && m.what.labels == s.what.labels;
        let max = incident.series.iter().find(same).and_then(|m| m.what.finite().last()).map(|(_, v)| v).filter(|v| *v > 0.0);
        let Some(max) = max else { continue };
        let values: Vec<(i64, f64)> = s.what.finite().collect();
        let late = values.get(values.len() / 2..).unwrap_or(&[]);
        let mut level: Vec<f64> = late.iter().map(|(_, v)| *v).collect();
        level.sort_by(f64::total_cmp);
        let floor = level.get((level.len() as f64 * FLOOR) as usize).copied().unwrap_or(0.0);
        if level.len() < SAMPLES || floor < HEAP_FULL * max {
            continue;
        }
        let hours = late.last().zip(late.first()).map_or(0.0, |(z, a)| (z.0 - a.0) as f64 / 1000.0);
        out.push(Denial {
            owner: s.owner.clone(),
            says: format!(
                "the heap of {} stands at {:.0} % of its maximum of {} and no collection has brought it down for {}",
                name(&s.owner),
                floor / max * 100.0,
                human(max),
                crate::model::quantity::human_seconds(hours)
            ),
            source: "Runtime metrics",
            cite: s.cite.clone(),
            culprit: None,
            advice: advise(
                "fix",
                "Find what the heap keeps (two class histograms or heap dumps), or give it more; a collector that finds nothing to free takes the CPU from the program."
                    .into(),
                None,
            ),
        });
    }
    out
}

/// Nodes whose memory in use grows, or is all but gone.
fn nodes(incident: &Incident) -> Vec<Denial> {
    let of_node = |t: &&Trend| t.owner.pod.is_none() && t.owner.container.is_none() && t.metric.starts_with("node_");
    incident
        .trends
        .iter()
        .filter(of_node)
        .filter_map(|t| {
            let node = t.owner.node.as_deref()?;
            let last = t.runs.last()?.last_bytes;
            let empty = t.limit_bytes.is_some_and(|l| l > 0.0 && 1.0 - last / l < NODE_EMPTY);
            let grows = t.verdict == TrendVerdict::Leak && (empty || t.time_to_oom.is_some_and(|e| e.mid <= super::case::NEAR_SECONDS));
            if !(empty || grows) {
                return None;
            }
            let slab = slab(incident, node);
            let rate = t.slope.filter(|_| grows).map_or(String::new(), |s| format!(", growing {}/h", human(s.mid)));
            let of = t.limit_bytes.map_or(String::new(), |l| format!(" of its {}", human(l)));
            let in_slab = slab.map_or(String::new(), |gained| format!("; unreclaimable slab of the kernel gained {} of it", human(gained)));
            Some(Denial {
                owner: Owner::node(node),
                says: format!("node {node} uses {}{of}{rate}{in_slab}", human(last)),
                source: "Prometheus",
                cite: t.cite.clone(),
                culprit: slab.map(|_| "unreclaimable slab of the kernel"),
                advice: if slab.is_some() {
                    let top = Kubectl::on_node(node).say("slabtop -o -s c").finish();
                    advise("collect", "Which of the kernel's caches grows.".into(), top)
                } else {
                    let top = Kubectl::new().say(" top pods -A --sort-by=memory").finish();
                    advise("collect", "Who holds the node's memory.".into(), top)
                },
            })
        })
        .collect()
}

/// What unreclaimable slab gained where that is most of what the node lost.
fn slab(incident: &Incident, node: &str) -> Option<f64> {
    let of = |metric: &str| {
        let s = incident.series.iter().find(|s| s.what.metric.starts_with(metric) && node_of(s).as_deref() == Some(node))?;
        let (first, last) = (s.what.finite().next()?.1, s.what.finite().last()?.1);
        Some(last - first)
    };
    let (gained, lost) = (of("node_memory_SUnreclaim")?, -of("node_memory_MemAvailable")?);
    (gained > 0.0 && gained >= 0.5 * lost).then_some(gained)
}

/// Restarts that a counter shows and nothing explains.
fn restarts(incident: &Incident) -> Vec<Denial> {
    let unexplained = |t: &Trend, at: Timestamp| {
        let near = |w: Option<crate::model::When>| w.is_none_or(|w| w.near(&crate::model::When::at(at), 10 * MINUTE));
        !incident.kills.iter().any(|k| k.owner.same_pod(&t.owner) && near(k.at))
            && !incident.other_endings.iter().any(|o| o.owner.same_pod(&t.owner) && near(o.at))
    };
    let counted = |t: &Trend| {
        incident.series.iter().any(|s| {
            s.what.metric == "kube_pod_container_status_restarts_total"
                && s.owner.same_container(&t.owner)
                && s.what.finite().last().zip(s.what.finite().next()).is_some_and(|(z, a)| z.1 > a.1)
        })
    };
    let headline = incident.trends.iter().filter(|t| t.owner.container.is_some() && t.metric == crate::model::series::WORKING_SET);
    headline
        .filter(|t| counted(t))
        .filter_map(|t| {
            let open: Vec<Timestamp> = t.restarts.iter().copied().filter(|at| unexplained(t, *at)).collect();
            let last = open.last()?;
            Some(Denial {
                owner: t.owner.clone(),
                says: format!(
                    "{} restarted {} and nothing tells why, last at {} UTC",
                    name(&t.owner),
                    times(open.len() as u64),
                    last.human()
                ),
                source: "Prometheus",
                cite: t.cite.clone(),
                culprit: None,
                advice: advise(
                    "collect",
                    "How its last run ended.".into(),
                    Kubectl::within(t.owner.namespace.as_deref()).say(" describe pod ").name(t.owner.pod.as_deref()?).finish(),
                ),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_reports_of_others_is_not_its_own() {
        for own in [
            "java.lang.OutOfMemoryError: Java heap space",
            "2026 ERROR x java.lang.OutOfMemoryError",
            "Exception in thread \"a\" java.lang.OutOfMemoryError",
        ] {
            assert!(own_words(own), "{own}");
        }
        for other in
            ["INFO posting to #alerts: [FIRING:1] OOMKilled, java.lang.OutOfMemoryError", "{\"text\":\"java.lang.OutOfMemoryError\"}"]
        {
            assert!(!own_words(other), "{other}");
        }
    }
}
