//! What a reader sees first: the class of incident, one sentence, the first step, four numbers.

use super::names::Names;
use crate::model::finding::{Advice, Verdict};
use crate::model::kill::Kill;
use crate::model::quantity::{human, human_seconds};
use crate::model::series::WORKING_SET;
use crate::model::time::MINUTE;
use crate::model::trend::TrendVerdict;
use crate::model::{Incident, Owner, Timestamp};
use crate::report::document::{Figure, FindingDoc, Headline, ReportDoc, Span};

/// The class of incident in words and the tone it is shown in.
pub fn class_of(cause: &str) -> (&'static str, &'static str) {
    match cause {
        "heap-leak" => ("Application leak", "harm"),
        "native-growth" => ("Growth outside the managed heap", "harm"),
        "limit-below-need" => ("Limit too low", "harm"),
        "load-spike" => ("Load spike", "harm"),
        "load-growth" => ("Load has outgrown the limit", "harm"),
        "runtime-cap-above-limit" => ("Runtime cap above the limit", "harm"),
        "page-cache" => ("Page cache", "ok"),
        "tmpfs-charge" => ("Files in memory", "harm"),
        "kernel-memory" => ("Kernel memory", "harm"),
        "node-overcommit" => ("Node out of memory", "harm"),
        "neighbour-in-pod" => ("Neighbour in the pod", "harm"),
        "node-agent-leak" => ("Node service leak", "harm"),
        "startup-peak" => ("Start-up peak", "harm"),
        "batch-peak" => ("Batch job outgrew its limit", "harm"),
        "not-memory-kill" => ("Not a memory kill", "warn"),
        "no-problem" => ("No memory problem", "ok"),
        _ => ("Inconclusive", "unknown"),
    }
}

pub fn headline(incident: &Incident, verdict: &Verdict, doc: &ReportDoc, names: &Names<'_>) -> Headline {
    let Some(f) = doc.findings.first() else {
        if let Some(focus) = &verdict.focus {
            // What ended there is no good news, even where no rule could say why.
            let ended = incident.kills.iter().filter(|k| focus.covers(&k.owner)).count();
            if ended > 0 {
                return Headline {
                    cause: "inconclusive".into(),
                    class: "Not explained".into(),
                    tone: "unknown".into(),
                    strength: "no finding concerns it".into(),
                    sentence: format!(
                        "{ended} ending{} of {focus} {} listed below, and no finding explains {}; without --focus the report says what was found elsewhere.",
                        s(ended),
                        if ended == 1 { "is" } else { "are" },
                        if ended == 1 { "it" } else { "them" },
                    ),
                    ..Headline::default()
                };
            }
            return Headline {
                cause: "no-problem".into(),
                class: "Nothing found".into(),
                tone: "ok".into(),
                strength: "no finding concerns it".into(),
                sentence: format!("No finding of this input concerns {focus}; without --focus the report says what was found elsewhere."),
                ..Headline::default()
            };
        }
        return Headline {
            cause: "inconclusive".into(),
            class: "Nothing to judge".into(),
            tone: "unknown".into(),
            strength: "no evidence was read".into(),
            sentence: "Nothing in this input could be read as evidence of a memory incident.".into(),
            ..Headline::default()
        };
    };
    let (class, tone) = class_of(&f.cause);
    let mut sources: Vec<&str> = f.evidence.iter().map(|e| e.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let n = f.evidence.len();
    Headline {
        cause: f.cause.clone(),
        class: class.into(),
        tone: tone.into(),
        strength: format!(
            "{}: {n} finding{} from {} source{} agree{}, {} contradict",
            f.strength,
            s(n),
            sources.len(),
            s(sources.len()),
            if n == 1 { "s" } else { "" },
            f.against.len()
        ),
        sentence: names.capital(&f.sentence),
        detail: detail(f),
        scope: scope(f, doc.window),
        first_step: first_step(f),
        figures: figures(incident, verdict, f),
    }
}

/// What can be done at once; where that is nothing but looking further, what mends the cause.
fn first_step(f: &FindingDoc) -> Option<Advice> {
    let does = |a: &&Advice| a.kind != "collect";
    let runs = |a: &&Advice| a.command.is_some();
    let ready = f.advice.iter().filter(does).find(runs);
    let mends = || f.advice.iter().filter(|_| f.cause != "inconclusive").find(|a| a.kind == "fix");
    ready.or_else(mends).or_else(|| f.advice.iter().find(runs)).or(f.advice.first()).cloned()
}

fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The two strongest statements, with their numbers; among equals, what the heap itself shows comes first.
fn detail(f: &FindingDoc) -> String {
    let rank = |s: &str| ["conclusive", "strong", "moderate", "weak"].iter().position(|w| *w == s).unwrap_or(9);
    let mut best: Vec<_> = f.evidence.iter().collect();
    best.sort_by_key(|e| (rank(&e.strength), e.source != "Heap"));
    best.iter().take(2).map(|e| format!("{}. [{}]", e.says.trim_end_matches('.'), e.id)).collect::<Vec<_>>().join(" ")
}

fn scope(f: &FindingDoc, window: Option<Span>) -> String {
    let mut parts = Vec::new();
    parts.extend(f.owner.namespace.as_ref().map(|n| format!("namespace {n}")));
    parts.extend(f.owner.node.as_ref().map(|n| format!("node {n}")));
    if let Some((a, b)) = window.and_then(|w| w.earliest.zip(w.latest)) {
        parts.push(format!("{} to {} UTC", a.human().get(..16).unwrap_or(""), b.human().get(..16).unwrap_or("")));
    }
    parts.join(" · ")
}

/// Both ends of an interval; nothing where they read the same.
fn interval(low: &str, high: &str, per: &str) -> String {
    if low == high { String::new() } else { format!("80 % interval {low} to {high}{per}") }
}

/// Kills, growth, time to kill, limit or peak.
fn figures(incident: &Incident, verdict: &Verdict, f: &FindingDoc) -> Vec<Figure> {
    let from = |sources: &[&str]| {
        f.evidence.iter().filter(|e| sources.contains(&e.source.as_str())).map(|e| e.id.clone()).take(2).collect::<Vec<String>>()
    };
    // Each number points at the witnesses that can know it.
    let figure = |label: &str, value: String, note: String| {
        let evidence = match label {
            "Memory kills" | "Endings" | "Last life" => from(&["Kernel", "Kubernetes", "Logs", "Node"]),
            "Limit" => from(&["Kernel", "Kubernetes"]),
            "Growth" | "Time to the limit" | "Peak" | "Containers judged" => from(&["Prometheus"]),
            _ => Vec::new(),
        };
        Figure { label: label.into(), value, note, evidence }
    };
    let mut out = Vec::new();
    let mine: Vec<_> = incident.kills.iter().filter(|k| k.concerns(&f.owner)).collect();
    let times: Vec<Timestamp> = mine.iter().filter_map(|k| k.moment()).collect();
    let vague = mine.iter().filter_map(|k| k.at).filter(|w| w.width() > MINUTE).map(|w| (w.earliest, w.latest));
    let vague = vague.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let spread = match (vague, times.first(), times.last()) {
        // A span is told as one, never as its middle.
        (Some((a, b)), ..) if times.len() < mine.len() || mine.len() == 1 => format!("between {} and {} UTC", a.human(), b.human()),
        (_, Some(a), Some(b)) if a != b => format!("in {}", human_seconds(b.seconds_f64() - a.seconds_f64())),
        (_, Some(a), _) => format!("at {} UTC", a.human()),
        _ if mine.len() == 1 => mine.iter().find_map(|k| k.written.as_ref()).map_or(String::new(), |w| w.text.clone()),
        _ => String::new(),
    };
    let label = if mine.iter().all(|k| k.kind.is_memory()) { "Memory kills" } else { "Endings" };
    let here: u64 = mine.iter().map(|k| k.endings()).sum();
    let of = |o: &Owner| incident.kills.iter().filter(|k| k.owner.same_container(o)).map(Kill::endings).sum::<u64>();
    let like: u64 = f.also_owners.iter().map(of).sum();
    let spread = match (like, here) {
        (0, _) => spread,
        (_, n) => format!("{n} of them here {spread}, the rest in {} more of its pods", f.also_owners.len()),
    };
    out.push(figure(label, (here + like).to_string(), spread));
    let q = |name: &str| f.quantities.get(name).copied();
    if let Some(g) = q("growth_bytes_per_hour") {
        let range = f.intervals.get("growth_bytes_per_hour").map_or(String::new(), |[a, b]| interval(&human(*a), &human(*b), "/h"));
        out.push(figure("Growth", format!("{}/h", human(g)), range));
    }
    let lives: Vec<f64> =
        mine.iter().filter_map(|k| Some(k.moment()?.seconds_f64() - k.started?.seconds_f64())).filter(|l| *l > 0.0).collect();
    if let Some(t) = q("time_to_oom_seconds") {
        let range =
            f.intervals.get("time_to_oom_seconds").map_or(String::new(), |[a, b]| interval(&human_seconds(*a), &human_seconds(*b), ""));
        out.push(figure("Time to the limit", human_seconds(t), range));
    } else if let Some(l) = lives.last() {
        out.push(figure("Last life", human_seconds(*l), "from start to end".into()));
    }
    if let Some(l) = q("limit_bytes") {
        let peak = q("peak_bytes").map_or(String::new(), |p| format!("highest working set seen {}", human(p)));
        out.push(figure("Limit", human(l), peak));
    } else if let Some(p) = q("peak_bytes") {
        out.push(figure("Peak", human(p), "working set".into()));
    }
    if let Some(r) = q("recommended_limit_bytes") {
        out.push(figure("Recommended limit", human(r), "see Do next".into()));
    }
    if out.len() < 4 {
        let leaks = incident.trends.iter().filter(|t| t.verdict == TrendVerdict::Leak && t.metric == WORKING_SET).count();
        out.push(figure(
            "Containers judged",
            incident.trends.iter().filter(|t| t.metric == WORKING_SET).count().to_string(),
            match verdict.findings.len() {
                1 => format!("{leaks} growing, 1 finding"),
                n => format!("{leaks} growing, {n} findings"),
            },
        ));
    }
    out.truncate(4);
    out
}
