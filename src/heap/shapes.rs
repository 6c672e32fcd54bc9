//! Which interface a plain record belongs to: of those whose fields it all has, the one with most fields, then the more
//! frequent one.

use crate::model::graph::{Class, ClassKind, Interface, Shapes};
use std::collections::{BTreeMap, HashMap};

/// Index into `interfaces` for every shape; `None` where no interface fits.
pub fn fit(shapes: &Shapes, interfaces: &[Interface]) -> Vec<Option<u32>> {
    let handles: HashMap<&str, u32> = (0..shapes.names.len() as u32).map(|i| (shapes.names.get(i), i)).collect();
    let mut tree = vec![Branch::default()];
    for (i, interface) in interfaces.iter().enumerate() {
        let fields: Option<Vec<u32>> = interface.fields.iter().map(|f| handles.get(&**f).copied()).collect();
        // A field that this file has nowhere fits no record of it.
        let Some(mut fields) = fields else { continue };
        fields.sort_unstable();
        let count = fields.len() as u32;
        let mut at = 0usize;
        for f in fields {
            let known = tree.get(at).and_then(|b| b.next.get(&f).copied());
            at = known.unwrap_or_else(|| {
                tree.push(Branch::default());
                let new = tree.len() - 1;
                if let Some(b) = tree.get_mut(at) {
                    b.next.insert(f, new);
                }
                new
            });
        }
        if let Some(b) = tree.get_mut(at) {
            b.fits.get_or_insert((count, i as u32));
        }
    }
    (0..shapes.start.len().saturating_sub(1) as u32).map(|s| best(&tree, shapes.shape(s))).collect()
}

#[derive(Default)]
struct Branch {
    next: BTreeMap<u32, usize>,
    /// Number of fields, and the interface.
    fits: Option<(u32, u32)>,
}

fn best(tree: &[Branch], fields: &[u32]) -> Option<u32> {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut states = vec![0usize];
    let mut best: Option<(u32, u32)> = None;
    for f in sorted {
        // States beyond which no field of the record can lead are dropped, so that records with many fields stay cheap.
        states.retain(|&s| tree.get(s).and_then(|b| b.next.last_key_value()).is_some_and(|(last, _)| *last >= f));
        for i in 0..states.len() {
            let next = states.get(i).and_then(|&s| tree.get(s)).and_then(|b| b.next.get(&f).copied());
            let Some(next) = next.filter(|n| !states.contains(n)) else { continue };
            states.push(next);
            if let Some(fit) = tree.get(next).and_then(|b| b.fits)
                && best.is_none_or(|b| fit.0 > b.0 || fit.0 == b.0 && fit.1 < b.1)
            {
                best = Some(fit);
            }
        }
    }
    best.map(|b| b.1)
}

/// Moves every record to the class of its interface; new classes are appended to `classes`.
pub fn assign(shapes: &Shapes, interfaces: &[Interface], class: &mut [u32], classes: &mut Vec<Class>) {
    let fits = fit(shapes, interfaces);
    let mut of_interface: Vec<Option<u32>> = vec![None; interfaces.len()];
    for &(node, shape) in &shapes.records {
        let Some(slot) = class.get_mut(node as usize) else { continue };
        *slot = match fits.get(shape as usize).copied().flatten() {
            None => shapes.fallback,
            Some(i) => match of_interface.get_mut(i as usize) {
                Some(Some(c)) => *c,
                Some(none) => {
                    let name = interfaces.get(i as usize).map(|i| i.name.clone()).unwrap_or_default();
                    classes.push(Class { name, place: None, kind: ClassKind::Shape });
                    *none.insert((classes.len() - 1) as u32)
                }
                None => shapes.fallback,
            },
        };
    }
}
