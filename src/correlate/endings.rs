//! What a terminated container state means. `OOMKilled` and exit code 137 are neither necessary nor sufficient for an
//! out-of-memory kill, so every reading is built from the reason, the code, the pod's own status, events, logs and kernel
//! reports near in time, and says what speaks for and against it. Where nothing decides, the kind stays open.

use super::limits;
use crate::model::kill::Told;
use crate::model::oom::{Constraint, KillKind, LimitLevel, OomKill};
use crate::model::pod::{ContainerKind, ContainerRun, ContainerState, KubeEvent, PodState};
use crate::model::time::{Basis, MINUTE, SECOND};
use crate::model::{Cite, Index, Placed, When};

/// Two witnesses of one moment may differ by this much.
const SAME_MOMENT: i64 = 2 * MINUTE;
/// Longest usual termination grace period with its delays.
const GRACE: i64 = 5 * MINUTE;

/// A node's reboot with the start of everything on it.
const REBOOT: i64 = 15 * MINUTE;

/// Reasons of the condition `DisruptionTarget` (core/v1) but the kubelet's own, whose message tells of evictions.
const DISRUPTIONS: [(&str, &str); 4] = [
    ("PreemptionByScheduler", "the scheduler removed the pod to make room for one of higher priority"),
    ("DeletionByTaintManager", "the pod was removed because its node was tainted NoExecute"),
    ("EvictionByEvictionAPI", "the pod was removed through the eviction API, as a drain or an autoscaler does"),
    ("DeletionByPodGC", "the pod was removed because its node was gone"),
];

/// One reading of one ending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ending {
    /// `None`: an ordinary end, or one that this evidence cannot tell.
    pub kind: Option<KillKind>,
    /// The reading in one sentence.
    pub says: String,
    pub told: Vec<Told>,
    pub against: Vec<Told>,
}

impl Ending {
    fn new(kind: Option<KillKind>, says: impl Into<String>) -> Self {
        Ending { kind, says: says.into(), ..Ending::default() }
    }

    fn with(mut self, evidence: Option<(Cite, String)>) -> Self {
        self.told.extend(evidence.map(|(cite, says)| Told::aside(cite, says)));
        self
    }

    fn but(mut self, against: Option<(Cite, String)>) -> Self {
        self.against.extend(against.map(|(cite, says)| Told::aside(cite, says)));
        self
    }
}

/// Everything that bears on one ending, looked up once.
struct Near<'a> {
    incident: &'a Index<'a>,
    pod: &'a Placed<PodState>,
    container: &'a ContainerState,
    at: Option<When>,
}

/// Reads one terminated state.
pub fn classify(incident: &Index<'_>, pod: &Placed<PodState>, c: &ContainerState, run: &ContainerRun) -> Ending {
    let at = run.finished.map(|t| When { earliest: t, latest: t.saturating_add(SECOND - 1), basis: Basis::Stated });
    let near = Near { incident, pod, container: c, at };
    let reason = run.reason.as_deref().unwrap_or("");
    let code = run.exit_code;
    if reason == "ContainerStatusUnknown" {
        return Ending::new(None, "the kubelet lost this container's status (a reboot or an eviction); its code 137 is made up")
            .with(near.evicted());
    }
    if let Some(e) = near.evicted().filter(|_| pod.what.reason.as_deref() == Some("Evicted")) {
        let but = (reason == "OOMKilled").then(|| near.status(run)).flatten();
        return Ending::new(Some(KillKind::Eviction), "the kubelet evicted the pod; its containers were stopped").with(Some(e)).but(but);
    }
    if reason == "OOMKilled" && run.state.as_deref() == Some("running") {
        return Ending::new(Some(KillKind::ChildProcess), "a child was killed for memory since the container started; it lives on");
    }
    if reason == "Unknown" && code == Some(255) {
        let lost = "the container runtime lost it and made its code 255 up";
        return match near.rebooted() {
            Some(e) => Ending::new(None, format!("its node was rebooted, so {lost}")).with(Some(e)),
            None => Ending::new(None, format!("{lost}, as after a restart of the node or of the runtime itself")),
        };
    }
    match (reason, code) {
        ("OOMKilled", Some(137)) => oom_killed(&near, run),
        // A text that breaks off behind the reason: the container ended, only its code is not there.
        ("OOMKilled", None) => oom_killed(&near, run).but(near.status(run).map(|(c, _)| (c, "the exit code is not in the input".into()))),
        ("OOMKilled", Some(143)) => match near.stopping() {
            Some(e) => Ending::new(
                Some(KillKind::Sigterm),
                "it was told to stop; the OOMKilled reason is a child's earlier kill, which the counter keeps",
            )
            .with(Some(e))
            .but(near.status(run)),
            None => Ending::new(Some(KillKind::ChildProcess), "a child was killed for memory and the container was stopped later")
                .with(near.status(run)),
        },
        ("OOMKilled", _) => {
            Ending::new(Some(KillKind::ChildProcess), "a child was killed for memory; the main process then ended by itself")
                .with(near.status(run))
        }
        (_, Some(137)) => sigkill(&near, run),
        (_, Some(143)) => {
            let probe = near.probe();
            let kind = if probe.is_some() { KillKind::ProbeKill } else { KillKind::Sigterm };
            let says = if probe.is_some() { "a failed probe stopped it, and it left in time" } else { "it was told to stop and did so" };
            Ending::new(Some(kind), says).with(probe.or_else(|| near.stopping()))
        }
        (_, Some(_)) if run.message.as_deref().is_some_and(killed_at_birth) => {
            Ending::new(Some(KillKind::MemcgContainer), "its first process was killed at the memory limit before it could start")
                .with(near.status(run).zip(run.message.clone()).map(|((cite, _), m)| (cite, format!("the container runtime says: {m}"))))
        }
        (_, Some(0)) | (_, None) => Ending::new(None, "it ended by itself"),
        (_, Some(code)) => own_end(&near, run, code),
    }
}

fn oom_killed(near: &Near<'_>, run: &ContainerRun) -> Ending {
    let status = near.status(run);
    if let Some((o, e)) = near.kernel() {
        let kind = match (o.constraint, o.limit_level) {
            (Some(Constraint::None), _) | (_, Some(LimitLevel::Node | LimitLevel::Kubepods)) => KillKind::NodeOom,
            (_, Some(LimitLevel::Pod)) => KillKind::MemcgPod,
            _ if o.group_kill && o.victims.len() > 1 => KillKind::OomGroup,
            _ => KillKind::MemcgContainer,
        };
        return Ending::new(Some(kind), "killed for memory, as the kernel's own report tells").with(Some(e)).with(status);
    }
    let limit = limits::in_force(near.incident, near.pod, near.container, near.at);
    match limit.level {
        Some(LimitLevel::Pod) => {
            Ending::new(Some(KillKind::MemcgPod), "killed for memory; only the pod as a whole has a limit").with(status)
        }
        None => match near.system_oom() {
            Some(e) => Ending::new(Some(KillKind::NodeOom), "killed for memory without a limit of its own: the node ran out")
                .with(Some(e))
                .with(status),
            None => Ending::new(
                Some(KillKind::NodeOom),
                "killed for memory without a limit of its own, so the limit that was hit lies above it",
            )
            .with(status),
        },
        _ => {
            let flavour = match near.container.kind {
                ContainerKind::Main => "the container was killed at its memory limit",
                ContainerKind::Init => "this init container was killed at its own memory limit",
                ContainerKind::Sidecar => "this sidecar was killed at its own memory limit",
                ContainerKind::Ephemeral => "this debug container was killed at its own memory limit",
            };
            Ending::new(Some(KillKind::MemcgContainer), flavour).with(status).but(near.system_oom())
        }
    }
}

/// Code 137 without the word OOMKilled: a SIGKILL whose sender has to be found.
fn sigkill(near: &Near<'_>, run: &ContainerRun) -> Ending {
    let status = near.status(run);
    if let Some((o, e)) = near.kernel() {
        let node = matches!(o.constraint, Some(Constraint::None)) || matches!(o.limit_level, Some(LimitLevel::Node | LimitLevel::Kubepods));
        let (kind, says) = if node {
            (KillKind::NodeOom, "the kernel killed it because the node ran out of memory; Kubernetes shows a plain error")
        } else {
            (KillKind::MemcgContainer, "the kernel killed it at its limit; Kubernetes missed that and shows a plain error")
        };
        return Ending::new(Some(kind), says).with(Some(e)).with(status);
    }
    if let Some(e) = near.probe() {
        return Ending::new(Some(KillKind::ProbeKill), "a failed probe stopped it, and it did not leave within its grace period")
            .with(Some(e))
            .with(status);
    }
    if let Some(e) = near.system_oom() {
        return Ending::new(Some(KillKind::NodeOom), "killed in the second in which the node ran out of memory").with(Some(e)).with(status);
    }
    if let Some(e) = near.stopping() {
        return Ending::new(Some(KillKind::Sigterm), "it was told to stop and was killed when its grace period was over")
            .with(Some(e))
            .with(status);
    }
    if let Some((says, e)) = near.disrupted().or_else(|| near.deleted()) {
        return Ending::new(Some(KillKind::Sigterm), says).with(Some(e)).with(status);
    }
    Ending::new(None, "something sent SIGKILL; nothing here tells who").with(status)
}

/// runc and crun say so when the limit does not even hold what starts the container.
fn killed_at_birth(message: &str) -> bool {
    message.contains("container init was OOM-killed") || (message.contains("OCI runtime") && message.contains("memory limit too low"))
}

/// A code of the program's own choice.
fn own_end(near: &Near<'_>, run: &ContainerRun, code: i32) -> Ending {
    const WORDS: [&str; 6] = [
        "OutOfMemoryError",
        "JavaScript heap out of memory",
        "runtime: out of memory",
        "MemoryError",
        "cannot allocate memory",
        "std::bad_alloc",
    ];
    let message = run.message.as_deref().filter(|m| WORDS.iter().any(|w| m.contains(w)));
    if let (Some(m), Some((cite, _))) = (message, near.status(run)) {
        let first = m.lines().next().unwrap_or(m);
        return Ending::new(Some(KillKind::RuntimeAbort), "the runtime gave up at its own limit; the kernel was not involved")
            .with(Some((cite, format!("its termination message says: {first}"))));
    }
    let log = near.incident.logs_of(&near.pod.owner).find(|l| {
        let ours = l.owner.container.is_none() || l.owner.container.as_deref() == Some(near.container.name.as_str());
        let fits = near.at.is_none_or(|a| !l.at.is_known() || l.at.near(&a, SAME_MOMENT));
        ours && fits && l.what.pattern.is_out_of_memory()
    });
    match log {
        Some(l) => Ending::new(Some(KillKind::RuntimeAbort), "the runtime gave up at its own limit; the kernel was not involved")
            .with(Some((l.cite.clone(), l.what.text.clone()))),
        None => Ending::new(None, format!("it ended by itself with code {code}")),
    }
}

impl Near<'_> {
    fn status(&self, run: &ContainerRun) -> Option<(Cite, String)> {
        let mut cite = self.pod.cite.clone();
        if let Some(offset) = self.container.offset {
            cite.span.offset = offset;
            cite.span.line = self.container.line;
        }
        let code = run.exit_code.map_or("unknown".into(), |c| c.to_string());
        Some((
            cite,
            format!("container {} ended with reason {} and exit code {code}", self.container.name, run.reason.as_deref().unwrap_or("none")),
        ))
    }

    fn events(&self) -> impl Iterator<Item = &Placed<KubeEvent>> {
        self.incident.events_of(&self.pod.owner)
    }

    /// The event, folded or not, may belong to this ending.
    fn fits(&self, e: &Placed<KubeEvent>, slack: i64) -> bool {
        let Some(at) = self.at else { return true };
        let first = e.what.first_at.unwrap_or(e.at);
        let span = When { earliest: first.earliest.min(e.at.earliest), latest: e.at.latest, basis: e.at.basis };
        !e.at.is_known() || e.at.near(&at, slack) || e.what.count.is_some_and(|n| n > 1) && span.near(&at, slack)
    }

    fn told(&self, e: &Placed<KubeEvent>) -> (Cite, String) {
        (e.cite.clone(), format!("event {}: {}", e.what.reason, e.what.message))
    }

    /// The kubelet says that a probe failed and the container will be restarted.
    fn probe(&self) -> Option<(Cite, String)> {
        let killing = |e: &&Placed<KubeEvent>| {
            let m = &e.what.message;
            e.what.reason == "Killing"
                && (m.contains("liveness probe") || m.contains("startup probe"))
                && e.what.names_container(&self.container.name)
        };
        self.events().filter(killing).find(|e| self.fits(e, GRACE)).map(|e| self.told(e))
    }

    fn stopping(&self) -> Option<(Cite, String)> {
        let killing = |e: &&Placed<KubeEvent>| {
            matches!(e.what.reason.as_str(), "Killing" | "Preempted" | "Preempting")
                && !e.what.message.contains(" probe")
                && (e.what.names_container(&self.container.name) || e.what.reason != "Killing")
        };
        self.events().filter(killing).find(|e| self.fits(e, GRACE)).map(|e| self.told(e))
    }

    /// The pod's own condition says who had it removed; an eviction by the kubelet has a status of its own.
    fn disrupted(&self) -> Option<(String, (Cite, String))> {
        let c = self.pod.what.conditions.iter().find(|c| {
            let when = c.since.map(When::at).zip(self.at).is_none_or(|(since, at)| since.near(&at, GRACE));
            c.kind == "DisruptionTarget" && c.status == "True" && when
        })?;
        let reason = c.reason.as_deref()?;
        let (_, why) = DISRUPTIONS.iter().find(|(r, _)| *r == reason)?;
        let message = c.message.as_deref().map_or(String::new(), |m| format!(": {m}"));
        let says = format!("{why} (condition DisruptionTarget, {reason}), and it was killed when its grace period was over");
        Some((says, (self.pod.cite.clone(), format!("condition DisruptionTarget, reason {reason}{message}"))))
    }

    /// The pod itself was being deleted: what is left when the grace period is over gets SIGKILL.
    fn deleted(&self) -> Option<(String, (Cite, String))> {
        let p = &self.pod.what;
        let grace = p.grace_seconds?;
        let slack = GRACE.saturating_add(i64::try_from(grace).unwrap_or(i64::MAX).saturating_mul(SECOND));
        let over = p.deleted_at.filter(|t| self.at.is_none_or(|at| When::at(*t).near(&at, slack)))?;
        let says = match grace {
            0 => "the pod was deleted with a grace period of 0 s, which stops it with SIGKILL at once".to_owned(),
            _ => "the pod was deleted, and it was killed when its grace period was over".to_owned(),
        };
        Some((
            says,
            (self.pod.cite.clone(), format!("the pod was deleted; its grace period of {grace} s was over at {} UTC", over.human())),
        ))
    }

    /// The kubelet says that its node came up anew about then; the lost container is seen only after that.
    fn rebooted(&self) -> Option<(Cite, String)> {
        let (at, node) = (self.at?, self.pod.what.node.as_deref()?);
        let of_node = |e: &&Placed<KubeEvent>| e.what.reason == "Rebooted" && e.what.object_name.as_deref() == Some(node);
        self.incident.events.iter().filter(of_node).find(|e| e.at.is_known() && e.at.near(&at, REBOOT)).map(|e| self.told(e))
    }

    fn evicted(&self) -> Option<(Cite, String)> {
        let event = self.events().find(|e| e.what.reason == "Evicted").map(|e| self.told(e));
        event.or_else(|| {
            let p = &self.pod.what;
            (p.reason.as_deref() == Some("Evicted"))
                .then(|| (self.pod.cite.clone(), format!("pod status Evicted: {}", p.message.as_deref().unwrap_or("no message"))))
        })
    }

    /// The node ran out in the same moment.
    fn system_oom(&self) -> Option<(Cite, String)> {
        let at = self.at?;
        let node = self.pod.what.node.as_deref()?;
        let found = self.incident.events.iter().find(|e| {
            e.what.reason == "SystemOOM"
                && e.what.object_name.as_deref() == Some(node)
                && e.at.is_known()
                && e.at.near(&at, 30 * SECOND)
                && e.at.width() <= 10 * MINUTE
        })?;
        Some(self.told(found))
    }

    /// The kernel's report of a kill in this container, near in time.
    fn kernel(&self) -> Option<(&OomKill, (Cite, String))> {
        let ours = |r: &&Placed<OomKill>| {
            r.owner.container.as_deref().is_none_or(|c| c == self.container.name)
                && self.at.is_none_or(|a| r.at.is_known() && r.at.near(&a, SAME_MOMENT))
        };
        let r = self.incident.reports_of(&self.pod.owner).find(ours)?;
        let victim = r.what.victims.first().and_then(|v| v.comm.as_deref()).unwrap_or("a task");
        Some((&r.what, (r.cite.clone(), format!("the kernel killed {victim} in this container"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pod::Resources;
    use crate::model::{Incident, Owner, RawTime, Timestamp};

    const AT: Timestamp = Timestamp(1_795_220_000_000_000_000);

    fn pod() -> Placed<PodState> {
        let owner = Owner { namespace: Some("shop".into()), pod: Some("api-0".into()), node: Some("n1".into()), ..Owner::default() };
        let what = PodState { name: "api-0".into(), namespace: Some("shop".into()), node: Some("n1".into()), ..PodState::default() };
        Placed { at: When::unknown(), owner, who: Default::default(), cite: Cite::default(), what }
    }

    fn container() -> ContainerState {
        let limits = Resources { memory_bytes: Some(512 << 20), cpu_millis: None };
        ContainerState { name: "api".into(), limits, ..ContainerState::default() }
    }

    fn run(reason: &str, code: i32) -> ContainerRun {
        ContainerRun {
            state: Some("terminated".into()),
            reason: Some(reason.into()),
            exit_code: Some(code),
            finished: Some(AT),
            ..Default::default()
        }
    }

    fn event(reason: &str, message: &str, before: i64) -> Placed<KubeEvent> {
        let t = AT.saturating_sub(before);
        let what = KubeEvent { reason: reason.into(), message: message.into(), last: RawTime::utc_s(t), ..KubeEvent::default() };
        Placed { at: When::at(t), owner: pod().owner, who: Default::default(), cite: Cite::default(), what }
    }

    fn kind(incident: &Incident, reason: &str, code: i32) -> Option<KillKind> {
        classify(&Index::of(incident), &pod(), &container(), &run(reason, code)).kind
    }

    #[test]
    fn the_reason_alone_decides_only_where_nothing_contradicts() {
        let quiet = Incident::default();
        assert_eq!(kind(&quiet, "OOMKilled", 137), Some(KillKind::MemcgContainer));
        assert_eq!(kind(&quiet, "OOMKilled", 0), Some(KillKind::ChildProcess));
        assert_eq!(kind(&quiet, "Error", 137), None);
        assert_eq!(kind(&quiet, "Error", 143), Some(KillKind::Sigterm));
        assert_eq!(kind(&quiet, "ContainerStatusUnknown", 137), None);
        assert_eq!(kind(&quiet, "Completed", 0), None);
    }

    #[test]
    fn events_tell_a_probe_kill_and_a_stop_from_a_memory_kill() {
        let probe = Incident {
            events: vec![event("Killing", "Container api failed liveness probe, will be restarted", 31 * SECOND)],
            ..Incident::default()
        };
        assert_eq!(kind(&probe, "Error", 137), Some(KillKind::ProbeKill));
        let other = Incident {
            events: vec![event("Killing", "Container web failed liveness probe, will be restarted", 31 * SECOND)],
            ..Incident::default()
        };
        assert_eq!(kind(&other, "Error", 137), None);
        let stop = Incident { events: vec![event("Killing", "Stopping container api", 2 * SECOND)], ..Incident::default() };
        let sticky = classify(&Index::of(&stop), &pod(), &container(), &run("OOMKilled", 143));
        assert_eq!((sticky.kind, sticky.against.len()), (Some(KillKind::Sigterm), 1));
    }

    #[test]
    fn a_runtime_that_gave_up_says_so_in_its_message() {
        let mut r = run("Error", 1);
        r.message = Some("java.lang.OutOfMemoryError: Java heap space".into());
        assert_eq!(classify(&Index::of(&Incident::default()), &pod(), &container(), &r).kind, Some(KillKind::RuntimeAbort));
        assert_eq!(kind(&Incident::default(), "Error", 1), None);
    }

    #[test]
    fn a_text_that_breaks_off_behind_its_reason_tells_of_no_child() {
        let mut r = run("OOMKilled", 0);
        r.exit_code = None;
        let ending = classify(&Index::of(&Incident::default()), &pod(), &container(), &r);
        assert_eq!((ending.kind, ending.against.len()), (Some(KillKind::MemcgContainer), 1));
    }

    #[test]
    fn a_limit_that_the_start_does_not_fit_in_is_a_kill() {
        let mut r = run("StartError", 128);
        r.message = Some("failed to create containerd task: OCI runtime create failed: runc create failed: unable to start container process: container init was OOM-killed (memory limit too low?): unknown".into());
        assert_eq!(classify(&Index::of(&Incident::default()), &pod(), &container(), &r).kind, Some(KillKind::MemcgContainer));
    }

    #[test]
    fn without_any_limit_it_was_the_node() {
        let none = ContainerState { name: "api".into(), ..ContainerState::default() };
        let killed = classify(&Index::of(&Incident::default()), &pod(), &none, &run("OOMKilled", 137));
        assert_eq!(killed.kind, Some(KillKind::NodeOom));
    }
}
