//! Writes a profile of stacks as gzipped profile.proto, for any viewer of pprof profiles.
//!
//! The types are generated from `proto/profile.proto`; reading does not use them. The bytes depend on the profile alone:
//! no time of writing, no name of a machine.

use super::proto;
use crate::model::profile::{HeapProfile, ProfileBody, StackTable};
use prost::Message;
use std::collections::HashMap;
use std::io::Write;

/// Strings of the table first, so that their indices stay, then further ones.
struct Strings<'a> {
    table: Vec<String>,
    extra: HashMap<&'a str, i64>,
}

impl<'a> Strings<'a> {
    fn of(&mut self, text: &'a str) -> i64 {
        if text.is_empty() {
            return 0;
        }
        *self.extra.entry(text).or_insert_with(|| {
            self.table.push(text.to_owned());
            self.table.len() as i64 - 1
        })
    }
}

/// The profile as protobuf message; `None` when its body is not a stack table.
pub fn message(profile: &HeapProfile) -> Option<proto::Profile> {
    let ProfileBody::Stacks(t) = &profile.body else { return None };
    let mut s = Strings { table: t.strings.iter().map(|s| s.to_string()).collect(), extra: HashMap::new() };
    if s.table.first().is_none_or(|f| !f.is_empty()) {
        // The first string must be empty; no index of ours is 0 then but by accident of an empty table.
        s.table.insert(0, String::new());
    }
    let shift = s.table.len() as i64 - t.strings.len() as i64;
    let at = |i: u32| i64::from(i) + shift;
    let value_type = |s: &mut Strings<'_>, kind: i64, unit: i64| {
        let _ = s;
        proto::ValueType { r#type: kind, unit }
    };
    let mut sample_type = Vec::new();
    for m in &profile.measures {
        let (kind, unit) = (s.of(&m.name), s.of(&m.unit));
        sample_type.push(value_type(&mut s, kind, unit));
    }
    let default_sample_type = profile.measures.get(profile.default_measure).map_or(0, |m| s.of(&m.name));
    let bytes_key = if t.block_size.is_empty() { 0 } else { s.of("bytes") };
    let mapping = t
        .mappings
        .iter()
        .enumerate()
        .map(|(i, m)| proto::Mapping {
            id: i as u64 + 1,
            memory_start: m.start,
            memory_limit: m.limit,
            file_offset: m.offset,
            filename: s.of(&m.file),
            build_id: s.of(&m.build_id),
            has_functions: true,
            ..proto::Mapping::default()
        })
        .collect();
    let period_type = (profile.period > 0).then(|| proto::ValueType { r#type: s.of("space"), unit: s.of("bytes") });
    let function = (1u64..)
        .zip(&t.functions)
        .map(|(id, f)| proto::Function { id, name: at(f.name), system_name: at(f.name), filename: at(f.file), start_line: 0 })
        .collect();
    let message = proto::Profile {
        sample_type,
        sample: samples(profile, t, bytes_key, at),
        mapping,
        location: (0..t.locations() as u32).map(|l| location(t, l)).collect(),
        function,
        string_table: s.table,
        period_type,
        period: profile.period,
        default_sample_type,
        ..proto::Profile::default()
    };
    Some(message)
}

fn location(t: &StackTable, l: u32) -> proto::Location {
    let line =
        |f: &crate::model::profile::Frame| proto::Line { function_id: u64::from(f.function) + 1, line: i64::from(f.line), column: 0 };
    proto::Location {
        id: u64::from(l) + 1,
        mapping_id: u64::from(t.loc_mapping.get(l as usize).copied().unwrap_or(0)),
        address: t.loc_address.get(l as usize).copied().unwrap_or(0),
        line: t.frames(l).iter().map(line).collect(),
        is_folded: false,
    }
}

fn samples(profile: &HeapProfile, t: &StackTable, bytes_key: i64, at: impl Fn(u32) -> i64) -> Vec<proto::Sample> {
    let mut labels = t.labels.iter().peekable();
    (0..t.samples())
        .map(|s| {
            let mut own = Vec::new();
            while let Some((_, k, v)) = labels.next_if(|l| l.0 as usize <= s) {
                own.push(proto::Label { key: at(*k), str: at(*v), num: 0, num_unit: 0 });
            }
            if let Some(size) = t.block_size.get(s).filter(|b| **b != 0) {
                own.push(proto::Label { key: bytes_key, str: 0, num: *size, num_unit: 0 });
            }
            proto::Sample {
                location_id: t.stack(s).iter().map(|l| u64::from(*l) + 1).collect(),
                value: (0..profile.measures.len()).map(|m| t.value(m, s)).collect(),
                label: own,
            }
        })
        .collect()
}

/// The gzipped file; `None` when the body is not a stack table.
pub fn gzipped(profile: &HeapProfile) -> Option<Vec<u8>> {
    let raw = message(profile)?.encode_to_vec();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(&raw).ok()?;
    gz.finish().ok()
}
