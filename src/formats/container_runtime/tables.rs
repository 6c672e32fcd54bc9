//! Tables of `crictl ps` and `stats`, of `docker` and `podman` `ps` and `stats --no-stream`: names, states, attempts and
//! working sets as the container runtime on the node sees them. Container ids are mostly cut to 12 or 13 digits there and
//! are then no key. Refuses tables whose header is not one of these.

use super::docker::exit_code;
use super::names::Name;
use crate::formats::columns::Columns;
use crate::formats::lines::lines;
use crate::formats::{Format, Head, Input, Match};
use crate::model::pod::{ContainerRun, ContainerState, PodState, UsageReading};
use crate::model::{Claim, Facts, Observation, RawTime};

pub struct RuntimeTables;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Ps,
    Stats,
    /// `docker ps`: the name comes last, the exit code stands in the status.
    Listed,
}

fn table(header: &str) -> Option<Table> {
    let c = Columns::of(header);
    let first = header.trim_start();
    if first.starts_with("CONTAINER") && c.has("IMAGE") && c.has("STATE") && c.has("ATTEMPT") {
        return Some(Table::Ps);
    }
    if first.starts_with("CONTAINER ID") && c.has("IMAGE") && c.has("STATUS") && c.has("NAMES") {
        return Some(Table::Listed);
    }
    ((first.starts_with("CONTAINER") || first.starts_with("ID ")) && c.has("CPU %") && (c.has("MEM") || c.has("MEM USAGE / LIMIT")))
        .then_some(Table::Stats)
}

/// go-units' decimal sizes (`15.2MB`) and docker's binary ones (`14.5MiB / 512MiB`), as printed.
pub(super) fn size(text: &str) -> Option<u64> {
    let word = text.split('/').next()?.trim();
    let split = word.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = word.split_at(split);
    let factor = match unit.trim() {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        "TiB" => 1_099_511_627_776.0,
        _ => return None,
    };
    let v = number.parse::<f64>().ok()? * factor;
    (v.is_finite() && v < u64::MAX as f64).then_some(v.round() as u64)
}

impl Format for RuntimeTables {
    fn name(&self) -> &'static str {
        "crictl-table"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        let first = head.lines().find(|l| !l.trim_ascii().is_empty()).and_then(|l| std::str::from_utf8(l).ok());
        first.and_then(table).map_or(Match::No, |_| Match::Certain)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        let Some(bytes) = input.whole(out) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let header = text.lines().find(|l| table(l).is_some()).unwrap_or("");
        let Some(kind) = table(header) else { return };
        let columns = Columns::of(header);
        for line in lines(&bytes) {
            let row = String::from_utf8_lossy(line.text);
            let row = row.as_ref();
            if row.trim().is_empty() || row == header.trim_end() {
                continue;
            }
            if !line.ended {
                out.warn("truncated", Some(line.number), Some(line.offset), || "the last line has no end and is not used".into());
                break;
            }
            let Some(cells) = columns.cells(row) else {
                out.warn("bad-line", Some(line.number), Some(line.offset), || {
                    "a row that does not fit the table's columns; skipped".into()
                });
                continue;
            };
            let get = |name: &str| columns.cell(&cells, name);
            let id = get("CONTAINER").or_else(|| get("CONTAINER ID")).or_else(|| get("ID")).filter(|i| is_id(i));
            let cite = out.cite(line.offset, Some(line.number), line.text);
            let mut who: Claim = input.who.clone();
            who.container_id = id.map(Into::into);
            match kind {
                Table::Stats => {
                    who = match get("NAME") {
                        // A container's name within its pod, which crictl does not print here.
                        Some(name) if get("MEM").is_some() => Claim { container: Some(name.into()), ..who },
                        Some(name) => Name::of_text(name).claim(&who, id),
                        None => who,
                    };
                    let memory = get("MEM").or_else(|| get("MEM USAGE / LIMIT")).and_then(size);
                    if memory.is_some() {
                        let what = UsageReading { working_set_bytes: memory, ..UsageReading::default() };
                        out.usage.push(Observation { at: RawTime::Absent, who, cite, what });
                    }
                }
                Table::Listed => {
                    let (Some(names), Some(status)) = (get("NAMES"), get("STATUS")) else { continue };
                    let name = Name::of_text(names);
                    let code = exit_code(status).and_then(|c| i32::try_from(c).ok());
                    let state = if status.starts_with("Up ") { Some("running") } else { code.map(|_| "terminated") };
                    let container = ContainerState {
                        name: name.container.clone().unwrap_or_default(),
                        container_id: id.map(str::to_owned),
                        image: get("IMAGE").map(str::to_owned),
                        now: ContainerRun { state: state.map(str::to_owned), exit_code: code, ..ContainerRun::default() },
                        restart_count: name.attempt,
                        line: Some(line.number),
                        offset: Some(line.offset),
                        ..ContainerState::default()
                    };
                    let what = PodState {
                        name: name.pod.clone().unwrap_or_default(),
                        namespace: name.namespace.clone(),
                        uid: name.pod_uid.clone(),
                        containers: if name.sandbox { Vec::new() } else { vec![container] },
                        ..PodState::default()
                    };
                    out.pods.push(Observation { at: RawTime::Absent, who: name.claim(&who, id), cite, what });
                }
                Table::Ps => {
                    let (Some(name), Some(pod)) = (get("NAME"), get("POD")) else { continue };
                    who.pod = Some(pod.into());
                    who.namespace = get("NAMESPACE").map(Into::into);
                    let container = ContainerState {
                        name: name.to_owned(),
                        container_id: id.map(str::to_owned),
                        image: get("IMAGE").map(str::to_owned),
                        now: ContainerRun { state: get("STATE").map(str::to_lowercase), ..ContainerRun::default() },
                        restart_count: get("ATTEMPT").and_then(|a| a.parse().ok()),
                        line: Some(line.number),
                        offset: Some(line.offset),
                        ..ContainerState::default()
                    };
                    let what = PodState {
                        name: pod.to_owned(),
                        namespace: get("NAMESPACE").map(str::to_owned),
                        containers: vec![container],
                        ..PodState::default()
                    };
                    out.pods.push(Observation { at: RawTime::Absent, who, cite, what });
                }
            }
        }
    }
}

/// A container's id, whole or cut short as tables are: docker prints 12 digits of it, crictl 13.
fn is_id(text: &str) -> bool {
    (12..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_sizes() {
        assert_eq!(
            table(
                "CONTAINER           IMAGE               CREATED             STATE               NAME                ATTEMPT             POD ID              POD"
            ),
            Some(Table::Ps)
        );
        assert_eq!(
            table("CONTAINER           NAME      CPU %               MEM                 DISK                INODES"),
            Some(Table::Stats)
        );
        assert_eq!(table("NAME   READY   STATUS"), None);
        assert_eq!((size("15.2MB"), size("14.5MiB / 512MiB"), size("x")), (Some(15_200_000), Some(15_204_352), None));
    }
}
