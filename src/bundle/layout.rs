//! Whose artifact is it, judging by its path: the folder conventions of collectors, and the user's `--map`.
//!
//! Known layouts: must-gather (`namespaces/NS/pods/POD/C/C/logs`), troubleshoot (`cluster-resources/pods/logs/NS/POD/C.log`,
//! `host-collectors/…/NODE/`), `kubectl cluster-info dump` (`NS/POD/logs.txt`), the kubelet's `/var/log/pods` and
//! `/var/log/containers`, `logs/POD_C.log`, `nodes/NODE/…`, and plain `NS/POD/C/…` folders. All of that is weaker than
//! content, so the claim is marked inferred; a `--map` is the user's word and is not.

use crate::model::Claim;

/// What `path` says; `map` wins over everything.
pub fn claim(path: &str, map: &[(String, Claim)]) -> Claim {
    if let Some((_, c)) = map.iter().find(|(glob, _)| matches(glob, path)) {
        return c.clone();
    }
    let parts: Vec<&str> = path.split(['/', '!']).filter(|p| !p.is_empty()).collect();
    let (dirs, file) = match parts.split_last() {
        Some((f, d)) => (d, stem(f)),
        None => return Claim::default(),
    };
    let mut c = names(dirs, file).unwrap_or_default();
    c.node = node(dirs, file).map(Into::into);
    c.cgroup = cgroup(dirs).map(Into::into);
    c.inferred = !c.is_empty();
    c
}

/// The cgroup whose folder a file lies in: what stands below `/sys/fs/cgroup`, or from `kubepods` on.
fn cgroup(dirs: &[&str]) -> Option<String> {
    let below = dirs.windows(2).position(|w| w == ["fs", "cgroup"]).map(|i| i + 2);
    let from = below.or_else(|| dirs.iter().position(|d| d.starts_with("kubepods")))?;
    let path = dirs.get(from..)?;
    // v1 mounts one tree per controller.
    let path = path.strip_prefix(&["memory"][..]).unwrap_or(path);
    Some(format!("/{}", path.join("/")))
}

/// Reads `GLOB=NS/POD/CONTAINER` (the container may be left out).
pub fn parse_map(text: &str) -> Option<(String, Claim)> {
    let (glob, owner) = text.rsplit_once('=')?;
    let mut parts = owner.split('/');
    let (ns, pod, container) = (parts.next()?, parts.next()?, parts.next().unwrap_or(""));
    (!glob.is_empty() && !ns.is_empty() && !pod.is_empty() && parts.next().is_none())
        .then(|| (glob.to_owned(), Claim::container(ns, pod, container)))
}

/// Whether `glob` (`*` any run of characters, `?` one) matches the path, or the path from one of its folders on.
fn matches(glob: &str, path: &str) -> bool {
    let starts = std::iter::once(0).chain(path.match_indices(['/', '!']).map(|(i, _)| i + 1));
    starts.filter_map(|i| path.get(i..)).any(|p| glob_match(glob.as_bytes(), p.as_bytes()))
}

/// Iterative matching with one point of return: linear memory, at worst the product of the lengths in time.
fn glob_match(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t, mut star) = (0, 0, None);
    while let Some(&c) = text.get(t) {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&x) if x == b'?' || x == c => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((sg, st)) => {
                    g = sg + 1;
                    t = st + 1;
                    star = Some((sg, t));
                }
                None => return false,
            },
        }
    }
    glob.get(g..).unwrap_or(&[]).iter().all(|&b| b == b'*')
}

/// File name without compression and text endings.
fn stem(file: &str) -> &str {
    let file = [".gz", ".zst", ".xz"].iter().find_map(|e| file.strip_suffix(e)).unwrap_or(file);
    [".log", ".txt"].iter().find_map(|e| file.strip_suffix(e)).unwrap_or(file)
}

/// Drops the mark of the previous run's log.
fn current(name: &str) -> &str {
    ["-previous", ".previous", "_previous"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name)
}

/// A container's name without what says of which kind the file is: no container's name has a dot.
fn kindless(name: &str) -> &str {
    current(name.split('.').next().unwrap_or(name))
}

fn names(dirs: &[&str], file: &str) -> Option<Claim> {
    // must-gather
    if let Some(i) = dirs.iter().position(|d| *d == "namespaces")
        && let Some(ns) = dirs.get(i + 1)
    {
        return Some(match (dirs.get(i + 2), dirs.get(i + 3), dirs.get(i + 4)) {
            (Some(&"pods"), Some(pod), Some(c)) => Claim::container(ns, pod, c),
            (Some(&"pods"), Some(pod), None) => Claim::container(ns, pod, ""),
            _ => Claim::container(ns, "", ""),
        });
    }
    // troubleshoot
    if let Some(i) = dirs.windows(2).position(|w| w == ["pods", "logs"])
        && let (Some(ns), Some(pod)) = (dirs.get(i + 2), dirs.get(i + 3))
    {
        return Some(Claim::container(ns, pod, current(file)));
    }
    // /var/log/pods: NS_POD_UID/C/N.log
    if let [.., pod_dir, c] = dirs
        && let [ns, pod, uid] = pod_dir.split('_').collect::<Vec<_>>().as_slice()
        && is_uid(uid)
    {
        return Some(Claim { pod_uid: Some((*uid).into()), ..Claim::container(ns, pod, c) });
    }
    // /var/log/containers: POD_NS_C-ID.log
    if let [pod, ns, rest] = file.split('_').collect::<Vec<_>>().as_slice()
        && let Some((c, id)) = rest.rsplit_once('-')
        && id.len() == 64
        && id.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Some(Claim { container_id: Some(id.into()), ..Claim::container(ns, pod, c) });
    }
    // kubectl cluster-info dump: NS/POD/logs.txt
    if let ([.., ns, pod], "logs") = (dirs, file) {
        return Some(Claim::container(ns, pod, ""));
    }
    // logs/POD_C.log, logs-POD_C.log
    // The mark of a previous run and the prefix both say that it is a log, as the folder does.
    let name = current(file.strip_prefix("logs-").or_else(|| file.strip_prefix("logs_")).unwrap_or(file));
    let in_logs = name.len() != file.len() || dirs.last().is_some_and(|d| *d == "logs" || d.ends_with("-logs"));
    if in_logs {
        if let Some((pod, c)) = name.split_once('_').map(|(p, c)| (p, kindless(c))).filter(|(p, c)| is_label(p) && is_label(c)) {
            return Some(Claim::container("", pod, c));
        }
        if let Some((pod, c)) = name.rsplit_once('.').filter(|(p, c)| is_pod(p) && is_label(c)) {
            return Some(Claim::container("", pod, c));
        }
        if is_pod(name) {
            return Some(Claim::container("", name, ""));
        }
    }
    // POD_C.gc.log, POD_C.heap.pb.gz in any folder, where the pod's name is one that a controller made
    if let Some((pod, c)) = file.split_once('_').map(|(p, c)| (p, kindless(c))).filter(|(p, c)| is_random(p) && is_label(c)) {
        return Some(Claim::container("", pod, c));
    }
    // NS/POD/C/… and NS/POD/…, where the pod's name shows that it is one
    // A node may be called `worker-1` too, but then its folder stands among nodes.
    let i = (0..dirs.len())
        .find(|&i| dirs.get(i).is_some_and(|d| is_pod(d)) && i.checked_sub(1).and_then(|n| dirs.get(n)) != Some(&"nodes"))?;
    let ns = i.checked_sub(1).and_then(|n| dirs.get(n)).filter(|n| is_label(n));
    Some(Claim::container(ns?, dirs.get(i)?, dirs.get(i + 1).filter(|c| is_label(c)).unwrap_or(&"")))
}

fn node<'a>(dirs: &[&'a str], file: &'a str) -> Option<&'a str> {
    const ENDINGS: [&str; 9] = [".kern", ".journal-k", ".dmesg-T", ".dmesg", ".services", ".kubelet", ".journal", ".messages", ".syslog"];
    let own = ENDINGS.iter().find_map(|e| file.strip_suffix(e)).map(|n| n.strip_prefix("node-").unwrap_or(n));
    if let Some(i) = dirs.iter().position(|d| *d == "nodes") {
        return dirs.get(i + 1).copied().or(own).or(Some(file));
    }
    if let Some(i) = dirs.iter().position(|d| *d == "host-collectors") {
        return dirs.get(i + 2).copied();
    }
    if dirs.contains(&"host_service_logs") {
        return file.strip_suffix("_service").and_then(|f| f.rsplit_once('_')).map(|(n, _)| n);
    }
    own.filter(|n| !n.is_empty())
}

/// A DNS label, as namespaces and containers have.
fn is_label(s: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let b = s.as_bytes();
    (1..=253).contains(&b.len())
        && edge(b.first())
        && edge(b.last())
        && b.iter().all(|&c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

/// A pod's name as controllers make it: `…-xxxxx` from Kubernetes' own alphabet (no vowels), or `…-N` of a stateful set.
fn is_pod(s: &str) -> bool {
    let Some((base, tail)) = s.rsplit_once('-') else { return false };
    let ordinal = !tail.is_empty() && tail.len() <= 3 && tail.bytes().all(|b| b.is_ascii_digit());
    is_random(s) || is_label(base) && !base.contains('.') && ordinal
}

fn is_random(s: &str) -> bool {
    s.rsplit_once('-').is_some_and(|(base, tail)| {
        let random = tail.len() == 5 && tail.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
        random && is_label(base) && !base.contains('.')
    })
}

/// 8-4-4-4-12 hex digits, or a static pod's 32.
fn is_uid(s: &str) -> bool {
    let hex = s.bytes().filter(u8::is_ascii_hexdigit).count();
    hex == 32 && (s.len() == 32 || (s.len() == 36 && s.bytes().filter(|&b| b == b'-').count() == 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(path: &str) -> String {
        let c = claim(path, &[]);
        assert!(c.inferred || c.is_empty());
        let s = |o: &Option<Box<str>>| o.as_deref().unwrap_or("-").to_owned();
        format!("{} {} {} {}", s(&c.namespace), s(&c.pod), s(&c.container), s(&c.node))
    }

    #[test]
    fn collectors_layouts_name_their_owner() {
        let known = [
            ("must-gather.local.1/quay/namespaces/shop/pods/cart-0/app/app/logs/previous.log", "shop cart-0 app -"),
            ("support-bundle/cluster-resources/pods/logs/crm/feed-0/app-previous.log", "crm feed-0 app -"),
            ("dump/payments/vault-7c9f6b5d8-x2k4z/logs.txt", "payments vault-7c9f6b5d8-x2k4z - -"),
            ("logs-cart-5d8f7-bbcd2_app.previous.log", "- cart-5d8f7-bbcd2 app -"),
            ("logs/cart-5d8f7-bbcd2.app.previous.log", "- cart-5d8f7-bbcd2 app -"),
            ("cart-5d8f7-bbcd2_app-previous.log", "- cart-5d8f7-bbcd2 app -"),
            ("cart-5d8f7-bbcd2.previous.log", "- cart-5d8f7-bbcd2 - -"),
            ("gc/cart-5d8f7-bbcd2_app.gc.log", "- cart-5d8f7-bbcd2 app -"),
            ("heap/cart-5d8f7-bbcd2_app.heap.pb.gz", "- cart-5d8f7-bbcd2 app -"),
            ("logs/cart-0_app.gc.log.gz", "- cart-0 app -"),
            ("diag/worker-1_kern.log", "- - - -"),
            ("previous.log", "- - - -"),
            ("nodes/worker-1/kern.log", "- - - worker-1"),
            ("nodes/worker-1.kern.log.gz", "- - - worker-1"),
            ("node-lnd-38.kern.log.gz", "- - - lnd-38"),
            ("mg/host_service_logs/workers/wrk-3_kubelet_service.log", "- - - wrk-3"),
            ("host-collectors/run-host/ip-10-0-0-1.ec2.internal/kern.txt.gz", "- - - ip-10-0-0-1.ec2.internal"),
            ("profiles/shop/cart-5d8f7-bbcd2/app/t0.pickle", "shop cart-5d8f7-bbcd2 app -"),
            ("shop_cart-0_0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/app/0.log", "shop cart-0 app -"),
            ("artifacts/gc.log", "- - - -"),
            ("heap-1.pb.gz", "- - - -"),
        ];
        for (path, want) in known {
            assert_eq!(label(path), want, "{path}");
        }
    }

    #[test]
    fn a_map_is_the_users_word() {
        let map: Vec<_> = parse_map("app/*.pickle=ml/rec-0/app").into_iter().collect();
        let c = claim("bundle/app/t0.pickle", &map);
        assert_eq!((c.namespace.as_deref(), c.inferred), (Some("ml"), false));
        assert!(claim("bundle/app/t0.txt", &map).is_empty());
        assert_eq!(parse_map("x=y"), None);
    }
}
