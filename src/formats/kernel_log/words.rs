//! Other words of a node's logs that bear on memory: the kubelet's, containerd's, CRI-O's, systemd's and userspace
//! killers', and the kernel's own notices that messages were lost. They stand in the same journals as the kernel's
//! reports, which is why they are read here.
//!
//! Sources: kubernetes pkg/kubelet (eviction, pleg, prober, oom), containerd's events, systemd's unit messages.
//! Free text (to 1.20) and structured klog (`key="value"`) are both read.

use super::stamp::digits;
use crate::model::Claim;
use crate::model::log::LogPattern;
use crate::model::quantity::parse_bytes;
use memchr::memmem::find;

/// One recognised line.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub pattern: LogPattern,
    pub who: Claim,
    pub numbers: Vec<(&'static str, f64)>,
}

/// Reads a message; `service` is its identifier, absent for the kernel's own.
pub fn recognise(service: Option<&[u8]>, text: &[u8]) -> Option<Word> {
    let unit = service.map(|s| s.strip_suffix(b".service").unwrap_or(s));
    match unit {
        None => kernel(text).or_else(|| embedded(text)),
        Some(
            b"kubelet" | b"k3s" | b"k3s-agent" | b"rke2" | b"rke2-server" | b"rke2-agent" | b"hyperkube" | b"microk8s.daemon-kubelite",
        ) => kubelet(text).or_else(|| runtime(text)),
        Some(b"containerd" | b"crio" | b"cri-o" | b"dockerd" | b"docker" | b"cri-dockerd") => runtime(text),
        Some(b"systemd" | b"init.scope" | b"init") => systemd(text),
        Some(b"systemd-journald" | b"journal" | b"systemd-journal") => lost(text),
        Some(b"systemd-oomd" | b"earlyoom" | b"oomd" | b"nohang") => killer(text),
        Some(s) if s.starts_with(b"rsyslogd") => lost(text),
        Some(_) => None,
    }
}

/// Without an identifier (`-o cat`, a plain service log) the text itself must tell whose it is.
pub fn anonymous(text: &[u8]) -> Option<Word> {
    kubelet(text).or_else(|| runtime(text)).or_else(|| systemd(text)).or_else(|| lost(text))
}

fn word(pattern: LogPattern) -> Word {
    Word { pattern, who: Claim::default(), numbers: Vec::new() }
}

fn has(text: &[u8], needle: &str) -> bool {
    find(text, needle.as_bytes()).is_some()
}

fn str_of(b: &[u8]) -> Box<str> {
    String::from_utf8_lossy(b).into_owned().into()
}

/// `systemd[1]: …` written into the kernel's buffer before journald ran.
fn embedded(text: &[u8]) -> Option<Word> {
    let rest = text.strip_prefix(b"systemd[1]: ").or_else(|| text.strip_prefix(b"systemd-journald["));
    rest.and_then(|r| systemd(r).or_else(|| lost(r)))
}

fn kernel(text: &[u8]) -> Option<Word> {
    if let Some(at) = find(text, b" callbacks suppressed") {
        let name = text.get(..at)?;
        // Only the reports' own rate limits hide kills; others (audit, net) say nothing about memory.
        let about_oom = ["oom", "out_of_memory", "dump_header", "dump_tasks", "mem_cgroup"].iter().any(|w| has(name, w));
        let n = name.rsplit(|&b| b == b' ').next().and_then(digits)?.0;
        return about_oom.then(|| Word { numbers: vec![("lost", n as f64)], ..word(LogPattern::MessagesLost) });
    }
    if has(text, "printk messages dropped") {
        let n = text.split(|&b| b == b' ').find_map(digits)?.0;
        return Some(Word { numbers: vec![("lost", n as f64)], ..word(LogPattern::MessagesLost) });
    }
    // A node that is set to panic rather than to kill.
    if has(text, "Kernel panic") && (has(text, "Out of memory") || has(text, "out of memory")) {
        return Some(word(LogPattern::OtherOutOfMemory));
    }
    let note = has(text, "page allocation failure: order:")
        || (has(text, " blocked for more than ") && has(text, " seconds"))
        || has(text, "SLUB: Unable to allocate memory on node");
    note.then(|| word(LogPattern::Note))
}

fn lost(text: &[u8]) -> Option<Word> {
    let n = if let Some(rest) = text.strip_prefix(b"Missed ") {
        digits(rest).filter(|_| has(rest, "kernel messages"))?.0
    } else if let Some(rest) = text.strip_prefix(b"Suppressed ") {
        digits(rest).filter(|_| has(rest, " messages from "))?.0
    } else {
        let rest = text.get(find(text, b"imuxsock lost ")? + 14..)?;
        digits(rest)?.0
    };
    let mut w = Word { numbers: vec![("lost", n as f64)], ..word(LogPattern::MessagesLost) };
    if let Some(i) = find(text, b" messages from ") {
        w.who.workload_hint = text.get(i + 15..).map(|r| str_of(r.trim_ascii()));
    }
    Some(w)
}

fn systemd(text: &[u8]) -> Option<Word> {
    let unit_end = find(text, b": ");
    let unit = unit_end.and_then(|i| text.get(..i)).filter(|u| !u.contains(&b' ') && u.contains(&b'.'));
    let named = |pattern| {
        let mut w = word(pattern);
        w.who.workload_hint = unit.map(str_of);
        // A container's scope carries its id.
        if let Some(u) = unit.and_then(|u| std::str::from_utf8(u).ok()) {
            crate::model::cgroup_path::parse(u).fill(&mut w.who);
        }
        w
    };
    if has(text, "by the OOM killer")
        || has(text, "Failed with result 'oom-kill'")
        || has(text, "Main process exited, code=killed, status=9/KILL")
    {
        unit?;
        return Some(named(if has(text, "Main process exited") { LogPattern::Note } else { LogPattern::UnitOomKilled }));
    }
    if has(text, " memory peak") && has(text, "Consumed ") {
        let mut w = named(LogPattern::Note);
        let before = text.get(..find(text, b" memory peak")?)?;
        let size = before.rsplit(|&b| b == b' ').next().and_then(|s| std::str::from_utf8(s).ok());
        // systemd prints binary multiples with one letter: `6.5G`.
        if let Some(b) = size.and_then(|s| parse_bytes(&format!("{}i", s.trim_end_matches('B')))) {
            w.numbers.push(("memory_peak_bytes", b as f64));
        }
        return Some(w);
    }
    let started =
        ["Started kubelet", "Started Kubernetes Kubelet", "Started Kubernetes systemd probe", "Started containerd", "Starting kubelet"];
    if started.iter().any(|s| text.starts_with(s.as_bytes())) {
        let mut w = word(LogPattern::ServiceStarted);
        w.who.workload_hint = Some(if has(text, "containerd") { "containerd.service".into() } else { "kubelet.service".into() });
        return Some(w);
    }
    if has(text, "systemd-oomd killed") {
        return Some(named(LogPattern::UserspaceOomd));
    }
    killer(text).filter(|_| has(text, "systemd-oomd"))
}

/// systemd-oomd, earlyoom, nohang, Talos.
fn killer(text: &[u8]) -> Option<Word> {
    if text.starts_with(b"Killed /") && (has(text, "due to memory pressure") || has(text, "due to memory used"))
        || has(text, "systemd-oomd killed")
    {
        let mut w = word(LogPattern::UserspaceOomd);
        if let Some(path) =
            text.strip_prefix(b"Killed ").and_then(|r| r.split(|&b| b == b' ').next()).and_then(|p| std::str::from_utf8(p).ok())
        {
            crate::model::cgroup_path::parse(path).fill(&mut w.who);
            w.who.cgroup = Some(path.into());
        }
        return Some(w);
    }
    if let Some(i) = find(text, b"ending SIG") {
        let rest = text.get(i..)?;
        let mut w = word(LogPattern::UserspaceOomd);
        if let Some(p) = find(rest, b" to process ") {
            w.who.pid = rest.get(p + 12..).and_then(digits).and_then(|d| u32::try_from(d.0).ok());
            w.who.comm = quoted(rest, b"\"").map(str_of);
            return Some(w);
        }
        // Talos: `Sending SIGKILL to cgroup {…}`.
        if has(rest, "SIGKILL to cgroup") {
            if let Some(path) = find(rest, b"/kubepods").and_then(|p| rest.get(p..)) {
                let end = path.iter().position(|b| matches!(b, b' ' | b'"' | b'}' | b',')).unwrap_or(path.len());
                if let Some(path) = path.get(..end).and_then(|p| std::str::from_utf8(p).ok()) {
                    crate::model::cgroup_path::parse(path).fill(&mut w.who);
                    w.who.cgroup = Some(path.into());
                }
            }
            return Some(w);
        }
    }
    None
}

fn runtime(text: &[u8]) -> Option<Word> {
    let oom =
        has(text, "TaskOOM") || has(text, "topic=/tasks/oom") || has(text, "/tasks/oom") || (has(text, "OOM") && has(text, "ontainer"));
    if !oom {
        return None;
    }
    let mut w = word(LogPattern::TaskOom);
    w.who.container_id = hex64(text).map(str_of);
    w.who.container_id.is_some().then_some(w)
}

/// `"SyncLoop ADD" source="api" pods=["a/b","c/d"]`, or `SyncLoop (ADD, "api"): "b_a(uid), d_c(uid)"`: several pods at once
/// are what a kubelet is given when it starts.
fn listed(text: &[u8]) -> Option<Word> {
    let rest = text.get(find(text, b"pods=[").or_else(|| find(text, b"): \""))?..)?;
    let n = memchr::memchr_iter(b',', rest).count() + 1;
    (n >= 2).then(|| Word { numbers: vec![("pods", n as f64)], ..word(LogPattern::PodsListed) })
}

fn kubelet(text: &[u8]) -> Option<Word> {
    let pattern = if has(text, "viction manager") || has(text, "vict pod(s)") || has(text, "ranked for eviction") {
        // Housekeeping that repeats every ten seconds says nothing.
        let acts = [
            "must evict",
            "attempting to reclaim",
            "Attempting to reclaim",
            "ranked for eviction",
            "evicted",
            "unable to evict",
            "failed to",
        ];
        acts.iter().any(|a| has(text, a)).then_some(LogPattern::Eviction)?
    } else if has(text, "ContainerDied") {
        LogPattern::ContainerDied
    } else if has(text, "SyncLoop ADD") || has(text, "SyncLoop (ADD") {
        return listed(text);
    } else if has(text, "PLEG is not healthy") {
        LogPattern::PlegUnhealthy
    } else if has(text, "System OOM encountered") || has(text, "SystemOOM") {
        LogPattern::Note
    } else if has(text, "Probe failed")
        || has(text, "failed liveness probe")
        || has(text, "failed startup probe")
        || has(text, "iveness probe failed")
    {
        LogPattern::ProbeFailed
    } else if has(text, "kubelet: Killing container") || has(text, "\"Evicted\"") {
        LogPattern::Eviction
    } else {
        return None;
    };
    let mut w = word(pattern);
    names(text, &mut w.who);
    if pattern == LogPattern::PlegUnhealthy
        && let Some(i) = find(text, b"last seen active ")
    {
        let d = text.get(i + 17..).and_then(|r| r.split(|&b| b == b' ').next()).and_then(go_duration);
        w.numbers.extend(d.map(|s| ("inactive_seconds", s)));
    }
    if pattern == LogPattern::Note {
        w.who.pid = after(text, b"pid: ").or_else(|| after(text, b"pid=")).and_then(digits).and_then(|d| u32::try_from(d.0).ok());
        w.who.comm = after(text, b"victim process: ").and_then(|r| r.split(|&b| b == b',').next()).map(str_of);
    }
    for (key, mark) in [
        ("available_bytes", &b"available: "[..]),
        ("capacity_bytes", b"capacity: "),
        ("threshold_bytes", b"threshold: "),
        ("threshold_bytes", b"Threshold quantity: "),
    ] {
        let v = after(text, mark).map(|r| r.split(|b| !(b.is_ascii_alphanumeric() || *b == b'.')).next().unwrap_or(&[]));
        if let Some(b) = v.and_then(|v| std::str::from_utf8(v).ok()).and_then(parse_bytes) {
            w.numbers.push((key, b as f64));
        }
    }
    Some(w)
}

/// Pod, container and ids of structured (`pod="ns/name"`) and free (`name_ns(uid)`) kubelet lines.
fn names(text: &[u8], who: &mut Claim) {
    if let Some(pod) = quoted(text, b"pod=\"").or_else(|| quoted(text, b"pods=[\"")).or_else(|| quoted(text, b"pod=["))
        && let Some(slash) = pod.iter().position(|&b| b == b'/')
    {
        who.namespace = pod.get(..slash).map(str_of);
        who.pod = pod.get(slash + 1..).map(str_of);
    }
    who.pod_uid = quoted(text, b"podUID=\"")
        .or_else(|| quoted(text, b"\"ID\":\""))
        .or_else(|| quoted(text, b"ID:\""))
        .or_else(|| bare(text, b"podUID="))
        .map(str_of);
    who.container = quoted(text, b"containerName=\"").or_else(|| quoted(text, b"container=\"")).map(str_of);
    who.container_id = quoted(text, b"\"Data\":\"").or_else(|| quoted(text, b"Data:\"")).filter(|d| d.len() == 64).map(str_of);
    if who.container_id.is_none()
        && let Some(id) = quoted(text, b"containerID=\"")
    {
        let id = id.rsplit(|&b| b == b'/').next().unwrap_or(id);
        who.container_id = (id.len() == 64).then(|| str_of(id));
    }
    // `cart-0_shop(11aa22bb-…)`
    if who.pod.is_none()
        && let Some(open) = find(text, b"(").filter(|&i| text.get(i + 9) == Some(&b'-'))
    {
        let before = text.get(..open).unwrap_or(&[]);
        let start = before.iter().rposition(|b| matches!(b, b' ' | b'"' | b'\'')).map_or(0, |i| i + 1);
        let word = before.get(start..).unwrap_or(&[]);
        if let Some(us) = word.iter().rposition(|&b| b == b'_') {
            who.pod = word.get(..us).map(str_of);
            who.namespace = word.get(us + 1..).map(str_of);
            let uid = text.get(open + 1..).and_then(|r| r.split(|&b| b == b')').next()).unwrap_or(&[]);
            who.pod_uid = (uid.len() >= 32 && uid.len() <= 36).then(|| str_of(uid)).or(who.pod_uid.take());
        }
    }
}

fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    text.get(find(text, mark)? + mark.len()..)
}

/// What stands between `mark` and the next quote.
fn quoted<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let rest = after(text, mark)?;
    let end = rest.iter().position(|b| matches!(b, b'"' | b'\\'))?;
    (end > 0 && end < 512).then(|| rest.get(..end)).flatten()
}

fn bare<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let rest = after(text, mark)?;
    let end = rest.iter().position(|b| !(b.is_ascii_hexdigit() || *b == b'-')).unwrap_or(rest.len());
    (end >= 32).then(|| rest.get(..end)).flatten()
}

/// The first run of exactly 64 hex digits.
fn hex64(text: &[u8]) -> Option<&[u8]> {
    let mut start = 0;
    for (i, b) in text.iter().enumerate() {
        if !b.is_ascii_hexdigit() {
            if i - start == 64 {
                return text.get(start..i);
            }
            start = i + 1;
        }
    }
    (text.len() - start == 64).then(|| text.get(start..)).flatten()
}

/// `3m5.3s` in seconds.
fn go_duration(s: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(s).ok()?.trim_end_matches([';', ',']);
    let (mut total, mut number) = (0.0, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() || c == '.' {
            number.push(c);
        } else {
            let v: f64 = number.parse().ok()?;
            number.clear();
            total += v * match c {
                'h' => 3600.0,
                'm' => 60.0,
                's' => 1.0,
                _ => return None,
            };
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelet_lines_of_both_ages() {
        let new = recognise(
            Some(b"kubelet"),
            br#"I1121 00:50:01.123456    1234 kubelet.go:2453] "SyncLoop (PLEG): event for pod" pod="shop/cart-0" event={"ID":"11aa22bb-33cc-44dd-55ee-66ff77001122","Type":"ContainerDied","Data":"e8f42524209d94dbffae1b5a7a89f788fdd682d00809030311a3c316dd4eb766"}"#,
        );
        let who = new.map(|w| w.who).unwrap_or_default();
        assert_eq!((who.namespace.as_deref(), who.pod.as_deref()), (Some("shop"), Some("cart-0")));
        assert_eq!(who.pod_uid.as_deref(), Some("11aa22bb-33cc-44dd-55ee-66ff77001122"));
        assert_eq!(who.container_id.as_deref().map(str::len), Some(64));
        let old =
            recognise(Some(b"kubelet"), b"eviction manager: pods ranked for eviction: cart-0_shop(11aa22bb-33cc-44dd-55ee-66ff77001122)");
        let old = old.map(|w| (w.pattern, w.who.pod, w.who.namespace));
        assert_eq!(old, Some((LogPattern::Eviction, Some("cart-0".into()), Some("shop".into()))));
        let pleg = recognise(
            Some(b"kubelet"),
            b"skipping pod synchronization - PLEG is not healthy: pleg was last seen active 3m5.3s ago; threshold is 3m0s",
        );
        assert_eq!(pleg.map(|w| w.numbers), Some(vec![("inactive_seconds", 185.3)]));
    }

    #[test]
    fn units_runtimes_and_losses() {
        let unit = recognise(Some(b"systemd"), b"kubelet.service: A process of this unit has been killed by the OOM killer.");
        assert_eq!(unit.map(|w| (w.pattern, w.who.workload_hint)), Some((LogPattern::UnitOomKilled, Some("kubelet.service".into()))));
        let id = "e8f42524209d94dbffae1b5a7a89f788fdd682d00809030311a3c316dd4eb766";
        let task =
            recognise(Some(b"containerd"), format!("time=\"2026\" level=info msg=\"TaskOOM event container_id:\\\"{id}\\\"\"").as_bytes());
        assert_eq!(task.and_then(|w| w.who.container_id).as_deref(), Some(id));
        let n = |s: Option<&[u8]>, t: &[u8]| recognise(s, t).map(|w| w.numbers.first().map_or(0.0, |n| n.1));
        assert_eq!(n(None, b"oom_kill_process: 7 callbacks suppressed"), Some(7.0));
        assert_eq!(n(None, b"net_ratelimit: 7 callbacks suppressed"), None);
        assert_eq!(n(Some(b"systemd-journald"), b"Missed 12 kernel messages"), Some(12.0));
        assert_eq!(n(Some(b"rsyslogd-2177"), b"imuxsock lost 33 messages from pid 3287 due to rate-limiting"), Some(33.0));
    }
}
