#!/bin/bash
# Runs as root inside the root file system that make.sh built, in mount, host
# name and network namespaces of its own: containerd, load, the kills, three
# snapshots of the last process, collection into /srv/result.
set -euxo pipefail
cd /srv/make
pids=()
finish() { { set +x; } 2>/dev/null; kill "${pids[@]}" 2>/dev/null || true; for c in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s KILL "$c" || true; done; sleep 3; kill "$containerd" || true; }
trap finish EXIT
ip link set lo up
rm -rf /srv/result /srv/tsdb /var/lib/containerd /var/log/pods /var/snapshots
mkdir -p /srv/result
containerd >/srv/result/containerd.log 2>&1 &
containerd=$!
for i in $(seq 60); do ctr version >/dev/null 2>&1 && break; sleep 1; done
ctr -n k8s.io images import /srv/images/pause.tar
ctr -n k8s.io images import /srv/images/quote-api.tar
python3 - <<'P'
import json, subprocess
spec = json.load(open("pod.json"))
spec["containerd"] = subprocess.run(["containerd", "--version"], capture_output=True, text=True).stdout.split()[2].lstrip("v").split("~")[0]
json.dump(spec, open("/run/pod.json", "w"))
P
date +%s >/run/began
python3 podrunner.py /run/pod.json /srv/result/ledger.json >/srv/result/podrunner.log 2>&1 &
pids+=($!)
prometheus --config.file=prometheus.yml --storage.tsdb.path=/srv/tsdb --web.listen-address=127.0.0.1:9090 >/srv/result/prometheus.log 2>&1 &
pids+=($!)
prometheus-node-exporter --web.listen-address=127.0.0.1:9100 >/dev/null 2>&1 &
pids+=($!)
python3 api_stand_in.py /run/pod.json /srv/result/ledger.json >/srv/result/api.log 2>&1 &
pids+=($!)
sleep 5
# Ten seconds of quiet show the program's resting size.
sleep 10
node load.mjs >/srv/result/load.log 2>&1 &
pids+=($!)
kills=${KILLS:-3}
{ set +x; } 2>/dev/null
endings() { grep -c "\"state\": \"$1\"" /srv/result/ledger.json 2>/dev/null || true; }
for i in $(seq 40); do [ -e /srv/result/ledger.json ] && break; sleep 1; done
if [ ! -e /srv/result/ledger.json ]; then
  tail -n 20 /srv/result/podrunner.log /srv/result/containerd.log
  exit 1
fi
until [ "0$(endings EXITED)" -ge "$kills" ]; do sleep 1; done
until [ "0$(endings RUNNING)" -ge 1 ]; do sleep 1; done
set -x
for wait in 20 25 25; do
  sleep "$wait"
  curl -sf -X POST http://127.0.0.1:8080/debug/heap-snapshot
done
sleep 5
bash collect.sh /srv/result/bundle
