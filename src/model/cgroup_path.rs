//! What a cgroup path says: pod UID, container id, QoS class, runtime, cgroup driver, and which level of the tree it is.
//!
//! Shapes: kubelet's cgroupfs and systemd drivers (pkg/kubelet/cm), containerd, CRI-O, docker and podman scopes.
//! `kubepods` may stand anywhere in the path (kind, k3d, LXC payloads). Refuses to guess: a path without such marks
//! gives nothing.

use super::Claim;
use super::oom::LimitLevel;

/// Identity read from one path. Absent fields are not in the path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPath<'a> {
    /// With dashes; static pods have 32 hex digits without.
    pub pod_uid: Option<String>,
    /// 64 hex digits.
    pub container_id: Option<&'a str>,
    /// `guaranteed`, `burstable` or `besteffort`, for paths below `kubepods`.
    pub qos: Option<&'static str>,
    /// `containerd`, `cri-o`, `docker`, `podman`, where the scope's prefix tells.
    pub runtime: Option<&'static str>,
    /// `systemd` or `cgroupfs`.
    pub driver: Option<&'static str>,
    /// Level of the path's last named cgroup.
    pub level: Option<LimitLevel>,
}

/// Reads a path as the kernel, `/proc/PID/cgroup` or a folder of `/sys/fs/cgroup` shows it.
pub fn parse(path: &str) -> CgroupPath<'_> {
    let mut out = CgroupPath::default();
    let mut in_kubepods = false;
    for part in path.split('/').filter(|p| !p.is_empty()) {
        let (stem, systemd) = match part.strip_suffix(".slice").or_else(|| part.strip_suffix(".scope")) {
            Some(s) => (s, true),
            None => (part, false),
        };
        if let Some((id, runtime)) = container(stem) {
            out.container_id = Some(id);
            out.runtime = runtime.or(out.runtime);
            out.level = Some(LimitLevel::Container);
            continue;
        }
        if let Some(rest) = kubepods(stem) {
            in_kubepods = true;
            out.driver = Some(if systemd { "systemd" } else { "cgroupfs" });
            out.level = Some(LimitLevel::Kubepods);
            // `kubepods-burstable-pod<uid>` repeats what the folders above it said.
            let words = rest.strip_prefix('-').unwrap_or("");
            out.qos = class(words.split('-').next().unwrap_or("")).or(out.qos);
            if let Some(uid) = rest.rfind("-pod").and_then(|i| pod_uid(rest.get(i + 1..)?)) {
                out.pod_uid = Some(uid);
                out.level = Some(LimitLevel::Pod);
            }
            continue;
        }
        if in_kubepods {
            if let Some(q) = class(stem) {
                out.qos = Some(q);
            } else if let Some(uid) = pod_uid(stem) {
                out.pod_uid = Some(uid);
                out.level = Some(LimitLevel::Pod);
            }
        } else if part.ends_with(".service")
            || matches!(part, "podruntime.slice" | "runtime.slice" | "kubelet" | "kube-reserved" | "system-reserved")
        {
            out.level = Some(LimitLevel::Service);
        } else if part == "system.slice" || part == "user.slice" {
            out.level = out.level.or(Some(LimitLevel::Service));
        }
    }
    if in_kubepods && out.pod_uid.is_some() {
        out.qos = out.qos.or(Some("guaranteed"));
    }
    out
}

/// Name of the node service whose own cgroup this is: `/system.slice/kubelet.service` → `kubelet`.
pub fn service(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?.strip_suffix(".service")?;
    (!name.is_empty() && parse(path).level == Some(LimitLevel::Service)).then_some(name)
}

/// The innermost scope or unit of a login's own tree: `/user.slice/…/app.slice/run-u12.scope` → `run-u12.scope`.
pub fn user_scope(path: &str) -> Option<&str> {
    path.split('/').find(|p| !p.is_empty()).filter(|first| *first == "user.slice")?;
    path.rsplit('/').find(|p| !p.is_empty())
}

impl CgroupPath<'_> {
    /// Copies the strong keys into a claim.
    pub fn fill(&self, who: &mut Claim) {
        if let Some(uid) = &self.pod_uid {
            who.pod_uid = Some(uid.as_str().into());
        }
        if let Some(id) = self.container_id {
            who.container_id = Some(id.into());
        }
    }
}

/// `kubepods`, also behind a prefix such as `kubelet-kubepods-burstable-…` (kind).
fn kubepods(stem: &str) -> Option<&str> {
    let at = stem.find("kubepods")?;
    let before = stem.get(..at)?;
    (before.is_empty() || before.ends_with('-')).then(|| stem.get(at + "kubepods".len()..)).flatten()
}

fn class(word: &str) -> Option<&'static str> {
    match word {
        "burstable" => Some("burstable"),
        "besteffort" => Some("besteffort"),
        "guaranteed" => Some("guaranteed"),
        _ => None,
    }
}

/// `pod<uid>`, with `_` for `-` under systemd.
fn pod_uid(word: &str) -> Option<String> {
    let uid = word.strip_prefix("pod")?;
    let ok = uid.len() >= 8 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-' || b == b'_');
    ok.then(|| uid.replace('_', "-"))
}

/// A container's own cgroup: 64 hex digits, bare or behind a runtime's prefix.
fn container(stem: &str) -> Option<(&str, Option<&'static str>)> {
    let at = stem.len().checked_sub(64)?;
    let (prefix, id) = (stem.get(..at)?, stem.get(at..)?);
    if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let runtime = match prefix.trim_end_matches(['-', ':']) {
        "" => None,
        p if p.ends_with("cri-containerd") || p.ends_with("containerd") => Some("containerd"),
        // conmon watches the container from a scope of its own; the container's memory is not charged there.
        p if p.ends_with("conmon") => return None,
        p if p.ends_with("crio") => Some("cri-o"),
        p if p.ends_with("docker") => Some("docker"),
        p if p.ends_with("libpod") => Some("podman"),
        _ => None,
    };
    Some((id, runtime))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn both_drivers_and_odd_parents() {
        let systemd = format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11aa22bb_33cc_44dd_55ee_66ff77001122.slice/cri-containerd-{ID}.scope"
        );
        let p = parse(&systemd);
        assert_eq!(p.pod_uid.as_deref(), Some("11aa22bb-33cc-44dd-55ee-66ff77001122"));
        assert_eq!((p.container_id, p.qos, p.runtime, p.driver), (Some(ID), Some("burstable"), Some("containerd"), Some("systemd")));
        assert_eq!(p.level, Some(LimitLevel::Container));

        let guaranteed = parse("/kubepods.slice/kubepods-pod0123456789abcdef0123456789abcdef.slice");
        assert_eq!(guaranteed.pod_uid.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!((guaranteed.qos, guaranteed.level), (Some("guaranteed"), Some(LimitLevel::Pod)));

        let cgroupfs = format!("/lxc.payload.x/kubepods/besteffort/pod240a864f-1e2d-42c9-85f8-834920f7c0ee/{ID}");
        let p = parse(&cgroupfs);
        assert_eq!((p.qos, p.level, p.driver), (Some("besteffort"), Some(LimitLevel::Container), Some("cgroupfs")));
        assert_eq!(parse("/kubepods/burstable").level, Some(LimitLevel::Kubepods));
        assert_eq!(parse("/system.slice/kubelet.service").level, Some(LimitLevel::Service));
        assert_eq!(service("/system.slice/kubelet.service"), Some("kubelet"));
        assert_eq!(service("/kubepods/burstable"), None);
        assert_eq!(parse("/mem2"), CgroupPath::default());
        let kind = format!(
            "/docker/{ID}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod8f7e103d_ba0a_422c_81c9_ef9fc5b0b0ef.slice/cri-containerd-{ID}.scope"
        );
        assert_eq!(parse(&kind).pod_uid.as_deref(), Some("8f7e103d-ba0a-422c-81c9-ef9fc5b0b0ef"));
        let conmon = format!("/kubepods.slice/kubepods-pod8f7e103d_ba0a_422c_81c9_ef9fc5b0b0ef.slice/crio-conmon-{ID}.scope");
        assert_eq!((parse(&conmon).container_id, parse(&conmon).level), (None, Some(LimitLevel::Pod)));
    }
}
