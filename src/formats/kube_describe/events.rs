//! The `Events:` table at the end of an object. Its columns are named by its header, in every version of kubectl.

use super::paste::Row;
use crate::formats::columns::Columns;
use crate::model::RawTime;
use crate::model::pod::KubeEvent;
use crate::model::time::parse_age;

/// An event without its object, and the row it began in.
pub struct Found {
    pub event: KubeEvent,
    pub row: usize,
}

/// Reads the table whose heading is `rows[at - 1]`; `new_object` tells where the next object begins.
pub fn table(rows: &[Row<'_>], mut at: usize, base: usize, new_object: impl Fn(usize) -> bool, out: &mut Vec<Found>) -> usize {
    while rows.get(at).is_some_and(Row::is_blank) {
        at += 1;
    }
    let Some(header) = rows.get(at).filter(|r| r.text().contains("Reason") && r.text().contains("Message")) else { return at };
    let columns = Columns::of(header.raw());
    if columns.len() < 4 {
        return at;
    }
    at += 1;
    let mut after_blank = false;
    while let Some(r) = rows.get(at) {
        if new_object(at) {
            break;
        }
        if r.is_blank() {
            after_blank = true;
            at += 1;
            continue;
        }
        let event = if r.indent > base || base == 0 && header.indent == 0 { event(&columns, r) } else { None };
        match event {
            Some(e) => {
                out.push(Found { event: e, row: at });
                after_blank = false;
            }
            // Past a blank line only rows of the table are taken: it may be another program's text.
            None if after_blank => break,
            None if r.text().starts_with("----") => {}
            None => {
                if let Some(f) = out.last_mut().filter(|f| f.event.message.len() < 16 << 10) {
                    f.event.message.push('\n');
                    f.event.message.push_str(r.text());
                }
            }
        }
        at += 1;
    }
    at
}

fn event(columns: &Columns<'_>, r: &Row<'_>) -> Option<KubeEvent> {
    let cells = columns.cells(r.raw())?;
    let cell = |name: &str| columns.cell(&cells, name);
    let kind = cell("Type")?;
    if !matches!(kind, "Normal" | "Warning") {
        return None;
    }
    let mut e = KubeEvent { kind: Some(kind.to_owned()), ..KubeEvent::default() };
    e.reason = cell("Reason")?.to_owned();
    e.message = cell("Message").unwrap_or("").to_owned();
    // Up to 1.19 the source is `component, host`.
    e.source = cell("From").map(|f| f.split(',').next().unwrap_or(f).trim().to_owned());
    e.container = cell("SubObjectPath").or_else(|| cell("SubobjectPath")).and_then(KubeEvent::container_of);
    e.set_age(cell("Age").or_else(|| cell("LastSeen")).unwrap_or(""));
    if let Some(first) = cell("FirstSeen") {
        e.first = age(first);
    }
    if let Some(count) = cell("Count") {
        e.count = count.parse().ok();
    }
    e.take_container_prefix();
    Some(e)
}

fn age(text: &str) -> RawTime {
    parse_age(text).unwrap_or_default()
}
