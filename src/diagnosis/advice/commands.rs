//! Commands with the case's names filled in. None where a name is missing or is none that Kubernetes allows.

use crate::diagnosis::case::Case;
use crate::model::kubectl::Kubectl;

pub fn kubectl(case: &Case<'_>) -> Kubectl {
    Kubectl::within(case.owner.namespace.as_deref())
}

/// A command about the pod and its container: `kubectl -n shop logs cart-0 -c app`. None without a pod.
pub fn of_container(case: &Case<'_>, verb: &str, rest: &str) -> Option<String> {
    let pod = case.owner.pod.as_deref()?;
    kubectl(case).say(" ").say(verb).say(" ").name(pod).container(case.owner.container.as_deref()).say(rest).finish()
}

/// A command about the pod as a whole.
pub fn of_pod(case: &Case<'_>, verb: &str, rest: &str) -> Option<String> {
    let pod = case.owner.pod.as_deref()?;
    kubectl(case).say(" ").say(verb).say(" ").name(pod).say(rest).finish()
}

pub fn exec(case: &Case<'_>, what: &str) -> Option<String> {
    of_container(case, "exec", &format!(" -- {what}"))
}
