//! When what is alive was allocated: files that recorded allocations give, for moments, the last object id handed out by
//! then. An object was born before the first moment whose last id reaches its own.

use crate::model::graph::{Birth, GraphColumns};

/// Buckets given; neighbours are joined until there are no more.
const BUCKETS: usize = 48;
/// A first moment so soon after the start of recording, in µs, stands for the start.
const AT_ONCE: i64 = 10_000;

/// Live objects and bytes by time of birth, earliest first; nothing where the file recorded none.
pub fn births(g: &GraphColumns) -> Vec<Birth> {
    let mut moments = g.births.clone();
    moments.sort_unstable();
    moments.dedup_by_key(|m| m.0);
    let (Some(first), Some(last)) = (moments.first().copied(), moments.last().copied()) else { return Vec::new() };
    let mut all: Vec<(u64, u64)> = vec![(0, 0); moments.len()];
    for n in 0..g.nodes() {
        let (id, size) = (g.id.get(n), g.self_size.get(n));
        // Even ids are the embedder's: they are not handed out in order.
        if id % 2 == 0 || id > last.0 || size == 0 {
            continue;
        }
        if let Some(b) = all.get_mut(moments.partition_point(|m| m.0 < id)) {
            b.0 += 1;
            b.1 = b.1.saturating_add(size);
        }
    }
    // What was there when recording began has no time of birth: it stands alone, in a span without length.
    let before = usize::from(first.1 < AT_ONCE && moments.len() > 1);
    let each = (moments.len() - before).div_ceil(BUCKETS).max(1);
    let mut from = if before == 1 { first.1 } else { 0 };
    let (old, new) = (moments.split_at(before), all.split_at(before));
    let pairs = old.0.chunks(1).zip(new.0.chunks(1)).chain(old.1.chunks(each).zip(new.1.chunks(each)));
    pairs
        .map(|(m, b)| {
            let to = m.last().map_or(from, |m| m.1);
            let birth = Birth {
                from_us: from,
                to_us: to,
                objects: b.iter().map(|b| b.0).sum(),
                bytes: b.iter().map(|b| b.1).fold(0, u64::saturating_add),
            };
            from = to;
            birth
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::graph::WideColumn;

    #[test]
    fn objects_fall_into_the_first_moment_that_reaches_them() {
        let column = |v: &[u32]| WideColumn { low: v.to_vec(), wide: Vec::new() };
        let g = GraphColumns {
            id: column(&[1, 3, 4, 5, 9]),
            self_size: column(&[10, 20, 40, 80, 160]),
            class: vec![0; 5],
            births: vec![(3, 20_000), (7, 30_000)],
            ..GraphColumns::default()
        };
        let spans = |g: &GraphColumns| births(g).iter().map(|b| (b.from_us, b.to_us, b.objects, b.bytes)).collect::<Vec<_>>();
        assert_eq!(spans(&g), [(0, 20_000, 2, 30), (20_000, 30_000, 1, 80)]);
        // The first moment at the start itself: what came before it is older than the recording.
        let g = GraphColumns { births: vec![(3, 100), (7, 30_000)], ..g };
        assert_eq!(spans(&g), [(100, 100, 2, 30), (100, 30_000, 1, 80)]);
    }
}
