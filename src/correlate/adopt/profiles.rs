//! Profiles that name no container: a runtime's snapshot fits a container whose killed process, own metrics or command are
//! of that runtime, and whose pod was there when it was taken. Profiles of one folder and runtime are one process's and go
//! together. A pprof file goes to a Go program only if its frames are Go's.

use crate::model::incident::Join;
use crate::model::pod::ContainerKind;
use crate::model::profile::{HeapProfile, ProfileBody};
use crate::model::runtime::Runtime;
use crate::model::{Incident, Owner, When};
use std::collections::BTreeMap;

/// Runtime of a profile, from its format; pprof is written by programs of many languages.
fn runtime(p: &HeapProfile) -> Option<Runtime> {
    Runtime::of_format(p.format).filter(|_| p.format != "pprof" || is_go(p))
}

/// Go's stacks begin in its own runtime.
fn is_go(p: &HeapProfile) -> bool {
    let ProfileBody::Stacks(stacks) = &p.body else { return true };
    stacks.strings.iter().any(|s| matches!(&**s, "runtime.main" | "runtime.goexit" | "main.main") || s.ends_with(".go"))
}

/// How well a container fits: kills of such a process count most, metrics of such a runtime next.
fn fitness(incident: &Incident, runtime: Runtime) -> BTreeMap<Owner, u32> {
    let mut fit: BTreeMap<Owner, u32> = BTreeMap::new();
    let container = |o: &Owner| o.pod.is_some() && o.container.is_some();
    for k in incident.kills.iter().filter(|k| container(&k.owner) && k.kind.is_memory()) {
        let comm = k.victims.iter().find_map(|v| v.comm.as_deref()).unwrap_or("");
        let points = match Runtime::of_program(comm) {
            Some(of) => of == runtime,
            // A Go program has a name of its own; anything that is not another runtime's may be one.
            None => runtime == Runtime::Go && !comm.is_empty(),
        };
        *fit.entry(k.owner.clone()).or_default() += if points { 4 } else { 0 };
    }
    for s in incident.series.iter().filter(|s| container(&s.owner) && Runtime::of_metric(&s.what.metric) == Some(runtime)) {
        let slot = fit.entry(s.owner.clone()).or_default();
        *slot = (*slot | 1).max(1);
    }
    for p in &incident.pods {
        for c in &p.what.containers {
            let words = || c.command.iter().chain(&c.args).chain(c.env.keys());
            let says = match runtime {
                Runtime::Node => {
                    words().any(|w| w == "node" || w.contains("--max-old-space-size") || w == "NODE_OPTIONS" || w.ends_with(".js"))
                }
                Runtime::Java => words()
                    .any(|w| w == "java" || w.starts_with("-Xm") || w.ends_with(".jar") || w == "JAVA_TOOL_OPTIONS" || w == "JAVA_OPTS"),
                Runtime::Python => {
                    words().any(|w| w.starts_with("python") || w.ends_with(".py") || w.starts_with("PYTHON") || w == "gunicorn")
                }
                _ => words().any(|w| w == "GOMEMLIMIT" || w == "GOGC"),
            };
            if says && p.owner.pod.is_some() {
                *fit.entry(Owner { container: Some(c.name.clone()), ..p.owner.clone() }).or_default() += 2;
            }
        }
    }
    fit.retain(|_, n| *n > 0);
    fit
}

/// The container by whose pod's full name a file or one of its folders is called: `ledger-0_heap_20260707T003000Z.txt`,
/// `fin_ledger-0_ledger/heap-1.txt`. Another part of that name may be the container's or the namespace; else the pod has one.
fn called(incident: &Incident, path: &str) -> Option<Owner> {
    let parts = |folder: &str| folder.split('_').map(|p| p.split('.').next().unwrap_or(p).to_owned()).collect::<Vec<_>>();
    path.rsplit(['/', '!']).find_map(|folder| {
        let words = parts(folder);
        let has = |name: Option<&str>| name.is_some_and(|n| words.iter().any(|w| w == n));
        let mut pods: Vec<_> = incident.pods.iter().filter(|p| has(p.owner.pod.as_deref())).collect();
        if pods.iter().any(|p| !p.owner.same_pod(&pods.first().map_or_else(Owner::default, |f| f.owner.clone()))) {
            pods.retain(|p| has(p.owner.namespace.as_deref()));
        }
        let first = pods.first()?;
        if pods.iter().any(|p| !p.owner.same_pod(&first.owner)) {
            return None;
        }
        let names: Vec<&str> = first.what.containers.iter().filter(|c| c.kind == ContainerKind::Main).map(|c| c.name.as_str()).collect();
        let named: Vec<&str> = first.what.containers.iter().map(|c| c.name.as_str()).filter(|n| has(Some(n))).collect();
        let container = match (named.as_slice(), names.as_slice()) {
            ([one], _) | ([], [one]) => (*one).to_owned(),
            _ => return None,
        };
        Some(Owner { container: Some(container), ..first.owner.clone() })
    })
}

/// Gives ownerless profiles to the container whose name they bear.
fn by_name(incident: &mut Incident) {
    let orphans = incident.profiles.iter().enumerate().filter(|(_, p)| p.owner.pod.is_none());
    let found: Vec<(usize, Owner)> =
        orphans.filter_map(|(i, p)| Some((i, called(incident, incident.path(p.cite.span.artifact))?))).collect();
    for (i, owner) in found {
        let Some(p) = incident.profiles.get_mut(i) else { continue };
        p.owner = owner.clone();
        p.who.inferred = true;
        let artifact = p.cite.span.artifact;
        let reason = "inferred: the file is called as its pod is".to_owned();
        incident.joins.push(Join { left: incident.path(artifact).to_owned(), right: owner.label(), reason });
    }
}

/// Gives ownerless profiles of one folder and runtime to the container that fits best, if one workload stands alone.
pub fn profiles(incident: &mut Incident) {
    by_name(incident);
    let mut sets: BTreeMap<(Runtime, String), Vec<usize>> = BTreeMap::new();
    for (i, p) in incident.profiles.iter().enumerate().filter(|(_, p)| p.owner.pod.is_none()) {
        let folder = incident.path(p.cite.span.artifact).rsplit_once('/').map_or("", |(d, _)| d).to_owned();
        if let Some(runtime) = runtime(&p.what) {
            sets.entry((runtime, folder)).or_default().push(i);
        }
    }
    for ((runtime, _), members) in sets {
        let taken: Vec<When> = members.iter().filter_map(|i| incident.profiles.get(*i)).map(|p| p.at).filter(When::is_known).collect();
        let Some(owner) = best(incident, runtime, &taken) else { continue };
        for i in members {
            let Some(p) = incident.profiles.get_mut(i) else { continue };
            p.owner = owner.clone();
            p.who.inferred = true;
            let artifact = p.cite.span.artifact;
            let reason = format!("inferred: the only workload with kills or metrics of a {} process", runtime.word());
            incident.joins.push(Join { left: incident.path(artifact).to_owned(), right: owner.label(), reason });
        }
    }
    incident.joins.sort();
    incident.joins.dedup();
}

/// The pod was there at each of these times: made before, and not yet gone.
fn lived(incident: &Incident, owner: &Owner, taken: &[When]) -> bool {
    let Some(p) = incident.pods.iter().find(|p| p.owner.same_pod(owner)) else { return true };
    let made = p.what.created.or(p.what.start_time);
    let over = matches!(p.what.phase.as_deref(), Some("Failed" | "Succeeded"));
    let gone = p.what.containers.iter().filter_map(|c| c.now.finished).max().filter(|_| over);
    taken.iter().all(|t| made.is_none_or(|m| m <= t.latest) && gone.is_none_or(|g| t.earliest <= g))
}

/// The fittest container, if no container of another workload is as fit.
fn best(incident: &Incident, runtime: Runtime, taken: &[When]) -> Option<Owner> {
    let mut fit = fitness(incident, runtime);
    fit.retain(|o, _| lived(incident, o, taken));
    let top = *fit.values().max()?;
    let mut tops = fit.iter().filter(|(_, n)| **n == top).map(|(o, _)| o);
    let first = tops.next()?;
    tops.all(|o| o.workload.is_some() && o.workload == first.workload && o.namespace == first.namespace && o.container == first.container)
        .then(|| first.clone())
}
