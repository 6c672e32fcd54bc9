//! What a container runtime on the node says of its containers, where the API server is not asked: `crictl inspect`, `ps`,
//! `pods`, `stats` and `statsp` as JSON (runtime.v1 of kubernetes/cri-api as cri-tools prints it), `docker inspect`, `ps` and
//! `stats` (Engine API, moby/api/types), which podman and nerdctl imitate, and the tables of all of them ([`tables`]).
//!
//! The labels that the kubelet puts on every container name namespace, pod, UID and container, so such a file joins the pod
//! that `kubectl` shows. A container that no kubelet made becomes a pod of its own name. Refuses images, networks and
//! volumes, which tell nothing of memory, and guesses no limit: 0 is none.

mod cri;
mod docker;
mod names;
pub mod tables;

use super::json_salvage::documents;
use super::{Format, Head, Input, Match};
use crate::model::pod::{ContainerState, PodState, UsageReading, bare_container_id, written_instant};
use crate::model::{Cite, Facts, Observation, RawTime, Timestamp};
use memchr::{memchr_iter, memmem};
use serde_json::Value;

pub struct ContainerRuntime;

impl Format for ContainerRuntime {
    fn name(&self) -> &'static str {
        "container-runtime"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let text = head.trimmed();
        if !matches!(text.first(), Some(b'{' | b'[')) {
            return Match::No;
        }
        let has = |word: &str| memmem::find(text, word.as_bytes()).is_some();
        let cri = has("\"metadata\"") && (has("\"CONTAINER_") || has("\"SANDBOX_"))
            || has("\"attributes\"") && has("\"stats\"") && has("\"workingSetBytes\"");
        let inspect = has("\"State\"") && has("\"ExitCode\"") && (has("\"Id\"") && has("\"Name\"") || has("\"OOMKilled\""));
        let native = has("\"Spec\"") && has("\"Process\"") && has("\"io.kubernetes.");
        let stats = has("\"MemUsage\"") && has("\"MemPerc\"") || has("\"mem_usage\"") && has("\"mem_percent\"") || has("\"memory_stats\"");
        let listed = has("\"Names\"") && has("\"State\"") && has("\"Status\"") && has("\"Image\"");
        if cri || inspect || native || stats || listed { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let (docs, stopped) = documents(&bytes);
        let mut told = Told { input, bytes: &bytes, at: 0, line: 1, lost: false, out };
        for doc in &docs {
            match doc {
                Value::Array(list) => list.iter().for_each(|v| told.one(v)),
                v => told.one(v),
            }
        }
        if let Some(at) = stopped {
            out.warn("truncated", None, Some(at), || "the JSON breaks off or is damaged here; what came before is kept".into());
        }
    }
}

/// Takes facts out of one artifact, and finds the places where they stand.
struct Told<'i, 'a, 'o> {
    input: &'i Input<'a>,
    bytes: &'i [u8],
    /// How far the search for places has come, and the line that is there.
    at: usize,
    line: u32,
    /// A text was not found as it is written (escapes): no further one is looked for, each would cost a look through the rest.
    lost: bool,
    out: &'o mut Facts,
}

impl Told<'_, '_, '_> {
    fn one(&mut self, v: &Value) {
        for key in ["containers", "items"] {
            for c in items(v, key) {
                cri::listed(self, c);
            }
        }
        for s in items(v, "stats") {
            cri::stats(self, s);
        }
        if v["status"].is_object() && v["status"]["id"].is_string() {
            cri::inspected(self, v);
        } else if v["Spec"].is_object() && v["ID"].is_string() {
            docker::native(self, v);
        } else if v["State"].is_object() {
            docker::inspected(self, v);
        } else if v.get("Names").is_some() {
            docker::listed(self, v);
        } else if v["memory_stats"].is_object() || v.get("MemUsage").or_else(|| v.get("mem_usage")).is_some() {
            docker::stats(self, v);
        }
    }

    /// Moves on to where `text` stands next and cites its line from there.
    fn cite(&mut self, text: &str) -> Cite {
        if !self.lost {
            match self.bytes.get(self.at..).and_then(|rest| memmem::find(rest, text.as_bytes())) {
                Some(n) => {
                    let skipped = self.bytes.get(self.at..self.at + n).unwrap_or(&[]);
                    self.line = self.line.saturating_add(u32::try_from(memchr_iter(b'\n', skipped).count()).unwrap_or(u32::MAX));
                    self.at += n;
                }
                None => self.lost = true,
            }
        }
        self.out.cite(self.at as u64, Some(self.line), self.bytes.get(self.at..).unwrap_or(&[]))
    }

    /// One container of one pod.
    fn container(&mut self, name: names::Name, mut c: ContainerState, id: &str) {
        let cite = self.cite(id);
        // The place that proves an ending is where its code stands.
        let ended = c.now.exit_code.is_some();
        let place = if ended { self.cite("xitCode\"") } else { cite.clone() };
        (c.line, c.offset) = (place.span.line, Some(place.span.offset));
        c.container_id = bare_container_id(id).filter(|i| i.len() == 64);
        let who = name.claim(&self.input.who, c.container_id.as_deref());
        let sandbox = name.sandbox;
        let what = PodState {
            name: name.pod.unwrap_or_else(|| c.name.clone()),
            namespace: name.namespace,
            uid: name.pod_uid,
            node: None,
            containers: if sandbox { Vec::new() } else { vec![c] },
            ..PodState::default()
        };
        if !what.name.is_empty() {
            self.out.pods.push(Observation { at: RawTime::Absent, who, cite, what });
        }
    }

    fn usage(&mut self, name: &names::Name, at: RawTime, id: &str, bytes: Option<u64>) {
        let cite = self.cite(id);
        let who = name.claim(&self.input.who, bare_container_id(id).filter(|i| i.len() == 64).as_deref());
        if bytes.is_some() {
            let what = UsageReading { working_set_bytes: bytes, ..UsageReading::default() };
            self.out.usage.push(Observation { at, who, cite, what });
        }
    }
}

fn items<'v>(v: &'v Value, key: &str) -> &'v [Value] {
    v[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(v: &'v Value, key: &str) -> Option<&'v str> {
    v[key].as_str().filter(|s| !s.is_empty())
}

/// Whole numbers as JSON numbers or, as protobuf writes 64 bits, as strings.
fn number(v: &Value) -> Option<i64> {
    v.as_i64().or_else(|| v.as_str()?.parse().ok())
}

/// A size; 0 and less mean that none is set.
fn size(v: &Value) -> Option<u64> {
    number(v).and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0)
}

/// RFC 3339, or nanoseconds since 1970 as the CRI counts; zero times of either kind are absent.
fn instant(v: &Value) -> Option<Timestamp> {
    let at = match number(v) {
        Some(ns) => Timestamp(ns),
        None => written_instant(v.as_str()?)?,
    };
    (at > Timestamp::from_seconds(0)).then_some(at)
}

/// `KEY=value` strings of a process specification.
fn environment(list: &[Value]) -> std::collections::BTreeMap<String, String> {
    list.iter().filter_map(|e| e.as_str()?.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn words(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(|w| w.as_str().map(str::to_owned)).collect()
}

/// CPU of a quota per period, both in microseconds.
fn quota(linux: &Value, quota: &str, period: &str) -> Option<u64> {
    let (q, p) = (size(&linux[quota])?, size(&linux[period])?);
    q.checked_mul(1000)?.checked_div(p)
}
