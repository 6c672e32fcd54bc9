//! Objects that set or bound sizes: LimitRange, ResourceQuota, HorizontalPodAutoscaler, VerticalPodAutoscaler and
//! PodDisruptionBudget. Their figures are kept as written, under the path at which they stand.

use super::Extract;
use super::tree::Value;
use crate::model::pod::SizingPolicy;
use crate::model::{Claim, Observation, RawTime};
use std::collections::BTreeMap;

pub const KINDS: [&str; 5] = ["LimitRange", "ResourceQuota", "HorizontalPodAutoscaler", "VerticalPodAutoscaler", "PodDisruptionBudget"];

/// Figures kept per object.
const VALUES_MAX: usize = 200;

/// Kind of a list element that does not say it.
pub fn kind_of(v: &Value<'_>) -> Option<&'static str> {
    let spec = v.get("spec");
    if spec.get("limits").items().any(|l| l.has("type")) {
        Some("LimitRange")
    } else if spec.get("hard").is_map() {
        Some("ResourceQuota")
    } else if spec.has("scaleTargetRef") && spec.has("maxReplicas") {
        Some("HorizontalPodAutoscaler")
    } else if spec.has("targetRef") && (spec.has("updatePolicy") || spec.has("resourcePolicy")) {
        Some("VerticalPodAutoscaler")
    } else if (spec.has("minAvailable") || spec.has("maxUnavailable")) && spec.has("selector") {
        Some("PodDisruptionBudget")
    } else {
        None
    }
}

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>, kind: &str) {
    let (meta, spec) = (v.get("metadata"), v.get("spec"));
    let Some(name) = meta.get("name").owned() else { return };
    let target = [spec.get("scaleTargetRef"), spec.get("targetRef")]
        .iter()
        .find_map(|t| Some(format!("{}/{}", t.get("kind").text()?, t.get("name").text()?)));
    let mut values = BTreeMap::new();
    flatten(spec, "", &mut values);
    for (key, part) in [("used", v.at(&["status", "used"])), ("recommendation", v.at(&["status", "recommendation"]))] {
        flatten(part, key, &mut values);
    }
    if let Some(allowed) = v.at(&["status", "disruptionsAllowed"]).owned() {
        values.insert("disruptionsAllowed".into(), allowed);
    }
    let namespace = meta.get("namespace").owned();
    let who = Claim { namespace: namespace.as_deref().map(Into::into), ..Claim::default() };
    let cite = x.cite(meta.place("name").unwrap_or_default());
    let what = SizingPolicy { kind: kind.to_owned(), namespace, name, target, values };
    x.state.out.policies.push(Observation { at: RawTime::Absent, who, cite, what });
}

/// Scalars below `root` by their path; elements of lists are named by what they are about.
fn flatten(root: &Value<'_>, prefix: &str, out: &mut BTreeMap<String, String>) {
    let mut open: Vec<(String, &Value<'_>)> = vec![(prefix.to_owned(), root)];
    while let Some((path, v)) = open.pop() {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match v {
            Value::Text(t) if out.len() < VALUES_MAX && !path.is_empty() => drop(out.entry(path).or_insert_with(|| t.to_string())),
            Value::Map(m) => open.extend(m.iter().filter(|e| e.key != "selector").map(|e| (below(&e.key), &e.value))),
            Value::Seq(s) => open.extend(s.iter().enumerate().map(|(n, (_, e))| {
                // Metrics of an autoscaler all have the type Resource; what they measure tells them apart.
                let measured = ["resource", "containerResource"].iter().find_map(|k| e.at(&[k, "name"]).text());
                let named = measured.or_else(|| ["containerName", "type", "name"].iter().find_map(|k| e.get(k).text()));
                (below(named.unwrap_or(&n.to_string())), e)
            })),
            _ => {}
        }
    }
}
