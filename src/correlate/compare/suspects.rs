//! Who is to blame for growth among allocation sites: the code that owns what grows, with a lower bound on how much.
//!
//! Stacks are joined by the function that is responsible ([`super::owners`]), so that one leak seen through three helper
//! functions is one suspect; growth is judged over all profiles ([`super::growth`]) and ranked by what is certain of it.
//! A plateau, a sawtooth, the profiler's own memory and sampling noise are never suspects.

use super::Snapshot;
use super::growth::{self, Judgement, Shape};
use super::keepers;
use super::owners::{self, Ends, Owned, Owners, Parts};
use super::shapes;
use super::value::Halves;
use crate::model::delta::{PathStep, Step, Suspect};
use crate::model::quantity;

/// What Go calls the profile of goroutines that its garbage collector found blocked for good.
const LEAKED: &str = "goroutineleak";
/// Undecided growth spoken of at most.
const MOST_UNDECIDED: usize = 3;
/// Suspects named at most.
const MOST: usize = 10;
/// Growth below this share of the process's final total is not worth a name.
const MATERIAL: f64 = 0.01;
/// Nor is growth of fewer bytes than this, in a process of any size: a snapshot taken of an idle program grows by that.
const LEAST_BYTES: f64 = 16_384.0;
/// Nor is growth below this share of all growth.
const OF_GROWTH: f64 = 0.02;
/// Seconds between the first and the last profile from which on a rate per hour means something.
const LEAST_SPAN: f64 = 60.0;

/// Names the suspects among `owners`, best first, and adds to `limits` what could not be told.
pub fn find(owners: &Owners, ends: Ends<'_>, snapshots: &[Snapshot<'_>], halves: &Halves, limits: &mut Vec<String>) -> Vec<Suspect> {
    if halves.measure.starts_with("alloc_") {
        limits.push(format!("{} counts what was ever allocated; what is kept shows in inuse_space", halves.measure));
        return Vec::new();
    }
    if !holds_memory(&halves.measure) {
        limits.push(format!("{} does not count memory that is held; no suspects are named", halves.measure));
        return Vec::new();
    }
    if snapshots.len() == 2 && halves.measure != LEAKED {
        limits.push("two profiles cannot tell a leak from a warm-up; a third one taken later would".into());
    }
    let by_bytes = halves.bytes.is_some();
    let seconds = moments(snapshots);
    let final_total: f64 = owners.list.iter().filter_map(|b| b.steps.last()).map(|v| v.of(by_bytes).max(0) as f64).sum();
    let first_total: f64 = owners.list.iter().filter_map(|b| b.steps.first()).map(|v| v.of(by_bytes).max(0) as f64).sum();
    let judged: Vec<Judgement> = owners.list.iter().map(|b| growth::judge(&b.steps, by_bytes, seconds.as_deref())).collect();
    let all_growth: f64 = judged.iter().map(|j| j.growth.max(0.0)).sum();
    let held = owners.held();
    let proven = halves.measure == LEAKED;
    let mut found: Vec<(f64, usize, &Owned, Judgement, bool)> = Vec::new();
    let mut undecided: Vec<(f64, String)> = Vec::new();
    for (i, (b, whole)) in owners.list.iter().zip(judged).enumerate() {
        // What never frees shows where the garbage beside it is left out. Of what grew and stopped, as a cache does that is
        // full, some is always still there.
        let part = || {
            if whole.shape == Shape::Plateau {
                return None;
            }
            let j = growth::judge(held.get(&(i as u32))?, by_bytes, seconds.as_deref());
            (j.shape == Shape::Growing && j.sampled >= keepers::ENOUGH).then_some(j)
        };
        let grows = whole.shape == Shape::Growing && whole.lower() > 0.0;
        let (j, in_part) = if grows { (whole, false) } else { part().map_or((whole, false), |j| (j, true)) };
        let enough = j.growth >= MATERIAL * final_total && j.growth >= OF_GROWTH * all_growth;
        // Counts come and go by a few; a leak of goroutines does not stop at a handful.
        let many = (by_bytes && j.growth >= LEAST_BYTES) || (!by_bytes && j.growth >= 10.0 && j.growth >= 0.1 * first_total);
        // Goroutines that nothing can wake are a leak however few they are.
        let many = many || (proven && j.growth >= 1.0);
        if j.undecided && !j.sudden && j.shape == Shape::Growing && enough && many && j.lower() > 0.0 {
            let grew = format!("{} ± {}", quantity::human(j.growth), quantity::human(j.error));
            let says = format!(
                "not decided: {} grew by {grew} over three profiles, an estimate from {:.0} sampled objects; that few do not tell a leak from a cache that fills, a fourth profile would",
                b.blame.name, j.sampled
            );
            undecided.push((j.lower(), says));
        } else if !proven && j.sudden && j.shape == Shape::Growing && enough && many && j.lower() > 0.0 {
            let grew = if by_bytes { quantity::human(j.growth) } else { format!("{:.0} {}", j.growth, plural(&halves.measure)) };
            limits.push(format!(
                "{} rose by {grew} in the last step only, which one event may have done; a later profile would tell whether it goes on",
                b.blame.name
            ));
        } else if j.shape == Shape::Growing && enough && many && j.lower() > 0.0 {
            // What slows down is less of a leak than what goes on.
            found.push((j.lower() * j.late_share.clamp(0.2, 1.0), i, b, j, in_part));
        }
    }
    undecided.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    limits.extend(undecided.into_iter().take(MOST_UNDECIDED).map(|(_, says)| says));
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.blame.cmp(&b.2.blame)));
    found.truncate(MOST);
    let span = seconds.as_ref().and_then(|s| Some(s.last()? - s.first()?)).filter(|s| *s >= LEAST_SPAN);
    let scene = Scene { ends, halves, profiles: snapshots.len(), all_growth, seconds: span };
    let mut named: Vec<Suspect> =
        found.into_iter().map(|(_, i, b, j, in_part)| scene.suspect(b, &owners.parts(ends, i), &j, in_part)).collect();
    cause_first(&mut named);
    named
}

/// Goroutines that came in equal numbers are one leak; the client that keeps a connection open is its cause, and the server
/// at the other end, in the same process, only suffers it.
fn cause_first(list: &mut Vec<Suspect>) {
    let gain = |s: &Suspect| s.objects_added.unwrap_or(0) as f64;
    let Some(first) = list.first().filter(|s| s.pattern == "idle-connections" || s.pattern == "blocked-io") else { return };
    let most = gain(first);
    let cause = list.iter().position(|s| s.pattern == shapes::UNCLOSED_BODY.id && gain(s) > 0.9 * most);
    if let Some(i) = cause {
        let s = list.remove(i);
        list.insert(0, s);
    }
}

/// What every call of Go's HTTP client passes through.
pub const HTTP_CLIENT: &[&str] = &["net/http.(*Client)."];

/// `; the only caller of an HTTP client in the profile is F`.
pub fn callers_words(callers: &[String]) -> String {
    match callers {
        [] => String::new(),
        [one] => format!("; the only caller of an HTTP client in the profile is {one}"),
        [first, rest @ ..] => format!("; callers of an HTTP client in the profile are {first} and {} more", rest.len()),
    }
}

/// Whether a measure counts things that are held (and not events or time spent).
fn holds_memory(measure: &str) -> bool {
    matches!(measure, "bytes" | "objects" | "space" | "goroutine" | "goroutines" | "threadcreate" | "goroutineleak")
        || measure.starts_with("inuse_")
        || measure.starts_with("live")
}

/// Seconds from the first snapshot, where every one has a time and they rise.
fn moments(snapshots: &[Snapshot<'_>]) -> Option<Vec<f64>> {
    let times: Vec<f64> = snapshots.iter().map(|s| s.time.map(|t| t.seconds_f64())).collect::<Option<_>>()?;
    times.windows(2).all(|w| matches!(w, [a, b] if b > a)).then_some(times)
}

/// What all suspects of one comparison have in common.
struct Scene<'a> {
    ends: Ends<'a>,
    halves: &'a Halves,
    profiles: usize,
    all_growth: f64,
    /// From the first to the last, where that is long enough to speak of a rate.
    seconds: Option<f64>,
}

impl Scene<'_> {
    /// `in_part` where the judgement is of what it never freed only.
    fn suspect(&self, b: &Owned, parts: &Parts, j: &Judgement, in_part: bool) -> Suspect {
        let Scene { ends, halves, profiles, all_growth, seconds } = *self;
        let by_bytes = halves.bytes.is_some();
        let outer = (b.steps.first().copied().unwrap_or_default(), b.steps.last().copied().unwrap_or_default());
        let objects = outer.1.count.saturating_sub(outer.0.count);
        let (key, place) = (&b.blame, &parts.place);
        let waits = parts.state.as_deref().and_then(shapes::waits_in);
        let shape = shapes::recognise(&parts.example, !by_bytes).or(waits);
        let amount = |v: f64| if by_bytes { quantity::human(v) } else { format!("{v:.0}") };
        let mut why = match in_part {
            true => format!("what {} allocates and never frees grew by {}", key.name, amount(j.growth)),
            false => format!("{} grew by {}", key.name, amount(j.growth)),
        };
        if j.error > 0.0 {
            why += &format!(" ± {}", amount(j.error));
        }
        let unit = if by_bytes { String::new() } else { format!(" {}", plural(&halves.measure)) };
        let to = if in_part { String::new() } else { format!(" to {}", amount(outer.1.of(by_bytes) as f64)) };
        why += &format!("{unit}{to} over {profiles} profiles");
        if j.steps > 1 {
            why += &format!(" (up in {} of {} steps)", j.ups, j.steps);
        }
        let made = outer.1.allocated_bytes.saturating_sub(outer.0.allocated_bytes);
        if in_part {
            why += "; the rest of what it allocates comes and goes";
        } else if by_bytes && made > 0 && j.growth > 0.0 {
            let kept = (j.growth / made as f64).min(1.0);
            if kept > 0.995 {
                why += "; nothing that it allocated in between was freed";
            } else {
                why += &format!("; {:.0} % of what it allocated in between was kept", kept * 100.0);
            }
        }
        if halves.measure == LEAKED {
            why += "; the runtime found that nothing can wake them any more";
        }
        if all_growth > 0.0 {
            why += &format!("; {:.0} % of all growth", (j.growth / all_growth * 100.0).min(100.0));
        }
        let slope = seconds.map(|s| {
            let hourly = |v: f64| (v / s * 3600.0).round() as i64;
            let low = if j.error > 0.0 { j.lower() } else { j.growth };
            [hourly(low), hourly(j.growth), hourly(j.growth + growth::SIGNIFICANT * j.error)]
        });
        if let Some([low, mid, _]) = slope {
            let per = |v: i64| amount(v as f64);
            why += &format!("; {} per hour", per(mid));
            if low < mid {
                why += &format!(", at least {}", per(low));
            }
        }
        // A goroutine's function stands for all that is called beneath it: there the caller tells nothing.
        let caller = parts.caller.as_ref().filter(|(c, _)| *c != key.name && parts.example.contains(&key.name));
        if let Some((caller, share)) = caller {
            why += &format!("; {:.0} % of it is called by {caller}", share * 100.0);
        }
        if let Some(s) = &shape {
            why += &format!("; {}", s.says);
        }
        if let Some((level, was)) = &b.renamed {
            why += &format!("; {was} in the earlier build, matched by {level}");
        }
        // The transport's goroutines do not know who asked; who calls the client does show where it allocates.
        let callers =
            if shape.is_some_and(|s| s.id == shapes::UNCLOSED_BODY.id) { owners::callers(ends.last, HTTP_CLIENT) } else { Vec::new() };
        why += &callers_words(&callers);
        let mut culprits = vec![("function".to_owned(), key.name.clone())];
        if *place != key.name {
            culprits.push(("line".to_owned(), place.clone()));
        } else if key.name.contains(':') {
            culprits = vec![("line".to_owned(), key.name.clone())];
        }
        culprits.extend(caller.map(|(c, _)| ("function".to_owned(), c.clone())));
        if let Some(entry) = parts.creator.as_ref().or(key.entry.as_ref()) {
            culprits.push(("goroutine".to_owned(), entry.clone()));
        }
        match callers.as_slice() {
            // The one function that asks is where the fix belongs, so it is named before what it leaves behind.
            [one] => culprits.insert(0, ("function".to_owned(), one.clone())),
            several => culprits.extend(several.iter().take(1).map(|c| ("function".to_owned(), c.clone()))),
        }
        let mut sites: Vec<String> = parts.leaves.iter().take(5).map(|(l, _)| l.clone()).collect();
        if !sites.iter().any(|s| s.ends_with(place.as_str())) {
            sites.insert(0, if *place == key.name { key.name.clone() } else { format!("{} {}", key.name, place) });
        }
        sites.extend(callers.into_iter().take(5));
        Suspect {
            advice: shape.map(|s| s.advice.to_owned()),
            steps: b
                .steps
                .iter()
                .map(|v| Step { count: halves.count.as_ref().map(|_| v.count), bytes: by_bytes.then_some(v.bytes) })
                .collect(),
            per_event: None,
            name: key.name.clone(),
            pattern: shape.map_or(if by_bytes { "site-growth" } else { "goroutine-growth" }, |s| s.id).into(),
            why,
            retained_bytes: None,
            growth_bytes: by_bytes.then_some(j.growth as i64),
            growth_per_hour: slope,
            objects_added: halves.count.as_ref().map(|_| objects),
            // Outermost first, as retaining paths run from the root.
            path: parts.example.iter().rev().map(|f| PathStep { edge: "calls".into(), node: f.clone(), ..PathStep::default() }).collect(),
            sites,
            culprits,
        }
    }
}

fn plural(measure: &str) -> String {
    match measure {
        "goroutine" => "goroutines".into(),
        "threadcreate" => "threads".into(),
        LEAKED => "leaked goroutines".into(),
        m => m.into(),
    }
}
