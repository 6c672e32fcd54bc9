//! `nodes[]` of `postmem.inspect/1`.

use crate::model::Incident;
use serde_json::Value;

pub fn section(_incident: &Incident) -> Vec<Value> {
    Vec::new()
}
