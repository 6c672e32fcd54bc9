//! Wiring: open → parse → correlate → diagnose → report. The only place that knows all rooms.

mod again;
mod comparison;
mod graphs;
pub mod schedule;

pub use comparison::{Comparison, Wants, compare, diff};

use crate::bundle::{self, Bundle, Limits};
use crate::correlate;
use crate::error::Error;
use crate::model::delta::RowOptions;
use crate::model::finding::Focus;
use crate::model::graph::HeapGraph;
use crate::model::incident::InputInfo;
use crate::model::{Diagnostic, Incident};
use crate::report::document::ReportDoc;
use crate::{diagnosis, report};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

/// What a run is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    pub correlate: correlate::Options,
    pub rows: RowOptions,
    /// Worker threads; as many as there are processors if absent. Results never depend on it.
    pub threads: Option<usize>,
    /// Report on this namespace, or this pod or workload of a namespace, only: `NS` or `NS/NAME`.
    pub focus: Option<String>,
    /// Leave out the inputs' digests, where no document shows them.
    pub skip_digests: bool,
}

impl Options {
    /// The same, with every profile left to itself.
    fn uncompared(&self) -> Options {
        let mut options = self.clone();
        options.correlate.uncompared = true;
        options
    }
}

/// Opens, parses and correlates the inputs.
pub fn read(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    in_pool(options, || read_here(inputs, options))
}

fn read_here(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    let bundle = bundle::walk::open(inputs, &options.limits, &options.correlate.map)?;
    Ok(read_bundle(bundle, options, None))
}

/// As [`read`], but big profiles are in memory only while they are compared.
fn read_sparing(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    let bundle = bundle::walk::open(inputs, &options.limits, &options.correlate.map)?;
    let kept = AtomicU64::new(0);
    let parsed = schedule::parse(&bundle.entries, &schedule::Wants { kept: Some(&kept), ..wants(options, None) });
    Ok(incident(bundle, parsed, options))
}

/// Reads what was opened. Its heap graphs are compared with those of `earlier` runs, if there are such.
fn read_bundle(bundle: Bundle, options: &Options, earlier: Option<&[&HeapGraph]>) -> Incident {
    let parsed = schedule::parse(&bundle.entries, &wants(options, earlier));
    incident(bundle, parsed, options)
}

fn wants<'a>(options: &'a Options, earlier: Option<&'a [&'a HeapGraph]>) -> schedule::Wants<'a> {
    schedule::Wants {
        digests: !options.skip_digests,
        max_entries: options.limits.max_entries,
        ids: &options.rows.nodes,
        show_strings: options.rows.show_strings,
        compare: earlier.is_some(),
        skip_growth: false,
        settle: true,
        kept: None,
        earlier: earlier.unwrap_or_default(),
    }
}

fn incident(bundle: Bundle, parsed: schedule::Parsed, options: &Options) -> Incident {
    let Bundle { inputs, entries } = bundle;
    let infos = inputs_info(inputs, &entries, &parsed);
    let again = |id| again::profiles(&entries, id);
    let mut incident = correlate::correlate(parsed.facts, parsed.artifacts, &options.correlate, &again);
    incident.inputs = infos;
    incident
}

/// As [`read`], with the top allocation sites of every profile of stacks, as the row flags ask.
pub fn inspect(inputs: &[PathBuf], options: &Options) -> Result<Incident, Error> {
    let mut incident = read(inputs, &options.uncompared())?;
    correlate::compare::sites::fill_top(&mut incident.profiles, &options.rows).map_err(Error::Usage)?;
    Ok(incident)
}

/// The main job's outcome: the report, and the error to exit with when nothing in the input could be read.
pub struct Analysis {
    pub document: ReportDoc,
    /// Everything that could not be read whole, with its artifact's path.
    pub diagnostics: Vec<(String, Diagnostic)>,
    pub unreadable: Option<Error>,
}

/// Reads the inputs, diagnoses them and composes the report.
pub fn analyze(inputs: &[PathBuf], options: &Options) -> Result<Analysis, Error> {
    in_pool(options, || {
        let incident = read_sparing(inputs, options)?;
        let focus = options.focus.as_deref().map(|text| known(&incident, text)).transpose()?;
        let mut verdict = diagnosis::diagnose(&incident);
        if let Some(focus) = focus {
            verdict.focus(focus, &incident.kills);
        }
        let diagnostics = incident.artifacts.iter().flat_map(|a| a.diagnostics.iter().map(|d| (a.path.clone(), d.clone()))).collect();
        let document = report::compose::report(&incident, &verdict);
        let unreadable = unreadable(&incident);
        set_aside(incident);
        Ok(Analysis { document, diagnostics, unreadable })
    })
}

/// The focus, if the input knows anything it covers; a misspelt name must not look like good news.
fn known(incident: &Incident, text: &str) -> Result<Focus, Error> {
    let focus = Focus::new(text);
    let owners = || {
        incident
            .pods
            .iter()
            .map(|p| &p.owner)
            .chain(incident.series.iter().map(|s| &s.owner))
            .chain(incident.kills.iter().map(|k| &k.owner))
            .chain(incident.other_endings.iter().map(|o| &o.owner))
            .chain(incident.events.iter().map(|e| &e.owner))
            .chain(incident.logs.iter().map(|l| &l.owner))
            .chain(incident.usage.iter().map(|u| &u.owner))
            .chain(incident.cgroups.iter().map(|c| &c.owner))
            .chain(incident.profiles.iter().map(|p| &p.owner))
            .chain(incident.deltas.iter().map(|d| &d.owner))
    };
    if owners().any(|o| focus.covers(o)) || incident.artifacts.is_empty() {
        return Ok(focus);
    }
    let namespaces: BTreeSet<&str> = owners().filter_map(|o| o.namespace.as_deref()).collect();
    let names = namespaces.into_iter().take(20).collect::<Vec<_>>().join(", ");
    Err(Error::Usage(format!("--focus {text}: nothing in the input has that name; its namespaces are: {names}")))
}

/// Why nothing was read, if nothing was.
pub fn unreadable(incident: &Incident) -> Option<Error> {
    if incident.artifacts.iter().any(|a| a.is_read()) {
        return None;
    }
    Some(Error::Unreadable(match incident.artifacts.iter().find_map(|a| Some((a, a.diagnostics.iter().next()?))) {
        Some((a, d)) => format!("nothing in the input could be read; {}: {}", a.path, d.message),
        None => "nothing in the input could be read: it holds no files".into(),
    }))
}

/// Takes a large value apart beside what is still to do; at the end of the process nobody waits for it.
fn set_aside<T: Send + 'static>(value: T) {
    // Where the system gives no thread the value is dropped here and now.
    drop(std::thread::Builder::new().spawn(move || drop(value)));
}

/// Runs `job` on as many threads as asked for.
fn in_pool<R: Send>(options: &Options, job: impl FnOnce() -> R + Send) -> R {
    match options.threads.map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build()) {
        Some(Ok(pool)) => pool.install(job),
        // No threads to be had is no reason to fail: the shared pool does as well.
        Some(Err(_)) | None => job(),
    }
}

/// Unpacked sizes and digests of the inputs, from what was learnt while their members were parsed.
fn inputs_info(inputs: Vec<InputInfo>, entries: &[bundle::Entry], parsed: &schedule::Parsed) -> Vec<InputInfo> {
    let read = || entries.iter().zip(&parsed.artifacts).zip(&parsed.digests);
    inputs
        .into_iter()
        .enumerate()
        .map(|(i, input)| {
            let own = || read().filter(move |((e, _), _)| e.input == i && !e.refused);
            let bytes = own().map(|((_, a), _)| a.bytes).sum();
            let members: Vec<(&str, [u8; 32])> = own().filter_map(|((e, _), d)| Some((e.member.as_str(), (*d)?))).collect();
            let sha256 = if parsed.digests.iter().any(Option::is_some) { bundle::digest::of_members(members) } else { String::new() };
            InputInfo { bytes, sha256, ..input }
        })
        .collect()
}
