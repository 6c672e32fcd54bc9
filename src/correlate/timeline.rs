//! One timeline from everything that has a time.

use crate::model::Incident;

pub fn assemble(_incident: &mut Incident) {}
