#!/usr/bin/env bash
# Made with Debian's prometheus package (2.42.0) on loopback: a server scrapes target.py every second for three minutes, is
# asked over its API, gives a snapshot of its blocks, and is killed (SIGKILL), so that WAL and chunks_head are as a crash
# leaves them. Random in it: times, ULIDs, ports' jitter. Trailing zeros of preallocated files are cut to one page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cat >"$work/prometheus.yml" <<'Y'
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: pods
    honor_labels: true
    static_configs: [{targets: ['127.0.0.1:19301']}]
Y
cat >"$work/rules.yml" <<'Y'
groups:
  - name: memory
    rules:
      - alert: ContainerNearLimit
        expr: container_memory_working_set_bytes{container="app"} > 100e6
        labels: {severity: warning}
        annotations: {summary: 'the working set is near the limit'}
      - record: pod:memory:sum
        expr: sum by (namespace, pod) (container_memory_working_set_bytes)
Y
env -i PATH="$PATH" python3 "$here/target.py" &
target=$!
env -i PATH="$PATH" prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
  --web.listen-address=127.0.0.1:19302 --web.enable-admin-api --log.level=error &
server=$!
trap 'kill $target 2>/dev/null || true; kill -9 $server 2>/dev/null || true; rm -rf "$work"' EXIT
sleep 1
began=$(date +%s)
sleep 175
ended=$(date +%s)
mkdir -p "$here/errors"
api() { curl -sG "http://127.0.0.1:19302/api/v1/$1" "${@:2}"; }
query='container_memory_working_set_bytes{namespace="shop"}'
api query_range --data-urlencode "query=$query" -d start="$began" -d end="$ended" -d step=2 >"$here/query_range.json"
api query --data-urlencode "query=$query" >"$here/query.json"
api query --data-urlencode "query=1/0" >"$here/scalar.json"
api query --data-urlencode "query=sum(" >"$here/errors/syntax.json"
api alerts >"$here/alerts.json"
api rules >"$here/rules.json"
promtool query instant http://127.0.0.1:19302 "$query" >"$here/instant.txt"
promtool query range --start="$began" --end="$ended" --step=5s http://127.0.0.1:19302 "$query" >"$here/range.txt"
promtool query range --start="$began" --end="$ended" --step=5s -o json http://127.0.0.1:19302 "$query" >"$here/range.bare.json"
curl -s http://127.0.0.1:19301/metrics >"$here/scrape.txt"
snapshot=$(curl -s -XPOST http://127.0.0.1:19302/api/v1/admin/tsdb/snapshot | sed 's/.*"name":"\([^"]*\)".*/\1/')
rm -rf "$here/block" "$here/head"
mkdir -p "$here/block" "$here/head"
cp -r "$work/data/snapshots/$snapshot"/*/. "$here/block/"
promtool tsdb dump "$work/data" >"$work/dump.txt"
grep -F '__name__="container_memory_working_set_bytes"' "$work/dump.txt" | gzip -9 -n >"$here/dump.txt.gz"
kill -9 $server
cp -r "$work/data/wal" "$work/data/chunks_head" "$here/head/"
find "$here/head" -type f -exec python3 -c '
import sys
b = open(sys.argv[1], "rb").read()
n = len(b.rstrip(b"\0"))
open(sys.argv[1], "wb").write(b[: min(len(b), (n // 32768 + 1) * 32768)])
' {} \;
