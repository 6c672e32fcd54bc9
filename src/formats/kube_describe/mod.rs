//! `kubectl describe` of pods, nodes and controllers, one object or many, from kubectl 1.18 to 1.37 (`pkg/describe` in
//! kubernetes/kubectl), also pasted. A grammar by relative indentation and key order, because messages, environment values
//! and arguments in such a text may imitate any of its lines. Refuses to guess: times of events stay ages, what stands
//! before the first object's name is left out and reported.

mod containers;
mod events;
mod facts;
mod object;
mod paste;

use super::lines::lines;
use super::{Format, Head, Input, Match};
use crate::model::Facts;
use paste::Row;

pub struct KubeDescribe;

impl Format for KubeDescribe {
    fn name(&self) -> &'static str {
        "kube-describe"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let tab = paste::tab_width(head.bytes);
        let rows: Vec<Row<'_>> = lines(head.bytes).map(|l| paste::row(&l, tab)).collect();
        let Some(first) = (0..rows.len()).find(|&n| object::begins(&rows, n)) else { return Match::No };
        // Words that only describe prints, in the first object's part of the text.
        let told = rows
            .iter()
            .skip(first)
            .filter_map(Row::key)
            .filter(|(k, _)| matches!(*k, "Containers" | "Conditions" | "Events" | "Pod Template" | "Service Account" | "Controlled By"))
            .take(2)
            .count();
        match told {
            0 => Match::Weak,
            1 => Match::Likely,
            _ => Match::Certain,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let mut rows: Vec<Row<'_>> = Vec::new();
        let tab = paste::tab_width(&bytes);
        for l in lines(&bytes) {
            if l.ended {
                rows.push(paste::row(&l, tab));
            } else {
                // Its value may go on; only a line that says there is nothing more is whole as it stands.
                let r = paste::row(&l, tab);
                if r.key().is_some_and(|(k, v)| k == "Events" && v == "<none>") {
                    rows.push(r);
                } else if !r.is_blank() {
                    out.warn("truncated", Some(l.number), Some(l.offset), || "the last line is not ended; it is left out".into());
                }
            }
        }
        paste::unwrap_lines(&mut rows, begins_a_line);
        if lost_indentation(&rows) {
            out.note("indentation-lost", Some(1), Some(0), || "the text lost its indentation; structure is taken from key order".into());
            object::reindent(&mut rows);
        }
        let mut at = (0..rows.len()).find(|&n| object::begins(&rows, n)).unwrap_or(rows.len());
        if let Some(r) = rows.iter().take(at).find(|r| r.indent > 0 && !r.is_blank()) {
            out.warn("beheaded", Some(r.number), Some(r.offset), || {
                "the text begins in the middle of an object, whose name is missing; that part is left out".into()
            });
        }
        while at < rows.len() {
            let (object, next) = object::read(&rows, at);
            facts::push(&rows, object, out);
            at = (next.max(at + 1)..rows.len()).find(|&n| object::begins(&rows, n)).unwrap_or(rows.len());
        }
    }
}

/// Whether a row looks like one that kubectl would begin, for telling a wrapped line's rest.
fn begins_a_line(r: &Row<'_>) -> bool {
    let known = r.key().is_some_and(|(k, _)| object::is_top(k) || containers::is_field(k));
    known || r.indent > 0
}

/// Containers are listed, and nothing in the text is indented.
fn lost_indentation(rows: &[Row<'_>]) -> bool {
    let listed = rows
        .windows(2)
        .any(|w| matches!(w, [a, b] if matches!(a.text(), "Containers:" | "Capacity:") && b.indent <= a.indent && !b.is_blank()));
    listed && rows.iter().filter(|r| r.indent > 0).count() * 10 < rows.len()
}
