//! The names that this incident knows, so that a sentence which begins with one keeps it as it is: `web` is what the reader
//! will search for, `Web` is found nowhere.

use crate::model::{Incident, Owner};
use std::collections::BTreeSet;

pub struct Names<'a>(BTreeSet<&'a str>);

impl<'a> Names<'a> {
    pub fn of(incident: &'a Incident) -> Self {
        let mut names = BTreeSet::new();
        let mut owner = |o: &'a Owner| names.extend([&o.workload, &o.pod, &o.container, &o.node].into_iter().flatten().map(String::as_str));
        incident.kills.iter().for_each(|k| owner(&k.owner));
        incident.pods.iter().for_each(|p| owner(&p.owner));
        incident.trends.iter().for_each(|t| owner(&t.owner));
        incident.deltas.iter().for_each(|d| owner(&d.owner));
        incident.agent_cycles.iter().for_each(|c| owner(&c.owner));
        names.extend(incident.agent_cycles.iter().map(|c| c.service.as_str()));
        names.extend(incident.pods.iter().flat_map(|p| &p.what.containers).map(|c| c.name.as_str()));
        names.extend(incident.kills.iter().flat_map(|k| &k.victims).filter_map(|v| v.comm.as_deref()));
        names.extend(incident.oom_reports.iter().flat_map(|r| &r.what.tasks).map(|t| t.comm.as_str()));
        names.extend(incident.deltas.iter().flat_map(|d| &d.what.suspects).map(|s| s.name.as_str()));
        Names(names)
    }

    /// First letter upper case, unless the sentence begins with a name.
    pub fn capital(&self, text: &str) -> String {
        let first = text.split(' ').next().unwrap_or("").trim_end_matches([',', ':', ';']);
        let made = first.contains(['-', '/', '_', '.']) || first.chars().any(|c| c.is_ascii_digit());
        if made || self.0.contains(first) {
            return text.to_owned();
        }
        let mut chars = text.chars();
        chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kill::Kill;
    use crate::model::oom::Victim;

    #[test]
    fn a_sentence_that_begins_with_a_name_keeps_it() {
        let mut incident = Incident::default();
        let victims = vec![Victim { comm: Some("kubelet".into()), ..Victim::default() }];
        incident.kills.push(Kill { owner: Owner { workload: Some("web".into()), ..Owner::default() }, victims, ..Kill::default() });
        let names = Names::of(&incident);
        for text in ["web (container app) leaks", "kubelet on node n1 grows", "quote-api leaks", "web: killed"] {
            assert_eq!(names.capital(text), text);
        }
        assert_eq!(names.capital("the kernel killed web"), "The kernel killed web");
        assert_eq!(names.capital("website traffic"), "Website traffic");
    }
}
