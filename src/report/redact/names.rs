//! Stable pseudonyms for host, namespace, workload and pod names: the same name gives the same pseudonym in every
//! output and every run, because it is made from a digest of the name. That keeps reports of one cluster comparable; who
//! can guess a name can also check the guess, so this hides names from a glance, not from an adversary.

use crate::model::Owner;
use crate::report::document::ReportDoc;
use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Namespaces that every cluster has tell nothing, and two of them are ordinary words.
const PUBLIC: [&str; 8] = ["default", "kube-system", "kube-public", "kube-node-lease", "localhost", "node", "app", "unknown"];

#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<String, String>,
    matcher: Option<Regex>,
}

impl Names {
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn learn(&mut self, kind: &str, name: &str) {
        let name = name.trim();
        if name.is_empty()
            || PUBLIC.contains(&name)
            || self.known.contains_key(name)
            || name.starts_with(&format!("{kind}-")) && name.len() == kind.len() + 9
        {
            return;
        }
        let digest = Sha256::digest(name.as_bytes());
        let hex: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let pseudonym = format!("{kind}-{hex}");
        // People name files after the random end of a pod's name.
        if let Some((_, end)) = name.rsplit_once('-')
            && kind == "pod"
            && end.len() == 5
            && end.bytes().any(|b| b.is_ascii_digit())
        {
            self.known.entry(end.to_owned()).or_insert_with(|| pseudonym.clone());
        }
        self.known.insert(name.to_owned(), pseudonym);
        self.matcher = None;
    }

    pub fn learn_owner(&mut self, o: &Owner) {
        for (kind, name) in [("pod", &o.pod), ("workload", &o.workload), ("ns", &o.namespace), ("host", &o.node)] {
            if let Some(name) = name {
                self.learn(kind, name);
            }
        }
    }

    /// What stands elsewhere than in owners.
    pub fn learn_document(&mut self, doc: &ReportDoc) {
        for node in &doc.nodes {
            if let Some(name) = node.get("name").and_then(Value::as_str) {
                self.learn("host", name);
            }
        }
        for pod in &doc.pods {
            if let Some(name) = pod.get("name").and_then(Value::as_str) {
                self.learn("pod", name);
            }
        }
        for line in doc.excerpts.iter().flat_map(|e| &e.lines) {
            self.learn_syslog_host(&line.text);
        }
    }

    /// Keys that hold such names wherever they stand in a document.
    pub fn learn_value(&mut self, value: &Value) {
        let mut stack = vec![value];
        while let Some(v) = stack.pop() {
            match v {
                Value::Array(items) => stack.extend(items),
                Value::Object(map) => {
                    for (key, v) in map {
                        let kind = match key.as_str() {
                            "node" | "hostname" | "host" | "instance" => "host",
                            "pod" => "pod",
                            "namespace" => "ns",
                            "workload" => "workload",
                            _ => "",
                        };
                        match v.as_str() {
                            Some(name) if !kind.is_empty() => self.learn(kind, name),
                            Some(_) => {}
                            None => stack.push(v),
                        }
                    }
                    let named = |m: &serde_json::Map<String, Value>| m.get("name").and_then(Value::as_str).map(str::to_owned);
                    if map.contains_key("containers") && map.contains_key("phase") {
                        named(map).into_iter().for_each(|n| self.learn("pod", &n));
                    } else if map.contains_key("conditions") && map.contains_key("allocatable") {
                        named(map).into_iter().for_each(|n| self.learn("host", &n));
                    }
                }
                _ => {}
            }
        }
    }

    /// `Nov 19 21:45:08 HOST kernel:` names its host.
    fn learn_syslog_host(&mut self, text: &str) {
        let mut words = text.split_ascii_whitespace();
        let first = words.next().unwrap_or("");
        let iso = first.len() > 18 && first.as_bytes().get(10) == Some(&b'T');
        if !iso {
            let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].contains(&first);
            let clock = words.nth(1).is_some_and(|w| w.len() >= 8 && w.as_bytes().get(2) == Some(&b':'));
            if !month || !clock {
                return;
            }
        }
        if let (Some(host), Some(unit)) = (words.next(), words.next())
            && unit.ends_with(':')
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        {
            self.learn("host", host);
        }
    }

    /// The text with every known name replaced, `None` when there is none in it.
    pub fn replace(&mut self, text: &str) -> Option<String> {
        if self.matcher.is_none() {
            // Longest first: a pod's name begins with its workload's.
            let mut names: Vec<&String> = self.known.keys().collect();
            names.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
            let alternation: Vec<String> = names.iter().map(|n| regex::escape(n)).collect();
            self.matcher = Regex::new(&alternation.join("|")).ok();
        }
        // Names that cannot be looked for cannot be hidden one by one.
        let Some(re) = self.matcher.as_ref() else { return Some(super::MARK.to_owned()) };
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
        let ends_here = |at: usize| !word(text.get(at..).and_then(|s| s.chars().next()));
        let (mut out, mut from, mut at) = (String::new(), 0, 0);
        while let Some(m) = re.find_at(text, at) {
            // Behind its first letter the search goes on, if nothing that is known ends where a word does: `web-12` is not
            // `web-1`, and begins with `web`.
            at = m.start() + text.get(m.start()..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8);
            if word(text.get(..m.start()).and_then(|s| s.chars().next_back())) {
                continue;
            }
            let shorter = || self.known.keys().filter(|n| text.get(m.start()..).is_some_and(|s| s.starts_with(n.as_str())));
            let fits = Some(m.as_str())
                .filter(|_| ends_here(m.end()))
                .or_else(|| shorter().filter(|n| ends_here(m.start() + n.len())).max_by_key(|n| n.len()).map(String::as_str));
            let Some(name) = fits else { continue };
            out.push_str(text.get(from..m.start()).unwrap_or(""));
            out.push_str(self.known.get(name).map_or(super::MARK, String::as_str));
            from = m.start() + name.len();
            at = from;
        }
        if from == 0 {
            return None;
        }
        out.push_str(text.get(from..).unwrap_or(""));
        Some(out)
    }
}
