//! Wiring: open → parse → correlate → diagnose → report. The only place that knows all rooms.

pub mod schedule;

use crate::bundle::{self, Limits};
use crate::correlate;
use crate::correlate::compare::Snapshot;
use crate::error::Error;
use crate::model::Incident;
use crate::model::delta::{Delta, RowOptions};
use std::path::PathBuf;

/// What a run is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    pub correlate: correlate::Options,
    pub rows: RowOptions,
}

/// Opens, parses and correlates the inputs.
pub fn read(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    let bundle = bundle::walk::open(inputs, &options.limits)?;
    let (facts, artifacts) = schedule::parse(bundle.entries);
    let mut incident = correlate::correlate(facts, artifacts, &options.correlate);
    incident.inputs = bundle.inputs;
    Ok(incident)
}

/// As [`read`], with the top allocation sites of every profile of stacks, as the row flags ask.
pub fn inspect(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    let mut incident = read(inputs, options)?;
    correlate::compare::sites::fill_top(&mut incident.profiles, &options.rows).map_err(Error::Usage)?;
    Ok(incident)
}

/// Compares one profile per input, in the order given.
pub fn diff(inputs: &[PathBuf], options: &Options) -> Result<Delta, Error> {
    let mut incidents = Vec::new();
    for input in inputs {
        incidents.push(read(std::slice::from_ref(input), options)?);
    }
    let mut snapshots = Vec::new();
    for (input, incident) in inputs.iter().zip(&incidents) {
        let Some(p) = incident.profiles.first() else {
            return Err(Error::Unreadable(format!("{}: no heap profile or snapshot found in it", input.display())));
        };
        snapshots.push(Snapshot { path: incident.path(p.cite.span.artifact), time: p.at.mid(), profile: &p.what });
    }
    correlate::compare::diff(&snapshots, &options.rows)
        .ok_or_else(|| Error::Unreadable("the inputs hold profiles of different kinds, which do not compare".into()))
}
