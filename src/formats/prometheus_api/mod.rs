//! Series as JSON: answers of the Prometheus HTTP API (`/api/v1/query`, `query_range`: matrix, vector, scalar), the bare
//! array that `promtool query -o json` prints, and the line form of VictoriaMetrics' `/api/v1/export`.
//! Spec: prometheus/docs/querying/api.md; VictoriaMetrics, "How to export data in JSON line format".
//!
//! Whatever surrounds a `{"metric": {…}, …}` object is walked over, so answers that a script wrapped, listed or
//! concatenated are read as well; a big answer is walked in parts side by side. Native histograms are skipped with a note;
//! nothing is resampled.

mod parts;
mod samples;
mod scan;

use super::{Format, Head, Input, Match, series_set};
use crate::model::series::Series;
use crate::model::{ArtifactId, Cite, Facts, Observation, RawTime, Times};
use parts::PART;
use scan::{Scan, Stop};
use std::collections::BTreeMap;
use std::io::Read;

pub struct PrometheusApi;
pub struct VictoriaExport;

/// Containers within containers; the answers themselves use six.
const DEPTH_MAX: usize = 256;

fn has(head: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(head, needle).is_some()
}

/// A `"metric"` or `"values"` key followed by the bracket that makes it ours.
fn has_key(head: &[u8], key: &[u8], open: &[u8]) -> bool {
    memchr::memmem::find_iter(head, key).any(|at| opens_with(head.get(at + key.len()..).unwrap_or(&[]), open))
}

/// Whether the value after a key begins with one of `open`.
fn opens_with(after_key: &[u8], open: &[u8]) -> bool {
    let rest = after_key.trim_ascii_start().strip_prefix(b":").unwrap_or(&[]).trim_ascii_start();
    rest.first().is_some_and(|b| open.contains(b))
}

impl Format for PrometheusApi {
    fn name(&self) -> &'static str {
        "prometheus-api"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        if !matches!(t.first(), Some(b'{' | b'[')) {
            return Match::No;
        }
        let start = t.get(..t.len().min(4096)).unwrap_or(t);
        let samples = has_key(start, b"\"metric\"", b"{") && (has_key(t, b"\"values\"", b"[") || has_key(t, b"\"value\"", b"["));
        let envelope = has(start, b"\"status\"") && (has(start, b"\"resultType\"") || has(start, b"\"errorType\""));
        if envelope || samples {
            Match::Certain
        } else if has(start, b"\"status\"") && has(start, b"\"success\"") && has(start, b"\"data\"") {
            Match::Weak
        } else {
            Match::No
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        walk(input, out);
    }
}

impl Format for VictoriaExport {
    fn name(&self) -> &'static str {
        "victoria-export"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let t = head.trimmed();
        let start = t.get(..t.len().min(4096)).unwrap_or(t);
        // Listed before `PrometheusApi`: a tie on one line's keys is decided by the timestamps beside the values.
        let ours = t.first() == Some(&b'{') && has_key(start, b"\"metric\"", b"{") && has_key(t, b"\"values\"", b"[");
        if ours && (has_key(t, b"\"timestamps\"", b"[") || !head.complete && plain_values(t)) { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        walk(input, out);
    }
}

/// The first `values` array holds numbers, not pairs.
fn plain_values(t: &[u8]) -> bool {
    memchr::memmem::find(t, b"\"values\"").is_some_and(|at| {
        let rest = t.get(at + 8..).unwrap_or(&[]).trim_ascii_start();
        let rest = rest.strip_prefix(b":").unwrap_or(&[]).trim_ascii_start();
        rest.first() == Some(&b'[') && rest.get(1..).unwrap_or(&[]).trim_ascii_start().first().is_some_and(|&b| b != b'[')
    })
}

/// A series object under way.
struct Under {
    depth: usize,
    labels: Option<BTreeMap<String, String>>,
    cite: Cite,
    times: Times,
    values: Vec<f64>,
    /// VictoriaMetrics keeps times in an array of their own.
    stamps: Vec<i64>,
}

struct Walk<'r> {
    scan: Scan<'r>,
    out: Facts,
    /// Open containers: `true` for an object.
    open: Vec<bool>,
    under: Option<Under>,
    text: Vec<u8>,
    scalar: bool,
    /// Scratch for the samples of one series, so that what is kept has its exact size.
    times: Vec<i64>,
    values: Vec<f64>,
    /// Times of the series before: those of the next are mostly the same.
    last: Times,
}

fn walk(input: &Input<'_>, out: &mut Facts) {
    walk_in_parts(input, out, PART);
}

fn walk_in_parts(input: &Input<'_>, out: &mut Facts, least: u64) {
    let Some(reader) = input.stream(out) else { return };
    let mut w = Walk::new(input.artifact, reader, 0, Vec::new());
    if w.scan.window().starts_with(b"\xef\xbb\xbf") {
        w.scan.advance(3);
    }
    let done = parts::walk(&mut w, input, least);
    let at = w.scan.offset();
    if let Err(stop) = done {
        let kept = w.under.as_ref().map_or(0, |u| u.values.len());
        w.emit();
        let series = w.out.series.len();
        let how = match stop {
            Stop::Cut => "the text ends within a value",
            Stop::Syntax => "unexpected text",
        };
        let code = if stop == Stop::Cut { "truncated" } else { "bad-json" };
        w.out.error(code, Some(at), || format!("{how}; {series} series kept, the last one with {kept} samples"));
    }
    if let Some(e) = w.scan.failed.take() {
        w.out.error("unreadable", Some(at), || format!("reading failed: {e}"));
    }
    out.merge_all(w.out);
}

impl<'r> Walk<'r> {
    /// A walk of what `reader` gives, whose first byte stands at `base` within the containers `open`.
    fn new(artifact: ArtifactId, reader: Box<dyn Read + Send + 'r>, base: u64, open: Vec<bool>) -> Self {
        Walk {
            scan: Scan::new(reader, base),
            out: Facts::new(artifact),
            open,
            under: None,
            text: Vec::new(),
            scalar: false,
            times: Vec::new(),
            values: Vec::new(),
            last: Times::default(),
        }
    }

    /// Walks one top-level value after the other until the input ends, or until a value that begins at `end` or later.
    fn until(&mut self, end: u64) -> Result<(), Stop> {
        loop {
            let Some(b) = self.scan.peek() else {
                return if self.open.is_empty() { Ok(()) } else { Err(Stop::Cut) };
            };
            if b == b'{' && self.under.is_none() && self.scan.offset() >= end {
                return Ok(());
            }
            match b {
                b'{' => {
                    self.push(true)?;
                    self.key()?;
                }
                b'[' => self.push(false)?,
                b'}' | b']' => {
                    self.scan.advance(1);
                    if self.open.pop() != Some(b == b'}') {
                        return Err(Stop::Syntax);
                    }
                    if self.under.as_ref().is_some_and(|u| u.depth > self.open.len()) {
                        self.emit();
                    }
                }
                b',' => {
                    self.scan.advance(1);
                    if self.open.last() == Some(&true) {
                        self.key()?;
                    }
                }
                b'"' => self.scan.skip()?,
                _ => match self.scan.skip_word() {
                    // A bare word at the very end is whole.
                    Err(Stop::Cut) if self.open.is_empty() => return Ok(()),
                    other => other?,
                },
            }
        }
    }

    fn push(&mut self, object: bool) -> Result<(), Stop> {
        self.scan.advance(1);
        if self.open.len() >= DEPTH_MAX {
            return Err(Stop::Syntax);
        }
        self.open.push(object);
        Ok(())
    }

    /// Reads a key and, where the key means something, its value; else leaves the value to the walk.
    fn key(&mut self) -> Result<(), Stop> {
        if self.scan.peek() == Some(b'}') {
            return Ok(());
        }
        let at = self.scan.offset();
        let mut text = std::mem::take(&mut self.text);
        let read = self.scan.string(&mut text);
        let done = read.and_then(|()| self.scan.expect(b':')).and_then(|()| self.value_of(&text, at));
        self.text = text;
        done
    }

    fn value_of(&mut self, key: &[u8], at: u64) -> Result<(), Stop> {
        let next = self.scan.peek().ok_or(Stop::Cut)?;
        match (key, next) {
            (b"metric", b'{') => {
                let here = self.scan.offset();
                let excerpt = self.scan.window();
                let cut = excerpt.get(..excerpt.len().min(Cite::EXCERPT_MAX)).unwrap_or(excerpt).to_vec();
                let cite = self.out.cite(here, None, &cut);
                let labels = self.labels()?;
                let under = self.under(at);
                under.labels = Some(labels);
                under.cite = cite;
                Ok(())
            }
            (b"values", b'[') if self.under.is_some() => {
                self.scan.advance(1);
                let done = self.samples();
                self.keep();
                done
            }
            (b"value", b'[') if self.under.is_some() => {
                let done = self.sample();
                self.keep();
                done
            }
            (b"timestamps", b'[') if self.under.is_some() => {
                self.scan.advance(1);
                let done = self.stamps();
                let stamps = std::mem::take(&mut self.times);
                if let Some(u) = &mut self.under {
                    u.stamps = stamps;
                }
                done
            }
            (b"histogram" | b"histograms", _) => {
                self.out.note("native-histogram", None, Some(at), || {
                    "native histogram samples are not read: memory series do not need them".into()
                });
                self.scan.skip()
            }
            (b"resultType", b'"') => {
                let kind = self.word()?;
                self.scalar = kind == "scalar";
                if kind == "string" {
                    self.out.note("string-result", None, Some(at), || "the query's result is a string, not samples".into());
                }
                Ok(())
            }
            (b"result", b'[') if self.scalar => {
                self.scalar = false;
                self.under(at).labels = Some(BTreeMap::new());
                let done = self.sample();
                self.keep();
                self.emit();
                done
            }
            (b"error", b'"') if self.under.is_none() => {
                let words = self.word()?;
                self.out.warn("api-error", None, Some(at), || format!("the server answered with an error: {words}"));
                Ok(())
            }
            (b"warnings" | b"infos", b'[') if self.under.is_none() => {
                self.scan.advance(1);
                while self.scan.peek() == Some(b'"') {
                    let words = self.word()?;
                    self.out.note("api-warning", None, Some(at), || format!("the server remarked: {words}"));
                    if !self.scan.eat(b',') {
                        break;
                    }
                }
                self.scan.expect(b']')
            }
            // Inside a series object nothing else is of interest.
            _ if self.under.is_some() => self.scan.skip(),
            _ => Ok(()),
        }
    }

    fn word(&mut self) -> Result<String, Stop> {
        let mut bytes = Vec::new();
        self.scan.string(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The label object.
    fn labels(&mut self) -> Result<BTreeMap<String, String>, Stop> {
        self.scan.expect(b'{')?;
        let mut labels = BTreeMap::new();
        if self.scan.eat(b'}') {
            return Ok(labels);
        }
        loop {
            let name = self.word()?;
            self.scan.expect(b':')?;
            if self.scan.peek() == Some(b'"') {
                labels.insert(name, self.word()?);
            } else {
                self.scan.skip()?;
            }
            if self.scan.eat(b',') {
                continue;
            }
            self.scan.expect(b'}')?;
            return Ok(labels);
        }
    }

    fn under(&mut self, at: u64) -> &mut Under {
        let depth = self.open.len();
        let artifact = self.out.artifact;
        self.under.get_or_insert_with(|| Under {
            depth,
            labels: None,
            cite: Cite::new(artifact, at, None, b""),
            times: Times::default(),
            values: Vec::new(),
            stamps: Vec::new(),
        })
    }

    /// Moves the scratch samples into the series under way, at their exact size.
    fn keep(&mut self) {
        if let Some(u) = &mut self.under {
            u.times = Times::again(&mut self.last, &self.times);
            u.values = self.values.as_slice().into();
        }
        self.times.clear();
        self.values.clear();
    }

    /// Ends the series under way.
    fn emit(&mut self) {
        let Some(mut u) = self.under.take() else { return };
        let Some(mut labels) = u.labels else { return };
        let at = u.cite.span.offset;
        if !u.stamps.is_empty() || u.times.is_empty() {
            let (n, m) = (u.values.len(), u.stamps.len());
            if n != m {
                self.out.warn("uneven-arrays", None, Some(at), || format!("{n} values against {m} timestamps; the shorter length is kept"));
            }
            u.values.truncate(m);
            u.stamps.truncate(n);
            u.times = Times::again(&mut self.last, &u.stamps);
        }
        let n = u.times.len().min(u.values.len());
        if n < u.times.len() {
            u.times.edit().truncate(n);
        }
        u.values.truncate(n);
        if n == 0 {
            return;
        }
        let metric = labels.remove("__name__").unwrap_or_default();
        let series = Series { times: u.times, values: u.values, ..Series::new(metric, labels) };
        let mut o = Observation { at: RawTime::Absent, who: series.claim(), cite: u.cite, what: series };
        series_set::settle(&mut o);
        self.out.series.push(o);
    }
}
