//! ConfigMaps and Secrets by their metadata (core/v1): when they were made and last written, and which of them a pod uses.
//! Their data is not looked at: it may be secret, and what it means only the program knows.

use super::Extract;
use super::tree::Value;
use crate::model::pod::ConfigState;
use crate::model::{Claim, Observation, RawTime};
use std::collections::BTreeSet;

const CONFIG_MAP: &str = "ConfigMap";
const SECRET: &str = "Secret";

pub fn read(x: &mut Extract<'_, '_, '_, '_>, v: &Value<'_>, kind: &str) {
    let meta = v.get("metadata");
    let Some(name) = meta.get("name").owned() else { return };
    let created = meta.get("creationTimestamp").time();
    let writes = meta.get("managedFields").items().filter_map(|f| Some((f.get("time").time()?, f.get("manager").owned())));
    let last = writes.filter(|(at, _)| created.is_none_or(|c| *at > c)).max_by(|a, b| a.0.cmp(&b.0));
    let namespace = meta.get("namespace").owned();
    let who = Claim { namespace: namespace.as_deref().map(Into::into), ..Claim::default() };
    let cite = x.cite(meta.place("name").unwrap_or_default());
    let (changed, changed_by) = last.map_or((None, None), |(at, by)| (Some(at), by));
    let what = ConfigState { kind: kind.to_owned(), namespace, name, created, changed, changed_by };
    x.state.out.configs.push(Observation { at: RawTime::Absent, who, cite, what });
}

/// Kind and name of every ConfigMap and Secret that a pod specification takes variables or files from.
pub fn named_by(spec: &Value<'_>) -> BTreeSet<(String, String)> {
    let mut out = BTreeSet::new();
    let mut add = |kind: &str, name: Option<String>| out.extend(name.map(|n| (kind.to_owned(), n)));
    for v in spec.get("volumes").items() {
        add(CONFIG_MAP, v.at(&["configMap", "name"]).owned());
        add(SECRET, v.at(&["secret", "secretName"]).owned());
        for s in v.at(&["projected", "sources"]).items() {
            add(CONFIG_MAP, s.at(&["configMap", "name"]).owned());
            add(SECRET, s.at(&["secret", "name"]).owned());
        }
    }
    for c in ["initContainers", "containers"].iter().flat_map(|k| spec.get(k).items()) {
        for from in c.get("envFrom").items() {
            add(CONFIG_MAP, from.at(&["configMapRef", "name"]).owned());
            add(SECRET, from.at(&["secretRef", "name"]).owned());
        }
        for from in c.get("env").items().map(|e| e.get("valueFrom")) {
            add(CONFIG_MAP, from.at(&["configMapKeyRef", "name"]).owned());
            add(SECRET, from.at(&["secretKeyRef", "name"]).owned());
        }
    }
    // Every pod mounts the cluster's certificate authority; it says nothing about this program.
    out.remove(&(CONFIG_MAP.to_owned(), "kube-root-ca.crt".to_owned()));
    out
}
