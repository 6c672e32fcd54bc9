//! Comparison of class histograms by class over 2..N captures, and of native memory by category.
//!
//! A histogram has no references, so nothing tells who holds what grows. What can be told: byte arrays and strings grow
//! because some class of the application keeps them, and that class grows in step. So suspects are the application's own
//! growing classes first; a class of the platform is named only where none of the application's grows.

use super::growth::{self, Shape};
use super::tracks::{self, Track};
use super::value::{Halves, Value};
use super::{Snapshot, infos};
use crate::model::delta::{Delta, GroupBy, RowOptions, Suspect};
use crate::model::profile::{ClassTable, HeapProfile, ProfileBody};
use crate::model::quantity;
use std::collections::BTreeMap;

/// Suspects named at most.
const MOST: usize = 10;
/// Growth of an application's class below this share of all growth is not worth a name. It is small because the class
/// itself is: what it holds is counted with byte arrays and strings.
const OWN_SHARE: f64 = 0.005;
/// The same for classes of the platform.
const PLATFORM_SHARE: f64 = 0.05;
/// Growth of the whole heap below this share of its final size is no growth.
const MATERIAL: f64 = 0.02;

/// Compares 2..N histograms, earliest first. The error names a bad measure.
pub fn diff(snapshots: &[Snapshot<'_>], rows: &RowOptions) -> Result<Delta, String> {
    let tables: Vec<(&HeapProfile, &ClassTable)> =
        snapshots.iter().filter_map(|s| if let ProfileBody::Classes(t) = &s.profile.body { Some((s.profile, t)) } else { None }).collect();
    let Some((first, _)) = tables.first() else { return Ok(Delta::default()) };
    let Some(halves) = Halves::of(first, rows.measure.as_deref()) else {
        let have: Vec<&str> = first.measures.iter().map(|m| m.name.as_str()).collect();
        return Err(format!("no measure {}; the profile has {}", rows.measure.as_deref().unwrap_or("at all"), have.join(", ")));
    };
    let mut all = tracks(&tables, &halves);
    let native = first.format == "jvm-nmt";
    let mut limits: Vec<String> =
        snapshots.iter().filter(|s| s.profile.truncated).map(|s| format!("{} ended early; its figures are lower bounds", s.path)).collect();
    if !native {
        limits.push("a histogram has no references: what holds the growing classes takes a heap dump".into());
    }
    let suspects = if native { Vec::new() } else { suspects(&all, &halves) };
    let size = |t: &Track| tracks::change(t, halves.by_bytes()).unsigned_abs();
    all.retain(|t| t.steps.iter().any(|v| Some((v.bytes, v.count)) != t.steps.first().map(|f| (f.bytes, f.count))));
    all.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.key.cmp(&b.key)));
    all.truncate(rows.limit());
    Ok(Delta {
        same_process: None,
        measures: first.measures.iter().map(|m| m.name.clone()).collect(),
        measure: halves.measure.clone(),
        snapshots: infos(snapshots, halves.bytes.as_deref(), halves.count.as_deref()),
        rows: all.into_iter().map(|t| tracks::row(t, GroupBy::Class, rows, &halves, None)).collect(),
        suspects,
        limits,
        ..Delta::default()
    })
}

/// Joins the histograms by class.
fn tracks(tables: &[(&HeapProfile, &ClassTable)], halves: &Halves) -> Vec<Track> {
    let mut by_key: BTreeMap<&str, Track> = BTreeMap::new();
    for (i, (profile, table)) in tables.iter().enumerate() {
        let (bytes, count) = (Halves::index(profile, &halves.bytes), Halves::index(profile, &halves.count));
        for r in &table.rows {
            let get = |m: Option<usize>| m.and_then(|m| r.values.get(m)).copied().unwrap_or(0);
            let track = by_key.entry(r.key.as_str()).or_insert_with(|| Track {
                renamed: None,
                key: r.key.clone(),
                name: r.name.clone(),
                location: None,
                steps: vec![Value::default(); tables.len()],
            });
            if let Some(slot) = track.steps.get_mut(i) {
                slot.add(Value { bytes: get(bytes), count: get(count), ..Value::default() });
            }
        }
    }
    by_key.into_values().collect()
}

fn suspects(all: &[Track], halves: &Halves) -> Vec<Suspect> {
    let by_bytes = halves.by_bytes();
    let total =
        |pick: fn(&[Value]) -> Option<&Value>| all.iter().filter_map(|t| pick(&t.steps)).map(|v| v.of(by_bytes) as f64).sum::<f64>();
    let (before, after) = (total(<[Value]>::first), total(<[Value]>::last));
    let gained: f64 = all.iter().map(|t| tracks::change(t, by_bytes).max(0) as f64).sum();
    if after - before < MATERIAL * after {
        return Vec::new();
    }
    let growing: Vec<(&Track, f64)> = all
        .iter()
        .filter_map(|t| {
            let j = growth::judge(&t.steps, by_bytes, None);
            let share = if is_platform(&t.name) { PLATFORM_SHARE } else { OWN_SHARE };
            (j.shape == Shape::Growing && j.growth >= share * gained && j.growth > 0.0).then_some((t, j.growth))
        })
        .collect();
    let own: Vec<(&Track, f64)> = growing.iter().copied().filter(|(t, _)| !is_platform(&t.name)).collect();
    let held = !own.is_empty();
    let mut found = if held { own } else { growing };
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.key.cmp(&b.0.key)));
    found.truncate(MOST);
    found.into_iter().map(|(t, growth)| suspect(t, growth, held, all.len())).collect()
}

fn suspect(t: &Track, growth: f64, own: bool, classes: usize) -> Suspect {
    let value = |v: Option<&Value>| v.copied().unwrap_or_default();
    let (a, b) = (value(t.steps.first()), value(t.steps.last()));
    let bytes = b.bytes.saturating_sub(a.bytes);
    let objects = b.count.saturating_sub(a.count);
    let whose = if own { "the application's own classes" } else { "classes of the platform; none of the application's own grew with them" };
    Suspect {
        name: t.name.clone(),
        why: format!(
            "{objects} more instances ({} themselves, without what they hold) over {} histograms of up to {classes} classes; first among {whose}",
            quantity::human(growth),
            t.steps.len(),
        ),
        growth_bytes: Some(bytes),
        objects_added: Some(objects),
        pattern: "class-growth".into(),
        culprits: vec![("class".into(), t.name.clone())],
        ..Suspect::default()
    }
}

/// Classes of the JDK and of the language runtimes on it, and arrays of them.
fn is_platform(name: &str) -> bool {
    let element = name.trim_end_matches("[]");
    let primitive = matches!(element, "byte" | "char" | "int" | "long" | "short" | "boolean" | "float" | "double");
    let prefixes = ["java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.", "clojure.lang."];
    primitive || element.starts_with('<') || prefixes.iter().any(|p| element.starts_with(p))
}
