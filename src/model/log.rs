//! Words in logs that bear on memory: a runtime's own out-of-memory text, kubelet's and the container runtime's notices.

/// What a log line means; `pattern` in `logs[]` of `postmem.inspect/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogPattern {
    /// V8: `FATAL ERROR: … JavaScript heap out of memory`.
    V8HeapLimit,
    /// JVM: `java.lang.OutOfMemoryError: …`.
    JavaOutOfMemory,
    /// Go: `fatal error: runtime: out of memory`, `cannot allocate memory`.
    GoOutOfMemory,
    /// Python: `MemoryError`.
    PythonMemoryError,
    /// .NET, Ruby and others: out-of-memory words.
    OtherOutOfMemory,
    /// hs_err: native allocation failed.
    JvmFatal,
    /// kubelet: eviction manager acts.
    Eviction,
    /// containerd/CRI-O: TaskOOM, OOM exit file.
    TaskOom,
    /// kubelet: container died (PLEG).
    ContainerDied,
    /// kubelet: the pods it was given, many at once when it starts.
    PodsListed,
    /// PLEG unhealthy, reconciliation trouble.
    PlegUnhealthy,
    /// systemd: a unit was OOM-killed.
    UnitOomKilled,
    /// systemd-oomd, earlyoom and the like acted.
    UserspaceOomd,
    /// Probe failed, container will be restarted.
    ProbeFailed,
    /// A supervisor in the container saw a child die by SIGKILL (gunicorn, nginx, PostgreSQL, a shell).
    ChildKilled,
    /// Process was told to stop.
    Sigterm,
    /// GC of a runtime reports its heap (values in `numbers`).
    GcReport,
    /// A runtime's own figures of its heap, first and last of their kind (values in `numbers`).
    HeapReport,
    /// kubelet or runtime started.
    ServiceStarted,
    /// A configuration reload.
    ConfigReload,
    /// Kernel or runtime messages known to be lost: rate limits, `Missed N`.
    MessagesLost,
    /// The kernel found nothing that it may kill, many times over.
    NoVictimStorm,
    /// Anything else worth a place on the timeline.
    Note,
}

impl LogPattern {
    /// A runtime's own word that it got no memory.
    pub fn is_out_of_memory(self) -> bool {
        matches!(
            self,
            LogPattern::V8HeapLimit
                | LogPattern::JavaOutOfMemory
                | LogPattern::GoOutOfMemory
                | LogPattern::PythonMemoryError
                | LogPattern::OtherOutOfMemory
                | LogPattern::JvmFatal
        )
    }

    pub fn word(self) -> &'static str {
        match self {
            LogPattern::V8HeapLimit => "v8-heap-limit",
            LogPattern::JavaOutOfMemory => "java-out-of-memory",
            LogPattern::GoOutOfMemory => "go-out-of-memory",
            LogPattern::PythonMemoryError => "python-memory-error",
            LogPattern::OtherOutOfMemory => "out-of-memory",
            LogPattern::JvmFatal => "jvm-fatal",
            LogPattern::Eviction => "eviction",
            LogPattern::TaskOom => "task-oom",
            LogPattern::ContainerDied => "container-died",
            LogPattern::PodsListed => "pods-listed",
            LogPattern::PlegUnhealthy => "pleg-unhealthy",
            LogPattern::UnitOomKilled => "unit-oom-killed",
            LogPattern::UserspaceOomd => "userspace-oomd",
            LogPattern::ProbeFailed => "probe-failed",
            LogPattern::ChildKilled => "child-killed",
            LogPattern::Sigterm => "sigterm",
            LogPattern::GcReport => "gc-report",
            LogPattern::HeapReport => "heap-report",
            LogPattern::ServiceStarted => "service-started",
            LogPattern::ConfigReload => "config-reload",
            LogPattern::MessagesLost => "messages-lost",
            LogPattern::NoVictimStorm => "no-victim-storm",
            LogPattern::Note => "note",
        }
    }
}

/// One such line. `numbers` are named figures read from it: bytes, counts, seconds as the name says.
#[derive(Debug, Clone, PartialEq)]
pub struct LogWord {
    pub pattern: LogPattern,
    pub text: String,
    pub numbers: Vec<(&'static str, f64)>,
}

impl LogWord {
    /// Whether the process cannot have gone on after these words: what a runtime prints when it ends itself. An exception may
    /// have been caught, and a refused fork leaves its parent alive.
    pub fn ends_process(&self) -> bool {
        let says = |words: &[&str]| words.iter().any(|w| self.text.contains(w));
        match self.pattern {
            LogPattern::V8HeapLimit | LogPattern::GoOutOfMemory | LogPattern::JvmFatal => true,
            LogPattern::JavaOutOfMemory => says(&["Terminating due to", "Aborting due to", "OutOfMemory encountered"]),
            LogPattern::OtherOutOfMemory => {
                says(&["Unhandled exception", "terminate called", "memory allocation of", "eheap_alloc", "NoMemoryError"])
            }
            _ => false,
        }
    }

    /// A process that asked for memory and was refused, whether it went on or not; a fork that failed took nobody's life.
    pub fn refused_memory(&self) -> bool {
        self.pattern.is_out_of_memory() && !self.text.contains("fork") && !self.text.contains("Allowed memory size")
    }
}
