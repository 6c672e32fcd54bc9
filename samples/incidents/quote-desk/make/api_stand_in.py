#!/usr/bin/env python3
"""A stand-in for the API server, just large enough for a real kubectl to print
the pod, its owners, its events and its node.

Objects are composed here from what the container runtime reported (ledger.json)
and from the machine's own /proc and /etc/os-release: container ids, times, exit
codes, reasons, restart counts, the limit, the node's memory and kernel are true;
host and pod addresses, the kubelet's version and the wording of events are not
measured, they follow what a kubelet writes.
"""
import datetime
import http.server
import json
import platform
import re
import sys
import time
import urllib.parse

SPEC = json.load(open(sys.argv[1]))
LEDGER = sys.argv[2]
STARTED = time.time()
KUBELET = "v1.32.4"
NS, POD, CONTAINER = SPEC["namespace"], SPEC["pod"], SPEC["container"]
DEPLOYMENT, REPLICASET = SPEC["deployment"], SPEC["replicaset"]
HASH = REPLICASET.rsplit("-", 1)[1]
RESOURCES = {"limits": {"memory": "160Mi"}, "requests": {"cpu": "250m", "memory": "96Mi"}}


def uid(name):
    import uuid
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name + ".freight.example.com"))


def when(ns):
    return datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(ns):
    """HumanDuration, as the API server prints it in tables."""
    s = int(time.time() - ns / 1e9)
    if s < 120:
        return "%ds" % s
    m = s // 60
    if m < 10:
        return "%dm%ds" % (m, s % 60) if s % 60 else "%dm" % m
    if m < 180:
        return "%dm" % m
    return "%dh%dm" % (m // 60, m % 60) if m < 480 else "%dh" % (m // 60)


def ledger():
    return json.load(open(LEDGER))


def terminated(a):
    return {"terminated": {"exitCode": a["exitCode"], "reason": a["reason"], "startedAt": when(a["startedAt"]),
                           "finishedAt": when(a["finishedAt"]), "containerID": "containerd://" + a["id"]}}


def template():
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": DEPLOYMENT, "pod-template-hash": HASH}},
        "spec": {
            "containers": [{
                "name": CONTAINER, "image": SPEC["image"], "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "NODE_ENV", "value": "production"}],
                "resources": RESOURCES,
                "volumeMounts": [{"name": "snapshots", "mountPath": "/var/snapshots"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [{"name": "snapshots", "hostPath": {"path": "/var/snapshots", "type": "DirectoryOrCreate"}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "hostNetwork": True, "schedulerName": "default-scheduler", "securityContext": {},
        },
    }


def owner(kind, name):
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(name), "controller": True, "blockOwnerDeletion": True}]


def pod():
    book = ledger()
    attempts = book["attempts"]
    last = attempts[-1]
    running = last["state"] == "RUNNING"
    if running:
        state = {"running": {"startedAt": when(last["startedAt"])}}
        before = terminated(attempts[-2]) if len(attempts) > 1 else {}
    else:
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container=%s pod=%s_%s(%s)" % (CONTAINER, POD, NS, SPEC["uid"])}}
        before = terminated(last)
    changed = when(last["startedAt"] if running else last["finishedAt"])
    scheduled = when(book["scheduledAt"])
    conditions = [{"type": t, "status": s, "lastProbeTime": None, "lastTransitionTime": at} for t, s, at in [
        ("PodReadyToStartContainers", "True", scheduled), ("Initialized", "True", scheduled), ("Ready", str(running), changed),
        ("ContainersReady", str(running), changed), ("PodScheduled", "True", scheduled)]]
    spec = template()["spec"]
    spec.update(nodeName=SPEC["node"], serviceAccountName="default", serviceAccount="default", priority=0, enableServiceLinks=True,
                preemptionPolicy="PreemptLowerPriority",
                tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                             {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}])
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD, "generateName": REPLICASET + "-", "namespace": NS, "uid": SPEC["uid"], "resourceVersion": "48213",
                     "creationTimestamp": scheduled, "labels": template()["metadata"]["labels"], "ownerReferences": owner("ReplicaSet", REPLICASET)},
        "spec": spec,
        "status": {
            "phase": "Running", "conditions": conditions, "hostIP": "10.20.0.13", "hostIPs": [{"ip": "10.20.0.13"}],
            "podIP": "10.20.0.13", "podIPs": [{"ip": "10.20.0.13"}], "startTime": scheduled, "qosClass": "Burstable",
            "containerStatuses": [{
                "name": CONTAINER, "state": state, "lastState": before, "ready": running, "started": running,
                "restartCount": last["attempt"], "image": SPEC["image"], "imageID": last["imageRef"],
                "containerID": "containerd://" + last["id"], "allocatedResources": RESOURCES["requests"], "resources": RESOURCES,
            }],
        },
    }


def replicaset():
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": REPLICASET, "namespace": NS, "uid": uid(REPLICASET), "creationTimestamp": when(ledger()["scheduledAt"]),
                         "labels": template()["metadata"]["labels"], "annotations": {"deployment.kubernetes.io/revision": "9"},
                         "ownerReferences": owner("Deployment", DEPLOYMENT)},
            "spec": {"replicas": 1, "selector": {"matchLabels": template()["metadata"]["labels"]}, "template": template()},
            "status": {"replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}}


def deployment():
    inner = template()
    del inner["metadata"]["labels"]["pod-template-hash"]
    at = when(ledger()["scheduledAt"])
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": DEPLOYMENT, "namespace": NS, "uid": uid(DEPLOYMENT), "generation": 9, "creationTimestamp": "2026-03-02T09:14:08Z",
                         "labels": inner["metadata"]["labels"], "annotations": {"deployment.kubernetes.io/revision": "9"}},
            "spec": {"replicas": 1, "selector": {"matchLabels": inner["metadata"]["labels"]}, "template": inner,
                     "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
                     "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
            "status": {"observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
                       "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastUpdateTime": at, "lastTransitionTime": at, "message": "Deployment has minimum availability."},
                                      {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastUpdateTime": at, "lastTransitionTime": at, "message": 'ReplicaSet "%s" has successfully progressed.' % REPLICASET}]}}


def events():
    book = ledger()
    attempts = book["attempts"]
    out = []

    def event(kind, name, its_uid, reason, message, moments, source, type_="Normal", path=None):
        ref = {"kind": kind, "namespace": NS, "name": name, "uid": its_uid, "apiVersion": "v1" if kind == "Pod" else "apps/v1"}
        if path:
            ref["fieldPath"] = path
        out.append({"apiVersion": "v1", "kind": "Event",
                    "metadata": {"name": "%s.%016x" % (name, moments[0]), "namespace": NS, "uid": uid(reason + name), "creationTimestamp": when(moments[0])},
                    "involvedObject": ref, "reason": reason, "message": message, "type": type_, "count": len(moments), "source": source,
                    "firstTimestamp": when(moments[0]), "lastTimestamp": when(moments[-1]), "eventTime": None,
                    "reportingComponent": source["component"], "reportingInstance": source.get("host", "")})

    kubelet = {"component": "kubelet", "host": SPEC["node"]}
    path = "spec.containers{%s}" % CONTAINER
    first = book["scheduledAt"]
    event("Deployment", DEPLOYMENT, uid(DEPLOYMENT), "ScalingReplicaSet", "Scaled up replica set %s from 0 to 1" % REPLICASET, [first], {"component": "deployment-controller"})
    event("ReplicaSet", REPLICASET, uid(REPLICASET), "SuccessfulCreate", "Created pod: " + POD, [first], {"component": "replicaset-controller"})
    event("Pod", POD, SPEC["uid"], "Scheduled", "Successfully assigned %s/%s to %s" % (NS, POD, SPEC["node"]), [first], {"component": "default-scheduler"})
    created = [a["createdAt"] for a in attempts]
    event("Pod", POD, SPEC["uid"], "Pulled", 'Container image "%s" already present on machine' % SPEC["image"], created, kubelet, path=path)
    event("Pod", POD, SPEC["uid"], "Created", "Created container: " + CONTAINER, created, kubelet, path=path)
    event("Pod", POD, SPEC["uid"], "Started", "Started container " + CONTAINER, [a["startedAt"] for a in attempts], kubelet, path=path)
    waits = [at for a, b in zip(attempts, attempts[1:]) if b["backoffSeconds"] for at in range(a["finishedAt"] + 10**9, b["createdAt"], 12 * 10**9)]
    if waits:
        event("Pod", POD, SPEC["uid"], "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)" % (CONTAINER, POD, NS, SPEC["uid"]), waits, kubelet, "Warning", path)
    return sorted(out, key=lambda e: e["lastTimestamp"])


def node():
    mem = int(open("/proc/meminfo").readline().split()[1])
    release = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release"))
    boot = when(int((time.time() - float(open("/proc/uptime").read().split()[0])) * 1e9))
    beat = when(time.time_ns() - 20 * 10**9)
    conditions = [{"type": t, "status": s, "lastHeartbeatTime": beat, "lastTransitionTime": boot, "reason": r, "message": m} for t, s, r, m in [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status")]]
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": SPEC["node"], "uid": uid(SPEC["node"]), "creationTimestamp": boot,
                         "labels": {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": SPEC["node"], "kubernetes.io/os": "linux"}},
            "spec": {"podCIDR": "10.244.3.0/24"},
            "status": {"capacity": {"cpu": "2", "memory": "%dKi" % mem, "pods": "110"},
                       "allocatable": {"cpu": "2", "memory": "%dKi" % (mem - 102400), "pods": "110"},
                       "conditions": conditions,
                       "addresses": [{"type": "InternalIP", "address": "10.20.0.13"}, {"type": "Hostname", "address": SPEC["node"]}],
                       "nodeInfo": {"machineID": "", "systemUUID": "", "bootID": open("/proc/sys/kernel/random/boot_id").read().strip(),
                                    "kernelVersion": platform.release(), "osImage": release["PRETTY_NAME"].strip('"'),
                                    "containerRuntimeVersion": "containerd://" + SPEC["containerd"], "kubeletVersion": KUBELET,
                                    "operatingSystem": "linux", "architecture": "amd64"}}}


def table(columns, rows):
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
            "columnDefinitions": [{"name": n, "type": "string", "format": "", "description": "", "priority": p} for n, p in columns],
            "rows": [{"cells": cells, "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}} for cells, meta in rows]}


def pod_table():
    p = pod()
    status = p["status"]["containerStatuses"][0]
    n = status["restartCount"]
    end = status["lastState"].get("terminated")
    ended = datetime.datetime.fromisoformat(end["finishedAt"].replace("Z", "+00:00")).timestamp() * 1e9 if end else 0
    restarts = "%d (%s ago)" % (n, age(ended)) if n else "0"
    shown = "Running" if status["ready"] else status["state"]["waiting"]["reason"]
    cells = [POD, "%d/1" % status["ready"], shown, restarts, age(ledger()["scheduledAt"]), "10.20.0.13", SPEC["node"], "<none>", "<none>"]
    names = [("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1), ("Node", 1), ("Nominated Node", 1), ("Readiness Gates", 1)]
    return table(names, [(cells, p["metadata"])])


def event_table():
    def ns(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e9
    rows = []
    for e in events():
        last = age(ns(e["lastTimestamp"]))
        if e["count"] > 1:
            last += " (x%d over %s)" % (e["count"], age(ns(e["firstTimestamp"])))
        ref = e["involvedObject"]
        rows.append(([last if e["count"] < 2 else last.split(" ")[0], e["type"], e["reason"], "%s/%s" % (ref["kind"].lower(), ref["name"]), e["message"]], e["metadata"]))
    return table([("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)], rows)


def log(previous):
    a = ledger()["attempts"]
    at = len(a) - (2 if previous else 1)
    lines = open("/var/log/pods/%s_%s_%s/%s/%d.log" % (NS, POD, SPEC["uid"], CONTAINER, at)).read().splitlines()
    return "".join(line.split(" ", 3)[3] + "\n" for line in lines)


def listing(kind, version, items):
    return {"kind": kind + "List", "apiVersion": version, "metadata": {"resourceVersion": "48213"}, "items": items}


def resources(version, rows):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
            "resources": [{"name": n, "singularName": n[:-1], "namespaced": ns, "kind": k, "verbs": ["get", "list"], "shortNames": short} for n, k, ns, short in rows]}


def selected(items, query):
    for field in query.get("fieldSelector", [""])[0].split(","):
        if "=" in field:
            path, want = re.split("=+", field, maxsplit=1)
            items = [i for i in items if match(i, path.split("."), want)]
    return items


def match(item, path, want):
    for key in path:
        item = item.get(key, {}) if isinstance(item, dict) else {}
    return item == want or item == {} or path[0] == "status"


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        body = answer(url.path, urllib.parse.parse_qs(url.query), "as=Table" in self.headers.get("accept", ""))
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(404 if isinstance(body, dict) and body.get("status") == "Failure" else 200)
        self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
        self.end_headers()
        self.wfile.write(text.encode())


def answer(path, query, as_table):
    group = lambda g: {"name": g, "versions": [{"groupVersion": g + "/v1", "version": "v1"}], "preferredVersion": {"groupVersion": g + "/v1", "version": "v1"}}
    base, apps = "/api/v1/namespaces/" + NS, "/apis/apps/v1/namespaces/" + NS
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group("apps")]}
    if path == "/api/v1":
        return resources("v1", [("pods", "Pod", True, ["po"]), ("events", "Event", True, ["ev"]), ("nodes", "Node", False, ["no"])])
    if path == "/apis/apps/v1":
        return resources("apps/v1", [("deployments", "Deployment", True, ["deploy"]), ("replicasets", "ReplicaSet", True, ["rs"])])
    if path in (base + "/pods", "/api/v1/pods"):
        return pod_table() if as_table else listing("Pod", "v1", [pod()])
    if path == "%s/pods/%s" % (base, POD):
        return pod_table() if as_table else pod()
    if path == "%s/pods/%s/log" % (base, POD):
        return log(query.get("previous") == ["true"])
    if path in (base + "/events", "/api/v1/events"):
        return event_table() if as_table else listing("Event", "v1", selected(events(), query))
    if path == "/api/v1/nodes/" + SPEC["node"]:
        return node()
    if path == "%s/deployments/%s" % (apps, DEPLOYMENT):
        return deployment()
    if path == apps + "/replicasets":
        return listing("ReplicaSet", "apps/v1", [replicaset()])
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"}


http.server.ThreadingHTTPServer(("127.0.0.1", 6443), Api).serve_forever()
