//! Claims: how much of a Go process's resident memory its runtime accounts for. Mechanism: Sys − HeapReleased bounds what the
//! runtime can hold; RSS beyond it is the binary, cgo or mmap. Refuted by: figures of different moments. A level is no
//! growth, so this only lends weight to what others found.

use crate::diagnosis::case::Case;
use crate::diagnosis::rule::{Need, Rule, Witness};
use crate::model::finding::{Cause, Strength};
use crate::model::quantity::{MIB, human};

/// Share of RSS from which on an unexplained remainder is worth a word; binary and libraries stay below it.
const LARGE: f64 = 0.3;
/// And below which the runtime accounts for all that matters.
const SMALL: f64 = 0.1;
const LEAST: f64 = 64.0 * MIB as f64;

pub struct RssBridge;

impl Rule for RssBridge {
    fn id(&self) -> &'static str {
        "rss-bridge"
    }

    fn needs(&self) -> &'static [Need] {
        &[Need::Container]
    }

    fn examine(&self, case: &Case<'_>, out: &mut Witness<'_>) {
        for b in case.incident.bridges.iter().filter(|b| case.is_mine(&b.owner)) {
            let (Some(runtime), Some(rss), Some(rest)) = (b.bytes("runtime"), b.bytes("rss"), b.bytes("unexplained")) else { continue };
            if rss < LEAST {
                continue;
            }
            if rest >= LARGE * rss && rest >= LEAST {
                let says = format!(
                    "of {} RSS the Go runtime accounts for {}; {} ({:.0} %) is outside of it: cgo, mmap or the binary",
                    human(rss),
                    human(runtime),
                    human(rest),
                    rest / rss * 100.0
                );
                out.supports(Cause::NativeGrowth, Strength::Weak, "Runtime metrics", b.cites(), says);
            } else if rest < SMALL * rss {
                let live = b.bytes("live-heap").or(b.bytes("heap-in-use")).unwrap_or(0.0);
                let says = format!(
                    "the Go runtime accounts for {} of {} RSS, {} of it live heap: nothing of note is outside of it",
                    human(runtime.min(rss)),
                    human(rss),
                    human(live)
                );
                out.contradicts(Cause::NativeGrowth, Strength::Weak, "Runtime metrics", b.cites(), says);
            }
        }
    }
}
