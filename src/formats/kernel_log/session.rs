//! One log being read: lines or records become messages, messages feed the report assembler of their host and the
//! word reader, and what comes out becomes facts. Keeps count of boots and collects clock anchors.

use super::carrier::{self, Escape, Parsed, Source};
use super::grammar;
use super::hosts::{HOSTS_MAX, HostId, Hosts};
use super::late;
use super::record::{self, Fields};
use super::report::{Message, Outcome};
use super::scan::{self, Want};
use super::stamp::{self, Stamp};
use super::storm::Storm;
use super::words;
use crate::formats::lines::Line;
use crate::model::log::{LogPattern, LogWord};
use crate::model::node::BootAnchor;
use crate::model::source::beginning;
use crate::model::time::SECOND;
use crate::model::{ArtifactId, Cite, Claim, Facts, Observation, RawTime};
use memchr::memmem;
use std::collections::BTreeMap;

/// A text message that may still get continuation lines.
#[derive(Debug, Default)]
struct Pending {
    raw: Vec<u8>,
    offset: u64,
    line: u32,
    stamp: Stamp,
    host: Option<Vec<u8>>,
    source: Kept,
    text: Vec<u8>,
    active: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Kept {
    Kernel,
    Service(Vec<u8>),
    #[default]
    Unknown,
}

/// Log words of one pattern that are kept; a kubelet log of gigabytes costs no more.
const WORDS_MAX: u32 = 2_000;
/// Clock anchors kept per boot and kind.
const ANCHORS_MAX: u32 = 64;
/// Lines read in full before skipping begins: the file may start inside a report.
const OPENING: u32 = 400;
/// Times at which a journal says that it began; one per boot.
const BEGAN_MAX: usize = 64;

pub struct Session<'a> {
    pub facts: &'a mut Facts,
    artifact: ArtifactId,
    /// Identity from the artifact's surroundings, for messages that name no host.
    who: Claim,
    pending: Pending,
    /// Carriers with a prefix were seen: a line without one continues the message before.
    stamped: bool,
    hosts: Hosts,
    outcomes: Vec<Outcome>,
    storm: Storm,
    anchors: BTreeMap<u32, u32>,
    words: BTreeMap<LogPattern, u32>,
    opening: u32,
    /// Stamp of each boot's first kernel line, where stamps say when a line was received.
    first_receipt: BTreeMap<u32, (RawTime, bool)>,
    /// Where journald wrote that it began: stamp and offset.
    journal_began: Vec<(RawTime, u64)>,
    zone_told: bool,
}

impl<'a> Session<'a> {
    pub fn new(facts: &'a mut Facts, who: Claim) -> Self {
        let artifact = facts.artifact;
        Session {
            facts,
            artifact,
            who,
            pending: Pending::default(),
            stamped: false,
            hosts: Hosts::default(),
            outcomes: Vec::new(),
            storm: Storm::default(),
            anchors: BTreeMap::new(),
            words: BTreeMap::new(),
            opening: OPENING,
            first_receipt: BTreeMap::new(),
            journal_began: Vec::new(),
            zone_told: false,
        }
    }

    /// A report is being gathered, or the file's beginning is not yet behind.
    pub fn is_active(&self) -> bool {
        self.opening > 0 || self.hosts.is_open()
    }

    /// Takes one line of a line-based carrier.
    pub fn line(&mut self, line: Line<'_>) -> Want {
        if let Some(bare) = uncoloured(line.text) {
            return self.plain_line(Line { text: &bare, ..line });
        }
        self.plain_line(line)
    }

    fn plain_line(&mut self, line: Line<'_>) -> Want {
        self.opening = self.opening.saturating_sub(1);
        if !line.ended {
            self.flush();
            self.cut_line(&line);
            return Want::Hits;
        }
        if line.text.starts_with(b"-- ") && self.boundary(line.text) {
            return self.want();
        }
        let json = json_start(line.text);
        if let Some(at) = json {
            self.flush();
            if let Some(f) = record::json(line.text.get(at..).unwrap_or(&[])) {
                self.record(f, line.offset, line.number);
            } else if line.text.len() > 2 {
                self.facts.warn("bad-line", Some(line.number), Some(line.offset), || "a JSON line does not parse; skipped".into());
            }
            return self.want();
        }
        match carrier::parse(line.text) {
            Some(p) => {
                self.flush();
                self.stamped = true;
                self.begin(&line, p);
            }
            None => self.unstamped(&line),
        }
        self.want()
    }

    fn want(&self) -> Want {
        // A message is complete only when the next line begins another one; until then a hit may open a report.
        let hit =
            || self.pending.active && scan::needles().is_none_or(|re| re.is_match(&self.pending.raw) || re.is_match(&self.pending.text));
        if self.is_active() || hit() { Want::All } else { Want::Hits }
    }

    /// The last line has no end: the file was cut here, and half a line is no evidence.
    fn cut_line(&mut self, line: &Line<'_>) {
        if let Some(at) = json_start(line.text)
            && let Some(f) = record::json(line.text.get(at..).unwrap_or(&[]))
        {
            // A JSON object that closes is whole even without a line end.
            self.record(f, line.offset, line.number);
            return;
        }
        if line.text.trim_ascii().is_empty() {
            return;
        }
        // Of a kill's own line everything before the last figure is beyond doubt.
        let upto = memchr::memrchr2(b' ', b',', line.text).unwrap_or(0);
        let whole = line.text.get(..upto).unwrap_or(&[]);
        let at = carrier::parse(whole).map_or(0, |p| p.text);
        if grammar::killed(whole.get(at..).unwrap_or(&[])).is_some_and(|k| k.complete) {
            let kept = Line { text: whole, ..*line };
            match carrier::parse(whole) {
                Some(p) => self.begin(&kept, p),
                None => self.unstamped(&kept),
            }
            self.flush();
        }
        self.facts.warn("truncated", Some(line.number), Some(line.offset), || {
            "the last line has no end; of it only the complete figures of a kill are used".into()
        });
    }

    fn begin(&mut self, line: &Line<'_>, p: Parsed<'_>) {
        let text = line.text.get(p.text..).unwrap_or(&[]);
        let escaped = match p.escape {
            Escape::None => false,
            Escape::Hex => memmem::find(text, b"\\x").is_some(),
            Escape::Octal => memmem::find(text, b"#0").is_some(),
        };
        if p.receipt && p.source == Source::Kernel && p.stamp.uptime_ns.is_none() {
            let host = self.hosts.enter(p.host, &mut self.outcomes);
            let boot = self.hosts.boot(host);
            let excerpt = memmem::find(text, b" invoked oom-killer").is_some()
                || [&b"oom-kill:"[..], b"Memory cgroup ", b"Out of memory", b"memory: usage "].iter().any(|w| text.starts_with(w));
            self.first_receipt.entry(boot).or_insert_with(|| (p.stamp.wall.clone(), excerpt));
        }
        if let RawTime::SomeZone { offsets, .. } = p.stamp.wall
            && !self.zone_told
        {
            self.zone_told = true;
            let hours: Vec<String> = offsets.iter().map(|o| format!("{:+}", f64::from(*o) / 3600.0)).collect();
            self.facts.note("ambiguous-zone", Some(line.number), Some(line.offset), || {
                format!(
                    "the zone's abbreviation has several meanings (UTC {}); its times span them all unless --tz or another artifact tells which",
                    hours.join(", ")
                )
            });
        }
        let pending = &mut self.pending;
        pending.raw.clear();
        pending.raw.extend_from_slice(line.text);
        pending.text.clear();
        if escaped {
            carrier::unescape(text, p.escape, &mut pending.text);
        } else {
            pending.text.extend_from_slice(text);
        }
        pending.offset = line.offset;
        pending.line = line.number;
        pending.stamp = p.stamp;
        set(&mut pending.host, p.host);
        pending.source = match p.source {
            Source::Kernel => Kept::Kernel,
            Source::Unknown => Kept::Unknown,
            Source::Service(s) => Kept::Service(s.to_vec()),
        };
        pending.active = true;
    }

    /// A line without a prefix: the rest of the message before, or a message of a carrier without any.
    fn unstamped(&mut self, line: &Line<'_>) {
        let blank = line.text.first().is_none_or(u8::is_ascii_whitespace);
        // A service's own log (klog, logfmt) has its stamp in the text.
        let joins = self.pending.active && if self.stamped { blank } else { grammar::unfinished(&self.pending.text) };
        if joins {
            if self.pending.text.len() < 1 << 20 {
                self.pending.text.push(b'\n');
                self.pending.text.extend_from_slice(line.text.trim_ascii_start());
            }
            return;
        }
        self.flush();
        if line.text.is_empty() {
            return;
        }
        let pending = &mut self.pending;
        pending.raw.clear();
        pending.raw.extend_from_slice(line.text);
        pending.text.clear();
        pending.text.extend_from_slice(line.text);
        pending.offset = line.offset;
        pending.line = line.number;
        pending.stamp = stamp::klog(line.text).map(|k| k.0).unwrap_or_default();
        if pending.stamp.wall == RawTime::Absent
            && let Some(wall) = stamp::logfmt(line.text)
        {
            pending.stamp.wall = wall;
        }
        pending.host = None;
        pending.source = Kept::Unknown;
        pending.active = true;
    }

    /// Hands on the pending message.
    fn flush(&mut self) {
        if !self.pending.active {
            return;
        }
        self.pending.active = false;
        let p = std::mem::take(&mut self.pending);
        let source = match &p.source {
            Kept::Kernel => Source::Kernel,
            Kept::Unknown => Source::Unknown,
            Kept::Service(s) => Source::Service(s),
        };
        let host = self.hosts.enter(p.host.as_deref(), &mut self.outcomes);
        self.hosts.boot_by_uptime(host, &p.stamp, source, &mut self.outcomes);
        let m = Message {
            stamp: p.stamp.clone(),
            host: p.host.as_deref(),
            source,
            boot: self.hosts.boot(host),
            text: &p.text,
            raw: &p.raw,
            offset: p.offset,
            line: p.line,
        };
        self.message(host, &m);
        self.pending = p;
    }

    /// One more record was passed, read or not.
    pub fn tick(&mut self) {
        self.opening = self.opening.saturating_sub(1);
    }

    /// Takes one record.
    pub fn record(&mut self, f: Fields, offset: u64, line: u32) {
        let stamp = f.stamp();
        let (mut source, mut text, mut own) = (f.source(), &f.message[..], stamp);
        let mut host = f.host.as_deref().map(str::as_bytes);
        // A collector's envelope may hold a whole syslog or kernel line.
        if source == Source::Unknown
            && let Some(p) = carrier::parse(&f.message)
        {
            text = f.message.get(p.text..).unwrap_or(&[]);
            source = p.source;
            host = p.host.or(host);
            own.uptime_ns = p.stamp.uptime_ns.or(own.uptime_ns);
            if own.wall == RawTime::Absent {
                own.wall = p.stamp.wall;
            }
        }
        let of = self.hosts.enter(host, &mut self.outcomes);
        match &f.boot_id {
            Some(id) => self.hosts.boot_by_id(of, id, &mut self.outcomes),
            None => self.hosts.boot_by_uptime(of, &own, source, &mut self.outcomes),
        }
        let m = Message { stamp: own, host, source, boot: self.hosts.boot(of), text, raw: text, offset, line };
        self.message(of, &m);
    }

    fn message(&mut self, host: HostId, m: &Message<'_>) {
        let mut used = false;
        if !matches!(m.source, Source::Service(_)) {
            if !Hosts::is_known(host) {
                self.facts.warn("hosts-folded", Some(m.line), Some(m.offset), || {
                    format!("kernel lines of more than {HOSTS_MAX} hosts; reports of further ones are not put together")
                });
            }
            used = self.hosts.feed(host, m, self.artifact, &mut self.outcomes);
            self.drain();
        }
        if !used {
            self.anchor(m);
            self.word(m);
        }
    }

    fn drain(&mut self) {
        for mut o in std::mem::take(&mut self.outcomes) {
            match &mut o {
                Outcome::Kill(k) => {
                    self.place(&mut k.who);
                    if let Some(id) = k.what.boot.as_deref().and_then(|b| b.parse().ok()).and_then(|b| self.hosts.boot_id(b)) {
                        k.what.boot = Some(id.clone());
                    }
                }
                Outcome::None(n) => self.place(&mut n.who),
            }
            self.storm.take(o, self.facts);
        }
    }

    /// Fills in what the artifact's surroundings say where the message named no host.
    fn place(&self, who: &mut Claim) {
        if who.node.is_none() && self.who.node.is_some() {
            who.node.clone_from(&self.who.node);
            who.inferred |= self.who.inferred;
        }
    }

    fn word(&mut self, m: &Message<'_>) {
        if m.text.starts_with(b"Journal started")
            && m.source == Source::Service(b"systemd-journald")
            && self.journal_began.len() < BEGAN_MAX
        {
            self.journal_began.push((m.stamp.wall.clone(), m.offset));
        }
        let found = match m.source {
            Source::Kernel => words::recognise(None, m.text),
            Source::Service(s) => words::recognise(Some(s), m.text),
            Source::Unknown => words::anonymous(m.text),
        };
        let Some(mut w) = found else { return };
        let n = self.words.entry(w.pattern).or_insert(0);
        *n += 1;
        if *n > WORDS_MAX {
            self.facts.note("log-words-folded", Some(m.line), Some(m.offset), || {
                format!("more than {WORDS_MAX} lines of one kind; further ones are counted here only")
            });
            return;
        }
        w.who.node = m.host.map(|h| String::from_utf8_lossy(h).into_owned().into());
        self.place(&mut w.who);
        let text = beginning(m.text, 600);
        let cite = Cite::new(self.artifact, m.offset, Some(m.line), m.raw);
        self.facts.logs.push(Observation { at: m.at(), who: w.who, cite, what: LogWord { pattern: w.pattern, text, numbers: w.numbers } });
    }

    /// Notes moments that are known on two clocks: `audit(EPOCH…)`, the RTC line at boot, a service's own UTC stamp.
    fn anchor(&mut self, m: &Message<'_>) {
        let own = match m.at() {
            RawTime::Utc { .. } | RawTime::Absent => match m.stamp.uptime_ns {
                Some(ns) if m.source == Source::Kernel => RawTime::SinceBoot { boot: m.boot, ns, precision: 1000 },
                _ => return,
            },
            at => at,
        };
        let (wall, late_ns) = if let Some(at) = stamp::audit(m.text) {
            (RawTime::Utc { at, precision: 1_000_000 }, SECOND)
        } else if let Some(at) = memmem::find(m.text, b"setting system clock to ").and_then(|i| stamp::iso(m.text.get(i + 24..)?)) {
            let (RawTime::NoZone { civil, precision } | RawTime::Utc { at: civil, precision }) = at.0.wall else { return };
            (RawTime::Utc { at: civil, precision }, SECOND)
        } else if let (Source::Service(_), Some(RawTime::Utc { at, .. })) = (m.source, stamp::logfmt(m.text)) {
            (RawTime::Utc { at, precision: 1000 }, 2 * SECOND)
        } else {
            return;
        };
        let n = self.anchors.entry(m.boot).or_insert(0);
        if *n >= ANCHORS_MAX {
            return;
        }
        *n += 1;
        let mut who = Claim { node: m.host.map(|h| String::from_utf8_lossy(h).into_owned().into()), ..Claim::default() };
        self.place(&mut who);
        let boot_id = self.hosts.boot_id(m.boot).cloned();
        let cite = Cite::new(self.artifact, m.offset, Some(m.line), m.raw);
        self.facts.boots.push(Observation { at: own, who, cite, what: BootAnchor { boot_id, wall, late_ns, of_host: false } });
    }

    /// `-- Boot <id> --`, `-- Reboot --` and journalctl's other remarks.
    fn boundary(&mut self, text: &[u8]) -> bool {
        if let Some(rest) = text.strip_prefix(b"-- Boot ") {
            self.flush();
            let id = rest.split(|&b| b == b' ').next().map(|i| String::from_utf8_lossy(i).into_owned());
            self.hosts.boundary(id, !self.stamped);
            return true;
        }
        if text.starts_with(b"-- Reboot --") {
            self.flush();
            self.hosts.boundary(None, false);
            return true;
        }
        [&b"-- Logs begin at"[..], b"-- Journal begins at", b"-- No entries --", b"-- Logs end"].iter().any(|p| text.starts_with(p))
    }

    /// Ends the log.
    pub fn finish(mut self) {
        self.flush();
        self.hosts.close(&mut self.outcomes);
        self.drain();
        std::mem::take(&mut self.storm).finish(self.facts);
        late::mark(self.facts, &self.first_receipt, &self.journal_began);
        self.facts.kills.sort_by_key(|k| k.cite.span.offset);
        self.facts.logs.sort_by_key(|l| l.cite.span.offset);
    }
}

/// The line without the colours that a terminal's copy has (`ESC [ 1 ; 31 m`); `None` when it has none.
pub fn uncoloured(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(0x1b, text)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(i) = memchr::memchr(0x1b, rest) {
        out.extend_from_slice(rest.get(..i).unwrap_or(&[]));
        rest = rest.get(i..).unwrap_or(&[]);
        let colour = rest.strip_prefix(b"\x1b[").and_then(|r| {
            let n = r.iter().take(24).position(|b| !b.is_ascii_digit() && *b != b';')?;
            matches!(r.get(n), Some(b'm' | b'K')).then_some(2 + n + 1)
        });
        let skip = colour.unwrap_or(1);
        if colour.is_none() {
            out.push(0x1b);
        }
        rest = rest.get(skip..).unwrap_or(&[]);
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn set(slot: &mut Option<Vec<u8>>, value: Option<&[u8]>) {
    match (slot.as_mut(), value) {
        (Some(old), Some(new)) if old == new => {}
        (_, new) => *slot = new.map(<[u8]>::to_vec),
    }
}

/// Where a JSON object begins: at once, behind `data: ` (json-sse) or a record separator (json-seq).
fn json_start(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'{' => Some(0),
        0x1e if text.get(1) == Some(&b'{') => Some(1),
        b'd' if text.starts_with(b"data: {") => Some(6),
        _ => None,
    }
}
