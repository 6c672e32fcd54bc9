//! The machines of one log: each has a report being gathered, a kernel's clock and a boot of its own, so that in a central
//! syslog the lines of one cut neither the reports nor the boots of another.
//!
//! Boots are counted over the whole file. A clock that goes back by more than printk's disorder is a new boot of its host; a
//! boundary that the journal prints, or a boot id that a record bears, is believed before the clock.

use super::carrier::Source;
use super::report::{Assembler, Message, Outcome};
use super::stamp::Stamp;
use crate::model::ArtifactId;
use crate::model::time::SECOND;
use std::collections::BTreeMap;

/// Hosts that are told apart. A log server's file of some racks stays below; each one costs an assembler.
pub const HOSTS_MAX: usize = 256;
/// Boots that are told apart in one file.
const BOOTS_MAX: usize = 10_000;
/// What a kernel calls itself before it is given its name.
const NAMELESS: [&[u8]; 3] = [b"localhost", b"localhost.localdomain", b"(none)"];

/// Place of a host in the list; beyond [`HOSTS_MAX`] there is none.
#[derive(Debug, Clone, Copy)]
pub struct HostId(Option<usize>);

#[derive(Debug, Default)]
struct Host {
    assembler: Assembler,
    last_uptime: Option<i64>,
    boot: u32,
    /// Boundaries of the file that this host's lines have been seen behind.
    boundaries: u32,
}

impl Host {
    fn begin_boot(&mut self, boot: u32, out: &mut Vec<Outcome>) {
        if self.boot != boot {
            self.assembler.close(out);
            self.boot = boot;
            self.last_uptime = None;
        }
    }
}

#[derive(Debug)]
pub struct Hosts {
    list: Vec<Host>,
    by_name: BTreeMap<Box<[u8]>, HostId>,
    current: HostId,
    name: Option<Box<[u8]>>,
    boots: Vec<Option<String>>,
    by_id: BTreeMap<String, u32>,
    /// How many boundaries between boots the file has shown, and the boot that begins at the last one.
    boundaries: u32,
    boundary_boot: u32,
    /// Boundaries name the boots: the clock need not be asked.
    named: bool,
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts {
            list: vec![Host::default()],
            by_name: BTreeMap::new(),
            current: HostId(Some(0)),
            name: None,
            boots: vec![None],
            by_id: BTreeMap::new(),
            boundaries: 0,
            boundary_boot: 0,
            named: false,
        }
    }
}

impl Hosts {
    /// The host of this name, made on first sight. A line that names none, or only `localhost`, is of the machine before it.
    /// A boundary that was printed since its last line begins its next boot.
    pub fn enter(&mut self, name: Option<&[u8]>, out: &mut Vec<Outcome>) -> HostId {
        if let Some(name) = name.filter(|n| !NAMELESS.contains(n) && self.name.as_deref() != Some(n)) {
            self.current = match self.by_name.get(name) {
                Some(id) => *id,
                None => self.learn(name),
            };
            self.name = Some(name.into());
        }
        let (boundaries, boot) = (self.boundaries, self.boundary_boot);
        if let Some(h) = self.current.0.and_then(|i| self.list.get_mut(i))
            && h.boundaries != boundaries
        {
            h.boundaries = boundaries;
            h.begin_boot(boot, out);
        }
        self.current
    }

    fn learn(&mut self, name: &[u8]) -> HostId {
        let id = if self.by_name.is_empty() {
            // What came before the first name is of the same machine.
            HostId(Some(0))
        } else if self.list.len() < HOSTS_MAX {
            let boot = self.push_boot(None);
            self.list.push(Host { boot, boundaries: self.boundaries, ..Host::default() });
            HostId(Some(self.list.len() - 1))
        } else {
            return HostId(None);
        };
        self.by_name.insert(name.into(), id);
        id
    }

    fn push_boot(&mut self, id: Option<String>) -> u32 {
        if self.boots.len() < BOOTS_MAX {
            if let Some(id) = &id {
                self.by_id.insert(id.clone(), self.boots.len() as u32);
            }
            self.boots.push(id);
        }
        (self.boots.len() - 1) as u32
    }

    fn get_mut(&mut self, id: HostId) -> Option<&mut Host> {
        self.list.get_mut(id.0?)
    }

    pub fn is_known(id: HostId) -> bool {
        id.0.is_some()
    }

    /// Number of the boot that this host runs in.
    pub fn boot(&self, id: HostId) -> u32 {
        id.0.and_then(|i| self.list.get(i)).map_or(self.boundary_boot, |h| h.boot)
    }

    /// The id by which the journal knows a boot.
    pub fn boot_id(&self, boot: u32) -> Option<&String> {
        self.boots.get(boot as usize)?.as_ref()
    }

    /// A report is being gathered of some host.
    pub fn is_open(&self) -> bool {
        self.list.iter().any(|h| h.assembler.is_open())
    }

    /// Takes one kernel message; `true` when it belonged to a report.
    pub fn feed(&mut self, id: HostId, m: &Message<'_>, artifact: ArtifactId, out: &mut Vec<Outcome>) -> bool {
        self.get_mut(id).is_some_and(|h| h.assembler.feed(m, artifact, out))
    }

    pub fn close(&mut self, out: &mut Vec<Outcome>) {
        self.list.iter_mut().for_each(|h| h.assembler.close(out));
    }

    /// A line between two boots. The first one names the boot that the file begins with, if nothing came before (`first`).
    pub fn boundary(&mut self, id: Option<String>, first: bool) {
        match (self.boots.first_mut(), &id) {
            (Some(slot), Some(name)) if first && slot.is_none() && !self.named => {
                *slot = Some(name.clone());
                self.by_id.insert(name.clone(), 0);
            }
            _ => {
                let known = id.as_ref().and_then(|id| self.by_id.get(id).copied());
                self.boundary_boot = known.unwrap_or_else(|| self.push_boot(id.clone()));
                self.boundaries = self.boundaries.saturating_add(1);
            }
        }
        self.named |= id.is_some();
    }

    /// A record says which boot it is of.
    pub fn boot_by_id(&mut self, host: HostId, id: &str, out: &mut Vec<Outcome>) {
        let current = self.boot(host);
        let boot = match (self.by_id.get(id).copied(), self.boots.get_mut(current as usize)) {
            (Some(known), _) => known,
            (None, Some(slot)) if slot.is_none() => {
                *slot = Some(id.to_owned());
                self.by_id.insert(id.to_owned(), current);
                current
            }
            _ => self.push_boot(Some(id.to_owned())),
        };
        if let Some(h) = self.get_mut(host) {
            h.begin_boot(boot, out);
        }
    }

    /// The kernel's clock going back by more than printk's disorder is a new boot.
    pub fn boot_by_uptime(&mut self, host: HostId, stamp: &Stamp, source: Source<'_>, out: &mut Vec<Outcome>) {
        let (Some(ns), Source::Kernel) = (stamp.uptime_ns, source) else { return };
        let named = self.named;
        let back = |h: &mut Host| !named && h.last_uptime.is_some_and(|last| ns < last.saturating_sub(5 * SECOND));
        if self.get_mut(host).is_some_and(back) {
            let boot = self.push_boot(None);
            if let Some(h) = self.get_mut(host) {
                h.begin_boot(boot, out);
            }
        }
        if let Some(h) = self.get_mut(host) {
            h.last_uptime = Some(ns);
        }
    }
}
