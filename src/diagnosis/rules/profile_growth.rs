//! Claims: these classes, functions or lines grew between successive profiles of one process. Mechanism: objects that are
//! allocated and never released add up from capture to capture. Refuted by: captures of different processes, or growth
//! that stops. Off-heap buffers show in a class histogram only by their small wrappers, so wrappers speak for native growth.

use crate::diagnosis::case::{Case, PROFILES_APART, SMALL_SHARE};
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::incident::PlacedDelta;
use crate::model::quantity::human;
use crate::model::time::HOUR;
use crate::model::trend::TrendVerdict;

/// Classes whose instances stand for memory outside the Java heap (java.nio).
const OFF_HEAP_WRAPPERS: &[&str] =
    &["java.nio.DirectByteBuffer", "java.nio.MappedByteBuffer", "jdk.internal.ref.Cleaner", "sun.misc.Cleaner"];

pub struct ProfileGrowth;

impl Rule for ProfileGrowth {
    fn id(&self) -> &'static str {
        "profile-growth"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container, Need::Profiles]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        for delta in &case.deltas {
            if delta.what.format == "jvm-nmt" {
                native_memory(delta, out);
            } else {
                examine_delta(case, delta, out);
            }
        }
    }
}

fn examine_delta(case: &Case<'_>, delta: &PlacedDelta, out: &mut Witness<'_>) {
    let d = &delta.what;
    // Of different processes only classes compare, not objects: that says little, and nothing where none grew.
    if d.same_process == Some(false) {
        if let Some(first) = d.suspects.first() {
            let says = format!("{} ({} profiles of different processes, compared by class)", first.why, d.snapshots.len());
            out.supports(Cause::HeapLeak, Strength::Weak, "Heap", delta.cites.clone(), says);
        }
        return;
    }
    let growth = delta.total_growth_bytes.unwrap_or(0);
    let wrapper = d
        .rows
        .iter()
        .find(|r| r.count_delta.is_some_and(|c| c > 0) && OFF_HEAP_WRAPPERS.contains(&r.name.as_str()) && r.trend == "every-step");
    if let Some(r) = wrapper.filter(|r| {
        Some(r.key.as_str()) == leading_new(d).map(|x| x.key.as_str())
            || d.suspects.is_empty()
            || d.suspects.first().is_some_and(|s| OFF_HEAP_WRAPPERS.iter().any(|w| s.name.contains(w)))
    }) {
        let says = format!(
            "{} grew by {} objects over {} histograms; each stands for a buffer outside the heap",
            r.name,
            r.count_delta.unwrap_or(0),
            d.snapshots.len()
        );
        out.supports(Cause::NativeGrowth, Strength::Strong, "Heap", delta.cites.clone(), says.clone());
        out.contradicts(Cause::HeapLeak, Strength::Moderate, "Heap", delta.cites.clone(), says);
        out.culprit(Cause::NativeGrowth, "class", &r.name, r.bytes_delta, None);
        return;
    }
    let Some(first) = d.suspects.first() else { return };
    let strength = match d.snapshots.len() {
        // A heap that grows by a small part of what the memory grows by is not what fills it.
        _ if explains(case, delta).is_some_and(|share| share < SMALL_SHARE) => Strength::Weak,
        3.. => Strength::Strong,
        _ => Strength::Moderate,
    };
    out.supports(
        Cause::HeapLeak,
        strength,
        "Heap",
        delta.cites.clone(),
        match delta.total_growth_bytes {
            Some(_) => format!("{} ({} profiles, total {} more)", first.why, d.snapshots.len(), human(growth as f64)),
            None => format!("{} ({} profiles)", first.why, d.snapshots.len()),
        },
    );
    out.contradicts(
        Cause::LimitBelowNeed,
        Strength::Moderate,
        "Heap",
        delta.cites.clone(),
        match first.growth_bytes {
            Some(_) => format!("the live heap itself grows: {}", first.why),
            None => first.why.clone(),
        },
    );
    for s in d.suspects.iter().take(3) {
        let share = s.growth_bytes.filter(|_| growth > 0).map(|g| (g as f64 / growth as f64).clamp(0.0, 1.0));
        if s.culprits.is_empty() {
            out.culprit(Cause::HeapLeak, d.rows.first().map_or("class", |r| r.kind.as_str()), &s.name, s.growth_bytes, share);
        }
        for (kind, name) in &s.culprits {
            out.culprit(Cause::HeapLeak, kind, name, s.growth_bytes, share);
        }
    }
}

/// The profiles' growth as a share of the working set's, where both have a rate over the same hours.
fn explains(case: &Case<'_>, delta: &PlacedDelta) -> Option<f64> {
    let slope = case.headline().filter(|t| t.verdict == TrendVerdict::Leak)?.slope.map(|s| s.mid).filter(|s| *s > 0.0)?;
    let span = delta.at.is_known().then(|| delta.at.latest.0.saturating_sub(delta.at.earliest.0)).filter(|s| *s >= PROFILES_APART)?;
    (delta.what.measure == "bytes").then_some(delta.total_growth_bytes? as f64 * HOUR as f64 / span as f64 / slope)
}

/// The row whose count grew most steadily, classes of the runtime aside.
fn leading_new(d: &crate::model::delta::Delta) -> Option<&crate::model::delta::DeltaRow> {
    d.rows.iter().filter(|r| r.trend == "every-step").max_by_key(|r| r.count_delta)
}

/// What a category of Native Memory Tracking must grow by: tracking itself and the collector's tables move by a few MiB.
const NMT_LEAST: i64 = 8 << 20;

/// Native Memory Tracking: which category of the JVM grew.
fn native_memory(delta: &PlacedDelta, out: &mut Witness<'_>) {
    let Some(top) = delta.what.rows.iter().filter(|r| r.bytes_delta.is_some_and(|b| b > 0)).max_by_key(|r| r.bytes_delta) else { return };
    let grown = top.bytes_delta.unwrap_or(0);
    if grown < NMT_LEAST {
        return;
    }
    let says = format!("NMT category {} grew by {} over {} summaries", top.name, human(grown as f64), delta.what.snapshots.len());
    let (cause, other) =
        if top.name == "Java Heap" { (Cause::HeapLeak, Cause::NativeGrowth) } else { (Cause::NativeGrowth, Cause::HeapLeak) };
    out.supports(cause, Strength::Strong, "Heap", delta.cites.clone(), says.clone());
    if cause == Cause::NativeGrowth {
        out.contradicts(other, Strength::Moderate, "Heap", delta.cites.clone(), says);
        out.culprit(cause, "class", &format!("NMT {}", top.name), top.bytes_delta, None);
    }
}
