//! Plain objects by the properties they have: DevTools infers interfaces `{a, b}` from the properties that objects begin
//! with and shows each plain object under the best one. This file infers; which object fits which is found in `heap`,
//! because a comparison applies the newer file's interfaces to the older one.

use super::names::Classes;
use crate::model::graph::{EdgeKind, GraphColumns, Interface, NONE, Shapes};
use std::collections::HashMap;

/// A name longer than this takes no further property, in UTF-16 units.
const LONGEST_NAME: usize = 120;
/// An interface needs this many objects,
const FEWEST_OBJECTS: f64 = 2.0;
/// and one object in so many.
const RAREST: f64 = 1000.0;

/// Shapes of a graph whose classes are found and not yet put to it.
pub fn collect(g: &GraphColumns, names: &Classes) -> Shapes {
    let plain: Vec<bool> = names.table.iter().map(|c| &*c.name == "Object" && c.place.is_none()).collect();
    let object = |n: usize| {
        names.class.get(n).is_some_and(|&c| plain.get(c as usize) == Some(&true))
            && g.kind.get(n).and_then(|&k| g.kinds.get(usize::from(k))) == Some(&crate::model::graph::NodeKind::Object)
    };
    let Some(fallback) = plain.iter().position(|&p| p) else { return Shapes::default() };
    let mut shapes = Shapes { fallback: fallback as u32, start: vec![0], ..Shapes::default() };
    let mut known: HashMap<Box<[u32]>, u32> = HashMap::new();
    let mut handles = Handles { of: vec![NONE; g.strings.len()] };
    // Candidate interfaces in the order they are met: their first object's properties, and how many objects begin so.
    let mut candidates: Vec<(Vec<u32>, u64)> = Vec::new();
    let mut candidate_of: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut candidate_of_shape: Vec<Option<usize>> = Vec::new();
    let proto = (0..g.strings.len() as u32).find(|&i| g.strings.get(i) == "__proto__");
    let mut fields = Vec::new();
    for n in 0..names.class.len() {
        if !object(n) {
            continue;
        }
        fields.clear();
        for e in g.edges(n as u32) {
            let l = g.edge_label(e);
            if l.kind() == EdgeKind::Property {
                fields.push(l.name());
            }
        }
        let shape = match known.get(fields.as_slice()) {
            Some(&s) => s,
            None => {
                let s = known.len() as u32;
                known.insert(fields.clone().into_boxed_slice(), s);
                shapes.fields.extend(fields.iter().map(|&f| handles.of(f, g, &mut shapes.names)));
                shapes.start.push(shapes.fields.len() as u32);
                let front = front(&fields, proto, g);
                candidate_of_shape.push((!front.is_empty()).then(|| {
                    *candidate_of.entry(front).or_insert_with_key(|f| {
                        candidates.push((f.clone(), 0));
                        candidates.len() - 1
                    })
                }));
                s
            }
        };
        if let Some(c) = candidate_of_shape.get(shape as usize).copied().flatten().and_then(|c| candidates.get_mut(c)) {
            c.1 += 1;
        }
        shapes.records.push((n as u32, shape));
    }
    let least = FEWEST_OBJECTS.max(shapes.records.len() as f64 / RAREST);
    candidates.retain(|c| c.1 as f64 >= least);
    // Stable, so that of two equally frequent orders the one met first comes first.
    candidates.sort_by_key(|c| std::cmp::Reverse(c.1));
    shapes.interfaces = candidates
        .iter()
        .map(|(fields, _)| Interface {
            name: format!("{{{}}}", fields.iter().map(|&f| formatted(g.strings.get(f))).collect::<Vec<_>>().join(", ")).into(),
            fields: fields.iter().map(|&f| g.strings.get(f).into()).collect(),
        })
        .collect();
    shapes
}

/// Property names of the graph as handles of the shapes' own small table.
struct Handles {
    of: Vec<u32>,
}

impl Handles {
    fn of(&mut self, name: u32, g: &GraphColumns, table: &mut crate::model::graph::StringTable) -> u32 {
        match self.of.get_mut(name as usize) {
            Some(h) => {
                if *h == NONE {
                    *h = table.push(g.strings.get(name));
                }
                *h
            }
            None => NONE,
        }
    }
}

/// The properties that an interface's name has room for.
fn front(fields: &[u32], proto: Option<u32>, g: &GraphColumns) -> Vec<u32> {
    let mut out = Vec::new();
    let mut len = 1;
    for &f in fields.iter().filter(|&&f| Some(f) != proto) {
        let l = formatted(g.strings.get(f)).encode_utf16().count();
        if len > 1 && len + l > LONGEST_NAME {
            break;
        }
        len += l + if len > 1 { 2 } else { 0 };
        out.push(f);
    }
    out
}

/// A property name, quoted as JSON where its characters could be mistaken for the list's own.
fn formatted(name: &str) -> String {
    if name.contains([',', '\'', '"', '{', '}']) { serde_json::to_string(name).unwrap_or_default() } else { name.to_owned() }
}
