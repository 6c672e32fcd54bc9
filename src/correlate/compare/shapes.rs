//! Known shapes of leaks, told by the functions of a stack: what is usually forgotten where such a stack piles up.
//!
//! Each shape is a fact about a runtime (Go's `net/http`, `time`, `context`, channels), never about one program. A shape
//! explains growth that was already found; it does not make a suspect.

/// A recognised shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Leak-pattern id.
    pub id: &'static str,
    /// What it means, to follow after a semicolon.
    pub says: &'static str,
    /// What usually mends it.
    pub advice: &'static str,
}

pub const UNCLOSED_BODY: Shape = Shape {
    id: "unclosed-body",
    says: "connections of an HTTP client that are never given back, as when response bodies are not closed",
    advice: "Close every response body (defer resp.Body.Close() right after the error check), also on error paths and for statuses that are not used; set Client.Timeout.",
};
const IDLE_CONNECTIONS: Shape = Shape {
    id: "idle-connections",
    says: "connections of clients that stay open",
    advice: "Set ReadHeaderTimeout and IdleTimeout of the http.Server, and find the clients that keep connections without using them.",
};
const TICKER: Shape = Shape {
    id: "ticker",
    says: "tickers that are not stopped are kept by the runtime before Go 1.23, and by their goroutine in any version",
    advice: "Stop every ticker (defer t.Stop()) and end the goroutine that ranges over it; time.Tick cannot be stopped before Go 1.23.",
};
const TIMER: Shape = Shape {
    id: "timer",
    says: "timers are kept until they fire, those of time.After before Go 1.23 even when nobody waits for them",
    advice: "Use one time.NewTimer outside the loop with Reset and Stop, or a context with a deadline that is cancelled; keep what time.AfterFunc returns and stop it.",
};
const CONTEXT: Shape = Shape {
    id: "context-not-cancelled",
    says: "contexts stay with their parent until they are cancelled or time out",
    advice: "Call the cancel function on every path (defer cancel()); go vet's lostcancel check finds where it is dropped.",
};
const CONTEXT_CHAIN: Shape = Shape {
    id: "context-chain",
    says: "each value wraps the context before it, and all of them live as long as the last",
    advice: "Derive the context of each request from the one it came with, never from a context kept in a variable that lives on.",
};
pub const DEFER_IN_LOOP: Shape = Shape {
    id: "defer-in-loop",
    says: "deferred calls and what they hold are kept until their function returns, and this one runs on",
    advice: "Move the body of the loop into a function of its own, so that its deferred calls run with every turn.",
};
/// Told by heap and goroutines together only.
pub const LONG_RUNNING_CALL: Shape = Shape {
    id: "long-running-call",
    says: "it is still running in the goroutine that it ran in when the first profile was taken: what its loop defers, or collects in a local variable, is kept until it returns",
    advice: "If the loop defers, move its body into a function of its own; if it collects, bound what it collects or hand it on.",
};
const BUFFER: Shape = Shape {
    id: "unbounded-buffer",
    says: "a buffer that is written to and never emptied",
    advice: "Write the buffer out and Reset it, or stream to the final writer instead of collecting.",
};
const MAP: Shape = Shape {
    id: "unbounded-cache",
    says: "a map that gains entries and loses none",
    advice: "Give the map a bound or an age (an LRU, a sweep that deletes), or delete each entry when what it stands for ends.",
};
const COMPRESSORS: Shape = Shape {
    id: "unreleased-compressor",
    says: "compressors are large (0.3 to 1.2 MB each) and every one of them is kept",
    advice: "Close and reuse compressors (a sync.Pool with Reset) and keep none in long-lived structures.",
};
const SEND: Shape = Shape {
    id: "blocked-send",
    says: "goroutines wait to send on a channel that nobody reads",
    advice: "Give the channel room for one result (make(chan T, 1)) or select on ctx.Done() beside the send, so that the sender ends when its reader has left.",
};
const RECEIVE: Shape = Shape {
    id: "blocked-receive",
    says: "goroutines wait to receive from a channel that nobody closes",
    advice: "Close the channel when the sender is done, or select on ctx.Done() beside the receive.",
};
const SELECT: Shape = Shape {
    id: "blocked-select",
    says: "goroutines wait in a select that nothing ends",
    advice: "Give the select a case for ctx.Done() or a stop channel, and see that it is closed when the owner ends.",
};
const FOREVER: Shape = Shape {
    id: "blocked-forever",
    says: "goroutines wait on a nil channel or an empty select",
    advice: "A nil channel blocks for ever: make the channel before the goroutine starts, or leave its case out on purpose only.",
};
const LOCK: Shape = Shape {
    id: "blocked-lock",
    says: "goroutines wait for a lock",
    advice: "Find the holder (the mutex profile, or the one goroutine that is inside the critical section) and unlock with defer.",
};
const WAIT: Shape = Shape {
    id: "blocked-wait",
    says: "goroutines wait for a WaitGroup or condition that never comes",
    advice: "Call wg.Done() with defer at the top of each worker and Add before it starts; wake every waiter of a Cond when the state ends.",
};
const IO: Shape = Shape {
    id: "blocked-io",
    says: "goroutines wait for the network without a deadline",
    advice: "Set deadlines (SetReadDeadline, http.Server.IdleTimeout) so that a silent peer cannot hold a goroutine and its buffers.",
};
const SLEEP: Shape = Shape {
    id: "endless-loop",
    says: "goroutines sleep and wake again without end",
    advice: "Start such a loop once, not per request, or end it through its context.",
};

/// The shape of a stack, innermost function first. `goroutine` where the stack is a goroutine's and not an allocation's.
pub fn recognise(stack: &[String], goroutine: bool) -> Option<Shape> {
    let has = |name: &str| stack.iter().any(|f| f.starts_with(name));
    if has("net/http.(*persistConn)") && goroutine || has("net/http.(*Transport).dialConn") || has("net/http.(*Transport).startDialConn") {
        return Some(UNCLOSED_BODY);
    }
    if has("time.NewTicker") || has("time.Tick") {
        return Some(TICKER);
    }
    // A timer of a context is the context's.
    if has("context.With") || has("context.(*cancelCtx)") || has("context.withCancel") {
        return Some(if stack.first().is_some_and(|f| f.starts_with("context.WithValue")) { CONTEXT_CHAIN } else { CONTEXT });
    }
    if has("time.After") || has("time.NewTimer") {
        return Some(TIMER);
    }
    if goroutine {
        return waiting(stack);
    }
    let leaf = stack.first().map_or("", String::as_str);
    if has("runtime.deferproc") || has("runtime.newdefer") {
        return Some(DEFER_IN_LOOP);
    }
    if leaf.starts_with("compress/") || leaf.starts_with("github.com/klauspost/compress/") {
        return Some(COMPRESSORS);
    }
    if leaf.starts_with("bytes.growSlice") || has("bytes.(*Buffer).grow") || leaf.starts_with("strings.(*Builder).grow") {
        return Some(BUFFER);
    }
    if has("sync.(*Map).")
        || has("internal/sync.(*HashTrieMap")
        || leaf.starts_with("internal/runtime/maps.")
        || leaf.starts_with("runtime.mapassign")
    {
        return Some(MAP);
    }
    if has("net/http.(*conn).serve") && stack.iter().all(|f| !f.contains("ServeHTTP") && !f.contains("HandlerFunc")) {
        return Some(IDLE_CONNECTIONS);
    }
    None
}

/// The shape of a goroutine's stack by what it waits for, its runtime frames included.
fn waiting(stack: &[String]) -> Option<Shape> {
    let has = |name: &str| stack.iter().any(|f| f.starts_with(name));
    match stack.iter().find(|f| !f.starts_with("runtime.gopark")).map_or("", String::as_str) {
        f if f.starts_with("runtime.chansend") => return Some(SEND),
        f if f.starts_with("runtime.chanrecv") => return Some(RECEIVE),
        f if f.starts_with("runtime.selectgo") => return Some(SELECT),
        f if f.starts_with("runtime.block") => return Some(FOREVER),
        f if f.starts_with("time.Sleep") || f.starts_with("runtime.timeSleep") => return Some(SLEEP),
        _ => {}
    }
    if has("sync.(*Mutex).") || has("sync.(*RWMutex).") || has("sync.runtime_SemacquireMutex") || has("internal/sync.(*Mutex)") {
        return Some(LOCK);
    }
    if has("sync.(*WaitGroup).Wait") || has("sync.(*Cond).Wait") {
        return Some(WAIT);
    }
    if has("net/http.(*conn).serve") && has("net/http.(*connReader)") {
        return Some(IDLE_CONNECTIONS);
    }
    (has("internal/poll.runtime_pollWait") || has("internal/poll.(*FD)")).then_some(IO)
}

/// The shape of a wait state as goroutine dumps print it; such dumps leave the runtime's own frames out.
pub fn waits_in(state: &str) -> Option<Shape> {
    match state.trim_end_matches(" (leaked)").trim_end_matches(" (scan)").trim_end_matches(" (durable)") {
        "chan send" => Some(SEND),
        "chan receive" => Some(RECEIVE),
        "select" => Some(SELECT),
        "sync.Mutex.Lock" | "sync.RWMutex.Lock" | "sync.RWMutex.RLock" => Some(LOCK),
        "sync.WaitGroup.Wait" | "sync.Cond.Wait" => Some(WAIT),
        "IO wait" => Some(IO),
        "sleep" => Some(SLEEP),
        s if s.contains("(nil chan)") || s.contains("(no cases)") => Some(FOREVER),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_send_is_told_from_an_idle_connection() {
        let stack = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let id = |names: &[&str]| recognise(&stack(names), true).map(|s| s.id);
        assert_eq!(id(&["runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.worker"]), Some("blocked-send"));
        assert_eq!(id(&["runtime.gopark", "runtime.selectgo", "net/http.(*persistConn).writeLoop"]), Some("unclosed-body"));
        assert_eq!(recognise(&stack(&["main.cache"]), false), None);
        // The timer of WithTimeout is the context's, not a forgotten time.After.
        let timeout = ["time.newTimer", "time.AfterFunc", "context.WithDeadlineCause", "context.WithTimeout", "shop.call"];
        assert_eq!(recognise(&stack(&timeout), false).map(|s| s.id), Some("context-not-cancelled"));
        // What a client's caller allocates on its own stack is no connection.
        assert_eq!(recognise(&stack(&["net/http.Header.Set", "net/http.(*persistConn).roundTrip", "shop.fetch"]), false), None);
        assert_eq!(waits_in("chan receive (nil chan)").map(|s| s.id), Some("blocked-forever"));
        assert_eq!(waits_in("chan send (leaked)").map(|s| s.id), Some("blocked-send"));
    }
}
