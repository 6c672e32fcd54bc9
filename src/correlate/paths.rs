//! cgroup paths of pods: `kubepods` anywhere in the path, both cgroup drivers, every runtime's scope prefix.
//! Source: kubelet `cm/cgroup_manager_linux.go`; systemd unit escaping of `-` as `_` inside the pod UID.

/// What a cgroup path says about identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPath {
    /// Pod UID with dashes; static pods have 32 hex digits without.
    pub pod_uid: Option<String>,
    /// 64 hex digits.
    pub container_id: Option<String>,
}

impl CgroupPath {
    pub fn parse(path: &str) -> Self {
        let mut out = CgroupPath::default();
        let Some(start) = path.find("kubepods") else { return out };
        for segment in path.get(start..).unwrap_or("").split('/') {
            let bare = segment.strip_suffix(".slice").or_else(|| segment.strip_suffix(".scope")).unwrap_or(segment);
            if let Some(uid) = bare.rsplit_once("pod").map(|(_, u)| u).filter(|u| is_uid(u)) {
                out.pod_uid = Some(uid.replace('_', "-"));
            } else {
                let id = bare.rsplit('-').next().unwrap_or(bare);
                if id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) {
                    out.container_id = Some(id.to_owned());
                }
            }
        }
        out
    }
}

fn is_uid(s: &str) -> bool {
    let hex = s.bytes().filter(u8::is_ascii_hexdigit).count();
    hex == 32 && s.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_drivers_name_the_same_pod() {
        let id = "c2d2f7e5cac332be6b859a81b5fc37ef5b5b530ece07c09a18118e5c1d4e546f";
        for path in [
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod4ba0cc8e_1f3f_4c62_bac5_53a62a0102d8.slice/cri-containerd-{id}.scope"
            ),
            format!("/docker/feed/kubelet/kubepods/burstable/pod4ba0cc8e-1f3f-4c62-bac5-53a62a0102d8/{id}"),
        ] {
            let p = CgroupPath::parse(&path);
            assert_eq!(p.pod_uid.as_deref(), Some("4ba0cc8e-1f3f-4c62-bac5-53a62a0102d8"), "{path}");
            assert_eq!(p.container_id.as_deref(), Some(id));
        }
        assert_eq!(CgroupPath::parse("/system.slice/kubelet.service"), CgroupPath::default());
    }
}
