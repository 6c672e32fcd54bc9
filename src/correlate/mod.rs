//! Correlation: facts get a time and an owner, duplicates merge, profiles are compared, and one incident comes out.

pub mod clock;
pub mod compare;
pub mod identity;
pub mod kills;
pub mod timeline;

use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::{Incident, Observation, Placed, When};

/// What the user says about clocks and names.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// IANA zone or offset for times without a zone; UTC if absent.
    pub tz: Option<String>,
    /// `GLOB=NS/POD/CONTAINER` claims for artifacts that do not name their container.
    pub map: Vec<(String, crate::model::Claim)>,
}

/// Joins the facts of all artifacts (given in artifact order) into one incident.
pub fn correlate(facts: Vec<Facts>, artifacts: Vec<ArtifactInfo>, options: &Options) -> Incident {
    let mut all = Facts::default();
    for f in facts {
        all.merge(f);
    }
    let clock = clock::Clock::solve(&all, &artifacts, options);
    let names = identity::Names::learn(&all);
    let mut incident = Incident { artifacts, ..Incident::default() };
    fn place<T>(list: Vec<Observation<T>>, clock: &clock::Clock, names: &identity::Names) -> Vec<Placed<T>> {
        list.into_iter()
            .map(|o| {
                let at = clock.when(&o.at, &o.cite);
                let owner = names.owner(&o.who, &at);
                Placed { at, owner, cite: o.cite, what: o.what }
            })
            .collect()
    }
    let Facts {
        artifact: _,
        diagnostics: _,
        kills,
        pods,
        workloads,
        nodes,
        events,
        usage,
        series,
        profiles,
        cgroups,
        processes,
        meminfo,
        logs,
        boots,
        captures: _,
        missing,
        parts: _,
    } = all;
    incident.oom_reports = place(kills, &clock, &names);
    incident.pods = place(pods, &clock, &names);
    incident.workloads = place(workloads, &clock, &names);
    incident.nodes = place(nodes, &clock, &names);
    incident.events = place(events, &clock, &names);
    for e in &mut incident.events {
        e.what.first_at = Some(clock.when(&e.what.first, &e.cite)).filter(When::is_known);
    }
    incident.usage = place(usage, &clock, &names);
    incident.profiles = place(profiles, &clock, &names);
    incident.cgroups = place(cgroups, &clock, &names);
    incident.processes = place(processes, &clock, &names);
    incident.meminfo = place(meminfo, &clock, &names);
    incident.logs = place(logs, &clock, &names);
    incident.boots = place(boots, &clock, &names);
    incident.missing = place(missing, &clock, &names);
    incident.series = place(series, &clock, &names)
        .into_iter()
        .map(|p| crate::model::incident::PlacedSeries { owner: p.owner, cite: p.cite, what: p.what })
        .collect();
    incident.joins = names.joins();
    incident.capture = clock.capture();
    incident.contradictions.extend(clock.contradictions().iter().cloned());
    kills::endings(&mut incident);
    timeline::assemble(&mut incident);
    incident
}
