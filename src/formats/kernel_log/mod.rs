//! Kernel and node logs: every out-of-memory report the kernel ever printed, in whatever carried it, and the words of
//! kubelet, container runtime and systemd around it.
//!
//! `scan` (lines, fast skipping) or `record` (multi-line records) → `carrier` (who, when, text) → `session`
//! (messages, boots, anchors) → `report` (assembles reports by the shapes of `grammar`) → `storm` (folds) → facts.
//! Sources: mm/oom_kill.c, mm/memcontrol.c, journalctl(1), dmesg(1), Documentation/ABI/testing/dev-kmsg.
//!
//! Refuses to take an application's sentence for a kernel report where the carrier tells who spoke, to complete a
//! date, and to turn a report without a victim into a kill.

mod carrier;
mod grammar;
mod hosts;
mod late;
mod record;
mod report;
mod scan;
mod session;
mod stamp;
mod storm;
mod words;

use super::{Format, Head, Input, Match};
use crate::model::{Claim, Facts};
use carrier::Source;
use memchr::memmem;
use record::Form;
use session::Session;

/// Logs in which the kernel speaks.
pub struct KernelLog;

/// Logs of node services without the kernel: kubelet, containerd, systemd units.
pub struct ServiceLog;

impl Format for KernelLog {
    fn name(&self) -> &'static str {
        "kernel-log"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        survey(head).kernel_match(head)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse(input, out);
    }
}

impl Format for ServiceLog {
    fn name(&self) -> &'static str {
        "kubelet-log"
    }

    fn sniff(&self, head: &Head<'_>) -> Match {
        survey(head).service_match()
    }

    fn parse(&self, input: &Input<'_>, out: &mut Facts) {
        parse(input, out);
    }
}

/// What the first lines look like.
#[derive(Debug, Default)]
struct Survey {
    lines: u32,
    /// Lines with a prefix that only the kernel's carriers have.
    kernel: u32,
    /// Lines of a journal or syslog with an identifier and pid.
    service: u32,
    /// Lines in klog form, or of containerd.
    klog: u32,
    /// Unmistakable beginnings of a report without a carrier.
    report: u32,
    /// The same behind a prefix of the kernel's own.
    kernel_report: u32,
    form: Option<Form>,
}

fn survey(head: &Head<'_>) -> Survey {
    let mut s = Survey { form: form(head.bytes), ..Survey::default() };
    if let Some(form) = s.form {
        // A record form is either the journal's or dmesg's; both are known by their first record.
        let kernel = memmem::find(head.bytes, b"_TRANSPORT=kernel").is_some()
            || memmem::find(head.bytes, b"\"kernel\"").is_some()
            || memmem::find(head.bytes, b"SYSLOG_IDENTIFIER=kernel").is_some()
            || form == Form::Pretty && memmem::find(head.bytes, b"\"dmesg\"").is_some();
        s.lines = 1;
        *(if kernel { &mut s.kernel } else { &mut s.service }) += 1;
        return s;
    }
    for line in head.lines().take(400) {
        let bare = session::uncoloured(line);
        let line = bare.as_deref().unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b" ") || line.starts_with(b"\t") || line.starts_with(b"-- ") {
            continue;
        }
        s.lines += 1;
        if matches!(line.first(), Some(b'{' | 0x1e)) || line.starts_with(b"data: {") {
            let kernel = [
                &b"\"_TRANSPORT\":\"kernel\""[..],
                b"\"_TRANSPORT\": \"kernel\"",
                b"\"SYSLOG_IDENTIFIER\":\"kernel\"",
                b"\"SYSLOG_IDENTIFIER\": \"kernel\"",
                b"invoked oom-killer: gfp_mask=",
            ]
            .iter()
            .any(|m| memmem::find(line, m).is_some())
                || stamp::find_uptime(line, 400).is_some();
            if kernel {
                s.kernel += 1;
            } else if record::is_journal(line) {
                s.service += 1;
            }
            continue;
        }
        if stamp::klog(line).is_some() || line.starts_with(b"time=\"20") && memmem::find(line, b"\" level=").is_some() {
            s.klog += 1;
            continue;
        }
        match carrier::parse(line) {
            Some(p) => match p.source {
                Source::Kernel => {
                    s.kernel += 1;
                    let text = line.get(p.text..).unwrap_or(&[]);
                    s.kernel_report += u32::from(grammar::trigger(text).is_some() || grammar::killed(text).is_some_and(|k| k.complete));
                }
                // `name[pid]:` is syslog's; a bare `name:` may be any program's own form.
                Source::Service(_) if line.get(p.text.saturating_sub(3)..p.text) == Some(&b"]: "[..]) => s.service += 1,
                // Syslog's own stamp, without a year, settles it.
                Source::Service(_) if matches!(p.stamp.wall, crate::model::RawTime::NoYear { .. }) => s.service += 1,
                Source::Service(_) => {}
                Source::Unknown => {
                    let text = line.get(p.text..).unwrap_or(&[]);
                    if grammar::trigger(text).is_some() || grammar::killed(text).is_some() {
                        s.report += 1;
                    }
                }
            },
            None => {
                let shape = grammar::trigger(line).is_some()
                    || grammar::table_header(line).is_some()
                    || grammar::stats_header(line).is_some()
                    || grammar::oom_kill(line).is_some()
                    || grammar::killed(line).is_some_and(|k| k.complete);
                s.report += u32::from(shape);
            }
        }
    }
    s
}

impl Survey {
    fn kernel_match(&self, head: &Head<'_>) -> Match {
        let prefixed = self.kernel + self.service;
        if self.kernel > 0 && prefixed * 2 >= self.lines {
            return Match::Certain;
        }
        // A console or a mixed capture: few lines are the kernel's, but those tell of a kill.
        if self.kernel_report > 0 && self.kernel >= 3 {
            return Match::Likely;
        }
        // One shape may be quoted in any text; a report has several.
        if self.report >= 2 || (self.report == 1 && self.lines < 200 && memmem::find(head.bytes, b"Call Trace:").is_some()) {
            return Match::Likely;
        }
        if self.service > 0 && prefixed * 2 >= self.lines {
            let name = head.file_name().to_ascii_lowercase();
            let named = ["kern", "dmesg", "journal", "messages", "syslog"].iter().any(|w| name.contains(w));
            return if named { Match::Likely } else { Match::Weak };
        }
        Match::No
    }

    fn service_match(&self) -> Match {
        let mine = self.service + self.klog;
        if self.kernel > 0 || mine == 0 || mine * 2 < self.lines {
            return Match::No;
        }
        Match::Likely
    }
}

/// The multi-line record form of a file, from its first lines.
fn form(bytes: &[u8]) -> Option<Form> {
    let mut lines = bytes.split(|&b| b == b'\n').map(|l| l.trim_ascii_end()).filter(|l| !l.is_empty()).take(24);
    let mut opened = false;
    lines.find_map(|l| {
        if opened {
            // An object over several lines has its keys one per line.
            let t = l.trim_ascii_start();
            let key = [
                &b"\"dmesg\""[..],
                b"\"MESSAGE\"",
                b"\"__CURSOR\"",
                b"\"_",
                b"\"PRIORITY\"",
                b"\"SYSLOG",
                b"\"CODE_",
                b"\"JOB_",
                b"\"UNIT\"",
                b"\"insertId\"",
                b"\"jsonPayload\"",
            ];
            if key.iter().any(|k| t.starts_with(k)) {
                return Some(Form::Pretty);
            }
        }
        opened = l.trim_ascii() == b"{";
        if l.starts_with(b"__CURSOR=") {
            return Some(Form::Export);
        }
        record::verbose_head(l).map(|_| Form::Verbose)
    })
}

fn parse(input: &Input<'_>, out: &mut Facts) {
    let mut head = vec![0u8; 8 << 10];
    let read = input.reader().and_then(|r| {
        let mut r = r;
        let mut n = 0;
        while let Some(rest) = head.get_mut(n..).filter(|b| !b.is_empty()) {
            match std::io::Read::read(&mut r, rest)? {
                0 => break,
                k => n += k,
            }
        }
        head.truncate(n);
        Ok(std::io::Read::chain(std::io::Cursor::new(head.clone()), r))
    });
    let reader = match read {
        Ok(r) => r,
        Err(e) => {
            out.error("unreadable", None, || format!("cannot be read: {e}"));
            return;
        }
    };
    let mut who = input.who.clone();
    if who.node.is_none()
        && let Some(node) = node_of_path(input.inner_path())
    {
        who.node = Some(node.into());
        who.inferred = true;
    }
    let failed = match form(&head) {
        Some(form) => records(reader, form, out, who),
        None => lines(reader, out, who),
    };
    if let Err(e) = failed {
        out.error("read-error", None, || format!("reading broke off: {e}; what came before is kept"));
    }
}

fn lines(reader: impl std::io::Read, out: &mut Facts, who: Claim) -> std::io::Result<()> {
    let session = std::cell::RefCell::new(Session::new(out, who));
    let audit = memmem::Finder::new(b"audit(1");
    let done = scan::lines(reader, |l| session.borrow_mut().line(l), |block| audit.find(block));
    session.into_inner().finish();
    done
}

fn records(reader: impl std::io::Read, form: Form, out: &mut Facts, who: Claim) -> std::io::Result<()> {
    let mut session = Session::new(out, who);
    let mut collector = record::Reader::new(form);
    let mut ended = true;
    let take = |session: &mut Session<'_>, bytes: &[u8], offset: u64, line: u32| {
        let interesting = session.is_active() || scan::needles().is_none_or(|re| re.is_match(bytes));
        if interesting && let Some(f) = record::read(form, bytes) {
            session.record(f, offset, line);
        }
        session.tick();
    };
    let done = super::lines::for_each_line(reader, |l| {
        ended = l.ended;
        if l.ended {
            collector.line(l.text, l.offset, l.number, |b, o, n| take(&mut session, b, o, n));
        }
    });
    // `json-pretty` closes its last object with a brace that may lack a line end.
    let whole = collector.end(ended, |b, o, n| take(&mut session, b, o, n));
    if !whole {
        session.facts.warn("truncated", None, None, || "the last record is cut and is not used".into());
    }
    session.finish();
    done
}

/// Node name in a path: the file's own name before `.kern.log`, `.dmesg.txt`, …, or the folder of a plainly named file.
fn node_of_path(path: &str) -> Option<String> {
    let mut parts = path.rsplit('/');
    let file = parts.next()?;
    let lower = file.to_ascii_lowercase();
    const KINDS: [&str; 11] =
        ["kern", "dmesg", "journal", "kubelet", "containerd", "crio", "syslog", "messages", "kmsg", "console", "kernel"];
    let cut = KINDS.iter().flat_map(|k| ['.', '_', '-'].map(|sep| (sep, k))).filter_map(|(sep, k)| lower.find(&format!("{sep}{k}"))).min();
    let name = match cut {
        Some(n) if n > 0 => file.get(..n)?.to_owned(),
        _ => {
            let plain = KINDS.iter().any(|k| lower.starts_with(k));
            let folder = parts.next().filter(|_| plain)?;
            let general = [
                "nodes",
                "node",
                "log",
                "logs",
                "var",
                "host",
                "hosts",
                "run-host",
                "journal",
                "systemlogs",
                "kernel",
                "bundle",
                ".",
                "..",
            ];
            if general.contains(&folder.to_ascii_lowercase().as_str()) {
                return None;
            }
            folder.to_owned()
        }
    };
    // `node-<name>` is how collectors mark a node's file; a node is seldom called so by itself.
    let stripped = name.strip_prefix("node-").filter(|r| r.contains('.') || r.matches('-').count() >= 2).unwrap_or(&name).to_owned();
    let ok = !stripped.is_empty()
        && stripped.len() < 254
        && stripped.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    ok.then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_in_paths() {
        let n = |p: &str| node_of_path(p);
        assert_eq!(n("x/node-gke-eu1-spot-df23d766-5qcx.journal-k.log").as_deref(), Some("gke-eu1-spot-df23d766-5qcx"));
        assert_eq!(n("nodes/bm-k8s-28/kern.log").as_deref(), Some("bm-k8s-28"));
        assert_eq!(n("workers/lnd-node-31_kubelet_service.log").as_deref(), Some("lnd-node-31"));
        assert_eq!(n("var/log/kern.log"), None);
        assert_eq!(
            n("run-host/ip-10-1-2-3.eu-west-1.compute.internal/kern.txt.gz").as_deref(),
            Some("ip-10-1-2-3.eu-west-1.compute.internal")
        );
    }
}
