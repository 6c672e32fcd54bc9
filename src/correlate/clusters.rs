//! One Prometheus for several clusters: the same namespace and pod name in two of them are two pods. Only where a name is
//! in fact taken twice does the cluster become part of it, so that everything else keeps the name that Kubernetes knows.

use crate::model::facts::Facts;
use crate::model::series::Series;
use std::collections::{BTreeMap, BTreeSet};

/// Labels that name a cluster, over the tools' history.
const LABELS: [&str; 4] = ["cluster", "k8s_cluster_name", "cluster_name", "k8s_cluster"];

fn cluster(s: &Series) -> Option<&str> {
    LABELS.iter().find_map(|l| s.label(l)).filter(|c| !c.is_empty())
}

/// Tells apart pods of one name in several clusters.
pub fn tell_apart(facts: &mut Facts) {
    let mut clusters: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for s in &facts.series {
        if let (Some(ns), Some(pod), Some(c)) = (&s.who.namespace, &s.who.pod, cluster(&s.what)) {
            clusters.entry((ns.to_string(), pod.to_string())).or_default().insert(c.to_owned());
        }
    }
    clusters.retain(|_, c| c.len() > 1);
    if clusters.is_empty() {
        return;
    }
    for s in &mut facts.series {
        let (Some(ns), Some(pod), Some(c)) = (&s.who.namespace, &s.who.pod, cluster(&s.what)) else { continue };
        if !clusters.contains_key(&(ns.to_string(), pod.to_string())) {
            continue;
        }
        let name = format!("{pod} (cluster {c})");
        for label in ["exported_pod", "pod", "pod_name", "kubernetes_pod_name"] {
            if let Some(v) = s.what.labels.get_mut(label) {
                v.clone_from(&name);
            }
        }
        s.who.pod = Some(name.into());
    }
}
