//! Whose fact is it: keys exactly as an artifact shows them (`Claim`), and the thing they turn out to name (`Owner`).

use serde::{Deserialize, Serialize};

/// Keys exactly as seen. Every field may be absent; `inferred` says that names came from a path, not from content.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Pod UID with dashes (static pods: 32 hex digits).
    pub pod_uid: Option<Box<str>>,
    /// 64 hex digits, without `containerd://` or the like.
    pub container_id: Option<Box<str>>,
    pub namespace: Option<Box<str>>,
    pub pod: Option<Box<str>>,
    pub container: Option<Box<str>>,
    /// Kubernetes node name, or the host name a log carries.
    pub node: Option<Box<str>>,
    pub pid: Option<u32>,
    pub comm: Option<Box<str>>,
    /// cgroup path as written.
    pub cgroup: Option<Box<str>>,
    /// A Prometheus `job`, a service unit, a free label that may match a workload's name.
    pub workload_hint: Option<Box<str>>,
    /// Names were taken from a folder or file name and are weaker than content.
    pub inferred: bool,
}

impl Claim {
    /// A claim that names a container, as most Kubernetes text does.
    pub fn container(namespace: &str, pod: &str, container: &str) -> Self {
        let some = |s: &str| (!s.is_empty()).then(|| s.into());
        Claim { namespace: some(namespace), pod: some(pod), container: some(container), ..Claim::default() }
    }

    pub fn is_empty(&self) -> bool {
        *self == Claim { inferred: self.inferred, ..Claim::default() }
    }
}

/// A resolved owner: as much of the path down to a container as is known. `workload` is the bare name of the top controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    pub namespace: Option<String>,
    pub workload: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    pub node: Option<String>,
}

impl Owner {
    pub fn node(name: &str) -> Self {
        Owner { node: Some(name.into()), ..Owner::default() }
    }

    /// `namespace/pod/container`, `node NAME`, or what there is.
    pub fn label(&self) -> String {
        let parts: Vec<&str> = [&self.namespace, &self.pod, &self.container].into_iter().flatten().map(String::as_str).collect();
        match (parts.is_empty(), &self.node) {
            (false, _) => parts.join("/"),
            (true, Some(n)) => format!("node {n}"),
            (true, None) => "unknown owner".into(),
        }
    }

    /// Same container: namespace, pod and container agree and are known.
    pub fn same_container(&self, other: &Owner) -> bool {
        self.pod.is_some() && self.namespace == other.namespace && self.pod == other.pod && self.container == other.container
    }

    pub fn same_pod(&self, other: &Owner) -> bool {
        self.pod.is_some() && self.namespace == other.namespace && self.pod == other.pod
    }
}

/// Whether a folder's name can be a host's: a label with a digit or a domain, and no date.
pub fn is_host_like(s: &str) -> bool {
    let digits = s.bytes().filter(u8::is_ascii_digit).count();
    let letters = s.bytes().filter(u8::is_ascii_alphabetic).count();
    let clean = s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    clean && letters > 0 && (digits > 0 || s.contains('.')) && !matches!(s, "k3s" | "rke2" | "k8s" | "k0s") && digits < 8.max(letters)
}

/// Pod template hashes and pods' random endings: 5 to 10 characters of the alphabet `bcdfghjklmnpqrstvwxz2456789`
/// (k8s.io/apimachinery `rand.SafeEncodeString`).
pub fn is_template_hash(s: &str) -> bool {
    (5..=10).contains(&s.len()) && s.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}
