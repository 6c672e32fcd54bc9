//! Queries for a reader to paste, asked of Prometheus' HTTP API with `curl`: the container at hand and no other, over the
//! time of the evidence. Names come from strangers' artifacts; as in [`super::kubectl`], only what can be a name gets in.

use super::kubectl::is_name;
use super::time::{HOUR, MINUTE, Timestamp};
use super::workload::Kind;
use super::{Incident, Owner};

/// Hours of history that show a leak of days; at the step below it stays under the server's 11,000 points a series.
const BEFORE: i64 = 72 * HOUR;
const STEP_SECONDS: u32 = 30;

/// What [`BEFORE`] is counted from is included whole.
const AFTER: i64 = HOUR / 2;

/// The command that fetches `metric` of the owner's container, and of its replicas where a workload makes them.
pub fn range(incident: &Incident, metric: &str, owner: &Owner) -> String {
    let mut selector: Vec<String> = Vec::new();
    let mut add = |label: &str, op: &str, value: Option<String>| selector.extend(value.map(|v| format!("{label}{op}\"{v}\"")));
    let plain = |s: &Option<String>| s.clone().filter(|s| is_name(s));
    add("namespace", "=", plain(&owner.namespace));
    match owner.pod.as_deref().filter(|p| is_name(p)) {
        // All replicas: whether they grow alike tells a leak in the program from one pod's bad luck.
        Some(pod) => match incident.controller(owner).filter(|c| is_name(&c.name)).and_then(|c| replicas(&c.kind).map(|r| (c, r))) {
            Some((c, rest)) => add("pod", "=~", Some(format!("{}-{rest}", escaped(&c.name)))),
            None => add("pod", "=", Some(pod.to_owned())),
        },
        None => add("pod", "=~", plain(&owner.workload).map(|w| format!("{}-.+", escaped(&w)))),
    }
    match plain(&owner.container) {
        Some(c) => add("container", "=", Some(c)),
        // Neither the pod's own cgroup nor its pause container.
        None => add("container", "!~", Some("|POD".into())),
    }
    let (start, end) = span(incident, owner);
    format!(
        "curl -sG PROMETHEUS/api/v1/query_range --data-urlencode 'query={metric}{{{}}}' -d start={start} -d end={end} -d step={STEP_SECONDS}",
        selector.join(",")
    )
}

/// What follows a controller's name in those of its pods, as a regular expression.
fn replicas(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Deployment => "[a-z0-9]+-[a-z0-9]{5}",
        Kind::StatefulSet => "[0-9]+",
        Kind::DaemonSet | Kind::ReplicaSet | Kind::Job => "[a-z0-9]{5}",
        Kind::CronJob => "[0-9]+-[a-z0-9]{5}",
        Kind::Node | Kind::Other(_) => return None,
    })
}

/// A name as a regular expression: of its characters only the dot means something there (doubled in a PromQL string).
fn escaped(name: &str) -> String {
    name.replace('.', "\\\\.")
}

/// Up to half an hour after the last of the owner's kills, else of all kills, events and words; where nothing has a time,
/// the reader's.
fn span(incident: &Incident, owner: &Owner) -> (String, String) {
    let at = |all: bool| {
        let mine = incident.kills.iter().filter(|k| all || k.owner.same_container(owner) || k.owner.same_pod(owner));
        mine.filter_map(|k| k.at?.mid()).max()
    };
    let seen = || incident.events.iter().filter_map(|e| e.at.mid()).chain(incident.capture.and_then(|c| c.mid())).max();
    match at(false).or_else(|| at(true)).or_else(seen) {
        Some(t) => (whole(t.saturating_sub(BEFORE)), whole(t.saturating_add(AFTER))),
        None => ("$(date -d -3days +%s)".into(), "$(date +%s)".into()),
    }
}

/// To the minute.
fn whole(t: Timestamp) -> String {
    let text = Timestamp(t.0.div_euclid(MINUTE).saturating_mul(MINUTE)).rfc3339();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kill::Kill;
    use crate::model::time::{Basis, When};
    use crate::model::workload::{Controller, From};

    #[test]
    fn a_query_names_the_container_its_replicas_and_the_time() {
        let owner = |ns: &str, pod: &str, c: &str| Owner {
            namespace: Some(ns.into()),
            pod: Some(pod.into()),
            container: (!c.is_empty()).then(|| c.into()),
            ..Owner::default()
        };
        let cart = owner("shop", "cart.api-7d9f8b6c5-x2x4k", "app");
        let t = Timestamp(1_790_000_030_000_000_000);
        let kill = Kill { owner: cart.clone(), at: Some(When { earliest: t, latest: t, basis: Basis::Stated }), ..Kill::default() };
        let mut incident = Incident { kills: vec![kill], ..Incident::default() };
        for (pod, kind, name) in [("cart.api-7d9f8b6c5-x2x4k", Kind::Deployment, "cart.api"), ("db-0", Kind::StatefulSet, "db")] {
            let maker = Controller::new(kind, name, From::PodName);
            incident.controllers.insert((Some("shop".to_owned()), pod.to_owned()), maker);
        }
        let asked = range(&incident, "m", &cart);
        assert!(asked.contains("'query=m{namespace=\"shop\",pod=~\"cart\\\\.api-[a-z0-9]+-[a-z0-9]{5}\",container=\"app\"}'"), "{asked}");
        assert!(asked.contains("start=2026-09-18T14:13:00Z") && asked.contains("end=2026-09-21T14:43:00Z"), "{asked}");
        let bad = range(&incident, "m", &owner("$(id)", "'; rm", "a\"b"));
        assert!(!bad.contains("id)") && !bad.contains("rm") && !bad.contains("a\"b"), "{bad}");
        assert!(range(&incident, "m", &owner("shop", "db-0", "")).contains("pod=~\"db-[0-9]+\",container!~\"|POD\""));
    }
}
