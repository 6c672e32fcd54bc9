//! Whose container it is: the labels that the kubelet gives to every container and sandbox (kuberuntime/labels.go), else the
//! name that dockershim and cri-dockerd make of the same words, `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`.

use super::text;
use crate::model::Claim;
use serde_json::Value;

/// What names tell of one container. Without a kubelet only `container` is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub namespace: Option<String>,
    pub pod: Option<String>,
    pub pod_uid: Option<String>,
    pub container: Option<String>,
    pub attempt: Option<u64>,
    /// The pod's own sandbox: no container of anybody's.
    pub sandbox: bool,
}

impl Name {
    pub fn of_labels(labels: &Value) -> Option<Name> {
        let get = |key: &str| text(labels, &format!("io.kubernetes.{key}")).map(str::to_owned);
        let container = get("container.name").filter(|c| c != "POD");
        let sandbox = container.is_none() || labels["io.kubernetes.docker.type"] == "podsandbox";
        let attempt = text(labels, "annotation.io.kubernetes.container.restartCount").and_then(|n| n.parse().ok());
        let pod = get("pod.name")?;
        Some(Name { namespace: get("pod.namespace"), pod: Some(pod), pod_uid: get("pod.uid"), container, attempt, sandbox })
    }

    /// A runtime's own name of a container, with or without the slash that docker puts before it.
    pub fn of_text(name: &str) -> Name {
        let name = name.trim_start_matches('/');
        if let Some(rest) = name.strip_prefix("k8s_") {
            let mut parts = rest.split('_');
            let mut next = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
            let (container, pod, namespace, pod_uid) = (next(), next(), next(), next());
            let attempt = next().and_then(|n| n.parse().ok());
            if pod_uid.is_some() {
                let sandbox = container.as_deref() == Some("POD");
                return Name { namespace, pod, pod_uid, container: container.filter(|_| !sandbox), attempt, sandbox };
            }
        }
        Name { container: (!name.is_empty()).then(|| name.to_owned()), pod: Some(name.to_owned()), ..Name::default() }
    }

    pub fn claim(&self, around: &Claim, id: Option<&str>) -> Claim {
        let some = |s: &Option<String>| s.as_deref().filter(|s| !s.is_empty()).map(Into::into);
        Claim {
            pod_uid: some(&self.pod_uid),
            container_id: id.map(Into::into),
            namespace: some(&self.namespace),
            pod: some(&self.pod),
            container: some(&self.container),
            node: around.node.clone(),
            ..Claim::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kubelet_made_and_others() {
        let n = Name::of_text("/k8s_app_cart-0_shop_6f1c0f4e-5a0b-4c1e-9d2f-7a8b9c0d1e2f_2");
        assert_eq!((n.pod.as_deref(), n.namespace.as_deref(), n.attempt, n.sandbox), (Some("cart-0"), Some("shop"), Some(2), false));
        assert!(Name::of_text("k8s_POD_cart-0_shop_6f1c0f4e_0").sandbox);
        let n = Name::of_text("/shop_search_1");
        assert_eq!((n.pod.as_deref(), n.container.as_deref(), n.namespace), (Some("shop_search_1"), Some("shop_search_1"), None));
        assert_eq!(Name::of_labels(&serde_json::json!({"app": "x"})), None);
    }
}
