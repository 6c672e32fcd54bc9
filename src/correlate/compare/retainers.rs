//! From growth points to suspects: which of them still grow, by how much a step, and what to call them. What holds them is
//! put into words by [`holder_words`], the pattern is told by [`leak_patterns`]; judges nothing else.

use super::{holder_words, leak_patterns};
use crate::model::delta::{Amount, DeltaRow, Step, Suspect};
use crate::model::graph::{ClassKind, Gain, GrowthPoint, HeapGraph};
use crate::model::quantity::{grouped, human_bytes};

/// Suspects named at most.
const SUSPECTS: usize = 10;
/// A suspect grew by at least this share of the largest one,
const LEAST_SHARE: f64 = 0.03;
/// Share of a holder's growth from which on repeated text is the first thing to say of it.
const MOSTLY_COPIES: f64 = 0.75;
/// and by this many bytes.
const LEAST_BYTES: i64 = 16 << 10;
/// or, where nothing countable was gained, by this share of the heap.
const LEAST_VAGUE: f64 = 0.02;

/// Who is to blame for growth over `snapshots` captures, best first. `total` is what the last one holds, bytes.
pub fn suspects(last: &HeapGraph, snapshots: usize, rows: &[DeltaRow], total: i64) -> Vec<Suspect> {
    let mut points: Vec<&GrowthPoint> = last.growth.iter().filter(|p| still_grows(p, snapshots, rows)).collect();
    // Objects that keep no count of what they gained grew by something that is told better elsewhere, or by a little that
    // the runtime did; what only the runtime's own handles hold usually follows from what the program holds.
    let vague = |p: &GrowthPoint| entries(p, snapshots).or(p.gains.first().map(|g| g.count)).unwrap_or(0) <= 1 || is_optimising(p);
    let weight = |p: &GrowthPoint| if p.holders == 0 { p.growth_bytes / 2 } else { p.growth_bytes };
    // Text that only a root of the runtime leads to is in its table of unique strings, which keeps none alive.
    points.retain(|p| p.holders > 0 || p.gains.first().is_none_or(|g| !g.class.name.ends_with("string)")));
    points.retain(|p| p.growth_bytes >= LEAST_BYTES && (!vague(p) || p.growth_bytes as f64 >= total as f64 * LEAST_VAGUE));
    points.sort_by_key(|p| (vague(p), std::cmp::Reverse(weight(p))));
    let most = points.iter().map(|p| p.growth_bytes).max().unwrap_or(0);
    points.retain(|p| p.growth_bytes as f64 >= most as f64 * LEAST_SHARE);
    let mut out: Vec<Suspect> = Vec::new();
    for p in points {
        let whole = suspect(p, snapshots);
        let (copies, slices) = (copies(p, &whole), slices(p, &whole));
        // Records and bare strings that are nearly all repeated text: holding each text once is most of the cure. Objects of
        // a class of its own are what the program meant to keep, whatever text they carry.
        let mostly = p.copied_bytes as f64 >= p.growth_bytes as f64 * MOSTLY_COPIES
            && p.gains.first().is_some_and(|g| matches!(g.class.kind, ClassKind::Runtime | ClassKind::Shape));
        let at = out.len();
        out.push(whole);
        if let Some(copies) = copies {
            out.insert(if mostly { at } else { at + 1 }, copies);
        }
        out.extend(slices);
    }
    out.truncate(SUSPECTS);
    out
}

/// Growth in the last step, by size or by elements, not only in the first: a cache that filled up has stopped. Where the
/// holder itself does not tell (linked lists, several holders), the class that leads its gains does.
fn still_grows(p: &GrowthPoint, snapshots: usize, rows: &[DeltaRow]) -> bool {
    if snapshots < 3 {
        return true;
    }
    let last_share = |values: &[Option<u64>]| -> Option<f64> {
        let known: Vec<f64> = values.iter().rev().take(snapshots).rev().flatten().map(|&v| v as f64).collect();
        let (first, [before, last]) = (known.first()?, known.last_chunk::<2>()?);
        let grew = last - first;
        (grew > 0.0 && known.len() > 2).then(|| (last - before) / (grew / (known.len() - 1) as f64))
    };
    let by_size = last_share(&p.sizes);
    let by_elements = last_share(&p.elements);
    let by_class =
        p.gains.first().and_then(|g| rows.iter().find(|r| r.kind == "class" && r.key == g.class.key())).map(|r| r.trend.as_str());
    // An even share per step is 1.
    let lasting = by_size.is_some_and(|s| s > 0.15) || by_elements.is_some_and(|s| s > 0.15);
    let stopped = by_size.is_some_and(|s| s <= 0.15) && by_elements.is_none_or(|s| s <= 0.15);
    match by_class {
        Some("plateau" | "shrank" | "gone" | "churn") => lasting && p.gains.first().is_none_or(|g| g.class.kind == ClassKind::Runtime),
        _ => lasting || !stopped,
    }
}

fn suspect(p: &GrowthPoint, snapshots: usize) -> Suspect {
    let pattern = leak_patterns::of(p);
    let held = holder_words::of(p);
    let main = p.gains.first();
    // A string that is appended to is a tree of joints over the strings that were appended, which are what its program made.
    let appended = || p.gains.iter().find(|g| &*g.class.name == "(string)").map(|g| g.count).filter(|_| pattern == "growing-string");
    let called_by = entries(p, snapshots);
    let counted = if called_by.is_none() && pattern != "growing-string" { more_entries(p, snapshots) } else { None };
    let added = appended().or(called_by).or(counted).or(main.map(|g| g.count)).unwrap_or(0);
    let steps = snapshots.saturating_sub(1).max(1) as i64;
    let each = if added > 0 { p.growth_bytes / added } else { 0 };
    let size = |b: i64| human_bytes(u64::try_from(b).unwrap_or(0));
    let verb = if p.holders > 1 { "together gained" } else { "gained" };
    let what = match main {
        Some(_) if pattern == "growing-string" => {
            let field = p.path.get(p.holder_at + 1).map_or(String::new(), |s| format!(".{}", s.edge));
            format!("{}{field}, a string, took up {} strings a step", held.sentence, grouped(added / steps))
        }
        Some(g) if counted.is_some() => {
            let (entries, of) = (grouped(added / steps), grouped(g.count / steps));
            format!(
                "{} {verb} {entries} entries a step with {of} {} in them, {} each with what they hold",
                held.sentence,
                plural(g),
                size(each)
            )
        }
        Some(g) if added > 1 => {
            format!("{} {verb} {} {} a step, {} each with what they hold", held.sentence, grouped(added / steps), plural(g), size(each))
        }
        _ => format!("{} grew", held.sentence),
    };
    let over = if snapshots > 2 { format!("over {snapshots} snapshots") } else { "between the two snapshots".into() };
    let late = if all_late(p, snapshots) { ", nearly all in the last step" } else { "" };
    let mut why = format!("{what}: {} more {over}{late}; {}", size(p.growth_bytes), leak_patterns::meaning(pattern));
    why += &allocated_words(p);
    let name = main.map_or_else(|| p.class.name.to_string(), called);
    let mut path = holder_words::from_module(p).0.to_vec();
    if let Some(first) = path.first_mut().filter(|s| holder_words::is_module(s)) {
        first.edge = "module cache".into();
    }
    let mut culprits = vec![("class".to_owned(), name.trim_matches(['(', ')']).to_owned())];
    culprits.push(("retainer".to_owned(), held.name.clone()));
    let recorded = p.allocated.first().filter(|a| a.location.is_some());
    culprits.extend(recorded.map(|a| ("function".to_owned(), a.function.clone())));
    let mut sites = p.sites.clone();
    if let Some(at) = recorded.and_then(|a| a.location.clone()) {
        sites.retain(|s| *s != at);
        sites.insert(0, at);
    }
    Suspect {
        advice: leak_patterns::remedy(pattern).map(str::to_owned),
        steps: Vec::new(),
        per_event: None,
        growth_per_hour: None,
        name,
        pattern: pattern.into(),
        why,
        retained_bytes: i64::try_from(p.retained_bytes).ok(),
        growth_bytes: Some(p.growth_bytes),
        objects_added: Some(added),
        path,
        sites,
        culprits,
    }
}

/// `; 3,000 of 3,000 recorded ones were allocated in f() at path:line:column, called from g()`.
fn allocated_words(p: &GrowthPoint) -> String {
    let Some(a) = p.allocated.first() else { return String::new() };
    let all: u64 = p.allocated.iter().map(|a| a.objects).sum();
    let count = |n: u64| grouped(i64::try_from(n).unwrap_or(i64::MAX));
    let at = a.location.as_ref().map_or(String::new(), |l| format!(" at {l}"));
    let through = a.through.as_ref().map_or(String::new(), |t| format!(" through {t}()"));
    let from = a.callers.first().map_or(String::new(), |c| format!(", called from {c}()"));
    format!("; {} of {} whose allocation was recorded were made in {}(){through}{at}{from}", count(a.objects), count(all), a.function)
}

/// Strings with the text of another as a cause of their own, where they are half of what a holder gained: holding fewer
/// entries is one cure, holding each text once another.
fn copies(p: &GrowthPoint, whole: &Suspect) -> Option<Suspect> {
    (p.copied_bytes >= LEAST_BYTES as u64 && p.copied_bytes as f64 >= p.growth_bytes as f64 * 0.5).then(|| {
        let count = p.gains.iter().find(|g| &*g.class.name == "(string)").map(|g| g.count);
        let why = format!(
            "{} of the growth of {} are strings whose text another string has too; {}",
            human_bytes(p.copied_bytes),
            holder_words::of(p).sentence,
            leak_patterns::meaning("duplicated-strings")
        );
        Suspect {
            name: "(string)".into(),
            pattern: "duplicated-strings".into(),
            advice: leak_patterns::remedy("duplicated-strings").map(str::to_owned),
            why,
            retained_bytes: None,
            growth_bytes: i64::try_from(p.copied_bytes).ok(),
            objects_added: count,
            path: whole.path.clone(),
            sites: whole.sites.clone(),
            culprits: vec![("class".into(), "string".into())],
            ..Suspect::default()
        }
    })
}

/// Entries that a holder has more of, counted in the holder itself where it tells: classes that churn elsewhere do not
/// blur it. A table counts its keys too, so what hangs there bounds it.
fn entries(p: &GrowthPoint, snapshots: usize) -> Option<i64> {
    let g = p.gains.first()?;
    let known: Vec<u64> = p.elements.iter().rev().take(snapshots).rev().copied().collect::<Option<_>>()?;
    let more = i64::try_from(known.last()?.checked_sub(*known.first()?)?).ok()?;
    let here = i64::try_from(g.entries).ok()?;
    // Only where the growth is called by what hangs right there, and not by what that holds.
    (more > 0 && here > 0 && here.saturating_mul(2) >= g.count).then_some(here.min(more))
}

/// Entries that a container gained, where the growth is called by what those hold, and of that more or fewer than one each.
fn more_entries(p: &GrowthPoint, snapshots: usize) -> Option<i64> {
    let g = p.gains.first()?;
    let known: Vec<u64> = p.elements.iter().rev().take(snapshots).rev().copied().collect::<Option<_>>()?;
    let more = i64::try_from(known.last()?.checked_sub(*known.first()?)?).ok()?;
    let steps = snapshots.saturating_sub(1).max(1) as i64;
    // A table that was just copied into a larger one counts twice for a while.
    let like = (g.count - more).abs().saturating_mul(4) <= more;
    // Objects that have fields of their own besides must have become much wider.
    let last = i64::try_from(*known.last()?).ok()?;
    let wider = || more.saturating_mul(10) >= last && more >= i64::from(p.holders).saturating_mul(8);
    let list = match &*p.class.name {
        "Array" | "Map" | "Set" => true,
        "Object" => wider(),
        _ => p.class.kind == ClassKind::Shape && wider(),
    };
    (list && more >= 2 * steps && p.entries.saturating_mul(2) >= more.unsigned_abs() && !like).then_some(more)
}

/// Code and shapes that the engine makes for functions which were there before: it optimises, and stops when all are done.
fn is_optimising(p: &GrowthPoint) -> bool {
    let engine =
        |name: &str| name.starts_with("system / ") || ["Function", "(compiled code)", "(system)", "(object shape)"].contains(&name);
    let made = p.gains.first().is_some_and(|g| ["(compiled code)", "(system)", "(object shape)"].contains(&&*g.class.name));
    made && engine(&p.class.name)
}

/// Whether the steps before the last one brought nearly nothing. Entries tell best: what a holder retains also depends on
/// what else refers to them for a while.
fn all_late(p: &GrowthPoint, snapshots: usize) -> bool {
    let late = |values: &[Option<u64>]| {
        let known: Vec<u64> = values.iter().rev().take(snapshots).rev().flatten().copied().collect();
        let (first, [before, last]) = (known.first()?, known.last_chunk::<2>()?);
        let late = last.saturating_sub(*before).saturating_mul(10) >= last.saturating_sub(*first).saturating_mul(9);
        (known.len() > 2 && *last > first.saturating_add(1)).then_some(late)
    };
    late(&p.elements).unwrap_or(true) && late(&p.sizes).unwrap_or(false)
}

/// Texts that are alive for a part of them, where they are half of what a holder gained.
fn slices(p: &GrowthPoint, whole: &Suspect) -> Option<Suspect> {
    (p.sliced_bytes >= LEAST_BYTES as u64 && p.sliced_bytes as f64 >= p.growth_bytes as f64 * 0.5).then(|| Suspect {
        name: "(sliced string)".into(),
        pattern: "sliced-strings".into(),
        advice: leak_patterns::remedy("sliced-strings").map(str::to_owned),
        why: format!(
            "{} of the growth of {} are texts that only strings cut from them refer to; {}",
            human_bytes(p.sliced_bytes),
            holder_words::of(p).sentence,
            leak_patterns::meaning("sliced-strings")
        ),
        growth_bytes: i64::try_from(p.sliced_bytes).ok(),
        path: whole.path.clone(),
        sites: whole.sites.clone(),
        culprits: vec![("class".into(), "sliced string".into())],
        ..Suspect::default()
    })
}

/// What the growth is called by.
fn called(g: &Gain) -> String {
    match (&g.title, &*g.class.name) {
        (Some(t), "Generator" | "AsyncGenerator" | "AsyncFunctionObject") => format!("{t}()"),
        (_, "system / JSArrayBufferData") => "ArrayBuffer data".into(),
        (_, name) => name.into(),
    }
}

fn plural(g: &Gain) -> String {
    match (&g.title, &*g.class.name) {
        (_, "Function") => "functions".into(),
        (_, "(string)" | "(concatenated string)" | "(sliced string)") => "strings".into(),
        (_, "Array") => "arrays".into(),
        (_, "Object") => "objects".into(),
        (_, "Promise") => "promises".into(),
        (Some(_), "Generator" | "AsyncGenerator" | "AsyncFunctionObject") => format!("suspended calls of {}", called(g)),
        _ => called(g),
    }
}

/// Growth points as rows: one per holder.
pub fn rows(last: &HeapGraph, snapshots: usize) -> Vec<DeltaRow> {
    last.growth
        .iter()
        .map(|p| {
            let amount = |i: usize| {
                let get =
                    |v: &[Option<u64>]| v.iter().rev().take(snapshots).rev().nth(i).copied().flatten().and_then(|v| i64::try_from(v).ok());
                Amount { count: get(&p.elements), bytes: None, retained_bytes: get(&p.sizes) }
            };
            let (before, after) = (amount(0), amount(snapshots.saturating_sub(1)));
            DeltaRow {
                kind: "retainer".into(),
                key: format!("@{}", p.id),
                name: holder_words::of(p).name,
                count_delta: after.count.zip(before.count).map(|(b, a)| b - a),
                bytes_delta: Some(p.growth_bytes),
                retained_delta: after.retained_bytes.zip(before.retained_bytes).map(|(b, a)| b - a),
                steps: (0..snapshots).map(|i| Step { count: amount(i).count, bytes: amount(i).retained_bytes }).collect(),
                trend: "every-step".into(),
                before,
                after,
                ..DeltaRow::default()
            }
        })
        .collect()
}
