//! What set a growth off, and where it is to be changed: configuration, rollouts that only events tell of, and the object
//! at the top of a pod's controllers.

use crate::small_bundles::{Bundle, MIB, START, bundle};
use postmem::report::document::FindingDoc;
use serde_json::{Value, json};

/// Flat for 200 minutes, then 2 MiB a minute.
fn late() -> Vec<u64> {
    (0..400u64).map(|i| 150 + (i * 7) % 4 + i.saturating_sub(200)).collect()
}

fn config(name: &str, changed: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2025-01-01T00:00:00Z", "managedFields": [
            {"manager": "helm", "operation": "Update", "time": "2025-01-01T00:00:00Z"},
            {"manager": "kubectl-edit", "operation": "Update", "time": changed}]},
        "data": {"cache.ttl": "0", "token": "not-to-be-read"}})
    .to_string()
}

fn with_config(name: &str, changed: &str, change: impl FnOnce(&mut Value)) -> FindingDoc {
    let mut b = bundle().working_set(late());
    change(&mut b.pod);
    b.files.push(("config.json".into(), config(name, changed)));
    b.first()
}

#[test]
fn a_configuration_changed_at_the_onset_is_the_trigger() {
    // The series begins at 00:00, so it turns at 03:20.
    let mounts = |pod: &mut Value| pod["spec"]["volumes"] = json!([{"name": "cfg", "configMap": {"name": "limits"}}]);
    let f = with_config("limits", "2026-02-20T03:19:00Z", mounts);
    let t = f.trigger.as_ref().expect("a trigger");
    assert_eq!((t.kind.word(), t.detail.as_str()), ("config", "ConfigMap limits changed by kubectl-edit"));
    assert!(f.evidence.iter().any(|e| e.artifact.ends_with("config.json") && e.strength == "on record"), "{:?}", f.evidence);
    assert!(f.advice.iter().any(|a| a.kind == "stop" && a.text.contains("Undo the change")), "{:?}", f.advice);
    // Variables name it too.
    let reads = |pod: &mut Value| pod["spec"]["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "limits"}}]);
    assert!(with_config("limits", "2026-02-20T03:19:00Z", reads).trigger.is_some());
    // Another one than the pod uses, one changed long before, and one named after the workload where the pod names none.
    assert!(with_config("other", "2026-02-20T03:19:00Z", mounts).trigger.is_none());
    assert!(with_config("limits", "2026-02-20T01:00:00Z", mounts).trigger.is_none());
    assert!(with_config("svc-config", "2026-02-20T03:19:00Z", |_| {}).trigger.is_some());
}

/// A series of one pod of Deployment `svc`, from `from` minutes on.
fn of_pod(b: &mut Bundle, pod: &str, from: u64, mib: impl Iterator<Item = u64>) {
    let values: Vec<Value> = mib.enumerate().map(|(i, v)| json!([START + 60 * (from + i as u64), (v * MIB).to_string()])).collect();
    let labels = json!({"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": pod, "container": "app"});
    let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": labels, "values": values}]}});
    b.files.push((format!("prometheus/{pod}.json"), answer.to_string()));
}

fn rolled_out(message: &str, old_grows: bool) -> FindingDoc {
    let (old, new) = ("svc-6c7d8f9b5-4wz2k", "svc-5b8c7d9f6-m4kzp");
    let mut b = bundle();
    let pod = |name: &str, image: &str| {
        let mut p = b.pod.clone();
        let set = name.rsplit_once('-').expect("a set").0;
        p["metadata"]["name"] = json!(name);
        p["metadata"]["uid"] = json!(format!("{name}-uid"));
        p["metadata"]["ownerReferences"][0] = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "controller": true});
        p["spec"]["containers"][0]["image"] = json!(image);
        p
    };
    let pods = json!({"apiVersion": "v1", "kind": "List", "items": [pod(old, "reg/svc:1"), pod(new, "reg/svc:2")]});
    b.pod = Value::Null;
    b.files.push(("pods.json".into(), pods.to_string()));
    of_pod(&mut b, old, 0, (0..400u64).map(|i| if old_grows { 150 + i / 2 } else { 150 + (i * 7) % 4 }));
    of_pod(&mut b, new, 120, (0..280u64).map(|i| 150 + i));
    b.events.push(json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "svc.1", "namespace": "shop"},
        "involvedObject": {"kind": "Deployment", "name": "svc", "namespace": "shop"}, "reason": "ScalingReplicaSet", "type": "Normal",
        "message": message, "firstTimestamp": "2026-02-20T02:00:00Z", "lastTimestamp": "2026-02-20T02:00:00Z", "count": 1}));
    b.first()
}

#[test]
fn a_rollout_that_only_an_event_tells_of_is_the_trigger() {
    let f = rolled_out("Scaled up replica set svc-5b8c7d9f6 to 1 from 0", false);
    let stop = f.advice.iter().find(|a| a.kind == "stop").expect("a first step");
    assert!(
        stop.text.contains("Take it out of service") && stop.command.as_deref().is_some_and(|c| c.contains("--replicas=0")),
        "{stop:?}"
    );
    assert_eq!(f.owner.pod.as_deref(), Some("svc-5b8c7d9f6-m4kzp"), "{}", f.sentence);
    let t = f.trigger.expect("a trigger");
    assert_eq!((t.kind.word(), t.time.rfc3339().as_str()), ("rollout", "2026-02-20T02:00:00.000000Z"));
    assert!(t.detail.contains("svc:2"), "{}", t.detail);
    // A set that had replicas was scaled, not rolled out; and where the old one grows as well, the new one is not to blame.
    assert!(rolled_out("Scaled up replica set svc-5b8c7d9f6 to 3 from 2", false).trigger.is_none());
    assert!(rolled_out("Scaled up replica set svc-5b8c7d9f6 to 1 from 0", true).trigger.is_none());
}

#[test]
fn a_rollout_long_before_the_growth_is_not_its_trigger() {
    let set = |name: &str, created: &str, image: &str, revision: &str| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "svc", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}})
    };
    let told = |flat: u64| {
        let mut b = bundle();
        let name = "svc-5b8c7d9f6-m4kzp";
        b.pod["metadata"]["name"] = json!(name);
        b.pod["metadata"]["ownerReferences"][0] =
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "svc-5b8c7d9f6", "controller": true});
        let items = [
            set("svc-6c7d8f9b5", "2026-02-01T00:00:00Z", "reg/svc:1", "4"),
            set("svc-5b8c7d9f6", "2026-02-20T02:00:00Z", "reg/svc:2", "5"),
        ];
        b.files.push(("sets.json".into(), json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()));
        of_pod(&mut b, "svc-6c7d8f9b5-4wz2k", 0, (0..120u64).map(|i| 150 + (i * 7) % 4));
        of_pod(&mut b, name, 120, (0..flat + 300).map(|i| 150 + (i * 7) % 4 + i.saturating_sub(flat)));
        b.first()
    };
    let soon = told(0);
    assert_eq!(soon.trigger.as_ref().map(|t| t.kind.word()), Some("rollout"), "{}", soon.sentence);
    let late = told(900);
    assert!(late.trigger.is_none(), "{:?}", late.trigger);
    assert!(late.advice.iter().all(|a| a.command.as_deref().is_none_or(|c| !c.contains("undo"))), "{:?}", late.advice);
    assert!(late.sentence.contains(" since 2026-02-20"), "{}", late.sentence);
}

#[test]
fn a_size_is_set_where_the_controller_takes_it() {
    let size = |kind: &str, name: &str, change: fn(&mut Value)| {
        let mut b = bundle().ended("OOMKilled", 137, 1, "2026-02-20T09:59:30Z").working_set((0..600).map(|i| 480 + i % 5));
        b.pod["metadata"]["ownerReferences"][0] = json!({"apiVersion": "x/v1", "kind": kind, "name": name, "controller": true});
        change(&mut b.pod);
        let f = b.first();
        let a = f.advice.into_iter().find(|a| a.kind == "size").expect("a size");
        (a.command.unwrap_or_default(), a.text)
    };
    let none = |_: &mut Value| {};
    assert!(size("StatefulSet", "svc", none).0.contains("set resources statefulset/svc -c app"));
    assert!(size("Job", "report-29115360", none).0.contains("set resources cronjob/report"));
    for (kind, name, change, says) in [
        ("Job", "migrate", none as fn(&mut Value), "A Job's template cannot be changed"),
        ("Node", "n1", none, "A static pod: change its manifest on the node"),
        ("CloneSet", "svc", none, "Change it where CloneSet svc is defined"),
        ("ReplicaSet", "svc-6f8d9c7b5", |p| p["metadata"]["labels"] = json!({"rollouts-pod-template-hash": "6f8d9c7b5"}), "Rollout svc"),
        (
            "ReplicationController",
            "svc-7",
            |p| p["metadata"]["annotations"] = json!({"openshift.io/deployment-config.name": "svc"}),
            "DeploymentConfig svc",
        ),
    ] {
        let (command, text) = size(kind, name, change);
        assert!(command.is_empty() && text.contains(says), "{kind}: {command} {text}");
    }
}
