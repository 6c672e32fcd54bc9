//! Which of a runtime's own pools ran out, read from its last words. Such an end is not the container's limit's doing: each
//! pool has a bound of its own and a flag that moves it. Sources: HotSpot's and V8's messages, Java's troubleshooting guide.

use super::case::Case;
use crate::model::oom::KillKind;

/// A pool with a bound of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Words of the runtime's message that name it.
    message: &'static str,
    /// `ran out of …`.
    pub name: &'static str,
    /// Growth in it is growth of the managed heap.
    pub heap: bool,
    pub advice: &'static str,
}

const POOLS: &[Pool] = &[
    Pool {
        message: "Metaspace",
        name: "Metaspace",
        heap: false,
        advice: "Raise -XX:MaxMetaspaceSize, or find the class loaders that are never released (jcmd 1 VM.classloader_stats).",
    },
    Pool {
        message: "Compressed class space",
        name: "compressed class space",
        heap: false,
        advice: "Raise -XX:CompressedClassSpaceSize, or find the class loaders that are never released.",
    },
    Pool {
        message: "irect buffer memory",
        name: "direct buffer memory",
        heap: false,
        advice: "Raise -XX:MaxDirectMemorySize (by default as much as -Xmx), or find the buffers that are never released.",
    },
    Pool {
        message: "native thread",
        name: "native threads",
        heap: false,
        advice: "Look at the number of threads and at the limits of processes (pids.max of the pod, ulimit -u): memory is not what was missing.",
    },
    Pool {
        message: "Java heap space",
        name: "Java heap",
        heap: true,
        advice: "The heap's own cap (-Xmx, MaxRAMPercentage) ended it, not the container's limit: find what fills it before raising it.",
    },
    Pool {
        message: "GC overhead limit exceeded",
        name: "Java heap",
        heap: true,
        advice: "The heap's own cap (-Xmx, MaxRAMPercentage) ended it, not the container's limit: find what fills it before raising it.",
    },
    Pool {
        message: "heap out of memory",
        name: "V8 heap",
        heap: true,
        advice: "V8's own cap (--max-old-space-size, else a default that V8 takes from the machine) ended it, not the container's limit.",
    },
];

/// The pool whose end the last words of this container tell of, where its runtime ended itself.
pub fn of(case: &Case<'_>) -> Option<Pool> {
    let aborts = case.kills.iter().rev().filter(|k| k.kind == KillKind::RuntimeAbort);
    let words = aborts.flat_map(|k| k.told.iter().map(|t| t.says.as_str()));
    words.into_iter().find_map(named).or_else(|| {
        let any = case.kills.iter().any(|k| k.kind == KillKind::RuntimeAbort);
        case.logs.iter().rev().filter(|_| any).find_map(|l| named(&l.what.text))
    })
}

fn named(text: &str) -> Option<Pool> {
    POOLS.iter().copied().find(|p| text.contains(p.message))
}

/// Every end of this container was its runtime's own doing.
pub fn only_own(case: &Case<'_>) -> bool {
    !case.kills.is_empty() && case.kills.iter().all(|k| k.kind == KillKind::RuntimeAbort) && case.restarts_at_limit() == 0
}
