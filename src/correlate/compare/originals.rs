//! Original places and names for what a bundler made small: source maps that came with the input are applied to the places
//! of classes and functions. A generated name stays beside its original: it is what the snapshot says.

use crate::model::delta::{Delta, Suspect};
use crate::model::source_map::SourceMap;

/// Adds originals to the rows and suspects of a comparison.
pub fn apply(delta: &mut Delta, maps: &[&SourceMap]) {
    if maps.is_empty() {
        return;
    }
    let mut renamed: Vec<(String, String)> = Vec::new();
    for row in &mut delta.rows {
        let Some(found) = row.location.as_deref().and_then(|l| original(l, maps)) else { continue };
        if let Some(name) = found.name.filter(|n| *n != row.name) {
            let both = format!("{name} ({})", row.name);
            renamed.push((std::mem::replace(&mut row.name, both), name));
        }
        row.location = row.location.take().map(|l| format!("{} ({l})", found.place));
    }
    for s in &mut delta.suspects {
        for site in &mut s.sites {
            if let Some(found) = original(site, maps) {
                *site = format!("{} ({site})", found.place);
            }
        }
        owners(s, maps);
        let mut names = renamed.iter().filter(|(short, _)| *short == s.name);
        // Two classes of one short name: which of them it is the name alone does not tell.
        if let (Some((short, name)), None) = (names.next(), names.next()) {
            for end in ["a step", "in them"] {
                s.why = s.why.replacen(&format!(" {short} {end}"), &format!(" {name} ({short}) {end}"), 1);
            }
            s.culprits.insert(0, ("class".into(), name.clone()));
            s.name = format!("{name} ({short})");
        }
    }
}

/// Original classes on the way to what is held, and of what the holder is told by.
fn owners(s: &mut Suspect, maps: &[&SourceMap]) {
    for step in &mut s.path {
        let Some((found, place)) = step.place.take().map(|p| (original(&p, maps), p)) else { continue };
        let Some(found) = found else {
            step.place = Some(place);
            continue;
        };
        step.place = Some(format!("{} ({place})", found.place));
        let Some(name) = found.name.filter(|n| step.class != "Function" && *n != step.class) else { continue };
        let (from, to) = (format!("{}.", step.class), format!("{name}."));
        step.class = format!("{name} ({})", step.class);
        if let Some(rest) = s.why.strip_prefix(&from) {
            s.why = format!("{to}{rest}");
        } else {
            s.why = s.why.replacen(&format!(" {from}"), &format!(" {to}"), 1);
        }
        for (_, holder) in s.culprits.iter_mut().filter(|(what, _)| what == "retainer") {
            if let Some(rest) = holder.strip_prefix(&from) {
                *holder = format!("{to}{rest}");
            }
        }
    }
}

struct Found {
    /// `source:line:column`, counted from 1.
    place: String,
    name: Option<String>,
}

/// The original of `script:line:column`.
fn original(place: &str, maps: &[&SourceMap]) -> Option<Found> {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, path) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?, parts.next()?);
    let map = maps.iter().find(|m| m.is_of(path))?;
    let o = map.original(line.checked_sub(1)?, column.checked_sub(1)?)?;
    let name = o.text.and_then(|t| class_around(t, o.line, o.column)).or(o.name).map(str::to_owned);
    Some(Found { place: format!("{}:{}:{}", o.source, o.line + 1, o.column + 1), name })
}

/// The class that the last `class` at or before a place of a source declares: a class's place is that of its constructor.
fn class_around(text: &str, line: u32, column: u32) -> Option<&str> {
    let start: usize = text.split_inclusive('\n').take(line as usize).map(str::len).sum();
    let rest = text.get(start..)?;
    let end = start + rest.char_indices().nth(column as usize).map_or(rest.len(), |(i, _)| i);
    // The place may be that of the word `class` itself.
    let upto = text.get(..end)?;
    let from = match text.get(end..)?.starts_with("class ") {
        true => end,
        false => {
            upto.match_indices("class ")
                .filter(|(i, _)| upto.get(..*i).is_none_or(|b| !b.ends_with(|c: char| c.is_alphanumeric() || c == '_')))
                .last()?
                .0
        }
    };
    let name = text.get(from + "class ".len()..)?.trim_start();
    let n = name.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(name.len());
    name.get(..n).filter(|n| !n.is_empty() && *n != "extends")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_around_a_constructor() {
        let text = "const subclass = 1;\nclass A { x = 1 }\nexport class Store extends A {\n  constructor(n) { super() }\n}\n";
        assert_eq!(class_around(text, 3, 2), Some("Store"));
        assert_eq!(class_around(text, 1, 0), Some("A"));
        assert_eq!(class_around(text, 0, 10), None);
        assert_eq!(class_around(text, 99, 0), Some("Store"));
    }
}
