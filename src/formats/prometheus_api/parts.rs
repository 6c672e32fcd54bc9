//! A big answer walked in parts side by side, cut where a series object begins.
//!
//! A part begins at a `{"metric"` that was found by searching from its even share of the file, and supposes that it stands in
//! the same containers as the first series of all. Whether that is so is known when the part before it gets there: it must
//! come to a value at that very byte, in those containers. Else the later parts are thrown away and the walk goes on alone,
//! so a text that merely looks like a series within a string costs time and nothing else.

use super::scan::Stop;
use super::{Walk, opens_with};
use crate::formats::Input;
use rayon::prelude::*;
use std::io::Read;

/// Least bytes worth a part of their own.
pub const PART: u64 = 32 << 20;
/// A place to cut is sought within this much text; where one series is longer, the file stays whole.
const SOUGHT: u64 = 4 << 20;

/// Walks everything; `least` is the smallest part.
pub fn walk<'r>(w: &mut Walk<'r>, input: &Input<'r>, least: u64) -> Result<(), Stop> {
    let bytes = input.len.unwrap_or(0);
    let parts = (bytes / least.max(1)).min(rayon::current_num_threads() as u64);
    let Some(first) = (parts > 1).then(|| series_from(input, 0)).flatten() else { return w.until(u64::MAX) };
    w.until(first)?;
    let containers = w.open.clone();
    let mut cuts: Vec<u64> = (1..parts).filter_map(|k| series_from(input, bytes / parts * k)).collect();
    cuts.dedup();
    let mut later: Vec<(u64, Walk<'r>)> = Vec::new();
    for &at in &cuts {
        let Some(reader) = input.source.reader_from(at) else { return w.until(u64::MAX) };
        later.push((at, Walk::new(input.artifact, reader, at, containers.clone())));
    }
    let ends = cuts.iter().skip(1).copied().chain([u64::MAX]);
    let tasks: Vec<_> = later.into_iter().zip(ends).collect();
    let end = cuts.first().copied().unwrap_or(u64::MAX);
    let (mut done, later) =
        rayon::join(|| w.until(end), || tasks.into_par_iter().map(|((at, mut part), end)| (at, part.until(end), part)).collect::<Vec<_>>());
    for (at, result, part) in later {
        // What the walk could not follow ends it here as it would have without parts.
        done?;
        if w.scan.offset() != at || w.under.is_some() || w.open != containers {
            return w.until(u64::MAX);
        }
        let before = std::mem::replace(w, part);
        let own = std::mem::replace(&mut w.out, before.out);
        w.out.merge_all(own);
        done = result;
    }
    done
}

/// Where the first series object at or after `from` begins.
fn series_from(input: &Input<'_>, from: u64) -> Option<u64> {
    let mut text = Vec::new();
    input.source.reader_from(from)?.take(SOUGHT).read_to_end(&mut text).ok()?;
    memchr::memmem::find_iter(&text, b"\"metric\"").find_map(|at| {
        let before = text.get(..at)?.trim_ascii_end();
        let begin = before.len().checked_sub(1).filter(|&b| before.get(b) == Some(&b'{'))?;
        opens_with(text.get(at + 8..)?, b"{").then_some(from + begin as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Open;
    use crate::model::{ArtifactId, Claim, Facts};

    fn read(text: &[u8], least: u64) -> Facts {
        let source: &dyn Open = &text;
        let input = Input { artifact: ArtifactId(0), path: "x", len: Some(text.len() as u64), who: Claim::default(), source };
        let mut out = Facts::new(ArtifactId(0));
        super::super::walk_in_parts(&input, &mut out, least);
        out
    }

    fn series(i: usize) -> String {
        // A label that looks like the beginning of a series must not be taken for one.
        let samples: Vec<String> = (0..40).map(|k| format!("[{},\"{}\"]", 1_790_000_000 + k * 30, i * 100 + k)).collect();
        format!("{{\"metric\":{{\"pod\":\"p{i}\",\"odd\":\"{{\\\"metric\\\":{{\"}},\"values\":[{}]}}", samples.join(","))
    }

    #[test]
    fn parts_give_what_one_walk_gives() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(5).build();
        let Ok(pool) = pool else { return };
        let all: Vec<String> = (0..50).map(series).collect();
        let answer = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{}]}},\"warnings\":[\"w\"]}}",
            all.join(", ")
        );
        let nested = format!("[{{\"metric\":{{}},\"note\":[{}]}},{}]", all.join(","), all.join(","));
        let lines = all.join("\n");
        for text in [&answer, &nested, &lines, &answer[..answer.len() * 2 / 3].to_owned(), &answer.replacen("[1790000030,", "[x,", 1)] {
            let whole = read(text.as_bytes(), u64::MAX);
            let parts = pool.install(|| read(text.as_bytes(), 1000));
            assert_eq!(whole.series, parts.series);
            assert_eq!(whole.diagnostics, parts.diagnostics);
            assert!(!whole.series.is_empty() || text.contains("[x,"));
        }
    }
}
