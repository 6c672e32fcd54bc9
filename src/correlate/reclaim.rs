//! For which resource the kubelet evicted a pod, by its own log: the line that says what it is about to reclaim stands before
//! the line that says who went (pkg/kubelet/eviction/eviction_manager.go).

use crate::model::Placed;
use crate::model::incident::Incident;
use crate::model::log::{LogPattern, LogWord};

/// Pods that the kubelet's log says it evicted, with the resource that was short, where a line before tells it.
pub fn evicted(incident: &Incident) -> impl Iterator<Item = (&Placed<LogWord>, Option<&str>)> {
    let mut short: Option<(u32, &str)> = None;
    incident.logs.iter().filter(|l| l.what.pattern == LogPattern::Eviction).filter_map(move |l| {
        let artifact = l.cite.span.artifact.0;
        if let Some(resource) = resource(&l.what.text) {
            short = Some((artifact, resource));
        }
        let gone = l.owner.pod.is_some() && l.what.text.contains("evicted successfully");
        gone.then(|| (l, short.filter(|(a, _)| *a == artifact).map(|(_, r)| r)))
    })
}

/// `memory` of `"Eviction manager: attempting to reclaim" resourceName="memory"`, and of the older
/// `eviction manager: attempting to reclaim memory`.
fn resource(text: &str) -> Option<&str> {
    let rest = text.split_once("resourceName=\"").or_else(|| text.split_once("to reclaim "))?.1;
    let word = rest.split(['"', ' ', ',']).next()?;
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_name_the_resource() {
        assert_eq!(resource("\"Eviction manager: attempting to reclaim\" resourceName=\"ephemeral-storage\""), Some("ephemeral-storage"));
        assert_eq!(resource("eviction manager: attempting to reclaim memory"), Some("memory"));
        assert_eq!(resource("eviction manager: pod a_b(c) is evicted successfully"), None);
    }
}
