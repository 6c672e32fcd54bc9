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
}

/// The shape of a stack, innermost function first. `goroutine` where the stack is a goroutine's and not an allocation's.
pub fn recognise(stack: &[String], goroutine: bool) -> Option<Shape> {
    let has = |name: &str| stack.iter().any(|f| f.starts_with(name));
    let first =
        |names: &[&str]| stack.iter().find(|f| !f.starts_with("runtime.gopark")).is_some_and(|f| names.iter().any(|n| f.starts_with(n)));
    let shape = |id, says| Some(Shape { id, says });
    if has("net/http.(*persistConn)") || has("net/http.(*Transport).dialConn") {
        return shape("unclosed-body", "connections of an HTTP client that are never given back, as when response bodies are not closed");
    }
    if has("time.NewTicker") || has("time.Tick") {
        return shape("ticker", "tickers that are not stopped are kept by the runtime before Go 1.23");
    }
    if has("time.After") || has("time.NewTimer") {
        return shape("timer", "timers of time.After are kept until they fire, before Go 1.23 even when nobody waits");
    }
    if has("context.WithCancel") || has("context.WithTimeout") || has("context.WithDeadline") || has("context.(*cancelCtx).propagateCancel")
    {
        return shape("context-not-cancelled", "contexts stay with their parent until they are cancelled");
    }
    if !goroutine {
        return None;
    }
    if first(&["runtime.chansend", "runtime.chanrecv", "runtime.selectgo", "runtime.block"]) {
        return match stack.iter().find(|f| !f.starts_with("runtime.gopark")).map(String::as_str) {
            Some(f) if f.starts_with("runtime.chansend") => shape("blocked-send", "goroutines wait to send on a channel that nobody reads"),
            Some(f) if f.starts_with("runtime.chanrecv") => {
                shape("blocked-receive", "goroutines wait to receive from a channel that nobody closes")
            }
            Some(f) if f.starts_with("runtime.selectgo") => shape("blocked-select", "goroutines wait in a select that nothing ends"),
            _ => shape("blocked-forever", "goroutines wait on a nil channel or an empty select"),
        };
    }
    if has("sync.(*Mutex).Lock") || has("sync.runtime_SemacquireMutex") || has("internal/sync.(*Mutex)") {
        return shape("blocked-lock", "goroutines wait for a lock");
    }
    if has("sync.(*WaitGroup).Wait") {
        return shape("blocked-wait", "goroutines wait for a WaitGroup that is not done");
    }
    if has("internal/poll.runtime_pollWait") || has("internal/poll.(*FD)") {
        return shape("blocked-io", "goroutines wait for the network without a deadline");
    }
    None
}

/// The shape of a wait state as goroutine dumps print it; such dumps leave the runtime's own frames out.
pub fn waits_in(state: &str) -> Option<Shape> {
    let shape = |id, says| Some(Shape { id, says });
    match state {
        "chan send" => shape("blocked-send", "goroutines wait to send on a channel that nobody reads"),
        "chan receive" => shape("blocked-receive", "goroutines wait to receive from a channel that nobody closes"),
        "select" => shape("blocked-select", "goroutines wait in a select that nothing ends"),
        "sync.Mutex.Lock" | "sync.RWMutex.Lock" | "sync.RWMutex.RLock" => shape("blocked-lock", "goroutines wait for a lock"),
        "sync.WaitGroup.Wait" => shape("blocked-wait", "goroutines wait for a WaitGroup that is not done"),
        "IO wait" => shape("blocked-io", "goroutines wait for the network without a deadline"),
        _ if state.contains("(nil chan)") || state.contains("(no cases)") => {
            shape("blocked-forever", "goroutines wait on a nil channel or an empty select")
        }
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
    }
}
