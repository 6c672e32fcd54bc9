//! Answers of clouds' and vendors' metric stores: the same samples in every store's JSON give the same series of the same
//! container, as one Prometheus would. Input: real samples of `samples/formats/prometheus`, put into answers as the stores
//! document them (`samples/formats/metric-answer/make.py`).

use postmem::correlate::correlate;
use postmem::formats::{self, Head, Match, parse_bytes};
use postmem::model::incident::{ArtifactInfo, PlacedSeries};
use postmem::model::{Facts, Incident};
use std::path::PathBuf;

const WORKING_SET: &str = "container_memory_working_set_bytes";

fn read(path: &str) -> Facts {
    let bytes = std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats").join(path)).unwrap();
    let head = Head { path, bytes: &bytes[..bytes.len().min(Head::LEN)], complete: bytes.len() <= Head::LEN };
    let (format, sure) = formats::detect(&head).expect("recognised");
    assert_eq!(sure, Match::Certain);
    if !path.starts_with("prometheus") {
        assert_eq!(format.name(), "metric-answer", "{path}");
    }
    let facts = parse_bytes(format, path, &bytes);
    assert!(facts.diagnostics.is_empty(), "{path}: {:?}", facts.diagnostics);
    facts
}

fn incident(path: &str) -> Incident {
    correlate(vec![read(path)], vec![ArtifactInfo { path: path.into(), ..ArtifactInfo::default() }], &Default::default(), &|_| Vec::new())
}

fn whole(s: &PlacedSeries) -> Vec<(i64, u64)> {
    s.what.finite().map(|(t, v)| (t, v as u64)).collect()
}

#[test]
fn every_store_tells_of_the_same_container() {
    let ours =
        |i: &Incident| i.series.iter().find(|s| s.what.metric == WORKING_SET && s.what.unit == "bytes").cloned().expect("a working set");
    let want = ours(&incident("prometheus/query_range.json"));
    for path in ["cloudwatch.json", "cloudwatch-labels.json", "google.json", "azure-perf.json", "datadog.json"] {
        let got = ours(&incident(&format!("metric-answer/{path}")));
        assert_eq!(whole(&got), whole(&want), "{path}");
        assert_eq!(got.owner.container, want.owner.container, "{path}");
        if path != "azure-perf.json" {
            assert_eq!((&got.owner.namespace, &got.owner.pod), (&want.owner.namespace, &want.owner.pod), "{path}");
        }
        assert!(got.what.label("source_metric").is_some(), "{path}");
    }
    let google = incident("metric-answer/google.json");
    assert!(google.series.iter().any(|s| s.what.metric == "container_spec_memory_limit_bytes" && s.what.values[0] == 134_217_728.0));
    let azure = incident("metric-answer/azure.json");
    assert_eq!(azure.series[0].owner.node.as_deref(), Some("aks-pool-1"));
    assert_eq!(whole(&azure.series[0]), whole(&want));
}

#[test]
fn rows_of_a_table_and_columns_beside_their_times_are_series_too() {
    let table = r#"{"tables":[{"name":"PrimaryResult","columns":[{"name":"TimeGenerated","type":"datetime"},{"name":"CounterName","type":"string"},
        {"name":"CounterValue","type":"real"},{"name":"InstanceName","type":"string"}],"rows":[
        ["2026-05-01T10:00:00Z","memoryRssBytes",1048576.0,"/s/managedClusters/p/26ce2389-73be-4175-8704-bcc741eba5d9/app"],
        ["2026-05-01T10:01:00Z","memoryRssBytes",2097152.0,"/s/managedClusters/p/26ce2389-73be-4175-8704-bcc741eba5d9/app"]]}]}"#;
    let columns = r#"{"data":{"type":"timeseries_response","attributes":{"times":[1790000000000,1790000060000],"series":[
        {"group_tags":["pod_name:cart-0"],"query_index":0,"unit":[{"family":"bytes","scale_factor":1024.0},null]}],"values":[[1024,null]]}}}"#;
    let read = |text: &str| {
        let head = Head { path: "a.json", bytes: text.as_bytes(), complete: true };
        let (format, _) = formats::detect(&head).expect("recognised");
        assert_eq!(format.name(), "metric-answer");
        parse_bytes(format, "a.json", text.as_bytes())
    };
    let rows = read(table);
    assert_eq!((rows.series.len(), &rows.series[0].what.values[..]), (1, &[1_048_576.0, 2_097_152.0][..]));
    assert_eq!(rows.series[0].who.container.as_deref(), Some("app"));
    let columns = read(columns);
    assert_eq!((&columns.series[0].what.values[..], columns.series[0].what.unit), (&[1_048_576.0][..], "bytes"));
    let cut = read(&table[..table.len() - 60]);
    assert!(cut.diagnostics.iter().any(|d| d.code == "truncated"));
}
