//! Flags about the input, shared by every command that reads one: limits on unpacking, threads, zone, names.

use clap::Args;
use postmem::bundle::{Limits, layout};
use postmem::correlate;
use postmem::model::{Timestamp, quantity, time};
use postmem::{Error, pipeline};

#[derive(Args, Default)]
pub struct InputArgs {
    /// Worker threads; as many as there are processors by default. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: Option<u16>,
    /// Zone of times that state none (IANA name or offset); UTC by default
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    tz: Option<String>,
    /// Leave out what happened before this time (RFC 3339, UTC if no zone is given)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Leave out what happened after this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Say whose an artifact is: GLOB=NAMESPACE/POD/CONTAINER, repeatable
    #[arg(long, value_name = "GLOB=NS/POD/CONTAINER")]
    map: Vec<String>,
    /// Most files and archive members read in one run
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_entries: Option<usize>,
    /// Most archives and compression layers within each other
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = clap::value_parser!(u8).range(0..=32))]
    max_depth: Option<u8>,
    /// Most unpacked bytes per packed byte of one member
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_ratio: Option<u64>,
    /// Most unpacked bytes of the whole run, as 64Gi
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    max_total: Option<String>,
    /// Most unpacked bytes of one member, as 16Gi
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    max_member: Option<String>,
}

/// A zone that is not known must not pass for UTC.
fn zone(text: &str) -> Result<String, String> {
    let known = correlate::clock::zones::is_valid(text);
    known.then(|| text.to_owned()).ok_or_else(|| "expected an IANA zone like Europe/Berlin, or an offset like +02:00".into())
}

/// `2026-11-21T06:00:00Z`; a date alone is its midnight.
fn moment(text: &str) -> Result<Timestamp, String> {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    match time::parse_rfc3339(full.as_bytes()) {
        Some((t, read)) if read == full.len() => Ok(t),
        _ => Err("expected a time like 2026-11-21T06:00:00Z".into()),
    }
}

impl InputArgs {
    /// The library's options; rows and the rest are left as they are by default.
    pub fn options(&self) -> Result<pipeline::Options, Error> {
        let d = Limits::default();
        let size = |flag: &str, text: &Option<String>, default: u64| match text {
            None => Ok(default),
            Some(t) => quantity::parse_bytes(t).ok_or_else(|| Error::Usage(format!("{flag}: not a size: {t}"))),
        };
        let limits = Limits {
            max_entries: self.max_entries.unwrap_or(d.max_entries),
            max_depth: self.max_depth.map_or(d.max_depth, usize::from),
            max_ratio: self.max_ratio.unwrap_or(d.max_ratio),
            max_total_bytes: size("--max-total", &self.max_total, d.max_total_bytes)?,
            max_member_bytes: size("--max-member", &self.max_member, d.max_member_bytes)?,
        };
        let map = self
            .map
            .iter()
            .map(|m| layout::parse_map(m).ok_or_else(|| Error::Usage(format!("--map: expected GLOB=NAMESPACE/POD/CONTAINER, found {m}"))))
            .collect::<Result<Vec<_>, Error>>()?;
        let correlate = correlate::Options { tz: self.tz.clone(), map, since: self.since, until: self.until, ..Default::default() };
        Ok(pipeline::Options { limits, correlate, threads: self.threads.map(usize::from), ..Default::default() })
    }
}
