//! Series in every text form say the same; damage keeps what came before; a leak with kills is called one.

use postmem::formats::{Format, Input, Open, openmetrics::OpenMetrics, prometheus_api::PrometheusApi, tsdb_dump::TsdbDump};
use postmem::model::incident::PlacedSeries;
use postmem::model::trend::{TrendForm, TrendVerdict};
use postmem::model::{ArtifactId, Claim, Facts, Incident, Owner};
use std::borrow::Cow;
use std::fmt::Write;
use std::io::Read;

struct Bytes(Vec<u8>);

impl Open for Bytes {
    fn reader(&self) -> std::io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(&self.0[..]))
    }

    fn bytes(&self) -> std::io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&self.0))
    }
}

fn parse(format: &dyn Format, bytes: &[u8]) -> Facts {
    let source = Bytes(bytes.to_vec());
    let mut facts = Facts::new(ArtifactId(0));
    let input = Input { artifact: ArtifactId(0), path: "export", len: None, who: Claim::default(), source: &source };
    format.parse(&input, &mut facts);
    facts
}

const LABELS: &str = "container=\"app\",namespace=\"shop\",pod=\"cart-0\"";

/// Three lives of a container of 300 minutes: it climbs from 100 to 400 MB and is killed twice. (Unix s, bytes, restarts)
fn cycles() -> Vec<(i64, i64, i64)> {
    (0..900i64)
        .map(|i| {
            let noise = (i * 7919 % 101) * 20_000;
            (1_790_000_000 + i * 60, 100_000_000 + i % 300 * 1_000_000 + noise, i / 300)
        })
        .collect()
}

fn matrix(metric: &str, value: impl Fn(&(i64, i64, i64)) -> i64) -> String {
    let mut out = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{{\"__name__\":\"{metric}\",\"container\":\"app\",\"namespace\":\"shop\",\"pod\":\"cart-0\"}},\"values\":["
    );
    for (i, s) in cycles().iter().enumerate() {
        let _ = write!(out, "{}[{},\"{}\"]", if i > 0 { "," } else { "" }, s.0, value(s));
    }
    out + "]}]}}"
}

const WORKING_SET: &str = "container_memory_working_set_bytes";

#[test]
fn json_openmetrics_and_dump_give_the_same_samples() {
    let json = parse(&PrometheusApi, matrix(WORKING_SET, |s| s.1).as_bytes());
    let (mut om, mut dump) = (format!("# TYPE {WORKING_SET} gauge\n"), String::new());
    for s in cycles() {
        let _ = writeln!(om, "{WORKING_SET}{{{LABELS}}} {} {}.000", s.1, s.0);
        let _ = writeln!(dump, "{{__name__=\"{WORKING_SET}\", {}}} {} {}", LABELS.replace(',', ", "), s.1, s.0 * 1000);
    }
    let om = parse(&OpenMetrics, (om + "# EOF\n").as_bytes());
    let dump = parse(&TsdbDump, dump.as_bytes());
    assert_eq!((json.series.len(), om.series.len(), dump.series.len()), (1, 1, 1));
    assert_eq!(json.series[0].what, om.series[0].what);
    assert_eq!(json.series[0].what, dump.series[0].what);
    assert_eq!(json.series[0].what.times.len(), 900);
    assert!(json.diagnostics.is_empty() && om.diagnostics.is_empty() && dump.diagnostics.is_empty());
}

#[test]
fn a_cut_answer_keeps_whole_samples_and_says_so() {
    let whole = matrix(WORKING_SET, |s| s.1);
    let full = parse(&PrometheusApi, whole.as_bytes());
    for cut in (0..whole.len() - 4).step_by(97) {
        let facts = parse(&PrometheusApi, &whole.as_bytes()[..cut]);
        assert!(cut == 0 || facts.diagnostics.iter().any(|d| d.code == "truncated"), "cut at {cut}");
        for s in &facts.series {
            let n = s.what.times.len();
            assert_eq!(s.what.values[..], full.series[0].what.values[..n], "cut at {cut}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let texts =
        [matrix(WORKING_SET, |s| s.1), format!("m{{{LABELS}}} 1 2\n").repeat(50), format!("{{__name__=\"m\", {LABELS}}} 1 2\n").repeat(50)];
    let formats: [&dyn Format; 3] = [&PrometheusApi, &OpenMetrics, &TsdbDump];
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    for (text, format) in texts.iter().zip(formats) {
        for _ in 0..300 {
            let mut bytes = text.as_bytes()[..text.len().min(3000)].to_vec();
            for _ in 0..4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed as u8;
            }
            let facts = parse(format, &bytes);
            assert!(facts.series.iter().all(|s| s.what.times.len() == s.what.values.len()));
        }
    }
}

#[test]
fn a_container_killed_again_and_again_leaks_in_cycles() {
    let mut incident = Incident::default();
    for text in [
        matrix(WORKING_SET, |s| s.1),
        matrix("kube_pod_container_status_restarts_total", |s| s.2),
        matrix("container_spec_memory_limit_bytes", |_| 410_000_000),
    ] {
        for o in parse(&PrometheusApi, text.as_bytes()).series {
            let own = |s: &Option<Box<str>>| s.as_deref().map(str::to_owned);
            let owner = Owner {
                namespace: own(&o.who.namespace),
                workload: None,
                pod: own(&o.who.pod),
                container: own(&o.who.container),
                node: None,
            };
            incident.series.push(PlacedSeries { owner, cite: o.cite, what: o.what });
        }
    }
    postmem::correlate::trends::compute(&mut incident, Default::default());
    let trend = &incident.trends[0];
    assert_eq!((trend.verdict, trend.form), (TrendVerdict::Leak, Some(TrendForm::Cycles)), "{}", trend.why);
    assert_eq!((trend.restarts.len(), trend.oom_times.len(), trend.runs.len()), (2, 2, 3));
    let slope = trend.slope.map_or(0.0, |s| s.mid);
    assert!((slope / 60e6 - 1.0).abs() < 0.05, "60 MB an hour, said {slope}");
    assert!(trend.recommended_limit_bytes.is_none(), "no limit is right for a leak");
}
