//! Profiles and log words that name no container: they are given to the one container they can belong to, and marked so.
//! A runtime's snapshot fits a container whose killed process or own metrics are of that runtime, and whose life covers the
//! capture. Nothing is adopted where two workloads fit equally well.

use crate::model::incident::Join;
use crate::model::{Incident, Owner, When};
use std::collections::BTreeMap;

/// Runtime of a profile, from its format.
fn runtime(format: &str) -> Option<&'static str> {
    Some(match format {
        f if f.starts_with("v8") || f.starts_with("node") => "node",
        f if f.starts_with("jvm") || f.starts_with("hprof") || f == "gc-log" => "java",
        f if f.starts_with("tracemalloc") || f.starts_with("memray") => "python",
        f if f.starts_with("pprof") || f.starts_with("go") => "go",
        _ => return None,
    })
}

/// How well a container fits: kills of such a process count most, metrics of such a runtime next.
fn fitness(incident: &Incident, runtime: &str) -> BTreeMap<Owner, u32> {
    let mut fit: BTreeMap<Owner, u32> = BTreeMap::new();
    let container = |o: &Owner| o.pod.is_some() && o.container.is_some();
    for k in incident.kills.iter().filter(|k| container(&k.owner) && k.kind.is_memory()) {
        let comm = k.victims.iter().find_map(|v| v.comm.as_deref()).unwrap_or("");
        let points = match runtime {
            "node" => comm == "node",
            "java" => comm == "java",
            "python" => comm.starts_with("python") || comm == "gunicorn" || comm == "uwsgi" || comm == "celery",
            // A Go program has a name of its own; anything that is not another runtime may be one.
            _ => !comm.is_empty() && !["node", "java", "gunicorn", "uwsgi"].contains(&comm) && !comm.starts_with("python"),
        };
        *fit.entry(k.owner.clone()).or_default() += if points { 4 } else { 0 };
    }
    let prefix = match runtime {
        "node" => "nodejs_",
        "java" => "jvm_",
        "python" => "python_",
        _ => "go_",
    };
    for s in incident.series.iter().filter(|s| container(&s.owner) && s.what.metric.starts_with(prefix)) {
        let slot = fit.entry(s.owner.clone()).or_default();
        *slot = (*slot | 1).max(1);
    }
    for p in &incident.pods {
        for c in &p.what.containers {
            let words = || c.command.iter().chain(&c.args).chain(c.env.keys());
            let says = match runtime {
                "node" => words().any(|w| w == "node" || w.contains("--max-old-space-size") || w == "NODE_OPTIONS" || w.ends_with(".js")),
                "java" => words()
                    .any(|w| w == "java" || w.starts_with("-Xm") || w.ends_with(".jar") || w == "JAVA_TOOL_OPTIONS" || w == "JAVA_OPTS"),
                "python" => words().any(|w| w.starts_with("python") || w.ends_with(".py") || w.starts_with("PYTHON") || w == "gunicorn"),
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

/// Gives ownerless profiles of one folder and runtime to the container that fits best, if one workload stands alone.
pub fn orphans(incident: &mut Incident) {
    let orphan: Vec<(usize, &'static str, When)> = incident
        .profiles
        .iter()
        .enumerate()
        .filter(|(_, p)| p.owner.pod.is_none())
        .filter_map(|(i, p)| Some((i, runtime(p.what.format)?, p.at)))
        .collect();
    let mut adopted: Vec<(usize, Owner)> = Vec::new();
    let mut by_runtime: BTreeMap<&'static str, Option<Owner>> = BTreeMap::new();
    for (i, runtime, _) in orphan {
        let owner = by_runtime.entry(runtime).or_insert_with(|| best(incident, runtime)).clone();
        adopted.extend(owner.map(|o| (i, o)));
    }
    for (i, owner) in adopted {
        let Some(p) = incident.profiles.get(i) else { continue };
        let join = Join {
            left: incident.path(p.cite.span.artifact).to_owned(),
            right: owner.label(),
            reason: format!("inferred: the only workload with kills or metrics of a {} process", runtime(p.what.format).unwrap_or("like")),
        };
        incident.joins.push(join);
        if let Some(p) = incident.profiles.get_mut(i) {
            p.owner = owner;
            p.who.inferred = true;
        }
    }
    incident.joins.sort();
    incident.joins.dedup();
}

/// The fittest container, if no container of another workload is as fit.
fn best(incident: &Incident, runtime: &str) -> Option<Owner> {
    let fit = fitness(incident, runtime);
    let top = *fit.values().max()?;
    let mut tops = fit.iter().filter(|(_, n)| **n == top).map(|(o, _)| o);
    let first = tops.next()?;
    tops.all(|o| o.workload.is_some() && o.workload == first.workload && o.namespace == first.namespace && o.container == first.container)
        .then(|| first.clone())
}
