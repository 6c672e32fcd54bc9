//! One site under two names: after a new build, lines have moved, closures are numbered anew, types and packages renamed.
//!
//! Only sites that end with the old build and sites that begin with the new one are looked at, and only where a weaker key
//! fits exactly one of each: address, then line, then function, then name within its package. Every match says by what.
//! Rows and the owners that suspects are made of are followed alike.

use super::tracks::Track;
use super::value::Value;
use crate::heap::sites::package;
use crate::model::delta::GroupBy;
use std::collections::BTreeMap;

/// What is followed from one build to the next: a row, or an owner of memory.
pub trait Site {
    fn name(&self) -> &str;
    fn location(&self) -> Option<&str>;
    fn steps(&self) -> &[Value];
    /// Takes over what it was in the old build: its key there, its values, and the level on which they met.
    fn was(&mut self, level: &'static str, key: String, steps: Vec<Value>);
    fn key(&self) -> &str {
        self.name()
    }
}

impl Site for Track {
    fn name(&self) -> &str {
        &self.name
    }
    fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }
    fn steps(&self) -> &[Value] {
        &self.steps
    }
    fn was(&mut self, level: &'static str, key: String, steps: Vec<Value>) {
        self.steps.iter_mut().zip(steps).for_each(|(x, y)| x.add(y));
        self.renamed = Some((level, key));
    }
    fn key(&self) -> &str {
        &self.key
    }
}

/// Joins sites of the old build to what they are in the new one, and tells which ones went up in others.
pub fn across_builds<S: Site>(sites: &mut [S], by: GroupBy) -> Vec<usize> {
    let levels: &[&'static str] = match by {
        GroupBy::Address => &["line", "function", "name", "package"],
        GroupBy::Line => &["function", "name", "package"],
        GroupBy::Function | GroupBy::FileFunction => &["name", "package"],
        _ => &[],
    };
    let mut gone: Vec<usize> = Vec::new();
    for level in levels {
        let mut found: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (i, t) in sites.iter().enumerate().filter(|(i, _)| !gone.contains(i)) {
            let (Some(key), Some((ends, begins))) = (weaker(t, level), span(t)) else { continue };
            let slot = found.entry(key).or_default();
            let last = t.steps().len().saturating_sub(1);
            if begins == 0 && ends < last {
                slot.0.push(i);
            } else if begins > 0 && ends == last {
                slot.1.push(i);
            }
        }
        for (old, new) in found.into_values() {
            let (&[a], &[b]) = (old.as_slice(), new.as_slice()) else { continue };
            let follows = sites.get(a).and_then(span).zip(sites.get(b).and_then(span)).is_some_and(|(x, y)| x.0 < y.1);
            if !follows {
                continue;
            }
            let Some((key, steps)) = sites.get(a).map(|t| (t.key().to_owned(), t.steps().to_vec())) else { continue };
            if let Some(t) = sites.get_mut(b) {
                t.was(level, key, steps);
                gone.push(a);
            }
        }
    }
    gone.sort_unstable();
    gone
}

/// Last and first snapshot in which a site has a value.
fn span<S: Site>(t: &S) -> Option<(usize, usize)> {
    let there = |v: &Value| v.bytes != 0 || v.count != 0 || v.allocated_bytes != 0;
    Some((t.steps().iter().rposition(there)?, t.steps().iter().position(there)?))
}

/// What is left of a site's identity on a level.
fn weaker<S: Site>(t: &S, level: &str) -> Option<String> {
    let key = match level {
        "line" => format!("{} {}", t.name(), t.location()?),
        "function" => t.name().to_owned(),
        "name" => plain(t.name()),
        _ => {
            let p = package(t.name(), t.location().unwrap_or(""));
            // The package's own name, wherever it lies, and the method whatever its receiver is called.
            let method = t.name().rsplit(['.', ':']).next()?;
            format!("{} {}", p.rsplit('/').next()?, plain(method))
        }
    };
    (!key.trim().is_empty()).then_some(key)
}

/// A function without type arguments and without the numbers of its closures.
fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut depth = 0u32;
    for c in name.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    let parts: Vec<&str> = out
        .split('.')
        .map(|p| if p.strip_prefix("func").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) { "func" } else { p })
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(name: &str, bytes: &[i64]) -> Track {
        let steps = bytes.iter().map(|b| Value { bytes: *b, ..Value::default() }).collect();
        Track { key: name.into(), name: name.into(), steps, ..Track::default() }
    }

    #[test]
    fn renamed_closures_and_receivers_meet_and_ambiguity_does_not() {
        let mut t = vec![
            track("shop.Serve.func1", &[10, 0]),
            track("shop.Serve.func2", &[0, 30]),
            track("a/cart.(*Store).Put", &[5, 0]),
            track("b/cart.(*Shelf).Put", &[0, 6]),
            track("x.A", &[1, 0]),
            track("y.A", &[0, 1]),
            track("y.B", &[7, 8]),
        ];
        for i in across_builds(&mut t, GroupBy::Function).into_iter().rev() {
            t.remove(i);
        }
        let got: Vec<(&str, i64, Option<&str>)> =
            t.iter().map(|t| (t.name.as_str(), t.steps[0].bytes, t.renamed.as_ref().map(|r| r.0))).collect();
        assert_eq!(
            got,
            [
                ("shop.Serve.func2", 10, Some("name")),
                ("b/cart.(*Shelf).Put", 5, Some("package")),
                ("x.A", 1, None),
                ("y.A", 0, None),
                ("y.B", 7, None)
            ]
        );
    }
}
