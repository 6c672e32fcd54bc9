//! What container runtimes say without an API server: names, limits, endings and working sets of `crictl`, docker and podman.
//! Input: `samples/formats/container-runtime`, Docker's and podman's own output beside composed output of crictl.

use postmem::pipeline::{self, Options};
use postmem::report::document::ReportDoc;
use std::path::PathBuf;

fn sample(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples/formats").join(folder).join(name)
}

fn analyze(names: &[&str]) -> ReportDoc {
    let paths: Vec<PathBuf> = names.iter().map(|n| sample("container-runtime", n)).collect();
    pipeline::analyze(&paths, &Options::default()).expect("samples are there").document
}

/// Owner, kind, limit and code of every kill.
fn kills(r: &ReportDoc) -> Vec<String> {
    let o = |s: &Option<String>| s.clone().unwrap_or("-".into());
    r.kills
        .iter()
        .map(|k| {
            let at = serde_json::to_value(k.time).expect("a span")["earliest"].as_str().unwrap_or("-").to_owned();
            format!("{} {}/{}/{} {:?} {at}", k.kind, o(&k.owner.namespace), o(&k.owner.pod), o(&k.owner.container), k.limit_bytes)
        })
        .collect()
}

#[test]
fn crictl_inspect_tells_whose_container_was_killed_at_which_limit() {
    for names in
        [&["crictl-inspect.json"][..], &["crictl-inspect-many.json"], &["crictl-inspect.json", "crictl-ps.json", "crictl-stats.json"]]
    {
        let r = analyze(names);
        assert_eq!(kills(&r), ["memcg-container fraud/scorer-0/scorer Some(805306368) 2026-05-06T09:00:00.300000Z"], "{names:?}");
        assert_ne!(r.findings[0].cause, "no-problem");
        assert_eq!(r.findings[0].owner.container.as_deref(), Some("scorer"));
    }
}

#[test]
fn docker_inspect_names_pods_of_the_kubelet_and_containers_of_its_own() {
    let r = analyze(&["docker-inspect.json"]);
    assert_eq!(
        kills(&r),
        [
            "memcg-container shop/cart-0/app Some(100663296) 2026-11-21T13:02:50.515113Z",
            "memcg-container -/search/search Some(67108864) 2026-11-21T13:02:52.665007Z",
        ]
    );
}
