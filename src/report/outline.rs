//! What all pages agree on: which chart is the large one, what a kind of advice is called, how a comparison becomes a
//! table of growth. Pages differ in marks only, not in content.

use crate::model::delta::{Delta, DeltaRow, PathStep, Suspect};
use crate::model::finding::Advice;
use crate::model::graph::{Repeated, RepeatedStrings};
use crate::model::quantity::{grouped, human, human_bytes};
use crate::report::document::{BridgeDoc, Chart, EvidenceRef, ReportDoc};
use serde_json::Value;

/// Charts drawn large; the first chart if none says that it is.
pub fn main_charts(doc: &ReportDoc) -> Vec<&Chart> {
    let main: Vec<&Chart> = doc.charts.iter().filter(|c| c.main).collect();
    if main.is_empty() { doc.charts.iter().take(1).collect() } else { main }
}

/// The other charts, drawn small.
pub fn small_charts(doc: &ReportDoc) -> Vec<&Chart> {
    let any_main = doc.charts.iter().any(|c| c.main);
    doc.charts.iter().enumerate().filter(|(i, c)| if any_main { !c.main } else { *i > 0 }).map(|(_, c)| c).collect()
}

/// Whether repeated strings waste enough of the last snapshot to be shown: a hundredth, or anything where they are the leak.
pub fn worth_telling(s: &RepeatedStrings, delta: &Delta) -> bool {
    let total = delta.snapshots.last().and_then(|x| x.total_bytes).and_then(|b| u64::try_from(b).ok()).unwrap_or(0);
    s.wasted_bytes.saturating_mul(100) >= total.max(1) || delta.suspects.iter().any(|x| x.pattern == "duplicated-strings")
}

/// `6,001 strings repeat the text of another (3 texts) and take 1.2 MiB.`
pub fn repeated_sentence(s: &RepeatedStrings) -> String {
    let n = |v: u64| grouped(i64::try_from(v).unwrap_or(i64::MAX));
    let perhaps = match s.perhaps_copies {
        0 => String::new(),
        more => format!(
            " {} further ones ({}) have one size and begin alike, but are longer than a snapshot keeps: whether they are equal it does not tell.",
            n(more),
            human_bytes(s.perhaps_bytes)
        ),
    };
    format!(
        "In the last snapshot {} strings repeat the text of another ({} texts) and take {}.{perhaps} Contents are hidden.",
        n(s.copies),
        n(s.texts),
        human_bytes(s.wasted_bytes)
    )
}

/// Length of a repeated text; snapshots cut texts, so that a long one is only known to begin alike.
pub fn length_words(t: &Repeated) -> String {
    match t.cut {
        true => format!("{} or more characters, equal as far as the file tells", grouped(i64::from(t.characters))),
        false => format!("{} characters", grouped(i64::from(t.characters))),
    }
}

/// `path:line` of a piece of evidence.
pub fn place(e: &EvidenceRef) -> String {
    e.line.map_or_else(|| e.artifact.clone(), |l| format!("{}:{l}", e.artifact))
}

/// `Stop it now` for `stop`.
pub fn advice_title(kind: &str) -> &str {
    match kind {
        "stop" => "Stop it now",
        "fix" => "Fix the cause",
        "size" => "Size it right",
        "prove" => "Prove it, keep it",
        "collect" => "Collect next",
        _ => "Also",
    }
}

/// Advice of the best finding in order of how soon it helps, the first step in front, nothing twice.
pub fn advice(doc: &ReportDoc) -> Vec<&Advice> {
    let rank = |a: &Advice| ["stop", "fix", "size", "prove", "collect"].iter().position(|k| *k == a.kind).unwrap_or(5);
    let mut rest: Vec<&Advice> = doc.findings.first().map(|f| f.advice.iter().collect()).unwrap_or_default();
    rest.sort_by_key(|a| rank(a));
    let mut out: Vec<&Advice> = Vec::new();
    for a in doc.headline.first_step.iter().chain(rest) {
        if !out.iter().any(|b| b.text == a.text && b.command == a.command) {
            out.push(a);
        }
    }
    out
}

/// What a higher limit would buy where memory only ever grows: limit, seconds from start to kill, kills a day.
pub struct Headroom {
    pub limit_bytes: f64,
    pub today: bool,
    pub lasts_seconds: f64,
    pub kills_per_day: f64,
}

/// Arithmetic on the lives that the large chart shows: from the median start at the finding's own slope. Only for causes
/// that no limit cures; empty where slope, limit or lives are not known.
pub fn headroom(doc: &ReportDoc) -> Vec<Headroom> {
    let Some(f) = doc.findings.first().filter(|f| matches!(f.cause.as_str(), "heap-leak" | "native-growth" | "node-agent-leak")) else {
        return Vec::new();
    };
    let known = |v: Option<f64>| v.filter(|v| v.is_finite() && *v > 0.0);
    let Some(chart) = main_charts(doc).first().copied() else { return Vec::new() };
    let (Some(slope), Some(limit)) = (known(f.quantities.get("growth_bytes_per_hour").copied()), known(chart.limit_bytes)) else {
        return Vec::new();
    };
    // Lives before the trouble began tell nothing about where a growing one starts.
    let growing = chart.runs.iter().filter(|r| r.slope_bytes_per_hour.is_some_and(|s| s > slope / 2.0));
    let mut starts: Vec<f64> = growing.map(|r| r.first_bytes).filter(|b| b.is_finite() && *b < limit).collect();
    starts.sort_by(f64::total_cmp);
    let Some(start) = starts.get(starts.len() / 2) else { return Vec::new() };
    [1.0, 1.25, 1.5, 2.0]
        .into_iter()
        .map(|factor| {
            let lasts = (limit * factor - start) / slope * 3600.0;
            Headroom { limit_bytes: limit * factor, today: factor == 1.0, lasts_seconds: lasts, kills_per_day: 86_400.0 / lasts.max(1.0) }
        })
        .collect()
}

/// One policy's sizes, as a row.
pub struct SizeRow {
    pub policy: String,
    pub words: String,
    pub chosen: bool,
    pub limit_bytes: f64,
    pub request_bytes: f64,
    /// `0 of 12 kills remain`, or how much of the record lies above the limit.
    pub outcome: String,
}

/// The recommended size of the first finding's container in its context.
pub struct Sizes {
    /// What kind of workload it was taken for, what the size means for QoS and cost; one sentence each.
    pub remarks: Vec<String>,
    pub rows: Vec<SizeRow>,
    pub command: Option<String>,
}

/// `None` for a leak, which has no right size, and where nothing was sized.
pub fn sizes(doc: &ReportDoc) -> Option<Sizes> {
    let owner = &doc.findings.first()?.owner;
    let trend = doc.trends.iter().find(|t| {
        let has = |key: &str, own: &Option<String>| t.get("owner").and_then(|o| o.get(key)).and_then(Value::as_str) == own.as_deref();
        has("namespace", &owner.namespace) && has("pod", &owner.pod) && has("container", &owner.container)
    })?;
    let s = trend.get("sizing").filter(|s| !s.is_null())?;
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let number = |v: &Value, key: &str| v.get(key).and_then(Value::as_f64);
    let chosen = text(s, "policy");
    let rows = s.get("policies").and_then(Value::as_array).into_iter().flatten().filter_map(|p| {
        let (kills, left) = (number(p, "kills")?, number(p, "kills_remaining")?);
        let above = number(p, "share_above")? * 100.0;
        let outcome = match (kills > 0.0, above > 0.0) {
            (true, _) => format!("{left:.0} of {kills:.0} kills remain"),
            (false, true) => format!("{above:.2} % of the record lies above"),
            (false, false) => "holds the whole record".to_owned(),
        };
        Some(SizeRow {
            chosen: text(p, "policy") == chosen,
            policy: text(p, "policy"),
            words: text(p, "words"),
            limit_bytes: number(p, "limit_bytes")?,
            request_bytes: number(p, "request_bytes")?,
            outcome,
        })
    });
    let mut remarks = vec![format!("Sized as a {} workload, by {}.", text(s, "kind"), text(s, "kind_from"))];
    let (now, then) = (text(s, "qos_now"), text(s, "qos_then"));
    if !then.is_empty() {
        let what = match then.as_str() {
            "Guaranteed" => "evicted last when the node runs short",
            "BestEffort" => "evicted first when the node runs short",
            _ => "evicted before Guaranteed pods, and first where it exceeds its request",
        };
        let from = if now.is_empty() || now == then { String::new() } else { format!(" instead of {now}") };
        remarks.push(format!("QoS class {then}{from}: {what}."));
    }
    if let (Some(price), Some(cost)) = (number(s, "price_per_gib_month"), number(s, "month_then")) {
        let replicas = number(s, "replicas").unwrap_or(1.0);
        let before = number(s, "month_now").map_or(String::new(), |b| format!(" instead of {b:.2}"));
        remarks.push(format!(
            "At {price} a GiB and month each pod's request costs {cost:.2} a month{before}; {replicas:.0} known here: {:.2}.",
            cost * replicas
        ));
    }
    let command = s.get("command").and_then(Value::as_str).map(str::to_owned);
    Some(Sizes { remarks, rows: rows.collect(), command })
}

/// `●` read, `◐` partial, `○` missing.
pub fn coverage_glyph(status: &str) -> &'static str {
    match status {
        "read" => "●",
        "partial" => "◐",
        _ => "○",
    }
}

/// A glyph for a verdict's tone, so that colour never stands alone.
pub fn tone_glyph(tone: &str) -> &'static str {
    match tone {
        "harm" => "✕",
        "warn" => "▲",
        "ok" => "✓",
        _ => "?",
    }
}

/// `▲▲ every step` for `every-step`.
pub fn trend_words(trend: &str) -> &str {
    match trend {
        "every-step" => "▲▲ every step",
        "plateau" => "▲ then flat",
        "step" => "▲ one jump",
        "churn" => "↕ churn",
        "shrank" => "▼ shrank",
        "new" => "✚ new",
        "gone" => "✕ gone",
        other => other,
    }
}

/// A comparison as a table: values of up to five snapshots in one unit, growth, share of the growth.
pub struct Growth {
    /// `MiB`, or `objects` where the measure is only a count.
    pub unit: String,
    /// `S1`, `S3`, …
    pub labels: Vec<String>,
    pub rows: Vec<GrowthRow>,
    pub total: Option<GrowthRow>,
    /// Rows of the comparison beyond those here, and their growth together.
    pub more: usize,
    pub more_growth: String,
    /// Snapshots between those shown.
    pub skipped: usize,
}

pub struct GrowthRow {
    pub name: String,
    pub location: String,
    /// As written in the table; empty where unknown.
    pub values: Vec<String>,
    /// The same as fractions of the largest value of any row, 0..1.
    pub bars: Vec<f64>,
    pub growth: String,
    pub grew: bool,
    pub share: String,
    pub objects: String,
    pub retained: String,
    pub trend: String,
}

const MAX_COLUMNS: usize = 5;

/// The unit of a table by its largest value; the next smaller one where the largest change would be less than one of it, for
/// a table of growth that reads 0.0 says nothing.
fn scale(largest: f64, change: f64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 5] =
        [(1_099_511_627_776.0, "TiB"), (1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")];
    let enough = |factor: f64| if factor >= 1_048_576.0 { factor * 10.0 } else { factor };
    let fits = |&(factor, _): &(f64, &str)| largest >= enough(factor) && (change >= factor || change == 0.0);
    UNITS.into_iter().find(fits).unwrap_or((1.0, "B"))
}

/// One decimal for sizes, thousands separated for counts.
fn number(v: f64, counts: bool) -> String {
    if counts || v.abs() >= 1000.0 {
        return super::when::grouped(v.round() as i64);
    }
    let text = format!("{:.1}", v.abs());
    if v < 0.0 && text != "0.0" { format!("−{text}") } else { text }
}

fn signed(v: f64, counts: bool) -> String {
    let text = number(v, counts);
    if v > 0.0 && text != "0.0" && text != "0" { format!("+{text}") } else { text }
}

/// The columns to show of `n` snapshots: first, last and evenly between.
fn columns(n: usize) -> Vec<usize> {
    if n <= MAX_COLUMNS {
        return (0..n).collect();
    }
    (0..MAX_COLUMNS).map(|i| i * (n - 1) / (MAX_COLUMNS - 1)).collect()
}

/// Rows shown even if they are small beside the first.
const ROWS_LEAST: usize = 5;
/// A row smaller than this share of the largest says nothing about what grew.
const ROW_SHARE: f64 = 0.002;

/// The rows that tell what grew, those that grew or came to hold most first: a small object that holds the large ones is
/// the name to look for. What came and went without a change in size tells nothing, however much of it there was.
fn telling<'a>(delta: &'a Delta, max_rows: usize, change: &dyn Fn(&DeltaRow) -> Option<f64>) -> Vec<&'a DeltaRow> {
    let weight = |r: &DeltaRow| change(r).map_or(0.0, f64::abs).max(r.retained_delta.unwrap_or(0) as f64);
    let mut rows: Vec<&DeltaRow> = delta.rows.iter().filter(|r| weight(r) > 0.0).collect();
    // Stable: among equals the comparison's own order holds.
    rows.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let least = rows.first().map_or(0.0, |r| weight(r) * ROW_SHARE);
    let telling = rows.iter().take_while(|r| weight(r) >= least).count();
    rows.truncate(telling.max(ROWS_LEAST).min(max_rows));
    rows
}

pub fn growth(delta: &Delta, max_rows: usize) -> Growth {
    let only_counts = delta.rows.iter().all(|r| r.bytes_delta.is_none()) && delta.rows.iter().any(|r| r.count_delta.is_some());
    let pick = |count: Option<i64>, bytes: Option<i64>| if only_counts { count } else { bytes }.map(|v| v as f64);
    let n = delta.snapshots.len().max(2);
    let shown = columns(n);
    let steps = |r: &DeltaRow| -> Vec<Option<f64>> {
        if r.steps.len() == n {
            r.steps.iter().map(|s| pick(s.count, s.bytes)).collect()
        } else {
            let mut v = vec![None; n];
            if let Some(first) = v.first_mut() {
                *first = pick(r.before.count, r.before.bytes);
            }
            if let Some(last) = v.last_mut() {
                *last = pick(r.after.count, r.after.bytes);
            }
            v
        }
    };
    let change = |r: &DeltaRow| pick(r.count_delta, r.bytes_delta);
    let totals: Vec<Option<f64>> =
        if delta.snapshots.len() == n { delta.snapshots.iter().map(|s| pick(s.objects, s.total_bytes)).collect() } else { vec![None; n] };
    let total_growth = match (totals.first().copied().flatten(), totals.last().copied().flatten()) {
        (Some(a), Some(b)) => Some(b - a),
        _ => None,
    };
    let kept = telling(delta, max_rows, &change);
    let largest = kept.iter().flat_map(|r| steps(r).into_iter().flatten().chain(change(r))).fold(0.0f64, |m, v| m.max(v.abs()));
    let grew = kept.iter().filter_map(|r| change(r)).fold(0.0f64, |m, v| m.max(v.abs()));
    let (factor, unit) = if only_counts { (1.0, "objects") } else { scale(largest, grew) };
    let row = |name: &str, location: &str, values: &[Option<f64>], grew_by: Option<f64>, r: Option<&DeltaRow>| {
        let share = match (grew_by, total_growth) {
            (Some(g), Some(t)) if t > 0.0 && g > 0.0 && r.is_some() => format!("{:.0} %", g / t * 100.0),
            _ => String::new(),
        };
        let mut growth = grew_by.map(|g| signed(g / factor, only_counts)).unwrap_or_default();
        if let Some(e) = r.and_then(|r| r.error_bytes).filter(|e| *e > 0 && !only_counts) {
            growth.push_str(&format!(" ± {}", number(e as f64 / factor, false)));
        }
        GrowthRow {
            name: name.to_owned(),
            location: location.to_owned(),
            values: shown
                .iter()
                .map(|i| values.get(*i).copied().flatten().map(|v| number(v / factor, only_counts)).unwrap_or_default())
                .collect(),
            bars: shown
                .iter()
                .map(|i| values.get(*i).copied().flatten().map_or(0.0, |v| if largest > 0.0 { (v / largest).clamp(0.0, 1.0) } else { 0.0 }))
                .collect(),
            // What prints as nothing is not shown as growth.
            grew: grew_by.is_some_and(|g| g > 0.0 && number(g / factor, only_counts) != "0.0"),
            growth,
            share,
            objects: r.filter(|_| !only_counts).map(objects).unwrap_or_default(),
            retained: r.and_then(|r| r.retained_delta).filter(|v| *v != 0).map(|v| signed(v as f64 / factor, false)).unwrap_or_default(),
            trend: r.map(|r| r.trend.clone()).unwrap_or_default(),
        }
    };
    let rows = kept.iter().map(|r| row(&r.name, r.location.as_deref().unwrap_or(""), &steps(r), change(r), Some(r))).collect();
    let rest = delta.rows.iter().filter_map(change).sum::<f64>() - kept.iter().filter_map(|r| change(r)).sum::<f64>();
    Growth {
        unit: unit.to_owned(),
        labels: shown.iter().map(|i| format!("S{}", i + 1)).collect(),
        rows,
        total: total_growth.map(|g| row("all together", "", &totals, Some(g), None)),
        more: delta.rows.len().saturating_sub(kept.len()),
        more_growth: if only_counts { signed(rest, true) } else { format!("{}{}", if rest > 0.0 { "+" } else { "" }, human(rest)) },
        skipped: n - shown.len(),
    }
}

/// How many objects more: `+1,200`; where some came and others went `+1,500 −300`.
fn objects(r: &DeltaRow) -> String {
    match (r.added_count, r.removed_count) {
        (Some(new), Some(gone)) if new > 0 && gone > 0 => {
            format!("{} {}", signed(new as f64, true), signed(gone.saturating_neg() as f64, true))
        }
        _ => r.count_delta.map(|n| signed(n as f64, true)).unwrap_or_default(),
    }
}

/// Steps at either end of a long way that are shown in one line.
const WAY_ENDS: usize = 5;

/// The way from a root to what is held as one line, `Module wsclients.js → exports Object → …`; nothing for call stacks.
pub fn way(s: &Suspect) -> String {
    if s.path.iter().all(|p| p.edge == "calls") {
        return String::new();
    }
    let step = |p: &PathStep| {
        let what = if p.class.is_empty() { p.node.as_str() } else { p.class.as_str() };
        let what = match what {
            "system / Context" => "(scope)",
            // Roots are told apart by their names alone.
            "(synthetic)" => p.node.rsplit_once(" @").map_or(what, |(name, _)| name),
            _ => what,
        };
        let title = p.title.as_deref().and_then(|t| t.rsplit(['/', '\\']).next()).map_or(String::new(), |t| format!(" {t}"));
        if p.edge.is_empty() { format!("{what}{title}") } else { format!("{}: {what}{title}", p.edge) }
    };
    let unnamed = |p: &&PathStep| p.edge.is_empty() && p.node.starts_with(" @");
    let steps: Vec<String> = s.path.iter().filter(|p| !unnamed(p)).map(step).collect();
    let left_out = steps.len().saturating_sub(2 * WAY_ENDS);
    if left_out < 2 {
        return steps.join(" → ");
    }
    let (head, tail) = (steps.get(..WAY_ENDS).unwrap_or(&[]), steps.get(WAY_ENDS + left_out..).unwrap_or(&[]));
    format!("{} → … {left_out} steps … → {}", head.join(" → "), tail.join(" → "))
}

/// `inuse_space of one process` and the like, for a heading.
pub fn delta_subtitle(delta: &Delta) -> String {
    let mut parts = vec![format!("{} snapshots", delta.snapshots.len()), delta.format.clone(), delta.measure.clone()];
    match delta.same_process {
        Some(true) => parts.push("one process".into()),
        Some(false) => parts.push("different processes".into()),
        None => {}
    }
    parts.retain(|p| !p.is_empty());
    parts.join(" · ")
}

/// `3 more rows` or `1 more row`.
pub fn more(n: usize, what: &str) -> String {
    format!("{} more {what}{}", super::when::grouped(n as i64), if n == 1 { "" } else { "s" })
}

/// Where the bar of each rung begins and ends: a level at 0, a part where the level before it ended.
pub fn steps(b: &BridgeDoc) -> Vec<(f64, f64)> {
    let mut reached = 0.0;
    b.rungs
        .iter()
        .map(|r| {
            let from = if r.level { 0.0 } else { reached };
            reached = from + r.bytes as f64;
            (from, reached)
        })
        .collect()
}

/// The bridge in one sentence.
pub fn bridge(b: &BridgeDoc) -> String {
    let of = |id: &str| b.rungs.iter().find(|r| r.id == id).map(|r| r.bytes as f64);
    let mut out = String::new();
    let (top, name) = match (of("working-set"), of("rss"), of("runtime")) {
        (Some(w), ..) => (w, "in the working set"),
        (_, Some(r), _) => (r, "RSS"),
        (_, _, Some(r)) => (r, "held by the Go runtime"),
        _ => return out,
    };
    if let Some(live) = of("live-heap").or(of("heap-in-use")) {
        out += &format!("Of {} {}, {} ({:.0} %) is live heap", human(top), name, human(live), live / top.max(1.0) * 100.0);
    }
    if let Some(rest) = of("unexplained") {
        let size = human(rest.abs());
        out += &match rest >= 0.0 {
            true => format!("; {size} ({:.0} %) is outside what the Go runtime accounts for", rest / top.max(1.0) * 100.0),
            false => format!("; {size} that the runtime obtained is not resident"),
        };
    }
    if let (Some(room), Some(limit)) = (of("room"), of("limit")) {
        out += &format!("; {} of the {} limit is free", human(room.max(0.0)), human(limit));
    }
    if !out.is_empty() {
        out.push('.');
    }
    out
}
