//! Kubernetes objects as JSON or YAML: `kubectl get -o json|yaml`, API lists, watch streams, concatenated and multi-document
//! files, manifests, `cluster-info dump` (directory and single stream), must-gather and troubleshoot folders, and the
//! metrics API. Shapes follow the published API types (core/v1, apps/v1, batch/v1, events.k8s.io/v1, metrics.k8s.io).
//! Refuses to guess: a field that is absent stays absent, an object without a name gives no fact.

mod config;
mod event;
mod json;
mod metrics;
mod node;
mod pod;
mod policy;
mod tree;
mod workload;
mod yaml;

use super::{Format, Head, Input, Match};
use crate::formats::lines::for_each_line;
use crate::model::facts::SubArtifact;
use crate::model::{Cite, Claim, Facts};
use memchr::memmem;
use tree::{Place, Value};

/// What went wrong while reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The file ended in the middle of something.
    Cut,
    Bad,
    Deep,
}

/// Takes what the readers find.
trait Sink {
    /// An element of a list; `partial` when its end was lost.
    fn object(&mut self, value: Value<'_>, partial: bool);
    /// The end of a document: an object of its own, or what is left of a list.
    fn document(&mut self, value: Value<'_>, partial: bool);
    fn trouble(&mut self, what: Reading, at: Place, why: &'static str);
    /// Text between two documents that is no JSON; gives how many bytes of it are understood.
    fn between_documents(&mut self, rest: &[u8], at: Place) -> Option<usize>;
}

pub struct KubeObjects;

impl Format for KubeObjects {
    fn name(&self) -> &'static str {
        "kube-objects"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let text = head.trimmed();
        match text.first() {
            Some(b'{' | b'[') => sniff_json(text),
            _ => sniff_yaml(head),
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let mut state = State { path: input.path, out, list_start: 0 };
        let mut head = [0u8; 64];
        let looks_json = input.reader().and_then(|mut r| std::io::Read::read(&mut r, &mut head)).is_ok_and(|n| {
            let h = head.get(..n).unwrap_or(&[]);
            matches!(h.strip_prefix(b"\xef\xbb\xbf").unwrap_or(h).trim_ascii_start().first(), Some(b'{' | b'['))
        });
        if looks_json {
            if let Some(bytes) = input.whole(state.out) {
                json::read(&bytes, &mut Extract { window: &bytes, base: 0, state: &mut state });
            }
        } else {
            read_yaml(input, &mut state);
        }
    }
}

fn sniff_json(text: &[u8]) -> Match {
    let has = |needle: &[u8]| memmem::find(text, needle).is_some();
    if has(b"\"apiVersion\"") && (has(b"\"kind\"") || has(b"\"metadata\"")) {
        // Grafana and other JSON may carry the words deep inside; ours have them at the start of the document.
        let early = |needle: &[u8]| memmem::find(text.get(..text.len().min(600)).unwrap_or(text), needle).is_some();
        return if early(b"\"apiVersion\"") || early(b"\"kind\"") { Match::Certain } else { Match::Likely };
    }
    let listed = has(b"\"metadata\"") && (has(b"\"creationTimestamp\"") || has(b"\"selfLink\"") || has(b"\"resourceVersion\""));
    let summary = has(b"\"systemContainers\"") && has(b"\"nodeName\"") || has(b"\"podRef\"");
    if listed || summary { Match::Likely } else { Match::No }
}

fn sniff_yaml(head: &Head<'_>) -> Match {
    const KEYS: [&[u8]; 6] = [b"apiVersion:", b"kind:", b"items:", b"metadata:", b"spec:", b"status:"];
    let keyed = |l: &[u8]| KEYS.iter().filter(|k| l.starts_with(k)).count();
    let mut lines = head.lines().map(|l| l.strip_prefix(b"\xef\xbb\xbf").unwrap_or(l)).filter(|l| !l.is_empty() && !l.starts_with(b"#"));
    // A client's warning may stand before the document.
    if !lines.by_ref().take(6).any(|l| l.starts_with(b"---") || keyed(l) > 0 || l.starts_with(b"- apiVersion:")) {
        return Match::No;
    }
    let lines = || head.lines();
    let version = lines().any(|l| l.starts_with(b"apiVersion:") || l.starts_with(b"- apiVersion:"));
    let body = lines().any(|l| [&b"items:"[..], b"metadata:", b"kind:"].iter().any(|k| l.starts_with(k)));
    match (version, body) {
        (true, true) => Match::Certain,
        (false, true) if lines().map(keyed).sum::<usize>() >= 3 => Match::Likely,
        _ => Match::No,
    }
}

const LOG_START: &[u8] = b"==== START logs for container ";
const LOG_END: &[u8] = b"==== END logs for container ";

/// Longest log of one container that is taken out of a dump's single stream; it is held in memory until its end.
const DUMPED_LOG_MAX: usize = yaml::PIECE_MAX;

/// A container log between its markers.
#[derive(Default)]
struct DumpedLog {
    header: Vec<u8>,
    bytes: Vec<u8>,
    /// Line and offset of the header.
    at: (u32, u64),
    cut: bool,
}

impl DumpedLog {
    fn take(&mut self, line: &[u8]) {
        if self.cut || self.bytes.len().saturating_add(line.len()) >= DUMPED_LOG_MAX {
            self.cut = true;
            return;
        }
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }
}

/// The line that ends a log whose first line goes on as `header` after [`LOG_START`]: it names the container again, so a
/// log that quotes another dump's markers does not end this one.
fn end_of_log(header: &[u8]) -> Vec<u8> {
    [LOG_END, header.trim_ascii_end()].concat()
}

fn read_yaml(input: &Input<'_>, state: &mut State<'_, '_>) {
    let Some(reader) = input.stream(state.out) else { return };
    let mut splitter = yaml::Splitter::default();
    let mut cut_at = None;
    // The line that ends the container log being read.
    let mut log_end: Option<Vec<u8>> = None;
    let read = {
        let mut emit = |piece: yaml::Piece<'_>| {
            let text = String::from_utf8_lossy(piece.bytes);
            let mut sink = Extract { window: piece.bytes, base: piece.offset, state: &mut *state };
            yaml::read_piece(&piece, &text, &mut sink);
        };
        let mut parts: Vec<DumpedLog> = Vec::new();
        let read = for_each_line(reader, |l| {
            if let Some(end) = &log_end {
                if l.text.trim_ascii_end() == end {
                    log_end = None;
                } else if let Some(log) = parts.last_mut() {
                    log.take(l.text);
                }
            } else if let Some(header) = l.text.strip_prefix(LOG_START) {
                log_end = Some(end_of_log(header));
                splitter.finish(false, &mut emit);
                parts.push(DumpedLog { header: l.text.to_vec(), at: (l.number, l.offset), ..DumpedLog::default() });
            } else if l.ended {
                splitter.line(l, &mut emit);
            } else {
                // A line without its end may lack the rest of its value.
                cut_at = Some((l.number, l.offset));
            }
        });
        if splitter.finish(cut_at.is_some(), &mut emit) {
            emit_long(state);
        }
        for log in parts {
            if log.cut {
                let (line, offset) = log.at;
                state.out.warn("log-too-long", Some(line), Some(offset), || {
                    format!("a container's log in the dump was read up to {} MiB; the rest is left out", DUMPED_LOG_MAX >> 20)
                });
            }
            push_log(state.out, &log.header, log.bytes);
        }
        read
    };
    if let Some((line, offset)) = cut_at {
        state.out.warn("truncated", Some(line), Some(offset), || "the last line is not ended; it is left out".into());
    }
    if let Err(e) = read {
        state.out.error("unreadable", None, || format!("reading stopped early: {e}"));
    }
}

fn emit_long(state: &mut State<'_, '_>) {
    state.out.warn("object-too-long", None, None, || format!("an object longer than {} MiB was cut", yaml::PIECE_MAX >> 20));
}

/// Queues a container log of a single-stream dump; the header line names its container.
fn push_log(out: &mut Facts, header: &[u8], bytes: Vec<u8>) {
    let header = String::from_utf8_lossy(header);
    let words = header.trim_matches(|c| c == '=' || c == ' ').strip_prefix("START logs for container ").unwrap_or("");
    let Some((container, pod)) = words.split_once(" of pod ") else { return };
    let Some((namespace, pod)) = pod.trim().split_once('/') else { return };
    if bytes.is_empty() {
        return;
    }
    let who = Claim::container(namespace, pod, container.trim());
    out.parts.push(SubArtifact { name: format!("{namespace}/{pod}/{}.log", container.trim()), bytes, who });
}

/// What lasts over the whole artifact.
struct State<'s, 'o> {
    path: &'s str,
    out: &'o mut Facts,
    /// Workloads from here on belong to the present document's list.
    list_start: usize,
}

/// Turns values into facts; `window` is the text in which they stand.
struct Extract<'w, 's, 'o, 'p> {
    window: &'w [u8],
    /// Offset of the window's first byte within the artifact.
    base: u64,
    state: &'p mut State<'s, 'o>,
}

impl Extract<'_, '_, '_, '_> {
    fn cite(&self, at: Place) -> Cite {
        let from = usize::try_from(at.offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.state.out.cite(at.offset, Some(at.line), self.window.get(from..).unwrap_or(&[]))
    }

    fn one(&mut self, v: &Value<'_>, partial: bool) {
        // Watch streams wrap the object: `{"type": "ADDED", "object": {…}}`.
        for wrapper in ["object", "event"] {
            if v.get(wrapper).is_map() && (v.has("type") || v.has("verb")) && !v.has("involvedObject") {
                return self.object_of_kind(v.get(wrapper), partial);
            }
        }
        self.object_of_kind(v, partial);
    }

    fn object_of_kind(&mut self, v: &Value<'_>, partial: bool) {
        let kind = v.get("kind").text().unwrap_or("");
        match kind {
            "Pod" => pod::read(self, v),
            "Event" => event::read(self, v, partial),
            "Node" => node::read(self, v),
            "PodMetrics" => metrics::pod(self, v),
            "NodeMetrics" => metrics::node(self, v),
            "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "DaemonSet"
            | "Job"
            | "CronJob"
            | "ReplicationController"
            | "ControllerRevision" => workload::read(self, v, kind),
            "ConfigMap" | "Secret" => config::read(self, v, kind),
            _ if policy::KINDS.contains(&kind) => policy::read(self, v, kind),
            "" => self.by_shape(v, partial),
            _ => {
                for item in v.get("items").items() {
                    self.by_shape(item, partial);
                }
            }
        }
    }

    /// Elements of typed lists carry no kind; what they are made of tells.
    fn by_shape(&mut self, v: &Value<'_>, partial: bool) {
        let spec = v.get("spec");
        if v.has("involvedObject") || v.has("regarding") {
            event::read(self, v, partial);
        } else if matches!(spec.get("containers"), Value::Seq(_)) {
            pod::read(self, v);
        } else if v.at(&["status", "nodeInfo"]).is_map() {
            node::read(self, v);
        } else if v.has("usage") {
            metrics::node(self, v);
        } else if v.get("containers").items().any(|c| c.has("usage")) {
            metrics::pod(self, v);
        } else if spec.get("template").is_map() || spec.get("jobTemplate").is_map() {
            workload::read(self, v, workload::kind_of(v, self.state.path));
        } else if let Some(kind) = policy::kind_of(v) {
            policy::read(self, v, kind);
        } else if v.get("pods").items().any(|p| p.has("podRef")) || v.at(&["node", "nodeName"]).text().is_some() {
            metrics::summary(self, v);
        }
    }
}

impl Sink for Extract<'_, '_, '_, '_> {
    fn object(&mut self, value: Value<'_>, partial: bool) {
        self.one(&value, partial);
    }

    fn document(&mut self, value: Value<'_>, partial: bool) {
        self.one(&value, partial);
        // A list whose `items` key was damaged still holds objects.
        if value.has("kind") || value.has("apiVersion") {
            for e in value.entries().iter().filter(|e| e.key != "items") {
                e.value
                    .items()
                    .filter(|o| o.has("metadata") && (o.has("spec") || o.has("involvedObject")))
                    .for_each(|o| self.one(o, partial));
            }
        }
        // A list names its kind once, in YAML after its elements.
        let from = std::mem::replace(&mut self.state.list_start, self.state.out.workloads.len());
        if let Some(kind) = value.get("kind").text().and_then(|k| k.strip_suffix("List")).filter(|k| !k.is_empty()) {
            for w in self.state.out.workloads.get_mut(from..).unwrap_or(&mut []) {
                if w.what.kind.is_empty() {
                    w.what.kind = kind.to_owned();
                }
            }
        }
    }

    fn trouble(&mut self, what: Reading, at: Place, why: &'static str) {
        let (line, offset) = ((at.line > 0).then_some(at.line), (at.line > 0).then_some(at.offset));
        match what {
            Reading::Cut => self.state.out.warn("truncated", line, offset, || format!("{why}; what came before is kept")),
            Reading::Bad => self.state.out.warn("bad-syntax", line, offset, || format!("{why}; reading resumes at the next object")),
            Reading::Deep => self.state.out.note("too-deep", line, offset, || why.into()),
        }
    }

    fn between_documents(&mut self, rest: &[u8], _at: Place) -> Option<usize> {
        if !rest.starts_with(LOG_START) {
            return None;
        }
        let header_end = memchr::memchr(b'\n', rest)?;
        let body = rest.get(header_end + 1..).unwrap_or(&[]);
        let header = rest.get(..header_end).unwrap_or(&[]);
        let mut wanted = vec![b'\n'];
        wanted.extend(end_of_log(header.get(LOG_START.len()..).unwrap_or(&[])));
        let (len, skip) = if body.starts_with(wanted.get(1..).unwrap_or(&[])) {
            (0, wanted.len() - 1)
        } else {
            memmem::find(body, &wanted).map_or((body.len(), 0), |n| (n + 1, wanted.len() - 1))
        };
        push_log(self.state.out, header, body.get(..len).unwrap_or(&[]).to_vec());
        Some(header_end + 1 + len + skip)
    }
}

/// Kind and name of the controlling owner, `ReplicaSet/api-7d9f`; without one the first owner.
fn controller(meta: &Value<'_>) -> Option<String> {
    let owners = || meta.get("ownerReferences").items();
    let o = owners().find(|o| o.get("controller").bool() == Some(true)).or_else(|| owners().next())?;
    Some(format!("{}/{}", o.get("kind").text()?, o.get("name").text()?))
}

/// Annotations without the copy of the whole object that `kubectl apply` keeps, which may hold secrets.
fn annotations(meta: &Value<'_>) -> std::collections::BTreeMap<String, String> {
    let mut map = meta.get("annotations").string_map();
    map.remove("kubectl.kubernetes.io/last-applied-configuration");
    map
}
