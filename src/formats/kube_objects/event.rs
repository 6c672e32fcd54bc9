//! Events, core/v1 and events.k8s.io/v1. A series keeps its count and last time; `eventTime` has microseconds, the others
//! whole seconds.

use super::tree::{Place, Value};
use super::{Extract, annotations};
use crate::model::pod::KubeEvent;
use crate::model::time::{parse_iso, parse_rfc3339};
use crate::model::{Claim, Observation, RawTime};

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>, partial: bool) {
    // Audit log entries are also called Event; they have neither of these objects.
    let object = if v.has("involvedObject") { v.get("involvedObject") } else { v.get("regarding") };
    let Some(reason) = v.get("reason").owned().filter(|_| object.is_map()) else { return };
    let meta = v.get("metadata");
    let series = v.get("series");
    let first_of = |keys: &[&str]| keys.iter().map(|k| raw_time(v.get(k))).find(|t| *t != RawTime::Absent).unwrap_or_default();
    let first = first_of(&["firstTimestamp", "deprecatedFirstTimestamp", "eventTime", "lastTimestamp", "deprecatedLastTimestamp"]);
    let last = match raw_time(series.get("lastObservedTime")) {
        RawTime::Absent => first_of(&["lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp"]),
        seen => seen,
    };
    let count = [series.get("count"), v.get("count"), v.get("deprecatedCount")].iter().find_map(|c| c.u64().filter(|&n| n > 0));
    let source = [v.get("source"), v.get("deprecatedSource")].iter().find_map(|s| s.get("component").owned());
    let source = source.or_else(|| v.get("reportingComponent").owned()).or_else(|| v.get("reportingController").owned());
    let host = [v.get("source"), v.get("deprecatedSource")].iter().find_map(|s| s.get("host").owned());
    let message_key = if v.has("message") { "message" } else { "note" };
    // Of an event whose end was lost only what stands before the damage is there, which may be half of it.
    if partial && !v.has(message_key) {
        return;
    }
    let object_kind = object.get("kind").owned();
    let object_name = object.get("name").owned();
    let namespace = object.get("namespace").owned();
    let event = KubeEvent {
        first,
        last: last.clone(),
        first_at: None,
        count,
        kind: v.get("type").owned(),
        reason,
        container: object.get("fieldPath").text().and_then(KubeEvent::container_of),
        source,
        message: v.get(message_key).text().unwrap_or("").to_owned(),
        annotations: annotations(meta),
        uid: meta.get("uid").owned(),
        object_kind,
        object_namespace: namespace,
        object_name,
    };
    let is = |kind: &str| event.object_kind.as_deref() == Some(kind);
    let some = |s: &Option<String>| s.as_deref().map(Into::into);
    let mut who = Claim { namespace: some(&event.object_namespace), ..Claim::default() };
    if is("Pod") {
        who.pod = some(&event.object_name);
        who.container = some(&event.container);
        who.pod_uid = some(&object.get("uid").owned());
        who.node = some(&host);
    } else if is("Node") {
        who.namespace = None;
        who.node = some(&event.object_name);
    } else {
        who.workload_hint = some(&event.object_name);
    }
    let place: Place = v.place(message_key).or_else(|| v.place("reason")).unwrap_or_default();
    let cite = x.cite(place);
    x.state.out.events.push(Observation { at: last, who, cite, what: event });
}

fn raw_time(v: &Value<'_>) -> RawTime {
    let Some(text) = v.text() else { return RawTime::Absent };
    match (parse_rfc3339(text.as_bytes()), parse_iso(text.as_bytes())) {
        (Some((at, _)), Some(iso)) => RawTime::Utc { at, precision: iso.precision },
        _ => RawTime::Absent,
    }
}
