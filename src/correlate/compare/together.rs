//! Goroutines and heap read together: what one occurrence of a leak costs, and which growing site is a call that never ends.
//!
//! A leaked goroutine keeps its stack and all it refers to, and the heap profile cannot say so: the allocations stand under
//! other functions. Kinds of goroutines that gained the same number belong to one occurrence; heap that grew in step with
//! them, in the same code or of the same shape, is what each of them holds.

use super::owners::{callers, standing_in};
use super::shapes::{LONG_RUNNING_CALL, UNCLOSED_BODY};
use super::suspects::{HTTP_CLIENT, callers_words};
use super::value::Stacks;
use crate::heap::sites::package;
use crate::model::delta::{Delta, PerEvent, Step, Suspect};
use crate::model::quantity::human;

/// Gains that differ by less belong together.
const SAME: f64 = 0.1;

/// First and last profile of each kind.
pub struct Both<'a> {
    pub heap: (Stacks<'a>, Stacks<'a>),
    pub goroutines: (Stacks<'a>, Stacks<'a>),
}

/// Joins the comparison of a process's heap with that of its goroutines over the same time.
pub fn join(heap: &mut Delta, goroutines: &mut Delta, both: &Both<'_>) {
    long_running(heap, both);
    let Some(first) = goroutines.suspects.first() else { return };
    let events = first.objects_added.unwrap_or(0);
    if events <= 0 {
        return;
    }
    let alike = |s: &Suspect| (s.objects_added.unwrap_or(0) as f64 / events as f64 - 1.0).abs() <= SAME;
    let group: Vec<usize> = (0..goroutines.suspects.len()).filter(|i| goroutines.suspects.get(*i).is_some_and(alike)).collect();
    let of_group = || group.iter().filter_map(|i| goroutines.suspects.get(*i));
    let pattern = of_group().map(|s| s.pattern.as_str()).find(|p| *p == UNCLOSED_BODY.id).unwrap_or(&first.pattern).to_owned();
    let mut entries: Vec<String> = of_group().map(|s| s.name.clone()).collect();
    entries.dedup();
    let mut created_by: Vec<String> = of_group().flat_map(|s| &s.culprits).filter(|c| c.0 == "goroutine").map(|c| c.1.clone()).collect();
    created_by.retain(|c| !entries.contains(c));
    created_by.sort();
    created_by.dedup();
    let related: Vec<usize> = (0..heap.suspects.len())
        .filter(|i| heap.suspects.get(*i).is_some_and(|h| of_group().any(|g| belongs(h, g)) && in_step(&h.steps, &first.steps)))
        .collect();
    let bytes: i64 = related.iter().filter_map(|i| heap.suspects.get(*i)?.growth_bytes).fold(0, i64::saturating_add);
    let per = PerEvent { events, goroutines: group.len() as i64, bytes: (bytes > 0).then_some(bytes / events), entries, created_by };
    let clients = if pattern == UNCLOSED_BODY.id { callers(both.heap.1, HTTP_CLIENT) } else { Vec::new() };
    let says = sentence(&per, &pattern);
    let asked = callers_words(&clients);
    if let (Some(caller), Some(s)) = (clients.first(), group.first().and_then(|i| goroutines.suspects.get_mut(*i))) {
        s.culprits.push(("function".to_owned(), caller.clone()));
    }
    for i in group {
        tell(goroutines.suspects.get_mut(i), &says, &asked, &per);
    }
    for i in related {
        tell(heap.suspects.get_mut(i), &says, &asked, &per);
    }
}

fn tell(s: Option<&mut Suspect>, says: &str, asked: &str, per: &PerEvent) {
    if let Some(s) = s {
        s.why += &format!("; {says}");
        // The heap's own suspect may have named the callers already.
        if !s.why.contains(asked) {
            s.why += asked;
        }
        s.per_event = Some(per.clone());
    }
}

/// Whether a site that grows is of the same code as a kind of goroutine that grows.
fn belongs(heap: &Suspect, goroutine: &Suspect) -> bool {
    let http = |s: &Suspect| s.pattern == UNCLOSED_BODY.id || s.pattern == "idle-connections";
    let names = |s: &Suspect| -> Vec<String> {
        let culprits = s.culprits.iter().filter(|c| c.0 != "line").map(|c| c.1.as_str());
        // A closure belongs to the function it is written in.
        let outer = |n: &str| n.split(".func").next().unwrap_or(n).to_owned();
        culprits.chain([s.name.as_str()]).map(outer).collect()
    };
    let (a, b) = (names(heap), names(goroutine));
    let shared = |x: &String| b.contains(x);
    // Within one package a goroutine may well be started by one function and hold what another one made.
    let standard = |n: &str| n.starts_with("net/http.");
    let package_shared = package(&heap.name, "") == package(&goroutine.name, "") && !standard(&heap.name);
    a.iter().any(shared) || (http(heap) && http(goroutine)) || package_shared
}

/// Both went up over the same steps: the sums of one are a straight line over the other's, as far as a few points tell.
fn in_step(heap: &[Step], goroutines: &[Step]) -> bool {
    if heap.len() != goroutines.len() || heap.len() < 2 {
        return heap.len() > 1 && goroutines.len() > 1;
    }
    let x: Vec<f64> = goroutines.iter().map(|s| s.count.unwrap_or(0) as f64).collect();
    let y: Vec<f64> = heap.iter().map(|s| s.bytes.unwrap_or(0) as f64).collect();
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(&y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx).powi(2);
        yy += (b - my).powi(2);
    }
    xx > 0.0 && yy > 0.0 && xy / (xx * yy).sqrt() > 0.8
}

fn sentence(per: &PerEvent, pattern: &str) -> String {
    let what = match pattern {
        p if p == UNCLOSED_BODY.id => "unclosed response body",
        "blocked-send" => "abandoned send",
        "idle-connections" | "blocked-io" => "open connection",
        "blocked-receive" => "receiver that nobody wakes",
        "ticker" | "endless-loop" => "loop that nobody ends",
        "blocked-lock" => "waiter for the lock",
        _ => "occurrence",
    };
    let goroutines = if per.goroutines == 1 { "1 goroutine".to_owned() } else { format!("{} goroutines", per.goroutines) };
    let mut out = match per.bytes {
        Some(b) => format!("{goroutines} and {} of live heap per {what}", human(b as f64)),
        None => format!("{goroutines} per {what}, their stacks (2 KiB and more each) beside the heap"),
    };
    out += &format!(" ({} in all", per.events);
    match per.created_by.as_slice() {
        [] => {}
        [one] => out += &format!(", created by {one}"),
        [first, rest @ ..] => out += &format!(", created by {first} and {} more", rest.len()),
    }
    out.push(')');
    out
}

/// A function that grows and that the same few goroutines stand in throughout holds what its loop defers or collects.
fn long_running(heap: &mut Delta, both: &Both<'_>) {
    for s in heap.suspects.iter_mut().filter(|s| s.pattern == "site-growth" && s.name != "main.main") {
        let (before, after) = (standing_in(both.goroutines.0, &s.name), standing_in(both.goroutines.1, &s.name));
        if before > 0 && after == before {
            s.pattern = LONG_RUNNING_CALL.id.into();
            s.advice = Some(LONG_RUNNING_CALL.advice.into());
            s.why += &format!("; {}", LONG_RUNNING_CALL.says);
        }
    }
}
