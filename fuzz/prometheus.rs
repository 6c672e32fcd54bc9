//! Fuzz target for the readers of series and alerts, as an ordinary function: any bytes, no panic, times beside values.
//! Used by `fuzz_targets/prometheus.rs` and by the mutation loop of the tests.

use postmem::formats::alerts::Alerts;
use postmem::formats::grafana::{GrafanaCsv, GrafanaFrames};
use postmem::formats::metric_answer::MetricAnswer;
use postmem::formats::openmetrics::OpenMetrics;
use postmem::formats::prometheus_api::{PrometheusApi, VictoriaExport};
use postmem::formats::promtool_text::PromtoolText;
use postmem::formats::tsdb_block::{TsdbBlock, TsdbWal};
use postmem::formats::tsdb_dump::TsdbDump;
use postmem::formats::{Format, Head, Input, Open};
use postmem::model::{ArtifactId, Claim, Facts};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// One artifact of a folder in memory.
pub struct File<'a> {
    folder: &'a Folder,
    path: &'a str,
}

/// A file's content.
pub struct Blob(pub Vec<u8>);

/// A folder in memory: path → content. A block and a head are read through their neighbours.
pub type Folder = BTreeMap<String, Blob>;

impl Open for Blob {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(&self.0[..]))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&self.0))
    }
}

impl Open for File<'_> {
    fn reader(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(content(self.folder, self.path)))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(content(self.folder, self.path)))
    }

    fn beside(&self, path: &str) -> Option<&dyn Open> {
        self.folder.get(path).map(|b| b as &dyn Open)
    }

    fn paths(&self, prefix: &str) -> Vec<&str> {
        self.folder.keys().filter(|p| p.starts_with(prefix)).map(String::as_str).collect()
    }
}

fn content<'a>(folder: &'a Folder, path: &str) -> &'a [u8] {
    folder.get(path).map_or(&[][..], |b| &b.0)
}

/// Facts of the file at `path` as `format` reads it among its neighbours.
pub fn parse_in(format: &dyn Format, folder: &Folder, path: &str) -> Facts {
    let bytes = content(folder, path);
    let head = Head { path, bytes: bytes.get(..Head::LEN).unwrap_or(bytes), complete: bytes.len() <= Head::LEN };
    let _ = format.sniff(&head);
    let source = File { folder, path };
    let input = Input { artifact: ArtifactId(0), path, len: Some(bytes.len() as u64), who: Claim::default(), source: &source };
    let mut facts = Facts::new(ArtifactId(0));
    format.parse(&input, &mut facts);
    for s in &facts.series {
        assert_eq!(s.what.times.len(), s.what.values.len());
        assert!(s.what.times.is_sorted());
    }
    facts
}

/// Every text and JSON reader of series and alerts.
pub static TEXTS: [&dyn Format; 9] =
    [&PrometheusApi, &VictoriaExport, &OpenMetrics, &TsdbDump, &PromtoolText, &GrafanaCsv, &GrafanaFrames, &Alerts, &MetricAnswer];

/// The first byte picks a reader, the rest is its input; for blocks and heads the input is cut in two files.
pub fn prometheus(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let mut folder = Folder::new();
    match (which as usize) % (TEXTS.len() + 2) {
        n if n < TEXTS.len() => {
            folder.insert("export".into(), Blob(bytes.to_vec()));
            parse_in(TEXTS[n], &folder, "export");
        }
        n => {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            let block = n == TEXTS.len();
            let (first, second) = if block { ("b/index", "b/chunks/000001") } else { ("d/wal/00000000", "d/chunks_head/000001") };
            folder.insert(first.into(), Blob(a.to_vec()));
            folder.insert(second.into(), Blob(b.to_vec()));
            let format: &dyn Format = if block { &TsdbBlock } else { &TsdbWal };
            parse_in(format, &folder, first);
        }
    }
}
