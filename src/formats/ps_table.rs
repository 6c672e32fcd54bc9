//! Process tables: `ps aux`, `ps -eo pid,rss,…` and `top -b`, read by their header. RSS and VSZ are KiB (ps(1)); top's
//! RES and VIRT carry a unit letter. Refuses a table without a pid and a resident size.

use super::lines::{Line, lines};
use super::{Format, Head, Input, Match};
use crate::model::identity::is_host_like;
use crate::model::node::ProcessReading;
use crate::model::oom::NODE_AGENTS;
use crate::model::quantity::parse_bytes;
use crate::model::time::in_name;
use crate::model::{Facts, Observation};

pub struct PsTable;

/// A header of single words: `USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND`.
struct Header<'a>(Vec<&'a str>);

impl<'a> Header<'a> {
    fn of(line: &'a str) -> Option<Header<'a>> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let has = |w: &str| words.contains(&w);
        let shaped = words.iter().all(|w| w.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'%' | b'+' | b'_')) || *w == "S");
        let last = matches!(words.last(), Some(&("COMMAND" | "CMD" | "ARGS" | "COMM")));
        (shaped && last && has("PID") && (has("RSS") || has("RES") || has("RSZ"))).then_some(Header(words))
    }

    fn row(&self, line: &str) -> Option<ProcessReading> {
        let mut p = ProcessReading::default();
        let mut rest = line.trim_start();
        for (n, name) in self.0.iter().enumerate() {
            let (word, after) = if n + 1 == self.0.len() { (rest.trim_end(), "") } else { rest.split_once(char::is_whitespace)? };
            match *name {
                "PID" => p.pid = Some(word.parse().ok()?),
                "USER" | "UID" | "RUSER" | "EUSER" => p.user = Some(word.to_owned()),
                "RSS" | "RSZ" | "RES" => p.rss_bytes = Some(size(word)?),
                "VSZ" | "VIRT" => p.vsz_bytes = size(word),
                "SHR" => p.shmem_bytes = size(word),
                "NLWP" | "THCNT" => p.threads = word.parse().ok(),
                "COMMAND" | "CMD" | "ARGS" | "COMM" => {
                    p.comm = Some(program(word).to_owned());
                    p.command = Some(word.to_owned());
                }
                _ => {}
            }
            rest = after.trim_start();
        }
        Some(p)
    }
}

/// KiB without a unit; `1.2g`, `300m` as top prints them.
fn size(word: &str) -> Option<u64> {
    match word.parse::<u64>() {
        Ok(kib) => kib.checked_mul(1024),
        Err(_) => {
            let unit = word.chars().next_back()?.to_ascii_uppercase();
            let number = word.get(..word.len().checked_sub(1)?)?;
            matches!(unit, 'K' | 'M' | 'G' | 'T').then(|| parse_bytes(&format!("{number}{unit}i"))).flatten()
        }
    }
}

/// Program name of a command line: the last part of its path; kernel threads keep their brackets.
fn program(command: &str) -> &str {
    // `ps f` draws the tree in front of the command.
    let command = command.trim_start_matches(['\\', '_', '|', ' ']);
    if command.starts_with('[') {
        return command;
    }
    let word = command.split_whitespace().next().unwrap_or(command);
    let word = word.strip_suffix(':').unwrap_or(word);
    word.rsplit('/').next().filter(|w| !w.is_empty()).unwrap_or(word)
}

impl Format for PsTable {
    fn name(&self) -> &'static str {
        "ps-table"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut rows = head.lines().filter(|l| !l.trim_ascii().is_empty());
        // `top` prints a summary first.
        let found = rows.by_ref().take(12).find_map(|l| std::str::from_utf8(l).ok().and_then(Header::of));
        let (Some(header), Some(first)) = (found, rows.next()) else { return Match::No };
        std::str::from_utf8(first).ok().and_then(|r| header.row(r)).map_or(Match::No, |_| Match::Certain)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let mut header: Option<Header<'_>> = None;
        let at = in_name(input.file_name());
        let from = out.processes.len();
        for line in lines(&bytes) {
            let Ok(text) = std::str::from_utf8(line.text) else {
                bad(&line, out);
                continue;
            };
            if let Some(h) = Header::of(text) {
                header = Some(h);
                continue;
            }
            let Some(h) = header.as_ref().filter(|_| !text.trim().is_empty()) else { continue };
            if !line.ended {
                out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and is not used".into());
                break;
            }
            let Some(what) = h.row(text) else {
                bad(&line, out);
                continue;
            };
            let mut who = input.who.clone();
            who.pid = what.pid;
            who.comm = what.comm.as_deref().map(Into::into);
            let cite = out.cite(line.offset, Some(line.number), line.text);
            out.processes.push(Observation { at: at.clone(), who, cite, what });
        }
        name_node(input, out.processes.get_mut(from..).unwrap_or(&mut []));
    }
}

/// A table in which a node's own services run is a node's, and the folder that holds it may be called as the node is. A pod
/// that only the path seems to name (`w-1/` has the form of a stateful set's pod) runs no kubelet.
fn name_node(input: &Input<'_>, rows: &mut [Observation<ProcessReading>]) {
    let service = |o: &Observation<ProcessReading>| o.what.comm.as_deref().is_some_and(|c| NODE_AGENTS.contains(&c));
    let folder = input.folder().trim_end_matches(['/', '!']).rsplit(['/', '!']).next().unwrap_or("");
    let pod = input.who.pod.is_some() && !input.who.inferred;
    if input.who.node.is_some() || pod || !is_host_like(folder) || !rows.iter().any(service) {
        return;
    }
    for r in rows {
        (r.who.namespace, r.who.pod, r.who.container) = (None, None, None);
        r.who.node = Some(folder.into());
        r.who.inferred = true;
    }
}

fn bad(line: &Line<'_>, out: &mut Facts) {
    out.warn("bad-line", Some(line.number), Some(line.offset), || "not a row of the process table; skipped".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_ps_and_top() {
        let ps = Header::of("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND");
        let row = ps.and_then(|h| h.row("root         611  2.1  1.2 3412284 201344 ?        Ssl  Nov12   311:10 /usr/bin/kubelet --config=/etc/kubernetes/kubelet.yaml"));
        let row = row.unwrap_or_default();
        assert_eq!((row.pid, row.rss_bytes, row.comm.as_deref()), (Some(611), Some(201_344 * 1024), Some("kubelet")));
        let top = Header::of("    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND");
        let row =
            top.and_then(|h| h.row("   1234 root      20   0   12.1g   1.5g  23456 S   0.0   1.2   0:01.23 java")).unwrap_or_default();
        assert_eq!((row.rss_bytes, row.comm.as_deref()), (Some(1_610_612_736), Some("java")));
        assert!(Header::of("NAME READY STATUS RESTARTS AGE").is_none());
    }
}
