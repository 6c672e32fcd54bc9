//! Names with a meaning: special strings found once, class names as DevTools shows them, detached DOM nodes, and which
//! classes are the program's own (their constructor stands in a script that is not part of the runtime).

use super::ownership::Bits;
use crate::model::graph::{Class, ClassKind, EdgeKind, FAR, GraphColumns, NONE, NodeKind, Place, StringTable};
use crate::model::spare;
use std::collections::{BTreeMap, HashMap};

/// A WeakMap entry is written as two edges with one name: from the table and from the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joint {
    /// Same for both edges.
    pub pair: u32,
    /// Object id of the table.
    pub table: u64,
}

/// Objects whose class says little, and the field that says what they are: a module's file, the function a generator runs.
const TITLES: [(&str, &str); 7] = [
    ("Module", "filename"),
    ("Module", "id"),
    ("ModuleWrap", "url"),
    ("Generator", "function"),
    ("AsyncGenerator", "function"),
    ("AsyncFunctionObject", "function"),
    ("Timeout", "_onTimeout"),
];

/// Slots that an entry takes in a collection's table: key, value and the next of its chain.
const SLOTS: [(&str, u8); 2] = [("Map", 3), ("Set", 2)];

/// Classes of the runtime that only wrap what a program gave them: growth is never best called by them.
const WRAPPERS: [&str; 9] =
    ["Generator", "AsyncGenerator", "AsyncFunctionObject", "Timeout", "TimersList", "Immediate", "Listener", "AsyncResource", "Promise"];

/// Handles of the strings that semantics depend on.
#[derive(Default)]
pub struct Known {
    pub document_trees: Option<u32>,
    pub sloppy_function_map: Option<u32>,
    pub native_context: Option<u32>,
    pub map_descriptors: Option<u32>,
    pub external_string_data: Option<u32>,
    pub global_handles: Option<u32>,
    pub module_wrap: Option<u32>,
    pub cell: Option<u32>,
    /// The fields by which [`TITLES`] calls objects, in its order.
    titles: [Option<u32>; TITLES.len()],
    /// Names of a weak table's entries before V8 10, ascending.
    pub weak_entries: Vec<u32>,
    /// Sorted by string handle.
    pub joint: Vec<(u32, Joint)>,
}

impl Known {
    pub fn find(strings: &StringTable) -> Self {
        let mut k = Known::default();
        let mut pairs: HashMap<String, u32> = HashMap::new();
        for i in 0..strings.len() as u32 {
            let s = strings.get(i);
            let slot = match s.as_bytes().first() {
                Some(b'(') if s == "(Document DOM trees)" => &mut k.document_trees,
                Some(b'(') if s == "(map descriptors)" => &mut k.map_descriptors,
                Some(b'(') if s == "(Global handles)" => &mut k.global_handles,
                Some(b'M') if s == "ModuleWrap" => &mut k.module_wrap,
                Some(b's') if s == "system / Cell" => &mut k.cell,
                Some(b's') if s == "sloppy_function_map" => &mut k.sloppy_function_map,
                Some(b's') if s == "system / NativeContext" => &mut k.native_context,
                Some(b's') if s == "system / ExternalStringData" => &mut k.external_string_data,
                Some(b'0'..=b'9') => {
                    if s.ends_with(" in WeakMap") {
                        k.weak_entries.push(i);
                    } else if let Some((part, table)) = joint(s) {
                        let next = pairs.len() as u32;
                        let pair = *pairs.entry(part.to_owned()).or_insert(next);
                        k.joint.push((i, Joint { pair, table }));
                    }
                    continue;
                }
                Some(b'f' | b'i' | b'u' | b'_') => {
                    for ((_, field), slot) in TITLES.iter().zip(&mut k.titles) {
                        if s == *field {
                            slot.get_or_insert(i);
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert(i);
        }
        k
    }

    /// (class, field) of all classes that have a title, sorted by class.
    pub fn titles(&self, classes: &[Class]) -> Vec<(u32, u32)> {
        let of = |c: &Class| TITLES.iter().zip(&self.titles).filter(|(t, _)| *t.0 == *c.name).filter_map(|(_, f)| *f).collect::<Vec<_>>();
        classes.iter().zip(0u32..).flat_map(|(c, i)| of(c).into_iter().map(move |f| (i, f))).collect()
    }

    pub fn joint(&self, name: u32) -> Option<Joint> {
        if self.joint.is_empty() {
            return None;
        }
        let at = self.joint.binary_search_by_key(&name, |j| j.0).ok()?;
        self.joint.get(at).map(|j| j.1)
    }
}

/// `7 / part of key (K @1) -> value (V @3) pair in WeakMap (table @5)`: the text after the number, and the table's id.
fn joint(s: &str) -> Option<(&str, u64)> {
    let part = s.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = part.strip_prefix(" / part of key (")?;
    let (pair, table) = rest.strip_suffix(')')?.rsplit_once(") pair in WeakMap (table @")?;
    let at_id = |s: &str| s.rsplit_once(" @").is_some_and(|(_, id)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let halves = pair.match_indices(") -> value (").any(|(i, _)| pair.get(..i).is_some_and(at_id));
    (halves && at_id(pair) && !s.contains('\n')).then_some(())?;
    Some((part, table.parse().ok()?))
}

/// Spreads "attached" and "detached" from the embedder's nodes that know it to those they hold, and renames the detached.
pub fn detached(g: &mut GraphColumns, seeds: &[(u32, u8)]) {
    const ATTACHED: u8 = 1;
    const DETACHED: u8 = 2;
    if seeds.is_empty() {
        return;
    }
    let mut visited = Bits::new(g.kind.len());
    let mut state: BTreeMap<u32, u8> = seeds.iter().copied().collect();
    let (mut attached, mut loose) = (Vec::new(), Vec::new());
    let mut renamed: BTreeMap<u32, u32> = BTreeMap::new();
    let mut visit =
        |g: &mut GraphColumns, state: &mut BTreeMap<u32, u8>, attached: &mut Vec<u32>, loose: &mut Vec<u32>, n: u32, new: u8| {
            if !visited.set(n) || g.node_kind(n) != NodeKind::Native {
                return;
            }
            state.insert(n, new);
            if new == ATTACHED {
                attached.push(n);
            } else if new == DETACHED {
                let old = g.name.get(n as usize).copied().unwrap_or(0);
                let name = *renamed.entry(old).or_insert_with(|| {
                    let text = format!("Detached {}", g.strings.get(old));
                    g.strings.push(&text)
                });
                if let Some(slot) = g.name.get_mut(n as usize) {
                    *slot = name;
                }
                loose.push(n);
            }
        };
    for &(n, s) in seeds {
        visit(g, &mut state, &mut attached, &mut loose, n, s);
    }
    let children = |g: &GraphColumns, n: u32| -> Vec<u32> {
        g.edges(n)
            .filter(|&e| g.to.get(e).is_some_and(|t| t & FAR == 0) && g.edge_label(e).kind() != EdgeKind::Hidden)
            .map(|e| g.target(e))
            .collect()
    };
    while let Some(n) = attached.pop() {
        for c in children(g, n) {
            visit(g, &mut state, &mut attached, &mut loose, c, ATTACHED);
        }
    }
    while let Some(n) = loose.pop() {
        if state.get(&n) == Some(&ATTACHED) {
            continue;
        }
        for c in children(g, n) {
            visit(g, &mut state, &mut attached, &mut loose, c, DETACHED);
        }
    }
}

/// Classes found, not yet in the graph: they are found beside other work on it.
pub struct Classes {
    pub class: Vec<u32>,
    pub table: Vec<Class>,
    nameless: u32,
    scripts: Vec<(u32, Box<str>)>,
}

impl Classes {
    pub fn give_to(self, g: &mut GraphColumns) {
        let slots = |c: &Class| SLOTS.iter().find(|s| *s.0 == *c.name && c.place.is_none()).map(|s| s.1);
        g.tables = (0u32..).zip(&self.table).filter_map(|(i, c)| Some((i, slots(c)?))).collect();
        g.class = self.class;
        g.classes = self.table;
        g.nameless = self.nameless;
        g.scripts = self.scripts;
    }
}

/// The class of every node.
pub fn classes(g: &GraphColumns, types: &[Box<str>]) -> Classes {
    let mut nameless = NONE;
    let scripts = scripts(g);
    let mut table: Vec<Class> = Vec::new();
    let mut add = |name: &str, place: Option<Place>, kind: ClassKind| {
        table.push(Class { name: name.into(), place, kind });
        (table.len() - 1) as u32
    };
    let by_name = |kind: NodeKind, ty: &str| kind == NodeKind::Native || ty == "object";
    let named: Vec<bool> = g.kinds.iter().zip(types).map(|(&k, t)| by_name(k, t)).collect();
    let mut by_type = vec![NONE; types.len()];
    let mut by_string = vec![NONE; g.strings.len()];
    let mut cut_names: HashMap<String, u32> = HashMap::new();
    let mut class = spare::filled(g.kind.len(), NONE);
    for ((&ty, &name), slot) in g.kind.iter().zip(&g.name).zip(class.iter_mut()) {
        let t = usize::from(ty);
        if named.get(t) != Some(&true) {
            let Some(known) = by_type.get_mut(t) else {
                *slot = 0;
                continue;
            };
            if *known == NONE {
                let ty = types.get(t).map_or("", |t| t);
                *known = match g.kinds.get(t) {
                    Some(NodeKind::Hidden) => add("(system)", None, ClassKind::Runtime),
                    Some(NodeKind::Code) => add("(compiled code)", None, ClassKind::Runtime),
                    Some(NodeKind::Closure) => add("Function", None, ClassKind::Runtime),
                    Some(NodeKind::RegExp) => add("RegExp", None, ClassKind::Runtime),
                    _ => add(&format!("({ty})"), None, ClassKind::Runtime),
                };
            }
            *slot = *known;
            continue;
        }
        let Some(known) = by_string.get_mut(name as usize) else {
            if nameless == NONE {
                nameless = add("(name lost)", None, ClassKind::Runtime);
            }
            *slot = nameless;
            continue;
        };
        if *known == NONE {
            let text = g.strings.get(name);
            *known = match without_attributes(text) {
                Some(short) => *cut_names.entry(short.clone()).or_insert_with(|| add(&short, None, ClassKind::Runtime)),
                None => add(text, None, ClassKind::Runtime),
            };
        }
        *slot = *known;
    }
    // Objects of classes whose constructor's place is known stay apart from others of the same name.
    let mut placed: HashMap<(Place, u32), u32> = HashMap::new();
    for &(n, place) in &g.places {
        let object = g.kind.get(n as usize).and_then(|&k| types.get(usize::from(k))).is_some_and(|t| &**t == "object");
        // An object whose name is lost waits for an earlier file's name, and gets its place with it.
        let Some(slot) = class.get_mut(n as usize).filter(|c| object && **c != nameless) else { continue };
        let base = *slot;
        *slot = match placed.get(&(place, base)) {
            Some(&c) => c,
            None => {
                let path = scripts.binary_search_by_key(&place.script, |s| s.0).ok().and_then(|i| scripts.get(i));
                let name = table.get(base as usize).map(|c| c.name.clone()).unwrap_or_default();
                let kind = match path.is_some_and(|p| of_runtime(&p.1)) {
                    _ if WRAPPERS.contains(&&*name) => ClassKind::Runtime,
                    true => ClassKind::Library,
                    false => ClassKind::Program,
                };
                table.push(Class { name, place: Some(place), kind });
                let c = (table.len() - 1) as u32;
                placed.insert((place, base), c);
                c
            }
        };
    }
    if table.is_empty() {
        table.push(Class::default());
    }
    Classes { class, table, nameless, scripts }
}

/// `<div id="a">` is of class `<div>`, `Detached <div id="a">` of `Detached <div>`; anything else has its own name.
fn without_attributes(name: &str) -> Option<String> {
    let from = if name.starts_with('<') {
        0
    } else if name.starts_with("Detached <") {
        10
    } else {
        return None;
    };
    let space = name.get(from..)?.find(' ');
    Some(space.and_then(|s| name.get(..from + s)).map_or_else(|| name.to_owned(), |s| format!("{s}>")))
}

/// Paths of the scripts that functions refer to: closure → shared → script, whose name is the path.
fn scripts(g: &GraphColumns) -> Vec<(u32, Box<str>)> {
    let mut found: BTreeMap<u32, Box<str>> = BTreeMap::new();
    let follow = |n: u32, names: [&str; 2]| {
        g.edges(n).find_map(|e| {
            let l = g.edge_label(e);
            (l.kind() == EdgeKind::Internal && names.contains(&g.strings.get(l.name()))).then(|| g.target(e))
        })
    };
    for &(n, place) in &g.places {
        if g.node_kind(n) != NodeKind::Closure || found.contains_key(&place.script) {
            continue;
        }
        let script = follow(n, ["shared", "shared"]).and_then(|s| follow(s, ["script", "script_or_debug_info"]));
        if let Some(path) = script.map(|s| g.node_name(s)).filter(|p| !p.is_empty()) {
            // Newer V8 puts the object's class before its path.
            found.insert(place.script, path.strip_prefix("system / Script / ").unwrap_or(path).into());
        }
    }
    found.into_iter().collect()
}

/// Scripts that came with the runtime: `node:…`, and before Node 16 bare names such as `internal/util.js`.
fn of_runtime(path: &str) -> bool {
    path.starts_with("node:") || path.starts_with("internal/") || path.starts_with("native ") || !path.contains(['/', '\\', ':'])
}
