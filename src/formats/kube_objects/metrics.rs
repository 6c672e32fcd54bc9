//! The metrics API (`PodMetrics`, `NodeMetrics`) and the kubelet's `stats/summary`: memory of containers and nodes at a moment.

use super::Extract;
use super::tree::{Place, Value};
use crate::model::pod::UsageReading;
use crate::model::quantity::{parse_bytes, parse_cpu_millis};
use crate::model::time::SECOND;
use crate::model::{Claim, Observation, RawTime};

fn stamp(v: &Value<'_>) -> RawTime {
    v.time().map_or(RawTime::Absent, |at| RawTime::Utc { at, precision: SECOND })
}

fn usage(v: &Value<'_>, window: Option<f64>) -> UsageReading {
    UsageReading {
        working_set_bytes: v.get("memory").text().and_then(parse_bytes),
        cpu_millis: v.get("cpu").text().and_then(parse_cpu_millis),
        percent: None,
        window_seconds: window,
    }
}

/// Go's duration text as far as the API writes it: `15.061s`, `1m0s`.
fn window(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest.get(..end)?.parse().ok()?;
        let tail = rest.get(end..)?;
        let (unit, factor) = [("ms", 1e-3), ("h", 3600.0), ("m", 60.0), ("s", 1.0)].into_iter().find(|(u, _)| tail.starts_with(u))?;
        total += value * factor;
        rest = tail.get(unit.len()..)?;
    }
    (!text.is_empty()).then_some(total)
}

pub fn pod(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>) {
    let meta = v.get("metadata");
    let (namespace, name) = (meta.get("namespace").text().unwrap_or(""), meta.get("name").text().unwrap_or(""));
    let window = v.get("window").text().and_then(window);
    for c in v.get("containers").items() {
        let Some(container) = c.get("name").text() else { continue };
        let place = c.get("usage").place("memory").or_else(|| c.place("name")).unwrap_or_default();
        push(x, Claim::container(namespace, name, container), stamp(v.get("timestamp")), place, usage(c.get("usage"), window));
    }
}

pub fn node(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>) {
    let Some(name) = v.at(&["metadata", "name"]).text() else { return };
    let who = Claim { node: Some(name.into()), ..Claim::default() };
    let place = v.get("usage").place("memory").unwrap_or_default();
    let window = v.get("window").text().and_then(window);
    push(x, who, stamp(v.get("timestamp")), place, usage(v.get("usage"), window));
}

/// `GET /stats/summary` of one kubelet.
pub fn summary(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>) {
    let node_name = v.at(&["node", "nodeName"]).text();
    let memory = v.at(&["node", "memory"]);
    if let (Some(name), Some(ws)) = (node_name, memory.get("workingSetBytes").u64()) {
        let who = Claim { node: Some(name.into()), ..Claim::default() };
        let reading = UsageReading { working_set_bytes: Some(ws), ..UsageReading::default() };
        push(x, who, stamp(memory.get("time")), memory.place("workingSetBytes").unwrap_or_default(), reading);
    }
    for p in v.get("pods").items() {
        let pod = p.get("podRef");
        for c in p.get("containers").items() {
            let memory = c.get("memory");
            let (Some(name), Some(ws)) = (c.get("name").text(), memory.get("workingSetBytes").u64()) else { continue };
            let mut who = Claim::container(pod.get("namespace").text().unwrap_or(""), pod.get("name").text().unwrap_or(""), name);
            who.pod_uid = pod.get("uid").text().map(Into::into);
            who.node = node_name.map(Into::into);
            let reading = UsageReading { working_set_bytes: Some(ws), ..UsageReading::default() };
            push(x, who, stamp(memory.get("time")), memory.place("workingSetBytes").unwrap_or_default(), reading);
        }
    }
}

fn push(x: &mut Extract<'_, '_, '_, '_>, who: Claim, at: RawTime, place: Place, what: UsageReading) {
    if what.working_set_bytes.is_none() && what.cpu_millis.is_none() {
        return;
    }
    let cite = x.cite(place);
    x.state.out.usage.push(Observation { at, who, cite, what });
}

#[cfg(test)]
mod tests {
    #[test]
    fn windows_as_go_writes_them() {
        assert_eq!(super::window("1m0s"), Some(60.0));
        assert_eq!(super::window("15.061s"), Some(15.061));
        assert_eq!(super::window("soon"), None);
    }
}
