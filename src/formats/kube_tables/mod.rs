//! Tables that kubectl prints: `get pods|nodes|events|deployments|…` (plain, wide, all namespaces, with labels, without
//! headers, several kinds after one another), `kubectl events` and `top` (server-side printers in
//! kubernetes/pkg/printers/internalversion; kubectl's `pkg/cmd/events` and `pkg/cmd/top`).
//! With a header the columns say what a cell is; without one only shapes that nothing else has are read.
//! Custom columns are claimed where their names leave no doubt that pods and their restarts or ends are listed.

mod rows;
mod shapes;

use super::columns::Columns;
use super::lines::{Line, for_each_line};
use super::prompts;
use super::{Format, Head, Input, Match};
use crate::model::time::{SECOND, civil, parse_iso};
use crate::model::{Facts, RawTime};
use rows::Found;

/// What a table lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pods,
    Nodes,
    Events,
    Top,
    Workload(&'static str),
    /// Pods in columns of the user's choice.
    PodColumns,
    /// A header of kubectl's whose rows hold nothing that bears on memory.
    Other,
}

pub struct KubeTables;

impl Format for KubeTables {
    fn name(&self) -> &'static str {
        "kube-table"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let mut lines: Vec<&[u8]> = head.lines().collect();
        if !head.complete {
            lines.pop();
        }
        let text: Vec<_> = lines.iter().map(|l| String::from_utf8_lossy(l)).filter(|l| !l.trim().is_empty()).take(40).collect();
        if text.iter().take(12).any(|l| header(l.trim_end()).is_some_and(|(k, _)| k != Kind::Other)) {
            return Match::Certain;
        }
        let rows = text.iter().take(12).filter(|l| shapes::row(l.trim_end()).is_some()).count();
        if rows > 0 && rows * 4 >= text.len().min(12) * 3 { Match::Likely } else { Match::No }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(reader) = input.stream(out) else { return };
        let mut table = Table { header: None, at: RawTime::Absent, out, seen: false };
        let read = for_each_line(reader, |l| table.line(&l));
        if let Err(e) = read {
            out.error("unreadable", None, || format!("reading stopped early: {e}"));
        }
    }
}

/// A header line, if it is one of kubectl's.
fn header(line: &str) -> Option<(Kind, Columns<'_>)> {
    if line.is_empty() || line.chars().any(char::is_lowercase) && !line.contains("(cores)") && !line.contains("(bytes)") {
        return None;
    }
    let columns = Columns::of(line);
    let has = |name: &str| columns.has(name);
    if columns.len() < 3 || !(has("NAME") || has("POD") || has("LAST SEEN") || has("LASTSEEN")) {
        return None;
    }
    let kind = if (has("LAST SEEN") || has("LASTSEEN")) && has("REASON") {
        Kind::Events
    } else if has("CPU(cores)") || has("MEMORY(bytes)") {
        Kind::Top
    } else if has("READY") && has("STATUS") && has("RESTARTS") {
        Kind::Pods
    } else if has("STATUS") && has("ROLES") && has("VERSION") {
        Kind::Nodes
    } else if has("UP-TO-DATE") && has("NODE SELECTOR") {
        Kind::Workload("DaemonSet")
    } else if has("UP-TO-DATE") && has("READY") {
        Kind::Workload("Deployment")
    } else if has("DESIRED") && has("CURRENT") && has("READY") {
        Kind::Workload("ReplicaSet")
    } else if has("COMPLETIONS") && has("AGE") {
        Kind::Workload("Job")
    } else if has("NAME") && has("READY") && has("AGE") && columns.len() <= 6 {
        Kind::Workload("StatefulSet")
    } else if rows::RESTARTS.iter().any(|n| has(n)) || has("REASON") && rows::CODES.iter().any(|n| has(n)) {
        Kind::PodColumns
    } else if has("AGE") {
        Kind::Other
    } else {
        return None;
    };
    Some((kind, columns))
}

/// A line that holds nothing but a moment, as `date` prints it in the C locale or in ISO 8601.
fn dated(row: &str) -> Option<RawTime> {
    let row = row.trim_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '-' | '#'));
    if let Some(i) = parse_iso(row.as_bytes()).filter(|i| i.len == row.len()) {
        return Some(match i.offset_seconds {
            Some(offset) => RawTime::Utc { at: i.civil.saturating_sub(i64::from(offset) * SECOND), precision: i.precision },
            None => RawTime::NoZone { civil: i.civil, precision: i.precision },
        });
    }
    let words: Vec<&str> = row.split_whitespace().collect();
    let (month, day, time, zone, year) = match words[..] {
        [_, month, day, time, zone, year] => (month, day, time, zone, year),
        [_, month, day, time, year] => (month, day, time, "", year),
        _ => return None,
    };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let mut clock = time.split(':').map(str::parse::<u32>);
    let mut next = || clock.next()?.ok();
    let (h, m, s) = (next()?, next()?, next()?);
    let civil = civil(year.parse().ok()?, u32::try_from(month).ok()?, day.parse().ok()?, h, m, s, 0)?;
    Some(match zone {
        "UTC" | "GMT" | "Z" => RawTime::Utc { at: civil, precision: SECOND },
        _ => RawTime::NoZone { civil, precision: SECOND },
    })
}

struct Table<'o> {
    /// Header in force: its kind and its line.
    header: Option<(Kind, String)>,
    /// What `date` printed last: a loop around `kubectl top` puts it before each table.
    at: RawTime,
    out: &'o mut Facts,
    seen: bool,
}

impl Table<'_> {
    fn line(&mut self, l: &Line<'_>) {
        let text = String::from_utf8_lossy(l.text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let row = text.trim_end();
        if row.is_empty() {
            // Several kinds in one answer are set apart by a blank line; the next table has its own header.
            self.header = None;
            return;
        }
        if !l.ended {
            return self.out.warn("truncated", Some(l.number), Some(l.offset), || "the last line is not ended; it is left out".into());
        }
        if let Some((kind, _)) = header(row) {
            self.header = Some((kind, row.to_owned()));
            self.seen = true;
            return;
        }
        if prompts::command(row).is_some() {
            self.header = None;
            return;
        }
        if let Some(at) = dated(row) {
            self.at = at;
            self.header = None;
            return;
        }
        let found = match &self.header {
            Some((Kind::Other, _)) => return,
            Some((kind, line)) => rows::read(*kind, &Columns::of(line), text),
            None => shapes::row(row),
        };
        match found {
            Some(f) => self.push(f, l),
            None if self.header.is_some() => {
                self.out.note("bad-row", Some(l.number), Some(l.offset), || {
                    "a row that does not fit its table's header; it is left out".into()
                });
            }
            None => {}
        }
    }

    fn push(&mut self, found: Found, l: &Line<'_>) {
        let cite = self.out.cite(l.offset, Some(l.number), l.text);
        found.push(&self.at, cite, self.out);
    }
}
