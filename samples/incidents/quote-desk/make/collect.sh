#!/bin/bash
# What an on-call engineer would collect, on the node, right after the third
# snapshot: kubectl's own output, the kernel's journal, the container's cgroup
# files, Prometheus ranges and the snapshots. usage: collect.sh FOLDER
set -euo pipefail
out=$1
ns=freight
pod=quote-api-6f7d9c5b84-x8k2v
k() { kubectl --server=http://127.0.0.1:6443 "$@"; }

mkdir -p "$out"/{cluster,node/cgroup,prometheus,heap,"logs/$ns/$pod/api"}
k -n $ns get pods -o wide >"$out/cluster/get-pods.txt"
k -n $ns get pods -o json >"$out/cluster/pods.json"
k -n $ns describe pod $pod >"$out/cluster/describe-pod.txt"
k -n $ns describe deployment quote-api >"$out/cluster/describe-deployment.txt"
k describe node worker-3 >"$out/cluster/describe-node.txt"
k -n $ns get events >"$out/cluster/events.txt"
k -n $ns get events -o json >"$out/cluster/events.json"
k -n $ns logs $pod >"$out/logs/$ns/$pod/api/current.log"
k -n $ns logs $pod --previous >"$out/logs/$ns/$pod/api/previous.log"

# The kernel's words from the first container on.
dmesg -T --since "$(date -d "@$(cat /run/began)" "+%Y-%m-%d %H:%M:%S")" >"$out/node/dmesg.txt"
group=$(dirname "$(ls /sys/fs/cgroup/memory/kubepods/burstable/*/*/memory.limit_in_bytes | xargs grep -l -x 167772160)")
for file in memory.usage_in_bytes memory.max_usage_in_bytes memory.limit_in_bytes memory.failcnt memory.stat memory.oom_control; do
  cat "$group/$file" >"$out/node/cgroup/$file"
done
cp /proc/meminfo "$out/node/meminfo"

from=$(cat /run/began)
to=$(date +%s)
q() { # q FILE QUERY
  curl -sfG http://127.0.0.1:9090/api/v1/query_range --data-urlencode "query=$2" -d "start=$from" -d "end=$to" -d step=5 >"$out/prometheus/$1.json"
}
for metric in container_memory_working_set_bytes container_memory_rss container_memory_cache container_spec_memory_limit_bytes \
  kube_pod_container_status_restarts_total kube_pod_container_status_last_terminated_reason \
  process_resident_memory_bytes nodejs_heap_size_used_bytes nodejs_external_memory_bytes; do
  q $metric "$metric{namespace=\"$ns\",pod=\"$pod\"}"
done
q http_requests_rate "rate(http_requests_total{namespace=\"$ns\",pod=\"$pod\",route=\"/quotes\"}[30s])"
q node_memory_MemAvailable_bytes 'node_memory_MemAvailable_bytes'

cp /var/snapshots/Heap.* "$out/heap/"
