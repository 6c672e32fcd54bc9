//! Profiles as text that tell where threads wait or stand and not what holds memory: Go's mutex and block profiles in
//! `debug=1`, `--- contentionz 1 ---` of C++ and Java servers, gperftools' `--- threadz` lists.
//!
//! Spec: google/pprof `profile/legacy_profile.go` and `legacy_java_profile.go`. Recognised so that the report can say what
//! such a file is and what to collect instead; no figure is taken from it.

use super::{Format, Head, Input, Match, lines};
use crate::model::Facts;

pub struct ContentionText;

/// First line's beginning, what such a file is, and what it tells.
const KINDS: &[(&str, &str, &str)] = &[
    ("--- contentionz ", "a contention profile", "where threads wait for locks"),
    ("--- contention:", "a block profile of Go in text form", "where goroutines block"),
    ("--- mutex:", "a mutex profile of Go in text form", "which locks are fought over"),
    ("--- threadz ", "a list of threads", "where threads stand"),
    ("--- Thread ", "a list of threads", "where threads stand"),
];

fn kind(line: &[u8]) -> Option<&'static (&'static str, &'static str, &'static str)> {
    KINDS.iter().find(|k| line.trim_ascii_start().starts_with(k.0.as_bytes()))
}

impl Format for ContentionText {
    fn name(&self) -> &'static str {
        "contention-text"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let first = head.lines().find(|l| !l.trim_ascii().is_empty());
        if first.and_then(kind).is_some() { Match::Certain } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let mut first = None;
        let mut rows = 0u64;
        let read = input.reader().and_then(|r| {
            lines::for_each_line(r, |l| {
                first = first.or_else(|| kind(l.text));
                rows += u64::from(l.text.contains(&b'@'));
            })
        });
        if let Err(e) = read {
            out.error("truncated", None, || format!("the stream is damaged or cut: {e}"));
        }
        if let Some((_, what, tells)) = first {
            out.note("not-memory", None, None, || {
                format!(
                    "{what} with {rows} stacks: it tells {tells}, not what holds memory, and is not read; a heap profile of the same \
                     process would tell"
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_called_by_its_name() {
        for (text, what) in [
            ("--- contentionz 1 ---\nformat = java\nresolution = microseconds\n 100 2 @ 0x3 0x4\n", "a contention profile with 1 stacks"),
            (
                "--- contention:\ncycles/second=2400000000\n12 1 @ 0x45 0x46\n13 1 @ 0x45\n",
                "a block profile of Go in text form with 2 stacks",
            ),
            ("--- mutex:\ncycles/second=2400000000\nsampling period=1\n", "a mutex profile of Go in text form with 0 stacks"),
        ] {
            let head = Head { path: "x.txt", bytes: text.as_bytes(), complete: true };
            assert_eq!(crate::formats::detect(&head).map(|f| f.0.name()), Some("contention-text"));
            let facts = crate::formats::parse_bytes(&ContentionText, "x.txt", text.as_bytes());
            let said: Vec<String> = facts.diagnostics.iter().map(|d| d.message.clone()).collect();
            assert!(facts.profiles.is_empty() && said.len() == 1 && said[0].starts_with(what), "{said:?}");
        }
    }
}
