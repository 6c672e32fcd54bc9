//! Memory over time, thinned for drawing only: every column of pixels keeps its lowest and highest sample, so spikes stay.

use crate::model::finding::Finding;
use crate::model::series::WORKING_SET;
use crate::model::trend::Trend;
use crate::model::{Incident, Owner};
use crate::report::document::{Chart, ChartLine, ChartRun, Mark};

/// Columns of the large chart and of a small multiple.
const COLUMNS_MAIN: usize = 400;
const COLUMNS_SMALL: usize = 120;
const SMALL_MAX: usize = 8;

const LINES: &[(&str, &str)] = &[
    (WORKING_SET, "working set"),
    ("container_memory_rss", "RSS"),
    ("container_memory_cache", "cache"),
    ("container_memory_usage_bytes", "usage"),
];

pub fn charts(incident: &Incident, first: Option<&Finding>) -> Vec<Chart> {
    let Some(f) = first else { return Vec::new() };
    let headline = |t: &&Trend| t.metric == LINES[0].0;
    let mut out = Vec::new();
    let owned = |o: &Owner| {
        if f.owner.pod.is_some() {
            o.same_container(&f.owner)
        } else {
            o.node == f.owner.node && f.culprits.iter().any(|c| Some(&c.name) == o.pod.as_ref())
        }
    };
    let mut mains: Vec<&Trend> = incident.trends.iter().filter(headline).filter(|t| owned(&t.owner)).collect();
    mains.truncate(3);
    // A node's own or its services' series where no container is meant.
    if mains.is_empty() && f.owner.pod.is_none() {
        mains.extend(incident.trends.iter().filter(|t| t.owner.pod.is_none() && t.owner.node == f.owner.node).take(2));
    }
    for (i, t) in mains.iter().enumerate() {
        out.push(chart(incident, t, i == 0, if i == 0 { COLUMNS_MAIN } else { COLUMNS_SMALL }));
    }
    let replicas = incident.trends.iter().filter(headline).filter(|t| {
        f.owner.workload.is_some() && t.owner.workload == f.owner.workload && t.owner.namespace == f.owner.namespace && !owned(&t.owner)
    });
    out.extend(replicas.take(SMALL_MAX).map(|t| chart(incident, t, false, COLUMNS_SMALL)));
    out
}

fn chart(incident: &Incident, t: &Trend, main: bool, columns: usize) -> Chart {
    let mut lines = Vec::new();
    let mut source = Vec::new();
    for (metric, name) in LINES {
        // A small multiple shows the working set alone.
        if !main && t.metric != *metric {
            continue;
        }
        let mine: Vec<usize> = if t.metric == *metric { t.series.clone() } else { beside(incident, t, metric) };
        if !mine.is_empty() {
            lines.push(line(incident, &mine, name, columns));
            source.extend(mine.iter().filter_map(|&i| incident.series.get(i)).map(|s| incident.path(s.cite.span.artifact).to_owned()));
        }
    }
    if lines.is_empty() {
        lines.push(line(incident, &t.series, &t.metric, columns));
    }
    source.sort();
    source.dedup();
    Chart {
        id: format!("chart-{}", t.owner.label().replace(['/', ' '], "-")),
        owner: t.owner.clone(),
        title: t.owner.label(),
        main,
        limit_bytes: t.limit_bytes,
        request_bytes: t.request_bytes,
        lines,
        marks: marks(incident, t),
        forecast: forecast(t),
        eta_seconds: t.time_to_oom.map(|e| [e.low, e.mid, e.high]),
        runs: t
            .runs
            .iter()
            .map(|r| ChartRun {
                start: r.start.seconds_f64(),
                end: r.end.seconds_f64(),
                first_bytes: r.first_bytes,
                peak_bytes: r.peak_bytes,
                slope_bytes_per_hour: r.slope_bytes_per_hour,
                ended: r.ended.word().into(),
            })
            .collect(),
        source,
    }
}

/// Series of another metric of the same container.
fn beside(incident: &Incident, t: &Trend, metric: &str) -> Vec<usize> {
    let same = |o: &Owner| if t.owner.pod.is_some() { o.same_container(&t.owner) } else { *o == t.owner };
    (0..incident.series.len()).filter(|&i| incident.series.get(i).is_some_and(|s| s.what.metric == metric && same(&s.owner))).collect()
}

fn line(incident: &Incident, series: &[usize], name: &str, columns: usize) -> ChartLine {
    let mut points: Vec<[f64; 2]> = series
        .iter()
        .filter_map(|&i| incident.series.get(i))
        .flat_map(|s| s.what.finite().map(|(ms, v)| [ms as f64 / 1000.0, v]))
        .collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    ChartLine {
        name: name.to_owned(),
        segments: segments(&points).into_iter().map(|s| thin(s, &points, columns)).filter(|s| !s.is_empty()).collect(),
    }
}

/// Cuts where samples are missing for more than five times their usual distance.
fn segments(points: &[[f64; 2]]) -> Vec<&[[f64; 2]]> {
    let mut steps: Vec<f64> = points.windows(2).map(|w| w[1][0] - w[0][0]).filter(|d| *d > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(60.0);
    points.chunk_by(|a, b| b[0] - a[0] <= 5.0 * usual).collect()
}

/// Lowest and highest sample of each of `columns` equal spans of time, in order of time.
fn thin(segment: &[[f64; 2]], all: &[[f64; 2]], columns: usize) -> Vec<[f64; 2]> {
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return Vec::new() };
    let width = ((last[0] - first[0]) / columns as f64).max(1e-9);
    let mut out: Vec<[f64; 2]> = Vec::new();
    for column in segment.chunk_by(|a, b| ((a[0] - first[0]) / width) as i64 == ((b[0] - first[0]) / width) as i64) {
        let low = column.iter().copied().min_by(|a, b| a[1].total_cmp(&b[1]));
        let high = column.iter().copied().max_by(|a, b| a[1].total_cmp(&b[1]));
        let mut pair: Vec<[f64; 2]> = low.into_iter().chain(high).collect();
        pair.sort_by(|a, b| a[0].total_cmp(&b[0]));
        pair.dedup();
        out.extend(pair.into_iter().map(|[t, v]| [(t * 10.0).round() / 10.0, v.round()]));
    }
    out
}

fn marks(incident: &Incident, t: &Trend) -> Vec<Mark> {
    let mut out = Vec::new();
    let mark = |time: f64, kind: &str, label: String| Mark { time, kind: kind.into(), label };
    let inside = |s: f64| s >= t.window.0.seconds_f64() - 3600.0 && s <= t.window.1.seconds_f64() + 3600.0;
    for k in incident.kills.iter().filter(|k| {
        k.owner.same_container(&t.owner)
            || (k.owner.same_pod(&t.owner) && k.owner.container.is_none())
            || (t.owner.pod.is_none() && k.owner.pod.is_none() && k.owner.node == t.owner.node)
    }) {
        if let Some(at) = k.moment() {
            out.push(mark(at.seconds_f64(), "kill", k.kind.word().into()));
        }
    }
    for r in &t.restarts {
        if !out.iter().any(|m| (m.time - r.seconds_f64()).abs() < 180.0) {
            out.push(mark(r.seconds_f64(), "restart", "restart".into()));
        }
    }
    for e in incident.timeline.iter().filter(|e| {
        e.kind == "rollout" && e.owner.workload.is_some() && e.owner.workload == t.owner.workload && e.owner.namespace == t.owner.namespace
    }) {
        out.push(mark(e.at.earliest.seconds_f64(), "rollout", e.text.clone()));
    }
    for p in incident.profiles.iter().filter(|p| p.owner.same_container(&t.owner)) {
        if let Some(at) = p.at.mid() {
            out.push(mark(at.seconds_f64(), "snapshot", p.what.format.into()));
        }
    }
    out.retain(|m| inside(m.time));
    out.sort_by(|a, b| a.time.total_cmp(&b.time).then_with(|| a.kind.cmp(&b.kind)));
    out
}

/// From the last sample to the limit, with the interval of the slope.
fn forecast(t: &Trend) -> Vec<[f64; 4]> {
    let (Some(slope), Some(eta)) = (t.slope, t.time_to_oom) else { return Vec::new() };
    let (now, last) = (t.window.1.seconds_f64(), t.runs.last().map_or(t.percentiles.max_bytes, |r| r.last_bytes));
    // Drawn no further than a third of the window: the chart is about what happened. Past the latest moment in the interval
    // there is nothing more to say.
    let reach = (1.05 * eta.high).min((t.window.1.seconds_f64() - t.window.0.seconds_f64()) / 3.0);
    const POINTS: u32 = 12;
    (0..=POINTS)
        .map(|i| reach * f64::from(i) / f64::from(POINTS))
        .map(|dt| [now + dt, last + slope.low * dt / 3600.0, last + slope.mid * dt / 3600.0, last + slope.high * dt / 3600.0])
        .collect()
}
