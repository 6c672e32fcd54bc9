//! Correlation: facts get a time and an owner, duplicates merge, profiles are compared, and one incident comes out.

pub mod accounts;
pub mod adopt;
pub mod agents;
pub mod bridge;
pub mod clock;
mod clusters;
pub mod compare;
pub mod controllers;
pub mod dumps;
pub mod endings;
pub mod histories;
mod hosts;
pub mod identity;
pub mod kills;
pub mod ledger;
pub mod limits;
mod metric_names;
pub mod objections;
pub mod other_endings;
pub mod pods;
pub mod profiles;
mod reclaim;
pub mod samples;
pub mod timeline;
pub mod trends;
mod uptimes;
pub mod window;

use crate::model::delta::RowOptions;
use crate::model::facts::Facts;
use crate::model::incident::ArtifactInfo;
use crate::model::incident::Join;
use crate::model::{Incident, Observation, Placed, Timestamp, When};
use std::collections::BTreeSet;

/// A kill read by a log daemon that started late is taken to be at most so much older, where nothing tells when the node
/// booted: the kernel's buffer of a busy node does not reach back further.
const READ_LATE: i64 = crate::model::time::DAY;

/// What the user says about clocks and names.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// IANA zone or offset for times without a zone; UTC if absent.
    pub tz: Option<String>,
    /// `GLOB=NS/POD/CONTAINER` claims for artifacts that do not name their container.
    pub map: Vec<(String, crate::model::Claim)>,
    /// How rows of profile comparisons are grouped.
    pub rows: RowOptions,
    /// Leave out comparisons and call trees of profiles, where the caller makes its own or needs none.
    pub uncompared: bool,
    /// Leave out what happened before or after.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// How sizes are recommended.
    pub sizing: crate::series::sizing::Choice,
}

/// Joins the facts of all artifacts (given in artifact order) into one incident.
/// `again` gives the profiles of an artifact whose stacks were let go.
pub fn correlate(facts: Vec<Facts>, artifacts: Vec<ArtifactInfo>, options: &Options, again: profiles::Again<'_>) -> Incident {
    let mut all = Facts::default();
    for f in facts {
        all.merge(f);
    }
    clusters::tell_apart(&mut all);
    let names = identity::Names::learn(&all, &artifacts);
    hosts::settle(&mut all, &artifacts, &names);
    let clock = clock::Clock::solve(&all, &artifacts, options);
    let mut incident = Incident { artifacts, ..Incident::default() };
    let mut joins = BTreeSet::new();
    let mut place = Placer { clock: &clock, names: &names, joins: &mut joins };
    let Facts {
        artifact: _,
        diagnostics: _,
        kills,
        pods,
        workloads,
        policies,
        configs,
        nodes,
        events,
        alerts,
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
        source_maps,
        parts: _,
    } = all;
    let mut kills = kills;
    for k in kills.iter_mut().filter(|k| !clock.when(&k.at, &k.cite).is_known()) {
        k.what.written = k.at.written();
    }
    incident.oom_reports = place.all(kills);
    incident.pods = place.all(pods);
    incident.workloads = place.all(workloads);
    incident.policies = place.all(policies);
    incident.configs = place.all(configs);
    incident.nodes = place.all(nodes);
    incident.events = place.all(events);
    for e in &mut incident.events {
        e.what.first_at = Some(clock.when(&e.what.first, &e.cite)).filter(When::is_known);
    }
    for r in &mut incident.oom_reports {
        r.what.last_at = Some(clock.when(&r.what.last, &r.cite)).filter(When::is_known);
        if r.what.read_late && r.at.is_known() {
            r.at.earliest =
                clock.boot_began(r.cite.span.artifact).map_or(r.at.earliest.saturating_sub(READ_LATE), |t| t.min(r.at.earliest));
        }
    }
    incident.alerts = place.all(alerts);
    incident.usage = place.all(usage);
    incident.profiles = place.all(profiles);
    incident.cgroups = place.all(cgroups);
    incident.processes = place.all(processes);
    incident.meminfo = place.all(meminfo);
    incident.logs = place.all(logs);
    incident.boots = place.all(boots);
    incident.missing = place.all(missing);
    incident.source_maps = place.all(source_maps);
    incident.series = place
        .all(series)
        .into_iter()
        .map(|p| crate::model::incident::PlacedSeries { owner: p.owner, cite: p.cite, what: p.what })
        .collect();
    incident.series.iter_mut().for_each(|s| metric_names::settle(&mut s.what));
    for s in incident.series.iter_mut().filter(|s| s.what.civil) {
        clock.settle(&mut s.what, &s.cite);
    }
    incident.controllers = names.controllers();
    incident.joins = joins.into_iter().collect();
    incident.capture = clock.capture();
    incident.contradictions.extend(clock.contradictions().cloned());
    // One pod, one entry, before anything is asked of it; then what the reader left out, so that no later step hears of it.
    pods::merge(&mut incident);
    uptimes::settle(&mut incident);
    window::restrict(&mut incident, options.since, options.until);
    // Owners before endings: what nobody names finds its container, and only then can two witnesses be of one.
    samples::series(&mut incident);
    adopt::reports(&mut incident);
    adopt::files(&mut incident);
    // Endings before limits (a kill asks which one it hit), limits before trends (a run that stood at its limit was killed).
    kills::endings(&mut incident);
    limits::settle(&mut incident);
    trends::compute(&mut incident, options.sizing);
    // Endings that only series show, beside those that are known; then what was no kill, and what speaks against each.
    kills::from_series(&mut incident);
    other_endings::gather(&mut incident);
    objections::hear(&mut incident);
    // Profiles find their container by who was killed and who grew.
    adopt::profiles(&mut incident);
    if !options.uncompared {
        profiles::compare(&mut incident, &options.rows, again);
        incident.bridges = bridge::build(&incident);
    }
    // Told from all of the above; a trend is tied to rollouts last, for the timeline knows them.
    accounts::balance(&mut incident);
    dumps::explain(&mut incident);
    ledger::balance(&mut incident);
    agents::cycles(&mut incident);
    timeline::assemble(&mut incident);
    trends::tie(&mut incident);
    incident
}

/// Gives every observation its time and its owner.
struct Placer<'a> {
    clock: &'a clock::Clock,
    names: &'a identity::Names,
    joins: &'a mut BTreeSet<Join>,
}

impl Placer<'_> {
    fn all<T>(&mut self, list: Vec<Observation<T>>) -> Vec<Placed<T>> {
        list.into_iter()
            .map(|o| {
                let at = self.clock.when(&o.at, &o.cite);
                let (owner, join) = self.names.owner(&o.who);
                self.joins.extend(join);
                Placed { at, owner, who: o.who, cite: o.cite, what: o.what }
            })
            .collect()
    }
}
