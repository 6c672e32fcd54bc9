//! The memory map at the end of a text profile: lines of `/proc/PID/maps`, or gperftools' brief form with build variables.

use crate::model::profile::Mapping;

/// Collects map lines; only executable ranges are kept, as return addresses lie in no other.
#[derive(Default)]
pub struct Maps {
    pub mappings: Vec<Mapping>,
    variables: Vec<(String, String)>,
}

impl Maps {
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some((name, value)) =
            line.split_once('=').filter(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        {
            self.variables.push((format!("${name}"), value.to_owned()));
            return;
        }
        let mut text = line.to_owned();
        for (name, value) in &self.variables {
            text = text.replace(name.as_str(), value);
        }
        if let Some(m) = full(&text).or_else(|| brief(&text)) {
            self.mappings.push(m);
        }
    }
}

fn range(text: &str) -> Option<(u64, u64)> {
    let (a, b) = text.split_once('-')?;
    let hex = |s: &str| u64::from_str_radix(s.strip_prefix("0x").unwrap_or(s), 16).ok();
    let (start, limit) = (hex(a)?, hex(b)?);
    (start < limit).then_some((start, limit))
}

/// `557f7d561000-557f7d562000 r-xp 00001000 fe:00 5345632   /srv/app`
fn full(text: &str) -> Option<Mapping> {
    let mut words = text.split_ascii_whitespace();
    let (start, limit) = range(words.next()?)?;
    let executable = words.next().filter(|p| p.len() >= 3 && p.bytes().all(|b| b"rwxps-".contains(&b)))?.contains('x');
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let file = words.nth(2).unwrap_or("");
    executable.then(|| Mapping { start, limit, offset, file: file.into(), build_id: "".into() })
}

/// `40000000-40015000: /lib/ld-2.3.2.so`
fn brief(text: &str) -> Option<Mapping> {
    let (place, file) = text.split_once(": ").or_else(|| text.split_once(' '))?;
    let (start, limit) = range(place.trim_end_matches(':'))?;
    let file = file.trim();
    (!file.contains(' ')).then(|| Mapping { start, limit, offset: 0, file: file.into(), build_id: "".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_brief_lines() {
        let mut m = Maps::default();
        m.line("build=/srv/x");
        m.line("557f7d561000-557f7d562000 r-xp 00001000 fe:00 5345632                    /srvc/app");
        m.line("557f7d562000-557f7d563000 r--p 00002000 fe:00 5345632                    /srvc/app");
        m.line("40000000-40015000: $build/lib.so");
        let got: Vec<_> = m.mappings.iter().map(|m| (m.start, m.offset, &*m.file)).collect();
        assert_eq!(got, [(0x557f_7d56_1000, 0x1000, "/srvc/app"), (0x4000_0000, 0, "/srv/x/lib.so")]);
    }
}
