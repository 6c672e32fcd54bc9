//! `top[]` of a profile of stacks: one row per allocation site with its own and cumulative value of every measure.

use crate::model::profile::{HeapProfile, SiteRow};
use serde_json::{Map, Value, json};

/// The rows that correlation summed for this profile, in their order.
pub fn rows(profile: &HeapProfile) -> Vec<Value> {
    profile.sites.iter().map(|r| row(profile, r)).collect()
}

fn row(profile: &HeapProfile, r: &SiteRow) -> Value {
    let mut out = Map::new();
    out.insert("key".into(), json!(r.key));
    out.insert("name".into(), json!(r.name));
    out.insert("location".into(), json!(r.location));
    for ((m, own), cumulative) in profile.measures.iter().zip(&r.own).zip(&r.cumulative) {
        out.insert(m.name.clone(), json!(own));
        out.insert(format!("{}_cum", m.name), json!(cumulative));
    }
    Value::Object(out)
}
