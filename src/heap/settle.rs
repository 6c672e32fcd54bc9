//! What happens to a graph between reading and comparing: figures are computed, asked-for objects answered, and the columns
//! dropped, so that never more than one graph is held.

use super::{allocated, births, borrow, dominators, fold, growth, measure, shapes, strings, ways};
use crate::model::graph::{Fold, GraphColumns, HeapGraph, NodeAnswer, NodeKind, StringTable, WideColumn};
use crate::model::spare;

/// What is wanted of a graph beside its totals.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Objects to answer for.
    pub ids: &'a [u64],
    /// The graph is one of several and will be compared.
    pub compare: bool,
    /// Only what a later one of the same process needs of it is wanted: not where it grew since those before, nor
    /// distances and repeated strings.
    pub skip_growth: bool,
    /// Contents of strings are wanted.
    pub show_strings: bool,
}

/// Allocating functions given for a graph.
const ALLOCATORS: usize = 20;

/// Computes the figures of a freshly read graph, with those settled before it at hand, and drops its columns.
pub fn settle(graph: &mut HeapGraph, ask: Ask<'_>, earlier: &[&HeapGraph]) {
    let Some(mut g) = graph.columns.take() else { return };
    let mut shapes = std::mem::take(&mut g.shapes);
    if graph.names_lost {
        borrow::names(&mut g, earlier.iter().filter_map(|e| e.fold.as_deref()));
    }
    graph.births = births::births(&g);
    graph.allocated = allocated::all(&g, ALLOCATORS);
    graph.scripts = g.scripts.clone();
    let mut class = std::mem::take(&mut g.class);
    shapes::assign(&shapes, &shapes.interfaces, &mut class, &mut g.classes);
    g.class = class;
    if graph.edges_lost {
        let (mut rows, hidden) = measure::by_class(&g, measure::own_sums(&g, None), None, false);
        // What a class's own objects take is the least it retains, and no larger bound is sound where references are missing,
        // not even for those that were read: an object whose references were not read may refer to any other, and one such
        // reference from outside takes a whole subtree away from its holder. Dominators of the part that was read are upper
        // figures as often as lower ones.
        rows.iter_mut().for_each(|r| r.retained_bytes = Some(r.bytes));
        rows.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.class.key().cmp(&b.class.key())));
        graph.rows = rows;
        answer(graph, &g, ask, None);
        if ask.compare {
            fold::unshaped(&mut g, &shapes);
            let order = &fold::by_id(&g);
            let marks = fold::marks(&g, order);
            let from = fold::Sources { shapes, order, marks, retained: None, elements: &[] };
            let mut fold = fold::fold(&g, from);
            fold.hidden = hidden;
            graph.fold = Some(Box::new(fold));
        }
        return;
    }
    // What edges are called is only needed for ways to what was gained.
    let passing = ask.compare && ask.skip_growth && ask.ids.is_empty();
    if !ask.compare || ask.skip_growth {
        spare::give(std::mem::take(&mut g.label));
    }
    let mut by_id = None;
    if passing {
        // Names have done their work once objects are marked; what is read meanwhile needs their room.
        let order = fold::by_id(&g);
        by_id = Some((fold::marks(&g, &order), order));
        spare::give(std::mem::take(&mut g.name));
        (g.strings, g.places) = (StringTable::default(), Vec::new());
    }
    let comparable = ask.compare && !ask.skip_growth && earlier.iter().any(|e| e.fold.as_ref().is_some_and(|f| !f.retained.is_empty()));
    // Dominators are one long chain of steps: everything that can be done without them stands beside them.
    let beside = || {
        let ids = by_id.or_else(|| {
            let order = ask.compare.then(|| fold::by_id(&g))?;
            Some((fold::marks(&g, &order), order))
        });
        let references = if ask.compare { fold::references(&g) } else { Vec::new() };
        if passing {
            return (ids, references, measure::own_sums(&g, None), (None, Vec::new(), None));
        }
        let distance = measure::distances(&g);
        let sums = measure::own_sums(&g, Some(&distance));
        let from = if comparable { ways::ways(&g) } else { Vec::new() };
        let repeated = (!graph.names_lost).then(|| strings::repeated(&g, &from, ask.show_strings));
        (ids, references, sums, (Some(distance), from, repeated))
    };
    // While a next one is read there is no thread to spare, and side by side both need their memory at once.
    let (tree, (ids, references, sums, (distance, from, repeated))) = match passing {
        true => (dominators::dominators(&g), beside()),
        false => rayon::join(|| dominators::dominators(&g), beside),
    };
    graph.repeated = repeated;
    if passing {
        spare::give(std::mem::take(&mut g.to));
    } else {
        // What follows takes many columns of a row per node: all others that are kept go first.
        spare::keep_for(g.nodes());
    }
    // What classes retain is compared between the first and the last.
    let wanted = !passing || earlier.is_empty();
    let (numbered, (preorder, elements)) = rayon::join(
        || measure::retained(&g, &tree),
        || (wanted.then(|| measure::preorder(&tree)), ask.compare.then(|| fold::elements(&g, &tree, references))),
    );
    let (column, by_class) =
        rayon::join(|| measure::by_node(&tree, &numbered), || preorder.map(|p| measure::class_retained(&g, &tree, p, &numbered)));
    spare::give(numbered.low);
    let (rows, hidden) = measure::by_class(&g, sums, by_class, distance.is_some());
    graph.rows = rows;
    let distance = distance.unwrap_or_default();
    if !ask.ids.is_empty() {
        answer(graph, &g, ask, Some((&tree, &column, &distance)));
    }
    let Some((elements, (marks, order))) = elements.zip(ids) else { return };
    let interfaces = std::mem::take(&mut shapes.interfaces);
    let same: Vec<&Fold> = if comparable {
        let folds = earlier.iter().filter_map(|e| e.fold.as_deref()).filter(|f| !f.retained.is_empty());
        folds.filter(|f| fold::same_marks(&f.marks, &marks) == Some(true)).collect()
    } else {
        Vec::new()
    };
    if !same.is_empty() {
        let now = growth::Now {
            g: &g,
            tree: &tree,
            retained: &column,
            distance: &distance,
            from: &from,
            order: &order,
            elements: &elements,
            interfaces: &interfaces,
        };
        graph.growth = growth::find(&now, &same);
    }
    // The fold is as big as half a graph: what it does not need goes first.
    drop(distance);
    for column in [std::mem::take(&mut g.label), std::mem::take(&mut g.to), tree.order, tree.idom, from] {
        spare::give(column);
    }
    fold::unshaped(&mut g, &shapes);
    let sources = fold::Sources { shapes, order: &order, marks, retained: Some(&column), elements: &elements };
    let mut own = fold::fold(&g, sources);
    own.hidden = hidden;
    own.shapes.interfaces = interfaces;
    graph.fold = Some(Box::new(own));
    let GraphColumns { name, id, self_size, class, first_edge, .. } = *g;
    for column in [order, column.low, elements, name, id.low, self_size.low, class, first_edge] {
        spare::give(column);
    }
}

/// Answers for single objects by id.
fn answer(graph: &mut HeapGraph, g: &GraphColumns, ask: Ask<'_>, figures: Option<(&dominators::Tree, &WideColumn, &[i32])>) {
    let ids = ask.ids;
    let mut wanted: Vec<(u64, usize)> = ids.iter().copied().zip(0..).collect();
    wanted.sort_unstable();
    let mut number = Vec::new();
    if let Some((tree, _, _)) = figures {
        number = vec![0u32; g.nodes()];
        for (i, &v) in tree.order.iter().enumerate() {
            if let Some(slot) = number.get_mut(v as usize) {
                *slot = i as u32;
            }
        }
    }
    let mut found: Vec<Option<u32>> = vec![None; ids.len()];
    for n in 0..g.nodes() {
        let id = g.id.get(n);
        let from = wanted.partition_point(|w| w.0 < id);
        for &(_, at) in wanted.get(from..).unwrap_or(&[]).iter().take_while(|w| w.0 == id) {
            if let Some(slot) = found.get_mut(at) {
                *slot = Some(n as u32);
            }
        }
    }
    for (&id, node) in ids.iter().zip(found) {
        let Some(node) = node else {
            graph.unknown_ids.push(id);
            continue;
        };
        let n = node as usize;
        let num = number.get(n).copied();
        graph.answers.push(NodeAnswer {
            id,
            // A string's name is its text.
            name: match g.node_kind(node) {
                NodeKind::String | NodeKind::Rope if !ask.show_strings => g.class_name(node).to_owned(),
                _ => g.node_name(node).to_owned(),
            },
            class: g.class_name(node).to_owned(),
            self_bytes: g.self_size.get(n),
            retained_bytes: figures.map(|(_, r, _)| r.get(n)),
            distance: figures.and_then(|(_, _, d)| d.get(n).copied()),
            dominator_id: figures.zip(num).and_then(|((t, _, _), i)| {
                let up = t.idom.get(i as usize).and_then(|&d| t.order.get(d as usize))?;
                Some(g.id.get(*up as usize))
            }),
        });
    }
}
