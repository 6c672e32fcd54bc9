//! Who is to blame for growth among allocation sites: the code that owns what grows, with a lower bound on how much.
//!
//! Stacks are joined by the frame that is responsible ([`super::blame`]), so that one leak seen through three helper
//! functions is one suspect; growth is judged over all profiles ([`super::growth`]) and ranked by what is certain of it.
//! A plateau, a sawtooth, the profiler's own memory and sampling noise are never suspects.

use super::Snapshot;
use super::blame::{Origin, Origins};
use super::growth::{self, Judgement, Shape};
use super::shapes;
use super::sites::{Columns, Halves, Stacks, Value};
use crate::heap::sites::{Filter, Sampling};
use crate::model::delta::{PathStep, Suspect};
use crate::model::profile::StackTable;
use crate::model::quantity;
use std::collections::BTreeMap;

/// Suspects named at most.
const MOST: usize = 10;
/// Growth below this share of the process's final total is not worth a name.
const MATERIAL: f64 = 0.01;
/// Nor is growth of fewer bytes than this, in a process of any size: a snapshot taken of an idle program grows by that.
const LEAST_BYTES: f64 = 16_384.0;
/// Nor is growth below this share of all growth.
const OF_GROWTH: f64 = 0.02;

/// Values over all snapshots of one responsible frame.
#[derive(Default)]
struct Blamed {
    steps: Vec<Value>,
    /// By line of the responsible function: growth.
    places: BTreeMap<String, i64>,
    /// By allocating site: `function file:line` → growth of the ordering half.
    leaves: BTreeMap<String, i64>,
    /// By stack (innermost first, joined by newline): growth.
    stacks: BTreeMap<Vec<String>, i64>,
}

/// Finds the suspects, best first, and adds to `limits` what could not be told.
pub fn find(stacks: &[Stacks<'_>], snapshots: &[Snapshot<'_>], filter: &Filter, halves: &Halves, limits: &mut Vec<String>) -> Vec<Suspect> {
    if halves.measure.starts_with("alloc_") {
        limits.push(format!("{} counts what was ever allocated; what is kept shows in inuse_space", halves.measure));
        return Vec::new();
    }
    if !holds_memory(&halves.measure) {
        limits.push(format!("{} does not count memory that is held; no suspects are named", halves.measure));
        return Vec::new();
    }
    if stacks.len() == 2 {
        limits.push("two profiles cannot tell a leak from a warm-up; a third one taken later would".into());
    }
    let by_bytes = halves.bytes.is_some();
    let seconds = moments(snapshots);
    let blamed = sum_by_blame(stacks, filter, halves, by_bytes);
    let final_total: f64 = blamed.values().filter_map(|b| b.steps.last()).map(|v| v.of(by_bytes).max(0) as f64).sum();
    let first_total: f64 = blamed.values().filter_map(|b| b.steps.first()).map(|v| v.of(by_bytes).max(0) as f64).sum();
    let judged: Vec<(&Blame, &Blamed, Judgement)> =
        blamed.iter().map(|(key, b)| (key, b, growth::judge(&b.steps, by_bytes, seconds.as_deref()))).collect();
    let all_growth: f64 = judged.iter().map(|(_, _, j)| j.growth.max(0.0)).sum();
    let mut found: Vec<(f64, &Blame, &Blamed, Judgement)> = Vec::new();
    for (key, b, j) in judged {
        let enough = j.growth >= MATERIAL * final_total && j.growth >= OF_GROWTH * all_growth;
        // Counts come and go by a few; a leak of goroutines does not stop at a handful.
        let many = (by_bytes && j.growth >= LEAST_BYTES) || (!by_bytes && j.growth >= 10.0 && j.growth >= 0.1 * first_total);
        if j.shape == Shape::Growing && enough && many && j.lower() > 0.0 {
            found.push((j.lower(), key, b, j));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    found.truncate(MOST);
    found.into_iter().map(|(_, key, b, j)| suspect(key, b, &j, halves, stacks.len(), all_growth)).collect()
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

/// The responsible function: growth on two of its lines is one suspect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Blame {
    /// The function, or `file:line` where functions have no names.
    name: String,
    /// Outermost function below the runtime: what a goroutine was started with.
    entry: Option<String>,
}

fn sum_by_blame(stacks: &[Stacks<'_>], filter: &Filter, halves: &Halves, by_bytes: bool) -> BTreeMap<Blame, Blamed> {
    let mut out: BTreeMap<Blame, Blamed> = BTreeMap::new();
    let goroutines = halves.bytes.is_none();
    for (i, (profile, table)) in stacks.iter().enumerate() {
        let origins = Origins::of(table);
        let columns = Columns::of(profile, halves);
        let noise = Sampling::of(profile);
        let passes = filter.passing(table);
        let samples = table.samples();
        // Samples that share a stack share its owner: sum first, name after.
        let mut by_stack: BTreeMap<&[u32], Value> = BTreeMap::new();
        let mut row = vec![0i64; profile.measures.len()];
        for s in 0..samples {
            if !passes.as_ref().is_none_or(|p| p.get(s).copied().unwrap_or(false)) {
                continue;
            }
            for (m, v) in row.iter_mut().enumerate() {
                *v = table.values.get(m * samples + s).copied().unwrap_or(0);
            }
            let spread = noise.map(|n| n.spread(table, s, samples)).unwrap_or_default();
            let value = columns.value(&row, spread);
            if value != Value::default() {
                by_stack.entry(table.stack(s)).or_default().add(value);
            }
        }
        for (stack, value) in by_stack {
            let Some((blame, place, leaf)) = responsible(table, &origins, stack, goroutines) else { continue };
            let b = out.entry(blame).or_default();
            b.steps.resize(stacks.len(), Value::default());
            if let Some(slot) = b.steps.get_mut(i) {
                slot.add(value);
            }
            // Growth of the parts: last minus first.
            let sign = if i + 1 == stacks.len() { 1 } else { -1 };
            if i == 0 || i + 1 == stacks.len() {
                let part = value.of(by_bytes).saturating_mul(sign);
                add(&mut b.places, place, part);
                add(&mut b.leaves, leaf, part);
                add(&mut b.stacks, stack_names(table, stack), part);
            }
        }
    }
    out
}

fn add<K: Ord>(sums: &mut BTreeMap<K, i64>, key: K, part: i64) {
    let sum = sums.entry(key).or_default();
    *sum = sum.saturating_add(part);
}

/// The key whose sum is the biggest, the first of equals.
fn biggest<K: Ord>(sums: &BTreeMap<K, i64>) -> Option<&K> {
    sums.iter().max_by(|x, y| x.1.cmp(y.1).then_with(|| y.0.cmp(x.0))).map(|(k, _)| k)
}

/// Frames kept of an example stack.
const STACK_SHOWN: usize = 24;

/// The functions of a stack, innermost first.
fn stack_names(table: &StackTable, stack: &[u32]) -> Vec<String> {
    let mut out = Vec::new();
    for l in stack {
        let frames = table.frames(*l);
        if frames.is_empty() {
            out.push(unknown(table, *l));
        }
        for f in frames {
            let name = table.function_name(f.function);
            out.push(if name.is_empty() { format!("{}:{}", table.function_file(f.function), f.line) } else { name.to_owned() });
        }
        if out.len() >= STACK_SHOWN {
            break;
        }
    }
    out.truncate(STACK_SHOWN);
    out
}

fn unknown(table: &StackTable, l: u32) -> String {
    let address = table.loc_address.get(l as usize).copied().unwrap_or(0);
    match table.mapping(l) {
        Some(m) => {
            let file = m.file.rsplit('/').next().unwrap_or("");
            format!("[{file}]+{:#x}", address.wrapping_sub(m.start).wrapping_add(m.offset))
        }
        None if address != 0 => format!("{address:#x}"),
        None => "<unknown>".into(),
    }
}

/// The frame that owns a stack and its allocating site; `None` for the profiler's own stacks and for the runtime's.
fn responsible(table: &StackTable, origins: &Origins, stack: &[u32], goroutines: bool) -> Option<(Blame, String, String)> {
    let mut best: Option<Best> = None;
    let mut leaf = None;
    let mut entry = None;
    let mut runtime_only = true;
    for &l in stack {
        let frames = table.frames(l);
        if frames.is_empty() {
            let origin = Origins::binary(table, l);
            let name = unknown(table, l);
            consider(&mut best, &mut leaf, origin, name.clone(), name);
            runtime_only &= origin == Origin::Runtime && table.mapping(l).is_some();
            continue;
        }
        for f in frames {
            let origin = origins.function(f.function);
            if origin == Origin::Profiler {
                return None;
            }
            let (name, file) = (table.function_name(f.function), table.function_file(f.function));
            let place = format!("{file}:{}", f.line);
            let named = if name.is_empty() { place.clone() } else { name.to_owned() };
            runtime_only &= origin == Origin::Runtime;
            if origin != Origin::Runtime {
                entry = Some(named.clone());
            }
            consider(&mut best, &mut leaf, origin, named, place);
        }
    }
    if runtime_only {
        return None;
    }
    let Best { rank, name, place } = best?;
    let entry = entry.filter(|_| goroutines);
    // A goroutine without a frame of the application is named for what it was started with.
    let name = entry.clone().filter(|_| rank <= STANDARD).unwrap_or(name);
    Some((Blame { name, entry }, place, leaf.unwrap_or_default()))
}

/// The best owner of a stack so far.
struct Best {
    rank: u8,
    name: String,
    place: String,
}

const STANDARD: u8 = 2;

/// Keeps the best owner so far: application before library before standard library; of equals the innermost.
fn consider(best: &mut Option<Best>, leaf: &mut Option<String>, origin: Origin, name: String, place: String) {
    if origin != Origin::Runtime && leaf.is_none() {
        *leaf = Some(if name == place { name.clone() } else { format!("{name} {place}") });
    }
    let rank = match origin {
        Origin::Runtime | Origin::Profiler => 0,
        Origin::Helper => 1,
        Origin::Standard => STANDARD,
        // `main.main` calls everything: it owns only what it allocates with nobody in between.
        Origin::Application if name == "main.main" => 3,
        Origin::Library => 4,
        Origin::Application => 5,
    };
    if best.as_ref().is_none_or(|b| rank > b.rank) {
        *best = Some(Best { rank, name, place });
    }
}

fn suspect(key: &Blame, b: &Blamed, j: &Judgement, halves: &Halves, profiles: usize, all_growth: f64) -> Suspect {
    let by_bytes = halves.bytes.is_some();
    let ends = (b.steps.first().copied().unwrap_or_default(), b.steps.last().copied().unwrap_or_default());
    let objects = ends.1.count.saturating_sub(ends.0.count);
    let mut leaves: Vec<(&String, i64)> = b.leaves.iter().map(|(k, v)| (k, *v)).filter(|(_, v)| *v > 0).collect();
    leaves.sort_by(|x, y| y.1.cmp(&x.1).then_with(|| x.0.cmp(y.0)));
    let example = biggest(&b.stacks).map(Vec::as_slice).unwrap_or(&[]);
    let place = biggest(&b.places).cloned().unwrap_or_default();
    let shape = shapes::recognise(example, !by_bytes);
    let amount = |v: f64| if by_bytes { quantity::human(v) } else { format!("{v:.0}") };
    let mut why = format!("{} grew by {}", key.name, amount(j.growth));
    if j.error > 0.0 {
        why += &format!(" ± {}", amount(j.error));
    }
    let unit = if by_bytes { String::new() } else { format!(" {}", plural(&halves.measure)) };
    why += &format!("{unit} to {} over {profiles} profiles", amount(ends.1.of(by_bytes) as f64));
    if j.steps > 1 {
        why += &format!(" (up in {} of {} steps)", j.ups, j.steps);
    }
    let made = ends.1.allocated_bytes.saturating_sub(ends.0.allocated_bytes);
    if by_bytes && made > 0 && j.growth > 0.0 {
        let kept = (j.growth / made as f64).min(1.0);
        if kept > 0.995 {
            why += "; nothing that it allocated in between was freed";
        } else {
            why += &format!("; {:.0} % of what it allocated in between was kept", kept * 100.0);
        }
    }
    if all_growth > 0.0 {
        why += &format!("; {:.0} % of all growth", (j.growth / all_growth * 100.0).min(100.0));
    }
    if let Some(s) = &shape {
        why += &format!("; {}", s.says);
    }
    let mut culprits = vec![("function".to_owned(), key.name.clone())];
    if place != key.name {
        culprits.push(("line".to_owned(), place.clone()));
    } else if key.name.contains(':') {
        culprits = vec![("line".to_owned(), key.name.clone())];
    }
    if let Some(entry) = &key.entry {
        culprits.push(("goroutine".to_owned(), entry.clone()));
    }
    let mut sites: Vec<String> = leaves.iter().take(5).map(|(l, _)| (*l).clone()).collect();
    if !sites.iter().any(|s| s.ends_with(&place)) {
        sites.insert(0, if place == key.name { key.name.clone() } else { format!("{} {}", key.name, place) });
    }
    Suspect {
        name: key.name.clone(),
        pattern: shape.map_or(if by_bytes { "site-growth" } else { "goroutine-growth" }, |s| s.id).into(),
        why,
        retained_bytes: None,
        growth_bytes: by_bytes.then_some(j.growth as i64),
        objects_added: halves.count.as_ref().map(|_| objects),
        // Outermost first, as retaining paths run from the root.
        path: example
            .iter()
            .rev()
            .map(|f| PathStep { edge: "calls".into(), node: f.clone(), class: String::new(), retained_bytes: None })
            .collect(),
        sites,
        culprits,
    }
}

fn plural(measure: &str) -> String {
    match measure {
        "goroutine" => "goroutines".into(),
        "threadcreate" => "threads".into(),
        m => m.into(),
    }
}
