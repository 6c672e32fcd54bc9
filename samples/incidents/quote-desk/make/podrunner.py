#!/usr/bin/env python3
"""Plays the kubelet's part for one pod.

Asks a real containerd, over the container runtime interface, for a sandbox and
a container in the cgroup a kubelet would choose; starts the container again
when it ends, with the kubelet's back-off of 0, 10, 20, 40 ... seconds; keeps
what the runtime said in ledger.json; and exports the cgroup's own figures under
the names cAdvisor and kube-state-metrics give them.
"""
import http.server
import json
import os
import sys
import threading
import time

import grpc

import cri_pb2 as cri

POD, CONTAINER, NODE = 0, 1, 2
STATES = ["CREATED", "RUNNING", "EXITED", "UNKNOWN"]
SPEC = json.load(open(sys.argv[1]))
LEDGER = sys.argv[2]
PARENT = "/kubepods/burstable/pod" + SPEC["uid"]
channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")
lock = threading.Lock()
ledger = {"scheduledAt": time.time_ns(), "attempts": []}


def call(method, request, answer):
    path = "/runtime.v1.RuntimeService/" + method
    return channel.unary_unary(path, type(request).SerializeToString, answer.FromString)(request, timeout=60)


def save():
    with open(LEDGER + ".new", "w") as out:
        json.dump(ledger, out, indent=2)
    os.rename(LEDGER + ".new", LEDGER)


def oom_score_adj():
    """The kubelet's formula for a Burstable container."""
    total = int(open("/proc/meminfo").readline().split()[1]) * 1024
    return min(999, max(3, 1000 - 1000 * SPEC["request"] // total))


def cgroup_of(container_id):
    return PARENT + "/" + container_id


class Metrics(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        body = "".join(rows()).encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)


def rows():
    with lock:
        attempts = [dict(a) for a in ledger["attempts"]]
    if not attempts:
        return
    pod = 'container="%(container)s",namespace="%(namespace)s",pod="%(pod)s"' % SPEC
    yield 'kube_pod_container_status_restarts_total{%s,uid="%s"} %d\n' % (pod, SPEC["uid"], len(attempts) - 1)
    yield 'kube_pod_container_resource_limits{%s,resource="memory",unit="byte"} %d\n' % (pod, SPEC["limit"])
    ended = [a for a in attempts if a["state"] == "EXITED"]
    if ended:
        yield 'kube_pod_container_status_last_terminated_reason{%s,reason="%s"} 1\n' % (pod, ended[-1]["reason"])
    last = attempts[-1]
    if last["state"] != "RUNNING":
        return
    group = cgroup_of(last["id"])
    try:
        usage = int(open("/sys/fs/cgroup/memory%s/memory.usage_in_bytes" % group).read())
        stat = dict(line.split() for line in open("/sys/fs/cgroup/memory%s/memory.stat" % group))
    except OSError:
        return
    labels = 'container="%s",id="%s",image="%s",name="%s",namespace="%s",pod="%s"' % (
        SPEC["container"], group, SPEC["image"], last["id"], SPEC["namespace"], SPEC["pod"])
    for name, value in [
        ("container_memory_usage_bytes", usage),
        ("container_memory_working_set_bytes", max(0, usage - int(stat["total_inactive_file"]))),
        ("container_memory_rss", int(stat["total_rss"])),
        ("container_memory_cache", int(stat["total_cache"])),
        ("container_spec_memory_limit_bytes", SPEC["limit"]),
        ("container_start_time_seconds", last["startedAt"] // 10**9),
    ]:
        yield "%s{%s} %d\n" % (name, labels, value)


def main():
    logs = "/var/log/pods/%(namespace)s_%(pod)s_%(uid)s" % SPEC
    os.makedirs("%s/%s" % (logs, SPEC["container"]), exist_ok=True)
    os.makedirs("/var/snapshots", exist_ok=True)
    labels = {"io.kubernetes.pod.namespace": SPEC["namespace"], "io.kubernetes.pod.name": SPEC["pod"], "io.kubernetes.pod.uid": SPEC["uid"]}
    shared = cri.Namespaces(network=NODE, pid=CONTAINER, ipc=POD)
    sandbox = cri.SandboxConfig(
        metadata=cri.SandboxMetadata(name=SPEC["pod"], uid=SPEC["uid"], namespace=SPEC["namespace"]),
        log_directory=logs,
        labels=labels,
        linux=cri.SandboxLinux(cgroup_parent=PARENT, security_context=cri.SandboxSecurity(namespace_options=shared)),
    )
    sandbox_id = call("RunPodSandbox", cri.RunPodSandboxRequest(config=sandbox), cri.RunPodSandboxResponse).pod_sandbox_id
    ledger["sandboxId"] = sandbox_id
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 9101), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    backoff = 0
    for attempt in range(100):
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=SPEC["container"], attempt=attempt),
            image=cri.Image(image=SPEC["image"]),
            mounts=[cri.Mount(container_path="/var/snapshots", host_path="/var/snapshots")],
            labels={**labels, "io.kubernetes.container.name": SPEC["container"]},
            log_path="%s/%d.log" % (SPEC["container"], attempt),
            linux=cri.ContainerLinux(
                resources=cri.Resources(
                    memory_limit_in_bytes=SPEC["limit"],
                    oom_score_adj=oom_score_adj(),
                ),
                security_context=cri.ContainerSecurity(namespace_options=shared),
            ),
        )
        request = cri.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox)
        container = call("CreateContainer", request, cri.CreateContainerResponse).container_id
        call("StartContainer", cri.StartContainerRequest(container_id=container), cri.StartContainerResponse)
        ledger["attempts"].append({})
        state = None
        while state != "EXITED":
            s = call("ContainerStatus", cri.ContainerStatusRequest(container_id=container), cri.ContainerStatusResponse).status
            if STATES[s.state] != state:
                state = STATES[s.state]
                with lock:
                    ledger["attempts"][attempt] = {
                        "id": s.id, "attempt": attempt, "state": state, "createdAt": s.created_at, "startedAt": s.started_at,
                        "finishedAt": s.finished_at, "exitCode": s.exit_code, "reason": s.reason, "message": s.message,
                        "imageRef": s.image_ref, "backoffSeconds": backoff,
                    }
                    save()
                print("attempt", attempt, state, s.reason, s.exit_code, flush=True)
            time.sleep(0.2)
        backoff = 0 if attempt == 0 else max(10, 2 * backoff)
        time.sleep(backoff)


main()
